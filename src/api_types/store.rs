//! The tables of API types, and of those that keys are for.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::rules::{ApiType, Authorization, KeyApiType, TypeName};
use crate::auth::Caller;
use crate::clock::Timestamp;
use crate::db::schema::{api_key_api_types, api_types};
use crate::db::{Db, MultiBackend};
use crate::error::{Error, Reason, Result, is_foreign_key_violation, is_unique_violation};
use crate::id::{AdministratorID, ApiKeyID, ApiTypeID, TenantID};
use crate::name::fold;
use crate::rights::{Right, Rights};
use crate::search::{Comparison, Condition, Field, Filter, boolean, boolean_field, number_field, text, text_field};

#[derive(Queryable, Selectable)]
#[diesel(table_name = api_types, check_for_backend(MultiBackend))]
struct Row {
    id: ApiTypeID,
    tenant_id: Option<TenantID>,
    name: String,
    title: String,
    description: String,
    needs_authorization: bool,
    rights: String,
}

impl Row {
    fn into_type(self) -> Result<ApiType> {
        Ok(ApiType {
            id: self.id,
            name: self.name,
            title: self.title,
            description: self.description,
            built_in: self.tenant_id.is_none(),
            needs_authorization: self.needs_authorization,
            rights: stored_rights(&self.rights)?,
        })
    }
}

/// Rights that a program of another age knew are none here.
fn stored_rights(json: &str) -> Result<Rights> {
    let names: Vec<String> = serde_json::from_str(json).map_err(Error::internal)?;
    Ok(names.iter().filter_map(|name| Right::find_dotted(name)).collect())
}

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = api_types)]
struct PropertiesRow {
    name: String,
    name_fold: String,
    title: String,
    title_fold: String,
    description: String,
    description_fold: String,
    needs_authorization: bool,
    rights: String,
}

impl From<&ApiType> for PropertiesRow {
    fn from(kind: &ApiType) -> Self {
        let rights: Vec<String> = kind.rights.iter().map(|right| format!("{right:?}")).collect();
        Self {
            name: kind.name.clone(),
            name_fold: fold(&kind.name),
            title: kind.title.clone(),
            title_fold: fold(&kind.title),
            description: kind.description.clone(),
            description_fold: fold(&kind.description),
            needs_authorization: kind.needs_authorization,
            rights: serde_json::json!(rights).to_string(),
        }
    }
}

/// What can be searched, and how.
const FIELDS: &[Field<api_types::table>] = &[
    text("name", text_field!(api_types::name_fold)),
    text("title", text_field!(api_types::title_fold)),
    text("description", text_field!(api_types::description_fold)),
    boolean("needsAuthorization", boolean_field!(api_types::needs_authorization)),
];

const ID: fn(Comparison, i64) -> Condition<api_types::table> = number_field!(api_types::id);

/// The built-in API types and the tenant's own; every read starts here.
fn visible_to(tenant: TenantID) -> api_types::BoxedQuery<'static, MultiBackend> {
    api_types::table.filter(api_types::tenant_id.is_null().or(api_types::tenant_id.eq(tenant))).into_boxed()
}

/// One of the tenant's own, for a statement that changes it: the built-in ones are nobody's.
macro_rules! row_of {
    ($caller:expr, $id:expr) => {
        api_types::table.filter(api_types::id.eq($id)).filter(api_types::tenant_id.eq($caller.tenant().id))
    };
}

/// One API type that the caller can see.
pub fn find<R, V>(db: &mut Db, caller: &Caller<R, V>, id: ApiTypeID) -> Result<Option<ApiType>> {
    let query = visible_to(caller.tenant().id).filter(api_types::id.eq(id));
    let row: Option<Row> = query.select(Row::as_select()).get_result(db).optional()?;
    row.map(Row::into_type).transpose()
}

/// One API type that the caller is about to change: until the transaction ends nobody else changes it, and on
/// PostgreSQL no key becomes one for it meanwhile, because that looks at the row too.
pub fn find_to_change<R, V>(db: &mut Db, caller: &Caller<R, V>, id: ApiTypeID) -> Result<Option<ApiType>> {
    if let Db::Postgres(inner) = db {
        row_of!(caller, id).select(api_types::id).for_update().load::<ApiTypeID>(inner)?;
    }
    find(db, caller, id)
}

/// Whether a key is for it.
pub fn has_keys<R, V>(db: &mut Db, caller: &Caller<R, V>, id: ApiTypeID) -> Result<bool> {
    let query = api_key_api_types::table
        .filter(api_key_api_types::api_type_id.eq(id))
        .filter(api_key_api_types::tenant_id.eq(caller.tenant().id));
    let first: Option<ApiKeyID> = query.select(diesel::dsl::min(api_key_api_types::api_key_id)).get_result(db)?;
    Ok(first.is_some())
}

fn name_taken() -> Error {
    Error::new(Reason::NameTaken, "name: another API type has this name already.")
}

/// The unique index knows the tenant's own names; those of the built-in ones stand besides, and never change.
fn must_be_free(db: &mut Db, kind: &ApiType) -> Result<()> {
    let same =
        api_types::table.filter(api_types::tenant_id.is_null()).filter(api_types::name_fold.eq(fold(&kind.name)));
    let taken: Option<ApiTypeID> = same.select(api_types::id).get_result(db).optional()?;
    taken.map_or(Ok(()), |_| Err(name_taken()))
}

fn refused(error: diesel::result::Error) -> Error {
    if is_unique_violation(&error) { name_taken() } else { error.into() }
}

/// Makes an API type in the caller's tenant; its ID is in what is handed back.
pub fn insert<R, V>(db: &mut Db, caller: &Caller<R, V>, kind: ApiType) -> Result<ApiType> {
    must_be_free(db, &kind)?;
    let id = diesel::insert_into(api_types::table)
        .values((PropertiesRow::from(&kind), api_types::tenant_id.eq(Some(caller.tenant().id))))
        .returning(api_types::id)
        .get_result(db)
        .map_err(refused)?;
    Ok(ApiType { id, ..kind })
}

/// Stores a changed API type.
pub fn update<R, V>(db: &mut Db, caller: &Caller<R, V>, kind: &ApiType) -> Result<()> {
    must_be_free(db, kind)?;
    let row = row_of!(caller, kind.id);
    match diesel::update(row).set(PropertiesRow::from(kind)).execute(db).map_err(refused)? {
        0 => Err(Error::not_found("API type")),
        _ => Ok(()),
    }
}

/// Removes an API type that no key is for. The database itself sees to that.
pub fn delete<R, V>(db: &mut Db, caller: &Caller<R, V>, id: ApiTypeID) -> Result<()> {
    let in_use = |error: diesel::result::Error| match is_foreign_key_violation(&error) {
        true => Error::new(Reason::Conflict, "The API type is in use: API keys are for it. Take it from them first."),
        false => error.into(),
    };
    match diesel::delete(row_of!(caller, id)).execute(db).map_err(in_use)? {
        0 => Err(Error::not_found("API type")),
        _ => Ok(()),
    }
}

/// The API types that the caller can see and that meet every criterion, by ID.
pub fn search<R, V>(db: &mut Db, caller: &Caller<R, V>, filter: Filter) -> Result<Vec<ApiType>> {
    let mut query = visible_to(caller.tenant().id);
    for criterion in filter.criteria {
        query = query.filter(criterion.condition(FIELDS, ID)?);
    }
    let rows: Vec<Row> = query.order(api_types::id).limit(filter.most).select(Row::as_select()).load(db)?;
    rows.into_iter().map(Row::into_type).collect()
}

/// At most `most` API types behind `after`, by ID: a list's next piece.
pub fn list<R, V>(db: &mut Db, caller: &Caller<R, V>, after: ApiTypeID, most: i64) -> Result<Vec<ApiType>> {
    let query = visible_to(caller.tenant().id).filter(api_types::id.gt(after)).order(api_types::id).limit(most);
    let rows: Vec<Row> = query.select(Row::as_select()).load(db)?;
    rows.into_iter().map(Row::into_type).collect()
}

/// Removes at most `most` API types of a tenant that is being removed; answers how many.
pub fn purge(db: &mut Db, tenant: TenantID, most: i64) -> Result<usize> {
    let of_tenant = api_types::table.filter(api_types::tenant_id.eq(tenant));
    let query = of_tenant.order(api_types::id).limit(most).select(api_types::id);
    let Some(last) = query.load::<ApiTypeID>(db)?.pop() else { return Ok(0) };
    Ok(diesel::delete(of_tenant.filter(api_types::id.le(last))).execute(db)?)
}

// ---- of keys ----

/// The API types that a body names, each once, by ID; one that is not there is a fault of the body.
pub fn named(db: &mut Db, tenant: TenantID, names: &[TypeName]) -> Result<Vec<ApiType>> {
    let folded: Vec<String> = names.iter().map(TypeName::folded).collect();
    if folded.is_empty() {
        return Ok(Vec::new());
    }
    let query = visible_to(tenant).filter(api_types::name_fold.eq_any(folded.clone())).order(api_types::id);
    let rows: Vec<Row> = query.select(Row::as_select()).load(db)?;
    let found: Vec<ApiType> = rows.into_iter().map(Row::into_type).collect::<Result<_>>()?;
    let is_found = |name: &String| found.iter().any(|kind| fold(&kind.name) == *name);
    match folded.iter().position(|name| !is_found(name)) {
        None => Ok(found),
        Some(place) => Err(unknown(db, tenant, names[place].as_str())?),
    }
}

/// The refusal of a name that is none, with those there are.
fn unknown(db: &mut Db, tenant: TenantID, name: &str) -> Result<Error> {
    const SOME: i64 = 100;
    let known: Vec<String> = visible_to(tenant).order(api_types::id).limit(SOME).select(api_types::name).load(db)?;
    let message = format!("apiTypes: there is no {name}. GET /api/apitypes lists them.");
    Ok(Error::new(Reason::UnknownApiType, message).accepting(known))
}

/// What one key is for, by ID.
pub fn of_key(db: &mut Db, tenant: TenantID, key: ApiKeyID) -> Result<Vec<KeyApiType>> {
    Ok(of_keys(db, tenant, &[key])?.remove(&key).unwrap_or_default())
}

/// What some keys are for, by ID; those that are for nothing in particular are not in the answer. At most a few hundred
/// keys at a time.
pub fn of_keys(db: &mut Db, tenant: TenantID, keys: &[ApiKeyID]) -> Result<BTreeMap<ApiKeyID, Vec<KeyApiType>>> {
    type Row = (ApiKeyID, ApiTypeID, String, bool, Option<Timestamp>, Option<AdministratorID>, Option<String>);
    let rows: Vec<Row> = api_key_api_types::table
        .inner_join(api_types::table)
        .filter(api_key_api_types::tenant_id.eq(tenant))
        .filter(api_key_api_types::api_key_id.eq_any(keys.to_vec()))
        .order((api_key_api_types::api_key_id, api_types::id))
        .select((
            api_key_api_types::api_key_id,
            api_types::id,
            api_types::name,
            api_types::needs_authorization,
            api_key_api_types::granted,
            api_key_api_types::granted_by_id,
            api_key_api_types::granted_by_name,
        ))
        .load(db)?;
    let mut of_keys: BTreeMap<ApiKeyID, Vec<KeyApiType>> = BTreeMap::new();
    for (key, id, name, needs, granted, by_id, by_name) in rows {
        let authorization = match granted {
            _ if !needs => Authorization::NotNeeded,
            None => Authorization::Pending,
            Some(at) => Authorization::Granted { at, by: by_id.zip(by_name) },
        };
        of_keys.entry(key).or_default().push(KeyApiType { id, name, authorization });
    }
    Ok(of_keys)
}

/// Makes a key one for these API types and no others. Those that stay keep their authorization.
pub fn set_of_key(db: &mut Db, tenant: TenantID, key: ApiKeyID, kinds: &[ApiType]) -> Result<()> {
    let ids: Vec<ApiTypeID> = kinds.iter().map(|kind| kind.id).collect();
    let of_key = api_key_api_types::table
        .filter(api_key_api_types::api_key_id.eq(key))
        .filter(api_key_api_types::tenant_id.eq(tenant));
    diesel::delete(of_key.filter(api_key_api_types::api_type_id.ne_all(ids.clone()))).execute(db)?;
    let there: Vec<ApiTypeID> = of_key.select(api_key_api_types::api_type_id).load(db)?;
    for id in ids.into_iter().filter(|id| !there.contains(id)) {
        let row = (
            api_key_api_types::tenant_id.eq(tenant),
            api_key_api_types::api_key_id.eq(key),
            api_key_api_types::api_type_id.eq(id),
        );
        // it may have been removed since it was looked up
        let gone = |error: diesel::result::Error| match is_foreign_key_violation(&error) {
            true => Error::new(Reason::UnknownApiType, "apiTypes: one of them was removed at the same time."),
            false => error.into(),
        };
        diesel::insert_into(api_key_api_types::table).values(row).execute(db).map_err(gone)?;
    }
    Ok(())
}

/// Somebody gives an API type of a key the authorization that it waits for. `false` where it waits for none.
pub fn give_authorization(
    db: &mut Db,
    tenant: TenantID,
    key: ApiKeyID,
    kind: ApiTypeID,
    by: (AdministratorID, &str),
    now: Timestamp,
) -> Result<bool> {
    let row = api_key_api_types::table.find((key, kind)).filter(api_key_api_types::tenant_id.eq(tenant));
    let given = diesel::update(row.filter(api_key_api_types::granted.is_null()))
        .set((
            api_key_api_types::granted.eq(now),
            api_key_api_types::granted_by_id.eq(by.0),
            api_key_api_types::granted_by_name.eq(by.1),
        ))
        .execute(db)?;
    Ok(given == 1)
}

/// Takes an authorization back. `false` where there was none.
pub fn withdraw_authorization(db: &mut Db, tenant: TenantID, key: ApiKeyID, kind: ApiTypeID) -> Result<bool> {
    let row = api_key_api_types::table.find((key, kind)).filter(api_key_api_types::tenant_id.eq(tenant));
    let taken = diesel::update(row.filter(api_key_api_types::granted.is_not_null()))
        .set((
            api_key_api_types::granted.eq(None::<Timestamp>),
            api_key_api_types::granted_by_id.eq(None::<AdministratorID>),
            api_key_api_types::granted_by_name.eq(None::<String>),
        ))
        .execute(db)?;
    Ok(taken == 1)
}

/// Removes what keys of a tenant that is being removed are for, some `most` rows at a time; answers how many.
pub fn purge_of_keys(db: &mut Db, tenant: TenantID, most: i64) -> Result<usize> {
    let of_tenant = api_key_api_types::table.filter(api_key_api_types::tenant_id.eq(tenant));
    let query = of_tenant.order(api_key_api_types::api_key_id).limit(most).select(api_key_api_types::api_key_id);
    let Some(last) = query.load::<ApiKeyID>(db)?.pop() else { return Ok(0) };
    Ok(diesel::delete(of_tenant.filter(api_key_api_types::api_key_id.le(last))).execute(db)?)
}
