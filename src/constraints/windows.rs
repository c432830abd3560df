//! Hours of the week. They are hours of the wall clock where the key is: when clocks are put forward the hour that is
//! left out is no hour of any window, and when they are put back the hour that comes twice is one both times.

use chrono::{DateTime, Datelike as _, Timelike as _};

use super::{Window, WrittenWindow};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::locale::TimeZone;

/// The most windows of one key.
pub const MOST: usize = 50;
/// The names of the days, from 0 on.
pub const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Minutes of a day.
const DAY: u16 = 24 * 60;
/// Minutes of a week.
const WEEK: usize = 7 * DAY as usize;

/// Reads windows: days, from, to of each.
pub fn read(list: Vec<WrittenWindow>) -> Result<Vec<Window>> {
    const MEMBER: &str = "constraints.windows";
    if list.len() > MOST {
        return Err(Error::member(MEMBER, &format!("at most {MOST} windows are taken")));
    }
    let mut windows = Vec::with_capacity(list.len());
    for (number, (days, from, to)) in list.iter().enumerate() {
        let refused = |member: &str, expected: &str| Error::member(&format!("{MEMBER}[{number}].{member}"), expected);
        let days =
            parse_days(days).ok_or_else(|| refused("days", "one or more of mon, tue, wed, thu, fri, sat, sun"))?;
        let from = parse_minute(from).filter(|minute| *minute < DAY);
        let from = from.ok_or_else(|| refused("from", "a time from 00:00 to 23:59 is needed"))?;
        let to = parse_minute(to).ok_or_else(|| refused("to", "a time from 00:00 to 24:00 is needed"))?;
        // midnight is the end of a day before it is the beginning of the next
        let window = Window { days, from, to: if to == 0 { DAY } else { to } };
        if !windows.contains(&window) {
            windows.push(window);
        }
    }
    Ok(windows)
}

/// Days in their order, each once; none where there is none or one is no day.
fn parse_days(names: &[String]) -> Option<Vec<u8>> {
    let number = |name: &String| DAYS.iter().position(|day| day == name).and_then(|at| u8::try_from(at).ok());
    let mut days = names.iter().map(number).collect::<Option<Vec<u8>>>()?;
    days.sort_unstable();
    days.dedup();
    (!days.is_empty()).then_some(days)
}

/// `HH:MM` as minutes after midnight, up to 24:00.
pub fn parse_minute(text: &str) -> Option<u16> {
    let [a, b, b':', c, d] = *text.as_bytes() else { return None };
    let digit = |byte: u8| byte.is_ascii_digit().then(|| u16::from(byte - b'0'));
    let (hour, minute) = (digit(a)? * 10 + digit(b)?, digit(c)? * 10 + digit(d)?);
    (minute < 60 && hour * 60 + minute <= DAY).then_some(hour * 60 + minute)
}

/// Minutes after midnight as `HH:MM`.
pub fn print_minute(minute: u16) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

/// Whether a moment lies in a window, by the clocks of `zone`. The beginning belongs to it, the end does not. Always,
/// where there are no windows; never at a moment that the calendar does not know.
pub fn admit(windows: &[Window], zone: TimeZone, at: Timestamp) -> bool {
    if windows.is_empty() {
        return true;
    }
    let Some(moment) = DateTime::from_timestamp_millis(at.millis()) else { return false };
    let local = moment.with_timezone(&zone.zone());
    let today = local.weekday().num_days_from_monday();
    let minute = local.hour() * 60 + local.minute();
    windows.iter().any(|window| window.holds(today, minute))
}

impl Window {
    fn is_over_midnight(&self) -> bool {
        self.to <= self.from
    }

    fn holds(&self, today: u32, minute: u32) -> bool {
        let begins_on = |day: u32| self.days.iter().any(|known| u32::from(*known) == day);
        let (from, to) = (u32::from(self.from), u32::from(self.to));
        if !self.is_over_midnight() {
            return begins_on(today) && (from..to).contains(&minute);
        }
        (begins_on(today) && minute >= from) || (begins_on((today + 6) % 7) && minute < to)
    }
}

/// Whether every minute of the week that these let through, `others` do too; both by the same clocks.
pub fn within(windows: &[Window], others: &[Window]) -> bool {
    let (mine, theirs) = (minutes(windows), minutes(others));
    mine.iter().zip(&theirs).all(|(mine, theirs)| *theirs || !*mine)
}

/// The minutes of a week, from Monday on.
fn minutes(windows: &[Window]) -> Vec<bool> {
    let mut week = vec![windows.is_empty(); WEEK];
    for window in windows {
        let length = if window.is_over_midnight() { window.to + DAY - window.from } else { window.to - window.from };
        for day in &window.days {
            let begin = usize::from(*day) * usize::from(DAY) + usize::from(window.from);
            (begin..begin + usize::from(length)).for_each(|minute| week[minute % WEEK] = true);
        }
    }
    week
}
