//! What a key may be: plain functions of values.

use super::under_profile::{self, Asked, Under};
use crate::api_key_profiles::{Profile, RightsFrom};
use crate::api_types::KeyApiType;
use crate::clock::{DAY, HOUR, MINUTE, Timestamp};
use crate::constraints::Constraints;
use crate::error::{Error, Reason, Result};
use crate::id::{AdministratorID, ApiKeyID, ProfileID, RoleID};
use crate::locale::{Locale, TimeZone};
use crate::name::{Description, ObjectName};
use crate::rights::{Grant, Reach, Rights};

/// The shortest life a key may be given, in milliseconds.
const SHORTEST: i64 = MINUTE;
/// The longest, in milliseconds: ten years, leap days included.
const LONGEST: i64 = 3_653 * DAY;

/// How long a key lasts that the primary tenant makes for another, where nothing is said, and at most unless the
/// maker has Full Access; in milliseconds.
const FOR_TENANT: i64 = 6 * HOUR;

/// A key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Never given twice.
    pub id: ApiKeyID,
    /// What can be changed of it.
    pub properties: Properties,
    /// When it was made.
    pub created: Timestamp,
    /// The last success.
    pub last_sign_in: Option<Timestamp>,
    /// When a lock ends by itself.
    pub unlock_time: Option<Timestamp>,
    /// Wrong secrets since the last success.
    pub unsuccessful_sign_in_attempts: i64,
    /// Made by the primary tenant for use in another.
    pub service_account: bool,
    /// Made with the password of the first start.
    pub made_with_initial_password: bool,
    /// The rules it lives under, for life.
    pub profile: ProfileID,
    /// What kind of thing has it.
    pub kind: Kind,
    /// Who made it.
    pub issuer: Option<Issuer>,
}

/// What kind of thing has a key. Machines of the product have theirs in lists of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Anything.
    #[default]
    Standard,
    /// What hands events on to a SIEM.
    SiemAgent,
    /// What gathers logs.
    LogCollector,
}

impl Kind {
    /// Every word there is.
    pub const WORDS: [&'static str; 3] = ["standard", "siemAgent", "logCollector"];

    /// The word on the wire and in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::SiemAgent => "siemAgent",
            Self::LogCollector => "logCollector",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Standard, Self::SiemAgent, Self::LogCollector].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Who made a key. They may be gone, or belong to the primary tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issuer {
    /// A person.
    Administrator(AdministratorID),
    /// Another key.
    ApiKey(ApiKeyID),
}

/// What can be changed of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Properties {
    /// Unique in the tenant.
    pub name: ObjectName,
    /// Empty when none was given.
    pub description: Description,
    /// Language of what is written for it.
    pub locale: Locale,
    /// Whose rights it has.
    pub role: RoleID,
    /// Zone of its dates.
    pub time_zone: TimeZone,
    /// False: locked out.
    pub active: bool,
    /// None: never.
    pub expiry: Option<Timestamp>,
    /// What else bounds its use.
    pub constraints: Constraints,
}

/// Who makes or changes a key, as far as the rules care.
#[derive(Clone, Debug)]
pub struct Maker {
    /// The most that may be handed out.
    pub grant: Grant,
    /// When the maker itself ends.
    pub expires: Option<Timestamp>,
}

impl Maker {
    /// Nobody hands out, or lays hands on, more than they have (T-01): rights and reach alike.
    pub fn must_cover(&self, grant: &Grant, what: &str) -> Result<()> {
        if self.grant.covers(grant) {
            return Ok(());
        }
        Err(Error::new(
            Reason::BeyondCaller,
            format!("{what} has rights, computers or policies that the caller has not."),
        ))
    }

    /// A key that ends renews no secret of one that lasts longer: whoever has the new secret has that key's life
    /// (T-03).
    pub fn must_last_as_long_as(&self, key: &Properties) -> Result<()> {
        match self.expires {
            Some(end) if outlives(key.expiry, end) => Err(Error::new(
                Reason::BeyondCaller,
                format!(
                    "The key that makes this call ends at {end}; it cannot renew the secret of one that lasts longer."
                ),
            )),
            _ => Ok(()),
        }
    }
}

impl Maker {
    /// A key that ends gives no lasting key API types that it had not (T-03).
    pub fn may_add_types_to(&self, key: &Properties) -> Result<()> {
        match self.expires {
            Some(end) if outlives(key.expiry, end) => Err(Error::new(
                Reason::BeyondCaller,
                format!(
                    "constraints.apiTypes: the key that makes this call ends at {end}; it cannot let one that lasts \
                     longer do more."
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Whether nothing is kept from it.
    fn has_full_access(&self) -> bool {
        self.grant.covers(&Grant { rights: Rights::all(), reach: Reach::everything() })
    }
}

/// What was asked for as the expiry date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Nothing was said.
    Unsaid,
    /// 0 or null.
    Never,
    /// A moment.
    At(Timestamp),
}

impl Expiry {
    /// What a number of milliseconds since the epoch asks for; 0 is never.
    pub fn from_millis(millis: i64) -> Self {
        match millis {
            0 => Self::Never,
            millis => Self::At(Timestamp::from_millis(millis)),
        }
    }

    /// Whether it asks for no other end than this one.
    fn is(self, end: Option<Timestamp>) -> bool {
        match self {
            Self::Unsaid => true,
            Self::Never => end.is_none(),
            Self::At(at) => end == Some(at),
        }
    }
}

/// The expiry date that a wish comes to. Nothing said is `otherwise`; nothing made with a key that
/// expires may last longer than it.
pub fn expiry(
    wish: Expiry,
    otherwise: Option<Timestamp>,
    maker_expires: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<Timestamp>> {
    let wanted = match wish {
        Expiry::Unsaid => return Ok(otherwise),
        Expiry::Never => None,
        Expiry::At(at) if (now.plus(SHORTEST)..=now.plus(LONGEST)).contains(&at) => Some(at),
        Expiry::At(_) => {
            let message = "expiryDate: milliseconds since 1970, one minute to ten years ahead; 0 for never.";
            return Err(Error::new(Reason::ExpiryOutOfRange, message));
        }
    };
    match maker_expires {
        Some(end) if outlives(wanted, end) => Err(Error::new(
            Reason::BeyondCaller,
            format!("expiryDate: the key that makes this call ends at {end}, and what it makes cannot last longer."),
        )),
        _ => Ok(wanted),
    }
}

/// A key to be made, checked as far as that goes without its profile and its role, which the transaction looks up.
#[derive(Clone, Debug)]
pub struct KeyPlan {
    /// But for the role.
    properties: Properties,
    role: Option<RoleID>,
    expiry: Expiry,
    under: Under,
}

/// What somebody asks for of a key, new or old; nothing of it is checked yet.
pub struct Wanted {
    /// Its name.
    pub key_name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// A locale's name.
    pub locale: Option<String>,
    /// A role's ID.
    pub role: Option<RoleID>,
    /// A time zone's name.
    pub time_zone: Option<String>,
    /// False: locked out.
    pub active: Option<bool>,
    /// When it ends.
    pub expiry: Expiry,
    /// What its profile has a say in.
    pub under: Asked,
}

impl KeyPlan {
    /// Checks what was asked for; `zone` is the server's own, for keys that name none.
    pub fn new(wanted: Wanted, maker: &Maker, zone: TimeZone, now: Timestamp) -> Result<Self> {
        let role = wanted.role;
        let expiry = expiry(wanted.expiry, maker.expires, maker.expires, now);
        Self::checked(wanted, role, expiry, zone)
    }

    /// Checks what was asked for of a key that the primary tenant makes for another.
    pub fn for_tenant(wanted: Wanted, maker: &Maker, zone: TimeZone, now: Timestamp) -> Result<Self> {
        let end = now.plus(FOR_TENANT);
        let otherwise = maker.expires.map_or(end, |expires| expires.min(end));
        let expiry = expiry(wanted.expiry, Some(otherwise), maker.expires, now).and_then(|expiry| {
            if outlives(expiry, end) && !maker.has_full_access() {
                let message =
                    format!("expiryDate: without Full Access a tenant's key lasts six hours at most, to {end}.");
                return Err(Error::new(Reason::BeyondCaller, message));
            }
            Ok(expiry)
        });
        let role = wanted.role.unwrap_or(RoleID::FULL_ACCESS);
        Self::checked(wanted, Some(role), expiry, zone)
    }

    /// What was asked for that the profile has a say in.
    pub fn asked_under(&self) -> &Under {
        &self.under
    }

    /// What it comes to under a profile; `issuers` is the role of whoever makes it, where the profile asks for that.
    pub fn under(self, profile: &Profile, issuers: Option<RoleID>, now: Timestamp) -> Result<Properties> {
        let mut properties = self.properties;
        properties.role = under_profile::role(profile, self.role, issuers)?;
        properties.expiry = under_profile::end_of_new(profile, self.expiry, properties.expiry, now)?;
        properties.constraints.target = under_profile::target(profile, self.under.wanted_target())?;
        Ok(properties)
    }

    /// What it comes to under a profile that bounds nothing, as Deep Security's.
    pub fn alone(self) -> Result<Properties> {
        Ok(Properties { role: self.role.ok_or_else(role_needed)?, ..self.properties })
    }

    fn checked(
        wanted: Wanted,
        role: Option<RoleID>,
        expiry: Result<Option<Timestamp>>,
        zone: TimeZone,
    ) -> Result<Self> {
        let name = wanted.key_name.ok_or_else(|| Error::member("keyName", "a string is needed"))?;
        Ok(Self {
            role,
            expiry: wanted.expiry,
            under: Under::new(wanted.under)?,
            properties: Properties {
                name: ObjectName::parse("keyName", &name)?,
                description: Description::parse("description", &wanted.description.unwrap_or_default())?,
                locale: wanted.locale.as_deref().map(Locale::parse).transpose()?.unwrap_or_default(),
                // until the profile says which
                role: role.unwrap_or(RoleID::AUDITOR),
                time_zone: wanted.time_zone.as_deref().map(TimeZone::parse).transpose()?.unwrap_or(zone),
                active: wanted.active.unwrap_or(true),
                expiry: expiry?,
                constraints: Constraints::default(),
            },
        })
    }
}

/// What is to change of a key, each member checked by itself.
#[derive(Clone, Debug)]
pub struct Changes {
    name: Option<ObjectName>,
    description: Option<Description>,
    locale: Option<Locale>,
    role: Option<RoleID>,
    time_zone: Option<TimeZone>,
    active: Option<bool>,
    expiry: Expiry,
    under: Under,
}

impl Changes {
    /// Checks what was sent.
    pub fn new(wanted: Wanted) -> Result<Self> {
        Ok(Self {
            name: wanted.key_name.map(|name| ObjectName::parse("keyName", &name)).transpose()?,
            description: wanted.description.map(|text| Description::parse("description", &text)).transpose()?,
            locale: wanted.locale.as_deref().map(Locale::parse).transpose()?,
            role: wanted.role,
            time_zone: wanted.time_zone.as_deref().map(TimeZone::parse).transpose()?,
            active: wanted.active,
            expiry: wanted.expiry,
            under: Under::new(wanted.under)?,
        })
    }

    /// What was asked for that the profile has a say in.
    pub fn asked_under(&self) -> &Under {
        &self.under
    }

    /// Whether a lock is taken off: that also sets the counters back.
    pub fn unlocks(&self) -> bool {
        self.active == Some(true)
    }

    /// The properties as they will be.
    pub fn applied_to(self, old: &Properties, maker: &Maker, now: Timestamp) -> Result<Properties> {
        let new = Properties {
            name: self.name.unwrap_or_else(|| old.name.clone()),
            description: self.description.unwrap_or_else(|| old.description.clone()),
            locale: self.locale.unwrap_or(old.locale),
            role: self.role.unwrap_or(old.role),
            time_zone: self.time_zone.unwrap_or(old.time_zone),
            active: self.active.unwrap_or(old.active),
            expiry: expiry(self.expiry, old.expiry, maker.expires, now)?,
            constraints: old.constraints.clone(),
        };
        let gains = new.role != old.role || (new.active && !old.active);
        match maker.expires {
            Some(end) if gains && outlives(new.expiry, end) => Err(Error::new(
                Reason::BeyondCaller,
                format!(
                    "roleID, active: the key that makes this call ends at {end}; it cannot give another role to a key \
                     that lasts longer, nor let one in again."
                ),
            )),
            _ => Ok(new),
        }
    }
}

/// What the key of a name is to be, whether it is there already or not.
#[derive(Clone, Debug)]
pub struct Ensured {
    name: ObjectName,
    changes: Changes,
}

impl Ensured {
    /// Checks what was asked for of the key that the path names.
    pub fn new(in_path: &str, wanted: Wanted) -> Result<Self> {
        let name = ObjectName::parse("keyName", in_path)?;
        let changes = Changes::new(wanted)?;
        if changes.name.as_ref().is_some_and(|other| other.folded() != name.folded()) {
            return Err(Error::member("keyName", "the name in the path is needed, or none"));
        }
        Ok(Self { name, changes })
    }

    /// What was asked for that the profile has a say in.
    pub fn asked_under(&self) -> &Under {
        &self.changes.under
    }

    /// A role must be named, unless the profile asks for that of whoever made the key.
    pub fn must_name_role(&self, profile: &Profile) -> Result<()> {
        match (profile.rights_from, self.changes.role) {
            (RightsFrom::Role, None) => Err(role_needed()),
            _ => Ok(()),
        }
    }

    /// The name in the path.
    pub fn name(&self) -> &ObjectName {
        &self.name
    }

    /// A new key; `zone` is the server's own, for keys that name none.
    pub fn into_plan(self, maker: &Maker, zone: TimeZone, now: Timestamp) -> Result<KeyPlan> {
        let changes = self.changes;
        Ok(KeyPlan {
            properties: Properties {
                name: changes.name.unwrap_or(self.name),
                description: changes.description.unwrap_or_else(Description::none),
                locale: changes.locale.unwrap_or_default(),
                role: changes.role.unwrap_or(RoleID::AUDITOR),
                time_zone: changes.time_zone.unwrap_or(zone),
                active: changes.active.unwrap_or(true),
                expiry: expiry(changes.expiry, maker.expires, maker.expires, now)?,
                constraints: Constraints::default(),
            },
            role: changes.role,
            expiry: changes.expiry,
            under: changes.under,
        })
    }

    /// Whether anything of what was sent is not so already. What was not sent is as it should be.
    pub fn differs_from(&self, old: &Properties, types: &[KeyApiType]) -> bool {
        fn other<T: PartialEq>(wanted: Option<&T>, is: &T) -> bool {
            wanted.is_some_and(|wanted| wanted != is)
        }
        let changes = &self.changes;
        other(changes.name.as_ref(), &old.name)
            || other(changes.description.as_ref(), &old.description)
            || other(changes.locale.as_ref(), &old.locale)
            || other(changes.role.as_ref(), &old.role)
            || other(changes.time_zone.as_ref(), &old.time_zone)
            || other(changes.active.as_ref(), &old.active)
            || !changes.expiry.is(old.expiry)
            || changes.under.differs_from(old, types)
    }

    /// Whether a lock is taken off.
    pub fn unlocks(&self, old: &Properties) -> bool {
        self.changes.unlocks() && !old.active
    }

    /// The properties of a key that is there, as they will be. An end that is there already is not judged anew: a
    /// second run may come when it is near, or over.
    pub fn applied_to(mut self, old: &Properties, maker: &Maker, now: Timestamp) -> Result<Properties> {
        if self.changes.expiry.is(old.expiry) {
            self.changes.expiry = Expiry::Unsaid;
        }
        self.changes.applied_to(old, maker, now)
    }
}

fn role_needed() -> Error {
    Error::member("roleID", "the ID of a role is needed")
}

fn outlives(expiry: Option<Timestamp>, end: Timestamp) -> bool {
    expiry.is_none_or(|at| at > end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rights::Right;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    /// T-21: only one minute to ten years ahead is taken, and nothing wraps round.
    #[test]
    fn only_a_sensible_expiry_is_taken() {
        let take = |millis: i64| expiry(Expiry::from_millis(millis), None, None, NOW).ok();
        let ahead = |millis: i64| NOW.millis() + millis;
        for refused in [
            i64::MIN,
            -1,
            1,
            ahead(-1),
            ahead(0),
            ahead(59_999),
            ahead(LONGEST + 1),
            (1 << 53) + 1,
            1_000_000_000_000_000,
            i64::MAX,
        ] {
            assert_eq!(take(refused), None, "{refused}");
        }
        for taken in [ahead(60_000), ahead(LONGEST)] {
            assert_eq!(take(taken), Some(Some(Timestamp::from_millis(taken))));
        }
        assert_eq!(take(0), Some(None), "0 is never");
    }

    #[test]
    fn what_an_expiring_key_makes_ends_with_it() {
        let end = Some(NOW.plus(DAY));
        let made = |wish| expiry(wish, end, end, NOW).map_err(|error| error.reason());
        assert_eq!(made(Expiry::Unsaid), Ok(end));
        assert_eq!(made(Expiry::At(NOW.plus(DAY))), Ok(end));
        assert_eq!(made(Expiry::At(NOW.plus(DAY + 1))), Err(Reason::BeyondCaller));
        assert_eq!(made(Expiry::Never), Err(Reason::BeyondCaller));
    }

    fn any_grant() -> impl Strategy<Value = Grant> {
        let rights = prop::collection::vec(any::<bool>(), crate::rights::COUNT);
        let lists = prop::collection::btree_set(0_i64..4, 0..4);
        (rights, any::<(bool, bool)>(), lists.clone(), lists.clone(), lists).prop_map(
            |(bits, all, computers, computer_groups, policies)| Grant {
                rights: Right::all().zip(bits).filter(|(_, on)| *on).map(|(right, _)| right).collect::<Rights>(),
                reach: Reach { all_computers: all.0, all_policies: all.1, computers, computer_groups, policies },
            },
        )
    }

    proptest! {
        /// T-01, the law behind it: what covers is at least as strong, in rights and in reach.
        #[test]
        fn covering_is_an_order(a in any_grant(), b in any_grant(), c in any_grant()) {
            prop_assert!(a.covers(&a));
            prop_assert!(!(a.covers(&b) && b.covers(&c)) || a.covers(&c));
            if a.covers(&b) {
                prop_assert!(b.rights.iter().all(|right| a.rights.contains(right)));
                prop_assert!(a.reach.all_computers || (!b.reach.all_computers && b.reach.computers.iter().all(|id| a.reach.computers.contains(id))));
            }
        }
    }
}
