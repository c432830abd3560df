//! `/api/contacts`.

use actix_web::HttpResponse;
use actix_web::web::Json;
use serde_json::{Value, json};

use super::rules::{Changes, Contact, Properties, Wanted};
use super::store;
use crate::app::App;
use crate::audit::{Event, EventKind, Target, differences_of};
use crate::auth::Caller;
use crate::body::{Body, InPath};
use crate::db::Db;
use crate::error::{Error, Reason, Result};
use crate::id::{ContactID, RoleID};
use crate::list::{self, Found, Piece};
use crate::rights::{CreateContacts, DeleteContacts, EditContacts, ViewContacts};
use crate::roles;
use crate::search::Filter;
use crate::wire::{self, Flag, Number, Patch};

/// Every contact of the tenant.
pub async fn list(caller: Caller<ViewContacts>, app: App) -> Result<HttpResponse> {
    list::answer("contacts", move |after| {
        let (caller, app) = (caller.clone(), app.clone());
        async move {
            let after = ContactID::new(after);
            let contacts = app.database.read(move |db| store::list(db, &caller, after, list::PIECE)).await?;
            let last = contacts.last().map(|contact| contact.id.get());
            Ok(Piece { last, items: contacts.into_iter().map(shown).collect() })
        }
    })
    .await
}

/// Contacts by criteria.
pub async fn search(
    caller: Caller<ViewContacts>,
    filter: Body<wire::SearchFilter>,
    app: App,
) -> Result<Found<wire::Contacts>> {
    let filter = Filter::read(filter.0)?;
    let contacts = app.database.read(move |db| store::search(db, &caller, filter)).await?;
    Ok(Found(contacts.len(), wire::Contacts { contacts: contacts.into_iter().map(shown).collect() }))
}

/// One contact.
pub async fn describe(caller: Caller<ViewContacts>, id: InPath<ContactID>, app: App) -> Result<Json<wire::Contact>> {
    let contact = app.database.read(move |db| store::find(db, &caller, id.0)).await?;
    Ok(Json(shown(contact.ok_or_else(no_such_contact)?)))
}

/// Makes a contact. Their role need not lie within the caller's: a contact can do nothing.
pub async fn create(
    caller: Caller<CreateContacts>,
    body: Body<wire::NewContact>,
    app: App,
) -> Result<Json<wire::Contact>> {
    let properties = Changes::new(body.0.into())?.into_new()?;
    let contact = app
        .change(&caller, move |db, caller| {
            must_exist(db, caller, properties.role)?;
            let contact = store::insert(db, caller, properties)?;
            let event = Event::new(EventKind::ContactCreated, target(&contact));
            let details = json!({ "roleID": contact.properties.role });
            Ok((contact, event.with(details)))
        })
        .await?;
    Ok(Json(shown(contact)))
}

/// Changes what is sent of a contact.
pub async fn modify(
    caller: Caller<EditContacts>,
    id: InPath<ContactID>,
    body: Body<wire::ContactChange>,
    app: App,
) -> Result<Json<wire::Contact>> {
    let changes = Changes::new(body.0.into())?;
    let contact = app
        .change(&caller, move |db, caller| {
            let old = store::find(db, caller, id.0)?.ok_or_else(no_such_contact)?;
            let new = Contact { id: old.id, properties: changes.applied_to(&old.properties) };
            must_exist(db, caller, new.properties.role)?;
            store::update(db, caller, &new)?;
            let details = differences(&old.properties, &new.properties);
            Ok((new, Event::new(EventKind::ContactUpdated, target(&old)).with(details)))
        })
        .await?;
    Ok(Json(shown(contact)))
}

/// Removes a contact.
pub async fn delete(caller: Caller<DeleteContacts>, id: InPath<ContactID>, app: App) -> Result<HttpResponse> {
    app.change(&caller, move |db, caller| {
        let contact = store::find(db, caller, id.0)?.ok_or_else(no_such_contact)?;
        store::delete(db, caller, id.0)?;
        Ok(((), Event::new(EventKind::ContactDeleted, target(&contact))))
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

fn no_such_contact() -> Error {
    Error::not_found("contact")
}

/// The role that a body names; an unknown one, or another tenant's, is a fault of the body.
fn must_exist<R, V>(db: &mut Db, caller: &Caller<R, V>, role: Option<RoleID>) -> Result<()> {
    match role {
        Some(role) if roles::find_for(db, caller.tenant().id, role)?.is_none() => Err(Error::new(
            Reason::UnknownRole,
            "roleID: there is no such role. POST /api/administratorroles/search finds them; 0 is none.",
        )),
        _ => Ok(()),
    }
}

fn target(contact: &Contact) -> Target {
    Target::new("contact", contact.id.get(), contact.properties.name.as_str())
}

/// What changed, from what to what.
fn differences(old: &Properties, new: &Properties) -> Value {
    let pairs: [(&str, Value, Value); 9] = [
        ("name", json!(old.name.as_str()), json!(new.name.as_str())),
        ("description", json!(old.description.as_str()), json!(new.description.as_str())),
        ("phoneNumber", json!(old.phone_number.as_str()), json!(new.phone_number.as_str())),
        ("mobileNumber", json!(old.mobile_number.as_str()), json!(new.mobile_number.as_str())),
        ("pagerNumber", json!(old.pager_number.as_str()), json!(new.pager_number.as_str())),
        ("emailAddress", json!(old.email_address.as_str()), json!(new.email_address.as_str())),
        ("locale", json!(old.locale.as_str()), json!(new.locale.as_str())),
        ("roleID", json!(old.role), json!(new.role)),
        ("reportPDFPasswordEnabled", json!(old.report_pdf_password_enabled), json!(new.report_pdf_password_enabled)),
    ];
    differences_of(pairs)
}

fn shown(contact: Contact) -> wire::Contact {
    let properties = contact.properties;
    wire::Contact {
        name: properties.name.as_str().to_owned(),
        description: properties.description.as_str().to_owned(),
        phone_number: properties.phone_number.as_str().to_owned(),
        mobile_number: properties.mobile_number.as_str().to_owned(),
        pager_number: properties.pager_number.as_str().to_owned(),
        email_address: properties.email_address.as_str().to_owned(),
        locale: properties.locale.as_str().to_owned(),
        role_id: properties.role,
        report_pdf_password_enabled: properties.report_pdf_password_enabled,
        id: contact.id,
    }
}

/// 0 stands for null, as everywhere.
fn role(asked: Patch<Number>) -> Option<Option<RoleID>> {
    match asked {
        Patch::Absent => None,
        Patch::Null | Patch::Value(Number(0)) => Some(None),
        Patch::Value(Number(id)) => Some(Some(RoleID::new(id))),
    }
}

macro_rules! wanted_from {
    ($($body:ty),+) => {$(
        impl From<$body> for Wanted {
            fn from(body: $body) -> Self {
                Self {
                    name: body.name,
                    description: body.description,
                    phone_number: body.phone_number,
                    mobile_number: body.mobile_number,
                    pager_number: body.pager_number,
                    email_address: body.email_address,
                    locale: body.locale,
                    role: role(body.role_id),
                    report_pdf_password_enabled: body.report_pdf_password_enabled.map(|Flag(on)| on),
                }
            }
        }
    )+};
}

wanted_from!(wire::NewContact, wire::ContactChange);
