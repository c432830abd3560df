//! The command line.

mod admin;
mod audit;
mod init;
mod migrate;
mod passwords;
mod serve;
mod snapshot_key;
mod verifyd;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::bootstrap::StartError;
use crate::config::Flags;

/// Signs people in and turns them into role-bound API keys.
#[derive(Parser)]
#[command(name = "firstkey", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Flags,
}

#[derive(Subcommand)]
enum Command {
    /// Serve (what happens without a command, too).
    Serve(Flags),
    /// Make the data folder, the first administrator and, if asked, the first key.
    Init(init::Arguments),
    /// Bring the database to this version's schema.
    Migrate(Flags),
    /// Recover access on the host itself.
    Admin(admin::Arguments),
    /// Check the audit trail.
    Audit(audit::Arguments),
    /// Verify API keys from a snapshot, far away from the server that issues them.
    Verifyd(Box<verifyd::Arguments>),
    /// Print what a tenant's snapshots are signed with, for `verifyd`.
    SnapshotKey(snapshot_key::Arguments),
    /// Print the version.
    Version,
}

/// Why a command ended badly.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The program could not start or do its work.
    #[error(transparent)]
    Start(#[from] StartError),
    /// What was asked for does not go with what is there.
    #[error("{0}")]
    Refused(String),
}

impl From<crate::config::ConfigError> for Failure {
    fn from(error: crate::config::ConfigError) -> Self {
        Self::Start(error.into())
    }
}

impl From<crate::error::Error> for Failure {
    fn from(error: crate::error::Error) -> Self {
        Self::Start(error.into())
    }
}

/// Runs the command line; the text of a failure goes to stderr.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    // whatever a command makes, the database's files among it, is this user's alone
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let outcome = match arguments.command {
        None => serve::run(&arguments.serve),
        Some(Command::Serve(flags)) => serve::run(&flags),
        Some(Command::Init(arguments)) => init::run(&arguments),
        Some(Command::Migrate(flags)) => migrate::run(&flags),
        Some(Command::Admin(arguments)) => admin::run(&arguments),
        Some(Command::Audit(arguments)) => audit::run(&arguments),
        Some(Command::Verifyd(arguments)) => verifyd::run(&arguments),
        Some(Command::SnapshotKey(arguments)) => snapshot_key::run(&arguments),
        Some(Command::Version) => {
            println!("firstkey {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("firstkey: {failure}");
            ExitCode::FAILURE
        }
    }
}
