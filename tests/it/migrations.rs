//! The two databases have the same schema, and it is the one that the queries were compiled against.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::migration::Migration as _;
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sqlite::{Sqlite, SqliteConnection};
use diesel_migrations::{FileBasedMigrations, MigrationHarness};
use firstkey::config::DatabaseUrl;
use firstkey::db::migrations::Locked;

use crate::app::Backend;
use crate::readme::ScratchDatabase;

/// Table → columns in their order, each as "name kind" or "name kind?" where it may be null.
type Schema = BTreeMap<String, Vec<String>>;

#[test]
fn both_databases_have_migrations_of_the_same_names_that_can_be_taken_back() {
    let names = |backend| -> BTreeSet<String> {
        let entries = std::fs::read_dir(folder(backend)).expect("the migrations");
        entries.map(|entry| entry.expect("a migration").file_name().into_string().expect("a name")).collect()
    };
    assert_eq!(names(Backend::Sqlite), names(Backend::Postgres));
    for name in names(Backend::Sqlite) {
        for file in ["up.sql", "down.sql"] {
            for backend in [Backend::Sqlite, Backend::Postgres] {
                assert!(folder(backend).join(&name).join(file).is_file(), "{backend:?}: {name}/{file}");
            }
        }
    }
}

#[test]
fn both_databases_come_to_the_tables_that_the_queries_know() {
    let known = schema_of_the_source();
    let (_folder, mut sqlite) = sqlite();
    let (_database, mut postgres) = postgres();
    assert_eq!(schema_of_sqlite(&mut sqlite), known, "SQLite and src/db/schema.rs");
    assert_eq!(schema_of_postgres(&mut postgres), known, "PostgreSQL and src/db/schema.rs");
}

#[test]
fn both_databases_have_the_same_indices_and_triggers() {
    let (_folder, mut sqlite) = sqlite();
    let (_database, mut postgres) = postgres();
    let ours = names(
        &mut sqlite,
        "select name as text from sqlite_master where type = 'index' and name not like 'sqlite_autoindex%'",
    );
    // for what stands in the middle of texts each has its own
    let own = ["api_keys_description_substrings", "api_keys_name_substrings"].map(str::to_owned);
    let theirs = names(
        &mut postgres,
        "select c.relname::text as text from pg_index i join pg_class c on c.oid = i.indexrelid \
         join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'public' \
         and not exists (select from pg_constraint k where k.conindid = i.indexrelid)",
    );
    let (only_theirs, shared): (BTreeSet<String>, BTreeSet<String>) =
        theirs.into_iter().partition(|name| own.contains(name));
    assert_eq!((ours, only_theirs), (shared, own.into()));
    // SQLite has no TRUNCATE, and wants a trigger for each verb
    let ours = names(
        &mut sqlite,
        "select distinct tbl_name as text from sqlite_master where type = 'trigger' and name not like 'api\\_keys\\_substrings%' escape '\\'",
    );
    let theirs =
        names(&mut postgres, "select distinct tgrelid::regclass::text as text from pg_trigger where not tgisinternal");
    assert_eq!(ours, theirs);
}

/// Numbers of 32 bits end in 2038 when they are moments: there are none.
#[test]
fn no_number_has_less_than_64_bits() {
    let small = "select table_name || '.' || column_name as text from information_schema.columns \
                 where table_schema = 'public' and data_type in ('integer', 'smallint', 'real')";
    let (_database, mut postgres) = postgres();
    assert_eq!(names(&mut postgres, small), BTreeSet::new());
}

#[test]
fn sqlite_goes_back_to_nothing_and_forth_again() {
    let (_folder, mut sqlite) = sqlite();
    let migrations = || FileBasedMigrations::from_path(folder(Backend::Sqlite)).expect("the migrations");
    assert_eq!(back_and_forth::<_, Sqlite>(&mut sqlite, migrations, schema_of_sqlite), Schema::new());
    assert_eq!(schema_of_sqlite(&mut sqlite), schema_of_the_source());
}

#[test]
fn postgres_goes_back_to_nothing_and_forth_again() {
    let (_database, mut postgres) = postgres();
    let migrations = || FileBasedMigrations::from_path(folder(Backend::Postgres)).expect("the migrations");
    assert_eq!(back_and_forth::<_, Pg>(&mut postgres, migrations, schema_of_postgres), Schema::new());
    assert_eq!(schema_of_postgres(&mut postgres), schema_of_the_source());
}

/// Takes every migration back, looks at what is left, and runs them again.
fn back_and_forth<C, DB>(
    db: &mut C,
    migrations: impl Fn() -> FileBasedMigrations,
    look: impl Fn(&mut C) -> Schema,
) -> Schema
where
    DB: diesel::backend::Backend,
    C: MigrationHarness<DB> + diesel::Connection<Backend = DB>,
{
    let count = diesel::migration::MigrationSource::<DB>::migrations(&migrations()).expect("they can be read").len();
    assert_eq!(db.revert_all_migrations(migrations()).expect("they can be taken back").len(), count);
    let left = look(db);
    let mut again: Vec<String> = Vec::new();
    for migration in db.pending_migrations(migrations()).expect("they can be read") {
        again.push(migration.name().to_string());
        db.run_migration(&migration).expect("it runs again");
    }
    assert_eq!(again.len(), count);
    left
}

/// Takes back a migration and all that came after it. A folder tells its files in no order.
fn back_to_before<C, DB>(db: &mut C, migrations: &FileBasedMigrations, name: &str)
where
    DB: diesel::backend::Backend,
    C: MigrationHarness<DB> + diesel::Connection<Backend = DB>,
{
    let all = diesel::migration::MigrationSource::<DB>::migrations(migrations).expect("they can be read");
    let mut names: Vec<String> = all.iter().map(|one| one.name().to_string()).collect();
    names.sort();
    let first = names.iter().position(|one| one.contains(name)).expect("the migration");
    for _ in &names[first..] {
        db.revert_last_migration(migrations.clone()).expect("it can be taken back");
    }
}

/// Events of the time before there was a chain: the migration folds their names, and the triggers stand again after it.
fn old_events_are_folded<C, DB>(db: &mut C, migrations: FileBasedMigrations)
where
    DB: diesel::backend::Backend,
    C: MigrationHarness<DB> + diesel::Connection<Backend = DB>,
    diesel::query_builder::SqlQuery: diesel::query_dsl::methods::ExecuteDsl<C>,
{
    back_to_before(db, &migrations, "audit_seals");
    let run = |db: &mut C, sql: &str| diesel::sql_query(sql).execute(db);
    run(
        db,
        "insert into audit_events (tenant_id, at, number, name, level, actor_type, actor_name, address, request_id, \
         target_type, target_name, details) values (0, 1, 600, 'n', 'info', 'administrator', 'Anna B', '', '', 't', 'Ben C', '{}')",
    )
    .expect("an event");
    db.run_pending_migrations(migrations).expect("they run again");
    let folded = "insert into audit_cuts (position, seal_id, head, cut_at, removed, key_id, mac) \
                  select -id, 0, '', 0, 0, '', '' from audit_events where actor_name_fold = 'anna b' and target_name_fold = 'ben c'";
    assert_eq!(run(db, folded).expect("it was folded"), 1);
    run(db, "update audit_events set at = 2").expect_err("changed");
    run(db, "delete from audit_events").expect_err("removed");
}

/// Tenants of the time before they had URLs: a name that is a label is theirs, all others have their GUID.
fn old_tenants_get_labels<C, DB>(db: &mut C, migrations: FileBasedMigrations)
where
    DB: diesel::backend::Backend,
    C: MigrationHarness<DB> + diesel::Connection<Backend = DB>,
    diesel::query_builder::SqlQuery: diesel::query_dsl::methods::ExecuteDsl<C>,
{
    back_to_before(db, &migrations, "tenant_slugs");
    let long = "a".repeat(36);
    let cases = [
        ("blue", true),
        ("blue-2", true),
        ("7", true),
        (&long[1..], true),
        (&long, false),
        ("blue whale", false),
        ("-blue", false),
        ("blue-", false),
        ("blue--2", false),
        ("青", false),
        ("b_l", false),
        ("b.l", false),
    ];
    for (number, (name, _)) in cases.iter().enumerate() {
        let insert = format!(
            "insert into tenants (id, guid, name, name_fold, state, created) values ({}, 'guid {number}', '{name}', '{name}', 'active', 1)",
            number + 100
        );
        diesel::sql_query(insert).execute(db).expect("a tenant");
    }
    let going = "insert into tenants (id, guid, name, name_fold, state, created) values (99, 'gone', 'x', 'x', 'pending-deletion', 1)";
    diesel::sql_query(going).execute(db).expect("a tenant");
    db.run_pending_migrations(migrations).expect("they run again");
    let mut count = |condition: &str| {
        diesel::sql_query(format!("update tenants set state = state where {condition}")).execute(db).expect("it runs")
    };
    for (number, (name, is_label)) in cases.iter().enumerate() {
        let label = if *is_label { (*name).to_owned() } else { format!("guid {number}") };
        assert_eq!(count(&format!("id = {} and slug = '{label}'", number + 100)), 1, "{name}");
    }
    assert_eq!(count("id = 99 and slug is null"), 1);
}

/// Keys of the time before there was an index of the middle of their texts are in it afterwards.
#[test]
fn old_keys_are_found_by_the_middle_of_their_names_on_sqlite() {
    let (_folder, mut db) = sqlite();
    let migrations = FileBasedMigrations::from_path(folder(Backend::Sqlite)).expect("the migrations");
    back_to_before::<_, Sqlite>(&mut db, &migrations, "substring_search");
    let key = |id: i64, name: &str| {
        format!(
            "insert into api_keys (id, tenant_id, profile_id, kind, key_name, name_fold, description, description_fold, locale, \
             role_id, time_zone, active, created, unsuccessful_sign_in_attempts, service_account, made_with_initial_password) \
             values ({id}, 0, 1, 'standard', '{name}', '{name}', 'd', 'for a zebra', 'en-US', 2, 'UTC', true, 1, 0, false, false)"
        )
    };
    let mut run = |sql: &str| db.batch_execute(sql).expect("the statement is right");
    run("pragma foreign_keys = off");
    run(&key(7, "a quokka''s"));
    run(&key(8, "another"));
    db.run_pending_migrations(migrations).expect("they run again");
    let mut found = |question: &str| {
        let sql = format!(
            "select cast(rowid as text) as text from api_keys_substrings where api_keys_substrings match '{question}'"
        );
        names(&mut db, &sql).into_iter().collect::<Vec<_>>()
    };
    assert_eq!(found("name_fold : (\"kka\" AND \"quo\")"), ["7"]);
    assert_eq!(found("description_fold : \"zeb\""), ["7", "8"]);
    assert_eq!(found("name_fold : \"zeb\""), [] as [&str; 0]);
    assert_eq!(names(&mut db, "select cast(id as text) as text from api_keys_substrings_pending"), BTreeSet::new());
}

#[test]
fn tenants_from_before_their_urls_get_them_on_sqlite() {
    let (_folder, mut db) = sqlite();
    old_tenants_get_labels(&mut db, FileBasedMigrations::from_path(folder(Backend::Sqlite)).expect("the migrations"));
}

#[test]
fn tenants_from_before_their_urls_get_them_on_postgres() {
    let (_database, mut db) = postgres();
    old_tenants_get_labels(&mut db, FileBasedMigrations::from_path(folder(Backend::Postgres)).expect("the migrations"));
}

#[test]
fn events_from_before_the_chain_are_kept_on_sqlite() {
    let (_folder, mut sqlite) = sqlite();
    old_events_are_folded(
        &mut sqlite,
        FileBasedMigrations::from_path(folder(Backend::Sqlite)).expect("the migrations"),
    );
}

#[test]
fn events_from_before_the_chain_are_kept_on_postgres() {
    let (_database, mut postgres) = postgres();
    old_events_are_folded(
        &mut postgres,
        FileBasedMigrations::from_path(folder(Backend::Postgres)).expect("the migrations"),
    );
}

fn folder(backend: Backend) -> PathBuf {
    let name = match backend {
        Backend::Sqlite => "sqlite",
        Backend::Postgres => "postgres",
    };
    Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(name)
}

fn sqlite() -> (tempfile::TempDir, SqliteConnection) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("firstkey.db");
    let mut locked = Locked::acquire(&DatabaseUrl::Sqlite(file.clone())).expect("a database");
    assert!(locked.migrate().expect("the migrations run") > 0);
    assert_eq!(locked.migrate().expect("nothing is left to do"), 0);
    drop(locked);
    (folder, SqliteConnection::establish(file.to_str().expect("a path")).expect("a connection"))
}

/// A database made from the template, on which the program's own migrations have run.
fn postgres() -> (ScratchDatabase, PgConnection) {
    let database = ScratchDatabase::new();
    let connection = PgConnection::establish(&database.url()).expect("a connection");
    (database, connection)
}

#[derive(QueryableByName)]
struct Text {
    #[diesel(sql_type = diesel::sql_types::Text)]
    text: String,
}

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = diesel::sql_types::Text)]
    table: String,
    #[diesel(sql_type = diesel::sql_types::Text)]
    column: String,
    #[diesel(sql_type = diesel::sql_types::Text)]
    kind: String,
    #[diesel(sql_type = diesel::sql_types::Bool)]
    nullable: bool,
}

fn schema(columns: Vec<Column>) -> Schema {
    let mut schema = Schema::new();
    for Column { table, column, kind, nullable } in columns {
        let kind = match kind.to_lowercase().as_str() {
            "bigint" | "integer" => "number",
            "text" => "text",
            "blob" | "bytea" => "bytes",
            "boolean" => "flag",
            other => panic!("{table}.{column} is of a kind that has no twin: {other}"),
        };
        schema.entry(table).or_default().push(format!("{column} {kind}{}", if nullable { "?" } else { "" }));
    }
    schema
}

fn schema_of_sqlite(db: &mut SqliteConnection) -> Schema {
    // an INTEGER PRIMARY KEY is never null, whatever the pragma says
    let columns = "select m.name as \"table\", c.name as \"column\", c.type as kind, not (c.\"notnull\" or c.pk > 0) as nullable \
                   from sqlite_master m join pragma_table_info(m.name) c \
                   where m.type = 'table' and m.name not like 'sqlite_%' and m.name not like '\\_\\_diesel%' escape '\\' \
                   and m.name not like 'api\\_keys\\_substrings%' escape '\\' \
                   order by m.name, c.cid";
    schema(diesel::sql_query(columns).load(db).expect("the tables"))
}

fn schema_of_postgres(db: &mut PgConnection) -> Schema {
    let columns = "select table_name::text as \"table\", column_name::text as \"column\", data_type::text as kind, \
                   is_nullable = 'YES' as nullable from information_schema.columns \
                   where table_schema = 'public' and table_name not like '\\_\\_diesel%' \
                   order by table_name, ordinal_position";
    schema(diesel::sql_query(columns).load(db).expect("the tables"))
}

fn names<'a, C>(db: &'a mut C, query: &str) -> BTreeSet<String>
where
    C: diesel::Connection,
    diesel::query_builder::SqlQuery: diesel::query_dsl::LoadQuery<'a, C, Text>,
{
    let rows: Vec<Text> = diesel::sql_query(query).load(db).expect("the names");
    rows.into_iter().map(|row| row.text).collect()
}

/// What `diesel::table!` says, read as text: the macro leaves nothing behind that could be asked.
fn schema_of_the_source() -> Schema {
    let source = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/db/schema.rs")).expect("the source");
    let mut columns = Vec::new();
    for table in source.split("diesel::table! {").skip(1) {
        let name = table.split('(').next().unwrap_or_default().trim().to_owned();
        let inside = table.split_once('{').and_then(|(_, rest)| rest.split_once('}')).expect("columns").0;
        for line in inside.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (column, kind) = line.trim_end_matches(',').split_once(" -> ").expect("a column");
            let inner = kind.strip_prefix("Nullable<").and_then(|kind| kind.strip_suffix('>'));
            let kind = match inner.unwrap_or(kind) {
                "BigInt" => "bigint",
                "Text" => "text",
                "Binary" => "blob",
                "Bool" => "boolean",
                other => panic!("{name}.{column}: {other}"),
            };
            let (table, column, nullable) = (name.clone(), column.to_owned(), inner.is_some());
            columns.push(Column { table, column, kind: kind.to_owned(), nullable });
        }
    }
    schema(columns)
}
