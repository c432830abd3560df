//! Clients that mint without a pause, and a PostgreSQL that may be killed: what the trials of endurance share.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use diesel::PgConnection;
use diesel::connection::{Connection as _, SimpleConnection as _};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::binary::{Dial, Ran, Server, request};
use crate::app::secret;
use crate::http::{Answer, Connection, Request};

const CLIENTS: usize = 8;
/// Keys that are acknowledged in a round before anything is killed.
pub const ENOUGH: usize = 10;
/// How often to kill: in the long form as often as the plan asks.
pub fn rounds(short: usize, long: usize) -> usize {
    if std::env::var("FIRSTKEY_TEST_LONG").is_ok_and(|value| value == "1") { long } else { short }
}

/// A key that its client holds: the answer had arrived.
pub struct Acknowledged {
    pub id: i64,
    pub secret: String,
}

/// 0 to 250 ms, another time each time.
fn a_moment() -> Duration {
    let random = u16::from_le_bytes(*firstkey::secret::random_bytes::<2>().expect("random"));
    Duration::from_millis(u64::from(random) % 251)
}

/// Clients that mint until they are told to stop, or cut off.
pub struct Minting {
    stop: Arc<AtomicBool>,
    minted: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<(Vec<Acknowledged>, Option<Answer>)>>,
}

impl Minting {
    pub fn start(server: &Server, maker: &str, round: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (minted, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let client = |number: usize| {
            let (client, maker, stop) = (Client::of(server), maker.to_owned(), stop.clone());
            let (minted, refused) = (minted.clone(), refused.clone());
            std::thread::spawn(move || mint(client, &maker, &format!("{round}-{number}"), &stop, (&minted, &refused)))
        };
        Self { clients: (0..CLIENTS).map(client).collect(), stop, minted, refused }
    }

    /// Waits until there is something to lose, however slow the disk is today, and then for a random moment.
    pub fn go_on_for_a_moment(&self) {
        let patience = Instant::now() + Duration::from_secs(30);
        while self.minted.load(Ordering::Relaxed) < ENOUGH && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(a_moment());
    }

    /// What was acknowledged, and how many calls were answered 503.
    pub fn ended(self) -> (Vec<Acknowledged>, usize) {
        let refused = self.refused.clone();
        let keys = self.end("");
        (keys, refused.load(Ordering::Relaxed))
    }

    /// What was acknowledged. `log` is for the case that an answer came which none may get.
    #[track_caller]
    pub fn end(self, log: &str) -> Vec<Acknowledged> {
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
pub struct Client {
    dial: Dial,
    open: Option<Connection>,
}

impl Client {
    pub fn of(server: &Server) -> Self {
        let dial = server.dial();
        Self { open: dial.open().ok(), dial }
    }

    pub fn send(&mut self, request: &Request) -> std::io::Result<Answer> {
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
    (minted, refused): (&AtomicUsize, &AtomicUsize),
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
            503 if answer.header("retry-after").is_some() => drop(refused.fetch_add(1, Ordering::Relaxed)),
            _ => return (acknowledged, Some(answer)),
        }
    }
    (acknowledged, None)
}

/// A PostgreSQL that writes to the disk, to be killed.
pub struct Cluster {
    folder: tempfile::TempDir,
    pub url: String,
}

impl Cluster {
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("fk.").tempdir_in("/tmp").expect("a temporary folder");
        let path = folder.path().display().to_string();
        let own = std::process::id().to_string();
        let said = Self::script(&["start", &path, "--durable", "--watch", &own]);
        Self { folder, url: said.stdout.trim().to_owned() }
    }

    /// A replica that follows this one; from here on a commit is one when both have it.
    pub fn standby(&self) -> Self {
        let folder = tempfile::Builder::new().prefix("fk.").tempdir_in("/tmp").expect("a temporary folder");
        let (path, of) = (folder.path().display().to_string(), self.folder.path().display().to_string());
        let said = Self::script(&["standby", &path, &of, "--watch", &std::process::id().to_string()]);
        let mut db = PgConnection::establish(&self.url).expect("a connection");
        for order in ["ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()"] {
            db.batch_execute(order).expect("it is ours");
        }
        Self { folder, url: said.stdout.trim().to_owned() }
    }

    /// Makes a server of its own of a replica.
    pub fn promote(&self) {
        Self::script(&["promote", &self.folder.path().display().to_string()]);
    }

    /// A URL that leads to whichever of the two takes changes.
    pub fn or(&self, other: &Self) -> String {
        let folder = |cluster: &Self| cluster.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://firstkey@{},{}/postgres?target_session_attrs=read-write", folder(self), folder(other))
    }

    fn script(arguments: &[&str]) -> Ran {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/postgres");
        Ran::of(Command::new(script).args(arguments), "").expect(0)
    }

    fn first_process(&self) -> Pid {
        let file = self.folder.path().join("data/postmaster.pid");
        let text = std::fs::read_to_string(file).expect("it runs");
        text.lines().next().and_then(|line| line.parse().ok()).and_then(Pid::from_raw).expect("a process")
    }

    /// Ends the server's first process as an outage would.
    pub fn kill(&self, signal: Signal) {
        kill_process(self.first_process(), signal).expect("it is ours");
    }

    /// Sends a signal to all its processes.
    pub fn signal_all(&self, signal: Signal) {
        let first = self.first_process();
        let children = format!("/proc/{0}/task/{0}/children", first.as_raw_nonzero());
        let children = std::fs::read_to_string(children).expect("Linux lists them");
        let children = children.split_whitespace().filter_map(|id| id.parse().ok()).filter_map(Pid::from_raw);
        for process in std::iter::once(first).chain(children) {
            // one may have ended meanwhile
            let _ = kill_process(process, signal);
        }
    }

    pub fn restart(&self) {
        Self::script(&["restart", &self.folder.path().display().to_string()]);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        Self::script(&["stop", &self.folder.path().display().to_string()]);
    }
}

/// Every acknowledged key opens the door.
pub fn present(server: &Server, keys: &[Acknowledged]) {
    let mut connection = server.connect();
    for key in keys {
        let headers = [("api-secret-key", key.secret.as_str())];
        let answer = connection.send(&request("GET", "/api/apikeys/current", &headers, None)).expect("an answer");
        assert_eq!(answer.expect(200).json()["ID"], key.id);
    }
}

/// Within five seconds of its database's return the server works again: not once, but every time.
pub fn heal(server: &Server, maker: &str, round: usize) {
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
