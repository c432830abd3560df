//! What may be demanded of a key, and what speaks against it: functions of values. The moment may lie ahead.

use std::net::IpAddr;

use crate::auth::known_keys::KnownKey;
use crate::auth::{Rule, check};
use crate::clock::{SECOND, Timestamp};
use crate::name::fold;
use crate::rights::{Right, Rights};

/// What a key must be good for. Nothing demanded is nothing missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demands {
    /// These rights.
    pub rights: Rights,
    /// These API types, by name, none of them waiting for its authorization.
    pub api_types: Vec<String>,
    /// Whether one of the rights and API types is enough.
    pub any: bool,
    /// This role, by name. It must be this one, whatever else is enough.
    pub role: Option<String>,
    /// This tenant, by name or GUID; the same holds.
    pub tenant: Option<String>,
}

/// Why a demand is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadDemand {
    /// There is no such right, the one at that place from 0 on; these are most like it, as `group.subGroup.name`.
    UnknownRight(usize, String, Vec<String>),
    /// Neither `all` nor `any`.
    Match,
    /// Something else, in words.
    Malformed(String),
}

impl BadDemand {
    /// What is wrong, in words.
    pub fn message(&self) -> String {
        match self {
            Self::UnknownRight(_, name, near) => {
                format!("There is no right {name}. Most like it: {}.", near.join(", "))
            }
            Self::Match => "match is all or any.".to_owned(),
            Self::Malformed(what) => format!("The demand cannot be read: {what}."),
        }
    }
}

/// Every code of a verification and what it says, in the order in which they are looked for. What is said of a key that
/// is refused for several reasons is the first; of a revoked one nothing else is known.
pub const CODES: &[(&str, &str)] = &[
    ("VALID", "The key is good for what is demanded, and this was a use of it."),
    ("NOT_FOUND", "There is no such key, it is another tenant's, or the secret is wrong, whatever else is true of it."),
    ("EXPIRED", "It has ended."),
    ("NOT_YET_VALID", "It begins later."),
    ("LOCKED", "It is locked out."),
    ("REVOKED", "It was revoked, and this was its secret."),
    ("ISSUER_DISABLED", "It is bound to whoever issued it, and they are locked out or gone."),
    ("INSUFFICIENT_RIGHTS", "It lacks what is demanded, or its role does not allow the web service."),
    ("AUTHORIZATION_PENDING", "It would have what is demanded, were its API types authorized."),
    (
        "ADDRESS_REFUSED",
        "It may not be used from there, or is bound to networks and nobody says from where it is used.",
    ),
    ("OUTSIDE_WINDOW", "It may not be used at this hour of the week."),
    ("USAGE_EXCEEDED", "It has been used as often as it may be."),
    ("RATE_LIMITED", "It, or all keys of its profile together, were used too often within a minute."),
];

/// The code of a key that is good.
pub const VALID: &str = "VALID";

/// The most names in one demand.
const MOST: usize = 200;

impl Demands {
    /// Reads the names of rights, API types and the rest.
    pub fn read<'a>(
        rights: impl IntoIterator<Item = &'a str>,
        api_types: impl IntoIterator<Item = &'a str>,
        (role, tenant, matching): (Option<&str>, Option<&str>, Option<&str>),
    ) -> Result<Self, BadDemand> {
        let mut demands = Self::default();
        for (place, name) in rights.into_iter().enumerate() {
            let right = Right::find_dotted(name).ok_or_else(|| {
                let near = Right::near(name).iter().map(|right| format!("{right:?}")).collect();
                BadDemand::UnknownRight(place, name.chars().take(200).collect(), near)
            })?;
            demands.rights = demands.rights.with(right);
        }
        demands.api_types = api_types.into_iter().map(str::to_owned).collect();
        if demands.api_types.len() > MOST {
            return Err(BadDemand::Malformed(format!("at most {MOST} API types can be demanded")));
        }
        if demands.api_types.iter().any(String::is_empty) {
            return Err(BadDemand::Malformed("an API type's name is empty".to_owned()));
        }
        demands.any = match matching {
            None | Some("all") => false,
            Some("any") => true,
            Some(_) => return Err(BadDemand::Match),
        };
        demands.role = role.map(fold);
        demands.tenant = tenant.map(fold);
        Ok(demands)
    }

    /// Whether a key with these rights and API types, and that role in that tenant, has what is demanded.
    fn are_met(&self, rights: &Rights, has_type: impl Fn(&str) -> bool, key: &KnownKey) -> bool {
        let nothing = self.rights == Rights::NONE && self.api_types.is_empty();
        let met = match self.any {
            _ if nothing => true,
            true => rights.common(&self.rights) != Rights::NONE || self.api_types.iter().any(|name| has_type(name)),
            false => rights.common(&self.rights) == self.rights && self.api_types.iter().all(|name| has_type(name)),
        };
        met && self.is_role(key) && self.is_tenant(key)
    }

    fn is_role(&self, key: &KnownKey) -> bool {
        self.role.as_ref().is_none_or(|role| *role == fold(&key.standing.role_name))
    }

    fn is_tenant(&self, key: &KnownKey) -> bool {
        let standing = &key.standing;
        self.tenant.as_ref().is_none_or(|tenant| {
            *tenant == fold(&standing.tenant_name) || *tenant == standing.tenant.guid.hyphenated().to_string()
        })
    }
}

/// What speaks against a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It is none: unknown, another's, or its secret is wrong.
    NotFound,
    /// It was revoked, and that was its secret.
    Revoked,
    /// What bounds every use of it.
    Rule(Rule),
    /// It lacks what is demanded.
    InsufficientRights,
    /// It would have what is demanded, were these API types authorized.
    AuthorizationPending(Vec<String>),
    /// It is bound to networks, and nobody says from where it is used.
    AddressUnknown,
    /// Its uses are counted, and whoever was asked cannot count them.
    CountedElsewhere,
}

impl Failure {
    /// The code of a verification.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "NOT_FOUND",
            Self::Revoked => "REVOKED",
            Self::Rule(rule) => rule.code(),
            Self::InsufficientRights => "INSUFFICIENT_RIGHTS",
            Self::AuthorizationPending(_) => "AUTHORIZATION_PENDING",
            Self::AddressUnknown => "ADDRESS_REFUSED",
            Self::CountedElsewhere => "USAGE_EXCEEDED",
        }
    }

    /// Whether it is about who somebody is (401), rather than about what they may do (403).
    pub const fn is_about_identity(&self) -> bool {
        match self {
            Self::NotFound | Self::Revoked => true,
            Self::Rule(rule) => {
                matches!(rule, Rule::Expired(_) | Rule::NotYetValid(_) | Rule::Locked | Rule::IssuerDisabled)
            }
            Self::InsufficientRights
            | Self::AuthorizationPending(_)
            | Self::AddressUnknown
            | Self::CountedElsewhere => false,
        }
    }

    /// After how many milliseconds the same may be asked with success, where that is known.
    pub const fn wait(&self) -> Option<i64> {
        match self {
            Self::Rule(Rule::RateLimited(wait)) => Some(*wait),
            _ => None,
        }
    }

    /// What would let the key in, for whoever may change it.
    pub fn mend(&self) -> String {
        match self {
            Self::NotFound => "Give it a new secret, or create a new key.".to_owned(),
            Self::Revoked => "Nothing brings it back: create a new key.".to_owned(),
            Self::InsufficientRights => {
                "Give its role what is missing, or the key another role or other API types; or \
                                         demand less."
                    .to_owned()
            }
            Self::AuthorizationPending(types) => {
                format!("Authorize {}: POST /api/apikeys/{{ID}}/authorizations, in a session.", types.join(", "))
            }
            Self::AddressUnknown => "Say in address from where it is used.".to_owned(),
            Self::CountedElsewhere => "Ask the server itself, or set constraints.remainingUses to null.".to_owned(),
            Self::Rule(rule) => match rule {
                Rule::Expired(_) => "Move its expiryDate ahead, or create a new key.".to_owned(),
                Rule::NotYetValid(begin) => {
                    format!("Wait until {begin}, or set constraints.notBefore to an earlier moment.")
                }
                Rule::Locked => "Set its member active to true.".to_owned(),
                Rule::IssuerDisabled => {
                    "Let whoever issued it in again, or use a key that somebody else issued.".to_owned()
                }
                Rule::AddressRefused(_) => {
                    "Add the address to constraints.networks.allow, or take it out of deny.".to_owned()
                }
                Rule::OutsideWindow(_) => "Wait for the hours of constraints.windows, or change those.".to_owned(),
                Rule::UsageExceeded => "Set constraints.remainingUses to more, or to null.".to_owned(),
                Rule::RateLimited(wait) => format!(
                    "Wait {} s, or raise constraints.callsPerMinute or the calls that its profile allows.",
                    u64::try_from(*wait).unwrap_or(1).div_ceil(SECOND as u64)
                ),
            },
        }
    }

    /// What it says to whoever presented the key.
    pub fn message(&self) -> String {
        match self {
            Self::NotFound => "The API key is not valid.".to_owned(),
            Self::Revoked => "The API key was revoked.".to_owned(),
            Self::Rule(rule) => rule.message(),
            Self::InsufficientRights => "The API key's role does not give it what is demanded.".to_owned(),
            Self::AuthorizationPending(types) => {
                format!("The API key waits for the authorization of {}.", types.join(", "))
            }
            Self::AddressUnknown => "The API key is bound to networks: say from which address it is used.".to_owned(),
            Self::CountedElsewhere => "The API key may be used so often and no more, and its uses are counted by the \
                 server that issued it: it cannot be verified here (USAGE_EXCEEDED)."
                .to_owned(),
        }
    }
}

/// The first thing that speaks against a key whose secret is right, at that moment and from that address. How often it
/// was used is looked at last, by whoever counts.
pub fn judge(key: &KnownKey, demands: &Demands, from: Option<IpAddr>, at: Timestamp) -> Option<Failure> {
    match key.special() {
        None => {
            if let Some(end) = key.expires().filter(|end| *end <= at) {
                return Some(Failure::Rule(Rule::Expired(end)));
            }
        }
        Some(special) => {
            if let Some(rule) = check::standing(&special.facts, at) {
                return Some(Failure::Rule(rule));
            }
        }
    }
    if let Some(failure) = lacking(key, demands) {
        return Some(failure);
    }
    let special = key.special()?;
    let bound = !special.facts.bounds.constraints.networks.is_empty();
    match from {
        None if bound => Some(Failure::AddressUnknown),
        // where nothing is bound any address will do
        from => check::call(&special.facts, at, from.unwrap_or(IpAddr::from([0, 0, 0, 0]))).map(Failure::Rule),
    }
}

/// What a key has not of what is demanded, by name. Where one of several is enough, all of those that it has not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Its role does not allow the web service at all.
    pub web_service: bool,
    /// Rights.
    pub rights: Vec<String>,
    /// API types that it has not, or that wait for their authorization.
    pub api_types: Vec<String>,
    /// Its role is another.
    pub role: bool,
    /// It is another tenant's.
    pub tenant: bool,
}

/// What is to be said of it besides that something is missing.
pub fn missing(key: &KnownKey, demands: &Demands) -> Missing {
    let types = key.special().map_or(&[][..], |special| &special.facts.api_types);
    let has_not = |name: &&String| !types.iter().any(|has| has == *name);
    let rights = demands.rights.iter().filter(|right| !key.rights().contains(*right));
    // where one is enough and there, the others are not missing
    let enough = demands.any
        && Demands { role: None, tenant: None, ..demands.clone() }.are_met(
            key.rights(),
            |name| types.iter().any(|has| has == name),
            key,
        );
    Missing {
        web_service: !key.standing.web_service,
        rights: if enough { Vec::new() } else { rights.map(|right| format!("{right:?}")).collect() },
        api_types: if enough { Vec::new() } else { demands.api_types.iter().filter(has_not).cloned().collect() },
        role: !demands.is_role(key),
        tenant: !demands.is_tenant(key),
    }
}

/// What it lacks of what is demanded.
fn lacking(key: &KnownKey, demands: &Demands) -> Option<Failure> {
    if !key.standing.web_service {
        return Some(Failure::InsufficientRights);
    }
    let none: &[String] = &[];
    let (rights, types) = (key.rights(), key.special().map_or(none, |special| &special.facts.api_types));
    if demands.are_met(rights, |name| types.iter().any(|has| has == name), key) {
        return None;
    }
    let pending = key.special().map_or(&[][..], |special| &special.facts.pending.0);
    let all = pending.iter().fold(*rights, |all, (_, more)| all.joined(more));
    let would_have = |name: &str| types.iter().any(|has| has == name) || pending.iter().any(|(has, _)| has == name);
    if !pending.is_empty() && demands.are_met(&all, would_have, key) {
        return Some(Failure::AuthorizationPending(pending.iter().map(|(name, _)| name.clone()).collect()));
    }
    Some(Failure::InsufficientRights)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_code_is_in_the_list() {
        let (at, zone) = (Timestamp::from_millis(0), crate::locale::TimeZone::UTC);
        let rules = [
            Rule::Expired(at),
            Rule::NotYetValid(at),
            Rule::Locked,
            Rule::IssuerDisabled,
            Rule::AddressRefused(IpAddr::from([0, 0, 0, 0])),
            Rule::OutsideWindow(zone),
            Rule::UsageExceeded,
            Rule::RateLimited(1),
        ];
        let others = [
            Failure::NotFound,
            Failure::Revoked,
            Failure::InsufficientRights,
            Failure::AuthorizationPending(Vec::new()),
            Failure::AddressUnknown,
        ];
        let failures: Vec<Failure> = rules.into_iter().map(Failure::Rule).chain(others).collect();
        let mut told: Vec<&str> = failures.iter().map(Failure::code).chain([VALID]).collect();
        told.sort_unstable();
        told.dedup();
        let mut listed: Vec<&str> = CODES.iter().map(|(code, _)| *code).collect();
        listed.sort_unstable();
        assert_eq!(told, listed);
        assert!(failures.iter().all(|failure| failure.mend().ends_with('.') && failure.message().ends_with('.')));
    }

    proptest! {
        /// Whatever is named is demanded or refused; nothing is demanded that was not named.
        #[test]
        fn what_is_named_is_demanded_or_refused(rights in prop::collection::vec("[a-zA-Z.]{0,40}", 0..4), types in prop::collection::vec("[a-z]{0,3}", 0..4), matching in "(all|any|[a-z]{0,4})") {
            let read = Demands::read(rights.iter().map(String::as_str), types.iter().map(String::as_str), (None, None, Some(&matching)));
            match read {
                Ok(demands) => {
                    prop_assert_eq!(rights.is_empty(), demands.rights == Rights::NONE);
                    prop_assert_eq!(demands.api_types, types);
                    prop_assert_eq!(demands.any, matching == "any");
                }
                Err(BadDemand::UnknownRight(at, name, near)) => {
                    prop_assert_eq!(&rights[at], &name);
                    prop_assert_eq!(near.len(), 3);
                }
                Err(BadDemand::Match) => prop_assert!(!["all", "any"].contains(&matching.as_str())),
                Err(BadDemand::Malformed(_)) => prop_assert!(types.contains(&String::new())),
            }
        }
    }
}
