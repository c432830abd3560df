//! `/api/apikeys/verify`: whether a key is good, for a service that was handed one. The answer is 200 with a code, whatever
//! it is; what cannot be asked is refused.

use std::net::IpAddr;

use actix_web::web::Json;

use super::rules::{BadDemand, Demands, Failure, VALID};
use super::{Asked, By, Keys, Proven, Verdict, Whose, verify, verify_all};
use crate::app::App;
use crate::auth::known_keys::KnownKey;
use crate::auth::{Caller, RevokedFacts};
use crate::body::Body;
use crate::clock::{SECOND, Timestamp};
use crate::error::{Error, Result};
use crate::rights::ViewApiKeys;
use crate::wire;

/// A question about a key of the caller's tenant, read and understood.
struct Question {
    key: wire::HeldKey,
    demands: Demands,
    address: Option<IpAddr>,
}

impl Question {
    /// `place` stands in front of the members' names.
    fn read(wish: wire::VerificationWish, place: &str) -> Result<Self> {
        let key = wish.secret_key.ok_or_else(|| Error::member(&format!("{place}secretKey"), "a string is needed"))?;
        Ok(Self { key, demands: demands(wish.demands, place)?, address: address(wish.address, place)? })
    }

    /// What the caller asks by it: keys of other tenants are nobody's.
    fn asked<'a>(&'a self, by: By<'a>, at: Timestamp) -> (&'a [u8], Asked<'a>) {
        let within = Some(by.tenant);
        let asked = Asked { demands: &self.demands, client: self.address, within, origin: by.origin, at };
        (self.key.expose().as_bytes(), asked)
    }
}

/// What is demanded; `place` stands in front of the members' names where that is refused.
pub fn demands(wish: Option<wire::Demands>, place: &str) -> Result<Demands> {
    let wish = wish.unwrap_or_default();
    let member = |name: &str| format!("{place}demands.{name}");
    for (name, value) in [("role", &wish.role), ("tenant", &wish.tenant)] {
        if value.as_deref() == Some("") {
            return Err(Error::member(&member(name), "a name is needed, or the member left out"));
        }
    }
    let (rights, api_types) = (names(wish.rights), names(wish.api_types));
    let read = Demands::read(
        rights.iter().map(String::as_str),
        api_types.iter().map(String::as_str),
        (wish.role.as_deref(), wish.tenant.as_deref(), wish.matching.as_deref()),
    );
    // what was sent is not repeated: it may be a key in the wrong place
    read.map_err(|bad| match bad {
        BadDemand::UnknownRight(at, _, near) => {
            let expected = format!("there is no such right. Most like it: {}", near.join(", "));
            Error::member(&member(&format!("rights[{at}]")), &expected).accepting(near)
        }
        BadDemand::Match => Error::member(&member("match"), "all or any is taken").accepting(["all", "any"]),
        BadDemand::Malformed(what) => Error::member(&member("apiTypes"), &what),
    })
}

fn names<const MOST: usize>(list: Option<wire::AtMost<String, MOST>>) -> Vec<String> {
    list.map(|list| list.0).unwrap_or_default()
}

/// From where a key is used.
pub fn address(text: Option<String>, place: &str) -> Result<Option<IpAddr>> {
    let Some(text) = text else { return Ok(None) };
    let refused = || Error::member(&format!("{place}address"), "an address of IPv4 or IPv6 is needed");
    text.parse().map(Some).map_err(|_| refused())
}

/// One key.
pub async fn one(
    caller: Caller<ViewApiKeys>,
    body: Body<wire::VerificationWish>,
    app: App,
) -> Result<Json<wire::Verification>> {
    Ok(Json(answer(&app, By::from(&caller), body.0).await?))
}

/// The answer to a question about one key.
pub async fn answer<K: Keys>(keys: &K, by: By<'_>, wish: wire::VerificationWish) -> Result<wire::Verification> {
    let question = Question::read(wish, "")?;
    let (presented, asked) = question.asked(by, keys.now());
    Ok(shown(verify(keys, presented, &asked).await?))
}

/// Many keys.
pub async fn many(
    caller: Caller<ViewApiKeys>,
    body: Body<wire::VerificationWishes>,
    app: App,
) -> Result<Json<wire::Verifications>> {
    Ok(Json(answers(&app, By::from(&caller), body.0).await?))
}

/// The answers to questions about many keys. All are understood before the first is asked.
pub async fn answers<K: Keys>(keys: &K, by: By<'_>, wish: wire::VerificationWishes) -> Result<wire::Verifications> {
    let items = wish.items.ok_or_else(|| Error::member("items", "a list of questions is needed"))?.0;
    let read = |(at, item): (usize, wire::VerificationWish)| Question::read(item, &format!("items[{at}]."));
    let questions = items.into_iter().enumerate().map(read).collect::<Result<Vec<_>>>()?;
    let now = keys.now();
    let asked: Vec<_> = questions.iter().map(|question| question.asked(by, now)).collect();
    let results = verify_all(keys, &asked).await?.into_iter().map(shown).collect();
    Ok(wire::Verifications { results })
}

fn shown(verdict: Verdict) -> wire::Verification {
    match verdict {
        Verdict::Valid(proven) => wire::Verification {
            code: VALID,
            valid: true,
            message: "The API key is good.".to_owned(),
            key: shown_key(&proven),
        },
        Verdict::Refused(failure, whose) => wire::Verification {
            code: failure.code(),
            valid: false,
            message: failure.message(),
            key: whose.map(|whose| shown_refused(&whose, &failure)).unwrap_or_default(),
        },
    }
}

/// Who a key is that is good.
pub(super) fn shown_key(proven: &Proven) -> wire::VerifiedKey {
    wire::VerifiedKey { remaining_uses: proven.left, ..who(&proven.key) }
}

fn shown_refused(whose: &Whose, failure: &Failure) -> wire::VerifiedKey {
    match whose {
        Whose::Key(key) => wire::VerifiedKey { retry_after: failure.wait().map(seconds), ..who(key) },
        Whose::Revoked(facts) => wire::VerifiedKey {
            key_id: Some(facts.id),
            tenant_guid: Some(facts.tenant.guid.hyphenated().to_string()),
            ..shown_revocation(facts)
        },
    }
}

/// What is known of a revoked key besides that it was revoked; in a snapshot nothing is.
fn shown_revocation(facts: &RevokedFacts) -> wire::VerifiedKey {
    if facts.name.is_empty() {
        return wire::VerifiedKey::default();
    }
    wire::VerifiedKey {
        key_name: Some(facts.name.clone()),
        revoked: Some(facts.revoked),
        revocation_reason: Some(facts.reason.clone()),
        ..wire::VerifiedKey::default()
    }
}

fn who(key: &KnownKey) -> wire::VerifiedKey {
    let standing = &key.standing;
    wire::VerifiedKey {
        key_id: Some(key.id()),
        key_name: Some(key.name.to_string()),
        role_name: Some(standing.role_name.clone()),
        tenant_name: Some(standing.tenant_name.clone()),
        tenant_guid: Some(standing.tenant.guid.hyphenated().to_string()),
        api_types: key.special().map(|special| special.facts.api_types.clone()).unwrap_or_default(),
        expiry_date: key.expires(),
        ..wire::VerifiedKey::default()
    }
}

/// Milliseconds as whole seconds, none too few.
fn seconds(wait: i64) -> u64 {
    u64::try_from(wait).unwrap_or(1).div_ceil(SECOND as u64)
}
