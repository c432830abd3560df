//! Contacts: people to be written to who cannot sign in.

pub mod handlers;
mod rules;
mod store;

pub use store::{addresses, purge};
