//! API keys: minting them, looking at them, changing and revoking them, and bringing them to a wanted state.

pub mod authorizations;
pub mod ensure;
pub mod handlers;
mod profiled;
mod rules;
mod store;
mod under_profile;

pub use rules::{Expiry, KeyPlan, Maker, Wanted};
pub use store::{Provenance, any_of_profile, find_by_name, initial_password_changed, insert, issuer_bears, purge};
pub use under_profile::Asked;
