//! Who may sign in, with which password, and what is kept of a person: plain functions of values.

use crate::app::Rules;
use crate::clock::Timestamp;
use crate::error::{Error, Reason, Result};
use crate::id::{AdministratorID, RoleID, TenantID};
use crate::keyring::SealedSeed;
use crate::locale::{Locale, TimeZone};
use crate::name::{Description, EmailAddress, ShortText, Username, fold};
use crate::secret::Password;

/// What is known of somebody who signs in.
#[derive(Clone, Debug)]
pub struct Account {
    /// Who.
    pub id: AdministratorID,
    /// Where.
    pub tenant: TenantID,
    /// The name as it is written.
    pub username: String,
    /// bcrypt's text, behind our scheme's mark.
    pub password_hash: String,
    /// Until when the first start's password works; none once it is changed.
    pub initial_password_until: Option<Timestamp>,
    /// Changes with every credential, and ends what was opened with the old ones.
    pub credential_version: i64,
    /// False: locked out.
    pub active: bool,
    /// The sealed seed, where MFA is on.
    pub totp_seed: Option<SealedSeed>,
    /// The sealed seed that waits for its first code.
    pub totp_seed_pending: Option<SealedSeed>,
}

/// Somebody to be made.
#[derive(Clone, Debug)]
pub struct NewAdministrator {
    /// Where.
    pub tenant: TenantID,
    /// The name to sign in by.
    pub username: Username,
    /// bcrypt's text, behind our scheme's mark.
    pub password_hash: String,
    /// Set for the password that the first start makes.
    pub initial_password_until: Option<Timestamp>,
    /// What they may do.
    pub role: RoleID,
    /// The zone of their dates.
    pub time_zone: &'static str,
    /// Where to write to; whoever has an address is their tenant's contact.
    pub email_address: EmailAddress,
}

/// Somebody to turn to, as answers about their tenant show them.
#[derive(Clone, Debug)]
pub struct PrimaryContact {
    /// Where.
    pub tenant: TenantID,
    /// Who.
    pub id: AdministratorID,
    /// What they may do there.
    pub role: RoleID,
    /// The name they sign in by.
    pub username: String,
    /// Where to write to.
    pub email_address: String,
}

/// What a name and a password come to.
#[derive(Debug)]
pub enum Verdict {
    /// Signed in.
    Passed,
    /// The password is right; the second factor is to be checked.
    NeedsCode(SealedSeed),
    /// No: unknown, wrong, locked or too late, which the answer never tells apart.
    Refused,
}

/// Judges an attempt whose password has been compared, known account or not.
pub fn judge(account: Option<&Account>, password_is_right: bool, now: Timestamp) -> Verdict {
    let Some(account) = account.filter(|account| account.active && password_is_right) else {
        return Verdict::Refused;
    };
    if account.initial_password_until.is_some_and(|until| until <= now) {
        return Verdict::Refused;
    }
    match &account.totp_seed {
        Some(seed) => Verdict::NeedsCode(seed.clone()),
        None => Verdict::Passed,
    }
}

/// What a new password must be.
#[derive(Clone, Copy, Debug)]
pub struct PasswordRules {
    characters: i64,
    letters_and_numbers: bool,
    mixed_case: bool,
    special: bool,
    not_username: bool,
}

/// The least score of zxcvbn's five, 0 to 4: "safely unguessable" begins at 3.
const LEAST_SCORE: zxcvbn::Score = zxcvbn::Score::Three;

impl PasswordRules {
    /// What the rules say of passwords.
    pub fn of(rules: &Rules) -> Self {
        Self {
            characters: rules.password_characters,
            letters_and_numbers: rules.password_letters_and_numbers,
            mixed_case: rules.password_mixed_case,
            special: rules.password_special,
            not_username: rules.password_not_username,
        }
    }

    /// Checks a new password of `username`; one that would be guessed soon is refused whatever the settings.
    pub fn check(&self, username: &str, password: &Password) -> Result<()> {
        let weak = |message: String| Err(Error::new(Reason::WeakPassword, message));
        let text = password.expose();
        let has = |kind: fn(char) -> bool| text.chars().any(kind);
        if (text.chars().count() as i64) < self.characters {
            return weak(format!("The password needs {} characters or more.", self.characters));
        }
        if self.letters_and_numbers && !(has(char::is_alphabetic) && has(char::is_numeric)) {
            return weak("The password needs letters and digits.".into());
        }
        if self.mixed_case && !(has(char::is_lowercase) && has(char::is_uppercase)) {
            return weak("The password needs small and capital letters.".into());
        }
        if self.special && !has(|c| !c.is_alphanumeric()) {
            return weak("The password needs a character that is neither a letter nor a digit.".into());
        }
        let (folded, name) = (fold(text), fold(username));
        if self.not_username && (folded == name || folded.chars().rev().eq(name.chars())) {
            return weak("The password must be neither the user name nor that name reversed.".into());
        }
        let estimate = zxcvbn::zxcvbn(text, &[username, "firstkey"]);
        if estimate.score() < LEAST_SCORE {
            let why = estimate.feedback().and_then(|feedback| feedback.warning()).map(|warning| format!(" {warning}"));
            return weak(format!("The password would be guessed too soon.{}", why.unwrap_or_default()));
        }
        Ok(())
    }
}

// ---- what is kept of a person ----

macro_rules! words {
    ($($(#[$about:meta])* $name:ident { $($(#[$meaning:meta])* $variant:ident = $word:literal),+ } $expected:literal;)*) => {$(
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$meaning])* $variant,)+
        }

        impl $name {
            /// Every word there is.
            pub const ALL: &[&str] = &[$($word),+];

            /// The word as the wire carries it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// Reads a word that came as the member `member`.
            pub fn parse(member: &str, word: &str) -> Result<Self> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(Error::member(member, $expected)),
                }
            }
        }
    )*};
}

words! {
    /// How a person reads the time of day.
    TimeFormat {
        /// With a.m. and p.m.
        Hours12 = "12",
        /// From 0 to 24.
        Hours24 = "24"
    } "\"12\" or \"24\" is taken";
    /// What a person proves besides their password (row DS-16).
    MfaType {
        /// Nothing.
        None = "none",
        /// Time-based codes.
        LocalTotp = "local-totp"
    } "\"none\" or \"local-totp\" is taken";
    /// Whether a person is here to stay; nothing depends on it.
    AdministratorType {
        /// As most.
        Normal = "normal",
        /// For a while.
        Temporary = "temporary"
    } "\"normal\" or \"temporary\" is taken";
}

/// An administrator as the API shows one: nothing here proves who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Administrator {
    /// Never given twice.
    pub id: AdministratorID,
    /// What can be changed of them.
    pub properties: Properties,
    /// Their second factor.
    pub mfa: MfaType,
    /// When they were made.
    pub created: Timestamp,
    /// When they last got a password.
    pub last_password_change: Timestamp,
    /// The last success.
    pub last_sign_in: Option<Timestamp>,
    /// When a lock ends by itself.
    pub unlock_time: Option<Timestamp>,
    /// Refused attempts since the last success.
    pub unsuccessful_sign_in_attempts: i64,
    /// Empty without a directory.
    pub directory_name: String,
    /// Empty without a directory.
    pub directory_info: String,
    /// Somebody whom an identity provider vouches for.
    pub external: bool,
    /// Kept by a directory.
    pub read_only: bool,
}

/// What can be changed of an administrator, credentials aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Properties {
    /// Unique in the tenant.
    pub username: Username,
    /// Empty when none was given.
    pub full_name: ShortText,
    /// Empty when none was given.
    pub description: Description,
    /// Whose rights they have.
    pub role: RoleID,
    /// Language of what is written for them.
    pub locale: Locale,
    /// Zone of their dates.
    pub time_zone: TimeZone,
    /// How they read the time of day.
    pub time_format: TimeFormat,
    /// The rule on the age of passwords does not count for them.
    pub password_never_expires: bool,
    /// False: locked out.
    pub active: bool,
    /// Empty when none was given.
    pub phone_number: ShortText,
    /// Empty when none was given.
    pub mobile_number: ShortText,
    /// Empty when none was given.
    pub pager_number: ShortText,
    /// Where they are written to.
    pub email_address: EmailAddress,
    /// Is asked first.
    pub primary_contact: bool,
    /// Is written to when something happens.
    pub receive_notifications: bool,
    /// Kept for the vendor's clients.
    pub report_pdf_password_enabled: bool,
    /// What an identity provider will call them.
    pub external_user_id: ShortText,
    /// Here to stay, or for a while.
    pub kind: AdministratorType,
}

impl Properties {
    /// Somebody of whom nothing else is known.
    pub fn new(username: Username, role: RoleID, time_zone: TimeZone) -> Self {
        Self {
            username,
            full_name: ShortText::none(),
            description: Description::none(),
            role,
            locale: Locale::default(),
            time_zone,
            time_format: TimeFormat::Hours24,
            password_never_expires: false,
            active: true,
            phone_number: ShortText::none(),
            mobile_number: ShortText::none(),
            pager_number: ShortText::none(),
            email_address: EmailAddress::none(),
            primary_contact: false,
            receive_notifications: false,
            report_pdf_password_enabled: false,
            external_user_id: ShortText::none(),
            kind: AdministratorType::Normal,
        }
    }

    /// Whether somebody with these can do whatever there is to do in the tenant.
    pub fn has_full_access(&self) -> bool {
        self.active && self.role == RoleID::FULL_ACCESS
    }
}

/// What somebody asks for of an administrator, new or old; nothing of it is checked yet. The password goes its own way.
pub struct Wanted {
    /// The name to sign in by.
    pub username: Option<String>,
    /// The name in full.
    pub full_name: Option<String>,
    /// Whatever is worth knowing.
    pub description: Option<String>,
    /// A role's ID.
    pub role: Option<RoleID>,
    /// A locale's name.
    pub locale: Option<String>,
    /// A time zone's name.
    pub time_zone: Option<String>,
    /// A word of [`TimeFormat`].
    pub time_format: Option<String>,
    /// Whether passwords do not age.
    pub password_never_expires: Option<bool>,
    /// False: locked out.
    pub active: Option<bool>,
    /// A word of [`MfaType`].
    pub mfa_type: Option<String>,
    /// A number.
    pub phone_number: Option<String>,
    /// A number.
    pub mobile_number: Option<String>,
    /// A number.
    pub pager_number: Option<String>,
    /// An address.
    pub email_address: Option<String>,
    /// Whether they are asked first.
    pub primary_contact: Option<bool>,
    /// Whether they are written to.
    pub receive_notifications: Option<bool>,
    /// For the vendor's clients.
    pub report_pdf_password_enabled: Option<bool>,
    /// Whether an identity provider vouches for them.
    pub external: Option<bool>,
    /// What an identity provider calls them.
    pub external_user_id: Option<String>,
    /// A word of [`AdministratorType`].
    pub kind: Option<String>,
}

/// What is to be of an administrator, each member checked by itself.
#[derive(Debug)]
pub struct Changes {
    username: Option<Username>,
    full_name: Option<ShortText>,
    description: Option<Description>,
    role: Option<RoleID>,
    locale: Option<Locale>,
    time_zone: Option<TimeZone>,
    time_format: Option<TimeFormat>,
    password_never_expires: Option<bool>,
    active: Option<bool>,
    mfa: Option<MfaType>,
    phone_number: Option<ShortText>,
    mobile_number: Option<ShortText>,
    pager_number: Option<ShortText>,
    email_address: Option<EmailAddress>,
    primary_contact: Option<bool>,
    receive_notifications: Option<bool>,
    report_pdf_password_enabled: Option<bool>,
    external_user_id: Option<ShortText>,
    kind: Option<AdministratorType>,
}

impl Changes {
    /// Checks what was sent.
    pub fn new(wanted: Wanted) -> Result<Self> {
        let short = |member, text: Option<String>| text.map(|text| ShortText::parse(member, &text)).transpose();
        if wanted.external == Some(true) {
            // whoever were made so could sign in by nothing
            let message = "false is taken: there is no identity provider here that could vouch for anybody";
            return Err(Error::member("external", message));
        }
        Ok(Self {
            username: wanted.username.map(|name| Username::parse("username", &name)).transpose()?,
            full_name: short("fullName", wanted.full_name)?,
            description: wanted.description.map(|text| Description::parse("description", &text)).transpose()?,
            role: wanted.role,
            locale: wanted.locale.as_deref().map(Locale::parse).transpose()?,
            time_zone: wanted.time_zone.as_deref().map(TimeZone::parse).transpose()?,
            time_format: wanted.time_format.map(|word| TimeFormat::parse("timeFormat", &word)).transpose()?,
            password_never_expires: wanted.password_never_expires,
            active: wanted.active,
            mfa: wanted.mfa_type.map(|word| MfaType::parse("mfaType", &word)).transpose()?,
            phone_number: short("phoneNumber", wanted.phone_number)?,
            mobile_number: short("mobileNumber", wanted.mobile_number)?,
            pager_number: short("pagerNumber", wanted.pager_number)?,
            email_address: wanted.email_address.map(|text| EmailAddress::parse("emailAddress", &text)).transpose()?,
            primary_contact: wanted.primary_contact,
            receive_notifications: wanted.receive_notifications,
            report_pdf_password_enabled: wanted.report_pdf_password_enabled,
            external_user_id: short("externalUserID", wanted.external_user_id)?,
            kind: wanted.kind.map(|word| AdministratorType::parse("type", &word)).transpose()?,
        })
    }

    /// A new person out of what was sent; `zone` is the server's own, for those who name none.
    pub fn into_new(self, zone: TimeZone) -> Result<Properties> {
        let username = self.username.clone().ok_or_else(|| Error::member("username", "a string is needed"))?;
        let role = self.role.ok_or_else(|| Error::member("roleID", "the ID of a role is needed"))?;
        if self.mfa == Some(MfaType::LocalTotp) {
            return Err(Error::member("mfaType", "none is taken: a second factor is turned on by its owner"));
        }
        self.applied_to(&Properties::new(username, role, zone))
    }

    /// The name they will sign in by.
    pub fn username<'a>(&'a self, old: &'a Username) -> &'a Username {
        self.username.as_ref().unwrap_or(old)
    }

    /// Whether a lock is taken off: that also sets the counters back.
    pub fn unlocks(&self) -> bool {
        self.active == Some(true)
    }

    /// Whether the second factor goes. One that is off cannot be turned on by anybody but its owner.
    pub fn removes_factor(&self, is_on: MfaType) -> Result<bool> {
        match (is_on, self.mfa) {
            (MfaType::LocalTotp, Some(MfaType::None)) => Ok(true),
            (MfaType::None, Some(MfaType::LocalTotp)) => Err(Error::new(
                Reason::Conflict,
                "mfaType: a second factor is turned on by its owner, with POST /api/administrators/{ID}/totp.",
            )),
            _ => Ok(false),
        }
    }

    /// The properties as they will be.
    pub fn applied_to(self, old: &Properties) -> Result<Properties> {
        let new = Properties {
            username: self.username.unwrap_or_else(|| old.username.clone()),
            full_name: self.full_name.unwrap_or_else(|| old.full_name.clone()),
            description: self.description.unwrap_or_else(|| old.description.clone()),
            role: self.role.unwrap_or(old.role),
            locale: self.locale.unwrap_or(old.locale),
            time_zone: self.time_zone.unwrap_or(old.time_zone),
            time_format: self.time_format.unwrap_or(old.time_format),
            password_never_expires: self.password_never_expires.unwrap_or(old.password_never_expires),
            active: self.active.unwrap_or(old.active),
            phone_number: self.phone_number.unwrap_or_else(|| old.phone_number.clone()),
            mobile_number: self.mobile_number.unwrap_or_else(|| old.mobile_number.clone()),
            pager_number: self.pager_number.unwrap_or_else(|| old.pager_number.clone()),
            email_address: self.email_address.unwrap_or_else(|| old.email_address.clone()),
            primary_contact: self.primary_contact.unwrap_or(old.primary_contact),
            receive_notifications: self.receive_notifications.unwrap_or(old.receive_notifications),
            report_pdf_password_enabled: self.report_pdf_password_enabled.unwrap_or(old.report_pdf_password_enabled),
            external_user_id: self.external_user_id.unwrap_or_else(|| old.external_user_id.clone()),
            kind: self.kind.unwrap_or(old.kind),
        };
        let writes = [("primaryContact", new.primary_contact), ("receiveNotifications", new.receive_notifications)];
        match writes.into_iter().find(|(_, on)| *on && new.email_address.is_none()) {
            Some((member, _)) => Err(Error::member(member, "this needs a valid emailAddress")),
            None => Ok(new),
        }
    }
}

/// Whether a change lets somebody do what they could not do before, so that it may not outlast who makes it.
pub fn gains(old: &Properties, new: &Properties) -> bool {
    new.role != old.role || (new.active && !old.active)
}

/// Whether what somebody opened with the old properties must end.
pub fn ends_sessions(old: &Properties, new: &Properties) -> bool {
    new.role != old.role || (old.active && !new.active)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account {
            id: AdministratorID::new(1),
            tenant: TenantID::PRIMARY,
            username: "MasterAdmin".into(),
            password_hash: String::new(),
            initial_password_until: None,
            credential_version: 1,
            active: true,
            totp_seed: None,
            totp_seed_pending: None,
        }
    }

    #[test]
    fn only_a_live_account_with_the_right_password_passes() {
        let now = Timestamp::from_millis(1_000);
        let verdict = |account: Option<&Account>, right| format!("{:?}", judge(account, right, now));
        assert_eq!(verdict(Some(&account()), true), "Passed");
        assert_eq!(verdict(Some(&account()), false), "Refused");
        assert_eq!(verdict(None, true), "Refused");
        assert_eq!(verdict(Some(&Account { active: false, ..account() }), true), "Refused");
        let initial = |until| Account { initial_password_until: Some(Timestamp::from_millis(until)), ..account() };
        assert_eq!(verdict(Some(&initial(1_001)), true), "Passed");
        assert_eq!(verdict(Some(&initial(1_000)), true), "Refused", "refused at the very millisecond");
        assert_eq!(verdict(Some(&Account { totp_seed: Some(vec![7]), ..account() }), true), "NeedsCode([7])");
    }

    fn properties() -> Properties {
        Properties::new(Username::parse("username", "ben").expect("a name"), RoleID::AUDITOR, TimeZone::UTC)
    }

    #[test]
    fn another_role_and_a_lock_taken_off_are_gains_and_a_lock_or_a_role_ends_sessions() {
        let old = properties();
        let locked = Properties { active: false, ..old.clone() };
        let other = Properties { role: RoleID::FULL_ACCESS, ..old.clone() };
        let renamed = Properties { description: Description::parse("description", "x").expect("one"), ..old.clone() };
        assert!(gains(&old, &other) && gains(&other, &old) && gains(&locked, &old));
        assert!(!gains(&old, &locked) && !gains(&old, &renamed));
        assert!(ends_sessions(&old, &other) && ends_sessions(&old, &locked));
        assert!(!ends_sessions(&locked, &old) && !ends_sessions(&old, &renamed));
        assert!(other.has_full_access() && !Properties { active: false, ..other }.has_full_access());
    }

    #[test]
    fn passwords_are_long_and_hard_to_guess_and_not_the_name() {
        let rules = PasswordRules::of(&Rules::default());
        let check =
            |text: &str| rules.check("a.very.long.user.name", &Password::new(text.into()).expect("a password")).is_ok();
        assert!(check("correct horse battery staple"));
        assert!(check("鍵鍵鍵かぎカギ🔑🔑壁に耳あり障子に目あり"));
        assert!(!check("Tr0ub4dor&3"), "too short");
        assert!(!check("A.VERY.LONG.USER.NAME"), "the name");
        assert!(!check("eman.resu.gnol.yrev.A"), "the name reversed");
        assert!(!check("aaaaaaaaaaaaaaaaaaaa"), "guessed at once");
        assert!(!check("passwordpassword"), "guessed soon");
    }
}
