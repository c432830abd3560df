//! Who somebody is: a person by a session, or a program by a key.

use std::sync::Arc;

use uuid::Uuid;

use crate::api_key_profiles::Dialect;
use crate::audit::Origin;
use crate::clock::Timestamp;
use crate::constraints::Constraints;
use crate::error::{Error, Result};
use crate::id::{AdministratorID, ApiKeyID, ApiTypeID, ProfileID, RoleID, TenantID};
use crate::locale::TimeZone;
use crate::rights::{Grant, Right, Rights};
use crate::secret::SecretDigest;

/// By which URL a call came in, whose it is looked up.
#[derive(Clone, Debug, Default)]
pub enum Door {
    /// By the general one, which is everybody's.
    #[default]
    General,
    /// By a tenant's own.
    Of {
        /// Whose.
        tenant: TenantID,
        /// Its name, folded.
        folded_name: String,
    },
    /// By one that is nobody's.
    Nobodys,
}

impl Door {
    /// Refuses whoever belongs elsewhere, in the words that are for doors that are not there.
    pub fn admit(&self, tenant: TenantID) -> Result<()> {
        match self {
            Self::General => Ok(()),
            Self::Of { tenant: own, .. } if *own == tenant => Ok(()),
            Self::Of { .. } | Self::Nobodys => Err(Error::no_such_route()),
        }
    }
}

/// What the middleware found out, left for the extractor.
pub struct Identified(pub Result<Arc<Identity>>);

/// Left beside it when it is known who calls, for what is noted of the call.
pub struct KnownCaller(pub Arc<Identity>);

/// Why a session may do nothing but see to its owner's own account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Limited {
    /// The password is older than the tenant's settings allow.
    PasswordExpired,
    /// The tenant's settings ask for MFA, and the owner has none.
    MfaRequired,
}

/// Somebody who is known, and what their role lets them do at this moment.
#[derive(Debug)]
pub struct Identity {
    /// Where they belong.
    pub tenant: Tenant,
    /// A person's session, or a key.
    pub who: Who,
    /// Their role.
    pub role: RoleID,
    /// Its name.
    pub role_name: String,
    /// What it lets them do, and by which ways they may come; of a key for some API types, what is left of that.
    pub grant: Grant,
    /// What a key may not do yet.
    pub pending: Pending,
    /// Where the request came from.
    pub origin: Origin,
}

/// API types of a key that wait for an authorization, by name, and the rights that it would have by each.
#[derive(Clone, Debug, Default)]
pub struct Pending(pub Vec<(String, Rights)>);

impl Pending {
    /// The names of those that one of these rights is waiting with.
    pub fn with(&self, rights: impl Iterator<Item = Right> + Clone) -> Vec<&str> {
        let waits = |(_, pending): &&(String, Rights)| rights.clone().any(|right| pending.contains(right));
        self.0.iter().filter(waits).map(|(name, _)| name.as_str()).collect()
    }
}

/// A tenant as every caller carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenant {
    /// 0 is the primary one.
    pub id: TenantID,
    /// The same for machines.
    pub guid: Uuid,
}

impl Tenant {
    /// What stands in front of this tenant's keys: nothing in the primary tenant.
    pub fn key_prefix(&self) -> Option<Uuid> {
        (self.id != TenantID::PRIMARY).then_some(self.guid)
    }
}

/// The two kinds of caller.
#[derive(Debug)]
pub enum Who {
    /// A person, by a session.
    Administrator(SessionCaller),
    /// A program, by a key.
    ApiKey(KeyCaller),
}

/// A person's session.
#[derive(Debug)]
pub struct SessionCaller {
    /// The person.
    pub administrator: AdministratorID,
    /// The name they sign in by.
    pub username: String,
    /// The session's row.
    pub session: i64,
    /// Its name in lists.
    pub reference: String,
    /// When it was opened.
    pub created: Timestamp,
    /// When it was last used.
    pub last_activity: Timestamp,
    /// When it ends at the latest.
    pub absolute_end: Timestamp,
    /// Whether it is a console's.
    pub user_interface: bool,
    /// Whether it was opened with the password that the first start made.
    pub initial_password: bool,
    /// Whether it is there for making one key, and ends with that.
    pub one_shot: bool,
    /// Whether it may do nothing but see to its owner's own account, and why.
    pub limited: Option<Limited>,
}

/// Somebody who left word for a call to be made later, and is looked up again when it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// A person.
    Administrator(AdministratorID),
    /// A key.
    ApiKey(ApiKeyID),
}

/// A key that was presented with its secret.
#[derive(Debug)]
pub struct KeyCaller {
    /// Which key.
    pub id: ApiKeyID,
    /// Its name.
    pub name: String,
    /// When it ends; nothing made with it may last longer.
    pub expires: Option<Timestamp>,
    /// The digest of the secret that it was presented with.
    pub digest: SecretDigest,
    /// In which shape it is answered that something is refused.
    pub dialect: Dialect,
    /// What else bounds it, and whatever is made with it; of its uses those that are left after this one.
    pub bounds: Box<KeyBounds>,
    /// The number of that secret's row.
    pub secret: i64,
    /// When that was.
    pub presented: Timestamp,
}

/// What bounds a key, besides its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyBounds {
    /// Which key.
    pub id: ApiKeyID,
    /// From where, when and how often it may be used.
    pub constraints: Constraints,
    /// Whose clocks its hours are.
    pub time_zone: TimeZone,
    /// The rules it lives under.
    pub profile: ProfileID,
    /// Whether those say how often keys may be presented.
    pub is_throttled: bool,
    /// The API types that it is for, those included that wait for an authorization; anything where there are none.
    pub api_types: Vec<ApiTypeID>,
    /// Whether it is of use only as long as whoever issued it may sign in.
    pub issuer_bound: bool,
    /// The person who issued it, if it was one.
    pub administrator: Option<AdministratorID>,
    /// The key that it was made with, if it was.
    pub key: Option<ApiKeyID>,
}

impl KeyBounds {
    /// Whether nothing is said but that it may have begun late, which is over.
    pub fn is_open(&self) -> bool {
        let Constraints { networks, remaining_uses, calls_per_minute, windows, .. } = &self.constraints;
        let is_bounded = remaining_uses.is_some() || calls_per_minute.is_some() || !windows.is_empty();
        networks.is_empty() && !is_bounded && !self.issuer_bound
    }
}
