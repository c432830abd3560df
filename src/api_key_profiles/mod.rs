//! Key profiles: the rules that a family of keys lives under, as data.

mod rules;
mod store;

pub use rules::{Dialect, Profile, RightsFrom, Target, Throttle, Visibility, Window};
pub use store::{all_for, default_of, find_for};
