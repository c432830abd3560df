//! `POST /api/apikeys/search`.

use serde_json::{Value, json};

use super::made;
use crate::app::{PASSWORD, START, Session, TestApp};
use crate::both;

const HOUR: i64 = 3_600_000;

fn found(app: &TestApp, viewer: &str, body: Value) -> Vec<String> {
    let answer = app.post("/api/apikeys/search", body).key(viewer).send().expect(200).json();
    let keys = answer["apiKeys"].as_array().expect("a list, never null").clone();
    keys.iter().map(|key| key["keyName"].as_str().expect("a name").to_owned()).collect()
}

/// Keys that differ in every field; the viewer is among them and never signed in as far as is stored.
fn some_keys(app: &TestApp) -> String {
    let viewer = app.full_key();
    let end = START.millis() + HOUR;
    for (name, more) in [
        ("test_key_1", json!({ "description": "nightly", "timeZone": "Asia/Tokyo", "expiryDate": end })),
        ("test-key-1", json!({ "description": "100% nightly", "active": false })),
        ("Schlüssel", json!({ "roleID": 1, "timeZone": "US/Eastern", "expiryDate": end + HOUR })),
    ] {
        app.clock.advance(HOUR / 10);
        let mut body = json!({ "keyName": name, "roleID": 2, "timeZone": "UTC" });
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        made(app, &viewer, body);
    }
    let at = |hours: i64| START.millis() + hours * HOUR;
    app.execute(&format!(
        "update api_keys set last_sign_in = {}, unsuccessful_sign_in_attempts = 3 where key_name = 'test_key_1'",
        at(1)
    ));
    app.execute(&format!(
        "update api_keys set unlock_time = {}, unsuccessful_sign_in_attempts = 7 where key_name = 'test-key-1'",
        at(2)
    ));
    app.execute("update api_keys set time_zone = 'UTC' where key_name = 'full'");
    app.execute("update api_keys set service_account = true where name_fold like 'schl%'");
    viewer
}

both! {
    /// DS-47: every field of a key is found by every kind of test that it takes.
    fn every_field_is_searched_by_its_tests(app: TestApp) {
        let viewer = some_keys(&app);
        let (full, one, two, three) = ("full", "test_key_1", "test-key-1", "Schlüssel");
        let at = |hours: i64| START.millis() + hours * HOUR;
        let text = |field: &str, test: &str, value: &str| json!({ "fieldName": field, "stringTest": test, "stringValue": value });
        let number = |field: &str, test: &str, value: i64| json!({ "fieldName": field, "numericTest": test, "numericValue": value });
        let boolean = |field: &str, value: bool| json!({ "fieldName": field, "booleanTest": value });
        let null = |field: &str, value: bool| json!({ "fieldName": field, "nullTest": value });
        let from = |field: &str, first: i64| json!({ "fieldName": field, "firstDateValue": first });
        let to = |field: &str, last: i64| json!({ "fieldName": field, "lastDateValue": last });
        let second = app.count("select id as n from api_keys where key_name = 'test_key_1'");
        let id = |test: &str| json!({ "idTest": test, "idValue": second });
        for (criterion, names) in [
            (text("keyName", "equal", "TEST_KEY_1"), vec![one, two]),
            (text("keyName", "not-equal", "test%"), vec![full, three]),
            (text("keyName", "equal", "SCHLÜSSEL"), vec![three]),
            (text("keyName", "equal", "schlu\u{308}ssel"), vec![three]),
            (text("description", "equal", "NIGHTLY"), vec![one]),
            (text("description", "equal", "%nightly"), vec![one, two]),
            (text("description", "equal", "100\\%%"), vec![two]),
            (text("description", "equal", ""), vec![full, three]),
            (text("description", "not-equal", ""), vec![one, two]),
            (text("timeZone", "equal", "asia/tokyo"), vec![one]),
            (text("timeZone", "equal", "US/%"), vec![three]),
            (text("timeZone", "not-equal", "UTC"), vec![one, three]),
            (number("roleID", "equal", 1), vec![full, three]),
            (number("roleID", "not-equal", 1), vec![one, two]),
            (number("roleID", "less-than", 2), vec![full, three]),
            (number("roleID", "greater-than-or-equal", 2), vec![one, two]),
            (number("unsuccessfulSignInAttempts", "equal", 3), vec![one]),
            (number("unsuccessfulSignInAttempts", "not-equal", 0), vec![one, two]),
            (number("unsuccessfulSignInAttempts", "less-than", 7), vec![full, one, three]),
            (number("unsuccessfulSignInAttempts", "less-than-or-equal", 7), vec![full, one, two, three]),
            (number("unsuccessfulSignInAttempts", "greater-than", 3), vec![two]),
            (number("unsuccessfulSignInAttempts", "greater-than-or-equal", 3), vec![one, two]),
            (number("unsuccessfulSignInAttempts", "greater-than", i64::MAX), vec![]),
            (boolean("active", true), vec![full, one, three]),
            (boolean("active", false), vec![two]),
            (boolean("serviceAccount", true), vec![three]),
            (boolean("serviceAccount", false), vec![full, one, two]),
            (from("created", at(0) + HOUR / 10), vec![one, two, three]),
            (to("created", at(0) + HOUR / 10), vec![full, one]),
            (null("created", true), vec![]),
            (null("created", false), vec![full, one, two, three]),
            (from("lastSignIn", at(1)), vec![one]),
            (to("lastSignIn", at(1) - 1), vec![]),
            (null("lastSignIn", true), vec![full, two, three]),
            (null("lastSignIn", false), vec![one]),
            (from("unlockTime", at(2)), vec![two]),
            (to("unlockTime", at(2)), vec![two]),
            (null("unlockTime", false), vec![two]),
            (from("expiryDate", at(1) + 1), vec![three]),
            (to("expiryDate", at(1)), vec![one]),
            (null("expiryDate", true), vec![full, two]),
            (null("expiryDate", false), vec![one, three]),
            (id("equal"), vec![one]),
            (id("not-equal"), vec![full, two, three]),
            (id("less-than"), vec![full]),
            (id("less-than-or-equal"), vec![full, one]),
            (id("greater-than"), vec![two, three]),
            (id("greater-than-or-equal"), vec![one, two, three]),
        ] {
            // as the only one of a list, and bare, as published tools send it
            for criteria in [json!([criterion]), criterion.clone()] {
                assert_eq!(found(&app, &viewer, json!({ "searchCriteria": criteria })), names, "{criterion}");
            }
        }
    }

    /// The ends of a date range belong to it unless it is said that they do not; all criteria must hold.
    fn ranges_end_where_they_say(app: TestApp) {
        let viewer = some_keys(&app);
        let (first, last) = (START.millis() + HOUR, START.millis() + 2 * HOUR);
        let range = |first_in: Value, last_in: Value| {
            json!({ "fieldName": "expiryDate", "firstDateValue": first, "firstDateInclusive": first_in,
                "lastDateValue": last, "lastDateInclusive": last_in })
        };
        for (criterion, names) in [
            (range(json!(null), json!(null)), vec!["test_key_1", "Schlüssel"]),
            (range(json!(true), json!("true")), vec!["test_key_1", "Schlüssel"]),
            (range(json!(false), json!(true)), vec!["Schlüssel"]),
            (range(json!(true), json!("false")), vec!["test_key_1"]),
            (range(json!(false), json!(false)), vec![]),
        ] {
            assert_eq!(found(&app, &viewer, json!({ "searchCriteria": criterion })), names, "{criterion}");
        }
        let both = json!([{ "fieldName": "active", "booleanTest": true }, range(json!(true), json!(true)), { "fieldName": "roleID", "numericValue": "1" }]);
        assert_eq!(found(&app, &viewer, json!({ "searchCriteria": both })), ["Schlüssel"]);
    }

    /// `%` and `_` are wild, a backslash makes them plain, and so does stringWildcards false.
    fn wildcards_can_be_made_plain(app: TestApp) {
        let viewer = some_keys(&app);
        let named = |value: &str, wild: bool| {
            let criterion = json!({ "fieldName": "keyName", "stringValue": value, "stringWildcards": wild });
            found(&app, &viewer, json!({ "searchCriteria": [criterion] }))
        };
        assert_eq!(named("test_key__", true), ["test_key_1", "test-key-1"]);
        assert_eq!(named("test\\_key\\_1", true), ["test_key_1"]);
        assert_eq!(named("test\\_%", true), ["test_key_1"]);
        assert_eq!(named("test_key_1", false), ["test_key_1"]);
        assert_eq!(named("test%", false), [] as [&str; 0]);
        assert_eq!(named("_chlüsse_", true), ["Schlüssel"]);
    }

    /// DS-41: no body, an empty one and one without criteria find every key, as the list and a description show it.
    fn nothing_asked_finds_every_key(app: TestApp) {
        let viewer = some_keys(&app);
        app.flush();
        app.execute("update api_keys set last_sign_in = null where key_name = 'full'");
        let list = |call: crate::app::Call| -> Value {
            let mut keys = call.key(&viewer).send().expect(200).json();
            // the viewer signs in with each of these calls
            keys["apiKeys"][0].as_object_mut().expect("a key").remove("lastSignIn");
            keys
        };
        let all = list(app.get("/api/apikeys"));
        assert_eq!(all["apiKeys"].as_array().expect("a list").len(), 4);
        assert_eq!(list(app.call("POST", "/api/apikeys/search")), all);
        for body in [json!({}), json!({ "searchCriteria": [] }), json!({ "searchCriteria": null, "maxItems": null, "sortByObjectID": true })] {
            assert_eq!(list(app.post("/api/apikeys/search", body)), all);
        }
        let id = &all["apiKeys"][1]["ID"];
        let one = app.post("/api/apikeys/search", json!({ "searchCriteria": { "idValue": id } })).key(&viewer).send().expect(200);
        let described = app.get(&format!("/api/apikeys/{id}")).key(&viewer).send().expect(200);
        assert_eq!(one.text(), format!(r#"{{"apiKeys":[{}]}}"#, described.text()));
    }

    /// The documented paging shows each key once; a page holds as many as were asked for, and 1 to 5,000 may be.
    fn pages_by_id_show_each_key_once(app: TestApp) {
        let viewer = some_keys(&app);
        for size in [1, 2, 3, 4, 5_000] {
            let (mut last, mut seen) = (0, Vec::<i64>::new());
            loop {
                let body = json!({ "maxItems": size, "searchCriteria": [{ "idTest": "greater-than", "idValue": last }] });
                let page = app.post("/api/apikeys/search", body).key(&viewer).send().expect(200).json();
                let ids: Vec<i64> = page["apiKeys"].as_array().expect("a list").iter().filter_map(|key| key["ID"].as_i64()).collect();
                assert!(ids.len() <= size);
                seen.extend(&ids);
                match ids.last() {
                    Some(id) if ids.len() == size => last = *id,
                    _ => break,
                }
            }
            assert_eq!(seen.len(), 4, "in pages of {size}");
            assert!(seen.is_sorted());
        }
    }

    /// What cannot be searched is 400, and the message names the field and the kinds that it takes.
    fn what_cannot_be_searched_is_told(app: TestApp) {
        let viewer = app.full_key();
        let one = |criterion: Value| json!({ "searchCriteria": [criterion] });
        let mut refused = vec![
            (json!({ "maxItems": 0 }), "maxItems"),
            (json!({ "maxItems": -1 }), "maxItems"),
            (json!({ "maxItems": 5_001 }), "maxItems"),
            (one(json!({ "fieldName": "keyname", "stringValue": "x" })), "keyName, description"),
            (one(json!({ "fieldName": "KeyName", "stringValue": "x" })), "keyName, description"),
            (one(json!({ "fieldName": "roleid", "numericValue": 1 })), "keyName, description"),
            (one(json!({ "fieldName": "locale", "stringValue": "en-US" })), "keyName, description"),
            (one(json!({ "fieldName": "secretKey", "stringValue": "%" })), "keyName, description"),
            (one(json!({ "fieldName": "tenantID", "numericValue": 0 })), "keyName, description"),
            (one(json!({ "fieldName": "", "stringValue": "x" })), "keyName, description"),
            (one(json!({ "stringValue": "x" })), "fieldName"),
            (one(json!({ "fieldName": "keyName" })), "test"),
            (one(json!({ "fieldName": "keyName", "stringValue": "x", "booleanTest": true })), "several"),
            (one(json!({ "fieldName": "created", "firstDateValue": 1, "nullTest": true })), "several"),
            (json!({ "searchCriteria": (0..101).map(|_| json!({ "idValue": 1 })).collect::<Vec<_>>() }), "searchCriteria"),
        ];
        // every field with every kind of test that is not its own
        let tests = [
            ("stringTest", json!({ "stringValue": "x" })),
            ("numericTest", json!({ "numericValue": 1 })),
            ("booleanTest", json!({ "booleanTest": true })),
            ("choiceTest", json!({ "choiceValue": "x" })),
            ("firstDateValue", json!({ "firstDateValue": 1 })),
        ];
        let fields = [
            ("keyName", "stringTest"), ("description", "stringTest"), ("timeZone", "stringTest"),
            ("roleID", "numericTest"), ("unsuccessfulSignInAttempts", "numericTest"), ("active", "booleanTest"),
            ("serviceAccount", "booleanTest"), ("created", "firstDateValue"), ("lastSignIn", "firstDateValue"),
            ("unlockTime", "firstDateValue"), ("expiryDate", "firstDateValue"),
        ];
        for (field, takes) in fields {
            for (test, criterion) in &tests {
                let mut criterion = criterion.clone();
                criterion["fieldName"] = json!(field);
                if *test == takes {
                    found(&app, &viewer, one(criterion));
                } else {
                    refused.push((one(criterion), takes));
                }
            }
        }
        for (body, says) in refused {
            let answer = app.post("/api/apikeys/search", body.clone()).key(&viewer).send();
            assert_eq!(answer.refusal(), (400, "bad_search".to_owned()), "{body}");
            let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
            assert!(message.contains(says), "{body}: {message}");
        }
        let most: Vec<Value> = (0..100).map(|_| json!({ "idTest": "greater-than", "idValue": 0 })).collect();
        assert_eq!(found(&app, &viewer, json!({ "searchCriteria": most, "maxItems": 1 })), ["full"]);
        for body in [json!({ "maxItems": "many" }), json!({ "searchCriteria": [[]] }), json!({ "searchCriteria": { "fieldName": "roleID", "numericValue": "x" } })] {
            let answer = app.post("/api/apikeys/search", body.clone()).key(&viewer).send();
            assert_eq!(answer.refusal(), (400, "malformed".to_owned()), "{body}");
        }
    }

    /// Another tenant's keys are found by no criterion, not even by their ID.
    fn anothers_keys_are_never_found(app: TestApp) {
        let viewer = app.full_key();
        let tenant = app.tenant("Blue");
        app.administrator("blue", PASSWORD, 1, tenant);
        let body = json!({ "userName": "blue", "password": PASSWORD, "tenantName": "blue" });
        let session = Session::from(&app.post("/api/sessions", body).send().expect(200));
        let body = json!({ "keyName": "theirs", "roleID": 1 });
        let theirs = app.post("/api/apikeys", body).with(&session).send().expect(200).json();
        for criteria in [
            json!([]),
            json!({ "idValue": theirs["ID"] }),
            json!({ "idTest": "not-equal", "idValue": -1 }),
            json!({ "fieldName": "keyName", "stringTest": "not-equal", "stringValue": "zz" }),
            json!({ "fieldName": "expiryDate", "nullTest": true }),
        ] {
            let names = found(&app, &viewer, json!({ "searchCriteria": criteria }));
            assert!(!names.contains(&"theirs".to_owned()), "{criteria}");
        }
        let own = app.post("/api/apikeys/search", json!({})).with(&session).send().expect(200).json();
        assert_eq!(own["apiKeys"].as_array().map(Vec::len), Some(1));
    }
}
