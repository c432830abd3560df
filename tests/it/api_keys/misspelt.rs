//! A slip of the pen in what bounds a key is refused: a bound that is spelt wrongly must not become none.

use serde_json::{Value, json};

use super::{IN, assert_refusal, made, presented, seen};
use crate::app::{START, TestApp, secret};
use crate::both;
use crate::http::Answer;
use crate::profiles;

const DAY: i64 = 86_400_000;

#[track_caller]
fn assert_named(answer: &Answer, wrong: &str, near: &str) {
    assert_eq!(answer.refusal(), (400, "malformed".to_owned()), "{}", answer.text());
    let text = answer.json()["message"].as_str().expect("a message").to_owned();
    assert!(text.contains(&format!("`{wrong}` (perhaps `{near}` is meant)")), "{text}");
}

both! {
    /// Every way on which bounds and lives are asked for refuses a member that there is none of, names it and the
    /// nearest one, and changes nothing.
    fn a_misspelt_bound_is_refused(app: TestApp) {
        let full = app.full_key();
        let key = made(&app, &full, json!({ "keyName": "k", "roleID": 2 }));
        let blue = app.tenant("Blue");
        let rows = app.rows();
        for (wrong, near, more) in [
            ("network", "networks", json!({ "constraints": { "network": { "allow": ["10.0.0.0/8"] } } })),
            ("callsperminute", "callsPerMinute", json!({ "constraints": { "callsperminute": 1 } })),
            ("remainingUse", "remainingUses", json!({ "constraints": { "callsPerMinute": 1, "remainingUse": 1 } })),
            ("allowed", "allow", json!({ "constraints": { "networks": { "allowed": ["10.0.0.0/8"] } } })),
            ("denny", "deny", json!({ "constraints": { "networks": { "allow": [], "denny": ["10.0.0.0/8"] } } })),
            ("day", "days", json!({ "constraints": { "windows": [{ "day": ["mon"], "from": "08:00", "to": "09:00" }] } })),
            ("form", "from", json!({ "constraints": { "windows": [{ "days": ["mon"], "from": "08:00", "form": "08:00", "to": "09:00" }] } })),
            ("profileId", "profileID", json!({ "lifecycle": { "profileId": 3 } })),
            ("kinds", "kind", json!({ "lifecycle": { "kinds": "siemAgent" } })),
        ] {
            let body = |name: Option<&str>| {
                let mut body = json!({ "roleID": 2 });
                if let Some(name) = name {
                    body["keyName"] = json!(name);
                }
                body.as_object_mut().expect("members").extend(more.as_object().expect("members").clone());
                body
            };
            for call in [
                app.post("/api/apikeys", body(Some("new"))),
                app.post(&format!("/api/apikeys/{}", key["ID"]), body(None)),
                app.call("PUT", "/api/apikeys/by-name/k").json(body(None)),
                app.call("PUT", "/api/apikeys/by-name/new").json(body(None)),
                app.post("/api/claims", body(Some("new"))),
                app.post(&format!("/api/tenants/{blue}/apikeys"), body(Some("new"))),
            ] {
                assert_named(&call.key(&full).send(), wrong, near);
            }
        }
        for (wrong, near, body) in [
            ("validfor", "validFor", json!({ "keyName": "c", "roleID": 2, "validfor": "1m" })),
            ("keyValidfor", "keyValidFor", json!({ "keyName": "c", "roleID": 2, "keyValidfor": "1d" })),
            ("network", "networks", json!({ "keyName": "c", "roleID": 2, "network": ["10.0.0.0/8"] })),
            ("expirydate", "expiryDate", json!({ "keyName": "c", "roleID": 2, "expirydate": START.millis() + DAY })),
        ] {
            assert_named(&app.post("/api/claims", body).key(&full).send(), wrong, near);
        }
        app.assert_rows(&rows, "refused");
    }

    /// So is one in the wish for another secret, and the old one does not stop; what published clients send of a key is
    /// passed over as ever.
    fn a_misspelt_overlap_is_refused(app: TestApp) {
        let full = app.full_key();
        let key = made(&app, &full, json!({ "keyName": "k", "roleID": 2 }));
        let path = format!("/api/apikeys/{}", key["ID"]);
        let rows = app.rows();
        for (wrong, near, body) in [
            ("overlp", "overlap", json!({ "overlp": "1h" })),
            ("Overlap", "overlap", json!({ "Overlap": "1h" })),
            ("finishWhenSilent", "finishWhenSilentFor", json!({ "overlap": "1h", "finishWhenSilent": "1h" })),
            ("extendWhileUsedfor", "extendWhileUsedFor", json!({ "overlap": "1h", "extendWhileUsedfor": "1h" })),
        ] {
            for call in [
                app.post(&format!("{path}/secretkey"), body.clone()),
                app.post(&format!("{path}/refresh"), body.clone()),
                app.post("/api/apikeys/current/secretkey", body.clone()),
                app.call("PUT", "/api/apikeys/by-name/k?reissue=allow").json(json!({ "roleID": 2, "rotation": body.clone() })),
            ] {
                assert_named(&call.key(&full).send(), wrong, near);
            }
        }
        let silent = json!({ "overlap": "1h", "finishWhenSilentFor": "61m" });
        let answer = app.post(&format!("{path}/secretkey"), silent).key(&full).send();
        assert_refusal(answer.refusal(), (400, "malformed"));
        assert!(answer.text().contains("finishWhenSilentFor: "), "{}", answer.text());
        app.assert_rows(&rows, "refused");
        assert_refusal(presented(&app, &secret(&key)), IN);
        app.post(&format!("{path}/secretkey"), key.clone()).key(&full).send().expect(200);
    }

    /// So is one in a profile.
    fn a_misspelt_rule_of_a_profile_is_refused(app: TestApp) {
        let full = app.full_key();
        let id = profiles::made(&app, &full, json!({ "name": "mine" }));
        let rows = app.rows();
        for (wrong, near, body) in [
            ("issuerbound", "issuerBound", json!({ "issuerbound": true })),
            ("maxKey", "maxKeys", json!({ "maxKey": 1 })),
            ("keys", "key", json!({ "callsPerMinute": { "keys": 1 } })),
            ("maxkeys", "maxKeys", json!({ "targets": [{ "name": "t", "maxkeys": 1 }] })),
        ] {
            let mut new = body.clone();
            new["name"] = json!("other");
            assert_named(&profiles::create(&app, &full, new), wrong, near);
            assert_named(&profiles::change(&app, &full, id, body), wrong, near);
        }
        app.assert_rows(&rows, "refused");
    }

    /// Members of Deep Security's own objects in other letters are refused; those that its clients send besides are
    /// passed over.
    fn a_member_in_other_letters_is_refused(app: TestApp) {
        let full = app.full_key();
        let key = made(&app, &full, json!({ "keyName": "k", "roleID": 2, "somethingElse": { "deep": [1] }, "Id": 7 }));
        let path = format!("/api/apikeys/{}", key["ID"]);
        for (wrong, near, value) in [
            ("expirydate", "expiryDate", json!(START.millis() + DAY)),
            ("Active", "active", json!(false)),
            ("roleId", "roleID", json!(2)),
            ("Constraints", "constraints", json!({ "callsPerMinute": 1 })),
        ] {
            let mut body = json!({ "keyName": "new", "roleID": 2 });
            body[wrong] = value.clone();
            assert_named(&app.post("/api/apikeys", body).key(&full).send(), wrong, near);
            assert_named(&app.post(&path, json!({ wrong: value })).key(&full).send(), wrong, near);
        }
    }

    /// What an answer says can be sent back as it is, by each way: nothing of it changes the key.
    fn an_answer_can_be_sent_back(app: TestApp) {
        let full = app.full_key();
        let constraints = json!({
            "networks": { "allow": ["10.0.0.0/8", "127.0.0.0/8"], "deny": [] }, "callsPerMinute": 60, "remainingUses": 100, "apiTypes": ["logRetrieval"],
            "windows": [{ "days": ["sat"], "from": "08:00", "to": "20:00" }], "notBefore": START.millis(), "target": "t",
        });
        let key = made(&app, &full, json!({ "keyName": "k", "roleID": 2, "expiryDate": START.millis() + 300 * DAY, "constraints": constraints }));
        app.post(&format!("/api/apikeys/{}/secretkey", key["ID"]), json!({ "overlap": "1d" })).key(&full).send().expect(200);
        let path = format!("/api/apikeys/{}?expand=all", key["ID"]);
        let answer = app.get(&path).key(&full).send().expect(200).json();
        let lifecycle = answer["lifecycle"].as_object().expect("a life");
        for member in ["profileID", "profile", "status", "kind", "issuer", "secrets", "rotation", "warnings"] {
            assert!(lifecycle.contains_key(member), "{member}");
        }
        assert_eq!(app.post(&path, answer.clone()).key(&full).send().expect(200).json(), answer);
        let ensured = app.call("PUT", "/api/apikeys/by-name/k").json(answer.clone()).key(&full).send().expect(200).json();
        assert_eq!(ensured["outcome"], "unchanged");
        // as the model of a new key
        let mut model = answer.clone();
        model["keyName"] = json!("copy");
        app.post("/api/apikeys", model).key(&full).send().expect(200);
        let claim = app.post("/api/claims", json!({ "keyName": "c", "roleID": 2 })).key(&full).send().expect(200).json();
        let mut again = claim.clone();
        again["keyName"] = json!("d");
        app.post("/api/claims", again).key(&full).send().expect(200);
    }

    /// A profile is named by its number, by its name, or by both; for a key that is there, another one is a conflict.
    fn a_profile_is_named_by_its_name_too(app: TestApp) {
        let full = app.full_key();
        let id = profiles::made(&app, &full, json!({ "name": "Nightly Jobs" }));
        let other = profiles::made(&app, &full, json!({ "name": "Other" }));
        let mint = |lifecycle: Value| app.post("/api/apikeys?expand=lifecycle", json!({ "keyName": format!("k{}", app.last_event()), "roleID": 2, "lifecycle": lifecycle })).key(&full).send();
        for lifecycle in [json!({ "profile": "Nightly Jobs" }), json!({ "profile": "nightly jobs" }), json!({ "profile": "Nightly Jobs", "profileID": id })] {
            assert_eq!(mint(lifecycle).expect(200).json()["lifecycle"]["profileID"], id);
        }
        assert_refusal(mint(json!({ "profile": "Nightly" })).refusal(), (400, "unknown_profile"));
        let rows = app.rows();
        for lifecycle in [json!({ "profile": "Other", "profileID": id }), json!({ "profile": "Nobody's", "profileID": id })] {
            let answer = mint(lifecycle);
            assert_refusal(answer.refusal(), (400, "malformed"));
            assert!(answer.text().contains("lifecycle.profile: "), "{}", answer.text());
        }
        app.assert_rows(&rows, "refused");
        let key = mint(json!({ "profileID": id })).expect(200).json();
        let change = |lifecycle: Value| app.post(&format!("/api/apikeys/{}", key["ID"]), json!({ "description": "d", "lifecycle": lifecycle })).key(&full).send();
        let rows = app.rows();
        for lifecycle in [json!({ "profileID": other }), json!({ "profile": "Other" }), json!({ "profileID": 1 }), json!({ "kind": "siemAgent" })] {
            assert_refusal(change(lifecycle.clone()).refusal(), (409, "conflict"));
            let name = key["keyName"].as_str().expect("a name");
            let ensured = app.call("PUT", &format!("/api/apikeys/by-name/{name}")).json(json!({ "roleID": 2, "lifecycle": lifecycle }));
            assert_refusal(ensured.key(&full).send().refusal(), (409, "conflict"));
        }
        app.assert_rows(&rows, "refused");
        change(json!({ "profileID": id, "profile": "Nightly Jobs", "kind": "standard" })).expect(200);
        assert_eq!(seen(&app, &full, &key["ID"])["description"], "d");
        // by its name in a claim, it is the one that had the name then
        let claim = app.post("/api/claims", json!({ "keyName": "claimed", "roleID": 2, "lifecycle": { "profile": "Other" } })).key(&full).send().expect(200).json();
        profiles::change(&app, &full, other, json!({ "name": "Renamed" })).expect(200);
        app.post("/api/claims/redeem", json!({ "code": claim["code"] })).send().expect(200);
        assert_eq!(app.count("select profile_id as n from api_keys where key_name = 'claimed'"), other);
    }

    /// Characters that turn the direction of writing stand in no name of a key, a role or a contact; the marks that some
    /// languages need do. A key that has them from before is as good as ever.
    fn no_name_turns_the_direction_of_writing(app: TestApp) {
        let full = app.full_key();
        let key = made(&app, &full, json!({ "keyName": "k", "roleID": 2 }));
        for bidi in ['\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}'] {
            let name = format!("a{bidi}b");
            for (path, member) in [("/api/apikeys".to_owned(), "keyName"), (format!("/api/apikeys/{}", key["ID"]), "keyName"), ("/api/contacts".to_owned(), "name"), ("/api/roles".to_owned(), "name")] {
                let answer = app.post(&path, json!({ member: name, "roleID": 2 })).key(&full).send();
                assert_refusal(answer.refusal(), (400, "malformed"));
                assert!(answer.text().contains("direction of writing"), "{}", answer.text());
            }
        }
        made(&app, &full, json!({ "keyName": "שלום\u{200f}!", "roleID": 2 }));
        app.execute(&format!("update api_keys set key_name = 'a\u{202e}b' where id = {}", key["ID"]));
        assert_eq!(seen(&app, &full, &key["ID"])["keyName"], "a\u{202e}b");
        app.post(&format!("/api/apikeys/{}", key["ID"]), json!({ "description": "d" })).key(&full).send().expect(200);
    }

    /// The reason is taken as people write it, too.
    fn a_reason_is_taken_in_words(app: TestApp) {
        let full = app.full_key();
        let key = made(&app, &full, json!({ "keyName": "k", "roleID": 2 }));
        let before = app.last_event();
        app.delete(&format!("/api/apikeys/{}?reason=compromised%20issuer", key["ID"])).key(&full).send().expect(204);
        assert!(app.events_after(before)[0].contains(r#""reason":"compromisedIssuer""#));
    }
}
