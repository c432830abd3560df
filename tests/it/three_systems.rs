//! Where the three systems contradict each other: one table, one row a topic, one column a profile. Each cell is what a
//! running server does under that profile, in a few words: keys are made, presented, changed and listed, and nothing
//! is believed that a profile says of itself. A topic is a function, so that another row is another line.

use std::path::Path;

use firstkey::config::Config;
use serde_json::{Value, json};

use crate::app::{ADMIN, Call, PASSWORD, START, Session, Setup, TestApp, secret};
use crate::both;
use crate::http::Answer;
use crate::notices::tell;

const DAY: i64 = 86_400_000;
const WEEK: i64 = 7 * DAY;
const PROBLEM: &str = "application/problem+json";
const TREND: &str = "application/vnd.firstkey.cas+json";
/// What the API type `logRetrieval` and Full Access may look at, and a role without rights may not.
const EVENTS: &str = "/api/auditevents";

/// A topic: what it is called, how a server is asked about it, and what it answers under Deep Security's profile, Trend
/// Micro Cloud App Security's, and Microsoft Cloud App Security's.
struct Topic {
    name: &'static str,
    ask: fn(&Bench) -> String,
    answers: [&'static str; 3],
}

const TOPICS: &[Topic] = &[
    // every server takes a key wherever a client of the three puts it
    Topic {
        name: "how a key is presented",
        ask: presented,
        answers: ["api-secret-key, X-API-Key, Bearer, Token; one of them, api-version or not"; 3],
    },
    Topic {
        name: "the shape of a refusal",
        ask: shape_of_refusal,
        answers: ["message, code, traceId", "code (the status), msg, traceId", "message, code, traceId"],
    },
    Topic {
        name: "where rights come from",
        ask: source_of_rights,
        answers: ["the role that is named", "the role that is named, cut to the API types", "the issuer's role"],
    },
    Topic {
        name: "a role above the creator's",
        ask: role_above,
        answers: ["403 beyond_caller", "403 beyond_caller", "400 malformed"],
    },
    Topic {
        name: "another role of the issuer's",
        ask: issuer_changes_role,
        answers: ["changes nothing", "changes nothing", "is the key's with the next call"],
    },
    Topic {
        name: "an API type that needs an authorization",
        ask: authorization,
        answers: ["is not asked for", "is pending until it is given, by the same secret", "is not asked for"],
    },
    Topic {
        name: "expiry",
        ask: expiry,
        answers: ["never, or as asked", "after 365 days and no other", "never, or as asked"],
    },
    Topic {
        name: "re-key",
        ask: re_key,
        answers: ["a new secret, the same key", "a new secret, the same key", "a new secret, the same key"],
    },
    Topic {
        name: "an expired key",
        ask: revival,
        answers: [
            "lives again with a later end, by the same secret",
            "lives again with a refresh, by another secret, for 365 days",
            "lives again with a later end, by the same secret",
        ],
    },
    Topic {
        name: "other API types",
        ask: other_types,
        answers: ["keep the secret", "replace the secret", "keep the secret"],
    },
    Topic {
        name: "another role",
        ask: other_role,
        answers: ["keeps the secret", "keeps the secret", "is refused: 409 conflict"],
    },
    Topic { name: "visibility of the value", ask: visibility_of_the_value, answers: ["once", "once", "once"] },
    Topic {
        name: "who sees a key",
        ask: who_sees,
        answers: ["whoever may view keys", "whoever may view keys", "its issuer, and Full Access"],
    },
    Topic { name: "keys of machines", ask: machines, answers: ["in lists of their own"; 3] },
    // one set of words for all; a key of the first two does not care about its issuer
    Topic {
        name: "status words",
        ask: status_words,
        answers: [
            "generated, active, inactive, expiring, expired, locked",
            "generated, active, inactive, expiring, expired, locked",
            "generated, active, inactive, expiring, expired, locked, issuerDisabled",
        ],
    },
    Topic { name: "number of keys", ask: number, answers: ["no limit", "20, 1 of them for Apex One", "no limit"] },
    Topic {
        name: "throttle",
        ask: throttle,
        answers: [
            "500 a key, 1000 a tenant, in any minute",
            "20 a key, in the minute from the first call on",
            "30 a tenant, in any minute",
        ],
    },
    Topic {
        name: "issuer disabled",
        ask: issuer_disabled,
        answers: ["goes on working", "goes on working", "403 issuer_disabled, listed as that, until they are back"],
    },
    Topic {
        name: "issuer gone",
        ask: issuer_gone,
        answers: ["goes on working", "goes on working", "403 issuer_disabled, listed as that"],
    },
    // a key that ends is told of in every profile, where there is mail; that the other two end at all is asked for
    Topic { name: "mail before the end", ask: warning, answers: ["10 days before"; 3] },
    Topic { name: "the tenant's own URL", ask: own_url, answers: ["handed out, beside the general one"; 3] },
];

/// A server, and the profile that is asked about.
struct Bench<'a> {
    app: &'a TestApp,
    profile: i64,
    full: String,
    session: Session,
}

impl Bench<'_> {
    /// A body for a key of the profile, with a role and API types where it takes them.
    fn body(&self, name: &str, role: i64, types: Value) -> Value {
        let mut body = json!({ "keyName": name, "lifecycle": { "profileID": self.profile } });
        if self.profile != 3 {
            body["roleID"] = json!(role);
        }
        if self.profile == 2 {
            body["constraints"] = json!({ "target": "External applications", "apiTypes": types });
        }
        body
    }

    fn try_mint(&self, session: &Session, body: Value) -> Answer {
        self.app.post("/api/apikeys", body).with(session).send()
    }

    /// A key of the profile and of Full Access as far as the profile lets it have that.
    fn mint(&self, name: &str) -> Value {
        self.mint_by(&self.session, name)
    }

    fn mint_by(&self, session: &Session, name: &str) -> Value {
        self.try_mint(session, self.body(name, 1, json!(["logRetrieval"]))).expect(200).json()
    }

    /// A key that ends, as soon as the profile lets it, and when.
    fn mint_ending(&self, name: &str) -> (Value, i64) {
        let mut body = self.body(name, 1, json!(["logRetrieval"]));
        if self.profile == 2 {
            return (self.try_mint(&self.session, body).expect(200).json(), START.millis() + 365 * DAY);
        }
        let end = START.millis() + 40 * DAY;
        body["expiryDate"] = json!(end);
        (self.try_mint(&self.session, body).expect(200).json(), end)
    }

    /// Somebody of a role, and a session of theirs.
    fn person(&self, name: &str, role: i64) -> (i64, Session) {
        let id = self.app.administrator(name, PASSWORD, role, 0);
        (id, Session::from(&self.app.try_sign_in(name, PASSWORD).expect(200)))
    }

    fn modify(&self, key: &Value, body: Value) -> Answer {
        self.app.post(&format!("/api/apikeys/{}", key["ID"]), body).key(&self.full).send()
    }

    /// Status and code of a call with a key, in a shape that has the codes, whatever the profile says.
    fn outcome(&self, path: &str, key: &Value) -> String {
        let (status, code) = self.app.get(path).key(&secret(key)).header("Accept", PROBLEM).send().refusal();
        format!("{status} {code}").trim_end().to_owned()
    }

    fn may(&self, path: &str, key: &Value) -> bool {
        self.outcome(path, key) == "200"
    }

    fn lives(&self, key: &Value) -> bool {
        self.may("/api/apikeys/current", key)
    }

    /// Sets the clock.
    fn at(&self, moment: i64) {
        self.app.clock.advance(moment - self.app.clock.now().millis());
    }

    /// The status that the list says of a key, which a search finds it by and by which it is counted.
    fn word(&self, key: &Value) -> String {
        let has = |list: &Value| {
            list["apiKeys"].as_array().expect("a list").iter().find(|one| one["ID"] == key["ID"]).cloned()
        };
        let list = self.app.get("/api/apikeys?expand=lifecycle").key(&self.full).send().expect(200).json();
        let word = has(&list).expect("it is listed")["lifecycle"]["status"].as_str().expect("a status").to_owned();
        let criteria =
            json!({ "searchCriteria": { "fieldName": "status", "choiceTest": "equal", "choiceValue": word } });
        let found = self.app.post("/api/apikeys/search", criteria).key(&self.full).send().expect(200).json();
        assert!(has(&found).is_some(), "a search does not find it by {word}");
        let counts = self.app.get("/api/apikeys/counts").key(&self.full).send().expect(200).json();
        assert_eq!(counts["statuses"][&word], json!(found["apiKeys"].as_array().map(Vec::len)), "{word}");
        word
    }
}

fn presented(bench: &Bench) -> String {
    let key = secret(&bench.mint("presented"));
    let ways = [
        ("api-secret-key", "api-secret-key", key.clone()),
        ("X-API-Key", "X-API-Key", key.clone()),
        ("Bearer", "Authorization", format!("Bearer {key}")),
        ("Token", "Authorization", format!("Token {key}")),
    ];
    let call = |(_, header, value): &(&str, &str, String)| bench.app.get("/api/apikeys/current").header(header, value);
    let taken: Vec<&str> = ways
        .iter()
        .filter(|way| {
            let (with, without) = (call(way).header("api-version", "v1").send(), call(way).send());
            let (other, wrong) = (call(way).header("api-version", "v2").send(), (way.0, way.1, format!("{}x", way.2)));
            [with, without, other, call(&wrong).send()].map(|answer| answer.status) == [200, 200, 400, 401]
        })
        .map(|way| way.0)
        .collect();
    for first in &ways {
        for second in ways.iter().filter(|second| second.0 != first.0) {
            call(first).header(second.1, &second.2).send().expect(400);
        }
    }
    // as the documentation of one of them prints it, without a blank behind the colon
    let mut connection = bench.app.connect();
    let head = format!("GET /api/apikeys/current HTTP/1.1\r\nHost: localhost\r\nAuthorization:Token {key}\r\n\r\n");
    connection.write_raw(head.as_bytes()).expect("it is taken");
    connection.read(false).expect("an answer").expect(200);
    format!("{}; one of them, api-version or not", taken.join(", "))
}

fn shape_of_refusal(bench: &Bench) -> String {
    let key = bench.mint("refused");
    let refused = |call: Call<'_>| {
        let answer = call.key(&secret(&key)).send().expect(404);
        (answer.header("content-type").unwrap_or_default().to_owned(), answer.text(), answer.json())
    };
    let asked = |accept: &str| refused(bench.app.get("/api/nothing").header("Accept", accept));
    let problem = asked(PROBLEM);
    assert_eq!(
        (problem.0.as_str(), &problem.2["status"], &problem.2["code"]),
        (PROBLEM, &json!(404), &json!("no_such_route"))
    );
    let trend = asked(TREND).2;
    assert_eq!((trend["code"].as_i64(), trend["msg"].is_string(), trend.get("message")), (Some(404), true, None));
    // who has not the secret is not told of the profile
    let stranger = bench.app.get(EVENTS).key(&format!("{}:{}=", key["ID"], "A".repeat(43))).send().expect(401).json();
    assert!(stranger["message"].is_string(), "{stranger}");
    let (kind, text, own) = refused(bench.app.get("/api/nothing"));
    assert_eq!(kind, "application/json");
    let mut members: Vec<&String> = own.as_object().expect("members").keys().collect();
    // in the order of the bytes
    members.sort_by_key(|member| text.find(&format!("\"{member}\":")));
    let said = |member: &&String| {
        if own[*member] == json!(404) { format!("{member} (the status)") } else { (*member).clone() }
    };
    members.iter().map(said).collect::<Vec<_>>().join(", ")
}

fn source_of_rights(bench: &Bench) -> String {
    // the role that is named may look at contacts, the issuer's may do everything, the API type has audit events in it
    let rights = [
        "platformRights.contactRights.canViewContacts",
        "platformRights.systemInformationRights.canViewSystemInformation",
    ];
    let role = bench.app.role("Named", &rights);
    let key = bench.try_mint(&bench.session, bench.body("rights", role, json!(["logRetrieval"]))).expect(200).json();
    match [EVENTS, "/api/contacts", "/api/administrators"].map(|path| bench.may(path, &key)) {
        [true, true, false] => "the role that is named".into(),
        [true, false, false] => "the role that is named, cut to the API types".into(),
        [true, true, true] => "the issuer's role".into(),
        other => format!("{other:?}"),
    }
}

fn role_above(bench: &Bench) -> String {
    let minter = bench.app.role("Minter", &["platformRights.apikeyRights.canCreateNewApiKeys"]);
    let (_, session) = bench.person("minter", minter);
    let mut body = bench.body("above", 1, json!(["logRetrieval"]));
    body["roleID"] = json!(1);
    let (status, code) = bench.try_mint(&session, body).refusal();
    // their own is one that they may hand on
    bench.try_mint(&session, bench.body("own", minter, json!(["logRetrieval"]))).expect(200);
    format!("{status} {code}")
}

fn issuer_changes_role(bench: &Bench) -> String {
    let bare = bench.app.role("Bare", &[]);
    let (issuer, session) = bench.person("issuer", 1);
    let key = bench.mint_by(&session, "followed");
    assert!(bench.may(EVENTS, &key));
    let path = format!("/api/administrators/{issuer}");
    bench.app.post(&path, json!({ "roleID": bare })).key(&bench.full).send().expect(200);
    match bench.outcome(EVENTS, &key).as_str() {
        "200" => "changes nothing".into(),
        "403 not_authorized" if bench.lives(&key) => "is the key's with the next call".into(),
        other => other.into(),
    }
}

fn authorization(bench: &Bench) -> String {
    // nobody has that number: who may edit administrators is told so, and who may not is not
    let edit = |key: &Value| {
        let call = bench.app.post("/api/administrators/2147483647", json!({})).key(&secret(key));
        call.header("Accept", PROBLEM).send().refusal().1
    };
    let body = bench.body("authorized", 1, json!(["threatMitigationUserAccount"]));
    let key = bench.try_mint(&bench.session, body).expect(200).json();
    match edit(&key).as_str() {
        "not_found" => "is not asked for".into(),
        "authorization_pending" => {
            let grant = json!({ "apiType": "threatMitigationUserAccount", "password": PASSWORD });
            let path = format!("/api/apikeys/{}/authorizations", key["ID"]);
            bench.app.post(&path, grant).with(&bench.session).send().expect(200);
            assert_eq!(edit(&key), "not_found");
            "is pending until it is given, by the same secret".into()
        }
        other => other.into(),
    }
}

fn expiry(bench: &Bench) -> String {
    let (unsaid, end) = (bench.mint("unsaid"), START.millis() + 30 * DAY);
    let mut body = bench.body("asked", 1, json!(["logRetrieval"]));
    body["expiryDate"] = json!(end);
    let asked = bench.try_mint(&bench.session, body);
    if asked.status == 200 {
        let asked = asked.json();
        bench.at(end - 1);
        assert!(bench.lives(&asked));
        bench.at(end);
        assert_eq!(bench.outcome("/api/apikeys/current", &asked), "401 api_key_expired");
        bench.at(START.millis() + 3_650 * DAY);
        return if bench.lives(&unsaid) { "never, or as asked".into() } else { "as asked only".into() };
    }
    assert_eq!(asked.status, 400, "{}", asked.text());
    let year = START.millis() + 365 * DAY;
    bench.at(year - 1);
    let before = bench.lives(&unsaid);
    bench.at(year);
    match (before, bench.outcome("/api/apikeys/current", &unsaid).as_str()) {
        (true, "401 api_key_expired") => "after 365 days and no other".into(),
        other => format!("{other:?}"),
    }
}

fn re_key(bench: &Bench) -> String {
    let key = bench.mint("re-key");
    let path = format!("/api/apikeys/{}/secretkey", key["ID"]);
    let again = bench.app.call("POST", &path).key(&bench.full).send().expect(200).json();
    let same = key["ID"] == again["ID"] && key["created"] == again["created"];
    match (bench.lives(&key), bench.lives(&again), same) {
        (false, true, true) => "a new secret, the same key".into(),
        other => format!("{other:?}"),
    }
}

fn revival(bench: &Bench) -> String {
    let (key, end) = bench.mint_ending("revived");
    bench.at(end);
    assert_eq!(bench.outcome("/api/apikeys/current", &key), "401 api_key_expired");
    let path = format!("/api/apikeys/{}/refresh", key["ID"]);
    let refresh = bench.app.call("POST", &path).key(&bench.full).send();
    if refresh.status == 409 {
        let moved = bench.modify(&key, json!({ "expiryDate": end + DAY })).expect(200).json();
        assert!(bench.lives(&key) && moved.get("secretKey").is_none());
        return "lives again with a later end, by the same secret".into();
    }
    let new = refresh.expect(200).json();
    let first = (bench.lives(&key), bench.lives(&new));
    bench.at(end + 365 * DAY - 1);
    let last = bench.lives(&new);
    bench.at(end + 365 * DAY);
    match (first, last, bench.lives(&new)) {
        ((false, true), true, false) => "lives again with a refresh, by another secret, for 365 days".into(),
        other => format!("{other:?}"),
    }
}

fn other_types(bench: &Bench) -> String {
    let key = bench.mint("types");
    let changed =
        bench.modify(&key, json!({ "constraints": { "apiTypes": ["threatRemediation"] } })).expect(200).json();
    match (bench.lives(&key), changed.get("secretKey").is_some()) {
        (true, false) => "keep the secret".into(),
        (false, true) if bench.lives(&changed) => "replace the secret".into(),
        other => format!("{other:?}"),
    }
}

fn other_role(bench: &Bench) -> String {
    let (key, bare) = (bench.mint("role"), bench.app.role("Bare", &[]));
    assert!(bench.may(EVENTS, &key));
    let answer = bench.modify(&key, json!({ "roleID": bare }));
    let (status, code) = answer.refusal();
    if status != 200 {
        assert!(bench.may(EVENTS, &key), "nothing happened");
        return format!("is refused: {status} {code}");
    }
    let secret_again = answer.json().get("secretKey").is_some();
    match (bench.lives(&key), bench.outcome(EVENTS, &key).as_str(), secret_again) {
        (true, "403 not_authorized", false) => "keeps the secret".into(),
        other => format!("{other:?}"),
    }
}

fn visibility_of_the_value(bench: &Bench) -> String {
    let key = bench.mint("value");
    let tail = secret(&key).rsplit(':').next().expect("a secret").to_owned();
    let all = json!({ "searchCriteria": [] });
    let shown = [
        bench.app.get("/api/apikeys?expand=all"),
        bench.app.get(&format!("/api/apikeys/{}?expand=all", key["ID"])),
        bench.app.get("/api/apikeys/export?expand=all"),
        bench.app.get("/api/apikeys/export?format=csv"),
        bench.app.post("/api/apikeys/search?expand=all", all.clone()),
        bench.app.post("/api/apikeys/bulk/revoke?dryRun=true", all),
        bench.app.post(&format!("/api/apikeys/{}?expand=all", key["ID"]), json!({ "description": "d" })),
    ]
    .map(|call| call.key(&bench.full).send().expect(200).text());
    let own = bench.app.get("/api/apikeys/current?expand=all").key(&secret(&key)).send().expect(200).text();
    let tells = |text: &String| text.contains(&tail) || text.contains("secretKey");
    assert!(shown.iter().all(|text| text.contains("value")), "the key is in none of them left out");
    if shown.iter().chain([&own]).any(tells) { "again" } else { "once" }.into()
}

fn who_sees(bench: &Bench) -> String {
    let rights = ["canCreateNewApiKeys", "canDeleteApiKeys", "canEditApiKeyProperties", "canViewApiKeys"];
    let rights = rights.map(|right| format!("platformRights.apikeyRights.{right}"));
    let role = bench.app.role("Keys", &rights.each_ref().map(String::as_str));
    let (issuer, colleague) = (bench.person("issuer", role).1, bench.person("colleague", role).1);
    let key = bench.try_mint(&issuer, bench.body("seen", role, json!(["logRetrieval"]))).expect(200).json();
    let path = format!("/api/apikeys/{}", key["ID"]);
    let named = json!({ "searchCriteria": { "fieldName": "keyName", "stringValue": "seen" } });
    let sees = |session: &Session| {
        let text = |call: Call<'_>| call.with(session).send().expect(200).text();
        let described = bench.app.get(&path).with(session).send();
        assert!([200, 404].contains(&described.status), "{}", described.text());
        let ways = [
            text(bench.app.get("/api/apikeys")).contains("\"seen\""),
            text(bench.app.post("/api/apikeys/search", named.clone())).contains("\"seen\""),
            text(bench.app.get("/api/apikeys/export")).contains("\"seen\""),
            text(bench.app.post("/api/apikeys/bulk/lock?dryRun=true", named.clone())).contains("\"count\":1"),
            described.status == 200,
            bench.app.post(&path, json!({ "description": "d" })).with(session).send().status == 200,
        ];
        assert!(ways.iter().all(|way| *way == ways[0]), "they agree: {ways:?}");
        ways[0]
    };
    match [&issuer, &colleague, &bench.session].map(sees) {
        [true, true, true] => "whoever may view keys".into(),
        [true, false, true] => "its issuer, and Full Access".into(),
        other => format!("{other:?}"),
    }
}

fn machines(bench: &Bench) -> String {
    let mut body = bench.body("agent", 1, json!(["logRetrieval"]));
    body["lifecycle"]["kind"] = json!("siemAgent");
    let key = bench.try_mint(&bench.session, body).expect(200).json();
    let lists = ["", "?kind=machine", "?kind=logCollector", "?kind=all"].map(|query| {
        let path = format!("/api/apikeys{query}");
        bench.app.get(&path).key(&bench.full).send().expect(200).text().contains("\"agent\"")
    });
    match (lists, bench.lives(&key)) {
        ([false, true, false, true], true) => "in lists of their own".into(),
        other => format!("{other:?}"),
    }
}

fn status_words(bench: &Bench) -> String {
    let (issuer, session) = bench.person("issuer", 1);
    let (orphan, locked) = (bench.mint_by(&session, "orphan"), bench.mint("locked"));
    let (key, end) = bench.mint_ending("walked");
    let mut words = vec![bench.word(&key)];
    assert!(bench.lives(&key));
    words.push(bench.word(&key));
    bench.app.flush();
    // the moment exactly so long ago counts as use
    bench.at(START.millis() + WEEK);
    assert_eq!(bench.word(&key), "active");
    bench.at(START.millis() + WEEK + 1);
    words.push(bench.word(&key));
    bench.at(end - 10 * DAY - 1);
    assert_eq!(bench.word(&key), "inactive");
    bench.at(end - 10 * DAY);
    words.push(bench.word(&key));
    bench.at(end - 1);
    assert_eq!((bench.word(&key).as_str(), bench.lives(&key)), ("expiring", true));
    bench.at(end);
    words.push(bench.word(&key));
    assert!(!bench.lives(&key));
    bench.modify(&locked, json!({ "active": false })).expect(200);
    words.push(bench.word(&locked));
    let before = bench.word(&orphan);
    bench
        .app
        .post(&format!("/api/administrators/{issuer}"), json!({ "active": false }))
        .key(&bench.full)
        .send()
        .expect(200);
    let after = bench.word(&orphan);
    words.extend((after != before).then_some(after));
    words.join(", ")
}

fn number(bench: &Bench) -> String {
    let mint = |name: String, target: &str| {
        let mut body = bench.body(&name, 1, json!(["logRetrieval"]));
        if bench.profile == 2 {
            body["constraints"]["target"] = json!(target);
        }
        let answer = bench.try_mint(&bench.session, body);
        assert!(answer.status == 200 || answer.refusal() == (409, "key_limit_reached".into()), "{}", answer.text());
        answer.status == 200
    };
    let apex = (0..2).filter(|n| mint(format!("apex {n}"), "Apex One as a Service")).count();
    let others = (0..28).filter(|n| mint(format!("other {n}"), "External applications")).count();
    match (apex, others) {
        (2, 28) => "no limit".into(),
        (1, others) => format!("{}, 1 of them for Apex One", others + 1),
        other => format!("{other:?}"),
    }
}

fn throttle(bench: &Bench) -> String {
    let [one, two, three] = ["one", "two", "three"].map(|name| secret(&bench.mint(name)));
    // what it took to come here is forgotten
    bench.app.clock.advance(10 * 60_000);
    let call = |key: &str| bench.app.get("/api/apikeys/current").key(key).send();
    let until_refused = |key: &str| {
        for taken in 0..2_000 {
            let answer = call(key);
            if answer.status != 200 {
                let answer = answer.expect(429);
                let wait: i64 =
                    answer.header("retry-after").and_then(|wait| wait.parse().ok()).expect("how long to wait");
                return (taken, wait * 1_000);
            }
        }
        panic!("never");
    };
    call(&one).expect(200);
    bench.app.clock.advance(30_000);
    let (rest, wait) = until_refused(&one);
    let of_key = rest + 1;
    let (of_second, of_third) = (until_refused(&two).0, until_refused(&three).0);
    let whose = match (of_second, of_third) {
        (0, 0) => format!("{of_key} a tenant"),
        (_, 0) => format!("{of_key} a key, {} a tenant", of_key + of_second),
        (second, third) if second == of_key && third == of_key => format!("{of_key} a key"),
        other => format!("{of_key} {other:?}"),
    };
    // a millisecond short of what was told it is still too early; then the first call is forgotten, or all of them are
    bench.app.clock.advance(wait - 1);
    call(&one).expect(429);
    bench.app.clock.advance(1);
    let window = match until_refused(&one).0 {
        1 => "in any minute".into(),
        again if again == of_key => "in the minute from the first call on".into(),
        other => format!("then {other}"),
    };
    format!("{whose}, {window}")
}

fn issuer_disabled(bench: &Bench) -> String {
    let (issuer, session) = bench.person("issuer", 1);
    let key = bench.mint_by(&session, "of somebody");
    let may_sign_in = |active: bool| {
        let path = format!("/api/administrators/{issuer}");
        bench.app.post(&path, json!({ "active": active })).key(&bench.full).send().expect(200);
    };
    assert!(bench.may(EVENTS, &key));
    may_sign_in(false);
    let outcome = bench.outcome(EVENTS, &key);
    if outcome == "200" {
        return "goes on working".into();
    }
    let word = bench.word(&key);
    may_sign_in(true);
    match (word.as_str(), bench.may(EVENTS, &key)) {
        ("issuerDisabled", true) => format!("{outcome}, listed as that, until they are back"),
        other => format!("{outcome} {other:?}"),
    }
}

fn issuer_gone(bench: &Bench) -> String {
    let (issuer, session) = bench.person("issuer", 1);
    let key = bench.mint_by(&session, "of somebody who goes");
    assert!(bench.may(EVENTS, &key));
    bench.app.delete(&format!("/api/administrators/{issuer}")).key(&bench.full).send().expect(204);
    match (bench.outcome(EVENTS, &key).as_str(), bench.word(&key).as_str()) {
        ("200", "active") => "goes on working".into(),
        (outcome, "issuerDisabled") => format!("{outcome}, listed as that"),
        other => format!("{other:?}"),
    }
}

fn warning(bench: &Bench) -> String {
    let address = "update administrators set email_address = 'admin@example.com' where username = ";
    bench.app.execute(&format!("{address}'{ADMIN}'"));
    let (_, end) = bench.mint_ending("ending");
    tell(bench.app);
    bench.app.smtp().take();
    for days in (0..=30).rev() {
        bench.at(end - days * DAY - 1);
        assert_eq!(tell(bench.app), 0, "{days} days and a millisecond");
        bench.at(end - days * DAY);
        if tell(bench.app) == 1 {
            assert_eq!(bench.app.smtp().take_addresses(), ["admin@example.com"]);
            return format!("{days} days before");
        }
    }
    "none".into()
}

fn own_url(bench: &Bench) -> String {
    let body = bench.body("reached", 1, json!(["logRetrieval"]));
    let key = bench.app.post("/api/apikeys?expand=lifecycle", body).with(&bench.session).send().expect(200).json();
    let url = key["lifecycle"]["tenantURL"].as_str().expect("a URL");
    let about = bench.app.get("/api/about").with(&bench.session).send().expect(200).json();
    assert_eq!(about["tenantURL"], url);
    match (bench.may(&format!("{url}/api/apikeys/current"), &key), bench.lives(&key)) {
        (true, true) => "handed out, beside the general one".into(),
        other => format!("{other:?}"),
    }
}

/// Asks about every topic under one of the profiles, by the place of its column.
fn keeps_its_word(app: &TestApp, place: usize) {
    let mut wrong = Vec::new();
    for topic in TOPICS {
        // a server of its own, so that the numbers of one topic are none of another's; with the limits of an installation
        let mut setup = Setup::new(app.backend);
        setup.rate_limit = Config::embedded(Path::new("unused")).rate_limit;
        setup.with_mail();
        let app = setup.start();
        let profile = i64::try_from(place).expect("a small number") + 1;
        let bench = Bench { profile, full: app.full_key(), session: app.sign_in(), app: &app };
        let found = (topic.ask)(&bench);
        if found != topic.answers[place] {
            wrong.push(format!("{}: {found}, not {}", topic.name, topic.answers[place]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

both! {
    /// DS-23, DS-34, DS-40, DS-42, DS-45, DS-48: the column of Deep Security: a role, an end that is asked for, a
    /// secret that stays whatever else changes.
    fn deep_security_keeps_its_word(app: TestApp) {
        keeps_its_word(&app, 0);
    }

    /// TC-01, TC-02, TC-08, TC-10, TC-14, TC-15, TC-16, TC-19, TC-24, TC-25: the column of Trend Micro Cloud App Security:
    /// API types, a year, twenty tokens, twenty calls.
    fn trend_micro_cloud_app_security_keeps_its_word(app: TestApp) {
        keeps_its_word(&app, 1);
    }

    /// MC-02, MC-05, MC-06, MC-07, MC-09, MC-12, MC-13, MC-14, MC-15, MC-16, MC-17: the column of Microsoft Cloud App Security:
    /// tokens that are their issuer's in every respect, thirty calls for all of them together.
    fn microsoft_cloud_app_security_keeps_its_word(app: TestApp) {
        keeps_its_word(&app, 2);
    }
}
