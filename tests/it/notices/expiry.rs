use firstkey::clock::{DAY, HOUR, MINUTE};
use serde_json::json;

use super::{address, announce, contact, deliver, ending, ladder, person, tell};
use crate::app::{PASSWORD, TestApp, secret};
use crate::both;

/// A key that ends, minted in a session: a fresh administrator's with an address.
fn minted_by(app: &TestApp, session: &crate::app::Session, name: &str, life: i64) -> i64 {
    let body = json!({ "keyName": name, "roleID": 2, "expiryDate": app.clock.now().plus(life) });
    app.post("/api/apikeys", body).with(session).send().expect(200).json()["ID"].as_i64().expect("an ID")
}

both! {
    /// TC-15: ten days before a key ends its issuer is written to, and the contacts, and whoever asked for notices and
    /// may see keys; each once, however often and by whatever node it is looked.
    fn ten_days_before_the_end_everybody_is_written_to_once(app: TestApp, |setup| setup.with_mail()) {
        let full = app.full_key();
        let anna = person(&app, "anna", 1, false);
        person(&app, "ben", 1, true);
        person(&app, "chris", 1, false);
        let blind = app.role("Blind", &["platformRights.contactRights.canViewContacts"]);
        person(&app, "dora", blind, true);
        person(&app, "erin", 1, true);
        app.execute("update administrators set active = false where username = 'erin'");
        contact(&app, &full, "ops@example.com");
        contact(&app, &full, "BEN@example.com");
        app.post("/api/contacts", json!({ "name": "no address" })).key(&full).send().expect(200);
        let id = minted_by(&app, &anna, "Reports", 20 * DAY);
        tell(&app);
        assert_eq!(app.smtp().take_addresses(), ["anna@example.com"], "of the new key");
        let other = app.second_node();
        app.clock.advance(10 * DAY - 1);
        assert_eq!((tell(&app), tell(&other)), (0, 0), "too early");
        app.clock.advance(1);
        assert_eq!((announce(&app), announce(&other)), (3, 0));
        assert_eq!(deliver(&other) + deliver(&app), 3);
        let mails = app.smtp().take();
        let to: Vec<&str> = mails.iter().map(|mail| mail.to[0].as_str()).collect();
        assert_eq!(to, ["anna@example.com", "ben@example.com", "ops@example.com"]);
        for mail in &mails {
            assert_eq!(mail.to.len(), 1, "nobody sees the others' addresses");
            assert_eq!(mail.header("To"), mail.to[0]);
            assert_eq!((mail.from.as_str(), mail.header("From")), ("firstkey@example.com", "Firstkey <firstkey@example.com>"));
            assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
            assert!(mail.header("Message-ID").ends_with("@example.com>"));
            assert_eq!(mail.header("Subject"), "The API key \"Reports\" expires on December 11, 2026");
            assert!(mail.body.contains(&format!("\"Reports\" (ID {id}) expires on December 11, 2026 at 12:00")), "{}", mail.body);
            assert!(mail.body.contains("in 10 days."), "{}", mail.body);
        }
        for _ in 0..30 {
            app.clock.advance(12 * HOUR);
            assert_eq!((tell(&app), tell(&other)), (0, 0));
        }
    }

    /// TC-15: mail is in the key's language, with dates in the key's zone.
    fn mail_speaks_the_keys_language_and_zone(app: TestApp, |setup| setup.with_mail()) {
        address(&app, "MasterAdmin", "admin@example.com", false);
        let session = app.sign_in();
        // 2026-12-21 15:30 UTC: in Tokyo the next day
        let end = app.clock.now().plus(30 * DAY + 210 * MINUTE - 15_000);
        for (name, locale, zone) in [
            ("Reports", "en-US", "America/New_York"), ("報告", "ja-JP", "Asia/Tokyo"), ("Rapports", "fr-FR", "Europe/Paris"), ("Verslagen", "nl-NL", "Europe/Amsterdam"),
        ] {
            let body = json!({ "keyName": name, "roleID": 2, "expiryDate": end, "locale": locale, "timeZone": zone });
            app.post("/api/apikeys", body).with(&session).send().expect(200);
        }
        assert_eq!(tell(&app), 4);
        let new: Vec<String> = app.smtp().take().iter().map(|mail| mail.header("Subject").to_owned()).collect();
        assert_eq!(new, ["A new API key: \"Reports\"", "Een nieuwe API-sleutel: \"Verslagen\"", "Une nouvelle clé d'API : « Rapports »", "新しいAPIキー「報告」"]);
        app.clock.advance(20 * DAY + 4 * HOUR);
        assert_eq!(tell(&app), 4);
        let mails = app.smtp().take();
        for (subject, sentence) in [
            ("The API key \"Reports\" expires on December 21, 2026", "on December 21, 2026 at 10:30 (America/New_York), in 10 days."),
            ("APIキー「報告」は2026年12月22日に期限切れになります", "2026年12月22日 00:30 (Asia/Tokyo) に期限切れになります。残りは10日です。"),
            ("La clé d'API « Rapports » expire le 21 décembre 2026", "le 21 décembre 2026 à 16:30 (Europe/Paris), dans 10 jours."),
            ("De API-sleutel \"Verslagen\" verloopt op 21 december 2026", "op 21 december 2026 om 16:30 (Europe/Amsterdam), over 10 dagen."),
        ] {
            let found: Vec<_> = mails.iter().filter(|mail| mail.header("Subject") == subject).collect();
            assert_eq!(found.len(), 1, "{subject}: {mails:?}");
            assert!(found[0].body.contains(sentence), "{}", found[0].body);
        }
    }

    /// The end itself may be a step: what is told there is that the key has expired, in its own language.
    fn the_end_itself_can_be_told(app: TestApp, |setup| setup.with_mail()) {
        let full = app.full_key();
        contact(&app, &full, "ops@example.com");
        let profile = json!({ "name": "To the end", "warnBefore": ["1d", "0d"], "default": true });
        let profile = app.post("/api/apikeyprofiles", profile).key(&full).send().expect(200).json();
        assert_eq!(profile["warnBefore"], json!(["1d", "0s"]));
        let end = app.clock.now().plus(2 * DAY);
        for locale in ["en-US", "ja-JP", "fr-FR", "nl-NL"] {
            let body = json!({ "keyName": locale, "roleID": 2, "expiryDate": end, "locale": locale });
            app.post("/api/apikeys", body).key(&full).send().expect(200);
        }
        announce(&app);
        app.clock.advance(DAY);
        assert_eq!(tell(&app), 4);
        app.smtp().take();
        app.clock.advance(DAY - 1);
        assert_eq!(tell(&app), 0);
        app.clock.advance(1);
        assert_eq!(tell(&app), 4);
        let mut subjects: Vec<String> = app.smtp().take().iter().map(|mail| mail.header("Subject").to_owned()).collect();
        subjects.sort();
        assert_eq!(subjects, [
            "APIキー「ja-JP」は期限切れです",
            "De API-sleutel \"nl-NL\" is verlopen",
            "La clé d'API « fr-FR » a expiré",
            "The API key \"en-US\" has expired",
        ]);
        app.clock.advance(DAY);
        assert_eq!(tell(&app), 0, "once");
    }

    /// A ladder is climbed down step by step, the last at the end itself; after a long silence only the nearest step is
    /// told; another end has a ladder of its own.
    fn each_step_of_a_ladder_is_told_once(app: TestApp, |setup| setup.with_mail()) {
        ladder(&app, &[30, 10, 3, 1, 0]);
        let full = app.full_key();
        contact(&app, &full, "ops@example.com");
        let key = ending(&app, &full, "stepped", 31 * DAY);
        announce(&app);
        let mut told = Vec::new();
        for hour in 1..=33 * 24 {
            app.clock.advance(HOUR);
            if tell(&app) > 0 {
                told.push(hour);
            }
        }
        assert_eq!(told, [24, 21 * 24, 28 * 24, 30 * 24, 31 * 24]);
        let subjects: Vec<String> = app.smtp().mails().iter().map(|mail| mail.header("Subject").to_owned()).collect();
        assert!(subjects[..4].iter().all(|subject| subject.contains("expires on")) && subjects[4] == "The API key \"stepped\" has expired");
        app.smtp().take();
        // moved on: the same steps again, for another end
        let path = format!("/api/apikeys/{}", key["ID"]);
        app.post(&path, json!({ "expiryDate": app.clock.now().plus(40 * DAY) })).key(&full).send().expect(200);
        app.clock.advance(10 * DAY);
        assert_eq!(tell(&app), 1);
        // nobody was there from then until two days before the end
        app.clock.advance(28 * DAY);
        assert_eq!(tell(&app), 1);
        assert!(app.smtp().take()[1].body.contains("in 2 days."));
        // and nobody until long after it
        app.clock.advance(90 * DAY);
        assert_eq!(tell(&app), 1);
        assert_eq!(app.smtp().take()[0].header("Subject"), "The API key \"stepped\" has expired");
        assert_eq!(tell(&app), 0);
    }

    /// A key whose end is moved onto a step is told of at once; one that was made there is not: whoever made it knows.
    fn a_key_that_is_moved_onto_a_step_is_told_of_at_once(app: TestApp, |setup| setup.with_mail()) {
        let full = app.full_key();
        contact(&app, &full, "ops@example.com");
        let key = ending(&app, &full, "moved", 90 * DAY);
        ending(&app, &full, "short", 5 * DAY);
        announce(&app);
        assert_eq!(app.smtp().take_addresses().len(), 0);
        deliver(&app);
        app.smtp().take();
        app.clock.advance(DAY);
        let path = format!("/api/apikeys/{}", key["ID"]);
        app.post(&path, json!({ "expiryDate": app.clock.now().plus(9 * DAY) })).key(&full).send().expect(200);
        assert_eq!(deliver(&app), 1);
        assert!(app.smtp().take()[0].body.contains("in 9 days."));
        app.post(&path, json!({ "description": "no other end" })).key(&full).send().expect(200);
        assert_eq!(tell(&app), 0);
    }

    /// What was there before anybody looked is told of once, as far as it has not ended yet.
    fn the_first_look_finds_what_is_near(app: TestApp, |setup| setup.with_mail()) {
        let full = app.full_key();
        contact(&app, &full, "ops@example.com");
        for (name, life) in [("near", 5 * DAY), ("far", 50 * DAY), ("over", DAY)] {
            ending(&app, &full, name, life);
        }
        app.clock.advance(2 * DAY);
        assert_eq!(tell(&app), 1);
        assert!(app.smtp().take()[0].header("Subject").contains("\"near\""));
    }

    /// The clock's steps, backwards and forwards, tell nothing twice and keep nothing back for long.
    fn a_clock_that_steps_tells_nothing_twice(app: TestApp, |setup| setup.with_mail()) {
        let full = app.full_key();
        contact(&app, &full, "ops@example.com");
        ending(&app, &full, "one", 12 * DAY);
        ending(&app, &full, "other", 100 * DAY);
        tell(&app);
        app.smtp().take();
        app.clock.advance(2 * DAY);
        assert_eq!(tell(&app), 1);
        app.clock.advance(-2 * DAY);
        assert_eq!(tell(&app), 0);
        app.clock.advance(2 * DAY + HOUR);
        assert_eq!(tell(&app), 0);
        // a month ahead by mistake, and back
        app.clock.advance(30 * DAY);
        tell(&app);
        app.clock.advance(-30 * DAY);
        app.smtp().take();
        assert_eq!(tell(&app), 0);
        app.clock.advance(88 * DAY);
        assert_eq!(tell(&app), 1);
        assert!(app.smtp().take()[0].header("Subject").contains("\"other\""));
    }

    /// Each tenant's people are written to about that tenant's keys; a suspended one's about none.
    fn nobody_is_written_to_about_another_tenants_keys(app: TestApp, |setup| setup.with_mail()) {
        let full = app.full_key();
        contact(&app, &full, "ours@example.com");
        let tenant = app.tenant("Blue");
        app.administrator("blue", PASSWORD, 1, tenant);
        let body = json!({ "userName": "blue", "password": PASSWORD, "tenantName": "Blue" });
        let session = crate::app::Session::from(&app.post("/api/sessions", body).send().expect(200));
        let theirs = secret(&app.post("/api/apikeys", json!({ "keyName": "maker", "roleID": 1 })).with(&session).send().expect(200).json());
        contact(&app, &theirs, "theirs@example.com");
        ending(&app, &theirs, "their key", 11 * DAY);
        announce(&app);
        app.clock.advance(2 * DAY);
        assert_eq!(tell(&app), 1);
        assert_eq!(app.smtp().take_addresses(), ["theirs@example.com"]);
        ending(&app, &theirs, "their other key", 11 * DAY);
        app.execute(&format!("update tenants set state = 'suspended' where id = {tenant}"));
        app.clock.advance(2 * DAY);
        assert_eq!(tell(&app), 0);
    }

    /// Keys that only their issuers see are written about to these, and to who has Full Access.
    fn a_key_that_is_seen_by_few_is_written_about_to_few(app: TestApp, |setup| setup.with_mail()) {
        app.execute("update api_key_profiles set visibility = 'own' where id = 1");
        let full = app.full_key();
        contact(&app, &full, "ops@example.com");
        let viewer = app.role("Viewer", &["platformRights.apikeyRights.canViewApiKeys"]);
        person(&app, "viewer", viewer, true);
        person(&app, "fullaccess", 1, true);
        let anna = person(&app, "anna", 1, false);
        minted_by(&app, &anna, "own", 11 * DAY);
        tell(&app);
        app.smtp().take();
        app.clock.advance(2 * DAY);
        assert_eq!(tell(&app), 2);
        assert_eq!(app.smtp().take_addresses(), ["anna@example.com", "fullaccess@example.com"]);
    }

    /// Of many keys that end together all are told of, and the ends of others are not even read.
    fn of_many_keys_all_are_told_of(app: TestApp, |setup| setup.with_mail()) {
        let full = app.full_key();
        contact(&app, &full, "ops@example.com");
        let now = app.clock.now();
        announce(&app);
        app.execute(&format!(
            "insert into api_keys (tenant_id, profile_id, kind, key_name, name_fold, description, description_fold, locale, role_id, time_zone, \
             active, created, unsuccessful_sign_in_attempts, expiry_date, service_account, made_with_initial_password) \
             with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < 2000) \
             select 0, 1, 'standard', 'k' || n, 'k' || n, '', '', 'en-US', 2, 'UTC', true, 1, 0, \
             case when n <= 250 then {} else {} + n end, false, false from numbers",
            now.plus(11 * DAY).millis(), now.plus(400 * DAY).millis(),
        ));
        app.clock.advance(DAY);
        assert_eq!(announce(&app), 250);
        assert_eq!(announce(&app), 0);
        assert_eq!(app.count("select count(distinct dedupe) as n from notices where kind = 'mail.apikey.ending'"), 250);
    }

    /// Where no mail server is configured no mail is put in; once there is one, it is begun where the keys are then.
    fn without_a_mail_server_nothing_is_kept_for_one(app: TestApp) {
        let full = app.full_key();
        contact(&app, &full, "ops@example.com");
        address(&app, "MasterAdmin", "admin@example.com", true);
        app.mint("by a person", 2);
        ending(&app, &full, "ends", 11 * DAY);
        announce(&app);
        app.clock.advance(2 * DAY);
        assert_eq!(tell(&app), 0);
        assert_eq!(app.count("select count(*) as n from notices"), 0);
    }
}
