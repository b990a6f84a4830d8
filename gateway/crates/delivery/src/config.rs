//! `[delivery]` of a gateway's configuration.

use libp2p::{multiaddr::Protocol, Multiaddr};
use serde::Deserialize;
use std::net::Ipv4Addr;

/// Where a peer listens, and whether it announces itself.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeliveryConfig {
    /// Where other parties reach this gateway.
    pub listen: Vec<Multiaddr>,
    /// Whether it announces itself on the local network.
    pub mdns: bool,
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        let host = Multiaddr::empty().with(Protocol::Ip4(Ipv4Addr::LOCALHOST));
        Self {
            listen: vec![
                host.clone().with(Protocol::Udp(0)).with(Protocol::QuicV1),
                host.with(Protocol::Tcp(0)),
            ],
            mdns: false,
        }
    }
}
