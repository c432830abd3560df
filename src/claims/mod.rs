//! Claims: a key that is made at the moment when somebody redeems a code, by a machine that was handed the code and
//! nothing else. Whoever made the claim must be able to make the key then, too.

pub mod handlers;
mod rules;
mod store;

pub use store::{purge, sweep};
