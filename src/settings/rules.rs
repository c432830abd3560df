//! The catalogue of settings: the one table from which values are read, answered, documented and enforced.

use crate::app::{FOREVER, Rules};
use crate::clock::{DAY, HOUR, MINUTE};
use crate::error::{Error, Reason, Result};
use crate::id::TenantID;

/// What every setting's name begins with.
pub const PREFIX: &str = "platformSetting";

/// What people read before they sign in, or when they do. Not part of [`Rules`], which are read on every call.
#[derive(Clone, Debug, Default)]
pub struct Notices {
    /// Shown where people sign in.
    pub sign_in_page: String,
    /// The heading of the terms and conditions.
    pub terms_title: String,
    /// The terms and conditions.
    pub terms: String,
}

/// Whose a setting is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Each tenant has its own.
    Tenant,
    /// One for the installation, which the primary tenant sets and others do not see.
    Primary,
}

/// What a setting takes, and the place that it sets. Settings of the first four kinds are fields of [`Rules`].
pub enum Kind {
    /// A time, at least and at most so many milliseconds; a bare number counts the unit.
    Time {
        /// The shortest, in milliseconds.
        least: i64,
        /// The longest, in milliseconds.
        most: i64,
        /// What a bare number counts.
        unit: &'static str,
        /// The word for a time that never passes, where there may be one.
        forever: Option<&'static str>,
        /// What it sets.
        field: fn(&mut Rules) -> &mut i64,
    },
    /// A number within bounds.
    Count {
        /// The smallest.
        least: i64,
        /// The largest.
        most: i64,
        /// The word for no bound, where there may be none.
        forever: Option<&'static str>,
        /// What it sets.
        field: fn(&mut Rules) -> &mut i64,
    },
    /// `true` or `false`.
    Flag(fn(&mut Rules) -> &mut bool),
    /// One of two words, the first for false.
    Choice([&'static str; 2], fn(&mut Rules) -> &mut bool),
    /// A text of at most so many characters.
    Text(usize, fn(&mut Notices) -> &mut String),
}

/// One line of the catalogue.
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// Whose it is.
    pub scope: Scope,
    /// What it takes.
    pub kind: Kind,
    /// What it is for.
    pub about: &'static str,
}

/// Units of time and their milliseconds, the largest first.
const UNITS: [(&str, i64); 4] = [("Weeks", 7 * DAY), ("Days", DAY), ("Hours", HOUR), ("Minutes", MINUTE)];

macro_rules! settings {
    ($($name:literal $scope:ident $kind:expr, $about:literal;)*) => {
        /// Every setting there is, in the order of answers.
        pub const CATALOGUE: &[Setting] = &[$(Setting {
            name: concat!("platformSetting", $name),
            scope: Scope::$scope,
            kind: $kind,
            about: $about,
        },)*];
    };
}

use Kind::{Choice, Count, Flag, Text, Time};

settings! {
    "UserSessionIdleTimeout" Tenant
        Time { least: MINUTE, most: 30 * DAY, unit: "Minutes", forever: None, field: |rules| &mut rules.idle },
        "A session that is not used for this long ends. Uses are noted once a minute.";
    "UserSessionDurationMax" Tenant
        Time { least: 5 * MINUTE, most: 365 * DAY, unit: "Hours", forever: Some("No Limit"), field: |rules| &mut rules.longest },
        "A session ends after this long at the latest, those that are open included. With no limit it is said to expire in a hundred years.";
    "UserSignInAttemptsAllowedNumber" Tenant
        Count { least: 1, most: 20, forever: None, field: |rules| &mut rules.attempts },
        "Failed attempts to sign in before an account is locked, where locking is on. The primary tenant's is also the number of attempts, of anybody, that are answered without delay.";
    "UserSignInAttemptsLockEnabled" Tenant
        Flag(|rules| &mut rules.lock_accounts),
        "Whether an account is locked after that number of failures in a row, wherever they came from: then anybody who knows a user name can lock its account. Somebody who may edit administrators, or `firstkey admin unlock`, lets it in again.";
    "UserMFARequiredEnabled" Tenant
        Flag(|rules| &mut rules.mfa_required),
        "Whether a session of somebody without MFA may do nothing but turn MFA on.";
    "ActiveSessionsMax" Tenant
        Count { least: 1, most: 1_000, forever: Some("No Limit"), field: |rules| &mut rules.sessions },
        "Sessions that one administrator may have at a time.";
    "ActiveSessionsMaxExceededAction" Tenant
        Choice(["End oldest session", "Block new sessions"], |rules| &mut rules.block_sessions),
        "What happens at a sign-in beyond that number.";
    "UserPasswordExpiry" Tenant
        Time { least: DAY, most: 3_650 * DAY, unit: "Days", forever: Some("Never"), field: |rules| &mut rules.password_expiry },
        "A session of somebody whose password is older may do nothing but change it.";
    "UserPasswordExpirySendEmailEnabled" Tenant
        Flag(|rules| &mut rules.password_expiry_mail),
        "Kept and answered; no mail is sent yet.";
    "UserPasswordLengthMin" Tenant
        Count { least: 8, most: 128, forever: None, field: |rules| &mut rules.password_characters },
        "The shortest new password, in characters. Passwords that would be guessed soon are refused whatever their length.";
    "UserPasswordRequireLettersAndNumbersEnabled" Tenant
        Flag(|rules| &mut rules.password_letters_and_numbers),
        "Whether a new password needs letters and digits.";
    "UserPasswordRequireMixedCaseEnabled" Tenant
        Flag(|rules| &mut rules.password_mixed_case),
        "Whether a new password needs small and capital letters.";
    "UserPasswordRequireSpecialCharactersEnabled" Tenant
        Flag(|rules| &mut rules.password_special),
        "Whether a new password needs a character that is neither a letter nor a digit.";
    "UserPasswordRequireNotSameAsUsernameEnabled" Tenant
        Flag(|rules| &mut rules.password_not_username),
        "Whether a new password may be neither the user name nor that name reversed.";
    "UserEnforceTermsAndConditionsEnabled" Tenant
        Flag(|rules| &mut rules.terms_enforced),
        "Whether a sign-in must say `termsAccepted: true`.";
    "UserEnforceTermsAndConditionsTitle" Tenant
        Text(200, |notices| &mut notices.terms_title),
        "The heading of the terms and conditions.";
    "UserEnforceTermsAndConditionsMessage" Tenant
        Text(10_000, |notices| &mut notices.terms),
        "The terms and conditions.";
    "SignInPageMessage" Primary
        Text(2_000, |notices| &mut notices.sign_in_page),
        "What `GET /api/signinpage` tells everybody who may want to sign in.";
    "RetainSystemEventDuration" Primary
        Time { least: DAY, most: 3_650 * DAY, unit: "Weeks", forever: Some("Never"), field: |rules| &mut rules.retain_events },
        "How long events are kept; with `Never` they are never removed.";
}

impl Setting {
    /// The setting of this name, where the tenant may see it.
    pub fn find(tenant: TenantID, name: &str) -> Option<&'static Self> {
        Self::of(tenant).find(|setting| setting.name == name)
    }

    /// The settings that a tenant may see.
    pub fn of(tenant: TenantID) -> impl Iterator<Item = &'static Self> {
        CATALOGUE.iter().filter(move |setting| setting.scope == Scope::Tenant || tenant == TenantID::PRIMARY)
    }

    /// Whether it is part of [`Notices`].
    pub fn is_text(&self) -> bool {
        matches!(self.kind, Text(..))
    }

    /// What it takes, for people: "takes …".
    pub fn takes(&self) -> String {
        let or = |word: Option<&str>| word.map(|word| format!(", or \"{word}\"")).unwrap_or_default();
        match &self.kind {
            Time { least, most, unit, forever, .. } => format!(
                "a time of {} to {}, written as a number and Minutes, Hours, Days or Weeks; a bare number counts {unit}{}",
                time(*least),
                time(*most),
                or(*forever)
            ),
            Count { least, most, forever, .. } => format!("a number, {least} to {most}{}", or(*forever)),
            Flag(_) => "true or false".into(),
            Choice([no, yes], _) => format!("\"{no}\" or \"{yes}\""),
            Text(most, _) => format!("a text of at most {most} characters, with no controls but tabs and new lines"),
        }
    }

    /// A value as it is kept and answered, or a refusal that says what the setting takes.
    pub fn canonical(&self, text: &str) -> Result<String> {
        let refused = || Error::new(Reason::BadSetting, format!("{}: takes {}.", self.name, self.takes()));
        let word = text.trim_matches(' ');
        let is = |known: &str| known.eq_ignore_ascii_case(word);
        let canonical = match &self.kind {
            Time { forever: Some(known), .. } | Count { forever: Some(known), .. } if is(known) => {
                Some((*known).into())
            }
            Time { least, most, unit, .. } => read_time(word, unit)
                .filter(|(number, millis)| {
                    number.checked_mul(*millis).is_some_and(|time| (*least..=*most).contains(&time))
                })
                .map(|(number, millis)| format!("{number} {}", unit_of(millis))),
            Count { least, most, .. } => {
                read_number(word).filter(|number| (*least..=*most).contains(number)).map(|number| number.to_string())
            }
            Flag(_) => ["false", "true"].into_iter().find(|known| *known == word).map(str::to_owned),
            Choice(words, _) => words.iter().find(|known| is(known)).map(|known| (*known).to_owned()),
            Text(most, _) => {
                let fits = text.chars().count() <= *most
                    && text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'));
                fits.then(|| text.to_owned())
            }
        };
        canonical.ok_or_else(refused)
    }

    /// Sets a canonical value in the rules; false where the text is none, as a later program may have written.
    pub fn apply(&self, text: &str, rules: &mut Rules) -> bool {
        match (&self.kind, self.canonical(text)) {
            (Time { field, forever, .. } | Count { field, forever, .. }, Ok(text)) if *forever == Some(&*text) => {
                *field(rules) = FOREVER;
            }
            (Time { field, unit, .. }, Ok(text)) => match read_time(&text, unit) {
                Some((number, millis)) => *field(rules) = number.saturating_mul(millis),
                None => return false,
            },
            (Count { field, .. }, Ok(text)) => match read_number(&text) {
                Some(number) => *field(rules) = number,
                None => return false,
            },
            (Flag(field), Ok(text)) => *field(rules) = text == "true",
            (Choice([_, yes], field), Ok(text)) => *field(rules) = text == *yes,
            (Text(..), _) | (_, Err(_)) => return false,
        }
        true
    }

    /// Sets a text among the notices.
    pub fn note(&self, text: String, notices: &mut Notices) {
        if let Text(_, field) = &self.kind {
            *field(notices) = text;
        }
    }

    /// The value that holds where nobody has set one.
    pub fn default_of(&self, rules: &Rules) -> String {
        let mut rules = rules.clone();
        match &self.kind {
            Time { field, forever, .. } => match (*field(&mut rules), forever) {
                (FOREVER, Some(word)) => (*word).to_owned(),
                (millis, _) => time(millis),
            },
            Count { field, forever, .. } => match (*field(&mut rules), forever) {
                (FOREVER, Some(word)) => (*word).to_owned(),
                (number, _) => number.to_string(),
            },
            Flag(field) => field(&mut rules).to_string(),
            Choice([no, yes], field) => if *field(&mut rules) { yes } else { no }.to_string(),
            Text(_, field) => field(&mut Notices::default()).clone(),
        }
    }
}

/// The page `docs/settings.md`.
pub fn page() -> String {
    let mut page = String::from(
        "# System settings\n\n\
         What may be set while the server runs, by `GET` and `POST /api/systemsettings` (rights `canViewSettings` and\n\
         `canEditSettings`), or one by one under `/api/systemsettings/<name>`, where `DELETE` lets the default hold again. A\n\
         change takes effect with the next call, on every node. Every name begins with `platformSetting`; each tenant has\n\
         its own, but for those that say `primary`: one for the installation, which only the primary tenant sees and sets.\n\n\
         | name | whose | takes | default | meaning |\n|---|---|---|---|---|\n",
    );
    for setting in CATALOGUE {
        let whose = match setting.scope {
            Scope::Tenant => "tenant",
            Scope::Primary => "primary",
        };
        let name = setting.name.strip_prefix(PREFIX).unwrap_or(setting.name);
        let default = match setting.default_of(&Rules::default()) {
            text if text.is_empty() => "empty".to_owned(),
            text => format!("`{text}`"),
        };
        page.push_str(&format!("| `{name}` | {whose} | {} | {default} | {} |\n", setting.takes(), setting.about));
    }
    page
}

/// The refusal of a name that is no setting, in a body.
pub fn no_such_setting(name: &str) -> Error {
    let name: String = name.chars().take(100).collect();
    Error::new(Reason::BadSetting, format!("{name}: there is no such setting. GET /api/systemsettings lists them."))
}

/// A time in the largest unit that it is a multiple of.
fn time(millis: i64) -> String {
    let unit = UNITS.iter().find(|(_, unit)| millis % unit == 0).unwrap_or(&UNITS[3]);
    format!("{} {}", millis / unit.1, unit.0)
}

fn unit_of(millis: i64) -> &'static str {
    UNITS.iter().find(|(_, unit)| *unit == millis).map_or("Minutes", |(name, _)| name)
}

/// Digits only, no sign, no leading zeros, at most nine.
fn read_number(text: &str) -> Option<i64> {
    let plain = !text.is_empty() && text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten().filter(|number: &i64| number.to_string() == text)
}

/// A number and its unit's milliseconds: `30 Minutes`, `1 hour`, `10`.
fn read_time(text: &str, bare: &str) -> Option<(i64, i64)> {
    let (number, unit) = text.split_once(' ').unwrap_or((text, bare));
    let unit = unit.trim_matches(' ');
    let known = UNITS.iter().find(|(name, _)| {
        name.eq_ignore_ascii_case(unit) || name.strip_suffix('s').is_some_and(|one| one.eq_ignore_ascii_case(unit))
    })?;
    Some((read_number(number)?, known.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn setting(name: &str) -> &'static Setting {
        CATALOGUE.iter().find(|setting| setting.name.ends_with(name)).expect("a setting")
    }

    #[test]
    fn names_begin_alike_and_none_stands_twice() {
        let names: std::collections::BTreeSet<&str> = CATALOGUE.iter().map(|setting| setting.name).collect();
        assert_eq!(names.len(), CATALOGUE.len());
        assert!(names.iter().all(|name| name.starts_with(PREFIX) && name.bytes().all(|b| b.is_ascii_alphabetic())));
    }

    #[test]
    fn the_defaults_are_values_that_the_settings_take() {
        for setting in CATALOGUE {
            let default = setting.default_of(&Rules::default());
            assert_eq!(setting.canonical(&default).ok(), Some(default.clone()), "{}", setting.name);
            let mut rules = Rules::default();
            assert!(setting.apply(&default, &mut rules) || setting.is_text());
            assert_eq!(format!("{rules:?}"), format!("{:?}", Rules::default()), "{}", setting.name);
        }
        for (name, default) in [
            ("UserSessionIdleTimeout", "30 Minutes"),
            ("UserSessionDurationMax", "12 Hours"),
            ("ActiveSessionsMax", "10"),
            ("ActiveSessionsMaxExceededAction", "End oldest session"),
            ("UserPasswordExpiry", "Never"),
            ("RetainSystemEventDuration", "53 Weeks"),
        ] {
            assert_eq!(setting(name).default_of(&Rules::default()), default);
        }
    }

    #[test]
    fn a_time_may_be_written_in_several_ways_and_is_kept_in_one() {
        let idle = setting("IdleTimeout");
        for (text, kept) in [
            ("30 Minutes", Some("30 Minutes")),
            ("1 Minute", Some("1 Minutes")),
            ("1 hour", Some("1 Hours")),
            ("60 minutes", Some("60 Minutes")),
            (" 10 ", Some("10 Minutes")),
            ("30 Days", Some("30 Days")),
            ("5  Weeks", None),
            ("31 Days", None),
            ("0 Minutes", None),
            ("0", None),
            ("-1", None),
            ("1.5 Hours", None),
            ("010", None),
            ("30 Fortnights", None),
            ("30Minutes", None),
            ("999999999 Weeks", None),
            ("99999999999999999999", None),
            ("Never", None),
            ("", None),
            ("No Limit", None),
        ] {
            assert_eq!(idle.canonical(text).ok().as_deref(), kept, "{text:?}");
        }
        assert_eq!(setting("DurationMax").canonical("no limit").ok().as_deref(), Some("No Limit"));
        assert_eq!(setting("DurationMax").canonical("8").ok().as_deref(), Some("8 Hours"));
    }

    #[test]
    fn a_refusal_names_the_setting_and_what_it_takes() {
        let message = |name: &str, text: &str| setting(name).canonical(text).expect_err("refused").message().to_owned();
        assert_eq!(
            message("IdleTimeout", "soon"),
            "platformSettingUserSessionIdleTimeout: takes a time of 1 Minutes to 30 Days, written as a number and \
             Minutes, Hours, Days or Weeks; a bare number counts Minutes."
        );
        assert_eq!(
            message("ActiveSessionsMax", "0"),
            "platformSettingActiveSessionsMax: takes a number, 1 to 1000, or \"No Limit\"."
        );
        assert_eq!(
            message("ExceededAction", "x"),
            "platformSettingActiveSessionsMaxExceededAction: takes \"End oldest session\" or \"Block new sessions\"."
        );
    }

    proptest! {
        /// Whatever is taken is kept in a form that is taken again, unchanged, and sets something.
        #[test]
        fn what_is_kept_is_canonical(at in 0..CATALOGUE.len(), text in "[0-9]{0,4} ?(Minutes|hours|Day|Weeks|Never|No Limit|true|false|)") {
            let setting = &CATALOGUE[at];
            if let Ok(kept) = setting.canonical(&text) {
                prop_assert_eq!(setting.canonical(&kept).ok(), Some(kept.clone()));
                prop_assert!(setting.is_text() || setting.apply(&kept, &mut Rules::default()));
            }
        }

        #[test]
        fn any_text_is_survived(at in 0..CATALOGUE.len(), text in any::<String>()) {
            let _ = CATALOGUE[at].canonical(&text);
        }
    }
}
