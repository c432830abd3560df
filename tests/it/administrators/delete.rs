//! `DELETE /api/administrators/{administratorID}`.

use serde_json::json;

use super::{assert_refusal, made, session_of, status};
use crate::app::{PASSWORD, TestApp, secret};
use crate::both;
use crate::sessions::guessing::at_once;

both! {
    /// T-16: the sessions of a deleted administrator end at once, the keys they made live on, and the name is free again.
    fn sessions_end_and_keys_live_on(app: TestApp) {
        let key = app.full_key();
        let id = made(&app, &key, "ben", json!({ "roleID": 1 }))["ID"].clone();
        let session = session_of(&app, "ben");
        let body = json!({ "keyName": "of ben", "roleID": 2 });
        let minted = secret(&app.post("/api/apikeys", body).with(&session).send().expect(200).json());
        let before = app.last_event();
        let answer = app.delete(&format!("/api/administrators/{id}")).key(&key).send().expect(204);
        assert!(answer.body.is_empty());
        assert_eq!(app.events_after(before), [format!("651 apiKey/1/full administrator/{id}/ben {{}}")]);
        assert_eq!(status(&app, &session), 401);
        assert_refusal(&app.try_sign_in("ben", PASSWORD), (401, "sign_in_failed"));
        app.get("/api/apikeys/current").key(&minted).send().expect(200);
        for method in ["GET", "DELETE"] {
            assert_refusal(&app.call(method, &format!("/api/administrators/{id}")).key(&key).send(), (404, "not_found"));
        }
        assert_eq!(app.count(&format!("select count(*) as n from sessions where administrator_id = {id}")), 0);
        let again = made(&app, &key, "BEN", json!({}))["ID"].clone();
        assert_ne!(again, id, "a number is not given twice");
        assert_eq!(status(&app, &session), 401);
    }

    /// Nobody removes themselves; an unknown ID is none; nothing changes.
    fn nobody_removes_themselves(app: TestApp) {
        let key = app.full_key();
        made(&app, &key, "ben", json!({ "roleID": 1 }));
        let session = session_of(&app, "ben");
        let before = app.rows();
        assert_refusal(&app.delete("/api/administrators/2").with(&session).send(), (409, "conflict"));
        for id in ["99", "0", "2147483648"] {
            assert_refusal(&app.delete(&format!("/api/administrators/{id}")).key(&key).send(), (404, "not_found"));
        }
        app.assert_rows(&before, "no removal");
        app.delete("/api/administrators/1").with(&session).send().expect(204);
    }

    /// T-38: whatever is in flight while somebody is removed, sign-ins too, no session of theirs is left.
    fn nothing_in_flight_revives_a_deleted_one(app: TestApp, |setup| { setup.workers = 2; setup.rules.throttle = false; setup.password_threads = 2; }) {
        let key = app.full_key();
        for round in 0..8 {
            let id = made(&app, &key, &format!("ben {round}"), json!({}))["ID"].clone();
            let session = session_of(&app, &format!("ben {round}"));
            app.clock.advance(120_000);
            at_once(6, |number| match number {
                0 => drop(app.delete(&format!("/api/administrators/{id}")).key(&key).send().expect(204)),
                1 | 2 => drop(app.try_sign_in(&format!("ben {round}"), PASSWORD)),
                _ => {
                    let status = status(&app, &session);
                    assert!(matches!(status, 200 | 401), "{status}");
                }
            });
            assert_eq!(status(&app, &session), 401);
            assert_eq!(app.count(&format!("select count(*) as n from sessions where administrator_id = {id}")), 0);
        }
    }
}
