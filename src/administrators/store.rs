//! The table of administrators, as far as signing in goes.

use diesel::prelude::*;

use super::rules::{Account, NewAdministrator};
use crate::auth::{Caller, ViaSession};
use crate::clock::{MINUTE, Timestamp};
use crate::db::schema::{administrators, tenants};
use crate::db::{Db, MultiBackend};
use crate::error::{Error, Reason, Result, is_unique_violation};
use crate::id::{AdministratorID, TenantID};
use crate::keyring::SealedSeed;
use crate::sessions;

/// The time over which guesses at codes are counted, in milliseconds.
const GUESSES_PER: i64 = 15 * MINUTE;

#[derive(Queryable, Selectable)]
#[diesel(table_name = administrators, check_for_backend(MultiBackend))]
struct Row {
    id: AdministratorID,
    tenant_id: TenantID,
    username: String,
    password_hash: String,
    initial_password_until: Option<Timestamp>,
    credential_version: i64,
    active: bool,
    totp_seed: Option<SealedSeed>,
    totp_seed_pending: Option<SealedSeed>,
}

impl From<Row> for Account {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            tenant: row.tenant_id,
            username: row.username,
            password_hash: row.password_hash,
            initial_password_until: row.initial_password_until,
            credential_version: row.credential_version,
            active: row.active,
            totp_seed: row.totp_seed,
            totp_seed_pending: row.totp_seed_pending,
        }
    }
}

/// Somebody by folded name, in a live tenant by folded name; `None` is the primary tenant.
pub fn find_for_sign_in(db: &mut Db, tenant: Option<&str>, username: &str) -> Result<Option<Account>> {
    let mut query = administrators::table
        .inner_join(tenants::table)
        .filter(administrators::username_fold.eq(username))
        .filter(tenants::state.eq("active"))
        .into_boxed::<MultiBackend>();
    query = match tenant {
        Some(name) => query.filter(tenants::name_fold.eq(name)),
        None => query.filter(tenants::id.eq(TenantID::PRIMARY)),
    };
    Ok(query.select(Row::as_select()).get_result::<Row>(db).optional()?.map(Account::from))
}

/// Somebody of the primary tenant, for the command line.
pub fn find_by_name(db: &mut Db, username: &str) -> Result<Option<Account>> {
    find_for_sign_in(db, None, &crate::name::fold(username))
}

/// The caller's own account.
pub fn find_self<R>(db: &mut Db, caller: &Caller<R, ViaSession>) -> Result<Account> {
    let row: Option<Row> = own_row(caller).select(Row::as_select()).get_result(db).optional()?;
    row.map(Account::from).ok_or_else(|| Error::not_found("administrator"))
}

fn own_row<R>(caller: &Caller<R, ViaSession>) -> administrators::BoxedQuery<'static, MultiBackend> {
    administrators::table
        .filter(administrators::tenant_id.eq(caller.tenant().id))
        .filter(administrators::id.eq(caller.session().administrator))
        .into_boxed()
}

/// Whether there is an administrator anywhere.
pub fn any_exists(db: &mut Db) -> Result<bool> {
    let first: Option<AdministratorID> =
        administrators::table.select(diesel::dsl::min(administrators::id)).get_result::<Option<AdministratorID>>(db)?;
    Ok(first.is_some())
}

/// Makes an administrator.
pub fn insert(db: &mut Db, new: &NewAdministrator, now: Timestamp) -> Result<AdministratorID> {
    let row = (
        administrators::tenant_id.eq(new.tenant),
        administrators::username.eq(new.username.as_str()),
        administrators::username_fold.eq(new.username.folded()),
        administrators::password_hash.eq(&new.password_hash),
        administrators::initial_password_until.eq(new.initial_password_until),
        administrators::last_password_change.eq(now),
        administrators::credential_version.eq(1),
        administrators::role_id.eq(new.role),
        administrators::locale.eq("en-US"),
        administrators::time_zone.eq(new.time_zone),
        administrators::active.eq(true),
        administrators::mfa_type.eq("none"),
        administrators::last_totp_step.eq(0),
        administrators::mfa_guesses.eq(0),
        administrators::mfa_guesses_since.eq(0),
        administrators::created.eq(now),
        administrators::unsuccessful_sign_in_attempts.eq(0),
    );
    let inserted = diesel::insert_into(administrators::table).values(row).returning(administrators::id).get_result(db);
    inserted.map_err(|error| match is_unique_violation(&error) {
        true => Error::new(Reason::NameTaken, "An administrator of this name exists already."),
        false => error.into(),
    })
}

// ---- signing in ----

/// The last step of a sign-in, in one statement: it succeeds only while the account is as it was judged,
/// and takes a code's step only if no later one was taken. `false` is a refusal.
pub fn complete_sign_in(db: &mut Db, account: &Account, step: Option<i64>, now: Timestamp) -> Result<bool> {
    let unchanged = administrators::table
        .filter(administrators::id.eq(account.id))
        .filter(administrators::tenant_id.eq(account.tenant))
        .filter(administrators::active)
        .filter(administrators::credential_version.eq(account.credential_version));
    let signed_in = (
        administrators::last_sign_in.eq(now),
        administrators::unsuccessful_sign_in_attempts.eq(0),
        administrators::mfa_guesses.eq(0),
    );
    let updated = match step {
        Some(step) => diesel::update(unchanged.filter(administrators::last_totp_step.lt(step)))
            .set((signed_in, administrators::last_totp_step.eq(step)))
            .execute(db)?,
        None => diesel::update(unchanged).set(signed_in).execute(db)?,
    };
    Ok(updated == 1)
}

/// Counts a refused attempt; answers how many there have been since the last success. An unknown account
/// runs the same statement.
pub fn sign_in_failed(db: &mut Db, account: Option<AdministratorID>) -> Result<i64> {
    let id = account.unwrap_or(AdministratorID::new(-1));
    let attempts: Option<i64> = diesel::update(administrators::table.find(id))
        .set(administrators::unsuccessful_sign_in_attempts.eq(administrators::unsuccessful_sign_in_attempts + 1))
        .returning(administrators::unsuccessful_sign_in_attempts)
        .get_result(db)
        .optional()?;
    Ok(attempts.unwrap_or_default())
}

/// Locks somebody out; `false` where they are already.
pub fn lock(db: &mut Db, account: AdministratorID) -> Result<bool> {
    let locked = diesel::update(administrators::table.find(account))
        .filter(administrators::active)
        .set(administrators::active.eq(false))
        .execute(db)?;
    Ok(locked == 1)
}

/// Reserves one guess at a code, before it is looked at; `false` when the account has had its `most` within
/// a quarter of an hour (T-10). Only who knows the password gets here, so it locks nobody out from afar.
pub fn reserve_guess(db: &mut Db, account: AdministratorID, most: i64, now: Timestamp) -> Result<bool> {
    let row = administrators::table.find(account);
    let begun = diesel::update(row)
        .filter(administrators::mfa_guesses_since.le(now.minus(GUESSES_PER)))
        .set((administrators::mfa_guesses_since.eq(now), administrators::mfa_guesses.eq(1)))
        .execute(db)?;
    if begun == 1 {
        return Ok(true);
    }
    let counted = diesel::update(row)
        .filter(administrators::mfa_guesses.lt(most))
        .set(administrators::mfa_guesses.eq(administrators::mfa_guesses + 1))
        .execute(db)?;
    Ok(counted == 1)
}

/// Stores a password's hash made anew at today's cost; does nothing when the password has changed meanwhile.
pub fn rehash(db: &mut Db, account: &Account, hash: &str) -> Result<()> {
    diesel::update(administrators::table.find(account.id))
        .filter(administrators::password_hash.eq(&account.password_hash))
        .set(administrators::password_hash.eq(hash))
        .execute(db)?;
    Ok(())
}

// ---- credentials ----

/// A change of credentials that fails when somebody else has changed them meanwhile.
macro_rules! change_credentials {
    ($db:expr, $account:expr, $changes:expr) => {{
        let changed = diesel::update(administrators::table.find($account.id))
            .filter(administrators::tenant_id.eq($account.tenant))
            .filter(administrators::credential_version.eq($account.credential_version))
            .set(($changes, administrators::credential_version.eq($account.credential_version + 1)))
            .execute($db)?;
        match changed {
            1 => Ok(()),
            _ => Err(Error::new(Reason::Conflict, "The account was changed at the same time. Sign in again.")),
        }
    }};
}

/// Sets a password; the first start's is then gone for good.
pub fn set_password(db: &mut Db, account: &Account, hash: &str, now: Timestamp) -> Result<()> {
    change_credentials!(
        db,
        account,
        (
            administrators::password_hash.eq(hash),
            administrators::initial_password_until.eq(None::<Timestamp>),
            administrators::last_password_change.eq(now),
        )
    )
}

/// Keeps a sealed seed until its first code has come.
pub fn set_pending_totp(db: &mut Db, account: &Account, seed: SealedSeed) -> Result<()> {
    diesel::update(administrators::table.find(account.id))
        .filter(administrators::tenant_id.eq(account.tenant))
        .set(administrators::totp_seed_pending.eq(seed))
        .execute(db)?;
    Ok(())
}

/// Turns the pending seed on; `step` is that of the code that proved it.
pub fn confirm_totp(db: &mut Db, account: &Account, seed: SealedSeed, step: i64) -> Result<()> {
    change_credentials!(
        db,
        account,
        (
            administrators::totp_seed.eq(Some(seed)),
            administrators::totp_seed_pending.eq(None::<SealedSeed>),
            administrators::last_totp_step.eq(step),
            administrators::mfa_type.eq("local-totp"),
        )
    )
}

/// Uses a code's step up, outside a sign-in; `false` when it was used before.
pub fn use_step(db: &mut Db, account: &Account, step: i64) -> Result<bool> {
    let used = diesel::update(administrators::table.find(account.id))
        .filter(administrators::last_totp_step.lt(step))
        .set(administrators::last_totp_step.eq(step))
        .execute(db)?;
    Ok(used == 1)
}

/// Takes the second factor off.
pub fn remove_totp(db: &mut Db, account: &Account) -> Result<()> {
    change_credentials!(
        db,
        account,
        (
            administrators::totp_seed.eq(None::<SealedSeed>),
            administrators::totp_seed_pending.eq(None::<SealedSeed>),
            administrators::mfa_type.eq("none"),
        )
    )
}

/// Takes a lock off, and every count of failures.
pub fn unlock(db: &mut Db, account: &Account) -> Result<()> {
    diesel::update(administrators::table.find(account.id))
        .set((
            administrators::active.eq(true),
            administrators::unlock_time.eq(None::<Timestamp>),
            administrators::unsuccessful_sign_in_attempts.eq(0),
            administrators::mfa_guesses.eq(0),
        ))
        .execute(db)?;
    Ok(())
}

/// After the loss of the master key nobody's password or seed can be checked any more: all are taken
/// away, and every session ended.
pub fn reset_everything(db: &mut Db, now: Timestamp) -> Result<usize> {
    let reset = diesel::update(administrators::table)
        .set((
            administrators::password_hash.eq(""),
            administrators::totp_seed.eq(None::<SealedSeed>),
            administrators::totp_seed_pending.eq(None::<SealedSeed>),
            administrators::mfa_type.eq("none"),
            administrators::credential_version.eq(administrators::credential_version + 1),
        ))
        .execute(db)?;
    sessions::end_all(db, now)?;
    Ok(reset)
}
