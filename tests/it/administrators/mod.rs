mod create;
mod delete;
mod describe;
mod flood;
mod last;
mod modify;
mod own_account;
mod sessions;
mod stronger;
mod tenants;

use serde_json::{Value, json};

use crate::app::{PASSWORD, Session, TestApp};
use crate::http::Answer;

/// Another good password.
pub const NEW: &str = "an entirely different sentence 7";

/// A new administrator with these members besides, made with a key; the answer.
fn create(app: &TestApp, key: &str, username: &str, members: Value) -> Answer {
    let mut body = json!({ "username": username, "password": PASSWORD, "roleID": 2 });
    for (member, value) in members.as_object().expect("an object") {
        body[member] = value.clone();
    }
    app.post("/api/administrators", body).key(key).send()
}

/// [`create`] where it must succeed; the members of the answer.
fn made(app: &TestApp, key: &str, username: &str, members: Value) -> Value {
    create(app, key, username, members).expect(200).json()
}

fn change(app: &TestApp, key: &str, id: &Value, body: Value) -> Answer {
    app.post(&format!("/api/administrators/{id}"), body).key(key).send()
}

fn seen(app: &TestApp, key: &str, id: &Value) -> Value {
    app.get(&format!("/api/administrators/{id}")).key(key).send().expect(200).json()
}

fn session_of(app: &TestApp, username: &str) -> Session {
    Session::from(&app.try_sign_in(username, PASSWORD).expect(200))
}

/// Status of the lightest call with a session.
fn status(app: &TestApp, session: &Session) -> u16 {
    app.get("/api/sessions/current").with(session).send().status
}

#[track_caller]
fn assert_refusal(answer: &Answer, expected: (u16, &str)) {
    assert_eq!((answer.status, answer.code().as_str()), expected, "{}", answer.text());
}
