//! What the changes of one writer have read, while it is as good as read again.
//!
//! Changes that only add rows ([`Database::add`](super::Database::add)) come in crowds, and ask for the same few rows
//! first: whether the caller still stands, the profile, the role. One that follows another of its kind in the same
//! transaction need not ask again. On SQLite, whose one writer sees everything that is written, neither need it in the
//! next transaction, for as long as nothing else was written at all.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::hash::Hash;

use crate::error::Result;

/// So many answers of one kind are kept; then that kind begins anew.
const MOST: usize = 256;

/// Answers of the database by what was asked. A kind of question is a type of its own.
#[derive(Default)]
pub struct Memo(HashMap<TypeId, Box<dyn Any + Send>>);

impl Memo {
    /// The answer to a question that was asked before; otherwise it is asked by `read`, and kept where that succeeds.
    pub fn recall<Q, A>(&mut self, question: Q, read: impl FnOnce() -> Result<A>) -> Result<A>
    where
        Q: Eq + Hash + Send + 'static,
        A: Clone + Send + 'static,
    {
        let answers = self.0.entry(TypeId::of::<(Q, A)>()).or_insert_with(|| Box::new(HashMap::<Q, A>::new()));
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
        self.0.clear();
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
        let (mut memo, mut asked) = (Memo::default(), 0);
        let mut ask = |memo: &mut Memo, number| {
            memo.recall(Double(number), || {
                asked += 1;
                Ok(number * 2)
            })
            .expect("it can be read")
        };
        assert_eq!([ask(&mut memo, 1), ask(&mut memo, 2), ask(&mut memo, 1)], [2, 4, 2]);
        memo.forget();
        assert_eq!(ask(&mut memo, 1), 2);
        assert_eq!(asked, 3);
    }

    #[test]
    fn what_could_not_be_read_is_asked_again() {
        let mut memo = Memo::default();
        let refused = memo.recall(Double(1), || Err::<i64, _>(Error::unavailable(1, "away")));
        assert!(refused.is_err());
        assert_eq!(memo.recall(Double(1), || Ok(2)).expect("it can be read"), 2);
    }
}
