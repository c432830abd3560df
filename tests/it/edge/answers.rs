//! What an edge answers is what the server answers.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};

use super::{Beside, HOUR, read};
use crate::app::{Call, PASSWORD, START, Session, TestApp, secret};
use crate::both;
use crate::profiles::{MICROSOFT, TREND, mint_under, trend};
use crate::verify::{asked, introspection, is, told};

const COMPUTERS: &str = "platformRights.computerRights.canViewOtherComputers";
const CREATE: &str = "platformRights.apikeyRights.canCreateNewApiKeys";
const DAY: i64 = 24 * HOUR;

fn minted(app: &TestApp, full: &str, name: &str, more: Value) -> (i64, String) {
    let mut body = json!({ "keyName": name, "roleID": 2 });
    body.as_object_mut().expect("members").extend(more.as_object().expect("members").clone());
    let key = app.post("/api/apikeys", body).key(full).send().expect(200).json();
    (key["ID"].as_i64().expect("an ID"), secret(&key))
}

fn wrong(id: i64) -> String {
    format!("{id}:{}=", "A".repeat(43))
}

both! {
    /// Keys of every kind, each asked about at the server and at the edge, from two addresses, with all sorts of demands, at
    /// several moments: status, headers and words are the same.
    fn an_edge_says_what_the_server_says(app: TestApp) {
        let full = app.full_key();
        let mint = |name: &str, more: Value| minted(&app, &full, name, more);
        let constrained = |name: &str, constraints: Value| mint(name, json!({ "constraints": constraints })).1;
        let mut secrets: Vec<String> = vec![full.clone(), "garbage".into(), wrong(1), wrong(2_000_000_000)];
        let (plain, text) = mint("plain", json!({}));
        secrets.extend([text, wrong(plain)]);
        secrets.push(mint("Schlüssel für 東京", json!({ "expiryDate": START.millis() + 2 * HOUR })).1);
        secrets.push(mint("ends soon", json!({ "expiryDate": START.millis() + 120_000 })).1);
        secrets.push(mint("locked", json!({ "active": false })).1);
        let (revoked, text) = mint("revoked", json!({}));
        app.delete(&format!("/api/apikeys/{revoked}")).key(&full).send().expect(204);
        secrets.extend([text, wrong(revoked)]);
        secrets.push(constrained("later", json!({ "notBefore": START.millis() + HOUR })));
        secrets.push(constrained("there", json!({ "networks": { "allow": ["127.0.0.0/30"], "deny": ["127.0.0.1"] } })));
        secrets.push(mint("on saturdays until one", json!({ "timeZone": "UTC", "constraints": { "windows": [{ "days": ["sat"], "from": "11:00", "to": "13:00" }] } })).1);
        secrets.push(mint("on mondays, in Japan", json!({ "timeZone": "Asia/Tokyo", "constraints": { "windows": [{ "days": ["mon"], "from": "00:00", "to": "24:00" }] } })).1);
        // in rotation, by hand and by itself
        let rotated = |name: &str, body: Value| {
            let (id, older) = mint(name, json!({}));
            let newer = secret(&app.post(&format!("/api/apikeys/{id}/secretkey"), body).key(&full).send().expect(200).json());
            [older, newer]
        };
        secrets.extend(rotated("replaced at once", json!({})));
        secrets.extend(rotated("with an overlap", json!({ "overlap": "90m" })));
        // API types, one of which waits
        let external = |types: Value| secret(&mint_under(&app, &full, TREND, trend("External applications", types)).expect(200).json());
        secrets.push(external(json!(["logRetrieval"])));
        secrets.push(external(json!(["logRetrieval", "threatMitigationUserAccount"])));
        // with the rights of an issuer, who is locked out later
        let issuer = app.administrator("issuer", PASSWORD, 1, 0);
        let session = Session::from(&app.try_sign_in("issuer", PASSWORD).expect(200));
        let body = json!({ "keyName": "an issuer's", "lifecycle": { "profileID": MICROSOFT } });
        secrets.push(secret(&app.post("/api/apikeys", body).with(&session).send().expect(200).json()));
        let shut = app.role("Shut out", &[]);
        secrets.push(mint("without web service", json!({ "roleID": shut })).1);
        app.execute(&format!("update roles set allow_web_service = false where id = {shut}"));

        let beside = Beside::new(&app);
        beside.refresh().expect("a snapshot").expect("the first");
        let queries = [
            String::new(), format!("right={COMPUTERS}"), format!("right={CREATE}"), format!("right={COMPUTERS},{CREATE}&match=any"),
            "role=Auditor".into(), "role=Full%20Access".into(), "tenant=primary".into(), "tenant=acme".into(), "apiType=logRetrieval".into(),
            "apiType=threatMitigationUserAccount".into(), "right=none".into(), "x".into(),
        ];
        let mut codes = BTreeSet::new();
        let mut walk = |secrets: &[String]| for text in secrets {
            for query in &queries {
                codes.insert(beside.same(asked(&app, query, text), None).1);
            }
            codes.insert(beside.same(asked(&app, "", text), Some(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)))).1);
        };
        walk(&secrets);
        app.clock.advance(59 * 60_000);
        walk(&secrets);
        beside.refresh().expect("a snapshot");
        app.clock.advance(60_000);
        walk(&secrets);
        app.post(&format!("/api/administrators/{issuer}"), json!({ "active": false })).key(&full).send().expect(200);
        beside.refresh().expect("a snapshot").expect("another");
        app.clock.advance(31 * 60_000);
        walk(&secrets);
        let expected = ["", "ADDRESS_REFUSED", "AUTHORIZATION_PENDING", "EXPIRED", "INSUFFICIENT_RIGHTS", "ISSUER_DISABLED", "LOCKED", "NOT_FOUND", "NOT_YET_VALID", "OUTSIDE_WINDOW", "REVOKED", "UNKNOWN_DEMAND"];
        assert_eq!(codes.iter().map(String::as_str).collect::<Vec<_>>(), expected);
        // where a key stands in the head, and what else a head may hold
        let text = &secrets[4];
        for call in [
            app.get("/auth/verify"),
            app.get("/auth/verify").header("Authorization", &format!("Bearer {text}")),
            app.get("/auth/verify").header("Authorization", "Basic eDp5"),
            app.get("/auth/verify").header("X-API-Key", text).key(text),
            app.get("/auth/verify").header("X_Firstkey_Role", "1").key(text),
            app.call("DELETE", "/auth/verify").key(text).body("{"),
            app.get("/healthz"),
        ] {
            beside.same(call, None);
        }
        for (method, path, status) in [("GET", "/readyz", 200), ("GET", "/api/apikeys", 404), ("GET", "/api/snapshot", 404), ("POST", "/healthz", 405), ("GET", "/", 404)] {
            let answer = beside.send(&app.call(method, path).key(&full).request, None);
            assert_eq!(answer.status, status, "{method} {path}: {}", answer.text());
        }
    }

    /// Programs are answered in JSON and by introspection as the server answers them, and so are those who may not ask.
    fn programs_are_answered_as_by_the_server(app: TestApp) {
        let full = app.full_key();
        let mint = |name: &str, more: Value| minted(&app, &full, name, more);
        let (plain, text) = mint("plain", json!({}));
        let mut secrets = vec![full.clone(), "garbage".into(), wrong(plain), wrong(2_000_000_000), text];
        secrets.push(mint("ends", json!({ "expiryDate": START.millis() + HOUR })).1);
        secrets.push(mint("locked", json!({ "active": false })).1);
        let (revoked, text) = mint("revoked", json!({}));
        app.delete(&format!("/api/apikeys/{revoked}")).key(&full).send().expect(204);
        secrets.push(text);
        secrets.push(mint("there", json!({ "constraints": { "networks": { "allow": ["10.1.0.0/16"] } } })).1);
        // of a profile that bounds calls a minute
        let typed = secret(&mint_under(&app, &full, TREND, trend("External applications", json!(["logRetrieval"]))).expect(200).json());
        let counted = mint("counted", json!({ "constraints": { "remainingUses": 9 } })).1;
        let bare = secret(&app.mint("may nothing", app.role("Nothing", &[])));

        let beside = Beside::new(&app);
        beside.refresh().expect("a snapshot").expect("the first");
        let demands = [
            json!({}), json!({ "rights": [COMPUTERS] }), json!({ "rights": [COMPUTERS, CREATE], "match": "any" }),
            json!({ "apiTypes": ["logRetrieval"] }), json!({ "role": "Auditor" }), json!({ "tenant": "acme" }),
            json!({ "rights": ["computerRights"] }), json!({ "right": [COMPUTERS] }),
        ];
        let mut codes = BTreeSet::new();
        let mut ask = |call: Call<'_>| {
            codes.insert(beside.answered(call, None).json()["code"].as_str().unwrap_or_default().to_owned());
        };
        for turn in 0..2 {
            let mut items = Vec::new();
            for (text, demands) in secrets.iter().flat_map(|text| demands.iter().map(move |demands| (text, demands))) {
                let body = json!({ "secretKey": text, "demands": demands, "address": "10.0.0.7" });
                ask(app.post("/api/apikeys/verify", body.clone()).key(&full));
                items.extend((demands["rights"] != json!(["computerRights"]) && demands.get("right").is_none()).then_some(body));
            }
            ask(app.post("/api/apikeys/verify/batch", json!({ "items": items })).key(&full));
            let refused = json!({ "items": [{ "secretKey": full }, { "secretKey": 1 }] });
            ask(app.post("/api/apikeys/verify/batch", refused).key(&full));
            ask(app.post("/api/apikeys/verify/batch", json!({ "items": vec![json!({ "secretKey": "x" }); 1_001] })).key(&full));
            ask(app.post("/api/apikeys/verify", json!({ "secretKey": typed, "demands": demands[3] })).key(&full));
            let form = |text: &String| format!("token={}&address=10.0.0.7", text.replace('+', "%2B"));
            for form in secrets.iter().chain([&typed]).map(form).chain(["".into(), "token=a&tokens=b".into()]) {
                ask(introspection::asking(&app, &form).key(&full));
            }
            if turn == 0 {
                app.clock.advance(HOUR - 1_000);
                beside.refresh().expect("a snapshot");
                app.clock.advance(1_000);
            }
        }
        let expected = ["", "ADDRESS_REFUSED", "EXPIRED", "INSUFFICIENT_RIGHTS", "LOCKED", "NOT_FOUND", "REVOKED", "VALID"];
        assert!(expected.iter().all(|code| codes.contains(*code)), "{codes:?}");

        // who asks
        let question = || app.post("/api/apikeys/verify", json!({ "secretKey": full }));
        for call in [
            question(),
            question().key("garbage"),
            question().key(&wrong(plain)),
            question().key(&bare),
            question().key(&full).header("Authorization", &format!("Bearer {full}")),
            question().header("Authorization", "Basic eDp5"),
            question().header("api-version", "v9").key(&full),
            app.call("POST", "/api/apikeys/verify").key(&full).body("{"),
            app.call("GET", "/api/apikeys/verify/batch").key(&full),
        ].into_iter().chain(secrets.iter().skip(4).map(|text| question().key(text))) {
            beside.same(call, None);
        }
        let refused = beside.send(&question().key(&counted).request, None);
        assert_eq!((refused.status, refused.json()["code"].as_str()), (403, Some("usage_exceeded")));
    }

    /// What is counted once and for all can be counted in one place only: the edge says so, and the authority's count
    /// stays. Calls a minute are counted where they are made.
    fn what_is_counted_is_counted_where_it_can_be(app: TestApp) {
        let full = app.full_key();
        let (_, twice) = minted(&app, &full, "twice", json!({ "constraints": { "remainingUses": 2 } }));
        let (_, slowly) = minted(&app, &full, "slowly", json!({ "constraints": { "callsPerMinute": 2 } }));
        let beside = Beside::new(&app);
        beside.refresh().expect("a snapshot");
        let refused = beside.asked("", &twice);
        assert_eq!(told(&refused), is(403, "USAGE_EXCEEDED"));
        assert!(refused.text().contains("counted by the server that issued it"), "{}", refused.text());
        assert_eq!(told(&beside.asked(&format!("right={CREATE}"), &twice)), is(403, "INSUFFICIENT_RIGHTS"));
        for expected in [is(200, ""), is(200, ""), is(403, "USAGE_EXCEEDED")] {
            assert_eq!(told(&asked(&app, "", &twice).send()), expected);
        }
        for expected in [is(200, ""), is(200, ""), is(403, "RATE_LIMITED")] {
            assert_eq!(told(&beside.asked("", &slowly)), expected);
        }
        assert!(beside.asked("", &slowly).header("retry-after").is_some());
        assert_eq!(told(&asked(&app, "", &slowly).send()), is(200, ""), "the server counts its own");
        app.clock.advance(61_000);
        assert_eq!(told(&beside.asked("", &slowly)), is(200, ""));
    }

    /// The older of two secrets whose end moves with its use ends at the edge when it would end unused: never later than
    /// at the server.
    fn an_end_that_moves_is_taken_as_it_was(app: TestApp) {
        let full = app.full_key();
        let (id, older) = minted(&app, &full, "moving", json!({}));
        let body = json!({ "overlap": "1d", "finishWhenSilentFor": "30m" });
        let newer = secret(&app.post(&format!("/api/apikeys/{id}/secretkey"), body).key(&full).send().expect(200).json());
        let beside = Beside::new(&app);
        beside.refresh().expect("a snapshot");
        assert_eq!(beside.same(asked(&app, "", &older), None), is(200, ""));
        app.clock.advance(20 * 60_000);
        asked(&app, "", &older).send().expect(200);
        app.clock.advance(10 * 60_000);
        assert_eq!(told(&asked(&app, "", &older).send()), is(200, ""));
        assert_eq!(told(&beside.asked("", &older)), is(401, "NOT_FOUND"));
        assert_eq!(beside.same(asked(&app, "", &newer), None), is(200, ""));
        // the next snapshot knows of the use
        beside.refresh().expect("a snapshot").expect("half of its time is over");
        assert_eq!(beside.same(asked(&app, "", &older), None), is(200, ""));
    }

    /// T-02, T-23: a tenant's snapshot has its own keys and nobody else's, the primary tenant's too; each is signed with a
    /// key of its own, and by the tenant's URL only its keys are found.
    fn a_tenants_edge_knows_its_own_keys_alone(app: TestApp) {
        let full = app.full_key();
        let administrator = json!({ "username": "acme", "password": "another horse battery", "emailAddress": "a@example.com" });
        let tenant = app.post("/api/tenants", json!({ "name": "Acme", "administrator": administrator })).key(&full).send().expect(200).json();
        let path = format!("/api/tenants/{}/apikeys", tenant["ID"]);
        let theirs = secret(&app.post(&path, json!({ "keyName": "acmes own" })).key(&full).send().expect(200).json());
        let guid = theirs.split(':').next().expect("a GUID").to_owned();
        let (texts, pair) = ((read(&app, &full), read(&app, &theirs)), (Beside::new(&app), Beside::with(&app, &theirs, &guid, DAY, None)));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(!text(&texts.0).contains("acme") && text(&texts.1).contains("acmes own") && !text(&texts.1).contains("\"full\""));
        let (ours, acmes) = pair;
        ours.refresh().expect("a snapshot");
        acmes.refresh().expect("a snapshot");
        assert_eq!(ours.same(asked(&app, "", &full), None), is(200, ""));
        assert_eq!(acmes.same(asked(&app, "tenant=Acme", &theirs), None), is(200, ""));
        for (edge, text) in [(&ours, &theirs), (&acmes, &full)] {
            assert_eq!(told(&edge.asked("", text)), is(401, "NOT_FOUND"));
        }
        let bare = theirs.strip_prefix(&format!("{guid}:")).expect("its GUID stands in front");
        assert_eq!(acmes.same(asked(&app, "", bare), None), is(401, "NOT_FOUND"));
        // neither takes the other's
        assert!(ours.edge.take(&texts.1, app.clock.now()).is_err() && acmes.edge.take(&texts.0, app.clock.now()).is_err());
        assert_eq!(told(&ours.asked("", &full)), is(200, ""));
        // suspended, the tenant is asked nothing any more, and its edge goes on as long as it may
        app.post(&format!("/api/tenants/{}", tenant["ID"]), json!({ "tenantState": "suspended" })).key(&full).send().expect(200);
        assert_eq!(acmes.refresh().expect_err("it is shut out").to_string(), "the authority: answered 401: the API key is not valid there");
    }
}
