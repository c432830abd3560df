//! Key profiles: the rules that a family of keys lives under.

mod crud;
mod issuer;
mod keys;
mod quotas;

use serde_json::{Value, json};

use crate::app::{TestApp, secret};
use crate::http::Answer;

pub const TREND: i64 = 2;
pub const MICROSOFT: i64 = 3;
pub const DAY: i64 = 86_400_000;

pub fn create(app: &TestApp, key: &str, body: Value) -> Answer {
    app.post("/api/apikeyprofiles", body).key(key).send()
}

/// A new profile; its ID.
pub fn made(app: &TestApp, key: &str, body: Value) -> i64 {
    create(app, key, body).expect(200).json()["ID"].as_i64().expect("an ID")
}

pub fn change(app: &TestApp, key: &str, id: i64, body: Value) -> Answer {
    app.post(&format!("/api/apikeyprofiles/{id}"), body).key(key).send()
}

#[track_caller]
pub fn assert_refusal(answer: &Answer, expected: (u16, &str)) {
    assert_eq!((answer.status, answer.code().as_str()), expected, "{}", answer.text());
}

pub fn message(answer: &Answer) -> String {
    answer.json()["message"].as_str().expect("a message").to_owned()
}

/// Asks for a key of a profile, of the role Auditor; what else is wanted comes on top.
pub fn mint_under(app: &TestApp, key: &str, profile: i64, more: Value) -> Answer {
    let mut body =
        json!({ "keyName": format!("key {}", app.last_event()), "roleID": 2, "lifecycle": { "profileID": profile } });
    body.as_object_mut().expect("members").extend(more.as_object().expect("members").clone());
    app.post("/api/apikeys", body).key(key).send()
}

/// A body for a key as Trend Micro Cloud App Security has it.
pub fn trend(target: &str, types: Value) -> Value {
    json!({ "constraints": { "target": target, "apiTypes": types } })
}

/// What a key may do, by the answer to a call with it.
pub fn uses(app: &TestApp, key: &Value) -> (u16, String) {
    // in a shape that has the codes, whatever the key's profile says
    app.get("/api/apikeys/current").key(&secret(key)).header("Accept", "application/problem+json").send().refusal()
}
