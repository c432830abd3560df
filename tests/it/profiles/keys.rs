//! What a profile makes of a key: when it ends, and what it is for.

use serde_json::{Value, json};

use super::{DAY, TREND, assert_refusal, change, made, message, mint_under, trend, uses};
use crate::app::{START, TestApp, secret};
use crate::both;

fn at(days: i64) -> i64 {
    START.millis() + days * DAY
}

fn modify(app: &TestApp, key: &str, id: &Value, body: Value) -> crate::http::Answer {
    app.post(&format!("/api/apikeys/{id}"), body).key(key).send()
}

both! {
    /// Nothing said is the profile's validity; another end lies within its bounds, or is refused with them.
    fn a_key_lasts_as_its_profile_says(app: TestApp) {
        let key = app.full_key();
        let bounded = made(&app, &key, json!({ "name": "bounded", "validity": "30d", "minValidity": "2d", "maxValidity": "60d" }));
        let mint = |expiry: Value| mint_under(&app, &key, bounded, json!({ "expiryDate": expiry }));
        let unsaid = mint_under(&app, &key, bounded, json!({})).expect(200).json();
        assert_eq!(unsaid["expiryDate"], json!(at(30)));
        for days in [2, 60] {
            assert_eq!(mint(json!(at(days))).expect(200).json()["expiryDate"], json!(at(days)));
        }
        for refused in [json!(at(2) - 1), json!(at(60) + 1), json!(0), json!(null)] {
            let answer = mint(refused);
            assert_refusal(&answer, (400, "expiry_out_of_range"));
            assert!(message(&answer).contains("2d to 60d"), "{}", message(&answer));
        }
        // moving the end comes no further, whenever it is moved: the secret is as old as it is
        app.clock.advance(DAY);
        let id = &unsaid["ID"];
        for (expiry, status) in [(json!(at(60)), 200), (json!(at(60) + 1), 400), (json!(0), 400), (json!(at(2)), 200), (json!(at(2) - 1), 400)] {
            assert_eq!(modify(&app, &key, id, json!({ "expiryDate": expiry })).status, status, "{expiry}");
        }
        modify(&app, &key, id, json!({ "description": "the end is not judged anew", "expiryDate": at(2) })).expect(200);
        let longest = made(&app, &key, json!({ "name": "longest", "maxValidity": "5d", "warnBefore": [] }));
        let ends = mint_under(&app, &key, longest, json!({})).expect(200).json();
        assert_eq!(ends["expiryDate"], json!(at(6)), "where there is a longest life, no key is for ever");
    }

    /// Many at once come no further than one: who would last longer than their profile allows are left as they are.
    fn many_at_once_come_no_further(app: TestApp) {
        let key = app.full_key();
        let bounded = made(&app, &key, json!({ "name": "bounded", "validity": "30d", "maxValidity": "60d" }));
        for (name, profile) in [("many a", bounded), ("many b", 1), ("many c", bounded)] {
            mint_under(&app, &key, profile, json!({ "keyName": name })).expect(200);
        }
        app.execute(&format!("update api_keys set expiry_date = {} where key_name = 'many b'", at(30)));
        for (order, refused) in [(json!({ "extendBy": "30d" }), 0), (json!({ "extendBy": "31d" }), 2), (json!({ "expiryDate": at(61) }), 2), (json!({ "expiryDate": 0 }), 2)] {
            let mut body = json!({ "searchCriteria": [{ "fieldName": "keyName", "stringValue": "many %" }] });
            body.as_object_mut().expect("members").extend(order.as_object().expect("members").clone());
            let found = app.post("/api/apikeys/bulk/extend?dryRun=true", body).key(&key).send().expect(200).json();
            assert_eq!((found["count"].as_i64(), found["refused"]["count"].as_i64()), (Some(3 - refused), Some(refused)), "{order}");
            let messages = found["refused"]["keys"].as_array().expect("a list").clone();
            assert!(messages.iter().all(|key| key["message"].as_str().is_some_and(|message| message.contains("60d"))), "{messages:?}");
        }
    }

    /// TC-14: a token lasts 365 days from its making, to the millisecond, and no other end can be asked for.
    fn a_token_lasts_365_days(app: TestApp) {
        let key = app.full_key();
        let body = |more: Value| {
            let mut body = trend("External applications", json!(["logRetrieval"]));
            body.as_object_mut().expect("members").extend(more.as_object().expect("members").clone());
            body
        };
        let token = mint_under(&app, &key, TREND, body(json!({}))).expect(200).json();
        assert_eq!(token["expiryDate"], json!(at(365)));
        for refused in [at(1), at(364), at(366), 0] {
            let answer = mint_under(&app, &key, TREND, body(json!({ "expiryDate": refused })));
            assert_refusal(&answer, (400, "expiry_out_of_range"));
            assert!(message(&answer).contains("exactly 365d"), "{}", message(&answer));
            assert_refusal(&modify(&app, &key, &token["ID"], json!({ "expiryDate": refused })), (400, "expiry_out_of_range"));
        }
        app.clock.advance(365 * DAY - 1);
        assert_eq!(uses(&app, &token).0, 200);
        app.clock.advance(1);
        assert_eq!(uses(&app, &token), (401, "api_key_expired".into()));
    }

    /// T-03: a maker that ends wins over the profile: nothing said is the maker's end, and asking for more is refused.
    fn the_makers_own_end_wins(app: TestApp) {
        let full = app.full_key();
        let bounded = made(&app, &full, json!({ "name": "bounded", "validity": "30d", "minValidity": "2d" }));
        let body = json!({ "keyName": "maker", "roleID": 1, "expiryDate": at(1) });
        let maker = secret(&app.post("/api/apikeys", body).key(&full).send().expect(200).json());
        let made = mint_under(&app, &maker, bounded, json!({})).expect(200).json();
        assert_eq!(made["expiryDate"], json!(at(1)));
        assert_refusal(&mint_under(&app, &maker, bounded, json!({ "expiryDate": at(3) })), (403, "beyond_caller"));
    }

    /// TC-01: the target is one of the profile's, in any spelling of its name; another is refused with the list.
    fn a_target_is_one_of_the_profiles(app: TestApp) {
        let key = app.full_key();
        let targets = json!(["External applications", "Apex One as a Service"]);
        for wanted in [json!({}), trend("Something else", json!(["logRetrieval"])), json!({ "constraints": { "target": null, "apiTypes": ["logRetrieval"] } })] {
            let answer = mint_under(&app, &key, TREND, wanted);
            assert_refusal(&answer, (400, "unknown_target"));
            assert_eq!(answer.json()["accepted"], targets);
        }
        let token = mint_under(&app, &key, TREND, trend("EXTERNAL applications", json!(["logRetrieval"]))).expect(200).json();
        let stored = || app.texts(&format!("select target as t from api_keys where id = {}", token["ID"]));
        assert_eq!(stored(), ["External applications"]);
        for refused in [json!("else"), json!(null), json!("")] {
            let answer = modify(&app, &key, &token["ID"], json!({ "constraints": { "target": refused } }));
            assert_eq!(answer.status, 400, "{}", answer.text());
        }
        modify(&app, &key, &token["ID"], json!({ "constraints": { "target": "apex one as a service" } })).expect(200);
        assert_eq!(stored(), ["Apex One as a Service"]);
        // a profile that lists none takes any, or none
        let free = mint_under(&app, &key, 1, json!({ "constraints": { "target": "鍵".repeat(128) } })).expect(200).json();
        modify(&app, &key, &free["ID"], json!({ "constraints": { "target": null } })).expect(200);
        assert_eq!(app.count(&format!("select count(*) as n from api_keys where id = {} and target is null", free["ID"])), 1);
        for refused in [json!("鍵".repeat(129)), json!(""), json!(7)] {
            let answer = mint_under(&app, &key, 1, json!({ "constraints": { "target": refused } }));
            assert_refusal(&answer, (400, "malformed"));
            assert!(message(&answer).starts_with("constraints.target"), "{}", message(&answer));
        }
    }

    /// The profile is for life: naming another one for a key that is there is refused, the same one changes nothing.
    fn a_profile_stays_for_life(app: TestApp) {
        let key = app.full_key();
        let ensure = |body: Value| app.call("PUT", "/api/apikeys/by-name/nightly?reissue=allow").json(body).key(&key).send();
        let of = |profile: i64, types: Value| {
            let mut body = trend("External applications", types);
            body["roleID"] = json!(2);
            body["lifecycle"] = json!({ "profileID": profile });
            body
        };
        let first = ensure(of(TREND, json!(["logRetrieval"]))).expect(200).json();
        assert_eq!((first["outcome"].as_str(), first["expiryDate"].as_i64()), (Some("created"), Some(at(365))));
        assert_eq!(ensure(of(TREND, json!(["LOGretrieval"]))).expect(200).json()["outcome"], "unchanged");
        assert_refusal(&ensure(of(1, json!(["logRetrieval"]))), (409, "conflict"));
        assert_refusal(&ensure(of(99, json!(["logRetrieval"]))), (409, "conflict"));
        // other API types are another secret, where that is allowed
        let types = json!(["logRetrieval", "threatRemediation"]);
        let careful = app.call("PUT", "/api/apikeys/by-name/nightly").json(of(TREND, types.clone())).key(&key).send();
        assert_refusal(&careful, (409, "conflict"));
        assert_eq!(uses(&app, &first).0, 200);
        let again = ensure(of(TREND, types)).expect(200).json();
        assert_eq!(again["outcome"], "reissued");
        assert_eq!((uses(&app, &first).0, uses(&app, &again).0), (401, 200));
        let target = |target: &str| json!({ "roleID": 2, "constraints": { "target": target } });
        assert_eq!(ensure(target("external applications")).expect(200).json()["outcome"], "unchanged");
        assert_eq!(ensure(target("Apex One as a Service")).expect(200).json()["outcome"], "updated");
        // 0 is no profile in particular
        assert_eq!(mint_under(&app, &key, 0, json!({})).expect(200).status, 200);
    }

    /// DS-39: a key that the primary tenant makes for another lives under that one's profiles, for six hours at most
    /// unless its maker has Full Access.
    fn keys_of_other_tenants_live_under_those_tenants_profiles(app: TestApp) {
        let full = app.full_key();
        let tenant = app.post("/api/tenants", json!({ "name": "Blue", "administrator": { "username": "b", "password": crate::app::PASSWORD } })).key(&full).send().expect(200).json();
        let ours = made(&app, &full, json!({ "name": "ours" }));
        let mint = |name: &str, more: Value| {
            let mut body = json!({ "keyName": name });
            body.as_object_mut().expect("members").extend(more.as_object().expect("members").clone());
            app.post(&format!("/api/tenants/{}/apikeys", tenant["ID"]), body).key(&full).send()
        };
        assert_eq!(mint("plain", json!({})).expect(200).json()["expiryDate"], json!(START.millis() + DAY / 4));
        assert_refusal(&mint("ours", json!({ "lifecycle": { "profileID": ours } })), (400, "unknown_profile"));
        let answer = mint("of its issuer", json!({ "lifecycle": { "profileID": 3 } }));
        assert_refusal(&answer, (403, "wrong_credential_kind"));
        let session = app.sign_in();
        let body = json!({ "keyName": "of its issuer", "lifecycle": { "profileID": 3 } });
        let answer = app.post(&format!("/api/tenants/{}/apikeys", tenant["ID"]), body).with(&session).send();
        assert_refusal(&answer, (400, "malformed"));
        assert!(message(&answer).starts_with("lifecycle.profileID"));
        let mut token = trend("External applications", json!(["logRetrieval"]));
        token["lifecycle"] = json!({ "profileID": TREND });
        assert_eq!(mint("token", token).expect(200).json()["expiryDate"], json!(START.millis() + DAY / 4), "the six hours win");
    }

    /// What a profile says of keys is felt by those that are there: a shorter longest life by the next that moves the
    /// end, a lower limit by the next that is made.
    fn a_changed_profile_is_felt_by_what_comes_next(app: TestApp) {
        let key = app.full_key();
        let id = made(&app, &key, json!({ "name": "mine", "maxValidity": "60d", "maxKeys": 2 }));
        let token = mint_under(&app, &key, id, json!({})).expect(200).json();
        change(&app, &key, id, json!({ "maxValidity": "20d", "maxKeys": 1 })).expect(200);
        assert_eq!(uses(&app, &token).0, 200);
        assert_refusal(&mint_under(&app, &key, id, json!({})), (409, "key_limit_reached"));
        modify(&app, &key, &token["ID"], json!({ "description": "d" })).expect(200);
        assert_refusal(&modify(&app, &key, &token["ID"], json!({ "expiryDate": at(21) })), (400, "expiry_out_of_range"));
        modify(&app, &key, &token["ID"], json!({ "expiryDate": at(20) })).expect(200);
    }
}
