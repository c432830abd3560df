//! `/api/apikeyprofiles`: listed, made, changed, removed, searched.

use firstkey::rights::{Reach, Right};
use serde_json::{Value, json};

use super::{DAY, assert_refusal, change, create, made, message, mint_under};
use crate::app::{PASSWORD, Session, TestApp, secret};
use crate::both;
use crate::stored::without_trace;

const BUILT_IN: [&str; 3] = [
    r#"{"name":"Deep Security","description":"Role-bound keys with an end of their own, as Deep Security has them.","immutable":true,"default":true,"rightsFrom":"role","targets":[],"apiTypesRequired":false,"replaceSecretOnApiTypeChange":false,"refreshRevives":false,"maxOverlap":"30d","warnBefore":["10d"],"issuerBound":false,"visibility":"all","callsPerMinute":{"window":"sliding"},"errorDialect":"deepSecurity","ID":1}"#,
    r#"{"name":"Trend Micro Cloud App Security","description":"Tokens for API types, valid for 365 days and refreshed, as Trend Micro Cloud App Security has them.","immutable":true,"default":false,"rightsFrom":"role","validity":"365d","minValidity":"365d","maxValidity":"365d","maxKeys":20,"targets":[{"name":"External applications"},{"name":"Apex One as a Service","maxKeys":1}],"apiTypesRequired":true,"replaceSecretOnApiTypeChange":true,"refreshRevives":true,"maxOverlap":"30d","warnBefore":["10d"],"issuerBound":false,"visibility":"all","callsPerMinute":{"key":20,"window":"fromFirstCall"},"errorDialect":"trendCloudAppSecurity","ID":2}"#,
    r#"{"name":"Microsoft Cloud App Security","description":"Tokens with the rights of whoever issued them, seen by them alone, as Microsoft Cloud App Security has them.","immutable":true,"default":false,"rightsFrom":"issuer","targets":[],"apiTypesRequired":false,"replaceSecretOnApiTypeChange":false,"refreshRevives":false,"maxOverlap":"30d","warnBefore":["10d"],"issuerBound":true,"visibility":"own","callsPerMinute":{"tenant":30,"window":"sliding"},"errorDialect":"deepSecurity","ID":3}"#,
];

/// A body with every member.
fn all() -> Value {
    json!({
        "name": "Nightly 鍵", "description": "d", "rightsFrom": "role", "validity": "P90D", "minValidity": "24h",
        "maxValidity": "180d", "maxKeys": "7", "targets": [{ "name": "a", "maxKeys": 2 }, { "name": "b" }],
        "apiTypesRequired": "true", "replaceSecretOnApiTypeChange": true, "refreshRevives": true, "maxOverlap": "90s",
        "warnBefore": ["1d", "30d", "24h"], "issuerBound": true, "visibility": "own",
        "callsPerMinute": { "key": 5, "tenant": 10, "window": "fromFirstCall" }, "errorDialect": "problem",
        "immutable": true, "ID": 77,
    })
}

const ALL: &str = r#"{"name":"Nightly 鍵","description":"d","immutable":false,"default":false,"rightsFrom":"role","validity":"90d","minValidity":"1d","maxValidity":"180d","maxKeys":7,"targets":[{"name":"a","maxKeys":2},{"name":"b"}],"apiTypesRequired":true,"replaceSecretOnApiTypeChange":true,"refreshRevives":true,"maxOverlap":"90s","warnBefore":["30d","1d"],"issuerBound":true,"visibility":"own","callsPerMinute":{"key":5,"tenant":10,"window":"fromFirstCall"},"errorDialect":"problem","ID":4}"#;

fn describe(app: &TestApp, key: &str, id: i64) -> Value {
    app.get(&format!("/api/apikeyprofiles/{id}")).key(key).send().expect(200).json()
}

/// The IDs that a search finds.
fn found(app: &TestApp, key: &str, criteria: Value) -> Vec<i64> {
    let body = json!({ "searchCriteria": criteria });
    let answer = app.post("/api/apikeyprofiles/search", body).key(key).send().expect(200).json();
    let list = answer["apiKeyProfiles"].as_array().expect("a list").clone();
    list.iter().map(|profile| profile["ID"].as_i64().expect("an ID")).collect()
}

both! {
    /// The three built-in profiles are there from the first start, in every tenant; one's own come behind them, every
    /// member in its place.
    fn three_profiles_are_there_and_others_can_be_made(app: TestApp) {
        let key = app.full_key();
        let list = |more: &str| format!("{{\"apiKeyProfiles\":[{}{more}]}}", BUILT_IN.join(","));
        assert_eq!(app.get("/api/apikeyprofiles").key(&key).send().expect(200).text(), list(""));
        assert_eq!(create(&app, &key, all()).expect(200).text(), ALL);
        assert_eq!(app.get("/api/apikeyprofiles/4").key(&key).send().expect(200).text(), ALL);
        assert_eq!(app.get("/api/apikeyprofiles").key(&key).send().expect(200).text(), list(&format!(",{ALL}")));
        assert_eq!(app.call("POST", "/api/apikeyprofiles/search").key(&key).send().expect(200).text(), list(&format!(",{ALL}")));
        // what is not said is as Deep Security has it, but for warnings of keys that never last that long
        let mut expected: Value = serde_json::from_str(BUILT_IN[0]).expect("JSON");
        for (member, value) in [("name", json!("x")), ("description", json!("")), ("immutable", json!(false)), ("default", json!(false)), ("ID", json!(5))] {
            expected[member] = value;
        }
        assert_eq!(create(&app, &key, json!({ "name": "x" })).expect(200).json(), expected);
        let short = create(&app, &key, json!({ "name": "short", "maxValidity": "10d" })).expect(200).json();
        assert_eq!(short["warnBefore"], json!([]));
        let brief = create(&app, &key, json!({ "name": "brief", "validity": "10d", "immutable": true })).expect(200).json();
        assert_eq!((&brief["warnBefore"], &brief["immutable"]), (&json!([]), &json!(false)));
        for id in ["8", "0", "2147483648"] {
            assert_refusal(&app.get(&format!("/api/apikeyprofiles/{id}")).key(&key).send(), (404, "not_found"));
        }
    }

    /// Only what is sent changes; null takes a bound off. What is answered can be sent back.
    fn only_what_is_sent_changes(app: TestApp) {
        let key = app.full_key();
        let id = made(&app, &key, json!({ "name": "before" }));
        let mut expected = describe(&app, &key, id);
        for (member, value) in [
            ("name", json!("after")), ("description", json!("d")), ("validity", json!("30d")), ("minValidity", json!("1m")), ("maxValidity", json!("3653d")),
            ("maxKeys", json!(3)), ("targets", json!([{ "name": "t", "maxKeys": 3 }])), ("apiTypesRequired", json!(true)),
            ("replaceSecretOnApiTypeChange", json!(true)), ("refreshRevives", json!(true)), ("maxOverlap", json!("0s")), ("maxOverlap", json!("365d")),
            ("warnBefore", json!(["20d", "10d", "3d", "1d", "0s"])), ("warnBefore", json!([])), ("issuerBound", json!(true)), ("rightsFrom", json!("issuer")), ("visibility", json!("own")),
            ("callsPerMinute", json!({ "key": 1, "tenant": 1_000_000, "window": "fromFirstCall" })), ("errorDialect", json!("problem")),
        ] {
            expected[member] = value.clone();
            assert_eq!(change(&app, &key, id, json!({ member: value })).expect(200).json(), expected, "{member}");
            assert_eq!(describe(&app, &key, id), expected);
        }
        assert_eq!(change(&app, &key, id, expected.clone()).expect(200).json(), expected, "the answer itself changes nothing");
        change(&app, &key, id, json!({ "name": null, "visibility": null, "refreshRevives": false })).expect(200);
        expected["refreshRevives"] = json!(false);
        for member in ["validity", "minValidity", "maxValidity", "maxKeys"] {
            expected.as_object_mut().expect("members").remove(member);
            change(&app, &key, id, json!({ "targets": null, "callsPerMinute": { "key": null } })).expect(200);
            expected["targets"] = json!([]);
            expected["callsPerMinute"] = json!({ "tenant": 1_000_000, "window": "fromFirstCall" });
            assert_eq!(change(&app, &key, id, json!({ member: null })).expect(200).json(), expected, "{member}");
        }
        expected["callsPerMinute"] = json!({ "window": "fromFirstCall" });
        assert_eq!(change(&app, &key, id, json!({ "callsPerMinute": null })).expect(200).json(), expected);
    }

    /// The built-in ones are as they are: nobody changes or removes them, nor takes their names.
    fn the_built_in_ones_stay_as_they_are(app: TestApp) {
        let key = app.full_key();
        let before = app.rows();
        for id in 1..=3 {
            for body in [json!({ "name": "mine" }), json!({ "maxKeys": 21 }), json!({ "description": "" }), json!({ "default": true, "maxKeys": 21 })] {
                assert_refusal(&change(&app, &key, id, body), (409, "conflict"));
            }
            assert_refusal(&app.delete(&format!("/api/apikeyprofiles/{id}")).key(&key).send(), (409, "conflict"));
        }
        for name in ["Deep Security", "deep security", "ＤＥＥＰ Security", "Microsoft Cloud App Security"] {
            assert_refusal(&create(&app, &key, json!({ "name": name })), (409, "name_taken"));
        }
        app.assert_rows(&before, "refused");
        let (first, _) = (made(&app, &key, json!({ "name": "Mine" })), made(&app, &key, json!({ "name": "other" })));
        for name in ["mine", "MINE", "Trend micro cloud app security"] {
            assert_refusal(&create(&app, &key, json!({ "name": name })), (409, "name_taken"));
        }
        for name in ["OTHER", "Deep Security"] {
            assert_refusal(&change(&app, &key, first, json!({ "name": name })), (409, "name_taken"));
        }
        change(&app, &key, first, json!({ "name": "MINE" })).expect(200);
    }

    /// One profile is the default of keys that name none: Deep Security's, until another takes its place.
    fn one_profile_is_the_default(app: TestApp) {
        let key = app.full_key();
        let defaults = || found(&app, &key, json!([])).into_iter().filter(|id| describe(&app, &key, *id)["default"] == true).collect::<Vec<_>>();
        let profile_of = |name: &str| {
            app.post("/api/apikeys", json!({ "keyName": name, "roleID": 2 })).key(&key).send().expect(200);
            app.count(&format!("select profile_id as n from api_keys where key_name = '{name}'"))
        };
        assert_eq!((defaults(), profile_of("a")), (vec![1], 1));
        let id = made(&app, &key, json!({ "name": "mine", "default": true }));
        assert_eq!((defaults(), profile_of("b")), (vec![id], id));
        let other = made(&app, &key, json!({ "name": "other", "default": false }));
        assert_eq!(change(&app, &key, other, json!({ "default": "true" })).expect(200).json()["default"], true);
        assert_eq!((defaults(), profile_of("c")), (vec![other], other));
        // a built-in one takes this member and no other
        assert_eq!(change(&app, &key, 2, json!({ "default": true })).expect(200).json()["default"], true);
        assert_eq!(defaults(), [2]);
        assert_refusal(&app.post("/api/apikeys", json!({ "keyName": "d", "roleID": 2 })).key(&key).send(), (400, "unknown_target"));
        for id in [1, other] {
            assert_eq!(change(&app, &key, id, json!({ "default": false })).expect(200).json()["default"], false);
        }
        assert_refusal(&change(&app, &key, 2, json!({ "default": false })), (409, "conflict"));
        change(&app, &key, 1, json!({ "default": true })).expect(200);
        assert_eq!((defaults(), profile_of("e")), (vec![1], 1));
    }

    /// A profile that keys have, or that is the default, stays.
    fn a_profile_in_use_stays(app: TestApp) {
        let key = app.full_key();
        let id = made(&app, &key, json!({ "name": "mine", "default": true }));
        let item = format!("/api/apikeyprofiles/{id}");
        assert_refusal(&app.delete(&item).key(&key).send(), (409, "conflict"));
        let token = mint_under(&app, &key, id, json!({})).expect(200).json();
        change(&app, &key, 1, json!({ "default": true })).expect(200);
        let answer = app.delete(&item).key(&key).send();
        assert_refusal(&answer, (409, "conflict"));
        assert!(message(&answer).contains("in use"));
        // where the keys' rights come from, and whether they need their issuer, stays too
        change(&app, &key, id, json!({ "issuerBound": true, "maxKeys": 1 })).expect(200);
        assert_refusal(&change(&app, &key, id, json!({ "issuerBound": false })), (409, "conflict"));
        assert_refusal(&change(&app, &key, id, json!({ "rightsFrom": "issuer" })), (409, "conflict"));
        app.delete(&format!("/api/apikeys/{}", token["ID"])).key(&key).send().expect(204);
        change(&app, &key, id, json!({ "rightsFrom": "issuer" })).expect(200);
        assert!(app.delete(&item).key(&key).send().expect(204).body.is_empty());
        assert_refusal(&app.delete(&item).key(&key).send(), (404, "not_found"));
        assert_refusal(&mint_under(&app, &key, id, json!({})), (400, "unknown_profile"));
        assert_eq!(made(&app, &key, json!({ "name": "mine" })), id + 1, "a number is not given twice");
    }

    /// TC-03: lengths are counted in characters; what cannot be is refused by name, at the making and later, and nothing
    /// changes.
    fn what_cannot_be_is_refused_by_name(app: TestApp) {
        let key = app.full_key();
        let id = made(&app, &key, json!({ "name": "x" }));
        let before = app.rows();
        let long = |characters: usize| json!("鍵".repeat(characters));
        let many = |count: usize| json!((0..count).map(|n| json!({ "name": format!("t{n}") })).collect::<Vec<_>>());
        for (member, value) in [
            ("name", json!("")), ("name", long(129)), ("name", json!(" ")), ("name", json!(7)), ("name", json!("a\u{0}")), ("description", long(1_025)), ("description", json!("\u{7}")),
            ("rightsFrom", json!("Role")), ("rightsFrom", json!("")), ("visibility", json!("none")), ("errorDialect", json!("json")),
            ("validity", json!("")), ("validity", json!("59s")), ("validity", json!("3654d")), ("validity", json!("1y")), ("validity", json!(365)), ("validity", json!("-1d")),
            ("minValidity", json!("P1Y")), ("maxValidity", json!("1.5d")), ("maxOverlap", json!("366d")), ("maxOverlap", json!("")), ("maxOverlap", json!("one")),
            ("warnBefore", json!([""])), ("warnBefore", json!(["366d"])), ("warnBefore", json!(["59s"])), ("warnBefore", json!("10d")), ("warnBefore", json!((1..=11).map(|days| format!("{days}d")).collect::<Vec<_>>())),
            ("maxKeys", json!(0)), ("maxKeys", json!(-1)), ("maxKeys", json!(1_000_001)), ("maxKeys", json!(1.5)), ("maxKeys", json!("x")),
            ("targets", json!([{ "name": "" }])), ("targets", json!([{ "name": long(129) }])), ("targets", json!([{ "name": "t", "maxKeys": 0 }])), ("targets", json!([{ "maxKeys": 1 }])), ("targets", json!(["t"])), ("targets", many(51)), ("targets", json!([{ "name": "T" }, { "name": "t" }])),
            ("callsPerMinute", json!({ "key": 0 })), ("callsPerMinute", json!({ "tenant": 0 })), ("callsPerMinute", json!({ "tenant": 1_000_001 })), ("callsPerMinute", json!({ "window": "minute" })), ("callsPerMinute", json!(5)), ("callsPerMinute", json!({ "key": 5, "tenant": 4 })),
            ("issuerBound", json!(1)), ("refreshRevives", json!("yes")), ("default", json!("TRUE")), ("apiTypesRequired", json!([])),
            // what contradicts something else is refused by both names
            ("refreshRevives", json!(true)), ("rightsFrom", json!("issuer")),
        ] {
            let mut body = json!({ "name": "y" });
            body[member] = value.clone();
            for answer in [create(&app, &key, body), change(&app, &key, id, json!({ member: value }))] {
                assert_refusal(&answer, (400, "malformed"));
                assert!(message(&answer).starts_with(member), "{member} {value}: {}", message(&answer));
            }
        }
        for (members, body) in [
            ("minValidity, maxValidity", json!({ "minValidity": "2d", "maxValidity": "1d", "warnBefore": [] })),
            ("validity, minValidity", json!({ "minValidity": "2d", "validity": "1d" })),
            ("validity, maxValidity", json!({ "maxValidity": "2d", "validity": "3d", "warnBefore": [] })),
            ("warnBefore, maxValidity", json!({ "maxValidity": "9d", "warnBefore": ["9d"] })),
            ("warnBefore, validity", json!({ "validity": "30d", "maxValidity": null, "minValidity": null, "warnBefore": ["100d"] })),
            ("warnBefore, validity", json!({ "validity": "30d", "maxValidity": null, "minValidity": null, "warnBefore": ["1d", "30d"] })),
            ("targets, maxKeys", json!({ "maxKeys": 2, "targets": [{ "name": "t", "maxKeys": 3 }] })),
        ] {
            let mut new = body.clone();
            new["name"] = json!("y");
            for answer in [create(&app, &key, new), change(&app, &key, id, body)] {
                assert_refusal(&answer, (400, "malformed"));
                assert!(message(&answer).starts_with(members), "{}", message(&answer));
            }
        }
        assert_refusal(&create(&app, &key, json!({})), (400, "malformed"));
        assert_refusal(&change(&app, &key, 99, json!({ "name": "y" })), (404, "not_found"));
        app.assert_rows(&before, "refused");
        let widest = json!({ "name": "鍵".repeat(128), "description": "鍵".repeat(1_024), "targets": many(50), "maxKeys": 1_000_000, "warnBefore": (1..=10).map(|days| format!("{days}d")).collect::<Vec<_>>() });
        create(&app, &key, widest).expect(200);
    }

    /// Every field is searched by its kind of test.
    fn every_field_is_searched_by_its_kind(app: TestApp) {
        let key = app.full_key();
        made(&app, &key, all());
        for (criterion, ids) in [
            (json!({ "fieldName": "name", "stringValue": "%cloud app security" }), &[2, 3][..]),
            (json!({ "fieldName": "description", "stringValue": "D" }), &[4]),
            (json!({ "fieldName": "immutable", "booleanTest": false }), &[4]),
            (json!({ "fieldName": "rightsFrom", "choiceValue": "issuer" }), &[3]),
            (json!({ "fieldName": "maxKeys", "numericTest": "greater-than", "numericValue": 6 }), &[2, 4]),
            (json!({ "fieldName": "apiTypesRequired", "booleanTest": true }), &[2, 4]),
            (json!({ "fieldName": "replaceSecretOnApiTypeChange", "booleanTest": true }), &[2, 4]),
            (json!({ "fieldName": "refreshRevives", "booleanTest": false }), &[1, 3]),
            (json!({ "fieldName": "issuerBound", "booleanTest": true }), &[3, 4]),
            (json!({ "fieldName": "visibility", "choiceTest": "not-equal", "choiceValue": "own" }), &[1, 2]),
            (json!({ "fieldName": "errorDialect", "choiceValue": "problem" }), &[4]),
            (json!({ "idTest": "less-than", "idValue": 2 }), &[1]),
        ] {
            assert_eq!(found(&app, &key, criterion.clone()), ids, "{criterion}");
        }
        for criterion in [
            json!({ "fieldName": "targets", "stringValue": "a" }), json!({ "fieldName": "name", "booleanTest": true }),
            json!({ "fieldName": "visibility", "choiceValue": "everybody" }), json!({ "fieldName": "default", "booleanTest": true }),
        ] {
            assert_refusal(&app.post("/api/apikeyprofiles/search", json!({ "searchCriteria": criterion })).key(&key).send(), (400, "bad_search"));
        }
    }

    /// Making, changing and removing leave an event each, which says what changed.
    fn each_change_leaves_an_event(app: TestApp) {
        let key = app.full_key();
        let before = app.last_event();
        let id = made(&app, &key, json!({ "name": "Ops", "maxKeys": 2 }));
        change(&app, &key, id, json!({ "name": "Dev", "validity": "30d", "default": true })).expect(200);
        change(&app, &key, 1, json!({ "default": true })).expect(200);
        app.delete(&format!("/api/apikeyprofiles/{id}")).key(&key).send().expect(204);
        let contents = r#"{"apiTypesRequired":false,"callsPerMinute":{"window":"sliding"},"default":false,"errorDialect":"deepSecurity","issuerBound":false,"maxKeys":2,"maxOverlap":"30d","maxValidity":null,"minValidity":null,"refreshRevives":false,"replaceSecretOnApiTypeChange":false,"rightsFrom":"role","targets":[],"validity":null,"visibility":"all","warnBefore":["10d"]}"#;
        assert_eq!(app.events_after(before), [
            &format!("5160 apiKey/1/full apiKeyProfile/{id}/Ops {contents}"),
            &format!(r#"5161 apiKey/1/full apiKeyProfile/{id}/Ops {{"default":{{"from":false,"to":true}},"name":{{"from":"Ops","to":"Dev"}},"validity":{{"from":null,"to":"30d"}}}}"#),
            r#"5161 apiKey/1/full apiKeyProfile/1/Deep Security {"default":{"from":false,"to":true}}"#,
            &format!("5162 apiKey/1/full apiKeyProfile/{id}/Dev {{}}"),
        ]);
    }

    /// Reading needs canViewSettings, all else canEditSettings.
    fn each_call_needs_its_own_right(app: TestApp) {
        let full = app.full_key();
        for (own, allowed) in [("canViewSettings", [200, 200, 200, 403, 403, 403]), ("canEditSettings", [403, 403, 403, 200, 200, 204])] {
            let right = Right::all().find(|right| right.name().name == own).expect("a right");
            let role = app.role_of(own, [right].into_iter().collect(), Reach::default());
            let caller = secret(&app.post("/api/apikeys", json!({ "keyName": own, "roleID": role })).key(&full).send().expect(200).json());
            let id = made(&app, &full, json!({ "name": own }));
            let item = format!("/api/apikeyprofiles/{id}");
            let statuses = [
                app.get("/api/apikeyprofiles").key(&caller).send().status,
                app.get(&item).key(&caller).send().status,
                app.post("/api/apikeyprofiles/search", json!({})).key(&caller).send().status,
                create(&app, &caller, json!({ "name": format!("by {own}") })).status,
                change(&app, &caller, id, json!({ "description": "d" })).status,
                app.delete(&item).key(&caller).send().status,
            ];
            assert_eq!(statuses, allowed, "{own}");
        }
    }

    /// T-23: another tenant's profile is one that never was, for keys too, and neither name nor default is shared.
    fn anothers_profile_is_as_none(app: TestApp) {
        let ours = app.full_key();
        let tenant = app.tenant("Blue");
        app.administrator("blue", PASSWORD, 1, tenant);
        let body = json!({ "userName": "blue", "password": PASSWORD, "tenantName": "blue" });
        let theirs = Session::from(&app.post("/api/sessions", body).send().expect(200));
        let id = made(&app, &ours, json!({ "name": "Ops", "default": true, "validity": "1d" }));
        let [foreign, never] = [id, 2_147_483_647].map(|id| {
            let body = json!({ "keyName": "k", "roleID": 2, "lifecycle": { "profileID": id } });
            without_trace(&app.post("/api/apikeys", body).with(&theirs).send().expect(400))
        });
        assert_eq!(foreign, never);
        let made = app.post("/api/apikeyprofiles", json!({ "name": "Ops" })).with(&theirs).send().expect(200).json();
        let list = app.get("/api/apikeyprofiles").with(&theirs).send().expect(200).json();
        let ids: Vec<&Value> = list["apiKeyProfiles"].as_array().expect("a list").iter().map(|profile| &profile["ID"]).collect();
        assert_eq!(ids, [&json!(1), &json!(2), &json!(3), &made["ID"]]);
        let key = app.post("/api/apikeys", json!({ "keyName": "k", "roleID": 2 })).with(&theirs).send().expect(200).json();
        assert_eq!(key.get("expiryDate"), None, "{DAY}");
    }
}
