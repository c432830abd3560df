//! `/api/apikeys/bulk/…`: many keys at once, in two steps. A dry run shows which keys it would be and hands out a
//! confirmation for that very set; with it the work is begun, and goes on as a job. New secrets are the exception: they
//! come in the answer, and so for a few hundred keys at most.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};

use actix_web::web::Json;
use serde_json::{Value, json};

use super::bulk_rules::{CONFIRMATION, Confirmation, MOST_ROTATED, Order, Verb, Verdict};
use super::confirmation_store::Spent;
use super::handlers::{bounds_of, differences, maker, moment, target, with_secret};
use super::history_rules::{Party, Revocation, Why};
use super::history_store;
use super::profiled;
use super::rotation::one_at_a_time;
use super::rules::{ApiKey, Expiry, Maker, Properties};
use super::search_store::Pages;
use super::secrets::{self, NewSecret};
use super::{confirmation_store, secret_store, store};
use crate::api_key_profiles::Profile;
use crate::app::App;
use crate::audit::{Event, EventKind, Target};
use crate::auth::key_usage::KeyUsage;
use crate::auth::{Caller, Starter, Who};
use crate::body::{Body, Query};
use crate::clock::{DAY, Timestamp};
use crate::db::Db;
use crate::duration::Duration;
use crate::error::{Error, Reason, Result};
use crate::id::{ApiKeyID, ProfileID, RoleID, TenantID};
use crate::jobs::{self, Collection, Kind, Mark, NewJob, Step, Task};
use crate::name::Description;
use crate::rights::{DeleteApiKeys, Demand, EditApiKeys, Grant};
use crate::roles;
use crate::search::Filter;
use crate::secret::{SecretKey, random_bytes};
use crate::wire::{self, Flag, Number, Patch};

/// How many keys a dry run shows, and of how many it says why they are left alone.
const SHOWN: usize = 1_000;
const SHOWN_REFUSED: usize = 100;
/// Rows read at once.
const PAGE: i64 = 2_000;

/// The jobs that come of these calls.
pub const KINDS: &[Kind] = &[
    Kind { name: "apiKeys.revoke", may: |acting| acting.may::<DeleteApiKeys>(), work },
    Kind { name: "apiKeys.lock", may: |acting| acting.may::<EditApiKeys>(), work },
    Kind { name: "apiKeys.unlock", may: |acting| acting.may::<EditApiKeys>(), work },
    Kind { name: "apiKeys.extend", may: |acting| acting.may::<EditApiKeys>(), work },
];

/// Revokes every key that the criteria find.
pub async fn revoke(
    caller: Caller<DeleteApiKeys>,
    query: Query,
    body: Body<wire::BulkOrder>,
    app: App,
) -> Result<Json<wire::BulkAnswer>> {
    as_a_job(caller, KINDS[0], Verb::Revoke, &query, body.0, app).await
}

/// Locks them out.
pub async fn lock(
    caller: Caller<EditApiKeys>,
    query: Query,
    body: Body<wire::BulkOrder>,
    app: App,
) -> Result<Json<wire::BulkAnswer>> {
    as_a_job(caller, KINDS[1], Verb::Lock, &query, body.0, app).await
}

/// Lets them in again.
pub async fn unlock(
    caller: Caller<EditApiKeys>,
    query: Query,
    body: Body<wire::BulkOrder>,
    app: App,
) -> Result<Json<wire::BulkAnswer>> {
    as_a_job(caller, KINDS[2], Verb::Unlock, &query, body.0, app).await
}

/// Lets them last longer.
pub async fn extend(
    caller: Caller<EditApiKeys>,
    query: Query,
    body: Body<wire::BulkOrder>,
    app: App,
) -> Result<Json<wire::BulkAnswer>> {
    let verb = match (body.0.expiry_date, &body.0.extend_by) {
        (Patch::Value(Number(millis)), None) => extend_to(Expiry::from_millis(millis)),
        (Patch::Null, None) => extend_to(Expiry::Never),
        (Patch::Absent, Some(length)) => {
            let length = Duration::parse(length).filter(|length| length.millis() > 0);
            let length = length.ok_or_else(|| Error::member("extendBy", &format!("{} is taken", Duration::FORMS)))?;
            Verb::ExtendBy(length.millis())
        }
        _ => return Err(Error::member("expiryDate, extendBy", "one of the two is needed")),
    };
    as_a_job(caller, KINDS[3], verb, &query, body.0, app).await
}

fn extend_to(end: Expiry) -> Verb {
    match end {
        Expiry::At(at) => Verb::ExtendTo(Some(at)),
        Expiry::Unsaid | Expiry::Never => Verb::ExtendTo(None),
    }
}

/// Gives them new secrets, which are in the answer and nowhere else; the old ones are of no use from then on, or live on
/// for the overlap that is asked for.
pub async fn rotate(
    caller: Caller<EditApiKeys>,
    query: Query,
    body: Body<wire::BulkOrder>,
    app: App,
) -> Result<Json<wire::BulkAnswer>> {
    let overlap = secrets::overlap(body.0.rotation.as_ref().unwrap_or(&wire::RotationWish::default()))?;
    let asked = Asked::read(Verb::Rotate(overlap), &query, body.0)?;
    let survey = surveyed(&caller, &asked, &app).await?;
    let count = survey.items.count();
    if count > MOST_ROTATED {
        let message = format!(
            "searchCriteria: {count} keys are found. At most {MOST_ROTATED} are given new secrets at once, for all of \
             them are in one answer: narrow the criteria."
        );
        return Err(Error::new(Reason::BadRequest, message));
    }
    if asked.dry_run {
        return survey.shown(&caller, &asked, &app).map(Json);
    }
    let spent = survey.must_be_confirmed(&caller, &asked, &app)?;
    let secrets = (0..count).map(|_| SecretKey::generate()).collect::<Result<Vec<_>>>()?;
    let digests: Vec<_> = secrets.iter().map(SecretKey::digest).collect();
    let (items, order, maker, now) = (survey.items.into_items()?, asked.order, maker(&caller), app.now());
    let usage = app.key_usage.clone();
    let (keys, refused) = app
        .change_across(&caller, move |db, caller| {
            confirmation_store::spend(db, &spent, None)?;
            let judged = judge_again(db, caller.tenant().id, &items, &order, &maker, &usage, now)?;
            let mut events = Vec::new();
            for ((key, _), digest) in judged.todo.iter().zip(&digests) {
                let new = NewSecret { digest: *digest, overlap, now };
                events.append(&mut secrets::put_in_place(db, caller.tenant().id, key, &new, &usage)?);
            }
            let renewed: Vec<ApiKeyID> = judged.todo.iter().map(|(key, _)| key.id).collect();
            let keys = store::these(db, caller.tenant().id, &renewed)?;
            Ok(((keys, judged.left), events))
        })
        .await?;
    keys.iter().for_each(|key| app.key_usage.forget_failures(key.id));
    let done = keys.len() as i64;
    let api_keys = keys
        .into_iter()
        .zip(&secrets)
        .map(|(key, secret)| with_secret(key, wire::ApiKeyMore::default(), secret, caller.tenant().key_prefix(), &app));
    let refused_keys: Vec<_> = refused
        .into_iter()
        .map(|(id, message)| wire::BulkRefusal { key_name: None, message, id: ApiKeyID::new(id) })
        .collect();
    Ok(Json(wire::BulkAnswer {
        count: done,
        api_keys: Some(api_keys.collect()),
        refused: Some(wire::BulkRefusals { count: refused_keys.len() as i64, keys: refused_keys }),
        ..wire::BulkAnswer::default()
    }))
}

async fn as_a_job<R: Demand>(
    caller: Caller<R>,
    kind: Kind,
    verb: Verb,
    query: &Query,
    body: wire::BulkOrder,
    app: App,
) -> Result<Json<wire::BulkAnswer>> {
    let asked = Asked::read(verb, query, body)?;
    let survey = surveyed(&caller, &asked, &app).await?;
    if asked.dry_run {
        return survey.shown(&caller, &asked, &app).map(Json);
    }
    let spent = survey.must_be_confirmed(&caller, &asked, &app)?;
    let (now, count) = (app.now(), survey.items.count());
    let parameters = serde_json::to_string(&asked.order).map_err(Error::internal)?;
    let new = NewJob { kind: kind.name, parameters, items: survey.items };
    let job = app
        .change(&caller, move |db, caller| {
            let starter = Starter::of(db, caller)?;
            let job = jobs::create(db, &starter, new, now)?;
            confirmation_store::spend(db, &spent, Some(job))?;
            let mut details = said(&asked.order, None);
            details["total"] = json!(count);
            Ok((job, Event::new(EventKind::JobBegun, Target::new("job", job.get(), kind.name)).with(details)))
        })
        .await?;
    jobs::begin(&app, job, kind);
    Ok(Json(wire::BulkAnswer { count, job_id: Some(job), ..wire::BulkAnswer::default() }))
}

/// What was asked for.
#[derive(Clone)]
struct Asked {
    order: Order,
    filter: Filter,
    /// As many keys at most, where that was said.
    most: Option<i64>,
    dry_run: bool,
    confirmation: Option<String>,
}

impl Asked {
    fn read(verb: Verb, query: &Query, body: wire::BulkOrder) -> Result<Self> {
        let dry_run = match (query.flag("dryRun")?, body.dry_run) {
            (Some(one), Some(Flag(other))) if one != other => {
                return Err(Error::member("dryRun", "query and body say different things"));
            }
            (one, other) => one.or(other.map(|Flag(other)| other)).unwrap_or(false),
        };
        // an empty body must not mean every key there is
        let criteria = body.search_criteria.ok_or_else(|| {
            Error::member("searchCriteria", "a list of criteria is needed; an empty one stands for every key")
        })?;
        let filter = Filter::read(wire::SearchFilter {
            max_items: body.max_items,
            search_criteria: Some(criteria),
            sort_by_object_id: body.sort_by_object_id,
        })?;
        if !dry_run && body.confirmation.is_none() {
            return Err(confirmation_needed("there is none"));
        }
        let why = Why::parse(body.reason.as_deref())?;
        let note = Description::parse("note", &body.note.unwrap_or_default())?.as_str().to_owned();
        Ok(Self {
            order: Order { verb, why, note },
            most: body.max_items.map(|_| filter.most),
            filter,
            dry_run,
            confirmation: body.confirmation,
        })
    }
}

/// What the criteria find, and what would become of it.
#[derive(Default)]
struct Survey {
    /// The keys that it would be done to.
    items: Collection,
    /// The first of them.
    keys: Vec<wire::BulkKey>,
    never_used: i64,
    used_within_24h: i64,
    unchanged: i64,
    refused: i64,
    /// The first that are not the caller's to touch.
    refusals: Vec<wire::BulkRefusal>,
    own_key: bool,
}

async fn surveyed<R: Demand>(caller: &Caller<R>, asked: &Asked, app: &App) -> Result<Survey> {
    let (caller, asked, shared) = (caller.clone(), asked.clone(), app.clone());
    app.database.read(move |db| survey(db, &caller, &asked, &shared)).await
}

/// Goes through the keys page by page: however many there are, few are in memory.
fn survey<R>(db: &mut Db, caller: &Caller<R>, asked: &Asked, app: &App) -> Result<Survey> {
    let (now, maker, mut survey) = (app.now(), maker(caller), Survey::default());
    let own = match caller.who() {
        Who::ApiKey(key) => Some(key.id),
        Who::Administrator(_) => None,
    };
    let mut grants = Grants::default();
    let moment = moment(db, caller, now)?;
    let mut pages = Pages::new(db, caller, &asked.filter, moment)?;
    loop {
        let page = pages.next(db, PAGE)?;
        grants.look_at_secrets(db, caller.tenant().id, &asked.order, &page, &app.key_usage, now)?;
        let is_last = (page.len() as i64) < PAGE;
        for key in page {
            if Some(key.id) == own {
                survey.own_key = true;
                continue;
            }
            if asked.most.is_some_and(|most| survey.items.count() >= most) {
                return survey.with_callers(db, caller.tenant().id);
            }
            let verdict = grants.judge(db, caller.tenant().id, &asked.order, &key, &maker, now)?;
            let mark = grants.mark(&asked.order, &key);
            survey.count(key, mark, verdict, app, now);
        }
        if is_last {
            return survey.with_callers(db, caller.tenant().id);
        }
    }
}

impl Survey {
    fn count(&mut self, key: ApiKey, mark: Mark, verdict: Verdict, app: &App, now: Timestamp) {
        match verdict {
            Verdict::Unchanged => self.unchanged += 1,
            Verdict::Refused(error) => {
                self.refused += 1;
                if self.refusals.len() < SHOWN_REFUSED {
                    self.refusals.push(wire::BulkRefusal {
                        key_name: Some(key.properties.name.as_str().to_owned()),
                        message: error.message().to_owned(),
                        id: key.id,
                    });
                }
            }
            Verdict::Do(_) => {
                let attempts = key.unsuccessful_sign_in_attempts;
                let (last_sign_in, _) = app.key_usage.overlay(key.id, key.last_sign_in, attempts);
                self.never_used += i64::from(last_sign_in.is_none());
                self.used_within_24h += i64::from(last_sign_in.is_some_and(|at| now.since(at) < DAY));
                self.items.push(key.id.get(), mark);
                if self.keys.len() < SHOWN {
                    self.keys.push(wire::BulkKey {
                        key_name: key.properties.name.as_str().to_owned(),
                        role_id: key.properties.role,
                        last_sign_in,
                        expiry_date: key.properties.expiry,
                        callers: Vec::new(),
                        id: key.id,
                    });
                }
            }
        }
    }

    /// Adds from where the keys that are shown were last used.
    fn with_callers(mut self, db: &mut Db, tenant: TenantID) -> Result<Self> {
        let ids: Vec<ApiKeyID> = self.keys.iter().map(|key| key.id).collect();
        let mut callers = secret_store::last_addresses(db, tenant, ids)?;
        for key in &mut self.keys {
            key.callers = callers.remove(&key.id).unwrap_or_default();
        }
        Ok(self)
    }

    /// The answer to a dry run.
    fn shown<R>(self, caller: &Caller<R>, asked: &Asked, app: &App) -> Result<wire::BulkAnswer> {
        let until = app.now().plus(CONFIRMATION);
        let nonce = data_encoding::HEXLOWER.encode(random_bytes::<16>()?.as_ref());
        let digest = data_encoding::HEXLOWER.encode(&self.items.digest());
        let proof = app.keyring.confirmation(&parts(caller, asked, until, &nonce, &digest).as_slices());
        Ok(wire::BulkAnswer {
            count: self.items.count(),
            keys: Some(self.keys),
            never_used: Some(self.never_used),
            used_within_24h: Some(self.used_within_24h),
            unchanged: Some(self.unchanged),
            refused: Some(wire::BulkRefusals { count: self.refused, keys: self.refusals }),
            own_key_left_out: Some(self.own_key),
            confirmation: Some(Confirmation { until, nonce: &nonce, digest: &digest, proof: &proof }.text()),
            confirmation_ends: Some(until),
            ..wire::BulkAnswer::default()
        })
    }

    /// Insists that a dry run was made, by this caller, of this very order, and that it found this very set as it is;
    /// answers what is to be used up with it.
    fn must_be_confirmed<R>(&self, caller: &Caller<R>, asked: &Asked, app: &App) -> Result<Spent> {
        let needed = |what: &str| Err(confirmation_needed(what));
        let Some(given) = asked.confirmation.as_deref().and_then(Confirmation::parse) else {
            return needed("it is none that was handed out");
        };
        let parts = parts(caller, asked, given.until, given.nonce, given.digest);
        if !app.keyring.confirms(&parts.as_slices(), given.proof) {
            return needed("it was handed out for another call, or to somebody else");
        }
        if given.until <= app.now() {
            return needed("it is older than ten minutes");
        }
        if given.digest != data_encoding::HEXLOWER.encode(&self.items.digest()) {
            let message = "confirmation: other keys are found now than the dry run found, or they are not as they were. \
                           Nothing was done. Make another dry run, and look at what it answers.";
            return Err(Error::new(Reason::SetChanged, message));
        }
        Ok(Spent { tenant: caller.tenant().id, proof: given.proof.to_owned(), until: given.until })
    }
}

fn confirmation_needed(what: &str) -> Error {
    let message = format!(
        "confirmation: {what}. Make the same call with ?dryRun=true first, look at what it answers, and send the \
         confirmation that is in it within ten minutes."
    );
    Error::new(Reason::ConfirmationNeeded, message)
}

/// What a confirmation speaks of.
struct Parts([Vec<u8>; 7]);

impl Parts {
    fn as_slices(&self) -> [&[u8]; 7] {
        std::array::from_fn(|at| self.0[at].as_slice())
    }
}

fn parts<R>(caller: &Caller<R>, asked: &Asked, until: Timestamp, nonce: &str, digest: &str) -> Parts {
    let Party { kind, id, .. } = history_store::party(caller);
    Parts([
        caller.tenant().id.get().to_be_bytes().to_vec(),
        kind.as_bytes().to_vec(),
        id.unwrap_or_default().to_be_bytes().to_vec(),
        json!(asked.order).to_string().into_bytes(),
        until.millis().to_be_bytes().to_vec(),
        nonce.as_bytes().to_vec(),
        digest.as_bytes().to_vec(),
    ])
}

/// What roles let their bearers do, and what profiles say, each looked up once; and of the keys at hand, where they are
/// to have other secrets, which have two already, and which is the newest of each.
#[derive(Default)]
struct Grants {
    roles: HashMap<RoleID, Grant>,
    profiles: HashMap<ProfileID, Profile>,
    between_secrets: HashSet<ApiKeyID>,
    newest_secrets: HashMap<ApiKeyID, i64>,
}

impl Grants {
    /// Looks at the secrets of some keys: only who wants to replace them minds.
    fn look_at_secrets(
        &mut self,
        db: &mut Db,
        tenant: TenantID,
        order: &Order,
        keys: &[ApiKey],
        usage: &KeyUsage,
        now: Timestamp,
    ) -> Result<()> {
        if !matches!(order.verb, Verb::Rotate(_)) {
            return Ok(());
        }
        let ids: Vec<ApiKeyID> = keys.iter().map(|key| key.id).collect();
        let secrets = secret_store::of_keys(db, tenant, &ids, usage)?;
        let between = secrets.iter().filter(|(_, secrets)| secrets.rotation(now).is_some());
        self.between_secrets = between.map(|(id, _)| *id).collect();
        let newest = secrets.iter().filter_map(|(id, secrets)| Some((*id, secrets.newest()?.id)));
        self.newest_secrets = newest.collect();
        Ok(())
    }

    /// What is seen of a key now.
    fn mark(&self, order: &Order, key: &ApiKey) -> Mark {
        order.mark(key, self.newest_secrets.get(&key.id).copied())
    }

    fn judge(
        &mut self,
        db: &mut Db,
        tenant: TenantID,
        order: &Order,
        key: &ApiKey,
        maker: &Maker,
        now: Timestamp,
    ) -> Result<Verdict> {
        let grant = match self.roles.entry(key.properties.role) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let found = roles::find_for(db, tenant, key.properties.role)?;
                new.insert(found.ok_or_else(|| Error::internal("a key's role is gone"))?.grant)
            }
        };
        let types = profiled::types_for(db, tenant, maker, key.id)?;
        let verdict = order.judge(key, &types, grant, maker, now);
        let refusal = match (&verdict, order.verb) {
            (Verdict::Do(properties), _) if properties.expiry != key.properties.expiry => {
                self.bound(db, tenant, key, properties.expiry)?
            }
            (Verdict::Do(_), Verb::Rotate(Some(_))) if self.between_secrets.contains(&key.id) => Some(one_at_a_time()),
            (Verdict::Do(_), Verb::Rotate(Some(overlap))) => {
                overlap.must_be_within(self.profile(db, tenant, key)?).err()
            }
            _ => None,
        };
        Ok(refusal.map_or(verdict, Verdict::Refused))
    }

    /// Why a key must not end then, by its profile.
    fn bound(&mut self, db: &mut Db, tenant: TenantID, key: &ApiKey, end: Option<Timestamp>) -> Result<Option<Error>> {
        let profile = self.profile(db, tenant, key)?;
        match profiled::must_lie_within(db, tenant, profile, key, end) {
            Err(error) if error.reason() == Reason::ExpiryOutOfRange => Ok(Some(error)),
            other => other.map(|()| None),
        }
    }

    fn profile(&mut self, db: &mut Db, tenant: TenantID, key: &ApiKey) -> Result<&Profile> {
        Ok(match self.profiles.entry(key.profile) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(profiled::profile_of(db, tenant, key)?),
        })
    }
}

/// Some of a set, as it is when its turn comes.
struct Judged {
    /// Each key, and what it is to be.
    todo: Vec<(ApiKey, Properties)>,
    unchanged: i64,
    /// Those that are left as they are, and why.
    left: Vec<(i64, String)>,
}

/// Looks at keys again, which nobody else changes until the transaction ends. Those that are not as they were when the
/// order was confirmed are left alone, unless it only takes away.
fn judge_again(
    db: &mut Db,
    tenant: TenantID,
    items: &[(i64, Option<Mark>)],
    order: &Order,
    maker: &Maker,
    usage: &KeyUsage,
    now: Timestamp,
) -> Result<Judged> {
    let ids: Vec<ApiKeyID> = items.iter().map(|(id, _)| ApiKeyID::new(*id)).collect();
    let seen: HashMap<i64, Mark> = items.iter().filter_map(|(id, mark)| Some((*id, (*mark)?))).collect();
    let keys = store::these_to_change(db, tenant, &ids)?;
    let there: BTreeSet<ApiKeyID> = keys.iter().map(|key| key.id).collect();
    let gone = ids.iter().filter(|id| !there.contains(id));
    let left = gone.map(|id| (id.get(), "It is not there any more.".to_owned())).collect();
    let mut judged = Judged { todo: Vec::new(), unchanged: 0, left };
    let mut grants = Grants::default();
    grants.look_at_secrets(db, tenant, order, &keys, usage, now)?;
    for key in keys {
        let mark = grants.mark(order, &key);
        let is_as_it_was = order.only_takes_away() || seen.get(&key.id.get()).is_none_or(|seen| *seen == mark);
        match grants.judge(db, tenant, order, &key, maker, now)? {
            Verdict::Do(_) if !is_as_it_was => judged.left.push((key.id.get(), CHANGED_SINCE.to_owned())),
            Verdict::Do(properties) => judged.todo.push((key, *properties)),
            Verdict::Unchanged => judged.unchanged += 1,
            Verdict::Refused(error) => judged.left.push((key.id.get(), error.message().to_owned())),
        }
    }
    Ok(judged)
}

/// Why a key is left alone that somebody was faster with.
const CHANGED_SINCE: &str = "It is not as it was when this was confirmed, and was left as it is. Make another dry run.";

/// Some of a job's keys, in one transaction.
fn work(db: &mut Db, task: &Task) -> Result<Step> {
    let order: Order = serde_json::from_str(&task.job.parameters).map_err(Error::internal)?;
    let acting = &task.acting;
    let bounds = acting.bounds.as_ref().map(bounds_of).unwrap_or_default();
    let maker = Maker { grant: acting.grant.clone(), expires: acting.expires, bounds };
    let (tenant, now) = (task.starter.tenant, task.now);
    let usage = &task.app.key_usage;
    let Judged { todo, unchanged, left } = judge_again(db, tenant, &task.items, &order, &maker, usage, now)?;
    let these: Vec<ApiKeyID> = todo.iter().map(|(key, _)| key.id).collect();
    match order.verb {
        Verb::Revoke => {
            let (kind, id, _) = task.starter.stored();
            let by = Party::new(kind, Some(id), task.starter.name.clone());
            let revocation = Revocation { by, reason: order.why, note: Description::parse("note", &order.note)? };
            history_store::revoke(db, tenant, &these, &revocation, &task.app.key_usage, now)?;
        }
        Verb::Lock => store::lock_all(db, tenant, these)?,
        Verb::Unlock => {
            these.iter().for_each(|key| task.app.key_usage.forget_failures(*key));
            store::unlock_all(db, tenant, these)?;
        }
        Verb::ExtendTo(end) => store::extend_all(db, tenant, these, end)?,
        Verb::ExtendBy(_) => {
            for (key, properties) in &todo {
                store::extend_all(db, tenant, vec![key.id], properties.expiry)?;
            }
        }
        Verb::Rotate(_) => return Err(Error::internal("new secrets are no job")),
    }
    let events = todo.iter().map(|(key, properties)| {
        let mut details = said(&order, Some(task.job.id.get()));
        if order.verb == Verb::Revoke {
            return Event::new(EventKind::ApiKeyDeleted, target(key)).with(details);
        }
        if let (Some(all), Value::Object(changed)) = (details.as_object_mut(), differences(&key.properties, properties))
        {
            all.extend(changed);
        }
        Event::new(EventKind::ApiKeyUpdated, target(key)).with(details)
    });
    Ok(Step { done: unchanged + todo.len() as i64, faults: left, events: events.collect() })
}

/// What an event says of the order that it comes of.
fn said(order: &Order, job: Option<i64>) -> Value {
    let mut details = json!({});
    if let Some(job) = job {
        details["job"] = json!(job);
    }
    if order.why != Why::Unspecified {
        details["reason"] = json!(order.why);
    }
    if !order.note.is_empty() {
        details["note"] = json!(order.note);
    }
    details
}
