//! API keys: minting them, looking at them, changing and revoking them, and bringing them to a wanted state.

pub mod ensure;
pub mod handlers;
mod rules;
mod store;

pub use rules::{Expiry, KeyPlan, Maker, Wanted};
pub use store::{
    Provenance, Written, ending, expiring, find_by_name, initial_password_changed, insert, person_behind, purge,
    written,
};
