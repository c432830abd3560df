//! API keys: minting them, looking at them, changing and revoking them, and bringing them to a wanted state.

mod conditions;
pub mod ensure;
mod expand;
pub mod handlers;
mod rules;
mod status;
mod store;

pub use handlers::maker;
pub use rules::{Bounds, Expiry, KeyPlan, Maker, Wanted};
pub use store::{Provenance, find_by_name, initial_password_changed, insert, purge};
