//! What the chain answers about the consortium.

use alloc::vec::Vec;
use streembit_primitives::{
    consortium::{Consortium, Equivocation, Membership, QuotaStatus},
    AccountId,
};

sp_api::decl_runtime_apis! {
    /// Parties and gateways. Since version 2 it tells `memberships` and `equivocations` and takes reports; what it told before
    /// stays as it was, so that clients of either understand both.
    #[api_version(2)]
    pub trait ConsortiumApi {
        /// Whether an account is a party.
        fn is_party(account: AccountId) -> bool;
        /// The gateways of a party, in no particular order.
        fn gateways(party: AccountId) -> Vec<AccountId>;
        /// The party that a gateway belongs to.
        fn party_of(gateway: AccountId) -> Option<AccountId>;
        /// The whole of it: parties, council, validators and open motions.
        fn consortium() -> Consortium;
        /// What an account has left to spend, with those it shares it with; `None` where it may not submit.
        fn quota(account: AccountId) -> Option<QuotaStatus>;
        /// Whether the next blocks have something to do by themselves, which they should soon: a change of the validators
        /// waits to come into force, or the migrations of a new runtime to be run.
        fn is_turning() -> bool;
        /// The parties and since when they are, sorted.
        fn memberships() -> Vec<(AccountId, Membership)>;
        /// Who contradicted itself as a validator and was not made one again since, oldest first.
        fn equivocations() -> Vec<Equivocation>;
        /// Puts the report of an author that made two blocks in one slot, by their headers, into the node's own pool, if it was
        /// not reported before. `None` where they prove nothing as of this block.
        fn submit_block_report(first: Block::Header, second: Block::Header) -> Option<()>;
    }
}
