//! Key profiles: the rules that a family of keys lives under, as data.

pub mod handlers;
mod rules;
mod store;

pub use rules::{Changes, Dialect, Profile, RightsFrom, Target, Throttle, Visibility, Wanted, Window};
pub use store::{Ladder, all_for, default_id, default_of, find_for, find_to_use, ladders, of_issuers, purge};
