//! What a role is, the two that every installation has, and who may make what of one.

use std::collections::BTreeSet;

use crate::constraints::Limit;
use crate::error::{Error, Reason, Result};
use crate::id::{MAX_ID, RoleID, TenantID};
use crate::name::{Description, ObjectName};
use crate::rights::{Grant, Reach, Right, Rights, Ways};

/// The most computers, groups or policies that a role may name. They are read on every call of its bearers.
const MOST_IDS: usize = 1_000;

/// A role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// 1 is Full Access, 2 is Auditor.
    pub id: RoleID,
    /// Unique in the tenant.
    pub name: String,
    /// Empty when none was given.
    pub description: String,
    /// Nobody can change it.
    pub immutable: bool,
    /// Serves every tenant.
    pub built_in: bool,
    /// Kept and answered as given.
    pub equal_or_lesser_only: bool,
    /// Kept for the vendor's clients.
    pub allow_manage_workload_link: bool,
    /// Kept for the vendor's clients.
    pub allow_migration: bool,
    /// What it lets its bearers do, and by which ways they come in.
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
            built_in: true,
            equal_or_lesser_only: false,
            allow_manage_workload_link: immutable,
            allow_migration: immutable,
            grant: Grant { rights, ..Grant::everything() },
        };
        [
            role(RoleID::FULL_ACCESS, "Full Access", true, Rights::all()),
            role(RoleID::AUDITOR, "Auditor", false, Rights::auditor()),
        ]
    }
}

/// What somebody asks for of a role, new or old; nothing of it is checked yet.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Its name.
    pub name: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Kept as given.
    pub equal_or_lesser_only: Option<bool>,
    /// Reaches every computer.
    pub all_computers: Option<bool>,
    /// Reaches every policy.
    pub all_policies: Option<bool>,
    /// The console.
    pub allow_user_interface: Option<bool>,
    /// The API.
    pub allow_web_service: Option<bool>,
    /// Kept as given.
    pub allow_manage_workload_link: Option<bool>,
    /// Kept as given.
    pub allow_migration: Option<bool>,
    /// Rights by name, given or taken.
    pub rights: Option<Vec<(Right, bool)>>,
    /// Computers by ID.
    pub computers: Option<Vec<i64>>,
    /// Groups by ID.
    pub computer_groups: Option<Vec<i64>>,
    /// Policies by ID.
    pub policies: Option<Vec<i64>>,
}

/// What is to change of a role, each member checked by itself.
#[derive(Debug)]
pub struct Changes {
    name: Option<ObjectName>,
    description: Option<Description>,
    equal_or_lesser_only: Option<bool>,
    allow_user_interface: Option<bool>,
    allow_web_service: Option<bool>,
    allow_manage_workload_link: Option<bool>,
    allow_migration: Option<bool>,
    rights: Option<Vec<(Right, bool)>>,
    all_computers: Option<bool>,
    all_policies: Option<bool>,
    computers: Option<BTreeSet<i64>>,
    computer_groups: Option<BTreeSet<i64>>,
    policies: Option<BTreeSet<i64>>,
}

impl Changes {
    /// Checks what was sent. Whoever names computers or policies means these and no others: with a list, "all" is
    /// false unless it is said to be true, and then the list is ignored, as the original does.
    pub fn new(wanted: Wanted) -> Result<Self> {
        let computers = wanted.computers.map(|ids| id_set("computerIDs", 1, &ids)).transpose()?;
        let computer_groups = wanted.computer_groups.map(|ids| id_set("computerGroupIDs", 0, &ids)).transpose()?;
        let policies = wanted.policies.map(|ids| id_set("policyIDs", 1, &ids)).transpose()?;
        let unless_named = |named: bool| named.then_some(false);
        Ok(Self {
            name: wanted.name.map(|name| ObjectName::parse("name", &name)).transpose()?,
            description: wanted.description.map(|text| Description::parse("description", &text)).transpose()?,
            equal_or_lesser_only: wanted.equal_or_lesser_only,
            allow_user_interface: wanted.allow_user_interface,
            allow_web_service: wanted.allow_web_service,
            allow_manage_workload_link: wanted.allow_manage_workload_link,
            allow_migration: wanted.allow_migration,
            rights: wanted.rights,
            all_computers: wanted
                .all_computers
                .or_else(|| unless_named(computers.is_some() || computer_groups.is_some())),
            all_policies: wanted.all_policies.or_else(|| unless_named(policies.is_some())),
            computers,
            computer_groups,
            policies,
        })
    }

    /// A new role. One with nothing but a name is what the original's console makes: it reads all computers and
    /// policies, and its bearers may use the console but not the API (row DS-22).
    pub fn into_new(self) -> Result<Role> {
        if self.name.is_none() {
            return Err(Error::member("name", "a string is needed"));
        }
        let rights = if self.rights.is_some() { Rights::NONE } else { Rights::auditor() };
        Ok(self.applied_to(&Role {
            id: RoleID::new(0),
            name: String::new(),
            description: String::new(),
            immutable: false,
            built_in: false,
            equal_or_lesser_only: false,
            allow_manage_workload_link: false,
            allow_migration: false,
            grant: Grant {
                rights,
                reach: Reach::everything(),
                ways: Ways { user_interface: true, web_service: false },
            },
        }))
    }

    /// The role as it will be.
    pub fn applied_to(self, old: &Role) -> Role {
        let named = self.rights.unwrap_or_default();
        let taken = |right: &Right| named.contains(&(*right, false));
        let given = named.iter().filter(|(_, on)| *on).map(|(right, _)| *right);
        let old_reach = &old.grant.reach;
        let all_computers = self.all_computers.unwrap_or(old_reach.all_computers);
        let all_policies = self.all_policies.unwrap_or(old_reach.all_policies);
        // what is ignored is not kept either, or it would come to life when "all" is taken away
        let unless = |all: bool, new: Option<BTreeSet<i64>>, old: &BTreeSet<i64>| match all {
            true => BTreeSet::new(),
            false => new.unwrap_or_else(|| old.clone()),
        };
        Role {
            id: old.id,
            name: self.name.map_or_else(|| old.name.clone(), |name| name.as_str().to_owned()),
            description: self.description.map_or_else(|| old.description.clone(), |text| text.as_str().to_owned()),
            immutable: old.immutable,
            built_in: old.built_in,
            equal_or_lesser_only: self.equal_or_lesser_only.unwrap_or(old.equal_or_lesser_only),
            allow_manage_workload_link: self.allow_manage_workload_link.unwrap_or(old.allow_manage_workload_link),
            allow_migration: self.allow_migration.unwrap_or(old.allow_migration),
            grant: Grant {
                rights: old.grant.rights.iter().filter(|right| !taken(right)).chain(given).collect(),
                reach: Reach {
                    all_computers,
                    all_policies,
                    computers: unless(all_computers, self.computers, &old_reach.computers),
                    computer_groups: unless(all_computers, self.computer_groups, &old_reach.computer_groups),
                    policies: unless(all_policies, self.policies, &old_reach.policies),
                },
                ways: Ways {
                    user_interface: self.allow_user_interface.unwrap_or(old.grant.ways.user_interface),
                    web_service: self.allow_web_service.unwrap_or(old.grant.ways.web_service),
                },
            },
        }
    }
}

/// IDs from `least` up, in their order, each once.
fn id_set(member: &str, least: i64, ids: &[i64]) -> Result<BTreeSet<i64>> {
    if ids.len() > MOST_IDS || ids.iter().any(|id| !(least..=MAX_ID).contains(id)) {
        return Err(Error::member(member, &format!("at most {MOST_IDS} IDs from {least} to {MAX_ID} are taken")));
    }
    Ok(ids.iter().copied().collect())
}

/// Who makes, changes or removes a role, as far as the rules care.
#[derive(Clone, Debug)]
pub struct Editor {
    /// The most that may be handed out.
    pub grant: Grant,
    /// The role that the editor bears.
    pub role: RoleID,
    /// Where the editor belongs.
    pub tenant: TenantID,
    /// What keeps the editor from bringing about what lasts.
    pub limit: Option<Limit>,
}

impl Editor {
    /// Whether a role may be made: nobody makes one above their own, whatever
    /// `canOnlyManipulateUsersWithEqualOrLesserRights` says (T-04).
    pub fn may_make(&self, new: &Role) -> Result<()> {
        self.must_cover(&new.grant, "The role as it would be")
    }

    /// Whether a role may become another. Both must lie within the editor's own, so that nobody lays hands on a
    /// stronger one; and whoever bears it is as strong as it is, so keys and people need no second look (T-04).
    pub fn may_change(&self, old: &Role, new: &Role) -> Result<()> {
        self.must_cover(&old.grant, "The role")?;
        self.must_cover(&new.grant, "The role as it would be")?;
        let widened = !old.grant.covers(&new.grant) || adds_kept_access(old, new);
        // compared with what the role is at this moment: a caller who was known before it was lowered has lost it too
        if widened && old.id == self.role {
            let message = "Nobody adds rights, computers, policies or ways of access to their own role.";
            return Err(Error::new(Reason::BeyondCaller, message));
        }
        // a role does not end and is bounded by nothing, and neither need those be who bear it
        match self.limit {
            Some(limit) if widened => Err(limit.refusal("add to a role")),
            _ => self.may_alter(old, new),
        }
    }

    /// Whether a role may be removed, as far as that can be told from the role.
    pub fn may_delete(&self, role: &Role) -> Result<()> {
        self.must_cover(&role.grant, "The role")?;
        match role.built_in {
            true => Err(conflict("A built-in role cannot be deleted.")),
            false => Ok(()),
        }
    }

    fn must_cover(&self, grant: &Grant, what: &str) -> Result<()> {
        if self.grant.covers(grant) {
            return Ok(());
        }
        let message = format!("{what} has rights, computers, policies or ways of access that the caller has not.");
        Err(Error::new(Reason::BeyondCaller, message))
    }

    /// What the role's own state allows. A built-in role serves every tenant: another than the primary one would
    /// change the rights of people and keys that are none of its business, and a new name may be a tenant's already.
    fn may_alter(&self, old: &Role, new: &Role) -> Result<()> {
        match old.built_in {
            _ if old.immutable => Err(conflict("The role cannot be changed.")),
            true if self.tenant != TenantID::PRIMARY => {
                Err(conflict("The built-in role serves every tenant; only the primary tenant changes it."))
            }
            true if old.name != new.name => Err(conflict("name: a built-in role keeps its name.")),
            _ => Ok(()),
        }
    }
}

/// Whether a way of access is added that means something to the vendor's clients only.
fn adds_kept_access(old: &Role, new: &Role) -> bool {
    (new.allow_manage_workload_link && !old.allow_manage_workload_link) || (new.allow_migration && !old.allow_migration)
}

fn conflict(message: &'static str) -> Error {
    Error::new(Reason::Conflict, message)
}

/// `urn:tmds:identity:<region>:<tenant ID>:role/<name>`, the region empty outside the vendor's cloud.
pub fn urn(name: &str, tenant: TenantID) -> String {
    format!("urn:tmds:identity::{tenant}:role/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_built_in_roles_are_named_as_the_original_names_them() {
        let [full, auditor] = Role::built_in();
        assert_eq!(auditor.urn(TenantID::PRIMARY), "urn:tmds:identity::0:role/Auditor");
        assert!(full.immutable && full.grant.covers(&auditor.grant) && !auditor.grant.covers(&full.grant));
    }

    fn any_role() -> impl Strategy<Value = Role> {
        let rights = prop::collection::vec(any::<bool>(), 6);
        let ids = || prop::collection::btree_set(1_i64..4, 0..3);
        let flags = any::<[bool; 4]>();
        (rights, any::<(bool, bool)>(), ids(), ids(), ids(), flags, 0_i64..5).prop_map(
            |(bits, all, computers, computer_groups, policies, flags, id)| Role {
                id: RoleID::new(id),
                immutable: id == 1,
                built_in: id == 1 || id == 2,
                allow_manage_workload_link: flags[2],
                allow_migration: flags[3],
                grant: Grant {
                    rights: Right::all().step_by(30).zip(bits).filter(|(_, on)| *on).map(|(right, _)| right).collect(),
                    reach: Reach { all_computers: all.0, all_policies: all.1, computers, computer_groups, policies },
                    ways: Ways { user_interface: flags[0], web_service: flags[1] },
                },
                ..Role::built_in()[1].clone()
            },
        )
    }

    fn any_changes() -> impl Strategy<Value = Wanted> {
        let ids = || prop::option::of(prop::collection::vec(1_i64..4, 0..3));
        let rights = prop::collection::vec((0_usize..6, any::<bool>()), 0..4);
        (rights, any::<[Option<bool>; 4]>(), ids(), ids(), ids()).prop_map(
            |(rights, flags, computers, computer_groups, policies)| Wanted {
                rights: Some(
                    rights.into_iter().filter_map(|(at, on)| Some((Right::all().step_by(30).nth(at)?, on))).collect(),
                ),
                all_computers: flags[0],
                all_policies: flags[1],
                allow_user_interface: flags[2],
                allow_web_service: flags[3],
                computers,
                computer_groups,
                policies,
                ..Wanted::default()
            },
        )
    }

    proptest! {
        /// T-04, the law behind it: what is allowed never leads above the editor, never above what the editor's own
        /// role was, and never further from a key that ends or is bounded.
        #[test]
        fn no_change_leads_above_the_editor(
            old in any_role(),
            own in any_role(),
            wanted in any_changes(),
            limited in any::<bool>(),
            primary in any::<bool>(),
        ) {
            let tenant = if primary { TenantID::PRIMARY } else { TenantID::new(7) };
            let limit = limited.then_some(Limit::Bounded);
            let old = if old.id == own.id { own.clone() } else { old };
            let editor = Editor { grant: own.grant.clone(), role: own.id, tenant, limit };
            let new = Changes::new(wanted).expect("within the bounds").applied_to(&old);
            prop_assert!(!new.grant.reach.all_computers || new.grant.reach.computers.is_empty());
            prop_assert!(!new.grant.reach.all_policies || new.grant.reach.policies.is_empty());
            if editor.may_change(&old, &new).is_ok() {
                prop_assert!(own.grant.covers(&old.grant) && own.grant.covers(&new.grant));
                prop_assert!(!old.immutable && (!old.built_in || primary));
                if old.id == own.id || limited {
                    prop_assert!(old.grant.covers(&new.grant) && !adds_kept_access(&old, &new));
                }
            }
            prop_assert!(editor.may_make(&new).is_ok() == own.grant.covers(&new.grant));
        }
    }
}
