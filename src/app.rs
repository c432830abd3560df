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
use crate::auth::known_keys::KnownKeys;
use crate::auth::password_lane::PasswordLane;
use crate::auth::rate_limit::RateLimits;
use crate::auth::replaced_secrets::ReplacedSecrets;
use crate::body::BodyDeadline;
use crate::clock::{Clock, HOUR, MINUTE, Timestamp, WEEK};
use crate::db::Database;
use crate::error::{Error, Result};
use crate::forwarded::TrustedProxies;
use crate::id::TenantID;
use crate::in_flight::InFlight;
use crate::keyring::Keyring;
use crate::lease::Lease;
use crate::locale::TimeZone;
use crate::outgoing::{Client, Mailer};
use crate::reach::PublicUrl;
use crate::settings;
use crate::snapshot::Turns;
use crate::usage::CallLog;

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
    /// Keys that verification need not look up again.
    pub known_keys: KnownKeys,
    /// What keys were used, not yet written down.
    pub key_usage: KeyUsage,
    /// Which replaced secrets were presented, not yet written down.
    pub replaced_secrets: ReplacedSecrets,
    /// How often each caller, each tenant and this node were called in the last minute.
    pub rate_limits: RateLimits,
    /// Which calls were made, not yet written down.
    pub calls: CallLog,
    /// Where "now" comes from.
    pub clock: Clock,
    /// This node's claim on the chores that one node at a time does.
    pub lease: Lease,
    /// What is allowed, for how long and how often.
    pub rules: Rules,
    /// Sends mail; none where no mail server is configured.
    pub mailer: Option<Mailer>,
    /// Calls webhooks.
    pub webhooks: Client,
    /// Whose word is taken for where a request came from.
    pub trusted_proxies: TrustedProxies,
    /// What is being answered.
    pub in_flight: InFlight,
    /// How clients reach the server, as far as that is known.
    pub urls: PublicUrl,
    /// The zone of keys and people that name none.
    pub time_zone: TimeZone,
    /// The file with the first start's password, removed when that password is changed.
    pub initial_password_file: PathBuf,
    /// Whose turn it is to be written a snapshot.
    pub snapshots: Turns,
    /// Set when the server has been told to stop.
    pub draining: AtomicBool,
}

/// A time that never passes, in milliseconds, and a number that nothing reaches.
pub const FOREVER: i64 = i64::MAX;

/// What is allowed, for how long and how often. What people may change of it, as system settings, is in
/// `settings/rules.rs`; these are then the defaults.
#[derive(Clone, Debug)]
pub struct Rules {
    /// A session that is not used for this long ends, in milliseconds.
    pub idle: i64,
    /// A session ends after this long at the latest, in milliseconds.
    pub longest: i64,
    /// Live sessions an administrator may have; the oldest ends when there is one more.
    pub sessions: i64,
    /// Whether a sign-in beyond that number is refused instead.
    pub block_sessions: bool,
    /// Attempts to sign in that wait for nothing; the primary tenant's are those of every sign-in, so that nobody
    /// can tell a tenant that is not there from one that is.
    pub attempts: i64,
    /// Whether an account is locked after that many failures in a row.
    pub lock_accounts: bool,
    /// Whether everybody needs a second factor.
    pub mfa_required: bool,
    /// Codes that one account may try within a quarter of an hour, right password given.
    pub mfa_guesses: i64,
    /// The shortest new password, in characters.
    pub password_characters: i64,
    /// Whether a new password needs letters and digits.
    pub password_letters_and_numbers: bool,
    /// Whether a new password needs small and capital letters.
    pub password_mixed_case: bool,
    /// Whether a new password needs something besides letters and digits.
    pub password_special: bool,
    /// Whether a new password may be neither the user name nor that name reversed.
    pub password_not_username: bool,
    /// A password that is older must be changed before anything else, in milliseconds; [`FOREVER`] for never.
    pub password_expiry: i64,
    /// Whether people are to be written to before their password expires. Kept; no mail is sent yet.
    pub password_expiry_mail: bool,
    /// Whether the terms and conditions must be accepted at every sign-in.
    pub terms_enforced: bool,
    /// How long events are kept, in milliseconds.
    pub retain_events: i64,
    /// How long a snapshot may be verified from, in milliseconds.
    pub snapshot_valid_for: i64,
    /// Whether wrong passwords slow down further attempts; off only under load tests.
    pub throttle: bool,
    /// Whether the older API's sign-in is offered.
    pub legacy_login: bool,
    /// How long an attempt may wait for its turn.
    pub throttle_patience: Duration,
    /// How long a request's body may take to arrive.
    pub body_deadline: Duration,
    /// How long a search may look at one object after the other.
    pub search_deadline: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            idle: 30 * MINUTE,
            longest: 12 * HOUR,
            sessions: 10,
            block_sessions: false,
            attempts: 5,
            lock_accounts: false,
            mfa_required: false,
            mfa_guesses: 10,
            password_characters: 15,
            password_letters_and_numbers: false,
            password_mixed_case: false,
            password_special: false,
            password_not_username: true,
            password_expiry: FOREVER,
            password_expiry_mail: false,
            terms_enforced: false,
            throttle: true,
            legacy_login: false,
            throttle_patience: Duration::from_secs(2),
            body_deadline: BodyDeadline::default().0,
            search_deadline: Duration::from_secs(3),
            retain_events: 53 * WEEK,
            snapshot_valid_for: HOUR,
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

    /// The rules as they are now in a tenant: its settings, laid over the defaults. Read anew each time, so that a
    /// change takes effect at once on every node.
    pub async fn rules_of(&self, tenant: TenantID) -> Result<Rules> {
        let defaults = self.rules.clone();
        self.database.look_up(move |db| settings::rules_in(db, &defaults, tenant)).await
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
