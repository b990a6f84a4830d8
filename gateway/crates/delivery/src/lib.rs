#![doc = include_str!("README.md")]

mod chain;
mod cursor;
pub mod frame;
mod grants;
mod limits;
mod proof;
mod server;
mod session;
mod slots;
mod subscriber;
mod swarm;
mod verify;
pub mod wire;

pub use cursor::{Cursor, CursorError};
pub use grants::{ChainUnavailable, Grants, Names, Registry, Rights, Standing};
pub use limits::Limits;
pub use server::{run, Server};
pub use subscriber::{Progress, SubscribeError, Subscriber, Subscription, Target};
pub use swarm::{identity, peer_id, protocol, ConnectError, Found, Peer, SwarmError};
pub use verify::{Position, Received, Wrong};

#[cfg(test)]
mod tests;
