//! What a key may be: plain functions of values.

use super::under_profile::{self, Asked, Under};
use crate::api_key_profiles::{Profile, RightsFrom};
use crate::api_types::KeyApiType;
use crate::clock::{DAY, HOUR, MINUTE, Timestamp};
use crate::constraints::{self, Constraints};
use crate::error::{Error, Reason, Result};
use crate::id::{AdministratorID, ApiKeyID, ProfileID, RoleID};
use crate::locale::{Locale, TimeZone};
use crate::name::{Description, ObjectName};
use crate::rights::Grant;

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

/// Which kinds of key a list is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinds {
    /// Every one.
    All,
    /// All but the standard one.
    Machines,
    /// One.
    Only(Kind),
}

impl Kinds {
    /// What is listed where nothing is said.
    pub const STANDARD: Self = Self::Only(Kind::Standard);
    /// Every word there is.
    pub const WORDS: [&'static str; 5] = ["standard", "siemAgent", "logCollector", "machine", "all"];

    /// Reads the word.
    pub fn read(word: &str) -> Self {
        match word {
            "all" => Self::All,
            "machine" => Self::Machines,
            word => Kind::parse(word).map_or(Self::STANDARD, Self::Only),
        }
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
#[derive(Clone, Debug, Default)]
pub struct Maker {
    /// The most that may be handed out.
    pub grant: Grant,
    /// When the maker itself ends.
    pub expires: Option<Timestamp>,
    /// What else bounds the maker.
    pub bounds: Bounds,
}

/// What bounds the key that makes a call, besides its end; nothing bounds a person.
#[derive(Clone, Debug, Default)]
pub struct Bounds {
    /// Its networks, hours and numbers. Its beginning has passed.
    pub constraints: Constraints,
    /// Whose clocks its hours are.
    pub time_zone: Option<TimeZone>,
    /// Its profile and whoever issued it, where it is of use only as long as they may sign in.
    pub ends_with: Option<(ProfileID, Issuer)>,
}

impl Bounds {
    /// The zone of a key that names none: hours mean something in their own zone only.
    fn zone(&self, otherwise: TimeZone) -> TimeZone {
        self.time_zone.filter(|_| !self.constraints.windows.is_empty()).unwrap_or(otherwise)
    }

    /// Insists that a key is bounded as much.
    fn must_hold(&self, key: &Properties) -> Result<()> {
        let zone = self.time_zone.unwrap_or(key.time_zone);
        match key.constraints.escapes(key.time_zone, &self.constraints, zone, Timestamp::from_millis(0)) {
            Some(member) => Err(Error::new(
                Reason::BeyondCaller,
                format!(
                    "constraints.{member}: the key that makes this call is bounded there, and what it makes, lets in or \
                     renews must be bounded as much."
                ),
            )),
            None => Ok(()),
        }
    }

    /// The bounds of a new key.
    fn bound(&self, wanted: constraints::Changes, expiry: Option<Timestamp>, now: Timestamp) -> Result<Constraints> {
        if self.ends_with.is_some() {
            return Err(Error::new(
                Reason::BeyondCaller,
                "The key that makes this call is of use only as long as whoever issued it may sign in, and cannot make \
                 keys. Sign in to make one.",
            ));
        }
        let bounds = wanted.or_else(&self.constraints).applied_to(&Constraints::default(), expiry, now)?;
        if bounds.remaining_uses == Some(0) {
            return Err(Error::new(
                Reason::BeyondCaller,
                "constraints.remainingUses: the key that makes this call has no use left to hand on.",
            ));
        }
        Ok(bounds)
    }
}

impl Maker {
    /// Nobody hands out to a key, or lays hands on one that has, more than they have (T-01): rights, reach and access to
    /// the API alike. The console is no way in for a key, so whoever lacks it may still make keys of roles that have it.
    pub fn must_cover(&self, grant: &Grant, what: &str) -> Result<()> {
        self.must_cover_all_of(&grant.for_a_key(), what)
    }

    /// The same for people, who come in by the console too.
    pub fn must_cover_all_of(&self, grant: &Grant, what: &str) -> Result<()> {
        if self.grant.covers(grant) {
            return Ok(());
        }
        Err(Error::new(
            Reason::BeyondCaller,
            format!("{what} has rights, computers, policies or ways of access that the caller has not."),
        ))
    }

    /// A key that ends renews no secret of one that lasts longer: whoever has the new secret has that key's life
    /// (T-03). Nor does one that is bounded otherwise renew that of one that is bounded less.
    pub fn must_last_as_long_as(&self, key: &Properties) -> Result<()> {
        self.bounds.must_hold(key)?;
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
    /// A key that ends gives no lasting key API types that it had not (T-03), nor one that is bounded to one that is
    /// bounded less.
    pub fn may_add_types_to(&self, key: &Properties) -> Result<()> {
        self.bounds.must_hold(key)?;
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

    /// A key that is of use only as long as somebody may sign in gives a new secret, another role or life to none but
    /// those that are bound to the same.
    pub fn must_end_with(&self, key: &ApiKey) -> Result<()> {
        match self.bounds.ends_with {
            Some(bound) if key.issuer.map(|issuer| (key.profile, issuer)) != Some(bound) => Err(Error::new(
                Reason::BeyondCaller,
                "The key that makes this call is of use only as long as whoever issued it may sign in; the other one is \
                 not bound to the same.",
            )),
            _ => Ok(()),
        }
    }

    /// Whether nothing is kept from it.
    fn has_full_access(&self) -> bool {
        self.grant.covers(&Grant::everything())
    }
}

/// What was asked for as the expiry date.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// Nothing was said.
    #[default]
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
        Expiry::At(_) => return Err(out_of_range()),
    };
    match maker_expires {
        Some(end) if outlives(wanted, end) => Err(Error::new(
            Reason::BeyondCaller,
            format!("expiryDate: the key that makes this call ends at {end}, and what it makes cannot last longer."),
        )),
        _ => Ok(wanted),
    }
}

fn out_of_range() -> Error {
    let message = "expiryDate: milliseconds since 1970, one minute to ten years ahead; 0 for never.";
    Error::new(Reason::ExpiryOutOfRange, message)
}

/// A key to be made, checked as far as that goes without its profile and its role, which the transaction looks up.
#[derive(Clone, Debug)]
pub struct KeyPlan {
    /// But for the role, and what the profile makes of the end and of what the key is for.
    properties: Properties,
    role: Option<RoleID>,
    expiry: Expiry,
    under: Under,
    /// What kind of thing will have it.
    pub kind: Kind,
}

/// What somebody asks for of a key, new or old; nothing of it is checked yet.
#[derive(Default)]
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
    /// What else is to bound its use.
    pub constraints: constraints::Wanted,
    /// What kind of thing is to have it; looked at only where it is made.
    pub kind: Option<String>,
}

fn kind(word: Option<&str>) -> Result<Option<Kind>> {
    let read = |word| Kind::parse(word).ok_or_else(|| Error::member("lifecycle.kind", &Kind::WORDS.join(", ")));
    word.map(read).transpose()
}

impl KeyPlan {
    /// Checks what was asked for; `zone` is the server's own, for keys that name none.
    pub fn new(wanted: Wanted, maker: &Maker, zone: TimeZone, now: Timestamp) -> Result<Self> {
        let role = wanted.role;
        let expiry = expiry(wanted.expiry, maker.expires, maker.expires, now);
        Self::checked(wanted, role, expiry, maker, zone, now)
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
        Self::checked(wanted, Some(role), expiry, maker, zone, now)
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
        properties.constraints.must_begin_before(properties.expiry)?;
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
        maker: &Maker,
        zone: TimeZone,
        now: Timestamp,
    ) -> Result<Self> {
        let name = wanted.key_name.ok_or_else(|| Error::member("keyName", "a string is needed"))?;
        let zone = maker.bounds.zone(zone);
        let mut properties = Properties {
            name: ObjectName::parse("keyName", &name)?,
            description: Description::parse("description", &wanted.description.unwrap_or_default())?,
            locale: wanted.locale.as_deref().map(Locale::parse).transpose()?.unwrap_or_default(),
            // until the profile says which
            role: role.unwrap_or(RoleID::AUDITOR),
            time_zone: wanted.time_zone.as_deref().map(TimeZone::parse).transpose()?.unwrap_or(zone),
            active: wanted.active.unwrap_or(true),
            expiry: None,
            constraints: Constraints::default(),
        };
        let (kind, bounds) = (kind(wanted.kind.as_deref())?, constraints::Changes::read(wanted.constraints)?);
        let under = Under::new(wanted.under)?;
        properties.expiry = expiry?;
        properties.constraints = maker.bounds.bound(bounds, properties.expiry, now)?;
        maker.bounds.must_hold(&properties)?;
        Ok(Self { properties, role, expiry: wanted.expiry, under, kind: kind.unwrap_or_default() })
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
    constraints: constraints::Changes,
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
            constraints: constraints::Changes::read(wanted.constraints)?,
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
        let expiry = expiry(self.expiry, old.expiry, maker.expires, now)?;
        let new = Properties {
            name: self.name.unwrap_or_else(|| old.name.clone()),
            description: self.description.unwrap_or_else(|| old.description.clone()),
            locale: self.locale.unwrap_or(old.locale),
            role: self.role.unwrap_or(old.role),
            time_zone: self.time_zone.unwrap_or(old.time_zone),
            active: self.active.unwrap_or(old.active),
            expiry,
            constraints: self.constraints.applied_to(&old.constraints, expiry, now)?,
        };
        let gains = gains(old, &new);
        if gives_more(old, &new, now) {
            maker.bounds.must_hold(&new)?;
        }
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

/// Whether whoever holds the key's secret may do something else with it, or anything again.
fn gains(old: &Properties, new: &Properties) -> bool {
    new.role != old.role || (new.active && !old.active)
}

/// Whether it lasts longer.
fn is_longer(old: &Properties, new: &Properties) -> bool {
    old.expiry.is_some_and(|end| outlives(new.expiry, end))
}

/// Whether it is of use where, when or as often as it was not.
fn is_wider(old: &Properties, new: &Properties, now: Timestamp) -> bool {
    new.constraints.escapes(new.time_zone, &old.constraints, old.time_zone, now).is_some()
}

/// Whether a change gives whoever holds a key's secret anything that they had not.
pub fn gives_more(old: &Properties, new: &Properties, now: Timestamp) -> bool {
    gains(old, new) || is_longer(old, new) || is_wider(old, new, now)
}

/// What the key of a name is to be, whether it is there already or not.
#[derive(Clone, Debug)]
pub struct Ensured {
    name: ObjectName,
    kind: Option<Kind>,
    changes: Changes,
}

impl Ensured {
    /// Checks what was asked for of the key that the path names.
    pub fn new(in_path: &str, wanted: Wanted) -> Result<Self> {
        let name = ObjectName::parse("keyName", in_path)?;
        let kind = kind(wanted.kind.as_deref());
        let changes = Changes::new(wanted)?;
        if changes.name.as_ref().is_some_and(|other| other.folded() != name.folded()) {
            return Err(Error::member("keyName", "the name in the path is needed, or none"));
        }
        Ok(Self { name, kind: kind?, changes })
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

    /// A key is of one kind for life.
    pub fn must_be_of(&self, kind: Kind) -> Result<()> {
        match self.kind {
            Some(wanted) if wanted != kind => {
                let message = format!("lifecycle.kind: the key is of the kind {}, for life.", kind.as_str());
                Err(Error::new(Reason::Conflict, message))
            }
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
        let expiry = expiry(changes.expiry, maker.expires, maker.expires, now)?;
        let properties = Properties {
            name: changes.name.unwrap_or(self.name),
            description: changes.description.unwrap_or_else(Description::none),
            locale: changes.locale.unwrap_or_default(),
            role: changes.role.unwrap_or(RoleID::AUDITOR),
            time_zone: changes.time_zone.unwrap_or_else(|| maker.bounds.zone(zone)),
            active: changes.active.unwrap_or(true),
            expiry,
            constraints: maker.bounds.bound(changes.constraints, expiry, now)?,
        };
        maker.bounds.must_hold(&properties)?;
        Ok(KeyPlan {
            properties,
            role: changes.role,
            expiry: changes.expiry,
            under: changes.under,
            kind: self.kind.unwrap_or_default(),
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
            || changes.constraints.differs_from(&old.constraints)
    }

    /// Whether a lock is taken off.
    pub fn unlocks(&self, old: &Properties) -> bool {
        self.changes.unlocks() && !old.active
    }

    /// Whether an end is named that gives a key a life which has ended. One that lies behind is refused, also where it
    /// is the one that the key has: nobody is told that they have a key which lets nobody in.
    pub fn revives(&self, now: Timestamp) -> Result<bool> {
        match self.changes.expiry {
            Expiry::Unsaid => Ok(false),
            Expiry::At(at) if at <= now => Err(out_of_range()),
            Expiry::Never | Expiry::At(_) => Ok(true),
        }
    }

    /// The properties of a key that is there, as they will be. An end that is there already is not judged anew: a
    /// second run may come when it is near.
    pub fn applied_to(mut self, old: &Properties, maker: &Maker, now: Timestamp) -> Result<Properties> {
        if self.changes.expiry.is(old.expiry) {
            self.changes.expiry = Expiry::Unsaid;
        }
        self.changes.constraints = self.changes.constraints.without_refill(&old.constraints);
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
    use crate::rights::{Reach, Right, Rights, Ways};
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
        (rights, any::<[bool; 4]>(), lists.clone(), lists.clone(), lists).prop_map(
            |(bits, all, computers, computer_groups, policies)| Grant {
                rights: Right::all().zip(bits).filter(|(_, on)| *on).map(|(right, _)| right).collect::<Rights>(),
                reach: Reach { all_computers: all[0], all_policies: all[1], computers, computer_groups, policies },
                ways: Ways { user_interface: all[2], web_service: all[3] },
            },
        )
    }

    proptest! {
        /// T-01, the law behind it: what covers is at least as strong, in rights, in reach and in ways of access.
        #[test]
        fn covering_is_an_order(a in any_grant(), b in any_grant(), c in any_grant()) {
            prop_assert!(a.covers(&a));
            prop_assert!(!(a.covers(&b) && b.covers(&c)) || a.covers(&c));
            if a.covers(&b) {
                prop_assert!(b.rights.iter().all(|right| a.rights.contains(right)));
                prop_assert!(a.reach.all_computers || (!b.reach.all_computers && b.reach.computers.iter().all(|id| a.reach.computers.contains(id))));
                prop_assert!(a.ways.web_service >= b.ways.web_service && a.ways.user_interface >= b.ways.user_interface);
            }
        }
    }
}
