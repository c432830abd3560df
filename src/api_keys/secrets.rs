//! From one secret of a key to the next: at once, or side by side for a while; and what the profile calls a refresh.

use std::collections::{BTreeMap, HashMap};

use actix_web::web::Json;
use serde_json::{Value, json};

use super::expand::Look;
use super::handlers::{current_is_gone, differences, found, maker, no_such_key, role_of, shown, target, with_secret};
use super::rotation::{Overlap, Secret, Secrets, none_under_way, one_at_a_time, refreshed};
use super::rules::{ApiKey, Maker, Properties};
use super::{profiled, secret_store, store};
use crate::api_key_profiles::{self, Profile};
use crate::app::App;
use crate::audit::{Actor, Event, EventKind};
use crate::auth::Caller;
use crate::auth::ViaKey;
use crate::auth::key_usage::KeyUsage;
use crate::body::{Body, InPath, Query};
use crate::clock::{MINUTE, Timestamp};
use crate::db::Db;
use crate::duration::Duration;
use crate::error::{Error, Result};
use crate::id::{ApiKeyID, TenantID};
use crate::rights::EditApiKeys;
use crate::secret::{SecretDigest, SecretKey};
use crate::secret_life::Cause;
use crate::wire;

/// Gives a key a new secret. Without a body the old one is of no use from then on; with an overlap it lives on for
/// that time.
pub async fn replace(
    caller: Caller<EditApiKeys>,
    id: InPath<ApiKeyID>,
    query: Query,
    body: Body<wire::RotationWish>,
    app: App,
) -> Result<Json<wire::ApiKeyWithSecret>> {
    renew(caller, id.0, (body.0, query), no_such_key, app).await
}

/// Gives the key that the call is made with a new secret. The right is needed as for any other key: a stolen one
/// does not shut its owner out.
pub async fn replace_current(
    caller: Caller<EditApiKeys, ViaKey>,
    query: Query,
    body: Body<wire::RotationWish>,
    app: App,
) -> Result<Json<wire::ApiKeyWithSecret>> {
    let id = caller.key().id;
    renew(caller, id, (body.0, query), current_is_gone, app).await
}

async fn renew<V: 'static>(
    caller: Caller<EditApiKeys, V>,
    id: ApiKeyID,
    (wish, query): (wire::RotationWish, Query),
    gone: fn() -> Error,
    app: App,
) -> Result<Json<wire::ApiKeyWithSecret>> {
    let (now, maker, usage, overlap) = (app.now(), maker(&caller), app.key_usage.clone(), overlap(&wish)?);
    let look = Look::of(&query, &app)?;
    let secret = SecretKey::generate()?;
    let digest = secret.digest();
    let (key, more) = app
        .change_across(&caller, move |db, caller| {
            let key = store::find_to_change(db, caller, id)?.ok_or_else(gone)?;
            must_cover(db, caller, &maker, &key)?;
            let new = NewSecret { digest, overlap, now };
            let events = put_in_place(db, caller.tenant().id, &key, &new, &usage)?;
            Ok((found(db, caller, id, gone, &look)?, events))
        })
        .await?;
    app.key_usage.forget_failures(id);
    Ok(Json(with_secret(key, more, &secret, caller.tenant().key_prefix(), &app)))
}

/// Gives a key a new secret and a new life, counted from now, where its profile says how long that is. One that is
/// locked out stays so.
pub async fn refresh(
    caller: Caller<EditApiKeys>,
    id: InPath<ApiKeyID>,
    query: Query,
    body: Body<wire::RotationWish>,
    app: App,
) -> Result<Json<wire::ApiKeyWithSecret>> {
    let (now, maker, id, usage, overlap) = (app.now(), maker(&caller), id.0, app.key_usage.clone(), overlap(&body.0)?);
    let look = Look::of(&query, &app)?;
    let secret = SecretKey::generate()?;
    let digest = secret.digest();
    let (key, more) = app
        .change_across(&caller, move |db, caller| {
            let old = store::find_to_change(db, caller, id)?.ok_or_else(no_such_key)?;
            let tenant = caller.tenant().id;
            must_cover(db, caller, &maker, &old)?;
            let expiry = refreshed(&old.properties, &profile_of(db, tenant, &old)?, now)?;
            let properties = Properties { expiry, ..old.properties.clone() };
            maker.may_renew(&old, &properties, &profiled::types_for(db, tenant, &maker, id)?)?;
            let mut events = put_in_place(db, tenant, &old, &NewSecret { digest, overlap, now }, &usage)?;
            if properties != old.properties {
                store::update(db, caller, id, &properties, false)?;
            }
            let details = differences(&old.properties, &properties);
            events.push(Event::new(EventKind::ApiKeyRefreshed, target(&old)).with(details));
            Ok((found(db, caller, id, no_such_key, &look)?, events))
        })
        .await?;
    app.key_usage.forget_failures(id);
    Ok(Json(with_secret(key, more, &secret, caller.tenant().key_prefix(), &app)))
}

/// Ends the older of a key's two secrets now.
pub async fn finish(
    caller: Caller<EditApiKeys>,
    id: InPath<ApiKeyID>,
    query: Query,
    app: App,
) -> Result<Json<wire::ApiKey>> {
    wind_up(caller, id.0, query, app, |db, key, (older, _), now| {
        secret_store::end(db, older, now)?;
        Ok(finished(key, older, "finished", now))
    })
    .await
}

/// Ends the newer of a key's two secrets now; the older one lives on as if nothing had been.
pub async fn undo(
    caller: Caller<EditApiKeys>,
    id: InPath<ApiKeyID>,
    query: Query,
    app: App,
) -> Result<Json<wire::ApiKey>> {
    wind_up(caller, id.0, query, app, |db, key, (older, newer), now| {
        secret_store::restore(db, older)?;
        secret_store::end(db, newer, now)?;
        let details = json!({ "secret": newer.digest.reference(), "restored": older.digest.reference() });
        Ok(Event::new(EventKind::ApiKeyRotationUndone, target(key)).with(details))
    })
    .await
}

/// How a rotation ends: what is done to the older and the newer secret.
type Ending = fn(&mut Db, &ApiKey, (&Secret, &Secret), Timestamp) -> Result<Event>;

async fn wind_up(
    caller: Caller<EditApiKeys>,
    id: ApiKeyID,
    query: Query,
    app: App,
    ending: Ending,
) -> Result<Json<wire::ApiKey>> {
    let (now, maker, usage) = (app.now(), maker(&caller), app.key_usage.clone());
    let look = Look::of(&query, &app)?;
    let (key, more) = app
        .change(&caller, move |db, caller| {
            let key = store::find_to_change(db, caller, id)?.ok_or_else(no_such_key)?;
            must_cover(db, caller, &maker, &key)?;
            let secrets = secret_store::of_key(db, caller.tenant().id, id, &usage)?;
            let event = ending(db, &key, secrets.rotation(now).ok_or_else(none_under_way)?, now)?;
            secret_store::trim(db, caller.tenant().id, id, now)?;
            Ok((found(db, caller, key.id, no_such_key, &look)?, event))
        })
        .await?;
    Ok(Json(shown(key, more, &app)))
}

/// Whoever decides about a key's secrets has all that they open: its role, and its life.
fn must_cover<V>(db: &mut Db, caller: &Caller<EditApiKeys, V>, maker: &Maker, key: &ApiKey) -> Result<()> {
    let role = role_of(db, caller, &key.properties)?;
    maker.must_cover(&role.grant, "The key's role")?;
    let types = profiled::types_for(db, caller.tenant().id, maker, key.id)?;
    maker.may_renew(key, &key.properties, &types)
}

/// Reads what was asked for as an overlap.
pub(super) fn overlap(wish: &wire::RotationWish) -> Result<Option<Overlap>> {
    Overlap::read(
        wish.overlap.as_deref(),
        wish.finish_when_silent_for.as_deref(),
        wish.extend_while_used_for.as_deref(),
    )
}

/// A secret that a key is given.
pub(super) struct NewSecret {
    pub digest: SecretDigest,
    /// None: those before it end now.
    pub overlap: Option<Overlap>,
    pub now: Timestamp,
}

/// Gives a key, held for change, another secret, and forgets the wrong ones that were presented. With an overlap the
/// one before it lives on; a third beside two that live is refused.
pub(super) fn put_in_place(
    db: &mut Db,
    tenant: TenantID,
    key: &ApiKey,
    new: &NewSecret,
    usage: &KeyUsage,
) -> Result<Vec<Event>> {
    let now = new.now;
    let secrets = secret_store::of_key(db, tenant, key.id, usage)?;
    let mut events = write_down_ends(db, key, &secrets, now)?;
    if let Some(overlap) = new.overlap {
        overlap.must_be_within(&profile_of(db, tenant, key)?)?;
        if secrets.rotation(now).is_some() {
            return Err(one_at_a_time());
        }
    }
    // the older one first, as whoever writes down their use does: two of them then never wait for each other
    for secret in secrets.live(now).collect::<Vec<_>>().into_iter().rev() {
        match new.overlap {
            Some(overlap) => secret_store::set_life(db, secret.id, overlap.applied_to(secret.life, now))?,
            None => {
                secret_store::end(db, secret, now)?;
                if secret.life.replaced.is_some() {
                    events.push(finished(key, secret, "replaced", now));
                }
            }
        }
    }
    secret_store::insert(db, tenant, key.id, new.digest, now)?;
    secret_store::trim(db, tenant, key.id, now)?;
    store::forget_wrong_secrets(db, tenant, key.id)?;
    let details = new.overlap.map_or_else(|| json!({}), |overlap| details_of(&overlap, now));
    events.push(Event::new(EventKind::ApiKeySecretReplaced, target(key)).with(details));
    Ok(events)
}

fn details_of(overlap: &Overlap, now: Timestamp) -> Value {
    let ends = now.plus(overlap.length);
    json!({
        "overlapEnds": ends,
        "finishWhenSilentFor": overlap.silent_for.map(spelt),
        "extendWhileUsedUntil": overlap.extend_for.map(|length| ends.plus(length)),
    })
}

fn spelt(millis: i64) -> String {
    Duration::from_millis(millis).to_string()
}

fn profile_of(db: &mut Db, tenant: TenantID, key: &ApiKey) -> Result<Profile> {
    let profile = api_key_profiles::find_for(db, tenant, key.profile)?;
    profile.ok_or_else(|| Error::internal("a key's profile is gone"))
}

// ---- what has ended by itself ----

/// Writes down the ends of secrets that have ended by themselves, each with its event.
fn write_down_ends(db: &mut Db, key: &ApiKey, secrets: &Secrets, now: Timestamp) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    for secret in secrets.over(now) {
        let (Some(at), Some(cause)) = (secret.life.end(), secret.life.cause()) else { continue };
        let why = match cause {
            Cause::OverlapOver => "overlapOver",
            Cause::Silent => "silent",
            Cause::ExtensionOver => "extensionOver",
        };
        secret_store::end(db, secret, at)?;
        events.push(finished(key, secret, why, at));
    }
    Ok(events)
}

/// The event of a rotation's end: which secret, why, and since when nobody comes in by it.
fn finished(key: &ApiKey, secret: &Secret, why: &'static str, at: Timestamp) -> Event {
    let details = json!({
        "secret": secret.digest.reference(), "why": why, "ended": at, "lastUsed": secret.used.last_used, "uses": secret.used.uses,
    });
    Event::new(EventKind::ApiKeyRotationFinished, target(key)).with(details)
}

/// An end that lies less than so far back is left alone: another node may have seen the secret used, and writes that
/// down within seconds. Nobody is let in meanwhile.
const SETTLED: i64 = MINUTE;

/// The chore: writes down which secrets have ended by themselves, in every tenant; answers how many.
pub async fn write_down_rotations(app: &App) -> Result<usize> {
    let (mut ended, settled) = (0, app.now().minus(SETTLED));
    loop {
        let mut of_tenants: BTreeMap<TenantID, Vec<ApiKeyID>> = BTreeMap::new();
        for (tenant, key) in app.database.read(move |db| secret_store::over(db, settled)).await? {
            of_tenants.entry(tenant).or_default().push(key);
        }
        let mut now_ended = 0;
        for (tenant, mut keys) in of_tenants {
            // in one order everywhere, or two of them could wait for each other
            keys.sort_unstable();
            let (usage, actor) = (app.key_usage.clone(), Actor::system_in(tenant, "end of rotations"));
            now_ended += app.change_as(actor, move |db| write_down_of(db, tenant, &keys, &usage, settled)).await?;
        }
        if now_ended == 0 {
            return Ok(ended);
        }
        ended += now_ended;
    }
}

fn write_down_of(
    db: &mut Db,
    tenant: TenantID,
    keys: &[ApiKeyID],
    usage: &KeyUsage,
    now: Timestamp,
) -> Result<(usize, Vec<Event>)> {
    let (mut held, mut events) = (Vec::new(), Vec::new());
    // all keys before any of their secrets, as those do who write uses down, or these could wait for each other
    for id in keys {
        // none where it is gone since
        held.extend(store::find_of_tenant_to_change(db, tenant, *id)?);
    }
    for key in held {
        let secrets = secret_store::of_key(db, tenant, key.id, usage)?;
        events.append(&mut write_down_ends(db, &key, &secrets, now)?);
        secret_store::trim(db, tenant, key.id, now)?;
    }
    Ok((events.len(), events))
}

// ---- what answers say of them ----

/// A key's live secrets, the newest first, and the rotation that is under way.
pub type Shown = (Vec<wire::KeySecret>, Option<wire::Rotation>);

/// What is to be said of the secrets of some of a tenant's keys; a key that has none, or is another tenant's, is left
/// out.
pub fn secrets_of(
    db: &mut Db,
    tenant: TenantID,
    keys: &[ApiKeyID],
    usage: &KeyUsage,
    now: Timestamp,
) -> Result<HashMap<ApiKeyID, Shown>> {
    let of_keys = secret_store::of_keys(db, tenant, keys, usage)?;
    Ok(of_keys.into_iter().map(|(key, secrets)| (key, shown_secrets(&secrets, now))).collect())
}

fn shown_secrets(secrets: &Secrets, now: Timestamp) -> Shown {
    let live = secrets.live(now).map(|secret| wire::KeySecret {
        reference: secret.digest.reference(),
        created: secret.life.created,
        last_used: secret.used.last_used,
        last_address: secret.used.last_address.clone(),
        uses: secret.used.uses,
        ends: secret.life.end(),
    });
    let rotation = secrets.rotation(now).and_then(|(older, _)| {
        Some(wire::Rotation {
            started: older.life.replaced?,
            overlap_ends: older.life.ends?,
            finish_when_silent_for: older.life.silent_for.map(spelt),
            extend_while_used_until: older.life.extend_until,
        })
    });
    (live.collect(), rotation)
}

/// Whether a digest is that of a secret that lets somebody in.
pub(super) fn holds(
    db: &mut Db,
    tenant: TenantID,
    key: ApiKeyID,
    digest: &SecretDigest,
    usage: &KeyUsage,
    now: Timestamp,
) -> Result<bool> {
    Ok(secret_store::of_key(db, tenant, key, usage)?.has(digest, now))
}
