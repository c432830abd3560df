//! Whether a key whose secret is right may be used: plain functions of what is known of it, of a moment and of an
//! address. The moment may lie ahead, and the first rule that refuses is answered by name, so that it can be asked
//! what a call would come to.

use std::net::IpAddr;

use super::lookup::KeyFacts;
use crate::clock::{SECOND, Timestamp};
use crate::constraints::windows;
use crate::error::{Error, Reason};
use crate::locale::TimeZone;

/// Why a key is of no use, in the order in which it is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// It ended at that moment.
    Expired(Timestamp),
    /// It begins at that moment.
    NotYetValid(Timestamp),
    /// It is locked out.
    Locked,
    /// It is bound to whoever issued it, and they may not sign in.
    IssuerDisabled,
    /// Not from there.
    AddressRefused(IpAddr),
    /// Not at this hour of the week, by these clocks.
    OutsideWindow(TimeZone),
    /// It has been used as often as it may be.
    UsageExceeded,
    /// It, or all keys of its profile together, were used too often within a minute; one more is taken after so many
    /// milliseconds.
    RateLimited(i64),
}

impl Rule {
    /// Its name among the codes of a verification.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Expired(_) => "EXPIRED",
            Self::NotYetValid(_) => "NOT_YET_VALID",
            Self::Locked => "LOCKED",
            Self::IssuerDisabled => "ISSUER_DISABLED",
            Self::AddressRefused(_) => "ADDRESS_REFUSED",
            Self::OutsideWindow(_) => "OUTSIDE_WINDOW",
            Self::UsageExceeded => "USAGE_EXCEEDED",
            Self::RateLimited(_) => "RATE_LIMITED",
        }
    }

    /// Why a call is refused by it.
    pub const fn reason(self) -> Reason {
        match self {
            Self::Expired(_) => Reason::ApiKeyExpired,
            Self::NotYetValid(_) => Reason::ApiKeyNotYetValid,
            Self::Locked => Reason::ApiKeyLocked,
            Self::IssuerDisabled => Reason::IssuerDisabled,
            Self::AddressRefused(_) => Reason::AddressRefused,
            Self::OutsideWindow(_) => Reason::OutsideWindow,
            Self::UsageExceeded => Reason::UsageExceeded,
            Self::RateLimited(_) => Reason::RateLimited,
        }
    }

    /// What it says: it names the rule, and says who can do something about it.
    pub fn message(self) -> String {
        let name = self.code();
        match self {
            Self::Expired(at) => {
                format!("The API key expired at {at}. Create a new one, or ask for its expiry date to be moved.")
            }
            Self::NotYetValid(at) => format!("The API key is of no use before {at} ({name})."),
            Self::Locked => "The API key is locked out. Somebody who may edit API keys can let it in.".to_owned(),
            Self::IssuerDisabled => format!(
                "Whoever issued the API key is locked out or gone, and the key with them ({name}). Use one that somebody \
                 else issued."
            ),
            Self::AddressRefused(address) => {
                format!("The API key may not be used from {address} ({name}); its constraints name the networks.")
            }
            Self::OutsideWindow(zone) => format!(
                "The API key may not be used at this hour of the week ({name}); its constraints name the hours, in {zone}."
            ),
            Self::UsageExceeded => format!("The API key has been used as often as it may be ({name})."),
            Self::RateLimited(_) => format!("The API key was used too often within a minute ({name})."),
        }
    }

    /// The refusal of a call by it.
    pub fn into_error(self) -> Error {
        let error = Error::new(self.reason(), self.message());
        match self {
            Self::RateLimited(wait) => error.retry_after(u64::try_from(wait).unwrap_or(1).div_ceil(SECOND as u64)),
            _ => error,
        }
    }
}

/// The first rule by which the key is of no use to anybody at that moment.
pub fn standing(key: &KeyFacts, at: Timestamp) -> Option<Rule> {
    let ended = key.expires.filter(|end| *end <= at).map(Rule::Expired);
    let begins = || key.bounds.constraints.not_before.filter(|begin| *begin > at).map(Rule::NotYetValid);
    let locked = || (!key.active).then_some(Rule::Locked);
    let disabled = || (key.bounds.issuer_bound && !key.issuer_may_sign_in).then_some(Rule::IssuerDisabled);
    ended.or_else(begins).or_else(locked).or_else(disabled)
}

/// The first rule by which a key that is of use is none for a call at that moment from that address. What is counted
/// on top of it is in memory ([`super::rate_limit`]) or in the row ([`super::take_use`]).
pub fn call(key: &KeyFacts, at: Timestamp, from: IpAddr) -> Option<Rule> {
    let constraints = &key.bounds.constraints;
    let zone = key.bounds.time_zone;
    let refused = (!constraints.networks.admit(from)).then(|| Rule::AddressRefused(from.to_canonical()));
    let outside = || (!windows::admit(&constraints.windows, zone, at)).then_some(Rule::OutsideWindow(zone));
    let used_up = || constraints.remaining_uses.is_some_and(|left| left <= 0).then_some(Rule::UsageExceeded);
    refused.or_else(outside).or_else(used_up)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::api_key_profiles::{Dialect, Throttle, Window as Minute};
    use crate::auth::identity::{KeyBounds, Pending, Tenant};
    use crate::constraints::{Constraints, Networks, Window};
    use crate::id::{ApiKeyID, ProfileID, RoleID, TenantID};
    use crate::rights::Grant;

    /// A Saturday, 12:00 UTC.
    const NOW: Timestamp = Timestamp::from_millis(1_795_262_400_000);

    /// A key that breaks those rules whose bits are set, from the first on.
    fn key(breaks: u8) -> KeyFacts {
        let does = |rule: u8| breaks & (1 << rule) != 0;
        KeyFacts {
            name: "k".to_owned(),
            active: !does(2),
            expires: does(0).then_some(NOW),
            tenant: Tenant { id: TenantID::PRIMARY, guid: uuid::Uuid::nil() },
            tenant_name: String::new(),
            tenant_is_active: true,
            role: RoleID::AUDITOR,
            role_name: String::new(),
            grant: Grant::default(),
            pending: Pending::default(),
            api_types: Vec::new(),
            secrets: Vec::new(),
            bounds: KeyBounds {
                id: ApiKeyID::new(1),
                constraints: Constraints {
                    not_before: does(1).then_some(NOW.plus(1)),
                    networks: Networks {
                        allow: Vec::new(),
                        deny: if does(4) { vec!["::1/128".parse().expect("a network")] } else { Vec::new() },
                    },
                    windows: if does(5) { vec![Window { days: vec![0], from: 0, to: 1_440 }] } else { Vec::new() },
                    remaining_uses: does(6).then_some(0),
                    ..Constraints::default()
                },
                time_zone: TimeZone::UTC,
                profile: ProfileID::DEEP_SECURITY,
                is_throttled: false,
                api_types: Vec::new(),
                issuer_bound: does(3),
                administrator: None,
                key: None,
            },
            role_of_issuer: false,
            issuer_may_sign_in: false,
            throttle: Throttle { key: None, tenant: None, window: Minute::Sliding },
            dialect: Dialect::DeepSecurity,
        }
    }

    proptest! {
        /// Of all the rules that a key breaks the first in the order is told, whichever others there are.
        #[test]
        fn the_first_rule_is_told(breaks in 0_u8..128) {
            let key = key(breaks);
            let from = IpAddr::from([0_u16, 0, 0, 0, 0, 0, 0, 1]);
            let told = standing(&key, NOW).or_else(|| call(&key, NOW, from)).map(Rule::code);
            let order = ["EXPIRED", "NOT_YET_VALID", "LOCKED", "ISSUER_DISABLED", "ADDRESS_REFUSED", "OUTSIDE_WINDOW", "USAGE_EXCEEDED"];
            prop_assert_eq!(told, order.get(breaks.trailing_zeros() as usize).copied());
        }
    }

    #[test]
    fn a_moment_ahead_can_be_asked_for() {
        let begins = key(0b10);
        assert_eq!(standing(&begins, NOW), Some(Rule::NotYetValid(NOW.plus(1))));
        assert_eq!(standing(&begins, NOW.plus(1)), None);
        let mut ends = key(0);
        ends.expires = Some(NOW.plus(1));
        assert_eq!([NOW, NOW.plus(1)].map(|at| standing(&ends, at)), [None, Some(Rule::Expired(NOW.plus(1)))]);
    }
}
