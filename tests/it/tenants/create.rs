//! `POST /api/tenants`.

use serde_json::{Value, json};

use super::{events_of, made, sign_in, try_sign_in, wish};
use crate::app::{PASSWORD, START, TestApp};
use crate::both;

both! {
    /// Made with its first administrator, who has Full Access there, and answered whole in the documented order.
    fn a_tenant_comes_with_its_first_administrator(app: TestApp) {
        let maker = app.full_key();
        let before = app.last_event();
        let answer = app.post("/api/tenants?confirmationRequired=false&asynchronous=true&bypassTenantCache=false", wish("Blue")).key(&maker).send().expect(200);
        let tenant = answer.json();
        let (id, guid) = (&tenant["ID"], tenant["guid"].as_str().expect("a GUID"));
        let zone = app.app.time_zone.as_str();
        assert_eq!(answer.text(), format!(
            r#"{{"databaseServerID":1,"name":"Blue","description":"","timeZone":"{zone}","locale":"en-US","demoMode":false,"modulesVisible":["all"],"hideUnlicensedModules":false,"tenantState":"active","primaryContacts":[],"guid":"{guid}","ID":{id}}}"#
        ));
        assert_eq!(uuid::Uuid::try_parse(guid).expect("a GUID").get_version_num(), 4);
        let person = app.count(&format!("select id as n from administrators where tenant_id = {id} and role_id = 1"));
        let maker_id = maker.split_once(':').expect("two parts").0;
        assert_eq!(events_of(&app, &json!(0), before), [format!("5050 apiKey/{maker_id}/full@127.0.0.1 tenant/{id}/Blue {{}}")]);
        assert_eq!(events_of(&app, id, before), [
            format!("5050 tenant/0/Primary@ tenant/{id}/Blue {{}}"),
            format!("650 tenant/0/Primary@ administrator/{person}/first {{\"role\":\"Full Access\"}}"),
        ]);
        assert_eq!(app.count(&format!("select count(distinct request_id) as n from audit_events where id > {before}")), 1);
        app.get("/api/administratorroles").with(&sign_in(&app, "ＢＬＵＥ")).send().expect(200);
    }

    /// Every member that can be given is taken and answered in its place; those for agents are not kept, and what is
    /// read-only is ignored.
    fn every_member_is_taken(app: TestApp) {
        let maker = app.full_key();
        let mut body = json!({
            "databaseServerID": "7", "description": "d", "timeZone": "Asia/Tokyo", "agentInitiatedActivationPassword": "a",
            "locale": "ja-JP", "demoMode": "true", "modulesVisible": ["firewall", "SAP"], "hideUnlicensedModules": true,
            "tenantState": "suspended", "activationCodes": ["x"], "unknown": 1, "ID": 99, "guid": "x", "lastSigninTime": 5,
            "primaryContacts": [{ "ID": 1 }],
        });
        body["name"] = json!("Blue");
        body["administrator"] = json!({ "username": "first", "password": PASSWORD, "emailAddress": "bad@bad.com", "roleID": 2, "receiveNotifications": "false" });
        let tenant = app.post("/api/tenants", body).key(&maker).send().expect(200).json();
        let (id, guid) = (&tenant["ID"], &tenant["guid"]);
        assert_eq!(tenant.to_string(), json!({
            "databaseServerID": 7, "name": "Blue", "description": "d", "timeZone": "Asia/Tokyo", "locale": "ja-JP", "demoMode": true,
            "modulesVisible": ["firewall", "SAP"], "hideUnlicensedModules": true, "tenantState": "suspended",
            "primaryContacts": [{ "ID": 2, "roleID": 1, "username": "first", "emailAddress": "bad@bad.com" }], "guid": guid, "ID": id,
        }).to_string());
        assert!(*id != json!(99) && *guid != json!("x"));
        assert_eq!(try_sign_in(&app, "Blue").refusal(), (401, "sign_in_failed".into()), "it was made suspended");
        assert_eq!(app.count(&format!("select role_id as n from administrators where tenant_id = {id}")), 1);
    }

    /// What cannot be is refused by the member's name, and nothing is made.
    fn what_cannot_be_is_refused(app: TestApp) {
        let maker = app.full_key();
        made(&app, &maker, "Taken");
        let with = |member: &str, value: Value| {
            let mut body = wish("New");
            body[member] = value;
            body
        };
        let person = |administrator: Value| with("administrator", administrator);
        let before = app.rows();
        for (body, expected, says) in [
            (with("name", json!(null)), (400, "malformed"), "name:"),
            (with("name", json!("")), (400, "malformed"), "name:"),
            (with("name", json!("x".repeat(129))), (400, "malformed"), "name:"),
            (with("name", json!(" x")), (400, "malformed"), "name:"),
            (with("name", json!("a\u{1}")), (400, "malformed"), "name:"),
            (with("name", json!("ｔａｋｅｎ")), (409, "name_taken"), "name:"),
            (with("name", json!("PRIMARY")), (409, "name_taken"), "name:"),
            (with("description", json!("x".repeat(1_025))), (400, "malformed"), "description:"),
            (with("databaseServerID", json!(-1)), (400, "malformed"), "databaseServerID:"),
            (with("databaseServerID", json!(2_147_483_648_i64)), (400, "malformed"), "databaseServerID:"),
            (with("databaseServerID", json!("x")), (400, "malformed"), "databaseServerID:"),
            (with("timeZone", json!("Nowhere")), (400, "unknown_time_zone"), ""),
            (with("locale", json!("de-DE")), (400, "unknown_locale"), ""),
            (with("demoMode", json!(1)), (400, "malformed"), "demoMode:"),
            (with("modulesVisible", json!(["firewalls"])), (400, "malformed"), "modulesVisible:"),
            (with("modulesVisible", json!("all")), (400, "malformed"), "modulesVisible:"),
            (with("modulesVisible", json!(["all", "all"])), (400, "malformed"), "modulesVisible:"),
            (with("tenantState", json!("created")), (400, "malformed"), "tenantState:"),
            (with("tenantState", json!("pending-deletion")), (400, "malformed"), "tenantState:"),
            (with("tenantState", json!(1)), (400, "malformed"), "tenantState:"),
            (with("administrator", json!(null)), (400, "malformed"), "administrator:"),
            (person(json!({})), (400, "malformed"), "administrator.username:"),
            (person(json!({ "username": "first" })), (400, "malformed"), "administrator.password:"),
            (person(json!({ "username": " ", "password": PASSWORD })), (400, "malformed"), "administrator.username:"),
            (person(json!({ "username": "first", "password": "" })), (400, "malformed"), "administrator.password:"),
            (person(json!({ "username": "first", "password": "P@55word" })), (400, "weak_password"), ""),
            (person(json!({ "username": PASSWORD, "password": PASSWORD })), (400, "weak_password"), ""),
            (person(json!({ "username": "first", "password": PASSWORD, "emailAddress": "nowhere" })), (400, "malformed"), "administrator.emailAddress:"),
            (person(json!([])), (400, "malformed"), "administrator:"),
        ] {
            let answer = app.post("/api/tenants", body.clone()).key(&maker).send();
            assert_eq!((answer.status, answer.code().as_str()), expected, "{body}: {}", answer.text());
            assert!(answer.json()["message"].as_str().expect("a text").starts_with(says), "{body}: {}", answer.text());
            assert!(!answer.text().contains("P@55word"), "{}", answer.text());
        }
        app.assert_rows(&before, "refused");
    }

    /// The query's members are true or false; a confirmation cannot be had, and nobody is led to believe in one.
    fn the_query_is_read(app: TestApp) {
        let maker = app.full_key();
        let before = app.rows();
        for query in ["confirmationRequired=true", "confirmationRequired=yes", "asynchronous=1", "bypassTenantCache=", "bypassTenantCache=TRUE",
            "asynchronous=true&asynchronous=true", "confirmationRequired=false&confirmationRequired=true"] {
            let answer = app.post(&format!("/api/tenants?{query}"), wish("New")).key(&maker).send();
            assert_eq!(answer.refusal(), (400, "bad_request".into()), "{query}");
        }
        app.assert_rows(&before, "refused");
        app.post("/api/tenants?unknown=1", wish("New")).key(&maker).send().expect(200);
    }

    /// lastSigninTime is the last sign-in into the tenant, and absent before the first.
    fn the_last_sign_in_is_known(app: TestApp) {
        let maker = app.full_key();
        let tenant = made(&app, &maker, "Blue");
        let described = || app.get(&format!("/api/tenants/{}", tenant["ID"])).key(&maker).send().expect(200).json();
        assert_eq!(described(), tenant);
        try_sign_in(&app, "Blue").expect(200);
        assert_eq!(described()["lastSigninTime"], json!(START.millis()));
        app.clock.advance(5_000);
        app.post("/api/sessions", json!({ "userName": "first", "password": "wrong", "tenantName": "Blue" })).send().expect(401);
        assert_eq!(described()["lastSigninTime"], json!(START.millis()), "a refused one does not count");
        try_sign_in(&app, "Blue").expect(200);
        assert_eq!(described()["lastSigninTime"], json!(START.millis() + 5_000));
    }
}
