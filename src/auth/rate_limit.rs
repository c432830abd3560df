//! How often anybody may call, counted in memory, on each node for itself.
//!
//! Each counter has a slot for every second of the last minute, and a call is counted while its second may still lie
//! within the last 60 s: so never more than the limit is taken in any 60 s, and a call counts for a second longer at
//! the most. (A counter over two fixed windows, weighted, would let nearly twice as many into a minute.)

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use super::check::Rule;
use super::identity::{Identity, Who};
use crate::api_key_profiles::{Throttle, Window};
use crate::clock::{MINUTE, SECOND, Timestamp};
use crate::config::RateLimit;
use crate::error::{Error, Reason, Result};
use crate::id::{ApiKeyID, ProfileID, TenantID};

/// The second that a call lies in, and the sixty before it.
const SLOTS: usize = 61;
/// So many callers, and so many tenants, are counted one by one; of more, only the larger sums are.
const MOST: usize = 50_000;

/// The calls of one caller, one tenant or everybody in the last minute.
#[derive(Clone, Debug)]
struct Counter {
    /// Calls by second, in a ring.
    slots: [u32; SLOTS],
    /// Their sum.
    sum: u32,
    /// The latest second that was looked at.
    second: i64,
}

impl Counter {
    fn new(second: i64) -> Self {
        Self { slots: [0; SLOTS], sum: 0, second }
    }

    /// Forgets what is older than a minute. A clock that was set back is followed, but for small steps.
    fn advance(&mut self, second: i64) {
        let passed = second - self.second;
        if passed.unsigned_abs() >= SLOTS as u64 {
            *self = Self::new(second);
        }
        while self.second < second {
            self.second += 1;
            let slot = &mut self.slots[place(self.second)];
            self.sum -= *slot;
            *slot = 0;
        }
    }

    fn is_idle(&self, second: i64) -> bool {
        (second - self.second).unsigned_abs() >= SLOTS as u64
    }

    fn count(&mut self) {
        self.slots[place(self.second)] += 1;
        self.sum += 1;
    }

    /// Forgets one call of this second.
    fn give_back(&mut self) {
        let slot = &mut self.slots[place(self.second)];
        if *slot > 0 {
            *slot -= 1;
            self.sum -= 1;
        }
    }

    /// Milliseconds until one more call is taken: nothing, if it is now. Needs [`Counter::advance`].
    fn wait(&self, limit: u32, now: Timestamp) -> i64 {
        let mut left = self.sum;
        if limit == 0 || left < limit {
            return 0;
        }
        for second in self.second - SLOTS as i64 + 1..=self.second {
            left -= self.slots[place(second)];
            if left < limit {
                return ((second + SLOTS as i64) * SECOND - now.millis()).max(1);
            }
        }
        SLOTS as i64 * SECOND
    }
}

/// Calls in the minute that began with the first of them.
#[derive(Clone, Copy, Debug, Default)]
struct Anchored {
    /// When it began.
    first: i64,
    calls: u32,
}

impl Anchored {
    /// Forgets a minute that is over, or that a clock which was set back makes begin in the future.
    fn advance(&mut self, now: Timestamp) {
        if !(0..MINUTE).contains(&now.millis().saturating_sub(self.first)) {
            *self = Self::default();
        }
    }

    fn count(&mut self, now: Timestamp) {
        if self.calls == 0 {
            self.first = now.millis();
        }
        self.calls += 1;
    }

    /// Milliseconds until one more call is taken: nothing, if it is now. Needs [`Anchored::advance`].
    fn wait(&self, limit: u32, now: Timestamp) -> i64 {
        if self.calls < limit { 0 } else { (self.first + MINUTE - now.millis()).max(1) }
    }
}

fn place(second: i64) -> usize {
    second.rem_euclid(SLOTS as i64) as usize
}

/// Counters by whose calls they count; idle ones are forgotten when there are many.
#[derive(Debug)]
struct Counters<K> {
    by: HashMap<K, Counter>,
    swept: i64,
}

impl<K: Hash + Eq> Counters<K> {
    fn new() -> Self {
        Self { by: HashMap::new(), swept: i64::MIN }
    }

    /// The counter of `key`, brought up to `second`; none where there is no room for another.
    fn get(&mut self, key: K, second: i64) -> Option<&mut Counter> {
        if self.by.len() >= MOST && self.swept != second && !self.by.contains_key(&key) {
            self.by.retain(|_, counter| !counter.is_idle(second));
            self.swept = second;
        }
        if self.by.len() >= MOST && !self.by.contains_key(&key) {
            return None;
        }
        let counter = self.by.entry(key).or_insert_with(|| Counter::new(second));
        counter.advance(second);
        Some(counter)
    }
}

/// Whose calls count together, besides a tenant's and everybody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum User {
    Administrator(i64),
    ApiKey(i64),
}

impl From<&Who> for User {
    fn from(who: &Who) -> Self {
        match who {
            Who::Administrator(session) => Self::Administrator(session.administrator.get()),
            Who::ApiKey(key) => Self::ApiKey(key.id.get()),
        }
    }
}

/// A use of a key, and how often such are taken.
#[derive(Clone, Copy, Debug)]
pub struct KeyUse {
    /// The key.
    pub key: ApiKeyID,
    /// Whose it is.
    pub tenant: TenantID,
    /// Which rules it lives under.
    pub profile: ProfileID,
    /// How often it may be used in any minute.
    pub own: Option<i64>,
    /// How often it and all of the tenant's keys of that profile may be, and what a minute is there.
    pub throttle: Throttle,
}

/// Which uses are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Uses {
    /// A key's, for its own bound.
    Own(ApiKeyID),
    /// A key's, for its profile's.
    Key(ApiKeyID),
    /// All of a tenant's keys of a profile.
    Tenant(TenantID, ProfileID),
}

impl KeyUse {
    /// What it counts towards, with the limit, and whether the minute is one from the first call on.
    fn limits(&self) -> impl Iterator<Item = (Uses, u32, bool)> + use<> {
        let anchored = self.throttle.window == Window::FromFirstCall;
        let limits = [
            (Uses::Own(self.key), self.own, false),
            (Uses::Key(self.key), self.throttle.key, anchored),
            (Uses::Tenant(self.tenant, self.profile), self.throttle.tenant, anchored),
        ];
        let counted = |limit: i64| u32::try_from(limit).unwrap_or(u32::MAX).max(1);
        limits.into_iter().filter_map(move |(uses, limit, anchored)| Some((uses, counted(limit?), anchored)))
    }
}

/// The uses of keys that are bounded; of others nothing is kept.
struct KeyUses {
    sliding: Counters<Uses>,
    anchored: HashMap<Uses, Anchored>,
}

impl KeyUses {
    /// Milliseconds until one more is taken for this limit.
    fn wait(&mut self, (uses, limit, is_anchored): (Uses, u32, bool), now: Timestamp) -> i64 {
        if is_anchored {
            return self.minute_of(uses, now).map_or(0, |minute| minute.wait(limit, now));
        }
        let second = now.millis().div_euclid(SECOND);
        self.sliding.get(uses, second).map_or(0, |counter| counter.wait(limit, now))
    }

    /// The same without touching anything.
    fn look(&self, (uses, limit, is_anchored): (Uses, u32, bool), at: Timestamp) -> i64 {
        if is_anchored {
            return self.anchored.get(&uses).map_or(0, |minute| {
                let mut minute = *minute;
                minute.advance(at);
                minute.wait(limit, at)
            });
        }
        self.sliding.by.get(&uses).map_or(0, |counter| {
            let mut counter = counter.clone();
            counter.advance(at.millis().div_euclid(SECOND));
            counter.wait(limit, at)
        })
    }

    fn count(&mut self, (uses, _, is_anchored): (Uses, u32, bool), now: Timestamp) {
        if is_anchored {
            if let Some(minute) = self.minute_of(uses, now) {
                minute.count(now);
            }
        } else if let Some(counter) = self.sliding.get(uses, now.millis().div_euclid(SECOND)) {
            counter.count();
        }
    }

    fn give_back(&mut self, (uses, _, is_anchored): (Uses, u32, bool), now: Timestamp) {
        if is_anchored {
            if let Some(minute) = self.minute_of(uses, now) {
                minute.calls = minute.calls.saturating_sub(1);
            }
        } else if let Some(counter) = self.sliding.get(uses, now.millis().div_euclid(SECOND)) {
            counter.give_back();
        }
    }

    /// The minute of these uses, if one is running; a fresh one else; none where there is no room for another.
    fn minute_of(&mut self, uses: Uses, now: Timestamp) -> Option<&mut Anchored> {
        if self.anchored.len() >= MOST && !self.anchored.contains_key(&uses) {
            self.anchored.retain(|_, minute| {
                minute.advance(now);
                minute.calls > 0
            });
            if self.anchored.len() >= MOST {
                return None;
            }
        }
        let minute = self.anchored.entry(uses).or_default();
        minute.advance(now);
        Some(minute)
    }
}

/// The counters of this node.
pub struct RateLimits {
    limit: RateLimit,
    counted: Mutex<Counted>,
    key_uses: Mutex<KeyUses>,
}

struct Counted {
    users: Counters<User>,
    tenants: Counters<TenantID>,
    node: Counter,
}

impl RateLimits {
    /// With nothing counted yet.
    pub fn new(limit: RateLimit) -> Self {
        let counted = Counted { users: Counters::new(), tenants: Counters::new(), node: Counter::new(0) };
        let key_uses = KeyUses { sliding: Counters::new(), anchored: HashMap::new() };
        Self { limit, counted: Mutex::new(counted), key_uses: Mutex::new(key_uses) }
    }

    /// Counts a use of a key towards its own limit and its profile's, or refuses it uncounted. Nothing is looked at for
    /// a key that has none.
    pub fn take_key(&self, counted: &KeyUse, now: Timestamp) -> Result<(), Rule> {
        let limits: Vec<_> = counted.limits().collect();
        if limits.is_empty() {
            return Ok(());
        }
        let mut uses = self.key_uses.lock().unwrap_or_else(PoisonError::into_inner);
        match limits.iter().map(|limit| uses.wait(*limit, now)).max() {
            Some(wait @ 1..) => Err(Rule::RateLimited(wait)),
            _ => {
                limits.iter().for_each(|limit| uses.count(*limit, now));
                Ok(())
            }
        }
    }

    /// What [`RateLimits::take_key`] would come to at that moment, if the key is not used until then. Nothing is counted.
    pub fn look_at_key(&self, counted: &KeyUse, at: Timestamp) -> Result<(), Rule> {
        let uses = self.key_uses.lock().unwrap_or_else(PoisonError::into_inner);
        match counted.limits().map(|limit| uses.look(limit, at)).max() {
            Some(wait @ 1..) => Err(Rule::RateLimited(wait)),
            _ => Ok(()),
        }
    }

    /// Takes a use back that came to nothing.
    pub fn give_back(&self, counted: &KeyUse, now: Timestamp) {
        let mut uses = self.key_uses.lock().unwrap_or_else(PoisonError::into_inner);
        counted.limits().for_each(|limit| uses.give_back(limit, now));
    }

    /// Counts a call of somebody, or refuses it uncounted with 429 and the time to wait.
    pub fn take(&self, caller: &Identity, now: Timestamp) -> Result<()> {
        if self.limit == RateLimit::OFF {
            return Ok(());
        }
        match self.wait_or_count((&caller.who).into(), caller.tenant.id, now) {
            0 => Ok(()),
            wait => {
                let seconds = u64::try_from(wait).unwrap_or(1).div_ceil(SECOND as u64);
                Err(Error::new(Reason::TooManyRequests, "Too many API requests.").retry_after(seconds))
            }
        }
    }

    /// Milliseconds to wait; none where the call is taken and counted.
    fn wait_or_count(&self, user: User, tenant: TenantID, now: Timestamp) -> i64 {
        let second = now.millis().div_euclid(SECOND);
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let Counted { users, tenants, node } = &mut *counted;
        node.advance(second);
        let mut counters = [
            (users.get(user, second), self.limit.user),
            (tenants.get(tenant, second), self.limit.tenant),
            (Some(node), self.limit.node),
        ];
        let waits = counters.iter().map(|(counter, limit)| counter.as_ref().map_or(0, |one| one.wait(*limit, now)));
        let wait = waits.max().unwrap_or_default();
        if wait == 0 {
            counters.iter_mut().filter_map(|(counter, _)| counter.as_mut()).for_each(|counter| counter.count());
        }
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: i64 = 60_000;
    const ME: User = User::ApiKey(1);

    fn limits(user: u32, tenant: u32, node: u32) -> RateLimits {
        RateLimits::new(RateLimit { user, tenant, node })
    }

    fn at(limits: &RateLimits, user: User, millis: i64) -> i64 {
        limits.wait_or_count(user, TenantID::PRIMARY, Timestamp::from_millis(millis))
    }

    #[test]
    fn the_limit_is_taken_and_one_more_waits_until_the_first_is_forgotten() {
        let limits = limits(3, 0, 0);
        assert_eq!([500, 700, 1_200].map(|millis| at(&limits, ME, millis)), [0, 0, 0]);
        assert_eq!(at(&limits, ME, 1_200), 59_800);
        assert_eq!(at(&limits, User::Administrator(1), 1_200), 0, "somebody else's number");
        assert_eq!(at(&limits, ME, 60_999), 1);
        assert_eq!([61_000, 61_000].map(|millis| at(&limits, ME, millis)), [0, 0]);
        assert_eq!(at(&limits, ME, 61_000), 1_000);
    }

    #[test]
    fn the_strictest_of_the_three_limits_holds_and_nothing_is_counted_where_one_refuses() {
        let limits = limits(5, 3, 4);
        for _ in 0..3 {
            assert_eq!(at(&limits, ME, 0), 0);
        }
        for _ in 0..10 {
            assert!(at(&limits, ME, 0) > 0, "the tenant's");
        }
        let other = |user| limits.wait_or_count(user, TenantID::new(7), Timestamp::from_millis(0));
        assert_eq!(other(ME), 0, "only three of this user's and of all were counted");
        assert!(other(User::ApiKey(2)) > 0, "the node's");
    }

    #[test]
    fn a_clock_that_jumps_neither_blocks_nor_stumbles() {
        let limits = limits(1, 0, 0);
        for millis in [i64::MAX, 0, i64::MIN, 5_000_000, 0] {
            assert_eq!(at(&limits, ME, millis), 0, "{millis}");
        }
        assert!(at(&limits, ME, 0) > 0);
    }

    #[test]
    fn memory_is_bounded_and_idle_callers_are_forgotten() {
        let limits = limits(1, 0, 0);
        let users = |from: usize, millis| {
            (from..from + MOST + 10).map(|n| at(&limits, User::ApiKey(n as i64), millis)).sum::<i64>()
        };
        assert_eq!(users(0, 0), 0);
        assert_eq!(limits.counted.lock().expect("not poisoned").users.by.len(), MOST);
        assert_eq!(users(MOST * 2, 61_000), 0);
        assert_eq!(limits.counted.lock().expect("not poisoned").users.by.len(), MOST);
        assert!(at(&limits, User::ApiKey(MOST as i64 * 2), 61_000) > 0, "the new ones are counted");
    }

    proptest! {
        /// DS-48: against every moment of every call, never more than the limit in any 60 s; and none is refused
        /// unless the limit was taken within the last 61 s. The wait that is told is enough, to the millisecond.
        #[test]
        fn never_more_than_the_limit_in_any_minute(limit in 1_u32..8, gaps in prop::collection::vec(0_i64..20_000, 1..200)) {
            let limits = limits(limit, 0, 0);
            let (mut now, mut taken): (i64, Vec<i64>) = (1_795_262_415_123, Vec::new());
            for gap in gaps {
                now += gap;
                let within = |millis: i64| taken.iter().filter(|call| now - **call < millis).count() as u32;
                let (minute, second_more) = (within(WINDOW), within(WINDOW + 1_000));
                match at(&limits, ME, now) {
                    0 => {
                        prop_assert!(minute < limit, "{minute} were taken");
                        taken.push(now);
                    }
                    wait => {
                        prop_assert!(second_more >= limit, "{second_more} were taken, and one more is refused");
                        prop_assert!(wait > 0 && wait <= WINDOW + 1_000);
                        prop_assert!(at(&limits, ME, now + wait - 1) > 0);
                        now += wait;
                        prop_assert_eq!(at(&limits, ME, now), 0);
                        taken.push(now);
                    }
                }
            }
        }
    }
}
