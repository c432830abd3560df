//! D1: the program, or PostgreSQL, is killed while keys are minted. What was acknowledged is there
//! afterwards, and no key is without its audit event, nor an event without its key.

use std::collections::HashSet;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::binary::{Dial, Home, Ran, Server, numbers, request, texts};
use crate::app::{Backend, secret};
use crate::http::{Answer, Connection, Request};

const CLIENTS: usize = 8;
/// Keys that are acknowledged in a round before anything is killed.
const ENOUGH: usize = 10;
/// Rounds on one database; a longer run begins afresh after so many.
const ROUNDS_EACH: usize = 100;

/// How often to kill: in the long form as often as the plan asks.
fn rounds(short: usize, long: usize) -> usize {
    if std::env::var("FIRSTKEY_TEST_LONG").is_ok_and(|value| value == "1") { long } else { short }
}

/// A key that its client holds: the answer had arrived.
struct Acknowledged {
    id: i64,
    secret: String,
}

/// 0 to 250 ms, another time each time.
fn a_moment() -> Duration {
    let random = u16::from_le_bytes(*firstkey::secret::random_bytes::<2>().expect("random"));
    Duration::from_millis(u64::from(random) % 251)
}

/// Clients that mint until they are told to stop, or cut off.
struct Minting {
    stop: Arc<AtomicBool>,
    minted: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<(Vec<Acknowledged>, Option<Answer>)>>,
}

impl Minting {
    fn start(server: &Server, maker: &str, round: usize) -> Self {
        let (stop, minted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let client = |number: usize| {
            let (client, maker, stop, minted) = (Client::of(server), maker.to_owned(), stop.clone(), minted.clone());
            std::thread::spawn(move || mint(client, &maker, &format!("{round}-{number}"), &stop, &minted))
        };
        Self { clients: (0..CLIENTS).map(client).collect(), stop, minted }
    }

    /// Waits until there is something to lose, however slow the disk is today, and then for a random moment.
    fn go_on_for_a_moment(&self) {
        let patience = Instant::now() + Duration::from_secs(30);
        while self.minted.load(Ordering::Relaxed) < ENOUGH && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(a_moment());
    }

    /// What was acknowledged. `log` is for the case that an answer came which none may get.
    #[track_caller]
    fn end(self, log: &str) -> Vec<Acknowledged> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for client in self.clients {
            let (keys, odd) = client.join().expect("a client does not panic");
            let errors = || log.lines().filter(|line| line.contains("\"ERROR\"")).collect::<Vec<_>>().join("\n");
            assert!(odd.is_none(), "{odd:?}\n{}", errors());
            all.extend(keys);
        }
        all
    }
}

/// A connection that is opened anew where the server closes it with an answer.
struct Client {
    dial: Dial,
    open: Option<Connection>,
}

impl Client {
    fn of(server: &Server) -> Self {
        let dial = server.dial();
        Self { open: dial.open().ok(), dial }
    }

    fn send(&mut self, request: &Request) -> std::io::Result<Answer> {
        let mut connection = match self.open.take() {
            Some(connection) => connection,
            None => self.dial.open()?,
        };
        let answer = connection.send(request)?;
        if !answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close")) {
            self.open = Some(connection);
        }
        Ok(answer)
    }
}

/// The keys that were acknowledged, and the answer that neither minted nor said that the database is away.
fn mint(
    mut client: Client,
    maker: &str,
    prefix: &str,
    stop: &AtomicBool,
    minted: &AtomicUsize,
) -> (Vec<Acknowledged>, Option<Answer>) {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let body = json!({ "keyName": format!("{prefix}-{number}"), "roleID": 2 });
        let request = request("POST", "/api/apikeys", &[("api-secret-key", maker)], Some(&body));
        let Ok(answer) = client.send(&request) else { break };
        match answer.status {
            200 => {
                let key = answer.json();
                minted.fetch_add(1, Ordering::Relaxed);
                acknowledged.push(Acknowledged { id: key["ID"].as_i64().expect("an ID"), secret: secret(&key) });
            }
            // the database is away: nothing was promised
            503 if answer.header("retry-after").is_some() => {}
            _ => return (acknowledged, Some(answer)),
        }
    }
    (acknowledged, None)
}

/// Looks at the database alone, as it was left.
fn examine(home: &Home, all: &HashSet<i64>) {
    let db = &mut home.database();
    if home.backend == Backend::Sqlite {
        assert_eq!(texts(db, "SELECT integrity_check AS t FROM pragma_integrity_check"), ["ok"]);
        assert_eq!(numbers(db, "SELECT count(*) AS n FROM pragma_foreign_key_check"), [0]);
    }
    let created = "number = 5010 AND target_type = 'apiKey'";
    let mut odd = |what: &str, sql: &str| assert_eq!(numbers(db, sql), Vec::<i64>::new(), "{what}");
    odd(
        "keys without exactly one event",
        &format!(
            "SELECT k.id AS n FROM api_keys k LEFT JOIN audit_events e ON e.target_id = k.id AND {created} \
             GROUP BY k.id HAVING count(e.id) <> 1"
        ),
    );
    odd(
        "events without a key",
        &format!(
            "SELECT target_id AS n FROM audit_events WHERE {created} AND target_id NOT IN (SELECT id FROM api_keys)"
        ),
    );
    odd(
        "keys without exactly one secret",
        "SELECT k.id AS n FROM api_keys k LEFT JOIN api_key_secrets s ON s.api_key_id = k.id AND s.ends IS NULL GROUP BY k.id HAVING count(s.id) <> 1",
    );
    let stored: HashSet<i64> = numbers(db, "SELECT id AS n FROM api_keys").into_iter().collect();
    let lost: Vec<&i64> = all.difference(&stored).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}

/// Every acknowledged key opens the door.
fn present(server: &Server, keys: &[Acknowledged]) {
    let mut connection = server.connect();
    for key in keys {
        let headers = [("api-secret-key", key.secret.as_str())];
        let answer = connection.send(&request("GET", "/api/apikeys/current", &headers, None)).expect("an answer");
        assert_eq!(answer.expect(200).json()["ID"], key.id);
    }
}

/// What one run of rounds came to.
#[derive(Default)]
struct Tally {
    kills: usize,
    acknowledged: usize,
    slowest_start: Duration,
}

impl Tally {
    fn note(&mut self, all: &mut HashSet<i64>, keys: &[Acknowledged]) {
        self.kills += 1;
        self.acknowledged += keys.len();
        for key in keys {
            assert!(all.insert(key.id), "the ID {} was given twice", key.id);
        }
    }

    fn report(&self, backend: Backend) {
        eprintln!(
            "{backend:?}: {} kills, {} acknowledged keys, none lost; slowest start {:?}",
            self.kills, self.acknowledged, self.slowest_start
        );
        assert!(self.acknowledged >= ENOUGH * self.kills, "too little was minted to show anything");
    }

    fn start(&mut self, home: &Home) -> Server {
        let begun = Instant::now();
        let server = home.start();
        self.slowest_start = self.slowest_start.max(begun.elapsed());
        server
    }
}

/// D1, SQLite: 20 kills, 500 in the long form.
#[test]
fn no_acknowledged_key_is_lost_when_the_program_is_killed() {
    let (mut tally, mut left) = (Tally::default(), rounds(20, 500));
    while left > 0 {
        let (home, mut all) = (Home::new(Backend::Sqlite), HashSet::new());
        let maker = home.init();
        let mut server = tally.start(&home);
        for round in 0..left.min(ROUNDS_EACH) {
            let minting = Minting::start(&server, &maker, round);
            minting.go_on_for_a_moment();
            let keys = minting.end(&server.kill());
            tally.note(&mut all, &keys);
            examine(&home, &all);
            server = tally.start(&home);
            present(&server, &keys);
        }
        left = left.saturating_sub(ROUNDS_EACH);
        server.stop();
    }
    tally.report(Backend::Sqlite);
}

/// A PostgreSQL that writes to the disk, to be killed.
struct Cluster {
    folder: tempfile::TempDir,
    url: String,
}

impl Cluster {
    fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("fk.").tempdir_in("/tmp").expect("a temporary folder");
        let path = folder.path().display().to_string();
        let own = std::process::id().to_string();
        let said = Self::script(&["start", &path, "--durable", "--watch", &own]);
        Self { folder, url: said.stdout.trim().to_owned() }
    }

    fn script(arguments: &[&str]) -> Ran {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/postgres");
        Ran::of(Command::new(script).args(arguments), "").expect(0)
    }

    /// Ends the server's first process as an outage would.
    fn kill(&self, signal: Signal) {
        let file = self.folder.path().join("data/postmaster.pid");
        let text = std::fs::read_to_string(file).expect("it runs");
        let id = text.lines().next().and_then(|line| line.parse().ok()).and_then(Pid::from_raw).expect("a process");
        kill_process(id, signal).expect("it is ours");
    }

    fn restart(&self) {
        Self::script(&["restart", &self.folder.path().display().to_string()]);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        Self::script(&["stop", &self.folder.path().display().to_string()]);
    }
}

/// What is killed in a round.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Program,
    Postgres(Signal),
    Both,
}

/// In turn; PostgreSQL takes seconds to come back, so most rounds leave it alone.
const VICTIMS: [Victim; 10] = [
    Victim::Program,
    Victim::Program,
    Victim::Postgres(Signal::QUIT),
    Victim::Program,
    Victim::Program,
    Victim::Postgres(Signal::KILL),
    Victim::Program,
    Victim::Program,
    Victim::Both,
    Victim::Program,
];

/// D1, PostgreSQL: 20 kills, 200 in the long form; of the program, of PostgreSQL, of both at once. A
/// server whose database was away goes on by itself when it is back.
#[test]
fn no_acknowledged_key_is_lost_when_the_program_or_postgresql_is_killed() {
    let cluster = Cluster::start();
    let (home, mut all, mut tally) = (Home::at(&cluster.url), HashSet::new(), Tally::default());
    let maker = home.init();
    let mut server = tally.start(&home);
    for round in 0..rounds(20, 200) {
        let minting = Minting::start(&server, &maker, round);
        minting.go_on_for_a_moment();
        let victim = VICTIMS[round % VICTIMS.len()];
        let keys = match victim {
            Victim::Program => {
                let keys = minting.end(&server.kill());
                server = tally.start(&home);
                keys
            }
            Victim::Postgres(signal) => {
                cluster.kill(signal);
                cluster.restart();
                let keys = minting.end(&server.log());
                heal(&server, &maker, round);
                keys
            }
            Victim::Both => {
                cluster.kill(Signal::KILL);
                let keys = minting.end(&server.kill());
                cluster.restart();
                server = tally.start(&home);
                keys
            }
        };
        tally.note(&mut all, &keys);
        examine(&home, &all);
        present(&server, &keys);
    }
    server.stop();
    tally.report(Backend::Postgres);
}

/// Within five seconds of its database's return the server works again: not once, but every time.
fn heal(server: &Server, maker: &str, round: usize) {
    let until = Instant::now() + Duration::from_secs(5);
    let mut client = Client::of(server);
    let mut in_a_row = 0;
    for number in 0.. {
        let body = json!({ "keyName": format!("{round}-healed-{number}"), "roleID": 2 });
        let request = request("POST", "/api/apikeys", &[("api-secret-key", maker)], Some(&body));
        match client.send(&request).expect("the server is there").status {
            200 => in_a_row += 1,
            503 => in_a_row = 0,
            status => panic!("{status}"),
        }
        if in_a_row == 40 {
            return;
        }
        assert!(Instant::now() < until, "the server has not recovered: {}", server.log());
    }
}
