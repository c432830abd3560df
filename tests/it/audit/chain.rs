//! How events come into the chain.

use diesel::Connection as _;
use diesel::prelude::*;
use firstkey::audit;
use firstkey::audit::chain::Wrong;
use firstkey::audit::verify::Unchecked;
use firstkey::keyring::AuditKey;
use serde_json::json;

use super::{drop_triggers, head, keep_lease, seal, try_execute, verify, verify_with, wait_for, write_events};
use crate::app::{Backend, TestApp, postgres_url};
use crate::both;

fn count(app: &TestApp, table: &str) -> i64 {
    app.count(&format!("select count(*) as n from {table}"))
}

both! {
    fn every_event_is_sealed_once_and_a_quiet_second_adds_nothing(app: TestApp) {
        assert_eq!(verify(&app).expect("nothing is wrong").checked, 0, "nothing is sealed yet");
        app.full_key();
        let events = count(&app, "audit_events");
        assert_eq!(verify(&app).expect("nothing is wrong").unsealed, events);
        assert_eq!(seal(&app), events);
        assert_eq!((count(&app, "audit_chain"), count(&app, "audit_seals")), (events, 1));
        let before = app.rows();
        assert_eq!(seal(&app), 0);
        app.assert_rows(&before, "a quiet second");

        let noted = head(&app);
        app.sign_in();
        let unsealed = verify_with(&app, Some(&noted)).expect("nothing is wrong");
        assert_eq!((unsealed.checked, unsealed.unsealed), (events, 1));
        assert_eq!(seal(&app), 1);
        let report = verify_with(&app, Some(&noted)).expect("nothing is wrong");
        assert_eq!((report.checked, report.unsealed, report.unchecked), (events + 1, 0, None));
        assert_ne!(head(&app), noted);
    }

    fn an_outage_is_caught_up_with_in_segments_of_five_hundred(app: TestApp) {
        seal(&app);
        write_events(&app, 1_201);
        assert_eq!(seal(&app), 1_201);
        assert_eq!(app.count("select max(last_position - first_position) + 1 as n from audit_seals"), 500);
        assert_eq!(count(&app, "audit_seals"), 4);
        assert_eq!(verify(&app).expect("nothing is wrong").checked, count(&app, "audit_events"));
    }

    /// With the server's own role, through both tables' triggers; SQLite's REPLACE too, which asks no DELETE trigger.
    fn the_database_refuses_to_change_or_remove_what_happened(app: TestApp) {
        app.sign_in();
        seal(&app);
        app.sign_in();
        let before = app.rows();
        for (table, column) in
            [("audit_events", "details"), ("audit_chain", "event_id"), ("audit_seals", "sealed_at")]
        {
            let mut tries = vec![
                format!("update {table} set {column} = {column}"),
                format!("delete from {table}"),
            ];
            match app.backend {
                Backend::Postgres => tries.push(format!("truncate {table}")),
                Backend::Sqlite => tries.push(format!("insert or replace into {table} select * from {table}")),
            }
            for sql in tries {
                let refused = try_execute(&app, &sql).expect_err(&sql);
                assert!(refused.cause().unwrap_or_default().contains("append-only"), "{sql}: {refused:?}");
            }
        }
        app.assert_rows(&before, "everything was refused");
    }

    /// What is sealed is what the tables hold of all tenants, first start and commands included.
    fn events_of_every_tenant_stand_in_one_chain(app: TestApp) {
        let tenant = app.tenant("Blue");
        app.administrator("blue", crate::app::PASSWORD, 1, tenant);
        let body = json!({ "userName": "blue", "password": crate::app::PASSWORD, "tenantName": "Blue" });
        app.post("/api/sessions", body).send().expect(200);
        seal(&app);
        let tenants = "select count(distinct tenant_id) as n from audit_events join audit_chain on event_id = id";
        assert_eq!(app.count(tenants), 2);
    }
}

/// A number that was given before another's, in a transaction that ends after it was sealed: it comes into a later
/// segment, and nobody calls it slipped in. SQLite has one writer, and no such numbers.
#[test]
fn a_lower_number_that_is_committed_later_is_sealed_later() {
    let app = crate::app::Setup::new(Backend::Postgres).start();
    seal(&app);
    let url = match &app.config.database {
        firstkey::config::DatabaseUrl::Postgres(url) => secrecy::ExposeSecret::expose_secret(url).to_owned(),
        firstkey::config::DatabaseUrl::Sqlite(_) => postgres_url("postgres"),
    };
    let mut slow = PgConnection::establish(&url).expect("a connection");
    let run = |db: &mut PgConnection, sql: &str| diesel::sql_query(sql).execute(db).expect("the statement is right");
    let now = app.clock.now().millis();
    run(&mut slow, "begin");
    run(
        &mut slow,
        &format!(
            "insert into audit_events (tenant_id, at, number, name, level, actor_type, actor_name, address, request_id, \
             target_type, target_name, details) values (0, {now}, 600, 'slow', 'info', 'system', '', '', '', '', '', '{{}}')"
        ),
    );
    app.sign_in();
    assert_eq!(seal(&app), 1, "the one that is committed");
    assert_eq!(verify(&app).expect("nothing is wrong").unsealed, 0);
    run(&mut slow, "commit");
    assert_eq!(verify(&app).expect("no false alarm").unsealed, 1);
    app.sign_in();
    assert_eq!(seal(&app), 2);
    let report = verify(&app).expect("nothing is wrong");
    assert_eq!((report.checked, report.unsealed), (app.count("select count(*) as n from audit_events"), 0));
    let positions = "select count(*) as n from audit_chain a join audit_chain b on a.position < b.position and a.event_id > b.event_id";
    assert_eq!(app.count(positions), 1, "the chain's order is that of sealing");
}

both! {
    /// Somebody who writes the database says that what the old key sealed is an unknown key's. With the old key at hand
    /// that is found; without it, what cannot be checked is named.
    fn nothing_is_passed_off_as_an_unknown_keys_where_the_old_key_is_given(app: TestApp) {
        seal(&app);
        write_events(&app, 10);
        seal(&app);
        write_events(&app, 5);
        let other = crate::app::Setup::new(Backend::Sqlite).start();
        let (old, new) = (app.app.keyring.audit_key().clone(), other.app.keyring.audit_key().clone());
        let (now, key) = (app.clock.now(), new.clone());
        app.app.database.write_here(move |db| audit::begin_epoch(db, &key, now)).expect("an epoch begins");
        let (alone, both) = ([new.clone()], [new, old]);
        let verify = |keys: &[AuditKey]| audit::verify::verify(&app.app.database, keys, None).expect("it answers");
        let all = app.count("select max(position) as n from audit_chain");
        let first = app.count("select last_position as n from audit_seals where id = 1");
        let untouched = |checked: i64| {
            let report = verify(&both).expect("nothing was done yet");
            assert_eq!((report.checked, report.unchecked, report.cut_is_unchecked), (checked, None, false));
        };
        untouched(all);
        drop_triggers(&app);

        // one segment, then the other: with an event changed in it, nobody without the key can tell
        let own = app.texts("select key_id as t from audit_seals where id = 1").remove(0);
        for (segment, wrong) in [(1, Wrong::ForeignKey), (2, Wrong::UnknownKey)] {
            app.execute(&format!("update audit_seals set key_id = '0123456789abcdef' where id = {segment}"));
            let position = "(select min(event_id) from audit_chain where position >= (select first_position from audit_seals where id = ";
            let event = format!("{position}{segment}))");
            app.execute(&format!("update audit_events set target_name = target_name || '!' where id = {event}"));
            let report = verify(&alone).expect("nobody can know");
            let unchecked = Unchecked { first_segment: 1, last_segment: 2, first: 1, events: first + 10 };
            assert_eq!((report.checked, report.unchecked), (5, Some(unchecked)));
            assert_eq!(verify(&both).expect_err("forged").wrong, wrong, "segment {segment}");
            app.execute(&format!("update audit_events set target_name = substr(target_name, 1, length(target_name) - 1) where id = {event}"));
            app.execute(&format!("update audit_seals set key_id = '{own}' where id = {segment}"));
            untouched(all);
        }

        // a record of retention that there never was, over one segment and over all that the old key sealed
        for (segment, wrong) in [(1, Wrong::Cut), (2, Wrong::UnknownKey)] {
            app.execute(&format!(
                "insert into audit_cuts (position, seal_id, head, cut_at, removed, key_id, mac) \
                 select last_position, id, head, sealed_at, last_position, '0123456789abcdef', mac from audit_seals where id = {segment}"
            ));
            let below = format!("(select last_position from audit_seals where id = {segment})");
            app.execute(&format!("delete from audit_events where id in (select event_id from audit_chain where position <= {below})"));
            app.execute(&format!("delete from audit_chain where position <= {below}"));
            app.execute(&format!("delete from audit_seals where id <= {segment}"));
            assert!(verify(&alone).expect("nobody can know").cut_is_unchecked);
            assert_eq!(verify(&both).expect_err("forged").wrong, wrong, "up to segment {segment}");
        }
    }
}

/// A chain that went on under another master key, as `admin recover --new-master-key` makes it, is not gone on with
/// by a node that still has the old one; and what the old one sealed is checked with the old one only.
#[test]
fn a_replaced_master_key_goes_on_from_the_old_ones_head() {
    let app = crate::app::Setup::new(Backend::Sqlite).start();
    let sealed = seal(&app);
    app.sign_in();
    let other = crate::app::Setup::new(Backend::Sqlite).start();
    let (old, new) = (app.app.keyring.audit_key().clone(), other.app.keyring.audit_key().clone());
    let verify = |keys: &[_]| audit::verify::verify(&app.app.database, keys, None).expect("it answers");
    assert_eq!(verify(std::slice::from_ref(&new)).expect_err("another key").wrong, Wrong::ForeignKey);
    let (now, key) = (app.clock.now(), new.clone());
    app.app.database.write_here(move |db| audit::begin_epoch(db, &key, now)).expect("an epoch begins");
    let report = verify(std::slice::from_ref(&new)).expect("no false alarm");
    let unchecked = Unchecked { first_segment: 1, last_segment: 1, first: 1, events: sealed };
    assert_eq!((report.checked, report.unchecked), (1, Some(unchecked)));
    assert_eq!(verify(&[new, old.clone()]).expect("all of it").checked, sealed + 1);
    assert_eq!(verify(&[old]).expect_err("the old key alone").wrong, Wrong::ForeignKey);
    let before = app.rows();
    app.sign_in();
    assert!(keep_lease(&app.app));
    wait_for(audit::seal(&app.app)).expect_err("this node has the old key");
    assert_eq!(
        app.rows_of("audit_chain"),
        before.iter().filter(|row| row.starts_with("audit_chain")).cloned().collect::<Vec<_>>()
    );
}
