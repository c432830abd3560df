//! What a key that ends or is bounded cannot bring about, because its effect would last longer, or be bounded less.

use serde_json::{Value, json};

use super::{IN, assert_refusal, made};
use crate::app::{PASSWORD, START, Session, TestApp, secret};
use crate::both;
use crate::http::Answer;
use crate::profiles::{self, TREND, trend};

const DAY: i64 = 86_400_000;
const VIEW_CONTACTS: &str = "platformRights.contactRights.canViewContacts";
const CREATE_CONTACTS: &str = "platformRights.contactRights.canCreateNewContacts";

/// A key of Full Access, with more besides.
fn key(app: &TestApp, maker: &str, name: &str, more: Value) -> String {
    let mut body = json!({ "keyName": name, "roleID": 1 });
    body.as_object_mut().expect("members").extend(more.as_object().expect("members").clone());
    secret(&made(app, maker, body))
}

/// Every way in which a key of Full Access can be limited, its uses and an issuer aside.
fn limits() -> [(&'static str, Value); 5] {
    [
        ("ends", json!({ "expiryDate": START.millis() + 2 * 60_000 })),
        ("networks", json!({ "constraints": { "networks": { "allow": ["127.0.0.0/8"] } } })),
        ("windows", json!({ "constraints": { "windows": [{ "days": ["sat"], "from": "00:00", "to": "24:00" }] } })),
        ("uses", json!({ "constraints": { "remainingUses": 1_000 } })),
        ("pace", json!({ "constraints": { "callsPerMinute": 1_000 } })),
    ]
}

const REFUSED: (u16, &str) = (403, "beyond_caller");

both! {
    /// T-03, T-04: what a role or an API type has more is had by whoever bears it, for good and from anywhere: neither
    /// a key that ends nor one that is bounded in any way adds to one. One that is limited by nothing does.
    fn a_limited_key_strengthens_nobody(app: TestApp) {
        let full = app.full_key();
        let role = app.role("Small", &[VIEW_CONTACTS]);
        let api_type = json!({ "name": "small", "title": "t", "needsAuthorization": false, "rights": [VIEW_CONTACTS] });
        let api_type = app.post("/api/apitypes", api_type).key(&full).send().expect(200).json()["ID"].clone();
        let rights = json!({ "platformRights": { "contactRights": { "canCreateNewContacts": true } } });
        let changes = [
            (format!("/api/administratorroles/{role}"), json!({ "rights": rights })),
            (format!("/api/roles/{role}"), json!({ "rights": rights })),
            (format!("/api/roles/{role}"), json!({ "allComputers": true })),
            (format!("/api/roles/{role}"), json!({ "computerIDs": [7] })),
            (format!("/api/roles/{role}"), json!({ "allowUserInterface": true })),
            (format!("/api/roles/{role}"), json!({ "allowWebService": true })),
            (format!("/api/apitypes/{api_type}"), json!({ "rights": [VIEW_CONTACTS, CREATE_CONTACTS] })),
        ];
        app.execute(&format!("update roles set allow_web_service = false, allow_user_interface = false, all_computers = false where id = {role}"));
        for (limit, more) in limits() {
            let limited = key(&app, &full, limit, more);
            for (path, body) in &changes {
                let answer = app.post(path, body.clone()).key(&limited).send();
                assert_refusal(answer.refusal(), REFUSED);
                assert!(answer.text().contains("it cannot add to"), "{limit} {path} {body}: {}", answer.text());
            }
            // a name is nobody's strength
            app.post(&format!("/api/roles/{role}"), json!({ "description": limit })).key(&limited).send().expect(200);
            // nor are people and tenants to be had from it
            let person = json!({ "username": "x", "password": PASSWORD, "roleID": 2 });
            assert_refusal(app.post("/api/administrators", person).key(&limited).send().refusal(), REFUSED);
        }
        // a key that is bound to whoever issued it is limited too
        let session = app.sign_in();
        let bound = app.post("/api/apikeys", json!({ "keyName": "bound", "lifecycle": { "profileID": 3 } })).with(&session).send().expect(200).json();
        for (maker, expected) in [(&secret(&bound), REFUSED), (&full, IN)] {
            for (path, body) in &changes {
                assert_refusal(app.post(path, body.clone()).key(maker).send().refusal(), expected);
            }
        }
    }

    /// T-03: a key that ends loosens no bound of one that lasts longer, one that is bounded none of one that is not
    /// bounded as much; by either route. To make a bound narrower is everybody's.
    fn a_limited_key_loosens_no_bound(app: TestApp) {
        let full = app.full_key();
        let bounds = json!({
            "networks": { "allow": ["127.0.0.0/24"], "deny": ["127.0.0.9"] }, "callsPerMinute": 500, "remainingUses": 50,
            "windows": [{ "days": ["sat"], "from": "08:00", "to": "20:00" }], "notBefore": START.millis() + DAY,
        });
        let victim = made(&app, &full, json!({ "keyName": "victim", "roleID": 2, "constraints": bounds }));
        let near = made(&app, &full, json!({ "keyName": "near", "roleID": 2, "constraints": bounds, "notBefore": null, "expiryDate": START.millis() + 2 * DAY }));
        let looser = [
            json!({ "networks": null }),
            json!({ "networks": { "allow": ["127.0.0.0/8"], "deny": ["127.0.0.9"] } }),
            json!({ "networks": { "allow": ["127.0.0.0/24"] } }),
            json!({ "callsPerMinute": null }),
            json!({ "callsPerMinute": 501 }),
            json!({ "remainingUses": null }),
            json!({ "remainingUses": 51 }),
            json!({ "windows": null }),
            json!({ "windows": [] }),
            json!({ "windows": [{ "days": ["sat", "sun"], "from": "08:00", "to": "20:00" }] }),
            json!({ "notBefore": null }),
            json!({ "notBefore": START.millis() + 1 }),
        ];
        let stored = || app.texts("select networks || windows || coalesce(cast(remaining_uses as text), '-') || coalesce(cast(calls_per_minute as text), '-') || coalesce(cast(not_before as text), '-') as t from api_keys where key_name = 'victim'");
        let before = stored();
        let path = |key: &Value| format!("/api/apikeys/{}", key["ID"]);
        for (limit, more) in limits().into_iter().filter(|(limit, _)| ["ends", "uses"].contains(limit)) {
            let limited = key(&app, &full, limit, more);
            for constraints in &looser {
                let change = app.post(&path(&victim), json!({ "constraints": constraints })).key(&limited).send();
                assert_refusal(change.refusal(), REFUSED);
                let ensure = app.call("PUT", "/api/apikeys/by-name/victim").json(json!({ "roleID": 2, "constraints": constraints }));
                // there a number of uses that is no lower is no other: some may have been made
                let expected = if constraints["remainingUses"].is_number() { IN } else { REFUSED };
                assert_refusal(ensure.key(&limited).send().refusal(), expected);
            }
            assert_eq!(stored(), before, "{limit}");
        }
        // one that is bounded otherwise loosens none of a key that is not bounded in the same way
        for (name, constraints) in [("free of networks", json!({ "callsPerMinute": 5 })), ("free of pace", json!({ "networks": { "allow": ["127.0.0.0/8"] } }))] {
            let other = made(&app, &full, json!({ "keyName": name, "roleID": 2, "constraints": constraints }));
            let none: Value = constraints.as_object().expect("members").keys().map(|member| (member.clone(), Value::Null)).collect();
            for maker in if name == "free of pace" { ["pace of bounded", "windows of bounded"] } else { ["networks of bounded", "windows of bounded"] } {
                let limit = maker.split_once(' ').expect("two words").0;
                let more = limits().into_iter().find(|(known, _)| *known == limit).expect("a limit").1;
                let limited = key(&app, &full, &format!("{maker} {name}"), more);
                let change = app.post(&path(&other), json!({ "constraints": none })).key(&limited).send();
                assert_refusal(change.refusal(), REFUSED);
            }
        }
        let ending = key(&app, &full, "ending", json!({ "expiryDate": START.millis() + 3 * DAY }));
        // what ends before it, it may loosen: nothing of that outlasts it
        assert_refusal(app.post(&path(&near), json!({ "constraints": { "networks": null } })).key(&ending).send().refusal(), IN);
        let narrower = json!({ "networks": { "allow": ["127.0.0.0/25"], "deny": ["127.0.0.9"] }, "callsPerMinute": 4, "remainingUses": 3, "notBefore": START.millis() + 2 * DAY });
        assert_refusal(app.post(&path(&victim), json!({ "constraints": narrower })).key(&ending).send().refusal(), IN);
    }

    /// What an authorization gives ends with it: a key for API types makes keys for some of the same, and of its own
    /// profile, so that the authorization is needed for those too; on every way on which a key is made, and where one
    /// lays hands on another.
    fn what_an_authorization_gave_ends_with_it(app: TestApp) {
        let (full, session) = (app.full_key(), app.sign_in());
        let rights = ["platformRights.apikeyRights.canCreateNewApiKeys", "platformRights.apikeyRights.canEditApiKeyProperties", VIEW_CONTACTS];
        for (name, needs) in [("minting", true), ("other", false)] {
            let body = json!({ "name": name, "title": "t", "needsAuthorization": needs, "rights": rights });
            app.post("/api/apitypes", body).key(&full).send().expect(200);
        }
        let small = app.role("Viewer", &[VIEW_CONTACTS]);
        let typed = made(&app, &full, json!({ "keyName": "typed", "roleID": 1, "constraints": { "apiTypes": ["minting"] } }));
        let authorize = |key: &Value| {
            let body = json!({ "apiType": "minting", "password": PASSWORD });
            app.post(&format!("/api/apikeys/{}/authorizations", key["ID"]), body).with(&session).send().expect(200);
        };
        authorize(&typed);
        let victim = made(&app, &full, json!({ "keyName": "victim", "roleID": small }));
        let by = |call: crate::app::Call<'_>| call.key(&secret(&typed)).send();
        let with = |constraints: Value| json!({ "keyName": "child", "roleID": small, "constraints": constraints });
        let loose = [with(json!({})), with(json!({ "apiTypes": [] })), with(json!({ "apiTypes": ["other"] })), with(json!({ "apiTypes": ["minting", "other"] }))];
        let rows = app.rows();
        for body in &loose {
            for call in [
                app.post("/api/apikeys", body.clone()),
                app.call("PUT", "/api/apikeys/by-name/child").json(body.clone()),
                app.post("/api/claims", body.clone()),
            ] {
                let answer = by(call);
                assert_refusal(answer.refusal(), REFUSED);
                assert!(answer.text().contains("constraints.apiTypes"), "{}", answer.text());
            }
        }
        let imported = by(app.post("/api/apikeys/import", json!({ "apiKeys": [{ "keyName": "k", "roleID": small }] })));
        assert_refusal(imported.refusal(), (400, "import_refused"));
        assert!(imported.text().contains("constraints.apiTypes"), "{}", imported.text());
        assert_refusal(by(app.call("POST", &format!("/api/apikeys/{}/secretkey", victim["ID"]))).refusal(), REFUSED);
        app.assert_rows(&rows, "refused");
        let child = by(app.post("/api/apikeys", with(json!({ "apiTypes": ["minting"] })))).expect(200).json();
        assert_refusal(app.get("/api/contacts").key(&secret(&child)).send().refusal(), (403, "authorization_pending"));
        // a claim that was made in time is of no use afterwards either
        let claim = json!({ "keyName": "claimed", "roleID": small, "constraints": { "apiTypes": ["minting"] } });
        let claim = by(app.post("/api/claims", claim)).expect(200).json();
        app.delete(&format!("/api/apikeys/{}/authorizations/minting", typed["ID"])).with(&session).send().expect(204);
        let redeemed = app.post("/api/claims/redeem", json!({ "code": claim["code"] })).send();
        assert_refusal(redeemed.refusal(), (403, "claim_maker_refused"));
        assert_refusal(app.get("/api/contacts").key(&secret(&child)).send().refusal(), (403, "authorization_pending"));
    }

    /// A pace that a profile sets is not shaken off by a key of another profile, nor by another pace of the same one.
    fn a_pace_is_not_shaken_off(app: TestApp) {
        let full = app.full_key();
        let paced = profiles::made(&app, &full, json!({ "name": "Paced", "callsPerMinute": { "key": 500 } }));
        let minter = key(&app, &full, "minter", json!({ "lifecycle": { "profileID": paced } }));
        let other = made(&app, &full, json!({ "keyName": "other", "roleID": 2 }));
        let mint = |lifecycle: Value| app.post("/api/apikeys", json!({ "keyName": format!("k{lifecycle}"), "roleID": 2, "lifecycle": lifecycle })).key(&minter).send();
        let refused = |answer: Answer| {
            assert_refusal(answer.refusal(), REFUSED);
            assert!(answer.text().contains("lifecycle.profileID"), "{}", answer.text());
        };
        refused(mint(json!({})));
        refused(mint(json!({ "profileID": 1 })));
        refused(app.post("/api/claims", json!({ "keyName": "c", "roleID": 2 })).key(&minter).send());
        refused(app.call("PUT", "/api/apikeys/by-name/e").json(json!({ "roleID": 2 })).key(&minter).send());
        let imported = app.post("/api/apikeys/import", json!({ "apiKeys": [{ "keyName": "i", "roleID": 2 }] })).key(&minter).send();
        assert_refusal(imported.refusal(), (400, "import_refused"));
        assert!(imported.text().contains("lifecycle.profileID"), "{}", imported.text());
        refused(app.call("POST", &format!("/api/apikeys/{}/secretkey", other["ID"])).key(&minter).send());
        let blue = app.tenant("Blue");
        refused(app.post(&format!("/api/tenants/{blue}/apikeys"), json!({ "keyName": "t" })).key(&minter).send());
        // nor is the pace itself raised by it, or by a key that ends, where keys have the profile
        let ending = key(&app, &full, "ending", json!({ "expiryDate": START.millis() + DAY }));
        app.clock.advance(1);
        for limited in [&minter, &ending] {
            for calls in [json!({ "key": null }), json!({ "key": 501 }), json!({ "window": "fromFirstCall" }), Value::Null] {
                let answer = profiles::change(&app, limited, paced, json!({ "callsPerMinute": calls }));
                assert_refusal(answer.refusal(), REFUSED);
            }
            profiles::change(&app, limited, paced, json!({ "callsPerMinute": { "key": 499 } })).expect(200);
            profiles::change(&app, &full, paced, json!({ "callsPerMinute": { "key": 500 } })).expect(200);
        }
        mint(json!({ "profileID": paced })).expect(200);
        // as Trend Micro Cloud App Security has them: paced and for API types, and so are those that they make
        let mut token = trend("External applications", json!(["logRetrieval"]));
        token["lifecycle"] = json!({ "profileID": TREND });
        let token = key(&app, &full, "token", token);
        assert_eq!(app.post("/api/apikeys", json!({ "keyName": "k", "roleID": 2 })).key(&token).send().status, 403);
    }

    /// A calendar's URL opens it from anywhere: a bounded key has none, and one that was bounded later shows it only
    /// where, when and as long as the key itself would be let in; elsewhere the answer is that to a secret that never
    /// was.
    fn a_calendar_is_bounded_as_its_key(app: TestApp) {
        let full = app.full_key();
        let rows = app.count("select count(*) as n from calendars");
        for (limit, more) in limits() {
            let limited = key(&app, &full, limit, more);
            let made = app.call("POST", "/api/calendar").key(&limited).send();
            match limit {
                "ends" => drop(made.expect(200)),
                _ => assert_refusal(made.refusal(), REFUSED),
            }
        }
        assert_eq!(app.count("select count(*) as n from calendars"), rows + 1, "one that ends takes its calendar with it");
        let owner = made(&app, &full, json!({ "keyName": "owner", "roleID": 1 }));
        let url = app.call("POST", "/api/calendar").key(&secret(&owner)).send().expect(200).json()["url"].as_str().expect("a URL").to_owned();
        let unknown = crate::stored::without_trace(&app.get(&format!("/api/calendar/{}.ics", "0".repeat(32))).send().expect(404));
        let bind = |constraints: Value| app.post(&format!("/api/apikeys/{}", owner["ID"]), json!({ "constraints": constraints })).key(&full).send().expect(200);
        let none = json!({ "networks": null, "windows": null, "remainingUses": null });
        for (constraints, here, there) in [
            (json!({ "networks": { "allow": ["127.0.0.8/30"] } }), false, true),
            (json!({ "networks": { "deny": ["127.0.0.9"] } }), true, false),
            (json!({ "windows": [{ "days": ["sun"], "from": "00:00", "to": "24:00" }] }), false, false),
            (json!({ "windows": [{ "days": ["sat"], "from": "00:00", "to": "24:00" }] }), true, true),
            (json!({ "remainingUses": 5 }), false, false),
            (json!({ "networks": null }), true, true),
        ] {
            bind(constraints.clone());
            for (from, shown) in [("127.0.0.1", here), ("127.0.0.9", there)] {
                let answer = app.get(&url).send_from(from.parse().expect("an address"));
                match shown {
                    true => drop(answer.expect(200)),
                    false => assert_eq!(crate::stored::without_trace(&answer.expect(404)), unknown, "{constraints} {from}"),
                }
            }
            bind(none.clone());
        }
        // whoever's it is, a person's is bounded by nothing
        let session = Session::from(&app.try_sign_in(crate::app::ADMIN, PASSWORD).expect(200));
        app.call("POST", "/api/calendar").with(&session).send().expect(200);
    }
}
