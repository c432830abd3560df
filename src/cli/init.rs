//! `firstkey init`: everything that a first start makes, and the first key, without a person, a browser
//! or a second step. Run again it changes nothing.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::Failure;
use super::passwords::{self, PasswordSource};
use crate::administrators;
use crate::api_keys::{self, Asked, Bounds, Expiry, KeyPlan, Maker, Provenance, Wanted};
use crate::audit::{self, Actor, Event, EventKind, Target};
use crate::auth::password_lane::PasswordLane;
use crate::bootstrap::{self, FIRST_ADMINISTRATOR, Prepared, mark_initialised, write_new_private};
use crate::clock::{Clock, Timestamp};
use crate::config::{Config, Flags};
use crate::constraints;
use crate::db::Shared;
use crate::id::{AdministratorID, ProfileID, RoleID, TenantID};
use crate::locale::TimeZone;
use crate::name::Username;
use crate::rights::Grant;
use crate::roles::{self, Role};
use crate::secret::{Password, SecretKey};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    flags: Flags,
    /// The first administrator's name.
    #[arg(long, default_value = FIRST_ADMINISTRATOR)]
    username: String,
    #[command(flatten)]
    password: PasswordSource,
    /// Mint the first key too, and write it to this file (0600).
    #[arg(long, value_name = "PATH", requires = "first_key_name", requires = "first_key_role")]
    first_key_file: Option<PathBuf>,
    /// The first key's name.
    #[arg(long, value_name = "NAME", requires = "first_key_file")]
    first_key_name: Option<String>,
    /// The ID of the first key's role: 1 is Full Access, 2 is Auditor.
    #[arg(long, value_name = "ID", requires = "first_key_file")]
    first_key_role: Option<i64>,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = Config::load(&arguments.flags)?;
    let now = Clock::System.now();
    let username = Username::parse("--username", &arguments.username)?;
    let password = arguments.password.read()?;
    let key = FirstKey::of(arguments, now)?;
    let mut prepared = bootstrap::prepare(&config, now)?;
    // what can be refused is refused before anything is made
    if let Some(key) = &key {
        key.find_role(&mut prepared)?;
        key.must_not_write_over(&mut prepared)?;
    }
    let administrator = administrator(&config, &mut prepared, username, &password, now)?;
    mark_initialised(&config, now)?;
    match key {
        Some(key) => key.mint(&mut prepared, administrator, now),
        None => Ok(()),
    }
}

/// The administrator of that name: made, or recognised by the same password.
fn administrator(
    config: &Config,
    prepared: &mut Prepared,
    username: Username,
    password: &Password,
    now: Timestamp,
) -> Result<AdministratorID, Failure> {
    let name = username.as_str().to_owned();
    let (known, others) =
        prepared.locked.change(|db| Ok((administrators::find_by_name(db, &name)?, administrators::any_exists(db)?)))?;
    if let Some(account) = known {
        let peppered = prepared.keyring.peppered(password);
        return match PasswordLane::verify_here(&peppered, &account.password_hash)? {
            true => Ok(account.id),
            false => Err(Failure::Refused(format!(
                "the administrator {} exists with another password; nothing was changed. \
                 `firstkey admin recover` sets a new one",
                account.username
            ))),
        };
    }
    if others {
        return Err(Failure::Refused(
            "there is an administrator of another name already; nothing was changed. \
             `firstkey admin recover --username NAME` makes one more"
                .into(),
        ));
    }
    passwords::check(&mut prepared.locked, username.as_str(), password)?;
    let cost = config.sign_in.bcrypt_cost;
    let id =
        bootstrap::make_administrator(&mut prepared.locked, &prepared.keyring, cost, username, password, None, now)?;
    println!("Made the administrator {name}.");
    Ok(id)
}

/// The first key that was asked for.
struct FirstKey<'a> {
    path: &'a Path,
    name: &'a str,
    role: i64,
    plan: KeyPlan,
}

impl<'a> FirstKey<'a> {
    fn of(arguments: &'a Arguments, now: Timestamp) -> Result<Option<Self>, Failure> {
        let (Some(path), Some(name), Some(role)) =
            (&arguments.first_key_file, &arguments.first_key_name, arguments.first_key_role)
        else {
            return Ok(None);
        };
        let maker = Maker { grant: Grant::everything(), expires: None, bounds: Bounds::default() };
        let wanted = Wanted {
            key_name: Some(name.clone()),
            description: None,
            locale: None,
            role: Some(RoleID::new(role)),
            time_zone: None,
            active: None,
            expiry: Expiry::Unsaid,
            under: Asked::default(),
            constraints: constraints::Wanted::default(),
            kind: None,
        };
        let zone = TimeZone::of_this_machine(std::env::var("TZ").ok().as_deref());
        let plan = KeyPlan::new(wanted, &maker, zone, now)?;
        Ok(Some(Self { path, name, role, plan }))
    }

    fn find_role(&self, prepared: &mut Prepared) -> Result<Role, Failure> {
        let role = prepared.locked.change(|db| roles::find_for(db, TenantID::PRIMARY, RoleID::new(self.role)))?;
        role.ok_or_else(|| Failure::Refused(format!("--first-key-role: there is no such role as {}", self.role)))
    }

    /// A key that is still to be made needs a path where nothing is: no file, no device.
    fn must_not_write_over(&self, prepared: &mut Prepared) -> Result<(), Failure> {
        let is_made = prepared.locked.change(|db| api_keys::find_by_name(db, self.name))?.is_some();
        match self.path.symlink_metadata() {
            Ok(_) if !is_made => Err(Failure::Refused(format!(
                "{} exists already and is not written over; nothing was made",
                self.path.display()
            ))),
            _ => Ok(()),
        }
    }

    /// The key is in the file afterwards, whether it was made now or before.
    fn mint(self, prepared: &mut Prepared, administrator: AdministratorID, now: Timestamp) -> Result<(), Failure> {
        let (path, name) = (self.path, self.name);
        if let Some(id) = prepared.locked.change(|db| api_keys::find_by_name(db, name))? {
            return match path.exists() {
                true => Ok(()),
                false => Err(Failure::Refused(format!(
                    "the API key {name} (ID {id}) exists, {} does not, and a secret is shown only once: \
                     delete the key or choose another name",
                    path.display()
                ))),
            };
        }
        let role = self.find_role(prepared)?;
        let secret = SecretKey::generate()?;
        let digest = secret.digest();
        // The file is written inside the transaction, before its commit: a key nobody holds is of no use, and
        // a file that cannot be written leaves no key behind.
        let key = prepared.locked.change(|db| {
            let made_by = Provenance::on_the_host(administrator);
            let properties = self.plan.clone().alone()?;
            let key =
                api_keys::insert(db, &mut Shared::default(), made_by, ProfileID::DEEP_SECURITY, &properties, now)?;
            api_keys::insert_secret(db, made_by.tenant(), key.id, digest, now)?;
            let event = Event::new(EventKind::ApiKeyCreated, Target::new("apiKey", key.id.get(), name));
            let event = event.with(json!({ "role": role.name, "expiryDate": null }));
            audit::record(db, &Actor::system("firstkey init"), now, &[event])?;
            write_new_private(path, secret.printed(None, key.id).expose().as_bytes())
                .map_err(crate::error::Error::internal)?;
            Ok(key)
        })?;
        println!("Made the API key {name} (ID {}) and wrote it to {}.", key.id, path.display());
        Ok(())
    }
}
