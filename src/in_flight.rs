//! How many requests are being answered at this moment: what a server that stops waits for. Connections say little of
//! that: one that speaks HTTP/2 stays open with nothing on it.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::web::Bytes;

/// The requests of all workers. Each counts its own, so that they do not wait for one another's memory.
#[derive(Clone, Default)]
pub struct InFlight {
    workers: Arc<Mutex<Vec<OfWorker>>>,
    closing: Arc<AtomicBool>,
}

/// The requests of one worker.
#[derive(Clone, Default)]
pub struct OfWorker(Arc<Worker>);

#[derive(Default)]
struct Worker {
    count: AtomicUsize,
    closing: Arc<AtomicBool>,
}

/// One request, until this is dropped.
pub struct Begun(OfWorker);

/// How often it is looked whether there are any.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl InFlight {
    /// For one more worker.
    pub fn worker(&self) -> OfWorker {
        let own = OfWorker(Arc::new(Worker { count: AtomicUsize::new(0), closing: self.closing.clone() }));
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(own.clone());
        own
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.iter().map(|own| own.0.count.load(Ordering::Acquire)).sum()
    }

    /// From now on each answer over HTTP/1.1 is the last of its connection: whoever keeps one open learns that the server
    /// stops before it does.
    pub fn close(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Waits until there was none for so long.
    pub async fn quiet(&self, time: Duration) {
        let mut since = Instant::now();
        while since.elapsed() < time {
            tokio::time::sleep(LOOK_EVERY).await;
            if self.count() > 0 {
                since = Instant::now();
            }
        }
    }
}

impl OfWorker {
    /// One more.
    pub fn begin(&self) -> Begun {
        self.0.count.fetch_add(1, Ordering::Relaxed);
        Begun(self.clone())
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.0.count.fetch_sub(1, Ordering::Release);
    }
}

/// Bodies up to this size, in bytes, are handed to the connection at once; longer ones, and those whose length nobody
/// knows yet, take their reader's time.
const AT_ONCE: u64 = 16 * 1024;

impl Begun {
    /// Whether its answer is to be the last of its connection.
    pub fn is_last(&self) -> bool {
        self.0.0.closing.load(Ordering::Relaxed)
    }

    /// The request ends with its answer's body.
    pub fn until_sent(self, body: BoxBody) -> BoxBody {
        match body.size() {
            BodySize::None => body,
            BodySize::Sized(size) if size <= AT_ONCE => body,
            BodySize::Sized(_) | BodySize::Stream => BoxBody::new(Sending { body, _begun: self }),
        }
    }
}

struct Sending {
    body: BoxBody,
    _begun: Begun,
}

impl MessageBody for Sending {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_next(context)
    }
}
