//! What a storm of sign-ins does to those who only use their keys: 8 clients use a key, alone and while
//! 64 clients try wrong passwords without a pause. Rounds alternate; only the ratios mean anything, for
//! the clients share the machine with the server.
//!
//! `cargo bench --bench storm` (`-- --seconds 5 --rounds 3`)

#[allow(dead_code, reason = "shared with the tests, which use all of it")]
#[path = "../tests/it/http.rs"]
mod http;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::{Connection, Request};
use rustls::ClientConfig;

const USERS: usize = 8;
const ATTACKERS: usize = 64;

fn main() {
    let (seconds, rounds) = (argument("--seconds", 5), argument("--rounds", 3));
    let server = Server::start();
    println!(
        "round  calm p50   calm p99   calm/s   storm p50  storm p99  storm/s  p99 ratio  refused 503/s  sign-ins tried/s"
    );
    let mut ratios = Vec::new();
    for round in 1..=rounds {
        let calm = server.measure(seconds, false);
        let storm = server.measure(seconds, true);
        let ratio = storm.percentile(0.99) / calm.percentile(0.99);
        ratios.push(ratio);
        println!(
            "{round:>5}  {:>7.2} ms {:>7.2} ms {:>7.0}  {:>7.2} ms {:>7.2} ms {:>7.0}  {ratio:>9.2}  {:>13.0}  {:>16.1}",
            calm.percentile(0.5),
            calm.percentile(0.99),
            calm.rate(),
            storm.percentile(0.5),
            storm.percentile(0.99),
            storm.rate(),
            storm.turned_away as f64 / storm.took.as_secs_f64(),
            storm.hashed as f64 / storm.took.as_secs_f64(),
        );
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio of the key's p99, storm to calm: {:.2}", ratios[ratios.len() / 2]);
}

fn argument(name: &str, default: u64) -> u64 {
    let arguments: Vec<String> = std::env::args().collect();
    let value = arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1));
    value.map_or(default, |value| value.parse().expect("a number"))
}

/// What one round came to; latencies in milliseconds, sorted.
struct Measured {
    latencies: Vec<f64>,
    took: Duration,
    turned_away: u64,
    hashed: u64,
}

impl Measured {
    fn percentile(&self, share: f64) -> f64 {
        let at = ((self.latencies.len() - 1) as f64 * share) as usize;
        self.latencies[at]
    }

    fn rate(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }
}

struct Server {
    child: Child,
    address: SocketAddr,
    tls: Arc<ClientConfig>,
    key: String,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (data, key) = (folder.path().join("data"), folder.path().join("key"));
        let program = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_firstkey"));
            command.env_clear().env("FIRSTKEY_DATA", &data);
            command
        };
        let mut init = program()
            .args([
                "init",
                "--password-stdin",
                "--first-key-name",
                "bench",
                "--first-key-role",
                "1",
                "--first-key-file",
            ])
            .arg(&key)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("the program runs");
        init.stdin.take().expect("piped").write_all(b"correct horse battery staple").expect("written");
        assert!(init.wait().expect("it ends").success());
        let mut child = program()
            .env("FIRSTKEY_SIGN_IN_THROTTLE", "false")
            .env("FIRSTKEY_RATE_LIMIT_USER", "0")
            .env("FIRSTKEY_RATE_LIMIT_TENANT", "0")
            .env("FIRSTKEY_RATE_LIMIT_NODE", "0")
            .args(["--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            // a log that nobody reads would hold the server up
            .stderr(Stdio::null())
            .spawn()
            .expect("the program runs");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("ready https://").expect("it is ready").parse().expect("an address");
        Self {
            child,
            address,
            tls: http::trusting(&data.join("tls/certificate.pem")),
            key: std::fs::read_to_string(&key).expect("the first key"),
            _folder: folder,
        }
    }

    fn measure(&self, seconds: u64, storm: bool) -> Measured {
        let over = AtomicBool::new(false);
        let (turned_away, hashed) = (AtomicU64::new(0), AtomicU64::new(0));
        let began = Instant::now();
        let mut latencies: Vec<f64> = std::thread::scope(|scope| {
            let users: Vec<_> = (0..USERS).map(|_| scope.spawn(|| self.use_the_key(&over))).collect();
            if storm {
                for number in 0..ATTACKERS {
                    let (over, turned_away, hashed) = (&over, &turned_away, &hashed);
                    scope.spawn(move || self.attack(number, over, turned_away, hashed));
                }
            }
            std::thread::sleep(Duration::from_secs(seconds));
            over.store(true, Ordering::Relaxed);
            users.into_iter().flat_map(|user| user.join().expect("no panic")).collect()
        });
        latencies.sort_by(f64::total_cmp);
        Measured {
            latencies,
            took: began.elapsed(),
            turned_away: turned_away.into_inner(),
            hashed: hashed.into_inner(),
        }
    }

    fn use_the_key(&self, over: &AtomicBool) -> Vec<f64> {
        let request = Request {
            method: "GET".into(),
            path: "/api/apikeys/current".into(),
            headers: vec![("api-secret-key".into(), self.key.clone())],
            body: Vec::new(),
        };
        let mut connection = Connection::open(self.address, &self.tls).expect("the server is there");
        let mut latencies = Vec::new();
        while !over.load(Ordering::Relaxed) {
            let began = Instant::now();
            let answer = connection.send(&request).expect("an answer");
            assert_eq!(answer.status, 200, "{}", answer.text());
            latencies.push(began.elapsed().as_secs_f64() * 1_000.0);
        }
        latencies
    }

    fn attack(&self, number: usize, over: &AtomicBool, turned_away: &AtomicU64, hashed: &AtomicU64) {
        let request = Request {
            method: "POST".into(),
            path: "/api/sessions".into(),
            headers: vec![("Content-Type".into(), "application/json".into())],
            body: format!(r#"{{"userName":"victim{number}","password":"wrong"}}"#).into_bytes(),
        };
        let mut connection = Connection::open(self.address, &self.tls).expect("the server is there");
        while !over.load(Ordering::Relaxed) {
            match connection.send(&request).expect("an answer").status {
                503 => turned_away.fetch_add(1, Ordering::Relaxed),
                401 => hashed.fetch_add(1, Ordering::Relaxed),
                other => panic!("a storm was answered {other}"),
            };
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
