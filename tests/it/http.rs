//! A small HTTP/1.1 client over TLS that sends exactly what it is told, header for header: libraries
//! tidy requests up, and untidy ones are what many tests are about.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use serde_json::Value;

/// A request, as it will be written.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// An answer, as it came.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; panics with the answer where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The value of a header, which must not come twice.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} came twice: {:?}", self.headers);
        value
    }

    /// The error's stable code; empty for other answers.
    pub fn code(&self) -> String {
        if self.status < 400 {
            return String::new();
        }
        let json: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        json["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Status and code together, as tables of refusals compare them.
    pub fn refusal(&self) -> (u16, String) {
        (self.status, self.code())
    }

    /// Insists on a status, and shows the answer where it is another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}

/// One open connection, for as many requests as the server allows.
pub struct Connection(StreamOwned<ClientConnection, TcpStream>);

impl Connection {
    pub fn open(address: SocketAddr, tls: &Arc<ClientConfig>) -> std::io::Result<Self> {
        Self::over(TcpStream::connect(address)?, tls)
    }

    /// Opens one from another of this machine's addresses, as if from another machine.
    pub fn open_from(source: IpAddr, address: SocketAddr, tls: &Arc<ClientConfig>) -> std::io::Result<Self> {
        use actix_web::rt::net::TcpSocket;
        let tcp = actix_web::rt::System::new().block_on(async {
            let socket = if source.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            socket.bind((source, 0).into())?;
            socket.connect(address).await?.into_std()
        })?;
        tcp.set_nonblocking(false)?;
        Self::over(tcp, tls)
    }

    fn over(tcp: TcpStream, tls: &Arc<ClientConfig>) -> std::io::Result<Self> {
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(Duration::from_secs(30)))?;
        let name = ServerName::try_from("localhost").expect("a name");
        let client = ClientConnection::new(tls.clone(), name).map_err(std::io::Error::other)?;
        Ok(Self(StreamOwned::new(client, tcp)))
    }

    /// How long to wait for an answer; half a minute where nothing is said.
    pub fn set_patience(&self, patience: Duration) {
        self.0.sock.set_read_timeout(Some(patience)).expect("a time-out that is not zero");
    }

    /// Writes bytes as they are, for requests that no sane client sends.
    pub fn write_raw(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all(bytes)?;
        self.0.flush()
    }

    /// Sends a request and reads its answer. `Err` also when the server closed an idle connection.
    pub fn send(&mut self, request: &Request) -> std::io::Result<Answer> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: localhost\r\n", request.method, request.path);
        let has = |name: &str| request.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name));
        if !has("content-length") && (!request.body.is_empty() || request.method == "POST") {
            head.push_str(&format!("Content-Length: {}\r\n", request.body.len()));
        }
        for (name, value) in &request.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        self.write_raw(&[head.as_bytes(), &request.body].concat())?;
        self.read(request.method == "HEAD")
    }

    /// Reads one answer.
    pub fn read(&mut self, without_body: bool) -> std::io::Result<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.0.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status line");
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut answer = Answer { status, headers, body: Vec::new() };
        if without_body || status == 204 {
            return Ok(answer);
        }
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = self.read_chunks()?;
        } else if let Some(length) = answer.header("content-length") {
            answer.body = vec![0; length.parse().expect("a length")];
            self.0.read_exact(&mut answer.body)?;
        }
        Ok(answer)
    }

    fn read_chunks(&mut self) -> std::io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                let mut byte = [0];
                self.0.read_exact(&mut byte)?;
                line.push(byte[0]);
            }
            let length = usize::from_str_radix(String::from_utf8_lossy(&line).trim(), 16).expect("a chunk's length");
            let mut chunk = vec![0; length + 2];
            self.0.read_exact(&mut chunk)?;
            if length == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&chunk[..length]);
        }
    }
}

/// A client that trusts this certificate and no other.
pub fn trusting(certificate: &std::path::Path) -> Arc<ClientConfig> {
    use rustls::pki_types::pem::PemObject as _;
    let certificate = rustls::pki_types::CertificateDer::from_pem_file(certificate).expect("a certificate");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate).expect("its own trust anchor");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("TLS 1.2 and 1.3");
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}
