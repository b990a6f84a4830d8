//! The audit of a device: verifies its whole history in the log against the finalized chain.
//!
//! An audit trusts the chain only. The device's keys, owners and logs, what was lost, and the anchored root come from the
//! chain. The entries, bodies and nodes come from the log, and all their hashes are computed again. An event is *anchored*
//! if a proof leads from its entry to the root on the chain. Events after the last anchor pass all other checks and are
//! reported as pending.
//!
//! An audit covers one log. If the device's events were in other logs too, the audit checks that this log has its part of
//! them. Only evidence covers all logs. [`buyer`] renders evidence as a page for people.

pub mod buyer;
mod check;
mod report;
mod times;

#[cfg(test)]
mod tests;

pub use check::audit;
pub use report::{AnchorState, AuditProblem, AuditedEvent, Completeness, ProblemPlace, Report};
pub use times::{Contradiction, EventClock, TimeContradiction};

use streembit_primitives::{
    checkpoint::{Anchor, AnchoredRoot},
    device::DeviceRecord,
    DeviceId, Hash,
};

/// The finalized state of the chain, which an audit trusts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChainState {
    /// The chain's genesis hash.
    pub genesis: Hash,
    /// The number of the finalized block.
    pub block: u32,
    /// The block's hash.
    pub hash: Hash,
    /// The block's time, in milliseconds since 1970-01-01 UTC.
    pub time: u64,
    /// The device's record, or `None` if it is not registered.
    pub device: Option<DeviceRecord>,
    /// The last anchor of the log, or `None` if it has none.
    pub anchor: Option<Anchor>,
    /// The last anchors of the log, with the chain's time of each.
    pub roots: Vec<AnchoredRoot>,
}

/// The device to audit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subject {
    /// The device's id.
    pub device: DeviceId,
    /// The device's name in the gateway's configuration.
    pub name: Option<String>,
}
