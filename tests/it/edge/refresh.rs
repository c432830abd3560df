//! How an edge follows what changes, and what it does when it cannot.

use std::os::unix::fs::PermissionsExt as _;

use firstkey::edge::refresh::{Failed, Source};
use firstkey::outgoing::Authority;
use firstkey::snapshot::read::Refused;
use serde_json::{Value, json};

use super::{Beside, HOUR, primary, read, reader};
use crate::app::{Setup, TestApp, secret};
use crate::both;
use crate::verify::{asked, is, told};

const MINUTE: i64 = 60_000;

fn key(app: &TestApp, full: &str, name: &str) -> (String, String) {
    let key = app.post("/api/apikeys", json!({ "keyName": name, "roleID": 2 })).key(full).send().expect(200).json();
    (format!("/api/apikeys/{}", key["ID"]), secret(&key))
}

/// A server that is not there.
fn nobody(source: &Source) -> Source {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("a port"));
    drop(listener);
    Source { authority: Authority::new(&url, None).expect("a URL"), ..source.clone() }
}

both! {
    /// Whatever changes on which verification depends is known with the next refresh; as long as nothing changes there is
    /// nothing to take, whoever signs in and whatever is used.
    fn what_changes_is_known_with_the_next_refresh(app: TestApp) {
        let full = app.full_key();
        let role = app.post("/api/roles", json!({ "name": "Watched", "allowWebService": true })).key(&full).send().expect(200).json()["ID"].clone();
        let (path, text) = key(&app, &full, "watched");
        let beside = Beside::new(&app);
        assert_eq!(beside.refresh().expect("a snapshot").map(|taken| (taken.keys, taken.revoked)), Some((3, 0)));
        let quiet = || {
            for _ in 0..2 {
                app.sign_in();
                asked(&app, "", &text).send();
                actix_web::rt::System::new().block_on(firstkey::server::flush(&app.app));
                assert_eq!(beside.refresh(), Ok(None));
            }
        };
        quiet();
        let follow = |query: &str, change: &dyn Fn(), expected: (u16, String)| {
            change();
            assert!(beside.refresh().expect("a snapshot").is_some(), "{expected:?}");
            assert_eq!(beside.same(asked(&app, query, &text), None), expected);
            quiet();
        };
        let post = |path: &str, body: Value| drop(app.post(path, body).key(&full).send().expect(200));
        follow("", &|| post(&path, json!({ "active": false })), is(401, "LOCKED"));
        follow("", &|| post(&path, json!({ "active": true })), is(200, ""));
        follow("role=Watched", &|| post(&path, json!({ "roleID": role })), is(200, ""));
        follow("role=Watched", &|| post(&format!("/api/roles/{role}"), json!({ "name": "Renamed" })), is(403, "INSUFFICIENT_RIGHTS"));
        follow("role=Renamed", &|| post(&format!("/api/roles/{role}"), json!({ "description": "x" })), is(200, ""));
        follow("", &|| post(&format!("/api/roles/{role}"), json!({ "allowWebService": false })), is(403, "INSUFFICIENT_RIGHTS"));
        follow("", &|| post(&path, json!({ "roleID": 2 })), is(200, ""));
        follow("", &|| post(&path, json!({ "expiryDate": app.clock.now().millis() + HOUR })), is(200, ""));
        follow("", &|| drop(key(&app, &full, "another")), is(200, ""));
        follow("", &|| drop(app.call("POST", &format!("{path}/secretkey")).key(&full).send().expect(200)), is(401, "NOT_FOUND"));
        follow("", &|| drop(app.delete(&path).key(&full).send().expect(204)), is(401, "REVOKED"));
        assert_eq!(app.count("select count(*) as n from audit_events where number = 5200"), 12, "each that was taken, and no other");
    }

    /// An edge goes on without the authority as long as it was told to, then answers 503 and says when to come again, and
    /// is back with the authority's next answer. Whoever knows nothing yet answers 503 too.
    fn an_edge_goes_on_for_a_while(app: TestApp) {
        let auditor = app.auditor_key();
        let beside = Beside::with(&app, &reader(&app), &primary(&app), 10 * MINUTE, None);
        let ready = || beside.send(&app.get("/readyz").request, None).status;
        let unavailable = |answer: crate::http::Answer| {
            assert_eq!((told(&answer), answer.header("retry-after")), (is(503, "unavailable"), Some("1")), "{}", answer.text());
        };
        unavailable(beside.asked("", &auditor));
        assert_eq!(ready(), 503);
        beside.refresh().expect("a snapshot").expect("the first");
        assert_eq!(ready(), 200);
        app.clock.advance(9 * MINUTE);
        assert_eq!(beside.refresh(), Ok(None), "an answer is enough");
        let away = nobody(&beside.source);
        for _ in 0..9 {
            app.clock.advance(MINUTE);
            assert_eq!(away.refresh(&beside.edge), Err(Failed::Away("the connection was refused".into())));
            assert_eq!(told(&beside.asked("", &auditor)), is(200, ""));
        }
        app.clock.advance(MINUTE - 1);
        assert_eq!((told(&beside.asked("", &auditor)), ready()), (is(200, ""), 200));
        app.clock.advance(1);
        unavailable(beside.asked("", &auditor));
        assert_eq!(told(&beside.asked("", "1:garbage")), is(401, "NOT_FOUND"), "what is no key is none anywhere");
        assert_eq!(ready(), 503);
        beside.refresh().expect("a snapshot").expect("asked for without the one that is of no use any more");
        assert_eq!((told(&beside.asked("", &auditor)), ready()), (is(200, ""), 200));
    }

    /// However long an edge may go on, a snapshot's own time is the end of it; and while the authority answers that nothing
    /// has changed, another one comes before that.
    fn a_snapshot_is_of_no_use_after_its_time(app: TestApp, |setup| setup.rules.snapshot_valid_for = 10 * 60_000) {
        let auditor = app.auditor_key();
        let beside = Beside::with(&app, &reader(&app), &primary(&app), 1_000 * HOUR, None);
        beside.refresh().expect("a snapshot").expect("the first");
        for _ in 0..30 {
            app.clock.advance(MINUTE);
            beside.refresh().expect("a snapshot");
            assert_eq!(told(&beside.asked("", &auditor)), is(200, ""));
        }
        let text = read(&app, &reader(&app));
        beside.edge.take(&text, app.clock.now()).expect("a snapshot");
        app.clock.advance(10 * MINUTE - 1);
        assert_eq!(told(&beside.asked("", &auditor)), is(200, ""));
        app.clock.advance(1);
        assert_eq!(told(&beside.asked("", &auditor)), is(503, "unavailable"));
        assert!(matches!(beside.edge.take(&text, app.clock.now()), Err(Refused::Over(_))));
    }

    /// A snapshot that was altered or cut short anywhere, is signed by somebody else or is older than the one that is there
    /// is refused, and the last good one stays.
    fn the_last_good_one_stays(app: TestApp) {
        let (full, auditor, edges) = (app.full_key(), app.auditor_key(), reader(&app));
        let beside = Beside::with(&app, &edges, &primary(&app), HOUR, None);
        let old = read(&app, &edges);
        app.clock.advance(1);
        let (path, text) = key(&app, &full, "revoked later");
        let good = read(&app, &edges);
        beside.edge.take(&good, app.clock.now()).expect("it is good");
        let refused = |text: &[u8], why: &str| {
            let refused = beside.edge.take(text, app.clock.now()).expect_err(why);
            assert_eq!(refused, Refused::NotSigned, "{why}");
        };
        for at in 0..good.len() {
            let mut flipped = good.clone();
            flipped[at] ^= 1 << (at % 8);
            refused(&flipped, &format!("byte {at}"));
            refused(&good[..at], &format!("cut at {at}"));
        }
        refused(&[&good[..], b"\n"].concat(), "more behind it");
        refused(&[&good[..], &good[..]].concat(), "twice");
        let lines: Vec<&[u8]> = good.split_inclusive(|byte| *byte == b'\n').collect();
        for without in 0..lines.len() {
            let rest: Vec<&[u8]> = lines.iter().enumerate().filter(|(at, _)| *at != without).map(|(_, line)| *line).collect();
            refused(&rest.concat(), &format!("without line {without}"));
        }
        let later = beside.edge.take(&old, app.clock.now()).expect_err("it is older");
        assert!(matches!(later, Refused::Older(made, there) if there.since(made) == 1), "{later}");
        assert_eq!(told(&beside.asked("", &text)), is(200, ""));
        assert_eq!(told(&beside.asked("", &auditor)), is(200, ""));
        app.delete(&path).key(&full).send().expect(204);
        beside.refresh().expect("a snapshot").expect("another");
        assert_eq!(told(&beside.asked("", &text)), is(401, "REVOKED"));
    }

    /// The last good snapshot is kept, for its owner alone, and verified from after a start without the authority, until
    /// the same moment as if there had been no start. What was touched on the disk is of no use.
    fn a_start_without_the_authority(app: TestApp) {
        let auditor = app.auditor_key();
        let file = app.folder.path().join("kept");
        let start = || Beside::with(&app, &reader(&app), &primary(&app), 10 * MINUTE, Some(file.clone()));
        let first = start();
        assert_eq!(first.source.recall(&first.edge), Ok(None), "nothing is kept yet");
        let taken = first.refresh().expect("a snapshot").expect("the first");
        assert_eq!(std::fs::metadata(&file).expect("it is kept").permissions().mode() & 0o777, 0o600);
        app.clock.advance(9 * MINUTE);
        assert_eq!(first.refresh(), Ok(None));
        app.clock.advance(9 * MINUTE);
        let second = start();
        assert_eq!(second.source.recall(&second.edge), Ok(Some(taken)));
        assert_eq!(told(&second.asked("", &auditor)), is(200, ""));
        app.clock.advance(MINUTE);
        assert_eq!(told(&second.asked("", &auditor)), is(503, "unavailable"));
        second.refresh().expect("a snapshot").expect("another");
        assert_eq!(told(&second.asked("", &auditor)), is(200, ""));
        let good = std::fs::read(&file).expect("it is kept");
        for touched in [&good[..good.len() - 1], b"", b"{}", &[&good[..], b" "].concat()] {
            std::fs::write(&file, touched).expect("it can be written");
            let third = start();
            assert_eq!(third.source.recall(&third.edge), Err(Failed::Refused(Refused::NotSigned)));
            assert_eq!(told(&third.asked("", &auditor)), is(503, "unavailable"));
        }
        let third = start();
        third.refresh().expect("a snapshot").expect("the first");
        let fourth = start();
        fourth.source.recall(&fourth.edge).expect("in place of what was touched").expect("it is kept");
        assert_eq!(told(&fourth.asked("", &auditor)), is(200, ""));
    }
}

/// The credential is read anew each time, so that it can be exchanged under a running edge.
#[test]
fn the_credential_can_be_exchanged() {
    let app = Setup::new(crate::app::Backend::Sqlite).start();
    let file = app.folder.path().join("edge.key");
    std::fs::write(&file, format!("{}\n", reader(&app))).expect("it can be written");
    let mut beside = Beside::new(&app);
    beside.source.credential = firstkey::edge::refresh::Credential::In(file.clone());
    beside.refresh().expect("a snapshot").expect("the first");
    for (text, why) in [("", "401"), ("1:x", "401"), ("two\nlines", "one line")] {
        std::fs::write(&file, text).expect("it can be written");
        let failed = beside.refresh().expect_err(why).to_string();
        assert!(failed.contains(why), "{failed}");
    }
    std::fs::write(&file, app.auditor_key()).expect("it can be written");
    assert!(beside.refresh().expect_err("it lacks the rights").to_string().contains("canViewSystemInformation"));
    std::fs::remove_file(&file).expect("it is there");
    assert!(matches!(beside.refresh(), Err(Failed::Away(_))));
    std::fs::write(&file, reader(&app)).expect("it can be written");
    beside.refresh().expect("a snapshot").expect("another");
}
