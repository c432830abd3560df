//! Which keys have come to a step of their ladder since it was last looked. Each step is a range of ends, which an
//! index finds: among a million keys only those are read that are told.

use super::queue::{Circle, has_webhooks};
use super::rules::{ends_on, is_looked_at, rung, since};
use super::store;
use crate::api_key_profiles::{self, Ladder};
use crate::api_keys;
use crate::app::App;
use crate::clock::Timestamp;
use crate::db::Db;
use crate::error::Result;
use crate::id::{ApiKeyID, TenantID};
use crate::tenants;

/// Keys that are told in one transaction.
const PIECE: i64 = 100;

/// A way of telling. Each remembers for itself how far it has come: where mail is configured later than webhooks were,
/// it begins then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Mail,
    Webhooks,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Webhooks => "webhooks",
        }
    }

    /// The steps of a profile's ladder, as far as this way knows them. Webhooks are told of every end.
    fn steps(self, ladder: &Ladder) -> Vec<i64> {
        let mut steps = ladder.warn_before.clone();
        if self == Self::Webhooks && !steps.contains(&0) {
            steps.push(0);
        }
        steps
    }
}

/// Puts into the outbox what is to be told about keys that end; answers how many notices that came to. It may stop anywhere
/// and be done by two nodes at once: it goes on from where it was, and what is there already is not put in again.
pub async fn announce(app: &App) -> Result<usize> {
    let (now, mut told) = (app.now(), 0);
    let ways = [app.mailer.as_ref().map(|_| Way::Mail), Some(Way::Webhooks)];
    for way in ways.into_iter().flatten() {
        let mark = app.database.read(move |db| store::mark(db, way.name())).await?;
        if is_looked_at(mark, now) {
            continue;
        }
        let since = since(mark, now);
        for tenant in app.database.read(tenants::active).await? {
            told += announce_in(app, way, tenant, since, now).await?;
        }
        app.database.write(move |db| store::put_mark(db, way.name(), now)).await?;
    }
    Ok(told)
}

async fn announce_in(app: &App, way: Way, tenant: TenantID, since: Option<Timestamp>, now: Timestamp) -> Result<usize> {
    if way == Way::Webhooks && !app.database.read(move |db| has_webhooks(db, tenant)).await? {
        return Ok(0);
    }
    let ladders = app.database.read(move |db| api_key_profiles::ladders(db, tenant)).await?;
    let mut steps: Vec<i64> = ladders.iter().flat_map(|ladder| way.steps(ladder)).collect();
    steps.sort_unstable();
    steps.dedup();
    let mut told = 0;
    for before in steps {
        let range = ends_on(before, since, now);
        let mut behind = None;
        loop {
            let ladders = ladders.clone();
            let piece = Piece { way, tenant, before, range, behind, now };
            let (count, last) = app.database.write(move |db| piece.tell(db, &ladders)).await?;
            told += count;
            behind = last;
            if behind.is_none() {
                break;
            }
        }
    }
    Ok(told)
}

/// Keys that end one after the other, and are on one step.
#[derive(Clone, Copy)]
struct Piece {
    way: Way,
    tenant: TenantID,
    before: i64,
    range: (Timestamp, Timestamp),
    behind: Option<(Timestamp, ApiKeyID)>,
    now: Timestamp,
}

impl Piece {
    /// Tells of them; answers how many notices that came to, and the last one read where there may be more.
    fn tell(self, db: &mut Db, ladders: &[Ladder]) -> Result<(usize, Option<(Timestamp, ApiKeyID)>)> {
        let keys = api_keys::ending(db, self.tenant, self.range, self.behind, PIECE)?;
        let mut circle = Circle::new(self.tenant);
        let mut told = 0;
        for key in &keys {
            let ladder = ladders.iter().find(|ladder| ladder.profile == key.profile_id);
            let (Some(ladder), Some(expiry)) = (ladder, key.expiry_date) else { continue };
            if rung(&self.way.steps(ladder), expiry, self.now) != Some(self.before) {
                continue;
            }
            told += match self.way {
                Way::Mail => circle.write(db, key, ladder, self.before, self.now)?,
                Way::Webhooks => circle.call(db, key, self.before, self.now)?,
            };
        }
        let is_full = keys.len() as i64 == PIECE;
        Ok((told, keys.last().filter(|_| is_full).and_then(|key| Some((key.expiry_date?, key.id)))))
    }
}
