//! `/api/tenants`, for callers of the primary tenant.

use std::collections::HashMap;

use actix_web::HttpResponse;
use actix_web::web::Json;
use serde_json::{Value, json};

use super::rules::{Changes, FirstAdministrator, Properties, State, Tenant, Wanted};
use super::{purge, store};
use crate::administrators::{self, NewAdministrator, PasswordRules, PrimaryContact};
use crate::app::App;
use crate::audit::{Event, EventKind, Target, differences_of};
use crate::auth::Caller;
use crate::body::{Body, InPath, Query};
use crate::db::Db;
use crate::error::{Error, Reason, Result};
use crate::id::{RoleID, TenantID};
use crate::list::{self, Found, Piece};
use crate::rights::{Authenticated, CreateTenants, DeleteTenants, EditTenants, ViewTenants};
use crate::search::Filter;
use crate::secret::random_guid;
use crate::wire::{self, Flag, Number};

/// Every tenant but the primary one.
pub async fn list(_: Caller<ViewTenants>, app: App) -> Result<HttpResponse> {
    list::answer("tenants", move |after| {
        let app = app.clone();
        async move {
            let after = TenantID::new(after);
            let read =
                move |db: &mut Db| store::list(db, after, list::PIECE).and_then(|piece| with_contacts(db, piece));
            let tenants = app.database.read(read).await?;
            let last = tenants.last().map(|(tenant, _)| tenant.id.get());
            Ok(Piece { last, items: tenants.into_iter().map(shown).collect() })
        }
    })
    .await
}

/// Tenants by criteria.
pub async fn search(
    _: Caller<ViewTenants>,
    filter: Body<wire::SearchFilter>,
    app: App,
) -> Result<Found<wire::Tenants>> {
    let filter = Filter::read(filter.0)?;
    let read = move |db: &mut Db| store::search(db, filter).and_then(|found| with_contacts(db, found));
    let tenants = app.database.read(read).await?;
    Ok(Found(tenants.len(), wire::Tenants { tenants: tenants.into_iter().map(shown).collect() }))
}

/// One tenant, the primary one included.
pub async fn describe(_: Caller<ViewTenants>, id: InPath<TenantID>, app: App) -> Result<Json<wire::Tenant>> {
    let tenant = app.database.read(move |db| found(db, id.0)).await?;
    Ok(Json(shown(tenant)))
}

/// The URL of a tenant of its own: an absolute one where `public_url` is set, else a path on this server. What is behind
/// the general URL is behind it too, put in front of `/api/…`.
pub async fn url_of(app: &App, id: TenantID) -> Result<String> {
    let label = app.database.look_up(move |db| store::label(db, id)).await?.ok_or_else(no_such_tenant)?;
    Ok(app.urls.of(&label))
}

/// What serves the caller, and where.
pub async fn about(caller: Caller<Authenticated>, app: App) -> Result<Json<wire::About>> {
    let tenant = caller.tenant();
    let known = app.database.look_up(move |db| store::find(db, tenant.id)).await?.ok_or_else(no_such_tenant)?;
    Ok(Json(wire::About {
        product: "Firstkey",
        version: env!("CARGO_PKG_VERSION"),
        api_version: "v1",
        tenant_name: known.properties.name.as_str().to_owned(),
        tenant_id: tenant.id,
        tenant_guid: tenant.guid.hyphenated().to_string(),
        tenant_url: url_of(&app, tenant.id).await?,
        general_url: app.urls.general().map(str::to_owned),
    }))
}

/// Makes a tenant with its first administrator, ready for use when this answers: `asynchronous` and
/// `bypassTenantCache` change nothing.
pub async fn create(
    caller: Caller<CreateTenants>,
    query: Query,
    body: Body<wire::NewTenant>,
    app: App,
) -> Result<Json<wire::Tenant>> {
    must_need_no_confirmation(&query)?;
    let mut body = body.0;
    let first = first_administrator(body.administrator.take())?;
    let properties = Changes::new(body.into())?.of_a_new_one(app.time_zone)?;
    let rules = app.rules_of(caller.tenant().id).await?;
    PasswordRules::of(&rules).check(first.username.as_str(), &first.password)?;
    caller.must_last()?;
    let password_hash = app.lane.hash(app.keyring.peppered(&first.password)).await?;
    let (guid, now) = (random_guid()?, app.now());
    let tenant = app
        .change_across(&caller, move |db, _| {
            let id = store::create(db, guid, &properties, now)?;
            let new = NewAdministrator {
                tenant: id,
                username: first.username,
                password_hash,
                initial_password_until: None,
                role: RoleID::FULL_ACCESS,
                email_address: first.email_address,
                time_zone: properties.time_zone.as_str(),
            };
            let administrator = administrators::insert(db, &new, now)?;
            let made = Event::new(EventKind::TenantCreated, target(id, &properties));
            let person = Target::new("administrator", administrator.get(), new.username.as_str());
            let joined = Event::new(EventKind::AdministratorCreated, person).with(json!({ "role": "Full Access" }));
            let events = vec![made.clone(), made.in_tenant(id), joined.in_tenant(id)];
            Ok((found(db, id)?, events))
        })
        .await?;
    Ok(Json(shown(tenant)))
}

/// Changes what is sent of a tenant. Suspended, it is shut out from the next request on.
pub async fn modify(
    caller: Caller<EditTenants>,
    id: InPath<TenantID>,
    body: Body<wire::TenantChange>,
    app: App,
) -> Result<Json<wire::Tenant>> {
    let (id, changes) = (id.0, Changes::new(body.0.into())?);
    let tenant = app
        .change_across(&caller, move |db, caller| {
            let old = store::find(db, id)?.ok_or_else(no_such_tenant)?;
            changes.must_suit(&old)?;
            let properties = changes.applied_to(&old.properties);
            if properties.state != old.properties.state && properties.state == State::Active {
                caller.must_last()?;
            }
            store::update(db, id, &properties)?;
            let details = differences(&old.properties, &properties);
            let event = Event::new(EventKind::TenantUpdated, target(id, &old.properties)).with(details);
            Ok((found(db, id)?, in_both(id, event)))
        })
        .await?;
    Ok(Json(shown(tenant)))
}

/// Removes a tenant: it is gone when this answers, though its rows are removed piece by piece afterwards.
pub async fn delete(caller: Caller<DeleteTenants>, id: InPath<TenantID>, app: App) -> Result<HttpResponse> {
    let id = id.0;
    app.change_across(&caller, move |db, _| {
        let tenant = store::find(db, id)?.ok_or_else(no_such_tenant)?;
        if id == TenantID::PRIMARY {
            return Err(Error::new(Reason::Conflict, "The primary tenant cannot be removed."));
        }
        store::begin_deletion(db, id)?;
        let event = Event::new(EventKind::TenantDeleted, target(id, &tenant.properties));
        Ok(((), in_both(id, event)))
    })
    .await?;
    purge::begin(&app);
    Ok(HttpResponse::NoContent().finish())
}

fn no_such_tenant() -> Error {
    Error::not_found("tenant")
}

/// The query's three members. A confirmation comes by mail, and this server sends none: where nobody asks for one,
/// the tenant is made at once; who insists is told, rather than given a tenant that nobody confirmed.
fn must_need_no_confirmation(query: &Query) -> Result<()> {
    query.flag("bypassTenantCache")?;
    query.flag("asynchronous")?;
    match query.flag("confirmationRequired")? {
        Some(true) => Err(Error::new(
            Reason::BadRequest,
            "confirmationRequired: this server sends no mail to confirm by. Send false: the tenant is made at once.",
        )),
        _ => Ok(()),
    }
}

/// The address is checked and goes no further: administrators have none yet.
fn first_administrator(sent: Option<wire::FirstAdministrator>) -> Result<FirstAdministrator> {
    let sent = sent.ok_or_else(|| Error::member("administrator", "username and password are needed"))?;
    FirstAdministrator::new(sent.username, sent.password, sent.email_address)
}

/// What the primary tenant does to another is an event of both; to itself, of one.
fn in_both(id: TenantID, event: Event) -> Vec<Event> {
    match id {
        TenantID::PRIMARY => vec![event],
        id => vec![event.clone(), event.in_tenant(id)],
    }
}

fn target(id: TenantID, properties: &Properties) -> Target {
    Target::new("tenant", id.get(), properties.name.as_str())
}

/// What changed, from what to what.
fn differences(old: &Properties, new: &Properties) -> Value {
    let pairs: [(&str, Value, Value); 9] = [
        ("databaseServerID", json!(old.database_server), json!(new.database_server)),
        ("name", json!(old.name.as_str()), json!(new.name.as_str())),
        ("description", json!(old.description.as_str()), json!(new.description.as_str())),
        ("timeZone", json!(old.time_zone.as_str()), json!(new.time_zone.as_str())),
        ("locale", json!(old.locale.as_str()), json!(new.locale.as_str())),
        ("demoMode", json!(old.demo_mode), json!(new.demo_mode)),
        ("modulesVisible", json!(old.modules_visible), json!(new.modules_visible)),
        ("hideUnlicensedModules", json!(old.hide_unlicensed_modules), json!(new.hide_unlicensed_modules)),
        ("tenantState", json!(old.state.as_str()), json!(new.state.as_str())),
    ];
    differences_of(pairs)
}

/// A tenant and its contacts.
type Known = (Tenant, Vec<PrimaryContact>);

fn found(db: &mut Db, id: TenantID) -> Result<Known> {
    let tenant = store::find(db, id)?.ok_or_else(no_such_tenant)?;
    with_contacts(db, vec![tenant])?.pop().ok_or_else(no_such_tenant)
}

/// Adds the contacts, in one statement for all.
fn with_contacts(db: &mut Db, tenants: Vec<Tenant>) -> Result<Vec<Known>> {
    let (Some(first), Some(last)) = (tenants.first(), tenants.last()) else {
        return Ok(Vec::new());
    };
    let mut contacts: HashMap<TenantID, Vec<PrimaryContact>> = HashMap::new();
    for contact in administrators::primary_contacts(db, first.id, last.id)? {
        contacts.entry(contact.tenant).or_default().push(contact);
    }
    let known = tenants.into_iter().map(|tenant| {
        let contacts = contacts.remove(&tenant.id).unwrap_or_default();
        (tenant, contacts)
    });
    Ok(known.collect())
}

fn shown((tenant, contacts): Known) -> wire::Tenant {
    let properties = tenant.properties;
    wire::Tenant {
        database_server_id: properties.database_server,
        name: properties.name.as_str().to_owned(),
        description: properties.description.as_str().to_owned(),
        time_zone: properties.time_zone.as_str().to_owned(),
        locale: properties.locale.as_str().to_owned(),
        demo_mode: properties.demo_mode,
        modules_visible: properties.modules_visible,
        hide_unlicensed_modules: properties.hide_unlicensed_modules,
        last_signin_time: tenant.last_signin_time,
        tenant_state: properties.state.as_str().to_owned(),
        primary_contacts: contacts
            .into_iter()
            .map(|contact| wire::PrimaryContact {
                id: contact.id,
                role_id: contact.role,
                username: contact.username,
                email_address: contact.email_address,
            })
            .collect(),
        guid: tenant.guid.hyphenated().to_string(),
        id: tenant.id,
    }
}

macro_rules! wanted_from {
    ($($body:ty),+) => {$(
        impl From<$body> for Wanted {
            fn from(body: $body) -> Self {
                Self {
                    database_server: body.database_server_id.map(|Number(id)| id),
                    name: body.name,
                    description: body.description,
                    time_zone: body.time_zone,
                    locale: body.locale,
                    demo_mode: body.demo_mode.map(|Flag(on)| on),
                    modules_visible: body.modules_visible,
                    hide_unlicensed_modules: body.hide_unlicensed_modules.map(|Flag(on)| on),
                    state: body.tenant_state,
                }
            }
        }
    )+};
}

wanted_from!(wire::NewTenant, wire::TenantChange);
