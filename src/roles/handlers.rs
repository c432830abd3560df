//! `/api/administratorroles`, and the same under `/api/roles` as the vendor's SDK calls it.

use actix_web::HttpResponse;
use actix_web::web::Json;

use serde_json::{Value, json};

use super::rules::{Changes, Editor, Role, Wanted};
use super::store;
use crate::app::App;
use crate::audit::{Event, EventKind, Target};
use crate::auth::Caller;
use crate::body::{Body, InPath};
use crate::error::{Error, Result};
use crate::id::{RoleID, TenantID};
use crate::list::{self, Found, Piece};
use crate::rights::{CreateRoles, DeleteRoles, EditRoles, Right, Rights, ViewRoles};
use crate::search::Filter;
use crate::wire::{self, Flag, Number};

/// Makes a role.
pub async fn create(caller: Caller<CreateRoles>, body: Body<wire::NewRole>, app: App) -> Result<Json<wire::Role>> {
    let (tenant, editor) = (caller.tenant().id, editor(&caller));
    let wanted = Changes::new(body.0.into())?.into_new()?;
    let role = app
        .change(&caller, move |db, caller| {
            editor.may_make(&wanted)?;
            let role = store::insert(db, caller, wanted)?;
            let event = Event::new(EventKind::RoleCreated, target(&role)).with(contents(&role));
            Ok((role, event))
        })
        .await?;
    Ok(Json(shown(role, tenant)))
}

/// Changes what is sent of a role; whoever bears it feels it on the next request.
pub async fn modify(
    caller: Caller<EditRoles>,
    id: InPath<RoleID>,
    body: Body<wire::RoleChange>,
    app: App,
) -> Result<Json<wire::Role>> {
    let (tenant, editor) = (caller.tenant().id, editor(&caller));
    let changes = Changes::new(body.0.into())?;
    let role = app
        .change(&caller, move |db, caller| {
            let old = store::find_to_change(db, caller, id.0)?.ok_or_else(no_such_role)?;
            let new = changes.applied_to(&old);
            editor.may_change(&old, &new)?;
            if new != old {
                store::update(db, caller, &new)?;
            }
            let event = Event::new(EventKind::RoleUpdated, target(&old)).with(differences(&old, &new));
            Ok((new, event))
        })
        .await?;
    Ok(Json(shown(role, tenant)))
}

/// Removes a role that nobody bears.
pub async fn delete(caller: Caller<DeleteRoles>, id: InPath<RoleID>, app: App) -> Result<HttpResponse> {
    let editor = editor(&caller);
    app.change(&caller, move |db, caller| {
        let role = store::find_to_change(db, caller, id.0)?.ok_or_else(no_such_role)?;
        editor.may_delete(&role)?;
        store::delete(db, caller, id.0)?;
        Ok(((), Event::new(EventKind::RoleDeleted, target(&role))))
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Every role of the tenant.
pub async fn list(caller: Caller<ViewRoles>, app: App) -> Result<HttpResponse> {
    list::answer("roles", move |after| {
        let (caller, app) = (caller.clone(), app.clone());
        async move {
            let tenant = caller.tenant().id;
            let after = RoleID::new(after);
            let roles = app.database.read(move |db| store::list(db, &caller, after, list::PIECE)).await?;
            let last = roles.last().map(|role| role.id.get());
            Ok(Piece { last, items: roles.into_iter().map(|role| shown(role, tenant)).collect() })
        }
    })
    .await
}

/// One role.
pub async fn describe(caller: Caller<ViewRoles>, id: InPath<RoleID>, app: App) -> Result<Json<wire::Role>> {
    let tenant = caller.tenant().id;
    let role = app.database.read(move |db| store::find(db, &caller, id.0)).await?;
    Ok(Json(shown(role.ok_or_else(no_such_role)?, tenant)))
}

/// Roles by criteria.
pub async fn search(
    caller: Caller<ViewRoles>,
    filter: Body<wire::SearchFilter>,
    app: App,
) -> Result<Found<wire::AdministratorRoles>> {
    let (tenant, filter) = (caller.tenant().id, Filter::read(filter.0)?);
    let roles = app.database.read(move |db| store::search(db, &caller, filter)).await?;
    Ok(Found(
        roles.len(),
        wire::AdministratorRoles { roles: roles.into_iter().map(|role| shown(role, tenant)).collect() },
    ))
}

fn no_such_role() -> Error {
    Error::not_found("role")
}

fn editor<R, V>(caller: &Caller<R, V>) -> Editor {
    Editor { grant: caller.grant().clone(), role: caller.role(), tenant: caller.tenant().id, limit: caller.limit() }
}

fn target(role: &Role) -> Target {
    Target::new("role", role.id.get(), role.name.as_str())
}

fn names(rights: impl Iterator<Item = Right>) -> Value {
    rights.map(|right| format!("{right:?}")).collect()
}

/// The members of a role, but for its rights, as its events tell them.
fn members(role: &Role) -> [(&'static str, Value); 12] {
    let reach = &role.grant.reach;
    [
        ("name", json!(role.name)),
        ("description", json!(role.description)),
        ("canOnlyManipulateUsersWithEqualOrLesserRights", json!(role.equal_or_lesser_only)),
        ("allComputers", json!(reach.all_computers)),
        ("allPolicies", json!(reach.all_policies)),
        ("allowUserInterface", json!(role.grant.ways.user_interface)),
        ("allowWebService", json!(role.grant.ways.web_service)),
        ("allowManageWorkloadSecurityLink", json!(role.allow_manage_workload_link)),
        ("allowMigration", json!(role.allow_migration)),
        ("computerIDs", json!(reach.computers)),
        ("computerGroupIDs", json!(reach.computer_groups)),
        ("policyIDs", json!(reach.policies)),
    ]
}

/// What a new role lets its bearers do, and to what.
fn contents(role: &Role) -> Value {
    let mut contents: serde_json::Map<String, Value> =
        members(role).into_iter().skip(3).map(|(member, value)| (member.to_owned(), value)).collect();
    contents.insert("rights".to_owned(), names(role.grant.rights.iter()));
    contents.into()
}

/// What changed, from what to what.
fn differences(old: &Role, new: &Role) -> Value {
    let pairs = members(old).into_iter().zip(members(new)).filter(|(old, new)| old != new);
    let mut changed: serde_json::Map<String, Value> =
        pairs.map(|((member, old), (_, new))| (member.to_owned(), json!({ "from": old, "to": new }))).collect();
    let only_in = |one: &Rights, other: &Rights| names(one.iter().filter(|right| !other.contains(*right)));
    let (before, after) = (&old.grant.rights, &new.grant.rights);
    if before != after {
        let rights = json!({ "added": only_in(after, before), "removed": only_in(before, after) });
        changed.insert("rights".to_owned(), rights);
    }
    changed.into()
}

macro_rules! wanted_from {
    ($($body:ty),+) => {$(
        impl From<$body> for Wanted {
            fn from(body: $body) -> Self {
                let flag = |member: Option<Flag>| member.map(|Flag(on)| on);
                let ids = |member: Option<Vec<Number>>| member.map(|ids| ids.into_iter().map(|Number(id)| id).collect());
                Self {
                    name: body.name,
                    description: body.description,
                    equal_or_lesser_only: flag(body.can_only_manipulate_users_with_equal_or_lesser_rights),
                    all_computers: flag(body.all_computers),
                    all_policies: flag(body.all_policies),
                    allow_user_interface: flag(body.allow_user_interface),
                    allow_web_service: flag(body.allow_web_service),
                    allow_manage_workload_link: flag(body.allow_manage_workload_security_link),
                    allow_migration: flag(body.allow_migration),
                    rights: body.rights.map(|change| change.0),
                    computers: ids(body.computer_ids),
                    computer_groups: ids(body.computer_group_ids),
                    policies: ids(body.policy_ids),
                }
            }
        }
    )+};
}

wanted_from!(wire::NewRole, wire::RoleChange);

fn shown(role: Role, tenant: TenantID) -> wire::Role {
    let reach = role.grant.reach.clone();
    let unless = |all: bool, ids: std::collections::BTreeSet<i64>| (!all).then(|| ids.into_iter().collect());
    wire::Role {
        urn: role.urn(tenant),
        name: role.name,
        description: role.description,
        immutable: role.immutable,
        can_only_manipulate_users_with_equal_or_lesser_rights: role.equal_or_lesser_only,
        all_computers: reach.all_computers,
        all_policies: reach.all_policies,
        allow_user_interface: role.grant.ways.user_interface,
        allow_web_service: role.grant.ways.web_service,
        allow_manage_workload_security_link: role.allow_manage_workload_link,
        allow_migration: role.allow_migration,
        rights: wire::RightsTree(role.grant.rights),
        computer_ids: unless(reach.all_computers, reach.computers),
        computer_group_ids: unless(reach.all_computers, reach.computer_groups),
        policy_ids: unless(reach.all_policies, reach.policies),
        id: role.id,
    }
}
