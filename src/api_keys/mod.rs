//! API keys: minting them, looking at them, changing and revoking them, and bringing them to a wanted state.

pub mod authorizations;
pub mod bulk;
mod bulk_rules;
mod conditions;
mod confirmation_store;
pub mod ensure;
mod expand;
pub mod handlers;
pub mod history;
mod history_rules;
mod history_store;
pub mod import;
pub mod inventory;
mod profiled;
mod rotation;
mod rules;
mod search_store;
mod secret_store;
pub mod secrets;
mod status;
mod store;
mod substring_store;
pub mod substrings;
mod under_profile;

pub use confirmation_store::{purge as purge_confirmations, sweep as sweep_confirmations};
pub use handlers::maker;
pub use history_rules::RevokedKey;
pub use history_store::{find as find_revoked, purge as purge_history};
pub use rules::{ApiKey, Bounds, Expiry, KeyPlan, Maker, Wanted};
pub use secret_store::insert as insert_secret;
pub use store::{
    Provenance, Written, any_of_profile, ending, expiring, find, find_by_name, initial_password_changed, insert,
    issuer_bears, person_behind, purge, written,
};
pub use under_profile::Asked;
