//! `firstkey migrate`: the schema, with a role that may change it.

use super::Failure;
use crate::bootstrap::StartError;
use crate::bootstrap::make_private_folder;
use crate::config::{Config, DatabaseUrl, Flags};
use crate::db::migrations::Locked;

pub fn run(flags: &Flags) -> Result<(), Failure> {
    let config = Config::load(flags)?;
    if let DatabaseUrl::Sqlite(_) = config.database {
        make_private_folder(&config.data)?;
    }
    let mut locked = Locked::acquire(&config.database).map_err(StartError::from)?;
    match locked.migrate().map_err(StartError::from)? {
        0 => println!("The schema is up to date."),
        1 => println!("The schema is up to date: 1 migration ran."),
        count => println!("The schema is up to date: {count} migrations ran."),
    }
    Ok(())
}
