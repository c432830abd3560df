//! What Firstkey adds to a key: two members that are answered with `?expand=` and taken at any time.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::strict::{Unknown, objects, to_objects};
use super::{Number, Patch};
use crate::clock::Timestamp;
use crate::id::ProfileID;

/// What a key's life is like.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Lifecycle {
    /// The rules it lives under.
    #[serde(rename = "profileID")]
    pub profile_id: ProfileID,
    /// Their name.
    pub profile: String,
    /// `revoked`, `locked`, `issuerDisabled`, `expired`, `notYetValid`, `expiring`, `generated`, `active` or
    /// `inactive`: the first that holds.
    pub status: &'static str,
    /// `standard`, `siemAgent` or `logCollector`.
    pub kind: &'static str,
    /// Who made it; left out when nobody of this tenant did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Issuer>,
    /// The newest first; more than one while the key is being rotated.
    pub secrets: Vec<KeySecret>,
    /// Left out unless two secrets live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    /// When people are told that it will end, in milliseconds since the epoch; those that lie ahead.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Timestamp>,
    /// Where the tenant's own calls go; left out where the server knows no public URL.
    #[serde(rename = "tenantURL", skip_serializing_if = "Option::is_none")]
    pub tenant_url: Option<String>,
}

/// Who made a key.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Issuer {
    /// `administrator` or `apiKey`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Their number.
    #[serde(rename = "ID")]
    pub id: i64,
    /// Their name; left out when they are gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// One of a key's secrets, by what can be said of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeySecret {
    /// The first eight hex digits of its digest.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Milliseconds since the epoch.
    pub created: Timestamp,
    /// The last time the key was used with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used: Option<Timestamp>,
    /// From where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_address: Option<String>,
    /// How often.
    pub uses: i64,
    /// When it ends, as far as can be said now; left out when it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
}

/// A key between two secrets.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rotation {
    /// When the new secret came.
    pub started: Timestamp,
    /// When the old one ends.
    pub overlap_ends: Timestamp,
    /// It ends earlier, when nobody has used it for so long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish_when_silent_for: Option<String>,
    /// It ends later, at that moment at the latest, as long as it is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extend_while_used_until: Option<Timestamp>,
}

/// What bounds a key's use.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Constraints {
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// What it may be used for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub api_types: Vec<KeyApiType>,
    /// Not before that moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// From where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networks: Option<Networks>,
    /// So many times more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining_uses: Option<i64>,
    /// So often within a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_per_minute: Option<i64>,
    /// At those hours of the week.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<Window>,
}

/// One of a key's API types.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeyApiType {
    /// Its name.
    pub name: String,
    /// `notNeeded`, `pending` or `granted`.
    pub authorization: &'static str,
    /// When it was granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub granted: Option<Timestamp>,
    /// By whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub granted_by: Option<Issuer>,
}

/// Networks as CIDR writes them; a bare address is a network of one.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self")]
pub struct Networks {
    /// Everywhere, where this is empty.
    #[serde(default)]
    pub allow: Vec<String>,
    /// Not there, whatever is allowed.
    #[serde(default)]
    pub deny: Vec<String>,
}

/// Hours of some days of the week, in the key's own time zone.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(remote = "Self")]
pub struct Window {
    /// `mon` to `sun`: the days on which it begins.
    pub days: Vec<String>,
    /// `08:00`.
    pub from: String,
    /// `18:00`; what is no later than `from` is of the next day. `24:00` is the end of the day.
    pub to: String,
}

/// What can be asked for of a new key's life.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub struct LifecycleWish {
    /// The rules it is to live under; the tenant's default where nothing is said. They stay for life.
    #[serde(rename = "profileID")]
    pub profile_id: Option<Number>,
    /// The same by their name; beside `profileID` it must be that one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// `standard`, `siemAgent` or `logCollector`.
    pub kind: Option<String>,
}

/// What is to bound a key's use. Null takes a bound away; what is not sent stays.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub struct ConstraintsWish {
    /// One of the profile's targets.
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<String>)]
    pub target: Patch<String>,
    /// Names, or objects with a `name`, of API types.
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<Vec<ApiTypeName>>)]
    pub api_types: Patch<Vec<ApiTypeName>>,
    /// Milliseconds since the epoch.
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<Number>)]
    pub not_before: Patch<Number>,
    /// Networks as CIDR writes them.
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<Networks>)]
    pub networks: Patch<Networks>,
    /// 1 to 1,000,000,000.
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<Number>)]
    pub remaining_uses: Patch<Number>,
    /// 1 to 1,000,000.
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<Number>)]
    pub calls_per_minute: Patch<Number>,
    /// Hours of the week, 50 at most.
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<Vec<Window>>)]
    pub windows: Patch<Vec<Window>>,
}

/// An API type in a body: its name, or an object as answers carry it.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ApiTypeName {
    /// `logRetrieval`.
    Name(String),
    /// What an answer said.
    Object {
        /// `logRetrieval`.
        name: String,
    },
}

/// How a secret is to be replaced; nothing said is at once.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub struct RotationWish {
    /// The old secret lives on for so long, such as `24h`.
    pub overlap: Option<String>,
    /// It ends earlier, when nobody has used it for so long.
    pub finish_when_silent_for: Option<String>,
    /// It may end so much later than the overlap, as long as it is used.
    pub extend_while_used_for: Option<String>,
}

/// How a tenant's keys are.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyCounts {
    /// Each status and how many keys have it.
    pub statuses: std::collections::BTreeMap<&'static str, i64>,
}

/// Members of a key that published clients send along where nothing but a new secret is asked for.
const OF_KEY: &[&str] = &[
    "keyName",
    "description",
    "locale",
    "roleID",
    "timeZone",
    "active",
    "created",
    "lastSignIn",
    "unlockTime",
    "unsuccessfulSignInAttempts",
    "expiryDate",
    "secretKey",
    "serviceAccount",
    "ID",
    "lifecycle",
    "constraints",
];

objects! {
    LifecycleWish Unknown::RefusedBut(&["status", "issuer", "secrets", "rotation", "warnings", "tenantURL"]);
    ConstraintsWish Unknown::RefusedBut(&[]);
    Networks Unknown::RefusedBut(&[]);
    Window Unknown::RefusedBut(&[]);
    RotationWish Unknown::RefusedBut(OF_KEY);
}

to_objects!(LifecycleWish, ConstraintsWish, Networks, Window);

impl ApiTypeName {
    /// The name.
    pub fn name(&self) -> &str {
        match self {
            Self::Name(name) | Self::Object { name } => name,
        }
    }
}
