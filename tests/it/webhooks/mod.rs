//! Webhooks: programs of others that are told what happens.

mod delivery;
mod fence;

use firstkey::clock::DAY;
use serde_json::{Value, json};

use crate::app::{Setup, TestApp, secret};
use crate::both;
use crate::http::Answer;
use crate::receivers::Hooks;

const ALL: [&str; 9] = [
    "apikey.created",
    "apikey.rotated",
    "apikey.revoked",
    "apikey.expiring",
    "apikey.expired",
    "apikey.locked",
    "claim.reused",
    "administrator.locked",
    "signin.throttled",
];

fn create(app: &TestApp, key: &str, body: Value) -> Answer {
    app.post("/api/webhooks", body).key(key).send()
}

/// A webhook to a receiver of this machine; its answer.
fn hook(app: &TestApp, key: &str, hooks: &Hooks, events: &[&str]) -> Value {
    let name = format!("hook {}", app.last_event());
    create(app, key, json!({ "name": name, "url": hooks.url(), "events": events })).expect(200).json()
}

fn with_hooks(setup: &mut Setup) {
    setup.with_hooks();
}

#[track_caller]
fn assert_refusal(answer: &Answer, expected: (u16, &str)) {
    assert_eq!((answer.status, answer.code().as_str()), expected, "{}", answer.text());
}

both! {
    /// A webhook is answered in the documented order; its secret once, at the making and when it is replaced, and is
    /// nowhere in the database.
    fn a_webhook_is_answered_in_the_documented_order(app: TestApp) {
        let key = app.full_key();
        let body = json!({ "name": "Ops 鍵", "description": "d", "url": "https://1.1.1.1:8443/a?b=c", "events": ["claim.reused", "apikey.created", "claim.reused"], "active": "false", "ID": 9 });
        let made = create(&app, &key, body).expect(200);
        let printed = made.json()["secret"].as_str().expect("a secret").to_owned();
        assert!(printed.starts_with("whsec_") && printed.len() == 50, "{printed}");
        let plain = r#""name":"Ops 鍵","description":"d","url":"https://1.1.1.1:8443/a?b=c","events":["apikey.created","claim.reused"],"active":false,"created":1795262415000,"ID":1}"#;
        assert_eq!(made.text(), format!(r#"{{"secret":"{printed}",{plain}"#));
        let plain = format!("{{{plain}");
        assert_eq!(app.get("/api/webhooks/1").key(&key).send().expect(200).text(), plain);
        assert_eq!(app.get("/api/webhooks").key(&key).send().expect(200).text(), format!(r#"{{"webhooks":[{plain}]}}"#));
        assert_eq!(app.call("POST", "/api/webhooks/search").key(&key).send().expect(200).text(), format!(r#"{{"webhooks":[{plain}]}}"#));
        let replaced = app.call("POST", "/api/webhooks/1/secret").key(&key).send().expect(200).json();
        assert_ne!(replaced["secret"], json!(printed));
        use base64::Engine as _;
        for text in [printed.as_str(), replaced["secret"].as_str().expect("a secret")] {
            let base64 = text.strip_prefix("whsec_").expect("its form");
            let hex = data_encoding::HEXLOWER.encode(&base64::engine::general_purpose::STANDARD.decode(base64).expect("base64"));
            assert!(!app.rows().iter().any(|row| row.contains(&base64.to_lowercase()) || row.contains(&hex)), "the secret is stored");
        }
        let minimal = create(&app, &key, json!({ "name": "x", "url": "https://hooks.example.com", "events": ["apikey.expiring"] })).expect(200).json();
        assert_eq!((&minimal["description"], &minimal["active"], &minimal["url"]), (&json!(""), &json!(true), &json!("https://hooks.example.com/")));
    }

    /// What cannot be is refused by name, at the making and later, and nothing changes.
    fn what_cannot_be_is_refused_by_name(app: TestApp) {
        let key = app.full_key();
        let good = json!({ "name": "x", "url": "https://1.1.1.1/", "events": ["apikey.created"] });
        create(&app, &key, good.clone()).expect(200);
        let before = app.rows();
        for (member, value) in [
            ("name", json!("")), ("name", json!("x".repeat(129))), ("name", json!("a\u{0}")), ("name", json!(7)), ("description", json!("x".repeat(1_025))),
            ("url", json!("")), ("url", json!("hooks.example.com")), ("url", json!("ftp://hooks.example.com/")), ("url", json!("https://u:hunter2@hooks.example.com/")),
            ("url", json!(format!("https://hooks.example.com/{}", "x".repeat(2_048)))), ("url", json!(format!("https://hooks.example.com/{}", "é".repeat(700)))), ("url", json!(7)), ("url", json!("http://1.1.1.1/")),
            ("events", json!([])), ("events", json!(["apikey"])), ("events", json!(["*"])), ("events", json!("apikey.created")), ("events", json!([7])), ("events", json!([null])), ("events", json!({})),
            ("active", json!(1)),
        ] {
            let mut body = good.clone();
            body["name"] = json!("y");
            body[member] = value.clone();
            for answer in [create(&app, &key, body), app.post("/api/webhooks/1", json!({ member: value })).key(&key).send()] {
                assert_refusal(&answer, (400, "malformed"));
                let text = answer.text();
                assert!(answer.json()["message"].as_str().is_some_and(|message| message.starts_with(member)) && !text.contains("hunter2"), "{member}: {text}");
            }
        }
        for missing in ["name", "url", "events"] {
            let mut body = good.clone();
            body.as_object_mut().expect("an object").remove(missing);
            assert_refusal(&create(&app, &key, body), (400, "malformed"));
        }
        assert_refusal(&create(&app, &key, json!({ "name": "X", "url": "https://1.1.1.1/", "events": ["apikey.created"] })), (409, "name_taken"));
        assert_eq!(create(&app, &key, json!({ "name": "y", "url": "https://1.1.1.1/", "events": ["?"] })).json()["accepted"].as_array().map(Vec::len), Some(9));
        app.assert_rows(&before, "refused");
        for n in 1..50 {
            create(&app, &key, json!({ "name": format!("n{n}"), "url": "https://1.1.1.1/", "events": ["apikey.created"] })).expect(200);
        }
        assert_refusal(&create(&app, &key, json!({ "name": "one more", "url": "https://1.1.1.1/", "events": ["apikey.created"] })), (409, "conflict"));
    }

    /// Only what is sent changes; each change leaves an event, which shows nothing of a URL but where it leads.
    fn each_change_leaves_an_event(app: TestApp) {
        let key = app.full_key();
        let before = app.last_event();
        let hook = create(&app, &key, json!({ "name": "x", "url": "https://1.1.1.1/secret-path", "events": ["apikey.created"] })).expect(200).json();
        let mut expected = app.get("/api/webhooks/1").key(&key).send().expect(200).json();
        assert_eq!(hook["ID"], 1);
        for (member, value) in [("name", json!("y")), ("description", json!("d")), ("url", json!("https://8.8.8.8/other-secret")), ("events", json!(["apikey.locked"])), ("active", json!(false)), ("active", json!(true))] {
            expected[member] = value.clone();
            assert_eq!(app.post("/api/webhooks/1", json!({ member: value })).key(&key).send().expect(200).json(), expected, "{member}");
        }
        app.call("POST", "/api/webhooks/1/secret").key(&key).send().expect(200);
        app.call("POST", "/api/webhooks/1/test").key(&key).send().expect(204);
        app.delete("/api/webhooks/1").key(&key).send().expect(204);
        assert_refusal(&app.delete("/api/webhooks/1").key(&key).send(), (404, "not_found"));
        assert_eq!(app.events_after(before), [
            r#"5100 apiKey/1/full webhook/1/x {"events":["apikey.created"],"url":"https://1.1.1.1:443"}"#,
            r#"5101 apiKey/1/full webhook/1/x {"name":{"from":"x","to":"y"}}"#,
            r#"5101 apiKey/1/full webhook/1/y {"description":{"from":"","to":"d"}}"#,
            r#"5101 apiKey/1/full webhook/1/y {"url":{"from":"https://1.1.1.1:443","to":"https://8.8.8.8:443"}}"#,
            r#"5101 apiKey/1/full webhook/1/y {"events":{"from":["apikey.created"],"to":["apikey.locked"]}}"#,
            r#"5101 apiKey/1/full webhook/1/y {"active":{"from":true,"to":false}}"#,
            r#"5101 apiKey/1/full webhook/1/y {"active":{"from":false,"to":true}}"#,
            "5103 apiKey/1/full webhook/1/y {}",
            "5104 apiKey/1/full webhook/1/y {}",
            "5102 apiKey/1/full webhook/1/y {}",
        ]);
        assert_eq!(app.count("select count(*) as n from notices"), 0, "what was to be sent goes with it");
    }

    /// DS-26: every field takes its kind of test.
    fn every_field_is_searched_by_its_kind(app: TestApp) {
        let key = app.full_key();
        create(&app, &key, json!({ "name": "Ops", "description": "d", "url": "https://1.1.1.1/A", "events": ["apikey.created"] })).expect(200);
        create(&app, &key, json!({ "name": "other", "url": "https://8.8.8.8/", "events": ["apikey.created"], "active": false })).expect(200);
        let found = |criteria: Value| {
            let answer = app.post("/api/webhooks/search", json!({ "searchCriteria": criteria })).key(&key).send().expect(200).json();
            answer["webhooks"].as_array().expect("a list").iter().map(|one| one["ID"].as_i64().expect("an ID")).collect::<Vec<_>>()
        };
        for (field, value) in [("name", "OPS"), ("description", "D"), ("url", "https://1.1.1.1/a")] {
            assert_eq!(found(json!({ "fieldName": field, "stringValue": value })), [1], "{field}");
        }
        assert_eq!(found(json!({ "fieldName": "active", "booleanTest": false })), [2]);
        assert_eq!(found(json!({ "fieldName": "created", "firstDateValue": 0 })), [1, 2]);
        assert_eq!(found(json!({ "idTest": "equal", "idValue": 2 })), [2]);
        for field in ["secret", "events"] {
            let criteria = json!({ "fieldName": field, "stringValue": "%" });
            assert_refusal(&app.post("/api/webhooks/search", json!({ "searchCriteria": criteria })).key(&key).send(), (400, "bad_search"));
        }
    }

    /// T-01: nobody has a webhook told what they may not see themselves; nor redirects one that is.
    fn nobody_has_a_webhook_told_what_they_may_not_see(app: TestApp) {
        let full = app.full_key();
        let settings = ["platformRights.settingRights.canEditSettings", "platformRights.settingRights.canViewSettings"];
        let keys = "platformRights.apikeyRights.canViewApiKeys";
        let caller = |name: &str, more: &[&str]| {
            let role = app.role(name, &[&settings[..], more].concat());
            secret(&app.post("/api/apikeys", json!({ "keyName": name, "roleID": role })).key(&full).send().expect(200).json())
        };
        let (neither, sees_keys, sees_both) =
            (caller("neither", &[]), caller("keys", &[keys]), caller("both", &[keys, "platformRights.administratorRights.canViewAdministrators"]));
        for event in ALL {
            let of_people = event.starts_with("administrator") || event.starts_with("signin");
            for (name, key, may) in [("neither", &neither, false), ("keys", &sees_keys, !of_people), ("both", &sees_both, true)] {
                let body = json!({ "name": format!("{event} {name}"), "url": "https://1.1.1.1/", "events": [event] });
                assert_eq!(create(&app, key, body).status, if may { 200 } else { 403 }, "{event} {name}");
            }
        }
        let id = create(&app, &full, json!({ "name": "x", "url": "https://1.1.1.1/", "events": ["apikey.created"] })).expect(200).json()["ID"].clone();
        let path = format!("/api/webhooks/{id}");
        for change in [json!({ "url": "https://8.8.8.8/" }), json!({ "events": ["apikey.created", "apikey.locked"] })] {
            assert_refusal(&app.post(&path, change).key(&neither).send(), (403, "beyond_caller"));
        }
        assert_refusal(&app.call("POST", &format!("{path}/secret")).key(&neither).send(), (403, "beyond_caller"));
        for change in [json!({ "name": "renamed" }), json!({ "active": false })] {
            app.post(&path, change).key(&neither).send().expect(200);
        }
        assert_refusal(&app.post(&path, json!({ "active": true })).key(&neither).send(), (403, "beyond_caller"));
        app.delete(&path).key(&neither).send().expect(204);
    }

    /// T-03: a key that ends makes no webhook, which would go on being told after its end.
    fn an_ending_key_makes_no_webhook(app: TestApp) {
        let full = app.full_key();
        let body = json!({ "keyName": "ends", "roleID": 1, "expiryDate": app.clock.now().plus(DAY) });
        let ends = secret(&app.post("/api/apikeys", body).key(&full).send().expect(200).json());
        let wanted = json!({ "name": "x", "url": "https://1.1.1.1/", "events": ["apikey.created"] });
        assert_refusal(&create(&app, &ends, wanted.clone()), (403, "beyond_caller"));
        create(&app, &full, wanted).expect(200);
        assert_refusal(&app.post("/api/webhooks/1", json!({ "url": "https://8.8.8.8/" })).key(&ends).send(), (403, "beyond_caller"));
        assert_refusal(&app.call("POST", "/api/webhooks/1/secret").key(&ends).send(), (403, "beyond_caller"));
        app.post("/api/webhooks/1", json!({ "description": "harmless" })).key(&ends).send().expect(200);
    }
}
