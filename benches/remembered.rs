//! What remembered keys weigh, all of them in use and most of it not written down yet, and what it costs to find one and
//! to count its use: in processes of their own, without a server around it.
//!
//! `cargo bench --bench remembered` (`-- --keys 1000000`).

mod support;

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;
use std::time::{Duration, Instant};

use actix_web::rt::System;
use diesel::prelude::*;
use diesel::{QueryableByName, SqliteConnection};
use firstkey::auth::key_usage::KeyUsage;
use firstkey::auth::known_keys::{Found, KnownKeys};
use firstkey::clock::Timestamp;
use firstkey::config::DatabaseUrl;
use firstkey::db::{Connections, Database};
use firstkey::id::ApiKeyID;

use support::keys::fill;
use support::{Fill, Options, Process, Server, argument};

/// From where keys are used.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// As the server does it, and how often.
const WRITTEN: usize = 2_000;
const EVERY: Duration = Duration::from_secs(1);

fn main() {
    let keys = argument("--keys", 1_000_000);
    if let Some(file) = std::env::args().skip_while(|argument| argument != "--database").nth(1) {
        return System::new().block_on(measure(&file, keys, argument("--room", 1)));
    }
    for (name, room) in [("room for all", keys + keys / 10), ("room for a tenth", keys / 10)] {
        let mut server = Server::start(&Options {
            fill: Some(Fill { sqlite: &|db| fill(db, keys), postgres: &|_| unreachable!("SQLite") }),
            ..Options::default()
        });
        // what another process writes makes everything be read anew
        server.kill();
        let data = server.certificate.ancestors().nth(2).expect("a folder");
        println!("\n{keys} keys at random, {name}");
        let mut this = Command::new(std::env::current_exe().expect("this program"));
        this.arg("--database").arg(data.join("firstkey.db"));
        this.args(["--keys", &keys.to_string(), "--room", &room.to_string()]);
        assert!(this.status().expect("it runs").success());
    }
}

#[derive(QueryableByName)]
struct Sum {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    n: i64,
}

struct Bench {
    database: Database,
    known: KnownKeys,
    usage: KeyUsage,
    /// Anonymous memory before anything was remembered, and the most since.
    before: u64,
    most: u64,
    flushed: Instant,
    uses: i64,
    now: i64,
}

async fn measure(file: &str, keys: i64, room: i64) {
    let url = DatabaseUrl::Sqlite(file.into());
    let database = Database::open(&url, &Connections { pool: 2, writers: 1, replica: None }).expect("it opens");
    let usage = KeyUsage::new(usize::try_from(room).expect("few"));
    let known = KnownKeys::new(usage.clone(), database.freshness().clone());
    let before = anonymous();
    let now = 1_795_262_415_000;
    let mut bench = Bench { database, known, usage, before, most: 0, flushed: Instant::now(), uses: 0, now };
    let mut random = Random(1);
    // twice as many as there are, and each at least once where all have room
    let start = Instant::now();
    for number in 0..keys {
        bench.ask(number + 2).await;
        bench.ask(random.below(keys) + 2).await;
    }
    bench.weigh();
    println!("  {:>9.0} ns a key that is looked up or found", start.elapsed().as_nanos() as f64 / (2 * keys) as f64);
    println!("  {:>9} KiB anonymous, {} at most", anonymous(), bench.most);
    println!("  {:>9} KiB of it before", bench.before);
    println!("  {:>9} bytes a key at most", (bench.most - bench.before) * 1024 / u64::try_from(keys).expect("some"));
    if room >= keys {
        let (at, rounds) = (Timestamp::from_millis(bench.now), 10_000_000);
        for (name, among) in [("one key", 1), ("10,000 keys", 10_000), ("all keys", keys)] {
            let start = Instant::now();
            for _ in 0..rounds {
                let id = ApiKeyID::new(random.below(among) + 2);
                let Some(Found::Key(key)) = bench.known.remembered(id, at) else { panic!("forgotten") };
                bench.usage.used(black_box(&key), id.get(), HERE, at);
            }
            bench.uses += rounds;
            println!("  {:>9.1} ns to find and count a use, {name}", start.elapsed().as_nanos() as f64 / rounds as f64);
        }
    }
    let start = Instant::now();
    bench.usage.flush_all(&bench.database).await.expect("written");
    bench.weigh();
    println!("  {:>9.1} s to write all, {} KiB at most", start.elapsed().as_secs_f64(), bench.most);
    let mut db = SqliteConnection::establish(file).expect("a connection");
    let sum = diesel::sql_query("select sum(uses) as n from api_key_secrets").get_result::<Sum>(&mut db);
    assert_eq!(sum.expect("a sum").n, bench.uses, "every use is written, once");
}

impl Bench {
    async fn ask(&mut self, id: i64) {
        self.now += i64::from(self.uses % 50 == 0);
        let (key, at) = (ApiKeyID::new(id), Timestamp::from_millis(self.now));
        let found = match self.known.remembered(key, at) {
            Some(found) => found,
            None => self.known.look_up(&self.database, key, at).await.expect("an answer"),
        };
        let Found::Key(known) = found else { panic!("no key {id}") };
        self.usage.used(&known, id, HERE, at);
        self.uses += 1;
        if self.uses % 10_000 == 0 {
            self.weigh();
        }
        if self.flushed.elapsed() > EVERY {
            self.usage.flush(&self.database, WRITTEN).await.expect("written");
            self.flushed = Instant::now();
            self.weigh();
        }
    }

    fn weigh(&mut self) {
        self.most = self.most.max(anonymous());
    }
}

fn anonymous() -> u64 {
    Process(std::process::id()).memory("RssAnon:")
}

/// A xorshift: the same numbers each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        i64::try_from(self.0 % u64::try_from(limit).expect("some")).expect("small")
    }
}
