//! `POST /api/apikeys/{apiKeyID}/refresh`: what the profile calls a refresh.

use serde_json::{Value, json};

use super::{IN, assert_refusal, made, presented, seen};
use crate::app::{Call, START, TestApp, secret};
use crate::both;

const DAY: i64 = 86_400_000;
const YEAR: i64 = 365 * DAY;
const OUT: (u16, &str) = (401, "invalid_api_key");

fn refresh<'a>(app: &'a TestApp, id: &Value) -> Call<'a> {
    app.call("POST", &format!("/api/apikeys/{id}/refresh"))
}

/// A key that lives under the rules of Trend Micro Cloud App Security: 365 days, and revived by a refresh.
fn token(app: &TestApp, maker: &str, body: Value) -> Value {
    let key = made(app, maker, body);
    app.execute(&format!("update api_keys set profile_id = 2 where id = {}", key["ID"]));
    key
}

fn until(app: &TestApp, days: i64) -> i64 {
    app.clock.now().millis() + days * DAY
}

both! {
    /// TC-16: a refresh gives another value, the old one stops with the next request, and the 365 days begin anew; all
    /// else of the token stays, and one event tells of it beside that of the secret.
    fn a_valid_token_is_refreshed(app: TestApp) {
        let maker = app.full_key();
        let key = token(&app, &maker, json!({ "keyName": "t", "roleID": 2, "description": "d", "locale": "ja-JP", "expiryDate": until(&app, 10) }));
        let (id, old) = (&key["ID"], secret(&key));
        app.clock.advance(3 * DAY);
        let (mut expected, events) = (seen(&app, &maker, id), app.last_event());
        let answer = refresh(&app, id).key(&maker).send().expect(200).json();
        let new = secret(&answer);
        assert_refusal(presented(&app, &old), OUT);
        expected["expiryDate"] = json!(START.millis() + 3 * DAY + YEAR);
        let mut rest = answer.clone();
        rest.as_object_mut().expect("an object").remove("secretKey");
        assert_eq!(rest, expected);
        let maker_id = maker.split_once(':').expect("two parts").0;
        let moved = json!({ "expiryDate": { "from": START.millis() + 10 * DAY, "to": expected["expiryDate"] } });
        let told = |number: i64, details: &Value| format!("{number} apiKey/{maker_id}/full apiKey/{id}/t {details}");
        assert_eq!(app.events_after(events), [told(5013, &json!({})), told(5183, &moved)]);
        app.clock.advance(YEAR - 1);
        assert_refusal(presented(&app, &new), IN);
        app.clock.advance(1);
        assert_refusal(presented(&app, &new), (401, "api_key_expired"));
    }

    /// TC-16: an expired token is there to be refreshed, and lives again with its settings; by other profiles it does
    /// not, and the refusal says what to do.
    fn an_expired_token_revives_where_its_profile_says_so(app: TestApp) {
        let maker = app.full_key();
        let body = |name: &str| json!({ "keyName": name, "roleID": 2, "description": "kept", "expiryDate": until(&app, 1) });
        let (revives, stays) = (token(&app, &maker, body("revives")), made(&app, &maker, body("stays")));
        app.clock.advance(400 * DAY);
        assert_refusal(presented(&app, &secret(&revives)), (401, "api_key_expired"));
        let answer = refresh(&app, &revives["ID"]).json(json!({})).key(&maker).send().expect(200).json();
        assert_eq!((&answer["description"], &answer["roleID"]), (&json!("kept"), &json!(2)));
        assert_eq!(answer["expiryDate"], json!(until(&app, 365)));
        assert_refusal(presented(&app, &secret(&answer)), IN);
        assert_refusal(presented(&app, &secret(&revives)), OUT);
        let rows = app.rows();
        let refused = refresh(&app, &stays["ID"]).key(&maker).send();
        assert_refusal(refused.refusal(), (409, "conflict"));
        assert!(refused.text().contains("expiryDate"), "{}", refused.text());
        app.assert_rows(&rows, "refused");
        app.post(&format!("/api/apikeys/{}", stays["ID"]), json!({ "expiryDate": until(&app, 1) })).key(&maker).send().expect(200);
        let answer = refresh(&app, &stays["ID"]).key(&maker).send().expect(200).json();
        assert_eq!(answer["expiryDate"], json!(until(&app, 1)), "no validity of its profile's: the end stays");
        assert_refusal(presented(&app, &secret(&answer)), IN);
    }

    /// A key without an end and without a validity of its profile's gets another secret and no end; one that is locked
    /// stays locked, whatever is refreshed.
    fn a_refresh_lets_nobody_in_who_is_locked_out(app: TestApp) {
        let maker = app.full_key();
        let plain = made(&app, &maker, json!({ "keyName": "plain", "roleID": 2 }));
        let answer = refresh(&app, &plain["ID"]).key(&maker).send().expect(200).json();
        assert!(answer.get("expiryDate").is_none() && secret(&answer) != secret(&plain), "{answer}");
        let locked = token(&app, &maker, json!({ "keyName": "locked", "roleID": 2, "active": false, "expiryDate": until(&app, 1) }));
        app.clock.advance(2 * DAY);
        let answer = refresh(&app, &locked["ID"]).key(&maker).send().expect(200).json();
        assert_eq!(answer["active"], json!(false));
        assert_refusal(presented(&app, &secret(&answer)), (401, "api_key_locked"));
    }

    /// TC-16: with an overlap the old value goes on beside the new one, as it does where only the secret is replaced.
    fn a_refresh_may_overlap(app: TestApp) {
        let maker = app.full_key();
        let key = token(&app, &maker, json!({ "keyName": "t", "roleID": 2, "expiryDate": until(&app, 10) }));
        let answer = refresh(&app, &key["ID"]).json(json!({ "overlap": "1d" })).key(&maker).send().expect(200).json();
        assert_refusal(presented(&app, &secret(&key)), IN);
        assert_refusal(refresh(&app, &key["ID"]).json(json!({ "overlap": "1d" })).key(&maker).send().refusal(), (409, "conflict"));
        app.clock.advance(DAY);
        assert_refusal(presented(&app, &secret(&key)), OUT);
        assert_refusal(presented(&app, &secret(&answer)), IN);
    }

    /// T-03: a key that ends gives no life that is longer than its own, not to itself either; and nobody refreshes what
    /// is stronger than they are.
    fn a_refresh_gives_no_more_than_the_caller_has(app: TestApp) {
        let maker = app.full_key();
        let ending = token(&app, &maker, json!({ "keyName": "ending", "roleID": 1, "expiryDate": until(&app, 400) }));
        let own = secret(&ending);
        let shorter = token(&app, &maker, json!({ "keyName": "shorter", "roleID": 2, "expiryDate": until(&app, 30) }));
        refresh(&app, &shorter["ID"]).key(&own).send().expect(200);
        app.clock.advance(36 * DAY);
        let editor = app.role("Editor", &["platformRights.apikeyRights.canEditApiKeyProperties"]);
        let editor = secret(&made(&app, &maker, json!({ "keyName": "editor", "roleID": editor })));
        let rows = app.rows();
        for (id, by) in [(&shorter["ID"], &own), (&ending["ID"], &own), (&ending["ID"], &editor)] {
            let call = refresh(&app, id).key(by).header("Accept", "application/problem+json");
            assert_refusal(call.send().refusal(), (403, "beyond_caller"));
        }
        app.assert_rows(&rows, "refused");
        refresh(&app, &ending["ID"]).key(&maker).send().expect(200);
    }
}
