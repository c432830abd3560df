//! The bodies about key profiles and API types, up to what would be stored: what is taken agrees with itself.
#![no_main]

use firstkey::id::TenantID;
use firstkey::rights::Right;
use firstkey::{api_key_profiles, api_types, body, wire};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = body::parse::<wire::AuthorizationGrant>(bytes);
    let _ = body::parse::<wire::ApiTypeChange>(bytes);
    let _ = body::parse::<wire::ProfileChange>(bytes);
    if let Ok(new) = body::parse::<wire::NewProfile>(bytes) {
        let changes = api_key_profiles::Changes::new(new.into());
        if let Ok(profile) = changes.and_then(|changes| changes.into_new(TenantID::PRIMARY)) {
            let most = profile.max_validity.unwrap_or(i64::MAX);
            assert!(profile.min_validity.unwrap_or(0) <= profile.validity.unwrap_or(most));
            assert!(profile.validity.unwrap_or(0) <= most && profile.warn_before.is_sorted_by(|a, b| a > b));
            assert!((1..=128).contains(&profile.name.chars().count()) && profile.targets.len() <= 50);
        }
    }
    if let Ok(new) = body::parse::<wire::NewApiType>(bytes) {
        let changes = api_types::Changes::new(new.into());
        if let Ok(kind) = changes.and_then(api_types::Changes::into_new) {
            assert!(kind.rights.iter().all(|right| Right::find_dotted(&format!("{right:?}")) == Some(right)));
            assert!(kind.name.is_ascii() && !kind.name.contains([',', '/', '%', ' ']));
        }
    }
});
