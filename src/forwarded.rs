//! Where a request came from when a proxy stands in front: `X-Forwarded-For`, believed of listed proxies and of nobody
//! else.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The proxies whose word is taken; none where none are listed. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Arc<[IpNet]>);

/// What a trusted proxy says of where a request came from cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

impl TrustedProxies {
    /// Takes the setting `trusted_proxies`.
    pub fn new(networks: &[IpNet]) -> Self {
        Self(networks.into())
    }

    fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The address of whoever called: the peer, or, where that is a trusted proxy, the last one of `X-Forwarded-For`
    /// that is none. Each proxy appends whom it was called by, so what stands further left is anybody's word.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Result<IpAddr, Unreadable> {
        let mut client = peer.to_canonical();
        if self.0.is_empty() || !self.trust(client) {
            return Ok(client);
        }
        let lines: Vec<&HeaderValue> = headers.get_all(X_FORWARDED_FOR).collect();
        for line in lines.into_iter().rev() {
            for item in line.to_str().map_err(|_| Unreadable)?.rsplit(',') {
                client = address(item.trim_matches([' ', '\t'])).ok_or(Unreadable)?;
                if !self.trust(client) {
                    return Ok(client);
                }
            }
        }
        Ok(client)
    }
}

/// An address, with or without a port; IPv6 with a port stands in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok().filter(IpAddr::is_ipv6);
    bare().or_else(with_port).or_else(in_brackets).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn proxies() -> TrustedProxies {
        TrustedProxies::new(&["10.0.0.0/8".parse().expect("a network"), "::1/128".parse().expect("a network")])
    }

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_str(line).expect("a value"));
        }
        headers
    }

    fn client(peer: &str, lines: &[&str]) -> Result<String, Unreadable> {
        proxies().client(peer.parse().expect("an address"), &headers(lines)).map(|address| address.to_string())
    }

    #[test]
    fn only_listed_proxies_are_believed() {
        let said = Ok("192.0.2.7".to_owned());
        assert_eq!(client("10.0.0.1", &["192.0.2.7"]), said);
        assert_eq!(client("::ffff:10.0.0.1", &["192.0.2.7"]), said, "IPv4 in IPv6 is IPv4");
        assert_eq!(client("192.0.2.9", &["192.0.2.7"]), Ok("192.0.2.9".to_owned()));
        assert_eq!(client("10.0.0.1", &[]), Ok("10.0.0.1".to_owned()));
        let none = TrustedProxies::default().client("10.0.0.1".parse().expect("an address"), &headers(&["192.0.2.7"]));
        assert_eq!(none, Ok("10.0.0.1".parse().expect("an address")));
    }

    #[test]
    fn what_the_client_wrote_itself_stands_to_the_left() {
        let said = Ok("192.0.2.7".to_owned());
        for lines in [
            &["203.0.113.1, 192.0.2.7"][..],
            &["203.0.113.1, 192.0.2.7, 10.2.0.1"],
            &["203.0.113.1", "192.0.2.7", "10.2.0.1,\t::1"],
            &["rubbish, 192.0.2.7:4711"],
            &["::ffff:192.0.2.7"],
        ] {
            assert_eq!(client("10.0.0.1", lines), said, "{lines:?}");
        }
        assert_eq!(client("::1", &["[2001:db8::1]:443"]), Ok("2001:db8::1".to_owned()));
        assert_eq!(client("::1", &["10.9.9.9, 10.0.0.2"]), Ok("10.9.9.9".to_owned()), "all of them are proxies");
    }

    #[test]
    fn what_cannot_be_read_is_never_skipped() {
        for lines in [&[""][..], &["unknown"], &["192.0.2.7, "], &["192.0.2.7, 10.0.0.300"], &["192.0.2.7", "_hidden"]]
        {
            assert_eq!(client("10.0.0.1", lines), Err(Unreadable), "{lines:?}");
        }
        assert_eq!(client("192.0.2.9", &["unknown"]), Ok("192.0.2.9".to_owned()), "nobody asked them");
    }

    proptest! {
        /// T-24: of nobody but a listed proxy does any text of the header move the address.
        #[test]
        fn others_move_nothing(line in "[ -~]{0,60}", peer in any::<u32>()) {
            let peer = IpAddr::V4(peer.into());
            prop_assume!(!proxies().trust(peer));
            prop_assert_eq!(proxies().client(peer, &headers(&[&line])), Ok(peer));
        }
    }
}
