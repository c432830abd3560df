//! Several nodes over one PostgreSQL: what one changes the others stop believing at once.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{asked, is, told};
use crate::app::{Backend, Setup, TestApp, secret};
use crate::both;

/// The longest that a change may take to be known elsewhere.
const AT_MOST: Duration = Duration::from_secs(1);

/// Asks again and again until the answer is the one expected; how long that took.
#[track_caller]
fn until(node: &TestApp, text: &str, expected: &(u16, String)) -> Duration {
    let begun = Instant::now();
    loop {
        let found = told(&asked(node, "", text).send());
        let took = begun.elapsed();
        if found == *expected {
            return took;
        }
        assert!(took < AT_MOST + Duration::from_millis(500), "still {found:?} after {took:?}");
    }
}

struct Two {
    here: TestApp,
    there: TestApp,
    full: String,
}

impl Two {
    fn over(here: TestApp) -> Self {
        let (there, full) = (here.second_node(), here.full_key());
        Self { here, there, full }
    }

    fn key(&self, name: &str) -> (String, String) {
        let key = self.here.post("/api/apikeys", json!({ "keyName": name, "roleID": 2 })).key(&self.full).send();
        let key = key.expect(200).json();
        (format!("/api/apikeys/{}", key["ID"]), secret(&key))
    }

    fn change(&self, path: &str, body: Value) {
        self.here.post(path, body).key(&self.full).send().expect(200);
    }
}

both! {
    /// T-19, D11: a key that is locked, let in or revoked on one node is so on the other within a second.
    fn another_node_knows_of_a_change_within_a_second(app: TestApp) {
        let two = Two::over(app);
        let (path, text) = two.key("watched");
        until(&two.there, &text, &is(200, ""));
        for round in 0..5 {
            two.change(&path, json!({ "active": false }));
            let took = until(&two.there, &text, &is(401, "LOCKED"));
            assert!(took <= AT_MOST, "round {round}: {took:?}");
            two.change(&path, json!({ "active": true }));
            until(&two.there, &text, &is(200, ""));
        }
        two.here.delete(&path).key(&two.full).send().expect(204);
        assert!(until(&two.there, &text, &is(401, "REVOKED")) <= AT_MOST);
    }
}

/// D11: also while the connection is cut by which the other node hears of it, and the database refuses it another for a
/// while; and when it is back everything is as before.
#[test]
fn a_node_that_hears_nothing_believes_nothing_old() {
    let two = Two::over(Setup::new(Backend::Postgres).start());
    let (path, text) = two.key("watched");
    until(&two.there, &text, &is(200, ""));
    for _ in 0..3 {
        // every connection that listens on this database, both nodes'
        two.here.count("select count(pg_terminate_backend(pid)) as n from pg_stat_activity where datname = current_database() and query like '%pg_notify%' and pid <> pg_backend_pid()");
        two.change(&path, json!({ "active": false }));
        assert!(until(&two.there, &text, &is(401, "LOCKED")) <= AT_MOST);
        two.change(&path, json!({ "active": true }));
        assert!(until(&two.there, &text, &is(200, "")) <= AT_MOST);
    }
}
