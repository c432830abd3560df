//! T-01: nobody hands out more than they have. Every pair of roles out of a generated lattice is tried:
//! one makes the key, the other is wanted for it.

use std::collections::BTreeSet;

use firstkey::rights::{Reach, Right, Rights};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::json;

use super::made;
use crate::app::{TestApp, secret};
use crate::both;

const CREATE: &str = "platformRights.apikeyRights.canCreateNewApiKeys";
const EDIT: &str = "platformRights.apikeyRights.canEditApiKeyProperties";
const DELETE: &str = "platformRights.apikeyRights.canDeleteApiKeys";
/// Few enough for roles to lie within one another, from both ends and the middle of the table.
pub const SOME: &[&str] = &[
    CREATE,
    EDIT,
    DELETE,
    "platformRights.administratorRights.canCreateNewAdministrators",
    "platformRights.computerRights.canViewOtherComputers",
    "awsmarketplaceRights.billingInformationRights.canViewAWSBillingInformation",
];

/// A role as the test understands it, apart from the server's own types.
#[derive(Clone, Debug)]
pub struct Wish {
    pub rights: BTreeSet<&'static str>,
    pub all: (bool, bool),
    pub computers: BTreeSet<i64>,
    pub groups: BTreeSet<i64>,
    pub policies: BTreeSet<i64>,
}

impl Wish {
    /// The rule, said once more in the plainest way.
    pub fn lies_within(&self, other: &Self) -> bool {
        let within = |a: &BTreeSet<i64>, b: &BTreeSet<i64>| a.iter().all(|id| b.contains(id));
        self.rights.iter().all(|right| other.rights.contains(right))
            && match (self.all.0, other.all.0) {
                (_, true) => true,
                (true, false) => false,
                (false, false) => within(&self.computers, &other.computers) && within(&self.groups, &other.groups),
            }
            && match (self.all.1, other.all.1) {
                (_, true) => true,
                (true, false) => false,
                (false, false) => within(&self.policies, &other.policies),
            }
    }

    pub fn put_in(&self, app: &TestApp, name: &str) -> i64 {
        let rights: Rights = self.rights.iter().map(|name| right(name)).collect();
        let reach = Reach {
            all_computers: self.all.0,
            all_policies: self.all.1,
            computers: self.computers.clone(),
            computer_groups: self.groups.clone(),
            policies: self.policies.clone(),
        };
        app.role_of(name, rights, reach)
    }
}

fn right(name: &str) -> Right {
    Right::all().find(|right| format!("{right:?}") == name).expect("a right of the table")
}

fn any_wish() -> impl Strategy<Value = Wish> {
    let ids = |least: i64| prop::collection::btree_set(least..least + 3, 0..3);
    let rights = prop::sample::subsequence(SOME, 0..=SOME.len());
    (rights, (any::<bool>(), any::<bool>()), ids(1), ids(0), ids(1)).prop_map(
        |(rights, all, computers, groups, policies)| Wish {
            rights: rights.into_iter().collect(),
            all,
            computers,
            groups,
            policies,
        },
    )
}

/// The same roles on every run: corner cases first, then made up.
pub fn lattice() -> Vec<Wish> {
    let none = BTreeSet::new;
    let every: BTreeSet<&'static str> = SOME.iter().copied().collect();
    let only = |ids: &[i64]| ids.iter().copied().collect::<BTreeSet<i64>>();
    let mut wishes = vec![
        Wish { rights: BTreeSet::new(), all: (false, false), computers: none(), groups: none(), policies: none() },
        Wish { rights: every.clone(), all: (true, true), computers: none(), groups: none(), policies: none() },
        Wish { rights: every.clone(), all: (false, true), computers: only(&[1, 2]), groups: none(), policies: none() },
        Wish { rights: every.clone(), all: (true, false), computers: none(), groups: none(), policies: only(&[1]) },
        Wish {
            rights: every.clone(),
            all: (false, false),
            computers: only(&[1]),
            groups: only(&[0]),
            policies: only(&[1]),
        },
        Wish { rights: [CREATE].into(), all: (true, true), computers: none(), groups: none(), policies: none() },
        Wish { rights: [CREATE].into(), all: (false, false), computers: only(&[1]), groups: none(), policies: none() },
        Wish { rights: [CREATE].into(), all: (false, false), computers: none(), groups: only(&[1]), policies: none() },
        Wish { rights: [CREATE].into(), all: (false, false), computers: none(), groups: none(), policies: only(&[1]) },
    ];
    let mut runner = TestRunner::deterministic();
    wishes.extend((0..9).map(|_| any_wish().new_tree(&mut runner).expect("a role").current()));
    wishes
}

fn put_in(app: &TestApp) -> Vec<(Wish, i64)> {
    lattice().into_iter().enumerate().map(|(n, wish)| (wish.clone(), wish.put_in(app, &format!("role {n}")))).collect()
}

both! {
    /// T-01, MC-25, create: 200 exactly if the maker may create keys and its role covers the wanted one; else 403,
    /// and neither a row nor an event.
    fn a_key_is_made_exactly_within_its_makers_role(app: TestApp) {
        let full = app.full_key();
        let roles = put_in(&app);
        let mut outcomes = [0, 0];
        for (maker, maker_role) in &roles {
            let key = secret(&made(&app, &full, json!({ "keyName": format!("maker {maker_role}"), "roleID": maker_role })));
            for (wanted, wanted_role) in &roles {
                let (keys, events) = (app.rows_of("api_keys").len(), app.last_event());
                let body = json!({ "keyName": format!("{maker_role} makes {wanted_role}"), "roleID": wanted_role });
                let answer = app.post("/api/apikeys", body).key(&key).send();
                let expected = match (maker.rights.contains(CREATE), wanted.lies_within(maker)) {
                    (true, true) => (200, ""),
                    (true, false) => (403, "beyond_caller"),
                    (false, _) => (403, "not_authorized"),
                };
                assert_eq!(answer.refusal(), (expected.0, expected.1.to_owned()), "{maker:?} makes {wanted:?}");
                let made = usize::from(expected.0 == 200);
                outcomes[made] += 1;
                assert_eq!(app.rows_of("api_keys").len(), keys + made);
                assert_eq!(app.last_event() - events, made as i64);
            }
        }
        assert!(outcomes.iter().all(|count| *count > 20), "both outcomes are tried: {outcomes:?}");
    }

    /// T-01, modify, renew and delete: nobody lays hands on a stronger key, nor makes one stronger than themselves.
    fn a_key_is_changed_exactly_within_its_changers_role(app: TestApp) {
        let full = app.full_key();
        let roles: Vec<(Wish, i64)> = put_in(&app).into_iter().take(11).collect();
        let mut outcomes = [0, 0];
        for (changer, changer_role) in &roles {
            let key = secret(&made(&app, &full, json!({ "keyName": format!("changer {changer_role}"), "roleID": changer_role })));
            for (old, old_role) in &roles {
                let name = format!("{changer_role} changes {old_role}");
                let id = made(&app, &full, json!({ "keyName": name, "roleID": old_role }))["ID"].clone();
                let item = format!("/api/apikeys/{id}");
                for (new, new_role) in &roles {
                    let answer = app.post(&item, json!({ "roleID": new_role })).key(&key).send();
                    let covers = old.lies_within(changer) && new.lies_within(changer);
                    let expected = match (changer.rights.contains(EDIT), covers) {
                        (true, true) => (200, ""),
                        (true, false) => (403, "beyond_caller"),
                        (false, _) => (403, "not_authorized"),
                    };
                    assert_eq!(answer.refusal(), (expected.0, expected.1.to_owned()), "{changer:?}: {old:?} to {new:?}");
                    let stored = app.count(&format!("select role_id as n from api_keys where id = {id}"));
                    outcomes[usize::from(expected.0 == 200)] += 1;
                    if expected.0 == 200 {
                        assert_eq!(stored, *new_role);
                        app.execute(&format!("update api_keys set role_id = {old_role} where id = {id}"));
                    } else {
                        assert_eq!(stored, *old_role);
                    }
                }
                let expected = match (changer.rights.contains(EDIT), old.lies_within(changer)) {
                    (true, true) => (200, ""),
                    (true, false) => (403, "beyond_caller"),
                    (false, _) => (403, "not_authorized"),
                };
                let secret_of = || app.count(&format!("select max(id) as n from api_key_secrets where api_key_id = {id}"));
                let before = secret_of();
                let answer = app.call("POST", &format!("{item}/secretkey")).key(&key).send();
                assert_eq!(answer.refusal(), (expected.0, expected.1.to_owned()), "{changer:?} renews {old:?}");
                assert_eq!(secret_of() == before, expected.0 != 200);
                let expected = match (changer.rights.contains(DELETE), old.lies_within(changer)) {
                    (true, true) => (204, ""),
                    (true, false) => (403, "beyond_caller"),
                    (false, _) => (403, "not_authorized"),
                };
                let answer = app.delete(&item).key(&key).send();
                assert_eq!(answer.refusal(), (expected.0, expected.1.to_owned()), "{changer:?} deletes {old:?}");
                let left = app.count(&format!("select count(*) as n from api_keys where id = {id}"));
                assert_eq!(left, i64::from(expected.0 != 204));
            }
        }
        assert!(outcomes.iter().all(|count| *count > 20), "both outcomes are tried: {outcomes:?}");
    }

    /// T-01: a single right more, whichever of the 173, is one too many; a signed-in person is bound alike.
    fn a_single_right_more_is_one_too_many(app: TestApp) {
        let full = app.full_key();
        let all_but = |right: Right| Right::all().filter(|other| *other != right).collect::<Rights>();
        let everything = app.role_of("Everything", Rights::all(), Reach::everything());
        for (n, right) in Right::all().enumerate().filter(|(n, right)| n % 7 == 0 && format!("{right:?}") != CREATE) {
            let role = app.role_of(&format!("All but {n}"), all_but(right), Reach::everything());
            let maker = secret(&made(&app, &full, json!({ "keyName": format!("maker {n}"), "roleID": role })));
            for wanted in [1, everything] {
                let body = json!({ "keyName": format!("stronger {n}"), "roleID": wanted });
                let refusal = app.post("/api/apikeys", body).key(&maker).send().refusal();
                assert_eq!(refusal, (403, "beyond_caller".to_owned()), "{right:?}");
            }
            made(&app, &maker, json!({ "keyName": format!("as strong {n}"), "roleID": role }));
        }
        let role = app.role("Minter", &[CREATE]);
        app.administrator("minter", crate::app::PASSWORD, role, 0);
        let session = crate::app::Session::from(&app.try_sign_in("minter", crate::app::PASSWORD).expect(200));
        let mint = |role: i64| {
            app.post("/api/apikeys", json!({ "keyName": format!("by minter {role}"), "roleID": role })).with(&session).send().refusal()
        };
        assert_eq!(mint(1), (403, "beyond_caller".to_owned()));
        assert_eq!(mint(2), (403, "beyond_caller".to_owned()), "Auditor has three rights that Minter has not");
        assert_eq!(mint(role), (200, String::new()));
    }
}
