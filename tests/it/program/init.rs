//! `firstkey init`: the first key without a person, a browser or a second step.

use std::os::unix::fs::PermissionsExt as _;

use super::binary::{Home, Ran};
use crate::app::PASSWORD;
use crate::on_both;

/// `init` with a first key of a role; the password comes on standard input.
fn init(home: &Home, password: &str, role: &str) -> Ran {
    let file = home.path("first.key").display().to_string();
    let key = ["--first-key-file", &file, "--first-key-name", "first", "--first-key-role", role];
    home.run_with(&[&["init", "--password-stdin"][..], &key].concat(), password)
}

on_both! {
    fn init_makes_everything_and_run_again_changes_nothing(home) {
        let said = init(&home, &format!("{PASSWORD}\n"), "1").expect(0);
        let path = home.path("first.key");
        let secret = std::fs::read_to_string(&path).expect("the first key");
        assert_eq!(std::fs::metadata(&path).expect("a file").permissions().mode() & 0o7777, 0o600);
        assert!(!(said.stdout + &said.stderr).contains(&secret), "the secret is shown");
        assert!(!home.initial_password_file().exists(), "there is no password but the operator's");
        for file in std::fs::read_dir(home.data()).expect("a folder") {
            let path = file.expect("an entry").path();
            let mode = std::fs::metadata(&path).expect("a file").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{} is open to others", path.display());
        }

        let before = home.everything();
        init(&home, PASSWORD, "1").expect(0);
        assert_eq!(home.everything(), before);
        assert_eq!(std::fs::read_to_string(&path).expect("the first key"), secret);

        let server = home.start();
        assert_eq!(server.status_of(&secret), 200);
        let session = server.sign_in(PASSWORD);
        server.with(&session, "GET", "/api/apikeys", None).expect(200);
        assert!(!server.stop().stderr.contains("first start"));
    }

    fn init_without_a_key_makes_the_administrator_alone(home) {
        let password = home.write("password", &format!("{PASSWORD}\n"));
        let arguments = ["init", "--username", "anna", "--password-file", &password.display().to_string()];
        home.run(&arguments).expect(0);
        assert_eq!(home.count("SELECT count(*) AS n FROM administrators WHERE username = 'anna'"), 1);
        assert_eq!(home.count("SELECT count(*) AS n FROM api_keys"), 0);
        home.start().try_sign_in("Anna", PASSWORD).expect(200);
    }

    fn init_refuses_what_does_not_go_with_what_is_there(home) {
        init(&home, PASSWORD, "1").expect(0);
        let before = home.everything();
        init(&home, "another battery, another staple", "1").refused(&["exists with another password", "nothing was changed"]);
        home.run_with(&["init", "--password-stdin", "--username", "anna"], PASSWORD)
            .refused(&["another name", "nothing was changed"]);
        std::fs::remove_file(home.path("first.key")).expect("it is there");
        init(&home, PASSWORD, "1").refused(&["shown only once"]);
        assert_eq!(home.everything(), before);
        assert!(!home.path("first.key").exists());
    }

    fn init_that_is_refused_leaves_nothing_half_made(home) {
        let made = || {
            let count = |table: &str| home.count(&format!("SELECT count(*) AS n FROM {table}"));
            (count("administrators"), count("api_keys"), count("api_key_secrets"), home.path("first.key").exists())
        };
        for (password, role, words) in [
            ("too short", "1", "15 characters"),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaa", "1", "guess"),
            ("", "1", "1 to 1,024 bytes"),
            (PASSWORD, "99", "no such role"),
            (PASSWORD, "0", "role"),
        ] {
            let refused = init(&home, password, role).refused(&[]);
            assert!(refused.stderr.to_lowercase().contains(words), "{words:?}: {}", refused.stderr);
            if home.data().join("firstkey.db").exists() || home.count("SELECT count(*) AS n FROM pg_tables WHERE tablename = 'api_keys'") == 1 {
                assert_eq!(made(), (0, 0, 0, false), "{password:?}, role {role}");
            }
        }
        // and what was refused stands in nobody's way
        init(&home, PASSWORD, "2").expect(0);
        assert_eq!(made(), (1, 1, 1, true));
    }

    /// Neither a file nor a device is written over, and then nothing is made at all.
    fn init_writes_over_nothing(home) {
        let precious = home.path("precious");
        std::fs::write(&precious, "precious").expect("a file");
        std::os::unix::fs::symlink("/dev/null", home.path("link")).expect("a link");
        for name in ["precious", "link"] {
            let path = home.path(name).display().to_string();
            let key = ["--first-key-file", &path, "--first-key-name", "first", "--first-key-role", "1"];
            home.run_with(&[&["init", "--password-stdin"][..], &key].concat(), PASSWORD).refused(&["exists already"]);
        }
        assert_eq!(std::fs::read_to_string(&precious).expect("it is there"), "precious");
        assert_eq!(home.count("SELECT count(*) AS n FROM administrators"), 0);
    }

    fn init_works_beside_a_running_server(home) {
        init(&home, PASSWORD, "1").expect(0);
        let server = home.start();
        let file = home.path("second.key");
        let key = ["--first-key-file", &file.display().to_string(), "--first-key-name", "second", "--first-key-role", "2"];
        home.run_with(&[&["init", "--password-stdin"][..], &key].concat(), PASSWORD).expect(0);
        let secret = std::fs::read_to_string(file).expect("the second key");
        assert_eq!(server.status_of(&secret), 200);
    }
}

#[test]
fn init_asks_for_one_source_of_the_password() {
    let home = Home::new(crate::app::Backend::Sqlite);
    home.run(&["init"]).expect(2);
    home.run(&["init", "--password-stdin", "--password-file", "x"]).expect(2);
    home.run(&["init", "--password-file", "missing"]).refused(&["missing: No such file"]);
    assert!(!home.data().exists(), "nothing was made");
}
