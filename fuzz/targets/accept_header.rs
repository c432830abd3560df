//! The headers `Accept`: whatever they say, a shape is answered only to who has named it.
#![no_main]

use actix_web::http::header::{ACCEPT, HeaderMap, HeaderValue};
use firstkey::dialect::asked_for;

libfuzzer_sys::fuzz_target!(|lines: Vec<Vec<u8>>| {
    let mut map = HeaderMap::new();
    let mut text = String::new();
    for line in lines {
        if let Ok(value) = HeaderValue::from_bytes(&line) {
            text.push_str(&String::from_utf8_lossy(&line).to_ascii_lowercase());
            text.push('\n');
            map.append(ACCEPT, value);
        }
    }
    if let Some(dialect) = asked_for(&map) {
        assert!(text.contains(dialect.media_type()), "{dialect:?} out of {text:?}");
    }
});
