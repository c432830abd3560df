//! `/api/claims`.

use std::collections::BTreeSet;

use actix_web::HttpResponse;
use actix_web::web::Json;
use serde_json::json;

use super::rules::{Claim, MadeBy, Redemption, Terms, Verdict, used};
use super::store;
use crate::api_key_profiles::{self, Visibility};
use crate::api_keys::handlers::{Warned, networks_warning};
use crate::api_keys::{self, ApiKey, KeyPlan};
use crate::app::App;
use crate::audit::{Actor, Event, EventKind, Target};
use crate::auth::{Absent, Caller, Visitor, Who};
use crate::body::{Body, InPath};
use crate::clock::Timestamp;
use crate::constraints::Networks;
use crate::db::{Db, Shared};
use crate::duration::Duration;
use crate::error::{Error, Reason, Result};
use crate::id::{ClaimID, ProfileID, RoleID};
use crate::list::{self, Piece};
use crate::rights::{CreateApiKeys, CreateClaims, DeleteApiKeys, ViewApiKeys};
use crate::roles;
use crate::secret::{ClaimCode, SecretKey};
use crate::wire::{self, Number, Patch};

/// Makes a claim; its code is in this answer and nowhere else. The key is made on trial and taken back, so that nobody
/// hands out a code for one that they could not make themselves.
pub async fn create(
    caller: Caller<CreateClaims>,
    body: Body<wire::NewClaim>,
    app: App,
) -> Result<Warned<wire::ClaimWithCode>> {
    let now = app.now();
    let (terms, mut wish) = (terms(&body.0)?, wish(body.0)?);
    let plan = plan_of(with_life(wish.clone(), terms.key_valid_for, &caller, now), &caller, &app, now)?;
    let code = ClaimCode::generate()?;
    // of a secret like any other: the trial must not fail for what some key happens to have
    let on_trial = SecretKey::generate()?.digest();
    let digest = code.digest();
    let (claim, warning) = app
        .change(&caller, move |db, caller| {
            let mint = |db: &mut Db| api_keys::handlers::mint(db, &mut Shared::default(), caller, plan, on_trial, now);
            let (key, _) = store::only_tried(db, mint)?;
            let warning = warning(&terms, &key);
            // the key that was tried is the one that will be made, whichever profile is the default by then
            let lifecycle = wish.lifecycle.get_or_insert_default();
            (lifecycle.profile_id, lifecycle.profile) = (Some(Number(key.profile.get())), None);
            let new = store::NewClaim {
                key_name: wish.key_name.clone().unwrap_or_default(),
                role: wish.role_id.map(|Number(id)| RoleID::new(id)),
                wish: serde_json::to_string(&wish).map_err(Error::internal)?,
                terms,
                digest,
            };
            let claim = store::insert(db, caller, new, now)?;
            let networks: Vec<String> = claim.networks.iter().map(ToString::to_string).collect();
            let details = json!({ "expires": claim.expires, "roleID": claim.role, "networks": networks });
            let event = Event::new(EventKind::ClaimCreated, target(&claim)).with(details);
            Ok(((claim, warning), event))
        })
        .await?;
    let code = wire::SecretOnce::new(code.expose());
    Ok(Warned(warning, wire::ClaimWithCode { id: claim.id, head: head(claim, now), code }))
}

/// What whoever makes the claim should know: that its code, or its key, can be used from everywhere or nowhere.
fn warning(terms: &Terms, key: &ApiKey) -> Option<String> {
    let of_code = Networks { allow: terms.networks.clone(), deny: Vec::new() };
    // a claim has one list, and it is called as the list is
    let of_code = networks_warning("", &of_code).map(|said| said.replacen("allow", "networks", 1));
    let of_key = networks_warning("constraints.networks.", &key.properties.constraints.networks);
    let said: Vec<String> = of_code.into_iter().chain(of_key).collect();
    (!said.is_empty()).then(|| said.join("; "))
}

/// Every claim of the tenant that the caller sees, redeemed ones and those that are over too, until they are swept
/// away.
pub async fn list(caller: Caller<ViewApiKeys>, app: App) -> Result<HttpResponse> {
    list::answer("claims", move |after| {
        let (caller, app) = (caller.clone(), app.clone());
        async move {
            let (after, now) = (ClaimID::new(after), app.now());
            let (claims, last) = app.database.read(move |db| some_seen(db, &caller, after)).await?;
            let items = claims.into_iter().map(|claim| shown(claim, now)).collect();
            Ok(Piece { last: last.map(ClaimID::get), items })
        }
    })
    .await
}

/// One claim.
pub async fn describe(caller: Caller<ViewApiKeys>, id: InPath<ClaimID>, app: App) -> Result<Json<wire::Claim>> {
    let claim = app.database.read(move |db| found(db, &caller, id.0)).await?;
    Ok(Json(shown(claim, app.now())))
}

/// A claim that the caller sees.
fn found<R, V>(db: &mut Db, caller: &Caller<R, V>, id: ClaimID) -> Result<Claim> {
    let claim = store::find(db, caller, id)?.ok_or_else(no_such_claim)?;
    match Sight::of(db, caller)?.sees(&claim) {
        true => Ok(claim),
        false => Err(no_such_claim()),
    }
}

/// Claims behind `after` that the caller sees, as many as there are in a piece or more, unless there are no more; and
/// the last one that was looked at.
fn some_seen<R, V>(db: &mut Db, caller: &Caller<R, V>, mut after: ClaimID) -> Result<(Vec<Claim>, Option<ClaimID>)> {
    let (sight, mut seen, mut last) = (Sight::of(db, caller)?, Vec::new(), None);
    loop {
        let claims = store::list(db, caller, after, list::PIECE)?;
        let is_last = (claims.len() as i64) < list::PIECE;
        if let Some(claim) = claims.last() {
            (after, last) = (claim.id, Some(claim.id));
        }
        seen.extend(claims.into_iter().filter(|claim| sight.sees(claim)));
        if is_last || seen.len() as i64 >= list::PIECE {
            return Ok((seen, last));
        }
    }
}

/// Which claims somebody sees: as a key of a profile that is for its issuers' eyes only is seen by whoever made it and
/// by who has Full Access, so is a claim for one.
struct Sight {
    /// None: whoever has Full Access.
    own: Option<MadeBy>,
    /// Profiles whose keys everybody sees who sees keys.
    open: BTreeSet<ProfileID>,
    /// That of keys which name none.
    default: ProfileID,
}

impl Sight {
    fn of<R, V>(db: &mut Db, caller: &Caller<R, V>) -> Result<Self> {
        let tenant = caller.tenant().id;
        let profiles = api_key_profiles::all_for(db, tenant)?.into_values();
        let own = match caller.who() {
            _ if caller.has_full_access() => None,
            Who::Administrator(session) => Some(MadeBy::Administrator(session.administrator)),
            Who::ApiKey(key) => Some(MadeBy::ApiKey(key.id)),
        };
        Ok(Self {
            own,
            open: profiles.filter(|profile| profile.visibility == Visibility::All).map(|profile| profile.id).collect(),
            default: api_key_profiles::default_id(db, tenant)?,
        })
    }

    fn sees(&self, claim: &Claim) -> bool {
        self.own
            .is_none_or(|own| own == claim.made_by || self.open.contains(&profile_of(claim).unwrap_or(self.default)))
    }
}

/// The profile that was asked for of the claim's key.
fn profile_of(claim: &Claim) -> Option<ProfileID> {
    let wish: wire::NewApiKey = serde_json::from_str(&claim.wish).ok()?;
    let Number(id) = wish.lifecycle?.profile_id?;
    Some(ProfileID::new(id))
}

/// Takes a claim back: its code is of no use from then on. A key that was made of it stays.
pub async fn delete(caller: Caller<DeleteApiKeys>, id: InPath<ClaimID>, app: App) -> Result<HttpResponse> {
    app.change(&caller, move |db, caller| {
        let claim = found(db, caller, id.0)?;
        // a role that is gone meanwhile is nobody's to be kept from
        if let Some(role) = claim.role.map(|role| roles::find_for(db, caller.tenant().id, role)).transpose()?.flatten()
        {
            api_keys::handlers::maker(caller).must_cover(&role.grant, "The claim's role")?;
        }
        store::delete(db, caller, claim.id)?;
        Ok(((), Event::new(EventKind::ClaimDeleted, target(&claim))))
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// What came of a code that was right.
enum Outcome {
    Minted(Box<ApiKey>, Option<uuid::Uuid>),
    Reused,
}

/// Makes the key of a claim, for whoever has its code. Codes have 160 random bits, so that no throttle is needed, and a
/// wrong one is looked up and no more: nothing is written for whoever makes them up.
pub async fn redeem(
    visitor: Visitor,
    body: Body<wire::PresentedClaim>,
    app: App,
) -> Result<Json<wire::ApiKeyWithSecret>> {
    let began = app.now();
    let code = body.0.code.ok_or_else(|| Error::member("code", "a string is needed"))?;
    let digest = ClaimCode::parse(&code).ok_or_else(invalid)?.digest();
    let claim = app.database.read(move |db| store::find_by_code(db, digest)).await?.ok_or_else(invalid)?;
    // at another tenant's URL nobody has heard of it
    visitor.door.admit(claim.tenant).map_err(|_| invalid())?;

    let secret = SecretKey::generate()?;
    let actor = Actor::claim(claim.tenant, claim.id.get(), &claim.key_name, &visitor.origin);
    let (of_key, shared, origin) = (secret.digest(), app.clone(), visitor.origin.clone());
    let outcome = app.change_as(actor, move |db| {
        let now = shared.now();
        let claim = store::find_to_redeem(db, digest)?.ok_or_else(invalid)?;
        match claim.judge(origin.address, began, now)? {
            Verdict::Redeem => {
                let maker =
                    Caller::<CreateApiKeys>::of_absent(db, absent(&claim), &origin, now)?.ok_or_else(maker_refused)?;
                let wish = serde_json::from_str(&claim.wish).map_err(Error::internal)?;
                let plan = plan_of(with_life(wish, claim.key_valid_for, &maker, now), &maker, &shared, now);
                let minted = plan
                    .and_then(|plan| api_keys::handlers::mint(db, &mut Shared::default(), &maker, plan, of_key, now));
                let (key, mut events) = minted.map_err(as_refused_now)?;
                let redemption = Redemption { at: now, address: origin.address.to_string(), key: key.id };
                store::redeem(db, &claim, &redemption)?;
                let details = json!({ "apiKeyID": key.id });
                events.push(Event::new(EventKind::ClaimRedeemed, target(&claim)).with(details));
                Ok((Outcome::Minted(Box::new(key), maker.tenant().key_prefix()), events))
            }
            Verdict::Reused(key) => {
                store::reuse(db, &claim, now)?;
                let revoked = api_keys::handlers::revoke_for_reuse(db, claim.tenant, key, &shared.key_usage, now)?;
                let details = json!({ "apiKeyID": key, "revoked": revoked.is_some() });
                let mut events = vec![Event::new(EventKind::ClaimReused, target(&claim)).with(details)];
                events.extend(revoked);
                Ok((Outcome::Reused, events))
            }
        }
    });
    match outcome.await? {
        Outcome::Minted(key, prefix) => {
            Ok(Json(api_keys::handlers::with_secret(*key, wire::ApiKeyMore::default(), &secret, prefix, &app)))
        }
        Outcome::Reused => Err(used()),
    }
}

fn no_such_claim() -> Error {
    Error::not_found("claim")
}

fn invalid() -> Error {
    Error::new(Reason::InvalidClaimCode, "The code is not valid.")
}

fn maker_refused() -> Error {
    let message = "Whoever made the claim could not make its key any more: they are locked, gone, or have fewer rights. \
                   Ask for another code.";
    Error::new(Reason::ClaimMakerRefused, message)
}

/// What whoever made the claim would be told is not for whoever redeems it, except what the latter can do something about.
fn as_refused_now(error: Error) -> Error {
    match error.reason() {
        Reason::BeyondCaller
        | Reason::NotAuthorized
        | Reason::UnknownRole
        | Reason::UnknownProfile
        | Reason::UnknownApiType
        | Reason::UnknownTarget => maker_refused(),
        _ => error,
    }
}

fn absent(claim: &Claim) -> Absent {
    match claim.made_by {
        MadeBy::Administrator(id) => Absent::Administrator(id),
        MadeBy::ApiKey(id) => Absent::ApiKey(id),
    }
}

fn terms(body: &wire::NewClaim) -> Result<Terms> {
    let networks = body.networks.as_deref().unwrap_or_default();
    let terms = Terms::new(body.valid_for.as_deref(), body.key_valid_for.as_deref(), networks)?;
    if terms.key_valid_for.is_some() && body.expiry_date != Patch::Absent {
        return Err(Error::member("keyValidFor", "either this or expiryDate is taken"));
    }
    Ok(terms)
}

/// What was asked for of the key.
fn wish(body: wire::NewClaim) -> Result<wire::NewApiKey> {
    Ok(wire::NewApiKey {
        key_name: Some(body.key_name.ok_or_else(|| Error::member("keyName", "a string is needed"))?),
        description: body.description,
        locale: body.locale,
        role_id: body.role_id,
        time_zone: body.time_zone,
        active: None,
        expiry_date: body.expiry_date,
        lifecycle: body.lifecycle,
        constraints: body.constraints,
    })
}

/// A life that is counted from now on. It may be shorter than was asked for, where whoever makes the key ends before.
fn with_life<R>(
    mut wish: wire::NewApiKey,
    valid_for: Option<i64>,
    maker: &Caller<R>,
    now: Timestamp,
) -> wire::NewApiKey {
    if let Some(length) = valid_for {
        let end = now.plus(length);
        let end = maker.expires().map_or(end, |last| last.min(end));
        wish.expiry_date = Patch::Value(Number(end.millis()));
    }
    wish
}

fn plan_of<R>(wish: wire::NewApiKey, maker: &Caller<R>, app: &App, now: Timestamp) -> Result<KeyPlan> {
    KeyPlan::new(wish.into(), &api_keys::handlers::maker(maker), app.time_zone, now)
}

fn target(claim: &Claim) -> Target {
    Target::new("claim", claim.id.get(), claim.key_name.clone())
}

fn shown(claim: Claim, now: Timestamp) -> wire::Claim {
    wire::Claim { id: claim.id, head: head(claim, now) }
}

fn head(claim: Claim, now: Timestamp) -> wire::ClaimHead {
    let (kind, id) = match claim.made_by {
        MadeBy::Administrator(id) => ("administrator", id.get()),
        MadeBy::ApiKey(id) => ("apiKey", id.get()),
    };
    let status = claim.status(now);
    let (redeemed, redeemed_from, api_key_id) = match claim.redeemed {
        Some(redemption) => (Some(redemption.at), Some(redemption.address), Some(redemption.key)),
        None => (None, None, None),
    };
    wire::ClaimHead {
        key_name: claim.key_name,
        role_id: claim.role,
        key_valid_for: claim.key_valid_for.map(|length| Duration::from_millis(length).to_string()),
        networks: claim.networks.iter().map(ToString::to_string).collect(),
        status,
        created: claim.created,
        expires: claim.expires,
        made_by: wire::Issuer { kind, id, name: Some(claim.made_by_name) },
        redeemed,
        redeemed_from,
        api_key_id,
        reused: claim.reused,
    }
}
