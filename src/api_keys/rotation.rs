//! How a key comes from one secret to the next: plain functions of values.

use serde::{Deserialize, Serialize};

use super::rules::Properties;
use crate::api_key_profiles::Profile;
use crate::auth::key_usage::SecretUse;
use crate::clock::{MINUTE, Timestamp};
use crate::duration::Duration;
use crate::error::{Error, Reason, Result};
use crate::secret::SecretDigest;
use crate::secret_life::SecretLife;

/// The shortest silence after which a secret may end, in milliseconds: what one node has seen is known to all within
/// seconds, and not at once.
const SHORTEST_SILENCE: i64 = MINUTE;

/// Ended secrets that a key is still recognised by, so that it is noticed when somebody presents one.
pub const KEPT: usize = 3;

/// One of a key's secrets.
#[derive(Clone, Debug)]
pub struct Secret {
    /// The number of its row; the newer, the higher.
    pub id: i64,
    /// What is stored of it.
    pub digest: SecretDigest,
    /// Until when it lives.
    pub life: SecretLife,
    /// How it was used.
    pub used: SecretUse,
}

/// How long a replaced secret lives on beside the new one; all lengths in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Overlap {
    /// So long.
    pub length: i64,
    /// Less long, when nobody has used it for that time.
    pub silent_for: Option<i64>,
    /// So much longer at most, as long as it is used.
    pub extend_for: Option<i64>,
}

impl Overlap {
    /// Reads what was asked for; none is at once, and so is `0s`.
    pub fn read(length: Option<&str>, silent_for: Option<&str>, extend_for: Option<&str>) -> Result<Option<Self>> {
        let read = |member: &'static str, text: Option<&str>| {
            let length = |text| Duration::parse(text).ok_or_else(|| Error::member(member, Duration::FORMS));
            text.map(length).transpose().map(|length| length.map(Duration::millis))
        };
        let length = read("overlap", length)?.unwrap_or(0);
        let silent_for = read("finishWhenSilentFor", silent_for)?;
        let extend_for = read("extendWhileUsedFor", extend_for)?.filter(|length| *length > 0);
        if silent_for.is_some_and(|silence| silence < SHORTEST_SILENCE) {
            return Err(Error::member("finishWhenSilentFor", "one minute or more, such as 2h, is needed"));
        }
        match length {
            // without an overlap they would have no meaning, and who asks for them does not want the old one to stop
            0 if silent_for.is_some() || extend_for.is_some() => {
                Err(Error::member("overlap", "a length of time such as 24h is needed where more is said about it"))
            }
            0 => Ok(None),
            length if silent_for.is_some_and(|silence| silence > length) => {
                Err(Error::member("finishWhenSilentFor", "a length of time that is no longer than overlap is needed"))
            }
            length => Ok(Some(Self { length, silent_for, extend_for })),
        }
    }

    /// No replaced secret lives longer than the key's profile allows, extended or not.
    pub fn must_be_within(&self, profile: &Profile) -> Result<()> {
        if self.length.saturating_add(self.extend_for.unwrap_or(0)) <= profile.max_overlap {
            return Ok(());
        }
        let most = Duration::from_millis(profile.max_overlap);
        let message = format!("{most} at most by the key's profile, extendWhileUsedFor included");
        Err(Error::member("overlap", &message))
    }

    /// The life of a secret that is replaced at this moment.
    pub fn applied_to(&self, life: SecretLife, now: Timestamp) -> SecretLife {
        let ends = now.plus(self.length);
        SecretLife {
            ends: Some(ends),
            replaced: Some(now),
            silent_for: self.silent_for,
            extend_until: self.extend_for.map(|length| ends.plus(length)),
            ..life
        }
    }
}

/// A key's secrets at one moment, the newest first.
pub struct Secrets(Vec<Secret>);

impl Secrets {
    /// Puts them in order.
    pub fn new(mut secrets: Vec<Secret>) -> Self {
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.id));
        Self(secrets)
    }

    /// The one that was made last, whether it still lives or not.
    pub fn newest(&self) -> Option<&Secret> {
        self.0.first()
    }

    /// Those that let somebody in.
    pub fn live(&self, now: Timestamp) -> impl Iterator<Item = &Secret> {
        self.0.iter().filter(move |secret| secret.life.lives(now))
    }

    /// Those that have ended by themselves, where that is not written down yet.
    pub fn over(&self, now: Timestamp) -> impl Iterator<Item = &Secret> {
        self.0.iter().filter(move |secret| secret.life.replaced.is_some() && !secret.life.lives(now))
    }

    /// The older and the newer of two that live; none unless a rotation is under way.
    pub fn rotation(&self, now: Timestamp) -> Option<(&Secret, &Secret)> {
        let newer = self.live(now).find(|secret| secret.life.ends.is_none())?;
        let older = self.live(now).find(|secret| secret.life.replaced.is_some())?;
        Some((older, newer))
    }

    /// Whether a digest is that of a secret that lets somebody in.
    pub fn has(&self, digest: &SecretDigest, now: Timestamp) -> bool {
        self.live(now).fold(false, |known, secret| known | secret.digest.matches(digest))
    }
}

/// When a key ends that is refreshed at this moment, by the profile that it lives under.
pub fn refreshed(old: &Properties, profile: &Profile, now: Timestamp) -> Result<Option<Timestamp>> {
    let expired = old.expiry.filter(|at| *at <= now);
    match (expired, profile.validity) {
        (Some(at), validity) if !profile.refresh_revives || validity.is_none() => Err(Error::new(
            Reason::Conflict,
            format!(
                "The API key expired at {at}, and by its profile a refresh does not bring it back. Move expiryDate with \
                 POST /api/apikeys/{{ID}} first."
            ),
        )),
        (_, None) => Ok(old.expiry),
        (_, Some(validity)) => Ok(Some(now.plus(validity))),
    }
}

/// There is a rotation, and there is to be another.
pub fn one_at_a_time() -> Error {
    let message = "The API key is between two secrets already. Finish that with POST /api/apikeys/{ID}/rotation/finish, \
                   or undo it with …/rotation/undo. Without an overlap both are replaced at once.";
    Error::new(Reason::Conflict, message)
}

/// There is no rotation.
pub fn none_under_way() -> Error {
    Error::new(Reason::Conflict, "The API key has one secret: no rotation is under way that could be ended.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{DAY, HOUR};
    use proptest::prelude::*;

    fn read(length: &str, silent_for: &str, extend_for: &str) -> Result<Option<Overlap>, String> {
        let said = |text: &'static str| Some(text).filter(|text| !text.is_empty());
        let leak = |text: &str| said(Box::leak(text.to_owned().into_boxed_str()));
        Overlap::read(leak(length), leak(silent_for), leak(extend_for)).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn an_overlap_is_read_or_refused_by_its_member() {
        let overlap = |length, silent_for, extend_for| Ok(Some(Overlap { length, silent_for, extend_for }));
        assert_eq!(read("", "", ""), Ok(None));
        assert_eq!(read("0s", "", "0s"), Ok(None));
        assert_eq!(read("24h", "", "0s"), overlap(DAY, None, None));
        assert_eq!(read("P1D", "2h", "PT1H"), overlap(DAY, Some(2 * HOUR), Some(HOUR)));
        for (sent, member) in [
            (("soon", "", ""), "overlap:"),
            (("24", "", ""), "overlap:"),
            (("-1h", "", ""), "overlap:"),
            (("", "2h", ""), "overlap:"),
            (("0s", "", "1h"), "overlap:"),
            (("1h", "59s", ""), "finishWhenSilentFor:"),
            (("1h", "0s", ""), "finishWhenSilentFor:"),
            (("1h", "61m", ""), "finishWhenSilentFor:"),
            (("1h", "61m", "1d"), "finishWhenSilentFor:"),
            (("1h", "x", ""), "finishWhenSilentFor:"),
            (("1h", "", "1"), "extendWhileUsedFor:"),
        ] {
            let message = read(sent.0, sent.1, sent.2).expect_err("it is refused");
            assert!(message.starts_with(member), "{sent:?}: {message}");
        }
    }

    proptest! {
        #[test]
        fn any_words_are_survived(words in prop::collection::vec(prop::option::of("\\PC{0,12}"), 3)) {
            let _ = Overlap::read(words[0].as_deref(), words[1].as_deref(), words[2].as_deref());
        }

        /// Whatever is asked for within the profile's bound ends within it.
        #[test]
        fn a_replaced_secret_ends_within_the_bound(
            length in 1..100 * DAY,
            silent_for in prop::option::of(MINUTE..100 * DAY),
            extend_for in prop::option::of(1..100 * DAY),
            used in prop::option::of(0..400 * DAY),
        ) {
            let now = Timestamp::from_millis(1_700_000_000_000);
            let fresh = SecretLife { created: now, last_used: None, ends: None, replaced: None, silent_for: None, extend_until: None };
            let life = Overlap { length, silent_for, extend_for }.applied_to(fresh, now);
            let end = life.used(used.map(|after| now.plus(after))).end().expect("it ends");
            prop_assert!(end <= now.plus(length + extend_for.unwrap_or(0)) && end > now);
        }
    }
}
