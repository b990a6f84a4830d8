//! The resource limits of a gateway that serves events.

use std::time::Duration;

/// The resources that subscribers may use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The maximum number of incoming connections.
    pub connections: u32,
    /// The maximum number of connections per peer.
    pub connections_per_peer: u32,
    /// The maximum number of streams.
    pub streams: usize,
    /// The maximum number of streams per peer, and per account.
    pub streams_per_peer: usize,
    /// The time limit for the handshake: a peer must prove its account and send its request.
    pub handshake_timeout: Duration,
    /// How long events may wait for a subscriber that gives no credit or does not read. It can resume from its cursor.
    pub slow_timeout: Duration,
    /// The longest time without a frame before the gateway sends a keep-alive frame.
    pub keep_alive_interval: Duration,
    /// The longest time between two checks of a subscriber's rights if no new block triggers one.
    pub recheck_interval: Duration,
    /// How long rights stay valid while the chain cannot be reached.
    pub max_unchecked: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 128,
            connections_per_peer: 8,
            streams: 256,
            streams_per_peer: 16,
            handshake_timeout: Duration::from_secs(10),
            slow_timeout: Duration::from_secs(60),
            keep_alive_interval: Duration::from_secs(10),
            recheck_interval: Duration::from_secs(10),
            max_unchecked: Duration::from_secs(60),
        }
    }
}
