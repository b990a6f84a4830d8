//! The registration of gateways, devices and session keys: consents and the calls that carry them.

use super::{rpc::decode, Call, ChainClient, ChainError, Submitted};
use streembit_keystore::KeyPair;
use streembit_primitives::{
    consortium::SessionKeys, device::RegistrationConsent, gateway::GatewayConsent, hash::Domain, AccountId,
    DeviceKey, Hash, Signature,
};

/// Signs a gateway's consent to belong to a party. It covers the gateway's log key.
pub fn gateway_consent(genesis: Hash, gateway: &KeyPair, party: AccountId) -> Signature {
    let log_key = gateway.log_public_key();
    let consent = GatewayConsent { genesis, gateway: gateway.account(), party, log_key };
    gateway.sign(Domain::GatewayConsent, &consent.message())
}

/// Signs the consent to a device's registration, with the device's own key or the key of the gateway that signs for
/// it.
pub fn device_consent(registration: &RegistrationConsent, keys: &KeyPair) -> Signature {
    keys.sign(Domain::Registration, &registration.message())
}

impl ChainClient {
    /// Registers a gateway and its log key with a party. `gateway` signs the consent, and may submit transactions from
    /// then on.
    pub async fn add_gateway(&self, party: &KeyPair, gateway: &KeyPair) -> Result<Submitted, ChainError> {
        let consent = gateway_consent(self.genesis(), gateway, party.account());
        let log_key = gateway.log_public_key();
        self.submit(party, Call::AddGateway { gateway: gateway.account(), log_key, consent }).await
    }

    /// Generates session keys in the node's keystore and registers them for an account. A validator uses them from one
    /// of the next sessions on. The private keys never leave the node.
    pub async fn set_new_session_keys(&self, account: &KeyPair) -> Result<SessionKeys, ChainError> {
        let (keys, proof) = self.inner.rpc.rotate_keys(&account.account()).await?;
        let keys: SessionKeys = decode("new session keys", &keys)?;
        self.submit(account, Call::SetSessionKeys { keys, proof }).await?;
        Ok(keys)
    }

    /// Returns true if the node runs as a validator.
    pub async fn node_is_validator(&self) -> Result<bool, ChainError> {
        Ok(self.inner.rpc.roles().await?.iter().any(|role| role == "Authority"))
    }

    /// Builds the consent that a device has to sign to be registered on this chain.
    pub fn registration(&self, key: DeviceKey, owner: AccountId, gateway: AccountId) -> RegistrationConsent {
        RegistrationConsent { genesis: self.genesis(), key, owner, gateway }
    }

    /// Registers a device with its consent.
    pub async fn register_device(
        &self,
        owner: &KeyPair,
        registration: RegistrationConsent,
        consent: Signature,
    ) -> Result<Submitted, ChainError> {
        let RegistrationConsent { key, gateway, .. } = registration;
        self.submit(owner, Call::RegisterDevice { key, gateway, consent }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use streembit_primitives::Text;

    #[test]
    fn signed_consents_pass_the_chains_verification() {
        let (owner, gateway) = (KeyPair::from_dev_name("alice").unwrap(), KeyPair::from_seed([7; 32]));
        let genesis = Hash([1; 32]);
        let consent = gateway_consent(genesis, &gateway, owner.account());
        let log_key = gateway.log_public_key();
        let agreed = GatewayConsent { genesis, gateway: gateway.account(), party: owner.account(), log_key };
        assert!(agreed.verify(&consent));
        assert!(!GatewayConsent { genesis: Hash([2; 32]), ..agreed }.verify(&consent));

        let key = DeviceKey::Hosted { gateway: gateway.account(), label: Text::try_from("car").unwrap() };
        let registration =
            RegistrationConsent { genesis, key, owner: owner.account(), gateway: gateway.account() };
        assert!(registration.verify(&device_consent(&registration, &gateway)));
        assert!(!registration.verify(&device_consent(&registration, &owner)));
    }
}
