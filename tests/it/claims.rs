//! `/api/claims`: a code now, a key when somebody redeems it.

use std::net::IpAddr;

use serde_json::{Value, json};

use crate::app::{ADMIN, Backend, PASSWORD, START, Session, TestApp, secret};
use crate::both;
use crate::http::Answer;

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

fn claim(app: &TestApp, maker: &str, body: Value) -> Value {
    app.post("/api/claims", body).key(maker).send().expect(200).json()
}

fn code(claim: &Value) -> &str {
    claim["code"].as_str().expect("a code")
}

fn redeem(app: &TestApp, code: &str) -> Answer {
    app.post("/api/claims/redeem", json!({ "code": code })).send()
}

fn redeem_from(app: &TestApp, code: &str, address: &str) -> Answer {
    let address: IpAddr = address.parse().expect("an address");
    app.post("/api/claims/redeem", json!({ "code": code })).send_from(address)
}

fn seen(app: &TestApp, key: &str, claim: &Value) -> Value {
    app.get(&format!("/api/claims/{}", claim["ID"])).key(key).send().expect(200).json()
}

fn keys(app: &TestApp) -> i64 {
    app.count("select count(*) as n from api_keys")
}

fn refusal(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

both! {
    /// A claim is made, redeemed once, and answers the key exactly as minting it would have.
    fn a_code_becomes_a_key(app: TestApp) {
        let full = app.full_key();
        let minted = app.post("/api/apikeys", json!({ "keyName": "minted", "roleID": 2 })).key(&full).send().expect(200);
        let before = app.last_event();
        let made = app.post("/api/claims", json!({ "keyName": "Booting", "roleID": 2, "description": "d", "locale": "ja-JP" })).key(&full).send().expect(200);
        let id = &made.json()["ID"];
        let at = START.millis();
        let text = made.text();
        let code = code(&made.json()).to_owned();
        assert_eq!(text, format!(
            r#"{{"keyName":"Booting","roleID":2,"networks":[],"status":"open","created":{at},"expires":{},"madeBy":{{"type":"apiKey","ID":1,"name":"full"}},"code":"{code}","ID":{id}}}"#,
            at + 15 * MINUTE
        ));
        let keys_before = keys(&app);
        app.clock.advance(5_000);
        let key = redeem(&app, &code).expect(200);
        let members = |answer: &Answer| answer.json().as_object().expect("members").keys().cloned().collect::<Vec<_>>();
        assert_eq!(members(&key), members(&minted));
        let key = key.json();
        assert_eq!((&key["keyName"], &key["description"], &key["locale"], &key["roleID"]), (&json!("Booting"), &json!("d"), &json!("ja-JP"), &json!(2)));
        assert_eq!(key["created"], at + 5_000, "made at that moment");
        app.get("/api/apikeys/current").key(&secret(&key)).send().expect(200);
        assert_eq!(keys(&app), keys_before + 1);

        let claim = seen(&app, &full, &made.json());
        assert_eq!((&claim["status"], &claim["redeemed"], &claim["redeemedFrom"], &claim["apiKeyID"]), (&json!("redeemed"), &json!(at + 5_000), &json!("127.0.0.1"), &key["ID"]));
        assert!(claim.get("code").is_none());
        let events = app.events_after(before);
        assert_eq!(events.len(), 3, "{events:?}");
        assert!(events[0].starts_with("5121 apiKey/1/full claim/1/Booting {\"expires\":"), "{events:?}");
        assert!(events[1].starts_with(&format!("5010 claim/1/Booting apiKey/{}/Booting ", key["ID"])), "{events:?}");
        assert_eq!(events[2], format!("5122 claim/1/Booting claim/1/Booting {{\"apiKeyID\":{}}}", key["ID"]));
        let maker = app.count(&format!("select made_by_key_id as n from api_keys where id = {}", key["ID"]));
        assert_eq!(maker, 1, "the key is its maker's");
    }

    /// Only a digest of the code is stored, and nothing of a secret before there is a key.
    fn only_a_digest_of_the_code_is_stored(app: TestApp) {
        let full = app.full_key();
        let secrets = app.rows_of("api_key_secrets");
        let claim = claim(&app, &full, json!({ "keyName": "k", "roleID": 2 }));
        assert_eq!(app.rows_of("api_key_secrets"), secrets);
        let stored = app.rows().join("\n");
        let digits = code(&claim).strip_prefix("fkclaim_").expect("the prefix").to_lowercase();
        assert!(!stored.contains(&digits));
        for list in [app.get("/api/claims"), app.get("/api/auditevents")] {
            assert!(!list.key(&full).send().expect(200).text().contains(code(&claim)));
        }
    }

    /// Of two hundred at one moment one gets the key, and the key lives.
    fn of_two_hundred_at_once_one_gets_the_key(app: TestApp, |setup| setup.workers = 2) {
        let full = app.full_key();
        let claim = claim(&app, &full, json!({ "keyName": "k", "roleID": 2 }));
        let before = keys(&app);
        let answers: Vec<Answer> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| (0..25).map(|_| redeem(&app, code(&claim))).collect::<Vec<_>>())).collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("it runs")).collect()
        });
        let (good, others): (Vec<&Answer>, Vec<&Answer>) = answers.iter().partition(|answer| answer.status == 200);
        assert_eq!((good.len(), others.len(), keys(&app)), (1, 199, before + 1));
        assert!(others.iter().all(|answer| answer.refusal() == refusal(409, "claim_used")), "the clock stands still: they were all on their way");
        app.get("/api/apikeys/current").key(&secret(&good[0].json())).send().expect(200);
        assert_eq!(app.count("select count(*) as n from audit_events where number = 5123"), 0);
    }

    /// A code that comes again is in two hands: the event says so, and the key is revoked, once.
    fn a_code_that_comes_again_costs_the_key(app: TestApp) {
        let full = app.full_key();
        for (later, from) in [(1, "127.0.0.1"), (0, "127.0.0.2"), (2 * DAY, "127.0.0.1")] {
            let claim = claim(&app, &full, json!({ "keyName": "k", "roleID": 2 }));
            let key = redeem(&app, code(&claim)).expect(200).json();
            let before = app.last_event();
            app.clock.advance(later);
            assert_eq!(redeem_from(&app, code(&claim), from).refusal(), refusal(409, "claim_used"));
            let id = &claim["ID"];
            assert_eq!(app.events_after(before), [
                format!("5123 claim/{id}/k claim/{id}/k {{\"apiKeyID\":{},\"revoked\":true}}", key["ID"]),
                format!("5012 claim/{id}/k apiKey/{}/k {{\"note\":\"the code that it was made with was used again\",\"reason\":\"leaked\"}}", key["ID"]),
            ]);
            assert_eq!(app.get("/api/apikeys/current").key(&secret(&key)).send().refusal(), refusal(401, "invalid_api_key"));
            assert_eq!(seen(&app, &full, &claim)["status"], "reused");
            // and again: nothing is left to revoke, and nothing more is said of it
            let rows = app.rows();
            app.clock.advance(1);
            assert_eq!(redeem(&app, code(&claim)).refusal(), refusal(409, "claim_used"));
            app.assert_rows(&rows, "nothing more");
        }
        // a key that is gone already cannot be revoked again
        let claim = claim(&app, &full, json!({ "keyName": "k", "roleID": 2 }));
        let key = redeem(&app, code(&claim)).expect(200).json();
        app.delete(&format!("/api/apikeys/{}", key["ID"])).key(&full).send().expect(204);
        let before = app.last_event();
        app.clock.advance(1);
        assert_eq!(redeem(&app, code(&claim)).refusal(), refusal(409, "claim_used"));
        let events = app.events_after(before);
        assert!(events.len() == 1 && events[0].ends_with(&format!("{{\"apiKeyID\":{},\"revoked\":false}}", key["ID"])), "{events:?}");
    }

    /// What is no code, what never was one, one that was withdrawn and another tenant's are one answer, and write nothing.
    fn a_wrong_code_is_one_answer_and_writes_nothing(app: TestApp) {
        let full = app.full_key();
        let withdrawn = claim(&app, &full, json!({ "keyName": "k", "roleID": 2 }));
        app.delete(&format!("/api/claims/{}", withdrawn["ID"])).key(&full).send().expect(204);
        let good = claim(&app, &full, json!({ "keyName": "k", "roleID": 2 }));
        app.tenant("Blue");
        let rows = app.rows();
        let never = "fkclaim_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let usual = crate::stored::without_trace(&redeem(&app, never).expect(401));
        for wrong in [code(&withdrawn), &code(&good).to_lowercase(), &code(&good)[8..], &format!("{}x", code(&good)), " ", ""] {
            let answer = redeem(&app, wrong);
            assert_eq!((answer.refusal(), crate::stored::without_trace(&answer)), (refusal(401, "invalid_claim_code"), usual.clone()), "{wrong}");
        }
        let elsewhere = app.post("/t/blue/api/claims/redeem", json!({ "code": code(&good) })).send();
        assert_eq!(crate::stored::without_trace(&elsewhere), usual);
        assert_eq!(app.post("/t/nobody/api/claims/redeem", json!({ "code": code(&good) })).send().refusal(), refusal(404, "no_such_route"));
        for body in [json!({}), json!({ "code": null })] {
            assert_eq!(app.post("/api/claims/redeem", body).send().refusal(), refusal(400, "malformed"));
        }
        let shown = app.post("/api/claims/redeem", json!({ "code": [code(&good)] })).send().expect(400);
        assert!(!shown.text().contains(code(&good)));
        app.assert_rows(&rows, "refused");
        app.post("/t/primary/api/claims/redeem", json!({ "code": code(&good) })).send().expect(200);
    }

    /// A code is good until a moment, and not at it.
    fn a_code_ends_at_the_millisecond(app: TestApp) {
        let full = app.full_key();
        let body = |name: &str| json!({ "keyName": name, "roleID": 2, "validFor": "90s" });
        let (early, late) = (claim(&app, &full, body("early")), claim(&app, &full, body("late")));
        assert_eq!(early["expires"], START.millis() + 90_000);
        app.clock.advance(89_999);
        redeem(&app, code(&early)).expect(200);
        app.clock.advance(1);
        let rows = app.rows();
        assert_eq!(redeem(&app, code(&late)).refusal(), refusal(401, "claim_expired"));
        app.assert_rows(&rows, "refused");
        assert_eq!(seen(&app, &full, &late)["status"], "expired");
    }

    /// From another network the code is refused, and is as good as before in its own.
    fn a_code_is_bound_to_networks(app: TestApp) {
        let full = app.full_key();
        let claim = claim(&app, &full, json!({ "keyName": "k", "roleID": 2, "networks": ["127.0.0.8/30", "2001:db8::/32"] }));
        assert_eq!(claim["networks"], json!(["127.0.0.8/30", "2001:db8::/32"]));
        let rows = app.rows();
        for wrong in ["127.0.0.1", "127.0.0.7", "127.0.0.12"] {
            assert_eq!(redeem_from(&app, code(&claim), wrong).refusal(), refusal(403, "claim_address_refused"));
        }
        app.assert_rows(&rows, "refused");
        let key = redeem_from(&app, code(&claim), "127.0.0.11").expect(200).json();
        // whoever has the code and sits elsewhere cannot have the key taken away either
        app.clock.advance(1);
        assert_eq!(redeem_from(&app, code(&claim), "127.0.0.1").refusal(), refusal(403, "claim_address_refused"));
        app.get("/api/apikeys/current").key(&secret(&key)).send().expect(200);
        // no proxy's word moves anybody
        let forwarded = app.post("/api/claims/redeem", json!({ "code": code(&claim) })).header("X-Forwarded-For", "127.0.0.9");
        assert_eq!(forwarded.send().refusal(), refusal(403, "claim_address_refused"));
    }

    /// T-01: nobody hands out a code for a key that they could not make.
    fn nobody_claims_more_than_they_have(app: TestApp) {
        let full = app.full_key();
        let create = "platformRights.apikeyRights.canCreateNewApiKeys";
        let clerk = secret(&app.mint("clerk", app.role("Clerk", &[create])));
        let small = app.role("Small", &[]);
        let rows = app.rows();
        for (body, expected) in [
            (json!({ "keyName": "k", "roleID": 1 }), refusal(403, "beyond_caller")),
            (json!({ "keyName": "k", "roleID": 2_000_000 }), refusal(400, "unknown_role")),
            (json!({ "keyName": "k" }), refusal(400, "malformed")),
            (json!({ "roleID": small }), refusal(400, "malformed")),
            (json!({ "keyName": "clerk", "roleID": small }), refusal(409, "name_taken")),
            (json!({ "keyName": "k", "roleID": small, "validFor": "59s" }), refusal(400, "malformed")),
            (json!({ "keyName": "k", "roleID": small, "validFor": "8d" }), refusal(400, "malformed")),
            (json!({ "keyName": "k", "roleID": small, "validFor": 90 }), refusal(400, "malformed")),
            (json!({ "keyName": "k", "roleID": small, "keyValidFor": "30s" }), refusal(400, "expiry_out_of_range")),
            (json!({ "keyName": "k", "roleID": small, "keyValidFor": "99y" }), refusal(400, "malformed")),
            (json!({ "keyName": "k", "roleID": small, "keyValidFor": "30d", "expiryDate": 0 }), refusal(400, "malformed")),
            (json!({ "keyName": "k", "roleID": small, "expiryDate": 5 }), refusal(400, "expiry_out_of_range")),
            (json!({ "keyName": "k", "roleID": small, "networks": ["10.0.0.1/8"] }), refusal(400, "malformed")),
            (json!({ "keyName": "k", "roleID": small, "networks": vec!["10.0.0.0/8"; 51] }), refusal(400, "malformed")),
            (json!({ "keyName": "k", "roleID": small, "timeZone": "Nowhere" }), refusal(400, "unknown_time_zone")),
        ] {
            assert_eq!(app.post("/api/claims", body.clone()).key(&clerk).send().refusal(), expected, "{body}");
        }
        app.assert_rows(&rows, "refused");
        redeem(&app, code(&claim(&app, &clerk, json!({ "keyName": "small", "roleID": small })))).expect(200);
        // nor takes one back that leads to more than they have
        let cleaner = secret(&app.mint("cleaner", app.role("Cleaner", &["platformRights.apikeyRights.canDeleteApiKeys"])));
        let (strong, weak) = (claim(&app, &full, json!({ "keyName": "strong", "roleID": 1 })), claim(&app, &full, json!({ "keyName": "weak", "roleID": small })));
        assert_eq!(app.delete(&format!("/api/claims/{}", strong["ID"])).key(&cleaner).send().refusal(), refusal(403, "beyond_caller"));
        app.delete(&format!("/api/claims/{}", weak["ID"])).key(&cleaner).send().expect(204);
        assert_eq!(redeem(&app, code(&weak)).refusal(), refusal(401, "invalid_claim_code"));
        assert_eq!(app.get("/api/claims").key(&app.auditor_key()).send().refusal(), refusal(403, "not_authorized"));
    }

    /// T-01: what a claim's maker may do is asked again when the code is redeemed.
    fn the_maker_is_judged_again_when_the_code_is_redeemed(app: TestApp) {
        let full = app.full_key();
        let create = "platformRights.apikeyRights.canCreateNewApiKeys";
        // of a person, and of a key
        type Made<'a> = Box<dyn Fn(&str) -> (Value, i64) + 'a>;
        type Happening<'a> = Box<dyn Fn(&str, i64) -> String + 'a>;
        let by_person: Made = Box::new(|name| {
            let role = app.role(&format!("role of {name}"), &[create]);
            app.administrator(name, PASSWORD, role, 0);
            let session = Session::from(&app.try_sign_in(name, PASSWORD).expect(200));
            (app.post("/api/claims", json!({ "keyName": format!("of {name}"), "roleID": role })).with(&session).send().expect(200).json(), role)
        });
        let by_key: Made = Box::new(|name| {
            let role = app.role(&format!("role of {name}"), &[create]);
            let key = secret(&app.mint(name, role));
            (claim(&app, &key, json!({ "keyName": format!("of {name}"), "roleID": role })), role)
        });
        let lowered = |role: i64| match app.backend {
            Backend::Sqlite => format!("update roles set rights = zeroblob(22) where id = {role}"),
            Backend::Postgres => format!("update roles set rights = '\\x'::bytea where id = {role}"),
        };
        let other = app.role("Other", &[]);
        let cases: Vec<(&str, &Made, Happening)> = vec![
            ("locked person", &by_person, Box::new(|name, _| format!("update administrators set active = false where username = '{name}'"))),
            ("demoted person", &by_person, Box::new(move |name, _| format!("update administrators set role_id = {other} where username = '{name}'"))),
            ("removed person", &by_person, Box::new(|name, _| format!("delete from administrators where username = '{name}'"))),
            ("person without the right", &by_person, Box::new(move |_, role| lowered(role))),
            ("person without access", &by_person, Box::new(|_, role| format!("update roles set allow_web_service = false, allow_user_interface = false where id = {role}"))),
            ("locked key", &by_key, Box::new(|name, _| format!("update api_keys set active = false where key_name = '{name}'"))),
            ("demoted key", &by_key, Box::new(move |name, _| format!("update api_keys set role_id = {other} where key_name = '{name}'"))),
            ("removed key", &by_key, Box::new(|name, _| format!("delete from api_keys where key_name = '{name}'"))),
            ("expired key", &by_key, Box::new(|name, _| format!("update api_keys set expiry_date = {} where key_name = '{name}'", START.millis()))),
            ("key without the web service", &by_key, Box::new(|_, role| format!("update roles set allow_web_service = false where id = {role}"))),
        ];
        for (name, made, happens) in &cases {
            let (claim, role) = made(name);
            if name.starts_with("removed person") {
                app.execute("delete from sessions");
            }
            assert_eq!(app.execute(&happens(name, role)), 1, "{name}");
            let rows = app.rows();
            assert_eq!(redeem(&app, code(&claim)).refusal(), refusal(403, "claim_maker_refused"), "{name}");
            app.assert_rows(&rows, name);
        }
        // the claim waits: whoever is let in again may have it redeemed
        let (claim, _) = by_person("back again");
        app.execute("update administrators set active = false where username = 'back again'");
        redeem(&app, code(&claim)).expect(403);
        app.execute("update administrators set active = true where username = 'back again'");
        redeem(&app, code(&claim)).expect(200);
        // a suspended tenant's code is unknown
        let (claim, _) = by_person("suspended");
        app.execute("update tenants set state = 'suspended'");
        assert_eq!(redeem(&app, code(&claim)).refusal(), refusal(401, "invalid_claim_code"));
        app.execute("update tenants set state = 'active'");
        // the name may be taken meanwhile: the code is as good as before when it is free again
        let (claim, _) = by_person("taken");
        let taken = app.post("/api/apikeys", json!({ "keyName": "of taken", "roleID": 2 })).key(&full).send().expect(200).json();
        assert_eq!(redeem(&app, code(&claim)).refusal(), refusal(409, "name_taken"));
        app.delete(&format!("/api/apikeys/{}", taken["ID"])).key(&full).send().expect(204);
        redeem(&app, code(&claim)).expect(200);
    }

    /// A claim for a key that only its issuer is to see is seen by whoever made it and by who has Full Access: to
    /// anybody else it is as if it were not there, in lists too.
    fn a_claim_is_seen_by_whoever_would_see_its_key(app: TestApp) {
        let full = app.full_key();
        let rights = ["canCreateNewApiKeys", "canDeleteApiKeys", "canEditApiKeyProperties", "canViewApiKeys"].map(|right| format!("platformRights.apikeyRights.{right}"));
        let role = app.role("Issuer", &rights.each_ref().map(String::as_str));
        let bare = app.role("Bare", &[]);
        let own = app.post("/api/apikeyprofiles", json!({ "name": "Own", "visibility": "own" })).key(&full).send().expect(200).json()["ID"].clone();
        let person = |name: &str| {
            app.administrator(name, PASSWORD, role, 0);
            Session::from(&app.try_sign_in(name, PASSWORD).expect(200))
        };
        let (anna, ben) = (person("anna"), person("ben"));
        let tool = secret(&app.mint("tool", role));
        let body = |name: &str, profile: &Value| json!({ "keyName": name, "roleID": bare, "lifecycle": { "profileID": profile } });
        let hidden = app.post("/api/claims", body("hidden", &own)).with(&anna).send().expect(200).json();
        let of_tool = claim(&app, &tool, body("of tool", &own));
        let open = app.post("/api/claims", body("open", &json!(1))).with(&anna).send().expect(200).json();
        // under a profile that nobody named: the default of that moment, whatever it is later
        app.post(&format!("/api/apikeyprofiles/{own}"), json!({ "default": true })).key(&full).send().expect(200);
        let unnamed = app.post("/api/claims", json!({ "keyName": "unnamed", "roleID": bare })).with(&anna).send().expect(200).json();
        app.post("/api/apikeyprofiles/1", json!({ "default": true })).key(&full).send().expect(200);
        let names = |answer: Answer| answer.expect(200).json()["claims"].as_array().expect("a list").iter().map(|claim| claim["keyName"].as_str().expect("a name").to_owned()).collect::<Vec<_>>();
        assert_eq!(names(app.get("/api/claims").with(&anna).send()), ["hidden", "open", "unnamed"]);
        assert_eq!(names(app.get("/api/claims").with(&ben).send()), ["open"]);
        assert_eq!(names(app.get("/api/claims").key(&tool).send()), ["of tool", "open"]);
        assert_eq!(names(app.get("/api/claims").key(&full).send()), ["hidden", "of tool", "open", "unnamed"]);
        let rows = app.rows();
        for seen in [&hidden, &of_tool, &unnamed] {
            for method in ["GET", "DELETE"] {
                let path = |id: &Value| app.call(method, &format!("/api/claims/{id}"));
                let answer = path(&seen["ID"]).with(&ben).send();
                let never = path(&json!(2_000_000)).with(&ben).send();
                assert_eq!(answer.refusal(), refusal(404, "not_found"));
                assert_eq!(crate::stored::without_trace(&answer), crate::stored::without_trace(&never));
            }
        }
        app.assert_rows(&rows, "refused");
        app.delete(&format!("/api/claims/{}", open["ID"])).with(&ben).send().expect(204);
        app.delete(&format!("/api/claims/{}", hidden["ID"])).with(&anna).send().expect(204);
        app.delete(&format!("/api/claims/{}", of_tool["ID"])).key(&full).send().expect(204);
        redeem(&app, code(&unnamed)).expect(200);
        assert_eq!(app.count("select count(*) as n from api_keys where key_name = 'unnamed' and profile_id > 3"), 1);
        // a list of many of which few are seen goes on behind the first piece
        let digest = match app.backend {
            Backend::Sqlite => "randomblob(32)",
            Backend::Postgres => "decode(md5(cast(n.id as text)) || md5('x' || cast(n.id as text)), 'hex')",
        };
        app.execute(&format!(
            "with recursive n(id) as (select 1000 union all select id + 1 from n where id < 2099) \
             insert into claims (id, tenant_id, code_digest, key_name, role_id, wish, networks, created, expires, made_by_key_id, made_by_name) \
             select n.id, c.tenant_id, {digest}, 'many', c.role_id, case when n.id % 500 = 0 then '{}' else '{}' end, c.networks, c.created, c.expires, 1, 'full' \
             from n, claims c where c.key_name = 'unnamed'",
            json!({ "lifecycle": { "profileID": 1 } }), json!({ "lifecycle": { "profileID": own } }),
        ));
        assert_eq!(names(app.get("/api/claims").with(&ben).send()), ["many", "many", "many"]);
        assert_eq!(names(app.get("/api/claims").key(&full).send()).len(), 1_101);
    }

    /// Whoever makes a claim is told in a header that its code, or its key, is of use from everywhere, or from nowhere.
    fn a_claim_from_everywhere_is_warned_of(app: TestApp) {
        let full = app.full_key();
        for (number, (more, expected)) in [
            (json!({ "networks": ["0.0.0.0/0"] }), Some("networks: 0.0.0.0/0 lets every IPv4 address in")),
            (json!({ "networks": ["::/1", "8000::/1"] }), Some("networks: ::/0 lets every IPv6 address in")),
            (json!({ "networks": ["10.0.0.0/8"] }), None),
            (json!({}), None),
            (json!({ "constraints": { "networks": { "allow": ["0.0.0.0/1", "128.0.0.0/1"] } } }), Some("constraints.networks.allow: 0.0.0.0/0 lets every IPv4 address in")),
        ].into_iter().enumerate() {
            let mut body = json!({ "keyName": format!("k{number}"), "roleID": 2 });
            body.as_object_mut().expect("members").extend(more.as_object().expect("members").clone());
            let answer = app.post("/api/claims", body).key(&full).send().expect(200);
            assert_eq!(answer.header("x-firstkey-warning"), expected, "{more}");
        }
    }

    /// T-03: a key lives from the moment it is made, and never longer than the key that claimed it.
    fn a_claimed_key_ends_when_it_should(app: TestApp) {
        let full = app.full_key();
        let counted = claim(&app, &full, json!({ "keyName": "counted", "roleID": 2, "keyValidFor": "P30D" }));
        assert_eq!(counted["keyValidFor"], "30d");
        let fixed = claim(&app, &full, json!({ "keyName": "fixed", "roleID": 2, "expiryDate": START.millis() + DAY }));
        let never = claim(&app, &full, json!({ "keyName": "never", "roleID": 2, "expiryDate": 0 }));
        app.clock.advance(10 * MINUTE);
        assert_eq!(redeem(&app, code(&counted)).expect(200).json()["expiryDate"], START.millis() + 10 * MINUTE + 30 * DAY);
        assert_eq!(redeem(&app, code(&fixed)).expect(200).json()["expiryDate"], START.millis() + DAY);
        assert!(redeem(&app, code(&never)).expect(200).json().get("expiryDate").is_none());

        let end = app.clock.now().millis() + DAY;
        let body = json!({ "keyName": "ending", "roleID": 1, "expiryDate": end });
        let ending = secret(&app.post("/api/apikeys", body).key(&full).send().expect(200).json());
        let refused = |body: Value| app.post("/api/claims", body).key(&ending).send().refusal();
        assert_eq!(refused(json!({ "keyName": "a", "roleID": 2, "expiryDate": 0 })), refusal(403, "beyond_caller"));
        assert_eq!(refused(json!({ "keyName": "a", "roleID": 2, "expiryDate": end + 1 })), refusal(403, "beyond_caller"));
        for (name, life) in [("unsaid", Value::Null), ("clamped", json!("7d"))] {
            let mut body = json!({ "keyName": name, "roleID": 2 });
            if !life.is_null() {
                body["keyValidFor"] = life;
            }
            let claim = claim(&app, &ending, body);
            app.clock.advance(MINUTE);
            assert_eq!(redeem(&app, code(&claim)).expect(200).json()["expiryDate"], end, "{name}");
        }
    }

    /// Who still has the initial password makes no claims: it would outlast the change of that password.
    fn the_initial_password_makes_no_claims(app: TestApp) {
        let session = app.sign_in();
        app.execute("update sessions set initial_password = true");
        let answer = app.post("/api/claims", json!({ "keyName": "k", "roleID": 2 })).with(&session).send();
        assert_eq!(answer.refusal(), refusal(403, "initial_password"));
    }

    /// What is over is kept for a month, so that a code which comes again is known, and then swept away.
    fn old_claims_are_swept_away(app: TestApp) {
        let full = app.full_key();
        let (open, used) = (claim(&app, &full, json!({ "keyName": "open", "roleID": 2 })), claim(&app, &full, json!({ "keyName": "used", "roleID": 2 })));
        redeem(&app, code(&used)).expect(200);
        let sweep = || {
            let now = app.clock.now();
            app.app.database.write_here(move |db| firstkey::claims::sweep(db, now)).expect("swept")
        };
        app.clock.advance(30 * DAY);
        assert_eq!(sweep(), 0);
        app.clock.advance(15 * MINUTE + 1);
        assert_eq!(sweep(), 2);
        assert_eq!(app.get(&format!("/api/claims/{}", open["ID"])).key(&full).send().refusal(), refusal(404, "not_found"));
        assert_eq!(app.get("/api/claims").key(&full).send().expect(200).json(), json!({ "claims": [] }));
        assert_eq!(redeem(&app, code(&used)).refusal(), refusal(401, "invalid_claim_code"));
    }

    /// A person's claim is theirs, and any session will do for it but one that is there for one key.
    fn a_person_makes_a_claim(app: TestApp) {
        let session = app.sign_in();
        let made = app.post("/api/claims", json!({ "keyName": "k", "roleID": 1 })).with(&session).send().expect(200).json();
        assert_eq!(made["madeBy"], json!({ "type": "administrator", "ID": 1, "name": ADMIN }));
        // the session ends and the claim stays
        app.delete("/api/sessions/current").with(&session).send().expect(204);
        let key = redeem(&app, code(&made)).expect(200).json();
        app.get("/api/claims").key(&secret(&key)).send().expect(200);
    }

    /// Claims are made whatever digests are stored: also beside a key with that of nobody, which an older version took.
    fn a_stored_digest_of_nobody_is_in_no_claims_way(app: TestApp) {
        let full = app.full_key();
        app.post("/api/apikeys", json!({ "keyName": "odd", "roleID": 2 })).key(&full).send().expect(200);
        let zeros = match app.backend {
            Backend::Sqlite => "zeroblob(32)",
            Backend::Postgres => "decode(repeat('00', 32), 'hex')",
        };
        app.execute(&format!("update api_key_secrets set digest = {zeros} where api_key_id = (select id from api_keys where key_name = 'odd')"));
        let made = claim(&app, &full, json!({ "keyName": "booting", "roleID": 2 }));
        redeem(&app, code(&made)).expect(200);
    }
}
