//! Pages of the documentation that are written from the code, held equal to it.

use std::collections::BTreeSet;

use firstkey::error::{Reason, catalogue};
use firstkey::{config::RateLimit, settings};
use serde_json::json;

use crate::app::{ADMIN, Backend, PASSWORD, START, Session, TestApp, secret};
use crate::both;
use crate::http::Answer;

/// `UPDATE_DOCS=1` writes it anew.
#[test]
fn the_page_of_error_codes_is_the_codes_catalogue() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/errors.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, catalogue()).expect("the page can be written");
    }
    let page = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(page, catalogue(), "run the tests once with UPDATE_DOCS=1");
}

/// `UPDATE_DOCS=1` writes it anew.
#[test]
fn the_page_of_settings_is_their_catalogue() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/settings.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, settings::page()).expect("the page can be written");
    }
    let page = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(page, settings::page(), "run the tests once with UPDATE_DOCS=1");
}

/// The codes of verifications, in their order, with what a gateway is told.
#[test]
fn the_page_of_verification_has_every_code() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/verification.md");
    let page = std::fs::read_to_string(path).unwrap_or_default();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>())
        .filter(|cells| cells.len() == 5 && cells[1].starts_with('`') && cells[2].parse::<u16>().is_ok())
        .collect();
    let shown: Vec<(&str, &str)> = rows.iter().map(|cells| (cells[1].trim_matches('`'), cells[3])).collect();
    assert_eq!(shown, firstkey::verify::rules::CODES);
}

/// A session of a person of this server's first tenant.
fn session_of(app: &TestApp, name: &str, role: i64) -> (i64, Session) {
    let id = app.administrator(name, PASSWORD, role, 0);
    (id, Session::from(&app.try_sign_in(name, PASSWORD).expect(200)))
}

both! {
    /// Every code of the catalogue is answered by some call, with the catalogue's status.
    fn every_code_can_be_had(app: TestApp, |setup| {
        setup.rules.body_deadline = std::time::Duration::from_millis(200);
        setup.rules.legacy_login = true;
        setup.rules.search_deadline = std::time::Duration::ZERO;
        setup.rate_limit = RateLimit { user: 60, ..RateLimit::OFF };
    }) {
        let key = app.full_key();
        let session = app.sign_in();
        let list = || app.get("/api/apikeys");
        let create = |body| app.post("/api/apikeys", body).key(&key).send();
        let mint = |name: &str, role: i64| create(json!({ "keyName": name, "roleID": role })).expect(200).json();
        let changed = |name: &str, role: i64, change: &str| {
            let made = mint(name, role);
            app.execute(&format!("update api_keys set {change} where id = {}", made["ID"]));
            list().key(&secret(&made)).send()
        };
        let shut_out = app.role("Console only", &[]);
        let shut_out_key = secret(&mint("shut out", shut_out));
        app.execute(&format!("update roles set allow_web_service = false where id = {shut_out}"));
        let spoilt = app.role("Spoilt", &[]);
        let spoilt_key = secret(&mint("spoilt", spoilt));
        app.execute(&format!("update roles set computer_ids = 'no list' where id = {spoilt}"));
        let minter = app.role("Minter", &["platformRights.apikeyRights.canCreateNewApiKeys"]);
        let minter_key = secret(&mint("minter", minter));
        let claimed = |name: &str, change: &str, times: usize| {
            let claim = app.post("/api/claims", json!({ "keyName": name, "roleID": minter })).key(&minter_key).send().expect(200).json();
            app.execute(&format!("update claims set {change} where id = {}", claim["ID"]));
            let redeem = || app.post("/api/claims/redeem", json!({ "code": claim["code"] })).send();
            for _ in 1..times {
                redeem();
            }
            redeem()
        };
        let (starter, starting) = session_of(&app, "starter", 1);
        app.execute(&format!("update sessions set initial_password = true where administrator_id = {starter}"));
        let (changer, changing) = session_of(&app, "changer", 1);
        let guarded = app.administrator("guarded", PASSWORD, 1, 0);
        let seed = app.app.keyring.seal(
            firstkey::id::TenantID::PRIMARY,
            firstkey::id::AdministratorID::new(guarded),
            &firstkey::secret::TotpSeed::generate().expect("random"),
        ).expect("sealed");
        app.app.database.write_here(move |db| {
            use diesel::prelude::*;
            use firstkey::db::schema::administrators::dsl;
            diesel::update(dsl::administrators.find(guarded))
                .set((dsl::totp_seed.eq(Some(seed)), dsl::mfa_type.eq("local-totp")))
                .execute(db)?;
            Ok(())
        }).expect("written");
        let stalled = || {
            let mut connection = app.connect();
            let head = format!("POST /api/apikeys HTTP/1.1\r\nHost: x\r\napi-secret-key: {key}\r\nContent-Length: 9\r\n\r\n{{");
            connection.write_raw(head.as_bytes()).expect("it is taken");
            connection.read(false).expect("an answer")
        };
        let throttled = || (0..8).map(|_| app.try_sign_in("nobody", "wrong")).last().expect("eight");
        let mut weak = app.post(&format!("/api/administrators/{changer}/password"), json!({ "currentPassword": PASSWORD, "newPassword": "short" })).with(&changing);
        weak.request.method = "POST".into();

        let legacy = json!({ "dsCredentials": { "userName": "changer", "password": PASSWORD } });
        let legacy = format!("sID={}", app.post("/rest/authentication/login", legacy).send().expect(200).text());
        // settings that refuse for a moment, and are taken back before the next call
        let set = |name: &str, value: &str| {
            let path = format!("/api/systemsettings/platformSetting{name}");
            app.post(&path, json!({ "value": value })).key(&key).send()
        };
        let while_set = |name: &str, value: &str, call: &dyn Fn() -> Answer| {
            set(name, value).expect(200);
            let answer = call();
            app.delete(&format!("/api/systemsettings/platformSetting{name}")).key(&key).send().expect(200);
            answer
        };
        let (aged, aged_session) = session_of(&app, "aged", 1);
        app.execute(&format!("update administrators set last_password_change = 0 where id = {aged}"));
        let one_too_many = || {
            session_of(&app, "busy", 1);
            let most = || while_set("ActiveSessionsMax", "1", &|| app.try_sign_in("busy", PASSWORD));
            while_set("ActiveSessionsMaxExceededAction", "Block new sessions", &most)
        };
        let busy_key = secret(&mint("busy", 1));
        let too_many = || (0..61).map(|_| app.get("/api/apikeys/current").key(&busy_key).send()).last().expect("calls");

        let answers: Vec<(&str, Answer)> = vec![
            ("bad_request", app.post("/api/tenants?asynchronous=x", json!({})).key(&key).send()),
            ("browser_refused", list().header("Cookie", &legacy).header("Origin", "https://evil.example").send()),
            ("malformed", app.call("POST", "/api/apikeys").body(r#"{ "keyName": "First Key", "roleID: 1 }"#).key(&key).send()),
            ("unknown_api_version", list().key(&key).header("api-version", "v2").send()),
            ("ambiguous_credentials", list().key(&key).with(&session).send()),
            ("unknown_role", create(json!({ "keyName": "k", "roleID": 99 }))),
            ("unknown_profile", create(json!({ "keyName": "k", "roleID": 2, "lifecycle": { "profileID": 99 } }))),
            ("unknown_api_type", create(json!({ "keyName": "k", "roleID": 2, "constraints": { "apiTypes": ["none"] } }))),
            ("unknown_target", create(json!({ "keyName": "k", "roleID": 2, "lifecycle": { "profileID": 2 } }))),
            ("key_limit_reached", {
                let apex = |name: &str| create(json!({ "keyName": name, "roleID": 2, "lifecycle": { "profileID": 2 },
                    "constraints": { "target": "Apex One as a Service", "apiTypes": ["logRetrieval"] } }));
                apex("apex").expect(200);
                apex("another apex")
            }),
            ("authorization_pending", {
                let body = json!({ "keyName": "waits", "roleID": 1, "constraints": { "apiTypes": ["threatMitigationUserAccount"] } });
                let waits = secret(&create(body).expect(200).json());
                app.post("/api/administrators/1", json!({})).key(&waits).send()
            }),
            ("unknown_time_zone", create(json!({ "keyName": "k", "roleID": 2, "timeZone": "Nowhere" }))),
            ("unknown_locale", create(json!({ "keyName": "k", "roleID": 2, "locale": "de-DE" }))),
            ("expiry_out_of_range", create(json!({ "keyName": "k", "roleID": 2, "expiryDate": 1 }))),
            ("bad_search", app.post("/api/roles/search", json!({ "maxItems": 0 })).key(&key).send()),
            ("weak_password", weak.send()),
            ("bad_setting", set("ActiveSessionsMax", "many")),
            ("terms_not_accepted", while_set("UserEnforceTermsAndConditionsEnabled", "true", &|| app.try_sign_in("changer", PASSWORD))),
            ("password_expired", while_set("UserPasswordExpiry", "30", &|| list().with(&aged_session).send())),
            ("mfa_required", while_set("UserMFARequiredEnabled", "true", &|| list().with(&session).send())),
            ("too_many_sessions", one_too_many()),
            ("too_many_requests", too_many()),
            ("not_signed_in", list().send()),
            ("sign_in_failed", app.try_sign_in(ADMIN, "wrong")),
            ("mfa_code_needed", app.try_sign_in("guarded", PASSWORD)),
            ("session_ended", list().header("Cookie", "sID=00000000000000000000000000000000").send()),
            ("invalid_api_key", list().key("nonsense").send()),
            ("api_key_expired", changed("expired", 1, &format!("expiry_date = {}", START.millis()))),
            ("api_key_locked", changed("locked", 1, "active = false")),
            ("api_key_not_yet_valid", changed("early", 1, &format!("not_before = {}", START.millis() + 1))),
            ("issuer_disabled", changed("orphan", 1, "profile_id = 3, made_by_key_id = 2147483647")),
            ("address_refused", changed("elsewhere", 1, r#"networks = '{"allow":["10.0.0.0/8"]}'"#)),
            ("outside_window", changed("weekdays", 1, r#"windows = '[{"days":[0,1,2,3,4],"from":0,"to":1440}]'"#)),
            ("usage_exceeded", changed("used up", 1, "remaining_uses = 0")),
            ("rate_limited", {
                let quick = mint("quick", 1);
                app.execute("update api_keys set calls_per_minute = 1 where key_name = 'quick'");
                (0..2).map(|_| app.get("/api/apikeys/current").key(&secret(&quick)).send()).last().expect("two")
            }),
            ("wrong_request_id", list().header("Cookie", &format!("sID={}", session.sid)).send()),
            ("access_not_allowed", list().key(&shut_out_key).send()),
            ("initial_password", list().with(&starting).send()),
            ("not_authorized", list().key(&minter_key).send()),
            ("wrong_credential_kind", app.get("/api/sessions").key(&key).send()),
            ("one_shot_session", {
                let body = json!({ "userName": "other", "password": PASSWORD, "oneShot": true });
                app.administrator("other", PASSWORD, 1, 0);
                let session = Session::from(&app.post("/api/sessions", body).send().expect(200));
                list().with(&session).send()
            }),
            ("invalid_claim_code", app.post("/api/claims/redeem", json!({ "code": "nonsense" })).send()),
            ("claim_expired", claimed("late", &format!("expires = {}", START.millis()), 1)),
            ("claim_used", claimed("twice", "reused = reused", 2)),
            ("claim_address_refused", claimed("far", r#"networks = '["10.0.0.0/8"]'"#, 1)),
            ("claim_maker_refused", claimed("nobody's", "made_by_key_id = 2147483647", 1)),
            ("beyond_caller", app.post("/api/apikeys", json!({ "keyName": "k", "roleID": 1 })).key(&minter_key).send()),
            ("no_such_route", app.get("/api/nothing").send()),
            ("not_found", app.get("/api/apikeys/2147483647").key(&key).send()),
            ("method_not_allowed", app.call("PUT", "/api/apikeys").key(&key).send()),
            ("body_timeout", stalled()),
            ("name_taken", create(json!({ "keyName": "FULL", "roleID": 2 }))),
            ("conflict", app.post(&format!("/api/administrators/{changer}/totp/confirm"), json!({ "mfaCode": "000000" })).with(&changing).send()),
            ("confirmation_needed", app.post("/api/apikeys/bulk/revoke", json!({ "searchCriteria": [] })).key(&key).send()),
            ("import_refused", app.post("/api/apikeys/import", json!({ "apiKeys": [{ "keyName": "full", "roleID": 2 }] })).key(&key).send()),
            ("key_has_expired", {
                changed("over", 2, "expiry_date = 1");
                app.call("PUT", "/api/apikeys/by-name/over").json(json!({ "roleID": 2 })).key(&key).send()
            }),
            ("set_changed", {
                let again = crate::jobs::confirmed(&app, &key, "lock", json!({ "searchCriteria": { "fieldName": "keyName", "stringValue": "one more" } }));
                mint("one more", 2);
                again.send()
            }),
            ("body_too_large", app.call("POST", "/api/apikeys").body(" ".repeat(70_000)).key(&key).send()),
            ("not_json", app.call("POST", "/api/apikeys").header("Content-Type", "text/plain").key(&key).send()),
            ("sign_in_throttled", throttled()),
            ("search_too_broad", {
                crate::api_keys::substrings::fill(&app, 0, 100_000, 4_500);
                let criterion = json!({ "fieldName": "keyName", "stringValue": "%zx%" });
                app.post("/api/apikeys/search", json!({ "searchCriteria": criterion })).key(&key).send()
            }),
            ("no_more_ids", {
                app.execute(match app.backend {
                    Backend::Sqlite => "update sqlite_sequence set seq = 2147483647 where name = 'api_keys'",
                    Backend::Postgres => "select setval(pg_get_serial_sequence('api_keys', 'id'), 2147483647)",
                });
                create(json!({ "keyName": "one too many", "roleID": 2 }))
            }),
            ("internal", list().key(&spoilt_key).send()),
            ("unavailable", { app.app.drain(); app.get("/readyz").send() }),
        ];
        let statuses: std::collections::BTreeMap<&str, u16> = Reason::ALL.iter().map(|reason| (reason.code(), reason.status())).collect();
        for (code, answer) in &answers {
            assert_eq!(answer.refusal(), (statuses[code], (*code).to_owned()), "{}", answer.text());
        }
        for (code, wait) in [("sign_in_throttled", true), ("too_many_requests", true), ("rate_limited", true), ("unavailable", true), ("malformed", false)] {
            let answer = answers.iter().find(|(known, _)| *known == code).map(|(_, answer)| answer).expect("it is in the table");
            assert_eq!(answer.header("retry-after").is_some(), wait, "{code}");
        }
        let had: BTreeSet<&str> = answers.iter().map(|(code, _)| *code).collect();
        let all: BTreeSet<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
        assert_eq!(had, all, "every code has its call");
        // a fault tells nobody what went wrong inside
        let fault = &answers.iter().find(|(code, _)| *code == "internal").expect("it is in the table").1;
        assert!(!fault.text().contains("computer_ids") && !fault.text().contains("expected"), "{}", fault.text());
    }
}
