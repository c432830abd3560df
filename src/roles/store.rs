//! The table of roles.

use diesel::prelude::*;

use super::rules::Role;
use crate::auth::Caller;
use crate::db::schema::roles;
use crate::db::{Db, MultiBackend};
use crate::error::{Error, Result};
use crate::id::{RoleID, TenantID};
use crate::name::fold;
use crate::rights::{Grant, Reach, Rights};
use crate::search::{Comparison, Condition, Field, Filter, boolean, boolean_field, number_field, text, text_field};

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = roles, check_for_backend(MultiBackend))]
struct Row {
    id: RoleID,
    tenant_id: Option<TenantID>,
    name: String,
    name_fold: String,
    description: String,
    description_fold: String,
    immutable: bool,
    equal_or_lesser_only: bool,
    all_computers: bool,
    all_policies: bool,
    allow_user_interface: bool,
    allow_web_service: bool,
    allow_manage_workload_link: bool,
    allow_migration: bool,
    rights: Vec<u8>,
    computer_ids: String,
    computer_group_ids: String,
    policy_ids: String,
    role_version: i64,
}

impl Row {
    fn from_role(role: &Role, tenant: Option<TenantID>) -> Self {
        let list = |ids: &std::collections::BTreeSet<i64>| serde_json::json!(ids).to_string();
        let reach = &role.grant.reach;
        Self {
            id: role.id,
            tenant_id: tenant,
            name: role.name.clone(),
            name_fold: fold(&role.name),
            description: role.description.clone(),
            description_fold: fold(&role.description),
            immutable: role.immutable,
            equal_or_lesser_only: role.equal_or_lesser_only,
            all_computers: reach.all_computers,
            all_policies: reach.all_policies,
            allow_user_interface: role.allow_user_interface,
            allow_web_service: role.allow_web_service,
            allow_manage_workload_link: role.allow_manage_workload_link,
            allow_migration: role.allow_migration,
            rights: role.grant.rights.to_bytes(),
            computer_ids: list(&reach.computers),
            computer_group_ids: list(&reach.computer_groups),
            policy_ids: list(&reach.policies),
            role_version: 1,
        }
    }

    fn into_role(self) -> Result<Role> {
        let ids = |json: &str| serde_json::from_str(json).map_err(Error::internal);
        let reach = Reach {
            all_computers: self.all_computers,
            all_policies: self.all_policies,
            computers: ids(&self.computer_ids)?,
            computer_groups: ids(&self.computer_group_ids)?,
            policies: ids(&self.policy_ids)?,
        };
        Ok(Role {
            id: self.id,
            name: self.name,
            description: self.description,
            immutable: self.immutable,
            equal_or_lesser_only: self.equal_or_lesser_only,
            allow_user_interface: self.allow_user_interface,
            allow_web_service: self.allow_web_service,
            allow_manage_workload_link: self.allow_manage_workload_link,
            allow_migration: self.allow_migration,
            grant: Grant { rights: Rights::from_bytes(&self.rights), reach },
        })
    }
}

/// What can be searched, and how.
const FIELDS: &[Field<roles::table>] = &[
    text("name", text_field!(roles::name_fold)),
    text("description", text_field!(roles::description_fold)),
    boolean("canOnlyManipulateUsersWithEqualOrLesserRights", boolean_field!(roles::equal_or_lesser_only)),
    boolean("allComputers", boolean_field!(roles::all_computers)),
    boolean("allPolicies", boolean_field!(roles::all_policies)),
    boolean("allowUserInterface", boolean_field!(roles::allow_user_interface)),
    boolean("allowWebService", boolean_field!(roles::allow_web_service)),
    boolean("allowManageWorkloadSecurityLink", boolean_field!(roles::allow_manage_workload_link)),
    boolean("allowMigration", boolean_field!(roles::allow_migration)),
];

const ID: fn(Comparison, i64) -> Condition<roles::table> = number_field!(roles::id);

/// The built-in roles and the tenant's own; every read starts here.
fn visible_to(tenant: TenantID) -> roles::BoxedQuery<'static, MultiBackend> {
    roles::table.filter(roles::tenant_id.is_null().or(roles::tenant_id.eq(tenant))).into_boxed()
}

/// One role that the caller can see.
pub fn find<R, V>(db: &mut Db, caller: &Caller<R, V>, id: RoleID) -> Result<Option<Role>> {
    find_for(db, caller.tenant().id, id)
}

/// One role that a tenant can use.
pub fn find_for(db: &mut Db, tenant: TenantID, id: RoleID) -> Result<Option<Role>> {
    let row: Option<Row> =
        visible_to(tenant).filter(roles::id.eq(id)).select(Row::as_select()).get_result(db).optional()?;
    row.map(Row::into_role).transpose()
}

/// The roles that the caller can see and that meet every criterion, by ID.
pub fn search<R, V>(db: &mut Db, caller: &Caller<R, V>, filter: Filter) -> Result<Vec<Role>> {
    let mut query = visible_to(caller.tenant().id);
    for criterion in filter.criteria {
        query = query.filter(criterion.condition(FIELDS, ID)?);
    }
    let rows: Vec<Row> = query.order(roles::id).limit(filter.most).select(Row::as_select()).load(db)?;
    rows.into_iter().map(Row::into_role).collect()
}

/// At most `most` roles behind `after`, by ID: a list's next piece.
pub fn list<R, V>(db: &mut Db, caller: &Caller<R, V>, after: RoleID, most: i64) -> Result<Vec<Role>> {
    let query = visible_to(caller.tenant().id).filter(roles::id.gt(after)).order(roles::id).limit(most);
    let rows: Vec<Row> = query.select(Row::as_select()).load(db)?;
    rows.into_iter().map(Row::into_role).collect()
}

/// Puts Full Access and Auditor into the database, and brings Full Access up to a program that knows more rights.
/// Auditor may have been changed since: that stays.
pub fn put_built_in(db: &mut Db) -> Result<()> {
    for role in Role::built_in() {
        let row = Row::from_role(&role, None);
        let known: Option<Vec<u8>> = roles::table.find(role.id).select(roles::rights).get_result(db).optional()?;
        match known {
            None => drop(diesel::insert_into(roles::table).values(row).execute(db)?),
            Some(rights) if role.immutable && rights != row.rights => {
                diesel::update(roles::table.find(role.id)).set(roles::rights.eq(row.rights)).execute(db)?;
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Removes at most `most` roles of a tenant that is being removed; answers how many.
pub fn purge(db: &mut Db, tenant: TenantID, most: i64) -> Result<usize> {
    let of_tenant = roles::table.filter(roles::tenant_id.eq(tenant));
    let query = of_tenant.order(roles::id).limit(most).select(roles::id);
    let Some(last) = query.load::<RoleID>(db)?.pop() else { return Ok(0) };
    Ok(diesel::delete(of_tenant.filter(roles::id.le(last))).execute(db)?)
}
