//! Somebody owns the database, drops the triggers and changes history: the first event that it concerns is named.

use firstkey::audit::chain::Wrong;
use firstkey::clock::DAY;

use super::{drop_triggers, head, keep_lease, seal, verify, verify_with, wait_for, write_events};
use crate::app::{Backend, TestApp};
use crate::both;

/// Two segments of ten events each, behind the first start's, and no triggers any more; the first ID of the ten.
fn sealed(app: &TestApp) -> i64 {
    seal(app);
    let first = app.last_event() + 1;
    write_events(app, 10);
    seal(app);
    write_events(app, 10);
    seal(app);
    verify(app).expect("nothing was done yet");
    drop_triggers(app);
    first
}

/// What is found, and at which event.
fn found(app: &TestApp) -> (Option<i64>, Wrong) {
    let fault = verify(app).expect_err("it was tampered with");
    println!("{fault}");
    (fault.event, fault.wrong)
}

fn columns(app: &TestApp) -> Vec<String> {
    app.texts(match app.backend {
        Backend::Sqlite => "select name as t from pragma_table_info('audit_events')",
        Backend::Postgres => {
            "select column_name::text as t from information_schema.columns where table_name = 'audit_events' order by ordinal_position"
        }
    })
}

both! {
    /// Each column in turn, so that one that is added later cannot be forgotten.
    fn a_change_of_any_column_is_found(app: TestApp) {
        let id = sealed(&app) + 4;
        for column in columns(&app) {
            let numbers = ["id", "tenant_id", "at", "number", "actor_id", "target_id"];
            let (changed, back) = match (numbers.contains(&column.as_str()), column.ends_with("_id") && column != "tenant_id") {
                (true, false) => (format!("{column} + 1000000"), format!("{column} - 1000000")),
                (true, true) => ("0".to_owned(), "null".to_owned()),
                _ => (format!("{column} || ' '"), format!("substr({column}, 1, length({column}) - 1)")),
            };
            app.execute(&format!("update audit_events set {column} = {changed} where id = {id}"));
            let wrong = if column == "id" { Wrong::Removed } else { Wrong::Changed };
            assert_eq!(found(&app), (Some(id), wrong), "{column}");
            let now = if column == "id" { id + 1_000_000 } else { id };
            app.execute(&format!("update audit_events set {column} = {back} where id = {now}"));
            verify(&app).unwrap_or_else(|fault| panic!("{column} is back: {fault}"));
        }
    }

    /// A link before the chain's beginning covers up nothing: neither an event that was slipped in nor one to come.
    fn a_link_before_the_beginning_is_found(app: TestApp) {
        let first = sealed(&app);
        app.execute(&format!(
            "insert into audit_events select 0, tenant_id, at, number, name, level, actor_type, actor_id, 'Mallory', address, request_id, \
             target_type, target_id, target_name, details, 'mallory', target_name_fold from audit_events where id = {first}"
        ));
        let nothing = if app.backend == Backend::Sqlite { "x'00'" } else { "'\\x00'::bytea" };
        app.execute(&format!("insert into audit_chain (position, event_id, mac) values (0, 0, {nothing})"));
        assert_eq!(found(&app), (Some(0), Wrong::BelowCut));
        app.execute("delete from audit_chain where position = 0");
        assert_eq!(found(&app), (Some(0), Wrong::SlippedIn));
        app.execute("delete from audit_events where id = 0");
        verify(&app).expect("all is as before");
        let to_come = app.last_event() + 1;
        app.execute(&format!("insert into audit_chain (position, event_id, mac) values (-1, {to_come}, {nothing})"));
        assert_eq!(found(&app), (Some(to_come), Wrong::BelowCut));
    }

    /// SQLite takes any value in any column: one that only reads as the sealed one is a change.
    fn a_value_of_another_type_is_found(app: TestApp) {
        let first = sealed(&app);
        if app.backend == Backend::Postgres {
            return; // which takes none
        }
        for (column, value) in [("tenant_id", "tenant_id || 'x'"), ("at", "at + 0.9"), ("level", "cast(level as blob)")] {
            let before = app.texts(&format!("select quote({column}) as t from audit_events where id = {first}"));
            app.execute(&format!("update audit_events set {column} = {value} where id = {first}"));
            assert_eq!(found(&app), (Some(first), Wrong::Mistyped), "{column}");
            app.execute(&format!("update audit_events set {column} = {} where id = {first}", before[0]));
        }
        verify(&app).expect("all is as before");
    }

    fn an_event_that_was_removed_is_found(app: TestApp) {
        let first = sealed(&app);
        app.execute(&format!("delete from audit_events where id = {}", first + 12));
        assert_eq!(found(&app), (Some(first + 12), Wrong::Removed));
        app.execute(&format!("delete from audit_events where id = {}", first + 3));
        assert_eq!(found(&app), (Some(first + 3), Wrong::Removed), "the first of the two");
    }

    /// With its link too, so that only the place is left empty; or with all that follows moved up.
    fn an_event_that_was_removed_with_its_link_is_found(app: TestApp) {
        let first = sealed(&app);
        let position = app.count(&format!("select position as n from audit_chain where event_id = {}", first + 3));
        app.execute(&format!("delete from audit_events where id = {}", first + 3));
        app.execute(&format!("delete from audit_chain where position = {position}"));
        let fault = verify(&app).expect_err("a place is empty");
        assert_eq!((fault.position, fault.wrong), (Some(position), Wrong::Removed));
        app.execute(&format!("update audit_chain set position = -position where position > {position}"));
        app.execute("update audit_chain set position = -position - 1 where position < 0");
        assert_eq!(found(&app), (Some(first + 4), Wrong::Changed), "the one that stands in its place");
    }

    fn an_event_that_was_slipped_in_is_found(app: TestApp) {
        sealed(&app);
        // PostgreSQL waits a while for late numbers
        app.clock.advance(DAY);
        write_events(&app, 1);
        seal(&app);
        let insert = |id: i64| {
            app.execute(&format!(
                "insert into audit_events (id, tenant_id, at, number, name, level, actor_type, actor_name, address, request_id, \
                 target_type, target_name, details, actor_name_fold, target_name_fold) \
                 values ({id}, 0, 1, 600, 'User Signed In', 'info', 'administrator', 'Ben', '', '', '', '', '{{}}', 'ben', '')"
            ))
        };
        insert(0);
        assert_eq!(found(&app), (Some(0), Wrong::SlippedIn));
        // the server does not seal it either
        assert_eq!(seal(&app), 0);
        assert_eq!(found(&app), (Some(0), Wrong::SlippedIn));
    }

    fn two_events_that_were_swapped_are_found(app: TestApp) {
        let first = sealed(&app);
        let (a, b) = (first + 2, first + 7);
        app.execute(&format!("update audit_events set target_name = 'Ben' where id = {b}"));
        assert_eq!(found(&app), (Some(b), Wrong::Changed));
        app.execute(&format!("update audit_events set target_name = 'Anna' where id = {b}"));
        for (from, to) in [(a, -1), (b, a), (-1, b)] {
            app.execute(&format!("update audit_events set id = {to} where id = {from}"));
        }
        // equal but for their IDs: nothing is different
        verify(&app).expect("twins");
        for (from, to) in [(a, -1), (b, a), (-1, b)] {
            app.execute(&format!("update audit_chain set event_id = {to} where event_id = {from}"));
        }
        assert_eq!(found(&app), (Some(b), Wrong::Changed), "the one that now stands first");
    }

    fn a_forged_mac_is_found_and_told_from_a_forged_event(app: TestApp) {
        let first = sealed(&app);
        let zeros = match app.backend {
            Backend::Sqlite => "zeroblob(32)",
            Backend::Postgres => "decode(repeat('00', 32), 'hex')",
        };
        for id in [first + 2, first + 9] {
            let mac = match app.backend {
                Backend::Sqlite => format!("select 'x''' || hex(mac) || '''' as t from audit_chain where event_id = {id}"),
                Backend::Postgres => format!("select 'decode(''' || encode(mac, 'hex') || ''', ''hex'')' as t from audit_chain where event_id = {id}"),
            };
            let mac = app.texts(&mac).concat();
            app.execute(&format!("update audit_chain set mac = {zeros} where event_id = {id}"));
            assert_eq!(found(&app), (Some(id), Wrong::Mac));
            app.execute(&format!("update audit_chain set mac = {mac} where event_id = {id}"));
            verify(&app).expect("it is back");
        }
        app.execute(&format!("update audit_seals set head = {zeros} where id = 2"));
        assert_eq!(found(&app).1, Wrong::Seal);
    }

    fn a_seal_that_was_changed_or_removed_is_found(app: TestApp) {
        sealed(&app);
        for column in ["highest_event", "newest", "sealed_at", "epoch_first", "first_position", "last_position"] {
            for seal in [2, 3] {
                app.execute(&format!("update audit_seals set {column} = {column} + 1 where id = {seal}"));
                assert_eq!(found(&app).1, Wrong::Seal, "{column} of {seal}");
                app.execute(&format!("update audit_seals set {column} = {column} - 1 where id = {seal}"));
            }
        }
        verify(&app).expect("all is back");
        app.execute("delete from audit_seals where id = 2");
        assert_eq!(found(&app).1, Wrong::SealRemoved);
        app.execute("delete from audit_seals where id = 3");
        assert_eq!(found(&app).1, Wrong::SealRemoved, "links without a seal");
        app.execute("delete from audit_seals");
        assert_eq!(found(&app).1, Wrong::SealRemoved, "links without any");
    }

    /// Cleanly cut off, nothing in the database can tell; a head that was noted can.
    fn an_end_that_was_cut_off_is_found_by_a_noted_head(app: TestApp) {
        let first = sealed(&app);
        let noted = head(&app);
        let earlier = app.texts(match app.backend {
            Backend::Sqlite => "select last_position || ':' || lower(hex(head)) as t from audit_seals where id = 2",
            Backend::Postgres => "select last_position || ':' || encode(head, 'hex') as t from audit_seals where id = 2",
        }).concat();
        app.execute(&format!("delete from audit_events where id >= {}", first + 10));
        app.execute(&format!("delete from audit_chain where event_id >= {}", first + 10));
        app.execute("delete from audit_seals where id = 3");
        verify(&app).expect("nothing to see");
        verify_with(&app, Some(&earlier)).expect("this one is still there");
        for noted in [noted.as_str(), noted.split_once(':').expect("a head").1] {
            assert_eq!(verify_with(&app, Some(noted)).expect_err("cut off").wrong, Wrong::HeadNotFound);
        }
        // and it stays so when the server goes on
        app.sign_in();
        seal(&app);
        assert_eq!(verify_with(&app, Some(&noted)).expect_err("replaced").wrong, Wrong::HeadNotFound);
    }

    /// Retention is no way to get rid of history.
    fn a_forged_cut_and_what_is_put_below_one_are_found(app: TestApp, |setup| setup.rules.retain_events = DAY) {
        seal(&app);
        app.clock.advance(2 * DAY);
        write_events(&app, 3);
        seal(&app);
        assert!(keep_lease(&app.app));
        assert!(wait_for(firstkey::audit::retain(&app.app)).expect("retention") > 0);
        seal(&app);
        verify(&app).expect("nothing is wrong");
        drop_triggers(&app);
        let cut = app.count("select max(position) as n from audit_cuts");
        app.execute("update audit_cuts set removed = removed + 1");
        assert_eq!(found(&app).1, Wrong::Cut);
        app.execute("update audit_cuts set removed = removed - 1");
        app.execute(&format!(
            "insert into audit_cuts select position + 1, seal_id, head, cut_at, removed, key_id, mac from audit_cuts where position = {cut}"
        ));
        assert_eq!(found(&app).1, Wrong::Cut);
        app.execute(&format!("delete from audit_cuts where position > {cut}"));
        app.execute(&format!("insert into audit_chain select {cut}, -5, mac from audit_chain where position = {}", cut + 1));
        assert_eq!(found(&app), (Some(-5), Wrong::BelowCut));
        app.execute("delete from audit_chain where event_id = -5");
        app.execute("delete from audit_cuts");
        assert_eq!(found(&app).1, Wrong::SealRemoved);
    }
}
