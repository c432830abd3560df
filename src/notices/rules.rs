//! What is to be sent, when, and how often it is tried: plain functions of values.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::clock::{DAY, HOUR, MINUTE, SECOND, Timestamp};
use crate::id::{ApiKeyID, TenantID, WebhookID};

/// Where mail goes, in the column `destination`: there is one mail server.
pub const MAIL: &str = "mail";

/// Mails about new keys that one address gets within an hour, at most. A program that mints with a person's key
/// must not fill their mailbox; the last one says that there may be more.
pub const MOST_CREATED: i64 = 20;

/// How long a row belongs to whoever took it, in milliseconds: longer than sending takes.
pub const CLAIM: i64 = 3 * MINUTE;

/// How long after each attempt the next one waits.
const WAITS: &[i64] = &[5 * SECOND, MINUTE, 5 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR];

/// From then on it is tried this often, in milliseconds, until so many attempts were made: four days in all.
const AT_LAST_EVERY: i64 = 6 * HOUR;
const MOST_ATTEMPTS: i64 = 22;

/// The longest that a destination which nobody answers at is left alone, in milliseconds: one of its rows asks then.
pub const HELD_BACK: i64 = HOUR;

/// A row that has waited this long is given up when one more attempt fails, whatever held the others back.
const LONGEST: i64 = 7 * DAY;

/// Something that is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewNotice {
    /// Whose it is.
    pub tenant: TenantID,
    /// What makes it the same notice: nothing is sent twice that has the same.
    pub dedupe: String,
    /// The webhook that is called; none for mail.
    pub webhook: Option<WebhookID>,
    /// The address that is written to; empty for webhooks.
    pub recipient: String,
    /// What it is about.
    pub kind: &'static str,
    /// A webhook's message as it is signed, or what a mail is written from.
    pub payload: String,
}

/// A row of the outbox that somebody has taken.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Its number.
    pub id: i64,
    /// Whose it is.
    pub tenant: TenantID,
    /// What makes it the same notice.
    pub dedupe: String,
    /// Where it goes: what cannot be reached holds back all that goes there.
    pub destination: String,
    /// The webhook that is called; none for mail.
    pub webhook: Option<WebhookID>,
    /// The address that is written to.
    pub recipient: String,
    /// What it is about.
    pub kind: String,
    /// What is sent, or written from.
    pub payload: String,
    /// When it was put in.
    pub created: Timestamp,
    /// Attempts, this one included.
    pub attempts: i64,
}

impl NewNotice {
    /// Where it goes.
    pub fn destination(&self) -> String {
        self.webhook.map_or_else(|| MAIL.to_owned(), |id| format!("webhook/{id}"))
    }
}

impl Notice {
    /// By what a receiver knows the same message when it comes a second time: 32 hex digits.
    pub fn reference(&self) -> String {
        let hash =
            Sha256::digest(format!("firstkey/notice/v1/{}/{}/{}", self.tenant, self.created.millis(), self.dedupe));
        data_encoding::HEXLOWER.encode(&hash[..16])
    }

    /// When to try again after this attempt has failed; none to give up.
    pub fn next_attempt(&self, now: Timestamp) -> Option<Timestamp> {
        if now.since(self.created) > LONGEST || self.attempts > MOST_ATTEMPTS {
            return None;
        }
        let place = usize::try_from(self.attempts - 1).unwrap_or(0);
        let wait = WAITS.get(place).copied().unwrap_or(AT_LAST_EVERY);
        // up to a tenth more, so that what failed together does not come together
        let spread = wait / 10 * (self.id % 8) / 8;
        Some(now.plus(wait).plus(spread))
    }
}

/// The step of a ladder of warnings (milliseconds before the end) that a key stands on: of those that have been
/// reached, the one nearest to the end. After a long silence the others are not made up for.
pub fn rung(ladder: &[i64], expiry: Timestamp, now: Timestamp) -> Option<i64> {
    ladder.iter().copied().filter(|before| *before >= 0 && expiry.minus(*before) <= now).min()
}

/// Which keys have come to a step of a ladder since it was last looked: those that end after the first moment and not
/// after the second. What has ended meanwhile is told that it ended, by the step 0, and is not warned about.
pub fn ends_on(before: i64, since: Option<Timestamp>, now: Timestamp) -> (Timestamp, Timestamp) {
    let up_to = now.plus(before);
    let above = match (since, before) {
        (Some(since), 0) => since,
        (Some(since), before) => since.plus(before).max(now),
        // nobody has looked before: what ended by then is no news
        (None, _) => now,
    };
    (above.min(up_to), up_to)
}

/// From when on it has to be looked at what happened, given when that was done last. A mark far ahead was made by a
/// clock that was wrong: then it is begun anew.
pub fn since(mark: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    mark.map(|mark| if mark.since(now) > HOUR { now } else { mark.min(now) })
}

/// Whether it has been looked up to this moment already; also where another node's clock is a little ahead.
pub fn is_looked_at(mark: Option<Timestamp>, now: Timestamp) -> bool {
    mark.is_some_and(|mark| (0..=HOUR).contains(&mark.since(now)))
}

/// What a mail about a key is written from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyNews {
    /// The key.
    pub id: ApiKeyID,
    /// Its name.
    pub name: String,
    /// When it ends.
    pub expiry: Option<Timestamp>,
    /// The language of what is written for it.
    pub locale: String,
    /// The zone of its dates.
    pub time_zone: String,
    /// Its role, where it is new.
    #[serde(default)]
    pub role: String,
    /// When it was made, where it is new.
    #[serde(default)]
    pub created: Option<Timestamp>,
    /// Who made it, where it is new.
    #[serde(default)]
    pub by: String,
    /// What that is: `administrator`, `apiKey` or `claim`.
    #[serde(default)]
    pub by_kind: String,
    /// Whether no more of these are written for a while.
    #[serde(default)]
    pub last: bool,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn notice(attempts: i64, created: Timestamp) -> Notice {
        Notice {
            id: 3,
            tenant: TenantID::PRIMARY,
            dedupe: "x".into(),
            destination: MAIL.into(),
            webhook: None,
            recipient: String::new(),
            kind: String::new(),
            payload: String::new(),
            created,
            attempts,
        }
    }

    #[test]
    fn attempts_wait_longer_and_longer_and_end_after_days() {
        let (mut at, mut last) = (NOW, 0);
        let mut attempts = 1;
        while let Some(next) = notice(attempts, NOW).next_attempt(at) {
            assert!(next.since(at) >= last, "{attempts}");
            (last, at) = (next.since(at), next);
            attempts += 1;
        }
        assert!((4 * DAY..5 * DAY).contains(&at.since(NOW)), "{}", at.since(NOW));
        assert_eq!(notice(1, NOW).next_attempt(NOW.plus(8 * DAY)), None, "too old");
    }

    #[test]
    fn the_same_notice_has_the_same_reference_and_no_other() {
        let one = notice(1, NOW);
        let mut other = one.clone();
        other.attempts = 7;
        assert_eq!(one.reference(), other.reference());
        other.dedupe = "y".into();
        assert_ne!(one.reference(), other.reference());
        assert!(one.reference().len() == 32);
    }

    /// The ladder 30/10/3/1/0.
    const LADDER: [i64; 5] = [30 * DAY, 10 * DAY, 3 * DAY, DAY, 0];

    #[test]
    fn of_the_steps_that_were_reached_the_nearest_counts() {
        for (left, step) in [
            (31 * DAY, None),
            (30 * DAY + 1, None),
            (30 * DAY, Some(30)),
            (10 * DAY, Some(10)),
            (9 * DAY, Some(10)),
            (2 * DAY, Some(3)),
            (DAY, Some(1)),
            (1, Some(1)),
            (0, Some(0)),
            (-DAY, Some(0)),
        ] {
            assert_eq!(rung(&LADDER, NOW.plus(left), NOW), step.map(|days: i64| days * DAY), "{left}");
        }
        assert_eq!(rung(&[], NOW, NOW), None);
        assert_eq!(rung(&[10 * DAY], NOW.minus(DAY), NOW), Some(10 * DAY));
    }

    #[test]
    fn a_mark_of_a_clock_that_was_wrong_is_no_mark() {
        assert_eq!(since(None, NOW), None);
        assert_eq!(since(Some(NOW.minus(DAY)), NOW), Some(NOW.minus(DAY)));
        assert_eq!(since(Some(NOW.plus(MINUTE)), NOW), Some(NOW));
        assert_eq!(since(Some(NOW.plus(365 * DAY)), NOW), Some(NOW));
        for (ahead, is) in [(-1, false), (0, true), (HOUR, true), (HOUR + 1, false)] {
            assert_eq!(is_looked_at(Some(NOW.plus(ahead)), NOW), is, "{ahead}");
        }
        assert!(!is_looked_at(None, NOW));
    }

    proptest! {
        /// However often it is looked, and whatever the pauses: each step of a key's ladder is told at most once, the
        /// last one that was reached is told, and in their order.
        #[test]
        fn each_step_is_told_at_most_once(pauses in prop::collection::vec(1_i64..20 * DAY, 1..40), life in 0_i64..90 * DAY) {
            let expiry = NOW.plus(life);
            let (mut mark, mut now, mut told) = (Some(NOW), NOW, Vec::new());
            for pause in pauses {
                now = now.plus(pause);
                for before in LADDER {
                    let (above, up_to) = ends_on(before, since(mark, now), now);
                    if expiry > above && expiry <= up_to && rung(&LADDER, expiry, now) == Some(before) {
                        told.push(before);
                    }
                }
                mark = Some(now);
            }
            prop_assert!(told.windows(2).all(|pair| pair[0] > pair[1]), "{told:?}");
            let reached = LADDER.into_iter().filter(|before| expiry.minus(*before) > NOW && expiry.minus(*before) <= now).min();
            prop_assert_eq!(told.last().copied(), reached);
        }
    }
}
