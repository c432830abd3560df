//! `/api/apikeys`.

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::Json;
use serde_json::{Value, json};

use super::profiled::{self, Settled};
use super::rules::{ApiKey, Changes, Expiry, KeyPlan, Maker, Properties, Wanted};
use super::store::{self, Provenance};
use super::under_profile::Asked;
use crate::app::App;
use crate::audit::{Event, EventKind, Target, differences_of};
use crate::auth::{Caller, ViaKey};
use crate::body::{Body, InPath, Query};
use crate::db::Db;
use crate::error::{Error, Reason, Result};
use crate::id::{ApiKeyID, ProfileID, RoleID, TenantID};
use crate::list::{self, Found, Piece};
use crate::rights::{Authenticated, CreateApiKeys, DeleteApiKeys, EditApiKeys, ManageTenantApiKeys, ViewApiKeys};
use crate::roles::{self, Role};
use crate::search::Filter;
use crate::secret::SecretKey;
use crate::tenants;
use crate::wire::{self, Flag, Number, Patch};

/// Names keys that were made with the initial password.
const WARNING: HeaderName = HeaderName::from_static("x-firstkey-warning");

/// Mints a key; its secret is in this answer and nowhere else.
pub async fn create(
    caller: Caller<CreateApiKeys>,
    body: Body<wire::NewApiKey>,
    app: App,
) -> Result<Json<wire::ApiKeyWithSecret>> {
    let (now, maker) = (app.now(), maker(&caller));
    let plan = KeyPlan::new(body.0.into(), &maker, app.time_zone, now)?;
    let secret = SecretKey::generate()?;
    let digest = secret.digest();
    let key = app
        .change(&caller, move |db, caller| {
            let settled = profiled::settle(db, caller, caller.tenant().id, plan, now)?;
            maker.must_cover(&settled.role.grant, "The role")?;
            let key = profiled::insert(db, Provenance::of(caller), &settled, digest, now)?;
            let event = created(&key, &settled);
            Ok((key, event))
        })
        .await?;
    warn_of_initial_password(&caller, key.id);
    Ok(Json(with_secret(key, &secret, &caller, &app)))
}

/// The event of a key that was minted.
pub(super) fn created(key: &ApiKey, settled: &Settled) -> Event {
    Event::new(EventKind::ApiKeyCreated, target(key)).with(settled.details())
}

pub(super) fn warn_of_initial_password<R, V>(caller: &Caller<R, V>, id: ApiKeyID) {
    if caller.has_initial_password() {
        log::warn!("key.id" = id.get(); "an API key was minted with the initial password; change that password");
    }
}

/// Mints a key for another tenant, from the primary one. Here the right to do it is the authority: the key may do
/// more than its maker, for a few hours.
pub async fn create_for_tenant(
    caller: Caller<ManageTenantApiKeys>,
    id: InPath<TenantID>,
    body: Body<wire::NewTenantApiKey>,
    app: App,
) -> Result<Json<wire::ApiKeyWithSecret>> {
    let (now, id) = (app.now(), id.0);
    let plan = KeyPlan::for_tenant(body.0.into(), &maker(&caller), app.time_zone, now)?;
    let secret = SecretKey::generate()?;
    let digest = secret.digest();
    let (tenant, key) = app
        .change_across(&caller, move |db, caller| {
            let tenant = tenants::find(db, id)?.ok_or_else(|| Error::not_found("tenant"))?;
            tenants::must_take_keys(&tenant)?;
            let settled = profiled::settle(db, caller, id, plan, now)?;
            let key = profiled::insert(db, Provenance::for_tenant(caller, id), &settled, digest, now)?;
            let mut details = settled.details();
            details["serviceAccount"] = json!(true);
            details["tenantID"] = json!(id);
            let event = Event::new(EventKind::ApiKeyCreated, target(&key)).with(details);
            Ok(((tenant, key), vec![event.clone(), event.in_tenant(id)]))
        })
        .await?;
    let printed = secret.printed(Some(tenant.guid), key.id);
    Ok(Json(wire::ApiKeyWithSecret {
        secret_key: wire::SecretOnce::new(printed.expose()),
        service_account: key.service_account,
        id: key.id,
        head: head(key, &app),
        more: wire::ApiKeyMore::default(),
    }))
}

/// Every key of the tenant. Keys made with the initial password are named in a header until it is changed.
pub async fn list(caller: Caller<ViewApiKeys>, app: App) -> Result<HttpResponse> {
    let me = caller.clone();
    let warned = app.database.read(move |db| store::made_with_initial_password(db, &me)).await?;
    let mut answer = all(caller, app).await?;
    if !warned.is_empty() {
        let ids: Vec<String> = warned.iter().map(ToString::to_string).collect();
        let warning = format!("made with the initial password, which is still to be changed: {}", ids.join(", "));
        answer.headers_mut().insert(WARNING, HeaderValue::from_str(&warning).map_err(Error::internal)?);
    }
    Ok(answer)
}

/// The tenant's whole inventory, to be kept or looked through in a spreadsheet: never a secret, nor a digest of one.
pub async fn export(caller: Caller<ViewApiKeys>, query: Query, app: App) -> Result<HttpResponse> {
    match query.word("format", &["json", "csv"])? {
        Some("csv") => all_as_csv(caller, app).await,
        _ => all(caller, app).await,
    }
}

async fn all(caller: Caller<ViewApiKeys>, app: App) -> Result<HttpResponse> {
    list::answer("apiKeys", move |after| {
        let (caller, app) = (caller.clone(), app.clone());
        async move {
            let after = ApiKeyID::new(after);
            let keys = app.database.read(move |db| store::list(db, &caller, after, list::PIECE)).await?;
            let last = keys.last().map(|key| key.id.get());
            Ok(Piece { last, items: keys.into_iter().map(|key| shown(key, &app)).collect() })
        }
    })
    .await
}

async fn all_as_csv(caller: Caller<ViewApiKeys>, app: App) -> Result<HttpResponse> {
    list::answer_csv("apikeys.csv", move |after| {
        let (caller, app) = (caller.clone(), app.clone());
        async move {
            let after = ApiKeyID::new(after);
            let read =
                move |db: &mut Db| Ok((store::list(db, &caller, after, list::PIECE)?, roles::names(db, &caller)?));
            let (keys, names) = app.database.read(read).await?;
            // a role that was taken from a key and removed between the two reads has no name any more
            let name = |key: &ApiKey| names.get(&key.properties.role).cloned().unwrap_or_default();
            let line = |key| wire::ApiKeyLine { role_name: name(&key), key: shown(key, &app) };
            Ok(Piece { last: keys.last().map(|key| key.id.get()), items: keys.into_iter().map(line).collect() })
        }
    })
    .await
}

/// Keys by criteria.
pub async fn search(
    caller: Caller<ViewApiKeys>,
    filter: Body<wire::SearchFilter>,
    app: App,
) -> Result<Found<wire::ApiKeys>> {
    let filter = Filter::read(filter.0)?;
    let keys = app.database.read(move |db| store::search(db, &caller, filter)).await?;
    Ok(Found(keys.len(), wire::ApiKeys { api_keys: keys.into_iter().map(|key| shown(key, &app)).collect() }))
}

/// One key.
pub async fn describe(caller: Caller<ViewApiKeys>, id: InPath<ApiKeyID>, app: App) -> Result<Json<wire::ApiKey>> {
    let key = app.database.read(move |db| store::find(db, &caller, id.0)).await?;
    Ok(Json(shown(key.ok_or_else(no_such_key)?, &app)))
}

/// The key that the call is made with; any live key may look at itself.
pub async fn describe_current(caller: Caller<Authenticated, ViaKey>, app: App) -> Result<Json<wire::ApiKeyCurrent>> {
    let (me, id) = (caller.clone(), caller.key().id);
    let key = app.database.read(move |db| store::find(db, &me, id)).await?.ok_or_else(current_is_gone)?;
    Ok(Json(shown_as_current(key, &caller, &app)))
}

/// Changes the name, the description, the language or the time zone of the key that the call is made with. The
/// right is needed as for any other key: a stolen one does not hide under another name.
pub async fn modify_current(
    caller: Caller<EditApiKeys, ViaKey>,
    body: Body<wire::ApiKeyCurrentChange>,
    app: App,
) -> Result<Json<wire::ApiKeyCurrent>> {
    let (now, maker, id) = (app.now(), maker(&caller), caller.key().id);
    let changes = Changes::new(body.0.into())?;
    let key = app
        .change(&caller, move |db, caller| {
            let old = store::find_to_change(db, caller, id)?.ok_or_else(current_is_gone)?;
            let properties = changes.applied_to(&old.properties, &maker, now)?;
            store::update(db, caller, id, &properties, false)?;
            let details = differences(&old.properties, &properties);
            let event = Event::new(EventKind::ApiKeyUpdated, target(&old)).with(details);
            Ok((store::find(db, caller, id)?.ok_or_else(current_is_gone)?, event))
        })
        .await?;
    Ok(Json(shown_as_current(key, &caller, &app)))
}

/// Gives a key a new secret; the old one is of no use from then on. Whatever body comes is left unread.
pub async fn replace_secret(
    caller: Caller<EditApiKeys>,
    id: InPath<ApiKeyID>,
    app: App,
) -> Result<Json<wire::ApiKeyWithSecret>> {
    renew(caller, id.0, no_such_key, app).await
}

/// Gives the key that the call is made with a new secret. The right is needed as for any other key: a stolen one
/// does not shut its owner out.
pub async fn replace_current_secret(
    caller: Caller<EditApiKeys, ViaKey>,
    app: App,
) -> Result<Json<wire::ApiKeyWithSecret>> {
    let id = caller.key().id;
    renew(caller, id, current_is_gone, app).await
}

async fn renew<V: 'static>(
    caller: Caller<EditApiKeys, V>,
    id: ApiKeyID,
    gone: fn() -> Error,
    app: App,
) -> Result<Json<wire::ApiKeyWithSecret>> {
    let (now, maker) = (app.now(), maker(&caller));
    let secret = SecretKey::generate()?;
    let digest = secret.digest();
    let key = app
        .change(&caller, move |db, caller| {
            let old = store::find_to_change(db, caller, id)?.ok_or_else(gone)?;
            let role = role_of(db, caller, &old.properties)?;
            maker.must_cover(&role.grant, "The key's role")?;
            maker.must_last_as_long_as(&old.properties)?;
            store::replace_secret(db, caller, id, digest, now)?;
            let event = Event::new(EventKind::ApiKeySecretReplaced, target(&old));
            Ok((store::find(db, caller, id)?.ok_or_else(gone)?, event))
        })
        .await?;
    app.key_usage.forget_failures(id);
    Ok(Json(with_secret(key, &secret, &caller, &app)))
}

/// Changes what is sent of a key. Its secret stays, unless it is for other API types now and its profile has the
/// secret replaced then: the new one is in this answer.
pub async fn modify(
    caller: Caller<EditApiKeys>,
    id: InPath<ApiKeyID>,
    body: Body<wire::ApiKeyChange>,
    app: App,
) -> Result<Json<wire::ApiKeyChanged>> {
    let (now, maker, id) = (app.now(), maker(&caller), id.0);
    let changes = Changes::new(body.0.into())?;
    let unlocks = changes.unlocks();
    // should the change need one
    let secret = SecretKey::generate()?;
    let digest = secret.digest();
    let (key, replaced) = app
        .change_across(&caller, move |db, caller| {
            let under = changes.asked_under().clone();
            profiled::prepare(db, caller, &under)?;
            let old = store::find_to_change(db, caller, id)?.ok_or_else(no_such_key)?;
            let properties = changes.applied_to(&old.properties, &maker, now)?;
            let role = role_in_body(db, caller.tenant().id, &properties)?;
            let old_role = role_of(db, caller, &old.properties)?;
            maker.must_cover(&old_role.grant, "The key's role")?;
            maker.must_cover(&role.grant, "The role")?;
            let changed = profiled::change(db, caller, &old, properties, &under, &maker, now)?;
            store::update(db, caller, id, &changed.properties, unlocks)?;
            changed.store_types(db, caller, id)?;
            let details = changed.told(differences(&old.properties, &changed.properties));
            let mut events = vec![Event::new(EventKind::ApiKeyUpdated, target(&old)).with(details)];
            if changed.replaces_secret {
                maker.must_last_as_long_as(&changed.properties)?;
                store::replace_secret(db, caller, id, digest, now)?;
                events.push(Event::new(EventKind::ApiKeySecretReplaced, target(&old)));
            }
            let key = store::find(db, caller, id)?.ok_or_else(no_such_key)?;
            Ok(((key, changed.replaces_secret), events))
        })
        .await?;
    if unlocks || replaced {
        app.key_usage.forget_failures(id);
    }
    let printed = replaced.then(|| secret.printed(caller.tenant().key_prefix(), id));
    Ok(Json(wire::ApiKeyChanged {
        secret_key: printed.map(|printed| wire::SecretOnce::new(printed.expose())),
        service_account: key.service_account,
        id,
        head: head(key, &app),
        more: wire::ApiKeyMore::default(),
    }))
}

/// Revokes a key for good.
pub async fn delete(caller: Caller<DeleteApiKeys>, id: InPath<ApiKeyID>, app: App) -> Result<HttpResponse> {
    let (maker, id) = (maker(&caller), id.0);
    app.change(&caller, move |db, caller| {
        let key = store::find(db, caller, id)?.ok_or_else(no_such_key)?;
        let role = role_of(db, caller, &key.properties)?;
        maker.must_cover(&role.grant, "The key's role")?;
        store::delete(db, caller, id)?;
        Ok(((), Event::new(EventKind::ApiKeyDeleted, target(&key))))
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(super) fn no_such_key() -> Error {
    Error::not_found("API key")
}

/// The key of the call was deleted while the call was on its way.
fn current_is_gone() -> Error {
    Error::new(Reason::InvalidApiKey, "The API key is not valid.")
}

pub(super) fn maker<R, V>(caller: &Caller<R, V>) -> Maker {
    Maker { grant: caller.grant().clone(), expires: caller.expires() }
}

/// The role that a body names; an unknown one, or another tenant's, is a fault of the body.
pub(super) fn role_in_body(db: &mut Db, tenant: TenantID, properties: &Properties) -> Result<Role> {
    let role = roles::find_for(db, tenant, properties.role)?;
    role.ok_or_else(store::unknown_role)
}

pub(super) fn role_of<R, V>(db: &mut Db, caller: &Caller<R, V>, properties: &Properties) -> Result<Role> {
    let role = roles::find_for(db, caller.tenant().id, properties.role)?;
    role.ok_or_else(|| Error::internal("a key's role is gone"))
}

pub(super) fn target(key: &ApiKey) -> Target {
    Target::new("apiKey", key.id.get(), key.properties.name.as_str())
}

/// What changed, from what to what.
pub(super) fn differences(old: &Properties, new: &Properties) -> Value {
    let pairs: [(&str, Value, Value); 8] = [
        ("keyName", json!(old.name.as_str()), json!(new.name.as_str())),
        ("description", json!(old.description.as_str()), json!(new.description.as_str())),
        ("locale", json!(old.locale.as_str()), json!(new.locale.as_str())),
        ("roleID", json!(old.role), json!(new.role)),
        ("timeZone", json!(old.time_zone.as_str()), json!(new.time_zone.as_str())),
        ("active", json!(old.active), json!(new.active)),
        ("expiryDate", json!(old.expiry), json!(new.expiry)),
        ("target", json!(old.constraints.target), json!(new.constraints.target)),
    ];
    differences_of(pairs)
}

pub(super) fn head(key: ApiKey, app: &App) -> wire::ApiKeyHead {
    let (last_sign_in, attempts) = app.key_usage.overlay(key.id, key.last_sign_in, key.unsuccessful_sign_in_attempts);
    wire::ApiKeyHead {
        key_name: key.properties.name.as_str().to_owned(),
        description: key.properties.description.as_str().to_owned(),
        locale: key.properties.locale.as_str().to_owned(),
        role_id: key.properties.role,
        time_zone: key.properties.time_zone.as_str().to_owned(),
        active: key.properties.active,
        created: key.created,
        last_sign_in,
        unlock_time: key.unlock_time,
        unsuccessful_sign_in_attempts: attempts,
        expiry_date: key.properties.expiry,
    }
}

fn shown(key: ApiKey, app: &App) -> wire::ApiKey {
    wire::ApiKey {
        service_account: key.service_account,
        id: key.id,
        head: head(key, app),
        more: wire::ApiKeyMore::default(),
    }
}

fn with_secret<R, V>(key: ApiKey, secret: &SecretKey, caller: &Caller<R, V>, app: &App) -> wire::ApiKeyWithSecret {
    let printed = secret.printed(caller.tenant().key_prefix(), key.id);
    wire::ApiKeyWithSecret {
        secret_key: wire::SecretOnce::new(printed.expose()),
        service_account: key.service_account,
        id: key.id,
        head: head(key, app),
        more: wire::ApiKeyMore::default(),
    }
}

fn shown_as_current<R, V>(key: ApiKey, caller: &Caller<R, V>, app: &App) -> wire::ApiKeyCurrent {
    let tenant = caller.tenant();
    wire::ApiKeyCurrent {
        service_account: key.service_account,
        role_urn: roles::urn(caller.role_name(), tenant.id),
        tenant_id: tenant.id,
        tenant_guid: tenant.guid.hyphenated().to_string(),
        id: key.id,
        head: head(key, app),
        more: wire::ApiKeyMore::default(),
    }
}

fn asked(expiry_date: Patch<Number>) -> Expiry {
    match expiry_date {
        Patch::Absent => Expiry::Unsaid,
        Patch::Null => Expiry::Never,
        Patch::Value(Number(millis)) => Expiry::from_millis(millis),
    }
}

/// What the key's profile has a say in; 0 is no profile in particular, as everywhere.
fn under(lifecycle: Option<&wire::LifecycleWish>, constraints: Option<&wire::ConstraintsWish>) -> Asked {
    let named = lifecycle.and_then(|lifecycle| lifecycle.profile_id).filter(|Number(id)| *id != 0);
    let (target, api_types) = constraints
        .map(|constraints| {
            let target = match &constraints.target {
                Patch::Absent => None,
                Patch::Null => Some(None),
                Patch::Value(target) => Some(Some(target.clone())),
            };
            let api_types = match &constraints.api_types {
                Patch::Absent => None,
                Patch::Null => Some(Vec::new()),
                Patch::Value(types) => Some(types.iter().map(|kind| kind.name().to_owned()).collect()),
            };
            (target, api_types)
        })
        .unwrap_or_default();
    Asked { profile: named.map(|Number(id)| ProfileID::new(id)), target, api_types }
}

macro_rules! wanted_from {
    ($($body:ty: $lifecycle:expr),+) => {$(
        impl From<$body> for Wanted {
            fn from(body: $body) -> Self {
                let lifecycle: fn(&$body) -> Option<&wire::LifecycleWish> = $lifecycle;
                Self {
                    under: under(lifecycle(&body), body.constraints.as_ref()),
                    key_name: body.key_name,
                    description: body.description,
                    locale: body.locale,
                    role: body.role_id.map(|Number(id)| RoleID::new(id)),
                    time_zone: body.time_zone,
                    active: body.active.map(|Flag(active)| active),
                    expiry: asked(body.expiry_date),
                }
            }
        }
    )+};
}

wanted_from!(
    wire::NewApiKey: |body| body.lifecycle.as_ref(),
    wire::NewTenantApiKey: |body| body.lifecycle.as_ref(),
    wire::WantedApiKey: |body| body.lifecycle.as_ref(),
    wire::ApiKeyChange: |_| None
);

impl From<wire::ApiKeyCurrentChange> for Wanted {
    fn from(body: wire::ApiKeyCurrentChange) -> Self {
        Self {
            key_name: body.key_name,
            description: body.description,
            locale: body.locale,
            role: None,
            time_zone: body.time_zone,
            active: None,
            expiry: Expiry::Unsaid,
            under: Asked::default(),
        }
    }
}
