//! Headers by which a proxy tells where a request came from and where to: no proxy is trusted, so they are nobody's word.

use serde_json::json;

use crate::app::{ADMIN, PASSWORD, TestApp};
use crate::both;
use crate::http::{Answer, Request};

/// Names under which proxies speak, with values that would change something if they were believed.
const SPOKEN: &[(&str, &str)] = &[
    ("X-Forwarded-For", "10.0.0.1"),
    ("X-Forwarded-For", "10.0.0.1, 127.0.0.1"),
    ("X-Forwarded-For", "not an address"),
    ("X-Forwarded-For", "::1"),
    ("X-Real-IP", "10.0.0.1"),
    ("True-Client-IP", "10.0.0.1"),
    ("CF-Connecting-IP", "10.0.0.1"),
    ("X-Client-IP", "10.0.0.1"),
    ("Forwarded", "for=10.0.0.1;host=evil.example;proto=http;by=10.0.0.2"),
    ("Forwarded", "for=\"[2001:db8::1]:80\""),
    ("Forwarded", ";;;="),
    ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Server", "evil.example"),
    ("X-Forwarded-Proto", "http"),
    ("X-Forwarded-Scheme", "http"),
    ("X-Forwarded-Port", "80"),
    ("X-Forwarded-Prefix", "/evil"),
    ("X-Forwarded-Uri", "/healthz"),
    ("X-Forwarded-Method", "GET"),
    ("X-Original-URL", "/healthz"),
    ("X-Original-URI", "/healthz"),
    ("X-Original-Method", "GET"),
    ("X-Original-Host", "evil.example"),
    ("X-Rewrite-URL", "/healthz"),
    ("X-Host", "evil.example"),
    ("X-HTTP-Host-Override", "evil.example"),
];

/// An answer without what is different each time.
fn masked(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let trace = answer.header("x-request-id").expect("a request ID");
    let mut headers = answer.headers.clone();
    headers.retain(|(name, _)| {
        !["date", "x-request-id", "connection"].iter().any(|known| name.eq_ignore_ascii_case(known))
    });
    headers.sort();
    (answer.status, headers, answer.text().replace(trace, "…"))
}

both! {
    /// T-24: none of them changes a decision, an answer, or the address that is written down.
    fn no_header_of_a_proxy_is_believed(app: TestApp) {
        let (key, session) = (app.auditor_key(), app.sign_in());
        let calls = || [
            app.get("/api/apikeys/current").key(&key),
            app.get("/api/apikeys").key(&key),
            app.get("/api/apikeys").key("garbage"),
            app.get("/api/apikeys"),
            app.get("/api/sessions").with(&session),
            app.delete("/api/apikeys/2147483647").with(&session),
            app.get("/api/nothing"),
        ];
        let plain: Vec<_> = calls().into_iter().map(|call| masked(&call.send())).collect();
        let statuses: Vec<u16> = plain.iter().map(|(status, ..)| *status).collect();
        assert_eq!(statuses, [200, 403, 401, 401, 200, 404, 404]);
        for (name, value) in SPOKEN {
            let spoken: Vec<_> = calls().into_iter().map(|call| masked(&call.header(name, value).send())).collect();
            assert_eq!(spoken, plain, "{name}: {value}");
        }
        let (full, before) = (app.full_key(), app.last_event());
        for (number, (name, value)) in SPOKEN.iter().enumerate() {
            let body = json!({ "keyName": format!("k{number}"), "roleID": 2 });
            app.post("/api/apikeys", body).key(&full).header(name, value).send().expect(200);
            let body = json!({ "userName": ADMIN, "password": PASSWORD });
            app.post("/api/sessions", body).header(name, value).send().expect(200);
            app.clock.advance(1);
        }
        for query in [format!("select distinct address as t from audit_events where id > {before}"), "select distinct address as t from sessions".into()] {
            assert_eq!(app.texts(&query), ["127.0.0.1"]);
        }
    }

    /// T-24: nobody gets more guesses by saying that they come from somewhere else.
    fn no_header_of_a_proxy_leads_round_the_throttle(app: TestApp) {
        let guess = |number: usize| {
            let (name, value) = SPOKEN[number % SPOKEN.len()];
            let address = value.replace("10.0.0.1", &format!("10.0.0.{}", number + 1));
            app.post("/api/sessions", json!({ "userName": ADMIN, "password": "wrong" })).header(name, &address).send().status
        };
        let statuses: Vec<u16> = (0..20).map(guess).collect();
        assert_eq!(statuses.iter().filter(|status| **status == 401).count(), 5, "{statuses:?}");
        assert!(statuses[5..].iter().all(|status| *status == 429), "{statuses:?}");
    }

    /// T-32: whatever host a request names, no answer has it in it: absolute URLs come from the configuration alone.
    fn no_answer_repeats_the_host_of_its_request(app: TestApp) {
        let key = app.full_key();
        let session = app.sign_in();
        let paths: Vec<String> = firstkey::api::routes().iter().filter(|route| route.method == "GET" && !route.path.contains('{'))
            .map(|route| format!("/api{}", route.path)).chain(["/healthz", "/readyz", "/openapi.json", "/api/nothing"].map(String::from)).collect();
        assert!(paths.len() > 8);
        let ask = |host: &str, path: &str, more: &[(&str, &str)]| {
            let mut head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n");
            for (name, value) in more {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            let mut connection = app.connect();
            connection.write_raw(format!("{head}\r\n").as_bytes()).expect("it is taken");
            connection.read(false).expect("an answer")
        };
        let cookie = format!("sID={}", session.sid);
        let by_session = [("Cookie", cookie.as_str()), ("rID", session.rid.as_str())];
        for path in &paths {
            for credential in [&[("api-secret-key", key.as_str())][..], &by_session, &[]] {
                let plain = masked(&ask("localhost", path, credential));
                for host in ["evil.example", "evil.example:443", "localhost.evil.example", "user@evil.example"] {
                    let answer = ask(host, path, credential);
                    if answer.status == 400 && host.contains('@') {
                        continue; // no host at all
                    }
                    assert_eq!(masked(&answer), plain, "{path} {host}");
                }
                for (name, value) in [("X-Forwarded-Host", "evil.example"), ("Forwarded", "host=evil.example"), ("X-Forwarded-Proto", "http")] {
                    let answer = ask("localhost", path, &[credential, &[(name, value)]].concat());
                    assert_eq!(masked(&answer), plain, "{path} {name}");
                }
                assert!(!plain.2.contains("localhost") || path == "/openapi.json", "{path}: {}", plain.2);
            }
        }
        // what is made on request: a sign-in, a key, the link for an authenticator app
        for (path, body) in [
            ("/api/sessions", json!({ "userName": ADMIN, "password": PASSWORD })),
            ("/api/apikeys", json!({ "keyName": "k", "roleID": 2 })),
            ("/api/administrators/1/totp", json!({ "password": PASSWORD })),
        ] {
            let mut request: Request = app.post(path, body).request;
            if path != "/api/sessions" {
                request.headers.extend(by_session.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            }
            let mut text = format!("POST {path} HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\nForwarded: host=evil.example\r\n");
            for (name, value) in &request.headers {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
            text.push_str(&format!("Content-Length: {}\r\n\r\n", request.body.len()));
            let mut connection = app.connect();
            connection.write_raw(&[text.as_bytes(), &request.body].concat()).expect("it is taken");
            let answer = connection.read(false).expect("an answer").expect(200);
            let said = format!("{:?} {}", answer.headers, answer.text());
            assert!(!said.contains("evil"), "{path}: {said}");
        }
    }
}
