//! Calls to webhooks. The name is looked up here, every address it has must lie within the fence, and the connection
//! goes to one of those: a name that leads elsewhere a moment later changes nothing.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error};

use super::{Failure, Fence, HookUrl};

/// The longest that a call may take, name and all.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long a name may take to be looked up while somebody waits.
const LOOK_UP: Duration = Duration::from_secs(3);
/// The longest head of an answer, in bytes. The body is not read.
const MOST_HEAD: usize = 16 * 1024;

/// Calls webhooks, and only within the fence; cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    agent: Agent,
    fence: Arc<Fence>,
}

/// A webhook may not lead there.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused(pub &'static str);

const OUTSIDE: &str = "it leads to an address that webhooks may not reach: of this machine, a private network, or not of the \
                       public Internet. The operator can let it through with webhooks.allow_networks";

#[derive(Debug)]
struct FencedResolver {
    fence: Arc<Fence>,
    inner: DefaultResolver,
}

/// What the resolver's refusal is recognised by.
const FENCED: &str = "outside of the fence";

impl Resolver for FencedResolver {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let addresses = self.inner.resolve(uri, config, timeout)?;
        match self.fence.permits_all(addresses.iter().map(SocketAddr::ip)) {
            true => Ok(addresses),
            false => Err(Error::BadUri(FENCED.to_owned())),
        }
    }
}

/// TLS that trusts the public authorities, or these instead (PEM).
pub(super) fn trusting(authorities: Option<&[u8]>) -> Result<TlsConfig, String> {
    let roots = match authorities {
        None => RootCerts::WebPki,
        Some(pem) => certificates(pem)?.into(),
    };
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(roots)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build())
}

impl Client {
    /// A client that trusts the public authorities, or these instead (PEM).
    pub fn new(fence: Fence, authorities: Option<&[u8]>) -> Result<Self, String> {
        let config = Agent::config_builder()
            .tls_config(trusting(authorities)?)
            .https_only(!fence.http)
            // the environment of the server must not lead its calls around the fence
            .proxy(None)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .timeout_global(Some(DEADLINE))
            .max_response_header_size(MOST_HEAD)
            .max_idle_connections(0)
            .user_agent(concat!("Firstkey/", env!("CARGO_PKG_VERSION")))
            .build();
        let fence = Arc::new(fence);
        let resolver = FencedResolver { fence: fence.clone(), inner: DefaultResolver::default() };
        Ok(Self { agent: Agent::with_parts(config, DefaultConnector::default(), resolver), fence })
    }

    /// Whether a webhook may lead there, as far as can be said now: a name that nobody knows is judged when it is
    /// called. Looks the name up, and waits for it.
    pub async fn admits(&self, url: &HookUrl) -> Result<(), Refused> {
        if url.is_http() && !self.fence.http {
            return Err(Refused("https:// is needed"));
        }
        let addresses: Vec<IpAddr> = match url.address() {
            Some(address) => vec![address],
            None => {
                let place = url.place();
                let look_up = tokio::task::spawn_blocking(move || {
                    place.to_socket_addrs().map(|found| found.map(|address| address.ip()).collect())
                });
                match tokio::time::timeout(LOOK_UP, look_up).await {
                    Ok(Ok(Ok(found))) => found,
                    _ => return Ok(()),
                }
            }
        };
        if addresses.is_empty() || self.fence.permits_all(addresses) { Ok(()) } else { Err(Refused(OUTSIDE)) }
    }

    /// Sends a body with these headers; 2xx is success. No redirect is followed and the answer's body is not read.
    /// Blocks for ten seconds at most.
    pub fn post(&self, url: &HookUrl, headers: &[(&str, String)], body: &[u8]) -> Result<(), Failure> {
        let mut request = self.agent.post(url.as_str()).content_type("application/json");
        for (name, value) in headers {
            request = request.header(*name, value.as_str());
        }
        let failure = |why: &str| Failure { why: why.to_owned(), unreachable: true, gone: false };
        let status = match request.send(body) {
            Ok(answer) => answer.status().as_u16(),
            Err(Error::BadUri(said)) if said == FENCED => return Err(failure("refused: it leads out of the fence")),
            Err(error) => return Err(failure(kind_of(&error))),
        };
        match status {
            200..=299 => Ok(()),
            410 => Err(Failure { gone: true, ..failure("answered 410: gone") }),
            300..=399 => Err(failure(&format!("answered {status}: redirects are not followed"))),
            // it is too busy, or nobody stands behind the proxy
            429 | 502..=504 => Err(failure(&format!("answered {status}"))),
            _ => Err(Failure { unreachable: false, ..failure(&format!("answered {status}")) }),
        }
    }
}

/// What went wrong, in words of our own: an error's text may quote what the other side has sent.
pub(super) fn kind_of(error: &Error) -> &'static str {
    match error {
        Error::Timeout(_) => "no answer within 10 seconds",
        Error::HostNotFound => "the host cannot be found",
        Error::ConnectionFailed => "no connection",
        Error::RequireHttpsOnly(_) => "refused: it is not https",
        Error::Rustls(_) | Error::Tls(_) => "no TLS connection; is the certificate of an authority that is trusted?",
        Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => "the connection was refused",
        // a handshake that fails comes wrapped as this
        Error::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            "no TLS connection; is the certificate of an authority that is trusted?"
        }
        Error::Io(_) => "the connection broke off",
        _ => "no answer that can be understood",
    }
}

pub(super) fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, String> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    let read: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = read.map_err(|_| "holds no certificates in PEM".to_owned())?;
    if found.is_empty() {
        return Err("holds no certificates in PEM".to_owned());
    }
    Ok(found.iter().map(|der| Certificate::from_der(der).to_owned()).collect())
}
