//! What a tenant may be: plain functions of values.

use uuid::Uuid;

use crate::clock::Timestamp;
use crate::error::{Error, Reason, Result};
use crate::id::{MAX_ID, TenantID};
use crate::locale::{Locale, TimeZone};
use crate::name::{Description, EmailAddress, TenantName, Username};
use crate::secret::{Password, password_member};

/// Modules that can be shown or hidden; nothing here depends on them.
const MODULES: &[&str] = &[
    "all",
    "anti-malware",
    "web-reputation",
    "firewall",
    "intrusion-prevention",
    "integrity-monitoring",
    "log-inspection",
    "application-control",
    "SAP",
    "activity-monitoring",
    "container-control",
];

/// Every state that the original knows; a search may name any of them.
pub const STATES: &[&str] = &[
    "undefined",
    "created",
    "active",
    "suspended",
    "suspended-db-locked",
    "pending-deletion",
    "db-upgrade-failure",
    "confirmation-required",
    "cache-requires-initialization",
    "cache-initializing",
    "cache-ready-for-use",
    "cache-activating",
];

/// The states that a tenant can be put into. One that is being removed is shown no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its people sign in, its keys are taken.
    Active,
    /// Neither, until it is taken up again.
    Suspended,
}

impl State {
    /// As it is written and stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }

    /// Reads a state that can be set, or is stored of a tenant that is shown.
    pub fn parse(text: &str) -> Result<Self> {
        [Self::Active, Self::Suspended]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| Error::member("tenantState", "active and suspended can be set"))
    }
}

/// A tenant as it is stored.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// 0 is the primary one. Never given twice.
    pub id: TenantID,
    /// Its name for machines.
    pub guid: Uuid,
    /// What can be changed of it.
    pub properties: Properties,
    /// The last time that somebody signed in to it.
    pub last_signin_time: Option<Timestamp>,
}

/// What can be changed of a tenant.
#[derive(Clone, Debug)]
pub struct Properties {
    /// Unique on the server.
    pub name: TenantName,
    /// Empty when none was given.
    pub description: Description,
    /// Zone of its dates.
    pub time_zone: TimeZone,
    /// Language of what is written for it.
    pub locale: Locale,
    /// Kept for the vendor's clients.
    pub database_server: i64,
    /// Kept for the vendor's clients.
    pub demo_mode: bool,
    /// Kept for the vendor's clients.
    pub modules_visible: Vec<String>,
    /// Kept for the vendor's clients.
    pub hide_unlicensed_modules: bool,
    /// Whether it may be used.
    pub state: State,
}

impl Properties {
    /// What holds of a tenant of which nothing but the name is said; `zone` is the server's own.
    pub fn named(name: TenantName, zone: TimeZone) -> Result<Self> {
        Ok(Self {
            name,
            description: Description::parse("description", "")?,
            time_zone: zone,
            locale: Locale::default(),
            database_server: 1,
            demo_mode: false,
            modules_visible: vec!["all".to_owned()],
            hide_unlicensed_modules: false,
            state: State::Active,
        })
    }
}

/// The longest label that is made of a name, in characters. A GUID is longer: so none of these is ever another's GUID.
const LONGEST_LABEL: usize = 35;

/// The label of a new tenant's URL, made of its name: the words in it, with hyphens between them. None where the name
/// has other letters than those of ASCII, nothing but signs, or too many; the GUID stands there then.
pub fn label_of(name: &TenantName) -> Option<String> {
    let folded = name.folded();
    let words: Vec<&str> = folded.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let label = words.join("-");
    (folded.is_ascii() && (1..=LONGEST_LABEL).contains(&label.len())).then_some(label)
}

/// What somebody asks for of a tenant, new or old; nothing of it is checked yet.
pub struct Wanted {
    /// A number to keep.
    pub database_server: Option<i64>,
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// A time zone's name.
    pub time_zone: Option<String>,
    /// A locale's name.
    pub locale: Option<String>,
    /// A flag to keep.
    pub demo_mode: Option<bool>,
    /// Names to keep.
    pub modules_visible: Option<Vec<String>>,
    /// A flag to keep.
    pub hide_unlicensed_modules: Option<bool>,
    /// A state's name.
    pub state: Option<String>,
}

/// What is to change of a tenant, each member checked by itself.
#[derive(Debug)]
pub struct Changes {
    database_server: Option<i64>,
    name: Option<TenantName>,
    description: Option<Description>,
    time_zone: Option<TimeZone>,
    locale: Option<Locale>,
    demo_mode: Option<bool>,
    modules_visible: Option<Vec<String>>,
    hide_unlicensed_modules: Option<bool>,
    state: Option<State>,
}

impl Changes {
    /// Checks what was sent.
    pub fn new(wanted: Wanted) -> Result<Self> {
        if let Some(names) = &wanted.modules_visible {
            check_modules(names)?;
        }
        if wanted.database_server.is_some_and(|id| !(0..=MAX_ID).contains(&id)) {
            return Err(Error::member("databaseServerID", "0 to 2147483647 is taken"));
        }
        Ok(Self {
            database_server: wanted.database_server,
            name: wanted.name.map(|name| TenantName::parse("name", &name)).transpose()?,
            description: wanted.description.map(|text| Description::parse("description", &text)).transpose()?,
            time_zone: wanted.time_zone.as_deref().map(TimeZone::parse).transpose()?,
            locale: wanted.locale.as_deref().map(Locale::parse).transpose()?,
            demo_mode: wanted.demo_mode,
            modules_visible: wanted.modules_visible,
            hide_unlicensed_modules: wanted.hide_unlicensed_modules,
            state: wanted.state.as_deref().map(State::parse).transpose()?,
        })
    }

    /// The properties of a new tenant.
    pub fn of_a_new_one(self, zone: TimeZone) -> Result<Properties> {
        let name = self.name.clone().ok_or_else(|| Error::member("name", "a string is needed"))?;
        Ok(self.applied_to(&Properties::named(name, zone)?))
    }

    /// The primary tenant is the one that the others are ruled from: it keeps its name and stays active.
    pub fn must_suit(&self, old: &Tenant) -> Result<()> {
        let (id, old) = (old.id, &old.properties);
        let renamed = self.name.as_ref().is_some_and(|name| *name != old.name);
        let stopped = self.state.is_some_and(|state| state != old.state);
        if id == TenantID::PRIMARY && (renamed || stopped) {
            return Err(Error::new(Reason::Conflict, "The primary tenant keeps its name and stays active."));
        }
        Ok(())
    }

    /// The properties as they will be.
    pub fn applied_to(self, old: &Properties) -> Properties {
        Properties {
            name: self.name.unwrap_or_else(|| old.name.clone()),
            description: self.description.unwrap_or_else(|| old.description.clone()),
            time_zone: self.time_zone.unwrap_or(old.time_zone),
            locale: self.locale.unwrap_or(old.locale),
            database_server: self.database_server.unwrap_or(old.database_server),
            demo_mode: self.demo_mode.unwrap_or(old.demo_mode),
            modules_visible: self.modules_visible.unwrap_or_else(|| old.modules_visible.clone()),
            hide_unlicensed_modules: self.hide_unlicensed_modules.unwrap_or(old.hide_unlicensed_modules),
            state: self.state.unwrap_or(old.state),
        }
    }
}

fn check_modules(names: &[String]) -> Result<()> {
    let known = names.iter().all(|name| MODULES.contains(&name.as_str()));
    let once = names.iter().enumerate().all(|(at, name)| !names[..at].contains(name));
    if known && once {
        return Ok(());
    }
    Err(Error::new(Reason::Malformed, format!("modulesVisible: each once, {} are taken.", MODULES.join(", "))))
}

/// Whom a new tenant begins with, checked but for the password's strength.
pub struct FirstAdministrator {
    /// The name to sign in by.
    pub username: Username,
    /// To be hashed.
    pub password: Password,
    /// Where to write to.
    pub email_address: EmailAddress,
}

impl FirstAdministrator {
    /// Checks what was sent of one.
    pub fn new(username: Option<String>, password: Option<String>, email_address: Option<String>) -> Result<Self> {
        let username = username.ok_or_else(|| Error::member("administrator.username", "a string is needed"))?;
        Ok(Self {
            username: Username::parse("administrator.username", &username)?,
            password: password_member("administrator.password", password)?,
            email_address: EmailAddress::parse("administrator.emailAddress", &email_address.unwrap_or_default())?,
        })
    }
}

/// A tenant that keys can be made for by the primary one.
pub fn must_take_keys(tenant: &Tenant) -> Result<()> {
    match (tenant.id, tenant.properties.state) {
        // else whoever may manage tenants' keys could make one of the primary tenant's beyond their own rights
        (TenantID::PRIMARY, _) => {
            Err(Error::new(Reason::Conflict, "Keys of the primary tenant are made with POST /api/apikeys."))
        }
        (_, State::Suspended) => Err(Error::new(Reason::Conflict, "The tenant is suspended; no key of it is taken.")),
        (_, State::Active) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_label_is_made_of_a_name() {
        for (name, label) in [
            ("Blue", Some("blue")),
            ("Blue Whale, Inc.", Some("blue-whale-inc")),
            ("ＢＬＵＥ", Some("blue")),
            ("a--b__c", Some("a-b-c")),
            ("-1-", Some("1")),
            ("xn--blue", Some("xn-blue")),
            ("Café", None),
            ("青", None),
            ("blue 青", None),
            ("!?", None),
            (&"a".repeat(35), Some("a".repeat(35).as_str())),
            (&"a".repeat(36), None),
            ("0f8fad5b-d9cb-469f-a165-70867728950e", None),
        ] {
            let name = TenantName::parse("name", name).expect("a name");
            assert_eq!(label_of(&name).as_deref(), label, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn every_label_can_stand_in_a_url(name in any::<String>()) {
            if let Some(label) = TenantName::parse("name", &name).ok().and_then(|name| label_of(&name)) {
                prop_assert!(crate::reach::is_label(&label), "{}", label);
            }
        }
    }

    #[test]
    fn modules_are_known_and_named_once() {
        let check =
            |names: &[&str]| check_modules(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).is_ok();
        assert!(check(&[]) && check(&["all"]) && check(MODULES));
        assert!(!check(&["firewall", "firewall"]) && !check(&["Firewall"]) && !check(&[""]));
    }
}
