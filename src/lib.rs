#![forbid(unsafe_code)]

pub mod clock;
pub mod db;
pub mod error;
pub mod id;
pub mod keyring;
pub mod name;
pub mod rights;
pub mod secret;
pub mod wire;
