//! `GET /api/apikeys/{apiKeyID}`.

use serde_json::json;

use super::{assert_refusal, made};
use crate::app::{START, TestApp};
use crate::both;

both! {
    /// DS-31, DS-41: the documented members in the documented order, without the secret.
    fn a_key_is_described_in_the_documented_order(app: TestApp) {
        let viewer = app.full_key();
        let expiry = START.millis() + 86_400_000;
        let body = json!({ "keyName": "k", "roleID": 2, "timeZone": "UTC", "expiryDate": expiry });
        let id = &made(&app, &viewer, body)["ID"];
        let answer = app.get(&format!("/api/apikeys/{id}")).key(&viewer).send().expect(200);
        let now = START.millis();
        assert_eq!(
            answer.text(),
            format!(
                r#"{{"keyName":"k","description":"","locale":"en-US","roleID":2,"timeZone":"UTC","active":true,"created":{now},"unsuccessfulSignInAttempts":0,"expiryDate":{expiry},"serviceAccount":false,"ID":{id}}}"#
            )
        );
    }

    /// lastSignIn and unlockTime stand in their places once they have a value.
    fn moments_stand_in_their_places(app: TestApp) {
        let viewer = app.full_key();
        let id = &made(&app, &viewer, json!({ "keyName": "k", "roleID": 2, "timeZone": "UTC" }))["ID"];
        app.execute(&format!("update api_keys set last_sign_in = 5, unlock_time = 6 where id = {id}"));
        let text = app.get(&format!("/api/apikeys/{id}")).key(&viewer).send().expect(200).text();
        assert!(text.contains(r#","lastSignIn":5,"unlockTime":6,"unsuccessfulSignInAttempts":0,"#), "{text}");
    }

    /// An ID that is not there is 404, one that is no number or beyond 32 bits too.
    fn what_is_not_there_is_404(app: TestApp) {
        let viewer = app.full_key();
        for id in ["0", "99", "2147483647", "2147483648", "4294967297", "99999999999999999999999"] {
            assert_refusal(app.get(&format!("/api/apikeys/{id}")).key(&viewer).send().refusal(), (404, "not_found"));
        }
        for id in ["-1", "+1", "1.0", "1e0", "x", "1x", "%20", "1%00", "searches", "1/", "1/secretkeys", "1;x=1", ".", "..", "%D9%A1"] {
            let answer = app.get(&format!("/api/apikeys/{id}")).key(&viewer).send();
            assert_refusal(answer.refusal(), (404, "no_such_route"));
        }
    }
}
