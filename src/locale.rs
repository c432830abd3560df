//! Locales and time zones as the API spells them: kept as given, so that an answer says what a request said.

use std::fmt;

use chrono::{DateTime, Offset as _, TimeDelta, TimeZone as _};
use chrono_tz::{OffsetComponents as _, TZ_VARIANTS, Tz};

use crate::error::{Error, Reason, Result};

/// The language a key's owner reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Locale {
    /// English, and the default.
    #[default]
    EnUs,
    /// Japanese.
    JaJp,
    /// French.
    FrFr,
    /// Dutch.
    NlNl,
}

impl Locale {
    /// Every locale there is.
    pub const ALL: [Self; 4] = [Self::EnUs, Self::JaJp, Self::FrFr, Self::NlNl];

    /// The name as the wire carries it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EnUs => "en-US",
            Self::JaJp => "ja-JP",
            Self::FrFr => "fr-FR",
            Self::NlNl => "nl-NL",
        }
    }

    /// Reads a name, exactly as [`Locale::as_str`] spells it.
    pub fn parse(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|locale| locale.as_str() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str);
            Error::new(Reason::UnknownLocale, format!("The locale must be one of {}.", known.join(", ")))
                .accepting(known)
        })
    }
}

impl fmt::Display for Locale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Names that Java knows beside IANA's, with what they mean. The three-letter ones are
/// `java.time.ZoneId.SHORT_IDS` (EST, MST and HST are IANA's too); the `SystemV` ones with a single
/// name never change their clocks, for which IANA's fixed zones count hours west of Greenwich.
const JAVA_ZONES: &[(&str, Tz)] = &[
    ("ACT", Tz::Australia__Darwin),
    ("AET", Tz::Australia__Sydney),
    ("AGT", Tz::America__Argentina__Buenos_Aires),
    ("ART", Tz::Africa__Cairo),
    ("AST", Tz::America__Anchorage),
    ("BET", Tz::America__Sao_Paulo),
    ("BST", Tz::Asia__Dhaka),
    ("CAT", Tz::Africa__Harare),
    ("CNT", Tz::America__St_Johns),
    ("CST", Tz::America__Chicago),
    ("CTT", Tz::Asia__Shanghai),
    ("EAT", Tz::Africa__Addis_Ababa),
    ("ECT", Tz::Europe__Paris),
    ("IET", Tz::America__Indiana__Indianapolis),
    ("IST", Tz::Asia__Kolkata),
    ("JST", Tz::Asia__Tokyo),
    ("MIT", Tz::Pacific__Apia),
    ("NET", Tz::Asia__Yerevan),
    ("NST", Tz::Pacific__Auckland),
    ("PLT", Tz::Asia__Karachi),
    ("PNT", Tz::America__Phoenix),
    ("PRT", Tz::America__Puerto_Rico),
    ("PST", Tz::America__Los_Angeles),
    ("SST", Tz::Pacific__Guadalcanal),
    ("SystemV/AST4", Tz::Etc__GMTPlus4),
    ("SystemV/AST4ADT", Tz::America__Halifax),
    ("SystemV/CST6", Tz::Etc__GMTPlus6),
    ("SystemV/CST6CDT", Tz::America__Chicago),
    ("SystemV/EST5", Tz::Etc__GMTPlus5),
    ("SystemV/EST5EDT", Tz::America__New_York),
    ("SystemV/HST10", Tz::Etc__GMTPlus10),
    ("SystemV/MST7", Tz::Etc__GMTPlus7),
    ("SystemV/MST7MDT", Tz::America__Denver),
    ("SystemV/PST8", Tz::Etc__GMTPlus8),
    ("SystemV/PST8PDT", Tz::America__Los_Angeles),
    ("SystemV/YST9", Tz::Etc__GMTPlus9),
    ("SystemV/YST9YDT", Tz::America__Anchorage),
    ("VST", Tz::Asia__Ho_Chi_Minh),
];

/// A time zone by the name it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeZone {
    name: &'static str,
    zone: Tz,
}

impl TimeZone {
    /// Coordinated universal time.
    pub const UTC: Self = Self { name: "UTC", zone: Tz::UTC };

    /// Every name that is taken: IANA's, then Java's.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Self::all().map(|zone| zone.name)
    }

    fn all() -> impl Iterator<Item = Self> {
        let iana = TZ_VARIANTS.iter().map(|&zone| Self { name: zone.name(), zone });
        iana.chain(JAVA_ZONES.iter().map(|&(name, zone)| Self { name, zone }))
    }

    fn find(name: &str) -> Option<Self> {
        if let Ok(zone) = name.parse::<Tz>() {
            return Some(Self { name: zone.name(), zone });
        }
        JAVA_ZONES.iter().find(|(known, _)| *known == name).map(|&(name, zone)| Self { name, zone })
    }

    /// Reads a name, upper and lower case told apart as IANA writes them.
    pub fn parse(name: &str) -> Result<Self> {
        Self::find(name).ok_or_else(|| {
            let hint = nearest(name).map(|near| format!(" Did you mean {near}?")).unwrap_or_default();
            Error::new(Reason::UnknownTimeZone, format!("The time zone is not known.{hint}")).accepting(Self::names())
        })
    }

    /// The name as it was given.
    pub const fn as_str(self) -> &'static str {
        self.name
    }

    /// The zone that the name stands for.
    pub const fn zone(self) -> Tz {
        self.zone
    }

    /// How far the zone's clocks are from UTC at a moment, in hours and minutes, and whether they are put forward
    /// for the summer: `UTC+9.00`, `UTC+5.30`, `UTC-4.00, DST`.
    pub fn utc_offset(self, unix_seconds: i64) -> String {
        let moment = DateTime::from_timestamp(unix_seconds, 0).unwrap_or_default().naive_utc();
        let offset = self.zone.offset_from_utc_datetime(&moment);
        let minutes = offset.fix().local_minus_utc() / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        let summer = if offset.dst_offset() > TimeDelta::zero() { ", DST" } else { "" };
        format!("UTC{sign}{}.{:02}{summer}", minutes.abs() / 60, minutes.abs() % 60)
    }

    /// What a new key gets where nobody says otherwise: `TZ`, else this machine's own zone, else UTC.
    pub fn of_this_machine(env_tz: Option<&str>) -> Self {
        Self::from_environment(env_tz, || iana_time_zone::get_timezone().ok())
    }

    /// As glibc reads it: an empty `TZ` is UTC, a colon or a path may stand before the name. A rule such
    /// as `<+03>-3` has no name that could be stored, so the machine's zone answers for it.
    fn from_environment(env_tz: Option<&str>, local: impl FnOnce() -> Option<String>) -> Self {
        match env_tz {
            Some("" | ":") => Some(Self::UTC),
            Some(text) => Self::find(bare_name(text)).or_else(|| local().as_deref().and_then(Self::find)),
            None => local().as_deref().and_then(Self::find),
        }
        .unwrap_or(Self::UTC)
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// `Europe/Paris` out of `:/usr/share/zoneinfo/posix/Europe/Paris`.
fn bare_name(text: &str) -> &str {
    let text = text.strip_prefix(':').unwrap_or(text);
    let text = text.rsplit_once("/zoneinfo/").map_or(text, |(_, name)| name);
    text.strip_prefix("posix/").or_else(|| text.strip_prefix("right/")).unwrap_or(text)
}

/// The longest text for which a neighbour is looked for: comparing costs its length times all names,
/// and no name has more than half as many bytes.
const LONGEST_GUESS: usize = 64;

/// The known name that `text` was likely meant to be: case, spaces and a missing region forgiven, then
/// the fewest slips of the pen, up to a third of its length.
fn nearest(text: &str) -> Option<&'static str> {
    if text.len() > LONGEST_GUESS {
        return None;
    }
    let text = text.trim().replace(' ', "_").to_lowercase();
    let slips = |name: &str| {
        let name = name.to_lowercase();
        let city = name.rsplit('/').next().unwrap_or(&name);
        let whole = strsim::osa_distance(&text, &name);
        (whole.min(strsim::osa_distance(&text, city)), whole)
    };
    // Etc/GMT+9 is nine hours behind, not ahead: nothing to propose for a slip
    let names = TimeZone::names().filter(|name| !name.starts_with("Etc/GMT"));
    let ((slips, _), name) = names.map(|name| (slips(name), name)).min_by_key(|(slips, _)| *slips)?;
    (slips <= text.chars().count() / 3).then_some(name).filter(|_| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_is_read_exactly_and_a_refusal_lists_all_four() {
        for locale in Locale::ALL {
            assert_eq!(Locale::parse(locale.as_str()).expect("as the test made it"), locale);
        }
        assert_eq!(Locale::default().to_string(), "en-US");
        for wrong in ["", "en-us", "en_US", "de-DE", " en-US", "en-US\0"] {
            let error = Locale::parse(wrong).unwrap_err();
            assert_eq!(error.reason(), Reason::UnknownLocale, "{wrong:?}");
            assert_eq!(error.accepted(), ["en-US", "ja-JP", "fr-FR", "nl-NL"]);
        }
    }

    #[test]
    fn every_time_zone_is_kept_as_it_was_given() {
        for name in TimeZone::names() {
            assert_eq!(TimeZone::parse(name).expect("as the test made it").as_str(), name);
        }
        let mut names: Vec<_> = TimeZone::names().collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "a name stands in both tables");
    }

    #[test]
    fn old_names_mean_what_java_means_by_them() {
        // Offsets in hours in January and July 2026, as OpenJDK 17 answers for the same names.
        let table = [
            ("AST", -9.0, -8.0),
            ("ACT", 9.5, 9.5),
            ("BST", 6.0, 6.0),
            ("CNT", -3.5, -2.5),
            ("ECT", 1.0, 2.0),
            ("IST", 5.5, 5.5),
            ("MIT", 13.0, 13.0),
            ("NST", 13.0, 12.0),
            ("PNT", -7.0, -7.0),
            ("SST", 11.0, 11.0),
            ("EST", -5.0, -5.0),
            ("MST", -7.0, -7.0),
            ("HST", -10.0, -10.0),
            ("SystemV/EST5", -5.0, -5.0),
            ("SystemV/EST5EDT", -5.0, -4.0),
            ("SystemV/AST4ADT", -4.0, -3.0),
            ("SystemV/YST9", -9.0, -9.0),
            ("SystemV/YST9YDT", -9.0, -8.0),
            ("SystemV/HST10", -10.0, -10.0),
        ];
        for (name, january, july) in table {
            let zone = TimeZone::parse(name).expect("as the test made it").zone();
            for (month, hours) in [(1, january), (7, july)] {
                let moment =
                    zone.with_ymd_and_hms(2026, month, 15, 12, 0, 0).single().expect("noon is never ambiguous");
                assert_eq!(f64::from(moment.offset().fix().local_minus_utc()) / 3600.0, hours, "{name} {month}");
            }
        }
    }

    /// DS-17: the documented forms of an offset, halves of an hour in minutes.
    #[test]
    fn an_offset_is_told_in_hours_and_minutes_with_summer_time() {
        let (january, july) = (1_768_478_400, 1_784_116_800);
        for (name, winter, summer) in [
            ("UTC", "UTC+0.00", "UTC+0.00"),
            ("Asia/Tokyo", "UTC+9.00", "UTC+9.00"),
            ("America/New_York", "UTC-5.00", "UTC-4.00, DST"),
            ("US/Eastern", "UTC-5.00", "UTC-4.00, DST"),
            ("Europe/London", "UTC+0.00", "UTC+1.00, DST"),
            // its standard time is the summer's, by law
            ("Europe/Dublin", "UTC+0.00", "UTC+1.00"),
            ("Asia/Kolkata", "UTC+5.30", "UTC+5.30"),
            ("Asia/Kathmandu", "UTC+5.45", "UTC+5.45"),
            ("America/St_Johns", "UTC-3.30", "UTC-2.30, DST"),
            ("Australia/Lord_Howe", "UTC+11.00, DST", "UTC+10.30"),
            ("SystemV/EST5EDT", "UTC-5.00", "UTC-4.00, DST"),
            ("Etc/GMT-14", "UTC+14.00", "UTC+14.00"),
        ] {
            let zone = TimeZone::parse(name).expect("as the test made it");
            assert_eq!((zone.utc_offset(january), zone.utc_offset(july)), (winter.into(), summer.into()), "{name}");
        }
        for moment in [i64::MIN, i64::MAX, -62_135_596_801] {
            TimeZone::parse("America/New_York").expect("a zone").utc_offset(moment);
        }
    }

    #[test]
    fn an_unknown_time_zone_is_refused_with_the_nearest_name() {
        let table = [
            ("Europe/Pariss", " Did you mean Europe/Paris?"),
            ("europe/amsterdam", " Did you mean Europe/Amsterdam?"),
            ("America/New York", " Did you mean America/New_York?"),
            ("Tokyo", " Did you mean Asia/Tokyo?"),
            ("utc", " Did you mean UTC?"),
            ("", ""),
            ("somewhere over the rainbow", ""),
        ];
        for (wrong, hint) in table {
            let error = TimeZone::parse(wrong).unwrap_err();
            assert_eq!(error.reason(), Reason::UnknownTimeZone);
            assert_eq!(error.message(), format!("The time zone is not known.{hint}"), "{wrong:?}");
            assert_eq!(error.accepted().len(), TimeZone::names().count());
        }
        assert_eq!(nearest(&"Europe/Paris".repeat(5_000)), None);
    }

    #[test]
    fn the_machine_s_zone_comes_from_tz_then_localtime_then_is_utc() {
        let table = [
            (Some("Asia/Tokyo"), None, "Asia/Tokyo"),
            (Some(":Asia/Tokyo"), Some("Europe/Paris"), "Asia/Tokyo"),
            (Some("/usr/share/zoneinfo/Asia/Tokyo"), Some("Europe/Paris"), "Asia/Tokyo"),
            (Some(":/usr/share/zoneinfo/right/Asia/Tokyo"), None, "Asia/Tokyo"),
            (Some("EST5EDT"), None, "EST5EDT"),
            (Some(""), Some("Europe/Paris"), "UTC"),
            (Some("<+03>-3"), Some("Europe/Paris"), "Europe/Paris"),
            (Some("<+03>-3"), None, "UTC"),
            (None, Some("Europe/Paris"), "Europe/Paris"),
            (None, Some("Local"), "UTC"),
            (None, None, "UTC"),
        ];
        for (tz, local, expected) in table {
            let zone = TimeZone::from_environment(tz, || local.map(str::to_owned));
            assert_eq!(zone.as_str(), expected, "{tz:?} {local:?}");
        }
        TimeZone::of_this_machine(None);
    }
}
