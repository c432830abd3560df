//! Until when a read may go on, for those that may have to look at every row.

use std::time::{Duration, Instant};

use diesel::prelude::*;

use super::connection::Db;
use crate::error::{Error, Result};

/// A moment after which nobody waits for an answer any more.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Instant);

/// The moment has come.
#[derive(Clone, Copy, Debug)]
pub struct Missed;

impl Deadline {
    /// So long from now.
    pub fn after(time: Duration) -> Self {
        Self(Instant::now() + time)
    }

    /// Whether the moment is still to come.
    pub fn check(self) -> Result<(), Missed> {
        if self.left().is_zero() { Err(Missed) } else { Ok(()) }
    }

    fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// PostgreSQL ends whatever statement of this transaction lasts longer; SQLite's are to be short by themselves.
    pub fn limit_statements(self, db: &mut Db) -> Result<()> {
        let Db::Postgres(inner) = db else { return Ok(()) };
        // 0 would be no limit
        let left = self.left().as_millis().max(1);
        diesel::sql_query(format!("SET LOCAL statement_timeout = {left}")).execute(inner)?;
        Ok(())
    }

    /// Whether a statement was ended for that.
    pub fn was_missed(error: &Error) -> bool {
        error.cause().is_some_and(|cause| cause.contains("canceling statement due to statement timeout"))
    }
}
