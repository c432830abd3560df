//! The tables of profiles, and of those that tenants have made their default.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::rules::{Dialect, Profile, RightsFrom, Throttle, Visibility, Window};
use crate::db::schema::{api_key_profiles, default_api_key_profiles};
use crate::db::{Db, MultiBackend};
use crate::error::{Error, Result};
use crate::id::{ProfileID, TenantID};

#[derive(Queryable, Selectable)]
#[diesel(table_name = api_key_profiles, check_for_backend(MultiBackend))]
struct Row {
    id: ProfileID,
    tenant_id: Option<TenantID>,
    name: String,
    description: String,
    immutable: bool,
    rights_from: String,
    validity: Option<i64>,
    min_validity: Option<i64>,
    max_validity: Option<i64>,
    max_keys: Option<i64>,
    targets: String,
    api_types_required: bool,
    replace_secret_on_type_change: bool,
    refresh_revives: bool,
    max_overlap: i64,
    warn_before: String,
    issuer_bound: bool,
    visibility: String,
    key_calls_per_minute: Option<i64>,
    tenant_calls_per_minute: Option<i64>,
    calls_window: String,
    error_dialect: String,
}

fn stored<T>(word: Option<T>) -> Result<T> {
    word.ok_or_else(|| Error::internal("a profile's row holds a word that is none"))
}

impl Row {
    fn into_profile(self) -> Result<Profile> {
        Ok(Profile {
            id: self.id,
            tenant: self.tenant_id,
            name: self.name,
            description: self.description,
            immutable: self.immutable,
            rights_from: stored(RightsFrom::parse(&self.rights_from))?,
            validity: self.validity,
            min_validity: self.min_validity,
            max_validity: self.max_validity,
            max_keys: self.max_keys,
            targets: serde_json::from_str(&self.targets).map_err(Error::internal)?,
            api_types_required: self.api_types_required,
            replace_secret_on_type_change: self.replace_secret_on_type_change,
            refresh_revives: self.refresh_revives,
            max_overlap: self.max_overlap,
            warn_before: serde_json::from_str(&self.warn_before).map_err(Error::internal)?,
            issuer_bound: self.issuer_bound,
            visibility: stored(Visibility::parse(&self.visibility))?,
            throttle: Throttle {
                key: self.key_calls_per_minute,
                tenant: self.tenant_calls_per_minute,
                window: stored(Window::parse(&self.calls_window))?,
            },
            dialect: stored(Dialect::parse(&self.error_dialect))?,
        })
    }
}

/// The tenant's own profiles and the built-in ones; every read starts here.
fn visible_to(tenant: TenantID) -> api_key_profiles::BoxedQuery<'static, MultiBackend> {
    let visible = api_key_profiles::tenant_id.eq(tenant).or(api_key_profiles::tenant_id.is_null());
    api_key_profiles::table.filter(visible).into_boxed()
}

/// One profile that a tenant's keys can be of.
pub fn find_for(db: &mut Db, tenant: TenantID, id: ProfileID) -> Result<Option<Profile>> {
    let query = visible_to(tenant).filter(api_key_profiles::id.eq(id)).select(Row::as_select());
    query.get_result(db).optional()?.map(Row::into_profile).transpose()
}

/// Every profile that a tenant's keys can be of.
pub fn all_for(db: &mut Db, tenant: TenantID) -> Result<BTreeMap<ProfileID, Profile>> {
    let rows: Vec<Row> = visible_to(tenant).select(Row::as_select()).load(db)?;
    rows.into_iter().map(|row| row.into_profile().map(|profile| (profile.id, profile))).collect()
}

/// The profile of keys that name none.
pub fn default_of(db: &mut Db, tenant: TenantID) -> Result<Profile> {
    let id: Option<ProfileID> = default_api_key_profiles::table
        .filter(default_api_key_profiles::tenant_id.eq(tenant))
        .select(default_api_key_profiles::profile_id)
        .get_result(db)
        .optional()?;
    let profile = find_for(db, tenant, id.unwrap_or(ProfileID::DEEP_SECURITY))?;
    profile.ok_or_else(|| Error::internal("a tenant's default profile is gone"))
}
