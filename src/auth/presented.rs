//! Where in a request's head a key may stand: `api-secret-key`, `X-API-Key`, or `Authorization` with the scheme
//! `Bearer` (RFC 6750 §2.1) or `Token`.

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use crate::error::{Error, Reason, Result};

/// The headers that hold nothing but a key.
const PLAIN: &[&str] = &["api-secret-key", "x-api-key"];
/// The schemes of `Authorization` behind which a key stands, in any case (RFC 9110 §11.1).
const SCHEMES: &[&[u8]] = &[b"bearer", b"token"];

/// What a request carries in the headers that a key may stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried<'a> {
    /// None of them is there.
    Nothing,
    /// One of them is there; this stands in it, and is a key or not.
    Key(&'a [u8]),
    /// `Authorization` is there with a scheme that is not taken.
    OtherScheme,
    /// More than one is there, or one of them twice: nobody can say which counts.
    Several,
}

/// Looks through a request's headers. Whatever stands in `Authorization` counts as a credential, of a known scheme or
/// not.
pub fn carried(headers: &HeaderMap) -> Carried<'_> {
    let plain = PLAIN.iter().flat_map(|name| headers.get_all(*name)).map(|value| Carried::Key(value.as_bytes()));
    let mut all = plain.chain(headers.get_all(AUTHORIZATION).map(behind_scheme));
    match (all.next(), all.next()) {
        (None, _) => Carried::Nothing,
        (Some(only), None) => only,
        (Some(_), Some(_)) => Carried::Several,
    }
}

/// The key that a request carries which has no other credential.
pub fn only_key(headers: &HeaderMap) -> Result<&[u8]> {
    match carried(headers) {
        Carried::Key(key) => Ok(key),
        Carried::Nothing => Err(Error::new(
            Reason::NotSignedIn,
            "Sign in with POST /api/sessions, or send an API key in the header api-secret-key.",
        )),
        Carried::OtherScheme => Err(Error::new(
            Reason::NotSignedIn,
            "Authorization: the schemes Bearer and Token are taken, each with an API key behind it.",
        )),
        Carried::Several => Err(ambiguous()),
    }
}

/// The answer to more than one credential.
pub fn ambiguous() -> Error {
    Error::new(
        Reason::AmbiguousCredentials,
        "The request carries more than one credential. Send one: the cookie sID, or one API key in one header.",
    )
}

/// `scheme 1*SP key`. A scheme with nothing behind it carries an empty key, which is none.
fn behind_scheme(value: &HeaderValue) -> Carried<'_> {
    let value = value.as_bytes();
    let end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (scheme, rest) = value.split_at(end);
    if !SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Carried::OtherScheme;
    }
    let key = rest.iter().position(|byte| *byte != b' ').map_or(&[][..], |begin| &rest[begin..]);
    Carried::Key(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderName;
    use proptest::prelude::*;

    fn map(headers: &[(&str, &[u8])]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            map.append(name, HeaderValue::from_bytes(value).expect("a value"));
        }
        map
    }

    #[test]
    fn a_key_stands_in_one_of_four_places() {
        for (name, value, expected) in [
            ("api-secret-key", "1:k", Carried::Key(b"1:k")),
            ("X-API-Key", "1:k", Carried::Key(b"1:k")),
            ("Authorization", "Bearer 1:k", Carried::Key(b"1:k")),
            ("Authorization", "bEARER 1:k", Carried::Key(b"1:k")),
            ("Authorization", "TOKEN 1:k", Carried::Key(b"1:k")),
            ("Authorization", "token   1:k", Carried::Key(b"1:k")),
            ("Authorization", "Bearer 1:k x", Carried::Key(b"1:k x")),
            ("Authorization", "Bearer", Carried::Key(b"")),
            ("Authorization", "Token ", Carried::Key(b"")),
            ("Authorization", "Basic dXNlcjpwYXNz", Carried::OtherScheme),
            ("Authorization", "Bearer\t1:k", Carried::OtherScheme),
            ("Authorization", "Bearer:1:k", Carried::OtherScheme),
            ("Authorization", "1:k", Carried::OtherScheme),
            ("Authorization", "", Carried::OtherScheme),
            ("Proxy-Authorization", "Bearer 1:k", Carried::Nothing),
            ("secretKey", "1:k", Carried::Nothing),
        ] {
            assert_eq!(carried(&map(&[(name, value.as_bytes())])), expected, "{name}: {value}");
        }
    }

    const PLACES: &[(&str, &str)] = &[
        ("api-secret-key", ""),
        ("x-api-key", ""),
        ("authorization", "Bearer "),
        ("authorization", "Token "),
        ("authorization", "Basic "),
    ];

    #[test]
    fn two_of_them_are_several_whichever_they_are() {
        for first in PLACES {
            for second in PLACES {
                let value = |(_, scheme): &(&str, &str)| format!("{scheme}1:k");
                let headers = [(first.0, value(first)), (second.0, value(second))];
                let headers = headers.each_ref().map(|(name, value)| (*name, value.as_bytes()));
                assert_eq!(carried(&map(&headers)), Carried::Several, "{first:?} {second:?}");
            }
        }
    }

    proptest! {
        /// T-31: no header makes the parser stumble, and nothing is added to what stood there.
        #[test]
        fn any_authorization_header_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                match behind_scheme(&value) {
                    Carried::Key(key) => prop_assert!(bytes.ends_with(key) && !key.starts_with(b" ")),
                    other => prop_assert_eq!(other, Carried::OtherScheme),
                }
            }
        }

        #[test]
        fn a_key_comes_out_as_it_went_in(key in "[!-~][ -~]{0,80}", upper in any::<u16>(), bearer in any::<bool>(), blanks in 1_usize..4) {
            let scheme = if bearer { "bearer" } else { "token" };
            let mixed = |(at, c): (usize, char)| if upper >> at & 1 == 1 { c.to_ascii_uppercase() } else { c };
            let scheme: String = scheme.chars().enumerate().map(mixed).collect();
            let value = format!("{scheme}{}{key}", " ".repeat(blanks));
            let map = map(&[("authorization", value.as_bytes())]);
            prop_assert_eq!(carried(&map), Carried::Key(key.as_bytes()));
        }
    }
}
