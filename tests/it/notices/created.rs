use firstkey::clock::HOUR;
use serde_json::json;

use super::{address, deliver, person};
use crate::app::{TestApp, secret};
use crate::both;

both! {
    /// Whoever's key or session mints a key is written to, down a chain of keys; the mail says by what it was made, and
    /// nothing of any secret.
    fn a_person_is_told_of_keys_that_are_made_in_their_name(app: TestApp, |setup| setup.with_mail()) {
        let anna = person(&app, "anna", 1, false);
        let mint = |call: crate::app::Call<'_>| secret(&call.send().expect(200).json());
        let first = mint(app.post("/api/apikeys", json!({ "keyName": "first", "roleID": 1 })).with(&anna));
        let second = mint(app.post("/api/apikeys", json!({ "keyName": "second", "roleID": 1 })).key(&first));
        let third = mint(app.post("/api/apikeys", json!({ "keyName": "third", "roleID": 2, "expiryDate": app.clock.now().plus(HOUR) })).key(&second));
        let rows = app.rows_of("notices").join("\n");
        assert_eq!(deliver(&app), 3);
        let mails = app.smtp().take();
        for (mail, phrases) in mails.iter().zip([
            ["The administrator \"anna\" created the API key \"first\" (ID 1) with the role \"Full Access\" on November 21, 2026", "It does not expire."],
            ["Your API key \"first\" created the API key \"second\" (ID 2)", "It does not expire."],
            ["Your API key \"second\" created the API key \"third\" (ID 3) with the role \"Auditor\"", "It expires on November 21, 2026"],
        ]) {
            assert_eq!(mail.to, ["anna@example.com"]);
            assert!(phrases.iter().all(|phrase| mail.body.contains(phrase)), "{}", mail.body);
            for key in [&first, &second, &third] {
                let tail = key.rsplit(':').next().expect("a secret");
                assert!(!mail.body.contains(tail) && !rows.contains(&tail.to_lowercase()));
            }
        }
        // ensured keys, and keys of an earlier link that is gone
        app.call("PUT", "/api/apikeys/by-name/ensured").json(json!({ "roleID": 2 })).key(&second).send().expect(200);
        assert_eq!(deliver(&app), 1);
        app.delete("/api/apikeys/1").key(&second).send().expect(204);
        app.post("/api/apikeys", json!({ "keyName": "fifth", "roleID": 2 })).key(&second).send().expect(200);
        assert_eq!(deliver(&app), 0, "nobody knows whose name that is");
    }

    /// A program that mints a thousand keys does not fill a mailbox: twenty an hour, and the last one says so.
    fn a_mailbox_is_not_filled(app: TestApp, |setup| setup.with_mail()) {
        address(&app, "MasterAdmin", "admin@example.com", false);
        let full = app.full_key();
        let mint = |name: String| app.post("/api/apikeys", json!({ "keyName": name, "roleID": 2 })).key(&full).send().expect(200);
        for n in 0..30 {
            mint(format!("key {n}"));
        }
        assert_eq!(deliver(&app), 20);
        let mails = app.smtp().take();
        assert_eq!(mails.iter().filter(|mail| mail.body.contains("More keys may be made")).count(), 1);
        app.clock.advance(HOUR);
        mint("later".into());
        assert_eq!(deliver(&app), 1);
    }

    /// Nobody is written to who has no address, may not sign in, or is of another tenant.
    fn nobody_else_is_written_to(app: TestApp, |setup| setup.with_mail()) {
        app.mint("no address", 2);
        let anna = person(&app, "anna", 1, false);
        let key = secret(&app.post("/api/apikeys", json!({ "keyName": "maker", "roleID": 1 })).with(&anna).send().expect(200).json());
        deliver(&app);
        app.smtp().take();
        app.execute("update administrators set active = false where username = 'anna'");
        app.post("/api/apikeys", json!({ "keyName": "by her key", "roleID": 2 })).key(&key).send().expect(200);
        address(&app, "MasterAdmin", "admin@example.com", false);
        let full = app.full_key();
        deliver(&app);
        app.smtp().take();
        let tenant = app.tenant("Blue");
        let body = json!({ "keyName": "theirs" });
        app.post(&format!("/api/tenants/{tenant}/apikeys"), body).key(&full).send().expect(200);
        assert_eq!(deliver(&app), 0);
    }
}
