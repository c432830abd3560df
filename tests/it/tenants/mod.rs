mod create;
mod delete;
mod keys;
mod list;
mod modify;

use serde_json::{Value, json};

use crate::app::{PASSWORD, Session, TestApp};
use crate::http::Answer;

/// A body that makes a tenant whose administrator is called `first`.
fn wish(name: &str) -> Value {
    json!({ "name": name, "administrator": { "username": "first", "password": PASSWORD } })
}

/// A tenant made by `maker`; the answer's members.
fn made(app: &TestApp, maker: &str, name: &str) -> Value {
    app.post("/api/tenants", wish(name)).key(maker).send().expect(200).json()
}

/// The answer to a sign-in of a tenant's first administrator.
fn try_sign_in(app: &TestApp, tenant: &str) -> Answer {
    app.post("/api/sessions", json!({ "userName": "first", "password": PASSWORD, "tenantName": tenant })).send()
}

fn sign_in(app: &TestApp, tenant: &str) -> Session {
    Session::from(&try_sign_in(app, tenant).expect(200))
}

/// A Full Access key that a tenant's first administrator has minted.
fn key_of(app: &TestApp, tenant: &str) -> String {
    let body = json!({ "keyName": "own", "roleID": 1 });
    crate::app::secret(&app.post("/api/apikeys", body).with(&sign_in(app, tenant)).send().expect(200).json())
}

/// The events of a tenant since the ID `after`.
fn events_of(app: &TestApp, tenant: &Value, after: i64) -> Vec<String> {
    app.texts(&format!(
        "select number || ' ' || actor_type || '/' || coalesce(cast(actor_id as text), '-') || '/' || actor_name || '@' \
         || address || ' ' || target_type || '/' || coalesce(cast(target_id as text), '-') || '/' || target_name || ' ' \
         || details as t from audit_events where id > {after} and tenant_id = {tenant} order by id"
    ))
}
