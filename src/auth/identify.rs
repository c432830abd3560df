//! From a credential to an [`Identity`]: the middleware around `/api`, and around `/rest` where that is offered.

use std::sync::Arc;

use actix_session::SessionExt as _;
use actix_web::HttpMessage as _;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::HeaderMap;
use actix_web::middleware::Next;

use super::caller::{is_from_a_page, page_refused};
use super::identity::{Identified, Identity, KeyCaller, KnownCaller, Pending, SessionCaller, Who};
use super::lookup::{self, KeyFacts, SessionFacts};
use super::session_store::{FACTS, OUTAGE};
use super::sid_cookie::SeveralSessionCookies;
use crate::app::App;
use crate::audit::{Actor, Event, EventKind, Origin, Target};
use crate::clock::Timestamp;
use crate::error::{Error, Reason, Result};
use crate::secret::{PresentedKey, RequestID, SecretDigest};

/// How often a session's last use is written down, in milliseconds.
const TOUCH_EVERY: i64 = 60_000;

/// Whose session came without its request ID, for the event.
struct WithoutRequestID(Actor);

/// Finds out who is calling and goes on, whatever the outcome. A missing request ID is an event only where
/// it was the reason to refuse: whoever signs in again with an old cookie has done nothing wrong.
pub async fn identify(
    app: App,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let outcome = identity_of(&app, &request).await.map(Arc::new);
    if let Ok(known) = &outcome {
        request.extensions_mut().insert(KnownCaller(known.clone()));
    }
    request.extensions_mut().insert(Identified(outcome));
    let response = next.call(request).await?;
    let reason = response.response().error().and_then(|error| error.as_error::<Error>()).map(Error::reason);
    let without = response.request().extensions_mut().remove::<WithoutRequestID>();
    if let (Some(Reason::WrongRequestID), Some(WithoutRequestID(actor))) = (reason, without) {
        let event = Event::new(EventKind::RequestIDRefused, Target::default());
        if let Err(error) = app.change_as(actor, |_| Ok(((), vec![event]))).await {
            let (request, _) = response.into_parts();
            return Ok(ServiceResponse::from_err(error, request).map_into_right_body());
        }
    }
    Ok(response.map_into_left_body())
}

async fn identity_of(app: &App, request: &ServiceRequest) -> Result<Identity> {
    let origin = request.extensions().get::<Origin>().cloned();
    let origin = origin.ok_or_else(|| Error::internal("a route stands outside the observing middleware"))?;
    let keys: Vec<&[u8]> = request.headers().get_all("api-secret-key").map(|value| value.as_bytes()).collect();
    let has_cookie = request.extensions().contains::<super::sid_cookie::SessionCookie>();
    let several = request.extensions().contains::<SeveralSessionCookies>();
    match keys.as_slice() {
        [] if several => {
            Err(Error::new(Reason::SessionEnded, "The request carries more than one cookie sID. Send one."))
        }
        [] if has_cookie => session_identity(app, request, origin).await,
        [] => Err(Error::new(
            Reason::NotSignedIn,
            "Sign in with POST /api/sessions, or send an API key in the header api-secret-key.",
        )),
        [key] if !has_cookie && !several => key_identity(app, key, origin).await,
        _ => Err(Error::new(
            Reason::AmbiguousCredentials,
            "The request carries more than one credential. Send one: the cookie sID, or one header api-secret-key.",
        )),
    }
}

// ---- by key ----

/// The answer to a key that is none, or none any more.
pub fn invalid_key() -> Error {
    Error::new(Reason::InvalidApiKey, "The API key is not valid.")
}

async fn key_identity(app: &App, text: &[u8], origin: Origin) -> Result<Identity> {
    let key = std::str::from_utf8(text).ok().and_then(PresentedKey::parse).ok_or_else(invalid_key)?;
    let (id, now) = (key.id, app.now());
    let known = app.database.look_up(move |db| lookup::key(db, id)).await?;
    let identity = check_key(&key, known, now, origin);
    match &identity {
        Ok(_) => app.key_usage.succeeded(id, now),
        Err(Refusal::WrongSecret { key_exists: true }) => app.key_usage.failed(id),
        Err(_) => {}
    }
    identity.map_err(Refusal::into_error)
}

/// Why a key is refused; only a wrong secret counts against it.
enum Refusal {
    WrongSecret { key_exists: bool },
    Other(Error),
}

impl Refusal {
    fn into_error(self) -> Error {
        match self {
            Self::WrongSecret { .. } => invalid_key(),
            Self::Other(error) => error,
        }
    }
}

/// Nothing is said about a key before its secret has proved right, and an unknown ID costs the same
/// comparison as a known one.
fn check_key(key: &PresentedKey, known: Option<KeyFacts>, now: Timestamp, origin: Origin) -> Result<Identity, Refusal> {
    let presented = key.secret.digest();
    let Some(facts) = known else {
        let _ = presented.matches(&SecretDigest::OF_NOBODY);
        return Err(Refusal::WrongSecret { key_exists: false });
    };
    let right = facts.digests.iter().fold(false, |right, digest| right | digest.matches(&presented));
    if !right || key.tenant != facts.tenant.key_prefix() {
        return Err(Refusal::WrongSecret { key_exists: true });
    }
    let refused = |reason, message: String| Err(Refusal::Other(Error::new(reason, message)));
    if !facts.tenant_is_active {
        return Err(Refusal::Other(invalid_key()));
    }
    if !facts.active {
        return refused(
            Reason::ApiKeyLocked,
            "The API key is locked out. Somebody who may edit API keys can let it in.".into(),
        );
    }
    if let Some(at) = facts.expires.filter(|at| *at <= now) {
        let message = format!("The API key expired at {at}. Create a new one, or ask for its expiry date to be moved.");
        return refused(Reason::ApiKeyExpired, message);
    }
    if !facts.allow_web_service {
        return Err(Refusal::Other(web_service_not_allowed(&facts.role_name)));
    }
    Ok(Identity {
        tenant: facts.tenant,
        who: Who::ApiKey(KeyCaller { id: key.id, name: facts.name, expires: facts.expires, digest: presented }),
        role: facts.role,
        role_name: facts.role_name,
        grant: facts.grant,
        pending: facts.pending,
        origin,
    })
}

fn web_service_not_allowed(role: &str) -> Error {
    Error::new(Reason::AccessNotAllowed, format!("The role {role} does not allow access to the web service."))
}

// ---- by session ----

/// The answer to a session that is none, or none any more.
pub fn session_ended() -> Error {
    Error::new(Reason::SessionEnded, "The session has ended, or never was. Sign in again with POST /api/sessions.")
}

async fn session_identity(app: &App, request: &ServiceRequest, origin: Origin) -> Result<Identity> {
    let session = request.get_session();
    if session.contains_key(OUTAGE) {
        return Err(Error::unavailable(1, "the session store is away"));
    }
    let facts: Option<SessionFacts> = session.get(FACTS).map_err(Error::internal)?;
    let facts = facts.ok_or_else(session_ended)?;
    if facts.legacy {
        must_be_a_program(app, request.headers())?;
    }
    let rid_is_right = facts.legacy || presents_rid(request.headers(), &facts)?;
    let (touch, row, now) = (facts.touch_due(app.now(), TOUCH_EVERY), facts.session, app.now());
    let limited = facts.limited;
    let allowed = if facts.user_interface { facts.allow_user_interface } else { facts.allow_web_service };
    let identity = Identity {
        tenant: facts.tenant()?,
        role: facts.role,
        grant: facts.grant()?,
        pending: Pending::default(),
        origin,
        who: Who::Administrator(SessionCaller {
            administrator: facts.administrator,
            username: facts.username,
            session: facts.session,
            reference: facts.reference,
            created: facts.created,
            last_activity: if touch { now } else { facts.last_activity },
            absolute_end: facts.absolute_end,
            user_interface: facts.user_interface,
            initial_password: facts.initial_password,
            limited,
        }),
        role_name: facts.role_name,
    };
    if !rid_is_right {
        let actor = Actor::known(identity.tenant.id, &identity.who, &identity.origin);
        request.extensions_mut().insert(WithoutRequestID(actor));
        return Err(Error::new(
            Reason::WrongRequestID,
            "Send the session's RID, from the answer to POST /api/sessions, in the header rID.",
        ));
    }
    if touch {
        app.database.write(move |db| lookup::touch_session(db, row, now)).await?;
    }
    if !allowed {
        return Err(web_service_not_allowed(&identity.role_name));
    }
    Ok(identity)
}

/// The fence around sessions without a request ID: any page that a browser shows could use them otherwise.
fn must_be_a_program(app: &App, headers: &HeaderMap) -> Result<()> {
    if !app.rules.legacy_login {
        return Err(session_ended());
    }
    if is_from_a_page(headers) { Err(page_refused()) } else { Ok(()) }
}

/// The request ID is compared in constant time, and on every call: also on those that only read.
fn presents_rid(headers: &HeaderMap, facts: &SessionFacts) -> Result<bool> {
    let mut rids = headers.get_all("rid");
    let (Some(rid), None) = (rids.next(), rids.next()) else {
        return Ok(false);
    };
    let rid = rid.to_str().ok().and_then(RequestID::parse);
    Ok(rid.is_some_and(|rid| rid.digest().matches(&facts.rid_digest())))
}
