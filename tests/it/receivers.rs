//! Those who are told: a mail server, and a receiver of webhooks, each on a port of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// A mail as the server was given it.
#[derive(Clone, Debug)]
pub struct Mail {
    pub from: String,
    pub to: Vec<String>,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Mail {
    fn read(from: String, to: Vec<String>, data: &str) -> Self {
        let (head, body) = data.split_once("\r\n\r\n").expect("a head and a body");
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let headers: Vec<(String, String)> = unfolded
            .split("\r\n")
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), words(value)))
            .collect();
        let mut mail = Self { from, to, headers, body: String::new() };
        mail.body = match mail.header("Content-Transfer-Encoding") {
            "base64" => text(STANDARD.decode(body.replace("\r\n", "")).expect("base64")),
            "quoted-printable" => quoted_printable(body),
            _ => body.replace("\r\n", "\n"),
        };
        mail
    }

    /// A header, which must be there once.
    pub fn header(&self, name: &str) -> &str {
        let mut values = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = values.next().unwrap_or_else(|| panic!("no {name}: {:?}", self.headers));
        assert!(values.next().is_none(), "{name} twice");
        &value.1
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("UTF-8").replace("\r\n", "\n")
}

/// Encoded words of a header (RFC 2047), in base64 as the mailer writes them.
fn words(value: &str) -> String {
    let mut plain = String::new();
    let mut after_word = false;
    for part in value.split(' ') {
        let word = part.strip_prefix("=?utf-8?b?").and_then(|part| part.strip_suffix("?="));
        let joined = plain.is_empty() || after_word && word.is_some();
        if !joined {
            plain.push(' ');
        }
        after_word = word.is_some();
        match word {
            Some(word) => plain.push_str(&text(STANDARD.decode(word).expect("base64"))),
            None => plain.push_str(part),
        }
    }
    plain
}

fn quoted_printable(body: &str) -> String {
    let joined = body.replace("=\r\n", "");
    let (mut bytes, mut rest) = (Vec::new(), joined.as_bytes());
    while let Some((&first, after)) = rest.split_first() {
        if first == b'=' {
            let hex = std::str::from_utf8(&after[..2]).expect("hex");
            bytes.push(u8::from_str_radix(hex, 16).expect("hex"));
            rest = &after[2..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    text(bytes)
}

/// A mail server that takes everything, or nothing.
#[derive(Clone)]
pub struct Smtp {
    pub address: SocketAddr,
    state: Arc<SmtpState>,
}

#[derive(Default)]
struct SmtpState {
    mails: Mutex<Vec<Mail>>,
    down: AtomicBool,
    /// Takes a mail and goes away before it says so.
    forgets_to_answer: AtomicBool,
    connections: AtomicU16,
}

impl Smtp {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let smtp = Self { address: listener.local_addr().expect("a port"), state: Arc::default() };
        let state = smtp.state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = state.clone();
                state.connections.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || drop(serve(&stream, &state)));
            }
        });
        smtp
    }

    pub fn url(&self) -> String {
        format!("smtp://user:hunter2@{}", self.address)
    }

    /// From now on it answers nobody, or everybody again.
    pub fn set_down(&self, down: bool) {
        self.state.down.store(down, Ordering::SeqCst);
    }

    /// The next mail is taken, and nobody is told.
    pub fn forget_to_answer(&self) {
        self.state.forgets_to_answer.store(true, Ordering::SeqCst);
    }

    pub fn connections(&self) -> u16 {
        self.state.connections.load(Ordering::SeqCst)
    }

    pub fn mails(&self) -> Vec<Mail> {
        self.state.mails.lock().expect("not poisoned").clone()
    }

    /// What has come since the last time, in the order of addresses and subjects.
    pub fn take(&self) -> Vec<Mail> {
        let mut mails = std::mem::take(&mut *self.state.mails.lock().expect("not poisoned"));
        mails.sort_by_key(|mail| (mail.to.clone(), mail.header("Subject").to_owned()));
        mails
    }

    /// The addresses of what has come since the last time, sorted.
    pub fn take_addresses(&self) -> Vec<String> {
        self.take().into_iter().map(|mail| mail.to.join(",")).collect()
    }

    /// Waits until so many have come.
    pub fn wait_for(&self, count: usize) {
        let until = Instant::now() + Duration::from_secs(30);
        while self.mails().len() < count {
            assert!(Instant::now() < until, "{:?}", self.mails());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn serve(stream: &TcpStream, state: &SmtpState) -> std::io::Result<()> {
    if state.down.load(Ordering::SeqCst) {
        return Ok(());
    }
    let mut lines = BufReader::new(stream);
    let mut out = stream;
    let (mut from, mut to) = (String::new(), Vec::new());
    let mut signed_in = false;
    out.write_all(b"220 test ESMTP\r\n")?;
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim_end();
        let answer = match line.split(' ').next().unwrap_or_default().to_uppercase().as_str() {
            "EHLO" => "250-test\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 AUTH PLAIN",
            "AUTH" => {
                signed_in = line == format!("AUTH PLAIN {}", STANDARD.encode("\0user\0hunter2"));
                if signed_in { "235 ok" } else { "535 no" }
            }
            "MAIL" => {
                from = address(line);
                if signed_in { "250 ok" } else { "530 who are you" }
            }
            "RCPT" => {
                to.push(address(line));
                "250 ok"
            }
            "DATA" => {
                out.write_all(b"354 go on\r\n")?;
                let mut data = String::new();
                while !data.ends_with("\r\n.\r\n") {
                    if lines.read_line(&mut data)? == 0 {
                        return Ok(());
                    }
                }
                let data = data.trim_end_matches(".\r\n").replace("\r\n..", "\r\n.");
                let mail = Mail::read(std::mem::take(&mut from), std::mem::take(&mut to), &data);
                state.mails.lock().expect("not poisoned").push(mail);
                if state.forgets_to_answer.swap(false, Ordering::SeqCst) {
                    return Ok(());
                }
                "250 taken"
            }
            "QUIT" => "221 bye",
            "RSET" | "NOOP" => "250 ok",
            _ => "502 what",
        };
        out.write_all(format!("{answer}\r\n").as_bytes())?;
        if line.eq_ignore_ascii_case("QUIT") {
            return Ok(());
        }
    }
}

fn address(line: &str) -> String {
    line.split_once('<').and_then(|(_, rest)| rest.split_once('>')).expect("an address").0.to_owned()
}

/// A call as a receiver of webhooks got it.
#[derive(Clone, Debug)]
pub struct Call {
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Call {
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        &found.unwrap_or_else(|| panic!("no {name}: {:?}", self.headers)).1
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// Insists that it is signed with a secret, as any receiver would.
    #[track_caller]
    pub fn verify(&self, secret: &str) {
        use hmac::{Hmac, KeyInit as _, Mac as _};
        let key = STANDARD.decode(secret.strip_prefix("whsec_").expect("its form")).expect("base64");
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).expect("a key");
        let signed = format!("{}.{}.{}", self.header("webhook-id"), self.header("webhook-timestamp"), self.body);
        mac.update(signed.as_bytes());
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        assert_eq!(self.header("webhook-signature"), expected);
    }
}

/// Somebody who is called, and answers as told.
#[derive(Clone)]
pub struct Hooks {
    pub address: SocketAddr,
    state: Arc<HooksState>,
}

struct HooksState {
    calls: Mutex<Vec<Call>>,
    answer: Mutex<String>,
    tls: Option<Arc<rustls::ServerConfig>>,
}

impl Hooks {
    pub fn start() -> Self {
        Self::with(None)
    }

    /// With TLS, and this certificate.
    pub fn with_tls(tls: Arc<rustls::ServerConfig>) -> Self {
        Self::with(Some(tls))
    }

    fn with(tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let state = HooksState { calls: Mutex::default(), answer: Mutex::new("204 No Content".into()), tls };
        let hooks = Self { address: listener.local_addr().expect("a port"), state: Arc::new(state) };
        let state = hooks.state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = state.clone();
                std::thread::spawn(move || match &state.tls {
                    None => drop(answer(stream, &state)),
                    Some(tls) => {
                        let connection = rustls::ServerConnection::new(tls.clone()).expect("a configuration");
                        drop(answer(rustls::StreamOwned::new(connection, stream), &state));
                    }
                });
            }
        });
        hooks
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// A status, or a status with more lines of a head.
    pub fn answer_with(&self, status: &str) {
        *self.state.answer.lock().expect("not poisoned") = status.to_owned();
    }

    /// What has come since the last time.
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut *self.state.calls.lock().expect("not poisoned"))
    }

    /// The types of what has come since the last time, sorted.
    pub fn take_types(&self) -> Vec<String> {
        let mut types: Vec<String> =
            self.take().iter().map(|call| call.json()["type"].as_str().expect("a type").to_owned()).collect();
        types.sort();
        types
    }
}

fn answer(mut stream: impl std::io::Read + Write, state: &HooksState) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        bytes.push(byte[0]);
    }
    let head = String::from_utf8(bytes).expect("a head");
    let mut lines = head.lines();
    let path = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a path").to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut call = Call { path, headers, body: String::new() };
    let length: u64 = call.header("content-length").parse().expect("a length");
    std::io::Read::by_ref(&mut stream).take(length).read_to_string(&mut call.body)?;
    state.calls.lock().expect("not poisoned").push(call);
    let status = state.answer.lock().expect("not poisoned").clone();
    if status == "endless" {
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
        loop {
            stream.write_all(&[b'x'; 65_536])?;
        }
    }
    stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes())?;
    stream.flush()
}
