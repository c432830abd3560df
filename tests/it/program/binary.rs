//! The real binary on a folder and a database of its own.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use diesel::Connection as _;
use diesel::prelude::*;
use firstkey::db::Db;
use rustls::ClientConfig;
use serde_json::{Value, json};

use crate::app::{self, ADMIN, Backend, Session};
use crate::http::{Answer, Connection, Request};

/// Both databases: `on_both! { fn a_sentence(home) { … } }` makes a test for each, with a [`Home`] that
/// holds nothing yet.
#[macro_export]
macro_rules! on_both {
    ($($(#[$about:meta])* fn $name:ident($home:ident) $body:block)+) => {$(
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn run(backend: $crate::app::Backend) {
                #[allow(unused_mut)]
                let mut $home = $crate::program::binary::Home::new(backend);
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

/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder and a database for the program, and the surroundings it is started in.
pub struct Home {
    pub backend: Backend,
    pub folder: tempfile::TempDir,
    /// Of the program, when it is started next.
    pub environment: BTreeMap<String, String>,
    database: Option<String>,
}

impl Home {
    /// An empty database, without even a schema, and a data folder that is yet to be made.
    pub fn new(backend: Backend) -> Self {
        let database = (backend == Backend::Postgres).then(empty_database);
        let url = database.as_deref().map(app::postgres_url);
        Self::on(backend, url, database)
    }

    /// On PostgreSQL at a URL that somebody else takes care of.
    pub fn at(url: &str) -> Self {
        Self::on(Backend::Postgres, Some(url.to_owned()), None)
    }

    fn on(backend: Backend, url: Option<String>, database: Option<String>) -> Self {
        let mut environment = BTreeMap::from([("FIRSTKEY_SIGN_IN_BCRYPT_COST".to_owned(), "10".to_owned())]);
        for limit in ["USER", "TENANT", "NODE"] {
            environment.insert(format!("FIRSTKEY_RATE_LIMIT_{limit}"), "0".to_owned());
        }
        environment.extend(url.map(|url| ("FIRSTKEY_DATABASE_URL".to_owned(), url)));
        Self { backend, folder: tempfile::tempdir().expect("a temporary folder"), environment, database }
    }

    /// The data folder; its name is one that a shell would take apart.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("the operator's data")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn certificate(&self) -> PathBuf {
        self.data().join("tls/certificate.pem")
    }

    pub fn initial_password_file(&self) -> PathBuf {
        self.data().join("initial-admin-password")
    }

    pub fn initial_password(&self) -> String {
        std::fs::read_to_string(self.initial_password_file()).expect("the first start's password")
    }

    pub fn set(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// A file beside the data folder.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        firstkey::bootstrap::write_private(&path, content.as_bytes()).expect("a file can be written");
        path
    }

    /// The program with a command, not started yet. Of this process's environment it sees only PATH.
    pub fn command(&self, arguments: &[&str]) -> Command {
        // another build can be tried instead, such as the optimised one
        let other = std::env::var_os("FIRSTKEY_TEST_BINARY");
        let mut command = Command::new(other.unwrap_or_else(|| env!("CARGO_BIN_EXE_firstkey").into()));
        command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("FIRSTKEY_DATA", self.data()).env("TZ", "UTC").envs(&self.environment);
        command.current_dir(self.folder.path());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, "")
    }

    /// Runs a command to its end, with something on its standard input.
    pub fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        Ran::of(&mut self.command(arguments), input)
    }

    /// `firstkey init` with a Full Access key: its secret. No password need be hashed again after it.
    pub fn init(&self) -> String {
        let (password, key) = (self.write("password", app::PASSWORD), self.path("first.key"));
        let mut command = self.command(&["init", "--first-key-name", "first", "--first-key-role", "1"]);
        command.arg("--password-file").arg(password).arg("--first-key-file").arg(&key);
        Ran::of(&mut command, "").expect(0);
        std::fs::read_to_string(key).expect("the first key")
    }

    /// Starts the server and waits until it says that it is ready.
    pub fn start(&self) -> Server {
        self.spawn(&[]).ready()
    }

    /// Starts the server and waits for nothing.
    pub fn spawn(&self, arguments: &[&str]) -> Starting {
        let listen: &[&str] = if arguments.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
        Starting::of(self.command(listen).args(arguments), self.certificate())
    }

    /// A connection of the test's own to the database.
    pub fn database(&self) -> Db {
        match self.backend {
            Backend::Sqlite => {
                let path = self.data().join("firstkey.db");
                Db::Sqlite(SqliteConnection::establish(&path.to_string_lossy()).expect("the database is there"))
            }
            Backend::Postgres => {
                let url = &self.environment["FIRSTKEY_DATABASE_URL"];
                Db::Postgres(PgConnection::establish(url).expect("the database is there"))
            }
        }
    }

    /// A number out of the database.
    pub fn count(&self, sql: &str) -> i64 {
        numbers(&mut self.database(), sql)[0]
    }

    pub fn execute(&self, sql: &str) -> usize {
        diesel::sql_query(sql).execute(&mut self.database()).expect("the statement is right")
    }

    /// Everything the database holds, as text: what a command changed shows as a difference.
    pub fn everything(&self) -> String {
        let db = &mut self.database();
        let tables = match self.backend {
            Backend::Sqlite => "SELECT name AS t FROM sqlite_schema WHERE type = 'table' ORDER BY 1",
            Backend::Postgres => "SELECT tablename::text AS t FROM pg_tables WHERE schemaname = 'public' ORDER BY 1",
        };
        let dump = |db: &mut Db, table: &String| {
            let row = match self.backend {
                Backend::Sqlite => {
                    let columns = format!(
                        "SELECT group_concat('quote(\"' || name || '\")', ' || '','' || ') AS t FROM pragma_table_info('{table}')"
                    );
                    texts(db, &columns).concat()
                }
                Backend::Postgres => "r::text".to_owned(),
            };
            format!(
                "{table}: {}\n",
                texts(db, &format!("SELECT {row} AS t FROM \"{table}\" AS r ORDER BY 1")).join("\n")
            )
        };
        let tables = texts(db, tables);
        tables.iter().map(|table| dump(db, table)).collect()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(name) = &self.database {
            app::drop_postgres_database(name);
        }
    }
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    n: i64,
}

#[derive(QueryableByName)]
struct Text {
    #[diesel(sql_type = diesel::sql_types::Text)]
    t: String,
}

/// The column `n` of a query.
pub fn numbers(db: &mut Db, sql: &str) -> Vec<i64> {
    let rows: Vec<Number> = diesel::sql_query(sql).load(db).expect("the query is right");
    rows.into_iter().map(|row| row.n).collect()
}

/// The column `t` of a query.
pub fn texts(db: &mut Db, sql: &str) -> Vec<String> {
    let rows: Vec<Text> = diesel::sql_query(sql).load(db).expect("the query is right");
    rows.into_iter().map(|row| row.t).collect()
}

/// A database without a schema; its name.
fn empty_database() -> String {
    let number = u64::from_le_bytes(*firstkey::secret::random_bytes::<8>().expect("random"));
    let name = format!("p_{number:x}");
    let mut db = PgConnection::establish(&app::postgres_url("postgres")).expect("the run's PostgreSQL");
    diesel::sql_query(format!("CREATE DATABASE {name}")).execute(&mut db).expect("a database");
    name
}

/// A command that has ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn of(command: &mut Command, input: &str) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        // a command that reads nothing may be gone already
        let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
        Self::from(child.wait_with_output().expect("it ends"))
    }

    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:?}");
        self
    }

    /// Insists on a refusal whose text holds all of `words`.
    #[track_caller]
    pub fn refused(self, words: &[&str]) -> Self {
        let ran = self.expect(1);
        for word in words {
            assert!(ran.stderr.contains(word), "{word:?} is missing: {}", ran.stderr);
        }
        ran
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

/// What the program writes on stderr, as it comes.
#[derive(Clone, Default)]
struct Log(Arc<(Mutex<Vec<u8>>, Condvar)>);

impl Log {
    fn append(&self, bytes: &[u8]) {
        self.0.0.lock().expect("not poisoned").extend_from_slice(bytes);
        self.0.1.notify_all();
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.0.lock().expect("not poisoned")).into_owned()
    }

    fn wait_for(&self, words: &str) -> bool {
        let says = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(words);
        let log = self.0.0.lock().expect("not poisoned");
        let (log, _) = self.0.1.wait_timeout_while(log, PATIENCE, |bytes| !says(bytes)).expect("not poisoned");
        says(&log)
    }
}

/// A program that has been started; killed when it is dropped.
pub struct Starting {
    child: Child,
    lines: Receiver<String>,
    log: Log,
    certificate: PathBuf,
}

impl Starting {
    pub fn of(command: &mut Command, certificate: PathBuf) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let (tell, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let log = Log::default();
        let (mut stderr, collected) = (child.stderr.take().expect("piped"), log.clone());
        // Told of a line of stdout before stderr is read to its end, and of the end only after it.
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 8_192];
            while let Ok(count @ 1..) = stderr.read(&mut bytes) {
                collected.append(&bytes[..count]);
            }
        });
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
            let _ = reader.join();
        });
        Self { child, lines, log, certificate }
    }

    /// Waits until it serves.
    #[track_caller]
    pub fn ready(self) -> Server {
        let line = match self.lines.recv_timeout(PATIENCE) {
            Ok(line) => line,
            Err(_) => panic!("the server did not start: {}", self.log.text()),
        };
        let url = line.strip_prefix("ready ").unwrap_or_else(|| panic!("not the line `ready …`: {line}")).to_owned();
        let place = url.split_once("://").expect("a URL").1.replace("0.0.0.0", "127.0.0.1");
        let address: SocketAddr = place.parse().expect("an address");
        let tls = url.starts_with("https").then(|| crate::http::trusting(&self.certificate));
        Server { running: self, url, address, tls }
    }

    /// Waits for its end, which must come by itself.
    #[track_caller]
    pub fn end(mut self) -> Ran {
        let lines = self.drain();
        let code = self.child.wait().expect("it has ended").code();
        Ran { code, stdout: lines, stderr: self.log.text() }
    }

    /// The rest of stdout: all of it has come when the program has ended.
    #[track_caller]
    fn drain(&mut self) -> String {
        let until = Instant::now() + PATIENCE;
        let mut text = String::new();
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => text.extend([line.as_str(), "\n"]),
                Err(RecvTimeoutError::Disconnected) => return text,
                Err(RecvTimeoutError::Timeout) => panic!("the program does not end: {}", self.log.text()),
            }
        }
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let id = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process");
        rustix::process::kill_process(id, signal).expect("it is ours");
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that serves; killed when it is dropped.
pub struct Server {
    running: Starting,
    pub url: String,
    pub address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
}

impl Server {
    pub fn certificate(&self) -> &Path {
        &self.running.certificate
    }

    /// What it has written on stderr so far.
    pub fn log(&self) -> String {
        self.running.log.text()
    }

    /// Waits until it has written these words on stderr.
    #[track_caller]
    pub fn says(&self, words: &str) {
        assert!(self.running.log.wait_for(words), "{words:?} is missing: {}", self.log());
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        self.running.signal(signal);
    }

    /// Kills it as a power failure would, without a word; what it had written.
    pub fn kill(mut self) -> String {
        self.running.child.kill().expect("it was there");
        self.running.child.wait().expect("it has ended");
        self.running.drain();
        self.log()
    }

    /// Tells it to stop, and insists that it ends well: what it had written.
    #[track_caller]
    pub fn stop(self) -> Stopped {
        self.signal(rustix::process::Signal::TERM);
        self.stopped()
    }

    /// Waits for the end that it has been told to make.
    #[track_caller]
    pub fn stopped(mut self) -> Stopped {
        let stdout = self.running.drain();
        let status: ExitStatus = self.running.child.wait().expect("it has ended");
        assert_eq!(status.code(), Some(0), "{}", self.log());
        Stopped { stdout: format!("ready {}\n{stdout}", self.url), stderr: self.log() }
    }

    pub fn connect(&self) -> Connection {
        self.dial().open().expect("the server is there")
    }

    /// From another of this machine's addresses, as if from another machine.
    pub fn connect_from(&self, source: IpAddr) -> Connection {
        let Dial { address, tls } = self.dial();
        Connection::open_from(source, address, &tls).expect("the server is there")
    }

    pub fn dial(&self) -> Dial {
        Dial { address: self.address, tls: self.tls.clone().expect("it speaks TLS") }
    }

    /// One request on a connection of its own.
    #[track_caller]
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        self.connect().send(&request(method, path, headers, body)).expect("an answer")
    }

    pub fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send("GET", path, headers, None)
    }

    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        self.send("POST", path, headers, Some(&body))
    }

    /// The answer to a sign-in.
    pub fn try_sign_in(&self, username: &str, password: &str) -> Answer {
        self.post("/api/sessions", &[], json!({ "userName": username, "password": password }))
    }

    pub fn sign_in(&self, password: &str) -> Session {
        Session::from(&self.try_sign_in(ADMIN, password).expect(200))
    }

    /// One request with a session's cookie and RID.
    pub fn with(&self, session: &Session, method: &str, path: &str, body: Option<Value>) -> Answer {
        let cookie = format!("sID={}", session.sid);
        self.send(method, path, &[("Cookie", &cookie), ("rID", &session.rid)], body.as_ref())
    }

    /// The status that a key is answered with.
    pub fn status_of(&self, secret: &str) -> u16 {
        self.get("/api/apikeys/current", &[("api-secret-key", secret)]).status
    }
}

/// A request as [`Connection::send`] takes it.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Request {
    let mut headers: Vec<(String, String)> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    headers.extend(body.map(|_| ("Content-Type".to_owned(), "application/json".to_owned())));
    Request {
        method: method.into(),
        path: path.into(),
        headers,
        body: body.map(|body| body.to_string().into_bytes()).unwrap_or_default(),
    }
}

/// What it takes to reach a server, from another thread too.
#[derive(Clone)]
pub struct Dial {
    address: SocketAddr,
    tls: Arc<ClientConfig>,
}

impl Dial {
    /// Whom it trusts.
    pub fn tls(&self) -> Arc<rustls::ClientConfig> {
        self.tls.clone()
    }

    pub fn open(&self) -> std::io::Result<Connection> {
        Connection::open(self.address, &self.tls)
    }
}

/// What a server had written when it ended.
pub struct Stopped {
    pub stdout: String,
    pub stderr: String,
}

/// A shell as in an empty home: only PATH is set.
pub fn sh(folder: &Path, script: &str) -> Ran {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).current_dir(folder).env_clear().env("HOME", folder);
    Ran::of(shell.env("PATH", std::env::var_os("PATH").unwrap_or_default()), "")
}

/// Whether a tool is missing that may be missing: without leave, that fails the test.
pub fn is_missing(tool: &str, found: bool) -> bool {
    if !found {
        let allowed = std::env::var("FIRSTKEY_TEST_ALLOW_MISSING").is_ok_and(|value| value == "1");
        assert!(allowed, "{tool} is not here: tests/run installs it, FIRSTKEY_TEST_ALLOW_MISSING=1 does without");
        eprintln!("left out: {tool} is not here");
    }
    !found
}

/// Whether a program is on PATH.
pub fn is_on_path(program: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|folder| folder.join(program).is_file())
}
