//! Guessing passwords and codes: what it costs, what it tells, and whom it hurts.

use std::sync::atomic::{AtomicU64, Ordering};

use diesel::connection::{InstrumentationEvent, set_default_instrumentation};
use serde_json::json;

use crate::app::{ADMIN, PASSWORD, TestApp};
use crate::both;
use crate::http::Answer;

/// Statements that this process has sent to its database.
static STATEMENTS: AtomicU64 = AtomicU64::new(0);

fn count_statements() {
    set_default_instrumentation(|| {
        Some(Box::new(|event: InstrumentationEvent<'_>| {
            // what looks for other processes' changes asks when its time has come, whoever calls meanwhile
            let is_watch = |query: &str| query.contains("data_version") || query.contains("pg_notify");
            if let InstrumentationEvent::StartQuery { query, .. } = event
                && !is_watch(&query.to_string())
            {
                STATEMENTS.fetch_add(1, Ordering::SeqCst);
            }
        }))
    })
    .expect("set once, before any connection");
}

/// An answer without what is different each time.
fn masked(answer: &Answer) -> String {
    let trace = answer.header("x-request-id").expect("a request ID");
    let values = answer.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("date"));
    let mut values: Vec<String> = values.map(|(_, value)| value.replace(trace, "…")).collect();
    values.sort();
    format!("{} {values:?} {}", answer.status, answer.text()).replace(trace, "…")
}

both! {
    /// T-05: whoever is refused gets the same bytes for the same work: one bcrypt run, as many statements.
    fn refusals_are_alike_in_bytes_and_in_work(app: TestApp, |setup| { count_statements(); setup.rules.throttle = false; }) {
        app.administrator("locked", PASSWORD, 1, 0);
        app.execute("update administrators set active = false where username = 'locked'");
        app.administrator("mfa", PASSWORD, 1, 0);
        app.execute(&format!("update administrators set totp_seed = {} where username = 'mfa'", match app.backend {
            crate::app::Backend::Sqlite => "x'00'",
            crate::app::Backend::Postgres => "'\\x00'::bytea",
        }));
        // connections that are opened on first use would count too
        at_once(8, |_| app.try_sign_in("nobody", "wrong").status);
        let mut seen = Vec::new();
        for (name, password, tenant) in [
            (ADMIN, "wrong", ""),
            ("nobody", "wrong", ""),
            ("nobody", PASSWORD, ""),
            ("locked", "wrong", ""),
            ("locked", PASSWORD, ""),
            ("mfa", "wrong", ""),
            (ADMIN, PASSWORD, "no such tenant"),
        ] {
            let (runs, statements) = (app.app.lane.runs(), STATEMENTS.load(Ordering::SeqCst));
            let answer = app.post("/api/sessions", json!({ "userName": name, "password": password, "tenantName": tenant })).send();
            let work = (app.app.lane.runs() - runs, STATEMENTS.load(Ordering::SeqCst) - statements);
            seen.push((masked(&answer), work, name));
        }
        let (bytes, work, _) = seen[0].clone();
        assert!(bytes.starts_with("401 ") && work.0 == 1 && work.1 > 3, "{bytes} {work:?}");
        for (other_bytes, other_work, name) in &seen {
            assert_eq!((other_bytes, other_work), (&bytes, &work), "{name}");
        }
    }

    /// The delays of the throttle: five attempts are free, then each waits twice as long, for known and
    /// unknown names alike; and a right password is not looked at before its turn.
    fn attempts_wait_longer_and_longer(app: TestApp) {
        for name in [ADMIN, "nobody"] {
            for _ in 0..5 {
                app.try_sign_in(name, "wrong").expect(401);
            }
            for (turn, wait) in [1_u64, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900].into_iter().enumerate() {
                let refused = app.try_sign_in(name, PASSWORD).expect(429);
                assert_eq!(refused.header("retry-after"), Some(wait.to_string().as_str()), "turn {turn} of {name}");
                assert_eq!(refused.code(), "sign_in_throttled");
                app.clock.advance(i64::try_from(wait).expect("small") * 1_000);
                app.try_sign_in(name, "wrong").expect(401);
            }
        }
    }

    /// A good sign-in after its wait sets the count back to nothing.
    fn a_good_sign_in_forgets_the_bad_ones(app: TestApp) {
        for _ in 0..5 {
            app.try_sign_in(ADMIN, "wrong").expect(401);
        }
        app.clock.advance(1_000);
        app.try_sign_in(ADMIN, PASSWORD).expect(200);
        for _ in 0..5 {
            app.try_sign_in(ADMIN, "wrong").expect(401);
        }
        assert_eq!(app.count("select unsuccessful_sign_in_attempts as n from administrators where id = 1"), 5);
    }

    /// T-11: an attempt is reserved before the password is looked at, so two hundred at once get no more
    /// than their five.
    fn parallel_guesses_do_not_outrun_the_counter(app: TestApp, |setup| setup.password_threads = 32) {
        let answers = at_once(200, |_| app.try_sign_in(ADMIN, "wrong").status);
        assert_eq!(answers.iter().filter(|status| **status == 401).count(), 5, "{answers:?}");
        assert_eq!(answers.iter().filter(|status| **status == 429).count(), 195, "{answers:?}");
        assert_eq!(app.app.lane.runs(), 5);
    }

    /// Unknown names leave no more than a bucket each, and none of what was typed.
    fn unknown_names_are_not_written_down(app: TestApp) {
        app.try_sign_in("my-password-in-the-wrong-field", "x").expect(401);
        assert_eq!(app.count("select count(*) as n from audit_events where number = 160"), 1);
        let named = "select count(*) as n from audit_events where details like '%wrong-field%' or actor_name like '%wrong%' or target_name like '%wrong%'";
        assert_eq!(app.count(named), 0);
    }

    /// A hundred wrong passwords in a row raise an alarm once, and lock nobody out.
    fn a_hundred_wrong_passwords_raise_an_alarm_and_lock_nobody_out(app: TestApp, |setup| setup.rules.throttle = false) {
        for _ in 0..101 {
            app.try_sign_in(ADMIN, "wrong").expect(401);
        }
        assert_eq!(app.count("select count(*) as n from audit_events where number = 5002"), 1);
        app.try_sign_in(ADMIN, PASSWORD).expect(200);
    }

    /// An attempt that the lane had no room for was none: it is not counted.
    fn an_attempt_that_was_turned_away_is_not_counted(app: TestApp) {
        let turned_away = (0..20)
            .flat_map(|_| at_once(24, |number| app.try_sign_in(&format!("somebody{number}"), "wrong").status))
            .filter(|status| *status == 503)
            .count();
        assert!(turned_away > 0, "the lane was never full");
        let hashed = i64::try_from(app.app.lane.runs()).expect("few");
        assert_eq!(app.count("select cast(sum(failures) as bigint) as n from sign_in_attempts"), hashed);
    }

    /// A lane that is full says so at once, with the time to come again.
    fn a_full_password_lane_answers_503(app: TestApp, |setup| { setup.rules.throttle = false; }) {
        let answers = at_once(64, |_| app.try_sign_in(ADMIN, "wrong"));
        for answer in &answers {
            match answer.status {
                401 => {}
                503 => assert_eq!((answer.code().as_str(), answer.header("retry-after")), ("unavailable", Some("2"))),
                other => panic!("{other}"),
            }
        }
        assert!(answers.iter().any(|answer| answer.status == 401));
    }
}

/// Runs `f` on `count` threads that start together.
pub fn at_once<T: Send>(count: usize, f: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let together = std::sync::Barrier::new(count);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count)
            .map(|number| {
                let (together, f) = (&together, &f);
                scope.spawn(move || {
                    together.wait();
                    f(number)
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}
