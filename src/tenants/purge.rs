//! Removing what a tenant held, a few hundred rows at a time, so that nobody waits behind it. It may stop anywhere:
//! the tenant's row goes last, and as long as it is there the next call goes on. Audit events stay.

use super::store;
use crate::administrators;
use crate::api_keys;
use crate::app::App;
use crate::db::Db;
use crate::error::Result;
use crate::id::TenantID;
use crate::roles;
use crate::sessions;

/// Rows removed in one transaction, at most.
const CHUNK: i64 = 500;

/// Removes at most so many of a tenant's rows of one table; answers how many there were.
type Step = fn(&mut Db, TenantID, i64) -> Result<usize>;

/// Table by table: what refers to others goes before them.
const STEPS: &[Step] =
    &[api_keys::purge_secrets, api_keys::purge, sessions::purge, administrators::purge, roles::purge];

/// Removes every tenant that is to be removed; answers how many that were.
pub async fn purge(app: &App) -> Result<usize> {
    let mut tenants = 0;
    while let Some(tenant) = app.database.read(store::next_to_purge).await? {
        for step in STEPS {
            while app.database.write(move |db| chunk(db, tenant, *step)).await? {}
        }
        app.database.write(move |db| store::delete(db, tenant)).await?;
        tenants += 1;
    }
    Ok(tenants)
}

/// Whether there may be more.
fn chunk(db: &mut Db, tenant: TenantID, step: Step) -> Result<bool> {
    if !store::lock_for_purge(db, tenant)? {
        return Ok(false);
    }
    Ok(i64::try_from(step(db, tenant, CHUNK)?).unwrap_or(CHUNK) >= CHUNK)
}

/// [`purge`] beside the call that asked for it; when it fails, the chore that runs it now and then goes on.
pub fn begin(app: &App) {
    let app = app.clone();
    actix_web::rt::spawn(async move {
        if let Err(error) = purge(&app).await {
            log::warn!(cause = error.cause().unwrap_or_default().as_str(); "a tenant's rows could not all be removed yet");
        }
    });
}
