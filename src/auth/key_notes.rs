//! What is noted of keys' uses and not written down yet, as small as can be: of a million keys in use at once, two
//! thousand are written down a second, and the others wait.
//!
//! A use is in one of three places at any time:
//!
//! 1. In the key's own word ([`Tally`]), while the key is remembered: no lock is taken for one more use by the same
//!    secret and from the same address.
//! 2. Laid aside ([`Aside`]): what was in the word of a key that is not remembered any more, or was used from elsewhere.
//! 3. In the rows that are to be written, or are being written ([`Note`], [`SecretNote`]).
//!
//! For each key they stand in the order of time: what is in the rows was before what is laid aside, and that before
//! what is in the word. Whoever puts something into the rows first gathers there what there is of the key.
//!
//! # No use is lost, and none is counted twice
//!
//! Everything happens under the one lock around [`Notes`], that a key comes into the cache or leaves it too; but for
//! the one use more in a word that is not zero, which is one atomic step. What holds under the lock:
//!
//! - *A word is not zero only if that very key is in the cache, and its mark is set.* A word begins under the lock, and
//!   only after a look into the cache; a key that leaves the cache has its word emptied before the lock is let go.
//! - So a word that is not marked needs no look, and a marked one is found in the cache: nothing is forgotten when the
//!   marks are gone through.
//! - A word is emptied by a swap. A use that was counted before it is in what was taken; whoever comes after it finds
//!   zero, and waits for the lock. Who holds a key that has left the cache finds zero for ever, and has each
//!   use put into the rows.
//!
//! What is being written stays in the rows until it is written, and is taken off by difference then, so that a reader
//! finds it here or in the database. One task writes at a time, and whoever waits for it may go away.
//!
//! # How much it can be
//!
//! In a word: nothing besides the key, but about three bits for its mark where IDs lie close together, and twenty
//! bytes where they lie far apart. Laid aside: about 34 bytes for each key that is not remembered and was used since it
//! was written down, so as many at most as there are keys. In the rows: about 110 bytes for each of those that
//! are written next (2,000), and of those that were noted there directly: by a secret that is being replaced, by keys that
//! the cache had no room for, with a wrong secret, or at `/api`. An IPv6 address from which keys are used takes some 80
//! bytes once.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Bound;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::known_keys::{KeyCache, KnownKey, SharedKey};
use crate::clock::Timestamp;
use crate::id::ApiKeyID;

/// What a key counts of its uses by itself: [`Uses`].
#[derive(Default)]
pub(super) struct Tally(AtomicU64);

/// From where the uses in a [`Tally`] come: as [`Addresses`] has it, only ever read and written under the lock. The two
/// are not one, because the key would be larger.
#[derive(Default)]
pub(super) struct Source(AtomicU32);

impl Tally {
    /// Counts one more use, if there are others from there.
    pub(super) fn one_more(&self, tag: u16, now: Timestamp) -> bool {
        let Some(when) = when(now) else { return false };
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |word| Uses(word).one_more(tag, when).map(|uses| uses.0))
            .is_ok()
    }

    fn uses(&self) -> Uses {
        Uses(self.0.load(Ordering::Acquire))
    }
}

/// A key's uses in one word: how many (8 bits), where from (15 bits of a hash), and the last moment (41 bits). Nothing
/// is counted while it is zero.
#[derive(Clone, Copy)]
struct Uses(u64);

const WHEN_BITS: u32 = 41;
const TAG_BITS: u32 = 15;
const WHEN_MASK: u64 = (1 << WHEN_BITS) - 1;
const TAG_MASK: u64 = (1 << TAG_BITS) - 1;
/// Where counting moments begins: 2020-01-01, so that 41 bits last until 2089.
const EPOCH: i64 = 1_577_836_800_000;

/// A moment in 41 bits; none for those which do not fit, whose uses are put into the rows one by one.
fn when(now: Timestamp) -> Option<u64> {
    u64::try_from(now.millis().checked_sub(EPOCH)?).ok().filter(|when| *when <= WHEN_MASK)
}

fn moment(when: u64) -> Timestamp {
    // 41 bits always fit
    Timestamp::from_millis(EPOCH).plus((when & WHEN_MASK).cast_signed())
}

impl Uses {
    const fn first(tag: u16, when: u64) -> Self {
        Self(1 << (WHEN_BITS + TAG_BITS) | (tag as u64 & TAG_MASK) << WHEN_BITS | when)
    }

    const fn count(self) -> u64 {
        self.0 >> (WHEN_BITS + TAG_BITS)
    }

    /// One more from there; none where there is none yet, they came from elsewhere, or no more can be counted.
    fn one_more(self, tag: u16, when: u64) -> Option<Self> {
        let same = self.0 != 0 && self.count() < u64::from(u8::MAX) && self.0 >> WHEN_BITS & TAG_MASK == u64::from(tag);
        same.then(|| Self(((self.0 & !WHEN_MASK) + (1 << (WHEN_BITS + TAG_BITS))) | when))
    }

    fn last(self) -> Timestamp {
        moment(self.0)
    }
}

/// Two addresses with one tag count as one, once in 32,768 pairs, while one key is used from both and nothing of it is
/// written down.
pub(super) fn tag(address: IpAddr) -> u16 {
    let bits = match address {
        IpAddr::V4(v4) => u64::from(u32::from(v4)),
        IpAddr::V6(v6) => {
            let bits = u128::from(v6);
            // an IPv6 address is not told from an IPv4 one by its lower half alone
            (bits as u64 ^ ((bits >> 64) as u64).rotate_left(17)).wrapping_add(0x5851_F42D_4C95_7F2D)
        }
    };
    (bits.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - TAG_BITS)) as u16
}

/// Addresses in 32 bits: those of IPv4 are their own numbers, others are numbered as they come.
#[derive(Default)]
struct Addresses {
    numbers: HashMap<IpAddr, u32>,
    /// Each with how often it is held.
    numbered: Vec<(IpAddr, u32)>,
    free: Vec<u32>,
}

/// From here on (240.0.0.0/4, which nobody has) IPv4 addresses are not their own numbers.
const NUMBERED: u32 = 0xF000_0000;

impl Addresses {
    /// The address's number, which is its own until it is released; none where there are no more.
    fn hold(&mut self, address: IpAddr) -> Option<u32> {
        if let IpAddr::V4(v4) = address
            && u32::from(v4) < NUMBERED
        {
            return Some(u32::from(v4));
        }
        let place = match self.numbers.get(&address) {
            Some(place) => *place,
            None => {
                let fresh = u32::try_from(self.numbered.len()).ok();
                let place = self.free.pop().or(fresh.filter(|place| NUMBERED.checked_add(*place).is_some()))?;
                if place as usize == self.numbered.len() {
                    self.numbered.push((address, 0));
                }
                self.numbers.insert(address, place);
                place
            }
        };
        let (of, held) = self.numbered.get_mut(place as usize)?;
        (*of, *held) = (address, *held + 1);
        Some(NUMBERED + place)
    }

    fn get(&self, number: u32) -> IpAddr {
        match number.checked_sub(NUMBERED) {
            None => IpAddr::V4(Ipv4Addr::from(number)),
            Some(place) => {
                self.numbered.get(place as usize).map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |(address, _)| *address)
            }
        }
    }

    fn release(&mut self, number: u32) {
        let Some(place) = number.checked_sub(NUMBERED) else { return };
        let Some((address, held)) = self.numbered.get_mut(place as usize) else { return };
        *held -= 1;
        if *held == 0 {
            self.numbers.remove(address);
            self.free.push(place);
        }
    }
}

/// Keys that count by themselves: a bit for each, 64 neighbours in one word.
#[derive(Default)]
struct Marks(BTreeMap<u32, u64>);

impl Marks {
    fn set(&mut self, id: u32) {
        *self.0.entry(id >> 6).or_default() |= 1 << (id & 63);
    }

    fn has(&self, id: u32) -> bool {
        self.0.get(&(id >> 6)).is_some_and(|bits| bits & 1 << (id & 63) != 0)
    }

    /// Whether it was set.
    fn clear(&mut self, id: u32) -> bool {
        let Some(bits) = self.0.get_mut(&(id >> 6)) else { return false };
        let was_set = *bits & 1 << (id & 63) != 0;
        *bits &= !(1 << (id & 63));
        if *bits == 0 {
            self.0.remove(&(id >> 6));
        }
        was_set
    }

    /// The next one from there on.
    fn from(&self, id: u32) -> Option<u32> {
        // those in front of it in its own word do not count
        self.0.range(id >> 6..).find_map(|(block, bits)| {
            let bits = if *block == id >> 6 { bits & !0 << (id & 63) } else { *bits };
            (bits != 0).then(|| block << 6 | bits.trailing_zeros())
        })
    }
}

/// What the word of a key held, or several one after the other, by one secret. The last address stands for all of them.
#[derive(Clone, Copy)]
struct Aside {
    /// The upper 23 bits how many, the lower 41 when the last was; in halves, so that 16 bytes stand beside a key of 4.
    uses: [u32; 2],
    /// The secret's row.
    secret: u32,
    /// As [`Addresses`] has it.
    address: u32,
}

impl Aside {
    const MOST: u64 = (1 << (u64::BITS - WHEN_BITS)) - 1;

    fn new(count: u64, when: u64, secret: u32, address: u32) -> Self {
        let uses = count << WHEN_BITS | when & WHEN_MASK;
        Self { uses: [(uses >> 32) as u32, uses as u32], secret, address }
    }

    fn word(self) -> u64 {
        u64::from(self.uses[0]) << 32 | u64::from(self.uses[1])
    }

    fn count(self) -> u64 {
        self.word() >> WHEN_BITS
    }

    fn last(self) -> Timestamp {
        moment(self.word())
    }

    fn note(self, addresses: &Addresses) -> SecretNote {
        SecretNote {
            last_used: self.last(),
            address: addresses.get(self.address),
            uses: i64::try_from(self.count()).unwrap_or(i64::MAX),
        }
    }
}

/// What has happened to one key since the notes were last written down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) last_success: Option<Timestamp>,
    /// Wrong secrets: since that success, or in addition to what is stored.
    pub(super) failures: i64,
}

impl Note {
    pub(super) fn laid_over(self, last_sign_in: Option<Timestamp>, attempts: i64) -> (Option<Timestamp>, i64) {
        match self.last_success {
            Some(at) => (last_sign_in.max(Some(at)), self.failures),
            None => (last_sign_in, attempts.saturating_add(self.failures)),
        }
    }
}

/// What has happened to one secret since the notes were last written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SecretNote {
    pub(super) last_used: Timestamp,
    pub(super) address: IpAddr,
    /// In addition to those that are stored.
    pub(super) uses: i64,
}

impl SecretNote {
    /// Both together, of which the other is the later one.
    fn and(self, later: Self) -> Self {
        Self { uses: self.uses.saturating_add(later.uses), ..later }
    }
}

/// Notes to write, each with the number of its row.
pub(super) type Rows<K, N> = Vec<(K, N)>;

/// The notes of this node. Each method is one step under the lock.
#[derive(Default)]
pub(super) struct Notes {
    keys: BTreeMap<ApiKeyID, Note>,
    /// By the number of the secret's row.
    secrets: BTreeMap<i64, SecretNote>,
    /// Up to where they were written the last time.
    last_key: Option<ApiKeyID>,
    last_secret: Option<i64>,
    aside: BTreeMap<u32, Aside>,
    counting: Marks,
    /// Up to where those two were gathered the last time.
    gathered: Option<u32>,
    addresses: Addresses,
    /// Keys that leave the cache just now; empty in between.
    leaving: Vec<SharedKey>,
}

/// A key's number, if it is one that the cache can have.
fn number(key: ApiKeyID) -> Option<u32> {
    u32::try_from(key.get()).ok()
}

impl Notes {
    /// Puts a key into the cache. What those have counted that leave it for this is laid aside.
    pub(super) fn remember(&mut self, cache: &KeyCache, key: SharedKey) {
        let mut leaving = std::mem::take(&mut self.leaving);
        cache.insert(key, &mut leaving);
        for key in leaving.drain(..) {
            self.empty(&key);
            self.counting.clear(key.number());
        }
        self.leaving = leaving;
    }

    /// A use of a remembered key that its word could not take.
    pub(super) fn used(&mut self, cache: &KeyCache, key: &SharedKey, secret: i64, address: IpAddr, now: Timestamp) {
        let is_cached = || cache.peek(key.number()).is_some_and(|cached| SharedKey::ptr_eq(&cached, key));
        if key.counts(secret)
            && is_cached()
            && let Some(when) = when(now)
        {
            // another worker may have begun meanwhile: then this use is one more, or what it has counted goes first
            if key.tally.one_more(tag(address), now) {
                return;
            }
            if let Some(number) = self.addresses.hold(address) {
                self.empty(key);
                key.source.0.store(number, Ordering::Relaxed);
                key.tally.0.store(Uses::first(tag(address), when).0, Ordering::Release);
                self.counting.set(key.number());
                return;
            }
        }
        self.succeeded(cache, key.id(), secret, SecretNote { last_used: now, address, uses: 1 });
    }

    /// Uses that go straight into the rows.
    pub(super) fn succeeded(&mut self, cache: &KeyCache, key: ApiKeyID, secret: i64, uses: SecretNote) {
        self.gather_of(cache, key);
        self.put(key, secret, uses);
    }

    /// A wrong secret. Those before the last success do not count.
    pub(super) fn failed(&mut self, cache: &KeyCache, key: ApiKeyID) {
        self.gather_of(cache, key);
        let note = self.keys.entry(key).or_default();
        note.failures = note.failures.saturating_add(1);
    }

    pub(super) fn forget_failures(&mut self, key: ApiKeyID) {
        if let Some(note) = self.keys.get_mut(&key) {
            note.failures = 0;
        }
    }

    /// All that there is of a key.
    pub(super) fn of_key(&self, cache: &KeyCache, key: ApiKeyID) -> Option<Note> {
        let pending = number(key).and_then(|number| {
            let counted = self.counted(cache, number).map(|(_, uses)| uses.last_used);
            counted.or_else(|| self.aside.get(&number).map(|aside| aside.last()))
        });
        match pending {
            Some(last) => Some(Note { last_success: Some(last), failures: 0 }),
            None => self.keys.get(&key).copied(),
        }
    }

    /// All that there is of a secret of a key.
    pub(super) fn of_secret(&self, cache: &KeyCache, key: ApiKeyID, secret: i64) -> Option<SecretNote> {
        let number = number(key);
        let aside = number.and_then(|number| self.aside.get(&number));
        let aside = aside.filter(|aside| i64::from(aside.secret) == secret).map(|aside| aside.note(&self.addresses));
        let counted = number.and_then(|number| self.counted(cache, number));
        let counted = counted.filter(|(of, _)| i64::from(*of) == secret).map(|(_, uses)| uses);
        [self.secrets.get(&secret).copied(), aside, counted].into_iter().flatten().reduce(SecretNote::and)
    }

    /// What is in a key's word, and by which secret.
    fn counted(&self, cache: &KeyCache, number: u32) -> Option<(u32, SecretNote)> {
        let key = self.counting.has(number).then(|| cache.peek(number)).flatten()?;
        let uses = key.tally.uses();
        let address = self.addresses.get(key.source.0.load(Ordering::Relaxed));
        let note = SecretNote { last_used: uses.last(), address, uses: i64::try_from(uses.count()).unwrap_or(0) };
        (note.uses > 0).then_some((key.secret_row(), note))
    }

    /// Empties a key's word, and lays aside what was in it.
    fn empty(&mut self, key: &KnownKey) {
        let uses = Uses(key.tally.0.swap(0, Ordering::AcqRel));
        if uses.0 == 0 {
            return;
        }
        let (id, secret) = (key.number(), key.secret_row());
        let address = key.source.0.load(Ordering::Relaxed);
        let fresh = Aside::new(uses.count(), uses.0, secret, address);
        let Some(before) = self.aside.insert(id, fresh) else { return };
        let count = before.count() + uses.count();
        if before.secret == secret && count <= Aside::MOST {
            self.addresses.release(before.address);
            self.aside.insert(id, Aside::new(count, uses.0, secret, address));
        } else {
            self.put_aside(id, before);
        }
    }

    /// Puts into the rows what is counted of a key, and what is laid aside.
    fn gather_of(&mut self, cache: &KeyCache, key: ApiKeyID) {
        if let Some(number) = number(key) {
            self.gather(cache, number);
        }
    }

    fn gather(&mut self, cache: &KeyCache, id: u32) {
        if self.counting.clear(id)
            && let Some(key) = cache.peek(id)
        {
            self.empty(&key);
        }
        if let Some(aside) = self.aside.remove(&id) {
            self.put_aside(id, aside);
        }
    }

    fn put_aside(&mut self, id: u32, aside: Aside) {
        let note = aside.note(&self.addresses);
        self.addresses.release(aside.address);
        self.put(ApiKeyID::new(i64::from(id)), i64::from(aside.secret), note);
    }

    fn put(&mut self, key: ApiKeyID, secret: i64, uses: SecretNote) {
        self.keys.insert(key, Note { last_success: Some(uses.last_used), failures: 0 });
        self.secrets.entry(secret).and_modify(|note| *note = note.and(uses)).or_insert(uses);
    }

    /// Gathers so many keys at most, in the order of their numbers, behind `last`; answers with the last of them, none
    /// where there is nothing behind it.
    pub(super) fn gather_behind(&mut self, cache: &KeyCache, last: Option<u32>, most: usize) -> Option<u32> {
        let mut reached = None;
        for _ in 0..most {
            let from = match reached.or(last) {
                None => Some(0),
                Some(last) => last.checked_add(1),
            };
            let Some(next) = from.and_then(|from| self.pending_from(from)) else { break };
            self.gather(cache, next);
            reached = Some(next);
        }
        reached
    }

    /// Gathers so many keys at most, going on where it ended the last time; answers whether there were any. Behind the last
    /// one the first is next.
    pub(super) fn gather_next(&mut self, cache: &KeyCache, most: usize) -> bool {
        self.gathered = self.gather_behind(cache, self.gathered, most);
        self.gathered.is_some()
    }

    fn pending_from(&self, from: u32) -> Option<u32> {
        let aside = self.aside.range(from..).next().map(|(id, _)| *id);
        [self.counting.from(from), aside].into_iter().flatten().min()
    }

    /// How many rows wait to be written.
    pub(super) fn rows(&self) -> usize {
        self.keys.len().max(self.secrets.len())
    }

    /// The next rows to write, in the order of their numbers: each has its turn.
    pub(super) fn next(&mut self, most: usize) -> (Rows<ApiKeyID, Note>, Rows<i64, SecretNote>) {
        let (keys, secrets) = (after(&self.keys, self.last_key, most), after(&self.secrets, self.last_secret, most));
        self.last_key = keys.last().map(|(key, _)| *key);
        self.last_secret = secrets.last().map(|(row, _)| *row);
        (keys, secrets)
    }

    /// All rows.
    pub(super) fn all(&mut self) -> (Rows<ApiKeyID, Note>, Rows<i64, SecretNote>) {
        (self.last_key, self.last_secret) = (None, None);
        self.next(usize::MAX)
    }

    /// Takes off what is written of a key; what has come since stays.
    pub(super) fn settle(&mut self, key: ApiKeyID, written: Note) {
        if let Some(note) = self.keys.get_mut(&key) {
            if *note == written {
                self.keys.remove(&key);
            } else if note.last_success == written.last_success && note.failures >= written.failures {
                *note = Note { last_success: None, failures: note.failures - written.failures };
            }
        }
    }

    /// The same of a secret.
    pub(super) fn settle_use(&mut self, row: i64, written: SecretNote) {
        if let Some(note) = self.secrets.get_mut(&row) {
            note.uses -= written.uses;
            if note.uses == 0 {
                self.secrets.remove(&row);
            }
        }
    }
}

/// What stands behind `last` in a map, so much at most; from the beginning where nothing does.
fn after<K: Ord + Copy, N: Copy>(notes: &BTreeMap<K, N>, last: Option<K>, most: usize) -> Vec<(K, N)> {
    let behind = |bound| notes.range((bound, Bound::Unbounded)).take(most).map(|(key, note)| (*key, *note)).collect();
    let next: Vec<_> = behind(last.map_or(Bound::Unbounded, Bound::Excluded));
    if next.is_empty() { behind(Bound::Unbounded) } else { next }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn uses_are_counted_in_one_word() {
        let at = |millis: i64| Timestamp::from_millis(1_795_262_415_000 + millis);
        let (here, there) = (tag(HERE), tag(address("192.0.2.1")));
        let tally = Tally::default();
        assert!(!tally.one_more(here, at(0)), "nothing to add to");
        tally.0.store(Uses::first(here, when(at(0)).expect("of our time")).0, Ordering::Relaxed);
        for later in 1..=9 {
            assert!(tally.one_more(here, at(later)));
        }
        assert_eq!((tally.uses().count(), tally.uses().last()), (10, at(9)));
        assert!(here != there && !tally.one_more(there, at(10)), "from elsewhere");
        assert!(tally.one_more(here, at(5)) && tally.uses().last() == at(5), "a clock that was set back");
        for _ in 11..255 {
            assert!(tally.one_more(here, at(9)));
        }
        assert!(!tally.one_more(here, at(9)), "no more can be counted");
        assert_eq!((tally.uses().count(), tally.uses().last()), (255, at(9)));
    }

    #[test]
    fn moments_of_70_years_fit() {
        let last = EPOCH + (1 << WHEN_BITS) - 1;
        for fits in [EPOCH, EPOCH + 1, 1_795_262_415_000, last] {
            assert_eq!(when(Timestamp::from_millis(fits)).map(moment), Some(Timestamp::from_millis(fits)));
        }
        for beyond in [i64::MIN, 0, EPOCH - 1, last + 1, i64::MAX] {
            assert_eq!(when(Timestamp::from_millis(beyond)), None);
        }
    }

    #[test]
    fn addresses_have_numbers_while_they_are_held() {
        let mut addresses = Addresses::default();
        let plain = ["0.0.0.0", "127.0.0.1", "239.255.255.255"].map(address);
        for address in plain {
            let number = addresses.hold(address).expect("a number");
            assert_eq!(addresses.get(number), address);
            addresses.release(number);
        }
        assert!(addresses.numbered.is_empty(), "they are their own numbers");
        let others = ["::", "::1", "::ffff:127.0.0.1", "2001:db8::7", "240.0.0.0", "255.255.255.255"].map(address);
        let numbers = others.map(|address| addresses.hold(address).expect("a number"));
        assert_eq!(numbers.map(|number| addresses.get(number)), others);
        assert_eq!(addresses.hold(others[1]), Some(numbers[1]), "the same once more");
        addresses.release(numbers[1]);
        assert_eq!(addresses.get(numbers[1]), others[1], "held still");
        addresses.release(numbers[1]);
        let next = addresses.hold(address("2001:db8::8")).expect("a number");
        assert_eq!((next, addresses.get(next)), (numbers[1], address("2001:db8::8")), "its place is another's");
        assert_eq!(addresses.numbered.len(), others.len());
        let again = addresses.hold(others[1]).expect("a number");
        assert!(!numbers.contains(&again) && addresses.get(again) == others[1]);
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
    fn what_is_laid_aside_is_small() {
        assert_eq!(size_of::<Aside>(), 16);
        let when = when(Timestamp::from_millis(1_795_262_415_123)).expect("of our time");
        let most = Aside::new(Aside::MOST, when, 7, 9);
        assert_eq!((most.count(), most.last().millis()), (8_388_607, 1_795_262_415_123));
    }

    proptest! {
        #[test]
        fn marks_are_a_set(steps in prop::collection::vec((0_u8..3, 0_u32..300, prop::bool::ANY), 0..200)) {
            let (mut marks, mut set) = (Marks::default(), BTreeSet::new());
            for (step, id, high) in steps {
                let id = if high { u32::MAX - id } else { id };
                match step {
                    0 => {
                        marks.set(id);
                        set.insert(id);
                    }
                    1 => prop_assert_eq!(marks.clear(id), set.remove(&id)),
                    _ => prop_assert_eq!(marks.from(id), set.range(id..).next().copied()),
                }
                prop_assert_eq!(marks.has(id), set.contains(&id));
            }
            prop_assert!(marks.0.values().all(|bits| *bits != 0), "no room for those that are not set");
        }
    }
}
