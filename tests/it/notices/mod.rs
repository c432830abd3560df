//! People and programs are told of keys, once.

mod created;
mod expiry;
mod headers;
mod outage;

use firstkey::clock::DAY;
use serde_json::{Value, json};

use crate::app::{PASSWORD, TestApp};

/// What the server runs once a minute.
pub fn announce(app: &TestApp) -> usize {
    let announced = actix_web::rt::System::new().block_on(firstkey::notices::announce(&app.app));
    announced.expect("the database is there")
}

/// What the server runs every two seconds.
pub fn deliver(app: &TestApp) -> usize {
    let delivered = actix_web::rt::System::new().block_on(firstkey::notices::deliver(&app.app));
    delivered.expect("the database is there")
}

/// Both.
pub fn tell(app: &TestApp) -> usize {
    announce(app);
    deliver(app)
}

/// Gives somebody an address, and says whether they are to be sent notices.
fn address(app: &TestApp, username: &str, address: &str, receives: bool) {
    app.execute(&format!(
        "update administrators set email_address = '{address}', receive_notifications = {receives} where username = '{username}'"
    ));
}

fn contact(app: &TestApp, key: &str, address: &str) {
    let body = json!({ "name": address, "emailAddress": address });
    app.post("/api/contacts", body).key(key).send().expect(200);
}

/// A session of somebody of the first tenant with an address.
fn person(app: &TestApp, name: &str, role: i64, receives: bool) -> crate::app::Session {
    app.administrator(name, PASSWORD, role, 0);
    address(app, name, &format!("{name}@example.com"), receives);
    crate::app::Session::from(&app.try_sign_in(name, PASSWORD).expect(200))
}

/// A key by a maker's key, that ends so many milliseconds from now.
pub fn ending(app: &TestApp, maker: &str, name: &str, life: i64) -> Value {
    let body = json!({ "keyName": name, "roleID": 2, "expiryDate": app.clock.now().plus(life) });
    app.post("/api/apikeys", body).key(maker).send().expect(200).json()
}

/// Sets the ladder of the keys that name no profile, in days before the end.
fn ladder(app: &TestApp, days: &[i64]) {
    let millis: Vec<i64> = days.iter().map(|days| days * DAY).collect();
    app.execute(&format!("update api_key_profiles set warn_before = '{}' where id = 1", json!(millis)));
}
