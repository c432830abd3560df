//! Roles, in the documented order (row DS-19).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};

use super::{Flag, Number, RightsChange, RightsTree};
use crate::id::{MAX_ID, RoleID};

/// A role.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    /// Unique in the tenant.
    pub name: String,
    /// Empty when none was given.
    pub description: String,
    /// `urn:tmds:identity::<tenant ID>:role/<name>`.
    pub urn: String,
    /// True for Full Access, which nobody can change.
    pub immutable: bool,
    /// Kept and answered as given; the server behaves as if it were always set.
    pub can_only_manipulate_users_with_equal_or_lesser_rights: bool,
    /// Reaches every computer.
    pub all_computers: bool,
    /// Reaches every policy.
    pub all_policies: bool,
    /// Its bearers may use the console.
    pub allow_user_interface: bool,
    /// Its bearers, keys among them, may use the API.
    pub allow_web_service: bool,
    /// Kept for the vendor's clients.
    pub allow_manage_workload_security_link: bool,
    /// Kept for the vendor's clients.
    pub allow_migration: bool,
    /// Every right, true or false.
    pub rights: RightsTree,
    /// Left out when every computer is reached.
    #[serde(rename = "computerIDs", skip_serializing_if = "Option::is_none")]
    pub computer_ids: Option<Vec<i64>>,
    /// Left out when every computer is reached.
    #[serde(rename = "computerGroupIDs", skip_serializing_if = "Option::is_none")]
    pub computer_group_ids: Option<Vec<i64>>,
    /// Left out when every policy is reached.
    #[serde(rename = "policyIDs", skip_serializing_if = "Option::is_none")]
    pub policy_ids: Option<Vec<i64>>,
    /// 1 is Full Access, 2 is Auditor.
    #[serde(rename = "ID")]
    pub id: RoleID,
}

fn ids_from_0() -> Schema {
    ids(0, "^[0-9]{1,9}$", "At most 1,000 IDs within 32 bits; 0 stands for the computers in no group.")
}

fn ids_from_1() -> Schema {
    ids(1, "^[1-9][0-9]{0,8}$", "At most 1,000 IDs from 1 up, within 32 bits.")
}

fn ids(least: i64, spelt: &str, about: &str) -> Schema {
    let types = |types: [Type; 2]| SchemaType::Array(types.to_vec());
    let id = ObjectBuilder::new()
        .schema_type(types([Type::Integer, Type::String]))
        .minimum(Some(least))
        .maximum(Some(MAX_ID))
        .pattern(Some(spelt));
    Schema::Array(
        ArrayBuilder::new()
            .schema_type(types([Type::Array, Type::Null]))
            .items(id)
            .description(Some(about))
            .max_items(Some(1_000))
            .build(),
    )
}

macro_rules! incoming {
    ($(#[$about:meta])* $body:ident, #[$name:meta]) => {
        $(#[$about])*
        #[derive(Debug, Default, Deserialize, ToSchema)]
        #[serde(rename_all = "camelCase")]
        pub struct $body {
            /// 1 to 128 characters, unique in the tenant, and no built-in role's.
            #[$name]
            pub name: Option<String>,
            /// At most 1,024 characters.
            #[schema(max_length = 1024)]
            pub description: Option<String>,
            /// Kept and answered as given; the server behaves as if it were always set.
            pub can_only_manipulate_users_with_equal_or_lesser_rights: Option<Flag>,
            /// Reaches every computer, whatever the lists say. Not sent with a list that is, it is false.
            pub all_computers: Option<Flag>,
            /// Reaches every policy, whatever the list says. Not sent with a list that is, it is false.
            pub all_policies: Option<Flag>,
            /// Its bearers may use the console; a new role's may unless it says otherwise.
            pub allow_user_interface: Option<Flag>,
            /// Its bearers, keys among them, may use the API; a new role's may not unless it says so.
            pub allow_web_service: Option<Flag>,
            /// Kept for the vendor's clients.
            pub allow_manage_workload_security_link: Option<Flag>,
            /// Kept for the vendor's clients.
            pub allow_migration: Option<Flag>,
            /// What is named is given or taken; of a new role, what is not named is not given.
            pub rights: Option<RightsChange>,
            /// At most 1,000 IDs from 1 up, within 32 bits.
            #[serde(rename = "computerIDs")]
            #[schema(schema_with = ids_from_1)]
            pub computer_ids: Option<Vec<Number>>,
            /// At most 1,000 IDs within 32 bits; 0 stands for the computers in no group.
            #[serde(rename = "computerGroupIDs")]
            #[schema(schema_with = ids_from_0)]
            pub computer_group_ids: Option<Vec<Number>>,
            /// At most 1,000 IDs from 1 up, within 32 bits.
            #[serde(rename = "policyIDs")]
            #[schema(schema_with = ids_from_1)]
            pub policy_ids: Option<Vec<Number>>,
        }
    };
}

incoming! {
    /// What a new role is made of. Anything else a client sends, read-only members included, is ignored; not so
    /// inside `rights`.
    NewRole, #[schema(min_length = 1, max_length = 128, required, value_type = String)]
}

incoming! {
    /// What is to change of a role; what is not sent stays.
    RoleChange, #[schema(min_length = 1, max_length = 128)]
}
