//! What bounds the use of a key, besides its end: plain values, kept as JSON where they are lists.
//!
//! [`networks`] and [`windows`] read what people write; [`Changes`] lays it over what a key has; and
//! [`Constraints::escapes`] says whether a key is bounded less than another, which is what nobody may bring about.

pub mod networks;
pub mod windows;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::clock::{DAY, Timestamp};
use crate::error::{Error, Reason, Result};
use crate::locale::TimeZone;

/// How far ahead a key may become valid, in milliseconds: ten years, leap days included.
const LONGEST: i64 = 3_653 * DAY;
/// The most uses that can be asked for.
pub const MOST_USES: i64 = 1_000_000_000;
/// The most calls per minute that can be asked for.
pub const MOST_CALLS: i64 = 1_000_000;

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

/// Why what a key brings about must not last: people, roles, API types and tenants do not end, and whoever bears a role
/// is not bounded by what bounds the key that changed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The key ends then.
    Ends(Timestamp),
    /// It is bounded in its use, or is of use only as long as whoever issued it may sign in.
    Bounded,
}

impl Limit {
    /// The refusal of something that would last longer than the key, or would not be bounded as it is: `what` it is
    /// that it cannot do, to something singular.
    pub fn refusal(self, what: &str) -> Error {
        let message = match self {
            Self::Ends(end) => {
                format!("The key that makes this call ends at {end}; it cannot {what}, which lasts longer.")
            }
            Self::Bounded => {
                format!("The key that makes this call is bounded in its use; it cannot {what}, which is not.")
            }
        };
        Error::new(Reason::BeyondCaller, message)
    }
}

impl Constraints {
    /// A key that would end before it begins is none. To be asked again where the end is decided later.
    pub fn must_begin_before(&self, expiry: Option<Timestamp>) -> Result<()> {
        match self.not_before.zip(expiry) {
            Some((begin, end)) if begin >= end => {
                Err(Error::member("constraints.notBefore", "it must lie before expiryDate"))
            }
            _ => Ok(()),
        }
    }

    /// The first bound, by its member's name, in which these leave more room than `others` do; none where whatever
    /// these let through at `now` or later, those do too. Windows are compared within one time zone only: in another
    /// one they are other hours.
    pub fn escapes(
        &self,
        zone: TimeZone,
        others: &Self,
        others_zone: TimeZone,
        now: Timestamp,
    ) -> Option<&'static str> {
        let begins = |bounds: &Self| bounds.not_before.unwrap_or(now).max(now);
        let more = |mine: Option<i64>, theirs: Option<i64>| theirs.is_some_and(|most| mine.is_none_or(|n| n > most));
        let windows =
            || !others.windows.is_empty() && (zone != others_zone || !windows::within(&self.windows, &others.windows));
        if begins(self) < begins(others) {
            Some("notBefore")
        } else if !self.networks.within(&others.networks) {
            Some("networks")
        } else if more(self.remaining_uses, others.remaining_uses) {
            Some("remainingUses")
        } else if more(self.calls_per_minute, others.calls_per_minute) {
            Some("callsPerMinute")
        } else {
            windows().then_some("windows")
        }
    }
}

/// A list or an object that is kept as JSON; nothing where it is empty.
pub fn from_json<T: serde::de::DeserializeOwned + Default>(json: &str) -> Result<T> {
    if json.is_empty() { Ok(T::default()) } else { serde_json::from_str(json).map_err(Error::internal) }
}

/// A list or an object as it is kept.
pub fn to_json<T: Serialize>(value: &T, is_empty: bool) -> String {
    if is_empty { String::new() } else { serde_json::json!(value).to_string() }
}

/// Days, from, to, as they were written.
pub type WrittenWindow = (Vec<String>, String, String);

/// What somebody asks for; nothing of it is checked yet. Of each bound: not sent, taken away, or what it is to be.
/// What a key is for (`target`, `apiTypes`) is its profile's to judge, and none of this.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Milliseconds since the epoch.
    pub not_before: Option<Option<i64>>,
    /// Networks to allow, and networks to deny, as they were written.
    pub networks: Option<Option<(Vec<String>, Vec<String>)>>,
    /// So many times more.
    pub remaining_uses: Option<Option<i64>>,
    /// So often within a minute.
    pub calls_per_minute: Option<Option<i64>>,
    /// Days, from, to, as they were written.
    pub windows: Option<Option<Vec<WrittenWindow>>>,
}

/// What is to change of a key's bounds, each by itself understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    not_before: Option<Option<Timestamp>>,
    networks: Option<Networks>,
    remaining_uses: Option<Option<i64>>,
    calls_per_minute: Option<Option<i64>>,
    windows: Option<Vec<Window>>,
}

impl Changes {
    /// Reads what was asked for; a refusal names the member.
    pub fn read(wanted: Wanted) -> Result<Self> {
        Ok(Self {
            not_before: wanted.not_before.map(|at| at.map(Timestamp::from_millis)),
            networks: wanted.networks.map(|lists| networks::read(lists.unwrap_or_default())).transpose()?,
            remaining_uses: ranged("remainingUses", wanted.remaining_uses, MOST_USES)?,
            calls_per_minute: ranged("callsPerMinute", wanted.calls_per_minute, MOST_CALLS)?,
            windows: wanted.windows.map(|list| windows::read(list.unwrap_or_default())).transpose()?,
        })
    }

    /// What follows from them where nothing was said: the bounds of whoever makes the key.
    #[must_use]
    pub fn or_else(self, makers: &Constraints) -> Self {
        Self {
            not_before: self.not_before,
            networks: self.networks.or_else(|| Some(makers.networks.clone())),
            remaining_uses: self.remaining_uses.or(Some(makers.remaining_uses)),
            calls_per_minute: self.calls_per_minute.or(Some(makers.calls_per_minute)),
            windows: self.windows.or_else(|| Some(makers.windows.clone())),
        }
    }

    /// The bounds as they will be of a key that ends at `expiry`.
    pub fn applied_to(self, old: &Constraints, expiry: Option<Timestamp>, now: Timestamp) -> Result<Constraints> {
        let is_new = self.not_before.is_some_and(|at| at != old.not_before);
        let not_before = self.not_before.unwrap_or(old.not_before);
        if is_new && not_before.is_some_and(|at| at.millis() <= 0 || at > now.plus(LONGEST)) {
            let expected = "milliseconds since 1970, at most ten years ahead; null for none";
            return Err(Error::member("constraints.notBefore", expected));
        }
        let constraints = Constraints {
            target: old.target.clone(),
            not_before,
            networks: self.networks.unwrap_or_else(|| old.networks.clone()),
            remaining_uses: self.remaining_uses.unwrap_or(old.remaining_uses),
            calls_per_minute: self.calls_per_minute.unwrap_or(old.calls_per_minute),
            windows: self.windows.unwrap_or_else(|| old.windows.clone()),
        };
        constraints.must_begin_before(expiry)?;
        Ok(constraints)
    }

    /// Whether anything that was said is not so already. Uses that were made since are no difference: where fewer are
    /// left than are asked for, those were made.
    pub fn differs_from(&self, old: &Constraints) -> bool {
        fn other<T: PartialEq>(wanted: Option<&T>, is: &T) -> bool {
            wanted.is_some_and(|wanted| wanted != is)
        }
        other(self.not_before.as_ref(), &old.not_before)
            || other(self.networks.as_ref(), &old.networks)
            || self.uses_differ(old)
            || other(self.calls_per_minute.as_ref(), &old.calls_per_minute)
            || other(self.windows.as_ref(), &old.windows)
    }

    fn uses_differ(&self, old: &Constraints) -> bool {
        match (self.remaining_uses, old.remaining_uses) {
            (None, _) | (Some(None), None) => false,
            (Some(Some(most)), Some(left)) => left > most,
            _ => true,
        }
    }

    /// The same, but that uses which were made are not given back.
    #[must_use]
    pub fn without_refill(self, old: &Constraints) -> Self {
        if self.uses_differ(old) { self } else { Self { remaining_uses: None, ..self } }
    }
}

fn ranged(member: &str, number: Option<Option<i64>>, most: i64) -> Result<Option<Option<i64>>> {
    match number {
        Some(Some(number)) if !(1..=most).contains(&number) => {
            Err(Error::member(&format!("constraints.{member}"), &format!("1 to {most} are taken, null for no bound")))
        }
        number => Ok(number),
    }
}

#[cfg(test)]
mod tests;
