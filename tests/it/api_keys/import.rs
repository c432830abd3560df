//! `POST /api/apikeys/import`.

use serde_json::{Value, json};

use super::{IN, assert_refusal, made, presented, seen};
use crate::app::{Call, START, TestApp, secret};
use crate::both;

fn csv<'a>(app: &'a TestApp, key: &str, query: &str, text: &str) -> Call<'a> {
    let mut call =
        app.call("POST", &format!("/api/apikeys/import?format=csv{query}")).key(key).header("Content-Type", "text/csv");
    call.request.body = text.as_bytes().to_vec();
    call
}

fn list<'a>(app: &'a TestApp, key: &str, query: &str, keys: Value) -> Call<'a> {
    app.post(&format!("/api/apikeys/import{query}"), json!({ "apiKeys": keys })).key(key)
}

fn outcomes(answer: &Value) -> Vec<&str> {
    answer["lines"].as_array().expect("a list").iter().map(|line| line["outcome"].as_str().expect("a word")).collect()
}

/// What the list says of the digest of a key's secret.
fn digest_of(key: &str) -> String {
    format!("sha256:{}", firstkey::secret::PresentedKey::parse(key).expect("a key").secret.digest().to_hex())
}

both! {
    /// What was exported comes back as it was, under numbers of its own, whatever stands in names and descriptions.
    fn an_exported_inventory_comes_back(app: TestApp) {
        let full = app.full_key();
        let end = START.millis() + 86_400_000;
        let role = app.role("=Käse, \"1\"", &[]);
        let bodies = [
            json!({ "keyName": "=cmd|calc", "description": "a,\"b\"", "roleID": role, "locale": "ja-JP", "timeZone": "Asia/Tokyo", "expiryDate": end }),
            json!({ "keyName": "plain", "description": "-1", "roleID": 2, "active": false, "timeZone": "UTC" }),
            json!({ "keyName": "鍵", "roleID": 1, "timeZone": "UTC" }),
        ];
        let before: Vec<Value> = bodies.into_iter().map(|body| made(&app, &full, body)).collect();
        let text = app.get("/api/apikeys/export?format=csv").key(&full).send().expect(200).text();
        for key in &before {
            app.delete(&format!("/api/apikeys/{}", key["ID"])).key(&full).send().expect(204);
        }
        let answer = csv(&app, &full, "&skipInvalid=true", &text).send().expect(200).json();
        assert_eq!((&answer["created"], &answer["nameTaken"], outcomes(&answer)), (&json!(3), &json!(1), vec!["nameTaken", "created", "created", "created"]));
        for (line, old) in answer["lines"].as_array().expect("a list")[1..].iter().zip(&before) {
            let (now, mut then) = (seen(&app, &full, &line["ID"]), old.clone());
            then["ID"] = line["ID"].clone();
            then.as_object_mut().expect("members").remove("secretKey");
            assert_eq!(now, then);
            assert!(line["ID"].as_i64() > old["ID"].as_i64() && line.get("presentAs").is_none());
            // without a digest it lets nobody in: not either with the old secret under the new number
            let tail = secret(old);
            let tail = tail.split_once(':').expect("two parts").1;
            assert_refusal(presented(&app, &format!("{}:{tail}", line["ID"])), (401, "invalid_api_key"));
        }
        let plain = &answer["lines"][2]["ID"];
        app.post(&format!("/api/apikeys/{plain}"), json!({ "active": true })).key(&full).send().expect(200);
        let renewed = app.call("POST", &format!("/api/apikeys/{plain}/secretkey")).key(&full).send().expect(200).json();
        assert_refusal(presented(&app, &secret(&renewed)), IN);
        // the JSON export is taken as it is too
        let exported = app.get("/api/apikeys/export").key(&full).send().expect(200).json();
        let again = list(&app, &full, "?dryRun=true", exported["apiKeys"].clone()).send().expect(200).json();
        assert_eq!(outcomes(&again), ["nameTaken"; 4]);
    }

    /// Holders keep the secrets they have: the list brings digests, and the answer says what to put in front.
    fn holders_keep_their_secrets(app: TestApp) {
        let full = app.full_key();
        let elsewhere = made(&app, &full, json!({ "keyName": "made elsewhere", "roleID": 2 }));
        let text = secret(&elsewhere);
        let tail = text.split_once(':').expect("two parts").1;
        let digest = digest_of(&text);
        app.delete(&format!("/api/apikeys/{}", elsewhere["ID"])).key(&full).send().expect(204);
        let keys = json!([{ "keyName": "brought", "roleName": "AUDITOR", "secretDigest": digest, "ID": 7, "created": 1 }]);
        let answer = list(&app, &full, "", keys).send().expect(200).json();
        let id = &answer["lines"][0]["ID"];
        assert_eq!(answer, json!({
            "dryRun": false, "created": 1, "nameTaken": 0, "invalid": 0,
            "lines": [{ "line": 1, "keyName": "brought", "outcome": "created", "presentAs": format!("{id}:<base64 of the secret>"), "ID": id }],
        }));
        assert_refusal(presented(&app, &format!("{id}:{tail}")), IN);
        // one key at a time has a secret
        app.delete(&format!("/api/apikeys/{id}")).key(&full).send().expect(204);
        let upper = csv(&app, &full, "", &format!("keyName,roleID,secretDigest\nupper,2,{}\n", digest.to_uppercase().replace("SHA256", "sha256")));
        let id = upper.send().expect(200).json()["lines"][0]["ID"].clone();
        assert_refusal(presented(&app, &format!("{id}:{tail}")), IN);
        // outside the primary tenant the GUID stands in front
        let tenant = app.tenant("Blue");
        let theirs = secret(&app.post(&format!("/api/tenants/{tenant}/apikeys"), json!({ "keyName": "t" })).key(&full).send().expect(200).json());
        let end = app.clock.now().millis() + 3_600_000;
        let keys = json!([{ "keyName": "brought", "roleID": 2, "secretDigest": digest, "expiryDate": end }]);
        let line = list(&app, &theirs, "", keys).send().expect(200).json()["lines"][0].clone();
        let form = line["presentAs"].as_str().expect("a text").replace("<base64 of the secret>", tail);
        assert_refusal(presented(&app, &form), IN);
        assert_refusal(presented(&app, &format!("{}:{tail}", line["ID"])), (401, "invalid_api_key"));
        let digests = app.count("select count(*) as n from api_key_secrets");
        assert!(digests > 3 && !answer.to_string().contains(tail), "no secret was ever sent");
    }

    /// A dry run says of each line what would become of it, and why not; nothing happens.
    fn a_dry_run_says_what_would_become_of_each_line(app: TestApp) {
        let full = app.full_key();
        let rows = app.rows();
        let past = START.millis() - 1;
        let text = format!(
            "keyName,roleID,role name,locked out,expiryDate,locale,timeZone,secretDigest,description\r\n\
             good,2,,false,never,ja-JP,Asia/Tokyo,,\"two\r\nlines\"\r\n\
             by name,,auditor,,2027-01-15T08:00:00Z,,,,\r\nFULL,2,,,,,,,\r\nGood,2,,,,,,,\r\n,2,,,,,,,\r\nno role,,,,,,,,\r\nnot a role,77,,,,,,,\r\n\
             two roles,1,Auditor,,,,,,\r\nunknown role,,Nobody,,,,,,\r\nover,2,,,{past},,,,\r\nwhen,2,,,tomorrow,,,,\r\nwhere,2,,,,,Mars/Olympus,,\r\nhow,2,,,,xx-XX,,,\r\n\
             who,2,,,,,,sha256:beef,\r\nlocked,2,,perhaps,,,,,\r\nshort,2\r\n{},2,,,,,,,\r\n",
            "x".repeat(129)
        );
        let answer = csv(&app, &full, "&dryRun=true", &text).send().expect(200).json();
        app.assert_rows(&rows, "a dry run");
        // the description of two lines is refused, as everywhere
        let said: Vec<(i64, &str, &str)> = answer["lines"].as_array().expect("a list").iter()
            .map(|line| (line["line"].as_i64().expect("a number"), line["outcome"].as_str().expect("a word"), line["message"].as_str().unwrap_or_default())).collect();
        for (found, (line, outcome, says)) in said.iter().zip([
            (2, "invalid", "description"), (4, "created", ""), (5, "nameTaken", "name"), (6, "created", ""), (7, "invalid", "keyName"),
            (8, "invalid", "roleID"), (9, "invalid", "no such role"), (10, "invalid", "two roles"), (11, "invalid", "no role"), (12, "invalid", "expiryDate"),
            (13, "invalid", "expiryDate"), (14, "invalid", "time zone"), (15, "invalid", "locale"), (16, "invalid", "secretDigest"), (17, "invalid", "locked out"),
            (18, "invalid", "2 cells"), (19, "invalid", "keyName"),
        ]) {
            assert_eq!((found.0, found.1), (line, outcome), "{found:?}");
            assert!(found.2.to_lowercase().contains(&says.to_lowercase()), "{found:?}");
        }
        assert_eq!((said.len(), &answer["created"], &answer["nameTaken"], &answer["invalid"], &answer["dryRun"]), (17, &json!(2), &json!(1), &json!(14), &json!(true)));
        // a list in which a line cannot be is refused whole; with leave, the rest of it is taken
        let refused = csv(&app, &full, "", &text).send();
        assert_eq!(refused.refusal(), (400, "import_refused".into()));
        let message = refused.json()["message"].as_str().expect("a text").to_owned();
        assert!(message.contains("2: description") && message.contains("5: the name is taken") && message.contains("and 10 more"), "{message}");
        app.assert_rows(&rows, "all or nothing");
        let before = app.last_event();
        let answer = csv(&app, &full, "&skipInvalid=true", &text).send().expect(200).json();
        assert_eq!(answer["created"], 2);
        let events = app.events_after(before);
        assert_eq!(events.len(), 3);
        assert!(events[0].starts_with("5010 ") && events[0].contains("\"imported\":true"), "{events:?}");
        assert!(events[2].starts_with("5144 ") && events[2].ends_with(&json!({ "created": 2, "skipped": 15 }).to_string()), "{events:?}");
    }

    /// One secret opens one key: a line whose digest is that of a key's secret, of one that was replaced, or of a line
    /// further up cannot be, and the dry run says so of it. The list is refused whole, or taken without it.
    fn a_secret_that_opens_a_key_opens_no_other(app: TestApp) {
        let full = app.full_key();
        let there = made(&app, &full, json!({ "keyName": "there", "roleID": 2 }));
        let (replaced, id) = (digest_of(&secret(&there)), there["ID"].clone());
        let renewed = app.call("POST", &format!("/api/apikeys/{id}/secretkey")).key(&full).send().expect(200).json();
        let has = digest_of(&secret(&renewed));
        let gone = made(&app, &full, json!({ "keyName": "gone", "roleID": 2 }));
        app.delete(&format!("/api/apikeys/{}", gone["ID"])).key(&full).send().expect(204);
        let free = digest_of(&secret(&gone));
        let key = |name: &str, digest: &str| json!({ "keyName": name, "roleID": 2, "secretDigest": digest });
        let keys = json!([
            key("a", &has), key("b", &has.to_uppercase().replace("SHA256", "sha256")), key("c", &replaced), key("d", &free), key("e", &free),
            key("there", &has), { "keyName": "f", "roleID": 2 }, { "keyName": "g", "roleID": 2 },
        ]);
        let expected = ["invalid", "invalid", "invalid", "created", "invalid", "nameTaken", "created", "created"];
        let rows = app.rows();
        let answer = list(&app, &full, "?dryRun=true", keys.clone()).send().expect(200).json();
        assert_eq!(outcomes(&answer), expected);
        for at in [0, 1, 2, 4] {
            let why = answer["lines"][at]["message"].as_str().expect("why");
            assert!(why.starts_with("secretDigest: an API key has this secret already"), "{why}");
        }
        let refused = list(&app, &full, "", keys.clone()).send();
        assert_eq!(refused.refusal(), (400, "import_refused".into()));
        assert!(refused.text().contains("1: secretDigest: an API key has this secret"), "{}", refused.text());
        let text: String = std::iter::once("keyName,roleID,secretDigest\n".to_owned()).chain([("h", &has), ("i", &free)].map(|(name, digest)| format!("{name},2,{digest}\n"))).collect();
        assert_eq!(outcomes(&csv(&app, &full, "&dryRun=true", &text).send().expect(200).json()), ["invalid", "created"]);
        app.assert_rows(&rows, "nothing was taken");
        let answer = list(&app, &full, "?skipInvalid=true", keys.clone()).send().expect(200).json();
        assert_eq!(outcomes(&answer), expected);
        // the key that was made of the free one opens by it, and the others as before
        let tail = |key: &Value| secret(key).split_once(':').expect("two parts").1.to_owned();
        assert_refusal(presented(&app, &format!("{}:{}", answer["lines"][3]["ID"], tail(&gone))), IN);
        assert_refusal(presented(&app, &secret(&renewed)), IN);
        // a second run of the same list finds all of it there
        let again = list(&app, &full, "?skipInvalid=true", keys).send().expect(200).json();
        assert_eq!((&again["created"], &again["nameTaken"], &again["invalid"]), (&json!(0), &json!(4), &json!(4)));
        // what opens a key in one tenant tells nothing of it in another
        let (_, theirs) = crate::settings::other_tenant(&app);
        let end = app.clock.now().millis() + 3_600_000;
        let same = json!([{ "keyName": "same", "roleID": 2, "secretDigest": has, "expiryDate": end }]);
        assert_eq!(outcomes(&list(&app, &theirs, "", same).send().expect(200).json()), ["created"]);
    }

    /// A digest that is anybody's lets nobody in: of nothing, of zeros, of one byte over and over.
    fn a_digest_of_no_secret_is_refused(app: TestApp) {
        use base64::Engine as _;
        let full = app.full_key();
        let rows = app.rows();
        let of = |bytes: [u8; 32]| digest_of(&format!("1:{}", base64::engine::general_purpose::STANDARD.encode(bytes)));
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".to_owned();
        let rising = of(std::array::from_fn(|n| 1 + n as u8));
        for digest in [of([0; 32]), of([65; 32]), rising, format!("sha256:{}", "0".repeat(64)), format!("sha256:{}", "F".repeat(64)), empty, "1".repeat(64), String::new()] {
            let keys = json!([{ "keyName": "k", "roleID": 2, "secretDigest": digest }]);
            let answer = list(&app, &full, "?dryRun=true", keys.clone()).send().expect(200).json();
            assert_eq!(outcomes(&answer), ["invalid"], "{digest}");
            // in the same words as where one key is made sure of
            let ensured = app.call("PUT", "/api/apikeys/by-name/k").json(json!({ "roleID": 2, "secretDigest": digest })).key(&full).send();
            assert_refusal(ensured.refusal(), (400, "malformed"));
            assert!(ensured.text().contains("\"secretDigest: "), "{}", ensured.text());
            assert_eq!(answer["lines"][0]["message"], ensured.json()["message"]);
            assert_eq!(list(&app, &full, "", keys).send().refusal(), (400, "import_refused".into()));
            if !digest.is_empty() {
                let text = format!("keyName,roleID,secretDigest\nk,2,{digest}\n");
                assert_eq!(csv(&app, &full, "", &text).send().refusal(), (400, "import_refused".into()), "{digest}");
            }
        }
        app.assert_rows(&rows, "nothing was taken");
    }

    /// Of several lists with one secret that come at once one is taken; whoever comes too late to be told of the line is
    /// told of a conflict, and nothing of theirs is made.
    fn of_lists_with_one_secret_at_once_one_is_taken(app: TestApp, |setup| setup.workers = 4) {
        let full = app.full_key();
        for round in 0..4 {
            let gone = made(&app, &full, json!({ "keyName": "gone", "roleID": 2 }));
            app.delete(&format!("/api/apikeys/{}", gone["ID"])).key(&full).send().expect(204);
            let digest = digest_of(&secret(&gone));
            let start = std::sync::Barrier::new(6);
            let answers: Vec<(u16, String)> = std::thread::scope(|scope| {
                let callers: Vec<_> = (0..6).map(|n| {
                    let keys = json!([{ "keyName": format!("{round} {n} a"), "roleID": 2 }, { "keyName": format!("{round} {n} b"), "roleID": 2, "secretDigest": digest }]);
                    let (call, start) = (list(&app, &full, "", keys), &start);
                    scope.spawn(move || {
                        start.wait();
                        call.send().refusal()
                    })
                }).collect();
                callers.into_iter().map(|caller| caller.join().expect("an answer")).collect()
            });
            assert_eq!(answers.iter().filter(|answer| answer.0 == 200).count(), 1, "{answers:?}");
            assert!(answers.iter().all(|answer| answer.0 == 200 || [(400, "import_refused"), (409, "conflict")].contains(&(answer.0, answer.1.as_str()))), "{answers:?}");
            assert_eq!(app.count(&format!("select count(*) as n from api_keys where key_name like '{round} %'")), 2);
        }
    }

    /// T-01, T-03: no line is stronger than the caller or outlasts it.
    fn no_line_is_beyond_the_caller(app: TestApp) {
        let full = app.full_key();
        let rights = firstkey::rights::Rights::auditor().with(firstkey::rights::Right::find("platformRights", "apikeyRights", "canCreateNewApiKeys").expect("a right"));
        let role = app.role_of("Minter", rights, firstkey::rights::Reach::everything());
        let end = START.millis() + 86_400_000;
        let minter = secret(&made(&app, &full, json!({ "keyName": "minter", "roleID": role, "expiryDate": end })));
        let keys = json!([
            { "keyName": "weak", "roleID": 2 }, { "keyName": "strong", "roleID": 1 }, { "keyName": "lasting", "roleID": 2, "expiryDate": 0 },
            { "keyName": "longer", "roleID": 2, "expiryDate": end + 1 },
        ]);
        let answer = list(&app, &minter, "?skipInvalid=true", keys).send().expect(200).json();
        assert_eq!(outcomes(&answer), ["created", "invalid", "invalid", "invalid"]);
        assert_eq!(seen(&app, &full, &answer["lines"][0]["ID"])["expiryDate"], json!(end), "it ends with its maker");
    }

    /// What is no list is refused in one piece, and so is more than is taken at once.
    fn what_is_no_list_is_refused(app: TestApp) {
        let full = app.full_key();
        let rows = app.rows();
        let header = "keyName,roleID\n";
        for (call, status, code) in [
            (csv(&app, &full, "", "keyName\nk\n"), 400, "malformed"),
            (csv(&app, &full, "", "keyName,roleID,secretDigset\nk,2,x\n"), 400, "malformed"),
            (csv(&app, &full, "", ""), 400, "malformed"),
            (csv(&app, &full, "", &format!("{header}{}", "k,2\n".repeat(10_001))), 413, "body_too_large"),
            (csv(&app, &full, "", &" ".repeat(4 * 1024 * 1024 + 1)), 413, "body_too_large"),
            (csv(&app, &full, "&format=csv", header), 400, "bad_request"),
            (csv(&app, &full, "&dryRun=1", header), 400, "bad_request"),
            (list(&app, &full, "?format=csv", json!([])), 415, "not_json"),
            (list(&app, &full, "", json!(7)), 400, "malformed"),
            (list(&app, &full, "", json!([{ "keyName": 7 }])), 400, "malformed"),
            (app.call("POST", "/api/apikeys/import").key(&full).body(format!("{{\"apiKeys\":[{}]}}", vec!["{}"; 10_001].join(","))), 413, "body_too_large"),
        ] {
            assert_refusal(call.send().refusal(), (status, code));
            app.assert_rows(&rows, code);
        }
        let mut wrong = csv(&app, &full, "", header);
        wrong.request.path = "/api/apikeys/import".into();
        assert_refusal(wrong.send().refusal(), (415, "not_json"));
        let answer = list(&app, &full, "", json!([{ "keyName": "k", "roleID": [2] }])).send();
        assert!(answer.text().contains("apiKeys[0].roleID"), "{}", answer.text());
    }

    /// A list of thousands is taken whole.
    fn thousands_are_taken_at_once(app: TestApp) {
        let full = app.full_key();
        let lines: String = (0..3_000).map(|n| format!("k {n},2\n")).collect();
        let text = format!("keyName,roleID\n{lines}");
        assert_eq!(csv(&app, &full, "", &text).send().expect(200).json()["created"], 3_000);
        assert_eq!(csv(&app, &full, "", &text).send().refusal(), (400, "import_refused".into()));
        assert_eq!(app.count("select count(*) as n from api_keys"), 3_001);
    }

    /// What was exported with its profile, kind and bounds comes back with them, and lets its holder in where and how
    /// it did before.
    fn bounds_and_profiles_come_back_too(app: TestApp) {
        let full = app.full_key();
        let profile = crate::profiles::made(&app, &full, json!({ "name": "machines", "targets": [{ "name": "Milan", "maxKeys": 1 }], "apiTypesRequired": true, "maxValidity": "60d" }));
        crate::api_types::made(&app, &full, "contacts", false, &[crate::api_types::VIEW_CONTACTS]);
        let body = json!({
            "keyName": "agent", "roleID": 1, "timeZone": "Europe/Rome", "lifecycle": { "profileID": profile, "kind": "siemAgent" },
            "constraints": {
                "target": "Milan", "apiTypes": ["contacts"], "notBefore": START.millis() - 1, "networks": { "allow": ["127.0.0.0/8"], "deny": ["127.0.0.9"] },
                "remainingUses": 10, "callsPerMinute": 7, "windows": [{ "days": ["mon", "sat", "sun"], "from": "00:00", "to": "24:00" }],
            },
        });
        let old = made(&app, &full, body);
        made(&app, &full, json!({ "keyName": "plain", "roleID": 2 }));
        let mut exported = app.get("/api/apikeys/export?kind=all&expand=all").key(&full).send().expect(200).json();
        exported["apiKeys"].as_array_mut().expect("a list").retain(|key| key["keyName"] != "full");
        exported["apiKeys"][0]["secretDigest"] = json!(digest_of(&secret(&old)));
        let look = |id: &Value| {
            let mut key = app.get(&format!("/api/apikeys/{id}?expand=all")).key(&full).send().expect(200).json();
            let members = key.as_object_mut().expect("members");
            members.remove("ID");
            members["lifecycle"].as_object_mut().expect("members").retain(|name, _| ["profileID", "profile", "kind"].contains(&name.as_str()));
            key
        };
        // there is room for one of them, and names are taken
        let rows = app.rows();
        let mut second = exported.clone();
        second["apiKeys"][0]["keyName"] = json!("agent 2");
        let taken = app.post("/api/apikeys/import?dryRun=true", second.clone()).key(&full).send().expect(200).json();
        assert_eq!(outcomes(&taken), ["invalid", "nameTaken"]);
        second["apiKeys"][0]["secretDigest"] = json!(null);
        let full_up = app.post("/api/apikeys/import?dryRun=true", second).key(&full).send().expect(200).json();
        assert!(full_up["lines"][0]["message"].as_str().expect("why").starts_with("The target Milan has 1 key at most"), "{full_up}");
        app.assert_rows(&rows, "dry runs");
        let keys = ["agent", "plain"].map(|name| app.count(&format!("select id as n from api_keys where key_name = '{name}'")));
        let before = keys.map(|id| look(&json!(id)));
        for id in keys {
            app.delete(&format!("/api/apikeys/{id}")).key(&full).send().expect(204);
        }
        let answer = app.post("/api/apikeys/import", exported).key(&full).send().expect(200).json();
        assert_eq!(outcomes(&answer), ["created", "created"]);
        for (line, before) in answer["lines"].as_array().expect("a list").iter().zip(before) {
            assert_eq!(look(&line["ID"]), before);
        }
        let printed = secret(&old);
        let printed = format!("{}:{}", answer["lines"][0]["ID"], printed.split_once(':').expect("two parts").1);
        // it opens what it opened: contacts, and nothing else
        app.get("/api/contacts").key(&printed).send().expect(200);
        app.get("/api/administrators").key(&printed).send().expect(403);
        let elsewhere = app.get("/api/contacts").key(&printed).send_from("127.0.0.9".parse().expect("an address"));
        assert_eq!(elsewhere.refusal(), (403, "address_refused".into()));
    }

    /// A line is judged by its profile, the tenant's default one where it names none, as a key that is made by itself
    /// would be; what it says of itself must be possible.
    fn a_line_is_judged_by_its_profile(app: TestApp) {
        let full = app.full_key();
        let day = 86_400_000;
        let two = crate::profiles::made(&app, &full, json!({ "name": "Two", "maxKeys": 2, "validity": "5d", "maxValidity": "10d" }));
        let typed = crate::profiles::made(&app, &full, json!({ "name": "typed", "apiTypesRequired": true }));
        let bound = crate::profiles::made(&app, &full, json!({ "name": "own", "rightsFrom": "issuer", "issuerBound": true }));
        let key = |name: &str, lifecycle: Value, more: Value| {
            let mut key = json!({ "keyName": name, "roleID": 2, "lifecycle": lifecycle });
            key.as_object_mut().expect("members").extend(more.as_object().expect("members").clone());
            key
        };
        let constraints = |constraints: Value| json!({ "constraints": constraints });
        let cases = [
            (key("a", json!({ "profileID": two }), json!({})), ""),
            (key("b", json!({ "profile": "two" }), json!({ "expiryDate": START.millis() + 10 * day })), ""),
            (key("c", json!({ "profileID": two }), json!({})), "The profile Two has 2 keys at most"),
            (key("d", json!({ "profileID": two }), json!({ "expiryDate": 0 })), "expiryDate: a key of the profile Two lasts"),
            (key("e", json!({ "profileID": two, "profile": "typed" }), json!({})), "lifecycle: profileID and profile are two"),
            (key("f", json!({ "profileID": 77_777 }), json!({})), "lifecycle.profileID: there is no such profile"),
            (key("g", json!({ "profile": "nobody's" }), json!({})), "lifecycle.profile: there is no profile of that name"),
            (key("h", json!({ "profileID": typed }), json!({})), "constraints.apiTypes: a key of the profile typed needs"),
            (key("i", json!({ "profileID": typed }), constraints(json!({ "apiTypes": ["nothing"] }))), "apiTypes: there is no nothing"),
            (key("j", json!({ "profileID": bound }), json!({})), "A key of this profile has the rights of the person who makes it"),
            (key("k", json!({ "kind": "robot" }), json!({})), "lifecycle.kind: standard, siemAgent"),
            (key("l", json!({ "kind": "logCollector" }), json!({})), ""),
            (key("m", json!({}), constraints(json!({ "networks": { "allow": ["nowhere"] } }))), "constraints.networks"),
            (key("n", json!({}), constraints(json!({ "remainingUses": 0 }))), "constraints.remainingUses"),
            (key("o", json!({}), constraints(json!({ "callsPerMinute": 0 }))), "constraints.callsPerMinute"),
            (key("p", json!({}), constraints(json!({ "windows": [{ "days": ["someday"], "from": "1", "to": "2" }] }))), "constraints.windows"),
            (key("q", json!({}), json!({ "expiryDate": START.millis() + day, "constraints": { "notBefore": START.millis() + day } })), "constraints.notBefore"),
        ];
        let keys: Vec<Value> = cases.iter().map(|(key, _)| key.clone()).collect();
        let rows = app.rows();
        for query in ["?dryRun=true", "?skipInvalid=true"] {
            let answer = list(&app, &full, query, json!(keys)).send().expect(200).json();
            for (line, (key, says)) in answer["lines"].as_array().expect("a list").iter().zip(&cases) {
                let why = line["message"].as_str().unwrap_or_default();
                assert!(why.starts_with(says) && why.is_empty() == says.is_empty(), "{key}: {why}");
            }
            assert_eq!(answer["created"], 3);
            if query == "?dryRun=true" {
                app.assert_rows(&rows, "a dry run");
            }
        }
        assert_eq!(app.texts(&format!("select key_name || ' ' || cast(expiry_date as text) as t from api_keys where profile_id = {two} order by id")),
            [format!("a {}", START.millis() + 5 * day), format!("b {}", START.millis() + 10 * day)]);
        assert_eq!(app.texts("select key_name as t from api_keys where kind = 'logCollector'"), ["l"]);
        for malformed in [json!({ "lifecycle": [7] }), json!({ "lifecycle": 7 }), json!({ "constraints": ["Milan"] }), json!({ "constraints": { "remainingUses": [1] } }),
            json!({ "lifecycle": { "profil": "two" } }), json!({ "constraints": { "networkz": null } }), json!({ "Constraints": {} })] {
            assert_refusal(list(&app, &full, "", json!([key("x", json!({}), malformed)])).send().refusal(), (400, "malformed"));
        }
        // a person's own role, and the tenant's default
        let session = app.sign_in();
        let own = json!({ "apiKeys": [{ "keyName": "own", "lifecycle": { "profileID": bound } }, { "keyName": "other", "roleID": 2, "lifecycle": { "profileID": bound } }] });
        let answer = app.post("/api/apikeys/import?skipInvalid=true", own).with(&session).send().expect(200).json();
        assert_eq!(outcomes(&answer), ["created", "invalid"]);
        assert_eq!(app.count("select role_id as n from api_keys where key_name = 'own'"), 1);
        app.post(&format!("/api/apikeyprofiles/{typed}"), json!({ "default": true })).key(&full).send().expect(200);
        let plain = json!([{ "keyName": "plain", "roleID": 2 }, { "keyName": "free", "roleID": 2, "lifecycle": { "profileID": 1 } }]);
        assert_eq!(outcomes(&list(&app, &full, "?skipInvalid=true", plain).send().expect(200).json()), ["invalid", "created"]);
    }

    /// T-01: what a bounded key imports is bounded as much: where nothing is said it has the importer's bounds, and a
    /// line that asks for more is refused.
    fn a_bounded_key_imports_none_that_is_not(app: TestApp) {
        let full = app.full_key();
        let bounds = json!({ "networks": { "allow": ["127.0.0.0/8"] }, "callsPerMinute": 1000 });
        let importer = secret(&made(&app, &full, json!({ "keyName": "importer", "roleID": 1, "constraints": bounds })));
        let with = |name: &str, constraints: Value| json!({ "keyName": name, "roleID": 2, "constraints": constraints });
        let keys = json!([
            { "keyName": "a", "roleID": 2 }, with("b", json!({ "callsPerMinute": 1001 })), with("c", json!({ "networks": { "allow": ["0.0.0.0/0"] } })),
            with("d", json!({ "callsPerMinute": null })), with("e", json!({ "callsPerMinute": 999 })),
        ]);
        let answer = list(&app, &importer, "?skipInvalid=true", keys).send().expect(200).json();
        assert_eq!(outcomes(&answer), ["created", "invalid", "invalid", "invalid", "created"]);
        let shown = |at: usize| app.get(&format!("/api/apikeys/{}?expand=constraints", answer["lines"][at]["ID"])).key(&full).send().expect(200).json()["constraints"].clone();
        assert_eq!((&shown(0)["callsPerMinute"], &shown(0)["networks"]["allow"]), (&json!(1000), &json!(["127.0.0.0/8"])));
        assert_eq!((&shown(4)["callsPerMinute"], &shown(4)["networks"]["allow"]), (&json!(999), &json!(["127.0.0.0/8"])));
    }

    /// In a CSV the same has columns, but for hours of the week, which are refused and not dropped.
    fn a_csv_says_bounds_in_columns(app: TestApp) {
        let full = app.full_key();
        crate::api_types::made(&app, &full, "contacts", false, &[crate::api_types::VIEW_CONTACTS]);
        crate::api_types::made(&app, &full, "more", false, &[crate::api_types::VIEW_CONTACTS]);
        crate::profiles::made(&app, &full, json!({ "name": "machines", "targets": [{ "name": "Milan" }] }));
        let text = "keyName,roleID,kind,profile,target,apiTypes,notBefore,allowed networks,denied networks,remainingUses,callsPerMinute,profileID\n\
                    a,1,siemAgent,machines,Milan,contacts;more,2026-01-01T00:00:00Z,127.0.0.0/8 ::1,127.0.0.9,10,7,\nb,2,,,,,,,,,,\nc,2,,,,,,,,some,,\n\
                    d,2,,,,,soon,,,,,\ne,2,,,,,,,,,,x\nf,2,robot,,,,,,,,,\ng,2,,machines,Rome,,,,,,,\n";
        let answer = csv(&app, &full, "&skipInvalid=true", text).send().expect(200).json();
        assert_eq!(outcomes(&answer), ["created", "created", "invalid", "invalid", "invalid", "invalid", "invalid"]);
        for (at, says) in [(2, "constraints.remainingUses: "), (3, "constraints.notBefore: "), (4, "profileID: "), (5, "lifecycle.kind: "), (6, "constraints.target: ")] {
            assert!(answer["lines"][at]["message"].as_str().expect("why").starts_with(says), "{}", answer["lines"][at]);
        }
        let look = |at: usize| app.get(&format!("/api/apikeys/{}?expand=all", answer["lines"][at]["ID"])).key(&full).send().expect(200).json();
        let shown = look(0);
        assert_eq!((&shown["lifecycle"]["kind"], &shown["lifecycle"]["profile"]), (&json!("siemAgent"), &json!("machines")));
        let types: Vec<&str> = shown["constraints"]["apiTypes"].as_array().expect("a list").iter().map(|kind| kind["name"].as_str().expect("a name")).collect();
        assert_eq!(types, ["contacts", "more"]);
        let mut constraints = shown["constraints"].clone();
        constraints.as_object_mut().expect("members").remove("apiTypes");
        assert_eq!(constraints, json!({
            "target": "Milan", "notBefore": 1_767_225_600_000_i64, "networks": { "allow": ["127.0.0.0/8", "::1"], "deny": ["127.0.0.9"] },
            "remainingUses": 10, "callsPerMinute": 7,
        }));
        assert_eq!(look(1)["constraints"], json!({}));
        let refused = csv(&app, &full, "", "keyName,roleID,windows\nk,2,mon 08:00-18:00\n").send();
        assert_refusal(refused.refusal(), (400, "malformed"));
        assert!(refused.text().contains("hours of the week"), "{}", refused.text());
    }
}
