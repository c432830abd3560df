//! `POST /api/apikeys/{apiKeyID}/secretkey` and `POST /api/apikeys/current/secretkey`.

use std::sync::Barrier;

use serde_json::{Value, json};

use super::{IN, assert_refusal, made, presented, seen};
use crate::app::{Call, START, TestApp, secret};
use crate::both;

const DAY: i64 = 86_400_000;
const OUT: (u16, &str) = (401, "invalid_api_key");
const EDIT: &str = "platformRights.apikeyRights.canEditApiKeyProperties";

fn rotate<'a>(app: &'a TestApp, id: &Value) -> Call<'a> {
    app.call("POST", &format!("/api/apikeys/{id}/secretkey"))
}

/// How many secrets a key has that let somebody in.
fn secrets(app: &TestApp, id: &Value) -> i64 {
    app.count(&format!("select count(*) as n from api_key_secrets where api_key_id = {id} and ends is null"))
}

both! {
    /// DS-42, DS-34, T-45: the old secret is refused on the very next request, the new one works, all else of the
    /// key is as it was, and one event tells of it without the secret.
    fn the_old_secret_is_refused_at_once(app: TestApp) {
        let maker = app.full_key();
        let key = made(&app, &maker, json!({ "keyName": "k", "roleID": 2, "description": "d", "locale": "ja-JP" }));
        let (id, old) = (&key["ID"], secret(&key));
        assert_refusal(presented(&app, &old), IN);
        let (before, events) = (seen(&app, &maker, id), app.last_event());
        let answer = rotate(&app, id).key(&maker).send().expect(200);
        let new = secret(&answer.json());
        assert_ne!(new, old);
        assert_refusal(presented(&app, &old), OUT);
        assert_refusal(presented(&app, &new), IN);
        let mut rest = answer.json();
        rest.as_object_mut().expect("an object").remove("secretKey");
        assert_eq!(rest, before);
        assert!(answer.text().contains(r#""unsuccessfulSignInAttempts":0,"secretKey":""#), "in its place: {}", answer.text());
        let maker_id = maker.split_once(':').expect("two parts").0;
        assert_eq!(app.events_after(events), [format!("5013 apiKey/{maker_id}/full apiKey/{id}/k {{}}")]);
        assert_eq!(secrets(&app, id), 1);
        assert!(!seen(&app, &maker, id).to_string().contains("secretKey"), "shown this once");
    }

    /// Published clients send any body or none; whatever says nothing of an overlap means at once.
    fn a_body_that_says_nothing_will_do(app: TestApp) {
        let maker = app.full_key();
        let key = made(&app, &maker, json!({ "keyName": "k", "roleID": 2 }));
        let (id, mut last) = (&key["ID"], secret(&key));
        let typed = |kind: &str, body: &str| {
            let mut call = rotate(&app, id).header("Content-Type", kind);
            call.request.body = body.into();
            call
        };
        let calls = [
            rotate(&app, id),
            rotate(&app, id).json(json!({})),
            rotate(&app, id).json(json!({ "keyName": "other", "roleID": 1, "active": false })),
            rotate(&app, id).json(json!({ "overlap": null })),
            rotate(&app, id).json(json!({ "overlap": "0s" })),
            rotate(&app, id).header("Content-Type", "text/plain").header("Content-Encoding", "gzip"),
            typed("text/plain", "{ not JSON"),
            typed("application/x-www-form-urlencoded", "keyName=x"),
            typed("application/octet-stream", "\0\u{7f}"),
        ];
        for call in calls {
            let key = call.key(&maker).send().expect(200).json();
            assert_eq!((&key["keyName"], &key["roleID"], &key["active"]), (&json!("k"), &json!(2), &json!(true)));
            assert_refusal(presented(&app, &last), OUT);
            last = secret(&key);
            assert_refusal(presented(&app, &last), IN);
        }
        // but whoever wants an overlap and says it in a form that is not read does not see the old secret stop
        let rows = app.rows();
        for (call, expected) in [
            (rotate(&app, id).body("{ not JSON"), (400, "malformed")),
            (rotate(&app, id).body([0_u8, 255, 7].to_vec()), (400, "malformed")),
            (rotate(&app, id).body("[]"), (400, "malformed")),
            (rotate(&app, id).body("null"), (400, "malformed")),
            (typed("application/x-www-form-urlencoded", r#"{"overlap":"24h"}"#), (415, "not_json")),
            (typed("text/plain", "finishWhenSilentFor: 2h"), (415, "not_json")),
        ] {
            assert_refusal(call.key(&maker).send().refusal(), expected);
        }
        app.assert_rows(&rows, "refused");
    }

    /// Wrong secrets that were presented for the old one are forgotten with it, noted or stored.
    fn failed_attempts_begin_anew(app: TestApp) {
        let maker = app.full_key();
        let id = made(&app, &maker, json!({ "keyName": "k", "roleID": 2 }))["ID"].clone();
        let wrong = || assert_refusal(presented(&app, &format!("{id}:{}=", "A".repeat(43))), OUT);
        wrong();
        app.flush();
        wrong();
        assert_eq!(seen(&app, &maker, &id)["unsuccessfulSignInAttempts"], json!(2));
        let key = rotate(&app, &id).key(&maker).send().expect(200).json();
        assert_eq!(key["unsuccessfulSignInAttempts"], json!(0));
        app.flush();
        assert_eq!(app.count(&format!("select unsuccessful_sign_in_attempts as n from api_keys where id = {id}")), 0);
    }

    /// A key that is expired, locked out or locked until a moment gets a new secret, and stays what it is.
    fn a_key_that_is_refused_gets_a_secret_and_stays_refused(app: TestApp) {
        let maker = app.full_key();
        let expiring = made(&app, &maker, json!({ "keyName": "expiring", "roleID": 2, "expiryDate": START.millis() + DAY }));
        let locked = made(&app, &maker, json!({ "keyName": "locked", "roleID": 2, "active": false }));
        let until = START.millis() + 3 * DAY;
        app.execute(&format!("update api_keys set unlock_time = {until} where id = {}", locked["ID"]));
        app.clock.advance(DAY + 1);
        for (key, refusal) in [(&expiring, (401, "api_key_expired")), (&locked, (401, "api_key_locked"))] {
            let answer = rotate(&app, &key["ID"]).key(&maker).send().expect(200).json();
            assert_eq!((&answer["active"], &answer["expiryDate"]), (&key["active"], &key["expiryDate"]));
            assert_refusal(presented(&app, &secret(&answer)), refusal);
            assert_refusal(presented(&app, &secret(key)), OUT);
        }
        let shown = seen(&app, &maker, &locked["ID"]);
        assert_eq!(shown["unlockTime"], json!(until), "as it is");
        let freed = app.post(&format!("/api/apikeys/{}", locked["ID"]), json!({ "active": true })).key(&maker).send().expect(200).json();
        assert!(freed.get("unlockTime").is_none(), "{freed}");
    }

    /// T-03: a key that ends renews no secret of one that lasts longer; its own and those that end before it, it does.
    fn an_ending_key_renews_no_longer_life(app: TestApp) {
        let maker = app.full_key();
        let end = START.millis() + DAY;
        let key = |name: &str, expiry: i64| made(&app, &maker, json!({ "keyName": name, "roleID": 1, "expiryDate": expiry }));
        let ending = key("ending", end);
        let before = app.rows();
        for (name, expiry) in [("longer", end + 1), ("for ever", 0)] {
            let other = key(name, expiry);
            let rows = app.rows();
            let answer = rotate(&app, &other["ID"]).key(&secret(&ending)).send();
            assert_refusal(answer.refusal(), (403, "beyond_caller"));
            app.assert_rows(&rows, name);
        }
        assert_ne!(app.rows(), before);
        rotate(&app, &key("as long", end)["ID"]).key(&secret(&ending)).send().expect(200);
        rotate(&app, &ending["ID"]).key(&secret(&ending)).send().expect(200);
    }

    /// DS-43, T-45: a key with the right renews its own secret; the very next call with the old one is refused.
    fn a_key_renews_its_own_secret(app: TestApp) {
        let maker = app.full_key();
        let role = app.role("Editor", &[EDIT]);
        let key = made(&app, &maker, json!({ "keyName": "me", "roleID": role }));
        let (path, old, events) = ("/api/apikeys/current/secretkey", secret(&key), app.last_event());
        let answer = app.call("POST", path).body("{}").key(&old).send().expect(200).json();
        assert_refusal(app.call("POST", path).key(&old).send().refusal(), OUT);
        assert_refusal(presented(&app, &secret(&answer)), IN);
        assert_eq!((&answer["ID"], answer.get("roleURN")), (&key["ID"], None), "a key with its secret, not `current`");
        let id = &key["ID"];
        assert_eq!(app.events_after(events), [format!("5013 apiKey/{id}/me apiKey/{id}/me {{}}")]);
        // without the right it is not for the key to decide, and a session has no key of its own
        let auditor = app.auditor_key();
        let rows = app.rows();
        assert_refusal(app.call("POST", path).key(&auditor).send().refusal(), (403, "not_authorized"));
        assert_refusal(app.call("POST", path).with(&app.sign_in()).send().refusal(), (403, "wrong_credential_kind"));
        assert_eq!(app.rows_of("api_key_secrets").len(), rows.iter().filter(|row| row.starts_with("api_key_secrets:")).count());
        assert_refusal(presented(&app, &auditor), IN);
    }

    /// T-23: another tenant's key and one that never was are answered alike, and nothing is renewed.
    fn only_ones_own_keys_are_renewed(app: TestApp) {
        let maker = app.full_key();
        let tenant = app.tenant("Blue");
        let theirs = made(&app, &maker, json!({ "keyName": "theirs", "roleID": 2 }))["ID"].clone();
        app.execute(&format!("delete from api_key_secrets where api_key_id = {theirs}"));
        app.execute(&format!("update api_keys set tenant_id = {tenant} where id = {theirs}"));
        let rows = app.rows();
        let [foreign, never] = [theirs, json!(2_147_483_647)]
            .map(|id| crate::stored::without_trace(&rotate(&app, &id).key(&maker).send().expect(404)));
        assert_eq!(foreign, never);
        app.assert_rows(&rows, "nothing happened");
    }

    /// DS-52, T-45: of secrets that are renewed at the same moment exactly one lives, and somebody was given it. Each answer
    /// has its event.
    fn of_renewals_at_once_one_lives(app: TestApp, |setup| setup.workers = 4) {
        let maker = app.full_key();
        let key = made(&app, &maker, json!({ "keyName": "k", "roleID": 1 }));
        let (id, own) = (&key["ID"], secret(&key));
        for round in 0..4 {
            let (start, events) = (Barrier::new(8), app.last_event());
            let answers: Vec<crate::http::Answer> = std::thread::scope(|scope| {
                let callers: Vec<_> = (0..8)
                    .map(|n| {
                        let (app, start, maker, own) = (&app, &start, &maker, &own);
                        scope.spawn(move || {
                            let by_itself = round == 0 && n % 2 == 0;
                            let call = if by_itself {
                                app.call("POST", "/api/apikeys/current/secretkey").key(own)
                            } else {
                                rotate(app, id).key(maker)
                            };
                            start.wait();
                            call.send()
                        })
                    })
                    .collect();
                callers.into_iter().map(|caller| caller.join().expect("an answer")).collect()
            });
            let given: Vec<String> =
                answers.iter().filter(|answer| answer.status == 200).map(|answer| secret(&answer.json())).collect();
            assert!(given.len() >= 4, "{answers:?}");
            assert!(answers.iter().all(|answer| matches!(answer.refusal(), (200, _) | (401, _))), "{answers:?}");
            let live = given.iter().filter(|secret| presented(&app, secret).0 == 200).count();
            assert_eq!((live, secrets(&app, id)), (1, 1));
            assert_eq!(app.events_after(events).len(), given.len());
            assert_refusal(presented(&app, &own), OUT);
        }
    }
}
