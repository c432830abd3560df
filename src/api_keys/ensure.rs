//! `PUT /api/apikeys/by-name/{keyName}`: for tools that say what is to be there and run again and again. The second
//! run finds it there and changes nothing.

use super::expand::Look;
use super::handlers::{
    Warned, differences, head, maker, mint, role_in_body, role_of, spent, target, unbounded, warn_of_initial_password,
};
use super::profiled;
use super::rotation::{Overlap, refreshed};
use super::rules::{ApiKey, Ensured, Maker};
use super::secrets::{self, NewSecret};
use super::store;
use crate::api_key_profiles::Profile;
use crate::api_types;
use crate::app::App;
use crate::audit::{Actor, Event, EventKind};
use crate::auth::Caller;
use crate::auth::key_usage::KeyUsage;
use crate::body::{Body, HeldSecret, Query, TextInPath};
use crate::clock::Timestamp;
use crate::db::{Db, Shared};
use crate::error::{Error, Reason, Result};
use crate::id::ApiTypeID;
use crate::locale::TimeZone;
use crate::rights::{CreateApiKeys, EditApiKeys, EnsureApiKeys, ViewApiKeys};
use crate::secret::{SecretDigest, SecretKey};
use crate::wire::{self, Outcome};

/// Makes the key of a name what the body says: a new one where there is none, changed where it is another. Its secret
/// stays, unless the caller shows by a digest that it holds another one, and allows a new secret with
/// `?reissue=allow`.
pub async fn ensure(
    caller: Caller<EnsureApiKeys>,
    name: TextInPath,
    query: Query,
    held: HeldSecret,
    body: Body<wire::WantedApiKey>,
    app: App,
) -> Result<Warned<wire::ApiKeyEnsured>> {
    let may_reissue = query.word("reissue", &["allow"])?.is_some();
    let brought = brought(body.0.secret_digest.as_deref(), held.0)?;
    let overlap = secrets::overlap(body.0.rotation.as_ref().unwrap_or(&wire::RotationWish::default()))?;
    let key = Ensured::new(&name.0, body.0.into())?;
    let secret = SecretKey::generate()?;
    let wish = Wish {
        key,
        held: brought.or(held.0),
        may_reissue,
        maker: maker(&caller),
        secret: brought.unwrap_or(secret.digest()),
        overlap,
        usage: app.key_usage.clone(),
        zone: app.time_zone,
        look: Look::of(&query, &app)?,
        now: app.now(),
    };
    let done = fulfilled(&wish, &caller, &app).await?;
    if done.starts_anew {
        app.key_usage.forget_failures(done.key.id);
    }
    if done.outcome == Outcome::Created {
        warn_of_initial_password(&caller, done.key.id);
    }
    let has_new_secret = brought.is_none() && matches!(done.outcome, Outcome::Created | Outcome::Reissued);
    let printed = has_new_secret.then(|| secret.printed(caller.tenant().key_prefix(), done.key.id));
    let warning = unbounded(&done.key);
    let answer = wire::ApiKeyEnsured {
        secret_key: printed.map(|printed| wire::SecretOnce::new(printed.expose())),
        service_account: done.key.service_account,
        id: done.key.id,
        outcome: done.outcome,
        head: head(done.key, &app),
        more: done.more,
    };
    Ok(Warned(warning, answer))
}

/// The secret that a caller brings as a digest: it is what the key is to have, and what the caller holds.
fn brought(digest: Option<&str>, held: Option<SecretDigest>) -> Result<Option<SecretDigest>> {
    let Some(text) = digest else { return Ok(None) };
    let digest = SecretDigest::brought(text)?;
    if held.is_some_and(|held| !held.matches(&digest)) {
        return Err(Error::member("secretDigest", "X-Have-Secret-Digest says otherwise; one of the two is enough"));
    }
    Ok(Some(digest))
}

/// What is to be, and by whom.
#[derive(Clone)]
struct Wish {
    key: Ensured,
    /// The secret that the caller holds.
    held: Option<SecretDigest>,
    may_reissue: bool,
    maker: Maker,
    /// A new secret, should one be needed.
    secret: SecretDigest,
    /// How long the old one is then to live on.
    overlap: Option<Overlap>,
    usage: KeyUsage,
    zone: TimeZone,
    look: Look,
    now: Timestamp,
}

/// What came of it.
struct Done {
    outcome: Outcome,
    key: ApiKey,
    more: wire::ApiKeyMore,
    /// Whether wrong secrets that were presented so far are forgotten.
    starts_anew: bool,
}

impl Done {
    fn new(outcome: Outcome, key: ApiKey, starts_anew: bool) -> Self {
        Self { outcome, key, more: wire::ApiKeyMore::default(), starts_anew }
    }
}

/// Of two callers who make a key of one name at the same moment one is told that the name is taken: then it is there,
/// and looked at again.
async fn fulfilled(wish: &Wish, caller: &Caller<EnsureApiKeys>, app: &App) -> Result<Done> {
    const ATTEMPTS: usize = 5;
    let mut attempt = 1;
    loop {
        let (wish, me) = (wish.clone(), caller.clone());
        let outcome = app.change_as(Actor::caller(caller), move |db| fulfil(db, &me, wish)).await;
        match outcome {
            Err(error) if error.reason() == Reason::NameTaken && attempt < ATTEMPTS => attempt += 1,
            outcome => return outcome,
        }
    }
}

fn fulfil(db: &mut Db, caller: &Caller<EnsureApiKeys>, wish: Wish) -> Result<(Done, Vec<Event>)> {
    let look = wish.look.clone();
    profiled::prepare(db, caller, wish.key.asked_under())?;
    let (mut done, events) = match store::find_named_to_change(db, caller, wish.key.name())? {
        None => create(db, caller, wish)?,
        Some(old) => keep_or_change(db, caller, wish, old)?,
    };
    done.more = look.at_one(db, caller, &done.key)?;
    Ok((done, events))
}

fn create(db: &mut Db, caller: &Caller<EnsureApiKeys>, wish: Wish) -> Result<(Done, Vec<Event>)> {
    caller.must::<CreateApiKeys>()?;
    let plan = wish.key.into_plan(&wish.maker, wish.zone, wish.now)?;
    let (key, mut events) = mint(db, &mut Shared::default(), caller, plan, wish.secret, wish.now)?;
    events.extend(spent(db, caller, wish.now)?);
    Ok((Done::new(Outcome::Created, key, false), events))
}

/// Nobody comes by more this way than by the plain calls: each outcome needs what they need.
fn keep_or_change(db: &mut Db, caller: &Caller<EnsureApiKeys>, wish: Wish, old: ApiKey) -> Result<(Done, Vec<Event>)> {
    let (tenant, usage) = (caller.tenant().id, &wish.usage);
    let profile = profiled::profile_of(db, tenant, &old)?;
    wish.key.must_name_role(&profile)?;
    let under = wish.key.asked_under().clone();
    profiled::must_keep_profile(db, tenant, &old, &under)?;
    let types = api_types::of_key(db, tenant, old.id)?;
    let holds = wish.held.map_or(Ok(true), |held| secrets::holds(db, tenant, old.id, &held, usage, wish.now))?;
    let (differs, unlocks) = (wish.key.differs_from(&old.properties, &types), wish.key.unlocks(&old.properties));
    wish.key.must_be_of(old.kind)?;
    if !holds && !wish.may_reissue {
        return Err(not_the_secret());
    }
    let ended = old.properties.expiry.filter(|end| *end <= wish.now);
    let new_life = match ended {
        Some(end) if !wish.key.revives(wish.now)? => Some(new_life(&old, end, &profile, &wish, holds)?),
        _ => None,
    };
    if holds && !differs && new_life.is_none() {
        caller.must::<EditApiKeys>().or_else(|_| caller.must::<ViewApiKeys>())?;
        return Ok((Done::new(Outcome::Unchanged, old, false), Vec::new()));
    }
    caller.must::<EditApiKeys>()?;
    let type_ids: Vec<ApiTypeID> = types.iter().map(|kind| kind.id).collect();
    let properties = wish.key.applied_to(&old, &type_ids, &wish.maker, wish.now)?;
    let mut changed = profiled::change(db, caller, &old, properties, &under, &wish.maker, wish.now)?;
    if let Some(end) = new_life {
        changed.properties.expiry = Some(end);
    }
    if changed.replaces_secret && !wish.may_reissue {
        return Err(other_types_need_another_secret());
    }
    // whoever brings the secret that the key has would leave it as it is
    if changed.replaces_secret && holds && wish.held.is_some_and(|held| held.matches(&wish.secret)) {
        return Err(other_types_need_another_secret());
    }
    let differs = differs || new_life.is_some();
    let renews = !holds || changed.replaces_secret || new_life.is_some();
    if renews {
        caller.must::<CreateApiKeys>()?;
    }
    let properties = &changed.properties;
    let role = role_in_body(db, caller.tenant().id, properties)?;
    let old_role = role_of(db, caller, &old.properties)?;
    wish.maker.must_cover(&old_role.grant, "The key's role")?;
    wish.maker.must_cover(&role.grant, "The role")?;
    if renews {
        wish.maker.may_renew(&old, properties, &changed.type_ids())?;
    }
    let mut events = Vec::new();
    if differs {
        store::update(db, caller, old.id, properties, unlocks)?;
        changed.store_types(db, caller, old.id)?;
        let details = changed.told(differences(&old.properties, properties));
        events.push(Event::new(EventKind::ApiKeyUpdated, target(&old)).with(details));
    }
    if renews {
        // what a secret was for is over at once; only one that was merely lost may live on
        let overlap = if changed.replaces_secret { None } else { wish.overlap };
        let new = NewSecret { digest: wish.secret, overlap, now: wish.now };
        events.append(&mut secrets::put_in_place(db, tenant, &old, &new, usage)?);
    }
    let key = store::find(db, caller, old.id)?.ok_or_else(|| Error::internal("a key that is held is gone"))?;
    let outcome = if renews { Outcome::Reissued } else { Outcome::Updated };
    Ok((Done::new(outcome, key, unlocks || renews), events))
}

/// When a key ends that has ended, where nothing is said of its end: a new secret, where one is allowed, brings it back
/// for as long as a refresh would.
fn new_life(old: &ApiKey, ended: Timestamp, profile: &Profile, wish: &Wish, holds: bool) -> Result<Timestamp> {
    // whoever brings the secret that the key has would leave it as it is
    let has_another = !(holds && wish.held.is_some_and(|held| held.matches(&wish.secret)));
    let life = match wish.may_reissue && has_another {
        true => refreshed(&old.properties, profile, wish.now).ok().flatten(),
        false => None,
    };
    life.ok_or_else(|| {
        let message = format!(
            "The API key expired at {ended}. Send an expiryDate that lies ahead, or 0 for never. Where its profile has a \
             refresh bring keys back, ?reissue=allow does it too, with another secret."
        );
        Error::new(Reason::KeyHasExpired, message)
    })
}

fn other_types_need_another_secret() -> Error {
    let message = "constraints.apiTypes: the key is for others, and its profile has its secret replaced with them. With \
                   ?reissue=allow it gets a new one, or another that is brought as a digest, and the one that it has is \
                   of no use from then on.";
    Error::new(Reason::Conflict, message)
}

fn not_the_secret() -> Error {
    let message = "The key has another secret than the one whose digest was sent. With ?reissue=allow it gets a new one, and the one \
                   that it has is of no use from then on.";
    Error::new(Reason::Conflict, message)
}
