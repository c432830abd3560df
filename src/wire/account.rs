//! What a person does about their own password and second factor.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{MfaCodeInput, SecretOnce};

/// The caller's password, asked again.
#[derive(Deserialize, ToSchema)]
pub struct PasswordAgain {
    /// The caller's own.
    #[schema(max_length = 1024, required, value_type = String)]
    pub password: Option<String>,
}

/// What an authenticator app needs; shown this once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MfaEnrolment {
    /// For apps that take a link.
    #[schema(value_type = String)]
    #[serde(rename = "otpauthURL")]
    pub otpauth_url: SecretOnce,
    /// For typing: base32.
    #[schema(value_type = String)]
    pub seed: SecretOnce,
    /// For scanning: an SVG image.
    #[schema(value_type = String)]
    #[serde(rename = "qrCode")]
    pub qr_code: SecretOnce,
}

/// One code from the app that was just set up.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MfaConfirmation {
    /// Six digits.
    #[schema(required, value_type = MfaCodeInput)]
    pub mfa_code: Option<MfaCodeInput>,
}

/// Password and code, to do without the second factor from now on.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MfaRemoval {
    /// The caller's own.
    #[schema(max_length = 1024, required, value_type = String)]
    pub password: Option<String>,
    /// Six digits.
    #[schema(required, value_type = MfaCodeInput)]
    pub mfa_code: Option<MfaCodeInput>,
}

/// A change of the caller's password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NewPassword {
    /// The old one.
    #[schema(max_length = 1024, required, value_type = String)]
    pub current_password: Option<String>,
    /// The new one: 15 characters or more, hard to guess.
    #[schema(max_length = 1024, required, value_type = String)]
    pub new_password: Option<String>,
}
