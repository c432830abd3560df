//! Sessions by their digests.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::{ACTIVE, GrantRow, guid};
use crate::app::Rules;
use crate::auth::identity::{Limited, Tenant};
use crate::clock::{MINUTE, Timestamp};
use crate::db::Db;
use crate::db::schema::{administrators, roles, sessions, tenants};
use crate::error::Result;
use crate::id::{AdministratorID, RoleID, TenantID};
use crate::rights::Grant;
use crate::secret::SecretDigest;
use crate::settings;

/// A session of the older sign-in that is not used for this long ends, in milliseconds.
const LEGACY_IDLE: i64 = 10 * MINUTE;
const LEGACY: &str = "legacy";
const ONE_SHOT: &str = "oneShot";

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
    /// It is there for making one key.
    pub one_shot: bool,
    pub limited: Option<Limited>,
    /// After so many milliseconds without use it ends.
    idle: i64,
    pub administrator: AdministratorID,
    pub username: String,
    tenant: (TenantID, String),
    pub role: RoleID,
    pub role_name: String,
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
    type Row = (SessionRow, OwnerRow, (TenantID, String), (RoleID, String), GrantRow);
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
            (roles::id, roles::name),
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
        one_shot: session.8 == ONE_SHOT,
        limited,
        idle,
        administrator,
        username,
        tenant,
        role: role.0,
        role_name: role.1,
        grant,
    }))
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
