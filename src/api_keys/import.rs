//! `POST /api/apikeys/import`: keys from elsewhere, as a list. Their holders may keep the secrets that they have: the
//! list brings digests of them, and each answer says which number to put in front.

use std::collections::{BTreeMap, HashMap, HashSet};

use actix_web::web::Json;
use serde_json::json;

use super::handlers::{asked, bounds, maker, target, under};
use super::inventory::{self, Entry, Line, MOST_LINES, RoleWish};
use super::profiled::{self, Batch, Settled};
use super::rules::{KeyPlan, Kind, Maker, Wanted};
use super::secret_store;
use super::store::{self, Provenance};
use crate::app::App;
use crate::audit::{Event, EventKind, Target};
use crate::auth::Caller;
use crate::body::{self, Query, Upload};
use crate::clock::Timestamp;
use crate::db::{Db, Shared};
use crate::error::{Error, Reason, Result};
use crate::id::{ApiKeyID, RoleID, TenantID};
use crate::locale::TimeZone;
use crate::name::fold;
use crate::rights::ImportApiKeys;
use crate::roles::{self, Role};
use crate::secret::SecretDigest;
use crate::wire::{self, Flag, ImportOutcome, Number};

/// The most members of a list, all keys together.
const MOST_MEMBERS: usize = 64 * MOST_LINES;
/// Of how many keys a refusal says why.
const SAID: usize = 5;

/// Makes a key of each line, all of them or none: a line that cannot be keeps the others out, unless `skipInvalid`
/// says otherwise. A dry run makes none and says what would become of each.
pub async fn import(
    caller: Caller<ImportApiKeys>,
    query: Query,
    upload: Upload,
    app: App,
) -> Result<Json<wire::ImportAnswer>> {
    let dry_run = query.flag("dryRun")?.unwrap_or(false);
    let skip_invalid = query.flag("skipInvalid")?.unwrap_or(false);
    let lines = if upload.is_csv { inventory::read_csv(&upload.bytes)? } else { read_json(&upload.bytes)? };
    drop(upload.bytes);
    let terms = Terms { maker: maker(&caller), zone: app.time_zone, now: app.now() };
    terms.maker.may_make_keys()?;
    if dry_run {
        let me = caller.clone();
        let judged = app.database.read(move |db| judge(db, &me, lines, &terms, Purpose::Look)).await?;
        return Ok(Json(answer(judged, true, &caller)));
    }
    let judged = app
        .change_across(&caller, move |db, caller| {
            let mut judged = judge(db, caller, lines, &terms, Purpose::Make)?;
            if !skip_invalid {
                must_all_be(&judged)?;
            }
            let events = insert(db, caller, &mut judged, terms.now)?;
            Ok((judged, events))
        })
        .await?;
    Ok(Json(answer(judged, false, &caller)))
}

/// Who imports, where and when.
struct Terms {
    maker: Maker,
    zone: TimeZone,
    now: Timestamp,
}

/// Why lines are judged: what is only looked at need not stay as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Look,
    Make,
}

/// A line, and what becomes of it.
struct Judged {
    number: u64,
    name: String,
    fate: Fate,
}

enum Fate {
    /// A key that can be made.
    Good {
        settled: Box<Settled>,
        kind: Kind,
        digest: Option<SecretDigest>,
    },
    /// A key that was made.
    Made {
        id: ApiKeyID,
        has_secret: bool,
    },
    NameTaken,
    Invalid(String),
}

impl Fate {
    /// The digest that a key is to be made with.
    fn digest(&self) -> Option<SecretDigest> {
        match self {
            Self::Good { digest, .. } => *digest,
            Self::Made { .. } | Self::NameTaken | Self::Invalid(_) => None,
        }
    }
}

/// What the lines come to as things are: names and secrets that are taken, here or further up, profiles that have no
/// room for more, and roles that the caller must not hand out.
fn judge<R, V>(
    db: &mut Db,
    caller: &Caller<R, V>,
    lines: Vec<Line>,
    terms: &Terms,
    purpose: Purpose,
) -> Result<Vec<Judged>> {
    let tenant = caller.tenant().id;
    let (mut roles, mut batch) = (Roles::default(), Batch::new(db, tenant)?);
    if purpose == Purpose::Make {
        let entries = lines.iter().filter_map(|line| line.entry.as_ref().ok());
        let used = entries.filter_map(|entry| batch.profile(entry.wanted.under.profile, entry.profile.as_deref()).ok());
        let used = used.map(|profile| profile.id).collect();
        batch.keep(db, &used)?;
    }
    let mut judged = Vec::with_capacity(lines.len());
    for line in lines {
        let fate = match line.entry {
            Err(why) => Fate::Invalid(why),
            Ok(entry) => match plan(db, caller, (&mut roles, &mut batch), entry, terms)? {
                Err(why) => Fate::Invalid(why),
                Ok(good) => good,
            },
        };
        judged.push(Judged { number: line.number, name: line.name, fate });
    }
    let folds: Vec<String> = judged.iter().map(|line| fold(&line.name)).collect();
    let mut taken: HashSet<String> = HashSet::new();
    for some in folds.chunks(500) {
        taken.extend(store::names_taken(db, tenant, some.to_vec())?);
    }
    for (line, name) in judged.iter_mut().zip(folds) {
        if matches!(line.fate, Fate::Good { .. }) && !taken.insert(name) {
            line.fate = Fate::NameTaken;
        }
    }
    refuse_secrets_in_use(db, tenant, &mut judged)?;
    for line in &mut judged {
        if let Fate::Good { settled, .. } = &line.fate
            && let Err(why) = batch.take_room(db, settled)?
        {
            line.fate = Fate::Invalid(why);
        }
    }
    Ok(judged)
}

/// One secret opens one key: a line that brings the digest of one that is known, here or further up, cannot be.
fn refuse_secrets_in_use(db: &mut Db, tenant: TenantID, judged: &mut [Judged]) -> Result<()> {
    let brought: Vec<SecretDigest> = judged.iter().filter_map(|line| line.fate.digest()).collect();
    let known = secret_store::known(db, tenant, &brought)?;
    let mut known: HashSet<String> = known.iter().map(SecretDigest::to_hex).collect();
    for line in judged {
        if line.fate.digest().is_some_and(|digest| !known.insert(digest.to_hex())) {
            line.fate = Fate::Invalid(secret_store::is_in_use().message().to_owned());
        }
    }
    Ok(())
}

/// A key to be made of an entry, or why it cannot be.
fn plan<R, V>(
    db: &mut Db,
    caller: &Caller<R, V>,
    (roles, batch): (&mut Roles, &mut Batch),
    entry: Entry,
    terms: &Terms,
) -> Result<Result<Fate, String>> {
    macro_rules! or_why {
        ($outcome:expr) => {
            match $outcome {
                Ok(value) => value,
                Err(why) => return Ok(Err(why)),
            }
        };
    }
    let (tenant, Terms { maker, zone, now }) = (caller.tenant().id, terms);
    let Entry { mut wanted, role: wish, profile, digest } = entry;
    let profile = or_why!(batch.profile(wanted.under.profile, profile.as_deref())).clone();
    let issuers = or_why!(batch.issuers(db, caller, &profile)?);
    let named = or_why!(roles.find(db, tenant, wish)?);
    let role = match (named, issuers) {
        (Some(named), _) => named,
        (None, None) => return Ok(Err("roleID, or the name of a role, is needed.".to_owned())),
        (None, Some(own)) => or_why!(roles.find(db, tenant, RoleWish { id: Some(own), name: None })?)
            .ok_or_else(|| Error::internal("somebody's role is gone"))?,
    };
    wanted.role = Some(role.id);
    wanted.under.profile = Some(profile.id);
    let said = |error: Error| error.message().to_owned();
    or_why!(maker.must_cover(&role.grant, "The role").map_err(said));
    let plan = or_why!(KeyPlan::new(wanted, maker, *zone, *now).map_err(said));
    let kind = plan.kind;
    let settled = or_why!(batch.settle(db, plan, &profile, (role, issuers), *now)?);
    Ok(Ok(Fate::Good { settled: Box::new(settled), kind, digest }))
}

/// Roles by what lines call them, each looked up once.
#[derive(Default)]
struct Roles {
    known: HashMap<RoleWish, Result<Option<Role>, String>>,
    names: Option<BTreeMap<RoleID, String>>,
}

impl Roles {
    /// The role that is meant; none where none is named.
    fn find(&mut self, db: &mut Db, tenant: TenantID, wish: RoleWish) -> Result<Result<Option<Role>, String>> {
        if let Some(known) = self.known.get(&wish) {
            return Ok(known.clone());
        }
        let found = self.look_up(db, tenant, &wish)?;
        self.known.insert(wish, found.clone());
        Ok(found)
    }

    fn look_up(&mut self, db: &mut Db, tenant: TenantID, wish: &RoleWish) -> Result<Result<Option<Role>, String>> {
        let by_name = match &wish.name {
            None => None,
            Some(name) => {
                let names = match self.names.take() {
                    Some(names) => names,
                    None => roles::names_for(db, tenant)?,
                };
                let wanted = fold(name);
                let named = names.iter().find(|(_, known)| fold(known) == wanted).map(|(id, _)| *id);
                self.names = Some(names);
                match named {
                    Some(id) => Some(id),
                    None => return Ok(Err("The role name is that of no role.".to_owned())),
                }
            }
        };
        // a number that meant another role where the list comes from must not become a role of its own here
        let id = match (by_name, wish.id) {
            (Some(named), Some(id)) if named != id => {
                return Ok(Err("roleID and role name are two roles here: leave one of them out.".to_owned()));
            }
            (named, id) => named.or(id),
        };
        let Some(id) = id else { return Ok(Ok(None)) };
        let role = roles::find_for(db, tenant, id)?;
        Ok(role.map(Some).ok_or_else(|| "roleID: there is no such role.".to_owned()))
    }
}

/// Refuses a list in which a line cannot be.
fn must_all_be(judged: &[Judged]) -> Result<()> {
    let faults: Vec<String> = judged
        .iter()
        .filter_map(|line| match &line.fate {
            Fate::NameTaken => Some(format!("{}: the name is taken", line.number)),
            Fate::Invalid(why) => Some(format!("{}: {}", line.number, why.trim_end_matches('.'))),
            Fate::Good { .. } | Fate::Made { .. } => None,
        })
        .collect();
    if faults.is_empty() {
        return Ok(());
    }
    let more = match faults.len().saturating_sub(SAID) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    let said = faults.iter().take(SAID).cloned().collect::<Vec<_>>().join("; ");
    let message = format!(
        "Nothing was imported. Lines that cannot be: {said}{more}. ?dryRun=true says it of each, ?skipInvalid=true \
         leaves them out."
    );
    Err(Error::new(Reason::ImportRefused, message))
}

fn insert<V>(
    db: &mut Db,
    caller: &Caller<ImportApiKeys, V>,
    judged: &mut [Judged],
    now: Timestamp,
) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    let mut skipped = 0;
    for line in judged {
        let Fate::Good { settled, kind, digest } = &line.fate else {
            skipped += 1;
            continue;
        };
        let key =
            profiled::put_in(db, &mut Shared::default(), Provenance::of(caller).of_kind(*kind), settled, *digest, now)?;
        let mut details = settled.details();
        details["imported"] = json!(true);
        details["hasSecret"] = json!(digest.is_some());
        events.push(Event::new(EventKind::ApiKeyCreated, target(&key)).with(details));
        line.fate = Fate::Made { id: key.id, has_secret: digest.is_some() };
    }
    let details = json!({ "created": events.len(), "skipped": skipped });
    events.push(Event::new(EventKind::ApiKeysImported, Target::default()).with(details));
    Ok(events)
}

fn answer<V>(judged: Vec<Judged>, dry_run: bool, caller: &Caller<ImportApiKeys, V>) -> wire::ImportAnswer {
    let prefix = caller.tenant().key_prefix().map(|guid| format!("{guid}:")).unwrap_or_default();
    let mut answer = wire::ImportAnswer { dry_run, created: 0, name_taken: 0, invalid: 0, lines: Vec::new() };
    for Judged { number, name, fate } in judged {
        let (outcome, message, id, present_as) = match fate {
            Fate::Good { .. } => (ImportOutcome::Created, None, None, None),
            Fate::Made { id, has_secret } => {
                let form = has_secret.then(|| format!("{prefix}{id}:<base64 of the secret>"));
                (ImportOutcome::Created, None, Some(id), form)
            }
            Fate::NameTaken => {
                (ImportOutcome::NameTaken, Some("Another API key has this name already.".to_owned()), None, None)
            }
            Fate::Invalid(why) => (ImportOutcome::Invalid, Some(why), None, None),
        };
        match outcome {
            ImportOutcome::Created => answer.created += 1,
            ImportOutcome::NameTaken => answer.name_taken += 1,
            ImportOutcome::Invalid => answer.invalid += 1,
        }
        answer.lines.push(wire::ImportedLine { line: number, key_name: name, outcome, message, present_as, id });
    }
    answer
}

/// Reads a JSON list, as `GET /api/apikeys/export` answers one.
pub fn read_json(bytes: &[u8]) -> Result<Vec<Line>> {
    let list: wire::ImportedApiKeys = body::parse_wide(bytes, MOST_MEMBERS)?;
    if list.api_keys.len() > MOST_LINES {
        return Err(inventory::too_many());
    }
    Ok((1_u64..).zip(list.api_keys).map(|(number, key)| line(number, key)).collect())
}

fn line(number: u64, key: wire::ImportedApiKey) -> Line {
    let name = key.key_name.clone().unwrap_or_default();
    let digest = key.secret_digest.as_deref().map(inventory::digest).transpose();
    let mut lifecycle = key.lifecycle.unwrap_or_default();
    let entry = digest.map(|digest| Entry {
        role: RoleWish { id: key.role_id.map(|Number(id)| RoleID::new(id)), name: key.role_name },
        profile: lifecycle.profile.take(),
        digest,
        wanted: Wanted {
            key_name: key.key_name,
            description: key.description,
            locale: key.locale,
            role: None,
            time_zone: key.time_zone,
            active: key.active.map(|Flag(active)| active),
            expiry: asked(key.expiry_date),
            under: under(Some(&lifecycle), key.constraints.as_ref()),
            constraints: bounds(key.constraints),
            kind: lifecycle.kind,
        },
    });
    Line { number, name, entry }
}
