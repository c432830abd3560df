//! The other commands, and starts that are refused: each with a text that says what to do.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use serde_json::{Value, json};

use super::binary::{Home, Server, is_missing, is_on_path, sh};
use crate::app::{ADMIN, Backend, PASSWORD, Session};
use crate::on_both;

const NEW: &str = "another battery, another staple";
const FAKE: &str = "INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231000000')";

/// The administrator's code of this moment, by a generator that is not ours; of `back` steps ago.
fn code(seed: &str, back: u32) -> String {
    let mut oathtool = Command::new("oathtool");
    oathtool.args(["--totp", "--base32", "--now", &format!("{} seconds ago", 30 * back), seed]);
    let said = oathtool.output().expect("oathtool");
    String::from_utf8_lossy(&said.stdout).trim().to_owned()
}

/// Waits until the step of time-based codes has some seconds left.
pub fn wait_for_room_in_the_step() {
    let seconds = firstkey::clock::Clock::System.now().unix_seconds() % 30;
    if seconds > 20 {
        std::thread::sleep(std::time::Duration::from_secs(30 - seconds));
    }
}

/// Turns MFA on; the seed. The code of the step before is used up by it, this step's is not.
pub fn enrol(server: &Server, session: &Session, password: &str) -> String {
    let path = "/api/administrators/1/totp";
    let enrolment = server.with(session, "POST", path, Some(json!({ "password": password }))).expect(200).json();
    let seed = enrolment["seed"].as_str().expect("a seed").to_owned();
    wait_for_room_in_the_step();
    let confirm = json!({ "mfaCode": code(&seed, 1) });
    server.with(session, "POST", &format!("{path}/confirm"), Some(confirm)).expect(204);
    seed
}

/// A sign-in with this moment's code.
pub fn sign_in_with_code(server: &Server, seed: &str) -> (Session, String) {
    let code = code(seed, 0);
    let body = json!({ "userName": ADMIN, "password": PASSWORD, "mfaCode": code });
    (Session::from(&server.post("/api/sessions", &[], body).expect(200)), code)
}

on_both! {
    fn migrate_makes_the_schema_and_a_newer_one_is_refused(home) {
        home.run(&["migrate"]).expect(0);
        assert_eq!(home.count("SELECT count(*) AS n FROM administrators"), 0, "the schema and nothing else");
        let before = home.everything();
        let again = home.run(&["migrate"]).expect(0);
        assert!(again.stdout.contains("up to date"), "{}", again.stdout);
        assert_eq!(home.everything(), before);

        home.execute(FAKE);
        let before = home.everything();
        let words = ["made by a newer Firstkey", "29991231000000", "start that version"];
        home.run(&["migrate"]).refused(&words);
        home.spawn(&[]).end().refused(&words);
        home.run_with(&["init", "--password-stdin"], PASSWORD).refused(&words);
        home.run_with(&["admin", "recover", "--password-stdin"], PASSWORD).refused(&words);
        assert_eq!(home.everything(), before);
        assert!(!home.data().join("master.key").exists() && !home.initial_password_file().exists());
    }

    fn a_foreign_or_exposed_master_key_is_refused(home) {
        let secret = home.init();
        let key = home.data().join("master.key");
        let own = std::fs::read_to_string(&key).expect("a key");
        let before = home.everything();

        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("it is ours");
        home.spawn(&[]).end().refused(&["may be read by others", "chmod 600"]);

        let other = Home::new(Backend::Sqlite);
        other.init();
        firstkey::bootstrap::write_private(&key, &std::fs::read(other.data().join("master.key")).expect("a key"))
            .expect("written");
        let foreign = ["another master key", "--new-master-key"];
        home.spawn(&[]).end().refused(&foreign);
        home.run_with(&["init", "--password-stdin"], PASSWORD).refused(&foreign);
        home.run(&["admin", "unlock", "--username", ADMIN]).refused(&foreign);

        std::fs::remove_file(&key).expect("it is there");
        home.spawn(&[]).end().refused(&["its master key is not at", "--new-master-key"]);
        assert!(!key.exists(), "no key is made for a database that has one");
        firstkey::bootstrap::write_private(&key, b"firstkey-master-key-v1 bm90IGEga2V5\n").expect("written");
        let refused = home.spawn(&[]).end().refused(&["not a master key"]);
        assert!(!refused.stderr.contains("bm90IGEga2V5"));
        assert_eq!(home.everything(), before);

        firstkey::bootstrap::write_private(&key, own.as_bytes()).expect("written");
        assert_eq!(home.start().status_of(&secret), 200);
    }

    /// Beside a running server, which lets the administrator in at once.
    fn recover_sets_a_password_and_ends_the_sessions(home) {
        let secret = home.init();
        let server = home.start();
        let session = server.sign_in(PASSWORD);
        if !is_missing("oathtool", is_on_path("oathtool")) {
            enrol(&server, &session, PASSWORD);
        }
        home.execute("UPDATE administrators SET active = false");
        home.run_with(&["admin", "recover", "--password-stdin"], "too short").refused(&["15 characters"]);
        server.with(&session, "GET", "/api/sessions/current", None);
        home.run_with(&["admin", "recover", "--password-stdin"], NEW).expect(0);
        server.with(&session, "GET", "/api/sessions/current", None).expect(401);
        server.try_sign_in(ADMIN, PASSWORD).expect(401);
        server.sign_in(NEW);
        assert_eq!(server.status_of(&secret), 200, "keys go on working");
        let event = "SELECT count(*) AS n FROM audit_events WHERE number = 653 AND actor_type = 'system'";
        assert_eq!(home.count(event), 1);
    }

    /// The rules are those that the settings have now, stricter or laxer than the program's own; a password that they
    /// refuse changes nothing, the master key least of all.
    fn recover_holds_a_password_to_the_stored_settings(home) {
        let secret = home.init();
        let server = home.start();
        let set = |name: &str, value: &str| {
            let path = format!("/api/systemsettings/platformSettingUserPassword{name}");
            server.post(&path, &[("api-secret-key", &secret)], json!({ "value": value })).expect(200);
        };
        let recover = ["admin", "recover", "--password-stdin"];
        set("LengthMin", "40");
        home.run_with(&recover, NEW).refused(&["40 characters"]);
        set("LengthMin", "8");
        set("RequireLettersAndNumbersEnabled", "true");
        home.run_with(&recover, "no digits in here").refused(&[]);
        home.run_with(&recover, "xq7Lw92bTz4").expect(0);
        server.sign_in("xq7Lw92bTz4");

        server.stop();
        let key = home.data().join("master.key");
        std::fs::remove_file(&key).expect("it is there");
        let before = home.everything();
        let anew = ["admin", "recover", "--new-master-key", "--password-stdin"];
        home.run_with(&anew, "no digits in here").refused(&[]);
        assert!(!key.exists() && home.everything() == before, "nothing is done for a password that is refused");
        home.run_with(&anew, "rk5Vd83mPy6").expect(0);
        home.start().sign_in("rk5Vd83mPy6");
    }

    /// What the first start's password stood for ends with it.
    fn recover_puts_an_end_to_the_initial_password(home) {
        let server = home.start();
        let initial = home.initial_password();
        let session = server.sign_in(&initial);
        let key = json!({ "keyName": "early", "roleID": 1 });
        let key = server.with(&session, "POST", "/api/apikeys", Some(key)).expect(200).json();
        let secret = key["secretKey"].as_str().expect("a secret");
        let warning = || {
            let list = server.get("/api/apikeys", &[("api-secret-key", secret)]).expect(200);
            list.header("x-firstkey-warning").is_some()
        };
        assert!(warning());
        home.run_with(&["admin", "recover", "--password-stdin"], NEW).expect(0);
        assert!(!home.initial_password_file().exists(), "a password that is of no use any more");
        server.try_sign_in(ADMIN, &initial).expect(401);
        server.with(&server.sign_in(NEW), "GET", "/api/apikeys", None).expect(200);
        assert!(!warning());
    }

    fn recover_makes_an_administrator_where_there_is_none_of_the_name(home) {
        home.init();
        home.run_with(&["admin", "recover", "--username", "anna", "--password-stdin"], NEW).expect(0);
        let server = home.start();
        server.try_sign_in("anna", NEW).expect(200);
        server.sign_in(PASSWORD);
    }

    fn unlock_takes_locks_and_delays_off(home) {
        home.init();
        let server = home.start();
        for _ in 0..5 {
            server.try_sign_in(ADMIN, NEW).expect(401);
        }
        home.execute("UPDATE sign_in_attempts SET failures = 30, allowed_at = allowed_at + 900000");
        home.execute("UPDATE administrators SET active = false");
        server.try_sign_in(ADMIN, PASSWORD).expect(429);
        home.run(&["admin", "unlock", "--username", "nobody"]).refused(&["there is no administrator nobody"]);
        server.try_sign_in(ADMIN, PASSWORD).expect(429);
        home.run(&["admin", "unlock", "--username", "masteradmin"]).expect(0);
        server.sign_in(PASSWORD);
        assert_eq!(home.count("SELECT count(*) AS n FROM audit_events WHERE number = 604"), 1);
    }

    /// DS-16: what the administrator had turned on for themselves.
    fn reset_totp_takes_the_second_factor_off(home) {
        if is_missing("oathtool", is_on_path("oathtool")) {
            return;
        }
        home.init();
        let server = home.start();
        let seed = enrol(&server, &server.sign_in(PASSWORD), PASSWORD);
        assert_eq!(server.try_sign_in(ADMIN, PASSWORD).expect(401).code(), "mfa_code_needed");
        let (session, _) = sign_in_with_code(&server, &seed);
        home.run(&["admin", "reset-totp", "--username", ADMIN]).expect(0);
        server.with(&session, "GET", "/api/sessions/current", None).expect(401);
        server.sign_in(PASSWORD);
        assert_eq!(home.count("SELECT count(*) AS n FROM administrators WHERE totp_seed IS NOT NULL"), 0);
    }

    fn a_lost_master_key_costs_passwords_and_no_keys(home) {
        let secret = home.init();
        let command = ["admin", "recover", "--new-master-key", "--password-stdin"];
        let before = home.everything();
        home.run_with(&command, NEW).refused(&["fits the database", "nothing was changed"]);
        assert_eq!(home.everything(), before);

        let key = home.data().join("master.key");
        let lost = std::fs::read(&key).expect("a key");
        std::fs::remove_file(&key).expect("it is there");
        home.run_with(&["admin", "recover", "--password-stdin"], NEW).refused(&["its master key is not at"]);
        home.run_with(&command, NEW).expect(0);
        assert_ne!(std::fs::read(&key).expect("a key"), lost);
        assert_eq!(std::fs::metadata(&key).expect("a file").permissions().mode() & 0o7777, 0o600);

        let server = home.start();
        assert_eq!(server.status_of(&secret), 200, "API keys go on working");
        server.try_sign_in(ADMIN, PASSWORD).expect(401);
        server.sign_in(NEW);
        let answer = server.post("/api/apikeys", &[("api-secret-key", &secret)], json!({ "keyName": "after", "roleID": 2 }));
        assert_eq!(answer.expect(200).json()["roleID"], 2);
        assert_eq!(home.count("SELECT count(*) AS n FROM audit_events WHERE number = 5031"), 1);
    }
}

#[test]
fn version_is_one_line() {
    let home = Home::new(Backend::Sqlite);
    for spelling in ["version", "--version"] {
        assert_eq!(home.run(&[spelling]).expect(0).stdout, format!("firstkey {}\n", env!("CARGO_PKG_VERSION")));
    }
    assert!(!home.data().exists());
}

#[test]
fn an_unknown_setting_is_an_error_that_suggests_the_nearest() {
    let mut home = Home::new(Backend::Sqlite);
    let file = home.write("firstkey.toml", "[sign_in]\nbcrypt_cots = 11\n");
    let file = file.display().to_string();
    home.run(&["--config", &file])
        .refused(&["there is no setting sign_in.bcrypt_cots", "did you mean sign_in.bcrypt_cost?"]);
    home.run(&["serve", "--lisen", "127.0.0.1:0"]).expect(2);
    home.set("FIRSTKEY_LISEN", "127.0.0.1:0");
    assert!(!home.data().exists(), "nothing was made");
    let server = home.start();
    server.says("did you mean FIRSTKEY_LISTEN?");
}

#[test]
fn flags_beat_the_environment_and_that_the_file() {
    let mut home = Home::new(Backend::Sqlite);
    let file = home.write("firstkey.toml", "listen = [\"192.0.2.1:1\"]\ndata = \"from-the-file\"\n");
    home.set("FIRSTKEY_CONFIG", file.display().to_string()).set("FIRSTKEY_LISTEN", "nowhere");
    home.start().stop();
    assert!(home.data().join("firstkey.db").exists() && !home.path("from-the-file").exists());
    home.run(&[]).refused(&["listen, from FIRSTKEY_LISTEN: ", "nowhere"]);
}

#[test]
fn plain_http_stays_on_loopback_unless_told_otherwise_twice() {
    let home = Home::new(Backend::Sqlite);
    home.run(&["--plain-http", "--listen", "0.0.0.0:0"])
        .refused(&["0.0.0.0:0 is not a loopback address", "--plain-http-anywhere"]);
    home.run(&["--plain-http-anywhere", "--listen", "127.0.0.1:0"]).refused(&["says nothing alone"]);
    assert!(!home.data().exists(), "nothing was made");
    for arguments in [
        &["--plain-http", "--listen", "127.0.0.1:0"][..],
        &["--plain-http", "--plain-http-anywhere", "--listen", "0.0.0.0:0"],
    ] {
        let server = home.spawn(arguments).ready();
        assert!(server.url.starts_with("http://"), "{}", server.url);
        if !is_missing("curl", is_on_path("curl")) {
            let health = sh(home.folder.path(), &format!("curl -sS http://{}/readyz", server.address)).expect(0);
            assert_eq!(serde_json::from_str::<Value>(&health.stdout).expect("JSON"), json!({ "status": "ok" }));
        }
        server.stop();
    }
    assert!(!home.certificate().exists(), "no certificate is made for nothing");
}

/// DS-08: 4119 where nothing else is said. As on a machine without IPv6: the one default address that cannot be had is no reason not to start.
#[test]
fn a_missing_ipv6_loopback_is_only_warned_about() {
    let home = Home::new(Backend::Sqlite);
    home.init();
    let taken = TcpListener::bind("[::1]:4119");
    if TcpListener::bind("127.0.0.1:4119").is_err() {
        eprintln!("left out: something else listens on 127.0.0.1:4119");
        return;
    }
    let mut command = home.command(&[]);
    let server = super::binary::Starting::of(&mut command, home.certificate()).ready();
    assert_eq!(server.url, "https://127.0.0.1:4119");
    server.says("[::1]:4119");
    drop(taken);
}

/// A first start that cannot serve has not been: the next one still shows its commands.
#[test]
fn a_first_start_whose_port_is_taken_makes_nothing() {
    let home = Home::new(Backend::Sqlite);
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    home.run(&["--listen", "127.0.0.1:0", "--listen", &address])
        .refused(&[&format!("listen, from --listen: {address}: Address already in use")]);
    assert!(!home.data().exists());
    drop(taken);
    home.start().says("first start");
}
