//! The consents of devices and gateways to a device's registration, its keys and its log.

use super::{DeviceId, DeviceKey};
use crate::{
    hash::Domain,
    signature::{PublicKey, Signature},
    Hash, LogId, PartyId,
};
use codec::Encode;

/// The consent to the registration of a device, signed by the device or, if it cannot sign, by its gateway.
///
/// It names the chain, the owner and the log, so that it cannot be reused for another registration. The nonce makes it
/// valid once. Nobody can register a key without its consent.
#[derive(Clone, PartialEq, Eq, Debug, Encode)]
pub struct RegistrationConsent {
    /// The genesis hash of the chain.
    pub genesis: Hash,
    /// The key of the device.
    pub key: DeviceKey,
    /// The party that will own the device.
    pub owner: PartyId,
    /// The log that the device's events will be in.
    pub log: LogId,
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

/// The consent of a gateway to keep a device's events in its log, signed by the gateway.
///
/// Without it, anybody could fill a gateway with devices. If the device is hosted, it also names the key that the gateway
/// will sign with.
#[derive(Clone, PartialEq, Eq, Debug, Encode)]
pub struct LogConsent {
    /// The genesis hash of the chain.
    pub genesis: Hash,
    /// The device.
    pub device: DeviceId,
    /// The device's key from now on.
    pub key: DeviceKey,
    /// The party that owns the device.
    pub owner: PartyId,
    /// The log of the gateway.
    pub log: LogId,
    /// The number of consents of the gateway that the chain has accepted so far. Consents to register hosted devices
    /// count too.
    pub nonce: u32,
}

impl LogConsent {
    /// Returns the message to sign.
    pub fn message(&self) -> Hash {
        Domain::LogConsent.hash_of(self)
    }

    /// Returns true if the gateway made this signature.
    pub fn verify(&self, signature: &Signature) -> bool {
        PublicKey::Sr25519(self.log.gateway.0).verify(Domain::LogConsent, &self.message(), signature)
    }
}

/// The consent to a new key of a device. The new key signs it, which shows that somebody holds it. If the key is rotated,
/// the key before it signs it too; if it is recovered, the owner decides alone.
///
/// A record only ever gets more keys, so their number makes each consent valid once.
#[derive(Clone, PartialEq, Eq, Debug, Encode)]
pub struct KeyConsent {
    /// The genesis hash of the chain.
    pub genesis: Hash,
    /// The device.
    pub device: DeviceId,
    /// The new key.
    pub key: DeviceKey,
    /// The party that owns the device.
    pub owner: PartyId,
    /// The sequence of the first event that the new key signs.
    pub from: u64,
    /// The number of keys that the device has had so far.
    pub keys: u32,
}

impl KeyConsent {
    /// Returns the message to sign.
    pub fn message(&self) -> Hash {
        Domain::KeyConsent.hash_of(self)
    }

    /// Returns true if `signer`, which is the new key or the key before it, made this signature.
    pub fn verify(&self, signer: &DeviceKey, signature: &Signature) -> bool {
        signer.consent_key().verify(Domain::KeyConsent, &self.message(), signature)
    }
}
