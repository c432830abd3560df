//! The tables of keys and of their secrets' digests.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};

use super::conditions::{self, Keys, Moment, seen_by};
use super::rotation::KEPT;
use super::rules::{ApiKey, Issuer, Kind, Kinds, Properties};
use super::status::Status;
use super::substring_store;
use crate::auth::{Caller, Who};
use crate::clock::Timestamp;
use crate::constraints::{Constraints, Networks, from_json, to_json};
use crate::db::schema::api_keys;
use crate::db::{Db, Deadline, Later, MultiBackend, Shared, inner, insert_all};
use crate::error::{Error, Reason, Result, is_foreign_key_violation, is_unique_violation};
use crate::id::{AdministratorID, ApiKeyID, ProfileID, RoleID, TenantID};
use crate::locale::{Locale, TimeZone};
use crate::name::{Description, ObjectName, fold};
use crate::search::{
    Comparison, Condition, Field, Filter, Inside, boolean, boolean_field, choice, choice_field, date, date_field,
    derived, lower, number, number_field, text, text_field, with_index, without_index,
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = api_keys, check_for_backend(MultiBackend))]
struct Row {
    id: ApiKeyID,
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
    fn into_key(self) -> Result<ApiKey> {
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

/// What can be searched, and how (row DS-47): `$plain` stands around columns that have an index.
macro_rules! fields {
    ($plain:ident) => {
        &[
            text("keyName", text_field!($plain!(api_keys::name_fold))),
            text("description", text_field!(api_keys::description_fold)),
            number("roleID", number_field!(api_keys::role_id)),
            text("timeZone", text_field!(lower(api_keys::time_zone))),
            boolean("active", boolean_field!(api_keys::active)),
            date("created", date_field!($plain!(api_keys::created))),
            date("lastSignIn", date_field!($plain!(api_keys::last_sign_in))),
            date("unlockTime", date_field!(api_keys::unlock_time)),
            number("unsuccessfulSignInAttempts", number_field!(api_keys::unsuccessful_sign_in_attempts)),
            date("expiryDate", date_field!($plain!(api_keys::expiry_date))),
            boolean("serviceAccount", boolean_field!(api_keys::service_account)),
            derived("status", &Status::WORDS),
            choice("kind", &Kind::WORDS, choice_field!(api_keys::kind)),
            number("profileID", number_field!(api_keys::profile_id)),
            number("issuerID", number_field!(issuer_id())),
            date("notBefore", date_field!(api_keys::not_before)),
            number("remainingUses", number_field!(api_keys::remaining_uses.assume_not_null())),
        ]
    };
}

const FIELDS: &[Field<api_keys::table>] = fields!(with_index);
/// The same, with every index but the ID's out of reach.
const IN_ORDER_OF_ID: &[Field<api_keys::table>] = fields!(without_index);

const ID: fn(Comparison, i64) -> Condition<api_keys::table> = number_field!(api_keys::id);

diesel::define_sql_function! {
    /// The first value that is not null.
    fn coalesce(one: Nullable<BigInt>, other: Nullable<BigInt>, otherwise: BigInt) -> BigInt;
}

/// The number of whoever made a key, person or key; 0 where nobody is known.
fn issuer_id() -> coalesce<api_keys::made_by_administrator_id, api_keys::made_by_key_id, i64> {
    coalesce(api_keys::made_by_administrator_id, api_keys::made_by_key_id, 0)
}

/// The keys that a caller sees; every read starts here.
fn visible_to<R, V>(caller: &Caller<R, V>) -> api_keys::BoxedQuery<'static, MultiBackend> {
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
    let query = "SELECT nextval(pg_get_serial_sequence('api_keys', 'id')) AS id FROM generate_series(1, $1)";
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

/// The caller's keys of some kinds that meet every criterion, by ID. Statuses are those of `moment`. What can only be
/// found by looking at one key after the other is looked for until the deadline.
pub fn search<R, V>(
    db: &mut Db,
    caller: &Caller<R, V>,
    kinds: Kinds,
    filter: Filter,
    moment: &Moment,
    deadline: Deadline,
) -> Result<Vec<ApiKey>> {
    // an index may know that nothing is found before anybody looks at the other criteria
    meeting(caller, kinds, filter.clone(), FIELDS, moment)?;
    if filter.has_pattern() && are_many(db, caller, kinds, &filter.without_patterns(), moment)? {
        let mut walk = Walk { caller, kinds, filter, moment, deadline, found: Vec::new(), after: ApiKeyID::new(0) };
        return db.transaction(|db| walk.go(db).map(|()| walk.found));
    }
    let most = filter.most;
    let (fields, moment) = match is_broad(db, caller, kinds, &filter, moment)? {
        true => (IN_ORDER_OF_ID, moment.in_order_of_id()),
        false => (FIELDS, moment.clone()),
    };
    let query = meeting(caller, kinds, filter, fields, &moment)?.order(api_keys::id).limit(most);
    let rows: Vec<Row> = query.select(Row::as_select()).load(db)?;
    rows.into_iter().map(Row::into_key).collect()
}

/// So many keys are looked at one by one without a thought: a millisecond or two.
const FEW: i64 = 4_000;
/// So many are looked at first, in well below a millisecond, and so many in all where what was found among them lets
/// expect that as many will do.
const FIRST: i64 = 1_000;
const SOME: i64 = 16_000;
/// So many are looked at between two glances at the deadline, where the database does not know it.
const STRIDE: i64 = 8_000;
/// Candidates of the index that are looked at together: as many as are wanted at first, then more.
const CANDIDATES: std::ops::RangeInclusive<i64> = 64..=2_000;

/// Whether more than a few keys meet every criterion.
fn are_many<R, V>(db: &mut Db, caller: &Caller<R, V>, kinds: Kinds, filter: &Filter, moment: &Moment) -> Result<bool> {
    let query = meeting(caller, kinds, filter.clone(), FIELDS, moment)?.select(api_keys::id).offset(FEW).limit(1);
    Ok(query.load::<ApiKeyID>(db)?.len() == 1)
}

/// A search for a pattern among many keys, in the order of their IDs.
struct Walk<'a, R, V> {
    caller: &'a Caller<R, V>,
    kinds: Kinds,
    filter: Filter,
    moment: &'a Moment,
    deadline: Deadline,
    found: Vec<ApiKey>,
    /// Up to here every key was looked at.
    after: ApiKeyID,
}

impl<R, V> Walk<'_, R, V> {
    fn go(&mut self, db: &mut Db) -> Result<()> {
        let inside = self.filter.inside(&substring_store::FIELDS);
        if let (Db::Sqlite(_), Some(inside)) = (&*db, &inside) {
            return self.by_candidates(db, inside);
        }
        // what many keys have is found here, where PostgreSQL's index would name all of them at once
        let (mut looked_at, mut next) = (0, FIRST);
        while looked_at + next <= SOME {
            if self.stride(db, next)? {
                return Ok(());
            }
            looked_at += next;
            // as many as hold what is missing, if they are like those so far, and some more
            let found = self.found.len() as i64;
            let expected = if found == 0 { SOME } else { self.missing() * looked_at / found };
            next = (expected * 5 / 4).max(looked_at);
        }
        match inside.filter(Inside::has_word) {
            Some(inside) if substring_store::has_indices(db)? => self.by_index(db, &inside),
            _ => self.one_by_one(db),
        }
    }

    fn missing(&self) -> i64 {
        self.filter.most - self.found.len() as i64
    }

    /// Keys that meet every criterion, behind those that were looked at.
    fn rest(&self) -> Result<api_keys::BoxedQuery<'static, MultiBackend>> {
        let keys = meeting(self.caller, self.kinds, self.filter.clone(), FIELDS, self.moment)?;
        Ok(keys.filter(api_keys::id.gt(self.after)))
    }

    fn take(&mut self, db: &mut Db, query: api_keys::BoxedQuery<'static, MultiBackend>) -> Result<()> {
        let rows: Vec<Row> = query.order(api_keys::id).limit(self.missing()).select(Row::as_select()).load(db)?;
        for row in rows {
            self.found.push(row.into_key()?);
        }
        Ok(())
    }

    /// Through all keys of the tenant. PostgreSQL ends a statement by itself when its time is over.
    fn one_by_one(&mut self, db: &mut Db) -> Result<()> {
        if let Db::Postgres(_) = db {
            let query = self.rest()?;
            return self.take_in_time(db, query);
        }
        loop {
            self.deadline.check().map_err(|_| too_broad())?;
            if self.stride(db, STRIDE)? {
                return Ok(());
            }
        }
    }

    /// Looks at the next so many keys of the tenant; answers whether that was all there is, or all that is wanted.
    fn stride(&mut self, db: &mut Db, keys: i64) -> Result<bool> {
        let own = api_keys::table.filter(api_keys::tenant_id.eq(self.caller.tenant().id));
        let next = own.filter(api_keys::id.gt(self.after)).order(api_keys::id).offset(keys - 1).limit(1);
        let end: Option<ApiKeyID> = next.select(api_keys::id).get_result(db).optional()?;
        let (fields, moment) = match db {
            Db::Sqlite(_) => (IN_ORDER_OF_ID, self.moment.in_order_of_id()),
            Db::Postgres(_) => (FIELDS, self.moment.clone()),
        };
        let mut query = meeting(self.caller, self.kinds, self.filter.clone(), fields, &moment)?;
        query = query.filter(api_keys::id.gt(self.after));
        if let Some(end) = end {
            query = query.filter(api_keys::id.le(end));
        }
        self.take(db, query)?;
        if let Some(end) = end {
            self.after = end;
        }
        Ok(end.is_none() || self.missing() == 0)
    }

    /// SQLite: through the keys that the index names, and those that it does not know yet.
    fn by_candidates(&mut self, db: &mut Db, inside: &Inside) -> Result<()> {
        let mut most = self.filter.most.clamp(*CANDIDATES.start(), *CANDIDATES.end());
        loop {
            let tenant = self.caller.tenant().id;
            let (ids, end) = substring_store::candidates(db, tenant, inside, self.after, most)?;
            if !ids.is_empty() {
                let query = self.rest()?.filter(api_keys::id.eq_any(ids));
                self.take(db, query)?;
            }
            match end {
                Some(end) if self.missing() > 0 => self.after = end,
                _ => return Ok(()),
            }
            most = (most * 4).min(*CANDIDATES.end());
            self.deadline.check().map_err(|_| too_broad())?;
        }
    }

    /// PostgreSQL: with the index of its extension.
    fn by_index(&mut self, db: &mut Db, inside: &Inside) -> Result<()> {
        let query = self.rest()?.filter(substring_store::indexed_pattern(inside));
        self.take_in_time(db, query)
    }

    fn take_in_time(&mut self, db: &mut Db, query: api_keys::BoxedQuery<'static, MultiBackend>) -> Result<()> {
        self.deadline.check().map_err(|_| too_broad())?;
        self.deadline.limit_statements(db)?;
        self.take(db, query).map_err(|error| if Deadline::was_missed(&error) { too_broad() } else { error })
    }
}

fn too_broad() -> Error {
    let message = "searchCriteria: what is looked for cannot be found in time among so many keys. Ask for three letters \
                   or digits in a row, or narrow the search by another criterion, a range of IDs for one.";
    Error::new(Reason::SearchTooBroad, message)
}

fn meeting<R, V>(
    caller: &Caller<R, V>,
    kinds: Kinds,
    filter: Filter,
    fields: &[Field<api_keys::table>],
    moment: &Moment,
) -> Result<api_keys::BoxedQuery<'static, MultiBackend>> {
    let query = visible_to(caller).filter(conditions::of_kinds(kinds));
    filter.criteria.into_iter().try_fold(query, |query, criterion| {
        let status = criterion.chosen("status", &Status::WORDS);
        Ok(match status.and_then(|(equal, word)| Some((equal, Status::parse(word)?))) {
            Some((true, status)) => query.filter(moment.has(status)),
            Some((false, status)) => query.filter(diesel::dsl::not(moment.has(status))),
            None => query.filter(criterion.condition(fields, ID)?),
        })
    })
}

/// How many of the caller's keys of some kinds have each status, in one pass over them.
pub fn counts<R, V>(db: &mut Db, caller: &Caller<R, V>, kinds: Kinds, moment: &Moment) -> Result<[i64; 8]> {
    let keys = visible_to(caller).filter(conditions::of_kinds(kinds));
    let with = |status| diesel::dsl::count(diesel::dsl::case_when(moment.has(status), api_keys::id.nullable()));
    let [a, b, c, d, e, f, g, h] = Status::ALL.map(with);
    let counted: (i64, i64, i64, i64, i64, i64, i64, i64) = keys.select((a, b, c, d, e, f, g, h)).get_result(db)?;
    Ok(counted.into())
}

/// Whether a search finds so many keys that sorting them by ID takes longer than going through all keys by ID until
/// there are enough. PostgreSQL keeps statistics and decides for itself; SQLite does not know the values.
fn is_broad<R, V>(db: &mut Db, caller: &Caller<R, V>, kinds: Kinds, filter: &Filter, moment: &Moment) -> Result<bool> {
    const MANY: i64 = 2_000;
    // a status may be that of few keys or of nearly all
    if !matches!(db, Db::Sqlite(_)) || !(filter.has_range() || filter.names("status")) {
        return Ok(false);
    }
    let query = meeting(caller, kinds, filter.clone(), FIELDS, moment)?.select(api_keys::id).offset(MANY).limit(1);
    Ok(query.load::<ApiKeyID>(db)?.len() == 1)
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

/// The keys that meet every criterion, however many, page by page in the order of their IDs.
pub struct Pages<R, V> {
    caller: Caller<R, V>,
    filter: Filter,
    moment: Moment,
    fields: &'static [Field<api_keys::table>],
    after: ApiKeyID,
}

impl<R, V> Pages<R, V> {
    /// The caller's keys, of whatever kind they are.
    pub fn new(db: &mut Db, caller: &Caller<R, V>, filter: &Filter, moment: Moment) -> Result<Self> {
        let fields = if is_broad(db, caller, Kinds::All, filter, &moment)? { IN_ORDER_OF_ID } else { FIELDS };
        Ok(Self { caller: caller.clone(), filter: filter.clone(), moment, fields, after: ApiKeyID::new(0) })
    }

    /// The next `most` of them; fewer are the last.
    pub fn next(&mut self, db: &mut Db, most: i64) -> Result<Vec<ApiKey>> {
        let keys = meeting(&self.caller, Kinds::All, self.filter.clone(), self.fields, &self.moment)?;
        let query = keys.filter(api_keys::id.gt(self.after));
        let rows: Vec<Row> = query.order(api_keys::id).limit(most).select(Row::as_select()).load(db)?;
        if let Some(last) = rows.last() {
            self.after = last.id;
        }
        rows.into_iter().map(Row::into_key).collect()
    }
}

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
