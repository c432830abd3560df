//! Every route that takes an ID, walked with another tenant's: the answer is that to an ID which was never given, byte
//! for byte, and nothing has changed. The routes come from the table that the server is built from; one with a new kind
//! of ID has no object here yet, and fails the test until it has.

use firstkey::api::{Access, Route, routes};
use serde_json::{Value, json};

use crate::app::{Call, PASSWORD, Session, TestApp, secret};
use crate::both;
use crate::http::Answer;
use crate::rights_matrix::{Scene, body_of};
use crate::stored::without_trace;

/// Half of what there is: a tenant, and a caller in it who may do everything.
struct Side {
    tenant: i64,
    key: String,
    session: Session,
}

/// An object of a side's own, fresh, for each parameter that stands in a path.
type Make = fn(&TestApp, &Side) -> i64;
const OBJECTS: &[(&str, Make)] = &[
    ("{apiKeyID}", |app, side| {
        let body = json!({ "keyName": format!("walked {}", app.last_event()), "roleID": 2 });
        app.post("/api/apikeys", body).key(&side.key).send().expect(200).json()["ID"].as_i64().expect("an ID")
    }),
    ("{revokedKeyID}", |app, side| {
        let body = json!({ "keyName": format!("walked {}", app.last_event()), "roleID": 2 });
        let id = app.post("/api/apikeys", body).key(&side.key).send().expect(200).json()["ID"].clone();
        app.delete(&format!("/api/apikeys/{id}")).key(&side.key).send().expect(204);
        id.as_i64().expect("an ID")
    }),
    ("{jobID}", |app, side| crate::jobs::trifle(app, &side.key)),
    // the built-in roles are everybody's, and so no other tenant's
    ("{roleID}", |app, side| {
        let number = app.count("select count(*) as n from roles");
        let role = app.role(&format!("walked {number}"), &[]);
        app.execute(&format!("update roles set tenant_id = {} where id = {role}", side.tenant));
        role
    }),
    ("{administratorID}", |app, side| {
        let number = app.count("select count(*) as n from administrators");
        app.administrator(&format!("walked {number}"), PASSWORD, 1, side.tenant)
    }),
    ("{contactID}", |app, side| {
        let body = json!({ "name": "walked" });
        app.post("/api/contacts", body).key(&side.key).send().expect(200).json()["ID"].as_i64().expect("an ID")
    }),
    ("{webhookID}", |app, side| {
        let name = format!("walked {}", app.last_event());
        let body = json!({ "name": name, "url": "https://1.1.1.1/", "events": ["apikey.created"], "active": false });
        app.post("/api/webhooks", body).key(&side.key).send().expect(200).json()["ID"].as_i64().expect("an ID")
    }),
    ("{claimID}", |app, side| {
        let body = json!({ "keyName": format!("walked {}", app.last_event()), "roleID": 2 });
        app.post("/api/claims", body).key(&side.key).send().expect(200).json()["ID"].as_i64().expect("an ID")
    }),
    ("{tenantID}", |_, side| side.tenant),
    ("{profileID}", |app, side| {
        let body = json!({ "name": format!("walked {}", app.last_event()) });
        app.post("/api/apikeyprofiles", body).key(&side.key).send().expect(200).json()["ID"].as_i64().expect("an ID")
    }),
    ("{apiTypeID}", |app, side| {
        let body = json!({ "name": format!("walked{}", app.last_event()) });
        app.post("/api/apitypes", body).key(&side.key).send().expect(200).json()["ID"].as_i64().expect("an ID")
    }),
];

/// Sends a call with a credential.
type Sends<'a> = &'a dyn Fn(Call<'_>) -> Answer;

const NEVER: i64 = 2_147_483_647;

/// All of an answer that a caller can compare.
fn comparable(answer: &Answer) -> (u16, String, Vec<(String, String)>) {
    // the connection is closed or not by how much of an unread body has come in
    let differs =
        |name: &str| ["x-request-id", "date", "connection"].iter().any(|known| name.eq_ignore_ascii_case(known));
    let mut headers = answer.headers.clone();
    headers.retain(|(name, _)| !differs(name));
    headers.sort();
    (answer.status, without_trace(answer), headers)
}

/// What a caller of another tenant may be told: that there is no such thing, or that the call is not for them at all.
fn assert_told_nothing(route: &Route, answer: &Answer, what: &str) {
    let refusal = answer.refusal();
    let expected: &[(u16, &str)] = match (route.primary_only, route.access, route.right) {
        (true, ..) => &[(403, "not_authorized")],
        (_, Access::Any, Some(_)) => &[(404, "not_found")],
        _ => &[(404, "not_found"), (403, "not_authorized"), (403, "wrong_credential_kind")],
    };
    assert!(expected.contains(&(refusal.0, refusal.1.as_str())), "{what}: {refusal:?}");
}

both! {
    /// T-23: every route with an ID, by a key and by a session of either tenant, with the other's ID and with one that
    /// was never given.
    fn anothers_id_is_one_that_never_was_on_every_route(app: TestApp) {
        let scene = Scene::set(&app);
        let ours = Side { tenant: 0, key: scene.maker.clone(), session: app.sign_in() };
        let theirs = Side { tenant: scene.foreign_tenant, key: scene.foreign_key(), session: scene.foreign_person() };
        let mut walked = 0;
        for route in routes().iter().filter(|route| route.path.contains("ID}")) {
            let (parameter, make) = OBJECTS.iter().find(|(parameter, _)| route.path.contains(parameter))
                .unwrap_or_else(|| panic!("{}: say above how a tenant comes to such an object", route.path));
            // a name that every tenant knows
            let path = route.path.replace("{apiTypeName}", "logRetrieval");
            let beyond = path.replace(parameter, "");
            assert!(!beyond.contains('{'), "{}: the walk takes one ID at a time", route.path);
            for (caller, owner) in [(&ours, &theirs), (&theirs, &ours)] {
                if route.primary_only && caller.tenant == 0 {
                    continue; // for these callers no tenant is a foreign one
                }
                let foreign = make(&app, owner);
                let body: Option<Value> = body_of(&scene, route);
                let credentials: [(&str, Sends); 2] =
                    [("key", &|call| call.key(&caller.key).send()), ("session", &|call| call.with(&caller.session).send())];
                let before = app.rows();
                for (credential, send) in credentials {
                    let what = format!("{} {} by a {credential} of tenant {}", route.method, route.path, caller.tenant);
                    let answers = [foreign, NEVER].map(|id| {
                        let call = app.call(route.method.as_str(), &format!("/api{}", path.replace(parameter, &id.to_string())));
                        send(match &body {
                            Some(body) => call.json(body.clone()),
                            None => call,
                        })
                    });
                    assert_told_nothing(route, &answers[0], &what);
                    assert_eq!(comparable(&answers[0]), comparable(&answers[1]), "{what}");
                    app.assert_rows(&before, &what);
                    walked += 1;
                }
                // the foreign ID was no slip of the test: to its owner the thing is there
                if route.method == "GET" && !route.primary_only {
                    let path = format!("/api{}", route.path.replace(parameter, &foreign.to_string()));
                    app.get(&path).key(&owner.key).send().expect(200);
                }
            }
        }
        assert!(walked > 30, "{walked}");
    }

    /// T-23: in a body too, another tenant's key, live or revoked, is one that never was.
    fn anothers_key_in_a_body_is_one_that_never_was(app: TestApp) {
        let scene = Scene::set(&app);
        let made = |name: &str| app.post("/api/apikeys", json!({ "keyName": name, "roleID": 2 })).key(&scene.maker).send().expect(200).json()["ID"].clone();
        let (live, revoked, key) = (made("live"), made("revoked"), scene.foreign_key());
        app.delete(&format!("/api/apikeys/{revoked}")).key(&scene.maker).send().expect(204);
        let before = app.rows();
        let [live_one, revoked_one, never] = [live.clone(), revoked.clone(), json!(NEVER)].map(|id| {
            comparable(&app.post("/api/apikeys/explain", json!({ "keyID": id })).key(&key).send().expect(404))
        });
        assert_eq!((&live_one, &revoked_one), (&never, &never));
        app.assert_rows(&before, "refused");
        for (id, code) in [(live, "VALID"), (revoked, "REVOKED")] {
            let told = app.post("/api/apikeys/explain", json!({ "keyID": id })).key(&scene.maker).send().expect(200).json();
            assert_eq!(told["code"], code, "to its owner the key is there");
        }
    }

    /// T-23: in a body too, another tenant's role is one that never was.
    fn anothers_role_in_a_body_is_one_that_never_was(app: TestApp) {
        let scene = Scene::set(&app);
        let (role, key) = (app.role("Ours", &[]), scene.foreign_key());
        let before = app.rows();
        let [foreign, never] = [role, NEVER].map(|id| {
            let body = json!({ "keyName": "k", "roleID": id });
            comparable(&app.post("/api/apikeys", body).key(&key).send().expect(400))
        });
        assert_eq!(foreign, never);
        app.assert_rows(&before, "refused");
        let key = app.post("/api/apikeys", json!({ "keyName": "k", "roleID": role })).key(&scene.maker).send().expect(200).json();
        assert!(secret(&key).starts_with(&key["ID"].to_string()), "to its owner the role is there");
    }
}
