//! How keys are: told with `?expand=lifecycle`, searched, and counted.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{IN, assert_refusal, made, presented};
use crate::app::{PASSWORD, START, Session, TestApp, secret};
use crate::both;
use crate::settings::other_tenant;

const DAY: i64 = 86_400_000;
const WORDS: [&str; 8] =
    ["locked", "issuerDisabled", "expired", "notYetValid", "expiring", "generated", "active", "inactive"];

fn status(app: &TestApp, viewer: &str, key: &Value) -> String {
    let path = format!("/api/apikeys/{}?expand=lifecycle", key["ID"]);
    let shown = app.get(&path).key(viewer).send().expect(200).json();
    shown["lifecycle"]["status"].as_str().expect("a status").to_owned()
}

/// The IDs of keys with a status, or without it.
fn found(app: &TestApp, viewer: &str, test: &str, word: &str) -> Vec<i64> {
    let criteria = json!({ "searchCriteria": [{ "fieldName": "status", "choiceTest": test, "choiceValue": word }] });
    let answer = app.post("/api/apikeys/search", criteria).key(viewer).send().expect(200).json();
    answer["apiKeys"].as_array().expect("a list").iter().filter_map(|key| key["ID"].as_i64()).collect()
}

fn counted(app: &TestApp, viewer: &str, query: &str) -> BTreeMap<String, i64> {
    let answer = app.get(&format!("/api/apikeys/counts{query}")).key(viewer).send().expect(200).json();
    serde_json::from_value(answer["statuses"].clone()).expect("words and numbers")
}

/// A profile of the primary tenant's own, like the first but for these columns.
fn profile(app: &TestApp, id: i64, warn_before: &str, issuer_bound: bool) {
    app.execute(&format!(
        "insert into api_key_profiles select {id}, 0, 'profile {id}', 'profile {id}', description, description_fold, false, rights_from, \
         validity, min_validity, max_validity, max_keys, targets, api_types_required, replace_secret_on_type_change, refresh_revives, \
         max_overlap, '{warn_before}', {issuer_bound}, visibility, key_calls_per_minute, tenant_calls_per_minute, calls_window, \
         error_dialect from api_key_profiles where id = 1"
    ));
}

both! {
    /// MC-05, MC-06, MC-07: generated until it is used, active for seven times 24 hours after each use, the very moment
    /// so long after it included, and inactive from then on until it is used again.
    fn a_key_is_in_use_for_seven_days(app: TestApp) {
        let session = app.sign_in();
        let key = app.post("/api/apikeys?expand=all", json!({ "keyName": "k", "roleID": 1 })).with(&session).send().expect(200).json();
        assert_eq!(key["lifecycle"]["status"], "generated");
        let viewer = app.full_key();
        app.clock.advance(100 * DAY);
        let viewer = secret(&made(&app, &viewer, json!({ "keyName": "viewer", "roleID": 1 })));
        assert_eq!(status(&app, &viewer, &key), "generated");
        assert_refusal(presented(&app, &secret(&key)), IN);
        for (later, word) in [(0, "active"), (7 * DAY - 1, "active"), (1, "active"), (1, "inactive"), (1_000 * DAY, "inactive")] {
            app.clock.advance(later);
            assert_eq!(status(&app, &viewer, &key), word);
            assert!(found(&app, &viewer, "equal", word).contains(&key["ID"].as_i64().expect("an ID")), "{word}");
        }
        // told at once, though it is written down later
        assert_refusal(presented(&app, &secret(&key)), IN);
        assert_eq!(status(&app, &viewer, &key), "active");
        assert!(found(&app, &viewer, "equal", "active").contains(&key["ID"].as_i64().expect("an ID")));
        assert_eq!(counted(&app, &viewer, "")["inactive"], 1, "the first key of all");
    }

    /// MC-08, MC-10: every status is told of a key, found by a search, and counted, and of several that hold it is the
    /// first. Made-up keys of every kind, most of them on the bounds: three ways to ask, one answer.
    fn a_search_and_a_count_say_what_a_key_says(app: TestApp) {
        let viewer = app.full_key();
        let locked_out = app.administrator("locked out", PASSWORD, 1, 0);
        app.execute(&format!("update administrators set active = false where id = {locked_out}"));
        for (id, warn_before, issuer_bound) in [(90, "[]", true), (91, "[2592000000,86400000]", true), (92, "[1]", false), (93, "[1,2592000000]", false)] {
            profile(&app, id, warn_before, issuer_bound);
        }
        let (now, mut random) = (START.millis(), 0x2545_f491_4f6c_dd1d_u64);
        let mut choose = |count: usize| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            usize::try_from(random % count as u64).expect("a small number")
        };
        let moments = |around: &[i64]| -> Vec<String> {
            let at = around.iter().flat_map(|at| [at - 1, *at, at + 1]).map(|at| at.to_string());
            std::iter::once("null".to_owned()).chain(at).collect()
        };
        let ends = moments(&[now, now + 1, now + DAY, now + 10 * DAY, now + 30 * DAY]);
        let begins = moments(&[now]);
        let uses = moments(&[now, now - 7 * DAY]);
        let makers = ["1, null".to_owned(), format!("{locked_out}, null"), "77, null".into(), "null, 1".into(), "null, 2".into(), "null, 88".into(), "null, null".into()];
        let rows: Vec<String> = (0..400).map(|n| format!(
            "(0, {}, 'standard', 'made up {n}', 'made up {n}', '', 'en-US', 2, 'UTC', {}, 7, 0, false, {}, false, {}, {}, {})",
            [1, 2, 3, 90, 91, 92, 93][choose(7)], choose(8) > 0, makers[choose(7)],
            ends[choose(ends.len())], begins[choose(5) * (choose(3) / 2).min(begins.len() - 1) % begins.len()], uses[choose(uses.len())],
        )).collect();
        made(&app, &viewer, json!({ "keyName": "locked", "roleID": 1, "active": false }));
        app.execute(&format!(
            "insert into api_keys (tenant_id, profile_id, kind, key_name, name_fold, description, locale, role_id, time_zone, \
             active, created, unsuccessful_sign_in_attempts, service_account, made_by_administrator_id, made_by_key_id, \
             made_with_initial_password, expiry_date, not_before, last_sign_in) values {}", rows.join(",")
        ));
        let list = app.get("/api/apikeys?expand=lifecycle").key(&viewer).send().expect(200).json();
        let mut told: BTreeMap<&str, Vec<i64>> = WORDS.iter().map(|word| (*word, Vec::new())).collect();
        for key in list["apiKeys"].as_array().expect("a list") {
            let word = key["lifecycle"]["status"].as_str().expect("a status");
            told.get_mut(word).expect("a word").push(key["ID"].as_i64().expect("an ID"));
        }
        let all: Vec<i64> = { let mut all: Vec<i64> = told.values().flatten().copied().collect(); all.sort_unstable(); all };
        for (word, ids) in &told {
            assert!(ids.len() > 4, "{word}: {ids:?}");
            assert_eq!(found(&app, &viewer, "equal", word), *ids, "{word}");
            let others: Vec<i64> = all.iter().filter(|id| !ids.contains(id)).copied().collect();
            assert_eq!(found(&app, &viewer, "not-equal", word), others, "{word}");
        }
        let counts: BTreeMap<String, i64> = told.iter().map(|(word, ids)| ((*word).to_owned(), ids.len() as i64)).collect();
        assert_eq!(counted(&app, &viewer, ""), counts);
        assert_eq!(counted(&app, &viewer, "?kind=all"), counts);
        assert!(counted(&app, &viewer, "?kind=machine").values().all(|count| *count == 0));
    }

    /// A key that ends is expiring from its profile's first warning on, to the millisecond, and the warnings that lie
    /// ahead are told.
    fn a_key_is_expiring_from_its_first_warning_on(app: TestApp) {
        let viewer = app.full_key();
        let end = START.millis() + 20 * DAY;
        let key = made(&app, &viewer, json!({ "keyName": "k", "roleID": 2, "expiryDate": end }));
        let lifecycle = || {
            let path = format!("/api/apikeys/{}?expand=lifecycle", key["ID"]);
            app.get(&path).key(&viewer).send().expect(200).json()["lifecycle"].clone()
        };
        assert_eq!(lifecycle()["warnings"], json!([end - 10 * DAY]));
        for (later, word) in [(0, "generated"), (10 * DAY - 1, "generated"), (1, "expiring"), (10 * DAY - 1, "expiring"), (1, "expired")] {
            app.clock.advance(later);
            assert_eq!(lifecycle()["status"], word);
        }
        assert!(lifecycle().get("warnings").is_none(), "none lies ahead");
    }

    /// A search takes the words and no others; who issued a key, its profile, its kind and its beginning are fields too.
    fn what_else_can_be_searched(app: TestApp) {
        let viewer = app.full_key();
        let person = app.administrator("somebody", PASSWORD, 1, 0);
        let session = Session::from(&app.try_sign_in("somebody", PASSWORD).expect(200));
        let theirs = app.post("/api/apikeys", json!({ "keyName": "theirs", "roleID": 2, "constraints": { "notBefore": START.millis() + 5 } }))
            .with(&session).send().expect(200).json();
        made(&app, &viewer, json!({ "keyName": "child", "roleID": 2 }));
        app.execute("update api_keys set profile_id = 2 where key_name = 'child'");
        let find = |criterion: Value| {
            let answer = app.post("/api/apikeys/search", json!({ "searchCriteria": criterion })).key(&viewer).send().expect(200).json();
            answer["apiKeys"].as_array().expect("a list").iter().map(|key| key["keyName"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
        };
        for (criterion, names) in [
            (json!({ "fieldName": "issuerID", "numericTest": "equal", "numericValue": person }), vec!["theirs"]),
            (json!({ "fieldName": "issuerID", "numericTest": "not-equal", "numericValue": person }), vec!["full", "child"]),
            (json!({ "fieldName": "profileID", "numericTest": "equal", "numericValue": 2 }), vec!["child"]),
            (json!({ "fieldName": "profileID", "numericTest": "less-than", "numericValue": 2 }), vec!["full", "theirs"]),
            (json!({ "fieldName": "notBefore", "nullTest": false }), vec!["theirs"]),
            (json!({ "fieldName": "notBefore", "firstDateValue": START.millis() + 5 }), vec!["theirs"]),
            (json!({ "fieldName": "notBefore", "lastDateValue": START.millis() + 4 }), vec![]),
            (json!([{ "fieldName": "status", "choiceValue": "notYetValid" }, { "fieldName": "roleID", "numericValue": 2 }]), vec!["theirs"]),
            (json!([{ "fieldName": "status", "choiceValue": "notYetValid" }, { "fieldName": "status", "choiceTest": "not-equal", "choiceValue": "notYetValid" }]), vec![]),
        ] {
            assert_eq!(find(criterion.clone()), names, "{criterion}");
        }
        assert_eq!(status(&app, &viewer, &theirs), "notYetValid");
        for (criterion, says) in [
            (json!({ "fieldName": "status", "choiceValue": "revoked" }), "locked, issuerDisabled, expired"),
            (json!({ "fieldName": "status", "choiceValue": "ACTIVE" }), "choiceValue"),
            (json!({ "fieldName": "status", "stringValue": "active" }), "choiceTest"),
            (json!({ "fieldName": "kind", "choiceValue": "robot" }), "standard, siemAgent, logCollector"),
            (json!({ "fieldName": "nothing", "choiceValue": "active" }), "status, kind, profileID, issuerID, notBefore"),
        ] {
            let refused = app.post("/api/apikeys/search", json!({ "searchCriteria": criterion })).key(&viewer).send();
            assert_refusal(refused.refusal(), (400, "bad_search"));
            assert!(refused.text().contains(says), "{}", refused.text());
        }
        assert_refusal(app.get("/api/apikeys/counts?kind=robot").key(&viewer).send().refusal(), (400, "bad_request"));
    }

    /// Keys are found by how many uses they have left; those without such a bound by no number.
    fn keys_are_found_by_the_uses_that_they_have_left(app: TestApp) {
        let viewer = app.full_key();
        for (name, uses) in [("twice", json!(2)), ("often", json!(1_000_000_000)), ("spent", json!(1))] {
            let body = json!({ "keyName": name, "roleID": 2, "constraints": { "remainingUses": uses } });
            let key = app.post("/api/apikeys", body).key(&viewer).send().expect(200).json();
            if name == "spent" {
                app.get("/api/apikeys/current").key(&secret(&key)).send().expect(200);
                app.get("/api/apikeys/current").key(&secret(&key)).send().expect(403);
            }
        }
        for (test, value, names) in [
            ("equal", 0, vec!["spent"]), ("less-than", 3, vec!["twice", "spent"]), ("greater-than-or-equal", 2, vec!["twice", "often"]),
            ("not-equal", 0, vec!["twice", "often"]), ("greater-than", 1_000_000_000, vec![]),
        ] {
            let criterion = json!({ "fieldName": "remainingUses", "numericTest": test, "numericValue": value });
            let found = app.post("/api/apikeys/search", json!({ "searchCriteria": criterion })).key(&viewer).send().expect(200).json();
            let found: Vec<&str> = found["apiKeys"].as_array().expect("a list").iter().map(|key| key["keyName"].as_str().expect("a name")).collect();
            assert_eq!(found, names, "{criterion}");
        }
        let criterion = json!({ "fieldName": "remainingUses", "stringValue": "0" });
        let refused = app.post("/api/apikeys/search", json!({ "searchCriteria": criterion })).key(&viewer).send();
        assert_refusal(refused.refusal(), (400, "bad_search"));
    }

    /// What is counted and told is the tenant's own; a service account's maker is nobody there.
    fn statuses_are_the_tenants_own(app: TestApp) {
        let (tenant, blue) = other_tenant(&app);
        let viewer = app.full_key();
        let account = app.post(&format!("/api/tenants/{tenant}/apikeys?expand=lifecycle"), json!({ "keyName": "account", "roleID": 1 }));
        let account = account.key(&viewer).send().expect(200).json();
        assert_eq!(account["lifecycle"], json!({ "profileID": 1, "profile": "Deep Security", "status": "expiring", "kind": "standard", "secrets": account["lifecycle"]["secrets"], "tenantURL": "/t/blue" }));
        let total = |key: &str| counted(&app, key, "").values().sum::<i64>();
        assert_eq!((total(&viewer), total(&blue)), (1, 2));
    }

    /// `?expand=` adds what it names and nothing else, to every answer about a key; other words are refused, and nothing
    /// happens.
    fn what_is_asked_for_is_added(app: TestApp) {
        let session = app.sign_in();
        let own = |query: &str| app.get(&format!("/api/apikeys/current{query}"));
        let key = app.post("/api/apikeys?expand=all", json!({ "keyName": "k", "roleID": 1, "timeZone": "UTC" })).with(&session).send().expect(200);
        let (text, key) = (key.text(), key.json());
        let issuer = json!({ "type": "administrator", "ID": 1, "name": "MasterAdmin" });
        assert_eq!((&key["lifecycle"]["issuer"], &key["constraints"]), (&issuer, &json!({})));
        assert!(text.contains(r#""ID":1,"lifecycle":{"profileID":1,"profile":"Deep Security","status":"generated","kind":"standard","issuer":{"#), "{text}");
        let child = app.post("/api/apikeys?expand=lifecycle", json!({ "keyName": "child", "roleID": 1 })).key(&secret(&key)).send().expect(200).json();
        assert_eq!(child["lifecycle"]["issuer"], json!({ "type": "apiKey", "ID": key["ID"], "name": "k" }));
        for (query, members) in [
            ("", (false, false)), ("?expand=lifecycle", (true, false)), ("?expand=constraints", (false, true)), ("?expand=lifecycle,constraints", (true, true)),
            ("?expand=%20constraints%20,lifecycle", (true, true)), ("?expand=all", (true, true)), ("?expand=", (false, false)),
            ("?expand=constraints&expand=lifecycle", (true, true)),
        ] {
            let has = |answer: &Value| (answer.get("lifecycle").is_some(), answer.get("constraints").is_some());
            let id = &key["ID"];
            let calls = [
                own(query),
                app.post(&format!("/api/apikeys/current{query}"), json!({ "description": "d" })),
                app.get(&format!("/api/apikeys/{id}{query}")),
                app.post(&format!("/api/apikeys/{id}{query}"), json!({ "description": "d" })),
                app.call("PUT", &format!("/api/apikeys/by-name/child{query}")).json(json!({ "roleID": 1 })),
                app.call("POST", &format!("/api/apikeys/{}/secretkey{query}", child["ID"])),
            ];
            for call in calls {
                let what = format!("{} {}", call.request.method, call.request.path);
                let answer = call.key(&secret(&key)).send().expect(200).json();
                assert_eq!(has(&answer), members, "{what}");
            }
            for list in [app.get(&format!("/api/apikeys{query}")), app.call("POST", &format!("/api/apikeys/search{query}")), app.get(&format!("/api/apikeys/export{query}"))] {
                let list = list.key(&secret(&key)).send().expect(200).json();
                assert!(list["apiKeys"].as_array().expect("a list").iter().all(|key| has(key) == members), "{query}");
            }
        }
        app.flush();
        let rows = app.rows();
        for query in ["?expand=none", "?expand=ALL", "?expand=lifecycle,constraint", "?expand=computers&expand=lifecycle"] {
            for call in [
                own(query),
                app.get(&format!("/api/apikeys{query}")),
                app.post(&format!("/api/apikeys{query}"), json!({ "keyName": "never", "roleID": 1 })),
                app.call("POST", &format!("/api/apikeys/{}/secretkey{query}", child["ID"])),
            ] {
                let answer = call.key(&secret(&key)).send();
                assert_eq!(answer.refusal(), (400, "bad_request".into()), "{query}");
                assert_eq!(answer.json()["accepted"], json!(["lifecycle", "constraints", "all"]));
            }
        }
        app.flush();
        let mut now = app.rows();
        now.retain(|row| !row.contains("/api/apikeys"));
        assert_eq!(now.len(), rows.iter().filter(|row| !row.contains("/api/apikeys")).count(), "nothing happened");
    }
}
