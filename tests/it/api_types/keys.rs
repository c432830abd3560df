//! Keys that are for some API types: what is left to them, and what waits for an authorization.

use serde_json::{Value, json};

use super::{CREATE_CONTACTS, VIEW_CONTACTS, change, made};
use crate::app::{PASSWORD, START, Session, TestApp, secret};
use crate::both;
use crate::http::Answer;
use crate::profiles::{DAY, TREND, assert_refusal, message, mint_under, trend, uses};

const EXTERNAL: &str = "External applications";
const ACCOUNTS: &str = "threatMitigationUserAccount";

fn modify(app: &TestApp, key: &str, id: &Value, body: Value) -> Answer {
    app.post(&format!("/api/apikeys/{id}"), body).key(key).send()
}

fn with_types(types: Value) -> Value {
    json!({ "constraints": { "apiTypes": types } })
}

fn authorize(app: &TestApp, session: &Session, id: &Value, kind: &str) -> Answer {
    let body = json!({ "apiType": kind, "password": PASSWORD });
    app.post(&format!("/api/apikeys/{id}/authorizations"), body).with(session).send()
}

/// What the database says that a key is for, and since when it may be.
fn types_of(app: &TestApp, id: &Value) -> Vec<String> {
    app.texts(&format!(
        "select t.name || ' ' || coalesce(cast(k.granted as text), '-') || ' ' || coalesce(k.granted_by_name, '-') as t \
         from api_key_api_types k join api_types t on t.id = k.api_type_id where k.api_key_id = {id} order by t.id"
    ))
}

/// Whether a key may look at contacts, and whether it may make one.
fn may(app: &TestApp, key: &str) -> (bool, bool) {
    let made = app.post("/api/contacts", json!({ "name": "c" })).key(key).send().status == 200;
    (app.get("/api/contacts").key(key).send().status == 200, made)
}

both! {
    /// TC-04: at least one API type is needed, and each must be known; in any spelling, each once.
    fn a_token_needs_an_api_type(app: TestApp) {
        let key = app.full_key();
        for none in [json!([]), json!(null)] {
            let answer = mint_under(&app, &key, TREND, trend(EXTERNAL, none));
            assert_refusal(&answer, (400, "malformed"));
            assert!(message(&answer).starts_with("constraints.apiTypes"), "{}", message(&answer));
        }
        let answer = mint_under(&app, &key, TREND, trend(EXTERNAL, json!(["logRetrieval", "nothing"])));
        assert_refusal(&answer, (400, "unknown_api_type"));
        assert!(message(&answer).contains("nothing"));
        assert_eq!(answer.json()["accepted"][0], "logRetrieval");
        for bad in [json!([""]), json!(["a b"]), json!([7]), json!("logRetrieval"), json!([{}]), json!((0..51).map(|n| format!("t{n}")).collect::<Vec<_>>())] {
            assert_refusal(&mint_under(&app, &key, TREND, trend(EXTERNAL, bad)), (400, "malformed"));
        }
        let types = json!(["threatRemediation", { "name": "LogRetrieval", "authorization": "notNeeded" }, "logretrieval"]);
        let token = mint_under(&app, &key, TREND, trend(EXTERNAL, types)).expect(200).json();
        assert_eq!(types_of(&app, &token["ID"]), ["logRetrieval - -", "threatRemediation - -"]);
        assert_refusal(&modify(&app, &key, &token["ID"], with_types(json!([]))), (400, "malformed"));
        // where the profile does not ask for any, there may be some, and they may go
        let free = mint_under(&app, &key, 1, with_types(json!(["logRetrieval"]))).expect(200).json();
        let changed = modify(&app, &key, &free["ID"], with_types(json!(null))).expect(200).json();
        assert_eq!((types_of(&app, &free["ID"]).len(), changed.get("secretKey")), (0, None));
    }

    /// TC-29: a token that was ticked for everything is still no stronger than its role, and one for little has but that of
    /// it.
    fn a_key_has_what_is_in_its_role_and_its_api_types(app: TestApp) {
        let full = app.full_key();
        made(&app, &full, "read", false, &[VIEW_CONTACTS]);
        made(&app, &full, "write", false, &[CREATE_CONTACTS]);
        let reader = app.role("Reader", &[VIEW_CONTACTS]);
        let mint = |role: i64, types: Value| secret(&mint_under(&app, &full, 1, json!({ "roleID": role, "constraints": { "apiTypes": types } })).expect(200).json());
        for (role, types, allowed) in [
            (1, json!([]), (true, true)), (1, json!(["read"]), (true, false)), (1, json!(["write"]), (false, true)), (1, json!(["read", "write"]), (true, true)),
            (1, json!(["logRetrieval"]), (false, false)), (reader, json!(["read", "write"]), (true, false)), (reader, json!(["write"]), (false, false)),
        ] {
            assert_eq!(may(&app, &mint(role, types.clone())), allowed, "{role} {types}");
        }
        // a change of an API type is felt by the next call
        let key = mint(1, json!(["read"]));
        let id = app.count("select id as n from api_types where name = 'read'");
        change(&app, &full, id, json!({ "rights": [CREATE_CONTACTS] })).expect(200);
        assert_eq!(may(&app, &key), (false, true));
    }

    /// T-01, T-03: a key for some API types hands out no more than is left to it.
    fn it_hands_out_no_more_than_is_left_to_it(app: TestApp) {
        let full = app.full_key();
        let create = "platformRights.apikeyRights.canCreateNewApiKeys";
        made(&app, &full, "minting", false, &[create, VIEW_CONTACTS]);
        let minter = secret(&mint_under(&app, &full, 1, json!({ "roleID": 1, "constraints": { "apiTypes": ["minting"] } })).expect(200).json());
        let (within, beyond) = (app.role("Within", &[VIEW_CONTACTS]), app.role("Beyond", &[CREATE_CONTACTS]));
        let mint = |name: &str, role: i64| {
            let body = json!({ "keyName": name, "roleID": role, "constraints": { "apiTypes": ["minting"] } });
            app.post("/api/apikeys", body).key(&minter).send()
        };
        mint("within", within).expect(200);
        assert_refusal(&mint("beyond", beyond), (403, "beyond_caller"));
        // not even one that is for less: what a key is for can be changed later
        let body = json!({ "keyName": "less", "roleID": 1, "constraints": { "apiTypes": ["minting"] } });
        assert_refusal(&app.post("/api/apikeys", body).key(&minter).send(), (403, "beyond_caller"));
    }

    /// TC-09: another name or description leaves the secret as it is.
    fn a_new_name_keeps_the_secret(app: TestApp) {
        let key = app.full_key();
        let token = mint_under(&app, &key, TREND, trend(EXTERNAL, json!(["logRetrieval"]))).expect(200).json();
        for body in [json!({ "keyName": "another" }), json!({ "description": "d" }), with_types(json!(["logRetrieval"])), trend(EXTERNAL, json!(["LOGRetrieval"]))] {
            let changed = modify(&app, &key, &token["ID"], body).expect(200).json();
            assert_eq!((changed.get("secretKey"), changed["expiryDate"].as_i64()), (None, Some(START.millis() + 365 * DAY)));
            assert_eq!(uses(&app, &token).0, 200);
        }
    }

    /// TC-10, TC-12: other API types replace the secret, which is answered this once; the year begins anew, and a new API
    /// type may wait for an authorization.
    fn other_api_types_replace_the_secret(app: TestApp) {
        let key = app.full_key();
        let token = mint_under(&app, &key, TREND, trend(EXTERNAL, json!(["logRetrieval"]))).expect(200).json();
        app.clock.advance(DAY);
        let before = app.last_event();
        let changed = modify(&app, &key, &token["ID"], with_types(json!(["logRetrieval", ACCOUNTS]))).expect(200);
        assert!(changed.text().contains(r#","secretKey":""#) && changed.text().ends_with(&format!(r#""serviceAccount":false,"ID":{}}}"#, token["ID"])));
        let changed = changed.json();
        assert_eq!((uses(&app, &token), uses(&app, &changed).0), ((401, "invalid_api_key".into()), 200));
        assert_eq!(changed["expiryDate"].as_i64(), Some(START.millis() + 366 * DAY));
        assert_eq!(types_of(&app, &token["ID"]), ["logRetrieval - -".to_owned(), format!("{ACCOUNTS} - -")]);
        let events = app.events_after(before);
        assert!(events[0].starts_with("5011 ") && events[0].contains(r#""apiTypes":{"from":["logRetrieval"],"to":["logRetrieval","threatMitigationUserAccount"]}"#), "{events:?}");
        assert!(events[1].starts_with("5013 ") && events.len() == 2, "{events:?}");
        // a profile that does not say so keeps the secret
        let free = mint_under(&app, &key, 1, with_types(json!(["logRetrieval"]))).expect(200).json();
        let changed = modify(&app, &key, &free["ID"], with_types(json!(["threatRemediation"]))).expect(200).json();
        assert_eq!((changed.get("secretKey"), uses(&app, &free).0), (None, 200));
        // an expired one stays expired: only a refresh revives
        app.clock.advance(365 * DAY);
        let changed = modify(&app, &key, &token["ID"], with_types(json!(["logRetrieval"]))).expect(200).json();
        assert_eq!(uses(&app, &changed), (401, "api_key_expired".into()));
    }

    /// T-03: whoever ends renews no secret of a longer life this way either.
    fn an_ending_key_replaces_no_lasting_secret(app: TestApp) {
        let full = app.full_key();
        let token = mint_under(&app, &full, TREND, trend(EXTERNAL, json!(["logRetrieval"]))).expect(200).json();
        let body = json!({ "keyName": "ending", "roleID": 1, "expiryDate": START.millis() + DAY });
        let ending = secret(&app.post("/api/apikeys", body).key(&full).send().expect(200).json());
        let before = app.rows();
        assert_refusal(&modify(&app, &ending, &token["ID"], with_types(json!(["threatRemediation"]))), (403, "beyond_caller"));
        app.assert_rows(&before, "refused");
        // nor does it let a lasting one do more, where the secret stays; less it may be
        let free = mint_under(&app, &full, 1, with_types(json!(["logRetrieval", "threatRemediation"]))).expect(200).json();
        for (types, status) in [(json!([]), 403), (json!(["threatInvestigation"]), 403), (json!(["logRetrieval"]), 200)] {
            assert_eq!(modify(&app, &ending, &free["ID"], with_types(types.clone())).status, status, "{types}");
        }
    }

    /// TC-07, TC-08, TC-11: a token is made before its authorization is given; until then only what waits is refused, and
    /// says so. Giving it changes no secret, and is noted with who and when.
    fn what_waits_is_refused_until_it_is_authorized(app: TestApp) {
        let full = app.full_key();
        made(&app, &full, "read", false, &[VIEW_CONTACTS]);
        made(&app, &full, "write", true, &[CREATE_CONTACTS]);
        let key = mint_under(&app, &full, 1, json!({ "roleID": 1, "constraints": { "apiTypes": ["read", "write"] } })).expect(200).json();
        let write = || app.post("/api/contacts", json!({ "name": "c" })).key(&secret(&key)).send();
        let read = || app.get("/api/contacts").key(&secret(&key)).send().refusal();
        assert_eq!(read(), (200, String::new()));
        assert_refusal(&write(), (403, "authorization_pending"));
        assert!(message(&write()).contains("write"), "{}", message(&write()));
        // what no authorization would give is plainly not authorized
        assert_eq!(app.get("/api/roles").key(&secret(&key)).send().refusal(), (403, "not_authorized".into()));
        let session = app.sign_in();
        app.clock.advance(5_000);
        let before = app.last_event();
        let answer = authorize(&app, &session, &key["ID"], "WRITE").expect(200).json();
        let granted = START.millis() + 5_000;
        assert_eq!(answer, json!({ "apiTypes": [
            { "name": "read", "authorization": "notNeeded" },
            { "name": "write", "authorization": "granted", "granted": granted, "grantedBy": { "type": "administrator", "ID": 1, "name": "MasterAdmin" } },
        ] }));
        assert_eq!((write().status, read().0), (200, 200));
        assert_eq!(types_of(&app, &key["ID"]), ["read - -".to_owned(), format!("write {granted} MasterAdmin")]);
        let name = key["keyName"].as_str().expect("a name");
        assert_eq!(app.events_after(before)[0], format!(r#"5166 administrator/1/MasterAdmin apiKey/{}/{name} {{"apiType":"write"}}"#, key["ID"]));
        // nothing is given twice, nor what needs nobody, nor what the key is not for
        for (kind, expected) in [("write", (409, "conflict")), ("read", (409, "conflict")), (ACCOUNTS, (400, "unknown_api_type")), ("nothing", (400, "unknown_api_type")), ("a b", (400, "malformed"))] {
            assert_refusal(&authorize(&app, &session, &key["ID"], kind), expected);
        }
        // an authorization stays with its API type through other changes, and goes with it
        modify(&app, &full, &key["ID"], with_types(json!(["write"]))).expect(200);
        assert_eq!(write().status, 200);
        modify(&app, &full, &key["ID"], with_types(json!(["read"]))).expect(200);
        modify(&app, &full, &key["ID"], with_types(json!(["write"]))).expect(200);
        assert_refusal(&write(), (403, "authorization_pending"));
    }

    /// What was given is taken back: from the next call on it is refused.
    fn an_authorization_is_taken_back(app: TestApp) {
        let full = app.full_key();
        made(&app, &full, "write", true, &[CREATE_CONTACTS]);
        let key = mint_under(&app, &full, 1, json!({ "roleID": 1, "constraints": { "apiTypes": ["write"] } })).expect(200).json();
        let session = app.sign_in();
        let path = format!("/api/apikeys/{}/authorizations", key["ID"]);
        let withdraw = |name: &str| app.delete(&format!("{path}/{name}")).with(&session).send();
        assert_refusal(&withdraw("write"), (409, "conflict"));
        authorize(&app, &session, &key["ID"], "write").expect(200);
        assert_eq!(may(&app, &secret(&key)), (false, true));
        assert_refusal(&app.delete(&format!("{path}/write")).key(&full).send(), (403, "wrong_credential_kind"));
        let before = app.last_event();
        assert!(withdraw("Write").expect(204).body.is_empty());
        assert!(app.events_after(before)[0].starts_with("5167 administrator/1/MasterAdmin apiKey/"));
        assert_eq!(app.post("/api/contacts", json!({ "name": "c" })).key(&secret(&key)).send().refusal(), (403, "authorization_pending".into()));
        for name in ["logRetrieval", "nothing"] {
            assert_refusal(&withdraw(name), (404, "not_found"));
        }
        assert_refusal(&app.delete("/api/apikeys/9999/authorizations/write").with(&session).send(), (404, "not_found"));
    }

    /// It takes a person, the right, the password once more, and rights that cover the key's; wrong passwords are slowed
    /// down as at the door.
    fn an_authorization_takes_a_person_and_their_password(app: TestApp) {
        let full = app.full_key();
        let key = mint_under(&app, &full, TREND, trend(EXTERNAL, json!([ACCOUNTS]))).expect(200).json();
        let strong = mint_under(&app, &full, 1, json!({ "roleID": 1, "constraints": { "apiTypes": [ACCOUNTS] } })).expect(200).json();
        let path = format!("/api/apikeys/{}/authorizations", key["ID"]);
        let body = |password: &str| json!({ "apiType": ACCOUNTS, "password": password });
        assert_refusal(&app.post(&path, body(PASSWORD)).key(&full).send(), (403, "wrong_credential_kind"));
        let edit = "platformRights.apikeyRights.canEditApiKeyProperties";
        let view = ["canViewNotRelatedToComputers", "canViewOtherComputers"].map(|right| format!("platformRights.computerRights.{right}"));
        let role = app.role("Editor", &[edit, &view[0], &view[1], "platformRights.policyRights.canViewOtherPolicies"]);
        for (name, role) in [("editor", role), ("auditor", 2)] {
            app.administrator(name, PASSWORD, role, 0);
        }
        let session = |name: &str| Session::from(&app.try_sign_in(name, PASSWORD).expect(200));
        let (editor, auditor) = (session("editor"), session("auditor"));
        assert_refusal(&authorize(&app, &auditor, &key["ID"], ACCOUNTS), (403, "not_authorized"));
        let before = app.rows_of("api_key_api_types");
        assert_refusal(&authorize(&app, &editor, &strong["ID"], ACCOUNTS), (403, "beyond_caller"));
        for wrong in [json!({ "apiType": ACCOUNTS }), json!({ "password": PASSWORD }), json!({ "apiType": 7, "password": PASSWORD }), json!({ "apiType": ACCOUNTS, "password": [PASSWORD] })] {
            let answer = app.post(&path, wrong).with(&editor).send();
            assert_refusal(&answer, (400, "malformed"));
            assert!(!answer.text().contains(PASSWORD));
        }
        let statuses: Vec<u16> = (0..7).map(|_| app.post(&path, body("wrong")).with(&editor).send().status).collect();
        assert_eq!((statuses[0], *statuses.last().expect("seven")), (401, 429), "{statuses:?}");
        assert_eq!(app.rows_of("api_key_api_types"), before);
        app.clock.advance(900_000);
        authorize(&app, &editor, &key["ID"], ACCOUNTS).expect(200);
    }

    /// MC-22: what manages includes what reads, where the API types are made so.
    fn scopes_of_a_successor_are_api_types(app: TestApp) {
        let full = app.full_key();
        made(&app, &full, "Investigation.read", false, &[VIEW_CONTACTS]);
        made(&app, &full, "Investigation.manage", false, &[VIEW_CONTACTS, CREATE_CONTACTS]);
        for (scope, allowed) in [("Investigation.read", (true, false)), ("Investigation.manage", (true, true))] {
            let key = mint_under(&app, &full, 1, json!({ "roleID": 1, "constraints": { "apiTypes": [scope] } })).expect(200).json();
            assert_eq!(may(&app, &secret(&key)), allowed, "{scope}");
        }
    }

    /// TC-13, TC-20: every request is checked; a deleted token's next one fails.
    fn a_deleted_tokens_next_request_fails(app: TestApp) {
        let key = app.full_key();
        let token = mint_under(&app, &key, TREND, trend(EXTERNAL, json!(["logRetrieval"]))).expect(200).json();
        assert_eq!(uses(&app, &token).0, 200);
        app.delete(&format!("/api/apikeys/{}", token["ID"])).key(&key).send().expect(204);
        assert_eq!(uses(&app, &token), (401, "invalid_api_key".into()));
        assert_eq!(app.count("select count(*) as n from api_key_api_types"), 0);
    }

    /// T-16: a key whose authorization is taken back while its call is under way does nothing.
    fn what_was_taken_back_meanwhile_does_nothing(app: TestApp) {
        let full = app.full_key();
        made(&app, &full, "write", true, &[CREATE_CONTACTS]);
        let key = mint_under(&app, &full, 1, json!({ "roleID": 1, "constraints": { "apiTypes": ["write"] } })).expect(200).json();
        authorize(&app, &app.sign_in(), &key["ID"], "write").expect(200);
        let body = r#"{"name":"made too late"}"#;
        let length = body.len();
        let head = format!("POST /api/contacts HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}");
        let mut connection = app.begin_call(&format!("api-secret-key: {}", secret(&key)), &head);
        app.delete(&format!("/api/apikeys/{}/authorizations/write", key["ID"])).with(&app.sign_in()).send().expect(204);
        connection.write_raw(body.as_bytes()).expect("it is taken");
        assert_eq!(connection.read(false).expect("an answer").refusal(), (403, "not_authorized".to_owned()));
        assert_eq!(app.count("select count(*) as n from contacts"), 0);
    }
}
