//! `firstkey audit …`: the chain of audit events, looked at beside a running server. Nothing is changed.

use std::path::PathBuf;

use super::Failure;
use crate::audit::{self, verify::NotedHead};
use crate::bootstrap::{self, StartError};
use crate::clock::Timestamp;
use crate::config::{Config, Flags};
use crate::keyring::{AuditKey, Keyring, MasterKey};

#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Check that no event was changed, removed or slipped in since it was sealed.
    Verify {
        #[command(flatten)]
        flags: Flags,
        /// A head that was noted earlier, as `audit head` prints it: fails if the chain no longer holds it.
        #[arg(long, value_name = "POSITION:HEX")]
        head: Option<String>,
        /// A master key that was replaced, for what was sealed with it. May be given several times; of several that
        /// were replaced, give those that came after it too.
        #[arg(long, value_name = "PATH")]
        old_master_key: Vec<PathBuf>,
    },
    /// Print where the chain ends.
    Head {
        #[command(flatten)]
        flags: Flags,
    },
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.command {
        Command::Verify { flags, head, old_master_key } => {
            let noted = head.as_deref().map(|text| {
                NotedHead::parse(text).ok_or_else(|| {
                    Failure::Refused("--head: POSITION:HEX as `audit head` prints it, or the HEX alone".into())
                })
            });
            verify(flags, noted.transpose()?.as_ref(), old_master_key)
        }
        Command::Head { flags } => head(flags),
    }
}

fn verify(flags: &Flags, noted: Option<&NotedHead>, old: &[PathBuf]) -> Result<(), Failure> {
    let (database, keyring) = bootstrap::look(&Config::load(flags)?)?;
    let mut keys: Vec<AuditKey> = vec![keyring.audit_key().clone()];
    for path in old {
        let master = MasterKey::load(path).map_err(StartError::from)?;
        let master =
            master.ok_or_else(|| Failure::Refused(format!("--old-master-key: {} does not exist", path.display())))?;
        let key = Keyring::derive(&master).audit_key().clone();
        if !keys.iter().any(|known| known.id() == key.id()) {
            keys.push(key);
        }
    }
    let report = audit::verify::verify(&database, &keys, noted)?
        .map_err(|fault| Failure::Refused(format!("the audit trail was tampered with: {fault}")))?;
    println!("{} events are as they were sealed.", report.checked);
    if let Some(unchecked) = report.unchecked {
        let last = unchecked.first + unchecked.events - 1;
        println!(
            "NOT CHECKED: segments {} to {}, which are {} events at positions {} to {last}. They are said to be sealed \
             with an earlier master key, and without it (--old-master-key) nobody can tell whether they are genuine.",
            unchecked.first_segment, unchecked.last_segment, unchecked.events, unchecked.first
        );
    }
    if let Some(cut) = report.cut {
        let at = Timestamp::from_millis(cut.cut_at);
        println!("Events up to position {} were removed by retention, the last of them at {at}.", cut.position);
        if report.cut_is_unchecked {
            println!(
                "NOT CHECKED: the record of that. It is said to be made with an earlier master key, and without it \
                 (--old-master-key) nobody can tell whether retention removed them."
            );
        }
    }
    if report.unsealed > 0 {
        println!("{} events are not sealed yet; the server does that within a second while it runs.", report.unsealed);
    }
    if report.noted_head_is_gone {
        println!("The noted head lies in what retention has removed, and cannot be looked for any more.");
    }
    if let Some(head) = report.head {
        println!("The chain ends in {}:{}.", head.last, data_encoding::HEXLOWER.encode(&head.head));
    }
    Ok(())
}

fn head(flags: &Flags) -> Result<(), Failure> {
    let (database, _) = bootstrap::look(&Config::load(flags)?)?;
    match database.read_here(audit::head)? {
        Some(head) => println!("{}:{}", head.last, data_encoding::HEXLOWER.encode(&head.head)),
        None => return Err(Failure::Refused("nothing is sealed yet".into())),
    }
    Ok(())
}
