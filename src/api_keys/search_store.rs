//! Searching the table of keys: by what has an index, by what stands in the middle of a text, and page by page.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};

use super::conditions::{self, Moment};
use super::rules::{ApiKey, Kind, Kinds};
use super::status::Status;
use super::store::{Row, visible_to};
use super::substring_store;
use crate::auth::Caller;
use crate::db::schema::api_keys;
use crate::db::{Db, Deadline, MultiBackend, plan_for_values};
use crate::error::{Error, Reason, Result};
use crate::id::ApiKeyID;
use crate::search::{
    Comparison, Condition, Field, Filter, Inside, boolean, boolean_field, choice, choice_field, date, date_field,
    derived, lower, number, number_field, text, text_field, with_index, without_index,
};

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
/// So many IDs hold few enough keys, whosever they are, for none of them to be counted first: that takes half as long as to
/// look at them.
const NEAR: i64 = 4 * SOME;
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
        plan_for_values(db)?;
        // what many keys have is found here, where PostgreSQL's index would name all of them at once
        let (mut looked_at, mut next, mut apart) = (0, FIRST, None);
        while looked_at + next <= SOME {
            let before = self.after;
            let is_over = match apart.map(|ids| next * ids / FIRST).filter(|ids| *ids <= NEAR) {
                Some(ids) => self.look(db, Some(ApiKeyID::new(before.get() + ids)))?,
                None => self.stride(db, next)?,
            };
            if is_over {
                return Ok(());
            }
            looked_at += next;
            apart.get_or_insert(self.after.get() - before.get());
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
        self.look(db, end)
    }

    /// The same with those up to an ID, or with all.
    fn look(&mut self, db: &mut Db, end: Option<ApiKeyID>) -> Result<bool> {
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
