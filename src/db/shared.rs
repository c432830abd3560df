//! What the changes that share a transaction have in common: what they have read, and what they leave to its end.
//!
//! Changes that only add rows ([`Database::add`](super::Database::add)) come in crowds. They ask for the same few rows
//! first: whether the caller still stands, the profile, the role. One that follows another of its kind in the same
//! transaction need not ask again. On SQLite, whose one writer sees everything that is written, neither need it in the
//! next transaction, for as long as nothing else was written at all.
//!
//! And what each of them writes hardly anybody reads before the commit: its event, for one. Such rows wait until all have
//! run and are written together, which spares a round trip each on PostgreSQL. A row that others refer to can wait too
//! where its number is known before: numbers are taken for many at once. Whoever does read such rows has them written
//! first ([`Shared::write_waiting`]).

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::hash::Hash;

use super::Db;
use crate::error::Result;

/// So many answers of one kind are kept; then that kind begins anew.
const MOST: usize = 256;

/// Of changes that share a transaction, or of one that has its own.
#[derive(Default)]
pub struct Shared {
    /// Answers of the database by what was asked. A kind of question is a type of its own.
    answers: HashMap<TypeId, Box<dyn Any + Send>>,
    /// Rows that are still to be written, a kind after the other; none where a row is written at once.
    later: Option<Vec<Box<dyn Rows>>>,
    /// How many more changes are expected, the one at hand included.
    expected: usize,
    /// Numbers of new keys that were taken and not given yet, the lowest last.
    numbers: Vec<i64>,
}

/// So many numbers are taken at once.
const NUMBERS: usize = 64;

/// A kind of row that can be written later, in the same transaction.
pub trait Later: Sized + Send + 'static {
    /// Rows of a lower rank are written first: those that others refer to.
    const RANK: u8;

    /// Writes the rows.
    fn write(db: &mut Db, rows: Vec<Self>) -> Result<()>;
}

/// Rows of one kind that wait, whichever that is.
trait Rows: Any + Send {
    fn rank(&self) -> u8;
    fn write(&mut self, db: &mut Db) -> Result<()>;
    fn drop_all(&mut self);
}

impl<R: Later> Rows for Vec<R> {
    fn rank(&self) -> u8 {
        R::RANK
    }

    fn write(&mut self, db: &mut Db) -> Result<()> {
        let rows = std::mem::take(self);
        if rows.is_empty() { Ok(()) } else { R::write(db, rows) }
    }

    fn drop_all(&mut self) {
        self.clear();
    }
}

impl Shared {
    /// Of changes that run one after another in a transaction of somebody who calls [`Shared::write_waiting`] before the
    /// commit, and [`Shared::drop_waiting`] where they are undone.
    pub(super) fn by_many() -> Self {
        Self { later: Some(Vec::new()), ..Self::default() }
    }

    /// The answer to a question that was asked before; otherwise it is asked by `read`, and kept where that succeeds.
    pub fn recall<Q, A>(&mut self, question: Q, read: impl FnOnce() -> Result<A>) -> Result<A>
    where
        Q: Eq + Hash + Send + 'static,
        A: Clone + Send + 'static,
    {
        let answers = self.answers.entry(TypeId::of::<(Q, A)>()).or_insert_with(|| Box::new(HashMap::<Q, A>::new()));
        let Some(answers) = answers.downcast_mut::<HashMap<Q, A>>() else { return read() };
        if let Some(answer) = answers.get(&question) {
            return Ok(answer.clone());
        }
        let answer = read()?;
        if answers.len() >= MOST {
            answers.clear();
        }
        answers.insert(question, answer.clone());
        Ok(answer)
    }

    /// What was read may be otherwise now.
    pub fn forget(&mut self) {
        self.answers.clear();
    }

    /// Writes a row in this transaction: at its end where others share it, otherwise now.
    pub fn write_later<R: Later>(&mut self, db: &mut Db, row: R) -> Result<()> {
        let Some(kinds) = &mut self.later else { return R::write(db, vec![row]) };
        let same = kinds.iter_mut().find_map(|kind| {
            let kind: &mut dyn Any = kind.as_mut();
            kind.downcast_mut::<Vec<R>>()
        });
        match same {
            Some(rows) => rows.push(row),
            None => {
                kinds.push(Box::new(vec![row]));
                kinds.sort_by_key(|kind| kind.rank());
            }
        }
        Ok(())
    }

    /// The number of a new key whose row is written later; none where it is written at once and numbered then. `take`
    /// takes so many numbers, or none.
    pub fn next_number(
        &mut self,
        db: &mut Db,
        take: impl FnOnce(&mut Db, usize) -> Result<Vec<i64>>,
    ) -> Result<Option<i64>> {
        if self.numbers.is_empty() && self.expected > 1 {
            self.numbers = take(db, self.expected.min(NUMBERS))?;
            self.numbers.reverse();
        }
        Ok(self.numbers.pop())
    }

    /// So many more changes are expected, the next one included; with none, no numbers are taken.
    pub(super) fn expect(&mut self, changes: usize) {
        self.expected = changes;
    }

    /// Nobody waits any more: numbers that were taken and not given are lost. Kept for longer they would be given to keys
    /// that come behind others with higher ones.
    pub(super) fn end(&mut self) {
        self.numbers.clear();
    }

    /// What waits is of changes that have not come about, and is not written.
    pub(super) fn drop_waiting(&mut self) {
        self.later.iter_mut().flatten().for_each(|kind| kind.drop_all());
    }

    /// Writes what waits.
    pub fn write_waiting(&mut self, db: &mut Db) -> Result<()> {
        self.later.iter_mut().flatten().try_for_each(|kind| kind.write(db))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[derive(PartialEq, Eq, Hash)]
    struct Double(i64);

    #[test]
    fn what_was_asked_is_asked_again_only_when_it_may_be_otherwise() {
        let (mut shared, mut asked) = (Shared::default(), 0);
        let mut ask = |shared: &mut Shared, number| {
            shared
                .recall(Double(number), || {
                    asked += 1;
                    Ok(number * 2)
                })
                .expect("it can be read")
        };
        assert_eq!([ask(&mut shared, 1), ask(&mut shared, 2), ask(&mut shared, 1)], [2, 4, 2]);
        shared.forget();
        assert_eq!(ask(&mut shared, 1), 2);
        assert_eq!(asked, 3);
    }

    #[test]
    fn what_could_not_be_read_is_asked_again() {
        let mut shared = Shared::default();
        let refused = shared.recall(Double(1), || Err::<i64, _>(Error::unavailable(1, "away")));
        assert!(refused.is_err());
        assert_eq!(shared.recall(Double(1), || Ok(2)).expect("it can be read"), 2);
    }
}
