//! When a key was last used and how often it was presented with a wrong secret: noted in memory at each
//! call, written behind once a second. What is read in between has the notes laid over it, so that it
//! is true without a write per request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use diesel::prelude::*;

use crate::clock::Timestamp;
use crate::db::schema::api_keys;
use crate::db::{Database, Db};
use crate::error::Result;
use crate::id::ApiKeyID;

/// Rows written in one transaction.
const CHUNK: usize = 500;

/// The notes of this node; cheap to clone.
#[derive(Clone, Default)]
pub struct KeyUsage(Arc<Mutex<HashMap<ApiKeyID, Note>>>);

/// What has happened to one key since the notes were last written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Note {
    last_success: Option<Timestamp>,
    /// Wrong secrets: since that success, or in addition to what is stored.
    failures: i64,
}

impl Note {
    fn laid_over(self, last_sign_in: Option<Timestamp>, attempts: i64) -> (Option<Timestamp>, i64) {
        match self.last_success {
            Some(at) => (last_sign_in.max(Some(at)), self.failures),
            None => (last_sign_in, attempts.saturating_add(self.failures)),
        }
    }
}

impl KeyUsage {
    /// The key was used with success.
    pub fn succeeded(&self, key: ApiKeyID, now: Timestamp) {
        self.notes().insert(key, Note { last_success: Some(now), failures: 0 });
    }

    /// A wrong secret was presented for the key. It never locks it: IDs are sequential, and anybody could.
    pub fn failed(&self, key: ApiKeyID) {
        let mut notes = self.notes();
        let note = notes.entry(key).or_default();
        note.failures = note.failures.saturating_add(1);
    }

    /// Forgets what is noted of a key: its counter was just set in the database.
    pub fn forget_failures(&self, key: ApiKeyID) {
        if let Some(note) = self.notes().get_mut(&key) {
            note.failures = 0;
        }
    }

    /// A key's last success and its failures since, as they are stored and with the notes laid over.
    pub fn overlay(&self, key: ApiKeyID, last_sign_in: Option<Timestamp>, attempts: i64) -> (Option<Timestamp>, i64) {
        self.notes().get(&key).map_or((last_sign_in, attempts), |note| note.laid_over(last_sign_in, attempts))
    }

    /// Writes the notes down. When that fails they are kept, and written with the next ones.
    pub async fn flush(&self, database: &Database) -> Result<()> {
        // Held until the rows are written, a reader would miss what is in flight; so the notes stay in
        // place and are taken off by difference afterwards.
        let noted: Vec<(ApiKeyID, Note)> = self.notes().iter().map(|(key, note)| (*key, *note)).collect();
        for chunk in noted.chunks(CHUNK) {
            let rows = chunk.to_vec();
            database.write(move |db| rows.iter().try_for_each(|(key, note)| write_down(db, *key, *note))).await?;
            chunk.iter().for_each(|(key, written)| self.settle(*key, *written));
        }
        Ok(())
    }

    fn settle(&self, key: ApiKeyID, written: Note) {
        let mut notes = self.notes();
        if let Some(note) = notes.get_mut(&key) {
            if *note == written {
                notes.remove(&key);
            } else if note.last_success == written.last_success {
                *note = Note { last_success: None, failures: (note.failures - written.failures).max(0) };
            }
        }
    }

    fn notes(&self) -> MutexGuard<'_, HashMap<ApiKeyID, Note>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_down(db: &mut Db, key: ApiKeyID, note: Note) -> Result<()> {
    let row = api_keys::table.find(key);
    match note.last_success {
        Some(at) => {
            diesel::update(row).set(api_keys::unsuccessful_sign_in_attempts.eq(note.failures)).execute(db)?;
            // another node may have written a later moment
            diesel::update(row)
                .filter(api_keys::last_sign_in.is_null().or(api_keys::last_sign_in.lt(at)))
                .set(api_keys::last_sign_in.eq(at))
                .execute(db)?;
        }
        None => {
            diesel::update(row)
                .set(
                    api_keys::unsuccessful_sign_in_attempts.eq(api_keys::unsuccessful_sign_in_attempts + note.failures),
                )
                .execute(db)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_success_resets_the_failures_and_later_ones_add_up() {
        let (usage, key) = (KeyUsage::default(), ApiKeyID::new(8));
        let at = Timestamp::from_millis;
        assert_eq!(usage.overlay(key, Some(at(5)), 7), (Some(at(5)), 7), "nothing noted");
        usage.failed(key);
        assert_eq!(usage.overlay(key, Some(at(5)), 7), (Some(at(5)), 8), "added to what is stored");
        usage.succeeded(key, at(9));
        usage.failed(key);
        usage.failed(key);
        assert_eq!(usage.overlay(key, Some(at(5)), 7), (Some(at(9)), 2), "counted from the success on");
        assert_eq!(usage.overlay(key, Some(at(12)), 0), (Some(at(12)), 2), "another node's later use stands");
    }

    #[test]
    fn what_happens_while_notes_are_written_is_not_lost() {
        let (usage, key) = (KeyUsage::default(), ApiKeyID::new(8));
        let at = Timestamp::from_millis;
        usage.succeeded(key, at(1));
        usage.failed(key);
        let written = Note { last_success: Some(at(1)), failures: 1 };
        usage.failed(key);
        usage.settle(key, written);
        assert_eq!(usage.overlay(key, Some(at(1)), 1), (Some(at(1)), 2));
    }
}
