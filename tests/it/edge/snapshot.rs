//! `GET /api/snapshot` itself.

use firstkey::snapshot::read::Snapshot;
use serde_json::{Value, json};

use super::{RIGHTS, primary, public_key, read, reader};
use crate::app::{Backend, PASSWORD, Session, Setup, TestApp, postgres_url, secret};
use crate::both;
use crate::rights_matrix::Scene;

fn lines(text: &[u8]) -> Vec<Value> {
    let text = String::from_utf8(text.to_vec()).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// The names of the keys in a snapshot.
fn names(text: &[u8]) -> Vec<String> {
    let of = |line: &Value| Some(line["key"]["name"].as_str()?.to_owned());
    lines(text).iter().filter_map(of).collect()
}

both! {
    /// Both rights are needed, by a key or by a session; whoever lacks one is told which.
    fn both_rights_are_needed(app: TestApp) {
        let before = app.count("select count(*) as n from audit_events where number = 5200");
        for (number, right) in RIGHTS.iter().enumerate() {
            let role = app.role(&format!("half {number}"), &[right]);
            let key = secret(&app.mint(&format!("half {number}"), role));
            assert_eq!(app.get("/api/snapshot").key(&key).send().refusal(), (403, "not_authorized".into()), "{right} alone");
        }
        assert_eq!(app.get("/api/snapshot").key(&app.auditor_key()).send().refusal(), (403, "not_authorized".into()));
        assert_eq!(app.get("/api/snapshot").send().refusal(), (401, "not_signed_in".into()));
        assert_eq!(app.count("select count(*) as n from audit_events where number = 5200"), before);
        app.get("/api/snapshot").key(&reader(&app)).send().expect(200);
        app.get("/api/snapshot").with(&app.sign_in()).send().expect(200);
        assert_eq!(app.count("select count(*) as n from audit_events where number = 5200"), before + 2);
    }

    /// What it says of itself, of keys and of those that were revoked; and what it does not say.
    fn it_holds_what_verification_needs_and_no_secret(app: TestApp) {
        let (full, edges) = (app.full_key(), reader(&app));
        let more = json!({ "timeZone": "Asia/Tokyo", "description": "nobody's business", "expiryDate": app.clock.now().millis() + 60_000, "active": false,
            "constraints": { "networks": { "allow": ["10.0.0.0/8"] }, "remainingUses": 3, "callsPerMinute": 7, "windows": [{ "days": ["mon"], "from": "08:00", "to": "17:00" }] } });
        let mut body = json!({ "keyName": "bounded", "roleID": 2 });
        body.as_object_mut().expect("members").extend(more.as_object().expect("members").clone());
        let bounded = app.post("/api/apikeys", body).key(&full).send().expect(200).json();
        let gone = app.post("/api/apikeys", json!({ "keyName": "gone", "roleID": 2 })).key(&full).send().expect(200).json();
        app.delete(&format!("/api/apikeys/{}", gone["ID"])).key(&full).send().expect(204);
        let answer = app.get("/api/snapshot").key(&edges).send().expect(200);
        assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
        let found = lines(&answer.body);
        let head = &found[0]["snapshot"];
        assert_eq!((head["version"].as_i64(), head["made"].as_i64()), (Some(1), Some(app.clock.now().millis())));
        assert_eq!(head["notAfter"], app.clock.now().millis() + 3_600_000);
        assert_eq!(answer.header("etag"), Some(&*format!("W/\"{}\"", head["state"].as_str().expect("a text"))));
        assert_eq!(head["tenant"], json!({ "id": 0, "guid": primary(&app), "name": "Primary", "active": true, "label": "primary" }));
        assert_eq!(head["publicKey"], public_key(&app, &primary(&app)).to_string());
        let key = found.iter().map(|line| &line["key"]).find(|key| key["name"] == "bounded").expect("it is there");
        let standing = found.iter().map(|line| &line["standing"]).find(|standing| standing["number"] == key["standing"]).expect("it is there");
        assert_eq!((&standing["role"], standing["rights"].as_array().map(Vec::len), &standing["webService"]), (&json!("Auditor"), Some(3), &json!(true)));
        let digest = firstkey::secret::PresentedKey::parse(&secret(&bounded)).expect("a key").secret.digest().to_base64();
        assert_eq!(*key, json!({
            "id": bounded["ID"], "name": "bounded", "standing": standing["number"], "secrets": [{ "digest": digest }], "expires": app.clock.now().millis() + 60_000,
            "locked": true, "usesCounted": true, "callsPerMinute": 7, "networks": { "allow": ["10.0.0.0/8"], "deny": [] },
            "windows": [{ "days": [0], "from": 480, "to": 1020 }], "timeZone": "Asia/Tokyo",
        }));
        let revoked: Vec<&Value> = found.iter().map(|line| &line["revoked"]).filter(|revoked| revoked.is_object()).collect();
        assert_eq!(revoked.iter().map(|revoked| &revoked["id"]).collect::<Vec<_>>(), [&gone["ID"]]);
        let many = |kind: &str| found.iter().filter(|line| line[kind].is_object()).count();
        assert_eq!(found[found.len() - 2], json!({ "end": { "standings": many("standing"), "keys": many("key"), "revoked": 1 } }));
        assert_eq!(found[found.len() - 1]["signature"].as_str().map(str::len), Some(88));
        let text = answer.text();
        for text_of in [&full, &edges, &secret(&bounded), &secret(&gone)] {
            let only = text_of.rsplit(':').next().expect("a secret").trim_end_matches('=');
            assert!(!text.contains(only));
        }
        assert!(!text.contains("business") && !text.contains("gone"));
        assert!(Snapshot::read(&answer.body, &public_key(&app, &primary(&app))).is_ok_and(|read| read.count() == (many("key"), 1)));
    }

    /// 304 and no event as long as nothing has changed, whichever way the tag is written; another tenant's changes are
    /// none.
    fn it_is_not_sent_twice(app: TestApp) {
        let scene = Scene::set(&app);
        let edges = reader(&app);
        let first = app.get("/api/snapshot").key(&edges).send().expect(200);
        let tag = first.header("etag").expect("a tag").to_owned();
        let with = |tag: &str| app.get("/api/snapshot").key(&edges).header("If-None-Match", tag).send();
        let events = app.last_event();
        for same in [tag.clone(), tag.trim_start_matches("W/").to_owned(), format!("\"x\", {tag}"), "*".into()] {
            let answer = with(&same).expect(304);
            assert_eq!((answer.header("etag"), answer.body.len()), (Some(&*tag), 0), "{same}");
        }
        assert_eq!(app.last_event(), events);
        scene.foreign_key();
        with(&tag).expect(304);
        for other in ["\"x\"", "W/\"\"", "x", "", &tag.to_uppercase()] {
            assert_eq!(with(other).expect(200).header("etag"), Some(&*tag), "{other}");
        }
        secret(&app.mint("one more", 2));
        let second = with(&tag).expect(200);
        assert_ne!(second.header("etag"), Some(&*tag));
        // whoever reads it is no difference
        let another = app.get("/api/snapshot").key(&reader(&app)).send().expect(200);
        let full = app.get("/api/snapshot").key(&edges).send().expect(200);
        assert_eq!(another.header("etag"), full.header("etag"));
    }

    /// Keys that only their issuers see in lists are there too: an edge that did not know them would turn them away. Whoever
    /// has both rights knows of them by the audit trail.
    fn keys_for_their_issuers_eyes_are_there(app: TestApp) {
        let role = app.role("Issuer", &["platformRights.apikeyRights.canCreateNewApiKeys"]);
        app.administrator("anna", PASSWORD, role, 0);
        let anna = Session::from(&app.try_sign_in("anna", PASSWORD).expect(200));
        let body = json!({ "keyName": "of anna", "lifecycle": { "profileID": crate::profiles::MICROSOFT } });
        app.post("/api/apikeys", body).with(&anna).send().expect(200);
        let edges = reader(&app);
        assert!(!app.get("/api/apikeys").key(&edges).send().expect(200).text().contains("of anna"));
        assert!(app.get("/api/auditevents").key(&edges).send().expect(200).text().contains("of anna"));
        assert!(names(&read(&app, &edges)).contains(&"of anna".to_owned()));
    }

    /// More keys than are read at once, in one consistent piece.
    fn many_keys_are_all_there(app: TestApp) {
        let full = app.full_key();
        let keys: Vec<Value> = (0..1_203)
            .map(|n| json!({ "keyName": format!("number {n}"), "roleID": 1 + n % 2, "active": n % 7 > 0, "secretDigest": format!("sha256:{:064x}", n + 1_000_000) }))
            .collect();
        app.post("/api/apikeys/import", json!({ "apiKeys": keys })).key(&full).send().expect(200);
        let text = read(&app, &full);
        let found = names(&text);
        assert_eq!((found.len(), found.last().map(String::as_str)), (1_204, Some("number 1202")));
        let read = Snapshot::read(&text, &public_key(&app, &primary(&app))).expect("a snapshot");
        assert_eq!(read.count(), (1_204, 0));
        assert_eq!(lines(&text).iter().filter(|line| line["standing"].is_object()).count(), 2);
    }
}

/// On PostgreSQL a change may come to light behind one with a higher number: whoever has seen that one is told of this one
/// too.
#[test]
fn a_change_that_comes_to_light_late_is_told() {
    use diesel::connection::SimpleConnection as _;
    use diesel::prelude::*;
    let app: TestApp = Setup::new(Backend::Postgres).start();
    let edges = reader(&app);
    let name = app.texts("select current_database() as t").remove(0);
    let mut late = PgConnection::establish(&postgres_url(&name)).expect("the database");
    late.batch_execute(
        "begin; insert into audit_events (tenant_id, at, number, name, level, actor_type, actor_name, address, request_id, target_type, target_name, details) \
         values (0, 0, 5011, 'API Key Updated', 'info', 'system', '', '', '', 'apiKey', '', '{}')",
    )
    .expect("an event that nobody sees yet");
    app.mint("later", 2);
    let tag = app.get("/api/snapshot").key(&edges).send().expect(200).header("etag").expect("a tag").to_owned();
    let asked = || app.get("/api/snapshot").key(&edges).header("If-None-Match", &tag).send().status;
    assert_eq!(asked(), 304);
    late.batch_execute("commit").expect("it comes to light");
    assert_eq!(asked(), 200);
}
