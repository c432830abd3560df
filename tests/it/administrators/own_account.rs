//! What a person does about their own password and second factor.

use serde_json::json;

use super::NEW;
use crate::app::{ADMIN, PASSWORD, Session, TestApp};
use crate::both;
use crate::sessions::second_factor::{code, enrol, sign_in};

both! {
    /// DS-16: an enrolment answers a link, the seed and a picture; until its first code nothing has changed.
    fn an_enrolment_waits_for_its_first_code(app: TestApp) {
        let me = app.sign_in();
        let answer = app.post("/api/administrators/1/totp", json!({ "password": PASSWORD })).with(&me).send().expect(200).json();
        let seed = answer["seed"].as_str().expect("a seed");
        let link = answer["otpauthURL"].as_str().expect("a link");
        assert!(link.starts_with("otpauth://totp/Firstkey:MasterAdmin?") && link.contains(&format!("secret={seed}")), "{link}");
        let picture = answer["qrCode"].as_str().expect("a picture");
        assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>"));
        app.try_sign_in(ADMIN, PASSWORD).expect(200);
        for wrong in [json!("000000"), json!("12345"), json!(7)] {
            let refused = app.post("/api/administrators/1/totp/confirm", json!({ "mfaCode": wrong })).with(&me).send();
            assert_eq!(refused.refusal(), (401, "sign_in_failed".into()));
        }
        app.try_sign_in(ADMIN, PASSWORD).expect(200);
        app.post("/api/administrators/1/totp/confirm", json!({ "mfaCode": code(&app, seed, 0) })).with(&me).send().expect(204);
        assert_eq!(app.try_sign_in(ADMIN, PASSWORD).code(), "mfa_code_needed");
        assert_eq!(app.count("select count(*) as n from administrators where mfa_type = 'local-totp'"), 1);
    }

    /// The password is asked again, and a second factor that is on is not replaced by a thief's.
    fn a_stolen_session_cannot_take_the_account_over(app: TestApp) {
        let me = app.sign_in();
        let refused = app.post("/api/administrators/1/totp", json!({ "password": "wrong" })).with(&me).send();
        assert_eq!(refused.refusal(), (401, "sign_in_failed".into()));
        let refused = app.post("/api/administrators/1/password", json!({ "currentPassword": "wrong", "newPassword": NEW })).with(&me).send();
        assert_eq!(refused.refusal(), (401, "sign_in_failed".into()));
        let (seed, me) = enrol(&app);
        let again = app.post("/api/administrators/1/totp", json!({ "password": PASSWORD })).with(&me).send();
        assert_eq!(again.refusal(), (409, "conflict".into()));
        app.clock.advance(30_000);
        for (password, code) in [("wrong", code(&app, &seed, 0)), (PASSWORD, "000000".into())] {
            let refused = app.delete("/api/administrators/1/totp").json(json!({ "password": password, "mfaCode": code })).with(&me).send();
            assert_eq!(refused.refusal(), (401, "sign_in_failed".into()));
        }
        sign_in(&app, json!(code(&app, &seed, 0))).expect(200);
    }

    /// A thief's guesses at the password are throttled like anybody's, and together with theirs.
    fn asking_again_is_throttled(app: TestApp) {
        let me = app.sign_in();
        let ask = || app.post("/api/administrators/1/totp", json!({ "password": "wrong" })).with(&me).send();
        let statuses: Vec<u16> = (0..6).map(|_| ask().status).collect();
        assert_eq!(statuses, [401, 401, 401, 401, 401, 429]);
        app.try_sign_in(ADMIN, PASSWORD).expect(429);
    }

    /// Only one's own account, and only as a person.
    fn it_is_ones_own_account_only(app: TestApp) {
        let ben = app.administrator("ben", PASSWORD, 2, 0);
        let me = app.sign_in();
        for id in [ben, 999, 99_999_999_999] {
            for (method, path, body) in [
                ("POST", "totp", json!({ "password": PASSWORD })),
                ("POST", "totp/confirm", json!({ "mfaCode": "000000" })),
                ("DELETE", "totp", json!({ "password": PASSWORD, "mfaCode": "000000" })),
                ("POST", "password", json!({ "currentPassword": PASSWORD, "newPassword": NEW })),
            ] {
                let answer = app.call(method, &format!("/api/administrators/{id}/{path}")).json(body).with(&me).send();
                assert!(matches!(answer.status, 403 | 404), "{} {path}", answer.text());
            }
        }
        let key = app.full_key();
        let answer = app.post("/api/administrators/1/totp", json!({ "password": PASSWORD })).key(&key).send();
        assert_eq!(answer.refusal(), (403, "wrong_credential_kind".into()));
        let auditor = Session::from(&app.try_sign_in("ben", PASSWORD).expect(200));
        app.post(&format!("/api/administrators/{ben}/password"), json!({ "currentPassword": PASSWORD, "newPassword": NEW })).with(&auditor).send().expect(204);
    }

    /// DS-14: a new password is long and hard to guess, not the name, and another than the old one.
    fn a_weak_password_is_refused_with_the_reason(app: TestApp) {
        let me = app.sign_in();
        for (new, says) in [("too short 1", "15 characters"), ("passwordpassword", "guessed"), (PASSWORD, "differ")] {
            let answer = app.post("/api/administrators/1/password", json!({ "currentPassword": PASSWORD, "newPassword": new })).with(&me).send();
            assert_eq!(answer.refusal(), (400, "weak_password".into()));
            assert!(answer.text().contains(says), "{}", answer.text());
        }
        let long = json!({ "currentPassword": PASSWORD, "newPassword": "x".repeat(1_025) });
        app.post("/api/administrators/1/password", long).with(&me).send().expect(400);
        app.try_sign_in(ADMIN, PASSWORD).expect(200);
    }

    /// A password that was hashed at another cost is hashed anew when it is next typed.
    fn a_hash_of_another_cost_is_made_anew_at_sign_in(app: TestApp) {
        let peppered = app.app.keyring.peppered(&firstkey::secret::Password::new(PASSWORD.into()).expect("a password"));
        let old = firstkey::auth::password_lane::PasswordLane::hash_here(&peppered, 5).expect("hashed");
        app.execute(&format!("update administrators set password_hash = '{old}' where id = 1"));
        app.try_sign_in(ADMIN, PASSWORD).expect(200);
        assert_eq!(app.count("select count(*) as n from administrators where password_hash like '$fk1$2b$04$%'"), 1);
        app.try_sign_in(ADMIN, PASSWORD).expect(200);
    }
}
