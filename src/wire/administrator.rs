//! Administrators, in the documented order (row DS-17).

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Flag, Number};
use crate::clock::Timestamp;
use crate::id::{AdministratorID, RoleID};

/// A body of members of its own, and those that a new administrator and a changed one have in common.
macro_rules! bodies {
    ($($(#[$about:meta])* $name:ident { $($own:tt)* })+) => {$(
        $(#[$about])*
        #[derive(Deserialize, ToSchema)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            $($own)*
            /// At most 128 characters.
            #[schema(max_length = 128)]
            pub full_name: Option<String>,
            /// At most 1,024 characters.
            #[schema(max_length = 1024)]
            pub description: Option<String>,
            /// `en-US`, `ja-JP`, `fr-FR` or `nl-NL`.
            pub locale: Option<String>,
            /// An IANA name, or one that Java knows.
            pub time_zone: Option<String>,
            /// `12` or `24` hours.
            #[schema(pattern = "^(12|24)$")]
            pub time_format: Option<String>,
            /// The tenant's rule on the age of passwords does not count for this one.
            pub password_never_expires: Option<Flag>,
            /// False locks them out.
            pub active: Option<Flag>,
            /// `none` takes the second factor away. `local-totp` is turned on by the person alone.
            #[schema(pattern = "^(none|local-totp)$")]
            pub mfa_type: Option<String>,
            /// At most 128 characters.
            #[schema(max_length = 128)]
            pub phone_number: Option<String>,
            /// At most 128 characters.
            #[schema(max_length = 128)]
            pub mobile_number: Option<String>,
            /// At most 128 characters.
            #[schema(max_length = 128)]
            pub pager_number: Option<String>,
            /// An address, or empty for none.
            #[schema(max_length = 254)]
            pub email_address: Option<String>,
            /// Is asked first in matters of this tenant; needs an emailAddress.
            pub primary_contact: Option<Flag>,
            /// Is written to when something happens; needs an emailAddress.
            pub receive_notifications: Option<Flag>,
            /// Kept for the vendor's clients.
            #[serde(rename = "reportPDFPasswordEnabled")]
            pub report_pdf_password_enabled: Option<Flag>,
            /// Taken and forgotten: this server writes no reports.
            #[serde(rename = "reportPDFPassword")]
            #[schema(write_only, value_type = Option<String>)]
            pub report_pdf_password: Option<IgnoredAny>,
            /// False: there is no identity provider yet that could vouch for anybody.
            pub external: Option<Flag>,
            /// The name an identity provider will know them by; at most 128 characters.
            #[serde(rename = "externalUserID")]
            #[schema(max_length = 128)]
            pub external_user_id: Option<String>,
            /// `normal` or `temporary`.
            #[serde(rename = "type")]
            #[schema(pattern = "^(normal|temporary)$")]
            pub kind: Option<String>,
        }
    )+};
}

bodies! {
    /// What a new administrator is made of. Anything else a client sends, read-only members included, is ignored.
    NewAdministrator {
        /// The name to sign in by: 1 to 128 characters, unique in the tenant, none of them invisible.
        #[schema(min_length = 1, max_length = 128, required, value_type = String)]
        pub username: Option<String>,
        /// Hard to guess, and not the user name; never answered.
        #[schema(min_length = 1, max_length = 1024, write_only, required, value_type = String)]
        pub password: Option<String>,
        /// The role whose rights they have; not above the caller's.
        #[serde(rename = "roleID")]
        #[schema(required, value_type = Number)]
        pub role_id: Option<Number>,
    }
    /// What is to change of an administrator; what is not sent stays.
    AdministratorChange {
        /// 1 to 128 characters, unique in the tenant, none of them invisible.
        #[schema(min_length = 1, max_length = 128)]
        pub username: Option<String>,
        /// A new password for somebody else: it ends their sessions. For one's own there is
        /// `POST /api/administrators/{administratorID}/password`.
        #[schema(min_length = 1, max_length = 1024, write_only)]
        pub password: Option<String>,
        /// Another role, not above the caller's.
        #[serde(rename = "roleID")]
        pub role_id: Option<Number>,
    }
}

/// An administrator.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Administrator {
    /// The name they sign in by.
    pub username: String,
    /// Empty when none was given.
    pub full_name: String,
    /// Empty when none was given.
    pub description: String,
    /// Whose rights they have.
    #[serde(rename = "roleID")]
    pub role_id: RoleID,
    /// Language of what the server writes for them.
    pub locale: String,
    /// As it was given.
    pub time_zone: String,
    /// `12` or `24` hours.
    #[schema(pattern = "^(12|24)$")]
    pub time_format: &'static str,
    /// The tenant's rule on the age of passwords does not count for this one.
    pub password_never_expires: bool,
    /// False: locked out.
    pub active: bool,
    /// `none` or `local-totp`.
    #[schema(pattern = "^(none|local-totp)$")]
    pub mfa_type: &'static str,
    /// Empty when none was given.
    pub phone_number: String,
    /// Empty when none was given.
    pub mobile_number: String,
    /// Empty when none was given.
    pub pager_number: String,
    /// Empty when none was given.
    pub email_address: String,
    /// Is asked first in matters of this tenant.
    pub primary_contact: bool,
    /// Is written to when something happens.
    pub receive_notifications: bool,
    /// Kept for the vendor's clients.
    #[serde(rename = "reportPDFPasswordEnabled")]
    pub report_pdf_password_enabled: bool,
    /// Milliseconds since the epoch.
    pub created: Timestamp,
    /// Milliseconds since the epoch; `created` at first.
    pub last_password_change: Timestamp,
    /// The last time they signed in; left out before the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_sign_in: Option<Timestamp>,
    /// When a lock ends by itself; left out when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unlock_time: Option<Timestamp>,
    /// Refused attempts to sign in since the last good one.
    pub unsuccessful_sign_in_attempts: i64,
    /// Left out without a directory.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    pub directory_name: String,
    /// Left out without a directory.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    pub directory_info: String,
    /// Somebody whom an identity provider vouches for.
    pub external: bool,
    /// Left out when none was given.
    #[serde(rename = "externalUserID", skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    pub external_user_id: String,
    /// `normal` or `temporary`.
    #[serde(rename = "type")]
    #[schema(pattern = "^(normal|temporary)$")]
    pub kind: &'static str,
    /// Kept by a directory, and not to be changed here.
    pub read_only: bool,
    /// Their number.
    #[serde(rename = "ID")]
    pub id: AdministratorID,
    /// How far their time zone is from UTC at this moment, in hours and minutes: `UTC-4.00, DST`.
    #[serde(rename = "UTCOffset")]
    pub utc_offset: String,
}
