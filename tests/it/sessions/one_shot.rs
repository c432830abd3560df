//! A session that is there for making one key.

use std::sync::atomic::{AtomicUsize, Ordering};

use firstkey::api::{Access, routes};
use serde_json::{Value, json};

use crate::app::{ADMIN, Call, PASSWORD, Session, TestApp, secret};
use crate::both;
use crate::http::Answer;

fn try_one_shot(app: &TestApp, one_shot: Value) -> Answer {
    app.post("/api/sessions", json!({ "userName": ADMIN, "password": PASSWORD, "oneShot": one_shot })).send()
}

fn one_shot(app: &TestApp) -> Session {
    Session::from(&try_one_shot(app, json!(true)).expect(200))
}

fn mint<'a>(app: &'a TestApp, session: &Session, name: &str) -> Call<'a> {
    app.post("/api/apikeys", json!({ "keyName": name, "roleID": 2 })).with(session)
}

fn refusal(code: &str) -> (u16, String) {
    (if code == "session_ended" { 401 } else { 403 }, code.to_owned())
}

both! {
    /// One key, and no session left behind.
    fn it_finds_a_role_makes_one_key_and_ends(app: TestApp) {
        let before = app.last_event();
        let usual = app.try_sign_in(ADMIN, PASSWORD).expect(200);
        let answer = try_one_shot(&app, json!(true)).expect(200);
        let members = |answer: &Answer| answer.json().as_object().expect("members").keys().cloned().collect::<Vec<_>>();
        assert_eq!((members(&answer), answer.body.len()), (members(&usual), usual.body.len()), "the answer is the usual one");
        let names = |answer: &Answer| answer.headers.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&answer), names(&usual));

        let session = Session::from(&answer);
        let wanted = json!({ "searchCriteria": { "fieldName": "name", "stringTest": "equal", "stringValue": "Auditor" } });
        let role = app.post("/api/administratorroles/search", wanted).with(&session).send().expect(200).json()["roles"][0]["ID"].clone();
        app.get("/api/administratorroles").with(&session).send().expect(200);
        app.get(&format!("/api/roles/{role}")).with(&session).send().expect(200);
        let key = app.post("/api/apikeys", json!({ "keyName": "the one", "roleID": role })).with(&session).send().expect(200).json();
        app.get("/api/apikeys/current").key(&secret(&key)).send().expect(200);

        for call in [app.get("/api/roles"), mint(&app, &session, "another"), app.get("/api/sessions/current")] {
            assert_eq!(call.with(&session).send().code(), "session_ended");
        }
        let events: Vec<String> = app.events_after(before).into_iter().filter(|event| !event.starts_with("600 ")).collect();
        assert_eq!(events.len(), 2, "{events:?}");
        assert!(events[0].starts_with("5010 administrator/1/MasterAdmin apiKey/"), "{events:?}");
        assert!(events[1].starts_with("5120 administrator/1/MasterAdmin administrator/1/MasterAdmin {\"session\":"), "{events:?}");
        assert_eq!(app.count("select count(*) as n from sessions where ended_at is not null and end_reason = 'one shot'"), 1);
        // the other one is as it was
        app.get("/api/sessions/current").with(&Session::from(&usual)).send().expect(200);
    }

    /// The key of a name is one key too; what is there already is not touched, and a refused mint uses nothing up.
    fn it_makes_the_key_of_a_name_if_there_is_none(app: TestApp) {
        let session = one_shot(&app);
        let ensure = |name: &str, role: i64| app.call("PUT", &format!("/api/apikeys/by-name/{name}")).json(json!({ "roleID": role })).with(&session);
        let there = app.mint("there", 2);
        for (role, query) in [(2, ""), (1, ""), (2, "?reissue=allow")] {
            let held = format!("sha256:{}", "0".repeat(64));
            let call = ensure(&format!("there{query}"), role);
            let call = if query.is_empty() { call } else { call.header("X-Have-Secret-Digest", &held) };
            assert_eq!(call.send().refusal(), refusal("one_shot_session"));
        }
        app.get("/api/apikeys/current").key(&secret(&there)).send().expect(200);
        assert_eq!(mint(&app, &session, "there").send().refusal(), (409, "name_taken".into()));
        assert_eq!(mint(&app, &session, "").send().refusal(), (400, "malformed".into()));
        assert_eq!(app.post("/api/apikeys", json!({ "keyName": "k", "roleID": 77 })).with(&session).send().code(), "unknown_role");
        let made = ensure("new", 2).send().expect(200).json();
        assert_eq!(made["outcome"], "created");
        app.get("/api/apikeys/current").key(&secret(&made)).send().expect(200);
        assert_eq!(ensure("newer", 2).send().refusal(), refusal("session_ended"));
    }

    /// Everything else is refused before anything else is looked at, and leaves the session as it was.
    fn it_does_nothing_else(app: TestApp) {
        const ALLOWED: &[&str] = &[
            "create_session", "describe_sign_in_page", "create_api_key", "ensure_api_key", "delete_current_session",
            "list_administrator_roles", "search_administrator_roles", "describe_administrator_role", "list_roles", "search_roles", "describe_role",
        ];
        let session = one_shot(&app);
        let before = app.rows();
        let mut tried = 0;
        for route in routes() {
            if ALLOWED.contains(&route.operation) || route.access == Access::Open {
                continue;
            }
            let path: Vec<&str> = route.path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect();
            let answer = app.call(route.method.as_str(), &format!("/api{}", path.join("/").replace("settings/1", "settings/platformSettingActiveSessionsMax").replace("authorizations/1", "authorizations/logRetrieval"))).json(json!({})).with(&session).send();
            let code = if route.access == Access::Key { "wrong_credential_kind" } else { "one_shot_session" };
            assert_eq!(answer.refusal(), refusal(code), "{}", route.operation);
            tried += 1;
        }
        assert!(tried > 40, "{tried}");
        app.assert_rows(&before, "refused");
        app.delete("/api/sessions/current").with(&session).send().expect(204);
        assert_eq!(mint(&app, &session, "late").send().refusal(), refusal("session_ended"));
    }

    /// Of mints at one moment exactly one succeeds, whichever way they go.
    fn of_mints_at_once_one_succeeds(app: TestApp, |setup| setup.workers = 4) {
        for round in 0..3 {
            let (session, made) = (one_shot(&app), AtomicUsize::new(0));
            let before = app.count("select count(*) as n from api_keys");
            std::thread::scope(|scope| {
                for number in 0..16 {
                    let (app, session, made) = (&app, &session, &made);
                    scope.spawn(move || {
                        let name = format!("round{round}number{number}");
                        let call = match number % 2 {
                            0 => mint(app, session, &name),
                            _ => app.call("PUT", &format!("/api/apikeys/by-name/{name}")).json(json!({ "roleID": 2 })).with(session),
                        };
                        let answer = call.send();
                        match answer.status {
                            200 => drop(made.fetch_add(1, Ordering::Relaxed)),
                            _ => assert_eq!(answer.refusal(), refusal("session_ended")),
                        }
                    });
                }
            });
            assert_eq!((made.into_inner(), app.count("select count(*) as n from api_keys") - before), (1, 1));
        }
    }

    /// However many are opened, nobody at work is put out by them: they are counted apart, and the oldest of their own
    /// kind make room. Where a sign-in too many is refused, neither kind takes the other's place.
    fn they_push_out_their_own_kind_alone(app: TestApp) {
        let key = app.full_key();
        app.set(&key, "ActiveSessionsMax", "5").expect(200);
        let usual: Vec<Session> = (0..5).map(|_| app.sign_in()).collect();
        let shots: Vec<Session> = (0..7).map(|_| one_shot(&app)).collect();
        for session in &usual {
            app.get("/api/sessions/current").with(session).send().expect(200);
        }
        let alive = |session: &Session| app.get("/api/roles").with(session).send().status == 200;
        assert_eq!(shots.iter().map(alive).collect::<Vec<_>>(), [false, false, true, true, true, true, true]);
        let newest = app.sign_in();
        assert_eq!((alive(&usual[0]), alive(&usual[1]), alive(&newest), alive(&shots[2])), (false, true, true, true));
        app.set(&key, "ActiveSessionsMaxExceededAction", "block new sessions").expect(200);
        assert_eq!(try_one_shot(&app, json!(true)).refusal(), (409, "too_many_sessions".into()));
        mint(&app, &shots[6], "the one").send().expect(200);
        try_one_shot(&app, json!(true)).expect(200);
        assert_eq!(app.try_sign_in(ADMIN, PASSWORD).refusal(), (409, "too_many_sessions".into()));
    }

    /// The word is true or false, or what spells it.
    fn only_true_makes_it_one(app: TestApp) {
        for usual in [json!(false), json!("false"), Value::Null] {
            let session = Session::from(&try_one_shot(&app, usual).expect(200));
            app.get("/api/sessions").with(&session).send().expect(200);
        }
        let session = Session::from(&try_one_shot(&app, json!("true")).expect(200));
        assert_eq!(app.get("/api/sessions").with(&session).send().refusal(), refusal("one_shot_session"));
        for wrong in [json!(1), json!("yes"), json!([]), json!({})] {
            assert_eq!(try_one_shot(&app, wrong).refusal(), (400, "malformed".into()));
        }
    }
}
