//! What a profile says: plain values.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
pub use crate::dialect::ErrorDialect as Dialect;
use crate::id::{ProfileID, TenantID};

/// The rules that a family of keys lives under. Lengths of time are milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// 1 is Deep Security's.
    pub id: ProfileID,
    /// None: built in, and every tenant's.
    pub tenant: Option<TenantID>,
    /// Unique in the tenant.
    pub name: String,
    /// Empty when none was given.
    pub description: String,
    /// Cannot be changed.
    pub immutable: bool,
    /// Where a key's rights come from.
    pub rights_from: RightsFrom,
    /// How long a key lasts for which nothing is said; for ever where this is none.
    pub validity: Option<i64>,
    /// The shortest life that may be asked for.
    pub min_validity: Option<i64>,
    /// The longest; with it, no key is for ever.
    pub max_validity: Option<i64>,
    /// Keys of this profile that a tenant may have, expired ones included.
    pub max_keys: Option<i64>,
    /// What keys may be for; anything where this is empty.
    pub targets: Vec<Target>,
    /// Whether a key needs an API type.
    pub api_types_required: bool,
    /// Whether other API types mean another secret.
    pub replace_secret_on_type_change: bool,
    /// Whether a refresh brings an expired key back.
    pub refresh_revives: bool,
    /// The longest that a replaced secret may live on beside the new one.
    pub max_overlap: i64,
    /// How long before the end of a key people are told, the longest first.
    pub warn_before: Vec<i64>,
    /// Whether a key is refused when whoever issued it may not sign in any more.
    pub issuer_bound: bool,
    /// Who sees a key.
    pub visibility: Visibility,
    /// How often keys may be presented.
    pub throttle: Throttle,
    /// In which shape refusals are answered.
    pub dialect: Dialect,
}

impl Profile {
    /// From when on a key that ends then counts as expiring.
    pub fn first_warning(&self, expiry: Option<Timestamp>) -> Option<Timestamp> {
        Some(expiry?.minus(*self.warn_before.iter().max()?))
    }
}

/// A thing that keys may be for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Keys of the profile that a tenant may have for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_keys: Option<i64>,
}

/// How often keys may be presented within a minute, on each node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// One key.
    pub key: Option<i64>,
    /// All keys of the profile that a tenant has.
    pub tenant: Option<i64>,
    /// What a minute is.
    pub window: Window,
}

macro_rules! words {
    ($($(#[$about:meta])* $name:ident { $($(#[$word_about:meta])* $variant:ident = $word:literal,)+ })+) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$word_about])* $variant,)+
        }

        impl $name {
            /// Every word there is.
            pub const WORDS: &'static [&'static str] = &[$($word,)+];

            /// The word on the wire and in the database.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// Reads the word.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    )+};
}

words! {
    /// Where a key's rights come from.
    RightsFrom {
        /// The role that is named when it is made.
        Role = "role",
        /// The role of whoever issues it, as it is at each moment.
        Issuer = "issuer",
    }
    /// Who sees a key.
    Visibility {
        /// Whoever may view keys.
        All = "all",
        /// Who issued it, and who has Full Access.
        Own = "own",
    }
    /// What a minute is.
    Window {
        /// The sixty seconds before each call.
        Sliding = "sliding",
        /// Sixty seconds from the first call on, and then anew.
        FromFirstCall = "fromFirstCall",
    }
}
