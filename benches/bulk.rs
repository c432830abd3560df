//! A hundred thousand keys revoked at once: how long it takes, how much more memory the server needs, and what calls
//! made with another key meanwhile have of it, on both databases.
//!
//! `cargo bench --bench bulk` (`-- --keys 100000 --seconds 5`). PostgreSQL is started by `tests/postgres`, or is
//! FIRSTKEY_TEST_POSTGRES. The same caller calls in peace and while the keys go; only the ratios mean anything.

mod support;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use diesel::RunQueryDsl as _;
use serde_json::{Value, json};
use support::http::{Connection, Request};
use support::{Fill, Options, Postgres, argument};

fn main() {
    let (keys, seconds) = (argument("--keys", 100_000), argument("--seconds", 5));
    let postgres = Postgres::start();
    for backend in ["SQLite", "PostgreSQL"] {
        let server = Server::start((backend == "PostgreSQL").then(|| postgres.database("bulk")), keys);
        println!("{backend}: {keys} keys revoked at once");
        let mut order = json!({
            "searchCriteria": [{ "fieldName": "keyName", "stringValue": "key %" }], "reason": "unused",
        });
        let before = server.memory();
        let mut caller = server.connect();
        let other = json!({ "keyName": "another", "roleID": 2 });
        let other = server.send(&mut caller, "POST", "/api/apikeys", Some(&other))["secretKey"].clone();
        let other = other.as_str().expect("a secret");
        let calm = server.calls_until(other, || std::thread::sleep(Duration::from_secs(seconds.unsigned_abs())));
        // one that says nothing for long is closed
        let mut caller = server.connect();
        let began = Instant::now();
        let dry = server.send(&mut caller, "POST", "/api/apikeys/bulk/revoke?dryRun=true", Some(&order));
        let looked = began.elapsed();
        assert_eq!(dry["count"], keys);
        order["confirmation"] = dry["confirmation"].clone();
        let began = Instant::now();
        let busy = server.calls_until(other, || {
            let job = server.send(&mut caller, "POST", "/api/apikeys/bulk/revoke", Some(&order))["jobID"].clone();
            loop {
                let job = server.send(&mut caller, "GET", &format!("/api/jobs/{job}"), None);
                if job.get("ended").is_some() {
                    assert_eq!((&job["state"], &job["done"]), (&json!("done"), &json!(keys)), "{job}");
                    return;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let took = began.elapsed();
        println!("  dry run     {:>8.2} s", looked.as_secs_f64());
        println!(
            "  revoked in  {:>8.2} s  ({:.0} keys a second)",
            took.as_secs_f64(),
            keys as f64 / took.as_secs_f64()
        );
        println!("  memory      {:>8} KiB resident before, {} KiB at most", before.0, server.memory().1);
        println!("  calls with another key   in peace   meanwhile   ratio");
        for (what, a, b) in [
            ("a second", calm.rate, busy.rate),
            ("median, ms", calm.median, busy.median),
            ("of 100 the slowest, ms", calm.slow, busy.slow),
        ] {
            println!("  {what:<22}  {a:>10.2}  {b:>10.2}  {:>6.2}", b / a);
        }
    }
}

/// How calls went.
struct Calls {
    /// A second.
    rate: f64,
    /// In milliseconds.
    median: f64,
    /// 99 of 100 took no longer, in milliseconds.
    slow: f64,
}

/// A server with so many keys.
struct Server(support::Server);

impl Server {
    fn start(database: Option<String>, keys: i64) -> Self {
        let fill = Fill { sqlite: &|db| fill(db, &SQLITE, keys), postgres: &|db| fill(db, &POSTGRES, keys) };
        Self(support::Server::start(&Options { database, fill: Some(fill), ..Options::default() }))
    }

    fn connect(&self) -> Connection {
        self.0.connect()
    }

    fn send(&self, connection: &mut Connection, method: &str, path: &str, body: Option<&Value>) -> Value {
        self.send_with(&self.0.key, connection, method, path, body)
    }

    fn send_with(
        &self,
        key: &str,
        connection: &mut Connection,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Value {
        let mut headers = vec![("api-secret-key".into(), key.to_owned())];
        headers.extend(body.map(|_| ("Content-Type".into(), "application/json".into())));
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let request = Request { method: method.into(), path: path.into(), headers, body };
        connection.send(&request).expect("an answer").expect(200).json()
    }

    /// Calls with a key, one after the other, for as long as `meanwhile` takes.
    fn calls_until(&self, key: &str, meanwhile: impl FnOnce()) -> Calls {
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let caller = scope.spawn(|| {
                let (mut connection, mut took, began) = (self.connect(), Vec::new(), Instant::now());
                while !over.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    self.send_with(key, &mut connection, "GET", "/api/apikeys/current", None);
                    took.push(begun.elapsed().as_secs_f64() * 1_000.0);
                }
                let rate = took.len() as f64 / began.elapsed().as_secs_f64();
                took.sort_by(f64::total_cmp);
                Calls { rate, median: took[took.len() / 2], slow: took[took.len() * 99 / 100] }
            });
            meanwhile();
            over.store(true, Ordering::Relaxed);
            caller.join().expect("it calls")
        })
    }

    /// What is resident now, and the most that ever was, in KiB.
    fn memory(&self) -> (u64, u64) {
        let process = self.0.process();
        (process.memory("VmRSS:"), process.memory("VmHWM:"))
    }
}

/// What differs between the databases where rows are made up.
struct Dialect {
    numbers: &'static str,
    name: &'static str,
    digest: &'static str,
}

const SQLITE: Dialect = Dialect {
    numbers: "with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < {keys})",
    name: "printf('key %07d', n)",
    digest: "randomblob(32)",
};
const POSTGRES: Dialect = Dialect {
    numbers: "with numbers (n) as (select * from generate_series(1, {keys}) as x)",
    name: "'key ' || lpad(n::text, 7, '0')",
    digest: "sha256(n::text::bytea)",
};

/// Makes keys, each with a secret that nobody knows.
fn fill<C>(db: &mut C, dialect: &Dialect, keys: i64)
where
    C: diesel::Connection,
    diesel::query_builder::SqlQuery: diesel::query_dsl::methods::ExecuteDsl<C>,
{
    let numbers = dialect.numbers.replace("{keys}", &keys.to_string());
    let (name, digest) = (dialect.name, dialect.digest);
    for sql in [
        format!(
            "insert into api_keys (tenant_id, profile_id, kind, key_name, name_fold, description, description_fold, \
             locale, role_id, time_zone, active, created, last_sign_in, unsuccessful_sign_in_attempts, service_account, \
             made_with_initial_password) {numbers} select 0, 1, 'standard', {name}, {name}, '', '', 'en-US', 2, 'UTC', \
             true, n, n, 0, false, false from numbers"
        ),
        format!(
            "insert into api_key_secrets (tenant_id, api_key_id, digest, digest_version, created) \
             {numbers} select 0, n + 1, {digest}, 1, n from numbers"
        ),
        "analyze".to_owned(),
    ] {
        diesel::sql_query(sql).execute(db).expect("the statement is right");
    }
}
