//! Networks as CIDR (RFC 4632, RFC 4291) writes them. An IPv4 address is one however it comes: `::ffff:10.0.0.7` is
//! 10.0.0.7, in a list and on the other end of a connection alike.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use super::Networks;
use crate::error::{Error, Result};

/// The most networks in one list.
pub const MOST: usize = 100;

/// Within which IPv6 addresses stand for those of IPv4 (`::ffff:0:0/96`).
const MAPPED: u8 = 96;

/// Reads what is allowed and what is denied.
pub fn read((allow, deny): (Vec<String>, Vec<String>)) -> Result<Networks> {
    Ok(Networks { allow: list("allow", &allow)?, deny: list("deny", &deny)? })
}

fn list(name: &str, texts: &[String]) -> Result<Vec<IpNet>> {
    let member = format!("constraints.networks.{name}");
    if texts.len() > MOST {
        return Err(Error::member(&member, &format!("at most {MOST} networks are taken")));
    }
    let mut networks = Vec::with_capacity(texts.len());
    for (number, text) in texts.iter().enumerate() {
        let network = parse(text).map_err(|expected| Error::member(&format!("{member}[{number}]"), &expected))?;
        // the same network twice says nothing new
        if !networks.contains(&network) {
            networks.push(network);
        }
    }
    Ok(networks)
}

/// One network, or one address, which is a network of one; a refusal says what is expected. Bits beyond the prefix are
/// refused: one who writes 10.0.0.7/8 has mistaken the one or the other.
pub fn parse(text: &str) -> Result<IpNet, String> {
    const EXPECTED: &str = "a network such as 10.0.0.0/8 or 2001:db8::/32, or an address, is needed";
    let network = match text.contains('/') {
        // the prefix is digits and nothing else: no sign, no zero in front
        true => text.parse::<IpNet>().ok().filter(|network| text.ends_with(&format!("/{}", network.prefix_len()))),
        false => text.parse::<IpAddr>().ok().map(IpNet::from),
    };
    let network = network.ok_or(EXPECTED)?;
    if network.trunc() != network {
        return Err(format!("there are bits beyond the prefix; the network is {}", network.trunc()));
    }
    unmapped(network).ok_or_else(|| "IPv4 addresses are part of it: write IPv4 networks as IPv4".to_owned())
}

/// A network of mapped addresses as the one of IPv4 that it is. None where it holds mapped addresses besides others,
/// for all of IPv6 aside nobody means that.
fn unmapped(network: IpNet) -> Option<IpNet> {
    let IpNet::V6(v6) = network else { return Some(network) };
    let mapped = "::ffff:0.0.0.0".parse::<std::net::Ipv6Addr>().ok()?;
    match (v6.addr().to_ipv4_mapped(), v6.prefix_len()) {
        (Some(v4), prefix @ MAPPED..) => Ipv4Net::new(v4, prefix - MAPPED).ok().map(IpNet::V4),
        (_, 1..MAPPED) if v6.contains(&mapped) => None,
        _ => Some(network),
    }
}

impl Networks {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }

    /// Whether an address is let through.
    pub fn admit(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let lies_in = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&address));
        (self.allow.is_empty() || lies_in(&self.allow)) && !lies_in(&self.deny)
    }

    /// Whether what these let through, `others` do too. It may say no where that is so, in a roundabout way; never yes
    /// where it is not.
    pub fn within(&self, others: &Self) -> bool {
        let covered = |network: &IpNet, by: &[IpNet]| by.iter().any(|wider| wider.contains(network));
        let (allowed, denied) = (IpNet::aggregate(&others.allow), IpNet::aggregate(&self.deny));
        let is_allowed =
            others.allow.is_empty() || (!self.allow.is_empty() && self.allow.iter().all(|own| covered(own, &allowed)));
        let apart = |a: &IpNet, b: &IpNet| !a.contains(b) && !b.contains(a);
        let out_of_reach = |network: &IpNet| !self.allow.is_empty() && self.allow.iter().all(|own| apart(own, network));
        is_allowed && others.deny.iter().all(|network| covered(network, &denied) || out_of_reach(network))
    }

    /// What whoever wrote them should know: that they let everybody in, or nobody, all of them together; by the name
    /// of the member, `allow` or `deny`. None where neither is so.
    pub fn warnings(&self) -> Vec<(&'static str, String)> {
        let (allowed, denied) = (IpNet::aggregate(&self.allow), IpNet::aggregate(&self.deny));
        let all_of = |network: &IpNet| match network {
            IpNet::V4(_) => "every IPv4 address",
            IpNet::V6(_) => "every IPv6 address",
        };
        let mut warnings: Vec<_> =
            everything(&allowed).map(|all| ("allow", format!("{all} lets {} in", all_of(all)))).collect();
        let nobody = !allowed.is_empty() && allowed.iter().all(|one| denied.iter().any(|wider| wider.contains(one)));
        if nobody {
            warnings = vec![("deny", "it keeps out all that allow lets in, and nobody is left".to_owned())];
        } else {
            warnings.extend(everything(&denied).map(|all| ("deny", format!("{all} keeps {} out", all_of(all)))));
        }
        warnings
    }
}

/// All of IPv4 and all of IPv6, where they are among some networks that stand for themselves.
fn everything(networks: &[IpNet]) -> impl Iterator<Item = &IpNet> {
    networks.iter().filter(|network| network.prefix_len() == 0)
}
