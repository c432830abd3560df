//! Whether a key is good, and for what: the one question behind every way of asking it.
//!
//! 1. The key is read and found, in memory or in the database; its secret is compared in constant time.
//! 2. [`rules::judge`] says what speaks against it, in one order, from what is known of the key, the demands, the
//!    address and the moment. No decision is remembered.
//! 3. What nothing speaks against is counted: towards its limits, its remaining uses, and as its last use.
//!
//! Gateways ask by [`gateway`], programs by [`calls`] in JSON and by [`introspection`] as RFC 7662 has it. [`explain`] asks
//! for people, about a key whose secret nobody shows, and counts nothing.

pub mod calls;
pub mod explain;
pub mod gateway;
pub mod introspection;
pub mod rules;

use std::future::Future;
use std::net::IpAddr;

use crate::app::App;
use crate::audit::Origin;
use crate::auth::known_keys::{Found, KnownKey, SharedKey};
use crate::auth::{self, Caller, RevokedFacts, Rule, Unproven, Uses};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::{ApiKeyID, TenantID};
use crate::reach::TenantLabel;
use crate::secret::PresentedKey;
use rules::{Demands, Failure};

/// Whoever asks about keys, by a credential of their own.
#[derive(Clone, Copy)]
pub struct By<'a> {
    /// Whose keys they may ask about.
    pub tenant: TenantID,
    /// Of the request in which they ask.
    pub origin: &'a Origin,
}

impl<'a, R, V> From<&'a Caller<R, V>> for By<'a> {
    fn from(caller: &'a Caller<R, V>) -> Self {
        Self { tenant: caller.tenant().id, origin: caller.origin() }
    }
}

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
    Valid(Proven),
    /// It is not. The key is told only to whom its secret proved right.
    Refused(Failure, Option<Whose>),
}

/// A key that is good, and was used.
pub struct Proven {
    /// The key.
    pub key: SharedKey,
    /// The number of the row of the secret that it was presented with.
    pub secret: i64,
    /// How many uses are left after this one, where they are counted.
    pub left: Option<i64>,
}

/// Whose secret it is that proved right.
pub enum Whose {
    /// A key's.
    Key(SharedKey),
    /// That of a key that was revoked.
    Revoked(Box<RevokedFacts>),
}

/// A key against which nothing speaks, with the number of its secret's row; or what does.
pub type Considered = Result<(SharedKey, i64), (Failure, Option<Whose>)>;

const NOT_FOUND: Considered = Err((Failure::NotFound, None));

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

    /// Counts a use towards whatever bounds how many there may be.
    fn count(&self, known: &KnownKey, at: Timestamp) -> impl Future<Output = Result<Counted>>;

    /// [`Keys::count`] for all of those that nothing else speaks against, in their order. Where that fails nothing was
    /// counted of any.
    fn count_all(
        &self,
        questions: &[(&[u8], Asked<'_>)],
        considered: &[Considered],
    ) -> impl Future<Output = Result<Vec<Counted>>>;

    /// When the secret of a row was made, where that is known.
    fn secret_made(&self, secret: i64) -> impl Future<Output = Option<Timestamp>>;

    /// The URL by which whoever issues the keys is known, if it has one.
    fn issuer(&self) -> Option<String>;

    /// Hears that a key was used with success, by the secret of that row.
    fn heard_used(&self, known: &SharedKey, secret: i64, from: IpAddr, at: Timestamp);
}

/// Verifies what somebody presented, and counts it as a use if it is good.
pub async fn verify<K: Keys>(keys: &K, presented: &[u8], asked: &Asked<'_>) -> Result<Verdict> {
    match consider(keys, presented, asked).await? {
        Ok((key, secret)) => Ok(match keys.count(&key, asked.at).await? {
            Ok(left) => used(keys, asked, Proven { key, secret, left }),
            Err(failure) => Verdict::Refused(failure, Some(Whose::Key(key))),
        }),
        Err((failure, whose)) => Ok(Verdict::Refused(failure, whose)),
    }
}

/// [`verify`] of many, in their order, as if one came after the other. The uses that keys have left are taken all at once:
/// where that fails nothing was counted of any.
pub async fn verify_all<K: Keys>(keys: &K, questions: &[(&[u8], Asked<'_>)]) -> Result<Vec<Verdict>> {
    let mut considered = Vec::with_capacity(questions.len());
    for (presented, asked) in questions {
        considered.push(consider(keys, presented, asked).await?);
    }
    let counted = keys.count_all(questions, &considered).await?;
    let verdicts = questions.iter().zip(considered).zip(counted).map(|(((_, asked), considered), counted)| {
        match (considered, counted) {
            (Ok((key, secret)), Ok(left)) => used(keys, asked, Proven { key, secret, left }),
            (Ok((key, _)), Err(failure)) => Verdict::Refused(failure, Some(Whose::Key(key))),
            (Err((failure, whose)), _) => Verdict::Refused(failure, whose),
        }
    });
    Ok(verdicts.collect())
}

/// Everything but what is counted.
async fn consider<K: Keys>(keys: &K, presented: &[u8], asked: &Asked<'_>) -> Result<Considered> {
    let Some(key) = std::str::from_utf8(presented).ok().and_then(PresentedKey::parse) else { return Ok(NOT_FOUND) };
    let known = match keys.find(key.id, asked.at).await? {
        Found::Key(known) => Some(known),
        Found::Nobody => None,
        Found::Revoked(facts) => {
            let ours = asked.within.is_none_or(|tenant| tenant == facts.tenant.id);
            keys.heard_revoked(&key, &facts, asked).await;
            let was_right = ours && auth::was_right(&key, &facts);
            return Ok(if was_right { Err((Failure::Revoked, Some(Whose::Revoked(facts)))) } else { NOT_FOUND });
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
    Ok(match rules::judge(&known, asked.demands, asked.client, asked.at) {
        Some(failure) => Err((failure, Some(Whose::Key(known)))),
        None => Ok((known, secret)),
    })
}

/// Notes the use of a key that is good.
fn used<K: Keys>(keys: &K, asked: &Asked<'_>, proven: Proven) -> Verdict {
    let from = asked.client.unwrap_or(asked.origin.address);
    keys.heard_used(&proven.key, proven.secret, from, asked.at);
    Verdict::Valid(proven)
}

/// What counting a use comes to: how many are left, where they are counted, or what speaks against one more.
pub type Counted = Result<Option<i64>, Failure>;

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
            None => self.known_keys.look_up(&self.database, id, at).await,
        }
    }

    async fn heard_revoked(&self, key: &PresentedKey, facts: &RevokedFacts, asked: &Asked<'_>) {
        auth::note_revoked(self, key, facts, asked.at, asked.origin).await;
    }

    fn heard_unproven(&self, key: ApiKeyID, unproven: &Unproven, at: Timestamp) {
        auth::note_unproven(self, key, unproven, at);
    }

    async fn count(&self, known: &KnownKey, at: Timestamp) -> Result<Counted> {
        if let Err(failure) = pace(self, known, at) {
            return Ok(Err(failure));
        }
        if !known.counts_uses() {
            return Ok(Ok(None));
        }
        match auth::take_use(self, known.id()).await {
            Ok(uses) => Ok(taken(self, known, uses, at)),
            Err(error) => {
                self.rate_limits.give_back(&known.as_use(), at);
                Err(error)
            }
        }
    }

    async fn count_all(&self, questions: &[(&[u8], Asked<'_>)], considered: &[Considered]) -> Result<Vec<Counted>> {
        count_all(self, questions, considered).await
    }

    async fn secret_made(&self, secret: i64) -> Option<Timestamp> {
        // kept nowhere but in its row; the answer is good without
        self.database.look_up(move |db| auth::secret_made(db, secret)).await.ok().flatten()
    }

    fn issuer(&self) -> Option<String> {
        self.urls.general().map(str::to_owned)
    }

    fn heard_used(&self, known: &SharedKey, secret: i64, from: IpAddr, at: Timestamp) {
        self.key_usage.used(known, secret, from, at);
    }
}

/// [`Keys::count_all`], with one transaction for the uses that keys have left.
async fn count_all(app: &App, questions: &[(&[u8], Asked<'_>)], considered: &[Considered]) -> Result<Vec<Counted>> {
    let mut counted: Vec<Counted> = Vec::with_capacity(considered.len());
    for ((_, asked), considered) in questions.iter().zip(considered) {
        counted.push(considered.as_ref().map_or(Ok(None), |(known, _)| pace(app, known, asked.at).map(|()| None)));
    }
    let all = || questions.iter().zip(considered);
    let ids = all().zip(&counted).filter_map(|((_, considered), counted)| {
        let known = &considered.as_ref().ok().filter(|_| counted.is_ok())?.0;
        known.counts_uses().then_some(known.id())
    });
    let ids: Vec<_> = ids.collect();
    let uses = if ids.is_empty() { Ok(Vec::new()) } else { auth::take_uses(app, ids).await };
    let mut uses = match uses {
        Ok(uses) => uses.into_iter(),
        Err(error) => {
            for (((_, asked), considered), counted) in all().zip(&counted) {
                if let (Ok((known, _)), Ok(_)) = (considered, counted) {
                    app.rate_limits.give_back(&known.as_use(), asked.at);
                }
            }
            return Err(error);
        }
    };
    for (((_, asked), considered), counted) in all().zip(&mut counted) {
        let Ok((known, _)) = considered else { continue };
        match counted {
            Ok(_) if known.counts_uses() => *counted = taken(app, known, uses.next().flatten(), asked.at),
            // what stood before it in the list has taken the last one
            Err(_) if known.is_used_up() => *counted = Err(Failure::Rule(Rule::UsageExceeded)),
            _ => {}
        }
    }
    Ok(counted)
}

/// Counts a use in memory. One that has no use left is told that, and not that it comes too often.
fn pace(app: &App, known: &KnownKey, at: Timestamp) -> Result<(), Failure> {
    if known.is_used_up() {
        return Err(Failure::Rule(Rule::UsageExceeded));
    }
    app.rate_limits.take_key(&known.as_use(), at).map_err(Failure::Rule)
}

/// What came of taking one of the uses that a key has left.
fn taken(app: &App, known: &KnownKey, uses: Option<Uses>, at: Timestamp) -> Counted {
    if uses.as_ref().is_none_or(|uses| uses.0 == Some(0)) {
        known.note_used_up();
    }
    match uses {
        Some(uses) => Ok(uses.0),
        None => {
            app.rate_limits.give_back(&known.as_use(), at);
            Err(Failure::Rule(Rule::UsageExceeded))
        }
    }
}
