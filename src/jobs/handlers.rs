//! `/api/jobs`.

use actix_web::web::Json;

use super::rules::Job;
use super::store;
use crate::app::App;
use crate::auth::Caller;
use crate::body::InPath;
use crate::error::{Error, Result};
use crate::id::JobID;
use crate::rights::{Authenticated, ViewSystemInformation};
use crate::wire;

/// One job of the tenant's, for whoever began it and for those who may view what was done. To others it is not there.
pub async fn describe(caller: Caller<Authenticated>, id: InPath<JobID>, app: App) -> Result<Json<wire::Job>> {
    let me = caller.clone();
    let found = app.database.read(move |db| store::find(db, &me, id.0)).await?;
    let seen = found.filter(|(_, starter)| starter.is(&caller) || caller.must::<ViewSystemInformation>().is_ok());
    let (job, _) = seen.ok_or_else(|| Error::not_found("job"))?;
    Ok(Json(shown(job)))
}

/// A job as it is answered.
pub fn shown(job: Job) -> wire::Job {
    wire::Job {
        kind: job.kind,
        state: job.state.as_str(),
        total: job.total,
        done: job.done,
        failed: job.failed,
        created: job.created,
        started: job.started,
        ended: job.ended,
        errors: job
            .errors
            .into_iter()
            .map(|fault| wire::JobFault { id: (fault.id != 0).then_some(fault.id), message: fault.message })
            .collect(),
        id: job.id,
    }
}
