//! The table of roles.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::rules::Role;
use crate::auth::Caller;
use crate::db::schema::roles;
use crate::db::{Db, MultiBackend, inner};
use crate::error::{Error, Reason, Result, is_foreign_key_violation, is_unique_violation};
use crate::id::{RoleID, TenantID};
use crate::name::fold;
use crate::rights::{Grant, Reach, Rights, Ways};
use crate::search::{Comparison, Condition, Field, Filter, boolean, boolean_field, number_field, text, text_field};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = roles, check_for_backend(MultiBackend))]
struct Row {
    id: RoleID,
    tenant_id: Option<TenantID>,
    immutable: bool,
    role_version: i64,
    #[diesel(embed)]
    properties: PropertiesRow,
}

/// What can be changed of a role.
#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = roles, check_for_backend(MultiBackend))]
struct PropertiesRow {
    name: String,
    name_fold: String,
    description: String,
    description_fold: String,
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
}

impl From<&Role> for PropertiesRow {
    fn from(role: &Role) -> Self {
        let list = |ids: &std::collections::BTreeSet<i64>| serde_json::json!(ids).to_string();
        let reach = &role.grant.reach;
        Self {
            name: role.name.clone(),
            name_fold: fold(&role.name),
            description: role.description.clone(),
            description_fold: fold(&role.description),
            equal_or_lesser_only: role.equal_or_lesser_only,
            all_computers: reach.all_computers,
            all_policies: reach.all_policies,
            allow_user_interface: role.grant.ways.user_interface,
            allow_web_service: role.grant.ways.web_service,
            allow_manage_workload_link: role.allow_manage_workload_link,
            allow_migration: role.allow_migration,
            rights: role.grant.rights.to_bytes(),
            computer_ids: list(&reach.computers),
            computer_group_ids: list(&reach.computer_groups),
            policy_ids: list(&reach.policies),
        }
    }
}

impl Row {
    fn into_role(self) -> Result<Role> {
        let ids = |json: &str| serde_json::from_str(json).map_err(Error::internal);
        let properties = self.properties;
        let reach = Reach {
            all_computers: properties.all_computers,
            all_policies: properties.all_policies,
            computers: ids(&properties.computer_ids)?,
            computer_groups: ids(&properties.computer_group_ids)?,
            policies: ids(&properties.policy_ids)?,
        };
        let ways = Ways { user_interface: properties.allow_user_interface, web_service: properties.allow_web_service };
        Ok(Role {
            id: self.id,
            name: properties.name,
            description: properties.description,
            immutable: self.immutable,
            built_in: self.tenant_id.is_none(),
            equal_or_lesser_only: properties.equal_or_lesser_only,
            allow_manage_workload_link: properties.allow_manage_workload_link,
            allow_migration: properties.allow_migration,
            grant: Grant { rights: Rights::from_bytes(&properties.rights), reach, ways },
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
    let visible = roles::tenant_id.is_null().or(roles::tenant_id.eq(tenant));
    let query = roles::table.filter(visible).filter(roles::id.eq(id));
    let row: Option<Row> = inner!(db, inner => query.select(Row::as_select()).get_result(inner)).optional()?;
    row.map(Row::into_role).transpose()
}

/// A role that the caller can see, by ID, for a statement that changes it.
macro_rules! row_of {
    ($caller:expr, $id:expr) => {
        roles::table
            .filter(roles::id.eq($id))
            .filter(roles::tenant_id.is_null().or(roles::tenant_id.eq($caller.tenant().id)))
    };
}

/// One role that the caller is about to change or remove: nobody else changes it until the transaction ends, so that
/// a right which one change takes is not given back by another that began before. PostgreSQL holds a row that was
/// written to; SQLite has one writer.
pub fn find_to_change<R, V>(db: &mut Db, caller: &Caller<R, V>, id: RoleID) -> Result<Option<Role>> {
    diesel::update(row_of!(caller, id)).set(roles::role_version.eq(roles::role_version)).execute(db)?;
    find(db, caller, id)
}

fn name_taken() -> Error {
    Error::new(Reason::NameTaken, "name: another role has this name already.")
}

/// The unique index knows the tenant's own names; built-in roles' stand besides, and never change.
fn must_be_free(db: &mut Db, role: &Role) -> Result<()> {
    let same = roles::table.filter(roles::tenant_id.is_null()).filter(roles::name_fold.eq(fold(&role.name)));
    let taken: Option<RoleID> = same.filter(roles::id.ne(role.id)).select(roles::id).get_result(db).optional()?;
    taken.map_or(Ok(()), |_| Err(name_taken()))
}

fn refused(error: diesel::result::Error) -> Error {
    if is_unique_violation(&error) { name_taken() } else { error.into() }
}

/// Makes a role; its ID is in what is handed back.
pub fn insert<R, V>(db: &mut Db, caller: &Caller<R, V>, role: Role) -> Result<Role> {
    must_be_free(db, &role)?;
    let id = diesel::insert_into(roles::table)
        .values((
            PropertiesRow::from(&role),
            roles::tenant_id.eq(Some(caller.tenant().id)),
            roles::immutable.eq(false),
            roles::role_version.eq(1),
        ))
        .returning(roles::id)
        .get_result(db)
        .map_err(refused)?;
    Ok(Role { id, ..role })
}

/// Stores a changed role.
pub fn update<R, V>(db: &mut Db, caller: &Caller<R, V>, role: &Role) -> Result<()> {
    must_be_free(db, role)?;
    let changed = diesel::update(row_of!(caller, role.id))
        .set((PropertiesRow::from(role), roles::role_version.eq(roles::role_version + 1)))
        .execute(db)
        .map_err(refused)?;
    if changed == 0 { Err(Error::not_found("role")) } else { Ok(()) }
}

/// Removes a role that nobody bears. The tables of those who do refer to it, and the database itself sees to it that
/// none of them is left without: a key that is minted at this very moment too.
pub fn delete<R, V>(db: &mut Db, caller: &Caller<R, V>, id: RoleID) -> Result<()> {
    let in_use = |error: diesel::result::Error| match is_foreign_key_violation(&error) {
        true => Error::new(
            Reason::Conflict,
            "The role is in use. Give its administrators and API keys another role first, or delete them.",
        ),
        false => error.into(),
    };
    match diesel::delete(row_of!(caller, id)).execute(db).map_err(in_use)? {
        0 => Err(Error::not_found("role")),
        _ => Ok(()),
    }
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

/// The names of all roles that the caller can see.
pub fn names<R, V>(db: &mut Db, caller: &Caller<R, V>) -> Result<BTreeMap<RoleID, String>> {
    names_for(db, caller.tenant().id)
}

/// The names of all roles that a tenant can use.
pub fn names_for(db: &mut Db, tenant: TenantID) -> Result<BTreeMap<RoleID, String>> {
    let names: Vec<(RoleID, String)> = visible_to(tenant).select((roles::id, roles::name)).load(db)?;
    Ok(names.into_iter().collect())
}

/// Puts Full Access and Auditor into the database, and brings Full Access up to a program that knows more rights.
/// Auditor may have been changed since: that stays.
pub fn put_built_in(db: &mut Db) -> Result<()> {
    for role in Role::built_in() {
        let properties = PropertiesRow::from(&role);
        let known: Option<Vec<u8>> = roles::table.find(role.id).select(roles::rights).get_result(db).optional()?;
        match known {
            None => {
                let row = Row { id: role.id, tenant_id: None, immutable: role.immutable, role_version: 1, properties };
                diesel::insert_into(roles::table).values(row).execute(db)?;
            }
            Some(rights) if role.immutable && rights != properties.rights => {
                diesel::update(roles::table.find(role.id)).set(roles::rights.eq(properties.rights)).execute(db)?;
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
