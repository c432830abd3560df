//! The form of an introspection: nothing stumbles, and what is demanded stands in the form.
#![no_main]

use firstkey::rights::Rights;
use firstkey::verify::introspection::read;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(asking) = read(bytes) else { return };
    let names: Vec<String> = url::form_urlencoded::parse(bytes).map(|(name, _)| name.into_owned()).collect();
    let once = |name: &str| names.iter().filter(|known| *known == name).count();
    assert_eq!(once("token"), 1);
    assert_eq!(once("right") == 1, asking.demands.rights != Rights::NONE);
    assert_eq!(once("apiType") == 1, !asking.demands.api_types.is_empty());
    assert_eq!(once("address") == 1, asking.address.is_some());
    assert!(!asking.demands.any || once("match") == 1);
});
