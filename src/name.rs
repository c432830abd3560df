//! Names that people give to things: checked once, and folded so that two spellings of one name meet.

use unicode_normalization::UnicodeNormalization as _;

use crate::error::{Error, Result};

/// The form in which names are compared: NFKC and lower case, until nothing changes any more.
pub fn fold(name: &str) -> String {
    // there both are known: nothing else is lower case, or made of other letters
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    let mut folded: String = name.nfkc().collect();
    // One round is enough for nearly every name; a few letters need another after lower-casing.
    for _ in 0..4 {
        let next: String = folded.to_lowercase().nfkc().collect();
        if next == folded {
            break;
        }
        folded = next;
    }
    folded
}

macro_rules! names {
    ($($(#[$about:meta])* $name:ident, $least:literal, $most:literal, $forbidden:expr, $expected:literal;)*) => {$(
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// The longest, in characters.
            pub const MOST: usize = $most;

            /// Checks a text that came as the member `member`.
            pub fn parse(member: &str, text: &str) -> Result<Self> {
                let length = text.chars().count();
                let forbidden: fn(&str) -> bool = $forbidden;
                if !($least..=$most).contains(&length) || forbidden(text) {
                    return Err(Error::member(member, $expected));
                }
                Ok(Self(text.to_owned()))
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
    )*};
}

names! {
    /// The name of an API key, of a role or of a contact.
    ObjectName, 1, 128, is_unreadable,
        "1 to 128 characters are taken, one of them visible, none a control character or one that turns the direction of writing";
    /// A description.
    Description, 0, 1_024, has_control, "at most 1,024 characters are taken, none of them a control character";
    /// A full name, a telephone number, and the like: kept as it was given.
    ShortText, 0, 128, has_control, "at most 128 characters are taken, none of them a control character";
    /// The name by which a person signs in. Invisible characters are refused, so that no two names look alike by them.
    Username, 1, 128, is_misleading,
        "1 to 128 characters are taken, none of them a control character or invisible, no blank at either end";
    /// The name by which a tenant is signed in to.
    TenantName, 1, 128, is_misleading,
        "1 to 128 characters are taken, none of them a control character or invisible, no blank at either end";
}

/// An e-mail address, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// The longest, in bytes: what a mail server must take (RFC 5321).
    const MOST: usize = 254;

    /// Checks a text that came as the member `member`; an empty one is no address.
    pub fn parse(member: &str, text: &str) -> Result<Self> {
        let options = email_address::Options::default().without_display_text().without_domain_literal();
        let is_address = || email_address::EmailAddress::parse_with_options(text, options).is_ok();
        if text.is_empty() || (text.len() <= Self::MOST && !has_control(text) && is_address()) {
            return Ok(Self(text.to_owned()));
        }
        Err(Error::member(member, "an e-mail address of at most 254 bytes is taken, such as ops@example.com, or none"))
    }

    /// One that was checked when it was stored: a stricter check of later may not lose it.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// No address.
    pub fn none() -> Self {
        Self(String::new())
    }

    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it is searched.
    pub fn folded(&self) -> String {
        fold(&self.0)
    }
}

impl ObjectName {
    /// One that was checked when it was stored: a stricter check of later may not lose it.
    pub fn stored(text: String) -> Self {
        Self(text)
    }
}

impl Description {
    /// An empty one.
    pub fn none() -> Self {
        Self(String::new())
    }
}

impl ShortText {
    /// An empty one.
    pub fn none() -> Self {
        Self(String::new())
    }
}

fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

fn is_unreadable(text: &str) -> bool {
    has_control(text) || text.chars().any(turns_writing) || text.chars().all(|c| c.is_whitespace() || is_invisible(c))
}

fn is_misleading(text: &str) -> bool {
    has_control(text) || text.trim() != text || text.chars().any(is_invisible)
}

/// Characters that turn the direction of all that follows, so that a name could pass for another one (Unicode: bidi
/// embeddings, overrides and isolates). The marks that belong into words of some languages do no such thing.
fn turns_writing(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Characters that take no room or turn the direction of writing (Unicode: default ignorable, bidi control).
pub fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// T-06: spellings of one name meet in one folded form, or are refused.
    #[test]
    fn spellings_of_a_name_meet_or_are_refused() {
        for same in ["masteradmin", "MASTERADMIN", "ＭａｓｔｅｒＡｄｍｉｎ", "ⓂasterAdmin"] {
            assert_eq!(fold(same), "masteradmin", "{same}");
        }
        assert_eq!(fold("Cafe\u{301}"), fold("CAFÉ"));
        for refused in
            [" MasterAdmin", "MasterAdmin ", "Master\u{200b}Admin", "Master\u{202e}Admin", "Master\0Admin", ""]
        {
            assert!(Username::parse("userName", refused).is_err(), "{refused:?}");
        }
    }

    #[test]
    fn lengths_are_counted_in_characters() {
        assert!(ObjectName::parse("keyName", &"鍵".repeat(128)).is_ok());
        assert!(ObjectName::parse("keyName", &"鍵".repeat(129)).is_err());
        assert!(Description::parse("description", &"鍵".repeat(1_024)).is_ok());
        assert!(Description::parse("description", &"鍵".repeat(1_025)).is_err());
    }

    #[test]
    fn only_what_a_mail_server_takes_is_an_address() {
        let long = |bytes: usize| format!("{}@{}.example", "a".repeat(64), "b.".repeat((bytes - 74) / 2) + "cc");
        for taken in [
            "",
            "ops@example.com",
            "o'neil+tag@sub.example.co.uk",
            "a@localhost",
            "\"a b\"@example.com",
            "用户@例え.jp",
        ] {
            assert_eq!(
                EmailAddress::parse("emailAddress", taken).map(|address| address.0).ok().as_deref(),
                Some(taken)
            );
        }
        for refused in [
            "ops",
            "@example.com",
            "ops@",
            "a b@example.com",
            "a@b@example.com",
            "a@-b.example",
            "a@b..example",
            "Ops <ops@example.com>",
            "ops@[127.0.0.1]",
            "ops@example.com\n",
            "ops@example.com\r\nBcc: x@y.example",
            " ops@example.com",
            "ops@example.com,x@example.com",
            "ops@example.com\0",
            &format!("{}@example.com", "a".repeat(65)),
            &long(300),
        ] {
            assert!(EmailAddress::parse("emailAddress", refused).is_err(), "{refused:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged_as_an_address(text in any::<String>()) {
            let _ = EmailAddress::parse("emailAddress", &text);
        }

        #[test]
        fn folding_twice_changes_nothing(name in any::<String>()) {
            prop_assert_eq!(fold(&fold(&name)), fold(&name));
        }
    }
}
