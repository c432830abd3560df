//! `GET /api/administrators`, `GET /api/administrators/{administratorID}`, `POST /api/administrators/search`.

use serde_json::{Value, json};

use super::{assert_refusal, made, seen};
use crate::app::{ADMIN, START, TestApp};
use crate::both;

/// The IDs that a search finds.
fn found(app: &TestApp, key: &str, criteria: Value) -> Vec<i64> {
    let body = json!({ "searchCriteria": criteria });
    let answer = app.post("/api/administrators/search", body).key(key).send().expect(200).json();
    let list = answer["administrators"].as_array().expect("a list").clone();
    list.iter().map(|person| person["ID"].as_i64().expect("an ID")).collect()
}

both! {
    /// DS-17: the list comes by ID, and each looks as described and as found.
    fn administrators_come_by_id_and_look_as_described(app: TestApp) {
        let key = app.full_key();
        for name in ["zoe", "adam"] {
            made(&app, &key, name, json!({ "emailAddress": "x@example.com" }));
        }
        let list = app.get("/api/administrators").key(&key).send().expect(200);
        let each: Vec<String> = (1..=3)
            .map(|id| app.get(&format!("/api/administrators/{id}")).key(&key).send().expect(200).text())
            .collect();
        assert_eq!(list.text(), format!("{{\"administrators\":[{}]}}", each.join(",")));
        for body in ["", "{}", r#"{"sortByObjectID":true}"#] {
            let all = app.call("POST", "/api/administrators/search").body(body).key(&key).send().expect(200);
            assert_eq!(all.text(), list.text());
        }
        assert_eq!(seen(&app, &key, &json!(1))["username"], ADMIN);
        for id in ["4", "0", "2147483647", "2147483648", "99999999999999999999"] {
            let answer = app.get(&format!("/api/administrators/{id}")).key(&key).send();
            assert_refusal(&answer, (404, "not_found"));
            assert_eq!(answer.json()["message"], "The administrator does not exist.");
        }
    }

    /// DS-17: UTCOffset is that of the moment of the call, summer time included.
    fn the_offset_is_that_of_the_moment(app: TestApp) {
        let key = app.full_key();
        let offset = |id: i64| seen(&app, &key, &json!(id))["UTCOffset"].as_str().expect("a text").to_owned();
        for (name, zone) in [("york", "America/New_York"), ("tokyo", "Asia/Tokyo"), ("delhi", "Asia/Kolkata"), ("utc", "UTC")] {
            made(&app, &key, name, json!({ "timeZone": zone }));
        }
        assert_eq!([2, 3, 4, 5].map(offset), ["UTC-5.00", "UTC+9.00", "UTC+5.30", "UTC+0.00"]);
        // half a year on
        app.clock.advance(183 * 86_400_000);
        assert_eq!([2, 3, 4, 5].map(offset), ["UTC-4.00, DST", "UTC+9.00", "UTC+5.30", "UTC+0.00"]);
    }

    /// DS-17, DS-26: every field takes its kind of test and finds what it should.
    fn every_field_is_searched_by_its_kind(app: TestApp) {
        let key = app.full_key();
        let role = app.role("Other", &[]);
        app.clock.advance(10);
        let body = json!({
            "fullName": "Benjamin 鍵", "description": "On Call", "roleID": role, "timeZone": "Asia/Tokyo", "timeFormat": "12",
            "passwordNeverExpires": true, "active": false, "phoneNumber": "+81-3", "mobileNumber": "090", "pagerNumber": "7%7",
            "emailAddress": "Ben@Example.com", "primaryContact": true, "receiveNotifications": true,
            "reportPDFPasswordEnabled": true, "externalUserID": "urn:Ben", "type": "temporary",
        });
        made(&app, &key, "Ben", body);
        made(&app, &key, "eve", json!({ "timeZone": "UTC" }));
        app.execute("update administrators set unlock_time = 7, unsuccessful_sign_in_attempts = 3, mfa_type = 'local-totp', last_sign_in = 9 where id = 2");
        app.execute("update administrators set time_zone = 'UTC' where id = 1");
        for (field, value) in [
            ("username", "bEN"), ("fullName", "benjamin%"), ("description", "on_call"), ("timeZone", "asia/%"), ("phoneNumber", "+81%"),
            ("mobileNumber", "090"), ("pagerNumber", "7\\%7"), ("emailAddress", "ben@example.com"), ("externalUserID", "URN:ben"),
        ] {
            assert_eq!(found(&app, &key, json!({ "fieldName": field, "stringValue": value })), [2], "{field}");
            let others = json!({ "fieldName": field, "stringTest": "not-equal", "stringValue": value });
            assert_eq!(found(&app, &key, others), [1, 3], "{field}");
        }
        assert_eq!(found(&app, &key, json!({ "fieldName": "directoryName", "stringValue": "" })), [1, 2, 3]);
        for (field, value) in [("timeFormat", "12"), ("mfaType", "local-totp"), ("type", "temporary")] {
            assert_eq!(found(&app, &key, json!({ "fieldName": field, "choiceValue": value })), [2], "{field}");
            let others = json!({ "fieldName": field, "choiceTest": "not-equal", "choiceValue": value });
            assert_eq!(found(&app, &key, others), [1, 3], "{field}");
        }
        for field in ["passwordNeverExpires", "primaryContact", "receiveNotifications", "reportPDFPasswordEnabled"] {
            assert_eq!(found(&app, &key, json!({ "fieldName": field, "booleanTest": true })), [2], "{field}");
        }
        assert_eq!(found(&app, &key, json!({ "fieldName": "active", "booleanTest": false })), [2]);
        for field in ["external", "readOnly"] {
            assert_eq!(found(&app, &key, json!({ "fieldName": field, "booleanTest": true })), [0_i64; 0], "{field}");
        }
        for (field, value) in [("roleID", role), ("unsuccessfulSignInAttempts", 3)] {
            assert_eq!(found(&app, &key, json!({ "fieldName": field, "numericValue": value })), [2], "{field}");
        }
        for field in ["lastSignIn", "unlockTime"] {
            let range = json!({ "fieldName": field, "firstDateValue": 7, "lastDateValue": 9 });
            assert_eq!(found(&app, &key, range), [2], "{field}");
        }
        assert_eq!(found(&app, &key, json!({ "fieldName": "unlockTime", "nullTest": true })), [1, 3]);
        for field in ["created", "lastPasswordChange"] {
            let range = json!({ "fieldName": field, "firstDateValue": START.millis(), "firstDateInclusive": false });
            assert_eq!(found(&app, &key, range), [2, 3], "{field}");
        }
        assert_eq!(found(&app, &key, json!({ "idTest": "greater-than", "idValue": 2 })), [3]);
        let both = json!([{ "fieldName": "active", "booleanTest": true }, { "fieldName": "username", "stringValue": "%e%" }]);
        assert_eq!(found(&app, &key, both), [1, 3]);
    }

    /// Wrong kinds of test, and fields that cannot be searched, passwords first of all, are refused.
    fn what_cannot_be_searched_is_refused(app: TestApp) {
        let key = app.full_key();
        for criterion in [
            json!({ "fieldName": "password", "stringValue": "%" }),
            json!({ "fieldName": "passwordHash", "stringValue": "%" }),
            json!({ "fieldName": "reportPDFPassword", "stringValue": "%" }),
            json!({ "fieldName": "locale", "stringValue": "en-US" }),
            json!({ "fieldName": "directoryInfo", "stringValue": "" }),
            json!({ "fieldName": "UTCOffset", "stringValue": "UTC" }),
            json!({ "fieldName": "Username", "stringValue": "x" }),
            json!({ "fieldName": "username", "numericValue": 1 }),
            json!({ "fieldName": "mfaType", "stringValue": "none" }),
            json!({ "fieldName": "mfaType", "choiceValue": "sms" }),
            json!({ "fieldName": "timeFormat", "choiceValue": "36" }),
            json!({ "fieldName": "roleID", "booleanTest": true }),
        ] {
            let answer = app.post("/api/administrators/search", json!({ "searchCriteria": [criterion] })).key(&key).send();
            assert_refusal(&answer, (400, "bad_search"));
        }
    }
}
