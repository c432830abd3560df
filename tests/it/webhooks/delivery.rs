use std::sync::Arc;
use std::time::{Duration, Instant};

use firstkey::clock::{Clock, DAY, HOUR, MINUTE};
use serde_json::{Value, json};

use super::{ALL, create, hook, with_hooks};
use crate::app::{ADMIN, PASSWORD, Session, Setup, TestApp};
use crate::both;
use crate::notices::{deliver, ending, tell};
use crate::receivers::Hooks;

both! {
    /// Each thing that happens is told to each webhook that wants it, signed, in one shape.
    fn what_happens_is_told_and_signed(app: TestApp, with_hooks) {
        let full = app.full_key();
        let (hooks, others) = (Hooks::start(), Hooks::start());
        let printed = secret_of(&hook(&app, &full, &hooks, &ALL));
        hook(&app, &full, &others, &["apikey.locked"]);
        let expect = |what: &str, target: Value| -> Value {
            assert_eq!(deliver(&app), 1 + others.take().len(), "{what}");
            let calls = hooks.take();
            assert_eq!(calls.len(), 1, "{what}: {calls:?}");
            let call = &calls[0];
            call.verify(&printed);
            assert_eq!((call.path.as_str(), call.header("content-type")), ("/hook", "application/json"));
            assert!(call.header("user-agent").starts_with("Firstkey/") && call.header("webhook-id").starts_with("msg_"));
            assert_eq!(call.header("webhook-timestamp"), app.clock.now().unix_seconds().to_string());
            let message = call.json();
            assert_eq!(message["type"], what);
            let kind = target["kind"].as_str().expect("a kind");
            assert_eq!(message["data"][kind], json!({ "ID": target["ID"], "name": target["name"] }), "{message}");
            message
        };
        let key = ending(&app, &full, "told", 11 * DAY);
        let target = json!({ "kind": "apiKey", "ID": key["ID"], "name": "told" });
        let message = expect("apikey.created", target.clone());
        assert_eq!(message["timestamp"], app.clock.now().to_string());
        assert_eq!(message["data"]["actor"], json!({ "type": "apiKey", "ID": 1, "name": "full" }));
        assert_eq!(message["data"]["details"]["role"], "Auditor");
        let path = format!("/api/apikeys/{}", key["ID"]);
        app.call("POST", &format!("{path}/secretkey")).key(&full).send().expect(200);
        expect("apikey.rotated", target.clone());
        app.post(&path, json!({ "active": false })).key(&full).send().expect(200);
        expect("apikey.locked", target.clone());
        app.post(&path, json!({ "active": true, "description": "d" })).key(&full).send().expect(200);
        assert_eq!(deliver(&app), 0, "nobody asked for that");
        tell(&app);
        app.clock.advance(DAY);
        tell(&app);
        let told = hooks.take();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].json(), json!({ "type": "apikey.expiring", "timestamp": app.clock.now().to_string(),
            "data": { "apiKey": { "ID": key["ID"], "name": "told" }, "details": { "expiryDate": key["expiryDate"] } } }));
        app.clock.advance(10 * DAY);
        tell(&app);
        assert_eq!(hooks.take_types(), ["apikey.expired"]);
        tell(&app);
        app.delete(&path).key(&full).send().expect(204);
        expect("apikey.revoked", target);
        let person = app.administrator("eve", PASSWORD, 2, 0);
        app.post(&format!("/api/administrators/{person}"), json!({ "active": false })).key(&full).send().expect(200);
        expect("administrator.locked", json!({ "kind": "administrator", "ID": person, "name": "eve" }));
        for _ in 0..7 {
            app.try_sign_in(ADMIN, "wrong");
        }
        expect("signin.throttled", json!({ "kind": "administrator", "ID": 1, "name": ADMIN }));
        // the next handful within the hour is no news, nor are made-up names one by one
        app.clock.advance(20 * MINUTE);
        app.sign_in();
        for name in [ADMIN, "nobody", "nobody else"] {
            for _ in 0..5 {
                app.try_sign_in(name, "wrong");
            }
        }
        assert!(deliver(&app) <= 2);
    }

    /// What was not done tells nothing, and what another tenant does is told to its own webhooks.
    fn nothing_is_told_of_what_did_not_happen_or_is_anothers(app: TestApp, with_hooks) {
        let full = app.full_key();
        let hooks = Hooks::start();
        hook(&app, &full, &hooks, &ALL);
        app.post("/api/apikeys", json!({ "keyName": "FULL", "roleID": 2 })).key(&full).send().expect(409);
        app.post("/api/apikeys", json!({ "keyName": "x", "roleID": 99 })).key(&full).send().expect(400);
        assert_eq!(deliver(&app), 0);
        let tenant = app.tenant("Blue");
        app.administrator("blue", PASSWORD, 1, tenant);
        let body = json!({ "userName": "blue", "password": PASSWORD, "tenantName": "Blue" });
        let session = Session::from(&app.post("/api/sessions", body).send().expect(200));
        app.post("/api/apikeys", json!({ "keyName": "theirs", "roleID": 1 })).with(&session).send().expect(200);
        assert_eq!(deliver(&app), 0);
        let theirs = Hooks::start();
        let body = json!({ "name": "theirs", "url": theirs.url(), "events": ["apikey.created"] });
        app.post("/api/webhooks", body).with(&session).send().expect(200);
        // made by the primary tenant, it is news in both; theirs does not say who it was
        app.post(&format!("/api/tenants/{tenant}/apikeys"), json!({ "keyName": "from above" })).key(&full).send().expect(200);
        assert_eq!(deliver(&app), 2);
        assert_eq!(theirs.take()[0].json()["data"]["actor"], json!({ "type": "tenant", "ID": 0, "name": "Primary" }));
        assert_eq!(hooks.take()[0].json()["data"]["actor"]["name"], "full");
    }

    /// A receiver that does not answer 2xx is called again with the same ID, later and later; others do not wait for it.
    fn a_call_that_fails_is_made_again(app: TestApp, with_hooks) {
        let full = app.full_key();
        let (hooks, others) = (Hooks::start(), Hooks::start());
        let printed = secret_of(&hook(&app, &full, &hooks, &["apikey.created"]));
        hook(&app, &full, &others, &["apikey.created"]);
        hooks.answer_with("503 Service Unavailable");
        for n in 0..10 {
            app.post("/api/apikeys", json!({ "keyName": format!("k{n}"), "roleID": 2 })).key(&full).send().expect(200);
        }
        assert_eq!(deliver(&app), 10);
        assert_eq!(others.take().len(), 10);
        let first = hooks.take();
        assert!(first.len() <= 4, "the rest waits without being tried: {}", first.len());
        app.clock.advance(HOUR);
        hooks.answer_with("200 OK");
        let mut again = Vec::new();
        for _ in 0..4 {
            deliver(&app);
            again.extend(hooks.take());
            app.clock.advance(HOUR);
        }
        assert_eq!(again.len(), 10);
        let ids: std::collections::BTreeSet<&str> = again.iter().map(|call| call.header("webhook-id")).collect();
        assert_eq!(ids.len(), 10);
        for call in &first {
            let second = again.iter().find(|again| again.header("webhook-id") == call.header("webhook-id")).expect("it came again");
            assert_eq!(second.body, call.body);
            assert_ne!(second.header("webhook-timestamp"), call.header("webhook-timestamp"));
            second.verify(&printed);
        }
    }

    /// A receiver that answers 410 is called no more, with an event; what waited for it is dropped, and switching it on
    /// begins anew.
    fn a_receiver_that_is_gone_is_switched_off(app: TestApp, with_hooks) {
        let full = app.full_key();
        let hooks = Hooks::start();
        let made = hook(&app, &full, &hooks, &["apikey.created"]);
        hooks.answer_with("410 Gone");
        let before = app.last_event();
        ending(&app, &full, "one", DAY);
        assert_eq!(deliver(&app), 0);
        let path = format!("/api/webhooks/{}", made["ID"]);
        assert_eq!(app.get(&path).key(&full).send().expect(200).json()["active"], false);
        let events = app.events_after(before);
        assert_eq!(events[1], format!("5105 system/-/webhooks webhook/{}/{} {{\"status\":410}}", made["ID"], made["name"].as_str().expect("a name")));
        hooks.take();
        hooks.answer_with("200 OK");
        ending(&app, &full, "two", DAY);
        app.clock.advance(HOUR);
        assert_eq!(deliver(&app), 0);
        // a test is called even so: it shows whether anybody is there
        app.call("POST", &format!("{path}/test")).key(&full).send().expect(204);
        assert_eq!(deliver(&app), 1);
        let test = hooks.take();
        assert_eq!((test.len(), test[0].json()["type"].clone(), test[0].json()["data"].clone()), (1, json!("webhook.test"), json!({ "webhook": { "ID": made["ID"], "name": made["name"] } })));
        app.post(&path, json!({ "active": true })).key(&full).send().expect(200);
        ending(&app, &full, "three", DAY);
        assert_eq!(deliver(&app), 1);
    }

    /// A webhook shows when a call arrived last, and when and why one failed last; bodies that say so of themselves are
    /// ignored.
    fn a_webhook_shows_how_its_calls_fare(app: TestApp, with_hooks) {
        let full = app.full_key();
        let hooks = Hooks::start();
        let id = hook(&app, &full, &hooks, &["apikey.created"])["ID"].clone();
        let path = format!("/api/webhooks/{id}");
        let fares = || {
            let shown = app.get(&path).key(&full).send().expect(200).json();
            let listed = app.get("/api/webhooks").key(&full).send().expect(200).json();
            assert_eq!(listed["webhooks"], json!([shown]));
            (shown["lastDelivered"].clone(), shown["lastFailure"].clone())
        };
        let at = |moment: i64| json!(moment);
        assert_eq!(fares(), (json!(null), json!(null)));
        let first = app.clock.now().millis();
        ending(&app, &full, "one", DAY);
        assert_eq!(deliver(&app), 1);
        assert_eq!(fares(), (at(first), json!(null)));
        app.clock.advance(HOUR);
        hooks.answer_with("500 Internal Server Error");
        ending(&app, &full, "two", DAY);
        assert_eq!(deliver(&app), 0);
        let failure = json!({ "time": first + HOUR, "message": "answered 500" });
        assert_eq!(fares(), (at(first), failure.clone()));
        let body = json!({ "description": "d", "lastDelivered": 1, "lastFailure": null });
        app.post(&path, body).key(&full).send().expect(200);
        assert_eq!(fares(), (at(first), failure.clone()));
        app.clock.advance(HOUR);
        hooks.answer_with("200 OK");
        assert_eq!(deliver(&app), 1);
        assert_eq!(fares(), (at(first + 2 * HOUR), failure));
        hooks.answer_with("410 Gone");
        ending(&app, &full, "three", DAY);
        assert_eq!(deliver(&app), 0);
        assert_eq!(fares().1, json!({ "time": first + 2 * HOUR, "message": "the receiver answered 410: gone" }));
    }

    /// The answer's body is not read, however long; redirects are not followed.
    fn neither_bodies_nor_redirects_are_followed(app: TestApp, with_hooks) {
        let full = app.full_key();
        let (hooks, elsewhere) = (Hooks::start(), Hooks::start());
        hook(&app, &full, &hooks, &["apikey.created"]);
        for status in ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
            hooks.answer_with(&format!("{status}\r\nLocation: {}", elsewhere.url()));
            ending(&app, &full, status, DAY);
            assert_eq!(deliver(&app), 0);
            app.clock.advance(HOUR);
        }
        assert_eq!((elsewhere.take().len(), hooks.take().len() >= 4), (0, true));
        assert!(app.texts("select last_error as t from notices").iter().all(|why| why.contains("redirects are not followed")));
        app.execute("delete from notices");
        hooks.answer_with("endless");
        ending(&app, &full, "endless", DAY);
        let begun = Instant::now();
        assert_eq!(deliver(&app), 1);
        assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    }

    /// After the loss of the master key a webhook waits for a new secret, and what it was to be told waits with it.
    fn a_lost_master_key_holds_messages_back(app: TestApp, with_hooks) {
        let full = app.full_key();
        let hooks = Hooks::start();
        let id = hook(&app, &full, &hooks, &["apikey.created"])["ID"].clone();
        ending(&app, &full, "told", DAY);
        app.execute(match app.backend {
            crate::app::Backend::Sqlite => "update webhooks set secret = zeroblob(60)",
            crate::app::Backend::Postgres => "update webhooks set secret = decode(repeat('00', 60), 'hex')",
        });
        assert_eq!(deliver(&app), 0);
        let printed = secret_of(&app.call("POST", &format!("/api/webhooks/{id}/secret")).key(&full).send().expect(200).json());
        app.clock.advance(MINUTE);
        assert_eq!(deliver(&app), 1);
        hooks.take()[0].verify(&printed);
    }
}

fn secret_of(made: &Value) -> String {
    made["secret"].as_str().expect("a secret").to_owned()
}

/// A receiver's certificate must be of an authority that is trusted: one that the operator names, in place of all others.
#[test]
fn a_receivers_certificate_is_checked() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = firstkey::tls::ensure_self_signed(folder.path(), &[], Clock::System.now()).expect("a certificate");
    let store = firstkey::tls::CertificateStore::load(&own.certificate, &own.key).expect("it was just made");
    let mut server = firstkey::tls::server_config(store);
    server.alpn_protocols.clear();
    let hooks = Hooks::with_tls(Arc::new(server));
    for (authority, arrives) in [(Some(own.certificate.clone()), 1), (None, 0)] {
        let mut setup = Setup::new(crate::app::Backend::Sqlite);
        setup.with_hooks();
        setup.webhooks.allow_http = false;
        setup.outgoing_ca_file = authority;
        let app = setup.start();
        let full = app.full_key();
        let url = format!("https://localhost:{}/hook", hooks.address.port());
        let body = json!({ "name": "tls", "url": url, "events": ["apikey.created"] });
        // localhost is ::1 too on some machines, which the fence would keep out
        let answer = create(&app, &full, body);
        if answer.status == 400 && answer.text().contains("may not reach") {
            let url = format!("https://127.0.0.1:{}/hook", hooks.address.port());
            create(&app, &full, json!({ "name": "tls", "url": url, "events": ["apikey.created"] })).expect(200);
        } else {
            answer.expect(200);
        }
        ending(&app, &full, "told", DAY);
        assert_eq!(deliver(&app), arrives);
        assert_eq!(hooks.take().len(), arrives);
        if arrives == 0 {
            let why = app.texts("select last_error as t from notices").concat();
            assert!(why.contains("TLS"), "{why}");
        }
    }
}
