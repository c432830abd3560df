//! The middleware that notes every call on `/api`, when its answer is complete.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use actix_web::HttpMessage as _;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::Next;
use actix_web::web::Bytes;

use super::rules::{NewCall, kept_expand, kept_path};
use crate::app::App;
use crate::auth::presented::{Carried, carried};
use crate::auth::{KnownCaller, Who, sid_cookie};
use crate::list::Items;

/// Notes the call, and how it was answered; a list that is streamed, when its last byte has gone.
pub async fn note_call(
    app: App,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    if !app.calls.is_on() {
        return next.call(request).await.map(ServiceResponse::map_into_boxed_body);
    }
    let started = Instant::now();
    let action = request.method().as_str().to_owned();
    let has_cookie = !sid_cookie::session_ids(request.headers()).is_empty();
    let method = match (carried(request.headers()), has_cookie) {
        (Carried::Key(_), false) => "API-Key",
        (Carried::Nothing, true) => "sID",
        _ => "",
    };
    let expand = kept_expand(request.query_string());
    let response = next.call(request).await?.map_into_boxed_body();
    let items = response.response().extensions().get::<Items>().cloned();
    let known = response.request().extensions().get::<KnownCaller>().map(|KnownCaller(known)| known.clone());
    // whoever is turned away unheard, as in a storm of sign-ins, does not get the database to write either
    if known.is_none() && response.status() == StatusCode::SERVICE_UNAVAILABLE {
        return Ok(response);
    }
    let call = NewCall {
        tenant: known.as_ref().map(|known| (known.tenant.id, known.tenant.guid.hyphenated().to_string())),
        actor: match known.as_ref().map(|known| &known.who) {
            Some(Who::Administrator(session)) => ("administrator", Some(session.administrator.get())),
            Some(Who::ApiKey(key)) => ("apiKey", Some(key.id.get())),
            None => ("", None),
        },
        at: app.now(),
        // a method is whatever a client writes there
        action: if KNOWN_METHODS.contains(&action.as_str()) { action } else { "?".into() },
        path: kept_path(response.request().match_pattern().as_deref(), response.request().path()),
        duration: 0,
        status: i64::from(response.status().as_u16()),
        method,
        expand,
        items: None,
    };
    let noted = Noted { app, call: Some(call), started, items };
    match response.response().body().size() {
        BodySize::Stream => Ok(response.map_body(|_, body| BoxBody::new(NotedBody { body, _noted: noted }))),
        _ => Ok(response),
    }
}

/// Methods that stand in the table by their names.
const KNOWN_METHODS: &[&str] = &["GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"];

/// A call that is noted when this goes: with the answer, or behind the last byte of a long one.
struct Noted {
    app: App,
    call: Option<NewCall>,
    started: Instant,
    items: Option<Items>,
}

impl Drop for Noted {
    fn drop(&mut self) {
        if let Some(mut call) = self.call.take() {
            call.duration = i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX);
            call.items = self.items.as_ref().map(Items::count);
            self.app.calls.note(call);
        }
    }
}

struct NotedBody {
    body: BoxBody,
    _noted: Noted,
}

impl MessageBody for NotedBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(context)
    }
}
