//! API types: what keys can be for.

mod crud;
mod keys;

use serde_json::{Value, json};

use crate::app::TestApp;
use crate::http::Answer;

pub fn create(app: &TestApp, key: &str, body: Value) -> Answer {
    app.post("/api/apitypes", body).key(key).send()
}

/// A new API type; its ID.
pub fn made(app: &TestApp, key: &str, name: &str, needs_authorization: bool, rights: &[&str]) -> i64 {
    let body = json!({ "name": name, "needsAuthorization": needs_authorization, "rights": rights });
    create(app, key, body).expect(200).json()["ID"].as_i64().expect("an ID")
}

pub fn change(app: &TestApp, key: &str, id: i64, body: Value) -> Answer {
    app.post(&format!("/api/apitypes/{id}"), body).key(key).send()
}

pub const VIEW_CONTACTS: &str = "platformRights.contactRights.canViewContacts";
pub const CREATE_CONTACTS: &str = "platformRights.contactRights.canCreateNewContacts";
