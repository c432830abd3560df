//! The database's URL: a secret, since it may hold a password. Nothing here ever shows more of it than
//! where it leads.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};

/// Which database, and where.
#[derive(Clone, Debug)]
pub enum DatabaseUrl {
    /// A file of this machine.
    Sqlite(PathBuf),
    /// A PostgreSQL server, as libpq reads its URL.
    Postgres(SecretString),
}

impl DatabaseUrl {
    /// Reads `sqlite://PATH`, `postgres://…` or `postgresql://…`. The error says what is wrong and shows
    /// nothing of the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(path) = text.strip_prefix("sqlite://") {
            return match path {
                "" => Err("sqlite:// needs a path after it, as in sqlite:///var/lib/firstkey/firstkey.db"),
                ":memory:" => Err("a database in memory would be another one for each connection; name a file"),
                path if path.contains('?') => Err("sqlite:// takes a path only, no options after a question mark"),
                path => Ok(Self::Sqlite(path.into())),
            };
        }
        Parts::of(text)?;
        // libpq would show the part that it stumbles over, a password's maybe
        if !escapes_are_whole(text) {
            return Err("a % in it must be followed by two hex digits; a bare % is written %25");
        }
        Ok(Self::Postgres(text.into()))
    }

    /// Whether a password is written in it.
    pub fn holds_password(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(url) => Parts::of(url.expose_secret()).is_ok_and(|parts| parts.password),
        }
    }

    /// Whether the way to the database is safe to take: passwords' digests and seeds travel on it. Answers
    /// a warning where it is taken all the same. `libpq` looks up the `PG…` variables that libpq reads
    /// beside the URL; `tls` says whether this build can encrypt.
    pub fn check_way<'e>(
        &self,
        libpq: impl Fn(&str) -> Option<&'e str>,
        tls: bool,
    ) -> Result<Option<&'static str>, &'static str> {
        let Self::Postgres(url) = self else { return Ok(None) };
        let parts = Parts::of(url.expose_secret())?;
        if parts.stays_here(libpq) {
            return Ok(None);
        }
        match (parts.sslmode.as_deref(), tls) {
            (Some("disable"), _) => Ok(Some("the connection to PostgreSQL on another host is not encrypted")),
            (Some("require" | "verify-ca" | "verify-full"), true) => Ok(None),
            (_, true) => Ok(Some(
                "the connection to PostgreSQL on another host falls back to plain text where the server asks for it; \
                 write sslmode=verify-full",
            )),
            (_, false) => {
                Err("PostgreSQL on another host needs TLS, which this program was built without; build it with \
                 `--features postgres-tls`, or write sslmode=disable into the URL where the network is trusted")
            }
        }
    }
}

/// Where it leads: scheme, hosts and database; never a user, a password or an option.
impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite://{}", path.display()),
            Self::Postgres(url) => match Parts::of(url.expose_secret()) {
                Ok(parts) => write!(f, "postgres://{}", parts.place),
                Err(_) => f.write_str("postgres://"),
            },
        }
    }
}

/// Whether every `%` begins an escape (RFC 3986 §2.1).
fn escapes_are_whole(text: &str) -> bool {
    text.split('%')
        .skip(1)
        .all(|rest| rest.as_bytes().get(..2).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)))
}

/// What of a PostgreSQL URL decides where it leads, split as libpq's `conninfo_uri_parse` does.
struct Parts<'u> {
    /// Hosts, ports and database as written.
    place: &'u str,
    /// Hosts of URL or option `host`; empty where none is named.
    hosts: String,
    /// Addresses that libpq takes instead of looking the hosts up.
    addresses: Option<String>,
    /// A section of a service file that names the host; it is not ours to read.
    service: bool,
    password: bool,
    sslmode: Option<String>,
}

impl<'u> Parts<'u> {
    fn of(url: &'u str) -> Result<Self, &'static str> {
        const ENCODE: &str = "an @ or / in the user name or password must be written %40 or %2F";
        let rest = url
            .strip_prefix("postgres://")
            .or_else(|| url.strip_prefix("postgresql://"))
            .ok_or("must begin with postgres://, postgresql:// or sqlite://")?;
        let credentials = rest.find(['@', '/']).filter(|&at| rest[at..].starts_with('@'));
        let password = credentials.is_some_and(|at| rest[..at].contains(':'));
        let rest = credentials.map_or(rest, |at| &rest[at + 1..]);
        let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
        // Here a password that was cut at the wrong place would show.
        if place.contains('@') {
            return Err(ENCODE);
        }
        let authority = place.split('/').next().unwrap_or(place);
        let mut hosts = Vec::new();
        for host in authority.split(',') {
            let (name, port) = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
                Some((name, port)) => (name, port.strip_prefix(':').unwrap_or(port)),
                None => host.split_once(':').unwrap_or((host, "")),
            };
            if !port.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err("the port must be a number, and an @ or / in the password written %40 or %2F");
            }
            hosts.push(decoded(name));
        }
        let mut parts =
            Self { place, hosts: hosts.join(","), addresses: None, service: false, password, sslmode: None };
        for option in options.split('&') {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            let value = decoded(value);
            match decoded(name).as_str() {
                "host" => parts.hosts = value,
                "hostaddr" => parts.addresses = Some(value),
                "service" => parts.service = true,
                "password" => parts.password = true,
                "sslmode" => parts.sslmode = Some(value),
                _ => {}
            }
        }
        Ok(parts)
    }

    /// Whether every host it may lead to is this machine.
    fn stays_here<'e>(&self, libpq: impl Fn(&str) -> Option<&'e str>) -> bool {
        let hosts = if self.hosts.is_empty() { libpq("PGHOST").unwrap_or_default() } else { &self.hosts };
        let addresses = self.addresses.as_deref().or_else(|| libpq("PGHOSTADDR")).unwrap_or_default();
        let service = self.service || libpq("PGSERVICE").is_some();
        !service && hosts.split(',').chain(addresses.split(',')).all(is_this_machine)
    }
}

/// Loopback, or a Unix socket: nothing (the default one), its folder, or an abstract name.
fn is_this_machine(host: &str) -> bool {
    host.is_empty()
        || host.starts_with(['/', '@'])
        || host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Undoes `%2F`; what is not well formed stays, for libpq to refuse.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte = hex.filter(|_| first == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &str) -> Option<&'static str> {
        None
    }

    #[test]
    fn a_url_shows_where_it_leads_and_no_password() {
        let table = [
            ("sqlite:///var/lib/a.db", "sqlite:///var/lib/a.db"),
            ("sqlite://a.db", "sqlite://a.db"),
            ("postgres://u:hunter2@localhost:5433/db?application_name=x", "postgres://localhost:5433/db"),
            ("postgresql://localhost/db?password=hunter2", "postgres://localhost/db"),
            ("postgres://u:hunter2?@localhost/db", "postgres://localhost/db"),
            ("postgres://u@%2Frun%2Fpostgresql/db", "postgres://%2Frun%2Fpostgresql/db"),
        ];
        for (text, shown) in table {
            let url = DatabaseUrl::parse(text).expect("as the test made it");
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{url:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_url_that_cannot_be_meant_is_refused_without_showing_it() {
        let table = [
            "",
            "mysql://u:hunter2@h/db",
            "hunter2",
            "POSTGRES://h/db",
            "sqlite://",
            "sqlite://:memory:",
            "sqlite://a.db?mode=ro",
            "postgres://u:hunter2/x@localhost/db",
            "postgres://u:hunter2@x@localhost/db",
            "postgres://localhost:hunter2/db",
        ];
        for text in table {
            let error = DatabaseUrl::parse(text).unwrap_err();
            assert!(!error.contains("hunter2"), "{text}: {error}");
        }
    }

    #[test]
    fn another_host_needs_tls_unless_that_is_waived_in_writing() {
        #[derive(Debug, PartialEq)]
        enum Way {
            Safe,
            Warned,
            Refused,
        }
        use Way::*;
        let table = [
            ("sqlite://a.db", Safe, Safe),
            ("postgres:///db", Safe, Safe),
            ("postgres://localhost/db", Safe, Safe),
            ("postgres://LOCALHOST:1,127.0.0.2,[::1]:5432/db", Safe, Safe),
            ("postgres://u:p@%2Frun%2Fpostgresql/db", Safe, Safe),
            ("postgres://ignored.example/db?host=/run/postgresql", Safe, Safe),
            ("postgres://db.example/db", Refused, Warned),
            ("postgres://localhost,db.example/db", Refused, Warned),
            ("postgres://localhost/db?host=db.example", Refused, Warned),
            ("postgres://localhost/db?%68ost=db.example", Refused, Warned),
            ("postgres://localhost/db?hostaddr=192.0.2.1", Refused, Warned),
            ("postgres:///db?service=far", Refused, Warned),
            ("postgres://localhost@db.example/db", Refused, Warned),
            ("postgres://127.0.0.1.example/db", Refused, Warned),
            ("postgres://db.example/db?sslmode=prefer", Refused, Warned),
            ("postgres://db.example/db?sslmode=disable", Warned, Warned),
            ("postgres://db.example/db?sslmode=disable&sslmode=require", Refused, Safe),
            ("postgres://db.example/db?sslmode=verify-full", Refused, Safe),
        ];
        for (text, without_tls, with_tls) in table {
            for (tls, expected) in [(false, without_tls), (true, with_tls)] {
                let way = match DatabaseUrl::parse(text).expect("as the test made it").check_way(nothing, tls) {
                    Ok(None) => Safe,
                    Ok(Some(_)) => Warned,
                    Err(_) => Refused,
                };
                assert_eq!(way, expected, "{text}, TLS built in: {tls}");
            }
        }
    }

    #[test]
    fn what_libpq_reads_from_the_environment_counts_too() {
        let refused = |text: &str, name: &'static str, value: &'static str| {
            DatabaseUrl::parse(text)
                .expect("as the test made it")
                .check_way(|asked| (asked == name).then_some(value), false)
                .is_err()
        };
        assert!(refused("postgres:///db", "PGHOST", "db.example"));
        assert!(!refused("postgres:///db", "PGHOST", "/run/postgresql"));
        assert!(!refused("postgres://localhost/db", "PGHOST", "db.example"));
        assert!(refused("postgres://localhost/db", "PGHOSTADDR", "192.0.2.1"));
        assert!(refused("postgres:///db", "PGSERVICE", "far"));
    }
}
