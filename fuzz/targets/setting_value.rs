//! A setting's value: what is taken is written in one way, which is taken again and means the same. Where it comes to
//! hold, what is said to hold means the same too, in whichever unit it is said.
#![no_main]

use firstkey::app::Rules;
use firstkey::settings::CATALOGUE;

libfuzzer_sys::fuzz_target!(|input: (u8, &str)| {
    let setting = &CATALOGUE[usize::from(input.0) % CATALOGUE.len()];
    let Ok(text) = setting.canonical(input.1) else { return };
    assert_eq!(setting.canonical(&text).ok().as_deref(), Some(text.as_str()));
    let mut rules = Rules::default();
    if setting.apply(&text, &mut rules) {
        let (said, mut again) = (setting.default_of(&rules), Rules::default());
        assert!(setting.apply(&said, &mut again), "{}: {said}", setting.name);
        assert_eq!(setting.default_of(&again), said, "{}", setting.name);
    }
});
