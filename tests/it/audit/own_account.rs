//! What people do about their own account is told, step by step.

use serde_json::json;

use crate::app::{PASSWORD, TestApp};
use crate::both;
use crate::sessions::second_factor::{code, enrol};

both! {
    /// DS-16: MFA that is enrolled, turned on and turned off, and a password that is set; each with who, to whom and from where.
    fn mfa_and_password_leave_their_events(app: TestApp) {
        let after = app.last_event();
        let (seed, session) = enrol(&app);
        app.clock.advance(30_000);
        let off = json!({ "password": PASSWORD, "mfaCode": code(&app, &seed, 0) });
        app.delete("/api/administrators/1/totp").json(off).with(&session).send().expect(204);
        let change = json!({ "currentPassword": PASSWORD, "newPassword": "an entirely different sentence 7" });
        app.post("/api/administrators/1/password", change).with(&session).send().expect(204);
        let me = "administrator/1/MasterAdmin administrator/1/MasterAdmin";
        let events = app.events_after(after);
        let told: Vec<&str> = events.iter().map(String::as_str).filter(|event| !event.starts_with("600 ")).collect();
        for (event, (number, words)) in told.iter().zip([
            (652, "MFA enrolment begun"),
            (652, "mfaType: none → local-totp"),
            (652, "mfaType: local-totp → none"),
            (653, ""),
        ]) {
            assert!(event.starts_with(&format!("{number} {me} ")) && event.contains(words), "{event}: {number} {words}");
        }
        assert_eq!(told.len(), 4, "{told:?}");
        let from = format!("select count(*) as n from audit_events where id > {after} and address = '127.0.0.1' and length(request_id) = 16 and tenant_id = 0");
        assert_eq!(app.count(&from), events.len() as i64);
    }
}
