//! The table of calendars.

use diesel::prelude::*;

use crate::auth::{Absent, Caller, Who};
use crate::clock::Timestamp;
use crate::db::Db;
use crate::db::schema::calendars;
use crate::error::Result;
use crate::id::{AdministratorID, ApiKeyID, TenantID};
use crate::secret::SecretDigest;

/// The caller's own row, person or key.
fn owner<R, V>(caller: &Caller<R, V>) -> (Option<AdministratorID>, Option<ApiKeyID>) {
    match caller.who() {
        Who::Administrator(session) => (Some(session.administrator), None),
        Who::ApiKey(key) => (None, Some(key.id)),
    }
}

/// Makes the caller's calendar, or gives it another secret.
pub fn put<R, V>(db: &mut Db, caller: &Caller<R, V>, digest: SecretDigest, now: Timestamp) -> Result<()> {
    remove(db, caller)?;
    let (administrator, key) = owner(caller);
    let row = (
        calendars::tenant_id.eq(caller.tenant().id),
        calendars::administrator_id.eq(administrator),
        calendars::api_key_id.eq(key),
        calendars::digest.eq(digest),
        calendars::created.eq(now),
    );
    diesel::insert_into(calendars::table).values(row).execute(db)?;
    Ok(())
}

/// Takes the caller's calendar away; false where there is none.
pub fn remove<R, V>(db: &mut Db, caller: &Caller<R, V>) -> Result<bool> {
    let of_tenant = calendars::table.filter(calendars::tenant_id.eq(caller.tenant().id));
    let removed = match owner(caller) {
        (Some(person), _) => diesel::delete(of_tenant.filter(calendars::administrator_id.eq(person))).execute(db)?,
        (_, Some(key)) => diesel::delete(of_tenant.filter(calendars::api_key_id.eq(key))).execute(db)?,
        (None, None) => 0,
    };
    Ok(removed > 0)
}

/// Whose calendar is under a secret.
pub fn owner_of(db: &mut Db, digest: SecretDigest) -> Result<Option<Absent>> {
    let columns = (calendars::administrator_id, calendars::api_key_id);
    let row: Option<(Option<AdministratorID>, Option<ApiKeyID>)> =
        calendars::table.filter(calendars::digest.eq(digest)).select(columns).get_result(db).optional()?;
    Ok(match row {
        Some((Some(person), _)) => Some(Absent::Administrator(person)),
        Some((None, Some(key))) => Some(Absent::ApiKey(key)),
        _ => None,
    })
}

/// Removes at most `most` of a tenant's calendars, for a tenant that is being removed; answers how many.
pub fn purge(db: &mut Db, tenant: TenantID, most: i64) -> Result<usize> {
    let of_tenant = calendars::table.filter(calendars::tenant_id.eq(tenant));
    let query = of_tenant.order(calendars::id).limit(most).select(calendars::id);
    let Some(last) = query.load::<i64>(db)?.pop() else { return Ok(0) };
    Ok(diesel::delete(of_tenant.filter(calendars::id.le(last))).execute(db)?)
}
