//! D1: the program is killed between a change and the mail about it. Whoever was promised nothing is written to all the
//! same, in the key's language, once: after the next start, or by the node that is left.

use std::time::{Duration, Instant};

use firstkey::clock::{Clock, DAY};
use serde_json::json;

use super::binary::{Home, Server};
use crate::app::{Backend, PASSWORD};
use crate::receivers::{Hooks, Mail, Smtp};

/// A key for each language: its name, locale and time zone, and how the mails about it begin when it is made and when
/// it comes near its end.
const KEYS: [(&str, &str, &str, &str, &str); 4] = [
    ("Reports", "en-US", "America/New_York", "A new API key: \"Reports\"", "The API key \"Reports\" expires on "),
    ("報告", "ja-JP", "Asia/Tokyo", "新しいAPIキー「報告」", "APIキー「報告」は"),
    (
        "Rapports",
        "fr-FR",
        "Europe/Paris",
        "Une nouvelle clé d'API : « Rapports »",
        "La clé d'API « Rapports » expire le ",
    ),
    (
        "Verslagen",
        "nl-NL",
        "Europe/Amsterdam",
        "Een nieuwe API-sleutel: \"Verslagen\"",
        "De API-sleutel \"Verslagen\" verloopt op ",
    ),
];
/// Two about each.
const MAILS: usize = 2 * KEYS.len();
const UNDONE: &str = "select count(*) as n from notices where done_at is null";

/// A program with a mail server.
fn with_mail(backend: Backend) -> (Home, Smtp) {
    let (mut home, smtp) = (Home::new(backend), Smtp::start());
    home.set("FIRSTKEY_MAIL_URL", smtp.url()).set("FIRSTKEY_MAIL_FROM", "Firstkey <firstkey@example.com>");
    (home, smtp)
}

/// Makes the keys in the name of somebody who has an address, and moves the end of each near: every one of these
/// changes promises a mail. `suffix` makes more of them.
fn change(server: &Server, full: &str, suffix: &str) {
    let credential = [("api-secret-key", full)];
    let session = server.sign_in(PASSWORD);
    let now = Clock::System.now();
    for (name, locale, zone, _, _) in KEYS {
        let body = json!({
            "keyName": format!("{name}{suffix}"), "roleID": 2, "locale": locale, "timeZone": zone,
            "expiryDate": now.plus(40 * DAY),
        });
        let key = server.with(&session, "POST", "/api/apikeys", Some(body)).expect(200).json();
        let path = format!("/api/apikeys/{}", key["ID"]);
        server.post(&path, &credential, json!({ "expiryDate": now.plus(5 * DAY) })).expect(200);
    }
}

/// Each of the mails has come, once, in its language, and nothing else has.
#[track_caller]
fn assert_each_once(mails: &[Mail], suffixes: &[&str]) {
    let subjects: Vec<&str> = mails.iter().map(|mail| mail.header("Subject")).collect();
    for suffix in suffixes {
        for (name, _, zone, made, ends) in KEYS {
            for begins in [made, ends] {
                let begins = begins.replacen(name, &format!("{name}{suffix}"), 1);
                let found: Vec<&Mail> =
                    mails.iter().filter(|mail| mail.header("Subject").starts_with(&begins)).collect();
                assert_eq!(found.len(), 1, "{begins}: {subjects:?}");
                assert_eq!(found[0].to, ["admin@example.com"]);
                assert!(found[0].body.contains(zone) && found[0].body.contains(name), "{}", found[0].body);
            }
        }
    }
    assert_eq!(mails.len(), suffixes.len() * MAILS, "{subjects:?}");
}

/// As the minutes pass: what was tried while nobody answered is due again. Nobody is sending.
fn let_time_pass(home: &Home) {
    home.execute("update notices set next_at = 0 where done_at is null");
}

fn has_address(server: &Server, full: &str) {
    let me = json!({ "emailAddress": "admin@example.com" });
    server.post("/api/administrators/1", &[("api-secret-key", full)], me).expect(200);
}

fn a_mail_outlives_the_program(backend: Backend) {
    let (mut home, smtp) = with_mail(backend);
    let hooks = Hooks::start();
    home.set("FIRSTKEY_WEBHOOKS_ALLOW_NETWORKS", "127.0.0.0/8").set("FIRSTKEY_WEBHOOKS_ALLOW_HTTP", "true");
    let full = home.init();
    smtp.set_down(true);
    hooks.answer_with("503 Service Unavailable");
    let server = home.start();
    has_address(&server, &full);
    let hook = json!({ "name": "hook", "url": hooks.url(), "events": ["apikey.created", "apikey.expiring"] });
    server.post("/api/webhooks", &[("api-secret-key", full.as_str())], hook).expect(200);
    change(&server, &full, "");
    let log = server.kill();
    assert!(!log.contains("hunter2"), "the mail server's password is in the log");
    assert!(smtp.mails().is_empty());
    assert_eq!(home.count(UNDONE), 2 * MAILS as i64, "committed, and sent to nobody");
    hooks.take();
    let_time_pass(&home);
    smtp.set_down(false);
    hooks.answer_with("200 OK");
    let server = home.start();
    smtp.wait_for(MAILS);
    let mut calls = hooks.take();
    let until = Instant::now() + Duration::from_secs(30);
    while calls.len() < MAILS {
        assert!(Instant::now() < until, "{calls:?}");
        std::thread::sleep(Duration::from_millis(20));
        calls.extend(hooks.take());
    }
    server.stop();
    let server = home.start();
    server.stop();
    assert_each_once(&smtp.take(), &[""]);
    assert_eq!((calls.len(), hooks.take().len()), (MAILS, 0));
    let delivered = "select count(*) as n from notices where state = 'delivered'";
    assert_eq!((home.count(delivered), home.count(UNDONE)), (2 * MAILS as i64, 0));
}

#[test]
fn a_mail_outlives_the_program_on_sqlite() {
    a_mail_outlives_the_program(Backend::Sqlite);
}

#[test]
fn a_mail_outlives_the_program_on_postgres() {
    a_mail_outlives_the_program(Backend::Postgres);
}

/// Two nodes run on one database. The one that sends is killed with its mails committed and unsent: the other, which
/// goes on running, sends each once. With both there again, mails that are promised by both at the same moment come
/// once too.
#[test]
fn of_two_nodes_the_one_that_is_left_sends_each_mail_once() {
    let (home, smtp) = with_mail(Backend::Postgres);
    let full = home.init();
    let (first, second) = (home.start(), home.start());
    first.says("this node does the chores from now on");
    has_address(&first, &full);
    smtp.set_down(true);
    change(&first, &full, " A");
    change(&second, &full, " B");
    first.kill();
    assert!(smtp.mails().is_empty());
    assert_eq!(home.count(UNDONE), 2 * MAILS as i64);
    let_time_pass(&home);
    smtp.set_down(false);
    second.says("this node does the chores from now on");
    smtp.wait_for(2 * MAILS);
    let third = home.start();
    let changing = [(second, " C"), (third, " D")].map(|(server, suffix)| {
        let full = full.clone();
        std::thread::spawn(move || {
            change(&server, &full, suffix);
            server
        })
    });
    let [second, third] = changing.map(|thread| thread.join().expect("no panic"));
    smtp.wait_for(4 * MAILS);
    // the last of them is written down before its sender stops
    second.stop();
    third.stop();
    home.start().stop();
    assert_each_once(&smtp.take(), &[" A", " B", " C", " D"]);
    assert_eq!(home.count(UNDONE), 0);
}
