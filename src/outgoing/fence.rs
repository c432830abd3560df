//! Where webhooks may lead: the public Internet, and what the operator has named. Whoever may make a webhook could
//! otherwise have the server call whatever stands beside it (server-side request forgery).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use url::{Host, Url};

/// What webhooks may lead to.
#[derive(Clone, Debug, Default)]
pub struct Fence {
    /// Besides the public Internet.
    pub networks: Vec<IpNet>,
    /// `http://` too.
    pub http: bool,
}

/// Networks of IPv4 that are nobody's on the public Internet (IANA's registry of special purposes), multicast and what
/// is reserved.
const SPECIAL_V4: &[([u8; 4], u32)] = &[
    ([0, 0, 0, 0], 8),       // this network
    ([10, 0, 0, 0], 8),      // private
    ([100, 64, 0, 0], 10),   // carriers' own, behind their translation
    ([127, 0, 0, 0], 8),     // this machine
    ([169, 254, 0, 0], 16),  // link-local; clouds tell their machines' secrets here
    ([172, 16, 0, 0], 12),   // private
    ([192, 0, 0, 0], 24),    // protocols
    ([192, 0, 2, 0], 24),    // documentation
    ([192, 31, 196, 0], 24), // AS112
    ([192, 52, 193, 0], 24), // AMT
    ([192, 88, 99, 0], 24),  // relays of 6to4
    ([192, 168, 0, 0], 16),  // private
    ([192, 175, 48, 0], 24), // AS112
    ([198, 18, 0, 0], 15),   // benchmarks
    ([198, 51, 100, 0], 24), // documentation
    ([203, 0, 113, 0], 24),  // documentation
    ([224, 0, 0, 0], 4),     // multicast
    ([240, 0, 0, 0], 4),     // reserved, broadcast
];

/// Networks of IPv6 within 2000::/3 that are nobody's there, or that stand for an IPv4 address in disguise. What lies
/// outside of 2000::/3 is not public at all: loopback, mapped and translated IPv4 (::ffff:0:0/96, 64:ff9b::/96,
/// 64:ff9b:1::/48), unique local, link-local, multicast.
const SPECIAL_V6: &[([u16; 8], u32)] = &[
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),         // protocols, Teredo among them
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),     // documentation
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),         // 6to4
    ([0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0], 48), // AS112
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),         // documentation
];

/// Whether an address is one of the public Internet, and of nothing else.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL_V4.iter().any(|(network, length)| {
            shares(u32::from(address).into(), Ipv4Addr::from(*network).to_bits().into(), 32, *length)
        }),
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            let within =
                |(network, length): &([u16; 8], u32)| shares(bits, Ipv6Addr::from(*network).to_bits(), 128, *length);
            within(&([0x2000, 0, 0, 0, 0, 0, 0, 0], 3)) && !SPECIAL_V6.iter().any(within)
        }
    }
}

/// Whether two addresses of so many bits share their first `length`.
fn shares(one: u128, other: u128, bits: u32, length: u32) -> bool {
    (one ^ other) >> (bits - length) == 0
}

/// A webhook's URL that can be meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookUrl(Url);

impl HookUrl {
    /// The longest, in bytes, as it comes and as it is called: what is not ASCII grows on the way.
    pub const MOST: usize = 2_048;

    /// `https://host…` or `http://host…`, without user, password and fragment; as browsers read it, so that
    /// `https://0x7f.1/` is the address that it stands for. What is wrong otherwise, for the reader.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let plain = text.len() <= Self::MOST && !text.chars().any(|c| c.is_control() || c.is_whitespace());
        let url = if plain { Url::parse(text).ok() } else { None };
        let url = url.filter(|url| matches!(url.scheme(), "https" | "http") && url.as_str().len() <= Self::MOST);
        let url = url.ok_or("a URL of at most 2,048 bytes is needed, such as https://hooks.example.com/firstkey")?;
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err("a URL without user, password and # is needed: the receiver knows the server by its signature");
        }
        // a written-out dot at the end is the same host, and no certificate is for it
        let host = url.host_str().unwrap_or_default();
        if host.is_empty() || host.ends_with('.') || url.port() == Some(0) {
            return Err("a URL with a host is needed, such as https://hooks.example.com/firstkey");
        }
        Ok(Self(url))
    }

    /// As it is called.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether it is `http://`.
    pub fn is_http(&self) -> bool {
        self.0.scheme() == "http"
    }

    /// The address, where the host is one.
    pub fn address(&self) -> Option<IpAddr> {
        match self.0.host()? {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        }
    }

    /// Host and port, as a resolver takes them.
    pub fn place(&self) -> (String, u16) {
        let host = match self.0.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => self.0.host_str().unwrap_or_default().to_owned(),
        };
        (host, self.0.port_or_known_default().unwrap_or(443))
    }
}

impl Fence {
    /// Whether an address lies within.
    pub fn permits(&self, address: IpAddr) -> bool {
        let named = |address: IpAddr| self.networks.iter().any(|network| network.contains(&address));
        is_public(address) || named(address) || named(address.to_canonical())
    }

    /// Whether every one of these addresses lies within, and there is one.
    pub fn permits_all(&self, addresses: impl IntoIterator<Item = IpAddr>) -> bool {
        let mut addresses = addresses.into_iter().peekable();
        addresses.peek().is_some() && addresses.all(|address| self.permits(address))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn only_the_public_internet_is_public() {
        for public in [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700:4700::1111",
            "2a00:1450::1",
            "2001:200::1",
        ] {
            assert!(is_public(address(public)), "{public}");
        }
        for other in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "::ffff:0:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address(other)), "{other}");
        }
    }

    #[test]
    fn what_the_operator_names_is_let_through_and_nothing_beside_it() {
        let fence = Fence { networks: vec!["127.0.0.0/8".parse().expect("a network")], http: false };
        for (text, within) in
            [("127.0.0.1", true), ("::ffff:127.0.0.1", true), ("::1", false), ("10.0.0.1", false), ("1.1.1.1", true)]
        {
            assert_eq!(fence.permits(address(text)), within, "{text}");
        }
        assert!(!fence.permits_all([]));
        assert!(fence.permits_all([address("1.1.1.1"), address("127.0.0.1")]));
        assert!(!fence.permits_all([address("1.1.1.1"), address("10.0.0.1")]), "one that leads elsewhere is enough");
    }

    /// Other spellings of an address are that address.
    #[test]
    fn an_address_in_disguise_is_seen_through() {
        for (text, expected) in [
            ("https://127.1/", "127.0.0.1"),
            ("https://0x7f000001/", "127.0.0.1"),
            ("https://2130706433/", "127.0.0.1"),
            ("https://017700000001/", "127.0.0.1"),
            ("https://①②⑦.0.0.1/", "127.0.0.1"),
            ("https://[::ffff:7f00:1]/", "::ffff:127.0.0.1"),
            ("https:127.0.0.1", "127.0.0.1"),
            ("https://127.0.0.1./", "127.0.0.1"),
            ("https:\\\\127.0.0.1\\x", "127.0.0.1"),
        ] {
            assert_eq!(HookUrl::parse(text).expect(text).address(), Some(address(expected)), "{text}");
        }
        for refused in [
            "",
            "hooks.example.com",
            "ftp://hooks.example.com/",
            "file:///etc/passwd",
            "https://",
            "https://u@hooks.example.com/",
            "https://u:p@hooks.example.com/",
            "https://hooks.example.com/#x",
            "https://hooks.example.com./",
            "https://hooks.example.com:0/",
            "https://hooks.example.com:99999/",
            "https://hooks.example.com/ x",
            "https://hooks.example.com/\n",
            "https://a b/",
            "https://[::1",
            "gopher://127.0.0.1/",
            "https://256.1.1.1/",
            &format!("https://hooks.example.com/{}", "x".repeat(2_048)),
            // six characters each where it is called
            &format!("https://hooks.example.com/{}", "é".repeat(700)),
        ] {
            assert!(HookUrl::parse(refused).is_err(), "{refused}");
        }
        assert_eq!(
            HookUrl::parse("https://[2606:4700::1]:8443/x").expect("a URL").place(),
            ("2606:4700::1".into(), 8443)
        );
        assert_eq!(
            HookUrl::parse("HTTPS://Hooks.Example.com").expect("a URL").place(),
            ("hooks.example.com".into(), 443)
        );
    }

    proptest! {
        /// IPv4 that is carried in an IPv6 address is never public, whatever it is.
        #[test]
        fn carried_ipv4_is_never_public(v4 in any::<u32>(), low in any::<u64>()) {
            let v4 = u128::from(v4);
            for bits in [0xffff << 32 | v4, v4, 0x64_ff9b << 96 | v4, 0x2002 << 112 | v4 << 80 | u128::from(low), 0x2001_0000 << 96 | v4] {
                prop_assert!(!is_public(Ipv6Addr::from_bits(bits).into()), "{}", Ipv6Addr::from_bits(bits));
            }
        }

        /// The standard library's opinions on loopback, private and other networks, as far as it has any.
        #[test]
        fn nothing_that_the_standard_library_calls_special_is_public(v4 in any::<u32>(), v6 in any::<u128>()) {
            let (v4, v6) = (Ipv4Addr::from_bits(v4), Ipv6Addr::from_bits(v6));
            let special = v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_multicast() || v4.is_broadcast()
                || v4.is_documentation() || v4.is_unspecified();
            prop_assert!(!(special && is_public(v4.into())));
            let special = v6.is_loopback() || v6.is_unspecified() || v6.is_multicast() || v6.is_unique_local() || v6.is_unicast_link_local();
            prop_assert!(!(special && is_public(v6.into())));
        }

        #[test]
        fn no_text_makes_the_parser_stumble(text in any::<String>()) {
            if let Ok(url) = HookUrl::parse(&text) {
                prop_assert_eq!(HookUrl::parse(url.as_str()), Ok(url.clone()));
                prop_assert!(!url.place().0.is_empty());
            }
        }
    }
}
