//! Roles, in the documented order (row DS-19).

use serde::Serialize;
use utoipa::ToSchema;

use super::RightsTree;
use crate::id::RoleID;

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
