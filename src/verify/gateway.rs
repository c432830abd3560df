//! `/auth/verify`: what a gateway asks before it lets a request through (nginx's `auth_request`, Caddy's `forward_auth`
//! and their kin). They understand 200, 401, 403 and 503 and take anything else for an outage of their own, so nothing
//! else is answered here.
//!
//! The key that the request carries is the only credential. Method and body say nothing; what is demanded stands in the
//! query, which the gateway's operator writes.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, HttpResponseBuilder};
use quick_cache::sync::Cache;

use super::rules::{BadDemand, Demands, Failure};
use super::{Asked, Keys, Verdict, verify};
use crate::audit::Origin;
use crate::auth::identify::EXPIRES;
use crate::auth::known_keys::{KnownKey, header_text};
use crate::auth::presented::{Carried, carried};
use crate::clock::SECOND;
use crate::error::{Error, Reason};
use crate::observe::{Finished, GATEWAY_CODE};
use crate::reach::TenantLabel;
use crate::wire::ErrorBody;

/// In front of every header that says who a key is. Whoever sends one of them claims to be somebody.
const PREFIX: &[u8] = b"x-firstkey-";

const KEY_ID: HeaderName = HeaderName::from_static("x-firstkey-key-id");
const KEY_NAME: HeaderName = HeaderName::from_static("x-firstkey-key-name");
const ROLE: HeaderName = HeaderName::from_static("x-firstkey-role");
const TENANT: HeaderName = HeaderName::from_static("x-firstkey-tenant");
const TENANT_ID: HeaderName = HeaderName::from_static("x-firstkey-tenant-id");
const API_TYPES: HeaderName = HeaderName::from_static("x-firstkey-api-types");

/// Queries that are remembered: an operator writes a few, and each is longer to read than to look up.
const QUERIES: usize = 1_000;
/// The longest query that is remembered, and the longest that is taken, in bytes.
const REMEMBERED: usize = 1_024;
const LONGEST: usize = 8_192;

/// What queries demand; one for all workers.
#[derive(Clone)]
pub struct Queries(Arc<Cache<Box<str>, Arc<Demands>>>);

impl Default for Queries {
    fn default() -> Self {
        Self(Arc::new(Cache::new(QUERIES)))
    }
}

impl Queries {
    fn demands(&self, query: &str) -> Result<Arc<Demands>, BadDemand> {
        if let Some(known) = self.0.get(query) {
            return Ok(known);
        }
        let demands = Arc::new(read(query)?);
        if query.len() <= REMEMBERED {
            self.0.insert(query.into(), demands.clone());
        }
        Ok(demands)
    }
}

/// `right=…,…&apiType=…&role=…&tenant=…&match=all|any`: each at most once, and nothing else.
pub fn read(query: &str) -> Result<Demands, BadDemand> {
    if query.len() > LONGEST {
        return Err(BadDemand::Malformed(format!("the query is longer than {LONGEST} bytes")));
    }
    let (mut right, mut api_type, mut role, mut tenant, mut matching) = (None, None, None, None, None);
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let place = match &*name {
            "right" => &mut right,
            "apiType" => &mut api_type,
            "role" => &mut role,
            "tenant" => &mut tenant,
            "match" => &mut matching,
            _ => return Err(BadDemand::Malformed("only right, apiType, role, tenant and match are taken".to_owned())),
        };
        if value.contains('\u{fffd}') {
            return Err(BadDemand::Malformed(format!("{name} is not UTF-8")));
        }
        if value.is_empty() || place.replace(value).is_some() {
            return Err(BadDemand::Malformed(format!("{name} is taken once, with a value")));
        }
    }
    let split = |list: &'_ Option<std::borrow::Cow<'_, str>>| {
        list.iter().flat_map(|list| list.split(',')).map(|name| name.trim().to_owned()).collect::<Vec<_>>()
    };
    let (rights, api_types) = (split(&right), split(&api_type));
    Demands::read(
        rights.iter().map(String::as_str),
        api_types.iter().map(String::as_str),
        (role.as_deref(), tenant.as_deref(), matching.as_deref()),
    )
}

/// The handler, of every method.
pub async fn verify_request<K: Keys>(keys: K, request: HttpRequest) -> HttpResponse {
    match answer(&keys, &request).await {
        Ok(response) => response,
        Err(error) => {
            let cause = error.cause().unwrap_or_default();
            if error.reason() == Reason::Unavailable {
                log::warn!(cause = cause.as_str(); "a key could not be verified");
            } else {
                log::error!(cause = cause.as_str(); "a key could not be verified");
            }
            let mut answer = HttpResponse::build(StatusCode::SERVICE_UNAVAILABLE);
            answer.insert_header((header::RETRY_AFTER, error.seconds_to_wait().unwrap_or(1)));
            refusal(&request, answer, Reason::Unavailable.code(), "The key cannot be verified now. Try again.")
        }
    }
}

async fn answer<K: Keys>(keys: &K, request: &HttpRequest) -> Result<HttpResponse, Error> {
    if claims_identity(request.headers()) {
        return Ok(forbidden(request, "IDENTITY_CLAIMED", "A header of the request claims an identity."));
    }
    let Some(queries) = request.app_data::<Queries>() else { return Err(Error::internal("no queries beside the app")) };
    let demands = match queries.demands(request.query_string()) {
        Ok(demands) => demands,
        Err(bad) => return Ok(forbidden(request, "UNKNOWN_DEMAND", &bad.message())),
    };
    let presented = match carried(request.headers()) {
        Carried::Key(key) => key,
        Carried::Nothing | Carried::OtherScheme => {
            return Ok(unauthorized(request, "NOT_FOUND", "Send an API key.", false));
        }
        Carried::Several => {
            return Ok(unauthorized(request, "NOT_FOUND", "The request carries more than one API key.", true));
        }
    };
    let (origin, label) = {
        let extensions = request.extensions();
        (extensions.get::<Origin>().cloned(), extensions.get::<TenantLabel>().cloned())
    };
    let origin = origin.ok_or_else(|| Error::internal("a route stands outside the observing middleware"))?;
    let within = match label {
        None => None,
        Some(label) => match keys.tenant_of(&label).await? {
            None => return Ok(invalid(request, &Failure::NotFound)),
            tenant => tenant,
        },
    };
    let (client, at) = (Some(origin.address), keys.now());
    let asked = Asked { demands: &demands, client, within, origin: &origin, at };
    Ok(match verify(keys, presented, &asked).await? {
        Verdict::Valid(proven) => identity(&proven.key),
        Verdict::Refused(failure, _) => invalid(request, &failure),
    })
}

/// Whether the request bears a header that only we set, in any spelling that some back end takes for the same: there are
/// those that read whatever is neither a letter nor a digit alike.
fn claims_identity(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| {
        let name = name.as_str().as_bytes();
        name.first() == Some(&b'x')
            && name.len() >= PREFIX.len()
            && name.iter().zip(PREFIX).all(|(byte, own)| byte == own || *own == b'-' && !byte.is_ascii_alphanumeric())
    })
}

/// 200, and who the key is.
fn identity(key: &KnownKey) -> HttpResponse {
    let mut response = HttpResponse::Ok().finish();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(KEY_ID, HeaderValue::from(key.id().get()));
    headers.insert(KEY_NAME, header_text(&key.name));
    headers.insert(ROLE, key.standing.headers.role.clone());
    headers.insert(TENANT, key.standing.headers.tenant.clone());
    headers.insert(TENANT_ID, key.standing.headers.tenant_id.clone());
    if let Some(types) = key.special().map(|special| &special.facts.api_types).filter(|types| !types.is_empty()) {
        headers.insert(API_TYPES, header_text(&types.join(",")));
    }
    if let Some(expires) = key.expires().and_then(|end| HeaderValue::from_str(&end.to_string()).ok()) {
        headers.insert(EXPIRES, expires);
    }
    response
}

fn invalid(request: &HttpRequest, failure: &Failure) -> HttpResponse {
    if failure.is_about_identity() {
        return unauthorized(request, failure.code(), &failure.message(), true);
    }
    let mut answer = HttpResponse::build(StatusCode::FORBIDDEN);
    if let Some(wait) = failure.wait() {
        answer.insert_header((header::RETRY_AFTER, u64::try_from(wait).unwrap_or(1).div_ceil(SECOND as u64)));
    }
    refusal(request, answer, failure.code(), &failure.message())
}

fn unauthorized(request: &HttpRequest, code: &'static str, message: &str, token: bool) -> HttpResponse {
    let challenge =
        if token { "Bearer realm=\"Firstkey\", error=\"invalid_token\"" } else { "Bearer realm=\"Firstkey\"" };
    let mut answer = HttpResponse::build(StatusCode::UNAUTHORIZED);
    answer.insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge)));
    refusal(request, answer, code, message)
}

fn forbidden(request: &HttpRequest, code: &'static str, message: &str) -> HttpResponse {
    refusal(request, HttpResponse::build(StatusCode::FORBIDDEN), code, message)
}

fn refusal(request: &HttpRequest, mut answer: HttpResponseBuilder, code: &'static str, message: &str) -> HttpResponse {
    let extensions = request.extensions();
    let trace_id = extensions.get::<Origin>().map(|origin| origin.request_id.as_str()).unwrap_or_default();
    answer.insert_header((header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
    answer.insert_header((GATEWAY_CODE, HeaderValue::from_static(code)));
    let mut response = answer.json(ErrorBody { message, code, trace_id, accepted: &[] });
    response.extensions_mut().insert(Finished);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_query_says_each_thing_once() {
        let demands = read("right=platformRights.apikeyRights.canViewApiKeys&apiType=a,%20b&role=R%C3%B6le&match=any")
            .expect("a demand");
        assert!(demands.any && demands.api_types == ["a", "b"] && demands.role.as_deref() == Some("r\u{f6}le"));
        assert_eq!(read(""), Ok(Demands::default()));
        for bad in ["right=x", "role=a&role=a", "role=", "x=1", "&right", "match=ALL", "Role=a", "role=%ff", "role"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        /// T-27: any text is a demand or is refused.
        #[test]
        fn any_query_is_survived(query in "[ -~]{0,80}") {
            let _ = read(&query);
        }

        /// T-25: a name claims an identity whichever marks stand in it.
        #[test]
        fn every_spelling_is_a_claim(marks in prop::collection::vec("[-_.!#$%&'*+^`|~]", 2), rest in "[a-z]{0,8}") {
            let mut headers = HeaderMap::new();
            let name = format!("x{}firstkey{}{rest}", marks[0], marks[1]);
            headers.insert(HeaderName::from_bytes(name.as_bytes()).expect("a name"), HeaderValue::from_static("1"));
            prop_assert!(claims_identity(&headers));
        }
    }
}
