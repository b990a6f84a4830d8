//! Devices: their ids and keys, their record on chain, and the consents to what it holds.

mod consent;
mod continuity;
mod decision;
mod history;
mod last_anchored;
mod record;
#[cfg(test)]
mod tests;

pub use consent::{KeyConsent, LogConsent, RegistrationConsent};
pub use decision::{CouncilDecision, DecidedChange, MAX_DECISIONS};
pub use history::{History, MAX_LATER};
pub use last_anchored::LastAnchored;
pub use record::{
    ChangeTime, DeviceChangeError, DeviceRecord, DeviceState, KeyChange, KeyPeriod, LogPeriod, LostRange,
    OwnerPeriod, MAX_LEAP, MAX_LOST,
};

use crate::{hash::Domain, signature::PublicKey, AccountId};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// The id of a device: the hash of its first key, so that the id survives a change of keys.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct DeviceId(pub [u8; 32]);

crate::hex_id::impl_hex_text!(DeviceId, 32);

/// The salted hash of the label of a hosted device. Without the salt, nobody can try which label it is.
#[derive(
    Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct LabelHash(pub [u8; 32]);

crate::hex_id::impl_hex_text!(LabelHash, 32);

impl LabelHash {
    /// Hashes a label with a secret salt.
    pub fn new(salt: &[u8; 32], label: &str) -> Self {
        Self(Domain::Label.hash_of(&(salt, label.as_bytes())).0)
    }
}

/// The key that a device's events are verified with.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum DeviceKey {
    /// The device signs its own events.
    Own(PublicKey),
    /// The device cannot sign (such as Zigbee or OBD-II devices), so its gateway signs for it.
    Hosted {
        /// The account of the gateway.
        gateway: AccountId,
        /// Distinguishes the device from the gateway's other devices. The label itself, such as a vehicle
        /// identification number, is not on chain.
        label: LabelHash,
    },
}

impl DeviceKey {
    /// Returns the id of the device whose first key this is.
    pub fn device_id(&self) -> DeviceId {
        DeviceId(Domain::DeviceId.hash_of(self).0)
    }

    /// Returns the key that must consent to the registration of the device: its own, or that of its gateway.
    pub fn consent_key(&self) -> PublicKey {
        match self {
            Self::Own(key) => *key,
            Self::Hosted { gateway, .. } => PublicKey::Sr25519(gateway.0),
        }
    }

    /// Returns true if a gateway may keep the log of a device with this key: only its host can sign for a hosted device.
    pub fn may_be_kept_by(&self, keeper: &AccountId) -> bool {
        match self {
            Self::Own(_) => true,
            Self::Hosted { gateway, .. } => gateway == keeper,
        }
    }
}
