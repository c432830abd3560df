//! Somebody who may do everything is always left.

use serde_json::json;

use super::{assert_refusal, change, made, session_of};
use crate::app::{ADMIN, PASSWORD, TestApp};
use crate::both;
use crate::sessions::guessing::at_once;

const FULL: &str = "select count(*) as n from administrators where active and role_id = 1 and tenant_id = 0";

both! {
    /// DS-13: the last active administrator with Full Access cannot be deleted, locked or demoted, by nobody.
    fn the_last_with_full_access_stays(app: TestApp) {
        let key = app.full_key();
        made(&app, &key, "auditor", json!({}));
        made(&app, &key, "locked", json!({ "roleID": 1, "active": false }));
        let tenant = app.tenant("Blue");
        app.administrator("blue", PASSWORD, 1, tenant);
        let me = session_of(&app, ADMIN);
        let before = app.rows();
        for body in [json!({ "active": false }), json!({ "roleID": 2 }), json!({ "active": false, "fullName": "x" })] {
            assert_refusal(&change(&app, &key, &json!(1), body.clone()), (409, "conflict"));
            assert_refusal(&app.post("/api/administrators/1", body.clone()).with(&me).send(), (409, "conflict"));
            app.assert_rows(&before, &body.to_string());
        }
        assert_refusal(&app.delete("/api/administrators/1").key(&key).send(), (409, "conflict"));
        app.assert_rows(&before, "deleted");
        // others may go, and so may this one once there is another
        change(&app, &key, &json!(1), json!({ "fullName": "x", "active": true, "roleID": 1 })).expect(200);
        app.delete("/api/administrators/2").key(&key).send().expect(204);
        change(&app, &key, &json!(3), json!({ "active": true })).expect(200);
        change(&app, &key, &json!(1), json!({ "roleID": 2 })).expect(200);
        assert_refusal(&change(&app, &key, &json!(3), json!({ "active": false })), (409, "conflict"));
        assert_eq!(app.count(FULL), 1);
    }

    /// Two who demote, lock or delete each other at the same moment leave one of them, on one node or on two.
    fn two_against_each_other_leave_one(app: TestApp, |setup| { setup.workers = 2; setup.rules.throttle = false; }) {
        let second = app.second_node();
        for round in 0..12 {
            let names = [format!("left {round}"), format!("right {round}")];
            let ids = names.clone().map(|name| app.administrator(&name, PASSWORD, 1, 0));
            let sessions = names.map(|name| session_of(&app, &name));
            app.execute(&format!("update administrators set active = (id in ({}, {})) where tenant_id = 0", ids[0], ids[1]));
            let statuses = at_once(2, |n| {
                let node = if n == 1 && round % 2 == 1 { &second } else { &app };
                let path = format!("/api/administrators/{}", ids[1 - n]);
                let call = match round % 3 {
                    0 => node.post(&path, json!({ "roleID": 2 })),
                    1 => node.post(&path, json!({ "active": false })),
                    _ => node.delete(&path),
                };
                call.with(&sessions[n]).send().status
            });
            let done = statuses.iter().filter(|status| matches!(status, 200 | 204)).count();
            let refused = statuses.iter().filter(|status| matches!(status, 401 | 409)).count();
            assert_eq!((done, refused, app.count(FULL)), (1, 1, 1), "{statuses:?}");
        }
    }
}
