//! A page of fifty out of a thousand keys and out of a million: how much longer the second takes, for each kind of
//! search, on both databases; and how much more memory the server needs.
//!
//! `cargo bench --bench search` (`-- --keys 1000000 --rounds 200`). PostgreSQL is started by `tests/postgres`, or is
//! FIRSTKEY_TEST_POSTGRES. Calls to the two servers alternate; only the ratios mean anything.

mod support;

use std::time::Instant;

use diesel::RunQueryDsl as _;
use serde_json::{Value, json};
use support::http::{Connection, Request};
use support::{Fill, Options, Postgres, argument, median};

/// The fewer keys.
const FEW: i64 = 1_000;
/// How many keys each search finds.
const PAGE: i64 = 50;
/// When the first of the keys was made, in milliseconds; each is a second younger than the one before.
const BEGINNING: i64 = 1_600_000_000_000;

fn main() {
    let (many, rounds) = (argument("--keys", 1_000_000), argument("--rounds", 200));
    let postgres = Postgres::start();
    for backend in ["SQLite", "PostgreSQL"] {
        let url = |name: &str| (backend == "PostgreSQL").then(|| postgres.database(name));
        let mut few = Server::start(url("few"), FEW);
        let mut lots = Server::start(url("many"), many);
        println!(
            "{backend}: pages of {PAGE}, median of {rounds} calls\n  search                    of {FEW}    of {many}   ratio"
        );
        for (kind, narrow) in searches() {
            let (mut a, mut b) = (Vec::new(), Vec::new());
            for _ in 0..rounds {
                a.push(few.search(&narrow(FEW)));
                b.push(lots.search(&narrow(many)));
            }
            let (a, b) = (median(a), median(b));
            println!("  {kind:<22} {a:>8.2} ms  {b:>10.2} ms  {:>6.2}", b / a);
        }
        println!(
            "  memory               {:>8} KiB  {:>9} KiB  (most resident, of the server)",
            few.memory(),
            lots.memory()
        );
    }
}

/// A search's body for a database of so many keys.
type Narrow = fn(i64) -> Value;

/// Each finds fifty keys in the middle, but for those that say so.
fn searches() -> Vec<(&'static str, Narrow)> {
    vec![
        ("name, exactly (1)", |keys| text("keyName", &format!("key {:07}", keys / 2))),
        ("name, by prefix", |keys| text("keyName", &format!("key {:06}%", keys / 20))),
        ("name, prefix of all", |_| text("keyName", "key%")),
        // one description begins with "xq", of two hundred one is "a quokka", and all others are "made for everybody"
        ("name has, common", |_| text("keyName", "%key%")),
        ("name has, rare", |keys| text("keyName", &format!("%y {:06}%", keys / 20))),
        ("name has, rarer (1)", |keys| text("keyName", &format!("%{:07}%", keys / 2))),
        ("text has, in 0.5 %", |_| text("description", "%quokka%")),
        ("text has, common", |_| text("description", "%for every%")),
        ("text has, 2 characters", |_| text("description", "%xq%")),
        ("role", |_| one(json!({ "fieldName": "roleID", "numericTest": "equal", "numericValue": 3 }))),
        ("role of nearly all", |_| one(json!({ "fieldName": "roleID", "numericTest": "equal", "numericValue": 2 }))),
        ("created, a range", |keys| range("created", BEGINNING + keys / 2 * 1_000)),
        ("expiry, a range", |keys| range("expiryDate", BEGINNING + keys / 2 * 1_000)),
        ("last use, a range", |keys| range("lastSignIn", BEGINNING + keys / 2 * 1_000)),
        ("locked out", |_| one(json!({ "fieldName": "active", "booleanTest": false }))),
        ("ID, the next page", |keys| one(json!({ "idTest": "greater-than", "idValue": keys / 2 }))),
        ("everything, one page", |_| json!({ "maxItems": PAGE })),
    ]
}

fn one(criterion: Value) -> Value {
    json!({ "maxItems": PAGE, "searchCriteria": [criterion] })
}

fn text(field: &str, value: &str) -> Value {
    one(json!({ "fieldName": field, "stringTest": "equal", "stringValue": value }))
}

fn range(field: &str, first: i64) -> Value {
    one(json!({ "fieldName": field, "firstDateValue": first, "lastDateValue": first + (PAGE - 1) * 1_000 }))
}

/// A server with so many keys, and a connection to it.
struct Server {
    /// Opened by the first call: one that says nothing for long is closed.
    connection: Option<Connection>,
    program: support::Server,
}

impl Server {
    fn start(database: Option<String>, keys: i64) -> Self {
        let fill = Fill { sqlite: &|db| fill(db, &SQLITE, keys), postgres: &|db| fill(db, &POSTGRES, keys) };
        let options = Options { database, fill: Some(fill), ..Options::default() };
        Self { connection: None, program: support::Server::start(&options) }
    }

    /// Milliseconds for one search; it must find something.
    fn search(&mut self, body: &Value) -> f64 {
        let request = Request {
            method: "POST".into(),
            path: "/api/apikeys/search".into(),
            headers: vec![
                ("api-secret-key".into(), self.program.key.clone()),
                ("Content-Type".into(), "application/json".into()),
            ],
            body: body.to_string().into_bytes(),
        };
        let connection = self.connection.get_or_insert_with(|| self.program.connect());
        let began = Instant::now();
        let answer = connection.send(&request).expect("an answer").expect(200);
        let took = began.elapsed().as_secs_f64() * 1_000.0;
        assert!(!answer.json()["apiKeys"].as_array().expect("a list").is_empty(), "{body}");
        took
    }

    /// The most memory that was ever resident, in KiB.
    fn memory(&self) -> u64 {
        self.program.process().memory("VmHWM:")
    }
}

/// What differs between the databases where rows are made up.
struct Dialect {
    numbers: &'static str,
    name: &'static str,
    digest: &'static str,
    index: &'static str,
    indexed: &'static str,
}

const SQLITE: Dialect = Dialect {
    numbers: "with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < {keys})",
    name: "printf('key %07d', n)",
    digest: "randomblob(32)",
    index: "insert into api_keys_substrings (rowid, tenant, name_fold, description_fold) \
            select id, tenant, name_fold, description_fold from api_keys_texts where id > 1 order by id",
    indexed: "delete from api_keys_substrings_pending",
};
const POSTGRES: Dialect = Dialect {
    numbers: "with numbers (n) as (select * from generate_series(1, {keys}) as x)",
    name: "'key ' || lpad(n::text, 7, '0')",
    digest: "sha256(n::text::bytea)",
    // so does PostgreSQL's, with what autovacuum does
    index: "select gin_clean_pending_list('api_keys_name_substrings')",
    indexed: "select gin_clean_pending_list('api_keys_description_substrings')",
};

/// Makes keys, each with a secret that nobody knows.
fn fill<C>(db: &mut C, dialect: &Dialect, keys: i64)
where
    C: diesel::Connection,
    diesel::query_builder::SqlQuery: diesel::query_dsl::methods::ExecuteDsl<C>,
{
    let numbers = dialect.numbers.replace("{keys}", &keys.to_string());
    let (name, digest) = (dialect.name, dialect.digest);
    let half = keys / 2;
    let text =
        format!("case when n = {half} then 'xq ' || n when n % 200 = 0 then 'a quokka' else 'made for everybody' end");
    for sql in [
        "insert into roles (tenant_id, name, name_fold, description, description_fold, immutable, equal_or_lesser_only, \
         all_computers, all_policies, allow_user_interface, allow_web_service, allow_manage_workload_link, \
         allow_migration, rights, computer_ids, computer_group_ids, policy_ids, role_version) select 0, 'Rare', 'rare', \
         '', '', false, false, true, true, true, true, false, false, rights, '[]', '[]', '[]', 1 from roles where id = 2"
            .to_owned(),
        format!(
            "insert into api_keys (tenant_id, profile_id, kind, key_name, name_fold, description, description_fold, \
             locale, role_id, time_zone, active, created, last_sign_in, unsuccessful_sign_in_attempts, expiry_date, \
             service_account, made_with_initial_password) {numbers} select 0, 1, 'standard', {name}, {name}, {text}, \
             {text}, 'en-US', case when n > {half} and n <= {half} + {PAGE} then (select id from roles where name_fold = 'rare') \
             else 2 end, 'UTC', n <= {half} or n > {half} + {PAGE}, {BEGINNING} + n * 1000, {BEGINNING} + n * 1000, 0, \
             {BEGINNING} + n * 1000, false, false from numbers"
        ),
        format!(
            "insert into api_key_secrets (tenant_id, api_key_id, digest, digest_version, created) \
             {numbers} select 0, n + 1, {digest}, 1, {BEGINNING} from numbers"
        ),
        // SQLite's index is written to a moment after the keys: what the server does with so many in its first minutes
        dialect.index.to_owned(),
        dialect.indexed.to_owned(),
        "analyze".to_owned(),
    ] {
        diesel::sql_query(sql).execute(db).expect("the statement is right");
    }
}
