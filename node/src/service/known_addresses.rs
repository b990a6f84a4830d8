//! Dials the boot nodes and reserved nodes again while some of them are not connected, and resolves their names.
//!
//! The network resolves a name when it dials, with the name servers that it found at its start. Here names are resolved
//! by the operating system, with the name servers, the `hosts` file and the local names of this moment.

use crate::types::Block;
use sc_network::{multiaddr::Protocol, service::traits::NetworkService, Multiaddr};
use sc_network_sync::SyncingService;
use sc_service::{config::MultiaddrWithPeerId, Configuration};
use std::{net::IpAddr, sync::Arc, time::Duration};

/// The time between two rounds.
const INTERVAL: Duration = Duration::from_secs(15);

/// The longest time that the resolution of a name may take.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);

/// The most addresses of one name that are dialled.
const MAX_ADDRESSES: usize = 8;

/// Returns the nodes that the chain spec and the command line name.
pub fn named_nodes(config: &Configuration) -> Vec<MultiaddrWithPeerId> {
    let mut nodes = config.network.boot_nodes.clone();
    nodes.extend(config.network.default_peers_set.reserved_nodes.iter().cloned());
    nodes
}

/// Runs for as long as the node runs.
pub async fn run(
    nodes: Vec<MultiaddrWithPeerId>,
    network: Arc<dyn NetworkService>,
    sync: Arc<SyncingService<Block>>,
) {
    loop {
        if sync.num_connected_peers() < nodes.len() {
            for node in &nodes {
                for address in dialled_addresses(&node.multiaddr).await {
                    network.add_known_address(node.peer_id, address);
                }
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

/// Returns an address, or, if it begins with a name, the addresses that the name stands for.
async fn dialled_addresses(address: &Multiaddr) -> Vec<Multiaddr> {
    let Some((name, family)) = name_of(address) else { return vec![address.clone()] };
    let lookup = tokio::net::lookup_host((name.as_str(), 0));
    let result = tokio::time::timeout(RESOLVE_TIMEOUT, lookup).await;
    match result {
        Ok(Ok(found)) => found
            .map(|socket| socket.ip())
            .filter(|ip| family.includes(ip))
            .take(MAX_ADDRESSES)
            .map(|ip| with_ip(address, ip))
            .collect(),
        Ok(Err(error)) => {
            tracing::debug!("{name} of {address} is not resolved: {error}");
            Vec::new()
        }
        Err(_) => {
            tracing::debug!("{name} of {address} is not resolved within {} s", RESOLVE_TIMEOUT.as_secs());
            Vec::new()
        }
    }
}

/// The IP versions that a name may stand for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum IpFamily {
    Any,
    V4,
    V6,
}

impl IpFamily {
    fn includes(self, ip: &IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => ip.is_ipv4(),
            Self::V6 => ip.is_ipv6(),
        }
    }
}

/// Returns the name that an address begins with.
fn name_of(address: &Multiaddr) -> Option<(String, IpFamily)> {
    match address.iter().next()? {
        Protocol::Dns(name) => Some((name.to_string(), IpFamily::Any)),
        Protocol::Dns4(name) => Some((name.to_string(), IpFamily::V4)),
        Protocol::Dns6(name) => Some((name.to_string(), IpFamily::V6)),
        _ => None,
    }
}

/// Replaces the name at the beginning of an address.
fn with_ip(address: &Multiaddr, ip: IpAddr) -> Multiaddr {
    let ip = match ip {
        IpAddr::V4(ip) => Protocol::Ip4(ip),
        IpAddr::V6(ip) => Protocol::Ip6(ip),
    };
    address.iter().skip(1).fold(Multiaddr::empty().with(ip), |address, part| address.with(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn names_are_replaced_by_their_addresses() {
        let found = dialled_addresses(&address("/dns/localhost/tcp/30333/ws")).await;
        assert!(!found.is_empty());
        for found in found {
            let text = found.to_string();
            assert!(text.starts_with("/ip") && text.ends_with("/tcp/30333/ws"), "{text}");
        }
        let number = address("/ip4/10.0.0.7/tcp/30333");
        assert_eq!(dialled_addresses(&number).await, [number]);
        assert!(dialled_addresses(&address("/dns/no.such.name.invalid/tcp/1")).await.is_empty());
    }

    #[test]
    fn a_name_may_stand_for_one_ip_version_only() {
        let family = |text| name_of(&address(text)).map(|(_, family)| family);
        assert_eq!(family("/dns4/north.example/tcp/1"), Some(IpFamily::V4));
        assert_eq!(family("/dns6/north.example/tcp/1"), Some(IpFamily::V6));
        assert_eq!(family("/ip6/::1/tcp/1"), None);
        let v6: IpAddr = "::1".parse().unwrap();
        assert!(!IpFamily::V4.includes(&v6) && IpFamily::V6.includes(&v6) && IpFamily::Any.includes(&v6));
    }
}
