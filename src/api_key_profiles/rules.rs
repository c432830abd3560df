//! What a profile says, and which profiles make sense: plain values.

use serde::{Deserialize, Serialize};

use crate::clock::{DAY, MINUTE, Timestamp};
pub use crate::dialect::ErrorDialect as Dialect;
use crate::duration::Duration;
use crate::error::{Error, Reason, Result};
use crate::id::{ProfileID, TenantID};
use crate::name::{Description, ObjectName, fold};

/// The shortest and the longest life that a profile may speak of, in milliseconds: those of any key.
const VALIDITY: std::ops::RangeInclusive<i64> = MINUTE..=3_653 * DAY;
/// The longest overlap, in milliseconds.
const MOST_OVERLAP: i64 = 365 * DAY;
/// How early people may be told, in milliseconds; at the end itself too, where it is 0.
const WARNING: std::ops::RangeInclusive<i64> = MINUTE..=365 * DAY;
/// How early people are told where nothing is said, unless no key lasts that long.
const WARNED_BEFORE: i64 = 10 * DAY;
/// The most warnings of one profile.
const MOST_WARNINGS: usize = 10;
/// The most targets of one profile.
const MOST_TARGETS: usize = 50;
/// The most keys, or calls a minute.
const MOST: i64 = 1_000_000;

/// The rules that a family of keys lives under. Lengths of time are milliseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// 1 is Deep Security's.
    pub id: ProfileID,
    /// None: built in, and every tenant's.
    pub tenant: Option<TenantID>,
    /// Unique in the tenant.
    pub name: String,
    /// Empty when none was given.
    pub description: String,
    /// Cannot be changed.
    pub immutable: bool,
    /// Where a key's rights come from.
    pub rights_from: RightsFrom,
    /// How long a key lasts for which nothing is said; for ever where this is none.
    pub validity: Option<i64>,
    /// The shortest life that may be asked for.
    pub min_validity: Option<i64>,
    /// The longest; with it, no key is for ever.
    pub max_validity: Option<i64>,
    /// Keys of this profile that a tenant may have, expired ones included.
    pub max_keys: Option<i64>,
    /// What keys may be for; anything where this is empty.
    pub targets: Vec<Target>,
    /// Whether a key needs an API type.
    pub api_types_required: bool,
    /// Whether other API types mean another secret.
    pub replace_secret_on_type_change: bool,
    /// Whether a refresh brings an expired key back.
    pub refresh_revives: bool,
    /// The longest that a replaced secret may live on beside the new one.
    pub max_overlap: i64,
    /// How long before the end of a key people are told, the longest first.
    pub warn_before: Vec<i64>,
    /// Whether a key is refused when whoever issued it may not sign in any more.
    pub issuer_bound: bool,
    /// Who sees a key.
    pub visibility: Visibility,
    /// How often keys may be presented.
    pub throttle: Throttle,
    /// In which shape refusals are answered.
    pub dialect: Dialect,
}

impl Profile {
    /// From when on a key that ends then counts as expiring.
    pub fn first_warning(&self, expiry: Option<Timestamp>) -> Option<Timestamp> {
        Some(expiry?.minus(*self.warn_before.iter().max()?))
    }

    /// Whether it may become another. Keys that live under a profile have their rights by it: whom a stroke of the pen
    /// would make stronger was never looked at when they were made.
    pub fn may_become(&self, new: &Self, has_keys: bool) -> Result<()> {
        let conflict = |message: &'static str| Err(Error::new(Reason::Conflict, message));
        match () {
            () if self.immutable && self != new => {
                conflict("A built-in profile cannot be changed, but for the member default. Make one of your own.")
            }
            () if has_keys && self.rights_from != new.rights_from => {
                conflict("rightsFrom: API keys have this profile, and where their rights come from stays.")
            }
            () if has_keys && self.issuer_bound && !new.issuer_bound => {
                conflict("issuerBound: API keys have this profile, and some would be let in again; it stays.")
            }
            () => Ok(()),
        }
    }

    /// Refuses a profile that contradicts itself, and names the members that do.
    fn consistent(self) -> Result<Self> {
        let below = |a: Option<i64>, b: Option<i64>| matches!((a, b), (Some(a), Some(b)) if a < b);
        let most_of_a_target = self.targets.iter().filter_map(|target| target.max_keys).max();
        let mut names: Vec<String> = self.targets.iter().map(|target| fold(&target.name)).collect();
        names.sort_unstable();
        let same = names.windows(2).any(|two| two[0] == two[1]);
        let longest_warning = self.warn_before.iter().copied().max();
        let refused = |members: &str, why: &str| Err(Error::member(members, why));
        match () {
            () if below(self.max_validity, self.min_validity) => {
                refused("minValidity, maxValidity", "the shortest life is longer than the longest")
            }
            () if below(self.validity, self.min_validity) => {
                refused("validity, minValidity", "the life that keys have is shorter than the shortest")
            }
            () if below(self.max_validity, self.validity) => {
                refused("validity, maxValidity", "the life that keys have is longer than the longest")
            }
            () if self.max_validity.is_some_and(|most| longest_warning.is_some_and(|warning| warning >= most)) => {
                refused("warnBefore, maxValidity", "a key would be warned about from its first moment on")
            }
            () if self.validity.is_some_and(|usual| longest_warning.is_some_and(|warning| warning >= usual)) => {
                refused("warnBefore, validity", "a key would be warned about from its first moment on")
            }
            () if same => refused("targets", "each name is taken once"),
            () if below(self.max_keys, most_of_a_target) => {
                refused("targets, maxKeys", "a target cannot have more keys than the profile")
            }
            () if below(self.throttle.tenant, self.throttle.key) => {
                refused("callsPerMinute", "one key cannot be presented more often than all keys together")
            }
            () if self.refresh_revives && self.validity.is_none() => {
                refused("refreshRevives, validity", "a key that is brought back needs a validity to begin anew")
            }
            () if self.rights_from == RightsFrom::Issuer && !self.issuer_bound => refused(
                "rightsFrom, issuerBound",
                "keys with the rights of whoever made them are bound to them too: issuerBound must be true",
            ),
            () => Ok(self),
        }
    }
}

/// What somebody asks for of a profile, new or old; nothing of it is checked yet. Where there may be none, the inner
/// none asks for that.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// A word of [`RightsFrom`].
    pub rights_from: Option<String>,
    /// A length of time.
    pub validity: Option<Option<String>>,
    /// A length of time.
    pub min_validity: Option<Option<String>>,
    /// A length of time.
    pub max_validity: Option<Option<String>>,
    /// A number of keys.
    pub max_keys: Option<Option<i64>>,
    /// Names, and numbers of keys.
    pub targets: Option<Vec<(String, Option<i64>)>>,
    /// Whether a key needs an API type.
    pub api_types_required: Option<bool>,
    /// Whether other API types mean another secret.
    pub replace_secret_on_type_change: Option<bool>,
    /// Whether a refresh brings an expired key back.
    pub refresh_revives: Option<bool>,
    /// A length of time.
    pub max_overlap: Option<String>,
    /// Lengths of time.
    pub warn_before: Option<Vec<String>>,
    /// Whether keys need their issuer.
    pub issuer_bound: Option<bool>,
    /// A word of [`Visibility`].
    pub visibility: Option<String>,
    /// Calls of one key.
    pub key_calls: Option<Option<i64>>,
    /// Calls of a tenant.
    pub tenant_calls: Option<Option<i64>>,
    /// A word of [`Window`].
    pub calls_window: Option<String>,
    /// A word of [`Dialect`].
    pub dialect: Option<String>,
}

/// What is to change of a profile, each member checked by itself.
#[derive(Debug)]
pub struct Changes {
    name: Option<ObjectName>,
    description: Option<Description>,
    rights_from: Option<RightsFrom>,
    validity: Option<Option<i64>>,
    min_validity: Option<Option<i64>>,
    max_validity: Option<Option<i64>>,
    max_keys: Option<Option<i64>>,
    targets: Option<Vec<Target>>,
    api_types_required: Option<bool>,
    replace_secret_on_type_change: Option<bool>,
    refresh_revives: Option<bool>,
    max_overlap: Option<i64>,
    warn_before: Option<Vec<i64>>,
    issuer_bound: Option<bool>,
    visibility: Option<Visibility>,
    key_calls: Option<Option<i64>>,
    tenant_calls: Option<Option<i64>>,
    calls_window: Option<Window>,
    dialect: Option<Dialect>,
}

impl Changes {
    /// Checks what was sent.
    pub fn new(wanted: Wanted) -> Result<Self> {
        Ok(Self {
            name: wanted.name.map(|name| ObjectName::parse("name", &name)).transpose()?,
            description: wanted.description.map(|text| Description::parse("description", &text)).transpose()?,
            rights_from: word("rightsFrom", wanted.rights_from, RightsFrom::parse, RightsFrom::WORDS)?,
            validity: validity("validity", wanted.validity)?,
            min_validity: validity("minValidity", wanted.min_validity)?,
            max_validity: validity("maxValidity", wanted.max_validity)?,
            max_keys: limit("maxKeys", wanted.max_keys)?,
            targets: wanted.targets.map(targets).transpose()?,
            api_types_required: wanted.api_types_required,
            replace_secret_on_type_change: wanted.replace_secret_on_type_change,
            refresh_revives: wanted.refresh_revives,
            max_overlap: wanted
                .max_overlap
                .map(|text| length("maxOverlap", &text, 0..=MOST_OVERLAP, "0s to 365d"))
                .transpose()?,
            warn_before: wanted.warn_before.map(|texts| warnings(&texts)).transpose()?,
            issuer_bound: wanted.issuer_bound,
            visibility: word("visibility", wanted.visibility, Visibility::parse, Visibility::WORDS)?,
            key_calls: limit("callsPerMinute.key", wanted.key_calls)?,
            tenant_calls: limit("callsPerMinute.tenant", wanted.tenant_calls)?,
            calls_window: word("callsPerMinute.window", wanted.calls_window, Window::parse, Window::WORDS)?,
            dialect: word("errorDialect", wanted.dialect, Dialect::parse, Dialect::WORDS)?,
        })
    }

    /// A new profile of a tenant: what was not sent is as Deep Security has it.
    pub fn into_new(self, tenant: TenantID) -> Result<Profile> {
        if self.name.is_none() {
            return Err(Error::member("name", "a string is needed"));
        }
        let lengths = [self.max_validity.flatten(), self.validity.flatten()];
        let warns = lengths.into_iter().flatten().all(|length| length > WARNED_BEFORE);
        self.applied_to(&Profile {
            id: ProfileID::new(0),
            tenant: Some(tenant),
            name: String::new(),
            description: String::new(),
            immutable: false,
            rights_from: RightsFrom::Role,
            validity: None,
            min_validity: None,
            max_validity: None,
            max_keys: None,
            targets: Vec::new(),
            api_types_required: false,
            replace_secret_on_type_change: false,
            refresh_revives: false,
            max_overlap: 30 * DAY,
            warn_before: if warns { vec![WARNED_BEFORE] } else { Vec::new() },
            issuer_bound: false,
            visibility: Visibility::All,
            throttle: Throttle { key: None, tenant: None, window: Window::Sliding },
            dialect: Dialect::DeepSecurity,
        })
    }

    /// The profile as it will be.
    pub fn applied_to(self, old: &Profile) -> Result<Profile> {
        let new = Profile {
            id: old.id,
            tenant: old.tenant,
            name: self.name.map_or_else(|| old.name.clone(), |name| name.as_str().to_owned()),
            description: self.description.map_or_else(|| old.description.clone(), |text| text.as_str().to_owned()),
            immutable: old.immutable,
            rights_from: self.rights_from.unwrap_or(old.rights_from),
            validity: self.validity.unwrap_or(old.validity),
            min_validity: self.min_validity.unwrap_or(old.min_validity),
            max_validity: self.max_validity.unwrap_or(old.max_validity),
            max_keys: self.max_keys.unwrap_or(old.max_keys),
            targets: self.targets.unwrap_or_else(|| old.targets.clone()),
            api_types_required: self.api_types_required.unwrap_or(old.api_types_required),
            replace_secret_on_type_change: self
                .replace_secret_on_type_change
                .unwrap_or(old.replace_secret_on_type_change),
            refresh_revives: self.refresh_revives.unwrap_or(old.refresh_revives),
            max_overlap: self.max_overlap.unwrap_or(old.max_overlap),
            warn_before: self.warn_before.unwrap_or_else(|| old.warn_before.clone()),
            issuer_bound: self.issuer_bound.unwrap_or(old.issuer_bound),
            visibility: self.visibility.unwrap_or(old.visibility),
            throttle: Throttle {
                key: self.key_calls.unwrap_or(old.throttle.key),
                tenant: self.tenant_calls.unwrap_or(old.throttle.tenant),
                window: self.calls_window.unwrap_or(old.throttle.window),
            },
            dialect: self.dialect.unwrap_or(old.dialect),
        };
        // one that is what it was is no news, whatever it says
        if new == *old { Ok(new) } else { new.consistent() }
    }
}

fn word<T>(
    member: &str,
    wanted: Option<String>,
    parse: fn(&str) -> Option<T>,
    words: &[&'static str],
) -> Result<Option<T>> {
    let refused = || Error::member(member, &format!("one of {} is taken", words.join(", ")));
    wanted.map(|text| parse(&text).ok_or_else(refused)).transpose()
}

fn length(member: &str, text: &str, within: std::ops::RangeInclusive<i64>, bounds: &str) -> Result<i64> {
    let length = Duration::parse(text).map(Duration::millis).filter(|millis| within.contains(millis));
    length.ok_or_else(|| Error::member(member, &format!("{} is taken, {bounds}", Duration::FORMS)))
}

fn validity(member: &str, wanted: Option<Option<String>>) -> Result<Option<Option<i64>>> {
    let read = |text: String| length(member, &text, VALIDITY, "1m to 3653d");
    wanted.map(|wanted| wanted.map(read).transpose()).transpose()
}

fn limit(member: &str, wanted: Option<Option<i64>>) -> Result<Option<Option<i64>>> {
    match wanted {
        Some(Some(number)) if !(1..=MOST).contains(&number) => {
            Err(Error::member(member, "1 to 1000000 is taken; null is no limit"))
        }
        wanted => Ok(wanted),
    }
}

fn targets(wanted: Vec<(String, Option<i64>)>) -> Result<Vec<Target>> {
    if wanted.len() > MOST_TARGETS {
        return Err(Error::member("targets", &format!("at most {MOST_TARGETS} are taken")));
    }
    let read = |(name, max_keys): (String, Option<i64>)| {
        let name = ObjectName::parse("targets.name", &name)?.as_str().to_owned();
        let max_keys = limit("targets.maxKeys", Some(max_keys))?.flatten();
        Ok(Target { name, max_keys })
    };
    wanted.into_iter().map(read).collect()
}

/// The longest first, each once.
fn warnings(texts: &[String]) -> Result<Vec<i64>> {
    if texts.len() > MOST_WARNINGS {
        return Err(Error::member("warnBefore", &format!("at most {MOST_WARNINGS} are taken")));
    }
    let read = |text: &String| match Duration::parse(text) {
        Some(none) if none.millis() == 0 => Ok(0),
        _ => length("warnBefore", text, WARNING, "1m to 365d, or 0d for the end itself"),
    };
    let mut read: Vec<i64> = texts.iter().map(read).collect::<Result<_>>()?;
    read.sort_unstable_by(|a, b| b.cmp(a));
    read.dedup();
    Ok(read)
}

/// A thing that keys may be for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Keys of the profile that a tenant may have for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_keys: Option<i64>,
}

/// How often keys may be presented within a minute, on each node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttle {
    /// One key.
    pub key: Option<i64>,
    /// All keys of the profile that a tenant has.
    pub tenant: Option<i64>,
    /// What a minute is.
    pub window: Window,
}

impl Throttle {
    /// Whether keys may be presented more often by another one. Minutes that are counted in another way are.
    pub fn lets_through_less_than(&self, other: &Self) -> bool {
        let less = |one: Option<i64>, other: Option<i64>| one.is_some_and(|most| other.is_none_or(|n| n > most));
        let is_bound = self.key.is_some() || self.tenant.is_some();
        less(self.key, other.key) || less(self.tenant, other.tenant) || (is_bound && self.window != other.window)
    }
}

macro_rules! words {
    ($($(#[$about:meta])* $name:ident { $($(#[$word_about:meta])* $variant:ident = $word:literal,)+ })+) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$word_about])* $variant,)+
        }

        impl $name {
            /// Every word there is.
            pub const WORDS: &'static [&'static str] = &[$($word,)+];

            /// The word on the wire and in the database.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// Reads the word.
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)+ _ => None }
            }
        }
    )+};
}

words! {
    /// Where a key's rights come from.
    RightsFrom {
        /// The role that is named when it is made.
        Role = "role",
        /// The role of whoever issues it, as it is at each moment.
        Issuer = "issuer",
    }
    /// Who sees a key.
    Visibility {
        /// Whoever may view keys.
        All = "all",
        /// Who issued it, and who has Full Access.
        Own = "own",
    }
    /// What a minute is.
    Window {
        /// The sixty seconds before each call.
        Sliding = "sliding",
        /// Sixty seconds from the first call on, and then anew.
        FromFirstCall = "fromFirstCall",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn profile(wanted: Wanted) -> Result<Profile> {
        Changes::new(Wanted { name: Some("p".into()), ..wanted })?.into_new(TenantID::PRIMARY)
    }

    #[test]
    fn a_profile_that_contradicts_itself_is_refused_by_its_members() {
        let text = |text: &str| Some(Some(text.to_owned()));
        let cases: [(&str, Wanted); 9] = [
            (
                "minValidity, maxValidity",
                Wanted { min_validity: text("2d"), max_validity: text("1d"), ..Wanted::default() },
            ),
            ("validity, minValidity", Wanted { validity: text("1d"), min_validity: text("2d"), ..Wanted::default() }),
            ("validity, maxValidity", Wanted { validity: text("3d"), max_validity: text("2d"), ..Wanted::default() }),
            (
                "warnBefore, maxValidity",
                Wanted { max_validity: text("10d"), warn_before: Some(vec!["10d".into()]), ..Wanted::default() },
            ),
            ("targets", Wanted { targets: Some(vec![("a".into(), None), ("Ａ".into(), None)]), ..Wanted::default() }),
            (
                "targets, maxKeys",
                Wanted { max_keys: Some(Some(2)), targets: Some(vec![("a".into(), Some(3))]), ..Wanted::default() },
            ),
            ("callsPerMinute", Wanted { key_calls: Some(Some(3)), tenant_calls: Some(Some(2)), ..Wanted::default() }),
            ("refreshRevives, validity", Wanted { refresh_revives: Some(true), ..Wanted::default() }),
            ("rightsFrom, issuerBound", Wanted { rights_from: Some("issuer".into()), ..Wanted::default() }),
        ];
        for (members, wanted) in cases {
            let error = profile(wanted).expect_err(members);
            assert!(error.message().starts_with(&format!("{members}: ")), "{}", error.message());
        }
        assert!(profile(Wanted { warn_before: Some(vec![]), max_validity: text("1m"), ..Wanted::default() }).is_ok());
    }

    #[test]
    fn warnings_come_the_longest_first_and_once() {
        let wanted =
            Wanted { warn_before: Some(["1h", "60m", "P2D"].map(str::to_owned).to_vec()), ..Wanted::default() };
        assert_eq!(profile(wanted).expect("a profile").warn_before, [2 * DAY, 60 * MINUTE]);
    }

    proptest! {
        /// Whatever is sent is refused or is a profile whose bounds agree.
        #[test]
        fn what_is_taken_agrees_with_itself(
            lengths in prop::array::uniform3(prop::option::of(0_i64..5_000)),
            keys in prop::array::uniform3(prop::option::of(-1_i64..4)),
            flags in any::<[bool; 3]>(),
        ) {
            let length = |at: usize| Some(lengths[at].map(|days| format!("{days}d")));
            let wanted = Wanted {
                validity: length(0),
                min_validity: length(1),
                max_validity: length(2),
                max_keys: Some(keys[0]),
                targets: Some(vec![("a".into(), keys[1])]),
                key_calls: Some(keys[2]),
                refresh_revives: Some(flags[0]),
                issuer_bound: Some(flags[1]),
                rights_from: Some(if flags[2] { "issuer" } else { "role" }.into()),
                ..Wanted::default()
            };
            if let Ok(profile) = profile(wanted) {
                let most = profile.max_validity.unwrap_or(i64::MAX);
                prop_assert!(profile.min_validity.unwrap_or(0) <= profile.validity.unwrap_or(most));
                prop_assert!(profile.validity.unwrap_or(0) <= most);
                prop_assert!(profile.max_keys.is_none_or(|most| profile.targets[0].max_keys.unwrap_or(1) <= most));
                prop_assert!(profile.issuer_bound || profile.rights_from == RightsFrom::Role);
            }
        }

        #[test]
        fn any_text_is_judged(text in "\\PC{0,20}") {
            let same = || Some(text.clone());
            let wanted = Wanted {
                name: same(), description: same(), rights_from: same(), validity: Some(same()), max_overlap: same(),
                warn_before: Some(vec![text.clone()]), visibility: same(), calls_window: same(), dialect: same(),
                ..Wanted::default()
            };
            let _ = profile(wanted);
        }
    }
}
