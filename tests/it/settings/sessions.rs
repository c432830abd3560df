use serde_json::json;

use super::{other_tenant, path, sign_in_to};
use crate::app::{ADMIN, PASSWORD, Session, TestApp};
use crate::both;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

both! {
    /// DS-12: a shorter idle time holds at once, for sessions that are open too, and for its tenant only.
    fn the_idle_time_is_a_setting(app: TestApp) {
        let (key, (_, blue)) = (app.full_key(), other_tenant(&app));
        let (mine, theirs) = (app.sign_in(), Session::from(&sign_in_to(&app, "Blue", "blue", PASSWORD).expect(200)));
        let live = |session: &Session| app.get("/api/sessions/current").with(session).send().status;
        app.clock.advance(10 * MINUTE - 1);
        app.set(&key, "UserSessionIdleTimeout", "10 Minutes").expect(200);
        let kept = app.sign_in();
        assert_eq!((live(&mine), live(&theirs)), (200, 200));
        app.clock.advance(10 * MINUTE);
        assert_eq!((live(&mine), live(&kept), live(&theirs)), (401, 401, 200));
        app.set(&blue, "UserSessionIdleTimeout", "1 Hours").expect(200);
        app.clock.advance(HOUR - 1);
        assert_eq!(live(&theirs), 200);
        app.clock.advance(HOUR);
        assert_eq!(live(&theirs), 401);
    }

    /// DS-12: a shorter longest life ends what is older already; a longer one holds for sessions to come.
    fn the_longest_life_is_a_setting(app: TestApp) {
        let key = app.full_key();
        let expires = |session: &Session| app.get("/api/sessions/current").with(session).send().json()["expires"].as_i64();
        let live = |session: &Session| app.get("/api/sessions/current").with(session).send().status;
        let session = app.sign_in();
        let created = app.clock.now().millis();
        app.set(&key, "UserSessionIdleTimeout", "30 Days").expect(200);
        app.clock.advance(HOUR);
        app.set(&key, "UserSessionDurationMax", "61 Minutes").expect(200);
        assert_eq!(expires(&session), Some(created + 61 * MINUTE));
        let list = app.get("/api/sessions").with(&session).send().expect(200).json();
        assert!(list["sessions"].as_array().is_some_and(|list| list.iter().any(|entry| entry["expires"] == created + 61 * MINUTE)));
        app.clock.advance(MINUTE);
        assert_eq!(live(&session), 401, "at the very millisecond");
        app.set(&key, "UserSessionDurationMax", "24 Hours").expect(200);
        assert_eq!(live(&session), 200, "it was never ended, and its own twelve hours are not over");
        app.clock.advance(11 * HOUR);
        assert_eq!(live(&session), 401);
        app.set(&key, "UserSessionDurationMax", "No Limit").expect(200);
        let long = app.sign_in();
        app.clock.advance(29 * 24 * HOUR);
        assert_eq!(live(&long), 200);
        assert_eq!(expires(&long), Some(created + 12 * HOUR + MINUTE + 36_525 * 24 * HOUR));
    }

    /// DS-12: as many sessions as the setting says; the oldest goes, and with another setting the new one does not come.
    fn the_number_of_sessions_and_what_then_are_settings(app: TestApp) {
        let key = app.full_key();
        app.administrator("guest", PASSWORD, 1, 0);
        let sign_in = || app.try_sign_in("guest", PASSWORD);
        let live = |session: &Session| app.get("/api/sessions/current").with(session).send().status;
        app.set(&key, "ActiveSessionsMax", "2").expect(200);
        let sessions: Vec<Session> = (0..3).map(|_| Session::from(&sign_in().expect(200))).collect();
        assert_eq!(sessions.iter().map(live).collect::<Vec<_>>(), [401, 200, 200]);
        app.set(&key, "ActiveSessionsMaxExceededAction", "block new sessions").expect(200);
        let (before, event) = (app.rows_of("sessions"), app.last_event());
        let refused = sign_in();
        assert_eq!(refused.refusal(), (409, "too_many_sessions".into()));
        let id = app.count("select id as n from administrators where username = 'guest'");
        assert_eq!(app.events_after(event), [format!(
            r#"160 administrator/{id}/guest administrator/{id}/guest {{"reason":"too_many_sessions"}}"#
        )]);
        assert!(refused.header("set-cookie").is_none());
        assert_eq!(app.rows_of("sessions"), before);
        assert_eq!(app.try_sign_in("guest", "wrong").refusal(), (401, "sign_in_failed".into()), "nothing is said before the password");
        app.delete("/api/sessions/current").with(&sessions[1]).send().expect(204);
        sign_in().expect(200);
        app.set(&key, "ActiveSessionsMax", "No Limit").expect(200);
        app.set(&key, "UserSignInAttemptsAllowedNumber", "20").expect(200);
        for _ in 0..12 {
            sign_in().expect(200);
        }
        assert_eq!(app.get("/api/sessions").with(&sessions[2]).send().expect(200).json()["sessions"].as_array().map(Vec::len), Some(14));
    }

    /// DS-15: with terms to accept, a sign-in that does not say so is refused with them, once password and code proved right.
    fn terms_and_conditions_must_be_accepted(app: TestApp) {
        let key = app.full_key();
        let page = || app.get("/api/signinpage").send().expect(200).text();
        assert_eq!(page(), r#"{"message":"","termsAndConditionsEnabled":false}"#);
        app.post("/api/systemsettings", json!({
            "platformSettingUserEnforceTermsAndConditionsEnabled": { "value": true },
            "platformSettingUserEnforceTermsAndConditionsTitle": { "value": "House rules" },
            "platformSettingUserEnforceTermsAndConditionsMessage": { "value": "Wipe your feet." },
            "platformSettingSignInPageMessage": { "value": "Welcome." },
        })).key(&key).send().expect(200);
        assert_eq!(page(), r#"{"message":"Welcome.","termsAndConditionsEnabled":true,"termsAndConditionsTitle":"House rules","termsAndConditionsMessage":"Wipe your feet."}"#);
        let with = |accepted: serde_json::Value, password: &str| {
            app.post("/api/sessions", json!({ "userName": ADMIN, "password": password, "termsAccepted": accepted })).send()
        };
        let (before, event) = (app.rows_of("sessions"), app.last_event());
        let refused = app.try_sign_in(ADMIN, PASSWORD);
        assert_eq!(app.events_after(event), [format!(
            r#"160 administrator/1/{ADMIN} administrator/1/{ADMIN} {{"reason":"terms_not_accepted"}}"#
        )]);
        assert_eq!(app.count("select unsuccessful_sign_in_attempts as n from administrators where id = 1"), 0, "no failure is counted");
        assert_eq!(refused.refusal(), (403, "terms_not_accepted".into()));
        let message = refused.json()["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.contains("termsAccepted") && message.contains("House rules") && message.contains("Wipe your feet."), "{message}");
        assert_eq!(with(json!(false), PASSWORD).refusal(), (403, "terms_not_accepted".into()));
        assert_eq!(with(json!("no"), PASSWORD).refusal(), (400, "malformed".into()));
        assert_eq!(with(json!(true), "wrong").refusal(), (401, "sign_in_failed".into()));
        assert_eq!(app.rows_of("sessions"), before);
        assert_eq!(with(json!("true"), PASSWORD).expect(200).json().as_object().map(serde_json::Map::len), Some(5));
        app.delete(&path("UserEnforceTermsAndConditionsEnabled")).key(&key).send().expect(200);
        app.try_sign_in(ADMIN, PASSWORD).expect(200);
    }

    /// DS-15: the page before signing in is the primary tenant's, whoever asks, and takes nothing but the version amiss.
    fn the_sign_in_page_tells_nothing_of_other_tenants(app: TestApp) {
        let (_, blue) = other_tenant(&app);
        app.set(&blue, "UserEnforceTermsAndConditionsEnabled", "true").expect(200);
        app.set(&blue, "UserEnforceTermsAndConditionsMessage", "Blue house").expect(200);
        let plain = app.get("/api/signinpage").send().expect(200).text();
        for query in ["?tenantName=Blue", "?tenantName=Nobody", "?"] {
            assert_eq!(app.get(&format!("/api/signinpage{query}")).key(&blue).send().expect(200).text(), plain);
        }
        assert_eq!(app.get("/api/signinpage").header("api-version", "v2").send().refusal(), (400, "unknown_api_version".into()));
        let event = app.last_event();
        let refused = sign_in_to(&app, "Blue", "blue", PASSWORD);
        let theirs = format!("select count(*) as n from audit_events where id > {event} and tenant_id <> 0");
        assert_eq!(app.count(&theirs), 1, "it is their event, and nobody else's");
        assert_eq!(refused.refusal(), (403, "terms_not_accepted".into()));
        assert!(refused.text().contains("Blue house"));
        app.try_sign_in(ADMIN, PASSWORD).expect(200);
    }
}
