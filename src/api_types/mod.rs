//! API types: what a key can be for, and which of the role's rights are left to one that is for something.

pub mod handlers;
mod rules;
mod store;

pub use handlers::shown_of_key;
pub use rules::{ApiType, Authorization, Changes, KeyApiType, MOST_OF_A_KEY, TypeName, Wanted};
pub use store::{give_authorization, named, of_key, of_keys, purge, purge_of_keys, set_of_key, withdraw_authorization};
