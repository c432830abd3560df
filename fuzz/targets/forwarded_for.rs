//! `X-Forwarded-For` of a trusted proxy: nothing stumbles, nothing is skipped, and of anybody else it is not read.
#![no_main]

use std::net::IpAddr;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use firstkey::forwarded::TrustedProxies;

libfuzzer_sys::fuzz_target!(|lines: Vec<Vec<u8>>| {
    let mut headers = HeaderMap::new();
    for line in &lines {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(HeaderName::from_static("x-forwarded-for"), value);
        }
    }
    let proxies = TrustedProxies::new(&["10.0.0.0/8".parse().expect("a network")]);
    let (proxy, stranger) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([192, 0, 2, 1]));
    assert_eq!(proxies.client(stranger, &headers), Ok(stranger));
    let all = headers.get_all("x-forwarded-for").filter_map(|line| line.to_str().ok()).collect::<Vec<_>>().join(",");
    if let Ok(client) = proxies.client(proxy, &headers) {
        // it is the last that is no proxy's, or there is none that is not
        let last = all.rsplit(',').next().unwrap_or_default().trim();
        let is_proxy = |address: IpAddr| matches!(address, IpAddr::V4(v4) if v4.octets()[0] == 10);
        if let Ok(last) = last.parse::<IpAddr>() {
            assert!(is_proxy(last.to_canonical()) || client == last.to_canonical());
        }
    }
});
