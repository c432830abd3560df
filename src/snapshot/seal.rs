//! The signature under a snapshot: Ed25519 (RFC 8032) over a label and the SHA-512 of all that stands above it. The hash
//! is taken as the text goes by, so that nobody needs to hold the whole of it to sign it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sha2::{Digest as _, Sha512};

use crate::error::{Error, Result};

/// What is signed begins with this, so that no other signature of the same key can stand here.
const LABEL: &[u8] = b"firstkey/snapshot/v1\0";
/// The last line but for the signature itself.
const BEFORE: &str = "{\"signature\":\"";
const BEHIND: &str = "\"}\n";
/// 64 bytes in base64.
const SIGNATURE: usize = 88;
/// The last line's length, in bytes.
const LAST_LINE: usize = BEFORE.len() + SIGNATURE + BEHIND.len();
/// In front of a public key, for whoever finds one lying about.
const KIND: &str = "ed25519:";

/// With which a tenant's snapshots are signed.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// The key that comes of these 32 bytes, the same each time.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed);
        pair.map(Self).map_err(|_| Error::internal("a snapshot's signing key cannot be made"))
    }

    /// What its signatures are known by.
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(bytes)
    }
}

/// What a tenant's snapshots are known by: `ed25519:` and the key in base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads one, as it is printed.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix(KIND)?).ok()?;
        Some(Self(bytes.try_into().ok()?))
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{KIND}{}", STANDARD.encode(self.0))
    }
}

/// Looks at what goes by, and signs it in the end.
#[derive(Default)]
pub struct Seal(Sha512);

impl Seal {
    /// What goes by next.
    pub fn pass(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The last line.
    pub fn last_line(self, key: &SigningKey) -> String {
        let signature = key.0.sign(&message(self.0));
        format!("{BEFORE}{}{BEHIND}", STANDARD.encode(signature.as_ref()))
    }
}

fn message(hash: Sha512) -> Vec<u8> {
    [LABEL, hash.finalize().as_slice()].concat()
}

/// Everything above the last line, if that is a signature of this key and all of it is as it was signed.
pub fn open<'a>(text: &'a [u8], key: &PublicKey) -> Option<&'a [u8]> {
    let (body, last) = text.split_at_checked(text.len().checked_sub(LAST_LINE)?)?;
    let encoded = last.strip_prefix(BEFORE.as_bytes())?.strip_suffix(BEHIND.as_bytes())?;
    let signature = STANDARD.decode(encoded).ok()?;
    let mut hash = Sha512::new();
    hash.update(body);
    let known = UnparsedPublicKey::new(&ED25519, key.0);
    (body.ends_with(b"\n") && known.verify(&message(hash), &signature).is_ok()).then_some(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn signed(key: &SigningKey, body: &str) -> Vec<u8> {
        let mut seal = Seal::default();
        body.as_bytes().chunks(7).for_each(|chunk| seal.pass(chunk));
        [body.as_bytes(), seal.last_line(key).as_bytes()].concat()
    }

    fn key(fill: u8) -> SigningKey {
        SigningKey::from_seed(&[fill; 32]).expect("a key")
    }

    #[test]
    fn what_is_signed_is_opened_with_that_key_alone() {
        let text = signed(&key(1), "{\"a\":1}\n{}\n");
        assert_eq!(open(&text, &key(1).public()), Some("{\"a\":1}\n{}\n".as_bytes()));
        assert_eq!(open(&text, &key(2).public()), None);
        assert_eq!(PublicKey::parse(&key(1).public().to_string()), Some(key(1).public()));
        for bad in ["", "ed25519:", "ed25519:AAAA", &key(1).public().to_string()[8..]] {
            assert_eq!(PublicKey::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        /// Whatever is not as it was signed is refused: a bit flipped anywhere, a piece cut off at either end, out of the
        /// middle, or put in.
        #[test]
        fn nothing_that_was_touched_is_opened(
            body in "([ -~]{0,40}\n){1,8}",
            at in any::<prop::sample::Index>(),
            bit in 0_u8..8,
            many in 1_usize..200,
        ) {
            let (text, public) = (signed(&key(3), &body), key(3).public());
            prop_assert!(open(&text, &public).is_some());
            let at = at.index(text.len());
            let mut flipped = text.clone();
            flipped[at] ^= 1 << bit;
            prop_assert!(open(&flipped, &public).is_none(), "bit {bit} of byte {at}");
            prop_assert!(open(&text[..at], &public).is_none(), "cut at {at}");
            prop_assert!(open(&text[at + 1..], &public).is_none(), "begun at {}", at + 1);
            let end = (at + many).min(text.len());
            prop_assert!(open(&[&text[..at], &text[end..]].concat(), &public).is_none(), "without {at}..{end}");
            prop_assert!(open(&[&text[..at], b"\n", &text[at..]].concat(), &public).is_none(), "more at {at}");
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(open(&bytes, &key(1).public()).is_none());
        }
    }
}
