//! The IP addresses of this machine, read from the kernel's lists.

use std::{
    collections::BTreeSet,
    fs,
    net::{Ipv4Addr, Ipv6Addr},
};

/// An IPv6 address and the interface that has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ipv6Interface {
    /// The address.
    pub address: Ipv6Addr,
    /// The number of the interface.
    pub index: u32,
}

impl Ipv6Interface {
    /// Returns true if the address is valid only on its own link.
    pub fn is_link_local(&self) -> bool {
        self.address.segments().first().is_some_and(|first| first & 0xffc0 == 0xfe80)
    }
}

/// Returns the IPv6 addresses of this machine, apart from loopback.
pub fn ipv6_interfaces() -> Vec<Ipv6Interface> {
    parse_ipv6(&fs::read_to_string("/proc/net/if_inet6").unwrap_or_default()).collect()
}

/// Returns the IP addresses of this machine, apart from loopback and link-local ones.
pub fn local_addresses() -> BTreeSet<String> {
    let v4 = fs::read_to_string("/proc/net/fib_trie").unwrap_or_default();
    let v6 = ipv6_interfaces().into_iter().filter(|interface| !interface.is_link_local());
    parse_ipv4(&v4)
        .map(|ip| ip.to_string())
        .chain(v6.map(|interface| interface.address.to_string()))
        .collect()
}

/// Reads the local addresses from the kernel's routing trie: a line with the address, then one with its type.
fn parse_ipv4(trie: &str) -> impl Iterator<Item = Ipv4Addr> + '_ {
    let lines = trie.lines().zip(trie.lines().skip(1));
    lines.filter(|(_, kind)| kind.contains("/32 host LOCAL")).filter_map(|(line, _)| {
        let address: Ipv4Addr = line.trim().strip_prefix("|-- ")?.parse().ok()?;
        (!address.is_loopback() && !address.is_link_local()).then_some(address)
    })
}

/// Reads the kernel's list of IPv6 addresses. Each line begins with the address as 32 digits and the hexadecimal number of
/// the interface.
fn parse_ipv6(list: &str) -> impl Iterator<Item = Ipv6Interface> + '_ {
    list.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        let address = Ipv6Addr::from(u128::from_str_radix(fields.next()?, 16).ok()?);
        let index = u32::from_str_radix(fields.next()?, 16).ok()?;
        (!address.is_loopback()).then_some(Ipv6Interface { address, index })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lists_are_read() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 10.0.0.0\n        /24 link UNICAST\n     |-- 10.0.0.7\n        \
                    /32 host LOCAL\n     |-- 127.0.0.1\n        /32 host LOCAL\n";
        assert_eq!(parse_ipv4(trie).collect::<Vec<_>>(), [Ipv4Addr::new(10, 0, 0, 7)]);
        let list = "00000000000000000000000000000001 01 80 10 80 lo\nfe800000000000000000000000000007 02 40 20 80 eth0\n\
                    20010db8000000000000000000000007 0a 40 00 80 eth0\nnonsense\n";
        let found: Vec<_> = parse_ipv6(list).collect();
        assert_eq!(found.iter().map(|found| found.index).collect::<Vec<_>>(), [2, 10]);
        assert_eq!(found[1].address, "2001:db8::7".parse::<Ipv6Addr>().unwrap());
        assert_eq!(found.iter().map(Ipv6Interface::is_link_local).collect::<Vec<_>>(), [true, false]);
    }
}
