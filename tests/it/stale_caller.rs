//! Somebody who may make a call when it begins, and may not any more when its body has arrived.

use serde_json::{Value, json};

use crate::app::{PASSWORD, Session, TestApp, secret};
use crate::both;
use crate::http::Connection;

const BODY: &str = r#"{"keyName":"made too late","roleID":2}"#;

/// A call whose body is held back. The server knows who is calling when this returns.
fn begun(app: &TestApp, credential: &str) -> Connection {
    let length = BODY.len();
    let head = "POST /api/apikeys HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length:";
    app.begin_call(credential, &format!("{head} {length}"))
}

/// Sends the body at last; status and code.
fn ended(mut connection: Connection) -> (u16, String) {
    connection.write_raw(BODY.as_bytes()).expect("it is taken");
    connection.read(false).expect("an answer").refusal()
}

both! {
    /// T-16, T-19: a key that is locked, removed, renewed, demoted or past its end while its call is under way makes
    /// nothing.
    fn a_key_that_was_changed_meanwhile_makes_nothing(app: TestApp) {
        let full = app.full_key();
        let narrow = app.role("Narrow", &["platformRights.apikeyRights.canCreateNewApiKeys"]);
        let fresh = |name: &str, body: Value| {
            let mut wanted = json!({ "keyName": name, "roleID": 1 });
            wanted.as_object_mut().expect("members").extend(body.as_object().expect("members").clone());
            app.post("/api/apikeys", wanted).key(&full).send().expect(200).json()
        };
        let path = |key: &Value| format!("/api/apikeys/{}", key["ID"]);
        let modify = |key: &Value, body: Value| drop(app.post(&path(key), body).key(&full).send().expect(200));
        let soon = app.clock.now().millis() + 61_000;
        type Meanwhile<'a> = &'a dyn Fn(&Value);
        let ways: [(&str, Value, Meanwhile, (u16, &str)); 5] = [
            ("locked", json!({}), &|key| modify(key, json!({ "active": false })), (401, "invalid_api_key")),
            ("removed", json!({}), &|key| drop(app.delete(&path(key)).key(&full).send().expect(204)), (401, "invalid_api_key")),
            ("renewed", json!({}), &|key| drop(app.call("POST", &format!("{}/secretkey", path(key))).key(&full).send().expect(200)), (401, "invalid_api_key")),
            ("demoted", json!({}), &|key| modify(key, json!({ "roleID": narrow })), (403, "not_authorized")),
            ("ending", json!({ "expiryDate": soon }), &|_| app.clock.advance(61_000), (401, "invalid_api_key")),
        ];
        for (name, body, meanwhile, expected) in ways {
            let key = fresh(name, body);
            let call = begun(&app, &format!("api-secret-key: {}", secret(&key)));
            meanwhile(&key);
            let found = ended(call);
            assert_eq!((found.0, found.1.as_str()), expected, "{name}");
            assert_eq!(app.count("select count(*) as n from api_keys where key_name = 'made too late'"), 0, "{name}");
        }
        let untouched = fresh("untouched", json!({}));
        assert_eq!(ended(begun(&app, &format!("api-secret-key: {}", secret(&untouched)))).0, 200, "it is no slip of the test");
    }

    /// T-16: so does a session that is ended, or whose owner is locked, removed, demoted or given a new password.
    fn a_session_that_was_changed_meanwhile_makes_nothing(app: TestApp) {
        let full = app.full_key();
        let person = |name: &str| {
            let id = app.administrator(name, PASSWORD, 1, 0);
            (id, Session::from(&app.try_sign_in(name, PASSWORD).expect(200)))
        };
        let path = |id: i64| format!("/api/administrators/{id}");
        let modify = |id: i64, body: Value| drop(app.post(&path(id), body).key(&full).send().expect(200));
        type Meanwhile<'a> = &'a dyn Fn(i64, &Session);
        let ways: [(&str, Meanwhile); 5] = [
            ("signs out", &|_, session| drop(app.delete("/api/sessions/current").with(session).send().expect(204))),
            ("is locked", &|id, _| modify(id, json!({ "active": false }))),
            ("is removed", &|id, _| drop(app.delete(&path(id)).key(&full).send().expect(204))),
            ("is demoted", &|id, _| modify(id, json!({ "roleID": 2 }))),
            ("has a new password", &|id, _| modify(id, json!({ "password": "seven purple elephants quietly juggling" }))),
        ];
        for (name, meanwhile) in ways {
            let (id, session) = person(name);
            let call = begun(&app, &format!("Cookie: sID={}\r\nrID: {}", session.sid, session.rid));
            meanwhile(id, &session);
            assert_eq!(ended(call), (401, "session_ended".to_owned()), "{name}");
            assert_eq!(app.count("select count(*) as n from api_keys where key_name = 'made too late'"), 0, "{name}");
        }
    }
}
