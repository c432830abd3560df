//! Contacts: people to be written to who cannot sign in.

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Flag, Number, Patch};
use crate::id::{ContactID, RoleID};

/// A body of members of its own, and those that a new contact and a changed one have in common.
macro_rules! bodies {
    ($($(#[$about:meta])* $name:ident { $($own:tt)* })+) => {$(
        $(#[$about])*
        #[derive(Debug, Deserialize, ToSchema)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            $($own)*
            /// At most 1,024 characters.
            #[schema(max_length = 1024)]
            pub description: Option<String>,
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
            /// `en-US`, `ja-JP`, `fr-FR` or `nl-NL`.
            pub locale: Option<String>,
            /// The role whose reports they are sent; 0 or null is none.
            #[serde(rename = "roleID", default)]
            #[schema(value_type = Option<Number>)]
            pub role_id: Patch<Number>,
            /// Kept for the vendor's clients.
            #[serde(rename = "reportPDFPasswordEnabled")]
            pub report_pdf_password_enabled: Option<Flag>,
            /// Taken and forgotten: this server writes no reports.
            #[serde(rename = "reportPDFPassword")]
            #[schema(write_only, value_type = Option<String>)]
            pub report_pdf_password: Option<IgnoredAny>,
        }
    )+};
}

bodies! {
    /// What a new contact is made of. Anything else a client sends, read-only members included, is ignored.
    NewContact {
        /// 1 to 128 characters; several may have the same.
        #[schema(min_length = 1, max_length = 128, required, value_type = String)]
        pub name: Option<String>,
    }
    /// What is to change of a contact; what is not sent stays.
    ContactChange {
        /// 1 to 128 characters; several may have the same.
        #[schema(min_length = 1, max_length = 128)]
        pub name: Option<String>,
    }
}

/// A contact.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    /// What they are called.
    pub name: String,
    /// Empty when none was given.
    pub description: String,
    /// Empty when none was given.
    pub phone_number: String,
    /// Empty when none was given.
    pub mobile_number: String,
    /// Empty when none was given.
    pub pager_number: String,
    /// Empty when none was given.
    pub email_address: String,
    /// Language of what is written to them.
    pub locale: String,
    /// The role whose reports they are sent; left out when there is none.
    #[serde(rename = "roleID", skip_serializing_if = "Option::is_none")]
    pub role_id: Option<RoleID>,
    /// Kept for the vendor's clients.
    #[serde(rename = "reportPDFPasswordEnabled")]
    pub report_pdf_password_enabled: bool,
    /// Their number.
    #[serde(rename = "ID")]
    pub id: ContactID,
}
