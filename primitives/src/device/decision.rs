//! Changes of a device's record that the council allowed without a proof of the device's last anchored event.

use super::{ChangeTime, DeviceChangeError, DeviceRecord};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// The maximum number of decisions of the council in a device's record.
pub const MAX_DECISIONS: u32 = 8;

/// The kind of a change that the council allows.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum DecidedChange {
    /// The device gets another key.
    Key,
    /// The device is assigned to another log.
    Log,
    /// Events of the device are declared lost.
    Lost,
}

/// A change that was made without a proof, because the council allowed it.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct CouncilDecision {
    /// The kind of the change.
    pub change: DecidedChange,
    /// The sequence from which on the council allowed the record to change: no later event counted as anchored.
    pub from: u64,
    /// The number of the block in which the change was made.
    pub block: u32,
}

impl DeviceRecord {
    /// Returns the decisions of the council that changes of this record are based on, oldest first. All other changes
    /// were made with a proof.
    pub fn decisions(&self) -> &[CouncilDecision] {
        &self.decisions
    }

    /// Records that a change is based on a decision of the council. `from` is the sequence in the decision.
    pub fn record_decision(
        &mut self,
        change: DecidedChange,
        from: u64,
        at: ChangeTime,
    ) -> Result<(), DeviceChangeError> {
        self.ensure_active()?;
        let decision = CouncilDecision { change, from, block: at.block };
        self.decisions.try_push(decision).map_err(|_| DeviceChangeError::Full)
    }

    /// Ensures that the council may allow changes from the sequence `from` on: not before the present log or lost events,
    /// and at most [`super::MAX_LEAP`] above them.
    pub fn ensure_can_decide(&self, from: u64) -> Result<(), DeviceChangeError> {
        self.ensure_active()?;
        if self.decisions.is_full() {
            return Err(DeviceChangeError::Full);
        }
        super::record::ensure_in_reach(from, self.earliest())
    }
}
