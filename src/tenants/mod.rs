//! Tenants: the primary one, which is always there, and those that it makes, suspends and removes.

pub mod handlers;
mod purge;
mod rules;
mod store;

pub use purge::purge;
pub use rules::{Tenant, must_take_keys};
pub use store::{NewTenant, PRIMARY_NAME, active, find, hold, insert, insert_primary, label, primary_guid, signed_in};
