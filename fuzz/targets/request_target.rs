//! What comes in as a request's path and host: a tenant's prefix is taken off whole, once, or not at all.
#![no_main]

use actix_web::HttpMessage as _;
use actix_web::http::Uri;
use actix_web::http::header::{HOST, HeaderValue};
use actix_web::test::TestRequest;
use firstkey::reach::{PublicUrl, TenantLabel, is_label, take_off};

libfuzzer_sys::fuzz_target!(|input: (String, Vec<u8>)| {
    let (target, host) = input;
    let Ok(uri) = target.parse::<Uri>() else { return };
    if !uri.path().starts_with('/') {
        return;
    }
    let mut request = TestRequest::default().app_data(PublicUrl::new(Some("https://keys.example.org")));
    if let Ok(host) = HeaderValue::from_bytes(&host) {
        request = request.insert_header((HOST, host));
    }
    let mut request = request.to_srv_request();
    request.head_mut().uri = uri.clone();
    take_off(&mut request);
    let label = request.extensions().get::<TenantLabel>().cloned();
    let taken = request.uri() != &uri;
    if taken {
        assert!(request.uri().path().starts_with("/api/") && request.uri().query() == uri.query());
        let front = uri.path().strip_suffix(request.uri().path()).expect("what is taken off was in front");
        assert!(front == "/v1" || front.starts_with("/t/"), "{front}");
        assert!(front == "/v1" || label.is_some(), "whose it was is remembered");
    }
    if let Some(label) = label.as_ref().and_then(TenantLabel::get) {
        assert!(is_label(label));
    }
});
