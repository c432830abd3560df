//! `GET /api/apikeys/export`.

use serde_json::{Value, json};

use super::list::put_in_from;
use super::{assert_refusal, made, seen};
use crate::app::{START, TestApp, secret};
use crate::both;
use crate::http::Answer;

const HEADER: &str = "\"ID\",\"keyName\",\"roleID\",\"role name\",\"locked out\",\"created\",\"expiryDate\",\"lastSignIn\",\
                      \"unsuccessfulSignInAttempts\",\"description\",\"locale\",\"timeZone\",\"serviceAccount\"";

fn exported(app: &TestApp, viewer: &str, query: &str) -> Answer {
    app.get(&format!("/api/apikeys/export{query}")).key(viewer).send()
}

fn lines(app: &TestApp, viewer: &str) -> Vec<String> {
    let answer = exported(app, viewer, "?format=csv").expect(200);
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"apikeys.csv\""));
    let text = answer.text();
    assert!(text.ends_with("\r\n"), "{text}");
    let lines: Vec<String> = text.split_terminator("\r\n").map(String::from).collect();
    assert_eq!(lines[0], HEADER);
    lines[1..].to_vec()
}

both! {
    /// DS-53: each key is a line with its role's name, whether it is locked out, and its moments as people read them.
    fn the_inventory_is_a_line_for_each_key(app: TestApp) {
        let viewer = app.full_key();
        let expiry = START.millis() + 86_400_000;
        let body = json!({
            "keyName": "build, \"night\"", "description": "café", "locale": "ja-JP", "roleID": 2, "timeZone": "Asia/Tokyo",
            "expiryDate": expiry, "active": false,
        });
        let first = made(&app, &viewer, body);
        let second = made(&app, &viewer, json!({ "keyName": "2", "roleID": app.role("Käse", &[]), "timeZone": "UTC" }));
        app.execute(&format!("update api_keys set unsuccessful_sign_in_attempts = 3, last_sign_in = 5 where id = {}", first["ID"]));
        let lines = lines(&app, &viewer);
        assert_eq!(lines.len(), 3);
        let id = &first["ID"];
        assert_eq!(lines[1], format!(
            "{id},\"build, \"\"night\"\"\",2,\"Auditor\",\"true\",\"2026-11-21T12:00:15.000Z\",\"2026-11-22T12:00:15.000Z\",\
             \"1970-01-01T00:00:00.005Z\",3,\"café\",\"ja-JP\",\"Asia/Tokyo\",\"false\""));
        let (id, role) = (&second["ID"], &second["roleID"]);
        assert_eq!(lines[2], format!(
            "{id},2,{role},\"Käse\",\"false\",\"2026-11-21T12:00:15.000Z\",\"\",\"\",0,\"\",\"en-US\",\"UTC\",\"false\""));
    }

    /// DS-53: JSON, where nothing else is said, is the list to the byte.
    fn json_is_the_list(app: TestApp) {
        let viewer = app.full_key();
        made(&app, &viewer, json!({ "keyName": "k", "roleID": 2 }));
        let list = app.get("/api/apikeys").key(&viewer).send().expect(200);
        for query in ["", "?format=json", "?x=y"] {
            let answer = exported(&app, &viewer, query).expect(200);
            assert_eq!((answer.text(), answer.header("content-type")), (list.text(), Some("application/json")), "{query}");
        }
    }

    /// DS-53: what a spreadsheet would run as a formula is text, wherever somebody may have typed it.
    fn no_cell_is_a_formula(app: TestApp) {
        let viewer = app.full_key();
        let role = app.role("=cmd|calc", &[]);
        for (n, start) in ["=", "+", "-", "@"].iter().enumerate() {
            let name = format!("{start}HYPERLINK(\"http://x\",{n})");
            made(&app, &viewer, json!({ "keyName": name, "description": name, "roleID": role, "timeZone": "UTC" }));
            let line = lines(&app, &viewer).pop().expect("a line");
            let cell = format!("\"'{start}HYPERLINK(\"\"http://x\"\",{n})\"");
            assert_eq!(line.matches(&cell).count(), 2, "{line}");
            assert!(line.contains(",\"'=cmd|calc\","), "{line}");
        }
        for control in ["\t=1", "\r=1"] {
            let body = json!({ "keyName": control, "roleID": 2 });
            assert_refusal(app.post("/api/apikeys", body).key(&viewer).send().refusal(), (400, "malformed"));
        }
    }

    /// DS-53: never a secret, nor what is stored of one.
    fn no_secret_is_exported(app: TestApp) {
        let viewer = app.full_key();
        let key = made(&app, &viewer, json!({ "keyName": "k", "roleID": 2 }));
        let digests = match app.backend {
            crate::app::Backend::Sqlite => app.texts("select lower(hex(digest)) as t from api_key_secrets"),
            crate::app::Backend::Postgres => app.texts("select encode(digest, 'hex') as t from api_key_secrets"),
        };
        assert_eq!(digests.len(), 2);
        for query in ["", "?format=csv"] {
            let text = exported(&app, &viewer, query).expect(200).text();
            for hidden in digests.iter().map(String::as_str).chain([secret(&key), viewer.clone()].iter().filter_map(|key| key.split(':').next_back())) {
                assert!(!text.to_lowercase().contains(&hidden.to_lowercase()), "{query}");
            }
        }
    }

    /// DS-53: never cut: at the bounds of a piece, and over several, every key is there once, in both forms.
    fn no_export_is_cut(app: TestApp) {
        let viewer = app.full_key();
        let mut have = 1;
        for more in [498, 1, 1, 500] {
            put_in_from(&app, have, more);
            have += more;
            let ids: Vec<i64> = lines(&app, &viewer).iter().filter_map(|line| line.split(',').next()?.parse().ok()).collect();
            assert!(ids.len() == have && ids.is_sorted_by(|a, b| a < b), "{} of {have}", ids.len());
            assert_eq!(exported(&app, &viewer, "").json()["apiKeys"].as_array().map(Vec::len), Some(have));
        }
        // how many were answered is counted for these as for any list
        app.flush();
        let counts = app.texts("select cast(response_item_count as text) as t from api_usage where path = '/api/apikeys/export' order by id");
        assert_eq!(counts.last().map(String::as_str), Some(have.to_string().as_str()));
    }

    /// Only the two formats are taken; without the right there is none, and another tenant's keys are in nobody's.
    fn what_else_is_asked_for_is_refused(app: TestApp) {
        let viewer = app.full_key();
        let rows = app.rows();
        for query in ["?format=", "?format=xml", "?format=CSV", "?format=csv&format=csv", "?format=json&format=csv"] {
            let answer = exported(&app, &viewer, query);
            assert_refusal(answer.refusal(), (400, "bad_request"));
            assert!(answer.text().contains("format"), "{}", answer.text());
        }
        app.assert_rows(&rows, "nothing happened");
        assert_refusal(exported(&app, &app.auditor_key(), "?format=csv").refusal(), (403, "not_authorized"));
        let tenant = app.tenant("Blue");
        let theirs: Value = made(&app, &viewer, json!({ "keyName": "theirs", "roleID": 2 }));
        app.execute(&format!("delete from api_key_secrets where api_key_id = {}", theirs["ID"]));
        app.execute(&format!("update api_keys set tenant_id = {tenant} where id = {}", theirs["ID"]));
        for query in ["", "?format=csv"] {
            assert!(!exported(&app, &viewer, query).expect(200).text().contains("theirs"));
        }
    }

    /// HEAD answers what GET would, without the body; the method is no other.
    fn head_is_answered_too(app: TestApp) {
        let viewer = app.full_key();
        for query in ["", "?format=csv"] {
            let path = format!("/api/apikeys/export{query}");
            let head = app.call("HEAD", &path).key(&viewer).send().expect(200);
            let get = app.get(&path).key(&viewer).send().expect(200);
            assert!(head.body.is_empty());
            assert_eq!(head.header("content-type"), get.header("content-type"));
            assert_eq!(head.header("content-disposition"), get.header("content-disposition"));
        }
        let id = &made(&app, &viewer, json!({ "keyName": "export", "roleID": 2 }))["ID"];
        assert_eq!(seen(&app, &viewer, id)["keyName"], json!("export"));
    }
}
