//! Who may sign in, and with which password: plain functions of values.

use crate::app::Rules;
use crate::clock::Timestamp;
use crate::error::{Error, Reason, Result};
use crate::id::{AdministratorID, RoleID, TenantID};
use crate::keyring::SealedSeed;
use crate::name::{Username, fold};
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
