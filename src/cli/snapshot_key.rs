//! `firstkey snapshot-key`: by what a tenant's snapshots are known. It is no secret.

use super::Failure;
use crate::auth;
use crate::bootstrap;
use crate::config::{Config, Flags};
use crate::id::TenantID;
use crate::snapshot::seal::SigningKey;

#[derive(clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    flags: Flags,
    /// The tenant, by its ID [default: the primary one]
    #[arg(long, value_name = "ID", default_value_t = 0, hide_default_value = true)]
    tenant: i64,
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (database, keyring) = bootstrap::look(&Config::load(&arguments.flags)?)?;
    let id = TenantID::new(arguments.tenant);
    let known = database.read_here(|db| auth::tenant_facts(db, id))?;
    let known = known.ok_or_else(|| Failure::Refused(format!("--tenant: there is no tenant {id}")))?;
    println!("{}", SigningKey::from_seed(&keyring.snapshot_seed(known.tenant.guid))?.public());
    Ok(())
}
