//! Thousands of calls made up from the OpenAPI page: no 5xx, no status that the page does not tell, no answer that
//! breaks its schema, nothing taken that a schema refuses.

use std::path::{Path, PathBuf};
use std::process::Command;

use firstkey::clock::Clock;

use crate::app::{Backend, TestApp, secret};
use crate::both;
use crate::program::{Ran, tool};

/// What is made up: any calls and chains of them; in the long form many more, and every member at its bounds.
const SHORT: [&str; 4] = ["--phases", "fuzzing,stateful", "--max-examples", "25"];
const LONG: [&str; 4] = ["--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "50"];

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemathesis")
}

both! {
    fn the_server_keeps_to_its_page(app: TestApp, |setup| {
        setup.clock = Clock::held(Clock::System.now());
        setup.rules.throttle = false;
        setup.workers = 2;
    }) {
        let Some(st) = tool("schemathesis/bin/st") else { return };
        // made-up IDs are small: the key that makes the credentials is none of them
        app.mint("takes the first number", 2);
        for table in ["api_keys", "administrators"] {
            app.execute(&match app.backend {
                Backend::Sqlite => format!("update sqlite_sequence set seq = 1000000 where name = '{table}'"),
                Backend::Postgres => format!("select setval(pg_get_serial_sequence('{table}', 'id'), 1000000)"),
            });
        }
        let key = secret(&app.mint("makes credentials", 1));
        let long = std::env::var_os("FIRSTKEY_TEST_LONG").is_some();
        let mut run = Command::new(st);
        run.env("SCHEMATHESIS_HOOKS", "hooks").env("PYTHONPATH", here()).env("PYTHONDONTWRITEBYTECODE", "1");
        run.env("BASE_URL", app.url()).env("SECRET_KEY", key).env("CERT", app.certificate());
        run.current_dir(app.folder.path()).arg("--config-file").arg(here().join("schemathesis.toml"));
        run.args(["run", &format!("{}/openapi.json", app.url()), "--tls-verify"]).arg(app.certificate());
        run.args(if long { LONG } else { SHORT }).args(["--seed", "1", "--continue-on-failure"]);
        let ran = Ran::of(&mut run, "");
        println!("{}", ran.stdout);
        ran.expect(0);
    }
}
