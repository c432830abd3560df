//! Sealing what happened, and removing it when its time is over. Both are chores of the one node that holds the
//! lease, and both make sure of that in the transaction that changes something.

use serde_json::json;

use super::chain::{self, MOST, Seal};
use super::{Actor, Event, EventKind, Target, record, store};
use crate::app::App;
use crate::clock::Timestamp;
use crate::db::Db;
use crate::error::{Error, Result};
use crate::id::TenantID;
use crate::keyring::AuditKey;
use crate::lease::Lease;

fn lease_is_lost() -> Error {
    Error::unavailable(1, "another node holds the lease")
}

/// Seals every event that is committed and not sealed yet; answers how many. Nobody who writes waits for it:
/// MACs are computed on a reading connection.
pub async fn seal(app: &App) -> Result<i64> {
    let (mut sealed, mut from) = (0, From::Settled);
    loop {
        let (now, key) = (app.now(), app.keyring.audit_key().clone());
        let Some(segment) = app.database.read(move |db| next_segment(db, &key, from, now)).await? else { break };
        // minutes of events may lie behind what is settled: they are looked through once a turn, not once a segment
        from = From::Latest;
        let count = segment.links.len() as i64;
        let lease = app.lease.clone();
        app.database.write(move |db| put(db, &segment, &lease, now)).await?;
        sealed += count;
        if count < MOST {
            break;
        }
    }
    Ok(sealed)
}

/// Where the looking for events begins that are not sealed.
#[derive(Clone, Copy)]
enum From {
    /// Behind the last event before which none can come to light any more.
    Settled,
    /// Behind the highest that is sealed.
    Latest,
}

struct Segment {
    /// The seal that it goes on from.
    behind: Option<Seal>,
    seal: Seal,
    links: Vec<chain::Link>,
}

/// The next segment, computed and not stored; none where nothing is to be sealed.
fn next_segment(db: &mut Db, key: &AuditKey, from: From, now: Timestamp) -> Result<Option<Segment>> {
    let behind = store::latest_seal(db)?;
    if behind.as_ref().is_some_and(|seal| seal.key_id != key.id()) {
        return Err(Error::internal("the audit chain goes on under another master key than this process has"));
    }
    let from = match (from, &behind) {
        (From::Latest, Some(latest)) => latest.highest_event,
        _ => store::settled(db)?,
    };
    let rows = store::unsealed(db, from, MOST)?;
    Ok(segment_of(behind, &rows, key, now))
}

fn segment_of(behind: Option<Seal>, rows: &[store::Row], key: &AuditKey, now: Timestamp) -> Option<Segment> {
    let events: Vec<_> = rows.iter().map(|row| (row.id.get(), row.at.millis(), row.canonical())).collect();
    if events.is_empty() {
        return None;
    }
    let (seal, links) = chain::seal(key, behind.as_ref(), &events, now.millis());
    Some(Segment { behind, seal, links })
}

/// Stores a segment, if the lease is still ours and the chain still ends where the segment begins.
fn put(db: &mut Db, segment: &Segment, lease: &Lease, now: Timestamp) -> Result<()> {
    if !lease.is_ours(db, now)? || store::latest_seal(db)? != segment.behind {
        return Err(lease_is_lost());
    }
    store::put_segment(db, &segment.seal, &segment.links)
}

/// Goes on with the chain under a new master key, in the transaction that replaces the old one: from here on only
/// the new key's seals are taken. Where nothing was ever sealed, nothing need be said.
pub fn begin_epoch(db: &mut Db, key: &AuditKey, now: Timestamp) -> Result<()> {
    let Some(behind) = store::latest_seal(db)? else { return Ok(()) };
    let settled = store::settled(db)?;
    let rows = store::unsealed(db, settled, MOST)?;
    match segment_of(Some(behind), &rows, key, now) {
        Some(segment) => store::put_segment(db, &segment.seal, &segment.links),
        None => Ok(()),
    }
}

/// Removes whole segments whose events are all older than the rules ask for; answers how many events. The latest
/// segment always stays. Each cut is an event itself, and says what the chain goes on from.
pub async fn retain(app: &App) -> Result<i64> {
    let keep = app.rules_of(TenantID::PRIMARY).await?.retain_events;
    let mut removed = 0;
    loop {
        let (now, key, lease) = (app.now(), app.keyring.audit_key().clone(), app.lease.clone());
        match app.database.write(move |db| cut(db, &key, &lease, now, keep)).await? {
            0 => return Ok(removed),
            count => removed += count,
        }
    }
}

fn cut(db: &mut Db, key: &AuditKey, lease: &Lease, now: Timestamp, keep: i64) -> Result<i64> {
    if !lease.is_ours(db, now)? {
        return Err(lease_is_lost());
    }
    let until = now.minus(keep).millis();
    let behind = store::latest_cut(db)?.map_or(0, |cut| cut.seal);
    let (mut removed, mut last) = (0, None);
    let mut seals = store::seals_behind(db, behind, MOST)?.into_iter().peekable();
    while let Some(seal) = seals.next() {
        let events = seal.last - seal.first + 1;
        if seal.newest >= until || removed + events > MOST || seals.peek().is_none() {
            break;
        }
        removed += events;
        last = Some(seal);
    }
    let Some(last) = last else { return Ok(0) };
    let cut = chain::cut(key, &last, removed, now.millis());
    store::put_cut(db, &cut)?;
    let details = json!({
        "removed": removed,
        "upToPosition": cut.position,
        "mac": data_encoding::HEXLOWER.encode(&cut.head),
    });
    let event = Event::new(EventKind::AuditEventsRemoved, Target::default()).with(details);
    record(db, &Actor::system("retention"), now, &[event])?;
    Ok(removed)
}

/// Where the chain ends; none before anything was sealed.
pub fn head(db: &mut Db) -> Result<Option<Seal>> {
    store::latest_seal(db)
}

/// Writes the chain's head into the log, so that there is a copy of it outside the database.
pub async fn log_head(app: &App) -> Result<()> {
    if let Some(seal) = app.database.read(head).await? {
        let (time, mac) =
            (Timestamp::from_millis(seal.sealed_at).to_string(), data_encoding::HEXLOWER.encode(&seal.head));
        log::info!(position = seal.last, seal = seal.id, sealed = time.as_str(), mac = mac.as_str(); "the head of the audit chain");
    }
    Ok(())
}
