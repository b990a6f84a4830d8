//! Taking gateways, devices and validators in: what has to be signed by whom, and the calls.

use super::{rpc::decode, Call, ChainClient, ChainError, Submitted};
use streembit_keystore::KeyPair;
use streembit_primitives::{
    consortium::SessionKeys,
    device::{GatewayConsent, RegistrationConsent},
    hash::Domain,
    AccountId, DeviceKey, Hash, Signature,
};

/// A gateway's consent to belong to a party.
pub fn gateway_consent(genesis: Hash, gateway: &KeyPair, party: AccountId) -> Signature {
    let consent = GatewayConsent { genesis, gateway: gateway.account(), party };
    gateway.sign(Domain::GatewayConsent, &consent.message())
}

/// A device's consent to its registration, by its own key or by that of the gateway that signs for it.
pub fn device_consent(registration: &RegistrationConsent, keys: &KeyPair) -> Signature {
    keys.sign(Domain::Registration, &registration.message())
}

impl ChainClient {
    /// A party takes a gateway in, whose key consents; the gateway may submit from then on.
    pub async fn add_gateway(&self, party: &KeyPair, gateway: &KeyPair) -> Result<Submitted, ChainError> {
        let consent = gateway_consent(self.genesis(), gateway, party.account());
        self.submit(party, Call::AddGateway { gateway: gateway.account(), consent }).await
    }

    /// Makes new session keys in the node's keystore and sets them for an account, which validates with them from the
    /// next sessions on if it is a validator. The keys never leave the node.
    pub async fn set_new_session_keys(&self, account: &KeyPair) -> Result<SessionKeys, ChainError> {
        let (keys, proof) = self.inner.rpc.rotate_keys(&account.account()).await?;
        let keys: SessionKeys = decode("new session keys", &keys)?;
        self.submit(account, Call::SetSessionKeys { keys, proof }).await?;
        Ok(keys)
    }

    /// Whether the node is run as a validator.
    pub async fn node_is_validator(&self) -> Result<bool, ChainError> {
        Ok(self.inner.rpc.roles().await?.iter().any(|role| role == "Authority"))
    }

    /// What a device has to consent to, to be registered on this chain.
    pub fn registration(&self, key: DeviceKey, owner: AccountId, gateway: AccountId) -> RegistrationConsent {
        RegistrationConsent { genesis: self.genesis(), key, owner, gateway }
    }

    /// A party registers a device that consents.
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
    fn consents_are_what_the_chain_verifies() {
        let (owner, gateway) = (KeyPair::from_dev_name("alice").unwrap(), KeyPair::from_seed([7; 32]));
        let genesis = Hash([1; 32]);
        let consent = gateway_consent(genesis, &gateway, owner.account());
        let agreed = GatewayConsent { genesis, gateway: gateway.account(), party: owner.account() };
        assert!(agreed.verify(&consent));
        assert!(!GatewayConsent { genesis: Hash([2; 32]), ..agreed }.verify(&consent));

        let key = DeviceKey::Hosted { gateway: gateway.account(), label: Text::try_from("car").unwrap() };
        let registration =
            RegistrationConsent { genesis, key, owner: owner.account(), gateway: gateway.account() };
        assert!(registration.verify(&device_consent(&registration, &gateway)));
        assert!(!registration.verify(&device_consent(&registration, &owner)));
    }
}
