//! `POST /api/sessions` as the documentation shows it.

use serde_json::json;

use crate::app::{ADMIN, PASSWORD, START, Session, TestApp};
use crate::both;

both! {
    /// DS-04, DS-06: 141 bytes, the five members in the documented order.
    fn the_answer_is_the_documented_one_byte_for_byte(app: TestApp) {
        let answer = app.try_sign_in(ADMIN, PASSWORD).expect(200);
        assert_eq!(answer.header("content-length"), Some("141"));
        let rid = Session::from(&answer).rid;
        let now = START.millis();
        assert_eq!(
            answer.text(),
            format!(r#"{{"administratorID":1,"created":{now},"lastActivity":{now},"accessType":"webService","RID":"{rid}"}}"#)
        );
        assert!(rid.len() == 32 && rid.bytes().all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte)));
    }

    /// DS-03, T-17: the cookie's line is exactly the documented one.
    fn the_cookie_is_the_documented_line(app: TestApp) {
        let answer = app.try_sign_in(ADMIN, PASSWORD).expect(200);
        let sid = Session::from(&answer).sid;
        assert_eq!(answer.header("set-cookie"), Some(format!("sID={sid}; Path=/; Secure; HttpOnly").as_str()));
        assert!(sid.len() == 32 && sid.bytes().all(|byte| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte)));
    }

    /// DS-05: the four documented headers, with the documented values.
    fn the_headers_are_the_documented_ones(app: TestApp) {
        let answer = app.try_sign_in(ADMIN, PASSWORD).expect(200);
        for (name, value) in [
            ("X-Frame-Options", "SAMEORIGIN"),
            ("X-XSS-Protection", "1;mode=block"),
            ("Cache-Control", "no-cache,no-store"),
            ("Pragma", "no-cache"),
            ("Content-Type", "application/json"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name}");
        }
    }

    /// DS-01: the primary tenant answers to its own name and to none.
    fn the_primary_tenant_has_a_name_and_needs_none(app: TestApp) {
        for tenant in [json!(null), json!(""), json!("Primary"), json!("PRIMARY")] {
            let body = json!({ "userName": ADMIN, "password": PASSWORD, "tenantName": tenant });
            app.post("/api/sessions", body).send().expect(200);
        }
    }
}
