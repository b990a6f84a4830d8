//! Motions that are proposed, voted on and carried out.

use crate::{mock::*, Error, Event};
use frame_support::{assert_noop, assert_ok};
use pallet_parties::Departure;
use sp_runtime::DispatchError;
use streembit_primitives::{
    consortium::{Change, Quota},
    AccountId, Hash,
};

const ADD: Change = Change::AddParty(STRANGER);

#[test]
fn a_council_of_one_decides_at_once() {
    founded(&[OWNER]).execute_with(|| {
        assert_ok!(Council::propose(signed(OWNER), ADD));
        System::assert_has_event(Event::Proposed { motion: motion(ADD), change: ADD, by: OWNER }.into());
        assert_eq!(Made::get(), [ADD]);
        assert!(Council::motions().is_empty());

        // A motion that another party proposes waits for the vote.
        assert_ok!(Council::propose(signed(WORKSHOP), ADD));
        assert_eq!(Made::get(), [ADD]);
        assert_ok!(Council::vote(signed(OWNER), motion(ADD), true));
        assert_eq!(Made::get(), [ADD, ADD]);
    });
}

#[test]
fn more_than_half_of_the_council_decides() {
    council_of_three().execute_with(|| {
        assert_ok!(Council::propose(signed(LESSEE), ADD));
        assert_ok!(Council::vote(signed(OWNER), motion(ADD), true));
        assert_noop!(
            Council::vote(signed(OWNER), motion(ADD), true),
            pallet_collective::Error::<Test>::DuplicateVote
        );
        assert!(Made::get().is_empty());
        let open = Council::motions();
        assert_eq!(open.len(), 1);
        assert_eq!((open[0].change, open[0].needed), (Some(ADD), 2));
        assert_eq!((open[0].ayes.clone(), open[0].nays.len()), (vec![OWNER], 0));
        assert_eq!(open[0].id, Hash(motion(ADD).0));

        assert_ok!(Council::vote(signed(INSURER), motion(ADD), true));
        assert_eq!(Made::get(), [ADD]);
        assert!(Council::motions().is_empty());
        assert_noop!(Council::vote(signed(WORKSHOP), motion(ADD), true), Error::<Test>::NoMotion);
    });
}

#[test]
fn each_change_goes_to_the_pallet_that_makes_it() {
    founded(&[OWNER]).execute_with(|| {
        let quota = Some(Quota { microseconds: 7, bytes: 7 });
        let changes = [
            ADD,
            Change::RemoveParty(WORKSHOP),
            Change::AddValidator(INSURER),
            Change::RemoveValidator(INSURER),
            Change::SetQuota { party: INSURER, quota },
        ];
        for change in changes {
            assert_ok!(Council::propose(signed(OWNER), change));
        }
        assert_eq!(Made::get(), changes);
        assert_ok!(Council::propose(signed(OWNER), Change::Upgrade { code: Hash([7; 32]) }));
        assert!(System::authorized_upgrade().is_some());
        assert_eq!(Made::get().len(), changes.len());
    });
}

#[test]
fn an_impossible_change_is_not_proposed() {
    council_of_three().execute_with(|| {
        Refused::set(vec![LESSEE]);
        for change in [
            Change::AddParty(LESSEE),
            Change::RemoveParty(LESSEE),
            Change::AddValidator(LESSEE),
            Change::RemoveValidator(LESSEE),
            Change::SetQuota { party: LESSEE, quota: None },
        ] {
            assert_noop!(Council::propose(signed(OWNER), change), IMPOSSIBLE);
        }
    });
}

#[test]
fn a_motion_without_hope_is_dropped_and_can_be_proposed_again() {
    council_of_three().execute_with(|| {
        assert_ok!(Council::propose(signed(OWNER), ADD));
        assert_ok!(Council::vote(signed(WORKSHOP), motion(ADD), false));
        assert_ok!(Council::vote(signed(INSURER), motion(ADD), false));
        assert!(Council::motions().is_empty() && Made::get().is_empty());
        assert_ok!(Council::propose(signed(OWNER), ADD));
    });
}

#[test]
fn strangers_neither_propose_nor_vote() {
    council_of_three().execute_with(|| {
        assert_noop!(Council::propose(signed(STRANGER), ADD), Error::<Test>::NotAMember);
        assert_ok!(Council::propose(signed(OWNER), ADD));
        for outsider in [STRANGER, LESSEE] {
            assert_noop!(Council::vote(signed(outsider), motion(ADD), true), Error::<Test>::NotInCouncil);
        }
        // Nobody makes a change without the council.
        for origin in [signed(OWNER), RuntimeOrigin::root(), RuntimeOrigin::none()] {
            assert_noop!(Council::enact(origin, ADD), DispatchError::BadOrigin);
        }
        // A gateway may propose.
        assert_ok!(Council::propose(signed(GATEWAY), Change::AddParty(AccountId([8; 32]))));
    });
}

#[test]
fn a_member_that_is_no_party_proposes() {
    founded(&[STRANGER]).execute_with(|| {
        assert_ok!(Council::propose(signed(STRANGER), ADD));
        assert_eq!(Made::get(), [ADD]);
    });
}

#[test]
fn others_leave_half_of_the_places_to_the_council() {
    council_of_three().execute_with(|| {
        let add = |number: u8| Change::AddParty(AccountId([number; 32]));
        for number in 100..103 {
            assert_ok!(Council::propose(signed(LESSEE), add(number)));
        }
        let full = pallet_collective::Error::<Test>::TooManyProposals;
        assert_noop!(Council::propose(signed(LESSEE), add(103)), full);
        for number in 103..106 {
            assert_ok!(Council::propose(signed(OWNER), add(number)));
        }
        let full = pallet_collective::Error::<Test>::TooManyProposals;
        assert_noop!(Council::propose(signed(OWNER), add(106)), full);
    });
}

#[test]
fn a_member_stays_a_party() {
    council_of_three().execute_with(|| {
        assert_eq!(Council::members(), [OWNER, WORKSHOP, INSURER]);
        for member in Council::members() {
            assert_noop!(Council::ensure_party_can_leave(&member), Error::<Test>::InCouncil);
        }
        assert_ok!(Council::ensure_party_can_leave(&LESSEE));
    });
}

#[test]
fn a_change_that_became_impossible_is_closed_without_effect() {
    council_of_three().execute_with(|| {
        let remove = Change::RemoveValidator(LESSEE);
        assert_ok!(Council::propose(signed(OWNER), remove));
        Refused::set(vec![LESSEE]);
        assert_ok!(Council::vote(signed(WORKSHOP), motion(remove), true));
        // An event does not keep the text of `DispatchError::Other`.
        let result = Err(DispatchError::Other(""));
        System::assert_has_event(
            pallet_collective::Event::Executed { proposal_hash: motion(remove), result }.into(),
        );
        assert!(Council::motions().is_empty() && Made::get().is_empty());
    });
}
