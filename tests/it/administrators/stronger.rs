//! T-01 for people: nobody makes, raises or lays hands on somebody stronger than themselves.

use std::collections::BTreeSet;

use firstkey::rights::{Reach, Right, Rights};
use serde_json::{Value, json};

use super::{NEW, assert_refusal, change, create, made};
use crate::app::{TestApp, secret};
use crate::both;

const ADMINISTRATORS: &str = "platformRights.administratorRights.";
const ONE: &str = "platformRights.computerRights.canViewOtherComputers";

fn right(name: &str) -> Right {
    Right::all().find(|right| format!("{right:?}") == name).expect("a right of the table")
}

/// The four rights over administrators, and these.
fn rights(more: &[&str]) -> Rights {
    let four = Right::all().filter(|right| format!("{right:?}").starts_with(ADMINISTRATORS));
    four.chain(more.iter().map(|name| right(name))).collect()
}

fn only(computers: &[i64]) -> Reach {
    Reach { computers: computers.iter().copied().collect(), all_policies: true, ..Reach::default() }
}

/// A key of a role; its secret.
fn key_of(app: &TestApp, full: &str, role: i64) -> String {
    let body = json!({ "keyName": format!("of role {role}"), "roleID": role });
    secret(&app.post("/api/apikeys", body).key(full).send().expect(200).json())
}

both! {
    /// T-01: a single right or a single computer more is one too many, whatever the call; with exactly as much, each works.
    fn nobody_lays_hands_on_somebody_stronger(app: TestApp) {
        let full = app.full_key();
        let pairs = [
            (app.role_of("plain", rights(&[]), Reach::everything()), app.role_of("one right more", rights(&[ONE]), Reach::everything())),
            (app.role_of("narrow", rights(&[]), only(&[1])), app.role_of("one computer more", rights(&[]), only(&[1, 2]))),
            (app.role_of("few", rights(&[]), only(&[1, 2, 3])), app.role_of("all computers", rights(&[]), Reach::everything())),
        ];
        for (mine, more) in pairs {
            let caller = key_of(&app, &full, mine);
            let person = |name: &str, role: i64, active: bool| {
                made(&app, &full, &format!("{name} {role}"), json!({ "roleID": role, "active": active }))["ID"].clone()
            };
            let (stronger, locked, peer) = (person("stronger", more, true), person("locked", more, false), person("peer", mine, true));
            let before = app.rows();
            let master = json!(1);
            let refused: Vec<(&Value, Value)> = vec![
                (&stronger, json!({})),
                (&stronger, json!({ "password": NEW })),
                (&stronger, json!({ "description": "x" })),
                (&stronger, json!({ "active": false })),
                (&stronger, json!({ "active": true })),
                (&stronger, json!({ "mfaType": "none" })),
                (&stronger, json!({ "roleID": mine })),
                (&stronger, json!({ "username": "other" })),
                (&locked, json!({ "active": true })),
                (&peer, json!({ "roleID": more })),
                (&peer, json!({ "roleID": 1 })),
                (&master, json!({ "password": NEW })),
            ];
            for (id, body) in refused {
                assert_refusal(&change(&app, &caller, id, body.clone()), (403, "beyond_caller"));
                app.assert_rows(&before, &body.to_string());
            }
            for role in [more, 1] {
                assert_refusal(&create(&app, &caller, "new", json!({ "roleID": role })), (403, "beyond_caller"));
            }
            for id in [&stronger, &locked] {
                assert_refusal(&app.delete(&format!("/api/administrators/{id}")).key(&caller).send(), (403, "beyond_caller"));
            }
            app.assert_rows(&before, "made or deleted");
            let equal = create(&app, &caller, &format!("equal {mine}"), json!({ "roleID": mine })).expect(200).json()["ID"].clone();
            for body in [json!({ "password": NEW }), json!({ "active": false }), json!({ "active": true }), json!({ "fullName": "x" })] {
                change(&app, &caller, &equal, body).expect(200);
            }
            app.delete(&format!("/api/administrators/{equal}")).key(&caller).send().expect(204);
        }
    }

    /// T-01: the role's flag that would soften the rule is kept and answered, and softens nothing.
    fn a_roles_flag_softens_nothing(app: TestApp) {
        let full = app.full_key();
        let mine = app.role_of("plain", rights(&[]), Reach { computers: BTreeSet::new(), ..Reach::everything() });
        let caller = key_of(&app, &full, mine);
        for flag in ["true", "false"] {
            app.execute(&format!("update roles set equal_or_lesser_only = {flag} where id = {mine}"));
            assert_refusal(&create(&app, &caller, "new", json!({ "roleID": 1 })), (403, "beyond_caller"));
            assert_refusal(&change(&app, &caller, &json!(1), json!({ "password": NEW })), (403, "beyond_caller"));
        }
    }

    /// Each call needs its own right, and each of the four opens its own calls only.
    fn each_call_needs_its_own_right(app: TestApp) {
        let full = app.full_key();
        for (own, allowed) in [
            ("canViewAdministrators", [200, 200, 200, 403, 403, 403]),
            ("canCreateNewAdministrators", [403, 403, 403, 200, 403, 403]),
            ("canEditAdministratorProperties", [403, 403, 403, 403, 200, 403]),
            ("canDeleteAdministrators", [403, 403, 403, 403, 403, 204]),
        ] {
            let role = app.role(own, &[&format!("{ADMINISTRATORS}{own}")]);
            let none = app.role(&format!("none {own}"), &[]);
            let caller = key_of(&app, &full, role);
            let id = made(&app, &full, &format!("for {own}"), json!({ "roleID": none }))["ID"].clone();
            let item = format!("/api/administrators/{id}");
            let statuses = [
                app.get("/api/administrators").key(&caller).send().status,
                app.get(&item).key(&caller).send().status,
                app.post("/api/administrators/search", json!({})).key(&caller).send().status,
                create(&app, &caller, &format!("by {own}"), json!({ "roleID": none })).status,
                change(&app, &caller, &id, json!({ "fullName": "x" })).status,
                app.delete(&item).key(&caller).send().status,
            ];
            assert_eq!(statuses, allowed, "{own}");
        }
    }
}
