//! By which URL a request came in: the general one, or one of a tenant's own. A tenant's own URL is the general one with
//! `/t/<label>` in front of every path below `/api`, or, where `public_url` is set, `<label>.<its host>`. Between that and
//! `/api` may stand the version, `/v1`, where clients of Trend Micro Cloud App Security have it (row TC-21).
//!
//! Here is the reading of it, before anything is looked up; whose label it is, `auth/identify.rs` finds out.

use std::sync::Arc;

use actix_web::HttpMessage as _;
use actix_web::dev::ServiceRequest;
use actix_web::http::Uri;
use actix_web::http::header::HOST;
use actix_web::http::uri::PathAndQuery;

/// In front of a tenant's label in a path.
const PREFIX: &str = "/t/";
/// The one version there is, in front of `/api`.
const VERSION: &str = "/v1";

/// How clients reach the server, as far as the operator has said it. No request's `Host` is ever repeated.
#[derive(Clone, Debug, Default)]
pub struct PublicUrl(Option<Arc<Known>>);

#[derive(Debug)]
struct Known {
    /// Scheme, host and port: `https://keys.example.org`.
    origin: String,
    /// The host behind a label: `.keys.example.org`.
    behind_label: String,
}

impl PublicUrl {
    /// Takes the setting `public_url`, as the configuration has checked and written it.
    pub fn new(origin: Option<&str>) -> Self {
        Self(origin.map(|origin| {
            let authority = origin.split_once("://").map_or(origin, |(_, authority)| authority);
            let behind_label = format!(".{}", host_without_port(authority));
            Arc::new(Known { origin: origin.to_owned(), behind_label })
        }))
    }

    /// The general URL; none where nobody has said it.
    pub fn general(&self) -> Option<&str> {
        self.0.as_ref().map(|known| known.origin.as_str())
    }

    /// The URL of the tenant with this label; a path, to be put behind whatever leads here, where nobody has said more.
    pub fn of(&self, label: &str) -> String {
        format!("{}{PREFIX}{label}", self.general().unwrap_or_default())
    }

    /// The label in a host, if the rest of it is the public one. What stands there may be nobody's.
    fn label_in<'a>(&self, host: &'a str) -> Option<&'a str> {
        let (behind, host) = (&self.0.as_ref()?.behind_label, host_without_port(host));
        let host = host.strip_suffix('.').unwrap_or(host);
        let at = host.len().checked_sub(behind.len()).filter(|at| host.is_char_boundary(*at))?;
        let (label, rest) = host.split_at(at);
        rest.eq_ignore_ascii_case(behind).then_some(label)
    }
}

/// Without a port; an address of IPv6 stands in brackets.
fn host_without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

/// Left in a request that came by a tenant's own URL: the label there, in lower case. Nobody may have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantLabel(String);

impl TenantLabel {
    /// The label, if it is one that a tenant can have.
    pub fn get(&self) -> Option<&str> {
        is_label(&self.0).then_some(&self.0)
    }
}

/// Whether a text can stand for a tenant in a URL: digits and small letters, hyphens between them one at a time, at most
/// 63 (a label of RFC 1123 §2.1, none of which is one of RFC 5890's that begin with `xn--`).
pub fn is_label(text: &str) -> bool {
    let word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
    text.len() <= 63 && text.split('-').all(word)
}

/// Where gateways ask; its answers are logged only where somebody wants to know it all.
pub const GATEWAY: &str = "/auth/verify";

/// Where OAuth clients ask, and read refusals as RFC 6749 §5.2 has them.
pub const INTROSPECTION: &str = "/oauth2/introspect";

/// Takes a tenant's prefix and the version off a request's path and remembers whose it is. What only looks like one stays
/// as it is, and is no route.
pub fn take_off(request: &mut ServiceRequest) {
    let by_host = request.app_data::<PublicUrl>().and_then(|public| {
        let in_header = || request.headers().get(HOST).and_then(|host| host.to_str().ok());
        let host = request.uri().authority().map(|authority| authority.as_str()).or_else(in_header)?;
        public.label_in(host).map(str::to_ascii_lowercase)
    });
    let mut by_path = None;
    if let Some((label, uri)) = split(request.uri()) {
        by_path = label.map(str::to_owned);
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
    let label = match (by_host, by_path) {
        (None, None) => return,
        (Some(label), None) | (None, Some(label)) => label,
        // one tenant at a time, even where both name the same: this is nobody's label
        (Some(_), Some(_)) => String::new(),
    };
    request.extensions_mut().insert(TenantLabel(label));
}

/// The label of `/t/<label>/api/…`, of `/t/<label>/v1/api/…`, or of the two calls beside the API, and the same URI without
/// what is in front; none where nothing is. The path is read as it came: a percent, a dot or a second slash there makes it
/// something else.
fn split(uri: &Uri) -> Option<(Option<&str>, Uri)> {
    let whole = uri.path();
    let (label, rest) = match whole.strip_prefix(PREFIX) {
        Some(rest) => {
            let (label, _) = rest.split_once('/').filter(|(label, _)| is_label(label))?;
            (Some(label), rest.get(label.len()..)?)
        }
        None => (None, whole),
    };
    let below = rest.strip_prefix(VERSION).unwrap_or(rest);
    let is_below_api = below.len() < whole.len() && below.starts_with("/api/");
    let is_a_question = label.is_some() && [GATEWAY, INTROSPECTION].contains(&rest);
    let below = if is_a_question { rest } else { below };
    if !is_below_api && !is_a_question {
        return None;
    }
    let target = match uri.query() {
        Some(query) => format!("{below}?{query}"),
        None => below.to_owned(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    Some((label, Uri::from_parts(parts).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn taken_off(path: &str) -> Option<(String, String)> {
        let uri: Uri = path.parse().expect("a URI");
        split(&uri).map(|(label, uri)| (label.unwrap_or("-").to_owned(), uri.to_string()))
    }

    #[test]
    fn a_prefix_is_one_label_in_front_of_the_api_and_nothing_else() {
        for (path, expected) in [
            ("/t/blue/api/apikeys", Some(("blue", "/api/apikeys"))),
            ("/t/blue-2/api/apikeys?x=/t/y/api/", Some(("blue-2", "/api/apikeys?x=/t/y/api/"))),
            ("/t/0f8fad5b-d9cb-469f-a165-70867728950e/api/", Some(("0f8fad5b-d9cb-469f-a165-70867728950e", "/api/"))),
            ("/t/blue/api/../x", Some(("blue", "/api/../x"))),
            ("/t/blue/api//x", Some(("blue", "/api//x"))),
            ("/t/blue/api/t/blue/api/x", Some(("blue", "/api/t/blue/api/x"))),
            ("https://h.example/t/blue/api/x", Some(("blue", "https://h.example/api/x"))),
            ("/t/blue/v1/api/x?y", Some(("blue", "/api/x?y"))),
            ("/v1/api/x", Some(("-", "/api/x"))),
            ("/v1/api/v1/api/x", Some(("-", "/api/v1/api/x"))),
            ("/t/v1/api/x", Some(("v1", "/api/x"))),
            ("/api/x", None),
            ("/v1/v1/api/x", None),
            ("/v1//api/x", None),
            ("//v1/api/x", None),
            ("/v1/./api/x", None),
            ("/V1/api/x", None),
            ("/v2/api/x", None),
            ("/v1.0/api/x", None),
            ("/v1/api", None),
            ("/v1/healthz", None),
            ("/v1/t/blue/api/x", None),
            ("/v1%2Fapi/x", None),
            ("/t/blue/api/x", Some(("blue", "/api/x"))),
            ("/t/blue", None),
            ("/t/blue/", None),
            ("/t/blue/api", None),
            ("/t/blue/apix/", None),
            ("/t/blue/healthz", None),
            ("/t/blue/../api/x", None),
            ("/t/blue/./api/x", None),
            ("/t/blue//api/x", None),
            ("/t//api/x", None),
            ("/t/../api/x", None),
            ("/t/./api/x", None),
            ("/t/blue%2fapi/x", None),
            ("/t/blue%2F..%2Fred/api/x", None),
            ("/t/bl%75e/api/x", None),
            ("/%74/blue/api/x", None),
            ("/t%2Fblue/api/x", None),
            ("/t/blue/%61pi/x", None),
            ("/t/blue/t/red/api/x", None),
            ("/t/Blue/api/x", None),
            ("/T/blue/api/x", None),
            ("//t/blue/api/x", None),
            ("/t/blue;a/api/x", None),
            ("/t/-blue/api/x", None),
            ("/t/blue-/api/x", None),
            ("/t/xn--blue/api/x", None),
            ("/t/blue.red/api/x", None),
        ] {
            let found = taken_off(path);
            assert_eq!(found.as_ref().map(|(label, uri)| (label.as_str(), uri.as_str())), expected, "{path}");
        }
        assert!(is_label(&"a".repeat(63)) && !is_label(&"a".repeat(64)));
    }

    #[test]
    fn a_label_in_the_host_is_in_front_of_the_public_one() {
        let public = PublicUrl::new(Some("https://keys.example.org:8443"));
        for (host, label) in [
            ("blue.keys.example.org", Some("blue")),
            ("blue.keys.example.org:8443", Some("blue")),
            ("BLUE.Keys.Example.Org:1", Some("BLUE")),
            ("blue.keys.example.org.", Some("blue")),
            ("a.b.keys.example.org", Some("a.b")),
            (".keys.example.org", Some("")),
            ("keys.example.org", None),
            ("xkeys.example.org", None),
            ("blue.keys.example.org.evil.example", None),
            ("localhost", None),
            ("", None),
            ("é", None),
            ("[::1]:4119", None),
        ] {
            assert_eq!(public.label_in(host), label, "{host}");
        }
        assert_eq!(PublicUrl::default().label_in("blue.keys.example.org"), None);
    }

    #[test]
    fn a_tenants_url_is_the_public_one_and_its_label() {
        assert_eq!(PublicUrl::new(Some("https://keys.example.org")).of("blue"), "https://keys.example.org/t/blue");
        assert_eq!(PublicUrl::default().of("blue"), "/t/blue");
    }

    proptest! {
        /// T-31: no path and no host makes the reader stumble; what is taken off is what was in front.
        #[test]
        fn any_path_and_host_is_survived(path in "(/t/[a-z-]{0,3}|/v1|/api|/[!-~]{0,9}){0,5}", host in any::<String>()) {
            if let Ok(uri) = path.parse::<Uri>()
                && let Some((label, rest)) = split(&uri)
            {
                prop_assert!(label.is_none_or(is_label));
                let front = label.map(|label| format!("/t/{label}")).unwrap_or_default();
                let with = |version: &str| format!("{front}{version}{rest}");
                prop_assert!([with(""), with("/v1")].contains(&uri.to_string()));
            }
            let _ = PublicUrl::new(Some("https://keys.example.org")).label_in(&host);
        }
    }
}
