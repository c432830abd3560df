//! Of several nodes on one database one does the chores.

use firstkey::app::{App, Rules};
use firstkey::clock::SECOND;
use firstkey::{audit, bootstrap, lease};

use super::{keep_lease, verify, wait_for};
use crate::app::TestApp;
use crate::both;
use crate::sessions::guessing::at_once;

/// Another node on the same database, with the same clock.
fn another_node(app: &TestApp) -> App {
    bootstrap::start(&app.config, app.clock.clone(), Rules::default()).expect("the app starts").0
}

both! {
    fn one_of_two_nodes_holds_the_lease_and_the_other_takes_over_when_it_falls_silent(app: TestApp) {
        let (a, b) = (app.app.clone(), another_node(&app));
        assert!(keep_lease(&a) && !keep_lease(&b));
        for _ in 0..5 {
            app.clock.advance(lease::LASTS - 1);
            assert!(keep_lease(&a) && !keep_lease(&b), "kept before its end");
        }
        app.clock.advance(lease::LASTS);
        assert!(!a.lease.seems_ours(app.clock.now()), "its holder knows that its time is over");
        assert!(keep_lease(&b) && !keep_lease(&a));
        let released = b.lease.clone();
        b.database.write_here(move |db| released.release(db)).expect("released");
        assert!(!b.lease.seems_ours(app.clock.now()));
        assert!(keep_lease(&a), "at once, without waiting for its end");
        // what is not one's own cannot be released
        let stranger = b.lease.clone();
        b.database.write_here(move |db| stranger.release(db)).expect("nothing");
        assert!(!keep_lease(&b) && keep_lease(&a));
    }

    /// A clock that was days ahead, or a row that somebody wrote, stops no chore for longer than a minute.
    fn a_claim_that_reaches_too_far_is_none(app: TestApp) {
        for until in [app.clock.now().plus(8 * 86_400_000).millis(), i64::MAX, app.clock.now().plus(60 * SECOND + 1).millis()] {
            app.execute(&format!("update leases set holder = 'nobody', until = {until}"));
            assert!(keep_lease(&app.app), "{until}");
        }
        app.execute(&format!("update leases set holder = 'another', until = {}", app.clock.now().plus(60 * SECOND).millis()));
        assert!(!keep_lease(&app.app), "clocks of nodes differ a little");
    }

    fn of_eight_who_come_at_once_one_gets_the_lease(app: TestApp) {
        let nodes: Vec<App> = (0..2).map(|_| another_node(&app)).collect();
        for _ in 0..10 {
            app.clock.advance(lease::LASTS);
            at_once(8, |number| keep_lease(&nodes[number % 2]));
            let holders = nodes.iter().filter(|node| node.lease.seems_ours(app.clock.now())).count();
            assert_eq!(holders, 1);
        }
    }

    /// The holder that slept through its lease is refused inside the transaction, whatever it believed.
    fn a_slow_holder_seals_and_removes_nothing_after_its_time(app: TestApp) {
        let (a, b) = (app.app.clone(), another_node(&app));
        assert!(keep_lease(&a));
        app.sign_in();
        app.clock.advance(SECOND);
        assert!(wait_for(audit::seal(&a)).expect("it holds the lease") > 0);
        app.sign_in();
        let before = app.rows();
        app.clock.advance(lease::LASTS);
        wait_for(audit::seal(&a)).expect_err("its time is over");
        app.assert_rows(&before, "nobody holds the lease");
        assert!(keep_lease(&b));
        let before = app.rows();
        wait_for(audit::seal(&a)).expect_err("another holds the lease");
        wait_for(audit::retain(&a)).expect_err("another holds the lease");
        app.assert_rows(&before, "another holds the lease");
        assert_eq!(wait_for(audit::seal(&b)).expect("the new holder"), 1);
        assert_eq!(verify(&app).expect("nothing is wrong").unsealed, 0);
    }
}
