mod bounds;
mod bulk;
mod chains;
mod create;
mod current;
mod delete;
mod describe;
mod ensure;
mod export;
mod history;
mod import;
pub mod lattice;
mod least;
mod limits;
mod list;
mod misspelt;
mod modify;
mod numbers;
mod presenting;
mod refresh;
mod rotate;
mod rotation;
mod rotation_under_load;
mod search;
mod status;
pub mod substrings;
mod tenants;
mod usage;
mod visibility;

use serde_json::Value;

use crate::app::TestApp;

/// A key made by `maker`; the answer's members.
fn made(app: &TestApp, maker: &str, body: Value) -> Value {
    app.post("/api/apikeys", body).key(maker).send().expect(200).json()
}

/// A key as `viewer` sees it.
fn seen(app: &TestApp, viewer: &str, id: &Value) -> Value {
    app.get(&format!("/api/apikeys/{id}")).key(viewer).send().expect(200).json()
}

/// Status and code of the lightest call with a key.
fn presented(app: &TestApp, secret: &str) -> (u16, String) {
    // in a shape that has the codes, whatever the key's profile says
    app.get("/api/apikeys/current").key(secret).header("Accept", "application/problem+json").send().refusal()
}

const IN: (u16, &str) = (200, "");

/// Compares a refusal with what was expected.
#[track_caller]
fn assert_refusal(found: (u16, String), expected: (u16, &str)) {
    assert_eq!((found.0, found.1.as_str()), expected);
}
