//! The table of claims.

use diesel::prelude::*;

use super::rules::{Claim, MadeBy, Redemption, Terms};
use crate::auth::{Caller, Who};
use crate::clock::{DAY, Timestamp};
use crate::db::schema::{claims, tenants};
use crate::db::{Db, MultiBackend, columns};
use crate::error::{Error, Result};
use crate::id::{AdministratorID, ApiKeyID, ClaimID, RoleID, TenantID};
use crate::secret::SecretDigest;

/// How long a claim is kept after its end, and a redeemed one after that too, in milliseconds: so long a code that comes
/// again is known.
const KEPT_FOR: i64 = 30 * DAY;

#[derive(Queryable, Selectable)]
#[diesel(table_name = claims, check_for_backend(MultiBackend))]
struct Row {
    id: ClaimID,
    tenant_id: TenantID,
    key_name: String,
    role_id: Option<RoleID>,
    wish: String,
    key_valid_for: Option<i64>,
    networks: String,
    created: Timestamp,
    expires: Timestamp,
    made_by_administrator_id: Option<AdministratorID>,
    made_by_key_id: Option<ApiKeyID>,
    made_by_name: String,
    redeemed: Option<Timestamp>,
    redeemed_address: Option<String>,
    api_key_id: Option<ApiKeyID>,
    reused: Option<Timestamp>,
}

impl Row {
    fn into_claim(self) -> Result<Claim> {
        let made_by = match (self.made_by_administrator_id, self.made_by_key_id) {
            (Some(id), _) => MadeBy::Administrator(id),
            (None, Some(id)) => MadeBy::ApiKey(id),
            (None, None) => return Err(Error::internal("a claim that nobody made")),
        };
        let redeemed = match (self.redeemed, self.redeemed_address, self.api_key_id) {
            (Some(at), Some(address), Some(key)) => Some(Redemption { at, address, key }),
            _ => None,
        };
        Ok(Claim {
            id: self.id,
            tenant: self.tenant_id,
            key_name: self.key_name,
            role: self.role_id,
            wish: self.wish,
            key_valid_for: self.key_valid_for,
            networks: serde_json::from_str(&self.networks).map_err(Error::internal)?,
            created: self.created,
            expires: self.expires,
            made_by,
            made_by_name: self.made_by_name,
            redeemed,
            reused: self.reused,
        })
    }
}

/// The tenant's claims; every read for a caller starts here. Which of them the caller sees depends on what was asked for
/// of their keys, which is no column.
fn visible_to(tenant: TenantID) -> claims::BoxedQuery<'static, MultiBackend> {
    claims::table.filter(claims::tenant_id.eq(tenant)).into_boxed()
}

/// What a claim is made of.
pub struct NewClaim {
    /// The name that the key will have.
    pub key_name: String,
    /// Its role, where one was named.
    pub role: Option<RoleID>,
    /// What was asked for of it, as JSON.
    pub wish: String,
    /// How long, and from where.
    pub terms: Terms,
    /// Of the code.
    pub digest: SecretDigest,
}

/// Makes a claim of the caller's.
pub fn insert<R, V>(db: &mut Db, caller: &Caller<R, V>, new: NewClaim, now: Timestamp) -> Result<Claim> {
    let (administrator, key, name) = match caller.who() {
        Who::Administrator(session) => (Some(session.administrator), None, session.username.clone()),
        Who::ApiKey(key) => (None, Some(key.id), key.name.clone()),
    };
    let row: Row = diesel::insert_into(claims::table)
        .values((
            claims::tenant_id.eq(caller.tenant().id),
            claims::code_digest.eq(new.digest),
            claims::key_name.eq(new.key_name),
            claims::role_id.eq(new.role),
            claims::wish.eq(new.wish),
            claims::key_valid_for.eq(new.terms.key_valid_for),
            claims::networks.eq(serde_json::json!(new.terms.networks).to_string()),
            claims::created.eq(now),
            claims::expires.eq(now.plus(new.terms.valid_for)),
            claims::made_by_administrator_id.eq(administrator),
            claims::made_by_key_id.eq(key),
            claims::made_by_name.eq(name),
        ))
        .returning(columns::<Row>())
        .get_result(db)?;
    row.into_claim()
}

/// Does something and takes it back: what is left is what would have come of it, or that it would have been refused.
pub fn only_tried<T>(db: &mut Db, f: impl FnOnce(&mut Db) -> Result<T>) -> Result<T> {
    enum Undone<T> {
        Tried(T),
        Refused(Error),
    }
    impl<T> From<diesel::result::Error> for Undone<T> {
        fn from(error: diesel::result::Error) -> Self {
            Self::Refused(error.into())
        }
    }
    let outcome = db.transaction(|db| match f(db) {
        Ok(done) => Err::<std::convert::Infallible, _>(Undone::Tried(done)),
        Err(error) => Err(Undone::Refused(error)),
    });
    match outcome {
        Ok(never) => match never {},
        Err(Undone::Tried(done)) => Ok(done),
        Err(Undone::Refused(error)) => Err(error),
    }
}

/// One claim of the caller's tenant.
pub fn find<R, V>(db: &mut Db, caller: &Caller<R, V>, id: ClaimID) -> Result<Option<Claim>> {
    let query = visible_to(caller.tenant().id).filter(claims::id.eq(id)).select(Row::as_select());
    query.get_result(db).optional()?.map(Row::into_claim).transpose()
}

/// At most `most` claims of the caller's tenant behind `after`, by ID: a list's next piece.
pub fn list<R, V>(db: &mut Db, caller: &Caller<R, V>, after: ClaimID, most: i64) -> Result<Vec<Claim>> {
    let query = visible_to(caller.tenant().id).filter(claims::id.gt(after)).order(claims::id).limit(most);
    let rows: Vec<Row> = query.select(Row::as_select()).load(db)?;
    rows.into_iter().map(Row::into_claim).collect()
}

/// Removes a claim: its code is unknown from then on.
pub fn delete<R, V>(db: &mut Db, caller: &Caller<R, V>, id: ClaimID) -> Result<()> {
    let row = claims::table.filter(claims::id.eq(id)).filter(claims::tenant_id.eq(caller.tenant().id));
    match diesel::delete(row).execute(db)? {
        0 => Err(Error::not_found("claim")),
        _ => Ok(()),
    }
}

/// The claim whose code somebody has, as long as its tenant is active.
pub fn find_by_code(db: &mut Db, digest: SecretDigest) -> Result<Option<Claim>> {
    let row: Option<Row> = claims::table
        .inner_join(tenants::table)
        .filter(claims::code_digest.eq(digest))
        .filter(tenants::state.eq("active"))
        .select(Row::as_select())
        .get_result(db)
        .optional()?;
    row.map(Row::into_claim).transpose()
}

/// [`find_by_code`] for whoever is about to redeem it: nobody else does until the transaction ends. PostgreSQL holds a
/// row that was written to; SQLite has one writer.
pub fn find_to_redeem(db: &mut Db, digest: SecretDigest) -> Result<Option<Claim>> {
    diesel::update(claims::table.filter(claims::code_digest.eq(digest)))
        .set(claims::key_name.eq(claims::key_name))
        .execute(db)?;
    find_by_code(db, digest)
}

/// Notes that the key was made.
pub fn redeem(db: &mut Db, claim: &Claim, redemption: &Redemption) -> Result<()> {
    diesel::update(claims::table.find(claim.id))
        .set((
            claims::redeemed.eq(redemption.at),
            claims::redeemed_address.eq(&redemption.address),
            claims::api_key_id.eq(redemption.key),
        ))
        .execute(db)?;
    Ok(())
}

/// Notes that the code came again.
pub fn reuse(db: &mut Db, claim: &Claim, now: Timestamp) -> Result<()> {
    diesel::update(claims::table.find(claim.id)).set(claims::reused.eq(now)).execute(db)?;
    Ok(())
}

/// Removes claims whose time was over long ago.
pub fn sweep(db: &mut Db, now: Timestamp) -> Result<usize> {
    let then = now.minus(KEPT_FOR);
    let over =
        claims::table.filter(claims::expires.lt(then)).filter(claims::redeemed.is_null().or(claims::redeemed.lt(then)));
    Ok(diesel::delete(over).execute(db)?)
}

/// Removes at most `most` claims of a tenant that is being removed; answers how many.
pub fn purge(db: &mut Db, tenant: TenantID, most: i64) -> Result<usize> {
    let of_tenant = claims::table.filter(claims::tenant_id.eq(tenant));
    let query = of_tenant.order(claims::id).limit(most).select(claims::id);
    let Some(last) = query.load::<ClaimID>(db)?.pop() else { return Ok(0) };
    Ok(diesel::delete(of_tenant.filter(claims::id.le(last))).execute(db)?)
}
