//! The look-ups behind every authenticated call. A key by its ID and a session by its digest are one statement each,
//! which answers with everything that the decision needs.

mod keys;
mod sessions;
mod standing;

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::identity::Tenant;
use crate::db::schema::{roles, tenants};
use crate::db::{Db, MultiBackend};
use crate::error::{Error, Result};
use crate::id::TenantID;
use crate::rights::{Grant, Reach, Rights, Ways};

pub use keys::{
    KeyFacts, KnownSecret, PlainKey, RevokedFacts, Uses, key, keys_of, note_presented, plain_key, revoked_key,
    revoked_keys_of, secret_made, take_use, take_uses,
};
pub use sessions::{SessionFacts, end_session, session, touch_session};
pub use standing::{Standing, absent, administrator_grant, credential_version, key_grant, standing};

/// What a role's row says about what its bearers may do.
#[derive(Queryable, Selectable, Serialize, Deserialize)]
#[diesel(table_name = roles, check_for_backend(MultiBackend))]
pub struct GrantRow {
    all_computers: bool,
    all_policies: bool,
    allow_user_interface: bool,
    allow_web_service: bool,
    rights: Vec<u8>,
    computer_ids: String,
    computer_group_ids: String,
    policy_ids: String,
}

impl GrantRow {
    /// The row as the rules understand it.
    pub fn grant(&self) -> Result<Grant> {
        let ids = |json: &str| serde_json::from_str(json).map_err(Error::internal);
        Ok(Grant {
            rights: Rights::from_bytes(&self.rights),
            reach: Reach {
                all_computers: self.all_computers,
                all_policies: self.all_policies,
                computers: ids(&self.computer_ids)?,
                computer_groups: ids(&self.computer_group_ids)?,
                policies: ids(&self.policy_ids)?,
            },
            ways: Ways { user_interface: self.allow_user_interface, web_service: self.allow_web_service },
        })
    }
}

fn guid(text: &str) -> Result<Uuid> {
    Uuid::try_parse(text).map_err(Error::internal)
}

const ACTIVE: &str = "active";
const PENDING_DELETION: &str = "pending-deletion";

/// Whose label stands in a URL, and that tenant's name, folded: none where it is nobody's.
pub fn tenant_by_label(db: &mut Db, label: &str) -> Result<Option<(TenantID, String)>> {
    // a tenant without a label of its own has its GUID for one
    let is_its = tenants::slug.eq(label).or(tenants::slug.is_null().and(tenants::guid.eq(label)));
    let known = tenants::table.filter(is_its).filter(tenants::state.ne(PENDING_DELETION));
    Ok(known.select((tenants::id, tenants::name_fold)).get_result(db).optional()?)
}

/// What is known of a tenant when its keys are looked at.
pub struct TenantFacts {
    /// Which it is.
    pub tenant: Tenant,
    /// Its name.
    pub name: String,
    /// Whether it is neither suspended nor about to be removed.
    pub is_active: bool,
    /// What stands for it in URLs; none where none leads there.
    pub label: Option<String>,
}

/// A tenant by its ID.
pub fn tenant_facts(db: &mut Db, id: TenantID) -> Result<Option<TenantFacts>> {
    type Row = (String, String, String, Option<String>);
    let columns = (tenants::guid, tenants::name, tenants::state, tenants::slug);
    let row: Option<Row> = tenants::table.find(id).select(columns).get_result(db).optional()?;
    row.map(|(its_guid, name, state, slug)| {
        let tenant = Tenant { id, guid: guid(&its_guid)? };
        let label = Some(slug.unwrap_or(its_guid)).filter(|_| state != PENDING_DELETION);
        Ok(TenantFacts { tenant, name, is_active: state == ACTIVE, label })
    })
    .transpose()
}
