//! Calendars of keys that end, under secret URLs.

use std::collections::BTreeMap;

use firstkey::clock::DAY;
use serde_json::json;

use crate::app::{PASSWORD, Session, TestApp, secret};
use crate::both;
use crate::http::Answer;
use crate::notices::ending;

/// The path of a caller's new calendar.
fn made(call: crate::app::Call<'_>) -> String {
    let path = call.send().expect(200).json()["url"].as_str().expect("a URL").to_owned();
    assert!(path.starts_with("/api/calendar/") && path.ends_with(".ics") && path.len() == 50, "{path}");
    path
}

/// The events of a calendar, each by its properties; insists on what RFC 5545 asks of every line.
fn events(answer: &Answer) -> (BTreeMap<String, String>, Vec<BTreeMap<String, String>>) {
    assert_eq!(answer.header("content-type"), Some("text/calendar; charset=utf-8"));
    let text = answer.text();
    let lines: Vec<&str> = text.strip_suffix("\r\n").expect("a last line").split("\r\n").collect();
    assert!(lines.iter().all(|line| line.len() <= 75 && !line.contains('\n')), "{text}");
    let unfolded = text.replace("\r\n ", "");
    let (mut calendar, mut events): (BTreeMap<String, String>, Vec<BTreeMap<String, String>>) = Default::default();
    let mut inside = None;
    for line in unfolded.split("\r\n").filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').expect("a content line");
        let value = value.replace("\\,", ",").replace("\\;", ";").replace("\\\\", "\\");
        match (name, value.as_str()) {
            ("BEGIN", "VEVENT") => inside = Some(BTreeMap::new()),
            ("END", "VEVENT") => events.push(inside.take().expect("it began")),
            _ => drop(inside.as_mut().unwrap_or(&mut calendar).insert(name.to_owned(), value)),
        }
    }
    (calendar, events)
}

both! {
    /// The calendar has each key that will end, at its end, in the order of ends; another end is the same event moved.
    fn a_calendar_has_every_key_that_will_end(app: TestApp) {
        let full = app.full_key();
        let session = app.sign_in();
        app.execute("update administrators set time_zone = 'Asia/Tokyo', locale = 'ja-JP'");
        let path = made(app.call("POST", "/api/calendar").with(&session));
        let (calendar, none) = events(&app.get(&path).send().expect(200));
        assert_eq!((calendar["VERSION"].as_str(), calendar["X-WR-TIMEZONE"].as_str(), none.len()), ("2.0", "Asia/Tokyo", 0));
        let later = ending(&app, &full, "later, and; so \\ on", 20 * DAY);
        ending(&app, &full, &"長い名前".repeat(32), 10 * DAY);
        let events_now = || events(&app.get(&path).send().expect(200)).1;
        let found = events_now();
        assert_eq!(found.iter().map(|event| event["DTSTART"].as_str()).collect::<Vec<_>>(), ["20261201T120015Z", "20261211T120015Z"]);
        assert_eq!(found[0]["SUMMARY"], format!("APIキー「{}」の期限切れ", "長い名前".repeat(32)));
        assert_eq!(found[1]["SUMMARY"], "APIキー「later, and; so \\ on」の期限切れ");
        assert_eq!((found[1]["DTSTAMP"].as_str(), found[1]["DESCRIPTION"].as_str()), ("20261121T120015Z", "2026-12-11 21:00 Asia/Tokyo (ID 2)"));
        app.post(&format!("/api/apikeys/{}", later["ID"]), json!({ "expiryDate": app.clock.now().plus(30 * DAY) })).key(&full).send().expect(200);
        let moved = events_now();
        assert_eq!((&moved[1]["UID"], moved[1]["DTSTART"].as_str()), (&found[1]["UID"], "20261221T120015Z"));
        app.clock.advance(10 * DAY);
        assert_eq!(events_now().len(), 1, "what has ended is over");
        assert_eq!(app.call("HEAD", &path).send().expect(200).body.len(), 0);
    }

    /// It shows what its owner may see at that moment: a person or a key that is locked out, has lost the right or is
    /// gone shows nothing, and the answer is that to a secret that never was.
    fn it_shows_what_its_owner_may_see_at_that_moment(app: TestApp) {
        let full = app.full_key();
        ending(&app, &full, "ends", 20 * DAY);
        let role = app.role("Viewer", &["platformRights.apikeyRights.canViewApiKeys"]);
        let anna = app.administrator("anna", PASSWORD, role, 0);
        let session = Session::from(&app.try_sign_in("anna", PASSWORD).expect(200));
        let body = json!({ "keyName": "viewer", "roleID": role, "expiryDate": app.clock.now().plus(30 * DAY) });
        let key = app.post("/api/apikeys", body).key(&full).send().expect(200).json();
        let persons = made(app.call("POST", "/api/calendar").with(&session));
        let keys = made(app.call("POST", "/api/calendar").key(&secret(&key)));
        let never = format!("/api/calendar/{}.ics", "0".repeat(32));
        let expected = crate::stored::without_trace(&app.get(&never).send().expect(404));
        let see = |shown: [bool; 2], what: &str| {
            for (path, shown) in [&persons, &keys].into_iter().zip(shown) {
                let answer = app.get(path).send();
                match shown {
                    true => assert_eq!(events(&answer.expect(200)).1.len(), 2, "{what}"),
                    false => assert_eq!(crate::stored::without_trace(&answer.expect(404)), expected, "{what}"),
                }
            }
        };
        see([true, true], "as they are");
        let toggles = [
            ("the right", "update roles set rights = (select rights from roles where id = 2) where id = :role", "", [false, false]),
            ("the person's lock", "update administrators set active = false where id = :anna", "update administrators set active = true where id = :anna", [false, true]),
            ("the key's lock", "update api_keys set active = false where id = :key", "update api_keys set active = true where id = :key", [true, false]),
            ("the way in", "update roles set allow_web_service = false, allow_user_interface = false where id = :role", "update roles set allow_web_service = true, allow_user_interface = true where id = :role", [false, false]),
            ("the tenant", "update tenants set state = 'suspended' where id = 0", "update tenants set state = 'active' where id = 0", [false, false]),
        ];
        let run = |sql: &str| {
            let sql = sql.replace(":role", &role.to_string()).replace(":anna", &anna.to_string()).replace(":key", &key["ID"].to_string());
            app.execute(&sql);
        };
        for (what, take, give, shown) in toggles.into_iter().skip(1) {
            run(take);
            see(shown, what);
            run(give);
            see([true, true], what);
        }
        app.clock.advance(19 * DAY);
        app.execute(&format!("update api_keys set expiry_date = {} where id = {}", app.clock.now().millis(), key["ID"]));
        assert_eq!(app.get(&keys).send().status, 404, "the key has ended");
        run(toggles[0].1);
        see(toggles[0].3, toggles[0].0);
        app.delete(&format!("/api/administrators/{anna}")).key(&full).send().expect(204);
        app.delete(&format!("/api/apikeys/{}", key["ID"])).key(&full).send().expect(204);
        assert_eq!(app.count("select count(*) as n from calendars"), 0);
    }

    /// Made again it has another URL, taken away none; of the URL only a digest is kept, and nothing of it is noted.
    fn its_url_is_a_secret_that_can_be_replaced(app: TestApp) {
        let full = app.full_key();
        let session = app.sign_in();
        assert_eq!(app.delete("/api/calendar").with(&session).send().refusal(), (404, "not_found".into()));
        let before = app.last_event();
        let first = made(app.call("POST", "/api/calendar").with(&session));
        let second = made(app.call("POST", "/api/calendar").with(&session));
        let of_key = made(app.call("POST", "/api/calendar").key(&full));
        for (path, status) in [(&first, 404), (&second, 200), (&of_key, 200)] {
            assert_eq!(app.get(path).send().status, status);
        }
        app.delete("/api/calendar").with(&session).send().expect(204);
        assert_eq!((app.get(&second).send().status, app.get(&of_key).send().status), (404, 200));
        assert_eq!(app.events_after(before), [
            "5106 administrator/1/MasterAdmin administrator/1/MasterAdmin {}",
            "5106 administrator/1/MasterAdmin administrator/1/MasterAdmin {}",
            "5106 apiKey/1/full apiKey/1/full {}",
            "5107 administrator/1/MasterAdmin administrator/1/MasterAdmin {}",
        ]);
        app.flush();
        let noted = app.texts("select path as t from api_usage where path like '/api/calendar/%'");
        assert!(noted.len() >= 5 && noted.iter().all(|path| path == "/api/calendar/{secret}"), "{noted:?}");
        for path in [first, second, of_key] {
            let secret = path.rsplit('/').next().and_then(|name| name.strip_suffix(".ics")).expect("a secret").to_lowercase();
            assert!(!app.rows().iter().any(|row| row.contains(&secret)));
        }
        for odd in ["/api/calendar/x.ics", "/api/calendar/.ics", "/api/calendar/0", "/api/calendar/00.ICS", "/api/calendar/ABCD.ics"] {
            assert_eq!(app.get(odd).send().status, 404, "{odd}");
        }
        // whoever may see no keys has no calendar
        let auditor = app.auditor_key();
        assert_eq!(app.call("POST", "/api/calendar").key(&auditor).send().refusal(), (403, "not_authorized".into()));
    }
}
