//! The table of tenants.
//!
//! A tenant that is being removed has the state `pending-deletion`, is found by no read here, and has given its name
//! back: what stands in `name_fold` then holds a control character, which no name may.

use diesel::prelude::*;
use uuid::Uuid;

use super::rules::{Properties, STATES, State, Tenant, label_of};
use crate::clock::Timestamp;
use crate::db::schema::tenants;
use crate::db::{Db, MultiBackend};
use crate::error::{Error, Reason, Result, is_unique_violation};
use crate::id::TenantID;
use crate::locale::{Locale, TimeZone};
use crate::name::{Description, TenantName};
use crate::search::{
    Comparison, Condition, Field, Filter, boolean, boolean_field, choice, choice_field, date, date_field, lower,
    number, number_field, text, text_field,
};

/// The primary tenant's name: it answers to it at sign-in, and to none.
pub const PRIMARY_NAME: &str = "Primary";

const PENDING_DELETION: &str = "pending-deletion";

/// A tenant to be made.
#[derive(Clone, Debug)]
pub struct NewTenant {
    /// The name it is signed in to by.
    pub name: TenantName,
    /// Its name for machines, in front of its keys.
    pub guid: Uuid,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = tenants, check_for_backend(MultiBackend))]
struct Row {
    id: TenantID,
    guid: String,
    name: String,
    state: String,
    description: String,
    time_zone: String,
    locale: String,
    database_server_id: i64,
    demo_mode: bool,
    modules_visible: String,
    hide_unlicensed_modules: bool,
    last_signin_time: Option<Timestamp>,
}

impl Row {
    fn into_tenant(self) -> Result<Tenant> {
        let stored = |error: Error| Error::internal(error.to_string());
        Ok(Tenant {
            id: self.id,
            guid: Uuid::try_parse(&self.guid).map_err(Error::internal)?,
            properties: Properties {
                name: TenantName::parse("name", &self.name).map_err(stored)?,
                description: Description::parse("description", &self.description).map_err(stored)?,
                time_zone: TimeZone::parse(&self.time_zone).map_err(stored)?,
                locale: Locale::parse(&self.locale).map_err(stored)?,
                database_server: self.database_server_id,
                demo_mode: self.demo_mode,
                modules_visible: serde_json::from_str(&self.modules_visible).map_err(Error::internal)?,
                hide_unlicensed_modules: self.hide_unlicensed_modules,
                state: State::parse(&self.state).map_err(stored)?,
            },
            last_signin_time: self.last_signin_time,
        })
    }
}

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = tenants)]
struct PropertiesRow {
    name: String,
    name_fold: String,
    state: &'static str,
    description: String,
    description_fold: String,
    time_zone: &'static str,
    locale: &'static str,
    database_server_id: i64,
    demo_mode: bool,
    modules_visible: String,
    hide_unlicensed_modules: bool,
}

impl From<&Properties> for PropertiesRow {
    fn from(properties: &Properties) -> Self {
        Self {
            name: properties.name.as_str().to_owned(),
            name_fold: properties.name.folded(),
            state: properties.state.as_str(),
            description: properties.description.as_str().to_owned(),
            description_fold: properties.description.folded(),
            time_zone: properties.time_zone.as_str(),
            locale: properties.locale.as_str(),
            database_server_id: properties.database_server,
            demo_mode: properties.demo_mode,
            modules_visible: serde_json::json!(properties.modules_visible).to_string(),
            hide_unlicensed_modules: properties.hide_unlicensed_modules,
        }
    }
}

/// What can be searched, and how.
const FIELDS: &[Field<tenants::table>] = &[
    number("databaseServerID", number_field!(tenants::database_server_id)),
    text("name", text_field!(tenants::name_fold)),
    text("description", text_field!(tenants::description_fold)),
    text("timeZone", text_field!(lower(tenants::time_zone))),
    boolean("demoMode", boolean_field!(tenants::demo_mode)),
    boolean("hideUnlicensedModules", boolean_field!(tenants::hide_unlicensed_modules)),
    date("lastSigninTime", date_field!(tenants::last_signin_time)),
    choice("tenantState", STATES, choice_field!(tenants::state)),
    text("guid", text_field!(lower(tenants::guid))),
];

const ID: fn(Comparison, i64) -> Condition<tenants::table> = number_field!(tenants::id);

/// All tenants but those that are being removed; every read starts here.
fn known() -> tenants::BoxedQuery<'static, MultiBackend> {
    tenants::table.filter(tenants::state.ne(PENDING_DELETION)).into_boxed()
}

/// Those that lists and searches show: the primary tenant is not among them.
fn listed() -> tenants::BoxedQuery<'static, MultiBackend> {
    known().filter(tenants::id.gt(TenantID::PRIMARY))
}

fn name_taken(error: diesel::result::Error) -> Error {
    match is_unique_violation(&error) {
        true => Error::new(Reason::NameTaken, "name: another tenant has this name already."),
        false => error.into(),
    }
}

/// Makes a tenant of which nothing but the name is said.
pub fn insert(db: &mut Db, new: &NewTenant, now: Timestamp) -> Result<TenantID> {
    create(db, new.guid, &Properties::named(new.name.clone(), TimeZone::UTC)?, now)
}

/// Makes a tenant. Its URL has a label made of its name, or of its GUID where another tenant has that label already.
pub fn create(db: &mut Db, guid: Uuid, properties: &Properties, now: Timestamp) -> Result<TenantID> {
    let guid = guid.hyphenated().to_string();
    let row = |slug: &str| {
        let row = PropertiesRow::from(properties);
        (row, tenants::guid.eq(guid.clone()), tenants::created.eq(now), tenants::slug.eq(slug.to_owned()))
    };
    let insert = |db: &mut Db, slug: &str| {
        diesel::insert_into(tenants::table).values(row(slug)).returning(tenants::id).get_result(db)
    };
    if let Some(label) = label_of(&properties.name) {
        // in a savepoint: it may be the label that is taken, or the name
        match db.transaction(|db| insert(db, &label)) {
            Err(error) if is_unique_violation(&error) => {}
            made => return made.map_err(name_taken),
        }
    }
    insert(db, &guid).map_err(name_taken)
}

/// Makes the primary tenant, number 0, if it is not there yet.
pub fn insert_primary(db: &mut Db, guid: Uuid, now: Timestamp) -> Result<()> {
    if primary_guid(db)?.is_none() {
        let properties = Properties::named(TenantName::parse("tenantName", PRIMARY_NAME)?, TimeZone::UTC)?;
        let row = (
            tenants::id.eq(TenantID::PRIMARY),
            PropertiesRow::from(&properties),
            tenants::guid.eq(guid.hyphenated().to_string()),
            tenants::created.eq(now),
            tenants::slug.eq(label_of(&properties.name)),
        );
        diesel::insert_into(tenants::table).values(row).execute(db)?;
    }
    Ok(())
}

/// The primary tenant's GUID; none before the first start.
pub fn primary_guid(db: &mut Db) -> Result<Option<Uuid>> {
    let guid: Option<String> =
        tenants::table.find(TenantID::PRIMARY).select(tenants::guid).get_result(db).optional()?;
    guid.map(|guid| Uuid::try_parse(&guid).map_err(Error::internal)).transpose()
}

/// One tenant, the primary one included.
pub fn find(db: &mut Db, id: TenantID) -> Result<Option<Tenant>> {
    let row: Option<Row> = known().filter(tenants::id.eq(id)).select(Row::as_select()).get_result(db).optional()?;
    row.map(Row::into_tenant).transpose()
}

/// The label of a tenant's URL.
pub fn label(db: &mut Db, id: TenantID) -> Result<Option<String>> {
    let row: Option<(Option<String>, String)> =
        known().filter(tenants::id.eq(id)).select((tenants::slug, tenants::guid)).get_result(db).optional()?;
    Ok(row.map(|(slug, guid)| slug.unwrap_or(guid)))
}

/// At most `most` tenants behind `after`, by ID: a list's next piece.
pub fn list(db: &mut Db, after: TenantID, most: i64) -> Result<Vec<Tenant>> {
    let query = listed().filter(tenants::id.gt(after)).order(tenants::id).limit(most);
    let rows: Vec<Row> = query.select(Row::as_select()).load(db)?;
    rows.into_iter().map(Row::into_tenant).collect()
}

/// The tenants that meet every criterion, by ID.
pub fn search(db: &mut Db, filter: Filter) -> Result<Vec<Tenant>> {
    let mut query = listed();
    for criterion in filter.criteria {
        query = query.filter(criterion.condition(FIELDS, ID)?);
    }
    let rows: Vec<Row> = query.order(tenants::id).limit(filter.most).select(Row::as_select()).load(db)?;
    rows.into_iter().map(Row::into_tenant).collect()
}

/// Stores changed properties.
pub fn update(db: &mut Db, id: TenantID, properties: &Properties) -> Result<()> {
    let row = tenants::table.filter(tenants::id.eq(id)).filter(tenants::state.ne(PENDING_DELETION));
    match diesel::update(row).set(PropertiesRow::from(properties)).execute(db).map_err(name_taken)? {
        0 => Err(Error::not_found("tenant")),
        _ => Ok(()),
    }
}

/// Notes that somebody has signed in, as part of the sign-in; `false` where the tenant has been suspended or removed
/// since the account was looked up.
pub fn signed_in(db: &mut Db, id: TenantID, now: Timestamp) -> Result<bool> {
    let row = tenants::table.filter(tenants::id.eq(id)).filter(tenants::state.eq(State::Active.as_str()));
    Ok(diesel::update(row).set(tenants::last_signin_time.eq(now)).execute(db)? == 1)
}

// ---- removing ----

/// Marks a tenant for removal: from the commit on nobody signs in to it, no session or key of it is taken, no read
/// finds it, and its name and its URL are free.
pub fn begin_deletion(db: &mut Db, id: TenantID) -> Result<()> {
    let row = tenants::table.filter(tenants::id.eq(id)).filter(tenants::state.ne(PENDING_DELETION));
    let given_back = format!("\u{1}{id}");
    match diesel::update(row)
        .set((tenants::state.eq(PENDING_DELETION), tenants::name_fold.eq(given_back), tenants::slug.eq(None::<String>)))
        .execute(db)?
    {
        0 => Err(Error::not_found("tenant")),
        _ => Ok(()),
    }
}

/// The first tenant that is still to be removed.
pub fn next_to_purge(db: &mut Db) -> Result<Option<TenantID>> {
    let query = tenants::table.filter(tenants::state.eq(PENDING_DELETION)).select(diesel::dsl::min(tenants::id));
    Ok(query.get_result(db)?)
}

/// Takes the row's lock on PostgreSQL: who takes it too comes after this transaction. Keys and people are added
/// meanwhile all the same, unless they ask for it. SQLite has one writer.
pub fn hold(db: &mut Db, id: TenantID) -> Result<()> {
    if let Db::Postgres(_) = db {
        diesel::update(tenants::table.find(id)).set(tenants::state.eq(tenants::state)).execute(db)?;
    }
    Ok(())
}

/// Takes the row's lock, so that two nodes do not remove the same rows at once; `false` when it is gone already.
pub fn lock_for_purge(db: &mut Db, id: TenantID) -> Result<bool> {
    let row = tenants::table.filter(tenants::id.eq(id)).filter(tenants::state.eq(PENDING_DELETION));
    Ok(diesel::update(row).set(tenants::state.eq(PENDING_DELETION)).execute(db)? == 1)
}

/// Removes the row itself, once nothing refers to it any more.
pub fn delete(db: &mut Db, id: TenantID) -> Result<()> {
    diesel::delete(tenants::table.filter(tenants::id.eq(id)).filter(tenants::state.eq(PENDING_DELETION)))
        .execute(db)?;
    Ok(())
}

/// Every tenant that is neither suspended nor being removed, by ID.
pub fn active(db: &mut Db) -> Result<Vec<TenantID>> {
    let query = tenants::table.filter(tenants::state.eq("active")).order(tenants::id);
    Ok(query.select(tenants::id).load(db)?)
}
