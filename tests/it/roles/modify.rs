//! `POST /api/administratorroles/{roleID}`, and the same under `/api/roles`.

use serde_json::{Value, json};

use super::{
    BEYOND, CONFLICT, CREATE, EDIT, EDIT_KEYS, MALFORMED, NAME_TAKEN, PATHS, VIEW_KEYS, assert_refusal, change, given,
    key_of, made, seen, tree,
};
use crate::app::{PASSWORD, START, Session, TestApp, secret};
use crate::both;
use crate::stored::without_trace;

const DAY: i64 = 86_400_000;

fn blue(app: &TestApp) -> Session {
    let tenant = app.tenant("Blue");
    app.administrator("blue", PASSWORD, 1, tenant);
    let body = json!({ "userName": "blue", "password": PASSWORD, "tenantName": "Blue" });
    Session::from(&app.post("/api/sessions", body).send().expect(200))
}

both! {
    /// DS-19: only what is sent changes, whatever it is, under both names of the resource.
    fn only_what_is_sent_changes(app: TestApp) {
        let maker = app.full_key();
        let body = json!({
            "name": "before", "description": "d", "computerIDs": [1], "computerGroupIDs": [2], "policyIDs": [3],
            "rights": tree(&[VIEW_KEYS, CREATE], true),
        });
        let id = &made(&app, &maker, body)["ID"];
        let mut expected = seen(&app, &maker, id);
        for (step, (member, value)) in [
            ("name", json!("after")), ("description", json!("")), ("canOnlyManipulateUsersWithEqualOrLesserRights", json!(true)),
            ("allowUserInterface", json!(false)), ("allowWebService", json!(true)), ("allowManageWorkloadSecurityLink", json!(true)),
            ("allowMigration", json!(true)), ("computerIDs", json!([])), ("computerGroupIDs", json!([0])), ("policyIDs", json!([9, 10])),
        ].into_iter().enumerate() {
            let version = app.count(&format!("select role_version as n from roles where id = {id}"));
            let answer = app.post(&format!("{}/{id}", PATHS[step % 2]), json!({ member: value })).key(&maker).send().expect(200);
            expected[member] = value;
            if member == "name" {
                expected["urn"] = json!("urn:tmds:identity::0:role/after");
            }
            assert_eq!(answer.json(), expected, "{member}");
            assert_eq!(answer.text(), app.get(&format!("/api/roles/{id}")).key(&maker).send().expect(200).text());
            assert_eq!(app.count(&format!("select role_version as n from roles where id = {id}")), version + 1);
        }
        let version = app.count(&format!("select role_version as n from roles where id = {id}"));
        for nothing in [
            json!({}),
            json!({ "name": null, "rights": null, "computerIDs": null, "allComputers": null }),
            json!({ "rights": {} }),
            json!({ "ID": 1, "urn": 7, "immutable": true, "unknown": 1 }),
            expected.clone(),
        ] {
            assert_eq!(change(&app, &maker, id, nothing).expect(200).json(), expected);
        }
        assert_eq!(app.count(&format!("select role_version as n from roles where id = {id}")), version, "nothing changed");
    }

    /// Of a tree that is given in part the other rights stay; one that is not known is refused, because one that is
    /// misspelt would be thought taken away.
    fn rights_that_are_not_named_stay(app: TestApp) {
        let maker = app.full_key();
        let id = &made(&app, &maker, json!({ "name": "r", "rights": tree(&[VIEW_KEYS, CREATE], true) }))["ID"];
        for (rights, names) in [
            (tree(&[EDIT_KEYS], "true"), vec![CREATE, VIEW_KEYS, EDIT_KEYS]),
            (tree(&[VIEW_KEYS], false), vec![CREATE, EDIT_KEYS]),
            (json!({ "platformRights": { "apikeyRights": { "canViewApiKeys": true, "canEditApiKeyProperties": false } } }), vec![CREATE, VIEW_KEYS]),
            (tree(&[CREATE, VIEW_KEYS], false), vec![]),
        ] {
            let role = change(&app, &maker, id, json!({ "rights": rights })).expect(200).json();
            let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
            names.sort();
            let mut found = given(&role);
            found.sort();
            assert_eq!(found, names, "{rights}");
            assert_eq!(seen(&app, &maker, id), role);
        }
        let rows = app.rows();
        let misspelt = tree(&["platformRights.apikeyRights.canDelteApiKeys"], false);
        assert_refusal(change(&app, &maker, id, json!({ "rights": misspelt })).refusal(), MALFORMED);
        app.assert_rows(&rows, "nothing happened");
    }

    /// A list takes "all" away, and "all" makes lists be ignored.
    fn lists_and_all_follow_each_other(app: TestApp) {
        let maker = app.full_key();
        let id = &made(&app, &maker, json!({ "name": "r" }))["ID"];
        let reach = |role: &Value| (role["allComputers"].clone(), role["computerIDs"].clone(), role["computerGroupIDs"].clone(), role["allPolicies"].clone(), role["policyIDs"].clone());
        for (body, expected) in [
            (json!({ "computerGroupIDs": [0] }), (json!(false), json!([]), json!([0]), json!(true), Value::Null)),
            (json!({ "computerIDs": [8, 7] }), (json!(false), json!([7, 8]), json!([0]), json!(true), Value::Null)),
            (json!({ "allComputers": true, "policyIDs": [3] }), (json!(true), Value::Null, Value::Null, json!(false), json!([3]))),
            (json!({ "allComputers": "false", "allPolicies": "true", "policyIDs": [4] }), (json!(false), json!([]), json!([]), json!(true), Value::Null)),
        ] {
            assert_eq!(reach(&change(&app, &maker, id, body.clone()).expect(200).json()), expected, "{body}");
        }
    }

    /// The event tells what changed from what to what, and of rights those that were added and those that went.
    fn a_change_leaves_one_event_of_what_changed(app: TestApp) {
        let maker = app.full_key();
        let id = &made(&app, &maker, json!({ "name": "r", "allPolicies": false, "rights": tree(&[VIEW_KEYS, CREATE], true) }))["ID"];
        let before = app.last_event();
        let mut rights = tree(&[VIEW_KEYS], false);
        rights["platformRights"]["apikeyRights"]["canEditApiKeyProperties"] = json!(true);
        change(&app, &maker, id, json!({ "name": "R2", "policyIDs": [4], "allowUserInterface": true, "rights": rights })).expect(200);
        let maker_id = maker.split_once(':').expect("two parts").0;
        let details = format!(
            r#"{{"name":{{"from":"r","to":"R2"}},"policyIDs":{{"from":[],"to":[4]}},"rights":{{"added":["{EDIT_KEYS}"],"removed":["{VIEW_KEYS}"]}}}}"#
        );
        assert_eq!(app.events_after(before), [format!("662 apiKey/{maker_id}/full role/{id}/r {details}")]);
    }

    /// DS-18: Full Access cannot be changed, whoever asks; the bounds are those of a new role, and a name that is taken
    /// is taken.
    fn what_cannot_be_is_refused_and_changes_nothing(app: TestApp) {
        let full = app.full_key();
        let id = &made(&app, &full, json!({ "name": "r", "rights": {} }))["ID"];
        made(&app, &full, json!({ "name": "Taken" }));
        let rows = app.rows();
        for body in [json!({}), json!({ "description": "mine" }), json!({ "rights": tree(&[VIEW_KEYS], false) })] {
            assert_refusal(change(&app, &full, &json!(1), body).refusal(), CONFLICT);
        }
        for (body, refusal) in [
            (json!({ "name": "tAKEN" }), NAME_TAKEN),
            (json!({ "name": "Auditor" }), NAME_TAKEN),
            (json!({ "name": "" }), MALFORMED),
            (json!({ "description": "d".repeat(1_025) }), MALFORMED),
            (json!({ "computerIDs": [0] }), MALFORMED),
            (json!({ "computerGroupIDs": [-1] }), MALFORMED),
            (json!({ "policyIDs": (1..=1_001).collect::<Vec<i64>>() }), MALFORMED),
            (json!({ "allowWebService": 1 }), MALFORMED),
            (json!([]), MALFORMED),
        ] {
            assert_refusal(change(&app, &full, id, body).refusal(), refusal);
        }
        app.assert_rows(&rows, "nothing happened");
        change(&app, &full, id, json!({ "name": "R" })).expect(200);
    }

    /// Auditor serves every tenant: the primary one changes it, but for its name; to the others it is as Full Access.
    fn auditor_is_the_primary_tenants_to_change(app: TestApp) {
        let full = app.full_key();
        let session = blue(&app);
        let rows = app.rows();
        let theirs = |body: Value| app.post("/api/roles/2", body).with(&session).send().refusal();
        assert_refusal(theirs(json!({ "rights": tree(&[VIEW_KEYS], true) })), CONFLICT);
        assert_refusal(theirs(json!({})), CONFLICT);
        assert_refusal(change(&app, &full, &json!(2), json!({ "name": "Viewer" })).refusal(), CONFLICT);
        app.assert_rows(&rows, "nothing happened");
        let role = change(&app, &full, &json!(2), json!({ "name": "Auditor", "rights": tree(&[VIEW_KEYS], true) })).expect(200).json();
        assert_eq!(given(&role).len(), 4);
        let seen = app.get("/api/roles/2").with(&session).send().expect(200).json();
        assert_eq!(given(&seen).len(), 4);
    }

    /// T-23: another tenant's role and one that never was are answered alike, byte for byte.
    fn anothers_role_is_answered_as_one_that_never_was(app: TestApp) {
        let session = blue(&app);
        let ours = app.role("Ours", &[]);
        let rows = app.rows();
        for body in [json!({}), json!({ "name": "Auditor" }), json!({ "description": "x" })] {
            let [foreign, never] = [ours, 2_147_483_647]
                .map(|id| without_trace(&app.post(&format!("/api/roles/{id}"), body.clone()).with(&session).send().expect(404)));
            assert_eq!(foreign, never);
        }
        app.assert_rows(&rows, "nothing happened");
    }

    /// T-04: nobody adds to their own role, whatever they could give to another; they may lower it, and cannot undo
    /// that.
    fn nobody_adds_to_their_own_role(app: TestApp) {
        let full = app.full_key();
        let id = &made(&app, &full, json!({
            "name": "own", "allowWebService": true, "allowUserInterface": false, "computerIDs": [1], "rights": tree(&[EDIT, VIEW_KEYS, EDIT_KEYS], true),
        }))["ID"];
        let own = key_of(&app, id.as_i64().expect("an ID"));
        let rows = app.rows_of("roles");
        for body in [
            json!({ "rights": tree(&[CREATE], true) }),
            json!({ "allComputers": true }),
            json!({ "computerIDs": [1, 2] }),
            json!({ "computerGroupIDs": [0] }),
            json!({ "allowUserInterface": true }),
            json!({ "allowMigration": true }),
            json!({ "allowManageWorkloadSecurityLink": true }),
        ] {
            assert_refusal(change(&app, &own, id, body.clone()).refusal(), BEYOND);
        }
        assert_eq!(app.rows_of("roles"), rows);
        change(&app, &own, id, json!({ "rights": tree(&[VIEW_KEYS], false), "description": "lowered" })).expect(200);
        assert_refusal(change(&app, &own, id, json!({ "rights": tree(&[VIEW_KEYS], true) })).refusal(), BEYOND);
        // a person is bound alike
        app.administrator("eve", PASSWORD, id.as_i64().expect("an ID"), 0);
        let eve = Session::from(&app.try_sign_in("eve", PASSWORD).expect(200));
        let by_eve = |body: Value| app.post(&format!("/api/roles/{id}"), body).with(&eve).send().refusal();
        assert_refusal(by_eve(json!({ "rights": tree(&[VIEW_KEYS], true) })), BEYOND);
        assert_refusal(by_eve(json!({ "rights": tree(&[EDIT_KEYS], false) })), (200, ""));
    }

    /// T-04: a caller whose role is lowered while the call is under way gives nothing back to it: the role is compared
    /// with what it is when it is changed.
    fn a_call_that_began_before_the_role_was_lowered_adds_nothing(app: TestApp, |setup| setup.workers = 2) {
        let full = app.full_key();
        let role = app.role("Own", &[EDIT, VIEW_KEYS]);
        let own = key_of(&app, role);
        // the head first: the caller is known from then on
        let body = json!({ "rights": tree(&[VIEW_KEYS], true) }).to_string();
        let mut connection = app.connect();
        let head = format!(
            "POST /api/roles/{role} HTTP/1.1\r\nHost: localhost\r\napi-secret-key: {own}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
            body.len(), &body[..5]
        );
        connection.write_raw(head.as_bytes()).expect("it is taken");
        let id = own.split_once(':').expect("two parts").0;
        let known = || app.get(&format!("/api/apikeys/{id}")).key(&full).send().expect(200).json().get("lastSignIn").is_some();
        while !known() {
            std::thread::yield_now();
        }
        change(&app, &full, &json!(role), json!({ "rights": tree(&[VIEW_KEYS], false) })).expect(200);
        connection.write_raw(&body.as_bytes()[5..]).expect("it is taken");
        assert_refusal(connection.read(false).expect("an answer").refusal(), (403, "not_authorized"));
        assert_eq!(given(&seen(&app, &full, &json!(role))), [EDIT]);
    }

    /// T-04: a role that is stronger than oneself is out of reach, to be lowered too, and with it the keys that bear
    /// it; what lies within one's own is given and taken freely.
    fn a_stronger_role_is_out_of_reach(app: TestApp) {
        let full = app.full_key();
        let editor = key_of(&app, app.role("Editor", &[EDIT, VIEW_KEYS]));
        let stronger = made(&app, &full, json!({ "name": "stronger", "allowWebService": true, "rights": tree(&[VIEW_KEYS, EDIT_KEYS], true) }));
        let weaker = made(&app, &full, json!({ "name": "weaker", "allowWebService": true, "rights": {} }));
        let borne = key_of(&app, stronger["ID"].as_i64().expect("an ID"));
        let rows = app.rows_of("roles");
        for body in [
            json!({}), json!({ "description": "x" }), json!({ "rights": tree(&[EDIT_KEYS], false) }), json!({ "allowWebService": false }),
            json!({ "name": "mine" }), json!({ "allComputers": false }),
        ] {
            assert_refusal(change(&app, &editor, &stronger["ID"], body).refusal(), BEYOND);
            assert_refusal(change(&app, &editor, &json!(1), json!({})).refusal(), BEYOND);
        }
        assert_refusal(change(&app, &editor, &weaker["ID"], json!({ "rights": tree(&[EDIT_KEYS], true) })).refusal(), BEYOND);
        assert_eq!(app.rows_of("roles"), rows);
        assert_refusal(app.get("/api/apikeys/current").key(&borne).send().refusal(), (200, ""));
        let role = change(&app, &editor, &weaker["ID"], json!({ "rights": tree(&[VIEW_KEYS], true) })).expect(200).json();
        assert_eq!(given(&role), [VIEW_KEYS]);
        // and once it is as strong as that, whoever gave it may take it again
        change(&app, &editor, &weaker["ID"], json!({ "rights": tree(&[VIEW_KEYS], false) })).expect(200);
    }

    /// T-03: a key that ends adds to no role, since a role and those who bear it last longer; it may take away.
    fn an_ending_key_adds_to_no_role(app: TestApp) {
        let full = app.full_key();
        let body = json!({ "keyName": "ending", "roleID": 1, "expiryDate": START.millis() + DAY });
        let ending = secret(&app.post("/api/apikeys", body).key(&full).send().expect(200).json());
        let id = &made(&app, &full, json!({ "name": "r", "computerIDs": [1], "rights": tree(&[VIEW_KEYS], true) }))["ID"];
        let rows = app.rows_of("roles");
        for body in [
            json!({ "rights": tree(&[EDIT_KEYS], true) }), json!({ "computerIDs": [1, 2] }), json!({ "allComputers": true }),
            json!({ "allowWebService": true }), json!({ "computerIDs": [2] }),
        ] {
            assert_refusal(change(&app, &ending, id, body).refusal(), BEYOND);
        }
        assert_eq!(app.rows_of("roles"), rows);
        change(&app, &ending, id, json!({ "computerIDs": [], "description": "less", "rights": tree(&[VIEW_KEYS], false) })).expect(200);
        made(&app, &ending, json!({ "name": "new, and borne by nobody" }));
    }

    /// DS-20, DS-23, T-16: a change of a role is felt on the very next request by whoever bears it, in a session or by a
    /// key; web service or console shut is 403.
    fn a_change_is_felt_on_the_next_request(app: TestApp) {
        let full = app.full_key();
        let id = made(&app, &full, json!({ "name": "r", "allowWebService": true, "rights": tree(&[VIEW_KEYS], true) }))["ID"].as_i64().expect("an ID");
        let key = key_of(&app, id);
        app.administrator("ben", PASSWORD, id, 0);
        let open = |access: &str| {
            let body = json!({ "userName": "ben", "password": PASSWORD, "accessType": access });
            Session::from(&app.post("/api/sessions", body).send().expect(200))
        };
        let (service, console) = (open("webService"), open("userInterface"));
        let list = || app.get("/api/apikeys");
        let statuses = || [list().key(&key).send().refusal(), list().with(&service).send().refusal(), list().with(&console).send().refusal()].map(|(status, code)| (status, code));
        let all = |status: u16, code: &str| [(); 3].map(|()| (status, code.to_owned()));
        assert_eq!(statuses(), all(200, ""));
        for _ in 0..2 {
            change(&app, &full, &json!(id), json!({ "rights": tree(&[VIEW_KEYS], false) })).expect(200);
            assert_eq!(statuses(), all(403, "not_authorized"));
            change(&app, &full, &json!(id), json!({ "rights": tree(&[VIEW_KEYS], true) })).expect(200);
            assert_eq!(statuses(), all(200, ""));
        }
        change(&app, &full, &json!(id), json!({ "allowWebService": false })).expect(200);
        let shut = (403, "access_not_allowed".to_owned());
        assert_eq!(statuses(), [shut.clone(), shut.clone(), (200, String::new())]);
        change(&app, &full, &json!(id), json!({ "allowWebService": true, "allowUserInterface": false, "name": "renamed" })).expect(200);
        assert_eq!(statuses(), [(200, String::new()), (200, String::new()), shut]);
        let current = app.get("/api/apikeys/current").key(&key).send().expect(200).json();
        assert_eq!(current["roleURN"], json!("urn:tmds:identity::0:role/renamed"));
    }
}
