//! The table of settings: what each tenant has set, by name.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::rules::{CATALOGUE, Notices, Setting};
use crate::app::Rules;
use crate::auth::Caller;
use crate::db::schema::system_settings;
use crate::db::{Db, MultiBackend};
use crate::error::{Result, is_unique_violation};
use crate::id::TenantID;

fn of(tenant: TenantID) -> system_settings::BoxedQuery<'static, MultiBackend> {
    system_settings::table.filter(system_settings::tenant_id.eq(tenant)).into_boxed()
}

/// The rules of a tenant: what it has set, laid over the defaults. Long texts are left alone: this is read on every
/// call that is made with a session.
pub fn rules_in(db: &mut Db, defaults: &Rules, tenant: TenantID) -> Result<Rules> {
    let texts = CATALOGUE.iter().filter(|setting| setting.is_text());
    let query = texts.fold(of(tenant), |query, setting| query.filter(system_settings::name.ne(setting.name)));
    let rows: Vec<(String, String)> = query.select((system_settings::name, system_settings::value)).load(db)?;
    let mut rules = defaults.clone();
    for (name, value) in rows {
        let applied = Setting::find(tenant, &name).is_some_and(|setting| setting.apply(&value, &mut rules));
        if !applied {
            log::warn!(setting = name.as_str(); "a stored setting is not one that this program takes; the default holds");
        }
    }
    Ok(rules)
}

/// The texts that a tenant's people read.
pub fn notices_in(db: &mut Db, tenant: TenantID) -> Result<Notices> {
    let mut notices = Notices::default();
    for (name, value) in set_in(db, tenant)? {
        if let Some(setting) = Setting::find(tenant, &name) {
            setting.note(value, &mut notices);
        }
    }
    Ok(notices)
}

/// What the caller's tenant has set, by name.
pub fn set<R, V>(db: &mut Db, caller: &Caller<R, V>) -> Result<BTreeMap<String, String>> {
    set_in(db, caller.tenant().id)
}

fn set_in(db: &mut Db, tenant: TenantID) -> Result<BTreeMap<String, String>> {
    let rows: Vec<(String, String)> = of(tenant).select((system_settings::name, system_settings::value)).load(db)?;
    Ok(rows.into_iter().collect())
}

/// Sets one value, whether there was one before or not.
pub fn put<R, V>(db: &mut Db, caller: &Caller<R, V>, setting: &Setting, value: &str) -> Result<()> {
    let tenant = caller.tenant().id;
    if update(db, tenant, setting, value)? == 1 {
        return Ok(());
    }
    let row = (
        system_settings::tenant_id.eq(tenant),
        system_settings::name.eq(setting.name),
        system_settings::value.eq(value),
    );
    // in a savepoint: another node may be faster, and then this one comes after it
    match db.transaction(|db| diesel::insert_into(system_settings::table).values(row).execute(db)) {
        Err(error) if is_unique_violation(&error) => update(db, tenant, setting, value).map(drop),
        inserted => Ok(inserted.map(drop)?),
    }
}

fn update(db: &mut Db, tenant: TenantID, setting: &Setting, value: &str) -> Result<usize> {
    Ok(diesel::update(system_settings::table.find((tenant, setting.name)))
        .set(system_settings::value.eq(value))
        .execute(db)?)
}

/// Lets the default hold again.
pub fn reset<R, V>(db: &mut Db, caller: &Caller<R, V>, setting: &Setting) -> Result<()> {
    diesel::delete(system_settings::table.find((caller.tenant().id, setting.name))).execute(db)?;
    Ok(())
}
