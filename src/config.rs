//! What can be configured, and where each value came from: flags beat the environment, the environment
//! beats the file, the file beats the default.
//!
//! [`SETTINGS`] is the list; `docs/configuration.md` is made from it. [`Config::load`] gathers what this
//! process was given, [`Config::resolve`] decides, and touches nothing but its arguments.

mod database_url;
mod mail;
mod sources;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};

pub use self::database_url::DatabaseUrl;
pub use self::mail::{Mail, MailTls, MailUrl};
use self::sources::{Sources, Written};
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
    "verify.keys": "1 to 10000000", "`300000`", "Keys that each node remembers for verification, about 160 bytes each; for others it asks the database.";
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
            keys_remembered: from.number("verify.keys", 1..=10_000_000)?.unwrap_or(300_000),
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
         \x20 logged below `info`, since it would log headers with keys in them. Of requests that cannot be answered (503)\n\
         \x20 the first twenty of each second and cause have a line, of each worker; the next one says how many more there were.\n\
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
