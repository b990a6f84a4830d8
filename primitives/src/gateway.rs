//! Gateways: their log keys, their record on chain, and their consent to belong to a party.

use crate::{
    ed25519::VerifyingKey,
    hash::Domain,
    signature::{PublicKey, Signature},
    AccountId, Hash, PartyId,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;

/// The Ed25519 public key that a gateway signs the notes of its log's checkpoints with. Not yet checked.
///
/// The account of a gateway is an sr25519 key, which tools for transparency logs cannot verify.
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
pub struct LogKey(pub [u8; 32]);

crate::hex_id::impl_hex_text!(LogKey, 32);

impl LogKey {
    /// Parses the key, or returns `None` if no signature can be valid for it: its bytes are not the canonical encoding
    /// of a point of the curve, or the point has small order.
    pub fn verifying_key(&self) -> Option<VerifyingKey> {
        VerifyingKey::from_bytes(&self.0)
    }
}

/// A gateway of a party, as the chain records it.
#[derive(
    Clone, Copy, PartialEq, Eq, Debug, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct GatewayRecord {
    /// The party that the gateway belongs to.
    pub party: PartyId,
    /// The key that the gateway signs the notes of its log's checkpoints with.
    pub log_key: LogKey,
}

/// The consent of a gateway to belong to a party, signed by the gateway.
///
/// It names the chain and the party, so that it cannot be reused for another registration, and the log key, so that the
/// party cannot register another one. The nonce makes it valid once: a gateway that left does not come back without a
/// new consent.
#[derive(Clone, PartialEq, Eq, Debug, Encode)]
pub struct GatewayConsent {
    /// The genesis hash of the chain.
    pub genesis: Hash,
    /// The account of the gateway.
    pub gateway: AccountId,
    /// The party that the gateway will belong to.
    pub party: PartyId,
    /// The gateway's log key.
    pub log_key: LogKey,
    /// The number of consents of this gateway that the chain has accepted so far.
    pub nonce: u32,
}

impl GatewayConsent {
    /// Returns the message to sign.
    pub fn message(&self) -> Hash {
        Domain::GatewayConsent.hash_of(self)
    }

    /// Returns true if the gateway made this signature.
    pub fn verify(&self, signature: &Signature) -> bool {
        PublicKey::Sr25519(self.gateway.0).verify(Domain::GatewayConsent, &self.message(), signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::sign_sr25519;

    fn log_key(seed: u8) -> LogKey {
        LogKey(ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key().to_bytes())
    }

    #[test]
    fn a_consent_covers_every_field() {
        let pair = schnorrkel::MiniSecretKey::from_bytes(&[7; 32])
            .unwrap()
            .expand_to_keypair(schnorrkel::ExpansionMode::Ed25519);
        let consent = GatewayConsent {
            genesis: Hash([1; 32]),
            gateway: AccountId(pair.public.to_bytes()),
            party: PartyId([2; 32]),
            log_key: log_key(3),
            nonce: 5,
        };
        let signature = sign_sr25519(&pair, Domain::GatewayConsent, &consent.message());
        assert!(consent.verify(&signature));
        let mut changed = vec![consent.clone(); 5];
        changed[0].genesis = Hash([9; 32]);
        changed[1].gateway = AccountId([9; 32]);
        changed[2].party = PartyId([9; 32]);
        changed[3].log_key = log_key(9);
        changed[4].nonce = 6;
        for changed in changed {
            assert!(!changed.verify(&signature), "{changed:?}");
        }
    }

    #[test]
    fn only_keys_that_can_verify_something_are_valid() {
        assert!(log_key(1).verifying_key().is_some());
        let (mut identity, mut not_canonical) = ([0; 32], [0xff; 32]);
        identity[0] = 1;
        not_canonical[31] = 0x7f;
        // y = 2 is on no point of the curve.
        let mut not_a_point = [0; 32];
        not_a_point[0] = 2;
        for bytes in [identity, not_canonical, not_a_point, [0; 32]] {
            assert!(LogKey(bytes).verifying_key().is_none(), "{}", LogKey(bytes));
        }
    }

    #[test]
    fn the_text_of_a_key_is_hexadecimal() {
        let key = log_key(1);
        assert_eq!(key.to_string(), format!("0x{}", hex::encode(key.0)));
        assert_eq!(key.to_string().parse(), Ok(key));
    }
}
