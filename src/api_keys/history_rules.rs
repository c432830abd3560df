//! What is kept of a key that was revoked: plain values.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::{ApiKeyID, ProfileID, RoleID};
use crate::name::Description;

/// Why a key was revoked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Why {
    /// Nothing was said.
    #[default]
    Unspecified,
    /// Its secret is in the wrong hands.
    Leaked,
    /// Another stands in its place.
    Superseded,
    /// Nobody used it.
    Unused,
    /// Whoever made it is not to be trusted any more.
    CompromisedIssuer,
    /// Something else, which the note says.
    Other,
}

impl Why {
    /// As they are stored and shown, in the order of the variants.
    pub const NAMES: &'static [&'static str] =
        &["unspecified", "leaked", "superseded", "unused", "compromisedIssuer", "other"];
    const ALL: [Self; 6] =
        [Self::Unspecified, Self::Leaked, Self::Superseded, Self::Unused, Self::CompromisedIssuer, Self::Other];

    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// Reads one of the names; none stands for nothing said.
    pub fn parse(name: Option<&str>) -> Result<Self> {
        let Some(name) = name else { return Ok(Self::default()) };
        let known = match name {
            // as people write it
            "compromised issuer" => Some(Self::CompromisedIssuer),
            _ => Self::ALL.into_iter().find(|why| why.as_str() == name),
        };
        known.ok_or_else(|| Error::member("reason", &format!("{} is taken", Self::NAMES.join(", "))))
    }
}

/// Somebody who made a key or revoked it, as they were called then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// One of [`Party::KINDS`].
    pub kind: &'static str,
    /// Their number, where they have one.
    pub id: Option<i64>,
    /// Their name; empty where it is not known any more.
    pub name: String,
}

impl Party {
    /// Who it can be: a person, a key, the primary tenant, the program itself, or nobody knows.
    pub const KINDS: &'static [&'static str] = &["administrator", "apiKey", "tenant", "system", "unknown"];

    /// Somebody.
    pub fn new(kind: &'static str, id: Option<i64>, name: String) -> Self {
        Self { kind, id, name }
    }

    /// Somebody, as stored.
    pub fn stored(kind: &str, id: Option<i64>, name: String) -> Self {
        let kind = Self::KINDS.iter().copied().find(|known| *known == kind).unwrap_or("unknown");
        Self { kind, id, name }
    }
}

/// By whom and why keys are revoked.
#[derive(Clone, Debug)]
pub struct Revocation {
    /// By whom.
    pub by: Party,
    /// Why.
    pub reason: Why,
    /// What else is to be known of it.
    pub note: Description,
}

impl Revocation {
    /// By the program itself.
    pub fn by_the_server(reason: Why, note: &str) -> Result<Self> {
        let by = Party::new("system", None, String::new());
        Ok(Self { by, reason, note: Description::parse("note", note)? })
    }
}

/// A key that was revoked.
#[derive(Clone, Debug)]
pub struct RevokedKey {
    /// Never given again.
    pub id: ApiKeyID,
    /// The rules it lived under.
    pub profile: ProfileID,
    /// What kind of key it was.
    pub kind: String,
    /// Its name, which others may have had since.
    pub name: String,
    /// What it was for.
    pub description: String,
    /// Whose rights it had.
    pub role: RoleID,
    /// The role's name, at that moment.
    pub role_name: String,
    /// Who made it.
    pub issuer: Party,
    /// Made by the primary tenant for use in another.
    pub service_account: bool,
    /// When it was made.
    pub created: Timestamp,
    /// When it was last used with success.
    pub last_sign_in: Option<Timestamp>,
    /// When it would have ended.
    pub expiry: Option<Timestamp>,
    /// When it was revoked.
    pub revoked: Timestamp,
    /// By whom.
    pub revoked_by: Party,
    /// One of `Why::NAMES`.
    pub reason: String,
    /// What else is to be known of it.
    pub note: String,
    /// The first digits of the digests of its secrets.
    pub secrets: Vec<String>,
    /// When somebody last presented one of them since.
    pub last_presented: Option<Timestamp>,
    /// From where.
    pub last_presented_from: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_read_as_it_is_written() {
        for why in Why::ALL {
            assert_eq!(Why::parse(Some(why.as_str())).ok(), Some(why));
            assert_eq!(serde_json::to_value(why).ok(), Some(why.as_str().into()));
        }
        assert_eq!(Why::parse(None).ok(), Some(Why::Unspecified));
        assert_eq!(Why::parse(Some("compromised issuer")).ok(), Some(Why::CompromisedIssuer));
        for other in ["", "Leaked", "compromised Issuer", "leaked "] {
            assert!(Why::parse(Some(other)).is_err(), "{other}");
        }
    }
}
