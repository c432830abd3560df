//! `GET /api/apikeys/current`.

use serde_json::json;

use super::{assert_refusal, made};
use crate::app::{START, TestApp, secret};
use crate::both;

both! {
    /// DS-44: the key of the call, with role and tenant spelt out before the ID.
    fn the_calling_key_is_described_with_role_and_tenant(app: TestApp) {
        let maker = app.full_key();
        let key = made(&app, &maker, json!({ "keyName": "me", "roleID": 2, "timeZone": "UTC" }));
        app.clock.advance(5);
        let answer = app.get("/api/apikeys/current").key(&secret(&key)).send().expect(200);
        let guid = &app.texts("select guid as t from tenants where id = 0")[0];
        let now = START.millis();
        assert_eq!(
            answer.text(),
            format!(
                r#"{{"keyName":"me","description":"","locale":"en-US","roleID":2,"timeZone":"UTC","active":true,"created":{now},"lastSignIn":{},"unsuccessfulSignInAttempts":0,"serviceAccount":false,"roleURN":"urn:tmds:identity::0:role/Auditor","tenantID":0,"tenantGUID":"{guid}","ID":{}}}"#,
                now + 5, key["ID"]
            )
        );
    }

    /// DS-43: it is about the key of the call, so a session is refused.
    fn a_session_is_refused(app: TestApp) {
        let session = app.sign_in();
        let answer = app.get("/api/apikeys/current").with(&session).send();
        assert_refusal(answer.refusal(), (403, "wrong_credential_kind"));
    }

    /// Every live key may look at itself, one without a single right too.
    fn a_key_without_a_right_may_look_at_itself(app: TestApp) {
        let maker = app.full_key();
        let role = app.role("Nothing", &[]);
        let key = made(&app, &maker, json!({ "keyName": "bare", "roleID": role }));
        let seen = app.get("/api/apikeys/current").key(&secret(&key)).send().expect(200).json();
        assert_eq!((&seen["ID"], &seen["roleURN"]), (&key["ID"], &json!("urn:tmds:identity::0:role/Nothing")));
    }

    /// DS-43: name, description, language and time zone are for the key itself to change; nothing else is, whatever
    /// comes with them.
    fn a_key_changes_four_members_of_itself(app: TestApp) {
        let maker = app.full_key();
        let role = app.role("Editor", &["platformRights.apikeyRights.canEditApiKeyProperties"]);
        let key = made(&app, &maker, json!({ "keyName": "me", "roleID": role, "expiryDate": START.millis() + 86_400_000 }));
        let (id, own) = (&key["ID"], secret(&key));
        let mut expected = app.get("/api/apikeys/current").key(&own).send().expect(200).json();
        let change = |body: serde_json::Value| app.post("/api/apikeys/current", body).key(&own).send();
        for (member, value) in [
            ("keyName", json!("I")), ("description", json!("mine")), ("locale", json!("nl-NL")), ("timeZone", json!("Asia/Tokyo")),
        ] {
            let answer = change(json!({ member: value })).expect(200);
            expected[member] = value;
            assert_eq!(answer.json(), expected, "{member}");
            let described = app.get("/api/apikeys/current").key(&own).send().expect(200);
            assert_eq!(answer.text(), described.text());
        }
        let ignored = json!({
            "roleID": 1, "active": false, "expiryDate": 0, "created": 1, "lastSignIn": 1, "unlockTime": 1,
            "unsuccessfulSignInAttempts": 9, "serviceAccount": true, "roleURN": "x", "tenantID": 7, "tenantGUID": 7,
            "ID": 99, "secretKey": "x", "unknown": [],
        });
        let before = app.last_event();
        assert_eq!(change(ignored).expect(200).json(), expected);
        assert_eq!(app.events_after(before), [format!("5011 apiKey/{id}/I apiKey/{id}/I {{}}")]);
        change(json!({ "description": "" })).expect(200);
        let last = app.events_after(before).remove(1);
        assert!(last.ends_with(r#"{"description":{"from":"mine","to":""}}"#), "{last}");
    }

    /// Each member has its bounds, a name is the tenant's only once, and what is refused changes nothing.
    fn what_a_key_may_not_make_of_itself_is_refused(app: TestApp) {
        let own = app.full_key();
        made(&app, &own, json!({ "keyName": "taken", "roleID": 2 }));
        let rows = app.rows();
        for (body, refusal) in [
            (json!({ "keyName": "" }), (400, "malformed")),
            (json!({ "keyName": "k".repeat(129) }), (400, "malformed")),
            (json!({ "keyName": 7 }), (400, "malformed")),
            (json!({ "description": "d".repeat(1_025) }), (400, "malformed")),
            (json!({ "locale": "de-DE" }), (400, "unknown_locale")),
            (json!({ "timeZone": "Mars/Olympus" }), (400, "unknown_time_zone")),
            (json!([]), (400, "malformed")),
            (json!({ "keyName": "TAKEN" }), (409, "name_taken")),
        ] {
            assert_refusal(app.post("/api/apikeys/current", body).key(&own).send().refusal(), refusal);
        }
        app.assert_rows(&rows, "nothing happened");
        let longest = json!({ "keyName": "k".repeat(128), "description": "d".repeat(1_024) });
        app.post("/api/apikeys/current", longest).key(&own).send().expect(200);
    }

    /// DS-43: a key changes itself with the right to edit keys only, and a session has no key of its own.
    fn changing_oneself_needs_the_right(app: TestApp) {
        let (auditor, session) = (app.auditor_key(), app.sign_in());
        let rows = app.rows_of("api_keys");
        let change = || app.post("/api/apikeys/current", json!({ "keyName": "other" }));
        assert_refusal(change().key(&auditor).send().refusal(), (403, "not_authorized"));
        assert_refusal(change().with(&session).send().refusal(), (403, "wrong_credential_kind"));
        assert_eq!(app.rows_of("api_keys"), rows);
    }
}
