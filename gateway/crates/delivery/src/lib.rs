#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(feature = "chain")]
mod chain_client;
mod config;
mod cursor;
pub mod framing;
#[cfg(any(test, feature = "log"))]
mod gateway_log;
mod grants;
mod limits;
mod proof;
mod server;
mod session;
mod slots;
mod store;
mod subscriber;
mod swarm;
mod target;
mod verify;
pub mod wire;

pub use config::{DeliveryConfig, DEFAULT_PORT};
pub use cursor::{Cursor, CursorError};
pub use grants::{
    change_stream, class_of, BlockStream, ChainUnavailableError, DeviceAccess, Grants, NameFilter,
    ReadingSet, Registry, Rights,
};
pub use libp2p::{Multiaddr, PeerId};
pub use limits::Limits;
pub use server::{Server, ServerState};
pub use store::EventStore;
pub use subscriber::{SubscribeError, Subscriber, SubscriberEvent, Subscription};
pub use swarm::{
    identity, peer_id, protocol, random_identity, ConnectError, DiscoveredPeers, ListenProblem, Peer,
    SwarmError,
};
pub use target::Target;
pub use verify::{Position, Received, VerifyError};

#[cfg(test)]
mod tests;
