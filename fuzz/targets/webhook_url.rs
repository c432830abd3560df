//! The URL of a webhook, and the fence around it: what is read is read again the same, and an address that is let
//! through is never one of this machine or of a private network, in whatever disguise.
#![no_main]

use std::net::IpAddr;

use firstkey::outgoing::{Fence, HookUrl};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(url) = HookUrl::parse(text) else { return };
    assert_eq!(HookUrl::parse(url.as_str()), Ok(url.clone()));
    let (host, port) = url.place();
    assert!(!host.is_empty() && port != 0);
    // what a resolver takes for an address must be seen as one
    let address: Option<IpAddr> = host.parse().ok();
    assert_eq!(address, url.address());
    let Some(address) = address.filter(|address| Fence::default().permits(*address)) else { return };
    let inner = match address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(address) => address.to_ipv4(),
    };
    assert!(!address.is_loopback() && !address.is_multicast() && !address.is_unspecified());
    if let Some(address) = inner {
        assert!(!address.is_private() && !address.is_loopback() && !address.is_link_local() && !address.is_broadcast());
    }
});
