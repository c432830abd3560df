//! `POST /api/apikeys/import`: keys from elsewhere, as a list. Their holders may keep the secrets that they have: the
//! list brings digests of them, and each answer says which number to put in front.

use std::collections::{BTreeMap, HashMap, HashSet};

use actix_web::web::Json;
use serde_json::json;

use super::handlers::{maker, target};
use super::inventory::{self, Entry, Line, MOST_LINES, RoleWish};
use super::rules::{Expiry, KeyPlan, Maker, Properties};
use super::store::{self, Provenance};
use crate::app::App;
use crate::audit::{Event, EventKind, Target};
use crate::auth::Caller;
use crate::body::{self, Query, Upload};
use crate::clock::Timestamp;
use crate::db::Db;
use crate::error::{Error, Reason, Result};
use crate::id::{ApiKeyID, ProfileID, RoleID, TenantID};
use crate::locale::TimeZone;
use crate::name::fold;
use crate::rights::ImportApiKeys;
use crate::roles::{self, Role};
use crate::secret::SecretDigest;
use crate::wire::{self, Flag, ImportOutcome, Number, Patch};

/// The most members of a list, all keys together.
const MOST_MEMBERS: usize = 24 * MOST_LINES;
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
    let (now, maker, zone) = (app.now(), maker(&caller), app.time_zone);
    // lists know of no profiles, and so of no API types
    maker.may_make_untied_keys()?;
    if dry_run {
        let me = caller.clone();
        let judged = app.database.read(move |db| judge(db, me.tenant().id, lines, &maker, zone, now)).await?;
        return Ok(Json(answer(judged, true, &caller)));
    }
    let judged = app
        .change_across(&caller, move |db, caller| {
            let mut judged = judge(db, caller.tenant().id, lines, &maker, zone, now)?;
            if !skip_invalid {
                must_all_be(&judged)?;
            }
            let events = insert(db, caller, &mut judged, now)?;
            Ok((judged, events))
        })
        .await?;
    Ok(Json(answer(judged, false, &caller)))
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
        properties: Box<Properties>,
        role: RoleID,
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

/// What the lines come to as things are: names that are taken, here or further up, and roles that the caller must not
/// hand out.
fn judge(
    db: &mut Db,
    tenant: TenantID,
    lines: Vec<Line>,
    maker: &Maker,
    zone: TimeZone,
    now: Timestamp,
) -> Result<Vec<Judged>> {
    let mut roles = Roles::default();
    let mut judged = Vec::with_capacity(lines.len());
    for line in lines {
        let fate = match line.entry {
            Err(why) => Fate::Invalid(why),
            Ok(entry) => match plan(db, tenant, &mut roles, entry, maker, zone, now)? {
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
    Ok(judged)
}

/// A key to be made of an entry, or why it cannot be.
fn plan(
    db: &mut Db,
    tenant: TenantID,
    roles: &mut Roles,
    entry: Entry,
    maker: &Maker,
    zone: TimeZone,
    now: Timestamp,
) -> Result<Result<Fate, String>> {
    let Entry { mut wanted, role, digest } = entry;
    let role = match roles.find(db, tenant, role)? {
        Ok(role) => role,
        Err(why) => return Ok(Err(why)),
    };
    wanted.role = Some(role.id);
    let said = |error: Error| error.message().to_owned();
    let plan = maker.must_cover(&role.grant, "The role").and_then(|()| KeyPlan::new(wanted, maker, zone, now));
    let properties = plan.and_then(KeyPlan::alone).map_err(said);
    Ok(properties.map(|properties| Fate::Good { properties: Box::new(properties), role: role.id, digest }))
}

/// Roles by what lines call them, each looked up once.
#[derive(Default)]
struct Roles {
    known: HashMap<RoleWish, Result<Role, String>>,
    names: Option<BTreeMap<RoleID, String>>,
}

impl Roles {
    fn find(&mut self, db: &mut Db, tenant: TenantID, wish: RoleWish) -> Result<Result<Role, String>> {
        if let Some(known) = self.known.get(&wish) {
            return Ok(known.clone());
        }
        let found = self.look_up(db, tenant, &wish)?;
        self.known.insert(wish, found.clone());
        Ok(found)
    }

    fn look_up(&mut self, db: &mut Db, tenant: TenantID, wish: &RoleWish) -> Result<Result<Role, String>> {
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
        let Some(id) = id else { return Ok(Err("roleID, or the name of a role, is needed.".to_owned())) };
        let role = roles::find_for(db, tenant, id)?;
        Ok(role.ok_or_else(|| "roleID: there is no such role.".to_owned()))
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
    let names = roles::names_for(db, caller.tenant().id)?;
    let mut skipped = 0;
    for line in judged {
        let Fate::Good { properties, role, digest } = &line.fate else {
            skipped += 1;
            continue;
        };
        // lists know of no profiles: these are Deep Security's
        let made_by = Provenance::of(caller);
        let key = store::insert(db, made_by, ProfileID::DEEP_SECURITY, properties, *digest, now)?;
        let details = json!({
            "role": names.get(role), "expiryDate": key.properties.expiry, "imported": true,
            "hasSecret": digest.is_some(),
        });
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
    let entry = digest.map(|digest| Entry {
        role: RoleWish { id: key.role_id.map(|Number(id)| RoleID::new(id)), name: key.role_name },
        digest,
        wanted: super::rules::Wanted {
            key_name: key.key_name,
            description: key.description,
            locale: key.locale,
            time_zone: key.time_zone,
            active: key.active.map(|Flag(active)| active),
            expiry: match key.expiry_date {
                Patch::Absent => Expiry::Unsaid,
                Patch::Null => Expiry::Never,
                Patch::Value(Number(millis)) => Expiry::from_millis(millis),
            },
            ..super::rules::Wanted::default()
        },
    });
    Line { number, name, entry }
}
