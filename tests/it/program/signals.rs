//! SIGTERM lets go of nothing that has begun; SIGHUP reads the certificate again.

use std::time::{Duration, Instant};

use firstkey::{clock, tls};
use rustix::process::Signal;
use serde_json::json;

use super::binary::{Home, Server, request};
use crate::app::{self, Backend, PASSWORD};
use crate::http::Connection;
use crate::on_both;

on_both! {
    fn an_idle_server_ends_well_within_two_seconds(home) {
        home.init();
        for signal in [Signal::TERM, Signal::INT] {
            let server = home.start();
            let mut idle = server.connect();
            idle.send(&request("GET", "/healthz", &[], None)).expect("an answer");
            let begun = Instant::now();
            server.signal(signal);
            let said = server.stopped();
            assert!(begun.elapsed() < Duration::from_secs(2), "{signal:?}: {:?}", begun.elapsed());
            assert_eq!(said.stdout.lines().count(), 1);
            drop(idle);
        }
    }

    /// And what keys were used for is written down before the end.
    fn a_request_in_flight_is_finished_while_readyz_says_no(home) {
        let secret = home.init();
        let server = home.start();
        let mut watching = server.connect();
        watching.send(&request("GET", "/readyz", &[], None)).expect("an answer").expect(200);

        // half a request: the server knows of it, and waits for the rest
        let mut slow = server.connect();
        let body = json!({ "keyName": "slow", "roleID": 1 }).to_string();
        let (one, other) = body.split_at(10);
        let head = format!(
            "POST /api/apikeys HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             api-secret-key: {secret}\r\nContent-Length: {}\r\n\r\n{one}",
            body.len()
        );
        slow.write_raw(head.as_bytes()).expect("written");
        // the key's use is noted once a second: it shows that the request has been let in
        wait_until(&home, 1, "SELECT count(*) AS n FROM api_keys WHERE last_sign_in IS NOT NULL");

        server.signal(Signal::TERM);
        server.says("stopping");
        let draining = watching.send(&request("GET", "/readyz", &[], None)).expect("an answer").expect(503);
        assert_eq!(draining.header("retry-after"), Some("5"));
        // whoever keeps a connection open is told that this was the last answer on it
        assert_eq!(draining.header("connection"), Some("close"));
        slow.write_raw(other.as_bytes()).expect("written");
        let key = slow.read(false).expect("the answer still comes").expect(200).json();
        assert_eq!(key["keyName"], "slow");
        server.stopped();
        assert_eq!(home.count("SELECT count(*) AS n FROM api_keys WHERE key_name = 'slow'"), 1);
        let server = home.start();
        assert_eq!(server.status_of(key["secretKey"].as_str().expect("a secret")), 200);
    }

    fn sign_ins_that_are_being_hashed_are_answered_before_the_end(home) {
        // a thread for each, so that neither waits for the other until it is told to come again
        home.set("FIRSTKEY_SIGN_IN_PASSWORD_THREADS", "2").set("FIRSTKEY_SIGN_IN_BCRYPT_COST", "12").init();
        let server = home.start();
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                let (mut connection, body) = (server.connect(), json!({ "userName": app::ADMIN, "password": PASSWORD }));
                std::thread::spawn(move || connection.send(&request("POST", "/api/sessions", &[], Some(&body))))
            })
            .collect();
        // an attempt is reserved before the password is looked at, and given back with the session that comes of it
        let begun = "SELECT CAST(coalesce(sum(failures), 0) + (SELECT count(*) FROM sessions) AS bigint) AS n FROM sign_in_attempts";
        wait_until(&home, 2, begun);
        let stopping = std::thread::spawn(move || server.stop());
        for answer in waiting {
            answer.join().expect("no panic").expect("an answer").expect(200);
        }
        stopping.join().expect("it ended well");
    }
}

/// D8: proxies keep a connection of HTTP/2 open with nothing on it; it holds nobody up.
#[test]
fn a_connection_without_a_request_on_it_holds_nobody_up() {
    use std::io::{Read as _, Write as _};
    let home = Home::new(Backend::Sqlite);
    home.init();
    let server = home.start();
    let mut tls = (*server.dial().tls()).clone();
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let socket = std::net::TcpStream::connect(server.address).expect("the port is open");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
    let name = "localhost".try_into().expect("a name");
    let client = rustls::ClientConnection::new(std::sync::Arc::new(tls), name).expect("TLS");
    let mut idle = rustls::StreamOwned::new(client, socket);
    // RFC 9113: the preface, no settings of ours, and GET / on stream 1 with an empty authority
    idle.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00").expect("written");
    idle.write_all(b"\x00\x00\x06\x01\x05\x00\x00\x00\x01\x82\x86\x84\x41\x01x").expect("written");
    let mut read = Vec::new();
    // a frame of headers on stream 1: the request was answered
    while !read.windows(6).any(|bytes| bytes[0] == 1 && bytes[2..] == [0, 0, 0, 1]) {
        let mut some = [0; 1_024];
        let length = idle.read(&mut some).expect("an answer");
        assert!(length > 0, "hung up: {read:?}");
        read.extend_from_slice(&some[..length]);
    }
    let begun = Instant::now();
    server.stop();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

/// Waits until a number in the database shows that so many requests have been let in.
fn wait_until(home: &Home, requests: i64, number: &str) {
    let until = Instant::now() + Duration::from_secs(10);
    while home.count(number) < requests {
        assert!(Instant::now() < until, "the requests never reached the server");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A certificate and its key, made as the program makes its own.
fn pair(name: &str) -> (tempfile::TempDir, tls::SelfSigned) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let made = tls::ensure_self_signed(folder.path(), &[name.to_owned()], clock::Clock::System.now());
    (folder, made.expect("a certificate"))
}

fn install(home: &Home, pair: &tls::SelfSigned) {
    std::fs::copy(&pair.certificate, home.path("chain.pem")).expect("copied");
    std::fs::copy(&pair.key, home.path("key.pem")).expect("copied");
}

/// Whether a new connection is served this certificate.
fn serves(server: &Server, pair: &tls::SelfSigned) -> bool {
    let opened = Connection::open(server.address, &crate::http::trusting(&pair.certificate));
    opened.and_then(|mut connection| connection.send(&request("GET", "/healthz", &[], None))).is_ok()
}

#[test]
fn a_hang_up_reads_the_certificate_again_and_a_broken_one_changes_nothing() {
    let home = Home::new(Backend::Sqlite);
    home.init();
    let (_one, old) = pair("old.example");
    let (_other, new) = pair("new.example");
    install(&home, &old);
    let (chain, key) = (home.path("chain.pem").display().to_string(), home.path("key.pem").display().to_string());
    let mut command = home.command(&["--listen", "127.0.0.1:0", "--tls-cert", &chain, "--tls-key", &key]);
    let server = super::binary::Starting::of(&mut command, old.certificate.clone()).ready();
    assert!(serves(&server, &old) && !serves(&server, &new));
    let mut lasting = server.connect();
    lasting.send(&request("GET", "/healthz", &[], None)).expect("an answer").expect(200);

    install(&home, &new);
    assert!(serves(&server, &old), "nothing changes before the signal");
    server.signal(Signal::HUP);
    server.says("the certificate was read again");
    assert!(serves(&server, &new) && !serves(&server, &old));
    lasting.send(&request("GET", "/healthz", &[], None)).expect("the old connection goes on").expect(200);

    // half a file, another's key, no file at all
    let whole = std::fs::read(&chain).expect("a file");
    let broken: [(&str, &dyn Fn()); 3] = [
        ("cut off", &|| std::fs::write(&chain, &whole[..whole.len() / 2]).expect("written")),
        ("not the private key", &|| assert!(std::fs::copy(&old.certificate, &chain).is_ok())),
        ("No such file", &|| std::fs::remove_file(&chain).expect("removed")),
    ];
    for (words, break_it) in broken {
        break_it();
        server.signal(Signal::HUP);
        server.says(words);
        assert!(server.log().contains("the old certificate stays"));
        assert!(serves(&server, &new), "after: {words}");
    }
    install(&home, &old);
    server.signal(Signal::HUP);
    let said = format!("\"fingerprint\":\"{}\"", old.fingerprint);
    server.says(&said);
    assert!(!server.stop().stderr.contains("PRIVATE KEY"));
}

#[test]
fn a_certificate_that_cannot_be_served_is_no_start() {
    let home = Home::new(Backend::Sqlite);
    home.init();
    let (_one, old) = pair("old.example");
    let (_other, new) = pair("new.example");
    let (chain, key) = (old.certificate.display().to_string(), new.key.display().to_string());
    home.run(&["--listen", "127.0.0.1:0", "--tls-cert", &chain, "--tls-key", &key]).refused(&["not the private key"]);
    home.run(&["--listen", "127.0.0.1:0", "--tls-cert", &chain]).refused(&["needs tls_key"]);
}
