//! Validators that join, leave and change their keys, and the session rotations that follow.

use crate::{mock::*, Error, Event};
use frame_support::{assert_noop, assert_ok, traits::Hooks};
use pallet_parties::Registry;
use sp_consensus_grandpa::{ConsensusLog, ScheduledChange};
use sp_runtime::testing::UintAuthorityId;
use streembit_primitives::AccountId;

fn add(id: AccountId) -> sp_runtime::DispatchResult {
    <Validators as Registry>::add(id)
}

fn remove(id: AccountId) -> sp_runtime::DispatchResult {
    <Validators as Registry>::remove(id)
}

fn set_key(id: AccountId, key: u64) -> sp_runtime::DispatchResult {
    Session::set_keys(signed(id), UintAuthorityId(key), Vec::new())
}

#[test]
fn a_new_validator_makes_blocks_after_two_rotations() {
    two_validators().execute_with(|| {
        assert_noop!(add(INSURER), Error::<Test>::NoSessionKeys);
        assert_ok!(set_key(INSURER, 33));
        assert!(!Validators::is_rotation_pending(), "keys alone make no validator");
        assert_ok!(add(INSURER));
        assert!(Validators::is_rotation_pending());
        assert_eq!(KeysInForce::get(), [1, 2]);
        blocks(1);
        assert_eq!((KeysInForce::get(), Session::current_index()), (vec![1, 2], 1));
        blocks(1);
        assert_eq!((KeysInForce::get(), Session::current_index()), (vec![1, 2, 33], 2));
        assert!(!Validators::is_rotation_pending());
        blocks(30);
        assert_eq!(Session::current_index(), 2, "the session goes on");
        assert_noop!(add(INSURER), Error::<Test>::IsAValidator);
    });
}

#[test]
fn validators_leave_and_are_removed_but_never_the_last() {
    two_validators().execute_with(|| {
        assert_noop!(Validators::leave(signed(INSURER)), Error::<Test>::NotAValidator);
        assert_ok!(Validators::leave(signed(OWNER)));
        System::assert_has_event(Event::FewValidators { validators: 1 }.into());
        blocks(2);
        assert_eq!(KeysInForce::get(), [2]);
        assert_noop!(Validators::leave(signed(WORKSHOP)), Error::<Test>::LastValidator);
        assert_noop!(remove(WORKSHOP), Error::<Test>::LastValidator);
        assert_noop!(Parties::leave(WORKSHOP), Error::<Test>::LastValidator);

        // It comes back with the keys that it set; then the other one may go.
        assert_ok!(add(OWNER));
        blocks(6);
        assert_eq!(KeysInForce::get(), [2, 1]);
        assert_ok!(remove(WORKSHOP));
        blocks(6);
        assert_eq!(KeysInForce::get(), [1]);
    });
}

#[test]
fn new_keys_come_into_force_by_themselves() {
    two_validators().execute_with(|| {
        assert_ok!(set_key(WORKSHOP, 22));
        assert!(Validators::is_rotation_pending());
        blocks(2);
        assert_eq!(KeysInForce::get(), [1, 22]);
        assert!(!Validators::is_rotation_pending());
        // Setting the same keys again rotates nothing.
        assert_ok!(set_key(WORKSHOP, 22));
        assert!(!Validators::is_rotation_pending());
        assert_noop!(set_key(OWNER, 22), pallet_session::Error::<Test>::DuplicatedKey);
        assert_noop!(set_key(STRANGER, 99), pallet_session::Error::<Test>::NoAssociatedValidatorId);
    });
}

#[test]
fn a_block_names_its_chain_if_it_changes_the_voters() {
    two_validators().execute_with(|| {
        // `blocks` checks every block.
        assert_ok!(set_key(WORKSHOP, 22));
        blocks(10);
        assert_eq!(VoterSet::get(), 1);

        Validators::on_finalize(System::block_number());
        assert!(chain_items().is_empty());
        let change = || ScheduledChange { next_authorities: Vec::new(), delay: 0 };
        for other in [
            ConsensusLog::ForcedChange(1, change()),
            ConsensusLog::OnDisabled(0),
            ConsensusLog::Pause(1),
            ConsensusLog::Resume(1),
        ] {
            System::deposit_log(grandpa_item(other));
            Validators::on_finalize(System::block_number());
            assert!(chain_items().is_empty());
        }
        System::deposit_log(grandpa_item(ConsensusLog::ScheduledChange(change())));
        Validators::on_finalize(System::block_number());
        assert_eq!(chain_items(), [Genesis::get().0.to_vec()]);
    });
}

#[test]
fn nobody_keeps_the_sessions_rotating() {
    two_validators().execute_with(|| {
        for key in 100..150 {
            assert_ok!(set_key(WORKSHOP, key));
            blocks(1);
        }
        // At most two rotations in every 2 + 5 of the 50 blocks.
        assert!(Session::current_index() <= 2 * (50 / 6 + 1), "{} rotations", Session::current_index());
        blocks(8);
        assert_eq!(KeysInForce::get(), [1, 149]);
    });
}

#[test]
fn a_change_taken_back_between_its_rotations_is_undone() {
    two_validators().execute_with(|| {
        assert_ok!(set_key(WORKSHOP, 22));
        blocks(1);
        assert_ok!(set_key(WORKSHOP, 2));
        blocks(1);
        assert_eq!(KeysInForce::get(), [1, 22]);
        blocks(8);
        assert_eq!(KeysInForce::get(), [1, 2]);
        assert!(!Validators::is_rotation_pending());
    });
}

#[test]
fn a_gateway_validates_for_its_party_and_stops_with_it() {
    two_validators().execute_with(|| {
        let id = STRANGER;
        assert_noop!(add(id), Error::<Test>::NotAMember);
        Parties::take_in(id, WORKSHOP);
        assert_ok!(set_key(id, 44));
        assert_ok!(add(id));
        blocks(2);
        assert_eq!(KeysInForce::get(), [1, 2, 44]);
        assert_noop!(Parties::remove_gateway(id), Error::<Test>::IsAValidator);

        assert_ok!(Parties::leave(WORKSHOP));
        blocks(7);
        assert_eq!(KeysInForce::get(), [1]);
        assert_noop!(set_key(id, 45), pallet_session::Error::<Test>::NoAssociatedValidatorId);
        assert_ok!(Validators::check_state());
    });
}

#[test]
fn a_validator_is_added_and_removed_with_an_event() {
    two_validators().execute_with(|| {
        assert_ok!(set_key(INSURER, 33));
        assert_ok!(add(INSURER));
        System::assert_last_event(Event::ValidatorAdded { validator: INSURER }.into());
        assert_ok!(<Validators as Registry>::ensure_can_remove(&INSURER));
        assert_ok!(remove(INSURER));
        System::assert_last_event(Event::ValidatorRemoved { validator: INSURER }.into());
        assert_noop!(remove(INSURER), Error::<Test>::NotAValidator);
    });
}

#[test]
fn there_are_no_more_validators_than_allowed() {
    let parties: Vec<_> = (1..=6).map(|id| AccountId([id; 32])).collect();
    founded(&parties, &parties[..4]).execute_with(|| {
        assert_ok!(set_key(parties[4], 5));
        assert_noop!(add(parties[4]), Error::<Test>::TooManyValidators);
        assert_ok!(Validators::leave(signed(parties[0])));
        assert_ok!(add(parties[4]));
        blocks(8);
        assert_eq!(KeysInForce::get(), [2, 3, 4, 5]);
    });
}
