//! What a role is, and the two that every installation has.

use crate::id::{RoleID, TenantID};
use crate::rights::{Grant, Reach, Rights};

/// A role.
#[derive(Clone, Debug)]
pub struct Role {
    /// 1 is Full Access, 2 is Auditor.
    pub id: RoleID,
    /// Unique in the tenant.
    pub name: String,
    /// Empty when none was given.
    pub description: String,
    /// Nobody can change it.
    pub immutable: bool,
    /// Kept and answered as given.
    pub equal_or_lesser_only: bool,
    /// Its bearers may use the console.
    pub allow_user_interface: bool,
    /// Its bearers may use the API.
    pub allow_web_service: bool,
    /// Kept for the vendor's clients.
    pub allow_manage_workload_link: bool,
    /// Kept for the vendor's clients.
    pub allow_migration: bool,
    /// What it lets its bearers do.
    pub grant: Grant,
}

impl Role {
    /// The role's name for machines, with the tenant it is seen from.
    pub fn urn(&self, tenant: TenantID) -> String {
        urn(&self.name, tenant)
    }

    /// Full Access and Auditor (row DS-18).
    pub fn built_in() -> [Self; 2] {
        let role = |id, name: &str, immutable, rights| Self {
            id,
            name: name.to_owned(),
            description: String::new(),
            immutable,
            equal_or_lesser_only: false,
            allow_user_interface: true,
            allow_web_service: true,
            allow_manage_workload_link: immutable,
            allow_migration: immutable,
            grant: Grant { rights, reach: Reach::everything() },
        };
        [
            role(RoleID::FULL_ACCESS, "Full Access", true, Rights::all()),
            role(RoleID::AUDITOR, "Auditor", false, Rights::auditor()),
        ]
    }
}

/// `urn:tmds:identity:<region>:<tenant ID>:role/<name>`, the region empty outside the vendor's cloud.
pub fn urn(name: &str, tenant: TenantID) -> String {
    format!("urn:tmds:identity::{tenant}:role/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_roles_are_named_as_the_original_names_them() {
        let [full, auditor] = Role::built_in();
        assert_eq!(auditor.urn(TenantID::PRIMARY), "urn:tmds:identity::0:role/Auditor");
        assert!(full.immutable && full.grant.covers(&auditor.grant) && !auditor.grant.covers(&full.grant));
    }
}
