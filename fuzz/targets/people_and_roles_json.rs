//! The bodies about roles, people, tenants, contacts and settings: each is taken or refused, and nothing else.
#![no_main]

use firstkey::{body, wire};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = body::parse::<wire::NewRole>(bytes);
    let _ = body::parse::<wire::RoleChange>(bytes);
    let _ = body::parse::<wire::NewAdministrator>(bytes);
    let _ = body::parse::<wire::AdministratorChange>(bytes);
    let _ = body::parse::<wire::NewContact>(bytes);
    let _ = body::parse::<wire::NewTenant>(bytes);
    let _ = body::parse::<wire::TenantChange>(bytes);
    let _ = body::parse::<wire::SettingsChange>(bytes);
    let _ = body::parse::<wire::LegacySignIn>(bytes);
});
