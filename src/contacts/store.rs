//! The table of contacts.

use diesel::prelude::*;

use super::rules::{Contact, Properties};
use crate::auth::Caller;
use crate::db::schema::contacts;
use crate::db::{Db, MultiBackend};
use crate::error::{Error, Reason, Result, is_foreign_key_violation};
use crate::id::{ContactID, RoleID, TenantID};
use crate::locale::Locale;
use crate::name::{Description, EmailAddress, ObjectName, ShortText};
use crate::search::{
    Comparison, Condition, Field, Filter, boolean, boolean_field, number, number_field, text, text_field,
};

#[derive(Queryable, Selectable)]
#[diesel(table_name = contacts, check_for_backend(MultiBackend))]
struct Row {
    id: ContactID,
    name: String,
    description: String,
    phone_number: String,
    mobile_number: String,
    pager_number: String,
    email_address: String,
    locale: String,
    role_id: Option<RoleID>,
    report_pdf_password_enabled: bool,
}

impl Row {
    fn into_contact(self) -> Result<Contact> {
        self.read().map_err(|error| Error::internal(error.to_string()))
    }

    fn read(self) -> Result<Contact> {
        Ok(Contact {
            id: self.id,
            properties: Properties {
                name: ObjectName::stored(self.name),
                description: Description::parse("description", &self.description)?,
                phone_number: ShortText::parse("phoneNumber", &self.phone_number)?,
                mobile_number: ShortText::parse("mobileNumber", &self.mobile_number)?,
                pager_number: ShortText::parse("pagerNumber", &self.pager_number)?,
                email_address: EmailAddress::stored(self.email_address),
                locale: Locale::parse(&self.locale)?,
                role: self.role_id,
                report_pdf_password_enabled: self.report_pdf_password_enabled,
            },
        })
    }
}

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = contacts, treat_none_as_null = true)]
struct PropertiesRow {
    name: String,
    name_fold: String,
    description: String,
    description_fold: String,
    phone_number: String,
    phone_number_fold: String,
    mobile_number: String,
    mobile_number_fold: String,
    pager_number: String,
    pager_number_fold: String,
    email_address: String,
    email_address_fold: String,
    locale: &'static str,
    role_id: Option<RoleID>,
    report_pdf_password_enabled: bool,
}

impl From<&Properties> for PropertiesRow {
    fn from(properties: &Properties) -> Self {
        Self {
            name: properties.name.as_str().to_owned(),
            name_fold: properties.name.folded(),
            description: properties.description.as_str().to_owned(),
            description_fold: properties.description.folded(),
            phone_number: properties.phone_number.as_str().to_owned(),
            phone_number_fold: properties.phone_number.folded(),
            mobile_number: properties.mobile_number.as_str().to_owned(),
            mobile_number_fold: properties.mobile_number.folded(),
            pager_number: properties.pager_number.as_str().to_owned(),
            pager_number_fold: properties.pager_number.folded(),
            email_address: properties.email_address.as_str().to_owned(),
            email_address_fold: properties.email_address.folded(),
            locale: properties.locale.as_str(),
            role_id: properties.role,
            report_pdf_password_enabled: properties.report_pdf_password_enabled,
        }
    }
}

/// What can be searched, and how.
const FIELDS: &[Field<contacts::table>] = &[
    text("name", text_field!(contacts::name_fold)),
    text("description", text_field!(contacts::description_fold)),
    text("phoneNumber", text_field!(contacts::phone_number_fold)),
    text("mobileNumber", text_field!(contacts::mobile_number_fold)),
    text("pagerNumber", text_field!(contacts::pager_number_fold)),
    text("emailAddress", text_field!(contacts::email_address_fold)),
    number("roleID", number_field!(contacts::role_id.assume_not_null())),
    boolean("reportPDFPasswordEnabled", boolean_field!(contacts::report_pdf_password_enabled)),
];

const ID: fn(Comparison, i64) -> Condition<contacts::table> = number_field!(contacts::id);

/// The tenant's contacts; every read starts here.
fn visible_to(tenant: TenantID) -> contacts::BoxedQuery<'static, MultiBackend> {
    contacts::table.filter(contacts::tenant_id.eq(tenant)).into_boxed()
}

/// A role may be removed between the look at it and its use.
fn role_gone(error: diesel::result::Error) -> Error {
    match is_foreign_key_violation(&error) {
        true => Error::new(Reason::UnknownRole, "roleID: there is no such role any more."),
        false => error.into(),
    }
}

/// Makes a contact in the caller's tenant.
pub fn insert<R, V>(db: &mut Db, caller: &Caller<R, V>, properties: Properties) -> Result<Contact> {
    let id = diesel::insert_into(contacts::table)
        .values((PropertiesRow::from(&properties), contacts::tenant_id.eq(caller.tenant().id)))
        .returning(contacts::id)
        .get_result(db)
        .map_err(role_gone)?;
    Ok(Contact { id, properties })
}

/// One contact that the caller can see.
pub fn find<R, V>(db: &mut Db, caller: &Caller<R, V>, id: ContactID) -> Result<Option<Contact>> {
    let query = visible_to(caller.tenant().id).filter(contacts::id.eq(id));
    let row: Option<Row> = query.select(Row::as_select()).get_result(db).optional()?;
    row.map(Row::into_contact).transpose()
}

/// At most `most` contacts behind `after`, by ID: a list's next piece.
pub fn list<R, V>(db: &mut Db, caller: &Caller<R, V>, after: ContactID, most: i64) -> Result<Vec<Contact>> {
    let query = visible_to(caller.tenant().id).filter(contacts::id.gt(after)).order(contacts::id).limit(most);
    let rows: Vec<Row> = query.select(Row::as_select()).load(db)?;
    rows.into_iter().map(Row::into_contact).collect()
}

/// The caller's contacts that meet every criterion, by ID.
pub fn search<R, V>(db: &mut Db, caller: &Caller<R, V>, filter: Filter) -> Result<Vec<Contact>> {
    let mut query = visible_to(caller.tenant().id);
    for criterion in filter.criteria {
        query = query.filter(criterion.condition(FIELDS, ID)?);
    }
    let rows: Vec<Row> = query.order(contacts::id).limit(filter.most).select(Row::as_select()).load(db)?;
    rows.into_iter().map(Row::into_contact).collect()
}

/// Stores changed properties.
pub fn update<R, V>(db: &mut Db, caller: &Caller<R, V>, contact: &Contact) -> Result<()> {
    let row = contacts::table.filter(contacts::id.eq(contact.id)).filter(contacts::tenant_id.eq(caller.tenant().id));
    match diesel::update(row).set(PropertiesRow::from(&contact.properties)).execute(db).map_err(role_gone)? {
        0 => Err(Error::not_found("contact")),
        _ => Ok(()),
    }
}

/// Removes a contact.
pub fn delete<R, V>(db: &mut Db, caller: &Caller<R, V>, id: ContactID) -> Result<()> {
    let row = contacts::table.filter(contacts::id.eq(id)).filter(contacts::tenant_id.eq(caller.tenant().id));
    match diesel::delete(row).execute(db)? {
        0 => Err(Error::not_found("contact")),
        _ => Ok(()),
    }
}

/// Removes at most `most` of a tenant's contacts, for a tenant that is being removed; answers how many.
pub fn purge(db: &mut Db, tenant: TenantID, most: i64) -> Result<usize> {
    let of_tenant = contacts::table.filter(contacts::tenant_id.eq(tenant));
    let query = of_tenant.order(contacts::id).limit(most).select(contacts::id);
    let Some(last) = query.load::<ContactID>(db)?.pop() else { return Ok(0) };
    Ok(diesel::delete(of_tenant.filter(contacts::id.le(last))).execute(db)?)
}

/// Where a tenant's first `most` contacts are written to that have an address.
pub fn addresses(db: &mut Db, tenant: TenantID, most: i64) -> Result<Vec<String>> {
    let query = visible_to(tenant).filter(contacts::email_address.ne(""));
    Ok(query.order(contacts::id).limit(most).select(contacts::email_address).load(db)?)
}
