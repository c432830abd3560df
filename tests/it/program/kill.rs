//! D1: the program, or PostgreSQL, is killed while keys are minted. What was acknowledged is there
//! afterwards, and no key is without its audit event, nor an event without its key.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::binary::{Home, Server, numbers, texts};
use super::load::{Acknowledged, Cluster, ENOUGH, Minting, heal, present, rounds};
use crate::app::Backend;

/// Rounds on one database; a longer run begins afresh after so many.
const ROUNDS_EACH: usize = 100;

/// Looks at the database alone, as it was left.
fn examine(home: &Home, all: &HashSet<i64>) {
    let db = &mut home.database();
    if home.backend == Backend::Sqlite {
        assert_eq!(texts(db, "SELECT integrity_check AS t FROM pragma_integrity_check"), ["ok"]);
        assert_eq!(numbers(db, "SELECT count(*) AS n FROM pragma_foreign_key_check"), [0]);
    }
    let created = "number = 5010 AND target_type = 'apiKey'";
    let mut odd = |what: &str, sql: &str| assert_eq!(numbers(db, sql), Vec::<i64>::new(), "{what}");
    odd(
        "keys without exactly one event",
        &format!(
            "SELECT k.id AS n FROM api_keys k LEFT JOIN audit_events e ON e.target_id = k.id AND {created} \
             GROUP BY k.id HAVING count(e.id) <> 1"
        ),
    );
    odd(
        "events without a key",
        &format!(
            "SELECT target_id AS n FROM audit_events WHERE {created} AND target_id NOT IN (SELECT id FROM api_keys)"
        ),
    );
    odd(
        "keys without exactly one secret",
        "SELECT k.id AS n FROM api_keys k LEFT JOIN api_key_secrets s ON s.api_key_id = k.id AND s.ends IS NULL GROUP BY k.id HAVING count(s.id) <> 1",
    );
    let stored: HashSet<i64> = numbers(db, "SELECT id AS n FROM api_keys").into_iter().collect();
    let lost: Vec<&i64> = all.difference(&stored).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}

/// What one run of rounds came to.
#[derive(Default)]
struct Tally {
    kills: usize,
    acknowledged: usize,
    slowest_start: Duration,
}

impl Tally {
    fn note(&mut self, all: &mut HashSet<i64>, keys: &[Acknowledged]) {
        self.kills += 1;
        self.acknowledged += keys.len();
        for key in keys {
            assert!(all.insert(key.id), "the ID {} was given twice", key.id);
        }
    }

    fn report(&self, backend: Backend) {
        eprintln!(
            "{backend:?}: {} kills, {} acknowledged keys, none lost; slowest start {:?}",
            self.kills, self.acknowledged, self.slowest_start
        );
        assert!(self.acknowledged >= ENOUGH * self.kills, "too little was minted to show anything");
    }

    fn start(&mut self, home: &Home) -> Server {
        let begun = Instant::now();
        let server = home.start();
        self.slowest_start = self.slowest_start.max(begun.elapsed());
        server
    }
}

/// D1, SQLite: 20 kills, 500 in the long form.
#[test]
fn no_acknowledged_key_is_lost_when_the_program_is_killed() {
    let (mut tally, mut left) = (Tally::default(), rounds(20, 500));
    while left > 0 {
        let (home, mut all) = (Home::new(Backend::Sqlite), HashSet::new());
        let maker = home.init();
        let mut server = tally.start(&home);
        for round in 0..left.min(ROUNDS_EACH) {
            let minting = Minting::start(&server, &maker, round);
            minting.go_on_for_a_moment();
            let keys = minting.end(&server.kill());
            tally.note(&mut all, &keys);
            examine(&home, &all);
            server = tally.start(&home);
            present(&server, &keys);
        }
        left = left.saturating_sub(ROUNDS_EACH);
        server.stop();
    }
    tally.report(Backend::Sqlite);
}

/// What is killed in a round.
#[derive(Clone, Copy, Debug)]
enum Victim {
    Program,
    Postgres(Signal),
    Both,
}

/// In turn; PostgreSQL takes seconds to come back, so most rounds leave it alone.
const VICTIMS: [Victim; 10] = [
    Victim::Program,
    Victim::Program,
    Victim::Postgres(Signal::QUIT),
    Victim::Program,
    Victim::Program,
    Victim::Postgres(Signal::KILL),
    Victim::Program,
    Victim::Program,
    Victim::Both,
    Victim::Program,
];

/// D1, PostgreSQL: 20 kills, 200 in the long form; of the program, of PostgreSQL, of both at once. A
/// server whose database was away goes on by itself when it is back.
#[test]
fn no_acknowledged_key_is_lost_when_the_program_or_postgresql_is_killed() {
    let cluster = Cluster::start();
    let (home, mut all, mut tally) = (Home::at(&cluster.url), HashSet::new(), Tally::default());
    let maker = home.init();
    let mut server = tally.start(&home);
    for round in 0..rounds(20, 200) {
        let minting = Minting::start(&server, &maker, round);
        minting.go_on_for_a_moment();
        let victim = VICTIMS[round % VICTIMS.len()];
        let keys = match victim {
            Victim::Program => {
                let keys = minting.end(&server.kill());
                server = tally.start(&home);
                keys
            }
            Victim::Postgres(signal) => {
                cluster.kill(signal);
                cluster.restart();
                let keys = minting.end(&server.log());
                heal(&server, &maker, round);
                keys
            }
            Victim::Both => {
                cluster.kill(Signal::KILL);
                let keys = minting.end(&server.kill());
                cluster.restart();
                server = tally.start(&home);
                keys
            }
        };
        tally.note(&mut all, &keys);
        examine(&home, &all);
        present(&server, &keys);
    }
    server.stop();
    tally.report(Backend::Postgres);
}
