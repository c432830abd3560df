//! Where a setting's value comes from, and what it takes to be one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use actix_web::http::uri::Authority;
use ipnet::IpNet;
use secrecy::ExposeSecret;

use super::{
    CONFIG, ConfigError, DATABASE_URL_FILE, DatabaseUrl, Flags, MAIL_URL_FILE, Mail, MailUrl, Origin, PORT,
    REPLICA_URL_FILE, SETTINGS, Surroundings, Transport, refusal, variable,
};
use crate::logging::LogFormat;

/// A value before it has a type.
pub enum Written {
    /// From a flag or the environment.
    Word(OsString),
    /// From a flag that may be repeated.
    Words(Vec<String>),
    /// From the file.
    Toml(toml::Value),
}

/// The three places a value may come from, and what was found there.
pub struct Sources<'a> {
    flags: &'a Flags,
    around: &'a Surroundings,
    file: BTreeMap<String, toml::Value>,
    pub origins: BTreeMap<&'static str, Origin>,
    pub warnings: Vec<String>,
}

impl<'a> Sources<'a> {
    pub fn new(flags: &'a Flags, around: &'a Surroundings) -> Result<Self, ConfigError> {
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

    pub fn path(&mut self, name: &'static str) -> Result<Option<PathBuf>, ConfigError> {
        let path = match self.find(name)? {
            None => return Ok(None),
            Some(Written::Word(word)) => PathBuf::from(word),
            Some(Written::Toml(toml::Value::String(text))) => PathBuf::from(text),
            Some(_) => return Err(self.refuse(name, "must be a path in quotes")),
        };
        if path.as_os_str().is_empty() { Err(self.refuse(name, "must not be empty")) } else { Ok(Some(path)) }
    }

    pub fn yes(&mut self, name: &'static str) -> Result<Option<bool>, ConfigError> {
        match self.find(name)? {
            None => Ok(None),
            Some(Written::Toml(toml::Value::Boolean(yes))) => Ok(Some(yes)),
            Some(Written::Word(word)) if word == "true" || word == "1" => Ok(Some(true)),
            Some(Written::Word(word)) if word == "false" || word == "0" => Ok(Some(false)),
            Some(_) => Err(self.refuse(name, "must be true or false")),
        }
    }

    pub fn number<N>(&mut self, name: &'static str, range: RangeInclusive<i64>) -> Result<Option<N>, ConfigError>
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

    pub fn addresses(&mut self) -> Result<Option<Vec<SocketAddr>>, ConfigError> {
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
    pub fn default_data(&mut self) -> PathBuf {
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

    pub fn master_key_file(&mut self, data: &Path) -> Result<PathBuf, ConfigError> {
        if let Some(path) = self.path("master_key_file")? {
            return Ok(path);
        }
        if let Some(credential) = &self.around.credential {
            self.origins.insert("master_key_file", Origin::Env("CREDENTIALS_DIRECTORY".to_owned()));
            return Ok(credential.clone());
        }
        Ok(data.join("master.key"))
    }

    pub fn database(&mut self, data: &Path) -> Result<DatabaseUrl, ConfigError> {
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
    pub fn replica(&mut self, database: &DatabaseUrl) -> Result<Option<DatabaseUrl>, ConfigError> {
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

    pub fn transport(&mut self, listen: &[SocketAddr]) -> Result<Transport, ConfigError> {
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
    pub fn public_url(&mut self) -> Result<Option<String>, ConfigError> {
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

    pub fn mail(&mut self) -> Result<Option<Mail>, ConfigError> {
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

    pub fn networks(&mut self, name: &'static str) -> Result<Vec<IpNet>, ConfigError> {
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
    pub fn trusted_proxies(&mut self) -> Result<Vec<IpNet>, ConfigError> {
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

    pub fn log_format(&mut self) -> Result<LogFormat, ConfigError> {
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
