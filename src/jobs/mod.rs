//! Jobs: work on many things that goes on behind the call that began it.
//!
//! A job is a row, and what it is about are rows of a few hundred IDs each. One such row is done in one transaction,
//! together with the note that it is done: nothing is done twice or lost, whatever stops. The node that took the call
//! works on it; where that node falls silent, the one that does the chores goes on. Before each row whoever began the
//! job is looked at again: who may not do it any more, or is gone, goes no further.

pub mod handlers;
mod rules;
mod store;
mod work;

pub use rules::{Collection, Job, Mark, NewJob, State};
pub use store::{create, purge};
pub use work::{Kind, Step, Task, begin, resume, sweep};
