//! What goes on beside the requests on one node at a time: the one that holds the lease.

use std::time::Duration;

use futures_util::future::{FutureExt as _, LocalBoxFuture};
use serde_json::json;

use crate::api_keys::{self, bulk, history};
use crate::api_keys::{secrets, substrings};
use crate::app::App;
use crate::audit::{self, Actor, Event, EventKind, Target};
use crate::auth::throttle;
use crate::claims;
use crate::error::{Error, Result};
use crate::jobs;
use crate::notices;
use crate::sessions;
use crate::tenants;
use crate::usage;

/// A chore: its name for the log, how often it is done, and what it is. To add one is to add a line; it may count on
/// nobody else doing it at the same time as long as what it does lasts less than the lease. What must never be done
/// twice asks [`Lease::is_ours`](crate::lease::Lease::is_ours) in its transaction.
type Chore = (&'static str, Duration, fn(App) -> LocalBoxFuture<'static, Result<()>>);

const CHORES: &[Chore] = &[
    ("sealing of audit events", seconds(1), |app| async move { audit::seal(&app).await.map(drop) }.boxed_local()),
    ("the audit chain's head", seconds(3_600), |app| async move { audit::log_head(&app).await }.boxed_local()),
    ("time-out of sessions", seconds(60), |app| async move { time_sessions_out(&app).await.map(drop) }.boxed_local()),
    ("sweeping of old rows", seconds(3_600), |app| async move { sweep(&app).await }.boxed_local()),
    ("end of rotations", seconds(60), |app| async move { end_rotations(&app).await }.boxed_local()),
    ("removal of tenants", seconds(60), |app| async move { purge(&app).await }.boxed_local()),
    ("sweeping of noted calls", seconds(60), |app| async move { sweep_calls(&app).await }.boxed_local()),
    ("telling of keys that end", seconds(60), |app| {
        async move { notices::announce(&app).await.map(drop) }.boxed_local()
    }),
    ("sending of notices", seconds(2), |app| async move { notices::deliver(&app).await.map(drop) }.boxed_local()),
    ("sweeping of notices", seconds(3_600), |app| async move { sweep_notices(&app).await }.boxed_local()),
    ("indexing of keys' texts", seconds(1), |app| async move { substrings::index(&app).await.map(drop) }.boxed_local()),
    ("going on with jobs", seconds(10), |app| async move { go_on(&app).await }.boxed_local()),
    ("sweeping of the history", seconds(6 * 3_600), |app| async move { sweep_history(&app).await }.boxed_local()),
    ("retention of audit events", seconds(6 * 3_600), |app| async move { retain(&app).await }.boxed_local()),
];

/// How often the lease is taken or kept: three times before it would end.
const KEEP_EVERY: Duration = Duration::from_millis(crate::lease::LASTS as u64 / 3);

/// How long after the start, or after the lease is taken, a chore waits for its first turn.
const SOON: Duration = Duration::from_secs(60);

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Takes the lease when it is free, and does the chores while it is held, until the server is told to stop.
pub fn spawn(app: &App) {
    let keeper = app.clone();
    actix_web::rt::spawn(async move {
        while !keeper.is_draining() {
            keep_lease(&keeper).await;
            tokio::time::sleep(KEEP_EVERY).await;
        }
    });
    for (name, every, run) in CHORES {
        let app = app.clone();
        actix_web::rt::spawn(async move {
            // the first time soon: a server that is restarted every few hours does its chores too
            let mut wait = SOON.min(*every);
            loop {
                tokio::time::sleep(wait).await;
                if app.is_draining() {
                    return;
                }
                if !app.lease.seems_ours(app.now()) {
                    wait = SOON.min(*every);
                    continue;
                }
                if let Err(error) = run(app.clone()).await {
                    warn(name, &error);
                }
                wait = *every;
            }
        });
    }
}

/// Takes the lease or keeps it; a node that begins to hold it says so, and where the audit chain ends.
async fn keep_lease(app: &App) {
    let (lease, now) = (app.lease.clone(), app.now());
    let had_it = lease.seems_ours(now);
    match app.database.write(move |db| lease.keep(db, now)).await {
        Ok(true) if !had_it => {
            log::info!("this node does the chores from now on");
            if let Err(error) = audit::log_head(app).await {
                warn("the audit chain's head", &error);
            }
            begin_telling(app);
        }
        Ok(false) if had_it => log::warn!("another node does the chores from now on"),
        Ok(_) => {}
        Err(error) => warn("the lease", &error),
    }
}

/// Looks at once which keys end, so that it is known from when on: where nobody has looked before, what ended by then is
/// no news, and keys that are made from now on are.
fn begin_telling(app: &App) {
    let app = app.clone();
    actix_web::rt::spawn(async move {
        if let Err(error) = notices::announce(&app).await {
            warn("telling of keys that end", &error);
        }
    });
}

/// The last chores of a node that stops: what is there is sealed, the head is logged, and another node may go on at once.
pub async fn stop(app: &App) {
    if !app.lease.seems_ours(app.now()) {
        return;
    }
    let lease = app.lease.clone();
    let done = async {
        audit::seal(app).await?;
        audit::log_head(app).await?;
        app.database.write(move |db| lease.release(db)).await
    };
    if let Err(error) = done.await {
        warn("the last chores", &error);
    }
}

fn warn(chore: &str, error: &Error) {
    let cause = error.cause().unwrap_or_default();
    log::warn!(chore, cause = cause.as_str(); "a chore could not be done, and will be tried again");
}

/// Ends the sessions whose time is over, each once and with its event. It is done here and not when a cookie is
/// presented: then whoever holds old cookies could have events written as fast as they can send them.
pub async fn time_sessions_out(app: &App) -> Result<usize> {
    let (mut ended, now) = (0, app.now());
    for tenant in app.database.read(sessions::tenants_with_open_sessions).await? {
        let rules = app.rules_of(tenant).await?;
        let (idle, longest) = (rules.idle, rules.longest);
        loop {
            let actor = Actor::system_in(tenant, "session time-out");
            let timed_out = app.change_as(actor, move |db| {
                let over = sessions::time_out(db, tenant, idle, longest, now)?;
                let events: Vec<Event> = over
                    .iter()
                    .map(|session| {
                        let target =
                            Target::new("administrator", session.administrator.get(), session.username.clone());
                        Event::new(EventKind::SessionTimedOut, target).with(json!({
                            "session": session.reference,
                            "reason": session.reason,
                            "lastActivity": session.last_activity,
                            "address": session.address,
                        }))
                    })
                    .collect();
                Ok((events.len(), events))
            });
            match timed_out.await? {
                0 => break,
                count => ended += count,
            }
        }
    }
    Ok(ended)
}

async fn sweep(app: &App) -> Result<()> {
    let now = app.now();
    let done = app.database.write(move |db| {
        let (sessions, buckets) = (sessions::sweep(db, now)?, throttle::sweep(db, now)?);
        Ok((sessions, buckets, claims::sweep(db, now)?, api_keys::sweep_confirmations(db, now)?))
    });
    let (sessions, buckets, claims, confirmations) = done.await?;
    log::debug!(sessions, buckets, claims, confirmations; "old rows are swept away");
    Ok(())
}

async fn purge(app: &App) -> Result<()> {
    match tenants::purge(app).await? {
        0 => {}
        removed => log::info!(removed; "what removed tenants held is gone"),
    }
    Ok(())
}

async fn end_rotations(app: &App) -> Result<()> {
    match secrets::write_down_rotations(app).await? {
        0 => {}
        ended => log::info!(ended; "replaced secrets of API keys have ended"),
    }
    Ok(())
}

async fn sweep_calls(app: &App) -> Result<()> {
    let calls = usage::sweep(&app.calls, &app.database, app.now()).await?;
    log::debug!(calls; "noted calls are swept away");
    Ok(())
}

async fn sweep_notices(app: &App) -> Result<()> {
    const PIECE: i64 = 500;
    let now = app.now();
    while app.database.write(move |db| notices::sweep(db, now, PIECE)).await? > 0 {}
    Ok(())
}

async fn go_on(app: &App) -> Result<()> {
    match jobs::resume(app, bulk::KINDS).await? {
        0 => {}
        jobs => log::info!(jobs; "this node goes on with what another began"),
    }
    Ok(())
}

async fn sweep_history(app: &App) -> Result<()> {
    let (keys, jobs) = (history::sweep(app).await?, jobs::sweep(app).await?);
    log::debug!(keys, jobs; "revoked keys and jobs of long ago are swept away");
    Ok(())
}

async fn retain(app: &App) -> Result<()> {
    match audit::retain(app).await? {
        0 => {}
        removed => log::info!(removed; "audit events whose time was over are removed"),
    }
    Ok(())
}
