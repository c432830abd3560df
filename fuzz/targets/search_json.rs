//! The body of a search: what is understood is within its limits, and a pattern for LIKE escapes nothing but what
//! LIKE knows.
#![no_main]

use firstkey::body;
use firstkey::search::{Filter, MOST, Pattern, Test};
use firstkey::wire::SearchFilter;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(body) = body::parse::<SearchFilter>(bytes) else { return };
    let Ok(filter) = Filter::read(body) else { return };
    assert!((1..=MOST).contains(&filter.most));
    for criterion in filter.criteria {
        assert_eq!(criterion.field.is_none(), matches!(criterion.test, Test::ID(..)));
        if let Test::Text(test) = criterion.test {
            match test.pattern {
                Pattern::Exact(_) => {}
                Pattern::Prefix(text) => assert!(!text.is_empty()),
                Pattern::Like(pattern) => assert!(is_well_escaped(&pattern), "{pattern:?}"),
            }
        }
    }
});

/// PostgreSQL refuses a pattern that ends in its escape.
fn is_well_escaped(pattern: &str) -> bool {
    let mut characters = pattern.chars();
    while let Some(c) = characters.next() {
        if c == '\\' && !matches!(characters.next(), Some('%' | '_' | '\\')) {
            return false;
        }
    }
    true
}
