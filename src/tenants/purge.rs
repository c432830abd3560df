//! Removing what a tenant held, a few hundred rows at a time, so that nobody waits behind it. It may stop anywhere:
//! the tenant's row goes last, and as long as it is there the next call goes on. Audit events stay.

use super::store;
use crate::administrators;
use crate::api_key_profiles;
use crate::api_keys;
use crate::api_types;
use crate::app::App;
use crate::calendar;
use crate::claims;
use crate::contacts;
use crate::db::Db;
use crate::error::Result;
use crate::id::TenantID;
use crate::jobs;
use crate::notices;
use crate::roles;
use crate::sessions;
use crate::usage;
use crate::webhooks;

/// Rows removed in one transaction, at most.
const CHUNK: i64 = 500;

/// Removes rows of one kind that are a tenant's, at most so many; answers 0 when there were none.
type Step = fn(&mut Db, TenantID, i64) -> Result<usize>;

/// Table by table: what refers to others goes before them.
const STEPS: &[Step] = &[
    notices::purge,
    webhooks::purge,
    calendar::purge,
    claims::purge,
    api_types::purge_of_keys,
    api_keys::purge,
    api_keys::purge_history,
    api_keys::purge_confirmations,
    api_key_profiles::purge,
    api_types::purge,
    jobs::purge,
    sessions::purge,
    contacts::purge,
    administrators::purge,
    roles::purge,
    usage::purge,
];

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

/// One transaction of the removal; answers whether there may be more.
fn chunk(db: &mut Db, tenant: TenantID, step: Step) -> Result<bool> {
    Ok(store::lock_for_purge(db, tenant)? && step(db, tenant, CHUNK)? > 0)
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
