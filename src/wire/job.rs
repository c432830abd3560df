//! Work that goes on behind the call that began it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::id::JobID;

/// A job, and how far it is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Which kind of work: `apiKeys.revoke`, `apiKeys.lock`, `apiKeys.unlock` or `apiKeys.extend`.
    pub kind: String,
    /// `queued`, `running`, `done`, `failed`, or `cancelled` where whoever began it may not do it any more.
    pub state: &'static str,
    /// Of how many things.
    pub total: i64,
    /// How many are as they were to be.
    pub done: i64,
    /// How many were left as they were.
    pub failed: i64,
    /// When it was asked for, in milliseconds since the epoch.
    pub created: Timestamp,
    /// When somebody began to work on it; left out before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<Timestamp>,
    /// When it came to its end; left out before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// The first few things that were left as they were, and why; also why it stopped.
    pub errors: Vec<JobFault>,
    /// Its number.
    #[serde(rename = "ID")]
    pub id: JobID,
}

/// Something that a job left as it was, or why it stopped.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobFault {
    /// Which; left out where it is about the job itself.
    #[serde(rename = "ID", skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// Why, for a person.
    pub message: String,
}
