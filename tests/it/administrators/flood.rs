//! A flood of wrong passwords from one place, and the one it is aimed at in another.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::json;

use super::{change, made, seen, status};
use crate::app::{ADMIN, PASSWORD, Session, TestApp};
use crate::both;
use crate::sessions::second_factor::{code, enrol};

const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const HOUR: i64 = 3_600_000;

both! {
    /// T-12: while one address is flooded with guesses, the same person gets in from another at once, second factor
    /// included; sessions and keys that are there notice nothing, and nothing is locked.
    fn a_flood_from_one_address_keeps_nobody_out_elsewhere(app: TestApp) {
        let (seed, session) = enrol(&app);
        app.clock.advance(30_000);
        let body = json!({ "keyName": "there before", "roleID": 1 });
        let key = crate::app::secret(&app.post("/api/apikeys", body).with(&session).send().expect(200).json());
        for minute in 0..30 {
            app.clock.advance(60_000);
            for _ in 0..8 {
                let answer = app.try_sign_in(ADMIN, "wrong");
                assert!(matches!(answer.status, 401 | 429), "{}", answer.text());
            }
            assert_eq!(status(&app, &session), 200, "minute {minute}");
            app.get("/api/apikeys/current").key(&key).send().expect(200);
        }
        // the flooded address waits; even the right password does there
        app.try_sign_in(ADMIN, PASSWORD).expect(429);
        let body = json!({ "userName": ADMIN, "password": PASSWORD, "mfaCode": code(&app, &seed, 0) });
        let answer = app.post("/api/sessions", body).send_from(ELSEWHERE).expect(200);
        assert_eq!(status(&app, &Session::from(&answer)), 200);
        assert_eq!(seen(&app, &key, &json!(1))["active"], true);
        app.post("/api/sessions", json!({ "userName": ADMIN, "password": PASSWORD })).send_from(ELSEWHERE).expect(401);
        // and its own wait ends too
        app.clock.advance(HOUR);
        let body = json!({ "userName": ADMIN, "password": PASSWORD, "mfaCode": code(&app, &seed, 0) });
        app.post("/api/sessions", body).send().expect(200);
    }

    /// T-12: somebody whom an administrator did lock is let in again by one.
    fn a_lock_can_be_taken_off(app: TestApp) {
        let key = app.full_key();
        let id = made(&app, &key, "ben", json!({ "active": false }))["ID"].clone();
        app.try_sign_in("ben", PASSWORD).expect(401);
        change(&app, &key, &id, json!({ "active": true })).expect(200);
        app.try_sign_in("ben", PASSWORD).expect(200);
    }
}
