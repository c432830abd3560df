//! The database: SQLite inside the process, or PostgreSQL, behind two verbs.
//!
//! [`Database::read`] runs a closure on a reading connection, [`Database::write`] inside a transaction.
//! On SQLite every write goes through one writer (`db/writer.rs`); on PostgreSQL through the pool, but for what is only
//! added, which shares commits there too, and on both what it reads first and writes last (`db/shared.rs`).

/// A statement on the connection inside, which knows it by its type and need not put its text together each time: for
/// those behind every verification and every new key.
macro_rules! inner {
    ($db:expr, $connection:ident => $outcome:expr) => {
        match $db {
            $crate::db::Db::Sqlite($connection) => $outcome,
            $crate::db::Db::Postgres($connection) => $outcome,
        }
    };
}

/// Inserts rows that an iterator answers with, in its order; they borrow nothing. On SQLite the same short statement
/// again and again is cheaper than a long one that must be read anew; on PostgreSQL a round trip is dearer, and so is a
/// statement of any length but a few, which are prepared once.
macro_rules! insert_all {
    ($db:expr, $table:expr, $rows:expr) => {{
        let (into, mut rows) = (diesel::insert_into($table), $rows);
        match $db {
            $crate::db::Db::Sqlite(inner) => rows.try_for_each(|row| into.values(row).execute(inner).map(drop)),
            $crate::db::Db::Postgres(inner) => {
                let (mut rows, mut done) = (rows.collect::<Vec<_>>(), Ok(()));
                while done.is_ok() && !rows.is_empty() {
                    let inserted = if let Some(some) = $crate::db::first::<_, 16>(&mut rows) {
                        into.values(some).execute(inner)
                    } else if let Some(some) = $crate::db::first::<_, 4>(&mut rows) {
                        into.values(some).execute(inner)
                    } else {
                        into.values(rows.remove(0)).execute(inner)
                    };
                    done = inserted.map(drop);
                }
                done
            }
        }
    }};
}

mod connection;
mod deadline;
mod freshness;
mod listener;
pub mod migrations;
mod replica;
pub mod schema;
mod shared;
mod writer;

pub(crate) use {inner, insert_all};

use std::sync::Arc;
use std::time::Duration;

use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::prelude::*;
use diesel::r2d2::Pool;

use connection::Opener;
pub use connection::{Db, MultiBackend, OpenError};
pub use deadline::Deadline;
pub use freshness::{Freshness, Stamp, Touched};
use listener::Hearing;
pub use listener::tell_nodes;
use replica::Replica;
pub use shared::{Later, Shared};
use tokio::sync::oneshot;
use writer::Writer;

use crate::config::DatabaseUrl;
use crate::error::{Error, Reason, Result};

/// How long a request waits for a connection before it is answered 503.
const PATIENCE: Duration = Duration::from_secs(5);
/// The same where the database is known to be away.
const LITTLE_PATIENCE: Duration = Duration::from_millis(500);

/// The one handle on the database; cheap to clone.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    pool: Pool<Opener>,
    freshness: Freshness,
    kind: Kind,
}

/// What each of the two has besides.
enum Kind {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

struct Postgres {
    /// Connections that many additions share.
    writer: Writer,
    hearing: Hearing,
    /// Who answers lists and searches in its place.
    replica: Option<Replica>,
}

struct Sqlite {
    /// The one writing connection.
    writer: Writer,
    /// Connections for look-ups in place. They are taken for microseconds, by workers only, and there are
    /// more than there can be workers, so nobody ever waits for one behind a long read.
    in_place: Pool<Opener>,
}

/// Which connections are opened.
pub struct Connections<'a> {
    /// For use by requests.
    pub pool: u32,
    /// On PostgreSQL: so many besides, which write what is added.
    pub writers: usize,
    /// On PostgreSQL: a replica, which may be away.
    pub replica: Option<&'a DatabaseUrl>,
}

/// More than there can be workers.
const IN_PLACE: u32 = 256;

impl Database {
    /// Opens it; migrations are another step ([`migrations::Locked::migrate`]).
    pub fn open(url: &DatabaseUrl, connections: &Connections<'_>) -> Result<Self, OpenError> {
        // One attempt in the foreground tells the real reason, which a pool would hide behind a time-out.
        drop(Opener::reading(url).open()?);
        let freshness = Freshness::default();
        let kind = match url {
            DatabaseUrl::Sqlite(_) => {
                let writer = Writer::alone(Opener::writing(url), freshness.clone())?;
                Kind::Sqlite(Sqlite { writer, in_place: pool(url, IN_PLACE)? })
            }
            DatabaseUrl::Postgres(_) => {
                let writer = Writer::lanes(&Opener::writing(url), &freshness, connections.writers)?;
                let hearing = listener::start(Opener::reading(url), &freshness)?;
                let replica = connections.replica.map(|url| Replica::new(url, connections.pool));
                Kind::Postgres(Postgres { writer, hearing, replica })
            }
        };
        Ok(Self(Arc::new(Inner { pool: pool(url, connections.pool)?, freshness, kind })))
    }

    /// Whether other nodes may write to it.
    pub fn is_shared(&self) -> bool {
        matches!(self.0.kind, Kind::Postgres(_))
    }

    /// Tells whether what was read of it is still so.
    pub fn freshness(&self) -> &Freshness {
        &self.0.freshness
    }

    /// Runs a read off the workers' threads.
    pub async fn read<T, F>(&self, f: F) -> Result<T>
    where
        F: FnOnce(&mut Db) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let database = self.clone();
        self.unless_hung(off_the_worker(move || database.read_here(f))).await
    }

    /// [`Database::read`] for long lists and searches, whose rows may be a moment old: on the replica, where there is one
    /// and it answers.
    pub async fn read_list<T, F>(&self, f: F) -> Result<T>
    where
        F: Fn(&mut Db) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let database = self.clone();
        self.unless_hung(off_the_worker(move || {
            let replica = match &database.0.kind {
                Kind::Postgres(postgres) => postgres.replica.as_ref(),
                Kind::Sqlite(_) => None,
            };
            replica.and_then(|replica| replica.read(&f)).unwrap_or_else(|| database.read_here(&f))
        }))
        .await
    }

    /// [`Database::read`] where several statements must see one state, whatever is changed between them.
    pub async fn read_at_once<T, F>(&self, f: F) -> Result<T>
    where
        F: FnOnce(&mut Db) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.read(|db| {
            db.transaction(|db| {
                // SQLite sees one state in any transaction
                if let Db::Postgres(inner) = db {
                    inner.batch_execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")?;
                }
                f(db)
            })
        })
        .await
    }

    /// Runs a look-up by key: in place on SQLite, where it takes microseconds and a hop to another
    /// thread takes more; off the worker on PostgreSQL.
    pub async fn look_up<T, F>(&self, f: F) -> Result<T>
    where
        F: FnOnce(&mut Db) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        match &self.0.kind {
            Kind::Sqlite(sqlite) => with(&sqlite.in_place, PATIENCE, f),
            Kind::Postgres(_) => self.read(f).await,
        }
    }

    /// Runs a change in a transaction of its own: all of it is durable when this returns `Ok`, and none
    /// of it happened when it returns `Err`. On SQLite many waiting changes share one commit, each in a
    /// savepoint, so a closure must neither wait nor hash nor speak transaction SQL of its own.
    ///
    /// This is for what nobody remembers; [`Database::change`] for the rest.
    pub async fn write<T, F>(&self, f: F) -> Result<T>
    where
        F: FnOnce(&mut Db) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        self.change(move |db| Ok((f(db)?, Vec::new()))).await
    }

    /// [`Database::write`] for a change that says what it touched: whatever is remembered of that is read anew by
    /// whoever asks after this has returned, and also when nobody waits for its return any more.
    pub async fn change<T, F>(&self, f: F) -> Result<T>
    where
        F: FnOnce(&mut Db) -> Result<(T, Vec<Touched>)> + Send + 'static,
        T: Send + 'static,
    {
        match &self.0.kind {
            Kind::Sqlite(sqlite) => sqlite.writer.change(f).await,
            Kind::Postgres(_) => {
                let database = self.clone();
                self.unless_hung(off_the_worker(move || database.in_a_transaction(f))).await
            }
        }
    }

    /// [`Database::change`] for what adds rows, and hardly changes any that others change: on PostgreSQL too many of them
    /// share one commit, what they read and what they leave to its end ([`Shared`]), and hold until then whatever each of
    /// them holds. A key of a profile that counts its keys holds its tenant's row; where two commits wait for each other
    /// PostgreSQL ends one, whose changes are undone and run again. The same is done where one of them fails.
    pub async fn add<T, F>(&self, f: F) -> Result<T>
    where
        F: FnMut(&mut Db, &mut Shared) -> Result<(T, Vec<Touched>)> + Send + 'static,
        T: Send + 'static,
    {
        match &self.0.kind {
            Kind::Sqlite(sqlite) => sqlite.writer.add(f).await,
            Kind::Postgres(postgres) => self.unless_hung(postgres.writer.add(f)).await,
        }
    }

    /// [`Database::write`] for the command line, which has no worker to keep free, and remembers nothing.
    pub fn write_here<T, F>(&self, f: F) -> Result<T>
    where
        F: FnOnce(&mut Db) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let f = move |db: &mut Db| Ok((f(db)?, Vec::new()));
        match &self.0.kind {
            Kind::Sqlite(sqlite) => sqlite.writer.change_here(f),
            Kind::Postgres(_) => self.in_a_transaction(f),
        }
    }

    /// [`Database::read`] for the command line.
    pub fn read_here<T>(&self, f: impl FnOnce(&mut Db) -> Result<T>) -> Result<T> {
        with(&self.0.pool, self.patience(), f)
    }

    /// Whether the database answers.
    pub async fn answers(&self) -> Result<()> {
        self.read(|db| Ok(diesel::select(true.into_sql::<diesel::sql_types::Bool>()).execute(db).map(drop)?)).await
    }

    /// How long to wait for a connection: not long where nothing has been heard of the database for a while.
    fn patience(&self) -> Duration {
        match &self.0.kind {
            Kind::Postgres(postgres) if !postgres.hearing.is_recent() => LITTLE_PATIENCE,
            _ => PATIENCE,
        }
    }

    /// Waits for an outcome as long as the database lives. One that hangs, or is cut off without a word, does not say so:
    /// after [`PATIENCE`] whoever waits is told to come again, if nothing else was heard of it either. What was sent to
    /// it may still be done when it wakes up.
    async fn unless_hung<T>(&self, outcome: impl Future<Output = Result<T>>) -> Result<T> {
        let Kind::Postgres(postgres) = &self.0.kind else { return outcome.await };
        let mut outcome = std::pin::pin!(outcome);
        loop {
            match tokio::time::timeout(PATIENCE, &mut outcome).await {
                Ok(outcome) => return outcome,
                Err(_) if postgres.hearing.is_recent() => {}
                Err(_) => return Err(Error::unavailable(1, "the database does not answer")),
            }
        }
    }

    fn in_a_transaction<T>(&self, f: impl FnOnce(&mut Db) -> Result<(T, Vec<Touched>)>) -> Result<T> {
        let (outcome, touched) = kept(f, |f| in_a_transaction(&self.0.pool, self.patience(), f))?;
        touched.into_iter().for_each(|touched| self.0.freshness.touch(touched));
        Ok(outcome)
    }
}

fn pool(url: &DatabaseUrl, connections: u32) -> Result<Pool<Opener>, OpenError> {
    Pool::builder()
        .max_size(connections)
        .min_idle(Some(1))
        .test_on_check_out(true)
        .connection_timeout(PATIENCE)
        .error_handler(Box::new(LogPoolErrors))
        .build(Opener::reading(url))
        .map_err(|error| OpenError::Refused(error.to_string()))
}

/// Has PostgreSQL plan each statement of this transaction for the values that it comes with. A plan that it keeps for all
/// values does not know how rare a pattern is, and works the pattern out anew for each row.
pub fn plan_for_values(db: &mut Db) -> Result<()> {
    let Db::Postgres(inner) = db else { return Ok(()) };
    Ok(inner.batch_execute("SET LOCAL plan_cache_mode = force_custom_plan")?)
}

/// What is done with a connection, whatever comes out of it.
type Work<'a> = &'a mut dyn FnMut(&mut Db) -> Result<()>;

/// Keeps what comes out of `f`, which `around` runs once at most and knows nothing of: so the program has what is around
/// once, and not again for each of hundreds of closures.
fn kept<T>(f: impl FnOnce(&mut Db) -> Result<T>, around: impl FnOnce(Work<'_>) -> Result<()>) -> Result<T> {
    let (mut f, mut outcome) = (Some(f), None);
    around(&mut |db| {
        let f = f.take().ok_or_else(|| Error::internal("a closure was to run twice"))?;
        outcome = Some(f(db)?);
        Ok(())
    })?;
    outcome.ok_or_else(|| Error::internal("a closure was not run"))
}

/// Runs `f` on a connection of the pool.
fn with<T>(pool: &Pool<Opener>, patience: Duration, f: impl FnOnce(&mut Db) -> Result<T>) -> Result<T> {
    kept(f, |f| on_a_connection(pool, patience, f))
}

/// A connection that lost its database is not given back.
fn on_a_connection(pool: &Pool<Opener>, patience: Duration, f: Work<'_>) -> Result<()> {
    let mut pooled = pool.get_timeout(patience).map_err(|error| Error::unavailable(1, error))?;
    let outcome = f(&mut pooled.db);
    pooled.lost = outcome.as_ref().is_err_and(|error| error.reason() == Reason::Unavailable);
    outcome
}

/// [`on_a_connection`], in a transaction.
fn in_a_transaction(pool: &Pool<Opener>, patience: Duration, f: Work<'_>) -> Result<()> {
    on_a_connection(pool, patience, &mut |db| db.transaction(&mut *f))
}

/// A pool's failed attempts to connect belong in the log, at a level that an outage does not flood.
#[derive(Debug)]
struct LogPoolErrors;

impl diesel::r2d2::HandleError<OpenError> for LogPoolErrors {
    fn handle_error(&self, error: OpenError) {
        log::warn!(error = error.to_string().as_str(); "a database connection could not be opened");
    }
}

/// Runs blocking work on the pool of blocking threads; a panic in it becomes an error here.
async fn off_the_worker<T: Send + 'static>(f: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let (sender, outcome) = oneshot::channel();
    // boxed, so that tokio's part of it is in the program once
    let work: Box<dyn FnOnce() + Send> = Box::new(move || drop(sender.send(f())));
    drop(tokio::task::spawn_blocking(work));
    outcome.await.unwrap_or_else(|_| Err(Error::internal("blocking work panicked; the log says where")))
}

/// Takes the first `N` out of a list that has as many.
pub(crate) fn first<T, const N: usize>(list: &mut Vec<T>) -> Option<[T; N]> {
    if list.len() < N {
        return None;
    }
    let rest = list.split_off(N);
    std::mem::replace(list, rest).try_into().ok()
}

/// `RETURNING` all columns of a `Selectable`: Diesel's own `as_returning` does not compile over two databases.
pub fn columns<T: Selectable<MultiBackend>>() -> T::SelectExpression {
    T::construct_selection()
}
