//! The audit of a device: its whole history, replayed from the log against the finalized chain.
//!
//! Nothing that the gateway says of itself is taken for granted. From the chain come the device's key, its owner, its
//! gateway and the anchored root; from the log come the entries, bodies and nodes, all of them derived again. An event
//! is *anchored* when its own entry leads to the chain's root. Events after the last anchor are checked in every other
//! way and reported as pending.

mod check;
mod report;

#[cfg(test)]
mod tests;

pub use check::audit;
pub use report::{AnchorState, AuditProblem, AuditedEvent, Completeness, ProblemPlace, Report};

use streembit_primitives::{checkpoint::Anchor, device::DeviceRecord, DeviceId, Hash};

/// What the finalized chain says: all that an audit trusts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChainState {
    /// The chain's genesis hash.
    pub genesis: Hash,
    /// The finalized block.
    pub block: u32,
    /// Its hash.
    pub hash: Hash,
    /// Its time, in milliseconds since 1970-01-01 UTC.
    pub time: u64,
    /// The device, where it is registered.
    pub device: Option<DeviceRecord>,
    /// The last anchor of the log.
    pub anchor: Option<Anchor>,
}

/// What is audited.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subject {
    /// The device.
    pub device: DeviceId,
    /// What its gateway calls it.
    pub name: Option<String>,
}
