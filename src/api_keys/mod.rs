//! API keys: minting them, looking at them, changing and revoking them.

pub mod handlers;
mod rules;
mod store;

pub use rules::{Expiry, KeyPlan, Maker, Wanted};
pub use store::{Provenance, find_by_name, initial_password_changed, insert, purge};
