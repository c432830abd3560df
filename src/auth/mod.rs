//! Who is calling.
//!
//! 1. [`sid_cookie`] turns the bare cookie `sID` into the signed one that actix-session wants, and back.
//! 2. actix-session asks [`session_store`] for the session's facts.
//! 3. [`identify`] finds out who it is: a key, or a session with its request ID. It never refuses: an
//!    unknown path is a 404 whatever credential came with it.
//! 4. The extractor [`Caller`] compares what the handler demands with who it is, and refuses.

mod caller;
pub mod identify;
mod identity;
pub mod key_usage;
mod lookup;
pub mod password_lane;
pub mod rate_limit;
pub mod session_store;
pub mod sid_cookie;
pub mod throttle;

pub use caller::{AnyCredential, Caller, CredentialKind, ViaKey, ViaSession, Visitor};
pub use identity::{Identity, KeyCaller, KnownCaller, Limited, Pending, SessionCaller, Tenant, Who};
