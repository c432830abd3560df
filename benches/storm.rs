//! What a storm of sign-ins does to those who only use their keys: 8 clients use a key, alone and while
//! 64 clients try wrong passwords without a pause. Rounds alternate; only the ratios mean anything, for
//! the clients share the machine with the server.
//!
//! `cargo bench --bench storm` (`-- --seconds 5 --rounds 3`)

mod support;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use support::http::Request;
use support::{Options, argument, median};

const USERS: usize = 8;
const ATTACKERS: usize = 64;

fn main() {
    let (seconds, rounds) = (argument("--seconds", 5), argument("--rounds", 3));
    let server = Server(support::Server::start(&Options::default()));
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
    println!("median ratio of the key's p99, storm to calm: {:.2}", median(ratios));
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

struct Server(support::Server);

impl Server {
    fn measure(&self, seconds: i64, storm: bool) -> Measured {
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
            std::thread::sleep(Duration::from_secs(seconds.unsigned_abs()));
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
            headers: vec![("api-secret-key".into(), self.0.key.clone())],
            body: Vec::new(),
        };
        let mut connection = self.0.connect();
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
        let mut connection = self.0.connect();
        while !over.load(Ordering::Relaxed) {
            match connection.send(&request).expect("an answer").status {
                503 => turned_away.fetch_add(1, Ordering::Relaxed),
                401 => hashed.fetch_add(1, Ordering::Relaxed),
                other => panic!("a storm was answered {other}"),
            };
        }
    }
}
