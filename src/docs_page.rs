//! `/docs`: the OpenAPI page to read and to try out in a browser. Swagger UI comes with the program; nothing is
//! fetched from anywhere else, and the browser is told so.

use std::io::Read as _;
use std::sync::{Arc, LazyLock};

use actix_web::http::header::{
    AcceptEncoding, CONTENT_SECURITY_POLICY, ContentEncoding, Encoding, Header as _, LOCATION, VARY,
};
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, Responder};
use flate2::read::GzDecoder;
use utoipa_swagger_ui::Config;

use crate::error::{Error, Result, catalogue_html};

/// What the page may load: its own files, and the images that its stylesheet has inside it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// No validator: that would be somebody else's server. No credential is kept in the browser's storage.
static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
    let config = Config::from("/openapi.json").validator_url("none").persist_authorization(false);
    Arc::new(config.doc_expansion("none").default_models_expand_depth(0).filter(true))
});

/// Leads to the page, whose files lie beside it.
pub async fn index() -> impl Responder {
    HttpResponse::PermanentRedirect().insert_header((LOCATION, "/docs/")).finish()
}

/// One of the page's files; the page itself where none is named.
pub async fn file(name: Path<String>, request: HttpRequest) -> Result<HttpResponse> {
    let file = utoipa_swagger_ui::serve(&name, CONFIG.clone()).map_err(|error| Error::internal(error.to_string()))?;
    let file = file.ok_or_else(Error::no_such_route)?;
    let mut response = HttpResponse::Ok();
    response.content_type(file.content_type).insert_header((CONTENT_SECURITY_POLICY, POLICY));
    response.insert_header((VARY, "Accept-Encoding"));
    // the program has them packed, which browsers take as they are
    let bytes = match file.gzpipped {
        true if !takes_gzip(&request) => unpacked(&file.bytes)?,
        packed => {
            if packed {
                response.insert_header(ContentEncoding::Gzip);
            }
            file.bytes.into_owned()
        }
    };
    Ok(response.body(bytes))
}

fn takes_gzip(request: &HttpRequest) -> bool {
    let offered = [Encoding::gzip(), Encoding::identity()];
    AcceptEncoding::parse(request).is_ok_and(|taken| taken.negotiate(offered.iter()) == Some(Encoding::gzip()))
}

fn unpacked(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain).map_err(Error::internal)?;
    Ok(plain)
}

/// Every code that a refusal can have; needs nothing but itself.
pub async fn errors() -> HttpResponse {
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(catalogue_html())
}
