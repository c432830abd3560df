//! `POST /api/apikeys/{apiKeyID}`.

use serde_json::{Value, json};

use super::{IN, assert_refusal, made, presented, seen};
use crate::app::{START, TestApp, secret};
use crate::both;

const DAY: i64 = 86_400_000;

fn change(app: &TestApp, maker: &str, id: &Value, body: Value) -> crate::http::Answer {
    app.post(&format!("/api/apikeys/{id}"), body).key(maker).send()
}

both! {
    /// T-03: a key that ends can neither raise nor let in a key that lasts longer.
    fn an_ending_key_gives_no_strength_beyond_its_end(app: TestApp) {
        let maker = app.full_key();
        let end = START.millis() + DAY;
        let ending = secret(&made(&app, &maker, json!({ "keyName": "ending", "roleID": 1, "expiryDate": end })));
        let lasting = &made(&app, &maker, json!({ "keyName": "lasting", "roleID": 2 }))["ID"];
        let locked = &made(&app, &maker, json!({ "keyName": "locked", "roleID": 2, "active": false }))["ID"];
        let sooner = &made(&app, &maker, json!({ "keyName": "sooner", "roleID": 2, "active": false, "expiryDate": end }))["ID"];
        for (id, body) in [(lasting, json!({ "roleID": 1 })), (locked, json!({ "active": true }))] {
            assert_refusal(change(&app, &ending, id, body).refusal(), (403, "beyond_caller"));
        }
        for (id, body) in [
            (lasting, json!({ "description": "harmless" })),
            (lasting, json!({ "active": false })),
            (sooner, json!({ "roleID": 1, "active": true })),
        ] {
            assert_refusal(change(&app, &ending, id, body).refusal(), IN);
        }
    }

    /// DS-41: only what is sent changes, whatever it is.
    fn only_what_is_sent_changes(app: TestApp) {
        let maker = app.full_key();
        let expiry = START.millis() + DAY;
        let body = json!({
            "keyName": "before", "description": "d", "locale": "ja-JP", "roleID": 2, "timeZone": "Asia/Tokyo",
            "expiryDate": expiry,
        });
        let id = &made(&app, &maker, body)["ID"];
        let mut expected = seen(&app, &maker, id);
        let steps = [
            ("keyName", json!("after")),
            ("description", json!("")),
            ("locale", json!("fr-FR")),
            ("roleID", json!(1)),
            ("timeZone", json!("PST")),
            ("active", json!(false)),
            ("expiryDate", json!(expiry + 1)),
        ];
        for (member, value) in steps {
            let answer = change(&app, &maker, id, json!({ member: value })).expect(200);
            expected[member] = value;
            assert_eq!(answer.json(), expected, "{member}");
            let described = app.get(&format!("/api/apikeys/{id}")).key(&maker).send().expect(200);
            assert_eq!(answer.text(), described.text(), "{member}");
        }
        for nothing in [json!({}), json!({ "keyName": null, "roleID": null, "active": null, "description": null })] {
            assert_eq!(change(&app, &maker, id, nothing).expect(200).json(), expected);
        }
    }

    /// 0 and null take the end off; not sent, it stays.
    fn zero_or_null_takes_the_end_off(app: TestApp) {
        let maker = app.full_key();
        let id = &made(&app, &maker, json!({ "keyName": "k", "roleID": 2 }))["ID"];
        for never in [json!(0), json!("0"), json!(null)] {
            let end = json!(START.millis() + DAY);
            change(&app, &maker, id, json!({ "expiryDate": end })).expect(200);
            assert_eq!(change(&app, &maker, id, json!({ "description": "x" })).expect(200).json()["expiryDate"], end);
            let key = change(&app, &maker, id, json!({ "expiryDate": never })).expect(200).json();
            assert!(key.get("expiryDate").is_none(), "{key}");
        }
    }

    /// DS-45: locking out works on the very next request, and so does letting in again.
    fn a_lock_works_at_once_and_comes_off_at_once(app: TestApp) {
        let maker = app.full_key();
        let key = made(&app, &maker, json!({ "keyName": "k", "roleID": 2 }));
        let (id, secret) = (&key["ID"], secret(&key));
        for spelling in [json!(false), json!("false")] {
            assert_refusal(presented(&app, &secret), IN);
            change(&app, &maker, id, json!({ "active": spelling })).expect(200);
            assert_refusal(presented(&app, &secret), (401, "api_key_locked"));
            change(&app, &maker, id, json!({ "active": true })).expect(200);
        }
        assert_refusal(presented(&app, &secret), IN);
    }

    /// active:true clears the lock's end and the counter, what is noted and what is stored.
    fn letting_in_again_sets_the_counters_back(app: TestApp) {
        let maker = app.full_key();
        let key = made(&app, &maker, json!({ "keyName": "k", "roleID": 2 }));
        let id = &key["ID"];
        let wrong = format!("{id}:{}", "A".repeat(43) + "=");
        for flushed in [false, true] {
            app.execute(&format!("update api_keys set unlock_time = 6, unsuccessful_sign_in_attempts = 3 where id = {id}"));
            for _ in 0..2 {
                assert_refusal(presented(&app, &wrong), (401, "invalid_api_key"));
            }
            if flushed {
                app.flush();
            }
            assert_eq!(seen(&app, &maker, id)["unsuccessfulSignInAttempts"], json!(5));
            assert_eq!(change(&app, &maker, id, json!({ "description": "x" })).expect(200).json()["unsuccessfulSignInAttempts"], json!(5));
            let key = change(&app, &maker, id, json!({ "active": true })).expect(200).json();
            assert!(key["unsuccessfulSignInAttempts"] == json!(0) && key.get("unlockTime").is_none(), "{key}");
            app.flush();
            assert_eq!(seen(&app, &maker, id)["unsuccessfulSignInAttempts"], json!(0));
        }
    }

    /// DS-45: another role works on the next request of the same secret.
    fn another_role_works_on_the_next_request(app: TestApp) {
        let maker = app.full_key();
        let key = made(&app, &maker, json!({ "keyName": "k", "roleID": 2 }));
        let (id, secret) = (&key["ID"], secret(&key));
        let lists = || app.get("/api/apikeys").key(&secret).send().status;
        assert_eq!(lists(), 403);
        change(&app, &maker, id, json!({ "roleID": 1 })).expect(200);
        assert_eq!(lists(), 200);
        change(&app, &maker, id, json!({ "roleID": "2" })).expect(200);
        assert_eq!(lists(), 403);
    }

    /// What cannot be is refused as at the making, and nothing changes.
    fn what_cannot_be_is_refused(app: TestApp) {
        let maker = app.full_key();
        let key = made(&app, &maker, json!({ "keyName": "k", "roleID": 2 }));
        made(&app, &maker, json!({ "keyName": "Taken", "roleID": 2 }));
        let before = app.rows();
        for (body, expected) in [
            (json!({ "keyName": "" }), (400, "malformed")),
            (json!({ "keyName": "x".repeat(129) }), (400, "malformed")),
            (json!({ "keyName": "a\0b" }), (400, "malformed")),
            (json!({ "keyName": "ＴＡＫＥＮ" }), (409, "name_taken")),
            (json!({ "description": "x".repeat(1_025) }), (400, "malformed")),
            (json!({ "locale": "de-DE" }), (400, "unknown_locale")),
            (json!({ "timeZone": "Nowhere" }), (400, "unknown_time_zone")),
            (json!({ "roleID": 99 }), (400, "unknown_role")),
            (json!({ "roleID": 0 }), (400, "unknown_role")),
            (json!({ "active": "yes" }), (400, "malformed")),
            (json!({ "active": 1 }), (400, "malformed")),
            (json!({ "expiryDate": 1 }), (400, "expiry_out_of_range")),
            (json!({ "expiryDate": START.millis() }), (400, "expiry_out_of_range")),
            (json!({ "expiryDate": i64::MAX }), (400, "expiry_out_of_range")),
            (json!({ "expiryDate": 1.5 }), (400, "malformed")),
        ] {
            assert_refusal(change(&app, &maker, &key["ID"], body).refusal(), expected);
        }
        assert_refusal(change(&app, &maker, &json!(99), json!({})).refusal(), (404, "not_found"));
        assert_eq!(app.rows(), before);
        // its own name, in another spelling, is not taken
        change(&app, &maker, &key["ID"], json!({ "keyName": "K" })).expect(200);
    }

    /// T-41: read-only members are ignored, and the secret is never touched.
    fn read_only_members_are_ignored(app: TestApp) {
        let maker = app.full_key();
        let key = made(&app, &maker, json!({ "keyName": "k", "roleID": 2 }));
        let (keys, secrets) = (app.rows_of("api_keys"), app.rows_of("api_key_secrets"));
        let body = json!({
            "ID": 1, "created": 5, "lastSignIn": 6, "unlockTime": 7, "unsuccessfulSignInAttempts": 8, "secretKey": "z",
            "serviceAccount": true, "roleURN": "urn", "tenantID": 9, "tenantGUID": "x", "administratorID": 4, "kind": "root",
        });
        change(&app, &maker, &key["ID"], body).expect(200);
        assert_eq!((app.rows_of("api_keys"), app.rows_of("api_key_secrets")), (keys, secrets));
        assert_refusal(presented(&app, &secret(&key)), IN);
    }

    /// A key that expires can give no key, itself included, a longer life than its own.
    fn an_expiring_key_extends_nothing_beyond_its_own_end(app: TestApp) {
        let full = app.full_key();
        let end = START.millis() + DAY;
        let maker = made(&app, &full, json!({ "keyName": "for a day", "roleID": 1, "expiryDate": end }));
        let other = made(&app, &full, json!({ "keyName": "other", "roleID": 1, "expiryDate": end - DAY / 2 }));
        let forever = made(&app, &full, json!({ "keyName": "forever", "roleID": 1 }));
        let maker_secret = secret(&maker);
        for key in [&maker, &other, &forever] {
            for expiry in [json!(end + 1), json!(0), json!(null)] {
                let answer = change(&app, &maker_secret, &key["ID"], json!({ "expiryDate": expiry }));
                assert_refusal(answer.refusal(), (403, "beyond_caller"));
            }
        }
        change(&app, &maker_secret, &other["ID"], json!({ "expiryDate": end })).expect(200);
        let key = change(&app, &maker_secret, &forever["ID"], json!({ "description": "x" })).expect(200).json();
        assert!(key.get("expiryDate").is_none(), "what is not spoken of stays");
    }

    /// The event tells what changed from what to what, and of nothing else.
    fn a_change_leaves_one_event_of_what_changed(app: TestApp) {
        let maker = app.full_key();
        let id = made(&app, &maker, json!({ "keyName": "k", "roleID": 2 }))["ID"].clone();
        let before = app.last_event();
        change(&app, &maker, &id, json!({ "keyName": "K2", "active": false, "locale": "en-US" })).expect(200);
        let maker_id = maker.split_once(':').expect("two parts").0;
        let details = r#"{"active":{"from":true,"to":false},"keyName":{"from":"k","to":"K2"}}"#;
        assert_eq!(app.events_after(before), [format!("5011 apiKey/{maker_id}/full apiKey/{id}/k {details}")]);
    }
}
