use std::collections::BTreeSet;

use firstkey::clock::{DAY, HOUR, MINUTE};
use serde_json::json;

use super::{address, contact, deliver, ending, person, tell};
use crate::app::TestApp;
use crate::both;

both! {
    /// The mail server is away for a day: it is tried less and less often, and when it is back everything comes, once.
    fn nothing_is_lost_or_doubled_when_the_mail_server_is_away_for_a_day(app: TestApp, |setup| setup.with_mail()) {
        address(&app, "MasterAdmin", "admin@example.com", false);
        let full = app.full_key();
        tell(&app);
        app.smtp().take();
        app.smtp().set_down(true);
        let before = app.smtp().connections();
        for n in 0..8 {
            app.post("/api/apikeys", json!({ "keyName": format!("key {n}"), "roleID": 2 })).key(&full).send().expect(200);
        }
        for _ in 0..24 * 60 {
            app.clock.advance(MINUTE);
            assert_eq!(deliver(&app), 0);
        }
        let tries = app.smtp().connections() - before;
        assert!((20..300).contains(&tries), "{tries}");
        assert_eq!(app.count("select count(*) as n from notices where done_at is null and last_error <> ''"), 8);
        app.smtp().set_down(false);
        app.clock.advance(HOUR + HOUR / 10);
        assert_eq!(deliver(&app), 8, "the first one that arrives lets the others follow");
        let mails = app.smtp().take();
        let subjects: BTreeSet<&str> = mails.iter().map(|mail| mail.header("Subject")).collect();
        let ids: BTreeSet<&str> = mails.iter().map(|mail| mail.header("Message-ID")).collect();
        assert_eq!((mails.len(), subjects.len(), ids.len()), (8, 8, 8));
        assert_eq!(app.count("select count(*) as n from notices where state = 'delivered'"), 9);
    }

    /// A mail server that is away for good is given up on after days, without end for none.
    fn what_never_arrives_is_given_up(app: TestApp, |setup| setup.with_mail()) {
        address(&app, "MasterAdmin", "admin@example.com", false);
        app.smtp().set_down(true);
        app.full_key();
        for _ in 0..8 * 24 {
            app.clock.advance(HOUR);
            deliver(&app);
        }
        assert!(app.smtp().connections() < 30, "{}", app.smtp().connections());
        assert_eq!(app.texts("select state || ': ' || last_error as t from notices"), ["failed: the mail server cannot be reached"]);
        app.smtp().set_down(false);
        assert_eq!(deliver(&app), 0);
    }

    /// A mail server that takes a mail and dies before it says so is sent the same one again: with the same Message-ID,
    /// by which a mailbox drops it.
    fn the_one_possible_duplicate_has_the_same_message_id(app: TestApp, |setup| setup.with_mail()) {
        address(&app, "MasterAdmin", "admin@example.com", false);
        app.full_key();
        app.smtp().forget_to_answer();
        assert_eq!(deliver(&app), 0);
        app.clock.advance(MINUTE);
        assert_eq!(deliver(&app), 1);
        let ids: Vec<String> = app.smtp().take().iter().map(|mail| mail.header("Message-ID").to_owned()).collect();
        assert_eq!((ids.len(), &ids[0]), (2, &ids[1]));
    }

    /// Nodes that send at the same moment send each mail once.
    fn of_two_nodes_one_sends_each_mail(app: TestApp, |setup| setup.with_mail()) {
        let other = app.second_node();
        let full = app.full_key();
        for n in 0..20 {
            contact(&app, &full, &format!("c{n}@example.com"));
        }
        ending(&app, &full, "ends", 11 * DAY);
        tell(&app);
        app.clock.advance(2 * DAY);
        let sent: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = [&app, &other, &app, &other].map(|node| scope.spawn(move || tell(node))).into_iter().collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
        });
        // one that another had just taken is left to that one
        let rest = tell(&app) + tell(&other);
        assert_eq!(sent + rest, 20);
        let addresses = app.smtp().take_addresses();
        assert_eq!((addresses.len(), addresses.iter().collect::<BTreeSet<_>>().len()), (20, 20));
    }

    /// A row whose sender died with it is taken up again by anybody, some minutes later.
    fn what_a_dead_node_had_taken_is_sent_by_another(app: TestApp, |setup| setup.with_mail()) {
        address(&app, "MasterAdmin", "admin@example.com", false);
        app.full_key();
        // as a sender leaves it that was killed: taken a moment ago
        let now = app.clock.now().millis();
        app.execute(&format!("update notices set state = 'taken', attempts = 1, next_at = {}", now + 3 * MINUTE));
        assert_eq!(deliver(&app.second_node()), 0);
        app.clock.advance(3 * MINUTE);
        assert_eq!(deliver(&app.second_node()), 1);
        assert_eq!(app.smtp().take_addresses(), ["admin@example.com"]);
    }

    /// A password that the mail server does not take holds mail back and loses none.
    fn a_refused_password_loses_no_mail(app: TestApp, |setup| setup.with_mail()) {
        let anna = person(&app, "anna", 1, false);
        app.post("/api/apikeys", json!({ "keyName": "k", "roleID": 2 })).with(&anna).send().expect(200);
        // what has been written is not read again: the row holds no password, and neither does its error
        app.execute("update notices set last_error = ''");
        app.smtp().set_down(true);
        deliver(&app);
        let rows = app.rows_of("notices").join("\n");
        assert!(!rows.contains("hunter2") && rows.contains("cannot be reached"), "{rows}");
    }

    /// What was sent is remembered for a month, and then swept away.
    fn old_rows_are_swept_away(app: TestApp, |setup| setup.with_mail()) {
        address(&app, "MasterAdmin", "admin@example.com", false);
        app.full_key();
        deliver(&app);
        let sweep = |app: &TestApp| {
            let now = app.clock.now();
            app.app.database.write_here(move |db| firstkey::notices::sweep(db, now, 500)).expect("swept")
        };
        app.clock.advance(30 * DAY);
        assert_eq!(sweep(&app), 0);
        app.clock.advance(1);
        assert_eq!(sweep(&app), 1);
        assert_eq!(app.count("select count(*) as n from notices"), 0);
    }
}
