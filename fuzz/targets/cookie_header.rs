//! The header `Cookie`: each line of the input is one. Nothing makes the reader stumble; it finds as many cookies
//! `sID` as a plain split does, and only 32 upper-case hex digits are one.
#![no_main]

use actix_web::http::header::{COOKIE, HeaderMap, HeaderValue};
use firstkey::auth::sid_cookie::session_ids;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut headers = HeaderMap::new();
    let mut expected = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(value) = HeaderValue::from_bytes(line) else { continue };
        headers.append(COOKIE, value);
        expected.extend(std::str::from_utf8(line).map(values).unwrap_or_default());
    }
    let found: Vec<Option<String>> =
        session_ids(&headers).iter().map(|sid| sid.as_ref().map(|sid| sid.expose().to_string())).collect();
    assert_eq!(found, expected);
});

fn values(line: &str) -> Vec<Option<String>> {
    let named = line.split(';').filter_map(|pair| pair.trim_matches([' ', '\t']).strip_prefix("sID="));
    let is_id = |value: &&str| value.len() == 32 && value.bytes().all(|byte| b"0123456789ABCDEF".contains(&byte));
    named.map(|value| Some(value).filter(is_id).map(str::to_owned)).collect()
}
