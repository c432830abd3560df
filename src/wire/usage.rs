//! What was called (row DS-50).

use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::id::UsageID;

/// One call of the API.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiUsageMetric {
    /// `REST`.
    pub api_type: &'static str,
    /// The HTTP method.
    pub action: String,
    /// The path, without a query; the route's pattern, or `/api/*`, where the path may hold what should not be kept.
    pub method: String,
    /// When it was answered, in milliseconds since the epoch.
    pub date: Timestamp,
    /// The caller's tenant; left out where nobody proved who they are.
    #[serde(rename = "tenantGUID", skip_serializing_if = "Option::is_none")]
    pub tenant_guid: Option<String>,
    /// How long it took, in milliseconds.
    pub duration: i64,
    /// The status of the answer.
    pub status_code: i64,
    /// `sID`, `API-Key`, or empty.
    pub authentication_method: String,
    /// The query's `expand`, or empty.
    pub expand_parameter: String,
    /// How many objects a list or a search answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_item_count: Option<i64>,
    /// Its number.
    #[serde(rename = "ID")]
    pub id: UsageID,
}

/// A list of calls.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiUsageMetrics {
    /// Ordered by ID.
    pub api_usage_metrics: Vec<ApiUsageMetric>,
}
