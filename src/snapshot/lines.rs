//! The lines of a snapshot, each a JSON object with one member that says what it is. A member that a reader does not know
//! may be a bound that it would not keep to, so it is refused rather than passed over.

use serde::{Deserialize, Serialize};

use crate::api_key_profiles::{Dialect, Throttle, Window as Minute};
use crate::auth::known_keys::Standing;
use crate::auth::{KeyBounds, KeyFacts, KnownSecret, Pending, Tenant, TenantFacts};
use crate::clock::Timestamp;
use crate::constraints::{Constraints, Networks, Window};
use crate::id::{ApiKeyID, ProfileID, RoleID, TenantID};
use crate::locale::TimeZone;
use crate::rights::{Grant, Reach, Right, Rights, Ways};
use crate::secret::SecretDigest;
use crate::secret_life::SecretLife;

/// The version of the format that is written, and the only one that is read.
pub const VERSION: u32 = 1;

/// A line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Line {
    /// The first one: what this is.
    Snapshot(Head),
    /// What keys have in common; those that stand in it come behind.
    Standing(CarriedStanding),
    /// A key.
    Key(CarriedKey),
    /// A key that was revoked.
    Revoked(CarriedRevoked),
    /// The last one above the signature: what there was.
    End(Count),
}

/// What a snapshot says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Head {
    /// [`VERSION`].
    pub version: u32,
    /// When it was made, in milliseconds since 1970.
    pub made: Timestamp,
    /// From when on it must not be used.
    pub not_after: Timestamp,
    /// The same as long as nothing has changed.
    pub state: String,
    /// Whose keys they are.
    pub tenant: CarriedTenant,
    /// What it is signed with, for whoever has nothing to compare it with yet.
    pub public_key: String,
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CarriedTenant {
    id: TenantID,
    guid: uuid::Uuid,
    name: String,
    active: bool,
    /// What stands for it in URLs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

impl CarriedTenant {
    /// As it is carried.
    pub fn of(facts: TenantFacts) -> Self {
        let TenantFacts { tenant, name, is_active, label } = facts;
        Self { id: tenant.id, guid: tenant.guid, name, active: is_active, label }
    }

    /// Which it is.
    pub fn tenant(&self) -> Tenant {
        Tenant { id: self.id, guid: self.guid }
    }
}

/// What keys have in common, by the number that their lines name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CarriedStanding {
    /// From 0 on, one by one.
    pub number: u32,
    role: String,
    web_service: bool,
    rights: Vec<String>,
    profile: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    calls_per_minute: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant_calls_per_minute: Option<i64>,
    minute: String,
}

/// A key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CarriedKey {
    id: i64,
    name: String,
    standing: u32,
    secrets: Vec<CarriedSecret>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    not_before: Option<i64>,
    #[serde(default, skip_serializing_if = "is_not")]
    locked: bool,
    #[serde(default, skip_serializing_if = "is_not")]
    issuer_disabled: bool,
    #[serde(default, skip_serializing_if = "is_not")]
    uses_counted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    calls_per_minute: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    networks: Option<Networks>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    windows: Vec<Window>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time_zone: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    api_types: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pending: Vec<CarriedPending>,
}

/// A secret that lives, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CarriedSecret {
    digest: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ends: Option<i64>,
}

/// An API type that waits for its authorization, and what the key could do by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CarriedPending {
    api_type: String,
    rights: Vec<String>,
}

/// A key that was revoked, and the secrets it had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CarriedRevoked {
    id: i64,
    digests: Vec<String>,
}

/// How many lines of each kind there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Count {
    /// Of what keys have in common.
    pub standings: u64,
    /// Of keys.
    pub keys: u64,
    /// Of revoked keys.
    pub revoked: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_not(yes: &bool) -> bool {
    !*yes
}

fn names(rights: &Rights) -> Vec<String> {
    rights.iter().map(|right| format!("{right:?}")).collect()
}

/// A right that this program does not know cannot be demanded of it either.
fn rights(names: &[String]) -> Rights {
    names.iter().filter_map(|name| Right::find_dotted(name)).collect()
}

fn id(number: i64) -> Option<ApiKeyID> {
    (1..=crate::id::MAX_ID).contains(&number).then_some(ApiKeyID::new(number))
}

fn digest(text: &str) -> Result<SecretDigest, &'static str> {
    SecretDigest::from_base64(text).ok_or("a digest is none")
}

impl CarriedStanding {
    /// What a key has in common with others, under a number that is still to be given.
    pub fn of(facts: &KeyFacts) -> Self {
        Self {
            number: 0,
            role: facts.role_name.clone(),
            web_service: facts.grant.ways.web_service,
            rights: names(&facts.grant.rights),
            profile: facts.bounds.profile.get(),
            calls_per_minute: facts.throttle.key,
            tenant_calls_per_minute: facts.throttle.tenant,
            minute: facts.throttle.window.as_str().to_owned(),
        }
    }

    /// Under that number.
    #[must_use]
    pub fn numbered(self, number: u32) -> Self {
        Self { number, ..self }
    }

    /// As it is kept for verification.
    pub fn standing(self, tenant: &CarriedTenant) -> Result<Standing, &'static str> {
        let window = Minute::parse(&self.minute).ok_or("a minute is none")?;
        let throttle = Throttle { key: self.calls_per_minute, tenant: self.tenant_calls_per_minute, window };
        let (whose, name) = (tenant.tenant(), tenant.name.clone());
        let profile = ProfileID::new(self.profile);
        Ok(Standing::new(
            (whose, name, tenant.active),
            self.role,
            rights(&self.rights),
            self.web_service,
            (profile, throttle),
        ))
    }
}

impl CarriedKey {
    /// As it is carried by a snapshot made at that moment; none where no secret of its lives.
    pub fn of(id: ApiKeyID, facts: &KeyFacts, standing: u32, at: Timestamp) -> Option<Self> {
        let Constraints { target: _, not_before, networks, remaining_uses, calls_per_minute, windows } =
            &facts.bounds.constraints;
        let living = facts.secrets.iter().filter(|secret| secret.life.lives(at));
        let secrets: Vec<_> = living
            .map(|secret| CarriedSecret {
                digest: secret.digest.to_base64(),
                // a use would move it, of which an edge hears nothing: there it ends when it ends unused
                ends: secret.life.end().map(Timestamp::millis),
            })
            .collect();
        let pending = facts.pending.0.iter();
        (!secrets.is_empty()).then(|| Self {
            id: id.get(),
            name: facts.name.clone(),
            standing,
            secrets,
            expires: facts.expires.map(Timestamp::millis),
            not_before: not_before.map(Timestamp::millis),
            locked: !facts.active,
            issuer_disabled: facts.bounds.issuer_bound && !facts.issuer_may_sign_in,
            uses_counted: remaining_uses.is_some(),
            calls_per_minute: *calls_per_minute,
            networks: (!networks.is_empty()).then(|| networks.clone()),
            windows: windows.clone(),
            time_zone: (!windows.is_empty()).then(|| facts.bounds.time_zone.as_str().to_owned()),
            api_types: facts.api_types.clone(),
            pending: pending
                .map(|(name, rights)| CarriedPending { api_type: name.clone(), rights: names(rights) })
                .collect(),
        })
    }

    /// Which of the standings is its.
    pub fn standing(&self) -> u32 {
        self.standing
    }

    /// Its ID, and what is known of it as far as verification goes.
    pub fn facts(self, standing: &Standing) -> Result<(ApiKeyID, KeyFacts), &'static str> {
        let id = id(self.id).ok_or("a key's ID is none")?;
        let time_zone = match self.time_zone.as_deref() {
            None if self.windows.is_empty() => TimeZone::UTC,
            None => return Err("windows need a time zone"),
            Some(name) => TimeZone::parse(name).map_err(|_| "a time zone is not known here")?,
        };
        if self.secrets.is_empty() {
            return Err("a key has no secret");
        }
        let secrets = self.secrets.iter().zip(1..).map(|(secret, number)| {
            let life = SecretLife {
                created: Timestamp::from_millis(0),
                last_used: None,
                ends: secret.ends.map(Timestamp::from_millis),
                replaced: None,
                silent_for: None,
                extend_until: None,
            };
            Ok(KnownSecret { id: number, digest: digest(&secret.digest)?, life })
        });
        let secrets = secrets.collect::<Result<Vec<_>, &'static str>>()?;
        let pending = self.pending.into_iter().map(|waits| (waits.api_type, rights(&waits.rights))).collect();
        let facts = KeyFacts {
            name: self.name,
            active: !self.locked,
            expires: self.expires.map(Timestamp::from_millis),
            tenant: standing.tenant,
            tenant_name: standing.tenant_name.clone(),
            tenant_is_active: standing.tenant_is_active,
            // whoever verifies asks for its name
            role: RoleID::new(0),
            role_name: standing.role_name.clone(),
            grant: Grant {
                rights: standing.rights,
                reach: Reach::default(),
                ways: Ways { user_interface: false, web_service: standing.web_service },
            },
            pending: Pending(pending),
            api_types: self.api_types,
            secrets,
            bounds: KeyBounds {
                id,
                constraints: Constraints {
                    target: None,
                    not_before: self.not_before.map(Timestamp::from_millis),
                    networks: self.networks.unwrap_or_default(),
                    // how many are left is the authority's to know; that they are counted is all that matters here
                    remaining_uses: self.uses_counted.then_some(1),
                    calls_per_minute: self.calls_per_minute,
                    windows: self.windows,
                },
                time_zone,
                profile: standing.profile,
                is_throttled: standing.throttle.key.is_some() || standing.throttle.tenant.is_some(),
                api_types: Vec::new(),
                issuer_bound: self.issuer_disabled,
                administrator: None,
                key: None,
            },
            role_of_issuer: false,
            issuer_may_sign_in: !self.issuer_disabled,
            throttle: standing.throttle,
            dialect: Dialect::DeepSecurity,
        };
        Ok((id, facts))
    }
}

impl CarriedRevoked {
    /// As it is carried.
    pub fn of(id: ApiKeyID, digests: &[SecretDigest]) -> Self {
        Self { id: id.get(), digests: digests.iter().map(SecretDigest::to_base64).collect() }
    }

    /// Its ID, and the digests.
    pub fn digests(&self) -> Result<(ApiKeyID, Box<[SecretDigest]>), &'static str> {
        let id = id(self.id).ok_or("a revoked key's ID is none")?;
        Ok((id, self.digests.iter().map(|text| digest(text)).collect::<Result<_, _>>()?))
    }
}
