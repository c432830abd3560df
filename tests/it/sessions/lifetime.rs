//! How long a session lasts, and what ends it.

use serde_json::json;

use super::guessing::at_once;
use crate::app::{ADMIN, PASSWORD, Session, TestApp};
use crate::both;

const MINUTE: i64 = 60_000;

fn status(app: &TestApp, session: &Session) -> u16 {
    app.get("/api/sessions/current").with(session).send().status
}

both! {
    /// DS-12: thirty idle minutes end a session, to the millisecond.
    fn an_idle_session_ends_after_thirty_minutes(app: TestApp) {
        let session = app.sign_in();
        app.clock.advance(30 * MINUTE - 1);
        assert_eq!(status(&app, &session), 200);
        app.clock.advance(30 * MINUTE);
        assert_eq!(status(&app, &session), 401);
    }

    /// DS-12: use keeps a session alive, but not beyond twelve hours.
    fn no_use_carries_a_session_beyond_twelve_hours(app: TestApp) {
        let session = app.sign_in();
        for _ in 0..35 {
            app.clock.advance(20 * MINUTE);
            assert_eq!(status(&app, &session), 200);
        }
        app.clock.advance(20 * MINUTE - 1);
        assert_eq!(status(&app, &session), 200, "one millisecond before the end");
        app.clock.advance(1);
        assert_eq!(status(&app, &session), 401, "at the very end");
    }

    /// A session's use is written down once a minute, not on every call.
    fn use_is_written_down_once_a_minute(app: TestApp) {
        let session = app.sign_in();
        let written = || app.count("select last_activity as n from sessions");
        let start = written();
        app.clock.advance(MINUTE - 1);
        status(&app, &session);
        assert_eq!(written(), start);
        app.clock.advance(1);
        status(&app, &session);
        assert_eq!(written(), start + MINUTE);
    }

    /// A cookie without its RID does not keep a session alive.
    fn a_stolen_cookie_alone_keeps_nothing_alive(app: TestApp) {
        let session = app.sign_in();
        app.clock.advance(20 * MINUTE);
        app.get("/api/sessions/current").header("Cookie", &format!("sID={}", session.sid)).send().expect(403);
        app.clock.advance(10 * MINUTE);
        assert_eq!(status(&app, &session), 401);
    }

    /// DS-11: signing out ends the session and takes the cookie back.
    fn signing_out_ends_the_session_and_takes_the_cookie_back(app: TestApp) {
        let session = app.sign_in();
        let answer = app.delete("/api/sessions/current").with(&session).send().expect(204);
        assert_eq!(answer.header("set-cookie"), Some("sID=; Path=/; Secure; HttpOnly; Max-Age=0"));
        assert_eq!(status(&app, &session), 401);
        assert_eq!(app.count("select count(*) as n from audit_events where number = 601"), 1);
    }

    /// T-38: whatever is in flight while a session is signed out, it stays ended, and no other appears.
    fn nothing_in_flight_revives_a_session(app: TestApp, |setup| setup.workers = 2) {
        for _ in 0..25 {
            let session = app.sign_in();
            // from here on every call is due to note the session's use
            app.clock.advance(2 * MINUTE);
            at_once(6, |number| match number {
                0 => drop(app.delete("/api/sessions/current").with(&session).send()),
                _ => {
                    let answer = app.get("/api/sessions").with(&session).send();
                    assert!(matches!(answer.status, 200 | 401), "{}", answer.text());
                    assert_eq!(answer.header("set-cookie"), None);
                }
            });
            assert_eq!(status(&app, &session), 401);
        }
        assert_eq!(app.count("select count(*) as n from sessions where ended_at is null"), 0);
        assert_eq!(app.count("select count(*) as n from sessions"), 25);
    }

    /// T-16: a new password ends every other session at once, and the one that set it goes on.
    fn a_new_password_ends_the_other_sessions(app: TestApp) {
        let (mine, other) = (app.sign_in(), app.sign_in());
        let change = json!({ "currentPassword": PASSWORD, "newPassword": "an entirely different sentence 7" });
        app.post("/api/administrators/1/password", change).with(&mine).send().expect(204);
        assert_eq!((status(&app, &mine), status(&app, &other)), (200, 401));
        app.try_sign_in(ADMIN, PASSWORD).expect(401);
        app.try_sign_in(ADMIN, "an entirely different sentence 7").expect(200);
    }

    /// T-16: an administrator who is locked has no session any more.
    fn a_locked_administrators_sessions_are_over(app: TestApp) {
        app.administrator("ben", PASSWORD, 1, 0);
        let session = Session::from(&app.try_sign_in("ben", PASSWORD).expect(200));
        app.execute("update administrators set active = false where username = 'ben'");
        assert_eq!(status(&app, &session), 401);
    }

    /// A sign-in that came while the account was changed is refused, however right it was.
    fn a_suspended_tenants_people_are_out(app: TestApp) {
        let tenant = app.tenant("Acme");
        app.administrator("anna", PASSWORD, 1, tenant);
        let sign_in = || app.post("/api/sessions", json!({ "userName": "anna", "password": PASSWORD, "tenantName": "ACME" })).send();
        let session = Session::from(&sign_in().expect(200));
        assert_eq!(status(&app, &session), 200);
        app.execute("update tenants set state = 'suspended' where name = 'Acme'");
        assert_eq!(status(&app, &session), 401);
        sign_in().expect(401);
    }
}
