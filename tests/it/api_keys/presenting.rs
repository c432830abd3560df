//! Which texts are a key, and which are not.

use serde_json::json;

use super::{IN, assert_refusal, made, presented};
use crate::app::{ADMIN, PASSWORD, Session, TestApp, secret};
use crate::both;

both! {
    /// A secret has one spelling: every other is refused, and none is looked up.
    fn only_the_one_spelling_of_a_secret_is_a_key(app: TestApp) {
        let key = app.full_key();
        let (id, tail) = key.split_once(':').expect("two parts");
        let spare_bits = {
            // the last character before the `=` carries two bits that mean nothing
            let last = tail.as_bytes()[42];
            const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            let at = ALPHABET.iter().position(|known| *known == last).expect("base64");
            format!("{id}:{}{}=", &tail[..42], char::from(ALPHABET[at + 1]))
        };
        let guid = &app.texts("select guid as t from tenants where id = 0")[0];
        for spelling in [
            spare_bits,
            format!("{id}:{}", tail.trim_end_matches('=')),
            format!("{id}:{tail}="),
            format!("{id}:{}", tail.replace('=', "%3D")),
            format!("0{id}:{tail}"),
            format!("+{id}:{tail}"),
            format!("{id}.0:{tail}"),
            format!("{id} :{tail}"),
            format!("{id}: {tail}"),
            format!("{id}::{tail}"),
            format!(":{tail}"),
            tail.to_owned(),
            format!("\"{key}\""),
            format!("Bearer {key}"),
            format!("{key},{key}"),
            // the primary tenant's keys carry no GUID
            format!("{guid}:{key}"),
            format!("{}:{key}", uuid::Uuid::nil()),
            format!("4294967297:{tail}"),
            String::new(),
        ] {
            assert_refusal(presented(&app, &spelling), (401, "invalid_api_key"));
        }
        assert_refusal(presented(&app, &key), IN);
        let beyond_ascii = app.get("/api/apikeys/current").header("api-secret-key", &format!("{key}ü")).send();
        assert_refusal(beyond_ascii.refusal(), (401, "invalid_api_key"));
    }

    /// T-40: sID, RID, key and password are four things; one presented as another is refused.
    fn nothing_passes_for_something_else(app: TestApp) {
        let session = app.sign_in();
        let body = json!({ "keyName": "k", "roleID": 1 });
        let key = secret(&app.post("/api/apikeys", body).with(&session).send().expect(200).json());
        let tail = key.split_once(':').expect("two parts").1;
        let Session { sid, rid } = &session;
        for as_key in [sid, rid, PASSWORD, tail, &format!("1:{sid}"), &format!("1:{rid}")] {
            assert_refusal(presented(&app, as_key), (401, "invalid_api_key"));
        }
        let list = |sid: &str, rid: &str| {
            app.get("/api/apikeys").with(&Session { sid: sid.to_owned(), rid: rid.to_owned() }).send().refusal()
        };
        for as_sid in [rid.as_str(), &key, tail, "correct-horse-battery-staple", ""] {
            assert_refusal(list(as_sid, rid), (401, "session_ended"));
        }
        for as_rid in [sid.as_str(), &key, tail, PASSWORD, ""] {
            assert_refusal(list(sid, as_rid), (403, "wrong_request_id"));
        }
        assert_refusal(list(sid, rid), IN);
        for as_password in [sid.as_str(), rid, &key, tail] {
            assert_refusal(app.try_sign_in(ADMIN, as_password).refusal(), (401, "sign_in_failed"));
        }
        // and each only in its own header
        for (header, value) in [
            ("Authorization", format!("Basic {key}")),
            ("Proxy-Authorization", format!("Bearer {key}")),
            ("rID", key.clone()),
            ("sID", sid.clone()),
            ("Cookie", format!("api-secret-key={key}")),
            ("Cookie", format!("SID={sid}; rID={rid}")),
        ] {
            assert_refusal(app.get("/api/apikeys").header(header, &value).send().refusal(), (401, "not_signed_in"));
        }
        for path in [format!("/api/apikeys?api-secret-key={key}"), format!("/api/apikeys?sID={sid}&rID={rid}")] {
            assert_refusal(app.get(&path).send().refusal(), (401, "not_signed_in"));
        }
        let in_query = app.get(&format!("/api/apikeys?rID={rid}")).header("Cookie", &format!("sID={sid}")).send();
        assert_refusal(in_query.refusal(), (403, "wrong_request_id"));
    }

    /// TC-19, MC-15: a key is the same key in each of the places where clients put it, the scheme in any case, and the
    /// usage metrics say so.
    fn a_key_is_sent_the_way_the_client_does(app: TestApp) {
        let key = app.full_key();
        for (header, value) in [
            ("api-secret-key", key.clone()),
            ("X-API-Key", key.clone()),
            ("x-api-key", key.clone()),
            ("Authorization", format!("Bearer {key}")),
            ("authorization", format!("bearer {key}")),
            ("Authorization", format!("Token {key}")),
            ("AUTHORIZATION", format!("TOKEN   {key}")),
        ] {
            let answer = app.get("/api/apikeys/current").header(header, &value).send();
            assert_refusal(answer.refusal(), IN);
            let wrong = app.get("/api/apikeys/current").header(header, &value.replace(&key, &format!("{key}x"))).send();
            assert_refusal(wrong.refusal(), (401, "invalid_api_key"));
        }
        app.flush();
        let methods = app.texts("select distinct authentication_method as t from api_usage where path = '/api/apikeys/current'");
        assert_eq!(methods, ["API-Key"]);
    }

    /// MC-15: the documented example has no blank behind the colon.
    fn no_blank_is_needed_behind_the_colon(app: TestApp) {
        let key = app.full_key();
        for (line, status) in [
            (format!("Authorization:Token {key}"), 200),
            (format!("authorization:bearer {key}"), 200),
            (format!("X-API-Key:{key}"), 200),
            (format!("Authorization:\tToken {key}"), 200),
            (format!("Authorization:Token{key}"), 401),
            (format!("Authorization:{key}"), 401),
        ] {
            let mut connection = app.connect();
            let request = format!("GET /api/apikeys/current HTTP/1.1\r\nHost: localhost\r\n{line}\r\n\r\n");
            connection.write_raw(request.as_bytes()).expect("it is taken");
            assert_eq!(connection.read(false).expect("an answer").status, status, "{line}");
        }
        let curl = std::process::Command::new("curl")
            .args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", "-H", &format!("Authorization:Token {key}"), "--cacert"])
            .arg(app.certificate())
            .arg(format!("{}/api/apikeys/current", app.url()))
            .output()
            .expect("curl is installed (tests/run installs it)");
        assert_eq!(String::from_utf8_lossy(&curl.stdout), "200", "{curl:?}");
    }

    /// T-42: of two credentials none wins, whichever they are and whatever is in them.
    fn two_credentials_are_one_too_many(app: TestApp) {
        let (key, session) = (app.full_key(), app.sign_in());
        let ways = [
            ("api-secret-key", key.clone()),
            ("X-API-Key", key.clone()),
            ("Authorization", format!("Bearer {key}")),
            ("Authorization", format!("Token {key}")),
            ("Authorization", "Basic dXNlcjpwYXNz".into()),
            ("Authorization", String::new()),
        ];
        for (first, one) in &ways {
            for (second, other) in &ways {
                let call = app.get("/api/apikeys").header(first, one).header(second, other);
                assert_refusal(call.send().refusal(), (400, "ambiguous_credentials"));
            }
            let call = app.get("/api/apikeys").header(first, one).with(&session);
            assert_refusal(call.send().refusal(), (400, "ambiguous_credentials"));
        }
        // who signs in needs none, and may send what they like
        for (header, value) in &ways {
            let body = json!({ "userName": ADMIN, "password": PASSWORD });
            app.post("/api/sessions", body).header(header, value).send().expect(200);
        }
    }

    /// TC-23: whoever speaks `Authorization` is told in its language what is taken; nobody else is.
    fn a_refused_caller_is_challenged_where_it_used_authorization(app: TestApp) {
        let key = app.full_key();
        let expired = made(&app, &key, json!({ "keyName": "expired", "roleID": 2 }));
        let locked = made(&app, &key, json!({ "keyName": "locked", "roleID": 2, "active": false }));
        app.execute(&format!("update api_keys set expiry_date = 1 where id = {}", expired["ID"]));
        let both_ways = "Bearer realm=\"Firstkey\", Token realm=\"Firstkey\"";
        let invalid = "Bearer realm=\"Firstkey\", error=\"invalid_token\"";
        for (value, code, challenge) in [
            ("Basic dXNlcjpwYXNz".to_owned(), "not_signed_in", both_ways),
            ("Negotiate x".into(), "not_signed_in", both_ways),
            ("".into(), "not_signed_in", both_ways),
            (key.clone(), "not_signed_in", both_ways),
            ("Bearer nonsense".into(), "invalid_api_key", invalid),
            ("Bearer".into(), "invalid_api_key", invalid),
            (format!("Bearer {}", secret(&expired)), "api_key_expired", invalid),
            (format!("Token {}", secret(&locked)), "api_key_locked", invalid),
        ] {
            let answer = app.get("/api/roles").header("Authorization", &value).send();
            assert_refusal(answer.refusal(), (401, code));
            assert_eq!(answer.header("www-authenticate"), Some(challenge), "{value}");
        }
        let auditor = app.auditor_key();
        let forbidden = app.post("/api/apikeys", json!({})).header("Authorization", &format!("Bearer {auditor}")).send();
        assert_eq!((forbidden.status, forbidden.header("www-authenticate")), (403, None));
        for call in [app.get("/api/roles"), app.get("/api/roles").key("nonsense"), app.get("/api/roles").header("X-API-Key", "nonsense")] {
            assert_eq!(call.send().expect(401).header("www-authenticate"), None);
        }
        let sign_in = app.post("/api/sessions", json!({ "userName": ADMIN, "password": "wrong" })).send().expect(401);
        assert_eq!(sign_in.header("www-authenticate"), None);
    }

    /// Nothing is told of a key, not that it is locked, expired or there at all, before its secret is right.
    fn an_unknown_key_and_a_wrong_secret_are_one_answer(app: TestApp) {
        let full = app.full_key();
        let locked = made(&app, &full, json!({ "keyName": "locked", "roleID": 2, "active": false }));
        let wrong = |id: &str| format!("{id}:{}=", "A".repeat(43));
        let answer = |secret: &str| {
            let answer = app.get("/api/apikeys/current").key(secret).send();
            (answer.status, crate::stored::without_trace(&answer))
        };
        let unknown = answer(&wrong("2147483647"));
        for other in [wrong("1"), wrong(&locked["ID"].to_string()), "nonsense".into(), format!("{full}x")] {
            assert_eq!(answer(&other), unknown);
        }
    }

    /// A role without the web service shuts its keys out, with a reason, as long as it has none.
    fn a_role_without_the_web_service_shuts_its_keys_out(app: TestApp) {
        let full = app.full_key();
        let role = app.role("Console only", &[]);
        let key = secret(&made(&app, &full, json!({ "keyName": "k", "roleID": role })));
        assert_refusal(presented(&app, &key), IN);
        app.execute(&format!("update roles set allow_web_service = false where id = {role}"));
        assert_refusal(presented(&app, &key), (403, "access_not_allowed"));
        app.execute(&format!("update roles set allow_web_service = true where id = {role}"));
        assert_refusal(presented(&app, &key), IN);
    }
}
