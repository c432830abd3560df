//! What happened, and the head of the chain that seals it.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::id::AuditEventID;

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvent {
    /// When, in milliseconds since the epoch.
    pub time: Timestamp,
    /// What kind; below 1,000 it is Deep Security's own number.
    pub number: i64,
    /// What kind, in words.
    pub name: String,
    /// `info` or `warning`.
    pub level: String,
    /// `administrator`, `apiKey`, `system` or `unknown`.
    pub actor_type: String,
    /// Left out for the system and for whoever is not known.
    #[serde(rename = "actorID", skip_serializing_if = "Option::is_none")]
    pub actor_id: Option<i64>,
    /// Empty for whoever is not known: what was typed may have been a password.
    pub actor_name: String,
    /// Where the request came from; empty for the system.
    pub address: String,
    /// The request's `X-Request-ID`; empty for the system.
    #[serde(rename = "requestID")]
    pub request_id: String,
    /// What kind of thing it happened to; empty for the server itself.
    pub target_type: String,
    /// Left out for the server itself.
    #[serde(rename = "targetID", skip_serializing_if = "Option::is_none")]
    pub target_id: Option<i64>,
    /// The name at that time.
    pub target_name: String,
    /// What changed, from what to what; never a secret.
    #[schema(value_type = Object)]
    pub details: Value,
    /// Rises from event to event, and may outgrow 32 bits.
    #[serde(rename = "ID")]
    #[schema(value_type = i64)]
    pub id: AuditEventID,
}

/// Where the chain of sealed events ends. What happened in the last second may not be in it yet.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditHead {
    /// How many events were sealed since the beginning; 0 before the first.
    #[schema(minimum = 0)]
    pub position: i64,
    /// The number of the latest segment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seal: Option<i64>,
    /// When it was sealed, in milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// The MAC of the last event in it, in lower-case hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 64, max_length = 64)]
    pub mac: Option<String>,
}
