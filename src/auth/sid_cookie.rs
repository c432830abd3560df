//! The cookie `sID` on the wire is bare: `sID=<32 upper-case hex>; Path=/; Secure; HttpOnly` (seed row
//! DS-03). actix-session knows signed cookies only. This middleware stands outside it: inbound it signs
//! the one well-formed session ID, outbound it takes the signature off again. The key is made at start
//! and never leaves the process; what protects a session are the ID's 128 random bits.

use actix_web::HttpMessage as _;
use actix_web::body::MessageBody;
use actix_web::cookie::{Cookie, CookieJar, Key};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};
use actix_web::middleware::Next;

use crate::secret::SessionID;

/// The cookie's name.
pub const NAME: &str = "sID";

/// Left in the request when it carries a cookie `sID`, good or not.
pub struct SessionCookie;

/// Left in the request when it carries several: then none is believed.
pub struct SeveralSessionCookies;

/// The middleware; `key` is the one that actix-session was given.
pub async fn bare_sid(
    key: Key,
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let presented = session_ids(request.headers());
    request.headers_mut().remove(COOKIE);
    if !presented.is_empty() {
        request.extensions_mut().insert(SessionCookie);
    }
    match presented.as_slice() {
        [Some(sid)] => {
            let cookie = signed(&key, sid);
            request.headers_mut().insert(COOKIE, cookie);
        }
        [] | [None] => {}
        _ => {
            request.extensions_mut().insert(SeveralSessionCookies);
        }
    }
    let same_site = request.headers().contains_key("sec-fetch-site");
    let mut response = next.call(request).await?;
    strip(&key, response.headers_mut(), same_site);
    Ok(response)
}

/// The middleware outside [`bare_sid`], for the older API alone: the session ID may stand in the query, as `sID=…`, and
/// then counts as a cookie. Logs show a route's pattern and never the query.
pub async fn sid_in_query(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let ids: Vec<Option<SessionID>> = request
        .query_string()
        .split('&')
        .filter_map(|member| member.split_once('='))
        .filter(|(name, _)| *name == NAME)
        .map(|(_, value)| SessionID::parse(value))
        .collect();
    for id in ids {
        let id = id.map(|id| id.expose()).unwrap_or_default();
        let known = session_ids(request.headers());
        if !known.iter().flatten().any(|known| known.expose() == id) {
            let cookie = HeaderValue::from_str(&format!("{NAME}={}", *id)).expect("hex is ASCII");
            request.headers_mut().append(COOKIE, cookie);
        }
    }
    next.call(request).await
}

/// Every cookie named `sID`, in every `Cookie` header (HTTP/2 may split them); `None` for one of another form.
pub fn session_ids(headers: &HeaderMap) -> Vec<Option<SessionID>> {
    headers
        .get_all(COOKIE)
        .filter_map(|header| std::str::from_utf8(header.as_bytes()).ok())
        .flat_map(|header| header.split(';'))
        .filter_map(|pair| pair.trim_matches([' ', '\t']).split_once('='))
        .filter(|(name, _)| *name == NAME)
        .map(|(_, value)| SessionID::parse(value))
        .collect()
}

fn signed(key: &Key, sid: &SessionID) -> HeaderValue {
    let mut jar = CookieJar::new();
    jar.signed_mut(key).add(Cookie::new(NAME, sid.expose().to_string()));
    let cookie = jar.get(NAME).expect("it was just added").encoded().to_string();
    HeaderValue::from_str(&cookie).expect("an encoded cookie is ASCII")
}

/// Rewrites each `Set-Cookie` for `sID` to the documented line; one that sets nothing to a removal.
fn strip(key: &Key, headers: &mut HeaderMap, same_site: bool) {
    let lines: Vec<HeaderValue> = headers.remove(SET_COOKIE).collect();
    for line in lines {
        let cookie = line.to_str().ok().and_then(|text| Cookie::parse_encoded(text.to_owned()).ok());
        let line = match cookie {
            Some(cookie) if cookie.name() == NAME => bare_line(key, cookie, same_site),
            _ => line,
        };
        headers.append(SET_COOKIE, line);
    }
}

fn bare_line(key: &Key, cookie: Cookie<'static>, same_site: bool) -> HeaderValue {
    let mut jar = CookieJar::new();
    jar.add_original(cookie);
    let sid = jar.signed(key).get(NAME).and_then(|cookie| SessionID::parse(cookie.value()));
    let mut line = match sid {
        Some(sid) => format!("{NAME}={}; Path=/; Secure; HttpOnly", *sid.expose()),
        None => format!("{NAME}=; Path=/; Secure; HttpOnly; Max-Age=0"),
    };
    if same_site {
        line.push_str("; SameSite=Strict");
    }
    HeaderValue::from_str(&line).expect("hex and attributes are ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::http::header::HeaderName;
    use proptest::prelude::*;

    const SID: &str = "D5EE2AC155601C895B33B701080D40A6";

    fn found(headers: &[&str]) -> Vec<bool> {
        let mut map = HeaderMap::new();
        for header in headers {
            map.append(HeaderName::from_static("cookie"), HeaderValue::from_str(header).expect("a header"));
        }
        session_ids(&map).iter().map(Option::is_some).collect()
    }

    #[test]
    fn only_the_bare_form_is_a_session_id() {
        assert_eq!(found(&[&format!("a=b; sID={SID}; c=d")]), [true]);
        assert_eq!(found(&[&format!("sID={SID}"), &format!("sID={SID}")]), [true, true]);
        assert_eq!(found(&[&format!("sID={}", SID.to_lowercase())]), [false]);
        assert_eq!(found(&[&format!("sID=\"{SID}\"")]), [false]);
        assert_eq!(found(&[&format!("sid={SID}")]), [] as [bool; 0]);
        assert_eq!(found(&["sID=", "sID"]), [false]);
    }

    #[test]
    fn a_signed_cookie_leaves_as_the_documented_line() {
        let key = Key::generate();
        let sid = SessionID::parse(SID).expect("it is one");
        let signed = signed(&key, &sid).to_str().expect("ASCII").to_owned();
        let cookie = Cookie::parse_encoded(signed).expect("it is a cookie");
        assert_eq!(bare_line(&key, cookie.clone(), false), format!("sID={SID}; Path=/; Secure; HttpOnly"));
        assert_eq!(bare_line(&key, cookie, true), format!("sID={SID}; Path=/; Secure; HttpOnly; SameSite=Strict"));
        let forged = Cookie::new(NAME, SID);
        assert_eq!(bare_line(&key, forged, false), "sID=; Path=/; Secure; HttpOnly; Max-Age=0");
    }

    proptest! {
        /// T-31: no header makes the parser stumble.
        #[test]
        fn any_cookie_header_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let mut map = HeaderMap::new();
                map.append(HeaderName::from_static("cookie"), value);
                let _ = session_ids(&map);
            }
        }
    }
}
