//! The grants to read a device.

use crate::mock::*;
use frame_support::assert_ok;
use streembit_primitives::{
    contract::{AccessClause, Clause},
    contract_state::Grant,
    reading::Name,
    Hash,
};

#[test]
fn a_grant_begins_with_the_contract_and_ends_at_its_time() {
    chain().execute_with(|| {
        let id = contract().id(&Genesis::get());
        assert_ok!(ServiceContracts::propose(signed(OWNER), contract()));
        assert!(ServiceContracts::grants(car()).is_empty(), "a proposal grants nothing");
        assert_ok!(ServiceContracts::accept(signed(WORKSHOP), id));
        let expected =
            Grant { contract: id, device: car(), grantee: WORKSHOP, names: Default::default(), until: 1_000 };
        Now::set(&999);
        assert_eq!(ServiceContracts::grants(car()), vec![expected]);
        Now::set(&1_000);
        assert!(ServiceContracts::grants(car()).is_empty(), "a grant is already over at its end time");
    });
}

#[test]
fn a_grant_of_a_former_owner_is_void() {
    chain().execute_with(|| {
        agree(contract());
        let gateway = Gateway::new(100);
        assert_eq!(ServiceContracts::grants(car()).len(), 1);
        // Also if the new owner is a party to the contract, or if the device comes back.
        for owner in [WORKSHOP, INSURER, OWNER] {
            own(owner, &gateway.hosted("car"), &gateway);
            assert!(ServiceContracts::grants(car()).is_empty(), "{owner}");
        }
        assert_ok!(ServiceContracts::check_state());
        let mut again = contract();
        again.nonce = Hash([1; 32]);
        let id = agree(again);
        let grants = ServiceContracts::grants(car());
        assert_eq!(grants.iter().map(|grant| grant.contract).collect::<Vec<_>>(), [id]);
    });
}

#[test]
fn a_grant_is_for_one_device_and_comes_from_any_active_contract() {
    chain().execute_with(|| {
        let van = Gateway::new(100).hosted("van").device_id();
        let mut both = contract();
        both.nonce = Hash([1; 32]);
        both.parties = vec![OWNER, WORKSHOP, INSURER].try_into().unwrap();
        both.devices = vec![car(), van].try_into().unwrap();
        let odometer = vec![Name::try_from(ODOMETER).unwrap()];
        let access = AccessClause {
            device: van,
            grantee: INSURER,
            names: odometer.clone().try_into().unwrap(),
            until: 500,
        };
        both.clauses.try_push(Clause::Access(access)).unwrap();
        let (first, second) = (agree(contract()), agree(both));

        let given = |device| {
            let grants = ServiceContracts::grants(device);
            grants.into_iter().map(|grant| (grant.contract, grant.grantee)).collect::<Vec<_>>()
        };
        assert_eq!(given(car()), vec![(first, WORKSHOP), (second, WORKSHOP)]);
        assert_eq!(given(van), vec![(second, INSURER)]);
        assert_eq!(ServiceContracts::grants(van)[0].names.to_vec(), odometer);
        assert!(given(streembit_primitives::DeviceId([7; 32])).is_empty());
    });
}
