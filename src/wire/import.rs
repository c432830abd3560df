//! Keys that are brought from elsewhere.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::strict::{Unknown, objects};
use super::{ConstraintsWish, Flag, LifecycleWish, Number, Patch};
use crate::id::ApiKeyID;

/// A list of keys from elsewhere.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportedApiKeys {
    /// At most 10,000.
    #[schema(max_items = 10_000)]
    pub api_keys: Vec<ImportedApiKey>,
}

/// A key from elsewhere, as the export answers it with `?expand=all`. Anything else that is sent, its old ID included, is
/// ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub struct ImportedApiKey {
    /// 1 to 128 characters, unique in the tenant.
    #[schema(min_length = 1, max_length = 128, required, value_type = String)]
    pub key_name: Option<String>,
    /// At most 1,024 characters.
    #[schema(max_length = 1024)]
    pub description: Option<String>,
    /// `en-US`, `ja-JP`, `fr-FR` or `nl-NL`.
    pub locale: Option<String>,
    /// The role whose rights it is to have; not above the caller's.
    #[serde(rename = "roleID")]
    pub role_id: Option<Number>,
    /// The same by its name. Where both are given they must be the same role.
    pub role_name: Option<String>,
    /// An IANA name, or one that Java knows.
    pub time_zone: Option<String>,
    /// False makes a key that is locked out.
    pub active: Option<Flag>,
    /// Milliseconds since the epoch, one minute to ten years ahead; 0 or null is never.
    #[serde(default)]
    #[schema(value_type = Option<Number>)]
    pub expiry_date: Patch<Number>,
    /// `sha256:` and 64 hex digits: what `X-Have-Secret-Digest` takes, of the secret that its holder has; of 32 random
    /// bytes, and of no key that the tenant has. Without it the key lets nobody in until it is given a new secret.
    #[schema(pattern = "^sha256:[0-9A-Fa-f]{64}$")]
    pub secret_digest: Option<String>,
    /// The rules that it is to live under, and what is to have it, as `?expand=lifecycle` answers them; the rest of what
    /// that answers is ignored.
    pub lifecycle: Option<LifecycleWish>,
    /// What is to bound its use, as `?expand=constraints` answers it. What its API types let it do is to be authorized
    /// anew, where that is needed.
    pub constraints: Option<ConstraintsWish>,
}

objects! {
    ImportedApiKey Unknown::Ignored;
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ImportOutcome {
    /// A key was made of it, or would be.
    Created,
    /// There is a key of that name, or a line further up has it.
    NameTaken,
    /// It cannot be; the message says why. So is one whose secret opens another key, or one further up.
    Invalid,
}

/// What became of a list of keys, or would.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportAnswer {
    /// Whether nothing was made.
    pub dry_run: bool,
    /// Keys that were made, or would be.
    pub created: i64,
    /// Lines whose names are taken.
    pub name_taken: i64,
    /// Lines that cannot be.
    pub invalid: i64,
    /// Each line.
    pub lines: Vec<ImportedLine>,
}

/// What became of one line.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportedLine {
    /// The line of the CSV, or the place in the list, from 1 on.
    pub line: u64,
    /// Its name.
    pub key_name: String,
    /// What became of it.
    pub outcome: ImportOutcome,
    /// Why it is no key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How its holder presents it from now on; left out where it has no secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub present_as: Option<String>,
    /// The number it was given.
    #[serde(rename = "ID", skip_serializing_if = "Option::is_none")]
    pub id: Option<ApiKeyID>,
}
