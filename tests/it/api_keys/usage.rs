//! When a key was last used and how often it was presented with a wrong secret: true at once, written
//! down later, and never a reason to lock it.

use serde_json::json;

use super::{IN, assert_refusal, made, presented, seen};
use crate::app::{START, TestApp, secret};
use crate::both;

fn stored(app: &TestApp, id: &serde_json::Value) -> String {
    let columns = "coalesce(cast(last_sign_in as text), '-') || ' ' || cast(unsuccessful_sign_in_attempts as text)";
    app.texts(&format!("select {columns} as t from api_keys where id = {id}")).remove(0)
}

/// The key's own ID with 32 bytes that are not its secret.
fn wrong(id: &serde_json::Value) -> String {
    format!("{id}:{}=", "A".repeat(43))
}

both! {
    /// DS-46: true in the very next answer, without a write per request, and stored by the flush.
    fn use_is_told_at_once_and_stored_later(app: TestApp) {
        let viewer = app.full_key();
        let key = made(&app, &viewer, json!({ "keyName": "k", "roleID": 2 }));
        let id = &key["ID"];
        app.flush();
        let before = app.rows();
        assert!(seen(&app, &viewer, id).get("lastSignIn").is_none(), "never used");
        for n in 1..=50 {
            app.clock.advance(1);
            assert_refusal(presented(&app, &secret(&key)), IN);
            let now = seen(&app, &viewer, id);
            assert_eq!((&now["lastSignIn"], &now["unsuccessfulSignInAttempts"]), (&json!(START.millis() + n), &json!(0)));
        }
        for n in 1..=3 {
            assert_refusal(presented(&app, &wrong(id)), (401, "invalid_api_key"));
            assert_eq!(seen(&app, &viewer, id)["unsuccessfulSignInAttempts"], json!(n));
        }
        assert_eq!(app.rows(), before, "a hundred calls and no write");
        let shown = seen(&app, &viewer, id);
        app.flush();
        assert_eq!(stored(&app, id), format!("{} 3", START.millis() + 50));
        assert_eq!(seen(&app, &viewer, id), shown, "the same, out of the database");
        assert_refusal(presented(&app, &secret(&key)), IN);
        app.flush();
        assert_eq!(stored(&app, id), format!("{} 0", START.millis() + 50));
        let list = app.get("/api/apikeys").key(&viewer).send().expect(200).json();
        assert_eq!(list["apiKeys"][1]["lastSignIn"], json!(START.millis() + 50));
    }

    /// Only a wrong secret counts: not a locked key's right one, and nothing for an ID that is not there.
    fn only_wrong_secrets_count(app: TestApp) {
        let viewer = app.full_key();
        let key = made(&app, &viewer, json!({ "keyName": "k", "roleID": 2, "active": false }));
        let id = &key["ID"];
        assert_refusal(presented(&app, &secret(&key)), (401, "api_key_locked"));
        for spoilt in [format!("{} ", secret(&key).replace('=', "")), "nonsense".into(), format!("{id}:")] {
            assert_refusal(presented(&app, &spoilt), (401, "invalid_api_key"));
        }
        assert_eq!(seen(&app, &viewer, id)["unsuccessfulSignInAttempts"], json!(0));
        assert!(seen(&app, &viewer, id).get("lastSignIn").is_none(), "a refused key has not signed in");
        for unknown in [99, 2_147_483_647] {
            assert_refusal(presented(&app, &wrong(&json!(unknown))), (401, "invalid_api_key"));
        }
        app.flush();
    }

    /// T-18: refused at the instant of its expiry, not a millisecond earlier or later.
    fn a_key_ends_at_the_millisecond(app: TestApp) {
        let viewer = app.full_key();
        let end = START.millis() + 60_000;
        let key = secret(&made(&app, &viewer, json!({ "keyName": "k", "roleID": 2, "expiryDate": end })));
        for (at, expected) in [
            (end - 1, IN),
            (end, (401, "api_key_expired")),
            (end + 1, (401, "api_key_expired")),
            (end - 1, IN),
            (end + 3_000 * 86_400_000, (401, "api_key_expired")),
        ] {
            app.clock.advance(at - app.clock.now().millis());
            assert_refusal(presented(&app, &key), expected);
        }
        let wrong = wrong(&json!(key.split_once(':').expect("two parts").0.parse::<i64>().expect("an ID")));
        assert_refusal(presented(&app, &wrong), (401, "invalid_api_key"));
    }

    /// T-43: ten thousand wrong secrets for one ID; the right one is let in all along, the counter is
    /// truthful, and the key is never locked.
    fn wrong_secrets_never_lock_a_key(app: TestApp) {
        let viewer = app.full_key();
        let key = made(&app, &viewer, json!({ "keyName": "production", "roleID": 2 }));
        let (id, right) = (&key["ID"], secret(&key));
        let guess = |n: u32| {
            use base64::Engine as _;
            let bytes = [n.to_le_bytes(); 8].concat();
            format!("{id}:{}", base64::engine::general_purpose::STANDARD.encode(bytes))
        };
        let guesses = if std::env::var_os("FIRSTKEY_TEST_LONG").is_some() { 1_000_000 } else { 10_000 };
        for n in 0..guesses {
            assert_refusal(presented(&app, &guess(n)), (401, "invalid_api_key"));
            if n % 500 == 250 {
                assert_eq!(seen(&app, &viewer, id)["unsuccessfulSignInAttempts"], json!(if n < 500 { n + 1 } else { 500 }));
                assert_refusal(presented(&app, &right), IN);
                assert_eq!(seen(&app, &viewer, id)["unsuccessfulSignInAttempts"], json!(0));
            }
            if n % 2_000 == 1_999 {
                app.flush();
            }
        }
        let after = seen(&app, &viewer, id);
        assert_eq!((&after["active"], &after["unsuccessfulSignInAttempts"]), (&json!(true), &json!(249)));
        assert!(after.get("unlockTime").is_none());
        assert_refusal(presented(&app, &right), IN);
    }
}
