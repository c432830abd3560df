//! `/api/administrators`.

use actix_web::HttpResponse;
use actix_web::web::Json;
use serde_json::{Value, json};

use super::own_account::password_rules;
use super::rules::{Administrator, Changes, Properties, Wanted, ends_sessions, gains};
use super::store;
use crate::api_key_profiles;
use crate::api_keys::{self, Maker, maker};
use crate::app::{self, App};
use crate::audit::{Event, EventKind, Target, differences_of};
use crate::auth::{Caller, Who};
use crate::body::{Body, InPath};
use crate::clock::Timestamp;
use crate::db::Db;
use crate::error::{Error, Reason, Result};
use crate::id::{AdministratorID, RoleID};
use crate::list::{self, Found, Piece};
use crate::rights::{CreateAdministrators, DeleteAdministrators, EditAdministrators, ViewAdministrators};
use crate::roles::{self, Role};
use crate::search::Filter;
use crate::secret::{Password, password_member};
use crate::sessions;
use crate::wire::{self, Flag, Number};

pub use super::own_account::too_many_guesses;

/// Every administrator of the tenant.
pub async fn list(caller: Caller<ViewAdministrators>, app: App) -> Result<HttpResponse> {
    let now = app.now();
    list::answer("administrators", move |after| {
        let (caller, app) = (caller.clone(), app.clone());
        async move {
            let after = AdministratorID::new(after);
            let people = app.database.read_list(move |db| store::list(db, &caller, after, list::PIECE)).await?;
            let last = people.last().map(|person| person.id.get());
            Ok(Piece { last, items: people.into_iter().map(|person| shown(person, now)).collect() })
        }
    })
    .await
}

/// Administrators by criteria.
pub async fn search(
    caller: Caller<ViewAdministrators>,
    filter: Body<wire::SearchFilter>,
    app: App,
) -> Result<Found<wire::Administrators>> {
    let filter = Filter::read(filter.0)?;
    let people = app.database.read_list(move |db| store::search(db, &caller, filter.clone())).await?;
    let now = app.now();
    Ok(Found(
        people.len(),
        wire::Administrators { administrators: people.into_iter().map(|person| shown(person, now)).collect() },
    ))
}

/// One administrator.
pub async fn describe(
    caller: Caller<ViewAdministrators>,
    id: InPath<AdministratorID>,
    app: App,
) -> Result<Json<wire::Administrator>> {
    let person = app.database.read(move |db| store::find(db, &caller, id.0)).await?;
    Ok(Json(shown(person.ok_or_else(no_such_administrator)?, app.now())))
}

/// Makes an administrator, whose role lies within the caller's.
pub async fn create(
    caller: Caller<CreateAdministrators>,
    mut body: Body<wire::NewAdministrator>,
    app: App,
) -> Result<Json<wire::Administrator>> {
    let (now, maker) = (app.now(), maker(&caller));
    let password = password_member("password", body.0.password.take())?;
    let properties = Changes::new(body.0.into())?.into_new(app.time_zone)?;
    password_rules(&app, caller.tenant().id).await?.check(properties.username.as_str(), &password)?;
    caller.must_last()?;
    let hash = app.lane.hash(app.keyring.peppered(&password)).await?;
    let person = app
        .change(&caller, move |db, caller| {
            let role = role_in_body(db, caller, properties.role)?;
            maker.must_cover_all_of(&role.grant, "The role")?;
            let person = store::insert_for(db, caller, &properties, &hash, now)?;
            let details = json!({ "role": role.name, "active": properties.active });
            let event = Event::new(EventKind::AdministratorCreated, target(&person)).with(details);
            Ok((person, event))
        })
        .await?;
    Ok(Json(shown(person, now)))
}

/// Changes what is sent of an administrator, the password of somebody else included.
pub async fn modify(
    caller: Caller<EditAdministrators>,
    id: InPath<AdministratorID>,
    mut body: Body<wire::AdministratorChange>,
    app: App,
) -> Result<Json<wire::Administrator>> {
    let (now, maker, id) = (app.now(), maker(&caller), id.0);
    let password = body.0.password.take().map(|text| password_member("password", Some(text))).transpose()?;
    let changes = Changes::new(body.0.into())?;
    let new_password = match password {
        Some(password) => Some(new_password(&app, &caller, id, &changes, password).await?),
        None => None,
    };
    let (person, was_initial) = app
        .change_across(&caller, move |db, caller| {
            let old = store::find_to_change(db, caller, id)?.ok_or_else(no_such_administrator)?;
            let (unlocks, removes_factor) = (changes.unlocks(), changes.removes_factor(old.mfa));
            let new = changes.applied_to(&old.properties)?;
            let role = role_in_body(db, caller, new.role)?;
            let credentials = new_password.is_some() || matches!(removes_factor, Ok(true));
            must_be_within(db, caller, &maker, &old)?;
            maker.must_cover_all_of(&role.grant, "The role")?;
            if credentials || gains(&old.properties, &new) {
                caller.must_last()?;
            }
            if matches!(removes_factor, Ok(true)) && is_own(caller, id) {
                return Err(own_account("/totp", "DELETE"));
            }
            must_leave_full_access(db, caller, &old, Some(&new))?;
            let removes_factor = removes_factor?;

            store::update(db, caller, id, &new)?;
            if new.role != old.properties.role {
                let tenant = caller.tenant().id;
                let profiles = api_key_profiles::of_issuers(db, tenant)?;
                api_keys::issuer_bears(db, tenant, id, &profiles, new.role)?;
            }
            let mut account = store::find_account(db, caller, id)?;
            let was_initial = account.initial_password_until.is_some();
            if let Some(NewPassword { hash, username }) = &new_password {
                if *username != new.username.as_str() {
                    return Err(Error::new(Reason::Conflict, "The name was changed at the same time. Try again."));
                }
                store::set_password(db, &account, hash, now)?;
                api_keys::initial_password_changed(db, id)?;
                account = store::find_account(db, caller, id)?;
            }
            if removes_factor {
                store::remove_totp(db, &account)?;
            }
            if unlocks {
                store::unlock(db, &account)?;
            }
            if credentials || ends_sessions(&old.properties, &new) {
                store::end_credentials(db, &account)?;
                sessions::end_all_of(db, id, now)?;
            }
            let person = store::find(db, caller, id)?.ok_or_else(no_such_administrator)?;
            let events = events(&old, &person, new_password.is_some());
            Ok(((person, was_initial && new_password.is_some()), events))
        })
        .await?;
    if was_initial {
        app::remove_initial_password(&app.initial_password_file);
    }
    Ok(Json(shown(person, now)))
}

/// Removes an administrator: their sessions end, the keys they made live on.
pub async fn delete(
    caller: Caller<DeleteAdministrators>,
    id: InPath<AdministratorID>,
    app: App,
) -> Result<HttpResponse> {
    let (maker, id) = (maker(&caller), id.0);
    app.change(&caller, move |db, caller| {
        let person = store::find_to_change(db, caller, id)?.ok_or_else(no_such_administrator)?;
        must_be_within(db, caller, &maker, &person)?;
        if is_own(caller, id) {
            return Err(Error::new(Reason::Conflict, "Nobody removes their own account; another administrator can."));
        }
        must_leave_full_access(db, caller, &person, None)?;
        store::delete(db, caller, id)?;
        Ok(((), Event::new(EventKind::AdministratorDeleted, target(&person))))
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

fn no_such_administrator() -> Error {
    Error::not_found("administrator")
}

/// The role that a body names; an unknown one, or another tenant's, is a fault of the body.
fn role_in_body<R, V>(db: &mut Db, caller: &Caller<R, V>, role: RoleID) -> Result<Role> {
    roles::find_for(db, caller.tenant().id, role)?.ok_or_else(|| {
        Error::new(
            Reason::UnknownRole,
            "roleID: there is no such role. POST /api/administratorroles/search finds them.",
        )
    })
}

/// Nobody lays hands on somebody stronger: to set their password is to become them (T-01).
fn must_be_within<R, V>(db: &mut Db, caller: &Caller<R, V>, maker: &Maker, person: &Administrator) -> Result<()> {
    let role = roles::find_for(db, caller.tenant().id, person.properties.role)?;
    let role = role.ok_or_else(|| Error::internal("an administrator's role is gone"))?;
    maker.must_cover_all_of(&role.grant, "The administrator's role")
}

/// Whoever comes with a session is somebody; a key is nobody's own.
fn is_own<R, V>(caller: &Caller<R, V>, id: AdministratorID) -> bool {
    matches!(caller.who(), Who::Administrator(session) if session.administrator == id)
}

/// One's own credentials change only against the old ones, or a stolen session would be a stolen account.
fn own_account(path: &str, method: &str) -> Error {
    let message =
        format!("Your own is changed with {method} /api/administrators/{{ID}}{path}, which asks for the old one.");
    Error::new(Reason::NotAuthorized, message)
}

/// Somebody must be left in the tenant who may do everything; the rows are held since [`store::find_to_change`].
fn must_leave_full_access<R, V>(
    db: &mut Db,
    caller: &Caller<R, V>,
    old: &Administrator,
    new: Option<&Properties>,
) -> Result<()> {
    let loses = old.properties.has_full_access() && !new.is_some_and(Properties::has_full_access);
    if loses && !store::another_has_full_access(db, caller, old.id)? {
        let message = "This is the last active administrator with Full Access. Give somebody else that role first.";
        return Err(Error::new(Reason::Conflict, message));
    }
    Ok(())
}

/// A password for somebody else, hashed; and the name against which it was judged.
struct NewPassword {
    hash: String,
    username: String,
}

/// Judges and hashes a password, outside any transaction.
async fn new_password(
    app: &App,
    caller: &Caller<EditAdministrators>,
    id: AdministratorID,
    changes: &Changes,
    password: Password,
) -> Result<NewPassword> {
    let me = caller.clone();
    let person = app.database.read(move |db| store::find(db, &me, id)).await?.ok_or_else(no_such_administrator)?;
    if is_own(caller, id) {
        return Err(own_account("/password", "POST"));
    }
    let username = changes.username(&person.properties.username).as_str().to_owned();
    password_rules(app, caller.tenant().id).await?.check(&username, &password)?;
    Ok(NewPassword { hash: app.lane.hash(app.keyring.peppered(&password)).await?, username })
}

fn target(person: &Administrator) -> Target {
    Target::new("administrator", person.id.get(), person.properties.username.as_str())
}

/// One event for each thing that has a number of its own, and one for all the rest.
fn events(old: &Administrator, new: &Administrator, password: bool) -> Vec<Event> {
    let mut events = Vec::new();
    if password {
        events.push(Event::new(EventKind::PasswordSet, target(old)));
    }
    match (old.properties.active, new.properties.active) {
        (true, false) => events.push(Event::new(EventKind::AdministratorLocked, target(old))),
        (false, true) => events.push(Event::new(EventKind::AdministratorUnlocked, target(old))),
        _ => {}
    }
    let details = differences(old, new);
    if events.is_empty() || details.as_object().is_some_and(|details| !details.is_empty()) {
        events.push(Event::new(EventKind::AdministratorUpdated, target(old)).with(details));
    }
    events
}

/// What changed, from what to what, but for what has an event of its own.
fn differences(old: &Administrator, new: &Administrator) -> Value {
    let (from, to) = (&old.properties, &new.properties);
    let pairs: [(&str, Value, Value); 20] = [
        ("username", json!(from.username.as_str()), json!(to.username.as_str())),
        ("fullName", json!(from.full_name.as_str()), json!(to.full_name.as_str())),
        ("description", json!(from.description.as_str()), json!(to.description.as_str())),
        ("roleID", json!(from.role), json!(to.role)),
        ("locale", json!(from.locale.as_str()), json!(to.locale.as_str())),
        ("timeZone", json!(from.time_zone.as_str()), json!(to.time_zone.as_str())),
        ("timeFormat", json!(from.time_format.as_str()), json!(to.time_format.as_str())),
        ("passwordNeverExpires", json!(from.password_never_expires), json!(to.password_never_expires)),
        ("mfaType", json!(old.mfa.as_str()), json!(new.mfa.as_str())),
        ("phoneNumber", json!(from.phone_number.as_str()), json!(to.phone_number.as_str())),
        ("mobileNumber", json!(from.mobile_number.as_str()), json!(to.mobile_number.as_str())),
        ("pagerNumber", json!(from.pager_number.as_str()), json!(to.pager_number.as_str())),
        ("emailAddress", json!(from.email_address.as_str()), json!(to.email_address.as_str())),
        ("primaryContact", json!(from.primary_contact), json!(to.primary_contact)),
        ("receiveNotifications", json!(from.receive_notifications), json!(to.receive_notifications)),
        ("reportPDFPasswordEnabled", json!(from.report_pdf_password_enabled), json!(to.report_pdf_password_enabled)),
        ("externalUserID", json!(from.external_user_id.as_str()), json!(to.external_user_id.as_str())),
        ("type", json!(from.kind.as_str()), json!(to.kind.as_str())),
        ("unlockTime", json!(old.unlock_time), json!(new.unlock_time)),
        (
            "unsuccessfulSignInAttempts",
            json!(old.unsuccessful_sign_in_attempts),
            json!(new.unsuccessful_sign_in_attempts),
        ),
    ];
    differences_of(pairs)
}

fn shown(person: Administrator, now: Timestamp) -> wire::Administrator {
    let properties = person.properties;
    wire::Administrator {
        username: properties.username.as_str().to_owned(),
        full_name: properties.full_name.as_str().to_owned(),
        description: properties.description.as_str().to_owned(),
        role_id: properties.role,
        locale: properties.locale.as_str().to_owned(),
        time_zone: properties.time_zone.as_str().to_owned(),
        time_format: properties.time_format.as_str(),
        password_never_expires: properties.password_never_expires,
        active: properties.active,
        mfa_type: person.mfa.as_str(),
        phone_number: properties.phone_number.as_str().to_owned(),
        mobile_number: properties.mobile_number.as_str().to_owned(),
        pager_number: properties.pager_number.as_str().to_owned(),
        email_address: properties.email_address.as_str().to_owned(),
        primary_contact: properties.primary_contact,
        receive_notifications: properties.receive_notifications,
        report_pdf_password_enabled: properties.report_pdf_password_enabled,
        created: person.created,
        last_password_change: person.last_password_change,
        last_sign_in: person.last_sign_in,
        unlock_time: person.unlock_time,
        unsuccessful_sign_in_attempts: person.unsuccessful_sign_in_attempts,
        directory_name: person.directory_name,
        directory_info: person.directory_info,
        external: person.external,
        external_user_id: properties.external_user_id.as_str().to_owned(),
        kind: properties.kind.as_str(),
        read_only: person.read_only,
        id: person.id,
        utc_offset: properties.time_zone.utc_offset(now.millis().div_euclid(1_000)),
    }
}

macro_rules! wanted_from {
    ($($body:ty),+) => {$(
        impl From<$body> for Wanted {
            fn from(body: $body) -> Self {
                let flag = |flag: Option<Flag>| flag.map(|Flag(on)| on);
                Self {
                    username: body.username,
                    full_name: body.full_name,
                    description: body.description,
                    role: body.role_id.map(|Number(id)| RoleID::new(id)),
                    locale: body.locale,
                    time_zone: body.time_zone,
                    time_format: body.time_format,
                    password_never_expires: flag(body.password_never_expires),
                    active: flag(body.active),
                    mfa_type: body.mfa_type,
                    phone_number: body.phone_number,
                    mobile_number: body.mobile_number,
                    pager_number: body.pager_number,
                    email_address: body.email_address,
                    primary_contact: flag(body.primary_contact),
                    receive_notifications: flag(body.receive_notifications),
                    report_pdf_password_enabled: flag(body.report_pdf_password_enabled),
                    external: flag(body.external),
                    external_user_id: body.external_user_id,
                    kind: body.kind,
                }
            }
        }
    )+};
}

wanted_from!(wire::NewAdministrator, wire::AdministratorChange);
