//! Secrets as types that cannot be printed, and the forms of them that may be stored.
//!
//! A clear secret has no `Display`, no `Serialize` and no way into the database; its digest has no
//! `PartialEq`, so that it can only be compared in constant time.

use std::collections::HashSet;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Binary;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::TryRng as _;
use rand::rngs::SysRng;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::error::{Error, Reason, Result};
use crate::id::ApiKeyID;

/// Random bytes to tell requests apart by. They guard nothing, so this thread's generator will do, which asks the kernel
/// for nothing.
#[allow(clippy::disallowed_methods, reason = "they are no secret")]
pub fn trace_bytes() -> [u8; 8] {
    rand::random::<u64>().to_be_bytes()
}

/// Fresh bytes from the operating system's generator, the only source of secrets there is.
pub fn random_bytes<const N: usize>() -> Result<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    SysRng.try_fill_bytes(bytes.as_mut()).map_err(|error| Error::unavailable(1, error))?;
    Ok(bytes)
}

/// A GUID of 122 random bits.
pub fn random_guid() -> Result<Uuid> {
    Ok(uuid::Builder::from_random_bytes(*random_bytes::<16>()?).into_uuid())
}

/// 32 bytes by which a stored secret is recognised.
#[derive(Clone, Copy, AsExpression, FromSqlRow)]
#[diesel(sql_type = Binary)]
pub struct SecretDigest([u8; 32]);

impl SecretDigest {
    /// What an unknown ID is compared with, so that it costs what a known one costs.
    pub const OF_NOBODY: Self = Self([0; 32]);

    /// SHA-256 over a label and the secret. Plain, because 128 random bits and more need no stretching
    /// (SECURITY.md, "Why a plain hash for keys").
    fn labelled(label: &str, secret: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(label);
        hash.update([0]);
        hash.update(secret);
        Self(hash.finalize().into())
    }

    /// Compares in constant time.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// The first eight hex digits: enough to speak of a secret, too few to guess it by.
    pub fn reference(&self) -> String {
        self.0[..4].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The whole digest in lower-case hex.
    pub fn to_hex(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }

    /// Reads `sha256:` and 64 hex digits of either case: how callers spell a digest.
    pub fn parse(text: &str) -> Option<Self> {
        Self::from_hex(&text.strip_prefix("sha256:")?.to_ascii_lowercase())
    }

    /// Reads the digest that somebody brings of a key's secret of their own, in the member `secretDigest`: no digest
    /// that comes of no secret, or of one that anybody hits upon.
    pub fn brought(text: &str) -> Result<Self, Error> {
        let digest =
            Self::parse(text).ok_or_else(|| Error::member("secretDigest", "sha256: and 64 hex digits are needed"))?;
        if digest.is_of_no_secret() {
            return Err(Error::member(
                "secretDigest",
                "the digest of 32 random bytes is needed; this one is anybody's",
            ));
        }
        Ok(digest)
    }

    /// Whether it is nothing but zeros or ones, or the digest of nothing at all, of one byte over and over or of bytes that
    /// count up or down, with the label of keys and without.
    pub fn is_of_no_secret(&self) -> bool {
        static KNOWN: LazyLock<HashSet<[u8; 32]>> = LazyLock::new(|| {
            let place = |n: usize| u8::try_from(n).unwrap_or_default();
            let of_byte = |byte: u8| {
                let up = std::array::from_fn(|n| byte.wrapping_add(place(n)));
                [[byte; 32], up, std::array::from_fn(|n| byte.wrapping_sub(place(n)))]
            };
            let secrets = (0..=u8::MAX).flat_map(of_byte).map(Vec::from).chain(std::iter::once(Vec::new()));
            let digests = secrets
                .flat_map(|secret| [SecretDigest::labelled(KEY_LABEL, &secret).0, Sha256::digest(&secret).into()]);
            digests.chain([[0; 32], [u8::MAX; 32]]).collect()
        });
        // what everybody knows needs no constant time
        KNOWN.contains(&self.0)
    }

    /// The whole digest in base64 without padding, for where there are many: 43 characters.
    pub fn to_base64(&self) -> String {
        STANDARD_NO_PAD.encode(self.0)
    }

    /// Reads what [`SecretDigest::to_base64`] wrote.
    pub fn from_base64(text: &str) -> Option<Self> {
        Some(Self(STANDARD_NO_PAD.decode(text).ok()?.try_into().ok()?))
    }

    /// Reads what [`SecretDigest::to_hex`] wrote.
    pub fn from_hex(text: &str) -> Option<Self> {
        Some(Self(data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()?))
    }
}

impl std::fmt::Debug for SecretDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretDigest({}…)", self.reference())
    }
}

impl<DB: Backend> FromSql<Binary, DB> for SecretDigest
where
    Vec<u8>: FromSql<Binary, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        let bytes = Vec::<u8>::from_sql(bytes)?;
        Ok(Self(bytes.try_into().map_err(|_| "a stored digest is not 32 bytes long")?))
    }
}

impl<DB: Backend> ToSql<Binary, DB> for SecretDigest
where
    [u8]: ToSql<Binary, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.0.as_slice().to_sql(out)
    }
}

/// What a person types: 1 to 1,024 bytes, taken exactly as received.
pub struct Password(SecretString);

impl Password {
    /// The longest password, in bytes.
    pub const MOST_BYTES: usize = 1_024;

    /// Takes a password as it came; `None` when it is empty or too long.
    pub fn new(text: String) -> Option<Self> {
        (1..=Self::MOST_BYTES).contains(&text.len()).then(|| Self(SecretString::from(text)))
    }

    /// 160 random bits in base32, without padding: what the first start makes.
    pub fn generate() -> Result<Self> {
        let bytes = random_bytes::<20>()?;
        Ok(Self(SecretString::from(data_encoding::BASE32.encode(bytes.as_ref()))))
    }

    /// The clear text, for hashing and for the file of the first start.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl Clone for Password {
    fn clone(&self) -> Self {
        Self(SecretString::from(self.0.expose_secret().to_owned()))
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

macro_rules! session_tokens {
    ($($(#[$about:meta])* $name:ident, $label:literal;)*) => {$(
        $(#[$about])*
        pub struct $name(Zeroizing<[u8; 16]>);

        impl $name {
            /// 128 fresh random bits.
            pub fn generate() -> Result<Self> {
                Ok(Self(random_bytes()?))
            }

            /// Reads exactly 32 upper-case hex digits.
            pub fn parse(text: &str) -> Option<Self> {
                let bytes = data_encoding::HEXUPPER.decode(text.as_bytes()).ok()?;
                Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
            }

            /// The form on the wire: 32 upper-case hex digits.
            pub fn expose(&self) -> Zeroizing<String> {
                Zeroizing::new(data_encoding::HEXUPPER.encode(self.0.as_ref()))
            }

            /// What is stored of it.
            pub fn digest(&self) -> SecretDigest {
                SecretDigest::labelled($label, self.0.as_ref())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )*};
}

session_tokens! {
    /// The value of the cookie `sID`.
    SessionID, "firstkey/sid/v1";
    /// The second half of a session: the member `RID` of the sign-in answer, the header `rID` of later calls.
    RequestID, "firstkey/rid/v1";
    /// What stands in the URL of a calendar.
    CalendarSecret, "firstkey/calendar/v1";
}

/// What stands in front of a key's secret where it is digested, a byte of zero between them.
const KEY_LABEL: &str = "firstkey/apikey/v1";

/// The secret of an API key: 32 random bytes.
pub struct SecretKey(Zeroizing<[u8; 32]>);

impl SecretKey {
    /// How digests of keys are made today; stored beside each.
    pub const DIGEST_VERSION: i64 = 1;

    /// 256 fresh random bits.
    pub fn generate() -> Result<Self> {
        Ok(Self(random_bytes()?))
    }

    /// What is stored of it.
    pub fn digest(&self) -> SecretDigest {
        SecretDigest::labelled(KEY_LABEL, self.0.as_ref())
    }

    /// The form that is handed out, once: `<ID>:<base64>`, with the tenant's GUID in front of it
    /// outside the primary tenant (row DS-33).
    pub fn printed(&self, tenant: Option<Uuid>, id: ApiKeyID) -> PrintedKey {
        let secret = Zeroizing::new(STANDARD.encode(self.0.as_ref()));
        PrintedKey(SecretString::from(match tenant {
            Some(guid) => format!("{guid}:{id}:{}", *secret),
            None => format!("{id}:{}", *secret),
        }))
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// A key in the form that is handed out once.
pub struct PrintedKey(SecretString);

impl PrintedKey {
    /// The text, for the one answer that carries it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl std::fmt::Debug for PrintedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrintedKey(…)")
    }
}

/// A key as a caller presents it in `api-secret-key`.
#[derive(Debug)]
pub struct PresentedKey {
    /// The GUID in front, which keys outside the primary tenant carry.
    pub tenant: Option<Uuid>,
    /// Which key it claims to be.
    pub id: ApiKeyID,
    /// The secret that must prove it.
    pub secret: SecretKey,
}

impl PresentedKey {
    /// The longest form, in bytes: GUID, ten digits, 44 characters and two colons, none to spare.
    const MOST_BYTES: usize = 92;

    /// Reads `^(?:<lower-case GUID>:)?[1-9][0-9]{0,9}:[A-Za-z0-9+/]{43}=$`, canonical base64 only: a
    /// second spelling of a secret would be a second key.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > Self::MOST_BYTES {
            return None;
        }
        let (front, secret) = text.rsplit_once(':')?;
        let (tenant, id) = match front.split_once(':') {
            Some((guid, id)) => (Some(lower_case_guid(guid)?), id),
            None => (None, front),
        };
        if id.starts_with('0') || secret.len() != 44 {
            return None;
        }
        let bytes = Zeroizing::new(STANDARD.decode(secret).ok()?);
        let bytes = Zeroizing::new(<[u8; 32]>::try_from(bytes.as_slice()).ok()?);
        Some(Self { tenant, id: ApiKeyID::parse(id)?, secret: SecretKey(bytes) })
    }
}

fn lower_case_guid(text: &str) -> Option<Uuid> {
    let guid = Uuid::try_parse(text).ok()?;
    (guid.hyphenated().to_string() == text).then_some(guid)
}

/// The code of a claim, by which a key is made for whoever brings it: 160 random bits.
pub struct ClaimCode(SecretString);

impl ClaimCode {
    /// In front of every code, so that one that has leaked is recognised.
    const PREFIX: &str = "fkclaim_";

    /// A fresh one.
    pub fn generate() -> Result<Self> {
        let bytes = random_bytes::<20>()?;
        let text = Zeroizing::new(data_encoding::BASE32_NOPAD.encode(bytes.as_ref()));
        Ok(Self(SecretString::from(format!("{}{}", Self::PREFIX, *text))))
    }

    /// Reads `^fkclaim_[A-Z2-7]{32}$`, which holds 160 bits and none to spare: a code has one spelling.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(Self::PREFIX)?;
        let bytes = Zeroizing::new(data_encoding::BASE32_NOPAD.decode(digits.as_bytes()).ok()?);
        (bytes.len() == 20).then(|| Self(SecretString::from(text)))
    }

    /// The text, for the one answer that carries it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What is stored of it.
    pub fn digest(&self) -> SecretDigest {
        SecretDigest::labelled("firstkey/claim/v1", self.0.expose_secret().as_bytes())
    }
}

impl std::fmt::Debug for ClaimCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClaimCode(…)")
    }
}

/// The seed of a person's time-based codes: 160 bits (RFC 4226 §4, R6).
pub struct TotpSeed(SecretSlice<u8>);

impl TotpSeed {
    /// 160 fresh random bits.
    pub fn generate() -> Result<Self> {
        Ok(Self(SecretSlice::from(random_bytes::<20>()?.to_vec())))
    }

    /// Takes the bytes that the vault has opened.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(SecretSlice::from(bytes))
    }

    /// The bytes, for computing and sealing.
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }

    /// Base32 without padding, as a person types it (RFC 4648 §6).
    pub fn expose_base32(&self) -> Zeroizing<String> {
        Zeroizing::new(data_encoding::BASE32_NOPAD.encode(self.expose()))
    }
}

impl std::fmt::Debug for TotpSeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TotpSeed(…)")
    }
}

/// What calls to a webhook are signed with: 256 bits, shared with the receiver (Standard Webhooks 1.0).
pub struct WebhookSecret(SecretSlice<u8>);

impl WebhookSecret {
    /// 256 fresh random bits.
    pub fn generate() -> Result<Self> {
        Ok(Self(SecretSlice::from(random_bytes::<32>()?.to_vec())))
    }

    /// Takes the bytes that the vault has opened.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(SecretSlice::from(bytes))
    }

    /// The bytes, for sealing.
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }

    /// The form that is handed out, once: `whsec_` and base64.
    pub fn printed(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("whsec_{}", STANDARD.encode(self.expose())))
    }

    /// The header `webhook-signature` of a message: HMAC-SHA-256 over its ID, the moment of sending in seconds, and
    /// its body.
    pub fn signature(&self, id: &str, seconds: u64, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.expose()).expect("HMAC takes keys of any length");
        mac.update(format!("{id}.{seconds}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookSecret(…)")
    }
}

/// Six digits from a person's authenticator (RFC 6238).
pub struct MfaCode(SecretString);

impl MfaCode {
    /// Exactly six ASCII digits; nothing is trimmed.
    pub fn parse(text: &str) -> Option<Self> {
        let six = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit());
        six.then(|| Self(SecretString::from(text)))
    }

    /// A number, as clients send it that lose leading zeros.
    pub fn from_number(number: i64) -> Option<Self> {
        (0..=999_999).contains(&number).then(|| Self(SecretString::from(format!("{number:06}"))))
    }

    /// The digits, for the one comparison.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl std::fmt::Debug for MfaCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MfaCode(…)")
    }
}

/// Refuses what has not the form of a password, naming the member.
pub fn password_member(member: &str, text: Option<String>) -> Result<Password> {
    let text = text.ok_or_else(|| Error::member(member, "a string is needed"))?;
    Password::new(text).ok_or_else(|| Error::new(Reason::Malformed, format!("{member}: 1 to 1,024 bytes are taken.")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECRET: &str = "4rFctPvno+dxntueMcso4F61SUZMFVt3I6SczG7ysOA=";
    const GUID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

    #[test]
    fn only_the_canonical_form_of_a_key_is_read() {
        for (text, good) in [
            (format!("8:{SECRET}"), true),
            (format!("2147483647:{SECRET}"), true),
            (format!("{GUID}:8:{SECRET}"), true),
            (format!("2147483648:{SECRET}"), false),
            (format!("0:{SECRET}"), false),
            (format!("08:{SECRET}"), false),
            (format!("+8:{SECRET}"), false),
            (format!(" 8:{SECRET}"), false),
            (format!("8:{SECRET} "), false),
            (format!("8::{SECRET}"), false),
            (format!(":{SECRET}"), false),
            (format!("{}:8:{SECRET}", GUID.to_uppercase()), false),
            (format!("{}:8:{SECRET}", GUID.replace('-', "")), false),
            (format!("x:{GUID}:8:{SECRET}"), false),
            // the last character's spare bits are set: the same 32 bytes in another spelling
            ("8:4rFctPvno+dxntueMcso4F61SUZMFVt3I6SczG7ysOB=".to_owned(), false),
            ("8:4rFctPvno-dxntueMcso4F61SUZMFVt3I6SczG7ysOA=".to_owned(), false),
            (format!("8:{}", SECRET.trim_end_matches('=')), false),
            (String::new(), false),
        ] {
            assert_eq!(PresentedKey::parse(&text).is_some(), good, "{text:?}");
        }
    }

    #[test]
    fn a_code_is_six_ascii_digits_and_nothing_else() {
        for (text, good) in
            [("012345", true), ("12345", false), (" 12345", false), ("12345\u{a0}", false), ("١٢٣٤٥٦", false)]
        {
            assert_eq!(MfaCode::parse(text).is_some(), good, "{text:?}");
        }
        assert_eq!(MfaCode::from_number(42).expect("in range").expose(), "000042");
        assert!(MfaCode::from_number(1_000_000).is_none() && MfaCode::from_number(-1).is_none());
    }

    /// The example of the Standard Webhooks specification.
    #[test]
    fn a_message_is_signed_as_standard_webhooks_says() {
        let secret = WebhookSecret::from_bytes(STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64"));
        assert_eq!(secret.printed().as_str(), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        assert_eq!(
            secret.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        assert_eq!(format!("{secret:?}"), "WebhookSecret(…)");
    }

    #[test]
    fn a_claim_code_has_one_spelling() {
        let code = ClaimCode::generate().expect("random");
        let text = code.expose().to_owned();
        let digits = &text["fkclaim_".len()..];
        assert_eq!(digits.len(), 32);
        assert!(ClaimCode::parse(&text).expect("our own form").digest().matches(&code.digest()));
        for other in [
            text.to_lowercase(),
            text.to_uppercase(),
            digits.to_owned(),
            format!("{text}A"),
            format!("{text}AAAAAAAA"),
            format!("{text}="),
            format!(" {text}"),
            text[..text.len() - 1].to_owned(),
            format!("fkclaim_{}1", &digits[1..]),
            "fkclaim_".to_owned(),
            String::new(),
        ] {
            assert!(ClaimCode::parse(&other).is_none(), "{other}");
        }
    }

    #[test]
    fn a_digest_that_anybody_hits_upon_is_known() {
        let hex = |text: &str| SecretDigest::parse(&format!("sha256:{text}")).expect("a digest");
        let of = |secret: [u8; 32]| SecretKey(Zeroizing::new(secret)).digest();
        for known in [
            hex(&"0".repeat(64)),
            hex(&"F".repeat(64)),
            hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            hex("66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925"),
            of([0; 32]),
            of([7; 32]),
            of([255; 32]),
            of(std::array::from_fn(|n| n as u8)),
            of(std::array::from_fn(|n| 1 + n as u8)),
            of(std::array::from_fn(|n| 31 - n as u8)),
            SecretDigest([u8::MAX; 32]),
        ] {
            assert!(known.is_of_no_secret(), "{known:?}");
        }
        assert!(!SecretKey::generate().expect("random").digest().is_of_no_secret());
        for text in [
            "",
            "sha256:",
            "sha1:00",
            &"0".repeat(64),
            &format!("sha256:{}", "0".repeat(63)),
            &format!("sha256: {}", "0".repeat(64)),
        ] {
            assert!(SecretDigest::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn secrets_print_nothing_of_themselves() {
        let key = SecretKey::generate().expect("random");
        let printed = key.printed(None, ApiKeyID::new(8));
        assert_eq!(format!("{key:?} {printed:?}"), "SecretKey(…) PrintedKey(…)");
        assert_eq!(format!("{:?}", Password::new("hunter2".into())), "Some(Password(…))");
    }

    /// T-35, in small: the generator repeats nothing and its bits are even.
    #[test]
    fn generated_secrets_never_repeat_and_their_bits_are_even() {
        let rounds = 20_000_u32;
        let mut seen = std::collections::HashSet::new();
        let mut ones = 0_u32;
        for _ in 0..rounds {
            let key = SecretKey::generate().expect("random");
            ones += key.0.iter().map(|byte| byte.count_ones()).sum::<u32>();
            assert!(seen.insert(*key.0), "a secret came twice");
        }
        // 256 coins a round: the deviation allowed is six times the standard one
        let (expected, deviation) = (f64::from(rounds) * 128.0, (f64::from(rounds) * 64.0).sqrt());
        assert!((f64::from(ones) - expected).abs() < 6.0 * deviation, "{ones} ones");
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_again(id in 1..=i64::from(i32::MAX), guid in any::<Option<u128>>()) {
            let (key, id, guid) = (SecretKey::generate().expect("random"), ApiKeyID::new(id), guid.map(Uuid::from_u128));
            let read = PresentedKey::parse(key.printed(guid, id).expose()).expect("our own form");
            prop_assert!(read.id == id && read.tenant == guid && read.secret.digest().matches(&key.digest()));
        }

        #[test]
        fn no_text_makes_the_parser_stumble(text in any::<String>()) {
            let _ = PresentedKey::parse(&text);
            prop_assert!(SessionID::parse(&text).is_none_or(|sid| *sid.expose() == text));
            prop_assert!(ClaimCode::parse(&text).is_none_or(|code| code.expose() == text));
        }
    }
}
