//! `firstkey serve`.

use std::io::IsTerminal as _;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Failure;
use crate::app::{App, Rules};
use crate::bootstrap::{self, FIRST_ADMINISTRATOR, FirstAdministrator};
use crate::clock::{Clock, SECOND, Timestamp};
use crate::config::{Config, Flags, Transport};
use crate::logging::{self, LogFormat};
use crate::server;
use crate::tls::{self, CertificateStore};

/// How often the certificate is looked at.
const LOOK_AT_CERTIFICATE_EVERY: Duration = Duration::from_secs(12 * 3_600);

pub fn run(flags: &Flags) -> Result<(), Failure> {
    let config = Config::load(flags)?;
    logging::start(config.log_format);
    for warning in &config.warnings {
        log::warn!("{warning}");
    }
    // first of all: a start that finds its port taken makes nothing
    let listeners = server::listen(&config).map_err(|error| Failure::Refused(error.to_string()))?;
    // likewise an operator's certificate that cannot be used
    let own = match config.transport {
        Transport::SelfSigned => None,
        _ => Some(Certificate::of(&config, Clock::System.now())?),
    };
    let clock = Clock::System;
    let rules = Rules {
        throttle: config.sign_in.throttle,
        legacy_login: config.legacy_login,
        snapshot_valid_for: config.snapshot_valid_for * SECOND,
        ..Rules::default()
    };
    let (app, first) = bootstrap::start(&config, clock, rules)?;
    let certificate = match own {
        Some(certificate) => certificate,
        None => Certificate::of(&config, app.now())?,
    };
    actix_web::rt::System::new().block_on(serve(config, app, first, certificate, listeners))
}

async fn serve(
    config: Config,
    app: App,
    first: FirstAdministrator,
    certificate: Certificate,
    listeners: Vec<TcpListener>,
) -> Result<(), Failure> {
    let refused = |error: std::io::Error| Failure::Refused(error.to_string());
    let bound = server::serve_on(&app, &config, listeners, certificate.store.clone()).map_err(refused)?;
    let (url, local, handle) = (bound.url(), bound.local_url(), bound.server.handle());
    // before anybody is told that it is ready: a signal that is not watched yet ends the process
    let signals = Signals::watch();
    server::spawn_chores(&app);
    certificate.keep_fresh(config.clone(), app.clone());
    let serving = actix_web::rt::spawn(bound.server);
    println!("ready {url}");
    log::info!(url = url.as_str(), version = env!("CARGO_PKG_VERSION"); "serving");
    if let FirstAdministrator::MadeWithPasswordIn(path) = &first {
        show_first_commands(&config, &local, path);
    }
    signals.until_told_to_stop(&certificate).await;
    server::stop(&app, &handle).await;
    ended(serving).await
}

/// How a server that was stopped ended.
pub(super) async fn ended(serving: JoinHandle<std::io::Result<()>>) -> Result<(), Failure> {
    match tokio::time::timeout(LAST_WORDS, serving).await {
        Ok(ended) => ended
            .map_err(|error| Failure::Refused(error.to_string()))?
            .map_err(|error| Failure::Refused(error.to_string())),
        // connections are left that nobody waits for
        Err(_) => Ok(()),
    }
}

/// How long a server that has stopped may take to say how it ended.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// The certificate, where the server speaks TLS.
#[derive(Clone)]
pub struct Certificate {
    store: Option<Arc<CertificateStore>>,
}

impl From<Option<Arc<CertificateStore>>> for Certificate {
    fn from(store: Option<Arc<CertificateStore>>) -> Self {
        Self { store }
    }
}

impl Certificate {
    fn of(config: &Config, now: Timestamp) -> Result<Self, Failure> {
        let refused = |error: tls::TlsError| Failure::Refused(error.to_string());
        let store = match &config.transport {
            Transport::PlainHttp => None,
            Transport::SelfSigned => {
                let own = tls::ensure_self_signed(&config.data, &names(config), now).map_err(refused)?;
                Some(CertificateStore::load(&own.certificate, &own.key).map_err(refused)?)
            }
            Transport::Certificate { chain, key } => {
                if let Some(warning) = tls::too_open(key) {
                    log::warn!("{warning}");
                }
                Some(CertificateStore::load(chain, key).map_err(refused)?)
            }
        };
        if let Some(store) = &store {
            let (fingerprint, ends) = (store.fingerprint(), store.ends().to_string());
            log::info!(fingerprint = fingerprint.as_str(), ends = ends.as_str(); "the certificate's SHA-256 fingerprint");
        }
        Ok(Self { store })
    }

    fn reload(&self) {
        let Some(store) = &self.store else { return };
        match store.reload() {
            Ok(()) => log::info!(fingerprint = store.fingerprint().as_str(); "the certificate was read again"),
            Err(error) => log::error!(error = error.to_string().as_str(); "the old certificate stays"),
        }
    }

    /// Renews our own certificate in time; warns about an operator's that ends soon.
    fn keep_fresh(&self, config: Config, app: App) {
        let certificate = self.clone();
        actix_web::rt::spawn(async move {
            loop {
                tokio::time::sleep(LOOK_AT_CERTIFICATE_EVERY).await;
                if let Transport::SelfSigned = config.transport {
                    match tls::ensure_self_signed(&config.data, &names(&config), app.now()) {
                        Ok(own) if own.made => certificate.reload(),
                        Ok(_) => {}
                        Err(error) => {
                            log::error!(error = error.to_string().as_str(); "the certificate could not be renewed")
                        }
                    }
                }
            }
        });
    }
}

/// The names that the self-signed certificate carries besides this machine's.
fn names(config: &Config) -> Vec<String> {
    let public = config.public_url.as_deref().and_then(|url| url.parse::<actix_web::http::Uri>().ok());
    let public = public.and_then(|url| url.host().map(|host| host.trim_matches(['[', ']']).to_owned()));
    let listened =
        config.listen.iter().map(std::net::SocketAddr::ip).filter(|ip| !ip.is_unspecified() && !ip.is_loopback());
    public.into_iter().chain(listened.map(|ip| ip.to_string())).collect()
}

/// The signals that mean something to a server.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// From now on they do not end the process.
    pub fn watch() -> Self {
        let watch = |kind| signal(kind).expect("a process may watch its own signals");
        Self {
            terminate: watch(SignalKind::terminate()),
            interrupt: watch(SignalKind::interrupt()),
            hang_up: watch(SignalKind::hangup()),
        }
    }

    /// Waits for the end; a hang-up has the certificate read again.
    pub async fn until_told_to_stop(mut self, certificate: &Certificate) {
        loop {
            // in this order: a certificate that was renewed before the end is still read
            tokio::select! {
                biased;
                _ = self.hang_up.recv() => certificate.reload(),
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
            }
        }
    }
}

/// The two commands that mint the first key, for this very address. They need curl, cat, tee and sed.
fn show_first_commands(config: &Config, url: &str, password_file: &Path) {
    let [session, key] = first_commands(config, url, password_file);
    if config.log_format == LogFormat::Json
        || (config.log_format == LogFormat::Auto && !std::io::stderr().is_terminal())
    {
        log::warn!(session = session.as_str(), key = key.as_str(); "first start: these two commands mint the first API key");
        return;
    }
    eprintln!(
        "\nThis is the first start. The administrator {FIRST_ADMINISTRATOR} was made; for 24 hours the password in\n  {}\n\
         works for minting keys and for being changed, and nothing else. These two commands mint the first API key:\n\n\
         {session}\n\n{key}\n",
        password_file.display()
    );
}

fn first_commands(config: &Config, url: &str, password_file: &Path) -> [String; 2] {
    let trust = match config.transport {
        Transport::SelfSigned => format!(" --cacert {}", quoted(&config.data.join("tls/certificate.pem"))),
        _ => String::new(),
    };
    let headers = "-H 'api-version: v1' -H 'Content-Type: application/json'";
    [
        format!(
            "curl -sS{trust} -X POST {url}/api/sessions {headers} -c cookie.txt \\\n  \
             -d '{{\"userName\":\"{FIRST_ADMINISTRATOR}\",\"password\":\"'\"$(cat {})\"'\"}}' | tee session.txt",
            quoted(password_file)
        ),
        format!(
            "curl -sS{trust} -X POST {url}/api/apikeys {headers} -b cookie.txt \\\n  \
             -H \"rID: $(sed 's/.*\"RID\":\"\\([0-9A-F]*\\)\".*/\\1/' session.txt)\" \\\n  \
             -d '{{\"keyName\":\"First Key\",\"description\":\"Created using a request ID\",\"roleID\":1}}' | tee first-key.json"
        ),
    ]
}

/// A path as a shell's word.
fn quoted(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    format!("'{}'", path.display().to_string().replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_commands_survive_a_folder_with_blanks_and_quotes() {
        assert_eq!(quoted(Path::new("/srv/it's here")), r"'/srv/it'\''s here'");
    }
}
