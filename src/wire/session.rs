//! Signing in and the session that comes of it (rows DS-01, DS-04).

use serde::de;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::{Flag, Number};
use crate::clock::Timestamp;
use crate::id::AdministratorID;

/// The body of `POST /api/sessions`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignIn {
    /// Who.
    #[schema(max_length = 128, required, value_type = String)]
    pub user_name: Option<String>,
    /// 1 to 1,024 bytes.
    #[schema(max_length = 1024, required, value_type = String)]
    pub password: Option<String>,
    /// Which tenant; the primary one when left out.
    pub tenant_name: Option<String>,
    /// Six digits, where the user has MFA on.
    pub mfa_code: Option<MfaCodeInput>,
    /// Needed where the terms and conditions must be accepted.
    pub terms_accepted: Option<Flag>,
    /// What the session is for; `webService` when left out.
    pub access_type: Option<AccessType>,
    /// True opens a session that may look for roles and make one API key, and ends in the moment that the key is made.
    pub one_shot: Option<Flag>,
}

/// The body of a sign-in at `/rest`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LegacySignIn {
    /// Who, and the proof.
    #[schema(required, value_type = LegacyCredentials)]
    pub ds_credentials: Option<LegacyCredentials>,
}

/// Whom a sign-in at `/rest` is for.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LegacyCredentials {
    /// Who.
    #[schema(max_length = 128, required, value_type = String)]
    pub user_name: Option<String>,
    /// 1 to 1,024 bytes.
    #[schema(max_length = 1024, required, value_type = String)]
    pub password: Option<String>,
    /// Which tenant; the primary one when left out, and always where the route says so.
    pub tenant_name: Option<String>,
}

/// What every refused call at `/rest` answers.
#[derive(Debug, Serialize)]
pub struct LegacyErrorBody<'a> {
    /// What went wrong.
    pub error: LegacyError<'a>,
}

/// A refusal in the shape of the older API.
#[derive(Debug, Serialize)]
pub struct LegacyError<'a> {
    /// For the person who must act.
    pub message: &'a str,
}

/// Six digits: a string, or a number that has lost its leading zeros.
#[derive(Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected six digits, as a string or as an integer")]
pub enum MfaCodeInput {
    /// As a string.
    Text(String),
    /// As a number.
    Number(#[serde(deserialize_with = "whole")] i64),
}

fn whole<'de, D: Deserializer<'de>>(input: D) -> Result<i64, D::Error> {
    Number::deserialize(input).map(|Number(number)| number)
}

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum AccessType {
    /// Programs and curl.
    WebService,
    /// The console.
    UserInterface,
}

/// By way of a string: an enum of serde's calls a number "not JSON" and does not name the member.
impl<'de> Deserialize<'de> for AccessType {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        match String::deserialize(input)?.as_str() {
            "webService" => Ok(Self::WebService),
            "userInterface" => Ok(Self::UserInterface),
            other => Err(de::Error::unknown_variant(other, &["webService", "userInterface"])),
        }
    }
}

/// The answer to a sign-in: these five members and nothing more, 141 bytes for administrator 1.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionOpened {
    /// Who signed in.
    #[serde(rename = "administratorID")]
    pub administrator_id: AdministratorID,
    /// When, in milliseconds since the epoch.
    pub created: Timestamp,
    /// The same moment.
    pub last_activity: Timestamp,
    /// What the session is for.
    pub access_type: AccessType,
    /// The request ID: goes into the header `rID` of every call made with the cookie.
    #[serde(rename = "RID")]
    #[schema(value_type = String, pattern = "^[0-9A-F]{32}$")]
    pub rid: super::SecretOnce,
}

/// The session that the call was made with.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CurrentSession {
    /// Who signed in.
    #[serde(rename = "administratorID")]
    pub administrator_id: AdministratorID,
    /// When, in milliseconds since the epoch.
    pub created: Timestamp,
    /// When it was last used; noted once a minute, or more often where the idle time is short.
    pub last_activity: Timestamp,
    /// What it is for.
    pub access_type: AccessType,
    /// When it ends at the latest.
    pub expires: Timestamp,
    /// A name to speak of it by; not a secret.
    #[serde(rename = "ref")]
    pub reference: String,
}

/// One of the caller's sessions.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SessionEntry {
    /// Who it is and how long it lasts.
    #[serde(flatten)]
    pub session: CurrentSession,
    /// Where the sign-in came from.
    pub address: String,
    /// Whether it is the one this call was made with.
    pub current: bool,
}
