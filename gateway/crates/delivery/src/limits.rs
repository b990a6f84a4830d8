//! The limits that a gateway serves within.

use std::time::Duration;

/// How much of a gateway others may take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The most connections from outside at once.
    pub connections: u32,
    /// The most connections of one peer at once.
    pub connections_each: u32,
    /// The most streams served at once.
    pub streams: usize,
    /// The most streams of one peer, and of one account, at once.
    pub streams_each: usize,
    /// How long a peer may take to prove its account and say what it wants.
    pub handshake: Duration,
    /// How long events may wait for a subscriber that takes none. It resumes from its cursor later.
    pub slow: Duration,
    /// After how long without an event a subscriber is told that the stream lives.
    pub alive: Duration,
    /// How often rights are checked anew where no new block asks for it.
    pub recheck: Duration,
    /// How long rights hold while the chain cannot be asked.
    pub unchecked: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 128,
            connections_each: 8,
            streams: 256,
            streams_each: 16,
            handshake: Duration::from_secs(10),
            slow: Duration::from_secs(60),
            alive: Duration::from_secs(10),
            recheck: Duration::from_secs(10),
            unchecked: Duration::from_secs(60),
        }
    }
}
