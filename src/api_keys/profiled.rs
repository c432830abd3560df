//! What a key's profile has a say in when the key is made or changed: its role, its end, how many there are, what it is
//! for. Everything in the transaction of the change.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value, json};

use super::handlers::role_in_body;
use super::rules::{ApiKey, KeyPlan, Maker, Properties};
use super::secret_store::{self, NewSecret};
use super::store::{self, Provenance};
use super::under_profile::{self, Under};
use crate::administrators;
use crate::api_key_profiles::{self, Profile, RightsFrom};
use crate::api_types::{self, ApiType, KeyApiType, TypeName};
use crate::auth::{Caller, Who};
use crate::clock::Timestamp;
use crate::db::{Db, Shared};
use crate::error::{Error, Reason, Result};
use crate::id::{ApiKeyID, ApiTypeID, ProfileID, RoleID, TenantID};
use crate::name::fold;
use crate::roles::Role;
use crate::secret::SecretDigest;
use crate::tenants;

/// A key that may be made, as far as its profile is concerned.
pub(super) struct Settled {
    pub profile: Profile,
    pub role: Role,
    pub properties: Properties,
    types: Vec<ApiType>,
}

/// What a plan comes to in a tenant: its profile looked up, its role, its end and its API types by it.
pub(super) fn settle<R, V>(
    db: &mut Db,
    shared: &mut Shared,
    caller: &Caller<R, V>,
    tenant: TenantID,
    plan: KeyPlan,
    now: Timestamp,
) -> Result<Settled> {
    let profile = profile_in_body(db, shared, tenant, plan.asked_under())?;
    let issuers = match profile.rights_from {
        RightsFrom::Role => None,
        RightsFrom::Issuer => Some(issuers_role(db, caller, tenant)?),
    };
    let types = api_types::named(db, tenant, plan.asked_under().wanted_types())?;
    let properties = plan.under(&profile, &types, issuers, now)?;
    let role = shared.recall(RoleOf(tenant, properties.role), || role_in_body(db, tenant, &properties))?;
    Ok(Settled { profile, role, properties, types })
}

/// Makes the key, if the profile has room for it.
pub(super) fn insert(
    db: &mut Db,
    shared: &mut Shared,
    made_by: Provenance,
    settled: &Settled,
    digest: SecretDigest,
    now: Timestamp,
) -> Result<ApiKey> {
    must_have_room(db, shared, made_by.tenant(), &settled.profile, &settled.properties, None)?;
    put_in(db, shared, made_by, settled, Some(digest), now)
}

/// Makes the key, for which there is room; without a digest it lets nobody in.
pub(super) fn put_in(
    db: &mut Db,
    shared: &mut Shared,
    made_by: Provenance,
    settled: &Settled,
    digest: Option<SecretDigest>,
    now: Timestamp,
) -> Result<ApiKey> {
    let key = store::insert(db, shared, made_by, settled.profile.id, &settled.properties, now)?;
    if let Some(digest) = digest {
        shared.write_later(db, NewSecret::of(made_by.tenant(), key.id, digest, now))?;
    }
    if !settled.types.is_empty() {
        shared.write_waiting(db)?;
        api_types::set_of_key(db, made_by.tenant(), key.id, &settled.types)?;
    }
    Ok(key)
}

/// Profiles and API types for many keys of one tenant, each looked up once; and how many keys there are where a profile
/// counts them. What a caller brought about stands in the inner results, in words for the line that it is about.
pub(super) struct Batch {
    tenant: TenantID,
    profiles: BTreeMap<ProfileID, Profile>,
    default: ProfileID,
    issuers: Option<Result<RoleID, String>>,
    types: HashMap<Vec<String>, Result<Vec<ApiType>, String>>,
    counts: HashMap<(ProfileID, Option<String>), i64>,
}

/// A refusal in words; what is no caller's doing stays an error.
fn in_words<T>(outcome: Result<T>) -> Result<Result<T, String>> {
    match outcome {
        Ok(value) => Ok(Ok(value)),
        Err(error) if error.reason().status() < 500 => Ok(Err(error.message().to_owned())),
        Err(error) => Err(error),
    }
}

impl Batch {
    /// As things are.
    pub fn new(db: &mut Db, tenant: TenantID) -> Result<Self> {
        let default = api_key_profiles::default_id(db, tenant)?;
        let profiles = api_key_profiles::all_for(db, tenant)?;
        let (types, counts) = (HashMap::new(), HashMap::new());
        Ok(Self { tenant, profiles, default, issuers: None, types, counts })
    }

    /// These profiles stay as they are until the transaction ends, and so do the numbers of their keys.
    pub fn keep(&mut self, db: &mut Db, used: &BTreeSet<ProfileID>) -> Result<()> {
        for id in used {
            match api_key_profiles::find_to_use(db, self.tenant, *id)? {
                Some(profile) => self.profiles.insert(*id, profile),
                None => self.profiles.remove(id),
            };
        }
        let mut used = used.iter().filter_map(|id| self.profiles.get(id));
        if used.any(|profile| profile.rights_from == RightsFrom::Issuer || under_profile::ever_counts(profile)) {
            tenants::hold(db, self.tenant)?;
        }
        Ok(())
    }

    /// The profile that is meant by its ID, by its name, or by neither: the tenant's default.
    pub fn profile(&self, id: Option<ProfileID>, name: Option<&str>) -> Result<&Profile, String> {
        let unknown =
            || "lifecycle.profileID: there is no such profile. GET /api/apikeyprofiles lists them.".to_owned();
        let by_name = match name {
            None => None,
            Some(name) => {
                let wanted = fold(name);
                let named = self.profiles.values().find(|profile| fold(&profile.name) == wanted);
                Some(named.ok_or_else(|| {
                    "lifecycle.profile: there is no profile of that name. GET /api/apikeyprofiles lists them."
                        .to_owned()
                })?)
            }
        };
        match (id, by_name) {
            // a number that meant another profile where the key comes from
            (Some(id), Some(named)) if named.id != id => {
                Err("lifecycle: profileID and profile are two profiles here: leave one of them out.".to_owned())
            }
            (_, Some(named)) => Ok(named),
            (id, None) => self.profiles.get(&id.unwrap_or(self.default)).ok_or_else(unknown),
        }
    }

    /// The role of whoever makes the keys, where the profile asks for that.
    pub fn issuers<R, V>(
        &mut self,
        db: &mut Db,
        caller: &Caller<R, V>,
        profile: &Profile,
    ) -> Result<Result<Option<RoleID>, String>> {
        if profile.rights_from == RightsFrom::Role {
            return Ok(Ok(None));
        }
        if self.issuers.is_none() {
            self.issuers = Some(in_words(role_of_issuer(db, caller))?);
        }
        Ok(self.issuers.clone().transpose())
    }

    /// What a plan comes to under its profile, in a role that was looked up.
    pub fn settle(
        &mut self,
        db: &mut Db,
        plan: KeyPlan,
        profile: &Profile,
        (role, issuers): (Role, Option<RoleID>),
        now: Timestamp,
    ) -> Result<Result<Settled, String>> {
        let wanted = plan.asked_under().wanted_types();
        let names: Vec<String> = wanted.iter().map(TypeName::folded).collect();
        let types = match self.types.get(&names) {
            Some(known) => known.clone(),
            None => {
                let found = in_words(api_types::named(db, self.tenant, wanted))?;
                self.types.insert(names, found.clone());
                found
            }
        };
        let types = match types {
            Ok(types) => types,
            Err(why) => return Ok(Err(why)),
        };
        let settled = plan.under(profile, &types, issuers, now);
        let settled = settled.map(|properties| Settled { profile: profile.clone(), role, properties, types });
        in_words(settled)
    }

    /// Takes the place of one key more, if its profile has room for it.
    pub fn take_room(&mut self, db: &mut Db, settled: &Settled) -> Result<Result<(), String>> {
        let (profile, target) = (&settled.profile, settled.properties.constraints.target.as_deref());
        if !under_profile::counts(profile, target) {
            return Ok(Ok(()));
        }
        let all = self.count(db, profile.id, None)?;
        let of_target = self.count(db, profile.id, target)?;
        let room = under_profile::must_have_room(profile, target, all, of_target);
        if room.is_ok() {
            *self.counts.entry((profile.id, None)).or_default() += 1;
            if let Some(target) = target {
                *self.counts.entry((profile.id, Some(target.to_owned()))).or_default() += 1;
            }
        }
        in_words(room)
    }

    fn count(&mut self, db: &mut Db, profile: ProfileID, target: Option<&str>) -> Result<i64> {
        let of = (profile, target.map(str::to_owned));
        if let Some(known) = self.counts.get(&of) {
            return Ok(*known);
        }
        let count = store::count_of_profile(db, self.tenant, profile, target, None)?;
        self.counts.insert(of, count);
        Ok(count)
    }
}

impl Settled {
    /// What a new key's event says of it.
    pub fn details(&self) -> Value {
        let mut details = json!({ "role": self.role.name, "expiryDate": self.properties.expiry });
        if self.profile.id != ProfileID::DEEP_SECURITY {
            details["profile"] = json!(self.profile.name);
        }
        if let Some(target) = &self.properties.constraints.target {
            details["target"] = json!(target);
        }
        if !self.types.is_empty() {
            details["apiTypes"] = names(self.types.iter().map(|kind| &kind.name));
        }
        details
    }
}

fn names<'n>(names: impl Iterator<Item = &'n String>) -> Value {
    names.map(|name| json!(name)).collect()
}

/// The profile that a body names, or the tenant's default; it stays as it is until the key is made.
fn profile_in_body(db: &mut Db, shared: &mut Shared, tenant: TenantID, under: &Under) -> Result<Profile> {
    let id = match named_profile(db, tenant, under)? {
        Some(id) => id,
        None => shared.recall(DefaultOf(tenant), || api_key_profiles::default_id(db, tenant))?,
    };
    shared.recall(ProfileOf(tenant, id), || {
        api_key_profiles::find_to_use(db, tenant, id)?.ok_or_else(|| unknown_profile("profileID"))
    })
}

/// Which profile a tenant's keys have that name none.
#[derive(PartialEq, Eq, Hash)]
struct DefaultOf(TenantID);

/// A profile that a tenant's keys can have.
#[derive(PartialEq, Eq, Hash)]
struct ProfileOf(TenantID, ProfileID);

/// A role that a tenant's keys can have.
#[derive(PartialEq, Eq, Hash)]
struct RoleOf(TenantID, RoleID);

fn unknown_profile(member: &str) -> Error {
    let message = format!("lifecycle.{member}: there is no such profile. GET /api/apikeyprofiles lists them.");
    Error::new(Reason::UnknownProfile, message)
}

/// The profile that a body names, by its number, by its name, or by both, which must be those of one.
fn named_profile(db: &mut Db, tenant: TenantID, under: &Under) -> Result<Option<ProfileID>> {
    let Some(name) = &under.profile_name else { return Ok(under.profile) };
    let profiles = api_key_profiles::all_for(db, tenant)?;
    let known = profiles.values().find(|profile| fold(&profile.name) == fold(name)).map(|profile| profile.id);
    match (under.profile, known) {
        (Some(id), known) if known != Some(id) => {
            let expected = format!("the name of the profile {id}, which profileID names, or nothing");
            Err(Error::member("lifecycle.profile", &expected))
        }
        (_, None) => Err(unknown_profile("profile")),
        (_, known) => Ok(known),
    }
}

/// A key lives under one profile for life.
pub(super) fn must_keep_profile(db: &mut Db, tenant: TenantID, key: &ApiKey, under: &Under) -> Result<()> {
    match named_profile(db, tenant, under)? {
        Some(wanted) if wanted != key.profile => {
            let message = "lifecycle.profileID: the key has another profile, which stays for life. Delete it first, or \
                           leave the member out.";
            Err(Error::new(Reason::Conflict, message))
        }
        _ => Ok(()),
    }
}

/// The API types that a key is for, where that matters to whoever lays hands on it.
pub(super) fn types_for(db: &mut Db, tenant: TenantID, maker: &Maker, key: ApiKeyID) -> Result<Vec<ApiTypeID>> {
    if !maker.has_types() {
        return Ok(Vec::new());
    }
    Ok(api_types::of_key(db, tenant, key)?.into_iter().map(|kind| kind.id).collect())
}

/// Another end of a key lies within what its profile allows.
pub(super) fn must_lie_within(
    db: &mut Db,
    tenant: TenantID,
    profile: &Profile,
    key: &ApiKey,
    end: Option<Timestamp>,
) -> Result<()> {
    if profile.min_validity.is_none() && profile.max_validity.is_none() {
        return Ok(());
    }
    let since = secret_store::made(db, tenant, key.id)?.unwrap_or(key.created);
    under_profile::must_lie_within(profile, end, since)
}

/// The profile that a key lives under.
pub(super) fn profile_of(db: &mut Db, tenant: TenantID, key: &ApiKey) -> Result<Profile> {
    let profile = api_key_profiles::find_for(db, tenant, key.profile)?;
    profile.ok_or_else(|| Error::internal("a key's profile is gone"))
}

/// The role of a person who makes a key that has the rights of its maker. Whoever gives them another one comes after
/// this transaction, and finds the key.
fn issuers_role<R, V>(db: &mut Db, caller: &Caller<R, V>, tenant: TenantID) -> Result<RoleID> {
    if matches!(caller.who(), Who::Administrator(_)) && tenant != caller.tenant().id {
        let expected = "a key of this profile has the rights of whoever makes it, who must be of the key's own tenant; name another profile";
        return Err(Error::member("lifecycle.profileID", expected));
    }
    tenants::hold(db, tenant)?;
    role_of_issuer(db, caller)
}

fn role_of_issuer<R, V>(db: &mut Db, caller: &Caller<R, V>) -> Result<RoleID> {
    let Who::Administrator(session) = caller.who() else {
        let message = "A key of this profile has the rights of the person who makes it: use a session, or name another \
                       profile in lifecycle.profileID.";
        return Err(Error::new(Reason::WrongCredentialKind, message));
    };
    let role = administrators::role_of_self(db, caller, session.administrator)?;
    role.ok_or_else(|| Error::internal("somebody who stands is gone"))
}

/// The count stands until the transaction ends: whoever wants to add a key that is counted waits for the same row.
fn must_have_room(
    db: &mut Db,
    shared: &mut Shared,
    tenant: TenantID,
    profile: &Profile,
    properties: &Properties,
    but: Option<ApiKeyID>,
) -> Result<()> {
    let target = properties.constraints.target.as_deref();
    if !under_profile::counts(profile, target) {
        return Ok(());
    }
    shared.write_waiting(db)?;
    tenants::hold(db, tenant)?;
    let all = store::count_of_profile(db, tenant, profile.id, None, but)?;
    let of_target = store::count_of_profile(db, tenant, profile.id, target, but)?;
    under_profile::must_have_room(profile, target, all, of_target)
}

/// Takes the lock that a change of target needs, before the key's own: everybody takes them in that order.
pub(super) fn prepare<R, V>(db: &mut Db, caller: &Caller<R, V>, under: &Under) -> Result<()> {
    if under.target.is_some() { tenants::hold(db, caller.tenant().id) } else { Ok(()) }
}

/// What a change comes to under the key's profile.
pub(super) struct Changed {
    pub properties: Properties,
    /// Other API types than it was for.
    types: Option<Vec<ApiType>>,
    /// Whether the secret must be replaced for it.
    pub replaces_secret: bool,
    /// What it was for.
    before: Vec<KeyApiType>,
}

/// Judges a change by the profile of the key: `new` is what comes of it otherwise.
pub(super) fn change<R, V>(
    db: &mut Db,
    caller: &Caller<R, V>,
    old: &ApiKey,
    mut new: Properties,
    under: &Under,
    maker: &Maker,
    now: Timestamp,
) -> Result<Changed> {
    let tenant = caller.tenant().id;
    let profile = profile_of(db, tenant, old)?;
    if new.expiry != old.properties.expiry {
        must_lie_within(db, tenant, &profile, old, new.expiry)?;
    }
    if let Some(wanted) = &under.target {
        new.constraints.target = under_profile::target(&profile, wanted.as_ref())?;
    }
    let before = api_types::of_key(db, tenant, old.id)?;
    let types = match &under.api_types {
        None => None,
        Some(wanted) => {
            let types = api_types::named(db, tenant, wanted)?;
            under_profile::must_have_types(&profile, &types)?;
            under_profile::are_others(&before, &types).then_some(types)
        }
    };
    if let Some(types) = types.as_ref().filter(|types| under_profile::are_more(&before, types)) {
        maker.may_add_types_to(old, &new, &types.iter().map(|kind| kind.id).collect::<Vec<_>>())?;
    }
    under_profile::must_keep_role(&profile, &old.properties, &new)?;
    if new.constraints.target != old.properties.constraints.target {
        must_have_room(db, &mut Shared::default(), tenant, &profile, &new, Some(old.id))?;
    }
    let replaces_secret = types.is_some() && profile.replace_secret_on_type_change;
    if replaces_secret && new.expiry == old.properties.expiry {
        new.expiry = under_profile::end_of_renewed(&profile, new.expiry, maker.expires, now);
    }
    Ok(Changed { properties: new, types, replaces_secret, before })
}

impl Changed {
    /// The API types that the key is for from now on.
    pub fn type_ids(&self) -> Vec<ApiTypeID> {
        match &self.types {
            Some(types) => types.iter().map(|kind| kind.id).collect(),
            None => self.before.iter().map(|kind| kind.id).collect(),
        }
    }

    /// Stores which API types the key is for now.
    pub fn store_types<R, V>(&self, db: &mut Db, caller: &Caller<R, V>, id: ApiKeyID) -> Result<()> {
        match &self.types {
            Some(types) => api_types::set_of_key(db, caller.tenant().id, id, types),
            None => Ok(()),
        }
    }

    /// Adds the API types to what an event tells of a change.
    pub fn told(&self, mut details: Value) -> Value {
        if let Some(types) = &self.types {
            let from = names(self.before.iter().map(|kind| &kind.name));
            details["apiTypes"] = json!({ "from": from, "to": names(types.iter().map(|kind| &kind.name)) });
        }
        details
    }
}
