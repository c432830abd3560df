//! Working on jobs: row by row, each in a transaction of its own.

use std::time::Duration;

use serde_json::json;

use super::rules::{Fault, Items, Job, State};
use super::store;
use crate::app::App;
use crate::audit::{Actor, Event, EventKind, Target};
use crate::auth::{Acting, Starter};
use crate::clock::{DAY, Timestamp};
use crate::db::Db;
use crate::error::{Error, Reason, Result};
use crate::id::JobID;

/// A kind of work, by name, and how a few hundred things of it are done.
#[derive(Clone, Copy)]
pub struct Kind {
    /// As it is stored and shown.
    pub name: &'static str,
    /// Whether whoever began it may still do it.
    pub may: fn(&Acting) -> bool,
    /// Does some of it, within a transaction that is open.
    pub work: fn(&mut Db, &Task) -> Result<Step>,
}

/// Some of a job's work.
pub struct Task<'a> {
    /// The program's parts.
    pub app: &'a App,
    /// The job.
    pub job: &'a Job,
    /// Who began it.
    pub starter: &'a Starter,
    /// What they may do at this moment.
    pub acting: Acting,
    /// Which things it is about, ascending, and what was seen of each when it was asked for.
    pub items: Items,
    /// The present moment.
    pub now: Timestamp,
}

/// What came of some of a job's work.
#[derive(Default)]
pub struct Step {
    /// How many things are as they were to be.
    pub done: i64,
    /// Those that were left as they were.
    pub faults: Vec<(i64, String)>,
    /// What happened.
    pub events: Vec<Event>,
}

/// How often a row is tried while the database is away or busy, before the job is left to the chores.
const TRIES: u32 = 8;
/// How long an ended job is kept, in milliseconds.
const KEPT: i64 = 30 * DAY;
/// Rows removed in one transaction.
const SWEPT: i64 = 500;

/// Works on a job beside the call that asked for it; where that comes to nothing, the chore goes on.
pub fn begin(app: &App, id: JobID, kind: Kind) {
    let app = app.clone();
    actix_web::rt::spawn(async move {
        if let Err(error) = run(&app, id, kind).await {
            let cause = error.cause().unwrap_or_default();
            log::warn!(job = id.get(), cause = cause.as_str(); "a job stands still, and will be gone on with");
        }
    });
}

/// Goes on with jobs that nobody works on; answers how many there were.
pub async fn resume(app: &App, kinds: &'static [Kind]) -> Result<usize> {
    let now = app.now();
    let abandoned = app.database.read(move |db| store::abandoned(db, now)).await?;
    for (id, name) in &abandoned {
        match kinds.iter().find(|kind| kind.name == name) {
            Some(kind) => begin(app, *id, *kind),
            // a newer version of the program began it
            None => log::warn!(job = id.get(), kind = name.as_str(); "this version of the program knows no such job"),
        }
    }
    Ok(abandoned.len())
}

/// Removes jobs that ended long ago.
pub async fn sweep(app: &App) -> Result<usize> {
    let (mut swept, before) = (0, app.now().minus(KEPT));
    loop {
        match app.database.write(move |db| store::sweep(db, before, SWEPT)).await? {
            0 => return Ok(swept),
            count => swept += count,
        }
    }
}

async fn run(app: &App, id: JobID, kind: Kind) -> Result<()> {
    let Some(starter) = app.database.read(move |db| store::starter(db, id)).await? else { return Ok(()) };
    let mut tries = 0;
    loop {
        if app.is_draining() {
            let node = app.lease.holder().to_owned();
            return app.database.write(move |db| store::release(db, id, &node)).await;
        }
        match one_row(app, id, kind, &starter).await {
            Ok(true) => tries = 0,
            Ok(false) => return Ok(()),
            Err(error) if error.reason() == Reason::Unavailable && tries < TRIES => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(50 << tries)).await;
            }
            Err(error) if error.reason() == Reason::Unavailable => return Err(error),
            Err(error) => return give_up(app, id, &starter, &error).await,
        }
    }
}

/// One transaction of the work; answers whether there may be more.
async fn one_row(app: &App, id: JobID, kind: Kind, starter: &Starter) -> Result<bool> {
    let (shared, starter, now) = (app.clone(), starter.clone(), app.now());
    let actor = Actor::starter(&starter);
    app.change_as(actor, move |db| {
        let Some((job, number)) = store::claim(db, id, shared.lease.holder(), now)? else {
            return Ok((false, Vec::new()));
        };
        let Some(items) = store::chunk(db, id, number)? else {
            return end(db, &job, State::Done, None, now);
        };
        let Some(acting) = starter.acting(db, now)?.filter(kind.may) else {
            let why = "Whoever began this may not do it any more; what was not done by then stays as it is.";
            return end(db, &job, State::Cancelled, Some(why), now);
        };
        let task = Task { app: &shared, job: &job, starter: &starter, acting, items, now };
        let step = (kind.work)(db, &task)?;
        let faults: Vec<Fault> = step.faults.into_iter().map(|(id, message)| Fault { id, message }).collect();
        let job = store::advance(db, &job, number, step.done, &faults)?;
        let mut events = step.events;
        let more = job.done + job.failed < job.total;
        if !more {
            events.extend(end(db, &job, State::Done, None, now)?.1);
        }
        Ok((more, events))
    })
    .await
}

fn end(db: &mut Db, job: &Job, state: State, why: Option<&str>, now: Timestamp) -> Result<(bool, Vec<Event>)> {
    store::end(db, job, state, why, now)?;
    let kind = if state == State::Done { EventKind::JobDone } else { EventKind::JobStopped };
    let mut details = json!({ "total": job.total, "done": job.done, "failed": job.failed });
    if let Some(why) = why {
        details["why"] = json!(why);
    }
    Ok((false, vec![Event::new(kind, target(job)).with(details)]))
}

/// A fault of the program: the job ends, and the log says more than its owner is told.
async fn give_up(app: &App, id: JobID, starter: &Starter, error: &Error) -> Result<()> {
    let cause = error.cause().unwrap_or_else(|| error.to_string());
    log::error!(job = id.get(), cause = cause.as_str(); "a job could not go on");
    let (node, now) = (app.lease.holder().to_owned(), app.now());
    app.change_as(Actor::starter(starter), move |db| {
        let Some((job, _)) = store::claim(db, id, &node, now)? else { return Ok(((), Vec::new())) };
        let why = "The server made a mistake; its log tells more. What was not done by then stays as it is.";
        let (_, events) = end(db, &job, State::Failed, Some(why), now)?;
        Ok(((), events))
    })
    .await
}

/// A job as an event names it.
pub fn target(job: &Job) -> Target {
    Target::new("job", job.id.get(), job.kind.clone())
}
