//! Two tenants on one server: neither sees, names or touches what is the other's.

use serde_json::{Value, json};

use super::{IN, assert_refusal, made, presented, seen};
use crate::app::{PASSWORD, Session, TestApp, secret};
use crate::both;
use crate::stored::without_trace;

const GUID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

/// A second tenant, and a Full Access session in it.
fn second_tenant(app: &TestApp) -> (i64, Session) {
    let tenant = app.tenant("Blue");
    app.administrator("blue", PASSWORD, 1, tenant);
    let body = json!({ "userName": "blue", "password": PASSWORD, "tenantName": "blue" });
    (tenant, Session::from(&app.post("/api/sessions", body).send().expect(200)))
}

fn second_key(app: &TestApp) -> (i64, Value) {
    let (tenant, session) = second_tenant(app);
    let body = json!({ "keyName": "full", "roleID": 1 });
    (tenant, app.post("/api/apikeys", body).with(&session).send().expect(200).json())
}

both! {
    /// Keys outside the primary tenant carry its GUID, and know where they belong.
    fn a_tenants_keys_carry_its_guid(app: TestApp) {
        let (tenant, key) = second_key(&app);
        let text = secret(&key);
        assert!(text.starts_with(&format!("{GUID}:{}:", key["ID"])), "{text}");
        let current = app.get("/api/apikeys/current").key(&text).send().expect(200).json();
        assert_eq!(current["roleURN"], json!(format!("urn:tmds:identity::{tenant}:role/Full Access")));
        assert_eq!((&current["tenantID"], &current["tenantGUID"]), (&json!(tenant), &json!(GUID)));
        let child = secret(&made(&app, &text, json!({ "keyName": "child", "roleID": 2 })));
        assert!(child.starts_with(GUID), "{child}");
        assert_eq!(app.count(&format!("select count(*) as n from api_keys where tenant_id = {tenant}")), 2);
        assert_eq!(app.count(&format!("select count(*) as n from audit_events where tenant_id = {tenant} and number = 5010")), 2);
    }

    /// The GUID belongs to the secret: missing or another's, the key is none.
    fn a_missing_or_wrong_guid_makes_no_key(app: TestApp) {
        let (_, key) = second_key(&app);
        let text = secret(&key);
        let bare = text.strip_prefix(&format!("{GUID}:")).expect("its GUID");
        let primary = &app.texts("select guid as t from tenants where id = 0")[0];
        for spelling in [
            bare.to_owned(),
            format!("{primary}:{bare}"),
            format!("{}:{bare}", uuid::Uuid::nil()),
            format!("{}:{bare}", GUID.to_uppercase()),
            format!("{}:{bare}", GUID.replace('-', "")),
            format!("{{{GUID}}}:{bare}"),
            format!("urn:uuid:{GUID}:{bare}"),
            format!("{GUID}:{text}"),
            format!("0:{bare}"),
        ] {
            assert_refusal(presented(&app, &spelling), (401, "invalid_api_key"));
        }
        assert_refusal(presented(&app, &text), IN);
    }

    /// T-23: for every method, another tenant's ID is answered byte for byte as one that never was.
    fn anothers_id_is_answered_as_one_that_never_was(app: TestApp) {
        let ours = app.full_key();
        let our_id: i64 = ours.split_once(':').expect("two parts").0.parse().expect("an ID");
        let our_role = app.role("Ours", &[]);
        let (_, their_key) = second_key(&app);
        let theirs = secret(&their_key);
        let before = app.rows();
        let bodies = [json!({}), json!({ "active": false }), json!({ "keyName": "full" }), json!({ "roleID": our_role })];
        for (caller, foreign_key) in [(&theirs, our_id), (&ours, their_key["ID"].as_i64().expect("a number"))] {
            let compare = |method: &str, path: &str, foreign: i64, body: &Value| {
                let [foreign, never] = [foreign, 2_147_483_647].map(|id| {
                    let call = app.call(method, &format!("{path}/{id}")).json(body.clone());
                    let answer = call.key(caller).send().expect(404);
                    let differs = |name: &str| {
                        // the connection is closed or not by how much of an unread body has come in
                        ["x-request-id", "date", "connection"].iter().any(|known| name.eq_ignore_ascii_case(known))
                    };
                    let mut headers = answer.headers.clone();
                    headers.retain(|(name, _)| !differs(name));
                    headers.sort();
                    (without_trace(&answer), headers)
                });
                assert_eq!(foreign, never, "{method} {path}");
            };
            for body in &bodies {
                compare("POST", "/api/apikeys", foreign_key, body);
            }
            compare("GET", "/api/apikeys", foreign_key, &json!({}));
            compare("DELETE", "/api/apikeys", foreign_key, &json!({}));
        }
        for path in ["/api/roles", "/api/administratorroles"] {
            let [foreign, never] = [our_role, 2_147_483_647]
                .map(|id| without_trace(&app.get(&format!("{path}/{id}")).key(&theirs).send().expect(404)));
            assert_eq!(foreign, never);
        }
        // in a body too: another tenant's role is an unknown role
        let [foreign, never] = [our_role, 2_147_483_647].map(|id| {
            let body = json!({ "keyName": "k", "roleID": id });
            without_trace(&app.post("/api/apikeys", body).key(&theirs).send().expect(400))
        });
        assert_eq!(foreign, never);
        assert_eq!(app.rows(), before);
        assert_refusal(presented(&app, &ours), IN);
    }

    /// Lists and searches show what is one's own; names are unique within the tenant only.
    fn each_sees_its_own(app: TestApp) {
        let ours = app.full_key();
        app.role("Ours", &[]);
        let (tenant, key) = second_key(&app);
        let theirs = secret(&key);
        let names = |path: &str, member: &str, name: &str, caller: &str| -> Vec<String> {
            let list = app.get(path).key(caller).send().expect(200).json();
            let items = list[member].as_array().expect("a list").clone();
            items.iter().map(|item| format!("{}", item[name])).collect()
        };
        assert_eq!(names("/api/apikeys", "apiKeys", "ID", &theirs), [key["ID"].to_string()]);
        assert_eq!(names("/api/apikeys", "apiKeys", "keyName", &ours), ["\"full\""]);
        assert_eq!(names("/api/roles", "roles", "name", &theirs), ["\"Full Access\"", "\"Auditor\""]);
        assert_eq!(names("/api/roles", "roles", "name", &ours), ["\"Full Access\"", "\"Auditor\"", "\"Ours\""]);
        let urns = names("/api/roles", "roles", "urn", &theirs);
        assert_eq!(urns[1], format!("\"urn:tmds:identity::{tenant}:role/Auditor\""), "seen from the caller's tenant");
        let search = json!({ "searchCriteria": [{ "fieldName": "name", "stringValue": "Ours" }] });
        let found = app.post("/api/roles/search", search).key(&theirs).send().expect(200).text();
        assert_eq!(found, r#"{"roles":[]}"#);
        assert_eq!(seen(&app, &theirs, &key["ID"])["keyName"], json!("full"), "the name is free in each tenant");
    }

    /// A suspended tenant's keys and sessions are refused as if they were none; the others go on.
    fn a_suspended_tenant_is_shut_out(app: TestApp) {
        let ours = app.full_key();
        let (tenant, session) = second_tenant(&app);
        let body = json!({ "keyName": "k", "roleID": 1 });
        let key = secret(&app.post("/api/apikeys", body).with(&session).send().expect(200).json());
        for (state, expected, by_session) in [
            ("suspended", (401, "invalid_api_key"), (401, "session_ended")),
            ("active", IN, IN),
            ("pending-deletion", (401, "invalid_api_key"), (401, "session_ended")),
        ] {
            app.execute(&format!("update tenants set state = '{state}' where id = {tenant}"));
            assert_refusal(presented(&app, &key), expected);
            assert_refusal(app.get("/api/apikeys").with(&session).send().refusal(), by_session);
            assert_refusal(presented(&app, &ours), IN);
        }
        let again = json!({ "userName": "blue", "password": PASSWORD, "tenantName": "Blue" });
        assert_refusal(app.post("/api/sessions", again).send().refusal(), (401, "sign_in_failed"));
    }
}
