//! The table of confirmations that were used: each works once.

use diesel::prelude::*;

use crate::clock::{DAY, Timestamp};
use crate::db::schema::spent_confirmations;
use crate::db::{Db, MultiBackend};
use crate::error::{Error, Reason, Result, is_unique_violation};
use crate::id::{JobID, TenantID};

/// How long a confirmation that is too old is remembered, in milliseconds: another node's clock may be behind.
const REMEMBERED: i64 = DAY;

/// A confirmation that is being used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent {
    /// Whose.
    pub tenant: TenantID,
    /// The proof in it.
    pub proof: String,
    /// Until when it is good.
    pub until: Timestamp,
}

/// Uses a confirmation up, in the transaction of what it stands for: of two who bring the same one, the second finds
/// it used, however close behind the first.
pub fn spend(db: &mut Db, spent: &Spent, job: Option<JobID>) -> Result<()> {
    let known = spent_confirmations::table.find(&spent.proof).select(spent_confirmations::job_id);
    if let Some(job) = known.get_result::<Option<JobID>>(db).optional()? {
        return Err(was_used(job));
    }
    diesel::insert_into(spent_confirmations::table)
        .values((
            spent_confirmations::proof.eq(&spent.proof),
            spent_confirmations::tenant_id.eq(spent.tenant),
            spent_confirmations::until.eq(spent.until),
            spent_confirmations::job_id.eq(job),
        ))
        .execute(db)
        .map_err(|error| if is_unique_violation(&error) { was_used(None) } else { error.into() })?;
    Ok(())
}

fn was_used(job: Option<JobID>) -> Error {
    let job = job.map(|job| format!(": GET /api/jobs/{job} says what became of it")).unwrap_or_default();
    let message = format!(
        "confirmation: it was used already, and works once{job}. Nothing was done this time. Make another dry run, and \
         look at what it answers."
    );
    Error::new(Reason::SetChanged, message)
}

/// Forgets those that are too old to be taken anyway; answers how many.
pub fn sweep(db: &mut Db, now: Timestamp) -> Result<usize> {
    let old = spent_confirmations::table.filter(spent_confirmations::until.lt(now.minus(REMEMBERED)));
    Ok(diesel::delete(old).execute(db)?)
}

/// Removes at most `most` of a tenant's, for a tenant that is being removed; answers how many.
pub fn purge(db: &mut Db, tenant: TenantID, most: i64) -> Result<usize> {
    let of_tenant: spent_confirmations::BoxedQuery<'_, MultiBackend> =
        spent_confirmations::table.filter(spent_confirmations::tenant_id.eq(tenant)).into_boxed();
    let some: Vec<String> = of_tenant.select(spent_confirmations::proof).limit(most).load(db)?;
    Ok(diesel::delete(spent_confirmations::table.filter(spent_confirmations::proof.eq_any(some))).execute(db)?)
}
