//! The table of administrators: what is kept of them, and what they sign in with.

use std::collections::{BTreeMap, BTreeSet};

use diesel::prelude::*;

use super::rules::{
    Account, Administrator, AdministratorType, MfaType, NewAdministrator, PrimaryContact, Properties, TimeFormat,
};
use crate::auth::{Caller, ViaSession};
use crate::clock::{MINUTE, Timestamp};
use crate::db::schema::{administrators, tenants};
use crate::db::{Db, MultiBackend};
use crate::error::{Error, Reason, Result, is_foreign_key_violation, is_unique_violation};
use crate::id::{AdministratorID, RoleID, TenantID};
use crate::keyring::SealedSeed;
use crate::locale::{Locale, TimeZone};
use crate::name::{Description, EmailAddress, ShortText, Username};
use crate::search::{
    Comparison, Condition, Field, Filter, boolean, boolean_field, choice, choice_field, date, date_field, lower,
    number, number_field, text, text_field,
};
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

/// The role of somebody who makes a call: whoever holds the tenant's row reads what stays.
pub fn role_of_self<R, V>(db: &mut Db, caller: &Caller<R, V>, id: AdministratorID) -> Result<Option<RoleID>> {
    let own = visible_to(caller.tenant().id).filter(administrators::id.eq(id));
    Ok(own.select(administrators::role_id).get_result(db).optional()?)
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

/// Makes an administrator of whom nothing more is known.
pub fn insert(db: &mut Db, new: &NewAdministrator, now: Timestamp) -> Result<AdministratorID> {
    let properties = Properties {
        email_address: new.email_address.clone(),
        primary_contact: !new.email_address.is_none(),
        ..Properties::new(new.username.clone(), new.role, TimeZone::parse(new.time_zone)?)
    };
    create(db, new.tenant, &properties, &new.password_hash, new.initial_password_until, now)
}

fn create(
    db: &mut Db,
    tenant: TenantID,
    properties: &Properties,
    password_hash: &str,
    initial_password_until: Option<Timestamp>,
    now: Timestamp,
) -> Result<AdministratorID> {
    let row = (
        PropertiesRow::from(properties),
        administrators::tenant_id.eq(tenant),
        administrators::password_hash.eq(password_hash),
        administrators::initial_password_until.eq(initial_password_until),
        administrators::last_password_change.eq(now),
        administrators::credential_version.eq(1),
        administrators::mfa_type.eq(MfaType::None.as_str()),
        administrators::last_totp_step.eq(0),
        administrators::mfa_guesses.eq(0),
        administrators::mfa_guesses_since.eq(0),
        administrators::created.eq(now),
        administrators::unsuccessful_sign_in_attempts.eq(0),
    );
    let inserted = diesel::insert_into(administrators::table).values(row).returning(administrators::id).get_result(db);
    inserted.map_err(refused)
}

/// What the table itself refuses: a name that is taken, and a role that has just been removed.
fn refused(error: diesel::result::Error) -> Error {
    if is_unique_violation(&error) {
        return Error::new(Reason::NameTaken, "username: another administrator has this name already.");
    }
    if is_foreign_key_violation(&error) {
        return Error::new(Reason::UnknownRole, "roleID: there is no such role any more.");
    }
    error.into()
}

// ---- what is kept of them ----

/// One row as the API shows it.
#[derive(Queryable, Selectable)]
#[diesel(table_name = administrators, check_for_backend(MultiBackend))]
struct Shown {
    id: AdministratorID,
    username: String,
    full_name: String,
    description: String,
    role_id: RoleID,
    locale: String,
    time_zone: String,
    time_format: String,
    password_never_expires: bool,
    active: bool,
    mfa_type: String,
    phone_number: String,
    mobile_number: String,
    pager_number: String,
    email_address: String,
    primary_contact: bool,
    receive_notifications: bool,
    report_pdf_password_enabled: bool,
    created: Timestamp,
    last_password_change: Timestamp,
    last_sign_in: Option<Timestamp>,
    unlock_time: Option<Timestamp>,
    unsuccessful_sign_in_attempts: i64,
    directory_name: String,
    directory_info: String,
    external: bool,
    external_user_id: String,
    account_type: String,
    read_only: bool,
}

impl Shown {
    fn into_administrator(self) -> Result<Administrator> {
        self.read().map_err(|error| Error::internal(error.to_string()))
    }

    fn read(self) -> Result<Administrator> {
        Ok(Administrator {
            id: self.id,
            properties: Properties {
                username: Username::parse("username", &self.username)?,
                full_name: ShortText::parse("fullName", &self.full_name)?,
                description: Description::parse("description", &self.description)?,
                role: self.role_id,
                locale: Locale::parse(&self.locale)?,
                time_zone: TimeZone::parse(&self.time_zone)?,
                time_format: TimeFormat::parse("timeFormat", &self.time_format)?,
                password_never_expires: self.password_never_expires,
                active: self.active,
                phone_number: ShortText::parse("phoneNumber", &self.phone_number)?,
                mobile_number: ShortText::parse("mobileNumber", &self.mobile_number)?,
                pager_number: ShortText::parse("pagerNumber", &self.pager_number)?,
                email_address: EmailAddress::stored(self.email_address),
                primary_contact: self.primary_contact,
                receive_notifications: self.receive_notifications,
                report_pdf_password_enabled: self.report_pdf_password_enabled,
                external_user_id: ShortText::parse("externalUserID", &self.external_user_id)?,
                kind: AdministratorType::parse("type", &self.account_type)?,
            },
            mfa: MfaType::parse("mfaType", &self.mfa_type)?,
            created: self.created,
            last_password_change: self.last_password_change,
            last_sign_in: self.last_sign_in,
            unlock_time: self.unlock_time,
            unsuccessful_sign_in_attempts: self.unsuccessful_sign_in_attempts,
            directory_name: self.directory_name,
            directory_info: self.directory_info,
            external: self.external,
            read_only: self.read_only,
        })
    }
}

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = administrators)]
struct PropertiesRow {
    username: String,
    username_fold: String,
    full_name: String,
    full_name_fold: String,
    description: String,
    description_fold: String,
    role_id: RoleID,
    locale: &'static str,
    time_zone: &'static str,
    time_format: &'static str,
    password_never_expires: bool,
    active: bool,
    phone_number: String,
    phone_number_fold: String,
    mobile_number: String,
    mobile_number_fold: String,
    pager_number: String,
    pager_number_fold: String,
    email_address: String,
    email_address_fold: String,
    primary_contact: bool,
    receive_notifications: bool,
    report_pdf_password_enabled: bool,
    external_user_id: String,
    external_user_id_fold: String,
    account_type: &'static str,
}

impl From<&Properties> for PropertiesRow {
    fn from(properties: &Properties) -> Self {
        Self {
            username: properties.username.as_str().to_owned(),
            username_fold: properties.username.folded(),
            full_name: properties.full_name.as_str().to_owned(),
            full_name_fold: properties.full_name.folded(),
            description: properties.description.as_str().to_owned(),
            description_fold: properties.description.folded(),
            role_id: properties.role,
            locale: properties.locale.as_str(),
            time_zone: properties.time_zone.as_str(),
            time_format: properties.time_format.as_str(),
            password_never_expires: properties.password_never_expires,
            active: properties.active,
            phone_number: properties.phone_number.as_str().to_owned(),
            phone_number_fold: properties.phone_number.folded(),
            mobile_number: properties.mobile_number.as_str().to_owned(),
            mobile_number_fold: properties.mobile_number.folded(),
            pager_number: properties.pager_number.as_str().to_owned(),
            pager_number_fold: properties.pager_number.folded(),
            email_address: properties.email_address.as_str().to_owned(),
            email_address_fold: properties.email_address.folded(),
            primary_contact: properties.primary_contact,
            receive_notifications: properties.receive_notifications,
            report_pdf_password_enabled: properties.report_pdf_password_enabled,
            external_user_id: properties.external_user_id.as_str().to_owned(),
            external_user_id_fold: properties.external_user_id.folded(),
            account_type: properties.kind.as_str(),
        }
    }
}

/// What can be searched, and how (row DS-17).
const FIELDS: &[Field<administrators::table>] = &[
    text("username", text_field!(administrators::username_fold)),
    text("fullName", text_field!(administrators::full_name_fold)),
    text("description", text_field!(administrators::description_fold)),
    number("roleID", number_field!(administrators::role_id)),
    text("timeZone", text_field!(lower(administrators::time_zone))),
    choice("timeFormat", TimeFormat::ALL, choice_field!(administrators::time_format)),
    boolean("passwordNeverExpires", boolean_field!(administrators::password_never_expires)),
    boolean("active", boolean_field!(administrators::active)),
    choice("mfaType", MfaType::ALL, choice_field!(administrators::mfa_type)),
    text("phoneNumber", text_field!(administrators::phone_number_fold)),
    text("mobileNumber", text_field!(administrators::mobile_number_fold)),
    text("pagerNumber", text_field!(administrators::pager_number_fold)),
    text("emailAddress", text_field!(administrators::email_address_fold)),
    boolean("primaryContact", boolean_field!(administrators::primary_contact)),
    boolean("receiveNotifications", boolean_field!(administrators::receive_notifications)),
    boolean("reportPDFPasswordEnabled", boolean_field!(administrators::report_pdf_password_enabled)),
    date("created", date_field!(administrators::created)),
    date("lastPasswordChange", date_field!(administrators::last_password_change)),
    date("lastSignIn", date_field!(administrators::last_sign_in)),
    date("unlockTime", date_field!(administrators::unlock_time)),
    number("unsuccessfulSignInAttempts", number_field!(administrators::unsuccessful_sign_in_attempts)),
    text("directoryName", text_field!(administrators::directory_name_fold)),
    boolean("external", boolean_field!(administrators::external)),
    text("externalUserID", text_field!(administrators::external_user_id_fold)),
    choice("type", AdministratorType::ALL, choice_field!(administrators::account_type)),
    boolean("readOnly", boolean_field!(administrators::read_only)),
];

const ID: fn(Comparison, i64) -> Condition<administrators::table> = number_field!(administrators::id);

/// The tenant's administrators; every read by the API starts here.
fn visible_to(tenant: TenantID) -> administrators::BoxedQuery<'static, MultiBackend> {
    administrators::table.filter(administrators::tenant_id.eq(tenant)).into_boxed()
}

/// Makes an administrator in the caller's tenant.
pub fn insert_for<R, V>(
    db: &mut Db,
    caller: &Caller<R, V>,
    properties: &Properties,
    password_hash: &str,
    now: Timestamp,
) -> Result<Administrator> {
    let id = create(db, caller.tenant().id, properties, password_hash, None, now)?;
    find(db, caller, id)?.ok_or_else(|| Error::internal("an administrator is gone as soon as made"))
}

/// One administrator whom the caller can see.
pub fn find<R, V>(db: &mut Db, caller: &Caller<R, V>, id: AdministratorID) -> Result<Option<Administrator>> {
    let row: Option<Shown> = visible_to(caller.tenant().id)
        .filter(administrators::id.eq(id))
        .select(Shown::as_select())
        .get_result(db)
        .optional()?;
    row.map(Shown::into_administrator).transpose()
}

/// [`find`], for a change: until the transaction ends nobody else changes an administrator of the tenant. The row of
/// the tenant is what all of them wait for, always the first thing they touch, so that nobody waits in a circle. What
/// was read is then still so when it is written, and of two who demote each other, one comes second.
pub fn find_to_change<R, V>(db: &mut Db, caller: &Caller<R, V>, id: AdministratorID) -> Result<Option<Administrator>> {
    let tenant = tenants::table.find(caller.tenant().id);
    diesel::update(tenant).set(tenants::state.eq(tenants::state)).execute(db)?;
    find(db, caller, id)
}

/// What the administrator signs in with, for a change.
pub fn find_account<R, V>(db: &mut Db, caller: &Caller<R, V>, id: AdministratorID) -> Result<Account> {
    let row: Option<Row> = visible_to(caller.tenant().id)
        .filter(administrators::id.eq(id))
        .select(Row::as_select())
        .get_result(db)
        .optional()?;
    row.map(Account::from).ok_or_else(|| Error::not_found("administrator"))
}

/// At most `most` administrators behind `after`, by ID: a list's next piece.
pub fn list<R, V>(db: &mut Db, caller: &Caller<R, V>, after: AdministratorID, most: i64) -> Result<Vec<Administrator>> {
    let query = visible_to(caller.tenant().id).filter(administrators::id.gt(after));
    let rows: Vec<Shown> = query.order(administrators::id).limit(most).select(Shown::as_select()).load(db)?;
    rows.into_iter().map(Shown::into_administrator).collect()
}

/// The caller's administrators that meet every criterion, by ID.
pub fn search<R, V>(db: &mut Db, caller: &Caller<R, V>, filter: Filter) -> Result<Vec<Administrator>> {
    let mut query = visible_to(caller.tenant().id);
    for criterion in filter.criteria {
        query = query.filter(criterion.condition(FIELDS, ID)?);
    }
    let rows: Vec<Shown> = query.order(administrators::id).limit(filter.most).select(Shown::as_select()).load(db)?;
    rows.into_iter().map(Shown::into_administrator).collect()
}

/// Stores changed properties.
pub fn update<R, V>(db: &mut Db, caller: &Caller<R, V>, id: AdministratorID, properties: &Properties) -> Result<()> {
    let row = administrators::table
        .filter(administrators::id.eq(id))
        .filter(administrators::tenant_id.eq(caller.tenant().id));
    match diesel::update(row).set(PropertiesRow::from(properties)).execute(db).map_err(refused)? {
        0 => Err(Error::not_found("administrator")),
        _ => Ok(()),
    }
}

/// Removes an administrator, sessions and all; the keys they made live on.
pub fn delete<R, V>(db: &mut Db, caller: &Caller<R, V>, id: AdministratorID) -> Result<()> {
    let row = administrators::table
        .filter(administrators::id.eq(id))
        .filter(administrators::tenant_id.eq(caller.tenant().id));
    match diesel::delete(row).execute(db)? {
        0 => Err(Error::not_found("administrator")),
        _ => Ok(()),
    }
}

/// Whether somebody other than `id` has full access and may sign in.
pub fn another_has_full_access<R, V>(db: &mut Db, caller: &Caller<R, V>, id: AdministratorID) -> Result<bool> {
    let others = visible_to(caller.tenant().id)
        .filter(administrators::active)
        .filter(administrators::role_id.eq(RoleID::FULL_ACCESS))
        .filter(administrators::id.ne(id));
    let first: Option<AdministratorID> = others.select(diesel::dsl::min(administrators::id)).get_result(db)?;
    Ok(first.is_some())
}

/// The primary contacts of the tenants from `first` to `last`, by ID.
pub fn primary_contacts(db: &mut Db, first: TenantID, last: TenantID) -> Result<Vec<PrimaryContact>> {
    type Row = (TenantID, AdministratorID, RoleID, String, String);
    let marked = administrators::table.filter(administrators::primary_contact);
    let rows: Vec<Row> = marked
        .filter(administrators::tenant_id.ge(first))
        .filter(administrators::tenant_id.le(last))
        .order(administrators::id)
        .select((
            administrators::tenant_id,
            administrators::id,
            administrators::role_id,
            administrators::username,
            administrators::email_address,
        ))
        .load(db)?;
    let contact =
        |(tenant, id, role, username, email_address)| PrimaryContact { tenant, id, role, username, email_address };
    Ok(rows.into_iter().map(contact).collect())
}

/// What administrators of a tenant are called; those who are gone are not in it.
pub fn names(
    db: &mut Db,
    tenant: TenantID,
    mut ids: Vec<AdministratorID>,
) -> Result<BTreeMap<AdministratorID, String>> {
    ids.sort_unstable();
    ids.dedup();
    let these = administrators::table.filter(administrators::tenant_id.eq(tenant));
    let these = these.filter(administrators::id.eq_any(ids)).select((administrators::id, administrators::username));
    Ok(these.load::<(AdministratorID, String)>(db)?.into_iter().collect())
}

/// Removes at most `most` of a tenant's administrators, for a tenant that is being removed; answers how many.
pub fn purge(db: &mut Db, tenant: TenantID, most: i64) -> Result<usize> {
    let of_tenant = administrators::table.filter(administrators::tenant_id.eq(tenant));
    let query = of_tenant.order(administrators::id).limit(most).select(administrators::id);
    let Some(last) = query.load::<AdministratorID>(db)?.pop() else { return Ok(0) };
    Ok(diesel::delete(of_tenant.filter(administrators::id.le(last))).execute(db)?)
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

/// Makes what was opened with the credentials so far, or is just being opened, worth nothing.
pub fn end_credentials(db: &mut Db, account: &Account) -> Result<()> {
    diesel::update(administrators::table.find(account.id))
        .filter(administrators::tenant_id.eq(account.tenant))
        .set(administrators::credential_version.eq(administrators::credential_version + 1))
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

/// Of these people, those of a tenant by name; and those who may sign in, whosever they are.
pub fn issuers(
    db: &mut Db,
    tenant: TenantID,
    people: &BTreeSet<AdministratorID>,
) -> Result<(BTreeMap<AdministratorID, String>, BTreeSet<AdministratorID>)> {
    if people.is_empty() {
        return Ok((BTreeMap::new(), BTreeSet::new()));
    }
    let known: Vec<(AdministratorID, TenantID, String, bool)> = administrators::table
        .filter(administrators::id.eq_any(people.clone()))
        .select((administrators::id, administrators::tenant_id, administrators::username, administrators::active))
        .load(db)?;
    let may = known.iter().filter(|person| person.3).map(|person| person.0).collect();
    Ok((known.into_iter().filter(|person| person.1 == tenant).map(|person| (person.0, person.2)).collect(), may))
}

// ---- for whoever writes to them ----

/// Where somebody is written to; none where they have no address, may not sign in, or are another tenant's.
pub fn address_of(db: &mut Db, tenant: TenantID, id: AdministratorID) -> Result<Option<String>> {
    let query = visible_to(tenant).filter(administrators::id.eq(id)).filter(administrators::active);
    let address: Option<String> = query.select(administrators::email_address).get_result(db).optional()?;
    Ok(address.filter(|address| !address.is_empty()))
}

/// Role and address of a tenant's first `most` administrators who are to be sent notices.
pub fn notified(db: &mut Db, tenant: TenantID, most: i64) -> Result<Vec<(RoleID, String)>> {
    let query = visible_to(tenant)
        .filter(administrators::active)
        .filter(administrators::receive_notifications)
        .filter(administrators::email_address.ne(""));
    Ok(query
        .order(administrators::id)
        .limit(most)
        .select((administrators::role_id, administrators::email_address))
        .load(db)?)
}

/// Somebody's locale and time zone.
pub fn language_of(db: &mut Db, tenant: TenantID, id: AdministratorID) -> Result<Option<(String, String)>> {
    let query = visible_to(tenant).filter(administrators::id.eq(id));
    Ok(query.select((administrators::locale, administrators::time_zone)).get_result(db).optional()?)
}
