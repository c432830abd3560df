//! The tables of the outbox, and of how far keys' ends have been looked at.

use diesel::prelude::*;

use super::rules::{CLAIM, MAIL, NewNotice, Notice};
use crate::clock::{DAY, Timestamp};
use crate::db::schema::{notice_marks, notices};
use crate::db::{Db, MultiBackend};
use crate::error::{Result, is_unique_violation};
use crate::id::{TenantID, WebhookID};

const WAITING: &str = "waiting";
/// Somebody has taken it: until `next_at`, or for good when they died over it.
const TAKEN: &str = "taken";
const DELIVERED: &str = "delivered";
const FAILED: &str = "failed";

/// How long it is remembered what was sent, in milliseconds: what is remembered is not sent again.
const REMEMBERED: i64 = 30 * DAY;
/// After this long even what still waits is forgotten, in milliseconds: nobody has been there to send it.
const FORGOTTEN: i64 = 90 * DAY;
/// Rows of one destination that are taken at a time, and destinations that are.
const TOGETHER: i64 = 4;
const DESTINATIONS: i64 = 32;

#[derive(Queryable, Selectable)]
#[diesel(table_name = notices, check_for_backend(MultiBackend))]
struct Row {
    id: i64,
    tenant_id: TenantID,
    dedupe: String,
    destination: String,
    webhook_id: Option<WebhookID>,
    recipient: String,
    kind: String,
    payload: String,
    created: Timestamp,
    attempts: i64,
    next_at: Timestamp,
}

/// Puts a notice into the outbox, within the transaction of what it speaks of.
pub fn insert(db: &mut Db, notice: &NewNotice, now: Timestamp) -> QueryResult<()> {
    let row = (
        notices::tenant_id.eq(notice.tenant),
        notices::dedupe.eq(&notice.dedupe),
        notices::destination.eq(notice.destination()),
        notices::webhook_id.eq(notice.webhook),
        notices::recipient.eq(&notice.recipient),
        notices::kind.eq(notice.kind),
        notices::payload.eq(&notice.payload),
        notices::created.eq(now),
        notices::attempts.eq(0),
        notices::next_at.eq(now),
        notices::state.eq(WAITING),
        notices::last_error.eq(""),
    );
    diesel::insert_into(notices::table).values(row).execute(db).map(drop)
}

/// [`insert`], unless it is there already; whether it was put in. In a savepoint: another node may be faster.
pub fn insert_once(db: &mut Db, notice: &NewNotice, now: Timestamp) -> Result<bool> {
    let known: Option<i64> =
        notices::table.filter(notices::dedupe.eq(&notice.dedupe)).select(notices::id).get_result(db).optional()?;
    if known.is_some() {
        return Ok(false);
    }
    match db.transaction(|db| insert(db, notice, now)) {
        Ok(()) => Ok(true),
        Err(error) if is_unique_violation(&error) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// How many notices of a kind an address was to be sent since a moment.
pub fn count_to(db: &mut Db, recipient: &str, kind: &str, since: Timestamp) -> Result<i64> {
    let to = notices::table.filter(notices::recipient.eq(recipient)).filter(notices::created.gt(since));
    Ok(to.filter(notices::kind.eq(kind)).count().get_result(db)?)
}

/// Takes rows that are due, of each destination a few, so that none waits behind another; mail only where `with_mail`
/// says so. Each is somebody's for as long as sending may take, and then again anybody's: whoever died over it has
/// perhaps not sent it.
pub fn claim(db: &mut Db, now: Timestamp, with_mail: bool) -> Result<Vec<Notice>> {
    let due = || notices::table.filter(notices::done_at.is_null()).filter(notices::next_at.le(now)).into_boxed();
    let destinations: Vec<String> = due().select(notices::destination).distinct().limit(DESTINATIONS).load(db)?;
    let mut taken = Vec::new();
    for destination in destinations.into_iter().filter(|to| with_mail || to != MAIL) {
        let query: notices::BoxedQuery<'_, MultiBackend> = due().filter(notices::destination.eq(destination));
        let query = query.order((notices::next_at, notices::id)).limit(TOGETHER);
        let rows: Vec<Row> = query.select(Row::as_select()).load(db)?;
        for row in rows {
            taken.extend(take(db, row, now)?);
        }
    }
    Ok(taken)
}

/// Of two who saw the same row at once the second finds it changed, and has none.
fn take(db: &mut Db, row: Row, now: Timestamp) -> Result<Option<Notice>> {
    let attempts = row.attempts + 1;
    let taken = diesel::update(notices::table.find(row.id))
        .filter(notices::done_at.is_null())
        .filter(notices::next_at.eq(row.next_at))
        .filter(notices::attempts.eq(row.attempts))
        .set((notices::state.eq(TAKEN), notices::next_at.eq(now.plus(CLAIM)), notices::attempts.eq(attempts)))
        .execute(db)?;
    Ok((taken == 1).then_some(Notice {
        id: row.id,
        tenant: row.tenant_id,
        dedupe: row.dedupe,
        destination: row.destination,
        webhook: row.webhook_id,
        recipient: row.recipient,
        kind: row.kind,
        payload: row.payload,
        created: row.created,
        attempts,
    }))
}

/// The row, as long as nobody has taken it after us.
macro_rules! ours {
    ($notice:expr) => {
        notices::table
            .find($notice.id)
            .filter(notices::done_at.is_null())
            .filter(notices::attempts.eq($notice.attempts))
    };
}

/// It has arrived.
pub fn delivered(db: &mut Db, notice: &Notice, now: Timestamp) -> Result<()> {
    let done = (notices::state.eq(DELIVERED), notices::done_at.eq(now), notices::last_error.eq(""));
    diesel::update(ours!(notice)).set(done).execute(db)?;
    Ok(())
}

/// It will never arrive.
pub fn failed(db: &mut Db, notice: &Notice, why: &str, now: Timestamp) -> Result<()> {
    let done = (notices::state.eq(FAILED), notices::done_at.eq(now), notices::last_error.eq(why));
    diesel::update(ours!(notice)).set(done).execute(db)?;
    Ok(())
}

/// It is to be tried again then.
pub fn put_off(db: &mut Db, notice: &Notice, why: &str, until: Timestamp) -> Result<()> {
    let later = (notices::state.eq(WAITING), notices::next_at.eq(until), notices::last_error.eq(why));
    diesel::update(ours!(notice)).set(later).execute(db)?;
    Ok(())
}

/// Nothing is tried there before then; that costs none of them an attempt.
pub fn hold_back(db: &mut Db, destination: &str, until: Timestamp) -> Result<()> {
    diesel::update(notices::table)
        .filter(notices::done_at.is_null())
        .filter(notices::destination.eq(destination))
        .filter(notices::next_at.lt(until))
        .filter(notices::state.eq(WAITING))
        .set(notices::next_at.eq(until))
        .execute(db)?;
    Ok(())
}

/// What waits there is due at once.
pub fn bring_forward(db: &mut Db, destination: &str, now: Timestamp) -> Result<()> {
    diesel::update(notices::table)
        .filter(notices::done_at.is_null())
        .filter(notices::destination.eq(destination))
        .filter(notices::next_at.gt(now))
        .filter(notices::state.eq(WAITING))
        .set(notices::next_at.eq(now))
        .execute(db)?;
    Ok(())
}

/// Nothing that waits for a destination is sent any more.
pub fn fail_all(db: &mut Db, destination: &str, why: &str, now: Timestamp) -> Result<()> {
    diesel::update(notices::table)
        .filter(notices::done_at.is_null())
        .filter(notices::destination.eq(destination))
        .set((notices::state.eq(FAILED), notices::done_at.eq(now), notices::last_error.eq(why)))
        .execute(db)?;
    Ok(())
}

/// Removes at most `most` rows that are done long ago, or were never to be done; answers how many.
pub fn sweep(db: &mut Db, now: Timestamp, most: i64) -> Result<usize> {
    let done = notices::table.filter(notices::done_at.is_not_null()).filter(notices::done_at.lt(now.minus(REMEMBERED)));
    let mut old: Vec<i64> = done.select(notices::id).limit(most).load(db)?;
    let forgotten = notices::table.filter(notices::done_at.is_null()).filter(notices::created.lt(now.minus(FORGOTTEN)));
    old.extend(forgotten.select(notices::id).limit(most).load::<i64>(db)?);
    if old.is_empty() {
        return Ok(0);
    }
    Ok(diesel::delete(notices::table.filter(notices::id.eq_any(old))).execute(db)?)
}

/// Removes at most `most` of a tenant's notices, for a tenant that is being removed; answers how many.
pub fn purge(db: &mut Db, tenant: TenantID, most: i64) -> Result<usize> {
    let of_tenant = notices::table.filter(notices::tenant_id.eq(tenant));
    let query = of_tenant.order(notices::id).limit(most).select(notices::id);
    let Some(last) = query.load::<i64>(db)?.pop() else { return Ok(0) };
    Ok(diesel::delete(of_tenant.filter(notices::id.le(last))).execute(db)?)
}

/// Up to which moment keys' ends have been looked at, for a way of telling.
pub fn mark(db: &mut Db, name: &str) -> Result<Option<Timestamp>> {
    Ok(notice_marks::table.find(name).select(notice_marks::at).get_result(db).optional()?)
}

/// They have been looked at up to this moment.
pub fn put_mark(db: &mut Db, name: &str, at: Timestamp) -> Result<()> {
    let moved = diesel::update(notice_marks::table.find(name)).set(notice_marks::at.eq(at)).execute(db)?;
    if moved == 0 {
        diesel::insert_into(notice_marks::table)
            .values((notice_marks::name.eq(name), notice_marks::at.eq(at)))
            .execute(db)?;
    }
    Ok(())
}
