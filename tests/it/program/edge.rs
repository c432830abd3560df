//! `firstkey verifyd`, as an operator starts, signals and stops it.

use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use serde_json::json;

use super::binary::{Home, Server, Starting};
use crate::app::Backend;
use crate::on_both;

/// The files that an edge is given: a key that may read snapshots, and what those are signed with.
fn given(home: &Home, server: &Server, full: &str) -> [String; 2] {
    let rights = json!({ "platformRights": { "apikeyRights": { "canViewApiKeys": true }, "systemInformationRights": { "canViewSystemInformation": true } } });
    let role = json!({ "name": "Edge", "allowWebService": true, "rights": rights });
    let with = [("api-secret-key", full)];
    let role = server.post("/api/roles", &with, role).expect(200).json()["ID"].clone();
    let key = server.post("/api/apikeys", &with, json!({ "keyName": "edge", "roleID": role })).expect(200).json();
    home.write("edge.key", &format!("{}\n", key["secretKey"].as_str().expect("a secret")));
    let printed = home.run(&["snapshot-key"]).expect(0).stdout;
    home.write("edge.pub", &printed);
    ["edge.key", "edge.pub"].map(|name| home.path(name).display().to_string())
}

fn verifyd(home: &Home, server: &Server, given: &[String; 2], more: &[&str]) -> Starting {
    let pem = |name: &str| home.data().join("tls").join(name).display().to_string();
    let (chain, key, kept) = (pem("certificate.pem"), pem("key.pem"), home.path("kept/snapshot").display().to_string());
    let mut command = home.command(&["verifyd", "--refresh-every", "1", "--listen", "127.0.0.1:0"]);
    // what is of the server's is no business of the edge's
    command.env_remove("FIRSTKEY_DATABASE_URL").env_remove("FIRSTKEY_DATA");
    command.args(["--authority", &server.url, "--ca-file", &chain, "--tls-cert", &chain, "--tls-key", &key]);
    command.args(["--api-key-file", &given[0], "--public-key-file", &given[1], "--keep", &kept]).args(more);
    Starting::of(&mut command, home.certificate())
}

/// Asks until the answer is that one.
#[track_caller]
fn until(edge: &Server, path: &str, secret: &str, expected: u16) {
    let begun = Instant::now();
    loop {
        let status = edge.get(path, &[("api-secret-key", secret)]).status;
        if status == expected {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{path}: still {status}: {}", edge.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

on_both! {
    /// T-19: what is revoked at the server is refused at the edge a moment later; killed, the server is not missed, not even
    /// by an edge that starts then; and no secret is in what is written.
    fn an_edge_stands_in_for_its_server(home) {
        let full = home.init();
        let server = home.start();
        let given = given(&home, &server, &full);
        let key = server.post("/api/apikeys", &[("api-secret-key", &full)], json!({ "keyName": "watched", "roleID": 2 })).expect(200).json();
        let text = key["secretKey"].as_str().expect("a secret").to_owned();
        let edge = verifyd(&home, &server, &given, &[]).ready();
        until(&edge, "/readyz", "", 200);
        until(&edge, "/auth/verify?role=Auditor", &text, 200);
        until(&edge, "/auth/verify?role=Edge", &full, 403);
        let answer = server.send("DELETE", &format!("/api/apikeys/{}", key["ID"]), &[("api-secret-key", &full)], None);
        answer.expect(204);
        until(&edge, "/auth/verify", &text, 401);
        let kept = home.path("kept/snapshot");
        assert_eq!(std::fs::metadata(&kept).expect("it is kept").permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::metadata(home.path("kept")).expect("a folder").permissions().mode() & 0o777, 0o700);
        edge.signal(rustix::process::Signal::HUP);
        edge.says("the certificate was read again");
        let second = verifyd(&home, &server, &given, &["--go-on-for", "600"]);
        server.kill();
        let second = second.ready();
        for edge in [edge, second] {
            edge.says("the snapshot could not be refreshed");
            until(&edge, "/auth/verify", &full, 200);
            until(&edge, "/auth/verify", &text, 401);
            let said = edge.stop().stderr;
            for secret in [&full, &text] {
                let only = secret.rsplit(':').next().expect("a secret");
                assert!(!said.contains(only), "{said}");
            }
        }
    }
}

/// What is missing or makes no sense is said before anything is begun, with what to do; the API key has no flag, because
/// every user of the machine can read a command line.
#[test]
fn an_edge_that_cannot_work_does_not_start() {
    let home = Home::new(Backend::Sqlite);
    let server = "https://127.0.0.1:1";
    let public = "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
    let (key, none) =
        (home.write("edge.key", "1:x").display().to_string(), home.write("none", "x").display().to_string());
    let ran = |arguments: &[&str]| home.run(&[&["verifyd"], arguments].concat());
    let base = ["--authority", server, "--plain-http", "--public-key", public, "--api-key-file", &key];
    ran(&["--plain-http", "--authority", server, "--api-key-file", &key]).refused(&["--public-key", "snapshot-key"]);
    ran(&["--plain-http", "--authority", server, "--public-key", public]).refused(&[
        "--api-key-file",
        "FIRSTKEY_VERIFYD_API_KEY",
        "canViewApiKeys",
    ]);
    ran(&["--plain-http", "--authority", server, "--public-key", "ed25519:AAAA", "--api-key-file", &key])
        .refused(&["--public-key", "base64"]);
    ran(&["--authority", server, "--public-key", public, "--api-key-file", &key])
        .refused(&["--plain-http", "--tls-cert"]);
    ran(&["--plain-http", "--authority", "http://keys.example.org", "--public-key", public, "--api-key-file", &key])
        .refused(&["--authority", "https://"]);
    ran(&["--plain-http", "--authority", server, "--public-key-file", "/nowhere", "--api-key-file", &key])
        .refused(&["--public-key-file", "/nowhere"]);
    ran(&[&base[..], &["--ca-file", &none]].concat()).refused(&["--ca-file", "PEM"]);
    ran(&[&base[..], &["--listen", "0.0.0.0:0"]].concat()).refused(&["loopback"]);
    for bad in [
        ["--refresh-every", "0"],
        ["--refresh-every", "x"],
        ["--go-on-for", "0"],
        ["--go-on-for", "99999999999"],
        ["--api-key", "1:x"],
        ["--database-url", "x"],
    ] {
        ran(&[&base[..], &bad].concat()).expect(2);
    }
    let mut command = home.command(&[&["verifyd"], &base[..]].concat());
    super::binary::Ran::of(command.env("FIRSTKEY_VERIFYD_API_KEY", "1:x"), "").refused(&["one of them is enough"]);
    home.run(&["snapshot-key"]).expect(1);
    home.init();
    home.run(&["snapshot-key", "--tenant", "7"]).refused(&["there is no tenant 7"]);
    assert!(home.run(&["snapshot-key"]).expect(0).stdout.starts_with("ed25519:"));
}
