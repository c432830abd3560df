//! Secrets that were replaced and are presented all the same: by somebody who was forgotten, or by somebody who should
//! not have them. The caller is answered as for any wrong secret; what was seen is noted here and written down as an
//! event a moment later, so that the answer takes no longer either.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;

use crate::app::App;
use crate::audit::{Actor, Event, EventKind, Origin, Target};
use crate::clock::{MINUTE, Timestamp};
use crate::error::Result;
use crate::id::{ApiKeyID, TenantID};

/// A key is told of once in so many milliseconds, by each node.
const EVERY: i64 = MINUTE;
/// Events that wait for a database that does not answer; what comes then is counted with the wrong secrets only.
const MOST_WAITING: usize = 1_000;

/// A secret that was replaced, and was presented.
#[derive(Clone, Debug)]
pub struct Presented {
    /// The key.
    pub key: ApiKeyID,
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub tenant: TenantID,
    /// The first eight hex digits of the secret's digest.
    pub reference: String,
    /// When the secret ended.
    pub ended: Timestamp,
    /// Where it came from.
    pub origin: Origin,
}

/// What this node has seen and not yet written down; cheap to clone.
#[derive(Clone, Default)]
pub struct ReplacedSecrets(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    told: HashMap<ApiKeyID, Timestamp>,
    waiting: Vec<(Presented, Timestamp)>,
}

impl ReplacedSecrets {
    /// Notes it, unless the key was told of within the last minute.
    pub fn presented(&self, presented: &Presented, now: Timestamp) {
        let mut seen = self.seen();
        // a clock that was ahead keeps nobody silent
        let is_told = seen.told.get(&presented.key).is_some_and(|at| (0..EVERY).contains(&now.since(*at)));
        if !is_told && seen.waiting.len() < MOST_WAITING {
            seen.told.insert(presented.key, now);
            seen.waiting.push((presented.clone(), now));
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes down what was seen. What cannot be written is kept.
pub async fn write_down(app: &App) -> Result<()> {
    let (mut waiting, now) = (std::mem::take(&mut app.replaced_secrets.seen().waiting), app.now());
    let mut outcome = Ok(());
    while let (Ok(()), Some((presented, at))) = (&outcome, waiting.first()) {
        let target = Target::new("apiKey", presented.key.get(), presented.name.clone());
        let details = json!({ "secret": presented.reference, "ended": presented.ended, "presented": at });
        let event = Event::new(EventKind::ReplacedSecretPresented, target).with(details);
        let actor = Actor::signing_in(presented.tenant, None, &presented.origin);
        outcome = app.change_as(actor, |_| Ok(((), vec![event]))).await;
        if outcome.is_ok() {
            waiting.remove(0);
        }
    }
    let mut seen = app.replaced_secrets.seen();
    waiting.append(&mut seen.waiting);
    seen.waiting = waiting;
    seen.told.retain(|_, at| (0..EVERY).contains(&now.since(*at)));
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_of_once_a_minute_and_no_flood_is_kept() {
        let seen = ReplacedSecrets::default();
        let origin = Origin { address: std::net::Ipv4Addr::LOCALHOST.into(), request_id: Default::default() };
        let presented = |key: i64, at: i64| {
            let (key, at) = (ApiKeyID::new(key), Timestamp::from_millis(at));
            let (name, reference) = (String::new(), String::new());
            let presented =
                Presented { key, name, tenant: TenantID::PRIMARY, reference, ended: at, origin: origin.clone() };
            seen.presented(&presented, at);
            seen.seen().waiting.len()
        };
        assert_eq!(
            [(1, 0), (1, 59_999), (2, 0), (1, 60_000), (1, 0)].map(|(key, at)| presented(key, at)),
            [1, 1, 2, 3, 4]
        );
        for key in 3..2_000 {
            assert!(presented(key, 0) <= MOST_WAITING);
        }
    }
}
