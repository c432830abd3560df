//! What the server sends by itself: mail, and calls to webhooks, which somebody else says where to lead. A fence
//! keeps those out of the networks around the server. And what an edge asks of the server whose keys it verifies.

mod authority;
mod client;
mod fence;
mod mailer;

pub use authority::{Authority, Fetched};
pub use client::{Client, Refused};
pub use fence::{Fence, HookUrl, is_public};
pub use mailer::{Letter, Mailer};

/// Why something could not be sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// In a few words, for the table and the log. Holds nothing that the other side made up, nor any secret.
    pub why: String,
    /// Whether the other side cannot be reached at all, so that everything else for it can wait too.
    pub unreachable: bool,
    /// Whether it said that it wants nothing more, ever.
    pub gone: bool,
}
