//! Contacts: people to be written to who cannot sign in.

use firstkey::rights::{Reach, Right};
use serde_json::{Value, json};

use crate::app::{PASSWORD, Session, TestApp, secret};
use crate::both;
use crate::http::Answer;
use crate::stored::without_trace;

fn create(app: &TestApp, key: &str, body: Value) -> Answer {
    app.post("/api/contacts", body).key(key).send()
}

fn made(app: &TestApp, key: &str, body: Value) -> Value {
    create(app, key, body).expect(200).json()
}

fn change(app: &TestApp, key: &str, id: &Value, body: Value) -> Answer {
    app.post(&format!("/api/contacts/{id}"), body).key(key).send()
}

#[track_caller]
fn assert_refusal(answer: &Answer, expected: (u16, &str)) {
    assert_eq!((answer.status, answer.code().as_str()), expected, "{}", answer.text());
}

/// The IDs that a search finds.
fn found(app: &TestApp, key: &str, criteria: Value) -> Vec<i64> {
    let answer =
        app.post("/api/contacts/search", json!({ "searchCriteria": criteria })).key(key).send().expect(200).json();
    let list = answer["contacts"].as_array().expect("a list").clone();
    list.iter().map(|contact| contact["ID"].as_i64().expect("an ID")).collect()
}

const ALL: &str = r#"{"name":"Ops 鍵","description":"d","phoneNumber":"1","mobileNumber":"2","pagerNumber":"3","emailAddress":"Ops@example.com","locale":"ja-JP","roleID":2,"reportPDFPasswordEnabled":true,"ID":1}"#;

/// A body with every member.
fn all() -> Value {
    json!({
        "name": "Ops 鍵", "description": "d", "phoneNumber": "1", "mobileNumber": "2", "pagerNumber": "3",
        "emailAddress": "Ops@example.com", "locale": "ja-JP", "roleID": "2", "reportPDFPasswordEnabled": "true",
        "reportPDFPassword": "hunter2 hunter2", "ID": 77, "tenantID": 5,
    })
}

both! {
    /// A contact is answered with the documented members in their order, with defaults where nothing was given; the
    /// password for reports is taken and forgotten.
    fn a_contact_is_answered_in_the_documented_order(app: TestApp) {
        let key = app.full_key();
        assert_eq!(create(&app, &key, all()).expect(200).text(), ALL);
        assert_eq!(app.get("/api/contacts/1").key(&key).send().expect(200).text(), ALL);
        let plain = r#"{"name":"x","description":"","phoneNumber":"","mobileNumber":"","pagerNumber":"","emailAddress":"","locale":"en-US","reportPDFPasswordEnabled":false,"ID":2}"#;
        assert_eq!(create(&app, &key, json!({ "name": "x", "roleID": 0 })).expect(200).text(), plain);
        let list = format!("{{\"contacts\":[{ALL},{plain}]}}");
        assert_eq!(app.get("/api/contacts").key(&key).send().expect(200).text(), list);
        assert_eq!(app.call("POST", "/api/contacts/search").key(&key).send().expect(200).text(), list);
        made(&app, &key, json!({ "name": "X", "roleID": null }));
        assert!(!app.rows().join("\n").contains("hunter2"));
        for id in ["4", "0", "2147483648"] {
            let answer = app.get(&format!("/api/contacts/{id}")).key(&key).send();
            assert_refusal(&answer, (404, "not_found"));
            assert_eq!(answer.json()["message"], "The contact does not exist.");
        }
    }

    /// Only what is sent changes; 0 and null take the role off.
    fn only_what_is_sent_changes(app: TestApp) {
        let key = app.full_key();
        let id = &made(&app, &key, json!({ "name": "before" }))["ID"];
        let mut expected = app.get("/api/contacts/1").key(&key).send().json();
        for (member, value) in [
            ("name", json!("after")), ("description", json!("d")), ("phoneNumber", json!("1")), ("mobileNumber", json!("2")),
            ("pagerNumber", json!("3")), ("emailAddress", json!("o@example.com")), ("locale", json!("nl-NL")), ("roleID", json!(1)),
            ("reportPDFPasswordEnabled", json!(true)), ("emailAddress", json!("")), ("description", json!("")),
        ] {
            expected[member] = value.clone();
            assert_eq!(change(&app, &key, id, json!({ member: value })).expect(200).json(), expected, "{member}");
            assert_eq!(app.get("/api/contacts/1").key(&key).send().json(), expected);
        }
        change(&app, &key, id, json!({ "name": null, "description": null })).expect(200);
        for none in [json!(0), json!(null), json!("0")] {
            assert_eq!(change(&app, &key, id, json!({ "roleID": 2 })).expect(200).json()["roleID"], 2);
            assert_eq!(change(&app, &key, id, json!({ "roleID": none })).expect(200).json().get("roleID"), None);
        }
    }

    /// What cannot be is refused by name, at the making and later, and nothing changes.
    fn what_cannot_be_is_refused_by_name(app: TestApp) {
        let key = app.full_key();
        let id = &made(&app, &key, json!({ "name": "x" }))["ID"];
        let before = app.rows();
        let long = |characters: usize| json!("x".repeat(characters));
        for (member, value, code) in [
            ("name", json!(""), "malformed"), ("name", long(129), "malformed"), ("name", json!(" "), "malformed"), ("name", json!(7), "malformed"), ("name", json!("a\u{0}"), "malformed"),
            ("description", long(1_025), "malformed"), ("phoneNumber", long(129), "malformed"), ("mobileNumber", json!("\n"), "malformed"), ("pagerNumber", json!([]), "malformed"),
            ("emailAddress", json!("x"), "malformed"), ("emailAddress", json!("a@example.com, b@example.com"), "malformed"),
            ("locale", json!("de-DE"), "unknown_locale"), ("roleID", json!(99), "unknown_role"), ("roleID", json!(-1), "unknown_role"), ("roleID", json!("two"), "malformed"),
            ("reportPDFPasswordEnabled", json!(1), "malformed"),
        ] {
            let mut body = json!({ "name": "y" });
            body[member] = value.clone();
            for answer in [create(&app, &key, body), change(&app, &key, id, json!({ member: value }))] {
                assert_refusal(&answer, (400, code));
                let message = answer.json()["message"].as_str().expect("a message").to_owned();
                assert!(message.starts_with(member) || member == "locale", "{member}: {message}");
            }
        }
        assert_refusal(&create(&app, &key, json!({})), (400, "malformed"));
        assert_refusal(&create(&app, &key, json!({ "name": null })), (400, "malformed"));
        assert_refusal(&change(&app, &key, &json!(99), json!({ "name": "y" })), (404, "not_found"));
        app.assert_rows(&before, "refused");
        made(&app, &key, json!({ "name": "x".repeat(128), "description": "x".repeat(1_024), "pagerNumber": "x".repeat(128) }));
    }

    /// DS-26: every field takes its kind of test.
    fn every_field_is_searched_by_its_kind(app: TestApp) {
        let key = app.full_key();
        made(&app, &key, all());
        made(&app, &key, json!({ "name": "other" }));
        for (field, value) in [
            ("name", "OPS %"), ("description", "D"), ("phoneNumber", "1"), ("mobileNumber", "2"), ("pagerNumber", "3"), ("emailAddress", "%@EXAMPLE.com"),
        ] {
            assert_eq!(found(&app, &key, json!({ "fieldName": field, "stringValue": value })), [1], "{field}");
            assert_eq!(found(&app, &key, json!({ "fieldName": field, "stringTest": "not-equal", "stringValue": value })), [2], "{field}");
        }
        assert_eq!(found(&app, &key, json!({ "fieldName": "roleID", "numericValue": 2 })), [1]);
        assert_eq!(found(&app, &key, json!({ "fieldName": "reportPDFPasswordEnabled", "booleanTest": false })), [2]);
        assert_eq!(found(&app, &key, json!({ "idTest": "greater-than", "idValue": 1 })), [2]);
        for criterion in [
            json!({ "fieldName": "locale", "stringValue": "ja-JP" }), json!({ "fieldName": "reportPDFPassword", "stringValue": "%" }),
            json!({ "fieldName": "roleID", "stringValue": "2" }), json!({ "fieldName": "name", "choiceValue": "x" }),
        ] {
            assert_refusal(&app.post("/api/contacts/search", json!({ "searchCriteria": criterion })).key(&key).send(), (400, "bad_search"));
        }
    }

    /// Making, changing and removing leave an event each, which says what changed.
    fn each_change_leaves_an_event(app: TestApp) {
        let key = app.full_key();
        let before = app.last_event();
        made(&app, &key, json!({ "name": "Ops", "roleID": 2 }));
        change(&app, &key, &json!(1), json!({ "name": "Dev", "roleID": 0 })).expect(200);
        let answer = app.delete("/api/contacts/1").key(&key).send().expect(204);
        assert!(answer.body.is_empty());
        assert_refusal(&app.delete("/api/contacts/1").key(&key).send(), (404, "not_found"));
        assert_eq!(app.events_after(before), [
            r#"5040 apiKey/1/full contact/1/Ops {"roleID":2}"#,
            r#"5041 apiKey/1/full contact/1/Ops {"name":{"from":"Ops","to":"Dev"},"roleID":{"from":2,"to":null}}"#,
            "5042 apiKey/1/full contact/1/Dev {}",
        ]);
        assert_eq!(made(&app, &key, json!({ "name": "Ops" }))["ID"], 2, "a number is not given twice");
    }

    /// Each call needs its own right; the role that a contact bears need not lie within the caller's.
    fn each_call_needs_its_own_right(app: TestApp) {
        let full = app.full_key();
        for (own, allowed) in [
            ("canViewContacts", [200, 200, 200, 403, 403, 403]),
            ("canCreateNewContacts", [403, 403, 403, 200, 403, 403]),
            ("canEditContactProperties", [403, 403, 403, 403, 200, 403]),
            ("canDeleteContacts", [403, 403, 403, 403, 403, 204]),
        ] {
            let right = Right::all().find(|right| right.name().name == own).expect("a right");
            let role = app.role_of(own, [right].into_iter().collect(), Reach::default());
            let body = json!({ "keyName": own, "roleID": role });
            let caller = secret(&app.post("/api/apikeys", body).key(&full).send().expect(200).json());
            let id = made(&app, &full, json!({ "name": own }))["ID"].clone();
            let item = format!("/api/contacts/{id}");
            let statuses = [
                app.get("/api/contacts").key(&caller).send().status,
                app.get(&item).key(&caller).send().status,
                app.post("/api/contacts/search", json!({})).key(&caller).send().status,
                create(&app, &caller, json!({ "name": "by it", "roleID": 1 })).status,
                change(&app, &caller, &id, json!({ "roleID": 1 })).status,
                app.delete(&item).key(&caller).send().status,
            ];
            assert_eq!(statuses, allowed, "{own}");
        }
    }

    /// T-23: another tenant's contact is answered byte for byte as one that never was, and is in no list.
    fn anothers_contact_is_as_none(app: TestApp) {
        let ours = app.full_key();
        let our_role = app.role("Ours", &[]);
        let tenant = app.tenant("Blue");
        app.administrator("blue", PASSWORD, 1, tenant);
        let body = json!({ "userName": "blue", "password": PASSWORD, "tenantName": "blue" });
        let theirs = Session::from(&app.post("/api/sessions", body).send().expect(200));
        let id = made(&app, &ours, json!({ "name": "Ops" }))["ID"].clone();
        let before = app.rows();
        for (method, body) in [("GET", json!({})), ("DELETE", json!({})), ("POST", json!({ "name": "x" })), ("POST", json!({}))] {
            let [foreign, never] = [&id, &json!(2_147_483_647)].map(|id| {
                let call = app.call(method, &format!("/api/contacts/{id}")).json(body.clone());
                without_trace(&call.with(&theirs).send().expect(404))
            });
            assert_eq!(foreign, never, "{method}");
        }
        let [foreign, never] = [our_role, 2_147_483_647].map(|role| {
            let body = json!({ "name": "x", "roleID": role });
            without_trace(&app.post("/api/contacts", body).with(&theirs).send().expect(400))
        });
        assert_eq!(foreign, never);
        assert_eq!(app.get("/api/contacts").with(&theirs).send().expect(200).text(), r#"{"contacts":[]}"#);
        assert_eq!(app.rows(), before);
    }
}
