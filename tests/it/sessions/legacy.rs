//! `/rest/authentication`: the sign-in of the older API.

use serde_json::{Value, json};

use super::second_factor::enrol;
use crate::app::{ADMIN, PASSWORD, START, Session, Setup, TestApp};
use crate::both;
use crate::http::Answer;

const PRIMARY: &str = "/rest/authentication/login/primary";
const LOGIN: &str = "/rest/authentication/login";

fn wish(name: &str, password: &str) -> Value {
    json!({ "dsCredentials": { "userName": name, "password": password } })
}

fn on(setup: &mut Setup) {
    setup.rules.legacy_login = true;
}

fn sid(app: &TestApp) -> String {
    app.post(PRIMARY, wish(ADMIN, PASSWORD)).send().expect(200).text()
}

fn by_cookie(app: &TestApp, sid: &str) -> Answer {
    app.get("/api/apikeys").header("Cookie", &format!("sID={sid}")).send()
}

/// A refusal in the older shape and no other; its message.
#[track_caller]
fn message(answer: &Answer, status: u16) -> String {
    assert_eq!((answer.status, answer.header("content-type")), (status, Some("application/json")), "{}", answer.text());
    let body = answer.json();
    let message = body["error"]["message"].as_str().unwrap_or_default().to_owned();
    assert_eq!(body, json!({ "error": { "message": message } }));
    assert!(message.len() > 10, "{message}");
    message
}

both! {
    /// DS-10: without the setting there is no such route.
    fn without_the_setting_there_is_no_such_route(app: TestApp) {
        for (method, path) in [("POST", PRIMARY), ("POST", LOGIN), ("DELETE", "/rest/authentication/logout?sID=x"), ("GET", "/rest")] {
            let answer = app.call(method, path).json(wish(ADMIN, PASSWORD)).send();
            assert_eq!(answer.refusal(), (404, "no_such_route".into()), "{method} {path}");
        }
    }

    /// DS-10: the answer is the bare session ID and no cookie; the cookie alone then does, and the query signs out.
    fn the_bare_session_id_is_answered_and_does_alone(app: TestApp, on) {
        let answer = app.post(PRIMARY, wish(ADMIN, PASSWORD)).send().expect(200);
        assert_eq!((answer.header("content-type"), answer.header("set-cookie")), (Some("text/plain"), None));
        let sid = answer.text();
        assert!(sid.len() == 32 && sid.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase()), "{sid}");
        by_cookie(&app, &sid).expect(200);
        let made = app.post("/api/apikeys", json!({ "keyName": "k", "roleID": 2 })).header("Cookie", &format!("sID={sid}"));
        made.send().expect(200);
        app.get(&format!("/api/apikeys?sID={sid}")).send().expect(401);
        let before = app.last_event();
        let answer = app.delete(&format!("/rest/authentication/logout?sID={sid}")).send().expect(200);
        assert!(answer.body.is_empty() && answer.header("set-cookie").is_none());
        let events = app.events_after(before);
        assert!(events.len() == 1 && events[0].starts_with("601 administrator/1/MasterAdmin"), "{events:?}");
        assert_eq!(by_cookie(&app, &sid).refusal(), (401, "session_ended".into()));
        message(&app.delete(&format!("/rest/authentication/logout?sID={sid}")).send(), 401);
    }

    /// DS-10: it signs out by the cookie too, or by both; not by two different ones, and not an ordinary session.
    fn signing_out_takes_cookie_or_query(app: TestApp, on) {
        let logout = "/rest/authentication/logout";
        let first = sid(&app);
        app.delete(logout).header("Cookie", &format!("sID={first}")).send().expect(200);
        let (second, third) = (sid(&app), sid(&app));
        let both = |query: &str| app.delete(&format!("{logout}?x=y&sID={query}")).header("Cookie", &format!("sID={second}")).send();
        message(&both(&third), 401);
        message(&both("nonsense"), 401);
        message(&app.delete(&format!("{logout}?sID=%00")).send(), 401);
        message(&app.delete(logout).send(), 401);
        both(&second).expect(200);
        let Session { sid, .. } = app.sign_in();
        message(&app.delete(&format!("{logout}?sID={sid}")).send(), 403);
        by_cookie(&app, &third).expect(200);
    }

    /// DS-10: the second route takes the tenant's name; the first is for the primary tenant, whatever the body says.
    fn a_tenant_is_named_in_the_body(app: TestApp, on) {
        let blue = app.tenant("Blue");
        app.administrator("blue", PASSWORD, 1, blue);
        let body = json!({ "dsCredentials": { "userName": "blue", "password": PASSWORD, "tenantName": "BLUE" } });
        let sid = app.post(LOGIN, body.clone()).send().expect(200).text();
        let current = app.get("/api/sessions/current").header("Cookie", &format!("sID={sid}")).send().expect(200).json();
        assert_eq!((&current["accessType"], &current["created"]), (&json!("webService"), &json!(START.millis())));
        message(&app.post(PRIMARY, body).send(), 401);
        app.post(LOGIN, wish(ADMIN, PASSWORD)).send().expect(200);
        app.post(LOGIN, json!({ "dsCredentials": { "userName": ADMIN, "password": PASSWORD, "tenantName": "primary" } })).send().expect(200);
        message(&app.post(LOGIN, wish("blue", PASSWORD)).send(), 401);
        assert_eq!(app.texts("select distinct kind as t from sessions"), ["legacy"]);
    }

    /// Such a session has no request ID, so whatever a browser may have sent is refused: for it, and for signing in.
    fn what_a_browser_sends_is_refused(app: TestApp, on) {
        let sid = sid(&app);
        let before = app.rows();
        for (name, value) in [("Origin", "https://keys.example.org"), ("origin", "null"), ("Referer", "https://keys.example.org/"), ("Sec-Fetch-Site", "same-origin"),
            ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "empty"), ("sec-fetch-user", "?1"), ("Sec-Fetch-Anything", "")] {
            let cookie = format!("sID={sid}");
            let call = app.post("/api/apikeys", json!({ "keyName": "k", "roleID": 2 })).header("Cookie", &cookie).header(name, value);
            assert_eq!(call.send().refusal(), (403, "browser_refused".into()), "{name}");
            let with_a_rid = app.get("/api/apikeys").header("Cookie", &cookie).header("rID", &"0".repeat(32)).header(name, value);
            assert_eq!(with_a_rid.send().refusal(), (403, "browser_refused".into()), "{name}");
            message(&app.post(PRIMARY, wish(ADMIN, PASSWORD)).header(name, value).send(), 403);
            message(&app.delete("/rest/authentication/logout").header("Cookie", &cookie).header(name, value).send(), 403);
        }
        app.assert_rows(&before, "refused");
        by_cookie(&app, &sid).expect(200);
    }

    /// Ten minutes without a call end it, though the others have thirty.
    fn ten_idle_minutes_end_it(app: TestApp, on) {
        let (sid, other) = (sid(&app), app.sign_in());
        for _ in 0..3 {
            app.clock.advance(10 * 60_000 - 1);
            by_cookie(&app, &sid).expect(200);
        }
        app.clock.advance(10 * 60_000);
        assert_eq!(by_cookie(&app, &sid).refusal(), (401, "session_ended".into()));
        app.get("/api/apikeys").with(&other).send().expect(401);
    }

    /// Every refused attempt has the same bytes: also the right password of somebody with MFA, for whose code there is
    /// no place.
    fn refusals_are_alike(app: TestApp, |setup| { setup.rules.legacy_login = true; setup.rules.throttle = false; }) {
        app.administrator("locked", PASSWORD, 1, 0);
        app.execute("update administrators set active = false where username = 'locked'");
        let wrong = message(&app.post(PRIMARY, wish(ADMIN, "wrong")).send(), 401);
        enrol(&app);
        let runs = app.app.lane.runs();
        for body in [wish(ADMIN, PASSWORD), wish("nobody", PASSWORD), wish("locked", PASSWORD),
            json!({ "dsCredentials": { "userName": ADMIN, "password": PASSWORD, "mfaCode": "000000" } })] {
            assert_eq!(message(&app.post(PRIMARY, body).send(), 401), wrong);
        }
        assert_eq!(app.app.lane.runs() - runs, 4);
        assert_eq!(app.count("select count(*) as n from sessions where kind = 'legacy'"), 0);
    }

    /// The throttle is that of the other sign-in: an attempt here is one there.
    fn attempts_are_counted_together(app: TestApp, on) {
        for _ in 0..2 {
            app.try_sign_in(ADMIN, "wrong").expect(401);
            message(&app.post(PRIMARY, wish(ADMIN, "wrong")).send(), 401);
        }
        app.try_sign_in(ADMIN, "wrong").expect(401);
        let answer = app.post(PRIMARY, wish(ADMIN, PASSWORD)).send();
        message(&answer, 429);
        assert_eq!(answer.header("retry-after"), Some("1"));
    }

    /// What cannot be read is refused in the older shape too, as is what is no route.
    fn bad_input_is_refused_in_the_older_shape(app: TestApp, on) {
        let before = app.rows();
        for (body, says) in [
            (json!({}), "dsCredentials:"),
            (json!({ "userName": ADMIN, "password": PASSWORD }), "dsCredentials:"),
            (json!({ "dsCredentials": { "password": PASSWORD } }), "userName:"),
            (json!({ "dsCredentials": { "userName": ADMIN } }), "password:"),
            (json!({ "dsCredentials": { "userName": ADMIN, "password": 31_415_926 } }), "dsCredentials.password:"),
            (json!({ "dsCredentials": [] }), "dsCredentials:"),
        ] {
            let said = message(&app.post(PRIMARY, body.clone()).send(), 400);
            assert!(said.starts_with(says) && !said.contains("31415926"), "{body}: {said}");
        }
        let xml = app.call("POST", PRIMARY).header("Content-Type", "application/xml");
        let mut xml = xml;
        xml.request.body = b"<dsCredentials/>".to_vec();
        message(&xml.send(), 415);
        message(&app.call("POST", PRIMARY).body("{").send(), 400);
        message(&app.call("POST", PRIMARY).body(format!("{{{}}}", " ".repeat(4_096))).send(), 413);
        message(&app.post(PRIMARY, wish(ADMIN, PASSWORD)).header("api-version", "v2").send(), 400);
        message(&app.get(PRIMARY).send(), 405);
        message(&app.get("/rest/nothing").send(), 404);
        message(&app.get("/rest/apiVersion").send(), 404);
        app.assert_rows(&before, "refused");
        assert_eq!(app.get("/api/nothing").send().refusal(), (404, "no_such_route".into()), "the other shape elsewhere");
    }
}
