//! The tables of profiles, and of those that tenants have made their default.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::rules::{Dialect, Profile, RightsFrom, Throttle, Visibility, Window};
use crate::auth::Caller;
use crate::db::schema::{api_key_profiles, default_api_key_profiles};
use crate::db::{Db, MultiBackend, inner};
use crate::error::{Error, Reason, Result, is_foreign_key_violation, is_unique_violation};
use crate::id::{ProfileID, TenantID};
use crate::name::fold;
use crate::search::{
    Comparison, Condition, Field, Filter, boolean, boolean_field, choice, choice_field, number, number_field, text,
    text_field,
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = api_key_profiles, check_for_backend(MultiBackend))]
struct Row {
    id: ProfileID,
    tenant_id: Option<TenantID>,
    name: String,
    description: String,
    immutable: bool,
    rights_from: String,
    validity: Option<i64>,
    min_validity: Option<i64>,
    max_validity: Option<i64>,
    max_keys: Option<i64>,
    targets: String,
    api_types_required: bool,
    replace_secret_on_type_change: bool,
    refresh_revives: bool,
    max_overlap: i64,
    warn_before: String,
    issuer_bound: bool,
    visibility: String,
    key_calls_per_minute: Option<i64>,
    tenant_calls_per_minute: Option<i64>,
    calls_window: String,
    error_dialect: String,
}

fn stored<T>(word: Option<T>) -> Result<T> {
    word.ok_or_else(|| Error::internal("a profile's row holds a word that is none"))
}

impl Row {
    fn into_profile(self) -> Result<Profile> {
        Ok(Profile {
            id: self.id,
            tenant: self.tenant_id,
            name: self.name,
            description: self.description,
            immutable: self.immutable,
            rights_from: stored(RightsFrom::parse(&self.rights_from))?,
            validity: self.validity,
            min_validity: self.min_validity,
            max_validity: self.max_validity,
            max_keys: self.max_keys,
            targets: serde_json::from_str(&self.targets).map_err(Error::internal)?,
            api_types_required: self.api_types_required,
            replace_secret_on_type_change: self.replace_secret_on_type_change,
            refresh_revives: self.refresh_revives,
            max_overlap: self.max_overlap,
            warn_before: serde_json::from_str(&self.warn_before).map_err(Error::internal)?,
            issuer_bound: self.issuer_bound,
            visibility: stored(Visibility::parse(&self.visibility))?,
            throttle: Throttle {
                key: self.key_calls_per_minute,
                tenant: self.tenant_calls_per_minute,
                window: stored(Window::parse(&self.calls_window))?,
            },
            dialect: stored(Dialect::parse(&self.error_dialect))?,
        })
    }
}

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = api_key_profiles, treat_none_as_null = true)]
struct PropertiesRow {
    name: String,
    name_fold: String,
    description: String,
    description_fold: String,
    rights_from: &'static str,
    validity: Option<i64>,
    min_validity: Option<i64>,
    max_validity: Option<i64>,
    max_keys: Option<i64>,
    targets: String,
    api_types_required: bool,
    replace_secret_on_type_change: bool,
    refresh_revives: bool,
    max_overlap: i64,
    warn_before: String,
    issuer_bound: bool,
    visibility: &'static str,
    key_calls_per_minute: Option<i64>,
    tenant_calls_per_minute: Option<i64>,
    calls_window: &'static str,
    error_dialect: &'static str,
}

impl From<&Profile> for PropertiesRow {
    fn from(profile: &Profile) -> Self {
        Self {
            name: profile.name.clone(),
            name_fold: fold(&profile.name),
            description: profile.description.clone(),
            description_fold: fold(&profile.description),
            rights_from: profile.rights_from.as_str(),
            validity: profile.validity,
            min_validity: profile.min_validity,
            max_validity: profile.max_validity,
            max_keys: profile.max_keys,
            targets: serde_json::json!(profile.targets).to_string(),
            api_types_required: profile.api_types_required,
            replace_secret_on_type_change: profile.replace_secret_on_type_change,
            refresh_revives: profile.refresh_revives,
            max_overlap: profile.max_overlap,
            warn_before: serde_json::json!(profile.warn_before).to_string(),
            issuer_bound: profile.issuer_bound,
            visibility: profile.visibility.as_str(),
            key_calls_per_minute: profile.throttle.key,
            tenant_calls_per_minute: profile.throttle.tenant,
            calls_window: profile.throttle.window.as_str(),
            error_dialect: profile.dialect.as_str(),
        }
    }
}

/// What can be searched, and how.
const FIELDS: &[Field<api_key_profiles::table>] = &[
    text("name", text_field!(api_key_profiles::name_fold)),
    text("description", text_field!(api_key_profiles::description_fold)),
    boolean("immutable", boolean_field!(api_key_profiles::immutable)),
    choice("rightsFrom", RightsFrom::WORDS, choice_field!(api_key_profiles::rights_from)),
    number("maxKeys", number_field!(api_key_profiles::max_keys.assume_not_null())),
    boolean("apiTypesRequired", boolean_field!(api_key_profiles::api_types_required)),
    boolean("replaceSecretOnApiTypeChange", boolean_field!(api_key_profiles::replace_secret_on_type_change)),
    boolean("refreshRevives", boolean_field!(api_key_profiles::refresh_revives)),
    boolean("issuerBound", boolean_field!(api_key_profiles::issuer_bound)),
    choice("visibility", Visibility::WORDS, choice_field!(api_key_profiles::visibility)),
    choice("errorDialect", Dialect::WORDS, choice_field!(api_key_profiles::error_dialect)),
];

const ID: fn(Comparison, i64) -> Condition<api_key_profiles::table> = number_field!(api_key_profiles::id);

/// The tenant's own profiles and the built-in ones; every read starts here.
fn visible_to(tenant: TenantID) -> api_key_profiles::BoxedQuery<'static, MultiBackend> {
    let visible = api_key_profiles::tenant_id.eq(tenant).or(api_key_profiles::tenant_id.is_null());
    api_key_profiles::table.filter(visible).into_boxed()
}

/// One profile that a tenant's keys can be of.
pub fn find_for(db: &mut Db, tenant: TenantID, id: ProfileID) -> Result<Option<Profile>> {
    let visible = api_key_profiles::tenant_id.eq(tenant).or(api_key_profiles::tenant_id.is_null());
    let query = api_key_profiles::table.filter(visible).filter(api_key_profiles::id.eq(id));
    let row: Option<Row> = inner!(db, inner => query.select(Row::as_select()).get_result(inner)).optional()?;
    row.map(Row::into_profile).transpose()
}

/// Every profile that a tenant's keys can be of.
pub fn all_for(db: &mut Db, tenant: TenantID) -> Result<BTreeMap<ProfileID, Profile>> {
    let rows: Vec<Row> = visible_to(tenant).select(Row::as_select()).load(db)?;
    rows.into_iter().map(|row| row.into_profile().map(|profile| (profile.id, profile))).collect()
}

/// One of the tenant's own profiles, for a statement that changes it: the built-in ones are nobody's.
macro_rules! row_of {
    ($tenant:expr, $id:expr) => {
        api_key_profiles::table.filter(api_key_profiles::id.eq($id)).filter(api_key_profiles::tenant_id.eq($tenant))
    };
}

/// One profile that a key is about to be made under: until the transaction ends it stays as it is, and where it is.
/// PostgreSQL shares the row among those who make keys, and keeps out who changes it; the built-in ones need nothing.
/// SQLite has one writer.
pub fn find_to_use(db: &mut Db, tenant: TenantID, id: ProfileID) -> Result<Option<Profile>> {
    let profile = find_for(db, tenant, id)?;
    match db {
        Db::Postgres(inner) if profile.as_ref().is_some_and(|profile| !profile.immutable) => {
            row_of!(tenant, id).select(api_key_profiles::id).for_share().load::<ProfileID>(inner)?;
            find_for(db, tenant, id)
        }
        _ => Ok(profile),
    }
}

/// One profile that is about to be changed or removed: no key is made under it until the transaction ends.
pub fn find_to_change<R, V>(db: &mut Db, caller: &Caller<R, V>, id: ProfileID) -> Result<Option<Profile>> {
    let row = row_of!(caller.tenant().id, id);
    diesel::update(row).set(api_key_profiles::immutable.eq(api_key_profiles::immutable)).execute(db)?;
    find_for(db, caller.tenant().id, id)
}

/// The profiles whose keys have the rights of whoever made them.
pub fn of_issuers(db: &mut Db, tenant: TenantID) -> Result<Vec<ProfileID>> {
    let query = visible_to(tenant).filter(api_key_profiles::rights_from.eq(RightsFrom::Issuer.as_str()));
    Ok(query.select(api_key_profiles::id).load(db)?)
}

/// The ID of the profile of keys that name none.
pub fn default_id(db: &mut Db, tenant: TenantID) -> Result<ProfileID> {
    let query = default_api_key_profiles::table
        .filter(default_api_key_profiles::tenant_id.eq(tenant))
        .select(default_api_key_profiles::profile_id);
    let id: Option<ProfileID> = inner!(db, inner => query.get_result(inner)).optional()?;
    Ok(id.unwrap_or(ProfileID::DEEP_SECURITY))
}

/// The profile of keys that name none.
pub fn default_of(db: &mut Db, tenant: TenantID) -> Result<Profile> {
    let id = default_id(db, tenant)?;
    find_for(db, tenant, id)?.ok_or_else(|| Error::internal("a tenant's default profile is gone"))
}

/// Makes a profile that of keys which name none. Deep Security's is that where nothing is said, and needs no row.
pub fn make_default<R, V>(db: &mut Db, caller: &Caller<R, V>, id: ProfileID) -> Result<()> {
    let tenant = caller.tenant().id;
    if id == ProfileID::DEEP_SECURITY {
        diesel::delete(default_api_key_profiles::table.find(tenant)).execute(db)?;
        return Ok(());
    }
    if set_default(db, tenant, id)? == 1 {
        return Ok(());
    }
    let row = (default_api_key_profiles::tenant_id.eq(tenant), default_api_key_profiles::profile_id.eq(id));
    // in a savepoint: another node may be faster, and then this one comes after it
    match db.transaction(|db| diesel::insert_into(default_api_key_profiles::table).values(row).execute(db)) {
        Err(error) if is_unique_violation(&error) => set_default(db, tenant, id).map(drop),
        inserted => Ok(inserted.map(drop)?),
    }
}

fn set_default(db: &mut Db, tenant: TenantID, id: ProfileID) -> Result<usize> {
    let row = default_api_key_profiles::table.find(tenant);
    Ok(diesel::update(row).set(default_api_key_profiles::profile_id.eq(id)).execute(db)?)
}

fn name_taken() -> Error {
    Error::new(Reason::NameTaken, "name: another API key profile has this name already.")
}

/// The unique index knows the tenant's own names; those of the built-in ones stand besides, and never change.
fn must_be_free(db: &mut Db, profile: &Profile) -> Result<()> {
    let same = api_key_profiles::table
        .filter(api_key_profiles::tenant_id.is_null())
        .filter(api_key_profiles::name_fold.eq(fold(&profile.name)));
    let taken: Option<ProfileID> = same.select(api_key_profiles::id).get_result(db).optional()?;
    taken.map_or(Ok(()), |_| Err(name_taken()))
}

fn refused(error: diesel::result::Error) -> Error {
    if is_unique_violation(&error) { name_taken() } else { error.into() }
}

/// Makes a profile in the caller's tenant; its ID is in what is handed back.
pub fn insert<R, V>(db: &mut Db, caller: &Caller<R, V>, profile: Profile) -> Result<Profile> {
    must_be_free(db, &profile)?;
    let id = diesel::insert_into(api_key_profiles::table)
        .values((
            PropertiesRow::from(&profile),
            api_key_profiles::tenant_id.eq(Some(caller.tenant().id)),
            api_key_profiles::immutable.eq(false),
        ))
        .returning(api_key_profiles::id)
        .get_result(db)
        .map_err(refused)?;
    Ok(Profile { id, ..profile })
}

/// Stores a changed profile.
pub fn update<R, V>(db: &mut Db, caller: &Caller<R, V>, profile: &Profile) -> Result<()> {
    must_be_free(db, profile)?;
    let row = row_of!(caller.tenant().id, profile.id);
    match diesel::update(row).set(PropertiesRow::from(profile)).execute(db).map_err(refused)? {
        0 => Err(Error::not_found("API key profile")),
        _ => Ok(()),
    }
}

/// Removes a profile that has no keys; the default one stays.
pub fn delete<R, V>(db: &mut Db, caller: &Caller<R, V>, id: ProfileID) -> Result<()> {
    let is_default = |error: diesel::result::Error| match is_foreign_key_violation(&error) {
        true => Error::new(
            Reason::Conflict,
            "The profile is the default of API keys that name none. Make another one the default first.",
        ),
        false => error.into(),
    };
    match diesel::delete(row_of!(caller.tenant().id, id)).execute(db).map_err(is_default)? {
        0 => Err(Error::not_found("API key profile")),
        _ => Ok(()),
    }
}

/// The profiles that the caller can see and that meet every criterion, by ID.
pub fn search<R, V>(db: &mut Db, caller: &Caller<R, V>, filter: Filter) -> Result<Vec<Profile>> {
    let mut query = visible_to(caller.tenant().id);
    for criterion in filter.criteria {
        query = query.filter(criterion.condition(FIELDS, ID)?);
    }
    let rows: Vec<Row> = query.order(api_key_profiles::id).limit(filter.most).select(Row::as_select()).load(db)?;
    rows.into_iter().map(Row::into_profile).collect()
}

/// At most `most` profiles behind `after`, by ID: a list's next piece.
pub fn list<R, V>(db: &mut Db, caller: &Caller<R, V>, after: ProfileID, most: i64) -> Result<Vec<Profile>> {
    let query = visible_to(caller.tenant().id).filter(api_key_profiles::id.gt(after));
    let rows: Vec<Row> = query.order(api_key_profiles::id).limit(most).select(Row::as_select()).load(db)?;
    rows.into_iter().map(Row::into_profile).collect()
}

/// Removes at most `most` profiles of a tenant that is being removed, and which of them was the default; answers how
/// many rows.
pub fn purge(db: &mut Db, tenant: TenantID, most: i64) -> Result<usize> {
    let default = diesel::delete(default_api_key_profiles::table.find(tenant)).execute(db)?;
    let of_tenant = api_key_profiles::table.filter(api_key_profiles::tenant_id.eq(tenant));
    let query = of_tenant.order(api_key_profiles::id).limit(most).select(api_key_profiles::id);
    let Some(last) = query.load::<ProfileID>(db)?.pop() else { return Ok(default) };
    Ok(default + diesel::delete(of_tenant.filter(api_key_profiles::id.le(last))).execute(db)?)
}

/// When people are told before keys of a profile end, and who sees those keys.
#[derive(Clone, Debug)]
pub struct Ladder {
    /// Which profile.
    pub profile: ProfileID,
    /// Milliseconds before the end.
    pub warn_before: Vec<i64>,
    /// Who sees the keys.
    pub visibility: Visibility,
}

/// The ladders of all profiles that a tenant's keys can be of.
pub fn ladders(db: &mut Db, tenant: TenantID) -> Result<Vec<Ladder>> {
    let columns = (api_key_profiles::id, api_key_profiles::warn_before, api_key_profiles::visibility);
    let rows: Vec<(ProfileID, String, String)> = visible_to(tenant).select(columns).load(db)?;
    let ladder = |(profile, warn_before, visibility): (ProfileID, String, String)| {
        Ok(Ladder {
            profile,
            warn_before: serde_json::from_str(&warn_before).map_err(Error::internal)?,
            visibility: stored(Visibility::parse(&visibility))?,
        })
    };
    rows.into_iter().map(ladder).collect()
}
