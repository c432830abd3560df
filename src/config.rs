//! What can be configured, and where each value came from: flags beat the environment, the environment
//! beats the file, the file beats the default.
//!
//! [`SETTINGS`] is the list; `docs/configuration.md` is made from it. [`Config::load`] gathers what this
//! process was given, [`Config::resolve`] decides, and touches nothing but its arguments.

mod database_url;
mod mail;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use actix_web::http::uri::Authority;
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};

pub use self::database_url::DatabaseUrl;
pub use self::mail::{Mail, MailTls, MailUrl};
use crate::logging::LogFormat;

/// The port that is listened on where none is named: Deep Security Manager's.
pub const PORT: u16 = 4119;

/// One line of the table of settings.
#[derive(Debug)]
pub struct Setting {
    /// The dotted name, as in the file.
    pub name: &'static str,
    /// The flag of `firstkey serve`, where there is one.
    pub flag: Option<&'static str>,
    /// What a value looks like.
    pub kind: &'static str,
    /// What holds where nothing is said.
    pub default: &'static str,
    /// What it is for.
    pub meaning: &'static str,
}

macro_rules! settings {
    ($($name:literal $(($flag:literal))?: $kind:literal, $default:literal, $meaning:literal;)*) => {
        /// Every setting there is, in the order of the page.
        pub const SETTINGS: &[Setting] = &[$(Setting {
            name: $name,
            flag: [$(Some($flag),)? None][0],
            kind: $kind,
            default: $default,
            meaning: $meaning,
        },)*];
    };
}

settings! {
    "data" ("--data"): "folder", "the first folder of `$STATE_DIRECTORY`, else `./firstkey-data`", "Holds the database, the master key and the certificate.";
    "listen" ("--listen"): "list of `ADDR:PORT`", "`127.0.0.1:4119` and `[::1]:4119`", "Where to listen. The flag may be repeated; the environment variable takes commas. Port 0 takes a free one.";
    "database_url" ("--database-url"): "secret URL", "`sqlite://<data>/firstkey.db`", "`sqlite://PATH`, or `postgres://…` as libpq reads it. PostgreSQL on another host needs a build with `postgres-tls`, or `sslmode=disable` written out.";
    "public_url" ("--public-url"): "origin", "none", "How clients reach the server, as `https://keys.example.org`: scheme, host and port, no path. `http://` only together with `plain_http`.";
    "plain_http" ("--plain-http"): "true or false", "`false`", "Serves HTTP without TLS, on loopback addresses: for a proxy of this machine that ends TLS.";
    "plain_http_anywhere" ("--plain-http-anywhere"): "true or false", "`false`", "Together with `plain_http`: HTTP without TLS on any address. Passwords and keys travel in clear there.";
    "tls_cert" ("--tls-cert"): "PEM file", "a self-signed certificate in `<data>/tls`", "Your certificate, followed by its intermediates. Read again on SIGHUP. Needs `tls_key`.";
    "tls_key" ("--tls-key"): "PEM file", "none", "The certificate's private key: PKCS#8, SEC1 or PKCS#1, without a pass phrase.";
    "master_key_file": "file", "`$CREDENTIALS_DIRECTORY/master.key` where there is one, else `<data>/master.key`", "The key that seals passwords and TOTP seeds. Keep a copy apart from the database.";
    "admin_password_file": "file", "none", "Holds the first administrator's password, for the first start of a container.";
    "workers": "1 to 256", "the number of processors", "Threads that answer requests.";
    "log.format": "`auto`, `json` or `text`", "`auto`", "`auto` writes text to a terminal and JSON lines elsewhere.";
    "sign_in.bcrypt_cost": "10 to 16", "`12`", "The work for one password; each step doubles it. Takes effect on a password when it is next used.";
    "sign_in.throttle": "true or false", "`true`", "Delays after failed sign-ins. Off only for load tests.";
    "sign_in.password_threads": "1 to 256", "one less than processors, at least 1", "Threads that hash passwords.";
    "sign_in.password_nice": "0 to 19", "`5`", "How far the threads that hash passwords stand back behind all others.";
    "compat.legacy_login": "true or false", "`false`", "Offers the older API's sign-in, `POST /rest/authentication/login` and `…/login/primary`, to scripts that know no other. Its sessions need no request ID.";
    "rate_limit.user": "0 to 1000000", "`500`", "Calls of one API key or one person within 60 seconds, on each node; 0 is no limit.";
    "rate_limit.tenant": "0 to 1000000", "`1000`", "Calls of one tenant within 60 seconds, on each node; 0 is no limit.";
    "rate_limit.node": "0 to 1000000", "`5000`", "Calls of everybody within 60 seconds, on each node; 0 is no limit.";
    "api_usage.days": "1 to 3650", "`14`", "How many days `/api/apiusagemetrics` looks back.";
    "api_usage.rows": "0 to 100000000", "`1000000`", "How many calls it keeps at most, the latest; 0 keeps none.";
    "mail.url": "secret URL", "none: no mail is sent", "The mail server: `smtps://USER:PASSWORD@HOST`, or `smtp://USER:PASSWORD@HOST:587?tls=required` for STARTTLS. `tls=opportunistic` does without where the server has none, and takes no password; plain `smtp://` is for this machine.";
    "mail.from": "address", "none", "From whom mail is, as `Firstkey <firstkey@example.com>`. Needed beside `mail.url`.";
    "webhooks.allow_networks": "list of networks", "none", "Networks that webhooks may lead to besides the public Internet, as `10.20.0.0/16`. Others of your own are refused, this machine's addresses too.";
    "webhooks.allow_http": "true or false", "`false`", "Webhooks may lead to `http://` too. What they say travels in clear there.";
    "outgoing.ca_file": "PEM file", "the public authorities", "Whose certificates mail servers and receivers of webhooks may have, in place of the public authorities.";
    "trusted_proxies": "list of networks", "none", "Proxies whose `X-Forwarded-For` is believed, as `10.20.0.5` or `10.20.0.0/24`: the client's address is then the last one there that is none of them. Nobody else's is.";
    "verify.keys": "1 to 10000000", "`100000`", "Keys that each node remembers for verification, about 160 bytes each; for others it asks the database.";
    "snapshot.valid_for": "60 to 2592000", "`3600`", "Seconds for which an edge may verify from a snapshot; it fetches another when half of them are over.";
    "connections.most": "1 to 1000000", "`25000`", "Open connections for each worker; more wait to be accepted.";
    "database.connections": "1 to 1000", "`16`", "Connections to the database that are kept for use.";
    "database.writers": "1 to 64", "`2`", "PostgreSQL only: connections besides, by which new keys are written, many to a commit.";
    "database.replica_url": "secret URL", "none", "A replica of the PostgreSQL database, `postgres://…`: long lists, searches, counts and exports are read there, see [databases.md](databases.md). They may be a moment old, 30 seconds at most; a replica that is away or further behind is not asked.";
}

/// `sign_in.bcrypt_cost` in the environment: `FIRSTKEY_SIGN_IN_BCRYPT_COST`.
fn variable(name: &str) -> String {
    format!("FIRSTKEY_{}", name.to_uppercase().replace('.', "_"))
}

/// The variable that names a file with the secret, so that it stands in no list of processes.
const DATABASE_URL_FILE: &str = "FIRSTKEY_DATABASE_URL_FILE";
/// The same for its replica.
const REPLICA_URL_FILE: &str = "FIRSTKEY_DATABASE_REPLICA_URL_FILE";
/// The same for the mail server.
const MAIL_URL_FILE: &str = "FIRSTKEY_MAIL_URL_FILE";
/// The variable that names the file of settings.
const CONFIG: &str = "FIRSTKEY_CONFIG";

/// Flags that say what to serve and from where; other commands flatten them in.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Flags {
    /// Folder for the database, the master key and the certificate [default: ./firstkey-data]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Addresses to listen on.
    #[arg(
        long,
        value_name = "ADDR:PORT",
        help = "Address to listen on; may be repeated [default: 127.0.0.1:4119 and [::1]:4119]"
    )]
    pub listen: Option<Vec<String>>,
    /// postgres://… or sqlite://PATH [default: a SQLite file in the data folder]
    #[arg(long, value_name = "URL")]
    pub database_url: Option<SecretString>,
    /// TOML file with settings, see docs/configuration.md
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Serve HTTP without TLS, on loopback only
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "true|false", hide_possible_values = true)]
    pub plain_http: Option<bool>,
    /// With --plain-http: serve it on any address
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "true|false", hide_possible_values = true)]
    pub plain_http_anywhere: Option<bool>,
    /// How clients reach the server.
    #[arg(long, value_name = "URL", help = "How clients reach the server, as https://keys.example.org")]
    pub public_url: Option<String>,
    /// Certificate and its intermediates, PEM [default: a self-signed one in the data folder]
    #[arg(long, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the certificate, PEM
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
}

impl Flags {
    fn get(&self, name: &str) -> Option<Written> {
        let path = |path: &Option<PathBuf>| path.clone().map(|path| Written::Word(path.into()));
        let yes = |yes: Option<bool>| yes.map(|yes| Written::Word(yes.to_string().into()));
        match name {
            "data" => path(&self.data),
            "listen" => self.listen.clone().map(Written::Words),
            "database_url" => self.database_url.as_ref().map(|url| Written::Word(url.expose_secret().into())),
            "public_url" => self.public_url.clone().map(|url| Written::Word(url.into())),
            "plain_http" => yes(self.plain_http),
            "plain_http_anywhere" => yes(self.plain_http_anywhere),
            "tls_cert" => path(&self.tls_cert),
            "tls_key" => path(&self.tls_key),
            _ => None,
        }
    }
}

/// What a process finds around it, apart from its flags.
#[derive(Clone, Default)]
pub struct Surroundings {
    /// Environment variables.
    pub environment: BTreeMap<String, String>,
    /// The file of settings, and its text.
    pub file: Option<(PathBuf, String)>,
    /// What the file holds that `FIRSTKEY_DATABASE_URL_FILE` names.
    pub database_url_file: Option<SecretString>,
    /// What the file holds that `FIRSTKEY_DATABASE_REPLICA_URL_FILE` names.
    pub replica_url_file: Option<SecretString>,
    /// What the file holds that `FIRSTKEY_MAIL_URL_FILE` names.
    pub mail_url_file: Option<SecretString>,
    /// `$CREDENTIALS_DIRECTORY/master.key`, where there is one.
    pub credential: Option<PathBuf>,
    /// Processors, at least 1.
    pub processors: usize,
}

impl Surroundings {
    /// This process's; reads the files that flags and environment name.
    fn of_this_process(flags: &Flags) -> Result<Self, ConfigError> {
        let mut environment = BTreeMap::new();
        for (name, value) in std::env::vars_os() {
            let Ok(name) = name.into_string() else { continue };
            let ours = name.starts_with("FIRSTKEY_") || name.starts_with("PG");
            if !ours && name != "STATE_DIRECTORY" && name != "CREDENTIALS_DIRECTORY" {
                continue;
            }
            let value = value.into_string().map_err(|_| ConfigError(format!("{name}: must be UTF-8")))?;
            // An empty variable says nothing: that is how a compose file passes on one that is not set.
            if !value.is_empty() {
                environment.insert(name, value);
            }
        }
        let path = flags.config.clone().or_else(|| environment.get(CONFIG).map(PathBuf::from));
        let file = path.map(|path| read(&path).map(|text| (path, text))).transpose()?;
        let secret_in = |variable: &str| {
            environment.get(variable).map(|path| read(Path::new(path)).map(SecretString::from)).transpose()
        };
        let (database_url_file, mail_url_file) = (secret_in(DATABASE_URL_FILE)?, secret_in(MAIL_URL_FILE)?);
        let replica_url_file = secret_in(REPLICA_URL_FILE)?;
        let credential = environment
            .get("CREDENTIALS_DIRECTORY")
            .map(|folder| Path::new(folder).join("master.key"))
            .filter(|path| path.is_file());
        Ok(Self {
            environment,
            file,
            database_url_file,
            replica_url_file,
            mail_url_file,
            credential,
            processors: processors(),
        })
    }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|error| ConfigError(format!("{} cannot be read: {error}", path.display())))
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag, `--listen`.
    Flag(&'static str),
    /// An environment variable, by its name.
    Env(String),
    /// The file of settings.
    File(PathBuf),
    /// Nobody said anything.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag),
            Self::Env(name) => f.write_str(name),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("the default"),
        }
    }
}

/// Why a configuration cannot be used, with the place to change it. Holds no secret.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

/// How requests are carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// HTTP without TLS.
    PlainHttp,
    /// TLS with the certificate that the program makes in the data folder.
    SelfSigned,
    /// TLS with the operator's certificate.
    Certificate {
        /// PEM file with the certificate and its intermediates.
        chain: PathBuf,
        /// PEM file with its private key.
        key: PathBuf,
    },
}

/// What concerns signing in.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// bcrypt's cost, 10 to 16. A test under a held clock may set it lower.
    pub bcrypt_cost: u32,
    /// Whether failed attempts are delayed.
    pub throttle: bool,
    /// Threads that hash passwords, at least 1.
    pub password_threads: usize,
    /// How nice they are, 0 to 19.
    pub password_nice: i32,
}

/// How many calls are taken within 60 seconds; 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Of one key or one person.
    pub user: u32,
    /// Of one tenant.
    pub tenant: u32,
    /// Of everybody.
    pub node: u32,
}

impl RateLimit {
    /// No limit at all.
    pub const OFF: Self = Self { user: 0, tenant: 0, node: 0 };
}

/// How long it is remembered which calls were made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiUsage {
    /// Days, at least 1.
    pub days: i64,
    /// Calls at most; 0 for none.
    pub rows: i64,
}

/// Where webhooks may lead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Webhooks {
    /// Networks besides the public Internet.
    pub allow_networks: Vec<IpNet>,
    /// Whether to `http://` too.
    pub allow_http: bool,
}

/// A configuration that holds together.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder of this server's own files.
    pub data: PathBuf,
    /// Where to listen, at least one address.
    pub listen: Vec<SocketAddr>,
    /// Nobody named an address, so one that this machine does not have is no fault.
    pub listen_is_default: bool,
    /// Which database.
    pub database: DatabaseUrl,
    /// Scheme, host in lower case, and port unless the scheme implies it.
    pub public_url: Option<String>,
    /// TLS or not, and with which certificate.
    pub transport: Transport,
    /// The file of the master key.
    pub master_key_file: PathBuf,
    /// A file with the first administrator's password.
    pub admin_password_file: Option<PathBuf>,
    /// Threads that answer requests, 1 to 256.
    pub workers: usize,
    /// How log lines look.
    pub log_format: LogFormat,
    /// What concerns signing in.
    pub sign_in: SignIn,
    /// Whether the older API's sign-in is offered.
    pub legacy_login: bool,
    /// How often anybody may call.
    pub rate_limit: RateLimit,
    /// How long calls are remembered.
    pub api_usage: ApiUsage,
    /// Through which server mail is sent; none where none is.
    pub mail: Option<Mail>,
    /// Where webhooks may lead.
    pub webhooks: Webhooks,
    /// Whose certificates mail servers and receivers may have, in place of the public authorities.
    pub outgoing_ca_file: Option<PathBuf>,
    /// Proxies whose word is taken for where a request came from.
    pub trusted_proxies: Vec<IpNet>,
    /// Keys that are remembered for verification, at least 1.
    pub keys_remembered: usize,
    /// How long a snapshot may be used, in seconds.
    pub snapshot_valid_for: i64,
    /// Open connections for each worker.
    pub most_connections: usize,
    /// Connections to the database that are kept.
    pub database_connections: u32,
    /// Connections besides, by which additions are written.
    pub database_writers: usize,
    /// Where long lists and searches are read, if elsewhere.
    pub database_replica: Option<DatabaseUrl>,
    /// What the operator should know; to be logged once logging has started.
    pub warnings: Vec<String>,
    origins: BTreeMap<&'static str, Origin>,
}

impl Config {
    /// The configuration of this process.
    pub fn load(flags: &Flags) -> Result<Self, ConfigError> {
        Self::resolve(flags, &Surroundings::of_this_process(flags)?)
    }

    /// Defaults over the folder `data`, on a free port of 127.0.0.1, deaf to the environment: for a
    /// server inside another program, or inside a test.
    pub fn embedded(data: &Path) -> Self {
        let listen = Some(vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).to_string()]);
        let flags = Flags { data: Some(data.to_owned()), listen, ..Flags::default() };
        let around = Surroundings { processors: processors(), ..Surroundings::default() };
        Self::resolve(&flags, &around).expect("the defaults hold together")
    }

    /// Decides every setting.
    pub fn resolve(flags: &Flags, around: &Surroundings) -> Result<Self, ConfigError> {
        let mut from = Sources::new(flags, around)?;
        let data = from.path("data")?.unwrap_or_else(|| from.default_data());
        let named = from.addresses()?;
        let listen_is_default = named.is_none();
        let listen =
            named.unwrap_or_else(|| vec![(Ipv4Addr::LOCALHOST, PORT).into(), (Ipv6Addr::LOCALHOST, PORT).into()]);
        let processors = around.processors.max(1);
        let database = from.database(&data)?;
        Ok(Self {
            transport: from.transport(&listen)?,
            public_url: from.public_url()?,
            master_key_file: from.master_key_file(&data)?,
            admin_password_file: from.path("admin_password_file")?,
            workers: from.number("workers", 1..=256)?.unwrap_or(processors.min(256)),
            log_format: from.log_format()?,
            sign_in: SignIn {
                bcrypt_cost: from.number("sign_in.bcrypt_cost", 10..=16)?.unwrap_or(12),
                throttle: from.yes("sign_in.throttle")?.unwrap_or(true),
                password_threads: from
                    .number("sign_in.password_threads", 1..=256)?
                    .unwrap_or((processors - 1).clamp(1, 256)),
                password_nice: from.number("sign_in.password_nice", 0..=19)?.unwrap_or(5),
            },
            legacy_login: from.yes("compat.legacy_login")?.unwrap_or(false),
            rate_limit: RateLimit {
                user: from.number("rate_limit.user", 0..=1_000_000)?.unwrap_or(500),
                tenant: from.number("rate_limit.tenant", 0..=1_000_000)?.unwrap_or(1_000),
                node: from.number("rate_limit.node", 0..=1_000_000)?.unwrap_or(5_000),
            },
            api_usage: ApiUsage {
                days: from.number("api_usage.days", 1..=3_650)?.unwrap_or(14),
                rows: from.number("api_usage.rows", 0..=100_000_000)?.unwrap_or(1_000_000),
            },
            mail: from.mail()?,
            webhooks: Webhooks {
                allow_networks: from.networks("webhooks.allow_networks")?,
                allow_http: from.yes("webhooks.allow_http")?.unwrap_or(false),
            },
            outgoing_ca_file: from.path("outgoing.ca_file")?,
            trusted_proxies: from.trusted_proxies()?,
            keys_remembered: from.number("verify.keys", 1..=10_000_000)?.unwrap_or(100_000),
            snapshot_valid_for: from.number("snapshot.valid_for", 60..=2_592_000)?.unwrap_or(3_600),
            most_connections: from.number("connections.most", 1..=1_000_000)?.unwrap_or(25_000),
            database_connections: from.number("database.connections", 1..=1_000)?.unwrap_or(16),
            database_writers: from.number("database.writers", 1..=64)?.unwrap_or(2),
            database_replica: from.replica(&database)?,
            database,
            data,
            listen,
            listen_is_default,
            warnings: from.warnings,
            origins: from.origins,
        })
    }

    /// Where the value of the setting `name` came from.
    pub fn origin(&self, name: &str) -> &Origin {
        self.origins.get(name).unwrap_or(&Origin::Default)
    }

    /// An error about the setting `name` for what shows only when it is used, as a port that is taken.
    pub fn error(&self, name: &str, problem: impl fmt::Display) -> ConfigError {
        refusal(name, self.origin(name), problem)
    }
}

fn refusal(name: &str, origin: &Origin, problem: impl fmt::Display) -> ConfigError {
    ConfigError(match origin {
        Origin::Default => format!("{name}: {problem}"),
        origin => format!("{name}, from {origin}: {problem}"),
    })
}

/// A value before it has a type.
enum Written {
    /// From a flag or the environment.
    Word(OsString),
    /// From a flag that may be repeated.
    Words(Vec<String>),
    /// From the file.
    Toml(toml::Value),
}

/// The three places a value may come from, and what was found there.
struct Sources<'a> {
    flags: &'a Flags,
    around: &'a Surroundings,
    file: BTreeMap<String, toml::Value>,
    origins: BTreeMap<&'static str, Origin>,
    warnings: Vec<String>,
}

impl<'a> Sources<'a> {
    fn new(flags: &'a Flags, around: &'a Surroundings) -> Result<Self, ConfigError> {
        let file = around.file.as_ref().map(|(path, text)| read_toml(path, text)).transpose()?.unwrap_or_default();
        let warnings = around.environment.keys().filter_map(|name| unknown_variable(name)).collect();
        Ok(Self { flags, around, file, origins: BTreeMap::new(), warnings })
    }

    /// The value of the strongest source that has one, and a note of which that was.
    fn find(&mut self, name: &'static str) -> Result<Option<Written>, ConfigError> {
        let setting = SETTINGS.iter().find(|setting| setting.name == name).expect("every setting stands in the table");
        let (value, origin) = if let (Some(flag), Some(value)) = (setting.flag, self.flags.get(name)) {
            (Some(value), Origin::Flag(flag))
        } else if let Some((value, variable)) = self.variable(name)? {
            (Some(Written::Word(value.into())), Origin::Env(variable))
        } else if let (Some(value), Some((path, _))) = (self.file.get(name), &self.around.file) {
            (Some(Written::Toml(value.clone())), Origin::File(path.clone()))
        } else {
            (None, Origin::Default)
        };
        self.origins.insert(name, origin);
        Ok(value)
    }

    fn variable(&self, name: &str) -> Result<Option<(String, String)>, ConfigError> {
        let variable = variable(name);
        let value = self.around.environment.get(&variable).cloned();
        let (secret, in_file) = match name {
            "database_url" => (self.around.database_url_file.as_ref(), DATABASE_URL_FILE),
            "database.replica_url" => (self.around.replica_url_file.as_ref(), REPLICA_URL_FILE),
            "mail.url" => (self.around.mail_url_file.as_ref(), MAIL_URL_FILE),
            _ => (None, ""),
        };
        match (value, secret) {
            (Some(_), Some(_)) => {
                Err(ConfigError(format!("{variable} and {in_file} say the same thing twice; unset one")))
            }
            (Some(value), None) => Ok(Some((value, variable))),
            (None, Some(secret)) => {
                let text = secret.expose_secret();
                let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
                Ok(Some((text.to_owned(), in_file.to_owned())))
            }
            (None, None) => Ok(None),
        }
    }

    fn refuse(&self, name: &str, problem: impl fmt::Display) -> ConfigError {
        refusal(name, self.origins.get(name).unwrap_or(&Origin::Default), problem)
    }

    fn text(&mut self, name: &'static str) -> Result<Option<String>, ConfigError> {
        match self.find(name)? {
            None => Ok(None),
            Some(Written::Toml(toml::Value::String(text))) => Ok(Some(text)),
            Some(Written::Word(word)) => word.into_string().map(Some).map_err(|_| self.refuse(name, "must be UTF-8")),
            Some(_) => Err(self.refuse(name, "must be a text in quotes")),
        }
    }

    fn path(&mut self, name: &'static str) -> Result<Option<PathBuf>, ConfigError> {
        let path = match self.find(name)? {
            None => return Ok(None),
            Some(Written::Word(word)) => PathBuf::from(word),
            Some(Written::Toml(toml::Value::String(text))) => PathBuf::from(text),
            Some(_) => return Err(self.refuse(name, "must be a path in quotes")),
        };
        if path.as_os_str().is_empty() { Err(self.refuse(name, "must not be empty")) } else { Ok(Some(path)) }
    }

    fn yes(&mut self, name: &'static str) -> Result<Option<bool>, ConfigError> {
        match self.find(name)? {
            None => Ok(None),
            Some(Written::Toml(toml::Value::Boolean(yes))) => Ok(Some(yes)),
            Some(Written::Word(word)) if word == "true" || word == "1" => Ok(Some(true)),
            Some(Written::Word(word)) if word == "false" || word == "0" => Ok(Some(false)),
            Some(_) => Err(self.refuse(name, "must be true or false")),
        }
    }

    fn number<N>(&mut self, name: &'static str, range: RangeInclusive<i64>) -> Result<Option<N>, ConfigError>
    where
        N: TryFrom<i64>,
    {
        let number = match self.find(name)? {
            None => return Ok(None),
            Some(Written::Toml(toml::Value::Integer(number))) => Some(number),
            Some(Written::Word(word)) => word.to_str().and_then(|word| word.parse().ok()),
            Some(_) => None,
        };
        let inside = number.filter(|number| range.contains(number)).and_then(|number| N::try_from(number).ok());
        inside.map(Some).ok_or_else(|| self.refuse(name, format!("must be {} to {}", range.start(), range.end())))
    }

    /// A list: repeated flags, commas in a variable, an array in the file.
    fn words(&mut self, name: &'static str) -> Result<Option<Vec<String>>, ConfigError> {
        let split = |text: &str| text.split(',').map(|word| word.trim().to_owned()).collect::<Vec<_>>();
        let words = match self.find(name)? {
            None => return Ok(None),
            Some(Written::Words(words)) => Some(words),
            Some(Written::Word(word)) => word.to_str().map(split),
            Some(Written::Toml(toml::Value::String(text))) => Some(split(&text)),
            Some(Written::Toml(toml::Value::Array(items))) => {
                items.iter().map(|item| item.as_str().map(str::to_owned)).collect()
            }
            Some(Written::Toml(_)) => None,
        };
        words.map(Some).ok_or_else(|| self.refuse(name, "must be a list of texts"))
    }

    fn addresses(&mut self) -> Result<Option<Vec<SocketAddr>>, ConfigError> {
        let Some(words) = self.words("listen")? else { return Ok(None) };
        let addresses: Result<Vec<SocketAddr>, _> = words
            .iter()
            .map(|word| {
                word.parse().map_err(|_| {
                    self.refuse("listen", format!("{word:?} is no ADDR:PORT such as 127.0.0.1:{PORT} or [::]:{PORT}"))
                })
            })
            .collect();
        let addresses = addresses?;
        if addresses.is_empty() { Err(self.refuse("listen", "names no address")) } else { Ok(Some(addresses)) }
    }

    /// systemd makes the folder before the start and passes its name; of several the first is ours.
    fn default_data(&mut self) -> PathBuf {
        const VARIABLE: &str = "STATE_DIRECTORY";
        let first = self.around.environment.get(VARIABLE).and_then(|folders| folders.split(':').next());
        match first.filter(|folder| !folder.is_empty()) {
            Some(folder) => {
                self.origins.insert("data", Origin::Env(VARIABLE.to_owned()));
                folder.into()
            }
            None => "./firstkey-data".into(),
        }
    }

    fn master_key_file(&mut self, data: &Path) -> Result<PathBuf, ConfigError> {
        if let Some(path) = self.path("master_key_file")? {
            return Ok(path);
        }
        if let Some(credential) = &self.around.credential {
            self.origins.insert("master_key_file", Origin::Env("CREDENTIALS_DIRECTORY".to_owned()));
            return Ok(credential.clone());
        }
        Ok(data.join("master.key"))
    }

    fn database(&mut self, data: &Path) -> Result<DatabaseUrl, ConfigError> {
        let Some(text) = self.text("database_url")? else {
            return Ok(DatabaseUrl::Sqlite(data.join("firstkey.db")));
        };
        let url = self.database_url("database_url", &text)?;
        if matches!(self.origins.get("database_url"), Some(Origin::Flag(_))) && url.holds_password() {
            self.warnings.push(format!(
                "every user of this machine can read the password in --database-url; {DATABASE_URL_FILE} names a file instead"
            ));
        }
        Ok(url)
    }

    fn database_url(&mut self, name: &'static str, text: &str) -> Result<DatabaseUrl, ConfigError> {
        let url = DatabaseUrl::parse(text).map_err(|problem| self.refuse(name, problem))?;
        let libpq = |name: &str| self.around.environment.get(name).map(String::as_str);
        let warning =
            url.check_way(libpq, cfg!(feature = "postgres-tls")).map_err(|problem| self.refuse(name, problem))?;
        self.warnings.extend(warning.map(str::to_owned));
        Ok(url)
    }

    /// SQLite has no server that could follow another.
    fn replica(&mut self, database: &DatabaseUrl) -> Result<Option<DatabaseUrl>, ConfigError> {
        const NAME: &str = "database.replica_url";
        let Some(text) = self.text(NAME)? else { return Ok(None) };
        match (database, self.database_url(NAME, &text)?) {
            (DatabaseUrl::Postgres(_), replica @ DatabaseUrl::Postgres(_)) => Ok(Some(replica)),
            (DatabaseUrl::Postgres(_), DatabaseUrl::Sqlite(_)) => {
                Err(self.refuse(NAME, "must begin with postgres:// or postgresql://"))
            }
            (DatabaseUrl::Sqlite(_), _) => {
                Err(self.refuse(NAME, "only PostgreSQL has replicas, and database_url is SQLite; leave it out"))
            }
        }
    }

    fn transport(&mut self, listen: &[SocketAddr]) -> Result<Transport, ConfigError> {
        let plain = self.yes("plain_http")?.unwrap_or(false);
        let anywhere = self.yes("plain_http_anywhere")?.unwrap_or(false);
        let chain = self.path("tls_cert")?;
        let key = self.path("tls_key")?;
        let exposed = listen.iter().find(|address| !address.ip().to_canonical().is_loopback());
        match (plain, chain, key) {
            (false, ..) if anywhere => {
                Err(self.refuse("plain_http_anywhere", "says nothing alone; plain HTTP on any address needs both \
                     --plain-http and --plain-http-anywhere"))
            }
            (false, None, None) => Ok(Transport::SelfSigned),
            (false, Some(chain), Some(key)) => Ok(Transport::Certificate { chain, key }),
            (false, Some(_), None) => Err(self.refuse("tls_cert", "needs tls_key beside it")),
            (false, None, Some(_)) => Err(self.refuse("tls_key", "needs tls_cert beside it")),
            (true, Some(_), _) => Err(self.refuse("tls_cert", "a certificate is of no use with plain_http; leave one out")),
            (true, None, Some(_)) => Err(self.refuse("tls_key", "a key is of no use with plain_http; leave one out")),
            (true, None, None) => match exposed.filter(|_| !anywhere) {
                Some(address) => Err(self.refuse("listen", format!(
                    "{address} is not a loopback address, where plain HTTP shows passwords and keys to the network; \
                     serve TLS, or say both --plain-http and --plain-http-anywhere"
                ))),
                None => Ok(Transport::PlainHttp),
            },
        }
    }

    /// The form in which browsers write an origin, so that the two can be compared.
    fn public_url(&mut self) -> Result<Option<String>, ConfigError> {
        let Some(text) = self.text("public_url")? else { return Ok(None) };
        let (scheme, rest, implied) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => ("https", rest, 443),
            (_, Some(rest)) if self.plain_http() => ("http", rest, 80),
            _ => {
                return Err(
                    self.refuse("public_url", "must begin with https://, or with http:// when plain_http is on")
                );
            }
        };
        let host = rest.strip_suffix('/').unwrap_or(rest);
        let authority = host.parse::<Authority>().ok().filter(|_| !host.contains(['@', '/', '?', '#', '\\']));
        let authority = authority
            .filter(|known| !known.host().is_empty() && (known.port().is_some() || known.as_str() == known.host()))
            .ok_or_else(|| {
                self.refuse("public_url", "must be scheme, host and port only, as https://keys.example.org")
            })?;
        let port =
            authority.port_u16().filter(|port| *port != implied).map(|port| format!(":{port}")).unwrap_or_default();
        Ok(Some(format!("{scheme}://{}{port}", authority.host().to_lowercase())))
    }

    fn mail(&mut self) -> Result<Option<Mail>, ConfigError> {
        let (url, from) = (self.text("mail.url")?, self.text("mail.from")?);
        let from = from
            .map(|from| {
                from.parse()
                    .map_err(|_| self.refuse("mail.from", "must be an address, as Firstkey <firstkey@example.com>"))
            })
            .transpose()?;
        match (url, from) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(self.refuse("mail.from", "needs mail.url beside it")),
            (Some(_), None) => Err(self.refuse("mail.url", "needs mail.from beside it, from whom mail is")),
            (Some(url), Some(from)) => {
                let url = MailUrl::parse(&url).map_err(|problem| self.refuse("mail.url", problem))?;
                Ok(Some(Mail { url, from }))
            }
        }
    }

    fn networks(&mut self, name: &'static str) -> Result<Vec<IpNet>, ConfigError> {
        let words = self.words(name)?.unwrap_or_default();
        let read = |word: String| {
            let address = || word.parse::<IpAddr>().map(IpNet::from);
            word.parse::<IpNet>()
                .or_else(|_| address())
                .map(|network| network.trunc())
                .map_err(|_| self.refuse(name, format!("{word:?} is no network such as 10.20.0.0/16 or fd00:1::/32")))
        };
        words.into_iter().map(read).collect()
    }

    /// Whoever trusts everybody lets everybody say where they are.
    fn trusted_proxies(&mut self) -> Result<Vec<IpNet>, ConfigError> {
        const NAME: &str = "trusted_proxies";
        let networks = self.networks(NAME)?;
        match networks.iter().find(|network| network.prefix_len() == 0) {
            Some(all) => Err(self.refuse(NAME, format!("{all} is everybody: list the proxies"))),
            None => Ok(networks),
        }
    }

    fn plain_http(&mut self) -> bool {
        self.yes("plain_http").ok().flatten().unwrap_or(false)
    }

    fn log_format(&mut self) -> Result<LogFormat, ConfigError> {
        match self.text("log.format")?.as_deref() {
            None | Some("auto") => Ok(LogFormat::Auto),
            Some("json") => Ok(LogFormat::Json),
            Some("text") => Ok(LogFormat::Text),
            Some(_) => Err(self.refuse("log.format", "must be auto, json or text")),
        }
    }
}

/// The file's values by dotted name. Errors name a line and never quote it: it may hold a password.
fn read_toml(path: &Path, text: &str) -> Result<BTreeMap<String, toml::Value>, ConfigError> {
    let path = path.display();
    let table: toml::Table = toml::from_str(text).map_err(|error| {
        let line =
            error.span().map_or(1, |span| text.as_bytes()[..span.start].iter().filter(|b| **b == b'\n').count() + 1);
        ConfigError(format!("{path}, line {line}: {}", error.message()))
    })?;
    let mut values = BTreeMap::new();
    flatten("", table, &mut values);
    let unknown: Vec<String> = values
        .keys()
        .filter(|name| SETTINGS.iter().all(|setting| setting.name != name.as_str()))
        .map(|name| format!("there is no setting {name}; did you mean {}?", nearest(name, str::to_owned)))
        .collect();
    if unknown.is_empty() { Ok(values) } else { Err(ConfigError(format!("{path}: {}", unknown.join(" ")))) }
}

fn flatten(prefix: &str, table: toml::Table, values: &mut BTreeMap<String, toml::Value>) {
    for (name, value) in table {
        let name = format!("{prefix}{name}");
        match value {
            toml::Value::Table(table) => flatten(&format!("{name}."), table, values),
            value => {
                values.insert(name, value);
            }
        }
    }
}

/// A warning about a variable that looks like a setting and is none. No error: Kubernetes puts such
/// variables into every container beside a service named `firstkey`.
fn unknown_variable(name: &str) -> Option<String> {
    let taken = [CONFIG, DATABASE_URL_FILE, REPLICA_URL_FILE, MAIL_URL_FILE, crate::logging::LEVELS];
    let known = !name.starts_with("FIRSTKEY_")
        || name.starts_with("FIRSTKEY_TEST_")
        // flags of another command
        || name.starts_with("FIRSTKEY_VERIFYD_")
        || taken.contains(&name)
        || SETTINGS.iter().any(|setting| variable(setting.name) == name);
    (!known).then(|| format!("{name} is no setting and was ignored; did you mean {}?", nearest(name, variable)))
}

/// The setting whose name, spelt by `spell`, is most like `name`.
fn nearest(name: &str, spell: impl Fn(&str) -> String) -> String {
    let names = SETTINGS.iter().map(|setting| spell(setting.name));
    names.min_by_key(|known| strsim::osa_distance(name, known)).unwrap_or_default()
}

/// The page `docs/configuration.md`.
pub fn page() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         Nothing needs to be configured. What is, may come from a flag of `firstkey serve`, from an environment variable or\n\
         from a TOML file (`--config FILE` or `FIRSTKEY_CONFIG`); flags beat the environment, the environment beats the file,\n\
         the file beats the default.\n\n\
         * In the file a dot makes a table: `sign_in.bcrypt_cost = 13`, or `bcrypt_cost = 13` below `[sign_in]`. A name that\n\
         \x20 does not exist is an error.\n\
         * In the environment a name is `FIRSTKEY_` and upper case, with `_` for the dot: `FIRSTKEY_SIGN_IN_BCRYPT_COST`. An\n\
         \x20 empty variable counts as not set; an unknown one is warned about.\n\
         * `FIRSTKEY_DATABASE_URL_FILE` names a file that holds the database's URL, so that its password stands neither in\n\
         \x20 the environment nor in a list of processes; `FIRSTKEY_MAIL_URL_FILE` does so for the mail server, `FIRSTKEY_DATABASE_REPLICA_URL_FILE` for the replica.\n\
         * `FIRSTKEY_LOG` sets the levels of the log: `info` (the default), `warn`, `firstkey=debug`. Code of others is never\n\
         \x20 logged below `info`, since it would log headers with keys in them.\n\
         * Relative paths start at the folder in which the program was started.\n\n\
         | setting | flag | value | default | meaning |\n|---|---|---|---|---|\n",
    );
    for Setting { name, flag, kind, default, meaning } in SETTINGS {
        let flag = flag.map(|flag| format!("`{flag}`")).unwrap_or_default();
        page.push_str(&format!("| `{name}` | {flag} | {kind} | {default} | {meaning} |\n"));
    }
    page
}

#[cfg(test)]
mod tests;
