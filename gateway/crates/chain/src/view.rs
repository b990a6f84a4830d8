//! Questions to the chain's state, all at one finalized block.

use super::{
    rpc::{decode, Rpc},
    runtime::Runtime,
    ChainError, Finalized,
};
use codec::{Decode, Encode};
use streembit_primitives::{
    checkpoint::Anchor,
    consortium::{Consortium, Equivocation, Membership, QuotaStatus},
    contract::ContractId,
    contract_state::{ContractView, Grant, ServiceDue},
    device::DeviceRecord,
    AccountId, DeviceId, Hash, LogId,
};
use subxt::config::substrate::H256;

/// The chain's state at one finalized block.
#[derive(Clone, Debug)]
pub struct ChainView {
    rpc: Rpc,
    runtime: Runtime,
    block: Finalized,
}

impl ChainView {
    pub(super) fn new(rpc: Rpc, runtime: Runtime, block: Finalized) -> Self {
        Self { rpc, runtime, block }
    }

    /// The block.
    pub fn block(&self) -> Finalized {
        self.block
    }

    /// The version of the runtime that the next block is made by.
    pub fn runtime_version(&self) -> u32 {
        self.runtime.version()
    }

    /// The hash of the code that the council decided on and that nobody has brought in yet.
    pub async fn authorized_code(&self) -> Result<Option<Hash>, ChainError> {
        self.rpc.authorized_code(H256(self.block.hash.0)).await
    }

    async fn ask<T: Decode>(&self, method: &str, input: &impl Encode) -> Result<T, ChainError> {
        self.runtime.check_fit(method)?;
        let answer = self.rpc.call(method, &input.encode(), H256(self.block.hash.0)).await?;
        decode(method, &answer)
    }

    /// Whether the account is a party.
    pub async fn is_party(&self, account: AccountId) -> Result<bool, ChainError> {
        self.ask("PartiesApi_is_party", &account).await
    }

    /// A party's gateways.
    pub async fn gateways(&self, party: AccountId) -> Result<Vec<AccountId>, ChainError> {
        self.ask("PartiesApi_gateways", &party).await
    }

    /// The party that a gateway belongs to.
    pub async fn party_of(&self, gateway: AccountId) -> Result<Option<AccountId>, ChainError> {
        self.ask("PartiesApi_party_of", &gateway).await
    }

    /// Parties, council, validators and open motions.
    pub async fn consortium(&self) -> Result<Consortium, ChainError> {
        self.ask("ConsortiumApi_consortium", &()).await
    }

    /// Since when the parties are parties; `None` where the runtime is older than this question.
    pub async fn memberships(&self) -> Result<Option<Vec<(AccountId, Membership)>>, ChainError> {
        let question = "PartiesApi_memberships";
        if self.runtime.check_fit(question).is_err() {
            return Ok(None);
        }
        self.ask(question, &()).await.map(Some)
    }

    /// Who contradicted itself as a validator and was not made one again since; nobody where the runtime is older than this
    /// question.
    pub async fn equivocations(&self) -> Result<Vec<Equivocation>, ChainError> {
        let question = "ValidatorsApi_equivocations";
        if self.runtime.check_fit(question).is_err() {
            return Ok(Vec::new());
        }
        self.ask(question, &()).await
    }

    /// What an account has left to spend on transactions; `None` where it may not submit.
    pub async fn quota(&self, account: AccountId) -> Result<Option<QuotaStatus>, ChainError> {
        self.ask("QuotasApi_quota", &account).await
    }

    /// A device.
    pub async fn device(&self, id: DeviceId) -> Result<Option<DeviceRecord>, ChainError> {
        self.ask("DevicesApi_device", &id).await
    }

    /// The devices whose logs a gateway keeps.
    pub async fn devices_of_gateway(&self, gateway: AccountId) -> Result<Vec<DeviceId>, ChainError> {
        self.ask("DevicesApi_devices_of_gateway", &gateway).await
    }

    /// The devices that a party owns.
    pub async fn devices_of_owner(&self, owner: AccountId) -> Result<Vec<DeviceId>, ChainError> {
        self.ask("DevicesApi_devices_of_owner", &owner).await
    }

    /// The last anchor of a log.
    pub async fn latest_anchor(&self, log: LogId) -> Result<Option<Anchor>, ChainError> {
        self.ask("AnchorsApi_latest", &log).await
    }

    /// The root that a log was anchored with at a size, where that is the last anchor or one of those before it
    /// that the chain keeps.
    pub async fn anchored_root(&self, log: LogId, size: u64) -> Result<Option<Hash>, ChainError> {
        self.ask("AnchorsApi_anchored_root", &(log, size)).await
    }

    /// A contract with its state.
    pub async fn contract(&self, id: ContractId) -> Result<Option<ContractView>, ChainError> {
        self.ask("ServiceContractsApi_contract", &id).await
    }

    /// The contracts of a party.
    pub async fn contracts_of(&self, party: AccountId) -> Result<Vec<ContractId>, ChainError> {
        self.ask("ServiceContractsApi_contracts_of", &party).await
    }

    /// What is due under a contract; `None` where there is no such contract.
    pub async fn due(&self, id: ContractId) -> Result<Option<Vec<ServiceDue>>, ChainError> {
        self.ask("ServiceContractsApi_due", &id).await
    }

    /// Who may read a device.
    pub async fn grants(&self, device: DeviceId) -> Result<Vec<Grant>, ChainError> {
        self.ask("ServiceContractsApi_grants", &device).await
    }
}
