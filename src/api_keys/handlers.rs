//! `/api/apikeys`.

use actix_web::body::BoxBody;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::Json;
use actix_web::{HttpRequest, HttpResponse, Responder};
use serde_json::{Value, json};
use uuid::Uuid;

use super::conditions::Moment;
use super::expand::{Look, shown_networks, shown_window};
use super::history_rules::{Revocation, Why};
use super::profiled::{self, Settled};
use super::rules::{ApiKey, Bounds, Changes, Expiry, Issuer, KeyPlan, Kinds, Maker, Properties, Ties, Wanted};
use super::search_store;
use super::secrets::{self, NewSecret};
use super::status::Status;
use super::store::{self, Provenance};
use super::under_profile::Asked;
use super::{history, history_store};
use crate::api_key_profiles;
use crate::app::App;
use crate::audit::{Event, EventKind, Target, differences_of};
use crate::auth::key_usage::KeyUsage;
use crate::auth::{Caller, KeyBounds, ViaKey};
use crate::body::{Body, InPath, Query};
use crate::clock::Timestamp;
use crate::constraints;
use crate::db::{Db, Deadline, Shared};
use crate::error::{Error, Reason, Result};
use crate::id::{ApiKeyID, ProfileID, RoleID, TenantID};
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
    query: Query,
    body: Body<wire::NewApiKey>,
    app: App,
) -> Result<Warned<wire::ApiKeyWithSecret>> {
    let (now, maker) = (app.now(), maker(&caller));
    let plan = KeyPlan::new(body.0.into(), &maker, app.time_zone, now)?;
    let look = Look::of(&query, &app)?;
    let secret = SecretKey::generate()?;
    let digest = secret.digest();
    let reads_secrets = look.reads_secrets();
    let make = move |db: &mut Db, shared: &mut Shared, caller: &Caller<CreateApiKeys>| {
        let (key, mut events) = mint(db, shared, caller, plan.clone(), digest, now)?;
        events.extend(spent(db, caller, now)?);
        let more = look.at_one(db, caller, &key)?;
        Ok(((key, more), events))
    };
    let (key, more) = match reads_secrets {
        true => app.change_across(&caller, move |db, caller| make(db, &mut Shared::default(), caller)).await?,
        false => app.add(&caller, make).await?,
    };
    warn_of_initial_password(&caller, key.id);
    let warning = unbounded(&key);
    Ok(Warned(warning, with_secret(key, more, &secret, caller.tenant().key_prefix(), &app)))
}

/// Makes a key that whoever makes it may hand out, with the events of that.
pub fn mint<R, V>(
    db: &mut Db,
    shared: &mut Shared,
    maker_of_it: &Caller<R, V>,
    plan: KeyPlan,
    digest: SecretDigest,
    now: Timestamp,
) -> Result<(ApiKey, Vec<Event>)> {
    let made_by = Provenance::of(maker_of_it).of_kind(plan.kind);
    let settled = profiled::settle(db, shared, maker_of_it, maker_of_it.tenant().id, plan, now)?;
    maker(maker_of_it).must_cover(&settled.role.grant, "The role")?;
    let key = profiled::insert(db, shared, made_by, &settled, digest, now)?;
    let event = created(&key, &settled);
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
fn created(key: &ApiKey, settled: &Settled) -> Event {
    Event::new(EventKind::ApiKeyCreated, target(key)).with(settled.details())
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
    query: Query,
    body: Body<wire::NewTenantApiKey>,
    app: App,
) -> Result<Warned<wire::ApiKeyWithSecret>> {
    let (now, id) = (app.now(), id.0);
    let plan = KeyPlan::for_tenant(body.0.into(), &maker(&caller), app.time_zone, now)?;
    let look = Look::of(&query, &app)?;
    let secret = SecretKey::generate()?;
    let digest = secret.digest();
    let (tenant, key, more) = app
        .change_across(&caller, move |db, caller| {
            let tenant = tenants::find(db, id)?.ok_or_else(|| Error::not_found("tenant"))?;
            tenants::must_take_keys(&tenant)?;
            let kind = plan.kind;
            let shared = &mut Shared::default();
            let settled = profiled::settle(db, shared, caller, id, plan, now)?;
            let made_by = Provenance::for_tenant(caller, id).of_kind(kind);
            let key = profiled::insert(db, shared, made_by, &settled, digest, now)?;
            let more = look.at(db, caller, id, std::slice::from_ref(&key))?.pop().unwrap_or_default();
            let mut details = settled.details();
            details["serviceAccount"] = json!(true);
            details["tenantID"] = json!(id);
            let event = Event::new(EventKind::ApiKeyCreated, target(&key)).with(details);
            Ok(((tenant, key, more), vec![event.clone(), event.in_tenant(id)]))
        })
        .await?;
    let printed = secret.printed(Some(tenant.guid), key.id);
    let warning = unbounded(&key);
    let answer = wire::ApiKeyWithSecret {
        secret_key: wire::SecretOnce::new(printed.expose()),
        service_account: key.service_account,
        id: key.id,
        head: head(key, &app),
        more,
    };
    Ok(Warned(warning, answer))
}

/// Every key of the tenant that the caller sees, of the standard kind unless `?kind=` says otherwise. Keys made with the initial password are named in a header until it is changed.
pub async fn list(caller: Caller<ViewApiKeys>, query: Query, app: App) -> Result<HttpResponse> {
    let (me, kinds) = (caller.clone(), kinds(&query)?);
    let warned = app.database.read(move |db| store::made_with_initial_password(db, &me)).await?;
    let look = Look::of(&query, &app)?;
    let mut answer = all(caller, kinds, look, app).await?;
    if !warned.is_empty() {
        let ids: Vec<String> = warned.iter().map(ToString::to_string).collect();
        let warning = format!("made with the initial password, which is still to be changed: {}", ids.join(", "));
        answer.headers_mut().insert(WARNING, HeaderValue::from_str(&warning).map_err(Error::internal)?);
    }
    Ok(answer)
}

/// The tenant's whole inventory, to be kept or looked through in a spreadsheet: never a secret, nor a digest of one.
pub async fn export(caller: Caller<ViewApiKeys>, query: Query, app: App) -> Result<HttpResponse> {
    let kinds = kinds(&query)?;
    match query.word("format", &["json", "csv"])? {
        Some("csv") => all_as_csv(caller, kinds, app).await,
        _ => {
            let look = Look::of(&query, &app)?;
            all(caller, kinds, look, app).await
        }
    }
}

/// Which kinds a query names; the standard one where it names none.
fn kinds(query: &Query) -> Result<Kinds> {
    Ok(named_kinds(query)?.unwrap_or(Kinds::STANDARD))
}

fn named_kinds(query: &Query) -> Result<Option<Kinds>> {
    Ok(query.word("kind", &Kinds::WORDS)?.map(Kinds::read))
}

async fn all(caller: Caller<ViewApiKeys>, kinds: Kinds, look: Look, app: App) -> Result<HttpResponse> {
    list::answer("apiKeys", move |after| {
        let (caller, look, app) = (caller.clone(), look.clone(), app.clone());
        async move {
            let after = ApiKeyID::new(after);
            let page = app.database.read_list(move |db| {
                let keys = store::list(db, &caller, kinds, after, list::PIECE)?;
                let more = look.at(db, &caller, caller.tenant().id, &keys)?;
                Ok((keys, more))
            });
            let (keys, more) = page.await?;
            let last = keys.last().map(|key| key.id.get());
            let items = keys.into_iter().zip(more).map(|(key, more)| shown(key, more, &app)).collect();
            Ok(Piece { last, items })
        }
    })
    .await
}

async fn all_as_csv(caller: Caller<ViewApiKeys>, kinds: Kinds, app: App) -> Result<HttpResponse> {
    list::answer_csv("apikeys.csv", move |after| {
        let (caller, app) = (caller.clone(), app.clone());
        async move {
            let after = ApiKeyID::new(after);
            let read = move |db: &mut Db| {
                Ok((store::list(db, &caller, kinds, after, list::PIECE)?, roles::names(db, &caller)?))
            };
            let (keys, names) = app.database.read_list(read).await?;
            // a role that was taken from a key and removed between the two reads has no name any more
            let name = |key: &ApiKey| names.get(&key.properties.role).cloned().unwrap_or_default();
            let line =
                |key| wire::ApiKeyLine { role_name: name(&key), key: shown(key, wire::ApiKeyMore::default(), &app) };
            Ok(Piece { last: keys.last().map(|key| key.id.get()), items: keys.into_iter().map(line).collect() })
        }
    })
    .await
}

/// Keys by criteria: of the standard kind, unless `?kind=` or a criterion names others.
pub async fn search(
    caller: Caller<ViewApiKeys>,
    query: Query,
    filter: Body<wire::SearchFilter>,
    app: App,
) -> Result<Found<wire::ApiKeys>> {
    let filter = Filter::read(filter.0)?;
    let (now, look) = (app.now(), Look::of(&query, &app)?);
    let otherwise = if filter.names("kind") { Kinds::All } else { Kinds::STANDARD };
    let kinds = named_kinds(&query)?.unwrap_or(otherwise);
    if filter.names("status") {
        app.key_usage.flush_soon(&app.database).await?;
    }
    let deadline = Deadline::after(app.rules.search_deadline);
    let found = app.database.read_list(move |db| {
        let moment = moment(db, &caller, now)?;
        let keys = search_store::search(db, &caller, kinds, filter.clone(), &moment, deadline)?;
        let more = look.at(db, &caller, caller.tenant().id, &keys)?;
        Ok((keys, more))
    });
    let (keys, more) = found.await?;
    let shown = keys.into_iter().zip(more).map(|(key, more)| shown(key, more, &app)).collect::<Vec<_>>();
    Ok(Found(shown.len(), wire::ApiKeys { api_keys: shown }))
}

/// How many keys have each status. What was used and is not written down yet is written first: the database counts.
pub async fn counts(caller: Caller<ViewApiKeys>, query: Query, app: App) -> Result<Json<wire::ApiKeyCounts>> {
    let (kinds, now) = (kinds(&query)?, app.now());
    app.key_usage.flush_soon(&app.database).await?;
    let counted = app.database.read_list(move |db| {
        let moment = moment(db, &caller, now)?;
        search_store::counts(db, &caller, kinds, &moment)
    });
    let statuses = Status::WORDS.into_iter().zip(counted.await?).collect();
    Ok(Json(wire::ApiKeyCounts { statuses }))
}

/// What statuses depend on, now, in the caller's tenant.
pub(super) fn moment<R, V>(db: &mut Db, caller: &Caller<R, V>, now: Timestamp) -> Result<Moment> {
    Ok(Moment::of(api_key_profiles::all_for(db, caller.tenant().id)?.values(), now))
}

/// One key.
pub async fn describe(
    caller: Caller<ViewApiKeys>,
    id: InPath<ApiKeyID>,
    query: Query,
    app: App,
) -> Result<Json<wire::ApiKey>> {
    let look = Look::of(&query, &app)?;
    let (key, more) = app.database.look_up(move |db| found(db, &caller, id.0, no_such_key, &look)).await?;
    Ok(Json(shown(key, more, &app)))
}

/// One key, with what is asked for besides.
pub(super) fn found<R, V>(
    db: &mut Db,
    caller: &Caller<R, V>,
    id: ApiKeyID,
    gone: fn() -> Error,
    look: &Look,
) -> Result<(ApiKey, wire::ApiKeyMore)> {
    let key = store::find(db, caller, id)?.ok_or_else(gone)?;
    let more = look.at_one(db, caller, &key)?;
    Ok((key, more))
}

/// The key that the call is made with; any live key may look at itself.
pub async fn describe_current(
    caller: Caller<Authenticated, ViaKey>,
    query: Query,
    app: App,
) -> Result<Json<wire::ApiKeyCurrent>> {
    let (me, id, look) = (caller.clone(), caller.key().id, Look::of(&query, &app)?);
    let (key, more) = app.database.look_up(move |db| found(db, &me, id, current_is_gone, &look)).await?;
    Ok(Json(shown_as_current(key, more, &caller, &app)))
}

/// Changes the name, the description, the language or the time zone of the key that the call is made with. The
/// right is needed as for any other key: a stolen one does not hide under another name.
pub async fn modify_current(
    caller: Caller<EditApiKeys, ViaKey>,
    query: Query,
    body: Body<wire::ApiKeyCurrentChange>,
    app: App,
) -> Result<Json<wire::ApiKeyCurrent>> {
    let (now, maker, id) = (app.now(), maker(&caller), caller.key().id);
    let changes = Changes::new(body.0.into())?;
    let look = Look::of(&query, &app)?;
    let (key, more) = app
        .change(&caller, move |db, caller| {
            let old = store::find_to_change(db, caller, id)?.ok_or_else(current_is_gone)?;
            let types = profiled::types_for(db, caller.tenant().id, &maker, id)?;
            let properties = changes.applied_to(&old, &types, &maker, now)?;
            store::update(db, caller, id, &properties, false)?;
            let details = differences(&old.properties, &properties);
            let event = Event::new(EventKind::ApiKeyUpdated, target(&old)).with(details);
            Ok((found(db, caller, id, current_is_gone, &look)?, event))
        })
        .await?;
    Ok(Json(shown_as_current(key, more, &caller, &app)))
}

/// Changes what is sent of a key. Its secret stays, unless it is for other API types now and its profile has the
/// secret replaced then: the new one is in this answer.
pub async fn modify(
    caller: Caller<EditApiKeys>,
    id: InPath<ApiKeyID>,
    query: Query,
    body: Body<wire::ApiKeyChange>,
    app: App,
) -> Result<Warned<wire::ApiKeyChanged>> {
    let (now, maker, id, look) = (app.now(), maker(&caller), id.0, Look::of(&query, &app)?);
    let changes = Changes::new(body.0.into())?;
    let unlocks = changes.unlocks();
    let usage = app.key_usage.clone();
    // should the change need one
    let secret = SecretKey::generate()?;
    let digest = secret.digest();
    let (key, more, replaced) = app
        .change_across(&caller, move |db, caller| {
            let under = changes.asked_under().clone();
            profiled::prepare(db, caller, &under)?;
            let old = store::find_to_change(db, caller, id)?.ok_or_else(no_such_key)?;
            changes.must_be_of(old.kind)?;
            profiled::must_keep_profile(db, caller.tenant().id, &old, &under)?;
            let types = profiled::types_for(db, caller.tenant().id, &maker, id)?;
            let properties = changes.applied_to(&old, &types, &maker, now)?;
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
                maker.may_renew(&old, &changed.properties, &changed.type_ids())?;
                let new = NewSecret { digest, overlap: None, now };
                events.append(&mut secrets::put_in_place(db, caller.tenant().id, &old, &new, &usage)?);
            }
            let (key, more) = found(db, caller, id, no_such_key, &look)?;
            Ok(((key, more, changed.replaces_secret), events))
        })
        .await?;
    if unlocks || replaced {
        app.key_usage.forget_failures(id);
    }
    let printed = replaced.then(|| secret.printed(caller.tenant().key_prefix(), id));
    let warning = unbounded(&key);
    let answer = wire::ApiKeyChanged {
        secret_key: printed.map(|printed| wire::SecretOnce::new(printed.expose())),
        service_account: key.service_account,
        id,
        head: head(key, &app),
        more,
    };
    Ok(Warned(warning, answer))
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

pub(super) fn no_such_key() -> Error {
    Error::not_found("API key")
}

/// The key of the call was deleted while the call was on its way.
pub(super) fn current_is_gone() -> Error {
    Error::new(Reason::InvalidApiKey, "The API key is not valid.")
}

/// The caller as the rules know whoever makes something.
pub fn maker<R, V>(caller: &Caller<R, V>) -> Maker {
    let bounds = caller.bounds().map(bounds_of);
    Maker { grant: caller.grant().clone(), expires: caller.expires(), bounds: bounds.unwrap_or_default() }
}

/// The bounds of a key as the rules know them.
pub(super) fn bounds_of(key: &KeyBounds) -> Bounds {
    let issuer = key.administrator.map(Issuer::Administrator).or(key.key.map(Issuer::ApiKey));
    let constraints = constraints::Constraints { not_before: None, ..key.constraints.clone() };
    let ends_with = issuer.filter(|_| key.issuer_bound).map(|issuer| (key.profile, issuer));
    let is_tied = key.is_throttled || !key.api_types.is_empty();
    let ties = is_tied.then(|| Ties { profile: key.profile, types: key.api_types.clone() });
    Bounds { constraints, time_zone: Some(key.time_zone), key: Some(key.id), ties, ends_with }
}

/// An answer, with what the caller should know beside it in a header.
pub struct Warned<T>(pub Option<String>, pub T);

impl<T: serde::Serialize> Responder for Warned<T> {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut answer = HttpResponse::Ok();
        if let Some(warning) = self.0 {
            answer.insert_header((WARNING, warning));
        }
        answer.json(self.1)
    }
}

/// The warning that a key may be used from anywhere though its networks are named, or from nowhere.
pub(super) fn unbounded(key: &ApiKey) -> Option<String> {
    networks_warning("constraints.networks.", &key.properties.constraints.networks)
}

/// What whoever named some networks should know of them; `within` is what stands in front of the members' names.
pub fn networks_warning(within: &str, networks: &constraints::Networks) -> Option<String> {
    let said = |(member, what): (&str, String)| format!("{within}{member}: {what}");
    let warnings: Vec<String> = networks.warnings().into_iter().map(said).collect();
    (!warnings.is_empty()).then(|| warnings.join("; "))
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
    let (were, are) = (&old.constraints, &new.constraints);
    let windows = |list: &[constraints::Window]| json!(list.iter().map(shown_window).collect::<Vec<_>>());
    let pairs: [(&str, Value, Value); 13] = [
        ("keyName", json!(old.name.as_str()), json!(new.name.as_str())),
        ("description", json!(old.description.as_str()), json!(new.description.as_str())),
        ("locale", json!(old.locale.as_str()), json!(new.locale.as_str())),
        ("roleID", json!(old.role), json!(new.role)),
        ("timeZone", json!(old.time_zone.as_str()), json!(new.time_zone.as_str())),
        ("active", json!(old.active), json!(new.active)),
        ("expiryDate", json!(old.expiry), json!(new.expiry)),
        ("constraints.target", json!(were.target), json!(are.target)),
        ("constraints.notBefore", json!(were.not_before), json!(are.not_before)),
        ("constraints.networks", json!(shown_networks(&were.networks)), json!(shown_networks(&are.networks))),
        ("constraints.remainingUses", json!(were.remaining_uses), json!(are.remaining_uses)),
        ("constraints.callsPerMinute", json!(were.calls_per_minute), json!(are.calls_per_minute)),
        ("constraints.windows", windows(&were.windows), windows(&are.windows)),
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

pub(super) fn shown(key: ApiKey, more: wire::ApiKeyMore, app: &App) -> wire::ApiKey {
    wire::ApiKey { service_account: key.service_account, id: key.id, head: head(key, app), more }
}

/// A key with its secret, of a tenant whose keys have this in front of them.
pub fn with_secret(
    key: ApiKey,
    more: wire::ApiKeyMore,
    secret: &SecretKey,
    prefix: Option<Uuid>,
    app: &App,
) -> wire::ApiKeyWithSecret {
    let printed = secret.printed(prefix, key.id);
    wire::ApiKeyWithSecret {
        secret_key: wire::SecretOnce::new(printed.expose()),
        service_account: key.service_account,
        id: key.id,
        head: head(key, app),
        more,
    }
}

fn shown_as_current<R, V>(
    key: ApiKey,
    more: wire::ApiKeyMore,
    caller: &Caller<R, V>,
    app: &App,
) -> wire::ApiKeyCurrent {
    let tenant = caller.tenant();
    wire::ApiKeyCurrent {
        service_account: key.service_account,
        role_urn: roles::urn(caller.role_name(), tenant.id),
        tenant_id: tenant.id,
        tenant_guid: tenant.guid.hyphenated().to_string(),
        id: key.id,
        head: head(key, app),
        more,
    }
}

pub(super) fn asked(expiry_date: Patch<Number>) -> Expiry {
    match expiry_date {
        Patch::Absent => Expiry::Unsaid,
        Patch::Null => Expiry::Never,
        Patch::Value(Number(millis)) => Expiry::from_millis(millis),
    }
}

/// What the key's profile has a say in; 0 is no profile in particular, as everywhere.
pub(super) fn under(lifecycle: Option<&wire::LifecycleWish>, constraints: Option<&wire::ConstraintsWish>) -> Asked {
    let named = lifecycle.and_then(|lifecycle| lifecycle.profile_id).filter(|Number(id)| *id != 0);
    let profile_name = lifecycle.and_then(|lifecycle| lifecycle.profile.clone());
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
    Asked { profile: named.map(|Number(id)| ProfileID::new(id)), profile_name, target, api_types }
}

/// What a body says of bounds. What the key is for (`target`, `apiTypes`) is read beside its profile.
pub(super) fn bounds(wish: Option<wire::ConstraintsWish>) -> constraints::Wanted {
    fn said<T, U>(patch: Patch<T>, plain: impl FnOnce(T) -> U) -> Option<Option<U>> {
        match patch {
            Patch::Absent => None,
            Patch::Null => Some(None),
            Patch::Value(value) => Some(Some(plain(value))),
        }
    }
    let number = |Number(number)| number;
    let wish = wish.unwrap_or_default();
    constraints::Wanted {
        not_before: said(wish.not_before, number),
        networks: said(wish.networks, |networks| (networks.allow, networks.deny)),
        remaining_uses: said(wish.remaining_uses, number),
        calls_per_minute: said(wish.calls_per_minute, number),
        windows: said(wish.windows, |windows| {
            windows.into_iter().map(|window| (window.days, window.from, window.to)).collect()
        }),
    }
}

macro_rules! wanted_from {
    ($($body:ty { $($lifecycle:ident)? }),+) => {$(
        impl From<$body> for Wanted {
            fn from(body: $body) -> Self {
                let lifecycle: Option<wire::LifecycleWish> = None$(.or(body.$lifecycle))?;
                Self {
                    under: under(lifecycle.as_ref(), body.constraints.as_ref()),
                    key_name: body.key_name,
                    description: body.description,
                    locale: body.locale,
                    role: body.role_id.map(|Number(id)| RoleID::new(id)),
                    time_zone: body.time_zone,
                    active: body.active.map(|Flag(active)| active),
                    expiry: asked(body.expiry_date),
                    constraints: bounds(body.constraints),
                    kind: lifecycle.and_then(|wish| wish.kind),
                }
            }
        }
    )+};
}

wanted_from!(
    wire::NewApiKey { lifecycle },
    wire::NewTenantApiKey { lifecycle },
    wire::WantedApiKey { lifecycle },
    wire::ApiKeyChange { lifecycle }
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
            constraints: constraints::Wanted::default(),
            kind: None,
        }
    }
}
