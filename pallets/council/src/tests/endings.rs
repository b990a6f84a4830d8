//! Motions whose time to vote ends, and motions on which another council decides.

use crate::{mock::*, Error};
use frame_support::{assert_noop, assert_ok, weights::Weight};
use pallet_quotas::CouncilCalls;
use sp_runtime::transaction_validity::InvalidTransaction;
use streembit_primitives::{
    consortium::{invalid_transaction, Change},
    AccountId,
};

/// The first block in which nobody votes on a motion of the first block: see `MotionDuration` of the mock.
const END: u64 = 21;

fn add_stranger() -> Change {
    Change::add_party(STRANGER)
}

fn add(number: u8) -> Change {
    Change::add_party(AccountId([number; 32]))
}

fn vote(by: AccountId, approve: bool) -> sp_runtime::DispatchResult {
    Council::vote(signed(by), motion(add_stranger()), approve)
}

/// Whether the pool takes a vote for the change, and without quota.
fn is_free(by: AccountId, approve: bool) -> Result<bool, InvalidTransaction> {
    let call: RuntimeCall = crate::Call::vote { motion: motion(add_stranger()), approve }.into();
    Council::is_free(&account(by), &call, frame_support::dispatch::DispatchClass::Operational)
}

/// Gives the council other members, which it decides on itself.
fn change_members(by: [AccountId; 2], members: &[AccountId]) {
    let parties: Vec<_> = members.iter().map(|first| party(*first)).collect();
    assert_ok!(Council::propose_members(signed(by[0]), parties.try_into().unwrap()));
    let id = Council::motions().into_iter().find(|motion| motion.members.is_some()).unwrap().id;
    assert_ok!(Council::vote(signed(by[1]), id.0.into(), true));
    assert_eq!(Council::members().len(), members.len());
}

#[test]
fn a_member_that_has_not_voted_was_against_it_whatever_a_prime_voted() {
    council_of_three().execute_with(|| {
        pallet_collective::Prime::<Test>::put(account(AccountId(party(OWNER).0)));
        assert_ok!(Council::propose(signed(OWNER), add_stranger()));
        System::set_block_number(END);
        assert_ok!(Collective::close(signed(OWNER), motion(add_stranger()), 0, Weight::MAX, u32::MAX));
        assert!(Made::get().is_empty());
        assert!(pallet_collective::Proposals::<Test>::get().is_empty());
    });
}

#[test]
fn nobody_votes_after_the_end() {
    council_of_three().execute_with(|| {
        assert_ok!(Council::propose(signed(OWNER), add_stranger()));
        System::set_block_number(END - 1);
        assert_eq!(is_free(INSURER, true), Ok(true));
        assert_eq!(Council::motions().len(), 1);
        System::set_block_number(END);
        let closed = InvalidTransaction::Custom(invalid_transaction::NO_SUCH_MOTION);
        for approve in [true, false] {
            assert_eq!(is_free(INSURER, approve), Err(closed));
            assert_noop!(vote(INSURER, approve), Error::<Test>::NoMotion);
        }
        assert!(Council::motions().is_empty() && Made::get().is_empty());

        // Whoever still wants the change asks again, and no earlier vote counts.
        assert_ok!(Council::propose(signed(WORKSHOP), add_stranger()));
        assert_eq!(Council::motions()[0].ayes, [party(WORKSHOP)]);
        assert_ok!(vote(INSURER, true));
        assert_eq!(Made::get(), [add_stranger()]);
    });
}

#[test]
fn a_vote_in_the_last_block_counts() {
    council_of_three().execute_with(|| {
        assert_ok!(Council::propose(signed(OWNER), add_stranger()));
        System::set_block_number(END - 1);
        assert_ok!(vote(INSURER, true));
        assert_eq!(Made::get(), [add_stranger()]);
    });
}

#[test]
fn motions_that_ended_keep_no_places() {
    council_of_three().execute_with(|| {
        for number in 100..106 {
            assert_ok!(Council::propose(signed(OWNER), add(number)));
        }
        let full = pallet_collective::Error::<Test>::TooManyProposals;
        assert_noop!(Council::propose(signed(OWNER), add(106)), full);
        System::set_block_number(END);
        for number in 106..112 {
            assert_ok!(Council::propose(signed(OWNER), add(number)));
        }
        let open: Vec<_> = Council::motions().into_iter().map(|motion| motion.change.unwrap()).collect();
        assert_eq!(open, (106..112).map(add).collect::<Vec<_>>());
    });
}

#[test]
fn a_larger_council_needs_more_votes_for_what_a_smaller_one_was_asked() {
    council_of_three().execute_with(|| {
        assert_ok!(Council::propose(signed(OWNER), add_stranger()));
        assert_eq!(Council::motions()[0].needed, 2);
        change_members([OWNER, WORKSHOP], &[OWNER, WORKSHOP, INSURER, LESSEE]);
        assert_eq!(Council::motions()[0].needed, 3);
        // Two of four are not more than half. The motion goes on.
        assert_ok!(vote(WORKSHOP, true));
        assert!(Made::get().is_empty());
        assert_eq!(Council::motions().len(), 1);
        assert_ok!(vote(LESSEE, true));
        assert_eq!(Made::get(), [add_stranger()]);
    });
}

#[test]
fn a_smaller_council_needs_fewer_votes_for_what_a_larger_one_was_asked() {
    founded(&[OWNER, WORKSHOP, INSURER, LESSEE]).execute_with(|| {
        assert_ok!(Council::propose(signed(OWNER), add_stranger()));
        assert_ok!(vote(INSURER, false));
        assert_ok!(Council::propose_members(signed(OWNER), vec![party(OWNER)].try_into().unwrap()));
        let id = Council::motions()[1].id;
        assert_eq!((Council::motions()[0].needed, Council::motions()[1].needed), (3, 3));
        for by in [WORKSHOP, LESSEE] {
            assert_ok!(Council::vote(signed(by), id.0.into(), true));
        }
        // The insurer has left the council, and with it its vote.
        let left = &Council::motions()[0];
        assert_eq!((left.needed, left.ayes.clone(), left.nays.len()), (1, vec![party(OWNER)], 0));
        // The member that is left has voted for it. Voting again carries it out, and is not free.
        assert_eq!(is_free(OWNER, true), Ok(false));
        assert_ok!(vote(OWNER, true));
        assert_eq!(Made::get(), [add_stranger()]);
        assert!(Council::motions().is_empty());
    });
}

#[test]
fn a_motion_that_has_ended_is_not_revived_by_a_smaller_council() {
    founded(&[OWNER, WORKSHOP, INSURER, LESSEE]).execute_with(|| {
        assert_ok!(Council::propose(signed(LESSEE), add(100)));
        assert_ok!(Council::propose(signed(OWNER), add_stranger()));
        System::set_block_number(END);
        // This drops the motion that was opened first. The second one is still stored.
        assert_ok!(Council::propose_members(signed(OWNER), vec![party(OWNER)].try_into().unwrap()));
        let id = Council::motions()[0].id;
        for by in [WORKSHOP, LESSEE] {
            assert_ok!(Council::vote(signed(by), id.0.into(), true));
        }
        assert_eq!(Council::members(), [party(OWNER)]);
        assert!(pallet_collective::Voting::<Test>::contains_key(motion(add_stranger())));
        assert_noop!(vote(OWNER, true), Error::<Test>::NoMotion);
        assert!(Made::get().is_empty());
    });
}
