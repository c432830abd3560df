//! Two tenants, one server: neither sees, names or touches the other's people.

use serde_json::{Value, json};

use super::{NEW, create, made};
use crate::app::{PASSWORD, Session, TestApp, secret};
use crate::both;
use crate::stored::without_trace;

fn second_tenant(app: &TestApp) -> (i64, String) {
    let tenant = app.tenant("Blue");
    app.administrator("blue", PASSWORD, 1, tenant);
    let body = json!({ "userName": "blue", "password": PASSWORD, "tenantName": "blue" });
    let session = Session::from(&app.post("/api/sessions", body).send().expect(200));
    let body = json!({ "keyName": "full", "roleID": 1 });
    (tenant, secret(&app.post("/api/apikeys", body).with(&session).send().expect(200).json()))
}

both! {
    /// T-23: for every method, another tenant's administrator is answered byte for byte as one that never was.
    fn anothers_id_is_answered_as_one_that_never_was(app: TestApp) {
        let ours = app.full_key();
        let our_role = app.role("Ours", &[]);
        let (_, theirs) = second_tenant(&app);
        let our_id = made(&app, &ours, "ben", json!({}))["ID"].clone();
        let before = app.rows();
        for (caller, foreign) in [(&theirs, &our_id), (&ours, &json!(2))] {
            let compare = |method: &str, body: &Value| {
                let [foreign, never] = [foreign, &json!(2_147_483_647)].map(|id| {
                    let call = app.call(method, &format!("/api/administrators/{id}")).json(body.clone());
                    without_trace(&call.key(caller).send().expect(404))
                });
                assert_eq!(foreign, never, "{method}");
            };
            for body in [json!({}), json!({ "active": false }), json!({ "password": NEW }), json!({ "roleID": 1 }), json!({ "username": "blue" })] {
                compare("POST", &body);
            }
            compare("GET", &json!({}));
            compare("DELETE", &json!({}));
        }
        let [foreign, never] = [our_role, 2_147_483_647]
            .map(|id| without_trace(&create(&app, &theirs, "new", json!({ "roleID": id })).expect(400)));
        assert_eq!(foreign, never);
        assert_eq!(app.rows(), before);
    }

    /// Lists and searches show one's own; a name is unique within its tenant only; who is made belongs to its maker's.
    fn each_sees_its_own(app: TestApp) {
        let ours = app.full_key();
        let (tenant, theirs) = second_tenant(&app);
        let ben = made(&app, &theirs, "MasterAdmin", json!({ "tenantID": 0 }))["ID"].clone();
        assert_eq!(app.count(&format!("select tenant_id as n from administrators where id = {ben}")), tenant);
        let names = |caller: &str| -> Vec<(i64, String)> {
            let list = app.get("/api/administrators").key(caller).send().expect(200).json();
            let people = list["administrators"].as_array().expect("a list").clone();
            let found = app.post("/api/administrators/search", json!({})).key(caller).send().expect(200).json();
            assert_eq!(found, list);
            people.iter().map(|one| (one["ID"].as_i64().expect("an ID"), one["username"].as_str().expect("a name").to_owned())).collect()
        };
        assert_eq!(names(&ours), [(1, "MasterAdmin".to_owned())]);
        assert_eq!(names(&theirs), [(2, "blue".to_owned()), (3, "MasterAdmin".to_owned())]);
    }
}
