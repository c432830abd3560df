//! `/api/apikeys/explain`: why a key was refused, or will be.

use serde_json::{Value, json};

use super::calls::Bench;
use crate::app::{PASSWORD, START, Session, TestApp, secret};
use crate::both;
use crate::http::Answer;

const DAY: i64 = 86_400_000;
const MINUTE: i64 = 60_000;
const COMPUTERS: &str = "platformRights.computerRights.canViewOtherComputers";
const CREATE: &str = "platformRights.apikeyRights.canCreateNewApiKeys";
const TYPE: &str = "threatMitigationUserAccount";

fn answer(bench: &Bench<'_>, body: Value) -> Answer {
    bench.app.post("/api/apikeys/explain", body).key(&bench.asker).send()
}

#[track_caller]
fn explained(bench: &Bench<'_>, body: Value) -> Value {
    let answer = answer(bench, body).expect(200).json();
    assert_eq!(answer["decision"] == "allow", answer["code"] == "VALID", "{answer}");
    assert_eq!(answer["rule"].is_null(), answer["code"] == "VALID", "{answer}");
    assert_eq!(answer["mend"].is_null(), answer["code"] == "VALID", "{answer}");
    answer
}

#[track_caller]
fn code(bench: &Bench<'_>, body: Value) -> String {
    explained(bench, body)["code"].as_str().expect("a code").to_owned()
}

both! {
    /// Each rule in its turn: the first that fails is named, with what would mend it; when that was done the next one is.
    /// Nothing is counted, and no row changes.
    fn the_first_failing_rule_is_named_with_what_would_mend_it(app: TestApp) {
        let bench = Bench::set(&app);
        let bound = app.post("/api/apikeyprofiles", json!({ "name": "bound", "issuerBound": true })).key(&bench.full).send().expect(200).json()["ID"].clone();
        let (id, text) = bench.key("bad", json!({ "roleID": 1, "constraints": { "apiTypes": [TYPE] } }));
        bench.change(id, &format!(
            "expiry_date = {0}, not_before = {0} + 1, active = false, profile_id = {bound}, made_by_key_id = 2147483647, remaining_uses = 0, calls_per_minute = 1, \
             networks = '{{\"allow\":[\"192.0.2.0/24\"]}}', windows = '[{{\"days\":[0],\"from\":0,\"to\":1440}}]'", START.millis()));
        let lacking = json!({ "rights": [COMPUTERS, CREATE], "apiTypes": [TYPE, "none"], "role": "Auditor", "tenant": "Elsewhere" });
        let pending = json!({ "apiTypes": [TYPE] });
        let nothing = json!({});
        for (code, demands, address, says, mends, mend) in [
            ("EXPIRED", &lacking, Some("10.0.0.1"), "2026-11-21T12:00:15.000Z", "expiryDate", "expiry_date = null"),
            ("NOT_YET_VALID", &lacking, Some("10.0.0.1"), "2026-11-21T12:00:15.001Z", "notBefore", "not_before = null"),
            ("LOCKED", &lacking, Some("10.0.0.1"), "locked", "active", "active = true"),
            ("ISSUER_DISABLED", &lacking, Some("10.0.0.1"), "issued", "issued", "profile_id = 1"),
            ("INSUFFICIENT_RIGHTS", &lacking, Some("10.0.0.1"), "demanded", "role", "active = active"),
            ("AUTHORIZATION_PENDING", &pending, Some("10.0.0.1"), TYPE, "authorizations", "active = active"),
            ("ADDRESS_REFUSED", &nothing, None, "networks", "address", "active = active"),
            ("ADDRESS_REFUSED", &nothing, Some("10.0.0.1"), "10.0.0.1", "constraints.networks", "active = active"),
            ("OUTSIDE_WINDOW", &nothing, Some("192.0.2.1"), "hour", "constraints.windows", "windows = ''"),
            ("USAGE_EXCEEDED", &nothing, Some("192.0.2.1"), "often", "remainingUses", "remaining_uses = 5"),
            ("VALID", &nothing, Some("192.0.2.1"), "", "", "active = active"),
        ] {
            let before = app.rows();
            for _ in 0..3 {
                let told = explained(&bench, json!({ "keyID": id, "demands": demands, "address": address }));
                assert_eq!(told["code"], code, "{told}");
                assert!(told["rule"].as_str().unwrap_or_default().contains(says), "{told}");
                assert!(told["mend"].as_str().unwrap_or_default().contains(mends), "{told}");
                assert_eq!((&told["keyID"], &told["keyName"], &told["roleName"], &told["at"]), (&json!(id), &json!("bad"), &json!("Full Access"), &json!(START.millis())), "{told}");
                let missing = json!({ "rights": [COMPUTERS, CREATE], "apiTypes": [TYPE, "none"], "role": "Auditor", "tenant": "Elsewhere" });
                assert_eq!(told["missing"], if code == "INSUFFICIENT_RIGHTS" { missing } else { Value::Null }, "{told}");
            }
            app.assert_rows(&before, code);
            bench.change(id, mend);
        }
        // looking takes nothing; a use does, and then the pace is told
        let uses = || app.count(&format!("select remaining_uses as n from api_keys where id = {id}"));
        assert_eq!(uses(), 5);
        assert_eq!(bench.code(json!({ "secretKey": text, "address": "192.0.2.1" })), "VALID");
        for _ in 0..2 {
            let told = explained(&bench, json!({ "keyID": id, "address": "192.0.2.1" }));
            assert_eq!(told["code"], "RATE_LIMITED", "{told}");
            assert!(told["mend"].as_str().is_some_and(|mend| mend.contains("callsPerMinute") && mend.contains("Wait 6")), "{told}");
        }
        assert_eq!(code(&bench, json!({ "keyID": id, "address": "192.0.2.1", "at": START.millis() + 2 * MINUTE })), "VALID", "by then it is over");
        assert_eq!(code(&bench, json!({ "keyID": id, "address": "192.0.2.1" })), "RATE_LIMITED", "who looks ahead moves no clock");
        assert_eq!(uses(), 4);
    }

    /// What will be, and what was: ends, beginnings and hours are those of the moment that is asked about.
    fn any_moment_can_be_asked_about(app: TestApp) {
        let bench = Bench::set(&app);
        let now = START.millis();
        // Saturday noon; the key is for Sundays
        let bounds = json!({ "timeZone": "UTC", "expiryDate": now + 30 * DAY, "constraints": { "notBefore": now + DAY / 4, "windows": [{ "days": ["sun"], "from": "00:00", "to": "24:00" }] } });
        let (id, _) = bench.key("sundays", bounds);
        for (at, expected) in [
            (0, "NOT_YET_VALID"), (now, "NOT_YET_VALID"), (now + DAY / 4, "OUTSIDE_WINDOW"), (now + DAY, "VALID"), (now + 2 * DAY, "OUTSIDE_WINDOW"),
            (now + 8 * DAY, "VALID"), (now + 30 * DAY - 1, "OUTSIDE_WINDOW"), (now + 30 * DAY, "EXPIRED"), (253_402_300_799_999, "EXPIRED"),
        ] {
            let told = explained(&bench, json!({ "keyID": id, "at": at }));
            assert_eq!((&told["code"], &told["at"]), (&json!(expected), &json!(at)));
        }
        assert_eq!(code(&bench, json!({ "keyID": id.to_string(), "at": (now + DAY).to_string() })), "VALID", "numbers may be spelt");
        let (id, _) = bench.key("for ever", json!({}));
        assert_eq!(code(&bench, json!({ "keyID": id, "at": 253_402_300_799_999_i64 })), "VALID");
        // an overlap ends; the newer secret stays
        app.post(&format!("/api/apikeys/{id}/secretkey"), json!({ "overlap": "1d" })).key(&bench.full).send().expect(200);
        assert_eq!(code(&bench, json!({ "keyID": id, "at": now + 40 * DAY })), "VALID");
        // a key that was brought without a secret lets nobody in
        let brought = app.post("/api/apikeys/import", json!({ "apiKeys": [{ "keyName": "brought", "roleID": 2 }] })).key(&bench.full).send().expect(200).json();
        let told = explained(&bench, json!({ "keyID": brought["lines"][0]["ID"] }));
        assert_eq!((&told["code"], &told["rule"]), (&json!("NOT_FOUND"), &json!("The API key has no secret.")), "{told}");
    }

    /// Of a key that was revoked: when, by whom and why.
    fn a_revoked_key_is_told_with_who_revoked_it(app: TestApp) {
        let bench = Bench::set(&app);
        let (id, _) = bench.key("gone", json!({}));
        app.delete(&format!("/api/apikeys/{id}?reason=leaked")).key(&bench.full).send().expect(204);
        let told = explained(&bench, json!({ "keyID": id }));
        assert_eq!((&told["code"], &told["decision"], &told["revoked"], &told["revokedBy"]["name"], &told["revocationReason"], &told["roleName"]),
            (&json!("REVOKED"), &json!("deny"), &json!(START.millis()), &json!("full"), &json!("leaked"), &json!("Auditor")), "{told}");
    }

    /// T-23: another tenant's key, one that never was, and one that the caller's profile hides are told alike.
    fn nobody_learns_of_keys_that_they_may_not_see(app: TestApp) {
        let bench = Bench::set(&app);
        let blue = app.post("/api/tenants", json!({ "name": "Blue", "administrator": { "username": "blue", "password": PASSWORD, "emailAddress": "b@example.com" } })).key(&bench.full).send().expect(200).json();
        let theirs = app.post(&format!("/api/tenants/{}/apikeys", blue["ID"]), json!({ "keyName": "theirs" })).key(&bench.full).send().expect(200).json();
        let profile = app.post("/api/apikeyprofiles", json!({ "name": "own", "visibility": "own" })).key(&bench.full).send().expect(200).json();
        let (hidden, _) = bench.key("hidden", json!({ "lifecycle": { "profileID": profile["ID"] } }));
        let (gone, _) = bench.key("hidden and gone", json!({ "lifecycle": { "profileID": profile["ID"] } }));
        app.delete(&format!("/api/apikeys/{gone}")).key(&bench.full).send().expect(204);
        let expected = json!({ "message": "The API key does not exist.", "code": "not_found" });
        for id in [theirs["ID"].clone(), json!(hidden), json!(gone), json!(2_147_483_647), json!(0), json!(-1), json!(i64::MAX)] {
            let mut told = answer(&bench, json!({ "keyID": id })).expect(404).json();
            told.as_object_mut().expect("an object").remove("traceId");
            assert_eq!(told, expected, "{id}");
            let described = app.get(&format!("/api/apikeys/{id}")).key(&bench.asker).send();
            assert_eq!(described.status, 404, "{id}");
        }
        // to those who see them they are there
        let by = |key: &str, id: &Value| app.post("/api/apikeys/explain", json!({ "keyID": id })).key(key).send().expect(200).json()["code"].clone();
        assert_eq!(by(&bench.full, &json!(hidden)), "VALID", "whoever made it");
        assert_eq!(by(&secret(&theirs), &theirs["ID"]), "VALID");
        app.administrator("viewer", PASSWORD, 1, 0);
        let viewer = Session::from(&app.try_sign_in("viewer", PASSWORD).expect(200));
        let seen = app.get(&format!("/api/apikeys/{hidden}")).with(&viewer).send().status;
        assert_eq!(app.post("/api/apikeys/explain", json!({ "keyID": hidden })).with(&viewer).send().status, seen, "as it is described");
    }

    /// What cannot be asked is refused by name; the right is needed.
    fn what_cannot_be_asked_is_refused_by_name(app: TestApp) {
        let bench = Bench::set(&app);
        let (id, text) = bench.key("k", json!({}));
        for (body, message) in [
            (json!({}), "keyID: an integer is needed."),
            (json!({ "keyID": "x" }), "keyID: "),
            (json!({ "keyID": 1.5 }), "keyID: "),
            (json!({ "keyid": 1 }), "The body: there is no member `keyid` (perhaps `keyID` is meant)"),
            (json!({ "keyID": id, "at": -1 }), "at: milliseconds since the epoch are needed, up to the year 9999."),
            (json!({ "keyID": id, "at": 253_402_300_800_000_i64 }), "at: milliseconds"),
            (json!({ "keyID": id, "at": "tomorrow" }), "at: "),
            (json!({ "keyID": id, "address": "somewhere" }), "address: an address of IPv4 or IPv6 is needed."),
            (json!({ "keyID": id, "demands": { "rights": ["x"] } }), "demands.rights[0]: there is no such right. Most like it: "),
            (json!({ "keyID": id, "demands": { "role": "" } }), "demands.role: "),
            (json!({ "keyID": id, "secretKey": text }), "The body: there is no member `secretKey`"),
        ] {
            let answer = answer(&bench, body.clone());
            assert_eq!(answer.refusal(), (400, "malformed".to_owned()), "{body}: {}", answer.text());
            assert!(answer.json()["message"].as_str().is_some_and(|said| said.starts_with(message)), "{body}: {}", answer.text());
            assert!(!answer.text().contains(&text));
        }
        assert_eq!(app.post("/api/apikeys/explain", json!({ "keyID": id })).key(&text).send().refusal(), (403, "not_authorized".to_owned()));
    }
}
