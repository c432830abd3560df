//! How a secret is to be replaced: lengths of time are read or refused, and one that is read is written and read again
//! as itself. A digest that is brought is 64 hex digits, or none.
#![no_main]

use firstkey::body::parse;
use firstkey::duration::Duration;
use firstkey::secret::SecretDigest;
use firstkey::wire::RotationWish;

libfuzzer_sys::fuzz_target!(|input: (&[u8], &str)| {
    if let Ok(wish) = parse::<RotationWish>(input.0) {
        for text in [wish.overlap, wish.finish_when_silent_for, wish.extend_while_used_for].into_iter().flatten() {
            if let Some(length) = Duration::parse(&text) {
                assert!(length.millis() >= 0);
                assert_eq!(Duration::parse(&length.to_string()), Some(length));
            }
        }
    }
    if let Some(digest) = SecretDigest::parse(input.1) {
        assert_eq!(format!("sha256:{}", digest.to_hex()), input.1.to_ascii_lowercase());
        let _ = digest.is_of_no_secret();
    }
});
