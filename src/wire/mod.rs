//! Every JSON shape, in and out, and nothing else: names as on the wire, members in the documented order.

mod about;
mod account;
mod administrator;
mod api_key;
mod api_type;
mod audit;
mod bulk;
mod claim;
mod contact;
mod history;
mod import;
mod job;
mod lenient;
mod lifecycle;
mod profile;
mod rights;
mod role;
mod search;
mod session;
mod setting;
mod strict;
mod tenant;
mod usage;
mod verification;
mod webhook;

pub use about::About;
pub use account::{MfaConfirmation, MfaEnrolment, MfaRemoval, NewPassword, PasswordAgain};
pub use administrator::{Administrator, AdministratorChange, NewAdministrator};
pub use api_key::{
    ApiKey, ApiKeyChange, ApiKeyChanged, ApiKeyCurrent, ApiKeyCurrentChange, ApiKeyEnsured, ApiKeyHead, ApiKeyLine,
    ApiKeyMore, ApiKeyWithSecret, NewApiKey, NewTenantApiKey, Outcome, SecretOnce, WantedApiKey,
};
pub use api_type::{ApiType, ApiTypeChange, ApiTypes, AuthorizationGrant, KeyApiTypes, NewApiType};
pub use audit::{AuditEvent, AuditHead};
pub use bulk::{BulkAnswer, BulkKey, BulkOrder, BulkRefusal, BulkRefusals};
pub use claim::{Claim, ClaimHead, ClaimWithCode, Claims, NewClaim, PresentedClaim};
pub use contact::{Contact, ContactChange, NewContact};
pub use history::{Party, RevokedApiKey, RevokedApiKeys, SecretReference};
pub use import::{ImportAnswer, ImportOutcome, ImportedApiKey, ImportedApiKeys, ImportedLine};
pub use job::{Job, JobFault};
pub use lenient::{Flag, Number, Patch};
pub use lifecycle::{
    ApiKeyCounts, ApiTypeName, Constraints, ConstraintsWish, Issuer, KeyApiType, KeySecret, Lifecycle, LifecycleWish,
    Networks, Rotation, RotationWish, Window,
};
pub use profile::{
    NewProfile, NewProfileTarget, Profile, ProfileCalls, ProfileCallsChange, ProfileChange, ProfileTarget, Profiles,
};
pub use rights::{RightsChange, RightsTree};
pub use role::{NewRole, Role, RoleChange};
pub use search::{Criteria, SearchCriterion, SearchFilter};
pub use session::{
    AccessType, CurrentSession, LegacyCredentials, LegacyError, LegacyErrorBody, LegacySignIn, MfaCodeInput,
    SessionEntry, SessionOpened, SignIn,
};
pub use setting::{SettingChange, SettingText, SettingValue, SettingsChange, SignInPage, SystemSettings};
pub use tenant::{FirstAdministrator, NewTenant, PrimaryContact, Tenant, TenantChange};
pub use usage::{ApiUsageMetric, ApiUsageMetrics};
pub use verification::{
    AtMost, Demands, Explanation, ExplanationWish, HeldKey, Introspection, IntrospectionDetail, MissingDemands,
    OAuthErrorBody, Verification, VerificationWish, VerificationWishes, Verifications, VerifiedKey,
};
pub use webhook::{
    CalendarMade, CalendarText, NewWebhook, SnapshotText, Webhook, WebhookChange, WebhookFailure, WebhookWithSecret,
    Webhooks,
};

use serde::Serialize;
use utoipa::ToSchema;

/// What every refused call answers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody<'a> {
    /// For the person who must act.
    pub message: &'a str,
    /// For a program; stable.
    pub code: &'a str,
    /// Also the header `X-Request-ID`.
    pub trace_id: &'a str,
    /// Values that would have been taken.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub accepted: &'a [String],
}

/// What a refused call answers to clients of Trend Micro Cloud App Security (row TC-24).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrendErrorBody<'a> {
    /// The HTTP status.
    pub code: u16,
    /// For the person who must act.
    pub msg: &'a str,
    /// Also the header `X-Request-ID`.
    pub trace_id: &'a str,
}

/// What a refused call answers to whoever asks for `application/problem+json` (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProblemBody<'a> {
    /// A reference to the page of all codes, at this one.
    #[serde(rename = "type")]
    #[schema(format = "uri-reference")]
    pub kind: &'a str,
    /// What the code means, always the same.
    pub title: &'a str,
    /// The HTTP status.
    pub status: u16,
    /// For the person who must act, about this call.
    pub detail: &'a str,
    /// This call: `urn:firstkey:trace:` and the trace ID.
    #[schema(format = "uri")]
    pub instance: &'a str,
    /// For a program; stable.
    pub code: &'a str,
    /// Also the header `X-Request-ID`.
    pub trace_id: &'a str,
    /// Values that would have been taken.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub accepted: &'a [String],
}

/// What is exported as a line of CSV.
pub trait CsvRow {
    /// What stands in the first line.
    const COLUMNS: &'static [&'static str];

    /// As many cells as there are columns.
    fn cells(&self) -> Vec<String>;
}

/// A list of API keys.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeys {
    /// Ordered by ID.
    pub api_keys: Vec<ApiKey>,
}

/// A list of roles.
#[derive(Debug, Serialize, ToSchema)]
pub struct AdministratorRoles {
    /// Ordered by ID.
    pub roles: Vec<Role>,
}

/// A list of administrators.
#[derive(Debug, Serialize, ToSchema)]
pub struct Administrators {
    /// Ordered by ID.
    pub administrators: Vec<Administrator>,
}

/// A list of contacts.
#[derive(Debug, Serialize, ToSchema)]
pub struct Contacts {
    /// Ordered by ID.
    pub contacts: Vec<Contact>,
}

/// A list of events.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditEvents {
    /// Ordered by ID.
    pub audit_events: Vec<AuditEvent>,
}

/// A list of sessions.
#[derive(Debug, Serialize, ToSchema)]
pub struct Sessions {
    /// Newest first.
    pub sessions: Vec<SessionEntry>,
}

/// A list of tenants.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tenants {
    /// Ordered by ID.
    pub tenants: Vec<Tenant>,
}

/// How the server is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    /// `ok`, or what is missing.
    pub status: &'static str,
}
