//! Claims: a code now, a key when it is redeemed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::strict::{Unknown, objects};
use super::{ConstraintsWish, Issuer, LifecycleWish, Number, Patch, SecretOnce};
use crate::clock::Timestamp;
use crate::id::{ApiKeyID, ClaimID, RoleID};

/// What a claim is made of: what its key is to be, and how long and from where its code can be redeemed. What
/// answers carry besides is ignored, and anything else is refused.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub struct NewClaim {
    /// 1 to 128 characters; no other key may have it when the code is redeemed.
    #[schema(min_length = 1, max_length = 128, required, value_type = String)]
    pub key_name: Option<String>,
    /// At most 1,024 characters.
    #[schema(max_length = 1024)]
    pub description: Option<String>,
    /// `en-US`, `ja-JP`, `fr-FR` or `nl-NL`.
    pub locale: Option<String>,
    /// The role whose rights the key will have; not above the caller's, now and when the code is redeemed.
    #[serde(rename = "roleID")]
    #[schema(required, value_type = Number)]
    pub role_id: Option<Number>,
    /// An IANA name, or one that Java knows.
    pub time_zone: Option<String>,
    /// When the key ends, in milliseconds since the epoch; 0 or null is never.
    #[serde(default)]
    #[schema(value_type = Option<Number>)]
    pub expiry_date: Patch<Number>,
    /// What the key's life is to be like.
    pub lifecycle: Option<LifecycleWish>,
    /// What is to bound the key's use.
    pub constraints: Option<ConstraintsWish>,
    /// How long the key lasts from the moment that the code is redeemed, such as `90d`; in the place of `expiryDate`.
    pub key_valid_for: Option<String>,
    /// How long the code can be redeemed: `1m` to `7d`, `15m` when left out.
    pub valid_for: Option<String>,
    /// Networks that the code can be redeemed from, as CIDR writes them, at most 50; anywhere when left out.
    #[schema(max_items = 50)]
    pub networks: Option<Vec<String>>,
}

objects! {
    NewClaim Unknown::RefusedBut(&[
        "status", "created", "expires", "madeBy", "redeemed", "redeemedFrom", "apiKeyID", "reused", "code", "ID",
    ]);
}

/// A code that somebody was handed.
#[derive(Deserialize, ToSchema)]
pub struct PresentedClaim {
    /// As `POST /api/claims` answered it.
    #[schema(required, value_type = String, max_length = 40)]
    pub code: Option<String>,
}

/// The members that every answer about a claim begins with.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimHead {
    /// The key's name.
    pub key_name: String,
    /// The key's role, where one was named.
    #[serde(rename = "roleID", skip_serializing_if = "Option::is_none")]
    pub role_id: Option<RoleID>,
    /// How long the key lasts from the moment that the code is redeemed, where that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_valid_for: Option<String>,
    /// Where the code can be redeemed from; anywhere when this is empty.
    pub networks: Vec<String>,
    /// `open`, `redeemed`, `reused` (the code came again, and the key was revoked) or `expired`.
    pub status: &'static str,
    /// Milliseconds since the epoch.
    pub created: Timestamp,
    /// From when on the code is of no use.
    pub expires: Timestamp,
    /// Who made it, and must still be able to make its key when the code is redeemed.
    pub made_by: Issuer,
    /// When the key was made; left out before that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redeemed: Option<Timestamp>,
    /// From where the code was redeemed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redeemed_from: Option<String>,
    /// The key that was made.
    #[serde(rename = "apiKeyID", skip_serializing_if = "Option::is_none")]
    pub api_key_id: Option<ApiKeyID>,
    /// When the code came again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reused: Option<Timestamp>,
}

/// A claim as lists and descriptions show it.
#[derive(Debug, Serialize, ToSchema)]
pub struct Claim {
    /// All but its number.
    #[serde(flatten)]
    pub head: ClaimHead,
    /// Its number.
    #[serde(rename = "ID")]
    pub id: ClaimID,
}

/// A claim with its code, shown this once.
#[derive(Serialize, ToSchema)]
pub struct ClaimWithCode {
    /// All but its code and number.
    #[serde(flatten)]
    pub head: ClaimHead,
    /// To be handed to whoever is to have the key.
    #[schema(value_type = String, pattern = "^fkclaim_[A-Z2-7]{32}$")]
    pub code: SecretOnce,
    /// Its number.
    #[serde(rename = "ID")]
    pub id: ClaimID,
}

/// A list of claims.
#[derive(Debug, Serialize, ToSchema)]
pub struct Claims {
    /// Ordered by ID.
    pub claims: Vec<Claim>,
}
