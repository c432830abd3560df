//! `GET /api/apikeys`.

use serde_json::{Value, json};

use super::{made, seen};
use crate::app::TestApp;
use crate::both;

fn listed(app: &TestApp, viewer: &str) -> Vec<Value> {
    let answer = app.get("/api/apikeys").key(viewer).send().expect(200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer.json()["apiKeys"].as_array().expect("a list").clone()
}

/// `count` keys put in through SQL.
fn put_in(app: &TestApp, count: usize) {
    for numbers in (0..count).collect::<Vec<_>>().chunks(500) {
        let rows: Vec<String> = numbers
            .iter()
            .map(|n| {
                format!(
                    "(0, 1, 'standard', 'bulk {n}', 'bulk {n}', '', 'en-US', 2, 'UTC', true, 7, 0, false, 1, false)"
                )
            })
            .collect();
        app.execute(&format!(
            "insert into api_keys (tenant_id, profile_id, kind, key_name, name_fold, description, locale, role_id, time_zone, \
             active, created, unsuccessful_sign_in_attempts, service_account, made_by_administrator_id, \
             made_with_initial_password) values {}",
            rows.join(",")
        ));
    }
}

both! {
    /// DS-41: by ID, each entry as a description of the key shows it.
    fn keys_come_by_id_and_look_as_described(app: TestApp) {
        let viewer = app.full_key();
        for name in ["b", "a", "c"] {
            made(&app, &viewer, json!({ "keyName": name, "roleID": 2, "timeZone": "UTC" }));
        }
        let keys = listed(&app, &viewer);
        let names: Vec<&str> = keys.iter().filter_map(|key| key["keyName"].as_str()).collect();
        assert_eq!(names, ["full", "b", "a", "c"]);
        for key in keys {
            assert_eq!(key.to_string(), seen(&app, &viewer, &key["ID"]).to_string());
        }
    }

    /// Lists are never cut: beyond one piece they are streamed, whole and as valid JSON.
    fn lists_beyond_one_piece_are_whole(app: TestApp) {
        let viewer = app.full_key();
        for more in [498, 1, 1, 499, 2, 250] {
            let have = listed(&app, &viewer).len();
            put_in_from(&app, have, more);
            let keys = listed(&app, &viewer);
            assert_eq!(keys.len(), have + more);
            let ids: Vec<i64> = keys.iter().filter_map(|key| key["ID"].as_i64()).collect();
            assert!(ids.is_sorted_by(|a, b| a < b), "by ID, none twice");
            // the connection is still good for another request: the stream ended as it should
            app.get("/healthz").send().expect(200);
        }
        let head = app.call("HEAD", "/api/apikeys").key(&viewer).send().expect(200);
        assert!(head.body.is_empty());
    }

    /// What was made with the initial password is warned about until that password is changed.
    fn keys_of_the_initial_password_are_named_in_a_header(app: TestApp) {
        let viewer = app.full_key();
        assert_eq!(app.get("/api/apikeys").key(&viewer).send().header("x-firstkey-warning"), None);
        let key = made(&app, &viewer, json!({ "keyName": "early", "roleID": 2 }));
        app.execute(&format!("update api_keys set made_with_initial_password = true where id = {}", key["ID"]));
        let answer = app.get("/api/apikeys").key(&viewer).send().expect(200);
        let warning = answer.header("x-firstkey-warning").expect("a warning");
        assert!(warning.ends_with(&format!(": {}", key["ID"])), "{warning}");
    }
}

pub(super) fn put_in_from(app: &TestApp, have: usize, more: usize) {
    app.execute(&format!(
        "update api_keys set key_name = 'moved {have} ' || id, name_fold = 'moved {have} ' || id where name_fold like 'bulk %'"
    ));
    put_in(app, more);
}
