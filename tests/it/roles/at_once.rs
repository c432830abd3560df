//! What happens to roles at the same moment.

use std::sync::Barrier;

use serde_json::json;

use super::{EDIT_KEYS, VIEW_KEYS, change, given, key_of, made, seen, tree};
use crate::app::TestApp;
use crate::both;

both! {
    /// A role that is deleted while keys are minted with it, or given it, is either gone or borne: 204 and nobody has
    /// it, or 409; and the others are told that there is no such role. Nobody sees a fault.
    fn a_role_is_gone_or_borne_never_both(app: TestApp, |setup| setup.workers = 4) {
        let full = app.full_key();
        let spare = app.mint("spare", 2)["ID"].clone();
        let mut outcomes = [0, 0];
        for round in 0..12 {
            let id = made(&app, &full, json!({ "name": format!("round {round}") }))["ID"].clone();
            let start = Barrier::new(3);
            let (deleted, minted, given) = std::thread::scope(|scope| {
                let (app, full, start, id, spare) = (&app, &full, &start, &id, &spare);
                let deleter = scope.spawn(move || {
                    let call = app.delete(&format!("/api/roles/{id}")).key(full);
                    start.wait();
                    call.send().refusal()
                });
                let minter = scope.spawn(move || {
                    let call = app.post("/api/apikeys", json!({ "keyName": format!("k {round}"), "roleID": id })).key(full);
                    start.wait();
                    call.send().refusal()
                });
                let giver = scope.spawn(move || {
                    let call = app.post(&format!("/api/apikeys/{spare}"), json!({ "roleID": id })).key(full);
                    start.wait();
                    call.send().refusal()
                });
                (deleter.join().expect("it answers"), minter.join().expect("it answers"), giver.join().expect("it answers"))
            });
            let left = app.count(&format!("select count(*) as n from roles where id = {id}"));
            let bearers = app.count(&format!("select count(*) as n from api_keys where role_id = {id}"));
            if deleted.0 == 204 {
                assert_eq!((left, bearers), (0, 0));
                assert_eq!((&minted, &given), (&(400, "unknown_role".to_owned()), &(400, "unknown_role".to_owned())));
            } else {
                assert_eq!((deleted, left), ((409, "conflict".to_owned()), 1));
                assert!(bearers > 0, "{minted:?} {given:?}");
            }
            outcomes[usize::from(left == 1)] += 1;
            app.execute(&format!("update api_keys set role_id = 2 where id = {spare}"));
        }
        println!("gone {}, borne {}", outcomes[0], outcomes[1]);
    }

    /// Of changes at once none undoes another: a right that one takes is not given back by one that only renames.
    fn changes_at_once_do_not_undo_one_another(app: TestApp, |setup| setup.workers = 4) {
        let full = app.full_key();
        let id = &made(&app, &full, json!({ "name": "r", "allowWebService": true }))["ID"];
        let key = key_of(&app, id.as_i64().expect("an ID")).split_once(':').expect("two parts").0.to_owned();
        for round in 0..6 {
            change(&app, &full, id, json!({ "rights": tree(&[VIEW_KEYS, EDIT_KEYS], true), "computerIDs": [1, 2], "allowWebService": true })).expect(200);
            app.post(&format!("/api/apikeys/{key}"), json!({ "active": true })).key(&full).send().expect(200);
            let role_changes = [
                json!({ "rights": tree(&[VIEW_KEYS], false) }), json!({ "rights": tree(&[EDIT_KEYS], false) }),
                json!({ "description": format!("round {round}") }), json!({ "computerIDs": [1] }), json!({ "allowWebService": false }),
            ];
            let key_changes = [json!({ "active": false }), json!({ "description": format!("round {round}") })];
            let start = Barrier::new(role_changes.len() + key_changes.len());
            std::thread::scope(|scope| {
                let calls = role_changes.iter().map(|body| app.post(&format!("/api/roles/{id}"), body.clone()))
                    .chain(key_changes.iter().map(|body| app.post(&format!("/api/apikeys/{key}"), body.clone())));
                for call in calls {
                    let (call, start) = (call.key(&full), &start);
                    scope.spawn(move || {
                        start.wait();
                        call.send().expect(200)
                    });
                }
            });
            let role = seen(&app, &full, id);
            assert!(!given(&role).iter().any(|name| name == VIEW_KEYS || name == EDIT_KEYS), "{role}");
            assert_eq!(
                (&role["description"], &role["computerIDs"], &role["allowWebService"]),
                (&json!(format!("round {round}")), &json!([1]), &json!(false))
            );
            let key = app.get(&format!("/api/apikeys/{key}")).key(&full).send().expect(200).json();
            assert_eq!((&key["active"], &key["description"]), (&json!(false), &json!(format!("round {round}"))));
        }
    }
}
