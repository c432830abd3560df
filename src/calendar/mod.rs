//! Calendars of keys that end, each under a secret URL of its owner's.

pub mod handlers;
mod rules;
mod store;

pub use store::purge;
