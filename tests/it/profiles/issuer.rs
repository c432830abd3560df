//! Keys with the rights of whoever made them.

use firstkey::rights::Right;
use serde_json::{Value, json};

use super::{MICROSOFT, assert_refusal, made, message, mint_under};
use crate::app::{PASSWORD, Session, TestApp, secret};
use crate::both;
use crate::http::Answer;

/// A person of a role; their ID and session.
fn person(app: &TestApp, name: &str, role: i64) -> (i64, Session) {
    let id = app.administrator(name, PASSWORD, role, 0);
    (id, Session::from(&app.try_sign_in(name, PASSWORD).expect(200)))
}

fn issue(app: &TestApp, session: &Session, name: &str, more: Value) -> Answer {
    let mut body = json!({ "keyName": name, "lifecycle": { "profileID": MICROSOFT } });
    body.as_object_mut().expect("members").extend(more.as_object().expect("members").clone());
    app.post("/api/apikeys", body).with(session).send()
}

/// The rights that let somebody mint and one more.
fn issuer_role(app: &TestApp, name: &str, more: &str) -> i64 {
    app.role(name, &["platformRights.apikeyRights.canCreateNewApiKeys", more])
}

const VIEW_CONTACTS: &str = "platformRights.contactRights.canViewContacts";
const CREATE_CONTACTS: &str = "platformRights.contactRights.canCreateNewContacts";

both! {
    /// MC-01: a name is all that it takes; the value is shown once.
    fn a_name_is_all_that_it_takes(app: TestApp) {
        let session = app.sign_in();
        let token = issue(&app, &session, "token", json!({})).expect(200).json();
        assert_eq!((token["roleID"].as_i64(), token.get("expiryDate")), (Some(1), None));
        let again = app.get(&format!("/api/apikeys/{}", token["ID"])).with(&session).send().expect(200).json();
        assert_eq!((again.get("secretKey"), &again["roleID"]), (None, &json!(1)));
        // the issuer's own role may be named, another one not
        issue(&app, &session, "named", json!({ "roleID": 1 })).expect(200);
        let answer = issue(&app, &session, "another", json!({ "roleID": 2 }));
        assert_refusal(&answer, (400, "malformed"));
        assert!(message(&answer).starts_with("roleID"), "{}", message(&answer));
    }

    /// MC-02, MC-03, MC-20: a token may do what its issuer may, no more and no less; a reader who may issue tokens issues
    /// tokens that read.
    fn a_token_may_do_what_its_issuer_may(app: TestApp) {
        let reader = issuer_role(&app, "Reader", VIEW_CONTACTS);
        let (_, session) = person(&app, "reader", reader);
        let token = secret(&issue(&app, &session, "token", json!({})).expect(200).json());
        for (method, path, body) in [("GET", "/api/contacts", json!({})), ("POST", "/api/contacts", json!({ "name": "c" })), ("GET", "/api/administrators", json!({})), ("GET", "/api/roles", json!({}))] {
            let by = |call: crate::app::Call<'_>| call.send().refusal();
            let (issuers, tokens) = (by(app.call(method, path).json(body.clone()).with(&session)), by(app.call(method, path).json(body).key(&token)));
            assert_eq!(issuers, tokens, "{method} {path}");
        }
        let (_, auditor) = person(&app, "auditor", 2);
        assert_refusal(&issue(&app, &auditor, "none", json!({})), (403, "not_authorized"));
    }

    /// MC-02: the rights are the issuer's at each moment: a change of their role, or to another one, is felt by the next
    /// call, and shown.
    fn a_token_follows_its_issuers_role(app: TestApp) {
        let full = app.full_key();
        let (reader, writer) = (issuer_role(&app, "Reader", VIEW_CONTACTS), issuer_role(&app, "Writer", CREATE_CONTACTS));
        let (id, session) = person(&app, "issuer", reader);
        let token = issue(&app, &session, "token", json!({})).expect(200).json();
        let may = || {
            let status = |call: crate::app::Call<'_>| call.key(&secret(&token)).send().status == 200;
            (status(app.get("/api/contacts")), status(app.post("/api/contacts", json!({ "name": "c" }))))
        };
        let shown = || app.get(&format!("/api/apikeys/{}", token["ID"])).key(&full).send().expect(200).json()["roleID"].clone();
        assert_eq!((may(), shown()), ((true, false), json!(reader)));
        app.post(&format!("/api/administrators/{id}"), json!({ "roleID": writer })).key(&full).send().expect(200);
        assert_eq!((may(), shown()), ((false, true), json!(writer)));
        app.delete(&format!("/api/roles/{reader}")).key(&full).send().expect(204);
        let rights = json!({ "platformRights": { "contactRights": { "canViewContacts": true, "canCreateNewContacts": false } } });
        app.post(&format!("/api/roles/{writer}"), json!({ "rights": rights })).key(&full).send().expect(200);
        assert_eq!(may(), (true, false));
        // so are the role's ways of access
        app.post(&format!("/api/roles/{writer}"), json!({ "allowWebService": false })).key(&full).send().expect(200);
        assert_eq!(app.get("/api/contacts").key(&secret(&token)).send().refusal(), (403, "access_not_allowed".into()));
    }

    /// An issuer who is gone leaves tokens that may do nothing at all.
    fn a_token_of_nobody_may_do_nothing(app: TestApp) {
        let full = app.full_key();
        let (id, session) = person(&app, "issuer", 1);
        let token = secret(&issue(&app, &session, "token", json!({})).expect(200).json());
        app.get("/api/apikeys").key(&token).send().expect(200);
        app.delete(&format!("/api/administrators/{id}")).key(&full).send().expect(204);
        for path in ["/api/apikeys", "/api/contacts", "/api/roles", "/api/systemsettings"] {
            let status = app.get(path).key(&token).send().status;
            assert!([401, 403].contains(&status), "{path}: {status}");
        }
        assert!(app.post("/api/apikeys", json!({ "keyName": "k", "roleID": 2 })).key(&token).send().status >= 401);
    }

    /// A session is needed to issue one: a key is nobody, and its maker's rights are not its own to hand on.
    fn only_a_person_issues_one(app: TestApp) {
        let full = app.full_key();
        let answer = mint_under(&app, &full, MICROSOFT, json!({}));
        assert_refusal(&answer, (403, "wrong_credential_kind"));
        let body = json!({ "lifecycle": { "profileID": MICROSOFT } });
        let ensure = || app.call("PUT", "/api/apikeys/by-name/token").json(body.clone());
        assert_refusal(&ensure().key(&full).send(), (403, "wrong_credential_kind"));
        let session = app.sign_in();
        assert_eq!(ensure().with(&session).send().expect(200).json()["outcome"], "created");
        // later a key may make sure that it is there, without naming a role
        assert_eq!(ensure().key(&full).send().expect(200).json()["outcome"], "unchanged");
        let plain = app.call("PUT", "/api/apikeys/by-name/token").json(json!({})).key(&full).send();
        assert_eq!(plain.expect(200).json()["outcome"], "unchanged");
        assert_refusal(&app.call("PUT", "/api/apikeys/by-name/full").json(json!({})).key(&full).send(), (400, "malformed"));
    }

    /// Its role is not to be changed by itself, nor made another's by changing the profile.
    fn its_role_is_its_issuers_alone(app: TestApp) {
        let full = app.full_key();
        let session = app.sign_in();
        let token = issue(&app, &session, "token", json!({})).expect(200).json();
        let path = format!("/api/apikeys/{}", token["ID"]);
        let answer = app.post(&path, json!({ "roleID": 2 })).key(&full).send();
        assert_refusal(&answer, (409, "conflict"));
        assert!(message(&answer).starts_with("roleID"), "{}", message(&answer));
        app.post(&path, json!({ "roleID": 1, "description": "d" })).key(&full).send().expect(200);
        assert_refusal(&app.call("PUT", "/api/apikeys/by-name/token").json(json!({ "roleID": 2 })).key(&full).send(), (409, "conflict"));
    }

    /// T-01: whoever edits a token lays hands on its issuer's rights, as they are now.
    fn a_token_is_as_strong_as_its_issuer_is_now(app: TestApp) {
        let full = app.full_key();
        let reader = issuer_role(&app, "Reader", VIEW_CONTACTS);
        let (id, session) = person(&app, "issuer", reader);
        let profile = made(&app, &full, json!({ "name": "for all eyes", "rightsFrom": "issuer", "issuerBound": true }));
        let token = issue(&app, &session, "token", json!({ "lifecycle": { "profileID": profile } })).expect(200).json();
        let editor = app.role("Editor", &["platformRights.apikeyRights.canCreateNewApiKeys", VIEW_CONTACTS, "platformRights.apikeyRights.canEditApiKeyProperties"]);
        let editor = secret(&app.post("/api/apikeys", json!({ "keyName": "editor", "roleID": editor })).key(&full).send().expect(200).json());
        let renew = || app.call("POST", &format!("/api/apikeys/{}/secretkey", token["ID"])).key(&editor).send();
        renew().expect(200);
        app.post(&format!("/api/administrators/{id}"), json!({ "roleID": 1 })).key(&full).send().expect(200);
        assert_refusal(&renew(), (403, "beyond_caller"));
    }

    /// One's own profile may say so too, with a validity; what its keys may do is then an issuer's of that tenant alone.
    fn profiles_of_ones_own_may_say_so(app: TestApp) {
        let full = app.full_key();
        let id = made(&app, &full, json!({ "name": "mine", "rightsFrom": "issuer", "issuerBound": true, "validity": "1d", "apiTypesRequired": true }));
        let session = app.sign_in();
        let body = json!({ "keyName": "k", "lifecycle": { "profileID": id }, "constraints": { "apiTypes": ["logRetrieval"] } });
        let key = app.post("/api/apikeys", body).with(&session).send().expect(200).json();
        assert_eq!(key["roleID"], 1);
        // the issuer's rights, cut to the API type's
        assert_eq!(app.get("/api/auditevents").key(&secret(&key)).send().status, 200);
        assert_eq!(app.get("/api/contacts").key(&secret(&key)).send().refusal(), (403, "not_authorized".into()));
        assert!(Right::find_dotted(VIEW_CONTACTS).is_some());
    }
}
