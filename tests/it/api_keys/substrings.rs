//! Searches for what stands in the middle of a name or a description, among more keys than are looked at one by one.

use std::time::Duration;

use serde_json::{Value, json};

use super::{assert_refusal, made};
use crate::app::{Backend, PASSWORD, Session, TestApp, secret};
use crate::both;

/// More than are looked at without a thought, and than are looked at between two glances at the deadline.
const MANY: i64 = 12_500;
/// The first of them, well behind those that a test makes.
const FIRST: i64 = 1_000;

/// Keys of a tenant: "filler 0001000" and so on, the first of which are put to sleep by a role of their own.
pub fn fill(app: &TestApp, tenant: i64, first: i64, keys: i64) {
    let last = first + keys - 1;
    let (numbers, name) = match app.backend {
        Backend::Sqlite => (
            format!(
                "with recursive numbers (n) as (select {first} union all select n + 1 from numbers where n < {last})"
            ),
            "printf('filler %07d', n)",
        ),
        Backend::Postgres => (
            format!("with numbers (n) as (select * from generate_series({first}, {last}) as x)"),
            "'filler ' || lpad(n::text, 7, '0')",
        ),
    };
    app.execute(&format!(
        "insert into api_keys (id, tenant_id, profile_id, kind, key_name, name_fold, description, description_fold, locale, \
         role_id, time_zone, active, created, unsuccessful_sign_in_attempts, service_account, made_with_initial_password) \
         {numbers} select n, {tenant}, 1, 'standard', {name}, {name}, 'made by the dozen', 'made by the dozen', 'en-US', 2, \
         'UTC', true, 1, 0, false, false from numbers"
    ));
}

/// Gives a key another name and description, behind the server's back.
fn rename(app: &TestApp, id: i64, name: &str, description: &str) {
    let fold = firstkey::name::fold;
    let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
    app.execute(&format!(
        "update api_keys set key_name = {}, name_fold = {}, description = {}, description_fold = {} where id = {id}",
        text(name),
        text(&fold(name)),
        text(description),
        text(&fold(description)),
    ));
}

/// Runs what the server runs once a second; how many keys it was for.
fn index(app: &TestApp) -> usize {
    let indexed = firstkey::api_keys::substrings::index(&app.app);
    actix_web::rt::System::new().block_on(indexed).expect("the database is there")
}

fn search(app: &TestApp, viewer: &str, criteria: Value, most: i64) -> Vec<i64> {
    let body = json!({ "searchCriteria": criteria, "maxItems": most });
    let keys = app.post("/api/apikeys/search", body).key(viewer).send().expect(200).json();
    let keys = keys["apiKeys"].as_array().expect("a list, never null").clone();
    keys.iter().map(|key| key["ID"].as_i64().expect("an ID")).collect()
}

fn text(field: &str, test: &str, value: &str) -> Value {
    json!({ "fieldName": field, "stringTest": test, "stringValue": value })
}

/// IDs of keys with names that are hard to find: far behind the first, and far from one another.
const ODD: [(i64, &str, &str); 10] = [
    (FIRST + 5_000, "the Quokka's key", "zebra"),
    (FIRST + 6_000, "quo kka", "a quokka in words"),
    (FIRST + 7_000, "100% wool_en", "q\"uo\"ted"),
    (FIRST + 8_000, "1000 woollen", "back\\slash"),
    (FIRST + 9_000, "SCHLÜSSELBUND", "---"),
    (FIRST + 10_000, "日本語の鍵", "z"),
    (FIRST + 10_001, "zx", ""),
    (FIRST + 10_002, "NEAR AND OR NOT", "name_fold : x*"),
    (FIRST + 12_000, "quokka", "quokka quokka"),
    (FIRST + 12_499, "the last quokka", "zebra"),
];

both! {
    /// DS-47: what stands in the middle is found among many keys as among few, in the order of IDs, whether its index
    /// knows the keys already or not.
    fn what_stands_in_the_middle_is_found_among_many(app: TestApp) {
        let viewer = app.full_key();
        fill(&app, 0, FIRST, MANY);
        for (id, name, description) in ODD {
            rename(&app, id, name, description);
        }
        let odd = |numbers: &[usize]| numbers.iter().map(|number| ODD[*number].0).collect::<Vec<_>>();
        let all = |from: i64, count: i64| (from..from + count).collect::<Vec<_>>();
        for indexed in [false, true] {
            for (criterion, ids) in [
                (text("keyName", "equal", "%quokka%"), odd(&[0, 8, 9])),
                (text("keyName", "equal", "%QUOKKA"), odd(&[8, 9])),
                (text("keyName", "equal", "%quo_kka%"), odd(&[1])),
                (text("keyName", "equal", "_uokka"), odd(&[8])),
                (text("keyName", "equal", "%q%kk%"), odd(&[0, 1, 8, 9])),
                (text("keyName", "equal", "%okka'%"), odd(&[0])),
                (text("keyName", "equal", "%00\\% w%"), odd(&[2])),
                (text("keyName", "equal", "%00_ w%"), odd(&[2, 3])),
                (text("keyName", "equal", "%l\\_en"), odd(&[2])),
                (text("keyName", "equal", "%l_en"), odd(&[2, 3])),
                (text("keyName", "equal", "%lüsselb%"), odd(&[4])),
                (text("keyName", "equal", "%SSELBUND"), odd(&[4])),
                (text("keyName", "equal", "%本語の%"), odd(&[5])),
                (text("keyName", "equal", "%語%"), odd(&[5])),
                (text("keyName", "equal", "%zx%"), odd(&[6])),
                (text("keyName", "equal", "%zxy%"), vec![]),
                (text("keyName", "equal", "%and or%"), odd(&[7])),
                (text("description", "equal", "%name_fold : x*%"), odd(&[7])),
                (text("description", "equal", "%quokka%"), odd(&[1, 8])),
                (text("description", "equal", "%q\"uo\"t%"), odd(&[2])),
                (text("description", "equal", "%k\\\\sla%"), odd(&[3])),
                (text("description", "equal", "%---%"), odd(&[4])),
                (text("description", "equal", "%ebr%"), odd(&[0, 9])),
                (text("keyName", "equal", "%iller%"), all(FIRST, 50)),
                (text("keyName", "equal", "%01%"), all(FIRST, 50)),
                (text("keyName", "equal", "%0013499%"), vec![]),
                (text("keyName", "equal", "%0013498%"), vec![FIRST + 12_498]),
                (json!([text("keyName", "equal", "%quokka%"), text("description", "equal", "%ebr%")]), odd(&[0, 9])),
                (json!([text("keyName", "not-equal", "%ille%"), text("description", "equal", "%a%")]), odd(&[0, 1, 3, 7, 8, 9])),
                (json!([text("keyName", "equal", "%quokka%"), { "idTest": "greater-than", "idValue": ODD[0].0 }]), odd(&[8, 9])),
                (json!([text("keyName", "equal", "%quokka%"), { "fieldName": "roleID", "numericValue": 1 }]), vec![]),
                (json!([text("keyName", "equal", "%iller%"), { "fieldName": "status", "choiceValue": "locked" }]), vec![]),
                (text("timeZone", "equal", "%tc%"), all(FIRST, 50)),
            ] {
                // the test's own keys come before them
                let mut criteria = match criterion {
                    Value::Array(criteria) => criteria,
                    one => vec![one],
                };
                criteria.push(json!({ "idTest": "greater-than-or-equal", "idValue": FIRST }));
                assert_eq!(search(&app, &viewer, json!(criteria), 50), ids, "{criteria:?}, indexed: {indexed}");
            }
            // in pages of any size each is there once
            for size in [1, 2, 700, 5_000] {
                let (mut last, mut seen) = (0, Vec::<i64>::new());
                loop {
                    let after = json!({ "idTest": "greater-than", "idValue": last });
                    let page = search(&app, &viewer, json!([text("keyName", "equal", "%o%k%"), after]), size);
                    seen.extend(&page);
                    match page.last() {
                        Some(id) if page.len() as i64 == size => last = *id,
                        _ => break,
                    }
                }
                assert_eq!(seen, odd(&[0, 1, 8, 9]), "in pages of {size}");
            }
            assert_eq!(search(&app, &viewer, text("keyName", "equal", "%filler%"), 5_000), all(FIRST, 5_000));
            if !indexed {
                let expected = if app.backend == Backend::Sqlite { MANY as usize + 1 } else { 0 };
                assert_eq!(index(&app), expected);
                assert_eq!(index(&app), 0, "it is done");
            }
        }
    }

    /// What cannot be searched is told even where nothing would be found.
    fn what_cannot_be_searched_is_told_first(app: TestApp) {
        let viewer = app.full_key();
        fill(&app, 0, FIRST, MANY);
        index(&app);
        for other in [
            text("locale", "equal", "%en%"),
            text("roleID", "equal", "%abc%"),
            json!({ "fieldName": "keyName", "booleanTest": true }),
            json!({ "fieldName": "kind", "choiceValue": "none" }),
        ] {
            let criteria = json!([text("keyName", "equal", "%quokka%"), other]);
            let answer = app.post("/api/apikeys/search", json!({ "searchCriteria": criteria })).key(&viewer).send();
            assert_refusal(answer.refusal(), (400, "bad_search"));
        }
    }

    /// A key that is changed, removed or made is found as it is, at once and when the index has caught up.
    fn the_index_follows_the_keys(app: TestApp) {
        let viewer = app.full_key();
        fill(&app, 0, FIRST, MANY);
        rename(&app, FIRST + 9_000, "a quokka", "");
        rename(&app, FIRST + 9_001, "a quokka too", "");
        index(&app);
        let named = |value: &str| search(&app, &viewer, text("keyName", "equal", value), 50);
        assert_eq!(named("%quokka%"), [FIRST + 9_000, FIRST + 9_001]);

        let change = json!({ "keyName": "an armadillo" });
        app.post(&format!("/api/apikeys/{}", FIRST + 9_000), change).key(&viewer).send().expect(200);
        app.delete(&format!("/api/apikeys/{}", FIRST + 9_001)).key(&viewer).send().expect(204);
        let new = made(&app, &viewer, json!({ "keyName": "one more quokka", "roleID": 2 }))["ID"].clone();
        // what does not concern its texts leaves the index alone
        app.post(&format!("/api/apikeys/{}", FIRST + 9_002), json!({ "active": false })).key(&viewer).send().expect(200);
        for _ in 0..2 {
            assert_eq!(json!(named("%quokka%")), json!([new]));
            assert_eq!(named("%madil%"), [FIRST + 9_000]);
            let indexed = index(&app);
            assert!(app.backend == Backend::Postgres || indexed == 3 || indexed == 0, "{indexed}");
        }
        if app.backend == Backend::Sqlite {
            let in_index = |question: &str| {
                app.count(&format!("select count(*) as n from api_keys_substrings where api_keys_substrings match '{question}'"))
            };
            assert_eq!(in_index("name_fold : (\"quo\" AND \"kka\")"), 1, "of what was there nothing is left");
        }
    }

    /// Another tenant's keys are not found by what stands in the middle of their names, however many have it.
    fn anothers_keys_are_not_among_those_found(app: TestApp) {
        let viewer = app.full_key();
        let tenant = app.tenant("Blue");
        app.administrator("blue", PASSWORD, 1, tenant);
        let body = json!({ "userName": "blue", "password": PASSWORD, "tenantName": "blue" });
        let session = Session::from(&app.post("/api/sessions", body).send().expect(200));
        let body = json!({ "keyName": "blue viewer", "roleID": 1 });
        let theirs = secret(&app.post("/api/apikeys", body).with(&session).send().expect(200).json());
        fill(&app, 0, FIRST, MANY);
        fill(&app, tenant, 100_000, 5_000);
        app.execute("update api_keys set name_fold = name_fold || ' quokka', description_fold = 'quokka' where tenant_id = 0");
        rename(&app, 104_000, "a quokka of theirs", "");
        for _ in 0..2 {
            assert_eq!(search(&app, &theirs, text("keyName", "equal", "%quokka%"), 50), [104_000]);
            assert_eq!(search(&app, &theirs, text("description", "equal", "%quokka%"), 50), [] as [i64; 0]);
            assert_eq!(search(&app, &theirs, text("keyName", "equal", "%qu%"), 50), [104_000]);
            assert_eq!(search(&app, &viewer, text("keyName", "equal", "%0104000%"), 50), [] as [i64; 0]);
            assert_eq!(search(&app, &viewer, text("keyName", "equal", "%theirs%"), 50), [] as [i64; 0]);
            assert_eq!(search(&app, &viewer, text("keyName", "equal", "%of theirs"), 50), [] as [i64; 0]);
            index(&app);
        }
    }

    /// What can only be found by reading every key is looked for until the deadline, and the refusal says how to ask.
    fn what_takes_too_long_is_refused(app: TestApp, |setup| setup.rules.search_deadline = Duration::ZERO) {
        let viewer = app.full_key();
        fill(&app, 0, FIRST, MANY);
        rename(&app, FIRST + 12_000, "zx", "");
        index(&app);
        let ask = |criteria: Value| {
            app.post("/api/apikeys/search", json!({ "searchCriteria": criteria, "maxItems": 50 })).key(&viewer).send()
        };
        let before = app.rows();
        for value in ["%zx%", "%z%", "z_", "_x"] {
            let answer = ask(text("keyName", "equal", value));
            assert_refusal(answer.refusal(), (400, "search_too_broad"));
            assert!(answer.text().contains("three letters or digits"), "{}", answer.text());
        }
        assert_refusal(ask(text("keyName", "not-equal", "%iller%")).refusal(), (400, "search_too_broad"));
        // many are found at once, and few are looked at, whatever is asked
        assert_eq!(ask(text("keyName", "equal", "%ll%")).expect(200).json()["apiKeys"].as_array().map(Vec::len), Some(50));
        let narrowed = json!([text("keyName", "equal", "%zx%"), { "idTest": "greater-than", "idValue": FIRST + 10_000 }]);
        assert_eq!(ask(narrowed).expect(200).json()["apiKeys"][0]["ID"], json!(FIRST + 12_000));
        assert_eq!(app.rows().len(), before.len());
    }
}

/// Where PostgreSQL's extension cannot be had the same is found, key by key; where it comes to be there, the next start
/// uses it.
#[test]
fn postgres_does_without_its_extension() {
    let app = crate::app::Setup::new(Backend::Postgres).start();
    let viewer = app.full_key();
    let indices =
        || app.count("select count(*) as n from pg_indexes where indexname like 'api\\_keys\\_%\\_substrings'");
    assert_eq!(indices(), 2);
    app.execute("drop extension pg_trgm cascade");
    assert_eq!(indices(), 0);
    fill(&app, 0, FIRST, MANY);
    rename(&app, FIRST + 12_000, "a quokka", "");
    let found = || search(&app, &viewer, text("keyName", "equal", "%quokka%"), 50);
    assert_eq!(found(), [FIRST + 12_000]);
    app.second_node();
    assert_eq!(indices(), 2);
    assert_eq!(found(), [FIRST + 12_000]);
}

/// A role that owns the tables and may create nothing in the database gets all tables, and searches without the index.
#[test]
fn a_role_that_may_not_have_the_extension_can_migrate() {
    use diesel::prelude::*;

    let database = crate::readme::ScratchDatabase::new();
    let mut db = PgConnection::establish(&database.url()).expect("a connection");
    let role = format!("limited_{}", std::process::id());
    let schema = [
        "drop extension if exists pg_trgm cascade".to_owned(),
        "drop schema public cascade".to_owned(),
        format!("create role {role} login"),
        format!("create schema public authorization {role}"),
    ];
    for sql in schema {
        diesel::sql_query(sql).execute(&mut db).expect("the server is ours");
    }
    let url = database.url().replace("firstkey@", &format!("{role}@"));
    let url = firstkey::config::DatabaseUrl::Postgres(url.into());
    let mut locked = firstkey::db::migrations::Locked::acquire(&url).expect("a connection");
    assert!(locked.migrate().expect("the migrations run") > 0);
    assert_eq!(locked.migrate().expect("nothing is left to do"), 0);
    drop(locked);
    let there = |db: &mut PgConnection, sql: &str| diesel::sql_query(sql).execute(db).expect("the query is right");
    let indices = "select 1 from pg_indexes where indexname like 'api\\_keys\\_%\\_substrings'";
    assert_eq!(there(&mut db, indices), 0);
    // the operator lends a hand
    there(&mut db, "create extension pg_trgm");
    firstkey::db::migrations::Locked::acquire(&url).expect("a connection").migrate().expect("it goes on");
    assert_eq!(there(&mut db, indices), 2);
    for sql in [format!("drop owned by {role} cascade"), format!("drop role {role}")] {
        there(&mut db, &sql);
    }
}
