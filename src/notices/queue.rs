//! What goes into the outbox when something has happened, in the same transaction.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde_json::{Value, json};

use super::rules::{KeyNews, MOST_CREATED, NewNotice, rung};
use super::store;
use crate::administrators;
use crate::api_key_profiles::{self, Ladder, Visibility};
use crate::api_keys::{self, Written};
use crate::audit::{Actor, Event, EventKind};
use crate::clock::{HOUR, Timestamp};
use crate::contacts;
use crate::db::{Db, Shared};
use crate::error::Result;
use crate::id::{ApiKeyID, RoleID, TenantID, WebhookID};
use crate::name::fold;
use crate::rights::{Demand as _, Reach, Rights, ViewApiKeys};
use crate::roles;
use crate::secret::random_bytes;
use crate::webhooks::{self, HookEvent};

/// The kind of a mail about a new key.
pub(super) const CREATED: &str = "mail.apikey.created";
/// The kind of a mail about a key that ends.
pub(super) const ENDING: &str = "mail.apikey.ending";
/// The kind of a message that tells of nothing.
pub(super) const TEST: &str = "webhook.test";

/// People whom one notice about a key is sent to besides its issuer, at most; of each kind the first to have been made.
const MOST_PEOPLE: i64 = 50;

/// What an event means for webhooks; most mean nothing.
fn told_as(event: &Event) -> Option<HookEvent> {
    match event.kind() {
        EventKind::ApiKeyCreated => Some(HookEvent::KeyCreated),
        // a secret that is taken back is another one again
        EventKind::ApiKeySecretReplaced | EventKind::ApiKeyRefreshed | EventKind::ApiKeyRotationUndone => {
            Some(HookEvent::KeyRotated)
        }
        EventKind::ApiKeyDeleted => Some(HookEvent::KeyRevoked),
        EventKind::ApiKeyUpdated if event.details()["active"]["to"] == json!(false) => Some(HookEvent::KeyLocked),
        EventKind::ClaimReused => Some(HookEvent::ClaimReused),
        EventKind::AdministratorLocked => Some(HookEvent::AdministratorLocked),
        EventKind::SignInThrottled => Some(HookEvent::SignInThrottled),
        _ => None,
    }
}

/// Puts into the outbox what an event means for webhooks and, where there is mail, for people.
pub fn tell(
    db: &mut Db,
    shared: &mut Shared,
    actor: &Actor,
    now: Timestamp,
    event: &Event,
    with_mail: bool,
) -> Result<()> {
    if let Some(told) = told_as(event) {
        let wanting = webhooks::wanting_as_known(db, shared, actor.tenant, told)?;
        tell_webhooks(db, actor, now, event, told, wanting)?;
    }
    let key = match event.target().kind() {
        "apiKey" => event.target().id().map(ApiKeyID::new),
        _ => None,
    };
    match (event.kind(), key) {
        (EventKind::ApiKeyCreated, Some(key)) if with_mail => {
            // who is to be told is found by the key's row
            shared.write_waiting(db)?;
            tell_issuer(db, actor, now, event, key)
        }
        (EventKind::ApiKeyUpdated, Some(key)) if event.details().get("expiryDate").is_some() => {
            tell_if_near(db, actor.tenant, key, now, with_mail)
        }
        _ => Ok(()),
    }
}

fn tell_webhooks(
    db: &mut Db,
    actor: &Actor,
    now: Timestamp,
    event: &Event,
    told: HookEvent,
    wanting: Vec<WebhookID>,
) -> Result<()> {
    let target = event.target();
    for webhook in wanting {
        let mut data = json!({
            "actor": { "type": actor.kind(), "ID": actor.id(), "name": actor.name() },
            "details": event.details(),
        });
        if !target.kind().is_empty() {
            data[target.kind()] = json!({ "ID": target.id(), "name": target.name() });
        }
        let notice = message(actor.tenant, webhook, told.as_str(), now, data, String::new());
        match told {
            // whoever guesses at many names would otherwise have a call made for each handful
            HookEvent::SignInThrottled => {
                let hour = now.millis().div_euclid(HOUR);
                let dedupe = format!("webhook/{webhook}/{}/{}/{hour}", told.as_str(), target.id().unwrap_or_default());
                store::insert_once(db, &NewNotice { dedupe, ..notice }, now)?;
            }
            _ => store::insert(db, &NewNotice { dedupe: fresh()?, ..notice }, now)?,
        }
    }
    Ok(())
}

/// What tells nothing of its own from others of its kind: each is a notice of its own.
fn fresh() -> Result<String> {
    Ok(format!("event/{}", data_encoding::HEXLOWER.encode(random_bytes::<16>()?.as_ref())))
}

/// A message as it will be signed and sent (Standard Webhooks 1.0: `type`, `timestamp`, `data`).
fn message(
    tenant: TenantID,
    webhook: WebhookID,
    kind: &'static str,
    now: Timestamp,
    data: Value,
    dedupe: String,
) -> NewNotice {
    let payload = json!({ "type": kind, "timestamp": now.to_string(), "data": data }).to_string();
    NewNotice { tenant, dedupe, webhook: Some(webhook), recipient: String::new(), kind, payload }
}

/// Has a webhook told that this is a test.
pub fn test_webhook(db: &mut Db, tenant: TenantID, id: WebhookID, name: &str, now: Timestamp) -> Result<()> {
    let data = json!({ "webhook": { "ID": id, "name": name } });
    Ok(store::insert(db, &message(tenant, id, TEST, now, data, fresh()?), now)?)
}

/// A mail to the person in whose name a key was minted, whoever or whatever did it.
fn tell_issuer(db: &mut Db, actor: &Actor, now: Timestamp, event: &Event, key: ApiKeyID) -> Result<()> {
    let tenant = actor.tenant;
    let Some(written) = api_keys::written(db, tenant, key)? else { return Ok(()) };
    let Some(address) = issuer_of(db, tenant, key)? else { return Ok(()) };
    let so_far = store::count_to(db, &address, CREATED, now.minus(HOUR))?;
    if so_far >= MOST_CREATED {
        return Ok(());
    }
    let news = KeyNews {
        role: event.details()["role"].as_str().unwrap_or_default().to_owned(),
        created: Some(now),
        by: actor.name().to_owned(),
        by_kind: actor.kind().to_owned(),
        last: so_far + 1 == MOST_CREATED,
        ..news_of(&written)
    };
    let dedupe = format!("created/{key}/{}", fold(&address));
    store::insert_once(db, &mail(tenant, CREATED, address, &news, dedupe), now)?;
    Ok(())
}

fn issuer_of(db: &mut Db, tenant: TenantID, key: ApiKeyID) -> Result<Option<String>> {
    match api_keys::person_behind(db, tenant, key)? {
        Some(person) => administrators::address_of(db, tenant, person),
        None => Ok(None),
    }
}

fn news_of(key: &Written) -> KeyNews {
    KeyNews {
        id: key.id,
        name: key.key_name.clone(),
        expiry: key.expiry_date,
        locale: key.locale.clone(),
        time_zone: key.time_zone.clone(),
        role: String::new(),
        created: None,
        by: String::new(),
        by_kind: String::new(),
        last: false,
    }
}

fn mail(tenant: TenantID, kind: &'static str, recipient: String, news: &KeyNews, dedupe: String) -> NewNotice {
    NewNotice { tenant, dedupe, webhook: None, recipient, kind, payload: json!(news).to_string() }
}

/// A key whose end was moved onto a step of its ladder is told at once: it has come to that step without anybody
/// seeing it come.
fn tell_if_near(db: &mut Db, tenant: TenantID, id: ApiKeyID, now: Timestamp, with_mail: bool) -> Result<()> {
    let Some(key) = api_keys::written(db, tenant, id)? else { return Ok(()) };
    let Some(expiry) = key.expiry_date.filter(|at| *at > now) else { return Ok(()) };
    let ladders = api_key_profiles::ladders(db, tenant)?;
    let Some(ladder) = ladders.iter().find(|ladder| ladder.profile == key.profile_id) else { return Ok(()) };
    let Some(before) = rung(&ladder.warn_before, expiry, now) else { return Ok(()) };
    let mut circle = Circle::new(tenant);
    if with_mail {
        circle.write(db, &key, ladder, before, now)?;
    }
    circle.call(db, &key, before, now).map(drop)
}

/// Everybody of a tenant who is told that keys end, looked up once for many keys.
pub(super) struct Circle {
    tenant: TenantID,
    people: Option<People>,
    webhooks: BTreeMap<HookEvent, Vec<WebhookID>>,
}

struct People {
    /// Addresses of those who may see keys that only their issuers see otherwise.
    full: Vec<String>,
    /// Addresses of all who may see keys.
    all: Vec<String>,
}

impl Circle {
    /// Of a tenant; nothing is looked up yet.
    pub fn new(tenant: TenantID) -> Self {
        Self { tenant, people: None, webhooks: BTreeMap::new() }
    }

    fn people(&mut self, db: &mut Db) -> Result<&People> {
        if self.people.is_none() {
            self.people = Some(self.look_up(db)?);
        }
        Ok(self.people.get_or_insert_with(|| People { full: Vec::new(), all: Vec::new() }))
    }

    /// Administrators who asked for notices, as far as they may see keys; and contacts.
    fn look_up(&self, db: &mut Db) -> Result<People> {
        let mut known: BTreeMap<RoleID, (bool, bool)> = BTreeMap::new();
        let (mut full, mut all) = (Vec::new(), Vec::new());
        for (role, address) in administrators::notified(db, self.tenant, MOST_PEOPLE)? {
            let (sees, has_all) = match known.entry(role) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(new) => {
                    let grant = roles::find_for(db, self.tenant, role)?.map(|role| role.grant).unwrap_or_default();
                    let sees = ViewApiKeys::RIGHT.is_some_and(|right| grant.rights.contains(right));
                    let has_all = grant.rights == Rights::all() && Reach::everything().is_within(&grant.reach);
                    *new.insert((sees, has_all))
                }
            };
            if has_all {
                full.push(address.clone());
            }
            if sees {
                all.push(address);
            }
        }
        all.extend(contacts::addresses(db, self.tenant, MOST_PEOPLE)?);
        Ok(People { full, all })
    }

    /// Mail to everybody about a key that has come to a step of its ladder, to each address once; how many are new.
    pub fn write(&mut self, db: &mut Db, key: &Written, ladder: &Ladder, before: i64, now: Timestamp) -> Result<usize> {
        let Some(expiry) = key.expiry_date else { return Ok(0) };
        let issuer = issuer_of(db, self.tenant, key.id)?;
        let tenant = self.tenant;
        let people = self.people(db)?;
        let others = match ladder.visibility {
            Visibility::All => &people.all,
            Visibility::Own => &people.full,
        };
        let news = news_of(key);
        let mut told = 0;
        for address in issuer.iter().chain(others) {
            let dedupe = format!("{}/{}/mail/{}", key.id, step(expiry, before), fold(address));
            told += usize::from(store::insert_once(db, &mail(tenant, ENDING, address.clone(), &news, dedupe), now)?);
        }
        Ok(told)
    }

    /// The same for webhooks; the step 0 is the end itself.
    pub fn call(&mut self, db: &mut Db, key: &Written, before: i64, now: Timestamp) -> Result<usize> {
        let Some(expiry) = key.expiry_date else { return Ok(0) };
        let event = if before == 0 { HookEvent::KeyExpired } else { HookEvent::KeyExpiring };
        if !self.webhooks.contains_key(&event) {
            self.webhooks.insert(event, webhooks::wanting(db, self.tenant, event)?);
        }
        let mut told = 0;
        for webhook in self.webhooks.get(&event).into_iter().flatten() {
            let data = json!({ "apiKey": { "ID": key.id, "name": key.key_name }, "details": { "expiryDate": expiry } });
            let dedupe = format!("{}/{}/webhook/{webhook}", key.id, step(expiry, before));
            let notice = message(self.tenant, *webhook, event.as_str(), now, data, dedupe);
            told += usize::from(store::insert_once(db, &notice, now)?);
        }
        Ok(told)
    }
}

/// Whether a tenant has webhooks that are told when keys end.
pub(super) fn has_webhooks(db: &mut Db, tenant: TenantID) -> Result<bool> {
    let mut some = |event| webhooks::wanting(db, tenant, event).map(|found| !found.is_empty());
    Ok(some(HookEvent::KeyExpiring)? || some(HookEvent::KeyExpired)?)
}

/// A step of the ladder that leads to one end: another end has steps of its own.
fn step(expiry: Timestamp, before: i64) -> String {
    format!("ends/{}/{before}", expiry.millis())
}
