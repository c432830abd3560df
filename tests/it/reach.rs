//! A tenant's own URL: what the general one does it does too, for this tenant and for nobody else.

use std::collections::BTreeSet;

use firstkey::api::{Access, routes};
use serde_json::{Value, json};

use crate::app::{ADMIN, Call, PASSWORD, Session, TestApp, secret};
use crate::both;
use crate::http::Answer;
use crate::stored::without_trace;

/// A tenant with an administrator `first`; its key, and its administrator's session.
fn tenant(app: &TestApp, maker: &str, name: &str) -> (Value, String, Session) {
    let body = json!({ "name": name, "administrator": { "username": "first", "password": PASSWORD } });
    let tenant = app.post("/api/tenants", body).key(maker).send().expect(200).json();
    let session = signed_in(app, "/api", Some(name)).expect(200);
    let session = Session::from(&session);
    let key = app.post("/api/apikeys", json!({ "keyName": "own", "roleID": 1 })).with(&session).send().expect(200);
    (tenant, secret(&key.json()), session)
}

fn signed_in(app: &TestApp, api: &str, tenant: Option<&str>) -> Answer {
    let mut body = json!({ "userName": "first", "password": PASSWORD });
    if let Some(tenant) = tenant {
        body["tenantName"] = json!(tenant);
    }
    app.post(&format!("{api}/sessions"), body).send()
}

/// Status, body without the trace ID, and headers but for those that differ from call to call.
fn comparable(answer: &Answer) -> (u16, String, BTreeSet<(String, String)>) {
    let differs =
        |name: &str| ["x-request-id", "date", "connection"].iter().any(|known| name.eq_ignore_ascii_case(known));
    let headers = answer.headers.iter().filter(|(name, _)| !differs(name)).cloned().collect();
    let text = if answer.status < 400 { answer.text() } else { without_trace(answer) };
    (answer.status, text, headers)
}

/// One HTTP/1.1 request with a `Host` of its own.
fn get_from(app: &TestApp, host: &str, target: &str, more: &str) -> Answer {
    let mut connection = app.connect();
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n");
    connection.write_raw(request.as_bytes()).expect("it is taken");
    connection.read(false).expect("an answer")
}

fn not_there() -> (u16, String) {
    (404, "no_such_route".to_owned())
}

both! {
    /// TC-22, MC-13, MC-14: every route that reads answers at the tenant's own URL as at the general one, which goes on working.
    fn everything_is_there_at_the_tenants_own_url(app: TestApp) {
        let full = app.full_key();
        let (_, key, session) = tenant(&app, &full, "Blue");
        for (label, key, session) in [("blue", &key, &session), ("primary", &full, &app.sign_in())] {
            let mut compared = 0;
            for route in routes().iter().filter(|route| route.method == "GET" && !route.path.contains('{')) {
                let call = |prefix: &str| {
                    let call = app.get(&format!("{prefix}/api{}", route.path));
                    comparable(&if route.access == Access::Session { call.with(session) } else { call.key(key) }.send())
                };
                // each call is noted, and so the list of calls grows
                if !route.path.starts_with("/apiusage") {
                    assert_eq!(call(&format!("/t/{label}")), call(""), "{}", route.path);
                    compared += 1;
                }
            }
            assert!(compared > 8);
            let own = format!("/t/{label}/api");
            let made = app.post(&format!("{own}/apikeys"), json!({ "keyName": "made there", "roleID": 2 })).key(key).send().expect(200).json();
            let item = format!("{own}/apikeys/{}", made["ID"]);
            app.get(&format!("{item}?x=%2F")).header("Authorization", &format!("Token {key}")).send().expect(200);
            app.get(&format!("{own}/apikeys/current")).key(&secret(&made)).send().expect(200);
            app.get("/api/apikeys/current").key(&secret(&made)).send().expect(200);
            app.call("PUT", &format!("{own}/apikeys/by-name/a%20name")).json(json!({ "roleID": 2 })).key(key).send().expect(200);
            app.delete(&item).with(session).send().expect(204);
            assert_eq!(app.call("PATCH", &format!("{own}/apikeys")).key(key).send().refusal(), (405, "method_not_allowed".into()));
            assert_eq!(app.get(&format!("{own}/nothing")).key(key).send().refusal(), not_there());
        }
        app.flush();
        assert_eq!(app.count("select count(*) as n from api_usage where path like '%/t/%'"), 0, "a route is noted by its one name");
    }

    /// MC-13: another tenant's credential is answered on every route as if there were no such tenant, byte for byte, and
    /// nothing has changed.
    fn another_tenants_credential_finds_nobody_there(app: TestApp) {
        let full = app.full_key();
        let (_, blue_key, blue_session) = tenant(&app, &full, "Blue");
        let (_, red_key, red_session) = tenant(&app, &full, "Red");
        let ended = |column: &str, value: &str| {
            let body = json!({ "keyName": column, "roleID": 1 });
            let made = app.post("/api/apikeys", body).key(&blue_key).send().expect(200).json();
            app.execute(&format!("update api_keys set {column} = {value} where id = {}", made["ID"]));
            secret(&made)
        };
        let (expired, locked) = (ended("expiry_date", "1"), ended("active", "false"));
        let without_rid = format!("sID={}", blue_session.sid);
        let primary_session = app.sign_in();
        type With<'a> = Box<dyn Fn(Call<'a>) -> Call<'a> + 'a>;
        let callers: Vec<(&str, With)> = vec![
            ("red", Box::new(|call| call.key(&blue_key))),
            ("red", Box::new(|call| call.header("Authorization", &format!("Bearer {blue_key}")))),
            ("red", Box::new(|call| call.with(&blue_session))),
            ("red", Box::new(|call| call.header("Cookie", &without_rid))),
            ("red", Box::new(|call| call.key(&expired))),
            ("red", Box::new(|call| call.key(&locked))),
            ("red", Box::new(|call| call.key(&full))),
            ("blue", Box::new(|call| call.key(&red_key))),
            ("primary", Box::new(|call| call.key(&red_key))),
            ("primary", Box::new(|call| call.with(&red_session))),
            ("blue", Box::new(|call| call.with(&primary_session))),
        ];
        let before = app.rows();
        for (label, with) in &callers {
            for route in routes() {
                let path = route.path.replace("{keyName}", "own").replace("{name}", "platformSettingActiveSessionsMax");
                let path: String = path.split('/').map(|part| if part.starts_with('{') { "1" } else { part }).collect::<Vec<_>>().join("/");
                let [there, nowhere] = [*label, "nobody"].map(|label| {
                    comparable(&with(app.call(route.method.as_str(), &format!("/t/{label}/api{path}")).json(json!({}))).send())
                });
                assert_eq!(there, nowhere, "{} {}", route.method, route.path);
                assert_eq!(there.0, 404);
            }
            for path in ["/nothing", "/apikeys/"] {
                let answer = with(app.get(&format!("/t/{label}/api{path}"))).send();
                assert_eq!(answer.refusal(), not_there());
            }
        }
        app.assert_rows(&before, "refused");
        // nor is it good there, whoever asks about it
        let good = |label: &str, key: &str| app.get(&format!("/t/{label}/auth/verify")).key(key).send().status;
        assert_eq!([good("blue", &blue_key), good("red", &blue_key), good("blue", &full), good("nobody", &full)], [200, 401, 401, 401]);
        let form = format!("token={}", blue_key.replace('+', "%2B"));
        let introspected = |label: &str| {
            let mut call = app.call("POST", &format!("/t/{label}/oauth2/introspect")).key(&blue_key);
            call = call.header("Content-Type", "application/x-www-form-urlencoded");
            call.request.body = form.clone().into_bytes();
            call.send()
        };
        assert_eq!(introspected("blue").expect(200).json()["active"], json!(true));
        assert_eq!(introspected("red").status, 404);
        // and at their own doors they are who they are
        app.get("/t/blue/api/apikeys/current").key(&blue_key).send().expect(200);
        assert_eq!(app.get("/t/blue/api/apikeys").key(&expired).send().refusal(), (401, "api_key_expired".into()));
        assert_eq!(app.get("/t/blue/api/apikeys").key(&locked).send().refusal(), (401, "api_key_locked".into()));
        assert_eq!(app.get("/t/blue/api/apikeys").send().refusal(), (401, "not_signed_in".into()));
        assert_eq!(app.get("/t/blue/api/apikeys").key("nonsense").send().refusal(), (401, "invalid_api_key".into()));
    }

    /// MC-14: whoever signs in at a tenant's URL signs in to that tenant; another name there is a wrong one.
    fn signing_in_there_is_signing_in_to_that_tenant(app: TestApp) {
        let full = app.full_key();
        let (blue, ..) = tenant(&app, &full, "Blue");
        tenant(&app, &full, "Red");
        for named in [None, Some("Blue"), Some("BLUE"), Some("")] {
            let session = Session::from(&signed_in(&app, "/t/blue/api", named).expect(200));
            let about = app.get("/api/about").with(&session).send().expect(200).json();
            assert_eq!(about["tenantID"], blue["ID"]);
        }
        let usual = signed_in(&app, "/api", None).expect(401);
        assert_eq!(usual.code(), "sign_in_failed", "nobody is called first in the primary tenant");
        for (api, named) in [("/t/blue/api", Some("Red")), ("/t/blue/api", Some("Primary")), ("/t/blue/api", Some("Nobody")), ("/t/primary/api", Some("Blue")), ("/t/primary/api", None)] {
            let answer = signed_in(&app, api, named);
            assert_eq!(comparable(&answer), comparable(&usual), "{api} {named:?}");
            app.execute("delete from sign_in_attempts");
        }
        for named in [None, Some("Primary"), Some("primary")] {
            let mut body = json!({ "userName": ADMIN, "password": PASSWORD });
            if let Some(named) = named {
                body["tenantName"] = json!(named);
            }
            app.post("/t/primary/api/sessions", body).send().expect(200);
        }
        for (method, path) in [("POST", "/t/nobody/api/sessions"), ("GET", "/t/nobody/api/signinpage"), ("GET", "/t/nobody/api/about")] {
            let body = json!({ "userName": "first", "password": PASSWORD, "tenantName": "Blue" });
            assert_eq!(app.call(method, path).json(body).send().refusal(), not_there());
        }
        // suspended, it is there and lets nobody in
        app.post(&format!("/api/tenants/{}", blue["ID"]), json!({ "tenantState": "suspended" })).key(&full).send().expect(200);
        assert_eq!(comparable(&signed_in(&app, "/t/blue/api", None)), comparable(&usual));
    }

    /// TC-21: the version may stand in front of `/api`, at the general URL and at a tenant's own; there is one version.
    fn the_version_may_stand_in_the_path(app: TestApp) {
        let full = app.full_key();
        let usual = app.get("/api/about").key(&full).send().expect(200).text();
        for path in ["/v1/api/about", "/t/primary/v1/api/about"] {
            assert_eq!(app.get(path).key(&full).send().expect(200).text(), usual);
        }
        let body = json!({ "keyName": "k", "roleID": 2 });
        let key = app.post("/v1/api/apikeys", body).header("Authorization", &format!("Bearer {full}")).send().expect(200).json();
        app.get("/v1/api/apikeys/current").key(&secret(&key)).send().expect(200);
        assert_eq!(app.get("/v1/api/about").send().refusal(), (401, "not_signed_in".into()));
        for path in ["/v2/api/about", "/V1/api/about", "/v1/v1/api/about", "/v1//api/about", "/v1/./api/about", "/v1/t/primary/api/about", "/api/v1/about", "/v1/healthz", "/v1"] {
            assert_eq!(app.get(path).key(&full).send().refusal(), not_there(), "{path}");
        }
    }

    /// A prefix has one spelling, stands there once and leads to the API; all else is no route, whoever asks.
    fn what_only_looks_like_a_tenants_url_is_no_route(app: TestApp) {
        let full = app.full_key();
        let (_, key, _) = tenant(&app, &full, "Blue");
        for path in [
            "/t/blue/../api/about", "/t/x/../api/about", "/t/blue/./api/about", "/t//api/about", "/t/api/about", "/t/blue//api/about",
            "/t/blue/api//about", "/t/blue/api/../api/about", "/t/blue/api/./about", "/t/blue/t/blue/api/about", "/t/blue/t/red/api/about",
            "/t/blue/api/t/blue/api/about", "/t/blue%2Fapi/about", "/t/blue%2fapi%2fabout", "/t%2Fblue/api/about", "/%74/blue/api/about",
            "/t/bl%75e/api/about", "/t/blue%00/api/about", "/t/%2e%2e/api/about", "/t/blue/%2e%2e/api/about", "/t/BLUE/api/about", "/T/blue/api/about",
            "//t/blue/api/about", "/t/blue;x/api/about", "/t/blue/API/about", "/t/blue/%61pi/about", "/t/blue/api", "/t/blue/api/", "/t/blue", "/t/blue/", "/t", "/t/",
            "/t/blue/healthz", "/t/blue/readyz", "/t/blue/openapi.json", "/t/blue/docs/", "/t/blue/rest/authentication/login", "/t/bl ue/api/about",
            "/t/xn--blue/api/about", "/t/*/api/about", "/t/blue/api/about/", "/api/t/blue/about",
        ] {
            let mut connection = app.connect();
            let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\napi-secret-key: {key}\r\n\r\n");
            connection.write_raw(request.as_bytes()).expect("it is taken");
            let answer = connection.read(false).expect("an answer");
            match path.contains(' ') {
                true => assert_eq!(answer.status, 400, "{path}"),
                false => assert_eq!(answer.refusal(), not_there(), "{path}"),
            }
        }
        app.get("/t/blue/api/%61bout").key(&key).send().expect(200);
    }

    /// TC-21, MC-14: the caller's URL is shown under About, and leads to where it says.
    fn about_shows_the_url(app: TestApp) {
        let full = app.full_key();
        let (blue, key, session) = tenant(&app, &full, "Blue Whale");
        let about = app.get("/api/about").key(&key).send().expect(200);
        let guid = blue["guid"].as_str().expect("a GUID");
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(about.text(), format!(
            r#"{{"product":"Firstkey","version":"{version}","apiVersion":"v1","tenantName":"Blue Whale","tenantID":{},"tenantGUID":"{guid}","tenantURL":"/t/blue-whale"}}"#,
            blue["ID"],
        ));
        assert_eq!(app.get("/api/about").with(&session).send().text(), about.text());
        let url = about.json()["tenantURL"].as_str().expect("a URL").to_owned();
        assert_eq!(app.get(&format!("{url}/api/about")).key(&key).send().text(), about.text());
        assert_eq!(app.get("/api/about").key(&app.auditor_key()).send().expect(200).json()["tenantURL"], "/t/primary");
        assert_eq!(app.get("/api/about").send().refusal(), (401, "not_signed_in".into()));
        let list = app.get("/api/tenants").key(&full).send().text();
        assert!(!list.contains("slug") && !list.contains("blue-whale"), "the documented object stays as it is: {list}");
    }

    /// TC-22: with a public URL the tenant's own is absolute, and its host does what the prefix does.
    fn a_tenant_has_a_host_where_the_public_one_is_known(app: TestApp, |setup| setup.public_url = Some("https://keys.example.org".into())) {
        let full = app.full_key();
        let (_, key, session) = tenant(&app, &full, "Blue");
        let about = app.get("/api/about").key(&key).send().expect(200).json();
        assert_eq!((about["tenantURL"].as_str(), about["generalURL"].as_str()), (Some("https://keys.example.org/t/blue"), Some("https://keys.example.org")));
        let with = |key: &str| format!("api-secret-key: {key}\r\n");
        for host in ["blue.keys.example.org", "BLUE.keys.example.org:4119", "blue.Keys.Example.Org."] {
            assert_eq!(get_from(&app, host, "/api/about", &with(&key)).expect(200).json(), about);
            assert_eq!(get_from(&app, host, "/api/about", &format!("Cookie: sID={}\r\nrID: {}\r\n", session.sid, session.rid)).status, 200);
            assert_eq!(get_from(&app, host, "/api/about", &with(&full)).refusal(), not_there());
            assert_eq!(get_from(&app, host, "/t/blue/api/about", &with(&key)).refusal(), not_there(), "one tenant at a time");
            assert_eq!(get_from(&app, host, "/healthz", "").status, 200);
        }
        for host in ["red.keys.example.org", "a.blue.keys.example.org", ".keys.example.org", "xn--a.keys.example.org"] {
            assert_eq!(get_from(&app, host, "/api/about", &with(&key)).refusal(), not_there(), "{host}");
            assert_eq!(get_from(&app, host, "/api/about", "").refusal(), not_there(), "{host}");
        }
        for host in ["keys.example.org", "localhost", "127.0.0.1", "blue.evil.example", "blue.keys.example.org.evil.example", "xkeys.example.org"] {
            assert_eq!(get_from(&app, host, "/api/about", &with(&full)).status, 200, "{host}");
            assert_eq!(get_from(&app, host, "/t/blue/api/about", &with(&key)).status, 200, "{host}");
        }
        // a request may name its host in its first line too
        assert_eq!(get_from(&app, "localhost", "https://blue.keys.example.org/api/about", &with(&full)).refusal(), not_there());
        // proxies are nobody's word
        assert_eq!(get_from(&app, "localhost", "/api/about", &format!("X-Forwarded-Host: blue.keys.example.org\r\n{}", with(&full))).status, 200);
    }

    /// The label is made of the name when the tenant is made, and is nobody else's; it stays when the name changes.
    fn a_label_is_made_of_the_name_once(app: TestApp) {
        let full = app.full_key();
        let label = |key: &str| app.get("/api/about").key(key).send().expect(200).json()["tenantURL"].as_str().expect("a URL").to_owned();
        let (blue, blue_key, _) = tenant(&app, &full, "Blue & Sons");
        assert_eq!(label(&blue_key), "/t/blue-sons");
        let (twin, twin_key, _) = tenant(&app, &full, "blue/sons");
        assert_eq!(label(&twin_key), format!("/t/{}", twin["guid"].as_str().expect("a GUID")));
        let (ao, ao_key, _) = tenant(&app, &full, "青");
        assert_eq!(label(&ao_key), format!("/t/{}", ao["guid"].as_str().expect("a GUID")));
        app.get(&format!("{}/api/apikeys", label(&ao_key))).key(&ao_key).send().expect(200);
        let taken = json!({ "name": "BLUE & SONS", "administrator": { "username": "first", "password": PASSWORD } });
        assert_eq!(app.post("/api/tenants", taken).key(&full).send().refusal(), (409, "name_taken".into()));
        let primary = json!({ "name": "Primary!", "administrator": { "username": "first", "password": PASSWORD } });
        app.post("/api/tenants", primary).key(&full).send().expect(200);
        assert_eq!(label(&full), "/t/primary");
        // renamed, its URL is the same
        app.post(&format!("/api/tenants/{}", blue["ID"]), json!({ "name": "Green" })).key(&full).send().expect(200);
        assert_eq!(label(&blue_key), "/t/blue-sons");
        signed_in(&app, "/t/blue-sons/api", Some("Green")).expect(200);
        // removed, it is free again
        app.delete(&format!("/api/tenants/{}", blue["ID"])).key(&full).send().expect(204);
        assert_eq!(signed_in(&app, "/t/blue-sons/api", None).refusal(), not_there());
        let (_, again, _) = tenant(&app, &full, "Blue Sons");
        assert_eq!(label(&again), "/t/blue-sons");
    }

    /// A tenant from before there were labels, or made by an older node, has its GUID.
    fn a_tenant_without_a_label_has_its_guid(app: TestApp) {
        let full = app.full_key();
        let (blue, key, _) = tenant(&app, &full, "Blue");
        app.execute("update tenants set slug = null");
        let guid = blue["guid"].as_str().expect("a GUID");
        assert_eq!(app.get("/api/about").key(&key).send().json()["tenantURL"], format!("/t/{guid}"));
        app.get(&format!("/t/{guid}/api/about")).key(&key).send().expect(200);
        assert_eq!(app.get("/t/blue/api/about").key(&key).send().refusal(), not_there());
    }
}
