#![forbid(unsafe_code)]

pub mod clock;
pub mod error;
pub mod id;
pub mod rights;
