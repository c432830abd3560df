//! Whether somebody holds the secret of a key: the one comparison behind every way of presenting one.

use super::identity::Tenant;
use super::known_keys::SharedKey;
use super::lookup::{KeyFacts, RevokedFacts};
use super::replaced_secrets::Presented;
use crate::app::App;
use crate::audit::Origin;
use crate::clock::Timestamp;
use crate::id::ApiKeyID;
use crate::secret::{PresentedKey, SecretDigest};

/// Why somebody does not. They are all told the same.
pub enum Unproven {
    /// There is no such key, or this was never a secret of its.
    Wrong {
        /// Whether there is such a key: then it counts against it.
        key_exists: bool,
    },
    /// It was a secret of its and has ended, which is to be heard of.
    Replaced(Presented),
}

/// Answers with the number of the secret's row. An unknown ID costs the same comparison as a known one.
pub fn prove(key: &PresentedKey, known: Option<&KeyFacts>, now: Timestamp, origin: &Origin) -> Result<i64, Unproven> {
    let presented = key.secret.digest();
    let Some(facts) = known else {
        let _ = presented.matches(&SecretDigest::OF_NOBODY);
        return Err(Unproven::Wrong { key_exists: false });
    };
    let matching = facts.secrets.iter().fold(None, |found, secret| {
        let matches = secret.digest.matches(&presented);
        if matches { Some(secret) } else { found }
    });
    let Some(secret) = matching.filter(|_| is_of(key, &facts.tenant)) else {
        return Err(Unproven::Wrong { key_exists: true });
    };
    match secret.life.end().filter(|_| !secret.life.lives(now)) {
        None => Ok(secret.id),
        Some(ended) => Err(Unproven::Replaced(Presented {
            key: key.id,
            name: facts.name.clone(),
            tenant: facts.tenant.id,
            reference: presented.reference(),
            ended,
            origin: origin.clone(),
        })),
    }
}

/// `prove` for a key that is remembered. Answers with the number of the secret's row beside it.
pub fn prove_known(
    key: &PresentedKey,
    known: Option<SharedKey>,
    now: Timestamp,
    origin: &Origin,
) -> Result<(SharedKey, i64), Unproven> {
    let facts = known.as_ref().and_then(|known| known.special()).map(|special| &special.facts);
    let secret = match &known {
        Some(plain) if facts.is_none() => {
            let secret = plain.plain_secret(&key.secret.digest()).filter(|_| is_of(key, &plain.standing.tenant));
            secret.ok_or(Unproven::Wrong { key_exists: true })
        }
        _ => prove(key, facts, now, origin),
    }?;
    known.map(|known| (known, secret)).ok_or(Unproven::Wrong { key_exists: false })
}

/// What is remembered of a wrong secret. It never locks the key.
pub fn note_unproven(app: &App, key: ApiKeyID, unproven: &Unproven, now: Timestamp) {
    match unproven {
        Unproven::Wrong { key_exists: false } => {}
        Unproven::Wrong { key_exists: true } => app.key_usage.failed(key),
        Unproven::Replaced(presented) => {
            app.key_usage.failed(key);
            app.replaced_secrets.presented(presented, now);
        }
    }
}

/// Whether a key carries what stands in front of the keys of that tenant.
pub fn is_of(key: &PresentedKey, tenant: &Tenant) -> bool {
    key.tenant == tenant.key_prefix()
}

/// Whether somebody holds a secret that a revoked key had when it was revoked.
pub fn was_right(key: &PresentedKey, revoked: &RevokedFacts) -> bool {
    let presented = key.secret.digest();
    let right = revoked.digests.iter().fold(false, |right, digest| right | digest.matches(&presented));
    right && is_of(key, &revoked.tenant)
}
