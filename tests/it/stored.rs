//! What is really stored: the database looked at behind the server's back.

use diesel::prelude::*;

use crate::app::{Backend, TestApp};

const TABLES: &[&str] = &[
    "installation",
    "tenants",
    "roles",
    "administrators",
    "sessions",
    "sign_in_attempts",
    "api_keys",
    "api_key_secrets",
    "api_key_profiles",
    "default_api_key_profiles",
    "api_types",
    "api_key_api_types",
    "audit_events",
    "claims",
    "contacts",
    "system_settings",
    "api_usage",
    "audit_chain",
    "audit_seals",
    "audit_cuts",
    "leases",
    "webhooks",
    "notices",
    "notice_marks",
    "calendars",
    "revoked_api_keys",
    "revoked_api_key_secrets",
    "jobs",
    "job_chunks",
    "spent_confirmations",
];

impl TestApp {
    /// The texts in the column `t` that a query answers.
    pub fn texts(&self, sql: &str) -> Vec<String> {
        #[derive(QueryableByName)]
        struct Text {
            #[diesel(sql_type = diesel::sql_types::Text)]
            t: String,
        }
        let sql = sql.to_owned();
        let rows: Vec<Text> =
            self.app.database.read_here(|db| Ok(diesel::sql_query(sql).load(db)?)).expect("the query is right");
        rows.into_iter().map(|row| row.t).collect()
    }

    /// Every row of every table, as text: equal before and after, nothing has changed.
    pub fn rows(&self) -> Vec<String> {
        TABLES.iter().flat_map(|table| self.rows_of(table)).collect()
    }

    /// Every row of one table, as text, secrets' digests in lower-case hex.
    pub fn rows_of(&self, table: &str) -> Vec<String> {
        let row = match self.backend {
            Backend::Postgres => format!("select '{table}: ' || t::text as t from {table} t"),
            Backend::Sqlite => {
                let columns =
                    self.texts(&format!("select 'quote(' || name || ')' as t from pragma_table_info('{table}')"));
                format!("select '{table}: ' || {} as t from {table}", columns.join(" || ',' || "))
            }
        };
        let mut rows: Vec<String> = self.texts(&row).iter().map(|row| row.to_lowercase()).collect();
        rows.sort();
        rows
    }

    /// Insists that every row is as it was, and shows those that are not.
    #[track_caller]
    pub fn assert_rows(&self, before: &[String], what: &str) {
        let now = self.rows();
        let only_in = |a: &[String], b: &[String]| a.iter().filter(|row| !b.contains(row)).cloned().collect::<Vec<_>>();
        assert!(now == before, "{what}: gone {:#?}, new {:#?}", only_in(before, &now), only_in(&now, before));
    }

    /// The events since the ID `after`, each as `number actor type/ID/name target type/ID/name details`.
    pub fn events_after(&self, after: i64) -> Vec<String> {
        self.texts(&format!(
            "select number || ' ' || actor_type || '/' || coalesce(cast(actor_id as text), '-') || '/' || actor_name || ' ' \
             || target_type || '/' || coalesce(cast(target_id as text), '-') || '/' || target_name || ' ' || details as t \
             from audit_events where id > {after} order by id"
        ))
    }

    /// The ID of the latest event.
    pub fn last_event(&self) -> i64 {
        self.count("select coalesce(max(id), 0) as n from audit_events")
    }

    /// Writes down what was noted about keys, as the server does once a second.
    pub fn flush(&self) {
        actix_web::rt::System::new().block_on(firstkey::server::flush(&self.app));
    }
}

/// An answer's text without the one thing that differs from call to call.
pub fn without_trace(answer: &crate::http::Answer) -> String {
    let mut json = answer.json();
    if let Some(members) = json.as_object_mut() {
        members.remove("traceId").expect("every refusal has one");
    }
    json.to_string()
}
