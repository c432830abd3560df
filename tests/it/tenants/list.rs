//! `GET /api/tenants`, `GET /api/tenants/{tenantID}` and `POST /api/tenants/search`.

use serde_json::{Value, json};

use super::{key_of, made, sign_in};
use crate::app::{Backend, START, TestApp};
use crate::both;

fn found(app: &TestApp, viewer: &str, criterion: Value) -> Vec<String> {
    let body = json!({ "searchCriteria": criterion });
    let answer = app.post("/api/tenants/search", body).key(viewer).send().expect(200).json();
    let tenants = answer["tenants"].as_array().expect("a list").clone();
    tenants.iter().map(|tenant| tenant["name"].as_str().expect("a name").to_owned()).collect()
}

both! {
    /// The primary tenant is described and not listed; tenants look in lists as they do described.
    fn the_primary_tenant_is_described_and_not_listed(app: TestApp) {
        let viewer = app.full_key();
        assert_eq!(app.get("/api/tenants").key(&viewer).send().expect(200).text(), r#"{"tenants":[]}"#);
        for name in ["Blue", "Red"] {
            made(&app, &viewer, name);
        }
        let list = app.get("/api/tenants").key(&viewer).send().expect(200);
        let described: Vec<String> = list.json()["tenants"].as_array().expect("a list").iter()
            .map(|tenant| app.get(&format!("/api/tenants/{}", tenant["ID"])).key(&viewer).send().expect(200).text()).collect();
        assert_eq!(list.text(), format!(r#"{{"tenants":[{}]}}"#, described.join(",")));
        assert_eq!(described.len(), 2);
        let everything = app.call("POST", "/api/tenants/search").key(&viewer).send().expect(200);
        assert_eq!(everything.text(), list.text());
        let primary = app.get("/api/tenants/0").key(&viewer).send().expect(200).json();
        assert_eq!((&primary["name"], &primary["ID"], &primary["tenantState"]), (&json!("Primary"), &json!(0), &json!("active")));
        assert_eq!(primary["guid"], json!(app.texts("select guid as t from tenants where id = 0")[0]));
        assert_eq!(primary["lastSigninTime"], json!(START.millis()));
        for id in ["2147483647", "2147483648", "99999999999"] {
            let answer = app.get(&format!("/api/tenants/{id}")).key(&viewer).send().expect(404);
            assert_eq!(answer.json()["message"], json!("The tenant does not exist."));
        }
    }

    /// Every field takes the test of its kind.
    fn tenants_are_found_by_every_field(app: TestApp) {
        let viewer = app.full_key();
        let blue = made(&app, &viewer, "Blue");
        let body = json!({ "databaseServerID": 3, "description": "The reds", "timeZone": "Asia/Tokyo", "demoMode": true, "hideUnlicensedModules": true });
        let red = made(&app, &viewer, "Red");
        app.post(&format!("/api/tenants/{}", red["ID"]), body).key(&viewer).send().expect(200);
        sign_in(&app, "Red");
        app.post(&format!("/api/tenants/{}", red["ID"]), json!({ "tenantState": "suspended" })).key(&viewer).send().expect(200);
        let text = |field: &str, value: &str| json!({ "fieldName": field, "stringValue": value });
        for criterion in [
            text("name", "RED"),
            text("name", "r%"),
            text("description", "%REDS"),
            text("timeZone", "asia/tokyo"),
            text("guid", &red["guid"].as_str().expect("a GUID").to_uppercase()),
            json!({ "fieldName": "databaseServerID", "numericTest": "greater-than", "numericValue": 1 }),
            json!({ "fieldName": "demoMode", "booleanTest": true }),
            json!({ "fieldName": "hideUnlicensedModules", "booleanTest": "true" }),
            json!({ "fieldName": "lastSigninTime", "firstDateValue": START.millis() }),
            json!({ "fieldName": "lastSigninTime", "nullTest": false }),
            json!({ "fieldName": "tenantState", "choiceValue": "suspended" }),
            json!({ "fieldName": "tenantState", "choiceTest": "not-equal", "choiceValue": "active" }),
            json!({ "idTest": "equal", "idValue": red["ID"] }),
        ] {
            assert_eq!(found(&app, &viewer, criterion.clone()), ["Red"], "{criterion}");
        }
        assert_eq!(found(&app, &viewer, json!({ "idTest": "less-than-or-equal", "idValue": blue["ID"] })), ["Blue"], "not the primary one");
        assert_eq!(found(&app, &viewer, json!({ "fieldName": "tenantState", "choiceValue": "pending-deletion" })), [] as [&str; 0]);
        for criterion in [
            text("locale", "en-US"),
            json!({ "fieldName": "name", "booleanTest": true }),
            json!({ "fieldName": "tenantState", "choiceValue": "gone" }),
            json!({ "fieldName": "lastSigninTime", "stringValue": "x" }),
        ] {
            let answer = app.post("/api/tenants/search", json!({ "searchCriteria": criterion.clone() })).key(&viewer).send();
            assert_eq!(answer.refusal(), (400, "bad_search".into()), "{criterion}");
        }
    }

    /// A thousand tenants come whole and in order: two pieces of a list, a statement for each, and one for their contacts.
    fn a_thousand_tenants_come_whole_and_in_order(app: TestApp) {
        let viewer = app.full_key();
        let guid = match app.backend {
            Backend::Sqlite => "printf('00000000-0000-4000-8000-%012d', n)",
            Backend::Postgres => "'00000000-0000-4000-8000-' || lpad(n::text, 12, '0')",
        };
        app.execute(&format!(
            "insert into tenants (guid, name, name_fold, state, created) with recursive numbers (n) as \
             (select 1 union all select n + 1 from numbers where n < 1000) \
             select {guid}, 'Tenant ' || n, 'tenant ' || n, 'active', 1 from numbers"
        ));
        let list = app.get("/api/tenants").key(&viewer).send().expect(200).json();
        let ids: Vec<i64> = list["tenants"].as_array().expect("a list").iter().map(|tenant| tenant["ID"].as_i64().expect("an ID")).collect();
        assert!(ids.len() == 1_000 && ids.is_sorted(), "{}", ids.len());
    }

    /// Callers of other tenants are refused, whatever the ID and their rights.
    fn other_tenants_manage_no_tenants(app: TestApp) {
        let maker = app.full_key();
        let own = made(&app, &maker, "Blue")["ID"].clone();
        let (key, session) = (key_of(&app, "Blue"), sign_in(&app, "Blue"));
        let before = app.rows();
        for id in [json!(0), own, json!(2_147_483_647)] {
            for (method, path) in [("GET", ""), ("POST", ""), ("DELETE", ""), ("POST", "/apikeys")] {
                let call = || app.call(method, &format!("/api/tenants/{id}{path}")).json(json!({ "keyName": "k", "description": "d" }));
                for answer in [call().key(&key).send(), call().with(&session).send()] {
                    assert_eq!(answer.refusal(), (403, "not_authorized".into()), "{method} {id}{path}");
                }
            }
        }
        app.assert_rows(&before, "refused");
    }
}
