//! Keys that were revoked.

use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::id::{ApiKeyID, ProfileID, RoleID};

/// Somebody who made a key or ended it, as they were called then.
#[derive(Debug, Serialize, ToSchema)]
pub struct Party {
    /// `administrator`, `apiKey`, `tenant` (the primary one), `system` or `unknown`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Their number; left out where they have none.
    #[serde(rename = "ID", skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// Their name; left out where it is not known any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// How a secret is spoken of.
#[derive(Debug, Serialize, ToSchema)]
pub struct SecretReference {
    /// The first eight hex digits of its digest.
    #[serde(rename = "ref")]
    pub reference: String,
}

/// A key that is no more.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevokedApiKey {
    /// Its name, which another key may have had since.
    pub key_name: String,
    /// Empty when none was given.
    pub description: String,
    /// The role it had.
    #[serde(rename = "roleID")]
    pub role_id: RoleID,
    /// What the role was called then.
    pub role_name: String,
    /// The rules it lived under.
    #[serde(rename = "profileID")]
    pub profile_id: ProfileID,
    /// What kind of key it was.
    pub kind: String,
    /// Who made it.
    pub issuer: Party,
    /// Milliseconds since the epoch.
    pub created: Timestamp,
    /// The last time it was used with success; left out where it never was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_sign_in: Option<Timestamp>,
    /// When it would have ended; left out when never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiry_date: Option<Timestamp>,
    /// When it was revoked.
    pub revoked: Timestamp,
    /// By whom.
    pub revoked_by: Party,
    /// `unspecified`, `leaked`, `superseded`, `unused`, `compromisedIssuer` or `other`.
    pub revocation_reason: String,
    /// What else is to be known of it; empty when nothing was said.
    pub note: String,
    /// The secrets it had.
    pub secrets: Vec<SecretReference>,
    /// When somebody last presented one of them since, to the minute; left out where nobody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_presented: Option<Timestamp>,
    /// From where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_presented_from: Option<String>,
    /// Made by the primary tenant for use in another.
    pub service_account: bool,
    /// Its number, which is never given again.
    #[serde(rename = "ID")]
    pub id: ApiKeyID,
}

/// A list of keys that are no more.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevokedApiKeys {
    /// Ordered by ID.
    pub revoked_api_keys: Vec<RevokedApiKey>,
}
