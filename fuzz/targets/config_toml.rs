//! The file of settings: it is refused, or every number lies within its range and the same text decides the same.
#![no_main]

use firstkey::config::{Config, Flags, Surroundings};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let around =
        Surroundings { file: Some(("firstkey.toml".into(), text.to_owned())), processors: 2, ..Default::default() };
    let Ok(config) = Config::resolve(&Flags::default(), &around) else { return };
    assert!((1..=256).contains(&config.workers) && !config.listen.is_empty());
    assert!((10..=16).contains(&config.sign_in.bcrypt_cost) && (0..=19).contains(&config.sign_in.password_nice));
    assert!((1..=1_000).contains(&config.database_connections) && (1..=1_000_000).contains(&config.most_connections));
    let again = Config::resolve(&Flags::default(), &around).expect("it was taken a moment ago");
    assert_eq!(format!("{config:?}"), format!("{again:?}"));
});
