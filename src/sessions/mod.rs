//! Signing in, looking at one's sessions, signing out.

pub mod handlers;
pub mod legacy;
mod store;

pub use store::{end_all, end_all_of, end_others, purge, spend_one_shot, sweep, tenants_with_open_sessions, time_out};
