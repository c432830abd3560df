//! `/api/apitypes`: listed, made, changed, removed, searched.

use firstkey::rights::{Reach, Right};
use serde_json::{Value, json};

use super::{CREATE_CONTACTS, VIEW_CONTACTS, change, create, made};
use crate::app::{START, TestApp, secret};
use crate::both;
use crate::profiles::{assert_refusal, message};

fn found(app: &TestApp, key: &str, criteria: Value) -> Vec<String> {
    let body = json!({ "searchCriteria": criteria });
    let answer = app.post("/api/apitypes/search", body).key(key).send().expect(200).json();
    let list = answer["apiTypes"].as_array().expect("a list").clone();
    list.iter().map(|kind| kind["name"].as_str().expect("a name").to_owned()).collect()
}

/// A key of a role with canEditSettings and these rights.
fn editor(app: &TestApp, full: &str, name: &str, rights: &[&str], more: Value) -> String {
    let rights: Vec<&str> = rights.iter().copied().chain(["platformRights.settingRights.canEditSettings"]).collect();
    let mut body = json!({ "keyName": name, "roleID": app.role(name, &rights) });
    body.as_object_mut().expect("members").extend(more.as_object().expect("members").clone());
    secret(&app.post("/api/apikeys", body).key(full).send().expect(200).json())
}

both! {
    /// TC-05: the documented API types are there from the first start, two of which need an authorization; one's own come
    /// behind them.
    fn the_documented_api_types_are_there(app: TestApp) {
        let key = app.full_key();
        let list = app.get("/api/apitypes").key(&key).send().expect(200).json();
        let list = list["apiTypes"].as_array().expect("a list").clone();
        let names: Vec<(&str, bool)> = list.iter().map(|kind| (kind["name"].as_str().expect("a name"), kind["needsAuthorization"] == true)).collect();
        assert_eq!(names, [
            ("logRetrieval", false), ("threatInvestigation", false), ("threatMitigationEmailMessage", false),
            ("threatMitigationUserAccount", true), ("intelligentInvestigation", true), ("threatRemediation", false),
        ]);
        for kind in &list {
            for right in kind["rights"].as_array().expect("a list") {
                assert!(Right::find_dotted(right.as_str().expect("a name")).is_some(), "{right}");
            }
        }
        let first = r#"{"name":"logRetrieval","title":"Log Retrieval","description":"Reads security event logs and downloads quarantined mail.","needsAuthorization":false,"rights":["platformRights.computerRights.canViewOtherComputers","platformRights.systemInformationRights.canViewSystemInformation"],"ID":1}"#;
        assert_eq!(app.get("/api/apitypes/1").key(&key).send().expect(200).text(), first);
        let body = json!({ "name": "Investigation.read", "title": "調査", "description": "d", "needsAuthorization": "true", "rights": [CREATE_CONTACTS, VIEW_CONTACTS, VIEW_CONTACTS], "ID": 1 });
        let made = create(&app, &key, body).expect(200).json();
        let mut rights = vec![CREATE_CONTACTS, VIEW_CONTACTS];
        rights.sort_by_key(|name| Right::all().position(|right| format!("{right:?}") == *name));
        let expected = json!({ "name": "Investigation.read", "title": "調査", "description": "d", "needsAuthorization": true, "rights": rights, "ID": made["ID"] });
        assert_eq!(made, expected);
        assert_eq!(app.get(&format!("/api/apitypes/{}", made["ID"])).key(&key).send().expect(200).json(), expected);
        let plain = create(&app, &key, json!({ "name": "plain" })).expect(200).json();
        assert_eq!((&plain["title"], &plain["rights"], &plain["needsAuthorization"]), (&json!("plain"), &json!([]), &json!(false)));
        assert_refusal(&app.get("/api/apitypes/9999").key(&key).send(), (404, "not_found"));
    }

    /// Only what is sent changes; the built-in ones do not, nor are their names taken.
    fn only_ones_own_change(app: TestApp) {
        let key = app.full_key();
        let id = made(&app, &key, "mine", false, &[VIEW_CONTACTS]);
        let path = format!("/api/apitypes/{id}");
        let mut expected = app.get(&path).key(&key).send().expect(200).json();
        for (member, value) in [("name", json!("Mine")), ("title", json!("t")), ("description", json!("d")), ("needsAuthorization", json!(true)), ("rights", json!([CREATE_CONTACTS])), ("rights", json!([]))] {
            expected[member] = value.clone();
            assert_eq!(change(&app, &key, id, json!({ member: value })).expect(200).json(), expected, "{member}");
            assert_eq!(app.get(&path).key(&key).send().json(), expected);
        }
        let before = app.rows();
        for id in 1..=6 {
            assert_refusal(&change(&app, &key, id, json!({ "title": "t" })), (409, "conflict"));
            assert_refusal(&app.delete(&format!("/api/apitypes/{id}")).key(&key).send(), (409, "conflict"));
        }
        for name in ["logRetrieval", "LOGRETRIEVAL", "mine"] {
            assert_refusal(&create(&app, &key, json!({ "name": name })), (409, "name_taken"));
        }
        assert_refusal(&change(&app, &key, id, json!({ "name": "logretrieval" })), (409, "name_taken"));
        app.assert_rows(&before, "refused");
        app.delete(&path).key(&key).send().expect(204);
        assert_refusal(&app.delete(&path).key(&key).send(), (404, "not_found"));
    }

    /// What cannot be is refused by name; a right that is misspelt with those that were likely meant.
    fn what_cannot_be_is_refused_by_name(app: TestApp) {
        let key = app.full_key();
        let id = made(&app, &key, "x", false, &[]);
        let before = app.rows();
        for (member, value) in [
            ("name", json!("")), ("name", json!("a b")), ("name", json!("a,b")), ("name", json!("é")), ("name", json!("9")), ("name", json!("a".repeat(65))), ("name", json!(7)),
            ("title", json!("")), ("title", json!("鍵".repeat(129))), ("title", json!("\n")), ("description", json!("鍵".repeat(1_025))),
            ("needsAuthorization", json!(1)), ("rights", json!("x")), ("rights", json!([7])), ("rights", json!([""])), ("rights", json!(["canViewContacts"])), ("rights", json!(["x".repeat(9_000)])),
        ] {
            let mut body = json!({ "name": "y" });
            body[member] = value.clone();
            for answer in [create(&app, &key, body), change(&app, &key, id, json!({ member: value }))] {
                assert_refusal(&answer, (400, "malformed"));
                assert!(message(&answer).starts_with(member), "{member}: {}", message(&answer));
            }
        }
        let answer = create(&app, &key, json!({ "name": "y", "rights": ["platformRights.contactRights.canVeiwContacts"] }));
        assert!(message(&answer).contains(VIEW_CONTACTS), "{}", message(&answer));
        assert_eq!(answer.json()["accepted"][0], VIEW_CONTACTS);
        assert_refusal(&create(&app, &key, json!({})), (400, "malformed"));
        app.assert_rows(&before, "refused");
        create(&app, &key, json!({ "name": "a".repeat(64), "title": "鍵".repeat(128), "description": "鍵".repeat(1_024) })).expect(200);
    }

    /// T-01: nobody makes, widens, takes over or removes an API type of rights that they lack; a key that ends adds nothing
    /// to one.
    fn nobody_makes_one_of_rights_they_lack(app: TestApp) {
        let full = app.full_key();
        let reader = editor(&app, &full, "reader", &[VIEW_CONTACTS], json!({}));
        let beyond = (403, "beyond_caller");
        assert_refusal(&create(&app, &reader, json!({ "name": "w", "rights": [CREATE_CONTACTS] })), beyond);
        let own = made(&app, &reader, "r", false, &[VIEW_CONTACTS]);
        assert_refusal(&change(&app, &reader, own, json!({ "rights": [VIEW_CONTACTS, CREATE_CONTACTS] })), beyond);
        let stronger = made(&app, &full, "w", false, &[CREATE_CONTACTS]);
        let before = app.rows();
        for body in [json!({ "rights": [] }), json!({ "title": "t" })] {
            assert_refusal(&change(&app, &reader, stronger, body), beyond);
        }
        assert_refusal(&app.delete(&format!("/api/apitypes/{stronger}")).key(&reader).send(), beyond);
        app.assert_rows(&before, "refused");
        let ending = editor(&app, &full, "ending", &[VIEW_CONTACTS, CREATE_CONTACTS], json!({ "expiryDate": START.millis() + 3_600_000 }));
        assert_refusal(&change(&app, &ending, own, json!({ "rights": [VIEW_CONTACTS, CREATE_CONTACTS] })), beyond);
        change(&app, &ending, own, json!({ "rights": [] })).expect(200);
    }

    /// One that keys are for stays, and what was authorized for them, or waits for it, does not become more.
    fn one_that_keys_are_for_stays(app: TestApp) {
        let full = app.full_key();
        let (plain, guarded) = (made(&app, &full, "plain", false, &[VIEW_CONTACTS]), made(&app, &full, "guarded", true, &[VIEW_CONTACTS]));
        let body = json!({ "keyName": "k", "roleID": 1, "constraints": { "apiTypes": ["plain", "guarded"] } });
        let key = app.post("/api/apikeys", body).key(&full).send().expect(200).json();
        for id in [plain, guarded] {
            assert_refusal(&app.delete(&format!("/api/apitypes/{id}")).key(&full).send(), (409, "conflict"));
        }
        change(&app, &full, plain, json!({ "rights": [VIEW_CONTACTS, CREATE_CONTACTS] })).expect(200);
        for body in [json!({ "rights": [VIEW_CONTACTS, CREATE_CONTACTS] }), json!({ "needsAuthorization": false })] {
            assert_refusal(&change(&app, &full, guarded, body), (409, "conflict"));
        }
        change(&app, &full, guarded, json!({ "title": "t", "rights": [] })).expect(200);
        app.delete(&format!("/api/apikeys/{}", key["ID"])).key(&full).send().expect(204);
        for id in [plain, guarded] {
            app.delete(&format!("/api/apitypes/{id}")).key(&full).send().expect(204);
        }
    }

    /// Every field is searched by its kind of test; each change leaves an event; each call needs its right.
    fn they_are_searched_noted_and_guarded(app: TestApp) {
        let full = app.full_key();
        for (criterion, names) in [
            (json!({ "fieldName": "name", "stringValue": "THREAT%" }), &["threatInvestigation", "threatMitigationEmailMessage", "threatMitigationUserAccount", "threatRemediation"][..]),
            (json!({ "fieldName": "title", "stringValue": "log retrieval" }), &["logRetrieval"]),
            (json!({ "fieldName": "description", "stringValue": "%quarantined mail%" }), &["logRetrieval"]),
            (json!({ "fieldName": "needsAuthorization", "booleanTest": true }), &["threatMitigationUserAccount", "intelligentInvestigation"]),
            (json!({ "idTest": "equal", "idValue": 2 }), &["threatInvestigation"]),
        ] {
            assert_eq!(found(&app, &full, criterion.clone()), names, "{criterion}");
        }
        assert_refusal(&app.post("/api/apitypes/search", json!({ "searchCriteria": { "fieldName": "rights", "stringValue": "x" } })).key(&full).send(), (400, "bad_search"));
        let before = app.last_event();
        let id = made(&app, &full, "mine", true, &[VIEW_CONTACTS]);
        change(&app, &full, id, json!({ "name": "yours", "rights": [] })).expect(200);
        app.delete(&format!("/api/apitypes/{id}")).key(&full).send().expect(204);
        assert_eq!(app.events_after(before), [
            format!(r#"5163 apiKey/1/full apiType/{id}/mine {{"needsAuthorization":true,"rights":["{VIEW_CONTACTS}"]}}"#),
            format!(r#"5164 apiKey/1/full apiType/{id}/mine {{"name":{{"from":"mine","to":"yours"}},"rights":{{"from":["{VIEW_CONTACTS}"],"to":[]}}}}"#),
            format!("5165 apiKey/1/full apiType/{id}/yours {{}}"),
        ]);
        for (own, allowed) in [("canViewSettings", [200, 200, 200, 403, 403, 403]), ("canEditSettings", [403, 403, 403, 200, 200, 204])] {
            let right = Right::all().find(|right| right.name().name == own).expect("a right");
            let role = app.role_of(own, [right].into_iter().collect(), Reach::default());
            let caller = secret(&app.post("/api/apikeys", json!({ "keyName": own, "roleID": role })).key(&full).send().expect(200).json());
            let id = made(&app, &full, own, false, &[]);
            let item = format!("/api/apitypes/{id}");
            let statuses = [
                app.get("/api/apitypes").key(&caller).send().status,
                app.get(&item).key(&caller).send().status,
                app.post("/api/apitypes/search", json!({})).key(&caller).send().status,
                create(&app, &caller, json!({ "name": format!("by{own}") })).status,
                change(&app, &caller, id, json!({ "title": "t" })).status,
                app.delete(&item).key(&caller).send().status,
            ];
            assert_eq!(statuses, allowed, "{own}");
        }
    }
}
