//! Whoever was looked up before, once more: what they may do may have changed since.

use std::sync::Arc;

use diesel::prelude::*;

use super::{ACTIVE, GrantRow, KeyFacts, KnownSecret, guid, key};
use crate::audit::Origin;
use crate::auth::check;
use crate::auth::identity::{Absent, Identity, KeyBounds, KeyCaller, Pending, SessionCaller, Tenant, Who};
use crate::clock::Timestamp;
use crate::db::schema::{administrators, roles, sessions, tenants};
use crate::db::{Db, Shared};
use crate::error::Result;
use crate::id::{AdministratorID, ApiKeyID, RoleID, TenantID};
use crate::rights::Grant;
use crate::secret::SecretDigest;

/// What has become of somebody between the beginning of their call and the change that it asks for.
pub enum Standing {
    /// Nothing: they may do what they might.
    AsBefore,
    /// Their role is another, or lets them do something else.
    Changed,
    /// Their key or session lets nobody in any more.
    Gone,
}

/// A key whose holder is looked up again.
#[derive(PartialEq, Eq, Hash)]
struct StandingOf(ApiKeyID);

/// Looks somebody up again in the transaction of a change: a body may take ten seconds to arrive, and who was demoted,
/// locked out or removed meanwhile must not finish what they began.
pub fn standing(db: &mut Db, shared: &mut Shared, identity: &Identity, now: Timestamp) -> Result<Standing> {
    let found = match &identity.who {
        Who::ApiKey(key) => shared
            .recall(StandingOf(key.id), || Ok(super::key(db, key.id)?.map(Arc::new)))?
            .filter(|facts| facts.tenant_is_active && facts.grant.ways.web_service)
            .filter(|facts| check::standing(facts, now).is_none() && facts.expires == key.expires)
            .filter(|facts| facts.secrets.iter().any(|secret| stands(secret, key, now)))
            .map(|facts| (facts.role, facts.grant.clone(), is_bounded_as_before(key, facts.bounds.clone()))),
        Who::Administrator(session) => session_role(db, session.session, now)?.map(|(role, grant)| (role, grant, true)),
    };
    Ok(match found {
        None => Standing::Gone,
        Some((role, grant, true)) if role == identity.role && grant == identity.grant => Standing::AsBefore,
        Some(_) => Standing::Changed,
    })
}

/// Somebody who is not there, as they are now: none where they are locked, gone, or could not make a call themselves.
///
/// Where the request at hand is as good as a call of theirs (`calls`), a key's bounds hold for it too; one whose uses
/// are counted makes none, for nothing of this is counted.
pub fn absent(db: &mut Db, who: Absent, calls: bool, origin: Origin, now: Timestamp) -> Result<Option<Identity>> {
    match who {
        Absent::ApiKey(id) => absent_key(db, id, calls, origin, now),
        Absent::Administrator(id) => absent_administrator(db, id, origin, now),
    }
}

fn absent_key(db: &mut Db, id: ApiKeyID, calls: bool, origin: Origin, now: Timestamp) -> Result<Option<Identity>> {
    let may_call = |facts: &KeyFacts| {
        facts.bounds.constraints.remaining_uses.is_none() && check::call(facts, now, origin.address).is_none()
    };
    let facts = key(db, id)?
        .filter(|facts| facts.tenant_is_active && facts.grant.ways.web_service)
        .filter(|facts| check::standing(facts, now).is_none())
        .filter(|facts| !calls || may_call(facts));
    Ok(facts.map(|facts| Identity {
        tenant: facts.tenant,
        // it presents nothing, and is what no presented secret is compared with
        who: Who::ApiKey(KeyCaller {
            id,
            name: facts.name,
            expires: facts.expires,
            digest: SecretDigest::OF_NOBODY,
            secret: 0,
            presented: now,
            dialect: facts.dialect,
            bounds: Box::new(facts.bounds),
        }),
        role: facts.role,
        role_name: facts.role_name,
        grant: facts.grant,
        pending: facts.pending,
        origin,
    }))
}

fn absent_administrator(db: &mut Db, id: AdministratorID, origin: Origin, now: Timestamp) -> Result<Option<Identity>> {
    type Row = (String, (TenantID, String), (RoleID, String), GrantRow);
    let row: Option<Row> = administrators::table
        .inner_join(roles::table)
        .inner_join(tenants::table)
        .filter(administrators::id.eq(id))
        .filter(administrators::active)
        .filter(tenants::state.eq(ACTIVE))
        .filter(roles::allow_web_service.or(roles::allow_user_interface))
        .select((
            administrators::username,
            (tenants::id, tenants::guid),
            (roles::id, roles::name),
            GrantRow::as_select(),
        ))
        .get_result(db)
        .optional()?;
    let Some((username, tenant, role, grant)) = row else { return Ok(None) };
    let session = SessionCaller {
        administrator: id,
        username,
        session: 0, // no row has this number
        reference: String::new(),
        created: now,
        last_activity: now,
        absolute_end: now,
        user_interface: false,
        initial_password: false,
        one_shot: false,
        limited: None,
    };
    Ok(Some(Identity {
        tenant: Tenant { id: tenant.0, guid: guid(&tenant.1)? },
        who: Who::Administrator(session),
        role: role.0,
        role_name: role.1,
        grant: grant.grant()?,
        pending: Pending::default(),
        origin,
    }))
}

/// Whether what the key makes is still to be bounded as was known when the call began. Other calls take their uses.
fn is_bounded_as_before(key: &KeyCaller, mut bounds: KeyBounds) -> bool {
    if bounds.constraints.remaining_uses.is_some() == key.bounds.constraints.remaining_uses.is_some() {
        bounds.constraints.remaining_uses = key.bounds.constraints.remaining_uses;
    }
    bounds == *key.bounds
}

/// Whether it is the secret that the key was presented with, and lives: that very call was a use of it.
fn stands(secret: &KnownSecret, key: &KeyCaller, now: Timestamp) -> bool {
    secret.digest.matches(&key.digest) && secret.life.used(Some(key.presented)).lives(now)
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

/// What changes with everything that an administrator proves themselves by.
pub fn credential_version(db: &mut Db, tenant: TenantID, id: AdministratorID) -> Result<Option<i64>> {
    let query = administrators::table.filter(administrators::id.eq(id)).filter(administrators::tenant_id.eq(tenant));
    Ok(query.select(administrators::credential_version).get_result(db).optional()?)
}

/// What an administrator may do at this moment, where they may sign in and have proved themselves by the same since.
pub fn administrator_grant(
    db: &mut Db,
    tenant: TenantID,
    id: AdministratorID,
    credential_version: i64,
) -> Result<Option<Grant>> {
    let row: Option<GrantRow> = administrators::table
        .inner_join(roles::table)
        .inner_join(tenants::table)
        .filter(administrators::id.eq(id))
        .filter(administrators::tenant_id.eq(tenant))
        .filter(administrators::active)
        .filter(administrators::credential_version.eq(credential_version))
        .filter(roles::allow_web_service.or(roles::allow_user_interface))
        .filter(tenants::state.eq(ACTIVE))
        .select(GrantRow::as_select())
        .get_result(db)
        .optional()?;
    row.map(|row| row.grant()).transpose()
}

/// What a key may do at this moment, when it ends, and what bounds it, where it lets in whoever presents this secret.
pub fn key_grant(
    db: &mut Db,
    tenant: TenantID,
    id: ApiKeyID,
    digest: &SecretDigest,
    now: Timestamp,
) -> Result<Option<(Grant, Option<Timestamp>, KeyBounds)>> {
    let found = key(db, id)?
        .filter(|facts| facts.tenant.id == tenant && facts.tenant_is_active && facts.grant.ways.web_service)
        .filter(|facts| check::standing(facts, now).is_none())
        .filter(|facts| facts.secrets.iter().any(|secret| secret.digest.matches(digest) && secret.life.lives(now)));
    Ok(found.map(|facts| (facts.grant, facts.expires, facts.bounds)))
}
