use super::*;

/// Resolves flags as a command line, variables and the text of `/etc/firstkey.toml`.
fn resolve(flags: &[&str], environment: &[(&str, &str)], file: &str) -> Result<Config, String> {
    let around = Surroundings {
        environment: environment.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        file: (!file.is_empty()).then(|| ("/etc/firstkey.toml".into(), file.to_owned())),
        processors: 4,
        ..Surroundings::default()
    };
    Config::resolve(&parse(flags), &around).map_err(|error| error.to_string())
}

fn parse(flags: &[&str]) -> Flags {
    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        flags: Flags,
    }
    let line = std::iter::once(&"firstkey").chain(flags);
    <Command as clap::Parser>::try_parse_from(line).expect("it is as the test made it").flags
}

#[test]
fn without_a_word_the_defaults_hold() {
    let config = resolve(&[], &[], "").expect("it is as the test made it");
    assert_eq!(config.data, Path::new("./firstkey-data"));
    assert_eq!(
        config.listen,
        [
            "127.0.0.1:4119".parse().expect("it is as the test made it"),
            "[::1]:4119".parse().expect("it is as the test made it")
        ]
    );
    assert!(config.listen_is_default);
    assert_eq!(config.database.to_string(), "sqlite://./firstkey-data/firstkey.db");
    assert_eq!(config.transport, Transport::SelfSigned);
    assert_eq!(config.master_key_file, Path::new("./firstkey-data/master.key"));
    assert_eq!((config.workers, config.sign_in.password_threads), (4, 3));
    assert_eq!((config.sign_in.bcrypt_cost, config.sign_in.throttle, config.sign_in.password_nice), (12, true, 5));
    assert_eq!((config.most_connections, config.database_connections), (25_000, 16));
    assert!(!config.legacy_login);
    assert_eq!(config.rate_limit, RateLimit { user: 500, tenant: 1_000, node: 5_000 });
    assert_eq!(config.api_usage, ApiUsage { days: 14, rows: 1_000_000 });
    assert_eq!((config.public_url, config.admin_password_file), (None, None));
    assert!(config.mail.is_none() && config.outgoing_ca_file.is_none());
    assert_eq!(config.webhooks, Webhooks::default());
    assert!(config.warnings.is_empty());
}

#[test]
fn flags_beat_the_environment_which_beats_the_file() {
    let env = [("FIRSTKEY_DATA", "/env"), ("FIRSTKEY_WORKERS", "7"), ("FIRSTKEY_SIGN_IN_THROTTLE", "0")];
    let file = "data = '/file'\nworkers = 9\nlisten = ['[::]:1', '127.0.0.1:2']\nsign_in.bcrypt_cost = 10\n[log]\nformat = 'json'";
    let config = resolve(&["--data", "/flag", "--plain-http=false"], &env, file).expect("it is as the test made it");
    assert_eq!((config.data.to_str(), config.origin("data")), (Some("/flag"), &Origin::Flag("--data")));
    assert_eq!((config.workers, config.origin("workers")), (7, &Origin::Env("FIRSTKEY_WORKERS".into())));
    assert_eq!(config.listen.len(), 2);
    assert_eq!(config.origin("listen"), &Origin::File("/etc/firstkey.toml".into()));
    assert_eq!((config.sign_in.bcrypt_cost, config.sign_in.throttle), (10, false));
    assert_eq!((config.log_format, config.origin("tls_key")), (LogFormat::Json, &Origin::Default));
    assert!(
        resolve(&[], &[("FIRSTKEY_COMPAT_LEGACY_LOGIN", "true")], "").expect("it is as the test made it").legacy_login
    );
    assert!(resolve(&[], &[], "[compat]\nlegacy_login = true").expect("it is as the test made it").legacy_login);
    assert_eq!(config.error("listen", "taken").to_string(), "listen, from /etc/firstkey.toml: taken");
}

#[test]
fn limits_can_be_set_and_turned_off() {
    let env = [("FIRSTKEY_RATE_LIMIT_USER", "0"), ("FIRSTKEY_API_USAGE_ROWS", "0")];
    let file = "rate_limit.tenant = 7\n[api_usage]\ndays = 3650";
    let config = resolve(&[], &env, file).expect("it is as the test made it");
    assert_eq!(config.rate_limit, RateLimit { user: 0, tenant: 7, node: 5_000 });
    assert_eq!(config.api_usage, ApiUsage { days: 3_650, rows: 0 });
    for (name, value) in [("USER", "-1"), ("TENANT", "1000001"), ("NODE", "many")] {
        let refused = resolve(&[], &[(&format!("FIRSTKEY_RATE_LIMIT_{name}"), value)], "").expect_err("refused");
        assert!(refused.contains("must be 0 to 1000000"), "{refused}");
    }
}

#[test]
fn lists_come_from_repeated_flags_and_from_commas() {
    let config =
        resolve(&["--listen", "127.0.0.1:0", "--listen", "[::1]:0"], &[], "").expect("it is as the test made it");
    assert_eq!((config.listen.len(), config.listen_is_default), (2, false));
    let config =
        resolve(&[], &[("FIRSTKEY_LISTEN", "127.0.0.1:1, 10.0.0.1:2")], "").expect("it is as the test made it");
    assert_eq!(
        config.listen,
        [
            "127.0.0.1:1".parse().expect("it is as the test made it"),
            "10.0.0.1:2".parse().expect("it is as the test made it")
        ]
    );
}

#[test]
fn a_wrong_value_is_refused_with_its_name_and_its_place() {
    /// Flags, variables, file, and what is said of them.
    type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str, &'a str);
    let table: &[Case<'_>] = &[
        (&[], &[], "sign_in.bcrypt_cost = 9", "sign_in.bcrypt_cost, from /etc/firstkey.toml: must be 10 to 16"),
        (&[], &[], "workers = '4'", "workers, from /etc/firstkey.toml: must be 1 to 256"),
        (&[], &[("FIRSTKEY_WORKERS", "many")], "", "workers, from FIRSTKEY_WORKERS: must be 1 to 256"),
        (
            &[],
            &[("FIRSTKEY_SIGN_IN_THROTTLE", "off")],
            "",
            "sign_in.throttle, from FIRSTKEY_SIGN_IN_THROTTLE: must be true or false",
        ),
        (&[], &[], "log.format = 'xml'", "log.format, from /etc/firstkey.toml: must be auto, json or text"),
        (&[], &[], "data = 5", "data, from /etc/firstkey.toml: must be a path in quotes"),
        (&[], &[], "listen = []", "listen, from /etc/firstkey.toml: names no address"),
        (
            &["--listen", "localhost:1"],
            &[],
            "",
            "listen, from --listen: \"localhost:1\" is no ADDR:PORT such as 127.0.0.1:4119 or [::]:4119",
        ),
        (&["--tls-cert", "a"], &[], "", "tls_cert, from --tls-cert: needs tls_key beside it"),
        (&["--tls-key", "a"], &[], "", "tls_key, from --tls-key: needs tls_cert beside it"),
        (
            &["--tls-key", "a", "--plain-http"],
            &[],
            "",
            "tls_key, from --tls-key: a key is of no use with plain_http; leave one out",
        ),
        (
            &["--database-url", "mysql://u:hunter2@h"],
            &[],
            "",
            "database_url, from --database-url: must begin with postgres://, postgresql:// or sqlite://",
        ),
        (
            &[],
            &[],
            "workers = 4\nbcrypt = \"hunter2",
            "/etc/firstkey.toml, line 2: invalid basic string, expected `\"`",
        ),
    ];
    for (flags, environment, file, expected) in table {
        assert_eq!(resolve(flags, environment, file).unwrap_err(), *expected);
    }
}

#[test]
fn a_replica_is_postgresqls() {
    let name = "FIRSTKEY_DATABASE_REPLICA_URL";
    let here = ("FIRSTKEY_DATABASE_URL", "postgres://localhost/db");
    let config = resolve(&[], &[here, (name, "postgres://localhost:5433/db")], "").expect("it is as the test made it");
    assert!(matches!(config.database_replica, Some(DatabaseUrl::Postgres(_))));
    assert!(resolve(&[], &[here], "").expect("it is as the test made it").database_replica.is_none());
    let in_file = "database_url = 'postgres://localhost/db'\n[database]\nreplica_url = 'postgres://localhost:5433/db'";
    assert!(resolve(&[], &[], in_file).expect("it is as the test made it").database_replica.is_some());
    for (environment, says) in [
        (vec![(name, "postgres://u:hunter2@localhost/db")], "database_url is SQLite"),
        (vec![here, (name, "sqlite:///var/lib/other.db")], "must begin with postgres://"),
        (vec![here, (name, "mysql://u:hunter2@localhost/db")], "must begin with postgres://"),
        (vec![here, (name, "postgres://u:hunter2@db.example.com/db?sslmode=prefer")], "sslmode"),
    ] {
        let refused = resolve(&[], &environment, "").expect_err("refused");
        assert!(refused.starts_with("database.replica_url, from FIRSTKEY_DATABASE_REPLICA_URL: "), "{refused}");
        assert!(refused.contains(says) && !refused.contains("hunter2"), "{refused}");
    }
    let around = Surroundings {
        environment: [(here.0.to_owned(), here.1.to_owned())].into(),
        replica_url_file: Some("postgres://u:hunter2@localhost/db\n".into()),
        ..Surroundings::default()
    };
    let config = Config::resolve(&Flags::default(), &around).expect("it is as the test made it");
    assert_eq!(config.origin("database.replica_url"), &Origin::Env("FIRSTKEY_DATABASE_REPLICA_URL_FILE".into()));
    assert!(config.database_replica.is_some_and(|url| !format!("{url:?}").contains("hunter2")));
}

#[test]
fn an_unknown_name_is_an_error_in_the_file_and_a_warning_in_the_environment() {
    assert_eq!(
        resolve(&[], &[], "[sign_in]\nbcrypt_costs = 12").unwrap_err(),
        "/etc/firstkey.toml: there is no setting sign_in.bcrypt_costs; did you mean sign_in.bcrypt_cost?"
    );
    assert!(resolve(&[], &[], "database-url = 'x'").unwrap_err().ends_with("did you mean database_url?"));
    let environment = [
        ("FIRSTKEY_LISTENS", "x"),
        ("FIRSTKEY_TEST_PG", "x"),
        ("FIRSTKEY_LOG", "debug"),
        ("FIRSTKEY_CONFIG", "/etc/firstkey.toml"),
        ("PGHOST", "x"),
    ];
    let warnings = resolve(&[], &environment, "").expect("it is as the test made it").warnings;
    assert_eq!(warnings, ["FIRSTKEY_LISTENS is no setting and was ignored; did you mean FIRSTKEY_LISTEN?"]);
}

#[test]
fn plain_http_off_loopback_is_asked_for_twice() {
    let plain = |flags: &[&str]| resolve(flags, &[], "").map(|config| config.transport);
    assert_eq!(plain(&["--plain-http"]), Ok(Transport::PlainHttp));
    assert_eq!(plain(&["--plain-http", "--listen", "127.9.9.9:1"]), Ok(Transport::PlainHttp));
    assert_eq!(plain(&["--plain-http", "--plain-http-anywhere", "--listen", "0.0.0.0:1"]), Ok(Transport::PlainHttp));
    for flags in [&["--plain-http", "--listen", "0.0.0.0:1"][..], &["--plain-http-anywhere"]] {
        let error = plain(flags).unwrap_err();
        assert!(error.contains("--plain-http and --plain-http-anywhere"), "{error}");
    }
}

#[test]
fn a_public_url_is_an_origin_as_a_browser_writes_it() {
    let table = [
        ("https://Keys.Example.org", Some("https://keys.example.org")),
        ("https://keys.example.org:443/", Some("https://keys.example.org")),
        ("https://keys.example.org:8443", Some("https://keys.example.org:8443")),
        ("https://[2001:DB8::1]:8443", Some("https://[2001:db8::1]:8443")),
        ("http://keys.example.org", None),
        ("https://keys.example.org/path", None),
        ("https://keys.example.org?x", None),
        ("https://keys.example.org#x", None),
        ("https://u@keys.example.org", None),
        ("https://keys.example.org:99999", None),
        ("https://keys.example.org:", None),
        ("https://", None),
        ("https:///", None),
        ("https://a b", None),
        ("keys.example.org", None),
    ];
    for (text, expected) in table {
        let url = resolve(&["--public-url", text], &[], "").ok().and_then(|config| config.public_url);
        assert_eq!(url.as_deref(), expected, "{text}");
    }
    let plain =
        resolve(&["--plain-http", "--public-url", "http://localhost:80"], &[], "").expect("it is as the test made it");
    assert_eq!(plain.public_url.as_deref(), Some("http://localhost"));
    let behind_a_proxy = resolve(&["--plain-http", "--public-url", "https://keys.example.org"], &[], "")
        .expect("it is as the test made it");
    assert_eq!(behind_a_proxy.public_url.as_deref(), Some("https://keys.example.org"));
}

#[test]
fn a_secret_may_come_from_a_file_and_shows_nowhere() {
    let mut around = Surroundings {
        database_url_file: Some("postgres://u:hunter2@localhost/db\n".into()),
        ..Surroundings::default()
    };
    let config = Config::resolve(&Flags::default(), &around).expect("it is as the test made it");
    let DatabaseUrl::Postgres(url) = &config.database else { panic!("not PostgreSQL") };
    assert_eq!(url.expose_secret(), "postgres://u:hunter2@localhost/db");
    assert_eq!(config.origin("database_url"), &Origin::Env("FIRSTKEY_DATABASE_URL_FILE".into()));
    assert!(!format!("{config:?}").contains("hunter2"));
    for (url, warnings) in [("postgres://u:hunter2@localhost/db", 1), ("postgres://u@localhost/db", 0)] {
        let flags = parse(&["--database-url", url]);
        assert!(!format!("{flags:?}").contains("hunter2"));
        assert_eq!(
            Config::resolve(&flags, &Surroundings::default()).expect("it is as the test made it").warnings.len(),
            warnings
        );
    }
    around.environment.insert("FIRSTKEY_DATABASE_URL".into(), "sqlite://a".into());
    assert!(Config::resolve(&Flags::default(), &around).unwrap_err().to_string().ends_with("unset one"));
}

#[test]
fn systemd_names_the_folder_and_the_key() {
    let around = Surroundings {
        environment: [("STATE_DIRECTORY".to_owned(), "/var/lib/firstkey:/var/lib/other".to_owned())].into(),
        credential: Some("/run/credentials/master.key".into()),
        ..Surroundings::default()
    };
    let config = Config::resolve(&Flags::default(), &around).expect("it is as the test made it");
    assert_eq!(config.data, Path::new("/var/lib/firstkey"));
    assert_eq!(config.origin("data"), &Origin::Env("STATE_DIRECTORY".into()));
    assert_eq!(config.master_key_file, Path::new("/run/credentials/master.key"));
    assert_eq!((config.workers, config.sign_in.password_threads), (1, 1));
}

#[test]
fn an_embedded_server_takes_a_free_port_and_keeps_to_its_folder() {
    let config = Config::embedded(Path::new("/tmp/x"));
    assert_eq!(config.listen, ["127.0.0.1:0".parse().expect("it is as the test made it")]);
    assert_eq!(config.master_key_file, Path::new("/tmp/x/master.key"));
}

#[test]
fn every_setting_of_the_table_is_read_and_every_flag_stands_in_it() {
    let config = resolve(&[], &[], "").expect("it is as the test made it");
    let mut names: Vec<_> = SETTINGS.iter().map(|setting| setting.name).collect();
    names.sort_unstable();
    assert_eq!(config.origins.keys().copied().collect::<Vec<_>>(), names);

    let command = <Flags as clap::Args>::augment_args(clap::Command::new("serve"));
    let mut flags: Vec<_> =
        command.get_arguments().filter_map(|flag| flag.get_long()).map(|flag| format!("--{flag}")).collect();
    let mut expected: Vec<_> = SETTINGS.iter().filter_map(|setting| setting.flag).chain(["--config"]).collect();
    flags.sort_unstable();
    expected.sort_unstable();
    assert_eq!(flags, expected);
}

#[test]
fn the_page_says_what_the_program_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, page()).expect("it is as the test made it");
    }
    assert_eq!(
        std::fs::read_to_string(path).expect("it is as the test made it"),
        page(),
        "run the tests once with UPDATE_DOCS=1"
    );
}

#[test]
fn mail_needs_a_server_and_a_sender() {
    let url = ("FIRSTKEY_MAIL_URL", "smtps://u:hunter2@mail.example");
    let from = ("FIRSTKEY_MAIL_FROM", "Firstkey <firstkey@example.com>");
    let mail = resolve(&[], &[url, from], "").expect("it is as the test made it").mail.expect("mail");
    assert_eq!(
        (mail.url.to_string().as_str(), mail.from.email.to_string().as_str()),
        ("smtps://mail.example:465", "firstkey@example.com")
    );
    for (environment, file, word) in [
        (vec![url], "", "mail.from"),
        (vec![from], "", "mail.url"),
        (vec![url, ("FIRSTKEY_MAIL_FROM", "nobody")], "", "an address"),
        (vec![from, ("FIRSTKEY_MAIL_URL", "smtp://u:hunter2@mail.example")], "", "another machine needs TLS"),
        (vec![from], "[mail]\nurl = 7", "a text in quotes"),
    ] {
        let refused = resolve(&[], &environment, file).unwrap_err();
        assert!(refused.contains(word) && !refused.contains("hunter2"), "{refused}");
    }
    let mut around = Surroundings {
        processors: 1,
        mail_url_file: Some("smtp://localhost:1025\n".into()),
        ..Surroundings::default()
    };
    around.environment.insert(from.0.into(), from.1.into());
    let config = Config::resolve(&Flags::default(), &around).expect("it is as the test made it");
    assert_eq!(config.mail.expect("mail").url.to_string(), "smtp://localhost:1025");
}

#[test]
fn networks_for_webhooks_are_read_as_cidr() {
    let config =
        resolve(&[], &[("FIRSTKEY_WEBHOOKS_ALLOW_NETWORKS", "10.1.2.3/8, fd00::/8")], "webhooks.allow_http = true");
    let webhooks = config.expect("it is as the test made it").webhooks;
    let networks: Vec<String> = webhooks.allow_networks.iter().map(ToString::to_string).collect();
    assert_eq!((networks.join(" ").as_str(), webhooks.allow_http), ("10.0.0.0/8 fd00::/8", true));
    for wrong in ["10.0.0", "10.0.0.0/33", "localhost", "10.0.0.0/8,", "*"] {
        let refused = resolve(&[], &[("FIRSTKEY_WEBHOOKS_ALLOW_NETWORKS", wrong)], "").unwrap_err();
        assert!(refused.contains("is no network"), "{refused}");
    }
}

/// T-24: who trusts everybody lets everybody say where they are.
#[test]
fn proxies_that_are_trusted_are_listed() {
    let trusted = |value: &str| resolve(&[], &[("FIRSTKEY_TRUSTED_PROXIES", value)], "");
    let config = trusted("10.1.2.3, fd00::/8").expect("it is as the test made it");
    let networks: Vec<String> = config.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(networks, ["10.1.2.3/32", "fd00::/8"]);
    for wrong in ["0.0.0.0/0", "::/0", "10.0.0.1,::/0", "proxy.example", "*"] {
        let refused = trusted(wrong).unwrap_err();
        assert!(refused.contains("FIRSTKEY_TRUSTED_PROXIES"), "{refused}");
    }
}
