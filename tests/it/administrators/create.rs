//! `POST /api/administrators`.

use serde_json::{Value, json};

use super::{assert_refusal, create, made, seen};
use crate::app::{ADMIN, PASSWORD, START, TestApp, secret};
use crate::both;

both! {
    /// DS-17: the whole object in the documented order, with its defaults; what is unset is left out.
    fn the_answer_is_the_documented_one_byte_for_byte(app: TestApp) {
        let key = app.full_key();
        let body = json!({ "username": "ben", "password": PASSWORD, "roleID": 2, "timeZone": "America/New_York" });
        let answer = app.post("/api/administrators", body).key(&key).send().expect(200);
        let now = START.millis();
        let expected = format!(
            "{{\"username\":\"ben\",\"fullName\":\"\",\"description\":\"\",\"roleID\":2,\"locale\":\"en-US\",\
             \"timeZone\":\"America/New_York\",\"timeFormat\":\"24\",\"passwordNeverExpires\":false,\"active\":true,\
             \"mfaType\":\"none\",\"phoneNumber\":\"\",\"mobileNumber\":\"\",\"pagerNumber\":\"\",\"emailAddress\":\"\",\
             \"primaryContact\":false,\"receiveNotifications\":false,\"reportPDFPasswordEnabled\":false,\"created\":{now},\
             \"lastPasswordChange\":{now},\"unsuccessfulSignInAttempts\":0,\"external\":false,\"type\":\"normal\",\
             \"readOnly\":false,\"ID\":2,\"UTCOffset\":\"UTC-5.00\"}}"
        );
        assert_eq!(answer.text(), expected);
    }

    /// DS-17: every member that can be given is taken, stored and answered in its place; the passwords never.
    fn every_member_is_taken_and_answered_in_its_place(app: TestApp) {
        let key = app.full_key();
        let role = app.role("Operator", &[]);
        let body = json!({
            "username": "Beñ", "password": PASSWORD, "fullName": "Benjamin 鍵", "description": "on call",
            "roleID": role.to_string(), "locale": "ja-JP", "timeZone": "Asia/Tokyo", "timeFormat": "12",
            "passwordNeverExpires": "true", "active": true, "mfaType": "none", "phoneNumber": "+81 3 1234 5678",
            "mobileNumber": "090", "pagerNumber": "7", "emailAddress": "ben@example.com", "primaryContact": true,
            "receiveNotifications": "true", "reportPDFPasswordEnabled": true, "reportPDFPassword": "hunter2 hunter2",
            "external": false, "externalUserID": "urn:ben", "type": "temporary",
        });
        let answer = app.post("/api/administrators", body).key(&key).send().expect(200);
        let now = START.millis();
        let expected = format!(
            "{{\"username\":\"Beñ\",\"fullName\":\"Benjamin 鍵\",\"description\":\"on call\",\"roleID\":{role},\"locale\":\"ja-JP\",\
             \"timeZone\":\"Asia/Tokyo\",\"timeFormat\":\"12\",\"passwordNeverExpires\":true,\"active\":true,\
             \"mfaType\":\"none\",\"phoneNumber\":\"+81 3 1234 5678\",\"mobileNumber\":\"090\",\"pagerNumber\":\"7\",\
             \"emailAddress\":\"ben@example.com\",\"primaryContact\":true,\"receiveNotifications\":true,\
             \"reportPDFPasswordEnabled\":true,\"created\":{now},\"lastPasswordChange\":{now},\
             \"unsuccessfulSignInAttempts\":0,\"external\":false,\"externalUserID\":\"urn:ben\",\"type\":\"temporary\",\
             \"readOnly\":false,\"ID\":2,\"UTCOffset\":\"UTC+9.00\"}}"
        );
        assert_eq!(answer.text(), expected);
        let described = app.get("/api/administrators/2").key(&key).send().expect(200);
        assert_eq!(described.text(), expected);
        let stored = app.rows().join("\n");
        assert!(!stored.contains("hunter2") && !stored.contains(PASSWORD));
    }

    /// DS-13, DS-14: who is made signs in at once with what was given; one made locked does not.
    fn a_new_administrator_signs_in(app: TestApp) {
        let key = app.full_key();
        let id = made(&app, &key, "ben", json!({}))["ID"].clone();
        made(&app, &key, "locked", json!({ "active": "false" }));
        let session = app.try_sign_in("BEN", PASSWORD).expect(200).json();
        assert_eq!(session["administratorID"], id);
        assert_refusal(&app.try_sign_in("locked", PASSWORD), (401, "sign_in_failed"));
        app.clock.advance(5);
        app.try_sign_in("ben", PASSWORD).expect(200);
        app.try_sign_in("ben", "wrong").expect(401);
        let ben = seen(&app, &key, &id);
        assert_eq!((&ben["lastSignIn"], &ben["unsuccessfulSignInAttempts"]), (&json!(START.millis() + 5), &json!(1)));
        assert_eq!(seen(&app, &key, &json!(3)).get("lastSignIn"), None);
    }

    /// What cannot be is refused by name, with no row and no event; never with what was sent.
    fn what_cannot_be_is_refused_by_name(app: TestApp) {
        let key = app.full_key();
        made(&app, &key, "Taken", json!({}));
        let before = app.rows();
        let long = |characters: usize| "x".repeat(characters);
        let table: Vec<(&str, Value, (u16, &str))> = vec![
            ("username", json!(null), (400, "malformed")),
            ("username", json!(""), (400, "malformed")),
            ("username", json!(long(129)), (400, "malformed")),
            ("username", json!(" ben"), (400, "malformed")),
            ("username", json!("b\u{200b}en"), (400, "malformed")),
            ("username", json!(7), (400, "malformed")),
            ("username", json!("ＴＡＫＥＮ"), (409, "name_taken")),
            ("username", json!("masterADMIN"), (409, "name_taken")),
            ("password", json!(null), (400, "malformed")),
            ("password", json!(""), (400, "malformed")),
            ("password", json!(long(1_025)), (400, "malformed")),
            ("password", json!(271828182845_i64), (400, "malformed")),
            ("password", json!("too short"), (400, "weak_password")),
            ("password", json!("passwordpassword"), (400, "weak_password")),
            ("roleID", json!(null), (400, "malformed")),
            ("roleID", json!(99), (400, "unknown_role")),
            ("roleID", json!(0), (400, "unknown_role")),
            ("roleID", json!(-1), (400, "unknown_role")),
            ("roleID", json!(i64::MAX), (400, "unknown_role")),
            ("roleID", json!("one"), (400, "malformed")),
            ("fullName", json!(long(129)), (400, "malformed")),
            ("fullName", json!("a\u{0}b"), (400, "malformed")),
            ("description", json!(long(1_025)), (400, "malformed")),
            ("locale", json!("de-DE"), (400, "unknown_locale")),
            ("timeZone", json!("Nowhere"), (400, "unknown_time_zone")),
            ("timeFormat", json!("36"), (400, "malformed")),
            ("timeFormat", json!(24), (400, "malformed")),
            ("passwordNeverExpires", json!("maybe"), (400, "malformed")),
            ("active", json!(1), (400, "malformed")),
            ("mfaType", json!("local-totp"), (400, "malformed")),
            ("mfaType", json!("sms"), (400, "malformed")),
            ("phoneNumber", json!(long(129)), (400, "malformed")),
            ("mobileNumber", json!("1\n2"), (400, "malformed")),
            ("pagerNumber", json!(7), (400, "malformed")),
            ("emailAddress", json!("not an address"), (400, "malformed")),
            ("emailAddress", json!("ben@example.com\r\nBcc: x@example.com"), (400, "malformed")),
            ("primaryContact", json!(true), (400, "malformed")),
            ("receiveNotifications", json!(true), (400, "malformed")),
            ("external", json!(true), (400, "malformed")),
            ("externalUserID", json!(long(129)), (400, "malformed")),
            ("type", json!("permanent"), (400, "malformed")),
        ];
        for (member, value, expected) in table {
            let answer = create(&app, &key, "ben", json!({ member: value }));
            assert_refusal(&answer, expected);
            let message = answer.json()["message"].as_str().expect("a message").to_owned();
            let named = message.starts_with(member) || message.contains("password") || message.contains("locale") || message.contains("time zone");
            assert!(named && !message.contains("271828182845"), "{member}: {message}");
        }
        let name_as_password = json!({ "username": "an entirely different sentence 7", "password": "An entirely different sentence 7" });
        assert_refusal(&create(&app, &key, "x", name_as_password), (400, "weak_password"));
        assert_eq!(app.rows(), before);
        // the very bounds are taken
        let body = json!({
            "fullName": long(128), "description": long(1_024), "phoneNumber": long(128), "externalUserID": long(128),
            "emailAddress": format!("{}@example.com", long(64)), "receiveNotifications": true, "fullNames": 7,
        });
        made(&app, &key, &"鍵".repeat(128), body);
    }

    /// T-41: read-only members are taken and change nothing.
    fn read_only_members_change_nothing(app: TestApp) {
        let key = app.full_key();
        let body = json!({
            "ID": 1, "created": 5, "lastPasswordChange": 6, "lastSignIn": 7, "unlockTime": 8, "unsuccessfulSignInAttempts": 9,
            "directoryName": "d", "directoryInfo": "i", "readOnly": true, "UTCOffset": "UTC+1.00", "tenantID": 7, "reportPDFPassword": [7],
        });
        let ben = made(&app, &key, "ben", body);
        let plain = made(&app, &key, "ben2", json!({}));
        let without = |mut person: Value| {
            for member in ["ID", "username"] {
                person.as_object_mut().expect("an object").remove(member);
            }
            person
        };
        assert_eq!(without(ben.clone()), without(plain));
        assert_eq!(ben["ID"], 2);
    }

    /// The event names the maker, the new administrator and the role, and no password.
    fn a_new_administrator_leaves_an_event(app: TestApp) {
        let key = app.full_key();
        let before = app.last_event();
        let id = made(&app, &key, "ben", json!({}))["ID"].clone();
        let events = app.events_after(before);
        assert_eq!(events, [format!("650 apiKey/1/full administrator/{id}/ben {{\"active\":true,\"role\":\"Auditor\"}}")]);
        let session = app.sign_in();
        let body = json!({ "username": "eve", "password": PASSWORD, "roleID": 1 });
        let before = app.last_event();
        app.post("/api/administrators", body).with(&session).send().expect(200);
        assert!(app.events_after(before)[0].starts_with(&format!("650 administrator/1/{ADMIN} administrator/3/eve ")));
    }

    /// T-03: people do not expire, so a key that does makes none.
    fn an_expiring_key_makes_nobody(app: TestApp) {
        let full = app.full_key();
        let body = json!({ "keyName": "for a day", "roleID": 1, "expiryDate": START.millis() + 86_400_000 });
        let ending = secret(&app.post("/api/apikeys", body).key(&full).send().expect(200).json());
        let before = app.rows();
        assert_refusal(&create(&app, &ending, "ben", json!({})), (403, "beyond_caller"));
        app.assert_rows(&before, "an expiring key");
    }

    /// Two who want one name at the same moment: one has it, the other is told so.
    fn of_two_with_one_name_one_is_made(app: TestApp, |setup| setup.workers = 2) {
        let key = app.full_key();
        let answers = crate::sessions::guessing::at_once(2, |n| create(&app, &key, ["Ben", "ben"][n], json!({})).refusal());
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.0).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "{answers:?}");
    }
}
