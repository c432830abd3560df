//! `POST /api/sessions` as the documentation shows it.

use serde_json::json;

use crate::app::{ADMIN, PASSWORD, START, Session, TestApp};
use crate::both;

both! {
    /// DS-04, DS-06: 141 bytes, the five members in the documented order.
    fn the_answer_is_the_documented_one_byte_for_byte(app: TestApp) {
        let answer = app.try_sign_in(ADMIN, PASSWORD).expect(200);
        assert_eq!(answer.header("content-length"), Some("141"));
        let rid = Session::from(&answer).rid;
        let now = START.millis();
        assert_eq!(
            answer.text(),
            format!(r#"{{"administratorID":1,"created":{now},"lastActivity":{now},"accessType":"webService","RID":"{rid}"}}"#)
        );
        assert!(rid.len() == 32 && rid.bytes().all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte)));
    }

    /// DS-03, T-17: the cookie's line is exactly the documented one.
    fn the_cookie_is_the_documented_line(app: TestApp) {
        let answer = app.try_sign_in(ADMIN, PASSWORD).expect(200);
        let sid = Session::from(&answer).sid;
        assert_eq!(answer.header("set-cookie"), Some(format!("sID={sid}; Path=/; Secure; HttpOnly").as_str()));
        assert!(sid.len() == 32 && sid.bytes().all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte)));
    }

    /// DS-05: the four documented headers, with the documented values.
    fn the_headers_are_the_documented_ones(app: TestApp) {
        let answer = app.try_sign_in(ADMIN, PASSWORD).expect(200);
        for (name, value) in [
            ("X-Frame-Options", "SAMEORIGIN"),
            ("X-XSS-Protection", "1;mode=block"),
            ("Cache-Control", "no-cache,no-store"),
            ("Pragma", "no-cache"),
            ("Content-Type", "application/json"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
    }

    /// DS-01: the primary tenant answers to its own name and to none.
    fn the_primary_tenant_has_a_name_and_needs_none(app: TestApp) {
        for tenant in [json!(null), json!(""), json!("Primary"), json!("PRIMARY")] {
            let body = json!({ "userName": ADMIN, "password": PASSWORD, "tenantName": tenant });
            app.post("/api/sessions", body).send().expect(200);
        }
    }

    /// T-17: a browser's sign-in, told by `Sec-Fetch-Site`, gets `SameSite=Strict`; no other header changes the line.
    fn only_a_browsers_cookie_is_strict(app: TestApp) {
        let sign_in = || app.post("/api/sessions", json!({ "userName": ADMIN, "password": PASSWORD }));
        let browser = sign_in().header("Sec-Fetch-Site", "same-origin").send().expect(200);
        let line = browser.header("set-cookie").expect("a cookie").to_owned();
        assert!(line.ends_with("; Path=/; Secure; HttpOnly; SameSite=Strict"), "{line}");
        for (name, value) in [("X-Forwarded-Proto", "http"), ("Origin", "https://elsewhere"), ("Forwarded", "proto=http"), ("User-Agent", "Mozilla/5.0")] {
            let line = sign_in().header(name, value).send().expect(200).header("set-cookie").expect("a cookie").to_owned();
            assert!(line.ends_with("; Path=/; Secure; HttpOnly"), "{name}: {line}");
        }
    }

    /// T-06: other spellings of a name are the same account, or are refused.
    fn spellings_of_a_name_are_one_account_or_refused(app: TestApp) {
        for same in ["masteradmin", "MASTERADMIN", "ＭａｓｔｅｒＡｄｍｉｎ"] {
            app.try_sign_in(same, PASSWORD).expect(200);
        }
        for refused in [" MasterAdmin", "MasterAdmin ", "Master\u{200b}Admin", "Master\u{202e}Admin", "Master\0Admin", "", "Master\nAdmin"] {
            assert_eq!(app.try_sign_in(refused, PASSWORD).refusal(), (400, "malformed".into()), "{refused:?}");
        }
        for unknown in ["Primary\\MasterAdmin", "MasterAdmin@Primary", "MasterAdmın"] {
            assert_eq!(app.try_sign_in(unknown, PASSWORD).refusal(), (401, "sign_in_failed".into()), "{unknown:?}");
        }
    }

    /// T-06: spellings share one throttle.
    fn spellings_of_a_name_share_one_counter(app: TestApp) {
        for spelling in ["masteradmin", "MASTERADMIN", "ＭａｓｔｅｒＡｄｍｉｎ", "MasterAdmin", "mASTERaDMIN"] {
            app.try_sign_in(spelling, "wrong").expect(401);
        }
        app.try_sign_in("MasteRAdmiN", "wrong").expect(429);
    }

    /// T-13: what stands behind bcrypt's 72nd byte counts, and 64 characters of four bytes are a password.
    fn passwords_count_to_their_last_byte(app: TestApp) {
        let long = format!("{}🔑", "正しい馬の電池".repeat(12));
        assert!(long.len() > 200);
        app.administrator("long", &long, 1, 0);
        app.administrator("keys", &"🗝".repeat(64), 1, 0);
        app.administrator("nul", "one\0two", 1, 0);
        app.try_sign_in("long", &long).expect(200);
        app.try_sign_in("keys", &"🗝".repeat(64)).expect(200);
        app.try_sign_in("nul", "one\0two").expect(200);
        for (name, password) in [
            ("long", long.replace('🔑', "🔒")),
            ("long", long.chars().take(24).collect()),
            ("keys", "🗝".repeat(63)),
            ("nul", "one\0three".into()),
            ("nul", "one".into()),
        ] {
            app.try_sign_in(name, &password).expect(401);
        }
    }

    /// DS-12: an eleventh session ends the oldest.
    fn the_oldest_of_eleven_sessions_ends(app: TestApp) {
        let sessions: Vec<Session> = (0..11).map(|_| { app.clock.advance(1); app.sign_in() }).collect();
        let alive = |session: &Session| app.get("/api/sessions/current").with(session).send().status;
        assert_eq!(alive(&sessions[0]), 401);
        assert!(sessions[1..].iter().all(|session| alive(session) == 200));
        assert_eq!(app.count("select count(*) as n from audit_events where number = 5001"), 1);
    }

    /// DS-11: one's own sessions, newest first, are there to be looked at.
    fn ones_own_sessions_are_listed(app: TestApp) {
        let (old, new) = (app.sign_in(), { app.clock.advance(5); app.sign_in() });
        app.administrator("other", "another password of some length", 1, 0);
        app.try_sign_in("other", "another password of some length").expect(200);
        let list = app.get("/api/sessions").with(&old).send().expect(200).json();
        let current: Vec<bool> = list["sessions"].as_array().expect("a list").iter().map(|entry| entry["current"] == true).collect();
        assert_eq!(current, [false, true]);
        assert_eq!(list["sessions"][0]["address"], "127.0.0.1");
        assert_eq!(app.get("/api/sessions").with(&new).send().json()["sessions"][0]["current"], true);
    }
}
