//! `/api/apiusagemetrics`: what was called.

use firstkey::config::{ApiUsage, RateLimit};
use serde_json::{Value, json};

use crate::app::{ADMIN, PASSWORD, START, TestApp, secret};
use crate::both;
use crate::settings::other_tenant;

fn metrics(app: &TestApp, key: &str) -> Vec<Value> {
    app.flush();
    app.get("/api/apiusagemetrics").key(key).send().expect(200).json()["apiUsageMetrics"]
        .as_array()
        .expect("a list")
        .clone()
}

fn search(app: &TestApp, key: &str, criterion: Value) -> Vec<Value> {
    app.flush();
    let answer = app.post("/api/apiusagemetrics/search", json!({ "searchCriteria": [criterion] })).key(key).send();
    answer.expect(200).json()["apiUsageMetrics"].as_array().expect("a list").clone()
}

fn calls(metrics: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned).unwrap_or_else(|| value.to_string());
    metrics
        .iter()
        .map(|call| format!("{} {} {}", text(&call["action"]), text(&call["method"]), call["statusCode"]))
        .collect()
}

both! {
    /// DS-50: every call is there, in the documented members and their order, whatever its answer.
    fn every_call_is_noted_as_documented(app: TestApp) {
        let key = app.full_key();
        let id = app.post("/api/roles/search", json!({})).key(&key).send().expect(200).json()["roles"][0]["ID"].clone();
        app.get(&format!("/api/roles/{id}?expand=none&secret=x")).key(&key).send().expect(200);
        app.get("/api/roles").key(&key).send().expect(200);
        app.get("/api/roles").send().expect(401);
        app.get("/api/roles").key("1:nonsense").send().expect(401);
        app.call("BREW", "/api/roles").key(&key).send().expect(405);
        app.get("/api/apikeys/2147483647").key(&key).send().expect(404);
        app.get(&format!("/api/{key}")).key(&key).send().expect(404);
        app.get("/api/systemsettings/platformSettingSecret").key(&key).send().expect(404);
        app.get("/healthz").send().expect(200);
        let noted = metrics(&app, &key);
        assert_eq!(calls(&noted), [
            "POST /api/sessions 200", "POST /api/apikeys 200", "POST /api/roles/search 200", "GET /api/roles/1 200", "GET /api/roles 200",
            "GET /api/roles 401", "GET /api/roles 401", "? /api/roles 405", "GET /api/apikeys/2147483647 404", "GET /api/* 404",
            "GET /api/systemsettings/{name} 404",
        ]);
        let methods: Vec<&str> = noted.iter().map(|call| call["authenticationMethod"].as_str().expect("a text")).collect();
        assert_eq!(methods[..7], ["", "sID", "API-Key", "API-Key", "API-Key", "", "API-Key"]);
        let counts: Vec<&Value> = noted.iter().map(|call| &call["responseItemCount"]).collect();
        assert_eq!(counts[..6], [&Value::Null, &Value::Null, &json!(2), &Value::Null, &json!(2), &Value::Null]);
        assert_eq!(noted[3]["expandParameter"], "none");
        assert_eq!((&noted[5]["tenantGUID"], noted[4]["tenantGUID"].is_string()), (&Value::Null, true));
        app.flush();
        let text = app.get("/api/apiusagemetrics").key(&key).send().text();
        let end = text.find("},{").expect("several");
        let second = &text[end + 2..];
        let members: Vec<&str> = ["apiType", "action", "method", "date", "tenantGUID", "duration", "statusCode", "authenticationMethod", "expandParameter", "ID"].to_vec();
        let places: Vec<Option<usize>> = members.iter().map(|member| second.find(&format!("\"{member}\":"))).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{second:.400}");
        assert!(second.starts_with(&format!(r#"{{"apiType":"REST","action":"POST","method":"/api/apikeys","date":{}"#, START.millis())), "{second:.200}");
        let stored = app.rows_of("api_usage").join("\n");
        let tail = key.split_once(':').expect("a key").1.to_lowercase();
        assert!(!stored.contains(&tail) && !stored.contains("secret=x") && !stored.contains("nonsense"));
        assert_eq!(app.count("select count(*) as n from api_usage where actor_type = 'apiKey' and actor_id is null"), 0);
    }

    /// DS-49, DS-50: refused calls are found by their status and their time; the vendor's way to count 429s.
    fn calls_are_searched(app: TestApp, |setup| setup.rate_limit = RateLimit { user: 3, ..RateLimit::OFF }) {
        let reader = app.full_key();
        let busy = secret(&app.mint("busy", 1));
        for _ in 0..7 {
            app.get("/api/apikeys/current").key(&busy).send();
        }
        app.clock.advance(120_000);
        let refused = json!({ "fieldName": "statusCode", "numericValue": 429 });
        let found = search(&app, &reader, refused);
        assert_eq!(calls(&found), ["GET /api/apikeys/current 429"; 4]);
        assert!(found.iter().all(|call| call["tenantGUID"].is_string()));
        let since = |at: i64| json!({ "fieldName": "date", "firstDateValue": at });
        let later = search(&app, &reader, since(START.millis() + 1));
        assert_eq!(calls(&later), ["POST /api/apiusagemetrics/search 200"]);
        assert_eq!(later[0]["responseItemCount"], 4);
        app.clock.advance(120_000);
        let count = |criterion: Value| { app.clock.advance(60_000); search(&app, &reader, criterion).len() };
        assert_eq!(count(json!({ "fieldName": "method", "stringValue": "/api/apikeys/%" })), 7);
        assert_eq!(count(json!({ "fieldName": "method", "stringValue": "/API/APIKEYS/CURRENT" })), 7);
        assert_eq!(count(json!({ "fieldName": "authenticationMethod", "stringValue": "sid" })), 2);
        assert_eq!(count(json!({ "fieldName": "apiType", "choiceValue": "SOAP" })), 0);
        assert_eq!(count(json!({ "fieldName": "action", "stringValue": "get" })), 7);
        assert_eq!(count(json!({ "fieldName": "responseItemCount", "numericValue": 4 })), 1);
        assert_eq!(count(json!({ "idTest": "less-than", "idValue": 3 })), 2);
        assert_eq!(count(json!({ "fieldName": "expandParameter", "stringTest": "not-equal", "stringValue": "" })), 0);
        assert_eq!(count(json!({ "fieldName": "duration", "numericTest": "less-than", "numericValue": 0 })), 0);
        assert_eq!(count(json!({ "fieldName": "tenantGUID", "stringValue": "" })), 2, "the two sign-ins");
        for bad in [json!({ "fieldName": "path", "stringValue": "x" }), json!({ "fieldName": "statusCode", "stringValue": "429" })] {
            app.clock.advance(60_000);
            let body = json!({ "searchCriteria": bad });
            assert_eq!(app.post("/api/apiusagemetrics/search", body).key(&reader).send().refusal(), (400, "bad_search".into()));
        }
    }

    /// DS-50: a tenant sees its own calls, the primary tenant everybody's.
    fn a_tenant_sees_its_own_calls(app: TestApp) {
        let (key, (tenant, blue)) = (app.full_key(), other_tenant(&app));
        app.get("/api/roles").key(&blue).send().expect(200);
        app.get("/api/roles").key(&key).send().expect(200);
        let theirs = metrics(&app, &blue);
        assert_eq!(calls(&theirs), ["POST /api/apikeys 200", "GET /api/roles 200"]);
        assert!(theirs.iter().all(|call| call["tenantGUID"] == "0f8fad5b-d9cb-469f-a165-70867728950e"));
        assert_eq!(app.count(&format!("select count(*) as n from api_usage where tenant_id = {tenant}")), 2);
        assert_eq!(metrics(&app, &key).len(), 7, "two sign-ins, two mints, two lists, and the other tenant's look");
        assert_eq!(search(&app, &blue, json!({ "fieldName": "authenticationMethod", "stringValue": "%" })).len(), 3);
    }

    /// Long lists are counted to their end, which comes behind the answer's head.
    fn a_streamed_list_is_counted_whole(app: TestApp) {
        let key = app.full_key();
        let one = "insert into api_usage (tenant_guid, at, action, path, duration, status_code, authentication_method, expand_parameter, actor_type) values ('', 1, 'GET', '/api/*', 0, 404, '', '', '')";
        app.execute(one);
        for _ in 0..11 {
            app.execute("insert into api_usage (tenant_guid, at, action, path, duration, status_code, authentication_method, expand_parameter, actor_type) \
                         select tenant_guid, at, action, path, duration, status_code, authentication_method, expand_parameter, actor_type from api_usage");
        }
        let count = metrics(&app, &key).len();
        assert!(count > 2_048);
        let last = metrics(&app, &key).pop().expect("the list before");
        assert_eq!((last["method"].clone(), last["responseItemCount"].as_u64()), (json!("/api/apiusagemetrics"), Some(count as u64)));
    }

    /// Calls are kept for so many days and so many at most.
    fn old_calls_are_removed(app: TestApp, |setup| setup.api_usage = ApiUsage { days: 2, rows: 5 }) {
        let key = app.full_key();
        let sweep = || {
            let swept = firstkey::usage::sweep(&app.app.calls, &app.app.database, app.clock.now());
            actix_web::rt::System::new().block_on(swept).expect("swept")
        };
        for _ in 0..7 {
            app.get("/api/roles").key(&key).send().expect(200);
        }
        assert_eq!(metrics(&app, &key).len(), 9);
        assert_eq!((sweep(), sweep()), (4, 0), "five are left");
        app.clock.advance(2 * 24 * 3_600_000);
        app.get("/api/roles").key(&key).send().expect(200);
        app.flush();
        assert_eq!(sweep(), 2, "two more came, and five are left");
        app.clock.advance(1);
        sweep();
        assert_eq!(app.count("select count(*) as n from api_usage"), 1, "those of two days ago are gone");
    }

    /// With none to be kept, none is noted.
    fn noting_calls_can_be_turned_off(app: TestApp, |setup| setup.api_usage = ApiUsage { days: 14, rows: 0 }) {
        let key = app.full_key();
        assert_eq!(metrics(&app, &key), [] as [Value; 0]);
    }

    /// A database that is away loses no call.
    fn what_cannot_be_written_waits(app: TestApp) {
        let key = app.full_key();
        app.execute("alter table api_usage rename to api_usage_away");
        app.get("/api/roles").key(&key).send().expect(200);
        app.flush();
        app.execute("alter table api_usage_away rename to api_usage");
        app.try_sign_in(ADMIN, PASSWORD).expect(200);
        assert_eq!(calls(&metrics(&app, &key)), ["POST /api/sessions 200", "POST /api/apikeys 200", "GET /api/roles 200", "POST /api/sessions 200"]);
    }
}
