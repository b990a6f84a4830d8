//! The queries about contracts that clients can make.

use alloc::vec::Vec;
use streembit_primitives::{
    contract::{
        state::{ClaimView, ClauseView, ContractView, Grant},
        ContractId,
    },
    DeviceId, Hash, PartyId,
};

sp_api::decl_runtime_apis! {
    /// Contracts, what is due and claimed under them, and the rights that they give.
    pub trait ServiceContractsApi {
        /// Returns a contract with its state, or `None` if there is no such contract.
        fn contract(id: ContractId) -> Option<ContractView>;
        /// Returns the contracts that name a party, also as the arbiter, also in a proposal or an amendment, in no
        /// particular order.
        fn contracts_of(party: PartyId) -> Vec<ContractId>;
        /// Returns the contracts in force about a device.
        fn contracts_about(device: DeviceId) -> Vec<ContractId>;
        /// Returns the clauses of a contract with their progress and due points, or `None` if there is no such contract.
        fn clauses(id: ContractId) -> Option<Vec<ClauseView>>;
        /// Returns the claims under a contract with their disputes, oldest first, or `None` if there is no such contract.
        fn claims(id: ContractId) -> Option<Vec<ClaimView>>;
        /// Returns the rights to a device at the time of the queried block.
        fn grants(device: DeviceId) -> Vec<Grant>;
        /// Returns the rights that a contract gives at the time of the queried block.
        fn grants_of(id: ContractId) -> Vec<Grant>;
        /// Returns the genesis hash of the first chain of this lineage, with which the ids of contracts are computed.
        fn lineage() -> Hash;
        /// Returns the live time of the queried block in milliseconds. Deadlines are in live time.
        fn live_time() -> u64;
    }
}
