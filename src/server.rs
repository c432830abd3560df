//! The HTTP server: what wraps what, the limits, TLS, starting and stopping.
//!
//! Outermost first: `observe` around everything; `identify` around the introspection of tokens; around `/api` the note of the call, the bare cookie, actix-session, `identify`. Around `/rest`,
//! where that is offered, the same, and outside them what takes the session ID from the query.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use actix_http::{Request, Response};
use actix_service::IntoServiceFactory;
use actix_session::SessionMiddleware;
use actix_session::config::{BrowserSession, CookieContentSecurity, TtlExtensionPolicy};
use actix_web::body::MessageBody;
use actix_web::cookie::Key;
use actix_web::dev::{AppConfig, Server, ServerHandle, Service, ServiceFactory};
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Json};
use actix_web::{HttpResponse, HttpServer};

use crate::api;
use crate::app::App;
use crate::auth::identify::identify;
use crate::auth::replaced_secrets;
use crate::auth::session_store::DieselStore;
use crate::auth::sid_cookie::{self, bare_sid, sid_in_query};
use crate::body::BodyDeadline;
use crate::chores;
use crate::config::Config;
use crate::docs_page;
use crate::error::{Error, Result};
use crate::in_flight::InFlight;
use crate::observe::{GATEWAY, LegacyErrors, Lines, Observer, observe};
use crate::openapi;
use crate::tls::{self, CertificateStore};
use crate::usage::observe::note_call;
use crate::verify::gateway;
use crate::wire;

/// How long a request's head may take.
const HEAD_DEADLINE: Duration = Duration::from_secs(5);
/// How long a TLS handshake may take.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(3);
/// How long an idle connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long `/readyz` says no before the listeners close, so that whoever spreads the load looks elsewhere first.
const DRAIN_DELAY: Duration = Duration::from_secs(1);
/// How long requests that have begun may take when the server stops, in seconds.
const DRAIN_DEADLINE: u64 = 30;
/// When nothing was asked and nothing is being answered for so long, whatever connections there are do not matter.
const QUIET: Duration = Duration::from_millis(500);
/// How often what was noted about keys is written down.
const FLUSH_EVERY: Duration = Duration::from_secs(1);

/// A server that is about to run, and where it listens.
pub struct Bound {
    /// Await it to serve.
    pub server: Server,
    /// Its addresses, with the ports it was really given.
    pub addresses: Vec<SocketAddr>,
    /// `https` or `http`.
    pub scheme: &'static str,
}

impl Bound {
    /// The address that people are told.
    pub fn url(&self) -> String {
        let first = self.addresses.first().map(ToString::to_string).unwrap_or_default();
        format!("{}://{first}", self.scheme)
    }

    /// The address at which this machine itself reaches the server: one that listens everywhere listens
    /// on loopback too.
    pub fn local_url(&self) -> String {
        let local = self.addresses.first().map(|address| match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())),
            IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::from((Ipv6Addr::LOCALHOST, address.port())),
            _ => *address,
        });
        format!("{}://{}", self.scheme, local.map(|address| address.to_string()).unwrap_or_default())
    }
}

/// Opens the listeners and builds the server around them. Without a certificate it speaks plain HTTP.
pub fn bind(app: &App, config: &Config, certificate: Option<Arc<CertificateStore>>) -> io::Result<Bound> {
    serve_on(app, config, listen(config)?, certificate)
}

/// [`bind`] on listeners that are open already.
pub fn serve_on(
    app: &App,
    config: &Config,
    listeners: Vec<TcpListener>,
    certificate: Option<Arc<CertificateStore>>,
) -> io::Result<Bound> {
    let addresses = listeners.iter().map(TcpListener::local_addr).collect::<io::Result<Vec<_>>>()?;
    let hsts = config.public_url.is_some() && matches!(config.transport, crate::config::Transport::Certificate { .. });
    // Known to this process only: the signature never leaves it (see `sid_cookie`).
    let key = Key::generate();
    let (shared, plain) = (app.clone(), certificate.is_none());
    let queries = gateway::Queries::default();
    let server = HttpServer::new(move || {
        let (proxies, in_flight) = (shared.trusted_proxies.clone(), shared.in_flight.worker());
        actix_web::App::new()
            .app_data(shared.clone())
            .app_data(Observer { proxies, hsts, in_flight, lines: Lines::default() })
            .app_data(shared.urls.clone())
            .app_data(BodyDeadline(shared.rules.body_deadline))
            .app_data(queries.clone())
            .wrap(from_fn(observe))
            // the first route: each that stands in front of it costs every verification
            .route(GATEWAY, web::to(gateway::verify_request::<App>))
            .service(open("/healthz", || actix_web::Route::new().to(alive)))
            .service(open("/readyz", || actix_web::Route::new().to(ready)))
            .service(open("/openapi.json", || actix_web::Route::new().to(openapi_page)))
            .service(open("/docs", || actix_web::Route::new().to(docs_page::index)))
            .service(open("/docs/errors", || actix_web::Route::new().to(docs_page::errors)))
            .service(open("/docs/{file:[a-z0-9.-]*}", || actix_web::Route::new().to(docs_page::file)))
            .configure(introspection)
            .service(api_scope(&shared, &key))
            .configure(|routes| legacy_scope(&shared, &key, routes))
            .default_service(web::to(api::no_such_route))
    });
    let server = limited(server, config, listeners, certificate.as_ref())?;
    Ok(Bound { server, addresses, scheme: if plain { "http" } else { "https" } })
}

/// Runs a server on these listeners, with the limits that every one of ours has.
pub(crate) fn limited<F, I, S, B>(
    server: HttpServer<F, I, S, B>,
    config: &Config,
    listeners: Vec<TcpListener>,
    certificate: Option<&Arc<CertificateStore>>,
) -> io::Result<Server>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: std::fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let mut server = server
        .workers(config.workers)
        .max_connections(config.most_connections)
        .client_request_timeout(HEAD_DEADLINE)
        .tls_handshake_timeout(HANDSHAKE_DEADLINE)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(DRAIN_DEADLINE)
        .disable_signals();
    for listener in listeners {
        server = match certificate {
            Some(store) => server.listen_rustls_0_23(listener, tls::server_config(store.clone()))?,
            // no guessing whether it is HTTP/2: who never says a word would be waited for without an end
            None => server.listen(listener)?,
        };
    }
    Ok(server.run())
}

/// Opens the listeners. A machine without IPv6 is no reason not to start, as long as IPv6 was not asked for.
pub fn listen(config: &Config) -> io::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for address in &config.listen {
        match TcpListener::bind(address) {
            Ok(listener) => listeners.push(listener),
            Err(error) if config.listen_is_default && address.is_ipv6() => {
                log::warn!(address = address.to_string().as_str(), error = error.to_string().as_str(); "not listening");
            }
            Err(error) => {
                return Err(io::Error::new(
                    error.kind(),
                    config.error("listen", format!("{address}: {error}")).to_string(),
                ));
            }
        }
    }
    Ok(listeners)
}

pub(crate) fn open(path: &str, make: fn() -> actix_web::Route) -> actix_web::Resource {
    api::resource(path, [(Method::GET, &make as &(dyn Fn() -> actix_web::Route + 'static))])
}

fn api_scope(app: &App, key: &Key) -> impl actix_web::dev::HttpServiceFactory + use<> {
    let mut scope = web::scope("/api");
    for resource in api::resources() {
        scope = scope.service(resource);
    }
    let key_of_cookies = key.clone();
    scope
        .default_service(web::to(api::no_such_route))
        .wrap(from_fn(identify))
        .wrap(sessions_of(app, key))
        .wrap(from_fn(move |request, next| bare_sid(key_of_cookies.clone(), request, next)))
        .wrap(from_fn(note_call))
}

/// Who asks is known as by any call, but by a key only: no cookie is looked at.
fn introspection(routes: &mut web::ServiceConfig) {
    for resource in api::introspection_resources() {
        routes.service(resource.wrap(from_fn(identify)));
    }
}

fn legacy_scope(app: &App, key: &Key, routes: &mut web::ServiceConfig) {
    if !app.rules.legacy_login {
        return;
    }
    let mut scope = web::scope("/rest").app_data(LegacyErrors);
    for resource in api::legacy_resources() {
        scope = scope.service(resource);
    }
    let key_of_cookies = key.clone();
    routes.service(
        scope
            .default_service(web::to(api::no_such_route))
            .wrap(from_fn(identify))
            .wrap(sessions_of(app, key))
            .wrap(from_fn(move |request, next| bare_sid(key_of_cookies.clone(), request, next)))
            .wrap(from_fn(sid_in_query)),
    );
}

fn sessions_of(app: &App, key: &Key) -> SessionMiddleware<DieselStore> {
    SessionMiddleware::builder(DieselStore(app.clone()), key.clone())
        .cookie_name(sid_cookie::NAME.to_owned())
        .cookie_content_security(CookieContentSecurity::Signed)
        .session_lifecycle(BrowserSession::default().state_ttl_extension_policy(TtlExtensionPolicy::OnStateChanges))
        .build()
}

/// The process is there.
pub(crate) async fn alive() -> Json<wire::Health> {
    Json(wire::Health { status: "ok" })
}

/// The process can do its work: it is not stopping, and the database answers.
async fn ready(app: App) -> Result<Json<wire::Health>> {
    if app.is_draining() {
        return Err(Error::unavailable(5, "the server is stopping"));
    }
    app.database.answers().await?;
    Ok(Json(wire::Health { status: "ok" }))
}

async fn openapi_page() -> HttpResponse {
    // put together when somebody asks for it: that takes 30 MiB for a moment, which each thread's heap would keep
    static PAGE: LazyLock<web::Bytes> = LazyLock::new(|| openapi::page().to_string().into());
    HttpResponse::Ok().content_type("application/json").body(PAGE.clone())
}

/// What goes on beside the requests, until the process ends: what each node does for itself, and the chores.
pub fn spawn_chores(app: &App) {
    let flushed = app.clone();
    actix_web::rt::spawn(async move {
        loop {
            tokio::time::sleep(FLUSH_EVERY).await;
            flush(&flushed).await;
        }
    });
    chores::spawn(app);
}

/// Keys whose uses are written down each time: what every one of a million keys does within a second would be a
/// million writes.
const KEYS_EACH: usize = 2_000;

/// Writes down what was noted about keys and calls.
pub async fn flush(app: &App) {
    if let Err(error) = app.calls.flush(&app.database).await {
        log::warn!(cause = error.cause().unwrap_or_default().as_str(); "what calls were made could not be written down yet");
    }
    if let Err(error) = app.key_usage.flush(&app.database, KEYS_EACH).await {
        log::warn!(cause = error.cause().unwrap_or_default().as_str(); "what keys were used could not be written down yet");
    }
    if let Err(error) = replaced_secrets::write_down(app).await {
        log::warn!(cause = error.cause().unwrap_or_default().as_str(); "which replaced secrets were presented could not be written down yet");
    }
}

/// Tells whoever keeps a connection open that it ends, waits until whoever spreads the load has seen that `/readyz` says
/// no, closes the listeners, and waits until what has begun is finished. The server itself waits for connections, and one
/// of HTTP/2 with nothing on it never ends.
pub(crate) async fn finish(server: &ServerHandle, in_flight: &InFlight) {
    in_flight.close();
    log::info!("stopping");
    tokio::time::sleep(DRAIN_DELAY).await;
    tokio::select! {
        () = server.stop(true) => {}
        () = in_flight.quiet(QUIET) => {}
    }
}

/// Stops in order: `/readyz` says no, what has begun is finished, what was noted is written down.
pub async fn stop(app: &App, server: &ServerHandle) {
    app.drain();
    finish(server, &app.in_flight).await;
    flush(app).await;
    if let Err(error) = app.key_usage.flush_all(&app.database).await {
        log::error!(cause = error.cause().unwrap_or_default().as_str(); "what keys were used could not be written down");
    }
    chores::stop(app).await;
    app.lane.close();
}
