//! Names of time zones and of locales: what is accepted is kept as it was given, what is refused is answered with
//! what would have been taken.
#![no_main]

use firstkey::error::Reason;
use firstkey::locale::{Locale, TimeZone};

libfuzzer_sys::fuzz_target!(|name: &str| {
    match TimeZone::parse(name) {
        Ok(zone) => assert_eq!(zone.as_str(), name),
        Err(error) => {
            assert_eq!(error.reason(), Reason::UnknownTimeZone);
            assert!(!error.accepted().is_empty() && !error.accepted().iter().any(|accepted| accepted == name));
        }
    }
    if let Ok(locale) = Locale::parse(name) {
        assert_eq!(locale.as_str(), name);
    }
});
