//! How fast keys are verified, beside a plain actix-web server that gives the same answer to everybody: requests a
//! second, and what a request costs the server's processors. Both are asked by wrk on the same machine, in turn; only
//! the ratios mean anything.
//!
//! `cargo bench --bench verify` (`-- --seconds 3 --rounds 3 --keys 1000000`). Needs wrk.

mod support;

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{App, HttpResponse, HttpServer, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use diesel::SqliteConnection;

use support::keys::{QUERY, fill, key, warm};
use support::{Fill, Options, Process, SUMMARY, Server, announced, argument, median, wrk};

const CONNECTIONS: usize = 32;

fn main() {
    if std::env::args().any(|argument| argument == "--yardstick") {
        let certificate = std::env::args().skip_while(|argument| argument != "--tls").nth(1);
        return actix_web::rt::System::new().block_on(yardstick(certificate));
    }
    let keys = argument("--keys", 1_000_000);
    let bench = Bench {
        seconds: argument("--seconds", 3),
        rounds: argument("--rounds", 3),
        folder: tempfile::tempdir().expect("a temporary folder"),
    };
    bench.over_http(keys);
    bench.over_tls();
}

struct Bench {
    seconds: i64,
    rounds: i64,
    folder: tempfile::TempDir,
}

/// Whom wrk asks, and with which of the scripts.
struct Target<'a> {
    name: &'a str,
    address: SocketAddr,
    scheme: &'a str,
    process: Process,
    script: Script,
}

/// What wrk sends.
#[derive(Clone)]
struct Script {
    file: String,
    /// Whether all of it is to be refused.
    refused: bool,
}

/// What one round came to.
struct Round {
    /// Requests a second.
    rate: f64,
    /// Microseconds of the server's processors a request.
    cpu: f64,
    /// 99 of 100 took no longer, in milliseconds.
    slow: f64,
}

impl Bench {
    fn over_http(&self, keys: i64) {
        let fill = |db: &mut SqliteConnection| fill(db, keys);
        let many = |settings| {
            Server::start(&Options {
                plain_http: true,
                settings,
                fill: Some(Fill { sqlite: &fill, postgres: &|_| unreachable!("SQLite") }),
                ..Options::default()
            })
        };
        let usual = many(&[]);
        let all = many(&[("FIRSTKEY_VERIFY_KEYS", &(keys + keys / 10).to_string())]);
        let raw = Yardstick::start(&[]);
        let one = self.one(&key(1));
        let wrong = self.one(&format!("2:{}", STANDARD.encode([9; 32])));
        let unknown = self.one(&format!("2147483000:{}", STANDARD.encode([9; 32])));
        let of = |name: &'static str, server: &Server, script: &Script| Target {
            name,
            address: server.address,
            scheme: "http",
            process: server.process(),
            script: script.clone(),
        };
        let raw_with = |name: &'static str, script: &Script| Target {
            name,
            address: raw.address,
            scheme: "http",
            process: raw.process(),
            script: script.clone(),
        };
        self.compare(
            "HTTP, one key",
            &[
                raw_with("plain actix-web", &one),
                of("valid key", &usual, &one),
                of("wrong secret", &usual, &wrong),
                of("unknown ID", &usual, &unknown),
            ],
        );
        println!(
            "memory of that server after it: {} KiB (PSS), {} KiB anonymous",
            usual.process().proportional(),
            usual.process().memory("RssAnon:")
        );
        let (thousand, ten, every) = (self.some(keys, 1_000), self.some(keys, 10_000), self.some(keys, keys));
        self.compare(
            &format!("HTTP, some of {keys} keys"),
            &[
                raw_with("plain actix-web", &thousand),
                of("1,000 in rotation", &usual, &thousand),
                of("10,000 in rotation", &usual, &ten),
            ],
        );
        warm(all.address, keys);
        self.compare(
            &format!("HTTP, {keys} keys at random"),
            &[
                raw_with("plain actix-web", &every),
                of("as many as usual", &usual, &every),
                of("all remembered", &all, &every),
            ],
        );
        println!("memory with all remembered: {} KiB anonymous", all.process().memory("RssAnon:"));
    }

    fn over_tls(&self) {
        let server = Server::start(&Options {
            fill: Some(Fill { sqlite: &|db| fill(db, 1_000), postgres: &|_| unreachable!("SQLite") }),
            ..Options::default()
        });
        let folder = server.certificate.parent().expect("a folder");
        let raw = Yardstick::start(&["--tls", folder.to_str().expect("a path")]);
        let one = self.one(&key(1));
        self.compare(
            "TLS, one key",
            &[
                Target {
                    name: "plain actix-web",
                    address: raw.address,
                    scheme: "https",
                    process: raw.process(),
                    script: one.clone(),
                },
                Target {
                    name: "valid key",
                    address: server.address,
                    scheme: "https",
                    process: server.process(),
                    script: one,
                },
            ],
        );
    }

    /// The targets in turn, and the first one's share of each.
    fn compare(&self, what: &str, targets: &[Target<'_>]) {
        println!("\n{what}: medians of {} rounds of {} s, {CONNECTIONS} connections", self.rounds, self.seconds);
        let mut all: Vec<Vec<Round>> = targets.iter().map(|_| Vec::new()).collect();
        for _ in 0..self.rounds {
            for (target, rounds) in targets.iter().zip(&mut all) {
                rounds.push(self.round(target));
            }
        }
        let of = |rounds: &[Round], value: fn(&Round) -> f64| median(rounds.iter().map(value).collect());
        let first = (of(&all[0], |round| round.rate), of(&all[0], |round| round.cpu));
        println!(
            "  {:<22} {:>9} {:>7} {:>9} {:>7} {:>9}  spread",
            "", "a second", "share", "CPU us", "times", "p99 ms"
        );
        for (target, rounds) in targets.iter().zip(&all) {
            let (rate, cpu) = (of(rounds, |round| round.rate), of(rounds, |round| round.cpu));
            let least = rounds.iter().map(|round| round.rate).fold(f64::INFINITY, f64::min);
            let most = rounds.iter().map(|round| round.rate).fold(0.0, f64::max);
            println!(
                "  {:<22} {rate:>9.0} {:>7.2} {cpu:>9.2} {:>7.2} {:>9.2}  {:.0}%",
                target.name,
                rate / first.0,
                cpu / first.1,
                of(rounds, |round| round.slow),
                (most - least) / rate * 100.0
            );
        }
    }

    fn round(&self, target: &Target<'_>) -> Round {
        let before = target.process.cpu();
        let url = format!("{}://{}{QUERY}", target.scheme, target.address);
        let load = wrk(CONNECTIONS, self.seconds, &target.script.file, &url);
        let cpu = target.process.cpu() - before;
        // what is refused is refused as it should be
        let failed = load.failed + if target.script.refused { 0.0 } else { load.refused };
        assert_eq!(failed, 0.0, "{}: {failed} were answered otherwise", target.name);
        Round { rate: load.rate, cpu: cpu.as_secs_f64() * 1e6 / load.requests, slow: load.slow }
    }

    /// A script that presents one key.
    fn one(&self, key: &str) -> Script {
        let refused = key != support::keys::key(1);
        self.script(&format!("wrk.headers[\"api-secret-key\"] = \"{key}\"\n"), refused)
    }

    /// A script that presents so many of the keys, spread over all of them: in turn, or at random where it is every one.
    fn some(&self, keys: i64, some: i64) -> Script {
        let file = self.folder.path().join(format!("keys-{some}"));
        let mut text = String::new();
        for number in 0..some {
            let _ = writeln!(text, "{}", key(number * (keys / some) + 1));
        }
        std::fs::write(&file, text).expect("written");
        let pick = if some == keys { "math.random(#keys)" } else { "at % #keys + 1" };
        self.script(&format!(
            "local keys, at = {{}}, math.random(1, {some})\n\
             function init(args)\n  math.randomseed(os.time())\n  for line in io.lines(\"{}\") do keys[#keys + 1] = line end\nend\n\
             function request()\n  at = at + 1\n  wrk.headers[\"api-secret-key\"] = keys[{pick}]\n  return wrk.format()\nend\n",
            file.display()
        ), false)
    }

    fn script(&self, head: &str, refused: bool) -> Script {
        static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let file = self.folder.path().join(format!("script-{number}.lua"));
        std::fs::write(&file, format!("{head}{SUMMARY}")).expect("written");
        Script { file: file.to_str().expect("a path").to_owned(), refused }
    }
}

/// A plain actix-web server, in a process of its own.
struct Yardstick {
    child: Child,
    address: SocketAddr,
}

impl Yardstick {
    fn start(arguments: &[&str]) -> Self {
        let this = std::env::current_exe().expect("this program");
        let mut child =
            Command::new(this).arg("--yardstick").args(arguments).stdout(Stdio::piped()).spawn().expect("it runs");
        let address = announced(&mut child);
        Self { child, address }
    }

    fn process(&self) -> Process {
        Process(self.child.id())
    }
}

impl Drop for Yardstick {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a verification answers, to everybody.
const ANSWER: &[(&str, &str)] = &[
    ("cache-control", "no-store"),
    ("x-firstkey-key-id", "2"),
    ("x-firstkey-key-name", "key 0000001"),
    ("x-firstkey-role", "Auditor"),
    ("x-firstkey-tenant", "Primary"),
    ("x-firstkey-tenant-id", "0f8fad5b-d9cb-469f-a165-70867728950e"),
    ("pragma", "no-cache"),
    ("x-frame-options", "DENY"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("cross-origin-resource-policy", "same-origin"),
    ("x-request-id", "0123456789abcdef"),
];

async fn yardstick(tls: Option<String>) {
    let server = HttpServer::new(|| {
        App::new().route(
            "/auth/verify",
            web::to(|| async {
                let mut answer = HttpResponse::Ok().finish();
                for (name, value) in ANSWER {
                    answer.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
                }
                answer
            }),
        )
    })
    .workers(std::thread::available_parallelism().map_or(1, |processors| processors.get()));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let server = match tls {
        Some(folder) => server.listen_rustls_0_23(listener, certificate(Path::new(&folder))),
        None => server.listen(listener),
    };
    println!("ready http://{address}");
    server.expect("it listens").run().await.expect("it serves");
}

/// The program's own, spoken in the same way.
fn certificate(folder: &Path) -> rustls::ServerConfig {
    let store = firstkey::tls::CertificateStore::load(&folder.join("certificate.pem"), &folder.join("key.pem"));
    firstkey::tls::server_config(store.expect("a certificate"))
}
