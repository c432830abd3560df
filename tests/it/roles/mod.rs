mod at_once;
mod create;
mod delete;
mod describe;
mod lattice;
mod list;
mod modify;
mod search;
mod ways;

use serde_json::{Value, json};

use crate::app::{TestApp, secret};

/// The two names of one resource.
const PATHS: [&str; 2] = ["/api/administratorroles", "/api/roles"];

const CREATE: &str = "platformRights.administratorRoleRights.canCreateNewAdministratorRoles";
const EDIT: &str = "platformRights.administratorRoleRights.canEditAdministratorRoleProperties";
const DELETE: &str = "platformRights.administratorRoleRights.canDeleteAdministratorRoles";
const VIEW_KEYS: &str = "platformRights.apikeyRights.canViewApiKeys";
const EDIT_KEYS: &str = "platformRights.apikeyRights.canEditApiKeyProperties";

/// A role made by `maker`; the answer's members.
fn made(app: &TestApp, maker: &str, body: Value) -> Value {
    app.post("/api/roles", body).key(maker).send().expect(200).json()
}

/// A role as `viewer` sees it.
fn seen(app: &TestApp, viewer: &str, id: &Value) -> Value {
    app.get(&format!("/api/roles/{id}")).key(viewer).send().expect(200).json()
}

fn change(app: &TestApp, by: &str, id: &Value, body: Value) -> crate::http::Answer {
    app.post(&format!("/api/roles/{id}"), body).key(by).send()
}

/// The secret of a fresh key of a role.
fn key_of(app: &TestApp, role: i64) -> String {
    secret(&app.mint(&format!("key of {role}, {}", app.count("select count(*) as n from api_keys")), role))
}

/// The tree that names these rights ("group.subGroup.right") with one value.
fn tree(names: &[&str], on: impl Into<Value>) -> Value {
    let on = on.into();
    let mut tree = json!({});
    for name in names {
        let parts: Vec<&str> = name.split('.').collect();
        tree[parts[0]][parts[1]][parts[2]] = on.clone();
    }
    tree
}

/// The rights that an answer says are given.
fn given(role: &Value) -> Vec<String> {
    let mut names = Vec::new();
    for right in firstkey::rights::TABLE {
        if role["rights"][right.group][right.sub_group][right.name] == json!(true) {
            names.push(format!("{}.{}.{}", right.group, right.sub_group, right.name));
        }
    }
    names
}

/// Compares a refusal with what was expected.
#[track_caller]
fn assert_refusal(found: (u16, String), expected: (u16, &str)) {
    assert_eq!((found.0, found.1.as_str()), expected);
}

const BEYOND: (u16, &str) = (403, "beyond_caller");
const CONFLICT: (u16, &str) = (409, "conflict");
const MALFORMED: (u16, &str) = (400, "malformed");
const NAME_TAKEN: (u16, &str) = (409, "name_taken");
