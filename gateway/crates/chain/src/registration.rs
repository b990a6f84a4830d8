//! The registration of accounts, gateways and session keys: consents and the calls that carry them.

use super::{rpc::decode, Call, ChainClient, ChainError, Submitted, TransactionSigner};
use streembit_keystore::KeyPair;
use streembit_primitives::{
    consortium::SessionKeys, gateway::GatewayConsent, hash::Domain, party::AccountConsent, AccountId, Hash,
    PartyId, Scope, Signature,
};

/// Signs a gateway's consent to belong to a party. It covers the gateway's log key. `nonce` is the number of consents
/// of the gateway that the chain has accepted.
pub fn gateway_consent(genesis: Hash, gateway: &KeyPair, party: PartyId, nonce: u32) -> Signature {
    let log_key = gateway.log_public_key();
    let consent = GatewayConsent { genesis, gateway: gateway.account(), party, log_key, nonce };
    gateway.sign(Domain::GatewayConsent, &consent.message())
}

/// Signs the consent of an account to act for a party.
pub fn account_consent(consent: &AccountConsent, keys: &KeyPair) -> Signature {
    keys.sign(Domain::AccountConsent, &consent.message())
}

impl ChainClient {
    /// Returns the party of an account that may submit for it, or an error if the account belongs to no party.
    pub async fn party_of(&self, account: AccountId) -> Result<PartyId, ChainError> {
        let found = self.view().await?.role(account).await?;
        found.map(|found| found.party).ok_or(ChainError::NotPermitted { account })
    }

    /// Registers a gateway and its log key with the party of `signer`. `gateway` signs the consent, and may submit
    /// transactions from then on. Returns the party.
    pub async fn add_gateway(
        &self,
        signer: &impl TransactionSigner,
        gateway: &KeyPair,
    ) -> Result<(PartyId, Submitted), ChainError> {
        let party = self.party_of(signer.account()).await?;
        let nonce = self.view().await?.consent_nonce(gateway.account()).await?;
        let consent = gateway_consent(self.genesis(), gateway, party, nonce);
        let log_key = gateway.log_public_key();
        let call = Call::AddGateway { gateway: gateway.account(), log_key, consent };
        Ok((party, self.submit(signer, call).await?))
    }

    /// Builds the consent that an account has to sign to act for a party on this chain.
    pub async fn account_agreement(
        &self,
        party: PartyId,
        account: AccountId,
        scope: Scope,
        until: Option<u64>,
    ) -> Result<AccountConsent, ChainError> {
        let nonce = self.view().await?.consent_nonce(account).await?;
        Ok(AccountConsent { genesis: self.genesis(), party, account, scope, until, nonce })
    }

    /// Adds an account to the party of `signer` with the account's consent.
    pub async fn add_account(
        &self,
        signer: &impl TransactionSigner,
        agreed: AccountConsent,
        consent: Signature,
    ) -> Result<Submitted, ChainError> {
        let AccountConsent { account, scope, until, .. } = agreed;
        self.submit(signer, Call::AddAccount { account, scope, until, consent }).await
    }

    /// Generates session keys in the node's keystore and registers them for an account. A validator uses them from one
    /// of the next sessions on. The private keys never leave the node.
    pub async fn set_new_session_keys(
        &self,
        account: &impl TransactionSigner,
    ) -> Result<SessionKeys, ChainError> {
        let (keys, proof) = self.inner.rpc.rotate_keys(&account.account()).await?;
        let keys: SessionKeys = decode("new session keys", &keys)?;
        self.submit(account, Call::SetSessionKeys { keys, proof }).await?;
        Ok(keys)
    }

    /// Returns true if the node runs as a validator.
    pub async fn node_is_validator(&self) -> Result<bool, ChainError> {
        Ok(self.inner.rpc.roles().await?.iter().any(|role| role == "Authority"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_consents_pass_the_chains_verification() {
        let (owner, gateway) = (KeyPair::from_dev_name("alice").unwrap(), KeyPair::from_seed([7; 32]));
        let genesis = Hash([1; 32]);
        let party = PartyId::of_first_account(&owner.account());
        let consent = gateway_consent(genesis, &gateway, party, 3);
        let log_key = gateway.log_public_key();
        let agreed = GatewayConsent { genesis, gateway: gateway.account(), party, log_key, nonce: 3 };
        assert!(agreed.verify(&consent));
        assert!(!GatewayConsent { genesis: Hash([2; 32]), ..agreed }.verify(&consent));

        let (account, scope, until) = (gateway.account(), Scope::Contracts, Some(9));
        let agreed = AccountConsent { genesis, party, account, scope, until, nonce: 0 };
        assert!(agreed.verify(&account_consent(&agreed, &gateway)));
        assert!(!agreed.verify(&account_consent(&agreed, &owner)));
    }
}
