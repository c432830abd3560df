#![forbid(unsafe_code)]

pub mod clock;
pub mod config;
pub mod error;
pub mod id;
pub mod locale;
pub mod logging;
pub mod rights;
pub mod tls;
