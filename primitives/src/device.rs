//! Devices: their ids and keys, their record on chain, and the consent to their registration.

use crate::{
    hash::Domain,
    signature::{PublicKey, Signature},
    AccountId, Hash, PartyId, Text,
};
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
        /// Distinguishes the device from the gateway's other devices, such as a vehicle identification number.
        label: Text<64>,
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
}

/// A registered device, as the chain records it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DeviceRecord {
    /// The key that the device's events are verified with.
    pub key: DeviceKey,
    /// The party that owns the device.
    pub owner: PartyId,
    /// The gateway that keeps the device's log.
    pub gateway: AccountId,
    /// The number of the block in which the device was registered.
    pub registered: u32,
}

/// The consent to the registration of a device, signed by the device or, if it cannot sign, by its gateway.
///
/// It names the chain, the owner and the gateway, so that it cannot be reused for another registration. The nonce makes
/// it valid once. Nobody can register a key without its consent.
#[derive(Clone, PartialEq, Eq, Debug, Encode)]
pub struct RegistrationConsent {
    /// The genesis hash of the chain.
    pub genesis: Hash,
    /// The key of the device.
    pub key: DeviceKey,
    /// The party that will own the device.
    pub owner: PartyId,
    /// The gateway that will keep the device's log.
    pub gateway: AccountId,
    /// The number of consents of [`DeviceKey::consent_key`] that the chain has accepted so far. It is 0 for a device
    /// that signs its own events, and rises with each device that a gateway hosts.
    pub nonce: u32,
}

impl RegistrationConsent {
    /// Returns the message to sign.
    pub fn message(&self) -> Hash {
        Domain::Registration.hash_of(self)
    }

    /// Returns true if [`DeviceKey::consent_key`] made this signature.
    pub fn verify(&self, signature: &Signature) -> bool {
        self.key.consent_key().verify(Domain::Registration, &self.message(), signature)
    }
}
