//! The program itself, as an operator starts, signals and kills it: these tests run the real binary.

mod audit;
mod binary;
mod canary;
mod clients;
mod commands;
mod documented;
mod edge;
mod first_start;
mod gateways;
mod init;
mod kill;
mod load;
mod notices;
mod outage;
mod signals;
mod survival;

pub use binary::{Ran, is_missing, is_on_path};
pub use clients::tool;
