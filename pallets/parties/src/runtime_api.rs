//! The runtime API about parties and gateways.

use alloc::vec::Vec;
use streembit_primitives::{consortium::Membership, AccountId, GatewayRecord};

sp_api::decl_runtime_apis! {
    /// Parties and gateways.
    pub trait PartiesApi {
        /// Returns true if `account` is a party.
        fn is_party(account: AccountId) -> bool;
        /// Returns the gateways of a party, in no particular order.
        fn gateways(party: AccountId) -> Vec<AccountId>;
        /// Returns the party of a gateway.
        fn party_of(gateway: AccountId) -> Option<AccountId>;
        /// Returns the parties, sorted, each with the block since which it belongs.
        fn memberships() -> Vec<(AccountId, Membership)>;
        /// Returns the party and the log key of a gateway, or `None` if it does not belong to a party.
        fn gateway(gateway: AccountId) -> Option<GatewayRecord>;
    }
}
