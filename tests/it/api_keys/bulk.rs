//! `POST /api/apikeys/bulk/…`.

use serde_json::{Value, json};

use super::{IN, assert_refusal, made, presented, seen};
use crate::app::{START, TestApp, secret};
use crate::both;
use crate::http::Answer;
use crate::jobs::{begun, confirmed, ended, many_keys, resume};

const DAY: i64 = 86_400_000;

fn named(pattern: &str) -> Value {
    json!({ "searchCriteria": [{ "fieldName": "keyName", "stringValue": pattern }] })
}

fn dry(app: &TestApp, key: &str, verb: &str, order: &Value) -> Answer {
    app.post(&format!("/api/apikeys/bulk/{verb}?dryRun=true"), order.clone()).key(key).send()
}

fn names(answer: &Value, list: &str) -> Vec<String> {
    let keys = answer[list].as_array().expect("a list");
    keys.iter().map(|key| key["keyName"].as_str().expect("a name").to_owned()).collect()
}

/// Members added to an order.
fn with(mut order: Value, more: Value) -> Value {
    order.as_object_mut().expect("members").extend(more.as_object().expect("members").clone());
    order
}

both! {
    /// MC-10, MC-11: a dry run shows which keys it would be and how lately they were used, and does nothing; with its
    /// confirmation that very set is revoked, each key with an event and a row of its own in the history.
    fn keys_are_revoked_in_two_steps(app: TestApp) {
        let full = app.full_key();
        let keys: Vec<Value> = (1..=3).map(|n| made(&app, &full, json!({ "keyName": format!("old {n}"), "roleID": 2 }))).collect();
        made(&app, &full, json!({ "keyName": "new", "roleID": 2 }));
        assert_refusal(presented(&app, &secret(&keys[0])), IN);
        app.flush();
        app.execute(&format!("update api_keys set last_sign_in = {} where id = {}", START.millis() - 2 * DAY, keys[1]["ID"]));
        app.execute(&format!("update api_key_secrets set last_address = '10.0.0.7' where api_key_id = {}", keys[1]["ID"]));
        let rows = app.rows();
        let order = with(named("old%"), json!({ "reason": "unused", "note": "spring cleaning" }));
        let answer = dry(&app, &full, "revoke", &order).expect(200).json();
        app.assert_rows(&rows, "a dry run");
        let key = |n: usize| json!({ "keyName": format!("old {}", n + 1), "roleID": 2, "ID": keys[n]["ID"] });
        assert_eq!(answer, json!({
            "count": 3, "neverUsed": 1, "usedWithin24h": 1, "unchanged": 0, "refused": { "count": 0, "keys": [] }, "ownKeyLeftOut": false,
            "keys": [
                with(key(0), json!({ "lastSignIn": START.millis(), "callers": ["127.0.0.1"] })),
                with(key(1), json!({ "lastSignIn": START.millis() - 2 * DAY, "callers": ["10.0.0.7"] })),
                key(2),
            ],
            "confirmation": answer["confirmation"], "confirmationEnds": START.millis() + 600_000,
        }));
        let before = app.last_event();
        let order = with(order, json!({ "confirmation": answer["confirmation"] }));
        let begun = app.post("/api/apikeys/bulk/revoke", order).key(&full).send().expect(200).json();
        assert_eq!(begun, json!({ "count": 3, "jobID": begun["jobID"] }));
        let job = ended(&app, &full, &begun["jobID"]);
        assert_eq!((&job["state"], &job["total"], &job["done"], &job["failed"]), (&json!("done"), &json!(3), &json!(3), &json!(0)));
        let id = &begun["jobID"];
        let maker = full.split(':').next().expect("an ID");
        let said = json!({ "note": "spring cleaning", "reason": "unused" });
        let mut expected = vec![format!("5141 apiKey/{maker}/full job/{id}/apiKeys.revoke {}", with(said.clone(), json!({ "total": 3 })))];
        for key in &keys {
            let details = with(said.clone(), json!({ "job": id }));
            expected.push(format!("5012 apiKey/{maker}/full apiKey/{}/{} {details}", key["ID"], key["keyName"].as_str().expect("a name")));
        }
        expected.push(format!("5142 apiKey/{maker}/full job/{id}/apiKeys.revoke {}", json!({ "done": 3, "failed": 0, "total": 3 })));
        assert_eq!(app.events_after(before), expected);
        for key in &keys {
            assert_refusal(presented(&app, &secret(key)), (401, "invalid_api_key"));
            let kept = app.get(&format!("/api/apikeys/revoked/{}", key["ID"])).key(&full).send().expect(200).json();
            assert_eq!((&kept["revocationReason"], &kept["note"]), (&json!("unused"), &json!("spring cleaning")));
        }
        assert_eq!(names(&app.get("/api/apikeys").key(&full).send().json(), "apiKeys"), ["full", "new"]);
    }

    /// Without a confirmation, or with one of another call, of somebody else or of long ago, nothing happens.
    fn nothing_happens_without_the_confirmation_of_this_very_call(app: TestApp) {
        let full = app.full_key();
        let other = secret(&made(&app, &full, json!({ "keyName": "other", "roleID": 1 })));
        for n in 1..=2 {
            made(&app, &full, json!({ "keyName": format!("k {n}"), "roleID": 2 }));
        }
        let order = with(named("k %"), json!({ "reason": "unused" }));
        let given = dry(&app, &full, "revoke", &order).expect(200).json()["confirmation"].as_str().expect("a text").to_owned();
        let rows = app.rows();
        let (until, rest) = given.split_once('-').expect("parts");
        let later = format!("{}-{rest}", until.parse::<i64>().expect("a number") + 1);
        let tried = |key: &str, verb: &str, order: Value, confirmation: &str| {
            let order = with(order, json!({ "confirmation": confirmation }));
            app.post(&format!("/api/apikeys/bulk/{verb}"), order).key(key).send()
        };
        let without = app.post("/api/apikeys/bulk/revoke", order.clone()).key(&full).send();
        assert!(without.text().contains("dryRun=true"), "{}", without.text());
        for (what, answer) in [
            ("none", without),
            ("nonsense", tried(&full, "revoke", order.clone(), "yes")),
            ("a longer one", tried(&full, "revoke", order.clone(), &later)),
            ("cut off", tried(&full, "revoke", order.clone(), &given[..given.len() - 1])),
            ("another verb", tried(&full, "lock", order.clone(), &given)),
            ("another reason", tried(&full, "revoke", with(order.clone(), json!({ "reason": "leaked" })), &given)),
            ("another note", tried(&full, "revoke", with(order.clone(), json!({ "note": "n" })), &given)),
            ("somebody else", tried(&other, "revoke", order.clone(), &given)),
        ] {
            assert_eq!(answer.refusal(), (400, "confirmation_needed".into()), "{what}: {}", answer.text());
            app.assert_rows(&rows, what);
        }
        // criteria may be written in another way, as long as they find the same
        let same = with(named("K_%"), json!({ "reason": "unused", "dryRun": false }));
        app.clock.advance(599_999);
        let job = tried(&full, "revoke", same, &given).expect(200).json()["jobID"].clone();
        assert_eq!(ended(&app, &full, &job)["done"], 2);
        let order = named("other");
        let given = dry(&app, &full, "revoke", &order).json()["confirmation"].as_str().expect("a text").to_owned();
        app.clock.advance(600_000);
        assert_eq!(tried(&full, "revoke", order, &given).refusal(), (400, "confirmation_needed".into()), "ten minutes later");
    }

    /// A set that has changed since the dry run is told by a code of its own, and nothing happens.
    fn another_set_than_was_shown_is_refused(app: TestApp) {
        let full = app.full_key();
        made(&app, &full, json!({ "keyName": "k 1", "roleID": 2 }));
        let second = confirmed(&app, &full, "revoke", named("k %"));
        made(&app, &full, json!({ "keyName": "k 2", "roleID": 2 }));
        let rows = app.rows();
        let answer = second.send();
        assert_eq!(answer.refusal(), (409, "set_changed".into()));
        assert!(answer.text().contains("Nothing was done"), "{}", answer.text());
        app.assert_rows(&rows, "another set");
    }

    /// Nobody saws off the branch they sit on: the caller's own key is left out, and the answer says so.
    fn the_callers_own_key_is_left_out(app: TestApp) {
        let full = app.full_key();
        made(&app, &full, json!({ "keyName": "other", "roleID": 2 }));
        for verb in ["revoke", "lock", "rotate"] {
            let answer = dry(&app, &full, verb, &json!({ "searchCriteria": [] })).expect(200).json();
            assert_eq!((&answer["ownKeyLeftOut"], names(&answer, "keys")), (&json!(true), vec!["other".to_owned()]), "{verb}");
        }
        let id = begun(&app, &full, "revoke", json!({ "searchCriteria": [] }));
        assert_eq!(ended(&app, &full, &id)["done"], 1);
        assert_refusal(presented(&app, &full), IN);
    }

    /// T-01: nobody lays hands on more than they have, not either on many at once.
    fn keys_beyond_the_caller_are_listed_and_left_alone(app: TestApp) {
        let full = app.full_key();
        let rights = firstkey::rights::Rights::auditor();
        let rights = ["canDeleteApiKeys", "canEditApiKeyProperties", "canViewApiKeys"].iter().fold(rights, |rights, name| {
            rights.with(firstkey::rights::Right::find("platformRights", "apikeyRights", name).expect("a right"))
        });
        let role = app.role_of("Keeper", rights, firstkey::rights::Reach::everything());
        let keeper = secret(&made(&app, &full, json!({ "keyName": "keeper", "roleID": role })));
        made(&app, &full, json!({ "keyName": "k weak", "roleID": 2 }));
        let strong = made(&app, &full, json!({ "keyName": "k strong", "roleID": 1 }));
        for verb in ["revoke", "lock", "rotate"] {
            let answer = dry(&app, &keeper, verb, &named("k %")).expect(200).json();
            assert_eq!(names(&answer, "keys"), ["k weak"], "{verb}");
            assert_eq!(answer["refused"], json!({ "count": 1, "keys": [{
                "keyName": "k strong", "message": "The key's role has rights, computers, policies or ways of access that the caller has not.", "ID": strong["ID"],
            }] }), "{verb}");
        }
        let id = begun(&app, &keeper, "revoke", named("k %"));
        assert_eq!(ended(&app, &keeper, &id)["done"], 1);
        assert_refusal(presented(&app, &secret(&strong)), IN);
    }

    /// Keys are locked out and let in again; those that are so already are left alone, without an event.
    fn keys_are_locked_and_let_in_again(app: TestApp) {
        let full = app.full_key();
        let keys: Vec<Value> = (1..=3).map(|n| made(&app, &full, json!({ "keyName": format!("k {n}"), "roleID": 2 }))).collect();
        app.post(&format!("/api/apikeys/{}", keys[0]["ID"]), json!({ "active": false })).key(&full).send().expect(200);
        app.execute(&format!("update api_keys set unsuccessful_sign_in_attempts = 4, unlock_time = 9 where id = {}", keys[0]["ID"]));
        let answer = dry(&app, &full, "lock", &named("k %")).expect(200).json();
        assert_eq!((&answer["count"], &answer["unchanged"]), (&json!(2), &json!(1)));
        let before = app.last_event();
        let id = begun(&app, &full, "lock", with(named("k %"), json!({ "reason": "leaked" })));
        ended(&app, &full, &id);
        let events = app.events_after(before);
        let details = json!({ "active": { "from": true, "to": false }, "job": id, "reason": "leaked" });
        assert!(events[1].starts_with("5011 ") && events[1].ends_with(&format!("/k 2 {details}")), "{events:?}");
        assert_eq!(events.len(), 4);
        for key in &keys {
            assert_refusal(presented(&app, &secret(key)), (401, "api_key_locked"));
        }
        let id = begun(&app, &full, "unlock", named("k %"));
        assert_eq!(ended(&app, &full, &id)["done"], 3);
        for key in &keys {
            assert_refusal(presented(&app, &secret(key)), IN);
        }
        let first = seen(&app, &full, &keys[0]["ID"]);
        assert_eq!((&first["unsuccessfulSignInAttempts"], first.get("unlockTime")), (&json!(0), None));
    }

    /// Keys last longer, by a length of time or until a moment; none is cut short, and one that has ended lives again.
    fn keys_last_longer(app: TestApp) {
        let full = app.full_key();
        let end = START.millis() + DAY;
        for (name, expiry) in [("k soon", json!(end)), ("k never", json!(0)), ("k late", json!(end + 100 * DAY)), ("k over", json!(end))] {
            made(&app, &full, json!({ "keyName": name, "roleID": 2, "expiryDate": expiry }));
        }
        app.execute(&format!("update api_keys set expiry_date = {} where key_name = 'k over'", START.millis() - DAY));
        let ends = || app.texts("select key_name || ' ' || coalesce(cast(expiry_date as text), 'never') as t from api_keys where key_name like 'k %' order by id");
        let id = begun(&app, &full, "extend", with(named("k %"), json!({ "extendBy": "P10D" })));
        assert_eq!(ended(&app, &full, &id)["done"], 3);
        let late = end + 110 * DAY;
        assert_eq!(ends(), [format!("k soon {}", end + 10 * DAY), "k never never".into(), format!("k late {late}"), format!("k over {}", START.millis() + 10 * DAY)]);
        let until = end + 50 * DAY;
        let answer = dry(&app, &full, "extend", &with(named("k %"), json!({ "expiryDate": until }))).expect(200).json();
        assert_eq!((names(&answer, "keys"), &answer["unchanged"]), (vec!["k soon".to_owned(), "k over".into()], &json!(2)));
        let id = begun(&app, &full, "extend", with(named("k %"), json!({ "expiryDate": until.to_string() })));
        ended(&app, &full, &id);
        assert_eq!(ends(), [format!("k soon {until}"), "k never never".into(), format!("k late {late}"), format!("k over {until}")]);
        // T-03: a key that ends gives no life beyond its own
        let ending = secret(&made(&app, &full, json!({ "keyName": "ending", "roleID": 1, "expiryDate": end })));
        let answer = dry(&app, &ending, "extend", &with(named("k %"), json!({ "expiryDate": null }))).expect(200).json();
        assert_eq!((&answer["count"], &answer["refused"]["count"]), (&json!(0), &json!(3)));
        // beyond ten years none can be
        let answer = dry(&app, &full, "extend", &with(named("k %"), json!({ "extendBy": "4000d" }))).expect(200).json();
        assert_eq!((&answer["count"], &answer["refused"]["count"]), (&json!(0), &json!(3)));
    }

    /// New secrets are in the answer, once; the old ones are of no use from then on.
    fn secrets_are_replaced_at_once(app: TestApp) {
        let full = app.full_key();
        let keys: Vec<Value> = (1..=3).map(|n| made(&app, &full, json!({ "keyName": format!("k {n}"), "roleID": 2 }))).collect();
        let before = app.last_event();
        let answer = confirmed(&app, &full, "rotate", named("k %")).send().expect(200).json();
        assert_eq!((&answer["count"], names(&answer, "apiKeys")), (&json!(3), vec!["k 1".to_owned(), "k 2".into(), "k 3".into()]));
        assert_eq!(answer["refused"], json!({ "count": 0, "keys": [] }));
        for (old, new) in keys.iter().zip(answer["apiKeys"].as_array().expect("a list")) {
            assert_eq!(old["ID"], new["ID"]);
            assert_refusal(presented(&app, &secret(old)), (401, "invalid_api_key"));
            assert_refusal(presented(&app, &secret(new)), IN);
        }
        let events = app.events_after(before);
        assert_eq!(events.iter().filter(|event| event.starts_with("5013 ")).count(), 3);
    }

    /// TC-16: with an overlap every old secret lives on beside its new one, to the last millisecond and on every node; each
    /// key says so, and each rotation can be finished or undone by itself.
    fn secrets_are_replaced_with_an_overlap(app: TestApp) {
        let (full, other) = (app.full_key(), app.second_node());
        let keys: Vec<Value> = (1..=4).map(|n| made(&app, &full, json!({ "keyName": format!("k {n}"), "roleID": 2 }))).collect();
        let order = with(named("k %"), json!({ "reason": "superseded", "rotation": { "overlap": "24h" } }));
        let before = app.last_event();
        let rows = app.rows();
        let shown = dry(&app, &full, "rotate", &order).expect(200).json();
        assert_eq!((&shown["count"], &shown["refused"]["count"]), (&json!(4), &json!(0)));
        app.assert_rows(&rows, "a dry run");
        let answer = confirmed(&app, &full, "rotate", order).send().expect(200).json();
        let new = answer["apiKeys"].as_array().expect("a list");
        assert_eq!((&answer["count"], new.len(), &answer["refused"]), (&json!(4), 4, &json!({ "count": 0, "keys": [] })));
        let end = START.millis() + DAY;
        let maker = full.split(':').next().expect("an ID");
        let said = json!({ "extendWhileUsedUntil": null, "finishWhenSilentFor": null, "overlapEnds": end });
        let expected: Vec<String> = (1..=4).map(|n| format!("5013 apiKey/{maker}/full apiKey/{}/k {n} {said}", keys[n - 1]["ID"])).collect();
        assert_eq!(app.events_after(before), expected);
        for key in &keys {
            let lifecycle = app.get(&format!("/api/apikeys/{}?expand=lifecycle", key["ID"])).key(&full).send().expect(200).json()["lifecycle"].clone();
            assert_eq!(lifecycle["rotation"], json!({ "started": START.millis(), "overlapEnds": end }));
            let ends: Vec<&Value> = lifecycle["secrets"].as_array().expect("a list").iter().map(|secret| &secret["ends"]).collect();
            assert_eq!(ends, [&Value::Null, &json!(end)], "the newest first");
        }
        let enter = |number: usize| {
            let of = |node: &TestApp| [&keys[number], &new[number]].map(|key| presented(node, &secret(key)).0);
            assert_eq!(of(&app), of(&other), "on either node");
            of(&app)
        };
        assert_eq!([0, 1, 2, 3].map(enter), [[200, 200]; 4]);
        let one = |number: usize, what: &str| drop(app.call("POST", &format!("/api/apikeys/{}/rotation/{what}", keys[number]["ID"])).key(&full).send().expect(200));
        one(0, "finish");
        one(1, "undo");
        assert_eq!([0, 1, 2, 3].map(enter), [[401, 200], [200, 401], [200, 200], [200, 200]]);
        app.clock.advance(DAY - 1);
        assert_eq!([0, 1, 2, 3].map(enter), [[401, 200], [200, 401], [200, 200], [200, 200]]);
        app.clock.advance(1);
        assert_eq!([0, 1, 2, 3].map(enter), [[401, 200], [200, 401], [401, 200], [401, 200]]);
    }

    /// An overlap that a key's profile does not allow, or beside two secrets that live already, is refused for that key
    /// alone, in the dry run and when it is done; the others are given theirs, and without an overlap all are.
    fn an_overlap_is_judged_key_by_key(app: TestApp) {
        let full = app.full_key();
        let strict = app.post("/api/apikeyprofiles", json!({ "name": "strict", "maxOverlap": "1h" })).key(&full).send().expect(200).json();
        let make = |name: &str, profile: &Value| made(&app, &full, json!({ "keyName": name, "roleID": 2, "lifecycle": { "profileID": profile } }));
        let (plain, bound, busy) = (make("k plain", &json!(1)), make("k bound", &strict["ID"]), make("k busy", &json!(1)));
        let path = format!("/api/apikeys/{}/secretkey", busy["ID"]);
        let beside = app.post(&path, json!({ "overlap": "20d" })).key(&full).send().expect(200).json();
        let ordered = |rotation: Value| with(named("k %"), json!({ "rotation": rotation }));
        let refused = |answer: &Value| {
            let keys = answer["refused"]["keys"].as_array().expect("a list");
            assert_eq!(answer["refused"]["count"], json!(keys.len()));
            keys.iter().map(|key| (key["ID"].clone(), key["message"].as_str().expect("why").to_owned())).collect::<Vec<_>>()
        };
        for (rotation, fit) in [
            (json!({ "overlap": "1h" }), vec!["k plain", "k bound"]),
            (json!({ "overlap": "3601s" }), vec!["k plain"]),
            (json!({ "overlap": "30m", "extendWhileUsedFor": "31m" }), vec!["k plain"]),
            (json!({ "overlap": "30d" }), vec!["k plain"]),
            (json!({ "overlap": "2592001s" }), vec![]),
            (json!({ "overlap": "0s" }), vec!["k plain", "k bound", "k busy"]),
            (json!({}), vec!["k plain", "k bound", "k busy"]),
        ] {
            let rows = app.rows();
            let answer = dry(&app, &full, "rotate", &ordered(rotation.clone())).expect(200).json();
            assert_eq!(names(&answer, "keys"), fit, "{rotation}");
            for (id, why) in refused(&answer) {
                let says = if id == busy["ID"] { "rotation/finish" } else { "overlap: " };
                assert!(why.contains(says), "{why}");
            }
            app.assert_rows(&rows, "a dry run");
        }
        // none of them can: nothing is done, and each says why
        let rows = app.rows_of("api_key_secrets");
        let answer = confirmed(&app, &full, "rotate", ordered(json!({ "overlap": "31d" }))).send().expect(200).json();
        assert_eq!((&answer["count"], &answer["apiKeys"]), (&json!(0), &json!([])));
        assert_eq!(app.rows_of("api_key_secrets"), rows, "nothing could be done");
        let answer = confirmed(&app, &full, "rotate", ordered(json!({ "overlap": "2h" }))).send().expect(200).json();
        assert_eq!(names(&answer, "apiKeys"), ["k plain"]);
        for key in [&plain, &answer["apiKeys"][0], &bound, &busy, &beside] {
            assert_refusal(presented(&app, &secret(key)), IN);
        }
        let answer = confirmed(&app, &full, "rotate", ordered(json!({}))).send().expect(200).json();
        assert_eq!(answer["count"], 3);
        for key in [&plain, &bound, &busy, &beside] {
            assert_refusal(presented(&app, &secret(key)), (401, "invalid_api_key"));
        }
        for key in answer["apiKeys"].as_array().expect("a list") {
            assert_refusal(presented(&app, &secret(key)), IN);
        }
    }

    /// What was shown is what is done: the confirmation is for one overlap, however it is spelt, and a key that has come
    /// between two secrets since makes another set. An overlap that is none is refused by its member.
    fn an_overlap_is_confirmed_as_it_was_shown(app: TestApp) {
        let full = app.full_key();
        let keys: Vec<Value> = (1..=2).map(|n| made(&app, &full, json!({ "keyName": format!("k {n}"), "roleID": 2 }))).collect();
        let ordered = |rotation: Value| with(named("k %"), json!({ "rotation": rotation }));
        let given = |rotation: Value| dry(&app, &full, "rotate", &ordered(rotation)).expect(200).json()["confirmation"].clone();
        let send = |rotation: Value, confirmation: &Value| {
            let order = with(ordered(rotation), json!({ "confirmation": confirmation }));
            app.post("/api/apikeys/bulk/rotate", order).key(&full).send()
        };
        let hour = given(json!({ "overlap": "1h" }));
        let rows = app.rows();
        for rotation in [json!({}), json!({ "overlap": "2h" }), json!({ "overlap": "1h", "finishWhenSilentFor": "5m" }), json!({ "overlap": "1h", "extendWhileUsedFor": "1h" })] {
            assert_refusal(send(rotation.clone(), &hour).refusal(), (400, "confirmation_needed"));
            app.assert_rows(&rows, "another overlap");
        }
        assert_refusal(send(json!({ "overlap": "1h" }), &given(json!({}))).refusal(), (400, "confirmation_needed"));
        for (rotation, member) in [
            (json!({ "overlap": "soon" }), "overlap"), (json!({ "overlap": "-1h" }), "overlap"), (json!({ "overlap": 24 }), "overlap"),
            (json!({ "finishWhenSilentFor": "2h" }), "overlap"), (json!({ "overlap": "1d", "finishWhenSilentFor": "59s" }), "finishWhenSilentFor"),
            (json!({ "overlap": "1d", "extendWhileUsedFor": "x" }), "extendWhileUsedFor"), (json!("1h"), "rotation"), (json!(["1h", "5m", "1h"]), "rotation"),
        ] {
            let answer = dry(&app, &full, "rotate", &ordered(rotation.clone()));
            assert_refusal(answer.refusal(), (400, "malformed"));
            assert!(answer.text().contains(member), "{rotation}: {}", answer.text());
            app.assert_rows(&rows, member);
        }
        app.post(&format!("/api/apikeys/{}/secretkey", keys[0]["ID"]), json!({ "overlap": "1d" })).key(&full).send().expect(200);
        let rows = app.rows();
        assert_refusal(send(json!({ "overlap": "1h" }), &hour).refusal(), (409, "set_changed"));
        app.assert_rows(&rows, "another set");
        let answer = send(json!({ "overlap": "PT60M" }), &given(json!({ "overlap": "1h" }))).expect(200).json();
        assert_eq!(names(&answer, "apiKeys"), ["k 2"]);
    }

    /// All secrets are in one answer: of more than 500 keys none is touched.
    fn five_hundred_secrets_are_replaced_at_once_at_most(app: TestApp) {
        let full = app.full_key();
        many_keys(&app, 0, 501);
        let rows = app.rows_of("api_key_secrets");
        let answer = dry(&app, &full, "rotate", &named("bulk %"));
        assert_refusal(answer.refusal(), (400, "bad_request"));
        assert!(answer.text().contains("501 keys") && answer.text().contains("narrow"), "{}", answer.text());
        let first = with(named("bulk %"), json!({ "maxItems": 500 }));
        let answer = confirmed(&app, &full, "rotate", first).send().expect(200).json();
        assert_eq!(answer["apiKeys"].as_array().map(Vec::len), Some(500));
        let kept = app.rows_of("api_key_secrets");
        assert_eq!(kept.iter().filter(|row| rows.contains(row)).count(), 2, "the maker's and the last");
    }

    /// Thousands are done in pieces; the dry run shows a thousand of them and counts all.
    fn thousands_are_done_in_pieces(app: TestApp) {
        let full = app.full_key();
        many_keys(&app, 0, 2_300);
        let answer = dry(&app, &full, "lock", &named("bulk%")).expect(200).json();
        assert_eq!((&answer["count"], &answer["neverUsed"], answer["keys"].as_array().map(Vec::len)), (&json!(2_300), &json!(2_300), Some(1_000)));
        let id = begun(&app, &full, "lock", named("bulk%"));
        let job = ended(&app, &full, &id);
        assert_eq!((&job["total"], &job["done"]), (&json!(2_300), &json!(2_300)));
        let locked = |app: &TestApp| app.count("select count(*) as n from api_keys where not active");
        assert_eq!(locked(&app), 2_300);
        let id = begun(&app, &full, "unlock", with(named("bulk%"), json!({ "maxItems": 700 })));
        assert_eq!(ended(&app, &full, &id)["done"], 700);
        assert_eq!(locked(&app), 1_600);
    }

    /// What cannot be meant is refused: no criteria at all would be every key.
    fn what_cannot_be_meant_is_refused(app: TestApp) {
        let full = app.full_key();
        made(&app, &full, json!({ "keyName": "k", "roleID": 2 }));
        let rows = app.rows();
        for (verb, order, code, says) in [
            ("revoke", json!({}), "malformed", "searchCriteria"),
            ("revoke", json!({ "searchCriteria": null }), "malformed", "searchCriteria"),
            ("revoke", json!({ "searchCriteria": { "fieldName": "nothing", "stringValue": "x" } }), "bad_search", "fieldName"),
            ("revoke", with(named("k"), json!({ "reason": "boredom" })), "malformed", "reason"),
            ("revoke", with(named("k"), json!({ "note": "a\u{0}" })), "malformed", "note"),
            ("revoke", with(named("k"), json!({ "maxItems": 0 })), "bad_search", "maxItems"),
            ("revoke", with(named("k"), json!({ "dryRun": false })), "malformed", "dryRun"),
            ("extend", named("k"), "malformed", "extendBy"),
            ("extend", with(named("k"), json!({ "extendBy": "1d", "expiryDate": 0 })), "malformed", "extendBy"),
            ("extend", with(named("k"), json!({ "extendBy": "soon" })), "malformed", "extendBy"),
            ("extend", with(named("k"), json!({ "extendBy": "0s" })), "malformed", "extendBy"),
            ("extend", with(named("k"), json!({ "extendBy": "-1d" })), "malformed", "extendBy"),
        ] {
            let answer = dry(&app, &full, verb, &order);
            assert_refusal(answer.refusal(), (400, code));
            assert!(answer.text().contains(says), "{order}: {}", answer.text());
            app.assert_rows(&rows, verb);
        }
        let answer = app.post("/api/apikeys/bulk/revoke?dryRun=perhaps", named("k")).key(&full).send();
        assert_refusal(answer.refusal(), (400, "bad_request"));
    }

    /// A confirmation works once, also where it is sent ten times at the same moment: one call begins the one job, the
    /// others and every later one are told that it is spent, and no key is extended twice.
    fn a_confirmation_works_once(app: TestApp, |setup| setup.workers = 4) {
        let full = app.full_key();
        let end = START.millis() + DAY;
        made(&app, &full, json!({ "keyName": "k", "roleID": 2, "expiryDate": end }));
        for (verb, order) in [("extend", with(named("k"), json!({ "extendBy": "30d" }))), ("lock", named("k")), ("revoke", named("k"))] {
            let jobs = app.count("select count(*) as n from jobs");
            let call = confirmed(&app, &full, verb, order);
            let start = std::sync::Barrier::new(10);
            let answers: Vec<Answer> = std::thread::scope(|scope| {
                let callers: Vec<_> = (0..10).map(|_| {
                    let (call, start) = (call.clone(), &start);
                    scope.spawn(move || {
                        start.wait();
                        call.send()
                    })
                }).collect();
                callers.into_iter().map(|caller| caller.join().expect("an answer")).collect()
            });
            let taken: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
            assert_eq!(taken.len(), 1, "{verb}: {:?}", answers.iter().map(Answer::text).collect::<Vec<_>>());
            assert!(answers.iter().all(|answer| answer.status == 200 || answer.refusal() == (409, "set_changed".into())), "{verb}");
            let job = ended(&app, &full, &taken[0].json()["jobID"]);
            assert_eq!((&job["done"], &job["failed"]), (&json!(1), &json!(0)), "{verb}: {job}");
            let rows = app.rows();
            for _ in 0..3 {
                assert_refusal(call.clone().send().refusal(), (409, "set_changed"));
            }
            app.assert_rows(&rows, verb);
            assert_eq!(app.count("select count(*) as n from jobs") - jobs, 1, "{verb}");
            if verb != "revoke" {
                assert_eq!(app.count("select expiry_date as n from api_keys where key_name = 'k'"), end + 30 * DAY);
            }
        }
        // it is told also where the keys are as they were, and which job it was
        let call = confirmed(&app, &full, "lock", named("of nobody"));
        let job = call.clone().send().expect(200).json()["jobID"].clone();
        let again = call.send();
        assert_eq!(again.refusal(), (409, "set_changed".into()));
        assert!(again.text().contains(&format!("/api/jobs/{job} ")), "{}", again.text());
        // what is spent is forgotten when it is too old anyway
        let sweep = |app: &TestApp| {
            let now = app.clock.now();
            app.app.database.write_here(move |db| firstkey::api_keys::sweep_confirmations(db, now)).expect("swept")
        };
        assert_eq!(sweep(&app), 0);
        app.clock.advance(DAY + 600_001);
        assert_eq!((sweep(&app), app.count("select count(*) as n from spent_confirmations")), (4, 0));
    }

    /// Two orders that were confirmed for one state of a key do not both have their way: the job that comes second
    /// leaves the key alone and says so. What only takes away is done however the key has changed.
    fn of_two_orders_for_one_state_the_second_leaves_the_key_alone(app: TestApp) {
        let (full, other) = (app.full_key(), app.second_node());
        let end = START.millis() + DAY;
        let key = made(&app, &full, json!({ "keyName": "k", "roleID": 2, "expiryDate": end }));
        app.app.drain();
        let order = with(named("k"), json!({ "extendBy": "30d" }));
        let calls: Vec<_> = (0..2).map(|_| confirmed(&app, &full, "extend", order.clone())).collect();
        let jobs: Vec<Value> = calls.into_iter().map(|call| call.send().expect(200).json()["jobID"].clone()).collect();
        let revoke = begun(&app, &full, "revoke", named("k"));
        assert_eq!(resume(&other), 3);
        let (first, second) = (ended(&app, &full, &jobs[0]), ended(&app, &full, &jobs[1]));
        let mut counts = [&first, &second].map(|job| (job["done"].as_i64(), job["failed"].as_i64()));
        counts.sort_unstable();
        // the revocation may have come first
        assert!([[(Some(0), Some(1)), (Some(1), Some(0))], [(Some(0), Some(1)); 2]].contains(&counts), "{first} {second}");
        assert_eq!(ended(&app, &full, &revoke)["done"], 1);
        let kept = app.get(&format!("/api/apikeys/revoked/{}", key["ID"])).key(&full).send().expect(200).json();
        assert!([end, end + 30 * DAY].contains(&kept["expiryDate"].as_i64().expect("a moment")), "{kept}");
        // the same without a revocation beside them
        made(&app, &full, json!({ "keyName": "l", "roleID": 2, "expiryDate": end }));
        let order = with(named("l"), json!({ "extendBy": "30d" }));
        let calls: Vec<_> = (0..2).map(|_| confirmed(&app, &full, "extend", order.clone())).collect();
        let jobs: Vec<Value> = calls.into_iter().map(|call| call.send().expect(200).json()["jobID"].clone()).collect();
        assert_eq!(resume(&other), 2);
        let ends: Vec<Value> = jobs.iter().map(|job| ended(&app, &full, job)).collect();
        assert_eq!(ends.iter().filter(|job| job["done"] == 1 && job["failed"] == 0).count(), 1, "{ends:?}");
        let left = ends.iter().find(|job| job["failed"] == 1).expect("the other");
        assert!(left["errors"][0]["message"].as_str().is_some_and(|why| why.contains("not as it was")), "{left}");
        assert_eq!(app.count("select expiry_date as n from api_keys where key_name = 'l'"), end + 30 * DAY);
    }

    /// A confirmation is for the keys as they were shown: another role, name, end or lock, and nothing happens.
    fn keys_that_are_not_as_they_were_shown_are_left_alone(app: TestApp) {
        let full = app.full_key();
        let end = START.millis() + DAY;
        for (name, more) in [("k a", json!({})), ("k b", json!({ "expiryDate": end })), ("k locked", json!({ "active": false, "expiryDate": end }))] {
            made(&app, &full, with(json!({ "keyName": name, "roleID": 2 }), more));
        }
        let id = app.count("select id as n from api_keys where key_name = 'k b'");
        let by = json!({ "extendBy": "30d" });
        for (verb, order) in [("revoke", named("k %")), ("lock", named("k %")), ("unlock", named("k %")), ("extend", with(named("k %"), by)), ("rotate", named("k %"))] {
            for change in [json!({ "roleID": 1 }), json!({ "keyName": "k c" }), json!({ "expiryDate": end + 1 }), json!({ "active": false })] {
                let was = json!({ "roleID": 2, "keyName": "k b", "expiryDate": end, "active": true });
                let call = confirmed(&app, &full, verb, order.clone());
                app.post(&format!("/api/apikeys/{id}"), change.clone()).key(&full).send().expect(200);
                let rows = app.rows();
                let answer = call.send();
                // what is locked and is not let in is no part of what is let in
                let is_of_the_set = verb != "unlock" || change.get("active").is_some();
                if is_of_the_set {
                    assert_eq!(answer.refusal(), (409, "set_changed".into()), "{verb} {change}: {}", answer.text());
                    app.assert_rows(&rows, verb);
                } else {
                    ended(&app, &full, &answer.expect(200).json()["jobID"]);
                    app.execute("update api_keys set active = false where key_name = 'k locked'");
                }
                app.post(&format!("/api/apikeys/{id}"), was).key(&full).send().expect(200);
            }
        }
    }

    /// Nobody is handed new secrets that are of no use already: of two confirmations for one secret the second is too
    /// late, and so is the same one again.
    fn new_secrets_are_for_the_secrets_that_were_shown(app: TestApp) {
        let full = app.full_key();
        let key = made(&app, &full, json!({ "keyName": "k", "roleID": 2 }));
        let calls: Vec<_> = (0..2).map(|_| confirmed(&app, &full, "rotate", named("k"))).collect();
        let answer = calls[0].clone().send().expect(200).json();
        let rows = app.rows();
        for call in [&calls[1], &calls[0], &calls[1]] {
            assert_refusal(call.clone().send().refusal(), (409, "set_changed"));
        }
        app.assert_rows(&rows, "too late");
        assert_refusal(presented(&app, &secret(&key)), (401, "invalid_api_key"));
        assert_refusal(presented(&app, &secret(&answer["apiKeys"][0])), IN);
        // one that somebody else has replaced meanwhile
        let call = confirmed(&app, &full, "rotate", named("k"));
        let renewed = app.call("POST", &format!("/api/apikeys/{}/secretkey", key["ID"])).key(&full).send().expect(200).json();
        assert_refusal(call.send().refusal(), (409, "set_changed"));
        assert_refusal(presented(&app, &secret(&renewed)), IN);
    }

    /// Every key is every key: those of machines are found too, by any criterion, unless one on `kind` says otherwise.
    fn keys_of_machines_are_among_many(app: TestApp) {
        let full = app.full_key();
        let kinds = [("agent", "siemAgent"), ("collector", "logCollector"), ("plain", "standard")];
        let keys: Vec<Value> = kinds.iter().map(|(name, kind)| made(&app, &full, json!({ "keyName": name, "roleID": 2, "lifecycle": { "kind": kind } }))).collect();
        let of_kind = |test: &str, kind: &str| json!({ "searchCriteria": { "fieldName": "kind", "choiceTest": test, "choiceValue": kind } });
        for (order, found) in [
            (json!({ "searchCriteria": [] }), vec!["agent", "collector", "plain"]),
            (named("agent"), vec!["agent"]),
            (named("%l%"), vec!["collector", "plain"]),
            (json!({ "searchCriteria": { "idValue": keys[1]["ID"] } }), vec!["collector"]),
            (of_kind("equal", "standard"), vec!["plain"]),
            (of_kind("equal", "siemAgent"), vec!["agent"]),
            (of_kind("not-equal", "standard"), vec!["agent", "collector"]),
            (json!({ "searchCriteria": { "fieldName": "status", "choiceValue": "generated" } }), vec!["agent", "collector", "plain"]),
        ] {
            for verb in ["revoke", "lock", "rotate"] {
                assert_eq!(names(&dry(&app, &full, verb, &order).expect(200).json(), "keys"), found, "{verb} {order}");
            }
        }
        let id = begun(&app, &full, "revoke", json!({ "searchCriteria": [] }));
        assert_eq!(ended(&app, &full, &id)["done"], 3);
        for key in &keys {
            assert_refusal(presented(&app, &secret(key)), (401, "invalid_api_key"));
        }
    }
}
