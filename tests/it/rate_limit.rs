//! How often anybody may call.

use std::time::{Duration, Instant};

use firstkey::config::RateLimit;
use serde_json::json;

use crate::app::{PASSWORD, Session, TestApp, secret};
use crate::both;
use crate::settings::{other_tenant, sign_in_to};

both! {
    /// DS-48, DS-49: a key's calls are counted over 60 s, those that are refused are not, and each key has its own.
    fn a_key_may_call_so_often_and_no_more(app: TestApp, |setup| setup.rate_limit = RateLimit { user: 5, ..RateLimit::OFF }) {
        let (mine, other) = (secret(&app.mint("mine", 1)), secret(&app.mint("other", 1)));
        let call = |key: &str| app.get("/api/apikeys/current").key(key).send();
        for _ in 0..5 {
            call(&mine).expect(200);
            app.clock.advance(1_000);
        }
        for _ in 0..3 {
            let refused = call(&mine);
            assert_eq!(refused.refusal(), (429, "too_many_requests".into()));
            assert_eq!(refused.json()["message"], "Too many API requests.");
            assert_eq!(refused.header("retry-after"), Some("56"), "the first call's second has passed 5 s ago");
        }
        call(&other).expect(200);
        app.clock.advance(56_000);
        call(&mine).expect(200);
        assert_eq!(call(&mine).expect(429).header("retry-after"), Some("1"));
    }

    /// DS-48: a person's sessions count together; tenants and the whole node have their own limits.
    fn people_tenants_and_the_node_have_their_limits(app: TestApp, |setup| setup.rate_limit = RateLimit { user: 4, tenant: 6, node: 15 }) {
        let (_, blue) = other_tenant(&app); // one call of the other tenant's person
        let sessions = [app.sign_in(), app.sign_in()];
        let current = |session: &Session| app.get("/api/sessions/current").with(session).send().status;
        assert_eq!([0, 1, 0, 1, 0].map(|at| current(&sessions[at])), [200, 200, 200, 200, 429]);
        app.administrator("guest", PASSWORD, 1, 0);
        let guest = Session::from(&app.try_sign_in("guest", PASSWORD).expect(200));
        assert_eq!([0; 3].map(|_| current(&guest)), [200, 200, 429], "six of the tenant");
        assert_eq!([0; 5].map(|_| app.get("/api/roles").key(&blue).send().status), [200, 200, 200, 200, 429]);
        let theirs = Session::from(&sign_in_to(&app, "Blue", "blue", PASSWORD).expect(200));
        assert_eq!([0; 2].map(|_| current(&theirs)), [200, 429], "six of that tenant");
    }

    /// DS-48: the node's limit is everybody's.
    fn the_nodes_limit_is_everybodys(app: TestApp, |setup| setup.rate_limit = RateLimit { node: 3, ..RateLimit::OFF }) {
        let (_, blue) = other_tenant(&app);
        let session = app.sign_in();
        app.get("/api/roles").key(&blue).send().expect(200);
        app.get("/api/roles").with(&session).send().expect(200);
        app.get("/api/roles").key(&blue).send().expect(429);
    }

    /// DS-48: only calls of somebody who is known, on routes that there are, count; the order of refusals holds.
    fn what_does_not_count(app: TestApp, |setup| setup.rate_limit = RateLimit { user: 2, tenant: 3, node: 3 }) {
        let session = app.sign_in();
        app.administrator("weak", PASSWORD, 2, 0);
        let weak = Session::from(&app.try_sign_in("weak", PASSWORD).expect(200));
        for _ in 0..10 {
            app.get("/api/nothing").with(&session).send().expect(404);
            app.call("PUT", "/api/roles").with(&session).send().expect(405);
            app.get("/api/roles").with(&session).header("api-version", "v2").send().expect(400);
            app.get("/api/roles").send().expect(401);
            app.get("/api/roles").header("Cookie", &format!("sID={}", session.sid)).send().expect(403);
            app.get("/healthz").send().expect(200);
        }
        app.get("/api/apikeys").with(&weak).send().expect(403);
        app.get("/api/apikeys/7").with(&weak).send().expect(403);
        assert_eq!(app.get("/api/apikeys").with(&weak).send().refusal(), (429, "too_many_requests".into()), "before the right");
        assert_eq!(app.get("/api/apikeys/current").with(&weak).send().refusal(), (429, "too_many_requests".into()), "before the kind");
        assert_eq!(app.get("/api/roles").with(&weak).header("api-version", "v2").send().refusal(), (400, "unknown_api_version".into()));
        app.try_sign_in("weak", PASSWORD).expect(200);
        assert_eq!(app.delete("/api/sessions/current").with(&weak).send().refusal(), (429, "too_many_requests".into()));
        assert_eq!(app.get("/api/sessions").with(&session).send().status, 200);
    }

    /// T-29: a call too many is answered before its body is read: be it huge, deep, or never sent.
    fn the_limit_comes_before_the_body(app: TestApp, |setup| setup.rate_limit = RateLimit { user: 1, ..RateLimit::OFF }) {
        let key = secret(&app.mint("busy", 1));
        app.get("/api/apikeys/current").key(&key).send().expect(200);
        let before = app.rows();
        for body in ["{".repeat(3_000_000), "[".repeat(50_000), "no JSON".to_owned(), json!({ "keyName": "k", "roleID": 2 }).to_string()] {
            let answer = app.call("POST", "/api/apikeys").body(body).key(&key).send();
            assert_eq!(answer.refusal(), (429, "too_many_requests".into()));
        }
        for framing in ["Content-Length: 9", "Content-Length: 3000000", "Transfer-Encoding: chunked"] {
            let begun = Instant::now();
            let mut connection = app.connect();
            let head = format!("POST /api/apikeys HTTP/1.1\r\nHost: x\r\napi-secret-key: {key}\r\nContent-Type: application/json\r\n{framing}\r\n\r\n");
            connection.write_raw(head.as_bytes()).expect("it is taken");
            assert_eq!(connection.read(false).expect("an answer").refusal(), (429, "too_many_requests".into()), "{framing}");
            assert!(begun.elapsed() < Duration::from_secs(4), "{framing}: not after the ten seconds that a body has");
        }
        app.assert_rows(&before, "refused calls change nothing");
    }
}
