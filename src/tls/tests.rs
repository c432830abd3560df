use std::os::unix::fs::PermissionsExt;

use base64::Engine as _;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection};

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tls").join(name)
}

fn ensure(data: &Path, now: Timestamp) -> SelfSigned {
    ensure_self_signed(data, &[], now).expect("it is as the test made it")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is as the test made it").permissions().mode() & 0o777
}

#[test]
fn a_certificate_is_made_once_for_this_user_alone() {
    let data = tempfile::tempdir().expect("it is as the test made it");
    let first = ensure(data.path(), NOW);
    assert!(first.made);
    assert_eq!(first.ends.since(NOW), 397 * DAY);
    assert_eq!((mode(&data.path().join("tls")), mode(&first.key), mode(&first.certificate)), (0o700, 0o600, 0o600));
    let second = ensure(data.path(), NOW.plus(366 * DAY));
    assert!(!second.made);
    assert_eq!(first.fingerprint, second.fingerprint);
    assert_eq!((first.fingerprint.len(), first.fingerprint.matches(':').count()), (95, 31));
    let files = fs::read_dir(data.path().join("tls")).expect("it is as the test made it").count();
    assert_eq!(files, 2, "nothing is left beside the two");
}

#[test]
fn it_is_renewed_before_its_end_and_when_it_is_no_good() {
    let data = tempfile::tempdir().expect("it is as the test made it");
    let first = ensure(data.path(), NOW);
    let last_day = ensure(data.path(), NOW.plus(367 * DAY));
    assert!(!last_day.made);
    let renewed = ensure(data.path(), NOW.plus(367 * DAY + 1_000));
    assert!(renewed.made && renewed.fingerprint != first.fingerprint);

    type Spoil = fn(&SelfSigned);
    let table: [(&str, Spoil); 4] = [
        ("the key is gone", |pair| fs::remove_file(&pair.key).expect("it is as the test made it")),
        ("the key is another's", |pair| {
            fs::write(&pair.key, KeyPair::generate().expect("it is as the test made it").serialize_pem())
                .expect("it is as the test made it");
        }),
        ("the certificate is empty", |pair| fs::write(&pair.certificate, "").expect("it is as the test made it")),
        ("the certificate is cut", |pair| {
            let text = fs::read_to_string(&pair.certificate).expect("it is as the test made it");
            fs::write(&pair.certificate, &text[..text.len() / 2]).expect("it is as the test made it");
        }),
    ];
    for (what, spoil) in table {
        spoil(&ensure(data.path(), NOW));
        assert!(ensure(data.path(), NOW).made, "{what}");
        assert!(!ensure(data.path(), NOW).made, "{what}");
    }
}

#[test]
fn a_name_that_is_asked_for_is_in_it() {
    let data = tempfile::tempdir().expect("it is as the test made it");
    let extra = ["Keys.Example.org".to_owned(), "2001:DB8:0::1".to_owned()];
    ensure(data.path(), NOW);
    let with_names = ensure_self_signed(data.path(), &extra, NOW).expect("it is as the test made it");
    assert!(with_names.made);
    assert!(!ensure_self_signed(data.path(), &extra, NOW).expect("it is as the test made it").made);
    let chain = read_chain(&with_names.certificate).expect("it is as the test made it");
    let leaf = parse(&chain[0]).expect("it is as the test made it");
    for name in ["localhost", "127.0.0.1", "::1", "keys.example.org", "2001:db8::1"] {
        assert!(names(&leaf).contains(name), "{name}");
    }
    assert!(!leaf.is_ca());
    assert!(
        leaf.extended_key_usage()
            .expect("it is as the test made it")
            .expect("it is as the test made it")
            .value
            .server_auth
    );
    assert_eq!(millis(leaf.validity().not_before), NOW.minus(DAY));
}

#[test]
fn a_certificate_of_somebody_else_s_is_never_overwritten() {
    let data = tempfile::tempdir().expect("it is as the test made it");
    let ours = ensure(data.path(), NOW);
    fs::copy(fixture("rsa.pem"), &ours.certificate).expect("it is as the test made it");
    assert!(ensure_self_signed(data.path(), &[], NOW).is_err());
    fs::copy(fixture("rsa-pkcs1-key.pem"), &ours.key).expect("it is as the test made it");
    assert!(!ensure(data.path(), NOW.plus(100_000 * DAY)).made);
}

#[test]
fn host_names_that_no_certificate_takes_are_left_out() {
    for (name, expected) in [("a", true), ("a-1.b", true), ("", false), ("a_b", false), ("-a", false), ("a..b", false)]
    {
        assert_eq!(is_host_name(name), expected, "{name}");
    }
}

#[test]
fn it_serves_as_its_own_trust_anchor() {
    let data = tempfile::tempdir().expect("it is as the test made it");
    let pair = ensure(data.path(), NOW);
    let chain = read_chain(&pair.certificate).expect("it is as the test made it");
    let mut roots = RootCertStore::empty();
    roots.add(chain[0].clone()).expect("it is as the test made it");
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider().into())
        .build()
        .expect("it is as the test made it");
    let at = |moment: Timestamp, name: &'static str| {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(moment.unix_seconds()));
        let name = ServerName::try_from(name).expect("it is as the test made it");
        rustls::client::danger::ServerCertVerifier::verify_server_cert(&*verifier, &chain[0], &[], &name, &[], time)
    };
    for name in ["localhost", "127.0.0.1", "::1"] {
        at(NOW, name).expect("it is as the test made it");
    }
    assert!(at(NOW, "example.org").is_err());
    assert!(at(NOW.plus(398 * DAY), "localhost").is_err());
}

#[test]
fn both_versions_of_tls_are_spoken_and_no_older_one() {
    let data = tempfile::tempdir().expect("it is as the test made it");
    let pair = ensure(data.path(), NOW);
    let config = Arc::new(server_config(
        CertificateStore::load(&pair.certificate, &pair.key).expect("it is as the test made it"),
    ));
    let mut roots = RootCertStore::empty();
    roots
        .add(read_chain(&pair.certificate).expect("it is as the test made it").remove(0))
        .expect("it is as the test made it");
    for version in [&TLS12, &TLS13] {
        let client = ClientConfig::builder_with_provider(provider().into())
            .with_protocol_versions(&[version])
            .expect("it is as the test made it")
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        let mut client =
            ClientConnection::new(Arc::new(client), "localhost".try_into().expect("it is as the test made it"))
                .expect("it is as the test made it");
        let mut server = ServerConnection::new(config.clone()).expect("it is as the test made it");
        let mut wire = Vec::new();
        client.write_tls(&mut wire).expect("it is as the test made it");
        server.read_tls(&mut wire.as_slice()).expect("it is as the test made it");
        server.process_new_packets().expect("it is as the test made it");
        assert_eq!(server.protocol_version(), Some(version.version));
    }
}

#[test]
fn keys_are_read_in_all_three_forms() {
    let folder = tempfile::tempdir().expect("it is as the test made it");
    let pair = ensure(folder.path(), NOW);
    let pkcs8 = KeyPair::from_pem(&fs::read_to_string(&pair.key).expect("it is as the test made it"))
        .expect("it is as the test made it")
        .serialize_der();
    // RFC 5208 around RFC 5915: for P-256 the inner structure begins at byte 29.
    let sec1 = base64::prelude::BASE64_STANDARD.encode(&pkcs8[29..]);
    let sec1_file = folder.path().join("sec1.pem");
    let parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
    let text = format!("{parameters}-----BEGIN EC PRIVATE KEY-----\n{sec1}\n-----END EC PRIVATE KEY-----\n");
    fs::write(&sec1_file, text).expect("it is as the test made it");
    CertificateStore::load(&pair.certificate, &pair.key).expect("it is as the test made it");
    CertificateStore::load(&pair.certificate, &sec1_file).expect("it is as the test made it");
    CertificateStore::load(&fixture("rsa.pem"), &fixture("rsa-pkcs1-key.pem")).expect("it is as the test made it");
}

#[test]
fn a_reload_takes_a_good_pair_and_keeps_the_old_one_otherwise() {
    let data = tempfile::tempdir().expect("it is as the test made it");
    let pair = ensure(data.path(), NOW);
    let store = CertificateStore::load(&pair.certificate, &pair.key).expect("it is as the test made it");
    let (chain, key) = (
        fs::read(&pair.certificate).expect("it is as the test made it"),
        fs::read(&pair.key).expect("it is as the test made it"),
    );
    let other = KeyPair::generate().expect("it is as the test made it").serialize_pem();
    let table: [(&[u8], &[u8], &str); 6] = [
        (b"", &key, "holds no certificate"),
        (&chain[..chain.len() / 2], &key, "cut off"),
        (&chain, b"nothing", "holds no private key"),
        (&chain, b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n-----END ENCRYPTED PRIVATE KEY-----\n", "pass phrase"),
        (&chain, b"-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n", "cannot be used"),
        (&chain, other.as_bytes(), "is not the private key of the first certificate"),
    ];
    for (new_chain, new_key, expected) in table {
        fs::write(&pair.certificate, new_chain).expect("it is as the test made it");
        fs::write(&pair.key, new_key).expect("it is as the test made it");
        let error = store.reload().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert_eq!(store.fingerprint(), pair.fingerprint);
    }
    let renewed = ensure(data.path(), NOW.plus(DAY));
    store.reload().expect("it is as the test made it");
    assert_eq!((store.fingerprint(), store.ends()), (renewed.fingerprint, renewed.ends));
}

#[test]
fn a_key_that_others_can_read_is_noticed() {
    let folder = tempfile::tempdir().expect("it is as the test made it");
    let key = folder.path().join("key.pem");
    fs::write(&key, "").expect("it is as the test made it");
    for (mode, expected) in [(0o600, false), (0o400, false), (0o640, false), (0o644, true), (0o660, true)] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).expect("it is as the test made it");
        assert_eq!(too_open(&key).is_some(), expected, "{mode:o}");
    }
}
