//! A server of its own for each test, in this process, on a port of its own.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use diesel::Connection as _;
use diesel::prelude::*;
use firstkey::app::{App, Rules};
use firstkey::bootstrap::{self, FirstAdministrator};
use firstkey::clock::{Clock, Timestamp};
use firstkey::config::{ApiUsage, Config, DatabaseUrl, Mail, MailUrl, RateLimit, Webhooks};
use firstkey::{administrators, server, tls};
use rustls::ClientConfig;
use serde_json::{Value, json};

use crate::http::{Answer, Connection, Request, trusting};
use crate::receivers::Smtp;

/// Both databases: `both! { fn a_sentence(app: TestApp) { … } }` makes a test for each.
#[macro_export]
macro_rules! both {
    ($($(#[$about:meta])* fn $name:ident($app:ident: $kind:ident $(, $setup:expr)?) $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn run(backend: $crate::app::Backend) {
                #[allow(unused_mut)]
                let mut setup = $crate::app::Setup::new(backend);
                $(let change: fn(&mut $crate::app::Setup) = $setup; change(&mut setup);)?
                #[allow(unused_mut, unused_variables)]
                let mut $app: $kind = setup.start();
                $body
            }

            $(#[$about])*
            #[test]
            fn sqlite() {
                run($crate::app::Backend::Sqlite)
            }

            $(#[$about])*
            #[test]
            fn postgres() {
                run($crate::app::Backend::Postgres)
            }
        }
    )+};
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// The administrator that every test's server has, and the password.
pub const ADMIN: &str = "MasterAdmin";
pub const PASSWORD: &str = "correct horse battery staple";
/// Where held clocks begin: 2026-11-21 12:00 UTC, in the middle of a 30 s step.
pub const START: Timestamp = Timestamp::from_millis(1_795_262_415_000);

/// How a test's server is set up.
pub struct Setup {
    pub backend: Backend,
    pub rules: Rules,
    pub clock: Clock,
    /// False leaves the administrator with the password of the first start.
    pub with_password: bool,
    pub password_threads: usize,
    pub workers: usize,
    /// Off unless a test is about it.
    pub rate_limit: RateLimit,
    pub api_usage: ApiUsage,
    /// The mail server, where there is mail.
    pub smtp: Option<Smtp>,
    pub webhooks: Webhooks,
    pub outgoing_ca_file: Option<PathBuf>,
    pub public_url: Option<String>,
    pub trusted_proxies: Vec<ipnet::IpNet>,
    pub keys_remembered: usize,
    /// The URL of PostgreSQL's replica.
    pub replica: Option<String>,
}

impl Setup {
    pub fn new(backend: Backend) -> Self {
        let rules = Rules { throttle_patience: Duration::ZERO, ..Rules::default() };
        Self {
            backend,
            rules,
            clock: Clock::held(START),
            with_password: true,
            password_threads: 1,
            workers: 1,
            rate_limit: RateLimit::OFF,
            api_usage: ApiUsage { days: 14, rows: 1_000_000 },
            smtp: None,
            webhooks: Webhooks::default(),
            outgoing_ca_file: None,
            public_url: None,
            trusted_proxies: Vec::new(),
            keys_remembered: 300_000,
            replica: None,
        }
    }

    /// With a mail server.
    pub fn with_mail(&mut self) {
        self.smtp = Some(Smtp::start());
    }

    /// Webhooks may lead to this machine, and need no TLS.
    pub fn with_hooks(&mut self) {
        let here = "127.0.0.0/8".parse().expect("a network");
        self.webhooks = Webhooks { allow_networks: vec![here], allow_http: true };
    }

    pub fn start(self) -> TestApp {
        TestApp::start(self)
    }
}

/// A running server, and what a test needs to talk to it.
pub struct TestApp {
    pub app: App,
    pub clock: Clock,
    pub backend: Backend,
    pub config: Config,
    pub address: SocketAddr,
    pub first: FirstAdministrator,
    pub folder: tempfile::TempDir,
    smtp: Option<Smtp>,
    tls: Arc<ClientConfig>,
    idle: Mutex<Vec<Connection>>,
    database: Option<String>,
}

impl TestApp {
    fn start(setup: Setup) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut config = Config::embedded(&folder.path().join("data"));
        config.sign_in.bcrypt_cost = 4;
        config.sign_in.password_threads = setup.password_threads;
        config.sign_in.password_nice = 0;
        config.workers = setup.workers;
        config.database_connections = 8;
        config.rate_limit = setup.rate_limit;
        config.api_usage = setup.api_usage;
        config.mail = setup.smtp.as_ref().map(|smtp| Mail {
            url: MailUrl::parse(&smtp.url()).expect("its URL"),
            from: "Firstkey <firstkey@example.com>".parse().expect("an address"),
        });
        config.webhooks = setup.webhooks;
        config.outgoing_ca_file = setup.outgoing_ca_file;
        config.public_url = setup.public_url;
        config.trusted_proxies = setup.trusted_proxies;
        config.keys_remembered = setup.keys_remembered;
        config.database_replica = setup.replica.map(|url| DatabaseUrl::Postgres(url.into()));
        let database = (setup.backend == Backend::Postgres).then(new_postgres_database);
        if let Some(name) = &database {
            config.database = DatabaseUrl::Postgres(postgres_url(name).into());
        }
        if setup.with_password {
            let file = folder.path().join("password");
            bootstrap::write_private(&file, PASSWORD.as_bytes()).expect("a file can be written");
            config.admin_password_file = Some(file);
        }
        let (app, first) = bootstrap::start(&config, setup.clock.clone(), setup.rules).expect("the app starts");
        let own = tls::ensure_self_signed(&config.data, &[], Clock::System.now()).expect("a certificate");
        let address = serve(&app, &config, &own);
        Self {
            smtp: setup.smtp,
            tls: trusting(&own.certificate),
            idle: Mutex::default(),
            clock: setup.clock,
            backend: setup.backend,
            app,
            config,
            address,
            first,
            folder,
            database,
        }
    }

    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    pub fn certificate(&self) -> PathBuf {
        self.config.data.join("tls/certificate.pem")
    }

    /// A connection of its own, for what must not share one.
    pub fn connect(&self) -> Connection {
        Connection::open(self.address, &self.tls).expect("the server is there")
    }

    /// Another node of the same installation: its own process as far as it knows, the same database and data folder.
    pub fn second_node(&self) -> Self {
        let rules = self.app.rules.clone();
        let (app, first) = bootstrap::start(&self.config, self.clock.clone(), rules).expect("the second node starts");
        let own = tls::ensure_self_signed(&self.config.data, &[], Clock::System.now()).expect("a certificate");
        let address = serve(&app, &self.config, &own);
        Self {
            smtp: self.smtp.clone(),
            tls: trusting(&own.certificate),
            idle: Mutex::default(),
            clock: self.clock.clone(),
            backend: self.backend,
            app,
            config: self.config.clone(),
            address,
            first,
            folder: tempfile::tempdir().expect("a temporary folder"),
            database: None,
        }
    }

    /// The mail server of a test that has one.
    pub fn smtp(&self) -> &Smtp {
        self.smtp.as_ref().expect("the test is set up with mail")
    }

    /// A request to be filled in.
    pub fn call(&self, method: &str, path: &str) -> Call<'_> {
        Call {
            app: self,
            request: Request { method: method.into(), path: path.into(), headers: Vec::new(), body: Vec::new() },
        }
    }

    pub fn get(&self, path: &str) -> Call<'_> {
        self.call("GET", path)
    }

    pub fn post(&self, path: &str, body: Value) -> Call<'_> {
        self.call("POST", path).json(body)
    }

    pub fn delete(&self, path: &str) -> Call<'_> {
        self.call("DELETE", path)
    }

    /// Begins what goes on beside the requests; a test's server leaves it out, so that nothing moves by itself.
    pub fn spawn_chores(&self) {
        let app = self.app.clone();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                server::spawn_chores(&app);
                std::future::pending::<()>().await;
            });
        });
    }

    /// The answer to a sign-in.
    pub fn try_sign_in(&self, username: &str, password: &str) -> Answer {
        self.post("/api/sessions", json!({ "userName": username, "password": password })).send()
    }

    /// A session of the administrator's.
    pub fn sign_in(&self) -> Session {
        Session::from(&self.try_sign_in(ADMIN, PASSWORD).expect(200))
    }

    /// A key of a role, minted by the administrator; the answer's members.
    pub fn mint(&self, name: &str, role: i64) -> Value {
        let session = self.sign_in();
        self.post("/api/apikeys", json!({ "keyName": name, "roleID": role })).with(&session).send().expect(200).json()
    }

    /// The secret of a fresh Full Access key.
    pub fn full_key(&self) -> String {
        secret(&self.mint("full", 1))
    }

    /// Sends the head of a call whose body is held back, and answers when the server knows who makes it. With one worker
    /// whatever is sent afterwards finds it waiting for its body.
    pub fn begin_call(&self, credential: &str, head: &str) -> Connection {
        let key = credential.strip_prefix("api-secret-key: ").and_then(|key| key.rsplit(':').nth(1));
        // a key's use is noted with the moment, and a session's a minute after the last
        self.clock.advance(if key.is_some() { 1 } else { 61_000 });
        let now = self.clock.now();
        let mut connection = self.connect();
        connection.write_raw(format!("{head}\r\n{credential}\r\n\r\n").as_bytes()).expect("it is taken");
        let is_known = || match key {
            Some(id) => {
                let id = firstkey::id::ApiKeyID::parse(id).expect("an ID");
                self.app.key_usage.overlay(id, None, 0).0 == Some(now)
            }
            None => {
                self.count(&format!("select count(*) as n from sessions where last_activity = {}", now.millis())) > 0
            }
        };
        let patience = std::time::Instant::now() + Duration::from_secs(10);
        while !is_known() {
            assert!(std::time::Instant::now() < patience, "nobody knows who calls");
            std::thread::sleep(Duration::from_millis(1));
        }
        connection
    }

    /// The secret of a fresh Auditor key.
    pub fn auditor_key(&self) -> String {
        secret(&self.mint("auditor", 2))
    }

    /// A number out of the database, by SQL: what is really stored.
    pub fn count(&self, sql: &str) -> i64 {
        #[derive(QueryableByName)]
        struct Count {
            #[diesel(sql_type = diesel::sql_types::BigInt)]
            n: i64,
        }
        let sql = sql.to_owned();
        let rows: Vec<Count> =
            self.app.database.read_here(|db| Ok(diesel::sql_query(sql).load(db)?)).expect("the query is right");
        rows[0].n
    }

    /// Runs SQL that changes something, behind the server's back.
    pub fn execute(&self, sql: &str) -> usize {
        let sql = sql.to_owned();
        let changed = self.app.database.write_here(move |db| Ok(diesel::sql_query(sql).execute(db)?));
        // behind the server's back: nobody else tells it
        self.app.database.freshness().touch(firstkey::db::Touched::Everything);
        changed.expect("the statement is right")
    }

    /// A role with these rights ("group.subGroup.right"), put in through the database; its ID.
    pub fn role(&self, name: &str, rights: &[&str]) -> i64 {
        let set: firstkey::rights::Rights = rights
            .iter()
            .map(|right| {
                let names: Vec<&str> = right.split('.').collect();
                firstkey::rights::Right::find(names[0], names[1], names[2]).expect("a right")
            })
            .collect();
        self.role_of(name, set, firstkey::rights::Reach::everything())
    }

    /// A role of any rights and reach.
    pub fn role_of(&self, name: &str, rights: firstkey::rights::Rights, reach: firstkey::rights::Reach) -> i64 {
        let hex: String = rights.to_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let bytes = match self.backend {
            Backend::Sqlite => format!("x'{hex}'"),
            Backend::Postgres => format!("'\\x{hex}'::bytea"),
        };
        let fold = firstkey::name::fold(name);
        let list = |ids: &std::collections::BTreeSet<i64>| json!(ids).to_string();
        self.execute(&format!(
            "insert into roles (tenant_id, name, name_fold, description, description_fold, immutable, \
             equal_or_lesser_only, all_computers, all_policies, allow_user_interface, allow_web_service, \
             allow_manage_workload_link, allow_migration, rights, computer_ids, computer_group_ids, policy_ids, role_version) \
             values (0, '{name}', '{fold}', '', '', false, false, {}, {}, true, true, false, false, {bytes}, '{}', '{}', '{}', 1)",
            reach.all_computers, reach.all_policies, list(&reach.computers), list(&reach.computer_groups), list(&reach.policies),
        ));
        self.count(&format!("select id as n from roles where name_fold = '{fold}'"))
    }

    /// Another administrator, put in through the store.
    pub fn administrator(&self, username: &str, password: &str, role: i64, tenant: i64) -> i64 {
        let hash = firstkey::auth::password_lane::PasswordLane::hash_here(
            &self.app.keyring.peppered(&firstkey::secret::Password::new(password.into()).expect("a password")),
            4,
        )
        .expect("hashed");
        let new = administrators::NewAdministrator {
            tenant: firstkey::id::TenantID::new(tenant),
            username: firstkey::name::Username::parse("userName", username).expect("a name"),
            password_hash: hash,
            initial_password_until: None,
            role: firstkey::id::RoleID::new(role),
            time_zone: "UTC",
            email_address: firstkey::name::EmailAddress::none(),
        };
        let now = self.clock.now();
        self.app.database.write_here(move |db| administrators::insert(db, &new, now)).expect("inserted").get()
    }

    /// Another tenant, put in through the store; its ID.
    pub fn tenant(&self, name: &str) -> i64 {
        let new = firstkey::tenants::NewTenant {
            name: firstkey::name::TenantName::parse("tenantName", name).expect("a name"),
            guid: uuid::Uuid::from_u128(0x0f8f_ad5b_d9cb_469f_a165_7086_7728_950e),
        };
        let now = self.clock.now();
        self.app.database.write_here(move |db| firstkey::tenants::insert(db, &new, now)).expect("inserted").get()
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if let Some(name) = &self.database {
            drop_postgres_database(name);
        }
    }
}

/// The secret in the answer to a mint.
pub fn secret(key: &Value) -> String {
    key["secretKey"].as_str().expect("a secret").to_owned()
}

/// A session as its owner holds it.
#[derive(Clone, Debug)]
pub struct Session {
    pub sid: String,
    pub rid: String,
}

impl From<&Answer> for Session {
    fn from(answer: &Answer) -> Self {
        let cookie = answer.header("set-cookie").expect("a cookie");
        let sid = cookie.strip_prefix("sID=").and_then(|rest| rest.split(';').next()).expect("the cookie sID");
        Self { sid: sid.to_owned(), rid: answer.json()["RID"].as_str().expect("a RID").to_owned() }
    }
}

/// A request that is being filled in.
#[derive(Clone)]
pub struct Call<'a> {
    app: &'a TestApp,
    pub request: Request,
}

impl Call<'_> {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request.headers.push((name.into(), value.into()));
        self
    }

    pub fn json(self, body: Value) -> Self {
        self.body(body.to_string())
    }

    /// A body as it is, said to be JSON.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        let mut call = self.header("Content-Type", "application/json");
        call.request.body = body.into();
        call
    }

    /// With a session's cookie and RID.
    pub fn with(self, session: &Session) -> Self {
        self.header("Cookie", &format!("sID={}", session.sid)).header("rID", &session.rid)
    }

    pub fn key(self, secret: &str) -> Self {
        self.header("api-secret-key", secret)
    }

    /// Sends it over a connection of its own, from another of this machine's addresses.
    pub fn send_from(self, source: IpAddr) -> Answer {
        let mut connection =
            Connection::open_from(source, self.app.address, &self.app.tls).expect("the server is there");
        connection.send(&self.request).expect("an answer")
    }

    /// Sends it, over an idle connection where there is one.
    pub fn send(self) -> Answer {
        let idle = self.app.idle.lock().expect("not poisoned").pop();
        let reused =
            idle.and_then(|mut connection| connection.send(&self.request).ok().map(|answer| (connection, answer)));
        let (connection, answer) = reused.unwrap_or_else(|| {
            let mut connection = self.app.connect();
            let answer = connection.send(&self.request).expect("an answer");
            (connection, answer)
        });
        if answer.header("connection") != Some("close") {
            self.app.idle.lock().expect("not poisoned").push(connection);
        }
        answer
    }
}

fn serve(app: &App, config: &Config, own: &tls::SelfSigned) -> SocketAddr {
    let (app, config) = (app.clone(), config.clone());
    let store = tls::CertificateStore::load(&own.certificate, &own.key).expect("it was just made");
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let bound = server::bind(&app, &config, Some(store)).expect("a free port");
            tell.send(bound.addresses[0]).expect("the test waits");
            bound.server.await.expect("the server runs until the test ends");
        });
    });
    told.recv().expect("the server came up")
}

// ---- PostgreSQL: one server for the run, one database for the test ----

const TEMPLATE: &str = "firstkey_template";

fn server_url() -> String {
    std::env::var("FIRSTKEY_TEST_POSTGRES")
        .expect("FIRSTKEY_TEST_POSTGRES: run the tests by cargo nextest, which starts PostgreSQL, or by tests/run")
}

/// The URL of a database of the run's server.
pub fn postgres_url(database: &str) -> String {
    let url = server_url();
    let (server, _) = url.rsplit_once('/').expect("a URL with a database");
    format!("{server}/{database}")
}

fn postgres_admin() -> Option<PgConnection> {
    PgConnection::establish(&server_url()).ok()
}

/// A fresh database with the schema in it; its name.
pub fn new_postgres_database() -> String {
    let mut db = postgres_admin().expect("the run's PostgreSQL");
    let mut run = |sql: &str| diesel::sql_query(sql).execute(&mut db);
    // one test makes the template, the others wait for it
    run("SELECT pg_advisory_lock(4119)").expect("a lock");
    if run(&format!("CREATE DATABASE {TEMPLATE}")).is_ok() {
        let url = DatabaseUrl::Postgres(postgres_url(TEMPLATE).into());
        let mut locked = firstkey::db::migrations::Locked::acquire(&url).expect("the template");
        locked.migrate().expect("the migrations run");
    }
    let name = format!("t_{}_{}", std::process::id(), START.millis() ^ i64::from(rand_suffix()));
    run(&format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}")).expect("a database");
    run("SELECT pg_advisory_unlock(4119)").expect("the lock was held");
    name
}

/// Removes a test's database, whoever is still connected to it.
pub fn drop_postgres_database(name: &str) {
    let drop = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    let _ = postgres_admin().and_then(|mut db| diesel::sql_query(drop).execute(&mut db).ok());
}

fn rand_suffix() -> u32 {
    u32::from_le_bytes(*firstkey::secret::random_bytes::<4>().expect("random"))
}
