//! `firstkey verifyd`: verification from a snapshot, where the server that issues the keys is far away.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use super::Failure;
use super::serve::{Signals, ended};
use crate::bootstrap;
use crate::clock::{Clock, SECOND};
use crate::config::{Config, Flags, Transport};
use crate::edge::refresh::{Credential, Source};
use crate::edge::{self, Edge, Settings, refresh};
use crate::logging;
use crate::outgoing::Authority;
use crate::server;
use crate::snapshot::seal::PublicKey;
use crate::tls::CertificateStore;

/// The port that is listened on where none is named: the one beside the server's.
const PORT: u16 = 4120;

#[derive(clap::Args)]
pub struct Arguments {
    /// The server that issues the keys, as https://keys.example.org
    #[arg(long, value_name = "URL", env = "FIRSTKEY_VERIFYD_AUTHORITY")]
    authority: String,
    /// What its snapshots are signed with, as `firstkey snapshot-key` prints it there
    #[arg(long, value_name = "ed25519:BASE64", env = "FIRSTKEY_VERIFYD_PUBLIC_KEY")]
    public_key: Option<String>,
    /// A file with that instead
    #[arg(long, value_name = "FILE", env = "FIRSTKEY_VERIFYD_PUBLIC_KEY_FILE", conflicts_with = "public_key")]
    public_key_file: Option<PathBuf>,
    /// A file with the API key that snapshots are read with; read anew each time. In its place the environment variable
    /// FIRSTKEY_VERIFYD_API_KEY may hold the key
    #[arg(long, value_name = "FILE", env = "FIRSTKEY_VERIFYD_API_KEY_FILE")]
    api_key_file: Option<PathBuf>,
    /// Whose certificate the server may have, PEM [default: the public authorities']
    #[arg(long, value_name = "FILE", env = "FIRSTKEY_VERIFYD_CA_FILE")]
    ca_file: Option<PathBuf>,
    /// Where the last good snapshot is kept, for a start without the server [default: nowhere]
    #[arg(long, value_name = "FILE", env = "FIRSTKEY_VERIFYD_KEEP")]
    keep: Option<PathBuf>,
    /// Seconds between two questions whether anything has changed
    #[arg(long, value_name = "SECONDS", env = "FIRSTKEY_VERIFYD_REFRESH_EVERY", default_value_t = 2,
          value_parser = clap::value_parser!(u64).range(1..=3_600))]
    refresh_every: u64,
    /// Seconds for which verification goes on without an answer of the server; never longer than the snapshot says
    #[arg(long, value_name = "SECONDS", env = "FIRSTKEY_VERIFYD_GO_ON_FOR", default_value_t = 3_600,
          value_parser = clap::value_parser!(i64).range(1..=2_592_000))]
    go_on_for: i64,
    /// Address to listen on; may be repeated [default: 127.0.0.1:4120 and [::1]:4120]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<Vec<String>>,
    /// Serve HTTP without TLS, on loopback only
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "true|false", hide_possible_values = true)]
    plain_http: Option<bool>,
    /// With --plain-http: serve it on any address
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", value_name = "true|false", hide_possible_values = true)]
    plain_http_anywhere: Option<bool>,
    /// Certificate and its intermediates, PEM
    #[arg(long, value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate, PEM
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// TOML file with settings, see docs/configuration.md
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Arguments {
    fn flags(&self) -> Flags {
        Flags {
            listen: self.listen.clone(),
            plain_http: self.plain_http,
            plain_http_anywhere: self.plain_http_anywhere,
            tls_cert: self.tls_cert.clone(),
            tls_key: self.tls_key.clone(),
            config: self.config.clone(),
            ..Flags::default()
        }
    }

    fn public_key(&self) -> Result<PublicKey, Failure> {
        let text = match (&self.public_key, &self.public_key_file) {
            (Some(text), _) => text.clone(),
            (None, Some(path)) => read("--public-key-file", path)?,
            (None, None) => {
                return Err(Failure::Refused(
                    "--public-key or --public-key-file is needed: `firstkey snapshot-key` prints the key on the server's host"
                        .into(),
                ));
            }
        };
        PublicKey::parse(text.trim()).ok_or_else(|| {
            Failure::Refused(
                "--public-key: ed25519: and base64 are expected, as `firstkey snapshot-key` prints them".into(),
            )
        })
    }

    /// Never from the command line: every user of the machine can read that.
    fn credential(&self) -> Result<Credential, Failure> {
        const VARIABLE: &str = "FIRSTKEY_VERIFYD_API_KEY";
        let in_environment = std::env::var(VARIABLE).ok().filter(|key| !key.is_empty());
        match (&self.api_key_file, in_environment) {
            (Some(path), None) => {
                read("--api-key-file", path)?;
                Ok(Credential::In(path.clone()))
            }
            (None, Some(key)) => Ok(Credential::Fixed(SecretString::from(key.trim().to_owned()))),
            (None, None) => Err(Failure::Refused(format!(
                "--api-key-file, or {VARIABLE} in the environment, is needed: an API key whose role has canViewApiKeys and \
                 canViewSystemInformation"
            ))),
            (Some(_), Some(_)) => {
                Err(Failure::Refused(format!("--api-key-file and {VARIABLE}: one of them is enough")))
            }
        }
    }

    fn source(&self) -> Result<Source, Failure> {
        let authorities = self.ca_file.as_deref().map(|path| read("--ca-file", path)).transpose()?;
        let wrong = |problem: String| {
            let name = if problem.contains("PEM") { "--ca-file" } else { "--authority" };
            Failure::Refused(format!("{name}: {problem}"))
        };
        let authority = Authority::new(&self.authority, authorities.as_ref().map(String::as_bytes)).map_err(wrong)?;
        Ok(Source { authority, credential: self.credential()?, kept: self.keep.clone() })
    }
}

fn read(name: &str, path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| Failure::Refused(format!("{name}: {}: {error}", path.display())))
}

pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut config = Config::load(&arguments.flags())?;
    logging::start(config.log_format);
    for warning in &config.warnings {
        log::warn!("{warning}");
    }
    if config.listen_is_default {
        config.listen.iter_mut().for_each(|address| address.set_port(PORT));
    }
    let certificate = match &config.transport {
        Transport::PlainHttp => None,
        Transport::Certificate { chain, key } => {
            let store = CertificateStore::load(chain, key);
            Some(store.map_err(|error| Failure::Refused(error.to_string()))?)
        }
        Transport::SelfSigned => {
            return Err(Failure::Refused(
                "say --plain-http, for a gateway of this machine, or --tls-cert and --tls-key".into(),
            ));
        }
    };
    let (public_key, source) = (arguments.public_key()?, arguments.source()?);
    let edge = Edge::new(Settings { public_key, go_on_for: arguments.go_on_for * SECOND, clock: Clock::System });
    if let Some(folder) =
        arguments.keep.as_deref().and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty())
    {
        bootstrap::make_private_folder(folder)?;
    }
    match source.recall(&edge) {
        Ok(Some(taken)) => refresh::tell(&taken),
        Ok(None) => {}
        Err(failed) => log::warn!(cause = failed.to_string().as_str(); "the snapshot that was kept is of no use"),
    }
    let every = Duration::from_secs(arguments.refresh_every);
    actix_web::rt::System::new().block_on(serve(config, edge, source, every, certificate))
}

async fn serve(
    config: Config,
    edge: Edge,
    source: Source,
    every: Duration,
    certificate: Option<Arc<CertificateStore>>,
) -> Result<(), Failure> {
    let refused = |error: std::io::Error| Failure::Refused(error.to_string());
    let listeners = server::listen(&config).map_err(refused)?;
    let address = listeners.first().map(std::net::TcpListener::local_addr).transpose().map_err(refused)?;
    let scheme = if certificate.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{}", address.map(|address| address.to_string()).unwrap_or_default());
    let server = edge::server::serve_on(&edge, &config, listeners, certificate.clone()).map_err(refused)?;
    let (handle, signals) = (server.handle(), Signals::watch());
    actix_web::rt::spawn(refresh::go_on(edge.clone(), source, every));
    let serving = actix_web::rt::spawn(server);
    println!("ready {url}");
    log::info!(url = url.as_str(), version = env!("CARGO_PKG_VERSION"); "verifying");
    signals.until_told_to_stop(&certificate.into()).await;
    edge::server::stop(&edge, &handle).await;
    ended(serving).await
}
