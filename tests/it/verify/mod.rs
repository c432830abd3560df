//! Whether a key is good, and for what: as gateways ask it, and as programs do.

mod calls;
mod explain;
mod forgotten;
mod gateway;
pub mod introspection;
mod nodes;

use crate::app::{Call, TestApp};
use crate::http::Answer;

/// A gateway's question about a key, with what it demands in the query.
pub fn asked<'a>(app: &'a TestApp, query: &str, secret: &str) -> Call<'a> {
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    app.get(&format!("/auth/verify{query}")).key(secret)
}

/// Status and code of a gateway's answer.
pub fn told(answer: &Answer) -> (u16, String) {
    (answer.status, answer.header("x-firstkey-code").unwrap_or_default().to_owned())
}

/// What [`told`] is to be.
pub fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}
