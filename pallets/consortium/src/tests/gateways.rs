//! Gateways that leave, and those whose party left.

use crate::{mock::*, Error, Event, GenesisHash, IsGateway};
use frame_support::{
    assert_noop, assert_ok,
    traits::{Contains, Get},
};
use streembit_primitives::{consortium::Change, AccountId};

fn add(gateway: &Gateway, party: AccountId) -> sp_runtime::DispatchResult {
    let consent = gateway.consent(GenesisHash::<Test>::get(), party);
    Consortium::add_gateway(signed(party), gateway.account(), consent)
}

#[test]
fn a_gateway_is_let_go_by_its_party_or_goes_itself() {
    chain().execute_with(|| {
        let gateway = Gateway::new(1);
        let id = gateway.account();
        assert_noop!(Consortium::remove_gateway(signed(OWNER), id), Error::<Test>::NotYourGateway);
        for by in [OWNER, id] {
            assert_ok!(add(&gateway, OWNER));
            for stranger in [WORKSHOP, STRANGER] {
                assert_noop!(Consortium::remove_gateway(signed(stranger), id), Error::<Test>::NotYourGateway);
            }
            assert_ok!(Consortium::remove_gateway(signed(by), id));
            System::assert_last_event(Event::GatewayRemoved { party: OWNER, gateway: id }.into());
            assert!(!IsGateway::<Test>::contains(&id) && Consortium::gateways(&OWNER).is_empty());
            // Its nonce stays, so that nothing it ever signed is good again.
            assert_eq!(System::providers(&account(id)), 1);
        }
        // Free for another party.
        assert_ok!(add(&gateway, WORKSHOP));
        assert_eq!(Consortium::party_of(&id), Some(WORKSHOP));
    });
}

#[test]
fn with_its_party_a_gateway_loses_every_right() {
    chain().execute_with(|| {
        let gateway = Gateway::new(1);
        assert_ok!(add(&gateway, WORKSHOP));
        assert_ok!(Consortium::leave(signed(WORKSHOP)));
        System::assert_last_event(Event::Changed { change: Change::RemoveParty(WORKSHOP) }.into());
        assert!(!Consortium::is_party(&WORKSHOP) && !Consortium::belongs(&gateway.account()));
        assert_eq!(Consortium::party_of(&gateway.account()), None);
        assert!(Consortium::gateways(&WORKSHOP).is_empty());
        assert_noop!(add(&Gateway::new(2), WORKSHOP), Error::<Test>::NotAParty);
        assert_noop!(Consortium::leave(signed(WORKSHOP)), Error::<Test>::NotAParty);
        // Another party may take it in.
        assert_ok!(add(&gateway, OWNER));
        assert_eq!(Consortium::party_of(&gateway.account()), Some(OWNER));
        assert_ok!(Consortium::check_state());
    });
}
