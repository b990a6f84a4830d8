//! The motions of `pallet-collective`: opened, voted on and closed in one step each.
//!
//! The members of `pallet-collective` are accounts. Ours are parties: the 32 bytes of a party's id stand for an account.
//! Nobody can sign with such an account, so only this pallet can vote with it.

use crate::{Call, Config, Error, Pallet};
use alloc::{boxed::Box, collections::BTreeSet, vec::Vec};
use codec::{Decode, Encode};
use frame_support::{
    ensure,
    traits::{ChangeMembers, Get, IsSubType},
    BoundedVec,
};
use frame_system::pallet_prelude::BlockNumberFor;
use pallet_collective::{DefaultVote, MemberCount, Members, ProposalOf, Proposals, Voting};
use pallet_parties::PartyLookup;
use sp_runtime::{
    traits::{Hash as _, UniqueSaturatedInto},
    DispatchError, DispatchResult,
};
use streembit_primitives::{
    consortium::{invalid_transaction, Change, Motion},
    AccountId, Hash, PartyId, Scope,
};

/// As many parties as there may be members.
type PartyList<T> = BoundedVec<PartyId, <T as pallet_collective::Config>::MaxMembers>;

/// The votes on a motion, as `pallet-collective` stores them. The fields of its own type are private.
#[derive(Encode, Decode)]
struct Votes<Account, Block> {
    index: u32,
    needed: u32,
    ayes: Vec<Account>,
    nays: Vec<Account>,
    until: Block,
}

impl<Account, Block: PartialOrd> Votes<Account, Block> {
    /// Returns true if the motion has the votes that it needs. A smaller council may need fewer than it did.
    fn is_carried(&self) -> bool {
        self.ayes.len() as u32 >= self.needed
    }

    /// Returns true if the time to vote is over and the motion is not carried.
    fn is_over(&self, now: &Block) -> bool {
        self.until <= *now && !self.is_carried()
    }
}

/// Counts every member that has not voted when a motion ends as against it, whatever a prime member of
/// `pallet-collective` voted.
pub struct AbstentionRejects;

impl DefaultVote for AbstentionRejects {
    fn default_vote(_: Option<bool>, _: MemberCount, _: MemberCount, _: MemberCount) -> bool {
        false
    }
}

impl<T: Config> Pallet<T> {
    /// Returns true if the party is a member of the council.
    pub fn is_member(party: &PartyId) -> bool {
        pallet_collective::Pallet::<T>::is_member(&party.0.into())
    }

    /// Returns the members, sorted.
    pub fn members() -> Vec<PartyId> {
        parties::<T>(Members::<T>::get())
    }

    /// Returns the party for which an account votes, or an error if it votes for none.
    pub(crate) fn member_of(account: &AccountId) -> Result<PartyId, DispatchError> {
        let party = T::Parties::ensure_scope(account, Scope::All)?;
        ensure!(Self::is_member(&party), Error::<T>::NotInCouncil);
        Ok(party)
    }

    /// Returns the open motions, oldest first.
    pub fn motions() -> Vec<Motion> {
        let motion = |id: T::Hash| {
            let votes = Self::open_votes(&id)?;
            let call = ProposalOf::<T>::get(id);
            Some(Motion {
                id: Hash(id.into()),
                change: call.as_ref().and_then(change_of::<T>),
                members: call.as_ref().and_then(members_of::<T>),
                ayes: parties::<T>(votes.ayes),
                nays: parties::<T>(votes.nays),
                needed: votes.needed,
                until: votes.until.unique_saturated_into(),
            })
        };
        Proposals::<T>::get().into_iter().filter_map(motion).collect()
    }

    /// Opens a motion for a change, and returns its id. Half of the places are reserved for those who vote, however much
    /// others ask for.
    pub(crate) fn open(party: PartyId, change: Change, votes: bool) -> Result<T::Hash, DispatchError> {
        let call: <T as pallet_collective::Config>::Proposal = Call::<T>::enact { change }.into();
        Self::drop_ended(Self::id_of(&call));
        let most = <T as pallet_collective::Config>::MaxProposals::get();
        let open = Proposals::<T>::decode_len().unwrap_or_default() as u32;
        ensure!(votes || open < most / 2, pallet_collective::Error::<T>::TooManyProposals);
        Self::open_call(party, call)
    }

    /// Opens a motion for other members, and returns its id.
    pub(crate) fn open_members(party: PartyId, members: PartyList<T>) -> Result<T::Hash, DispatchError> {
        let call: <T as pallet_collective::Config>::Proposal = Call::<T>::enact_members { members }.into();
        Self::drop_ended(Self::id_of(&call));
        Self::open_call(party, call)
    }

    /// Returns the members of a council, sorted, or an error if there can be no such council.
    pub(crate) fn ensure_possible_members(members: PartyList<T>) -> Result<PartyList<T>, DispatchError> {
        let count = members.len();
        let distinct = BTreeSet::from_iter(members);
        ensure!(!distinct.is_empty() && distinct.len() == count, Error::<T>::BadMembers);
        ensure!(distinct.iter().all(T::Parties::is_party), Error::<T>::UnknownMember);
        Ok(BoundedVec::truncate_from(distinct.into_iter().collect()))
    }

    /// Replaces the members. The votes of former members no longer count, and each open motion needs as many votes as if
    /// the new council had opened it.
    pub(crate) fn set_members(members: &[PartyId]) {
        let new: Vec<T::AccountId> = members.iter().map(|member| member.0.into()).collect();
        let old = Members::<T>::get();
        <pallet_collective::Pallet<T> as ChangeMembers<T::AccountId>>::set_members_sorted(&new, &old);
        Proposals::<T>::get().iter().for_each(Self::update_needed);
    }

    fn open_call(
        party: PartyId,
        call: <T as pallet_collective::Config>::Proposal,
    ) -> Result<T::Hash, DispatchError> {
        let (id, needed) = (Self::id_of(&call), Self::needed(&call));
        let length = call.encoded_size() as u32;
        let by = party.0.into();
        pallet_collective::Pallet::<T>::do_propose_proposed(by, needed, Box::new(call), length)?;
        Ok(id)
    }

    /// Returns the id of the motion for a call.
    fn id_of(call: &<T as pallet_collective::Config>::Proposal) -> T::Hash {
        <T as frame_system::Config>::Hashing::hash_of(call)
    }

    /// Returns the number of votes with which the present council decides on a call: at least two thirds for other members,
    /// and more than half for anything else.
    fn needed(call: &<T as pallet_collective::Config>::Proposal) -> u32 {
        let members = Members::<T>::decode_len().unwrap_or_default() as u32;
        match call.is_sub_type() {
            Some(Call::<T>::enact_members { .. }) => members.saturating_mul(2).div_ceil(3),
            _ => members / 2 + 1,
        }
    }

    /// Sets the number of votes that an open motion needs to the number that the present council needs.
    fn update_needed(motion: &T::Hash) {
        let Some((mut votes, call)) = Self::open_votes(motion).zip(ProposalOf::<T>::get(motion)) else {
            return;
        };
        votes.needed = Self::needed(&call);
        // Only decoding makes the type of `pallet-collective`, whose fields are private.
        type Stored<T> = pallet_collective::Votes<<T as frame_system::Config>::AccountId, BlockNumberFor<T>>;
        if let Ok(stored) = votes.using_encoded(|mut bytes| Stored::<T>::decode(&mut bytes)) {
            Voting::<T>::insert(motion, stored);
        }
    }

    /// Drops the motion that was opened first and the motion `id`, if their time to vote is over. So motions that ended
    /// keep no places for long, and the same change can be proposed again.
    fn drop_ended(id: T::Hash) {
        let first = Proposals::<T>::get().first().copied();
        for motion in first.into_iter().chain([id]) {
            if Self::votes(&motion).is_some_and(|votes| votes.is_over(&Self::now())) {
                pallet_collective::Pallet::<T>::do_disapprove_proposal(motion);
            }
        }
    }

    fn now() -> BlockNumberFor<T> {
        frame_system::Pallet::<T>::block_number()
    }

    /// Counts a member's vote, and closes the motion if the vote decides it. If the motion is carried already, because the
    /// council got smaller, only closes it.
    pub(crate) fn cast_vote(party: PartyId, motion: T::Hash, approve: bool) -> DispatchResult {
        let votes = Self::open_votes(&motion).ok_or(Error::<T>::NoMotion)?;
        let index = votes.index;
        if !votes.is_carried() {
            pallet_collective::Pallet::<T>::do_vote(party.0.into(), motion, index, approve)?;
        }
        // A motion for a heavier call than a change has to be closed, and paid for, with a call of its own.
        let limit = <<T as Config>::WeightInfo as crate::WeightInfo>::decision();
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

    /// Returns true if a vote would be the first of the account's party on a motion, and false if it would change the
    /// vote, or close a motion that is carried already. Fails with a code of [`invalid_transaction`] if the account cannot vote so.
    pub(crate) fn is_first_vote(account: &T::AccountId, motion: &T::Hash, approve: bool) -> Result<bool, u8> {
        let account = AccountId(account.clone().into());
        let party = Self::member_of(&account).map_err(|_| invalid_transaction::NOT_IN_COUNCIL)?;
        let member: T::AccountId = party.0.into();
        let votes = Self::open_votes(motion).ok_or(invalid_transaction::NO_SUCH_MOTION)?;
        if votes.is_carried() {
            return Ok(false);
        }
        let (same, other) = if approve { (votes.ayes, votes.nays) } else { (votes.nays, votes.ayes) };
        ensure!(!same.contains(&member), invalid_transaction::ALREADY_VOTED);
        Ok(!other.contains(&member))
    }

    /// Returns the votes on a motion, or `None` if there is no such motion or its time to vote is over.
    fn open_votes(motion: &T::Hash) -> Option<Votes<T::AccountId, BlockNumberFor<T>>> {
        Self::votes(motion).filter(|votes| !votes.is_over(&Self::now()))
    }

    fn votes(motion: &T::Hash) -> Option<Votes<T::AccountId, BlockNumberFor<T>>> {
        let votes = Voting::<T>::get(motion)?;
        votes.using_encoded(|mut bytes| Votes::decode(&mut bytes)).ok()
    }
}

/// Returns the parties that members of `pallet-collective` stand for.
fn parties<T: Config>(members: Vec<T::AccountId>) -> Vec<PartyId> {
    members.into_iter().map(|member| PartyId(member.into())).collect()
}

/// Returns the change that the call of a motion makes, or `None` if it is another call.
fn change_of<T: Config>(call: &<T as pallet_collective::Config>::Proposal) -> Option<Change> {
    match call.is_sub_type() {
        Some(Call::<T>::enact { change }) => Some(*change),
        _ => None,
    }
}

/// Returns the members that the call of a motion gives the council, or `None` if it is another call.
fn members_of<T: Config>(call: &<T as pallet_collective::Config>::Proposal) -> Option<Vec<PartyId>> {
    match call.is_sub_type() {
        Some(Call::<T>::enact_members { members }) => Some(members.to_vec()),
        _ => None,
    }
}
