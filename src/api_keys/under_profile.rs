//! What a profile makes of a key: plain functions of values.

use super::rules::{Expiry, Properties};
use crate::api_key_profiles::{Profile, RightsFrom, Target};
use crate::api_types::{ApiType, KeyApiType, MOST_OF_A_KEY, TypeName};
use crate::clock::Timestamp;
use crate::duration::Duration;
use crate::error::{Error, Reason, Result};
use crate::id::{ApiTypeID, ProfileID, RoleID};
use crate::name::{ObjectName, fold};

/// What somebody asks for of a key that its profile has a say in; nothing of it is checked yet.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// A profile's ID.
    pub profile: Option<ProfileID>,
    /// A profile's name.
    pub profile_name: Option<String>,
    /// What it is to be for; the inner none is nothing.
    pub target: Option<Option<String>>,
    /// Names of API types; none of them where the list is empty.
    pub api_types: Option<Vec<String>>,
}

/// The same, each member checked by itself.
#[derive(Clone, Debug, Default)]
pub struct Under {
    /// A profile's ID; the tenant's default where nothing is said.
    pub profile: Option<ProfileID>,
    /// Its name, in the place of the ID or beside it.
    pub profile_name: Option<String>,
    /// What it is to be for.
    pub target: Option<Option<ObjectName>>,
    /// The API types it is to be for.
    pub api_types: Option<Vec<TypeName>>,
}

impl Under {
    /// Checks what was sent.
    pub fn new(asked: Asked) -> Result<Self> {
        let target = |text: String| ObjectName::parse("constraints.target", &text);
        let types = |names: Vec<String>| {
            if names.len() > MOST_OF_A_KEY {
                let expected = format!("at most {MOST_OF_A_KEY} are taken");
                return Err(Error::member("constraints.apiTypes", &expected));
            }
            names.iter().map(|name| TypeName::parse("constraints.apiTypes", name)).collect()
        };
        Ok(Self {
            profile: asked.profile,
            profile_name: asked.profile_name,
            target: asked.target.map(|wanted| wanted.map(target).transpose()).transpose()?,
            api_types: asked.api_types.map(types).transpose()?,
        })
    }

    /// What a new key is to be for.
    pub fn wanted_target(&self) -> Option<&ObjectName> {
        self.target.as_ref().and_then(Option::as_ref)
    }

    /// The API types that a new key is to be for.
    pub fn wanted_types(&self) -> &[TypeName] {
        self.api_types.as_deref().unwrap_or_default()
    }

    /// Whether anything of what was sent is not so already.
    pub fn differs_from(&self, old: &Properties, types: &[KeyApiType]) -> bool {
        let folded = |names: &mut dyn Iterator<Item = String>| names.collect::<std::collections::BTreeSet<String>>();
        let other_target =
            self.target.as_ref().is_some_and(|wanted| wanted.as_ref().map(ObjectName::folded) != folded_target(old));
        let other_types = self.api_types.as_ref().is_some_and(|wanted| {
            folded(&mut wanted.iter().map(TypeName::folded)) != folded(&mut types.iter().map(|kind| fold(&kind.name)))
        });
        other_target || other_types
    }
}

fn folded_target(properties: &Properties) -> Option<String> {
    properties.constraints.target.as_deref().map(fold)
}

/// The role that a new key has.
pub fn role(profile: &Profile, named: Option<RoleID>, issuers: Option<RoleID>) -> Result<RoleID> {
    match (profile.rights_from, named, issuers) {
        (RightsFrom::Role, named, _) => named.ok_or_else(|| Error::member("roleID", "the ID of a role is needed")),
        (RightsFrom::Issuer, None, Some(own)) => Ok(own),
        (RightsFrom::Issuer, Some(named), Some(own)) if named == own => Ok(own),
        (RightsFrom::Issuer, ..) => Err(Error::member("roleID", OF_ISSUER)),
    }
}

const OF_ISSUER: &str = "keys of this profile have the role of whoever makes them; leave it out";

/// A key's role stays where it is its issuer's.
pub fn must_keep_role(profile: &Profile, old: &Properties, new: &Properties) -> Result<()> {
    if profile.rights_from == RightsFrom::Issuer && old.role != new.role {
        let message =
            "roleID: the key has the role of whoever made it, as the key's profile says; it changes with that one's.";
        return Err(Error::new(Reason::Conflict, message));
    }
    Ok(())
}

/// When a new key ends. `planned` is what comes of the wish and of its maker, who may end, too; where nothing was said
/// the profile's validity holds if it is shorter.
pub fn end_of_new(
    profile: &Profile,
    wish: Expiry,
    planned: Option<Timestamp>,
    now: Timestamp,
) -> Result<Option<Timestamp>> {
    if wish == Expiry::Unsaid {
        let of_profile = profile.validity.or(profile.max_validity).map(|validity| now.plus(validity));
        return Ok(earlier(of_profile, planned));
    }
    must_lie_within(profile, planned, now)?;
    Ok(planned)
}

/// When a key ends that was given a new secret because it is for other things now: the profile's validity begins anew.
/// A key that has ended stays so, and no maker gives a life beyond its own.
pub fn end_of_renewed(
    profile: &Profile,
    old: Option<Timestamp>,
    maker_expires: Option<Timestamp>,
    now: Timestamp,
) -> Option<Timestamp> {
    match (profile.validity.or(profile.max_validity), old) {
        (Some(validity), Some(end)) if end > now => {
            let anew = earlier(Some(now.plus(validity)), maker_expires);
            anew.max(Some(end))
        }
        _ => old,
    }
}

fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.into_iter().chain(b).min()
}

/// An end that was asked for lies within the profile's bounds, which are counted from the moment that the secret was
/// made: whoever moves it again and again comes no further.
pub fn must_lie_within(profile: &Profile, end: Option<Timestamp>, since: Timestamp) -> Result<()> {
    let (least, most) = (profile.min_validity, profile.max_validity);
    let too_early = least.is_some_and(|least| end.is_some_and(|end| end < since.plus(least)));
    let too_late = most.is_some_and(|most| end.is_none_or(|end| end > since.plus(most)));
    if !too_early && !too_late {
        return Ok(());
    }
    let length = |millis| Duration::from_millis(millis).to_string();
    let bounds = match (least, most) {
        (Some(least), Some(most)) if least == most => {
            format!("exactly {} from the moment that its secret is made; leave it out", length(most))
        }
        (Some(least), Some(most)) => {
            format!(
                "{} to {} from the moment that its secret is made, {} to {}",
                length(least),
                length(most),
                since.plus(least),
                since.plus(most)
            )
        }
        (Some(least), None) => {
            format!(
                "{} or more from the moment that its secret is made, {} at the earliest",
                length(least),
                since.plus(least)
            )
        }
        (None, Some(most)) => {
            format!(
                "{} at most from the moment that its secret is made, {} at the latest",
                length(most),
                since.plus(most)
            )
        }
        (None, None) => String::new(),
    };
    let message = format!("expiryDate: a key of the profile {} lasts {bounds}.", profile.name);
    Err(Error::new(Reason::ExpiryOutOfRange, message))
}

/// What a key is for, spelt as its profile does; anything where the profile lists nothing.
pub fn target(profile: &Profile, wanted: Option<&ObjectName>) -> Result<Option<String>> {
    if profile.targets.is_empty() {
        return Ok(wanted.map(|name| name.as_str().to_owned()));
    }
    let known = wanted.and_then(|name| named(profile, name.as_str()));
    let names = || profile.targets.iter().map(|target| target.name.as_str()).collect::<Vec<_>>();
    match known {
        Some(target) => Ok(Some(target.name.clone())),
        None => {
            let message = format!("constraints.target: one of {} is needed.", names().join(", "));
            Err(Error::new(Reason::UnknownTarget, message).accepting(names()))
        }
    }
}

fn named<'p>(profile: &'p Profile, name: &str) -> Option<&'p Target> {
    profile.targets.iter().find(|target| fold(&target.name) == fold(name))
}

/// Whether a profile's key may be for so many API types.
pub fn must_have_types(profile: &Profile, kinds: &[ApiType]) -> Result<()> {
    if profile.api_types_required && kinds.is_empty() {
        let expected =
            format!("a key of the profile {} needs at least one; GET /api/apitypes lists them", profile.name);
        return Err(Error::member("constraints.apiTypes", &expected));
    }
    Ok(())
}

/// Whether these are other API types than those the key is for.
pub fn are_others(old: &[KeyApiType], new: &[ApiType]) -> bool {
    let of = |ids: &mut dyn Iterator<Item = ApiTypeID>| ids.collect::<std::collections::BTreeSet<_>>();
    of(&mut old.iter().map(|kind| kind.id)) != of(&mut new.iter().map(|kind| kind.id))
}

/// Whether a key may do more for these API types than for those that it is for; a key for none may do what its role may.
pub fn are_more(old: &[KeyApiType], new: &[ApiType]) -> bool {
    let is_new = |kind: &ApiType| !old.iter().any(|known| known.id == kind.id);
    !old.is_empty() && (new.is_empty() || new.iter().any(is_new))
}

/// Whether a profile counts the keys that are for something.
pub fn counts(profile: &Profile, target: Option<&str>) -> bool {
    profile.max_keys.is_some() || most_for(profile, target).is_some()
}

/// Whether a profile counts keys of any kind.
pub fn ever_counts(profile: &Profile) -> bool {
    profile.max_keys.is_some() || profile.targets.iter().any(|target| target.max_keys.is_some())
}

fn most_for(profile: &Profile, target: Option<&str>) -> Option<i64> {
    target.and_then(|name| named(profile, name)).and_then(|target| target.max_keys)
}

/// Whether there is room for one key more: `all` of the profile and `of_target` of them are there, besides this one.
pub fn must_have_room(profile: &Profile, target: Option<&str>, all: i64, of_target: i64) -> Result<()> {
    let full = |what: &str, most: i64| {
        let keys = if most == 1 { "key" } else { "keys" };
        let message =
            format!("{what} has {most} {keys} at most, expired ones included. Delete one that is not needed.");
        Err(Error::new(Reason::KeyLimitReached, message))
    };
    match (most_for(profile, target), profile.max_keys) {
        (Some(most), _) if of_target >= most => full(&format!("The target {}", target.unwrap_or_default()), most),
        (_, Some(most)) if all >= most => full(&format!("The profile {}", profile.name), most),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api_key_profiles::{Dialect, Throttle, Visibility, Window};
    use crate::clock::DAY;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn profile() -> Profile {
        Profile {
            id: ProfileID::new(9),
            tenant: None,
            name: "p".into(),
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
            max_overlap: 0,
            warn_before: Vec::new(),
            issuer_bound: false,
            visibility: Visibility::All,
            throttle: Throttle { key: None, tenant: None, window: Window::Sliding },
            dialect: Dialect::DeepSecurity,
        }
    }

    #[test]
    fn nothing_said_is_the_profiles_validity_or_the_makers_end() {
        let end = |validity, max_validity, planned| {
            let profile = Profile { validity, max_validity, ..profile() };
            end_of_new(&profile, Expiry::Unsaid, planned, NOW).expect("nothing is asked for")
        };
        let day = |days: i64| Some(NOW.plus(days * DAY));
        assert_eq!(end(None, None, None), None);
        assert_eq!(end(None, None, day(1)), day(1));
        assert_eq!(end(Some(2 * DAY), None, None), day(2));
        assert_eq!(end(Some(2 * DAY), Some(5 * DAY), None), day(2));
        assert_eq!(end(None, Some(5 * DAY), None), day(5), "no key is for ever where there is a longest life");
        assert_eq!(end(Some(2 * DAY), None, day(1)), day(1), "the maker's own end wins");
    }

    #[test]
    fn a_renewed_key_begins_its_validity_anew_and_an_ended_one_stays_ended() {
        let profile = Profile { validity: Some(10 * DAY), ..profile() };
        let day = |days: i64| Some(NOW.plus(days * DAY));
        assert_eq!(end_of_renewed(&profile, day(3), None, NOW), day(10));
        assert_eq!(end_of_renewed(&profile, day(3), day(5), NOW), day(5));
        assert_eq!(end_of_renewed(&profile, day(3), day(2), NOW), day(3));
        assert_eq!(end_of_renewed(&profile, day(0), None, NOW), day(0));
        assert_eq!(end_of_renewed(&profile, day(-1), None, NOW), day(-1));
        assert_eq!(end_of_renewed(&profile, None, None, NOW), None);
    }

    proptest! {
        #[test]
        fn what_is_taken_lies_within_both_bounds(
            least in prop::option::of(1_i64..10),
            most in prop::option::of(1_i64..10),
            asked in prop::option::of(0_i64..12),
        ) {
            let bounds = |days: Option<i64>| days.map(|days| days * DAY);
            let profile = Profile { min_validity: bounds(least), max_validity: bounds(most), ..profile() };
            let end = asked.map(|days| NOW.plus(days * DAY));
            let fits = least.is_none_or(|least| asked.is_none_or(|asked| asked >= least))
                && most.is_none_or(|most| asked.is_some_and(|asked| asked <= most));
            prop_assert_eq!(must_lie_within(&profile, end, NOW).is_ok(), fits);
        }

        #[test]
        fn there_is_room_below_every_limit_and_nowhere_else(
            max_keys in prop::option::of(1_i64..5),
            of_target in prop::option::of(1_i64..5),
            all in 0_i64..6,
            same in 0_i64..6,
        ) {
            let targets = vec![Target { name: "t".into(), max_keys: of_target }];
            let profile = Profile { max_keys, targets, ..profile() };
            let room = max_keys.is_none_or(|most| all < most) && of_target.is_none_or(|most| same < most);
            prop_assert_eq!(must_have_room(&profile, Some("t"), all, same).is_ok(), room);
            prop_assert!(counts(&profile, Some("t")) || room);
        }

        #[test]
        fn any_texts_are_judged(target in "\\PC{0,10}", name in "\\PC{0,10}") {
            let asked = Asked { profile: None, profile_name: None, target: Some(Some(target)), api_types: Some(vec![name]) };
            if let Ok(under) = Under::new(asked) {
                prop_assert_eq!(under.wanted_types().len(), 1);
            }
        }
    }
}
