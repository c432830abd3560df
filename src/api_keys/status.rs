//! How a key is: derived from what is known of it, never stored.

use super::rules::ApiKey;
use crate::api_key_profiles::Profile;
use crate::clock::{Timestamp, WEEK};

/// A key that was used within this time is in use, in milliseconds; the very moment so long ago belongs to it.
pub const IN_USE: i64 = WEEK;

/// How a key is. Of several that hold, the first is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Locked out.
    Locked,
    /// Bound to whoever issued it, and they may not sign in any more.
    IssuerDisabled,
    /// Ended.
    Expired,
    /// Of no use before a moment that is still to come.
    NotYetValid,
    /// It ends so soon that people are told.
    Expiring,
    /// Never used.
    Generated,
    /// Used within the last seven times 24 hours.
    Active,
    /// Used, but longer ago.
    Inactive,
}

impl Status {
    /// All there are, in their order.
    pub const ALL: [Self; 8] = [
        Self::Locked,
        Self::IssuerDisabled,
        Self::Expired,
        Self::NotYetValid,
        Self::Expiring,
        Self::Generated,
        Self::Active,
        Self::Inactive,
    ];

    /// Every word there is.
    pub const WORDS: [&'static str; 8] =
        ["locked", "issuerDisabled", "expired", "notYetValid", "expiring", "generated", "active", "inactive"];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        Self::WORDS[self as usize]
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }

    /// The status of a key at a moment. Beside the key: when it was last used, as far as is known; its profile; and
    /// whether whoever issued it is there and not locked out.
    pub fn of(
        key: &ApiKey,
        last_use: Option<Timestamp>,
        profile: &Profile,
        issuer_may_sign_in: bool,
        now: Timestamp,
    ) -> Self {
        let properties = &key.properties;
        if !properties.active {
            Self::Locked
        } else if profile.issuer_bound && !issuer_may_sign_in {
            Self::IssuerDisabled
        } else if properties.expiry.is_some_and(|end| end <= now) {
            Self::Expired
        } else if properties.constraints.not_before.is_some_and(|begin| begin > now) {
            Self::NotYetValid
        } else if profile.first_warning(properties.expiry).is_some_and(|warned| warned <= now) {
            Self::Expiring
        } else {
            match last_use {
                None => Self::Generated,
                Some(at) if at >= now.minus(IN_USE) => Self::Active,
                Some(_) => Self::Inactive,
            }
        }
    }
}
