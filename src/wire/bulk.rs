//! Many keys at once.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ApiKeyWithSecret, Criteria, Flag, Number, Patch, RotationWish};
use crate::clock::Timestamp;
use crate::id::{ApiKeyID, JobID, RoleID};

/// What is to be done to many keys. Anything else that is sent is ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BulkOrder {
    /// Which keys: all must hold, as in a search. An empty list stands for every key. Keys of every kind are found,
    /// those of machines too, unless a criterion on `kind` says otherwise.
    #[schema(required, value_type = Criteria)]
    pub search_criteria: Option<Criteria>,
    /// The first so many only, 1 to 5,000; all when left out.
    pub max_items: Option<Number>,
    /// Accepted; keys always come in the order of IDs.
    #[serde(rename = "sortByObjectID")]
    pub sort_by_object_id: Option<Flag>,
    /// Why: `unspecified`, `leaked`, `superseded`, `unused`, `compromisedIssuer` or `other`.
    pub reason: Option<String>,
    /// What else is to be known of it, at most 1,024 characters.
    #[schema(max_length = 1024)]
    pub note: Option<String>,
    /// To extend: until when, in milliseconds since the epoch, one minute to ten years ahead; 0 or null is never.
    #[serde(default)]
    #[schema(value_type = Option<Number>)]
    pub expiry_date: Patch<Number>,
    /// To extend: by how much, such as `30d`; keys that have ended last so long from now on.
    pub extend_by: Option<String>,
    /// To rotate: how long the old secrets live on beside the new ones; not at all when left out. Keys whose profile
    /// allows less, and keys that have two secrets already, are refused one by one.
    pub rotation: Option<RotationWish>,
    /// True does nothing and answers what would be done; also as `?dryRun=true`.
    pub dry_run: Option<Flag>,
    /// From the dry run; without it nothing is done.
    pub confirmation: Option<String>,
}

/// What would be done to many keys, or was.
#[derive(Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BulkAnswer {
    /// To how many keys.
    pub count: i64,
    /// The job that does it: `GET /api/jobs/{ID}` says how far it is. Left out in a dry run.
    #[serde(rename = "jobID", skip_serializing_if = "Option::is_none")]
    pub job_id: Option<JobID>,
    /// The keys with their new secrets, shown this once; only where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_keys: Option<Vec<ApiKeyWithSecret>>,
    /// In a dry run: the first thousand keys, by ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<BulkKey>>,
    /// How many of all of them were never used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub never_used: Option<i64>,
    /// How many of all of them were used within the last 24 hours.
    #[serde(rename = "usedWithin24h", skip_serializing_if = "Option::is_none")]
    pub used_within_24h: Option<i64>,
    /// How many more the criteria find that are so already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unchanged: Option<i64>,
    /// Those that the criteria find and the caller must not touch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<BulkRefusals>,
    /// Whether the criteria also find the key that makes the call: it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own_key_left_out: Option<bool>,
    /// Makes the same call happen, for this very set of keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<String>,
    /// Until when it is good, in milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmation_ends: Option<Timestamp>,
}

/// A key that something would be done to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BulkKey {
    /// Its name.
    pub key_name: String,
    /// Whose rights it has.
    #[serde(rename = "roleID")]
    pub role_id: RoleID,
    /// The last time it was used with success; left out before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_sign_in: Option<Timestamp>,
    /// Left out when it never expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiry_date: Option<Timestamp>,
    /// From where its secrets were last used, as far as is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub callers: Vec<String>,
    /// Its number.
    #[serde(rename = "ID")]
    pub id: ApiKeyID,
}

/// Keys that are left as they are.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct BulkRefusals {
    /// How many.
    pub count: i64,
    /// The first hundred of them.
    pub keys: Vec<BulkRefusal>,
}

/// A key that is left as it is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct BulkRefusal {
    /// Its name; left out when it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_name: Option<String>,
    /// Why, for a person.
    pub message: String,
    /// Its number.
    #[serde(rename = "ID")]
    pub id: ApiKeyID,
}
