//! Keys as they were read a moment ago, for verification: who a key is, never whether it is let in. Every use is judged
//! anew, and nothing of it is taken that has changed since it was read ([`Freshness`]).
//!
//! Most keys are plain: one secret, no bounds but an end, no API types. What they share with others of their tenant,
//! role and profile is kept once ([`Standing`]), so that a million of them fit. Of the others the whole row is kept.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::http::header::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use quick_cache::sync::Cache;

use super::identity::Tenant;
use super::key_usage::KeyUsage;
use super::lookup::{self, KeyFacts, PlainKey, RevokedFacts};
use super::rate_limit::KeyUse;
use crate::api_key_profiles::Throttle;
use crate::clock::{SECOND, Timestamp};
use crate::constraints::Constraints;
use crate::db::{Database, Db, Freshness, Stamp};
use crate::error::Result;
use crate::id::{ApiKeyID, ProfileID, RoleID, TenantID};
use crate::rights::Rights;
use crate::secret::SecretDigest;

/// IDs that are remembered to be nobody's: enough for a mistyped configuration, too few to matter.
const NOBODIES: usize = 4_096;
/// Combinations of tenant, role and profile that are kept once.
const STANDINGS: usize = 10_000;

/// The keys that this node remembers.
pub struct KnownKeys {
    freshness: Freshness,
    keys: Cache<ApiKeyID, Arc<KnownKey>>,
    /// IDs that no key has, as far as was known when the counters stood like that.
    nobodies: Cache<ApiKeyID, Nobody>,
    /// The highest ID that was ever seen here.
    highest: AtomicI64,
    standings: Arc<Standings>,
}

/// What plain keys share, by tenant, role and profile.
#[derive(Default)]
struct Standings(Mutex<HashMap<Place, (Arc<Standing>, Stamp)>>);

type Place = (TenantID, RoleID, ProfileID);

#[derive(Clone, Copy)]
struct Nobody {
    stamp: Stamp,
    /// Another node tells nobody of a new key.
    until: Timestamp,
}

/// What an ID stands for.
pub enum Found {
    /// A key.
    Key(Arc<KnownKey>),
    /// A key that was revoked.
    Revoked(Box<RevokedFacts>),
    /// Nothing.
    Nobody,
}

/// What keys of one tenant, role and profile have in common.
#[derive(Debug, PartialEq, Eq)]
pub struct Standing {
    /// Where they belong.
    pub tenant: Tenant,
    /// Its name.
    pub tenant_name: String,
    /// Whether it is not suspended.
    pub tenant_is_active: bool,
    /// Their role's name.
    pub role_name: String,
    /// What the role lets them do.
    pub rights: Rights,
    /// Whether it lets them in by the web service at all.
    pub web_service: bool,
    /// Whose rules they live under.
    pub profile: ProfileID,
    /// How often they may be used.
    pub throttle: Throttle,
    /// The names as headers carry them.
    pub headers: StandingHeaders,
}

/// Names as headers carry them, made once.
#[derive(Debug, PartialEq, Eq)]
pub struct StandingHeaders {
    /// The role's.
    pub role: HeaderValue,
    /// The tenant's.
    pub tenant: HeaderValue,
    /// The tenant's GUID.
    pub tenant_id: HeaderValue,
}

/// A key as it was read.
pub struct KnownKey {
    /// Its number.
    pub id: ApiKeyID,
    /// Its name.
    pub name: Box<str>,
    /// When it ends.
    pub expires: Option<Timestamp>,
    /// What it has in common with others.
    pub standing: Arc<Standing>,
    /// Everything else, of a key that is not plain.
    pub special: Option<Box<Special>>,
    /// Of its one secret, if it is plain.
    digest: SecretDigest,
    secret: i64,
    stamp: Stamp,
    /// Its uses that are not noted yet: see `key_usage.rs`.
    pub(super) uses: AtomicU64,
}

/// What is kept of a key that is not plain.
pub struct Special {
    /// All that is known of it.
    pub facts: KeyFacts,
    /// After this it is read again: a secret whose end moves with its use may have been used on another node.
    until: Option<Timestamp>,
    /// Its last use was taken since it was read. Whoever gives it more changes it, and then it is read again.
    used_up: AtomicBool,
}

/// How long a key is remembered whose older secret ends by not being used, in milliseconds.
const WHILE_ROTATING: i64 = SECOND;
/// How long an ID is remembered to be nobody's, in milliseconds.
const WHILE_NOBODY: i64 = SECOND;

impl KnownKey {
    /// The number of its secret's row, if the key is plain and that is its secret.
    pub fn plain_secret(&self, presented: &SecretDigest) -> Option<i64> {
        self.digest.matches(presented).then_some(self.secret)
    }

    /// Its rights, cut to its API types where it has any.
    pub fn rights(&self) -> &Rights {
        self.special.as_ref().map_or(&self.standing.rights, |special| &special.facts.grant.rights)
    }

    /// What a use of it counts towards.
    pub fn as_use(&self) -> KeyUse {
        KeyUse {
            key: self.id,
            tenant: self.standing.tenant.id,
            profile: self.standing.profile,
            own: self.special.as_ref().and_then(|special| special.facts.bounds.constraints.calls_per_minute),
            throttle: self.standing.throttle,
        }
    }

    /// Whether it may be used so often and no more.
    pub fn counts_uses(&self) -> bool {
        self.special.as_ref().is_some_and(|special| special.facts.bounds.constraints.remaining_uses.is_some())
    }

    /// Whether its last use was taken since it was read.
    pub fn is_used_up(&self) -> bool {
        self.special.as_ref().is_some_and(|special| special.used_up.load(Ordering::Acquire))
    }

    /// Its last use was taken.
    pub fn note_used_up(&self) {
        if let Some(special) = &self.special {
            special.used_up.store(true, Ordering::Release);
        }
    }

    /// Whether one of its secrets lets somebody in at that moment, as far as can be said now.
    pub fn has_secret(&self, at: Timestamp) -> bool {
        self.special.as_ref().is_none_or(|special| special.facts.secrets.iter().any(|secret| secret.life.lives(at)))
    }

    /// When one of its secrets ends before it does, by the number of the secret's row.
    pub fn secret_end(&self, secret: i64) -> Option<Timestamp> {
        let secrets = self.special.as_ref().map(|special| &special.facts.secrets)?;
        secrets.iter().find(|known| known.id == secret)?.life.end()
    }

    fn is_fresh(&self, freshness: &Freshness, now: Timestamp) -> bool {
        let issuer = self.special.as_ref().and_then(|special| issuing_key(&special.facts));
        let is_due = self.special.as_ref().and_then(|special| special.until).is_some_and(|until| until <= now);
        !is_due && self.stamp == freshness.stamp(self.id, self.standing.tenant.id, issuer)
    }
}

/// The key that a key depends on; a plain one depends on none.
fn issuing_key(facts: &KeyFacts) -> Option<ApiKeyID> {
    facts.bounds.key.filter(|_| facts.bounds.issuer_bound)
}

fn is_plain(facts: &KeyFacts) -> bool {
    let one_secret =
        matches!(facts.secrets.as_slice(), [only] if only.life.replaced.is_none() && only.life.ends.is_none());
    let typeless = facts.pending.0.is_empty() && facts.api_types.is_empty();
    let by_itself = !facts.bounds.issuer_bound && !facts.role_of_issuer;
    facts.active && one_secret && typeless && by_itself && is_unbounded(&facts.bounds.constraints)
}

fn is_unbounded(constraints: &Constraints) -> bool {
    *constraints == Constraints { target: constraints.target.clone(), ..Constraints::default() }
}

impl KnownKeys {
    /// Remembers so many at most.
    pub fn new(most: usize, freshness: Freshness) -> Self {
        Self {
            freshness,
            keys: Cache::new(most.max(1)),
            nobodies: Cache::new(NOBODIES),
            highest: AtomicI64::new(0),
            standings: Arc::default(),
        }
    }

    /// A key that is remembered, if nothing of it has changed since.
    pub fn remembered(&self, id: ApiKeyID, now: Timestamp) -> Option<Found> {
        if let Some(known) = self.keys.get(&id) {
            return known.is_fresh(&self.freshness, now).then_some(Found::Key(known));
        }
        let nobody = self.nobodies.get(&id)?;
        let fresh = now < nobody.until && nobody.until.since(now) <= WHILE_NOBODY;
        (fresh && nobody.stamp == self.freshness.of_nobody(id)).then_some(Found::Nobody)
    }

    /// Looks a key up, and remembers what was found.
    pub async fn look_up(&self, database: &Database, usage: &KeyUsage, id: ApiKeyID, now: Timestamp) -> Result<Found> {
        let nobody = self.freshness.of_nobody(id);
        let changes = self.freshness.changes();
        let (freshness, standings) = (self.freshness.clone(), self.standings.clone());
        let read = database.look_up(move |db| read(db, &freshness, &standings, id)).await?;
        let known = match read {
            Read::Plain(row, standing) => {
                let stamp = self.freshness.stamp(id, row.tenant, None);
                KnownKey::plain(id, row, standing, stamp)
            }
            Read::Key(mut facts) => {
                usage.lay_over(&mut facts);
                let stamp = self.freshness.stamp(id, facts.tenant.id, issuing_key(&facts));
                let place = is_plain(&facts).then_some((facts.tenant.id, facts.role, facts.bounds.profile));
                let known = KnownKey::of(id, *facts, stamp, now);
                if let Some(place) = place.filter(|_| changes == self.freshness.changes()) {
                    self.standings.keep(place, &known.standing, self.freshness.of_tenant_alone(place.0));
                }
                known
            }
            Read::Revoked(facts) => {
                self.highest.fetch_max(id.get(), Ordering::Relaxed);
                return Ok(Found::Revoked(facts));
            }
            Read::Nobody => {
                // on other nodes keys are made of which nobody is told
                if !database.is_shared() || id.get() <= self.highest.load(Ordering::Relaxed) {
                    self.nobodies.insert(id, Nobody { stamp: nobody, until: now.plus(WHILE_NOBODY) });
                }
                return Ok(Found::Nobody);
            }
        };
        self.highest.fetch_max(id.get(), Ordering::Relaxed);
        let known = Arc::new(known);
        // what changed while it was read may be in the stamp and not in the row
        if changes == self.freshness.changes() {
            self.keys.insert(id, known.clone());
        }
        Ok(Found::Key(known))
    }
}

enum Read {
    Plain(PlainKey, Arc<Standing>),
    Key(Box<KeyFacts>),
    Revoked(Box<RevokedFacts>),
    Nobody,
}

/// Most keys are read in one short statement, because what they share is known already.
fn read(db: &mut Db, freshness: &Freshness, standings: &Standings, id: ApiKeyID) -> Result<Read> {
    if let Some(row) = lookup::plain_key(db, id)?
        && let Some(standing) = standings.get(&(row.tenant, row.role, row.profile), freshness)
    {
        return Ok(Read::Plain(row, standing));
    }
    Ok(match lookup::key(db, id)? {
        Some(facts) => Read::Key(Box::new(facts)),
        None => lookup::revoked_key(db, id)?.map_or(Read::Nobody, |facts| Read::Revoked(Box::new(facts))),
    })
}

impl Standings {
    /// The one that is kept, if nothing of its tenant has changed since.
    fn get(&self, place: &Place, freshness: &Freshness) -> Option<Arc<Standing>> {
        let standings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (standing, stamp) = standings.get(place)?;
        (*stamp == freshness.of_tenant_alone(place.0)).then(|| standing.clone())
    }

    fn keep(&self, place: Place, standing: &Arc<Standing>, stamp: Stamp) {
        let mut standings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if standings.len() >= STANDINGS {
            standings.clear();
        }
        standings.insert(place, (standing.clone(), stamp));
    }
}

impl KnownKey {
    fn plain(id: ApiKeyID, row: PlainKey, standing: Arc<Standing>, stamp: Stamp) -> Self {
        let (name, expires) = (row.name.into_boxed_str(), row.expires);
        let (digest, secret) = (row.digest, row.secret);
        Self { id, name, expires, standing, special: None, digest, secret, stamp, uses: AtomicU64::new(0) }
    }

    fn of(id: ApiKeyID, facts: KeyFacts, stamp: Stamp, now: Timestamp) -> Self {
        let standing = Arc::new(Standing::of(&facts));
        Self::standing_there(id, facts, standing, stamp, now)
    }

    /// A key that nothing changes any more: whoever holds it is given all of them anew instead. What is not plain of
    /// it is kept beside what it shares with others.
    pub fn settled(id: ApiKeyID, facts: KeyFacts, standing: Arc<Standing>) -> Self {
        Self::standing_there(id, facts, standing, Stamp::default(), Timestamp::from_millis(i64::MAX))
    }

    fn standing_there(id: ApiKeyID, facts: KeyFacts, standing: Arc<Standing>, stamp: Stamp, now: Timestamp) -> Self {
        let newest = facts.secrets.iter().max_by_key(|secret| secret.id);
        let (digest, secret) = newest.map_or((SecretDigest::OF_NOBODY, 0), |secret| (secret.digest, secret.id));
        let (name, expires) = (facts.name.clone().into_boxed_str(), facts.expires);
        let special = (!is_plain(&facts)).then(|| {
            let moving = facts.secrets.iter().any(|secret| secret.life.replaced.is_some() && secret.life.lives(now));
            Box::new(Special {
                facts,
                until: moving.then(|| now.plus(WHILE_ROTATING)),
                used_up: AtomicBool::new(false),
            })
        });
        Self { id, name, expires, standing, special, digest, secret, stamp, uses: AtomicU64::new(0) }
    }
}

impl Standing {
    fn of(facts: &KeyFacts) -> Self {
        Self::new(
            (facts.tenant, facts.tenant_name.clone(), facts.tenant_is_active),
            facts.role_name.clone(),
            facts.grant.rights,
            facts.grant.ways.web_service,
            (facts.bounds.profile, facts.throttle),
        )
    }

    /// Puts it together: a tenant, its name and whether it is active; a role's name, what it lets them do, and whether
    /// by the web service; a profile, and how often it lets keys be used.
    pub fn new(
        (tenant, tenant_name, tenant_is_active): (Tenant, String, bool),
        role_name: String,
        rights: Rights,
        web_service: bool,
        (profile, throttle): (ProfileID, Throttle),
    ) -> Self {
        let headers = StandingHeaders {
            role: header_text(&role_name),
            tenant: header_text(&tenant_name),
            tenant_id: header_text(&tenant.guid.hyphenated().to_string()),
        };
        Self { tenant, tenant_name, tenant_is_active, role_name, rights, web_service, profile, throttle, headers }
    }
}

/// A text as a header carries it: as it is, or as RFC 8187 writes what is not ASCII.
pub fn header_text(text: &str) -> HeaderValue {
    let is_plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) && !text.starts_with("UTF-8''");
    if is_plain && let Ok(value) = HeaderValue::from_str(text) {
        return value;
    }
    let encoded = format!("UTF-8''{}", percent_encoding::utf8_percent_encode(text, VALUE_CHARS));
    HeaderValue::try_from(encoded).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// What RFC 8187 §3.2.1 takes as it is (`attr-char`).
const VALUE_CHARS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');
