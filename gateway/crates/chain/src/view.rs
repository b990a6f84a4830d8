//! Reads of the chain's state, all at one finalized block.

use super::{
    rpc::{decode, Rpc},
    runtime::Runtime,
    ChainError, Finalized,
};
use codec::{Decode, Encode};
use streembit_primitives::{
    checkpoint::{Anchor, AnchoredRoot},
    consortium::{Consortium, Equivocation, Membership, QuotaStatus},
    contract::ContractId,
    contract_state::{ContractView, Grant, ServiceDue},
    device::DeviceRecord,
    AccountId, DeviceId, GatewayRecord, Hash, LogId,
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

    /// The finalized block.
    pub fn block(&self) -> Finalized {
        self.block
    }

    /// The version of the runtime that executes the next block.
    pub fn runtime_version(&self) -> u32 {
        self.runtime.version()
    }

    /// The hash of the runtime code that the council has authorized and nobody has applied yet.
    pub async fn authorized_code(&self) -> Result<Option<Hash>, ChainError> {
        self.rpc.authorized_code(H256(self.block.hash.0)).await
    }

    async fn call<T: Decode>(&self, method: &str, input: &impl Encode) -> Result<T, ChainError> {
        self.runtime.ensure_compatible(method)?;
        let answer = self.rpc.call(method, &input.encode(), H256(self.block.hash.0)).await?;
        decode(method, &answer)
    }

    /// Returns true if the account is a party.
    pub async fn is_party(&self, account: AccountId) -> Result<bool, ChainError> {
        self.call("PartiesApi_is_party", &account).await
    }

    /// The gateways of a party.
    pub async fn gateways(&self, party: AccountId) -> Result<Vec<AccountId>, ChainError> {
        self.call("PartiesApi_gateways", &party).await
    }

    /// The party that a gateway belongs to, or `None` if it belongs to none.
    pub async fn party_of(&self, gateway: AccountId) -> Result<Option<AccountId>, ChainError> {
        self.call("PartiesApi_party_of", &gateway).await
    }

    /// The party and the log key of a gateway, or `None` if it belongs to no party.
    pub async fn gateway(&self, gateway: AccountId) -> Result<Option<GatewayRecord>, ChainError> {
        self.call("PartiesApi_gateway", &gateway).await
    }

    /// The parties, the council, the validators and the open motions.
    pub async fn consortium(&self) -> Result<Consortium, ChainError> {
        self.call("ConsortiumApi_consortium", &()).await
    }

    /// The memberships of the parties, or `None` if the runtime is too old to list them.
    pub async fn memberships(&self) -> Result<Option<Vec<(AccountId, Membership)>>, ChainError> {
        let method = "PartiesApi_memberships";
        if self.runtime.ensure_compatible(method).is_err() {
            return Ok(None);
        }
        self.call(method, &()).await.map(Some)
    }

    /// The equivocations of accounts that have not become validators again since. Empty if the runtime is too old to
    /// list them.
    pub async fn equivocations(&self) -> Result<Vec<Equivocation>, ChainError> {
        let method = "ValidatorsApi_equivocations";
        if self.runtime.ensure_compatible(method).is_err() {
            return Ok(Vec::new());
        }
        self.call(method, &()).await
    }

    /// The rest of an account's quota, or `None` if the account may not submit transactions.
    pub async fn quota(&self, account: AccountId) -> Result<Option<QuotaStatus>, ChainError> {
        self.call("QuotasApi_quota", &account).await
    }

    /// A device, or `None` if it is not registered.
    pub async fn device(&self, id: DeviceId) -> Result<Option<DeviceRecord>, ChainError> {
        self.call("DevicesApi_device", &id).await
    }

    /// The devices whose logs a gateway keeps.
    pub async fn devices_of_gateway(&self, gateway: AccountId) -> Result<Vec<DeviceId>, ChainError> {
        self.call("DevicesApi_devices_of_gateway", &gateway).await
    }

    /// The devices that a party owns.
    pub async fn devices_of_owner(&self, owner: AccountId) -> Result<Vec<DeviceId>, ChainError> {
        self.call("DevicesApi_devices_of_owner", &owner).await
    }

    /// The last anchor of a log, or `None` if it has none.
    pub async fn latest_anchor(&self, log: LogId) -> Result<Option<Anchor>, ChainError> {
        self.call("AnchorsApi_latest", &log).await
    }

    /// The root that a log was anchored with at `size`, and when, or `None` if the chain keeps no anchor of this size.
    pub async fn anchored_root(&self, log: LogId, size: u64) -> Result<Option<AnchoredRoot>, ChainError> {
        self.call("AnchorsApi_anchored_root", &(log, size)).await
    }

    /// A contract with its state.
    pub async fn contract(&self, id: ContractId) -> Result<Option<ContractView>, ChainError> {
        self.call("ServiceContractsApi_contract", &id).await
    }

    /// The contracts of a party.
    pub async fn contracts_of(&self, party: AccountId) -> Result<Vec<ContractId>, ChainError> {
        self.call("ServiceContractsApi_contracts_of", &party).await
    }

    /// The services that are due under a contract, or `None` if there is no such contract.
    pub async fn due(&self, id: ContractId) -> Result<Option<Vec<ServiceDue>>, ChainError> {
        self.call("ServiceContractsApi_due", &id).await
    }

    /// The grants on a device.
    pub async fn grants(&self, device: DeviceId) -> Result<Vec<Grant>, ChainError> {
        self.call("ServiceContractsApi_grants", &device).await
    }
}
