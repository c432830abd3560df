//! Verification at the edge: snapshots, and what is answered from them.

mod answers;
mod refresh;
mod snapshot;

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use firstkey::edge::refresh::{Credential, Failed, Source};
use firstkey::edge::{Edge, Settings, Taken, server};
use firstkey::outgoing::Authority;
use firstkey::snapshot::seal::{PublicKey, SigningKey};
use firstkey::tls;
use rustls::ClientConfig;
use serde_json::{Value, json};

use crate::app::{Call, TestApp, secret};
use crate::http::{Answer, Connection, Request, trusting};

pub const RIGHTS: [&str; 2] =
    ["platformRights.apikeyRights.canViewApiKeys", "platformRights.systemInformationRights.canViewSystemInformation"];
const HOUR: i64 = 3_600_000;

/// A snapshot as a key of the primary tenant, or of another, reads it.
pub fn read(app: &TestApp, key: &str) -> Vec<u8> {
    app.get("/api/snapshot").key(key).send().expect(200).body
}

/// A key whose role has what reading a snapshot needs and nothing else.
pub fn reader(app: &TestApp) -> String {
    let role = app.role(&format!("Edge {}", app.last_event()), &RIGHTS);
    secret(&app.mint(&format!("edge {}", app.last_event()), role))
}

/// What snapshots of a tenant are signed with.
pub fn public_key(app: &TestApp, tenant: &str) -> PublicKey {
    let guid = uuid::Uuid::parse_str(tenant).expect("a GUID");
    SigningKey::from_seed(&app.app.keyring.snapshot_seed(guid)).expect("a key").public()
}

/// The GUID of the primary tenant.
pub fn primary(app: &TestApp) -> String {
    app.texts("select guid as t from tenants where id = 0").remove(0)
}

/// An edge beside a server, with the server's clock.
pub struct Beside<'a> {
    pub app: &'a TestApp,
    pub edge: Edge,
    pub source: Source,
    address: SocketAddr,
    tls: Arc<ClientConfig>,
}

impl<'a> Beside<'a> {
    pub fn new(app: &'a TestApp) -> Self {
        Self::with(app, &reader(app), &primary(app), HOUR, None)
    }

    pub fn with(app: &'a TestApp, key: &str, tenant: &str, go_on_for: i64, kept: Option<PathBuf>) -> Self {
        let settings = Settings { public_key: public_key(app, tenant), go_on_for, clock: app.clock.clone() };
        let edge = Edge::new(settings);
        let pem = std::fs::read(app.certificate()).expect("a certificate");
        let authority = Authority::new(&app.url(), Some(&pem)).expect("a URL");
        let source = Source { authority, credential: Credential::Fixed(key.to_owned().into()), kept };
        let address = serve(&edge, app);
        Self { app, edge, source, address, tls: trusting(&app.certificate()) }
    }

    /// Asks the authority once.
    pub fn refresh(&self) -> Result<Option<Taken>, Failed> {
        self.source.refresh(&self.edge)
    }

    /// Sends the same call to the edge.
    pub fn send(&self, request: &Request, from: Option<IpAddr>) -> Answer {
        let connection = match from {
            None => Connection::open(self.address, &self.tls),
            Some(from) => Connection::open_from(from, self.address, &self.tls),
        };
        connection.and_then(|mut connection| connection.send(request)).expect("an answer")
    }

    /// A gateway's question.
    pub fn asked(&self, query: &str, secret: &str) -> Answer {
        self.send(&crate::verify::asked(self.app, query, secret).request, None)
    }

    /// Asks both, insists that they say the same, and answers what that is.
    #[track_caller]
    pub fn same(&self, call: Call<'_>, from: Option<IpAddr>) -> (u16, String) {
        crate::verify::told(&self.answered(call, from))
    }

    /// [`Beside::same`], with the whole answer.
    #[track_caller]
    pub fn answered(&self, call: Call<'_>, from: Option<IpAddr>) -> Answer {
        let here = self.send(&call.request, from);
        let there = match from {
            None => call.send(),
            Some(from) => call.send_from(from),
        };
        assert_eq!(comparable(&here), comparable(&there));
        here
    }
}

fn serve(edge: &Edge, app: &TestApp) -> SocketAddr {
    let own = tls::ensure_self_signed(&app.config.data, &[], firstkey::clock::Clock::System.now()).expect("its own");
    let store = tls::CertificateStore::load(&own.certificate, &own.key).expect("it can be read");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a port");
    let (edge, config) = (edge.clone(), app.config.clone());
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = server::serve_on(&edge, &config, vec![listener], Some(store)).expect("a server");
            tell.send(()).expect("the test waits");
            server.await.expect("it runs until the test ends");
        });
    });
    told.recv().expect("the edge came up");
    address
}

/// Takes off what stands in no snapshot: when a secret was made, what a revoked key was called and why it was revoked.
fn in_a_snapshot(body: &mut Value) {
    let unknown: &[&str] =
        if body["code"] == "REVOKED" { &["keyName", "revoked", "revocationReason"] } else { &["iat"] };
    for name in unknown {
        body.as_object_mut().map(|members| members.remove(*name));
    }
    for name in ["results", "firstkey"] {
        match body.get_mut(name) {
            Some(Value::Array(list)) => list.iter_mut().for_each(in_a_snapshot),
            Some(part) => in_a_snapshot(part),
            None => {}
        }
    }
}

/// All of an answer but what is of this one request.
fn comparable(answer: &Answer) -> (u16, Vec<(String, String)>, Value) {
    let differs =
        |name: &str| ["x-request-id", "date", "content-length"].iter().any(|known| name.eq_ignore_ascii_case(known));
    let mut headers: Vec<_> =
        answer.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
    headers.retain(|(name, _)| !differs(name));
    headers.sort();
    let mut body = if answer.body.is_empty() { json!(null) } else { answer.json() };
    body.as_object_mut().map(|members| members.remove("traceId"));
    in_a_snapshot(&mut body);
    (answer.status, headers, body)
}
