//! The first start: what it makes, what it says, and that it happens once (T-33).

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use firstkey::bootstrap::FirstAdministrator;
use firstkey::clock::{DAY, MINUTE};
use serde_json::{Value, json};

use super::binary::{Home, Starting, is_missing, is_on_path, sh};
use crate::app::{ADMIN, PASSWORD, Session, TestApp};
use crate::{both, on_both};

const ADMINISTRATORS: &str = "SELECT count(*) AS n FROM administrators";

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode() & 0o7777
}

on_both! {
    /// T-33: what it makes is for the operator alone, and the network is told nothing.
    fn a_first_start_makes_private_files_says_ready_once_and_happens_once(home) {
        let server = home.start();
        let data = home.data();
        assert_eq!(mode(&data), 0o700);
        for file in ["master.key", "initial-admin-password", "tls/key.pem"] {
            assert_eq!(mode(&data.join(file)), 0o600, "{file}");
        }
        for entry in std::fs::read_dir(&data).expect("a folder") {
            let path = entry.expect("an entry").path();
            assert_eq!(mode(&path) & 0o077, 0, "{} is open to others", path.display());
        }
        let password = home.initial_password();
        assert_eq!(password.len(), 32, "160 bits in base32, without a newline");
        assert!(password.bytes().all(|byte| byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte)));

        // T-33: nobody on the network is told it, whatever they ask or send.
        let openapi = server.get("/openapi.json", &[]).expect(200).text();
        let wrong = json!({ "userName": password, "password": [password], "accessType": password });
        let errors = server.post("/api/sessions", &[], wrong).expect(400).text();
        assert!(!openapi.contains(&password) && !errors.contains(&password), "{errors}");
        let health = server.get("/healthz", &[]).expect(200).text() + &server.get("/readyz", &[]).expect(200).text();
        assert!(!health.contains(&password));

        let said = server.stop();
        assert_eq!(said.stdout.lines().count(), 1, "{}", said.stdout);
        assert!(said.stdout.starts_with("ready https://127.0.0.1:"), "{}", said.stdout);
        assert!(!said.stderr.contains(&password), "the password is in the log");
        assert!(said.stderr.contains("/api/sessions") && said.stderr.contains("initial-admin-password"));

        let server = home.start();
        assert_eq!(home.count(ADMINISTRATORS), 1);
        assert_eq!(home.initial_password(), password, "the same password, in the same file");
        let said = server.stop();
        assert!(!said.stderr.contains("first start"), "{}", said.stderr);
    }

    fn the_two_printed_commands_mint_a_key_and_that_key_another(home) {
        let server = home.set("FIRSTKEY_LOG_FORMAT", "text").spawn(&[]).ready();
        run_what_is_printed(&home, &server.url, &server_says_commands(&server));
        server.stop();
    }

    /// A container listens everywhere, which is no address that anybody can call.
    fn the_printed_commands_work_for_a_server_that_listens_everywhere(home) {
        let server = home.set("FIRSTKEY_LOG_FORMAT", "text").spawn(&["--listen", "0.0.0.0:0"]).ready();
        run_what_is_printed(&home, &format!("https://{}", server.address), &server_says_commands(&server));
    }

    fn the_commands_are_in_the_log_where_nobody_looks_on(home) {
        let server = home.start();
        server.says("first start");
        let line = server.log().lines().find(|line| line.contains("first start")).map(str::to_owned);
        let line: Value = serde_json::from_str(&line.expect("a line")).expect("a line of JSON");
        let commands = ["session", "key"].map(|name| line[name].as_str().expect("a command").to_owned());
        run_what_is_printed(&home, &server.url, &commands);
    }

    fn changing_the_initial_password_removes_its_file(home) {
        let server = home.start();
        let session = server.sign_in(&home.initial_password());
        let change = json!({ "currentPassword": home.initial_password(), "newPassword": PASSWORD });
        let initial = home.initial_password();
        server.with(&session, "POST", "/api/administrators/1/password", Some(change)).expect(204);
        assert!(!home.initial_password_file().exists());
        assert_eq!(server.try_sign_in(ADMIN, &initial).status, 401);
        let session = server.sign_in(PASSWORD);
        server.with(&session, "GET", "/api/apikeys", None).expect(200);
        server.stop();
        home.start().stop();
        assert!(!home.initial_password_file().exists(), "and it is not made again");
    }

    /// T-33: of two programs started at once on one empty database, with one data folder, one makes everything.
    fn two_first_starts_at_once_make_one_administrator(home) {
        let servers = [home.spawn(&[]), home.spawn(&[])].map(Starting::ready);
        assert_eq!(home.count(ADMINISTRATORS), 1);
        assert_eq!(home.count("SELECT count(*) AS n FROM audit_events WHERE number = 650"), 1);
        for server in &servers {
            server.sign_in(&home.initial_password());
        }
        let said = servers.map(|server| server.stop().stderr);
        let first: Vec<bool> = said.iter().map(|said| said.contains("first start")).collect();
        assert!(first[0] != first[1], "exactly one of them showed the commands: {said:#?}");
    }

    /// T-33: nor does the loss of every administrator.
    fn an_emptied_database_does_not_open_the_first_start_again(home) {
        home.start().stop();
        std::fs::remove_file(home.initial_password_file()).expect("it is there");
        home.execute("DELETE FROM sessions");
        home.execute("DELETE FROM administrators");
        let server = home.start();
        assert_eq!(home.count(ADMINISTRATORS), 0);
        assert!(!home.initial_password_file().exists());
        server.says("firstkey admin recover");
        server.stop();

        home.run_with(&["admin", "recover", "--password-stdin"], PASSWORD).expect(0);
        assert_eq!(home.count(ADMINISTRATORS), 1);
        home.start().sign_in(PASSWORD);
    }

    fn another_database_under_a_used_folder_does_not_open_the_first_start_again(home) {
        home.start().stop();
        std::fs::remove_file(home.initial_password_file()).expect("it is there");
        let other = Home::new(home.backend);
        let url = match other.environment.get("FIRSTKEY_DATABASE_URL") {
            Some(url) => url.clone(),
            None => format!("sqlite://{}", other.path("empty.db").display()),
        };
        let server = home.set("FIRSTKEY_DATABASE_URL", url).spawn(&[]).ready();
        assert!(!home.initial_password_file().exists());
        server.says("firstkey admin recover");
        server.stop();
    }

    fn a_container_brings_the_first_password_in_a_file(home) {
        let weak = home.write("password", "correct horse\n");
        home.set("FIRSTKEY_ADMIN_PASSWORD_FILE", weak.to_string_lossy());
        let refused = home.spawn(&[]).end().refused(&["the first administrator's password", "15 characters"]);
        assert!(!refused.stderr.contains("correct horse"));
        assert_eq!(home.count(ADMINISTRATORS), 0);

        home.write("password", &format!("{PASSWORD}\n"));
        let server = home.start();
        assert!(!home.initial_password_file().exists());
        let session = server.sign_in(PASSWORD);
        server.with(&session, "GET", "/api/apikeys", None).expect(200);
        assert!(!server.stop().stderr.contains("first start"));
        // the file may be gone or say something else later: the first start has been
        home.write("password", "another battery, another staple");
        let server = home.start();
        server.sign_in(PASSWORD);
    }

    /// Whenever a first start is cut off, the next one ends in one administrator whose password is known.
    fn a_first_start_that_is_killed_is_made_good_by_the_next(home) {
        for delay in [1, 3, 6, 12, 25, 40, 60, 90] {
            let home = Home::new(home.backend);
            let starting = home.spawn(&[]);
            std::thread::sleep(std::time::Duration::from_millis(delay));
            drop(starting);
            let server = home.start();
            assert_eq!(home.count(ADMINISTRATORS), 1, "killed after {delay} ms");
            server.sign_in(&home.initial_password());
        }
    }
}

fn server_says_commands(server: &super::binary::Server) -> [String; 2] {
    server.says("| tee first-key.json\n");
    let log = server.log();
    let said = log.split_once("mint the first API key:\n\n").expect("the commands").1;
    let mut commands = said.split("\n\n").map(str::to_owned);
    [commands.next().expect("the first"), commands.next().expect("the second")]
}

/// As a person does: pastes one command after the other, in a folder of no importance.
fn run_what_is_printed(home: &Home, url: &str, commands: &[String; 2]) {
    if is_missing("curl", is_on_path("curl")) {
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    for command in commands {
        assert!(command.contains(url), "{command} is not for {url}");
        assert!(!command.contains("jq ") && !command.contains("python"), "{command}");
    }
    let session = sh(folder.path(), &commands[0]).expect(0).json();
    assert_eq!(session["administratorID"], 1);
    let key = sh(folder.path(), &commands[1]).expect(0).json();
    assert_eq!((&key["keyName"], &key["roleID"]), (&json!("First Key"), &json!(1)));
    let secret = key["secretKey"].as_str().expect("a secret");

    // the third command: with the key, find a role and mint another
    let trust = format!("--cacert '{}'", home.certificate().display().to_string().replace('\'', r"'\''"));
    let call = format!("curl -sS {trust} -H 'api-secret-key: {secret}' -H 'Content-Type: application/json'");
    let criteria = r#"{"searchCriteria":[{"fieldName":"name","stringTest":"equal","stringValue":"Auditor"}]}"#;
    let found =
        sh(folder.path(), &format!("{call} {url}/api/administratorroles/search -d '{criteria}'")).expect(0).json();
    let role = &found["roles"][0]["ID"];
    assert_eq!((role, found["roles"].as_array().map(Vec::len)), (&json!(2), Some(1)));
    let wanted = json!({ "keyName": "Second Key", "roleID": role });
    let second = sh(folder.path(), &format!("{call} {url}/api/apikeys -d '{wanted}'")).expect(0).json();
    assert_eq!(second["roleID"], 2);
    assert!(second["secretKey"].as_str().is_some_and(|secret| secret.starts_with("2:")), "{second}");
}

fn initial_password(app: &TestApp) -> String {
    let FirstAdministrator::MadeWithPasswordIn(path) = &app.first else { panic!("{:?}", app.first) };
    std::fs::read_to_string(path).expect("the file")
}

both! {
    /// T-33: minting and changing the password, and what these need; nothing else.
    fn a_session_with_the_initial_password_may_do_little(app: TestApp, |setup| setup.with_password = false) {
        let password = initial_password(&app);
        let session = Session::from(&app.try_sign_in(ADMIN, &password).expect(200));
        let allowed: &[(&str, &str, Option<Value>)] = &[
            ("GET", "/api/sessions/current", None),
            ("GET", "/api/roles", None),
            ("GET", "/api/administratorroles", None),
            ("GET", "/api/roles/1", None),
            ("GET", "/api/administratorroles/2", None),
            ("POST", "/api/roles/search", Some(json!({}))),
            ("POST", "/api/administratorroles/search", Some(json!({}))),
            ("POST", "/api/apikeys", Some(json!({ "keyName": "First Key", "roleID": 1 }))),
            ("POST", "/api/administrators/1/totp", Some(json!({ "password": password }))),
        ];
        let call = |(method, path, body): &(&str, &str, Option<Value>)| {
            let call = app.call(method, path).with(&session);
            match body {
                Some(body) => call.json(body.clone()).send(),
                None => call.send(),
            }
        };
        for entry in allowed {
            assert_eq!(call(entry).status, 200, "{entry:?}");
        }
        let forbidden: &[(&str, &str, Option<Value>)] = &[
            ("GET", "/api/apikeys", None),
            ("GET", "/api/apikeys/1", None),
            ("POST", "/api/apikeys/1", Some(json!({ "description": "changed" }))),
            ("DELETE", "/api/apikeys/1", None),
        ];
        for entry in forbidden {
            let answer = call(entry).expect(403);
            assert_eq!(answer.json()["message"], "Change the initial password first.", "{entry:?}");
        }
        assert_eq!(app.count("SELECT count(*) AS n FROM api_keys WHERE description = ''"), 1);

        let change = json!({ "currentPassword": password, "newPassword": PASSWORD });
        app.post("/api/administrators/1/password", change).with(&session).send().expect(204);
        assert!(!app.config.data.join("initial-admin-password").exists());
        app.get("/api/apikeys").with(&app.sign_in()).send().expect(200);
    }

    /// T-33: the initial password works for a day, any number of times.
    fn the_initial_password_is_refused_after_a_day(app: TestApp, |setup| setup.with_password = false) {
        let password = initial_password(&app);
        app.try_sign_in(ADMIN, &password).expect(200);
        app.clock.advance(DAY - MINUTE);
        app.try_sign_in(ADMIN, &password).expect(200);
        app.clock.advance(MINUTE);
        let refused = app.try_sign_in(ADMIN, &password).expect(401);
        assert_eq!(refused.refusal(), app.try_sign_in(ADMIN, "another password").refusal());
        assert!(!refused.text().contains(&password));
    }
}
