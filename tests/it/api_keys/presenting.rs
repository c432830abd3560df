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
            ("Authorization", format!("Bearer {key}")),
            ("X-API-Key", key.clone()),
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
