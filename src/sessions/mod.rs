//! Signing in, looking at one's sessions, signing out.

pub mod handlers;
mod store;

use crate::secret::MfaCode;
use crate::wire::MfaCodeInput;

pub use store::{end_all_of, end_others, sweep};

/// A code as it came: nothing but six digits is one, and what is none is simply wrong.
pub fn mfa_code(input: MfaCodeInput) -> Option<MfaCode> {
    match input {
        MfaCodeInput::Text(text) => MfaCode::parse(&text),
        MfaCodeInput::Number(number) => MfaCode::from_number(number),
    }
}
