//! Sessions that nobody ended: the event is written when their time is over, and not when somebody asks for it.

use firstkey::chores;

use super::wait_for;
use crate::app::TestApp;
use crate::both;

const MINUTE: i64 = 60_000;

fn time_out(app: &TestApp) -> usize {
    wait_for(chores::time_sessions_out(&app.app)).expect("it is done")
}

both! {
    /// DS-12: an idle session's end is an event, once, of the tenant and about the administrator.
    fn an_idle_session_ends_with_one_event(app: TestApp) {
        let (idle, used) = (app.sign_in(), app.sign_in());
        app.clock.advance(29 * MINUTE);
        app.get("/api/sessions/current").with(&used).send().expect(200);
        assert_eq!(time_out(&app), 0);
        app.clock.advance(MINUTE);
        let after = app.last_event();
        // old cookies, however many, write nothing
        for _ in 0..3 {
            app.get("/api/sessions/current").with(&idle).send().expect(401);
        }
        assert_eq!(app.events_after(after), Vec::<String>::new());
        assert_eq!(time_out(&app), 1);
        let events = app.events_after(after);
        assert_eq!(events.len(), 1);
        assert!(events[0].starts_with("602 system/-/session time-out administrator/1/MasterAdmin {"), "{}", events[0]);
        for word in ["\"reason\":\"idle\"", "\"address\":\"127.0.0.1\"", "\"session\":\"", "\"lastActivity\":"] {
            assert!(events[0].contains(word), "{word}: {}", events[0]);
        }
        assert_eq!(time_out(&app), 0, "once");
        app.get("/api/sessions/current").with(&idle).send().expect(401);
        app.get("/api/sessions/current").with(&used).send().expect(200);
        app.delete("/api/sessions/current").with(&used).send().expect(204);
        app.clock.advance(24 * 60 * MINUTE);
        assert_eq!(time_out(&app), 0, "a session that was ended does not time out");
    }

    /// DS-12: so is the end of the longest life; in another tenant the event is that tenant's.
    fn the_longest_life_ends_with_one_event_of_the_sessions_tenant(app: TestApp) {
        let tenant = app.tenant("Blue");
        app.administrator("blue", crate::app::PASSWORD, 1, tenant);
        let body = serde_json::json!({ "userName": "blue", "password": crate::app::PASSWORD, "tenantName": "Blue" });
        let session = crate::app::Session::from(&app.post("/api/sessions", body).send().expect(200));
        for _ in 0..35 {
            app.clock.advance(20 * MINUTE);
            app.get("/api/sessions/current").with(&session).send().expect(200);
        }
        assert_eq!(time_out(&app), 0);
        app.clock.advance(20 * MINUTE);
        assert_eq!(time_out(&app), 1);
        let of_tenant = format!("select count(*) as n from audit_events where number = 602 and tenant_id = {tenant}");
        assert_eq!(app.count(&of_tenant), 1);
        assert!(app.events_after(0).iter().any(|event| event.contains("\"reason\":\"longest\"")));
    }
}
