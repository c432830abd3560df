//! How the nodes on one PostgreSQL hear of one another's changes: LISTEN and NOTIFY (PostgreSQL's documentation,
//! "Asynchronous Notification").
//!
//! A change says what it touched in its own transaction ([`tell_nodes`]), so that it is heard of if and when it is
//! committed. Notifications are lost to whoever is not connected, and a connection that is cut says nothing for a long
//! time. So this node sends itself an echo, and when it hears none for a while, forgets everything it remembers again
//! and again until it does: nothing is taken from memory that is older than a second, whatever the network does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use diesel::prelude::*;
use diesel::sql_types::Text;

use super::connection::{Db, OpenError, Opener};
use super::freshness::{Freshness, Touched, WeakFreshness};
use crate::error::Result;
use crate::id::{ApiKeyID, TenantID};

/// On which everybody is told. A database is one installation's, so there are no others on it.
const CHANNEL: &str = "firstkey";
/// What a node says to hear itself.
const ECHO: &str = "e";
/// How often the connection is looked at.
const POLL: Duration = Duration::from_millis(25);
/// How often an echo is sent.
const ECHO_EVERY: Duration = Duration::from_millis(300);
/// So long after the last echo that was heard the connection counts as cut.
const PATIENCE: Duration = Duration::from_millis(750);
/// How often everything is forgotten while it does.
const FORGET_EVERY: Duration = Duration::from_millis(200);
/// Between two attempts to connect.
const AGAIN: Duration = Duration::from_millis(500);

/// Tells the other nodes, once the transaction is committed, what it touched. Nobody is told of a new key: a
/// notification makes commits wait for one another, and what nobody knows nobody has to forget.
pub fn tell_nodes(db: &mut Db, touched: &[Touched]) -> Result<()> {
    let Db::Postgres(inner) = db else { return Ok(()) };
    for payload in touched.iter().copied().filter_map(payload_of) {
        send(inner, &payload)?;
    }
    Ok(())
}

fn send(inner: &mut PgConnection, payload: &str) -> QueryResult<()> {
    diesel::sql_query("SELECT pg_notify($1, $2)")
        .bind::<Text, _>(CHANNEL)
        .bind::<Text, _>(payload)
        .execute(inner)
        .map(drop)
}

fn payload_of(touched: Touched) -> Option<String> {
    match touched {
        Touched::NewKey(_) => None,
        Touched::Key(id) => Some(format!("k:{}", id.get())),
        Touched::Tenant(id) => Some(format!("t:{}", id.get())),
        Touched::Everything => Some("a".to_owned()),
    }
}

/// What another node says was touched. What cannot be read may be anything: a newer version's word.
fn read_payload(payload: &str) -> Touched {
    let number = |text: &str| text.parse::<i64>().ok();
    let read = match payload.split_once(':') {
        Some(("k", id)) => number(id).map(|id| Touched::Key(ApiKeyID::new(id))),
        Some(("t", id)) => number(id).map(|id| Touched::Tenant(TenantID::new(id))),
        _ => None,
    };
    read.unwrap_or(Touched::Everything)
}

/// When an echo was last heard, in milliseconds since the listener began.
struct Heard {
    began: Instant,
    at: AtomicU64,
}

impl Heard {
    fn note(&self) {
        self.at.store(millis(self.began.elapsed()), Ordering::Release);
    }

    fn is_recent(&self) -> bool {
        let at = Duration::from_millis(self.at.load(Ordering::Acquire));
        self.began.elapsed().saturating_sub(at) < PATIENCE
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Tells whether the server answers at this time.
pub struct Hearing(Arc<Heard>);

impl Hearing {
    /// Whether an echo was heard a moment ago.
    pub fn is_recent(&self) -> bool {
        self.0.is_recent()
    }
}

/// Starts listening, on threads of its own that end when nobody needs them any more.
pub fn start(opener: Opener, freshness: &Freshness) -> Result<Hearing, OpenError> {
    let heard = Arc::new(Heard { began: Instant::now(), at: AtomicU64::new(0) });
    let (weak, watched) = (freshness.downgrade(), heard.clone());
    let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
    let refused = |error: std::io::Error| OpenError::Refused(error.to_string());
    let (listened, told) = (weak.clone(), heard.clone());
    thread("listener").spawn(move || listen(&opener, &listened, &told)).map_err(refused)?;
    thread("watch").spawn(move || watch(&weak, &watched)).map_err(refused)?;
    Ok(Hearing(heard))
}

/// Forgets everything again and again while no echo is heard: the other thread may hang in the network.
fn watch(freshness: &WeakFreshness, heard: &Heard) {
    let mut was_recent = true;
    while let Some(freshness) = freshness.upgrade() {
        let recent = heard.is_recent();
        if !recent {
            freshness.touch(Touched::Everything);
        }
        if was_recent && !recent {
            log::warn!("other nodes cannot be heard: what is remembered of keys is forgotten until they can");
        }
        was_recent = recent;
        drop(freshness);
        std::thread::sleep(FORGET_EVERY);
    }
}

fn listen(opener: &Opener, freshness: &WeakFreshness, heard: &Heard) {
    while freshness.is_wanted() {
        match opener.open() {
            Ok(Db::Postgres(mut inner)) => {
                let ended = hear(&mut inner, freshness, heard);
                if let Err(error) = ended {
                    log::warn!(error = error.to_string().as_str(); "the connection by which other nodes are heard was lost");
                }
            }
            Ok(Db::Sqlite(_)) => return,
            Err(error) => log::warn!(error = error.to_string().as_str(); "other nodes cannot be heard yet"),
        }
        std::thread::sleep(AGAIN);
    }
}

/// By which number PostgreSQL knows this connection, and signs what it says.
fn process_of(inner: &mut PgConnection) -> QueryResult<i64> {
    #[derive(QueryableByName)]
    struct Process {
        #[diesel(sql_type = diesel::sql_types::BigInt)]
        id: i64,
    }
    diesel::sql_query("SELECT pg_backend_pid()::bigint AS id").get_result::<Process>(inner).map(|process| process.id)
}

/// Listens on a fresh connection until it is lost, or nobody needs it.
fn hear(inner: &mut PgConnection, freshness: &WeakFreshness, heard: &Heard) -> QueryResult<()> {
    let own = process_of(inner)?;
    diesel::sql_query(format!("LISTEN {CHANNEL}")).execute(inner)?;
    // what was said before this moment was not heard
    let mut echo_due = Instant::now();
    let mut fresh = true;
    loop {
        let Some(freshness) = freshness.upgrade() else { return Ok(()) };
        if Instant::now() >= echo_due {
            send(inner, ECHO)?;
            echo_due = Instant::now() + ECHO_EVERY;
        }
        for notification in inner.notifications_iter() {
            let notification = notification?;
            if notification.payload != ECHO {
                freshness.touch(read_payload(&notification.payload));
            } else if i64::from(notification.process_id) == own {
                if std::mem::take(&mut fresh) {
                    freshness.touch(Touched::Everything);
                }
                heard.note();
            }
        }
        drop(freshness);
        std::thread::sleep(POLL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_what_is_heard() {
        for touched in [Touched::Key(ApiKeyID::new(8)), Touched::Tenant(TenantID::new(0)), Touched::Everything] {
            assert_eq!(payload_of(touched).as_deref().map(read_payload), Some(touched));
        }
        assert_eq!(payload_of(Touched::NewKey(ApiKeyID::new(8))), None, "nobody is told of a new key");
    }

    #[test]
    fn what_cannot_be_read_may_be_anything() {
        for payload in ["", "k", "k:", "k:x", "k:99999999999999999999", "t:", "z:8", "k:8:9"] {
            assert_eq!(read_payload(payload), Touched::Everything, "{payload}");
        }
    }
}
