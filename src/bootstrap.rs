//! From configuration to a running [`App`]: the data folder, the schema, the master key, the first
//! administrator. Everything here runs under one lock, so that of several programs started at once on
//! one database exactly one makes what is missing.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use diesel::prelude::*;
use serde_json::json;

use crate::administrators::{self, NewAdministrator, PasswordRules};
use crate::app::{App, Parts, Rules};
use crate::audit::{self, Actor, Event, EventKind, Target};
use crate::auth::key_usage::KeyUsage;
use crate::auth::known_keys::KnownKeys;
use crate::auth::password_lane::{Layout, PasswordLane};
use crate::auth::rate_limit::RateLimits;
use crate::auth::replaced_secrets::ReplacedSecrets;
use crate::clock::{Clock, DAY, Timestamp};
use crate::config::{Config, ConfigError};
use crate::db::migrations::{Locked, MigrationError};
use crate::db::schema::installation;
use crate::db::{Connections, Database, Db, OpenError};
use crate::error::{Error, Result};
use crate::forwarded::TrustedProxies;
use crate::id::{AdministratorID, RoleID, TenantID};
use crate::in_flight::InFlight;
use crate::keyring::{Keyring, KeyringError, MasterKey};
use crate::lease::Lease;
use crate::locale::TimeZone;
use crate::name::{EmailAddress, Username};
use crate::outgoing::{Client, Fence, Mailer};
use crate::reach::PublicUrl;
use crate::roles;
use crate::secret::{Password, random_guid};
use crate::snapshot::Turns;
use crate::tenants;
use crate::usage::CallLog;

/// The first administrator's name where none is given, as Deep Security's installer has it.
pub const FIRST_ADMINISTRATOR: &str = "MasterAdmin";
/// How long the first start's password works, in milliseconds.
const INITIAL_PASSWORD_FOR: i64 = DAY;
/// The least cost of bcrypt outside tests.
const LEAST_COST: u32 = 10;
/// The row by which a database recognises its master key.
const CANARY: &str = "canary";

/// Why the program could not start; each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file or a folder could not be made or read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database could not be opened.
    #[error(transparent)]
    Database(#[from] OpenError),
    /// Its schema could not be brought up to date.
    #[error(transparent)]
    Migration(#[from] MigrationError),
    /// The master key could not be used.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// The database was set up with another master key.
    #[error(
        "the database was set up with another master key than {0}: put that key there (all nodes share one), \
         or run `firstkey admin recover --new-master-key` if it is lost"
    )]
    ForeignMasterKey(PathBuf),
    /// The database was set up with a master key that is not here.
    #[error(
        "the database was set up before, and its master key is not at {0}: put it there (all nodes share one), \
         or run `firstkey admin recover --new-master-key` if it is lost"
    )]
    NoMasterKey(PathBuf),
    /// The password in the file is refused.
    #[error("the first administrator's password: {0}")]
    Password(Error),
    /// The threads of the password lane could not be started.
    #[error("the password threads cannot be started: {0}")]
    Threads(std::io::Error),
    /// Something was refused on the way.
    #[error("{}", with_cause(.0))]
    Refused(#[from] Error),
}

/// On the host the cause may be told.
fn with_cause(error: &Error) -> String {
    match error.cause() {
        Some(cause) => format!("{error} ({cause})"),
        None => error.to_string(),
    }
}

fn file_error(path: &Path) -> impl FnOnce(std::io::Error) -> StartError + '_ {
    move |source| StartError::File { path: path.to_owned(), source }
}

/// A database that is ready, still under the lock of the first start.
pub struct Prepared {
    /// The lock and its connection.
    pub locked: Locked,
    /// The keys.
    pub keyring: Keyring,
    /// How many migrations ran.
    pub migrations: usize,
}

/// Makes the data folder, takes the lock, migrates, and finds or makes the master key.
pub fn prepare(config: &Config, now: Timestamp) -> Result<Prepared, StartError> {
    make_private_folder(&config.data)?;
    let mut locked = Locked::acquire(&config.database)?;
    let migrations = locked.migrate()?;
    let stored = locked.change(canary)?;
    let master = match (MasterKey::load(&config.master_key_file)?, &stored) {
        (Some(key), _) => key,
        (None, None) => MasterKey::create(&config.master_key_file)?,
        (None, Some(_)) => return Err(StartError::NoMasterKey(config.master_key_file.clone())),
    };
    let keyring = Keyring::derive(&master);
    match stored {
        Some(stored) if stored != keyring.canary() => {
            return Err(StartError::ForeignMasterKey(config.master_key_file.clone()));
        }
        Some(_) => {}
        None => set_up(&mut locked, &keyring, now)?,
    }
    locked.change(roles::put_built_in)?;
    Ok(Prepared { locked, keyring, migrations })
}

/// An installation as it is, for commands that only look: nothing is made, migrated or changed.
pub fn look(config: &Config) -> Result<(Database, Keyring), StartError> {
    if let crate::config::DatabaseUrl::Sqlite(path) = &config.database
        && !path.exists()
    {
        return Err(file_error(path)(std::io::ErrorKind::NotFound.into()));
    }
    let database = Database::open(&config.database, &Connections { pool: 2, writers: 1, replica: None })?;
    let master = MasterKey::load(&config.master_key_file)?;
    let stored = database.read_here(canary)?;
    let master = master.ok_or_else(|| StartError::NoMasterKey(config.master_key_file.clone()))?;
    let keyring = Keyring::derive(&master);
    match stored == Some(keyring.canary()) {
        true => Ok((database, keyring)),
        false => Err(StartError::ForeignMasterKey(config.master_key_file.clone())),
    }
}

/// What every database holds before the first administrator: the canary, the primary tenant, the roles.
fn set_up(locked: &mut Locked, keyring: &Keyring, now: Timestamp) -> Result<(), StartError> {
    let guid = random_guid()?;
    let canary = keyring.canary();
    Ok(locked.change(move |db| {
        put_canary(db, canary)?;
        tenants::insert_primary(db, guid, now)?;
        roles::put_built_in(db)?;
        audit::record(db, &Actor::system("first start"), now, &[Event::new(EventKind::Initialised, Target::default())])
    })?)
}

fn canary(db: &mut Db) -> Result<Option<Vec<u8>>> {
    Ok(installation::table.find(CANARY).select(installation::value).get_result(db).optional()?)
}

/// Stores what the master key is recognised by.
pub fn put_canary(db: &mut Db, canary: Vec<u8>) -> Result<()> {
    diesel::delete(installation::table.find(CANARY)).execute(db)?;
    diesel::insert_into(installation::table)
        .values((installation::name.eq(CANARY), installation::value.eq(canary)))
        .execute(db)?;
    Ok(())
}

/// What a first start has made.
#[derive(Debug, PartialEq, Eq)]
pub enum FirstAdministrator {
    /// There was one already, or the folder remembers that there has been one.
    Known,
    /// Made with the operator's password.
    Made,
    /// Made with a random password, which is in this file for a day.
    MadeWithPasswordIn(PathBuf),
}

/// Starts everything that serves: the app, and what the first start has made.
pub fn start(config: &Config, clock: Clock, rules: Rules) -> Result<(App, FirstAdministrator), StartError> {
    let cost = config.sign_in.bcrypt_cost;
    assert!(cost >= LEAST_COST || clock.is_held(), "passwords are hashed cheaply under a test's clock only");
    let Prepared { mut locked, keyring, .. } = prepare(config, clock.now())?;
    let first = first_administrator(config, &mut locked, &keyring, &rules, clock.now())?;
    drop(locked);
    let lane = PasswordLane::start(Layout {
        cost,
        threads: config.sign_in.password_threads,
        nice: config.sign_in.password_nice,
    });
    let (mailer, webhooks) = outgoing(config)?;
    let connections = Connections {
        pool: config.database_connections,
        writers: config.database_writers,
        replica: config.database_replica.as_ref(),
    };
    let database = Database::open(&config.database, &connections)?;
    let key_usage = KeyUsage::new(config.keys_remembered);
    let app = App::new(Parts {
        known_keys: KnownKeys::new(key_usage.clone(), database.freshness().clone()),
        database,
        keyring,
        lane: lane.map_err(StartError::Threads)?,
        key_usage,
        replaced_secrets: ReplacedSecrets::default(),
        rate_limits: RateLimits::new(config.rate_limit),
        calls: CallLog::new(config.api_usage),
        clock,
        lease: Lease::new()?,
        rules,
        mailer,
        webhooks,
        trusted_proxies: TrustedProxies::new(&config.trusted_proxies),
        in_flight: InFlight::default(),
        urls: PublicUrl::new(config.public_url.as_deref()),
        time_zone: TimeZone::of_this_machine(std::env::var("TZ").ok().as_deref()),
        initial_password_file: initial_password_file(config),
        snapshots: Turns::default(),
        draining: AtomicBool::new(false),
    });
    Ok((app, first))
}

/// What sends mail and calls webhooks.
fn outgoing(config: &Config) -> Result<(Option<Mailer>, Client), StartError> {
    let path = config.outgoing_ca_file.as_deref();
    let authorities = path.map(|path| std::fs::read(path).map_err(file_error(path))).transpose()?;
    let wrong = |name: &'static str| move |problem: String| StartError::Config(config.error(name, problem));
    let fence = Fence { networks: config.webhooks.allow_networks.clone(), http: config.webhooks.allow_http };
    let webhooks = Client::new(fence, authorities.as_deref()).map_err(wrong("outgoing.ca_file"))?;
    let mailer = config.mail.as_ref().map(|mail| Mailer::new(mail, authorities.as_deref()));
    Ok((mailer.transpose().map_err(wrong("mail.url"))?, webhooks))
}

/// Where the first start's password is kept, until it is changed.
pub fn initial_password_file(config: &Config) -> PathBuf {
    config.data.join("initial-admin-password")
}

/// Remembers, beside the master key and outside the database, that there has been an administrator: an
/// emptied database does not open the first start again.
fn initialised_mark(config: &Config) -> PathBuf {
    config.data.join("initialised")
}

fn first_administrator(
    config: &Config,
    locked: &mut Locked,
    keyring: &Keyring,
    rules: &Rules,
    now: Timestamp,
) -> Result<FirstAdministrator, StartError> {
    let mark = initialised_mark(config);
    if locked.change(administrators::any_exists)? {
        leave_mark(&mark, now)?;
        return Ok(FirstAdministrator::Known);
    }
    if mark.exists() {
        log::warn!(
            "there is no administrator any more, and none is made twice: run `firstkey admin recover` on this host"
        );
        return Ok(FirstAdministrator::Known);
    }
    let (password, until, made) = match &config.admin_password_file {
        Some(path) => {
            let password = read_password(path)?;
            let strength = PasswordRules::of(rules);
            strength.check(FIRST_ADMINISTRATOR, &password).map_err(StartError::Password)?;
            (password, None, FirstAdministrator::Made)
        }
        None => {
            let password = Password::generate()?;
            let path = initial_password_file(config);
            // before the administrator: were it the other way round, a crash in between would lock everybody out
            write_private(&path, password.expose().as_bytes())?;
            (password, Some(now.plus(INITIAL_PASSWORD_FOR)), FirstAdministrator::MadeWithPasswordIn(path))
        }
    };
    let username = Username::parse("userName", FIRST_ADMINISTRATOR)?;
    make_administrator(locked, keyring, config.sign_in.bcrypt_cost, username, &password, until, now)?;
    leave_mark(&mark, now)?;
    Ok(made)
}

/// Makes an administrator of the primary tenant with every right.
pub fn make_administrator(
    locked: &mut Locked,
    keyring: &Keyring,
    cost: u32,
    username: Username,
    password: &Password,
    initial_password_until: Option<Timestamp>,
    now: Timestamp,
) -> Result<AdministratorID, StartError> {
    let new = NewAdministrator {
        tenant: TenantID::PRIMARY,
        password_hash: PasswordLane::hash_here(&keyring.peppered(password), cost)?,
        initial_password_until,
        role: RoleID::FULL_ACCESS,
        time_zone: TimeZone::of_this_machine(std::env::var("TZ").ok().as_deref()).as_str(),
        username,
        email_address: EmailAddress::none(),
    };
    Ok(locked.change(move |db| {
        let id = administrators::insert(db, &new, now)?;
        let target = Target::new("administrator", id.get(), new.username.as_str());
        let details = json!({ "role": "Full Access", "initialPassword": initial_password_until.is_some() });
        let event = Event::new(EventKind::AdministratorCreated, target).with(details);
        audit::record(db, &Actor::system("first start"), now, &[event])?;
        Ok(id)
    })?)
}

/// Writes down that there is an administrator.
pub fn mark_initialised(config: &Config, now: Timestamp) -> Result<(), StartError> {
    leave_mark(&initialised_mark(config), now)
}

fn leave_mark(mark: &Path, now: Timestamp) -> Result<(), StartError> {
    if mark.exists() {
        return Ok(());
    }
    write_private(mark, format!("There has been an administrator since {now}.\n").as_bytes())
}

/// A folder of one's own: 0700, made with everything above it.
pub fn make_private_folder(path: &Path) -> Result<(), StartError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(file_error(path))
}

/// A file of one's own: 0600, on disk before this returns, in place of a file that was there.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), StartError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(file_error(path)(error)),
        _ => write_new_private(path, bytes),
    }
}

/// [`write_private`] where nothing may be there yet: neither a file nor a device is written over.
pub fn write_new_private(path: &Path, bytes: &[u8]) -> Result<(), StartError> {
    let written = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    written().map_err(file_error(path))
}

/// A password from a file, without one trailing newline.
pub fn read_password(path: &Path) -> Result<Password, StartError> {
    let mut text = std::fs::read_to_string(path).map_err(file_error(path))?;
    if text.ends_with('\n') {
        text.pop();
    }
    let refused = || Error::new(crate::error::Reason::WeakPassword, "1 to 1,024 bytes are taken.");
    Password::new(text).ok_or_else(|| StartError::Password(refused()))
}
