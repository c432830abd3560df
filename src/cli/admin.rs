//! `firstkey admin …`: the way back in, for whoever holds the host. Needs only the data folder or the
//! database's URL, and works beside a running server.

use serde_json::json;

use super::Failure;
use super::passwords::{self, PasswordSource};
use crate::administrators::{self, Account};
use crate::api_keys;
use crate::app;
use crate::audit::{self, Actor, Event, EventKind, Target};
use crate::auth::password_lane::PasswordLane;
use crate::auth::throttle;
use crate::bootstrap::{self, FIRST_ADMINISTRATOR, Prepared, StartError, mark_initialised};
use crate::clock::{Clock, Timestamp};
use crate::config::{Config, DatabaseUrl, Flags};
use crate::db::migrations::Locked;
use crate::keyring::{Keyring, MasterKey};
use crate::name::Username;
use crate::secret::Password;
use crate::sessions;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Set an administrator's password, take off lock and MFA, end the sessions; make the administrator if there is none.
    Recover {
        #[command(flatten)]
        flags: Flags,
        /// Whose.
        #[arg(long, default_value = FIRST_ADMINISTRATOR)]
        username: String,
        #[command(flatten)]
        password: PasswordSource,
        /// The master key is lost: make a new one. API keys go on working; every password and MFA seed is reset.
        #[arg(long)]
        new_master_key: bool,
    },
    /// Take a lock and all delays off an administrator.
    Unlock {
        #[command(flatten)]
        flags: Flags,
        /// Whose.
        #[arg(long)]
        username: String,
    },
    /// Take the second factor off an administrator.
    ResetTotp {
        #[command(flatten)]
        flags: Flags,
        /// Whose.
        #[arg(long)]
        username: String,
    },
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let now = Clock::System.now();
    match &arguments.command {
        Command::Recover { flags, username, password, new_master_key } => {
            let config = installation(flags)?;
            let username = Username::parse("--username", username)?;
            let password = password.read()?;
            if *new_master_key {
                replace_master_key(&config, &username, &password, now)?;
            }
            recover(&config, username, &password, now)
        }
        Command::Unlock { flags, username } => unlock(&installation(flags)?, username, now),
        Command::ResetTotp { flags, username } => reset_totp(&installation(flags)?, username, now),
    }
}

/// The configuration of an installation that is there: a misspelt folder must not become a new one.
fn installation(flags: &Flags) -> Result<Config, Failure> {
    let config = Config::load(flags)?;
    match &config.database {
        DatabaseUrl::Sqlite(path) if !path.exists() => {
            Err(Failure::Refused(format!("there is no installation: {} does not exist", path.display())))
        }
        _ => Ok(config),
    }
}

fn actor() -> Actor {
    Actor::system("firstkey admin")
}

fn target(account: &Account) -> Target {
    Target::new("administrator", account.id.get(), account.username.clone())
}

fn find(locked: &mut Locked, username: &str) -> Result<Account, Failure> {
    let account = locked.change(|db| administrators::find_by_name(db, username))?;
    account.ok_or_else(|| Failure::Refused(format!("there is no administrator {username}")))
}

fn recover(config: &Config, username: Username, password: &Password, now: Timestamp) -> Result<(), Failure> {
    let Prepared { mut locked, keyring, .. } = bootstrap::prepare(config, now)?;
    passwords::check(&mut locked, username.as_str(), password)?;
    let known = locked.change(|db| administrators::find_by_name(db, username.as_str()))?;
    let Some(account) = known else {
        let cost = config.sign_in.bcrypt_cost;
        let name = username.as_str().to_owned();
        bootstrap::make_administrator(&mut locked, &keyring, cost, username, password, None, now)?;
        mark_initialised(config, now)?;
        println!("Made the administrator {name}, with full access.");
        return Ok(());
    };
    let hash = PasswordLane::hash_here(&keyring.peppered(password), config.sign_in.bcrypt_cost)?;
    let (name, was_initial) = (account.username.clone(), account.initial_password_until.is_some());
    locked.change(move |db| {
        administrators::set_password(db, &account, &hash, now)?;
        api_keys::initial_password_changed(db, account.id)?;
        let account = Account { credential_version: account.credential_version + 1, ..account };
        administrators::remove_totp(db, &account)?;
        administrators::unlock(db, &account)?;
        throttle::forget_all(db)?;
        sessions::end_all_of(db, account.id, now)?;
        let event = Event::new(EventKind::PasswordSet, target(&account));
        audit::record(db, &actor(), now, &[event.with(json!({ "mfa": "removed", "sessions": "ended" }))])
    })?;
    if was_initial {
        app::remove_initial_password(&bootstrap::initial_password_file(config));
    }
    println!("{name} may sign in with the new password. MFA and locks are off, sessions are ended.");
    Ok(())
}

fn unlock(config: &Config, username: &str, now: Timestamp) -> Result<(), Failure> {
    let Prepared { mut locked, .. } = bootstrap::prepare(config, now)?;
    let account = find(&mut locked, username)?;
    let name = account.username.clone();
    locked.change(move |db| {
        administrators::unlock(db, &account)?;
        throttle::forget_all(db)?;
        audit::record(db, &actor(), now, &[Event::new(EventKind::AdministratorUnlocked, target(&account))])
    })?;
    println!("{name} may sign in again.");
    Ok(())
}

fn reset_totp(config: &Config, username: &str, now: Timestamp) -> Result<(), Failure> {
    let Prepared { mut locked, .. } = bootstrap::prepare(config, now)?;
    let account = find(&mut locked, username)?;
    let name = account.username.clone();
    locked.change(move |db| {
        administrators::remove_totp(db, &account)?;
        sessions::end_all_of(db, account.id, now)?;
        let event = Event::new(EventKind::AdministratorUpdated, target(&account));
        audit::record(db, &actor(), now, &[event.with(json!({ "changed": "mfaType: local-totp → none" }))])
    })?;
    println!("{name} signs in with the password alone.");
    Ok(())
}

/// Makes a master key where the old one is lost, and resets what only the old one could check. A key
/// that still fits the database is not thrown away, and nothing is done for a password that will be refused.
fn replace_master_key(
    config: &Config,
    username: &Username,
    password: &Password,
    now: Timestamp,
) -> Result<(), Failure> {
    match bootstrap::prepare(config, now) {
        Ok(_) => {
            return Err(Failure::Refused("the master key is there and fits the database; nothing was changed".into()));
        }
        Err(StartError::ForeignMasterKey(_) | StartError::NoMasterKey(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let mut locked = Locked::acquire(&config.database).map_err(StartError::from)?;
    passwords::check(&mut locked, username.as_str(), password)?;
    let path = &config.master_key_file;
    if path.exists() {
        let aside = path.with_extension(format!("replaced-{}", now.millis()));
        std::fs::rename(path, &aside).map_err(|source| StartError::File { path: aside, source })?;
    }
    let keyring = Keyring::derive(&MasterKey::create(path).map_err(StartError::from)?);
    let reset = locked.change(move |db| {
        bootstrap::put_canary(db, keyring.canary())?;
        let reset = administrators::reset_everything(db, now)?;
        throttle::forget_all(db)?;
        audit::record(db, &actor(), now, &[Event::new(EventKind::MasterKeyReplaced, Target::default())])?;
        audit::begin_epoch(db, keyring.audit_key(), now)?;
        Ok(reset)
    })?;
    println!("Made a new master key. API keys go on working; {reset} administrators need a new password.");
    Ok(())
}
