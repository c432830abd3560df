//! Two secrets side by side: `POST /api/apikeys/{apiKeyID}/secretkey` with an overlap, `…/rotation/finish` and
//! `…/rotation/undo`; and what is known of secrets that were replaced.

use firstkey::api_keys::secrets::{self, Shown};
use firstkey::id::{ApiKeyID, TenantID};
use serde_json::{Value, json};

use super::{IN, assert_refusal, made, presented, seen};
use crate::app::{Call, START, TestApp, secret};
use crate::both;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const OUT: (u16, &str) = (401, "invalid_api_key");
const CONFLICT: (u16, &str) = (409, "conflict");
const EDIT: &str = "platformRights.apikeyRights.canEditApiKeyProperties";

/// A key with its first secret.
struct Key {
    id: Value,
    first: String,
}

impl Key {
    fn made(app: &TestApp, maker: &str, name: &str) -> Self {
        let key = made(app, maker, json!({ "keyName": name, "roleID": 2 }));
        Self { id: key["ID"].clone(), first: secret(&key) }
    }

    fn call<'a>(&self, app: &'a TestApp, path: &str) -> Call<'a> {
        app.call("POST", &format!("/api/apikeys/{}/{path}", self.id))
    }

    /// Its next secret, beside the one before.
    fn rotated(&self, app: &TestApp, by: &str, wish: Value) -> String {
        secret(&self.call(app, "secretkey").json(wish).key(by).send().expect(200).json())
    }

    /// What is said of its secrets.
    fn shown(&self, app: &TestApp) -> Shown {
        let (id, now) = (ApiKeyID::new(self.id.as_i64().expect("an ID")), app.clock.now());
        let of =
            app.app.database.read_here(|db| secrets::secrets_of(db, TenantID::PRIMARY, &[id], &app.app.key_usage, now));
        of.expect("they are read").remove(&id).expect("a key")
    }
}

/// The chore, once.
fn tidy(app: &TestApp) -> usize {
    actix_web::rt::System::new().block_on(secrets::write_down_rotations(&app.app)).expect("the database is there")
}

fn at(app: &TestApp, moment: i64) {
    app.clock.advance(moment - app.clock.now().millis());
}

/// The details of the events of a number since `before`.
fn details(app: &TestApp, number: i64, before: i64) -> Vec<Value> {
    let all = app
        .texts(&format!("select details as t from audit_events where id > {before} and number = {number} order by id"));
    all.iter().map(|text| serde_json::from_str(text).expect("JSON")).collect()
}

both! {
    /// TC-16: with an overlap the old secret lets in beside the new one up to its last millisecond, on every node; the
    /// event says until when. What is said of the key lists both, the newest first, by digests' beginnings only.
    fn old_and_new_live_side_by_side(app: TestApp) {
        let other = app.second_node();
        let maker = app.full_key();
        let key = Key::made(&app, &maker, "k");
        let before = app.last_event();
        let new = key.rotated(&app, &maker, json!({ "overlap": "24h", "extendWhileUsedFor": "0s" }));
        let maker_id = maker.split_once(':').expect("two parts").0;
        let end = START.millis() + DAY;
        let said = format!(r#"{{"extendWhileUsedUntil":null,"finishWhenSilentFor":null,"overlapEnds":{end}}}"#);
        assert_eq!(app.events_after(before), [format!("5013 apiKey/{maker_id}/full apiKey/{}/k {said}", key.id)]);
        let (secrets, rotation) = key.shown(&app);
        let ends: Vec<Option<i64>> = secrets.iter().map(|secret| secret.ends.map(|end| end.millis())).collect();
        assert_eq!(ends, [None, Some(end)]);
        assert!(secrets.iter().all(|secret| secret.reference.len() == 8 && secret.uses == 0 && secret.last_used.is_none()));
        let rotation = rotation.expect("a rotation");
        assert_eq!((rotation.started, rotation.overlap_ends.millis()), (START, end));
        assert!(rotation.finish_when_silent_for.is_none() && rotation.extend_while_used_until.is_none());
        for moment in [START.millis(), end - 1] {
            at(&app, moment);
            for node in [&app, &other] {
                assert_refusal(presented(node, &key.first), IN);
                assert_refusal(presented(node, &new), IN);
            }
        }
        for moment in [end, end + 1, end + DAY] {
            at(&app, moment);
            for node in [&app, &other] {
                assert_refusal(presented(node, &key.first), OUT);
                assert_refusal(presented(node, &new), IN);
            }
        }
        let (secrets, rotation) = key.shown(&app);
        assert!(secrets.len() == 1 && rotation.is_none());
        assert_refusal(key.call(&app, "rotation/undo").key(&maker).send().refusal(), CONFLICT);
    }

    /// An end that use decides about: the old secret ends once nobody has used it for as long as was said, counted from
    /// the rotation or from its last use on any node, and never after the overlap.
    fn silence_ends_the_old_secret_early(app: TestApp) {
        let other = app.second_node();
        let maker = app.full_key();
        let (silent, used) = (Key::made(&app, &maker, "silent"), Key::made(&app, &maker, "used"));
        let wish = || json!({ "overlap": "5h", "finishWhenSilentFor": "2h" });
        let (new, _) = (silent.rotated(&app, &maker, wish()), used.rotated(&app, &maker, wish()));
        let begin = START.millis();
        at(&app, begin + 2 * HOUR - 1);
        assert_refusal(presented(&other, &used.first), IN);
        other.flush();
        at(&app, begin + 2 * HOUR);
        assert_refusal(presented(&app, &silent.first), OUT);
        assert_refusal(presented(&app, &new), IN);
        assert_refusal(presented(&app, &used.first), IN);
        at(&app, begin + 4 * HOUR - 1);
        assert_refusal(presented(&app, &used.first), IN);
        let ends = |key: &Key| key.shown(&app).0.iter().filter_map(|secret| secret.ends).map(|end| end.millis()).collect::<Vec<_>>();
        assert_eq!((ends(&used), ends(&silent)), (vec![begin + 5 * HOUR], vec![]));
        at(&app, begin + 5 * HOUR - 1);
        assert_refusal(presented(&app, &used.first), IN);
        at(&app, begin + 5 * HOUR);
        assert_refusal(presented(&app, &used.first), OUT);
        // the key has one secret again: another rotation may begin
        silent.rotated(&app, &maker, wish());
    }

    /// And it lives on after the overlap while it is used, an hour at a time where nothing is said, up to the bound.
    fn use_extends_the_old_secret_up_to_its_bound(app: TestApp) {
        let maker = app.full_key();
        let (used, idle) = (Key::made(&app, &maker, "used"), Key::made(&app, &maker, "idle"));
        let wish = || json!({ "overlap": "1d", "extendWhileUsedFor": "PT3H" });
        for key in [&used, &idle] {
            key.rotated(&app, &maker, wish());
        }
        let end = START.millis() + DAY;
        at(&app, end - HOUR);
        assert_refusal(presented(&app, &idle.first), IN);
        at(&app, end - MINUTE);
        assert_refusal(presented(&app, &used.first), IN);
        at(&app, end);
        assert_refusal(presented(&app, &idle.first), OUT);
        for minutes in [58, 117, 176, 179] {
            at(&app, end + minutes * MINUTE);
            assert_refusal(presented(&app, &used.first), IN);
            app.flush();
        }
        assert_eq!(used.shown(&app).0[1].ends.map(|at| at.millis()), Some(end + 3 * HOUR));
        at(&app, end + 3 * HOUR);
        assert_refusal(presented(&app, &used.first), OUT);
    }

    /// TC-16: finished by hand the old secret is refused with the very next request, on every node; undone, the new one
    /// is, and the old one lives as long as its key again. Neither is there to do without a rotation.
    fn a_rotation_is_finished_or_undone_at_once(app: TestApp) {
        let other = app.second_node();
        let maker = app.full_key();
        let maker_id = maker.split_once(':').expect("two parts").0;
        for path in ["rotation/finish", "rotation/undo"] {
            let key = Key::made(&app, &maker, path);
            let rows = app.rows();
            assert_refusal(key.call(&app, path).key(&maker).send().refusal(), CONFLICT);
            app.assert_rows(&rows, path);
            let new = key.rotated(&app, &maker, json!({ "overlap": "1d", "finishWhenSilentFor": "1h" }));
            for node in [&app, &other] {
                assert_refusal(presented(node, &key.first), IN);
                assert_refusal(presented(node, &new), IN);
            }
            let before = app.last_event();
            let answer = key.call(&other, path).body("left unread").key(&maker).send().expect(200).json();
            assert_eq!(answer, seen(&other, &maker, &key.id), "the key, without a secret");
            let (alive, dead, number) = if path.ends_with("undo") { (&key.first, &new, 5181) } else { (&new, &key.first, 5180) };
            for node in [&app, &other] {
                assert_refusal(presented(node, dead), OUT);
                assert_refusal(presented(node, alive), IN);
            }
            assert!(app.events_after(before)[0].starts_with(&format!("{number} apiKey/{maker_id}/full apiKey/{}/{path} ", key.id)));
            assert_eq!((app.events_after(before).len(), details(&app, number, before).len()), (1, 1));
            if number == 5180 {
                assert_eq!(details(&app, number, before)[0]["why"], json!("finished"));
            }
            at(&app, app.clock.now().millis() + 400 * DAY);
            assert_refusal(presented(&app, alive), IN);
            for again in ["rotation/finish", "rotation/undo"] {
                assert_refusal(key.call(&app, again).key(&maker).send().refusal(), CONFLICT);
            }
            assert_eq!((key.shown(&app).0.len(), tidy(&app)), (1, 0));
        }
    }

    /// A third secret beside two that live is refused; without an overlap both stop at once, as documented, and the event
    /// of the rotation says so.
    fn there_are_two_at_most(app: TestApp) {
        let maker = app.full_key();
        let key = Key::made(&app, &maker, "k");
        let second = key.rotated(&app, &maker, json!({ "overlap": "1d" }));
        let rows = app.rows();
        let refused = key.call(&app, "secretkey").json(json!({ "overlap": "1h" })).key(&maker).send().expect(409);
        assert!(refused.text().contains("rotation/finish") && refused.text().contains("rotation/undo"), "{}", refused.text());
        app.assert_rows(&rows, "refused");
        let before = app.last_event();
        let third = key.rotated(&app, &maker, json!({}));
        for (text, expected) in [(&key.first, OUT), (&second, OUT), (&third, IN)] {
            assert_refusal(presented(&app, text), expected);
        }
        assert_eq!(details(&app, 5180, before)[0]["why"], json!("replaced"));
        assert_eq!(details(&app, 5013, before), [json!({})]);
    }

    /// No overlap is longer than the profile allows, its extension included; what cannot be read is refused by its
    /// member, and nothing stops.
    fn an_overlap_has_its_bounds(app: TestApp) {
        let maker = app.full_key();
        let key = Key::made(&app, &maker, "k");
        let rows = app.rows();
        for (wish, member) in [
            (json!({ "overlap": "31d" }), "overlap"),
            (json!({ "overlap": "2592001s" }), "overlap"),
            (json!({ "overlap": "29d", "extendWhileUsedFor": "25h" }), "overlap"),
            (json!({ "overlap": "36525d" }), "overlap"),
            (json!({ "overlap": "soon" }), "overlap"),
            (json!({ "overlap": "" }), "overlap"),
            (json!({ "overlap": "-1h" }), "overlap"),
            (json!({ "overlap": 24 }), "overlap"),
            (json!({ "overlap": ["24h"] }), "overlap"),
            (json!({ "overlap": "24h\0" }), "overlap"),
            (json!({ "finishWhenSilentFor": "2h" }), "overlap"),
            (json!({ "overlap": "0s", "extendWhileUsedFor": "2h" }), "overlap"),
            (json!({ "overlap": "1d", "finishWhenSilentFor": "59s" }), "finishWhenSilentFor"),
            (json!({ "overlap": "1d", "finishWhenSilentFor": true }), "finishWhenSilentFor"),
            (json!({ "overlap": "1d", "extendWhileUsedFor": "1 h" }), "extendWhileUsedFor"),
        ] {
            for path in ["secretkey", "refresh"] {
                let answer = key.call(&app, path).json(wish.clone()).key(&maker).send().expect(400);
                let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
                assert!(message.starts_with(member), "{wish}: {message}");
            }
        }
        app.assert_rows(&rows, "refused");
        key.rotated(&app, &maker, json!({ "overlap": "29d", "finishWhenSilentFor": "60s", "extendWhileUsedFor": "1d" }));
    }

    /// A key with the right rotates itself, and its own call's secret lives on; with neither secret does it finish or
    /// undo without the right. What is stronger than the caller, or lasts longer, is out of its reach.
    fn who_may_not_renew_may_not_end_a_rotation(app: TestApp) {
        let maker = app.full_key();
        let editor = app.role("Editor", &[EDIT]);
        let own = made(&app, &maker, json!({ "keyName": "own", "roleID": editor }));
        let (old, path) = (secret(&own), "/api/apikeys/current/secretkey");
        let new = secret(&app.post(path, json!({ "overlap": "1h" })).key(&old).send().expect(200).json());
        assert_refusal(app.post(path, json!({ "overlap": "1h" })).key(&old).send().refusal(), CONFLICT);
        app.call("POST", &format!("/api/apikeys/{}/rotation/finish", own["ID"])).key(&old).send().expect(200);
        assert_refusal(presented(&app, &old), OUT);
        assert_refusal(presented(&app, &new), IN);

        let auditor = Key::made(&app, &maker, "auditor");
        let newer = auditor.rotated(&app, &maker, json!({ "overlap": "1d" }));
        let strong = made(&app, &maker, json!({ "keyName": "strong", "roleID": 1 }));
        let strong = Key { id: strong["ID"].clone(), first: secret(&strong) };
        strong.rotated(&app, &maker, json!({ "overlap": "1d" }));
        let ending = secret(&made(&app, &maker, json!({ "keyName": "ending", "roleID": 1, "expiryDate": START.millis() + DAY })));
        let rows = app.rows();
        for ending_of in ["rotation/finish", "rotation/undo", "refresh"] {
            for by in [&auditor.first, &newer] {
                assert_refusal(auditor.call(&app, ending_of).key(by).send().refusal(), (403, "not_authorized"));
            }
            assert_refusal(strong.call(&app, ending_of).key(&new).send().refusal(), (403, "beyond_caller"));
            assert_refusal(auditor.call(&app, ending_of).key(&ending).send().refusal(), (403, "beyond_caller"));
        }
        app.assert_rows(&rows, "refused");
    }

    /// Presenting a secret that was replaced is an event of its own, with the address and without the secret: one a
    /// minute for each key and node. To the caller it is a wrong secret, byte for byte, and is counted as one.
    fn a_replaced_secret_that_is_presented_is_told_of(app: TestApp) {
        let other = app.second_node();
        let maker = app.full_key();
        let key = Key::made(&app, &maker, "k");
        let new = key.rotated(&app, &maker, json!({}));
        app.flush();
        let before = app.last_event();
        let wrong = format!("{}:{}=", key.id, "A".repeat(43));
        let bytes = |node: &TestApp, text: &str| {
            let answer = node.get("/api/apikeys/current").key(text).send().expect(401);
            let mut headers = answer.headers.clone();
            headers.retain(|(name, _)| !["x-request-id", "date"].contains(&name.to_lowercase().as_str()));
            headers.sort();
            (crate::stored::without_trace(&answer), headers)
        };
        assert_eq!(bytes(&app, &key.first), bytes(&app, &wrong));
        assert_eq!(seen(&app, &maker, &key.id)["unsuccessfulSignInAttempts"], json!(2));
        for _ in 0..5 {
            bytes(&app, &key.first);
        }
        assert!(app.events_after(before).is_empty(), "no write within the call");
        app.flush();
        let told = |count: usize| {
            let events = details(&app, 5182, before);
            assert_eq!(events.len(), count, "{events:?}");
            events
        };
        let reference = key.first.rsplit_once(':').map(|(_, tail)| firstkey::secret::PresentedKey::parse(&format!("1:{tail}")).expect("a key").secret.digest().reference());
        assert_eq!(told(1)[0], json!({ "secret": reference, "ended": START, "presented": START }));
        let line = app.texts("select level || ' ' || actor_type || ' ' || address || ' ' || target_type || '/' || target_name as t from audit_events where number = 5182");
        assert_eq!(line, ["warning unknown 127.0.0.1 apiKey/k"]);
        app.clock.advance(MINUTE - 1);
        bytes(&app, &key.first);
        app.flush();
        told(1);
        app.clock.advance(1);
        bytes(&app, &key.first);
        bytes(&other, &key.first);
        app.flush();
        other.flush();
        told(3);
        // the right one, a wrong one and one with another tenant's front are none of it
        app.clock.advance(MINUTE);
        bytes(&app, &wrong);
        bytes(&app, &format!("00000000-0000-4000-8000-000000000000:{}", key.first));
        assert_refusal(presented(&app, &new), IN);
        app.flush();
        told(3);
    }

    /// The three latest of the ended secrets are recognised, and no more are kept.
    fn a_few_replaced_secrets_are_known(app: TestApp) {
        let maker = app.full_key();
        let key = Key::made(&app, &maker, "k");
        let mut all = vec![key.first.clone()];
        for _ in 0..6 {
            app.clock.advance(2 * MINUTE);
            all.push(key.rotated(&app, &maker, json!({})));
        }
        assert_eq!(app.count(&format!("select count(*) as n from api_key_secrets where api_key_id = {}", key.id)), 4);
        let last = all.pop().expect("the last");
        for (n, text) in all.iter().enumerate() {
            let before = app.last_event();
            app.clock.advance(2 * MINUTE);
            assert_refusal(presented(&app, text), OUT);
            app.flush();
            assert_eq!(details(&app, 5182, before).len(), usize::from(n >= 3), "{n}");
        }
        assert_refusal(presented(&app, &last), IN);
        app.delete(&format!("/api/apikeys/{}", key.id)).key(&maker).send().expect(204);
        assert_eq!(app.count(&format!("select count(*) as n from api_key_secrets where api_key_id = {}", key.id)), 0);
    }

    /// Each secret has its own last use, address and count, true at once, written down later, and added up over the
    /// nodes; the key's own last use is that of either.
    fn each_secret_tells_its_own_use(app: TestApp) {
        let other = app.second_node();
        let maker = app.full_key();
        let key = Key::made(&app, &maker, "k");
        let new = key.rotated(&app, &maker, json!({ "overlap": "1d" }));
        let elsewhere: std::net::IpAddr = [127, 0, 0, 2].into();
        for (node, text, times) in [(&app, &key.first, 3), (&other, &key.first, 2), (&app, &new, 1)] {
            for _ in 0..times {
                app.clock.advance(1_000);
                assert_refusal(presented(node, text), IN);
            }
        }
        app.clock.advance(1_000);
        other.get("/api/apikeys/current").key(&key.first).send_from(elsewhere).expect(200);
        let used = |node: &TestApp| {
            let (secrets, _) = key.shown(node);
            secrets.iter().map(|one| (one.uses, one.last_used.map(|at| at.millis() - START.millis()), one.last_address.clone())).collect::<Vec<_>>()
        };
        let (here, there) = (Some("127.0.0.1".to_owned()), Some("127.0.0.2".to_owned()));
        assert_eq!(used(&app), [(1, Some(6_000), here.clone()), (3, Some(3_000), here.clone())], "what this node has seen");
        app.flush();
        other.flush();
        let all = [(1, Some(6_000), here), (6, Some(7_000), there)];
        assert_eq!(used(&app), all);
        assert_eq!(used(&other), all);
        app.flush();
        assert_eq!(used(&app), all, "nothing is counted twice");
        assert_eq!(seen(&app, &maker, &key.id)["lastSignIn"], json!(START.millis() + 7_000));
        assert_refusal(presented(&app, &format!("{}:{}=", key.id, "A".repeat(43))), OUT);
        assert_eq!(used(&app), all, "a wrong secret is no use");
    }

    /// A rotation that ends by itself is written down once, whichever node does it, and says why and when.
    fn the_end_of_a_rotation_is_written_down_once(app: TestApp) {
        let other = app.second_node();
        let maker = app.full_key();
        let ways = [
            ("overlapOver", json!({ "overlap": "5h" }), 5 * HOUR),
            ("silent", json!({ "overlap": "5h", "finishWhenSilentFor": "2h" }), 2 * HOUR),
            ("extensionOver", json!({ "overlap": "1h", "extendWhileUsedFor": "6h" }), 90 * MINUTE),
        ];
        let keys = ways.clone().map(|(why, wish, _)| {
            let key = Key::made(&app, &maker, why);
            key.rotated(&app, &maker, wish);
            key
        });
        let before = app.last_event();
        at(&app, START.millis() + 30 * MINUTE);
        assert_refusal(presented(&app, &keys[2].first), IN);
        app.flush();
        assert_eq!(tidy(&app), 0);
        // somebody else may have seen it used a moment ago: nothing is written down at once, and nobody let in
        at(&app, START.millis() + 2 * HOUR);
        assert_refusal(presented(&app, &keys[1].first), OUT);
        assert_eq!(tidy(&app), 1, "the extension, half an hour ago");
        at(&app, START.millis() + 2 * HOUR + MINUTE);
        assert_eq!((tidy(&other), tidy(&app)), (1, 0));
        at(&app, START.millis() + DAY);
        assert_eq!((tidy(&app), tidy(&other)), (1, 0));
        let mut told: Vec<(String, i64)> = details(&app, 5180, before)
            .iter()
            .map(|one| (one["why"].as_str().expect("a word").to_owned(), one["ended"].as_i64().expect("a moment") - START.millis()))
            .collect();
        told.sort();
        let mut expected = ways.map(|(why, _, end)| (why.to_owned(), end));
        expected.sort();
        assert_eq!(told, expected);
        assert_eq!(app.count("select count(*) as n from api_key_secrets where replaced is not null"), 0);
        for key in &keys {
            assert_refusal(presented(&app, &key.first), OUT);
        }
    }

    /// MC-11, TC-13: a revoked key fails with the next request, by either of its two secrets and on every node, and is gone.
    fn a_revoked_key_fails_by_either_secret(app: TestApp) {
        let other = app.second_node();
        let maker = app.full_key();
        let key = Key::made(&app, &maker, "k");
        let new = key.rotated(&app, &maker, json!({ "overlap": "1d" }));
        assert_refusal(presented(&other, &key.first), IN);
        app.delete(&format!("/api/apikeys/{}", key.id)).key(&maker).send().expect(204);
        for node in [&app, &other] {
            for text in [&key.first, &new] {
                assert_refusal(presented(node, text), OUT);
            }
        }
        app.get(&format!("/api/apikeys/{}", key.id)).key(&maker).send().expect(404);
        let list = app.get("/api/apikeys").key(&maker).send().expect(200).json();
        assert_eq!(list["apiKeys"].as_array().map(Vec::len), Some(1));
    }
}
