//! The table of webhooks.

use std::sync::Arc;

use diesel::prelude::*;

use super::rules::{Health, HookEvent, MOST, Properties, Webhook};
use crate::auth::Caller;
use crate::clock::Timestamp;
use crate::db::schema::webhooks;
use crate::db::{Db, MultiBackend, Shared, inner};
use crate::error::{Error, Reason, Result, is_unique_violation};
use crate::id::{TenantID, WebhookID};
use crate::name::{Description, ObjectName};
use crate::outgoing::HookUrl;
use crate::search::{
    Comparison, Condition, Field, Filter, boolean, boolean_field, date, date_field, lower, number_field, text,
    text_field,
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = webhooks, check_for_backend(MultiBackend))]
struct Row {
    id: WebhookID,
    name: String,
    description: String,
    url: String,
    events: String,
    active: bool,
    created: Timestamp,
    last_delivered: Option<Timestamp>,
    last_failure: Option<Timestamp>,
    last_failure_message: Option<String>,
}

/// An event that an older program knew and this one does not is left out.
fn events_of(json: &str) -> Result<Vec<HookEvent>> {
    let words: Vec<String> = serde_json::from_str(json).map_err(Error::internal)?;
    Ok(words.iter().filter_map(|word| HookEvent::parse(word)).collect())
}

impl Row {
    fn into_webhook(self) -> Result<Webhook> {
        let stored = |error: Error| Error::internal(error.to_string());
        Ok(Webhook {
            id: self.id,
            properties: Properties {
                name: ObjectName::stored(self.name),
                description: Description::parse("description", &self.description).map_err(stored)?,
                url: HookUrl::parse(&self.url).map_err(Error::internal)?,
                events: events_of(&self.events)?,
                active: self.active,
            },
            created: self.created,
            health: Health {
                delivered: self.last_delivered,
                failure: self.last_failure.zip(self.last_failure_message),
            },
        })
    }
}

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = webhooks)]
struct PropertiesRow {
    name: String,
    name_fold: String,
    description: String,
    description_fold: String,
    url: String,
    events: String,
    active: bool,
}

impl From<&Properties> for PropertiesRow {
    fn from(properties: &Properties) -> Self {
        let events: Vec<&str> = properties.events.iter().map(|event| event.as_str()).collect();
        Self {
            name: properties.name.as_str().to_owned(),
            name_fold: properties.name.folded(),
            description: properties.description.as_str().to_owned(),
            description_fold: properties.description.folded(),
            url: properties.url.as_str().to_owned(),
            events: serde_json::json!(events).to_string(),
            active: properties.active,
        }
    }
}

/// What can be searched, and how.
const FIELDS: &[Field<webhooks::table>] = &[
    text("name", text_field!(webhooks::name_fold)),
    text("description", text_field!(webhooks::description_fold)),
    text("url", text_field!(lower(webhooks::url))),
    boolean("active", boolean_field!(webhooks::active)),
    date("created", date_field!(webhooks::created)),
];

const ID: fn(Comparison, i64) -> Condition<webhooks::table> = number_field!(webhooks::id);

/// The tenant's webhooks; every read starts here.
fn visible_to(tenant: TenantID) -> webhooks::BoxedQuery<'static, MultiBackend> {
    webhooks::table.filter(webhooks::tenant_id.eq(tenant)).into_boxed()
}

/// The one of the tenant's webhooks, for a statement that changes it.
macro_rules! row_of {
    ($caller:expr, $id:expr) => {
        webhooks::table.filter(webhooks::id.eq($id)).filter(webhooks::tenant_id.eq($caller.tenant().id))
    };
}

fn refused(error: diesel::result::Error) -> Error {
    match is_unique_violation(&error) {
        true => Error::new(Reason::NameTaken, "name: another webhook has this name already."),
        false => error.into(),
    }
}

/// Makes a webhook in the caller's tenant, as yet without a secret that opens: [`put_secret`] follows.
pub fn insert<R, V>(db: &mut Db, caller: &Caller<R, V>, properties: Properties, now: Timestamp) -> Result<Webhook> {
    let tenant = caller.tenant().id;
    if webhooks::table.filter(webhooks::tenant_id.eq(tenant)).count().get_result::<i64>(db)? >= MOST {
        let message = format!("There are {MOST} webhooks already, as many as a tenant may have. Delete one first.");
        return Err(Error::new(Reason::Conflict, message));
    }
    let row = (
        PropertiesRow::from(&properties),
        webhooks::tenant_id.eq(tenant),
        webhooks::secret.eq(Vec::<u8>::new()),
        webhooks::created.eq(now),
    );
    let id =
        diesel::insert_into(webhooks::table).values(row).returning(webhooks::id).get_result(db).map_err(refused)?;
    Ok(Webhook { id, properties, created: now, health: Health::default() })
}

/// Stores what a webhook's messages are signed with from now on, sealed.
pub fn put_secret<R, V>(db: &mut Db, caller: &Caller<R, V>, id: WebhookID, sealed: Vec<u8>) -> Result<()> {
    match diesel::update(row_of!(caller, id)).set(webhooks::secret.eq(sealed)).execute(db)? {
        0 => Err(Error::not_found("webhook")),
        _ => Ok(()),
    }
}

/// One webhook that the caller can see.
pub fn find<R, V>(db: &mut Db, caller: &Caller<R, V>, id: WebhookID) -> Result<Option<Webhook>> {
    let query = visible_to(caller.tenant().id).filter(webhooks::id.eq(id));
    let row: Option<Row> = query.select(Row::as_select()).get_result(db).optional()?;
    row.map(Row::into_webhook).transpose()
}

/// [`find`], for a change: nobody else changes it until the transaction ends.
pub fn find_to_change<R, V>(db: &mut Db, caller: &Caller<R, V>, id: WebhookID) -> Result<Option<Webhook>> {
    diesel::update(row_of!(caller, id)).set(webhooks::active.eq(webhooks::active)).execute(db)?;
    find(db, caller, id)
}

/// At most `most` webhooks behind `after`, by ID: a list's next piece.
pub fn list<R, V>(db: &mut Db, caller: &Caller<R, V>, after: WebhookID, most: i64) -> Result<Vec<Webhook>> {
    let query = visible_to(caller.tenant().id).filter(webhooks::id.gt(after)).order(webhooks::id).limit(most);
    let rows: Vec<Row> = query.select(Row::as_select()).load(db)?;
    rows.into_iter().map(Row::into_webhook).collect()
}

/// The caller's webhooks that meet every criterion, by ID.
pub fn search<R, V>(db: &mut Db, caller: &Caller<R, V>, filter: Filter) -> Result<Vec<Webhook>> {
    let mut query = visible_to(caller.tenant().id);
    for criterion in filter.criteria {
        query = query.filter(criterion.condition(FIELDS, ID)?);
    }
    let rows: Vec<Row> = query.order(webhooks::id).limit(filter.most).select(Row::as_select()).load(db)?;
    rows.into_iter().map(Row::into_webhook).collect()
}

/// Stores changed properties.
pub fn update<R, V>(db: &mut Db, caller: &Caller<R, V>, webhook: &Webhook) -> Result<()> {
    let row = row_of!(caller, webhook.id);
    match diesel::update(row).set(PropertiesRow::from(&webhook.properties)).execute(db).map_err(refused)? {
        0 => Err(Error::not_found("webhook")),
        _ => Ok(()),
    }
}

/// Removes a webhook, and what is still to be sent to it.
pub fn delete<R, V>(db: &mut Db, caller: &Caller<R, V>, id: WebhookID) -> Result<()> {
    match diesel::delete(row_of!(caller, id)).execute(db)? {
        0 => Err(Error::not_found("webhook")),
        _ => Ok(()),
    }
}

/// Removes at most `most` of a tenant's webhooks, for a tenant that is being removed; answers how many.
pub fn purge(db: &mut Db, tenant: TenantID, most: i64) -> Result<usize> {
    let of_tenant = webhooks::table.filter(webhooks::tenant_id.eq(tenant));
    let query = of_tenant.order(webhooks::id).limit(most).select(webhooks::id);
    let Some(last) = query.load::<WebhookID>(db)?.pop() else { return Ok(0) };
    Ok(diesel::delete(of_tenant.filter(webhooks::id.le(last))).execute(db)?)
}

// ---- for whoever tells them ----

/// The webhooks of a tenant.
#[derive(PartialEq, Eq, Hash)]
struct ActiveOf(TenantID);

/// [`wanting`] for whoever has asked it before in the same transaction.
pub fn wanting_as_known(
    db: &mut Db,
    shared: &mut Shared,
    tenant: TenantID,
    event: HookEvent,
) -> Result<Vec<WebhookID>> {
    let active = shared.recall(ActiveOf(tenant), || active(db, tenant).map(Arc::new))?;
    Ok(those_wanting(&active, event))
}

/// The tenant's webhooks that are to be told of an event.
pub fn wanting(db: &mut Db, tenant: TenantID, event: HookEvent) -> Result<Vec<WebhookID>> {
    Ok(those_wanting(&active(db, tenant)?, event))
}

/// The tenant's webhooks that are called, with what each wants to be told of.
fn active(db: &mut Db, tenant: TenantID) -> Result<Vec<(WebhookID, String)>> {
    let query = webhooks::table
        .filter(webhooks::tenant_id.eq(tenant))
        .filter(webhooks::active)
        .order(webhooks::id)
        .select((webhooks::id, webhooks::events));
    Ok(inner!(db, inner => query.load(inner))?)
}

fn those_wanting(active: &[(WebhookID, String)], event: HookEvent) -> Vec<WebhookID> {
    let wants = |json: &str| events_of(json).is_ok_and(|events| events.contains(&event));
    active.iter().filter(|(_, events)| wants(events)).map(|(id, _)| *id).collect()
}

/// Who is called for a webhook, as it is now.
pub struct Receiver {
    /// Whose it is.
    pub tenant: TenantID,
    /// Which webhook.
    pub id: WebhookID,
    /// Its name.
    pub name: String,
    /// Who is called.
    pub url: String,
    /// What the call is signed with, sealed.
    pub secret: Vec<u8>,
    /// False: not called.
    pub active: bool,
}

/// Who is called for a webhook; none where it is gone.
pub fn receiver(db: &mut Db, id: WebhookID) -> Result<Option<Receiver>> {
    type Row = (TenantID, String, String, Vec<u8>, bool);
    let columns = (webhooks::tenant_id, webhooks::name, webhooks::url, webhooks::secret, webhooks::active);
    let row: Option<Row> = webhooks::table.find(id).select(columns).get_result(db).optional()?;
    Ok(row.map(|(tenant, name, url, secret, active)| Receiver { tenant, id, name, url, secret, active }))
}

/// Notes that a call has arrived.
pub fn note_delivery(db: &mut Db, id: WebhookID, now: Timestamp) -> Result<()> {
    diesel::update(webhooks::table.find(id)).set(webhooks::last_delivered.eq(now)).execute(db)?;
    Ok(())
}

/// Notes that a call has failed, and why.
pub fn note_failure(db: &mut Db, id: WebhookID, why: &str, now: Timestamp) -> Result<()> {
    let failure = (webhooks::last_failure.eq(now), webhooks::last_failure_message.eq(why));
    diesel::update(webhooks::table.find(id)).set(failure).execute(db)?;
    Ok(())
}

/// Calls a webhook no more, because its receiver at this URL asked for it; false where that is so already.
pub fn switch_off(db: &mut Db, receiver: &Receiver) -> Result<bool> {
    let row = webhooks::table.find(receiver.id).filter(webhooks::active).filter(webhooks::url.eq(&receiver.url));
    Ok(diesel::update(row).set(webhooks::active.eq(false)).execute(db)? == 1)
}
