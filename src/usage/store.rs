//! The table of calls: rows are added in the background and swept when they are old.

use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::rules::{Call, CallLog, NewCall, removable};
use crate::auth::Caller;
use crate::clock::{DAY, Timestamp};
use crate::db::schema::api_usage;
use crate::db::{Database, Db, MultiBackend, insert_all};
use crate::error::Result;
use crate::id::{TenantID, UsageID};
use crate::search::{
    Comparison, Condition, Field, Filter, choice, date, date_field, lower, number, number_field, text, text_field,
};

/// Rows written or removed in one transaction.
const CHUNK: usize = 500;

#[derive(Insertable)]
#[diesel(table_name = api_usage, treat_none_as_default_value = false)]
struct NewRow {
    tenant_id: Option<TenantID>,
    tenant_guid: String,
    at: Timestamp,
    action: String,
    path: String,
    duration: i64,
    status_code: i64,
    authentication_method: &'static str,
    expand_parameter: String,
    response_item_count: Option<i64>,
    actor_type: &'static str,
    actor_id: Option<i64>,
}

impl From<NewCall> for NewRow {
    fn from(call: NewCall) -> Self {
        let (tenant_id, tenant_guid) = call.tenant.map(|(id, guid)| (Some(id), guid)).unwrap_or_default();
        Self {
            tenant_id,
            tenant_guid,
            at: call.at,
            action: call.action,
            path: call.path,
            duration: call.duration,
            status_code: call.status,
            authentication_method: call.method,
            expand_parameter: call.expand,
            response_item_count: call.items,
            actor_type: call.actor.0,
            actor_id: call.actor.1,
        }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = api_usage, check_for_backend(MultiBackend))]
struct Row {
    id: UsageID,
    tenant_guid: String,
    at: Timestamp,
    action: String,
    path: String,
    duration: i64,
    status_code: i64,
    authentication_method: String,
    expand_parameter: String,
    response_item_count: Option<i64>,
}

impl From<Row> for Call {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            tenant_guid: row.tenant_guid,
            at: row.at,
            action: row.action,
            path: row.path,
            duration: row.duration,
            status: row.status_code,
            method: row.authentication_method,
            expand: row.expand_parameter,
            items: row.response_item_count,
        }
    }
}

/// What can be searched, and how.
const FIELDS: &[Field<api_usage::table>] = &[
    choice("apiType", &["REST", "SOAP"], |equal, value| Box::new((equal == (value == "REST")).into_sql::<Bool>())),
    text("action", text_field!(lower(api_usage::action))),
    text("method", text_field!(lower(api_usage::path))),
    date("date", date_field!(api_usage::at)),
    text("tenantGUID", text_field!(lower(api_usage::tenant_guid))),
    number("duration", number_field!(api_usage::duration)),
    number("statusCode", number_field!(api_usage::status_code)),
    text("authenticationMethod", text_field!(lower(api_usage::authentication_method))),
    text("expandParameter", text_field!(lower(api_usage::expand_parameter))),
    number("responseItemCount", number_field!(api_usage::response_item_count.assume_not_null())),
];

const ID: fn(Comparison, i64) -> Condition<api_usage::table> = number_field!(api_usage::id);

/// The tenant's calls; the primary tenant sees everybody's. Every read starts here.
fn visible_to(tenant: TenantID) -> api_usage::BoxedQuery<'static, MultiBackend> {
    match tenant {
        TenantID::PRIMARY => api_usage::table.into_boxed(),
        _ => api_usage::table.filter(api_usage::tenant_id.eq(tenant)).into_boxed(),
    }
}

/// At most `most` calls behind `after`, by ID: a list's next piece.
pub fn list<R, V>(db: &mut Db, caller: &Caller<R, V>, after: UsageID, most: i64) -> Result<Vec<Call>> {
    let query = visible_to(caller.tenant().id).filter(api_usage::id.gt(after)).order(api_usage::id).limit(most);
    let rows: Vec<Row> = query.select(Row::as_select()).load(db)?;
    Ok(rows.into_iter().map(Call::from).collect())
}

/// The calls that the caller can see and that meet every criterion, by ID.
pub fn search<R, V>(db: &mut Db, caller: &Caller<R, V>, filter: Filter) -> Result<Vec<Call>> {
    let mut query = visible_to(caller.tenant().id);
    for criterion in filter.criteria {
        query = query.filter(criterion.condition(FIELDS, ID)?);
    }
    let rows: Vec<Row> = query.order(api_usage::id).limit(filter.most).select(Row::as_select()).load(db)?;
    Ok(rows.into_iter().map(Call::from).collect())
}

impl CallLog {
    /// Writes down what waits. When that fails it waits on.
    pub async fn flush(&self, database: &Database) -> Result<()> {
        let (calls, dropped) = self.take();
        if dropped > 0 {
            log::warn!(dropped; "more calls were made than can be noted; these are missing among the API usage metrics");
        }
        for (at, chunk) in calls.chunks(CHUNK).enumerate() {
            let rows = chunk.to_vec();
            let written = database.write(move |db| insert(db, rows)).await;
            if let Err(error) = written {
                self.put_back(calls[at * CHUNK..].to_vec());
                return Err(error);
            }
        }
        Ok(())
    }
}

fn insert(db: &mut Db, calls: Vec<NewCall>) -> Result<()> {
    Ok(insert_all!(db, api_usage::table, calls.into_iter().map(NewRow::from))?)
}

/// Removes calls that are too old or too many, a chunk at a time; answers how many.
pub async fn sweep(log: &CallLog, database: &Database, now: Timestamp) -> Result<usize> {
    let (oldest, most) = (now.minus(log.keep().days * DAY), log.keep().rows);
    let last = database.read(move |db| {
        let ids = api_usage::table.select(diesel::dsl::max(api_usage::id));
        let too_old: Option<i64> = ids.filter(api_usage::at.lt(oldest)).get_result(db)?;
        let latest: Option<i64> = ids.get_result(db)?;
        Ok(removable(too_old, latest, most))
    });
    let Some(last) = last.await? else { return Ok(0) };
    let mut removed = 0;
    loop {
        let gone = database.write(move |db| remove_some(db, last)).await?;
        removed += gone;
        if gone == 0 {
            return Ok(removed);
        }
    }
}

/// Removes the oldest rows up to the ID `last`.
fn remove_some(db: &mut Db, last: i64) -> Result<usize> {
    let oldest: Vec<i64> = api_usage::table
        .filter(api_usage::id.le(last))
        .order(api_usage::id)
        .limit(CHUNK as i64)
        .select(api_usage::id)
        .load(db)?;
    let Some(end) = oldest.last() else { return Ok(0) };
    Ok(diesel::delete(api_usage::table.filter(api_usage::id.le(*end))).execute(db)?)
}

/// Forgets at most `most` of a tenant's calls, for a tenant that is being removed; answers how many.
pub fn purge(db: &mut Db, tenant: TenantID, most: i64) -> Result<usize> {
    let of_tenant = api_usage::table.filter(api_usage::tenant_id.eq(tenant));
    let query = of_tenant.order(api_usage::id).limit(most).select(api_usage::id);
    let Some(last) = query.load::<i64>(db)?.pop() else { return Ok(0) };
    Ok(diesel::delete(of_tenant.filter(api_usage::id.le(last))).execute(db)?)
}
