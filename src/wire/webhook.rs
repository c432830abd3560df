//! Webhooks: programs of others that are told what happens.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Flag, SecretOnce};
use crate::clock::Timestamp;
use crate::id::WebhookID;

/// What a new webhook is made of. Anything else a client sends, read-only members included, is ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewWebhook {
    /// 1 to 128 characters, unique in the tenant.
    #[schema(min_length = 1, max_length = 128, required, value_type = String)]
    pub name: Option<String>,
    /// At most 1,024 characters.
    #[schema(max_length = 1024)]
    pub description: Option<String>,
    /// Who is called: `https://`, and no address of the server's own networks.
    #[schema(max_length = 2048, required, value_type = String)]
    pub url: Option<String>,
    /// `apikey.created`, `apikey.rotated`, `apikey.revoked`, `apikey.expiring`, `apikey.expired`, `apikey.locked`,
    /// `claim.reused`, `administrator.locked`, `signin.throttled`: at least one.
    #[schema(required, value_type = Vec<String>)]
    pub events: Option<Vec<String>>,
    /// False: not called.
    pub active: Option<Flag>,
}

/// What is to change of a webhook; what is not sent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookChange {
    /// 1 to 128 characters, unique in the tenant.
    #[schema(min_length = 1, max_length = 128)]
    pub name: Option<String>,
    /// At most 1,024 characters.
    #[schema(max_length = 1024)]
    pub description: Option<String>,
    /// Who is called: `https://`, and no address of the server's own networks.
    #[schema(max_length = 2048)]
    pub url: Option<String>,
    /// Names of events, at least one, in place of those so far.
    pub events: Option<Vec<String>>,
    /// False: not called.
    pub active: Option<Flag>,
}

/// A webhook.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Webhook {
    /// Unique in the tenant.
    pub name: String,
    /// Empty when none was given.
    pub description: String,
    /// Who is called.
    pub url: String,
    /// What for.
    pub events: Vec<&'static str>,
    /// False: not called; also when the receiver has answered that it is gone (410).
    pub active: bool,
    /// Milliseconds since the epoch.
    pub created: Timestamp,
    /// When a call arrived last, in milliseconds since the epoch; left out before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_delivered: Option<Timestamp>,
    /// The last call that failed, also where one has arrived since; left out before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<WebhookFailure>,
    /// Its number.
    #[serde(rename = "ID")]
    pub id: WebhookID,
}

/// A call that failed.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookFailure {
    /// Milliseconds since the epoch.
    pub time: Timestamp,
    /// Why, for a person.
    pub message: String,
}

/// A webhook with what its messages are signed with, this once.
#[derive(Serialize, ToSchema)]
pub struct WebhookWithSecret {
    /// `whsec_` and base64: the key of the HMAC, as Standard Webhooks writes it.
    #[schema(value_type = String)]
    pub secret: SecretOnce,
    /// The webhook.
    #[serde(flatten)]
    pub webhook: Webhook,
}

/// A list of webhooks.
#[derive(Debug, Serialize, ToSchema)]
pub struct Webhooks {
    /// Ordered by ID.
    pub webhooks: Vec<Webhook>,
}

/// A calendar that was just made.
#[derive(Serialize, ToSchema)]
pub struct CalendarMade {
    /// The secret URL of the calendar, this once: whoever has it reads it. Without scheme and host where no public URL
    /// is configured.
    #[schema(value_type = String)]
    pub url: SecretOnce,
}

/// What verification needs of a tenant: lines of JSON, the last of which is the signature.
#[derive(ToSchema)]
#[schema(value_type = String)]
pub struct SnapshotText(pub String);

/// A calendar (RFC 5545): an event for each key that ends.
#[derive(ToSchema)]
#[schema(value_type = String)]
pub struct CalendarText(pub String);
