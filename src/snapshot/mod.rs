//! Everything that verification needs of a tenant, as one signed text: what `GET /api/snapshot` answers and an edge
//! ([`crate::edge`]) verifies from. `docs/snapshot.md` is the format for whoever reads it otherwise.
//!
//! 1. [`handlers`] asks `state.rs` whether anything has changed since the caller's last one, which costs a few short
//!    statements; if nothing has, the answer is 304.
//! 2. [`write`] reads all keys in one transaction that sees one state of the database, piece by piece, and turns them into
//!    [`lines`]; what it holds at a time is a piece. [`seal`] hashes what goes by, and signs it at the end.
//! 3. [`read`] is the way back: nothing of a text is looked at before its signature is found to be right.

pub mod handlers;
pub mod lines;
pub mod read;
pub mod seal;
mod state;
mod write;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Error, Result};

/// Snapshots that a node writes at the same time: each holds a connection to the database while its reader takes it.
const AT_ONCE: usize = 2;
/// How long a reader waits for others to be done.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whose turn it is to be written a snapshot.
pub struct Turns(Arc<Semaphore>);

impl Default for Turns {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Turns {
    /// Waits for a turn, which lasts until it is dropped; 503 where too many are before.
    async fn take(&self) -> Result<OwnedSemaphorePermit> {
        match tokio::time::timeout(PATIENCE, self.0.clone().acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(Error::unavailable(2, "other snapshots are being written")),
        }
    }
}
