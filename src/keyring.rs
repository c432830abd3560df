//! The master key and what is derived from it: the pepper of passwords, the seals on TOTP seeds and on what calls to
//! webhooks are signed with, the key of the throttle's buckets, the key of the audit chain, and what snapshots are signed with. It lives in a file, never in the database.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aes_gcm_siv::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::id::{AdministratorID, TenantID, WebhookID};
use crate::secret::{Password, TotpSeed, WebhookSecret, random_bytes};

/// The words a master key's file begins with, version included.
const FORM: &str = "firstkey-master-key-v1 ";

/// Why a master key could not be used; each text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    /// The file cannot be read or written.
    #[error("the master key {path}: {source}")]
    File {
        /// Where it was looked for.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Others may read the file.
    #[error("the master key {0} may be read by others: run `chmod 600` on it")]
    Exposed(PathBuf),
    /// The file holds something else.
    #[error("{0} is not a master key of Firstkey")]
    NotAKey(PathBuf),
    /// The operating system gave no random bytes.
    #[error("no random bytes: {0}")]
    Random(crate::error::Error),
}

/// 32 random bytes from which every other key is derived.
pub struct MasterKey(Zeroizing<[u8; 32]>);

impl MasterKey {
    /// Reads the file; `None` when there is none.
    pub fn load(path: &Path) -> Result<Option<Self>, KeyringError> {
        let failed = |source| KeyringError::File { path: path.to_owned(), source };
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        if file.metadata().map_err(failed)?.permissions().mode() & 0o077 != 0 {
            return Err(KeyringError::Exposed(path.to_owned()));
        }
        let mut text = Zeroizing::new(String::new());
        file.read_to_string(&mut text).map_err(failed)?;
        let not_a_key = || KeyringError::NotAKey(path.to_owned());
        let encoded = text.trim_end().strip_prefix(FORM).ok_or_else(not_a_key)?;
        let bytes = Zeroizing::new(STANDARD.decode(encoded).map_err(|_| not_a_key())?);
        Ok(Some(Self(Zeroizing::new(bytes.as_slice().try_into().map_err(|_| not_a_key())?))))
    }

    /// Makes a new key and writes it to `path` (0600, on disk before this returns); never over a file
    /// that is there.
    pub fn create(path: &Path) -> Result<Self, KeyringError> {
        let failed = |source| KeyringError::File { path: path.to_owned(), source };
        let key = Self(random_bytes().map_err(KeyringError::Random)?);
        let text = Zeroizing::new(format!("{FORM}{}\n", STANDARD.encode(key.0.as_ref())));
        if path.try_exists().map_err(failed)? {
            return Err(failed(std::io::ErrorKind::AlreadyExists.into()));
        }
        // Whole or not at all: half a key would be refused at every start from then on.
        let new = path.with_extension("new");
        let written = || -> std::io::Result<()> {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&new, path)
        };
        written().map_err(failed)?;
        Ok(key)
    }
}

/// A seed as the database keeps it: nonce and ciphertext, bound to its owner.
pub type SealedSeed = Vec<u8>;

/// The keys that are derived from the master key (HKDF-SHA-256, RFC 5869, one label each).
pub struct Keyring {
    pepper: Zeroizing<[u8; 32]>,
    seeds: Aes256GcmSiv,
    webhooks: Aes256GcmSiv,
    buckets: Zeroizing<[u8; 32]>,
    canary: Zeroizing<[u8; 32]>,
    confirmations: Zeroizing<[u8; 32]>,
    audit: AuditKey,
    snapshots: Zeroizing<[u8; 32]>,
}

impl Keyring {
    /// Derives every key at once.
    pub fn derive(master: &MasterKey) -> Self {
        let derived = |label: &str| {
            let mut key = Zeroizing::new([0; 32]);
            Hkdf::<Sha256>::new(None, master.0.as_ref())
                .expand(label.as_bytes(), key.as_mut())
                .expect("32 bytes are within what HKDF gives");
            key
        };
        Self {
            pepper: derived("pw-pepper/v1"),
            seeds: Aes256GcmSiv::new((&*derived("totp-aead/v1")).into()),
            webhooks: Aes256GcmSiv::new((&*derived("webhook-aead/v1")).into()),
            buckets: derived("throttle/v1"),
            canary: derived("canary/v1"),
            confirmations: derived("confirmation/v1"),
            audit: AuditKey(derived("audit-mac/v1")),
            snapshots: derived("snapshot-signing/v1"),
        }
    }

    /// What bcrypt is given instead of the password: 44 ASCII bytes, whatever the password's length,
    /// so that nothing is cut at bcrypt's 72nd byte and a stolen table alone cannot be attacked.
    pub fn peppered(&self, password: &Password) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(mac(&self.pepper, &[password.expose().as_bytes()])))
    }

    /// Seals a seed for its owner.
    pub fn seal(
        &self,
        tenant: TenantID,
        administrator: AdministratorID,
        seed: &TotpSeed,
    ) -> Result<SealedSeed, crate::error::Error> {
        let nonce = random_bytes::<12>()?;
        let payload = Payload { msg: seed.expose(), aad: &owner(tenant, administrator) };
        let sealed = self
            .seeds
            .encrypt(Nonce::from_slice(nonce.as_ref()), payload)
            .map_err(|_| crate::error::Error::internal("a seed could not be sealed"))?;
        Ok([nonce.as_ref(), &sealed].concat())
    }

    /// Opens a sealed seed; fails for a row that was moved to another owner.
    pub fn open(
        &self,
        tenant: TenantID,
        administrator: AdministratorID,
        sealed: &[u8],
    ) -> Result<TotpSeed, crate::error::Error> {
        let damaged = || crate::error::Error::internal("a stored TOTP seed cannot be opened with this master key");
        let (nonce, sealed) = sealed.split_at_checked(12).ok_or_else(damaged)?;
        let payload = Payload { msg: sealed, aad: &owner(tenant, administrator) };
        self.seeds.decrypt(Nonce::from_slice(nonce), payload).map(TotpSeed::from_bytes).map_err(|_| damaged())
    }

    /// Seals what calls to a webhook are signed with.
    pub fn seal_webhook(
        &self,
        tenant: TenantID,
        webhook: WebhookID,
        secret: &WebhookSecret,
    ) -> Result<Vec<u8>, crate::error::Error> {
        let nonce = random_bytes::<12>()?;
        let payload = Payload { msg: secret.expose(), aad: &receiver(tenant, webhook) };
        let sealed = self
            .webhooks
            .encrypt(Nonce::from_slice(nonce.as_ref()), payload)
            .map_err(|_| crate::error::Error::internal("a webhook's secret could not be sealed"))?;
        Ok([nonce.as_ref(), &sealed].concat())
    }

    /// Opens what [`Keyring::seal_webhook`] has sealed; `None` for another webhook's, and after the loss of the master
    /// key.
    pub fn open_webhook(&self, tenant: TenantID, webhook: WebhookID, sealed: &[u8]) -> Option<WebhookSecret> {
        let (nonce, sealed) = sealed.split_at_checked(12)?;
        let payload = Payload { msg: sealed, aad: &receiver(tenant, webhook) };
        self.webhooks.decrypt(Nonce::from_slice(nonce), payload).map(WebhookSecret::from_bytes).ok()
    }

    /// A number below `buckets` that nobody without the master key can aim at.
    pub fn bucket(&self, parts: &[&[u8]], buckets: u32) -> i64 {
        let digest = mac(&self.buckets, parts);
        let number = u32::from_le_bytes([digest[0], digest[1], digest[2], digest[3]]);
        i64::from(number % buckets)
    }

    /// What a caller is given to show later that something was put before them: 64 hex digits.
    pub fn confirmation(&self, parts: &[&[u8]]) -> String {
        data_encoding::HEXLOWER.encode(&mac(&self.confirmations, parts))
    }

    /// Whether [`Keyring::confirmation`] gave this for the very same parts; compared in constant time.
    pub fn confirms(&self, parts: &[&[u8]], given: &str) -> bool {
        self.confirmation(parts).as_bytes().ct_eq(given.as_bytes()).into()
    }

    /// The key under which audit events are sealed.
    pub fn audit_key(&self) -> &AuditKey {
        &self.audit
    }

    /// The seed of the key with which a tenant's snapshots are signed: one of its own for each, so that nobody takes
    /// one tenant's snapshot for another's.
    pub fn snapshot_seed(&self, tenant: Uuid) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(mac(&self.snapshots, &[b"ed25519", tenant.as_bytes()]))
    }

    /// What the database keeps to recognise its master key by.
    pub fn canary(&self) -> Vec<u8> {
        mac(&self.canary, &[b"firstkey"]).to_vec()
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyring(…)")
    }
}

/// The key of the audit chain's MACs.
#[derive(Clone)]
pub struct AuditKey(Zeroizing<[u8; 32]>);

impl AuditKey {
    /// HMAC-SHA-256 over the parts, each behind its length.
    pub fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        mac(&self.0, parts)
    }

    /// By what a seal says which key it was made with; tells nothing about the key.
    pub fn id(&self) -> String {
        data_encoding::HEXLOWER.encode(&mac(&self.0, &[b"key id", b"v1"])[..8])
    }
}

impl std::fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AuditKey({})", self.id())
    }
}

/// HMAC-SHA-256 over the parts, each behind its length, so that no two lists of parts read alike.
fn mac(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    if let [only] = parts {
        mac.update(only);
    } else {
        for part in parts {
            mac.update(&(part.len() as u64).to_le_bytes());
            mac.update(part);
        }
    }
    mac.finalize().into_bytes().into()
}

fn owner(tenant: TenantID, administrator: AdministratorID) -> Vec<u8> {
    format!("firstkey/totp/v1/{tenant}/{administrator}").into_bytes()
}

fn receiver(tenant: TenantID, webhook: WebhookID) -> Vec<u8> {
    format!("firstkey/webhook/v1/{tenant}/{webhook}").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyring(fill: u8) -> Keyring {
        Keyring::derive(&MasterKey(Zeroizing::new([fill; 32])))
    }

    #[test]
    fn a_key_is_read_back_as_it_was_written_and_never_written_over() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("master.key");
        assert!(MasterKey::load(&path).expect("no file is no error").is_none());
        let made = MasterKey::create(&path).expect("it can be written");
        let read = MasterKey::load(&path).expect("it can be read").expect("it is there");
        assert_eq!(made.0, read.0);
        assert!(matches!(MasterKey::create(&path), Err(KeyringError::File { .. })));
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("master.key");
        MasterKey::create(&path).expect("it can be written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("it is ours");
        assert!(matches!(MasterKey::load(&path), Err(KeyringError::Exposed(_))));
    }

    #[test]
    fn a_sealed_seed_opens_for_its_owner_only() {
        let (ring, tenant, anna, ben) =
            (keyring(1), TenantID::PRIMARY, AdministratorID::new(1), AdministratorID::new(2));
        let seed = TotpSeed::generate().expect("random");
        let sealed = ring.seal(tenant, anna, &seed).expect("sealed");
        assert_eq!(ring.open(tenant, anna, &sealed).expect("opened").expose(), seed.expose());
        assert!(ring.open(tenant, ben, &sealed).is_err(), "moved to another administrator");
        assert!(ring.open(TenantID::new(1), anna, &sealed).is_err(), "moved to another tenant");
        assert!(keyring(2).open(tenant, anna, &sealed).is_err(), "another master key");
        assert!(ring.open(tenant, anna, &sealed[..8]).is_err(), "cut short");
    }

    #[test]
    fn a_webhooks_secret_opens_for_that_webhook_only() {
        let (ring, tenant, one, other) = (keyring(1), TenantID::PRIMARY, WebhookID::new(1), WebhookID::new(2));
        let secret = WebhookSecret::generate().expect("random");
        let sealed = ring.seal_webhook(tenant, one, &secret).expect("sealed");
        assert_eq!(ring.open_webhook(tenant, one, &sealed).expect("opened").expose(), secret.expose());
        assert!(ring.open_webhook(tenant, other, &sealed).is_none(), "moved to another webhook");
        assert!(ring.open_webhook(TenantID::new(1), one, &sealed).is_none(), "moved to another tenant");
        assert!(keyring(2).open_webhook(tenant, one, &sealed).is_none(), "another master key");
        assert!(ring.open_webhook(tenant, one, &sealed[..8]).is_none(), "cut short");
    }

    /// T-13: whatever stands behind bcrypt's 72nd byte counts.
    #[test]
    fn passwords_that_differ_late_are_different() {
        let ring = keyring(1);
        let peppered = |text: String| ring.peppered(&Password::new(text).expect("a password")).to_string();
        for at in [72, 73, 128, 1_000] {
            assert_ne!(peppered("x".repeat(at)), peppered(format!("{}y", "x".repeat(at - 1))), "at byte {at}");
        }
        assert_ne!(peppered("long enough\0one".into()), peppered("long enough\0two".into()));
        assert_eq!(peppered("x".repeat(1_024)).len(), 44);
    }
}
