//! The headers that a key may stand in: nothing stumbles, what comes out stood there, and of two credentials none wins.
#![no_main]

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use firstkey::auth::presented::{Carried, carried};

libfuzzer_sys::fuzz_target!(|headers: Vec<(u8, Vec<u8>)>| {
    let mut map = HeaderMap::new();
    let mut sent = Vec::new();
    for (name, bytes) in headers {
        let name = match name % 3 {
            0 => HeaderName::from_static("api-secret-key"),
            1 => HeaderName::from_static("x-api-key"),
            _ => AUTHORIZATION,
        };
        if let Ok(value) = HeaderValue::from_bytes(&bytes) {
            map.append(name.clone(), value);
            sent.push((name, bytes));
        }
    }
    match (carried(&map), sent.as_slice()) {
        (Carried::Nothing, []) => {}
        (Carried::Key(key), [(name, bytes)]) if *name == AUTHORIZATION => {
            let (scheme, rest) = bytes.split_at(bytes.iter().position(|byte| *byte == b' ').unwrap_or(bytes.len()));
            assert!(scheme.eq_ignore_ascii_case(b"bearer") || scheme.eq_ignore_ascii_case(b"token"));
            assert!(rest.ends_with(key) && rest[..rest.len() - key.len()].iter().all(|byte| *byte == b' '));
        }
        (Carried::OtherScheme, [(name, _)]) if *name == AUTHORIZATION => {}
        (Carried::Key(key), [(_, bytes)]) => assert_eq!(key, bytes),
        (Carried::Several, [_, _, ..]) => {}
        (carried, sent) => panic!("{carried:?} out of {sent:?}"),
    }
});
