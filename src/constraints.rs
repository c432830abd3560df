//! What bounds the use of a key, besides its end: plain values, kept as JSON where they are lists.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// What bounds a key's use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Constraints {
    /// What it is for: one of its profile's targets, where the profile names any.
    pub target: Option<String>,
    /// Not before that moment.
    pub not_before: Option<Timestamp>,
    /// From where.
    pub networks: Networks,
    /// So many times more.
    pub remaining_uses: Option<i64>,
    /// So often within a minute, on each node.
    pub calls_per_minute: Option<i64>,
    /// At those hours of the week; always where there are none.
    pub windows: Vec<Window>,
}

/// Where a key may be used from. What is denied is denied also where it is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Networks {
    /// Everywhere, where this is empty.
    #[serde(default)]
    pub allow: Vec<IpNet>,
    /// Not there.
    #[serde(default)]
    pub deny: Vec<IpNet>,
}

impl Networks {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }
}

/// Hours of some days of the week, in the key's own time zone. One that ends no later than it begins goes on into the
/// next day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// 0 is Monday, 6 is Sunday: the days on which it begins.
    pub days: Vec<u8>,
    /// Minutes after midnight.
    pub from: u16,
    /// Minutes after midnight; 1,440 is the end of the day.
    pub to: u16,
}
