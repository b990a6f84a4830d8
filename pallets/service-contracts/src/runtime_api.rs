//! What the chain answers about contracts.

use alloc::vec::Vec;
use streembit_primitives::{
    contract::ContractId,
    contract_state::{ContractView, Grant, ServiceDue},
    AccountId, DeviceId,
};

sp_api::decl_runtime_apis! {
    /// Contracts, what is due under them, and the grants that they give.
    pub trait ServiceContractsApi {
        /// A contract with its state and its records, oldest first.
        fn contract(id: ContractId) -> Option<ContractView>;
        /// The contracts that name a party, proposals included, in no particular order.
        fn contracts_of(party: AccountId) -> Vec<ContractId>;
        /// What is due under each service clause of a contract; `None` where there is no such contract.
        fn due(id: ContractId) -> Option<Vec<ServiceDue>>;
        /// Who may read a device at the time of the block that is asked.
        fn grants(device: DeviceId) -> Vec<Grant>;
    }
}
