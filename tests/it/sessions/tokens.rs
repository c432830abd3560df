//! The session ID and the request ID: made afresh, bound to each other, taken in one form only.

use crate::app::{ADMIN, PASSWORD, Session, TestApp};
use crate::both;
use serde_json::json;

fn current(app: &TestApp, cookie: &str, rid: Option<&str>) -> (u16, String) {
    let call = app.get("/api/sessions/current").header("Cookie", cookie);
    let call = rid.into_iter().fold(call, |call, rid| call.header("rID", rid));
    call.send().refusal()
}

both! {
    /// DS-07: the RID is needed on every call made with the cookie, also on those that only read.
    fn a_session_is_cookie_and_rid_together(app: TestApp) {
        let session = app.sign_in();
        let cookie = format!("sID={}", session.sid);
        assert_eq!(current(&app, &cookie, Some(&session.rid)), (200, String::new()));
        for (rid, why) in [
            (None, "missing"),
            (Some("0".repeat(32)), "another"),
            (Some(session.rid.to_lowercase()), "in lower case"),
            (Some(format!("{} ", &session.rid[..31])), "cut short"),
        ] {
            assert_eq!(current(&app, &cookie, rid.as_deref()), (403, "wrong_request_id".into()), "{why}");
        }
        app.get("/api/sessions/current").with(&session).header("rID", &session.rid).send().expect(403);
        assert_eq!(app.count("select count(*) as n from audit_events where number = 608"), 5);
        for call in [app.get(&format!("/api/sessions/current?rID={}", session.rid)), app.get("/api/sessions/current").json(json!({ "RID": session.rid }))] {
            call.header("Cookie", &cookie).send().expect(403);
        }
    }

    /// DS-02: header names match in any case.
    fn header_names_match_in_any_case(app: TestApp) {
        let session = app.sign_in();
        for name in ["rID", "RID", "rid", "Rid"] {
            app.get("/api/sessions/current").header("cookie", &format!("sID={}", session.sid)).header(name, &session.rid).header("API-Version", "v1").send().expect(200);
        }
    }

    /// T-37: two sessions' RIDs do not open each other's.
    fn a_rid_belongs_to_one_session(app: TestApp) {
        let (one, two) = (app.sign_in(), app.sign_in());
        for (session, other) in [(&one, &two), (&two, &one)] {
            assert_eq!(current(&app, &format!("sID={}", session.sid), Some(&other.rid)), (403, "wrong_request_id".into()));
            assert_eq!(current(&app, &format!("sID={}", session.sid), Some(&session.rid)).0, 200);
        }
    }

    /// T-14: whatever cookie is planted before a sign-in, the ID afterwards is new and the planted one is dead.
    fn a_planted_cookie_never_becomes_a_session(app: TestApp) {
        app.administrator("ben", PASSWORD, 1, 0);
        let others = Session::from(&app.try_sign_in("ben", PASSWORD).expect(200)).sid;
        let ended = app.sign_in();
        app.delete("/api/sessions/current").with(&ended).send().expect(204);
        let own = app.sign_in();
        let unknown = "D5EE2AC155601C895B33B701080D40A6".to_owned();
        let mut planted = vec![others.clone(), ended.sid.clone(), own.sid.clone(), unknown.clone(), String::new(), "x".into(), unknown.to_lowercase()];
        planted.extend((0..40).map(|n| format!("{n:032X}")));
        for sid in planted {
            let sign_in = app.post("/api/sessions", json!({ "userName": ADMIN, "password": PASSWORD })).header("Cookie", &format!("sID={sid}"));
            let session = Session::from(&sign_in.send().expect(200));
            assert_ne!(session.sid, sid);
            assert_eq!(current(&app, &format!("sID={sid}"), Some(&session.rid)).0, 401, "{sid:?} lives");
            assert_eq!(current(&app, &format!("sID={}", session.sid), Some(&session.rid)).0, 200);
        }
        let twice = app.post("/api/sessions", json!({ "userName": ADMIN, "password": PASSWORD })).header("Cookie", &format!("sID={unknown}; sID={unknown}"));
        assert_ne!(Session::from(&twice.send().expect(200)).sid, unknown);
    }

    /// T-15: the next person at the same browser gets an ID of their own, and the last one's is dead.
    fn the_next_person_gets_another_id(app: TestApp) {
        app.administrator("ben", PASSWORD, 1, 0);
        let first = app.sign_in();
        app.delete("/api/sessions/current").with(&first).send().expect(204);
        let sign_in = app.post("/api/sessions", json!({ "userName": "ben", "password": PASSWORD })).header("Cookie", &format!("sID={}", first.sid));
        let second = Session::from(&sign_in.send().expect(200));
        assert_ne!((&first.sid, &first.rid), (&second.sid, &second.rid));
        assert_eq!(current(&app, &format!("sID={}", first.sid), Some(&first.rid)).0, 401);
        assert_eq!(current(&app, &format!("sID={}", second.sid), Some(&first.rid)), (403, "wrong_request_id".into()));
    }

    /// Two cookies `sID`, in one header or in two, are none; other cookies do not matter.
    fn two_session_cookies_are_none(app: TestApp) {
        let session = app.sign_in();
        let sid = format!("sID={}", session.sid);
        for cookies in [vec![format!("{sid}; {sid}")], vec![sid.clone(), sid.clone()], vec![format!("{sid}; sID=")]] {
            let call = app.get("/api/sessions/current").header("rID", &session.rid);
            let call = cookies.iter().fold(call, |call, cookie| call.header("Cookie", cookie));
            assert_eq!(call.send().refusal(), (401, "session_ended".into()), "{cookies:?}");
        }
        let among = format!("a=b; {sid}; theme=dark; SID=x");
        assert_eq!(current(&app, &among, Some(&session.rid)).0, 200);
    }

    /// Neither token is stored: the database knows digests only.
    fn the_database_knows_digests_only(app: TestApp) {
        let session = app.sign_in();
        let digest = |column: &str| match app.backend {
            crate::app::Backend::Sqlite => format!("hex({column})"),
            crate::app::Backend::Postgres => format!("upper(encode({column}, 'hex'))"),
        };
        for column in ["sid_digest", "rid_digest"] {
            let clear = format!("select count(*) as n from sessions where {0} like '%{1}%' or {0} like '%{2}%'", digest(column), session.sid, session.rid);
            assert_eq!(app.count(&clear), 0);
        }
    }
}
