//! API keys, in the documented order (rows DS-28, DS-31, DS-44).

use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::strict::{Unknown, objects, to_objects};
use super::{Constraints, ConstraintsWish, CsvRow, Flag, Lifecycle, LifecycleWish, Number, Patch, RotationWish};
use crate::clock::Timestamp;
use crate::id::{ApiKeyID, RoleID, TenantID};

/// A secret on its way out, in the one answer that may carry it.
pub struct SecretOnce(Zeroizing<String>);

impl SecretOnce {
    /// Takes the text that will be answered.
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.to_owned()))
    }
}

impl Serialize for SecretOnce {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

/// What a new key is made of. Anything else a client sends, read-only members included, is ignored.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub struct NewApiKey {
    /// 1 to 128 characters, unique in the tenant.
    #[schema(min_length = 1, max_length = 128, required, value_type = String)]
    pub key_name: Option<String>,
    /// At most 1,024 characters.
    #[schema(max_length = 1024)]
    pub description: Option<String>,
    /// `en-US`, `ja-JP`, `fr-FR` or `nl-NL`.
    pub locale: Option<String>,
    /// The role whose rights the key has; not above the caller's.
    #[serde(rename = "roleID")]
    #[schema(required, value_type = Number)]
    pub role_id: Option<Number>,
    /// An IANA name, or one that Java knows.
    pub time_zone: Option<String>,
    /// False makes a key that is locked out.
    pub active: Option<Flag>,
    /// Milliseconds since the epoch, one minute to ten years ahead; 0 or null is never.
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<Number>)]
    pub expiry_date: Patch<Number>,
    /// What its life is to be like.
    pub lifecycle: Option<LifecycleWish>,
    /// What is to bound its use.
    pub constraints: Option<ConstraintsWish>,
}

/// What a key is made of that the primary tenant makes for another. Anything else a client sends is ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub struct NewTenantApiKey {
    /// 1 to 128 characters, unique in the tenant that the key is for.
    #[schema(min_length = 1, max_length = 128, required, value_type = String)]
    pub key_name: Option<String>,
    /// At most 1,024 characters.
    #[schema(max_length = 1024)]
    pub description: Option<String>,
    /// `en-US`, `ja-JP`, `fr-FR` or `nl-NL`.
    pub locale: Option<String>,
    /// A built-in role or one of that tenant's own; Full Access when left out.
    #[serde(rename = "roleID")]
    pub role_id: Option<Number>,
    /// An IANA name, or one that Java knows.
    pub time_zone: Option<String>,
    /// False makes a key that is locked out.
    pub active: Option<Flag>,
    /// Milliseconds since the epoch, one minute ahead or more; six hours when left out, and at most unless the caller
    /// has Full Access. 0 or null is never.
    #[serde(default)]
    #[schema(value_type = Option<Number>)]
    pub expiry_date: Patch<Number>,
    /// What its life is to be like.
    pub lifecycle: Option<LifecycleWish>,
    /// What is to bound its use.
    pub constraints: Option<ConstraintsWish>,
}

/// What the key of a name is to be, whether it is there already or not. Of one that is there, only what is sent is
/// compared and changed. Anything else a client sends is ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub struct WantedApiKey {
    /// The name in the path, spelt as it is to be kept; another one is refused.
    #[schema(min_length = 1, max_length = 128)]
    pub key_name: Option<String>,
    /// At most 1,024 characters.
    #[schema(max_length = 1024)]
    pub description: Option<String>,
    /// `en-US`, `ja-JP`, `fr-FR` or `nl-NL`.
    pub locale: Option<String>,
    /// The role whose rights the key has; not above the caller's.
    #[serde(rename = "roleID")]
    #[schema(required, value_type = Number)]
    pub role_id: Option<Number>,
    /// An IANA name, or one that Java knows.
    pub time_zone: Option<String>,
    /// False locks the key out; true lets it in again.
    pub active: Option<Flag>,
    /// Milliseconds since the epoch, one minute to ten years ahead or as it is; 0 or null is never.
    #[serde(default)]
    #[schema(value_type = Option<Number>)]
    pub expiry_date: Patch<Number>,
    /// What its life is to be like.
    pub lifecycle: Option<LifecycleWish>,
    /// What is to bound its use.
    pub constraints: Option<ConstraintsWish>,
    /// `sha256:` and 64 hex digits: the digest of a secret of the caller's own, 32 random bytes. The key then has that
    /// secret, and no answer carries one.
    #[schema(max_length = 71)]
    pub secret_digest: Option<String>,
    /// How long the old secret lives on where a new one is put in its place; not at all when left out.
    pub rotation: Option<RotationWish>,
}

/// What is to change of a key; what is not sent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub struct ApiKeyChange {
    /// 1 to 128 characters, unique in the tenant.
    #[schema(min_length = 1, max_length = 128)]
    pub key_name: Option<String>,
    /// At most 1,024 characters.
    #[schema(max_length = 1024)]
    pub description: Option<String>,
    /// `en-US`, `ja-JP`, `fr-FR` or `nl-NL`.
    pub locale: Option<String>,
    /// Another role, not above the caller's.
    #[serde(rename = "roleID")]
    pub role_id: Option<Number>,
    /// An IANA name, or one that Java knows.
    pub time_zone: Option<String>,
    /// False locks the key out; true lets it in again.
    pub active: Option<Flag>,
    /// Milliseconds since the epoch, one minute to ten years ahead; 0 or null is never.
    #[serde(default)]
    #[schema(value_type = Option<Number>)]
    pub expiry_date: Patch<Number>,
    /// What its life is like: profile and kind stay for life, and others than the key's are `conflict`.
    pub lifecycle: Option<LifecycleWish>,
    /// What is to bound its use.
    pub constraints: Option<ConstraintsWish>,
}

/// What a key may change of itself; anything else that is sent is ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub struct ApiKeyCurrentChange {
    /// 1 to 128 characters, unique in the tenant.
    #[schema(min_length = 1, max_length = 128)]
    pub key_name: Option<String>,
    /// At most 1,024 characters.
    #[schema(max_length = 1024)]
    pub description: Option<String>,
    /// `en-US`, `ja-JP`, `fr-FR` or `nl-NL`.
    pub locale: Option<String>,
    /// An IANA name, or one that Java knows.
    pub time_zone: Option<String>,
}

objects! {
    NewApiKey Unknown::Ignored;
    NewTenantApiKey Unknown::Ignored;
    WantedApiKey Unknown::Ignored;
    ApiKeyChange Unknown::Ignored;
    ApiKeyCurrentChange Unknown::Ignored;
}

to_objects!(NewApiKey);

/// What an answer about a key adds where `?expand=` asks for it.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyMore {
    /// What its life is like; with `?expand=lifecycle` or `all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Lifecycle>,
    /// What bounds its use; with `?expand=constraints` or `all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub constraints: Option<Constraints>,
}

/// The members that every answer about a key begins with.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyHead {
    /// Unique in the tenant.
    pub key_name: String,
    /// Empty when none was given.
    pub description: String,
    /// Language of what the server writes for this key.
    pub locale: String,
    /// Whose rights it has.
    #[serde(rename = "roleID")]
    pub role_id: RoleID,
    /// As it was given.
    pub time_zone: String,
    /// False: locked out.
    pub active: bool,
    /// Milliseconds since the epoch.
    pub created: Timestamp,
    /// The last time it was used with success; left out before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_sign_in: Option<Timestamp>,
    /// When a lock ends by itself; left out when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unlock_time: Option<Timestamp>,
    /// Wrong secrets presented for it since it was last used with success.
    pub unsuccessful_sign_in_attempts: i64,
    /// Left out when it never expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiry_date: Option<Timestamp>,
}

/// A key as lists and descriptions show it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// Its properties.
    #[serde(flatten)]
    pub head: ApiKeyHead,
    /// Made by the primary tenant for use in another.
    pub service_account: bool,
    /// Its number, also the first part of its secret.
    #[serde(rename = "ID")]
    pub id: ApiKeyID,
    /// What `?expand=` asked for.
    #[serde(flatten)]
    pub more: ApiKeyMore,
}

/// A key with its secret, shown this once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyWithSecret {
    /// Its properties.
    #[serde(flatten)]
    pub head: ApiKeyHead,
    /// `<ID>:<base64 of 32 bytes>`: the header `api-secret-key` of later calls.
    #[schema(value_type = String)]
    pub secret_key: SecretOnce,
    /// Made by the primary tenant for use in another.
    pub service_account: bool,
    /// Its number.
    #[serde(rename = "ID")]
    pub id: ApiKeyID,
    /// What `?expand=` asked for.
    #[serde(flatten)]
    pub more: ApiKeyMore,
}

/// A key as a change has left it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyChanged {
    /// Its properties.
    #[serde(flatten)]
    pub head: ApiKeyHead,
    /// Only where other API types have replaced the secret, as the key's profile says: shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub secret_key: Option<SecretOnce>,
    /// Made by the primary tenant for use in another.
    pub service_account: bool,
    /// Its number.
    #[serde(rename = "ID")]
    pub id: ApiKeyID,
    /// What `?expand=` asked for.
    #[serde(flatten)]
    pub more: ApiKeyMore,
}

/// What came of making a key what it is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// There was none of that name; its secret is in the answer, unless the caller brought it.
    Created,
    /// It was all that was asked for: nothing happened.
    Unchanged,
    /// Its properties are others now; its secret is the same.
    Updated,
    /// It has a new secret, which is in the answer unless the caller brought it; the old one is of no use any more, or
    /// ends with the overlap that was asked for.
    Reissued,
}

/// A key that is now what it is to be.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyEnsured {
    /// Its properties.
    #[serde(flatten)]
    pub head: ApiKeyHead,
    /// `<ID>:<base64 of 32 bytes>`, shown this once; left out unless it was created or reissued, and where the caller
    /// brought a secret of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub secret_key: Option<SecretOnce>,
    /// Made by the primary tenant for use in another.
    pub service_account: bool,
    /// Its number.
    #[serde(rename = "ID")]
    pub id: ApiKeyID,
    /// What happened.
    pub outcome: Outcome,
    /// What `?expand=` asked for.
    #[serde(flatten)]
    pub more: ApiKeyMore,
}

/// A key as a line of the exported inventory.
pub struct ApiKeyLine {
    /// The key.
    pub key: ApiKey,
    /// Its role's name.
    pub role_name: String,
}

impl CsvRow for ApiKeyLine {
    const COLUMNS: &'static [&'static str] = &[
        "ID",
        "keyName",
        "roleID",
        "role name",
        "locked out",
        "created",
        "expiryDate",
        "lastSignIn",
        "unsuccessfulSignInAttempts",
        "description",
        "locale",
        "timeZone",
        "serviceAccount",
    ];

    fn cells(&self) -> Vec<String> {
        let (key, head) = (&self.key, &self.key.head);
        let moment = |at: Option<Timestamp>| at.map(|at| at.to_string()).unwrap_or_default();
        vec![
            key.id.to_string(),
            head.key_name.clone(),
            head.role_id.to_string(),
            self.role_name.clone(),
            (!head.active).to_string(),
            head.created.to_string(),
            moment(head.expiry_date),
            moment(head.last_sign_in),
            head.unsuccessful_sign_in_attempts.to_string(),
            head.description.clone(),
            head.locale.clone(),
            head.time_zone.clone(),
            key.service_account.to_string(),
        ]
    }
}

/// The key that the call was made with.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyCurrent {
    /// Its properties.
    #[serde(flatten)]
    pub head: ApiKeyHead,
    /// Made by the primary tenant for use in another.
    pub service_account: bool,
    /// Its role, spelt out.
    #[serde(rename = "roleURN")]
    pub role_urn: String,
    /// The tenant it belongs to.
    #[serde(rename = "tenantID")]
    pub tenant_id: TenantID,
    /// The same, as a GUID.
    #[serde(rename = "tenantGUID")]
    pub tenant_guid: String,
    /// Its number.
    #[serde(rename = "ID")]
    pub id: ApiKeyID,
    /// What `?expand=` asked for.
    #[serde(flatten)]
    pub more: ApiKeyMore,
}
