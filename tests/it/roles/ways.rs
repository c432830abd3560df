//! T-01, T-04: nobody hands out, or lays hands on, a way of access that their own role does not have.

use firstkey::rights::{Reach, Rights};
use serde_json::{Value, json};

use super::{BEYOND, assert_refusal, made};
use crate::app::{PASSWORD, Session, TestApp, secret};
use crate::both;
use crate::http::Answer;

/// The console, and the API.
type Ways = (bool, bool);

const NONE: Ways = (false, false);
const EACH: [Ways; 4] = [(true, true), (true, false), (false, true), NONE];

fn within(one: Ways, other: Ways) -> bool {
    (other.0 || !one.0) && (other.1 || !one.1)
}

/// A role that may do everything, by these ways.
fn role_by(app: &TestApp, name: &str, (console, service): Ways) -> i64 {
    let id = app.role_of(name, Rights::all(), Reach::everything());
    app.execute(&format!(
        "update roles set allow_user_interface = {console}, allow_web_service = {service} where id = {id}"
    ));
    id
}

/// Somebody of a role, by a way that it has.
enum Somebody {
    Key(String),
    Console(Session),
}

impl Somebody {
    fn of(app: &TestApp, full: &str, role: i64, (_, service): Ways) -> Self {
        let name = format!("of role {role}");
        if service {
            return Self::Key(key(app, full, &name, role).1);
        }
        app.administrator(&name, PASSWORD, role, 0);
        let body = json!({ "userName": name, "password": PASSWORD, "accessType": "userInterface" });
        Self::Console(Session::from(&app.post("/api/sessions", body).send().expect(200)))
    }

    fn does(&self, app: &TestApp, method: &str, path: &str, body: &Value) -> Answer {
        let call = app.call(method, path).json(body.clone());
        match self {
            Self::Key(secret) => call.key(secret),
            Self::Console(session) => call.with(session),
        }
        .send()
    }
}

/// A key of a role: its path and its secret.
fn key(app: &TestApp, full: &str, name: &str, role: i64) -> (String, String) {
    let key = app.post("/api/apikeys", json!({ "keyName": name, "roleID": role })).key(full).send().expect(200).json();
    (format!("/api/apikeys/{}", key["ID"]), secret(&key))
}

/// Every call that hands out the role `target`, whose ways are `ways`, or lays hands on it or on whoever bears it:
/// method, path and body. What they need is put in with `full`; `harmless` is a role that anybody covers.
fn calls(
    app: &TestApp,
    full: &str,
    n: usize,
    target: i64,
    ways: Ways,
    harmless: i64,
) -> Vec<(&'static str, String, Value)> {
    let members = |name: String, ways: Ways| json!({ "name": name, "rights": {}, "allowUserInterface": ways.0, "allowWebService": ways.1 });
    let role = |name: String, ways: Ways| format!("/api/roles/{}", made(app, full, members(name, ways))["ID"]);
    let person =
        |name: String, role: i64| format!("/api/administrators/{}", app.administrator(&name, PASSWORD, role, 0));
    let (weak, strong) =
        (key(app, full, &format!("weak {n}"), harmless).0, key(app, full, &format!("strong {n}"), target).0);
    let (weaker, stronger) = (person(format!("weaker {n}"), harmless), person(format!("stronger {n}"), target));
    let (plain, other) = (role(format!("plain {n}"), NONE), role(format!("other {n}"), ways));
    vec![
        ("POST", "/api/roles".into(), members(format!("made {n}"), ways)),
        ("POST", plain, json!({ "allowUserInterface": ways.0, "allowWebService": ways.1 })),
        ("POST", other.clone(), json!({ "description": "x" })),
        ("DELETE", other, json!({})),
        ("POST", "/api/apikeys".into(), json!({ "keyName": format!("minted {n}"), "roleID": target })),
        ("PUT", format!("/api/apikeys/by-name/ensured{n}"), json!({ "roleID": target })),
        ("PUT", format!("/api/apikeys/by-name/weak%20{n}"), json!({ "roleID": target })),
        ("POST", weak, json!({ "roleID": target, "description": "x" })),
        ("POST", strong.clone(), json!({ "description": "y" })),
        ("POST", format!("{strong}/secretkey"), json!({})),
        ("DELETE", strong, json!({})),
        (
            "POST",
            "/api/administrators".into(),
            json!({ "username": format!("new {n}"), "password": PASSWORD, "roleID": target }),
        ),
        ("POST", weaker, json!({ "roleID": target })),
        ("POST", stronger.clone(), json!({ "password": "an entirely different sentence 7" })),
        ("DELETE", stronger, json!({})),
    ]
}

both! {
    /// T-01 and T-04: each of the four combinations of ways is handed out by somebody of each that can come in at all;
    /// what lies within the caller's own goes through, and of all else nothing is left, neither a row nor an event.
    fn nobody_hands_out_a_way_of_access_that_they_have_not(app: TestApp) {
        let full = app.full_key();
        let roles: Vec<(Ways, i64)> = EACH.iter().map(|ways| (*ways, role_by(&app, &format!("{ways:?}"), *ways))).collect();
        let (mut n, mut outcomes) = (0, [0, 0]);
        for (mine, own) in roles.iter().filter(|(ways, _)| *ways != NONE) {
            let somebody = Somebody::of(&app, &full, *own, *mine);
            for (ways, target) in &roles {
                n += 1;
                for (method, path, body) in calls(&app, &full, n, *target, *ways, roles[3].1) {
                    // the console is no way in for a key
                    let counted = if path.starts_with("/api/apikeys") { (false, ways.1) } else { *ways };
                    let may = within(counted, *mine);
                    let before = if may { Vec::new() } else { app.rows() };
                    let answer = somebody.does(&app, method, &path, &body);
                    if may {
                        assert!(matches!(answer.status, 200 | 204), "{mine:?}: {method} {path} {body}: {}", answer.text());
                    } else {
                        assert_eq!(answer.refusal(), (BEYOND.0, BEYOND.1.to_owned()), "{mine:?}: {method} {path} {body}");
                        app.assert_rows(&before, &format!("{mine:?} and {ways:?}: {method} {path}"));
                    }
                    outcomes[usize::from(may)] += 1;
                }
            }
        }
        assert!(outcomes.iter().all(|count| *count > 40), "both outcomes are tried: {outcomes:?}");
    }

    /// A way that is taken from the caller's role is gone with the next call.
    fn a_way_that_is_taken_away_is_not_handed_out_any_more(app: TestApp) {
        let full = app.full_key();
        let own = role_by(&app, "own", (true, true));
        let caller = key(&app, &full, "caller", own).1;
        let body = |name: &str| json!({ "name": name, "rights": {}, "allowUserInterface": true });
        app.post("/api/roles", body("before")).key(&caller).send().expect(200);
        app.execute(&format!("update roles set allow_user_interface = false where id = {own}"));
        let refused = app.post("/api/roles", body("after")).key(&caller).send();
        assert_refusal(refused.refusal(), BEYOND);
        assert!(refused.text().contains("ways of access"), "{}", refused.text());
        app.post("/api/roles", json!({ "name": "after", "rights": {}, "allowUserInterface": false })).key(&caller).send().expect(200);
    }

    /// The one exception: the right to make a tenant's keys is an authority of its own.
    fn a_tenants_key_may_come_by_ways_that_its_maker_has_not(app: TestApp) {
        let full = app.full_key();
        let tenant = app.tenant("Blue");
        let own = role_by(&app, "console", (true, false));
        let somebody = Somebody::of(&app, &full, own, (true, false));
        somebody.does(&app, "POST", &format!("/api/tenants/{tenant}/apikeys"), &json!({ "keyName": "theirs" })).expect(200);
    }
}
