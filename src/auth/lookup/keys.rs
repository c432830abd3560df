//! Keys by their IDs: those that are there, and those that were revoked.

use diesel::prelude::*;

use super::{ACTIVE, GrantRow, guid};
use crate::api_key_profiles::{Dialect, RightsFrom, Throttle, Window};
use crate::auth::identity::{KeyBounds, Pending, Tenant};
use crate::clock::{MINUTE, Timestamp};
use crate::constraints::{Constraints, from_json};
use crate::db::schema::{
    administrators, api_key_api_types, api_key_profiles, api_key_secrets, api_keys, api_types, revoked_api_key_secrets,
    revoked_api_keys, roles, tenants,
};
use crate::db::{Db, MultiBackend, inner};
use crate::error::{Error, Result};
use crate::id::{AdministratorID, ApiKeyID, ApiTypeID, ProfileID, RoleID, TenantID};
use crate::locale::TimeZone;
use crate::rights::{Grant, Right, Rights};
use crate::secret::SecretDigest;
use crate::secret_life::SecretLife;

/// What is known about a key when somebody presents it.
pub struct KeyFacts {
    /// Its name.
    pub name: String,
    /// Whether it is not locked out.
    pub active: bool,
    /// When it ends.
    pub expires: Option<Timestamp>,
    /// Whose it is.
    pub tenant: Tenant,
    /// That tenant's name.
    pub tenant_name: String,
    /// Whether that tenant is neither suspended nor about to be removed.
    pub tenant_is_active: bool,
    /// Its role.
    pub role: RoleID,
    /// The role's name.
    pub role_name: String,
    /// What is left of the role's by the key's API types.
    pub grant: Grant,
    /// What would be left besides, were those API types authorized that wait for it.
    pub pending: Pending,
    /// Its API types that wait for nothing, by name.
    pub api_types: Vec<String>,
    /// Two that live while the key is being rotated, and the last few that have ended.
    pub secrets: Vec<KnownSecret>,
    /// What bounds its use, its end aside.
    pub bounds: KeyBounds,
    /// Whether its role is that of whoever issued it, and not one of its own.
    pub role_of_issuer: bool,
    /// Whether whoever issued it is there and not locked out. It matters where the key is bound to them.
    pub issuer_may_sign_in: bool,
    /// How often keys of its profile may be used.
    pub throttle: Throttle,
    /// In which shape it is answered that something is refused.
    pub dialect: Dialect,
}

/// A secret by which the key is known, or was.
pub struct KnownSecret {
    /// The number of its row.
    pub id: i64,
    /// What it is recognised by.
    pub digest: SecretDigest,
    /// Until when it lets somebody in.
    pub life: SecretLife,
}

/// A secret's row, as far as it decides who is let in.
#[derive(Queryable, Selectable)]
#[diesel(table_name = api_key_secrets, check_for_backend(MultiBackend))]
struct SecretRow {
    id: i64,
    api_key_id: ApiKeyID,
    digest: SecretDigest,
    created: Timestamp,
    last_used: Option<Timestamp>,
    ends: Option<Timestamp>,
    replaced: Option<Timestamp>,
    silent_for: Option<i64>,
    extend_until: Option<Timestamp>,
}

impl SecretRow {
    fn known(&self) -> KnownSecret {
        let life = SecretLife {
            created: self.created,
            last_used: self.last_used,
            ends: self.ends,
            replaced: self.replaced,
            silent_for: self.silent_for,
            extend_until: self.extend_until,
        };
        KnownSecret { id: self.id, digest: self.digest, life }
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = api_keys, check_for_backend(MultiBackend))]
struct BoundsRow {
    time_zone: String,
    not_before: Option<Timestamp>,
    networks: String,
    remaining_uses: Option<i64>,
    calls_per_minute: Option<i64>,
    windows: String,
    made_by_administrator_id: Option<AdministratorID>,
    made_by_key_id: Option<ApiKeyID>,
}

impl BoundsRow {
    fn into_bounds(self, id: ApiKeyID, profile: &ProfileRow) -> Result<KeyBounds> {
        Ok(KeyBounds {
            id,
            constraints: Constraints {
                target: None,
                not_before: self.not_before,
                networks: from_json(&self.networks)?,
                remaining_uses: self.remaining_uses,
                calls_per_minute: self.calls_per_minute,
                windows: from_json(&self.windows)?,
            },
            time_zone: TimeZone::parse(&self.time_zone).map_err(Error::internal)?,
            profile: profile.id,
            is_throttled: profile.key_calls_per_minute.is_some() || profile.tenant_calls_per_minute.is_some(),
            api_types: Vec::new(),
            issuer_bound: profile.issuer_bound,
            administrator: self.made_by_administrator_id,
            key: self.made_by_key_id,
        })
    }
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = api_key_profiles, check_for_backend(MultiBackend))]
struct ProfileRow {
    id: ProfileID,
    rights_from: String,
    issuer_bound: bool,
    key_calls_per_minute: Option<i64>,
    tenant_calls_per_minute: Option<i64>,
    calls_window: String,
    error_dialect: String,
}

impl ProfileRow {
    fn throttle(&self) -> Result<Throttle> {
        let window = Window::parse(&self.calls_window).ok_or_else(|| Error::internal("a profile's minute is none"))?;
        Ok(Throttle { key: self.key_calls_per_minute, tenant: self.tenant_calls_per_minute, window })
    }

    fn dialect(&self) -> Result<Dialect> {
        Dialect::parse(&self.error_dialect).ok_or_else(|| Error::internal("a profile's dialect is none"))
    }
}

diesel::alias!(api_keys as issuing_keys: IssuingKeys);

type IssuerRow = (Option<bool>, Option<bool>);
type NamesRow = (String, bool, Option<Timestamp>, bool);
type WhoseRow = ((TenantID, String, String, String), (RoleID, String));
/// One of a key's secrets, and everything about the key.
type KeyRow = (SecretRow, NamesRow, BoundsRow, ProfileRow, IssuerRow, WhoseRow, GrantRow);

/// The statement that reads [`KeyRow`]s, of all keys yet.
macro_rules! key_rows {
    () => {{
        let for_types = api_key_api_types::table.filter(api_key_api_types::api_key_id.eq(api_keys::id));
        let key =
            api_keys::table.inner_join(roles::table).inner_join(tenants::table).inner_join(api_key_profiles::table);
        let issuer = administrators::id.nullable().eq(api_keys::made_by_administrator_id);
        let issuing_key = issuing_keys.field(api_keys::id).nullable().eq(api_keys::made_by_key_id);
        let key = key.left_join(administrators::table.on(issuer)).left_join(issuing_keys.on(issuing_key));
        api_key_secrets::table.inner_join(key).select((
            SecretRow::as_select(),
            (api_keys::key_name, api_keys::active, api_keys::expiry_date, diesel::dsl::exists(for_types)),
            BoundsRow::as_select(),
            ProfileRow::as_select(),
            (administrators::active.nullable(), issuing_keys.field(api_keys::active).nullable()),
            ((tenants::id, tenants::guid, tenants::name, tenants::state), (roles::id, roles::name)),
            GrantRow::as_select(),
        ))
    }};
}

/// Everything about one key, by its ID. No LIMIT: SQLite would plan it anew on each call.
pub fn key(db: &mut Db, id: ApiKeyID) -> Result<Option<KeyFacts>> {
    let of_key = api_key_secrets::api_key_id.eq(id);
    let rows: Vec<KeyRow> = inner!(db, inner => key_rows!().filter(of_key).load(inner))?;
    facts_of(db, id, rows)
}

/// What the rows of one key come to.
fn facts_of(db: &mut Db, id: ApiKeyID, rows: Vec<KeyRow>) -> Result<Option<KeyFacts>> {
    let secrets = rows.iter().map(|row| row.0.known()).collect();
    let Some((_, (name, active, expires, has_types), bounds, profile, issuer, whose, grant)) = rows.into_iter().next()
    else {
        return Ok(None);
    };
    let ((tenant, tenant_guid, tenant_name, state), (role, role_name)) = whose;
    let mut facts = KeyFacts {
        name,
        active,
        expires,
        tenant: Tenant { id: tenant, guid: guid(&tenant_guid)? },
        tenant_name,
        tenant_is_active: state == ACTIVE,
        role,
        role_name,
        grant: grant.grant()?,
        pending: Pending::default(),
        api_types: Vec::new(),
        secrets,
        bounds: bounds.into_bounds(id, &profile)?,
        role_of_issuer: profile.rights_from == RightsFrom::Issuer.as_str(),
        issuer_may_sign_in: issuer.0.or(issuer.1).unwrap_or(false),
        throttle: profile.throttle()?,
        dialect: profile.dialect()?,
    };
    if facts.role_of_issuer {
        take_role_of_issuer(db, &mut facts)?;
    }
    if has_types {
        cut_to_types(db, id, &mut facts)?;
    }
    Ok(Some(facts))
}

/// Some keys of a tenant, and where to read on.
pub struct KeysRead {
    /// In the order of their IDs. Keys that have no secret at all are not among them.
    pub keys: Vec<(ApiKeyID, KeyFacts)>,
    /// The last ID that was looked at.
    pub last: ApiKeyID,
}

/// The next keys of a tenant behind an ID, so many at most; none where there are no more.
pub fn keys_of(db: &mut Db, tenant: TenantID, after: ApiKeyID, most: i64) -> Result<Option<KeysRead>> {
    let of_tenant = api_keys::table.filter(api_keys::tenant_id.eq(tenant)).filter(api_keys::id.gt(after));
    let ids: Vec<ApiKeyID> = of_tenant.order(api_keys::id).limit(most).select(api_keys::id).load(db)?;
    let Some(last) = ids.last().copied() else { return Ok(None) };
    let rows: Vec<KeyRow> = key_rows!()
        .filter(api_keys::tenant_id.eq(tenant))
        .filter(api_keys::id.gt(after))
        .filter(api_keys::id.le(last))
        .order((api_keys::id, api_key_secrets::id))
        .load(db)?;
    let mut keys = Vec::with_capacity(ids.len());
    let mut rows = rows.into_iter().peekable();
    while let Some(first) = rows.next() {
        let id = first.0.api_key_id;
        let mut of_key = vec![first];
        while let Some(row) = rows.next_if(|row| row.0.api_key_id == id) {
            of_key.push(row);
        }
        keys.extend(facts_of(db, id, of_key)?.map(|facts| (id, facts)));
    }
    Ok(Some(KeysRead { keys, last }))
}

/// A key with one secret, no bounds but an end, and no API types, as far as its own rows tell; whether its profile lets
/// it stand by itself its [`KeyFacts`] tell.
pub struct PlainKey {
    pub name: String,
    pub expires: Option<Timestamp>,
    pub tenant: TenantID,
    pub role: RoleID,
    pub profile: ProfileID,
    pub digest: SecretDigest,
    /// The number of its secret's row.
    pub secret: i64,
}

/// A plain key by its ID; none where it is not there, or is not plain. The statement of those verifications that find
/// nothing in memory.
pub fn plain_key(db: &mut Db, id: ApiKeyID) -> Result<Option<PlainKey>> {
    type Key = (String, Option<Timestamp>, TenantID, RoleID, ProfileID);
    type Secret = (i64, SecretDigest, Option<Timestamp>, Option<Timestamp>);
    macro_rules! rows {
        ($connection:expr) => {{
            let for_types = api_key_api_types::table.filter(api_key_api_types::api_key_id.eq(api_keys::id));
            let bound = (api_keys::not_before.is_not_null())
                .or(api_keys::networks.ne(""))
                .or(api_keys::windows.ne(""))
                .or(api_keys::remaining_uses.is_not_null())
                .or(api_keys::calls_per_minute.is_not_null());
            let key = (
                api_keys::key_name,
                api_keys::expiry_date,
                api_keys::tenant_id,
                api_keys::role_id,
                api_keys::profile_id,
            );
            let secret =
                (api_key_secrets::id, api_key_secrets::digest, api_key_secrets::replaced, api_key_secrets::ends);
            let rows: Vec<(Key, Secret)> = api_key_secrets::table
                .inner_join(api_keys::table)
                .filter(api_key_secrets::api_key_id.eq(id))
                .filter(api_keys::active)
                .filter(diesel::dsl::not(bound))
                .filter(diesel::dsl::not(diesel::dsl::exists(for_types)))
                .select((key, secret))
                .load($connection)?;
            rows
        }};
    }
    let rows = match db {
        Db::Sqlite(inner) => rows!(inner),
        Db::Postgres(inner) => rows!(inner),
    };
    let mut rows = rows.into_iter();
    let (Some(only), None) = (rows.next(), rows.next()) else { return Ok(None) };
    let ((name, expires, tenant, role, profile), (secret, digest, None, None)) = only else { return Ok(None) };
    Ok(Some(PlainKey { name, expires, tenant, role, profile, digest, secret }))
}

/// Where the key's profile says so, its role is that of whoever made it, as it is now; they may be gone, and then
/// nothing is left of it.
fn take_role_of_issuer(db: &mut Db, facts: &mut KeyFacts) -> Result<()> {
    let role: Option<(RoleID, String, GrantRow)> = match facts.bounds.administrator {
        None => None,
        Some(issuer) => administrators::table
            .inner_join(roles::table)
            .filter(administrators::id.eq(issuer))
            .filter(administrators::tenant_id.eq(facts.tenant.id))
            .select((roles::id, roles::name, GrantRow::as_select()))
            .get_result(db)
            .optional()?,
    };
    facts.grant = Grant::default();
    if let Some((role, name, grant)) = role {
        (facts.role, facts.role_name, facts.grant) = (role, name, grant.grant()?);
    }
    Ok(())
}

/// A key that is for some API types has those rights of its role that belong to one of them. What waits for an
/// authorization counts for nothing yet.
fn cut_to_types(db: &mut Db, id: ApiKeyID, facts: &mut KeyFacts) -> Result<()> {
    let types: Vec<(ApiTypeID, String, bool, bool, String)> = api_key_api_types::table
        .inner_join(api_types::table)
        .filter(api_key_api_types::api_key_id.eq(id))
        .order(api_types::id)
        .select((
            api_types::id,
            api_types::name,
            api_types::needs_authorization,
            api_key_api_types::granted.is_not_null(),
            api_types::rights,
        ))
        .load(db)?;
    let of_role = facts.grant.rights;
    facts.grant.rights = Rights::NONE;
    for (kind, name, needs_authorization, granted, rights) in types {
        facts.bounds.api_types.push(kind);
        let names: Vec<String> = serde_json::from_str(&rights).map_err(Error::internal)?;
        let rights: Rights = names.iter().filter_map(|name| Right::find_dotted(name)).collect();
        match needs_authorization && !granted {
            true => facts.pending.0.push((name, rights.common(&of_role))),
            false => {
                facts.grant.rights = facts.grant.rights.joined(&rights.common(&of_role));
                facts.api_types.push(name);
            }
        }
    }
    Ok(())
}

/// When a secret was made, by the number of its row.
pub fn secret_made(db: &mut Db, secret: i64) -> Result<Option<Timestamp>> {
    let row = api_key_secrets::table.filter(api_key_secrets::id.eq(secret));
    Ok(row.select(api_key_secrets::created).get_result(db).optional()?)
}

/// Takes one of the uses that a key has left, and answers how many are left then; nothing where it has none. Of many
/// calls at once no more get one than there are.
pub fn take_use(db: &mut Db, id: ApiKeyID) -> Result<Option<Uses>> {
    let left: Option<Option<i64>> = diesel::update(api_keys::table.find(id))
        .filter(api_keys::remaining_uses.gt(0))
        .set(api_keys::remaining_uses.eq(api_keys::remaining_uses - 1))
        .returning(api_keys::remaining_uses)
        .get_result(db)
        .optional()?;
    if let Some(left) = left {
        return Ok(Some(Uses(left)));
    }
    // the bound was taken away, or raised, since the key was looked up: only in this rare case is it asked once more
    let now: Option<Option<i64>> =
        api_keys::table.find(id).select(api_keys::remaining_uses).get_result(db).optional()?;
    Ok(now.filter(Option::is_none).map(Uses))
}

/// [`take_use`] of each of these, in their order. Rows are taken in the order of their numbers, or two of these could
/// wait for each other.
pub fn take_uses(db: &mut Db, ids: &[ApiKeyID]) -> Result<Vec<Option<Uses>>> {
    let mut places: Vec<usize> = (0..ids.len()).collect();
    places.sort_by_key(|place| ids.get(*place));
    let mut taken: Vec<Option<Uses>> = ids.iter().map(|_| None).collect();
    for place in places {
        if let (Some(id), Some(uses)) = (ids.get(place), taken.get_mut(place)) {
            *uses = take_use(db, *id)?;
        }
    }
    Ok(taken)
}

/// The uses that a key has left; none where they are not bounded.
pub struct Uses(pub Option<i64>);

// ---- revoked keys ----

/// What is known about a revoked key when somebody presents its ID.
pub struct RevokedFacts {
    /// Its number.
    pub id: ApiKeyID,
    /// Its name.
    pub name: String,
    /// Whose it was.
    pub tenant: Tenant,
    /// Why it was revoked.
    pub reason: String,
    /// When.
    pub revoked: Timestamp,
    /// When somebody last presented it since.
    pub last_presented: Option<Timestamp>,
    /// Of the secrets that it had.
    pub digests: Vec<SecretDigest>,
}

/// Everything about one revoked key, by its ID.
pub fn revoked_key(db: &mut Db, id: ApiKeyID) -> Result<Option<RevokedFacts>> {
    type Row = (SecretDigest, String, (TenantID, String), String, Timestamp, Option<Timestamp>);
    let rows: Vec<Row> = revoked_api_key_secrets::table
        .inner_join(revoked_api_keys::table.inner_join(tenants::table))
        .filter(revoked_api_key_secrets::api_key_id.eq(id))
        .select((
            revoked_api_key_secrets::digest,
            revoked_api_keys::key_name,
            (tenants::id, tenants::guid),
            revoked_api_keys::reason,
            revoked_api_keys::revoked_at,
            revoked_api_keys::last_presented,
        ))
        .load(db)?;
    let digests = rows.iter().map(|row| row.0).collect();
    let Some((_, name, (tenant, tenant_guid), reason, revoked, last_presented)) = rows.into_iter().next() else {
        return Ok(None);
    };
    let tenant = Tenant { id: tenant, guid: guid(&tenant_guid)? };
    Ok(Some(RevokedFacts { id, name, tenant, reason, revoked, last_presented, digests }))
}

/// The next revoked keys of a tenant behind an ID, in the order of their IDs, so many at most: their IDs, and the digests
/// of the secrets that each had.
pub fn revoked_keys_of(
    db: &mut Db,
    tenant: TenantID,
    after: ApiKeyID,
    most: i64,
) -> Result<Vec<(ApiKeyID, Vec<SecretDigest>)>> {
    let of_tenant = revoked_api_keys::table.filter(revoked_api_keys::tenant_id.eq(tenant));
    let of_tenant = of_tenant.filter(revoked_api_keys::id.gt(after)).order(revoked_api_keys::id);
    let ids: Vec<ApiKeyID> = of_tenant.limit(most).select(revoked_api_keys::id).load(db)?;
    let Some(last) = ids.last().copied() else { return Ok(Vec::new()) };
    let rows: Vec<(ApiKeyID, SecretDigest)> = revoked_api_key_secrets::table
        .inner_join(revoked_api_keys::table)
        .filter(revoked_api_keys::tenant_id.eq(tenant))
        .filter(revoked_api_keys::id.gt(after))
        .filter(revoked_api_keys::id.le(last))
        .order(revoked_api_keys::id)
        .select((revoked_api_keys::id, revoked_api_key_secrets::digest))
        .load(db)?;
    let mut rows = rows.into_iter().peekable();
    let mut digests = |id| std::iter::from_fn(|| rows.next_if(|(of, _)| *of == id)).map(|row| row.1).collect();
    Ok(ids.into_iter().map(|id| (id, digests(id))).collect())
}

/// Notes that a revoked key was presented, unless that was noted within the last minute; answers whether it was noted.
pub fn note_presented(db: &mut Db, id: ApiKeyID, address: &str, now: Timestamp) -> Result<bool> {
    let long_ago = (revoked_api_keys::last_presented.is_null())
        .or(revoked_api_keys::last_presented.le(now.minus(MINUTE)).assume_not_null())
        // a clock was ahead
        .or(revoked_api_keys::last_presented.gt(now.plus(MINUTE)).assume_not_null());
    let noted = diesel::update(revoked_api_keys::table.filter(revoked_api_keys::id.eq(id)))
        .filter(long_ago)
        .set((revoked_api_keys::last_presented.eq(now), revoked_api_keys::last_presented_from.eq(address)))
        .execute(db)?;
    Ok(noted == 1)
}
