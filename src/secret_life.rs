//! Until when one of a key's secrets lets somebody in: a function of what is stored of it, the same on every node.

use crate::clock::{HOUR, Timestamp};

/// What decides how long a secret lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretLife {
    /// When it was made.
    pub created: Timestamp,
    /// When it was last used with success.
    pub last_used: Option<Timestamp>,
    /// None: as long as its key. Otherwise the end of the overlap with a newer secret, or the end itself.
    pub ends: Option<Timestamp>,
    /// When the newer one came, until it is written down that this one has ended.
    pub replaced: Option<Timestamp>,
    /// Unused for so many milliseconds, it ends before the overlap does.
    pub silent_for: Option<i64>,
    /// Used, it ends after the overlap, at this moment at the latest.
    pub extend_until: Option<Timestamp>,
}

/// Why the older of two secrets ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The overlap was over.
    OverlapOver,
    /// Nobody had used it for long enough.
    Silent,
    /// The overlap had been over for a while: nobody used it any more, or it had lasted as long as it might.
    ExtensionOver,
}

impl SecretLife {
    /// How recently a secret must have been used to count as in use, where nothing is said; in milliseconds.
    pub const IN_USE: i64 = HOUR;

    /// When it ends, as far as can be said now; none when it does not. A use can only move it to a later moment, and
    /// never past both the overlap and its extension.
    pub fn end(&self) -> Option<Timestamp> {
        let overlap = self.ends?;
        let in_use = self.last_used.map(|at| at.plus(self.silent_for.unwrap_or(Self::IN_USE)));
        let extended = self.extend_until.zip(in_use).map(|(most, in_use)| most.min(in_use));
        let end = extended.map_or(overlap, |extended| extended.max(overlap));
        let since = self.last_used.max(Some(self.replaced.unwrap_or(self.created)));
        let silent = self.silent_for.zip(since).map(|(silence, since)| since.plus(silence));
        Some(silent.map_or(end, |silent| silent.min(end)))
    }

    /// Whether it lets somebody in: up to its end, and not at it.
    pub fn lives(&self, now: Timestamp) -> bool {
        self.end().is_none_or(|end| now < end)
    }

    /// Why it ends when it does; none while it does not.
    pub fn cause(&self) -> Option<Cause> {
        let (overlap, end) = (self.ends?, self.end()?);
        Some(match end.cmp(&overlap) {
            std::cmp::Ordering::Less => Cause::Silent,
            std::cmp::Ordering::Equal => Cause::OverlapOver,
            std::cmp::Ordering::Greater => Cause::ExtensionOver,
        })
    }

    /// The same, known to have been used at that moment.
    #[must_use]
    pub fn used(mut self, at: Option<Timestamp>) -> Self {
        self.last_used = self.last_used.max(at);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{DAY, MINUTE};
    use proptest::prelude::*;

    const fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn replaced_at_0(ends: i64) -> SecretLife {
        SecretLife {
            created: at(-DAY),
            last_used: None,
            ends: Some(at(ends)),
            replaced: Some(at(0)),
            silent_for: None,
            extend_until: None,
        }
    }

    #[test]
    fn the_end_follows_the_use() {
        let plain = replaced_at_0(DAY);
        assert_eq!(SecretLife { ends: None, silent_for: Some(1), extend_until: Some(at(2)), ..plain }.end(), None);
        assert_eq!((plain.end(), plain.cause()), (Some(at(DAY)), Some(Cause::OverlapOver)));
        assert!(plain.lives(at(DAY - 1)) && !plain.lives(at(DAY)));
        let silent = SecretLife { silent_for: Some(HOUR), ..plain };
        assert_eq!(
            (silent.end(), silent.cause()),
            (Some(at(HOUR)), Some(Cause::Silent)),
            "counted from the new secret"
        );
        assert_eq!(silent.used(Some(at(-5))).end(), Some(at(HOUR)), "what was before does not count");
        assert_eq!(silent.used(Some(at(MINUTE))).end(), Some(at(HOUR + MINUTE)));
        assert_eq!(silent.used(Some(at(DAY - 1))).end(), Some(at(DAY)), "not past the overlap");
        let extended = SecretLife { extend_until: Some(at(2 * DAY)), ..plain };
        assert_eq!(extended.end(), Some(at(DAY)), "never used");
        assert_eq!(extended.used(Some(at(DAY - HOUR))).end(), Some(at(DAY)));
        let used = extended.used(Some(at(DAY - MINUTE)));
        assert_eq!((used.end(), used.cause()), (Some(at(DAY + HOUR - MINUTE)), Some(Cause::ExtensionOver)));
        assert_eq!(extended.used(Some(at(2 * DAY - 1))).end(), Some(at(2 * DAY)), "not past the extension");
        let both = SecretLife { silent_for: Some(MINUTE), ..extended };
        assert_eq!(both.end(), Some(at(MINUTE)));
        assert_eq!(both.used(Some(at(DAY - 1))).end(), Some(at(DAY - 1 + MINUTE)));
    }

    fn any_moment() -> impl Strategy<Value = Timestamp> {
        prop_oneof![(-10 * DAY..10 * DAY).prop_map(at), any::<i64>().prop_map(at)]
    }

    prop_compose! {
        fn any_life()(
            created in any_moment(),
            last_used in prop::option::of(any_moment()),
            ends in prop::option::of(any_moment()),
            replaced in prop::option::of(any_moment()),
            silent_for in prop::option::of(0..i64::MAX),
            extend_until in prop::option::of(any_moment()),
        ) -> SecretLife {
            SecretLife { created, last_used, ends, replaced, silent_for, extend_until }
        }
    }

    proptest! {
        /// TC-16: whatever was asked for, a replaced secret has an end, and it lies within the overlap and its extension.
        #[test]
        fn the_end_is_bounded(life in any_life()) {
            match life.ends {
                None => prop_assert_eq!((life.end(), life.cause()), (None, None)),
                Some(overlap) => {
                    let end = life.end().expect("it ends");
                    prop_assert!(end <= overlap.max(life.extend_until.unwrap_or(overlap)));
                    prop_assert!(life.silent_for.is_some() || end >= overlap, "only silence ends it early");
                }
            }
        }

        /// A use never brings the end nearer, nor does a longer overlap or a longer extension; a longer silence that is
        /// waited for does not either.
        #[test]
        fn more_is_never_less(life in any_life(), later in any_moment(), longer in 0..i64::MAX) {
            let end = |life: SecretLife| life.end().unwrap_or(at(i64::MAX));
            let longer_overlap = SecretLife { ends: life.ends.map(|ends| ends.plus(longer)), ..life };
            let until = life.extend_until.map(|until| until.plus(longer));
            let longer_extension = SecretLife { extend_until: until, ..life };
            let silence = life.silent_for.map(|silence| silence.saturating_add(longer));
            let longer_silence = SecretLife { silent_for: silence, ..life };
            for more in [life.used(Some(later)), longer_overlap, longer_extension, longer_silence] {
                prop_assert!(end(more) >= end(life), "{:?}", more);
            }
        }

        /// Once ended it lets nobody in, and so is used no more: it never comes back.
        #[test]
        fn what_has_ended_stays_ended(life in any_life(), now in any_moment(), passes in 0..i64::MAX) {
            if !life.lives(now) {
                prop_assert!(!life.lives(now.plus(passes)));
            }
        }

        /// What is written down of an end is that end: no rule of the overlap holds any more.
        #[test]
        fn an_end_that_is_written_down_is_final(life in any_life(), used in any_moment(), ends in any_moment()) {
            let over = SecretLife { ends: Some(ends), replaced: None, silent_for: None, extend_until: None, ..life };
            prop_assert_eq!(over.used(Some(used)).end(), Some(ends));
        }
    }
}
