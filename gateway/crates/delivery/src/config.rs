//! The `[delivery]` section of a gateway's configuration.

use libp2p::{multiaddr::Protocol, Multiaddr};
use serde::Deserialize;
use std::net::Ipv4Addr;

/// The listening addresses of a peer, and its announcement on the local network.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeliveryConfig {
    /// The addresses on which other parties reach this gateway.
    pub listen: Vec<Multiaddr>,
    /// Whether the gateway announces itself on the local network with mDNS.
    pub mdns: bool,
}

/// The default port, for QUIC and TCP. It is fixed, so that the address of a gateway stays the same when it starts again,
/// and below the ports that operating systems give to outgoing connections.
pub const DEFAULT_PORT: u16 = 30340;

impl Default for DeliveryConfig {
    fn default() -> Self {
        let host = Multiaddr::empty().with(Protocol::Ip4(Ipv4Addr::LOCALHOST));
        Self {
            listen: vec![
                host.clone().with(Protocol::Udp(DEFAULT_PORT)).with(Protocol::QuicV1),
                host.with(Protocol::Tcp(DEFAULT_PORT)),
            ],
            mdns: false,
        }
    }
}
