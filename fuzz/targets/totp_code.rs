//! A code and a moment: six ASCII digits are a code and nothing else is; what matches belongs to this step or to the
//! one before.
#![no_main]

use firstkey::administrators::{matching_step, step_of};
use firstkey::clock::Timestamp;
use firstkey::secret::{MfaCode, TotpSeed};

libfuzzer_sys::fuzz_target!(|input: (&str, i64)| {
    let (text, at) = input;
    let code = MfaCode::parse(text);
    assert_eq!(code.is_some(), text.chars().count() == 6 && text.chars().all(|c| c.is_ascii_digit()));
    let Some(code) = code else { return };
    assert_eq!(code.expose(), text);
    let number = MfaCode::from_number(text.parse().expect("six digits")).expect("in range");
    assert_eq!(number.expose(), text, "a number that lost its zeros is the same code");
    let (seed, now) = (TotpSeed::from_bytes(b"12345678901234567890".to_vec()), Timestamp::from_millis(at));
    if let Some(step) = matching_step(&seed, &code, now).expect("a seed of 160 bits") {
        assert!(step == step_of(now) || step == step_of(now) - 1);
    }
});
