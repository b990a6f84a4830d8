//! The council, and how its motions are opened, voted and closed in one step each.

use crate::{Call, Config, Error, Pallet};
use alloc::{boxed::Box, vec::Vec};
use codec::{Decode, Encode};
use core::marker::PhantomData;
use frame_support::{ensure, traits::Get};
use frame_system::pallet_prelude::BlockNumberFor;
use pallet_collective::{ProposalOf, Proposals, Voting};
use sp_runtime::{
    traits::{Hash as _, UniqueSaturatedInto},
    DispatchError, DispatchResult,
};
#[cfg(feature = "runtime-benchmarks")]
use streembit_primitives::consortium::Quota;
use streembit_primitives::{
    consortium::{invalid_transaction, Change, Motion},
    AccountId, Hash,
};

/// Those who decide on changes.
pub trait Council<Account, Id> {
    /// Whether an account is a member.
    fn contains(account: &Account) -> bool;

    /// Whether a vote would be an account's first on a motion, rather than a change of mind. The code of a [`refusal`] where it
    /// cannot be cast.
    fn is_first_vote(account: &Account, motion: &Id, approve: bool) -> Result<bool, u8>;

    /// Opens a motion for a change; gives its id.
    fn open(by: &Account, change: Change) -> Result<Id, DispatchError>;

    /// A member's vote; closes the motion where that decides it.
    fn vote(by: &Account, motion: Id, approve: bool) -> DispatchResult;

    /// Makes a council of one member or of as many as there may be, leaves room for one more motion, and returns the
    /// members.
    #[cfg(feature = "runtime-benchmarks")]
    fn benchmark(full: bool) -> Vec<Account>;
}

/// The council as `pallet-collective` keeps it: more than half of the members decide.
pub struct Collective<T>(PhantomData<T>);

/// The pallet's own type with its fields, which it keeps to itself.
#[derive(Decode)]
struct Votes<Account, Block> {
    index: u32,
    needed: u32,
    ayes: Vec<Account>,
    nays: Vec<Account>,
    until: Block,
}

impl<T: Config + pallet_collective::Config> Collective<T> {
    fn votes(motion: &T::Hash) -> Option<Votes<T::AccountId, BlockNumberFor<T>>> {
        let votes = Voting::<T>::get(motion)?;
        votes.using_encoded(|mut bytes| Votes::decode(&mut bytes)).ok()
    }

    /// The members, sorted.
    pub fn members() -> Vec<AccountId> {
        let members = pallet_collective::Members::<T>::get();
        members.into_iter().map(|member| AccountId(member.into())).collect()
    }

    /// The open motions, oldest first; `change` reads what a call would change.
    pub fn motions(
        change: impl Fn(&<T as pallet_collective::Config>::Proposal) -> Option<Change>,
    ) -> Vec<Motion> {
        let accounts = |accounts: Vec<T::AccountId>| {
            accounts.into_iter().map(|account| AccountId(account.into())).collect()
        };
        let motion = |id: T::Hash| {
            let votes = Self::votes(&id)?;
            Some(Motion {
                id: Hash(id.into()),
                change: ProposalOf::<T>::get(id).and_then(|call| change(&call)),
                ayes: accounts(votes.ayes),
                nays: accounts(votes.nays),
                needed: votes.needed,
                until: votes.until.unique_saturated_into(),
            })
        };
        Proposals::<T>::get().into_iter().filter_map(motion).collect()
    }
}

impl<T> Council<T::AccountId, T::Hash> for Collective<T>
where
    T: Config + pallet_collective::Config,
    <T as pallet_collective::Config>::Proposal: From<Call<T>>,
{
    fn contains(account: &T::AccountId) -> bool {
        pallet_collective::Pallet::<T>::is_member(account)
    }

    fn is_first_vote(account: &T::AccountId, motion: &T::Hash, approve: bool) -> Result<bool, u8> {
        ensure!(Self::contains(account), invalid_transaction::NOT_IN_COUNCIL);
        let votes = Self::votes(motion).ok_or(invalid_transaction::NO_SUCH_MOTION)?;
        let (same, other) = if approve { (votes.ayes, votes.nays) } else { (votes.nays, votes.ayes) };
        ensure!(!same.contains(account), invalid_transaction::ALREADY_VOTED);
        Ok(!other.contains(account))
    }

    fn open(by: &T::AccountId, change: Change) -> Result<T::Hash, DispatchError> {
        // Half of the places are kept for the council itself, however much others ask for.
        let most = <T as pallet_collective::Config>::MaxProposals::get();
        let open = Proposals::<T>::decode_len().unwrap_or_default() as u32;
        ensure!(Self::contains(by) || open < most / 2, pallet_collective::Error::<T>::TooManyProposals);
        let members = pallet_collective::Members::<T>::decode_len().unwrap_or_default() as u32;
        let call: <T as pallet_collective::Config>::Proposal = Call::<T>::enact { change }.into();
        let id = <T as frame_system::Config>::Hashing::hash_of(&call);
        let length = call.encoded_size() as u32;
        pallet_collective::Pallet::<T>::do_propose_proposed(
            by.clone(),
            members / 2 + 1,
            Box::new(call),
            length,
        )?;
        Ok(id)
    }

    fn vote(by: &T::AccountId, motion: T::Hash, approve: bool) -> DispatchResult {
        let index = Self::votes(&motion).ok_or(Error::<T>::NoMotion)?.index;
        pallet_collective::Pallet::<T>::do_vote(by.clone(), motion, index, approve)?;
        // A motion for something heavier than a change has to be closed by itself, and paid for.
        let limit = <<T as Config>::WeightInfo as crate::WeightInfo>::enact();
        let (weighs, early) = (
            pallet_collective::Error::<T>::WrongProposalWeight.into(),
            pallet_collective::Error::<T>::TooEarly.into(),
        );
        match pallet_collective::Pallet::<T>::do_close(motion, index, limit, u32::MAX) {
            Ok(_) => Ok(()),
            Err(refused) if refused.error == weighs || refused.error == early => Ok(()),
            Err(refused) => Err(refused.error),
        }
    }

    #[cfg(feature = "runtime-benchmarks")]
    fn benchmark(full: bool) -> Vec<T::AccountId> {
        let most = if full { <T as pallet_collective::Config>::MaxMembers::get() } else { 1 };
        let member = |number| frame_benchmarking::account("member", number, 0);
        let mut members: Vec<T::AccountId> = (0..most).map(member).collect();
        members.sort();
        pallet_collective::Members::<T>::put(&members);
        for number in 1..<T as pallet_collective::Config>::MaxProposals::get() {
            let quota = Quota { microseconds: number.into(), bytes: 0 };
            let change = Change::SetQuota { party: AccountId([4; 32]), quota: Some(quota) };
            // Whether there was room shows where the motion of the benchmark is opened.
            let _ = members.first().map(|member| Self::open(member, change));
        }
        members
    }
}

impl<T: Config> Pallet<T> {
    /// What a call of this pallet would change by the council's decision.
    pub fn change_of(call: &Call<T>) -> Option<Change> {
        match call {
            Call::enact { change } => Some(*change),
            _ => None,
        }
    }
}
