//! What a gateway demands in its query: nothing stumbles, and what is taken has only what the text can have meant.
#![no_main]

use firstkey::verify::gateway::read;

libfuzzer_sys::fuzz_target!(|query: &str| {
    let Ok(demands) = read(query) else { return };
    // nothing is demanded of which the text says nothing
    assert!(demands.rights == firstkey::rights::Rights::NONE || query.contains("ight"), "{query}");
    assert!(!demands.any || query.contains("any") || query.contains('%'), "{query}");
    assert!(demands.api_types.iter().all(|name| !name.is_empty()));
    assert_eq!(read(query), Ok(demands));
});
