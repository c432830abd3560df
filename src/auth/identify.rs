//! From a credential to an [`Identity`]: the middleware around `/api`, and around `/rest` where that is offered.

use std::sync::Arc;

use actix_session::SessionExt as _;
use actix_web::HttpMessage as _;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use serde_json::json;

use super::caller::{check_api_version, is_from_a_page, page_refused};
use super::check::{self, Rule};
use super::identity::{Door, Identified, Identity, KeyCaller, KnownCaller, Pending, SessionCaller, Who};
use super::lookup::{self, KeyFacts, RevokedFacts, SessionFacts, Uses};
use super::presented::{self, Carried};
use super::proof::{self, Unproven};
use super::rate_limit::KeyUse;
use super::session_store::{FACTS, OUTAGE};
use super::sid_cookie::SeveralSessionCookies;
use crate::app::App;
use crate::audit::{Actor, Event, EventKind, Origin, Target};
use crate::clock::{MINUTE, Timestamp};
use crate::error::{Error, Reason, Result};
use crate::id::{ApiKeyID, TenantID};
use crate::reach::TenantLabel;
use crate::secret::{PresentedKey, RequestID};

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
    let door = match door_of(&app, &request).await {
        Ok(door) => door,
        Err(error) => return Ok(refused(error, request)),
    };
    let outcome = identity_of(&app, &request, &door).await.map(Arc::new);
    let mut ends = None;
    // whoever belongs elsewhere is told, after the same work, what is told where there is no such tenant
    let leads_nowhere = |error: &Error| error.reason() == Reason::NoSuchRoute;
    if matches!(door, Door::Nobodys) || outcome.as_ref().is_err_and(leads_nowhere) {
        return Ok(refused(Error::no_such_route(), request));
    }
    request.extensions_mut().insert(door);
    if let Ok(known) = &outcome {
        request.extensions_mut().insert(KnownCaller(known.clone()));
        ends = end_of(known);
    }
    request.extensions_mut().insert(Identified(outcome));
    let mut response = next.call(request).await?;
    if let Some(at) = ends {
        tell_end(response.headers_mut(), at);
    }
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

/// When the key that a call is made with ends.
fn end_of(identity: &Identity) -> Option<Timestamp> {
    match &identity.who {
        Who::ApiKey(key) => key.expires,
        Who::Administrator(_) => None,
    }
}

/// Tells whoever calls with a key that ends when that will be: `Sunset` (RFC 8594) for what knows it, and the
/// millisecond.
fn tell_end(headers: &mut HeaderMap, at: Timestamp) {
    let values = [(SUNSET, at.http_date()), (EXPIRES, Some(at.to_string()))];
    for (name, value) in values {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            headers.insert(name, value);
        }
    }
}

/// When a key will end, as RFC 8594 writes it: whole seconds.
pub const SUNSET: HeaderName = HeaderName::from_static("sunset");
/// The same as RFC 3339 writes it, to the millisecond, in UTC.
pub const EXPIRES: HeaderName = HeaderName::from_static("x-firstkey-expires");

/// An answer without asking any route.
fn refused<B>(error: Error, request: ServiceRequest) -> ServiceResponse<EitherBody<B>> {
    ServiceResponse::from_err(error, request.into_parts().0).map_into_right_body()
}

/// Whose URL the call came by.
async fn door_of(app: &App, request: &ServiceRequest) -> Result<Door> {
    let Some(label) = request.extensions().get::<TenantLabel>().cloned() else { return Ok(Door::General) };
    let Some(label) = label.get().map(str::to_owned) else { return Ok(Door::Nobodys) };
    let known = app.database.look_up(move |db| lookup::tenant_by_label(db, &label)).await?;
    Ok(known.map_or(Door::Nobodys, |(tenant, folded_name)| Door::Of { tenant, folded_name }))
}

/// Which tenant it is whose URL a request came by; none where it is nobody's.
pub async fn tenant_of(app: &App, label: &TenantLabel) -> Result<Option<TenantID>> {
    let Some(label) = label.get().map(str::to_owned) else { return Ok(None) };
    let known = app.database.look_up(move |db| lookup::tenant_by_label(db, &label)).await?;
    Ok(known.map(|(tenant, _)| tenant))
}

async fn identity_of(app: &App, request: &ServiceRequest, door: &Door) -> Result<Identity> {
    let origin = request.extensions().get::<Origin>().cloned();
    let origin = origin.ok_or_else(|| Error::internal("a route stands outside the observing middleware"))?;
    let has_cookie = request.extensions().contains::<super::sid_cookie::SessionCookie>();
    let several = request.extensions().contains::<SeveralSessionCookies>();
    match presented::carried(request.headers()) {
        Carried::Nothing if several => {
            Err(Error::new(Reason::SessionEnded, "The request carries more than one cookie sID. Send one."))
        }
        Carried::Nothing if has_cookie => session_identity(app, request, origin, door).await,
        _ if has_cookie => Err(presented::ambiguous()),
        _ => {
            let key = presented::only_key(request.headers())?;
            // a call that is refused for what it says of the API's version is no use of the key
            let is_use = check_api_version(request.headers()).is_ok();
            key_identity(app, request, key, origin, door, is_use).await
        }
    }
}

// ---- by key ----

/// The answer to a key that is none, or none any more.
pub fn invalid_key() -> Error {
    Error::new(Reason::InvalidApiKey, "The API key is not valid.")
}

async fn key_identity(
    app: &App,
    request: &ServiceRequest,
    text: &[u8],
    origin: Origin,
    door: &Door,
    is_use: bool,
) -> Result<Identity> {
    let key = std::str::from_utf8(text).ok().and_then(PresentedKey::parse).ok_or_else(invalid_key)?;
    let (id, now) = (key.id, app.now());
    // what was remembered lets in; whoever is refused is refused by what the database says now
    let lets_in = |facts: &Arc<KeyFacts>| {
        let proven = proof::prove(&key, Some(facts), now, &origin).is_ok();
        proven && facts.tenant_is_active && facts.grant.ways.web_service && check::standing(facts, now).is_none()
    };
    let remembered = makes_a_key(request).then(|| app.known_keys.remembered_facts(id)).flatten();
    let known = match remembered.filter(lets_in) {
        Some(facts) => Some(facts),
        None => app.known_keys.facts(&app.database, id).await?,
    };
    // who is no key may have been one
    if known.is_none()
        && let Some(revoked) = app.database.look_up(move |db| lookup::revoked_key(db, id)).await?
    {
        note_revoked(app, &key, &revoked, now, &origin).await;
    }
    let proven = match proof::prove(&key, known.as_deref(), now, &origin) {
        Ok(secret) => {
            known.map(|facts| (facts, secret)).ok_or(Refusal::Unproven(Unproven::Wrong { key_exists: false }))
        }
        Err(unproven) => Err(Refusal::Unproven(unproven)),
    };
    if let Ok((facts, _)) = &proven {
        // from here on whatever is refused is refused in the words that the key's owner reads
        request.extensions_mut().insert(facts.dialect);
    }
    let identity = match proven.and_then(|proven| check_key(&key, proven, now, origin, door)) {
        Ok((identity, counted)) if is_use => use_key(app, identity, &counted, now).await.map_err(Refusal::Other),
        outcome => outcome.map(|(identity, _)| identity),
    };
    match &identity {
        Ok(Identity { who: Who::ApiKey(key), origin, .. }) => {
            app.key_usage.succeeded(id, key.secret, origin.address, now);
        }
        Err(Refusal::Unproven(unproven)) => proof::note_unproven(app, id, unproven, now),
        Ok(_) | Err(Refusal::Other(_)) => {}
    }
    identity.map_err(Refusal::into_error)
}

/// Whether this is the one call that many make many times a second. It changes something, so its caller is looked at
/// again in its transaction, and whoever was remembered wrongly changes nothing.
fn makes_a_key(request: &ServiceRequest) -> bool {
    request.method() == Method::POST && request.path() == "/api/apikeys"
}

/// Whoever still holds the right secret of a revoked key is to be heard of: one event a minute for each key, so that
/// nobody floods the trail. They are answered what an unknown key is.
pub async fn note_revoked(app: &App, key: &PresentedKey, revoked: &RevokedFacts, now: Timestamp, origin: &Origin) {
    let noted = revoked.last_presented.is_some_and(|at| now.since(at).abs() < MINUTE);
    if noted || !proof::was_right(key, revoked) {
        return;
    }
    let (id, address) = (key.id, origin.address.to_string());
    let actor = Actor::revoked_key(revoked.tenant.id, id, &revoked.name, origin);
    let target = Target::new("apiKey", id.get(), revoked.name.clone());
    let details = json!({ "revoked": revoked.revoked, "revocationReason": revoked.reason });
    let event = Event::new(EventKind::RevokedApiKeyPresented, target).with(details);
    let written = app.change_as(actor, move |db| match lookup::note_presented(db, id, &address, now)? {
        true => Ok(((), vec![event])),
        false => Ok(((), Vec::new())),
    });
    if let Err(error) = written.await {
        let cause = error.cause().unwrap_or_default();
        log::warn!("key.id" = id.get(), cause = cause.as_str(); "a revoked key was presented, and that could not be written down");
    }
}

/// Why a key is refused; only a wrong secret counts against it, and one that has ended is a wrong one.
enum Refusal {
    Unproven(Unproven),
    Other(Error),
}

impl Refusal {
    fn into_error(self) -> Error {
        match self {
            Self::Unproven(_) => invalid_key(),
            Self::Other(error) => error,
        }
    }
}

/// Takes one of the uses that a key has left; none where it has none.
pub async fn take_use(app: &App, id: ApiKeyID) -> Result<Option<Uses>> {
    app.database.write(move |db| lookup::take_use(db, id)).await
}

/// [`take_use`] of each of these, in their order: all of it has happened when this returns `Ok`, none of it otherwise.
pub async fn take_uses(app: &App, ids: Vec<ApiKeyID>) -> Result<Vec<Option<Uses>>> {
    app.database.write(move |db| lookup::take_uses(db, &ids)).await
}

/// Counts a use of a key that nothing else speaks against, in memory and in its row. Where it may not be used so often
/// nothing is counted.
async fn use_key(app: &App, mut identity: Identity, counted: &KeyUse, now: Timestamp) -> Result<Identity> {
    app.rate_limits.take_key(counted, now).map_err(Rule::into_error)?;
    if let Who::ApiKey(KeyCaller { id, bounds, .. }) = &mut identity.who
        && bounds.constraints.remaining_uses.is_some()
    {
        match take_use(app, *id).await {
            Ok(Some(left)) => bounds.constraints.remaining_uses = left.0,
            outcome => {
                app.rate_limits.give_back(counted, now);
                return Err(outcome.err().unwrap_or_else(|| Rule::UsageExceeded.into_error()));
            }
        }
    }
    Ok(identity)
}

/// What is to be said about a key whose secret has proved right.
fn check_key(
    key: &PresentedKey,
    (facts, secret): (Arc<KeyFacts>, i64),
    now: Timestamp,
    origin: Origin,
    door: &Door,
) -> Result<(Identity, KeyUse), Refusal> {
    door.admit(facts.tenant.id).map_err(Refusal::Other)?;
    if !facts.tenant_is_active {
        return Err(Refusal::Other(invalid_key()));
    }
    if let Some(rule) = check::standing(&facts, now) {
        return Err(Refusal::Other(rule.into_error()));
    }
    if !facts.grant.ways.web_service {
        return Err(Refusal::Other(web_service_not_allowed(&facts.role_name)));
    }
    if let Some(rule) = check::call(&facts, now, origin.address) {
        return Err(Refusal::Other(rule.into_error()));
    }
    let counted = KeyUse {
        key: key.id,
        tenant: facts.tenant.id,
        profile: facts.bounds.profile,
        own: facts.bounds.constraints.calls_per_minute,
        throttle: facts.throttle,
    };
    let who = KeyCaller {
        id: key.id,
        name: facts.name.clone(),
        expires: facts.expires,
        digest: key.secret.digest(),
        secret,
        presented: now,
        dialect: facts.dialect,
        bounds: Box::new(facts.bounds.clone()),
    };
    let identity = Identity {
        tenant: facts.tenant,
        who: Who::ApiKey(who),
        role: facts.role,
        role_name: facts.role_name.clone(),
        grant: facts.grant.clone(),
        pending: facts.pending.clone(),
        origin,
    };
    Ok((identity, counted))
}

/// The answer to a key whose role is shut out of the web service.
pub fn web_service_not_allowed(role: &str) -> Error {
    Error::new(Reason::AccessNotAllowed, format!("The role {role} does not allow access to the web service."))
}

// ---- by session ----

/// The answer to a session that is none, or none any more.
pub fn session_ended() -> Error {
    Error::new(Reason::SessionEnded, "The session has ended, or never was. Sign in again with POST /api/sessions.")
}

async fn session_identity(app: &App, request: &ServiceRequest, origin: Origin, door: &Door) -> Result<Identity> {
    let session = request.get_session();
    if session.contains_key(OUTAGE) {
        return Err(Error::unavailable(1, "the session store is away"));
    }
    let facts: Option<SessionFacts> = session.get(FACTS).map_err(Error::internal)?;
    let facts = facts.ok_or_else(session_ended)?;
    door.admit(facts.tenant()?.id)?;
    if facts.legacy {
        must_be_a_program(app, request.headers())?;
    }
    let rid_is_right = facts.legacy || presents_rid(request.headers(), &facts)?;
    let (touch, row, now) = (facts.touch_due(app.now(), TOUCH_EVERY), facts.session, app.now());
    let limited = facts.limited;
    let grant = facts.grant()?;
    let allowed = if facts.user_interface { grant.ways.user_interface } else { grant.ways.web_service };
    let identity = Identity {
        tenant: facts.tenant()?,
        role: facts.role,
        grant,
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
            one_shot: facts.one_shot,
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
