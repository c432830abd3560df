//! Which calls were made, and how they were answered.

pub mod handlers;
pub mod observe;
mod rules;
mod store;

pub use rules::{CallLog, NewCall};
pub use store::{purge, sweep};
