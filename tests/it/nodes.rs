//! Two nodes over one database: what one changes the other knows with its next answer.

use serde_json::{Value, json};

use crate::app::{PASSWORD, Session, TestApp, secret};
use crate::both;

fn keyed(app: &TestApp, full: &str, name: &str, role: i64) -> (Value, String) {
    let key = app.post("/api/apikeys", json!({ "keyName": name, "roleID": role })).key(full).send().expect(200).json();
    let text = secret(&key);
    (key, text)
}

both! {
    /// T-19, T-45: a key that is locked, let in, given another role or another secret, or removed on one node is so on
    /// the other with the next request; an end that is brought nearer too.
    fn a_key_is_the_same_on_every_node(app: TestApp) {
        let other = app.second_node();
        let full = app.full_key();
        let (key, text) = keyed(&app, &full, "watched", 1);
        let path = format!("/api/apikeys/{}", key["ID"]);
        let there = |text: &str| other.get("/api/apikeys").key(text).send().refusal();
        let change = |body: Value| drop(app.post(&path, body).key(&full).send().expect(200));
        let is = |code: &str, status: u16| (status, code.to_owned());
        assert_eq!(there(&text), is("", 200));
        change(json!({ "active": false }));
        assert_eq!(there(&text), is("api_key_locked", 401));
        change(json!({ "active": true }));
        assert_eq!(there(&text), is("", 200));
        change(json!({ "roleID": 2 }));
        assert_eq!(there(&text), is("not_authorized", 403));
        change(json!({ "roleID": 1 }));
        assert_eq!(there(&text), is("", 200));
        change(json!({ "expiryDate": app.clock.now().millis() + 60_000 }));
        app.clock.advance(59_999);
        assert_eq!(there(&text), is("", 200));
        app.clock.advance(1);
        assert_eq!(there(&text), is("api_key_expired", 401));
        change(json!({ "expiryDate": 0 }));
        assert_eq!(there(&text), is("", 200));
        let renewed = secret(&app.call("POST", &format!("{path}/secretkey")).key(&full).send().expect(200).json());
        assert_eq!(there(&text), is("invalid_api_key", 401));
        assert_eq!(there(&renewed), is("", 200));
        app.delete(&path).key(&full).send().expect(204);
        assert_eq!(there(&renewed), is("invalid_api_key", 401));
    }

    /// T-39: a key acts with its role as it is now, on every node, and a role that shuts the API shuts it at once.
    fn a_role_is_the_same_on_every_node(app: TestApp) {
        let other = app.second_node();
        let full = app.full_key();
        let tree = |view: bool| json!({ "rights": { "platformRights": { "apikeyRights": { "canViewApiKeys": view } } } });
        let mut wanted = tree(true);
        wanted["name"] = json!("Watched");
        wanted["allowWebService"] = json!(true);
        let role = app.post("/api/roles", wanted).key(&full).send().expect(200).json()["ID"].as_i64().expect("an ID");
        let (_, text) = keyed(&app, &full, "watched", role);
        let there = || other.get("/api/apikeys").key(&text).send().refusal().1;
        let change = |body: Value| drop(app.post(&format!("/api/roles/{role}"), body).key(&full).send().expect(200));
        assert_eq!(there(), "");
        change(tree(false));
        assert_eq!(there(), "not_authorized");
        change(tree(true));
        change(json!({ "allowWebService": false }));
        assert_eq!(there(), "access_not_allowed");
    }

    /// T-20: each call is decided by itself: what one key may do on one route says nothing about the next route, nor
    /// about another key on the same connection.
    fn each_call_is_decided_by_itself(app: TestApp) {
        let full = app.full_key();
        let viewer = app.role("Viewer", &["platformRights.apikeyRights.canViewApiKeys"]);
        let (key, viewer) = keyed(&app, &full, "viewer", viewer);
        let path = format!("/api/apikeys/{}", key["ID"]);
        for _ in 0..3 {
            for (method, path, text, expected) in [
                ("GET", path.as_str(), &viewer, 200),
                ("DELETE", path.as_str(), &viewer, 403),
                ("GET", "/api/roles", &viewer, 403),
                ("GET", "/api/roles", &full, 200),
                ("GET", path.as_str(), &viewer, 200),
                ("GET", "/api/tenants", &viewer, 403),
                ("GET", "/api/tenants", &full, 200),
            ] {
                assert_eq!(app.call(method, path).key(text).send().status, expected, "{method} {path}");
            }
        }
    }

    /// DS-12: with the shortest idle time a session in use goes on, and one that rests ends.
    fn a_session_in_use_never_looks_idle(app: TestApp) {
        let session = app.sign_in();
        let idle = "/api/systemsettings/platformSettingUserSessionIdleTimeout";
        app.post(idle, json!({ "value": "1 Minutes" })).with(&session).send().expect(200);
        for _ in 0..30 {
            app.clock.advance(11_000);
            app.get("/api/sessions/current").with(&session).send().expect(200);
        }
        app.clock.advance(60_000);
        app.get("/api/sessions/current").with(&session).send().expect(401);
    }

    /// DS-12, DS-48: a setting holds on every node with the next call, and a session is the same on each.
    fn a_session_and_a_setting_are_the_same_on_every_node(app: TestApp) {
        let other = app.second_node();
        let full = app.full_key();
        app.administrator("eve", PASSWORD, 1, 0);
        let eve = Session::from(&app.try_sign_in("eve", PASSWORD).expect(200));
        other.get("/api/sessions/current").with(&eve).send().expect(200);
        let idle = "/api/systemsettings/platformSettingUserSessionIdleTimeout";
        app.post(idle, json!({ "value": "5 Minutes" })).key(&full).send().expect(200);
        assert_eq!(other.get(idle).key(&full).send().expect(200).json(), json!({ "value": "5 Minutes" }));
        app.clock.advance(5 * 60_000);
        other.get("/api/sessions/current").with(&eve).send().expect(401);
    }
}
