//! What is done to many keys at once, key by key: plain functions of values.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::history_rules::Why;
use super::rotation::Overlap;
use super::rules::{ApiKey, Changes, Expiry, Maker, Properties, Wanted};
use crate::clock::{MINUTE, Timestamp};
use crate::error::{Error, Result};
use crate::id::ApiTypeID;
use crate::rights::Grant;

/// How long a confirmation is good for, in milliseconds.
pub const CONFIRMATION: i64 = 10 * MINUTE;
/// The most keys that are given new secrets at once: all of them are in one answer.
pub const MOST_ROTATED: i64 = 500;

/// What is to be done to many keys, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    /// What.
    pub verb: Verb,
    /// Why.
    pub why: Why,
    /// What else is to be known of it.
    pub note: String,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verb {
    /// End them for good.
    Revoke,
    /// Keep them out.
    Lock,
    /// Let them in again.
    Unlock,
    /// Let them last until a moment, or for ever.
    ExtendTo(Option<Timestamp>),
    /// Let them last so many milliseconds longer.
    ExtendBy(i64),
    /// Give them new secrets, beside which the old ones live on for a while or not at all.
    Rotate(Option<Overlap>),
}

/// What an order comes to for one key.
#[derive(Debug)]
pub enum Verdict {
    /// The key as it is to be; as it is, where it is to end or to have another secret.
    Do(Box<Properties>),
    /// It is so already.
    Unchanged,
    /// It is not the caller's to touch like this, and why.
    Refused(Error),
}

impl Order {
    /// What is seen of a key where this is confirmed for it, in eight bytes: whatever is judged, written over or told of
    /// it. `secret` numbers its newest secret, where it is to have another.
    pub fn mark(&self, key: &ApiKey, secret: Option<i64>) -> [u8; 8] {
        let seen = &key.properties;
        let end = seen.expiry.map(Timestamp::millis);
        let mut hash = Sha256::new();
        for number in [Some(seen.role.get()), Some(i64::from(seen.active)), end, secret] {
            hash.update([u8::from(number.is_some())]);
            hash.update(number.unwrap_or_default().to_be_bytes());
        }
        hash.update(seen.name.as_str());
        let digest: [u8; 32] = hash.finalize().into();
        std::array::from_fn(|at| digest[at])
    }

    /// Whether it only takes away: it is done to a key however that has changed meanwhile. Anything else is done to the
    /// very state that was confirmed, so that two orders at once do not both have their way.
    pub fn only_takes_away(&self) -> bool {
        matches!(self.verb, Verb::Revoke | Verb::Lock)
    }

    /// Judges one key, whose role has these rights, and which is for these API types as far as that matters. Nobody
    /// touches more than they have, and a key that ends gives
    /// none that outlasts it a new life.
    pub fn judge(&self, key: &ApiKey, types: &[ApiTypeID], role: &Grant, maker: &Maker, now: Timestamp) -> Verdict {
        match self.properties(key, types, role, maker, now) {
            Ok(Some(properties)) => Verdict::Do(Box::new(properties)),
            Ok(None) => Verdict::Unchanged,
            Err(error) => Verdict::Refused(error),
        }
    }

    fn properties(
        &self,
        key: &ApiKey,
        types: &[ApiTypeID],
        role: &Grant,
        maker: &Maker,
        now: Timestamp,
    ) -> Result<Option<Properties>> {
        maker.must_cover(role, "The key's role")?;
        let old = &key.properties;
        let changed = |active: Option<bool>, expiry: Expiry| {
            let changes = Changes::new(Wanted { active, expiry, ..Wanted::default() })?;
            changes.applied_to(key, types, maker, now).map(Some)
        };
        match self.verb {
            Verb::Revoke => Ok(Some(old.clone())),
            Verb::Rotate(_) => {
                maker.may_renew(key, old, types)?;
                Ok(Some(old.clone()))
            }
            Verb::Lock if !old.active => Ok(None),
            Verb::Unlock if old.active => Ok(None),
            Verb::Lock => changed(Some(false), Expiry::Unsaid),
            Verb::Unlock => changed(Some(true), Expiry::Unsaid),
            Verb::ExtendTo(end) if !is_longer(old.expiry, end) => Ok(None),
            Verb::ExtendTo(None) => changed(None, Expiry::Never),
            Verb::ExtendTo(Some(end)) => changed(None, Expiry::At(end)),
            Verb::ExtendBy(millis) => match old.expiry {
                None => Ok(None),
                // one that has ended lasts so long from now on
                Some(end) => changed(None, Expiry::At(end.max(now).plus(millis))),
            },
        }
    }
}

/// Whether a life that ends at `new` is longer than one that ends at `old`; none is for ever.
fn is_longer(old: Option<Timestamp>, new: Option<Timestamp>) -> bool {
    match (old, new) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(old), Some(new)) => new > old,
    }
}

/// A confirmation as a caller brings it back: until when it is good, which it is, which set it is for, and the proof
/// that it is ours.
#[derive(Debug, PartialEq, Eq)]
pub struct Confirmation<'a> {
    /// In milliseconds since the epoch.
    pub until: Timestamp,
    /// 32 random hex digits: each dry run has a confirmation of its own.
    pub nonce: &'a str,
    /// The digest of the set and of how its keys are, in hex.
    pub digest: &'a str,
    /// 64 hex digits.
    pub proof: &'a str,
}

impl<'a> Confirmation<'a> {
    /// Reads what [`Confirmation::text`] wrote.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (until, rest) = text.split_once('-')?;
        let (nonce, rest) = rest.split_once('-')?;
        let (digest, proof) = rest.split_once('-')?;
        let is_hex = |text: &str, length: usize| {
            text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let is_number = (1..=15).contains(&until.len()) && until.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || !is_hex(nonce, 32) || !is_hex(digest, 64) || !is_hex(proof, 64) {
            return None;
        }
        Some(Self { until: Timestamp::from_millis(until.parse().ok()?), nonce, digest, proof })
    }

    /// As it is handed out.
    pub fn text(&self) -> String {
        format!("{}-{}-{}-{}", self.until.millis(), self.nonce, self.digest, self.proof)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::DAY;
    use crate::constraints::Constraints;
    use crate::id::{ApiKeyID, ProfileID, RoleID};
    use crate::locale::{Locale, TimeZone};
    use crate::name::{Description, ObjectName};
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn full() -> Grant {
        Grant::everything()
    }

    fn key(active: bool, expiry: Option<Timestamp>) -> ApiKey {
        ApiKey {
            id: ApiKeyID::new(7),
            properties: Properties {
                name: ObjectName::parse("keyName", "k").expect("a name"),
                description: Description::none(),
                locale: Locale::default(),
                role: RoleID::FULL_ACCESS,
                time_zone: TimeZone::parse("UTC").expect("a zone"),
                active,
                expiry,
                constraints: Constraints::default(),
            },
            created: NOW,
            last_sign_in: None,
            unlock_time: None,
            unsuccessful_sign_in_attempts: 0,
            service_account: false,
            made_with_initial_password: false,
            profile: ProfileID::DEEP_SECURITY,
            kind: super::super::rules::Kind::Standard,
            issuer: None,
        }
    }

    /// `do` with the end that comes of it, `same`, or `no`.
    fn judged(verb: Verb, key: &ApiKey, maker_expires: Option<Timestamp>) -> (&'static str, Option<Timestamp>) {
        let order = Order { verb, why: Why::default(), note: String::new() };
        match order.judge(key, &[], &full(), &Maker { grant: full(), expires: maker_expires, ..Maker::default() }, NOW)
        {
            Verdict::Do(properties) => ("do", properties.expiry),
            Verdict::Unchanged => ("same", None),
            Verdict::Refused(_) => ("no", None),
        }
    }

    #[test]
    fn what_is_so_already_is_left_alone_and_no_life_is_cut() {
        let end = Some(NOW.plus(DAY));
        for (verb, key, expected) in [
            (Verb::Lock, key(false, None), ("same", None)),
            (Verb::Unlock, key(true, None), ("same", None)),
            (Verb::Lock, key(true, end), ("do", end)),
            (Verb::ExtendTo(end), key(true, None), ("same", None)),
            (Verb::ExtendTo(end), key(true, end), ("same", None)),
            (Verb::ExtendTo(Some(NOW.plus(2 * DAY))), key(true, end), ("do", Some(NOW.plus(2 * DAY)))),
            (Verb::ExtendTo(None), key(true, end), ("do", None)),
            (Verb::ExtendTo(None), key(true, None), ("same", None)),
            (Verb::ExtendBy(DAY), key(true, None), ("same", None)),
            (Verb::ExtendBy(DAY), key(true, end), ("do", Some(NOW.plus(2 * DAY)))),
            (Verb::ExtendBy(DAY), key(true, Some(NOW.minus(DAY))), ("do", end)),
            (Verb::ExtendBy(i64::MAX), key(true, end), ("no", None)),
        ] {
            assert_eq!(judged(verb, &key, None), expected, "{verb:?} {:?}", key.properties.expiry);
        }
    }

    #[test]
    fn a_key_that_ends_gives_no_life_beyond_its_own() {
        let end = Some(NOW.plus(DAY));
        for (verb, key, expected) in [
            (Verb::Revoke, key(true, None), "do"),
            (Verb::Lock, key(true, None), "do"),
            (Verb::Unlock, key(false, None), "no"),
            (Verb::Unlock, key(false, end), "do"),
            (Verb::Rotate(None), key(true, None), "no"),
            (Verb::Rotate(None), key(true, end), "do"),
            (Verb::ExtendTo(None), key(true, end), "no"),
            (Verb::ExtendBy(DAY), key(true, end), "no"),
            (Verb::ExtendBy(DAY), key(true, Some(NOW)), "do"),
        ] {
            assert_eq!(judged(verb, &key, end).0, expected, "{verb:?}");
        }
    }

    #[test]
    fn nobody_touches_what_is_stronger() {
        for verb in
            [Verb::Revoke, Verb::Lock, Verb::Unlock, Verb::ExtendTo(None), Verb::ExtendBy(1), Verb::Rotate(None)]
        {
            let order = Order { verb, why: Why::default(), note: String::new() };
            let weak = Maker::default();
            assert!(
                matches!(order.judge(&key(true, Some(NOW)), &[], &full(), &weak, NOW), Verdict::Refused(_)),
                "{verb:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_confirmation_is_survived(text in "\\PC{0,200}") {
            let _ = Confirmation::parse(&text);
        }

        #[test]
        fn a_confirmation_is_read_as_it_was_written(until in 0_i64..1_000_000_000_000_000, nonce in "[0-9a-f]{32}", digest in "[0-9a-f]{64}", proof in "[0-9a-f]{64}") {
            let confirmation = Confirmation { until: Timestamp::from_millis(until), nonce: &nonce, digest: &digest, proof: &proof };
            let text = confirmation.text();
            prop_assert_eq!(Confirmation::parse(&text), Some(confirmation));
        }
    }
}
