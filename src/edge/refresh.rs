//! Another snapshot as soon as something has changed. Whatever comes that is not better than the one that is there leaves
//! it where it is.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

use super::{Edge, Taken};
use crate::clock::Timestamp;
use crate::outgoing::{Authority, Fetched};
use crate::snapshot::read::Refused;

/// How long is waited at most when the authority does not answer.
const MOST_WAIT: Duration = Duration::from_secs(30);

/// Where the credential for the authority comes from; read anew each time, so that it can be exchanged.
#[derive(Clone, Debug)]
pub enum Credential {
    /// This one.
    Fixed(SecretString),
    /// What the file holds, without the blanks around it.
    In(PathBuf),
}

impl Credential {
    fn read(&self) -> Result<SecretString, String> {
        match self {
            Self::Fixed(key) => Ok(key.clone()),
            Self::In(path) => fs::read_to_string(path)
                .map(|text| text.trim().into())
                .map_err(|error| format!("{}: {error}", path.display())),
        }
    }
}

/// What an edge is refreshed from.
#[derive(Clone, Debug)]
pub struct Source {
    /// The server that issues the keys.
    pub authority: Authority,
    /// What it is asked with.
    pub credential: Credential,
    /// Where the last good snapshot is kept, if it is.
    pub kept: Option<PathBuf>,
}

/// Why nothing came of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// The authority is away, or does not answer as it should.
    #[error("the authority: {0}")]
    Away(String),
    /// What it answers is no snapshot that may be taken.
    #[error("a snapshot was refused: {0}")]
    Refused(#[from] Refused),
}

impl Source {
    /// Asks the authority once. Blocks. Nothing where nothing has changed.
    pub fn refresh(&self, edge: &Edge) -> Result<Option<Taken>, Failed> {
        let key = self.credential.read().map_err(Failed::Away)?;
        let tag = edge.state().map(|state| format!("W/\"{state}\""));
        // whatever happens meanwhile is not in the answer
        let asked = edge.now();
        match self.authority.fetch(&key, tag.as_deref()).map_err(Failed::Away)? {
            Fetched::NotModified => {
                edge.confirm(asked);
                self.keep(|path| note(path, asked));
                Ok(None)
            }
            Fetched::Snapshot(text, _) => {
                let taken = edge.take(&text, asked)?;
                self.keep(|path| keep(path, &text).and_then(|()| note(path, asked)));
                Ok(Some(taken))
            }
        }
    }

    /// Takes the snapshot that was kept, if there is one; the authority is not asked. Its file's date is when it was last
    /// known to be true.
    pub fn recall(&self, edge: &Edge) -> Result<Option<Taken>, Failed> {
        let Some(path) = &self.kept else { return Ok(None) };
        let away = |error: std::io::Error| Failed::Away(format!("{}: {error}", path.display()));
        let text = match fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            read => read.map_err(away)?,
        };
        let about = fs::metadata(path).map_err(away)?;
        if about.permissions().mode() & 0o077 != 0 {
            log::warn!("{}: others may read the digests in it; run `chmod 600` on it", path.display());
        }
        let noted = about.modified().ok().and_then(Timestamp::of_system_time);
        // a date that lies ahead is nobody's word
        let noted = noted.filter(|at| *at <= edge.now()).unwrap_or(Timestamp::from_millis(0));
        Ok(Some(edge.take(&text, noted)?))
    }

    /// A disk that is full is no reason not to verify.
    fn keep(&self, keeping: impl FnOnce(&Path) -> std::io::Result<()>) {
        let Some(path) = &self.kept else { return };
        if let Err(error) = keeping(path) {
            log::warn!(path = path.display().to_string().as_str(), error = error.to_string().as_str(); "the snapshot could not be kept");
        }
    }
}

/// Whole or not at all.
fn keep(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

fn note(path: &Path, at: Timestamp) -> std::io::Result<()> {
    File::options().write(true).open(path)?.set_modified(at.system_time())
}

/// Asks again and again, until the process ends; less often while nobody answers.
pub async fn go_on(edge: Edge, source: Source, every: Duration) {
    let mut failures = 0_u32;
    loop {
        let (asked, from) = (edge.clone(), source.clone());
        match tokio::task::spawn_blocking(move || from.refresh(&asked)).await {
            Ok(Ok(taken)) => {
                if failures > 0 {
                    log::info!("the authority answers again");
                }
                failures = 0;
                if let Some(taken) = taken {
                    tell(&taken);
                }
            }
            Ok(Err(failed)) => {
                failures = failures.saturating_add(1);
                log::warn!(cause = failed.to_string().as_str(); "the snapshot could not be refreshed");
            }
            Err(stopped) => log::error!(cause = stopped.to_string().as_str(); "the snapshot could not be refreshed"),
        }
        let wait = every.saturating_mul(1 << failures.min(5));
        tokio::time::sleep(wait.min(MOST_WAIT.max(every))).await;
    }
}

/// Says what is verified from.
pub fn tell(taken: &Taken) {
    log::info!(made = taken.made.to_string().as_str(), keys = taken.keys, revoked = taken.revoked; "a snapshot was taken");
}
