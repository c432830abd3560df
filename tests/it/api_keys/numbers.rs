//! The numbers that keys are known by.

use serde_json::json;

use super::made;
use crate::app::{Backend, TestApp, secret};
use crate::both;

/// The next key's number will be this and one more.
fn last_was(app: &TestApp, id: i64) {
    app.execute(&match app.backend {
        Backend::Sqlite => format!("update sqlite_sequence set seq = {id} where name = 'api_keys'"),
        Backend::Postgres => {
            format!("select setval(pg_get_serial_sequence('api_keys', 'id'), {id})")
        }
    });
}

both! {
    /// T-44: the last number of 32 bits is given, then no key is made and nothing else suffers; none is given twice.
    fn numbers_end_with_a_clear_word_and_never_begin_again(app: TestApp) {
        let maker = app.full_key();
        let first = made(&app, &maker, json!({ "keyName": "first", "roleID": 2 }));
        app.delete(&format!("/api/apikeys/{}", first["ID"])).key(&maker).send().expect(204);
        let second = made(&app, &maker, json!({ "keyName": "first", "roleID": 2 }));
        assert!(second["ID"].as_i64() > first["ID"].as_i64(), "a removed key's number is not given again");

        last_was(&app, 2_147_483_646);
        let last = made(&app, &maker, json!({ "keyName": "last", "roleID": 2 }));
        assert_eq!(last["ID"], json!(2_147_483_647));
        app.get("/api/apikeys/current").key(&secret(&last)).send().expect(200);
        let rows = app.rows();
        for _ in 0..2 {
            let answer = app.post("/api/apikeys", json!({ "keyName": "beyond", "roleID": 2 })).key(&maker).send();
            assert_eq!(answer.refusal(), (507, "no_more_ids".to_owned()));
        }
        assert_eq!(app.rows(), rows);
        app.delete("/api/apikeys/2147483647").key(&maker).send().expect(204);
        let answer = app.post("/api/apikeys", json!({ "keyName": "beyond", "roleID": 2 })).key(&maker).send();
        assert_eq!(answer.refusal(), (507, "no_more_ids".to_owned()), "nor the last one's");
        app.get("/api/apikeys").key(&maker).send().expect(200);
    }
}
