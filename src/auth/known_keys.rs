//! Keys as they were read a moment ago, for verification: who a key is, never whether it is let in. Every use is judged
//! anew, and nothing of it is taken that has changed since it was read ([`Freshness`]).
//!
//! Most keys are plain: one secret, no bounds but an end, no API types. What they share with others of their tenant,
//! role and profile is kept once ([`Standing`]), so that a million of them fit. Of the others the whole row is kept.
//!
//! What they have counted of their uses is not lost when they are forgotten: see `key_notes.rs`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::http::header::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, UnitWeighter};
use smol_str::SmolStr;

use super::identity::Tenant;
use super::key_notes::{Source, Tally};
use super::key_usage::KeyUsage;
use super::lookup::{self, KeyFacts, PlainKey, RevokedFacts};
use super::rate_limit::KeyUse;
use crate::api_key_profiles::Throttle;
use crate::clock::{SECOND, Timestamp};
use crate::constraints::Constraints;
use crate::db::{Database, Db, Freshness, Stamp};
use crate::error::{Error, Result};
use crate::id::{ApiKeyID, ProfileID, RoleID, TenantID};
use crate::rights::Rights;
use crate::secret::SecretDigest;

/// IDs that are remembered to be nobody's: enough for a mistyped configuration, too few to matter.
const NOBODIES: usize = 4_096;
/// Keys of which everything is remembered.
const CALLERS: usize = 1_024;
/// Combinations of tenant, role and profile that are kept once.
const STANDINGS: usize = 10_000;

/// The keys that this node remembers.
pub struct KnownKeys {
    freshness: Freshness,
    /// Has the keys themselves.
    usage: KeyUsage,
    /// IDs that no key has, as far as was known when the counters stood like that.
    nobodies: Cache<ApiKeyID, Nobody>,
    /// What there is to know of the keys by which others are administered, as the counters stood then.
    callers: Cache<ApiKeyID, (Arc<KeyFacts>, Stamp)>,
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
    Key(SharedKey),
    /// A key that was revoked.
    Revoked(Box<RevokedFacts>),
    /// Nothing.
    Nobody,
}

/// What plain keys of one tenant, role and profile have in common. Any other key has one of its own, with what else is
/// known of it.
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
    special: Option<Special>,
}

/// Names as headers carry them, made once.
pub struct StandingHeaders {
    /// The role's.
    pub role: HeaderValue,
    /// The tenant's.
    pub tenant: HeaderValue,
    /// The tenant's GUID.
    pub tenant_id: HeaderValue,
}

/// A key as it was read, shared. The standard library's `Arc` would take 8 bytes more, which are 16 of what is
/// allocated.
pub type SharedKey = triomphe::Arc<KnownKey>;

/// A key as it was read. There may be a million of them, so this is as small as can be; whatever few keys have stands in
/// the [`Special`] of their standing.
pub struct KnownKey {
    /// Its name; in place up to 23 bytes.
    pub name: SmolStr,
    /// What it has in common with others.
    pub standing: Arc<Standing>,
    /// Of its one secret, if it is plain.
    digest: SecretDigest,
    /// When it ends; `NEVER` if it does not.
    expires: i64,
    /// IDs have 31 bits.
    id: u32,
    /// The row of the secret by which uses are counted in `tally`; 0 where none is.
    secret: u32,
    stamp: Stamp,
    pub(super) tally: Tally,
    pub(super) source: Source,
}

/// No key ends at this moment: one that is said to is not plain.
const NEVER: i64 = i64::MIN;

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
    /// Its number.
    pub fn id(&self) -> ApiKeyID {
        ApiKeyID::new(i64::from(self.id))
    }

    /// When it ends.
    pub fn expires(&self) -> Option<Timestamp> {
        match self.special() {
            None => (self.expires != NEVER).then_some(Timestamp::from_millis(self.expires)),
            Some(special) => special.facts.expires,
        }
    }

    /// Everything else, of a key that is not plain.
    pub fn special(&self) -> Option<&Special> {
        self.standing.special.as_ref()
    }

    /// The number of its secret's row, if the key is plain and that is its secret.
    pub fn plain_secret(&self, presented: &SecretDigest) -> Option<i64> {
        self.digest.matches(presented).then_some(i64::from(self.secret))
    }

    /// Its rights, cut to its API types where it has any.
    pub fn rights(&self) -> &Rights {
        self.special().map_or(&self.standing.rights, |special| &special.facts.grant.rights)
    }

    /// What a use of it counts towards.
    pub fn as_use(&self) -> KeyUse {
        KeyUse {
            key: self.id(),
            tenant: self.standing.tenant.id,
            profile: self.standing.profile,
            own: self.special().and_then(|special| special.facts.bounds.constraints.calls_per_minute),
            throttle: self.standing.throttle,
        }
    }

    /// Whether it may be used so often and no more.
    pub fn counts_uses(&self) -> bool {
        self.special().is_some_and(|special| special.facts.bounds.constraints.remaining_uses.is_some())
    }

    /// Whether its last use was taken since it was read.
    pub fn is_used_up(&self) -> bool {
        self.special().is_some_and(|special| special.used_up.load(Ordering::Acquire))
    }

    /// Its last use was taken.
    pub fn note_used_up(&self) {
        if let Some(special) = self.special() {
            special.used_up.store(true, Ordering::Release);
        }
    }

    /// Whether one of its secrets lets somebody in at that moment, as far as can be said now.
    pub fn has_secret(&self, at: Timestamp) -> bool {
        self.special().is_none_or(|special| special.facts.secrets.iter().any(|secret| secret.life.lives(at)))
    }

    /// When one of its secrets ends before it does, by the number of the secret's row.
    pub fn secret_end(&self, secret: i64) -> Option<Timestamp> {
        let secrets = self.special().map(|special| &special.facts.secrets)?;
        secrets.iter().find(|known| known.id == secret)?.life.end()
    }

    fn is_fresh(&self, freshness: &Freshness, now: Timestamp) -> bool {
        let issuer = self.special().and_then(|special| issuing_key(&special.facts));
        let is_due = self.special().and_then(|special| special.until).is_some_and(|until| until <= now);
        !is_due && self.stamp == freshness.stamp(self.id(), self.standing.tenant.id, issuer)
    }

    /// Its ID as the cache has it.
    pub(super) const fn number(&self) -> u32 {
        self.id
    }

    /// Whether uses by the secret of that row are counted in its tally.
    pub(super) fn counts(&self, secret: i64) -> bool {
        i64::from(self.secret) == secret
    }

    /// The row of that secret.
    pub(super) const fn secret_row(&self) -> u32 {
        self.secret
    }
}

/// The keys that are remembered. Whoever puts one in takes care of those that leave.
pub(super) struct KeyCache(Cache<u32, SharedKey, UnitWeighter, DefaultHashBuilder, Leaving>);

/// Has those told that leave.
#[derive(Clone)]
struct Leaving;

impl Lifecycle<u32, SharedKey> for Leaving {
    type RequestState = Vec<SharedKey>;

    fn on_evict(&self, left: &mut Vec<SharedKey>, _: u32, key: SharedKey) {
        left.push(key);
    }
}

impl KeyCache {
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1);
        Self(Cache::with(most, most as u64, UnitWeighter, DefaultHashBuilder::default(), Leaving))
    }

    /// A key, which is asked for.
    pub(super) fn get(&self, key: ApiKeyID) -> Option<SharedKey> {
        self.0.get(&u32::try_from(key.get()).ok()?)
    }

    /// A key, which nobody asks for.
    pub(super) fn peek(&self, number: u32) -> Option<SharedKey> {
        self.0.peek(&number)
    }

    /// Puts a key in place of what was known of it. Those that leave for it, what was known before included, are added to
    /// `left`.
    pub(super) fn insert(&self, key: SharedKey, left: &mut Vec<SharedKey>) {
        self.0.insert_with_lifecycle(key.id, key, left);
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
    let fits = facts.secrets.first().is_some_and(|secret| fits(secret.id, facts.expires));
    facts.active && one_secret && typeless && by_itself && fits && is_unbounded(&facts.bounds.constraints)
}

/// Whether a [`KnownKey`] has room for that secret's row and that end. All there ever are.
fn fits(secret: i64, expires: Option<Timestamp>) -> bool {
    u32::try_from(secret).is_ok() && expires != Some(Timestamp::from_millis(NEVER))
}

fn is_unbounded(constraints: &Constraints) -> bool {
    *constraints == Constraints { target: constraints.target.clone(), ..Constraints::default() }
}

impl KnownKeys {
    /// Those that count their uses there.
    pub fn new(usage: KeyUsage, freshness: Freshness) -> Self {
        Self {
            freshness,
            usage,
            nobodies: Cache::new(NOBODIES),
            callers: Cache::new(CALLERS),
            highest: AtomicI64::new(0),
            standings: Arc::default(),
        }
    }

    /// A key that is remembered, if nothing of it has changed since.
    pub fn remembered(&self, id: ApiKeyID, now: Timestamp) -> Option<Found> {
        if let Some(known) = self.usage.remembered(id) {
            return known.is_fresh(&self.freshness, now).then_some(Found::Key(known));
        }
        let nobody = self.nobodies.get(&id)?;
        let fresh = now < nobody.until && nobody.until.since(now) <= WHILE_NOBODY;
        (fresh && nobody.stamp == self.freshness.of_nobody(id)).then_some(Found::Nobody)
    }

    /// Looks a key up, and remembers what was found.
    pub async fn look_up(&self, database: &Database, id: ApiKeyID, now: Timestamp) -> Result<Found> {
        let nobody = self.freshness.of_nobody(id);
        let changes = self.freshness.changes();
        let (freshness, standings) = (self.freshness.clone(), self.standings.clone());
        let read = database.look_up(move |db| read(db, &freshness, &standings, id)).await?;
        let known = match read {
            Read::Plain(row, standing) => {
                let stamp = self.freshness.stamp(id, row.tenant, None);
                KnownKey::plain(id, row, standing, stamp)?
            }
            Read::Key(mut facts) => {
                self.usage.lay_over(&mut facts);
                let stamp = self.stamp_of(&facts);
                let place = is_plain(&facts).then_some((facts.tenant.id, facts.role, facts.bounds.profile));
                let known = KnownKey::of(id, *facts, stamp, now)?;
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
        let known = SharedKey::new(known);
        // what changed while it was read may be in the stamp and not in the row
        if changes == self.freshness.changes() {
            self.usage.remember(known.clone());
        }
        Ok(Found::Key(known))
    }

    /// Everything about a plain key by which the API was called before, if nothing of it has changed since, as far as
    /// this node has heard.
    pub fn remembered_facts(&self, id: ApiKeyID) -> Option<Arc<KeyFacts>> {
        let (facts, stamp) = self.callers.get(&id)?;
        (stamp == self.stamp_of(&facts)).then_some(facts)
    }

    /// Everything about a key, for whoever calls the API with it; none where there is no such key.
    pub async fn facts(&self, database: &Database, id: ApiKeyID) -> Result<Option<Arc<KeyFacts>>> {
        let changes = self.freshness.changes();
        let Some(mut facts) = database.look_up(move |db| lookup::key(db, id)).await? else { return Ok(None) };
        self.usage.lay_over(&mut facts);
        let (stamp, facts) = (self.stamp_of(&facts), Arc::new(facts));
        if is_plain(&facts) && changes == self.freshness.changes() {
            self.callers.insert(id, (facts.clone(), stamp));
        }
        Ok(Some(facts))
    }

    fn stamp_of(&self, facts: &KeyFacts) -> Stamp {
        self.freshness.stamp(facts.bounds.id, facts.tenant.id, issuing_key(facts))
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
    if let Some(row) = lookup::plain_key(db, id)?.filter(|row| fits(row.secret, row.expires))
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
    fn plain(id: ApiKeyID, row: PlainKey, standing: Arc<Standing>, stamp: Stamp) -> Result<Self> {
        Self::new(id, row.name.into(), standing, (row.secret, row.digest), row.expires, stamp)
    }

    fn of(id: ApiKeyID, facts: KeyFacts, stamp: Stamp, now: Timestamp) -> Result<Self> {
        let standing = Arc::new(Standing::of(&facts));
        Self::standing_there(id, facts, standing, stamp, now)
    }

    /// A key that nothing changes any more: whoever holds it is given all of them anew instead. What is plain of it is
    /// kept once with others.
    pub fn settled(id: ApiKeyID, facts: KeyFacts, standing: Arc<Standing>) -> Result<Self> {
        Self::standing_there(id, facts, standing, Stamp::default(), Timestamp::from_millis(i64::MAX))
    }

    fn standing_there(
        id: ApiKeyID,
        facts: KeyFacts,
        mut standing: Arc<Standing>,
        stamp: Stamp,
        now: Timestamp,
    ) -> Result<Self> {
        let newest = facts.secrets.iter().max_by_key(|secret| secret.id);
        // a secret whose end moves with its use, and one that does not fit, have every use noted by itself
        let counted = newest.filter(|secret| secret.life.replaced.is_none() && fits(secret.id, None));
        let secret = counted.map_or((0, SecretDigest::OF_NOBODY), |secret| (secret.id, secret.digest));
        let (name, expires) = (SmolStr::new(&facts.name), facts.expires);
        if !is_plain(&facts) {
            let moving = facts.secrets.iter().any(|secret| secret.life.replaced.is_some() && secret.life.lives(now));
            let (until, used_up) = (moving.then(|| now.plus(WHILE_ROTATING)), AtomicBool::new(false));
            standing =
                Arc::new(Standing { special: Some(Special { facts, until, used_up }), ..Standing::like(&standing) });
        }
        Self::new(id, name, standing, secret, expires, stamp)
    }

    fn new(
        id: ApiKeyID,
        name: SmolStr,
        standing: Arc<Standing>,
        (secret, digest): (i64, SecretDigest),
        expires: Option<Timestamp>,
        stamp: Stamp,
    ) -> Result<Self> {
        let (id, secret) = (u32::try_from(id.get()), u32::try_from(secret));
        let (id, secret) = (id.map_err(Error::internal)?, secret.map_err(Error::internal)?);
        let expires = expires.map_or(NEVER, Timestamp::millis);
        let (tally, source) = (Tally::default(), Source::default());
        Ok(Self { name, standing, digest, expires, id, secret, stamp, tally, source })
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

    /// The same for one key that is not plain; what is special of it is put in by whoever knows.
    fn like(shared: &Self) -> Self {
        Self::new(
            (shared.tenant, shared.tenant_name.clone(), shared.tenant_is_active),
            shared.role_name.clone(),
            shared.rights,
            shared.web_service,
            (shared.profile, shared.throttle),
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
        let special = None;
        Self {
            tenant,
            tenant_name,
            tenant_is_active,
            role_name,
            rights,
            web_service,
            profile,
            throttle,
            headers,
            special,
        }
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::api_key_profiles::Window;
    use std::sync::LazyLock;
    use uuid::Uuid;

    /// A plain key whose uses are counted by the secret of that row.
    pub fn sample(id: i64, secret: i64) -> SharedKey {
        static SAMPLE: LazyLock<(Arc<Standing>, Stamp)> =
            LazyLock::new(|| (standing(), Freshness::default().of_nobody(ApiKeyID::new(1))));
        let (standing, stamp) = &*SAMPLE;
        let secret = (secret, SecretDigest::OF_NOBODY);
        let key = KnownKey::new(ApiKeyID::new(id), "sample".into(), standing.clone(), secret, None, *stamp);
        SharedKey::new(key.expect("small numbers"))
    }

    fn standing() -> Arc<Standing> {
        let text = HeaderValue::from_static;
        Arc::new(Standing {
            tenant: Tenant { id: TenantID::PRIMARY, guid: Uuid::nil() },
            tenant_name: "Primary".to_owned(),
            tenant_is_active: true,
            role_name: "Auditor".to_owned(),
            rights: Rights::NONE,
            web_service: true,
            profile: ProfileID::new(1),
            throttle: Throttle { key: None, tenant: None, window: Window::Sliding },
            headers: StandingHeaders { role: text("Auditor"), tenant: text("Primary"), tenant_id: text("0") },
            special: None,
        })
    }

    /// With its reference count a key fills 104 bytes, which are as many of what is allocated as there are: the next
    /// larger piece has 16 more, and there may be a million keys.
    #[test]
    fn a_key_is_small() {
        assert_eq!(size_of::<KnownKey>() + size_of::<usize>(), 104);
    }

    #[test]
    fn the_cache_keeps_what_it_has_room_for_and_tells_who_leaves() {
        let (cache, mut left) = (KeyCache::new(3), Vec::new());
        for id in 1..=3 {
            cache.insert(sample(id, id), &mut left);
        }
        assert!(left.is_empty());
        let again = sample(2, 2);
        cache.insert(again.clone(), &mut left);
        assert_eq!(left.drain(..).map(|key| key.id).collect::<Vec<_>>(), [2], "what was known before");
        assert!(cache.peek(2).is_some_and(|key| SharedKey::ptr_eq(&key, &again)));
        for id in 4..=100 {
            cache.insert(sample(id, id), &mut left);
        }
        assert_eq!(left.len(), 97, "each that is not there any more, once");
        assert!(left.iter().all(|key| cache.peek(key.id).is_none()));
        let small = KeyCache::new(0);
        small.insert(sample(1, 1), &mut left);
        assert!(small.get(ApiKeyID::new(1)).is_some() && small.get(ApiKeyID::new(1 << 32 | 1)).is_none());
    }

    #[test]
    fn what_does_not_fit_is_not_plain() {
        assert!(fits(1, None) && fits(i64::from(u32::MAX), Some(Timestamp::from_millis(i64::MAX))));
        assert!(!fits(i64::from(u32::MAX) + 1, None) && !fits(-1, None));
        assert!(!fits(1, Some(Timestamp::from_millis(i64::MIN))));
        assert_eq!(sample(1, 1).expires(), None);
    }
}
