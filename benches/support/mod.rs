//! What the benches share: the program under a load, a PostgreSQL of its own, and what the kernel says of a process.
#![allow(dead_code, reason = "no bench uses all of it")]

#[path = "../../tests/it/http.rs"]
pub mod http;
pub mod keys;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use diesel::prelude::*;
use diesel::{Connection as _, PgConnection, SqliteConnection};

use http::Connection;

/// The value behind a name on the command line.
pub fn argument(name: &str, default: i64) -> i64 {
    let arguments: Vec<String> = std::env::args().collect();
    let value = arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1));
    value.map_or(default, |value| value.parse().expect("a number"))
}

/// The one in the middle.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// How a server is started.
#[derive(Default)]
pub struct Options<'a> {
    /// PostgreSQL's URL; without one it is SQLite.
    pub database: Option<String>,
    /// HTTP without TLS.
    pub plain_http: bool,
    /// Settings besides, as the environment has them.
    pub settings: &'a [(&'a str, &'a str)],
    /// What is put into the database before the server starts: of SQLite, and of PostgreSQL.
    pub fill: Option<Fill<'a>>,
}

/// Puts rows into a database of either kind.
pub struct Fill<'a> {
    pub sqlite: &'a dyn Fn(&mut SqliteConnection),
    pub postgres: &'a dyn Fn(&mut PgConnection),
}

/// The program, serving.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// None where it speaks plain HTTP.
    tls: Option<Arc<rustls::ClientConfig>>,
    /// Its first key, which may do everything.
    pub key: String,
    pub certificate: PathBuf,
    folder: Arc<tempfile::TempDir>,
}

impl Server {
    pub fn start(options: &Options<'_>) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (data, key) = (folder.path().join("data"), folder.path().join("key"));
        let mut init = program(&data, options);
        init.args(["init", "--password-stdin", "--first-key-name", "bench", "--first-key-role", "1"]);
        init.arg("--first-key-file").arg(&key).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut init = init.spawn().expect("the program runs");
        init.stdin.take().expect("piped").write_all(b"correct horse battery staple").expect("written");
        assert!(init.wait().expect("it ends").success());
        if let Some(fill) = &options.fill {
            match &options.database {
                Some(url) => (fill.postgres)(&mut PgConnection::establish(url).expect("a connection")),
                None => {
                    let file = data.join("firstkey.db");
                    let file = file.to_str().expect("a path");
                    (fill.sqlite)(&mut SqliteConnection::establish(file).expect("a connection"));
                }
            }
        }
        Self::serve(Arc::new(folder), options)
    }

    /// Another node, with the same master key; on the same database, if the options say so.
    pub fn beside(&self, options: &Options<'_>) -> Self {
        Self::serve(self.folder.clone(), options)
    }

    fn serve(folder: Arc<tempfile::TempDir>, options: &Options<'_>) -> Self {
        let (data, key) = (folder.path().join("data"), folder.path().join("key"));
        let mut serve = program(&data, options);
        // a log that nobody reads would hold the server up
        serve.args(["--listen", "127.0.0.1:0"]).stdout(Stdio::piped()).stderr(Stdio::null());
        if options.plain_http {
            serve.arg("--plain-http");
        }
        let mut child = serve.spawn().expect("the program runs");
        let address = announced(&mut child);
        let certificate = data.join("tls/certificate.pem");
        Self {
            child,
            address,
            tls: (!options.plain_http).then(|| http::trusting(&certificate)),
            key: std::fs::read_to_string(&key).expect("the first key"),
            certificate,
            folder,
        }
    }

    pub fn connect(&self) -> Connection {
        let tls = self.tls.as_ref().expect("it speaks TLS");
        Connection::open(self.address, tls).expect("the server is there")
    }

    pub fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// Ends it; what it stored stays.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program(data: &Path, options: &Options<'_>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firstkey"));
    command.env_clear().env("FIRSTKEY_DATA", data).env("FIRSTKEY_SIGN_IN_THROTTLE", "false");
    for whose in ["USER", "TENANT", "NODE"] {
        command.env(format!("FIRSTKEY_RATE_LIMIT_{whose}"), "0");
    }
    if let Some(url) = &options.database {
        command.env("FIRSTKEY_DATABASE_URL", url);
    }
    command.envs(options.settings.iter().copied());
    command
}

/// The address in the line `ready http(s)://…`.
pub fn announced(child: &mut Child) -> SocketAddr {
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    let (_, address) = line.trim().rsplit_once("://").expect("it is ready");
    address.parse().expect("an address")
}

/// What wrk measured.
pub struct Load {
    pub requests: f64,
    /// Requests a second.
    pub rate: f64,
    /// 99 of 100 took no longer, in milliseconds.
    pub slow: f64,
    /// Answers that were no 2xx.
    pub refused: f64,
    /// Requests without an answer.
    pub failed: f64,
}

/// Lua for wrk that has it say what [`Load`] holds; behind whatever else the script does.
pub const SUMMARY: &str = "function done(summary, latency, requests)\n  io.write(string.format(\"measured %d %d %d %d %d\\n\", \
     summary.requests, summary.duration, latency:percentile(99), summary.errors.status, \
     summary.errors.read + summary.errors.timeout + summary.errors.connect + summary.errors.write))\nend\n";

/// Asks for `url` over so many connections, for so long, as the script says, which ends in [`SUMMARY`].
pub fn wrk(connections: usize, seconds: i64, script: &str, url: &str) -> Load {
    let [requests, micros, slow, refused, failed] = measured(connections, seconds, script, url);
    Load { requests, rate: requests / micros * 1e6, slow: slow / 1e3, refused, failed }
}

/// The numbers behind the word `measured` that a script for wrk ends with.
pub fn measured<const N: usize>(connections: usize, seconds: i64, script: &str, url: &str) -> [f64; N] {
    let threads = connections.min(2).to_string();
    let output = Command::new("wrk")
        .args(["-t", &threads, "-c", &connections.to_string(), "-d", &format!("{seconds}s"), "-s", script, url])
        .output()
        .expect("wrk is installed");
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("measured "))
        .unwrap_or_else(|| panic!("wrk said {text} {}", String::from_utf8_lossy(&output.stderr)));
    let numbers: Vec<f64> = line.split(' ').map(|number| number.parse().expect("a number")).collect();
    numbers.try_into().unwrap_or_else(|_| panic!("{line}"))
}

/// What the kernel says of a process.
#[derive(Clone, Copy)]
pub struct Process(pub u32);

impl Process {
    /// The time that processors have spent on it.
    pub fn cpu(self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0)).expect("it runs");
        let (_, rest) = stat.rsplit_once(')').expect("its name in brackets");
        let ticks = rest.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number"));
        // a tick is a hundredth of a second wherever Linux runs today
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }

    /// A line of its status, in KiB: `VmRSS:`, `VmHWM:`, `RssAnon:`.
    pub fn memory(self, name: &str) -> u64 {
        in_kib(&format!("/proc/{}/status", self.0), name)
    }

    /// What it uses, shared pages shared out (PSS), in KiB.
    pub fn proportional(self) -> u64 {
        in_kib(&format!("/proc/{}/smaps_rollup", self.0), "Pss:")
    }
}

fn in_kib(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or_default()
}

/// A PostgreSQL of the bench's own, gone with it.
pub struct Postgres {
    url: String,
}

impl Postgres {
    /// The one of FIRSTKEY_TEST_POSTGRES, or one that `tests/postgres` starts.
    pub fn start() -> Self {
        match std::env::var("FIRSTKEY_TEST_POSTGRES") {
            Ok(url) => Self { url },
            Err(_) => Self::started(&[]),
        }
    }

    /// One that writes to the disk before it answers, as real ones do.
    pub fn durable() -> Self {
        Self::started(&["--durable"])
    }

    fn started(arguments: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("fk.").tempdir_in("/tmp").expect("a short path").keep();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/postgres");
        let watch = std::process::id().to_string();
        let started = Command::new(script)
            .arg("start")
            .arg(&folder)
            .args(["--watch", &watch])
            .args(arguments)
            .output()
            .expect("it runs");
        assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
        Self { url: String::from_utf8(started.stdout).expect("a URL").trim().to_owned() }
    }

    /// An empty database; its URL.
    pub fn database(&self, name: &str) -> String {
        let mut db = PgConnection::establish(&self.url).expect("a connection");
        let name = format!("bench_{name}_{}", std::process::id());
        diesel::sql_query(format!("create database {name}")).execute(&mut db).expect("a database");
        let (server, _) = self.url.rsplit_once('/').expect("a URL with a database");
        format!("{server}/{name}")
    }
}
