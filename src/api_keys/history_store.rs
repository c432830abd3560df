//! The tables of revoked keys. [`revoke`] is the one way in which a key ends.

use std::collections::BTreeMap;

use diesel::prelude::*;

use super::history_rules::{Party, Revocation, RevokedKey, Why};
use crate::administrators;
use crate::api_key_profiles::Visibility;
use crate::auth::key_usage::KeyUsage;
use crate::auth::{Caller, Who};
use crate::clock::Timestamp;
use crate::db::schema::{api_key_profiles, api_key_secrets, api_keys, revoked_api_key_secrets, revoked_api_keys};
use crate::db::{Db, MultiBackend};
use crate::error::Result;
use crate::id::{AdministratorID, ApiKeyID, ProfileID, RoleID, TenantID};
use crate::name::fold;
use crate::roles;
use crate::search::{
    Comparison, Condition, Field, Filter, boolean, boolean_field, choice, choice_field, date, date_field, number,
    number_field, text, text_field,
};
use crate::secret::SecretDigest;

/// What is taken of a key that is about to end.
#[derive(Queryable, Selectable)]
#[diesel(table_name = api_keys, check_for_backend(MultiBackend))]
struct Ending {
    id: ApiKeyID,
    profile_id: ProfileID,
    kind: String,
    key_name: String,
    name_fold: String,
    description: String,
    description_fold: String,
    role_id: RoleID,
    created: Timestamp,
    last_sign_in: Option<Timestamp>,
    unsuccessful_sign_in_attempts: i64,
    expiry_date: Option<Timestamp>,
    service_account: bool,
    made_by_administrator_id: Option<AdministratorID>,
    made_by_key_id: Option<ApiKeyID>,
}

/// Whoever is calling, as the history names them.
pub fn party<R, V>(caller: &Caller<R, V>) -> Party {
    match caller.who() {
        Who::Administrator(session) => {
            Party::new("administrator", Some(session.administrator.get()), session.username.clone())
        }
        Who::ApiKey(key) => Party::new("apiKey", Some(key.id.get()), key.name.clone()),
    }
}

/// Ends these keys of a tenant for good, at most a few hundred of them: they leave the table of keys, with their
/// secrets, and stay in the history. Answers which were still there. What `usage` knows of their last use and is not
/// written down yet goes with them.
pub fn revoke(
    db: &mut Db,
    tenant: TenantID,
    ids: &[ApiKeyID],
    revocation: &Revocation,
    usage: &KeyUsage,
    now: Timestamp,
) -> Result<Vec<ApiKeyID>> {
    let these = api_keys::table.filter(api_keys::tenant_id.eq(tenant)).filter(api_keys::id.eq_any(ids.to_vec()));
    // held until the transaction ends: of two who revoke a key at once one finds it
    diesel::update(these.clone()).set(api_keys::kind.eq(api_keys::kind)).execute(db)?;
    let ending: Vec<Ending> = these.clone().order(api_keys::id).select(Ending::as_select()).load(db)?;
    let names = Names::of(db, tenant, &ending)?;
    for key in &ending {
        insert(db, tenant, key, &names, revocation, usage, now)?;
    }
    let there: Vec<ApiKeyID> = ending.iter().map(|key| key.id).collect();
    api_key_secrets::table
        .filter(api_key_secrets::tenant_id.eq(tenant))
        .filter(api_key_secrets::api_key_id.eq_any(there.clone()))
        .select((
            api_key_secrets::api_key_id,
            api_key_secrets::digest,
            api_key_secrets::digest_version,
            api_key_secrets::tenant_id,
        ))
        .distinct()
        .insert_into(revoked_api_key_secrets::table)
        .into_columns((
            revoked_api_key_secrets::api_key_id,
            revoked_api_key_secrets::digest,
            revoked_api_key_secrets::digest_version,
            revoked_api_key_secrets::tenant_id,
        ))
        .execute(db)?;
    diesel::delete(these).execute(db)?;
    Ok(there)
}

fn insert(
    db: &mut Db,
    tenant: TenantID,
    key: &Ending,
    names: &Names,
    revocation: &Revocation,
    usage: &KeyUsage,
    now: Timestamp,
) -> Result<()> {
    let (issuer, role) = (names.issuer(key), names.role(key.role_id));
    let (last_sign_in, _) = usage.overlay(key.id, key.last_sign_in, key.unsuccessful_sign_in_attempts);
    diesel::insert_into(revoked_api_keys::table)
        .values((
            (
                revoked_api_keys::id.eq(key.id),
                revoked_api_keys::tenant_id.eq(tenant),
                revoked_api_keys::profile_id.eq(key.profile_id),
                revoked_api_keys::kind.eq(&key.kind),
                revoked_api_keys::key_name.eq(&key.key_name),
                revoked_api_keys::name_fold.eq(&key.name_fold),
                revoked_api_keys::description.eq(&key.description),
                revoked_api_keys::description_fold.eq(&key.description_fold),
                revoked_api_keys::service_account.eq(key.service_account),
                revoked_api_keys::created.eq(key.created),
                revoked_api_keys::last_sign_in.eq(last_sign_in),
                revoked_api_keys::expiry_date.eq(key.expiry_date),
            ),
            (
                revoked_api_keys::role_id.eq(key.role_id),
                revoked_api_keys::role_name.eq(role),
                revoked_api_keys::role_name_fold.eq(fold(role)),
                revoked_api_keys::issuer_type.eq(issuer.kind),
                revoked_api_keys::issuer_id.eq(issuer.id),
                revoked_api_keys::issuer_name.eq(&issuer.name),
                revoked_api_keys::issuer_name_fold.eq(fold(&issuer.name)),
            ),
            (
                revoked_api_keys::revoked_at.eq(now),
                revoked_api_keys::revoked_by_type.eq(revocation.by.kind),
                revoked_api_keys::revoked_by_id.eq(revocation.by.id),
                revoked_api_keys::revoked_by_name.eq(&revocation.by.name),
                revoked_api_keys::revoked_by_name_fold.eq(fold(&revocation.by.name)),
                revoked_api_keys::reason.eq(revocation.reason.as_str()),
                revoked_api_keys::note.eq(revocation.note.as_str()),
                revoked_api_keys::note_fold.eq(revocation.note.folded()),
            ),
        ))
        .execute(db)?;
    Ok(())
}

/// What IDs stood for at the moment when the keys end.
struct Names {
    roles: BTreeMap<RoleID, String>,
    administrators: BTreeMap<AdministratorID, String>,
    keys: BTreeMap<ApiKeyID, String>,
}

impl Names {
    fn of(db: &mut Db, tenant: TenantID, ending: &[Ending]) -> Result<Self> {
        // the makers of a key that is for another tenant are the primary one's: they are not named here
        let own = || ending.iter().filter(|key| !key.service_account);
        let mut keys: Vec<ApiKeyID> = own().filter_map(|key| key.made_by_key_id).collect();
        keys.sort_unstable();
        keys.dedup();
        Ok(Self {
            roles: roles::names_for(db, tenant)?,
            administrators: administrators::names(
                db,
                tenant,
                own().filter_map(|key| key.made_by_administrator_id).collect(),
            )?,
            keys: key_names(db, tenant, keys)?,
        })
    }

    fn role(&self, id: RoleID) -> &str {
        self.roles.get(&id).map_or("", String::as_str)
    }

    /// Whoever made a key; a person who is gone has no name any more.
    fn issuer(&self, key: &Ending) -> Party {
        match (key.service_account, key.made_by_administrator_id, key.made_by_key_id) {
            (true, ..) => Party::new("tenant", Some(TenantID::PRIMARY.get()), "Primary".to_owned()),
            (_, _, Some(id)) => Party::new("apiKey", Some(id.get()), named(&self.keys, &id)),
            (_, Some(id), _) => Party::new("administrator", Some(id.get()), named(&self.administrators, &id)),
            _ => Party::new("unknown", None, String::new()),
        }
    }
}

fn named<ID: Ord>(names: &BTreeMap<ID, String>, id: &ID) -> String {
    names.get(id).cloned().unwrap_or_default()
}

/// The names of keys, revoked ones too.
fn key_names(db: &mut Db, tenant: TenantID, ids: Vec<ApiKeyID>) -> Result<BTreeMap<ApiKeyID, String>> {
    let live = api_keys::table.filter(api_keys::tenant_id.eq(tenant)).filter(api_keys::id.eq_any(ids.clone()));
    let mut names: Vec<(ApiKeyID, String)> = live.select((api_keys::id, api_keys::key_name)).load(db)?;
    let gone = revoked_api_keys::table.filter(revoked_api_keys::tenant_id.eq(tenant));
    let gone = gone.filter(revoked_api_keys::id.eq_any(ids));
    names.extend(gone.select((revoked_api_keys::id, revoked_api_keys::key_name)).load::<(ApiKeyID, String)>(db)?);
    Ok(names.into_iter().collect())
}

// ---- reading ----

#[derive(Queryable, Selectable)]
#[diesel(table_name = revoked_api_keys, check_for_backend(MultiBackend))]
struct Row {
    id: ApiKeyID,
    profile_id: ProfileID,
    kind: String,
    key_name: String,
    description: String,
    role_id: RoleID,
    role_name: String,
    issuer_type: String,
    issuer_id: Option<i64>,
    issuer_name: String,
    service_account: bool,
    created: Timestamp,
    last_sign_in: Option<Timestamp>,
    expiry_date: Option<Timestamp>,
    revoked_at: Timestamp,
    revoked_by_type: String,
    revoked_by_id: Option<i64>,
    revoked_by_name: String,
    reason: String,
    note: String,
    last_presented: Option<Timestamp>,
    last_presented_from: Option<String>,
}

impl Row {
    fn into_key(self, secrets: Vec<String>) -> RevokedKey {
        RevokedKey {
            id: self.id,
            profile: self.profile_id,
            kind: self.kind,
            name: self.key_name,
            description: self.description,
            role: self.role_id,
            role_name: self.role_name,
            issuer: Party::stored(&self.issuer_type, self.issuer_id, self.issuer_name),
            service_account: self.service_account,
            created: self.created,
            last_sign_in: self.last_sign_in,
            expiry: self.expiry_date,
            revoked: self.revoked_at,
            revoked_by: Party::stored(&self.revoked_by_type, self.revoked_by_id, self.revoked_by_name),
            reason: self.reason,
            note: self.note,
            secrets,
            last_presented: self.last_presented,
            last_presented_from: self.last_presented_from,
        }
    }
}

/// What can be searched, and how.
const FIELDS: &[Field<revoked_api_keys::table>] = &[
    text("keyName", text_field!(revoked_api_keys::name_fold)),
    text("description", text_field!(revoked_api_keys::description_fold)),
    number("roleID", number_field!(revoked_api_keys::role_id)),
    text("roleName", text_field!(revoked_api_keys::role_name_fold)),
    choice("issuerType", Party::KINDS, choice_field!(revoked_api_keys::issuer_type)),
    number("issuerID", number_field!(revoked_api_keys::issuer_id.assume_not_null())),
    text("issuerName", text_field!(revoked_api_keys::issuer_name_fold)),
    boolean("serviceAccount", boolean_field!(revoked_api_keys::service_account)),
    date("created", date_field!(revoked_api_keys::created)),
    date("lastSignIn", date_field!(revoked_api_keys::last_sign_in)),
    date("expiryDate", date_field!(revoked_api_keys::expiry_date)),
    date("revoked", date_field!(revoked_api_keys::revoked_at)),
    choice("revokedByType", Party::KINDS, choice_field!(revoked_api_keys::revoked_by_type)),
    number("revokedByID", number_field!(revoked_api_keys::revoked_by_id.assume_not_null())),
    text("revokedByName", text_field!(revoked_api_keys::revoked_by_name_fold)),
    choice("revocationReason", Why::NAMES, choice_field!(revoked_api_keys::reason)),
    text("note", text_field!(revoked_api_keys::note_fold)),
    date("lastPresented", date_field!(revoked_api_keys::last_presented)),
];

const ID: fn(Comparison, i64) -> Condition<revoked_api_keys::table> = number_field!(revoked_api_keys::id);

/// The revoked keys that a caller sees, as they would see them if they were still there; every read starts here.
fn visible_to<R, V>(caller: &Caller<R, V>) -> revoked_api_keys::BoxedQuery<'static, MultiBackend> {
    let query = revoked_api_keys::table.filter(revoked_api_keys::tenant_id.eq(caller.tenant().id)).into_boxed();
    if caller.has_full_access() {
        return query;
    }
    let for_issuers = api_key_profiles::visibility.eq(Visibility::Own.as_str());
    let closed = api_key_profiles::table.filter(for_issuers).select(api_key_profiles::id);
    let (kind, id) = match caller.who() {
        Who::Administrator(session) => ("administrator", session.administrator.get()),
        Who::ApiKey(key) => ("apiKey", key.id.get()),
    };
    let issued = revoked_api_keys::issuer_id.is_not_null().and(revoked_api_keys::issuer_id.assume_not_null().eq(id));
    let is_own = revoked_api_keys::issuer_type.eq(kind).and(issued);
    query.filter(revoked_api_keys::profile_id.ne_all(closed).or(is_own))
}

/// Adds what the secrets of keys are called by, in one statement for all.
fn with_secrets(db: &mut Db, rows: Vec<Row>) -> Result<Vec<RevokedKey>> {
    let ids: Vec<ApiKeyID> = rows.iter().map(|row| row.id).collect();
    let known: Vec<(ApiKeyID, SecretDigest)> = revoked_api_key_secrets::table
        .filter(revoked_api_key_secrets::api_key_id.eq_any(ids))
        .select((revoked_api_key_secrets::api_key_id, revoked_api_key_secrets::digest))
        .load(db)?;
    let mut secrets: BTreeMap<ApiKeyID, Vec<String>> = BTreeMap::new();
    for (key, digest) in known {
        secrets.entry(key).or_default().push(digest.reference());
    }
    Ok(rows
        .into_iter()
        .map(|row| {
            let secrets = secrets.remove(&row.id).unwrap_or_default();
            row.into_key(secrets)
        })
        .collect())
}

/// One revoked key that the caller can see.
pub fn find<R, V>(db: &mut Db, caller: &Caller<R, V>, id: ApiKeyID) -> Result<Option<RevokedKey>> {
    let query = visible_to(caller).filter(revoked_api_keys::id.eq(id));
    let row: Option<Row> = query.select(Row::as_select()).get_result(db).optional()?;
    Ok(with_secrets(db, row.into_iter().collect())?.pop())
}

/// At most `most` revoked keys behind `after`, by ID: a list's next piece.
pub fn list<R, V>(db: &mut Db, caller: &Caller<R, V>, after: ApiKeyID, most: i64) -> Result<Vec<RevokedKey>> {
    let query = visible_to(caller).filter(revoked_api_keys::id.gt(after));
    let rows = query.order(revoked_api_keys::id).limit(most).select(Row::as_select()).load(db)?;
    with_secrets(db, rows)
}

/// The caller's revoked keys that meet every criterion, by ID.
pub fn search<R, V>(db: &mut Db, caller: &Caller<R, V>, filter: Filter) -> Result<Vec<RevokedKey>> {
    let mut query = visible_to(caller);
    for criterion in filter.criteria {
        query = query.filter(criterion.condition(FIELDS, ID)?);
    }
    let rows = query.order(revoked_api_keys::id).limit(filter.most).select(Row::as_select()).load(db)?;
    with_secrets(db, rows)
}

// ---- removing ----

/// Removes at most `most` keys that were revoked before a moment; answers how many.
pub fn sweep(db: &mut Db, before: Timestamp, most: i64) -> Result<usize> {
    let old = revoked_api_keys::table.filter(revoked_api_keys::revoked_at.lt(before));
    let ids: Vec<ApiKeyID> =
        old.order(revoked_api_keys::revoked_at).limit(most).select(revoked_api_keys::id).load(db)?;
    Ok(diesel::delete(revoked_api_keys::table.filter(revoked_api_keys::id.eq_any(ids))).execute(db)?)
}

/// Removes the history of a tenant that is being removed, at most `most` keys; answers how many.
pub fn purge(db: &mut Db, tenant: TenantID, most: i64) -> Result<usize> {
    let of_tenant = revoked_api_keys::table.filter(revoked_api_keys::tenant_id.eq(tenant));
    let query = of_tenant.order(revoked_api_keys::id).limit((most / 2).max(1)).select(revoked_api_keys::id);
    let Some(last) = query.load::<ApiKeyID>(db)?.pop() else { return Ok(0) };
    Ok(diesel::delete(of_tenant.filter(revoked_api_keys::id.le(last))).execute(db)?)
}
