//! `/api/apikeys/revoked`: what is kept of keys that are no more.

use serde_json::{Value, json};

use super::{IN, assert_refusal, made, presented};
use crate::app::{ADMIN, START, TestApp, secret};
use crate::both;

fn described(app: &TestApp, viewer: &str, id: &Value) -> Value {
    app.get(&format!("/api/apikeys/revoked/{id}")).key(viewer).send().expect(200).json()
}

fn revoke(app: &TestApp, maker: &str, id: &Value, query: &str) {
    let answer = app.delete(&format!("/api/apikeys/{id}{query}")).key(maker).send().expect(204);
    assert!(answer.body.is_empty() && answer.header("content-type").is_none());
}

fn id_of(key: &str) -> Value {
    json!(key.split(':').next().expect("an ID").parse::<i64>().expect("a number"))
}

/// The events about revoked keys that were presented, since the ID `after`.
fn presentations(app: &TestApp, after: i64) -> Vec<String> {
    app.events_after(after).into_iter().filter(|event| event.starts_with("5140 ")).collect()
}

both! {
    /// TC-13, MC-11: a revoked key is refused from the next request on, and its row is gone from the list; who ended it, when
    /// and why stays in the history, and its name is free.
    fn a_revoked_key_leaves_the_list_and_stays_in_the_history(app: TestApp) {
        let maker = app.full_key();
        let end = START.millis() + 86_400_000;
        let key = made(&app, &maker, json!({ "keyName": "Build", "description": "nightly", "roleID": 2, "expiryDate": end }));
        let text = secret(&key);
        assert_refusal(presented(&app, &text), IN);
        let created = app.clock.now().millis();
        app.clock.advance(5_000);
        revoke(&app, &maker, &key["ID"], "?reason=leaked&note=in%20a%20public%20log");
        assert_refusal(presented(&app, &text), (401, "invalid_api_key"));
        let reference = firstkey::secret::PresentedKey::parse(&text).expect("a key").secret.digest().reference();
        let maker_id = id_of(&maker);
        let expected = json!({
            "keyName": "Build", "description": "nightly", "roleID": 2, "roleName": "Auditor", "profileID": 1, "kind": "standard",
            "issuer": { "type": "apiKey", "ID": maker_id, "name": "full" }, "created": created, "lastSignIn": created,
            "expiryDate": end, "revoked": created + 5_000,
            "revokedBy": { "type": "apiKey", "ID": maker_id, "name": "full" }, "revocationReason": "leaked",
            "note": "in a public log", "secrets": [{ "ref": reference }], "lastPresented": created + 5_000,
            "lastPresentedFrom": "127.0.0.1", "serviceAccount": false, "ID": key["ID"],
        });
        assert_eq!(described(&app, &maker, &key["ID"]), expected);
        let list = app.get("/api/apikeys/revoked").key(&maker).send().expect(200).json();
        assert_eq!(list, json!({ "revokedApiKeys": [expected] }));
        assert!(!app.get("/api/apikeys").key(&maker).send().expect(200).text().contains("Build"));
        assert_refusal(app.get(&format!("/api/apikeys/{}", key["ID"])).key(&maker).send().refusal(), (404, "not_found"));
        assert_refusal(app.get(&format!("/api/apikeys/revoked/{maker_id}")).key(&maker).send().refusal(), (404, "not_found"));
        // the name is free, and both may end under it
        let again = made(&app, &maker, json!({ "keyName": "build", "roleID": 2 }));
        revoke(&app, &maker, &again["ID"], "");
        assert_eq!(described(&app, &maker, &again["ID"])["revocationReason"], "unspecified");
    }

    /// Its event says why, where that was said; what is no reason is refused, and the key lives on.
    fn a_reason_is_one_of_six(app: TestApp) {
        let maker = app.full_key();
        let key = made(&app, &maker, json!({ "keyName": "k", "roleID": 2 }));
        let path = format!("/api/apikeys/{}", key["ID"]);
        let rows = app.rows();
        for (query, code) in [
            ("?reason=", "malformed"), ("?reason=stolen", "malformed"), ("?reason=Leaked", "malformed"), ("?reason=leaked&reason=leaked", "bad_request"),
            ("?note=a&note=b", "bad_request"), ("?note=%00", "malformed"), (&format!("?note={}", "x".repeat(1_025)), "malformed"),
        ] {
            assert_refusal(app.delete(&format!("{path}{query}")).key(&maker).send().refusal(), (400, code));
            app.assert_rows(&rows, query);
        }
        let before = app.last_event();
        let note = "é".repeat(1_024);
        revoke(&app, &maker, &key["ID"], &format!("?reason=compromisedIssuer&note={}", "%C3%A9".repeat(1_024)));
        let events = app.events_after(before);
        let expected = json!({ "note": note, "reason": "compromisedIssuer" });
        assert_eq!(events, [format!("5012 apiKey/{}/full apiKey/{}/k {expected}", id_of(&maker), key["ID"])]);
        assert_eq!(described(&app, &maker, &key["ID"])["note"], json!(note));
    }

    /// Whoever still presents a revoked key is answered as with an unknown one, and heard of: once a minute for each key,
    /// and only with the right secret.
    fn a_revoked_key_that_is_presented_is_heard_of(app: TestApp) {
        let maker = app.full_key();
        let key = made(&app, &maker, json!({ "keyName": "k", "roleID": 2 }));
        let (id, text) = (&key["ID"], secret(&key));
        let unknown = format!("2147483647:{}", text.split_once(':').expect("two parts").1);
        let wrong = format!("{id}:{}=", "A".repeat(43));
        revoke(&app, &maker, id, "?reason=leaked");
        let before = app.last_event();
        let rows = app.rows();
        let answered = |key: &str| {
            let answer = app.get("/api/apikeys").key(key).send();
            let mut headers = answer.headers.clone();
            headers.retain(|(name, _)| !["x-request-id", "date"].contains(&name.to_lowercase().as_str()));
            headers.sort();
            (answer.status, crate::stored::without_trace(&answer), headers)
        };
        let guid = format!("0f8fad5b-d9cb-469f-a165-70867728950e:{text}");
        for other in [&wrong, &unknown, &guid] {
            assert_eq!(answered(other), answered(&unknown), "{other}");
        }
        app.assert_rows(&rows, "a wrong secret changes nothing");
        for _ in 0..3 {
            assert_eq!(answered(&text), answered(&unknown));
            app.clock.advance(19_000);
        }
        let revoked = START.millis();
        let expected = format!("5140 apiKey/{id}/k apiKey/{id}/k {}", json!({ "revocationReason": "leaked", "revoked": revoked }));
        assert_eq!(presentations(&app, before), [expected.as_str()]);
        assert_eq!(app.count("select count(*) as n from audit_events where number = 5140 and level = 'warning' and address = '127.0.0.1'"), 1);
        app.clock.advance(3_000);
        answered(&text);
        assert_eq!(presentations(&app, before).len(), 2, "a minute later");
        app.clock.advance(-3_600_000);
        answered(&text);
        assert_eq!(presentations(&app, before).len(), 3, "a clock that went back silences nobody");
        assert_eq!(described(&app, &maker, id)["lastPresented"], json!(app.clock.now().millis()));
    }

    /// Of a key that was rotated each secret is known again; each has one minute with the others.
    fn who_made_it_is_named_as_they_were_called(app: TestApp) {
        let session = app.sign_in();
        let by_person = app.post("/api/apikeys", json!({ "keyName": "by person", "roleID": 1 })).with(&session).send().expect(200).json();
        let maker = secret(&by_person);
        let by_key = made(&app, &maker, json!({ "keyName": "by key", "roleID": 2 }));
        let full = app.full_key();
        revoke(&app, &full, &by_person["ID"], "");
        app.delete(&format!("/api/apikeys/{}", by_key["ID"])).with(&session).send().expect(204);
        let issuer = |id: &Value| described(&app, &full, id)["issuer"].clone();
        assert_eq!(issuer(&by_person["ID"]), json!({ "type": "administrator", "ID": 1, "name": ADMIN }));
        assert_eq!(issuer(&by_key["ID"]), json!({ "type": "apiKey", "ID": by_person["ID"], "name": "by person" }), "itself revoked");
        assert_eq!(described(&app, &full, &by_key["ID"])["revokedBy"], json!({ "type": "administrator", "ID": 1, "name": ADMIN }));
        let anna = app.administrator("anna", crate::app::PASSWORD, 1, 0);
        let theirs = crate::app::Session::from(&app.try_sign_in("anna", crate::app::PASSWORD).expect(200));
        let orphan = app.post("/api/apikeys", json!({ "keyName": "orphan", "roleID": 2 })).with(&theirs).send().expect(200).json();
        app.delete(&format!("/api/administrators/{anna}")).key(&full).send().expect(204);
        revoke(&app, &full, &orphan["ID"], "");
        assert_eq!(issuer(&orphan["ID"]), json!({ "type": "administrator", "ID": anna }), "nobody is called that any more");
    }

    /// A key that the primary tenant made for another names the primary tenant, and nobody of it.
    fn another_tenant_learns_no_names(app: TestApp) {
        let full = app.full_key();
        let tenant = app.tenant("Blue");
        let key = app.post(&format!("/api/tenants/{tenant}/apikeys"), json!({ "keyName": "t" })).key(&full).send().expect(200).json();
        let other = app.post(&format!("/api/tenants/{tenant}/apikeys"), json!({ "keyName": "o" })).key(&full).send().expect(200).json();
        revoke(&app, &secret(&other), &key["ID"], "");
        let told = described(&app, &secret(&other), &key["ID"]);
        assert_eq!(told["issuer"], json!({ "type": "tenant", "ID": 0, "name": "Primary" }));
        assert_eq!(told["revokedBy"], json!({ "type": "apiKey", "ID": other["ID"], "name": "o" }));
        assert_refusal(app.get(&format!("/api/apikeys/revoked/{}", key["ID"])).key(&full).send().refusal(), (404, "not_found"));
        assert_eq!(app.get("/api/apikeys/revoked").key(&full).send().expect(200).text(), r#"{"revokedApiKeys":[]}"#);
        // and its secret, presented again, is an event of its own tenant
        app.get("/api/apikeys").key(&secret(&key)).send().expect(401);
        assert_eq!(app.count(&format!("select count(*) as n from audit_events where number = 5140 and tenant_id = {tenant}")), 1);
    }

    /// Every field is searched by its kind.
    fn the_history_is_searched(app: TestApp) {
        let full = app.full_key();
        for (name, more, query) in [
            ("one", json!({ "description": "nightly" }), "?reason=unused&note=Old%20one"), ("two", json!({ "expiryDate": START.millis() + 90_000_000 }), "?reason=leaked"),
            ("three", json!({ "roleID": 1 }), ""),
        ] {
            let mut body = json!({ "keyName": name, "roleID": 2 });
            body.as_object_mut().expect("members").extend(more.as_object().expect("members").clone());
            let key = made(&app, &full, body);
            app.clock.advance(1_000);
            revoke(&app, &full, &key["ID"], query);
        }
        app.execute("update revoked_api_keys set last_sign_in = 5, last_presented = 7 where key_name = 'two'");
        let found = |criterion: Value| {
            let body = json!({ "searchCriteria": criterion });
            let answer = app.post("/api/apikeys/revoked/search", body).key(&full).send().expect(200).json();
            let keys = answer["revokedApiKeys"].as_array().expect("a list").clone();
            keys.iter().map(|key| key["keyName"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
        };
        let text = |field: &str, value: &str| json!({ "fieldName": field, "stringValue": value });
        let number = |field: &str, value: i64| json!({ "fieldName": field, "numericValue": value });
        let choice = |field: &str, value: &str| json!({ "fieldName": field, "choiceValue": value });
        let none = |field: &str| json!({ "fieldName": field, "nullTest": true });
        let from = |field: &str, at: i64| json!({ "fieldName": field, "firstDateValue": at });
        let maker = id_of(&full).as_i64().expect("a number");
        let every = ["one", "two", "three"];
        for (criterion, names) in [
            (json!([]), &every[..]),
            (text("keyName", "T%"), &["two", "three"]),
            (text("description", "nightly"), &["one"]),
            (text("roleName", "full access"), &["three"]),
            (text("note", "OLD%"), &["one"]),
            (text("issuerName", "full"), &every),
            (text("revokedByName", "nobody"), &[]),
            (number("roleID", 2), &["one", "two"]),
            (number("issuerID", maker), &every),
            (number("revokedByID", maker), &every),
            (choice("issuerType", "apiKey"), &every),
            (choice("revokedByType", "administrator"), &[]),
            (choice("revocationReason", "leaked"), &["two"]),
            (json!({ "fieldName": "serviceAccount", "booleanTest": true }), &[]),
            (none("lastSignIn"), &["one", "three"]),
            (none("lastPresented"), &["one", "three"]),
            (none("expiryDate"), &["one", "three"]),
            (from("created", START.millis() + 1_000), &["two", "three"]),
            (from("revoked", START.millis() + 3_000), &["three"]),
        ] {
            assert_eq!(found(criterion.clone()), names, "{criterion}");
        }
    }

    /// The history is kept as long as audit events are, and no longer.
    fn the_history_is_kept_as_long_as_events(app: TestApp, |setup| setup.rules.retain_events = 10 * firstkey::clock::DAY) {
        let full = app.full_key();
        let keys: Vec<Value> = ["old", "young"].iter().map(|name| made(&app, &full, json!({ "keyName": name, "roleID": 2 }))).collect();
        let sweep = || actix_web::rt::System::new().block_on(firstkey::api_keys::history::sweep(&app.app)).expect("the database is there");
        revoke(&app, &full, &keys[0]["ID"], "");
        app.clock.advance(firstkey::clock::DAY);
        revoke(&app, &full, &keys[1]["ID"], "");
        app.clock.advance(9 * firstkey::clock::DAY);
        assert_eq!(sweep(), 0, "ten days are not more than ten days");
        app.clock.advance(1);
        assert_eq!(sweep(), 1);
        assert_eq!(app.texts("select key_name as t from revoked_api_keys"), ["young"]);
        assert_eq!(app.count("select count(*) as n from revoked_api_key_secrets"), 1);
    }

    /// Of two who revoke a key at once one finds it, and one row is kept.
    fn a_key_is_revoked_once(app: TestApp) {
        let full = app.full_key();
        let key = made(&app, &full, json!({ "keyName": "k", "roleID": 2 }));
        let path = format!("/api/apikeys/{}", key["ID"]);
        let mut statuses: Vec<u16> = std::thread::scope(|scope| {
            let calls: Vec<_> = (0..4).map(|_| scope.spawn(|| app.delete(&path).key(&full).send().status)).collect();
            calls.into_iter().map(|call| call.join().expect("an answer")).collect()
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 404, 404, 404]);
        assert_eq!(app.count("select count(*) as n from revoked_api_keys"), 1);
        assert_eq!(app.count("select count(*) as n from audit_events where number = 5012"), 1);
    }
}
