//! Writers with group commit: SQLite's one, and on PostgreSQL a few for what is only added.
//!
//! 1. A change is a closure; it is queued with a channel for its answer. A full queue is a 503 at once.
//! 2. The writer begins a transaction, runs the first change and whatever has arrived meanwhile, each
//!    in a savepoint of its own, and commits once for all of them.
//! 3. Only after the commit is anybody answered, and what is remembered of the rows forgotten just before. When the
//!    commit fails, everybody is told that it did not come about, and the connection is replaced.
//!
//! A change that fails or panics is rolled back to its savepoint and harms none of its neighbours.
//!
//! On PostgreSQL a batch holds the locks of all its changes until it is committed, and two batches that want the same
//! two rows in another order would wait for each other. So only what adds rows goes this way there ([`Database::add`](super::Database::add)).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use diesel::connection::TransactionManager as _;
use diesel::prelude::*;
use tokio::sync::oneshot;

use super::connection::{Db, Manager, OpenError, Opener, begin_immediate};
use super::freshness::{Freshness, Touched};
use crate::error::{Error, Result};

/// Changes that may wait; beyond it the answer is 503.
const QUEUE: usize = 1_024;
/// Changes that share a commit at most, and how long a batch may gather them.
const BATCH: usize = 256;
const BATCH_TIME: Duration = Duration::from_millis(5);

/// The queues' ends that requests hold.
pub struct Writer {
    lanes: Vec<Lane>,
}

/// One thread with one connection.
struct Lane {
    queue: SyncSender<Box<dyn Job>>,
    /// Changes that were queued and are not answered yet.
    waiting: Arc<AtomicUsize>,
}

/// Changes of one lane that are not answered yet.
type Waiting = Arc<AtomicUsize>;

/// One queued change with its type erased: run first, answered after the commit.
trait Job: Send {
    /// Runs the change in the savepoint that the writer has opened; `Err` asks to roll back to it.
    fn run(&mut self, db: &mut Db) -> Result<(), ()>;
    /// What it touched, once it has run.
    fn touched(&self) -> &[Touched];
    /// Tells the caller how it went; `lost` when the commit did not come about.
    fn answer(self: Box<Self>, lost: Option<&str>);
    /// Whether the caller has gone, so that nothing need be done.
    fn is_abandoned(&self) -> bool;
}

struct Change<T, F> {
    closure: Option<F>,
    outcome: Option<Result<T>>,
    touched: Vec<Touched>,
    caller: oneshot::Sender<Result<T>>,
}

impl<T, F> Job for Change<T, F>
where
    F: FnOnce(&mut Db) -> Result<(T, Vec<Touched>)> + Send,
    T: Send,
{
    fn run(&mut self, db: &mut Db) -> Result<(), ()> {
        let closure = self.closure.take().expect("the writer runs a job once");
        let outcome = catch_unwind(AssertUnwindSafe(|| closure(db)))
            .unwrap_or_else(|_| Err(Error::internal("a change panicked; the log says where")));
        let (outcome, done) = match outcome {
            Ok((outcome, touched)) => {
                self.touched = touched;
                (Ok(outcome), Ok(()))
            }
            Err(error) => (Err(error), Err(())),
        };
        self.outcome = Some(outcome);
        done
    }

    fn touched(&self) -> &[Touched] {
        &self.touched
    }

    fn answer(self: Box<Self>, lost: Option<&str>) {
        let outcome = match (self.outcome, lost) {
            // its own refusal is the truer answer
            (Some(Err(error)), _) => Err(error),
            (_, Some(reason)) => Err(Error::unavailable(1, reason.to_owned())),
            (Some(ok), None) => ok,
            (None, None) => Err(Error::internal("a change was answered before it was run")),
        };
        // A caller that has gone in the meantime will find its change stored, as after a lost answer.
        let _ = self.caller.send(outcome);
    }

    fn is_abandoned(&self) -> bool {
        self.caller.is_closed()
    }
}

impl Writer {
    /// SQLite's: opens the writing connection and starts its thread, which ends when the queue is dropped.
    pub fn alone(opener: Opener, freshness: Freshness) -> Result<Self, OpenError> {
        let db = opener.open()?;
        let lane = Lane::start("writer", move |jobs, waiting| {
            let mut writer = Open::new(opener, Some(db), freshness);
            let mut others = Others::new(writer.db.as_mut());
            loop {
                let first = match jobs.recv_timeout(others.until_due()) {
                    Ok(first) => Some(first),
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => return,
                };
                if writer.reopen() {
                    others = Others::new(writer.db.as_mut());
                }
                if others.have_changed(writer.db.as_mut()) {
                    writer.freshness.touch(Touched::Everything);
                }
                if let Some(first) = first {
                    writer.commit(first, jobs, waiting);
                }
            }
        })?;
        Ok(Self { lanes: vec![lane] })
    }

    /// PostgreSQL's: so many lanes, each of which connects when it is first needed.
    pub fn lanes(opener: &Opener, freshness: &Freshness, many: usize) -> Result<Self, OpenError> {
        let lane = |number| {
            let mut writer = Open::new(opener.clone(), None, freshness.clone());
            Lane::start(&format!("writer-{number}"), move |jobs, waiting| {
                while let Ok(first) = jobs.recv() {
                    writer.reopen();
                    writer.commit(first, jobs, waiting);
                }
            })
        };
        Ok(Self { lanes: (1..=many.max(1)).map(lane).collect::<Result<_, _>>()? })
    }

    /// Queues a change and waits for the commit that holds it.
    pub async fn write<T, F>(&self, closure: F) -> Result<T>
    where
        F: FnOnce(&mut Db) -> Result<(T, Vec<Touched>)> + Send + 'static,
        T: Send + 'static,
    {
        self.enqueue(closure)?.await.unwrap_or_else(|_| Err(gone()))
    }

    /// [`Writer::write`] for threads that may block.
    pub fn write_here<T, F>(&self, closure: F) -> Result<T>
    where
        F: FnOnce(&mut Db) -> Result<(T, Vec<Touched>)> + Send + 'static,
        T: Send + 'static,
    {
        self.enqueue(closure)?.blocking_recv().unwrap_or_else(|_| Err(gone()))
    }

    fn enqueue<T, F>(&self, closure: F) -> Result<oneshot::Receiver<Result<T>>>
    where
        F: FnOnce(&mut Db) -> Result<(T, Vec<Touched>)> + Send + 'static,
        T: Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let job = Change { closure: Some(closure), outcome: None, touched: Vec::new(), caller };
        let shortest = self.lanes.iter().min_by_key(|lane| lane.waiting.load(Ordering::Relaxed)).ok_or_else(gone)?;
        shortest.take(Box::new(job))?;
        Ok(answer)
    }
}

impl Lane {
    /// Starts a thread that does what is queued until the queue is dropped.
    fn start(
        name: &str,
        work: impl FnOnce(&Receiver<Box<dyn Job>>, &Waiting) + Send + 'static,
    ) -> Result<Self, OpenError> {
        let (queue, jobs) = sync_channel(QUEUE);
        let waiting = Waiting::default();
        let answered = waiting.clone();
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || work(&jobs, &answered))
            .map_err(|error| OpenError::Refused(error.to_string()))?;
        Ok(Self { queue, waiting })
    }

    fn take(&self, job: Box<dyn Job>) -> Result<()> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        self.queue.try_send(job).map_err(|error| {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => Error::unavailable(1, "the writer's queue is full"),
                TrySendError::Disconnected(_) => gone(),
            }
        })
    }
}

fn gone() -> Error {
    Error::unavailable(1, "the writer has stopped")
}

/// A lane's connection; none where it was lost, or was not needed yet.
struct Open {
    opener: Opener,
    db: Option<Db>,
    freshness: Freshness,
    /// Whether it was said already that the database is away.
    away: bool,
}

impl Open {
    fn new(opener: Opener, db: Option<Db>, freshness: Freshness) -> Self {
        Self { opener, db, freshness, away: false }
    }

    /// Connects, where there is no connection; answers whether there was none.
    fn reopen(&mut self) -> bool {
        if self.db.is_some() {
            return false;
        }
        match self.opener.open() {
            Ok(db) => self.db = Some(db),
            Err(error) if !self.away => {
                log::error!(error = error.to_string().as_str(); "the writer cannot open the database");
                self.away = true;
            }
            Err(_) => {}
        }
        self.freshness.touch(Touched::Everything);
        true
    }

    /// Does the first change and those behind it, in one commit, and answers them.
    fn commit(&mut self, first: Box<dyn Job>, jobs: &Receiver<Box<dyn Job>>, waiting: &Waiting) {
        let mut batch = Vec::new();
        let lost = match &mut self.db {
            Some(open) => commit_batch(open, first, jobs, &mut batch).err(),
            None => {
                batch.push(first);
                Some("the database cannot be opened".to_owned())
            }
        };
        match &lost {
            None => self.away = false,
            Some(reason) => {
                if !self.away {
                    log::error!(changes = batch.len(), error = reason.as_str(); "a commit failed: its changes are refused");
                }
                self.db = None;
            }
        }
        batch.iter().flat_map(|job| job.touched()).for_each(|touched| self.freshness.touch(*touched));
        waiting.fetch_sub(batch.len(), Ordering::Relaxed);
        for job in batch {
            job.answer(lost.as_deref());
        }
    }
}

/// What other processes do to the file: commands of this machine, mostly.
struct Others {
    version: Option<i64>,
    due: Instant,
}

/// How often they are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(250);

impl Others {
    fn new(db: Option<&mut Db>) -> Self {
        Self { version: data_version(db), due: Instant::now() + LOOK_EVERY }
    }

    fn until_due(&self) -> Duration {
        self.due.saturating_duration_since(Instant::now())
    }

    /// Whether anybody else has committed since the last look; not knowing counts as yes.
    fn have_changed(&mut self, db: Option<&mut Db>) -> bool {
        if !self.until_due().is_zero() {
            return false;
        }
        self.due = Instant::now() + LOOK_EVERY;
        let before = std::mem::replace(&mut self.version, data_version(db));
        self.version.is_none() || self.version != before
    }
}

/// A number that stays as it is over this connection's own commits and is another after anybody else's
/// (sqlite.org/pragma.html#pragma_data_version).
fn data_version(db: Option<&mut Db>) -> Option<i64> {
    #[derive(QueryableByName)]
    struct Version {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        data_version: i64,
    }
    let asked = diesel::sql_query("PRAGMA data_version").get_result::<Version>(db?);
    asked.ok().map(|version| version.data_version)
}

/// Runs a batch; an `Err` means that nothing of it is stored and the connection is not to be trusted.
fn commit_batch(
    db: &mut Db,
    first: Box<dyn Job>,
    jobs: &Receiver<Box<dyn Job>>,
    batch: &mut Vec<Box<dyn Job>>,
) -> Result<(), String> {
    let mut next = Some(first);
    let begun = begin_immediate(db).map_err(|error| error.to_string());
    let until = Instant::now() + BATCH_TIME;
    while let Some(mut job) = next.take() {
        if begun.is_ok() && !job.is_abandoned() {
            let ran = in_a_savepoint(db, job.as_mut());
            batch.push(job);
            ran?;
        } else {
            batch.push(job);
        }
        if begun.is_ok() && batch.len() < BATCH && Instant::now() < until {
            next = jobs.try_recv().ok();
        }
    }
    begun?;
    Manager::commit_transaction(db).map_err(|error| error.to_string())
}

/// One job in its savepoint. An `Err` means that the transaction around it is gone: SQLite itself ends
/// one when the disk is full, and then the savepoint is no longer there to be released.
fn in_a_savepoint(db: &mut Db, job: &mut dyn Job) -> Result<(), String> {
    let gone = |error: diesel::result::Error| error.to_string();
    Manager::begin_transaction(db).map_err(gone)?;
    match job.run(db) {
        Ok(()) => Manager::commit_transaction(db).map_err(gone),
        Err(()) => {
            // A panic inside a nested transaction leaves that one open too.
            while depth(db)? > 1 {
                Manager::rollback_transaction(db).map_err(gone)?;
            }
            Ok(())
        }
    }
}

fn depth(db: &mut Db) -> Result<u32, String> {
    Manager::transaction_manager_status_mut(db)
        .transaction_depth()
        .map(|depth| depth.map_or(0, u32::from))
        .map_err(|error| error.to_string())
}
