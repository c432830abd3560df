//! From a snapshot's text to what verification asks. The signature first; then every line, and none may be strange.

use std::collections::HashMap;
use std::sync::Arc;

use super::lines::{Count, Head, Line, VERSION};
use super::seal::{self, PublicKey};
use crate::auth::known_keys::{Found, KnownKey, SharedKey, Standing};
use crate::auth::{RevokedFacts, Tenant};
use crate::clock::Timestamp;
use crate::id::ApiKeyID;
use crate::secret::SecretDigest;

/// Why a text is not taken for a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Its signature is missing, another key's, or of another text.
    #[error("it is not signed with the pinned key, was cut short or was altered")]
    NotSigned,
    /// It is of a version that this program cannot read.
    #[error("it is of version {0}, and this program reads version {VERSION}")]
    Version(u32),
    /// A line cannot be read, though it is signed.
    #[error("line {0} cannot be read: {1}")]
    Malformed(usize, String),
    /// Its time is over.
    #[error("it was not to be used after {0}")]
    Over(Timestamp),
    /// It is older than the one that is there.
    #[error("it was made at {0}, and the one that is there later, at {1}")]
    Older(Timestamp, Timestamp),
}

/// A tenant's keys, as they were at one moment.
pub struct Snapshot {
    /// What it says of itself.
    pub head: Head,
    keys: HashMap<ApiKeyID, SharedKey>,
    revoked: HashMap<ApiKeyID, Box<[SecretDigest]>>,
}

impl Snapshot {
    /// Reads a text that is signed with this key.
    pub fn read(text: &[u8], key: &PublicKey) -> Result<Self, Refused> {
        let body = seal::open(text, key).ok_or(Refused::NotSigned)?;
        let mut reader = Reader::default();
        for (number, line) in body.split_inclusive(|byte| *byte == b'\n').enumerate() {
            reader.take(line).map_err(|fault| match fault {
                Fault::Version(version) => Refused::Version(version),
                Fault::Line(what) => Refused::Malformed(number + 1, what),
            })?;
        }
        reader.snapshot().ok_or_else(|| Refused::Malformed(0, "lines are missing".to_owned()))
    }

    /// Whose keys they are.
    pub fn tenant(&self) -> Tenant {
        self.head.tenant.tenant()
    }

    /// How many keys there are, and how many that were revoked.
    pub fn count(&self) -> (usize, usize) {
        (self.keys.len(), self.revoked.len())
    }

    /// What an ID stands for.
    pub fn find(&self, id: ApiKeyID) -> Found {
        if let Some(key) = self.keys.get(&id) {
            return Found::Key(key.clone());
        }
        let Some(digests) = self.revoked.get(&id) else { return Found::Nobody };
        Found::Revoked(Box::new(RevokedFacts {
            id,
            name: String::new(),
            tenant: self.tenant(),
            reason: String::new(),
            revoked: self.head.made,
            last_presented: None,
            digests: digests.to_vec(),
        }))
    }
}

enum Fault {
    Version(u32),
    Line(String),
}

impl From<&str> for Fault {
    fn from(what: &str) -> Self {
        Self::Line(what.to_owned())
    }
}

/// What has been read so far.
#[derive(Default)]
struct Reader {
    head: Option<Head>,
    standings: Vec<Arc<Standing>>,
    keys: HashMap<ApiKeyID, SharedKey>,
    revoked: HashMap<ApiKeyID, Box<[SecretDigest]>>,
    ended: bool,
}

impl Reader {
    fn take(&mut self, line: &[u8]) -> Result<(), Fault> {
        if self.ended {
            return Err("nothing may stand behind the end".into());
        }
        let Some(head) = &self.head else {
            self.head = Some(first(line)?);
            return Ok(());
        };
        // a key's name may be in an error's text, which goes into the log: the place will do
        let read = serde_json::from_slice(line);
        let read =
            read.map_err(|error| Fault::Line(format!("it is no line of a snapshot (column {})", error.column())))?;
        match read {
            Line::Snapshot(_) => return Err("there is a second head".into()),
            Line::Standing(standing) => {
                if usize::try_from(standing.number) != Ok(self.standings.len()) {
                    return Err("standings are numbered one by one".into());
                }
                self.standings.push(Arc::new(standing.standing(&head.tenant)?));
            }
            Line::Key(key) => {
                let standing = usize::try_from(key.standing()).ok().and_then(|number| self.standings.get(number));
                let standing = standing.ok_or("a key's standing comes before it")?.clone();
                let (id, facts) = key.facts(&standing)?;
                let key = KnownKey::settled(id, facts, standing).map_err(|_| "a number is too large")?;
                let key = SharedKey::new(key);
                if self.revoked.contains_key(&id) || self.keys.insert(id, key).is_some() {
                    return Err("an ID stands there twice".into());
                }
            }
            Line::Revoked(revoked) => {
                let (id, digests) = revoked.digests()?;
                if self.keys.contains_key(&id) || self.revoked.insert(id, digests).is_some() {
                    return Err("an ID stands there twice".into());
                }
            }
            Line::End(count) => {
                let many = |many: usize| u64::try_from(many).unwrap_or(u64::MAX);
                let (standings, keys) = (many(self.standings.len()), many(self.keys.len()));
                if count != (Count { standings, keys, revoked: many(self.revoked.len()) }) {
                    return Err("the lines are not as many as there were".into());
                }
                self.ended = true;
            }
        }
        Ok(())
    }

    fn snapshot(self) -> Option<Snapshot> {
        let Self { head, keys, revoked, ended, .. } = self;
        head.filter(|_| ended).map(|head| Snapshot { head, keys, revoked })
    }
}

/// The version is looked at before anything else: of another one nothing else is known.
fn first(line: &[u8]) -> Result<Head, Fault> {
    #[derive(serde::Deserialize)]
    struct Versioned {
        snapshot: Version,
    }
    #[derive(serde::Deserialize)]
    struct Version {
        version: u32,
    }
    let read: Result<Versioned, _> = serde_json::from_slice(line);
    match read.map(|line| line.snapshot.version) {
        Ok(VERSION) => {}
        Ok(version) => return Err(Fault::Version(version)),
        Err(_) => return Err("it is no snapshot".into()),
    }
    match serde_json::from_slice(line) {
        Ok(Line::Snapshot(head)) => Ok(head),
        _ => Err("the head cannot be read".into()),
    }
}
