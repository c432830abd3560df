//! Telling people and programs what has happened: an outbox, written in the transaction of what it speaks of, and
//! whoever sends what is in it, once.
//!
//! * `queue.rs` puts into the outbox what an audit event means for webhooks and for people;
//! * `expiry.rs` looks now and then which keys are about to end;
//! * `delivery.rs` sends, by one node at a time, again and again over days where nobody answers;
//! * `texts.rs` has what mail says, in each language.

mod delivery;
mod expiry;
mod queue;
mod rules;
mod store;
mod texts;

pub use delivery::deliver;
pub use expiry::announce;
pub use queue::{tell, test_webhook};
pub use store::{purge, sweep};
