//! `/api/calendar`.

use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Json;
use actix_web::{HttpRequest, HttpResponse};

use super::rules::{Ending, Reader, written};
use super::store;
use crate::administrators;
use crate::api_keys;
use crate::app::App;
use crate::audit::{Event, EventKind, Target};
use crate::auth::{Absent, Caller, Visitor, Who};
use crate::constraints::Limit;
use crate::error::{Error, Result};
use crate::locale::{Locale, TimeZone};
use crate::rights::{Authenticated, ViewApiKeys};
use crate::secret::CalendarSecret;
use crate::wire;

/// Keys in a calendar at most, the first to end.
const MOST_KEYS: i64 = 5_000;

/// Makes the caller's calendar, or gives it another URL; the URL is in this answer and nowhere else.
pub async fn make(caller: Caller<ViewApiKeys>, app: App) -> Result<Json<wire::CalendarMade>> {
    must_be_unbounded(&caller)?;
    let secret = CalendarSecret::generate()?;
    let (digest, now) = (secret.digest(), app.now());
    app.change(&caller, move |db, caller| {
        store::put(db, caller, digest, now)?;
        Ok(((), Event::new(EventKind::CalendarMade, target(caller))))
    })
    .await?;
    // as configured and not as the call names it: who makes a call may name any host
    let base = app.urls.general().unwrap_or_default();
    let url = format!("{base}/api/calendar/{}.ics", *secret.expose());
    Ok(Json(wire::CalendarMade { url: wire::SecretOnce::new(&url) }))
}

/// Takes the caller's calendar away.
pub async fn remove(caller: Caller<Authenticated>, app: App) -> Result<HttpResponse> {
    app.change(&caller, move |db, caller| match store::remove(db, caller)? {
        true => Ok(((), Event::new(EventKind::CalendarRemoved, target(caller)))),
        false => Err(no_such_calendar()),
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The calendar under a secret: keys that end, as far as its owner may see them at this moment.
pub async fn read(visitor: Visitor, request: HttpRequest, app: App) -> Result<HttpResponse> {
    let secret = request.match_info().get("secret").and_then(CalendarSecret::parse).ok_or_else(no_such_calendar)?;
    let (digest, now, zone) = (secret.digest(), app.now(), app.time_zone);
    let calendar = app
        .database
        .read(move |db| {
            let Some(owner) = store::owner_of(db, digest)? else { return Ok(None) };
            let Some(caller) = Caller::<ViewApiKeys>::by_secret_url(db, owner, &visitor.origin, now)? else {
                return Ok(None);
            };
            // at another tenant's URL nobody has heard of it
            visitor.door.admit(caller.tenant().id).map_err(|_| no_such_calendar())?;
            let (locale, zone) = match owner {
                Absent::Administrator(id) => administrators::language_of(db, caller.tenant().id, id)?,
                Absent::ApiKey(id) => {
                    api_keys::written(db, caller.tenant().id, id)?.map(|key| (key.locale, key.time_zone))
                }
            }
            .and_then(|(locale, zone)| Some((Locale::parse(&locale).ok()?, TimeZone::parse(&zone).ok()?)))
            .unwrap_or((Locale::default(), zone));
            let keys = api_keys::expiring(db, &caller, now, MOST_KEYS)?;
            let ending = |key: api_keys::Written| Some(Ending { id: key.id, name: key.key_name, at: key.expiry_date? });
            let keys: Vec<Ending> = keys.into_iter().filter_map(ending).collect();
            let reader = Reader { locale, zone, installation: caller.tenant().guid.hyphenated().to_string() };
            Ok(Some(written(&keys, &reader, now)))
        })
        .await?;
    let body = calendar.ok_or_else(no_such_calendar)?;
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/calendar; charset=utf-8")).body(body))
}

/// Whoever has the URL is let in by it, from anywhere and as often as they like, which is more than a bounded key may.
/// One that ends takes its calendar with it.
fn must_be_unbounded<R, V>(caller: &Caller<R, V>) -> Result<()> {
    match caller.limit() {
        Some(limit @ Limit::Bounded) => Err(limit.refusal("have a calendar")),
        _ => Ok(()),
    }
}

fn no_such_calendar() -> Error {
    Error::not_found("calendar")
}

fn target<R, V>(caller: &Caller<R, V>) -> Target {
    match caller.who() {
        Who::Administrator(session) => {
            Target::new("administrator", session.administrator.get(), session.username.clone())
        }
        Who::ApiKey(key) => Target::new("apiKey", key.id.get(), key.name.clone()),
    }
}
