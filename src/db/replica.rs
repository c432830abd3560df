//! A PostgreSQL that follows the first and answers lists and searches in its place.
//!
//! What it says may be a moment old, and it may be away: whoever asks it is handed over to the first then, and it is
//! tried again a while later, by one request at a time. A replica that has fallen far behind counts as away.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::r2d2::Pool;

use super::connection::{Db, Opener};
use super::{LogPoolErrors, Work, kept, on_a_connection};
use crate::config::DatabaseUrl;
use crate::error::{Error, Reason, Result};

/// How long a request waits for a connection to it.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long it is left alone after it could not answer.
const REST: Duration = Duration::from_secs(2);
/// How often it is asked how far behind it is, and how far it may be, in seconds.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const MOST_BEHIND: i64 = 30;

/// The replica of this node's database.
pub struct Replica {
    pool: Pool<Opener>,
    state: Mutex<State>,
}

struct State {
    /// Not asked before; none while it answers.
    again: Option<Instant>,
    /// When it is next asked how far behind it is.
    look: Instant,
}

/// What a request may do.
enum Turn {
    /// Ask it.
    Ask,
    /// Ask it, and first how far behind it is.
    Look,
    /// Leave it alone.
    Pass,
}

impl Replica {
    /// Nothing is opened yet: a replica that is away keeps nobody from starting.
    pub fn new(url: &DatabaseUrl, connections: u32) -> Self {
        let pool = Pool::builder()
            .max_size(connections)
            .min_idle(Some(0))
            .test_on_check_out(true)
            .connection_timeout(PATIENCE)
            .error_handler(Box::new(LogPoolErrors));
        let state = State { again: None, look: Instant::now() };
        Self { pool: pool.build_unchecked(Opener::reading(url)), state: Mutex::new(state) }
    }

    /// What it answers; none where somebody else must be asked.
    pub fn read<T>(&self, f: impl FnOnce(&mut Db) -> Result<T>) -> Option<Result<T>> {
        let looks = match self.turn() {
            Turn::Pass => return None,
            Turn::Look => true,
            Turn::Ask => false,
        };
        match kept(f, |f| self.ask(looks, f)) {
            // a fault may be its own too: tables that it has not got yet
            Err(error) if matches!(error.reason(), Reason::Unavailable | Reason::Internal) => {
                self.rest(&error);
                None
            }
            answer => {
                self.answered(looks);
                Some(answer)
            }
        }
    }

    fn ask(&self, looks: bool, f: Work<'_>) -> Result<()> {
        on_a_connection(&self.pool, PATIENCE, &mut |db| {
            if looks {
                must_not_lag(db)?;
            }
            // the statements of one read see one state, and nothing can be written by mistake
            db.transaction(|db| {
                if let Db::Postgres(inner) = db {
                    diesel::sql_query("SET TRANSACTION READ ONLY").execute(inner)?;
                }
                f(db)
            })
        })
    }

    fn turn(&self) -> Turn {
        let (mut state, now) = (self.lock(), Instant::now());
        match state.again {
            Some(again) if now < again => Turn::Pass,
            Some(_) => {
                // others pass while this one tries
                state.again = Some(now + REST);
                Turn::Look
            }
            None if now >= state.look => {
                state.look = now + LOOK_EVERY;
                Turn::Look
            }
            None => Turn::Ask,
        }
    }

    fn rest(&self, error: &Error) {
        let was_answering = self.lock().again.replace(Instant::now() + REST).is_none();
        if was_answering {
            let cause = error.cause().unwrap_or_else(|| error.to_string());
            log::warn!(cause = cause.as_str(); "the replica does not answer; lists and searches go to the database itself");
        }
    }

    fn answered(&self, looked: bool) {
        // only who looked may say that it is there again: others began before it went away
        if looked && self.lock().again.take().is_some() {
            log::info!("the replica answers again");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The leases of the chores are written every few seconds, so that a replica that follows has always something new.
fn must_not_lag(db: &mut Db) -> Result<()> {
    #[derive(QueryableByName)]
    struct Behind {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        seconds: i64,
    }
    let query = "SELECT COALESCE(EXTRACT(EPOCH FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0)::bigint AS seconds";
    let behind = diesel::sql_query(query).get_result::<Behind>(db)?.seconds;
    match behind > MOST_BEHIND {
        true => Err(Error::unavailable(1, format!("it is {behind} s behind"))),
        false => Ok(()),
    }
}
