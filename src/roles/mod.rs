//! Roles: what a person or a key may do, and to which computers and policies.

pub mod handlers;
mod rules;
mod store;

pub use rules::{Role, urn};
pub use store::{find_for, names, names_for, purge, put_built_in};
