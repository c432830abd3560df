//! The lane of its own on which passwords are hashed: few threads, of low priority, behind a short
//! queue, so that a storm of sign-ins slows nobody but those who sign in.
//!
//! Where a storm comes from one place, it slows those who come from there: nobody who is not signed in has more than
//! half of the queue, and whoever else waits is served in between.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use zeroize::Zeroizing;

use crate::error::{Error, Result};

/// Jobs that may wait, for each thread; beyond it the answer is 503 at once.
const QUEUE_PER_THREAD: usize = 8;
/// As many of them may be of one client.
const SHARE_PER_THREAD: usize = QUEUE_PER_THREAD / 2;
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
    /// Whose job was begun last.
    last: Option<Client>,
    closed: bool,
}

struct Job {
    client: Client,
    work: Work,
    queued: Instant,
    caller: oneshot::Sender<Result<Outcome>>,
}

/// Who waits for a password to be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// Somebody who was let in already.
    Known,
    /// Whoever comes from there: an address, or the first of a network that counts as one (`throttle::prefix`).
    Unknown(IpAddr),
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

    /// Refuses when the queue is full, or the client's share of it, before anything else is done for the request, and
    /// after a moment's pause: clients that come back at once, whatever `Retry-After` says, then leave the machine to
    /// others.
    pub async fn must_have_room(&self, client: Client) -> Result<()> {
        let room = self.0.lock().has_room(client, self.0.layout.threads);
        if !room {
            tokio::time::sleep(PAUSE).await;
            return Err(busy());
        }
        Ok(())
    }

    /// Hashes a peppered password for storing, for somebody who was let in.
    pub async fn hash(&self, password: Zeroizing<String>) -> Result<String> {
        match self.queue(Client::Known, Work::Hash { password }).await? {
            Outcome::Hashed(hash) => Ok(hash),
            Outcome::Verified(_) => Err(Error::internal("the password lane answered another question")),
        }
    }

    /// Compares a peppered password with a stored hash; without one the comparison costs the same and
    /// is never true.
    pub async fn verify(&self, client: Client, password: Zeroizing<String>, hash: Option<&str>) -> Result<bool> {
        let known = hash.is_some();
        let hash = hash.unwrap_or(&self.0.dummy).to_owned();
        match self.queue(client, Work::Verify { password, hash }).await? {
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

    async fn queue(&self, client: Client, work: Work) -> Result<Outcome> {
        let (caller, answer) = oneshot::channel();
        {
            let mut queue = self.0.lock();
            // those whose client has gone do not stand in anybody's way
            queue.jobs.retain(|job| !job.caller.is_closed());
            if !queue.has_room(client, self.0.layout.threads) {
                return Err(busy());
            }
            queue.jobs.push_back(Job { client, work, queued: Instant::now(), caller });
        }
        self.0.ready.notify_one();
        answer.await.unwrap_or_else(|_| Err(busy()))
    }
}

fn busy() -> Error {
    Error::unavailable(2, "too many passwords are waiting to be checked")
}

impl Queue {
    fn has_room(&self, client: Client, threads: usize) -> bool {
        let theirs = || self.jobs.iter().filter(|job| job.client == client).count();
        self.jobs.len() < QUEUE_PER_THREAD * threads
            && (client == Client::Known || theirs() < SHARE_PER_THREAD * threads)
    }

    /// The oldest job of anybody but the client whose turn was last; the oldest of all where nobody else waits.
    fn take(&mut self) -> Option<Job> {
        let another = self.jobs.iter().position(|job| Some(job.client) != self.last);
        let job = self.jobs.remove(another.unwrap_or(0))?;
        self.last = Some(job.client);
        Some(job)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.lock();
        loop {
            if let Some(job) = queue.take() {
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
        assert!(lane.verify(Client::Known, peppered("right"), Some(&hash)).await.expect("verified"));
        assert!(!lane.verify(Client::Known, peppered("wrong"), Some(&hash)).await.expect("verified"));
        assert!(!lane.is_outdated(&hash) && lane.is_outdated("$fk1$2b$12$…"));
    }

    #[tokio::test]
    async fn an_unknown_name_costs_a_run_and_is_never_right() {
        let lane = lane();
        assert!(!lane.verify(Client::Known, peppered("anything"), None).await.expect("verified"));
        assert_eq!(lane.runs(), 1);
    }

    #[test]
    fn one_client_has_half_of_the_queue_and_others_are_served_in_between() {
        let (storm, other) = (Client::Unknown([10, 0, 0, 1].into()), Client::Unknown([10, 0, 0, 2].into()));
        let mut queue = Queue::default();
        let come = |queue: &mut Queue, client| {
            let room = queue.has_room(client, 1);
            if room {
                let work = Work::Hash { password: peppered("any") };
                queue.jobs.push_back(Job { client, work, queued: Instant::now(), caller: oneshot::channel().0 });
            }
            room
        };
        let all: Vec<bool> = (0..6).map(|_| come(&mut queue, storm)).collect();
        assert_eq!(all, [true, true, true, true, false, false]);
        assert!(come(&mut queue, other) && come(&mut queue, Client::Known));
        assert!(!come(&mut queue, storm), "its share is taken");
        let served: Vec<Client> = std::iter::from_fn(|| queue.take().map(|job| job.client)).collect();
        assert_eq!(served, [storm, other, storm, Client::Known, storm, storm]);
        let of_many =
            (1..=9).map(|last| come(&mut queue, Client::Unknown([10, 0, 0, last].into()))).filter(|room| *room);
        assert_eq!(of_many.count(), 8, "and all of them together have the queue");
        assert!(!come(&mut queue, Client::Known));
    }
}
