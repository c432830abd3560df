//! Key profiles: the rules that a family of keys lives under.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::strict::{Unknown, objects};
use super::{Flag, Number, Patch};
use crate::id::ProfileID;

/// A key profile. A length of time is a text such as `90s`, `30m`, `24h` or `14d`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    /// Unique in the tenant.
    pub name: String,
    /// Empty when none was given.
    pub description: String,
    /// True for the built-in ones, of which only `default` can be changed.
    pub immutable: bool,
    /// Whether keys that name no profile get this one.
    pub default: bool,
    /// `role`: the one that is named when a key is made; `issuer`: that of whoever makes it, as it is at each moment.
    pub rights_from: &'static str,
    /// How long a key lasts for which nothing is said; left out where it lasts for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validity: Option<String>,
    /// The shortest life of a secret that can be asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_validity: Option<String>,
    /// The longest; with it, no key is for ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_validity: Option<String>,
    /// Keys that a tenant can have, expired ones included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_keys: Option<i64>,
    /// What keys can be for; anything, and nothing, where there are none.
    pub targets: Vec<ProfileTarget>,
    /// Whether a key needs an API type.
    pub api_types_required: bool,
    /// Whether other API types mean another secret.
    pub replace_secret_on_api_type_change: bool,
    /// Whether a refresh brings an expired key back.
    pub refresh_revives: bool,
    /// The longest that a replaced secret lives on beside the new one.
    pub max_overlap: String,
    /// How long before the end of a key people are told, the longest first.
    pub warn_before: Vec<String>,
    /// Whether a key is refused when whoever made it may not sign in any more.
    pub issuer_bound: bool,
    /// `all`: whoever may view keys sees them; `own`: who made it, and who has Full Access.
    pub visibility: &'static str,
    /// How often keys can be presented.
    pub calls_per_minute: ProfileCalls,
    /// `deepSecurity`, `trendCloudAppSecurity` or `problem`: the shape of refusals.
    pub error_dialect: &'static str,
    /// 1 is Deep Security's, 2 Trend Micro Cloud App Security's, 3 Microsoft Cloud App Security's.
    #[serde(rename = "ID")]
    pub id: ProfileID,
}

/// A thing that keys can be for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProfileTarget {
    /// Its name.
    pub name: String,
    /// Keys that a tenant can have for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_keys: Option<i64>,
}

/// How often keys can be presented within a minute, on each node.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProfileCalls {
    /// One key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<i64>,
    /// All keys of the profile that a tenant has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<i64>,
    /// `sliding`, or `fromFirstCall`.
    pub window: &'static str,
}

/// A list of profiles.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Profiles {
    /// Ordered by ID.
    pub api_key_profiles: Vec<Profile>,
}

/// A target in a body.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub struct NewProfileTarget {
    /// 1 to 128 characters.
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    /// 1 to 1,000,000, and no more than the profile's.
    pub max_keys: Option<Number>,
}

/// How often keys are to be presented.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub struct ProfileCallsChange {
    /// 1 to 1,000,000; null is no limit.
    #[serde(default)]
    #[schema(value_type = Option<Number>)]
    pub key: Patch<Number>,
    /// 1 to 1,000,000; null is no limit.
    #[serde(default)]
    #[schema(value_type = Option<Number>)]
    pub tenant: Patch<Number>,
    /// `sliding`, or `fromFirstCall`.
    pub window: Option<String>,
}

/// A body of members of its own, and those that a new profile and a changed one have in common.
macro_rules! bodies {
    ($($(#[$about:meta])* $name:ident { $($own:tt)* })+) => {$(
        $(#[$about])*
        #[derive(Debug, Deserialize, ToSchema)]
        #[serde(rename_all = "camelCase", remote = "Self")]
        pub struct $name {
            $($own)*
            /// At most 1,024 characters.
            #[schema(max_length = 1024)]
            pub description: Option<String>,
            /// True makes it the one of keys that name none, in the place of the one that was.
            pub default: Option<Flag>,
            /// `role` or `issuer`.
            pub rights_from: Option<String>,
            /// One minute to ten years; null is for ever.
            #[serde(default)]
            #[schema(value_type = Option<String>)]
            pub validity: Patch<String>,
            /// One minute to ten years; null is no bound.
            #[serde(default)]
            #[schema(value_type = Option<String>)]
            pub min_validity: Patch<String>,
            /// One minute to ten years; null is no bound.
            #[serde(default)]
            #[schema(value_type = Option<String>)]
            pub max_validity: Patch<String>,
            /// 1 to 1,000,000; null is no limit.
            #[serde(default)]
            #[schema(value_type = Option<Number>)]
            pub max_keys: Patch<Number>,
            /// At most 50.
            #[serde(default)]
            #[schema(value_type = Option<Vec<NewProfileTarget>>)]
            pub targets: Patch<Vec<NewProfileTarget>>,
            /// Whether a key needs an API type.
            pub api_types_required: Option<Flag>,
            /// Whether other API types mean another secret.
            pub replace_secret_on_api_type_change: Option<Flag>,
            /// Whether a refresh brings an expired key back.
            pub refresh_revives: Option<Flag>,
            /// At most 365 days; `0s` is none.
            pub max_overlap: Option<String>,
            /// At most ten, each of one minute to 365 days, or `0d` for the end itself; empty or null is no warning.
            #[serde(default)]
            #[schema(value_type = Option<Vec<String>>)]
            pub warn_before: Patch<Vec<String>>,
            /// Whether a key is refused when whoever made it may not sign in any more.
            pub issuer_bound: Option<Flag>,
            /// `all` or `own`.
            pub visibility: Option<String>,
            /// How often keys can be presented; null is no limit.
            #[serde(default)]
            #[schema(value_type = Option<ProfileCallsChange>)]
            pub calls_per_minute: Patch<ProfileCallsChange>,
            /// `deepSecurity`, `trendCloudAppSecurity` or `problem`.
            pub error_dialect: Option<String>,
        }
    )+};
}

bodies! {
    /// What a new profile is made of; what is not sent is as Deep Security has it. What answers carry besides is
    /// ignored, and anything else is refused.
    NewProfile {
        /// 1 to 128 characters, unique in the tenant.
        #[schema(min_length = 1, max_length = 128, required, value_type = String)]
        pub name: Option<String>,
    }
    /// What is to change of a profile; what is not sent stays.
    ProfileChange {
        /// 1 to 128 characters, unique in the tenant.
        #[schema(min_length = 1, max_length = 128)]
        pub name: Option<String>,
    }
}

/// Answered, and ignored where it comes back.
const READ_ONLY: &[&str] = &["immutable", "ID"];

objects! {
    NewProfile Unknown::RefusedBut(READ_ONLY);
    ProfileChange Unknown::RefusedBut(READ_ONLY);
    NewProfileTarget Unknown::RefusedBut(&[]);
    ProfileCallsChange Unknown::RefusedBut(&[]);
}
