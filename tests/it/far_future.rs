//! The clock past the ends that other programs' clocks have.

use firstkey::clock::{Clock, Timestamp};
use serde_json::json;

use crate::app::{ADMIN, PASSWORD, Session, TestApp, secret};
use crate::both;

/// 2038-01-19 03:14:00 UTC, eight seconds before 32 bits of seconds are full.
const BEFORE_2038: Timestamp = Timestamp::from_millis(2_147_483_640_000);
/// 2100-02-28 23:59:30 UTC: that year has no 29 February.
const END_OF_FEBRUARY_2100: Timestamp = Timestamp::from_millis(4_107_542_370_000);

/// A session, keys with and without an end, and what is written down of them, across the moment.
fn a_day_across(app: &TestApp) {
    let began = app.clock.now().millis();
    let session = app.sign_in();
    let make = |name: &str, expiry: i64| {
        let body = json!({ "keyName": name, "roleID": 1, "expiryDate": expiry });
        app.post("/api/apikeys", body).with(&session).send().expect(200).json()
    };
    let (short, year, never) =
        (make("short", began + 60_000), make("year", began + 366 * 86_400_000), make("never", 0));
    assert_eq!(short["created"], json!(began));
    let is_in = |key: &serde_json::Value| app.get("/api/apikeys/current").key(&secret(key)).send().status;
    app.clock.advance(59_999);
    assert_eq!((is_in(&short), is_in(&year), is_in(&never)), (200, 200, 200));
    app.clock.advance(1);
    assert_eq!((is_in(&short), is_in(&year), is_in(&never)), (401, 200, 200), "at the very millisecond");
    let seen = app.get(&format!("/api/apikeys/{}", year["ID"])).key(&secret(&never)).send().expect(200).json();
    assert_eq!(seen["lastSignIn"], json!(began + 60_000));
    assert_eq!(seen["expiryDate"], json!(began + 366 * 86_400_000));

    let found =
        json!({ "searchCriteria": [{ "fieldName": "created", "firstDateValue": began, "lastDateValue": began }] });
    let found = app.post("/api/apikeys/search", found).key(&secret(&never)).send().expect(200).json();
    assert_eq!(found["apiKeys"].as_array().map(Vec::len), Some(3));
    assert_eq!(app.count(&format!("select count(*) as n from audit_events where number = 5010 and at = {began}")), 3);

    app.get("/api/sessions/current").with(&session).send().expect(200);
    app.clock.advance(30 * 60_000);
    app.get("/api/sessions/current").with(&session).send().expect(401);
    app.clock.advance(366 * 86_400_000);
    assert_eq!((is_in(&year), is_in(&never)), (401, 200), "what has ended stays so");
    let again = Session::from(&app.try_sign_in(ADMIN, PASSWORD).expect(200));
    app.get("/api/sessions/current").with(&again).send().expect(200);
}

both! {
    /// T-22: a second of 2038 is as any other.
    fn nothing_happens_in_2038(app: TestApp, |setup| setup.clock = Clock::held(BEFORE_2038)) {
        a_day_across(&app);
    }

    /// T-22: nor does 2100, which is no leap year.
    fn nothing_happens_in_2100(app: TestApp, |setup| setup.clock = Clock::held(END_OF_FEBRUARY_2100)) {
        a_day_across(&app);
    }
}
