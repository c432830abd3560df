//! When a key and each of its secrets was last used, and how often it was presented with a wrong one: noted in memory
//! at each call (`key_notes.rs`), written behind once a second. What is read in between has the notes
//! laid over it, so that it is true without a write per request.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use diesel::prelude::*;

use super::key_notes::{Note, Notes, Rows, SecretNote, tag};
use super::known_keys::{KeyCache, SharedKey};
use super::lookup::KeyFacts;
use crate::clock::Timestamp;
use crate::db::schema::{api_key_secrets, api_keys};
use crate::db::{Database, Db, inner};
use crate::error::{Error, Result};
use crate::id::ApiKeyID;

/// Rows written in one transaction.
const CHUNK: usize = 500;
/// Keys that are gathered while the lock is held once, for whoever waits for it.
const AT_ONCE: usize = 64;
/// Keys that are gathered before their rows are written, when all are.
const IN_TURN: usize = 2_000;

/// The notes of this node, and the keys that it remembers: these count most of their uses by themselves. Cheap to clone.
#[derive(Clone)]
pub struct KeyUsage(Arc<Inner>);

struct Inner {
    /// Only filled under the lock of the notes.
    cache: KeyCache,
    notes: Mutex<Notes>,
    /// Whoever writes down; whether the last one could.
    writing: tokio::sync::Mutex<Wrote>,
}

/// Whether notes could be written down the last time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wrote {
    Well,
    Not,
}

/// What is known of a secret's use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretUse {
    /// The last success.
    pub last_used: Option<Timestamp>,
    /// Where it came from.
    pub last_address: Option<String>,
    /// Successes so far.
    pub uses: i64,
}

/// How long a search waits for notes to be written down.
const PATIENCE: Duration = Duration::from_secs(2);

impl KeyUsage {
    /// Remembers so many keys at most.
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Inner {
            cache: KeyCache::new(most),
            notes: Mutex::default(),
            writing: tokio::sync::Mutex::new(Wrote::Well),
        }))
    }

    /// A key that is remembered.
    pub(super) fn remembered(&self, key: ApiKeyID) -> Option<SharedKey> {
        self.0.cache.get(key)
    }

    /// Remembers a key, in place of what was known of it before.
    pub(super) fn remember(&self, key: SharedKey) {
        self.notes().remember(&self.0.cache, key);
    }

    /// The key was used with success, by a secret of this row, from that address.
    pub fn succeeded(&self, key: ApiKeyID, secret: i64, address: IpAddr, now: Timestamp) {
        self.notes().succeeded(&self.0.cache, key, secret, SecretNote { last_used: now, address, uses: 1 });
    }

    /// The same for a key that was found in memory, which mostly counts by itself: no lock is taken unless it is the
    /// first use since the notes were written, or the first from another address, or the 256th, or by an older secret.
    pub fn used(&self, key: &SharedKey, secret: i64, address: IpAddr, now: Timestamp) {
        if !(key.counts(secret) && key.tally.one_more(tag(address), now)) {
            self.notes().used(&self.0.cache, key, secret, address, now);
        }
    }

    /// A wrong secret was presented for the key. It never locks it: IDs are sequential, and anybody could.
    pub fn failed(&self, key: ApiKeyID) {
        self.notes().failed(&self.0.cache, key);
    }

    /// Forgets what is noted of a key: its counter was just set in the database.
    pub fn forget_failures(&self, key: ApiKeyID) {
        self.notes().forget_failures(key);
    }

    /// When this node last saw a secret of a key used, as far as that is not written down yet.
    pub fn last_use(&self, key: ApiKeyID, secret: i64) -> Option<Timestamp> {
        self.notes().of_secret(&self.0.cache, key, secret).map(|note| note.last_used)
    }

    /// Puts what this node has seen of secrets that may end by not being used into what is stored of them.
    pub fn lay_over(&self, facts: &mut KeyFacts) {
        let key = facts.bounds.id;
        for secret in facts.secrets.iter_mut().filter(|secret| secret.life.replaced.is_some()) {
            secret.life = secret.life.used(self.last_use(key, secret.id));
        }
    }

    /// A use of a key's secret as it is stored, with the notes laid over it.
    pub fn secret_overlay(&self, key: ApiKeyID, secret: i64, stored: SecretUse) -> SecretUse {
        let Some(note) = self.notes().of_secret(&self.0.cache, key, secret) else { return stored };
        let uses = stored.uses.saturating_add(note.uses);
        match stored.last_used {
            // another node may have written a later moment
            Some(at) if at > note.last_used => SecretUse { uses, ..stored },
            _ => SecretUse { last_used: Some(note.last_used), last_address: Some(note.address.to_string()), uses },
        }
    }

    /// A key's last success and its failures since, as they are stored and with the notes laid over.
    pub fn overlay(&self, key: ApiKeyID, last_sign_in: Option<Timestamp>, attempts: i64) -> (Option<Timestamp>, i64) {
        let note = self.notes().of_key(&self.0.cache, key);
        note.map_or((last_sign_in, attempts), |note| note.laid_over(last_sign_in, attempts))
    }

    /// Writes notes down, so many at most, going on where the last time ended; those that are not written stay, and
    /// nothing of them is lost. When writing fails they are kept too.
    pub async fn flush(&self, database: &Database, most: usize) -> Result<()> {
        let (usage, database) = (self.clone(), database.clone());
        to_the_end(async move {
            let mut wrote = usage.0.writing.lock().await;
            let room = most.saturating_sub(usage.notes().rows());
            // what was noted directly, by the thousand, must not keep everything else waiting; but where nothing
            // can be written, nothing more is gathered that takes more room then
            usage.gather(if *wrote == Wrote::Well { room.max(most / 2) } else { room });
            *wrote = Wrote::Not;
            // each in turn: of a million keys in use at once each is written, without a million writes a second
            let rows = usage.notes().next(most);
            usage.write(&database, rows).await?;
            *wrote = Wrote::Well;
            Ok(())
        })
        .await
    }

    /// [`KeyUsage::flush_all`] for whoever counts or searches by it: where that takes long, because other changes hold the
    /// rows, what is written must do, and the rest goes on being written.
    pub async fn flush_soon(&self, database: &Database) -> Result<()> {
        tokio::time::timeout(PATIENCE, self.flush_all(database)).await.unwrap_or(Ok(()))
    }

    /// Writes down all that there are at this moment.
    pub async fn flush_all(&self, database: &Database) -> Result<()> {
        let (usage, database) = (self.clone(), database.clone());
        to_the_end(async move {
            let _writing = usage.0.writing.lock().await;
            let mut last = None;
            loop {
                let mut gathered = 0;
                while gathered < IN_TURN
                    && let Some(reached) = usage.notes().gather_behind(&usage.0.cache, last, AT_ONCE)
                {
                    (gathered, last) = (gathered + AT_ONCE, Some(reached));
                }
                let rows = usage.notes().all();
                usage.write(&database, rows).await?;
                if gathered == 0 {
                    return Ok(());
                }
            }
        })
        .await
    }

    /// Makes rows of what so many keys have counted.
    fn gather(&self, most: usize) {
        let mut left = most;
        // twice to the end: from where it ended the last time, and from the beginning
        let mut ends = 0;
        while left > 0 && ends < 2 {
            let many = left.min(AT_ONCE);
            ends += usize::from(!self.notes().gather_next(&self.0.cache, many));
            left -= many;
        }
    }

    /// Held until the rows are written, a reader would miss what is in flight; so they stay in place and are taken off by
    /// difference afterwards. They are taken in the order of their numbers, or two nodes could wait for each other.
    async fn write(&self, database: &Database, rows: (Rows<ApiKeyID, Note>, Rows<i64, SecretNote>)) -> Result<()> {
        let (keys, secrets) = rows;
        let (mut keys, mut secrets) = (keys.chunks(CHUNK), secrets.chunks(CHUNK));
        // keys and secrets in one transaction: each makes SQLite's readers let go of all pages that they have at hand
        loop {
            let (keys, secrets) = (keys.next().unwrap_or_default(), secrets.next().unwrap_or_default());
            if keys.is_empty() && secrets.is_empty() {
                return Ok(());
            }
            let rows = (keys.to_vec(), secrets.to_vec());
            let write = move |db: &mut Db| {
                rows.0.iter().try_for_each(|(key, note)| write_down(db, *key, *note))?;
                rows.1.iter().try_for_each(|(row, note)| write_down_use(db, *row, *note))
            };
            database.write(write).await?;
            keys.iter().for_each(|(key, written)| self.notes().settle(*key, *written));
            secrets.iter().for_each(|(row, written)| self.notes().settle_use(*row, *written));
        }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Goes on also when nobody waits any more: what is written and not taken off would be counted twice.
async fn to_the_end(task: impl Future<Output = Result<()>> + Send + 'static) -> Result<()> {
    tokio::spawn(task).await.unwrap_or_else(|stopped| Err(Error::internal(stopped)))
}

fn write_down(db: &mut Db, key: ApiKeyID, note: Note) -> Result<()> {
    let row = api_keys::table.filter(api_keys::id.eq(key));
    let Some(at) = note.last_success else {
        let added = api_keys::unsuccessful_sign_in_attempts.eq(api_keys::unsuccessful_sign_in_attempts + note.failures);
        inner!(db, inner => diesel::update(row).set(added).execute(inner))?;
        return Ok(());
    };
    let failures = api_keys::unsuccessful_sign_in_attempts.eq(note.failures);
    let earlier = api_keys::last_sign_in.is_null().or(api_keys::last_sign_in.lt(at));
    let both = (failures, api_keys::last_sign_in.eq(at));
    // another node may have written a later moment
    if inner!(db, inner => diesel::update(row.filter(earlier)).set(both).execute(inner))? == 0 {
        inner!(db, inner => diesel::update(row).set(failures).execute(inner))?;
    }
    Ok(())
}

/// Nodes add up what each of them saw.
fn write_down_use(db: &mut Db, row: i64, note: SecretNote) -> Result<()> {
    let row = api_key_secrets::table.filter(api_key_secrets::id.eq(row));
    let uses = api_key_secrets::uses.eq(api_key_secrets::uses + note.uses);
    let earlier = api_key_secrets::last_used.is_null().or(api_key_secrets::last_used.le(note.last_used));
    let last =
        (api_key_secrets::last_used.eq(note.last_used), api_key_secrets::last_address.eq(note.address.to_string()));
    // another node may have written a later moment
    if inner!(db, inner => diesel::update(row.filter(earlier)).set((uses, last)).execute(inner))? == 0 {
        inner!(db, inner => diesel::update(row).set(uses).execute(inner))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
