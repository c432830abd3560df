//! `/api/apikeyprofiles`.

use actix_web::HttpResponse;
use actix_web::web::Json;
use serde_json::{Value, json};

use super::rules::{Changes, Profile, Wanted};
use super::store;
use crate::api_keys;
use crate::app::App;
use crate::audit::{self, Event, EventKind, differences_of};
use crate::auth::Caller;
use crate::body::{Body, InPath};
use crate::constraints::Limit;
use crate::duration::Duration;
use crate::error::{Error, Reason, Result};
use crate::id::ProfileID;
use crate::list::{self, Found, Piece};
use crate::rights::{EditSettings, ViewSettings};
use crate::search::Filter;
use crate::wire::{self, Flag, Number, Patch};

/// Every profile that the tenant's keys can have.
pub async fn list(caller: Caller<ViewSettings>, app: App) -> Result<HttpResponse> {
    list::answer("apiKeyProfiles", move |after| {
        let (caller, app) = (caller.clone(), app.clone());
        async move {
            let after = ProfileID::new(after);
            let read = move |db: &mut _| {
                Ok((store::list(db, &caller, after, list::PIECE)?, store::default_id(db, caller.tenant().id)?))
            };
            let (profiles, default) = app.database.read(read).await?;
            let last = profiles.last().map(|profile| profile.id.get());
            Ok(Piece { last, items: profiles.into_iter().map(|profile| shown(profile, default)).collect() })
        }
    })
    .await
}

/// Profiles by criteria.
pub async fn search(
    caller: Caller<ViewSettings>,
    filter: Body<wire::SearchFilter>,
    app: App,
) -> Result<Found<wire::Profiles>> {
    let filter = Filter::read(filter.0)?;
    let read = move |db: &mut _| Ok((store::search(db, &caller, filter)?, store::default_id(db, caller.tenant().id)?));
    let (profiles, default) = app.database.read(read).await?;
    let shown = profiles.into_iter().map(|profile| shown(profile, default)).collect::<Vec<_>>();
    Ok(Found(shown.len(), wire::Profiles { api_key_profiles: shown }))
}

/// One profile.
pub async fn describe(caller: Caller<ViewSettings>, id: InPath<ProfileID>, app: App) -> Result<Json<wire::Profile>> {
    let read = move |db: &mut _| {
        let tenant = caller.tenant().id;
        Ok((store::find_for(db, tenant, id.0)?, store::default_id(db, tenant)?))
    };
    let (profile, default) = app.database.read(read).await?;
    Ok(Json(shown(profile.ok_or_else(no_such_profile)?, default)))
}

/// Makes a profile.
pub async fn create(
    caller: Caller<EditSettings>,
    body: Body<wire::NewProfile>,
    app: App,
) -> Result<Json<wire::Profile>> {
    let becomes_default = body.0.default.is_some_and(|Flag(on)| on);
    let profile = Changes::new(body.0.into())?.into_new(caller.tenant().id)?;
    let (profile, default) = app
        .change(&caller, move |db, caller| {
            let profile = store::insert(db, caller, profile)?;
            if becomes_default {
                store::make_default(db, caller, profile.id)?;
            }
            let default = store::default_id(db, caller.tenant().id)?;
            let event = Event::new(EventKind::ProfileCreated, target(&profile)).with(contents(&profile, default));
            Ok(((profile, default), event))
        })
        .await?;
    Ok(Json(shown(profile, default)))
}

/// Changes what is sent of a profile; the keys that live under it feel it on their next call.
pub async fn modify(
    caller: Caller<EditSettings>,
    id: InPath<ProfileID>,
    body: Body<wire::ProfileChange>,
    app: App,
) -> Result<Json<wire::Profile>> {
    let wants_default = body.0.default.map(|Flag(on)| on);
    let changes = Changes::new(body.0.into())?;
    let (profile, default) = app
        .change(&caller, move |db, caller| {
            let tenant = caller.tenant().id;
            let old = store::find_to_change(db, caller, id.0)?.ok_or_else(no_such_profile)?;
            let new = changes.applied_to(&old)?;
            let has_keys = api_keys::any_of_profile(db, tenant, old.id)?;
            old.may_become(&new, has_keys)?;
            if has_keys && old.throttle.lets_through_less_than(&new.throttle) {
                must_be_free(caller)?;
            }
            let before = store::default_id(db, tenant)?;
            match wants_default {
                Some(true) => store::make_default(db, caller, old.id)?,
                Some(false) if before == old.id => return Err(one_is_the_default()),
                _ => {}
            }
            if new != old {
                store::update(db, caller, &new)?;
            }
            let default = store::default_id(db, tenant)?;
            let details = differences((&old, before), (&new, default));
            Ok(((new, default), Event::new(EventKind::ProfileUpdated, target(&old)).with(details)))
        })
        .await?;
    Ok(Json(shown(profile, default)))
}

/// Removes a profile that no key has.
pub async fn delete(caller: Caller<EditSettings>, id: InPath<ProfileID>, app: App) -> Result<HttpResponse> {
    app.change(&caller, move |db, caller| {
        let profile = store::find_to_change(db, caller, id.0)?.ok_or_else(no_such_profile)?;
        if profile.immutable {
            return Err(Error::new(Reason::Conflict, "A built-in profile cannot be deleted."));
        }
        if api_keys::any_of_profile(db, caller.tenant().id, profile.id)? {
            return Err(Error::new(Reason::Conflict, "The profile is in use: API keys have it. Delete them first."));
        }
        store::delete(db, caller, profile.id)?;
        Ok(((), Event::new(EventKind::ProfileDeleted, target(&profile))))
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// The pace of keys that last is no matter for a key that ends or is bounded, nor for one that has a pace itself.
fn must_be_free<R, V>(caller: &Caller<R, V>) -> Result<()> {
    let paced = caller.bounds().filter(|bounds| bounds.is_throttled).map(|_| Limit::Bounded);
    match caller.limit().or(paced) {
        Some(limit) => Err(limit.refusal("let keys be presented more often by their profile")),
        None => Ok(()),
    }
}

fn no_such_profile() -> Error {
    Error::not_found("API key profile")
}

fn one_is_the_default() -> Error {
    let message = "default: one profile is always the default. Send true to the one that is to take its place.";
    Error::new(Reason::Conflict, message)
}

fn target(profile: &Profile) -> audit::Target {
    audit::Target::new("apiKeyProfile", profile.id.get(), profile.name.as_str())
}

fn length(millis: i64) -> String {
    Duration::from_millis(millis).to_string()
}

/// A profile's members, as they are answered and as its events tell them.
fn shown(profile: Profile, default: ProfileID) -> wire::Profile {
    wire::Profile {
        default: profile.id == default,
        name: profile.name,
        description: profile.description,
        immutable: profile.immutable,
        rights_from: profile.rights_from.as_str(),
        validity: profile.validity.map(length),
        min_validity: profile.min_validity.map(length),
        max_validity: profile.max_validity.map(length),
        max_keys: profile.max_keys,
        targets: profile
            .targets
            .into_iter()
            .map(|target| wire::ProfileTarget { name: target.name, max_keys: target.max_keys })
            .collect(),
        api_types_required: profile.api_types_required,
        replace_secret_on_api_type_change: profile.replace_secret_on_type_change,
        refresh_revives: profile.refresh_revives,
        max_overlap: length(profile.max_overlap),
        warn_before: profile.warn_before.into_iter().map(length).collect(),
        issuer_bound: profile.issuer_bound,
        visibility: profile.visibility.as_str(),
        calls_per_minute: wire::ProfileCalls {
            key: profile.throttle.key,
            tenant: profile.throttle.tenant,
            window: profile.throttle.window.as_str(),
        },
        error_dialect: profile.dialect.as_str(),
        id: profile.id,
    }
}

/// The members that can be changed, by name.
fn members(profile: &Profile, default: ProfileID) -> [(&'static str, Value); 18] {
    let shown = shown(profile.clone(), default);
    [
        ("name", json!(shown.name)),
        ("description", json!(shown.description)),
        ("default", json!(shown.default)),
        ("rightsFrom", json!(shown.rights_from)),
        ("validity", json!(shown.validity)),
        ("minValidity", json!(shown.min_validity)),
        ("maxValidity", json!(shown.max_validity)),
        ("maxKeys", json!(shown.max_keys)),
        ("targets", json!(shown.targets)),
        ("apiTypesRequired", json!(shown.api_types_required)),
        ("replaceSecretOnApiTypeChange", json!(shown.replace_secret_on_api_type_change)),
        ("refreshRevives", json!(shown.refresh_revives)),
        ("maxOverlap", json!(shown.max_overlap)),
        ("warnBefore", json!(shown.warn_before)),
        ("issuerBound", json!(shown.issuer_bound)),
        ("visibility", json!(shown.visibility)),
        ("callsPerMinute", json!(shown.calls_per_minute)),
        ("errorDialect", json!(shown.error_dialect)),
    ]
}

/// What a new profile says.
fn contents(profile: &Profile, default: ProfileID) -> Value {
    let members = members(profile, default).into_iter().skip(2);
    members.map(|(member, value)| (member.to_owned(), value)).collect::<serde_json::Map<_, _>>().into()
}

/// What changed, from what to what.
fn differences(old: (&Profile, ProfileID), new: (&Profile, ProfileID)) -> Value {
    let pairs = members(old.0, old.1).into_iter().zip(members(new.0, new.1));
    differences_of(pairs.map(|((member, old), (_, new))| (member, old, new)))
}

/// Null asks for none.
fn patched<T, U>(asked: Patch<T>, read: impl FnOnce(T) -> U) -> Option<Option<U>> {
    match asked {
        Patch::Absent => None,
        Patch::Null => Some(None),
        Patch::Value(value) => Some(Some(read(value))),
    }
}

fn number(asked: Patch<Number>) -> Option<Option<i64>> {
    patched(asked, |Number(number)| number)
}

fn text(asked: Patch<String>) -> Option<Option<String>> {
    patched(asked, |text| text)
}

macro_rules! wanted_from {
    ($($body:ty),+) => {$(
        impl From<$body> for Wanted {
            fn from(body: $body) -> Self {
                let flag = |member: Option<Flag>| member.map(|Flag(on)| on);
                let calls = match body.calls_per_minute {
                    Patch::Absent => wire::ProfileCallsChange::default(),
                    Patch::Null => wire::ProfileCallsChange { key: Patch::Null, tenant: Patch::Null, window: None },
                    Patch::Value(calls) => calls,
                };
                let target = |target: wire::NewProfileTarget| (target.name, target.max_keys.map(|Number(most)| most));
                let targets = |targets: Vec<wire::NewProfileTarget>| targets.into_iter().map(target).collect();
                Self {
                    name: body.name,
                    description: body.description,
                    rights_from: body.rights_from,
                    validity: text(body.validity),
                    min_validity: text(body.min_validity),
                    max_validity: text(body.max_validity),
                    max_keys: number(body.max_keys),
                    targets: patched(body.targets, targets).map(Option::unwrap_or_default),
                    api_types_required: flag(body.api_types_required),
                    replace_secret_on_type_change: flag(body.replace_secret_on_api_type_change),
                    refresh_revives: flag(body.refresh_revives),
                    max_overlap: body.max_overlap,
                    warn_before: patched(body.warn_before, |texts| texts).map(Option::unwrap_or_default),
                    issuer_bound: flag(body.issuer_bound),
                    visibility: body.visibility,
                    key_calls: number(calls.key),
                    tenant_calls: number(calls.tenant),
                    calls_window: calls.window,
                    dialect: body.error_dialect,
                }
            }
        }
    )+};
}

wanted_from!(wire::NewProfile, wire::ProfileChange);
