//! Whether a key is good, and for what: the one question behind every way of asking it.
//!
//! 1. The key is read and found, in memory or in the database; its secret is compared in constant time.
//! 2. [`rules::judge`] says what speaks against it, in one order, from what is known of the key, the demands, the
//!    address and the moment. No decision is remembered.
//! 3. What nothing speaks against is counted: towards its limits, its remaining uses, and as its last use.

pub mod gateway;
pub mod rules;

use std::net::IpAddr;

use crate::app::App;
use crate::audit::Origin;
use crate::auth::known_keys::{Found, KnownKey, SharedKey};
use crate::auth::{self, Rule};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::TenantID;
use crate::secret::PresentedKey;
use rules::{Demands, Failure};

/// What is asked of a key.
pub struct Asked<'a> {
    /// What it must be good for.
    pub demands: &'a Demands,
    /// From where it is used; none where nobody knows.
    pub client: Option<IpAddr>,
    /// Whose keys are asked about; none: everybody's.
    pub within: Option<TenantID>,
    /// Of the request in which it is asked.
    pub origin: &'a Origin,
    /// When.
    pub at: Timestamp,
}

/// What comes of it.
pub enum Verdict {
    /// It is good.
    Valid(SharedKey),
    /// It is not. The key is told only to whom its secret proved right.
    Refused(Failure, Option<SharedKey>),
}

const NOT_FOUND: Verdict = Verdict::Refused(Failure::NotFound, None);

/// Verifies what somebody presented, and counts it as a use if it is good.
pub async fn verify(app: &App, presented: &[u8], asked: &Asked<'_>) -> Result<Verdict> {
    let Some(key) = std::str::from_utf8(presented).ok().and_then(PresentedKey::parse) else { return Ok(NOT_FOUND) };
    let found = match app.known_keys.remembered(key.id, asked.at) {
        Some(found) => found,
        None => app.known_keys.look_up(&app.database, key.id, asked.at).await?,
    };
    let known = match found {
        Found::Key(known) => Some(known),
        Found::Nobody => None,
        Found::Revoked(facts) => {
            let ours = asked.within.is_none_or(|tenant| tenant == facts.tenant.id);
            auth::note_revoked(app, &key, &facts, asked.at, asked.origin).await;
            let was_right = ours && auth::was_right(&key, &facts);
            return Ok(if was_right { Verdict::Refused(Failure::Revoked, None) } else { NOT_FOUND });
        }
    };
    let known = known.filter(|known| asked.within.is_none_or(|tenant| tenant == known.standing.tenant.id));
    let Some((known, secret)) = auth::prove_known(app, &key, known, asked.at, asked.origin) else {
        return Ok(NOT_FOUND);
    };
    if !known.standing.tenant_is_active {
        return Ok(NOT_FOUND);
    }
    if let Some(failure) = rules::judge(&known, asked.demands, asked.client, asked.at) {
        return Ok(Verdict::Refused(failure, Some(known)));
    }
    if let Some(rule) = count(app, &known, asked.at).await? {
        return Ok(Verdict::Refused(Failure::Rule(rule), Some(known)));
    }
    app.key_usage.used(&known, secret, asked.client.unwrap_or(asked.origin.address), asked.at);
    Ok(Verdict::Valid(known))
}

/// Counts a use towards whatever bounds how many there may be; answers with the bound that is reached.
async fn count(app: &App, known: &KnownKey, at: Timestamp) -> Result<Option<Rule>> {
    let counted = known.as_use();
    if let Err(rule) = app.rate_limits.take_key(&counted, at) {
        return Ok(Some(rule));
    }
    if !known.counts_uses() {
        return Ok(None);
    }
    match auth::take_use(app, known.id()).await {
        Ok(Some(_)) => Ok(None),
        Ok(None) => {
            app.rate_limits.give_back(&counted, at);
            Ok(Some(Rule::UsageExceeded))
        }
        Err(error) => {
            app.rate_limits.give_back(&counted, at);
            Err(error)
        }
    }
}
