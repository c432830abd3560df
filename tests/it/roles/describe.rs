//! `GET /api/administratorroles/{roleID}`, and the same under `/api/roles`.

use firstkey::rights::{Reach, Rights, TABLE};
use serde_json::{Value, json};

use super::PATHS;
use crate::app::TestApp;
use crate::both;

/// Every member of the rights tree with its value, in the order of the bytes.
fn leaves(text: &str) -> Vec<(String, bool)> {
    let (mut path, mut found, mut name) = (Vec::<String>::new(), Vec::new(), None::<String>);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match c {
            '"' => {
                let end = rest[1..].find('"').expect("a closing quote") + 1;
                name = Some(rest[1..end].to_owned());
                rest = &rest[end + 1..];
                continue;
            }
            '{' => path.extend(name.take()),
            '}' => {
                path.pop();
                if path.is_empty() {
                    break;
                }
            }
            't' | 'f' => {
                let value = rest.starts_with("true");
                let member = name.take().expect("a value has a name");
                found.push((format!("{}.{member}", path.join(".")), value));
                rest = &rest[if value { 4 } else { 5 }..];
                continue;
            }
            _ => {}
        }
        rest = &rest[c.len_utf8()..];
    }
    found
}

fn rights_of(text: &str) -> Vec<(String, bool)> {
    let at = text.find(r#""rights":"#).expect("the member rights");
    let names = leaves(&text[at..]);
    names.into_iter().map(|(name, on)| (name.trim_start_matches("rights.").to_owned(), on)).collect()
}

/// Everything of a role's text but its rights.
fn without_rights(text: &str) -> String {
    let from = text.find(r#""rights":"#).expect("the member rights");
    let to = text.rfind("}}},").expect("the end of the rights") + 4;
    format!("{}{}", &text[..from], &text[to..])
}

both! {
    /// DS-18, DS-19: Full Access is 1, cannot be changed, and has every right; the members in their order.
    fn full_access_is_as_documented(app: TestApp) {
        let viewer = app.full_key();
        for path in PATHS {
            let text = app.get(&format!("{path}/1")).key(&viewer).send().expect(200).text();
            assert_eq!(
                without_rights(&text),
                r#"{"name":"Full Access","description":"","urn":"urn:tmds:identity::0:role/Full Access","immutable":true,"canOnlyManipulateUsersWithEqualOrLesserRights":false,"allComputers":true,"allPolicies":true,"allowUserInterface":true,"allowWebService":true,"allowManageWorkloadSecurityLink":true,"allowMigration":true,"ID":1}"#
            );
            let rights = rights_of(&text);
            assert_eq!((rights.len(), rights.iter().filter(|(_, on)| *on).count()), (173, 173));
        }
    }

    /// DS-18: Auditor is 2, reads computers and policies, and has no right besides.
    fn auditor_has_its_three_rights(app: TestApp) {
        let viewer = app.full_key();
        let text = app.get("/api/roles/2").key(&viewer).send().expect(200).text();
        assert_eq!(
            without_rights(&text),
            r#"{"name":"Auditor","description":"","urn":"urn:tmds:identity::0:role/Auditor","immutable":false,"canOnlyManipulateUsersWithEqualOrLesserRights":false,"allComputers":true,"allPolicies":true,"allowUserInterface":true,"allowWebService":true,"allowManageWorkloadSecurityLink":false,"allowMigration":false,"ID":2}"#
        );
        let on: Vec<String> = rights_of(&text).into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect();
        assert_eq!(on, [
            "platformRights.computerRights.canViewNotRelatedToComputers",
            "platformRights.computerRights.canViewOtherComputers",
            "platformRights.policyRights.canViewOtherPolicies",
        ]);
    }

    /// The rights are always whole, each true or false, groups and members in the documented order.
    fn rights_are_whole_and_in_the_documented_order(app: TestApp) {
        let viewer = app.full_key();
        let expected: Vec<String> =
            TABLE.iter().map(|right| format!("{}.{}.{}", right.group, right.sub_group, right.name)).collect();
        for id in [1, 2, app.role("Nothing", &[])] {
            let text = app.get(&format!("/api/roles/{id}")).key(&viewer).send().expect(200).text();
            let names: Vec<String> = rights_of(&text).into_iter().map(|(name, _)| name).collect();
            assert_eq!(names, expected);
        }
        assert_eq!(expected[0], "platformRights.administratorRights.canCreateNewAdministrators");
        assert_eq!(expected[172], "awsmarketplaceRights.billingInformationRights.canViewAWSBillingInformation");
        assert_eq!(expected.iter().filter(|name| name.starts_with("platformRights.apikeyRights.")).count(), 4);
    }

    /// DS-19: lists of computers, groups and policies stand before the ID, and only where not all are reached.
    fn a_narrow_reach_is_listed(app: TestApp) {
        let viewer = app.full_key();
        let reach = Reach {
            all_computers: false,
            all_policies: false,
            computers: [3, 1, 2].into(),
            computer_groups: [0].into(),
            policies: Default::default(),
        };
        let id = app.role_of("Narrow", Rights::NONE, reach);
        let text = app.get(&format!("/api/roles/{id}")).key(&viewer).send().expect(200).text();
        let tail = format!(r#""computerIDs":[1,2,3],"computerGroupIDs":[0],"policyIDs":[],"ID":{id}}}"#);
        assert!(text.ends_with(&tail), "{text}");
        let full: Value = app.get("/api/roles/1").key(&viewer).send().expect(200).json();
        for member in ["computerIDs", "computerGroupIDs", "policyIDs"] {
            assert!(full.get(member).is_none());
        }
    }

    /// Both names of the resource give the same bytes.
    fn both_paths_answer_the_same_bytes(app: TestApp) {
        let viewer = app.full_key();
        let role = app.role("Third", &["platformRights.apikeyRights.canViewApiKeys"]);
        let same = |tail: &str, body: Option<Value>| {
            let [a, b] = PATHS.map(|path| {
                let call = match &body {
                    Some(body) => app.post(&format!("{path}{tail}"), body.clone()),
                    None => app.get(&format!("{path}{tail}")),
                };
                let answer = call.key(&viewer).send();
                let text = if answer.status == 200 { answer.text() } else { crate::stored::without_trace(&answer) };
                (answer.status, text)
            });
            assert_eq!(a, b, "{tail}");
        };
        for tail in ["", "/1", "/2", &format!("/{role}"), "/99", "/4294967297", "/x", "/1/"] {
            same(tail, None);
        }
        for body in [json!({}), json!({ "maxItems": 0 }), json!({ "searchCriteria": { "idValue": 2 } }), json!([])] {
            same("/search", Some(body));
        }
    }

    /// A start brings Full Access up to the rights there are, and leaves Auditor as somebody has made it.
    fn a_start_changes_full_access_only(app: TestApp) {
        let rights = || app.texts("select cast(length(rights) as text) as t from roles where id in (1, 2)");
        app.execute("update roles set rights = (select rights from roles where id = 2) where id = 1");
        let changed = app.role("Changed", &["platformRights.apikeyRights.canViewApiKeys"]);
        app.execute(&format!("update roles set rights = (select rights from roles where id = {changed}) where id = 2"));
        let rows = app.rows();
        drop(firstkey::bootstrap::prepare(&app.config, app.clock.now()).expect("it starts"));
        assert_eq!(rights(), ["24", "24"]);
        assert_eq!(app.rows().iter().filter(|row| !rows.contains(row)).count(), 1, "one row has changed");
        let viewer = app.full_key();
        let on = |id: i64| {
            let text = app.get(&format!("/api/roles/{id}")).key(&viewer).send().expect(200).text();
            rights_of(&text).into_iter().filter(|(_, on)| *on).count()
        };
        assert_eq!((on(1), on(2)), (173, 1));
    }

    /// An ID that is not there is 404.
    fn what_is_not_there_is_404(app: TestApp) {
        let viewer = app.full_key();
        for id in ["0", "3", "2147483647", "2147483648"] {
            let answer = app.get(&format!("/api/roles/{id}")).key(&viewer).send();
            assert_eq!(answer.refusal(), (404, "not_found".to_owned()));
            assert_eq!(answer.json()["message"], json!("The role does not exist."));
        }
    }
}
