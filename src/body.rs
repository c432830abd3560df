//! What a request brings: its body as JSON, the ID or the name in its path, its query. Limits come before parsing.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::web::{Bytes, BytesMut};
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;

use crate::error::{Error, Reason, Result};
use crate::id::{
    AdministratorID, ApiKeyID, ApiTypeID, ClaimID, ContactID, JobID, ProfileID, RoleID, TenantID, WebhookID,
};
use crate::secret::SecretDigest;
use crate::wire;

/// The deepest nesting of a body.
const MOST_DEPTH: usize = 16;
/// The most members of a body, at all depths together.
const MOST_MEMBERS: usize = 1_024;

/// A JSON shape that may come in.
pub trait Incoming: DeserializeOwned + 'static {
    /// The longest body, in bytes.
    const MOST_BYTES: usize = 64 * 1024;

    /// Whether refusals must not show what was sent: it may be a password in the wrong form or place.
    const SECRET: bool = false;

    /// The most members, at all depths together.
    const MOST_MEMBERS: usize = MOST_MEMBERS;

    /// What an empty body stands for; a refusal where it stands for nothing.
    fn when_empty() -> Option<Self> {
        None
    }

    /// What a body stands for that is not said to be JSON; a refusal where it stands for nothing.
    fn when_not_json(_bytes: &[u8]) -> Option<Self> {
        None
    }
}

/// The longest sign-in, in bytes.
const SIGN_IN: usize = 4 * 1024;

impl Incoming for wire::SignIn {
    const MOST_BYTES: usize = SIGN_IN;
    const SECRET: bool = true;
}
impl Incoming for wire::PasswordAgain {
    const MOST_BYTES: usize = SIGN_IN;
    const SECRET: bool = true;
}
impl Incoming for wire::MfaConfirmation {
    const MOST_BYTES: usize = SIGN_IN;
    const SECRET: bool = true;
}
impl Incoming for wire::MfaRemoval {
    const MOST_BYTES: usize = SIGN_IN;
    const SECRET: bool = true;
}
impl Incoming for wire::NewPassword {
    const MOST_BYTES: usize = SIGN_IN;
    const SECRET: bool = true;
}
impl Incoming for wire::LegacySignIn {
    const MOST_BYTES: usize = SIGN_IN;
    const SECRET: bool = true;
}
// the first administrator's password, and one for agents
impl Incoming for wire::NewTenant {
    const SECRET: bool = true;
}
impl Incoming for wire::TenantChange {
    const SECRET: bool = true;
}
impl Incoming for wire::NewApiKey {}
impl Incoming for wire::NewTenantApiKey {}
impl Incoming for wire::WantedApiKey {}
impl Incoming for wire::ApiKeyChange {}
impl Incoming for wire::BulkOrder {}
impl Incoming for wire::ApiKeyCurrentChange {}
impl Incoming for wire::NewRole {}
impl Incoming for wire::RoleChange {}
// with a description in the longest spelling they are longer than a sign-in
impl Incoming for wire::NewAdministrator {
    const SECRET: bool = true;
}
impl Incoming for wire::AdministratorChange {
    const SECRET: bool = true;
}
impl Incoming for wire::NewContact {
    const SECRET: bool = true;
}
impl Incoming for wire::ContactChange {
    const SECRET: bool = true;
}
impl Incoming for wire::NewProfile {}
impl Incoming for wire::ProfileChange {}
impl Incoming for wire::NewApiType {}
impl Incoming for wire::ApiTypeChange {}
impl Incoming for wire::AuthorizationGrant {
    const MOST_BYTES: usize = SIGN_IN;
    const SECRET: bool = true;
}
// the path of a receiver's URL may be as good as a password
impl Incoming for wire::NewWebhook {
    const SECRET: bool = true;
}
impl Incoming for wire::WebhookChange {
    const SECRET: bool = true;
}
impl Incoming for wire::NewClaim {}
impl Incoming for wire::PresentedClaim {
    const MOST_BYTES: usize = SIGN_IN;
    const SECRET: bool = true;
}
// a key may stand in the wrong place
impl Incoming for wire::VerificationWish {
    const SECRET: bool = true;
}
// a thousand questions with a handful of demands each
impl Incoming for wire::VerificationWishes {
    const MOST_BYTES: usize = 2 * 1024 * 1024;
    const MOST_MEMBERS: usize = 16 * 1024;
    const SECRET: bool = true;
}
impl Incoming for wire::ExplanationWish {
    const SECRET: bool = true;
}
impl Incoming for wire::SettingChange {}
impl Incoming for wire::SettingsChange {}
impl Incoming for wire::SearchFilter {
    fn when_empty() -> Option<Self> {
        Some(Self::default())
    }
}

// a call that published clients make with any body or none; only what looks like our members is not passed over, or
// somebody who forgot to say that it is JSON would see the old secret stop
impl Incoming for wire::RotationWish {
    fn when_empty() -> Option<Self> {
        Some(Self::default())
    }

    fn when_not_json(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let members = ["overlap", "finishWhenSilentFor", "extendWhileUsedFor"];
        (!members.iter().any(|member| text.contains(member))).then(Self::default)
    }
}

/// How long a body may take to arrive; beside every app that takes any.
#[derive(Clone, Copy, Debug)]
pub struct BodyDeadline(pub Duration);

impl Default for BodyDeadline {
    fn default() -> Self {
        Self(Duration::from_secs(10))
    }
}

/// A request's body, read and understood.
pub struct Body<T>(pub T);

impl<T: Incoming> FromRequest for Body<T> {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (announced, is_json) = (announced_length(request), is_json(request));
        let deadline = request.app_data::<BodyDeadline>().copied();
        let payload = payload.take();
        Box::pin(async move {
            let BodyDeadline(deadline) = deadline.ok_or_else(|| Error::internal("a route stands outside the app"))?;
            let bytes = arrived(payload, announced, T::MOST_BYTES, deadline).await?;
            if bytes.is_empty()
                && let Some(value) = T::when_empty()
            {
                return Ok(Self(value));
            }
            if !is_json {
                if let Some(value) = T::when_not_json(&bytes) {
                    return Ok(Self(value));
                }
                return Err(not_json());
            }
            parse_incoming(&bytes).map(Self)
        })
    }
}

/// At most so many bytes, within so much time.
async fn arrived(payload: Payload, announced: Option<u64>, most: usize, deadline: Duration) -> Result<Bytes> {
    if announced.is_some_and(|length| length > most as u64) {
        return Err(too_large(most));
    }
    tokio::time::timeout(deadline, collect(payload, most)).await.map_err(|_| {
        Error::new(Reason::BodyTimeout, format!("The body did not arrive within {} s.", deadline.as_secs_f32()))
    })?
}

/// A list that somebody sends, not yet understood: JSON, or CSV where the query says `format=csv`.
pub struct Upload {
    /// As they came.
    pub bytes: Bytes,
    /// Whether it is CSV.
    pub is_csv: bool,
}

impl Upload {
    /// The longest list, in bytes.
    pub const MOST_BYTES: usize = 4 * 1024 * 1024;
}

impl FromRequest for Upload {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let announced = announced_length(request);
        let format = Query::of(request).and_then(|query| query.word("format", &["json", "csv"]));
        let (is_json, is_text) = (is_of(request, "application/json"), is_of(request, "text/csv"));
        let deadline = request.app_data::<BodyDeadline>().copied();
        let payload = payload.take();
        Box::pin(async move {
            let is_csv = format? == Some("csv");
            let BodyDeadline(deadline) = deadline.ok_or_else(|| Error::internal("a route stands outside the app"))?;
            let bytes = arrived(payload, announced, Self::MOST_BYTES, deadline).await?;
            match is_csv {
                true if !is_text => Err(Error::new(
                    Reason::NotJson,
                    "With ?format=csv, send the body as CSV, with the header Content-Type: text/csv.",
                )),
                false if !is_json => Err(not_json()),
                _ => Ok(Self { bytes, is_csv }),
            }
        })
    }
}

/// A form as browsers and OAuth clients send it, not yet understood.
pub struct Form {
    /// As they came.
    pub bytes: Bytes,
}

impl Form {
    /// The longest form, in bytes.
    pub const MOST_BYTES: usize = 64 * 1024;
}

impl FromRequest for Form {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        const KIND: &str = "application/x-www-form-urlencoded";
        let announced = announced_length(request);
        let is_form = is_of(request, KIND) && request.headers().contains_key(CONTENT_TYPE);
        let deadline = request.app_data::<BodyDeadline>().copied();
        let payload = payload.take();
        Box::pin(async move {
            let BodyDeadline(deadline) = deadline.ok_or_else(|| Error::internal("a route stands outside the app"))?;
            let bytes = arrived(payload, announced, Self::MOST_BYTES, deadline).await?;
            match is_form {
                true => Ok(Self { bytes }),
                false => Err(Error::new(
                    Reason::NotJson,
                    format!("Send the body as a form, with the header Content-Type: {KIND}."),
                )),
            }
        })
    }
}

fn not_json() -> Error {
    Error::new(Reason::NotJson, "Send the body as JSON, with the header Content-Type: application/json.")
}

fn announced_length(request: &HttpRequest) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// `application/json` in any case and with any parameters, or no type at all; of several, all must say so.
/// Nothing is unpacked, so what says that it is packed is no JSON.
fn is_json(request: &HttpRequest) -> bool {
    is_of(request, "application/json")
}

fn is_of(request: &HttpRequest, expected: &str) -> bool {
    if request.headers().get_all(CONTENT_ENCODING).any(|coding| coding.as_bytes() != b"identity") {
        return false;
    }
    request.headers().get_all(CONTENT_TYPE).all(|value| {
        let kind = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
        kind.trim().eq_ignore_ascii_case(expected)
    })
}

fn too_large(most: usize) -> Error {
    Error::new(Reason::BodyTooLarge, format!("The body is larger than the {most} bytes that this call takes."))
}

async fn collect(mut payload: Payload, most: usize) -> Result<Bytes> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk =
            chunk.map_err(|_| Error::new(Reason::Malformed, "The body broke off, or is not framed as HTTP says."))?;
        if bytes.len() + chunk.len() > most {
            return Err(too_large(most));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// JSON as a value of the type, or a refusal that names the member at fault.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    parse_wide(bytes, MOST_MEMBERS)
}

/// [`parse`] for long lists, which have more members than other bodies.
pub fn parse_wide<T: DeserializeOwned>(bytes: &[u8], most_members: usize) -> Result<T> {
    refuse_bombs(bytes, most_members)?;
    parse_bounded(bytes, false)
}

/// A body as its shape bounds it.
pub fn parse_incoming<T: Incoming>(bytes: &[u8]) -> Result<T> {
    refuse_bombs(bytes, T::MOST_MEMBERS)?;
    parse_bounded(bytes, T::SECRET)
}

fn parse_bounded<T: DeserializeOwned>(bytes: &[u8], secret: bool) -> Result<T> {
    // a list would be taken for the members in their order
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return Err(Error::new(Reason::Malformed, "The body: a JSON object is needed, not a list."));
    }
    // serde does not look into the strings that it skips
    let text = std::str::from_utf8(bytes)
        .map_err(|error| Error::new(Reason::Malformed, format!("The body is not JSON: it is not UTF-8 ({error}).")))?;
    let mut input = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut input).map_err(|error| {
        let path = error.path().to_string();
        refusal(&path, error.inner(), secret)
    })?;
    input.end().map_err(|error| refusal(".", &error, secret))?;
    Ok(value)
}

fn refusal(path: &str, error: &serde_json::Error, secret: bool) -> Error {
    let text = error.to_string();
    // the name of a type of ours says nothing to the sender
    let text = match text.split_once("expected struct ") {
        Some((what, rest)) => {
            let rest = rest.split_once(' ').map_or("", |(_, rest)| rest);
            format!("{what}expected a JSON object {rest}").trim_end().to_owned()
        }
        None => text,
    };
    match error.classify() {
        serde_json::error::Category::Data if path != "." => {
            let what = text.rsplit_once(" at line ").map_or(text.as_str(), |(what, _)| what);
            // "invalid type: integer `7`, expected a string": only the end is ours
            let what = match what.rsplit_once(", expected ") {
                Some((_, expected)) if secret => &format!("{expected} is expected"),
                _ => what,
            };
            Error::new(Reason::Malformed, format!("{path}: {what}."))
        }
        serde_json::error::Category::Data if secret && text.starts_with("invalid type") => {
            Error::new(Reason::Malformed, "The body: a JSON object is needed.")
        }
        serde_json::error::Category::Data => Error::new(Reason::Malformed, format!("The body: {text}.")),
        _ => Error::new(Reason::Malformed, format!("The body is not JSON: {text}.")),
    }
}

/// Counts brackets and colons outside strings: a body that is too deep or too wide is never parsed.
fn refuse_bombs(bytes: &[u8], most_members: usize) -> Result<()> {
    let (mut depth, mut members, mut in_string, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in bytes {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'{' | b'[') => depth += 1,
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            (false, b':') => members += 1,
            _ => {}
        }
        if depth > MOST_DEPTH || members > most_members {
            let message =
                format!("The body is nested more than {MOST_DEPTH} deep, or has more than {most_members} members.");
            return Err(Error::new(Reason::Malformed, message));
        }
    }
    Ok(())
}

/// An ID that may stand in a path.
pub trait PathID: Sized {
    /// What it names, for "The … does not exist."
    const THING: &'static str;

    /// Reads its digits.
    fn parse(digits: &str) -> Option<Self>;
}

macro_rules! path_ids {
    ($($name:ident $thing:literal;)*) => {$(
        impl PathID for $name {
            const THING: &'static str = $thing;

            fn parse(digits: &str) -> Option<Self> {
                Self::parse(digits)
            }
        }
    )*};
}

path_ids! {
    ApiKeyID "API key";
    RoleID "role";
    AdministratorID "administrator";
    ContactID "contact";
    TenantID "tenant";
    ProfileID "API key profile";
    ApiTypeID "API type";
    WebhookID "webhook";
    JobID "job";
    ClaimID "claim";
}

/// The ID in a request's path. One beyond 32 bits is an ID that does not exist.
pub struct InPath<T>(pub T);

impl<T: PathID> FromRequest for InPath<T> {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().iter().next().and_then(|(_, digits)| T::parse(digits));
        ready(id.map(Self).ok_or_else(|| Error::not_found(T::THING)))
    }
}

/// What an answer about a key is to say besides what is documented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expand {
    /// What its life is like.
    pub lifecycle: bool,
    /// What bounds its use.
    pub constraints: bool,
}

/// A request's query. Members that nobody asks for are ignored.
pub struct Query(Vec<(String, String)>);

impl Query {
    fn of(request: &HttpRequest) -> Result<Self> {
        let members = actix_web::web::Query::<Vec<(String, String)>>::from_query(request.query_string());
        let members = members.map(|members| Self(members.into_inner()));
        members.map_err(|_| Error::new(Reason::BadRequest, "The query cannot be read."))
    }

    /// A member that is `true` or `false`, or not there; the vendor's SDK for Python writes `True` and `False`.
    pub fn flag(&self, member: &str) -> Result<Option<bool>> {
        let mut values = self.0.iter().filter(|(name, _)| name == member).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some("true" | "True"), None) => Ok(Some(true)),
            (Some("false" | "False"), None) => Ok(Some(false)),
            _ => Err(Error::new(Reason::BadRequest, format!("{member}: true or false is taken, once."))),
        }
    }

    /// A member that is any text, or not there.
    pub fn text(&self, member: &str) -> Result<Option<&str>> {
        let mut values = self.0.iter().filter(|(name, _)| name == member).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(Error::new(Reason::BadRequest, format!("{member}: a text is taken, once."))),
        }
    }

    /// What `expand` asks for: `lifecycle`, `constraints`, both with commas between them, or `all`; an empty text asks
    /// for nothing. A misspelt word is refused: who looks for bounds must not take their absence for an answer.
    pub fn expand(&self) -> Result<Expand> {
        const KNOWN: [&str; 3] = ["lifecycle", "constraints", "all"];
        let values = self.0.iter().filter(|(name, _)| name == "expand").map(|(_, value)| value.as_str());
        let words: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
        if words.iter().any(|word| !word.is_empty() && !KNOWN.contains(word)) {
            let message = "expand: lifecycle and constraints are taken, with a comma between them, or all.";
            return Err(Error::new(Reason::BadRequest, message).accepting(KNOWN));
        }
        let asks = |word: &str| words.contains(&word) || words.contains(&"all");
        Ok(Expand { lifecycle: asks("lifecycle"), constraints: asks("constraints") })
    }

    /// A member that is one of these words, or not there.
    pub fn word(&self, member: &str, words: &[&'static str]) -> Result<Option<&'static str>> {
        let mut values = self.0.iter().filter(|(name, _)| name == member).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some(value), None) if words.contains(&value) => Ok(words.iter().copied().find(|word| *word == value)),
            _ => Err(Error::new(Reason::BadRequest, format!("{member}: {} is taken, once.", words.join(" or ")))),
        }
    }
}

impl FromRequest for Query {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request))
    }
}

/// The name in a request's path, letters only.
pub struct NameInPath(pub String);

impl FromRequest for NameInPath {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let name = request.match_info().iter().next().map(|(_, name)| Self(name.to_owned()));
        ready(name.ok_or_else(|| Error::internal("a route without a name in its path")))
    }
}

/// The last part of a request's path as the text that it spells: any name. It is read from the path as it came,
/// because the router's own reading puts other characters in the place of bytes that are no UTF-8.
pub struct TextInPath(pub String);

impl FromRequest for TextInPath {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let last = request.uri().path().rsplit('/').next().unwrap_or_default();
        let refusal =
            || Error::new(Reason::BadRequest, "The path: percent-encoded UTF-8 is needed, such as caf%C3%A9.");
        ready(decoded(last).map(Self).ok_or_else(refusal))
    }
}

/// What percents stand for; none where two hex digits are missing behind one, or the bytes are no UTF-8.
fn decoded(text: &str) -> Option<String> {
    let is_hex = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if !text.split('%').skip(1).all(is_hex) {
        return None;
    }
    Some(percent_encoding::percent_decode_str(text).decode_utf8().ok()?.into_owned())
}

/// The header `X-Have-Secret-Digest`: by it a caller shows which secret of a key it still holds.
pub struct HeldSecret(pub Option<SecretDigest>);

impl FromRequest for HeldSecret {
    type Error = Error;
    type Future = Ready<Result<Self>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let mut values = request.headers().get_all("x-have-secret-digest");
        ready(
            match (values.next(), values.next()) {
                (None, _) => Ok(Self(None)),
                (Some(value), None) => {
                    value.to_str().ok().and_then(SecretDigest::parse).map(|digest| Self(Some(digest))).ok_or(())
                }
                _ => Err(()),
            }
            .map_err(|()| {
                let message = "X-Have-Secret-Digest: sha256: and 64 hex digits are taken, once.";
                Error::new(Reason::BadRequest, message)
            }),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(json: &str) -> String {
        parse::<wire::NewApiKey>(json.as_bytes()).err().map(|error| error.message().to_owned()).unwrap_or_default()
    }

    #[test]
    fn a_refusal_names_the_member_and_what_was_expected() {
        assert_eq!(message(r#"{"roleID": [1]}"#), "roleID: invalid type: sequence, expected an integer.");
        assert_eq!(message(r#"{"keyName": 7}"#), "keyName: invalid type: integer `7`, expected a string.");
        assert!(message("[1]").starts_with("The body: "), "{}", message("[1]"));
        assert!(message(r#"{ "keyName": "First Key", "roleID: 1 }"#).starts_with("The body is not JSON: "));
        assert!(message(r#"{"keyName": "a", "keyName": "b"}"#).contains("duplicate field"));
        assert!(message(r#"{"keyName": "a"} x"#).starts_with("The body is not JSON"));
    }

    #[test]
    fn a_name_in_a_path_is_percent_encoded_utf8_and_nothing_else() {
        for (path, name) in [
            ("build", Some("build")),
            ("caf%C3%A9%20%2f%25", Some("café /%")),
            ("a+b", Some("a+b")),
            ("%00", Some("\0")),
            ("%", None),
            ("%4", None),
            ("a%zz", None),
            ("%é1", None),
            ("%ff", None),
            ("%C3", None),
            ("%ED%A0%80", None),
        ] {
            assert_eq!(decoded(path).as_deref(), name, "{path}");
        }
    }

    #[test]
    fn a_refusal_shows_no_value_where_it_may_be_a_secret() {
        let message = |json: &str| {
            let refused = parse_incoming::<wire::SignIn>(json.as_bytes()).err();
            refused.map(|error| error.message().to_owned()).unwrap_or_default()
        };
        assert_eq!(message(r#"{"password": 31415926535}"#), "password: a string is expected.");
        assert_eq!(message(r#"{"password": ["hunter2"]}"#), "password: a string is expected.");
        let expected = "accessType: `webService` or `userInterface` is expected.";
        assert_eq!(message(r#"{"accessType": "hunter2, expected hunter2"}"#), expected);
        assert_eq!(message(r#""hunter2""#), "The body: a JSON object is needed.");
        assert!(!message(r#"{"password": hunter2}"#).contains("hunter2"));
        assert!(message(r#"{"password": "a", "password": "b"}"#).contains("duplicate field"));
    }

    /// T-29, the parser's part: depth and width are bounded before parsing.
    #[test]
    fn bombs_are_refused_before_they_are_parsed() {
        let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
        assert!(
            refuse_bombs(deep(16).as_bytes(), MOST_MEMBERS).is_ok()
                && refuse_bombs(deep(17).as_bytes(), MOST_MEMBERS).is_err()
        );
        let wide = |n: usize| format!("{{{}}}", vec!["\"a\":1"; n].join(","));
        assert!(
            refuse_bombs(wide(1_024).as_bytes(), MOST_MEMBERS).is_ok()
                && refuse_bombs(wide(1_025).as_bytes(), MOST_MEMBERS).is_err()
        );
        let quoted = format!("{{\"a\":\"{}\\\"{}\"}}", "[".repeat(40), ":".repeat(2_000));
        assert!(refuse_bombs(quoted.as_bytes(), MOST_MEMBERS).is_ok(), "brackets in strings are only text");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse::<wire::NewApiKey>(&bytes);
            let _ = decoded(&String::from_utf8_lossy(&bytes));
            let _ = parse::<wire::SignIn>(&bytes);
            let _ = parse::<wire::RoleChange>(&bytes);
            let _ = parse::<wire::SearchFilter>(&bytes);
        }
    }
}
