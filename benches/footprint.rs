//! What the server takes of a machine: memory with a thousand and with a million keys, the time from its start to its
//! first answer, the size of the program.
//!
//! `cargo bench --bench footprint` (`-- --keys 1000000 --seconds 5 --rounds 3`). Needs wrk.

mod support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use support::keys::{QUERY, fill, key, warm};
use support::{Fill, Options, SUMMARY, Server, announced, argument, median, wrk};

const MIB: f64 = 1_024.0;

fn main() {
    let (keys, seconds, rounds) = (argument("--keys", 1_000_000), argument("--seconds", 5), argument("--rounds", 3));
    let folder = tempfile::tempdir().expect("a temporary folder");
    println!("the program: {:.1} MiB", size_of_program(folder.path()));
    println!();
    first_start(rounds);
    later_start(keys, rounds);
    println!();
    memory(&Memory { keys: 1_000, remembered: None, seconds }, folder.path());
    memory(&Memory { keys, remembered: None, seconds }, folder.path());
    memory(&Memory { keys, remembered: Some(&(keys + keys / 10).to_string()), seconds }, folder.path());
}

/// As it is shipped, without the symbols.
fn size_of_program(folder: &Path) -> f64 {
    let stripped = folder.join("firstkey");
    let done = Command::new("strip").arg("-o").arg(&stripped).arg(env!("CARGO_BIN_EXE_firstkey")).status();
    let file =
        if done.is_ok_and(|status| status.success()) { &stripped } else { Path::new(env!("CARGO_BIN_EXE_firstkey")) };
    std::fs::metadata(file).expect("a program").len() as f64 / MIB / MIB
}

/// Starts the program on a folder of data, and answers with the time until its first answer.
fn start(data: &Path) -> Duration {
    let begun = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_firstkey"));
    command.env_clear().env("FIRSTKEY_DATA", data).args(["--plain-http", "--listen", "127.0.0.1:0"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the program runs");
    let address = announced(&mut child);
    let mut answer = Vec::new();
    let mut stream = std::net::TcpStream::connect(address).expect("it listens");
    use std::io::{Read as _, Write as _};
    write!(stream, "GET {QUERY} HTTP/1.1\r\nHost: x\r\nConnection: close\r\napi-secret-key: {}\r\n\r\n", key(1))
        .expect("it is taken");
    stream.read_to_end(&mut answer).expect("an answer");
    let took = begun.elapsed();
    assert!(answer.starts_with(b"HTTP/1.1 "), "{}", String::from_utf8_lossy(&answer));
    let _ = child.kill();
    let _ = child.wait();
    took
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// On an empty folder: migrations, the first administrator, one password hashed.
fn first_start(rounds: i64) {
    let (mut starts, mut hashes) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let folder = tempfile::tempdir().expect("a temporary folder");
        starts.push(millis(start(&folder.path().join("data"))));
        let begun = Instant::now();
        // the default of `sign_in.bcrypt_cost`
        bcrypt::hash("correct horse battery staple", 12).expect("a hash");
        hashes.push(millis(begun.elapsed()));
    }
    let (start, hash) = (median(starts), median(hashes));
    println!(
        "first start to first answer: {start:.0} ms, of which one bcrypt {hash:.0} ms: {:.0} ms besides",
        start - hash
    );
}

/// On a database that is there.
fn later_start(keys: i64, rounds: i64) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    start(&data);
    let file = data.join("firstkey.db");
    let mut db =
        <diesel::SqliteConnection as diesel::Connection>::establish(file.to_str().expect("a path")).expect("a file");
    fill(&mut db, keys);
    drop(db);
    let starts = (0..rounds).map(|_| millis(start(&data))).collect();
    println!("start with {keys} keys to the first verified one: {:.0} ms", median(starts));
}

/// What is looked at.
struct Memory<'a> {
    keys: i64,
    /// None for as many as usual.
    remembered: Option<&'a str>,
    seconds: i64,
}

fn memory(memory: &Memory<'_>, folder: &Path) {
    let fill = |db: &mut diesel::SqliteConnection| fill(db, memory.keys);
    let settings: Vec<_> = memory.remembered.map(|most| ("FIRSTKEY_VERIFY_KEYS", most)).into_iter().collect();
    let server = Server::start(&Options {
        plain_http: true,
        settings: &settings,
        fill: Some(Fill { sqlite: &fill, postgres: &|_| unreachable!("SQLite") }),
        ..Options::default()
    });
    let idle = server.process().proportional();
    warm(server.address, memory.keys);
    let file = folder.join("keys");
    let text: String = (1..=memory.keys).map(|number| key(number) + "\n").collect();
    std::fs::write(&file, text).expect("written");
    let script = folder.join("random.lua");
    let text = format!(
        "local keys = {{}}\nfunction init(args)\n  math.randomseed(os.time())\n  \
         for line in io.lines(\"{}\") do keys[#keys + 1] = line end\nend\n\
         function request()\n  wrk.headers[\"api-secret-key\"] = keys[math.random(#keys)]\n  return wrk.format()\nend\n{SUMMARY}",
        file.display()
    );
    std::fs::write(&script, text).expect("written");
    let load = wrk(32, memory.seconds, script.to_str().expect("a path"), &format!("http://{}{QUERY}", server.address));
    assert_eq!((load.refused, load.failed), (0.0, 0.0));
    let process = server.process();
    println!(
        "{:>9} keys, {:>7} remembered at most: {:>6.1} MiB (PSS) idle, {:>6.1} after {:.0} verifications, {:>6.1} of it anonymous",
        memory.keys,
        memory.remembered.unwrap_or("default"),
        idle as f64 / MIB,
        process.proportional() as f64 / MIB,
        load.requests + memory.keys as f64,
        process.memory("RssAnon:") as f64 / MIB,
    );
}
