//! Signing in with a second factor; the codes come from oathtool, which knows nothing of us.

use std::process::Command;

use serde_json::{Value, json};

use super::guessing::at_once;
use crate::app::{ADMIN, PASSWORD, START, Session, TestApp};
use crate::both;
use crate::http::Answer;

/// What oathtool says the code is, `ago` seconds before the held clock's time.
pub fn code(app: &TestApp, seed: &str, ago: i64) -> String {
    let seconds = app.clock.now().millis() / 1_000 - ago;
    let output = Command::new("oathtool")
        .args(["--totp", "--base32", "--now", &format!("@{seconds}"), seed])
        .output()
        .expect("oathtool is installed (tests/run installs it)");
    let text = String::from_utf8(output.stdout).expect("digits");
    assert!(output.status.success(), "{text}");
    text.trim().to_owned()
}

/// Turns MFA on for the administrator; the seed, and the session that did it. The code is used up.
pub fn enrol(app: &TestApp) -> (String, Session) {
    let session = app.sign_in();
    let answer =
        app.post("/api/administrators/1/totp", json!({ "password": PASSWORD })).with(&session).send().expect(200);
    let seed = answer.json()["seed"].as_str().expect("a seed").to_owned();
    let confirm = json!({ "mfaCode": code(app, &seed, 0) });
    app.post("/api/administrators/1/totp/confirm", confirm).with(&session).send().expect(204);
    (seed, session)
}

pub fn sign_in(app: &TestApp, code: Value) -> Answer {
    app.post("/api/sessions", json!({ "userName": ADMIN, "password": PASSWORD, "mfaCode": code })).send()
}

const STEP: i64 = 30_000;

both! {
    /// DS-01, T-08: a right code once; the same again is refused, and so is an older step after a newer one.
    fn a_code_works_once(app: TestApp) {
        let (seed, _) = enrol(&app);
        assert_eq!(sign_in(&app, json!(code(&app, &seed, 0))).refusal(), (401, "sign_in_failed".into()), "used up by the confirmation");
        app.clock.advance(STEP);
        let now = code(&app, &seed, 0);
        sign_in(&app, json!(now)).expect(200);
        assert_eq!(sign_in(&app, json!(now)).refusal(), (401, "sign_in_failed".into()), "a second time");
        app.clock.advance(STEP);
        assert_eq!(sign_in(&app, json!(now)).refusal(), (401, "sign_in_failed".into()), "a second time, within its skew");
    }

    /// One step of skew back is taken, none ahead, and none further back.
    fn one_step_back_is_taken(app: TestApp) {
        let (seed, _) = enrol(&app);
        app.clock.advance(10 * STEP);
        sign_in(&app, json!(code(&app, &seed, 60))).expect(401);
        sign_in(&app, json!(code(&app, &seed, -30))).expect(401);
        sign_in(&app, json!(code(&app, &seed, 30))).expect(200);
        sign_in(&app, json!(code(&app, &seed, 0))).expect(200);
        sign_in(&app, json!(code(&app, &seed, 30))).expect(401);
    }

    /// T-09: a hundred sign-ins with one code, all of which reach the statement: exactly one session.
    fn of_a_hundred_sign_ins_with_one_code_one_succeeds(app: TestApp, |setup| {
        setup.password_threads = 16;
        setup.rules.throttle = false;
        setup.rules.mfa_guesses = 1_000;
        setup.workers = 2;
    }) {
        let (seed, _) = enrol(&app);
        app.clock.advance(STEP);
        let (now, before) = (code(&app, &seed, 0), app.app.lane.runs());
        let answers = at_once(100, |_| sign_in(&app, json!(now)).status);
        assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
        assert_eq!(answers.iter().filter(|status| **status == 401).count(), 99, "{answers:?}");
        assert_eq!(app.app.lane.runs() - before, 100);
        // the enrolment's sign-in and this one
        assert_eq!(app.count("select count(*) as n from audit_events where number = 600"), 2);
    }

    /// T-07: nothing but six ASCII digits is a code; whatever else comes is refused like a wrong one, and counted.
    fn only_six_ascii_digits_are_a_code(app: TestApp, |setup| { setup.rules.throttle = false; setup.rules.mfa_guesses = 1_000; }) {
        let (seed, _) = enrol(&app);
        app.clock.advance(STEP);
        let now = code(&app, &seed, 0);
        let mut spellings: Vec<String> = vec![
            format!(" {now}"), format!("{now} "), format!("{now}\n"), format!("\t{now}"), format!("+{now}"), format!("0{now}"),
            format!("{}\u{a0}{}", &now[..3], &now[3..]), format!("{} {}", &now[..3], &now[3..]), format!("{}-{}", &now[..3], &now[3..]),
            now[..5].into(), String::new(), "NaN".into(), format!("{now}\0"),
        ];
        for zero in ['\u{660}', '\u{6f0}', '\u{966}', '\u{ff10}', '\u{1d7ce}'] {
            spellings.push(now.chars().map(|digit| char::from_u32(zero as u32 + digit.to_digit(10).expect("a digit")).expect("a digit")).collect());
        }
        let blanks = ['\u{1680}', '\u{2000}', '\u{2003}', '\u{2009}', '\u{200b}', '\u{202f}', '\u{205f}', '\u{2060}', '\u{3000}', '\u{feff}'];
        for blank in blanks {
            spellings.extend((0..=6).map(|at| format!("{}{blank}{}", &now[..at], &now[at..])));
        }
        let before = app.count("select unsuccessful_sign_in_attempts as n from administrators where id = 1");
        for spelling in &spellings {
            assert_eq!(sign_in(&app, json!(spelling)).refusal(), (401, "sign_in_failed".into()), "{spelling:?}");
        }
        for number in [json!(-1), json!(1_000_000), json!(i64::MAX)] {
            assert_eq!(sign_in(&app, number.clone()).refusal(), (401, "sign_in_failed".into()), "{number}");
        }
        let counted = app.count("select unsuccessful_sign_in_attempts as n from administrators where id = 1") - before;
        assert_eq!(counted, i64::try_from(spellings.len()).expect("few") + 3);
        for wrong_type in [json!(1.5), json!(true), json!([now]), json!({})] {
            assert_eq!(sign_in(&app, wrong_type.clone()).refusal(), (400, "malformed".into()), "{wrong_type}");
        }
        sign_in(&app, json!(now)).expect(200);
    }

    /// A client that sends the code as a number may lose its leading zeros.
    fn a_code_may_come_as_a_number(app: TestApp) {
        let (seed, _) = enrol(&app);
        app.clock.advance(STEP);
        let now: i64 = code(&app, &seed, 0).parse().expect("digits");
        sign_in(&app, json!(now)).expect(200);
        app.clock.advance(STEP);
        let next: f64 = code(&app, &seed, 0).parse().expect("digits");
        sign_in(&app, json!(next)).expect(200);
    }

    /// With the right password and no code the answer says what is missing; that counts, and resets nothing.
    fn a_missing_code_is_said_and_counts(app: TestApp) {
        enrol(&app);
        for _ in 0..5 {
            let answer = app.try_sign_in(ADMIN, PASSWORD).expect(401);
            assert_eq!(answer.code(), "mfa_code_needed");
        }
        app.try_sign_in(ADMIN, PASSWORD).expect(429);
    }

    /// T-10: who knows the password has ten guesses at the code in a quarter of an hour, and no more.
    fn ten_guesses_at_a_code_in_a_quarter_of_an_hour(app: TestApp, |setup| setup.rules.throttle = false) {
        let (seed, _) = enrol(&app);
        app.clock.advance(20 * 60_000);
        for guess in 0..10 {
            app.clock.advance(1_000);
            assert_eq!(sign_in(&app, json!("000000")).refusal(), (401, "sign_in_failed".into()), "guess {guess}");
        }
        for _ in 0..20 {
            app.clock.advance(30_000);
            let refused = sign_in(&app, json!(code(&app, &seed, 0))).expect(429);
            assert_eq!(refused.header("retry-after"), Some("900"));
        }
        app.clock.advance(5 * 60_000);
        sign_in(&app, json!(code(&app, &seed, 0))).expect(200);
    }

    /// T-16: turning MFA on ends the other sessions; turning it off does too.
    fn a_change_of_factor_ends_the_other_sessions(app: TestApp) {
        let other = app.sign_in();
        let (seed, mine) = enrol(&app);
        let status = |session: &Session| app.get("/api/sessions/current").with(session).send().status;
        assert_eq!((status(&mine), status(&other)), (200, 401));
        app.clock.advance(STEP);
        let other = Session::from(&sign_in(&app, json!(code(&app, &seed, 0))).expect(200));
        app.clock.advance(STEP);
        let remove = json!({ "password": PASSWORD, "mfaCode": code(&app, &seed, 0) });
        app.delete("/api/administrators/1/totp").json(remove).with(&mine).send().expect(204);
        assert_eq!((status(&mine), status(&other)), (200, 401));
        app.try_sign_in(ADMIN, PASSWORD).expect(200);
    }

    /// The seed lies sealed in the database, and one moved to another administrator opens nothing.
    fn a_seed_is_sealed_for_its_owner(app: TestApp) {
        let (seed, _) = enrol(&app);
        let clear = data_encoding::BASE32_NOPAD.decode(seed.as_bytes()).expect("base32");
        assert_eq!(clear.len(), 20);
        let hex: String = clear.iter().map(|byte| format!("{byte:02X}")).collect();
        let column = match app.backend {
            crate::app::Backend::Sqlite => "hex(totp_seed)",
            crate::app::Backend::Postgres => "upper(encode(totp_seed, 'hex'))",
        };
        assert_eq!(app.count(&format!("select count(*) as n from administrators where {column} like '%{hex}%'")), 0);
        app.administrator("eve", "a password that eve has chosen", 2, 0);
        app.execute("update administrators set totp_seed = (select totp_seed from administrators where id = 1) where username = 'eve'");
        app.clock.advance(STEP);
        let body = json!({ "userName": "eve", "password": "a password that eve has chosen", "mfaCode": code(&app, &seed, 0) });
        assert_ne!(app.post("/api/sessions", body).send().status, 200);
        assert!(START < app.clock.now());
    }
}
