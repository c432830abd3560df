//! The certificate: one that the program makes and renews itself, or the operator's; either can be
//! exchanged under running connections.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::X509Certificate;

use crate::clock::{DAY, SECOND, Timestamp};

/// How long a self-signed certificate holds, in milliseconds: what browsers take at most.
const HOLDS: i64 = 397 * DAY;
/// How long before its end it is renewed, in milliseconds.
const RENEWED_BEFORE: i64 = 30 * DAY;
/// By this name a certificate is known to be ours, and only ours are ever overwritten.
const OUR_NAME: &str = "Firstkey self-signed";

/// Why a certificate cannot be served, with the file that is to blame.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {problem}", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// The key is another certificate's.
    #[error(
        "{} is not the private key of the first certificate in {}; the server's own certificate must stand before its intermediates",
        key.display(), chain.display()
    )]
    Mismatch {
        /// The file of the certificate.
        chain: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// A certificate cannot be made.
    #[error("a certificate cannot be made: {0}")]
    Make(#[from] rcgen::Error),
}

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> TlsError {
    move |source| TlsError::File { path: path.to_owned(), source }
}

fn content_error(path: &Path, problem: impl fmt::Display) -> TlsError {
    TlsError::Content { path: path.to_owned(), problem: problem.to_string() }
}

/// The certificate in the data folder.
#[derive(Debug)]
pub struct SelfSigned {
    /// `<data>/tls/certificate.pem`, which clients can take as their trust anchor.
    pub certificate: PathBuf,
    /// `<data>/tls/key.pem`.
    pub key: PathBuf,
    /// Its SHA-256 fingerprint.
    pub fingerprint: String,
    /// When it ends.
    pub ends: Timestamp,
    /// Whether it was made just now, so that clients that trusted the one before must trust this one.
    pub made: bool,
}

/// Sees to it that `<data>/tls` holds a certificate for localhost, this host and `extra_names` (host names
/// or IP addresses), good for 30 days or more from `now`.
///
/// A good one stays, so that clients that trust it go on trusting it; a changed host name is no reason
/// for a new one, a new `extra_name` is. One that somebody else made stays whatever its state.
pub fn ensure_self_signed(data: &Path, extra_names: &[String], now: Timestamp) -> Result<SelfSigned, TlsError> {
    let folder = data.join("tls");
    make_private_folder(&folder).map_err(file_error(&folder))?;
    let _alone = lock(&folder).map_err(file_error(&folder))?;
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    let made = match why_not(&certificate, &key, extra_names, now)? {
        None => false,
        Some(why) => {
            log::info!(path:% = certificate.display(); "making a self-signed certificate: {why}");
            let (chain, secret) = self_signed(extra_names, now)?;
            // The key first: should the second step never come, the two do not match and are made anew.
            write_private(&key, secret.as_bytes()).map_err(file_error(&key))?;
            write_private(&certificate, chain.as_bytes()).map_err(file_error(&certificate))?;
            true
        }
    };
    let current = read_pair(&certificate, &key)?;
    let leaf = &current.cert[0];
    let ends = ends(leaf).map_err(|problem| content_error(&certificate, problem))?;
    Ok(SelfSigned { fingerprint: fingerprint(leaf), ends, made, certificate, key })
}

/// The reason to make a new certificate, if there is one.
fn why_not(
    certificate: &Path,
    key: &Path,
    extra_names: &[String],
    now: Timestamp,
) -> Result<Option<&'static str>, TlsError> {
    if !certificate.try_exists().map_err(file_error(certificate))? {
        return Ok(Some("there is none"));
    }
    let chain = match read_chain(certificate) {
        Ok(chain) => chain,
        Err(error @ TlsError::File { .. }) => return Err(error),
        Err(_) => return Ok(Some("the one there cannot be read")),
    };
    let leaf = parse(&chain[0]).map_err(|problem| content_error(certificate, problem))?;
    if !is_ours(&leaf) {
        return Ok(None);
    }
    Ok(match read_pair(certificate, key) {
        Err(_) => Some("the key of the one there is missing or another's"),
        Ok(_) if millis(leaf.validity().not_before) > now => Some("the one there is not valid yet"),
        Ok(_) if millis(leaf.validity().not_after).since(now) < RENEWED_BEFORE => Some("the one there ends soon"),
        Ok(_) if !extra_names.iter().all(|name| names(&leaf).contains(&canonical(name))) => {
            Some("the one there lacks a name")
        }
        Ok(_) => None,
    })
}

/// A new certificate and its key, as PEM.
fn self_signed(extra_names: &[String], now: Timestamp) -> Result<(String, String), TlsError> {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let mut all: BTreeSet<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    all.extend(host_name().filter(|name| is_host_name(name)).map(|name| canonical(&name)));
    all.extend(extra_names.iter().map(|name| canonical(name)));
    let mut params = CertificateParams::new(all.into_iter().collect::<Vec<_>>())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, OUR_NAME);
    // rcgen's type of time is another crate's, which counting from its epoch spares us.
    let time = |moment: Timestamp| rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(moment.unix_seconds());
    // A day earlier, for clients whose clock is behind.
    params.not_before = time(now.minus(DAY));
    params.not_after = time(now.plus(HOLDS));
    // It vouches for itself and for no other: a stolen key makes no certificates that clients would take.
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.self_signed(&key)?;
    Ok((certificate.pem(), key.serialize_pem()))
}

/// The host name as the system knows it.
fn host_name() -> Option<String> {
    #[cfg(unix)]
    return rustix::system::uname().nodename().to_str().ok().map(str::to_owned);
    #[cfg(not(unix))]
    return std::env::var("COMPUTERNAME").ok();
}

/// Whether clients would take it as a DNS name in a certificate.
fn is_host_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

/// Host names in lower case, addresses in their shortest form.
fn canonical(name: &str) -> String {
    match name.parse::<std::net::IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => name.to_ascii_lowercase(),
    }
}

/// The names a certificate is for, in canonical form.
fn names(leaf: &X509Certificate<'_>) -> BTreeSet<String> {
    let extension = leaf.subject_alternative_name().ok().flatten();
    let names = extension.iter().flat_map(|extension| &extension.value.general_names);
    names
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(canonical(name)),
            GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
            _ => None,
        })
        .collect()
}

fn address(bytes: &[u8]) -> Option<std::net::IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(std::net::IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(std::net::IpAddr::from)).ok()
}

fn parse(certificate: &[u8]) -> Result<X509Certificate<'_>, String> {
    x509_parser::parse_x509_certificate(certificate)
        .map(|(_, certificate)| certificate)
        .map_err(|error| format!("the certificate cannot be parsed: {error}"))
}

fn is_ours(leaf: &X509Certificate<'_>) -> bool {
    leaf.subject() == leaf.issuer() && leaf.subject().iter_common_name().any(|name| name.as_str() == Ok(OUR_NAME))
}

fn millis(time: x509_parser::time::ASN1Time) -> Timestamp {
    Timestamp::from_millis(time.timestamp().saturating_mul(SECOND))
}

fn ends(certificate: &[u8]) -> Result<Timestamp, String> {
    parse(certificate).map(|leaf| millis(leaf.validity().not_after))
}

/// The SHA-256 fingerprint of a certificate in DER: upper-case hex pairs with colons, as openssl and browsers show it.
pub fn fingerprint(certificate: &[u8]) -> String {
    let pairs: Vec<String> = Sha256::digest(certificate).iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

/// The folder, open to this user alone; one that is there already is left as it is.
fn make_private_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

/// Waits for its turn: of several programs that start on one folder, one makes the certificate and the
/// others find it. The lock is on the folder itself, and ends with the handle.
fn lock(folder: &Path) -> io::Result<fs::File> {
    let folder = fs::File::open(folder)?;
    folder.lock()?;
    Ok(folder)
}

/// Writes a file for this user alone, whole or not at all: beside its place, then renamed into it.
fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = fs::OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    // Made anew, so that neither a link nor an open file of somebody's receives the key.
    let mut file = options.write(true).create_new(true).open(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)
}

/// What is wrong with the permissions of a private key's file: more than its owner and a group to read it.
pub fn too_open(key: &Path) -> Option<String> {
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(key).ok()?.permissions());
        (mode & 0o027 != 0).then(|| {
            format!("{} may be read or written by others (mode {:o}); chmod 600 it", key.display(), mode & 0o777)
        })
    }
    #[cfg(not(unix))]
    None
}

fn provider() -> CryptoProvider {
    ring::default_provider()
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = fs::read(path).map_err(file_error(path))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.map_err(|error| content_error(path, pem_problem(&error)))?;
    if chain.is_empty() {
        return Err(content_error(path, "holds no certificate; a line `-----BEGIN CERTIFICATE-----` is expected"));
    }
    for certificate in &chain {
        parse(certificate).map_err(|problem| content_error(path, problem))?;
    }
    Ok(chain)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = zeroize::Zeroizing::new(fs::read(path).map_err(file_error(path))?);
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound if text.windows(9).any(|part| part == b"ENCRYPTED") => {
            content_error(path, "the private key has a pass phrase; write it without one, readable by this user only")
        }
        pem::Error::NoItemsFound => content_error(
            path,
            "holds no private key; `PRIVATE KEY`, `EC PRIVATE KEY` or `RSA PRIVATE KEY` is expected between BEGIN and END",
        ),
        error => content_error(path, pem_problem(&error)),
    })
}

/// In our own words: some of the library's would show the line, and with it part of a key.
fn pem_problem(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "is cut off: an END line is missing",
        _ => "is not well-formed PEM",
    }
}

fn read_pair(chain: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let (certificates, secret) = (read_chain(chain)?, read_key(key)?);
    CertifiedKey::from_der(certificates, secret, &provider()).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => TlsError::Mismatch { chain: chain.to_owned(), key: key.to_owned() },
        error => content_error(key, format!("the private key cannot be used: {error}")),
    })
}

/// The certificate that is served now, and the files it comes from.
pub struct CertificateStore {
    chain: PathBuf,
    key: PathBuf,
    current: ArcSwap<CertifiedKey>,
}

impl CertificateStore {
    /// Reads a certificate with its intermediates, and its private key; warns of a key that others can read.
    pub fn load(chain: &Path, key: &Path) -> Result<Arc<Self>, TlsError> {
        let current = ArcSwap::from_pointee(read_pair(chain, key)?);
        let store = Self { chain: chain.to_owned(), key: key.to_owned(), current };
        store.warn_if_too_open();
        Ok(Arc::new(store))
    }

    /// Reads both files again. New connections get the new pair; if it is no good, the old one stays.
    pub fn reload(&self) -> Result<(), TlsError> {
        self.current.store(Arc::new(read_pair(&self.chain, &self.key)?));
        self.warn_if_too_open();
        Ok(())
    }

    /// The SHA-256 fingerprint of the certificate that is served.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.current.load().cert[0])
    }

    /// When the certificate that is served ends.
    pub fn ends(&self) -> Timestamp {
        ends(&self.current.load().cert[0]).expect("a certificate is parsed before it is taken")
    }

    fn warn_if_too_open(&self) {
        if let Some(problem) = too_open(&self.key) {
            log::warn!("the private key {problem}");
        }
    }
}

/// Names the files and nothing of what is in them.
impl fmt::Debug for CertificateStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateStore").field("chain", &self.chain).field("key", &self.key).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for CertificateStore {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

/// TLS 1.2 and 1.3 with whatever the store holds at the time. actix adds the protocols of ALPN.
pub fn server_config(store: Arc<CertificateStore>) -> ServerConfig {
    ServerConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .expect("ring has suites for TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_cert_resolver(store)
}

#[cfg(test)]
mod tests;
