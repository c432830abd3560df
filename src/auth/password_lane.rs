//! The lane of its own on which passwords are hashed: few threads, of low priority, behind a short
//! queue, so that a storm of sign-ins slows nobody but those who sign in.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// Jobs that may wait, for each thread; beyond it the answer is 503 at once.
const QUEUE_PER_THREAD: usize = 8;
/// How long a job may wait before it is answered 503.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a refusal for want of room is held back.
const PAUSE: Duration = Duration::from_millis(8);

/// How the lane is laid out.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    /// bcrypt's cost: the logarithm of its rounds.
    pub cost: u32,
    /// How many passwords are hashed at once.
    pub threads: usize,
    /// How much less the threads press for the processor, 0 to 19.
    pub nice: i32,
}

/// The queue's end that handlers hold; cheap to clone.
#[derive(Clone)]
pub struct PasswordLane(Arc<Shared>);

struct Shared {
    layout: Layout,
    queue: Mutex<Queue>,
    ready: Condvar,
    runs: AtomicU64,
    /// A hash of the lane's cost that no password has: unknown names are compared with it.
    dummy: String,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

struct Job {
    work: Work,
    queued: Instant,
    caller: oneshot::Sender<Result<Outcome>>,
}

enum Work {
    Hash { password: Zeroizing<String> },
    Verify { password: Zeroizing<String>, hash: String },
}

enum Outcome {
    Hashed(String),
    Verified(bool),
}

/// The scheme before bcrypt's own text: 1 is bcrypt over the peppered password in base64.
const SCHEME: &str = "$fk1";

impl PasswordLane {
    /// Starts the threads; they end after [`PasswordLane::close`].
    pub fn start(layout: Layout) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            layout,
            queue: Mutex::default(),
            ready: Condvar::new(),
            runs: AtomicU64::new(0),
            dummy: dummy_hash(layout.cost),
        });
        for _ in 0..layout.threads {
            let shared = shared.clone();
            std::thread::Builder::new().name("password".to_owned()).spawn(move || work(&shared))?;
        }
        Ok(Self(shared))
    }

    /// How often bcrypt has run: unknown names must cost what known ones do, and a test counts.
    pub fn runs(&self) -> u64 {
        self.0.runs.load(Ordering::Relaxed)
    }

    /// Refuses when the queue is full, before anything else is done for the request, and after a moment's
    /// pause: clients that come back at once, whatever `Retry-After` says, then leave the machine to others.
    pub async fn must_have_room(&self) -> Result<()> {
        let full = self.0.lock().jobs.len() >= self.0.most_waiting();
        if full {
            tokio::time::sleep(PAUSE).await;
            return Err(busy());
        }
        Ok(())
    }

    /// Hashes a peppered password for storing.
    pub async fn hash(&self, password: Zeroizing<String>) -> Result<String> {
        match self.queue(Work::Hash { password }).await? {
            Outcome::Hashed(hash) => Ok(hash),
            Outcome::Verified(_) => Err(Error::internal("the password lane answered another question")),
        }
    }

    /// Compares a peppered password with a stored hash; without one the comparison costs the same and
    /// is never true.
    pub async fn verify(&self, password: Zeroizing<String>, hash: Option<&str>) -> Result<bool> {
        let known = hash.is_some();
        let hash = hash.unwrap_or(&self.0.dummy).to_owned();
        match self.queue(Work::Verify { password, hash }).await? {
            Outcome::Verified(right) => Ok(right && known),
            Outcome::Hashed(_) => Err(Error::internal("the password lane answered another question")),
        }
    }

    /// Hashes on the caller's own thread: for the command line and the first start.
    pub fn hash_here(peppered: &str, cost: u32) -> Result<String> {
        let hash = bcrypt::non_truncating_hash(peppered.as_bytes(), cost).map_err(Error::internal)?;
        Ok(format!("{SCHEME}{hash}"))
    }

    /// Compares on the caller's own thread: for the command line.
    pub fn verify_here(peppered: &str, hash: &str) -> Result<bool> {
        let hash =
            hash.strip_prefix(SCHEME).ok_or_else(|| Error::internal("a stored password has an unknown scheme"))?;
        bcrypt::non_truncating_verify(peppered.as_bytes(), hash).map_err(Error::internal)
    }

    /// Whether a stored hash was made with another cost than today's.
    pub fn is_outdated(&self, hash: &str) -> bool {
        !hash.starts_with(&format!("{SCHEME}$2b${:02}$", self.0.layout.cost))
    }

    async fn queue(&self, work: Work) -> Result<Outcome> {
        let (caller, answer) = oneshot::channel();
        {
            let mut queue = self.0.lock();
            // those whose client has gone do not stand in anybody's way
            queue.jobs.retain(|job| !job.caller.is_closed());
            if queue.jobs.len() >= self.0.most_waiting() {
                return Err(busy());
            }
            queue.jobs.push_back(Job { work, queued: Instant::now(), caller });
        }
        self.0.ready.notify_one();
        answer.await.unwrap_or_else(|_| Err(busy()))
    }
}

fn busy() -> Error {
    Error::unavailable(2, "too many passwords are waiting to be checked")
}

impl Shared {
    fn most_waiting(&self) -> usize {
        QUEUE_PER_THREAD * self.layout.threads
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            if queue.closed {
                return None;
            }
            queue = self.ready.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl PasswordLane {
    /// Lets the threads end once the queue is empty.
    pub fn close(&self) {
        self.0.lock().closed = true;
        self.0.ready.notify_all();
    }
}

fn work(shared: &Shared) {
    // On Linux this is the thread's own priority. Where it is refused, the threads run as any other.
    if let Err(error) = rustix::process::setpriority_process(None, shared.layout.nice) {
        log::debug!(error = error.to_string().as_str(); "the password threads run at ordinary priority");
    }
    while let Some(job) = shared.next() {
        if job.caller.is_closed() {
            continue;
        }
        let outcome = if job.queued.elapsed() > PATIENCE {
            Err(busy())
        } else {
            shared.runs.fetch_add(1, Ordering::Relaxed);
            job.work.run(shared.layout.cost)
        };
        let _ = job.caller.send(outcome);
    }
}

impl Work {
    fn run(self, cost: u32) -> Result<Outcome> {
        match self {
            Self::Hash { password } => PasswordLane::hash_here(&password, cost).map(Outcome::Hashed),
            Self::Verify { password, hash } => PasswordLane::verify_here(&password, &hash).map(Outcome::Verified),
        }
    }
}

/// Well-formed, of the right cost, and the hash of nothing anybody knows; a constant, so that starting costs no bcrypt.
fn dummy_hash(cost: u32) -> String {
    format!("{SCHEME}$2b${cost:02}$abcdefghijklmnopqrstuuTnhYbeyLXk9MhjHgm9Y8M2Qq0wD6IGa")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane() -> PasswordLane {
        PasswordLane::start(Layout { cost: 4, threads: 1, nice: 0 }).expect("threads can be started")
    }

    fn peppered(text: &str) -> Zeroizing<String> {
        Zeroizing::new(text.to_owned())
    }

    #[tokio::test]
    async fn a_password_is_known_again_and_another_is_not() {
        let lane = lane();
        let hash = lane.hash(peppered("right")).await.expect("hashed");
        assert!(lane.verify(peppered("right"), Some(&hash)).await.expect("verified"));
        assert!(!lane.verify(peppered("wrong"), Some(&hash)).await.expect("verified"));
        assert!(!lane.is_outdated(&hash) && lane.is_outdated("$fk1$2b$12$…"));
    }

    #[tokio::test]
    async fn an_unknown_name_costs_a_run_and_is_never_right() {
        let lane = lane();
        assert!(!lane.verify(peppered("anything"), None).await.expect("verified"));
        assert_eq!(lane.runs(), 1);
    }
}
