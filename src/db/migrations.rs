//! Bringing a database to this program's schema: embedded, under a lock, and never backwards.

use diesel::connection::SimpleConnection as _;
use diesel::migration::Migration as _;
use diesel::prelude::*;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connection::{Db, OpenError, Opener, in_immediate_transaction};
use crate::config::DatabaseUrl;

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// PostgreSQL's advisory lock under which migrations and the first start run: "firstkey" in ASCII.
const LOCK: i64 = 0x6669_7273_746b_6579;

/// Why a database could not be brought to the schema.
#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// It could not be opened at all.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Its schema is newer than this program.
    #[error(
        "the database was made by a newer Firstkey (it holds the migration {0}): start that version, or a newer one"
    )]
    Newer(String),
    /// The role may not change the schema.
    #[error(
        "the database's schema is older than this Firstkey and could not be changed ({0}): run `firstkey migrate` with a role that may"
    )]
    Failed(String),
}

/// A connection that holds the lock of the first start, until it is dropped.
pub struct Locked {
    db: Db,
    /// On SQLite the lock is a file's, beside the database; it ends with the file handle.
    _file: Option<std::fs::File>,
}

impl Locked {
    /// Waits for the lock: of several programs started at once, one at a time goes on.
    pub fn acquire(url: &DatabaseUrl) -> Result<Self, MigrationError> {
        let failed = |error: String| MigrationError::Failed(error);
        let file = match url {
            DatabaseUrl::Sqlite(path) => {
                let file = std::fs::File::options()
                    .create(true)
                    .truncate(false)
                    .write(true)
                    .open(path.with_extension("lock"))
                    .map_err(|error| OpenError::Refused(format!("{}: {error}", path.display())))?;
                file.lock().map_err(|error| failed(error.to_string()))?;
                Some(file)
            }
            DatabaseUrl::Postgres(_) => None,
        };
        let mut db = Opener::writing(url).open()?;
        if let Db::Postgres(inner) = &mut db {
            // the statement time-out of ordinary connections is shorter than a migration may take
            diesel::sql_query("SET statement_timeout = 0").execute(inner).map_err(|error| failed(error.to_string()))?;
            diesel::sql_query("SET lock_timeout = 0").execute(inner).map_err(|error| failed(error.to_string()))?;
            diesel::select(pg_advisory_lock(LOCK)).execute(inner).map_err(|error| failed(error.to_string()))?;
        }
        Ok(Self { db, _file: file })
    }

    /// Runs a change in a transaction of its own, under the lock.
    pub fn change<T>(&mut self, f: impl FnOnce(&mut Db) -> crate::error::Result<T>) -> crate::error::Result<T> {
        in_immediate_transaction(&mut self.db, f)
    }

    /// Runs what is pending; answers how many migrations ran. Each runs in a transaction. A role that may
    /// not change the schema does as long as nothing is pending.
    pub fn migrate(&mut self) -> Result<usize, MigrationError> {
        let known = match &self.db {
            Db::Sqlite(_) => versions::<diesel::sqlite::Sqlite>(&SQLITE)?,
            Db::Postgres(_) => versions::<diesel::pg::Pg>(&POSTGRES)?,
        };
        let applied = applied(&mut self.db);
        if let Some(unknown) = applied.iter().find(|version| !known.contains(version)) {
            return Err(MigrationError::Newer(unknown.clone()));
        }
        let ran = if known.iter().all(|version| applied.contains(version)) {
            0
        } else {
            match &mut self.db {
                Db::Sqlite(inner) => inner.run_pending_migrations(SQLITE).map(|ran| ran.len()).map_err(failed)?,
                Db::Postgres(inner) => inner.run_pending_migrations(POSTGRES).map(|ran| ran.len()).map_err(failed)?,
            }
        };
        if let Db::Postgres(inner) = &mut self.db {
            index_substrings(inner);
        }
        Ok(ran)
    }
}

/// What PostgreSQL needs an extension for: made where it is missing and can be had by now, and done without elsewhere.
const SUBSTRINGS: &str = include_str!("../../migrations/postgres/2026-11-22-000001_substring_search/up.sql");

fn index_substrings(db: &mut PgConnection) {
    #[derive(QueryableByName)]
    struct There {
        #[diesel(sql_type = diesel::sql_types::Bool)]
        there: bool,
    }
    let are_there = |db: &mut PgConnection| {
        let query = "SELECT to_regclass('api_keys_name_substrings') IS NOT NULL \
                     AND to_regclass('api_keys_description_substrings') IS NOT NULL AS there";
        diesel::sql_query(query).get_result::<There>(db).is_ok_and(|found| found.there)
    };
    if are_there(db) {
        return;
    }
    let made = db.transaction(|db| db.batch_execute(SUBSTRINGS)).map_err(|error| error.to_string());
    if !are_there(db) {
        let cause = made.err().unwrap_or_else(|| "the extension pg_trgm cannot be had".to_owned());
        log::warn!(
            cause = cause.as_str();
            "searches for the middle of a key's name read every key: CREATE EXTENSION pg_trgm, and run `firstkey migrate`"
        );
    }
}

fn failed(error: Box<dyn std::error::Error + Send + Sync>) -> MigrationError {
    MigrationError::Failed(error.to_string())
}

/// The versions that this program knows.
fn versions<DB: diesel::backend::Backend>(embedded: &EmbeddedMigrations) -> Result<Vec<String>, MigrationError> {
    let migrations = diesel::migration::MigrationSource::<DB>::migrations(embedded).map_err(failed)?;
    Ok(migrations.iter().map(|migration| migration.name().version().to_string()).collect())
}

/// The versions that the database has seen; none where the table of them is not there yet.
fn applied(db: &mut Db) -> Vec<String> {
    #[derive(QueryableByName)]
    struct Applied {
        #[diesel(sql_type = diesel::sql_types::Text)]
        version: String,
    }
    let rows: QueryResult<Vec<Applied>> =
        diesel::sql_query("SELECT version FROM __diesel_schema_migrations ORDER BY version").load(db);
    rows.unwrap_or_default().into_iter().map(|row| row.version).collect()
}

diesel::define_sql_function! {
    /// PostgreSQL's lock by number, held by the session.
    fn pg_advisory_lock(key: diesel::sql_types::BigInt);
}
