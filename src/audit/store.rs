//! The table of events: rows are added, never changed (a trigger in the database sees to it).

use diesel::prelude::*;

use super::{Actor, Event};
use crate::clock::Timestamp;
use crate::db::Db;
use crate::db::schema::audit_events;
use crate::error::Result;
use crate::id::TenantID;

#[derive(Insertable)]
#[diesel(table_name = audit_events)]
struct NewRow<'a> {
    tenant_id: TenantID,
    at: Timestamp,
    number: i64,
    name: &'a str,
    level: &'a str,
    actor_type: &'a str,
    actor_id: Option<i64>,
    actor_name: &'a str,
    address: &'a str,
    request_id: &'a str,
    target_type: &'a str,
    target_id: Option<i64>,
    target_name: &'a str,
    details: String,
}

pub fn insert(db: &mut Db, actor: &Actor, at: Timestamp, event: &Event) -> Result<()> {
    let row = NewRow {
        tenant_id: actor.tenant,
        at,
        number: event.kind.number(),
        name: event.kind.name(),
        level: event.kind.level(),
        actor_type: actor.kind,
        actor_id: actor.id,
        actor_name: &actor.name,
        address: &actor.address,
        request_id: &actor.request_id,
        target_type: event.target.kind,
        target_id: event.target.id,
        target_name: &event.target.name,
        details: event.details.to_string(),
    };
    diesel::insert_into(audit_events::table).values(row).execute(db)?;
    Ok(())
}
