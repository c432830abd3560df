//! Where the three systems contradict each other: one table, one row a topic, one column a profile. Each cell is what a
//! running server does under that profile, in a few words; a topic is a function, so that another row is another line.

use serde_json::{Value, json};

use crate::app::{PASSWORD, START, Session, Setup, TestApp, secret};
use crate::both;
use crate::http::Answer;

const DAY: i64 = 86_400_000;

/// The three built-in profiles, by ID, and what a key of each needs besides its name.
const PROFILES: [(i64, &str); 3] =
    [(1, "Deep Security"), (2, "Trend Micro Cloud App Security"), (3, "Microsoft Cloud App Security")];

/// A topic: what it is called, how a server is asked about it, and what it answers under each of [`PROFILES`].
struct Topic {
    name: &'static str,
    ask: fn(&Bench) -> String,
    answers: [&'static str; 3],
}

const TOPICS: &[Topic] = &[
    Topic {
        name: "where rights come from",
        ask: source_of_rights,
        answers: ["the role that is named", "the role that is named, cut to the API types", "the issuer's role"],
    },
    Topic { name: "expiry", ask: expiry, answers: ["never, or as asked", "365 days, fixed", "never, or as asked"] },
    Topic {
        name: "re-key",
        ask: re_key,
        answers: ["a new secret, the same key", "a new secret, the same key", "a new secret, the same key"],
    },
    Topic {
        name: "scope change",
        ask: scope_change,
        answers: ["keeps the secret", "replaces the secret", "keeps the secret"],
    },
    Topic { name: "visibility of the value", ask: visibility_of_the_value, answers: ["once", "once", "once"] },
    Topic { name: "number of keys", ask: number, answers: ["no limit", "20, 1 of them for Apex One", "no limit"] },
    Topic {
        name: "throttle, as the profile says it",
        ask: throttle,
        answers: [
            r#"{"window":"sliding"}"#,
            r#"{"key":20,"window":"fromFirstCall"}"#,
            r#"{"tenant":30,"window":"sliding"}"#,
        ],
    },
    Topic {
        name: "issuer gone",
        ask: issuer_gone,
        answers: ["goes on working", "goes on working", "may do nothing, stays in the list"],
    },
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
        self.try_mint(&self.session, self.body(name, 1, json!(["logRetrieval"]))).expect(200).json()
    }

    fn modify(&self, key: &Value, body: Value) -> Answer {
        self.app.post(&format!("/api/apikeys/{}", key["ID"]), body).key(&self.full).send()
    }

    /// The status that a call with a key answers.
    fn status(&self, path: &str, key: &Value) -> u16 {
        self.app.get(path).key(&secret(key)).send().status
    }

    fn lives(&self, key: &Value) -> bool {
        self.status("/api/apikeys/current", key) == 200
    }
}

fn source_of_rights(bench: &Bench) -> String {
    // the role that is named may look at contacts, the issuer's may do everything, the API type has audit events in it
    let rights = [
        "platformRights.contactRights.canViewContacts",
        "platformRights.systemInformationRights.canViewSystemInformation",
    ];
    let role = bench.app.role("Named", &rights);
    let key = bench.try_mint(&bench.session, bench.body("rights", role, json!(["logRetrieval"]))).expect(200).json();
    let may = ["/api/auditevents", "/api/contacts", "/api/administrators"].map(|path| bench.status(path, &key) == 200);
    match may {
        [true, true, false] => "the role that is named",
        [true, false, false] => "the role that is named, cut to the API types",
        [true, true, true] => "the issuer's role",
        _ => return format!("{may:?}"),
    }
    .into()
}

fn expiry(bench: &Bench) -> String {
    let unsaid = bench.mint("unsaid")["expiryDate"].as_i64().map(|end| (end - START.millis()) / DAY);
    let mut body = bench.body("asked", 1, json!(["logRetrieval"]));
    body["expiryDate"] = json!(START.millis() + 30 * DAY);
    let asked = bench.try_mint(&bench.session, body).status;
    match (unsaid, asked) {
        (None, 200) => "never, or as asked".into(),
        (Some(days), 400) => format!("{days} days, fixed"),
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

fn scope_change(bench: &Bench) -> String {
    let key = bench.mint("scope");
    let changed =
        bench.modify(&key, json!({ "constraints": { "apiTypes": ["threatRemediation"] } })).expect(200).json();
    match (bench.lives(&key), changed.get("secretKey").is_some()) {
        (true, false) => "keeps the secret".into(),
        (false, true) if bench.lives(&changed) => "replaces the secret".into(),
        other => format!("{other:?}"),
    }
}

fn visibility_of_the_value(bench: &Bench) -> String {
    let key = bench.mint("value");
    let tail = secret(&key).rsplit(':').next().expect("a secret").to_owned();
    let shown =
        ["/api/apikeys".to_owned(), format!("/api/apikeys/{}?expand=all", key["ID"]), "/api/apikeys/export".into()]
            .map(|path| bench.app.get(&path).key(&bench.full).send().expect(200).text());
    let again = shown.iter().any(|text| text.contains(&tail) || text.contains("secretKey"));
    if again { "again" } else { "once" }.into()
}

fn number(bench: &Bench) -> String {
    let mint = |name: String, target: &str| {
        let mut body = bench.body(&name, 1, json!(["logRetrieval"]));
        if bench.profile == 2 {
            body["constraints"]["target"] = json!(target);
        }
        bench.try_mint(&bench.session, body).status == 200
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
    let path = format!("/api/apikeyprofiles/{}", bench.profile);
    bench.app.get(&path).key(&bench.full).send().expect(200).json()["callsPerMinute"].to_string()
}

fn issuer_gone(bench: &Bench) -> String {
    let issuer = bench.app.administrator("issuer", PASSWORD, 1, 0);
    let session = Session::from(&bench.app.try_sign_in("issuer", PASSWORD).expect(200));
    let body = bench.body("of somebody who goes", 1, json!(["logRetrieval"]));
    let key = bench.try_mint(&session, body).expect(200).json();
    assert_eq!(bench.status("/api/auditevents", &key), 200);
    bench.app.delete(&format!("/api/administrators/{issuer}")).key(&bench.full).send().expect(204);
    let listed = bench.app.get("/api/apikeys").key(&bench.full).send().text().contains("of somebody who goes");
    match (bench.status("/api/auditevents", &key), listed) {
        (200, true) => "goes on working".into(),
        (401 | 403, true) => "may do nothing, stays in the list".into(),
        other => format!("{other:?}"),
    }
}

both! {
    /// TC-01, TC-02, TC-08, TC-10, TC-14, MC-02, MC-16: the table of what differs, under each of the three profiles.
    fn each_profile_keeps_its_systems_word(app: TestApp) {
        let mut wrong = Vec::new();
        for (place, (profile, name)) in PROFILES.into_iter().enumerate() {
            for topic in TOPICS {
                // a server of its own, so that the numbers of one topic are none of another's
                let app = Setup::new(app.backend).start();
                let bench = Bench { profile, full: app.full_key(), session: app.sign_in(), app: &app };
                let found = (topic.ask)(&bench);
                if found != topic.answers[place] {
                    wrong.push(format!("{name}, {}: {found}, not {}", topic.name, topic.answers[place]));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
