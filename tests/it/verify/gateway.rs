//! `/auth/verify`, as nginx, Caddy and their kin ask it.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};

use super::{asked, is, told};
use crate::app::{Backend, START, Setup, TestApp, secret};
use crate::both;

const MINUTE: i64 = 60_000;
const COMPUTERS: &str = "platformRights.computerRights.canViewOtherComputers";
const CREATE: &str = "platformRights.apikeyRights.canCreateNewApiKeys";

fn minted(app: &TestApp, full: &str, body: Value) -> (Value, String) {
    let key = app.post("/api/apikeys", body).key(full).send().expect(200).json();
    let text = secret(&key);
    (key, text)
}

fn path(key: &Value) -> String {
    format!("/api/apikeys/{}", key["ID"])
}

both! {
    /// A good key is answered with 200, an empty body, and who it is.
    fn a_good_key_is_answered_with_who_it_is(app: TestApp) {
        let full = app.full_key();
        let (key, text) = minted(&app, &full, json!({ "keyName": "of the gateway", "roleID": 2, "expiryDate": START.millis() + MINUTE }));
        let answer = asked(&app, &format!("right={COMPUTERS}"), &text).send().expect(200);
        let header = |name: &str| answer.header(name).unwrap_or_default().to_owned();
        assert_eq!(header("x-firstkey-key-id"), key["ID"].to_string());
        assert_eq!(header("x-firstkey-key-name"), "of the gateway");
        assert_eq!(header("x-firstkey-role"), "Auditor");
        assert_eq!(header("x-firstkey-tenant"), "Primary");
        assert_eq!(header("x-firstkey-tenant-id").len(), 36);
        assert_eq!(header("x-firstkey-expires"), "2026-11-21T12:01:15.000Z");
        assert_eq!(header("cache-control"), "no-store");
        assert_eq!(answer.header("x-firstkey-api-types"), None);
        assert_eq!(answer.body, b"");
        // the other places where a key may stand
        for (name, value) in [("Authorization", format!("Bearer {text}")), ("Authorization", format!("Token {text}")), ("X-API-Key", text.clone())] {
            app.get("/auth/verify").header(name, &value).send().expect(200);
        }
    }

    /// T-36, T-27: gateways understand 200, 401, 403 and 503, so nothing else is answered, whatever is sent; the method
    /// says nothing, a body is not read, and no cookie is looked at.
    fn nothing_else_is_answered(app: TestApp) {
        let (auditor, session) = (app.auditor_key(), app.sign_in());
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "PROPFIND"] {
            app.call(method, "/auth/verify").key(&auditor).send().expect(200);
            assert_eq!(told(&app.call(method, "/auth/verify").send()), is(401, "NOT_FOUND"), "{method}");
        }
        app.call("POST", "/auth/verify").key(&auditor).body(vec![b'x'; 100_000]).send().expect(200);
        app.call("POST", "/auth/verify").key(&auditor).header("content-type", "application/json").body("{").send().expect(200);
        let cookie = format!("sID={}; sID=x; ;;=\"", session.sid);
        app.get("/auth/verify").key(&auditor).header("cookie", &cookie).send().expect(200);
        assert_eq!(told(&app.get("/auth/verify").with(&session).send()), is(401, "NOT_FOUND"), "a session is no key");
        let wrong = format!("{}{}=", &auditor[..auditor.find(':').expect("a colon") + 1], "A".repeat(43));
        for (name, value) in [
            ("api-secret-key", ""), ("api-secret-key", "x"), ("api-secret-key", &*wrong), ("api-secret-key", "999:x"),
            ("api-secret-key", &*"9".repeat(6_000)), ("Authorization", "Basic eDp5"), ("Authorization", "Bearer"), ("X-API-Key", "é"),
        ] {
            let answer = app.get("/auth/verify").header(name, value).send();
            assert_eq!(told(&answer), is(401, "NOT_FOUND"), "{name}: {value}");
            assert!(answer.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer")), "{name}: {value}");
            assert_eq!(answer.json()["traceId"], answer.header("x-request-id").unwrap_or_default());
        }
        let two = app.get("/auth/verify").key(&auditor).header("X-API-Key", &auditor).send();
        assert_eq!(told(&two), is(401, "NOT_FOUND"));
        for query in ["right=nonsense", "right=", "right", "match=some", "rights=x", "match=all&match=all", "right=%ff", "apiType=a,,b", &format!("right={}", "a".repeat(9_000))] {
            assert_eq!(told(&asked(&app, query, &auditor).send()), is(403, "UNKNOWN_DEMAND"), "{query}");
        }
        let near = asked(&app, "right=platformRights.computerRights.canViewOtherComputer", &auditor).send().expect(403);
        assert!(near.text().contains(COMPUTERS), "{}", near.text());
    }

    /// T-20: what is remembered is who a key is, never what was decided: each demand is judged by itself.
    fn every_demand_is_judged_by_itself(app: TestApp) {
        let auditor = app.auditor_key();
        for (query, expected) in [
            (String::new(), is(200, "")),
            (format!("right={COMPUTERS}"), is(200, "")),
            (format!("right={CREATE}"), is(403, "INSUFFICIENT_RIGHTS")),
            (format!("right={COMPUTERS},{CREATE}"), is(403, "INSUFFICIENT_RIGHTS")),
            (format!("right={COMPUTERS},{CREATE}&match=any"), is(200, "")),
            (format!("right={CREATE}&match=any"), is(403, "INSUFFICIENT_RIGHTS")),
            ("role=Auditor".to_owned(), is(200, "")),
            ("role=auditor&match=all".to_owned(), is(200, "")),
            ("role=Full%20Access".to_owned(), is(403, "INSUFFICIENT_RIGHTS")),
            (format!("right={COMPUTERS}&role=Full+Access&match=any"), is(403, "INSUFFICIENT_RIGHTS")),
            ("tenant=Primary".to_owned(), is(200, "")),
            ("tenant=acme".to_owned(), is(403, "INSUFFICIENT_RIGHTS")),
            ("apiType=logRetrieval".to_owned(), is(403, "INSUFFICIENT_RIGHTS")),
            (format!("apiType=logRetrieval&right={COMPUTERS}&match=any"), is(200, "")),
        ] {
            for _ in 0..2 {
                assert_eq!(told(&asked(&app, &query, &auditor).send()), expected, "{query}");
            }
        }
    }

    /// T-19: a key that is remembered is refused with the very next question after it was locked, brought to its end,
    /// given another role or another secret, or revoked; a wrong secret is told nothing of it.
    fn what_changes_is_known_at_once(app: TestApp) {
        let full = app.full_key();
        let (key, text) = minted(&app, &full, json!({ "keyName": "watched", "roleID": 1 }));
        let change = |body: Value| drop(app.post(&path(&key), body).key(&full).send().expect(200));
        let demand = format!("right={CREATE}");
        let now = || told(&asked(&app, &demand, &text).send());
        assert_eq!(now(), is(200, ""));
        change(json!({ "active": false }));
        assert_eq!(now(), is(401, "LOCKED"));
        change(json!({ "active": true }));
        assert_eq!(now(), is(200, ""));
        change(json!({ "roleID": 2 }));
        assert_eq!(now(), is(403, "INSUFFICIENT_RIGHTS"));
        change(json!({ "roleID": 1, "expiryDate": app.clock.now().millis() + MINUTE }));
        app.clock.advance(MINUTE - 1);
        assert_eq!(now(), is(200, ""));
        app.clock.advance(1);
        assert_eq!(now(), is(401, "EXPIRED"));
        change(json!({ "expiryDate": 0 }));
        assert_eq!(now(), is(200, ""));
        let renewed = secret(&app.call("POST", &format!("{}/secretkey", path(&key))).key(&full).send().expect(200).json());
        assert_eq!(now(), is(401, "NOT_FOUND"));
        assert_eq!(told(&asked(&app, &demand, &renewed).send()), is(200, ""));
        app.delete(&path(&key)).key(&full).send().expect(204);
        assert_eq!(told(&asked(&app, &demand, &renewed).send()), is(401, "REVOKED"));
        assert_eq!(now(), is(401, "REVOKED"), "whoever held one of its secrets may know");
        let wrong = format!("{}:{}=", key["ID"], "A".repeat(43));
        assert_eq!(told(&asked(&app, &demand, &wrong).send()), is(401, "NOT_FOUND"));
    }

    /// T-39, T-19: a role's rights, and whether it lets anybody in, are those of this moment.
    fn a_role_that_changes_is_known_at_once(app: TestApp) {
        let full = app.full_key();
        let tree = |view: bool| json!({ "rights": { "platformRights": { "apikeyRights": { "canViewApiKeys": view } } } });
        let mut wanted = tree(true);
        wanted["name"] = json!("Watched");
        wanted["allowWebService"] = json!(true);
        let role = app.post("/api/roles", wanted).key(&full).send().expect(200).json()["ID"].clone();
        let (_, text) = minted(&app, &full, json!({ "keyName": "watched", "roleID": role }));
        let now = || told(&asked(&app, "right=platformRights.apikeyRights.canViewApiKeys", &text).send());
        let change = |body: Value| drop(app.post(&format!("/api/roles/{role}"), body).key(&full).send().expect(200));
        assert_eq!(now(), is(200, ""));
        change(tree(false));
        assert_eq!(now(), is(403, "INSUFFICIENT_RIGHTS"));
        change(tree(true));
        assert_eq!(now(), is(200, ""));
        change(json!({ "allowWebService": false }));
        assert_eq!(now(), is(403, "INSUFFICIENT_RIGHTS"));
        change(json!({ "allowWebService": true, "name": "Renamed" }));
        assert_eq!(now(), is(200, ""));
        assert_eq!(told(&asked(&app, "role=Renamed", &text).send()), is(200, ""));
    }

    /// A key that somebody asked about before it was there is known when it is.
    fn a_key_that_was_nobodys_is_known_when_it_is_made(app: TestApp) {
        let full = app.full_key();
        let next = app.count("select max(id) as n from api_keys") + 1;
        let guess = format!("{next}:{}=", "A".repeat(43));
        for _ in 0..3 {
            assert_eq!(told(&asked(&app, "", &guess).send()), is(401, "NOT_FOUND"));
        }
        let (key, text) = minted(&app, &full, json!({ "keyName": "next", "roleID": 2 }));
        assert_eq!(key["ID"], next);
        assert_eq!(told(&asked(&app, "", &text).send()), is(200, ""));
        assert_eq!(told(&asked(&app, "", &guess).send()), is(401, "NOT_FOUND"));
    }

    /// What bounds a key bounds it here too: networks, how often, how many times, from when on.
    fn bounds_hold(app: TestApp) {
        let full = app.full_key();
        let bounded = |name: &str, constraints: Value| minted(&app, &full, json!({ "keyName": name, "roleID": 2, "constraints": constraints })).1;
        let here = bounded("here", json!({ "networks": { "allow": ["127.0.0.2/32"] } }));
        assert_eq!(told(&asked(&app, "", &here).send()), is(403, "ADDRESS_REFUSED"));
        let from = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
        assert_eq!(told(&asked(&app, "", &here).send_from(from)), is(200, ""));
        let twice = bounded("twice", json!({ "remainingUses": 2 }));
        let lacking = asked(&app, &format!("right={CREATE}"), &twice).send();
        assert_eq!(told(&lacking), is(403, "INSUFFICIENT_RIGHTS"), "what is refused uses nothing up");
        for expected in [is(200, ""), is(200, ""), is(403, "USAGE_EXCEEDED"), is(403, "USAGE_EXCEEDED")] {
            assert_eq!(told(&asked(&app, "", &twice).send()), expected);
        }
        let slowly = bounded("slowly", json!({ "callsPerMinute": 2 }));
        for expected in [is(200, ""), is(200, ""), is(403, "RATE_LIMITED")] {
            assert_eq!(told(&asked(&app, "", &slowly).send()), expected);
        }
        let refused = asked(&app, "", &slowly).send();
        assert!(refused.header("retry-after").is_some(), "{refused:?}");
        app.clock.advance(MINUTE + 1_000);
        assert_eq!(told(&asked(&app, "", &slowly).send()), is(200, ""));
        let later = bounded("later", json!({ "notBefore": app.clock.now().millis() + MINUTE }));
        assert_eq!(told(&asked(&app, "", &later).send()), is(401, "NOT_YET_VALID"));
        app.clock.advance(MINUTE);
        assert_eq!(told(&asked(&app, "", &later).send()), is(200, ""));
    }

    /// Each use is noted with its moment and address, and wrong secrets are counted and lock nothing (T-43).
    fn uses_are_noted(app: TestApp) {
        let full = app.full_key();
        let (key, text) = minted(&app, &full, json!({ "keyName": "used", "roleID": 2 }));
        let shown = || app.get(&format!("{}?expand=lifecycle", path(&key))).key(&full).send().expect(200).json();
        for _ in 0..5 {
            asked(&app, "", &text).send().expect(200);
        }
        app.clock.advance(1_000);
        asked(&app, "", &text).send_from(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9))).expect(200);
        let used = shown();
        assert_eq!(used["lifecycle"]["secrets"][0]["uses"], 6, "{used}");
        assert_eq!(used["lifecycle"]["secrets"][0]["lastAddress"], "127.0.0.9");
        assert_eq!(used["lastSignIn"], app.clock.now().millis());
        let wrong = format!("{}:{}=", key["ID"], "A".repeat(43));
        for _ in 0..50 {
            assert_eq!(told(&asked(&app, "", &wrong).send()), is(401, "NOT_FOUND"));
        }
        assert_eq!(shown()["unsuccessfulSignInAttempts"], 50);
        asked(&app, "", &text).send().expect(200);
        let used = shown();
        assert_eq!(used["unsuccessfulSignInAttempts"], 0);
        assert_eq!(used["lifecycle"]["secrets"][0]["uses"], 7, "{used}");
        asked(&app, "", &text).send_from(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9))).expect(200);
        actix_web::rt::System::new().block_on(firstkey::server::flush(&app.app));
        assert_eq!(shown()["lifecycle"]["secrets"][0]["uses"], 8, "written down");
        assert_eq!(app.count(&format!("select uses as n from api_key_secrets where api_key_id = {}", key["ID"])), 8);
    }

    /// T-25: a header that only we set, in any spelling that some back end takes for the same, is somebody's claim to be
    /// somebody.
    fn a_header_that_claims_an_identity_is_refused(app: TestApp) {
        let auditor = app.auditor_key();
        for name in ["X-Firstkey-Key-ID", "x-firstkey-role", "X_Firstkey_Role", "X-Firstkey_Tenant", "X.Firstkey.Key.Name", "X-FIRSTKEY-ANYTHING", "x_firstkey-"] {
            let answer = app.get("/auth/verify").key(&auditor).header(name, "1").send();
            assert_eq!(told(&answer), is(403, "IDENTITY_CLAIMED"), "{name}");
        }
        for name in ["X-Firstkey", "X-First-Key-ID", "Firstkey-Role", "XX-Firstkey-Role"] {
            app.get("/auth/verify").key(&auditor).header(name, "1").send().expect(200);
        }
    }

    /// Names that are not ASCII, and names that would end a header, travel as RFC 8187 writes them.
    fn any_name_fits_into_a_header(app: TestApp) {
        let full = app.full_key();
        let (_, text) = minted(&app, &full, json!({ "keyName": "Schlüssel für 東京", "roleID": 2 }));
        let answer = asked(&app, "", &text).send().expect(200);
        assert_eq!(answer.header("x-firstkey-key-name"), Some("UTF-8''Schl%C3%BCssel%20f%C3%BCr%20%E6%9D%B1%E4%BA%AC"));
    }

    /// T-02: a key outside the primary tenant carries its tenant's GUID, and none other; a suspended tenant's is nobody's.
    fn a_tenants_key_is_known_by_its_tenant(app: TestApp) {
        let full = app.full_key();
        let tenant = app.post("/api/tenants", json!({ "name": "Acme", "administrator": { "username": "acme", "password": "another horse battery", "emailAddress": "a@example.com" } })).key(&full).send();
        let tenant = tenant.expect(200).json();
        let key = app.post(&format!("/api/tenants/{}/apikeys", tenant["ID"]), json!({ "keyName": "theirs" })).key(&full).send().expect(200).json();
        let text = secret(&key);
        let answer = asked(&app, "tenant=Acme", &text).send().expect(200);
        assert_eq!(answer.header("x-firstkey-tenant"), Some("Acme"));
        let guid = answer.header("x-firstkey-tenant-id").expect("a GUID").to_owned();
        assert_eq!(told(&asked(&app, &format!("tenant={guid}"), &text).send()), is(200, ""));
        let bare = text.strip_prefix(&format!("{guid}:")).expect("its GUID stands in front");
        assert_eq!(told(&asked(&app, "", bare).send()), is(401, "NOT_FOUND"));
        app.post(&format!("/api/tenants/{}", tenant["ID"]), json!({ "tenantState": "suspended" })).key(&full).send().expect(200);
        assert_eq!(told(&asked(&app, "", &text).send()), is(401, "NOT_FOUND"));
        app.post(&format!("/api/tenants/{}", tenant["ID"]), json!({ "tenantState": "active" })).key(&full).send().expect(200);
        assert_eq!(told(&asked(&app, "", &text).send()), is(200, ""));
    }
}

/// T-24: where a proxy is listed, the client's address is the one that it appended; of anybody else the header is nobody's
/// word, and what cannot be read is refused and never skipped.
#[test]
fn a_listed_proxy_says_where_a_request_came_from() {
    let mut setup = Setup::new(Backend::Sqlite);
    setup.trusted_proxies = vec!["127.0.0.7/32".parse().expect("a network")];
    let app = setup.start();
    let full = app.full_key();
    let constraints = json!({ "networks": { "allow": ["192.0.2.0/24"] } });
    let (key, text) = minted(&app, &full, json!({ "keyName": "there", "roleID": 2, "constraints": constraints }));
    let by = |peer: u8, forwarded: &str| {
        let call = asked(&app, "", &text).header("X-Forwarded-For", forwarded);
        told(&call.send_from(IpAddr::V4(Ipv4Addr::new(127, 0, 0, peer))))
    };
    assert_eq!(by(7, "192.0.2.5"), is(200, ""));
    assert_eq!(by(7, "10.0.0.1, 192.0.2.5"), is(200, ""));
    assert_eq!(by(7, "192.0.2.5, 10.0.0.1"), is(403, "ADDRESS_REFUSED"));
    assert_eq!(by(8, "192.0.2.5"), is(403, "ADDRESS_REFUSED"));
    let shown = app.get(&format!("{}?expand=lifecycle", path(&key))).key(&full).send().expect(200).json();
    assert_eq!(shown["lifecycle"]["secrets"][0]["lastAddress"], "192.0.2.5");
    for unreadable in ["unknown", "", "192.0.2.5,", "192.0.2.5, _hidden"] {
        assert_eq!(by(7, unreadable), is(403, "ADDRESS_REFUSED"), "{unreadable:?}");
    }
    let here = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 7));
    let elsewhere = app.get("/api/apikeys").key(&full).header("X-Forwarded-For", "unknown").send_from(here);
    assert_eq!(elsewhere.refusal(), (400, "bad_request".to_owned()));
}
