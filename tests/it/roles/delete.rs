//! `DELETE /api/administratorroles/{roleID}`, and the same under `/api/roles`.

use serde_json::json;

use super::{BEYOND, CONFLICT, DELETE, PATHS, VIEW_KEYS, assert_refusal, key_of, made, tree};
use crate::app::{PASSWORD, Session, TestApp};
use crate::both;
use crate::stored::without_trace;

both! {
    /// A role that nobody bears is gone for good: 204 with no body, 404 from then on, its ID given to nobody, and one
    /// event of it.
    fn a_role_that_nobody_bears_is_gone_for_good(app: TestApp) {
        let full = app.full_key();
        for path in PATHS {
            let id = made(&app, &full, json!({ "name": "r" }))["ID"].clone();
            let before = app.last_event();
            let item = format!("{path}/{id}");
            let answer = app.delete(&item).json(json!({})).key(&full).send().expect(204);
            assert!(answer.body.is_empty());
            let maker_id = full.split_once(':').expect("two parts").0;
            assert_eq!(app.events_after(before), [format!("661 apiKey/{maker_id}/full role/{id}/r {{}}")]);
            for call in [app.get(&item), app.delete(&item), app.post(&item, json!({}))] {
                assert_refusal(call.key(&full).send().refusal(), (404, "not_found"));
            }
            let next = made(&app, &full, json!({ "name": "next" }))["ID"].clone();
            assert!(next.as_i64() > id.as_i64());
            app.delete(&format!("{path}/{next}")).key(&full).send().expect(204);
        }
    }

    /// A role in use is 409, and stays, until its last bearer is gone: a person or a key, expired or locked out too.
    fn a_role_in_use_stays(app: TestApp) {
        let full = app.full_key();
        let id = made(&app, &full, json!({ "name": "r", "allowWebService": true }))["ID"].as_i64().expect("an ID");
        let delete = || app.delete(&format!("/api/roles/{id}")).key(&full).send();
        let key = key_of(&app, id);
        let key_id = key.split_once(':').expect("two parts").0.to_owned();
        app.execute(&format!("update api_keys set active = false where id = {key_id}"));
        let rows = app.rows();
        let answer = delete();
        assert_refusal(answer.refusal(), CONFLICT);
        assert!(answer.json()["message"].as_str().is_some_and(|message| message.contains("in use")));
        app.assert_rows(&rows, "nothing happened");
        app.delete(&format!("/api/apikeys/{key_id}")).key(&full).send().expect(204);
        let person = app.administrator("ben", PASSWORD, id, 0);
        assert_refusal(delete().refusal(), CONFLICT);
        app.execute(&format!("update administrators set role_id = 2 where id = {person}"));
        delete().expect(204);
    }

    /// The built-in roles stay, whoever asks; another tenant's role is as one that never was.
    fn built_in_roles_stay(app: TestApp) {
        let full = app.full_key();
        let tenant = app.tenant("Blue");
        app.administrator("blue", PASSWORD, 1, tenant);
        let body = json!({ "userName": "blue", "password": PASSWORD, "tenantName": "Blue" });
        let session = Session::from(&app.post("/api/sessions", body).send().expect(200));
        let ours = app.role("Ours", &[]);
        let rows = app.rows();
        for id in [1, 2] {
            assert_refusal(app.delete(&format!("/api/roles/{id}")).key(&full).send().refusal(), CONFLICT);
            assert_refusal(app.delete(&format!("/api/roles/{id}")).with(&session).send().refusal(), CONFLICT);
        }
        let [foreign, never] = [ours, 2_147_483_647]
            .map(|id| without_trace(&app.delete(&format!("/api/roles/{id}")).with(&session).send().expect(404)));
        assert_eq!(foreign, never);
        app.assert_rows(&rows, "nothing happened");
    }

    /// T-04: nobody removes a role that is stronger than their own.
    fn a_stronger_role_is_out_of_reach(app: TestApp) {
        let full = app.full_key();
        let deleter = key_of(&app, app.role("Deleter", &[DELETE]));
        let stronger = made(&app, &full, json!({ "name": "stronger", "rights": tree(&[VIEW_KEYS], true) }))["ID"].clone();
        let weaker = made(&app, &full, json!({ "name": "weaker", "rights": {} }))["ID"].clone();
        let rows = app.rows();
        for id in [&stronger, &json!(1), &json!(2)] {
            assert_refusal(app.delete(&format!("/api/roles/{id}")).key(&deleter).send().refusal(), BEYOND);
        }
        app.assert_rows(&rows, "nothing happened");
        app.delete(&format!("/api/roles/{weaker}")).key(&deleter).send().expect(204);
    }
}
