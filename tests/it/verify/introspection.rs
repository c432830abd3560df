//! `/oauth2/introspect`, as OAuth clients ask.

use serde_json::{Value, json};

use super::calls::Bench;
use crate::app::{Call, PASSWORD, START, TestApp, secret};
use crate::both;
use crate::http::Answer;

const MINUTE: i64 = 60_000;
const VIEW: &str = "platformRights.apikeyRights.canViewApiKeys";
const COMPUTERS: &str = "platformRights.computerRights.canViewOtherComputers";
const CREATE: &str = "platformRights.apikeyRights.canCreateNewApiKeys";

fn form(members: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(members).finish()
}

/// A form, sent by nobody yet.
pub fn asking<'a>(app: &'a TestApp, body: &str) -> Call<'a> {
    let mut call = app.call("POST", "/oauth2/introspect").header("Content-Type", "application/x-www-form-urlencoded");
    call.request.body = body.as_bytes().to_vec();
    call
}

impl Bench<'_> {
    #[track_caller]
    fn introspect(&self, members: &[(&str, &str)]) -> Value {
        let answer = asking(self.app, &form(members)).key(&self.asker).send().expect(200);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        answer.json()
    }
}

/// A refusal as RFC 6749 §5.2 has it: status, its word, and our code.
#[track_caller]
fn refused(answer: &Answer) -> (u16, String, String) {
    let body = answer.json();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    assert!(text("error_description").len() > 10 && body["message"].is_null(), "{body}");
    assert!(
        text("error_description").bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'"' && byte != b'\\'),
        "{body}"
    );
    assert_eq!(Some(text("traceId").as_str()), answer.header("x-request-id"));
    assert!(answer.header("cache-control").is_some_and(|value| value.contains("no-store")));
    if answer.status == 401 {
        assert!(answer.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer ")), "{answer:?}");
    }
    (answer.status, text("error"), text("code"))
}

both! {
    /// A good key is an active token, with all members of RFC 7662 §2.2 that there is something to say of; moments are
    /// seconds.
    fn a_good_key_is_an_active_token(app: TestApp, |setup| setup.public_url = Some("https://keys.example.org".into())) {
        let bench = Bench::set(&app);
        let role = app.role("Two", &[VIEW, COMPUTERS]);
        let bounds = json!({ "roleID": role, "expiryDate": START.millis() + MINUTE + 999, "constraints": { "notBefore": START.millis() + 1_001, "remainingUses": 5 } });
        let (id, text) = bench.key("token", bounds);
        app.clock.advance(2_000);
        let told = bench.introspect(&[("token", &text), ("token_type_hint", "access_token")]);
        let seconds = START.millis() / 1_000;
        let guid = told["aud"].as_str().expect("a GUID").to_owned();
        assert_eq!(guid.len(), 36);
        let rights: std::collections::BTreeSet<&str> = told["scope"].as_str().expect("a text").split(' ').collect();
        assert_eq!(rights, [VIEW, COMPUTERS].into());
        let mut rest = told.clone();
        rest.as_object_mut().expect("an object").remove("scope");
        assert_eq!(rest, json!({
            "active": true, "client_id": id.to_string(), "username": "token", "token_type": "Bearer", "exp": seconds + 60, "iat": seconds, "nbf": seconds + 2,
            "sub": id.to_string(), "aud": guid, "iss": "https://keys.example.org",
            "firstkey": { "code": "VALID", "keyID": id, "keyName": "token", "roleName": "Two", "tenantName": "Primary", "tenantGUID": guid, "expiryDate": START.millis() + MINUTE + 999, "remainingUses": 4 },
        }));
        // one that says less of itself; the caller by each of the ways in which a key is sent
        let (_, plain) = bench.key("plain", json!({}));
        for (name, value) in [("api-secret-key", bench.asker.clone()), ("X-API-Key", bench.asker.clone()), ("Authorization", format!("Bearer {}", bench.asker)), ("Authorization", format!("Token {}", bench.asker))] {
            let told = asking(&app, &form(&[("token", &plain)])).header(name, &value).send().expect(200).json();
            assert_eq!((&told["active"], &told["exp"], &told["nbf"], &told["iat"]), (&json!(true), &Value::Null, &Value::Null, &json!(seconds + 2)), "{name}: {told}");
        }
        // while a key has two secrets the older one ends before the key
        let rotated = secret(&app.post(&format!("/api/apikeys/{id}/secretkey"), json!({ "overlap": "20s" })).key(&bench.full).send().expect(200).json());
        let (older, newer) = (bench.introspect(&[("token", &text)]), bench.introspect(&[("token", &rotated)]));
        assert_eq!((&older["exp"], &newer["exp"], &newer["iat"]), (&json!(seconds + 22), &json!(seconds + 60), &json!(seconds + 2)), "{older} {newer}");
    }

    /// RFC 7662 §2.2, §4: of what is not active nobody is told more; whoever sent the right secret learns the code, and of
    /// all others it is one answer, byte for byte.
    fn what_is_not_active_tells_nothing(app: TestApp) {
        let bench = Bench::set(&app);
        let (id, text) = bench.key("k", json!({}));
        let blue = app.post("/api/tenants", json!({ "name": "Blue", "administrator": { "username": "blue", "password": PASSWORD, "emailAddress": "b@example.com" } })).key(&bench.full).send().expect(200).json();
        let theirs = secret(&app.post(&format!("/api/tenants/{}/apikeys", blue["ID"]), json!({ "keyName": "theirs" })).key(&bench.full).send().expect(200).json());
        for token in [format!("{id}:{}=", "A".repeat(43)), "2147483647:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into(), theirs, "nonsense".into(), "é".into(), "9".repeat(50_000)] {
            let answer = asking(&app, &form(&[("token", &token)])).key(&bench.asker).send().expect(200);
            assert_eq!(answer.text(), r#"{"active":false}"#, "{token}");
        }
        let code = |members: &[(&str, &str)]| {
            let told = bench.introspect(members);
            let code = told["firstkey"]["code"].clone();
            if told["active"] == false {
                assert_eq!(told, json!({ "active": false, "firstkey": { "code": code } }));
            }
            code
        };
        assert_eq!(code(&[("token", &text), ("right", COMPUTERS), ("role", "Auditor"), ("tenant", "primary"), ("match", "all")]), "VALID");
        assert_eq!(code(&[("token", &text), ("right", CREATE)]), "INSUFFICIENT_RIGHTS");
        assert_eq!(code(&[("token", &text), ("right", &format!("{CREATE},{COMPUTERS}")), ("match", "any")]), "VALID");
        assert_eq!(code(&[("token", &text), ("apiType", "logRetrieval")]), "INSUFFICIENT_RIGHTS");
        bench.change(id, r#"networks = '{"allow":["192.0.2.0/24"]}'"#);
        assert_eq!(code(&[("token", &text)]), "ADDRESS_REFUSED");
        assert_eq!(code(&[("token", &text), ("address", "192.0.2.4")]), "VALID");
        bench.change(id, "networks = '', active = false");
        assert_eq!(code(&[("token", &text)]), "LOCKED");
        bench.change(id, &format!("active = true, expiry_date = {}", START.millis()));
        assert_eq!(code(&[("token", &text)]), "EXPIRED");
        app.delete(&format!("/api/apikeys/{id}")).key(&bench.full).send().expect(204);
        assert_eq!(code(&[("token", &text)]), "REVOKED");
        let shown = app.get(&format!("/api/apikeys/revoked/{id}")).key(&bench.full).send().expect(200).json();
        assert_eq!(shown["lastPresented"], app.clock.now().millis(), "and that was noticed");
    }

    /// Refusals are those of RFC 6749 §5.2, whichever shape was asked for: 401 with a challenge, 400 for what cannot be
    /// read, and never a word of the token.
    fn refusals_are_those_of_oauth(app: TestApp) {
        let bench = Bench::set(&app);
        let (_, text) = bench.key("k", json!({}));
        let session = app.sign_in();
        let good = form(&[("token", &text)]);
        let ask = || asking(&app, &good);
        let is = |status: u16, error: &str, code: &str| (status, error.to_owned(), code.to_owned());
        assert_eq!(refused(&ask().send()), is(401, "invalid_client", "not_signed_in"));
        assert_eq!(refused(&ask().header("Accept", "application/problem+json").send()), is(401, "invalid_client", "not_signed_in"));
        assert_eq!(refused(&ask().with(&session).send()), is(401, "invalid_client", "not_signed_in"), "a session is no key");
        assert_eq!(refused(&ask().key("nonsense").send()), is(401, "invalid_client", "invalid_api_key"));
        assert_eq!(refused(&ask().header("Authorization", "Basic eDp5").send()), is(401, "invalid_client", "not_signed_in"));
        assert_eq!(refused(&ask().key(&text).send()), is(403, "insufficient_scope", "not_authorized"));
        assert_eq!(refused(&ask().key(&bench.asker).key(&bench.asker).send()), is(400, "invalid_request", "ambiguous_credentials"));
        assert_eq!(refused(&ask().key(&bench.asker).header("api-version", "v2").send()), is(400, "invalid_request", "unknown_api_version"));
        let (asker, bounded) = bench.key("bounded", json!({ "roleID": 1, "constraints": { "callsPerMinute": 1 } }));
        ask().key(&bounded).send().expect(200);
        let limited = ask().key(&bounded).send();
        assert_eq!(refused(&limited), is(429, "temporarily_unavailable", "rate_limited"));
        assert!(limited.header("retry-after").is_some());
        bench.change(asker, r#"calls_per_minute = null, networks = '{"allow":["192.0.2.0/24"]}'"#);
        assert_eq!(refused(&ask().key(&bounded).send()), is(403, "unauthorized_client", "address_refused"));
        for method in ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"] {
            let answer = app.call(method, "/oauth2/introspect").key(&bench.asker).send();
            assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{method}");
        }
        for kind in ["application/json", "text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencodedx", ""] {
            let mut call = app.call("POST", "/oauth2/introspect").key(&bench.asker).header("Content-Type", kind);
            call.request.body = good.as_bytes().to_vec();
            assert_eq!(refused(&call.send()), is(415, "invalid_request", "not_json"), "{kind}");
        }
        let mut untyped = app.call("POST", "/oauth2/introspect").key(&bench.asker);
        untyped.request.body = good.as_bytes().to_vec();
        assert_eq!(refused(&untyped.send()), is(415, "invalid_request", "not_json"));
        for body in [
            String::new(), "token".into(), "token=".into(), "x=1".into(), format!("{good}&{good}"), format!("{good}&token="), format!("{good}&x=1&x=1"), format!("{good}&right=nonsense"),
            format!("{good}&rights={COMPUTERS}"), format!("{good}&Match=any"), format!("{good}&api_type=x"), format!("{good}&match=some"), format!("{good}&address=here"), format!("{good}&role="),
            format!("{good}&x=%ff"), "token=%ff".into(), "token=1:ab+cd".into(), "\0".into(), "{}".into(), format!("{good}&apiType=a,,b"),
        ] {
            let answer = asking(&app, &body).key(&bench.asker).send();
            assert_eq!(refused(&answer), is(400, "invalid_request", "malformed"), "{body}: {}", answer.text());
            assert!(!answer.text().contains(&text[text.len() - 20..]), "{}", answer.text());
        }
        let answer = asking(&app, &format!("token={}", "9".repeat(70_000))).key(&bench.asker).send();
        assert_eq!(refused(&answer), is(413, "invalid_request", "body_too_large"));
        // other members are nobody's business here, and a type may have parameters
        let more = form(&[("token", &text), ("client_id", "x"), ("client_secret", "y"), ("resource", "z"), ("resource2", "z")]);
        let mut call = app.call("POST", "/oauth2/introspect").key(&bench.asker).header("Content-Type", "Application/X-WWW-Form-URLEncoded; charset=UTF-8");
        call.request.body = more.into_bytes();
        assert_eq!(call.send().expect(200).json()["active"], true);
        assert_eq!(app.post("/oauth2/nothing", json!({})).key(&bench.asker).send().refusal(), (404, "no_such_route".to_owned()));
    }
}
