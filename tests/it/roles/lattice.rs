//! T-04: nobody gives a role what they have not, nor lays hands on a stronger one. Every editor, old role and new role
//! out of a generated lattice is tried.

use serde_json::{Value, json};

use super::{CREATE, DELETE, EDIT, assert_refusal, key_of, tree};
use crate::api_keys::lattice::{SOME, Wish, lattice};
use crate::app::TestApp;
use crate::both;

/// The whole of a role as a body.
fn body(wish: &Wish, name: &str) -> Value {
    let mut rights = tree(SOME, false);
    for right in &wish.rights {
        let parts: Vec<&str> = right.split('.').collect();
        rights[parts[0]][parts[1]][parts[2]] = json!(true);
    }
    json!({
        "name": name, "rights": rights, "allComputers": wish.all.0, "allPolicies": wish.all.1,
        "computerIDs": wish.computers, "computerGroupIDs": wish.groups, "policyIDs": wish.policies,
    })
}

/// The keys of editors: each has a role of the lattice and may besides do to roles whatever there is to do.
fn editors(app: &TestApp) -> Vec<(Wish, String)> {
    let editor = |(n, wish): (usize, Wish)| {
        let mut stronger = wish.clone();
        stronger.rights.extend([CREATE, EDIT, DELETE]);
        let role = stronger.put_in(app, &format!("editor {n}"));
        (wish, key_of(app, role))
    };
    lattice().into_iter().enumerate().map(editor).collect()
}

fn expected(may: bool, done: u16) -> (u16, &'static str) {
    if may { (done, "") } else { (403, "beyond_caller") }
}

both! {
    /// T-04, create: 200 exactly if the new role lies within the maker's; else 403, and neither a row nor an event.
    fn a_role_is_made_exactly_within_its_makers_own(app: TestApp) {
        let mut outcomes = [0, 0];
        for (n, (maker, key)) in editors(&app).into_iter().enumerate() {
            for (m, wanted) in lattice().into_iter().enumerate() {
                let (roles, events) = (app.rows_of("roles").len(), app.last_event());
                let may = wanted.lies_within(&maker);
                let answer = app.post("/api/roles", body(&wanted, &format!("{n} makes {m}"))).key(&key).send();
                assert_eq!(answer.refusal(), { let (s, c) = expected(may, 200); (s, c.to_owned()) }, "{maker:?} makes {wanted:?}");
                outcomes[usize::from(may)] += 1;
                assert_eq!(app.rows_of("roles").len(), roles + usize::from(may));
                assert_eq!(app.last_event() - events, i64::from(may));
            }
        }
        assert!(outcomes.iter().all(|count| *count > 20), "both outcomes are tried: {outcomes:?}");
    }

    /// T-04, modify and delete: both what the role was and what it would be lie within the editor's own, or nothing
    /// happens.
    fn a_role_is_changed_exactly_within_its_editors_own(app: TestApp) {
        let full = app.full_key();
        let mut outcomes = [0, 0];
        for (n, (editor, key)) in editors(&app).into_iter().take(11).enumerate() {
            for (m, old) in lattice().into_iter().take(11).enumerate() {
                let name = format!("{n} changes {m}");
                let role = app.post("/api/roles", body(&old, &name)).key(&full).send().expect(200).json();
                let item = format!("/api/roles/{}", role["ID"]);
                for new in lattice().into_iter().take(11) {
                    let may = old.lies_within(&editor) && new.lies_within(&editor);
                    let answer = app.post(&item, body(&new, &name)).key(&key).send();
                    assert_eq!(answer.refusal(), { let (s, c) = expected(may, 200); (s, c.to_owned()) }, "{editor:?}: {old:?} to {new:?}");
                    outcomes[usize::from(may)] += 1;
                    if may {
                        app.post(&item, body(&old, &name)).key(&full).send().expect(200);
                    }
                    assert_eq!(app.get(&item).key(&full).send().expect(200).json(), role);
                }
                assert_refusal(app.delete(&item).key(&key).send().refusal(), expected(old.lies_within(&editor), 204));
            }
        }
        assert!(outcomes.iter().all(|count| *count > 20), "both outcomes are tried: {outcomes:?}");
    }
}
