//! `DELETE /api/apikeys/{apiKeyID}`.

use serde_json::json;

use super::{IN, assert_refusal, made, presented};
use crate::app::{TestApp, secret};
use crate::both;

both! {
    /// DS-45: gone for good, on the very next request; nothing of it is left but its events.
    fn a_deleted_key_is_refused_on_the_next_request(app: TestApp) {
        let maker = app.full_key();
        let key = made(&app, &maker, json!({ "keyName": "k", "roleID": 2 }));
        let (item, secret) = (format!("/api/apikeys/{}", key["ID"]), secret(&key));
        assert_refusal(presented(&app, &secret), IN);
        let answer = app.delete(&item).key(&maker).send().expect(204);
        assert!(answer.body.is_empty() && answer.header("content-type").is_none());
        assert_refusal(presented(&app, &secret), (401, "invalid_api_key"));
        for again in [app.get(&item), app.delete(&item), app.post(&item, json!({}))] {
            assert_refusal(again.key(&maker).send().refusal(), (404, "not_found"));
        }
        assert_eq!(app.count(&format!("select count(*) as n from api_key_secrets where api_key_id = {}", key["ID"])), 0);
        app.flush();
    }

    /// IDs are parts of secrets and of the audit trail: none is given twice, the last one neither.
    fn an_id_is_never_given_again(app: TestApp) {
        let maker = app.full_key();
        let mut last = 0;
        for n in 0..4 {
            let id = made(&app, &maker, json!({ "keyName": format!("k{n}"), "roleID": 2 }))["ID"].as_i64().expect("a number");
            assert!(id > last, "{id} after {last}");
            last = id;
            app.delete(&format!("/api/apikeys/{id}")).key(&maker).send().expect(204);
        }
        // the name is free again, though
        made(&app, &maker, json!({ "keyName": "k0", "roleID": 2 }));
    }

    /// A key may delete itself, and the call is its last.
    fn a_key_may_delete_itself(app: TestApp) {
        let maker = app.full_key();
        let id = maker.split_once(':').expect("two parts").0.to_owned();
        app.delete(&format!("/api/apikeys/{id}")).key(&maker).send().expect(204);
        assert_refusal(presented(&app, &maker), (401, "invalid_api_key"));
    }

    /// Children outlive a maker that is deleted or locked.
    fn children_outlive_their_maker(app: TestApp) {
        let session = app.sign_in();
        let maker = app.full_key();
        let child = secret(&made(&app, &maker, json!({ "keyName": "child", "roleID": 2 })));
        let item = format!("/api/apikeys/{}", maker.split_once(':').expect("two parts").0);
        app.post(&item, json!({ "active": false })).with(&session).send().expect(200);
        assert_refusal(presented(&app, &child), IN);
        app.delete(&item).with(&session).send().expect(204);
        assert_refusal(presented(&app, &child), IN);
    }

    /// The event outlives the key; events can be neither changed nor removed.
    fn events_outlive_the_key_and_stay_as_they_are(app: TestApp) {
        let maker = app.full_key();
        let id = made(&app, &maker, json!({ "keyName": "k", "roleID": 2 }))["ID"].clone();
        let before = app.last_event();
        app.delete(&format!("/api/apikeys/{id}")).key(&maker).send().expect(204);
        let maker_id = maker.split_once(':').expect("two parts").0;
        assert_eq!(app.events_after(before), [format!("5012 apiKey/{maker_id}/full apiKey/{id}/k {{}}")]);
        let events = app.rows_of("audit_events");
        for tampering in [
            "update audit_events set actor_name = 'nobody'",
            "update audit_events set details = '{}' where id = 1",
            "delete from audit_events",
            "delete from audit_events where id = 1",
        ] {
            let refused = app.app.database.write_here(move |db| {
                use diesel::RunQueryDsl as _;
                Ok(diesel::sql_query(tampering).execute(db)?)
            });
            let cause = refused.expect_err(tampering).cause().unwrap_or_default();
            assert!(cause.contains("append-only"), "{tampering}: {cause}");
        }
        assert_eq!(app.rows_of("audit_events"), events);
    }
}
