//! Other people's clients, from the sign-in to the key: what the README shows, the vendor's SDK, Postman.

use std::path::{Path, PathBuf};
use std::process::Command;

use firstkey::api::routes;
use firstkey::clock::Clock;
use serde_json::Value;

use super::binary::{Ran, is_missing, is_on_path};
use crate::app::{ADMIN, PASSWORD, TestApp};
use crate::both;

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

const COLLECTION: &str = include_str!("../../../docs/postman/firstkey.postman_collection.json");

/// A tool of tests/run's.
pub fn tool(path: &str) -> Option<PathBuf> {
    let tool = here("target/tools").join(path);
    (!is_missing(path, tool.exists())).then_some(tool)
}

/// A client with the address, the certificate and the user in its environment.
fn client(app: &TestApp, program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut client = Command::new(program);
    client.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", app.folder.path());
    client.env("BASE_URL", app.url()).env("CERT", app.certificate()).env("USERNAME", ADMIN).env("PASSWORD", PASSWORD);
    client.current_dir(app.folder.path());
    client
}

/// Runs a client that prints the key it made, and uses that key.
fn mints(app: &TestApp, client: &mut Command) {
    let key = Ran::of(client, "").expect(0).json();
    let secret = key["secretKey"].as_str().expect("a secret");
    app.get("/api/apikeys/current").key(secret).send().expect(200);
    assert_eq!(app.count("SELECT count(*) AS n FROM api_keys"), 1);
}

/// Clients look at their own clocks, so this one stands at the hour of the machine.
fn now() -> Clock {
    Clock::held(Clock::System.now())
}

both! {
    fn curl_signs_in_and_mints(app: TestApp, |setup| setup.clock = now()) {
        if !is_missing("curl", is_on_path("curl")) {
            mints(&app, &mut client(&app, here("tests/clients/curl.sh")));
        }
    }

    /// DS-52: a script that makes sure of a key and runs twice changes nothing the second time; when its file is lost it
    /// is told so, and comes by a new secret only where that is allowed.
    fn a_script_that_runs_twice_changes_nothing_the_second_time(app: TestApp, |setup| setup.clock = now()) {
        if is_missing("curl", is_on_path("curl")) || is_missing("openssl", is_on_path("openssl")) {
            return;
        }
        let (maker, file) = (app.full_key(), app.folder.path().join("nightly.key"));
        let run = |query: &str| {
            let mut script = client(&app, here("tests/clients/ensure.sh"));
            script.env("SECRET_KEY", &maker).env("KEY_FILE", &file).env("QUERY", query);
            Ran::of(&mut script, "")
        };
        let held = || std::fs::read_to_string(&file).expect("a secret");
        assert_eq!(run("").expect(0).stdout.trim(), "created");
        let first = held();
        app.get("/api/apikeys/current").key(&first).send().expect(200);
        app.flush();
        let rows = app.rows_of("api_keys");
        let (secrets, events) = (app.rows_of("api_key_secrets"), app.last_event());
        for _ in 0..2 {
            assert_eq!(run("").expect(0).stdout.trim(), "unchanged");
            assert_eq!((app.rows_of("api_keys"), app.rows_of("api_key_secrets")), (rows.clone(), secrets.clone()));
            assert_eq!((app.last_event(), held()), (events, first.clone()));
        }
        // another secret than the key's: nothing happens unless it may
        let other = format!("7:{}=", "A".repeat(43));
        std::fs::write(&file, &other).expect("a file");
        run("").refused(&["\"code\":\"conflict\"", "reissue=allow"]);
        assert_eq!((held(), app.last_event()), (other, events));
        assert_eq!((app.rows_of("api_keys"), app.rows_of("api_key_secrets")), (rows, secrets));
        assert_eq!(run("?reissue=allow").expect(0).stdout.trim(), "reissued");
        app.get("/api/apikeys/current").key(&held()).send().expect(200);
        app.get("/api/apikeys/current").key(&first).send().expect(401);
        assert_eq!(run("?reissue=allow").expect(0).stdout.trim(), "unchanged");
    }

    /// DS-52: a task that makes its secrets itself and names them by their digests makes each key once, and on each later
    /// run finds it as it is to be. No answer carries a secret. Where a secret is lost the key stays as it is, unless it
    /// may have another: then the lost one goes on for the overlap that was asked for.
    fn a_task_that_brings_its_own_secrets_changes_nothing_the_second_time(app: TestApp, |setup| setup.clock = now()) {
        if is_missing("curl", is_on_path("curl")) || is_missing("openssl", is_on_path("openssl")) {
            return;
        }
        let (maker, names) = (app.full_key(), ["web", "mail", "backup"]);
        let run_for = |query: &str, description: &str, code: i32| {
            let mut task = client(&app, here("tests/clients/ensure_own_secret.sh"));
            task.env("SECRET_KEY", &maker).env("FOLDER", app.folder.path()).env("NAMES", names.join(" ")).env("QUERY", query);
            let said = Ran::of(task.env("DESCRIPTION", description), "").expect(code).stdout;
            assert!(!said.contains("secretKey"), "{said}");
            said.lines().map(|line| line.split(": ").nth(1).expect("an outcome").to_owned()).collect::<Vec<_>>()
        };
        let run = |query: &str| run_for(query, "by a task", 0);
        let held = |name: &str| std::fs::read_to_string(app.folder.path().join(format!("{name}.key"))).expect("a key");
        let enters = |key: &str| app.get("/api/apikeys/current").key(key).send().status;
        assert_eq!(run(""), ["created"; 3]);
        let first = names.map(held);
        assert!(first.iter().all(|key| enters(key) == 200), "each is of the secret that the task has made");
        app.flush();
        let rows = ["api_keys", "api_key_secrets"].map(|table| app.rows_of(table));
        let events = app.last_event();
        for _ in 0..2 {
            assert_eq!(run("?reissue=allow"), ["unchanged"; 3]);
            assert_eq!(run(""), ["unchanged"; 3]);
        }
        assert_eq!((["api_keys", "api_key_secrets"].map(|table| app.rows_of(table)), app.last_event()), (rows.clone(), events));
        // the task wants something else of its keys: each is changed once, and keeps its secret
        assert_eq!(run_for("", "by another task", 0), ["updated"; 3]);
        assert_eq!(run_for("?reissue=allow", "by another task", 0), ["unchanged"; 3]);
        assert_eq!((run(""), run("")), (vec!["updated".to_owned(); 3], vec!["unchanged".to_owned(); 3]));
        assert_eq!(app.rows_of("api_key_secrets"), rows[1]);
        std::fs::remove_file(app.folder.path().join("mail.bin")).expect("it was there");
        assert_eq!(run_for("", "by a task", 1), ["unchanged", "failed", "unchanged"]);
        assert_eq!(app.rows_of("api_key_secrets"), rows[1]);
        assert_eq!(run("?reissue=allow"), ["unchanged", "reissued", "unchanged"]);
        assert_eq!(run(""), ["unchanged"; 3]);
        assert_eq!([enters(&first[1]), enters(&held("mail"))], [200, 200], "side by side");
        app.clock.advance(3_600_000);
        assert_eq!([enters(&first[1]), enters(&held("mail"))], [401, 200]);
    }

    fn python_requests_signs_in_and_mints(app: TestApp, |setup| setup.clock = now()) {
        if let Some(python) = tool("venv/bin/python") {
            mints(&app, client(&app, python).arg(here("tests/clients/requests_client.py")));
        }
    }

    fn node_signs_in_and_mints(app: TestApp, |setup| setup.clock = now()) {
        if !is_missing("node", is_on_path("node")) {
            mints(&app, client(&app, "node").arg(here("tests/clients/node_client.mjs")));
        }
    }

    /// DS-24, DS-37, DS-40: finds a role, makes a key, lists, uses and deletes it: the names and types are the vendor's.
    fn the_vendor_s_sdk_finds_makes_lists_and_deletes(app: TestApp, |setup| setup.clock = now()) {
        if let Some(python) = tool("venv/bin/python") {
            let secret = app.full_key();
            let mut sdk = client(&app, python);
            let said = Ran::of(sdk.arg(here("tests/sdk/first_key.py")).env("SECRET_KEY", &secret), "").expect(0).json();
            assert_eq!((&said["roleID"], &said["deleted"]), (&2.into(), &true.into()));
            assert_eq!(app.count("SELECT count(*) AS n FROM api_keys"), 1, "the one it was given");
        }
    }

    /// Every call of the vendor's SDK about identity, its answers as the SDK understands them.
    fn the_vendor_s_sdk_makes_every_call(app: TestApp, |setup| setup.clock = now()) {
        if let Some(python) = tool("venv/bin/python") {
            let secret = app.full_key();
            app.spawn_chores();
            let mut sdk = client(&app, python);
            let said = Ran::of(sdk.arg(here("tests/sdk/identity.py")).env("SECRET_KEY", &secret), "").expect(0).json();
            assert_eq!(said["calls"], 42);
        }
    }

    /// DS-09: the collection carries the request ID from call to call, makes every call of the API, and deletes all it made.
    fn the_postman_collection_passes_its_own_tests(app: TestApp, |setup| setup.clock = now()) {
        if let Some(newman) = tool("node_modules/.bin/newman") {
            app.spawn_chores();
            let tables = [
                "administrators", "api_keys", "api_key_profiles", "api_types", "roles", "tenants", "contacts",
                "sessions WHERE ended_at IS NULL", "system_settings",
            ];
            let rows = || tables.map(|table| app.count(&format!("SELECT count(*) AS n FROM {table}")));
            let before = rows();
            let mut newman = client(&app, newman);
            newman.arg("run").arg(here("docs/postman/firstkey.postman_collection.json"));
            newman.args(["--color", "off", "--bail"]).arg("--ssl-extra-ca-certs").arg(app.certificate());
            for (name, value) in [("baseUrl", app.url().as_str()), ("userName", ADMIN), ("password", PASSWORD)] {
                newman.args(["--env-var", &format!("{name}={value}")]);
            }
            Ran::of(&mut newman, "").expect(0);
            let events = |number: i64| app.count(&format!("SELECT count(*) AS n FROM audit_events WHERE tenant_id = 0 AND number = {number}"));
            assert_eq!([5010, 5012, 5050].map(events), [5, 4, 1], "keys made and deleted, one of them with its tenant");
            assert_eq!(rows(), before, "{tables:?}");
        }
    }
}

/// The requests of the collection, out of its folders.
fn requests(item: &Value) -> Vec<&Value> {
    match item["item"].as_array() {
        Some(items) => items.iter().flat_map(requests).collect(),
        None => vec![item],
    }
}

/// A path whose parameters have lost their names.
fn nameless<'a>(segments: impl Iterator<Item = &'a str>) -> String {
    segments.map(|segment| format!("/{}", if segment.starts_with('{') { "{}" } else { segment })).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// Every route is in the Postman collection, and nothing else; every request has a test.
#[test]
fn the_postman_collection_makes_every_call() {
    let collection: Value = serde_json::from_str(COLLECTION).expect("a collection");
    let mut made = Vec::new();
    for item in requests(&collection) {
        let url = &item["request"]["url"];
        let path: Vec<&str> = url["path"].as_array().expect("a path").iter().filter_map(Value::as_str).collect();
        let query: Vec<String> = url["query"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| format!("{}={}", text(&one["key"]), text(&one["value"])))
            .collect();
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        assert_eq!(url["raw"], format!("{{{{baseUrl}}}}/{}{query}", path.join("/")), "{}", item["name"]);
        assert_eq!(path.first(), Some(&"api"), "{}", item["name"]);
        let tests = item["event"].as_array().expect("scripts").iter().filter(|script| script["listen"] == "test");
        let tested = tests.map(|test| test["script"]["exec"].to_string()).any(|test| test.contains("to.have.status("));
        assert!(tested, "{} looks at no status", item["name"]);
        let method = item["request"]["method"].as_str().expect("a method");
        made.push(format!("{method} {}", nameless(path[1..].iter().copied())));
    }
    let routes: Vec<String> =
        routes().iter().map(|route| format!("{} {}", route.method, nameless(route.path.split('/').skip(1)))).collect();
    let missing: Vec<&String> = routes.iter().filter(|route| !made.contains(route)).collect();
    assert!(missing.is_empty(), "the collection lacks {missing:?}");
    let unknown: Vec<&String> = made.iter().filter(|call| !routes.contains(call)).collect();
    assert!(unknown.is_empty(), "there is no {unknown:?}");
}
