//! Reads of the chain's state, all at one finalized block.

use super::{
    rpc::{decode, Rpc},
    runtime::Runtime,
    ChainError, Finalized,
};
use codec::{Decode, Encode};
use streembit_keystore::party::PartyName;
use streembit_primitives::{
    checkpoint::{Anchor, AnchoredRoot, EpochState},
    consortium::{Consortium, Equivocation, QuotaStatus},
    contract::{
        state::{ClaimView, ClauseView, ContractView, Grant},
        ContractId,
    },
    device::DeviceRecord,
    party::{AccountRole, PartyRecord},
    AccountId, DeviceId, GatewayRecord, Hash, LogId, PartyId, PublicKey,
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

    /// The party that an account or a gateway belongs to, and its role, also if the role has ended. `None` if it belongs
    /// to no party.
    pub async fn role(&self, account: AccountId) -> Result<Option<AccountRole>, ChainError> {
        self.call("PartiesApi_role", &account).await
    }

    /// A party, or `None` if it does not belong to the consortium.
    pub async fn party(&self, party: PartyId) -> Result<Option<PartyRecord>, ChainError> {
        self.call("PartiesApi_party", &party).await
    }

    /// The parties, sorted by their ids.
    pub async fn parties(&self) -> Result<Vec<(PartyId, PartyRecord)>, ChainError> {
        self.call("PartiesApi_parties", &()).await
    }

    /// The party that a name stands for, or `None` if there is none. Digits that name no account are taken for a party's
    /// id, also if the party has left.
    pub async fn find_party(&self, name: &PartyName) -> Result<Option<PartyId>, ChainError> {
        match name {
            PartyName::Account(account) => Ok(self.role(*account).await?.map(|found| found.party)),
            PartyName::Digits(digits) => {
                let found = self.role(AccountId(*digits)).await?;
                Ok(Some(found.map_or(PartyId(*digits), |found| found.party)))
            }
        }
    }

    /// The nonce that the next consent of an account or a gateway must have.
    pub async fn consent_nonce(&self, account: AccountId) -> Result<u32, ChainError> {
        self.call("PartiesApi_consent_nonce", &account).await
    }

    /// The nonce that the next consent of a key must have, if it consents to the registration of a device or, as a gateway,
    /// to keep the log of one.
    pub async fn registration_nonce(&self, key: PublicKey) -> Result<u32, ChainError> {
        self.call("DevicesApi_consent_nonce", &key).await
    }

    /// The gateways of a party.
    pub async fn gateways(&self, party: PartyId) -> Result<Vec<AccountId>, ChainError> {
        self.call("PartiesApi_gateways", &party).await
    }

    /// The party and the log key of a gateway, or `None` if it belongs to no party.
    pub async fn gateway(&self, gateway: AccountId) -> Result<Option<GatewayRecord>, ChainError> {
        self.call("PartiesApi_gateway", &gateway).await
    }

    /// The parties, the council, the validators and the open motions.
    pub async fn consortium(&self) -> Result<Consortium, ChainError> {
        self.call("ConsortiumApi_consortium", &()).await
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

    /// The device that has or had this key, which is given by the id that a device with this first key would have.
    pub async fn device_of_key(&self, key: DeviceId) -> Result<Option<DeviceId>, ChainError> {
        self.call("DevicesApi_device_of_key", &key).await
    }

    /// The party that a device is offered to, or `None` if there is no offer.
    pub async fn offer(&self, device: DeviceId) -> Result<Option<PartyId>, ChainError> {
        self.call("DevicesApi_offer", &device).await
    }

    /// The devices whose logs a gateway keeps.
    pub async fn devices_of_gateway(&self, gateway: AccountId) -> Result<Vec<DeviceId>, ChainError> {
        self.call("DevicesApi_devices_of_gateway", &gateway).await
    }

    /// The devices that a party owns.
    pub async fn devices_of_owner(&self, owner: PartyId) -> Result<Vec<DeviceId>, ChainError> {
        self.call("DevicesApi_devices_of_owner", &owner).await
    }

    /// The number of a gateway's log, and whether it is open.
    pub async fn epoch(&self, gateway: AccountId) -> Result<EpochState, ChainError> {
        self.call("AnchorsApi_epoch", &gateway).await
    }

    /// The last anchor of a log, or `None` if it has none.
    pub async fn latest_anchor(&self, log: LogId) -> Result<Option<Anchor>, ChainError> {
        self.call("AnchorsApi_latest", &log).await
    }

    /// The root that a log was anchored with at `size`, and when, or `None` if the chain keeps no anchor of this size.
    pub async fn anchored_root(&self, log: LogId, size: u64) -> Result<Option<AnchoredRoot>, ChainError> {
        self.call("AnchorsApi_anchored_root", &(log, size)).await
    }

    /// The last anchored roots of a log, oldest first, and when each was anchored.
    pub async fn anchored_roots(&self, log: LogId) -> Result<Vec<AnchoredRoot>, ChainError> {
        self.call("AnchorsApi_anchored_roots", &log).await
    }

    /// A contract with its state. Its contents have the hashes that the node says, so whoever agrees to such a hash agrees
    /// to what was shown.
    pub async fn contract(&self, id: ContractId) -> Result<Option<ContractView>, ChainError> {
        let found: Option<ContractView> = self.call("ServiceContractsApi_contract", &id).await?;
        let Some(view) = &found else { return Ok(None) };
        let amended = view.amendment.as_ref();
        let is_right = view.id == id
            && view.content.hash() == view.hash
            && amended.is_none_or(|amendment| amendment.content.hash() == amendment.hash);
        if !is_right {
            return Err(ChainError::InvalidResponse {
                request: format!("contract {id}"),
                problem: "its id or the hash of a content is not that of what the node sent".into(),
            });
        }
        Ok(found)
    }

    /// The contracts of a party or an arbiter, with proposals and pending amendments.
    pub async fn contracts_of(&self, party: PartyId) -> Result<Vec<ContractId>, ChainError> {
        self.call("ServiceContractsApi_contracts_of", &party).await
    }

    /// The contracts in force about a device.
    pub async fn contracts_about(&self, device: DeviceId) -> Result<Vec<ContractId>, ChainError> {
        self.call("ServiceContractsApi_contracts_about", &device).await
    }

    /// The progress of the clauses of a contract, or `None` if there is no such contract.
    pub async fn clauses(&self, id: ContractId) -> Result<Option<Vec<ClauseView>>, ChainError> {
        self.call("ServiceContractsApi_clauses", &id).await
    }

    /// The claims under a contract, or `None` if there is no such contract.
    pub async fn claims(&self, id: ContractId) -> Result<Option<Vec<ClaimView>>, ChainError> {
        self.call("ServiceContractsApi_claims", &id).await
    }

    /// The grants in force on a device.
    pub async fn grants(&self, device: DeviceId) -> Result<Vec<Grant>, ChainError> {
        self.call("ServiceContractsApi_grants", &device).await
    }

    /// The grants in force that a contract gives.
    pub async fn grants_of(&self, id: ContractId) -> Result<Vec<Grant>, ChainError> {
        self.call("ServiceContractsApi_grants_of", &id).await
    }

    /// The hash that the ids of contracts are computed with: the genesis hash of the lineage's first chain.
    pub async fn lineage(&self) -> Result<Hash, ChainError> {
        self.call("ServiceContractsApi_lineage", &()).await
    }

    /// The live time, in milliseconds. It stands still while the chain stands still.
    pub async fn live_time(&self) -> Result<u64, ChainError> {
        self.call("ServiceContractsApi_live_time", &()).await
    }
}
