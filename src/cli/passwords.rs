//! Passwords for commands: from standard input or a file, never from the command line itself, which
//! every user of the machine can read.

use std::io::Read as _;
use std::path::PathBuf;

use super::Failure;
use crate::administrators::PasswordRules;
use crate::app::Rules;
use crate::bootstrap::read_password;
use crate::db::migrations::Locked;
use crate::id::TenantID;
use crate::secret::Password;
use crate::settings;

/// Where a password comes from.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
pub struct PasswordSource {
    /// Read the password from standard input; one trailing newline is taken off.
    #[arg(long)]
    password_stdin: bool,
    /// Read the password from a file; one trailing newline is taken off.
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl PasswordSource {
    /// Reads the password.
    pub fn read(&self) -> Result<Password, Failure> {
        if let Some(path) = &self.password_file {
            return Ok(read_password(path)?);
        }
        let mut text = String::new();
        let refused = |error: std::io::Error| Failure::Refused(format!("standard input: {error}"));
        std::io::stdin().read_to_string(&mut text).map_err(refused)?;
        if text.ends_with('\n') {
            text.pop();
        }
        Password::new(text).ok_or_else(|| Failure::Refused("the password: 1 to 1,024 bytes are taken".into()))
    }
}

/// Holds a new password to the primary tenant's rules, as its settings have them.
pub fn check(locked: &mut Locked, username: &str, password: &Password) -> Result<(), Failure> {
    let rules = locked.change(|db| settings::rules_in(db, &Rules::default(), TenantID::PRIMARY))?;
    let rules = PasswordRules::of(&rules);
    rules.check(username, password).map_err(|error| Failure::Refused(error.message().to_owned()))
}
