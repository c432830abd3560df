//! What may be demanded of a key, and what speaks against it: functions of values. The moment may lie ahead.

use std::net::IpAddr;

use crate::auth::known_keys::KnownKey;
use crate::auth::{Rule, check};
use crate::clock::Timestamp;
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
    /// There is no such right; these are most like it, as `group.subGroup.name`.
    UnknownRight(String, Vec<String>),
    /// Neither `all` nor `any`.
    Match,
    /// Something else, in words.
    Malformed(String),
}

impl BadDemand {
    /// What is wrong, in words.
    pub fn message(&self) -> String {
        match self {
            Self::UnknownRight(name, near) => {
                format!("There is no right {name}. Most like it: {}.", near.join(", "))
            }
            Self::Match => "match is all or any.".to_owned(),
            Self::Malformed(what) => format!("The demand cannot be read: {what}."),
        }
    }
}

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
        for name in rights {
            let right = Right::find_dotted(name).ok_or_else(|| {
                let near = Right::near(name).iter().map(|right| format!("{right:?}")).collect();
                BadDemand::UnknownRight(name.chars().take(200).collect(), near)
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
        let standing = &key.standing;
        let is_role = self.role.as_ref().is_none_or(|role| *role == fold(&standing.role_name));
        let is_tenant = self.tenant.as_ref().is_none_or(|tenant| {
            *tenant == fold(&standing.tenant_name) || *tenant == standing.tenant.guid.hyphenated().to_string()
        });
        let nothing = self.rights == Rights::NONE && self.api_types.is_empty();
        let met = match self.any {
            _ if nothing => true,
            true => rights.common(&self.rights) != Rights::NONE || self.api_types.iter().any(|name| has_type(name)),
            false => rights.common(&self.rights) == self.rights && self.api_types.iter().all(|name| has_type(name)),
        };
        met && is_role && is_tenant
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
    match &key.special {
        None => {
            if let Some(end) = key.expires.filter(|end| *end <= at) {
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
    let special = key.special.as_ref()?;
    let bound = !special.facts.bounds.constraints.networks.is_empty();
    match from {
        None if bound => Some(Failure::AddressUnknown),
        // where nothing is bound any address will do
        from => check::call(&special.facts, at, from.unwrap_or(IpAddr::from([0, 0, 0, 0]))).map(Failure::Rule),
    }
}

/// What it lacks of what is demanded.
fn lacking(key: &KnownKey, demands: &Demands) -> Option<Failure> {
    if !key.standing.web_service {
        return Some(Failure::InsufficientRights);
    }
    let none: &[String] = &[];
    let (rights, types) = (key.rights(), key.special.as_ref().map_or(none, |special| &special.facts.api_types));
    if demands.are_met(rights, |name| types.iter().any(|has| has == name), key) {
        return None;
    }
    let pending = key.special.as_ref().map_or(&[][..], |special| &special.facts.pending.0);
    let all = pending.iter().fold(*rights, |all, (_, more)| all.joined(more));
    let would_have = |name: &str| types.iter().any(|has| has == name) || pending.iter().any(|(has, _)| has == name);
    if !pending.is_empty() && demands.are_met(&all, would_have, key) {
        return Some(Failure::AuthorizationPending(pending.iter().map(|(name, _)| name.clone()).collect()));
    }
    Some(Failure::InsufficientRights)
}
