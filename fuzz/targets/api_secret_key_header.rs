//! The header `api-secret-key`: what is accepted is the one spelling of its key, and an oracle written apart from
//! the parser agrees on what that is.
#![no_main]

use firstkey::secret::PresentedKey;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let read = PresentedKey::parse(text);
    assert_eq!(read.is_some(), oracle(text), "{text:?}");
    if let Some(key) = read {
        assert_eq!(key.secret.printed(key.tenant, key.id).expose(), text, "parse and print are inverse");
    }
});

/// `^(?:<lower-case GUID>:)?[1-9][0-9]{0,9}:[A-Za-z0-9+/]{43}=$`, the ID within 31 bits, no spare bit set.
fn oracle(text: &str) -> bool {
    let parts: Vec<&[u8]> = text.as_bytes().split(|byte| *byte == b':').collect();
    match parts.as_slice() {
        [id, secret] => is_id(id) && is_secret(secret),
        [guid, id, secret] => is_guid(guid) && is_id(id) && is_secret(secret),
        _ => false,
    }
}

fn is_guid(bytes: &[u8]) -> bool {
    let hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    bytes.len() == 36
        && bytes
            .iter()
            .enumerate()
            .all(|(at, byte)| if [8, 13, 18, 23].contains(&at) { *byte == b'-' } else { hex(byte) })
}

fn is_id(bytes: &[u8]) -> bool {
    let number = bytes.iter().try_fold(0_u64, |sum, byte| {
        byte.is_ascii_digit().then(|| sum.saturating_mul(10).saturating_add(u64::from(byte - b'0')))
    });
    bytes.first().is_some_and(|first| *first != b'0') && number.is_some_and(|number| number < 1 << 31)
}

fn is_secret(bytes: &[u8]) -> bool {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let [digits @ .., b'='] = bytes else { return false };
    let places: Option<Vec<usize>> =
        digits.iter().map(|digit| ALPHABET.iter().position(|known| known == digit)).collect();
    // 43 digits hold 258 bits: the last two must be zero
    places.is_some_and(|places| places.len() == 43 && places[42] % 4 == 0)
}
