//! What serves a caller, and where (rows TC-21, MC-13).

use serde::Serialize;
use utoipa::ToSchema;

use crate::id::TenantID;

/// What serves the caller, and by which URL.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct About {
    /// `Firstkey`.
    pub product: &'static str,
    /// Of the program.
    pub version: &'static str,
    /// What goes into the header `api-version`.
    pub api_version: &'static str,
    /// The caller's tenant.
    pub tenant_name: String,
    /// The same, as a number.
    #[serde(rename = "tenantID")]
    pub tenant_id: TenantID,
    /// The same, as a GUID.
    #[serde(rename = "tenantGUID")]
    #[schema(format = "uuid")]
    pub tenant_guid: String,
    /// The tenant's own URL, to be put in front of `/api/…`; only a path where the server has not been told its
    /// `public_url`. It takes this tenant's credentials and no others.
    #[serde(rename = "tenantURL")]
    #[schema(format = "uri-reference")]
    pub tenant_url: String,
    /// The URL that takes every tenant's; left out where the server has not been told.
    #[serde(rename = "generalURL", skip_serializing_if = "Option::is_none")]
    #[schema(format = "uri")]
    pub general_url: Option<String>,
}
