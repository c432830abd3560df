//! One refusal in three shapes. That every code has them is tried beside `src/observe.rs`; here whole calls are.

use firstkey::error::Reason;
use serde_json::{Value, json};

use crate::app::{Call, TestApp};
use crate::both;

const PROBLEM: &str = "application/problem+json";
const TREND: &str = "application/vnd.firstkey.cas+json";

/// Calls that are refused wherever a refusal may come from, with its status.
fn refused<'a>(app: &'a TestApp, key: &str, auditor: &str) -> Vec<(u16, Call<'a>)> {
    let mut text = app.post("/api/apikeys", json!({})).key(key);
    text.request.headers.insert(0, ("Content-Type".into(), "text/plain".into()));
    vec![
        (400, app.post("/api/apikeys", json!({ "keyName": "k", "roleID": 2, "timeZone": "Nowhere" })).key(key)),
        (400, app.get("/api/apikeys").key(key).header("X-API-Key", key)),
        (401, app.get("/api/apikeys")),
        (401, app.get("/api/apikeys").header("Authorization", "Bearer nonsense")),
        (403, app.post("/api/apikeys", json!({})).key(auditor)),
        (404, app.get("/api/apikeys/2147483647").key(key)),
        (404, app.get("/nothing")),
        (404, app.get("/docs/nothing.js")),
        (405, app.call("PATCH", "/api/apikeys")),
        (405, app.call("PATCH", "/healthz")),
        (413, app.call("POST", "/api/apikeys").body(vec![b' '; 70_000]).key(key)),
        (415, text),
    ]
}

both! {
    /// TC-24: whoever asks is answered in the shape of Trend Micro Cloud App Security, or of RFC 9457; the status, the
    /// other headers and the words are the same, and nobody else is answered otherwise than before.
    fn the_shape_of_a_refusal_is_what_accept_names(app: TestApp) {
        let (key, auditor) = (app.full_key(), app.auditor_key());
        for (status, call) in refused(&app, &key, &auditor) {
            let usual = call.clone().send().expect(status);
            let usual_body = usual.json();
            let code = usual_body["code"].as_str().expect("a code");
            let reason = Reason::ALL.iter().find(|reason| reason.code() == code).expect("in the catalogue");

            let problem = call.clone().header("Accept", PROBLEM).send().expect(status);
            assert_eq!(problem.header("content-type"), Some(PROBLEM));
            let trace = problem.header("x-request-id").expect("an ID").to_owned();
            let mut expected = json!({
                "type": format!("/docs/errors#{code}"), "title": reason.meaning().trim(), "status": status,
                "detail": usual_body["message"], "instance": format!("urn:firstkey:trace:{trace}"), "code": code, "traceId": trace,
            });
            if let Some(accepted) = usual_body.get("accepted") {
                expected["accepted"] = accepted.clone();
            }
            assert_eq!(problem.json(), expected);

            let trend = call.clone().header("Accept", TREND).send().expect(status);
            let trace = trend.header("x-request-id").expect("an ID").to_owned();
            assert_eq!(trend.header("content-type"), Some("application/json"));
            assert_eq!(trend.text(), format!(r#"{{"code":{status},"msg":{},"traceId":"{trace}"}}"#, usual_body["message"]));

            for accept in ["*/*", "application/json", "application/json, text/plain, */*", "application/problem+json;q=0.5, */*", "text/html", "é;q=, ;;"] {
                let mut body = call.clone().header("Accept", accept).send().expect(status).json();
                body["traceId"] = usual_body["traceId"].clone();
                assert_eq!(body, usual_body, "{accept}");
            }
            for other in [&problem, &trend] {
                for name in ["allow", "www-authenticate", "retry-after", "cache-control"] {
                    assert_eq!(other.header(name), usual.header(name), "{name}");
                }
            }
        }
    }

    /// TC-28: an answer that is no refusal has its one shape, whatever is asked for.
    fn what_succeeds_is_json_whatever_is_asked_for(app: TestApp) {
        let key = app.full_key();
        let usual = app.get("/api/apikeys/current").key(&key).send().expect(200);
        for accept in [PROBLEM, TREND, "text/html"] {
            let answer = app.get("/api/apikeys/current").key(&key).header("Accept", accept).send().expect(200);
            assert_eq!((answer.header("content-type"), &answer.body), (usual.header("content-type"), &usual.body));
        }
    }

    /// The `type` of problem details leads to a page of the server itself, at the code.
    fn the_type_of_a_problem_can_be_read(app: TestApp) {
        let problem: Value = app.get("/api/apikeys").header("Accept", PROBLEM).send().expect(401).json();
        let (path, anchor) = problem["type"].as_str().and_then(|kind| kind.split_once('#')).expect("an anchor");
        let page = app.get(path).send().expect(200);
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        assert!(page.text().contains(&format!("<tr id=\"{anchor}\"><td>401<td>")), "{}", page.text());
        for reason in Reason::ALL {
            assert_eq!(page.text().matches(&format!("id=\"{}\"", reason.code())).count(), 1, "{}", reason.code());
        }
    }
}
