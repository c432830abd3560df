//! The body of a mint, read and planned for a maker who expires: what is planned lies within every limit.
#![no_main]

use firstkey::api_keys::{Bounds, KeyPlan, Maker};
use firstkey::body;
use firstkey::clock::{DAY, MINUTE, Timestamp};
use firstkey::locale::TimeZone;
use firstkey::rights::Grant;
use firstkey::wire::{ApiKeyChange, NewApiKey};

const NOW: Timestamp = Timestamp::from_millis(1_795_262_415_000);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let end = NOW.plus(DAY);
    let maker = Maker { grant: Grant::everything(), expires: Some(end), bounds: Bounds::default() };
    let _ = body::parse::<ApiKeyChange>(bytes);
    let Ok(new) = body::parse::<NewApiKey>(bytes) else { return };
    let zone = TimeZone::parse("UTC").expect("a zone");
    let Ok(plan) = KeyPlan::new(new.into(), &maker, zone, NOW) else { return };
    let Ok(key) = plan.alone() else { return };
    let length = key.name.as_str().chars().count();
    assert!((1..=128).contains(&length) && key.description.as_str().chars().count() <= 1_024);
    assert!(!key.name.as_str().contains(char::is_control) && !key.description.as_str().contains(char::is_control));
    let ends = key.expiry.expect("nothing outlives its maker");
    assert!((NOW.plus(MINUTE)..=end).contains(&ends));
});
