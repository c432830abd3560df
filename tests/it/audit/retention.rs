//! Events are removed when their time is over, and only then.

use firstkey::audit;
use firstkey::clock::DAY;

use super::{head, keep_lease, seal, try_execute, verify, verify_with, wait_for, write_events};
use crate::app::{Backend, TestApp};
use crate::both;

fn retain(app: &TestApp) -> i64 {
    assert!(keep_lease(&app.app));
    wait_for(audit::retain(&app.app)).expect("retention")
}

fn events(app: &TestApp) -> i64 {
    app.count("select count(*) as n from audit_events")
}

both! {
    fn whole_segments_go_when_their_newest_event_is_too_old(app: TestApp, |setup| setup.rules.retain_events = 10 * DAY) {
        let first = events(&app);
        seal(&app);
        let noted = head(&app);
        app.clock.advance(5 * DAY);
        write_events(&app, 700);
        seal(&app);
        let middle = head(&app);
        app.clock.advance(5 * DAY);
        assert_eq!(retain(&app), 0, "ten days are not more than ten days");
        app.clock.advance(1);
        write_events(&app, 1);
        let before = events(&app);
        assert_eq!(retain(&app), first);
        assert_eq!(events(&app), before - first + 1, "the cut is an event itself");
        let removed = app.texts("select details as t from audit_events where number = 5070");
        assert_eq!(removed.len(), 1);
        let details: serde_json::Value = serde_json::from_str(&removed[0]).expect("JSON");
        assert_eq!((details["removed"].as_i64(), details["upToPosition"].as_i64()), (Some(first), Some(first)));
        assert_eq!(details["mac"], noted.split_once(':').expect("a head").1);

        let report = verify_with(&app, Some(&middle)).expect("nothing is wrong");
        assert_eq!((report.checked, report.unsealed, report.cut.expect("a cut").position), (700, 2, first));
        assert!(!verify_with(&app, Some(&noted)).expect("the very cut").noted_head_is_gone);

        app.clock.advance(20 * DAY);
        assert_eq!(retain(&app), 500, "the latest segment always stays, and what is not sealed");
        assert_eq!(events(&app), 200 + 3);
        seal(&app);
        app.clock.advance(20 * DAY);
        assert_eq!(retain(&app), 200);
        let report = verify(&app).expect("nothing is wrong");
        assert_eq!((report.checked, report.unsealed), (3, 1));
        assert!(verify_with(&app, Some(&noted)).expect("long gone").noted_head_is_gone);
        assert_eq!(retain(&app), 0);
    }

    /// As many as five hundred events at a time, with one event for each time.
    fn many_small_segments_go_together(app: TestApp, |setup| setup.rules.retain_events = DAY) {
        for _ in 0..60 {
            write_events(&app, 10);
            seal(&app);
        }
        let all = events(&app);
        app.clock.advance(2 * DAY);
        assert_eq!(retain(&app), all - 10);
        assert!((480..=500).contains(&app.count("select max(removed) as n from audit_cuts")));
        assert_eq!(app.count("select cast(sum(removed) as bigint) as n from audit_cuts"), all - 10);
        verify(&app).expect("nothing is wrong");
    }

    /// The triggers let through what lies below a cut and nothing else; cuts themselves stay as they are.
    fn nothing_else_can_be_removed(app: TestApp, |setup| setup.rules.retain_events = DAY) {
        seal(&app);
        app.clock.advance(2 * DAY);
        write_events(&app, 3);
        seal(&app);
        retain(&app);
        seal(&app);
        let before = app.rows();
        let mut tries: Vec<String> = Vec::new();
        for table in ["audit_events", "audit_chain", "audit_seals", "audit_cuts"] {
            tries.push(format!("delete from {table}"));
            let column = if table == "audit_cuts" { "removed" } else if table == "audit_events" { "at" } else { "mac" };
            tries.push(format!("update {table} set {column} = {column}"));
            match app.backend {
                Backend::Postgres => tries.push(format!("truncate {table}")),
                Backend::Sqlite => tries.push(format!("insert or replace into {table} select * from {table}")),
            }
        }
        for sql in tries {
            let refused = try_execute(&app, &sql).expect_err(&sql);
            assert!(refused.cause().unwrap_or_default().contains("append-only"), "{sql}: {refused:?}");
        }
        app.assert_rows(&before, "everything was refused");
    }
}
