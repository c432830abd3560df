//! `POST /oauth2/introspect`: whether a key is good, as RFC 7662 has it asked and answered. Whoever asks is known by a key
//! of their own. What is demanded may stand in the form beside the token, as §2.1 allows.

use std::collections::HashSet;
use std::net::IpAddr;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue, PRAGMA};
use secrecy::{ExposeSecret as _, SecretString};

use super::calls::shown_key;
use super::rules::{Demands, VALID};
use super::{Asked, By, Keys, Proven, Verdict, verify};
use crate::app::App;
use crate::auth::{Caller, ViaKey};
use crate::body::Form;
use crate::clock::{SECOND, Timestamp};
use crate::error::{Error, Reason, Result};
use crate::rights::ViewApiKeys;
use crate::wire;

/// What a form asks.
#[derive(Debug)]
pub struct Asking {
    /// The key.
    token: SecretString,
    /// What it must be good for.
    pub demands: Demands,
    /// From where it is used.
    pub address: Option<IpAddr>,
}

/// The members that say more of the token than it says itself; `token_type_hint` says nothing to us.
const OURS: &[&str] = &["right", "apiType", "role", "tenant", "match", "address"];

/// Reads a form: each member at most once (RFC 6749 §3.2). Members that nobody knows are ignored, as the RFC has it, but not
/// where they are one of ours with a slip of the pen: a demand must not become none.
pub fn read(form: &[u8]) -> Result<Asking, String> {
    let mut token = None;
    let mut values = [const { None }; OURS.len()];
    let mut known = HashSet::new();
    for (name, value) in url::form_urlencoded::parse(form) {
        if name.contains('\u{fffd}') || value.contains('\u{fffd}') {
            return Err("the form is not UTF-8".to_owned());
        }
        let place = OURS.iter().position(|ours| *ours == name).and_then(|place| values.get_mut(place));
        if place.is_none()
            && let Some(meant) = misspelt(&name)
        {
            return Err(format!("a member is spelt almost as {meant} is"));
        }
        let shown: String = name.chars().take(100).collect();
        if !known.insert(name.clone()) {
            return Err(format!(
                "{} is taken once",
                OURS.iter().find(|ours| **ours == shown).unwrap_or(&"each member")
            ));
        }
        match place {
            Some(_) if value.is_empty() => return Err(format!("{shown} needs a value")),
            Some(place) => *place = Some(value),
            None if name == "token" => token = Some(SecretString::from(value.into_owned())),
            None => {}
        }
    }
    let token = token.filter(|token| !token.expose_secret().is_empty()).ok_or("token is needed")?;
    if token.expose_secret().contains(' ') {
        return Err("token holds a blank: a + in a form must be written %2B".to_owned());
    }
    let [right, api_type, role, tenant, matching, address] = values;
    let split = |list: &Option<std::borrow::Cow<'_, str>>| {
        list.iter().flat_map(|list| list.split(',')).map(|name| name.trim().to_owned()).collect::<Vec<_>>()
    };
    let (rights, api_types) = (split(&right), split(&api_type));
    let demands = Demands::read(
        rights.iter().map(String::as_str),
        api_types.iter().map(String::as_str),
        (role.as_deref(), tenant.as_deref(), matching.as_deref()),
    );
    let address = address.map(|address| address.parse().map_err(|_| "address is one of IPv4 or IPv6".to_owned()));
    Ok(Asking {
        token,
        demands: demands.map_err(|bad| bad.message().trim_end_matches('.').to_owned())?,
        address: address.transpose()?,
    })
}

/// One of our members that a name is not but for its case, a mark or one letter.
fn misspelt(name: &str) -> Option<&'static str> {
    let bare = |text: &str| text.replace(['-', '_'], "").to_lowercase();
    // a long name is no slip of the pen
    if name.len() > 20 {
        return None;
    }
    let name = bare(name);
    OURS.iter().copied().find(|ours| strsim::osa_distance(&name, &bare(ours)) <= 1)
}

/// The handler.
pub async fn introspect(caller: Caller<ViewApiKeys, ViaKey>, form: Form, app: App) -> Result<HttpResponse> {
    answer(&app, By::from(&caller), &form).await
}

/// The answer to a form, whoever answers.
pub async fn answer<K: Keys>(keys: &K, by: By<'_>, form: &Form) -> Result<HttpResponse> {
    let asking = read(&form.bytes).map_err(|what| Error::new(Reason::Malformed, format!("The form: {what}.")))?;
    let (within, origin) = (Some(by.tenant), by.origin);
    let asked = Asked { demands: &asking.demands, client: asking.address, within, origin, at: keys.now() };
    let answer = match verify(keys, asking.token.expose_secret().as_bytes(), &asked).await? {
        Verdict::Valid(proven) => active(keys, &proven).await,
        Verdict::Refused(failure, whose) => wire::Introspection {
            firstkey: whose.map(|_| wire::IntrospectionDetail { code: failure.code(), ..Default::default() }),
            ..wire::Introspection::default()
        },
    };
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, HeaderValue::from_static("no-store")));
    response.insert_header((PRAGMA, HeaderValue::from_static("no-cache")));
    Ok(response.json(answer))
}

/// What is told of a key that is good.
async fn active<K: Keys>(keys: &K, proven: &Proven) -> wire::Introspection {
    let (key, secret) = (&proven.key, proven.secret);
    let made = keys.secret_made(secret).await;
    let end = key.expires().into_iter().chain(key.secret_end(secret)).min();
    let begin = key.special().and_then(|special| special.facts.bounds.constraints.not_before);
    let rights: Vec<String> = key.rights().iter().map(|right| format!("{right:?}")).collect();
    wire::Introspection {
        active: true,
        scope: (!rights.is_empty()).then(|| rights.join(" ")),
        client_id: Some(key.id().to_string()),
        username: Some(key.name.to_string()),
        token_type: Some("Bearer"),
        exp: end.map(seconds),
        iat: made.map(seconds),
        nbf: begin.map(seconds_up),
        sub: Some(key.id().to_string()),
        aud: Some(key.standing.tenant.guid.hyphenated().to_string()),
        iss: keys.issuer(),
        firstkey: Some(wire::IntrospectionDetail { code: VALID, key: shown_key(proven) }),
    }
}

/// Whole seconds, as RFC 7519 counts them; what ends within one has ended with its beginning.
fn seconds(at: Timestamp) -> i64 {
    at.millis().div_euclid(SECOND)
}

/// What begins within a second begins with the next.
fn seconds_up(at: Timestamp) -> i64 {
    at.millis().saturating_add(SECOND - 1).div_euclid(SECOND)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_form_says_each_thing_once() {
        let asking =
            read(b"token=1%3Aab%2B%2F%3D&token_type_hint=access_token&apiType=a,%20b&match=any&address=10.0.0.7&x=1")
                .expect("a form");
        assert_eq!(asking.token.expose_secret(), "1:ab+/=");
        assert!(asking.demands.any && asking.demands.api_types == ["a", "b"]);
        assert_eq!(asking.address, "10.0.0.7".parse().ok());
        for bad in [
            "",
            "token",
            "token=",
            "tokens=x",
            "token=a&token=a",
            "token=a&token=b",
            "token=a&x=1&x=1",
            "token=a+b",
            "token=a&right=x",
            "token=a&rights=x",
            "token=a&Right=x",
            "token=a&api_type=x",
            "token=a&apiTypes=x",
            "token=a&role=",
            "token=a&role=a&role=a",
            "token=a&match=ALL",
            "token=a&address=x",
            "token=a&address=",
            "token=%ff",
            "token=a&%ff=1",
            "token=a&adress=10.0.0.7",
            "token=a&match_=all",
        ] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
        for other in ["client_id", "client_secret", "resource", "scope", "token_type_hint", "audience", "x"] {
            assert!(read(format!("token=a&{other}=y").as_bytes()).is_ok(), "{other}");
        }
    }

    proptest! {
        /// T-31: any form is understood or refused, and what is refused shows nothing of the token.
        #[test]
        fn any_form_is_survived(form in prop::collection::vec(any::<u8>(), 0..200), text in "[ -~]{0,80}") {
            let _ = read(&form);
            let _ = read(text.as_bytes());
        }

        #[test]
        fn a_refusal_does_not_show_the_token(token in "[a-zA-Z0-9]{12,44}", rest in "[a-zA-Z&=,%+]{0,30}") {
            if let Err(what) = read(format!("token={token}&{rest}").as_bytes()) {
                prop_assert!(!what.contains(&token), "{}", what);
            }
        }

        #[test]
        fn a_token_comes_out_as_it_went_in(token in "[!-~]{1,100}") {
            let form: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("token", &token).finish();
            let asking = read(form.as_bytes()).expect("a form");
            prop_assert_eq!(asking.token.expose_secret(), token);
        }
    }
}
