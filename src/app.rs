//! What every handler is handed: the database, the keys, the clock, the rules.

use std::future::{Ready, ready};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};

use crate::auth::key_usage::KeyUsage;
use crate::auth::password_lane::PasswordLane;
use crate::clock::{Clock, HOUR, MINUTE, Timestamp, WEEK};
use crate::db::Database;
use crate::error::{Error, Result};
use crate::id::TenantID;
use crate::keyring::Keyring;
use crate::lease::Lease;
use crate::locale::TimeZone;

/// The program's parts, shared by all workers; cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What an [`App`] holds.
pub struct Parts {
    /// Where everything is kept.
    pub database: Database,
    /// Keys derived from the master key.
    pub keyring: Keyring,
    /// Where passwords are hashed.
    pub lane: PasswordLane,
    /// What keys were used, not yet written down.
    pub key_usage: KeyUsage,
    /// Where "now" comes from.
    pub clock: Clock,
    /// This node's claim on the chores that one node at a time does.
    pub lease: Lease,
    /// What is allowed, for how long and how often.
    pub rules: Rules,
    /// The zone of keys and people that name none.
    pub time_zone: TimeZone,
    /// The file with the first start's password, removed when that password is changed.
    pub initial_password_file: PathBuf,
    /// Set when the server has been told to stop.
    pub draining: AtomicBool,
}

/// What is allowed, for how long and how often.
#[derive(Clone, Debug)]
pub struct Rules {
    /// A session that is not used for this long ends, in milliseconds.
    pub idle: i64,
    /// A session ends after this long at the latest, in milliseconds.
    pub longest: i64,
    /// Live sessions an administrator may have; the oldest ends when there is one more.
    pub sessions: i64,
    /// Codes that one account may try within a quarter of an hour, right password given.
    pub mfa_guesses: i64,
    /// The shortest new password, in characters.
    pub password_characters: usize,
    /// Whether wrong passwords slow down further attempts; off only under load tests.
    pub throttle: bool,
    /// How long an attempt may wait for its turn.
    pub throttle_patience: Duration,
    /// How long a request's body may take to arrive.
    pub body_deadline: Duration,
    /// How long events are kept, in milliseconds.
    pub retain_events: i64,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            idle: 30 * MINUTE,
            longest: 12 * HOUR,
            sessions: 10,
            mfa_guesses: 10,
            password_characters: 15,
            throttle: true,
            throttle_patience: Duration::from_secs(2),
            body_deadline: Duration::from_secs(10),
            retain_events: 53 * WEEK,
        }
    }
}

impl App {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The rules as they are now in a tenant.
    pub async fn rules_of(&self, _tenant: TenantID) -> Result<Rules> {
        Ok(self.rules.clone())
    }

    /// Whether the server has been told to stop.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// From now on `/readyz` says no.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}

/// Removes the file once its password is of no use. Somebody may have done so before, and on another node of
/// the database there never was one.
pub fn remove_initial_password(path: &Path) {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            log::warn!(error = error.to_string().as_str(); "the file with the initial password, now useless, could not be removed");
        }
        _ => {}
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl FromRequest for App {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(request.app_data::<Self>().cloned().ok_or_else(|| Error::internal("a route stands outside the app")))
    }
}
