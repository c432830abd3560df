//! One connection type over both databases, and how each is opened.
#![allow(missing_docs, reason = "the derived `MultiConnection` brings public items without a word")]

use std::time::{Duration, Instant};

use diesel::connection::{AnsiTransactionManager, Connection, SimpleConnection as _, TransactionManager as _};
use diesel::prelude::*;
use diesel::r2d2::{ManageConnection, R2D2Connection as _};
use secrecy::ExposeSecret as _;

use crate::config::DatabaseUrl;
use crate::error::Result;

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file or the server refused.
    #[error("the database cannot be opened: {0}")]
    Refused(String),
    /// The set-up of a fresh connection failed.
    #[error("the database connection cannot be set up: {0}")]
    SetUp(#[from] diesel::result::Error),
}

/// A connection to either database; every query is written once, for both.
#[derive(diesel::MultiConnection)]
pub enum Db {
    /// SQLite, bundled.
    Sqlite(SqliteConnection),
    /// PostgreSQL.
    Postgres(PgConnection),
}

/// Opens connections for a pool or for the writer.
#[derive(Clone, Debug)]
pub struct Opener {
    url: DatabaseUrl,
    writing: bool,
}

/// `busy_timeout` stands first, so that the switch to WAL itself waits for its turn. FULL: a change that was
/// answered is on the disk.
const SQLITE: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
     PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;";
/// The writer gives up on another process's lock sooner: whoever queues behind it waits as long. What a savepoint would
/// put back is kept in memory, where it would go to a file of its own, and so are 16 MiB of pages. The log grows to as
/// much before its pages are put in their places: many of them are the same.
const SQLITE_WRITING: &str = "PRAGMA busy_timeout = 1000; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384; \
     PRAGMA wal_autocheckpoint = 4000;";
const SQLITE_READING: &str = "PRAGMA query_only = ON; PRAGMA mmap_size = 268435456;";

/// Limits that end a statement or a transaction which another one blocks, below the patience of a client.
const POSTGRES: &str = "SET statement_timeout = '10s'; SET lock_timeout = '5s'; \
     SET idle_in_transaction_session_timeout = '15s'; SET client_min_messages = 'warning';";

/// The writer's lanes ask for single rows and nothing else, and keep the plans by which they do. One that is made while
/// a table is small reads all of it, and would still do so when it has grown.
const POSTGRES_WRITING: &str = "SET enable_seqscan = off;";

impl Opener {
    /// Connections that only read on SQLite; on PostgreSQL the same ones read and write.
    pub fn reading(url: &DatabaseUrl) -> Self {
        Self { url: url.clone(), writing: false }
    }

    /// A writer's connection.
    pub fn writing(url: &DatabaseUrl) -> Self {
        Self { url: url.clone(), writing: true }
    }

    /// Opens one connection, ready for use.
    pub fn open(&self) -> Result<Db, OpenError> {
        let refused = |error: diesel::ConnectionError| OpenError::Refused(error.to_string());
        match &self.url {
            DatabaseUrl::Sqlite(path) => {
                let mut inner = SqliteConnection::establish(&path.to_string_lossy()).map_err(refused)?;
                inner.batch_execute(SQLITE)?;
                inner.batch_execute(if self.writing { SQLITE_WRITING } else { SQLITE_READING })?;
                Ok(Db::Sqlite(inner))
            }
            DatabaseUrl::Postgres(url) => {
                let mut inner = PgConnection::establish(url.expose_secret()).map_err(refused)?;
                inner.batch_execute(POSTGRES)?;
                if self.writing {
                    inner.batch_execute(POSTGRES_WRITING)?;
                }
                Ok(Db::Postgres(inner))
            }
        }
    }
}

/// A transaction for work outside the pool and the writer: the first start's, a command's. SQLite takes
/// its write lock only at the first write; asking for it at once avoids failing half way.
pub fn in_immediate_transaction<T>(db: &mut Db, f: impl FnOnce(&mut Db) -> Result<T>) -> Result<T> {
    begin_immediate(db)?;
    match f(db) {
        Ok(outcome) => {
            Manager::commit_transaction(db)?;
            Ok(outcome)
        }
        Err(error) => {
            Manager::rollback_transaction(db)?;
            Err(error)
        }
    }
}

/// The transaction manager of the enum, which hands everything on to the connection inside.
pub type Manager = <Db as Connection>::TransactionManager;

/// Begins a transaction that holds the right to write from its first moment.
pub fn begin_immediate(db: &mut Db) -> QueryResult<()> {
    match db {
        Db::Sqlite(inner) => AnsiTransactionManager::begin_transaction_sql(inner, "BEGIN IMMEDIATE"),
        Db::Postgres(_) => Manager::begin_transaction(db),
    }
}

/// A pooled connection, and what the pool must know of it.
pub struct Pooled {
    /// The connection.
    pub db: Db,
    /// Set when a statement failed because the database was away: the connection is not used again.
    pub lost: bool,
    used: Instant,
}

/// A connection that has rested longer than this is tried before it is handed out; a busy one is not,
/// because that would be one round trip more for every statement.
pub const RESTED: Duration = Duration::from_secs(1);

impl ManageConnection for Opener {
    type Connection = Pooled;
    type Error = OpenError;

    fn connect(&self) -> Result<Pooled, OpenError> {
        Ok(Pooled { db: self.open()?, lost: false, used: Instant::now() })
    }

    fn is_valid(&self, pooled: &mut Pooled) -> Result<(), OpenError> {
        if let Db::Postgres(_) = pooled.db
            && pooled.used.elapsed() > RESTED
        {
            pooled.db.ping()?;
        }
        Ok(())
    }

    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        pooled.used = Instant::now();
        pooled.lost || std::thread::panicking() || pooled.db.is_broken()
    }
}
