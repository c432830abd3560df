//! Folding of names: once folded, a name stays as it is, and a name's canonical spellings meet.
#![no_main]

use firstkey::name::{Username, fold};
use unicode_normalization::UnicodeNormalization as _;

libfuzzer_sys::fuzz_target!(|name: &str| {
    let folded = fold(name);
    assert_eq!(fold(&folded), folded);
    assert_eq!(fold(&name.nfd().collect::<String>()), folded);
    assert_eq!(fold(&name.nfkc().collect::<String>()), folded);
    if let Ok(accepted) = Username::parse("userName", name) {
        assert_eq!((accepted.as_str(), accepted.folded()), (name, folded));
    }
});
