//! What ends the sessions of an administrator, on every node.

use serde_json::{Value, json};

use super::{NEW, change, made, session_of, status};
use crate::app::{ADMIN, PASSWORD, Session, TestApp};
use crate::both;
use crate::sessions::second_factor::{code, enrol};

/// Every session of Ben's is refused on the next request, on both nodes; mine goes on.
#[track_caller]
fn assert_ended(nodes: [&TestApp; 2], theirs: &[Session], mine: &Session, what: &str) {
    for node in nodes {
        let statuses: Vec<u16> = theirs.iter().map(|session| status(node, session)).collect();
        assert_eq!((statuses, status(node, mine)), (vec![401; theirs.len()], 200), "{what}");
    }
}

both! {
    /// T-16: password, second factor, role, lock and removal by another end every session on the very next request, on
    /// this node and on another over the same database.
    fn what_another_changes_ends_the_sessions_on_every_node(app: TestApp) {
        let second = app.second_node();
        let (key, mine) = (app.full_key(), app.sign_in());
        let id = made(&app, &key, "ben", json!({ "roleID": 1 }))["ID"].clone();
        let mut password = PASSWORD;
        let steps: [(&str, Option<Value>); 5] = [
            ("password", Some(json!({ "password": NEW }))),
            ("role", Some(json!({ "roleID": 2 }))),
            ("lock", Some(json!({ "active": false }))),
            ("factor", Some(json!({ "mfaType": "none" }))),
            ("removal", None),
        ];
        for (what, body) in steps {
            let sign_in = |node: &TestApp| Session::from(&node.try_sign_in("ben", password).expect(200));
            let theirs = [sign_in(&app), sign_in(&second)];
            if what == "factor" {
                app.execute(&format!("update administrators set mfa_type = 'local-totp', totp_seed = {} where id = {id}", match app.backend {
                    crate::app::Backend::Sqlite => "x'00'",
                    crate::app::Backend::Postgres => "'\\x00'::bytea",
                }));
            }
            for node in [&app, &second] {
                assert_eq!([status(node, &theirs[0]), status(node, &theirs[1])], [200, 200], "{what}");
            }
            // changed on one node, seen on the other
            match body {
                Some(body) => drop(change(&second, &key, &id, body).expect(200)),
                None => drop(second.delete(&format!("/api/administrators/{id}")).key(&key).send().expect(204)),
            }
            assert_ended([&app, &second], &theirs, &mine, what);
            if what == "lock" {
                change(&app, &key, &id, json!({ "active": true })).expect(200);
                assert_ended([&app, &second], &theirs, &mine, "unlocked again");
            }
            password = NEW;
        }
    }

    /// T-16: one's own new password, and one's own factor on and off, end the other sessions on every node, and not this one.
    fn what_one_changes_oneself_ends_the_others_on_every_node(app: TestApp) {
        let second = app.second_node();
        let nodes = [&app, &second];
        let others = || [session_of(&app, ADMIN), session_of(&second, ADMIN)];
        let theirs = others();
        let (seed, mine) = enrol(&app);
        assert_ended(nodes, &theirs, &mine, "factor on");
        app.clock.advance(30_000);
        let six = code(&app, &seed, 0);
        let body = json!({ "userName": ADMIN, "password": PASSWORD, "mfaCode": six });
        let theirs = [Session::from(&second.post("/api/sessions", body).send().expect(200))];
        app.clock.advance(30_000);
        let off = json!({ "password": PASSWORD, "mfaCode": code(&app, &seed, 0) });
        app.delete("/api/administrators/1/totp").json(off).with(&mine).send().expect(204);
        assert_ended(nodes, &theirs, &mine, "factor off");
        let theirs = others();
        let body = json!({ "currentPassword": PASSWORD, "newPassword": NEW });
        second.post("/api/administrators/1/password", body).with(&mine).send().expect(204);
        assert_ended(nodes, &theirs, &mine, "password");
    }

    /// What changes nothing of what somebody may do ends nothing.
    fn other_changes_end_no_session(app: TestApp) {
        let key = app.full_key();
        let id = made(&app, &key, "ben", json!({}))["ID"].clone();
        let session = session_of(&app, "ben");
        for body in [json!({}), json!({ "username": "Ben2", "fullName": "x", "active": true, "roleID": 2, "mfaType": "none" })] {
            change(&app, &key, &id, body).expect(200);
            assert_eq!(status(&app, &session), 200);
        }
    }
}
