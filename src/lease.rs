//! Who does the chores: of several nodes on one database one at a time holds the lease. It is taken and
//! kept by one `UPDATE`, and whatever must not be done twice asks for it again inside its own transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use diesel::prelude::*;

use crate::clock::{SECOND, Timestamp};
use crate::db::Db;
use crate::db::schema::leases;
use crate::error::Result;
use crate::secret::random_bytes;

/// How long the lease lasts when its holder falls silent, in milliseconds.
pub const LASTS: i64 = 10 * SECOND;
/// A claim that reaches further ahead than this, in milliseconds, is no claim. Clocks of nodes differ by less.
const BELIEVED: i64 = 60 * SECOND;

/// The row; the migration puts it there.
const NAME: &str = "chores";

/// This process's claim on the lease; cheap to clone.
#[derive(Clone, Debug)]
pub struct Lease {
    holder: Arc<str>,
    /// Until when the lease is ours, as far as this process knows; in milliseconds since the epoch.
    until: Arc<AtomicI64>,
}

impl Lease {
    /// A claim under a name that no other process has.
    pub fn new() -> Result<Self> {
        let holder = data_encoding::HEXLOWER.encode(random_bytes::<16>()?.as_ref());
        Ok(Self { holder: holder.into(), until: Arc::new(AtomicI64::new(0)) })
    }

    /// The name that no other process has.
    pub fn holder(&self) -> &str {
        &self.holder
    }

    /// Takes the lease, or keeps it: true when it is ours from now on. One statement, so that of two who come
    /// at once one gets it.
    pub fn keep(&self, db: &mut Db, now: Timestamp) -> Result<bool> {
        let until = now.plus(LASTS);
        let taken = diesel::update(leases::table.find(NAME))
            .filter(
                (leases::holder.eq(&*self.holder))
                    .or(leases::until.le(now))
                    // nobody takes it for so long: a clock was ahead, or somebody wants nothing to be sealed
                    .or(leases::until.gt(now.plus(BELIEVED))),
            )
            .set((leases::holder.eq(&*self.holder), leases::until.eq(until)))
            .execute(db)?;
        let ours = taken == 1;
        self.until.store(if ours { until.millis() } else { 0 }, Ordering::Relaxed);
        Ok(ours)
    }

    /// Whether this process has reason to think that the lease is its own: good enough for deciding whether to
    /// begin, and not for changing anything.
    pub fn seems_ours(&self, now: Timestamp) -> bool {
        self.until.load(Ordering::Relaxed) > now.millis()
    }

    /// Whether the lease is ours, for the rest of this transaction: the row stays locked until its end, so that
    /// nobody takes the lease in between. A holder that was asleep meanwhile is told no.
    pub fn is_ours(&self, db: &mut Db, now: Timestamp) -> Result<bool> {
        let row = diesel::update(leases::table.find(NAME))
            .filter(leases::holder.eq(&*self.holder))
            .filter(leases::until.gt(now));
        Ok(row.set(leases::until.eq(leases::until)).execute(db)? == 1)
    }

    /// Lets somebody else have it at once.
    pub fn release(&self, db: &mut Db) -> Result<()> {
        self.until.store(0, Ordering::Relaxed);
        diesel::update(leases::table.find(NAME))
            .filter(leases::holder.eq(&*self.holder))
            .set((leases::holder.eq(""), leases::until.eq(0)))
            .execute(db)?;
        Ok(())
    }
}
