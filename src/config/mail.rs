//! The mail server's URL: a secret, since it may hold a password. Nothing here ever shows more of it than where it
//! leads.

use std::fmt;
use std::net::IpAddr;

use lettre::message::Mailbox;
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

/// Through which server mail is sent, and from whom it is.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The server.
    pub url: MailUrl,
    /// From whom every mail is.
    pub from: Mailbox,
}

/// How the way to the mail server is kept from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// TLS from the first byte (RFC 8314).
    Always,
    /// STARTTLS, or no mail (RFC 3207).
    Required,
    /// STARTTLS where the server offers it.
    Opportunistic,
    /// In clear; only on this machine.
    None,
}

/// `smtp://` or `smtps://`, with user, password, host and port.
#[derive(Clone, Debug)]
pub struct MailUrl {
    user: Option<(String, SecretString)>,
    host: String,
    port: u16,
    tls: MailTls,
}

impl MailUrl {
    /// Reads `smtps://user:password@host:port` or `smtp://…?tls=required`. The error says what is wrong and shows
    /// nothing of the text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "must be smtps://USER:PASSWORD@HOST, or smtp://USER:PASSWORD@HOST:587?tls=required";
        let url = Url::parse(text).map_err(|_| FORM)?;
        let host = match url.host().ok_or(FORM)? {
            Host::Domain(name) => percent_decoded(name)?,
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        if host.is_empty() || !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(FORM);
        }
        let tls = tls(&url, is_this_machine(&host))?;
        let user = match (url.username(), url.password()) {
            ("", None) => None,
            (_, None) | ("", _) => return Err("a user needs a password, and a password a user"),
            (user, Some(password)) => Some((percent_decoded(user)?, SecretString::from(percent_decoded(password)?))),
        };
        if user.is_some() && tls == MailTls::Opportunistic {
            return Err("a password must not travel in clear: write tls=required, or smtps://");
        }
        let implied = match tls {
            MailTls::Always => 465,
            MailTls::Required | MailTls::Opportunistic => 587,
            MailTls::None => 25,
        };
        Ok(Self { user, host, port: url.port().unwrap_or(implied), tls })
    }

    /// User and password, where the server wants them.
    pub fn user(&self) -> Option<(&str, &str)> {
        self.user.as_ref().map(|(user, password)| (user.as_str(), password.expose_secret()))
    }

    /// Its name, or its address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How the way there is kept from others.
    pub fn tls(&self) -> MailTls {
        self.tls
    }
}

/// Where it leads: never a user or a password.
impl fmt::Display for MailUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls == MailTls::Always { "smtps" } else { "smtp" };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

fn tls(url: &Url, is_here: bool) -> Result<MailTls, &'static str> {
    let mut said = None;
    for (name, value) in url.query_pairs() {
        if name != "tls" || said.replace(value.into_owned()).is_some() {
            return Err("takes one option only: tls=required or tls=opportunistic");
        }
    }
    match (url.scheme(), said.as_deref()) {
        ("smtps", None) => Ok(MailTls::Always),
        ("smtps", Some(_)) => Err("smtps:// takes no option tls: it is TLS from the first byte"),
        ("smtp", Some("required")) => Ok(MailTls::Required),
        ("smtp", Some("opportunistic")) => Ok(MailTls::Opportunistic),
        ("smtp", None) if is_here => Ok(MailTls::None),
        ("smtp", None) => Err("a server on another machine needs TLS: write smtps://, or ?tls=required behind smtp://"),
        ("smtp", Some(_)) => Err("tls must be required or opportunistic"),
        _ => Err("must begin with smtps:// or smtp://"),
    }
}

fn percent_decoded(text: &str) -> Result<String, &'static str> {
    let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
    decoded.map(String::from).map_err(|_| "user, password and host must be UTF-8, percent-encoded")
}

fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_server_is_read_and_shown_without_its_password() {
        for (text, shown, tls, user) in [
            ("smtps://u:hunter2@mail.example", "smtps://mail.example:465", MailTls::Always, Some(("u", "hunter2"))),
            (
                "smtp://u%40x:h%3A2@mail.example?tls=required",
                "smtp://mail.example:587",
                MailTls::Required,
                Some(("u@x", "h:2")),
            ),
            ("smtp://mail.example:2525?tls=opportunistic", "smtp://mail.example:2525", MailTls::Opportunistic, None),
            ("smtp://localhost", "smtp://localhost:25", MailTls::None, None),
            ("smtp://u:p@127.0.0.1:1025/", "smtp://127.0.0.1:1025", MailTls::None, Some(("u", "p"))),
            ("smtp://[::1]:1025", "smtp://[::1]:1025", MailTls::None, None),
        ] {
            let url = MailUrl::parse(text).expect("as the test made it");
            assert_eq!((url.to_string().as_str(), url.tls(), url.user()), (shown, tls, user), "{text}");
            assert!(!format!("{url:?}").contains("hunter2"));
        }
    }

    #[test]
    fn a_mail_server_that_cannot_be_meant_is_refused_without_showing_it() {
        for text in [
            "",
            "hunter2",
            "https://u:hunter2@mail.example",
            "smtp://u:hunter2@mail.example",
            "smtp://u:hunter2@mail.example?tls=none",
            "smtp://u:hunter2@mail.example?tls=opportunistic",
            "smtp://mail.example?tls=required&tls=opportunistic",
            "smtp://mail.example?tls=required&hunter2=x",
            "smtps://u:hunter2@mail.example?tls=required",
            "smtps://hunter2@mail.example",
            "smtps://:hunter2@mail.example",
            "smtps://u:hunter2@mail.example/path",
            "smtps://u:hunter2@",
            "smtps://u:hunter2%ff@mail.example",
            "smtp://127.0.0.1.example",
        ] {
            let error = MailUrl::parse(text).unwrap_err();
            assert!(!error.contains("hunter2"), "{text}: {error}");
        }
    }
}
