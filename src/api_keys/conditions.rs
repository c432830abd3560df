//! Conditions in every statement about keys: who sees which, and how a key is. They ask two tables that are not ours in
//! the same statement: which profiles are for their issuers' eyes, and whether an issuer may sign in.

use std::collections::{BTreeMap, BTreeSet};

use diesel::dsl::{exists, not};
use diesel::prelude::*;

use super::rules::{Kind, Kinds};
use super::status::{IN_USE, Status};
use crate::api_key_profiles::{Profile, Visibility};
use crate::auth::{Caller, Who};
use crate::clock::Timestamp;
use crate::db::schema::{administrators, api_key_profiles, api_keys};
use crate::id::{ProfileID, TenantID};
use crate::search::{Condition, with_index, without_index};

/// A condition on the table of keys.
pub type Keys = Condition<api_keys::table>;

diesel::alias!(api_keys as issuing_keys: IssuingKeys);

/// The keys of a tenant, whoever asks.
pub fn of_tenant(tenant: TenantID) -> Keys {
    Box::new(api_keys::tenant_id.eq(tenant))
}

/// The keys that a caller sees: their tenant's, and of a profile that is for its issuers' eyes only their own, unless
/// they have Full Access. A person's own are those that they issued, a key's own are itself and those made with it.
pub fn seen_by<R, V>(caller: &Caller<R, V>) -> Keys {
    let in_tenant = api_keys::tenant_id.eq(caller.tenant().id);
    if caller.has_full_access() {
        return Box::new(in_tenant);
    }
    let for_issuers = api_key_profiles::visibility.eq(Visibility::Own.as_str());
    let is_open = api_keys::profile_id.ne_all(api_key_profiles::table.filter(for_issuers).select(api_key_profiles::id));
    match caller.who() {
        Who::Administrator(session) => {
            let is_own = api_keys::made_by_administrator_id.assume_not_null().eq(session.administrator);
            Box::new(in_tenant.and(is_open.or(api_keys::made_by_administrator_id.is_not_null().and(is_own))))
        }
        Who::ApiKey(key) => {
            let is_own =
                api_keys::made_by_key_id.is_not_null().and(api_keys::made_by_key_id.assume_not_null().eq(key.id));
            Box::new(in_tenant.and(is_open.or(api_keys::id.eq(key.id)).or(is_own)))
        }
    }
}

/// Keys of some kinds; every one is named, because the index of statuses begins with them.
pub fn of_kinds(kinds: Kinds) -> Keys {
    let machines = [Kind::SiemAgent, Kind::LogCollector];
    let kinds: Vec<Kind> = match kinds {
        Kinds::All => [Kind::Standard].into_iter().chain(machines).collect(),
        Kinds::Machines => machines.to_vec(),
        Kinds::Only(kind) => return Box::new(api_keys::kind.eq(kind.as_str())),
    };
    Box::new(api_keys::kind.eq_any(kinds.into_iter().map(Kind::as_str).collect::<Vec<_>>()))
}

/// What the statuses of a tenant's keys depend on, besides their rows: the moment, and what its profiles say.
#[derive(Clone, Debug)]
pub struct Moment {
    now: Timestamp,
    /// Profiles whose keys are refused when whoever issued them may not sign in.
    bound: Vec<ProfileID>,
    /// Profiles by how long before the end their first warning comes.
    warnings: Vec<(i64, Vec<ProfileID>)>,
    in_order_of_id: bool,
}

/// The conditions of statuses; `$plain` stands around columns that have an index. Never null: they are negated.
macro_rules! conditions {
    ($name:ident, $plain:ident) => {
        fn $name(&self, status: Status) -> Keys {
            let lately = self.now.minus(IN_USE);
            match status {
                Status::Locked => Box::new(not($plain!(api_keys::active))),
                Status::IssuerDisabled => {
                    let is_bound = $plain!(api_keys::profile_id).eq_any(self.bound.clone());
                    Box::new(is_bound.and(not(exists(people_who_may!()))).and(not(exists(keys_that_may!()))))
                }
                Status::Expired => {
                    let end = || $plain!(api_keys::expiry_date);
                    Box::new(end().is_not_null().and(end().assume_not_null().le(self.now)))
                }
                Status::NotYetValid => {
                    let begin = api_keys::not_before;
                    Box::new(begin.is_not_null().and(begin.assume_not_null().gt(self.now)))
                }
                Status::Expiring => any(&self.warnings, &|(first, profiles)| {
                    let end = || $plain!(api_keys::expiry_date);
                    let is_warned = end().is_not_null().and(end().assume_not_null().le(self.now.plus(*first)));
                    Box::new($plain!(api_keys::profile_id).eq_any(profiles.clone()).and(is_warned))
                }),
                Status::Generated => Box::new($plain!(api_keys::last_sign_in).is_null()),
                Status::Active => {
                    let used = || $plain!(api_keys::last_sign_in);
                    Box::new(used().is_not_null().and(used().assume_not_null().ge(lately)))
                }
                Status::Inactive => {
                    let used = || $plain!(api_keys::last_sign_in);
                    Box::new(used().is_not_null().and(used().assume_not_null().lt(lately)))
                }
            }
        }
    };
}

/// The person who issued a key, if they may sign in.
macro_rules! people_who_may {
    () => {
        administrators::table
            .filter(administrators::id.nullable().eq(api_keys::made_by_administrator_id))
            .filter(administrators::active)
            .select(administrators::id)
    };
}

/// The key that a key was made with, if it is not locked out.
macro_rules! keys_that_may {
    () => {
        issuing_keys
            .filter(issuing_keys.field(api_keys::id).nullable().eq(api_keys::made_by_key_id))
            .filter(issuing_keys.field(api_keys::active))
            .select(issuing_keys.field(api_keys::id))
    };
}

impl Moment {
    /// Now, for the keys of a tenant that has these profiles.
    pub fn of<'a>(profiles: impl IntoIterator<Item = &'a Profile>, now: Timestamp) -> Self {
        let (mut bound, mut warnings) = (Vec::new(), BTreeMap::<i64, BTreeSet<ProfileID>>::new());
        for profile in profiles {
            if profile.issuer_bound {
                bound.push(profile.id);
            }
            if let Some(first) = profile.warn_before.iter().max() {
                warnings.entry(*first).or_default().insert(profile.id);
            }
        }
        let warnings = warnings.into_iter().map(|(first, ids)| (first, ids.into_iter().collect()));
        Self { now, bound, warnings: warnings.collect(), in_order_of_id: false }
    }

    /// The same with every index but the ID's out of SQLite's reach, for what is found nearly everywhere.
    pub fn in_order_of_id(&self) -> Self {
        Self { in_order_of_id: true, ..self.clone() }
    }

    /// Keys that have a status.
    pub fn has(&self, status: Status) -> Keys {
        // those that come before it must not hold: a key has one status
        let before = Status::ALL.into_iter().take_while(|other| *other < status);
        before.fold(self.holds(status), |keys, other| match other {
            // each of these excludes the others by itself
            Status::Generated | Status::Active | Status::Inactive => keys,
            other => Box::new(keys.and(not(self.holds(other)))),
        })
    }

    /// Keys of which it can be said, whatever else can.
    fn holds(&self, status: Status) -> Keys {
        if self.in_order_of_id { self.without_indices(status) } else { self.with_indices(status) }
    }

    conditions!(with_indices, with_index);
    conditions!(without_indices, without_index);
}

/// Whether one of several conditions holds. They are halved again and again, because SQLite plans none that is very
/// deep.
fn any<T>(cases: &[T], condition: &dyn Fn(&T) -> Keys) -> Keys {
    match cases {
        [] => Box::new(diesel::dsl::sql::<diesel::sql_types::Bool>("1 = 0")),
        [case] => condition(case),
        many => {
            let (some, others) = many.split_at(many.len() / 2);
            Box::new(any(some, condition).or(any(others, condition)))
        }
    }
}
