//! The table of keys: making, reading and changing them. Searches stand in `search_store.rs`.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel::sql_types::BigInt;

use super::conditions::{self, Keys, seen_by};
use super::rotation::KEPT;
use super::rules::{ApiKey, Issuer, Kind, Kinds, Properties};
use crate::auth::{Caller, Who};
use crate::clock::Timestamp;
use crate::constraints::{Constraints, Networks, from_json, to_json};
use crate::db::schema::api_keys;
use crate::db::{Db, Later, MultiBackend, Shared, inner, insert_all};
use crate::error::{Error, Reason, Result, is_foreign_key_violation, is_unique_violation};
use crate::id::{AdministratorID, ApiKeyID, ProfileID, RoleID, TenantID};
use crate::locale::{Locale, TimeZone};
use crate::name::{Description, ObjectName, fold};

#[derive(Queryable, Selectable)]
#[diesel(table_name = api_keys, check_for_backend(MultiBackend))]
pub(super) struct Row {
    pub(super) id: ApiKeyID,
    key_name: String,
    description: String,
    locale: String,
    role_id: RoleID,
    time_zone: String,
    active: bool,
    created: Timestamp,
    last_sign_in: Option<Timestamp>,
    unlock_time: Option<Timestamp>,
    unsuccessful_sign_in_attempts: i64,
    expiry_date: Option<Timestamp>,
    service_account: bool,
    made_with_initial_password: bool,
    profile_id: ProfileID,
    kind: String,
    made_by_administrator_id: Option<AdministratorID>,
    made_by_key_id: Option<ApiKeyID>,
    target: Option<String>,
    not_before: Option<Timestamp>,
    networks: String,
    remaining_uses: Option<i64>,
    calls_per_minute: Option<i64>,
    windows: String,
}

impl Row {
    pub(super) fn into_key(self) -> Result<ApiKey> {
        let stored = |error: Error| Error::internal(error.to_string());
        Ok(ApiKey {
            id: self.id,
            properties: Properties {
                name: ObjectName::stored(self.key_name),
                description: Description::parse("description", &self.description).map_err(stored)?,
                locale: Locale::parse(&self.locale).map_err(stored)?,
                role: self.role_id,
                time_zone: TimeZone::parse(&self.time_zone).map_err(stored)?,
                active: self.active,
                expiry: self.expiry_date,
                constraints: Constraints {
                    target: self.target,
                    not_before: self.not_before,
                    networks: from_json::<Networks>(&self.networks)?,
                    remaining_uses: self.remaining_uses,
                    calls_per_minute: self.calls_per_minute,
                    windows: from_json(&self.windows)?,
                },
            },
            created: self.created,
            last_sign_in: self.last_sign_in,
            unlock_time: self.unlock_time,
            unsuccessful_sign_in_attempts: self.unsuccessful_sign_in_attempts,
            service_account: self.service_account,
            made_with_initial_password: self.made_with_initial_password,
            profile: self.profile_id,
            kind: Kind::parse(&self.kind).ok_or_else(|| Error::internal("a key's kind is none"))?,
            issuer: issuer(self.made_by_administrator_id, self.made_by_key_id),
        })
    }
}

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = api_keys, treat_none_as_null = true, treat_none_as_default_value = false)]
struct PropertiesRow {
    key_name: String,
    name_fold: String,
    description: String,
    description_fold: String,
    locale: &'static str,
    role_id: RoleID,
    time_zone: &'static str,
    active: bool,
    expiry_date: Option<Timestamp>,
    target: Option<String>,
    not_before: Option<Timestamp>,
    networks: String,
    remaining_uses: Option<i64>,
    calls_per_minute: Option<i64>,
    windows: String,
}

fn issuer(administrator: Option<AdministratorID>, key: Option<ApiKeyID>) -> Option<Issuer> {
    administrator.map(Issuer::Administrator).or(key.map(Issuer::ApiKey))
}

impl From<&Properties> for PropertiesRow {
    fn from(properties: &Properties) -> Self {
        let constraints = &properties.constraints;
        Self {
            key_name: properties.name.as_str().to_owned(),
            name_fold: properties.name.folded(),
            description: properties.description.as_str().to_owned(),
            description_fold: properties.description.folded(),
            locale: properties.locale.as_str(),
            role_id: properties.role,
            time_zone: properties.time_zone.as_str(),
            active: properties.active,
            expiry_date: properties.expiry,
            target: constraints.target.clone(),
            not_before: constraints.not_before,
            networks: to_json(&constraints.networks, constraints.networks.is_empty()),
            remaining_uses: constraints.remaining_uses,
            calls_per_minute: constraints.calls_per_minute,
            windows: to_json(&constraints.windows, constraints.windows.is_empty()),
        }
    }
}

/// Where a key comes from.
#[derive(Clone, Copy, Debug)]
pub struct Provenance {
    tenant: TenantID,
    administrator: Option<AdministratorID>,
    key: Option<ApiKeyID>,
    initial_password: bool,
    service_account: bool,
    kind: Kind,
}

impl Provenance {
    /// The same for what has another kind of key.
    #[must_use]
    pub fn of_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// Made by whoever makes the call: nobody else can be named (T-02).
    pub fn of<R, V>(caller: &Caller<R, V>) -> Self {
        let (administrator, key) = match caller.who() {
            Who::Administrator(session) => (Some(session.administrator), None),
            Who::ApiKey(key) => (None, Some(key.id)),
        };
        let initial_password = caller.has_initial_password();
        let kind = Kind::Standard;
        Self { tenant: caller.tenant().id, administrator, key, initial_password, service_account: false, kind }
    }

    /// The same for a key that the primary tenant makes for another. Its makers are the primary tenant's, and no
    /// read of the other tenant's finds them: whoever shows a maker must look for it in the key's own tenant.
    pub fn for_tenant<R, V>(caller: &Caller<R, V>, tenant: TenantID) -> Self {
        Self { tenant, service_account: true, ..Self::of(caller) }
    }

    /// The tenant whose key it is.
    pub fn tenant(&self) -> TenantID {
        self.tenant
    }

    /// Made on the host, for an administrator of the primary tenant.
    pub fn on_the_host(administrator: AdministratorID) -> Self {
        Self {
            tenant: TenantID::PRIMARY,
            administrator: Some(administrator),
            key: None,
            initial_password: false,
            service_account: false,
            kind: Kind::Standard,
        }
    }
}

/// The keys that a caller sees; every read starts here.
pub(super) fn visible_to<R, V>(caller: &Caller<R, V>) -> api_keys::BoxedQuery<'static, MultiBackend> {
    only(seen_by(caller))
}

fn only(keys: Keys) -> api_keys::BoxedQuery<'static, MultiBackend> {
    api_keys::table.filter(keys).into_boxed()
}

/// The one of the keys that a caller sees, for a statement that changes it.
macro_rules! row_of {
    ($caller:expr, $id:expr) => {
        api_keys::table.filter(api_keys::id.eq($id)).filter(seen_by($caller))
    };
}

/// What callers can bring about: a name that is there already, and a role that was there a moment ago.
fn refused(error: diesel::result::Error) -> Error {
    if is_unique_violation(&error) {
        return Error::new(Reason::NameTaken, "keyName: another API key has this name already.");
    }
    match is_foreign_key_violation(&error) {
        true => unknown_role(),
        false => error.into(),
    }
}

/// A body names a role that is not there, or is another tenant's.
pub fn unknown_role() -> Error {
    Error::new(Reason::UnknownRole, "roleID: there is no such role. POST /api/administratorroles/search finds them.")
}

/// A key that is to be stored.
#[derive(Insertable)]
#[diesel(table_name = api_keys, treat_none_as_default_value = false)]
struct NewRow {
    #[diesel(embed)]
    properties: PropertiesRow,
    tenant_id: TenantID,
    profile_id: ProfileID,
    kind: &'static str,
    created: Timestamp,
    unsuccessful_sign_in_attempts: i64,
    service_account: bool,
    made_by_administrator_id: Option<AdministratorID>,
    made_by_key_id: Option<ApiKeyID>,
    made_with_initial_password: bool,
}

/// One whose number was taken before.
#[derive(Insertable)]
#[diesel(table_name = api_keys, treat_none_as_default_value = false)]
struct NumberedRow {
    id: ApiKeyID,
    #[diesel(embed)]
    row: NewRow,
}

impl Later for NumberedRow {
    const RANK: u8 = 0;

    fn write(db: &mut Db, rows: Vec<Self>) -> Result<()> {
        insert_all!(db, api_keys::table, rows.into_iter()).map_err(refused)
    }
}

/// Takes so many numbers of new keys. SQLite has no round trips to spare, and numbers a key as it is stored.
fn take_numbers(db: &mut Db, many: usize) -> Result<Vec<i64>> {
    #[derive(QueryableByName)]
    struct Taken {
        #[diesel(sql_type = BigInt)]
        id: i64,
    }
    let Db::Postgres(inner) = db else { return Ok(Vec::new()) };
    let many = i64::try_from(many).map_err(Error::internal)?;
    let query = "SELECT nextval('api_keys_id_seq') AS id FROM generate_series(1, $1)";
    let taken: Vec<Taken> = diesel::sql_query(query).bind::<BigInt, _>(many).load(inner)?;
    Ok(taken.into_iter().map(|taken| taken.id).collect())
}

/// Makes a key, which lets nobody in as long as it has no secret. Its row may be written later.
pub fn insert(
    db: &mut Db,
    shared: &mut Shared,
    made_by: Provenance,
    profile: ProfileID,
    properties: &Properties,
    now: Timestamp,
) -> Result<ApiKey> {
    let row = NewRow {
        properties: PropertiesRow::from(properties),
        tenant_id: made_by.tenant,
        profile_id: profile,
        kind: made_by.kind.as_str(),
        created: now,
        unsuccessful_sign_in_attempts: 0,
        service_account: made_by.service_account,
        made_by_administrator_id: made_by.administrator,
        made_by_key_id: made_by.key,
        made_with_initial_password: made_by.initial_password,
    };
    let id = match shared.next_number(db, take_numbers)?.map(ApiKeyID::new) {
        Some(id) => {
            shared.write_later(db, NumberedRow { id, row })?;
            id
        }
        None => {
            let insert = diesel::insert_into(api_keys::table).values(row).returning(api_keys::id);
            inner!(db, inner => insert.get_result(inner)).map_err(refused)?
        }
    };
    Ok(ApiKey {
        id,
        properties: properties.clone(),
        created: now,
        last_sign_in: None,
        unlock_time: None,
        unsuccessful_sign_in_attempts: 0,
        service_account: made_by.service_account,
        made_with_initial_password: made_by.initial_password,
        profile,
        kind: made_by.kind,
        issuer: issuer(made_by.administrator, made_by.key),
    })
}

/// One key that the caller is about to change: nobody else changes it until the transaction ends, so that of two
/// changes at once neither undoes the other. PostgreSQL holds a row that was written to; SQLite has one writer.
pub fn find_to_change<R, V>(db: &mut Db, caller: &Caller<R, V>, id: ApiKeyID) -> Result<Option<ApiKey>> {
    diesel::update(row_of!(caller, id)).set(api_keys::kind.eq(api_keys::kind)).execute(db)?;
    find(db, caller, id)
}

/// [`find_to_change`] for a key by its name.
pub fn find_named_to_change<R, V>(db: &mut Db, caller: &Caller<R, V>, name: &ObjectName) -> Result<Option<ApiKey>> {
    let named = api_keys::table.filter(seen_by(caller)).filter(api_keys::name_fold.eq(name.folded()));
    diesel::update(named).set(api_keys::kind.eq(api_keys::kind)).execute(db)?;
    let query = visible_to(caller).filter(api_keys::name_fold.eq(name.folded()));
    let row: Option<Row> = query.select(Row::as_select()).get_result(db).optional()?;
    row.map(Row::into_key).transpose()
}

/// Forgets the wrong secrets that were presented for one of a tenant's keys.
pub fn forget_wrong_secrets(db: &mut Db, tenant: TenantID, id: ApiKeyID) -> Result<()> {
    let row = api_keys::table.filter(api_keys::id.eq(id)).filter(api_keys::tenant_id.eq(tenant));
    diesel::update(row).set(api_keys::unsuccessful_sign_in_attempts.eq(0)).execute(db)?;
    Ok(())
}

/// [`find_to_change`] for a chore, which sees all that a tenant has.
pub fn find_of_tenant_to_change(db: &mut Db, tenant: TenantID, id: ApiKeyID) -> Result<Option<ApiKey>> {
    let row = api_keys::table.filter(api_keys::id.eq(id)).filter(api_keys::tenant_id.eq(tenant));
    diesel::update(row).set(api_keys::kind.eq(api_keys::kind)).execute(db)?;
    let row: Option<Row> = row.select(Row::as_select()).get_result(db).optional()?;
    row.map(Row::into_key).transpose()
}

/// One key that the caller can see.
pub fn find<R, V>(db: &mut Db, caller: &Caller<R, V>, id: ApiKeyID) -> Result<Option<ApiKey>> {
    let row: Option<Row> =
        visible_to(caller).filter(api_keys::id.eq(id)).select(Row::as_select()).get_result(db).optional()?;
    row.map(Row::into_key).transpose()
}

/// The primary tenant's key of a name, for the command line.
pub fn find_by_name(db: &mut Db, name: &str) -> Result<Option<ApiKeyID>> {
    let query = only(conditions::of_tenant(TenantID::PRIMARY)).filter(api_keys::name_fold.eq(fold(name)));
    Ok(query.select(api_keys::id).get_result(db).optional()?)
}

/// At most `most` keys of some kinds behind `after`, by ID: a list's next piece.
pub fn list<R, V>(db: &mut Db, caller: &Caller<R, V>, kinds: Kinds, after: ApiKeyID, most: i64) -> Result<Vec<ApiKey>> {
    let query = visible_to(caller).filter(api_keys::id.gt(after)).order(api_keys::id).limit(most);
    let query = query.filter(conditions::of_kinds(kinds));
    let rows: Vec<Row> = query.select(Row::as_select()).load(db)?;
    rows.into_iter().map(Row::into_key).collect()
}

/// Stores changed properties; taking a lock off sets the counters back.
pub fn update<R, V>(
    db: &mut Db,
    caller: &Caller<R, V>,
    id: ApiKeyID,
    properties: &Properties,
    unlocks: bool,
) -> Result<()> {
    let updated =
        diesel::update(row_of!(caller, id)).set(PropertiesRow::from(properties)).execute(db).map_err(refused)?;
    if updated == 0 {
        return Err(Error::not_found("API key"));
    }
    if unlocks {
        diesel::update(row_of!(caller, id))
            .set((api_keys::unlock_time.eq(None::<Timestamp>), api_keys::unsuccessful_sign_in_attempts.eq(0)))
            .execute(db)?;
    }
    Ok(())
}

/// The first few keys that were made with a first start's password which is still to be changed.
pub fn made_with_initial_password<R, V>(db: &mut Db, caller: &Caller<R, V>) -> Result<Vec<ApiKeyID>> {
    let query = visible_to(caller).filter(api_keys::made_with_initial_password);
    Ok(query.order(api_keys::id).limit(20).select(api_keys::id).load(db)?)
}

/// An administrator has changed the first start's password: what was minted with it is no longer warned about.
pub fn initial_password_changed(db: &mut Db, administrator: AdministratorID) -> Result<()> {
    diesel::update(api_keys::table.filter(api_keys::made_by_administrator_id.eq(administrator)))
        .filter(api_keys::made_with_initial_password)
        .set(api_keys::made_with_initial_password.eq(false))
        .execute(db)?;
    Ok(())
}

/// The keys of a tenant that live under a profile, whoever sees them.
fn of_profile(tenant: TenantID, profile: ProfileID) -> api_keys::BoxedQuery<'static, MultiBackend> {
    api_keys::table.filter(api_keys::tenant_id.eq(tenant)).filter(api_keys::profile_id.eq(profile)).into_boxed()
}

/// Whether a tenant has a key that lives under a profile.
pub fn any_of_profile(db: &mut Db, tenant: TenantID, profile: ProfileID) -> Result<bool> {
    let query = of_profile(tenant, profile);
    let first: Option<ApiKeyID> = query.select(diesel::dsl::min(api_keys::id)).get_result(db)?;
    Ok(first.is_some())
}

/// How many keys of a tenant live under a profile, expired ones included; of those that are for a target, where one is
/// named; `but` is not counted.
pub fn count_of_profile(
    db: &mut Db,
    tenant: TenantID,
    profile: ProfileID,
    target: Option<&str>,
    but: Option<ApiKeyID>,
) -> Result<i64> {
    let mut query = of_profile(tenant, profile);
    if let Some(target) = target {
        query = query.filter(api_keys::target.eq(target.to_owned()));
    }
    if let Some(but) = but {
        query = query.filter(api_keys::id.ne(but));
    }
    Ok(query.count().get_result(db)?)
}

/// The keys that an administrator made under these profiles have the role that the administrator has now.
pub fn issuer_bears(
    db: &mut Db,
    tenant: TenantID,
    issuer: AdministratorID,
    profiles: &[ProfileID],
    role: RoleID,
) -> Result<()> {
    diesel::update(api_keys::table.filter(api_keys::tenant_id.eq(tenant)))
        .filter(api_keys::profile_id.eq_any(profiles.to_vec()))
        .filter(api_keys::made_by_administrator_id.eq(issuer))
        .set(api_keys::role_id.eq(role))
        .execute(db)?;
    Ok(())
}

/// The most secrets that one key has at a time: two that live, while it is being rotated, and those that are kept.
const SECRETS: i64 = 2 + KEPT as i64;

/// Of these keys, those that a caller sees, by name; and those that are not locked out, whoever sees them.
pub fn issuers<R, V>(
    db: &mut Db,
    caller: &Caller<R, V>,
    keys: &BTreeSet<ApiKeyID>,
) -> Result<(BTreeMap<ApiKeyID, String>, BTreeSet<ApiKeyID>)> {
    if keys.is_empty() {
        return Ok((BTreeMap::new(), BTreeSet::new()));
    }
    let named = visible_to(caller).filter(api_keys::id.eq_any(keys.clone()));
    let names: Vec<(ApiKeyID, String)> = named.select((api_keys::id, api_keys::key_name)).load(db)?;
    let active = api_keys::table.filter(api_keys::id.eq_any(keys.clone())).filter(api_keys::active);
    let active: Vec<ApiKeyID> = active.select(api_keys::id).load(db)?;
    Ok((names.into_iter().collect(), active.into_iter().collect()))
}

/// Removes keys of a tenant that is being removed, at most `most` rows with their secrets; answers how many keys.
pub fn purge(db: &mut Db, tenant: TenantID, most: i64) -> Result<usize> {
    let of_tenant = api_keys::table.filter(api_keys::tenant_id.eq(tenant));
    let query = of_tenant.order(api_keys::id).limit((most / (1 + SECRETS)).max(1)).select(api_keys::id);
    let Some(last) = query.load::<ApiKeyID>(db)?.pop() else { return Ok(0) };
    Ok(diesel::delete(of_tenant.filter(api_keys::id.le(last))).execute(db)?)
}

// ---- for whoever writes about them ----

/// What is written about a key.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = api_keys, check_for_backend(MultiBackend))]
pub struct Written {
    /// The key.
    pub id: ApiKeyID,
    /// Its name.
    pub key_name: String,
    /// The language of what is written for it.
    pub locale: String,
    /// The zone of its dates.
    pub time_zone: String,
    /// When it ends.
    pub expiry_date: Option<Timestamp>,
    /// The rules it lives under.
    pub profile_id: ProfileID,
}

/// The tenant's keys, whoever sees them.
fn of_tenant(tenant: TenantID) -> api_keys::BoxedQuery<'static, MultiBackend> {
    api_keys::table.filter(api_keys::tenant_id.eq(tenant)).into_boxed()
}

/// One of a tenant's keys.
pub fn written(db: &mut Db, tenant: TenantID, id: ApiKeyID) -> Result<Option<Written>> {
    Ok(of_tenant(tenant).filter(api_keys::id.eq(id)).select(Written::as_select()).get_result(db).optional()?)
}

/// At most `most` of a tenant's keys that end after `above` and not after `up_to`, the first to end first, behind the
/// last one seen.
pub fn ending(
    db: &mut Db,
    tenant: TenantID,
    (above, up_to): (Timestamp, Timestamp),
    behind: Option<(Timestamp, ApiKeyID)>,
    most: i64,
) -> Result<Vec<Written>> {
    let mut query = of_tenant(tenant).filter(api_keys::expiry_date.gt(above)).filter(api_keys::expiry_date.le(up_to));
    if let Some((at, id)) = behind {
        let same = api_keys::expiry_date.eq(at).and(api_keys::id.gt(id));
        query = query.filter(api_keys::expiry_date.ge(at)).filter(api_keys::expiry_date.gt(at).or(same));
    }
    Ok(query.order((api_keys::expiry_date, api_keys::id)).limit(most).select(Written::as_select()).load(db)?)
}

/// The person in whose name a key was made: who made it, or made the key that made it, and so on. None where one of
/// them is gone, and where they belong to another tenant.
pub fn person_behind(db: &mut Db, tenant: TenantID, id: ApiKeyID) -> Result<Option<AdministratorID>> {
    const MOST: usize = 32;
    let mut next = Some(id);
    for _ in 0..MOST {
        let Some(id) = next else { return Ok(None) };
        let columns = (api_keys::made_by_administrator_id, api_keys::made_by_key_id);
        let made_by: Option<(Option<AdministratorID>, Option<ApiKeyID>)> =
            of_tenant(tenant).filter(api_keys::id.eq(id)).select(columns).get_result(db).optional()?;
        match made_by {
            Some((Some(person), _)) => return Ok(Some(person)),
            Some((None, key)) => next = key,
            None => return Ok(None),
        }
    }
    Ok(None)
}

/// The first `most` keys that the caller can see and that are still to end, in the order in which they do.
pub fn expiring<R, V>(db: &mut Db, caller: &Caller<R, V>, now: Timestamp, most: i64) -> Result<Vec<Written>> {
    let query = visible_to(caller).filter(api_keys::expiry_date.gt(now));
    Ok(query.order((api_keys::expiry_date, api_keys::id)).limit(most).select(Written::as_select()).load(db)?)
}

// ---- many at once ----

/// Those of some keys of a tenant that are there, by ID.
pub fn these(db: &mut Db, tenant: TenantID, ids: &[ApiKeyID]) -> Result<Vec<ApiKey>> {
    let rows: Vec<Row> = of_these(tenant, ids.to_vec()).order(api_keys::id).select(Row::as_select()).load(db)?;
    rows.into_iter().map(Row::into_key).collect()
}

/// [`these`], which nobody else changes until the transaction ends.
pub fn these_to_change(db: &mut Db, tenant: TenantID, ids: &[ApiKeyID]) -> Result<Vec<ApiKey>> {
    diesel::update(of_these(tenant, ids.to_vec())).set(api_keys::kind.eq(api_keys::kind)).execute(db)?;
    these(db, tenant, ids)
}

#[diesel::dsl::auto_type(no_type_alias)]
fn of_these(tenant: TenantID, ids: Vec<ApiKeyID>) -> _ {
    api_keys::table.filter(api_keys::tenant_id.eq(tenant)).filter(api_keys::id.eq_any(ids))
}

/// Locks keys out.
pub fn lock_all(db: &mut Db, tenant: TenantID, ids: Vec<ApiKeyID>) -> Result<()> {
    diesel::update(of_these(tenant, ids)).set(api_keys::active.eq(false)).execute(db)?;
    Ok(())
}

/// Lets keys in again, and sets their counters back.
pub fn unlock_all(db: &mut Db, tenant: TenantID, ids: Vec<ApiKeyID>) -> Result<()> {
    let counters = (api_keys::unlock_time.eq(None::<Timestamp>), api_keys::unsuccessful_sign_in_attempts.eq(0));
    diesel::update(of_these(tenant, ids)).set((api_keys::active.eq(true), counters)).execute(db)?;
    Ok(())
}

/// Moves the end of keys.
pub fn extend_all(db: &mut Db, tenant: TenantID, ids: Vec<ApiKeyID>, end: Option<Timestamp>) -> Result<()> {
    diesel::update(of_these(tenant, ids)).set(api_keys::expiry_date.eq(end)).execute(db)?;
    Ok(())
}

/// Which of some folded names keys of a tenant have already.
pub fn names_taken(db: &mut Db, tenant: TenantID, folds: Vec<String>) -> Result<Vec<String>> {
    let query = api_keys::table.filter(api_keys::tenant_id.eq(tenant)).filter(api_keys::name_fold.eq_any(folds));
    Ok(query.select(api_keys::name_fold).load(db)?)
}
