//! A calendar as RFC 5545 writes it: a function of values.

use chrono::{DateTime, Datelike as _, Duration};
use icalendar::{Calendar, CalendarDateTime, Component as _, Event, EventLike as _};

use crate::clock::Timestamp;
use crate::id::ApiKeyID;
use crate::locale::{Locale, TimeZone};

/// A key that ends.
pub struct Ending {
    /// The key.
    pub id: ApiKeyID,
    /// Its name.
    pub name: String,
    /// When it ends.
    pub at: Timestamp,
}

/// Whose calendar it is.
pub struct Reader {
    /// The language of what stands in it.
    pub locale: Locale,
    /// The zone that its dates are told in.
    pub zone: TimeZone,
    /// By what its keys are told from those of others.
    pub installation: String,
}

/// How often programs are asked to read it again, in hours.
const READ_AGAIN: i64 = 6;

/// The calendar: an event for each key, at the moment when it ends, known by the same name each time. Moments are UTC,
/// so that no rule about summer time need be told; the zone is the calendar's own property, and the local time stands
/// in each event's text. A moment that no calendar has is left out.
pub fn written(keys: &[Ending], reader: &Reader, now: Timestamp) -> String {
    let mut calendar = Calendar::empty();
    calendar
        .append_property(("VERSION", "2.0"))
        .append_property(("PRODID", concat!("-//Firstkey//", env!("CARGO_PKG_VERSION"), "//EN")))
        .append_property(("CALSCALE", "GREGORIAN"))
        .append_property(("X-WR-TIMEZONE", reader.zone.zone().name()))
        .name(title(reader.locale))
        .ttl(&Duration::hours(READ_AGAIN));
    let moment =
        |at: Timestamp| DateTime::from_timestamp_millis(at.millis()).filter(|at| (1970..=9_999).contains(&at.year()));
    let stamp = moment(now).unwrap_or_default();
    for key in keys {
        let Some(at) = moment(key.at) else { continue };
        let local = at.with_timezone(&reader.zone.zone()).format("%Y-%m-%d %H:%M");
        let mut event = Event::new();
        event
            .uid(&format!("apikey-{}@{}", key.id, reader.installation))
            .timestamp(stamp)
            .starts(CalendarDateTime::Utc(at))
            .summary(&summary(reader.locale, &key.name))
            .description(&format!("{local} {} (ID {})", reader.zone, key.id))
            .add_property("TRANSP", "TRANSPARENT");
        calendar.push(event.done());
    }
    calendar.to_string()
}

fn title(locale: Locale) -> &'static str {
    match locale {
        Locale::EnUs => "API keys that expire",
        Locale::JaJp => "期限切れになるAPIキー",
        Locale::FrFr => "Clés d'API qui expirent",
        Locale::NlNl => "API-sleutels die verlopen",
    }
}

fn summary(locale: Locale, name: &str) -> String {
    match locale {
        Locale::EnUs => format!("The API key \"{name}\" expires"),
        Locale::JaJp => format!("APIキー「{name}」の期限切れ"),
        Locale::FrFr => format!("La clé d'API « {name} » expire"),
        Locale::NlNl => format!("De API-sleutel \"{name}\" verloopt"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn calendar(name: &str, at: Timestamp) -> String {
        let reader = Reader {
            locale: Locale::FrFr,
            zone: TimeZone::parse("Europe/Paris").expect("a zone"),
            installation: "0f8fad5b-d9cb-469f-a165-70867728950e".into(),
        };
        let key = Ending { id: ApiKeyID::new(7), name: name.into(), at };
        written(&[key], &reader, Timestamp::from_millis(1_795_262_415_000))
    }

    /// Content lines, unfolded (RFC 5545 §3.1).
    fn lines(text: &str) -> Vec<String> {
        text.strip_suffix("\r\n").expect("a last line").replace("\r\n ", "").split("\r\n").map(str::to_owned).collect()
    }

    #[test]
    fn an_event_has_what_rfc_5545_asks_for() {
        let text = calendar("nightly; build, \"x\" \\", Timestamp::from_millis(1_796_085_000_000));
        assert_eq!(
            lines(&text),
            [
                "BEGIN:VCALENDAR",
                "VERSION:2.0",
                concat!("PRODID:-//Firstkey//", env!("CARGO_PKG_VERSION"), "//EN"),
                "CALSCALE:GREGORIAN",
                "X-WR-TIMEZONE:Europe/Paris",
                "NAME:Clés d'API qui expirent",
                "X-WR-CALNAME:Clés d'API qui expirent",
                "REFRESH-INTERVAL;VALUE=DURATION:PT21600S",
                "X-PUBLISHED-TTL:PT21600S",
                "BEGIN:VEVENT",
                "DESCRIPTION:2026-12-01 01:30 Europe/Paris (ID 7)",
                "DTSTAMP:20261121T120015Z",
                "DTSTART:20261201T003000Z",
                "SUMMARY:La clé d'API « nightly\\; build\\, \"x\" \\\\ » expire",
                "TRANSP:TRANSPARENT",
                "UID:apikey-7@0f8fad5b-d9cb-469f-a165-70867728950e",
                "END:VEVENT",
                "END:VCALENDAR",
            ]
        );
    }

    proptest! {
        /// Whatever a key is called and whenever it ends: lines end as they must, none is longer than 75 bytes, and the
        /// name breaks out of none.
        #[test]
        fn every_line_is_a_line(name in "\\PC{1,128}", at in any::<i64>()) {
            let text = calendar(&name, Timestamp::from_millis(at));
            for line in text.strip_suffix("\r\n").expect("a last line").split("\r\n") {
                prop_assert!(line.len() <= 75 && !line.contains(['\r', '\n']), "{line:?}");
            }
            let lines = lines(&text);
            prop_assert_eq!(lines.iter().filter(|line| line.starts_with("BEGIN:")).count(), lines.iter().filter(|line| line.starts_with("END:")).count());
            prop_assert!(lines.iter().filter(|line| line.starts_with("SUMMARY:")).count() <= 1);
        }
    }
}
