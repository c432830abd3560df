//! Webhooks: programs of others that are told what happens, by calls that are signed.

pub mod handlers;
mod rules;
mod store;

pub use rules::HookEvent;
pub use store::{Receiver, note_delivery, note_failure, purge, receiver, switch_off, wanting, wanting_as_known};
