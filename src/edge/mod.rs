//! Verification where the server that issues the keys is far away: from a snapshot of it, and nothing else. There is no
//! database, and no use of a key is reported.
//!
//! [`Edge`] holds the snapshot and answers as the server would ([`crate::verify::Keys`]); [`refresh`] fetches another when
//! something has changed, and keeps the last good one on the disk; [`server`] is what gateways ask.

mod calls;
pub mod refresh;
pub mod server;

use std::future::{Ready, ready};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use arc_swap::ArcSwapOption;

use crate::auth::known_keys::{Found, KnownKey, SharedKey};
use crate::auth::rate_limit::RateLimits;
use crate::auth::{RevokedFacts, Unproven};
use crate::clock::{Clock, Timestamp};
use crate::config::RateLimit;
use crate::error::{Error, Result};
use crate::id::{ApiKeyID, TenantID};
use crate::in_flight::InFlight;
use crate::reach::TenantLabel;
use crate::secret::PresentedKey;
use crate::snapshot::read::{Refused, Snapshot};
use crate::snapshot::seal::PublicKey;
use crate::verify::rules::Failure;
use crate::verify::{Asked, Considered, Counted, Keys};

/// What an edge needs to be told.
pub struct Settings {
    /// By which snapshots are known, one tenant's and no other's.
    pub public_key: PublicKey,
    /// How long it goes on when the authority is away, in milliseconds.
    pub go_on_for: i64,
    /// Where "now" comes from.
    pub clock: Clock,
}

/// A place where keys are verified; cheap to clone.
#[derive(Clone)]
pub struct Edge(Arc<Inner>);

struct Inner {
    settings: Settings,
    held: ArcSwapOption<Held>,
    /// One snapshot is taken at a time.
    taking: Mutex<()>,
    limits: RateLimits,
    draining: AtomicBool,
    in_flight: InFlight,
}

/// The snapshot that is verified from.
struct Held {
    snapshot: Snapshot,
    /// When the authority last said that it is how things are, in milliseconds.
    confirmed: AtomicI64,
}

impl Edge {
    /// An edge that knows nothing yet.
    pub fn new(settings: Settings) -> Self {
        let (held, limits) = (ArcSwapOption::empty(), RateLimits::new(RateLimit::OFF));
        let (draining, in_flight) = (AtomicBool::new(false), InFlight::default());
        Self(Arc::new(Inner { settings, held, taking: Mutex::default(), limits, draining, in_flight }))
    }

    /// What is being answered.
    pub fn in_flight(&self) -> &InFlight {
        &self.0.in_flight
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.0.settings.clock.now()
    }

    /// Takes a snapshot in place of the one that is there, known to be true at that moment. One that is refused changes
    /// nothing.
    pub fn take(&self, text: &[u8], confirmed: Timestamp) -> Result<Taken, Refused> {
        let _one = self.0.taking.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = Snapshot::read(text, &self.0.settings.public_key)?;
        let head = &snapshot.head;
        if head.not_after <= self.now() {
            return Err(Refused::Over(head.not_after));
        }
        if let Some(held) = self.0.held.load().as_ref()
            && head.made < held.snapshot.head.made
        {
            return Err(Refused::Older(head.made, held.snapshot.head.made));
        }
        let (keys, revoked) = snapshot.count();
        let taken = Taken { made: head.made, keys, revoked };
        self.0.held.store(Some(Arc::new(Held { snapshot, confirmed: AtomicI64::new(confirmed.millis()) })));
        Ok(taken)
    }

    /// The authority said at that moment that nothing has changed.
    pub fn confirm(&self, at: Timestamp) {
        if let Some(held) = self.0.held.load().as_ref() {
            held.confirmed.fetch_max(at.millis(), Ordering::AcqRel);
        }
    }

    /// What the snapshot that is there is asked for by, the next time; none where there is none that may be used.
    pub fn state(&self) -> Option<String> {
        Some(self.usable(self.now()).ok()?.snapshot.head.state.clone())
    }

    /// The snapshot, as long as it may be used: its own time, and as long as the authority may be away.
    fn usable(&self, at: Timestamp) -> Result<Arc<Held>> {
        let held = self.0.held.load_full().ok_or_else(|| Error::unavailable(1, "there is no snapshot yet"))?;
        if held.snapshot.head.not_after <= at {
            return Err(Error::unavailable(1, "the snapshot's time is over"));
        }
        let confirmed = Timestamp::from_millis(held.confirmed.load(Ordering::Acquire));
        if at.since(confirmed) >= self.0.settings.go_on_for {
            return Err(Error::unavailable(1, "the authority has been away for too long"));
        }
        Ok(held)
    }

    /// Whether keys can be verified now.
    pub fn is_ready(&self) -> Result<()> {
        if self.0.draining.load(Ordering::Relaxed) {
            return Err(Error::unavailable(5, "the server is stopping"));
        }
        self.usable(self.now()).map(drop)
    }

    /// From now on `/readyz` says no.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }
}

/// What there is in a snapshot that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// When it was made.
    pub made: Timestamp,
    /// Keys.
    pub keys: usize,
    /// Keys that were revoked.
    pub revoked: usize,
}

impl Keys for Edge {
    fn now(&self) -> Timestamp {
        Self::now(self)
    }

    async fn tenant_of(&self, label: &TenantLabel) -> Result<Option<TenantID>> {
        let held = self.usable(self.now())?;
        let own = held.snapshot.head.tenant.label.as_deref();
        Ok(label.get().filter(|label| own == Some(*label)).map(|_| held.snapshot.tenant().id))
    }

    async fn find(&self, id: ApiKeyID, at: Timestamp) -> Result<Found> {
        Ok(self.usable(at)?.snapshot.find(id))
    }

    async fn heard_revoked(&self, _: &PresentedKey, _: &RevokedFacts, _: &Asked<'_>) {}

    fn heard_unproven(&self, _: ApiKeyID, _: &Unproven, _: Timestamp) {}

    /// What is counted within a minute is counted here by itself; what is counted once and for all cannot be.
    async fn count(&self, known: &KnownKey, at: Timestamp) -> Result<Counted> {
        if known.counts_uses() {
            return Ok(Err(Failure::CountedElsewhere));
        }
        Ok(self.0.limits.take_key(&known.as_use(), at).map(|()| None).map_err(Failure::Rule))
    }

    async fn count_all(&self, questions: &[(&[u8], Asked<'_>)], considered: &[Considered]) -> Result<Vec<Counted>> {
        let mut counted = Vec::with_capacity(considered.len());
        for ((_, asked), considered) in questions.iter().zip(considered) {
            counted.push(match considered {
                Ok((known, _)) => self.count(known, asked.at).await?,
                Err(_) => Ok(None),
            });
        }
        Ok(counted)
    }

    /// A snapshot does not say.
    async fn secret_made(&self, _: i64) -> Option<Timestamp> {
        None
    }

    fn issuer(&self) -> Option<String> {
        None
    }

    fn heard_used(&self, _: &SharedKey, _: i64, _: IpAddr, _: Timestamp) {}
}

impl FromRequest for Edge {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(request.app_data::<Self>().cloned().ok_or_else(|| Error::internal("a route stands outside the edge")))
    }
}
