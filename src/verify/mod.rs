//! Whether a key is good, and for what: the one question behind every way of asking it.
//!
//! 1. The key is read and found, in memory or in the database; its secret is compared in constant time.
//! 2. [`rules::judge`] says what speaks against it, in one order, from what is known of the key, the demands, the
//!    address and the moment. No decision is remembered.
//! 3. What nothing speaks against is counted: towards its limits, its remaining uses, and as its last use.

pub mod gateway;
pub mod rules;

use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;

use crate::app::App;
use crate::audit::Origin;
use crate::auth::known_keys::{Found, KnownKey};
use crate::auth::{self, RevokedFacts, Rule, Unproven};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::{ApiKeyID, TenantID};
use crate::reach::TenantLabel;
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
    Valid(Arc<KnownKey>),
    /// It is not. The key is told only to whom its secret proved right.
    Refused(Failure, Option<Arc<KnownKey>>),
}

const NOT_FOUND: Verdict = Verdict::Refused(Failure::NotFound, None);

/// Who knows keys and counts their uses: the server with its database, or an edge with nothing but a snapshot.
pub trait Keys {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Which tenant it is whose URL a request came by; none where it is nobody's.
    fn tenant_of(&self, label: &TenantLabel) -> impl Future<Output = Result<Option<TenantID>>>;

    /// What an ID stands for.
    fn find(&self, id: ApiKeyID, at: Timestamp) -> impl Future<Output = Result<Found>>;

    /// Hears that a revoked key was presented, with the right secret or a wrong one.
    fn heard_revoked(&self, key: &PresentedKey, facts: &RevokedFacts, asked: &Asked<'_>) -> impl Future<Output = ()>;

    /// Hears that a key was presented with a wrong secret.
    fn heard_unproven(&self, key: ApiKeyID, unproven: &Unproven, at: Timestamp);

    /// Counts a use towards whatever bounds how many there may be; answers with what speaks against one more.
    fn count(&self, known: &KnownKey, at: Timestamp) -> impl Future<Output = Result<Option<Failure>>>;

    /// Hears that a key was used with success, by the secret of that row.
    fn heard_used(&self, known: &Arc<KnownKey>, secret: i64, from: IpAddr, at: Timestamp);
}

/// Verifies what somebody presented, and counts it as a use if it is good.
pub async fn verify<K: Keys>(keys: &K, presented: &[u8], asked: &Asked<'_>) -> Result<Verdict> {
    let Some(key) = std::str::from_utf8(presented).ok().and_then(PresentedKey::parse) else { return Ok(NOT_FOUND) };
    let known = match keys.find(key.id, asked.at).await? {
        Found::Key(known) => Some(known),
        Found::Nobody => None,
        Found::Revoked(facts) => {
            let ours = asked.within.is_none_or(|tenant| tenant == facts.tenant.id);
            keys.heard_revoked(&key, &facts, asked).await;
            let was_right = ours && auth::was_right(&key, &facts);
            return Ok(if was_right { Verdict::Refused(Failure::Revoked, None) } else { NOT_FOUND });
        }
    };
    let known = known.filter(|known| asked.within.is_none_or(|tenant| tenant == known.standing.tenant.id));
    let (known, secret) = match auth::prove_known(&key, known, asked.at, asked.origin) {
        Ok(proven) => proven,
        Err(unproven) => {
            keys.heard_unproven(key.id, &unproven, asked.at);
            return Ok(NOT_FOUND);
        }
    };
    if !known.standing.tenant_is_active {
        return Ok(NOT_FOUND);
    }
    if let Some(failure) = rules::judge(&known, asked.demands, asked.client, asked.at) {
        return Ok(Verdict::Refused(failure, Some(known)));
    }
    if let Some(failure) = keys.count(&known, asked.at).await? {
        return Ok(Verdict::Refused(failure, Some(known)));
    }
    keys.heard_used(&known, secret, asked.client.unwrap_or(asked.origin.address), asked.at);
    Ok(Verdict::Valid(known))
}

impl Keys for App {
    fn now(&self) -> Timestamp {
        Self::now(self)
    }

    async fn tenant_of(&self, label: &TenantLabel) -> Result<Option<TenantID>> {
        auth::tenant_of(self, label).await
    }

    async fn find(&self, id: ApiKeyID, at: Timestamp) -> Result<Found> {
        match self.known_keys.remembered(id, at) {
            Some(found) => Ok(found),
            None => self.known_keys.look_up(&self.database, &self.key_usage, id, at).await,
        }
    }

    async fn heard_revoked(&self, key: &PresentedKey, facts: &RevokedFacts, asked: &Asked<'_>) {
        auth::note_revoked(self, key, facts, asked.at, asked.origin).await;
    }

    fn heard_unproven(&self, key: ApiKeyID, unproven: &Unproven, at: Timestamp) {
        auth::note_unproven(self, key, unproven, at);
    }

    async fn count(&self, known: &KnownKey, at: Timestamp) -> Result<Option<Failure>> {
        let counted = known.as_use();
        if let Err(rule) = self.rate_limits.take_key(&counted, at) {
            return Ok(Some(Failure::Rule(rule)));
        }
        if !known.counts_uses() {
            return Ok(None);
        }
        match auth::take_use(self, known.id).await {
            Ok(Some(_)) => Ok(None),
            Ok(None) => {
                self.rate_limits.give_back(&counted, at);
                Ok(Some(Failure::Rule(Rule::UsageExceeded)))
            }
            Err(error) => {
                self.rate_limits.give_back(&counted, at);
                Err(error)
            }
        }
    }

    fn heard_used(&self, known: &Arc<KnownKey>, secret: i64, from: IpAddr, at: Timestamp) {
        self.key_usage.used(known, secret, from, at);
    }
}
