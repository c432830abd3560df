//! People: what is kept of them, and how they prove who they are.

pub mod handlers;
pub mod own_account;
mod rules;
mod second_factor;
mod store;

pub use rules::{Account, NewAdministrator, PasswordRules, PrimaryContact, Verdict, judge};
pub use second_factor::{matching_step, step_of};
pub use store::{
    address_of, any_exists, complete_sign_in, find_by_name, find_for_sign_in, insert, issuers, language_of, lock,
    names, notified, primary_contacts, purge, rehash, remove_totp, reserve_guess, reset_everything, role_of_self,
    set_password, sign_in_failed, unlock,
};
