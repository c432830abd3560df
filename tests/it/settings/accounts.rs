use serde_json::json;

use super::{other_tenant, path, sign_in_to};
use crate::app::{PASSWORD, Session, TestApp};
use crate::both;

both! {
    /// DS-13: the attempts that wait for nothing are a setting; unknown names and tenants are answered as known ones.
    fn the_free_attempts_are_a_setting(app: TestApp) {
        let (key, (_, blue)) = (app.full_key(), other_tenant(&app));
        app.administrator("guest", PASSWORD, 1, 0);
        // another tenant's own number tells nobody that it is there
        app.set(&blue, "UserSignInAttemptsAllowedNumber", "9").expect(200);
        app.set(&key, "UserSignInAttemptsAllowedNumber", "3").expect(200);
        let attempts = |tenant: &str, name: &str| (0..5).map(|_| sign_in_to(&app, tenant, name, "wrong").status).collect::<Vec<_>>();
        for (tenant, name) in [("", "guest"), ("", "nobody"), ("Blue", "blue"), ("Blue", "nobody"), ("Nowhere", "nobody")] {
            assert_eq!(attempts(tenant, name), [401, 401, 401, 429, 429], "{tenant} {name}");
        }
        app.clock.advance(1_000);
        sign_in_to(&app, "", "guest", PASSWORD).expect(200);
        app.set(&key, "UserSignInAttemptsAllowedNumber", "1").expect(200);
        let answers: Vec<u16> = (0..2).map(|_| sign_in_to(&app, "", "guest", "wrong").status).collect();
        assert_eq!(answers, [401, 429]);
    }

    /// DS-13: where a setting says so, an account is locked after the allowed number of failures; off by default.
    fn an_account_is_locked_where_a_setting_says_so(app: TestApp, |setup| setup.rules.throttle = false) {
        let key = app.full_key();
        let (guest, other) = (app.administrator("guest", PASSWORD, 1, 0), app.administrator("other", PASSWORD, 1, 0));
        let wrong = |name: &str, times: usize| for _ in 0..times { app.try_sign_in(name, "wrong").expect(401); };
        let active = |id: i64| app.count(&format!("select count(*) as n from administrators where active and id = {id}"));
        wrong("guest", 20);
        app.try_sign_in("guest", PASSWORD).expect(200);
        app.set(&key, "UserSignInAttemptsLockEnabled", "true").expect(200);
        app.set(&key, "UserSignInAttemptsAllowedNumber", "3").expect(200);
        wrong("guest", 2);
        let session = Session::from(&app.try_sign_in("guest", PASSWORD).expect(200));
        let after = app.last_event();
        wrong("guest", 3);
        assert_eq!((active(guest), active(other)), (0, 1));
        assert_eq!(app.try_sign_in("guest", PASSWORD).refusal(), (401, "sign_in_failed".into()), "as if the password were wrong");
        assert_eq!(app.get("/api/sessions/current").with(&session).send().status, 401);
        let locked: Vec<String> = app.events_after(after).into_iter().filter(|event| event.starts_with("603 ")).collect();
        assert_eq!(locked.len(), 1, "{locked:?}");
        assert!(locked[0].contains(r#"{"attempts":3}"#) && locked[0].contains("/guest "), "{}", locked[0]);
        wrong("nobody", 5);
    }

    /// DS-16: where a setting says so, a session without MFA may do nothing but turn it on.
    fn mfa_can_be_required(app: TestApp) {
        let (key, (_, blue)) = (app.full_key(), other_tenant(&app));
        let id = app.administrator("guest", PASSWORD, 1, 0);
        let session = Session::from(&app.try_sign_in("guest", PASSWORD).expect(200));
        let theirs = Session::from(&sign_in_to(&app, "Blue", "blue", PASSWORD).expect(200));
        app.set(&key, "UserMFARequiredEnabled", "true").expect(200);
        assert_eq!(app.get("/api/roles").with(&session).send().refusal(), (403, "mfa_required".into()));
        app.get("/api/roles").with(&theirs).send().expect(200);
        app.get("/api/roles").key(&key).send().expect(200);
        app.get("/api/roles").key(&blue).send().expect(200);
        app.post(&format!("/api/administrators/{id}/totp"), json!({ "password": PASSWORD })).with(&session).send().expect(200);
        assert_eq!(app.get("/api/roles").with(&session).send().refusal(), (403, "mfa_required".into()), "not confirmed yet");
        app.delete(&path("UserMFARequiredEnabled")).key(&key).send().expect(200);
        app.get("/api/roles").with(&session).send().expect(200);
    }
}
