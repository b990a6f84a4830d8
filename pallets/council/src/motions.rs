//! The motions of `pallet-collective`: opened, voted on and closed in one step each.

use crate::{Call, Config, Error, Pallet};
use alloc::{boxed::Box, vec::Vec};
use codec::{Decode, Encode};
use frame_support::{
    ensure,
    traits::{Get, IsSubType},
};
use frame_system::pallet_prelude::BlockNumberFor;
use pallet_collective::{Members, ProposalOf, Proposals, Voting};
use sp_runtime::{
    traits::{Hash as _, UniqueSaturatedInto},
    DispatchError, DispatchResult,
};
use streembit_primitives::{
    consortium::{invalid_transaction, Change, Motion},
    AccountId, Hash,
};

/// The votes on a motion, as `pallet-collective` stores them. The fields of its own type are private.
#[derive(Decode)]
struct Votes<Account, Block> {
    index: u32,
    needed: u32,
    ayes: Vec<Account>,
    nays: Vec<Account>,
    until: Block,
}

impl<T: Config> Pallet<T> {
    /// Returns true if the account is a member of the council.
    pub fn is_member(account: &T::AccountId) -> bool {
        pallet_collective::Pallet::<T>::is_member(account)
    }

    /// Returns the members, sorted.
    pub fn members() -> Vec<AccountId> {
        accounts::<T>(Members::<T>::get())
    }

    /// Returns the open motions, oldest first.
    pub fn motions() -> Vec<Motion> {
        let motion = |id: T::Hash| {
            let votes = Self::votes(&id)?;
            Some(Motion {
                id: Hash(id.into()),
                change: ProposalOf::<T>::get(id).and_then(|call| change_of::<T>(&call)),
                ayes: accounts::<T>(votes.ayes),
                nays: accounts::<T>(votes.nays),
                needed: votes.needed,
                until: votes.until.unique_saturated_into(),
            })
        };
        Proposals::<T>::get().into_iter().filter_map(motion).collect()
    }

    /// Opens a motion for a change, and returns its id.
    pub(crate) fn open(by: &T::AccountId, change: Change) -> Result<T::Hash, DispatchError> {
        // Half of the places are reserved for the council, however much others ask for.
        let most = <T as pallet_collective::Config>::MaxProposals::get();
        let open = Proposals::<T>::decode_len().unwrap_or_default() as u32;
        ensure!(Self::is_member(by) || open < most / 2, pallet_collective::Error::<T>::TooManyProposals);
        let members = Members::<T>::decode_len().unwrap_or_default() as u32;
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

    /// Counts a member's vote, and closes the motion if the vote decides it.
    pub(crate) fn cast_vote(by: &T::AccountId, motion: T::Hash, approve: bool) -> DispatchResult {
        let index = Self::votes(&motion).ok_or(Error::<T>::NoMotion)?.index;
        pallet_collective::Pallet::<T>::do_vote(by.clone(), motion, index, approve)?;
        // A motion for a heavier call than a change has to be closed, and paid for, with a call of its own.
        let limit = <<T as Config>::WeightInfo as crate::WeightInfo>::enact();
        let (too_heavy, too_early) = (
            pallet_collective::Error::<T>::WrongProposalWeight.into(),
            pallet_collective::Error::<T>::TooEarly.into(),
        );
        match pallet_collective::Pallet::<T>::do_close(motion, index, limit, u32::MAX) {
            Ok(_) => Ok(()),
            Err(refused) if refused.error == too_heavy || refused.error == too_early => Ok(()),
            Err(refused) => Err(refused.error),
        }
    }

    /// Returns true if a vote would be the account's first on a motion, and false if it would change its vote. Fails
    /// with a code of [`refusal`] if the account cannot vote so.
    pub(crate) fn is_first_vote(account: &T::AccountId, motion: &T::Hash, approve: bool) -> Result<bool, u8> {
        ensure!(Self::is_member(account), invalid_transaction::NOT_IN_COUNCIL);
        let votes = Self::votes(motion).ok_or(invalid_transaction::NO_SUCH_MOTION)?;
        let (same, other) = if approve { (votes.ayes, votes.nays) } else { (votes.nays, votes.ayes) };
        ensure!(!same.contains(account), invalid_transaction::ALREADY_VOTED);
        Ok(!other.contains(account))
    }

    fn votes(motion: &T::Hash) -> Option<Votes<T::AccountId, BlockNumberFor<T>>> {
        let votes = Voting::<T>::get(motion)?;
        votes.using_encoded(|mut bytes| Votes::decode(&mut bytes)).ok()
    }
}

fn accounts<T: Config>(accounts: Vec<T::AccountId>) -> Vec<AccountId> {
    accounts.into_iter().map(|account| AccountId(account.into())).collect()
}

/// Returns the change that the call of a motion makes, or `None` if it is another call.
fn change_of<T: Config>(call: &<T as pallet_collective::Config>::Proposal) -> Option<Change> {
    match call.is_sub_type() {
        Some(Call::<T>::enact { change }) => Some(*change),
        _ => None,
    }
}
