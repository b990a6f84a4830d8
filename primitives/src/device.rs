//! What a device is known by.

use crate::{
    hash::Domain,
    signature::{PublicKey, Signature},
    AccountId, Hash, Text,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// The id of a device: the hash of its first key, so it survives key rotation.
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

crate::text::hex_text!(DeviceId, 32);

/// What a device's events are verified with.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum DeviceKey {
    /// The device signs its own events.
    Own(PublicKey),
    /// The device cannot sign (Zigbee, OBD-II): its gateway signs for it.
    Hosted {
        /// The gateway's account.
        gateway: AccountId,
        /// What tells it from the gateway's other devices, such as a vehicle's identification number.
        label: Text<64>,
    },
}

impl DeviceKey {
    /// The id that this key founds.
    pub fn device_id(&self) -> DeviceId {
        DeviceId(Domain::DeviceId.hash_of(self).0)
    }

    /// The key that consents to the device's registration: its own, or its gateway's.
    pub fn consenting(&self) -> PublicKey {
        match self {
            Self::Own(key) => *key,
            Self::Hosted { gateway, .. } => PublicKey::Sr25519(gateway.0),
        }
    }
}

/// What a device (or its gateway, where it cannot sign) agrees to when it is registered.
///
/// Names the chain, the owner and the gateway: a consent seen once registers nothing else, and a key that somebody
/// merely saw cannot be registered at all.
#[derive(Clone, PartialEq, Eq, Debug, Encode)]
pub struct Registration {
    /// The chain's genesis hash.
    pub genesis: Hash,
    /// The device's key.
    pub key: DeviceKey,
    /// The party that is to own it.
    pub owner: AccountId,
    /// The gateway that is to keep its log.
    pub gateway: AccountId,
}

impl Registration {
    /// What is signed.
    pub fn message(&self) -> Hash {
        Domain::Registration.hash_of(self)
    }

    /// Whether the device's key (or its gateway's) signed this.
    pub fn verify(&self, consent: &Signature) -> bool {
        self.key.consenting().verify(Domain::Registration, &self.message(), consent)
    }
}

/// What a gateway's key agrees to when a party takes it into its possession.
#[derive(Clone, PartialEq, Eq, Debug, Encode)]
pub struct GatewayConsent {
    /// The chain's genesis hash.
    pub genesis: Hash,
    /// The gateway's account.
    pub gateway: AccountId,
    /// The party that it is to belong to.
    pub party: AccountId,
}

impl GatewayConsent {
    /// What is signed.
    pub fn message(&self) -> Hash {
        Domain::GatewayConsent.hash_of(self)
    }

    /// Whether the gateway's key signed this.
    pub fn verify(&self, consent: &Signature) -> bool {
        PublicKey::Sr25519(self.gateway.0).verify(Domain::GatewayConsent, &self.message(), consent)
    }
}
