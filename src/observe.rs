//! The one middleware around everything: a request ID, the security headers, the shape of every error,
//! a line in the log. An error has no bytes before it comes by here.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::ConnectionType;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse};

use futures_util::{Stream, StreamExt as _};
use smol_str::SmolStr;

use crate::audit::Origin;
use crate::dialect::{self, ErrorDialect};
use crate::error::{Error, Reason};
use crate::forwarded::{TrustedProxies, Unreadable};
use crate::in_flight::{Begun, OfWorker};
use crate::reach;
pub use crate::reach::{GATEWAY, INTROSPECTION};
use crate::secret::trace_bytes;
use crate::wire::{ErrorBody, LegacyError, LegacyErrorBody, OAuthErrorBody, ProblemBody, TrendErrorBody};

/// On every answer, unless the handler has set the header itself.
static ALWAYS: [(HeaderName, HeaderValue); 7] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-cache,no-store")),
    (header::PRAGMA, HeaderValue::from_static("no-cache")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// What the middleware must know, of each worker.
#[derive(Clone, Default)]
pub struct Observer {
    /// Whose word is taken for where a request came from.
    pub proxies: TrustedProxies,
    /// Whether answers ask browsers to come back by HTTPS only: with an operator's certificate and a public URL.
    pub hsts: bool,
    /// Counts what has begun.
    pub in_flight: OfWorker,
    /// Which lines about 503 are written.
    pub lines: Lines,
}

/// Lines about requests that could not be answered. In an outage, or a storm of sign-ins, there are as many as there are
/// requests: for each cause the first of a second are written.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<HashMap<String, Second>>>);

/// So many lines of a second are written, of each worker.
const LINES: u32 = 20;
/// Causes that are told apart; then they begin anew.
const CAUSES: usize = 16;

/// What was written in a second.
#[derive(Default)]
struct Second {
    began: Option<Instant>,
    written: u32,
    /// Lines that were left out since one was written.
    left_out: u64,
}

impl Lines {
    /// Whether one more line is written now, and how many were left out before it.
    fn one_more(&self, cause: &str, now: Instant) -> Option<u64> {
        let mut causes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(second) = causes.get_mut(cause) {
            return second.one_more(now);
        }
        if causes.len() >= CAUSES {
            causes.clear();
        }
        causes.entry(cause.to_owned()).or_default().one_more(now)
    }
}

impl Second {
    fn one_more(&mut self, now: Instant) -> Option<u64> {
        if self.began.is_none_or(|began| now.saturating_duration_since(began) >= Duration::from_secs(1)) {
            (self.began, self.written) = (Some(now), 0);
        }
        if self.written >= LINES {
            self.left_out += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

/// Left with the routes of the older API: their refusals have its shape.
#[derive(Clone, Copy, Debug)]
pub struct LegacyErrors;

/// Left with an answer that has its body already, whatever its status: a gateway reads it.
#[derive(Clone, Copy, Debug)]
pub struct Finished;

static HSTS: (HeaderName, HeaderValue) =
    (header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The middleware.
pub async fn observe(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let started = Instant::now();
    let peer = request.peer_addr().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip());
    let observer = request.app_data::<Observer>();
    let begun = observer.map(|observer| observer.in_flight.begin());
    let hsts = observer.is_some_and(|observer| observer.hsts);
    let client = match observer {
        Some(observer) => observer.proxies.client(peer, request.headers()),
        None => Ok(peer),
    };
    let origin = Origin { address: client.unwrap_or(peer), request_id: new_request_id() };
    request.extensions_mut().insert(origin.clone());
    reach::take_off(&mut request);

    let body = SharedBody::of(&mut request);
    let response = match client {
        Ok(_) => next.call(request).await?.map_into_boxed_body(),
        // whoever cannot say from where a request came is not asked for anything
        Err(Unreadable) => unreadable(request, &origin),
    };
    if let Some(body) = body.filter(|_| response.status().is_client_error()) {
        body.drain().await;
    }
    let (mut response, fault) = render(response, &origin.request_id);
    dress(response.headers_mut(), &origin.request_id, hsts);
    // Scripts were written against answers spelt `Set-Cookie`; HTTP/2 is lower case whatever we say.
    response.response_mut().head_mut().set_camel_case_headers(true);
    if begun.as_ref().is_some_and(Begun::is_last) {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    log_line(&response, &origin, fault.as_ref(), started);
    Ok(match begun {
        Some(begun) => response.map_body(|_, body| begun.until_sent(body)),
        None => response,
    })
}

/// The answer to what a trusted proxy passed on with an address that is none; a gateway takes 403 for a refusal.
fn unreadable(request: ServiceRequest, origin: &Origin) -> ServiceResponse<BoxBody> {
    const MESSAGE: &str = "X-Forwarded-For: an address cannot be read.";
    if request.path() != GATEWAY {
        return ServiceResponse::from_err(Error::new(Reason::BadRequest, MESSAGE), request.into_parts().0);
    }
    let code = "ADDRESS_REFUSED";
    let body = ErrorBody { message: MESSAGE, code, trace_id: &origin.request_id, accepted: &[] };
    let mut answer = HttpResponse::Forbidden().insert_header((GATEWAY_CODE, code)).json(body);
    answer.extensions_mut().insert(Finished);
    request.into_response(answer)
}

/// The header that tells gateways why not.
pub const GATEWAY_CODE: HeaderName = HeaderName::from_static("x-firstkey-code");

/// A request's body, kept hold of: a refusal that leaves it unread resets the stream under HTTP/2, and
/// clients (curl 7.88 among them) then report the reset instead of the answer.
#[derive(Clone)]
struct SharedBody(Rc<RefCell<Payload>>);

/// What is read of a refused body before the answer goes out, in bytes, and for how long.
const DRAINED: usize = 4 * 1024 * 1024;
const DRAINED_FOR: Duration = Duration::from_millis(500);

impl SharedBody {
    /// Takes the body and puts a handle on it in its place; none where there is no body.
    fn of(request: &mut ServiceRequest) -> Option<Self> {
        let payload = request.take_payload();
        if matches!(payload, Payload::None) {
            return None;
        }
        let shared = Self(Rc::new(RefCell::new(payload)));
        request.set_payload(Payload::Stream { payload: Box::pin(shared.clone()) });
        Some(shared)
    }

    async fn drain(mut self) {
        let all = async {
            let mut read = 0;
            while let Some(Ok(chunk)) = self.next().await {
                read += chunk.len();
                if read > DRAINED {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(DRAINED_FOR, all).await;
    }
}

impl Stream for SharedBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(context)
    }
}

/// 64 random bits in hex: enough to find a line in a log by.
fn new_request_id() -> SmolStr {
    let mut text = [0; 16];
    data_encoding::HEXLOWER.encode_mut(&trace_bytes(), &mut text);
    SmolStr::new(String::from_utf8_lossy(&text))
}

/// What went wrong, for the log.
struct Fault {
    reason: Reason,
    cause: Option<String>,
}

/// Gives a refusal its body; leaves everything else as it is.
fn render(response: ServiceResponse, trace_id: &str) -> (ServiceResponse, Option<Fault>) {
    let status = response.status();
    let is_refusal = status.is_client_error() || status.is_server_error();
    if !is_refusal || response.response().extensions().contains::<Finished>() {
        return (response, None);
    }
    let foreign;
    let error = match response.response().error().and_then(|error| error.as_error::<Error>()) {
        Some(error) => error,
        None => {
            foreign = not_ours(status.as_u16());
            &foreign
        }
    };
    let mut rendered = in_words(error, response.request(), trace_id);
    if let Some(seconds) = error.seconds_to_wait() {
        rendered.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(allow) = error.allowed_methods().and_then(|methods| HeaderValue::from_str(methods).ok()) {
        rendered.headers_mut().insert(header::ALLOW, allow);
    }
    let spoke_it =
        response.request().path() == INTROSPECTION || response.request().headers().contains_key(header::AUTHORIZATION);
    if let Some(challenge) = challenge(error.reason()).filter(|_| spoke_it) {
        rendered.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    }
    let fault = Fault { reason: error.reason(), cause: error.cause() };
    let (request, plain) = response.into_parts();
    // a cookie that is taken away, and when the caller's key ends (`auth/identify.rs`)
    for name in [header::SET_COOKIE, HeaderName::from_static("sunset"), HeaderName::from_static("x-firstkey-expires")] {
        for value in plain.headers().get_all(&name) {
            rendered.headers_mut().append(name.clone(), value.clone());
        }
    }
    (ServiceResponse::new(request, rendered), Some(fault))
}

/// The refusal's body, in the shape that the caller reads: the older API's, what `Accept` asks for, what the profile of
/// the caller's key says, or the usual one.
fn in_words(error: &Error, request: &HttpRequest, trace_id: &str) -> HttpResponse {
    let (reason, message, accepted) = (error.reason(), error.message(), error.accepted());
    let mut answer = HttpResponse::build(reason.status_code());
    if request.app_data::<LegacyErrors>().is_some() {
        return answer.json(LegacyErrorBody { error: LegacyError { message } });
    }
    if request.path() == INTROSPECTION {
        return answer.json(OAuthErrorBody {
            error: oauth_word(reason),
            error_description: &oauth_text(message),
            code: reason.code(),
            trace_id,
        });
    }
    let of_profile = request.extensions().get::<ErrorDialect>().copied();
    match dialect::asked_for(request.headers()).or(of_profile).unwrap_or_default() {
        ErrorDialect::DeepSecurity => answer.json(ErrorBody { message, code: reason.code(), trace_id, accepted }),
        ErrorDialect::TrendCloudAppSecurity => {
            answer.json(TrendErrorBody { code: reason.status(), msg: message, trace_id })
        }
        ErrorDialect::Problem => answer.content_type(ErrorDialect::Problem.media_type()).json(ProblemBody {
            kind: &format!("/docs/errors#{}", reason.code()),
            title: reason.meaning().trim(),
            status: reason.status(),
            detail: message,
            instance: &format!("urn:firstkey:trace:{trace_id}"),
            code: reason.code(),
            trace_id,
            accepted,
        }),
    }
}

/// The word for a refusal among those of RFC 6749 §4.1.2.1 and §5.2 and RFC 6750 §3.1.
fn oauth_word(reason: Reason) -> &'static str {
    match (reason.status(), reason) {
        (401, _) => "invalid_client",
        (_, Reason::NotAuthorized | Reason::AuthorizationPending) => "insufficient_scope",
        (403, _) => "unauthorized_client",
        (429 | 503, _) => "temporarily_unavailable",
        (500.., _) => "server_error",
        _ => "invalid_request",
    }
}

/// A message with the characters that RFC 6749 §5.2 allows there.
fn oauth_text(message: &str) -> String {
    let allowed = |c: char| matches!(c, ' ' | '!' | '#'..='[' | ']'..='~');
    message.chars().map(|c| if allowed(c) { c } else { '\'' }).collect()
}

/// What a refused caller is challenged to (RFC 9110 §11.6.1, RFC 6750 §3), where it spoke that language: the original
/// sends no such header, and scripts were written against it.
fn challenge(reason: Reason) -> Option<&'static str> {
    if reason.status() != 401 {
        return None;
    }
    Some(match reason {
        // nothing but another scheme leads here with this header
        Reason::NotSignedIn => "Bearer realm=\"Firstkey\", Token realm=\"Firstkey\"",
        Reason::InvalidApiKey | Reason::ApiKeyExpired | Reason::ApiKeyLocked => {
            "Bearer realm=\"Firstkey\", error=\"invalid_token\""
        }
        _ => "Bearer realm=\"Firstkey\"",
    })
}

/// An error that actix made before any of our code was asked.
fn not_ours(status: u16) -> Error {
    match status {
        404 => Error::no_such_route(),
        413 => Error::new(Reason::BodyTooLarge, "The body is too large."),
        400..=499 => Error::new(Reason::BadRequest, "The request cannot be understood."),
        _ => Error::internal(format!("a response of {status} without an error of ours")),
    }
}

fn dress(headers: &mut HeaderMap, request_id: &str, hsts: bool) {
    for (name, value) in ALWAYS.iter().chain(hsts.then_some(&HSTS)) {
        if !headers.contains_key(name) {
            headers.insert(name.clone(), value.clone());
        }
    }
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, id);
    }
}

/// One line a request, but for [`Lines`]: the route's pattern and not the path, which a client makes up.
fn log_line(response: &ServiceResponse, origin: &Origin, fault: Option<&Fault>, started: Instant) {
    let request = response.request();
    let is_gateway = request.path() == GATEWAY;
    let level = match fault {
        Some(Fault { reason: Reason::Internal | Reason::NoMoreIDs, .. }) => log::Level::Error,
        Some(Fault { reason: Reason::Unavailable, .. }) => log::Level::Warn,
        _ if is_gateway => log::Level::Debug,
        _ => log::Level::Info,
    };
    if level > log::max_level() {
        return;
    }
    let cause = fault.and_then(|fault| fault.cause.as_deref()).unwrap_or("");
    if let (log::Level::Warn, Some(observer)) = (level, request.app_data::<Observer>()) {
        match observer.lines.one_more(cause, Instant::now()) {
            None => return,
            Some(0) => {}
            Some(left_out) => log::warn!(lines = left_out, cause = cause; "more requests could not be answered"),
        }
    }
    let route = request.match_pattern();
    log::log!(target: "firstkey::request", level,
        request_id = origin.request_id.as_str(),
        method = request.method().as_str(),
        route = route.as_deref().unwrap_or("-"),
        status = response.status().as_u16(),
        duration_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
        address = origin.address.to_string().as_str(),
        code = fault.map_or("", |fault| fault.reason.code()),
        cause = cause;
        "answered");
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::web::{self, Data};
    use actix_web::{App, test as http};
    use serde_json::Value;

    #[test]
    fn of_many_lines_the_first_of_a_second_are_written_and_the_rest_counted() {
        let (lines, began) = (Lines::default(), Instant::now());
        let write = |millis, many: u32| -> Vec<Option<u64>> {
            (0..many).map(|_| lines.one_more("away", began + Duration::from_millis(millis))).collect()
        };
        assert_eq!(write(0, LINES), vec![Some(0); LINES as usize]);
        assert_eq!(write(999, 3), [None, None, None]);
        assert_eq!(lines.one_more("too many passwords", began), Some(0));
        assert_eq!(write(1_000, 2), [Some(3), Some(0)]);
        assert_eq!(write(1_999, LINES).iter().flatten().count(), LINES as usize - 2);
    }

    /// What the one route of these tests answers, and which shape a key's profile would ask for.
    #[derive(Clone, Copy)]
    struct Plan(Reason, Option<ErrorDialect>);

    async fn refuse(plan: Data<Plan>, request: HttpRequest) -> Result<HttpResponse, Error> {
        if let Some(dialect) = plan.1 {
            request.extensions_mut().insert(dialect);
        }
        Err(Error::new(plan.0, "What to \"do\".").accepting(["a", "b"]))
    }

    /// Status, type and text of the answer, and the trace ID.
    async fn answered(plan: Plan, accept: Option<&str>) -> (u16, String, String, String) {
        let app = App::new().app_data(Data::new(plan)).wrap(actix_web::middleware::from_fn(observe));
        let app = http::init_service(app.route("/", web::get().to(refuse))).await;
        let mut request = http::TestRequest::get().uri("/");
        if let Some(accept) = accept {
            request = request.insert_header((header::ACCEPT, accept));
        }
        let answer = http::call_service(&app, request.to_request()).await;
        let text = |name: &str| answer.headers().get(name).expect("it is there").to_str().expect("ASCII").to_owned();
        let (status, kind, trace) = (answer.status().as_u16(), text("content-type"), text("x-request-id"));
        let body = http::read_body(answer).await;
        (status, kind, String::from_utf8(body.to_vec()).expect("UTF-8"), trace)
    }

    fn expected(reason: Reason, dialect: ErrorDialect, trace: &str) -> (&'static str, String) {
        let (status, code, meaning) = (reason.status(), reason.code(), Value::from(reason.meaning().trim()));
        let detail = r#""What to \"do\".""#;
        match dialect {
            ErrorDialect::DeepSecurity => (
                "application/json",
                format!(r#"{{"message":{detail},"code":"{code}","traceId":"{trace}","accepted":["a","b"]}}"#),
            ),
            ErrorDialect::TrendCloudAppSecurity => {
                ("application/json", format!(r#"{{"code":{status},"msg":{detail},"traceId":"{trace}"}}"#))
            }
            ErrorDialect::Problem => (
                "application/problem+json",
                format!(
                    r#"{{"type":"/docs/errors#{code}","title":{meaning},"status":{status},"detail":{detail},"instance":"urn:firstkey:trace:{trace}","code":"{code}","traceId":"{trace}","accepted":["a","b"]}}"#
                ),
            ),
        }
    }

    /// TC-24: every code there is, in each shape, asked for by the caller or by the profile of its key.
    #[actix_web::test]
    async fn every_code_is_answered_in_every_dialect() {
        for reason in Reason::ALL.iter().copied() {
            for dialect in ErrorDialect::ALL {
                let by_profile = answered(Plan(reason, Some(dialect)), Some("application/json")).await;
                let by_accept = answered(Plan(reason, None), Some(dialect.media_type())).await;
                for (status, kind, body, trace) in [by_profile, by_accept] {
                    assert_eq!(status, reason.status());
                    assert_eq!((kind.as_str(), body), expected(reason, dialect, &trace));
                }
            }
        }
    }

    #[actix_web::test]
    async fn what_is_asked_for_wins_over_the_profile() {
        let plan = Plan(Reason::NotFound, Some(ErrorDialect::TrendCloudAppSecurity));
        for (accept, dialect) in [
            (None, ErrorDialect::TrendCloudAppSecurity),
            (Some("*/*"), ErrorDialect::TrendCloudAppSecurity),
            (Some("application/json"), ErrorDialect::TrendCloudAppSecurity),
            (Some("application/problem+json, application/json"), ErrorDialect::Problem),
        ] {
            let (_, kind, body, trace) = answered(plan, accept).await;
            assert_eq!((kind.as_str(), body), expected(Reason::NotFound, dialect, &trace), "{accept:?}");
        }
    }
}
