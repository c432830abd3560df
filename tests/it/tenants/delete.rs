//! `DELETE /api/tenants/{tenantID}`: gone at once, and its rows soon after.

use serde_json::{Value, json};

use super::{events_of, key_of, made, sign_in, try_sign_in};
use crate::app::{Backend, TestApp};
use crate::both;

/// The tables whose rows belong to a tenant, audit events aside.
fn tables(app: &TestApp) -> Vec<String> {
    let query = match app.backend {
        Backend::Sqlite => {
            "select m.name as t from sqlite_master m join pragma_table_info(m.name) c where m.type = 'table' and c.name = 'tenant_id'"
        }
        Backend::Postgres => {
            "select table_name::text as t from information_schema.columns where table_schema = 'public' and column_name = 'tenant_id'"
        }
    };
    app.texts(query).into_iter().filter(|table| table != "audit_events").collect()
}

fn rows_in(app: &TestApp, table: &str, tenant: &Value) -> i64 {
    app.count(&format!("select count(*) as n from {table} where tenant_id = {tenant}"))
}

/// Runs what the server runs once a minute.
fn purge(app: &TestApp) {
    actix_web::rt::System::new().block_on(firstkey::tenants::purge(&app.app)).expect("the database is there");
}

/// A tenant with something in every table.
fn full_tenant(app: &TestApp, maker: &str, name: &str) -> Value {
    let tenant = made(app, maker, name);
    let key = key_of(app, name);
    app.post("/api/claims", json!({ "keyName": "claimed", "roleID": 2 })).key(&key).send().expect(200);
    let role = app.role("Theirs", &[]);
    app.execute(&format!("update roles set tenant_id = {} where id = {role}", tenant["ID"]));
    let id = &tenant["ID"];
    app.execute(&format!(
        "insert into contacts (tenant_id, name, name_fold, description, description_fold, phone_number, phone_number_fold, \
         mobile_number, mobile_number_fold, pager_number, pager_number_fold, email_address, email_address_fold, locale, \
         report_pdf_password_enabled) values ({id}, 'c', 'c', '', '', '', '', '', '', '', '', '', '', 'en-US', false)"
    ));
    app.execute(&format!(
        "insert into system_settings (tenant_id, name, value) values ({id}, 'platformSettingActiveSessionsMax', '5')"
    ));
    let blob = match app.backend {
        Backend::Sqlite => "zeroblob(32)",
        Backend::Postgres => "decode(repeat('00', 32), 'hex')",
    };
    app.execute(&format!(
        "insert into webhooks (tenant_id, name, name_fold, description, description_fold, url, events, active, secret, created) \
         values ({id}, 'w', 'w', '', '', 'https://1.1.1.1/', '[]', true, {blob}, 1)"
    ));
    app.execute(
        "insert into notices (tenant_id, dedupe, destination, webhook_id, recipient, kind, payload, created, attempts, next_at, \
         state, last_error) select tenant_id, 'd' || id, 'webhook', id, '', '', '', 1, 0, 1, 'waiting', '' from webhooks",
    );
    app.execute(&format!(
        "insert into calendars (tenant_id, api_key_id, digest, created) \
         select tenant_id, min(id), {blob}, 1 from api_keys where tenant_id = {id} group by tenant_id"
    ));
    app.execute(&format!(
        "insert into api_types (tenant_id, name, name_fold, title, title_fold, description, description_fold, needs_authorization, rights) \
         values ({id}, 'read', 'read', 'read', 'read', '', '', false, '[]')"
    ));
    app.execute(&format!(
        "insert into api_key_api_types (tenant_id, api_key_id, api_type_id) \
         select k.tenant_id, k.id, t.id from api_keys k, api_types t where k.tenant_id = {id} and t.tenant_id = {id}"
    ));
    app.execute(&format!(
        "insert into api_key_profiles (tenant_id, name, name_fold, description, description_fold, immutable, rights_from, \
         targets, api_types_required, replace_secret_on_type_change, refresh_revives, max_overlap, warn_before, issuer_bound, \
         visibility, calls_window, error_dialect) values ({id}, 'p', 'p', '', '', false, 'role', '[]', false, false, false, 0, \
         '[]', false, 'all', 'sliding', 'deepSecurity')"
    ));
    app.execute(&format!(
        "insert into default_api_key_profiles (tenant_id, profile_id) select tenant_id, id from api_key_profiles where tenant_id = {id}"
    ));
    app.execute(&format!(
        "insert into revoked_api_keys (id, tenant_id, profile_id, kind, key_name, name_fold, description, description_fold, role_id, \
         role_name, role_name_fold, issuer_type, issuer_name, issuer_name_fold, service_account, created, revoked_at, revoked_by_type, \
         revoked_by_name, revoked_by_name_fold, reason, note, note_fold) \
         values (2000000000 + {id}, {id}, 1, 'standard', 'r', 'r', '', '', 1, '', '', 'unknown', '', '', false, 1, 1, 'unknown', '', '', \
         'unspecified', '', '')"
    ));
    let bytes = match app.backend {
        Backend::Sqlite => "x'01'",
        Backend::Postgres => "'\\x01'::bytea",
    };
    app.execute(&format!(
        "insert into revoked_api_key_secrets (api_key_id, digest, digest_version, tenant_id) values (2000000000 + {id}, {bytes}, 1, {id})"
    ));
    app.execute(&format!(
        "insert into jobs (tenant_id, kind, parameters, state, total, done, failed, errors, next_chunk, starter_type, starter_id, \
         starter_name, starter_proof, address, request_id, created, claimed_by, claimed_until) \
         values ({id}, 'apiKeys.lock', '{{}}', 'queued', 1, 0, 0, '[]', 0, 'administrator', 1, '', '1', '', '', 1, '', 0)"
    ));
    app.execute(&format!(
        "insert into job_chunks (job_id, number, items, tenant_id) select id, 0, {bytes}, {id} from jobs where tenant_id = {id}"
    ));
    app.execute(&format!(
        "insert into spent_confirmations (proof, tenant_id, until) values ('proof of {id}', {id}, 1)"
    ));
    app.flush();
    for table in tables(app) {
        assert!(rows_in(app, &table, &tenant["ID"]) > 0, "put a row into {table}, or its removal is not tried");
    }
    tenant
}

/// Two thousand keys with a secret each, put in by SQL.
fn many_keys(app: &TestApp, tenant: &Value) {
    app.execute(&format!(
        "insert into api_keys (tenant_id, profile_id, kind, key_name, name_fold, description, locale, role_id, time_zone, active, \
         created, unsuccessful_sign_in_attempts, service_account, made_with_initial_password) \
         with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < 2000) \
         select {tenant}, 1, 'standard', 'k' || n, 'k' || n, '', 'en-US', 1, 'UTC', true, 1, 0, false, false from numbers"
    ));
    app.execute(&format!(
        "insert into api_key_secrets (tenant_id, api_key_id, digest, digest_version, created) \
         select tenant_id, id, {}, 1, 1 from api_keys where tenant_id = {tenant} and key_name like 'k%'",
        match app.backend {
            Backend::Sqlite => "randomblob(32)",
            Backend::Postgres => "sha256(key_name::bytea)",
        }
    ));
}

both! {
    /// From the answer on the tenant is found nowhere, lets nobody in, and its name is free; the trail of it stays.
    fn a_removed_tenant_is_gone_at_once(app: TestApp) {
        let maker = app.full_key();
        let tenant = full_tenant(&app, &maker, "Blue");
        let (id, path) = (&tenant["ID"], format!("/api/tenants/{}", tenant["ID"]));
        let (session, key) = (sign_in(&app, "Blue"), app.post(&format!("{path}/apikeys"), json!({ "keyName": "t" })).key(&maker).send().expect(200).json());
        let before = app.last_event();
        let answer = app.delete(&path).key(&maker).send().expect(204);
        assert!(answer.body.is_empty());
        assert_eq!(app.get("/api/apikeys").key(&crate::app::secret(&key)).send().refusal(), (401, "invalid_api_key".into()));
        assert_eq!(app.get("/api/apikeys").with(&session).send().refusal(), (401, "session_ended".into()));
        assert_eq!(try_sign_in(&app, "Blue").refusal(), (401, "sign_in_failed".into()));
        assert_eq!(app.get("/api/tenants").key(&maker).send().expect(200).text(), r#"{"tenants":[]}"#);
        for (method, path) in [("GET", path.clone()), ("POST", path.clone()), ("DELETE", path.clone()), ("POST", format!("{path}/apikeys"))] {
            let answer = app.call(method, &path).json(json!({ "keyName": "k" })).key(&maker).send();
            assert_eq!(answer.refusal(), (404, "not_found".into()), "{method}");
        }
        let again = made(&app, &maker, "blue");
        assert!(again["ID"].as_i64() > id.as_i64() && again["guid"] != tenant["guid"], "the ID is never given again");
        purge(&app);
        for table in tables(&app) {
            assert_eq!(rows_in(&app, &table, id), 0, "{table}");
        }
        assert_eq!(app.count(&format!("select count(*) as n from tenants where id = {id}")), 0);
        let events = events_of(&app, id, before);
        assert_eq!(events[0], format!("5052 tenant/0/Primary@ tenant/{id}/Blue {{}}"));
        assert!(app.count(&format!("select count(*) as n from audit_events where tenant_id = {id}")) > 4, "the trail stays");
        sign_in(&app, "blue");
        assert_eq!(rows_in(&app, "administrators", &again["ID"]), 1, "the other is unharmed");
    }

    /// Thousands of rows go in pieces, and what a crash has left goes at the next start.
    fn what_a_crash_has_left_goes_at_the_next_start(app: TestApp) {
        let maker = app.full_key();
        let tenant = full_tenant(&app, &maker, "Blue");
        let id = &tenant["ID"];
        many_keys(&app, id);
        let other = full_tenant_after(&app, &maker);
        // as the commit of the call leaves it, and a piece of the removal later
        app.execute(&format!("update tenants set state = 'pending-deletion', name_fold = '{}' where id = {id}", '\u{1}'));
        app.execute(&format!("delete from api_key_secrets where tenant_id = {id} and id in (select id from api_key_secrets where tenant_id = {id} order by id limit 500)"));
        assert_eq!((rows_in(&app, "api_keys", id), rows_in(&app, "api_key_secrets", id)), (2_001, 1_501));
        let others: Vec<i64> = tables(&app).iter().map(|table| rows_in(&app, table, &other)).collect();
        purge(&app);
        for table in tables(&app) {
            assert_eq!(rows_in(&app, &table, id), 0, "{table}");
        }
        assert_eq!(app.count(&format!("select count(*) as n from tenants where id = {id}")), 0);
        assert_eq!(tables(&app).iter().map(|table| rows_in(&app, table, &other)).collect::<Vec<_>>(), others);
        purge(&app);
    }

    /// A tenant of two thousand keys is removed by the call while others go on.
    fn two_thousand_keys_go_with_their_tenant(app: TestApp) {
        let maker = app.full_key();
        let tenant = made(&app, &maker, "Blue");
        let id = &tenant["ID"];
        many_keys(&app, id);
        app.delete(&format!("/api/tenants/{id}")).key(&maker).send().expect(204);
        app.get("/api/apikeys").key(&maker).send().expect(200);
        app.post("/api/apikeys", json!({ "keyName": "meanwhile", "roleID": 2 })).key(&maker).send().expect(200);
        purge(&app);
        assert_eq!((rows_in(&app, "api_keys", id), rows_in(&app, "api_key_secrets", id)), (0, 0));
        assert_eq!(app.delete(&format!("/api/tenants/{id}")).key(&maker).send().refusal(), (404, "not_found".into()));
    }
}

/// Another tenant with a key, which must stay as it is.
fn full_tenant_after(app: &TestApp, maker: &str) -> Value {
    let id = made(app, maker, "Red")["ID"].clone();
    key_of(app, "Red");
    id
}
