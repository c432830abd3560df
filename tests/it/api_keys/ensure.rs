//! `PUT /api/apikeys/by-name/{keyName}`.

use std::sync::Barrier;

use serde_json::{Value, json};

use super::{IN, assert_refusal, made, presented, seen};
use crate::app::{Call, PASSWORD, START, Session, TestApp, secret};
use crate::both;
use crate::http::Answer;

const DAY: i64 = 86_400_000;
const CREATE: &str = "platformRights.apikeyRights.canCreateNewApiKeys";
const EDIT: &str = "platformRights.apikeyRights.canEditApiKeyProperties";
const VIEW: &str = "platformRights.apikeyRights.canViewApiKeys";

fn ensure<'a>(app: &'a TestApp, name: &str, body: Value) -> Call<'a> {
    app.call("PUT", &format!("/api/apikeys/by-name/{name}")).json(body)
}

fn done(call: Call<'_>, outcome: &str) -> Value {
    let answer = call.send().expect(200).json();
    assert_eq!(answer["outcome"], json!(outcome), "{answer}");
    assert_eq!(answer.get("secretKey").is_some(), ["created", "reissued"].contains(&outcome), "{answer}");
    answer
}

/// The header's value for a secret key.
fn digest(key: &str) -> String {
    let (_, tail) = key.rsplit_once(':').expect("two parts");
    let key = firstkey::secret::PresentedKey::parse(&format!("1:{tail}")).expect("a key's form");
    format!("sha256:{}", key.secret.digest().to_hex())
}

trait Holding {
    fn holding(self, key: &str) -> Self;
}

impl Holding for Call<'_> {
    fn holding(self, key: &str) -> Self {
        self.header("X-Have-Secret-Digest", &digest(key))
    }
}

both! {
    /// DS-52: the first call makes the key, with its secret in the answer; each later one finds it there and changes
    /// no row and writes no event, with and without the secret's digest, down to the key's last minute and beyond.
    fn the_second_run_changes_nothing(app: TestApp) {
        let maker = app.full_key();
        let before = app.last_event();
        let body = json!({
            "keyName": "Nightly Build", "description": "d", "locale": "ja-JP", "roleID": 2, "timeZone": "Asia/Tokyo",
            "active": true, "expiryDate": START.millis() + DAY,
        });
        let path = "nightly%20build";
        let answer = done(ensure(&app, path, body.clone()).key(&maker), "created");
        let (id, held) = (answer["ID"].clone(), secret(&answer));
        assert_refusal(presented(&app, &held), IN);
        for (member, value) in body.as_object().expect("members") {
            assert_eq!(&answer[member], value);
        }
        let maker_id = maker.split_once(':').expect("two parts").0;
        let details = format!(r#"{{"expiryDate":{},"role":"Auditor"}}"#, START.millis() + DAY);
        assert_eq!(app.events_after(before), [format!("5010 apiKey/{maker_id}/full apiKey/{id}/Nightly Build {details}")]);
        app.flush();
        let rows = app.rows();
        let mut rest = answer.clone();
        for member in ["secretKey", "outcome"] {
            rest.as_object_mut().expect("an object").remove(member);
        }
        let again = |held: Option<&str>, body: &Value| {
            let call = ensure(&app, path, body.clone()).key(&maker);
            let mut answer = done(match held { Some(held) => call.holding(held), None => call }, "unchanged");
            answer.as_object_mut().expect("an object").remove("outcome");
            answer
        };
        for passed in [0, 1, DAY - 30_000, 29_998] {
            app.clock.advance(passed);
            let few = [json!({ "roleID": "2" }), json!({ "roleID": 2, "description": null, "ID": 7, "created": 8, "secretKey": "x", "outcome": "created" })];
            for body in few.iter().chain([&body]) {
                assert_eq!(again(None, body)["ID"], id);
                assert_eq!(again(Some(&held), body), seen(&app, &maker, &id));
            }
        }
        for (member, value) in rest.as_object().expect("members").iter().filter(|(member, _)| *member != "lastSignIn") {
            assert_eq!(&seen(&app, &maker, &id)[member], value);
        }
        app.assert_rows(&rows, "the second run");
    }

    /// DS-52: only what is sent is compared and changed; the secret is never touched, and the event tells what changed.
    fn what_differs_is_changed_and_nothing_else(app: TestApp) {
        let maker = app.full_key();
        let key = made(&app, &maker, json!({ "keyName": "k", "roleID": 2, "description": "d", "expiryDate": START.millis() + DAY }));
        let (id, held) = (&key["ID"], secret(&key));
        let mut expected = seen(&app, &maker, id);
        let maker_id = maker.split_once(':').expect("two parts").0;
        let (mut name, mut role) = ("k".to_owned(), json!(2));
        let steps = [
            ("description", json!("")), ("locale", json!("fr-FR")), ("timeZone", json!("PST")), ("active", json!(false)),
            ("active", json!(true)), ("expiryDate", json!(START.millis() + 2 * DAY)), ("expiryDate", json!(0)),
            ("roleID", json!(1)), ("keyName", json!("Ｋ")),
        ];
        for (member, value) in steps {
            let mut body = json!({ "roleID": role });
            body[member] = value.clone();
            let events = app.last_event();
            let mut answer = done(ensure(&app, "K", body.clone()).key(&maker).holding(&held), "updated");
            answer.as_object_mut().expect("an object").remove("outcome");
            let never = value == json!(0);
            let (from, to) = (expected[member].clone(), if never { Value::Null } else { value.clone() });
            let details = json!({ member: { "from": from, "to": to } });
            assert_eq!(app.events_after(events), [format!("5011 apiKey/{maker_id}/full apiKey/{id}/{name} {details}")]);
            if never { expected.as_object_mut().expect("an object").remove(member); } else { expected[member] = value.clone(); }
            assert_eq!(answer, expected, "{member}");
            if member == "roleID" { role = value.clone(); }
            if member == "keyName" { name = "Ｋ".into(); }
            let rows = app.rows();
            body["roleID"] = role.clone();
            done(ensure(&app, "k", body).key(&maker), "unchanged");
            app.assert_rows(&rows, member);
        }
        assert_refusal(presented(&app, &held), IN);
    }

    /// A key that has ended is never unchanged, for it lets nobody in: an end ahead gives it a new life, with the secret
    /// that it has; one that lies behind is refused; and where nothing is said it is told, and nothing happens.
    fn a_key_that_has_ended_is_never_unchanged(app: TestApp) {
        let maker = app.full_key();
        let end = START.millis() + DAY;
        let key = made(&app, &maker, json!({ "keyName": "k", "roleID": 2, "expiryDate": end }));
        let held = secret(&key);
        let wanted = |query: &str, body: Value| ensure(&app, &format!("k{query}"), body).key(&maker);
        let same = json!({ "roleID": 2, "expiryDate": end });
        app.clock.advance(DAY - 1);
        done(wanted("", same.clone()).holding(&held), "unchanged");
        app.clock.advance(1);
        assert_refusal(presented(&app, &held), (401, "api_key_expired"));
        let rows = app.rows();
        for query in ["", "?reissue=allow"] {
            for (body, refusal) in [
                (json!({ "roleID": 2 }), (409, "key_has_expired")),
                (json!({ "roleID": 2, "description": "another" }), (409, "key_has_expired")),
                (same.clone(), (400, "expiry_out_of_range")),
                (json!({ "roleID": 2, "expiryDate": end - 1 }), (400, "expiry_out_of_range")),
                (json!({ "roleID": 2, "expiryDate": end + 59_999 }), (400, "expiry_out_of_range")),
            ] {
                assert_refusal(wanted(query, body.clone()).holding(&held).send().refusal(), refusal);
                assert_refusal(wanted(query, body).send().refusal(), refusal);
            }
        }
        let told = wanted("", json!({ "roleID": 2 })).send();
        assert!(told.text().contains("expired at 2026-11-22T12:00:15.000Z"), "{}", told.text());
        app.assert_rows(&rows, "nothing is pretended");
        let later = json!({ "roleID": 2, "expiryDate": end + DAY });
        assert_eq!(done(wanted("", later.clone()).holding(&held), "updated")["expiryDate"], json!(end + DAY));
        assert_refusal(presented(&app, &held), IN);
        done(wanted("", later.clone()).holding(&held), "unchanged");
        app.clock.advance(DAY);
        let lost = format!("{}:{}=", key["ID"], "A".repeat(43));
        let for_ever = json!({ "roleID": 2, "expiryDate": 0 });
        assert_refusal(wanted("", for_ever.clone()).holding(&lost).send().refusal(), (409, "conflict"));
        let new = secret(&done(wanted("?reissue=allow", for_ever).holding(&lost), "reissued"));
        assert_refusal(presented(&app, &new), IN);
    }

    /// Where a profile has a refresh bring keys back, a new secret that is allowed does it too, for as long; it is
    /// another secret than the key has.
    fn a_profile_may_bring_a_key_that_has_ended_back(app: TestApp) {
        let maker = app.full_key();
        let revives = crate::profiles::made(&app, &maker, json!({ "name": "revives", "validity": "2d", "maxValidity": "3d", "refreshRevives": true }));
        let ends = crate::profiles::made(&app, &maker, json!({ "name": "ends", "validity": "2d" }));
        let secrets = [(revives, "a"), (ends, "b"), (revives, "c")].map(|(profile, name)| {
            secret(&made(&app, &maker, json!({ "keyName": name, "roleID": 2, "lifecycle": { "profileID": profile } })))
        });
        app.clock.advance(2 * DAY);
        let wanted = |name: &str, query: &str| ensure(&app, &format!("{name}{query}"), json!({ "roleID": 2 })).key(&maker);
        let rows = app.rows();
        for call in [wanted("a", ""), wanted("b", ""), wanted("b", "?reissue=allow")] {
            assert_refusal(call.send().refusal(), (409, "key_has_expired"));
        }
        let digest = firstkey::secret::PresentedKey::parse(&secrets[2]).expect("a key").secret.digest().to_hex();
        let same = json!({ "roleID": 2, "secretDigest": format!("sha256:{digest}") });
        assert_refusal(ensure(&app, "c?reissue=allow", same).key(&maker).send().refusal(), (409, "key_has_expired"));
        app.assert_rows(&rows, "nothing came back");
        let answer = done(wanted("a", "?reissue=allow").holding(&secrets[0]), "reissued");
        assert_eq!(answer["expiryDate"], json!(START.millis() + 4 * DAY));
        assert_refusal(presented(&app, &secret(&answer)), IN);
        assert_refusal(presented(&app, &secrets[0]), (401, "invalid_api_key"));
        done(wanted("a", "?reissue=allow"), "unchanged");
        // T-03: a key that ends before gives no such life
        let ending = secret(&made(&app, &maker, json!({ "keyName": "ending", "roleID": 1, "lifecycle": { "profileID": 1 }, "expiryDate": app.clock.now().millis() + DAY })));
        let beyond = ensure(&app, "c?reissue=allow", json!({ "roleID": 2 })).key(&ending).send();
        assert_refusal(beyond.refusal(), (403, "beyond_caller"));
    }

    /// DS-52: whoever holds another secret than the key's is told so, and gets a new one only where that is allowed; the
    /// old one stops at once. Who says nothing of a secret never gets one.
    fn a_lost_secret_is_renewed_only_where_that_is_allowed(app: TestApp) {
        let maker = app.full_key();
        let key = made(&app, &maker, json!({ "keyName": "k", "roleID": 2 }));
        let (id, held) = (&key["ID"], secret(&key));
        let lost = format!("{id}:{}=", "A".repeat(43));
        let wanted = |query: &str, body: Value| ensure(&app, &format!("k{query}"), body).key(&maker);
        let rows = app.rows();
        for body in [json!({ "roleID": 2 }), json!({ "roleID": 1 })] {
            assert_refusal(wanted("", body).holding(&lost).send().refusal(), (409, "conflict"));
        }
        done(wanted("?reissue=allow", json!({ "roleID": 2 })), "unchanged");
        done(wanted("?reissue=allow", json!({ "roleID": 2 })).holding(&held), "unchanged");
        app.assert_rows(&rows, "nothing is renewed unasked");
        let events = app.last_event();
        let wrong = presented(&app, &lost);
        assert_refusal(wrong, (401, "invalid_api_key"));
        let answer = done(wanted("?reissue=allow", json!({ "roleID": 2 })).holding(&lost), "reissued");
        let new = secret(&answer);
        assert_refusal(presented(&app, &held), (401, "invalid_api_key"));
        assert_refusal(presented(&app, &new), IN);
        assert_eq!((&answer["ID"], &answer["unsuccessfulSignInAttempts"]), (id, &json!(0)));
        let maker_id = maker.split_once(':').expect("two parts").0;
        let renewed = format!("5013 apiKey/{maker_id}/full apiKey/{id}/k {{}}");
        assert_eq!(app.events_after(events), [renewed.as_str()]);
        done(wanted("", json!({ "roleID": 2 })).holding(&new), "unchanged");
        // both at once are two events of one change
        let events = app.last_event();
        done(wanted("?reissue=allow", json!({ "roleID": 1 })).holding(&held), "reissued");
        let changed = format!(r#"5011 apiKey/{maker_id}/full apiKey/{id}/k {{"roleID":{{"from":2,"to":1}}}}"#);
        assert_eq!(app.events_after(events), [changed, renewed]);
        assert_eq!(app.count(&format!("select count(*) as n from api_key_secrets where api_key_id = {id} and ends is null")), 1);
        // a copy of a key that is gone: there is a new one
        app.delete(&format!("/api/apikeys/{id}")).key(&maker).send().expect(204);
        done(wanted("", json!({ "roleID": 2 })).holding(&new), "created");
    }

    /// A secret of the caller's own comes as a digest: the key opens by it, no answer carries one, the same digest again
    /// changes nothing, and another one is put in its place only where that is allowed, beside the old one if wished.
    fn a_secret_may_be_brought_as_its_digest(app: TestApp) {
        let maker = app.full_key();
        let own = |id: &Value| {
            use base64::Engine as _;
            let bytes = *firstkey::secret::random_bytes::<32>().expect("random");
            format!("{id}:{}", base64::engine::general_purpose::STANDARD.encode(bytes))
        };
        let first = own(&json!(1));
        let tail = |key: &str, id: &Value| format!("{id}:{}", key.rsplit_once(':').expect("two parts").1);
        let sent = |key: &str| json!({ "roleID": 2, "secretDigest": digest(key) });
        let brought = |query: &str, body: Value, outcome: &str| {
            let answer = ensure(&app, &format!("k{query}"), body).key(&maker).send().expect(200).json();
            assert_eq!(answer["outcome"], json!(outcome), "{answer}");
            assert!(answer.get("secretKey").is_none(), "{answer}");
            answer
        };
        let before = app.last_event();
        let id = brought("", sent(&first), "created")["ID"].clone();
        assert_eq!(app.events_after(before).len(), 1);
        assert_refusal(presented(&app, &tail(&first, &id)), IN);
        app.flush();
        let rows = app.rows();
        let upper = json!({ "roleID": 2, "secretDigest": digest(&first).to_uppercase().replace("SHA256", "sha256") });
        for (query, body) in [("", sent(&first)), ("?reissue=allow", sent(&first)), ("", upper), ("", json!({ "roleID": 2 }))] {
            brought(query, body, "unchanged");
        }
        let second = own(&id);
        assert_refusal(ensure(&app, "k", sent(&second)).key(&maker).send().refusal(), (409, "conflict"));
        app.assert_rows(&rows, "nothing happened");
        let mut overlapping = sent(&second);
        overlapping["rotation"] = json!({ "overlap": "1h" });
        brought("?reissue=allow", overlapping.clone(), "reissued");
        for key in [&first, &second] {
            assert_refusal(presented(&app, &tail(key, &id)), IN);
            brought("?reissue=allow", sent(key), "unchanged");
        }
        overlapping["secretDigest"] = json!(digest(&own(&id)));
        assert_refusal(ensure(&app, "k?reissue=allow", overlapping).key(&maker).send().refusal(), (409, "conflict"));
        app.clock.advance(3_600_000);
        assert_refusal(presented(&app, &tail(&first, &id)), (401, "invalid_api_key"));
        // what was replaced does not come back, nor does one secret open two keys
        let rows = app.rows();
        for (name, key) in [("k", &first), ("other", &first), ("other", &second), ("other", &maker)] {
            assert_refusal(ensure(&app, &format!("{name}?reissue=allow"), sent(key)).key(&maker).send().refusal(), (409, "conflict"));
        }
        app.assert_rows(&rows, "refused");
        // a plain reissue makes a secret as before
        let lost = own(&id);
        done(ensure(&app, "k?reissue=allow", json!({ "roleID": 2 })).key(&maker).holding(&lost), "reissued");
        assert_refusal(presented(&app, &tail(&second, &id)), (401, "invalid_api_key"));
    }

    /// Another tenant's secrets are none of anybody's business: to bring the same one is no conflict, and tells nothing.
    fn a_brought_secret_tells_nothing_of_other_tenants(app: TestApp) {
        let scene = crate::rights_matrix::Scene::set(&app);
        let body = json!({ "roleID": 2, "secretDigest": digest(&scene.maker) });
        let theirs = ensure(&app, "same", body).key(&scene.foreign_key()).send().expect(200).json();
        assert_eq!(theirs["outcome"], json!("created"));
    }

    /// What is no digest of 32 random bytes is refused, and so is what contradicts the header.
    fn a_digest_of_no_secret_is_refused(app: TestApp) {
        let maker = app.full_key();
        let rows = app.rows();
        let labelled = |bytes: [u8; 32]| {
            use base64::Engine as _;
            digest(&format!("1:{}", base64::engine::general_purpose::STANDARD.encode(bytes)))
        };
        let hex = |digits: &str| format!("sha256:{digits}");
        let sent = [
            json!(hex(&"0".repeat(64))), json!(hex(&"f".repeat(64))), json!(labelled([0; 32])), json!(labelled([65; 32])),
            json!(hex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")),
            json!(""), json!("sha256:"), json!(hex(&"0".repeat(63))), json!(hex(&"g".repeat(64))), json!(format!("sha512:{}", "1".repeat(64))),
            json!("1".repeat(64)), json!(format!(" {}", hex(&"1".repeat(64)))), json!(hex(&"1".repeat(4_000))), json!(7), json!([1]), json!({}),
        ];
        for digest in sent {
            let body = json!({ "roleID": 2, "secretDigest": digest });
            let answer = ensure(&app, "k", body.clone()).key(&maker).send();
            assert_refusal(answer.refusal(), (400, "malformed"));
            let message = answer.json()["message"].as_str().unwrap_or_default().to_owned();
            assert!(message.starts_with("secretDigest: "), "{body}: {message}");
        }
        let body = json!({ "roleID": 2, "secretDigest": digest(&maker) });
        assert_refusal(ensure(&app, "k", body).key(&maker).header("X-Have-Secret-Digest", &hex(&"1".repeat(64))).send().refusal(), (400, "malformed"));
        assert_refusal(ensure(&app, "k", json!({ "roleID": 2, "rotation": { "overlap": "soon" } })).key(&maker).send().refusal(), (400, "malformed"));
        app.assert_rows(&rows, "refused");
    }

    /// Each outcome needs what the plain call needs, and who may nothing of it learns not even whether there is a key.
    fn each_outcome_needs_its_rights(app: TestApp) {
        let full = app.full_key();
        let lost = format!("1:{}=", "A".repeat(43));
        let outcomes = [(CREATE, "created"), (EDIT, "unchanged updated"), (VIEW, "unchanged")];
        for (n, rights) in [vec![], vec![CREATE], vec![EDIT], vec![VIEW], vec![CREATE, EDIT], vec![CREATE, VIEW], vec![EDIT, VIEW]].iter().enumerate() {
            let bare = app.role(&format!("bare {n}"), &[]);
            let role = app.role(&format!("role {n}"), rights);
            let caller = secret(&made(&app, &full, json!({ "keyName": format!("caller {n}"), "roleID": role })));
            made(&app, &full, json!({ "keyName": format!("there {n}"), "roleID": bare }));
            let may = |outcome: &str| outcomes.iter().any(|(right, what)| rights.contains(right) && what.split(' ').any(|one| one == outcome));
            let call = |name: &str, body: Value| ensure(&app, name, body).key(&caller);
            let (there, body) = (format!("there%20{n}"), json!({ "roleID": bare }));
            let again = format!("{there}?reissue=allow");
            let tries: [(Call<'_>, &str, bool); 4] = [
                (call(&there, body.clone()), "unchanged", may("unchanged")),
                (call(&there, json!({ "roleID": bare, "description": "x" })), "updated", may("updated")),
                (call(&again, body.clone()).holding(&lost), "reissued", rights.contains(&CREATE) && rights.contains(&EDIT)),
                (call(&format!("new%20{n}"), body.clone()), "created", may("created")),
            ];
            for (call, outcome, may) in tries {
                let rows = app.rows();
                if may {
                    done(call, outcome);
                } else {
                    assert_refusal(call.send().refusal(), (403, "not_authorized"));
                    app.assert_rows(&rows, outcome);
                }
            }
            if rights.is_empty() {
                let told = [call(&there, body.clone()), call("nowhere", body), call("nowhere", json!([])), call(&again, json!({ "roleID": bare })).holding(&lost)]
                    .map(|call| crate::stored::without_trace(&call.send().expect(403)));
                assert!(told.iter().all(|text| *text == told[0]), "{told:?}");
            }
        }
    }

    /// T-01, T-03: nothing is made, changed or renewed that is stronger or longer lived than the caller.
    fn nobody_comes_by_more_than_they_have(app: TestApp) {
        let full = app.full_key();
        let role = app.role("Keys", &[CREATE, EDIT, VIEW]);
        let caller = secret(&made(&app, &full, json!({ "keyName": "caller", "roleID": role })));
        let end = START.millis() + DAY;
        let ending = secret(&made(&app, &full, json!({ "keyName": "ending", "roleID": 1, "expiryDate": end })));
        made(&app, &full, json!({ "keyName": "weak", "roleID": role }));
        let lost = format!("1:{}=", "A".repeat(43));
        let rows = app.rows();
        let beyond = [
            ensure(&app, "new", json!({ "roleID": 1 })).key(&caller),
            ensure(&app, "weak", json!({ "roleID": 1 })).key(&caller),
            ensure(&app, "full", json!({ "roleID": 1, "description": "x" })).key(&caller),
            ensure(&app, "full", json!({ "roleID": role })).key(&caller),
            ensure(&app, "full?reissue=allow", json!({ "roleID": 1 })).key(&caller).holding(&lost),
            ensure(&app, "new", json!({ "roleID": 2, "expiryDate": end + 1 })).key(&ending),
            ensure(&app, "new", json!({ "roleID": 2, "expiryDate": 0 })).key(&ending),
            ensure(&app, "weak", json!({ "roleID": 1 })).key(&ending),
            ensure(&app, "weak?reissue=allow", json!({ "roleID": role })).key(&ending).holding(&lost),
        ];
        for call in beyond {
            assert_refusal(call.send().refusal(), (403, "beyond_caller"));
        }
        done(ensure(&app, "weak", json!({ "roleID": role, "expiryDate": 0 })).key(&ending), "unchanged");
        app.flush();
        assert_eq!(app.rows_of("api_key_secrets").len(), rows.iter().filter(|row| row.starts_with("api_key_secrets:")).count());
        assert_eq!(done(ensure(&app, "new", json!({ "roleID": 2 })).key(&ending), "created")["expiryDate"], json!(end));
        done(ensure(&app, "new", json!({ "roleID": 2 })).key(&ending), "unchanged");
    }

    /// With the password of the first start a key can be made, and nothing else.
    fn the_initial_password_makes_a_key_and_no_more(app: TestApp, |setup| setup.with_password = false) {
        let password = std::fs::read_to_string(&app.app.initial_password_file).expect("the first start's file");
        let answer = app.try_sign_in(crate::app::ADMIN, password.trim());
        let session = Session::from(&answer.expect(200));
        done(ensure(&app, "k", json!({ "roleID": 2 })).with(&session), "created");
        let lost = format!("1:{}=", "A".repeat(43));
        let rows = app.rows();
        for call in [
            ensure(&app, "k", json!({ "roleID": 2 })),
            ensure(&app, "k", json!({ "roleID": 1 })),
            ensure(&app, "k?reissue=allow", json!({ "roleID": 2 })).holding(&lost),
        ] {
            assert_refusal(call.with(&session).send().refusal(), (403, "initial_password"));
        }
        app.assert_rows(&rows, "nothing happened");
    }

    /// What cannot be is refused with its member's name, and nothing changes, whether there is such a key or not.
    fn what_cannot_be_is_refused(app: TestApp) {
        let maker = app.full_key();
        made(&app, &maker, json!({ "keyName": "k", "roleID": 2 }));
        let rows = app.rows();
        for name in ["k", "new"] {
            for (member, value, expected) in [
                ("keyName", json!("other"), (400, "malformed")), ("keyName", json!(""), (400, "malformed")),
                ("keyName", json!(7), (400, "malformed")), ("roleID", json!(null), (400, "malformed")),
                ("roleID", json!("x"), (400, "malformed")), ("roleID", json!(99), (400, "unknown_role")),
                ("description", json!("x".repeat(1_025)), (400, "malformed")), ("description", json!("\0"), (400, "malformed")),
                ("locale", json!("de-DE"), (400, "unknown_locale")), ("timeZone", json!("Nowhere"), (400, "unknown_time_zone")),
                ("active", json!(1), (400, "malformed")), ("expiryDate", json!(1), (400, "expiry_out_of_range")),
                ("expiryDate", json!(START.millis() + 59_999), (400, "expiry_out_of_range")),
                ("expiryDate", json!(i64::MAX), (400, "expiry_out_of_range")),
            ] {
                let mut body = json!({ "roleID": 2 });
                body[member] = value;
                let answer = ensure(&app, name, body).key(&maker).send();
                assert_refusal(answer.refusal(), expected);
                let said = answer.json()["message"].as_str().unwrap_or_default().to_lowercase();
                assert!(said.contains(&member.to_lowercase()) || expected.1.starts_with("unknown"), "{member}: {said}");
            }
            assert_refusal(ensure(&app, name, json!({})).key(&maker).send().refusal(), (400, "malformed"));
            for query in ["?reissue=", "?reissue=true", "?reissue=Allow", "?reissue=allow&reissue=allow"] {
                let answer = ensure(&app, &format!("{name}{query}"), json!({ "roleID": 2 })).key(&maker).send();
                assert_refusal(answer.refusal(), (400, "bad_request"));
            }
            let hex = "0a".repeat(32);
            for header in ["", "sha256:", &hex, &format!("sha256:{}", &hex[1..]), &format!("sha256:{hex}0"), &format!("SHA256:{hex}"), &format!("sha256: {hex}"), &format!("sha512:{hex}"), &format!("sha256:{}", "g".repeat(64))] {
                let call = ensure(&app, name, json!({ "roleID": 2 })).key(&maker).header("X-Have-Secret-Digest", header);
                assert_refusal(call.send().refusal(), (400, "bad_request"));
            }
            let (known, call) = (format!("sha256:{hex}"), ensure(&app, name, json!({ "roleID": 2 })).key(&maker));
            let twice = call.header("X-Have-Secret-Digest", &known).header("X-Have-Secret-Digest", &known);
            assert_refusal(twice.send().refusal(), (400, "bad_request"));
        }
        app.assert_rows(&rows, "nothing happened");
        let capitals = digest(&maker).to_uppercase().replacen("SHA256", "sha256", 1);
        done(ensure(&app, "full", json!({ "roleID": 1 })).key(&maker).header("X-Have-Secret-Digest", &capitals), "unchanged");
    }

    /// Any name may stand in the path, percent-encoded; spellings of one name are one key.
    fn any_name_may_stand_in_the_path(app: TestApp) {
        let maker = app.full_key();
        let long = "%E9%8D%B5".repeat(128);
        for (path, name) in [
            ("a%2Fb", "a/b".to_owned()), ("caf%C3%A9", "café".into()), ("100%25", "100%".into()), ("a+b", "a+b".into()),
            ("a;b=c", "a;b=c".into()), ("x%3Fy%23z", "x?y#z".into()), ("7", "7".into()), ("current", "current".into()),
            ("%2E%2E", "..".into()), (&long, "鍵".repeat(128)), ("%C3%89t%C3%A9", "Été".into()), ("a%20%20b", "a  b".into()),
            ("%7BkeyName%7D", "{keyName}".into()),
        ] {
            let key = done(ensure(&app, path, json!({ "roleID": 2 })).key(&maker), "created");
            assert_eq!(key["keyName"], json!(name));
            done(ensure(&app, path, json!({ "roleID": 2, "keyName": name })).key(&maker), "unchanged");
        }
        // a spelling is the caller's to change, and one that is only in the path changes nothing
        for (path, spelt, outcome) in [("CAFE%CC%81", None, "unchanged"), ("caf%c3%a9", Some("CAFÉ"), "updated"), ("caf%C3%A9", None, "unchanged")] {
            done(ensure(&app, path, json!({ "roleID": 2, "keyName": spelt })).key(&maker), outcome);
        }
        let rows = app.rows();
        let too_long = format!("{long}x");
        for (path, expected) in [
            ("%FF", (400, "bad_request")), ("%", (400, "bad_request")), ("a%zz", (400, "bad_request")), ("%ED%A0%80", (400, "bad_request")),
            ("%00", (400, "malformed")), ("a%0Ab", (400, "malformed")), ("%20", (400, "malformed")), ("%E2%80%8B", (400, "malformed")),
            (&too_long, (400, "malformed")), ("a/b", (404, "no_such_route")), ("", (404, "no_such_route")), ("a/", (404, "no_such_route")),
        ] {
            assert_refusal(ensure(&app, path, json!({ "roleID": 2 })).key(&maker).send().refusal(), expected);
        }
        app.assert_rows(&rows, "nothing happened");
    }

    /// T-23: another tenant's key of the same name is one that never was: each makes its own, and touches no other's.
    fn anothers_name_is_one_that_never_was(app: TestApp) {
        let maker = app.full_key();
        let tenant = app.tenant("Blue");
        app.administrator("blue", PASSWORD, 1, tenant);
        let body = json!({ "userName": "blue", "password": PASSWORD, "tenantName": "Blue" });
        let blue = Session::from(&app.post("/api/sessions", body).send().expect(200));
        let ours = made(&app, &maker, json!({ "keyName": "shared", "roleID": 2 }));
        let of_ours = || app.texts(&format!("select key_name || role_id || description as t from api_keys where id = {}", ours["ID"]));
        let before = of_ours();
        let [foreign, never] = ["shared", "never"].map(|name| {
            let call = ensure(&app, &format!("{name}?reissue=allow"), json!({ "roleID": 1, "description": "theirs" }));
            done(call.with(&blue).holding(&secret(&ours)), "created")
        });
        assert!(foreign["ID"] != ours["ID"] && foreign["ID"] != never["ID"]);
        assert_eq!(of_ours(), before);
        assert_refusal(presented(&app, &secret(&ours)), IN);
        assert_refusal(presented(&app, &secret(&foreign)), IN);
        done(ensure(&app, "shared", json!({ "roleID": 2 })).key(&maker).holding(&secret(&ours)), "unchanged");
    }

    /// DS-52: of several who make one key at the same moment one makes it, and the others find it there, as it was made
    /// or to be changed. Nobody sees a fault, and there is one key with one secret, which one of them was given.
    fn of_those_who_make_one_key_at_once_one_makes_it(app: TestApp, |setup| setup.workers = 4) {
        let maker = app.full_key();
        for round in 0..6 {
            let (start, events) = (Barrier::new(8), app.last_event());
            let answers: Vec<Answer> = std::thread::scope(|scope| {
                let callers: Vec<_> = (0..8)
                    .map(|n| {
                        // in every second round they are of two minds
                        let role = if round % 2 == 1 && n % 2 == 1 { 1 } else { 2 };
                        let call = ensure(&app, &format!("round%20{round}"), json!({ "roleID": role })).key(&maker);
                        let start = &start;
                        scope.spawn(move || {
                            start.wait();
                            call.send()
                        })
                    })
                    .collect();
                callers.into_iter().map(|caller| caller.join().expect("an answer")).collect()
            });
            let outcomes: Vec<String> = answers.into_iter()
                .map(|answer| answer.expect(200).json()["outcome"].as_str().expect("an outcome").to_owned()).collect();
            let count = |wanted: &str| outcomes.iter().filter(|outcome| *outcome == wanted).count();
            assert_eq!((count("created"), count("reissued")), (1, 0), "{outcomes:?}");
            assert!(round % 2 == 1 || count("unchanged") == 7, "{outcomes:?}");
            assert_eq!(app.events_after(events).len(), 1 + count("updated"));
            assert_eq!(app.count(&format!("select count(*) as n from api_keys where name_fold = 'round {round}'")), 1);
            assert_eq!(app.count(&format!("select count(*) as n from api_key_secrets s join api_keys k on k.id = s.api_key_id where s.ends is null and name_fold = 'round {round}'")), 1);
        }
    }
}
