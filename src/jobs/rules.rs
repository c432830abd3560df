//! What a job is, and the set of things it is about: plain functions of values.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::JobID;

/// How many things are done in one transaction, at most: nobody waits long behind it.
pub const CHUNK: usize = 500;
/// How many errors a job keeps; the others are only counted.
pub const KEPT_ERRORS: usize = 20;

/// What was seen of a thing when its job was asked for: other bytes are another state.
pub type Mark = [u8; 8];

/// IDs, and what was seen of each where that was kept.
pub type Items = Vec<(i64, Option<Mark>)>;

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody has begun it.
    Queued,
    /// Somebody works on it.
    Running,
    /// All of it was done, or at least tried.
    Done,
    /// It could not go on.
    Failed,
    /// Whoever began it may not do it any more.
    Cancelled,
}

impl State {
    const NAMES: [(Self, &'static str); 5] = [
        (Self::Queued, "queued"),
        (Self::Running, "running"),
        (Self::Done, "done"),
        (Self::Failed, "failed"),
        (Self::Cancelled, "cancelled"),
    ];

    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(state, _)| *state == self).map_or("", |(_, name)| name)
    }

    /// Reads what [`State::as_str`] wrote.
    pub fn parse(name: &str) -> Result<Self> {
        let known = Self::NAMES.iter().find(|(_, known)| *known == name);
        known.map(|(state, _)| *state).ok_or_else(|| Error::internal(format!("a job is stored as {name}")))
    }
}

/// Why one of the things was left as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Which.
    pub id: i64,
    /// Why, for a person.
    pub message: String,
}

/// A job that is to be stored; who begins it and when is said beside it.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Which kind of work.
    pub kind: &'static str,
    /// What the work needs to know, as JSON.
    pub parameters: String,
    /// What it is about.
    pub items: Collection,
}

/// A job as it is stored, but for what it is about.
#[derive(Clone, Debug)]
pub struct Job {
    /// Never given twice.
    pub id: JobID,
    /// Which kind of work.
    pub kind: String,
    /// What the work needs to know, as JSON.
    pub parameters: String,
    /// How far it is.
    pub state: State,
    /// Of how many things.
    pub total: i64,
    /// How many were done.
    pub done: i64,
    /// How many were left as they were, and `errors` says why of the first.
    pub failed: i64,
    /// The first few things that were left as they were.
    pub errors: Vec<Fault>,
    /// When it was asked for.
    pub created: Timestamp,
    /// When somebody began to work on it.
    pub started: Option<Timestamp>,
    /// When it came to its end.
    pub ended: Option<Timestamp>,
}

/// A set of IDs, gathered in ascending order: a byte or two for each, eight for what was seen of it, and a digest by
/// which the very same set in the very same state is known again.
#[derive(Clone)]
pub struct Collection {
    chunks: Vec<Chunk>,
    last: i64,
    in_chunk: usize,
    count: i64,
    hash: Sha256,
}

/// At most 500 IDs and what was seen of each, in the form in which they are stored.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    /// The IDs.
    pub ids: Vec<u8>,
    /// Their marks, one after the other.
    pub marks: Vec<u8>,
}

impl std::fmt::Debug for Collection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Collection({} IDs)", self.count)
    }
}

impl Default for Collection {
    fn default() -> Self {
        Self { chunks: Vec::new(), last: 0, in_chunk: CHUNK, count: 0, hash: Sha256::new() }
    }
}

impl Collection {
    /// Adds an ID that is larger than those before it, and what was seen of it. IDs begin with 1.
    pub fn push(&mut self, id: i64, mark: Mark) {
        if self.in_chunk == CHUNK {
            self.chunks.push(Chunk::default());
            (self.in_chunk, self.last) = (0, 0);
        }
        self.hash.update(id.to_be_bytes());
        self.hash.update(mark);
        if let Some(chunk) = self.chunks.last_mut() {
            write_number(&mut chunk.ids, id.abs_diff(self.last));
            chunk.marks.extend(mark);
        }
        self.last = id;
        self.in_chunk += 1;
        self.count += 1;
    }

    /// How many there are.
    pub fn count(&self) -> i64 {
        self.count
    }

    /// SHA-256 over the IDs and their marks, eight bytes each.
    pub fn digest(&self) -> [u8; 32] {
        self.hash.clone().finalize().into()
    }

    /// The IDs and what was seen of each, where there are few.
    pub fn into_items(self) -> Result<Items> {
        let chunks = self.chunks.iter().map(|chunk| items_of(&chunk.ids, Some(&chunk.marks)));
        Ok(chunks.collect::<Result<Vec<_>>>()?.concat())
    }

    /// The same in pieces of at most 500.
    pub fn into_chunks(self) -> Vec<Chunk> {
        self.chunks
    }
}

/// The IDs of a piece, and what was seen of each; nothing where that was not kept, by an older version of the program.
pub fn items_of(ids: &[u8], marks: Option<&[u8]>) -> Result<Items> {
    let ids = ids_of(ids)?;
    let Some(marks) = marks else { return Ok(ids.into_iter().map(|id| (id, None)).collect()) };
    let (marks, rest) = marks.as_chunks::<{ size_of::<Mark>() }>();
    if marks.len() != ids.len() || !rest.is_empty() {
        return Err(Error::internal("a job's row of marks cannot be read"));
    }
    Ok(ids.into_iter().zip(marks.iter().copied().map(Some)).collect())
}

/// Seven bits a byte, the low ones first; the eighth says that more follow.
fn write_number(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// The IDs of a piece.
fn ids_of(chunk: &[u8]) -> Result<Vec<i64>> {
    let damaged = || Error::internal("a job's row of IDs cannot be read");
    let (mut ids, mut last, mut number, mut shift) = (Vec::new(), 0_i64, 0_u64, 0_u32);
    for byte in chunk {
        let bits = u64::from(byte & 0x7f);
        number |= bits.checked_shl(shift).filter(|shifted| shifted >> shift == bits).ok_or_else(damaged)?;
        shift += 7;
        if byte & 0x80 == 0 {
            last = last.checked_add_unsigned(number).ok_or_else(damaged)?;
            ids.push(last);
            (number, shift) = (0, 0);
        }
    }
    if shift == 0 { Ok(ids) } else { Err(damaged()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_set_is_read_as_it_was_gathered(ids in prop::collection::btree_set(1..i64::MAX, 0..1_600)) {
            let mut collection = Collection::default();
            ids.iter().for_each(|id| collection.push(*id, id.to_le_bytes()));
            prop_assert_eq!(collection.count(), ids.len() as i64);
            let chunks = collection.into_chunks();
            prop_assert_eq!(chunks.len(), ids.len().div_ceil(CHUNK));
            let of = |chunk: &Chunk| items_of(&chunk.ids, Some(&chunk.marks)).expect("it was written by us");
            let read: Vec<_> = chunks.iter().flat_map(of).collect();
            prop_assert_eq!(read, ids.into_iter().map(|id| (id, Some(id.to_le_bytes()))).collect::<Vec<_>>());
        }

        #[test]
        fn two_sets_are_told_apart(a in prop::collection::btree_map(1_i64..20, 0_u8..2, 0..6), b in prop::collection::btree_map(1_i64..20, 0_u8..2, 0..6)) {
            let gathered = |ids: &std::collections::BTreeMap<i64, u8>| {
                let mut collection = Collection::default();
                ids.iter().for_each(|(id, mark)| collection.push(*id, [*mark; 8]));
                collection
            };
            prop_assert_eq!(gathered(&a).digest() == gathered(&b).digest(), a == b);
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..60), marks in prop::option::of(prop::collection::vec(any::<u8>(), 0..60))) {
            let _ = items_of(&bytes, marks.as_deref());
        }
    }

    #[test]
    fn a_hundred_thousand_ids_take_little() {
        let mut collection = Collection::default();
        (1..=100_000).for_each(|n| collection.push(2_000_000_000 + n * 3, [0; 8]));
        let bytes: usize = collection.into_chunks().iter().map(|chunk| chunk.ids.len()).sum();
        assert!(bytes < 102_000, "{bytes}");
    }
}
