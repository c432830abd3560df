//! `POST /api/tenants/{tenantID}`.

use serde_json::{Value, json};

use super::{events_of, key_of, made, sign_in, try_sign_in};
use crate::app::{PASSWORD, TestApp};
use crate::both;
use crate::http::Answer;

fn change(app: &TestApp, maker: &str, id: &Value, body: Value) -> Answer {
    app.post(&format!("/api/tenants/{id}"), body).key(maker).send()
}

both! {
    /// Only what is sent changes, and both tenants have the event of it.
    fn only_what_is_sent_changes(app: TestApp) {
        let maker = app.full_key();
        let mut expected = made(&app, &maker, "Blue");
        let id = expected["ID"].clone();
        for (member, value) in [
            ("databaseServerID", json!(2)), ("name", json!("Bleu")), ("description", json!("d")), ("timeZone", json!("Asia/Tokyo")),
            ("locale", json!("fr-FR")), ("demoMode", json!(true)), ("modulesVisible", json!([])), ("hideUnlicensedModules", json!(true)),
            ("tenantState", json!("suspended")),
        ] {
            let before = app.last_event();
            let answer = change(&app, &maker, &id, json!({ member: value })).expect(200);
            let (from, name) = (expected[member].clone(), expected["name"].as_str().expect("a name").to_owned());
            expected[member] = value.clone();
            assert_eq!(answer.json(), expected, "{member}");
            let what = format!(" tenant/{id}/{name} {}", json!({ member: { "from": from, "to": value } }));
            let primary = events_of(&app, &json!(0), before);
            assert!(primary.len() == 1 && primary[0].starts_with("5051 apiKey/") && primary[0].ends_with(&what), "{primary:?} {what}");
            assert_eq!(events_of(&app, &id, before), [format!("5051 tenant/0/Primary@{what}")]);
        }
        for nothing in [json!({}), json!({ "name": null, "tenantState": null, "administrator": { "password": 7 }, "ID": 5, "guid": "x" }), expected.clone()] {
            assert_eq!(change(&app, &maker, &id, nothing).expect(200).json(), expected);
        }
    }

    /// What cannot be is refused, and nothing changes.
    fn what_cannot_be_is_refused(app: TestApp) {
        let maker = app.full_key();
        let id = made(&app, &maker, "Blue")["ID"].clone();
        made(&app, &maker, "Red");
        let before = app.rows();
        for (body, expected) in [
            (json!({ "name": "RED" }), (409, "name_taken")),
            (json!({ "name": "primary" }), (409, "name_taken")),
            (json!({ "name": "" }), (400, "malformed")),
            (json!({ "description": "a\0" }), (400, "malformed")),
            (json!({ "tenantState": "undefined" }), (400, "malformed")),
            (json!({ "tenantState": "gone" }), (400, "malformed")),
            (json!({ "modulesVisible": [1] }), (400, "malformed")),
            (json!({ "locale": "" }), (400, "unknown_locale")),
            (json!({ "timeZone": "" }), (400, "unknown_time_zone")),
            (json!({ "databaseServerID": 1.5 }), (400, "malformed")),
        ] {
            let answer = change(&app, &maker, &id, body.clone());
            assert_eq!((answer.status, answer.code().as_str()), expected, "{body}");
        }
        assert_eq!(change(&app, &maker, &json!(2_147_483_647), json!({})).refusal(), (404, "not_found".into()));
        app.assert_rows(&before, "refused");
        change(&app, &maker, &id, json!({ "name": "BLUE" })).expect(200);
    }

    /// The primary tenant keeps its name, stays active and is never removed; the rest of it can be changed.
    fn the_primary_tenant_keeps_name_and_state(app: TestApp) {
        let maker = app.full_key();
        let before = app.rows();
        for body in [json!({ "name": "Other" }), json!({ "tenantState": "suspended" }), json!({ "tenantState": "suspended", "description": "d" })] {
            assert_eq!(change(&app, &maker, &json!(0), body).refusal(), (409, "conflict".into()));
        }
        assert_eq!(app.delete("/api/tenants/0").key(&maker).send().refusal(), (409, "conflict".into()));
        app.assert_rows(&before, "refused");
        let event = app.last_event();
        let body = json!({ "name": "Primary", "tenantState": "active", "description": "d", "locale": "ja-JP", "timeZone": "Asia/Tokyo" });
        let primary = change(&app, &maker, &json!(0), body).expect(200).json();
        assert_eq!((&primary["description"], &primary["locale"], &primary["timeZone"]), (&json!("d"), &json!("ja-JP"), &json!("Asia/Tokyo")));
        assert_eq!(app.events_after(event).len(), 1, "once in its own trail");
        app.sign_in();
    }

    /// A suspended tenant's people, sessions and keys are refused from the next request on; taken up again, all go on.
    fn a_suspended_tenant_is_shut_out_at_once(app: TestApp) {
        let maker = app.full_key();
        let id = made(&app, &maker, "Blue")["ID"].clone();
        let (key, session) = (key_of(&app, "Blue"), sign_in(&app, "Blue"));
        let by_key = || app.get("/api/apikeys").key(&key).send().refusal();
        let by_session = || app.get("/api/apikeys").with(&session).send().refusal();
        change(&app, &maker, &id, json!({ "tenantState": "suspended" })).expect(200);
        assert_eq!((by_key(), by_session()), ((401, "invalid_api_key".into()), (401, "session_ended".into())));
        let unknown = app.post("/api/sessions", json!({ "userName": "first", "password": PASSWORD, "tenantName": "none" })).send();
        let masked = crate::stored::without_trace;
        assert_eq!(masked(&try_sign_in(&app, "Blue").expect(401)), masked(&unknown.expect(401)), "as if there were none");
        change(&app, &maker, &id, json!({ "tenantState": "active" })).expect(200);
        assert_eq!((by_key().0, by_session().0), (200, 200));
        try_sign_in(&app, "Blue").expect(200);
    }
}
