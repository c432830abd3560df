//! How many keys a profile has room for.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{DAY, TREND, assert_refusal, made, message, mint_under, trend, uses};
use crate::app::TestApp;
use crate::both;

const EXTERNAL: &str = "External applications";
const APEX: &str = "Apex One as a Service";

fn token(app: &TestApp, key: &str, target: &str) -> crate::http::Answer {
    mint_under(app, key, TREND, trend(target, json!(["logRetrieval"])))
}

/// The same call sent so many times at once; how often each status and code came back.
fn at_once(
    app: &TestApp,
    times: usize,
    call: impl Fn(usize) -> crate::http::Answer + Sync,
) -> BTreeMap<(u16, String), usize> {
    const THREADS: usize = 20;
    let mut found = BTreeMap::new();
    let answers: Vec<(u16, String)> = std::thread::scope(|scope| {
        let call = &call;
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn(move || {
                    (thread..times).step_by(THREADS).map(|number| call(number).refusal()).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("it did not panic")).collect()
    });
    assert_eq!(answers.len(), times);
    for answer in answers {
        *found.entry(answer).or_default() += 1;
    }
    let _ = app;
    found
}

fn count(app: &TestApp) -> i64 {
    app.count(&format!("select count(*) as n from api_keys where profile_id = {TREND}"))
}

both! {
    /// TC-02: twenty tokens, both targets together; the next is refused, until one is deleted.
    fn twenty_tokens_and_no_more(app: TestApp) {
        let key = app.full_key();
        let mut first = json!(null);
        for number in 0..20 {
            let made = token(&app, &key, if number == 7 { APEX } else { EXTERNAL }).expect(200).json();
            if number == 0 {
                first = made["ID"].clone();
            }
        }
        let answer = token(&app, &key, EXTERNAL);
        assert_refusal(&answer, (409, "key_limit_reached"));
        assert!(message(&answer).contains("20 keys"), "{}", message(&answer));
        mint_under(&app, &key, 1, json!({})).expect(200);
        app.delete(&format!("/api/apikeys/{first}")).key(&key).send().expect(204);
        token(&app, &key, EXTERNAL).expect(200);
        assert_eq!(count(&app), 20);
    }

    /// TC-02: of two hundred that want the twentieth place at the same moment exactly one gets it.
    fn of_two_hundred_at_once_one_gets_the_last_place(app: TestApp, |setup| setup.workers = 2) {
        let key = app.full_key();
        for _ in 0..19 {
            token(&app, &key, EXTERNAL).expect(200);
        }
        let found = at_once(&app, 200, |number| {
            let mut body = trend(EXTERNAL, json!(["logRetrieval"]));
            body["keyName"] = json!(format!("at once {number}"));
            body["roleID"] = json!(2);
            body["lifecycle"] = json!({ "profileID": TREND });
            app.post("/api/apikeys", body).key(&key).send()
        });
        let expected = [((200, String::new()), 1), ((409, "key_limit_reached".to_owned()), 199)];
        assert_eq!(found, expected.into_iter().collect());
        assert_eq!(count(&app), 20);
    }

    /// TC-01: one token for Apex One as a Service, many for external applications; changing what a token is for is no way
    /// around it, at the same moment neither.
    fn one_token_for_apex_one_and_no_more(app: TestApp, |setup| setup.workers = 2) {
        let key = app.full_key();
        let ids: Vec<Value> = (0..6).map(|_| token(&app, &key, EXTERNAL).expect(200).json()["ID"].clone()).collect();
        let found = at_once(&app, 12, |number| match number {
            0..6 => app.post(&format!("/api/apikeys/{}", ids[number]), json!({ "constraints": { "target": APEX } })).key(&key).send(),
            _ => {
                let mut body = trend(APEX, json!(["logRetrieval"]));
                body["keyName"] = json!(format!("at once {number}"));
                body["roleID"] = json!(2);
                body["lifecycle"] = json!({ "profileID": TREND });
                app.post("/api/apikeys", body).key(&key).send()
            }
        });
        let expected = [((200, String::new()), 1), ((409, "key_limit_reached".to_owned()), 11)];
        assert_eq!(found, expected.into_iter().collect());
        let answer = token(&app, &key, APEX);
        assert_refusal(&answer, (409, "key_limit_reached"));
        assert!(message(&answer).contains(APEX) && message(&answer).contains("1 key "), "{}", message(&answer));
        token(&app, &key, EXTERNAL).expect(200);
        // the one that has the place keeps it
        let holder = app.count(&format!("select id as n from api_keys where target = '{APEX}'"));
        app.post(&format!("/api/apikeys/{holder}"), json!({ "constraints": { "target": APEX } })).key(&key).send().expect(200);
        app.post(&format!("/api/apikeys/{holder}"), json!({ "constraints": { "target": EXTERNAL } })).key(&key).send().expect(200);
        token(&app, &key, APEX).expect(200);
    }

    /// TC-17: an expired token keeps its place until it is deleted, and stays in the list.
    fn an_expired_token_keeps_its_place(app: TestApp) {
        let key = app.full_key();
        let expired = token(&app, &key, APEX).expect(200).json();
        app.clock.advance(366 * DAY);
        assert_eq!(uses(&app, &expired), (401, "api_key_expired".into()));
        app.get(&format!("/api/apikeys/{}", expired["ID"])).key(&key).send().expect(200);
        assert_refusal(&token(&app, &key, APEX), (409, "key_limit_reached"));
        app.delete(&format!("/api/apikeys/{}", expired["ID"])).key(&key).send().expect(204);
        token(&app, &key, APEX).expect(200);
    }

    /// A profile of one's own counts likewise, each tenant for itself; one that counts nothing has no limit.
    fn a_profile_of_ones_own_counts_likewise(app: TestApp, |setup| setup.workers = 2) {
        let key = app.full_key();
        let (few, free) = (made(&app, &key, json!({ "name": "few", "maxKeys": 3 })), made(&app, &key, json!({ "name": "free" })));
        let mint = |profile: i64, number: usize| {
            let body = json!({ "keyName": format!("{profile} {number}"), "roleID": 2, "lifecycle": { "profileID": profile } });
            app.post("/api/apikeys", body).key(&key).send()
        };
        let found = at_once(&app, 40, |number| mint(if number % 2 == 0 { few } else { free }, number));
        assert_eq!(found, [((200, String::new()), 23), ((409, "key_limit_reached".to_owned()), 17)].into_iter().collect());
        assert_eq!(app.count(&format!("select count(*) as n from api_keys where profile_id = {few}")), 3);
    }

    /// A profile is removed or has keys, never both: keys that are made while it goes are refused or keep it.
    fn a_profile_that_goes_has_no_key(app: TestApp, |setup| setup.workers = 2) {
        let key = app.full_key();
        for round in 0..10 {
            let id = made(&app, &key, json!({ "name": format!("profile {round}") }));
            at_once(&app, 4, |number| match number {
                0 => app.delete(&format!("/api/apikeyprofiles/{id}")).key(&key).send(),
                _ => {
                    let body = json!({ "keyName": format!("{round} {number}"), "roleID": 2, "lifecycle": { "profileID": id } });
                    app.post("/api/apikeys", body).key(&key).send()
                }
            });
            let orphans = "select count(*) as n from api_keys where profile_id not in (select id from api_key_profiles)";
            assert_eq!(app.count(orphans), 0, "round {round}");
        }
    }
}
