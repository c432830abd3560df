//! What a claim may be, and what becomes of a code that is presented: plain functions of values.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::clock::{DAY, MINUTE, Timestamp};
use crate::duration::Duration;
use crate::error::{Error, Reason, Result};
use crate::id::{AdministratorID, ApiKeyID, ClaimID, RoleID, TenantID};

/// How long a code may be redeemed where nothing is said, at least and at most, in milliseconds.
const DEFAULT: i64 = 15 * MINUTE;
const SHORTEST: i64 = MINUTE;
const LONGEST: i64 = 7 * DAY;
/// The most networks that a claim can be bound to.
const MOST_NETWORKS: usize = 50;

/// Who made a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeBy {
    /// A person, by number.
    Administrator(AdministratorID),
    /// A key.
    ApiKey(ApiKeyID),
}

/// A claim as it is stored.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Never given twice.
    pub id: ClaimID,
    /// Whose.
    pub tenant: TenantID,
    /// The name that the key will have.
    pub key_name: String,
    /// The role that it will have, where one was named.
    pub role: Option<RoleID>,
    /// What was asked for of the key, as JSON.
    pub wish: String,
    /// How long the key lasts from the moment it is made, in milliseconds, where that was said.
    pub key_valid_for: Option<i64>,
    /// Where the code may be redeemed from; anywhere, where this is empty.
    pub networks: Vec<IpNet>,
    /// When it was made.
    pub created: Timestamp,
    /// From when on the code is of no use.
    pub expires: Timestamp,
    /// By whom; none of a row that nobody can have written.
    pub made_by: MadeBy,
    /// Their name at that time.
    pub made_by_name: String,
    /// What came of it.
    pub redeemed: Option<Redemption>,
    /// When the code was presented again, after that.
    pub reused: Option<Timestamp>,
}

/// A key was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redemption {
    /// When.
    pub at: Timestamp,
    /// From where.
    pub address: String,
    /// Which.
    pub key: ApiKeyID,
}

impl Claim {
    /// How it stands, in a word.
    pub fn status(&self, now: Timestamp) -> &'static str {
        match (&self.redeemed, self.reused) {
            (_, Some(_)) => "reused",
            (Some(_), None) => "redeemed",
            (None, None) if self.expires <= now => "expired",
            (None, None) => "open",
        }
    }

    /// What becomes of its code, presented at `now` from `address` by somebody who began at `began`.
    ///
    /// A second presentation after the first one's success shows that two have the code, and so the key may be in the
    /// wrong hands. But who sends the same request several times at once from one place has only been impatient:
    /// whoever began before the key was there, at the address that it went to, is told that it is taken and no more.
    pub fn judge(&self, address: IpAddr, began: Timestamp, now: Timestamp) -> Result<Verdict> {
        let is_near = self.networks.is_empty() || self.networks.iter().any(|network| network.contains(&address));
        match &self.redeemed {
            None if self.expires <= now => Err(Error::new(
                Reason::ClaimExpired,
                format!("The code expired at {}. Ask for another one.", self.expires),
            )),
            _ if !is_near => Err(Error::new(
                Reason::ClaimAddressRefused,
                "The code may not be redeemed from the address that this call comes from; it is as good as before \
                 elsewhere.",
            )),
            None => Ok(Verdict::Redeem),
            Some(redemption) if self.reused.is_some() || redemption.raced(address, began) => Err(used()),
            Some(redemption) => Ok(Verdict::Reused(redemption.key)),
        }
    }
}

impl Redemption {
    fn raced(&self, address: IpAddr, began: Timestamp) -> bool {
        began <= self.at && self.address == address.to_string()
    }
}

/// What is to be done about a code that is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its key is to be made.
    Redeem,
    /// It was used before: this key is to be revoked.
    Reused(ApiKeyID),
}

/// The refusal of a code that was used before.
pub fn used() -> Error {
    Error::new(
        Reason::ClaimUsed,
        "The code was used before. Where that was not you, somebody else has it: ask for the key to be revoked, unless \
         it is already, and for another code.",
    )
}

/// What was asked for of a claim, besides its key.
#[derive(Clone, Debug)]
pub struct Terms {
    /// How long the code may be redeemed, in milliseconds.
    pub valid_for: i64,
    /// How long the key lasts from then on, in milliseconds.
    pub key_valid_for: Option<i64>,
    /// Where the code may be redeemed from.
    pub networks: Vec<IpNet>,
}

impl Terms {
    /// Checks what was sent.
    pub fn new(valid_for: Option<&str>, key_valid_for: Option<&str>, networks: &[String]) -> Result<Self> {
        let valid_for = valid_for.map(|text| length("validFor", text)).transpose()?.unwrap_or(DEFAULT);
        if !(SHORTEST..=LONGEST).contains(&valid_for) {
            return Err(Error::member("validFor", "1m to 7d are taken"));
        }
        if networks.len() > MOST_NETWORKS {
            return Err(Error::member("networks", "at most 50 are taken"));
        }
        Ok(Self {
            valid_for,
            key_valid_for: key_valid_for.map(|text| length("keyValidFor", text)).transpose()?,
            networks: networks.iter().map(|text| network(text)).collect::<Result<_>>()?,
        })
    }
}

fn length(member: &str, text: &str) -> Result<i64> {
    let length = Duration::parse(text).ok_or_else(|| Error::member(member, Duration::FORMS))?;
    Ok(length.millis())
}

/// A network as CIDR writes it, or one address. One with bits set behind its prefix is refused, and so is IPv4 with zeros
/// in front, which some read as octal: what was meant cannot be told. So are IPv4 networks in the dress of IPv6, which no
/// caller's address is ever shown in.
fn network(text: &str) -> Result<IpNet> {
    let read = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    let is_plain = |net: &IpNet| match net {
        IpNet::V4(net) => text == net.to_string() || text == net.addr().to_string(),
        IpNet::V6(net) => net.addr().to_ipv4_mapped().is_none(),
    };
    read.filter(|net| net.trunc() == *net && is_plain(net)).ok_or_else(|| {
        let expected = "networks such as 10.0.0.0/8 or 2001:db8::/32, or single addresses, are taken; behind the prefix \
                        all bits are zero";
        Error::member("networks", expected)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_262_415_000);

    fn claim(networks: &[&str]) -> Claim {
        Claim {
            id: ClaimID::new(1),
            tenant: TenantID::PRIMARY,
            key_name: "k".into(),
            role: None,
            wish: "{}".into(),
            key_valid_for: None,
            networks: networks.iter().map(|text| network(text).expect("a network")).collect(),
            created: NOW,
            expires: NOW.plus(DEFAULT),
            made_by: MadeBy::Administrator(AdministratorID::new(1)),
            made_by_name: String::new(),
            redeemed: None,
            reused: None,
        }
    }

    fn redeemed(networks: &[&str]) -> Claim {
        let redemption = Redemption { at: NOW.plus(10), address: "10.0.0.7".into(), key: ApiKeyID::new(5) };
        Claim { redeemed: Some(redemption), ..claim(networks) }
    }

    fn judged(claim: &Claim, address: &str, began: i64, now: i64) -> Result<Verdict, Reason> {
        let address = address.parse().expect("an address");
        claim.judge(address, NOW.plus(began), NOW.plus(now)).map_err(|error| error.reason())
    }

    #[test]
    fn a_code_is_good_once_in_its_time_and_place() {
        let open = claim(&["10.0.0.0/8", "2001:db8::/32"]);
        assert_eq!(judged(&open, "10.0.0.7", 0, DEFAULT - 1), Ok(Verdict::Redeem));
        assert_eq!(judged(&open, "2001:db8::1", 0, 0), Ok(Verdict::Redeem));
        assert_eq!(judged(&open, "10.0.0.7", 0, DEFAULT), Err(Reason::ClaimExpired));
        assert_eq!(judged(&open, "11.0.0.7", 0, 0), Err(Reason::ClaimAddressRefused));
        assert_eq!(judged(&claim(&[]), "11.0.0.7", 0, 0), Ok(Verdict::Redeem));
    }

    #[test]
    fn a_code_that_comes_again_costs_the_key_unless_it_was_on_its_way_already() {
        let (claim, key) = (redeemed(&[]), ApiKeyID::new(5));
        assert_eq!(judged(&claim, "10.0.0.7", 10, 11), Err(Reason::ClaimUsed), "began before the key was there");
        assert_eq!(judged(&claim, "10.0.0.7", 11, 11), Ok(Verdict::Reused(key)));
        assert_eq!(judged(&claim, "10.0.0.8", 10, 11), Ok(Verdict::Reused(key)), "somebody else");
        assert_eq!(judged(&claim, "10.0.0.7", 2 * DEFAULT, 2 * DEFAULT), Ok(Verdict::Reused(key)), "however late");
        let twice = Claim { reused: Some(NOW.plus(20)), ..claim };
        assert_eq!(judged(&twice, "10.0.0.8", 30, 30), Err(Reason::ClaimUsed), "there is nothing left to revoke");
        assert_eq!(judged(&redeemed(&["10.0.0.0/8"]), "11.0.0.7", 30, 30), Err(Reason::ClaimAddressRefused));
    }

    #[test]
    fn how_a_claim_stands_is_one_word() {
        assert_eq!(claim(&[]).status(NOW), "open");
        assert_eq!(claim(&[]).status(NOW.plus(DEFAULT)), "expired");
        assert_eq!(redeemed(&[]).status(NOW.plus(DEFAULT)), "redeemed");
        assert_eq!(Claim { reused: Some(NOW), ..redeemed(&[]) }.status(NOW), "reused");
    }

    #[test]
    fn terms_are_lengths_of_time_and_networks() {
        let valid_for = |text| Terms::new(Some(text), None, &[]).map(|terms| terms.valid_for).ok();
        for (text, millis) in [
            ("1m", Some(MINUTE)),
            ("60s", Some(MINUTE)),
            ("59s", None),
            ("P7D", Some(LONGEST)),
            ("7d", Some(LONGEST)),
            ("604801s", None),
            ("0s", None),
            ("", None),
            ("soon", None),
        ] {
            assert_eq!(valid_for(text), millis, "{text}");
        }
        assert_eq!(Terms::new(None, None, &[]).map(|terms| terms.valid_for).ok(), Some(DEFAULT));
        for (text, good) in [
            ("10.0.0.0/8", true),
            ("10.0.0.7", true),
            ("0.0.0.0/0", true),
            ("::/0", true),
            ("2001:db8::/32", true),
            ("::1", true),
            ("10.0.0.1/8", false),
            ("10.0.0.0/33", false),
            ("10.0.0.0/-1", false),
            ("10.0.0/8", false),
            ("10.0.0.0/255.0.0.0", false),
            ("::ffff:10.0.0.0/104", false),
            ("::ffff:10.0.0.7", false),
            ("2001:db8::1/32", false),
            ("010.0.0.0/8", false),
            ("localhost", false),
            (" 10.0.0.0/8", false),
            ("10.0.0.0/8,11.0.0.0/8", false),
            ("", false),
        ] {
            assert_eq!(Terms::new(None, None, &[text.to_owned()]).is_ok(), good, "{text}");
        }
        let many = |count| Terms::new(None, None, &vec!["10.0.0.0/8".to_owned(); count]).is_ok();
        assert!(many(50) && !many(51));
    }

    proptest! {
        #[test]
        fn any_terms_are_survived(valid_for in any::<Option<String>>(), key in any::<Option<String>>(), networks in prop::collection::vec("[0-9a-f:./]{0,24}", 0..4)) {
            if let Ok(terms) = Terms::new(valid_for.as_deref(), key.as_deref(), &networks) {
                prop_assert!((SHORTEST..=LONGEST).contains(&terms.valid_for));
                for net in &terms.networks {
                    prop_assert_eq!(network(&net.to_string()).ok(), Some(*net));
                }
            }
        }
    }
}
