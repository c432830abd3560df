//! What an edge answers: whether a key is good, and how it is itself.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use actix_web::dev::{Server, ServerHandle};
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Json};
use actix_web::{HttpServer, Resource, Route};

use super::{Edge, calls};
use crate::api::{self, no_such_route};
use crate::body::BodyDeadline;
use crate::config::Config;
use crate::error::Result;
use crate::forwarded::TrustedProxies;
use crate::observe::{GATEWAY, Lines, Observer, observe};
use crate::reach::PublicUrl;
use crate::server::{alive, finish, limited, open};
use crate::tls::CertificateStore;
use crate::verify::gateway;
use crate::wire;

/// Builds the server around listeners that are open already. Without a certificate it speaks plain HTTP.
pub fn serve_on(
    edge: &Edge,
    config: &Config,
    listeners: Vec<TcpListener>,
    certificate: Option<Arc<CertificateStore>>,
) -> io::Result<Server> {
    let shared = edge.clone();
    let (proxies, urls) = (TrustedProxies::new(&config.trusted_proxies), PublicUrl::new(config.public_url.as_deref()));
    let queries = gateway::Queries::default();
    let server = HttpServer::new(move || {
        let (proxies, in_flight) = (proxies.clone(), shared.in_flight().worker());
        actix_web::App::new()
            .app_data(shared.clone())
            .app_data(Observer { proxies, hsts: false, in_flight, lines: Lines::default() })
            .app_data(urls.clone())
            .app_data(queries.clone())
            .app_data(BodyDeadline::default())
            .wrap(from_fn(observe))
            // the first route: each that stands in front of it costs every verification
            .route(GATEWAY, web::to(gateway::verify_request::<Edge>))
            .service(asked("/api/apikeys/verify", || Route::new().to(calls::one)))
            .service(asked("/api/apikeys/verify/batch", || Route::new().to(calls::many)))
            .service(asked("/oauth2/introspect", || Route::new().to(calls::introspect)))
            .service(open("/healthz", || Route::new().to(alive)))
            .service(open("/readyz", || Route::new().to(ready)))
            .default_service(web::to(no_such_route))
    });
    limited(server, config, listeners, certificate.as_ref())
}

fn asked(path: &str, make: fn() -> Route) -> Resource {
    api::resource(path, [(Method::POST, &make as &(dyn Fn() -> Route + 'static))])
}

/// Keys can be verified: there is a snapshot, and its time is not over.
async fn ready(edge: Edge) -> Result<Json<wire::Health>> {
    edge.is_ready()?;
    Ok(Json(wire::Health { status: "ok" }))
}

/// Stops in order: `/readyz` says no, what has begun is finished.
pub async fn stop(edge: &Edge, server: &ServerHandle) {
    edge.drain();
    finish(server, edge.in_flight()).await;
}
