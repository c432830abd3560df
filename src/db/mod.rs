//! The database: SQLite inside the process, or PostgreSQL, behind two verbs.
//!
//! [`Database::read`] runs a closure on a reading connection, [`Database::write`] inside a transaction.
//! On SQLite every write goes through one writer (`db/writer.rs`); on PostgreSQL through the pool.

mod connection;
mod freshness;
mod listener;
pub mod migrations;
pub mod schema;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::prelude::*;
use diesel::r2d2::Pool;

use connection::Opener;
pub use connection::{Db, MultiBackend, OpenError};
pub use freshness::{Freshness, Stamp, Touched};
pub use listener::tell_nodes;
use writer::Writer;

use crate::config::DatabaseUrl;
use crate::error::{Error, Reason, Result};

/// How long a request waits for a connection before it is answered 503.
const PATIENCE: Duration = Duration::from_secs(5);

/// The one handle on the database; cheap to clone.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    pool: Pool<Opener>,
    freshness: Freshness,
    /// What SQLite has besides.
    sqlite: Option<Sqlite>,
}

struct Sqlite {
    /// The one writing connection; PostgreSQL writes through the pool.
    writer: Writer,
    /// Connections for look-ups in place. They are taken for microseconds, by workers only, and there are
    /// more than there can be workers, so nobody ever waits for one behind a long read.
    in_place: Pool<Opener>,
}

/// More than there can be workers.
const IN_PLACE: u32 = 256;

impl Database {
    /// Opens it; migrations are another step ([`migrations::Locked::migrate`]).
    pub fn open(url: &DatabaseUrl, connections: u32) -> Result<Self, OpenError> {
        // One attempt in the foreground tells the real reason, which a pool would hide behind a time-out.
        drop(Opener::reading(url).open()?);
        let freshness = Freshness::default();
        let sqlite = match url {
            DatabaseUrl::Sqlite(_) => {
                let writer = Writer::start(Opener::writing(url), freshness.clone())?;
                Some(Sqlite { writer, in_place: pool(url, IN_PLACE)? })
            }
            DatabaseUrl::Postgres(_) => {
                listener::start(Opener::reading(url), &freshness)?;
                None
            }
        };
        Ok(Self(Arc::new(Inner { pool: pool(url, connections)?, freshness, sqlite })))
    }

    /// Whether other nodes may write to it.
    pub fn is_shared(&self) -> bool {
        self.0.sqlite.is_none()
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
        off_the_worker(move || database.read_here(f)).await
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
        match &self.0.sqlite {
            Some(sqlite) => with(&sqlite.in_place, f),
            None => self.read(f).await,
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
        match &self.0.sqlite {
            Some(sqlite) => sqlite.writer.write(f).await,
            None => {
                let database = self.clone();
                off_the_worker(move || database.in_a_transaction(f)).await
            }
        }
    }

    /// [`Database::write`] for the command line, which has no worker to keep free, and remembers nothing.
    pub fn write_here<T, F>(&self, f: F) -> Result<T>
    where
        F: FnOnce(&mut Db) -> Result<T> + Send + 'static,
        T: Send + 'static,
    {
        let f = move |db: &mut Db| Ok((f(db)?, Vec::new()));
        match &self.0.sqlite {
            Some(sqlite) => sqlite.writer.write_here(f),
            None => self.in_a_transaction(f),
        }
    }

    /// [`Database::read`] for the command line.
    pub fn read_here<T>(&self, f: impl FnOnce(&mut Db) -> Result<T>) -> Result<T> {
        with(&self.0.pool, f)
    }

    /// Whether the database answers.
    pub async fn answers(&self) -> Result<()> {
        self.read(|db| Ok(diesel::select(true.into_sql::<diesel::sql_types::Bool>()).execute(db).map(drop)?)).await
    }

    fn in_a_transaction<T>(&self, f: impl FnOnce(&mut Db) -> Result<(T, Vec<Touched>)>) -> Result<T> {
        let (outcome, touched) = with(&self.0.pool, |db| db.transaction(f))?;
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

/// Runs `f` on a connection of the pool; one that lost its database is not given back.
fn with<T>(pool: &Pool<Opener>, f: impl FnOnce(&mut Db) -> Result<T>) -> Result<T> {
    let mut pooled = pool.get().map_err(|error| Error::unavailable(1, error))?;
    let outcome = f(&mut pooled.db);
    pooled.lost = outcome.as_ref().is_err_and(|error| error.reason() == Reason::Unavailable);
    outcome
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
    tokio::task::spawn_blocking(f).await.unwrap_or_else(|stopped| Err(Error::internal(stopped)))
}

/// `RETURNING` all columns of a `Selectable`: Diesel's own `as_returning` does not compile over two databases.
pub fn columns<T: Selectable<MultiBackend>>() -> T::SelectExpression {
    T::construct_selection()
}
