//! `/api/apikeys/explain`: why a key was refused, or will be. No secret is shown or asked for, nothing is counted, and
//! nobody learns of keys that they may not see. What is judged is what is known now, at whichever moment.

use actix_web::web::Json;

use super::calls;
use super::rules::{Failure, Missing, VALID, judge, missing};
use crate::api_keys::{self, RevokedKey};
use crate::app::App;
use crate::auth::Caller;
use crate::auth::known_keys::{Found, KnownKey};
use crate::body::Body;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::ApiKeyID;
use crate::rights::ViewApiKeys;
use crate::wire;

/// The last moment that can be asked about: the end of the year 9999.
const LAST: i64 = 253_402_300_799_999;

/// What the caller sees under an ID.
enum Seen {
    /// A key, by name.
    Key(String),
    /// One that was revoked.
    Revoked(Box<RevokedKey>),
}

/// What a key would be answered.
pub async fn explain(
    caller: Caller<ViewApiKeys>,
    body: Body<wire::ExplanationWish>,
    app: App,
) -> Result<Json<wire::Explanation>> {
    let (wish, now) = (body.0, app.now());
    let id = wish.key_id.ok_or_else(|| Error::member("keyID", "an integer is needed"))?;
    let id = ApiKeyID::new(id.0);
    let at = moment(wish.at, now)?;
    let address = calls::address(wish.address, "")?;
    let names = wish.demands.as_ref().map(|wish| (wish.role.clone(), wish.tenant.clone())).unwrap_or_default();
    let demands = calls::demands(wish.demands, "")?;

    // before it is known whether the caller sees it: one that is revoked in between is then one that is revoked
    let facts = app.known_keys.look_up(&app.database, id, now).await?;
    let seen = app.database.read(move |db| {
        Ok(match api_keys::find(db, &caller, id)? {
            Some(key) => Some(Seen::Key(key.properties.name.as_str().to_owned())),
            None => api_keys::find_revoked(db, &caller, id)?.map(|key| Seen::Revoked(Box::new(key))),
        })
    });
    let key_name = match seen.await?.ok_or_else(|| Error::not_found("API key"))? {
        Seen::Key(name) => name,
        Seen::Revoked(key) => return Ok(Json(of_revoked(*key, at))),
    };
    let mut explained = wire::Explanation {
        decision: "allow",
        code: VALID,
        rule: None,
        mend: None,
        missing: None,
        at,
        key_id: id,
        key_name,
        role_name: None,
        revoked: None,
        revoked_by: None,
        revocation_reason: None,
    };
    let Found::Key(key) = facts else {
        refuse(&mut explained, &Failure::NotFound, "The API key has no secret.".to_owned());
        return Ok(Json(explained));
    };
    explained.role_name = Some(key.standing.role_name.clone());
    if !key.has_secret(at) {
        refuse(&mut explained, &Failure::NotFound, "No secret of the API key lives then.".to_owned());
    } else if let Some(failure) = judge(&key, &demands, address, at).or_else(|| too_often(&app, &key, at, now)) {
        let missing = (failure == Failure::InsufficientRights).then(|| missing(&key, &demands));
        let rule = match &missing {
            Some(Missing { web_service: true, .. }) => {
                format!("The role {} does not allow access to the web service.", key.standing.role_name)
            }
            _ => failure.message(),
        };
        refuse(&mut explained, &failure, rule);
        explained.missing = missing.map(|missing| shown(missing, names));
    }
    Ok(Json(explained))
}

fn moment(at: Option<wire::Number>, now: Timestamp) -> Result<Timestamp> {
    match at {
        None => Ok(now),
        Some(at) if (0..=LAST).contains(&at.0) => Ok(Timestamp::from_millis(at.0)),
        Some(_) => Err(Error::member("at", "milliseconds since the epoch are needed, up to the year 9999")),
    }
}

/// How often it was used is known for the present, and for a future in which nobody uses it.
fn too_often(app: &App, key: &KnownKey, at: Timestamp, now: Timestamp) -> Option<Failure> {
    let look = || app.rate_limits.look_at_key(&key.as_use(), at).err().map(Failure::Rule);
    if at < now { None } else { look() }
}

fn refuse(explained: &mut wire::Explanation, failure: &Failure, rule: String) {
    (explained.decision, explained.code) = ("deny", failure.code());
    (explained.rule, explained.mend) = (Some(rule), Some(failure.mend()));
}

fn shown(missing: Missing, (role, tenant): (Option<String>, Option<String>)) -> wire::MissingDemands {
    wire::MissingDemands {
        rights: missing.rights,
        api_types: missing.api_types,
        role: role.filter(|_| missing.role),
        tenant: tenant.filter(|_| missing.tenant),
        web_service: missing.web_service,
    }
}

fn of_revoked(key: RevokedKey, at: Timestamp) -> wire::Explanation {
    let failure = Failure::Revoked;
    wire::Explanation {
        decision: "deny",
        code: failure.code(),
        rule: Some(failure.message()),
        mend: Some(failure.mend()),
        missing: None,
        at,
        key_id: key.id,
        key_name: key.name,
        role_name: Some(key.role_name),
        revoked: Some(key.revoked),
        revoked_by: Some(api_keys::history::whom(key.revoked_by)),
        revocation_reason: Some(key.reason),
    }
}
