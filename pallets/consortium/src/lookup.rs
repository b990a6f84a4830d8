//! What the other pallets ask the consortium, and what its runtime API answers.

use crate::{Config, Gateways, GatewaysOf, Pallet, Parties, Validators};
use alloc::vec::Vec;
use core::marker::PhantomData;
use frame_support::traits::{Contains, Get};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::traits::Zero;
use streembit_primitives::{consortium::Membership, AccountId, Hash};

/// Whether an account is a party.
pub struct IsParty<T>(PhantomData<T>);

impl<T: Config> Contains<AccountId> for IsParty<T> {
    fn contains(account: &AccountId) -> bool {
        Pallet::<T>::is_party(account)
    }
}

/// Whether an account is a party's gateway.
pub struct IsGateway<T>(PhantomData<T>);

impl<T: Config> Contains<AccountId> for IsGateway<T> {
    fn contains(account: &AccountId) -> bool {
        Pallet::<T>::is_gateway(account)
    }
}

/// The hash of the chain's first block: the chain's name in every consent and contract.
///
/// `frame-system` forgets the hashes of blocks beyond `BlockHashCount`, this one excepted. It learns it with block 1, so
/// that it is right in every call; at the genesis itself there is none to ask for.
pub struct GenesisHash<T>(PhantomData<T>);

impl<T: Config> Get<Hash> for GenesisHash<T> {
    fn get() -> Hash {
        Hash(frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero()).into())
    }
}

impl<T: Config> Pallet<T> {
    /// Whether an account is a party.
    pub fn is_party(account: &AccountId) -> bool {
        Parties::<T>::contains_key(account)
    }

    /// The gateways of a party, in no particular order.
    pub fn gateways(party: &AccountId) -> Vec<AccountId> {
        if !Self::is_party(party) {
            return Vec::new();
        }
        GatewaysOf::<T>::iter_key_prefix(party).collect()
    }

    /// The party that a gateway belongs to.
    pub fn party_of(gateway: &AccountId) -> Option<AccountId> {
        Gateways::<T>::get(gateway).filter(Self::is_party)
    }

    /// Whether an account is a party's gateway.
    pub fn is_gateway(account: &AccountId) -> bool {
        Self::party_of(account).is_some()
    }

    /// Whether an account is a party or a party's gateway.
    pub fn belongs(account: &AccountId) -> bool {
        Self::is_party(account) || Self::is_gateway(account)
    }

    /// Whether an account is a validator, as decided.
    pub fn is_validator(account: &AccountId) -> bool {
        Validators::<T>::get().contains(&account.0.into())
    }

    /// The parties, sorted.
    pub fn parties() -> Vec<AccountId> {
        let mut parties: Vec<_> = Parties::<T>::iter_keys().collect();
        parties.sort();
        parties
    }

    /// The parties with their memberships, sorted.
    pub fn memberships() -> Vec<(AccountId, Membership)> {
        // In the state of a block that brought in this runtime they wait to be migrated.
        let membership = |party: AccountId| (party, Parties::<T>::get(party).unwrap_or_default());
        Self::parties().into_iter().map(membership).collect()
    }
}
