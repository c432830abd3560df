//! What the clients see while the database is away, hangs or is held by others, and while the program stops: a clear 503
//! at worst, and nothing that was acknowledged is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use rustix::process::Signal;
use serde_json::json;

use super::binary::{Home, Server, numbers, request};
use super::load::{Client, Cluster, Minting, heal, present, rounds};
use crate::app::{ADMIN, Backend, PASSWORD};
use crate::http::Answer;

/// Clients that have keys verified until they are told to stop.
struct Verifying {
    stop: Arc<AtomicBool>,
    verified: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<Option<Answer>>>,
}

impl Verifying {
    fn start(server: &Server, key: &str) -> Self {
        let (stop, verified) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let client = |_| {
            let (mut client, key) = (Client::of(server), key.to_owned());
            let (stop, verified) = (stop.clone(), verified.clone());
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let request = request("GET", "/auth/verify", &[("api-secret-key", &key)], None);
                    let Ok(answer) = client.send(&request) else { break };
                    match answer.status {
                        200 => drop(verified.fetch_add(1, Ordering::Relaxed)),
                        503 if answer.header("retry-after").is_some() => {}
                        _ => return Some(answer),
                    }
                }
                None
            })
        };
        Self { clients: (0..2).map(client).collect(), stop, verified }
    }

    /// How many were verified, each answered as it should be.
    #[track_caller]
    fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            let odd = client.join().expect("a client does not panic");
            assert!(odd.is_none(), "{odd:?}");
        }
        self.verified.load(Ordering::Relaxed)
    }
}

fn verify(server: &Server, key: &str) -> u16 {
    server.get("/auth/verify", &[("api-secret-key", key)]).status
}

fn mint(server: &Server, maker: &str, name: &str) -> Answer {
    server.post("/api/apikeys", &[("api-secret-key", maker)], json!({ "keyName": name, "roleID": 2 }))
}

/// D4: PostgreSQL is restarted again and again under those who mint and those who have keys verified: they are answered
/// 200 or 503 with a time to wait, nothing that was acknowledged is lost, the server heals by itself, and no connection
/// is left over. 3 restarts, 30 in the long form.
#[test]
fn a_restart_of_postgresql_costs_its_time_and_nothing_else() {
    let cluster = Cluster::start();
    let home = Home::at(&cluster.url);
    let maker = home.init();
    let server = home.start();
    for round in 0..rounds(3, 30) {
        let minting = Minting::start(&server, &maker, round);
        let verifying = Verifying::start(&server, &maker);
        minting.go_on_for_a_moment();
        cluster.kill(Signal::QUIT);
        cluster.restart();
        minting.go_on_for_a_moment();
        let keys = minting.end(&server.log());
        assert!(verifying.end() > 0);
        heal(&server, &maker, round);
        assert_eq!(verify(&server, &maker), 200);
        present(&server, &keys);
    }
    // 16 of the pool, 2 writers, 1 listener, and the one that asks
    let open = numbers(
        &mut home.database(),
        "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'",
    );
    assert!(open[0] <= 20, "{open:?} connections");
    server.stop();
}

/// D4: connections that PostgreSQL cut off while nobody wrote are found out before anything is written over them.
#[test]
fn what_was_cut_off_while_nobody_wrote_costs_nobody_anything() {
    let home = Home::new(Backend::Postgres);
    let maker = home.init();
    let server = home.start();
    for number in 0..4 {
        mint(&server, &maker, &format!("before {number}")).expect(200);
    }
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    home.database().batch_execute(cut).expect("all but this one");
    // what has rested for less than a second is not tried
    let cut = Instant::now();
    while cut.elapsed() < Duration::from_millis(1_200) {
        assert_eq!(server.send("GET", "/healthz", &[], None).status, 200);
    }
    for number in 0..4 {
        mint(&server, &maker, &format!("after {number}")).expect(200);
    }
    server.stop();
}

/// D4: the first of two servers dies under load and its replica takes over: who asks meanwhile is answered 503 with a
/// time to wait, and afterwards everything that was acknowledged is there.
#[test]
fn a_replica_that_takes_over_knows_everything_that_was_acknowledged() {
    let first = Cluster::start();
    let second = first.standby();
    let home = Home::at(&first.or(&second));
    let maker = home.init();
    let server = home.start();
    let minting = Minting::start(&server, &maker, 0);
    let verifying = Verifying::start(&server, &maker);
    minting.go_on_for_a_moment();
    first.kill(Signal::QUIT);
    second.promote();
    heal(&server, &maker, 0);
    let keys = minting.end(&server.log());
    assert!(verifying.end() > 0);
    assert_eq!(verify(&server, &maker), 200);
    present(&server, &keys);
    server.stop();
}

/// D5: while PostgreSQL hangs without a word, calls are answered 503 within seconds, `/readyz` says no and `/healthz`
/// yes; when it goes on, so does the server.
#[test]
fn a_database_that_hangs_hangs_nobody() {
    let cluster = Cluster::start();
    let home = Home::at(&cluster.url);
    let maker = home.init();
    let server = home.start();
    mint(&server, &maker, "before").expect(200);
    assert_eq!(verify(&server, &maker), 200);
    cluster.signal_all(Signal::STOP);
    let begun = Instant::now();
    let body = json!({ "keyName": "meanwhile", "roleID": 2 });
    let calls = [("POST", "/api/apikeys", Some(&body)), ("GET", "/api/apikeys", None)];
    let calls = calls.into_iter().chain(["/readyz", "/auth/verify", "/healthz"].map(|path| ("GET", path, None)));
    let waiting: Vec<_> = calls
        .map(|(method, path, body)| {
            let (mut client, request) =
                (Client::of(&server), request(method, path, &[("api-secret-key", &maker)], body));
            std::thread::spawn(move || client.send(&request).expect("an answer").status)
        })
        .collect();
    let refused: Vec<u16> = waiting.into_iter().map(|call| call.join().expect("a client does not panic")).collect();
    let took = begun.elapsed();
    cluster.signal_all(Signal::CONT);
    // a key that was remembered a moment ago may still have been
    assert!(matches!(refused[..], [503, 503, 503, 200 | 503, 200]), "{refused:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
    heal(&server, &maker, 0);
    assert_eq!(verify(&server, &maker), 200);
    server.stop();
}

/// D5, SQLite: while another program holds the right to write, changes are answered 503 and everything else goes on.
#[test]
fn a_lock_that_another_program_holds_stops_changes_only() {
    let home = Home::new(Backend::Sqlite);
    let maker = home.init();
    let server = home.start();
    let other = &mut home.database();
    other.batch_execute("PRAGMA busy_timeout = 5000; BEGIN IMMEDIATE").expect("the lock");
    for round in 0..3 {
        let refused = mint(&server, &maker, &format!("meanwhile {round}"));
        assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
        assert_eq!(verify(&server, &maker), 200);
        server.get("/api/apikeys", &[("api-secret-key", &maker)]).expect(200);
        server.get("/readyz", &[]).expect(200);
    }
    other.batch_execute("COMMIT").expect("it ends");
    heal(&server, &maker, 0);
    let names = "SELECT count(*) AS n FROM api_keys WHERE key_name LIKE 'meanwhile%'";
    assert_eq!(numbers(other, names), [0], "what was refused is not there");
    server.stop();
}

/// D12: many who write at once, and another program that writes to the same file without a pause: nobody is told that
/// the database is locked. 32 clients for 2 seconds, for a minute in the long form.
#[test]
fn nobody_is_told_that_the_database_is_locked() {
    let home = Home::new(Backend::Sqlite);
    let maker = home.init();
    let server = home.start();
    let stop = AtomicBool::new(false);
    let all: Vec<Minting> = (0..4).map(|round| Minting::start(&server, &maker, round)).collect();
    let other = std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let db = &mut home.database();
            db.batch_execute("PRAGMA busy_timeout = 5000").expect("it is set");
            let mut writes = 0;
            while !stop.load(Ordering::Relaxed) {
                let touch = "BEGIN IMMEDIATE; UPDATE tenants SET name = name; COMMIT";
                db.batch_execute(touch).expect("the other program has its turn too");
                writes += 1;
                std::thread::yield_now();
            }
            writes
        });
        let until = Instant::now() + Duration::from_secs(rounds(2, 60) as u64);
        while Instant::now() < until {
            all.iter().for_each(Minting::go_on_for_a_moment);
        }
        stop.store(true, Ordering::Relaxed);
        other.join().expect("it does not panic")
    });
    let mut keys = Vec::new();
    for minting in all {
        let (made, refused) = minting.ended();
        assert_eq!(refused, 0, "{}", server.log());
        keys.extend(made);
    }
    assert!(other > 0 && keys.len() > 100, "{other} and {}", keys.len());
    assert!(!server.log().contains("database is locked"));
    present(&server, &keys[..20]);
    server.stop();
}

/// D8: a server that is told to stop under load loses nothing that it acknowledged, and acknowledges everything that it
/// did. 3 stops on each database, 200 in the long form.
#[test]
fn a_stop_under_load_finishes_what_has_begun() {
    for backend in [Backend::Sqlite, Backend::Postgres] {
        let home = Home::new(backend);
        let maker = home.init();
        let mut acknowledged = 1;
        for round in 0..rounds(3, 200) {
            let server = home.start();
            let minting = Minting::start(&server, &maker, round);
            minting.go_on_for_a_moment();
            server.stop();
            let keys = minting.end("");
            acknowledged += keys.len();
            assert_eq!(home.count("SELECT count(*) AS n FROM api_keys"), acknowledged as i64, "{backend:?}, {round}");
        }
    }
}

/// D6: a storm of wrong passwords from one place is answered 401, 429 or at once 503, keys go on being good, and who comes
/// from elsewhere signs in. 64 clients for as long as that takes, a thousand for a minute in the long form.
#[test]
fn a_storm_of_sign_ins_is_in_nobody_else_s_way() {
    let home = Home::new(Backend::Sqlite);
    let key = home.init();
    let server = home.start();
    let right = request("POST", "/api/sessions", &[], Some(&json!({ "userName": ADMIN, "password": PASSWORD })));
    let stop = AtomicBool::new(false);
    let turned_away = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for number in 0..rounds(64, 1_000) {
            let (mut client, stop, turned_away) = (Client::of(&server), &stop, &turned_away);
            scope.spawn(move || {
                let wrong = json!({ "userName": format!("victim{}", number % 100), "password": "wrong" });
                while !stop.load(Ordering::Relaxed) {
                    let answer = client.send(&request("POST", "/api/sessions", &[], Some(&wrong))).expect("an answer");
                    match (answer.status, answer.header("retry-after")) {
                        (401, _) | (429, Some(_)) => {}
                        (503, Some(_)) => drop(turned_away.fetch_add(1, Ordering::Relaxed)),
                        _ => panic!("{answer:?}"),
                    }
                }
            });
        }
        let until = Instant::now() + Duration::from_secs(rounds(0, 60) as u64);
        let (mut signed_in, mut tries) = (0, 0);
        while turned_away.load(Ordering::Relaxed) < 500 || signed_in < 3 || Instant::now() < until {
            assert_eq!(verify(&server, &key), 200);
            if turned_away.load(Ordering::Relaxed) > 0 && signed_in < 3 {
                tries += 1;
                let answer = server.connect_from([127, 0, 0, 2].into()).send(&right).expect("an answer");
                match answer.status {
                    200 => signed_in += 1,
                    // a machine with much else to do may not get round to it in time
                    503 => assert!(tries < 9, "{answer:?}"),
                    _ => panic!("{answer:?}"),
                }
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    server.sign_in(PASSWORD);
    server.stop();
    let noted = |status: u16| home.count(&format!("SELECT count(*) AS n FROM api_usage WHERE status_code = {status}"));
    assert_eq!((noted(503), noted(200) >= 4), (0, true), "a flood that is turned away costs no rows");
}

/// Reads until the other side hangs up; what came, and how long that took.
fn until_hung_up(stream: &mut impl std::io::Read) -> (Vec<u8>, Duration) {
    let (begun, mut read) = (Instant::now(), Vec::new());
    // a reset hangs up too
    let _ = stream.read_to_end(&mut read);
    (read, begun.elapsed())
}

/// D7: connections that say nothing, and clients that send byte by byte, are hung up on when their time is over, and
/// nobody else notices them. 100 of each, 3,400 in the long form.
#[test]
fn silent_and_slow_clients_are_hung_up_on() {
    use std::io::Write as _;
    let home = Home::new(Backend::Sqlite);
    let maker = home.init();
    let server = home.spawn(&["--plain-http", "--listen", "127.0.0.1:0"]).ready();
    let tls = home.start();
    let many = rounds(100, 3_400);
    let open = |address, bytes: &str| {
        let mut stream = std::net::TcpStream::connect(address).expect("the port is open");
        stream.set_read_timeout(Some(Duration::from_secs(40))).expect("a time-out");
        stream.write_all(bytes.as_bytes()).expect("written");
        stream
    };
    let slow_body = format!(
        "POST /api/apikeys HTTP/1.1\r\nHost: x\r\napi-secret-key: {maker}\r\nContent-Type: application/json\r\n\
         Content-Length: 50\r\n\r\n{{"
    );
    let mut silent: Vec<_> = (0..many).map(|_| open(tls.address, "")).collect();
    let mut speechless: Vec<_> = (0..many).map(|_| open(server.address, "")).collect();
    let mut heads: Vec<_> = (0..many).map(|_| open(server.address, "GET /healthz HTTP/1.1\r\nHost: ")).collect();
    let mut bodies: Vec<_> = (0..many).map(|_| open(server.address, &slow_body)).collect();
    let begun = Instant::now();
    for number in 0..20 {
        mint(&tls, &maker, &format!("meanwhile {number}")).expect(200);
        assert_eq!(verify(&tls, &maker), 200);
    }
    let limits = [
        (&mut silent, 3, ""),
        (&mut speechless, 5, ""),
        (&mut heads, 5, "HTTP/1.1 408"),
        (&mut bodies, 10, "HTTP/1.1 408"),
    ];
    for (streams, seconds, answer) in limits {
        for stream in streams {
            let (read, _) = until_hung_up(stream);
            assert!(read.starts_with(answer.as_bytes()), "{seconds}: {}", String::from_utf8_lossy(&read));
        }
        let took = begun.elapsed();
        assert!(took < Duration::from_secs(seconds + 10), "{seconds}: {took:?}");
    }
    mint(&tls, &maker, "afterwards").expect(200);
    tls.stop();
    server.stop();
}
