use serde_json::json;

use super::path;
use crate::app::{PASSWORD, Session, TestApp};
use crate::both;

const DAY: i64 = 24 * 60 * 60_000;

both! {
    /// DS-14: length and composition of new passwords are settings, held from the next change on.
    fn composition_is_a_setting(app: TestApp) {
        let key = app.full_key();
        let id = app.administrator("guest.of.the.house", PASSWORD, 1, 0);
        let session = Session::from(&app.try_sign_in("guest.of.the.house", PASSWORD).expect(200));
        let mut current = PASSWORD.to_owned();
        let mut change = |new: &str| {
            let body = json!({ "currentPassword": current, "newPassword": new });
            let answer = app.post(&format!("/api/administrators/{id}/password"), body).with(&session).send();
            if answer.status == 204 {
                current = new.to_owned();
            }
            answer
        };
        let cases = [
            ("UserPasswordLengthMin", "30", "nine purple elephants juggling", "nine purple elephants juggle!"),
            ("UserPasswordRequireLettersAndNumbersEnabled", "true", "seven purple elephants juggling 42 pears", "seven purple elephants juggling of pears"),
            ("UserPasswordRequireMixedCaseEnabled", "true", "Seven purple elephants juggling 42 pears", "eight purple elephants juggling 42 pears"),
            ("UserPasswordRequireSpecialCharactersEnabled", "true", "Seven-PurpleElephants-Juggling42pears", "EightPurpleElephantsJuggling42pearsxx"),
        ];
        for (name, value, good, bad) in cases {
            app.set(&key, name, value).expect(200);
            let refused = change(bad);
            assert_eq!(refused.refusal(), (400, "weak_password".into()), "{name}");
            change(good).expect(204);
        }
        app.set(&key, "UserPasswordLengthMin", "8").expect(200);
        assert_eq!(change("Passw0rd!").refusal(), (400, "weak_password".into()), "what would be guessed is refused whatever the settings");
        for (name, _, _, _) in cases {
            app.delete(&path(name)).key(&key).send().expect(200);
        }
        assert_eq!(change("esuoh.eht.fo.tseug").refusal(), (400, "weak_password".into()), "the name reversed");
        change(PASSWORD).expect(204);
    }

    /// DS-14: with an expired password a session may see to its own account and nothing else, until it is changed.
    fn an_expired_password_must_be_changed_first(app: TestApp) {
        let key = app.full_key();
        let id = app.administrator("guest", PASSWORD, 1, 0);
        let open = Session::from(&app.try_sign_in("guest", PASSWORD).expect(200));
        let list = |session: &Session| app.get("/api/apikeys").with(session).send();
        app.set(&key, "UserSessionIdleTimeout", "30 Days").expect(200);
        app.set(&key, "UserSessionDurationMax", "No Limit").expect(200);
        app.set(&key, "UserPasswordExpiry", "1 Days").expect(200);
        app.execute("update sessions set absolute_end = 9000000000000");
        app.clock.advance(DAY - 1);
        list(&open).expect(200);
        app.clock.advance(1);
        assert_eq!(list(&open).refusal(), (403, "password_expired".into()), "open sessions, too");
        let session = Session::from(&app.try_sign_in("guest", PASSWORD).expect(200));
        for call in [app.get("/api/apikeys"), app.get("/api/roles"), app.post("/api/apikeys", json!({ "keyName": "k", "roleID": 2 })), app.get("/api/systemsettings")] {
            assert_eq!(call.with(&session).send().refusal(), (403, "password_expired".into()));
        }
        app.get("/api/sessions/current").with(&session).send().expect(200);
        app.get("/api/apikeys").key(&key).send().expect(200);
        let body = json!({ "currentPassword": PASSWORD, "newPassword": "seven purple elephants quietly juggling" });
        app.post(&format!("/api/administrators/{id}/password"), body).with(&session).send().expect(204);
        list(&session).expect(200);
        app.set(&key, "UserPasswordExpiry", "Never").expect(200);
        app.clock.advance(20 * DAY);
        list(&session).expect(200);
    }
}
