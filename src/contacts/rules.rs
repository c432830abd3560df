//! What is kept of a contact: plain functions of values.

use crate::error::{Error, Result};
use crate::id::{ContactID, RoleID};
use crate::locale::Locale;
use crate::name::{Description, EmailAddress, ObjectName, ShortText};

/// A contact as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Never given twice.
    pub id: ContactID,
    /// What can be changed of it, which is all there is.
    pub properties: Properties,
}

/// What can be changed of a contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Properties {
    /// What they are called; several may have the same name.
    pub name: ObjectName,
    /// Empty when none was given.
    pub description: Description,
    /// Empty when none was given.
    pub phone_number: ShortText,
    /// Empty when none was given.
    pub mobile_number: ShortText,
    /// Empty when none was given.
    pub pager_number: ShortText,
    /// Where they are written to.
    pub email_address: EmailAddress,
    /// Language of what is written to them.
    pub locale: Locale,
    /// Whose reports they are sent.
    pub role: Option<RoleID>,
    /// Kept for the vendor's clients.
    pub report_pdf_password_enabled: bool,
}

/// What somebody asks for of a contact, new or old; nothing of it is checked yet.
pub struct Wanted {
    /// A name.
    pub name: Option<String>,
    /// Whatever is worth knowing.
    pub description: Option<String>,
    /// A number.
    pub phone_number: Option<String>,
    /// A number.
    pub mobile_number: Option<String>,
    /// A number.
    pub pager_number: Option<String>,
    /// An address.
    pub email_address: Option<String>,
    /// A locale's name.
    pub locale: Option<String>,
    /// A role's ID; or that there shall be none.
    pub role: Option<Option<RoleID>>,
    /// For the vendor's clients.
    pub report_pdf_password_enabled: Option<bool>,
}

/// What is to be of a contact, each member checked by itself.
#[derive(Debug)]
pub struct Changes {
    name: Option<ObjectName>,
    description: Option<Description>,
    phone_number: Option<ShortText>,
    mobile_number: Option<ShortText>,
    pager_number: Option<ShortText>,
    email_address: Option<EmailAddress>,
    locale: Option<Locale>,
    role: Option<Option<RoleID>>,
    report_pdf_password_enabled: Option<bool>,
}

impl Changes {
    /// Checks what was sent.
    pub fn new(wanted: Wanted) -> Result<Self> {
        let short = |member, text: Option<String>| text.map(|text| ShortText::parse(member, &text)).transpose();
        Ok(Self {
            name: wanted.name.map(|name| ObjectName::parse("name", &name)).transpose()?,
            description: wanted.description.map(|text| Description::parse("description", &text)).transpose()?,
            phone_number: short("phoneNumber", wanted.phone_number)?,
            mobile_number: short("mobileNumber", wanted.mobile_number)?,
            pager_number: short("pagerNumber", wanted.pager_number)?,
            email_address: wanted.email_address.map(|text| EmailAddress::parse("emailAddress", &text)).transpose()?,
            locale: wanted.locale.as_deref().map(Locale::parse).transpose()?,
            role: wanted.role,
            report_pdf_password_enabled: wanted.report_pdf_password_enabled,
        })
    }

    /// A new contact out of what was sent.
    pub fn into_new(self) -> Result<Properties> {
        let name = self.name.clone().ok_or_else(|| Error::member("name", "a string is needed"))?;
        Ok(self.applied_to(&Properties {
            name,
            description: Description::none(),
            phone_number: ShortText::none(),
            mobile_number: ShortText::none(),
            pager_number: ShortText::none(),
            email_address: EmailAddress::none(),
            locale: Locale::default(),
            role: None,
            report_pdf_password_enabled: false,
        }))
    }

    /// The properties as they will be.
    pub fn applied_to(self, old: &Properties) -> Properties {
        Properties {
            name: self.name.unwrap_or_else(|| old.name.clone()),
            description: self.description.unwrap_or_else(|| old.description.clone()),
            phone_number: self.phone_number.unwrap_or_else(|| old.phone_number.clone()),
            mobile_number: self.mobile_number.unwrap_or_else(|| old.mobile_number.clone()),
            pager_number: self.pager_number.unwrap_or_else(|| old.pager_number.clone()),
            email_address: self.email_address.unwrap_or_else(|| old.email_address.clone()),
            locale: self.locale.unwrap_or(old.locale),
            role: self.role.unwrap_or(old.role),
            report_pdf_password_enabled: self.report_pdf_password_enabled.unwrap_or(old.report_pdf_password_enabled),
        }
    }
}
