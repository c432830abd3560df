//! `/api/systemsettings`, and what everybody may read before signing in.

use actix_web::web::Json;
use serde_json::json;

use super::rules::{Setting, no_such_setting};
use super::store;
use crate::app::App;
use crate::audit::{Event, EventKind, Target};
use crate::auth::{Caller, Visitor};
use crate::body::{Body, NameInPath};
use crate::db::Db;
use crate::error::{Error, Result};
use crate::id::TenantID;
use crate::rights::{EditSettings, ViewSettings};
use crate::wire;

/// Every setting that the tenant has.
pub async fn list(caller: Caller<ViewSettings>, app: App) -> Result<Json<wire::SystemSettings>> {
    let settings = app.clone();
    app.database.read(move |db| whole(db, &caller, &settings)).await.map(Json)
}

/// Changes the settings that are sent: all of them, or none.
pub async fn modify_all(
    caller: Caller<EditSettings>,
    body: Body<wire::SettingsChange>,
    app: App,
) -> Result<Json<wire::SystemSettings>> {
    let tenant = caller.tenant().id;
    let mut changes = Vec::new();
    for (name, change) in body.0.0 {
        let setting = Setting::find(tenant, &name).ok_or_else(|| no_such_setting(&name))?;
        changes.push((setting, Some(canonical(setting, change)?)));
    }
    // one order for everybody: two that set the same settings wait for one another, and not in a ring
    changes.sort_by_key(|(setting, _)| setting.name);
    let settings = app.clone();
    let whole = app.change(&caller, move |db, caller| {
        let event = apply(db, caller, &settings, &changes)?;
        Ok((whole(db, caller, &settings)?, event))
    });
    whole.await.map(Json)
}

/// One setting.
pub async fn describe(caller: Caller<ViewSettings>, name: NameInPath, app: App) -> Result<Json<wire::SettingValue>> {
    let setting = named(&caller, &name)?;
    let settings = app.clone();
    app.database.read(move |db| value(db, &caller, &settings, setting)).await.map(Json)
}

/// Sets one setting.
pub async fn modify(
    caller: Caller<EditSettings>,
    name: NameInPath,
    body: Body<wire::SettingChange>,
    app: App,
) -> Result<Json<wire::SettingValue>> {
    let setting = named(&caller, &name)?;
    let text = canonical(setting, body.0)?;
    change_one(caller, app, setting, Some(text)).await
}

/// Lets one setting's default hold again.
pub async fn reset(caller: Caller<EditSettings>, name: NameInPath, app: App) -> Result<Json<wire::SettingValue>> {
    let setting = named(&caller, &name)?;
    change_one(caller, app, setting, None).await
}

/// What somebody reads who is about to sign in: the primary tenant's, the same for everybody, because another
/// tenant's would tell that it is there.
pub async fn sign_in_page(_: Visitor, app: App) -> Result<Json<wire::SignInPage>> {
    let enforced = app.rules_of(TenantID::PRIMARY).await?.terms_enforced;
    let notices = app.database.look_up(|db| store::notices_in(db, TenantID::PRIMARY)).await?;
    Ok(Json(wire::SignInPage {
        message: notices.sign_in_page,
        terms_and_conditions_enabled: enforced,
        terms_and_conditions_title: enforced.then_some(notices.terms_title),
        terms_and_conditions_message: enforced.then_some(notices.terms),
    }))
}

fn named<R>(caller: &Caller<R>, name: &NameInPath) -> Result<&'static Setting> {
    Setting::find(caller.tenant().id, &name.0).ok_or_else(|| Error::not_found("system setting"))
}

fn canonical(setting: &Setting, change: wire::SettingChange) -> Result<String> {
    let text = change.value.ok_or_else(|| Error::member(setting.name, "the member value is needed"))?;
    setting.canonical(&text.0)
}

async fn change_one(
    caller: Caller<EditSettings>,
    app: App,
    setting: &'static Setting,
    to: Option<String>,
) -> Result<Json<wire::SettingValue>> {
    let settings = app.clone();
    let value = app.change(&caller, move |db, caller| {
        let event = apply(db, caller, &settings, &[(setting, to)])?;
        Ok((value(db, caller, &settings, setting)?, event))
    });
    value.await.map(Json)
}

/// Sets what is given, resets the others; says what changed from what to what.
fn apply<R, V>(
    db: &mut Db,
    caller: &Caller<R, V>,
    app: &App,
    changes: &[(&'static Setting, Option<String>)],
) -> Result<Event> {
    let set = store::set(db, caller)?;
    let mut changed = serde_json::Map::new();
    for (setting, to) in changes {
        let default = setting.default_of(&app.rules);
        let from = set.get(setting.name).unwrap_or(&default);
        match to {
            Some(text) => store::put(db, caller, setting, text)?,
            None => store::reset(db, caller, setting)?,
        }
        let to = to.as_ref().unwrap_or(&default);
        if from != to {
            changed.insert(setting.name.to_owned(), json!({ "from": from, "to": to }));
        }
    }
    let target = Target::new("systemSettings", caller.tenant().id.get(), "");
    Ok(Event::new(EventKind::SettingsUpdated, target).with(changed.into()))
}

fn whole<R, V>(db: &mut Db, caller: &Caller<R, V>, app: &App) -> Result<wire::SystemSettings> {
    let mut set = store::set(db, caller)?;
    let settings = Setting::of(caller.tenant().id);
    let shown = settings.map(|setting| {
        let value = set.remove(setting.name).unwrap_or_else(|| setting.default_of(&app.rules));
        (setting.name, wire::SettingValue { value })
    });
    Ok(wire::SystemSettings(shown.collect()))
}

fn value<R, V>(db: &mut Db, caller: &Caller<R, V>, app: &App, setting: &Setting) -> Result<wire::SettingValue> {
    let value = store::set(db, caller)?.remove(setting.name);
    Ok(wire::SettingValue { value: value.unwrap_or_else(|| setting.default_of(&app.rules)) })
}
