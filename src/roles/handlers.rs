//! `/api/administratorroles`, and the same under `/api/roles` as the vendor's SDK calls it.

use actix_web::HttpResponse;
use actix_web::web::Json;

use super::{Role, store};
use crate::app::App;
use crate::auth::Caller;
use crate::body::{Body, InPath};
use crate::error::{Error, Result};
use crate::id::{RoleID, TenantID};
use crate::list::{self, Found, Piece};
use crate::rights::ViewRoles;
use crate::search::Filter;
use crate::wire;

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
    Ok(Json(shown(role.ok_or_else(|| Error::not_found("role"))?, tenant)))
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
        allow_user_interface: role.allow_user_interface,
        allow_web_service: role.allow_web_service,
        allow_manage_workload_security_link: role.allow_manage_workload_link,
        allow_migration: role.allow_migration,
        rights: wire::RightsTree(role.grant.rights),
        computer_ids: unless(reach.all_computers, reach.computers),
        computer_group_ids: unless(reach.all_computers, reach.computer_groups),
        policy_ids: unless(reach.all_policies, reach.policies),
        id: role.id,
    }
}
