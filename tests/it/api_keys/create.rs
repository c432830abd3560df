//! `POST /api/apikeys`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{IN, assert_refusal, made, presented};
use crate::app::{START, TestApp, secret};
use crate::both;
use crate::sessions::guessing::at_once;

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

fn refused(app: &TestApp, maker: &str, body: Value) -> (u16, String) {
    app.post("/api/apikeys", body).key(maker).send().refusal()
}

both! {
    /// DS-31, DS-32, MC-19: the members in the documented order, compact, what has no value left out.
    fn the_answer_is_the_documented_one_byte_for_byte(app: TestApp) {
        let session = app.sign_in();
        let body = json!({ "keyName": "First Key", "roleID": 1 });
        let answer = app.post("/api/apikeys", body).with(&session).send().expect(200);
        let (key, now, zone) = (answer.json(), START.millis(), app.app.time_zone);
        let (id, secret) = (&key["ID"], secret(&key));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(
            answer.text(),
            format!(
                r#"{{"keyName":"First Key","description":"","locale":"en-US","roleID":1,"timeZone":"{zone}","active":true,"created":{now},"unsuccessfulSignInAttempts":0,"secretKey":"{secret}","serviceAccount":false,"ID":{id}}}"#
            )
        );
    }

    /// DS-28, DS-31, DS-37: every optional member is taken, and answered in its place.
    fn every_optional_member_is_taken_and_answered_in_its_place(app: TestApp) {
        let (maker, now) = (app.full_key(), START.millis());
        let expiry = now + 14 * DAY;
        let body = json!({
            "expiryDate": expiry, "active": false, "timeZone": "Asia/Tokyo", "roleID": 2, "locale": "ja-JP",
            "description": "報告書", "keyName": "報告 🔑",
        });
        let answer = app.post("/api/apikeys", body).key(&maker).send().expect(200);
        let key = answer.json();
        assert_eq!(
            answer.text(),
            format!(
                r#"{{"keyName":"報告 🔑","description":"報告書","locale":"ja-JP","roleID":2,"timeZone":"Asia/Tokyo","active":false,"created":{now},"unsuccessfulSignInAttempts":0,"expiryDate":{expiry},"secretKey":"{}","serviceAccount":false,"ID":{}}}"#,
                secret(&key), key["ID"]
            )
        );
        assert_refusal(presented(&app, &secret(&key)), (401, "api_key_locked"));
    }

    /// DS-33: `<ID>:<base64 of 32 bytes>`, the number in front is the ID, no two are alike.
    fn the_secret_has_the_documented_form(app: TestApp) {
        let maker = app.full_key();
        let mut seen = std::collections::HashSet::new();
        for n in 0..20 {
            let key = made(&app, &maker, json!({ "keyName": format!("key {n}"), "roleID": 2 }));
            let text = secret(&key);
            let (id, tail) = text.split_once(':').expect("ID, colon, secret");
            assert_eq!(id, key["ID"].to_string());
            let bytes = STANDARD.decode(tail).expect("canonical base64");
            assert_eq!((tail.len(), bytes.len()), (44, 32));
            assert!(seen.insert(bytes), "a secret came twice");
            assert_refusal(presented(&app, &text), IN);
        }
    }

    /// DS-34: no other answer ever carries the secret again.
    fn the_secret_is_shown_once(app: TestApp) {
        let maker = app.full_key();
        let key = made(&app, &maker, json!({ "keyName": "once", "roleID": 1 }));
        let tail = secret(&key).split_once(':').expect("two parts").1.to_owned();
        let item = format!("/api/apikeys/{}", key["ID"]);
        for answer in [
            app.get("/api/apikeys").key(&maker).send(),
            app.get(&item).key(&maker).send(),
            app.post(&item, json!({ "description": "x", "secretKey": "y" })).key(&maker).send(),
            app.get("/api/apikeys/current").key(&secret(&key)).send(),
        ] {
            let text = answer.expect(200).text();
            assert!(!text.contains(&tail) && !text.contains("secretKey"), "{text}");
        }
    }

    /// DS-34, T-28: the database holds a digest of the secret and the secret in no spelling.
    fn only_the_digest_is_stored(app: TestApp) {
        let key = secret(&app.mint("stored", 1));
        let tail = key.split_once(':').expect("two parts").1;
        let bytes = STANDARD.decode(tail).expect("base64");
        let rows = app.rows().join("\n");
        let hex = data_encoding::HEXLOWER.encode(&bytes);
        for spelling in [tail.to_lowercase(), hex, data_encoding::HEXLOWER.encode(tail.as_bytes())] {
            assert!(!rows.contains(&spelling), "the secret is stored as {spelling}");
        }
        let digest = Sha256::new().chain_update(b"firstkey/apikey/v1\0").chain_update(&bytes).finalize();
        assert!(rows.contains(&data_encoding::HEXLOWER.encode(&digest)));
    }

    /// DS-27, DS-29, DS-30: by session and by key; numbers and booleans may be spelt as strings.
    fn values_may_be_spelt_as_strings(app: TestApp) {
        let maker = app.full_key();
        let expiry = START.millis() + DAY;
        let body = json!({ "keyName": "spelt", "roleID": "2", "active": "true", "expiryDate": expiry.to_string() });
        let key = made(&app, &maker, body);
        assert_eq!((&key["roleID"], &key["active"], &key["expiryDate"]), (&json!(2), &json!(true), &json!(expiry)));
    }

    /// A null stands for nothing said, as the SDKs mean it.
    fn nulls_stand_for_nothing_said(app: TestApp) {
        let maker = app.full_key();
        let body = json!({
            "keyName": "nulls", "roleID": 2, "description": null, "locale": null, "timeZone": null, "active": null,
            "expiryDate": null, "lastSignIn": null, "unlockTime": null, "secretKey": null,
        });
        let key = made(&app, &maker, body);
        assert_eq!((&key["description"], &key["locale"], &key["active"]), (&json!(""), &json!("en-US"), &json!(true)));
        assert!(key.get("expiryDate").is_none() && key.get("lastSignIn").is_none() && key.get("unlockTime").is_none());
    }

    /// Names of 1 to 128 characters, descriptions of up to 1,024: counted as characters, not bytes.
    fn lengths_are_counted_in_characters(app: TestApp) {
        let maker = app.full_key();
        let long = |n: usize| "鍵".repeat(n);
        made(&app, &maker, json!({ "keyName": long(128), "roleID": 2, "description": long(1_024) }));
        for body in [
            json!({ "keyName": long(129), "roleID": 2 }),
            json!({ "keyName": "", "roleID": 2 }),
            json!({ "roleID": 2 }),
            json!({ "keyName": null, "roleID": 2 }),
            json!({ "keyName": "no role" }),
            json!({ "keyName": "long", "roleID": 2, "description": long(1_025) }),
        ] {
            assert_refusal(refused(&app, &maker, body), (400, "malformed"));
        }
        let emoji = "👩‍🚀".repeat(42);
        assert_eq!(emoji.chars().count(), 126);
        assert_eq!(made(&app, &maker, json!({ "keyName": emoji, "roleID": 2 }))["keyName"], json!(emoji));
    }

    /// NUL and control characters are refused on both databases, of which only one could store them.
    fn control_characters_are_refused(app: TestApp) {
        let maker = app.full_key();
        let before = app.rows();
        for character in ['\0', '\u{1}', '\t', '\n', '\r', '\u{1b}', '\u{7f}', '\u{85}', '\u{9f}'] {
            let text = format!("a{character}b");
            let name = json!({ "keyName": text, "roleID": 2 });
            assert_refusal(refused(&app, &maker, name), (400, "malformed"));
            let description = json!({ "keyName": "fine", "roleID": 2, "description": text });
            assert_refusal(refused(&app, &maker, description), (400, "malformed"));
            let zone = json!({ "keyName": "fine", "roleID": 2, "timeZone": text });
            assert_refusal(refused(&app, &maker, zone), (400, "unknown_time_zone"));
        }
        assert_eq!(app.rows(), before);
    }

    /// Names are unique in the tenant whatever their case and their Unicode form.
    fn a_name_is_taken_in_every_spelling(app: TestApp) {
        let maker = app.full_key();
        made(&app, &maker, json!({ "keyName": "Café Nightly", "roleID": 2 }));
        let before = app.rows();
        for name in ["Café Nightly", "café nightly", "CAFÉ NIGHTLY", "Cafe\u{301} Nightly", "Ｃafé Ｎightly", "FULL", "ｆｕｌｌ"] {
            let answer = app.post("/api/apikeys", json!({ "keyName": name, "roleID": 2 })).key(&maker).send();
            assert_refusal(answer.refusal(), (409, "name_taken"));
        }
        assert_eq!(app.rows(), before, "a refused key leaves nothing, its secret's row included");
        made(&app, &maker, json!({ "keyName": "Café  Nightly", "roleID": 2 }));
    }

    /// Eight at once ask for one name: one gets it, the others are told, nobody sees a fault.
    fn of_eight_who_want_one_name_one_gets_it(app: TestApp) {
        let maker = app.full_key();
        let body = json!({ "keyName": "wanted", "roleID": 2 });
        let mut statuses: Vec<u16> = std::thread::scope(|scope| {
            let calls: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| app.post("/api/apikeys", body.clone()).key(&maker).send().status))
                .collect();
            calls.into_iter().map(|call| call.join().expect("it answers")).collect()
        });
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409, 409, 409, 409, 409, 409, 409]);
        assert_eq!(app.count("select count(*) as n from api_keys where name_fold = 'wanted'"), 1);
        assert_eq!(app.count("select count(*) as n from audit_events where target_name = 'wanted'"), 1);
    }

    /// A role that is not there is a fault of the body, at any size of number.
    fn an_unknown_role_is_the_bodys_fault(app: TestApp) {
        let maker = app.full_key();
        let before = app.rows();
        for role in ["0", "-1", "3", "2147483648", "9223372036854775807", "-9223372036854775808", "\"99\""] {
            let body = format!(r#"{{"keyName":"k","roleID":{role}}}"#);
            let answer = app.call("POST", "/api/apikeys").body(body).key(&maker).send();
            assert_refusal(answer.refusal(), (400, "unknown_role"));
        }
        assert_eq!(app.rows(), before);
    }

    /// DS-35, DS-36: an unknown zone or locale is refused with the list of what is taken.
    fn an_unknown_zone_or_locale_is_answered_with_those_there_are(app: TestApp) {
        let maker = app.full_key();
        for (member, value, code, known) in [
            ("timeZone", "Mars/Olympus_Mons", "unknown_time_zone", "Europe/Berlin"),
            ("timeZone", "asia/tokyo", "unknown_time_zone", "SystemV/PST8PDT"),
            ("timeZone", "", "unknown_time_zone", "JST"),
            ("timeZone", "Asia/Tokyo ", "unknown_time_zone", "Asia/Tokyo"),
            ("locale", "de-DE", "unknown_locale", "ja-JP"),
            ("locale", "en_US", "unknown_locale", "en-US"),
            ("locale", "", "unknown_locale", "nl-NL"),
        ] {
            let answer =
                app.post("/api/apikeys", json!({ "keyName": "k", "roleID": 2, member: value })).key(&maker).send();
            let accepted = answer.json()["accepted"].as_array().cloned().unwrap_or_default();
            assert!(accepted.contains(&json!(known)), "{member}={value}: {accepted:?}");
            assert_refusal(answer.refusal(), (400, code));
        }
    }

    /// DS-36: the names that Java knows are taken and answered as they were given.
    fn javas_zone_names_are_stored_as_given(app: TestApp) {
        let maker = app.full_key();
        for zone in ["US/Eastern", "Etc/GMT", "JST", "PST", "SystemV/AST4ADT", "SystemV/YST9", "America/New_York", "UTC"] {
            let key = made(&app, &maker, json!({ "keyName": zone, "roleID": 2, "timeZone": zone }));
            assert_eq!(key["timeZone"], json!(zone));
            let stored = app.texts(&format!("select time_zone as t from api_keys where id = {}", key["ID"]));
            assert_eq!(stored, [zone]);
        }
        for locale in ["en-US", "ja-JP", "fr-FR", "nl-NL"] {
            let key = made(&app, &maker, json!({ "keyName": locale, "roleID": 2, "locale": locale }));
            assert_eq!(key["locale"], json!(locale));
        }
    }

    /// T-21: only one minute to ten years ahead is taken; nothing wraps round to "never".
    fn only_an_expiry_within_reason_is_taken(app: TestApp) {
        let (maker, now) = (app.full_key(), START.millis());
        let sent = |name: &str, expiry: &str| {
            let body = format!(r#"{{"keyName":"{name}","roleID":2,"expiryDate":{expiry}}}"#);
            app.call("POST", "/api/apikeys").body(body).key(&maker).send()
        };
        let before = app.rows();
        let longest = now + 3_653 * DAY;
        for expiry in [i64::MIN, -1, 1, now - 1, now, now + MINUTE - 1, longest + 1, 1_000_000_000_000_000, (1 << 53) + 1, i64::MAX] {
            for spelling in [expiry.to_string(), format!("\"{expiry}\"")] {
                assert_refusal(sent("refused", &spelling).refusal(), (400, "expiry_out_of_range"));
            }
        }
        for expiry in [
            "1.5", "1.5e0", "\"string\"", "\"1e3\"", "\"\"", "\" 1\"", "\"+1\"", "9223372036854775808",
            "-9223372036854775809", "99999999999999999999", "\"99999999999999999999\"", "true", "[]", "{}", "1E400",
            "[1795262475000]", "\"1795262475000.0\"",
        ] {
            assert_refusal(sent("refused", expiry).refusal(), (400, "malformed"));
        }
        assert_eq!(app.rows(), before);
        for (n, expiry) in [now + MINUTE, longest].into_iter().enumerate() {
            // in JSON a zero fraction makes no other number
            for spelling in [expiry.to_string(), format!("{expiry}.0"), format!("{expiry}000e-3")] {
                let key = sent(&format!("taken {n} {spelling}"), &spelling).expect(200).json();
                assert_eq!(key["expiryDate"], json!(expiry));
            }
        }
        assert_refusal(sent("refused", "1e3").refusal(), (400, "expiry_out_of_range"));
        for (n, never) in ["0", "\"0\"", "null", "-0", "\"-0\"", "0.0", "-0.0", "0e7"].into_iter().enumerate() {
            let answer = sent(&format!("never {n}"), never);
            assert!(answer.expect(200).json().get("expiryDate").is_none(), "{never}");
        }
    }

    /// T-02: no member of a body names another owner, tenant, maker or kind.
    fn no_member_names_another_owner(app: TestApp) {
        let maker = app.full_key();
        let other = app.administrator("somebody-else", "another long password", 1, 0);
        let tenant = app.tenant("Blue");
        let maker_id: i64 = maker.split_once(':').expect("two parts").0.parse().expect("an ID");
        let body = json!({
            "keyName": "mine", "roleID": 2, "administratorID": other, "userID": other, "owner": "somebody-else",
            "ownerID": other, "userName": "somebody-else", "createdBy": other, "madeBy": other,
            "madeByAdministratorID": other, "made_by_administrator_id": other, "made_by_key_id": other, "tenantID": tenant,
            "tenantId": tenant, "tenant_id": tenant, "tenantGUID": "0f8fad5b-d9cb-469f-a165-70867728950e",
            "tenantName": "Blue", "profileID": 7, "profile_id": 7, "kind": "root", "serviceAccount": true,
            "roleURN": "urn:tmds:identity::0:role/Full Access", "rights": { "platformRights": true },
        });
        let key = made(&app, &maker, body);
        let row = |id: &Value| {
            app.texts(&format!(
                "select coalesce(cast(made_by_administrator_id as text), '-') || ' ' || cast(made_by_key_id as text) || ' ' || \
                 cast(tenant_id as text) || ' ' || cast(profile_id as text) || ' ' || kind || ' ' || cast(role_id as text) as t \
                 from api_keys where id = {id}"
            ))
        };
        assert_eq!(row(&key["ID"]), [format!("- {maker_id} 0 1 standard 2")]);
        assert!(secret(&key).starts_with(&format!("{}:", key["ID"])), "no tenant's GUID stands in front");
    }

    /// T-41: read-only members are ignored; the stored row is the one that is made without them.
    fn read_only_members_change_nothing_of_the_row(app: TestApp) {
        let maker = app.full_key();
        let plain = made(&app, &maker, json!({ "keyName": "twin", "roleID": 2, "description": "d" }));
        let row = |id: &Value| app.rows_of("api_keys").into_iter().filter(|row| {
            row.contains(&format!("({id},")) || row.starts_with(&format!("api_keys: {id},"))
        }).map(|row| row.replacen(&id.to_string(), "ID", 1)).collect::<Vec<_>>();
        let expected = row(&plain["ID"]);
        assert_eq!(expected.len(), 1);
        app.delete(&format!("/api/apikeys/{}", plain["ID"])).key(&maker).send().expect(204);
        let body = json!({
            "keyName": "twin", "roleID": 2, "description": "d", "ID": 1, "id": 1, "created": 5, "lastSignIn": 6,
            "unlockTime": 7, "unsuccessfulSignInAttempts": 8, "secretKey": "1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "serviceAccount": true, "roleURN": "urn", "tenantID": 9, "tenantGUID": "x", "unknown": { "deep": [1, 2] },
        });
        let key = made(&app, &maker, body);
        assert_eq!(row(&key["ID"]), expected);
        assert_refusal(presented(&app, "1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), (401, "invalid_api_key"));
        assert_refusal(presented(&app, &secret(&key)), IN);
    }

    /// What a key makes does not outlive it: it inherits the end, or has an earlier one.
    fn what_an_expiring_key_makes_ends_with_it(app: TestApp) {
        let (full, now) = (app.full_key(), START.millis());
        let end = now + DAY;
        let maker = secret(&made(&app, &full, json!({ "keyName": "for a day", "roleID": 1, "expiryDate": end })));
        let heir = made(&app, &maker, json!({ "keyName": "heir", "roleID": 1 }));
        assert_eq!(heir["expiryDate"], json!(end));
        let early = made(&app, &maker, json!({ "keyName": "early", "roleID": 1, "expiryDate": end - 1 }));
        assert_eq!(early["expiryDate"], json!(end - 1));
        let before = app.rows();
        for expiry in [json!(end + 1), json!(0), json!(null), json!("0"), json!(now + 3_000 * DAY)] {
            let body = json!({ "keyName": "too late", "roleID": 1, "expiryDate": expiry });
            assert_refusal(refused(&app, &maker, body), (403, "beyond_caller"));
        }
        assert_eq!(app.rows(), before);
        // T-03: and so it goes on down the chain
        let grandchild = made(&app, &secret(&heir), json!({ "keyName": "grandchild", "roleID": 1 }));
        assert_eq!(grandchild["expiryDate"], json!(end));
        app.clock.advance(DAY);
        for key in [&maker, &secret(&heir), &secret(&early), &secret(&grandchild)] {
            assert_refusal(presented(&app, key), (401, "api_key_expired"));
        }
    }

    /// Every key has its one event: who, what, and no secret.
    fn a_mint_leaves_one_event_without_a_secret(app: TestApp) {
        let session = app.sign_in();
        let before = app.last_event();
        let answer = app.post("/api/apikeys", json!({ "keyName": "noted", "roleID": 2 })).with(&session).send().expect(200);
        let (key, trace) = (answer.json(), answer.header("x-request-id").expect("a trace ID").to_owned());
        let events = app.events_after(before);
        let expected = format!(
            r#"5010 administrator/1/MasterAdmin apiKey/{}/noted {{"expiryDate":null,"role":"Auditor"}}"#, key["ID"]
        );
        assert_eq!(events, [expected]);
        let told = app.texts("select address || ' ' || request_id as t from audit_events order by id desc limit 1");
        assert_eq!(told, [format!("127.0.0.1 {trace}")]);
        let between = app.last_event();
        let full = app.full_key();
        let maker_id = full.split_once(':').expect("two parts").0;
        let child = made(&app, &full, json!({ "keyName": "child", "roleID": 2 }));
        let events = app.events_after(between);
        assert!(events[2].starts_with(&format!("5010 apiKey/{maker_id}/full apiKey/{}/child ", child["ID"])), "{events:?}");
    }

    /// Keys that are made at the same moment share a commit. Each has its secret and its event, whoever is refused leaves
    /// nothing, and whoever looks for a key among those before it finds it whole.
    fn keys_that_share_a_commit_have_each_their_own(app: TestApp, |setup| setup.workers = 4) {
        let maker = app.full_key();
        made(&app, &maker, json!({ "keyName": "taken", "roleID": 2 }));
        for round in 0..6 {
            let before = app.last_event();
            let mint = |name: String| app.post("/api/apikeys", json!({ "keyName": name, "roleID": 2 })).key(&maker).send();
            let answers = at_once(24, |n| match n % 4 {
                0 => mint("taken".to_owned()),
                1 => {
                    let path = format!("/api/apikeys/by-name/{round}-{}", n + 1);
                    app.call("PUT", &path).json(json!({ "roleID": 2 })).key(&maker).send().expect(200)
                }
                _ => mint(format!("{round}-{n}")),
            });
            let is_new = |key: &&Value| key.get("secretKey").is_some();
            let keys: Vec<Value> = answers.iter().filter(|answer| answer.status == 200).map(|answer| answer.json()).collect();
            for key in keys.iter().filter(is_new) {
                assert_refusal(presented(&app, &secret(key)), IN);
            }
            for answer in answers.iter().filter(|answer| answer.status != 200) {
                assert_eq!(answer.refusal(), (409, "name_taken".to_owned()));
            }
            let names: std::collections::BTreeSet<String> =
                keys.iter().map(|key| key["keyName"].as_str().expect("a name").to_owned()).collect();
            assert_eq!((names.len(), keys.iter().filter(is_new).count()), (12, 12));
            let mut expected: Vec<String> =
                keys.iter().filter(is_new).map(|key| format!("apiKey/{}/{}", key["ID"], key["keyName"].as_str().expect("a name"))).collect();
            let events = app.events_after(before);
            let mut told: Vec<String> =
                events.iter().map(|event| event.split(' ').nth(2).expect("a target").to_owned()).collect();
            expected.sort();
            told.sort();
            assert_eq!(told, expected, "{events:?}");
            let secrets = format!("select count(*) as n from api_key_secrets s join api_keys k on k.id = s.api_key_id where key_name like '{round}-%'");
            assert_eq!(app.count(&secrets), 12);
        }
        // IDs are never given twice, and there are two thousand million: what is refused must not use up many
        assert!(app.count("select max(id) as n from api_keys") < 500);
    }
}
