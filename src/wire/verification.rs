//! Whether keys are good, and for what.

use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::strict::{Unknown, objects};
use super::{Number, Party};
use crate::clock::Timestamp;
use crate::id::ApiKeyID;

/// A list of at most so many. One that is longer is given up at the first that is too many.
#[derive(Debug)]
pub struct AtMost<T, const MOST: usize>(pub Vec<T>);

impl<'de, T: Deserialize<'de>, const MOST: usize> Deserialize<'de> for AtMost<T, MOST> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct List<T, const MOST: usize>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MOST: usize> Visitor<'de> for List<T, MOST> {
            type Value = Vec<T>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "a list of at most {MOST}")
            }
            fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<Vec<T>, S::Error> {
                let mut list = Vec::new();
                while list.len() < MOST {
                    let Some(item) = items.next_element()? else { return Ok(list) };
                    list.push(item);
                }
                match items.next_element::<de::IgnoredAny>()? {
                    None => Ok(list),
                    Some(_) => Err(de::Error::custom(format!("at most {MOST} are taken"))),
                }
            }
        }
        input.deserialize_seq(List::<T, MOST>(std::marker::PhantomData)).map(Self)
    }
}

/// A key as somebody holds it: never shown again, and wiped when it is dropped.
pub struct HeldKey(secrecy::SecretString);

impl HeldKey {
    /// The text, to be compared.
    pub fn expose(&self) -> &str {
        secrecy::ExposeSecret::expose_secret(&self.0)
    }
}

impl std::fmt::Debug for HeldKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HeldKey(…)")
    }
}

impl<'de> Deserialize<'de> for HeldKey {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = HeldKey;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<HeldKey, E> {
                Ok(HeldKey(secrecy::SecretString::from(text.to_owned())))
            }
        }
        input.deserialize_str(Text)
    }
}

/// The most names of one kind in a demand.
pub const MOST_NAMES: usize = 200;
/// The most questions in one call.
pub const MOST_QUESTIONS: usize = 1_000;

/// What a key must be good for; nothing where all of it is left out. A member that is misspelt is refused.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub struct Demands {
    /// Rights, as `group.subGroup.right`.
    #[schema(value_type = Option<Vec<String>>, max_items = 200)]
    pub rights: Option<AtMost<String, MOST_NAMES>>,
    /// API types by name; one that waits for its authorization does not count.
    #[schema(value_type = Option<Vec<String>>, max_items = 200)]
    pub api_types: Option<AtMost<String, MOST_NAMES>>,
    /// This role, by name, whatever else is enough.
    #[schema(min_length = 1)]
    pub role: Option<String>,
    /// This tenant, by name or GUID; the same holds.
    #[schema(min_length = 1)]
    pub tenant: Option<String>,
    /// Whether `all` of the rights and API types are needed, as when this is left out, or one of them is enough: `any`.
    #[serde(rename = "match")]
    #[schema(pattern = "^(all|any)$")]
    pub matching: Option<String>,
}

/// A question about one key.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub struct VerificationWish {
    /// The key as its holder presented it.
    #[schema(required, value_type = String)]
    pub secret_key: Option<HeldKey>,
    /// What it must be good for.
    pub demands: Option<Demands>,
    /// From which address it is used, of IPv4 or IPv6; a key that is bound to networks is refused without.
    pub address: Option<String>,
}

/// Questions about many keys.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub struct VerificationWishes {
    /// At most 1,000.
    #[schema(required, value_type = Vec<VerificationWish>, max_items = 1000)]
    pub items: Option<AtMost<VerificationWish, MOST_QUESTIONS>>,
}

/// A question why a key is or would be let in or not.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", remote = "Self")]
pub struct ExplanationWish {
    /// Which key.
    #[serde(rename = "keyID")]
    #[schema(required, value_type = Number)]
    pub key_id: Option<Number>,
    /// What it must be good for.
    pub demands: Option<Demands>,
    /// From which address it would be used.
    pub address: Option<String>,
    /// At which moment, in milliseconds since the epoch; now when left out.
    pub at: Option<Number>,
}

objects! {
    Demands Unknown::RefusedBut(&[]);
    VerificationWish Unknown::RefusedBut(&[]);
    VerificationWishes Unknown::RefusedBut(&[]);
    ExplanationWish Unknown::RefusedBut(&[]);
}

/// Who a key is: told to whom its secret proved right. Of a revoked one less is known.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerifiedKey {
    /// Its number.
    #[serde(rename = "keyID", skip_serializing_if = "Option::is_none")]
    pub key_id: Option<ApiKeyID>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_name: Option<String>,
    /// Its role's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_name: Option<String>,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant_name: Option<String>,
    /// The same for programs.
    #[serde(rename = "tenantGUID", skip_serializing_if = "Option::is_none")]
    pub tenant_guid: Option<String>,
    /// Its API types that wait for nothing; left out where it is for none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub api_types: Vec<String>,
    /// When it ends, in milliseconds since the epoch; left out where it never does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiry_date: Option<Timestamp>,
    /// How many uses are left after this one, where they are counted and it was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining_uses: Option<i64>,
    /// After how many seconds the same is answered otherwise, where that is known: `RATE_LIMITED`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Timestamp>,
    /// Why: `unspecified`, `leaked`, `superseded`, `unused`, `compromisedIssuer` or `other`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation_reason: Option<String>,
}

/// Whether a key is good.
#[derive(Debug, Serialize, ToSchema)]
pub struct Verification {
    /// `VALID`, or the first that speaks against it: `NOT_FOUND`, `EXPIRED`, `NOT_YET_VALID`, `LOCKED`, `REVOKED`,
    /// `ISSUER_DISABLED`, `INSUFFICIENT_RIGHTS`, `AUTHORIZATION_PENDING`, `ADDRESS_REFUSED`, `OUTSIDE_WINDOW`,
    /// `USAGE_EXCEEDED`, `RATE_LIMITED`.
    pub code: &'static str,
    /// Whether the code is `VALID`.
    pub valid: bool,
    /// For the person who must act.
    pub message: String,
    /// Who the key is, where its secret proved right.
    #[serde(flatten)]
    pub key: VerifiedKey,
}

/// Answers to many questions.
#[derive(Debug, Serialize, ToSchema)]
pub struct Verifications {
    /// In the order of the questions.
    pub results: Vec<Verification>,
}

/// What a key has not of what is demanded.
#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MissingDemands {
    /// Rights; where one of several would be enough, all of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rights: Vec<String>,
    /// API types, or their authorizations.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub api_types: Vec<String>,
    /// The role that is demanded, where its own is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The tenant that is demanded, where its own is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// True where its role does not allow the web service.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub web_service: bool,
}

/// Why a key is or would be let in or not.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// `allow` or `deny`.
    pub decision: &'static str,
    /// As a verification with its secret would answer it.
    pub code: &'static str,
    /// The first rule that fails, in words; left out where none does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What would mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mend: Option<String>,
    /// What the key has not of what is demanded, where that is the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<MissingDemands>,
    /// The moment that was asked about.
    pub at: Timestamp,
    /// The key.
    #[serde(rename = "keyID")]
    pub key_id: ApiKeyID,
    /// Its name.
    pub key_name: String,
    /// Its role's name; left out where the key has no secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_name: Option<String>,
    /// When it was revoked; left out where it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Timestamp>,
    /// By whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_by: Option<Party>,
    /// Why: `unspecified`, `leaked`, `superseded`, `unused`, `compromisedIssuer` or `other`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation_reason: Option<String>,
}

/// What an introspection answers (RFC 7662 §2.2). Of a token that is not active nothing is told but that, and the code
/// where its secret proved right.
#[derive(Debug, Default, Serialize)]
pub struct Introspection {
    /// Whether the key is good for what is demanded.
    pub active: bool,
    /// Its rights, with blanks between them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The key's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The key's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// `Bearer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_type: Option<&'static str>,
    /// When this secret ends, in seconds since the epoch; left out where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    /// When this secret was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    /// When the key began, where that was said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// The key's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// The GUID of the tenant whose key it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
    /// The server's public URL, where it knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// The code, and who the key is if it is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firstkey: Option<IntrospectionDetail>,
}

/// What we add to an introspection.
#[derive(Debug, Default, Serialize)]
pub struct IntrospectionDetail {
    /// As in a verification.
    pub code: &'static str,
    /// Who the key is, if it is good.
    #[serde(flatten)]
    pub key: VerifiedKey,
}

/// What a refused introspection answers (RFC 6749 §5.2), with what we say of every refusal.
#[derive(Debug, Serialize)]
pub struct OAuthErrorBody<'a> {
    /// One of the RFC's words.
    pub error: &'static str,
    /// For the person who must act.
    pub error_description: &'a str,
    /// For a program; stable.
    pub code: &'a str,
    /// Also the header `X-Request-ID`.
    #[serde(rename = "traceId")]
    pub trace_id: &'a str,
}
