//! The one error of the program: a reason with a status and a stable code, and a message for the
//! reader who must act. `observe.rs` turns it into bytes, with the request's trace ID in it.

use std::borrow::Cow;

use actix_web::http::StatusCode;

use crate::id::NoMoreIDs;

macro_rules! reasons {
    ($($(#[doc = $about:literal])+ $name:ident = $status:literal $code:literal;)*) => {
        /// Why a request was refused. Codes are stable: clients may compare them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $($(#[doc = $about])+ $name,)*
        }

        impl Reason {
            /// Every reason there is, in the order of the catalogue.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The HTTP status it is answered with.
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// The stable snake_case word in the member `code`.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// What it means, in one sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($about),+),)* }
            }
        }
    };
}

reasons! {
    /// The body is not JSON, or a member is missing, of the wrong type or out of range; the message names it.
    Malformed = 400 "malformed";
    /// The header `api-version` says something other than `v1`.
    UnknownApiVersion = 400 "unknown_api_version";
    /// The request carries more than one credential: a cookie and a key, or two keys in whatever headers.
    AmbiguousCredentials = 400 "ambiguous_credentials";
    /// A query or a path says something that cannot be understood.
    BadRequest = 400 "bad_request";
    /// The body names a role that does not exist.
    UnknownRole = 400 "unknown_role";
    /// The time zone is not known; the member `accepted` lists those that are.
    UnknownTimeZone = 400 "unknown_time_zone";
    /// The locale is not known; the member `accepted` lists those that are.
    UnknownLocale = 400 "unknown_locale";
    /// The expiry date lies outside one minute to ten years ahead.
    ExpiryOutOfRange = 400 "expiry_out_of_range";
    /// A search names a field that cannot be searched, or tests it in a way it does not take.
    BadSearch = 400 "bad_search";
    /// The search has to look at one object after the other and there are too many; the message says how to narrow it.
    SearchTooBroad = 400 "search_too_broad";
    /// The new password does not meet the rules; the message says which.
    WeakPassword = 400 "weak_password";
    /// The setting's value is not one that the setting takes; the message says which it takes.
    BadSetting = 400 "bad_setting";
    /// The body names a key profile that does not exist.
    UnknownProfile = 400 "unknown_profile";
    /// The body names an API type that does not exist; the member `accepted` lists those that do.
    UnknownApiType = 400 "unknown_api_type";
    /// The key's profile lists what keys may be for, and this is none of it; the member `accepted` lists it.
    UnknownTarget = 400 "unknown_target";
    /// Many keys are changed only with the confirmation of a dry run that is ten minutes old at most.
    ConfirmationNeeded = 400 "confirmation_needed";
    /// Of the keys that were to be brought from elsewhere some cannot be; the message says which and why.
    ImportRefused = 400 "import_refused";
    /// No credential came with the request, or one under a scheme of `Authorization` that is not taken.
    NotSignedIn = 401 "not_signed_in";
    /// The user name, the password, the tenant or the MFA code is wrong, or the user may not sign in.
    SignInFailed = 401 "sign_in_failed";
    /// The password is right, and the user's MFA code is needed too.
    MfaCodeNeeded = 401 "mfa_code_needed";
    /// The session is unknown, ended or timed out.
    SessionEnded = 401 "session_ended";
    /// The API key is unknown, or its secret is wrong.
    InvalidApiKey = 401 "invalid_api_key";
    /// The API key's secret is right, and the key has expired.
    ApiKeyExpired = 401 "api_key_expired";
    /// The API key's secret is right, and the key is locked out.
    ApiKeyLocked = 401 "api_key_locked";
    /// The code of a claim is unknown: wrong, withdrawn, or swept away long after its time.
    InvalidClaimCode = 401 "invalid_claim_code";
    /// The code of a claim is right, and its time is over.
    ClaimExpired = 401 "claim_expired";
    /// The API key's secret is right, and the key is of no use before a moment that is still to come.
    ApiKeyNotYetValid = 401 "api_key_not_yet_valid";
    /// The session's request ID is missing or is another session's.
    WrongRequestID = 403 "wrong_request_id";
    /// The role does not allow the web service (or the console) that the credential is for.
    AccessNotAllowed = 403 "access_not_allowed";
    /// A session of the older sign-in came with headers that only browsers send; it is for programs.
    BrowserRefused = 403 "browser_refused";
    /// The terms and conditions are to be accepted first: sign in with `termsAccepted`.
    TermsNotAccepted = 403 "terms_not_accepted";
    /// The session was opened with the initial password, which must be changed first.
    InitialPassword = 403 "initial_password";
    /// The session is there for making one key, and does nothing else.
    OneShotSession = 403 "one_shot_session";
    /// The password is older than the settings allow, and must be changed first.
    PasswordExpired = 403 "password_expired";
    /// The settings ask for MFA, which must be turned on first.
    MfaRequired = 403 "mfa_required";
    /// The right that the call needs is missing.
    NotAuthorized = 403 "not_authorized";
    /// The right that the call needs belongs to an API type of the key that waits for its authorization.
    AuthorizationPending = 403 "authorization_pending";
    /// The call is only for API keys, or only for sessions.
    WrongCredentialKind = 403 "wrong_credential_kind";
    /// The result would be stronger or longer lived than the caller.
    BeyondCaller = 403 "beyond_caller";
    /// The code of a claim is right, and may not be redeemed from the address that the call comes from.
    ClaimAddressRefused = 403 "claim_address_refused";
    /// The code of a claim is right, and whoever made the claim could not make its key any more.
    ClaimMakerRefused = 403 "claim_maker_refused";
    /// The API key's secret is right, and whoever issued the key, to whom it is bound, may not sign in any more.
    IssuerDisabled = 403 "issuer_disabled";
    /// The API key may not be used from the address that the call comes from.
    AddressRefused = 403 "address_refused";
    /// The API key may not be used at this hour of the week.
    OutsideWindow = 403 "outside_window";
    /// The API key has been used as often as it may be.
    UsageExceeded = 403 "usage_exceeded";
    /// There is no such route.
    NoSuchRoute = 404 "no_such_route";
    /// There is no such object, or it is not visible to the caller.
    NotFound = 404 "not_found";
    /// The route does not offer the method; the header `Allow` lists those it does.
    MethodNotAllowed = 405 "method_not_allowed";
    /// The body did not arrive within ten seconds.
    BodyTimeout = 408 "body_timeout";
    /// The name is taken.
    NameTaken = 409 "name_taken";
    /// The profile allows no more keys, or no more for the target.
    KeyLimitReached = 409 "key_limit_reached";
    /// The object's state does not allow the change.
    Conflict = 409 "conflict";
    /// The key has ended, and what was said of it gives it no new life.
    KeyHasExpired = 409 "key_has_expired";
    /// The dry run has found other keys than are found now, or its confirmation was used before; nothing was done.
    SetChanged = 409 "set_changed";
    /// The code of a claim was used before.
    ClaimUsed = 409 "claim_used";
    /// The user has as many sessions as the settings allow; one must end first.
    TooManySessions = 409 "too_many_sessions";
    /// The body is larger than the route takes.
    BodyTooLarge = 413 "body_too_large";
    /// The body is of a type other than JSON.
    NotJson = 415 "not_json";
    /// Too many calls within a minute; the header `Retry-After` says when to try again.
    TooManyRequests = 429 "too_many_requests";
    /// The API key, or all keys of its profile in the tenant, were used too often within a minute; the header
    /// `Retry-After` says when to try again.
    RateLimited = 429 "rate_limited";
    /// Too many attempts to sign in; the header `Retry-After` says for how long.
    SignInThrottled = 429 "sign_in_throttled";
    /// A fault of the server; the trace ID leads to its log line.
    Internal = 500 "internal";
    /// Every number that can name such an object has been used; the operator must start another installation.
    NoMoreIDs = 507 "no_more_ids";
    /// The server cannot answer now; the header `Retry-After` says when to try again.
    Unavailable = 503 "unavailable";
}

impl Reason {
    /// The status as actix's type.
    pub fn status_code(self) -> StatusCode {
        StatusCode::from_u16(self.status()).expect("the catalogue holds valid statuses only")
    }
}

/// A refusal or a fault, on its way to the client.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    reason: Reason,
    message: Cow<'static, str>,
    /// What would have been taken, for the member `accepted`.
    accepted: Vec<String>,
    /// Seconds, for the header `Retry-After`.
    retry_after: Option<u64>,
    /// The methods a route offers, for the header `Allow`.
    allow: Option<String>,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What most functions of the program answer with.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A refusal with its message.
    pub fn new(reason: Reason, message: impl Into<Cow<'static, str>>) -> Self {
        Self { reason, message: message.into(), accepted: Vec::new(), retry_after: None, allow: None, source: None }
    }

    /// The member `member` is missing or wrong; `expected` says what it should be.
    pub fn member(member: &str, expected: &str) -> Self {
        Self::new(Reason::Malformed, format!("{member}: {expected}."))
    }

    /// There is nothing at that path, or nothing for the caller.
    pub fn no_such_route() -> Self {
        Self::new(Reason::NoSuchRoute, "There is no such route.")
    }

    /// `thing` ("API key") does not exist, or is not the caller's to see.
    pub fn not_found(thing: &str) -> Self {
        Self::new(Reason::NotFound, format!("The {thing} does not exist."))
    }

    /// The right for `doing` ("create API keys") is missing.
    pub fn not_authorized(doing: &str) -> Self {
        Self::new(Reason::NotAuthorized, format!("Not authorized to {doing}."))
    }

    /// A fault of ours: logged with its cause, answered without it.
    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            source: Some(source.into()),
            ..Self::new(Reason::Internal, "The server made a mistake. Its log tells more under this trace ID.")
        }
    }

    /// Something the server needs is away or busy; try again after `seconds`.
    pub fn unavailable(seconds: u64, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self {
            source: Some(source.into()),
            ..Self::new(Reason::Unavailable, "The server cannot answer right now. Try again shortly.")
                .retry_after(seconds)
        }
    }

    /// Adds the values that would have been taken.
    #[must_use]
    pub fn accepting(mut self, accepted: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.accepted = accepted.into_iter().map(Into::into).collect();
        self
    }

    /// Adds the seconds to wait.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Adds the methods that the route offers.
    #[must_use]
    pub fn allow(mut self, methods: &str) -> Self {
        self.allow = Some(methods.to_owned());
        self
    }

    /// Why.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The text for the reader who must act.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What would have been taken.
    pub fn accepted(&self) -> &[String] {
        &self.accepted
    }

    /// Seconds to wait, if that helps.
    pub fn seconds_to_wait(&self) -> Option<u64> {
        self.retry_after
    }

    /// The methods that the route offers, if the method was the trouble.
    pub fn allowed_methods(&self) -> Option<&str> {
        self.allow.as_deref()
    }

    /// The cause, spelt out with everything below it; for the log only.
    pub fn cause(&self) -> Option<String> {
        let mut next = std::error::Error::source(self);
        let mut text = String::new();
        while let Some(error) = next {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&error.to_string());
            next = error.source();
        }
        (!text.is_empty()).then_some(text)
    }
}

/// actix needs a response wherever an error may stand; its body is written by `observe.rs`, which
/// alone knows the trace ID.
impl actix_web::ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        self.reason.status_code()
    }
}

/// A database failure is never the caller's fault: an outage (503) or a bug (500). Unique violations
/// that callers can cause are told apart where they are expected, by [`is_unique_violation`].
impl From<diesel::result::Error> for Error {
    fn from(error: diesel::result::Error) -> Self {
        if is_outage(&error) {
            Self::unavailable(1, error)
        } else if says_no_more_ids(&error) {
            let message = "Every ID has been used. Objects that are there go on working; new ones need a new server.";
            Self { source: Some(error.into()), ..Self::new(Reason::NoMoreIDs, message) }
        } else {
            Self::internal(error)
        }
    }
}

/// Whether the database was away, or too busy to answer in time.
fn is_outage(error: &diesel::result::Error) -> bool {
    use diesel::result::{DatabaseErrorKind as Kind, Error as Diesel};
    match error {
        Diesel::DatabaseError(
            Kind::ClosedConnection | Kind::UnableToSendCommand | Kind::ReadOnlyTransaction | Kind::SerializationFailure,
            _,
        )
        | Diesel::BrokenTransactionManager => true,
        Diesel::DatabaseError(Kind::Unknown, info) => says_outage(info.message()),
        // the connection broke at the commit: nobody knows what became of it, and no rollback can be asked for
        Diesel::RollbackErrorOnCommit { commit_error, .. } => is_outage(commit_error),
        _ => false,
    }
}

/// PostgreSQL's sequences end where IDs do; SQLite's go on, and the first number beyond is refused when it is read.
fn says_no_more_ids(error: &diesel::result::Error) -> bool {
    use diesel::result::Error as Diesel;
    match error {
        Diesel::DatabaseError(_, info) => info.message().contains("reached maximum value of sequence"),
        Diesel::DeserializationError(error) => {
            let wrapped = error.downcast_ref::<diesel::result::DeserializeFieldError>();
            wrapped.map_or(error.is::<NoMoreIDs>(), |field| field.error.is::<NoMoreIDs>())
        }
        _ => false,
    }
}

/// Neither database gives these a kind of their own, so the text must do; a text not known here is
/// answered 500 instead of 503, nothing worse.
fn says_outage(message: &str) -> bool {
    const OUTAGES: &[&str] = &[
        "database is locked",
        "database or disk is full",
        "disk I/O error",
        "attempt to write a readonly database",
        "server closed the connection",
        "terminating connection",
        "the database system is",
        "connection to server",
        "could not connect",
        "no connection to the server",
        "connection not open",
        "could not receive data from server",
        "could not send data to server",
        "write to server failed",
        "SSL connection has been closed",
        "deadlock detected",
        "canceling statement due to",
        "No space left on device",
    ];
    OUTAGES.iter().any(|outage| message.contains(outage))
}

/// Whether a statement was refused because a value that must be unique is there already.
pub fn is_unique_violation(error: &diesel::result::Error) -> bool {
    use diesel::result::{DatabaseErrorKind, Error as Diesel};
    matches!(error, Diesel::DatabaseError(DatabaseErrorKind::UniqueViolation, _))
}

/// Whether a statement was refused because something that is named is not there, or because something that is
/// there still names what was to go.
pub fn is_foreign_key_violation(error: &diesel::result::Error) -> bool {
    use diesel::result::{DatabaseErrorKind, Error as Diesel};
    matches!(error, Diesel::DatabaseError(DatabaseErrorKind::ForeignKeyViolation, _))
}

/// The catalogue of codes as the page `docs/errors.md` shows it.
pub fn catalogue() -> String {
    let mut page = String::from(
        "# Error codes\n\n\
         Every refused call that is HTTP at all answers `application/json` with `message` (for a person), `code` (stable, for a program) and\n\
         `traceId` (also the header `X-Request-ID`; the server's log names it, but of many 503 in a second only the first).\n\
         Some answers add `accepted`, the list of values that would have been taken.\n\n\
         The same comes in two other shapes, where the header `Accept` names one or the profile of the key says so:\n\
         `application/problem+json` is RFC 9457, whose `type` leads to the code on this page (`/docs/errors` on every\n\
         server), and `application/vnd.firstkey.cas+json` is `{code, msg, traceId}` with the status as `code`, as Trend\n\
         Micro Cloud App Security has it.\n\n\
         | status | code | meaning |\n|---|---|---|\n",
    );
    for reason in Reason::ALL {
        page.push_str(&format!("| {} | `{}` | {} |\n", reason.status(), reason.code(), reason.meaning().trim()));
    }
    page
}

/// The same as the page `/docs/errors`, where each code is an anchor: the `type` of problem details leads there.
pub fn catalogue_html() -> String {
    let mut page = String::from(
        "<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>Firstkey: error codes</title>\n\
         <h1>Error codes</h1>\n<table>\n<tr><th>status<th>code<th>meaning\n",
    );
    for reason in Reason::ALL {
        let meaning = reason.meaning().trim().replace('&', "&amp;").replace('<', "&lt;");
        let code = reason.code();
        page.push_str(&format!("<tr id=\"{code}\"><td>{}<td><code>{code}</code><td>{meaning}\n", reason.status()));
    }
    page.push_str("</table>\n</html>\n");
    page
}

#[cfg(test)]
mod tests {
    use diesel::result::{DatabaseErrorKind, Error as Diesel};

    use super::*;

    #[test]
    fn an_outage_is_503_even_at_the_commit() {
        let said = |text: &str| Diesel::DatabaseError(DatabaseErrorKind::Unknown, Box::new(text.to_owned()));
        let away = || said("server closed the connection unexpectedly");
        let at_commit = |commit: Diesel| Diesel::RollbackErrorOnCommit {
            rollback_error: Box::new(away()),
            commit_error: Box::new(commit),
        };
        for (error, reason) in [
            (away(), Reason::Unavailable),
            (said("could not receive data from server: Connection timed out"), Reason::Unavailable),
            (at_commit(away()), Reason::Unavailable),
            (at_commit(said("syntax error")), Reason::Internal),
            (said("syntax error"), Reason::Internal),
            (Diesel::NotFound, Reason::Internal),
        ] {
            let text = error.to_string();
            assert_eq!(Error::from(error).reason(), reason, "{text}");
        }
    }
}
