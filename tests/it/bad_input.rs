//! Bad input: whatever comes in, the answer is a refusal in the documented shape, never a fault of the
//! server, and nothing has changed.

use std::collections::BTreeSet;

use firstkey::api::{Route, routes};
use serde_json::{Value, json};

use crate::app::{ADMIN, Call, PASSWORD, Session, TestApp};
use crate::both;
use crate::http::{Answer, Request};

/// The shape of every refusal.
#[track_caller]
fn assert_shape(answer: &Answer, status: u16, code: &str, what: &str) {
    let text = answer.text();
    assert_eq!(answer.refusal(), (status, code.to_owned()), "{what}: {text}");
    assert_eq!(answer.header("content-type"), Some("application/json"), "{what}");
    let body = answer.json();
    let members: BTreeSet<&str> = body.as_object().expect("an object").keys().map(String::as_str).collect();
    let plain = BTreeSet::from(["code", "message", "traceId"]);
    assert!(members.is_superset(&plain) && members.len() <= 4, "{what}: {text}");
    assert!(body["message"].as_str().is_some_and(|message| message.len() > 10), "{what}: {text}");
    let trace = body["traceId"].as_str().expect("a trace ID");
    assert_eq!(answer.header("x-request-id"), Some(trace), "{what}");
    assert!(trace.len() == 16 && trace.bytes().all(|byte| byte.is_ascii_hexdigit()), "{what}");
    // compact, and with the message first
    assert!(text.starts_with(r#"{"message":""#), "{what}: {text}");
}

/// What may be sent besides the call that is tried.
struct Bench<'a> {
    app: &'a TestApp,
    key: String,
    session: Session,
    /// Of a key that the calls may be about.
    id: Value,
    /// Of one that is no more.
    revoked: Value,
    /// Of work that was done.
    job: i64,
    rows: Vec<String>,
}

impl<'a> Bench<'a> {
    fn set(app: &'a TestApp) -> Self {
        let key = app.full_key();
        let made = |name: &str| {
            let body = json!({ "keyName": name, "roleID": 2 });
            app.post("/api/apikeys", body).key(&key).send().expect(200).json()["ID"].clone()
        };
        let (id, revoked) = (made("target"), made("revoked"));
        app.delete(&format!("/api/apikeys/{revoked}")).key(&key).send().expect(204);
        let job = crate::jobs::trifle(app, &key);
        let contact = json!({ "name": "target" });
        app.post("/api/contacts", contact).key(&key).send().expect(200);
        app.post("/api/apikeyprofiles", json!({ "name": "target" })).key(&key).send().expect(200);
        let webhook = json!({ "name": "target", "url": "https://1.1.1.1/", "events": ["claim.reused"] });
        app.post("/api/webhooks", webhook).key(&key).send().expect(200);
        app.post("/api/claims", json!({ "keyName": "claimed", "roleID": 2 })).key(&key).send().expect(200);
        let session = app.sign_in();
        Self { app, key, session, id, revoked, job, rows: app.rows() }
    }

    /// Insists that the call is refused in the documented shape and that no row has changed.
    #[track_caller]
    fn refused(&self, call: Call<'_>, status: u16, code: &str) {
        let what = format!("{} {}", call.request.method, call.request.path);
        let answer = call.send();
        assert_shape(&answer, status, code, &what);
        self.app.assert_rows(&self.rows, &what);
    }

    fn path(&self, route: &Route) -> String {
        let path = format!("/api{}", route.path);
        let ids = [
            ("{apiKeyID}", self.id.to_string()),
            ("{roleID}", "2".into()),
            ("{administratorID}", "1".into()),
            ("{contactID}", "1".into()),
            ("{webhookID}", "1".into()),
            ("{secret}", "0".repeat(32)),
            ("{claimID}", "1".into()),
            ("{tenantID}", "0".into()),
            ("{profileID}", "4".into()),
            ("{apiTypeID}", "1".into()),
            ("{apiTypeName}", "logRetrieval".into()),
            ("{revokedKeyID}", self.revoked.to_string()),
            ("{jobID}", self.job.to_string()),
            ("{name}", "platformSettingActiveSessionsMax".into()),
            ("{keyName}", "target".into()),
        ];
        ids.iter().fold(path, |path, (parameter, id)| path.replace(parameter, id))
    }

    /// A call of the route by somebody who may make it.
    fn call(&self, route: &Route) -> Call<'a> {
        use firstkey::api::Access;
        let call = self.app.call(route.method.as_str(), &self.path(route));
        match route.access {
            Access::Open => call,
            Access::Session => call.with(&self.session),
            Access::Any | Access::Key => call.key(&self.key),
        }
    }

    /// The routes that take a body.
    fn with_body(&self) -> Vec<Route> {
        routes().into_iter().filter(|route| route.request.is_some()).collect()
    }
}

both! {
    /// A refusal reaches HTTP/2 clients too, though nobody has read what they send: curl 7.88 would report the
    /// reset stream instead.
    fn a_refusal_reaches_clients_of_http2(app: TestApp) {
        let body = app.folder.path().join("body");
        for (method, path, bytes, status) in
            [("PUT", "/api/apikeys", 10, 405), ("POST", "/api/apikeys", 1_000, 401), ("POST", "/api/sessions", 3_000_000, 413)]
        {
            std::fs::write(&body, vec![b'x'; bytes]).expect("a file");
            let curl = std::process::Command::new("curl")
                .args(["-sS", "--http2", "-X", method, "-H", "Content-Type: application/json", "-w", " %{http_code} %{http_version}"])
                .arg("--cacert")
                .arg(app.certificate())
                .arg("--data-binary")
                .arg(format!("@{}", body.display()))
                .arg(format!("{}{path}", app.url()))
                .output()
                .expect("curl is installed (tests/run installs it)");
            let said = String::from_utf8_lossy(&curl.stdout).into_owned();
            assert!(said.starts_with("{\"message\":") && said.ends_with(&format!(" {status} 2")), "{said} {curl:?}");
        }
    }

    /// DS-30: what is no JSON, the documentation's own example first, is told so on every route.
    fn broken_json_is_told_so(app: TestApp) {
        let bench = Bench::set(&app);
        let broken: &[&[u8]] = &[
            br#"{ "keyName": "First Key", "roleID: 1 }"#,
            b"{", b"}", b"{}}", b"{]", b"{\"a\"}", b"{\"a\":}", b"{\"a\":1,}", b"{,}", b"{'a':1}", b"{a:1}", b"{\"a\":01}",
            b"{\"a\":+1}", b"{\"a\":.5}", b"{\"a\":1.}", b"{\"a\":NaN}", b"{\"a\":0x1}", b"{\"a\":1e}", b"{\"a\":\"\\x\"}",
            b"{\"a\":\"\\u12\"}", b"{\"keyName\":\"\\ud800\",\"overlap\":\"\\ud800\",\"name\":\"\\ud800\",\"userName\":\"\\ud800\",\"password\":\"\\ud800\",\"searchCriteria\":{\"fieldName\":\"\\ud800\"}}", b"{\"a\":\"\n\"}", b"{\"a\":\"\0\"}", b"{\"a\":\"", b"{}{}", b"{} x", b"{}//", b"/**/{}",
            b"\xef\xbb\xbf{}", b"\xff\xfe{\0}\0", b"{\"a\":\"\xff\"}", b"{\"a\":\"\xed\xa0\x80\"}", b"{\"\xc0\x80\":1}", b"\0", b" ", b"\t\r\n",
            b"undefined", b"True", b"keyName=x&roleID=1", b"<xml/>", b"{\"a\":true false}",
        ];
        for route in bench.with_body() {
            for body in broken {
                bench.refused(bench.call(&route).body(*body), 400, "malformed");
            }
            let takes_none = ["replace_api_secret_key", "replace_current_api_secret_key", "refresh_api_key"];
            if !route.operation.starts_with("search_") && !takes_none.contains(&route.operation) {
                bench.refused(bench.call(&route), 400, "malformed");
            }
        }
    }

    /// An object is needed: a list is not taken for its members in their order, nor is anything else.
    fn what_is_no_object_is_told_so(app: TestApp) {
        let bench = Bench::set(&app);
        let bodies = ["[]", "[1]", "[{}]", "[\"MasterAdmin\",\"correct horse battery staple\"]", "[\"k\",\"\",\"en-US\",1]", " [ ]", "\n[[]]",
            "\"x\"", "\"{}\"", "7", "-1", "1.5", "null", "true", "false"];
        for route in bench.with_body() {
            for body in bodies {
                bench.refused(bench.call(&route).body(body), 400, "malformed");
            }
        }
    }

    /// Wrong types are refused with the member's name, member by member.
    fn wrong_types_are_refused_by_name(app: TestApp) {
        let bench = Bench::set(&app);
        let item = format!("/api/apikeys/{}", bench.id);
        let texts = [json!(7), json!(true), json!([]), json!({}), json!(1.5), json!(["x"]), json!([null])];
        let numbers = [json!(1.5), json!(true), json!([1]), json!({}), json!("x"), json!(""), json!("1.0"), json!("0x1"), json!(" 1"), json!(1e300), json!("१")];
        let flags = [json!(0), json!(1), json!("TRUE"), json!("yes"), json!(""), json!([]), json!({}), json!("0")];
        let keys: [(&str, &[Value]); 7] = [
            ("keyName", &texts), ("description", &texts), ("locale", &texts), ("timeZone", &texts), ("roleID", &numbers),
            ("expiryDate", &numbers), ("active", &flags),
        ];
        let refused = |path: &str, body: Value, member: &str| {
            let call = app.post(path, body.clone()).key(&bench.key);
            let answer = call.clone().send();
            let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
            assert!(message.starts_with(member), "{body}: {message}");
            bench.refused(call, 400, "malformed");
        };
        for (member, values) in keys {
            for value in values {
                let mut body = json!({ "keyName": "k", "roleID": 2 });
                body[member] = value.clone();
                refused("/api/apikeys", body, member);
                refused(&item, json!({ member: value }), member);
            }
        }
        for (member, values) in [("maxItems", &numbers[..]), ("sortByObjectID", &flags[..])] {
            for value in values {
                refused("/api/roles/search", json!({ member: value }), member);
            }
        }
        for (member, values) in [("userName", &texts[..]), ("password", &texts[..]), ("tenantName", &texts[..]),
            ("accessType", &[json!("console"), json!("WEBSERVICE"), json!(1)][..]), ("mfaCode", &[json!([]), json!(1.5), json!(true), json!({})][..])] {
            for value in values {
                let mut body = json!({ "userName": ADMIN, "password": PASSWORD });
                body[member] = value.clone();
                let call = app.post("/api/sessions", body.clone());
                assert!(call.clone().send().text().contains(member), "{body}");
                bench.refused(call, 400, "malformed");
            }
        }
    }

    /// A member given twice is refused, not won by the first or the last.
    fn a_member_given_twice_is_refused(app: TestApp) {
        let bench = Bench::set(&app);
        for (path, body) in [
            ("/api/apikeys", r#"{"keyName":"a","keyName":"b","roleID":2}"#),
            ("/api/apikeys", r#"{"keyName":"a","roleID":2,"roleID":1}"#),
            ("/api/apikeys", r#"{"keyName":"a","roleID":2,"\u0072oleID":1}"#),
            ("/api/roles/search", r#"{"maxItems":1,"maxItems":1}"#),
            ("/api/roles/search", r#"{"searchCriteria":[{"idValue":1,"idValue":2}]}"#),
        ] {
            bench.refused(app.call("POST", path).body(body).key(&bench.key), 400, "malformed");
        }
        bench.refused(app.call("POST", "/api/sessions").body(format!(r#"{{"userName":"{ADMIN}","password":"x","password":"{PASSWORD}"}}"#)), 400, "malformed");
    }

    /// NUL, controls and invisible characters in every text that comes in; only a password may hold them.
    fn nul_and_controls_are_refused_everywhere(app: TestApp) {
        let bench = Bench::set(&app);
        let item = format!("/api/apikeys/{}", bench.id);
        for bad in ["\0", "a\0", "\u{1}", "a\u{7f}b", "\u{85}"] {
            bench.refused(app.post("/api/apikeys", json!({ "keyName": bad, "roleID": 2 })).key(&bench.key), 400, "malformed");
            bench.refused(app.post(&item, json!({ "keyName": bad })).key(&bench.key), 400, "malformed");
            bench.refused(app.post(&item, json!({ "description": bad })).key(&bench.key), 400, "malformed");
            bench.refused(app.post(&item, json!({ "timeZone": bad })).key(&bench.key), 400, "unknown_time_zone");
            bench.refused(app.post(&item, json!({ "locale": bad })).key(&bench.key), 400, "unknown_locale");
            bench.refused(app.post("/api/sessions", json!({ "userName": bad, "password": "x" })), 400, "malformed");
            bench.refused(app.post("/api/sessions", json!({ "userName": "x", "password": "x", "tenantName": bad })), 400, "malformed");
        }
        for bad in ["\0", "%\0", "a\0b"] {
            for field in ["name", "description", "a\0b"] {
                let body = json!({ "searchCriteria": { "fieldName": field, "stringValue": bad } });
                bench.refused(app.post("/api/roles/search", body).key(&bench.key), 400, "bad_search");
            }
        }
        for path in ["/api/apikeys/%00", "/api/roles/1%00", "/api/%00", "/%00"] {
            bench.refused(app.get(path).key(&bench.key), 404, "no_such_route");
        }
        // unknown members may hold what they like: nobody reads them
        app.post("/api/roles/search", json!({ "a\0b": "c\0d" })).key(&bench.key).send().expect(200);
        assert_eq!(app.rows(), bench.rows);
    }

    /// 405 with what the route takes, on every path for every other method, whoever asks.
    fn methods_not_offered_are_405_with_allow(app: TestApp) {
        let bench = Bench::set(&app);
        let routes = routes();
        let paths: BTreeSet<&str> = routes.iter().map(|route| route.path).collect();
        let offered = paths.iter().map(|path| {
            let mut methods: Vec<&str> = routes.iter().filter(|route| route.path == *path).map(|route| route.method.as_str()).collect();
            if methods.contains(&"GET") {
                methods.push("HEAD");
            }
            methods.sort_unstable();
            let route = routes.iter().find(|route| route.path == *path).expect("it is there");
            (bench.path(route), methods)
        });
        let open = ["/healthz", "/readyz", "/openapi.json", "/docs", "/docs/", "/docs/errors"].map(|path| (path.to_owned(), vec!["GET", "HEAD"]));
        for (path, methods) in offered.chain(open) {
            for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "QUERY", "BREW", "get"] {
                if methods.contains(&method) {
                    continue;
                }
                for call in [app.call(method, &path), app.call(method, &path).key(&bench.key), app.call(method, &path).json(json!({}))] {
                    let answer = call.clone().send();
                    assert_eq!(answer.header("allow"), Some(methods.join(", ").as_str()), "{method} {path}");
                    bench.refused(call, 405, "method_not_allowed");
                }
            }
            if !methods.contains(&"HEAD") {
                let answer = app.call("HEAD", &path).key(&bench.key).send().expect(405);
                assert!(answer.body.is_empty() && answer.header("allow") == Some(methods.join(", ").as_str()));
            }
        }
        for name in ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"] {
            let target = format!("/api/apikeys/{}", bench.id);
            app.get(&target).key(&bench.key).header(name, "DELETE").send().expect(200);
        }
        app.get(&format!("/api/apikeys/{}?_method=DELETE", bench.id)).key(&bench.key).send().expect(200);
        assert_eq!(app.rows(), bench.rows);
    }

    /// HEAD answers like GET, without the body.
    fn head_answers_like_get(app: TestApp) {
        let bench = Bench::set(&app);
        let masked = |answer: &Answer| {
            let mut headers: Vec<(String, String)> = answer.headers.iter()
                .map(|(name, value)| (name.to_lowercase(), value.clone()))
                .filter(|(name, _)| name != "x-request-id" && name != "date")
                .collect();
            headers.sort();
            (answer.status, headers)
        };
        let gets = routes().into_iter().filter(|route| route.method == "GET");
        for path in gets.map(|route| bench.path(&route)).chain(["/healthz", "/readyz", "/openapi.json", "/api/apikeys/99"].map(String::from)) {
            let with_key = |method: &str| app.call(method, &path).key(&bench.key).send();
            let with_session = |method: &str| app.call(method, &path).with(&bench.session).send();
            let with_nothing = |method: &str| app.call(method, &path).send();
            for send in [&with_key as &dyn Fn(&str) -> Answer, &with_session, &with_nothing] {
                let (get, head) = (send("GET"), send("HEAD"));
                assert!(head.body.is_empty() && !get.body.is_empty(), "{path}");
                assert_eq!(masked(&head), masked(&get), "{path}");
            }
        }
    }

    /// A route has one spelling; what is no route is 404, whoever asks.
    fn what_is_no_route_is_404(app: TestApp) {
        let bench = Bench::set(&app);
        for route in routes() {
            let path = bench.path(&route);
            for other in [format!("{path}/"), format!("{path}//"), format!("/{path}"), path.replace("/api/", "/api//"), path.replace("/api/", "/API/"),
                path.replace("/api/", "/api/./"), path.replace("/api/", "/x/../api/"), format!("{path}%2F"), format!("{path};a=b"), format!("{path}.json"), path.to_uppercase()] {
                // a free name may end like this
                if route.path.ends_with("{keyName}") && ["%2F", ";a=b", ".json"].iter().any(|end| other.ends_with(end)) {
                    continue;
                }
                if route.path.ends_with("{apiTypeName}") && other.ends_with(".json") {
                    continue;
                }
                bench.refused(app.call(route.method.as_str(), &other).key(&bench.key), 404, "no_such_route");
                bench.refused(app.call(route.method.as_str(), &other), 404, "no_such_route");
            }
        }
        for path in ["/", "/api", "/api/", "/rest/authentication/login/primary", "/api/nothing", "/api/administrator", "/api/apikeys/searches", "/api/apikeys/secretkey", "/api/apikeys/1/secret", "/api/roles/current", "/admin", "/metrics", "/.env", "/%", "/%zz", "/api/%ff", "/*"] {
            bench.refused(app.get(path).key(&bench.key), 404, "no_such_route");
            bench.refused(app.call("DELETE", path), 404, "no_such_route");
        }
    }

    /// A path in percents leads to the same route behind the same door.
    fn a_percent_encoded_path_is_authenticated_all_the_same(app: TestApp) {
        let bench = Bench::set(&app);
        let id = &bench.id;
        let digits: String = id.to_string().bytes().map(|digit| format!("%{digit:02x}")).collect();
        for path in ["/%61pi/apikeys".to_owned(), "/api/%61pikeys".into(), "/%61%70%69/%61%70%69%6b%65%79%73".into(), format!("/%61pi/apikeys/{id}"),
            format!("/api/apikeys/{digits}"), "/%61pi/roles".into(), "/api/apikeys?x=%61".into()] {
            bench.refused(app.get(&path), 401, "not_signed_in");
            bench.refused(app.get(&path).key("1:nonsense"), 401, "invalid_api_key");
            let no_rid = app.get(&path).header("Cookie", "sID=00000000000000000000000000000000");
            bench.refused(no_rid, 401, "session_ended");
            let answer = app.get(&path).key(&bench.key).send();
            assert!([200, 404].contains(&answer.status), "{path}: {}", answer.text());
        }
    }

    /// 3 MB bodies are refused before they are read, with a length in front or in chunks.
    fn bodies_of_3_mb_are_413(app: TestApp) {
        let bench = Bench::set(&app);
        let three_mb = 3 * 1024 * 1024;
        for (n, route) in bench.with_body().into_iter().enumerate() {
            let call = bench.call(&route).header("Content-Type", "application/json");
            let limit = match route.operation {
                "create_session" | "redeem_claim" | "change_password" | "enrol_totp" | "confirm_totp" | "remove_totp" | "authorize_api_type" => 4 * 1024,
                "import_api_keys" => 4 * 1024 * 1024,
                "verify_api_keys" => 2 * 1024 * 1024,
                _ => 64 * 1024,
            };
            // each refusal waits half a second for the rest: the larger lengths are sent to a few routes only
            let lengths = [limit + 1, three_mb.max(limit + 1), 1 << 40];
            for length in &lengths[..if n < 5 { lengths.len() } else { 1 }] {
                // only the head is sent: the answer does not wait for the rest
                let mut request = call.request.clone();
                request.headers.push(("Content-Length".into(), length.to_string()));
                let answer = app.connect().send(&request).expect("an answer");
                assert_shape(&answer, 413, "body_too_large", route.operation);
            }
            if n < 5 {
                let mut connection = app.connect();
                let mut request = head_of(&call.request, "Transfer-Encoding: chunked");
                request.extend(format!("{:x}\r\n{}\r\n", limit + 1, " ".repeat(limit + 1)).bytes());
                connection.write_raw(&request).expect("it is taken");
                assert_shape(&connection.read(false).expect("an answer"), 413, "body_too_large", route.operation);
            }
            // to the byte
            let padded = |length: usize| format!("{{{}", " ".repeat(length - 1));
            bench.refused(bench.call(&route).body(padded(limit)), 400, "malformed");
            bench.refused(bench.call(&route).body(padded(limit + 1)), 413, "body_too_large");
        }
        // whoever may not make the call is told that, whatever the size
        let mut request = app.call("POST", "/api/apikeys").header("Content-Type", "application/json").request;
        request.headers.push(("Content-Length".into(), three_mb.to_string()));
        assert_shape(&app.connect().send(&request).expect("an answer"), 401, "not_signed_in", "a stranger");
        assert_eq!(app.rows(), bench.rows);
    }

    /// A body that stalls is given up after the deadline, and its connection with it.
    fn stalled_bodies_are_408(app: TestApp, |setup| setup.rules.body_deadline = std::time::Duration::from_millis(300)) {
        let bench = Bench::set(&app);
        // all routes at once: each connection waits for its deadline, and then for its end
        std::thread::scope(|scope| for route in bench.with_body() {
            let (app, operation) = (&app, route.operation);
            let request = bench.call(&route).header("Content-Type", "application/json").request;
            scope.spawn(move || for (framing, begun) in [("Content-Length: 40", "{"), ("Content-Length: 40", ""), ("Transfer-Encoding: chunked", "5\r\n{\"a\"")] {
                let mut connection = app.connect();
                let mut stalled = head_of(&request, framing);
                stalled.extend(begun.bytes());
                connection.write_raw(&stalled).expect("it is taken");
                assert_shape(&connection.read(false).expect("an answer"), 408, "body_timeout", operation);
                let late = connection.write_raw(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").and_then(|()| connection.read(false));
                assert!(late.is_err(), "what follows a broken-off body is no request: {late:?}");
            });
        });
        assert_eq!(app.rows(), bench.rows);
        app.get("/healthz").send().expect(200);
    }

    /// A body of another type is refused: a page's form cannot reach a handler (CSRF).
    fn bodies_of_another_type_are_415(app: TestApp) {
        let bench = Bench::set(&app);
        let body = json!({ "keyName": "k", "roleID": 2, "userName": ADMIN, "password": PASSWORD, "overlap": "1d" }).to_string();
        for route in bench.with_body() {
            for kind in ["application/x-www-form-urlencoded", "text/plain", "text/plain;charset=UTF-8", "multipart/form-data; boundary=x",
                "application/xml", "text/json", "application/jsonx", "application/json-seq", "json", "", "*/*", "application/vnd.api+json"] {
                let mut call = bench.call(&route).header("Content-Type", kind);
                call.request.body = body.clone().into_bytes();
                bench.refused(call, 415, "not_json");
            }
        }
        for kind in ["application/json", "application/json; charset=UTF-8", "Application/JSON", "application/json ;x=y"] {
            let mut call = app.call("POST", "/api/roles/search").key(&bench.key).header("Content-Type", kind);
            call.request.body = b"{}".to_vec();
            call.send().expect(200);
        }
    }

    /// Published clients send a body with GET and DELETE: it is ignored, whatever it is.
    fn a_body_on_get_is_ignored(app: TestApp) {
        let mut bench = Bench::set(&app);
        // who asks for counts has the last uses written down, which happens each second anyway
        app.flush();
        bench.rows = app.rows();
        for body in [&b"{}"[..], b"not json", b"\0\xff", b"GET /api/apikeys/1 HTTP/1.1\r\nHost: x\r\n\r\n", &b" ".repeat(100_000)] {
            // each snapshot is an event, which the next list of events has in it
            for route in routes().into_iter().filter(|route| route.method == "GET" && route.operation != "read_snapshot") {
                let plain = bench.call(&route).send();
                let with = bench.call(&route).body(body).send();
                // a refusal has a trace ID of its own each time
                let said = |answer: &Answer| if answer.status < 400 { answer.text() } else { answer.code() };
                assert_eq!((with.status, said(&with)), (plain.status, said(&plain)), "{}", route.operation);
            }
            app.get("/healthz").send().expect(200);
        }
        // each call is a use of the secret that it is made with
        let others = |rows: Vec<String>| rows.into_iter().filter(|row| !row.starts_with("api_key_secrets:")).collect::<Vec<_>>();
        assert_eq!(others(app.rows()), others(bench.rows.clone()));
        let snapshot = || app.get("/api/snapshot").key(&bench.key);
        assert_eq!(snapshot().body("not json").send().expect(200).body, snapshot().send().expect(200).body);
        app.delete(&format!("/api/apikeys/{}", bench.id)).key(&bench.key).json(json!({})).send().expect(204);
    }

    /// T-42: a header given twice is not won by the first or the last.
    fn repeated_headers_are_refused(app: TestApp) {
        let bench = Bench::set(&app);
        let list = || app.get("/api/apikeys");
        let cookie = format!("sID={}", bench.session.sid);
        let Session { rid, .. } = &bench.session;
        bench.refused(list().key(&bench.key).key(&bench.key), 400, "ambiguous_credentials");
        bench.refused(list().key(&bench.key).key("garbage"), 400, "ambiguous_credentials");
        bench.refused(list().key("garbage").key(&bench.key), 400, "ambiguous_credentials");
        bench.refused(list().key(&bench.key).header("API-Secret-Key", ""), 400, "ambiguous_credentials");
        bench.refused(list().key(&bench.key).with(&bench.session), 400, "ambiguous_credentials");
        bench.refused(list().key("garbage").with(&bench.session), 400, "ambiguous_credentials");
        bench.refused(list().key(&bench.key).header("Cookie", "sID=x"), 400, "ambiguous_credentials");
        bench.refused(list().key(&bench.key).header("Cookie", "sID="), 400, "ambiguous_credentials");
        bench.refused(list().key(&bench.key).header("Cookie", "sID=x; sID=y"), 400, "ambiguous_credentials");
        bench.refused(list().with(&bench.session).header("Cookie", &cookie), 401, "session_ended");
        bench.refused(list().header("Cookie", &format!("{cookie}; {cookie}")).header("rID", rid), 401, "session_ended");
        bench.refused(list().header("Cookie", &format!("{cookie}; sID=x")).header("rID", rid), 401, "session_ended");
        bench.refused(list().header("Cookie", &format!("sID=; {cookie}")).header("rID", rid), 401, "session_ended");
        bench.refused(list().key(&bench.key).header("api-version", "v1").header("api-version", "v2"), 400, "unknown_api_version");
        bench.refused(list().key(&bench.key).header("api-version", "v1,v1"), 400, "unknown_api_version");
        // two kinds of body at once: the stricter counts
        let mut typed = app.post("/api/apikeys", json!({ "keyName": "k", "roleID": 2 })).key(&bench.key);
        typed.request.headers.insert(0, ("Content-Type".into(), "text/plain".into()));
        bench.refused(typed, 415, "not_json");
        let mut typed = app.post("/api/apikeys", json!({ "keyName": "k", "roleID": 2 })).key(&bench.key);
        typed = typed.header("Content-Type", "text/plain");
        bench.refused(typed, 415, "not_json");
        // other cookies beside the one are nobody's business
        list().header("Cookie", &format!("a=b; {cookie}; sid=x; sIDx=y")).header("rID", rid).send().expect(200);
        list().key(&bench.key).header("Cookie", "a=b").send().expect(200);
        // a second rID: refused, and noted as any wrong one
        let before = app.last_event();
        let answer = list().with(&bench.session).header("rID", rid).send();
        assert_shape(&answer, 403, "wrong_request_id", "two rIDs");
        assert_eq!(app.events_after(before).len(), 1);
    }

    /// A missing request ID is an event where it is the reason to refuse, and nowhere else: not when somebody
    /// signs in again with an old cookie, not where there is no such method or version.
    fn a_missing_request_id_is_noted_where_it_is_refused(app: TestApp) {
        let bench = Bench::set(&app);
        let cookie = format!("sID={}", bench.session.sid);
        let noted = |call: Call<'_>, status: u16| {
            let before = app.last_event();
            call.header("Cookie", &cookie).send().expect(status);
            let events = app.events_after(before);
            events.iter().filter(|event| event.starts_with("608 administrator/1/MasterAdmin ")).count()
        };
        assert_eq!(noted(app.get("/api/apikeys"), 403), 1);
        assert_eq!(noted(app.get("/api/apikeys").header("rID", "0".repeat(32).as_str()), 403), 1);
        assert_eq!(noted(app.get("/api/apikeys").header("api-version", "v2"), 400), 0);
        assert_eq!(noted(app.call("PUT", "/api/apikeys"), 405), 0);
        assert_eq!(noted(app.get("/api/nothing"), 404), 0);
        assert_eq!(noted(app.post("/api/sessions", json!({ "userName": ADMIN, "password": PASSWORD })), 200), 0);
    }

    /// Depth and number of members are bounded before anything is parsed.
    fn bombs_are_refused(app: TestApp) {
        let bench = Bench::set(&app);
        let deep = |n: usize, open: &str, close: &str| format!("{{\"a\":{}1{}}}", open.repeat(n), close.repeat(n));
        let wide = |n: usize| format!("{{{}}}", (0..n).map(|n| format!("\"a{n}\":1")).collect::<Vec<_>>().join(","));
        let mut bombs = vec![deep(16, "[", "]"), deep(16, "{\"a\":", "}"), deep(500, "[", "]"), wide(300)];
        bombs.push("[".repeat(4_000));
        bombs.push("{\"a\":".repeat(600));
        for route in bench.with_body() {
            for bomb in &bombs {
                let is_wide = bomb.starts_with("{\"a0\"");
                if !is_wide {
                    bench.refused(bench.call(&route).body(bomb.clone()), 400, "malformed");
                }
            }
        }
        for path in ["/api/apikeys", "/api/roles/search"] {
            for bomb in [wide(1_025), wide(4_000), deep(30_000, "[", "]"), deep(10_000, "{\"a\":", "}"), "[".repeat(60_000), format!("{{\"a\":{}}}", "9".repeat(60_000))] {
                let answer = app.call("POST", path).body(bomb.clone()).key(&bench.key).send();
                if bomb.starts_with("{\"a\":9") {
                    assert!(answer.status < 500, "{}", answer.text());
                } else {
                    assert_shape(&answer, 400, "malformed", path);
                }
            }
        }
        // just within
        app.call("POST", "/api/roles/search").body(deep(15, "[", "]")).key(&bench.key).send().expect(200);
        app.call("POST", "/api/roles/search").body(wide(1_024)).key(&bench.key).send().expect(200);
        assert_eq!(app.rows(), bench.rows);
    }

    /// Only `v1` is known as api-version, where it is given at all; the refusal comes before any other.
    fn any_api_version_but_v1_is_refused(app: TestApp) {
        let bench = Bench::set(&app);
        for version in ["v2", "V1", "1", "v1.0", "v1 v1", "", "v1;", "\"v1\"", "*"] {
            for route in routes() {
                bench.refused(bench.call(&route).header("api-version", version), 400, "unknown_api_version");
            }
            bench.refused(app.get("/api/apikeys").header("api-version", version), 400, "unknown_api_version");
            bench.refused(app.get("/api/apikeys").key("garbage").header("Api-Version", version), 400, "unknown_api_version");
        }
        app.get("/api/apikeys").key(&bench.key).header("API-VERSION", "v1").send().expect(200);
        app.get("/api/apikeys").key(&bench.key).send().expect(200);
    }

    /// Headers that say where a request came from or where to go are nobody's word.
    fn headers_of_proxies_change_nothing(app: TestApp) {
        let bench = Bench::set(&app);
        let plain = app.get("/api/apikeys/current").key(&bench.key).send().expect(200);
        let before = app.last_event();
        for (name, value) in [("X-Forwarded-For", "10.0.0.1"), ("X-Forwarded-For", "\u{7f}"), ("Forwarded", "for=10.0.0.1;host=evil;proto=http"), ("X-Real-IP", "10.0.0.1"),
            ("X-Forwarded-Host", "evil"), ("X-Forwarded-Proto", "http"), ("X-Original-URL", "/api/roles"), ("X-Rewrite-URL", "/api/roles"), ("X-Request-ID", "mine"), ("Origin", "https://evil"), ("Accept", "text/html"), ("Accept-Encoding", "gzip, br")] {
            let answer = app.get("/api/apikeys/current").key(&bench.key).header(name, value).send();
            if answer.status == 400 && value == "\u{7f}" {
                continue;
            }
            assert_eq!((answer.status, &answer.body), (200, &plain.body), "{name}");
            assert_ne!(answer.header("x-request-id"), Some("mine"));
            let created = app.post("/api/apikeys", json!({ "keyName": format!("{name} {value}").replace('\u{7f}', "x"), "roleID": 2 })).key(&bench.key).header(name, value);
            created.send().expect(200);
        }
        let addresses = app.texts(&format!("select distinct address as t from audit_events where id > {before}"));
        assert_eq!(addresses, ["127.0.0.1"]);
    }

    /// The security headers, the same on every answer of every route; only the sign-in's 200 has the
    /// documented ones.
    fn every_answer_carries_the_security_headers(app: TestApp) {
        let bench = Bench::set(&app);
        let expected = |frame: &str| {
            BTreeSet::from([
                ("cache-control".to_owned(), "no-cache,no-store".to_owned()),
                ("content-security-policy".into(), "default-src 'none'; frame-ancestors 'none'".into()),
                ("cross-origin-resource-policy".into(), "same-origin".into()),
                ("pragma".into(), "no-cache".into()),
                ("referrer-policy".into(), "no-referrer".into()),
                ("x-content-type-options".into(), "nosniff".into()),
                ("x-frame-options".into(), frame.to_owned()),
            ])
        };
        let mut statuses = BTreeSet::new();
        let mut check = |what: &str, answer: &Answer, frame: &str| {
            statuses.insert(answer.status);
            let mut found = BTreeSet::new();
            for (name, value) in &answer.headers {
                let name = name.to_lowercase();
                match name.as_str() {
                    "content-type" if what == "read_snapshot" && answer.status == 200 => assert_eq!(value, "application/x-ndjson"),
                    "etag" if what == "read_snapshot" && answer.status == 200 => {}
                    "content-type" => assert_eq!(value, "application/json", "{what}"),
                    "content-length" | "date" | "x-request-id" | "allow" | "connection" | "retry-after" | "transfer-encoding" => {}
                    _ => assert!(found.insert((name, value.clone())), "{what}: {value} twice"),
                }
            }
            assert!(answer.header("x-request-id").is_some() && answer.header("date").is_some(), "{what}");
            assert_eq!(found, expected(frame), "{what}");
        };
        for route in routes() {
            let call = || bench.call(&route);
            // after these the bench would be nobody
            if ["delete_current_session", "create_session", "replace_current_api_secret_key"].contains(&route.operation) {
                continue;
            }
            let answer = call().json(json!({ "maxItems": 1 })).send();
            check(route.operation, &answer, "DENY");
            for call in [call().header("api-version", "v2"), app.call(route.method.as_str(), &bench.path(&route)), app.call("PATCH", &bench.path(&route)),
                app.call("GET", &format!("{}/", bench.path(&route))), call().key("x").key("y"), call().body("{"), call().body(" ".repeat(70_000)), app.call(route.method.as_str(), &bench.path(&route)).with(&bench.session).header("rID", "x")] {
                let answer = call.send();
                check(route.operation, &answer, "DENY");
            }
        }
        for path in ["/healthz", "/readyz", "/openapi.json", "/", "/nothing", "/api"] {
            check(path, &app.get(path).send(), "DENY");
        }
        check("409", &app.post("/api/apikeys", json!({ "keyName": "full", "roleID": 2 })).key(&bench.key).send().expect(409), "DENY");
        check("401", &app.try_sign_in(ADMIN, "wrong"), "DENY");
        check("415", &app.call("POST", "/api/sessions").header("Content-Type", "text/plain").send().expect(415), "DENY");
        let mut opened = app.try_sign_in(ADMIN, PASSWORD).expect(200);
        opened.headers.retain(|(name, _)| !["set-cookie", "x-xss-protection"].contains(&name.to_lowercase().as_str()));
        check("sign-in", &opened, "SAMEORIGIN");
        let mut closed = app.delete("/api/sessions/current").with(&bench.session).send().expect(204);
        closed.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("set-cookie"));
        check("sign-out", &closed, "DENY");
        app.app.drain();
        check("503", &app.get("/readyz").send().expect(503), "DENY");
        for status in [200, 204, 400, 401, 403, 404, 405, 409, 413, 415, 503] {
            assert!(statuses.contains(&status), "{status} was not tried: {statuses:?}");
        }
    }

    /// A cookie is set by signing in and out, and by nothing else: not with a key, not by a refusal.
    fn nothing_but_signing_in_and_out_sets_a_cookie(app: TestApp) {
        let bench = Bench::set(&app);
        for route in routes() {
            if matches!(route.operation, "create_session" | "delete_current_session" | "replace_current_api_secret_key") {
                continue;
            }
            for call in [bench.call(&route).json(json!({})), bench.call(&route).header("api-version", "v2"), app.call(route.method.as_str(), &bench.path(&route)),
                app.call(route.method.as_str(), &bench.path(&route)).header("Cookie", "sID=00000000000000000000000000000000"), app.call("PUT", &bench.path(&route)).with(&bench.session)] {
                assert_eq!(call.send().header("set-cookie"), None, "{}", route.operation);
            }
        }
    }
}

/// A request's head as bytes, with the framing as given and without its end of body.
fn head_of(request: &Request, framing: &str) -> Vec<u8> {
    let mut head = format!("{} {} HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n", request.method, request.path);
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head.into_bytes()
}
