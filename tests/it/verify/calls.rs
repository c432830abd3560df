//! `/api/apikeys/verify` and its batch, as services ask.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};

use crate::app::{Backend, PASSWORD, START, TestApp, secret};
use crate::both;
use crate::http::Answer;

const MINUTE: i64 = 60_000;
const COMPUTERS: &str = "platformRights.computerRights.canViewOtherComputers";
const CREATE: &str = "platformRights.apikeyRights.canCreateNewApiKeys";
const VIEW: &str = "platformRights.apikeyRights.canViewApiKeys";
const TYPE: &str = "threatMitigationUserAccount";

/// A server, somebody who asks, and somebody who makes keys.
pub struct Bench<'a> {
    pub app: &'a TestApp,
    pub full: String,
    /// Of a key with the one right that is needed.
    pub asker: String,
}

impl<'a> Bench<'a> {
    pub fn set(app: &'a TestApp) -> Self {
        let full = app.full_key();
        let role = app.role("Asker", &[VIEW]);
        let asker = secret(
            &app.post("/api/apikeys", json!({ "keyName": "asker", "roleID": role }))
                .key(&full)
                .send()
                .expect(200)
                .json(),
        );
        Self { app, full, asker }
    }

    /// A key of the role Auditor unless `body` says otherwise, and its secret.
    pub fn key(&self, name: &str, body: Value) -> (i64, String) {
        let mut wanted = json!({ "keyName": name, "roleID": 2 });
        for (member, value) in body.as_object().expect("an object") {
            wanted[member] = value.clone();
        }
        let key = self.app.post("/api/apikeys", wanted).key(&self.full).send().expect(200).json();
        (key["ID"].as_i64().expect("an ID"), secret(&key))
    }

    pub fn answer(&self, body: Value) -> Answer {
        self.app.post("/api/apikeys/verify", body).key(&self.asker).send()
    }

    /// What is answered to a question.
    #[track_caller]
    pub fn ask(&self, body: Value) -> Value {
        let answer = self.answer(body).expect(200).json();
        assert_eq!(answer["valid"], answer["code"] == "VALID", "{answer}");
        answer
    }

    #[track_caller]
    pub fn code(&self, body: Value) -> String {
        self.ask(body)["code"].as_str().expect("a code").to_owned()
    }

    fn batch(&self, items: Value) -> Answer {
        self.app.post("/api/apikeys/verify/batch", json!({ "items": items })).key(&self.asker).send()
    }

    #[track_caller]
    fn codes(&self, items: Value) -> Vec<String> {
        let answer = self.batch(items).expect(200).json();
        answer["results"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| one["code"].as_str().expect("a code").to_owned())
            .collect()
    }

    pub fn change(&self, id: i64, change: &str) {
        self.app.execute(&format!("update api_keys set {change} where id = {id}"));
    }

    fn uses(&self, id: i64) -> (i64, i64) {
        let shown = self.app.get(&format!("/api/apikeys/{id}?expand=all")).key(&self.full).send().expect(200).json();
        (
            shown["lifecycle"]["secrets"][0]["uses"].as_i64().expect("a number"),
            shown["constraints"]["remainingUses"].as_i64().unwrap_or(-1),
        )
    }
}

/// The same key with another secret.
fn wrong(id: i64) -> String {
    format!("{id}:{}=", "A".repeat(43))
}

/// Everything of an answer that somebody could tell it from another by.
fn seen(answer: &Answer) -> (u16, String, Vec<(String, String)>) {
    let mut headers = answer.headers.clone();
    headers.retain(|(name, _)| !["x-request-id", "date"].iter().any(|known| name.eq_ignore_ascii_case(known)));
    (answer.status, answer.text(), headers)
}

both! {
    /// A good key is answered with who it is, in the documented order, and that was a use of it from that address.
    fn a_good_key_is_answered_with_who_it_is(app: TestApp) {
        let bench = Bench::set(&app);
        let bounds = json!({ "expiryDate": START.millis() + MINUTE, "constraints": { "remainingUses": 3, "networks": { "allow": ["192.0.2.0/24"] } } });
        let (id, text) = bench.key("of the service", bounds);
        let answer = bench.answer(json!({ "secretKey": text, "demands": { "rights": [COMPUTERS], "role": "auditor", "match": "all" }, "address": "192.0.2.7" })).expect(200);
        let guid = answer.json()["tenantGUID"].as_str().expect("a GUID").to_owned();
        let expected = format!(
            r#"{{"code":"VALID","valid":true,"message":"The API key is good.","keyID":{id},"keyName":"of the service","roleName":"Auditor","tenantName":"Primary","tenantGUID":"{guid}","expiryDate":{},"remainingUses":2}}"#,
            START.millis() + MINUTE
        );
        assert_eq!(answer.text(), expected);
        let shown = app.get(&format!("/api/apikeys/{id}?expand=lifecycle")).key(&bench.full).send().expect(200).json();
        assert_eq!(shown["lifecycle"]["secrets"][0]["lastAddress"], "192.0.2.7");
        assert_eq!(bench.uses(id), (1, 2));
        // as well by a session
        let session = app.sign_in();
        let by_session = app.post("/api/apikeys/verify", json!({ "secretKey": text, "address": "::ffff:192.0.2.8" })).with(&session).send();
        assert_eq!(by_session.expect(200).json()["remainingUses"], 1);
    }

    /// Of all that speaks against a key the first is told, in the documented order, whatever else is true of it.
    fn the_first_of_many_reasons_is_told(app: TestApp) {
        let bench = Bench::set(&app);
        let (id, text) = bench.key("bad", json!({ "roleID": 1, "constraints": { "apiTypes": [TYPE] } }));
        // 2026-11-21 is a Saturday
        bench.change(id, &format!(
            "expiry_date = {0}, not_before = {0} + 1, active = false, profile_id = 3, made_by_key_id = 2147483647, remaining_uses = 0, calls_per_minute = 1, \
             networks = '{{\"allow\":[\"192.0.2.0/24\"]}}', windows = '[{{\"days\":[0],\"from\":0,\"to\":1440}}]'", START.millis()));
        let ask = |demands: &Value, address: &str| bench.ask(json!({ "secretKey": text, "demands": demands, "address": address }));
        let lacking = json!({ "rights": [COMPUTERS], "role": "Auditor" });
        let pending = json!({ "apiTypes": [TYPE] });
        assert_eq!(bench.code(json!({ "secretKey": wrong(id) })), "NOT_FOUND");
        for (code, demands, address, mend) in [
            ("EXPIRED", &lacking, "10.0.0.1", "expiry_date = null"),
            ("NOT_YET_VALID", &lacking, "10.0.0.1", "not_before = null"),
            ("LOCKED", &lacking, "10.0.0.1", "active = true"),
            ("ISSUER_DISABLED", &lacking, "10.0.0.1", "profile_id = 1"),
            ("INSUFFICIENT_RIGHTS", &lacking, "10.0.0.1", "active = active"),
            ("AUTHORIZATION_PENDING", &pending, "10.0.0.1", "active = active"),
            ("ADDRESS_REFUSED", &json!({}), "10.0.0.1", "active = active"),
            ("OUTSIDE_WINDOW", &json!({}), "192.0.2.1", "windows = ''"),
            ("USAGE_EXCEEDED", &json!({}), "192.0.2.1", "remaining_uses = 5"),
            ("VALID", &json!({}), "192.0.2.1", "active = active"),
            ("RATE_LIMITED", &json!({}), "192.0.2.1", "active = active"),
        ] {
            let answer = ask(demands, address);
            assert_eq!(answer["code"], code, "{answer}");
            assert_eq!((&answer["keyID"], &answer["keyName"], &answer["roleName"]), (&json!(id), &json!("bad"), &json!("Full Access")), "{answer}");
            assert!(answer["message"].as_str().is_some_and(|message| message.len() > 10), "{answer}");
            assert_eq!(answer["retryAfter"].as_i64().is_some_and(|wait| (1..=61).contains(&wait)), code == "RATE_LIMITED", "{answer}");
            bench.change(id, mend);
        }
        // a network-bound key of which nobody says from where it is used
        let unsaid = bench.ask(json!({ "secretKey": text }));
        assert_eq!(unsaid["code"], "ADDRESS_REFUSED", "{unsaid}");
        assert_eq!(bench.uses(id), (1, 4), "what is refused is no use");
        app.delete(&format!("/api/apikeys/{id}?reason=leaked")).key(&bench.full).send().expect(204);
        let revoked = ask(&lacking, "10.0.0.1");
        assert_eq!((&revoked["code"], &revoked["keyID"], &revoked["revocationReason"], &revoked["revoked"]), (&json!("REVOKED"), &json!(id), &json!("leaked"), &json!(app.clock.now().millis())), "{revoked}");
        assert_eq!(bench.code(json!({ "secretKey": wrong(id) })), "NOT_FOUND");
    }

    /// A key that has no use left is told that, also where it comes too often besides.
    fn a_key_that_is_used_up_is_not_merely_too_quick(app: TestApp) {
        let bench = Bench::set(&app);
        let (id, text) = bench.key("once", json!({ "constraints": { "remainingUses": 1, "callsPerMinute": 1 } }));
        let asks = || bench.code(json!({ "secretKey": text }));
        assert_eq!([asks(), asks(), asks()], ["VALID", "USAGE_EXCEEDED", "USAGE_EXCEEDED"]);
        app.post(&format!("/api/apikeys/{id}"), json!({ "constraints": { "remainingUses": 1 } })).key(&bench.full).send().expect(200);
        assert_eq!(asks(), "RATE_LIMITED");
        app.clock.advance(MINUTE + 1_000);
        assert_eq!([asks(), asks()], ["VALID", "USAGE_EXCEEDED"]);
    }

    /// T-23: a key that never was, another tenant's with its right secret, a wrong secret, one without its tenant's GUID,
    /// one of a suspended tenant, and what is no key at all: one answer, byte for byte. Nothing is counted but the secrets
    /// that are wrong.
    fn who_holds_no_secret_learns_nothing(app: TestApp) {
        let bench = Bench::set(&app);
        let (id, text) = bench.key("ours", json!({}));
        let blue = app.post("/api/tenants", json!({ "name": "Blue", "administrator": { "username": "blue", "password": PASSWORD, "emailAddress": "b@example.com" } })).key(&bench.full).send().expect(200).json();
        let theirs = secret(&app.post(&format!("/api/tenants/{}/apikeys", blue["ID"]), json!({ "keyName": "theirs" })).key(&bench.full).send().expect(200).json());
        let bare = theirs.split_once(':').expect("a GUID in front").1;
        let expected = seen(&bench.answer(json!({ "secretKey": wrong(2_147_483_647) })).expect(200));
        assert_eq!(expected.1, r#"{"code":"NOT_FOUND","valid":false,"message":"The API key is not valid."}"#);
        let foreign = app.rows();
        for (what, held) in [
            ("another tenant's", theirs.as_str()), ("without its GUID", bare), ("wrong", &wrong(id)), ("another GUID", &format!("00000000-0000-4000-8000-000000000000:{text}")),
            ("nothing", ""), ("text", "nonsense"), ("long", &"9".repeat(60_000)), ("blank", &format!(" {text}")), ("zero", "0:x"),
        ] {
            for _ in 0..2 {
                assert_eq!(seen(&bench.answer(json!({ "secretKey": held, "demands": { "rights": [CREATE] }, "address": "10.0.0.1" })).expect(200)), expected, "{what}");
            }
        }
        app.assert_rows(&foreign, "nobody was counted");
        let shown = app.get(&format!("/api/apikeys/{id}")).key(&bench.full).send().expect(200).json();
        assert_eq!(shown["unsuccessfulSignInAttempts"], 4, "{shown}");
        // to its own tenant it is there, and no other is
        let within = |held: &str| app.post("/api/apikeys/verify", json!({ "secretKey": held })).key(&theirs).send().expect(200).json()["code"].clone();
        assert_eq!((within(&theirs), within(&text)), (json!("VALID"), json!("NOT_FOUND")));
    }

    /// Whoever asks needs a credential and the right, and their own calls count as any call does; a key may ask about itself.
    fn whoever_asks_is_known_and_counted(app: TestApp) {
        let bench = Bench::set(&app);
        let (_, auditor) = bench.key("auditor", json!({}));
        let body = json!({ "secretKey": auditor });
        assert_eq!(app.post("/api/apikeys/verify", body.clone()).send().refusal(), (401, "not_signed_in".to_owned()));
        assert_eq!(app.post("/api/apikeys/verify", body.clone()).key(&auditor).send().refusal(), (403, "not_authorized".to_owned()), "the key in question is no credential");
        let (id, counted) = bench.key("counted", json!({ "roleID": 1, "constraints": { "remainingUses": 4 } }));
        let ask = |held: &str| app.post("/api/apikeys/verify", json!({ "secretKey": held })).key(&counted).send();
        ask(&auditor).expect(200);
        assert_eq!(ask(&counted).expect(200).json()["remainingUses"], 1, "one for asking, one for being asked about");
        assert_eq!(ask(&counted).expect(200).json()["code"], "USAGE_EXCEEDED");
        assert_eq!(ask(&auditor).refusal(), (403, "usage_exceeded".to_owned()));
        assert_eq!(bench.uses(id).1, 0);
    }

    /// What cannot be asked is refused by the member's name, before anything is counted; what was sent is not shown, because
    /// it may be a key in the wrong place.
    fn what_cannot_be_asked_is_refused_by_name(app: TestApp) {
        let bench = Bench::set(&app);
        let (id, text) = bench.key("counted", json!({ "constraints": { "remainingUses": 5 } }));
        let many = |name: &str, n: usize| json!(vec![name; n]);
        let faults = [
            (json!({}), "secretKey: a string is needed."),
            (json!({ "secretKey": null }), "secretKey: a string is needed."),
            (json!({ "secretKey": 7 }), "secretKey: a string is expected."),
            (json!({ "secretKey": [text] }), "secretKey: a string is expected."),
            (json!({ "secretKey": text, "demand": {} }), "The body: there is no member `demand` (perhaps `demands` is meant)"),
            (json!({ "secretkey": text }), "The body: there is no member `secretkey` (perhaps `secretKey` is meant)"),
            (json!({ "secretKey": text, text.as_str(): 1 }), "The body: there is no such member (perhaps `"),
            (json!({ "secretKey": text, "demands": [] }), "demands: a JSON object is expected."),
            (json!({ "secretKey": text, "demands": { "right": [COMPUTERS] } }), "demands: there is no member `right` (perhaps `rights` is meant)"),
            (json!({ "secretKey": text, "demands": { "rights": COMPUTERS } }), "demands.rights: a list of at most 200 is expected."),
            (json!({ "secretKey": text, "demands": { "rights": [COMPUTERS, 7] } }), "demands.rights[1]: a string is expected."),
            (json!({ "secretKey": text, "demands": { "rights": [COMPUTERS, "canViewOtherComputer"] } }), "demands.rights[1]: there is no such right. Most like it: platformRights.computerRights.canViewOtherComputers, "),
            (json!({ "secretKey": text, "demands": { "rights": [text] } }), "demands.rights[0]: there is no such right. Most like it: "),
            (json!({ "secretKey": text, "demands": { "rights": many(COMPUTERS, 201) } }), "demands.rights: at most 200 are taken."),
            (json!({ "secretKey": text, "demands": { "apiTypes": many("x", 201) } }), "demands.apiTypes: at most 200 are taken."),
            (json!({ "secretKey": text, "demands": { "apiTypes": [""] } }), "demands.apiTypes: an API type's name is empty."),
            (json!({ "secretKey": text, "demands": { "role": "" } }), "demands.role: a name is needed, or the member left out."),
            (json!({ "secretKey": text, "demands": { "tenant": "" } }), "demands.tenant: a name is needed, or the member left out."),
            (json!({ "secretKey": text, "demands": { "match": "some" } }), "demands.match: all or any is taken."),
            (json!({ "secretKey": text, "demands": { "match": text } }), "demands.match: all or any is taken."),
            (json!({ "secretKey": text, "address": "" }), "address: an address of IPv4 or IPv6 is needed."),
            (json!({ "secretKey": text, "address": "10.0.0.0/8" }), "address: an address of IPv4 or IPv6 is needed."),
            (json!({ "secretKey": text, "address": "10.0.0.01" }), "address: an address of IPv4 or IPv6 is needed."),
            (json!({ "secretKey": text, "address": "fe80::1%eth0" }), "address: an address of IPv4 or IPv6 is needed."),
            (json!({ "secretKey": text, "address": text }), "address: an address of IPv4 or IPv6 is needed."),
            (json!({ "secretKey": text, "address": 1 }), "address: a string is expected."),
        ];
        for (body, message) in &faults {
            let answer = bench.answer(body.clone());
            assert_eq!(answer.refusal(), (400, "malformed".to_owned()), "{body}: {}", answer.text());
            assert!(answer.json()["message"].as_str().is_some_and(|said| said.starts_with(message)), "{body}: {}", answer.text());
            assert!(!answer.text().contains(&text), "{}", answer.text());
            // the same in the middle of a batch, with the place
            let in_batch = message.strip_prefix("The body: ").map_or(format!("items[1].{message}"), |what| format!("items[1]: {what}"));
            let answer = bench.batch(json!([{ "secretKey": text }, body, { "secretKey": text }]));
            assert_eq!(answer.refusal(), (400, "malformed".to_owned()), "{body}: {}", answer.text());
            assert!(answer.json()["message"].as_str().is_some_and(|said| said.starts_with(&in_batch)), "{body}: {}", answer.text());
            assert!(!answer.text().contains(&text), "{}", answer.text());
        }
        let near = bench.answer(json!({ "secretKey": text, "demands": { "rights": ["canViewOtherComputer"] } })).json();
        assert_eq!(near["accepted"][0], COMPUTERS);
        assert_eq!(bench.uses(id), (0, 5), "nothing was counted");
        // just within
        assert_eq!(bench.code(json!({ "secretKey": text, "demands": { "rights": many(COMPUTERS, 200), "apiTypes": [] , "match": "any", "role": null } })), "VALID");
    }

    /// Each of many questions is answered in its place, as if it had come by itself.
    fn many_are_answered_in_their_order(app: TestApp) {
        let bench = Bench::set(&app);
        let (id, counted) = bench.key("counted", json!({ "constraints": { "remainingUses": 3 } }));
        let (_, quick) = bench.key("quick", json!({ "constraints": { "callsPerMinute": 2 } }));
        let (_, once) = bench.key("once", json!({ "constraints": { "remainingUses": 1, "callsPerMinute": 1 } }));
        let (_, plain) = bench.key("plain", json!({}));
        let one = |held: &str| json!({ "secretKey": held });
        let lacking = json!({ "secretKey": counted, "demands": { "rights": [CREATE] } });
        let items = json!([one(&plain), one(&wrong(id)), one(&counted), lacking, one(&counted), one(&quick), one(&once), one(&quick), one(&quick), one(&once), one(&counted), one(&counted), one("")]);
        assert_eq!(bench.codes(items), [
            "VALID", "NOT_FOUND", "VALID", "INSUFFICIENT_RIGHTS", "VALID", "VALID", "VALID", "VALID", "RATE_LIMITED", "USAGE_EXCEEDED", "VALID", "USAGE_EXCEEDED", "NOT_FOUND",
        ]);
        assert_eq!(bench.uses(id), (3, 0));
        assert_eq!(bench.codes(json!([])), Vec::<String>::new());
        // the last use of all is one's, in a batch too
        let (_, last) = bench.key("last", json!({ "constraints": { "remainingUses": 1 } }));
        let answer = bench.batch(json!([one(&last), one(&last)])).expect(200).json();
        assert_eq!((&answer["results"][0]["code"], &answer["results"][0]["remainingUses"], &answer["results"][1]["code"]), (&json!("VALID"), &json!(0), &json!("USAGE_EXCEEDED")));
    }

    /// A thousand questions are taken, and one more is refused by number; so are a body of ten megabytes and a list of
    /// nothing that would fill the memory.
    fn a_thousand_are_taken_and_one_more_is_not(app: TestApp) {
        let bench = Bench::set(&app);
        let (id, counted) = bench.key("counted", json!({ "constraints": { "remainingUses": 2_000 } }));
        let demands = json!({ "rights": [COMPUTERS], "apiTypes": [], "role": "Auditor", "tenant": "Primary", "match": "all" });
        let item = json!({ "secretKey": counted, "demands": demands, "address": "10.0.0.1" });
        let codes = bench.codes(json!(vec![item.clone(); 1_000]));
        assert!(codes.len() == 1_000 && codes.iter().all(|code| code == "VALID"));
        assert_eq!(bench.uses(id), (1_000, 1_000));
        let answer = bench.batch(json!(vec![item; 1_001]));
        assert_eq!((answer.refusal(), answer.json()["message"].clone()), ((400, "malformed".to_owned()), json!("items: at most 1000 are taken.")));
        let empties = format!("{{\"items\":[{}{{}}]}}", "{},".repeat(600_000));
        let answer = app.call("POST", "/api/apikeys/verify/batch").body(empties).key(&bench.asker).send();
        assert_eq!(answer.refusal(), (400, "malformed".to_owned()), "{}", answer.text());
        let huge = json!({ "secretKey": "9".repeat(10_000_000) });
        for path in ["/api/apikeys/verify", "/api/apikeys/verify/batch"] {
            assert_eq!(app.post(path, huge.clone()).key(&bench.asker).send().refusal(), (413, "body_too_large".to_owned()));
        }
        for (body, message) in [(json!({}), "items: a list of questions is needed."), (json!({ "items": {} }), "items: a list of at most 1000 is expected."), (json!({ "item": [] }), "The body: there is no member `item`")] {
            let answer = app.post("/api/apikeys/verify/batch", body).key(&bench.asker).send();
            assert_eq!(answer.refusal(), (400, "malformed".to_owned()));
            assert!(answer.json()["message"].as_str().is_some_and(|said| said.starts_with(message)), "{}", answer.text());
        }
        assert_eq!(bench.uses(id), (1_000, 1_000));
    }

    /// A database that goes away in the middle of a batch: 503, and no use of any key of it is gone.
    fn an_outage_half_way_takes_nothing(app: TestApp) {
        let bench = Bench::set(&app);
        let bounds = json!({ "constraints": { "remainingUses": 2, "callsPerMinute": 1 } });
        let (first, one) = bench.key("first", bounds.clone());
        let (second, other) = bench.key("second", bounds);
        let items = json!([{ "secretKey": one }, { "secretKey": other }]);
        match app.backend {
            Backend::Sqlite => {
                app.execute(&format!("create trigger away before update of remaining_uses on api_keys when new.id = {second} begin select raise(abort, 'disk I/O error'); end"));
            }
            Backend::Postgres => {
                app.execute("create function away() returns trigger language plpgsql as $$ begin raise exception 'terminating connection'; end $$");
                app.execute(&format!("create trigger away before update of remaining_uses on api_keys for each row when (new.id = {second}) execute function away()"));
            }
        }
        for _ in 0..2 {
            let answer = bench.batch(items.clone());
            assert_eq!(answer.refusal(), (503, "unavailable".to_owned()), "{}", answer.text());
            assert!(answer.header("retry-after").is_some());
        }
        assert_eq!((bench.uses(first), bench.uses(second)), ((0, 2), (0, 2)));
        app.execute(match app.backend {
            Backend::Sqlite => "drop trigger away",
            Backend::Postgres => "drop trigger away on api_keys",
        });
        assert_eq!(bench.codes(items), ["VALID", "VALID"], "nor did it count towards their pace");
        assert_eq!((bench.uses(first), bench.uses(second)), ((1, 1), (1, 1)));
    }

    /// T-20: what a gateway asks and what a service asks is judged by the same rules: every demand that both can make.
    fn a_service_is_told_what_a_gateway_is(app: TestApp) {
        let bench = Bench::set(&app);
        let (_, text) = bench.key("typed", json!({ "roleID": 1, "constraints": { "apiTypes": ["logRetrieval", TYPE], "networks": { "deny": ["127.0.0.9"] } } }));
        let from = |last: u8| IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
        let lists: [&[&str]; 4] = [&[], &[COMPUTERS], &[CREATE], &[COMPUTERS, CREATE]];
        let types: [&[&str]; 4] = [&[], &["logRetrieval"], &[TYPE], &["logRetrieval", TYPE, "none"]];
        for rights in lists {
            for api_types in types {
                for matching in ["all", "any"] {
                    for role in ["Full Access", "Auditor"] {
                        for last in [1, 9] {
                            let mut query = format!("match={matching}&role={}", role.replace(' ', "+"));
                            for (name, list) in [("right", rights), ("apiType", api_types)] {
                                if !list.is_empty() {
                                    query.push_str(&format!("&{name}={}", list.join(",")));
                                }
                            }
                            let gateway = crate::verify::asked(&app, &query, &text).send_from(from(last));
                            let gateway = if gateway.status == 200 { "VALID".to_owned() } else { crate::verify::told(&gateway).1 };
                            let demands = json!({ "rights": rights, "apiTypes": api_types, "role": role, "match": matching });
                            assert_eq!(bench.code(json!({ "secretKey": text, "demands": demands, "address": from(last).to_string() })), gateway, "{query}");
                        }
                    }
                }
            }
        }
    }
}
