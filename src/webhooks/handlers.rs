//! `/api/webhooks`.

use actix_web::HttpResponse;
use actix_web::web::Json;
use serde_json::{Value, json};

use super::rules::{Changes, Properties, Wanted, Webhook, must_be_seen_by, tells_more};
use super::store;
use crate::app::App;
use crate::audit::{Event, EventKind, Target, differences_of};
use crate::auth::Caller;
use crate::body::{Body, InPath};
use crate::error::{Error, Result};
use crate::id::WebhookID;
use crate::list::{self, Found, Piece};
use crate::notices;
use crate::outgoing::HookUrl;
use crate::rights::{EditSettings, ViewSettings};
use crate::search::Filter;
use crate::secret::WebhookSecret;
use crate::wire::{self, Flag};

/// Every webhook of the tenant.
pub async fn list(caller: Caller<ViewSettings>, app: App) -> Result<HttpResponse> {
    list::answer("webhooks", move |after| {
        let (caller, app) = (caller.clone(), app.clone());
        async move {
            let after = WebhookID::new(after);
            let webhooks = app.database.read(move |db| store::list(db, &caller, after, list::PIECE)).await?;
            let last = webhooks.last().map(|webhook| webhook.id.get());
            Ok(Piece { last, items: webhooks.into_iter().map(shown).collect() })
        }
    })
    .await
}

/// Webhooks by criteria.
pub async fn search(
    caller: Caller<ViewSettings>,
    filter: Body<wire::SearchFilter>,
    app: App,
) -> Result<Found<wire::Webhooks>> {
    let filter = Filter::read(filter.0)?;
    let webhooks = app.database.read(move |db| store::search(db, &caller, filter)).await?;
    Ok(Found(webhooks.len(), wire::Webhooks { webhooks: webhooks.into_iter().map(shown).collect() }))
}

/// One webhook.
pub async fn describe(caller: Caller<ViewSettings>, id: InPath<WebhookID>, app: App) -> Result<Json<wire::Webhook>> {
    let webhook = app.database.read(move |db| store::find(db, &caller, id.0)).await?;
    Ok(Json(shown(webhook.ok_or_else(no_such_webhook)?)))
}

/// Makes a webhook; what its messages are signed with is in this answer and nowhere else.
pub async fn create(
    caller: Caller<EditSettings>,
    body: Body<wire::NewWebhook>,
    app: App,
) -> Result<Json<wire::WebhookWithSecret>> {
    let properties = Changes::new(body.0.into())?.into_new()?;
    must_lead_outside(&app, &properties.url).await?;
    let secret = WebhookSecret::generate()?;
    let (now, vault, printed) = (app.now(), app.clone(), secret.printed());
    let webhook = app
        .change(&caller, move |db, caller| {
            must_be_for(caller, &properties)?;
            let webhook = store::insert(db, caller, properties, now)?;
            let sealed = vault.keyring.seal_webhook(caller.tenant().id, webhook.id, &secret)?;
            store::put_secret(db, caller, webhook.id, sealed)?;
            let event = Event::new(EventKind::WebhookCreated, target(&webhook));
            let details = json!({ "url": place(&webhook.properties.url), "events": names(&webhook.properties) });
            Ok((webhook, event.with(details)))
        })
        .await?;
    Ok(Json(wire::WebhookWithSecret { secret: wire::SecretOnce::new(&printed), webhook: shown(webhook) }))
}

/// Changes what is sent of a webhook.
pub async fn modify(
    caller: Caller<EditSettings>,
    id: InPath<WebhookID>,
    body: Body<wire::WebhookChange>,
    app: App,
) -> Result<Json<wire::Webhook>> {
    let changes = Changes::new(body.0.into())?;
    if let Some(url) = changes.url() {
        must_lead_outside(&app, url).await?;
    }
    let webhook = app
        .change(&caller, move |db, caller| {
            let old = store::find_to_change(db, caller, id.0)?.ok_or_else(no_such_webhook)?;
            let new = Webhook { properties: changes.applied_to(&old.properties), ..old.clone() };
            if tells_more(&old.properties, &new.properties) {
                must_be_for(caller, &new.properties)?;
            }
            store::update(db, caller, &new)?;
            let details = differences(&old.properties, &new.properties);
            Ok((new, Event::new(EventKind::WebhookUpdated, target(&old)).with(details)))
        })
        .await?;
    Ok(Json(shown(webhook)))
}

/// Removes a webhook, and what was still to be sent to it.
pub async fn delete(caller: Caller<EditSettings>, id: InPath<WebhookID>, app: App) -> Result<HttpResponse> {
    app.change(&caller, move |db, caller| {
        let webhook = store::find_to_change(db, caller, id.0)?.ok_or_else(no_such_webhook)?;
        store::delete(db, caller, id.0)?;
        Ok(((), Event::new(EventKind::WebhookDeleted, target(&webhook))))
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Gives a webhook another secret; the old one signs nothing from then on. Whatever body comes is left unread.
pub async fn replace_secret(
    caller: Caller<EditSettings>,
    id: InPath<WebhookID>,
    app: App,
) -> Result<Json<wire::WebhookWithSecret>> {
    let secret = WebhookSecret::generate()?;
    let (vault, printed) = (app.clone(), secret.printed());
    let webhook = app
        .change(&caller, move |db, caller| {
            let webhook = store::find_to_change(db, caller, id.0)?.ok_or_else(no_such_webhook)?;
            must_be_for(caller, &webhook.properties)?;
            let sealed = vault.keyring.seal_webhook(caller.tenant().id, webhook.id, &secret)?;
            store::put_secret(db, caller, webhook.id, sealed)?;
            let event = Event::new(EventKind::WebhookSecretReplaced, target(&webhook));
            Ok((webhook, event))
        })
        .await?;
    Ok(Json(wire::WebhookWithSecret { secret: wire::SecretOnce::new(&printed), webhook: shown(webhook) }))
}

/// Has a webhook told that this is a test, soon. Whatever body comes is left unread.
pub async fn test(caller: Caller<EditSettings>, id: InPath<WebhookID>, app: App) -> Result<HttpResponse> {
    let now = app.now();
    app.change(&caller, move |db, caller| {
        let webhook = store::find(db, caller, id.0)?.ok_or_else(no_such_webhook)?;
        notices::test_webhook(db, caller.tenant().id, webhook.id, webhook.properties.name.as_str(), now)?;
        Ok(((), Event::new(EventKind::WebhookTested, target(&webhook))))
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

fn no_such_webhook() -> Error {
    Error::not_found("webhook")
}

/// It is judged again at each call: a name may lead elsewhere by then.
async fn must_lead_outside(app: &App, url: &HookUrl) -> Result<()> {
    app.webhooks.admits(url).await.map_err(|refused| Error::member("url", refused.0))
}

/// A webhook is told things as long as it is there: that is no matter for a key that ends, nor for somebody who may
/// not see them.
fn must_be_for(caller: &Caller<EditSettings>, properties: &Properties) -> Result<()> {
    must_be_seen_by(&caller.grant().rights, &properties.events)?;
    caller.must_last()
}

fn target(webhook: &Webhook) -> Target {
    Target::new("webhook", webhook.id.get(), webhook.properties.name.as_str())
}

fn names(properties: &Properties) -> Vec<&'static str> {
    properties.events.iter().map(|event| event.as_str()).collect()
}

/// Where a URL leads, without what stands behind the host: that may be as good as a password.
fn place(url: &HookUrl) -> String {
    let (host, port) = url.place();
    format!("{}://{host}:{port}", if url.is_http() { "http" } else { "https" })
}

/// What changed, from what to what.
fn differences(old: &Properties, new: &Properties) -> Value {
    let mut details = differences_of([
        ("name", json!(old.name.as_str()), json!(new.name.as_str())),
        ("description", json!(old.description.as_str()), json!(new.description.as_str())),
        ("events", json!(names(old)), json!(names(new))),
        ("active", json!(old.active), json!(new.active)),
    ]);
    if old.url != new.url {
        details["url"] = json!({ "from": place(&old.url), "to": place(&new.url) });
    }
    details
}

fn shown(webhook: Webhook) -> wire::Webhook {
    let properties = webhook.properties;
    wire::Webhook {
        events: names(&properties),
        name: properties.name.as_str().to_owned(),
        description: properties.description.as_str().to_owned(),
        url: properties.url.as_str().to_owned(),
        active: properties.active,
        created: webhook.created,
        last_delivered: webhook.health.delivered,
        last_failure: webhook.health.failure.map(|(time, message)| wire::WebhookFailure { time, message }),
        id: webhook.id,
    }
}

macro_rules! wanted_from {
    ($($body:ty),+) => {$(
        impl From<$body> for Wanted {
            fn from(body: $body) -> Self {
                Self {
                    name: body.name,
                    description: body.description,
                    url: body.url,
                    events: body.events,
                    active: body.active.map(|Flag(active)| active),
                }
            }
        }
    )+};
}

wanted_from!(wire::NewWebhook, wire::WebhookChange);
