//! A replica of PostgreSQL: who is asked what.
//!
//! Another database stands in for it, in which other keys are: what an answer shows tells where it was read.

use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use serde_json::{Value, json};

use crate::app::{Backend, Setup, TestApp, drop_postgres_database, new_postgres_database, postgres_url, secret};

/// A database with the tables and one key of the primary tenant, by name.
fn stand_in(name: &str) {
    let mut db = PgConnection::establish(&postgres_url(name)).expect("a connection");
    db.batch_execute(
        "set session_replication_role = replica; \
         insert into api_keys (id, tenant_id, profile_id, kind, key_name, name_fold, description, description_fold, locale, \
         role_id, time_zone, active, created, unsuccessful_sign_in_attempts, service_account, made_with_initial_password) \
         values (77, 0, 1, 'standard', 'on the replica', 'on the replica', '', '', 'en-US', 2, 'UTC', true, 1, 0, false, false); \
         insert into administrators (id, tenant_id, username, username_fold, password_hash, last_password_change, \
         credential_version, role_id, locale, time_zone, active, mfa_type, last_totp_step, mfa_guesses, mfa_guesses_since, \
         created, unsuccessful_sign_in_attempts) \
         values (77, 0, 'on the replica', 'on the replica', '', 1, 1, 1, 'en-US', 'UTC', true, 'none', 0, 0, 0, 1, 0);",
    )
    .expect("the tables are there");
}

fn with_replica(name: &str) -> TestApp {
    Setup { replica: Some(postgres_url(name)), ..Setup::new(Backend::Postgres) }.start()
}

fn names(list: &Value) -> Vec<String> {
    let list = list.as_array().expect("a list");
    list.iter().map(|one| one["keyName"].as_str().or(one["username"].as_str()).unwrap_or_default().to_owned()).collect()
}

fn listed(app: &TestApp, key: &str) -> Vec<String> {
    names(&app.get("/api/apikeys").key(key).send().expect(200).json()["apiKeys"])
}

/// Waits until the list shows something.
fn until(app: &TestApp, key: &str, expected: &[&str]) {
    let patience = Instant::now() + Duration::from_secs(20);
    while listed(app, key) != expected {
        assert!(Instant::now() < patience, "{:?}", listed(app, key));
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn lists_and_searches_are_read_there_and_nothing_else() {
    let replica = new_postgres_database();
    stand_in(&replica);
    let app = with_replica(&replica);
    let made = app.mint("on the primary", 1);
    let key = secret(&made);
    let search = |path: &str| app.post(path, json!({})).key(&key).send().expect(200).json();
    assert_eq!(listed(&app, &key), ["on the replica"]);
    assert_eq!(names(&search("/api/apikeys/search")["apiKeys"]), ["on the replica"]);
    assert!(app.get("/api/apikeys/export?format=csv").key(&key).send().expect(200).text().contains("on the replica"));
    assert_eq!(app.get("/api/apikeys/counts").key(&key).send().expect(200).json()["statuses"]["generated"], json!(1));
    assert_eq!(
        names(&app.get("/api/administrators").key(&key).send().expect(200).json()["administrators"]),
        ["on the replica"]
    );
    assert_eq!(names(&search("/api/administrators/search")["administrators"]), ["on the replica"]);
    assert_eq!(search("/api/auditevents/search")["auditEvents"], json!([]));
    assert_eq!(app.get("/api/auditevents").key(&key).send().expect(200).json()["auditEvents"], json!([]));
    assert_eq!(search("/api/apiusagemetrics/search")["apiUsageMetrics"], json!([]));
    assert_eq!(search("/api/apikeys/revoked/search")["revokedApiKeys"], json!([]));

    // who somebody is, one object, and what is to be changed
    assert_eq!(app.get("/api/apikeys/current").key(&key).send().expect(200).json()["keyName"], "on the primary");
    let path = format!("/api/apikeys/{}", made["ID"]);
    assert_eq!(app.get(&path).key(&key).send().expect(200).json()["keyName"], "on the primary");
    assert_eq!(app.get("/api/apikeys/77").key(&key).send().status, 404);
    app.post(&path, json!({ "description": "changed" })).key(&key).send().expect(200);
    assert!(!search("/api/roles/search")["roles"].as_array().expect("roles").is_empty(), "short lists are not");
    let dry_run = json!({ "searchCriteria": [], "dryRun": true });
    let found = app.post("/api/apikeys/bulk/lock", dry_run).key(&key).send().expect(200).text();
    assert!(!found.contains("on the replica"), "{found}");
    app.delete(&path).key(&key).send().expect(204);
    assert_eq!(app.get("/api/apikeys/current").key(&key).send().status, 401);
    drop(app);
    drop_postgres_database(&replica);
}

/// A replica that is away from the first is no reason not to start; when it comes, goes and comes again, nobody is
/// refused.
#[test]
fn a_replica_that_is_away_is_not_missed() {
    let replica = new_postgres_database();
    drop_postgres_database(&replica);
    let app = with_replica(&replica);
    let key = app.full_key();
    assert_eq!(listed(&app, &key), ["full"]);

    let template = new_postgres_database();
    stand_in(&template);
    let come = || {
        let mut admin = PgConnection::establish(&postgres_url("postgres")).expect("a connection");
        admin.batch_execute(&format!("create database {replica} template {template}")).expect("a database");
    };
    come();
    until(&app, &key, &["on the replica"]);
    drop_postgres_database(&replica);
    assert_eq!(listed(&app, &key), ["full"], "at once");
    come();
    until(&app, &key, &["on the replica"]);
    // a table that it has not got yet
    let mut db = PgConnection::establish(&postgres_url(&replica)).expect("a connection");
    db.batch_execute("alter table api_keys rename to api_keys_of_old").expect("renamed");
    assert_eq!(listed(&app, &key), ["full"]);
    db.batch_execute("alter table api_keys_of_old rename to api_keys").expect("renamed");
    until(&app, &key, &["on the replica"]);
    drop((db, app));
    drop_postgres_database(&replica);
    drop_postgres_database(&template);
}
