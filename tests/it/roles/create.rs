//! `POST /api/administratorroles`, and the same under `/api/roles`.

use serde_json::{Value, json};

use super::{
    BEYOND, CREATE, MALFORMED, NAME_TAKEN, PATHS, VIEW_KEYS, assert_refusal, change, given, key_of, made, seen, tree,
};
use crate::app::{PASSWORD, Session, TestApp};
use crate::both;

both! {
    /// DS-22: a role with nothing but a name reads all computers and policies, and lets its bearers into the console
    /// but not into the API.
    fn a_role_with_nothing_but_a_name_is_as_documented(app: TestApp) {
        let maker = app.full_key();
        for (path, name) in PATHS.into_iter().zip(["First", "Second"]) {
            let events = app.last_event();
            let answer = app.post(path, json!({ "name": name })).key(&maker).send().expect(200);
            let role = answer.json();
            assert_eq!(given(&role), given(&seen(&app, &maker, &json!(2))), "Auditor's three rights");
            let mut rest = role.clone();
            rest.as_object_mut().expect("an object").remove("rights");
            assert_eq!(rest, json!({
                "name": name, "description": "", "urn": format!("urn:tmds:identity::0:role/{name}"), "immutable": false,
                "canOnlyManipulateUsersWithEqualOrLesserRights": false, "allComputers": true, "allPolicies": true,
                "allowUserInterface": true, "allowWebService": false, "allowManageWorkloadSecurityLink": false,
                "allowMigration": false, "ID": role["ID"],
            }));
            let described = app.get(&format!("{path}/{}", role["ID"])).key(&maker).send().expect(200);
            assert_eq!(answer.text(), described.text());
            let new = app.events_after(events);
            assert_eq!(new.len(), 1);
            assert!(new[0].starts_with("660 apiKey/") && new[0].contains(&format!(" role/{}/{name} {{", role["ID"])), "{new:?}");
            assert!(new[0].contains(r#""allowWebService":false"#) && new[0].contains("policyRights.canViewOtherPolicies"), "{new:?}");
        }
    }

    /// DS-19: every member is taken, with numbers and booleans as strings too, and answered in its place; IDs in their
    /// order and each once. Read-only and unknown members are ignored.
    fn every_member_is_taken_and_answered_in_its_place(app: TestApp) {
        let maker = app.full_key();
        let role = made(&app, &maker, json!({
            "name": "Ops 夜", "description": "on call", "canOnlyManipulateUsersWithEqualOrLesserRights": "true",
            "allComputers": "false", "computerIDs": [7, "3", 7, 2_147_483_647], "computerGroupIDs": [0, "0", 5],
            "allPolicies": false, "policyIDs": [1], "allowUserInterface": "false", "allowWebService": true,
            "allowManageWorkloadSecurityLink": true, "allowMigration": "true",
            "rights": tree(&[VIEW_KEYS, CREATE], "true"),
            "urn": "urn:x", "immutable": true, "ID": 1, "unknown": { "rights": [] },
        }));
        assert_eq!(given(&role), [CREATE, VIEW_KEYS]);
        assert_ne!(role["ID"], json!(1));
        let mut rest = role.clone();
        rest.as_object_mut().expect("an object").remove("rights");
        assert_eq!(rest, json!({
            "name": "Ops 夜", "description": "on call", "urn": "urn:tmds:identity::0:role/Ops 夜", "immutable": false,
            "canOnlyManipulateUsersWithEqualOrLesserRights": true, "allComputers": false, "allPolicies": false,
            "allowUserInterface": false, "allowWebService": true, "allowManageWorkloadSecurityLink": true,
            "allowMigration": true, "computerIDs": [3, 7, 2_147_483_647], "computerGroupIDs": [0, 5], "policyIDs": [1],
            "ID": role["ID"],
        }));
        assert_eq!(seen(&app, &maker, &role["ID"]), role);
    }

    /// Whoever names computers or policies means these and no others, unless they say "all": then the lists are
    /// ignored, and do not come to life when "all" is taken away.
    fn a_list_means_these_and_no_others(app: TestApp) {
        let maker = app.full_key();
        let role = made(&app, &maker, json!({ "name": "some", "computerIDs": [4] }));
        assert_eq!((&role["allComputers"], &role["computerIDs"], &role["computerGroupIDs"]), (&json!(false), &json!([4]), &json!([])));
        assert_eq!((&role["allPolicies"], role.get("policyIDs")), (&json!(true), None));
        let role = made(&app, &maker, json!({ "name": "none", "policyIDs": [], "computerGroupIDs": null }));
        assert_eq!((&role["allPolicies"], &role["policyIDs"], &role["allComputers"]), (&json!(false), &json!([]), &json!(true)));
        let role = made(&app, &maker, json!({ "name": "all", "allComputers": true, "computerIDs": [4], "computerGroupIDs": [0] }));
        assert_eq!((&role["allComputers"], role.get("computerIDs")), (&json!(true), None));
        let role = change(&app, &maker, &role["ID"], json!({ "allComputers": false })).expect(200).json();
        assert_eq!((&role["computerIDs"], &role["computerGroupIDs"]), (&json!([]), &json!([])));
    }

    /// Rights that are not named are not given; a right that is not known is refused, because one that is misspelt
    /// would be thought given.
    fn only_rights_that_are_named_are_given(app: TestApp) {
        let maker = app.full_key();
        for (number, (rights, names)) in [
            (json!({}), vec![]),
            (json!({ "platformRights": {} }), vec![]),
            (json!({ "platformRights": null, "firewallRights": { "contextRights": null } }), vec![]),
            (tree(&[VIEW_KEYS], false), vec![]),
            (tree(&[VIEW_KEYS], true), vec![VIEW_KEYS]),
            (tree(&[VIEW_KEYS], Value::Null), vec![]),
        ].into_iter().enumerate() {
            let role = made(&app, &maker, json!({ "name": format!("role {number}"), "rights": rights }));
            assert_eq!(given(&role), names, "{rights}");
        }
        let whole = seen(&app, &maker, &json!(1))["rights"].clone();
        let role = made(&app, &maker, json!({ "name": "as much as can be", "rights": whole }));
        assert_eq!(given(&role).len(), 173);
        let rows = app.rows();
        for (rights, says) in [
            (tree(&["platformRights.apikeyRights.canViewApiKey"], true), "canViewApiKeys"),
            (tree(&["platformRights.apikeyRights.canviewapikeys"], false), "rights.platformRights.apikeyRights"),
            (tree(&["platformRights.apiKeyRights.canViewApiKeys"], true), "apikeyRights"),
            (json!({ "PlatformRights": {} }), "platformRights"),
            (json!({ "platformRights": { "apikeyRights": { "canViewApiKeys": { "x": true } } } }), "true or false"),
            (tree(&[VIEW_KEYS], 1), "true or false"),
            (tree(&[VIEW_KEYS], "yes"), "canViewApiKeys"),
            (json!({ "platformRights": { "apikeyRights": true } }), "rights.platformRights.apikeyRights"),
            (json!([]), "rights"),
            (json!("all"), "rights"),
        ] {
            let answer = app.post("/api/roles", json!({ "name": "x", "rights": rights })).key(&maker).send();
            assert_refusal(answer.refusal(), MALFORMED);
            let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
            assert!(message.contains(says), "{rights}: {message}");
        }
        let twice = r#"{"name":"x","rights":{"platformRights":{"apikeyRights":{"canViewApiKeys":false,"canViewApiKeys":true}}}}"#;
        assert_refusal(app.call("POST", "/api/roles").body(twice).key(&maker).send().refusal(), MALFORMED);
        app.assert_rows(&rows, "nothing happened");
    }

    /// Each member has its bounds; beyond them the refusal names it, and nothing is stored.
    fn each_member_has_its_bounds(app: TestApp) {
        let maker = app.full_key();
        let ids = |count: i64| (1..=count).collect::<Vec<i64>>();
        made(&app, &maker, json!({ "name": "n".repeat(128), "description": "d".repeat(1_024), "computerIDs": ids(1_000) }));
        made(&app, &maker, json!({ "name": "x", "description": "", "policyIDs": [1, i32::MAX], "computerGroupIDs": ids(1_000) }));
        let rows = app.rows();
        for (member, value) in [
            ("name", json!("")), ("name", json!("n".repeat(129))), ("name", json!("a\tb")), ("name", json!(" \u{200b}")),
            ("name", json!(7)), ("name", json!(null)), ("name", json!(["n"])),
            ("description", json!("d".repeat(1_025))), ("description", json!("\u{7f}")), ("description", json!(false)),
            ("canOnlyManipulateUsersWithEqualOrLesserRights", json!(1)), ("allComputers", json!("yes")), ("allPolicies", json!("")),
            ("allowUserInterface", json!("TRUE")), ("allowWebService", json!(0)), ("allowMigration", json!([])),
            ("allowManageWorkloadSecurityLink", json!({})),
            ("computerIDs", json!([0])), ("computerIDs", json!([-1])), ("computerIDs", json!([2_147_483_648_i64])), ("computerIDs", json!(7)),
            ("computerIDs", json!(["x"])), ("computerIDs", json!([1.5])), ("computerIDs", json!([null])), ("computerIDs", json!([[1]])), ("computerIDs", json!(ids(1_001))),
            ("computerGroupIDs", json!([-1])), ("computerGroupIDs", json!([i64::MAX])), ("computerGroupIDs", json!(vec![0; 1_001])),
            ("policyIDs", json!([0])), ("policyIDs", json!("1")), ("policyIDs", json!([2_147_483_648_i64])),
        ] {
            let mut body = json!({ "name": "wanted" });
            body[member] = value.clone();
            let answer = app.post("/api/roles", body).key(&maker).send();
            assert_refusal(answer.refusal(), MALFORMED);
            let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
            assert!(message.starts_with(member), "{member} {value}: {message}");
        }
        for body in [json!({}), json!({ "description": "no name" })] {
            let answer = app.post("/api/roles", body).key(&maker).send();
            assert_refusal(answer.refusal(), MALFORMED);
            assert_eq!(answer.json()["message"], json!("name: a string is needed."));
        }
        app.assert_rows(&rows, "nothing happened");
    }

    /// A name is a tenant's only once, in any case and form, and never a built-in role's; each tenant has its own.
    fn a_name_is_taken_once_in_a_tenant(app: TestApp) {
        let maker = app.full_key();
        made(&app, &maker, json!({ "name": "Café" }));
        let rows = app.rows();
        for name in ["Café", "CAFÉ", "Cafe\u{301}", "ｃafé", "Auditor", "AUDITOR", "full access", "Ｆull Access"] {
            assert_refusal(app.post("/api/roles", json!({ "name": name })).key(&maker).send().refusal(), NAME_TAKEN);
        }
        app.assert_rows(&rows, "nothing happened");
        let tenant = app.tenant("Blue");
        app.administrator("blue", PASSWORD, 1, tenant);
        let body = json!({ "userName": "blue", "password": PASSWORD, "tenantName": "Blue" });
        let session = Session::from(&app.post("/api/sessions", body).send().expect(200));
        let role = app.post("/api/roles", json!({ "name": "Café" })).with(&session).send().expect(200).json();
        assert_eq!(role["urn"], json!(format!("urn:tmds:identity::{tenant}:role/Café")));
        assert_refusal(app.post("/api/roles", json!({ "name": "auditor" })).with(&session).send().refusal(), NAME_TAKEN);
        assert_refusal(app.get(&format!("/api/roles/{}", role["ID"])).key(&maker).send().refusal(), (404, "not_found"));
    }

    /// Eight at once ask for one name: one gets it, the others are told.
    fn of_eight_who_want_one_name_one_gets_it(app: TestApp) {
        let maker = app.full_key();
        let mut statuses: Vec<u16> = std::thread::scope(|scope| {
            let calls: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| app.post("/api/roles", json!({ "name": "wanted" })).key(&maker).send().status))
                .collect();
            calls.into_iter().map(|call| call.join().expect("it answers")).collect()
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409]);
        assert_eq!(app.count("select count(*) as n from roles where name_fold = 'wanted'"), 1);
    }

    /// T-04: nobody makes a role above their own, not even by leaving out what the defaults would give, and whatever
    /// canOnlyManipulateUsersWithEqualOrLesserRights says of either role.
    fn nobody_makes_a_role_above_their_own(app: TestApp) {
        let role = app.role("Maker", &[CREATE]);
        let maker = key_of(&app, role);
        let rows = app.rows();
        for body in [
            json!({ "name": "x" }),
            json!({ "name": "x", "rights": tree(&[VIEW_KEYS], true) }),
            json!({ "name": "x", "rights": tree(&[CREATE, VIEW_KEYS], true), "canOnlyManipulateUsersWithEqualOrLesserRights": false }),
        ] {
            assert_refusal(app.post("/api/roles", body).key(&maker).send().refusal(), BEYOND);
        }
        app.assert_rows(&rows, "nothing happened");
        for (name, rights) in [("as strong", tree(&[CREATE], true)), ("weaker", json!({}))] {
            made(&app, &maker, json!({ "name": name, "rights": rights, "allowWebService": true }));
        }
    }

    /// DS-21, DS-24: a role that was just made is found by its name, and a key of it does what the role says.
    fn a_new_role_is_found_and_borne(app: TestApp) {
        let maker = app.full_key();
        made(&app, &maker, json!({ "name": "Reader", "allowWebService": true, "rights": tree(&[VIEW_KEYS], true) }));
        let body = json!({ "searchCriteria": [{ "fieldName": "name", "stringTest": "equal", "stringValue": "reader" }] });
        for path in PATHS {
            let found = app.post(&format!("{path}/search"), body.clone()).key(&maker).send().expect(200).json();
            let key = key_of(&app, found["roles"][0]["ID"].as_i64().expect("an ID"));
            app.get("/api/apikeys").key(&key).send().expect(200);
            assert_refusal(app.post("/api/apikeys", json!({})).key(&key).send().refusal(), (403, "not_authorized"));
        }
    }
}
