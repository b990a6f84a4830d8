//! What other pallets and the runtime API ask about parties and gateways.

use crate::{Config, Gateways, GatewaysOf, Pallet, Parties, PartyLookup};
use alloc::vec::Vec;
use core::marker::PhantomData;
use frame_support::traits::{Contains, Get};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::traits::Zero;
use streembit_primitives::{consortium::Membership, AccountId, GatewayRecord, Hash};

/// The set of all parties.
pub struct IsParty<T>(PhantomData<T>);

impl<T: Config> Contains<AccountId> for IsParty<T> {
    fn contains(account: &AccountId) -> bool {
        Pallet::<T>::is_party(account)
    }
}

/// The set of all gateways that belong to a party.
pub struct IsGateway<T>(PhantomData<T>);

impl<T: Config> Contains<AccountId> for IsGateway<T> {
    fn contains(account: &AccountId) -> bool {
        Pallet::<T>::is_gateway(account)
    }
}

/// The hash of the genesis block, which names the chain in every consent and contract.
///
/// `frame-system` prunes the hashes of old blocks but keeps this one. It is stored with block 1, so every call sees it;
/// while the genesis itself is built there is none yet.
pub struct GenesisHash<T>(PhantomData<T>);

impl<T: Config> Get<Hash> for GenesisHash<T> {
    fn get() -> Hash {
        Hash(frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero()).into())
    }
}

impl<T: Config> PartyLookup for Pallet<T> {
    fn acts_for(account: &AccountId) -> Option<AccountId> {
        if Self::is_party(account) {
            return Some(*account);
        }
        Self::party_of(account)
    }

    fn belongs_to(account: &AccountId, party: &AccountId) -> bool {
        account == party || Gateways::<T>::get(account).is_some_and(|gateway| gateway.party == *party)
    }
}

impl<T: Config> Pallet<T> {
    /// Returns true if `account` is a party.
    pub fn is_party(account: &AccountId) -> bool {
        Parties::<T>::contains_key(account)
    }

    /// Returns the gateways of a party, in no particular order.
    pub fn gateways(party: &AccountId) -> Vec<AccountId> {
        if !Self::is_party(party) {
            return Vec::new();
        }
        GatewaysOf::<T>::iter_key_prefix(party).collect()
    }

    /// Returns the record of a gateway, or `None` if it does not belong to a party.
    pub fn gateway(gateway: &AccountId) -> Option<GatewayRecord> {
        Gateways::<T>::get(gateway).filter(|record| Self::is_party(&record.party))
    }

    /// Returns the party of a gateway.
    pub fn party_of(gateway: &AccountId) -> Option<AccountId> {
        Self::gateway(gateway).map(|record| record.party)
    }

    /// Returns true if `account` is a party's gateway.
    pub fn is_gateway(account: &AccountId) -> bool {
        Self::party_of(account).is_some()
    }

    /// Returns the parties, sorted.
    pub fn parties() -> Vec<AccountId> {
        let mut parties: Vec<_> = Parties::<T>::iter_keys().collect();
        parties.sort();
        parties
    }

    /// Returns the parties with their memberships, sorted.
    pub fn memberships() -> Vec<(AccountId, Membership)> {
        let mut memberships: Vec<_> = Parties::<T>::iter().collect();
        memberships.sort_by_key(|(party, _)| *party);
        memberships
    }
}
