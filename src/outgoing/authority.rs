//! Snapshots, fetched from the server that issues the keys. Its URL is the operator's own word, so the fence around
//! webhooks is not for it; its certificate is.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use ureq::http::header::{ETAG, IF_NONE_MATCH};
use ureq::{Agent, Error};
use url::{Host, Url};

use super::client::{kind_of, trusting};

/// How long a connection may take, and how long the beginning of an answer.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(30);
/// How long a snapshot of a million keys may take.
const BODY: Duration = Duration::from_secs(600);
/// The longest head of an answer, and the longest snapshot, in bytes.
const MOST_HEAD: usize = 16 * 1024;
const MOST: u64 = 1 << 30;

/// The server that issues the keys, as an edge sees it; cheap to clone.
#[derive(Clone, Debug)]
pub struct Authority {
    agent: Agent,
    url: Url,
}

/// What it answers.
pub enum Fetched {
    /// Nothing has changed.
    NotModified,
    /// A snapshot, whoever it is signed by, and the tag to ask with the next time.
    Snapshot(Vec<u8>, Option<String>),
}

impl Authority {
    /// The server at this URL, whose certificate one of the public authorities has signed, or one of these (PEM). An
    /// API key goes there: so it must be `https://`, but for this machine itself.
    pub fn new(url: &str, authorities: Option<&[u8]>) -> Result<Self, String> {
        const EXPECTED: &str = "must be as https://keys.example.org, with a tenant's /t/… behind it at most";
        let mut url = Url::parse(url).map_err(|_| EXPECTED.to_owned())?;
        let is_local = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => return Err(EXPECTED.to_owned()),
        };
        if url.scheme() != "https" && !(url.scheme() == "http" && is_local) {
            return Err("must begin with https://: an API key is sent there".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(EXPECTED.to_owned());
        }
        let path = format!("{}/api/snapshot", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let config = Agent::config_builder()
            .tls_config(trusting(authorities)?)
            // the key goes to the server that was named, and to nobody that it or the environment speaks of
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .timeout_recv_body(Some(BODY))
            .max_response_header_size(MOST_HEAD)
            .user_agent(concat!("Firstkey/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self { agent: config.new_agent(), url })
    }

    /// Asks for a snapshot, unless it is the one with that tag. Blocks. What went wrong is told in words of our own.
    pub fn fetch(&self, key: &SecretString, tag: Option<&str>) -> Result<Fetched, String> {
        let mut request = self.agent.get(self.url.as_str()).header("api-secret-key", key.expose_secret());
        if let Some(tag) = tag {
            request = request.header(IF_NONE_MATCH, tag);
        }
        let mut answer = request.call().map_err(|error| said(&error))?;
        match answer.status().as_u16() {
            200 => {}
            304 if tag.is_some() => return Ok(Fetched::NotModified),
            401 => return Err("answered 401: the API key is not valid there".to_owned()),
            403 => {
                return Err(
                    "answered 403: the API key's role needs canViewApiKeys and canViewSystemInformation".to_owned()
                );
            }
            status => return Err(format!("answered {status}")),
        }
        let tag = answer.headers().get(ETAG).and_then(|tag| tag.to_str().ok()).map(str::to_owned);
        let text = answer.body_mut().with_config().limit(MOST).read_to_vec().map_err(|error| said(&error))?;
        Ok(Fetched::Snapshot(text, tag))
    }
}

fn said(error: &Error) -> String {
    match error {
        Error::Timeout(_) => "no answer in time".to_owned(),
        Error::BodyExceedsLimit(most) => format!("the answer is longer than {most} bytes"),
        Error::Http(_) | Error::BadUri(_) => "the request cannot be sent: is the API key one line?".to_owned(),
        error => kind_of(error).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sent_over_tls_or_within_the_machine() {
        for good in [
            "https://keys.example.org",
            "https://keys.example.org/",
            "https://10.0.0.7:4119/t/blue",
            "http://127.0.0.1:4119",
            "http://[::1]:4119",
            "http://localhost",
        ] {
            let authority = Authority::new(good, None).unwrap_or_else(|problem| panic!("{good}: {problem}"));
            assert!(authority.url.path().ends_with("/api/snapshot") && !authority.url.path().contains("//"), "{good}");
        }
        for bad in [
            "",
            "keys.example.org",
            "http://keys.example.org",
            "http://10.0.0.7",
            "http://127.0.0.1.example.org",
            "ftp://127.0.0.1",
            "https://user@keys.example.org",
            "https://:word@keys.example.org",
            "https://keys.example.org?x",
            "https://keys.example.org#x",
            "file:///etc/passwd",
        ] {
            assert!(Authority::new(bad, None).is_err(), "{bad}");
        }
        assert!(Authority::new("https://keys.example.org", Some(b"no PEM")).is_err());
    }
}
