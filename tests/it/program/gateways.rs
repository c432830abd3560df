//! The configurations of `docs/gateways`, in the real proxies: what reaches the application behind them, and what does
//! not.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

use super::binary::{Home, Server, is_missing, is_on_path};
use crate::app::{Backend, secret};

/// A request as the application saw it: its first line, and its headers in lower case.
#[derive(Clone, Debug)]
struct Seen {
    line: String,
    headers: Vec<(String, String)>,
}

impl Seen {
    fn header(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str()).collect()
    }
}

/// An application that says yes to everything, and remembers what it was asked.
struct Application {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Application {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let noted = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let noted = noted.clone();
                std::thread::spawn(move || answer(stream, &noted));
            }
        });
        Self { address, seen }
    }

    /// What it was asked since this was last called.
    fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().expect("no panic"))
    }
}

fn answer(stream: TcpStream, noted: &Mutex<Vec<Seen>>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut writer = stream;
    loop {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            match reader.read_line(&mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) if line == "\r\n" => break,
                Ok(_) => lines.push(line.trim_end().to_owned()),
            }
        }
        let headers: Vec<(String, String)> = lines
            .iter()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let seen = Seen { line: lines.first().cloned().unwrap_or_default(), headers };
        let length = seen.header("content-length").first().and_then(|length| length.parse().ok()).unwrap_or(0);
        let is_chunked = !seen.header("transfer-encoding").is_empty();
        if (if is_chunked { skip_chunks(&mut reader) } else { skip(&mut reader, length) }).is_none() {
            return;
        }
        noted.lock().expect("no panic").push(seen);
        if writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").is_err() {
            return;
        }
    }
}

fn skip(reader: &mut impl BufRead, length: usize) -> Option<()> {
    reader.read_exact(&mut vec![0; length]).ok()
}

/// A body in chunks (RFC 9112 §7.1), and its trailers.
fn skip_chunks(reader: &mut impl BufRead) -> Option<()> {
    let line = |reader: &mut dyn BufRead| {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0).map(|_| line.trim().to_owned())
    };
    loop {
        let length = usize::from_str_radix(line(reader)?.split(';').next()?, 16).ok()?;
        if length == 0 {
            while !line(reader)?.is_empty() {}
            return Some(());
        }
        skip(reader, length + 2)?;
    }
}

/// A proxy with a configuration out of `docs/gateways`.
struct Proxy {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Proxy {
    /// `start` makes the command out of the folder in which the configurations lie.
    fn start(server: &Server, application: &Application, start: impl FnOnce(&Path) -> Command) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (address, between) = (free(), free());
        // the data folder of tests has a name that not every proxy's configuration can hold
        std::fs::copy(server.certificate(), folder.path().join("certificate.pem")).expect("a copy");
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/gateways");
        for entry in std::fs::read_dir(docs).expect("the folder") {
            let entry = entry.expect("an entry");
            let mut text = std::fs::read_to_string(entry.path()).expect("a text");
            let certificate = folder.path().join("certificate.pem").display().to_string();
            let lua = folder.path().join("firstkey.lua").display().to_string();
            for (written, here) in [
                ("https://localhost:4119", format!("https://localhost:{}", server.address.port())),
                ("/etc/firstkey/certificate.pem", certificate),
                ("/etc/haproxy/firstkey.lua", lua),
                ("127.0.0.1:9000", application.address.to_string()),
                ("listen 8080", format!("listen {address}")),
                ("bind :8080", format!("bind {address}")),
                (":8080 {", format!("http://:{} {{\n\tbind 127.0.0.1", address.port())),
                ("127.0.0.1:4118", between.to_string()),
                ("localhost:4119", format!("localhost:{}", server.address.port())),
            ] {
                text = text.replace(written, &here);
            }
            std::fs::write(folder.path().join(entry.file_name()), text).expect("written");
        }
        let mut command = start(folder.path());
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        command
            .current_dir(folder.path())
            .env("HOME", folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let mut child = command.spawn().expect("it is installed");
        let patience = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            let log = || std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            assert!(child.try_wait().expect("its state").is_none(), "it has ended: {}", log());
            assert!(Instant::now() < patience, "it does not listen: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, address, _folder: folder }
    }

    /// Sends these bytes, and waits until the proxy has nothing more to say.
    fn raw(&self, bytes: &str) {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_millis(500))).expect("a deadline");
        // it may hang up before it has read everything
        let _ = stream.write_all(bytes.as_bytes());
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    }

    /// The status of a request with these headers.
    fn status(&self, path: &str, headers: &str) -> u16 {
        self.answered("GET", path, headers, "")
    }

    fn answered(&self, method: &str, path: &str, headers: &str, body: &str) -> u16 {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: app.example\r\n{headers}Connection: close\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).expect("it is taken");
        let mut answer = String::new();
        let _ = BufReader::new(stream).read_to_string(&mut answer);
        let status = answer.split(' ').nth(1).unwrap_or_default();
        status.parse().unwrap_or_else(|_| panic!("no status: {answer}"))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address at which nobody listens yet.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port")
}

/// Shapes of a request within a request (T-30): where two readers disagree about where the first ends, the second one
/// reaches the application unasked.
const SMUGGLED: &[&str] = &[
    "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: identity, chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding:\x0bchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    " Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "X: x\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "Content-Length: 0\r\nContent-Length: 44\r\n\r\n",
    "Content-Length: 0, 44\r\n\r\n",
    "Content-Length: +0\r\n\r\n",
    "Content-Length: -1\r\n\r\n",
    "Content-Length: 0x0\r\n\r\n",
    "Content-Length : 0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n0;a=\n\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n00000000000000000\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n",
    "Content-Length: 45\r\nContent-Length: 0\r\n\r\n",
    "Content-Length: 00\r\n\r\n",
    "Content-Length: 0_0\r\n\r\n",
    "Content-Length:\r\n\r\n",
    "Content-Length: 1e1\r\n\r\n",
    "Content-Length: 18446744073709551616\r\n\r\n",
    "Content-Length: \u{ff10}\r\n\r\n",
    "Content_Length: 45\r\n\r\n",
    "Content-Length\0: 45\r\n\r\n",
    "Connection: Content-Length\r\nContent-Length: 45\r\n\r\n",
    "Expect: 100-continue\r\nContent-Length: 45\r\n\r\n",
    "Transfer-Encoding: chunked, identity\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked, chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: \"chunked\"\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked;q=1\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding:\tchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "X: y\r\n\tTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "Transfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n-0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
    "Transfer-Encoding: chunked\r\n\r\nfffffffffffffff0\r\n",
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 777\r\n\r\n",
    "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
];

fn behind(what: &str, program: &str, start: impl Fn(&Path) -> Command) {
    if is_missing(what, is_on_path(program) || Path::new("/usr/sbin").join(program).is_file()) {
        return;
    }
    let mut home = Home::new(Backend::Sqlite);
    home.set("FIRSTKEY_TRUSTED_PROXIES", "127.0.0.1");
    let full = home.init();
    let server = home.start();
    let application = Application::start();
    let proxy = Proxy::start(&server, &application, start);
    let mint = |body| secret(&server.post("/api/apikeys", &[("api-secret-key", &full)], body).expect(200).json());
    let auditor = mint(json!({ "keyName": "Prüfer", "roleID": 2 }));
    let blind = json!({ "platformRights": { "computerRights": { "canViewOtherComputers": false } } });
    let weak = server
        .post(
            "/api/roles",
            &[("api-secret-key", &full)],
            json!({ "name": "Weak", "allowWebService": true, "rights": blind }),
        )
        .expect(200)
        .json();
    let weak = mint(json!({ "keyName": "weak", "roleID": weak["ID"] }));
    let elsewhere = mint(
        json!({ "keyName": "elsewhere", "roleID": 2, "constraints": { "networks": { "allow": ["192.0.2.0/24"] } } }),
    );

    // a good key: the application is told who it is, and not the key
    assert_eq!(proxy.status("/reports?a=b", &format!("api-secret-key: {auditor}\r\n")), 200, "{what}");
    let seen = application.take();
    let [seen] = &seen[..] else { panic!("{what}: {seen:?}") };
    assert!(seen.line.starts_with("GET /reports?a=b "), "{what}: {}", seen.line);
    assert_eq!(seen.header("x-firstkey-key-name"), ["UTF-8''Pr%C3%BCfer"], "{what}");
    assert_eq!(seen.header("x-firstkey-role"), ["Auditor"], "{what}");
    assert_eq!(seen.header("x-firstkey-tenant"), ["Primary"], "{what}");
    for name in ["api-secret-key", "x-api-key", "authorization"] {
        assert_eq!(seen.header(name), Vec::<&str>::new(), "{what}: {name} reaches the application");
    }
    for (name, value) in [("Authorization", format!("Bearer {auditor}")), ("X-API-Key", auditor.clone())] {
        assert_eq!(proxy.status("/", &format!("{name}: {value}\r\n")), 200, "{what}: {name}");
        assert!(!format!("{:?}", application.take()).contains(&auditor), "{what}: {name} reaches the application");
    }

    // no key, a wrong one, one that may not, one from elsewhere whatever the client says of itself
    for (headers, expected) in [
        (String::new(), 401),
        ("api-secret-key: nonsense\r\n".to_owned(), 401),
        (format!("api-secret-key: {weak}\r\n"), 403),
        (format!("api-secret-key: {elsewhere}\r\n"), 403),
        (format!("api-secret-key: {elsewhere}\r\nX-Forwarded-For: 192.0.2.5\r\n"), 403),
        (format!("api-secret-key: {elsewhere}\r\nX-Forwarded-For: 192.0.2.5\r\nX-Forwarded-For: 192.0.2.6\r\n"), 403),
        (format!("api-secret-key: {elsewhere}\r\nForwarded: for=192.0.2.5\r\nX-Real-IP: 192.0.2.5\r\n"), 403),
        (format!("api-secret-key: {auditor}\r\nX-API-Key: {auditor}\r\n"), 401),
    ] {
        assert_eq!(proxy.status("/", &headers), expected, "{what}: {headers}");
        assert_eq!(application.take().len(), 0, "{what}: the application was asked: {headers}");
    }

    // T-25: a header that claims an identity is refused, or does not get through
    for name in [
        "X-Firstkey-Role",
        "X_Firstkey_Role",
        "X.Firstkey.Role",
        "x-firstkey_role",
        "X-Firstkey-Expires",
        "X_Firstkey_Api_Types",
        "X'Firstkey'Role",
        "x+firstkey~role",
    ] {
        let status = proxy.status("/", &format!("api-secret-key: {auditor}\r\n{name}: forged\r\n"));
        let seen = application.take();
        assert!(status == 403 && seen.is_empty() || status == 200, "{what}: {name} {status}");
        assert!(!format!("{seen:?}").contains("forged"), "{what}: {name} gets through: {seen:?}");
    }

    // more headers than the server reads over HTTP/1.1: where it is asked so, nobody says that the key is good
    let many: String = (0..120).map(|number| format!("X-{number}: 1\r\n")).collect();
    let status = proxy.status("/", &format!("api-secret-key: {auditor}\r\n{many}"));
    assert!([200, 400, 403, 431, 503].contains(&status), "{what}: {status}");
    assert_eq!(application.take().len(), usize::from(status == 200), "{what}");

    // T-26: whatever the path looks like, the question is the same
    for path in
        ["/../x", "/%2e%2e/x", "//x", "/a;b", "/a%2fb", "/auth/verify", "/_firstkey", "/a%00b", "/a?right=", "/a#b"]
    {
        let refused = proxy.status(path, "");
        assert!([400, 401, 404].contains(&refused), "{what}: {path} {refused}");
        assert_eq!(application.take().len(), 0, "{what}: {path} reaches the application without a key");
    }

    // T-30: no request hides within another
    for shape in SMUGGLED {
        let hidden = "GET /smuggled HTTP/1.1\r\nHost: app.example\r\n\r\n";
        proxy
            .raw(&format!("POST /first HTTP/1.1\r\nHost: app.example\r\napi-secret-key: {auditor}\r\n{shape}{hidden}"));
    }
    // whatever was let through has arrived when this has
    assert_eq!(proxy.status("/last", &format!("api-secret-key: {auditor}\r\n")), 200, "{what}");
    for seen in application.take() {
        assert!(!seen.line.contains("smuggled"), "{what}: {seen:?}");
    }

    // nobody to ask: nobody gets in
    server.kill();
    let status = proxy.status("/", &format!("api-secret-key: {auditor}\r\n"));
    assert!((500..=503).contains(&status), "{what}: {status}");
    assert_eq!(application.take().len(), 0, "{what}");
}

/// T-24, T-25, T-26, T-30: nginx with `docs/gateways/nginx.conf`.
#[test]
fn nginx_lets_through_whom_the_server_vouches_for() {
    behind("nginx", "nginx", |folder| {
        let main = format!(
            "daemon off; pid {0}/pid; error_log stderr; events {{}} http {{ access_log off; client_body_temp_path {0}/b; \
             proxy_temp_path {0}/p; fastcgi_temp_path {0}/f; uwsgi_temp_path {0}/u; scgi_temp_path {0}/s; \
             include {0}/nginx.conf; }}",
            folder.display()
        );
        std::fs::write(folder.join("main.conf"), main).expect("written");
        let mut command = Command::new("/usr/sbin/nginx");
        command.arg("-p").arg(folder).arg("-c").arg(folder.join("main.conf")).args(["-g", "user root;"]);
        command
    });
}

/// The same: Caddy with `docs/gateways/Caddyfile`.
#[test]
fn caddy_lets_through_whom_the_server_vouches_for() {
    behind("caddy", "caddy", |folder| {
        let file = folder.join("Caddyfile");
        let text = std::fs::read_to_string(&file).expect("the file");
        // no interface of its own on a fixed port, which other tests' would take
        std::fs::write(&file, format!("{{\n\tadmin off\n}}\n{text}")).expect("written");
        let mut command = Command::new("caddy");
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
        command
    });
}

/// The same: HAProxy with `docs/gateways/haproxy.cfg` and `firstkey.lua`.
#[test]
fn haproxy_lets_through_whom_the_server_vouches_for() {
    behind("haproxy", "haproxy", |folder| {
        let mut command = Command::new("/usr/sbin/haproxy");
        command.arg("-db").arg("-f").arg(folder.join("haproxy.cfg"));
        command
    });
}

/// D8: two nodes behind a balancer that asks `/readyz` are stopped and started one after the other while keys are
/// verified and made through it: nobody is refused.
#[test]
fn a_rolling_restart_refuses_nobody() {
    if is_missing("haproxy", Path::new("/usr/sbin/haproxy").is_file()) {
        return;
    }
    let home = Home::new(Backend::Postgres);
    let full = home.init();
    let (first, second, address) = (free(), free(), free());
    let start = |listen: SocketAddr| home.spawn(&["--plain-http", "--listen", &listen.to_string()]).ready();
    let folder = tempfile::tempdir().expect("a temporary folder");
    // a node that says that it is stopping has a second for the balancer to hear it
    let configuration = format!(
        "defaults\n mode http\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n timeout check 5s\n option redispatch\n\
         frontend all\n bind {address}\n monitor-uri /both\n monitor fail if {{ nbsrv(firstkey) lt 2 }}\n \
         default_backend firstkey\n\
         backend firstkey\n option httpchk GET /readyz\n default-server check inter 100ms fall 1 rise 1\n \
         server first {first}\n server second {second}\n"
    );
    let file = folder.path().join("haproxy.cfg");
    std::fs::write(&file, configuration).expect("written");
    let mut nodes = vec![(first, start(first)), (second, start(second))];
    let mut haproxy = Command::new("/usr/sbin/haproxy");
    haproxy.arg("-db").arg("-f").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
    let proxy = Proxy { child: haproxy.spawn().expect("it is installed"), address, _folder: folder };
    let patience = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < patience, "HAProxy does not listen");
        std::thread::yield_now();
    }
    let both_are_there = || {
        let patience = Instant::now() + Duration::from_secs(20);
        while proxy.status("/both", "") != 200 {
            assert!(Instant::now() < patience, "a node is missing");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    both_are_there();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let over = || stop.load(std::sync::atomic::Ordering::Relaxed);
    let key = format!("api-secret-key: {full}\r\n");
    let answered = std::thread::scope(|scope| {
        let verifying = scope.spawn(|| {
            let mut answered = 0;
            while !over() {
                assert_eq!(proxy.status("/auth/verify", &key), 200);
                answered += 1;
            }
            answered
        });
        let minting = scope.spawn(|| {
            let mut answered = 0;
            while !over() {
                let body = json!({ "keyName": format!("rolling {answered}"), "roleID": 2 }).to_string();
                let head = format!("{key}Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
                assert_eq!(proxy.answered("POST", "/api/apikeys", &head, &body), 200);
                answered += 1;
            }
            answered
        });
        for _ in 0..2 {
            let (listen, node) = nodes.remove(0);
            node.stop();
            nodes.push((listen, start(listen)));
            both_are_there();
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        (verifying.join().expect("nobody was refused"), minting.join().expect("nobody was refused"))
    });
    assert!(answered.0 > 10 && answered.1 > 10, "{answered:?}");
    assert_eq!(home.count("SELECT count(*) AS n FROM api_keys WHERE key_name LIKE 'rolling %'"), answered.1);
    nodes.into_iter().for_each(|(_, node)| drop(node.stop()));
}
