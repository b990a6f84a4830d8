//! What the other pallets ask the consortium, and what its runtime API answers.

use crate::{Config, Gateways, GatewaysOf, Pallet, Parties};
use alloc::vec::Vec;
use core::marker::PhantomData;
use frame_support::traits::{Contains, Get};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::traits::Zero;
use streembit_primitives::{AccountId, Hash};

/// Whether an account is a party.
pub struct IsParty<T>(PhantomData<T>);

impl<T: Config> Contains<AccountId> for IsParty<T> {
    fn contains(account: &AccountId) -> bool {
        Parties::<T>::contains_key(account)
    }
}

/// Whether an account is a party's gateway.
pub struct IsGateway<T>(PhantomData<T>);

impl<T: Config> Contains<AccountId> for IsGateway<T> {
    fn contains(account: &AccountId) -> bool {
        Gateways::<T>::contains_key(account)
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
        GatewaysOf::<T>::iter_key_prefix(party).collect()
    }

    /// The party that a gateway belongs to.
    pub fn party_of(gateway: &AccountId) -> Option<AccountId> {
        Gateways::<T>::get(gateway)
    }
}
