//! A setting's value: what is taken is written in one way, which is taken again and means the same.
#![no_main]

use firstkey::app::Rules;
use firstkey::settings::CATALOGUE;

libfuzzer_sys::fuzz_target!(|input: (u8, &str)| {
    let setting = &CATALOGUE[usize::from(input.0) % CATALOGUE.len()];
    let Ok(text) = setting.canonical(input.1) else { return };
    assert_eq!(setting.canonical(&text).ok().as_deref(), Some(text.as_str()));
    let mut rules = Rules::default();
    if setting.apply(&text, &mut rules) {
        assert_eq!(setting.default_of(&rules), text, "{}", setting.name);
    }
});
