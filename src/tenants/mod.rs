//! Tenants. This far there is the primary one, and whatever the command line or a test puts in.

mod store;

pub use store::{NewTenant, PRIMARY_NAME, insert, insert_primary, primary_guid};
