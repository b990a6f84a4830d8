//! The runtime API about parties, their accounts and their gateways.

use alloc::vec::Vec;
use streembit_primitives::{
    party::{AccountRole, PartyRecord},
    AccountId, GatewayRecord, PartyId,
};

sp_api::decl_runtime_apis! {
    /// Parties, their accounts and their gateways.
    pub trait PartiesApi {
        /// Returns the party that an account or a gateway belongs to, and its role, also if the role has ended. `None`
        /// if it belongs to no party.
        fn role(account: AccountId) -> Option<AccountRole>;
        /// Returns a party, or `None` if it does not belong to the consortium.
        fn party(party: PartyId) -> Option<PartyRecord>;
        /// Returns the parties, sorted by their ids.
        fn parties() -> Vec<(PartyId, PartyRecord)>;
        /// Returns the gateways of a party, in no particular order.
        fn gateways(party: PartyId) -> Vec<AccountId>;
        /// Returns the party and the log key of a gateway, or `None` if it does not belong to a party.
        fn gateway(gateway: AccountId) -> Option<GatewayRecord>;
        /// Returns the nonce that the next consent of an account or a gateway must have.
        fn consent_nonce(account: AccountId) -> u32;
    }
}
