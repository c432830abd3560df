//! Writers with group commit: SQLite's one, and on PostgreSQL a few for what is only added.
//!
//! 1. A change is a closure; it is queued with a channel for its answer. A full queue is a 503 at once.
//! 2. The writer begins a transaction, runs the first change and whatever has arrived meanwhile, kept
//!    apart by savepoints, and commits once for all of them.
//! 3. Only after the commit is anybody answered, and what is remembered of the rows forgotten just before. When the
//!    commit fails, everybody is told that it did not come about, and the connection is replaced.
//!
//! A change that fails or panics is rolled back to its savepoint and harms none of its neighbours. Changes that only add
//! rows hardly ever fail: those that a batch begins with share one savepoint, and leave rows to be written together at its
//! end ([`Shared`]). When one of them fails after all, or such a row is refused, all are undone and run once more, each in
//! a savepoint of its own.
//!
//! On PostgreSQL a batch holds the locks of all its changes until it is committed, and two batches that want the same
//! two rows in another order would wait for each other. So only what adds rows goes this way there ([`Database::add`](super::Database::add)).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use diesel::connection::{SimpleConnection as _, TransactionManager as _};
use diesel::prelude::*;
use diesel::r2d2::R2D2Connection as _;
use tokio::sync::oneshot;

use super::connection::{Db, Manager, OpenError, Opener, RESTED, begin_immediate};
use super::freshness::{Freshness, Touched};
use super::shared::Shared;
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
    /// Runs the change in the savepoint that the writer has opened; `Err` asks to roll back to it. What only adds rows can
    /// be run again after that.
    fn run(&mut self, db: &mut Db, shared: &mut Shared) -> Result<(), ()>;
    /// Whether it only adds rows, beside which others' reads and rows may wait.
    fn is_addition(&self) -> bool;
    /// Nothing came of it.
    fn fail(&mut self, error: Error);
    /// What came of it is undone, and it is to run again.
    fn reset(&mut self);
    /// What it touched, once it has run.
    fn touched(&self) -> &[Touched];
    /// Tells the caller how it went; `lost` when the commit did not come about.
    fn answer(self: Box<Self>, lost: Option<&str>);
    /// Whether the caller has gone, so that nothing need be done.
    fn is_abandoned(&self) -> bool;
}

struct Change<T, F> {
    closure: F,
    is_addition: bool,
    outcome: Option<Result<T>>,
    touched: Vec<Touched>,
    caller: oneshot::Sender<Result<T>>,
}

impl<T, F> Job for Change<T, F>
where
    F: FnMut(&mut Db, &mut Shared) -> Result<(T, Vec<Touched>)> + Send,
    T: Send,
{
    fn run(&mut self, db: &mut Db, shared: &mut Shared) -> Result<(), ()> {
        let outcome = catch_unwind(AssertUnwindSafe(|| (self.closure)(db, shared)))
            .unwrap_or_else(|_| Err(Error::internal("a change panicked; the log says where")));
        match outcome {
            Ok((outcome, touched)) => {
                (self.outcome, self.touched) = (Some(Ok(outcome)), touched);
                Ok(())
            }
            Err(error) => {
                self.fail(error);
                Err(())
            }
        }
    }

    fn is_addition(&self) -> bool {
        self.is_addition
    }

    fn fail(&mut self, error: Error) {
        self.touched.clear();
        self.outcome = Some(Err(error));
    }

    fn reset(&mut self) {
        (self.outcome, self.touched) = (None, Vec::new());
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
            writer.others = Some(Others::new(writer.db.as_mut()));
            loop {
                match jobs.recv_timeout(writer.until_look()) {
                    Ok(first) => {
                        writer.reopen();
                        writer.commit(first, jobs, waiting);
                    }
                    Err(RecvTimeoutError::Timeout) => {
                        writer.reopen();
                        writer.look_for_others();
                    }
                    Err(RecvTimeoutError::Disconnected) => return,
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

    /// Queues a change that may alter what others have read, and waits for the commit that holds it.
    pub async fn change<T, F>(&self, closure: F) -> Result<T>
    where
        F: FnOnce(&mut Db) -> Result<(T, Vec<Touched>)> + Send + 'static,
        T: Send + 'static,
    {
        self.enqueue(false, once(closure))?.await.unwrap_or_else(|_| Err(gone()))
    }

    /// [`Writer::change`] for threads that may block.
    pub fn change_here<T, F>(&self, closure: F) -> Result<T>
    where
        F: FnOnce(&mut Db) -> Result<(T, Vec<Touched>)> + Send + 'static,
        T: Send + 'static,
    {
        self.enqueue(false, once(closure))?.blocking_recv().unwrap_or_else(|_| Err(gone()))
    }

    /// [`Writer::change`] for what only adds rows; it may be run twice, when what came of the first time was undone.
    pub async fn add<T, F>(&self, closure: F) -> Result<T>
    where
        F: FnMut(&mut Db, &mut Shared) -> Result<(T, Vec<Touched>)> + Send + 'static,
        T: Send + 'static,
    {
        self.enqueue(true, closure)?.await.unwrap_or_else(|_| Err(gone()))
    }

    fn enqueue<T, F>(&self, is_addition: bool, closure: F) -> Result<oneshot::Receiver<Result<T>>>
    where
        F: FnMut(&mut Db, &mut Shared) -> Result<(T, Vec<Touched>)> + Send + 'static,
        T: Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        self.put(Box::new(Change { closure, is_addition, outcome: None, touched: Vec::new(), caller }))?;
        Ok(answer)
    }

    fn put(&self, job: Box<dyn Job>) -> Result<()> {
        let shortest = self.lanes.iter().min_by_key(|lane| lane.waiting.load(Ordering::Relaxed)).ok_or_else(gone)?;
        shortest.take(job)
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

/// A change as the writer runs it, which is once.
fn once<T>(closure: impl FnOnce(&mut Db) -> Result<T>) -> impl FnMut(&mut Db, &mut Shared) -> Result<T> {
    let mut closure = Some(closure);
    move |db, _| match closure.take() {
        Some(closure) => closure(db),
        None => Err(Error::internal("a change was to run twice")),
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
    /// What the changes so far have read, as far as it still holds, and what those of this batch leave to its end.
    shared: Shared,
    /// Where nobody else should write; none where many do.
    others: Option<Others>,
    /// Changes since the tables' sizes were last looked at; none where that is no question any more.
    unmeasured: Option<usize>,
    /// Whether it was said already that the database is away.
    away: bool,
    used: Instant,
}

/// After so many changes PostgreSQL is asked whether it knows how large the tables have become.
const MEASURE_AFTER: usize = 100;

impl Open {
    fn new(opener: Opener, db: Option<Db>, freshness: Freshness) -> Self {
        Self {
            opener,
            db,
            freshness,
            shared: Shared::by_many(),
            others: None,
            unmeasured: Some(0),
            away: false,
            used: Instant::now(),
        }
    }

    /// Connects, where there is no connection, or none any more: what has rested may have been cut off meanwhile, which
    /// PostgreSQL's side would tell the next change only.
    fn reopen(&mut self) {
        if let Some(db @ Db::Postgres(_)) = &mut self.db
            && self.used.elapsed() > RESTED
            && db.ping().is_err()
        {
            self.db = None;
        }
        self.used = Instant::now();
        if self.db.is_some() {
            return;
        }
        match self.opener.open() {
            Ok(db) => self.db = Some(db),
            Err(error) if !self.away => {
                log::error!(error = error.to_string().as_str(); "the writer cannot open the database");
                self.away = true;
            }
            Err(_) => {}
        }
        if self.others.is_some() {
            self.others = Some(Others::new(self.db.as_mut()));
        }
        self.freshness.touch(Touched::Everything);
    }

    fn until_look(&self) -> Duration {
        self.others.as_ref().map_or(LOOK_EVERY, Others::until_due)
    }

    /// What others have written may be anything that was read before. In a transaction of SQLite nobody else writes
    /// behind this look; on PostgreSQL somebody always may, and what is read holds for one transaction.
    fn look_for_others(&mut self) {
        match &mut self.others {
            None => self.shared.forget(),
            Some(others) => {
                if others.have_changed(self.db.as_mut()) {
                    self.shared.forget();
                    self.freshness.touch(Touched::Everything);
                }
            }
        }
    }

    /// Does the first change and those behind it, in one commit, and answers them.
    fn commit(&mut self, first: Box<dyn Job>, jobs: &Receiver<Box<dyn Job>>, waiting: &Waiting) {
        let mut batch = Vec::new();
        let lost = self.commit_batch(first, jobs, waiting, &mut batch).err();
        match &lost {
            None => {
                self.away = false;
                self.measure(batch.len());
            }
            Some(reason) => {
                if !self.away {
                    log::error!(changes = batch.len(), error = reason.as_str(); "a commit failed: its changes are refused");
                }
                self.db = None;
                self.shared = Shared::by_many();
            }
        }
        batch.iter().flat_map(|job| job.touched()).for_each(|touched| self.freshness.touch(*touched));
        if waiting.fetch_sub(batch.len(), Ordering::Relaxed) == batch.len() {
            self.shared.end();
        }
        for job in batch {
            job.answer(lost.as_deref());
        }
    }

    /// PostgreSQL checks foreign keys by plans that it makes once a connection. Those that were made while the tables were
    /// empty may look through all of a tenant's keys for each new one, until statistics say how many there are; those
    /// come within a minute, and are asked for here so that a new server's first thousands of keys need not wait.
    fn measure(&mut self, changes: usize) {
        let (Some(Db::Postgres(inner)), Some(unmeasured)) = (&mut self.db, &mut self.unmeasured) else { return };
        *unmeasured += changes;
        if *unmeasured < MEASURE_AFTER {
            return;
        }
        self.unmeasured = None;
        // without statistics things are slow, and nothing worse: whatever speaks against it is no reason to stop
        if let Err(error) = statistics_if_none(inner) {
            log::debug!(error = error.to_string().as_str(); "PostgreSQL was not asked for statistics");
        }
    }

    /// Runs a batch; an `Err` means that nothing of it is stored and the connection is not to be trusted.
    fn commit_batch(
        &mut self,
        first: Box<dyn Job>,
        jobs: &Receiver<Box<dyn Job>>,
        waiting: &Waiting,
        batch: &mut Vec<Box<dyn Job>>,
    ) -> Result<(), String> {
        let begun = match &mut self.db {
            Some(db) => begin_immediate(db).map_err(in_words),
            None => Err("the database cannot be opened".to_owned()),
        };
        if begun.is_ok() {
            self.look_for_others();
        }
        let mut savepoint = Savepoint::default();
        let mut next = Some(first);
        let until = Instant::now() + BATCH_TIME;
        while let Some(job) = next.take() {
            batch.push(job);
            if let (Some(db), true) = (&mut self.db, begun.is_ok()) {
                self.shared.expect((waiting.load(Ordering::Relaxed) + 1).saturating_sub(batch.len()));
                savepoint.run_last(db, &mut self.shared, batch)?;
            }
            if begun.is_ok() && batch.len() < BATCH && Instant::now() < until {
                next = jobs.try_recv().ok();
            }
        }
        begun?;
        match &mut self.db {
            Some(db) => {
                savepoint.release(db, &mut self.shared, batch)?;
                Manager::commit_transaction(db).map_err(in_words)
            }
            None => Ok(()),
        }
    }
}

fn statistics_if_none(inner: &mut PgConnection) -> QueryResult<()> {
    #[derive(QueryableByName)]
    struct Rows {
        #[diesel(sql_type = diesel::sql_types::Float)]
        reltuples: f32,
    }
    let rows: Rows =
        diesel::sql_query("SELECT reltuples FROM pg_class WHERE oid = 'api_keys'::regclass").get_result(inner)?;
    if rows.reltuples < MEASURE_AFTER as f32 {
        inner.batch_execute("ANALYZE (SKIP_LOCKED) api_keys, api_key_secrets, audit_events, api_usage")?;
    }
    Ok(())
}

/// What other processes do to the file: commands of this machine, mostly.
struct Others {
    version: Option<i64>,
    due: Instant,
}

/// How often they are looked for where nothing is written.
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

/// The savepoint that the job at hand is in: with all before it, as long as they are additions of which none has failed;
/// otherwise its own. What follows upon a good one begins its own by the statement that ends the last one's: one round
/// trip less on PostgreSQL.
///
/// An `Err` means that the transaction around it is gone: SQLite itself ends one when the disk is full, and then the
/// savepoint is no longer there to be released.
#[derive(Default)]
struct Savepoint {
    is_open: bool,
    /// How many jobs share it, as long as jobs do.
    together: usize,
    /// Whether each job has one of its own from now on.
    is_own: bool,
}

/// Jobs that are run again are run one after the other, for so long at most: whoever waits for the same lock as one of
/// them waits again.
const AGAIN_TIME: Duration = Duration::from_secs(1);

/// Diesel's name of the first savepoint in a transaction.
const NEXT_SAVEPOINT: &str = "RELEASE SAVEPOINT diesel_savepoint_1; SAVEPOINT diesel_savepoint_1";

impl Savepoint {
    /// Runs the last of a batch's jobs, behind those that ran already.
    fn run_last(&mut self, db: &mut Db, shared: &mut Shared, batch: &mut [Box<dyn Job>]) -> Result<(), String> {
        let Some((last, before)) = batch.split_last_mut() else { return Ok(()) };
        if last.is_abandoned() {
            return Ok(());
        }
        if !last.is_addition() {
            // it may look for what the others have left
            self.part(db, shared, before)?;
        }
        if self.is_own {
            return self.run_alone(db, shared, last.as_mut());
        }
        if !self.is_open {
            Manager::begin_transaction(db).map_err(in_words)?;
            self.is_open = true;
        }
        if last.run(db, shared).is_ok() {
            self.together += 1;
            return Ok(());
        }
        if self.together == 0 { self.undo(db, shared) } else { self.run_again(db, shared, batch) }
    }

    /// From now on each job has a savepoint of its own. Those that ran already have left nothing behind, or run again.
    fn part(&mut self, db: &mut Db, shared: &mut Shared, before: &mut [Box<dyn Job>]) -> Result<(), String> {
        if self.is_own || shared.write_waiting(db).is_ok() {
            self.is_own = true;
            return Ok(());
        }
        self.run_again(db, shared, before)
    }

    /// Undoes what jobs did together, and runs them one by one.
    fn run_again(&mut self, db: &mut Db, shared: &mut Shared, jobs: &mut [Box<dyn Job>]) -> Result<(), String> {
        self.is_own = true;
        self.undo(db, shared)?;
        // what the first run said may have been about another's row
        jobs.iter_mut().for_each(|job| job.reset());
        let until = Instant::now() + AGAIN_TIME;
        for job in jobs.iter_mut().filter(|job| !job.is_abandoned()) {
            match Instant::now() < until {
                true => self.run_alone(db, shared, job.as_mut())?,
                false => job.fail(Error::unavailable(1, "other changes held the writer up")),
            }
        }
        Ok(())
    }

    fn run_alone(&mut self, db: &mut Db, shared: &mut Shared, job: &mut dyn Job) -> Result<(), String> {
        shared.expect(0);
        if !job.is_addition() {
            shared.forget();
        }
        let begun = if self.is_open { db.batch_execute(NEXT_SAVEPOINT) } else { Manager::begin_transaction(db) };
        begun.map_err(in_words)?;
        self.is_open = true;
        if job.run(db, shared).is_err() {
            return self.undo(db, shared);
        }
        match shared.write_waiting(db) {
            Ok(()) => Ok(()),
            Err(error) => {
                job.fail(error);
                self.undo(db, shared)
            }
        }
    }

    /// Undoes what was done since the savepoint, and what was left to the end.
    fn undo(&mut self, db: &mut Db, shared: &mut Shared) -> Result<(), String> {
        shared.drop_waiting();
        // What was read may have been these jobs' own, and on PostgreSQL what they held is no longer held.
        shared.forget();
        // A panic inside a nested transaction leaves that one open too.
        while depth(db)? > 1 {
            Manager::rollback_transaction(db).map_err(in_words)?;
        }
        self.is_open = false;
        // where SQLite ended a transaction inside another, Diesel takes it that there is none
        if depth(db)? == 1 { Ok(()) } else { Err("the transaction is gone".to_owned()) }
    }

    /// Ends the last one.
    fn release(mut self, db: &mut Db, shared: &mut Shared, batch: &mut [Box<dyn Job>]) -> Result<(), String> {
        self.part(db, shared, batch)?;
        if self.is_open { Manager::commit_transaction(db).map_err(in_words) } else { Ok(()) }
    }
}

fn in_words(error: diesel::result::Error) -> String {
    error.to_string()
}

fn depth(db: &mut Db) -> Result<u32, String> {
    Manager::transaction_manager_status_mut(db)
        .transaction_depth()
        .map(|depth| depth.map_or(0, u32::from))
        .map_err(|error| error.to_string())
}
