//! How long it takes until what one node changes is so on another, both on one PostgreSQL: a key is locked on the first,
//! and the second is asked until it refuses it. Also while the connections are cut by which nodes hear of one another.
//!
//! `cargo bench --bench nodes` (`-- --times 200`)

mod support;

use std::time::{Duration, Instant};

use diesel::Connection as _;
use diesel::prelude::*;
use serde_json::{Value, json};

use support::http::{Connection, Request};
use support::{Options, Postgres, Server, argument};

fn main() {
    let times = argument("--times", 200);
    let postgres = Postgres::start();
    let options = Options { database: Some(postgres.database("nodes")), ..Options::default() };
    let first = Server::start(&options);
    let second = first.beside(&options);
    let url = options.database.as_deref().expect("PostgreSQL");
    let mut trial = Trial { here: first.connect(), there: second.connect(), maker: first.key.trim().to_owned() };
    let mut db = PgConnection::establish(url).expect("a connection");
    let listening = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
                     AND pid <> pg_backend_pid() AND query IN ('LISTEN firstkey', 'SELECT pg_notify($1, $2)')";
    show("listening", (0..times).map(|_| trial.run(|| ())).collect());
    let mut cut = 0;
    let delays =
        (0..times / 10).map(|_| trial.run(|| cut += diesel::sql_query(listening).execute(&mut db).expect("cut")));
    let delays = delays.collect();
    show(&format!("cut off just before ({cut} connections)"), delays);
}

fn show(what: &str, mut delays: Vec<Duration>) {
    delays.sort();
    let at = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    println!(
        "{what}: {} changes, half of them within {:.1} ms, 99 of 100 within {:.1} ms, all within {:.1} ms",
        delays.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

struct Trial {
    here: Connection,
    there: Connection,
    maker: String,
}

impl Trial {
    /// From the answer to whoever locks a key, to the first refusal elsewhere.
    fn run(&mut self, before: impl FnOnce()) -> Duration {
        let body = json!({ "keyName": format!("watched {:?}", Instant::now()), "roleID": 2 });
        let key = self.change("/api/apikeys", &body);
        let text = key["secretKey"].as_str().expect("a secret").to_owned();
        while self.verified(&text) != 200 {}
        before();
        self.change(&format!("/api/apikeys/{}", key["ID"]), &json!({ "active": false }));
        let begun = Instant::now();
        while self.verified(&text) == 200 {}
        begun.elapsed()
    }

    fn change(&mut self, path: &str, body: &Value) -> Value {
        let request = request("POST", path, &self.maker, body.to_string().into_bytes());
        self.here.send(&request).expect("an answer").expect(200).json()
    }

    fn verified(&mut self, key: &str) -> u16 {
        self.there.send(&request("GET", "/auth/verify", key, Vec::new())).expect("an answer").status
    }
}

fn request(method: &str, path: &str, key: &str, body: Vec<u8>) -> Request {
    let headers = [("api-secret-key", key), ("Content-Type", "application/json")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    Request { method: method.to_owned(), path: path.to_owned(), headers, body }
}
