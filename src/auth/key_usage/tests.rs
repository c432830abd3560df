//! What is noted of keys is true at any time, and is written once, whatever is forgotten and written meanwhile.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;

use super::super::known_keys::tests::sample;
use super::*;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const KEY: ApiKeyID = ApiKeyID::new(8);

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_795_262_415_000 + millis)
}

fn use_of(last_used: i64, address: IpAddr, uses: i64) -> SecretUse {
    SecretUse { last_used: Some(at(last_used)), last_address: Some(address.to_string()), uses }
}

#[test]
fn a_success_resets_the_failures_and_later_ones_add_up() {
    let usage = KeyUsage::new(1);
    assert_eq!(usage.overlay(KEY, Some(at(5)), 7), (Some(at(5)), 7), "nothing noted");
    usage.failed(KEY);
    assert_eq!(usage.overlay(KEY, Some(at(5)), 7), (Some(at(5)), 8), "added to what is stored");
    usage.succeeded(KEY, 1, HERE, at(9));
    usage.failed(KEY);
    usage.failed(KEY);
    assert_eq!(usage.overlay(KEY, Some(at(5)), 7), (Some(at(9)), 2), "counted from the success on");
    assert_eq!(usage.overlay(KEY, Some(at(12)), 0), (Some(at(12)), 2), "another node's later use stands");
    let known = sample(8, 1);
    usage.remember(known.clone());
    usage.used(&known, 1, HERE, at(13));
    assert_eq!(usage.overlay(KEY, Some(at(5)), 7), (Some(at(13)), 0), "by the key itself");
    usage.failed(KEY);
    assert_eq!(usage.overlay(KEY, Some(at(5)), 7), (Some(at(13)), 1));
    usage.used(&known, 1, HERE, at(14));
    assert_eq!(usage.overlay(KEY, Some(at(5)), 7), (Some(at(14)), 0));
}

#[test]
fn what_happens_while_notes_are_written_is_not_lost() {
    let usage = KeyUsage::new(1);
    usage.succeeded(KEY, 1, HERE, at(1));
    usage.failed(KEY);
    usage.failed(KEY);
    usage.notes().settle(KEY, Note { last_success: Some(at(1)), failures: 1 });
    assert_eq!(usage.overlay(KEY, Some(at(1)), 1), (Some(at(1)), 2));
    usage.succeeded(KEY, 1, HERE, at(1));
    usage.notes().settle(KEY, Note { last_success: None, failures: 1 });
    assert_eq!(usage.overlay(KEY, None, 2), (Some(at(1)), 0), "a success within the same millisecond");
}

#[test]
fn each_secret_has_its_own_use() {
    let usage = KeyUsage::new(1);
    let there = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));
    let stored = |last_used, uses| use_of(last_used, HERE, uses);
    assert_eq!(usage.secret_overlay(KEY, 1, stored(5, 7)), stored(5, 7), "nothing noted");
    usage.succeeded(KEY, 1, HERE, at(9));
    usage.succeeded(KEY, 2, HERE, at(9));
    usage.succeeded(KEY, 1, there, at(10));
    let noted = |uses| use_of(10, there, uses);
    assert_eq!(usage.secret_overlay(KEY, 1, stored(5, 7)), noted(9));
    assert_eq!(usage.secret_overlay(KEY, 1, SecretUse::default()), noted(2));
    assert_eq!(usage.secret_overlay(KEY, 1, stored(12, 7)), stored(12, 9), "another node's later use stands");
    assert_eq!((usage.last_use(KEY, 2), usage.last_use(KEY, 3)), (Some(at(9)), None));
    usage.notes().settle_use(1, SecretNote { last_used: at(9), address: HERE, uses: 1 });
    assert_eq!(usage.secret_overlay(KEY, 1, stored(9, 8)), noted(9), "what came while it was written is not lost");
    usage.notes().settle_use(1, SecretNote { last_used: at(10), address: there, uses: 1 });
    assert_eq!(usage.last_use(KEY, 1), None);
}

#[test]
fn a_key_that_is_forgotten_has_its_uses_still() {
    let usage = KeyUsage::new(1);
    let (first, other) = (sample(8, 1), sample(9, 2));
    usage.remember(first.clone());
    (1..=3).for_each(|moment| usage.used(&first, 1, HERE, at(moment)));
    usage.remember(other.clone());
    assert!(usage.remembered(KEY).is_none());
    assert_eq!(usage.secret_overlay(KEY, 1, SecretUse::default()), use_of(3, HERE, 3));
    assert_eq!(usage.overlay(KEY, None, 5), (Some(at(3)), 0));
    // whoever found it before still uses it
    let there = "2001:db8::7".parse().expect("an address");
    usage.used(&first, 1, there, at(4));
    assert_eq!(usage.secret_overlay(KEY, 1, SecretUse::default()), use_of(4, there, 4));
    // it is remembered anew, and in place of that anew, by another secret
    let again = sample(8, 1);
    usage.remember(again.clone());
    usage.used(&again, 1, there, at(5));
    let rotated = sample(8, 7);
    usage.remember(rotated.clone());
    usage.used(&rotated, 7, HERE, at(6));
    usage.used(&again, 1, HERE, at(7));
    usage.used(&rotated, 1, HERE, at(8));
    assert_eq!(usage.secret_overlay(KEY, 1, SecretUse::default()), use_of(8, HERE, 7));
    assert_eq!(usage.secret_overlay(KEY, 7, SecretUse::default()), use_of(6, HERE, 1));
    assert_eq!(usage.overlay(KEY, None, 5), (Some(at(8)), 0));
}

#[test]
fn of_many_keys_so_many_are_gathered_and_each_in_its_turn() {
    let usage = KeyUsage::new(4_000);
    for id in 1..=1_000 {
        let key = sample(id, id);
        usage.remember(key.clone());
        usage.used(&key, id, HERE, at(id));
    }
    let mut seen = BTreeMap::<i64, usize>::new();
    for round in 0..10 {
        usage.gather(300);
        assert!(usage.notes().rows() <= 300, "round {round}");
        let (keys, secrets) = usage.notes().next(300);
        keys.iter().for_each(|(key, written)| usage.notes().settle(*key, *written));
        secrets.iter().for_each(|(row, written)| usage.notes().settle_use(*row, *written));
        for (row, note) in secrets {
            assert!(note.uses == 1 || row <= 100, "{row}");
            assert_eq!(note.last_used, at(row));
            *seen.entry(row).or_default() += 1;
        }
        // those that were written first are used again all the time, and keep nobody waiting
        for id in 1..=100 {
            usage.used(&usage.remembered(ApiKeyID::new(id)).expect("room for all"), id, HERE, at(id));
        }
    }
    assert_eq!(seen.len(), 1_000);
    assert!(seen.iter().all(|(id, times)| if *id > 100 { *times == 1 } else { *times >= 2 }), "{seen:?}");
}

/// Four workers use sixteen keys of which a few are remembered at a time, while what they noted is written: the sum is
/// exact, by each secret.
#[test]
fn no_use_is_lost_and_none_counted_twice() {
    const KEYS: i64 = 16;
    const EACH: i64 = 100_000;
    for room in [1, 4, 40] {
        let (usage, over) = (KeyUsage::new(room), AtomicBool::new(false));
        let mut written = HashMap::<i64, i64>::new();
        let mut made = HashMap::<i64, i64>::new();
        let write = |written: &mut HashMap<i64, i64>| {
            usage.gather(7);
            let (keys, secrets) = usage.notes().next(7);
            keys.iter().for_each(|(key, note)| usage.notes().settle(*key, *note));
            for (row, note) in secrets {
                *written.entry(row).or_default() += note.uses;
                usage.notes().settle_use(row, note);
            }
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (1..=4_u64)
                .map(|worker| {
                    let usage = &usage;
                    scope.spawn(move || {
                        let (mut random, mut made) = (worker, HashMap::<i64, i64>::new());
                        let mut held = sample(1, 1);
                        for step in 0..EACH {
                            random =
                                random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                            let dice = (random >> 33).cast_signed();
                            let id = dice % KEYS + 1;
                            let key = match dice >> 8 & 15 {
                                // one that was found a while ago, and may have been forgotten or replaced since
                                0 => held.clone(),
                                1 => {
                                    held = sample(id, id);
                                    usage.remember(held.clone());
                                    held.clone()
                                }
                                _ => usage.remembered(ApiKeyID::new(id)).unwrap_or_else(|| {
                                    let key = sample(id, id);
                                    usage.remember(key.clone());
                                    key
                                }),
                            };
                            let address = if dice >> 12 & 7 == 0 { IpAddr::from([0; 16]) } else { HERE };
                            let secret = key.id().get() + if dice >> 15 & 15 == 0 { 1_000 } else { 0 };
                            usage.used(&key, secret, address, at(step));
                            *made.entry(secret).or_default() += 1;
                        }
                        made
                    })
                })
                .collect();
            let writer = scope.spawn(|| {
                let mut written = HashMap::new();
                while !over.load(Ordering::Acquire) {
                    write(&mut written);
                }
                written
            });
            for worker in workers {
                for (secret, uses) in worker.join().expect("no panic") {
                    *made.entry(secret).or_default() += uses;
                }
            }
            over.store(true, Ordering::Release);
            written.extend(writer.join().expect("no panic"));
        });
        // nothing is left to be found twice
        for _ in 0..KEYS {
            write(&mut written);
        }
        assert_eq!(usage.notes().rows(), 0);
        assert_eq!(made.values().sum::<i64>(), 4 * EACH);
        assert_eq!(written, made, "room for {room}");
    }
}

/// What may happen to five keys, each by two secrets.
#[derive(Clone, Debug)]
enum Step {
    /// It is read, by its only or its second secret.
    Read(i64, bool),
    /// One of those that were read, the last or one before, is used: by that secret, from there, so much later.
    Used {
        key: i64,
        before: usize,
        second: bool,
        from: usize,
        later: i64,
    },
    /// It is used at the API.
    Direct(i64, bool),
    Failed(i64),
    /// So many are taken to be written.
    Take(usize),
    /// What was taken is written.
    Written,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = || 1..=5_i64;
    let used = (key(), 0..3_usize, any::<bool>(), 0..4_usize, 0..3_i64);
    let step = prop_oneof![
        3 => (key(), any::<bool>()).prop_map(|(key, second)| Step::Read(key, second)),
        8 => used.prop_map(|(key, before, second, from, later)| Step::Used { key, before, second, from, later }),
        1 => (key(), any::<bool>()).prop_map(|(key, second)| Step::Direct(key, second)),
        1 => key().prop_map(Step::Failed),
        1 => (0..4_usize).prop_map(Step::Take),
        1 => Just(Step::Written),
    ];
    prop::collection::vec(step, 0..120)
}

/// The secret's row.
fn row(key: i64, second: bool) -> i64 {
    key + if second { 100 } else { 0 }
}

/// What is stored, and what would be if every use were written at once.
#[derive(Default)]
struct Tables {
    keys: BTreeMap<i64, (Option<Timestamp>, i64)>,
    secrets: BTreeMap<i64, SecretUse>,
}

impl Tables {
    fn succeeded(&mut self, key: i64, secret: i64, address: IpAddr, now: Timestamp) {
        self.keys.insert(key, (Some(now), 0));
        self.used(secret, SecretNote { last_used: now, address, uses: 1 });
    }

    fn used(&mut self, secret: i64, note: SecretNote) {
        let row = self.secrets.entry(secret).or_default();
        let (last_used, last_address) = (Some(note.last_used), Some(note.address.to_string()));
        *row = SecretUse { last_used, last_address, uses: row.uses + note.uses };
    }

    fn write(&mut self, key: ApiKeyID, note: Note) {
        let row = self.keys.entry(key.get()).or_default();
        *row = note.laid_over(row.0, row.1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Whatever happens in whichever order, and with room for two keys of five: what is read is what happened. Halfway the
    /// clock goes beyond what a word can hold.
    #[test]
    fn what_is_read_is_true(steps in steps()) {
        let addresses = ["127.0.0.1", "10.1.2.3", "::1", "255.255.255.255"].map(|text| text.parse().expect("an address"));
        let (usage, mut truth, mut stored) = (KeyUsage::new(2), Tables::default(), Tables::default());
        let mut read = HashMap::<i64, Vec<SharedKey>>::new();
        let mut now = 1_577_836_800_000 + (1_i64 << 41) - 50;
        let mut taken = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Read(key, second) => {
                    let known = sample(key, row(key, second));
                    usage.remember(known.clone());
                    read.entry(key).or_default().push(known);
                }
                Step::Used { key, before, second, from, later } => {
                    now += later;
                    let now = Timestamp::from_millis(now);
                    let Some(known) = read.get(&key).and_then(|read| read.iter().rev().nth(before)) else { continue };
                    usage.used(known, row(key, second), addresses[from], now);
                    truth.succeeded(key, row(key, second), addresses[from], now);
                }
                Step::Direct(key, second) => {
                    let now = Timestamp::from_millis(now);
                    usage.succeeded(ApiKeyID::new(key), row(key, second), HERE, now);
                    truth.succeeded(key, row(key, second), HERE, now);
                }
                Step::Failed(key) => {
                    usage.failed(ApiKeyID::new(key));
                    truth.keys.entry(key).or_default().1 += 1;
                }
                Step::Take(most) => {
                    if taken.0.is_empty() && taken.1.is_empty() {
                        usage.gather(most);
                        taken = usage.notes().next(most.max(1));
                    }
                }
                Step::Written => {
                    for (key, note) in std::mem::take(&mut taken.0) {
                        stored.write(key, note);
                        usage.notes().settle(key, note);
                    }
                    for (row, note) in std::mem::take(&mut taken.1) {
                        stored.used(row, note);
                        usage.notes().settle_use(row, note);
                    }
                }
            }
            for key in 1..=5 {
                let (last, failures) = stored.keys.get(&key).copied().unwrap_or_default();
                let expected = truth.keys.get(&key).copied().unwrap_or_default();
                prop_assert_eq!(usage.overlay(ApiKeyID::new(key), last, failures), expected, "key {}", key);
                for second in [false, true] {
                    let row = row(key, second);
                    let stored = stored.secrets.get(&row).cloned().unwrap_or_default();
                    let expected = truth.secrets.get(&row).cloned().unwrap_or_default();
                    prop_assert_eq!(usage.secret_overlay(ApiKeyID::new(key), row, stored), expected, "row {}", row);
                }
            }
        }
    }
}
