//! Who sees which keys: some are for their issuers' eyes, and machines have lists of their own.

use serde_json::{Value, json};

use super::{IN, assert_refusal, made, presented};
use crate::app::{Call, PASSWORD, Session, TestApp, secret};
use crate::both;
use crate::stored::without_trace;

const RIGHTS: [&str; 4] = [
    "platformRights.apikeyRights.canCreateNewApiKeys",
    "platformRights.apikeyRights.canDeleteApiKeys",
    "platformRights.apikeyRights.canEditApiKeyProperties",
    "platformRights.apikeyRights.canViewApiKeys",
];

fn names(answer: &Value) -> Vec<String> {
    let keys = answer["apiKeys"].as_array().expect("a list");
    keys.iter().map(|key| key["keyName"].as_str().expect("a name").to_owned()).collect()
}

fn listed(call: Call<'_>) -> Vec<String> {
    names(&call.send().expect(200).json())
}

both! {
    /// MC-04, MC-09: of a profile whose keys are for their issuers' eyes everybody sees and handles their own, and only
    /// Full Access the others'; to all else it is as if they were not there.
    fn everybody_sees_their_own(app: TestApp) {
        let (full, bare) = (app.full_key(), app.role("Bare", &[]));
        let role = app.role("Issuer", &RIGHTS);
        let person = |name: &str| {
            app.administrator(name, PASSWORD, role, 0);
            Session::from(&app.try_sign_in(name, PASSWORD).expect(200))
        };
        let (anna, ben) = (person("anna"), person("ben"));
        let make = |session: &Session, name: &str, role: i64| {
            app.post("/api/apikeys", json!({ "keyName": name, "roleID": role })).with(session).send().expect(200).json()
        };
        let (of_anna, of_ben, tool) = (make(&anna, "of anna", bare), make(&ben, "of ben", bare), make(&ben, "tool", role));
        let child = made(&app, &secret(&tool), json!({ "keyName": "child", "roleID": bare }));
        app.execute("update api_keys set profile_id = 3 where key_name in ('of anna', 'of ben', 'tool', 'child')");
        made(&app, &full, json!({ "keyName": "open", "roleID": bare }));

        // the key that made it has to be of a profile that may make keys, which no issuer-bound one is: only what it sees is tried
        for (call, sees) in [
            (app.get("/api/apikeys").with(&anna), vec!["full", "of anna", "open"]),
            (app.get("/api/apikeys").with(&ben), vec!["full", "of ben", "tool", "open"]),
            (app.get("/api/apikeys").key(&secret(&tool)), vec!["full", "tool", "child", "open"]),
            (app.get("/api/apikeys").key(&full), vec!["full", "of anna", "of ben", "tool", "child", "open"]),
            (app.get("/api/apikeys/export").with(&anna), vec!["full", "of anna", "open"]),
            (app.call("POST", "/api/apikeys/search").with(&anna), vec!["full", "of anna", "open"]),
            (app.post("/api/apikeys/search", json!({ "searchCriteria": { "fieldName": "keyName", "stringValue": "of %" } })).with(&ben), vec!["of ben"]),
        ] {
            let what = format!("{} {}", call.request.method, call.request.path);
            assert_eq!(listed(call), sees, "{what}");
        }
        let counts = |call: Call<'_>| call.send().expect(200).json()["statuses"].as_object().expect("words").values().filter_map(Value::as_i64).sum::<i64>();
        assert_eq!(counts(app.get("/api/apikeys/counts").with(&anna)), 3);
        assert_eq!(counts(app.get("/api/apikeys/counts").key(&full)), 6);
        let exported = app.get("/api/apikeys/export?format=csv").with(&anna).send().expect(200).text();
        assert!(exported.contains("of anna") && !exported.contains("of ben"));

        app.flush();
        let rows = app.rows();
        for hidden in [&of_ben, &tool, &child] {
            let id = &hidden["ID"];
            let calls = |id: &Value| [
                app.get(&format!("/api/apikeys/{id}")),
                app.get(&format!("/api/apikeys/{id}?expand=all")),
                app.post(&format!("/api/apikeys/{id}"), json!({ "description": "d" })),
                app.call("POST", &format!("/api/apikeys/{id}/secretkey")),
                app.delete(&format!("/api/apikeys/{id}")),
            ];
            for (there, nowhere) in calls(id).into_iter().zip(calls(&json!(2_147_483_647))) {
                let what = format!("{} {}", there.request.method, there.request.path);
                let answers = [there, nowhere].map(|call| without_trace(&call.with(&anna).send().expect(404)));
                assert_eq!(answers[0], answers[1], "{what}");
            }
        }
        app.assert_rows(&rows, "hidden keys");
        // names are the tenant's, so one that is taken is taken
        let by_name = app.call("PUT", "/api/apikeys/by-name/of%20ben").json(json!({ "roleID": bare })).with(&anna).send();
        assert_refusal(by_name.refusal(), (409, "name_taken"));
        app.assert_rows(&rows, "hidden keys");

        // their own are handled as ever
        let own = format!("/api/apikeys/{}", of_anna["ID"]);
        app.post(&own, json!({ "description": "d" })).with(&anna).send().expect(200);
        let by_name = app.call("PUT", "/api/apikeys/by-name/of%20anna").json(json!({ "roleID": bare, "description": "e" })).with(&anna);
        assert_eq!(by_name.send().expect(200).json()["outcome"], "updated");
        app.call("POST", &format!("{own}/secretkey")).with(&anna).send().expect(200);
        app.delete(&own).with(&anna).send().expect(204);
        app.delete(&format!("/api/apikeys/{}", of_ben["ID"])).key(&full).send().expect(204);
        // the history of them is for the same eyes
        let history = |call: Call<'_>| {
            let answer = call.send().expect(200).json();
            let keys = answer["revokedApiKeys"].as_array().expect("a list");
            keys.iter().map(|key| key["keyName"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(history(app.get("/api/apikeys/revoked").with(&anna)), ["of anna"]);
        assert_eq!(history(app.call("POST", "/api/apikeys/revoked/search").with(&ben)), ["of ben"]);
        assert_eq!(history(app.get("/api/apikeys/revoked").key(&full)), ["of anna", "of ben"]);
        let hidden = app.get(&format!("/api/apikeys/revoked/{}", of_ben["ID"])).with(&anna).send();
        assert_refusal(hidden.refusal(), (404, "not_found"));
        // a key sees itself and what was made with it, and no more
        let described = |id: &Value| app.get(&format!("/api/apikeys/{id}")).key(&secret(&tool)).send().status;
        assert_eq!([&tool["ID"], &child["ID"]].map(described), [200, 200]);
        assert_refusal(presented(&app, &secret(&tool)), IN);
    }

    /// MC-12: keys of machines are in no list and no search that does not ask for them; described, changed and presented
    /// they are like any other.
    fn machines_have_lists_of_their_own(app: TestApp) {
        let viewer = app.full_key();
        for (name, kind) in [("agent", "siemAgent"), ("collector", "logCollector"), ("plain", "standard")] {
            let body = json!({ "keyName": name, "roleID": 2, "lifecycle": { "kind": kind } });
            let key = app.post("/api/apikeys?expand=lifecycle", body).key(&viewer).send().expect(200).json();
            assert_eq!(key["lifecycle"]["kind"], kind);
            let path = format!("/api/apikeys/{}", key["ID"]);
            assert_eq!(app.get(&format!("{path}?expand=lifecycle")).key(&viewer).send().expect(200).json()["lifecycle"]["kind"], kind);
            let other = if kind == "standard" { "siemAgent" } else { "standard" };
            assert_eq!(app.post(&path, json!({ "lifecycle": { "kind": other } })).key(&viewer).send().refusal(), (409, "conflict".into()));
            app.post(&path, json!({ "description": "d", "lifecycle": { "kind": kind } })).key(&viewer).send().expect(200);
            assert_eq!(app.count(&format!("select count(*) as n from api_keys where key_name = '{name}' and kind = '{kind}'")), 1, "for life");
            assert_refusal(presented(&app, &secret(&key)), IN);
        }
        for (query, expected) in [
            ("", vec!["full", "plain"]), ("?kind=standard", vec!["full", "plain"]), ("?kind=siemAgent", vec!["agent"]), ("?kind=logCollector", vec!["collector"]),
            ("?kind=machine", vec!["agent", "collector"]), ("?kind=all", vec!["full", "agent", "collector", "plain"]),
        ] {
            assert_eq!(listed(app.get(&format!("/api/apikeys{query}")).key(&viewer)), expected, "{query}");
            assert_eq!(listed(app.get(&format!("/api/apikeys/export{query}")).key(&viewer)), expected, "{query}");
            assert_eq!(listed(app.post(&format!("/api/apikeys/search{query}"), json!({})).key(&viewer)), expected, "{query}");
            let counts = app.get(&format!("/api/apikeys/counts{query}")).key(&viewer).send().expect(200).json();
            let sum: i64 = counts["statuses"].as_object().expect("words").values().filter_map(Value::as_i64).sum();
            assert_eq!(sum, expected.len() as i64, "{query}");
        }
        for (criteria, expected) in [
            (json!([]), vec!["full", "plain"]),
            (json!({ "fieldName": "description", "stringValue": "d" }), vec!["plain"]),
            (json!({ "fieldName": "kind", "choiceValue": "siemAgent" }), vec!["agent"]),
            (json!({ "fieldName": "kind", "choiceTest": "not-equal", "choiceValue": "standard" }), vec!["agent", "collector"]),
            (json!([{ "fieldName": "kind", "choiceTest": "not-equal", "choiceValue": "siemAgent" }, { "fieldName": "description", "stringValue": "d" }]), vec!["collector", "plain"]),
        ] {
            assert_eq!(listed(app.post("/api/apikeys/search", json!({ "searchCriteria": criteria })).key(&viewer)), expected, "{criteria}");
        }
        // the query and the criteria must both hold
        let with_d = json!({ "searchCriteria": { "fieldName": "description", "stringValue": "d" } });
        let agents = json!({ "searchCriteria": { "fieldName": "kind", "choiceValue": "siemAgent" } });
        for (query, body, expected) in [
            ("?kind=all", &with_d, vec!["agent", "collector", "plain"]), ("?kind=machine", &with_d, vec!["agent", "collector"]),
            ("?kind=all", &agents, vec!["agent"]), ("?kind=logCollector", &agents, vec![]), ("?kind=standard", &agents, vec![]),
        ] {
            assert_eq!(listed(app.post(&format!("/api/apikeys/search{query}"), body.clone()).key(&viewer)), expected, "{query} {body}");
        }
        for query in ["?kind=", "?kind=robot", "?kind=SiemAgent", "?kind=all&kind=all"] {
            assert_refusal(app.get(&format!("/api/apikeys{query}")).key(&viewer).send().refusal(), (400, "bad_request"));
            assert_refusal(app.post(&format!("/api/apikeys/search{query}"), json!({})).key(&viewer).send().refusal(), (400, "bad_request"));
        }
        for kind in ["", "robot", "Standard", "machine"] {
            let refused = app.post("/api/apikeys", json!({ "keyName": "x", "roleID": 2, "lifecycle": { "kind": kind } })).key(&viewer).send();
            assert_refusal(refused.refusal(), (400, "malformed"));
            assert!(refused.text().contains("lifecycle.kind: "), "{}", refused.text());
        }
        // one tenant's machines in another's list would be as wrong as its other keys
        let tenant = app.tenant("Blue");
        let account = json!({ "keyName": "theirs", "roleID": 2, "lifecycle": { "kind": "siemAgent" } });
        app.post(&format!("/api/tenants/{tenant}/apikeys"), account).key(&viewer).send().expect(200);
        assert_eq!(app.count("select count(*) as n from api_keys where key_name = 'theirs' and kind = 'siemAgent'"), 1);
        assert_eq!(listed(app.get("/api/apikeys?kind=siemAgent").key(&viewer)), ["agent"]);
    }
}
