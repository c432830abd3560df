//! The two look-ups behind every authenticated call: a key by its ID, a session by its digest. Each is
//! one statement, and answers with everything that the decision needs.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::identity::{Identity, Limited, Pending, Tenant, Who};
use crate::app::Rules;
use crate::clock::{MINUTE, Timestamp};
use crate::db::schema::{
    administrators, api_key_api_types, api_key_profiles, api_key_secrets, api_keys, api_types, roles, sessions, tenants,
};
use crate::db::{Db, MultiBackend};
use crate::error::{Error, Result};
use crate::id::{AdministratorID, ApiKeyID, ProfileID, RoleID, TenantID};
use crate::rights::{Grant, Reach, Right, Rights};
use crate::secret::SecretDigest;
use crate::settings;

/// What a role's row says about what its bearers may do.
#[derive(Queryable, Selectable, Serialize, Deserialize)]
#[diesel(table_name = roles, check_for_backend(MultiBackend))]
pub struct GrantRow {
    all_computers: bool,
    all_policies: bool,
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
        })
    }
}

fn guid(text: &str) -> Result<Uuid> {
    Uuid::try_parse(text).map_err(Error::internal)
}

const ACTIVE: &str = "active";

// ---- keys ----

/// What is known about a key when somebody presents it.
pub struct KeyFacts {
    pub name: String,
    pub active: bool,
    pub expires: Option<Timestamp>,
    pub tenant: Tenant,
    pub tenant_is_active: bool,
    pub role: RoleID,
    pub role_name: String,
    pub allow_web_service: bool,
    /// What is left of the role's by the key's API types.
    pub grant: Grant,
    /// What would be left besides, were those API types authorized that wait for it.
    pub pending: Pending,
    /// More than one while the key is being rotated.
    pub digests: Vec<SecretDigest>,
}

/// Everything about one key, by its ID. No LIMIT: SQLite would plan it anew on each call.
pub fn key(db: &mut Db, id: ApiKeyID) -> Result<Option<KeyFacts>> {
    type RoleRow = (RoleID, String, bool);
    type Row = (
        SecretDigest,
        String,
        bool,
        Option<Timestamp>,
        (TenantID, String, String),
        RoleRow,
        GrantRow,
        (ProfileID, bool),
    );
    let for_types = api_key_api_types::table.filter(api_key_api_types::api_key_id.eq(api_keys::id));
    let rows: Vec<Row> = api_key_secrets::table
        .inner_join(api_keys::table.inner_join(roles::table).inner_join(tenants::table))
        .filter(api_key_secrets::api_key_id.eq(id))
        .select((
            api_key_secrets::digest,
            api_keys::key_name,
            api_keys::active,
            api_keys::expiry_date,
            (tenants::id, tenants::guid, tenants::state),
            (roles::id, roles::name, roles::allow_web_service),
            GrantRow::as_select(),
            (api_keys::profile_id, diesel::dsl::exists(for_types)),
        ))
        .load(db)?;
    let digests = rows.iter().map(|row| row.0).collect();
    let Some((_, name, active, expires, (tenant, tenant_guid, state), role, grant, (profile, has_types))) =
        rows.into_iter().next()
    else {
        return Ok(None);
    };
    let (role, role_name, allow_web_service) = role;
    let mut facts = KeyFacts {
        name,
        active,
        expires,
        tenant: Tenant { id: tenant, guid: guid(&tenant_guid)? },
        tenant_is_active: state == ACTIVE,
        role,
        role_name,
        allow_web_service,
        grant: grant.grant()?,
        pending: Pending::default(),
        digests,
    };
    if profile != ProfileID::DEEP_SECURITY {
        take_role_of_issuer(db, id, &mut facts)?;
    }
    if has_types {
        cut_to_types(db, id, &mut facts)?;
    }
    Ok(Some(facts))
}

/// Where the key's profile says so, its role is that of whoever made it, as it is now; they may be gone, and then
/// nothing is left of it.
fn take_role_of_issuer(db: &mut Db, id: ApiKeyID, facts: &mut KeyFacts) -> Result<()> {
    type Row = (String, Option<(RoleID, String, bool)>, Option<GrantRow>);
    let issuer = administrators::id
        .nullable()
        .eq(api_keys::made_by_administrator_id)
        .and(administrators::tenant_id.eq(api_keys::tenant_id));
    let (rights_from, role, grant): Row = api_keys::table
        .inner_join(api_key_profiles::table)
        .left_join(administrators::table.on(issuer))
        .left_join(roles::table.on(roles::id.nullable().eq(administrators::role_id.nullable())))
        .filter(api_keys::id.eq(id))
        .select((
            api_key_profiles::rights_from,
            (roles::id, roles::name, roles::allow_web_service).nullable(),
            Option::<GrantRow>::as_select(),
        ))
        .get_result(db)?;
    if rights_from != FROM_ISSUER {
        return Ok(());
    }
    match role.zip(grant) {
        Some(((role, name, allow_web_service), grant)) => {
            (facts.role, facts.role_name, facts.allow_web_service) = (role, name, allow_web_service);
            facts.grant = grant.grant()?;
        }
        None => facts.grant = Grant::default(),
    }
    Ok(())
}

const FROM_ISSUER: &str = "issuer";

/// A key that is for some API types has those rights of its role that belong to one of them. What waits for an
/// authorization counts for nothing yet.
fn cut_to_types(db: &mut Db, id: ApiKeyID, facts: &mut KeyFacts) -> Result<()> {
    let types: Vec<(String, bool, bool, String)> = api_key_api_types::table
        .inner_join(api_types::table)
        .filter(api_key_api_types::api_key_id.eq(id))
        .order(api_types::id)
        .select((
            api_types::name,
            api_types::needs_authorization,
            api_key_api_types::granted.is_not_null(),
            api_types::rights,
        ))
        .load(db)?;
    let of_role = facts.grant.rights;
    facts.grant.rights = Rights::NONE;
    for (name, needs_authorization, granted, rights) in types {
        let names: Vec<String> = serde_json::from_str(&rights).map_err(Error::internal)?;
        let rights: Rights = names.iter().filter_map(|name| Right::find_dotted(name)).collect();
        match needs_authorization && !granted {
            true => facts.pending.0.push((name, rights.common(&of_role))),
            false => facts.grant.rights = facts.grant.rights.joined(&rights.common(&of_role)),
        }
    }
    Ok(())
}

// ---- sessions ----

/// A session of the older sign-in that is not used for this long ends, in milliseconds.
const LEGACY_IDLE: i64 = 10 * MINUTE;
const LEGACY: &str = "legacy";

/// What is known about a live session; carried in the state that actix-session hands round.
#[derive(Serialize, Deserialize)]
pub struct SessionFacts {
    pub session: i64,
    pub reference: String,
    rid_digest: String,
    pub created: Timestamp,
    pub last_activity: Timestamp,
    pub absolute_end: Timestamp,
    pub user_interface: bool,
    pub initial_password: bool,
    /// It comes from the older sign-in, and has no request ID.
    pub legacy: bool,
    pub limited: Option<Limited>,
    /// After so many milliseconds without use it ends.
    idle: i64,
    pub administrator: AdministratorID,
    pub username: String,
    tenant: (TenantID, String),
    pub role: RoleID,
    pub role_name: String,
    pub allow_user_interface: bool,
    pub allow_web_service: bool,
    grant: GrantRow,
}

impl SessionFacts {
    pub fn tenant(&self) -> Result<Tenant> {
        Ok(Tenant { id: self.tenant.0, guid: guid(&self.tenant.1)? })
    }

    pub fn grant(&self) -> Result<Grant> {
        self.grant.grant()
    }

    /// A digest that cannot be read matches nothing.
    pub fn rid_digest(&self) -> SecretDigest {
        SecretDigest::from_hex(&self.rid_digest).unwrap_or(SecretDigest::OF_NOBODY)
    }

    /// Whether the session's last use is due to be written down: once a minute does, not on every call.
    pub fn touch_due(&self, now: Timestamp, every: i64) -> bool {
        // often enough that a session in use never looks idle
        now.since(self.last_activity) >= every.min(self.idle / 4)
    }
}

/// A session that is alive at `now`: not ended, neither idle nor older than its tenant's rules allow at this moment,
/// and its owner is active and has had no new credentials since. Two statements: whose rules hold is in the row.
pub fn session(db: &mut Db, sid: SecretDigest, now: Timestamp, defaults: &Rules) -> Result<Option<SessionFacts>> {
    type SessionRow = (i64, String, SecretDigest, Timestamp, Timestamp, Timestamp, String, bool, String);
    type OwnerRow = (AdministratorID, String, Timestamp, bool, bool);
    type Row = (SessionRow, OwnerRow, (TenantID, String), (RoleID, String, bool, bool), GrantRow);
    let row: Option<Row> = sessions::table
        .inner_join(administrators::table.inner_join(roles::table).inner_join(tenants::table))
        .filter(sessions::sid_digest.eq(sid))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::absolute_end.gt(now))
        .filter(administrators::active)
        .filter(administrators::credential_version.eq(sessions::credential_version))
        .filter(tenants::state.eq(ACTIVE))
        .select((
            (
                sessions::id,
                sessions::session_ref,
                sessions::rid_digest,
                sessions::created,
                sessions::last_activity,
                sessions::absolute_end,
                sessions::access_type,
                sessions::initial_password,
                sessions::kind,
            ),
            (
                administrators::id,
                administrators::username,
                administrators::last_password_change,
                administrators::password_never_expires,
                administrators::totp_seed.is_not_null(),
            ),
            (tenants::id, tenants::guid),
            (roles::id, roles::name, roles::allow_user_interface, roles::allow_web_service),
            GrantRow::as_select(),
        ))
        .get_result(db)
        .optional()?;
    let Some((session, (administrator, username, last_password_change, never_expires, has_mfa), tenant, role, grant)) =
        row
    else {
        return Ok(None);
    };
    let rules = settings::rules_in(db, defaults, tenant.0)?;
    let absolute_end = session.5.min(session.3.plus(rules.longest));
    let legacy = session.8 == LEGACY;
    let idle = if legacy { rules.idle.min(LEGACY_IDLE) } else { rules.idle };
    if absolute_end <= now || session.4 <= now.minus(idle) {
        return Ok(None);
    }
    let limited = if !never_expires && last_password_change.plus(rules.password_expiry) <= now {
        Some(Limited::PasswordExpired)
    } else {
        (rules.mfa_required && !has_mfa).then_some(Limited::MfaRequired)
    };
    Ok(Some(SessionFacts {
        session: session.0,
        reference: session.1,
        rid_digest: session.2.to_hex(),
        created: session.3,
        last_activity: session.4,
        absolute_end,
        user_interface: session.6 == "userInterface",
        initial_password: session.7,
        legacy,
        limited,
        idle,
        administrator,
        username,
        tenant,
        role: role.0,
        role_name: role.1,
        allow_user_interface: role.2,
        allow_web_service: role.3,
        grant,
    }))
}

// ---- either, once more ----

/// What has become of somebody between the beginning of their call and the change that it asks for.
pub enum Standing {
    /// Nothing: they may do what they might.
    AsBefore,
    /// Their role is another, or lets them do something else.
    Changed,
    /// Their key or session lets nobody in any more.
    Gone,
}

/// Looks somebody up again in the transaction of a change: a body may take ten seconds to arrive, and who was demoted,
/// locked out or removed meanwhile must not finish what they began.
pub fn standing(db: &mut Db, identity: &Identity, now: Timestamp) -> Result<Standing> {
    let found = match &identity.who {
        Who::ApiKey(key) => self::key(db, key.id)?
            .filter(|facts| facts.active && facts.tenant_is_active && facts.allow_web_service)
            .filter(|facts| facts.expires.is_none_or(|at| at > now) && facts.expires == key.expires)
            .filter(|facts| facts.digests.iter().any(|digest| digest.matches(&key.digest)))
            .map(|facts| (facts.role, facts.grant)),
        Who::Administrator(session) => session_role(db, session.session, now)?,
    };
    Ok(match found {
        None => Standing::Gone,
        Some((role, grant)) if role == identity.role && grant == identity.grant => Standing::AsBefore,
        Some(_) => Standing::Changed,
    })
}

/// The role behind a session that nobody has ended.
fn session_role(db: &mut Db, session: i64, now: Timestamp) -> Result<Option<(RoleID, Grant)>> {
    let row: Option<(RoleID, GrantRow)> = sessions::table
        .inner_join(administrators::table.inner_join(roles::table).inner_join(tenants::table))
        .filter(sessions::id.eq(session))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::absolute_end.gt(now))
        .filter(administrators::active)
        .filter(administrators::credential_version.eq(sessions::credential_version))
        .filter(tenants::state.eq(ACTIVE))
        .select((roles::id, GrantRow::as_select()))
        .get_result(db)
        .optional()?;
    row.map(|(role, grant)| Ok((role, grant.grant()?))).transpose()
}

/// Notes a session's use. The guard in the statement keeps an ended session ended (T-38).
pub fn touch_session(db: &mut Db, session: i64, now: Timestamp) -> Result<()> {
    diesel::update(sessions::table.find(session))
        .filter(sessions::ended_at.is_null())
        .filter(sessions::last_activity.lt(now))
        .set(sessions::last_activity.eq(now))
        .execute(db)?;
    Ok(())
}

/// Ends a session, once.
pub fn end_session(db: &mut Db, sid: SecretDigest, now: Timestamp, why: &str) -> Result<usize> {
    Ok(diesel::update(sessions::table.filter(sessions::sid_digest.eq(sid)))
        .filter(sessions::ended_at.is_null())
        .set((sessions::ended_at.eq(now), sessions::end_reason.eq(why)))
        .execute(db)?)
}
