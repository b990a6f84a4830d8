//! Reads of the chain's state, all at one finalized block.

use super::{
    call,
    rpc::{decode, Rpc},
    runtime::Runtime,
    AllowedChange, ChainError, Finalized,
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

    /// The change of a device that the council allows without a proof, or `None` if there is none.
    pub async fn allowed_change(&self, device: DeviceId) -> Result<Option<AllowedChange>, ChainError> {
        self.runtime.ensure_compatible(&call::allowed_changes().name())?;
        self.rpc.allowed_change(&device, H256(self.block.hash.0)).await
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
        if let Some(view) = &found {
            ensure_contents_match(id, view)?;
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

/// Ensures that an answer is about the contract `id`, and that its contents have the hashes beside them.
fn ensure_contents_match(id: ContractId, view: &ContractView) -> Result<(), ChainError> {
    let amended = view.amendment.as_ref();
    let problem = if view.id != id {
        "it is about another contract"
    } else if view.content.hash() != view.hash {
        "the content does not have the hash that the node sent with it"
    } else if amended.is_some_and(|amendment| amendment.content.hash() != amendment.hash) {
        "the amendment does not have the hash that the node sent with it"
    } else {
        return Ok(());
    };
    Err(ChainError::InvalidResponse { request: format!("contract {id}"), problem: problem.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::{to_raw_value, RawValue};
    use streembit_primitives::{
        contract::{
            state::{AmendmentView, ContractState},
            AcceptedSigners, ContentHash, ContractContent, Deadlines, OnChange, Terms, Verdict,
        },
        device::DecidedChange,
    };
    use subxt_rpcs::{
        client::{RawRpcFuture, RawRpcSubscription, RpcClient, RpcClientT},
        Error,
    };

    const METADATA: &[u8] = include_bytes!("../../../../runtime/metadata.scale");
    const ID: ContractId = ContractId([8; 32]);

    /// A node that gives one answer to all requests.
    struct FakeNode(Vec<u8>);

    impl RpcClientT for FakeNode {
        fn request_raw<'a>(
            &'a self,
            _method: &'a str,
            _params: Option<Box<RawValue>>,
        ) -> RawRpcFuture<'a, Box<RawValue>> {
            let answer = to_raw_value(&format!("0x{}", hex::encode(&self.0)));
            Box::pin(async move { answer.map_err(Error::Serialization) })
        }

        fn subscribe_raw<'a>(
            &'a self,
            _sub: &'a str,
            _params: Option<Box<RawValue>>,
            _unsub: &'a str,
        ) -> RawRpcFuture<'a, RawRpcSubscription> {
            Box::pin(async { Err(Error::Client("there are no subscriptions".into())) })
        }
    }

    /// A view of the chain through a node with this answer.
    fn view_of(answer: &impl Encode) -> ChainView {
        let rpc = Rpc::new(RpcClient::new(FakeNode(answer.encode())), "fake".into());
        let runtime = Runtime::check(1, 1, H256::zero(), METADATA).unwrap();
        ChainView::new(rpc, runtime, Finalized { number: 1, hash: Hash([1; 32]), time: 0 })
    }

    fn content(nonce: u8) -> ContractContent {
        ContractContent::V1(Terms {
            nonce: Hash([nonce; 32]),
            parties: Default::default(),
            arbiter: None,
            devices: Default::default(),
            starts: 0,
            ends: None,
            deadlines: Deadlines { accept: 1, notice: None, contest: 1, rule: 1 },
            unruled: Verdict::Void,
            on_sale: OnChange::Ends,
            on_leave: OnChange::Ends,
            signers: AcceptedSigners::GatewayToo,
            documents: Default::default(),
            clauses: Default::default(),
        })
    }

    /// A contract with a pending amendment, as an honest node sends it.
    fn contract() -> ContractView {
        let (content, amended) = (content(1), content(2));
        ContractView {
            id: ID,
            first: content.hash(),
            hash: content.hash(),
            content,
            version: 0,
            state: ContractState::Active,
            proposer: PartyId([1; 32]),
            accepted: Vec::new(),
            lapses: None,
            activated: None,
            notices: Vec::new(),
            amendment: Some(AmendmentView {
                hash: amended.hash(),
                content: amended,
                proposer: PartyId([1; 32]),
                accepted: Vec::new(),
                missing: Vec::new(),
                lapses: 1,
            }),
            waits_until: None,
            ended: None,
            prunable_from: None,
            next_claim: 0,
            live_time: 0,
        }
    }

    #[tokio::test]
    async fn a_contract_is_read_only_if_its_contents_have_the_hashes_beside_them() {
        let honest = contract();
        assert_eq!(view_of(&Some(honest.clone())).contract(ID).await, Ok(Some(honest.clone())));
        assert_eq!(view_of(&None::<ContractView>).contract(ID).await, Ok(None));

        let with_amendment = |change: fn(&mut AmendmentView)| {
            let mut amendment = honest.amendment.clone().unwrap();
            change(&mut amendment);
            ContractView { amendment: Some(amendment), ..honest.clone() }
        };
        for (forged, problem) in [
            (ContractView { id: ContractId([9; 32]), ..honest.clone() }, "another contract"),
            (ContractView { content: content(3), ..honest.clone() }, "the content"),
            (ContractView { hash: ContentHash([9; 32]), ..honest.clone() }, "the content"),
            (with_amendment(|amendment| amendment.content = content(3)), "the amendment"),
            (with_amendment(|amendment| amendment.hash = ContentHash([9; 32])), "the amendment"),
        ] {
            let error = view_of(&Some(forged)).contract(ID).await.unwrap_err();
            assert!(matches!(error, ChainError::InvalidResponse { .. }), "{error:?}");
            assert!(error.to_string().contains(problem), "{error}");
        }
    }

    #[tokio::test]
    async fn the_change_that_the_council_allows_is_read_from_the_storage() {
        let view = view_of(&(DecidedChange::Key, 7u64));
        let allowed = AllowedChange { change: DecidedChange::Key, from: 7 };
        assert_eq!(view.allowed_change(DeviceId([4; 32])).await, Ok(Some(allowed)));
        let error = view_of(&7u64).allowed_change(DeviceId([4; 32])).await.unwrap_err();
        assert!(error.to_string().contains("the council allows"), "{error}");
    }
}
