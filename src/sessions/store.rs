//! The table of sessions. Rows are ended, not deleted: what is in flight must find them ended. The
//! sweeper removes them a week after their time.

use diesel::prelude::*;

use crate::auth::identify::session_ended;
use crate::auth::{Caller, ViaSession};
use crate::clock::{DAY, Timestamp};
use crate::db::schema::{administrators, sessions};
use crate::db::{Db, MultiBackend};
use crate::error::Result;
use crate::id::{AdministratorID, TenantID};
use crate::secret::SecretDigest;

/// How long an ended session is kept, in milliseconds.
const KEPT_FOR: i64 = 7 * DAY;
/// How long a session is kept that nobody uses, in milliseconds: the longest idle time there is, and [`KEPT_FOR`].
const UNUSED_FOR: i64 = 37 * DAY;

/// The kind of a session that is there for making one key.
pub const ONE_SHOT: &str = "oneShot";

/// A session to be opened.
#[derive(Insertable)]
#[diesel(table_name = sessions)]
pub struct NewSession {
    pub tenant_id: TenantID,
    pub administrator_id: AdministratorID,
    pub sid_digest: SecretDigest,
    pub rid_digest: SecretDigest,
    pub session_ref: String,
    pub kind: &'static str,
    pub access_type: &'static str,
    pub credential_version: i64,
    pub initial_password: bool,
    pub created: Timestamp,
    pub last_activity: Timestamp,
    pub absolute_end: Timestamp,
    pub address: String,
    pub user_agent_digest: Vec<u8>,
    pub state_version: i64,
}

/// A session as its owner sees it.
#[derive(Queryable, Selectable)]
#[diesel(table_name = sessions, check_for_backend(MultiBackend))]
pub struct Entry {
    pub id: i64,
    pub session_ref: String,
    pub administrator_id: AdministratorID,
    pub created: Timestamp,
    pub last_activity: Timestamp,
    pub absolute_end: Timestamp,
    pub access_type: String,
    pub address: String,
}

/// How long sessions live, by their tenant's rules, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    /// Without a use.
    pub idle: i64,
    /// At the longest.
    pub longest: i64,
}

fn live(now: Timestamp, life: Life) -> sessions::BoxedQuery<'static, MultiBackend> {
    sessions::table
        .filter(sessions::ended_at.is_null())
        .filter(sessions::absolute_end.gt(now))
        .filter(sessions::last_activity.gt(now.minus(life.idle)))
        .filter(sessions::created.gt(now.minus(life.longest)))
        .into_boxed()
}

/// Opens a session.
pub fn insert(db: &mut Db, new: &NewSession) -> Result<()> {
    diesel::insert_into(sessions::table).values(new).execute(db)?;
    Ok(())
}

/// Live sessions of somebody that one more of this kind is counted with. Those that are there for one key are counted
/// apart, as many at most: whoever opens many of them in a script must not push out a person at work.
fn beside(
    kind: &str,
    administrator: AdministratorID,
    now: Timestamp,
    life: Life,
) -> sessions::BoxedQuery<'static, MultiBackend> {
    let own = live(now, life).filter(sessions::administrator_id.eq(administrator));
    match kind == ONE_SHOT {
        true => own.filter(sessions::kind.eq(ONE_SHOT)),
        false => own.filter(sessions::kind.ne(ONE_SHOT)),
    }
}

/// Ends the oldest sessions of somebody until one more of this kind fits below `most`; answers their names. The row
/// of the administrator is locked by the sign-in around this, so that two at once cannot both count.
pub fn make_room(
    db: &mut Db,
    kind: &str,
    administrator: AdministratorID,
    most: i64,
    now: Timestamp,
    life: Life,
) -> Result<Vec<String>> {
    let alive: Vec<(i64, String)> = beside(kind, administrator, now, life)
        .order((sessions::created.desc(), sessions::id.desc()))
        .select((sessions::id, sessions::session_ref))
        .load(db)?;
    let room = usize::try_from(most - 1).unwrap_or_default();
    let displaced: Vec<(i64, String)> = alive.into_iter().skip(room).collect();
    for (id, _) in &displaced {
        end(db, *id, now, "limit")?;
    }
    Ok(displaced.into_iter().map(|(_, reference)| reference).collect())
}

/// How many sessions of somebody are alive that one more of this kind is counted with.
pub fn count_live(db: &mut Db, kind: &str, administrator: AdministratorID, now: Timestamp, life: Life) -> Result<i64> {
    Ok(beside(kind, administrator, now, life).count().get_result(db)?)
}

/// Ends one session, once.
pub fn end(db: &mut Db, id: i64, now: Timestamp, why: &str) -> Result<usize> {
    Ok(diesel::update(sessions::table.find(id))
        .filter(sessions::ended_at.is_null())
        .set((sessions::ended_at.eq(now), sessions::end_reason.eq(why)))
        .execute(db)?)
}

/// Ends a session that was there for making one key, as part of making it. PostgreSQL lets the second of two wait here
/// until the first is done, and SQLite has one writer: so one of them finds it ended.
pub fn spend_one_shot<R, V>(db: &mut Db, caller: &Caller<R, V>, now: Timestamp) -> Result<bool> {
    let Some(session) = caller.one_shot() else { return Ok(false) };
    match end(db, session.session, now, "one shot")? {
        0 => Err(session_ended()),
        _ => Ok(true),
    }
}

/// New credentials end every other session; the caller's own goes on under the new version.
pub fn end_others<R>(db: &mut Db, caller: &Caller<R, ViaSession>, credential_version: i64) -> Result<()> {
    let now = caller.session().last_activity;
    diesel::update(sessions::table)
        .filter(sessions::administrator_id.eq(caller.session().administrator))
        .filter(sessions::id.ne(caller.session().session))
        .filter(sessions::ended_at.is_null())
        .set((sessions::ended_at.eq(now), sessions::end_reason.eq("credentials")))
        .execute(db)?;
    diesel::update(sessions::table.find(caller.session().session))
        .set((sessions::credential_version.eq(credential_version), sessions::initial_password.eq(false)))
        .execute(db)?;
    Ok(())
}

/// Ends every session of somebody, for the command line.
pub fn end_all_of(db: &mut Db, administrator: AdministratorID, now: Timestamp) -> Result<usize> {
    Ok(diesel::update(sessions::table)
        .filter(sessions::administrator_id.eq(administrator))
        .filter(sessions::ended_at.is_null())
        .set((sessions::ended_at.eq(now), sessions::end_reason.eq("credentials")))
        .execute(db)?)
}

/// Ends every session of everybody: the keys that their credentials were checked with are gone.
pub fn end_all(db: &mut Db, now: Timestamp) -> Result<usize> {
    Ok(diesel::update(sessions::table)
        .filter(sessions::ended_at.is_null())
        .set((sessions::ended_at.eq(now), sessions::end_reason.eq("credentials")))
        .execute(db)?)
}

/// The caller's own live sessions, newest first.
pub fn list_own<R>(db: &mut Db, caller: &Caller<R, ViaSession>, now: Timestamp, life: Life) -> Result<Vec<Entry>> {
    Ok(live(now, life)
        .filter(sessions::tenant_id.eq(caller.tenant().id))
        .filter(sessions::administrator_id.eq(caller.session().administrator))
        .order((sessions::created.desc(), sessions::id.desc()))
        .select(Entry::as_select())
        .load(db)?)
}

/// A session whose time was over.
pub struct TimedOut {
    /// Whose.
    pub administrator: AdministratorID,
    /// Their name.
    pub username: String,
    /// The session's public name.
    pub reference: String,
    /// `idle` or `longest`.
    pub reason: &'static str,
    /// When it was last used.
    pub last_activity: Timestamp,
    /// Where it was opened from.
    pub address: String,
}

/// The most sessions that time out in one transaction.
const TIMED_OUT_AT_ONCE: i64 = 500;

/// The tenants with sessions that nobody has ended yet.
pub fn tenants_with_open_sessions(db: &mut Db) -> Result<Vec<TenantID>> {
    let open = sessions::table.filter(sessions::ended_at.is_null());
    Ok(open.select(sessions::tenant_id).distinct().load(db)?)
}

/// Ends a tenant's sessions whose time is over, oldest first, some at once; none are left when none are answered.
pub fn time_out(db: &mut Db, tenant: TenantID, idle: i64, longest: i64, now: Timestamp) -> Result<Vec<TimedOut>> {
    type Row = (i64, AdministratorID, String, String, Timestamp, String);
    let rows: Vec<Row> = sessions::table
        .inner_join(administrators::table)
        .filter(sessions::tenant_id.eq(tenant))
        .filter(sessions::ended_at.is_null())
        .filter(
            (sessions::absolute_end.le(now))
                .or(sessions::created.le(now.minus(longest)))
                .or(sessions::last_activity.le(now.minus(idle))),
        )
        .order(sessions::id)
        .limit(TIMED_OUT_AT_ONCE)
        .select((
            sessions::id,
            administrators::id,
            administrators::username,
            sessions::session_ref,
            sessions::last_activity,
            sessions::address,
        ))
        .load(db)?;
    let mut over = Vec::new();
    for (id, administrator, username, reference, last_activity, address) in rows {
        let reason = if last_activity <= now.minus(idle) { "idle" } else { "longest" };
        // its owner may have ended it meanwhile
        if end(db, id, now, reason)? == 1 {
            over.push(TimedOut { administrator, username, reference, reason, last_activity, address });
        }
    }
    Ok(over)
}

/// Removes sessions whose time was over a week ago, or that nobody has used for longer than any setting allows.
pub fn sweep(db: &mut Db, now: Timestamp) -> Result<usize> {
    let old = sessions::table
        .filter(sessions::absolute_end.lt(now.minus(KEPT_FOR)).or(sessions::last_activity.lt(now.minus(UNUSED_FOR))));
    Ok(diesel::delete(old).execute(db)?)
}

/// Removes at most `most` sessions of a tenant that is being removed; answers how many.
pub fn purge(db: &mut Db, tenant: TenantID, most: i64) -> Result<usize> {
    let of_tenant = sessions::table.filter(sessions::tenant_id.eq(tenant));
    let query = of_tenant.order(sessions::id).limit(most).select(sessions::id);
    let Some(last) = query.load::<i64>(db)?.pop() else { return Ok(0) };
    Ok(diesel::delete(of_tenant.filter(sessions::id.le(last))).execute(db)?)
}
