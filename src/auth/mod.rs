//! Who is calling.
//!
//! 1. [`sid_cookie`] turns the bare cookie `sID` into the signed one that actix-session wants, and back.
//! 2. actix-session asks [`session_store`] for the session's facts.
//! 3. [`identify`] finds out who it is: a key, in one of the places where [`presented`] looks for one, or a session
//!    with its request ID. It never refuses: an
//!    unknown path is a 404 whatever credential came with it.
//!    A credential of another tenant than the one whose URL the call came by leads nowhere: that is a 404 too.
//! 4. The extractor [`Caller`] compares what the handler demands with who it is, and refuses.

mod caller;
pub mod check;
pub mod identify;
mod identity;
mod key_notes;
pub mod key_usage;
pub mod known_keys;
mod lookup;
pub mod password_lane;
pub mod presented;
mod proof;
pub mod rate_limit;
pub mod replaced_secrets;
pub mod session_store;
pub mod sid_cookie;
mod starter;
pub mod throttle;

pub use caller::{
    AnyCredential, Caller, CredentialKind, ViaKey, ViaSession, Visitor, check_api_version, must_have_right,
};
pub use check::Rule;
pub use identify::{invalid_key, note_revoked, take_use, take_uses, tenant_of, web_service_not_allowed};
pub use identity::{
    Absent, Door, Identity, KeyBounds, KeyCaller, KnownCaller, Limited, Pending, SessionCaller, Tenant, Who,
};
pub use lookup::{
    KeyFacts, KnownSecret, RevokedFacts, TenantFacts, Uses, keys_of, revoked_keys_of, secret_made, tenant_facts,
};
pub use proof::{Unproven, note_unproven, prove_known, was_right};
pub use starter::{Acting, Starter};
