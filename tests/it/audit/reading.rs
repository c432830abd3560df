//! `/api/auditevents`.

use serde_json::{Value, json};

use super::{head as chain_head, seal, write_events};
use crate::app::{PASSWORD, Session, TestApp, secret};
use crate::both;

fn all(app: &TestApp, key: &str) -> Vec<Value> {
    let answer = app.get("/api/auditevents").key(key).send().expect(200).json();
    answer["auditEvents"].as_array().expect("a list").clone()
}

/// The IDs that a search with these criteria answers.
fn search(app: &TestApp, key: &str, criteria: Value) -> Vec<i64> {
    let body = json!({ "searchCriteria": criteria });
    let answer = app.post("/api/auditevents/search", body).key(key).send().expect(200).json();
    let list = answer["auditEvents"].as_array().expect("a list").clone();
    list.iter().map(|event| event["ID"].as_i64().expect("an ID")).collect()
}

/// The same by SQL.
fn ids(app: &TestApp, condition: &str) -> Vec<i64> {
    let ids = app.texts(&format!(
        "select cast(id as text) as t from audit_events where tenant_id = 0 and {condition} order by id"
    ));
    ids.iter().map(|id| id.parse().expect("a number")).collect()
}

both! {
    fn an_event_says_who_did_what_to_what_and_from_where(app: TestApp) {
        let key = app.full_key();
        let session = app.sign_in();
        let minted = app.post("/api/apikeys", json!({ "keyName": "Schlüssel", "roleID": 2 })).with(&session).send().expect(200);
        let before = app.rows();
        let events = all(&app, &key);
        assert!(events.is_sorted_by_key(|event| event["ID"].as_i64()));
        assert_eq!(events.len(), before.iter().filter(|row| row.starts_with("audit_events")).count());
        let text = app.get("/api/auditevents").key(&key).send().expect(200).text();
        let last = events.last().expect("an event");
        let id = minted.json()["ID"].as_i64().expect("an ID");
        assert_eq!(last["requestID"], minted.header("x-request-id").expect("an ID"));
        let expected = format!(
            "{{\"time\":{},\"number\":5010,\"name\":\"API Key Created\",\"level\":\"info\",\"actorType\":\"administrator\",\
             \"actorID\":1,\"actorName\":\"MasterAdmin\",\"address\":\"127.0.0.1\",\"requestID\":{},\"targetType\":\"apiKey\",\
             \"targetID\":{id},\"targetName\":\"Schlüssel\",\"details\":{},\"ID\":{}}}]}}",
            app.clock.now().millis(), last["requestID"], last["details"], last["ID"]
        );
        assert!(text.ends_with(&expected), "{text}\n{expected}");
        assert!(last["details"].is_object());
        let first = &events[0];
        assert_eq!((&first["number"], &first["actorType"], &first["targetName"]), (&json!(5030), &json!("system"), &json!("")));
        assert!(first.get("actorID").is_none() && first.get("targetID").is_none(), "nulls are left out: {first}");
        app.flush();
    }

    fn a_long_list_is_whole(app: TestApp) {
        let key = app.full_key();
        write_events(&app, 1_300);
        let events = all(&app, &key);
        assert_eq!(events.len() as i64, app.count("select count(*) as n from audit_events"));
        assert!(events.is_sorted_by_key(|event| event["ID"].as_i64()));
        let found = app.post("/api/auditevents/search", json!({})).key(&key).send().expect(200).json();
        assert_eq!(found["auditEvents"], Value::Array(events));
        let found = app.post("/api/auditevents/search", json!({ "maxItems": "7" })).key(&key).send().expect(200).json();
        assert_eq!(found["auditEvents"].as_array().map(Vec::len), Some(7));
    }

    fn every_field_can_be_searched(app: TestApp) {
        let key = app.full_key();
        app.administrator("Ärztin Zoë", PASSWORD, 1, 0);
        let session = Session::from(&app.try_sign_in("ärztin zoë", PASSWORD).expect(200));
        app.clock.advance(60_000);
        app.post("/api/apikeys", json!({ "keyName": "Straße 50%", "roleID": 2 })).with(&session).send().expect(200);
        app.try_sign_in("nobody", PASSWORD).expect(401);
        let now = app.clock.now().millis();
        let minted = app.last_event() - 1;
        let request = app.texts(&format!("select request_id as t from audit_events where id = {minted}")).concat();
        let target = app.count(&format!("select target_id as n from audit_events where id = {minted}"));
        let actor = app.count(&format!("select actor_id as n from audit_events where id = {minted}"));
        for (criterion, condition) in [
            (json!({ "fieldName": "time", "firstDateValue": now }), format!("at >= {now}")),
            (json!({ "fieldName": "time", "lastDateValue": now, "lastDateInclusive": false }), format!("at < {now}")),
            (json!({ "fieldName": "number", "numericTest": "less-than", "numericValue": 1000 }), "number < 1000".into()),
            (json!({ "fieldName": "number", "numericTest": "equal", "numericValue": "5010" }), "number = 5010".into()),
            (json!({ "fieldName": "number", "numericTest": "equal", "numericValue": 5010.0 }), "number = 5010".into()),
            (json!({ "fieldName": "name", "stringTest": "equal", "stringValue": "api key%" }), "name like 'API Key%'".into()),
            (json!({ "fieldName": "level", "choiceTest": "equal", "choiceValue": "warning" }), "level = 'warning'".into()),
            (json!({ "fieldName": "level", "choiceTest": "not-equal", "choiceValue": "warning" }), "level = 'info'".into()),
            (json!({ "fieldName": "actorType", "choiceTest": "equal", "choiceValue": "system" }), "actor_type = 'system'".into()),
            (json!({ "fieldName": "actorType", "choiceTest": "equal", "choiceValue": "unknown" }), "actor_type = 'unknown'".into()),
            (json!({ "fieldName": "actorID", "numericTest": "equal", "numericValue": actor }), format!("actor_id = {actor}")),
            (json!({ "fieldName": "actorID", "numericTest": "not-equal", "numericValue": actor }), format!("actor_id <> {actor}")),
            (json!({ "fieldName": "actorName", "stringTest": "equal", "stringValue": "ÄRZTIN%" }), "actor_name = 'Ärztin Zoë'".into()),
            (json!({ "fieldName": "actorName", "stringTest": "not-equal", "stringValue": "%zoë" }), "actor_name <> 'Ärztin Zoë'".into()),
            (json!({ "fieldName": "address", "stringTest": "equal", "stringValue": "127.%" }), "address = '127.0.0.1'".into()),
            (json!({ "fieldName": "address", "stringTest": "equal", "stringValue": "" }), "address = ''".into()),
            (json!({ "fieldName": "requestID", "stringTest": "equal", "stringValue": request.to_uppercase() }), format!("request_id = '{request}'")),
            (json!({ "fieldName": "targetType", "stringTest": "equal", "stringValue": "APIKEY" }), "target_type = 'apiKey'".into()),
            (json!({ "fieldName": "targetID", "numericTest": "equal", "numericValue": target }), format!("target_id = {target}")),
            (json!({ "fieldName": "targetName", "stringTest": "equal", "stringValue": "straße 50\\%" }), "target_name = 'Straße 50%'".into()),
            (json!({ "idTest": "greater-than", "idValue": minted }), format!("id > {minted}")),
        ] {
            let expected = ids(&app, &condition);
            assert!(!expected.is_empty(), "{condition} tries nothing");
            assert_eq!(search(&app, &key, json!([criterion])), expected, "{criterion}");
        }
        let both = json!([
            { "fieldName": "number", "numericTest": "equal", "numericValue": 5010 },
            { "fieldName": "targetName", "stringTest": "equal", "stringValue": "straße%" },
        ]);
        assert_eq!(search(&app, &key, both), [minted]);
    }

    fn what_cannot_be_searched_is_said(app: TestApp) {
        let key = app.full_key();
        for (criterion, says) in [
            (json!({ "fieldName": "details", "stringTest": "equal", "stringValue": "x" }), "targetName"),
            (json!({ "fieldName": "time", "stringTest": "equal", "stringValue": "x" }), "firstDateValue"),
            (json!({ "fieldName": "level", "choiceTest": "equal", "choiceValue": "error" }), "info, warning"),
            (json!({ "fieldName": "actorType", "choiceTest": "equal", "choiceValue": "" }), "administrator, apiKey, claim, system, tenant, unknown"),
            (json!({ "fieldName": "actorID", "nullTest": true }), "numericTest"),
            (json!({ "fieldName": "number", "numericTest": "equal", "numericValue": 1.5 }), "numericValue"),
        ] {
            let answer = app.post("/api/auditevents/search", json!({ "searchCriteria": [criterion] })).key(&key).send().expect(400);
            assert!(answer.json()["message"].as_str().expect("a message").contains(says), "{}", answer.text());
        }
    }

    /// T-23: a tenant sees what happened in it, and nothing of the others; the chain's head is the primary tenant's.
    fn a_tenant_sees_its_own_events_only(app: TestApp) {
        let ours = app.full_key();
        let tenant = app.tenant("Blue");
        app.administrator("blue", PASSWORD, 1, tenant);
        let body = json!({ "userName": "blue", "password": PASSWORD, "tenantName": "Blue" });
        let session = Session::from(&app.post("/api/sessions", body).send().expect(200));
        let theirs = app.post("/api/apikeys", json!({ "keyName": "theirs", "roleID": 1 })).with(&session).send().expect(200);
        let theirs = secret(&theirs.json());
        let numbers: Vec<Value> = all(&app, &theirs).iter().map(|event| event["number"].clone()).collect();
        assert_eq!(numbers, [json!(600), json!(5010)]);
        assert!(all(&app, &ours).iter().all(|event| event["targetName"] != "theirs"));
        let foreign = app.count(&format!("select min(id) as n from audit_events where tenant_id = {tenant}"));
        assert_eq!(search(&app, &ours, json!([{ "idTest": "equal", "idValue": foreign }])), Vec::<i64>::new());
        assert_eq!(search(&app, &theirs, json!([{ "idTest": "equal", "idValue": foreign }])), [foreign]);
        assert_eq!(app.get("/api/auditevents/head").key(&theirs).send().expect(403).code(), "not_authorized");
        app.get("/api/auditevents/head").with(&session).send().expect(403);
    }

    fn the_head_says_where_the_chain_ends(app: TestApp) {
        let key = app.full_key();
        let head = || app.get("/api/auditevents/head").key(&key).send().expect(200);
        assert_eq!(head().text(), "{\"position\":0}");
        let sealed = seal(&app);
        let text = chain_head(&app);
        let (position, mac) = text.split_once(':').expect("a head");
        assert_eq!(position, sealed.to_string());
        let expected = format!("{{\"position\":{position},\"seal\":1,\"time\":{},\"mac\":\"{mac}\"}}", app.clock.now().millis());
        assert_eq!(head().text(), expected);
        let viewer = app.role("viewer", &["platformRights.systemInformationRights.canViewSystemInformation"]);
        let viewer = secret(&app.mint("viewer", viewer));
        app.get("/api/auditevents/head").key(&viewer).send().expect(200);
        app.get("/api/auditevents").key(&viewer).send().expect(200);
        app.get("/api/auditevents").key(&app.auditor_key()).send().expect(403);
    }
}
