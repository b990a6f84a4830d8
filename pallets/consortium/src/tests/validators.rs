//! Validators that join, leave, change their keys; and the sessions that turn for it.

use crate::{mock::*, Error, Event, GenesisHash};
use frame_support::{assert_noop, assert_ok, traits::Get};
use sp_runtime::testing::UintAuthorityId;
use streembit_primitives::{consortium::Change, AccountId};

/// Three parties, of which two validate; the council is the third, and decides at once.
fn two_validators() -> sp_io::TestExternalities {
    let mut chain = founded(&[OWNER, WORKSHOP, INSURER], &[OWNER, WORKSHOP], &[INSURER]);
    // Past the first session's least length.
    chain.execute_with(|| blocks(5));
    chain
}

fn decide(change: Change) -> sp_runtime::DispatchResult {
    Consortium::propose(signed(INSURER), change)
}

fn set_key(id: AccountId, key: u64) -> sp_runtime::DispatchResult {
    Session::set_keys(signed(id), UintAuthorityId(key), Vec::new())
}

#[test]
fn a_new_validator_makes_blocks_after_two_turns() {
    two_validators().execute_with(|| {
        let join = Change::AddValidator(INSURER);
        assert_noop!(decide(join), Error::<Test>::NoSessionKeys);
        assert_ok!(set_key(INSURER, 33));
        assert!(!Consortium::is_turning(), "keys alone make no validator");
        assert_ok!(decide(join));
        assert!(Consortium::is_turning());
        assert_eq!(KeysInForce::get(), [1, 2]);
        blocks(1);
        assert_eq!((KeysInForce::get(), Session::current_index()), (vec![1, 2], 1));
        blocks(1);
        assert_eq!((KeysInForce::get(), Session::current_index()), (vec![1, 2, 33], 2));
        assert!(!Consortium::is_turning());
        blocks(30);
        assert_eq!(Session::current_index(), 2, "the session goes on");
        assert_noop!(decide(join), Error::<Test>::IsAValidator);
    });
}

#[test]
fn validators_leave_and_are_removed_but_never_the_last() {
    two_validators().execute_with(|| {
        assert_noop!(Consortium::leave_validators(signed(INSURER)), Error::<Test>::NotAValidator);
        assert_ok!(Consortium::leave_validators(signed(OWNER)));
        System::assert_has_event(Event::FewValidators { validators: 1 }.into());
        blocks(2);
        assert_eq!(KeysInForce::get(), [2]);
        assert_noop!(Consortium::leave_validators(signed(WORKSHOP)), Error::<Test>::LastValidator);
        assert_noop!(decide(Change::RemoveValidator(WORKSHOP)), Error::<Test>::LastValidator);
        assert_noop!(decide(Change::RemoveParty(WORKSHOP)), Error::<Test>::LastValidator);
        assert_noop!(Consortium::leave(signed(WORKSHOP)), Error::<Test>::LastValidator);

        // With its keys it comes back; then the other may go.
        assert_ok!(decide(Change::AddValidator(OWNER)));
        blocks(6);
        assert_eq!(KeysInForce::get(), [2, 1]);
        assert_ok!(decide(Change::RemoveValidator(WORKSHOP)));
        blocks(6);
        assert_eq!(KeysInForce::get(), [1]);
    });
}

#[test]
fn new_keys_come_into_force_by_themselves() {
    two_validators().execute_with(|| {
        assert_ok!(set_key(WORKSHOP, 22));
        assert!(Consortium::is_turning());
        blocks(2);
        assert_eq!(KeysInForce::get(), [1, 22]);
        assert!(!Consortium::is_turning());
        // The same keys again turn nothing.
        assert_ok!(set_key(WORKSHOP, 22));
        assert!(!Consortium::is_turning());
        assert_noop!(set_key(OWNER, 22), pallet_session::Error::<Test>::DuplicatedKey);
        assert_noop!(set_key(STRANGER, 99), pallet_session::Error::<Test>::NoAssociatedValidatorId);
    });
}

#[test]
fn nobody_keeps_the_sessions_turning() {
    two_validators().execute_with(|| {
        for key in 100..150 {
            assert_ok!(set_key(WORKSHOP, key));
            blocks(1);
        }
        // 50 blocks: at most two turns in every 2 + 5.
        assert!(Session::current_index() <= 2 * (50 / 6 + 1), "{} turns", Session::current_index());
        blocks(8);
        assert_eq!(KeysInForce::get(), [1, 149]);
    });
}

#[test]
fn a_change_taken_back_between_its_turns_is_undone() {
    two_validators().execute_with(|| {
        assert_ok!(set_key(WORKSHOP, 22));
        blocks(1);
        assert_ok!(set_key(WORKSHOP, 2));
        blocks(1);
        assert_eq!(KeysInForce::get(), [1, 22]);
        blocks(8);
        assert_eq!(KeysInForce::get(), [1, 2]);
        assert!(!Consortium::is_turning());
    });
}

#[test]
fn a_gateway_validates_for_its_party_and_stops_with_it() {
    two_validators().execute_with(|| {
        let gateway = Gateway::new(1);
        let id = gateway.account();
        assert_noop!(decide(Change::AddValidator(id)), Error::<Test>::NotAMember);
        let consent = gateway.consent(GenesisHash::<Test>::get(), WORKSHOP);
        assert_ok!(Consortium::add_gateway(signed(WORKSHOP), id, consent));
        assert_ok!(set_key(id, 44));
        assert_ok!(decide(Change::AddValidator(id)));
        blocks(2);
        assert_eq!(KeysInForce::get(), [1, 2, 44]);
        assert_noop!(Consortium::remove_gateway(signed(WORKSHOP), id), Error::<Test>::IsAValidator);

        assert_ok!(decide(Change::RemoveParty(WORKSHOP)));
        blocks(7);
        assert_eq!(KeysInForce::get(), [1]);
        assert_noop!(set_key(id, 45), pallet_session::Error::<Test>::NoAssociatedValidatorId);
        assert_ok!(Consortium::check_state());
    });
}

#[test]
fn there_are_no_more_validators_than_there_may_be() {
    let parties: Vec<_> = (1..=6).map(|id| AccountId([id; 32])).collect();
    founded(&parties, &parties[..4], &[parties[5]]).execute_with(|| {
        Session::set_keys(signed(parties[4]), UintAuthorityId(5), Vec::new()).unwrap();
        let join = Change::AddValidator(parties[4]);
        assert_noop!(Consortium::propose(signed(parties[5]), join), Error::<Test>::TooManyValidators);
        assert_ok!(Consortium::leave_validators(signed(parties[0])));
        assert_ok!(Consortium::propose(signed(parties[5]), join));
        blocks(8);
        assert_eq!(KeysInForce::get(), [2, 3, 4, 5]);
    });
}
