//! `POST /api/administrators/{administratorID}`.

use serde_json::{Value, json};

use super::{NEW, assert_refusal, change, made, seen, session_of, status};
use crate::app::{ADMIN, PASSWORD, START, Setup, TestApp, secret};
use crate::both;
use crate::sessions::second_factor::{code, enrol};

both! {
    /// DS-17: only what is sent changes, whatever it is.
    fn only_what_is_sent_changes(app: TestApp) {
        let key = app.full_key();
        let id = &made(&app, &key, "ben", json!({ "timeZone": "UTC" }))["ID"];
        let mut expected = seen(&app, &key, id);
        let steps = [
            ("username", json!("Benjamin")), ("fullName", json!("B. 鍵")), ("description", json!("d")), ("locale", json!("fr-FR")),
            ("timeZone", json!("Etc/UTC")), ("timeFormat", json!("12")), ("passwordNeverExpires", json!(true)),
            ("phoneNumber", json!("1")), ("mobileNumber", json!("2")), ("pagerNumber", json!("3")),
            ("emailAddress", json!("b@example.com")), ("primaryContact", json!(true)), ("receiveNotifications", json!(true)),
            ("reportPDFPasswordEnabled", json!(true)), ("externalUserID", json!("x")), ("type", json!("temporary")),
            ("active", json!(false)), ("roleID", json!(1)), ("description", json!("")), ("phoneNumber", json!("")),
        ];
        for (member, value) in steps {
            let answer = change(&app, &key, id, json!({ member: value })).expect(200);
            expected[member] = value;
            assert_eq!(answer.json(), expected, "{member}");
            let described = app.get(&format!("/api/administrators/{id}")).key(&key).send().expect(200);
            assert_eq!(answer.text(), described.text(), "{member}");
        }
        for nothing in [json!({}), json!({ "username": null, "roleID": null, "active": null, "password": null, "mfaType": null, "emailAddress": null })] {
            assert_eq!(change(&app, &key, id, nothing).expect(200).json(), expected);
        }
        let cleared = change(&app, &key, id, json!({ "externalUserID": "" })).expect(200).json();
        assert_eq!(cleared.get("externalUserID"), None);
        // a whole object sent back, as the vendor's SDK does, changes nothing
        let before = app.rows_of("administrators");
        change(&app, &key, id, cleared).expect(200);
        assert_eq!(app.rows_of("administrators"), before);
    }

    /// DS-14, T-16: another's password may be set; their sessions end, the old password with them.
    fn anothers_password_may_be_set(app: TestApp) {
        let key = app.full_key();
        let id = &made(&app, &key, "ben", json!({}))["ID"];
        let (session, mine) = (session_of(&app, "ben"), app.sign_in());
        app.clock.advance(1_000);
        let before = app.last_event();
        app.post(&format!("/api/administrators/{id}"), json!({ "password": NEW })).with(&mine).send().expect(200);
        assert_eq!(app.events_after(before), [format!("653 administrator/1/{ADMIN} administrator/{id}/ben {{}}")]);
        assert_eq!((status(&app, &session), status(&app, &mine)), (401, 200));
        app.try_sign_in("ben", PASSWORD).expect(401);
        app.try_sign_in("ben", NEW).expect(200);
        let ben = seen(&app, &key, id);
        assert_eq!((&ben["lastPasswordChange"], &ben["created"]), (&json!(START.millis() + 1_000), &json!(START.millis())));
        for (password, code) in [("short", "weak_password"), ("", "malformed"), ("passwordpassword", "weak_password"), (&"x".repeat(1_025), "malformed")] {
            let before = app.rows();
            assert_refusal(&change(&app, &key, id, json!({ "password": password, "fullName": "x" })), (400, code));
            app.assert_rows(&before, code);
        }
        // judged against the name as it will be
        let named = json!({ "username": "seven purple elephants juggling", "password": "Seven purple elephants juggling" });
        assert_refusal(&change(&app, &key, id, named), (400, "weak_password"));
        assert_refusal(&change(&app, &key, &json!(99), json!({ "password": NEW })), (404, "not_found"));
    }

    /// One's own password and second factor change only against the old ones; a key is nobody's own.
    fn ones_own_credentials_are_asked_for_first(app: TestApp) {
        let key = app.full_key();
        let (_, mine) = enrol(&app);
        let before = app.rows();
        for body in [json!({ "password": NEW }), json!({ "password": NEW, "fullName": "x" }), json!({ "mfaType": "none" })] {
            let answer = app.post("/api/administrators/1", body).with(&mine).send();
            assert_refusal(&answer, (403, "not_authorized"));
            assert!(answer.text().contains("/api/administrators/{ID}/"), "{}", answer.text());
        }
        app.assert_rows(&before, "one's own credentials");
        app.post("/api/administrators/1", json!({ "fullName": "Me", "mfaType": "local-totp" })).with(&mine).send().expect(200);
        change(&app, &key, &json!(1), json!({ "password": NEW, "mfaType": "none" })).expect(200);
        assert_eq!(status(&app, &mine), 401);
        app.try_sign_in(ADMIN, NEW).expect(200);
    }

    /// DS-16: another takes a lost factor away, and nobody can put one on for somebody else.
    fn a_lost_factor_is_taken_away_by_another(app: TestApp) {
        let key = app.full_key();
        let (seed, session) = enrol(&app);
        app.clock.advance(30_000);
        assert_eq!(seen(&app, &key, &json!(1))["mfaType"], "local-totp");
        change(&app, &key, &json!(1), json!({ "mfaType": "local-totp" })).expect(200);
        assert_eq!(status(&app, &session), 200, "nothing has changed");
        assert_eq!(app.try_sign_in(ADMIN, PASSWORD).code(), "mfa_code_needed");
        let before = app.last_event();
        assert_eq!(change(&app, &key, &json!(1), json!({ "mfaType": "none" })).expect(200).json()["mfaType"], "none");
        let expected = "652 apiKey/1/full administrator/1/MasterAdmin {\"mfaType\":{\"from\":\"local-totp\",\"to\":\"none\"}}";
        assert_eq!(app.events_after(before), [expected]);
        assert_eq!(status(&app, &session), 401);
        app.try_sign_in(ADMIN, PASSWORD).expect(200);
        assert_eq!(app.count("select count(*) as n from administrators where totp_seed is not null or totp_seed_pending is not null"), 0);
        let before = app.rows();
        assert_refusal(&change(&app, &key, &json!(1), json!({ "mfaType": "local-totp", "fullName": "x" })), (409, "conflict"));
        app.assert_rows(&before, "a factor for somebody else");
        assert!(code(&app, &seed, 0).len() == 6);
    }

    /// DS-13: a lock ends the sessions at once and for good; whoever may edit takes it off, and every count with it.
    fn a_lock_works_at_once_and_comes_off_with_its_counters(app: TestApp) {
        let key = app.full_key();
        let id = &made(&app, &key, "ben", json!({}))["ID"];
        let session = session_of(&app, "ben");
        let before = app.last_event();
        change(&app, &key, id, json!({ "active": "false" })).expect(200);
        assert_eq!(app.events_after(before), [format!("603 apiKey/1/full administrator/{id}/ben {{}}")]);
        assert_eq!(status(&app, &session), 401);
        assert_refusal(&app.try_sign_in("ben", PASSWORD), (401, "sign_in_failed"));
        app.execute(&format!("update administrators set unlock_time = 7, mfa_guesses = 10 where id = {id}"));
        let before = app.last_event();
        let ben = change(&app, &key, id, json!({ "active": true })).expect(200).json();
        assert_eq!((ben.get("unlockTime"), &ben["unsuccessfulSignInAttempts"], &ben["active"]), (None, &json!(0), &json!(true)));
        let events = app.events_after(before);
        assert_eq!(events[0], format!("604 apiKey/1/full administrator/{id}/ben {{}}"));
        assert!(events.len() == 2 && events[1].contains(r#""unlockTime":{"from":7,"to":null}"#), "{events:?}");
        assert_eq!(app.count(&format!("select mfa_guesses as n from administrators where id = {id}")), 0);
        assert_eq!(status(&app, &session), 401, "an ended session stays ended");
        app.try_sign_in("ben", PASSWORD).expect(200);
    }

    /// DS-13: wrong passwords, however many, never set active to false.
    fn wrong_passwords_lock_nobody(app: TestApp, |setup| setup.rules.throttle = false) {
        let key = app.full_key();
        for _ in 0..30 {
            app.try_sign_in(ADMIN, "wrong").expect(401);
        }
        let me = seen(&app, &key, &json!(1));
        assert_eq!((&me["active"], &me["unsuccessfulSignInAttempts"]), (&json!(true), &json!(30)));
        app.try_sign_in(ADMIN, PASSWORD).expect(200);
        assert_eq!(seen(&app, &key, &json!(1))["unsuccessfulSignInAttempts"], 0);
    }

    /// DS-23: rights come from the role alone: another role works on the next sign-in, and the sessions of the old one end.
    fn rights_come_from_the_role_alone(app: TestApp) {
        let key = app.full_key();
        let id = &made(&app, &key, "ben", json!({ "rights": { "all": true } }))["ID"];
        let lists = || {
            let session = session_of(&app, "ben");
            (app.get("/api/administrators").with(&session).send().status, session)
        };
        let (answer, session) = lists();
        assert_eq!(answer, 403);
        change(&app, &key, id, json!({ "roleID": "1" })).expect(200);
        assert_eq!(status(&app, &session), 401);
        let (answer, session) = lists();
        assert_eq!(answer, 200);
        change(&app, &key, id, json!({ "roleID": 2 })).expect(200);
        assert_eq!(status(&app, &session), 401);
        assert_eq!(lists().0, 403);
    }

    /// What cannot be is refused as at the making, and nothing changes; an address is needed by whom it is needed.
    fn what_cannot_be_is_refused(app: TestApp) {
        let key = app.full_key();
        made(&app, &key, "Taken", json!({}));
        let id = &made(&app, &key, "ben", json!({ "emailAddress": "b@example.com", "primaryContact": true }))["ID"];
        let before = app.rows();
        for (body, expected) in [
            (json!({ "username": "tAKEN" }), (409, "name_taken")),
            (json!({ "username": "" }), (400, "malformed")),
            (json!({ "roleID": 99 }), (400, "unknown_role")),
            (json!({ "roleID": 0 }), (400, "unknown_role")),
            (json!({ "emailAddress": "" }), (400, "malformed")),
            (json!({ "emailAddress": "b@" }), (400, "malformed")),
            (json!({ "locale": "xx" }), (400, "unknown_locale")),
            (json!({ "timeZone": "xx" }), (400, "unknown_time_zone")),
            (json!({ "timeFormat": "" }), (400, "malformed")),
            (json!({ "type": "" }), (400, "malformed")),
            (json!({ "mfaType": "" }), (400, "malformed")),
            (json!({ "mfaType": "local-totp" }), (409, "conflict")),
            (json!({ "external": true }), (400, "malformed")),
            (json!({ "active": "no" }), (400, "malformed")),
            (json!({ "password": 7 }), (400, "malformed")),
        ] {
            assert_refusal(&change(&app, &key, id, body.clone()), expected);
            app.assert_rows(&before, &body.to_string());
        }
        for unknown in [json!(99), json!(0), json!(2147483648_i64)] {
            assert_refusal(&change(&app, &key, &unknown, json!({})), (404, "not_found"));
        }
        let without = json!({ "emailAddress": "", "primaryContact": false });
        assert_eq!(change(&app, &key, id, without).expect(200).json()["emailAddress"], "");
        let answer = change(&app, &key, id, json!({ "receiveNotifications": true }));
        assert!(answer.text().contains("receiveNotifications: "), "{}", answer.text());
        // one's own name, in another spelling, is not taken
        change(&app, &key, id, json!({ "username": "BEN" })).expect(200);
        app.try_sign_in("ben", PASSWORD).expect(200);
    }

    /// T-41: read-only members are ignored.
    fn read_only_members_are_ignored(app: TestApp) {
        let key = app.full_key();
        let id = &made(&app, &key, "ben", json!({}))["ID"];
        let before = app.rows_of("administrators");
        let body = json!({
            "ID": 1, "created": 5, "lastPasswordChange": 6, "lastSignIn": 7, "unlockTime": 8, "unsuccessfulSignInAttempts": 9,
            "directoryName": "d", "directoryInfo": "i", "readOnly": true, "UTCOffset": "x", "tenantID": 7, "passwordHash": "x",
            "credentialVersion": 9, "reportPDFPassword": "x",
        });
        change(&app, &key, id, body).expect(200);
        assert_eq!(app.rows_of("administrators"), before);
    }

    /// The event tells what changed from what to what; several things at once leave an event each.
    fn a_change_leaves_events_of_what_changed(app: TestApp) {
        let key = app.full_key();
        let id = &made(&app, &key, "ben", json!({}))["ID"];
        let before = app.last_event();
        change(&app, &key, id, json!({ "username": "Ben2", "locale": "en-US", "password": NEW, "active": false })).expect(200);
        let numbers: Vec<String> = app.events_after(before).iter().map(|event| event.replace("apiKey/1/full administrator", "…")).collect();
        let updated = r#"{"username":{"from":"ben","to":"Ben2"}}"#;
        assert_eq!(numbers, [format!("653 …/{id}/ben {{}}"), format!("603 …/{id}/ben {{}}"), format!("652 …/{id}/ben {updated}")]);
        let events = app.events_after(0).join("\n");
        assert!(!events.contains(NEW) && !events.contains("$2b$"));
        let before = app.last_event();
        change(&app, &key, id, json!({})).expect(200);
        assert_eq!(app.events_after(before), [format!("652 apiKey/1/full administrator/{id}/Ben2 {{}}")]);
    }

    /// T-03: a key that expires gives nobody a way in, and may still lock and describe.
    fn an_expiring_key_gives_no_access(app: TestApp) {
        let full = app.full_key();
        let body = json!({ "keyName": "for a day", "roleID": 1, "expiryDate": START.millis() + 86_400_000 });
        let ending = secret(&app.post("/api/apikeys", body).key(&full).send().expect(200).json());
        let ben = &made(&app, &full, "ben", json!({}))["ID"];
        let locked = &made(&app, &full, "locked", json!({ "active": false }))["ID"];
        enrol(&app);
        let before = app.rows();
        for (id, body) in [
            (ben, json!({ "password": NEW })), (ben, json!({ "roleID": 1 })), (locked, json!({ "active": true })), (&json!(1), json!({ "mfaType": "none" })),
        ] {
            assert_refusal(&change(&app, &ending, id, body.clone()), (403, "beyond_caller"));
            app.assert_rows(&before, &body.to_string());
        }
        for body in [json!({ "description": "x", "roleID": 2, "active": true }), json!({ "active": false })] {
            change(&app, &ending, ben, body).expect(200);
        }
    }

    /// Two changes of different members at one moment: neither is lost.
    fn changes_at_one_moment_are_both_kept(app: TestApp, |setup| setup.workers = 2) {
        let key = app.full_key();
        let id = made(&app, &key, "ben", json!({}))["ID"].clone();
        for round in 0..10 {
            change(&app, &key, &id, json!({ "active": true })).expect(200);
            let text = json!(format!("round {round}"));
            crate::sessions::guessing::at_once(4, |n| {
                let body = [json!({ "active": false }), json!({ "description": text }), json!({ "fullName": text }), json!({ "pagerNumber": text })];
                change(&app, &key, &id, body[n].clone()).expect(200);
            });
            let ben = seen(&app, &key, &id);
            let found: Vec<&Value> = ["description", "fullName", "pagerNumber"].iter().map(|member| &ben[*member]).collect();
            assert_eq!((found, &ben["active"]), (vec![&text; 3], &json!(false)));
        }
    }
}

/// Whoever sets the password of a first start's administrator ends its day of grace.
#[test]
fn another_may_set_the_initial_password() {
    let mut setup = Setup::new(crate::app::Backend::Sqlite);
    setup.with_password = false;
    let app = setup.start();
    let file = app.app.initial_password_file.clone();
    app.administrator("other", PASSWORD, 1, 0);
    let session = session_of(&app, "other");
    assert!(file.exists());
    app.post("/api/administrators/1", json!({ "password": NEW })).with(&session).send().expect(200);
    assert!(!file.exists());
    app.clock.advance(25 * 3_600_000);
    let answer = app.try_sign_in(ADMIN, NEW).expect(200);
    let me = crate::app::Session::from(&answer);
    app.get("/api/administrators").with(&me).send().expect(200);
    let body = json!({ "username": "x", "password": "short", "roleID": 2 });
    assert_refusal(&app.post("/api/administrators", body).with(&me).send(), (400, "weak_password"));
}
