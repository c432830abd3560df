//! README.md by its word: every command in it is run, in order, in one folder, and what the page shows is what comes.
//!
//! A block `sh` is a script for `bash -eu`; a block `json` or `text` right behind it is its whole output, `…` standing
//! for anything. A comment before a block says what is special about it:
//!
//! * `<!-- test: server -->`: starts a server, on a free port and in place of the one before;
//! * `<!-- test: keep -->`: definitions, which every later block begins with;
//! * `<!-- test: new database -->`: on PostgreSQL, a database of its own for this block;
//! * `<!-- test: stops -->`: the server ends by this block, and well;
//! * `<!-- test: after COMMAND -->`: something happens first that the page only speaks of;
//! * `<!-- test: no, REASON -->`: not run.
//!
//! `cargo run --release` becomes the binary under test, 4119 the port that the server was given, and the URL of the
//! page's PostgreSQL that of a fresh database.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use diesel::connection::{Connection as _, SimpleConnection as _};
use diesel::pg::PgConnection;
use serde_json::Value;

use crate::app::{Backend, new_postgres_database, postgres_url};

const PAGE: &str = include_str!("../../README.md");
/// The page's own database and port.
const DATABASE: &str = "postgres://firstkey@localhost/firstkey";
const PLACE: &str = "localhost:4119";
/// What the page's commands need besides a shell.
const PROGRAMS: &[&str] = &["curl", "jq", "oathtool", "openssl", "node", "python3"];

#[test]
fn every_command_of_the_readme_works_on_sqlite() {
    run(Backend::Sqlite);
}

#[test]
fn every_command_of_the_readme_works_on_postgres() {
    run(Backend::Postgres);
}

fn run(backend: Backend) {
    let missing: Vec<&&str> = PROGRAMS.iter().filter(|program| find(program).is_none()).collect();
    if !missing.is_empty() && std::env::var_os("FIRSTKEY_TEST_ALLOW_MISSING").is_some() {
        return eprintln!("left out: no {missing:?}");
    }
    assert!(missing.is_empty(), "tests/run installs what is missing: {missing:?}");
    let blocks = blocks(PAGE);
    assert!(blocks.len() > 20, "the page was not understood");
    let mut reader = Reader::new(backend);
    for block in &blocks {
        reader.follow(block);
    }
    let log = std::fs::read_to_string(reader.folder.path().join("server.log")).expect("the servers' log");
    assert!(log.contains("the certificate was read again"), "{log}");
    the_printed_commands_are_those_of_the_page(&log, reader.folder.path(), &blocks);
}

/// The first start prints the page's two commands, with its own paths and port in them.
fn the_printed_commands_are_those_of_the_page(log: &str, folder: &Path, blocks: &[Block]) {
    let line = log.lines().find(|line| line.contains("first start:")).expect("the first start's line");
    let line: Value = serde_json::from_str(line).expect("a line of JSON");
    let scripts: Vec<&str> = blocks.iter().map(|block| block.script.trim_end()).collect();
    for member in ["session", "key"] {
        let printed = line[member].as_str().expect("a command");
        let port = printed.split("127.0.0.1:").nth(1).and_then(|rest| rest.split('/').next()).expect("a port");
        let folder = folder.canonicalize().expect("it is there").display().to_string();
        let ours = printed
            .replace(&format!("127.0.0.1:{port}"), PLACE)
            .replace(&format!("'{folder}/firstkey-data/tls/certificate.pem'"), "firstkey-data/tls/certificate.pem")
            .replace(
                &format!("'{folder}/firstkey-data/initial-admin-password'"),
                "firstkey-data/initial-admin-password",
            );
        let words = |text: &str| text.replace("\\\n", " ").split_whitespace().collect::<Vec<_>>().join(" ");
        let ours = words(&ours);
        assert!(scripts.iter().any(|script| words(script).starts_with(&ours)), "the page has no such command: {ours}");
    }
}

#[test]
fn every_link_of_the_documentation_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut faults = Vec::new();
    for page in [
        "README.md",
        "SECURITY.md",
        "fuzz/README.md",
        "docs/README.md",
        "docs/configuration.md",
        "docs/conformance.md",
        "docs/errors.md",
        "docs/settings.md",
        "docs/verification.md",
    ] {
        let text = std::fs::read_to_string(root.join(page)).unwrap_or_else(|_| panic!("{page} is missing"));
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            let folder = root.join(page).parent().expect("a page lies in a folder").to_owned();
            if !link.contains("://") && !file.is_empty() && !folder.join(file).exists() {
                faults.push(format!("{page}: {link}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_page_is_linked() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let contents = std::fs::read_to_string(root.join("docs/README.md")).expect("a page about the pages");
    for entry in std::fs::read_dir(root.join("docs")).expect("a folder") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        if name != "README.md" {
            assert!(contents.contains(&format!("]({name}")), "docs/README.md does not speak of {name}");
        }
        let page = format!("](docs/{name}");
        assert!(!name.ends_with(".md") || PAGE.contains(&page), "README.md has no link to {name}");
    }
}

// ---- the page ----

/// One block of commands.
struct Block {
    line: usize,
    directive: String,
    script: String,
    /// What the page shows as its output.
    shows: Option<String>,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut directive, mut right_behind) = (String::new(), false);
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        if let Some(said) = line.strip_prefix("<!-- test: ") {
            directive = said.strip_suffix(" -->").expect("a comment of one line").to_owned();
        } else if let Some(kind) = line.strip_prefix("```") {
            let inside = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
            let text: String = inside.map(|line| format!("{line}\n")).collect();
            match kind {
                "sh" => blocks.push(Block {
                    line: at + 1,
                    directive: std::mem::take(&mut directive),
                    script: text,
                    shows: None,
                }),
                "json" | "text" if right_behind => blocks.last_mut().expect("a block").shows = Some(text),
                _ => panic!("line {}: what is shown as {kind:?} belongs to no command", at + 1),
            }
            right_behind = kind == "sh";
        } else if !line.is_empty() {
            assert!(directive.is_empty(), "line {}: a comment stands before no block", at + 1);
            assert!(!line.starts_with("    ") && !line.starts_with("~~~"), "line {}: another kind of block", at + 1);
            right_behind = false;
        }
    }
    blocks
}

/// Whether `text` is what `pattern` says, `…` standing for anything.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut pieces = pattern.trim().split('…');
    let Some(mut rest) = text.trim().strip_prefix(pieces.next().unwrap_or_default()) else { return false };
    let mut last = "";
    for piece in pieces {
        let Some(at) = rest.find(piece) else { return false };
        (rest, last) = (&rest[at + piece.len()..], piece);
    }
    rest.is_empty() || (last.is_empty() && pattern.contains('…'))
}

// ---- the one who follows it ----

struct Reader {
    folder: tempfile::TempDir,
    backend: Backend,
    databases: Vec<ScratchDatabase>,
    /// What every block begins with.
    kept: String,
    server: Option<Server>,
}

struct Server {
    process: Child,
    port: String,
}

impl Reader {
    fn new(backend: Backend) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        std::os::unix::fs::symlink(tests, folder.path().join("tests")).expect("a link");
        write_oathtool(&folder.path().join("bin"));
        let databases = if backend == Backend::Postgres { vec![ScratchDatabase::new()] } else { Vec::new() };
        Self { folder, backend, databases, kept: String::new(), server: None }
    }

    fn follow(&mut self, block: &Block) {
        let mut directives: Vec<&str> = block.directive.split(", ").filter(|word| !word.is_empty()).collect();
        if directives.first() == Some(&"no") {
            return assert!(directives.len() > 1, "line {}: a block that is not run needs a reason", block.line);
        }
        let mut said = |word: &str| {
            let before = directives.len();
            directives.retain(|known| *known != word);
            directives.len() < before
        };
        let (keeps, serves, stops, wants_database) =
            (said("keep"), said("server"), said("stops"), said("new database"));
        let first = directives.iter().position(|word| word.starts_with("after ")).map(|at| directives.remove(at));
        assert!(directives.is_empty(), "line {}: {directives:?} is not known", block.line);

        if block.script.contains(DATABASE) && self.backend == Backend::Sqlite {
            return; // the other run does it
        }
        let database = match (self.backend, wants_database) {
            (Backend::Sqlite, _) => None,
            (Backend::Postgres, false) => self.databases.first().map(ScratchDatabase::url),
            (Backend::Postgres, true) => {
                self.databases.push(ScratchDatabase::new());
                self.databases.last().map(ScratchDatabase::url)
            }
        };
        if keeps {
            self.kept.push_str(&block.script);
        } else if serves {
            self.serve(block, database.as_deref());
        } else {
            let first = first.and_then(|first| first.strip_prefix("after ")).unwrap_or("true");
            let script = self.placed(&format!("{}{first}\n{}", self.kept, block.script));
            let output = self.bash(&script, database.as_deref()).output().expect("bash");
            self.compare(block, &output);
        }
        if stops {
            let server = self.server.take().expect("a server to stop");
            server.wait_for_its_end(block.line);
        }
    }

    fn compare(&self, block: &Block, output: &Output) {
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let what = format!("README.md, line {}:\n{}\ncame to: {out}\n{err}", block.line, block.script);
        assert!(output.status.success(), "{what}");
        if let Some(shown) = &block.shows {
            assert!(is_like(&out, shown), "{what}\nand not to: {shown}");
        }
    }

    /// The script for the server that is there.
    fn placed(&self, script: &str) -> String {
        match &self.server {
            Some(server) => script.replace(PLACE, &format!("localhost:{}", server.port)),
            None => script.to_owned(),
        }
    }

    fn bash(&self, script: &str, database: Option<&str>) -> Command {
        let binary = Path::new(env!("CARGO_BIN_EXE_firstkey")).parent().expect("it lies in a folder");
        let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/venv/bin");
        let mut path = vec![self.folder.path().join("bin"), binary.to_owned(), clients];
        path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
        let mut bash = Command::new("bash");
        bash.args(["-eu", "-o", "pipefail", "-c", script]).current_dir(self.folder.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            let reaches_in = ["FIRSTKEY_", "PG", "CURL_", "SSL_", "NODE_"].iter().any(|start| name.starts_with(start));
            if reaches_in || name.to_lowercase().ends_with("_proxy") {
                bash.env_remove(name);
            }
        }
        bash.env("PATH", std::env::join_paths(path).expect("a PATH")).env("HOME", self.folder.path());
        if let Some(server) = &self.server {
            bash.env("pid", server.process.id().to_string());
        }
        if let Some(database) = database {
            bash.env("FIRSTKEY_DATABASE_URL", database);
        }
        bash
    }

    /// Starts the block's server in place of the one before.
    fn serve(&mut self, block: &Block, database: Option<&str>) {
        if let Some(server) = self.server.take() {
            server.tell_to_stop();
            server.wait_for_its_end(block.line);
        }
        let mut command = block.script.trim().replace("cargo run --release", "firstkey");
        if let Some(database) = database {
            command = command.replace(DATABASE, database);
        }
        match command.contains("127.0.0.1:4119") {
            true => command = command.replace("127.0.0.1:4119", "127.0.0.1:0"),
            false => command.push_str(" --listen 127.0.0.1:0"),
        }
        let log = self.folder.path().join("server.log");
        let log = File::options().create(true).append(true).open(log).expect("a log");
        let mut process =
            self.bash(&command, database).stdout(Stdio::piped()).stderr(log).spawn().expect("the server starts");
        let out = process.stdout.take().expect("its output");
        let ready = BufReader::new(out).lines().map_while(Result::ok).find(|line| line.starts_with("ready "));
        let Some(port) = ready.as_ref().and_then(|line| line.rsplit(':').next()) else {
            let log = std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default();
            panic!("README.md, line {}: the server did not start\n{log}", block.line);
        };
        let name = std::fs::read_to_string(format!("/proc/{}/comm", process.id())).unwrap_or_default();
        assert_eq!(name.trim(), "firstkey", "a shell stands between us and the server");
        self.server = Some(Server { process, port: port.to_owned() });
    }
}

impl Server {
    fn tell_to_stop(&self) {
        let told = Command::new("kill").args(["-TERM", &self.process.id().to_string()]).status();
        assert!(told.is_ok_and(|status| status.success()), "the server had gone before it was told to");
    }

    fn wait_for_its_end(mut self, line: usize) {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().expect("it is ours") {
                return assert!(status.success(), "before line {line} of README.md: the server ended with {status}");
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "the server does not stop");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A person waits for the next code, since each works once. The very first, which is checked at once, is the one
/// before this one: it works too, and spares a wait. The others stand behind a password, whose comparison takes time.
fn write_oathtool(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let real = find("oathtool").expect("it was looked for").display().to_string();
    let script = format!(
        "#!/usr/bin/env bash\n\
         last=$(cat \"$HOME/step\" 2>/dev/null || echo 0) now=$(date +%s)\n\
         step=$((now / 30))\n\
         if ((last == 0 && now % 30 < 20)); then step=$((step - 1)); fi\n\
         if ((step <= last)); then step=$((last + 1)); fi\n\
         while ((step > $(date +%s) / 30)); do sleep 0.2; done\n\
         echo \"$step\" >\"$HOME/step\"\n\
         exec '{real}' --now \"@$((step * 30))\" \"$@\"\n"
    );
    std::fs::create_dir(folder).expect("a folder");
    let file = folder.join("oathtool");
    std::fs::write(&file, script).expect("a script");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// A database of the run's server that goes when the test does.
pub struct ScratchDatabase(String);

impl ScratchDatabase {
    pub fn new() -> Self {
        Self(new_postgres_database())
    }

    pub fn url(&self) -> String {
        postgres_url(&self.0)
    }
}

impl Drop for ScratchDatabase {
    fn drop(&mut self) {
        if let Ok(mut server) = PgConnection::establish(&postgres_url("postgres")) {
            let _ = server.batch_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.0));
        }
    }
}

#[test]
fn a_shown_output_is_compared_but_for_its_gaps() {
    assert!(is_like("{\"a\":1,\"b\":2}\n", "{\"a\":…,\"b\":2}\n") && is_like("abc", "a…") && is_like("abc", "…c"));
    assert!(!is_like("{\"a\":1}", "{\"a\":…,\"b\":2}") && !is_like("abcd", "a…c") && !is_like("ab", "a"));
}
