#![forbid(unsafe_code)]

pub mod app;
pub mod audit;
pub mod auth;
pub mod body;
pub mod clock;
pub mod config;
pub mod db;
pub mod error;
pub mod id;
pub mod keyring;
pub mod list;
pub mod locale;
pub mod logging;
pub mod name;
pub mod observe;
pub mod rights;
pub mod roles;
pub mod search;
pub mod secret;
pub mod tls;
pub mod wire;
