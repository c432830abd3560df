//! `/docs`: the OpenAPI page to read and to try out in a browser. Swagger UI comes with the program; nothing is
//! fetched from anywhere else, and the browser is told so.

use std::io::Read as _;

use actix_web::http::header::{
    AcceptEncoding, CONTENT_SECURITY_POLICY, ContentEncoding, Encoding, Header as _, LOCATION, VARY,
};
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, Responder};
use flate2::read::GzDecoder;

use crate::error::{Error, Result, catalogue_html};

/// What the page may load: its own files, and the images that its stylesheet has inside it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

macro_rules! packed {
    ($name:literal) => {
        Bytes::Packed(include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".gz")))
    };
}

/// A file of the page: its name, its type, and its bytes.
type File = (&'static str, &'static str, Bytes);

/// A file is in the program as it is, or packed by gzip, which browsers take as it is.
enum Bytes {
    Plain(&'static [u8]),
    Packed(&'static [u8]),
}

/// Ours first; the others are Swagger UI's, which the build packs.
const FILES: [File; 6] = [
    ("", "text/html; charset=utf-8", Bytes::Plain(include_bytes!("docs_page/index.html"))),
    ("page.css", "text/css; charset=utf-8", Bytes::Plain(include_bytes!("docs_page/page.css"))),
    ("start.js", "text/javascript; charset=utf-8", Bytes::Plain(include_bytes!("docs_page/start.js"))),
    ("swagger-ui.css", "text/css; charset=utf-8", packed!("swagger-ui.css")),
    ("swagger-ui-bundle.js", "text/javascript; charset=utf-8", packed!("swagger-ui-bundle.js")),
    ("favicon-32x32.png", "image/png", packed!("favicon-32x32.png")),
];

/// Leads to the page, whose files lie beside it.
pub async fn index() -> impl Responder {
    HttpResponse::PermanentRedirect().insert_header((LOCATION, "/docs/")).finish()
}

/// One of the page's files; the page itself where none is named.
pub async fn file(name: Path<String>, request: HttpRequest) -> Result<HttpResponse> {
    let file = FILES.iter().find(|(known, ..)| *known == *name);
    let (_, content_type, bytes) = file.ok_or_else(Error::no_such_route)?;
    let mut response = HttpResponse::Ok();
    response.content_type(*content_type).insert_header((CONTENT_SECURITY_POLICY, POLICY));
    Ok(match bytes {
        Bytes::Plain(bytes) => response.body(*bytes),
        Bytes::Packed(bytes) => {
            response.insert_header((VARY, "Accept-Encoding"));
            if takes_gzip(&request) {
                response.insert_header(ContentEncoding::Gzip).body(*bytes)
            } else {
                response.body(unpacked(bytes)?)
            }
        }
    })
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
