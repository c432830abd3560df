//! `GET /api/jobs/{jobID}`, and what becomes of a job when those who began it or who work on it are gone.

use std::time::{Duration, Instant};

use firstkey::api_keys::bulk;
use firstkey::jobs;
use serde_json::{Value, json};

use crate::app::{Backend, PASSWORD, Session, TestApp, secret};
use crate::both;

/// The job as it is when it has ended.
pub fn ended(app: &TestApp, viewer: &str, id: &Value) -> Value {
    let begun = Instant::now();
    loop {
        let job = app.get(&format!("/api/jobs/{id}")).key(viewer).send().expect(200).json();
        if job.get("ended").is_some() {
            return job;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "it never ends: {job}");
        std::thread::yield_now();
    }
}

/// An order to lock keys out of which there are none, begun and done; the job's ID.
pub fn trifle(app: &TestApp, key: &str) -> i64 {
    let order = json!({ "searchCriteria": [{ "fieldName": "keyName", "stringValue": "of nobody" }] });
    let id = begun(app, key, "lock", order);
    ended(app, key, &id);
    id.as_i64().expect("an ID")
}

/// Both steps of a bulk order; the job's ID.
pub fn begun(app: &TestApp, key: &str, verb: &str, order: Value) -> Value {
    let answer = confirmed(app, key, verb, order).send().expect(200).json();
    answer["jobID"].clone()
}

/// The second step of a bulk order, after the first.
pub fn confirmed<'a>(app: &'a TestApp, key: &str, verb: &str, mut order: Value) -> crate::app::Call<'a> {
    let path = format!("/api/apikeys/bulk/{verb}");
    let dry = app.post(&format!("{path}?dryRun=true"), order.clone()).key(key).send().expect(200).json();
    order["confirmation"] = dry["confirmation"].clone();
    app.post(&path, order).key(key)
}

/// Goes on with what nobody works on, as the node that does the chores would, to its end; answers how many jobs it
/// found.
pub fn resume(node: &TestApp) -> usize {
    let app = node.app.clone();
    actix_web::rt::System::new().block_on(async move {
        let found = jobs::resume(&app, bulk::KINDS).await.expect("the database is there");
        let begun = Instant::now();
        while found > 0 && node.count("select count(*) as n from jobs where ended is null") > 0 {
            assert!(begun.elapsed() < Duration::from_secs(30), "it stands still");
            actix_web::rt::task::yield_now().await;
        }
        found
    })
}

/// So many keys, put in by SQL, all of whose names begin with `bulk`.
pub fn many_keys(app: &TestApp, tenant: i64, count: i64) {
    app.execute(&format!(
        "insert into api_keys (tenant_id, profile_id, kind, key_name, name_fold, description, locale, role_id, time_zone, active, \
         created, unsuccessful_sign_in_attempts, service_account, made_with_initial_password) \
         with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < {count}) \
         select {tenant}, 1, 'standard', 'bulk ' || n, 'bulk ' || n, '', 'en-US', 2, 'UTC', true, 1, 0, false, false from numbers"
    ));
    app.execute(&format!(
        "insert into api_key_secrets (tenant_id, api_key_id, digest, digest_version, created) \
         select tenant_id, id, {}, 1, 1 from api_keys where tenant_id = {tenant} and key_name like 'bulk %'",
        match app.backend {
            Backend::Sqlite => "randomblob(32)",
            Backend::Postgres => "sha256(key_name::bytea)",
        }
    ));
}

fn all() -> Value {
    json!({ "searchCriteria": [{ "fieldName": "keyName", "stringValue": "bulk%" }] })
}

fn left(app: &TestApp) -> i64 {
    app.count("select count(*) as n from api_keys where key_name like 'bulk %'")
}

both! {
    /// A job is answered to whoever began it and to those who may view what was done, of its own tenant.
    fn a_job_is_told_to_those_it_concerns(app: TestApp) {
        let full = app.full_key();
        let rights = ["platformRights.apikeyRights.canEditApiKeyProperties"];
        let editor = |name: &str| {
            let role = app.role(name, &rights);
            secret(&app.post("/api/apikeys", json!({ "keyName": name, "roleID": role })).key(&full).send().expect(200).json())
        };
        let (one, other) = (editor("one"), editor("other"));
        let order = json!({ "searchCriteria": [{ "fieldName": "keyName", "stringValue": "of nobody" }] });
        let id = begun(&app, &one, "lock", order);
        let job = ended(&app, &one, &id);
        let now = app.clock.now().millis();
        assert_eq!(job, json!({
            "kind": "apiKeys.lock", "state": "done", "total": 0, "done": 0, "failed": 0, "created": now, "started": now,
            "ended": now, "errors": [], "ID": id,
        }));
        let path = format!("/api/jobs/{id}");
        assert_eq!(app.get(&path).key(&full).send().expect(200).json(), job);
        assert_eq!(app.get(&path).key(&other).send().refusal(), (404, "not_found".into()));
        assert_eq!(app.get("/api/jobs/2147483647").key(&full).send().refusal(), (404, "not_found".into()));
        assert_eq!(app.get(&path).send().refusal(), (401, "not_signed_in".into()));
    }

    /// What a node has begun and not finished another one finishes, and no key is done twice: not either when both try.
    fn another_node_goes_on_and_nothing_is_done_twice(app: TestApp) {
        let full = app.full_key();
        let other = app.second_node();
        many_keys(&app, 0, 1_200);
        app.app.drain();
        let before = app.last_event();
        let id = begun(&app, &full, "revoke", all());
        // as a node leaves it that died in the middle of its first transaction
        let soon = app.clock.now().millis() + 30_000;
        app.execute(&format!("update jobs set state = 'running', claimed_by = 'dead', claimed_until = {soon}"));
        assert_eq!((resume(&other), left(&app)), (0, 1_200), "as long as its claim lasts");
        app.clock.advance(30_000);
        let third = app.second_node();
        std::thread::scope(|scope| {
            let nodes = [&other, &third].map(|node| scope.spawn(move || resume(node)));
            for node in nodes {
                node.join().expect("it goes on");
            }
        });
        let job = ended(&app, &full, &id);
        assert_eq!((&job["state"], &job["done"], &job["failed"]), (&json!("done"), &json!(1_200), &json!(0)), "{job}");
        assert_eq!(left(&app), 0);
        let events = app.events_after(before);
        assert_eq!(events.iter().filter(|event| event.starts_with("5012 ")).count(), 1_200);
        assert_eq!(app.count("select count(*) as n from job_chunks"), 0);
        let [begun, done] = ["5141 ", "5142 "].map(|number| events.iter().filter(|event| event.starts_with(number)).count());
        assert_eq!((begun, done), (1, 1));
    }

    /// T-16: whoever may not do it any more goes no further: demoted, locked, gone, or with another secret or password.
    fn whoever_began_it_is_looked_at_again(app: TestApp) {
        let (full, other) = (app.full_key(), app.second_node());
        let viewer = app.role("Viewer", &["platformRights.apikeyRights.canViewApiKeys"]);
        many_keys(&app, 0, 3);
        app.app.drain();
        let change = |path: String, body: Value| drop(app.post(&path, body).key(&full).send().expect(200));
        type Meanwhile<'a> = &'a dyn Fn(&str);
        let ways: [(&str, Meanwhile); 4] = [
            ("demoted", &|id| change(format!("/api/apikeys/{id}"), json!({ "roleID": viewer }))),
            ("locked", &|id| change(format!("/api/apikeys/{id}"), json!({ "active": false }))),
            ("revoked", &|id| drop(app.delete(&format!("/api/apikeys/{id}")).key(&full).send().expect(204))),
            ("renewed", &|id| change(format!("/api/apikeys/{id}/secretkey"), json!({}))),
        ];
        for (what, meanwhile) in ways {
            let key = app.post("/api/apikeys", json!({ "keyName": what, "roleID": 1 })).key(&full).send().expect(200).json();
            let id = begun(&app, &secret(&key), "revoke", all());
            meanwhile(&key["ID"].to_string());
            let before = app.last_event();
            assert_eq!(resume(&other), 1, "{what}");
            let job = ended(&app, &full, &id);
            assert_eq!((&job["state"], &job["done"], left(&app)), (&json!("cancelled"), &json!(0), 3), "{what}: {job}");
            assert!(job["errors"][0]["message"].as_str().is_some_and(|why| why.contains("may not do it any more")), "{job}");
            let stopped = app.events_after(before);
            assert!(stopped.len() == 1 && stopped[0].starts_with(&format!("5143 apiKey/{}/{what} job/{id}/apiKeys.revoke ", key["ID"])), "{stopped:?}");
        }
        let person = |name: &str| {
            let id = app.administrator(name, PASSWORD, 1, 0);
            (id, Session::from(&app.try_sign_in(name, PASSWORD).expect(200)))
        };
        let order = |session: &Session| {
            let mut order = all();
            let path = "/api/apikeys/bulk/revoke";
            let dry = app.post(&format!("{path}?dryRun=true"), order.clone()).with(session).send().expect(200).json();
            order["confirmation"] = dry["confirmation"].clone();
            app.post(path, order).with(session).send().expect(200).json()["jobID"].clone()
        };
        let (anna, session) = person("anna");
        let id = order(&session);
        change(format!("/api/administrators/{anna}"), json!({ "password": "seven purple elephants quietly juggling" }));
        resume(&other);
        assert_eq!((&ended(&app, &full, &id)["state"], left(&app)), (&json!("cancelled"), 3), "a new password");
        // signing out takes nothing back
        let (_, session) = person("ben");
        let id = order(&session);
        app.delete("/api/sessions/current").with(&session).send().expect(204);
        resume(&other);
        assert_eq!((&ended(&app, &full, &id)["state"], left(&app)), (&json!("done"), 0), "it goes on");
    }

    /// Each key is judged when its turn comes: those that have changed since are left alone, and those that came since.
    fn each_key_is_judged_when_its_turn_comes(app: TestApp) {
        let (full, other) = (app.full_key(), app.second_node());
        let rights = ["platformRights.apikeyRights.canDeleteApiKeys", "platformRights.apikeyRights.canViewApiKeys"];
        let rights: Vec<String> = rights.iter().map(|right| (*right).to_owned()).collect();
        let auditor: Vec<String> = firstkey::rights::Rights::auditor().iter().map(|right| format!("{right:?}")).collect();
        let all_rights: Vec<String> = rights.into_iter().chain(auditor).collect();
        let revoker = app.role("Revoker", &all_rights.iter().map(String::as_str).collect::<Vec<_>>());
        let starter = secret(&app.post("/api/apikeys", json!({ "keyName": "starter", "roleID": revoker })).key(&full).send().expect(200).json());
        many_keys(&app, 0, 4);
        app.app.drain();
        let id = begun(&app, &starter, "revoke", all());
        let ids = app.texts("select cast(id as text) as t from api_keys where key_name like 'bulk %' order by id");
        app.delete(&format!("/api/apikeys/{}", ids[0])).key(&full).send().expect(204);
        app.post(&format!("/api/apikeys/{}", ids[1]), json!({ "roleID": 1 })).key(&full).send().expect(200);
        app.post("/api/apikeys", json!({ "keyName": "bulk late", "roleID": 2 })).key(&full).send().expect(200);
        resume(&other);
        let job = ended(&app, &full, &id);
        assert_eq!((&job["state"], &job["done"], &job["failed"]), (&json!("done"), &json!(2), &json!(2)), "{job}");
        assert_eq!(job["errors"][0], json!({ "ID": ids[0].parse::<i64>().expect("a number"), "message": "It is not there any more." }));
        assert_eq!(job["errors"][1]["ID"].to_string(), ids[1]);
        assert_eq!(app.texts("select key_name as t from api_keys where key_name like 'bulk%' order by id"), ["bulk 2", "bulk late"]);
    }

    /// A server that stops lets another one go on at once; ended jobs are kept for a month.
    fn ended_jobs_are_kept_for_a_month(app: TestApp) {
        let full = app.full_key();
        trifle(&app, &full);
        let sweep = || actix_web::rt::System::new().block_on(jobs::sweep(&app.app)).expect("the database is there");
        app.clock.advance(30 * firstkey::clock::DAY);
        assert_eq!(sweep(), 0);
        app.clock.advance(1);
        assert_eq!((sweep(), app.count("select count(*) as n from jobs")), (1, 0));
    }
}
