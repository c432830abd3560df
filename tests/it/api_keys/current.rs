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
}
