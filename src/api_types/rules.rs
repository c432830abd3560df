//! What an API type is, and who may make what of one.

use crate::clock::Timestamp;
use crate::constraints::Limit;
use crate::error::{Error, Reason, Result};
use crate::id::{AdministratorID, ApiTypeID};
use crate::name::{Description, ObjectName, fold};
use crate::rights::{Grant, Right, Rights};

/// The most API types that one key may be for; they are read on every call made with it.
pub const MOST_OF_A_KEY: usize = 50;
/// The longest name, in characters.
const LONGEST_NAME: usize = 64;

/// What keys can be for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiType {
    /// Never given twice.
    pub id: ApiTypeID,
    /// Unique in the tenant.
    pub name: String,
    /// For people.
    pub title: String,
    /// Empty when none was given.
    pub description: String,
    /// Serves every tenant, and nobody can change it.
    pub built_in: bool,
    /// Whether a key for it waits until somebody authorizes it.
    pub needs_authorization: bool,
    /// Those of a role that a key for it has.
    pub rights: Rights,
}

/// An API type that a key is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyApiType {
    /// Which.
    pub id: ApiTypeID,
    /// Its name.
    pub name: String,
    /// Whether it waits.
    pub authorization: Authorization,
}

/// Whether an API type of a key waits for somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorization {
    /// It needs nobody.
    NotNeeded,
    /// Somebody must give it; until then the key has nothing of it.
    Pending,
    /// Somebody gave it.
    Granted {
        /// When.
        at: Timestamp,
        /// Who: a person, who may be gone by now, and their name at that time.
        by: Option<(AdministratorID, String)>,
    },
}

impl Authorization {
    /// The word on the wire.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::NotNeeded => "notNeeded",
            Self::Pending => "pending",
            Self::Granted { .. } => "granted",
        }
    }
}

/// An API type's name: it stands in paths, in headers and in lists with commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeName(String);

impl TypeName {
    /// Checks a text that came as the member `member`.
    pub fn parse(member: &str, text: &str) -> Result<Self> {
        let taken = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if (1..=LONGEST_NAME).contains(&text.len())
            && text.as_bytes()[0].is_ascii_alphabetic()
            && text.bytes().all(taken)
        {
            return Ok(Self(text.to_owned()));
        }
        let expected = "1 to 64 ASCII letters, digits, dots, hyphens and underscores are taken, a letter first";
        Err(Error::member(member, expected))
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it is compared.
    pub fn folded(&self) -> String {
        fold(&self.0)
    }
}

/// What somebody asks for of an API type, new or old; nothing of it is checked yet.
#[derive(Debug, Default)]
pub struct Wanted {
    /// A name.
    pub name: Option<String>,
    /// A title.
    pub title: Option<String>,
    /// Whatever is worth knowing.
    pub description: Option<String>,
    /// Whether keys wait.
    pub needs_authorization: Option<bool>,
    /// Rights by name.
    pub rights: Option<Vec<String>>,
}

/// What is to change of an API type, each member checked by itself.
#[derive(Debug)]
pub struct Changes {
    name: Option<TypeName>,
    title: Option<ObjectName>,
    description: Option<Description>,
    needs_authorization: Option<bool>,
    rights: Option<Rights>,
}

impl Changes {
    /// Checks what was sent.
    pub fn new(wanted: Wanted) -> Result<Self> {
        Ok(Self {
            name: wanted.name.map(|name| TypeName::parse("name", &name)).transpose()?,
            title: wanted.title.map(|title| ObjectName::parse("title", &title)).transpose()?,
            description: wanted.description.map(|text| Description::parse("description", &text)).transpose()?,
            needs_authorization: wanted.needs_authorization,
            rights: wanted.rights.map(|names| names.iter().map(|name| right(name)).collect()).transpose()?,
        })
    }

    /// A new API type; its title is its name where none was sent.
    pub fn into_new(self) -> Result<ApiType> {
        let name = self.name.as_ref().ok_or_else(|| Error::member("name", "a string is needed"))?;
        let title = name.as_str().to_owned();
        Ok(self.applied_to(&ApiType {
            id: ApiTypeID::new(0),
            name: String::new(),
            title,
            description: String::new(),
            built_in: false,
            needs_authorization: false,
            rights: Rights::NONE,
        }))
    }

    /// The API type as it will be.
    pub fn applied_to(self, old: &ApiType) -> ApiType {
        ApiType {
            id: old.id,
            name: self.name.map_or_else(|| old.name.clone(), |name| name.as_str().to_owned()),
            title: self.title.map_or_else(|| old.title.clone(), |title| title.as_str().to_owned()),
            description: self.description.map_or_else(|| old.description.clone(), |text| text.as_str().to_owned()),
            built_in: old.built_in,
            needs_authorization: self.needs_authorization.unwrap_or(old.needs_authorization),
            rights: self.rights.unwrap_or(old.rights),
        }
    }
}

/// A right that a body names; one that is none is refused with those that were likely meant.
fn right(name: &str) -> Result<Right> {
    Right::find_dotted(name).ok_or_else(|| {
        let near: Vec<String> = Right::near(name).iter().map(|right| format!("{right:?}")).collect();
        let shown: String = name.chars().take(100).collect();
        let message = format!("rights: there is no {shown}. Perhaps {} was meant.", near.join(" or "));
        Error::new(Reason::Malformed, message).accepting(near)
    })
}

/// Who makes, changes or removes an API type, as far as the rules care.
#[derive(Clone, Debug)]
pub struct Editor {
    /// The most that may be handed out.
    pub grant: Grant,
    /// What keeps the editor from bringing about what lasts.
    pub limit: Option<Limit>,
}

impl Editor {
    /// Nobody makes an API type of rights that they lack.
    pub fn may_make(&self, new: &ApiType) -> Result<()> {
        self.must_have(&new.rights, "The API type as it would be")
    }

    /// Whether an API type may become another. Both must lie within what the editor has. Where keys are for it, what
    /// somebody authorized is not more later, and those that wait go on waiting.
    pub fn may_change(&self, old: &ApiType, new: &ApiType, has_keys: bool) -> Result<()> {
        self.must_have(&old.rights, "The API type")?;
        self.must_have(&new.rights, "The API type as it would be")?;
        let widened = !new.rights.is_subset_of(&old.rights) || (old.needs_authorization && !new.needs_authorization);
        if let Some(limit) = self.limit.filter(|_| widened) {
            return Err(limit.refusal("add to an API type"));
        }
        if old.built_in {
            return Err(Error::new(Reason::Conflict, "A built-in API type cannot be changed. Make one of your own."));
        }
        if widened && old.needs_authorization && has_keys {
            let message = "rights, needsAuthorization: API keys are for this API type, and what was authorized for them, \
                           or waits for it, cannot become more. Make another API type.";
            return Err(Error::new(Reason::Conflict, message));
        }
        Ok(())
    }

    /// Whether an API type may be removed, as far as that can be told from itself.
    pub fn may_delete(&self, old: &ApiType) -> Result<()> {
        self.must_have(&old.rights, "The API type")?;
        match old.built_in {
            true => Err(Error::new(Reason::Conflict, "A built-in API type cannot be deleted.")),
            false => Ok(()),
        }
    }

    fn must_have(&self, rights: &Rights, what: &str) -> Result<()> {
        match rights.is_subset_of(&self.grant.rights) {
            true => Ok(()),
            false => Err(Error::new(Reason::BeyondCaller, format!("{what} has rights that the caller has not."))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_can_stand_in_a_path_a_header_and_a_list() {
        for taken in ["a", "logRetrieval", "Investigation.read", "a-b_c.9", &"a".repeat(64)] {
            assert!(TypeName::parse("name", taken).is_ok(), "{taken}");
        }
        for refused in ["", "9a", ".a", "a b", "a,b", "a/b", "a%", "é", "鍵", "a\n", "a\0", &"a".repeat(65)] {
            assert!(TypeName::parse("name", refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_misspelt_right_is_answered_with_those_near_it() {
        let error = right("platformRights.apiKeyRights.canViewApiKeys").expect_err("there is none");
        assert_eq!(error.accepted()[0], "platformRights.apikeyRights.canViewApiKeys");
    }

    fn any_type() -> impl Strategy<Value = ApiType> {
        (prop::collection::vec(any::<bool>(), 5), any::<bool>(), any::<bool>()).prop_map(|(bits, built_in, needs)| {
            ApiType {
                id: ApiTypeID::new(1),
                name: "t".into(),
                title: "t".into(),
                description: String::new(),
                built_in,
                needs_authorization: needs,
                rights: Right::all().zip(bits).filter(|(_, on)| *on).map(|(right, _)| right).collect(),
            }
        })
    }

    proptest! {
        /// Nobody hands out what they lack, and what keys were authorized for never grows.
        #[test]
        fn no_change_leads_above_the_editor(
            old in any_type(),
            new in any_type(),
            own in any_type(),
            keys in any::<bool>(),
            limit in prop::sample::select(vec![None, Some(Limit::Bounded), Some(Limit::Ends(Timestamp::from_millis(1)))]),
        ) {
            let grant = Grant { rights: own.rights, ..Grant::default() };
            let editor = Editor { grant, limit };
            let new = ApiType { built_in: old.built_in, ..new };
            if editor.may_change(&old, &new, keys).is_ok() {
                prop_assert!(old.rights.joined(&new.rights).is_subset_of(&own.rights) && !old.built_in);
                prop_assert!(!(keys && old.needs_authorization) || new.rights.is_subset_of(&old.rights));
                prop_assert!(limit.is_none() || new.rights.is_subset_of(&old.rights));
            }
            prop_assert_eq!(editor.may_make(&new).is_ok(), new.rights.is_subset_of(&own.rights));
        }
    }
}
