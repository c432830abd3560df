//! Lengths of time as the API spells them: `90s`, `30m`, `24h`, `14d`, or as ISO 8601 says (`P14D`, `PT36H`).

use std::fmt;

use crate::clock::{DAY, HOUR, MINUTE, SECOND, WEEK};

/// A length of time in milliseconds, whole seconds, never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(i64);

/// The longest that is read: a hundred years.
const LONGEST: i64 = 36_525 * DAY;

impl Duration {
    /// What a reader is told when a text is none.
    pub const FORMS: &'static str = "a length of time such as 90s, 30m, 24h, 14d or P14D";

    /// A length of so many milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Reads a number with one unit (`s`, `m`, `h`, `d`, `w`), or ISO 8601 without years and months, whose lengths
    /// differ. `None` for anything else, and for more than a hundred years.
    pub fn parse(text: &str) -> Option<Self> {
        let millis = match text.strip_prefix('P') {
            Some(rest) => iso_8601(rest)?,
            None => one_unit(text)?,
        };
        (millis <= LONGEST).then_some(Self(millis))
    }
}

fn one_unit(text: &str) -> Option<i64> {
    let unit = match text.chars().last()? {
        's' => SECOND,
        'm' => MINUTE,
        'h' => HOUR,
        'd' => DAY,
        'w' => WEEK,
        _ => return None,
    };
    digits(&text[..text.len() - 1])?.checked_mul(unit)
}

fn digits(text: &str) -> Option<i64> {
    let plain = (1..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok())?
}

/// What stands behind the `P`: each unit once at most, in their order, at least one.
fn iso_8601(text: &str) -> Option<i64> {
    let (date, time) = match text.split_once('T') {
        Some((date, time)) if !time.is_empty() => (date, time),
        Some(_) => return None,
        None => (text, ""),
    };
    if date.is_empty() && time.is_empty() {
        return None;
    }
    let date = units(date, &[('W', WEEK), ('D', DAY)])?;
    units(time, &[('H', HOUR), ('M', MINUTE), ('S', SECOND)])?.checked_add(date)
}

fn units(mut text: &str, units: &[(char, i64)]) -> Option<i64> {
    let mut sum = 0_i64;
    for (letter, length) in units {
        if let Some((number, rest)) = text.split_once(*letter) {
            sum = sum.checked_add(digits(number)?.checked_mul(*length)?)?;
            text = rest;
        }
    }
    text.is_empty().then_some(sum)
}

/// In the largest unit that leaves no remainder, weeks aside: `14d`, `36h`, `90s`.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(DAY, "d"), (HOUR, "h"), (MINUTE, "m")];
        let fits = units.into_iter().find(|(length, _)| self.0 != 0 && self.0 % length == 0);
        let (length, unit) = fits.unwrap_or((SECOND, "s"));
        write!(f, "{}{unit}", self.0 / length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_spellings_are_read_and_nothing_else() {
        for (text, millis) in [
            ("90s", Some(90_000)),
            ("30m", Some(1_800_000)),
            ("24h", Some(86_400_000)),
            ("14d", Some(1_209_600_000)),
            ("2w", Some(1_209_600_000)),
            ("0s", Some(0)),
            ("P14D", Some(1_209_600_000)),
            ("P1DT12H", Some(129_600_000)),
            ("PT90S", Some(90_000)),
            ("P1W", Some(604_800_000)),
            ("36525d", Some(36_525 * DAY)),
            ("36526d", None),
            ("999999999999d", None),
            ("9999999999999d", None),
            ("P1Y", None),
            ("P1M", None),
            ("P", None),
            ("PT", None),
            ("P1DT", None),
            ("PT1S1H", None),
            ("P1D1D", None),
            ("PD", None),
            ("-1d", None),
            ("+1d", None),
            ("1.5h", None),
            ("1 d", None),
            ("d", None),
            ("14", None),
            ("", None),
            ("14D", None),
            ("１d", None),
            ("1é", None),
        ] {
            assert_eq!(Duration::parse(text).map(Duration::millis), millis, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(seconds in 0_i64..3_000_000_000) {
            let length = Duration::from_millis(seconds * SECOND);
            prop_assert_eq!(Duration::parse(&length.to_string()), Some(length));
        }

        #[test]
        fn any_text_is_survived(text in "\\PC{0,20}") {
            let _ = Duration::parse(&text);
        }
    }
}
