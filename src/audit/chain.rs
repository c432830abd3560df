//! The chain of sealed events, as functions of values: how a link is made, and how one is found that was
//! tampered with.
//!
//! Each event's MAC covers its place, the MAC before it and all its columns, so that the first one changed,
//! removed, moved or slipped in no longer fits. Events that were sealed at one moment make a segment, whose
//! seal has a MAC of its own and remembers the last one in it: the head.

use std::fmt;

use crate::keyring::AuditKey;

/// The most events in a segment.
pub const MOST: i64 = 500;

/// What stands before the first event.
pub const GENESIS: [u8; 32] = [0; 32];

/// Columns as bytes, one after the other: no two rows read alike, because texts stand behind their length
/// and what may be missing behind a mark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Canonical(Vec<u8>);

impl Canonical {
    /// And a number.
    #[must_use]
    pub fn number(mut self, number: i64) -> Self {
        self.0.extend_from_slice(&number.to_le_bytes());
        self
    }

    /// And a number that may be missing.
    #[must_use]
    pub fn number_or_null(mut self, number: Option<i64>) -> Self {
        self.0.push(u8::from(number.is_some()));
        self.number(number.unwrap_or_default())
    }

    /// And bytes, or a text.
    #[must_use]
    pub fn bytes(self, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        let mut with = self.number(bytes.len() as i64);
        with.0.extend_from_slice(bytes);
        with
    }
}

/// The MAC of the event at a place.
pub fn mac_of_event(key: &AuditKey, position: i64, before: &[u8], event: &Canonical) -> Vec<u8> {
    key.mac(&[b"event/v1", &position.to_le_bytes(), before, &event.0]).to_vec()
}

/// A link: which event stands at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its place, from 1 on.
    pub position: i64,
    /// The event's ID.
    pub event: i64,
    /// Its MAC, as it was stored.
    pub mac: Vec<u8>,
    /// The event as it is now; none where it is gone.
    pub row: Option<Canonical>,
}

/// A segment's seal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// Its number, from 1 on.
    pub id: i64,
    /// The first place in the segment.
    pub first: i64,
    /// The last place in the segment.
    pub last: i64,
    /// The highest ID of an event that was sealed until then.
    pub highest_event: i64,
    /// The latest time of an event in the segment, in milliseconds since the epoch.
    pub newest: i64,
    /// When it was sealed, in milliseconds since the epoch.
    pub sealed_at: i64,
    /// The MAC of the last event.
    pub head: Vec<u8>,
    /// Which key it was sealed with.
    pub key_id: String,
    /// The first place that was sealed with this key.
    pub epoch_first: i64,
    /// Its own MAC.
    pub mac: Vec<u8>,
}

impl Seal {
    /// What its MAC must be.
    pub fn expected_mac(&self, key: &AuditKey) -> Vec<u8> {
        let Self { id, first, last, highest_event, newest, sealed_at, head, key_id, epoch_first, mac: _ } = self;
        let numbers = [*id, *first, *last, *highest_event, *newest, *sealed_at, *epoch_first];
        let all = numbers.into_iter().fold(Canonical::default(), Canonical::number).bytes(head).bytes(key_id);
        key.mac(&[b"seal/v1", &all.0]).to_vec()
    }
}

/// Where events were removed because their time was over, and what the chain goes on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The last place that was removed.
    pub position: i64,
    /// The last seal that was removed.
    pub seal: i64,
    /// The MAC of the last event that was removed.
    pub head: Vec<u8>,
    /// When, in milliseconds since the epoch.
    pub cut_at: i64,
    /// How many events.
    pub removed: i64,
    /// Which key the MAC below was made with.
    pub key_id: String,
    /// Its own MAC.
    pub mac: Vec<u8>,
}

impl Cut {
    /// What its MAC must be.
    pub fn expected_mac(&self, key: &AuditKey) -> Vec<u8> {
        let Self { position, seal, head, cut_at, removed, key_id, mac: _ } = self;
        let numbers = [*position, *seal, *cut_at, *removed];
        let all = numbers.into_iter().fold(Canonical::default(), Canonical::number).bytes(head).bytes(key_id);
        key.mac(&[b"cut/v1", &all.0]).to_vec()
    }
}

/// Seals events behind the latest seal; `events` are each an ID, a time and the columns, and not empty.
pub fn seal(key: &AuditKey, before: Option<&Seal>, events: &[(i64, i64, Canonical)], now: i64) -> (Seal, Vec<Link>) {
    let key_id = key.id();
    let last = before.map_or(0, |seal| seal.last);
    let epoch = before.filter(|seal| seal.key_id == key_id).map(|seal| seal.epoch_first);
    let mut head = before.map_or_else(|| GENESIS.to_vec(), |seal| seal.head.clone());
    let mut links: Vec<Link> = Vec::new();
    for (position, (event, _, row)) in (last + 1..).zip(events) {
        head = mac_of_event(key, position, &head, row);
        links.push(Link { position, event: *event, mac: head.clone(), row: Some(row.clone()) });
    }
    let mut seal = Seal {
        id: before.map_or(0, |seal| seal.id) + 1,
        first: last + 1,
        last: last + links.len() as i64,
        highest_event: events
            .iter()
            .map(|event| event.0)
            .chain(before.map(|seal| seal.highest_event))
            .max()
            .unwrap_or(0),
        newest: events.iter().map(|event| event.1).max().unwrap_or(now),
        sealed_at: now,
        head,
        key_id,
        epoch_first: epoch.unwrap_or(last + 1),
        mac: Vec::new(),
    };
    seal.mac = seal.expected_mac(key);
    (seal, links)
}

/// Cuts the chain behind a seal.
pub fn cut(key: &AuditKey, behind: &Seal, removed: i64, now: i64) -> Cut {
    let mut cut = Cut {
        position: behind.last,
        seal: behind.id,
        head: behind.head.clone(),
        cut_at: now,
        removed,
        key_id: key.id(),
        mac: Vec::new(),
    };
    cut.mac = cut.expected_mac(key);
    cut
}

/// What is wrong with the chain, and where it begins.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Fault {
    /// The event's ID, where it is known.
    pub event: Option<i64>,
    /// Its place; none for what is in no place.
    pub position: Option<i64>,
    /// What.
    pub wrong: Wrong,
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The event is not the one that was sealed.
    Changed,
    /// The event is gone.
    Removed,
    /// The event is as it was sealed, its stored MAC is not.
    Mac,
    /// The event is in no segment, and too old to be sealed yet.
    SlippedIn,
    /// The seal of the segment was changed, or is none.
    Seal,
    /// The seal of the segment is gone.
    SealRemoved,
    /// The segment claims to be of another key than the one that must have sealed it.
    ForeignKey,
    /// It claims to be of a key that is not at hand, where one must be that is.
    UnknownKey,
    /// The record of what was removed is none of the server's.
    Cut,
    /// Something stands where everything was removed, or before the beginning.
    BelowCut,
    /// SQLite holds it in another type than its column's.
    Mistyped,
    /// The chain no longer holds a head that was noted earlier.
    HeadNotFound,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.event, self.position) {
            (Some(event), Some(position)) => write!(f, "event {event}, at position {position} of the chain: ")?,
            (Some(event), None) => write!(f, "event {event}: ")?,
            (None, Some(position)) => write!(f, "position {position} of the chain: ")?,
            (None, None) => {}
        }
        f.write_str(match self.wrong {
            Wrong::Changed => "it was changed after it was sealed",
            Wrong::Removed => "it was removed",
            Wrong::Mac => "its MAC was changed; the event itself is as it was sealed",
            Wrong::SlippedIn => "it was slipped in: it is not sealed, and events that came after it are",
            Wrong::Seal => "the seal of its segment was changed",
            Wrong::SealRemoved => "the seal of its segment was removed",
            Wrong::ForeignKey => "it is sealed with another master key than the one whose seal must be here",
            Wrong::UnknownKey => {
                "it is said to be sealed with a master key that is none of those given, where one of those must be; give \
                 every one that was replaced since, or nothing vouches for it"
            }
            Wrong::Cut => "the record of what retention removed up to here is not the server's",
            Wrong::BelowCut => "it was slipped in where there can be nothing: before the chain's beginning, or where retention removed all",
            Wrong::Mistyped => "it was changed: a column of it holds another type of value than the server writes",
            Wrong::HeadNotFound => "the head that was noted is not in the chain: its end was cut off, or replaced",
        })
    }
}

/// What one master key has sealed: everything from a place on, up to where the next key's begins.
#[derive(Clone, Debug)]
struct Epoch {
    first: i64,
    key: AuditKey,
}

/// The epochs whose keys are at hand, from the latest back. Where each begins is in its last seal, whose MAC vouches
/// for it; so nothing in an epoch can be called another key's.
fn epochs(keys: &[AuditKey], ends: &[Seal]) -> Result<Vec<Epoch>, Fault> {
    let mut epochs: Vec<Epoch> = Vec::new();
    for end in ends {
        let at_seal = |wrong| Fault { event: None, position: Some(end.first), wrong };
        let Some(key) = keys.iter().find(|key| key.id() == end.key_id) else {
            return match (epochs.len(), keys.len()) {
                (0, _) => Err(at_seal(Wrong::ForeignKey)),
                // what an earlier key has sealed cannot be checked, but that is so only behind all that can be
                (known, given) if known < given => Err(at_seal(Wrong::UnknownKey)),
                _ => Ok(epochs),
            };
        };
        // the latest must be of the key in use, or whoever writes the database could call the whole chain another key's
        if epochs.is_empty() && keys.first().map(AuditKey::id).as_ref() != Some(&end.key_id) {
            return Err(at_seal(Wrong::ForeignKey));
        }
        if end.mac != end.expected_mac(key) {
            return Err(at_seal(Wrong::Seal));
        }
        epochs.push(Epoch { first: end.epoch_first, key: key.clone() });
    }
    Ok(epochs)
}

/// A walk along the chain: which place comes next, and what was found on the way.
#[derive(Clone, Debug)]
pub struct Walk {
    keys: Vec<AuditKey>,
    epochs: Vec<Epoch>,
    /// The last place that was walked over.
    pub position: i64,
    seal: i64,
    mac: Vec<u8>,
    /// Events that are as they were sealed.
    pub checked: i64,
    /// Events that are said to be sealed with a key that is not at hand.
    pub unchecked: i64,
    /// Whether the cut that it began behind is said to be of such a key.
    pub cut_is_unchecked: bool,
}

impl Walk {
    /// Begins behind the latest cut, or at the beginning. `keys` are the one in use, then older ones, each once; `ends`
    /// are the last seals of the latest epochs, from the one that the chain ends in back.
    pub fn begin(keys: Vec<AuditKey>, cut: Option<&Cut>, ends: &[Seal]) -> Result<Self, Fault> {
        let epochs = epochs(&keys, ends)?;
        let mut cut_is_unchecked = false;
        if let Some(cut) = cut {
            let at_cut = |wrong| Fault { event: None, position: Some(cut.position), wrong };
            let beginning = epochs.last().map_or(i64::MAX, |epoch| epoch.first);
            let genuine = match keys.iter().find(|key| key.id() == cut.key_id) {
                Some(key) => cut.mac == cut.expected_mac(key),
                None if epochs.len() < keys.len() => return Err(at_cut(Wrong::UnknownKey)),
                // a key cuts nothing but what was sealed before it was replaced
                None => cut.position < beginning,
            };
            // the latest seal is never removed
            if !genuine || ends.is_empty() {
                return Err(at_cut(Wrong::Cut));
            }
            cut_is_unchecked = !keys.iter().any(|key| key.id() == cut.key_id);
        }
        Ok(Self {
            keys,
            epochs,
            position: cut.map_or(0, |cut| cut.position),
            seal: cut.map_or(0, |cut| cut.seal),
            mac: cut.map_or_else(|| GENESIS.to_vec(), |cut| cut.head.clone()),
            checked: 0,
            unchecked: 0,
            cut_is_unchecked,
        })
    }

    /// Walks over one segment, whose links come by their places.
    pub fn segment(&mut self, seal: &Seal, links: &[Link]) -> Result<(), Fault> {
        let next = self.position + 1;
        let at_first = |wrong| Fault {
            event: links.first().filter(|link| link.position == next).map(|link| link.event),
            position: Some(next),
            wrong,
        };
        if seal.id != self.seal + 1 {
            return Err(at_first(Wrong::SealRemoved));
        }
        if seal.first != next || seal.last < seal.first || seal.last - seal.first >= MOST {
            return Err(at_first(Wrong::Seal));
        }
        let key = self.keys.iter().find(|key| key.id() == seal.key_id).cloned();
        let epoch = self.epochs.iter().find(|epoch| epoch.first <= seal.last);
        if epoch.is_some_and(|epoch| epoch.key.id() != seal.key_id) {
            return Err(at_first(Wrong::ForeignKey));
        }
        let begins = epoch.is_none_or(|epoch| epoch.first == seal.epoch_first);
        let mut links = links.iter().peekable();
        for position in seal.first..=seal.last {
            let link = links.next().filter(|link| link.position == position);
            let Some(link) = link else {
                return Err(Fault { event: None, position: Some(position), wrong: Wrong::Removed });
            };
            let fault = |wrong| Fault { event: Some(link.event), position: Some(position), wrong };
            let Some(row) = &link.row else {
                return Err(fault(Wrong::Removed));
            };
            if let Some(key) = &key {
                let expected = mac_of_event(key, position, &self.mac, row);
                if expected != link.mac {
                    // if what follows goes on from the MAC that it should be, the event is not to blame
                    let goes_on = match links.peek().and_then(|next| Some((next, next.row.as_ref()?))) {
                        Some((next, row)) => next.mac == mac_of_event(key, position + 1, &expected, row),
                        None => position == seal.last && seal.head == expected,
                    };
                    return Err(fault(if goes_on { Wrong::Mac } else { Wrong::Changed }));
                }
                self.checked += 1;
            } else {
                self.unchecked += 1;
            }
            self.mac.clone_from(&link.mac);
            self.position = position;
        }
        let genuine = key.is_none_or(|key| seal.mac == seal.expected_mac(&key));
        if self.mac != seal.head || !genuine || !begins {
            return Err(Fault { event: None, position: Some(seal.first), wrong: Wrong::Seal });
        }
        self.seal = seal.id;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::{Keyring, MasterKey};
    use proptest::prelude::*;

    fn key() -> AuditKey {
        use std::sync::OnceLock;
        static KEY: OnceLock<AuditKey> = OnceLock::new();
        KEY.get_or_init(another_key).clone()
    }

    fn another_key() -> AuditKey {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let master = MasterKey::create(&dir.path().join("master.key")).expect("it can be written");
        Keyring::derive(&master).audit_key().clone()
    }

    fn row(event: i64, text: &str) -> Canonical {
        Canonical::default().number(event).bytes(text).number_or_null(None)
    }

    /// A chain of segments of these sizes.
    fn chain(key: &AuditKey, sizes: &[usize]) -> Vec<(Seal, Vec<Link>)> {
        let (mut event, mut chain) = (10, Vec::<(Seal, Vec<Link>)>::new());
        for size in sizes {
            let events: Vec<_> = (0..*size)
                .map(|_| {
                    event += 1;
                    (event, event * 10, row(event, &format!("event {event}")))
                })
                .collect();
            let made = seal(key, chain.last().map(|(seal, _)| seal), &events, event * 10 + 1);
            chain.push(made);
        }
        chain
    }

    fn walk(keys: Vec<AuditKey>, cut: Option<&Cut>, chain: &[(Seal, Vec<Link>)]) -> Result<Walk, Fault> {
        let mut ends: Vec<Seal> = Vec::new();
        for (seal, _) in chain.iter().rev() {
            if ends.last().is_none_or(|end| seal.last < end.epoch_first) {
                ends.push(seal.clone());
            }
        }
        let mut walk = Walk::begin(keys, cut, &ends)?;
        chain.iter().try_for_each(|(seal, links)| walk.segment(seal, links))?;
        Ok(walk)
    }

    #[test]
    fn columns_cannot_run_into_each_other() {
        let texts = |a: &str, b: &str| Canonical::default().bytes(a).bytes(b);
        assert_ne!(texts("ab", "c"), texts("a", "bc"));
        assert_ne!(texts("", "a"), texts("a", ""));
        let number = |number| Canonical::default().number_or_null(number);
        assert_ne!(number(None), number(Some(0)));
    }

    #[test]
    fn a_new_key_goes_on_from_the_old_keys_head_and_says_from_where() {
        let (old, new) = (another_key(), another_key());
        let mut both = chain(&old, &[3, 2]);
        let events = [(90, 1, row(90, "replaced")), (91, 2, row(91, "after"))];
        let made = seal(&new, both.last().map(|(seal, _)| seal), &events, 3);
        both.push(made);
        let found = walk(vec![new.clone()], None, &both).expect("no false alarm");
        assert_eq!((found.checked, found.unchecked, found.position), (2, 5, 7));
        let found = walk(vec![new.clone(), old.clone()], None, &both).expect("all of it");
        assert_eq!((found.checked, found.unchecked), (7, 0));
        // nobody can call this key's events another's
        let mut claimed = both.clone();
        claimed[2].0.key_id = "0123456789abcdef".into();
        assert_eq!(walk(vec![new.clone()], None, &claimed).expect_err("claimed").wrong, Wrong::ForeignKey);
        let mut claimed = chain(&new, &[2, 2, 2]);
        claimed[1].0.key_id = "0123456789abcdef".into();
        assert_eq!(walk(vec![new], None, &claimed).expect_err("claimed").wrong, Wrong::ForeignKey);
        assert_eq!(walk(vec![old], None, &both).expect_err("not the latest").wrong, Wrong::ForeignKey);
    }

    /// Three keys' chain of two segments each.
    fn three_epochs() -> (Vec<AuditKey>, Vec<(Seal, Vec<Link>)>) {
        let keys = vec![another_key(), another_key(), another_key()];
        let mut chain: Vec<(Seal, Vec<Link>)> = Vec::new();
        for (key, event) in keys.iter().zip([10, 20, 30]) {
            for event in [event, event + 5] {
                let events: Vec<_> = (event..event + 3).map(|event| (event, event, row(event, "sealed"))).collect();
                chain.push(seal(key, chain.last().map(|(seal, _)| seal), &events, event));
            }
        }
        (keys, chain)
    }

    /// Somebody who writes the database and has no key: seals a segment anew, and says that it is another key's.
    fn forge(chain: &mut [(Seal, Vec<Link>)], segment: usize, key: &AuditKey) {
        let before = segment.checked_sub(1).map(|before| chain[before].0.clone());
        let (old, links) = &chain[segment];
        let events: Vec<_> = links.iter().map(|link| (link.event, link.event, row(link.event, "forged"))).collect();
        let (forged, links) = seal(key, before.as_ref(), &events, old.sealed_at);
        // the head is kept, so that what comes behind goes on from it
        let (head, mut links) = (old.head.clone(), links);
        if let Some(last) = links.last_mut() {
            last.mac.clone_from(&head);
        }
        chain[segment] = (Seal { head, ..forged }, links);
    }

    #[test]
    fn with_the_old_keys_nothing_can_be_called_an_unknown_keys() {
        let (keys, whole) = three_epochs();
        let (first, second, third) = (keys[0].clone(), keys[1].clone(), keys[2].clone());
        let unknown = another_key();
        let found = walk(vec![third.clone(), second.clone()], None, &whole).expect("the first key may be lost");
        assert_eq!((found.checked, found.unchecked), (12, 6));
        let found = walk(vec![third.clone(), first.clone(), second.clone()], None, &whole).expect("in any order");
        assert_eq!((found.checked, found.unchecked), (18, 0));
        let lost = walk(vec![third.clone(), first.clone()], None, &whole).expect_err("the second key is missing");
        assert_eq!((lost.position, lost.wrong), (Some(10), Wrong::UnknownKey));

        for segment in 0..4 {
            let mut forged = whole.clone();
            forge(&mut forged, segment, &unknown);
            let position = whole[segment].0.first;
            let all = walk(vec![third.clone(), second.clone(), first.clone()], None, &forged).expect_err("forged");
            let expected = if segment % 2 == 1 { Wrong::UnknownKey } else { Wrong::ForeignKey };
            assert_eq!((all.position, all.wrong), (Some(position), expected), "segment {segment}");
            let two = walk(vec![third.clone(), second.clone()], None, &forged);
            assert_eq!(two.is_ok(), segment < 2, "only the lost key's own events can be forged: {segment}");
        }
        // a whole epoch that another is put in the place of
        let mut forged = whole.clone();
        for segment in 2..4 {
            forge(&mut forged, segment, &unknown);
        }
        assert_eq!(
            walk(vec![third.clone(), second, first], None, &forged).expect_err("forged").wrong,
            Wrong::UnknownKey
        );
        assert_eq!(walk(vec![third], None, &forged).expect("nobody can know").unchecked, 12);
    }

    #[test]
    fn with_the_old_keys_no_cut_can_be_called_an_unknown_keys() {
        let (keys, whole) = three_epochs();
        let (first, second, third) = (keys[0].clone(), keys[1].clone(), keys[2].clone());
        let all = || vec![third.clone(), second.clone(), first.clone()];
        let unknown = another_key();
        for segment in 0..5 {
            let (seal, rest) = (&whole[segment].0, &whole[segment + 1..]);
            let genuine = [&first, &first, &second, &second, &third][segment];
            walk(all(), Some(&cut(genuine, seal, 3, 7)), rest).expect("the server's own");
            let forged = cut(&unknown, seal, 3, 7);
            let wrong = walk(all(), Some(&forged), rest).expect_err("forged").wrong;
            let expected = if segment == 0 { Wrong::Cut } else { Wrong::UnknownKey };
            assert_eq!(wrong, expected, "segment {segment}");
            match walk(vec![third.clone()], Some(&forged), rest) {
                Ok(found) => assert!(segment < 4 && found.cut_is_unchecked),
                Err(fault) => assert!(segment == 4 && fault.wrong == Wrong::Cut, "{fault:?}"),
            }
        }
        assert!(!walk(all(), Some(&cut(&third, &whole[1].0, 3, 7)), &whole[2..]).expect("genuine").cut_is_unchecked);
    }

    #[test]
    fn a_cut_must_be_the_servers_own() {
        let (key, mut whole) = (key(), chain(&key(), &[4, 1, 5]));
        let genuine = cut(&key, &whole[1].0, 5, 7);
        let rest = whole.split_off(2);
        let found = walk(vec![key.clone()], Some(&genuine), &rest).expect("the rest is whole");
        assert_eq!((found.checked, found.position), (5, 10));
        for forge in [
            |cut: &mut Cut| cut.position += 1,
            |cut: &mut Cut| cut.seal += 1,
            |cut: &mut Cut| cut.head[0] ^= 1,
            |cut: &mut Cut| cut.removed += 1,
            |cut: &mut Cut| cut.cut_at += 1,
            |cut: &mut Cut| cut.key_id = "0123456789abcdef".into(),
        ] {
            let mut forged = genuine.clone();
            forge(&mut forged);
            assert_eq!(walk(vec![key.clone()], Some(&forged), &rest).expect_err("forged").wrong, Wrong::Cut);
        }
        let missing = walk(vec![key.clone()], None, &rest).expect_err("a cut that is gone");
        assert_eq!((missing.position, missing.wrong), (Some(1), Wrong::SealRemoved));
        assert_eq!(walk(vec![key], Some(&genuine), &[]).expect_err("all is gone").wrong, Wrong::Cut);
    }

    /// What somebody might do to the place `at` (from 0) of a chain that is laid out in one row.
    #[derive(Clone, Copy, Debug)]
    enum Tampering {
        Row,
        EventGone,
        LinkGone,
        Mac,
        Swap,
        SlipIn,
        Seal(u8),
        SealGone,
    }

    fn tamperings() -> impl Strategy<Value = Tampering> {
        use Tampering::*;
        prop_oneof![
            Just(Row),
            Just(EventGone),
            Just(LinkGone),
            Just(Mac),
            Just(Swap),
            Just(SlipIn),
            (0u8..8).prop_map(Seal),
            Just(SealGone)
        ]
    }

    /// Does it; answers the place of the first event that a walk must then name.
    fn tamper(chain: &mut Vec<(Seal, Vec<Link>)>, segment: usize, within: usize, how: Tampering) -> (i64, Vec<Wrong>) {
        let segments = chain.len();
        let (seal, links) = &mut chain[segment];
        let within = within % links.len();
        let position = links[within].position;
        match how {
            Tampering::Row => {
                links[within].row = Some(row(links[within].event, "another"));
                (position, vec![Wrong::Changed])
            }
            Tampering::EventGone => {
                links[within].row = None;
                (position, vec![Wrong::Removed])
            }
            Tampering::LinkGone => {
                links.remove(within);
                (position, vec![Wrong::Removed])
            }
            Tampering::Mac => {
                links[within].mac[7] ^= 0x10;
                (position, vec![Wrong::Mac])
            }
            Tampering::Swap => {
                let other = (within + 1) % links.len();
                let (a, b) = (links[within].clone(), links[other].clone());
                (links[within].event, links[within].row) = (b.event, b.row);
                (links[other].event, links[other].row) = (a.event, a.row);
                match a.event == b.event {
                    true => (0, vec![]),
                    false => (position.min(links[other].position), vec![Wrong::Changed]),
                }
            }
            Tampering::SlipIn => {
                let mut slipped = links[within].clone();
                slipped.event = 1_000_000;
                slipped.row = Some(row(1_000_000, "slipped in"));
                links.insert(within, slipped);
                for (position, link) in (seal.first..).zip(links.iter_mut()) {
                    link.position = position;
                }
                seal.last += 1;
                match segment + 1 == segments {
                    // the latest seal is looked at first of all
                    true => (seal.first, vec![Wrong::Seal]),
                    false => (position, vec![Wrong::Changed]),
                }
            }
            Tampering::Seal(which) => {
                match which {
                    0 => seal.highest_event += 1,
                    1 => seal.newest -= 1,
                    2 => seal.sealed_at += 1,
                    3 => seal.head[0] ^= 1,
                    4 => seal.epoch_first += 1,
                    5 => seal.mac[31] ^= 1,
                    6 => seal.last += 600,
                    _ => seal.first += 1,
                }
                // the latest seal is looked at first of all, and by what it says
                let position = if segment + 1 == segments { seal.first } else { links[0].position };
                (position, vec![Wrong::Seal])
            }
            Tampering::SealGone => {
                let first = seal.first;
                match segment + 1 == segments {
                    true => {
                        // the end is cut off: no walk can know
                        chain.pop();
                        (0, vec![])
                    }
                    false => {
                        chain.remove(segment);
                        (first, vec![Wrong::SealRemoved])
                    }
                }
            }
        }
    }

    proptest! {
        /// Whatever is done to a chain by somebody without the key, the walk names the first place that it concerns.
        #[test]
        fn the_first_place_that_was_tampered_with_is_named(
            sizes in prop::collection::vec(1usize..6, 1..6),
            segment in any::<prop::sample::Index>(),
            within in 0usize..6,
            how in tamperings(),
        ) {
            let key = key();
            let mut chain = chain(&key, &sizes);
            let whole = walk(vec![key.clone()], None, &chain).expect("nothing was done yet");
            prop_assert_eq!(whole.checked, sizes.iter().sum::<usize>() as i64);
            let (position, wrongs) = tamper(&mut chain, segment.index(sizes.len()), within, how);
            match walk(vec![key], None, &chain) {
                Ok(_) => prop_assert!(wrongs.is_empty(), "{how:?} went unnoticed"),
                Err(fault) => {
                    prop_assert_eq!(fault.position, Some(position), "{:?}: {}", how, &fault);
                    prop_assert!(wrongs.contains(&fault.wrong), "{how:?}: {fault:?}");
                }
            }
        }
    }
}
