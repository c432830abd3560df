//! T-28: secrets go through sign-in, minting, the second factor and every kind of error while everything
//! is logged; afterwards they are looked for in everything that stays behind.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use data_encoding::{BASE32, HEXLOWER, HEXUPPER};
use serde_json::json;

use super::binary::{Home, Server, is_missing, is_on_path};
use super::commands::{enrol, sign_in_with_code};
use crate::app::{ADMIN, Backend, PASSWORD, secret};
use crate::http::Answer;
use crate::on_both;

/// Typed where a password belongs, and where none does.
const WRONG: &str = "Kanarienvogel & Käfig = 100% geheim/7f3a";
/// A password of digits that somebody sends as a number.
const DIGITS: &str = "314159265358979";

/// Everything that must not stay behind.
#[derive(Default)]
struct Canaries(Vec<(String, Vec<u8>)>);

impl Canaries {
    fn add(&mut self, name: &str, secret: impl Into<Vec<u8>>) {
        self.0.push((name.to_owned(), secret.into()));
    }

    /// A key's printed form, and the 32 bytes in it.
    fn add_key(&mut self, printed: &str) {
        let (_, encoded) = printed.rsplit_once(':').expect("ID:base64");
        self.add("secretKey", encoded);
        self.add("the bytes of secretKey", STANDARD.decode(encoded).expect("base64"));
    }

    /// Those that stand in `place`, in whatever spelling.
    #[track_caller]
    fn are_absent(&self, place: &str, content: &[u8]) {
        for (name, secret) in &self.0 {
            for (spelling, needle) in spellings(secret) {
                assert!(!contains(content, &needle), "{name} stands in {place}, {spelling}");
            }
        }
    }
}

/// The ways in which bytes get into logs and files.
fn spellings(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let url: String = secret
        .iter()
        .map(|byte| match byte {
            byte if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) => char::from(*byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect();
    let list = format!("{secret:?}");
    let mut spellings = vec![
        ("plain", secret.to_vec()),
        ("in hex", HEXLOWER.encode(secret).into_bytes()),
        ("in upper-case hex", HEXUPPER.encode(secret).into_bytes()),
        ("in base64", STANDARD.encode(secret).into_bytes()),
        ("in base64 without padding", STANDARD_NO_PAD.encode(secret).into_bytes()),
        ("in base64 for URLs", URL_SAFE.encode(secret).into_bytes()),
        ("in base64 for URLs without padding", URL_SAFE_NO_PAD.encode(secret).into_bytes()),
        ("as a list of bytes", list.trim_matches(['[', ']']).as_bytes().to_vec()),
        ("for a URL", url.replace("%20", "+").into_bytes()),
        ("for a URL, with %20", url.into_bytes()),
    ];
    if let Ok(text) = std::str::from_utf8(secret) {
        spellings.push(("in JSON", json!(text).to_string().trim_matches('"').as_bytes().to_vec()));
        spellings.push(("as Rust writes it", format!("{text:?}").trim_matches('"').as_bytes().to_vec()));
    }
    spellings
}

/// Short digits stand everywhere as parts of longer numbers: those count only by themselves.
fn contains(content: &[u8], needle: &[u8]) -> bool {
    let short = needle.len() <= 8;
    let apart = |at: Option<&u8>| at.is_none_or(|byte| !byte.is_ascii_alphanumeric());
    content.windows(needle.len()).enumerate().any(|(at, window)| {
        window == needle
            && (!short
                || apart(at.checked_sub(1).and_then(|before| content.get(before)))
                    && apart(content.get(at + needle.len())))
    })
}

/// Requests that go wrong with a secret in them; what was answered.
fn stumble(server: &Server, key: &str, sid: &str, rid: &str) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut raw = |method: &str, path: &str, headers: &[(&str, &str)], body: &str| {
        let mut request = super::binary::request(method, path, headers, None);
        request.body = body.as_bytes().to_vec();
        if !body.is_empty() {
            request.headers.push(("Content-Type".into(), "application/json".into()));
        }
        let answer = server.connect().send(&request).expect("an answer");
        assert!(answer.status < 500, "{answer:?}");
        // what stands in an ordinary member of a body is shown to its sender again
        if path != "/api/apikeys" {
            answers.push(answer);
        }
    };
    let cookie = format!("sID={sid}");
    let session = [("Cookie", cookie.as_str()), ("rID", rid)];
    // signing in
    for body in [
        format!(r#"{{"userName":"{ADMIN}","password":"{WRONG}"}}"#),
        format!(r#"{{"userName":"{WRONG}","password":"{WRONG}"}}"#),
        format!(r#"{{"userName":"{ADMIN}","tenantName":"{WRONG}","password":"{WRONG}"}}"#),
        format!(r#"{{"userName":"{ADMIN}","password":"{WRONG}""#),
        format!(r#"{{"userName":"{ADMIN}","password":{WRONG}}}"#),
        format!(r#"{{"userName":"{ADMIN}","password":["{WRONG}"]}}"#),
        format!(r#"{{"userName":"{ADMIN}","password":{{"{WRONG}":1}}}}"#),
        format!(r#"{{"userName":"{ADMIN}","password":{DIGITS}}}"#),
        format!(r#"{{"userName":"{ADMIN}","password":"{PASSWORD}","mfaCode":"{WRONG}"}}"#),
        format!(r#"{{"userName":"{ADMIN}","password":"{PASSWORD}","mfaCode":{DIGITS}}}"#),
        format!(r#"{{"userName":"{ADMIN}","password":"{PASSWORD}","mfaCode":["{WRONG}"]}}"#),
        format!(r#"{{"userName":"{ADMIN}","password":"{PASSWORD}","accessType":"{WRONG}"}}"#),
        format!(r#"{{"userName":"{ADMIN}","password":"{PASSWORD}","{WRONG}":1,"{WRONG}":2}}"#),
        format!(r#"["{ADMIN}","{WRONG}"]"#),
        format!("userName={ADMIN}&password={WRONG}"),
        format!("\"{WRONG}\""),
    ] {
        raw("POST", "/api/sessions", &[], &body);
    }
    // secrets where others belong
    let encoded = key.replace('+', "%2B").replace('/', "%2F");
    for path in [
        format!("/api/apikeys/{encoded}"),
        format!("/api/sessions/{sid}"),
        format!("/{rid}"),
        format!("/api/roles?sID={sid}&rID={rid}&key={encoded}"),
        format!("/openapi.json?password={sid}"),
    ] {
        raw("GET", &path, &[("api-version", "v1")], "");
    }
    raw("GET", "/api/roles", &[("api-version", key)], "");
    raw("GET", "/api/roles", &[("api-secret-key", key), ("Cookie", &cookie)], "");
    raw("GET", "/api/roles", &[("api-secret-key", &format!("{key}x"))], "");
    raw("GET", "/api/roles", &[("api-secret-key", &format!("9{key}"))], "");
    raw("GET", "/api/roles", &[("Authorization", &format!("Bearer {key}x"))], "");
    raw("GET", "/api/roles", &[("Authorization", &format!("Basic {key}"))], "");
    raw("GET", "/api/roles", &[("Authorization", key)], "");
    raw("GET", "/api/roles", &[("Authorization", &format!("Token {key}")), ("X-API-Key", key)], "");
    raw("GET", "/api/roles", &[("X-API-Key", &format!("9{key}"))], "");
    raw("GET", "/api/roles", &[("Cookie", &format!("{cookie}; {cookie}"))], "");
    raw("GET", "/api/roles", &[("Cookie", &cookie)], "");
    raw("GET", "/api/roles", &[("Cookie", &cookie), ("rID", sid)], "");
    raw("GET", "/api/roles", &[("Cookie", &format!("sID={rid}")), ("rID", rid)], "");
    raw("GET", "/healthz", &[("X-Request-ID", key), ("User-Agent", key), ("Referer", key)], "");
    // minting and one's own account
    for body in [
        json!({ "keyName": 7, "secretKey": key }).to_string(),
        json!({ "keyName": "x", "roleID": key }).to_string(),
        json!({ "keyName": "x", "roleID": 1, "timeZone": key }).to_string(),
        json!({ "keyName": "x", "roleID": 1, "expiryDate": key }).to_string(),
        format!("{{\"secretKey\":\"{key}\""),
    ] {
        raw("POST", "/api/apikeys", &session, &body);
    }
    // asking about keys
    for body in [
        json!({ "secretKey": key }),
        json!({ "secretKey": format!("{key}x") }),
        json!({ "secretKey": [key] }),
        json!({ "secretKey": { key: key } }),
        json!({ "secretKey": key, key: key }),
        json!({ "secretKey": key, "address": key }),
        json!({ "secretKey": key, "demands": { "rights": [key] } }),
        json!({ "secretKey": key, "demands": { "match": key } }),
        json!({ "secretKey": key, "demands": { "role": key, "tenant": key, "apiTypes": [key] } }),
        json!({ "secretKey": key, "demands": key }),
        json!({ "items": [{ "secretKey": key }, { "secretKey": [key], "address": key }] }),
        json!({ "items": key }),
        json!({ "keyID": 1, "address": WRONG }),
    ] {
        for path in ["/api/apikeys/verify", "/api/apikeys/verify/batch", "/api/apikeys/explain"] {
            raw("POST", path, &session, &body.to_string());
        }
    }
    raw("POST", "/oauth2/introspect", &[("api-secret-key", key)], &format!("token={encoded}"));
    for body in [
        json!({ "currentPassword": WRONG, "newPassword": WRONG }).to_string(),
        json!({ "currentPassword": PASSWORD, "newPassword": DIGITS }).to_string(),
        format!(r#"{{"currentPassword":{DIGITS},"newPassword":{DIGITS}}}"#),
        format!(r#"{{"currentPassword":"{WRONG}"#),
    ] {
        raw("POST", "/api/administrators/1/password", &session, &body);
    }
    raw("POST", "/api/administrators/1/totp", &session, &json!({ "password": WRONG }).to_string());
    raw("POST", "/api/administrators/1/totp", &session, &format!(r#"{{"password":{DIGITS}}}"#));
    raw("POST", "/api/administrators/1/totp/confirm", &session, &json!({ "mfaCode": WRONG }).to_string());
    raw("DELETE", "/api/administrators/1/totp", &session, &json!({ "password": WRONG, "mfaCode": DIGITS }).to_string());
    answers
}

/// What PostgreSQL itself wrote down, where this process may read it.
fn postgres_log() -> Vec<u8> {
    let url = std::env::var("FIRSTKEY_TEST_POSTGRES").unwrap_or_default();
    let folder = url.split('@').nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default().replace("%2F", "/");
    std::fs::read(PathBuf::from(folder).join("server.log")).unwrap_or_default()
}

on_both! {
    /// T-28: while everything is logged, after a crash and after an orderly end.
    fn no_secret_stays_in_log_database_or_audit(home) {
        if is_missing("oathtool", is_on_path("oathtool")) {
            return;
        }
        let mut canaries = Canaries::default();
        if home.backend == Backend::Postgres {
            let url = home.environment["FIRSTKEY_DATABASE_URL"].replacen("firstkey@", "firstkey:Zaunk0enig-im-Kaefig@", 1);
            home.set("FIRSTKEY_DATABASE_URL", url);
            canaries.add("the database's password", "Zaunk0enig-im-Kaefig");
        }
        home.set("FIRSTKEY_LOG", "trace").set("RUST_LOG", "trace").set("RUST_BACKTRACE", "1");
        canaries.add_key(&home.init());
        let master = std::fs::read_to_string(home.data().join("master.key")).expect("a key");
        let master = master.trim().rsplit_once(' ').expect("a version and a key").1.to_owned();
        canaries.add("the master key's bytes", STANDARD.decode(&master).expect("base64"));
        for (name, secret) in [("the password", PASSWORD), ("a wrong password", WRONG), ("a password of digits", DIGITS), ("the master key", &master)] {
            canaries.add(name, secret);
        }

        let server = home.start();
        let session = server.sign_in(PASSWORD);
        let body = json!({ "keyName": "canary", "roleID": 1 });
        let key = secret(&server.with(&session, "POST", "/api/apikeys", Some(body)).expect(200).json());
        canaries.add_key(&key);
        let seed = enrol(&server, &session, PASSWORD);
        canaries.add("the seed", seed.as_str());
        canaries.add("the seed's bytes", BASE32.decode(seed.as_bytes()).expect("base32"));
        let (second, code) = sign_in_with_code(&server, &seed);
        canaries.add("the code", code.as_str());
        for (name, secret) in [("sID", &session.sid), ("RID", &session.rid), ("sID", &second.sid), ("RID", &second.rid)] {
            canaries.add(name, secret.as_str());
            canaries.add(&format!("the bytes of {name}"), HEXUPPER.decode(secret.as_bytes()).expect("hex"));
        }
        let again = json!({ "userName": ADMIN, "password": PASSWORD, "mfaCode": code });
        let mut answers = vec![server.post("/api/sessions", &[], again).expect(401)];
        answers.extend(stumble(&server, &key, &second.sid, &second.rid));
        answers.push(server.get("/api/apikeys", &[("api-secret-key", &key)]));
        answers.push(server.with(&second, "GET", "/api/sessions", None));
        for path in ["/api/auditevents", "/api/auditevents/head"] {
            answers.push(server.get(path, &[("api-secret-key", &key)]).expect(200));
        }
        for answer in &answers {
            let said = format!("{:?} {}", answer.headers, answer.text());
            canaries.are_absent(&format!("the answer {said}"), said.as_bytes());
        }

        // once as a crash leaves it, with its write-ahead log, and once as an orderly end does
        let before = server.log();
        server.kill();
        look_everywhere(&home, &canaries, before.as_bytes());
        let server = home.start();
        server.with(&second, "DELETE", "/api/sessions/current", None).expect(204);
        let said = server.stop();
        look_everywhere(&home, &canaries, (said.stdout + &said.stderr).as_bytes());
        for command in ["verify", "head"] {
            let said = home.run(&["audit", command]).expect(0);
            canaries.are_absent(command, (said.stdout + &said.stderr).as_bytes());
        }
        assert!(before.contains("\"level\":\"INFO\""), "something was logged at all");
    }
}

fn look_everywhere(home: &Home, canaries: &Canaries, log: &[u8]) {
    canaries.are_absent("the log", log);
    let stored = home.everything();
    assert!(stored.contains("MasterAdmin"), "the tables were read");
    canaries.are_absent("the tables", stored.as_bytes());
    match home.backend {
        Backend::Sqlite => {
            for file in ["firstkey.db", "firstkey.db-wal", "firstkey.db-shm", "initialised"] {
                let path = home.data().join(file);
                canaries.are_absent(file, &std::fs::read(path).unwrap_or_default());
            }
        }
        Backend::Postgres => canaries.are_absent("PostgreSQL's log", &postgres_log()),
    }
}

on_both! {
    /// T-24, T-28: a session ID in the query, as the older API signs out, stays out of the log, and so does the address
    /// that a header makes up.
    fn a_session_id_in_the_query_is_not_logged(home) {
        home.set("FIRSTKEY_LOG", "trace").set("FIRSTKEY_COMPAT_LEGACY_LOGIN", "true");
        home.init();
        let server = home.start();
        let body = json!({ "dsCredentials": { "userName": ADMIN, "password": PASSWORD } });
        let mut canaries = Canaries::default();
        canaries.add("the password", PASSWORD);
        canaries.add("an address that nobody has", "203.0.113.77");
        for wrong in ["", "x"] {
            let headers = [("X-Forwarded-For", "203.0.113.77"), ("Forwarded", "for=203.0.113.77"), ("X-Real-IP", "203.0.113.77")];
            let sid = server.post("/rest/authentication/login/primary", &headers, body.clone()).expect(200).text();
            canaries.add("sID", sid.as_str());
            canaries.add("the bytes of sID", HEXUPPER.decode(sid.as_bytes()).expect("hex"));
            let path = format!("/rest/authentication/logout{wrong}?sID={sid}");
            let request = crate::program::binary::request("DELETE", &path, &headers, None);
            let answer = server.connect().send(&request).expect("an answer");
            assert_eq!(answer.status, if wrong.is_empty() { 200 } else { 404 }, "{answer:?}");
            canaries.are_absent("the answer", format!("{answer:?}").as_bytes());
        }
        let said = server.stop();
        let log = said.stdout + &said.stderr;
        assert!(log.contains("/rest/authentication/logout"), "the route is logged: {log}");
        look_everywhere(&home, &canaries, log.as_bytes());
    }
}

/// T-28: the URL of the database is a secret too, above all when it is wrong.
#[test]
fn the_database_s_password_is_in_no_complaint() {
    let mut home = Home::new(Backend::Sqlite);
    home.set("FIRSTKEY_LOG", "trace");
    let password = "Zaunk0enig-im-Kaefig";
    for url in [
        format!("postgres://firstkey:{password}@127.0.0.1:1/none"),
        format!("postgres://firstkey:{password}@%2Fnowhere/none?connect_timeout=2"),
        format!("postgres:///none?host=/nowhere&password={password}"),
        format!("postgres://firstkey:{password}@localhost:port/none"),
        format!("postgres://firstkey:{password}/x@localhost/none"),
        format!("postgres://firstkey:{password}@db.example/none"),
        format!("mysql://firstkey:{password}@localhost/none"),
        password.to_owned(),
    ] {
        let file = home.write("url", &format!("{url}\n")).display().to_string();
        for (variable, value) in [("FIRSTKEY_DATABASE_URL", url.clone()), ("FIRSTKEY_DATABASE_URL_FILE", file)] {
            home.environment.retain(|name, _| !name.starts_with("FIRSTKEY_DATABASE"));
            home.set(variable, value);
            for command in [&["--listen", "127.0.0.1:0"][..], &["migrate"], &["admin", "unlock", "--username", "x"]] {
                let said = home.run(command).refused(&[]);
                assert!(!(said.stdout + &said.stderr).contains(password), "{url}");
            }
        }
    }
}
