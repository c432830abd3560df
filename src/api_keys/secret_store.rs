//! The table of keys' secrets: their digests, how long each lives, how each was used.

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;

use super::rotation::{KEPT, Secret, Secrets};
use crate::auth::key_usage::{KeyUsage, SecretUse};
use crate::clock::Timestamp;
use crate::db::schema::api_key_secrets;
use crate::db::{Db, Later, MultiBackend, insert_all};
use crate::error::{Error, Reason, Result, is_unique_violation};
use crate::id::{ApiKeyID, TenantID};
use crate::secret::{SecretDigest, SecretKey};
use crate::secret_life::SecretLife;

#[derive(Queryable, Selectable)]
#[diesel(table_name = api_key_secrets, check_for_backend(MultiBackend))]
struct Row {
    id: i64,
    api_key_id: ApiKeyID,
    digest: SecretDigest,
    created: Timestamp,
    ends: Option<Timestamp>,
    last_used: Option<Timestamp>,
    last_address: Option<String>,
    uses: i64,
    replaced: Option<Timestamp>,
    silent_for: Option<i64>,
    extend_until: Option<Timestamp>,
}

impl Row {
    /// With what this node has seen and not written down yet.
    fn into_secret(self, usage: &KeyUsage) -> (ApiKeyID, Secret) {
        let stored = SecretUse { last_used: self.last_used, last_address: self.last_address, uses: self.uses };
        let used = usage.secret_overlay(self.api_key_id, self.id, stored);
        let life = SecretLife {
            created: self.created,
            last_used: used.last_used,
            ends: self.ends,
            replaced: self.replaced,
            silent_for: self.silent_for,
            extend_until: self.extend_until,
        };
        (self.api_key_id, Secret { id: self.id, digest: self.digest, life, used })
    }
}

/// How many keys, or digests, are asked for in one statement.
const KEYS: usize = 500;

/// The secrets of some of a tenant's keys.
pub fn of_keys(
    db: &mut Db,
    tenant: TenantID,
    keys: &[ApiKeyID],
    usage: &KeyUsage,
) -> Result<HashMap<ApiKeyID, Secrets>> {
    let mut secrets: HashMap<ApiKeyID, Vec<Secret>> = HashMap::new();
    for keys in keys.chunks(KEYS) {
        let rows: Vec<Row> = api_key_secrets::table
            .filter(api_key_secrets::tenant_id.eq(tenant))
            .filter(api_key_secrets::api_key_id.eq_any(keys.to_vec()))
            .select(Row::as_select())
            .load(db)?;
        for (key, secret) in rows.into_iter().map(|row| row.into_secret(usage)) {
            secrets.entry(key).or_default().push(secret);
        }
    }
    Ok(secrets.into_iter().map(|(key, secrets)| (key, Secrets::new(secrets))).collect())
}

/// The secrets of one of a tenant's keys.
pub fn of_key(db: &mut Db, tenant: TenantID, key: ApiKeyID, usage: &KeyUsage) -> Result<Secrets> {
    Ok(of_keys(db, tenant, &[key], usage)?.remove(&key).unwrap_or_else(|| Secrets::new(Vec::new())))
}

/// When the secret was made that a key has now, an older one aside that lives on beside it; none where it has none.
pub fn made(db: &mut Db, tenant: TenantID, key: ApiKeyID) -> Result<Option<Timestamp>> {
    Ok(api_key_secrets::table
        .filter(api_key_secrets::api_key_id.eq(key))
        .filter(api_key_secrets::tenant_id.eq(tenant))
        .filter(api_key_secrets::ends.is_null())
        .select(diesel::dsl::max(api_key_secrets::created))
        .get_result(db)?)
}

/// A key's new secret, by its digest.
#[derive(Insertable)]
#[diesel(table_name = api_key_secrets, treat_none_as_default_value = false)]
pub struct NewSecret {
    tenant_id: TenantID,
    api_key_id: ApiKeyID,
    digest: SecretDigest,
    digest_version: i64,
    created: Timestamp,
}

impl NewSecret {
    pub fn of(tenant: TenantID, key: ApiKeyID, digest: SecretDigest, now: Timestamp) -> Self {
        let digest_version = SecretKey::DIGEST_VERSION;
        Self { tenant_id: tenant, api_key_id: key, digest, digest_version, created: now }
    }
}

impl Later for NewSecret {
    const RANK: u8 = 1;

    fn write(db: &mut Db, rows: Vec<Self>) -> Result<()> {
        insert_all!(db, api_key_secrets::table, rows.into_iter())
            .map_err(|error| if is_unique_violation(&error) { is_in_use() } else { error.into() })
    }
}

/// Gives a key a secret, by its digest.
pub fn insert(db: &mut Db, tenant: TenantID, key: ApiKeyID, digest: SecretDigest, now: Timestamp) -> Result<()> {
    NewSecret::write(db, vec![NewSecret::of(tenant, key, digest, now)])
}

/// A secret of the caller's own that another key has, or that this one had.
pub fn is_in_use() -> Error {
    let message =
        "secretDigest: an API key has this secret already, or had it until it was replaced. Make another one.";
    Error::new(Reason::Conflict, message)
}

/// Which of some digests are those of secrets that a tenant's keys have, or had until they were replaced.
pub fn known(db: &mut Db, tenant: TenantID, digests: &[SecretDigest]) -> Result<Vec<SecretDigest>> {
    let mut known = Vec::new();
    for some in digests.chunks(KEYS) {
        let mut rows: Vec<SecretDigest> = api_key_secrets::table
            .filter(api_key_secrets::tenant_id.eq(tenant))
            .filter(api_key_secrets::digest.eq_any(some.to_vec()))
            .select(api_key_secrets::digest)
            .load(db)?;
        known.append(&mut rows);
    }
    Ok(known)
}

/// Stores until when a secret lives.
pub fn set_life(db: &mut Db, secret: i64, life: SecretLife) -> Result<()> {
    diesel::update(api_key_secrets::table.find(secret))
        .set((
            api_key_secrets::ends.eq(life.ends),
            api_key_secrets::replaced.eq(life.replaced),
            api_key_secrets::silent_for.eq(life.silent_for),
            api_key_secrets::extend_until.eq(life.extend_until),
        ))
        .execute(db)?;
    Ok(())
}

/// Ends a secret for good.
pub fn end(db: &mut Db, secret: &Secret, at: Timestamp) -> Result<()> {
    let life = SecretLife { ends: Some(at), replaced: None, silent_for: None, extend_until: None, ..secret.life };
    set_life(db, secret.id, life)
}

/// Makes a secret that was replaced live as long as its key again.
pub fn restore(db: &mut Db, secret: &Secret) -> Result<()> {
    let life = SecretLife { ends: None, replaced: None, silent_for: None, extend_until: None, ..secret.life };
    set_life(db, secret.id, life)
}

/// Removes all but the latest of a key's secrets that have ended.
pub fn trim(db: &mut Db, tenant: TenantID, key: ApiKeyID, now: Timestamp) -> Result<()> {
    let ended: Vec<i64> = api_key_secrets::table
        .filter(api_key_secrets::tenant_id.eq(tenant))
        .filter(api_key_secrets::api_key_id.eq(key))
        .filter(api_key_secrets::ends.le(now))
        .filter(api_key_secrets::replaced.is_null())
        .order((api_key_secrets::ends.desc(), api_key_secrets::id.desc()))
        .select(api_key_secrets::id)
        .load(db)?;
    for old in ended.iter().skip(KEPT) {
        diesel::delete(api_key_secrets::table.find(*old)).execute(db)?;
    }
    Ok(())
}

/// How many ends are written down in one transaction.
const PIECE: i64 = 100;

/// The first few keys, with their tenants, one of whose secrets has ended by itself by what is stored of it. They are
/// read through an index that holds no secrets but those that were replaced.
pub fn over(db: &mut Db, now: Timestamp) -> Result<Vec<(TenantID, ApiKeyID)>> {
    use api_key_secrets::{ends, extend_until, last_used, replaced, silent_for};
    let unused = last_used.is_null().or((last_used + silent_for).le(now));
    let silent = (replaced + silent_for).le(now).and(unused);
    let in_use_no_more = unused.or(silent_for.is_null().and(last_used.le(now.minus(SecretLife::IN_USE))));
    let not_extended = extend_until.is_null().or(extend_until.le(now)).or(in_use_no_more);
    Ok(api_key_secrets::table
        .filter(replaced.is_not_null())
        .filter(ends.le(now).and(not_extended).or(silent))
        .order(replaced)
        .limit(PIECE)
        .select((api_key_secrets::tenant_id, api_key_secrets::api_key_id))
        .load(db)?)
}

/// From where each of some keys was last used, where that is known.
pub fn last_addresses(db: &mut Db, tenant: TenantID, ids: Vec<ApiKeyID>) -> Result<BTreeMap<ApiKeyID, Vec<String>>> {
    let of_keys = api_key_secrets::table.filter(api_key_secrets::tenant_id.eq(tenant));
    let rows: Vec<(ApiKeyID, Option<String>)> = of_keys
        .filter(api_key_secrets::api_key_id.eq_any(ids))
        .order(api_key_secrets::id.desc())
        .select((api_key_secrets::api_key_id, api_key_secrets::last_address))
        .load(db)?;
    let mut addresses: BTreeMap<ApiKeyID, Vec<String>> = BTreeMap::new();
    for (key, address) in rows {
        let known = addresses.entry(key).or_default();
        known.extend(address.filter(|address| !known.contains(address)));
    }
    Ok(addresses)
}
