mod chain;
mod lease;
mod own_account;
mod reading;
mod reconfiguring;
mod retention;
mod tampering;
mod time_out;

use std::future::Future;

use firstkey::app::App;
use firstkey::audit::chain::Fault;
use firstkey::audit::verify::{NotedHead, Report};
use firstkey::{audit, error};

use crate::app::{Backend, TestApp};

fn wait_for<T>(future: impl Future<Output = T>) -> T {
    actix_web::rt::System::new().block_on(future)
}

/// Takes or keeps the lease for one node; whether it has it.
fn keep_lease(app: &App) -> bool {
    let (lease, now) = (app.lease.clone(), app.now());
    app.database.write_here(move |db| lease.keep(db, now)).expect("the row is there")
}

/// Seals as the node that holds the lease.
fn seal(app: &TestApp) -> i64 {
    assert!(keep_lease(&app.app));
    wait_for(audit::seal(&app.app)).expect("sealed")
}

fn verify(app: &TestApp) -> Result<Report, Fault> {
    verify_with(app, None)
}

fn verify_with(app: &TestApp, head: Option<&str>) -> Result<Report, Fault> {
    let noted = head.map(|head| NotedHead::parse(head).expect("a head"));
    let keys = [app.app.keyring.audit_key().clone()];
    audit::verify::verify(&app.app.database, &keys, noted.as_ref()).expect("the database answers")
}

/// The head as `firstkey audit head` prints it.
fn head(app: &TestApp) -> String {
    let head = app.app.database.read_here(audit::head).expect("the database answers").expect("something is sealed");
    format!("{}:{}", head.last, data_encoding::HEXLOWER.encode(&head.head))
}

/// So many events, written behind the server's back but as it would.
fn write_events(app: &TestApp, count: i64) {
    let now = app.clock.now().millis();
    app.execute(&format!(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < {count}) \
         insert into audit_events (tenant_id, at, number, name, level, actor_type, actor_name, address, request_id, \
         target_type, target_name, details, actor_name_fold, target_name_fold) \
         select 0, {now}, 600, 'User Signed In', 'info', 'administrator', 'Anna', '', '', 'administrator', 'Anna', '{{}}', 'anna', 'anna' from n"
    ));
}

fn try_execute(app: &TestApp, sql: &str) -> Result<usize, error::Error> {
    use diesel::RunQueryDsl as _;
    let sql = sql.to_owned();
    app.app.database.write_here(move |db| Ok(diesel::sql_query(sql).execute(db)?))
}

/// What somebody does first who owns the database.
fn drop_triggers(app: &TestApp) {
    let triggers = match app.backend {
        Backend::Sqlite => "select 'drop trigger ' || name as t from sqlite_master where type = 'trigger'",
        Backend::Postgres => {
            "select distinct 'alter table ' || tgrelid::regclass || ' disable trigger user' as t from pg_trigger where not tgisinternal"
        }
    };
    for statement in app.texts(triggers) {
        app.execute(&statement);
    }
}
