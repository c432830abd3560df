//! The tables of events and of the chain that seals them: rows are added, never changed, and removed only
//! below a cut (triggers in the database see to it).

use diesel::prelude::*;

use super::chain::{Canonical, Cut, Link, Seal};
use super::{Actor, Event};
use crate::auth::Caller;
use crate::clock::{MINUTE, Timestamp};
use crate::db::schema::{audit_chain, audit_cuts, audit_events, audit_seals};
use crate::db::{Db, Later, MultiBackend, insert_all};
use crate::error::Result;
use crate::id::{AuditEventID, TenantID};
use crate::name::fold;
use crate::search::{
    Comparison, Condition, Field, Filter, choice, choice_field, date, date_field, lower, number, number_field, text,
    text_field,
};

/// On PostgreSQL an event's number is given before its transaction ends, so a lower one may come to light after
/// a higher one was sealed. No transaction lives as long as this, in milliseconds.
const LATE: i64 = 2 * MINUTE;

/// An event as it is stored.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = audit_events, check_for_backend(MultiBackend))]
pub struct Row {
    pub id: AuditEventID,
    pub tenant_id: TenantID,
    pub at: Timestamp,
    pub number: i64,
    pub name: String,
    pub level: String,
    pub actor_type: String,
    pub actor_id: Option<i64>,
    pub actor_name: String,
    pub address: String,
    pub request_id: String,
    pub target_type: String,
    pub target_id: Option<i64>,
    pub target_name: String,
    pub details: String,
    pub actor_name_fold: String,
    pub target_name_fold: String,
}

impl Row {
    /// Every column, as the chain's MACs cover it. A column that is added needs another form of MAC.
    pub fn canonical(&self) -> Canonical {
        let Self { id, tenant_id, at, number, name, level, actor_type, actor_id, actor_name, address, .. } = self;
        let Self { request_id, target_type, target_id, target_name, details, .. } = self;
        let Self { actor_name_fold, target_name_fold, .. } = self;
        Canonical::default()
            .number(id.get())
            .number(tenant_id.get())
            .number(at.millis())
            .number(*number)
            .bytes(name)
            .bytes(level)
            .bytes(actor_type)
            .number_or_null(*actor_id)
            .bytes(actor_name)
            .bytes(address)
            .bytes(request_id)
            .bytes(target_type)
            .number_or_null(*target_id)
            .bytes(target_name)
            .bytes(details)
            .bytes(actor_name_fold)
            .bytes(target_name_fold)
    }
}

/// An event that is to be stored.
#[derive(Insertable)]
#[diesel(table_name = audit_events, treat_none_as_default_value = false)]
pub struct NewRow {
    tenant_id: TenantID,
    at: Timestamp,
    number: i64,
    name: &'static str,
    level: &'static str,
    actor_type: &'static str,
    actor_id: Option<i64>,
    actor_name: String,
    address: String,
    request_id: String,
    target_type: &'static str,
    target_id: Option<i64>,
    target_name: String,
    details: String,
    actor_name_fold: String,
    target_name_fold: String,
}

impl NewRow {
    pub fn of(actor: &Actor, at: Timestamp, event: &Event) -> Self {
        Self {
            tenant_id: actor.tenant,
            at,
            number: event.kind.number(),
            name: event.kind.name(),
            level: event.kind.level(),
            actor_type: actor.kind,
            actor_id: actor.id,
            actor_name: actor.name.clone(),
            address: actor.address.clone(),
            request_id: actor.request_id.clone(),
            target_type: event.target.kind,
            target_id: event.target.id,
            target_name: event.target.name.clone(),
            details: event.details.to_string(),
            actor_name_fold: fold(&actor.name),
            target_name_fold: fold(&event.target.name),
        }
    }
}

impl Later for NewRow {
    const RANK: u8 = 2;

    fn write(db: &mut Db, rows: Vec<Self>) -> Result<()> {
        Ok(insert_all!(db, audit_events::table, rows.into_iter())?)
    }
}

// ---- reading ----

/// What can be searched, and how.
const FIELDS: &[Field<audit_events::table>] = &[
    date("time", date_field!(audit_events::at)),
    number("number", number_field!(audit_events::number)),
    text("name", text_field!(lower(audit_events::name))),
    choice("level", &["info", "warning"], choice_field!(audit_events::level)),
    choice(
        "actorType",
        &["administrator", "apiKey", "claim", "system", "tenant", "unknown"],
        choice_field!(audit_events::actor_type),
    ),
    number("actorID", number_field!(audit_events::actor_id.assume_not_null())),
    text("actorName", text_field!(audit_events::actor_name_fold)),
    text("address", text_field!(lower(audit_events::address))),
    text("requestID", text_field!(lower(audit_events::request_id))),
    text("targetType", text_field!(lower(audit_events::target_type))),
    number("targetID", number_field!(audit_events::target_id.assume_not_null())),
    text("targetName", text_field!(audit_events::target_name_fold)),
];

const ID: fn(Comparison, i64) -> Condition<audit_events::table> = number_field!(audit_events::id);

/// The tenant's events; every read for a caller starts here.
fn visible_to(tenant: TenantID) -> audit_events::BoxedQuery<'static, MultiBackend> {
    audit_events::table.filter(audit_events::tenant_id.eq(tenant)).into_boxed()
}

/// At most `most` events behind `after`, by ID: a list's next piece.
pub fn list<R, V>(db: &mut Db, caller: &Caller<R, V>, after: i64, most: i64) -> Result<Vec<Row>> {
    let query = visible_to(caller.tenant().id).filter(audit_events::id.gt(after));
    Ok(query.order(audit_events::id).limit(most).select(Row::as_select()).load(db)?)
}

/// The caller's events that meet every criterion, by ID.
pub fn search<R, V>(db: &mut Db, caller: &Caller<R, V>, filter: Filter) -> Result<Vec<Row>> {
    let mut query = visible_to(caller.tenant().id);
    for criterion in filter.criteria {
        query = query.filter(criterion.condition(FIELDS, ID)?);
    }
    Ok(query.order(audit_events::id).limit(filter.most).select(Row::as_select()).load(db)?)
}

// ---- whether anything has changed ----

/// Events behind each of which the next ones are looked at one by one.
const WINDOW: i64 = 4_096;

/// What the events of a tenant say about whether anything has changed: the same numbers as long as nothing has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Where the looking began, and the events of the given kinds behind it.
    pub numbers: Vec<i64>,
    /// Whether no event can still come to light in front of where it began. Numbers of a mark that is not settled say
    /// nothing.
    pub is_settled: bool,
}

/// Looks at the events of some kinds, of a tenant, from some 4,000 before the newest of all tenants' on. It begins where
/// it began before until as many are new, so that what is older changes nothing.
pub fn mark(db: &mut Db, tenant: TenantID, kinds: &[i64], now: Timestamp) -> Result<Mark> {
    let newest: Option<AuditEventID> = audit_events::table.select(diesel::dsl::max(audit_events::id)).get_result(db)?;
    let newest = newest.map_or(0, AuditEventID::get);
    let begin = AuditEventID::new((newest - WINDOW).max(0) / WINDOW * WINDOW);
    let behind = audit_events::table.filter(audit_events::id.gt(begin));
    // below the beginning nothing comes to light once the first behind it is old enough; one writer numbers in order
    let is_settled = match db {
        Db::Sqlite(_) => true,
        Db::Postgres(_) if begin.get() == 0 => true,
        Db::Postgres(_) => {
            let first: Option<Timestamp> =
                behind.order(audit_events::id).limit(1).select(audit_events::at).get_result(db).optional()?;
            first.is_some_and(|at| at < now.minus(LATE))
        }
    };
    let of_tenant = behind.filter(audit_events::tenant_id.eq(tenant)).order(audit_events::id);
    let events: Vec<(AuditEventID, i64)> = of_tenant.select((audit_events::id, audit_events::number)).load(db)?;
    let touching = events.into_iter().filter(|(_, number)| kinds.contains(number)).map(|(id, _)| id.get());
    Ok(Mark { numbers: std::iter::once(begin.get()).chain(touching).collect(), is_settled })
}

// ---- the chain ----

type SealRow = (i64, i64, i64, i64, i64, i64, Vec<u8>, String, i64, Vec<u8>);

fn seal_of(row: SealRow) -> Seal {
    let (id, first, last, highest_event, newest, sealed_at, head, key_id, epoch_first, mac) = row;
    Seal { id, first, last, highest_event, newest, sealed_at, head, key_id, epoch_first, mac }
}

/// The seal that the chain ends in.
pub fn latest_seal(db: &mut Db) -> Result<Option<Seal>> {
    let row: Option<SealRow> = audit_seals::table.order(audit_seals::id.desc()).limit(1).get_result(db).optional()?;
    Ok(row.map(seal_of))
}

/// The last seal before a place.
pub fn last_seal_before(db: &mut Db, position: i64) -> Result<Option<Seal>> {
    let before = audit_seals::table.filter(audit_seals::last_position.lt(position));
    let row: Option<SealRow> = before.order(audit_seals::id.desc()).limit(1).get_result(db).optional()?;
    Ok(row.map(seal_of))
}

/// The ID up to which every event is sealed that will ever be: what comes to light below it was slipped in.
pub fn settled(db: &mut Db) -> Result<i64> {
    let Some(latest) = latest_seal(db)? else { return Ok(0) };
    match db {
        // one writer at a time: numbers come in the order of commits
        Db::Sqlite(_) => Ok(latest.highest_event),
        Db::Postgres(_) => {
            let earlier = audit_seals::table.filter(audit_seals::sealed_at.le(latest.sealed_at.saturating_sub(LATE)));
            let earlier = earlier.order(audit_seals::id.desc()).limit(1).select(audit_seals::highest_event);
            Ok(earlier.get_result(db).optional()?.unwrap_or(0))
        }
    }
}

/// Events behind an ID that are not sealed, by ID.
pub fn unsealed(db: &mut Db, behind: i64, most: i64) -> Result<Vec<Row>> {
    Ok(audit_events::table
        .left_join(audit_chain::table.on(audit_chain::event_id.eq(audit_events::id)))
        .filter(audit_chain::position.nullable().is_null())
        .filter(audit_events::id.gt(behind))
        .order(audit_events::id)
        .limit(most)
        .select(Row::as_select())
        .load(db)?)
}

/// How many events behind an ID are not sealed.
pub fn count_unsealed(db: &mut Db, behind: i64) -> Result<i64> {
    Ok(audit_events::table
        .left_join(audit_chain::table.on(audit_chain::event_id.eq(audit_events::id)))
        .filter(audit_chain::position.nullable().is_null())
        .filter(audit_events::id.gt(behind))
        .count()
        .get_result(db)?)
}

/// The last ID of the next `most` events behind one; none where there are none.
pub fn last_of_next(db: &mut Db, behind: i64, most: i64) -> Result<Option<i64>> {
    let next = audit_events::table.filter(audit_events::id.gt(behind)).order(audit_events::id).limit(most);
    let ids: Vec<i64> = next.select(audit_events::id).load(db)?;
    Ok(ids.last().copied())
}

/// The first event between two IDs, the later one included, that is in no segment.
pub fn first_slipped_in(db: &mut Db, behind: i64, up_to: i64) -> Result<Option<i64>> {
    Ok(audit_events::table
        .left_join(audit_chain::table.on(audit_chain::event_id.eq(audit_events::id)))
        .filter(audit_chain::position.nullable().is_null())
        .filter(audit_events::id.gt(behind))
        .filter(audit_events::id.le(up_to))
        .order(audit_events::id)
        .limit(1)
        .select(audit_events::id)
        .get_result(db)
        .optional()?)
}

/// Adds a segment.
pub fn put_segment(db: &mut Db, seal: &Seal, links: &[Link]) -> Result<()> {
    let row = |link: &Link| {
        (
            audit_chain::position.eq(link.position),
            audit_chain::event_id.eq(link.event),
            audit_chain::mac.eq(link.mac.clone()),
        )
    };
    insert_all!(db, audit_chain::table, links.iter().map(row))?;
    let row = (
        audit_seals::id.eq(seal.id),
        audit_seals::first_position.eq(seal.first),
        audit_seals::last_position.eq(seal.last),
        audit_seals::highest_event.eq(seal.highest_event),
        audit_seals::newest.eq(seal.newest),
        audit_seals::sealed_at.eq(seal.sealed_at),
        audit_seals::head.eq(&seal.head),
        audit_seals::key_id.eq(&seal.key_id),
        audit_seals::epoch_first.eq(seal.epoch_first),
        audit_seals::mac.eq(&seal.mac),
    );
    diesel::insert_into(audit_seals::table).values(row).execute(db)?;
    Ok(())
}

/// At most `most` seals behind one, in their order.
pub fn seals_behind(db: &mut Db, id: i64, most: i64) -> Result<Vec<Seal>> {
    let query = audit_seals::table.filter(audit_seals::id.gt(id)).order(audit_seals::id).limit(most);
    let rows: Vec<SealRow> = query.load(db)?;
    Ok(rows.into_iter().map(seal_of).collect())
}

/// The links of some places, each with the event as it is now.
pub fn links(db: &mut Db, first: i64, last: i64, most: i64) -> Result<Vec<Link>> {
    let rows: Vec<(i64, i64, Vec<u8>, Option<Row>)> = audit_chain::table
        .left_join(audit_events::table.on(audit_events::id.eq(audit_chain::event_id)))
        .filter(audit_chain::position.between(first, last))
        .order(audit_chain::position)
        .limit(most)
        .select((audit_chain::position, audit_chain::event_id, audit_chain::mac, Option::<Row>::as_select()))
        .load(db)?;
    let link = |(position, event, mac, row): (i64, i64, Vec<u8>, Option<Row>)| Link {
        position,
        event,
        mac,
        row: row.map(|row| row.canonical()),
    };
    Ok(rows.into_iter().map(link).collect())
}

/// The last place that is taken; 0 where none is.
pub fn last_position(db: &mut Db) -> Result<i64> {
    let last: Option<i64> = audit_chain::table.select(diesel::dsl::max(audit_chain::position)).get_result(db)?;
    Ok(last.unwrap_or(0))
}

// ---- retention ----

type CutRow = (i64, i64, Vec<u8>, i64, i64, String, Vec<u8>);

/// The latest cut.
pub fn latest_cut(db: &mut Db) -> Result<Option<Cut>> {
    let row: Option<CutRow> =
        audit_cuts::table.order(audit_cuts::position.desc()).limit(1).get_result(db).optional()?;
    Ok(row.map(|(position, seal, head, cut_at, removed, key_id, mac)| Cut {
        position,
        seal,
        head,
        cut_at,
        removed,
        key_id,
        mac,
    }))
}

/// Records a cut and removes what lies at or below it: the order is the one that the triggers ask for.
pub fn put_cut(db: &mut Db, cut: &Cut) -> Result<()> {
    let row = (
        audit_cuts::position.eq(cut.position),
        audit_cuts::seal_id.eq(cut.seal),
        audit_cuts::head.eq(&cut.head),
        audit_cuts::cut_at.eq(cut.cut_at),
        audit_cuts::removed.eq(cut.removed),
        audit_cuts::key_id.eq(&cut.key_id),
        audit_cuts::mac.eq(&cut.mac),
    );
    diesel::insert_into(audit_cuts::table).values(row).execute(db)?;
    let below = audit_chain::table.filter(audit_chain::position.le(cut.position));
    let events = below.select(audit_chain::event_id);
    diesel::delete(audit_events::table.filter(audit_events::id.eq_any(events))).execute(db)?;
    diesel::delete(below).execute(db)?;
    diesel::delete(audit_seals::table.filter(audit_seals::id.le(cut.seal))).execute(db)?;
    Ok(())
}

/// Whether anything stands at or below a place and a segment, where nothing can be: retention has removed it, or the
/// chain begins behind it. If so, at which place, and of which event.
pub fn first_below(db: &mut Db, position: i64, seal: i64) -> Result<Option<(i64, Option<i64>)>> {
    let link: Option<(i64, i64)> = audit_chain::table
        .filter(audit_chain::position.le(position))
        .order(audit_chain::position)
        .limit(1)
        .select((audit_chain::position, audit_chain::event_id))
        .get_result(db)
        .optional()?;
    let seal: Option<i64> = audit_seals::table
        .filter(audit_seals::id.le(seal))
        .order(audit_seals::id)
        .limit(1)
        .select(audit_seals::first_position)
        .get_result(db)
        .optional()?;
    Ok(link.map(|(position, event)| (position, Some(event))).or(seal.map(|position| (position, None))))
}

/// An event whose ID no database gives.
pub fn below_one(db: &mut Db) -> Result<Option<i64>> {
    let lowest: Option<i64> = audit_events::table.select(diesel::dsl::min(audit_events::id)).get_result(db)?;
    Ok(lowest.filter(|id| *id < 1))
}

/// The columns of each table as SQLite must hold them: numbers, numbers that may be missing, texts, bytes.
type Columns =
    (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str], &'static [&'static str]);
const COLUMNS: &[Columns] = &[
    (
        "audit_events",
        &["id", "tenant_id", "at", "number"],
        &["actor_id", "target_id"],
        &[
            "name",
            "level",
            "actor_type",
            "actor_name",
            "address",
            "request_id",
            "target_type",
            "target_name",
            "details",
            "actor_name_fold",
            "target_name_fold",
        ],
        &[],
    ),
    ("audit_chain", &["position", "event_id"], &[], &[], &["mac"]),
    (
        "audit_seals",
        &["id", "first_position", "last_position", "highest_event", "newest", "sealed_at", "epoch_first"],
        &[],
        &["key_id"],
        &["head", "mac"],
    ),
    ("audit_cuts", &["position", "seal_id", "cut_at", "removed"], &[], &["key_id"], &["head", "mac"]),
];

/// The first row that SQLite holds in another type than its column's: read as its column's it would look as it was
/// sealed, and a condition would still not find it. PostgreSQL holds no such values. Answers the table and the row.
pub fn mistyped(db: &mut Db) -> Result<Option<(&'static str, i64)>> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        row: i64,
    }
    if !matches!(db, Db::Sqlite(_)) {
        return Ok(None);
    }
    for (table, numbers, optional, texts, bytes) in COLUMNS {
        let wrong = |columns: &[&str], types: &str| -> Vec<String> {
            columns.iter().map(|column| format!("typeof({column}) not in ({types})")).collect()
        };
        let conditions = [
            wrong(numbers, "'integer'"),
            wrong(optional, "'integer', 'null'"),
            wrong(texts, "'text'"),
            wrong(bytes, "'blob'"),
        ];
        let conditions = conditions.concat().join(" or ");
        let query = format!("select rowid as row from {table} where {conditions} order by rowid limit 1");
        if let Some(found) = diesel::sql_query(query).load::<Found>(db)?.first() {
            return Ok(Some((table, found.row)));
        }
    }
    Ok(None)
}
