//! How many keys are made a second, each on the disk before it is answered, with its event. Beside it, in turn and on
//! the same disk: on SQLite rows that are committed one by one, on PostgreSQL what pgbench does with a transaction of
//! two inserts. Only the ratios mean anything.
//!
//! `cargo bench --bench mint` (`-- --seconds 3 --rounds 3`). Needs wrk, and pgbench where PostgreSQL's server is.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;

use support::{Load, Options, Postgres, SUMMARY, Server, argument, median, wrk};

const MANY: usize = 32;

fn main() {
    let bench = Bench {
        seconds: argument("--seconds", 3),
        rounds: argument("--rounds", 3),
        folder: tempfile::tempdir().expect("a temporary folder"),
    };
    bench.on_sqlite();
    bench.on_postgres();
}

struct Bench {
    seconds: i64,
    rounds: i64,
    folder: tempfile::TempDir,
}

impl Bench {
    fn on_sqlite(&self) {
        let server = Server::start(&Options { plain_http: true, ..Options::default() });
        let script = self.script(&server);
        let rows = SingleRows::open(&self.folder.path().join("rows.db"));
        self.compare(
            "SQLite, synchronous=FULL",
            &[
                ("one row a commit", &|| rows_a_second(rows.fill(Duration::from_secs(self.seconds as u64)))),
                ("32 connections", &|| self.mint(&server, &script, MANY)),
                ("1 connection", &|| self.mint(&server, &script, 1)),
            ],
        );
    }

    fn on_postgres(&self) {
        let postgres = Postgres::durable();
        let options = Options { plain_http: true, database: Some(postgres.database("mint")), ..Options::default() };
        let server = Server::start(&options);
        let script = self.script(&server);
        let pgbench = PgBench::on(postgres.database("yardstick"), self.folder.path());
        self.compare(
            "PostgreSQL, fsync",
            &[
                ("pgbench, two inserts", &|| pgbench.run(MANY, self.seconds)),
                ("32 connections", &|| self.mint(&server, &script, MANY)),
                ("1 connection", &|| self.mint(&server, &script, 1)),
            ],
        );
    }

    /// The targets in turn, and what share of the first one's rate each has.
    fn compare(&self, what: &str, targets: &[(&str, &dyn Fn() -> f64)]) {
        println!("\n{what}: medians of {} rounds of {} s", self.rounds, self.seconds);
        let mut all: Vec<Vec<f64>> = targets.iter().map(|_| Vec::new()).collect();
        for _ in 0..self.rounds {
            for ((_, run), rates) in targets.iter().zip(&mut all) {
                rates.push(run());
            }
        }
        let first = median(all[0].clone());
        println!("  {:<22} {:>9} {:>7}  spread", "", "a second", "share");
        for ((name, _), rates) in targets.iter().zip(all) {
            let (least, most) =
                rates.iter().fold((f64::INFINITY, 0.0_f64), |(a, b), rate| (a.min(*rate), b.max(*rate)));
            let rate = median(rates);
            println!("  {name:<22} {rate:>9.0} {:>7.2}  {:.0}%", rate / first, (most - least) / rate * 100.0);
        }
    }

    fn mint(&self, server: &Server, script: &str, connections: usize) -> f64 {
        let url = format!("http://{}/api/apikeys", server.address);
        let Load { rate, refused, failed, .. } = wrk(connections, self.seconds, script, &url);
        assert_eq!((refused, failed), (0.0, 0.0), "every key is made");
        rate
    }

    /// Makes keys of ever new names.
    fn script(&self, server: &Server) -> String {
        let file = self.folder.path().join(format!("mint-{}.lua", server.process().0));
        let text = format!(
            "local threads, at = 0, 0\n\
             function setup(thread)\n  thread:set(\"number\", threads)\n  threads = threads + 1\nend\n\
             function init(args)\n  at = os.time() * 1000000\nend\n\
             wrk.method = \"POST\"\n\
             wrk.headers[\"api-secret-key\"] = \"{}\"\n\
             wrk.headers[\"api-version\"] = \"v1\"\n\
             wrk.headers[\"Content-Type\"] = \"application/json\"\n\
             function request()\n  at = at + 1\n  return wrk.format(nil, nil, nil, \
             string.format('{{\"keyName\":\"mint %d %d\",\"roleID\":2}}', number, at))\nend\n{SUMMARY}",
            server.key.trim()
        );
        std::fs::write(&file, text).expect("written");
        file.to_str().expect("a path").to_owned()
    }
}

fn rows_a_second((rows, took): (u64, Duration)) -> f64 {
    rows as f64 / took.as_secs_f64()
}

/// A SQLite file into which rows go one by one, as durably as the server's.
struct SingleRows(std::cell::RefCell<SqliteConnection>);

impl SingleRows {
    fn open(file: &Path) -> Self {
        let mut db = SqliteConnection::establish(file.to_str().expect("a path")).expect("a file");
        db.batch_execute(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
             CREATE TABLE rows (id INTEGER PRIMARY KEY, tenant BIGINT NOT NULL, name TEXT NOT NULL, digest BLOB NOT NULL)",
        )
        .expect("a table");
        Self(std::cell::RefCell::new(db))
    }

    fn fill(&self, time: Duration) -> (u64, Duration) {
        diesel::table! {
            rows (id) {
                id -> BigInt,
                tenant -> BigInt,
                name -> Text,
                digest -> Binary,
            }
        }
        let (mut db, began, mut number) = (self.0.borrow_mut(), Instant::now(), 0);
        while began.elapsed() < time {
            number += 1;
            let row = (rows::tenant.eq(0), rows::name.eq(format!("mint {number}")), rows::digest.eq(vec![7; 32]));
            diesel::insert_into(rows::table).values(row).execute(&mut *db).expect("a row");
        }
        (number, began.elapsed())
    }
}

/// PostgreSQL's own load generator.
struct PgBench {
    program: PathBuf,
    url: String,
    script: PathBuf,
}

impl PgBench {
    fn on(url: String, folder: &Path) -> Self {
        PgConnection::establish(&url)
            .expect("a connection")
            .batch_execute(
                "create table keys (id bigserial primary key, tenant bigint not null, name text not null, digest bytea not null); \
                 create table events (id bigserial primary key, tenant bigint not null, details text not null)",
            )
            .expect("two tables");
        let script = folder.join("two-inserts.sql");
        let text = "\\set n random(1, 1000000000)\nbegin;\n\
                    insert into keys (tenant, name, digest) values (0, 'mint ' || :n, sha256('x'));\n\
                    insert into events (tenant, details) values (0, 'made ' || :n);\ncommit;\n";
        std::fs::write(&script, text).expect("written");
        Self { program: pgbench(), url, script }
    }

    fn run(&self, connections: usize, seconds: i64) -> f64 {
        let output = Command::new(&self.program)
            .args(["-n", "-M", "prepared", "-j", "2", "-c", &connections.to_string(), "-T", &seconds.to_string(), "-f"])
            .arg(&self.script)
            .arg(&self.url)
            .output()
            .expect("pgbench runs");
        let text = String::from_utf8_lossy(&output.stdout);
        let rate = text.lines().find_map(|line| line.strip_prefix("tps = ")).and_then(|line| line.split(' ').next());
        let said = || panic!("pgbench said {text} {}", String::from_utf8_lossy(&output.stderr));
        rate.unwrap_or_else(said).parse().expect("a number")
    }
}

/// On the path, or where Debian keeps it.
fn pgbench() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut there: Vec<PathBuf> =
        versions.map(|version| version.path().join("bin/pgbench")).filter(|file| file.exists()).collect();
    there.sort();
    there.pop().unwrap_or_else(|| PathBuf::from("pgbench"))
}
