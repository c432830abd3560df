//! What is kept of a webhook: plain functions of values.

use crate::clock::Timestamp;
use crate::error::{Error, Reason, Result};
use crate::id::WebhookID;
use crate::name::{Description, ObjectName};
use crate::outgoing::HookUrl;
use crate::rights::{Demand, Right, Rights, ViewAdministrators, ViewApiKeys};

/// The most webhooks that a tenant has: each is a row to be written whenever something happens.
pub const MOST: i64 = 50;

macro_rules! hook_events {
    ($($(#[$about:meta])* $name:ident = $word:literal, $right:ty;)*) => {
        /// What a webhook can be told.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum HookEvent {
            $($(#[$about])* $name,)*
        }

        impl HookEvent {
            /// Every event there is.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name on the wire, in the database, and in the member `type` of a message.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)* }
            }

            /// The right of whoever may know of it.
            pub const fn right(self) -> Option<Right> {
                match self { $(Self::$name => <$right>::RIGHT,)* }
            }
        }
    };
}

hook_events! {
    /// A key was minted.
    KeyCreated = "apikey.created", ViewApiKeys;
    /// A key's secret was replaced.
    KeyRotated = "apikey.rotated", ViewApiKeys;
    /// A key was revoked for good.
    KeyRevoked = "apikey.revoked", ViewApiKeys;
    /// A key's end has come as near as its profile warns of.
    KeyExpiring = "apikey.expiring", ViewApiKeys;
    /// A key has ended.
    KeyExpired = "apikey.expired", ViewApiKeys;
    /// A key was locked out.
    KeyLocked = "apikey.locked", ViewApiKeys;
    /// A claim's code came a second time.
    ClaimReused = "claim.reused", ViewApiKeys;
    /// A person was locked out.
    AdministratorLocked = "administrator.locked", ViewAdministrators;
    /// Attempts to sign in as somebody have begun to be delayed.
    SignInThrottled = "signin.throttled", ViewAdministrators;
}

impl HookEvent {
    /// Reads a name.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|event| event.as_str() == word)
    }
}

/// A webhook as it is stored, its secret aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Never given twice.
    pub id: WebhookID,
    /// What can be changed of it.
    pub properties: Properties,
    /// When it was made.
    pub created: Timestamp,
    /// How its calls fare.
    pub health: Health,
}

/// How the calls to a receiver fare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// When one arrived last.
    pub delivered: Option<Timestamp>,
    /// When one failed last, and why.
    pub failure: Option<(Timestamp, String)>,
}

/// What can be changed of a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Properties {
    /// Unique in the tenant.
    pub name: ObjectName,
    /// Empty when none was given.
    pub description: Description,
    /// Who is called.
    pub url: HookUrl,
    /// What for, each once, in the order of the table.
    pub events: Vec<HookEvent>,
    /// False: not called.
    pub active: bool,
}

/// What somebody asks for of a webhook, new or old; nothing of it is checked yet.
pub struct Wanted {
    /// Its name.
    pub name: Option<String>,
    /// Whatever is worth knowing.
    pub description: Option<String>,
    /// Who is to be called.
    pub url: Option<String>,
    /// Names of events.
    pub events: Option<Vec<String>>,
    /// False: not called.
    pub active: Option<bool>,
}

/// What is to be of a webhook, each member checked by itself.
#[derive(Clone, Debug)]
pub struct Changes {
    name: Option<ObjectName>,
    description: Option<Description>,
    url: Option<HookUrl>,
    events: Option<Vec<HookEvent>>,
    active: Option<bool>,
}

impl Changes {
    /// Checks what was sent; where the URL leads is another matter.
    pub fn new(wanted: Wanted) -> Result<Self> {
        let url = |text: String| HookUrl::parse(&text).map_err(|expected| Error::member("url", expected));
        Ok(Self {
            name: wanted.name.map(|name| ObjectName::parse("name", &name)).transpose()?,
            description: wanted.description.map(|text| Description::parse("description", &text)).transpose()?,
            url: wanted.url.map(url).transpose()?,
            events: wanted.events.as_deref().map(events).transpose()?,
            active: wanted.active,
        })
    }

    /// Where it is to lead, if anything is said of that.
    pub fn url(&self) -> Option<&HookUrl> {
        self.url.as_ref()
    }

    /// A new webhook out of what was sent.
    pub fn into_new(self) -> Result<Properties> {
        let needed = |member: &str, what: &str| Error::member(member, what);
        Ok(Properties {
            name: self.name.ok_or_else(|| needed("name", "a string is needed"))?,
            description: self.description.unwrap_or_else(Description::none),
            url: self
                .url
                .ok_or_else(|| needed("url", "a URL is needed, such as https://hooks.example.com/firstkey"))?,
            events: self.events.ok_or_else(no_events)?,
            active: self.active.unwrap_or(true),
        })
    }

    /// The properties as they will be.
    pub fn applied_to(self, old: &Properties) -> Properties {
        Properties {
            name: self.name.unwrap_or_else(|| old.name.clone()),
            description: self.description.unwrap_or_else(|| old.description.clone()),
            url: self.url.unwrap_or_else(|| old.url.clone()),
            events: self.events.unwrap_or_else(|| old.events.clone()),
            active: self.active.unwrap_or(old.active),
        }
    }
}

fn events(words: &[String]) -> Result<Vec<HookEvent>> {
    let mut events: Vec<HookEvent> =
        words.iter().map(|word| HookEvent::parse(word)).collect::<Option<_>>().ok_or_else(no_events)?;
    events.sort_unstable();
    events.dedup();
    if events.is_empty() { Err(no_events()) } else { Ok(events) }
}

fn no_events() -> Error {
    let known = HookEvent::ALL.iter().map(|event| event.as_str());
    Error::member("events", "a list of names of events is needed, at least one; the member accepted has them")
        .accepting(known)
}

/// Whether somebody is told more, or somebody else, than before: then whoever changes it must be allowed to know it
/// themselves.
pub fn tells_more(old: &Properties, new: &Properties) -> bool {
    let adds = new.events.iter().any(|event| !old.events.contains(event));
    old.url != new.url || adds || (new.active && !old.active)
}

/// Nobody has a webhook told what they may not see themselves.
pub fn must_be_seen_by(rights: &Rights, events: &[HookEvent]) -> Result<()> {
    let unseen = events.iter().find(|event| event.right().is_some_and(|right| !rights.contains(right)));
    match unseen {
        Some(event) => Err(Error::new(
            Reason::BeyondCaller,
            format!(
                "events: the caller may not see what {} tells, and so cannot have it told to a webhook.",
                event.as_str()
            ),
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_kept_once_and_in_order() {
        let read = |words: &[&str]| events(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        let names: Vec<&str> = read(&["claim.reused", "apikey.created", "claim.reused"])
            .expect("as the test made it")
            .into_iter()
            .map(HookEvent::as_str)
            .collect();
        assert_eq!(names, ["apikey.created", "claim.reused"]);
        for wrong in [&[][..], &["*"], &["apikey.created", "apikey"], &["APIKEY.CREATED"], &[""]] {
            let error = read(wrong).unwrap_err();
            assert_eq!(
                (error.reason(), error.accepted().len()),
                (Reason::Malformed, HookEvent::ALL.len()),
                "{wrong:?}"
            );
        }
    }
}
