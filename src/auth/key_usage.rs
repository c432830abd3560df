//! When a key and each of its secrets was last used, and how often it was presented with a wrong one: noted in memory
//! at each call, written behind once a second. What is read in between has the notes laid over it, so that it
//! is true without a write per request.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use diesel::prelude::*;

use super::known_keys::KnownKey;
use super::lookup::KeyFacts;
use crate::clock::Timestamp;
use crate::db::schema::{api_key_secrets, api_keys};
use crate::db::{Database, Db};
use crate::error::Result;
use crate::id::ApiKeyID;

/// Rows written in one transaction.
const CHUNK: usize = 500;

/// The notes of this node; cheap to clone.
#[derive(Clone, Default)]
pub struct KeyUsage(Arc<Mutex<Notes>>);

#[derive(Default)]
struct Notes {
    keys: BTreeMap<ApiKeyID, Note>,
    /// By the number of the secret's row.
    secrets: BTreeMap<i64, SecretNote>,
    /// Up to where they were written the last time.
    last_key: Option<ApiKeyID>,
    last_secret: Option<i64>,
    /// Keys that count their uses themselves ([`KeyUsage::used`]), where they are used from, and by which secret.
    counting: HashMap<ApiKeyID, Counting>,
}

/// A key that counts its uses itself, and what is the same of all of them.
struct Counting {
    key: Arc<KnownKey>,
    secret: i64,
    address: IpAddr,
    /// When that began.
    since: Timestamp,
}

/// What a key counts of its uses in one word: how many (16 bits), where from (16 bits of a hash), and the last moment
/// (the lower 32 bits of the milliseconds).
#[derive(Clone, Copy)]
struct Uses(u64);

impl Uses {
    fn first(tag: u16, now: Timestamp) -> Self {
        Self(1 << 48 | u64::from(tag) << 32 | u64::from(low_half(now)))
    }

    fn count(self) -> u16 {
        (self.0 >> 48) as u16
    }

    /// One more from there; none where there is none yet, they came from elsewhere, or no more can be counted.
    fn one_more(self, tag: u16, now: Timestamp) -> Option<Self> {
        let same = self.count() > 0 && self.count() < u16::MAX && (self.0 >> 32) as u16 == tag;
        same.then(|| Self(u64::from(self.count() + 1) << 48 | u64::from(tag) << 32 | u64::from(low_half(now))))
    }

    /// The last moment: of all that end in these bits the one that is nearest to when the counting began.
    fn last(self, since: Timestamp) -> Timestamp {
        let later = (self.0 as u32).wrapping_sub(low_half(since)) as i32;
        since.plus(i64::from(later))
    }
}

fn low_half(now: Timestamp) -> u32 {
    now.millis() as u32
}

/// Two addresses with one tag count as one, once in 65,536 pairs, until the next writing.
fn tag(address: IpAddr, secret: i64) -> u16 {
    let bits = match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    };
    let mixed = (bits as u64 ^ (bits >> 64) as u64 ^ secret as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 48) as u16
}

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

/// What has happened to one secret since the notes were last written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SecretNote {
    last_used: Timestamp,
    address: IpAddr,
    /// In addition to those that are stored.
    uses: i64,
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

impl KeyUsage {
    /// The key was used with success, by a secret of this row, from that address.
    pub fn succeeded(&self, key: ApiKeyID, secret: i64, address: IpAddr, now: Timestamp) {
        let mut notes = self.notes();
        notes.keys.insert(key, Note { last_success: Some(now), failures: 0 });
        let note = notes.secrets.entry(secret).or_insert(SecretNote { last_used: now, address, uses: 0 });
        *note = SecretNote { last_used: now, address, uses: note.uses.saturating_add(1) };
    }

    /// The same for a key that is remembered, which mostly counts by itself: no lock is taken unless it is the first use
    /// since the notes were written, or the first from another address or by another secret.
    pub fn used(&self, key: &Arc<KnownKey>, secret: i64, address: IpAddr, now: Timestamp) {
        let tag = tag(address, secret);
        let counted = key
            .uses
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| Uses(word).one_more(tag, now).map(|uses| uses.0));
        if counted.is_ok() {
            return;
        }
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counting) = notes.counting.remove(&key.id) {
            notes.take_over(&counting);
        }
        // another worker may have begun to count meanwhile: its uses are this one's neighbours
        let before = Uses(key.uses.swap(Uses::first(tag, now).0, Ordering::AcqRel));
        let counting = Counting { key: key.clone(), secret, address, since: now };
        if before.count() > 0 {
            notes.note_uses(&counting, i64::from(before.count()), before.last(now));
        }
        notes.counting.insert(key.id, counting);
    }

    /// A wrong secret was presented for the key. It never locks it: IDs are sequential, and anybody could.
    pub fn failed(&self, key: ApiKeyID) {
        let mut notes = self.notes();
        let note = notes.keys.entry(key).or_default();
        note.failures = note.failures.saturating_add(1);
    }

    /// Forgets what is noted of a key: its counter was just set in the database.
    pub fn forget_failures(&self, key: ApiKeyID) {
        if let Some(note) = self.notes().keys.get_mut(&key) {
            note.failures = 0;
        }
    }

    /// When this node last saw a secret used, as far as that is not written down yet.
    pub fn last_use(&self, secret: i64) -> Option<Timestamp> {
        self.notes().secrets.get(&secret).map(|note| note.last_used)
    }

    /// Puts what this node has seen of secrets that may end by not being used into what is stored of them.
    pub fn lay_over(&self, facts: &mut KeyFacts) {
        for secret in facts.secrets.iter_mut().filter(|secret| secret.life.replaced.is_some()) {
            secret.life = secret.life.used(self.last_use(secret.id));
        }
    }

    /// A secret's use as it is stored, with the notes laid over it.
    pub fn secret_overlay(&self, secret: i64, stored: SecretUse) -> SecretUse {
        let Some(note) = self.notes().secrets.get(&secret).copied() else { return stored };
        let uses = stored.uses.saturating_add(note.uses);
        match stored.last_used {
            // another node may have written a later moment
            Some(at) if at > note.last_used => SecretUse { uses, ..stored },
            _ => SecretUse { last_used: Some(note.last_used), last_address: Some(note.address.to_string()), uses },
        }
    }

    /// A key's last success and its failures since, as they are stored and with the notes laid over.
    pub fn overlay(&self, key: ApiKeyID, last_sign_in: Option<Timestamp>, attempts: i64) -> (Option<Timestamp>, i64) {
        self.notes().keys.get(&key).map_or((last_sign_in, attempts), |note| note.laid_over(last_sign_in, attempts))
    }

    /// Writes notes down, so many at most, going on where the last time ended; those that are not written stay, and
    /// nothing of them is lost. When writing fails they are kept too.
    pub async fn flush(&self, database: &Database, most: usize) -> Result<()> {
        // Held until the rows are written, a reader would miss what is in flight; so the notes stay in
        // place and are taken off by difference afterwards.
        // Rows are taken in the order of their numbers, or two nodes could wait for each other.
        let (keys, secrets) = self.notes().next(most);
        for chunk in keys.chunks(CHUNK) {
            let rows = chunk.to_vec();
            database.write(move |db| rows.iter().try_for_each(|(key, note)| write_down(db, *key, *note))).await?;
            chunk.iter().for_each(|(key, written)| self.settle(*key, *written));
        }
        for chunk in secrets.chunks(CHUNK) {
            let rows = chunk.to_vec();
            database.write(move |db| rows.iter().try_for_each(|(row, note)| write_down_use(db, *row, *note))).await?;
            chunk.iter().for_each(|(row, written)| self.settle_use(*row, *written));
        }
        Ok(())
    }

    /// Writes down all that there are at this moment.
    pub async fn flush_all(&self, database: &Database) -> Result<()> {
        self.notes().start_over();
        self.flush(database, usize::MAX).await
    }

    fn settle(&self, key: ApiKeyID, written: Note) {
        let mut notes = self.notes();
        if let Some(note) = notes.keys.get_mut(&key) {
            if *note == written {
                notes.keys.remove(&key);
            } else if note.last_success == written.last_success {
                *note = Note { last_success: None, failures: (note.failures - written.failures).max(0) };
            }
        }
    }

    fn settle_use(&self, row: i64, written: SecretNote) {
        let mut notes = self.notes();
        if let Some(note) = notes.secrets.get_mut(&row) {
            note.uses -= written.uses;
            if note.uses == 0 {
                notes.secrets.remove(&row);
            }
        }
    }

    /// The notes, with what keys have counted by themselves.
    fn notes(&self) -> MutexGuard<'_, Notes> {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !notes.counting.is_empty() {
            for counting in std::mem::take(&mut notes.counting).into_values() {
                notes.take_over(&counting);
            }
        }
        notes
    }
}

/// Notes to write, each with the number of its row.
type Rows<K, N> = Vec<(K, N)>;

impl Notes {
    fn start_over(&mut self) {
        (self.last_key, self.last_secret) = (None, None);
    }

    /// The next notes to write, in the order of their numbers: a million keys in use at once are each written in turn,
    /// without a million writes a second.
    fn next(&mut self, most: usize) -> (Rows<ApiKeyID, Note>, Rows<i64, SecretNote>) {
        let (keys, secrets) = (after(&self.keys, self.last_key, most), after(&self.secrets, self.last_secret, most));
        self.last_key = keys.last().map(|(key, _)| *key);
        self.last_secret = secrets.last().map(|(row, _)| *row);
        (keys, secrets)
    }

    fn take_over(&mut self, counting: &Counting) {
        let uses = Uses(counting.key.uses.swap(0, Ordering::AcqRel));
        if uses.count() > 0 {
            self.note_uses(counting, i64::from(uses.count()), uses.last(counting.since));
        }
    }

    fn note_uses(&mut self, counting: &Counting, uses: i64, last: Timestamp) {
        self.keys.insert(counting.key.id, Note { last_success: Some(last), failures: 0 });
        let fresh = SecretNote { last_used: last, address: counting.address, uses: 0 };
        let note = self.secrets.entry(counting.secret).or_insert(fresh);
        *note = SecretNote { uses: note.uses.saturating_add(uses), ..fresh };
    }
}

/// What stands behind `last` in a map, so much at most; from the beginning where nothing does.
fn after<K: Ord + Copy, N: Copy>(notes: &BTreeMap<K, N>, last: Option<K>, most: usize) -> Vec<(K, N)> {
    let behind = |bound| notes.range((bound, Bound::Unbounded)).take(most).map(|(key, note)| (*key, *note)).collect();
    let next: Vec<_> = behind(last.map_or(Bound::Unbounded, Bound::Excluded));
    if next.is_empty() { behind(Bound::Unbounded) } else { next }
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

/// Nodes add up what each of them saw.
fn write_down_use(db: &mut Db, row: i64, note: SecretNote) -> Result<()> {
    let row = api_key_secrets::table.find(row);
    diesel::update(row).set(api_key_secrets::uses.eq(api_key_secrets::uses + note.uses)).execute(db)?;
    let used =
        (api_key_secrets::last_used.eq(note.last_used), api_key_secrets::last_address.eq(note.address.to_string()));
    // another node may have written a later moment
    let earlier = api_key_secrets::last_used.is_null().or(api_key_secrets::last_used.le(note.last_used));
    diesel::update(row).filter(earlier).set(used).execute(db)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    #[test]
    fn a_success_resets_the_failures_and_later_ones_add_up() {
        let (usage, key) = (KeyUsage::default(), ApiKeyID::new(8));
        let at = Timestamp::from_millis;
        assert_eq!(usage.overlay(key, Some(at(5)), 7), (Some(at(5)), 7), "nothing noted");
        usage.failed(key);
        assert_eq!(usage.overlay(key, Some(at(5)), 7), (Some(at(5)), 8), "added to what is stored");
        usage.succeeded(key, 1, HERE, at(9));
        usage.failed(key);
        usage.failed(key);
        assert_eq!(usage.overlay(key, Some(at(5)), 7), (Some(at(9)), 2), "counted from the success on");
        assert_eq!(usage.overlay(key, Some(at(12)), 0), (Some(at(12)), 2), "another node's later use stands");
    }

    #[test]
    fn what_happens_while_notes_are_written_is_not_lost() {
        let (usage, key) = (KeyUsage::default(), ApiKeyID::new(8));
        let at = Timestamp::from_millis;
        usage.succeeded(key, 1, HERE, at(1));
        usage.failed(key);
        let written = Note { last_success: Some(at(1)), failures: 1 };
        usage.failed(key);
        usage.settle(key, written);
        assert_eq!(usage.overlay(key, Some(at(1)), 1), (Some(at(1)), 2));
    }

    #[test]
    fn each_note_has_its_turn() {
        let notes: BTreeMap<i64, i64> = (1..=5).map(|number| (number, number)).collect();
        let numbers = |last, most| after(&notes, last, most).into_iter().map(|(number, _)| number).collect::<Vec<_>>();
        assert_eq!(numbers(None, 2), [1, 2]);
        assert_eq!(numbers(Some(2), 2), [3, 4]);
        assert_eq!(numbers(Some(4), 2), [5]);
        assert_eq!(numbers(Some(5), 2), [1, 2], "from the beginning");
        assert_eq!(numbers(None, usize::MAX), [1, 2, 3, 4, 5]);
        assert_eq!(after(&BTreeMap::<i64, i64>::new(), Some(1), 2), []);
    }

    #[test]
    fn uses_are_counted_in_one_word() {
        let at = |millis: i64| Timestamp::from_millis(1_795_262_415_000 + millis);
        let (here, there) = (tag(HERE, 1), tag("192.0.2.1".parse().expect("an address"), 1));
        let mut uses = Uses::first(here, at(0));
        for later in 1..=9 {
            uses = uses.one_more(here, at(later)).expect("one more");
        }
        assert_eq!((uses.count(), uses.last(at(0))), (10, at(9)));
        assert_eq!(uses.last(at(20)), at(9), "a clock that was set back in between");
        assert!(here != there && uses.one_more(there, at(10)).is_none(), "from elsewhere");
        assert!(here != tag(HERE, 2), "by another secret");
        assert!(Uses(0).one_more(0, at(0)).is_none(), "nothing to add to");
        let full = Uses(u64::from(u16::MAX) << 48 | u64::from(here) << 32);
        assert!(full.one_more(here, at(0)).is_none(), "no more can be counted");
        // the lower half of the milliseconds begins anew every 49 days
        let edge = (1_795_262_415_000 / (1_i64 << 32) + 1) << 32;
        let uses = Uses::first(here, Timestamp::from_millis(edge + 5));
        assert_eq!(uses.last(Timestamp::from_millis(edge - 5)), Timestamp::from_millis(edge + 5));
    }

    #[test]
    fn each_secret_has_its_own_use() {
        let (usage, key, at) = (KeyUsage::default(), ApiKeyID::new(8), Timestamp::from_millis);
        let there = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));
        let stored =
            |last_used, uses| SecretUse { last_used: Some(at(last_used)), last_address: Some("::1".into()), uses };
        assert_eq!(usage.secret_overlay(1, stored(5, 7)), stored(5, 7), "nothing noted");
        usage.succeeded(key, 1, HERE, at(9));
        usage.succeeded(key, 2, HERE, at(9));
        usage.succeeded(key, 1, there, at(10));
        let noted = |uses| SecretUse { last_used: Some(at(10)), last_address: Some("10.0.0.7".into()), uses };
        assert_eq!(usage.secret_overlay(1, stored(5, 7)), noted(9));
        assert_eq!(usage.secret_overlay(1, SecretUse::default()), noted(2));
        assert_eq!(usage.secret_overlay(1, stored(12, 7)), stored(12, 9), "another node's later use stands");
        assert_eq!((usage.last_use(2), usage.last_use(3)), (Some(at(9)), None));
        usage.settle_use(1, SecretNote { last_used: at(9), address: HERE, uses: 1 });
        assert_eq!(usage.secret_overlay(1, stored(9, 8)), noted(9), "what came while it was written is not lost");
        usage.settle_use(1, SecretNote { last_used: at(10), address: there, uses: 1 });
        assert_eq!(usage.last_use(1), None);
    }
}
