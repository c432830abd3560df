//! D1: the program is killed between a change and the mail about it. Whoever was promised nothing is written to all the
//! same, once, after the next start.

use serde_json::json;

use super::binary::Home;
use crate::app::{Backend, PASSWORD};
use crate::receivers::{Hooks, Smtp};

fn a_mail_outlives_the_program(backend: Backend) {
    let mut home = Home::new(backend);
    let (smtp, hooks) = (Smtp::start(), Hooks::start());
    home.set("FIRSTKEY_MAIL_URL", smtp.url()).set("FIRSTKEY_MAIL_FROM", "Firstkey <firstkey@example.com>");
    home.set("FIRSTKEY_WEBHOOKS_ALLOW_NETWORKS", "127.0.0.0/8").set("FIRSTKEY_WEBHOOKS_ALLOW_HTTP", "true");
    let key = home.init();
    let credential = [("api-secret-key", key.as_str())];
    smtp.set_down(true);
    hooks.answer_with("503 Service Unavailable");
    let server = home.start();
    let session = server.sign_in(PASSWORD);
    let me = json!({ "emailAddress": "admin@example.com" });
    server.post("/api/administrators/1", &credential, me).expect(200);
    let hook = json!({ "name": "hook", "url": hooks.url(), "events": ["apikey.created"] });
    server.post("/api/webhooks", &credential, hook).expect(200);
    for n in 0..5 {
        let body = json!({ "keyName": format!("key {n}"), "roleID": 2 });
        server.with(&session, "POST", "/api/apikeys", Some(body)).expect(200);
    }
    let log = server.kill();
    assert!(!log.contains("hunter2"), "the mail server's password is in the log");
    assert!(smtp.mails().is_empty());
    hooks.take();
    // as time passes: what was tried while nobody answered is due again
    home.execute("update notices set next_at = 0");
    smtp.set_down(false);
    hooks.answer_with("200 OK");
    let server = home.start();
    smtp.wait_for(5);
    let mut calls = hooks.take();
    let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while calls.len() < 5 {
        assert!(std::time::Instant::now() < until, "{calls:?}");
        std::thread::sleep(std::time::Duration::from_millis(20));
        calls.extend(hooks.take());
    }
    server.stop();
    let server = home.start();
    server.stop();
    let mut subjects: Vec<String> = smtp.take().iter().map(|mail| mail.header("Subject").to_owned()).collect();
    subjects.sort();
    let expected: Vec<String> = (0..5).map(|n| format!("A new API key: \"key {n}\"")).collect();
    assert_eq!(subjects, expected);
    assert_eq!((calls.len(), hooks.take().len()), (5, 0));
    assert_eq!(home.count("select count(*) as n from notices where state = 'delivered'"), 10);
}

#[test]
fn a_mail_outlives_the_program_on_sqlite() {
    a_mail_outlives_the_program(Backend::Sqlite);
}

#[test]
fn a_mail_outlives_the_program_on_postgres() {
    a_mail_outlives_the_program(Backend::Postgres);
}
