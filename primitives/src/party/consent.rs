//! The consent of an account to act for a party.

use super::{PartyId, Scope};
use crate::{
    hash::Domain,
    signature::{PublicKey, Signature},
    AccountId, Hash,
};
use codec::Encode;

/// The consent of an account to act for a party, signed by the account.
///
/// It names the chain and the party, so that it cannot be reused for another party, and what was agreed on. The nonce
/// makes it valid once.
#[derive(Clone, PartialEq, Eq, Debug, Encode)]
pub struct AccountConsent {
    /// The genesis hash of the chain.
    pub genesis: Hash,
    /// The party that the account will act for.
    pub party: PartyId,
    /// The account.
    pub account: AccountId,
    /// What the account may do.
    pub scope: Scope,
    /// When the account ends (exclusive), in milliseconds since 1970-01-01 UTC. `None` if it does not end.
    pub until: Option<u64>,
    /// The number of consents of this account that the chain has accepted so far.
    pub nonce: u32,
}

impl AccountConsent {
    /// Returns the message to sign.
    pub fn message(&self) -> Hash {
        Domain::AccountConsent.hash_of(self)
    }

    /// Returns true if the account made this signature.
    pub fn verify(&self, signature: &Signature) -> bool {
        PublicKey::Sr25519(self.account.0).verify(Domain::AccountConsent, &self.message(), signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::sign_sr25519;

    #[test]
    fn a_consent_covers_every_field() {
        let pair = schnorrkel::MiniSecretKey::from_bytes(&[7; 32])
            .unwrap()
            .expand_to_keypair(schnorrkel::ExpansionMode::Ed25519);
        let consent = AccountConsent {
            genesis: Hash([1; 32]),
            party: PartyId([2; 32]),
            account: AccountId(pair.public.to_bytes()),
            scope: Scope::Contracts,
            until: Some(7),
            nonce: 3,
        };
        let signature = sign_sr25519(&pair, Domain::AccountConsent, &consent.message());
        assert!(consent.verify(&signature));
        for changed in [
            AccountConsent { genesis: Hash([9; 32]), ..consent.clone() },
            AccountConsent { party: PartyId([9; 32]), ..consent.clone() },
            AccountConsent { account: AccountId([9; 32]), ..consent.clone() },
            AccountConsent { scope: Scope::All, ..consent.clone() },
            AccountConsent { until: None, ..consent.clone() },
            AccountConsent { nonce: 4, ..consent.clone() },
        ] {
            assert!(!changed.verify(&signature), "{changed:?}");
        }
        let elsewhere = sign_sr25519(&pair, Domain::GatewayConsent, &consent.message());
        assert!(!consent.verify(&elsewhere), "a signature made for another purpose");
    }
}
