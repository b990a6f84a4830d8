//! The genesis.

use crate::mock::*;
use pallet_session::SessionManager;
use streembit_primitives::AccountId;

#[test]
fn the_genesis_validators_validate_and_stay() {
    founded(&[OWNER, WORKSHOP], &[WORKSHOP, OWNER]).execute_with(|| {
        let validators = vec![account(WORKSHOP), account(OWNER)];
        assert_eq!(<Validators as SessionManager<_>>::new_session_genesis(0), Some(validators.clone()));
        blocks(50);
        assert_eq!((Session::validators(), Session::current_index()), (validators, 0));
        assert!(!Validators::is_rotation_pending());
    });
}

#[test]
#[should_panic = "a validator belongs to no party"]
fn a_genesis_with_a_foreign_validator_starts_no_chain() {
    founded(&[OWNER], &[STRANGER]);
}

#[test]
#[should_panic = "a validator is named twice"]
fn a_genesis_with_a_validator_twice_starts_no_chain() {
    founded(&[OWNER], &[OWNER, OWNER]);
}

#[test]
#[should_panic = "too many validators"]
fn a_genesis_with_too_many_validators_starts_no_chain() {
    let parties: Vec<_> = (1..=5).map(|id| AccountId([id; 32])).collect();
    founded(&parties, &parties);
}
