//! `/api/apikeys`.

use actix_web::HttpResponse;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::Json;
use serde_json::{Value, json};
use uuid::Uuid;

use super::history_rules::{Revocation, Why};
use super::rules::{ApiKey, Changes, Expiry, KeyPlan, Maker, Properties, Wanted};
use super::store::{self, Provenance};
use super::{history, history_store};
use crate::app::App;
use crate::audit::{Event, EventKind, Target, differences_of};
use crate::auth::key_usage::KeyUsage;
use crate::auth::{Caller, ViaKey};
use crate::body::{Body, InPath, Query};
use crate::clock::Timestamp;
use crate::db::Db;
use crate::error::{Error, Reason, Result};
use crate::id::{ApiKeyID, RoleID, TenantID};
use crate::list::{self, Found, Piece};
use crate::rights::{Authenticated, CreateApiKeys, DeleteApiKeys, EditApiKeys, ManageTenantApiKeys, ViewApiKeys};
use crate::roles::{self, Role};
use crate::search::Filter;
use crate::secret::{SecretDigest, SecretKey};
use crate::sessions;
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
    let now = app.now();
    let plan = KeyPlan::new(body.0.into(), &maker(&caller), app.time_zone, now)?;
    let secret = SecretKey::generate()?;
    let digest = secret.digest();
    let key = app
        .change_across(&caller, move |db, caller| {
            let (key, mut events) = mint(db, caller, plan, digest, now)?;
            events.extend(spent(db, caller, now)?);
            Ok((key, events))
        })
        .await?;
    warn_of_initial_password(&caller, key.id);
    Ok(Json(with_secret(key, &secret, caller.tenant().key_prefix(), &app)))
}

/// Makes a key that whoever makes it may hand out, with the events of that.
pub fn mint<R, V>(
    db: &mut Db,
    maker_of_it: &Caller<R, V>,
    plan: KeyPlan,
    digest: SecretDigest,
    now: Timestamp,
) -> Result<(ApiKey, Vec<Event>)> {
    let role = role_in_body(db, maker_of_it.tenant().id, &plan.properties)?;
    maker(maker_of_it).must_cover(&role.grant, "The role")?;
    let key = store::insert(db, Provenance::of(maker_of_it), &plan.properties, digest, now)?;
    let event = created(&key, &role);
    Ok((key, vec![event]))
}

/// Revokes a key because the code that it was made with was used again; the event of that, if the key was still there.
pub fn revoke_for_reuse(
    db: &mut Db,
    tenant: TenantID,
    id: ApiKeyID,
    usage: &KeyUsage,
    now: Timestamp,
) -> Result<Option<Event>> {
    let Some(key) = store::these(db, tenant, &[id])?.pop() else { return Ok(None) };
    let revocation = Revocation::by_the_server(Why::Leaked, "the code that it was made with was used again")?;
    history_store::revoke(db, tenant, &[id], &revocation, usage, now)?;
    Ok(Some(Event::new(EventKind::ApiKeyDeleted, target(&key)).with(history::details(&revocation))))
}

/// The event of a key that was minted.
pub(super) fn created(key: &ApiKey, role: &Role) -> Event {
    let details = json!({ "role": role.name, "expiryDate": key.properties.expiry });
    Event::new(EventKind::ApiKeyCreated, target(key)).with(details)
}

/// A session that was there for making one key ends with it, in the same transaction; the event of that.
pub(super) fn spent<R, V>(db: &mut Db, caller: &Caller<R, V>, now: Timestamp) -> Result<Option<Event>> {
    if !sessions::spend_one_shot(db, caller, now)? {
        return Ok(None);
    }
    Ok(caller.one_shot().map(|session| {
        let target = Target::new("administrator", session.administrator.get(), session.username.clone());
        Event::new(EventKind::OneShotSpent, target).with(json!({ "session": session.reference }))
    }))
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
            let role = role_in_body(db, id, &plan.properties)?;
            let key = store::insert(db, Provenance::for_tenant(caller, id), &plan.properties, digest, now)?;
            let details = json!({
                "role": role.name, "expiryDate": key.properties.expiry, "serviceAccount": true, "tenantID": id,
            });
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
    Ok(Json(with_secret(key, &secret, caller.tenant().key_prefix(), &app)))
}

/// Changes what is sent of a key; a secret is never touched by it.
pub async fn modify(
    caller: Caller<EditApiKeys>,
    id: InPath<ApiKeyID>,
    body: Body<wire::ApiKeyChange>,
    app: App,
) -> Result<Json<wire::ApiKey>> {
    let (now, maker, id) = (app.now(), maker(&caller), id.0);
    let changes = Changes::new(body.0.into())?;
    let unlocks = changes.unlocks();
    let key = app
        .change(&caller, move |db, caller| {
            let old = store::find_to_change(db, caller, id)?.ok_or_else(no_such_key)?;
            let properties = changes.applied_to(&old.properties, &maker, now)?;
            let role = role_in_body(db, caller.tenant().id, &properties)?;
            let old_role = role_of(db, caller, &old.properties)?;
            maker.must_cover(&old_role.grant, "The key's role")?;
            maker.must_cover(&role.grant, "The role")?;
            store::update(db, caller, id, &properties, unlocks)?;
            let details = differences(&old.properties, &properties);
            let event = Event::new(EventKind::ApiKeyUpdated, target(&old)).with(details);
            Ok((store::find(db, caller, id)?.ok_or_else(no_such_key)?, event))
        })
        .await?;
    if unlocks {
        app.key_usage.forget_failures(id);
    }
    Ok(Json(shown(key, &app)))
}

/// Revokes a key for good.
pub async fn delete(
    caller: Caller<DeleteApiKeys>,
    id: InPath<ApiKeyID>,
    query: Query,
    app: App,
) -> Result<HttpResponse> {
    let (maker, id, now, usage) = (maker(&caller), id.0, app.now(), app.key_usage.clone());
    let revocation = history::revocation(&caller, &query)?;
    app.change(&caller, move |db, caller| {
        let key = store::find(db, caller, id)?.ok_or_else(no_such_key)?;
        let role = role_of(db, caller, &key.properties)?;
        maker.must_cover(&role.grant, "The key's role")?;
        if history_store::revoke(db, caller.tenant().id, &[id], &revocation, &usage, now)?.is_empty() {
            return Err(no_such_key());
        }
        Ok(((), Event::new(EventKind::ApiKeyDeleted, target(&key)).with(history::details(&revocation))))
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

fn no_such_key() -> Error {
    Error::not_found("API key")
}

/// The key of the call was deleted while the call was on its way.
fn current_is_gone() -> Error {
    Error::new(Reason::InvalidApiKey, "The API key is not valid.")
}

/// What the rules want to know of whoever makes or changes a key.
pub fn maker<R, V>(caller: &Caller<R, V>) -> Maker {
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
    let pairs: [(&str, Value, Value); 7] = [
        ("keyName", json!(old.name.as_str()), json!(new.name.as_str())),
        ("description", json!(old.description.as_str()), json!(new.description.as_str())),
        ("locale", json!(old.locale.as_str()), json!(new.locale.as_str())),
        ("roleID", json!(old.role), json!(new.role)),
        ("timeZone", json!(old.time_zone.as_str()), json!(new.time_zone.as_str())),
        ("active", json!(old.active), json!(new.active)),
        ("expiryDate", json!(old.expiry), json!(new.expiry)),
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

/// A key with its secret, of a tenant whose keys have this in front of them.
pub fn with_secret(key: ApiKey, secret: &SecretKey, prefix: Option<Uuid>, app: &App) -> wire::ApiKeyWithSecret {
    let printed = secret.printed(prefix, key.id);
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

macro_rules! wanted_from {
    ($($body:ty),+) => {$(
        impl From<$body> for Wanted {
            fn from(body: $body) -> Self {
                Self {
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

wanted_from!(wire::NewApiKey, wire::NewTenantApiKey, wire::WantedApiKey, wire::ApiKeyChange);

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
        }
    }
}
