//! `/api/systemsettings`: read, set, reset; and every setting enforced.

mod accounts;
mod change;
mod passwords;
mod sessions;

use serde_json::{Value, json};

use crate::app::{PASSWORD, Session, TestApp};
use crate::http::Answer;

impl TestApp {
    /// Sets one setting of the caller's tenant; the name without what all begin with.
    pub fn set(&self, key: &str, name: &str, value: &str) -> Answer {
        self.post(&path(name), json!({ "value": value })).key(key).send()
    }

    /// The value that one setting has.
    pub fn setting(&self, key: &str, name: &str) -> Value {
        self.get(&path(name)).key(key).send().expect(200).json()["value"].clone()
    }
}

pub fn path(name: &str) -> String {
    format!("/api/systemsettings/platformSetting{name}")
}

/// Another tenant, with a Full Access person "blue" in it: its ID, and the secret of a Full Access key of it.
pub fn other_tenant(app: &TestApp) -> (i64, String) {
    let tenant = app.tenant("Blue");
    app.administrator("blue", PASSWORD, 1, tenant);
    let session = Session::from(&sign_in_to(app, "Blue", "blue", PASSWORD).expect(200));
    let body = json!({ "keyName": "blue", "roleID": 1 });
    (tenant, crate::app::secret(&app.post("/api/apikeys", body).with(&session).send().expect(200).json()))
}

pub fn sign_in_to(app: &TestApp, tenant: &str, name: &str, password: &str) -> Answer {
    app.post("/api/sessions", json!({ "userName": name, "password": password, "tenantName": tenant })).send()
}
