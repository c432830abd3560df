//! Whether what was read of the database a while ago is still so, told without asking the database.
//!
//! Everything that verification depends on belongs to a key, to a tenant, or to neither. For each there is a counter,
//! which goes up after the commit of whatever changed it; who remembers a row remembers the sum of its counters, as it
//! was before the row was read ([`Stamp`]). Counters only go up, so the sum is the same only while none has moved: what
//! was read before a change is never taken for what came after it, whichever order the two threads ran in.
//!
//! Many keys share a counter. A change of one makes the others be read once more, which costs little and harms nobody;
//! so the counters have a fixed size, and nobody has to be told to forget anything.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use crate::id::{ApiKeyID, TenantID};

/// What a change touched, of that which is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Touched {
    /// A key that was not there before: nothing that is remembered of others, but that it is none.
    NewKey(ApiKeyID),
    /// A key, its secrets or its authorizations.
    Key(ApiKeyID),
    /// A tenant, its roles, profiles, API types or people.
    Tenant(TenantID),
    /// More than one of them, or nobody knows what.
    Everything,
}

/// Counters for keys, and for tenants: more than there are hot ones.
const KEYS: usize = 8_192;
const TENANTS: usize = 1_024;

/// The counters of this process; cheap to clone.
#[derive(Clone, Debug)]
pub struct Freshness(Arc<Counters>);

/// A hold on the counters that keeps nothing alive, for whoever only serves them.
#[derive(Clone, Debug)]
pub struct WeakFreshness(Weak<Counters>);

impl WeakFreshness {
    /// The counters, while somebody uses them.
    pub fn upgrade(&self) -> Option<Freshness> {
        self.0.upgrade().map(Freshness)
    }

    /// Whether somebody does.
    pub fn is_wanted(&self) -> bool {
        self.0.strong_count() > 0
    }
}

#[derive(Debug)]
struct Counters {
    keys: Box<[AtomicU32]>,
    tenants: Box<[AtomicU32]>,
    all: AtomicU32,
    /// Changes of what was there before.
    changes: AtomicU64,
}

/// How the counters of a row stood when it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp(u32);

impl Default for Freshness {
    fn default() -> Self {
        let counters = |many: usize| (0..many).map(|_| AtomicU32::new(0)).collect();
        Self(Arc::new(Counters {
            keys: counters(KEYS),
            tenants: counters(TENANTS),
            all: AtomicU32::new(0),
            changes: AtomicU64::new(0),
        }))
    }
}

impl Freshness {
    /// To be called after the commit, and before anybody is told of it.
    pub fn touch(&self, touched: Touched) {
        if !matches!(touched, Touched::NewKey(_)) {
            self.0.changes.fetch_add(1, Ordering::AcqRel);
        }
        let counter = match touched {
            Touched::Key(id) | Touched::NewKey(id) => self.of_key(id),
            Touched::Tenant(id) => self.of_tenant(id),
            Touched::Everything => &self.0.all,
        };
        counter.fetch_add(1, Ordering::Release);
    }

    /// How many changes there have been, those of others included. Who learns only from a row which counters are its
    /// own asks before and after, and keeps the row only if the answers agree: a change goes up here first.
    pub fn changes(&self) -> u64 {
        self.0.changes.load(Ordering::Acquire)
    }

    /// How the counters of a key stand whose tenant and issuing key are known.
    pub fn stamp(&self, key: ApiKeyID, tenant: TenantID, issuer: Option<ApiKeyID>) -> Stamp {
        let issuer = issuer.map_or(0, |issuer| self.of_key(issuer).load(Ordering::Acquire));
        let tenant = self.of_tenant(tenant).load(Ordering::Acquire);
        Stamp(self.of_nobody(key).0.wrapping_add(tenant).wrapping_add(issuer))
    }

    /// How the counters of a tenant stand, whatever happens to its keys.
    pub fn of_tenant_alone(&self, tenant: TenantID) -> Stamp {
        let tenant = self.of_tenant(tenant).load(Ordering::Acquire);
        Stamp(tenant.wrapping_add(self.0.all.load(Ordering::Acquire)))
    }

    /// How the counters of a key stand that is not there, and so has no tenant. To be asked before it is looked for.
    pub fn of_nobody(&self, key: ApiKeyID) -> Stamp {
        let key = self.of_key(key).load(Ordering::Acquire);
        Stamp(key.wrapping_add(self.0.all.load(Ordering::Acquire)))
    }

    /// For whoever only serves the counters.
    pub fn downgrade(&self) -> WeakFreshness {
        WeakFreshness(Arc::downgrade(&self.0))
    }

    fn of_key(&self, id: ApiKeyID) -> &AtomicU32 {
        pick(&self.0.keys, id.get())
    }

    fn of_tenant(&self, id: TenantID) -> &AtomicU32 {
        pick(&self.0.tenants, id.get())
    }
}

fn pick(counters: &[AtomicU32], id: i64) -> &AtomicU32 {
    let place = id.unsigned_abs() % counters.len() as u64;
    &counters[usize::try_from(place).unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: ApiKeyID = ApiKeyID::new(8);
    const ISSUER: ApiKeyID = ApiKeyID::new(9);
    const TENANT: TenantID = TenantID::new(3);

    #[test]
    fn whatever_a_row_depends_on_makes_it_stale() {
        let freshness = Freshness::default();
        let stamp = || freshness.stamp(KEY, TENANT, Some(ISSUER));
        for touched in [
            Touched::Key(KEY),
            Touched::NewKey(KEY),
            Touched::Key(ISSUER),
            Touched::Tenant(TENANT),
            Touched::Everything,
        ] {
            let before = stamp();
            freshness.touch(touched);
            assert_ne!(stamp(), before, "{touched:?}");
        }
        let before = stamp();
        freshness.touch(Touched::Key(ApiKeyID::new(10)));
        freshness.touch(Touched::Tenant(TenantID::PRIMARY));
        assert_eq!(stamp(), before, "others' changes");
    }

    #[test]
    fn who_is_nobody_is_looked_for_again_when_they_come() {
        let freshness = Freshness::default();
        let before = freshness.of_nobody(KEY);
        freshness.touch(Touched::Tenant(TENANT));
        assert_eq!(freshness.of_nobody(KEY), before);
        freshness.touch(Touched::NewKey(KEY));
        assert_ne!(freshness.of_nobody(KEY), before);
    }
}
