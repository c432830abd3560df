//! T-03: keys that make keys that make keys.

use firstkey::rights::{Reach, Right, Rights};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::app::{PASSWORD, START, TestApp, secret};
use crate::both;

const HOUR: i64 = 3_600_000;

/// A link of a chain as it is asked for: which rights of a few, and how many hours of life; none for as long as may be.
type Link = (u8, Option<i64>);

fn rights(bits: u8) -> Rights {
    let some = [
        "platformRights.apikeyRights.canCreateNewApiKeys",
        "platformRights.administratorRights.canViewAdministrators",
        "platformRights.contactRights.canViewContacts",
    ];
    let chosen = some.iter().enumerate().filter(|(n, _)| bits & (1 << n) != 0);
    chosen.map(|(_, name)| Right::all().find(|right| format!("{right:?}") == *name).expect("a right")).collect()
}

/// Every chain: four links, most of them able to go on, the same on each run.
fn chains() -> Vec<Vec<Link>> {
    let hours = prop_oneof![Just(None), Just(Some(0)), (1_i64..5).prop_map(Some)];
    let link = ((0_u8..8).prop_map(|bits| if bits % 4 == 2 { bits | 1 } else { bits }), hours);
    let chain = prop::collection::vec(link, 4);
    let mut runner = TestRunner::deterministic();
    let mut chains: Vec<Vec<Link>> = (0..40).map(|_| chain.new_tree(&mut runner).expect("a chain").current()).collect();
    chains.push(vec![(7, Some(4)), (7, Some(4)), (3, Some(2)), (1, None)]);
    chains.push(vec![(7, Some(2)), (5, Some(3)), (7, None), (7, Some(0))]);
    chains
}

both! {
    /// T-03: along every chain of keys rights never grow and the end never moves away, whatever is asked for; what is
    /// more than the maker has is refused, and everything else is given.
    fn along_a_chain_of_keys_nothing_grows(app: TestApp) {
        let root = app.full_key();
        let roles: Vec<i64> = (0..8).map(|bits| app.role_of(&format!("bits {bits}"), rights(bits), Reach::everything())).collect();
        let (mut made, mut refused, mut deepest) = (0, 0, 0);
        for (number, chain) in chains().into_iter().enumerate() {
            let (mut maker, mut bits, mut end, mut depth) = (root.clone(), 7_u8, None::<i64>, 0);
            for (place, (wanted, hours)) in chain.into_iter().enumerate() {
                let mut body = json!({ "keyName": format!("chain {number} link {place}"), "roleID": roles[usize::from(wanted)] });
                let asked = hours.map(|hours| if hours == 0 { 0 } else { START.millis() + hours * HOUR });
                if let Some(at) = asked {
                    body["expiryDate"] = json!(at);
                }
                // the end that is asked for; nothing said is the maker's own
                let wanted_end = match asked {
                    None => end,
                    Some(0) => None,
                    at => at,
                };
                let lasts = end.is_none_or(|end| wanted_end.is_some_and(|at| at <= end));
                let may = (place == 0 || bits & 1 != 0, wanted & !bits == 0 && lasts);
                let answer = app.post("/api/apikeys", body.clone()).key(&maker).send();
                let expected = match may {
                    (true, true) => (200, ""),
                    (true, false) => (403, "beyond_caller"),
                    (false, _) => (403, "not_authorized"),
                };
                assert_eq!(answer.refusal(), (expected.0, expected.1.to_owned()), "{bits:03b} until {end:?}: {body}");
                if expected.0 != 200 {
                    refused += 1;
                    continue;
                }
                let key = answer.json();
                assert_eq!(key.get("expiryDate").and_then(Value::as_i64), wanted_end);
                (maker, bits, end) = (secret(&key), wanted, wanted_end);
                (made, depth) = (made + 1, depth + 1);
                deepest = deepest.max(depth);
            }
        }
        assert!(made > 30 && refused > 30 && deepest == 4, "{made} made, {refused} refused, {deepest} deep");
    }

    /// T-03: the last key of a chain ends with the first, also by way of a change or of a new secret.
    fn no_detour_outlives_the_first_key_of_a_chain(app: TestApp) {
        let root = app.full_key();
        let end = START.millis() + HOUR;
        let mint = |maker: &str, body: Value| app.post("/api/apikeys", body).key(maker).send();
        let first = secret(&mint(&root, json!({ "keyName": "first", "roleID": 1, "expiryDate": end })).expect(200).json());
        let second = secret(&mint(&first, json!({ "keyName": "second", "roleID": 1 })).expect(200).json());
        let third = mint(&second, json!({ "keyName": "third", "roleID": 1 })).expect(200).json();
        assert_eq!(third["expiryDate"], json!(end));
        let lasting = mint(&root, json!({ "keyName": "lasting", "roleID": 1 })).expect(200).json();
        let third = secret(&third);
        let beyond = (403, "beyond_caller".to_owned());
        for id in ["first", "second", "third"] {
            let id = app.count(&format!("select id as n from api_keys where key_name = '{id}'"));
            for expiry in [json!(0), json!(end + 1), json!(null)] {
                let answer = app.post(&format!("/api/apikeys/{id}"), json!({ "expiryDate": expiry })).key(&third).send();
                assert_eq!(answer.refusal(), beyond);
            }
        }
        assert_eq!(app.call("POST", &format!("/api/apikeys/{}/secretkey", lasting["ID"])).key(&third).send().refusal(), beyond);
        // nor by way of a tenant, whose people would stay
        let tenant = |name: &str| json!({ "name": name, "administrator": { "username": "stays", "password": PASSWORD } });
        assert_eq!(app.post("/api/tenants", tenant("Detour")).key(&third).send().refusal(), beyond);
        let kept = app.post("/api/tenants", tenant("Kept")).key(&root).send().expect(200).json();
        let set = |state: &str, key: &str| app.post(&format!("/api/tenants/{}", kept["ID"]), json!({ "tenantState": state })).key(key).send();
        set("suspended", &third).expect(200);
        assert_eq!(set("active", &third).refusal(), beyond);
        app.clock.advance(HOUR);
        for key in [&first, &second, &third] {
            assert_eq!(app.get("/api/apikeys/current").key(key).send().refusal(), (401, "api_key_expired".to_owned()));
        }
    }
}
