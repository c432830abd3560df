//! The table of tenants.

use diesel::prelude::*;
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::db::Db;
use crate::db::schema::tenants;
use crate::error::{Error, Result};
use crate::id::TenantID;
use crate::name::TenantName;

/// The primary tenant's name: it answers to it at sign-in, and to none.
pub const PRIMARY_NAME: &str = "Primary";

/// A tenant to be made.
#[derive(Clone, Debug)]
pub struct NewTenant {
    /// The name it is signed in to by.
    pub name: TenantName,
    /// Its name for machines, in front of its keys.
    pub guid: Uuid,
}

#[derive(Insertable)]
#[diesel(table_name = tenants)]
struct NewRow {
    guid: String,
    name: String,
    name_fold: String,
    state: &'static str,
    created: Timestamp,
}

impl NewRow {
    fn new(new: &NewTenant, now: Timestamp) -> Self {
        Self {
            guid: new.guid.hyphenated().to_string(),
            name: new.name.as_str().to_owned(),
            name_fold: new.name.folded(),
            state: "active",
            created: now,
        }
    }
}

/// Makes a tenant.
pub fn insert(db: &mut Db, new: &NewTenant, now: Timestamp) -> Result<TenantID> {
    Ok(diesel::insert_into(tenants::table).values(NewRow::new(new, now)).returning(tenants::id).get_result(db)?)
}

/// Makes the primary tenant, number 0, if it is not there yet.
pub fn insert_primary(db: &mut Db, guid: Uuid, now: Timestamp) -> Result<()> {
    if primary_guid(db)?.is_none() {
        let name = TenantName::parse("tenantName", PRIMARY_NAME)?;
        let row = NewRow::new(&NewTenant { name, guid }, now);
        diesel::insert_into(tenants::table).values((tenants::id.eq(TenantID::PRIMARY), row)).execute(db)?;
    }
    Ok(())
}

/// The primary tenant's GUID; none before the first start.
pub fn primary_guid(db: &mut Db) -> Result<Option<Uuid>> {
    let guid: Option<String> =
        tenants::table.find(TenantID::PRIMARY).select(tenants::guid).get_result(db).optional()?;
    guid.map(|guid| Uuid::try_parse(&guid).map_err(Error::internal)).transpose()
}
