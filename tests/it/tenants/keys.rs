//! `POST /api/tenants/{tenantID}/apikeys`.

use serde_json::{Value, json};

use super::{events_of, key_of, made};
use crate::app::{START, TestApp, secret};
use crate::both;
use crate::http::Answer;

const HOUR: i64 = 3_600_000;
const VIEW: &str = "platformRights.multiTenantRights.canViewTenants";
const MANAGE: &str = "platformRights.multiTenantRights.canManageTenantAPIKeys";

fn mint(app: &TestApp, maker: &str, tenant: &Value, body: Value) -> Answer {
    app.post(&format!("/api/tenants/{tenant}/apikeys"), body).key(maker).send()
}

/// A key with these rights.
fn weak_key(app: &TestApp, name: &str, rights: &[&str]) -> String {
    let role = app.role(name, rights);
    let body = json!({ "keyName": name, "roleID": role });
    secret(&app.post("/api/apikeys", body).key(&app.full_key_named(name)).send().expect(200).json())
}

impl TestApp {
    /// The secret of another Full Access key.
    fn full_key_named(&self, name: &str) -> String {
        secret(&self.mint(&format!("full for {name}"), 1))
    }
}

both! {
    /// DS-33, DS-39: what nobody spoke of is Full Access for six hours; the key carries the tenant's GUID, is a
    /// service account, and shows in the tenant's own list. Both tenants have the event.
    fn a_key_for_a_tenant_is_as_documented(app: TestApp) {
        let maker = app.full_key();
        let tenant = made(&app, &maker, "Blue");
        let (id, guid) = (&tenant["ID"], tenant["guid"].as_str().expect("a GUID"));
        let before = app.last_event();
        let answer = mint(&app, &maker, id, json!({ "keyName": "Temporary" })).expect(200);
        let key = answer.json();
        let (end, zone) = (START.millis() + 6 * HOUR, app.app.time_zone.as_str());
        assert_eq!(answer.text(), format!(
            r#"{{"keyName":"Temporary","description":"","locale":"en-US","roleID":1,"timeZone":"{zone}","active":true,"created":{},"unsuccessfulSignInAttempts":0,"expiryDate":{end},"secretKey":"{}","serviceAccount":true,"ID":{}}}"#,
            START.millis(), secret(&key), key["ID"],
        ));
        let text = secret(&key);
        assert!(text.starts_with(&format!("{guid}:{}:", key["ID"])) && text.len() == guid.len() + key["ID"].to_string().len() + 46, "{text}");
        let details = json!({ "expiryDate": end, "role": "Full Access", "serviceAccount": true, "tenantID": id });
        let what = format!(" apiKey/{}/Temporary {details}", key["ID"]);
        let maker_id = maker.split_once(':').expect("two parts").0;
        assert_eq!(events_of(&app, &json!(0), before), [format!("5010 apiKey/{maker_id}/full@127.0.0.1{what}")]);
        assert_eq!(events_of(&app, id, before), [format!("5010 tenant/0/Primary@{what}")]);
        let own = app.get("/api/apikeys").key(&text).send().expect(200).json();
        assert_eq!((own["apiKeys"][0]["ID"].clone(), own["apiKeys"][0]["serviceAccount"].clone()), (key["ID"].clone(), json!(true)));
        let ours = app.get("/api/apikeys").key(&maker).send().expect(200).text();
        assert!(!ours.contains("Temporary"), "not in the primary tenant's: {ours}");
        let searched = json!({ "searchCriteria": { "fieldName": "serviceAccount", "booleanTest": true } });
        assert_eq!(app.post("/api/apikeys/search", searched).key(&text).send().expect(200).json(), own);
        app.clock.advance(6 * HOUR);
        assert_eq!(app.get("/api/apikeys").key(&text).send().refusal(), (401, "api_key_expired".into()));
    }

    /// DS-39: a published tool's way: with two rights, look which tenants there are, go on where the state is active,
    /// mint a temporary key, work with it there, and delete it with itself.
    fn a_tool_with_two_rights_does_its_work_in_a_tenant(app: TestApp) {
        let full = app.full_key();
        for name in ["Blue", "Red"] {
            made(&app, &full, name);
        }
        let red = app.count("select id as n from tenants where name = 'Red'");
        app.post(&format!("/api/tenants/{red}"), json!({ "tenantState": "suspended" })).key(&full).send().expect(200);
        let tool = weak_key(&app, "tool", &[VIEW, MANAGE]);
        let mut worked = Vec::new();
        let list = app.get("/api/tenants").key(&tool).send().expect(200).json();
        for tenant in list["tenants"].as_array().expect("a list") {
            let described = app.get(&format!("/api/tenants/{}", tenant["ID"])).key(&tool).send().expect(200).json();
            if described["tenantState"] != json!("active") {
                continue;
            }
            let key = mint(&app, &tool, &tenant["ID"], json!({ "keyName": "temporary", "description": "for a moment" })).expect(200).json();
            let text = secret(&key);
            let current = app.get("/api/apikeys/current").key(&text).send().expect(200).json();
            assert_eq!((&current["tenantID"], &current["tenantGUID"]), (&tenant["ID"], &tenant["guid"]));
            app.post("/api/apikeys", json!({ "keyName": "work", "roleID": 2 })).key(&text).send().expect(200);
            app.delete(&format!("/api/apikeys/{}", key["ID"])).key(&text).send().expect(204);
            assert_eq!(app.get("/api/apikeys/current").key(&text).send().refusal(), (401, "invalid_api_key".into()));
            worked.push(described["name"].clone());
        }
        assert_eq!(worked, [json!("Blue")]);
        for (method, path) in [("GET", "/api/apikeys"), ("DELETE", "/api/tenants/1"), ("POST", "/api/tenants")] {
            let answer = app.call(method, path).json(json!({})).key(&tool).send();
            assert_eq!(answer.refusal(), (403, "not_authorized".into()), "the two rights are no others: {method} {path}");
        }
    }

    /// Six hours are the most, unless the maker has Full Access; and nothing outlasts the key that made it.
    fn a_life_is_six_hours_at_most_without_full_access(app: TestApp) {
        let full = app.full_key();
        let id = &made(&app, &full, "Blue")["ID"];
        let tool = weak_key(&app, "tool", &[MANAGE]);
        let all_but_reach = app.role_of("narrow", firstkey::rights::Rights::all(), firstkey::rights::Reach::default());
        let narrow = secret(&app.post("/api/apikeys", json!({ "keyName": "narrow", "roleID": all_but_reach })).key(&full).send().expect(200).json());
        let at = |millis: i64| json!(START.millis() + millis);
        let ending = json!({ "keyName": "ending", "roleID": 1, "expiryDate": at(HOUR) });
        let ending = secret(&app.post("/api/apikeys", ending).key(&full).send().expect(200).json());
        let mut names = 0;
        let mut life = |maker: &str, expiry: Option<Value>| {
            names += 1;
            let mut body = json!({ "keyName": format!("k{names}") });
            if let Some(expiry) = expiry {
                body["expiryDate"] = expiry;
            }
            let answer = mint(&app, maker, id, body);
            match answer.status {
                200 => Ok(answer.json().get("expiryDate").cloned()),
                _ => Err(answer.refusal()),
            }
        };
        let beyond = || Err((403, "beyond_caller".to_owned()));
        for maker in [&tool, &narrow] {
            assert_eq!(life(maker, None), Ok(Some(at(6 * HOUR))));
            assert_eq!(life(maker, Some(at(60_000))), Ok(Some(at(60_000))));
            assert_eq!(life(maker, Some(at(6 * HOUR))), Ok(Some(at(6 * HOUR))));
            assert_eq!(life(maker, Some(at(6 * HOUR + 1))), beyond());
            assert_eq!(life(maker, Some(json!(0))), beyond());
            assert_eq!(life(maker, Some(json!(null))), beyond());
        }
        assert_eq!(life(&full, None), Ok(Some(at(6 * HOUR))));
        assert_eq!(life(&full, Some(at(7 * HOUR))), Ok(Some(at(7 * HOUR))));
        assert_eq!(life(&full, Some(json!(0))), Ok(None), "never");
        assert_eq!(life(&ending, None), Ok(Some(at(HOUR))), "its own end");
        assert_eq!(life(&ending, Some(at(HOUR))), Ok(Some(at(HOUR))));
        assert_eq!(life(&ending, Some(at(HOUR + 1))), beyond());
        assert_eq!(life(&ending, Some(json!(0))), beyond());
        for bad in [at(59_999), json!(1), json!(-1), json!(i64::MAX)] {
            assert_eq!(life(&full, Some(bad)), Err((400, "expiry_out_of_range".to_owned())));
        }
    }

    /// Built-in roles and the tenant's own are taken; the primary tenant's, a suspended tenant, the primary one itself
    /// and one that is not there are refused, and nothing is minted.
    fn what_cannot_be_is_refused(app: TestApp) {
        let full = app.full_key();
        let id = &made(&app, &full, "Blue")["ID"];
        let red = &made(&app, &full, "Red")["ID"];
        let (ours, theirs) = (app.role("Ours", &[]), app.role("Theirs", &[]));
        app.execute(&format!("update roles set tenant_id = {id} where id = {theirs}"));
        for (name, role) in [("auditor", 2), ("theirs", theirs)] {
            assert_eq!(mint(&app, &full, id, json!({ "keyName": name, "roleID": role })).expect(200).json()["roleID"], json!(role));
        }
        app.post(&format!("/api/tenants/{red}"), json!({ "tenantState": "suspended" })).key(&full).send().expect(200);
        let manager = weak_key(&app, "manager", &[MANAGE]);
        let before = app.rows();
        for (tenant, body, expected) in [
            (id, json!({ "keyName": "k", "roleID": ours }), (400, "unknown_role")),
            (id, json!({ "keyName": "k", "roleID": 0 }), (400, "unknown_role")),
            (id, json!({ "keyName": "AUDITOR" }), (409, "name_taken")),
            (id, json!({}), (400, "malformed")),
            (id, json!({ "keyName": "k", "locale": "de-DE" }), (400, "unknown_locale")),
            (red, json!({ "keyName": "k" }), (409, "conflict")),
            (&json!(0), json!({ "keyName": "k" }), (409, "conflict")),
            (&json!(2_147_483_647), json!({ "keyName": "k" }), (404, "not_found")),
        ] {
            for maker in [&full, &manager] {
                let answer = mint(&app, maker, tenant, body.clone());
                assert_eq!((answer.status, answer.code().as_str()), expected, "{tenant} {body}");
            }
        }
        app.assert_rows(&before, "refused");
    }

    /// The tenant's own people see the key, lock it out and revoke it like any other of theirs.
    fn the_tenant_is_master_of_the_key(app: TestApp) {
        let full = app.full_key();
        let id = &made(&app, &full, "Blue")["ID"];
        let own = key_of(&app, "Blue");
        let key = mint(&app, &full, id, json!({ "keyName": "t" })).expect(200).json();
        let path = format!("/api/apikeys/{}", key["ID"]);
        app.get(&path).key(&full).send().expect(404);
        app.post(&path, json!({ "active": false })).key(&own).send().expect(200);
        assert_eq!(app.get("/api/apikeys").key(&secret(&key)).send().refusal(), (401, "api_key_locked".into()));
        app.delete(&path).key(&own).send().expect(204);
    }
}
