//! `POST /api/administratorroles/search`, and the same under `/api/roles`.

use serde_json::{Value, json};

use super::PATHS;
use crate::app::TestApp;
use crate::both;

fn search(app: &TestApp, viewer: &str, body: Value) -> Vec<String> {
    let found = app.post("/api/administratorroles/search", body).key(viewer).send().expect(200).json();
    let roles = found["roles"].as_array().expect("a list, never null").clone();
    roles.iter().map(|role| role["name"].as_str().expect("a name").to_owned()).collect()
}

fn named(app: &TestApp, viewer: &str, value: &str) -> Vec<String> {
    search(
        app,
        viewer,
        json!({ "searchCriteria": [{ "fieldName": "name", "stringTest": "equal", "stringValue": value }] }),
    )
}

fn some_roles(app: &TestApp) -> String {
    for name in
        ["test_roles_1", "test-roles-1", "100% Auditor", "back\\slash", "Prüfer", "監査", "監査官", "test_roles_10"]
    {
        app.role(name, &[]);
    }
    app.full_key()
}

both! {
    /// DS-24: a role is found by its name; no such role is an empty list, not null and not 404.
    fn a_role_is_found_by_its_name(app: TestApp) {
        let viewer = app.full_key();
        let body = json!({ "searchCriteria": [{ "fieldName": "name", "stringTest": "equal", "stringValue": "Auditor" }] });
        for path in PATHS {
            let found = app.post(&format!("{path}/search"), body.clone()).key(&viewer).send().expect(200);
            let whole = app.get(&format!("{path}/2")).key(&viewer).send().expect(200).text();
            assert_eq!(found.text(), format!(r#"{{"roles":[{whole}]}}"#));
        }
        let nobody = json!({ "searchCriteria": [{ "fieldName": "name", "stringValue": "Nobody" }] });
        let answer = app.post("/api/roles/search", nobody).key(&viewer).send().expect(200);
        assert_eq!(answer.text(), r#"{"roles":[]}"#);
    }

    /// DS-25: no criteria, no body or an empty one find everything, by ID.
    fn nothing_asked_finds_everything(app: TestApp) {
        let viewer = app.full_key();
        app.role("Aardvark", &[]);
        let everything = ["Full Access", "Auditor", "Aardvark"];
        for body in [json!({}), json!({ "searchCriteria": [] }), json!({ "searchCriteria": null, "maxItems": null }),
            json!({ "sortByObjectID": true }), json!({ "sortByObjectID": "false", "maxItems": "5000", "unknown": [1] })] {
            assert_eq!(search(&app, &viewer, body), everything);
        }
        let empty = app.call("POST", "/api/roles/search").key(&viewer).send().expect(200);
        let typed = app.call("POST", "/api/roles/search").header("Content-Type", "application/x-www-form-urlencoded");
        assert_eq!(empty.text(), typed.key(&viewer).send().expect(200).text(), "an empty body has no type");
        assert_eq!(empty.text(), app.get("/api/roles").key(&viewer).send().expect(200).text());
    }

    /// Published tools send one criterion bare.
    fn one_criterion_may_come_bare(app: TestApp) {
        let viewer = app.full_key();
        let body = json!({ "searchCriteria": { "fieldName": "name", "stringValue": "auditor" } });
        assert_eq!(search(&app, &viewer, body), ["Auditor"]);
    }

    /// Strings are compared without regard to case and to Unicode's forms.
    fn case_and_form_do_not_matter(app: TestApp) {
        let viewer = some_roles(&app);
        for spelling in ["auditor", "AUDITOR", "Ａｕｄｉｔｏｒ"] {
            assert_eq!(named(&app, &viewer, spelling), ["Auditor"], "{spelling}");
        }
        for spelling in ["prüfer", "PRU\u{308}FER", "PRÜ%"] {
            assert_eq!(named(&app, &viewer, spelling), ["Prüfer"], "{spelling}");
        }
        assert_eq!(named(&app, &viewer, "監査"), ["監査"]);
    }

    /// DS-26: `%` is any run, `_` one character, on both databases and for all of Unicode.
    fn wildcards_work_as_documented(app: TestApp) {
        let viewer = some_roles(&app);
        for (value, found) in [
            ("test_roles_1", vec!["test_roles_1", "test-roles-1"]),
            ("test%", vec!["test_roles_1", "test-roles-1", "test_roles_10"]),
            ("%roles%", vec!["test_roles_1", "test-roles-1", "test_roles_10"]),
            ("%1", vec!["test_roles_1", "test-roles-1"]),
            ("監_", vec!["監査"]),
            ("監%", vec!["監査", "監査官"]),
            ("_査_", vec!["監査官"]),
            ("%audit%", vec!["Auditor", "100% Auditor"]),
            ("%%%%%%%%%%%%%%%%%%%%%%%%%zz", vec![]),
            ("[a-z]%", vec![]),
            ("*", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(named(&app, &viewer, value), found, "{value}");
        }
        assert_eq!(named(&app, &viewer, "%").len(), 10);
    }

    /// A backslash makes the next character plain; so does stringWildcards false, for all of them.
    fn wildcards_can_be_made_plain(app: TestApp) {
        let viewer = some_roles(&app);
        for (value, found) in [
            ("test\\_roles\\_1", vec!["test_roles_1"]),
            ("test\\_%", vec!["test_roles_1", "test_roles_10"]),
            ("100\\% audito_", vec!["100% Auditor"]),
            ("%\\%%", vec!["100% Auditor"]),
            ("back\\\\slash", vec!["back\\slash"]),
            ("back\\\\%", vec!["back\\slash"]),
            ("%\\\\%", vec!["back\\slash"]),
            ("a\\uditor", vec!["Auditor"]),
            ("auditor\\", vec![]),
        ] {
            assert_eq!(named(&app, &viewer, value), found, "{value}");
        }
        let plain = |value: &str| {
            search(&app, &viewer, json!({ "searchCriteria": { "fieldName": "name", "stringValue": value, "stringWildcards": "false" } }))
        };
        assert_eq!(plain("test_roles_1"), ["test_roles_1"]);
        assert_eq!(plain("100% AUDITOR"), ["100% Auditor"]);
        assert_eq!(plain("back\\slash"), ["back\\slash"]);
        assert_eq!(plain("test%"), [] as [&str; 0]);
    }

    /// DS-25, DS-26: several criteria must all hold; not-equal is the rest.
    fn criteria_must_all_hold(app: TestApp) {
        let viewer = some_roles(&app);
        for (criteria, found) in [
            (json!([{ "fieldName": "name", "stringValue": "%audit%" }, { "idTest": "greater-than", "idValue": 2 }]), vec!["100% Auditor"]),
            (json!([{ "fieldName": "name", "stringTest": "not-equal", "stringValue": "test%" }, { "idTest": "less-than", "idValue": "6" }]), vec!["Full Access", "Auditor", "100% Auditor"]),
            (json!([{ "fieldName": "name", "stringTest": "not-equal", "stringValue": "%r%" }]), vec!["Full Access", "back\\slash", "監査", "監査官"]),
            (json!([{ "fieldName": "description", "stringValue": "" }, { "idValue": 1 }]), vec!["Full Access"]),
            (json!([{ "fieldName": "allowMigration", "booleanTest": true }]), vec!["Full Access"]),
            (json!([{ "fieldName": "allowManageWorkloadSecurityLink", "booleanTest": "true" }]), vec!["Full Access"]),
            (json!([{ "fieldName": "allComputers", "booleanTest": false }]), vec![]),
            (json!([{ "fieldName": "allPolicies", "booleanTest": true }, { "idTest": "less-than-or-equal", "idValue": 2 }]), vec!["Full Access", "Auditor"]),
            (json!([{ "fieldName": "canOnlyManipulateUsersWithEqualOrLesserRights", "booleanTest": true }]), vec![]),
            (json!([{ "fieldName": "allowUserInterface", "booleanTest": true }, { "fieldName": "allowWebService", "booleanTest": true }, { "idValue": 2 }]), vec!["Auditor"]),
            (json!([{ "idTest": "not-equal", "idValue": 1 }, { "idTest": "less-than", "idValue": 4 }]), vec!["Auditor", "test_roles_1"]),
            (json!([{ "idTest": "greater-than-or-equal", "idValue": 9 }]), vec!["監査官", "test_roles_10"]),
            (json!([{ "idTest": "greater-than", "idValue": i64::MAX }]), vec![]),
            (json!([{ "idTest": "greater-than", "idValue": i64::MIN }, { "idValue": 2 }]), vec!["Auditor"]),
        ] {
            assert_eq!(search(&app, &viewer, json!({ "searchCriteria": criteria })), found, "{criteria}");
        }
    }

    /// What is made and changed by calls is found under both names of the resource, by folded name and description, as
    /// it is now.
    fn what_is_made_and_changed_is_found_as_it_is_now(app: TestApp) {
        let viewer = app.full_key();
        let body = json!({ "name": "PRÜFER", "description": "Ｎachts & 100%", "allowWebService": true, "canOnlyManipulateUsersWithEqualOrLesserRights": true, "computerIDs": [1] });
        let id = &app.post("/api/roles", body).key(&viewer).send().expect(200).json()["ID"];
        let found = |criterion: Value| {
            let [a, b] = PATHS.map(|path| {
                let body = json!({ "searchCriteria": [criterion, { "idTest": "greater-than", "idValue": 2 }] });
                app.post(&format!("{path}/search"), body).key(&viewer).send().expect(200).json()["roles"].as_array().map(Vec::len)
            });
            assert_eq!(a, b);
            a
        };
        let texts = [("name", "pru\u{308}fer"), ("name", "prü%"), ("description", "nachts & 100\\%"), ("description", "%NACHTS%")];
        let flags = [("allowWebService", true), ("allComputers", false), ("allPolicies", true), ("canOnlyManipulateUsersWithEqualOrLesserRights", true), ("allowUserInterface", true)];
        let both = |expected: Option<usize>| {
            for (field, value) in texts {
                assert_eq!(found(json!({ "fieldName": field, "stringValue": value })), expected, "{field} {value}");
            }
            for (field, value) in flags {
                assert_eq!(found(json!({ "fieldName": field, "booleanTest": value })), expected, "{field} {value}");
            }
        };
        both(Some(1));
        let body = json!({
            "name": "other", "description": "", "allowWebService": false, "allComputers": true, "allPolicies": false,
            "canOnlyManipulateUsersWithEqualOrLesserRights": false, "allowUserInterface": false,
        });
        app.post(&format!("/api/administratorroles/{id}"), body).key(&viewer).send().expect(200);
        both(Some(0));
    }

    /// The documented paging: greater than the last ID seen, until a page is short.
    fn pages_by_id_show_each_role_once(app: TestApp) {
        let viewer = app.full_key();
        for n in 0..7 {
            app.role(&format!("role {n}"), &[]);
        }
        for size in [1, 2, 3, 9, 5_000] {
            let (mut last, mut seen) = (0, Vec::<i64>::new());
            loop {
                let body = json!({ "maxItems": size, "searchCriteria": [{ "idTest": "greater-than", "idValue": last }] });
                let page = app.post("/api/roles/search", body).key(&viewer).send().expect(200).json();
                let ids: Vec<i64> = page["roles"].as_array().expect("a list").iter().filter_map(|role| role["ID"].as_i64()).collect();
                assert!(ids.len() <= size);
                seen.extend(&ids);
                match ids.last() {
                    Some(id) if ids.len() == size => last = *id,
                    _ => break,
                }
            }
            assert_eq!(seen, (1..=9).collect::<Vec<i64>>(), "in pages of {size}");
        }
    }

    /// What cannot be searched is 400, and the message names the field and what it takes.
    fn what_cannot_be_searched_is_told(app: TestApp) {
        let viewer = app.full_key();
        for (body, says) in [
            (json!({ "maxItems": 0 }), "maxItems"),
            (json!({ "maxItems": -1 }), "maxItems"),
            (json!({ "maxItems": 5_001 }), "maxItems"),
            (json!({ "maxItems": i64::MAX }), "maxItems"),
            (json!({ "searchCriteria": [{ "fieldName": "nmae", "stringValue": "x" }] }), "name, description"),
            (json!({ "searchCriteria": [{ "fieldName": "Name", "stringValue": "x" }] }), "name, description"),
            (json!({ "searchCriteria": [{ "fieldName": "urn", "stringValue": "x" }] }), "name, description"),
            (json!({ "searchCriteria": [{ "fieldName": "rights", "stringValue": "x" }] }), "name, description"),
            (json!({ "searchCriteria": [{ "fieldName": "tenant_id", "idValue": 1, "numericValue": 1 }] }), "several"),
            (json!({ "searchCriteria": [{ "fieldName": "name", "booleanTest": true }] }), "stringTest"),
            (json!({ "searchCriteria": [{ "fieldName": "name", "numericValue": 1 }] }), "stringTest"),
            (json!({ "searchCriteria": [{ "fieldName": "name", "nullTest": true }] }), "stringTest"),
            (json!({ "searchCriteria": [{ "fieldName": "name", "firstDateValue": 1 }] }), "stringTest"),
            (json!({ "searchCriteria": [{ "fieldName": "name", "choiceValue": "x" }] }), "stringTest"),
            (json!({ "searchCriteria": [{ "fieldName": "allComputers", "stringValue": "true" }] }), "booleanTest"),
            (json!({ "searchCriteria": [{ "fieldName": "name", "stringValue": "x", "booleanTest": true }] }), "several"),
            (json!({ "searchCriteria": [{ "fieldName": "name", "stringTest": "like", "stringValue": "x" }] }), "stringTest"),
            (json!({ "searchCriteria": [{ "fieldName": "name", "stringTest": "equal" }] }), "stringValue"),
            (json!({ "searchCriteria": [{ "fieldName": "name" }] }), "test"),
            (json!({ "searchCriteria": [{}] }), "test"),
            (json!({ "searchCriteria": [{ "stringValue": "x" }] }), "fieldName"),
            (json!({ "searchCriteria": [{ "idTest": "around", "idValue": 1 }] }), "idTest"),
            (json!({ "searchCriteria": [{ "idTest": "equal" }] }), "idValue"),
            (json!({ "searchCriteria": [{ "fieldName": "name", "versionTest": "equal", "versionValue": "1" }] }), "version"),
        ] {
            let answer = app.post("/api/roles/search", body.clone()).key(&viewer).send();
            assert_eq!(answer.refusal(), (400, "bad_search".to_owned()), "{body}");
            let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
            assert!(message.contains(says), "{body}: {message}");
        }
        for body in [json!({ "maxItems": 1.5 }), json!({ "maxItems": "many" }), json!({ "searchCriteria": 7 }),
            json!({ "searchCriteria": "x" }), json!({ "searchCriteria": [7] }), json!({ "searchCriteria": [[]] }),
            json!({ "searchCriteria": [{ "fieldName": 1, "stringValue": "x" }] }), json!({ "sortByObjectID": 7 })] {
            let answer = app.post("/api/roles/search", body.clone()).key(&viewer).send();
            assert_eq!(answer.refusal(), (400, "malformed".to_owned()), "{body}");
        }
    }

    /// What one database cannot hold or plan is refused by both: NUL, texts longer than any field, a
    /// thousand criteria.
    fn what_a_database_would_stumble_over_is_refused(app: TestApp) {
        let viewer = app.full_key();
        let text = |value: String| json!({ "searchCriteria": { "fieldName": "name", "stringValue": value } });
        let many: Vec<Value> = (0..1_000).map(|_| json!({ "idValue": 1 })).collect();
        for body in [
            text("a\0b".into()),
            text("%\0%".into()),
            text(format!("%{}%", "a".repeat(60_000))),
            text("%".repeat(60_000)),
            text("\\_".repeat(20_000)),
            json!({ "searchCriteria": many }),
        ] {
            let answer = app.post("/api/roles/search", body).key(&viewer).send();
            assert_eq!(answer.refusal(), (400, "bad_search".to_owned()), "{}", answer.text());
        }
        // as long as a description may be is fine, in the letters that fold to most
        for letter in ["a", "鍵", "\u{fdfa}", "_", "%"] {
            assert_eq!(search(&app, &viewer, text(letter.repeat(1_022) + "%b")), [] as [&str; 0]);
        }
        let fifty: Vec<Value> = (0..50).map(|_| json!({ "idValue": 1 })).collect();
        assert_eq!(search(&app, &viewer, json!({ "searchCriteria": fifty })), ["Full Access"]);
    }
}
