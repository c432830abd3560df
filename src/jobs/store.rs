//! The tables of jobs and of what they are about.

use diesel::prelude::*;

use super::rules::{Fault, Items, Job, KEPT_ERRORS, NewJob, State, items_of};
use crate::auth::{Caller, Starter};
use crate::clock::{SECOND, Timestamp};
use crate::db::schema::{job_chunks, jobs};
use crate::db::{Db, MultiBackend};
use crate::error::{Error, Result};
use crate::id::{JobID, TenantID};

/// How long a node's claim on a job lasts when the node falls silent, in milliseconds.
pub const CLAIM: i64 = 30 * SECOND;
/// A claim that reaches further ahead, in milliseconds, is none: a clock was ahead.
const BELIEVED: i64 = 120 * SECOND;

#[derive(Queryable, Selectable)]
#[diesel(table_name = jobs, check_for_backend(MultiBackend))]
struct Row {
    id: JobID,
    kind: String,
    parameters: String,
    state: String,
    total: i64,
    done: i64,
    failed: i64,
    errors: String,
    created: Timestamp,
    started: Option<Timestamp>,
    ended: Option<Timestamp>,
}

impl Row {
    fn into_job(self) -> Result<Job> {
        Ok(Job {
            id: self.id,
            kind: self.kind,
            parameters: self.parameters,
            state: State::parse(&self.state)?,
            total: self.total,
            done: self.done,
            failed: self.failed,
            errors: serde_json::from_str(&self.errors).map_err(Error::internal)?,
            created: self.created,
            started: self.started,
            ended: self.ended,
        })
    }
}

/// Stores a job that `starter` begins, with all it is about.
pub fn create(db: &mut Db, starter: &Starter, new: NewJob, now: Timestamp) -> Result<JobID> {
    let (starter_type, starter_id, starter_proof) = starter.stored();
    let id: JobID = diesel::insert_into(jobs::table)
        .values((
            (
                jobs::tenant_id.eq(starter.tenant),
                jobs::kind.eq(new.kind),
                jobs::parameters.eq(new.parameters),
                jobs::state.eq(State::Queued.as_str()),
                jobs::total.eq(new.items.count()),
                jobs::done.eq(0),
                jobs::failed.eq(0),
                jobs::errors.eq("[]"),
                jobs::next_chunk.eq(0),
            ),
            (
                jobs::starter_type.eq(starter_type),
                jobs::starter_id.eq(starter_id),
                jobs::starter_name.eq(&starter.name),
                jobs::starter_proof.eq(starter_proof),
                jobs::address.eq(&starter.address),
                jobs::request_id.eq(&starter.request_id),
            ),
            (jobs::created.eq(now), jobs::claimed_by.eq(""), jobs::claimed_until.eq(0)),
        ))
        .returning(jobs::id)
        .get_result(db)?;
    for (number, chunk) in (0_i64..).zip(new.items.into_chunks()) {
        let row = (
            job_chunks::job_id.eq(id),
            job_chunks::number.eq(number),
            job_chunks::items.eq(chunk.ids),
            job_chunks::tenant_id.eq(starter.tenant),
            job_chunks::marks.eq(chunk.marks),
        );
        diesel::insert_into(job_chunks::table).values(row).execute(db)?;
    }
    Ok(id)
}

/// A job of the caller's tenant, and who began it.
pub fn find<R, V>(db: &mut Db, caller: &Caller<R, V>, id: JobID) -> Result<Option<(Job, Starter)>> {
    find_in(db, caller.tenant().id, id)
}

fn find_in(db: &mut Db, tenant: TenantID, id: JobID) -> Result<Option<(Job, Starter)>> {
    let query = jobs::table.filter(jobs::id.eq(id)).filter(jobs::tenant_id.eq(tenant));
    let row: Option<Row> = query.select(Row::as_select()).get_result(db).optional()?;
    let (Some(row), Some(starter)) = (row, starter(db, id)?) else { return Ok(None) };
    Ok(Some((row.into_job()?, starter)))
}

/// Who began a job, whichever tenant's it is.
pub fn starter(db: &mut Db, id: JobID) -> Result<Option<Starter>> {
    type Kept = (TenantID, String, i64, String, String, String, String);
    let row: Option<Kept> = jobs::table
        .find(id)
        .select((
            jobs::tenant_id,
            jobs::starter_type,
            jobs::starter_id,
            jobs::starter_name,
            jobs::starter_proof,
            jobs::address,
            jobs::request_id,
        ))
        .get_result(db)
        .optional()?;
    row.map(|(tenant, kind, id, name, proof, address, request_id)| {
        Starter::read(tenant, (&kind, id, &proof), name, address, request_id)
    })
    .transpose()
}

/// Open jobs of these kinds that nobody works on.
pub fn abandoned(db: &mut Db, now: Timestamp) -> Result<Vec<(JobID, String)>> {
    let open = [State::Queued.as_str(), State::Running.as_str()];
    let free = jobs::claimed_until.le(now).or(jobs::claimed_until.gt(now.plus(BELIEVED)));
    let query = jobs::table.filter(jobs::state.eq_any(open)).filter(free).order(jobs::id).limit(20);
    Ok(query.select((jobs::id, jobs::kind)).load(db)?)
}

/// Takes a job, or keeps it, until the transaction ends and for as long as a claim lasts; none where it is another
/// node's, or has ended.
pub fn claim(db: &mut Db, id: JobID, node: &str, now: Timestamp) -> Result<Option<(Job, i64)>> {
    let open = [State::Queued.as_str(), State::Running.as_str()];
    let claimed = diesel::update(jobs::table.find(id))
        .filter(jobs::state.eq_any(open))
        .filter(
            (jobs::claimed_by.eq(node)).or(jobs::claimed_until.le(now)).or(jobs::claimed_until.gt(now.plus(BELIEVED))),
        )
        .set((
            jobs::claimed_by.eq(node),
            jobs::claimed_until.eq(now.plus(CLAIM)),
            jobs::state.eq(State::Running.as_str()),
        ))
        .execute(db)?;
    if claimed == 0 {
        return Ok(None);
    }
    diesel::update(jobs::table.find(id)).filter(jobs::started.is_null()).set(jobs::started.eq(now)).execute(db)?;
    let row: (Row, i64) = jobs::table.find(id).select((Row::as_select(), jobs::next_chunk)).get_result(db)?;
    Ok(Some((row.0.into_job()?, row.1)))
}

/// Lets another node have a job at once.
pub fn release(db: &mut Db, id: JobID, node: &str) -> Result<()> {
    diesel::update(jobs::table.find(id))
        .filter(jobs::claimed_by.eq(node))
        .set(jobs::claimed_until.eq(0))
        .execute(db)?;
    Ok(())
}

/// The IDs of a job's row of this number, and what was seen of each; none where there is no such row, for all is done.
pub fn chunk(db: &mut Db, id: JobID, number: i64) -> Result<Option<Items>> {
    let row = job_chunks::table.find((id, number)).select((job_chunks::items, job_chunks::marks));
    let row: Option<(Vec<u8>, Option<Vec<u8>>)> = row.get_result(db).optional()?;
    row.map(|(ids, marks)| items_of(&ids, marks.as_deref())).transpose()
}

/// Notes that a row is done, in the transaction that did it.
pub fn advance(db: &mut Db, job: &Job, number: i64, done: i64, faults: &[Fault]) -> Result<Job> {
    let mut job = job.clone();
    job.done += done;
    job.failed += faults.len() as i64;
    let room = KEPT_ERRORS.saturating_sub(job.errors.len());
    job.errors.extend(faults.iter().take(room).cloned());
    let errors = serde_json::to_string(&job.errors).map_err(Error::internal)?;
    diesel::delete(job_chunks::table.find((job.id, number))).execute(db)?;
    diesel::update(jobs::table.find(job.id))
        .set((
            jobs::done.eq(job.done),
            jobs::failed.eq(job.failed),
            jobs::errors.eq(errors),
            jobs::next_chunk.eq(number + 1),
        ))
        .execute(db)?;
    Ok(job)
}

/// Brings a job to its end; `why` where it stopped before.
pub fn end(db: &mut Db, job: &Job, state: State, why: Option<&str>, now: Timestamp) -> Result<()> {
    let mut errors = job.errors.clone();
    errors.extend(why.map(|why| Fault { id: 0, message: why.to_owned() }));
    let errors = serde_json::to_string(&errors).map_err(Error::internal)?;
    diesel::delete(job_chunks::table.filter(job_chunks::job_id.eq(job.id))).execute(db)?;
    diesel::update(jobs::table.find(job.id))
        .set((jobs::state.eq(state.as_str()), jobs::ended.eq(now), jobs::errors.eq(errors), jobs::claimed_until.eq(0)))
        .execute(db)?;
    Ok(())
}

/// Removes at most `most` jobs that ended before a moment; answers how many.
pub fn sweep(db: &mut Db, before: Timestamp, most: i64) -> Result<usize> {
    let old = jobs::table.filter(jobs::ended.assume_not_null().lt(before)).order(jobs::id).limit(most);
    let ids: Vec<JobID> = old.select(jobs::id).load(db)?;
    Ok(diesel::delete(jobs::table.filter(jobs::id.eq_any(ids))).execute(db)?)
}

/// Removes a tenant's jobs, for a tenant that is being removed, at most `most` rows; answers how many.
pub fn purge(db: &mut Db, tenant: TenantID, most: i64) -> Result<usize> {
    let rows = job_chunks::table.filter(job_chunks::tenant_id.eq(tenant));
    let next = rows.order((job_chunks::job_id, job_chunks::number)).limit(most);
    let chunks: Vec<(JobID, i64)> = next.select((job_chunks::job_id, job_chunks::number)).load(db)?;
    for chunk in &chunks {
        diesel::delete(job_chunks::table.find(*chunk)).execute(db)?;
    }
    if !chunks.is_empty() {
        return Ok(chunks.len());
    }
    let of_tenant = jobs::table.filter(jobs::tenant_id.eq(tenant));
    let Some(last) = of_tenant.order(jobs::id).limit(most).select(jobs::id).load::<JobID>(db)?.pop() else {
        return Ok(0);
    };
    Ok(diesel::delete(of_tenant.filter(jobs::id.le(last))).execute(db)?)
}
