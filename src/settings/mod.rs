//! What people may set while the server runs: sessions, passwords, signing in, how long events are kept.

pub mod handlers;
mod rules;
mod store;

pub use rules::{CATALOGUE, Kind, Notices, PREFIX, Scope, Setting, page};
pub use store::{notices_in, rules_in};
