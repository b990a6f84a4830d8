//! The last event of a device at the latest anchor of its log, which a change of the device's record must not precede.

use super::{DeviceId, DeviceRecord};
use crate::{
    heads::{AbsenceProof, HeadEntry, HeadProof},
    Checkpoint,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// Claims what the last anchored event of a device is. Not yet verified.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum LastAnchored {
    /// The log has no anchor.
    NoAnchor,
    /// The log has no event of the device at its latest anchor.
    NoEvent(AbsenceProof),
    /// This is the device's last event at the log's latest anchor.
    Event(HeadProof),
    /// There is no proof: the council decided from which sequence on the record may change
    /// ([`crate::consortium::Change::AllowDeviceChange`]).
    Decided,
}

impl LastAnchored {
    /// Verifies the claim against the latest anchored checkpoint of the log. Returns the last event, which is `None` if
    /// the device has none, or `None` if the claim is not proven.
    pub fn verify(&self, device: &DeviceId, anchored: Option<&Checkpoint>) -> Option<Option<HeadEntry>> {
        match (self, anchored) {
            (Self::NoAnchor, None) => Some(None),
            (Self::NoEvent(proof), Some(anchored)) => {
                proof.verify(device, &anchored.heads_root).then_some(None)
            }
            (Self::Event(proof), Some(anchored)) => {
                let proven = proof.entry.device == *device && proof.verify(&anchored.heads_root);
                proven.then_some(Some(proof.entry))
            }
            (Self::NoAnchor, Some(_)) | (Self::NoEvent(_) | Self::Event(_), None) | (Self::Decided, _) => {
                None
            }
        }
    }
}

impl DeviceRecord {
    /// Returns an upper bound of [`Self::next_sequence`] for those who do not have the log. `size` is the size of the present
    /// log at its latest anchor, or 0 if it has none. No event with this sequence or a higher one is anchored.
    pub fn next_sequence_bound(&self, size: u64) -> u64 {
        self.end_of_room(size).max(self.earliest())
    }
}
