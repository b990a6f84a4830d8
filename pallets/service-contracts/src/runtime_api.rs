//! The queries about contracts that clients can make.

use alloc::vec::Vec;
use streembit_primitives::{
    contract::ContractId,
    contract_state::{ContractView, Grant, ServiceDue},
    DeviceId, PartyId,
};

sp_api::decl_runtime_apis! {
    /// Contracts, the services due under them, and the grants that they give.
    pub trait ServiceContractsApi {
        /// Returns a contract with its state and its records, oldest first. Returns `None` if there is no such
        /// contract.
        fn contract(id: ContractId) -> Option<ContractView>;
        /// Returns the contracts that name a party, proposals included, in no particular order.
        fn contracts_of(party: PartyId) -> Vec<ContractId>;
        /// Returns the due point and the meter of each service clause of a contract, or `None` if there is no such
        /// contract.
        fn due(id: ContractId) -> Option<Vec<ServiceDue>>;
        /// Returns the grants to read a device at the time of the queried block.
        fn grants(device: DeviceId) -> Vec<Grant>;
    }
}
