//! Gateways that a party takes in, that leave, and whose party left.

use crate::{mock::*, Error, Event, GenesisHash, IsGateway, PartyLookup, Registry};
use frame_support::{
    assert_noop, assert_ok,
    traits::{Contains, Get},
};
use streembit_primitives::{AccountId, GatewayRecord, Hash, LogKey};

fn genesis_hash() -> Hash {
    GenesisHash::<Test>::get()
}

fn add(gateway: &Gateway, party: AccountId) -> sp_runtime::DispatchResult {
    let consent = gateway.consent(genesis_hash(), party);
    Parties::add_gateway(signed(party), gateway.account(), LOG_KEY, consent)
}

/// Returns true if the account acts for a party.
fn acts_for_a_party(account: &AccountId) -> bool {
    Parties::acts_for(account).is_some()
}

#[test]
fn a_consenting_gateway_belongs_to_its_party_and_may_submit() {
    chain().execute_with(|| {
        let (one, two) = (Gateway::new(1), Gateway::new(2));
        for gateway in [&one, &two] {
            assert!(!IsGateway::<Test>::contains(&gateway.account()));
            let consent = gateway.consent(genesis_hash(), OWNER);
            assert_ok!(Parties::add_gateway(signed(OWNER), gateway.account(), LOG_KEY, consent));
            assert!(IsGateway::<Test>::contains(&gateway.account()));
            assert_eq!(Parties::party_of(&gateway.account()), Some(OWNER));
            let record = GatewayRecord { party: OWNER, log_key: LOG_KEY };
            assert_eq!(Parties::gateway(&gateway.account()), Some(record));
            assert_eq!(System::providers(&account(gateway.account())), 1);
            System::assert_last_event(
                Event::GatewayAdded { party: OWNER, gateway: gateway.account(), log_key: LOG_KEY }.into(),
            );
        }
        let mut gateways = Parties::gateways(&OWNER);
        gateways.sort();
        let mut expected = vec![one.account(), two.account()];
        expected.sort();
        assert_eq!(gateways, expected);
        assert!(Parties::gateways(&WORKSHOP).is_empty());
        assert!(!Parties::is_party(&one.account()));
    });
}

#[test]
fn a_consent_is_good_for_one_chain_one_party_one_gateway_and_one_log_key() {
    chain().execute_with(|| {
        let (gateway, other) = (Gateway::new(1), Gateway::new(2));
        for consent in [
            gateway.consent(Hash([7; 32]), OWNER),
            gateway.consent(genesis_hash(), WORKSHOP),
            other.consent(genesis_hash(), OWNER),
            gateway.consent_with(OTHER_LOG_KEY, genesis_hash(), OWNER),
        ] {
            assert_noop!(
                Parties::add_gateway(signed(OWNER), gateway.account(), LOG_KEY, consent),
                Error::<Test>::BadConsent
            );
        }
    });
}

#[test]
fn a_log_key_that_can_verify_nothing_is_refused() {
    chain().execute_with(|| {
        let gateway = Gateway::new(1);
        let mut identity = [0; 32];
        identity[0] = 1;
        // The identity, which has small order; a number above the field's order; a number that is on no point.
        for log_key in [LogKey(identity), LogKey([0xff; 32]), LogKey([2; 32])] {
            let consent = gateway.consent_with(log_key, genesis_hash(), OWNER);
            assert_noop!(
                Parties::add_gateway(signed(OWNER), gateway.account(), log_key, consent),
                Error::<Test>::BadLogKey
            );
        }
    });
}

#[test]
fn a_gateway_that_comes_back_may_have_another_log_key() {
    chain().execute_with(|| {
        let gateway = Gateway::new(1);
        assert_ok!(add(&gateway, WORKSHOP));
        assert_ok!(Parties::leave(signed(WORKSHOP)));
        let consent = gateway.consent_with(OTHER_LOG_KEY, genesis_hash(), OWNER);
        assert_ok!(Parties::add_gateway(signed(OWNER), gateway.account(), OTHER_LOG_KEY, consent));
        let record = GatewayRecord { party: OWNER, log_key: OTHER_LOG_KEY };
        assert_eq!(Parties::gateway(&gateway.account()), Some(record));
        assert_ok!(Parties::check_state());
    });
}

#[test]
fn only_a_party_adds_and_nobody_adds_twice() {
    chain().execute_with(|| {
        let gateway = Gateway::new(1);
        let consent = |party| gateway.consent(genesis_hash(), party);
        let add = |party: AccountId| {
            Parties::add_gateway(signed(party), gateway.account(), LOG_KEY, consent(party))
        };
        assert_noop!(add(STRANGER), Error::<Test>::NotAParty);
        assert_ok!(add(OWNER));
        assert_noop!(add(OWNER), Error::<Test>::GatewayKnown);
        // A second party cannot take it over, not even with its consent.
        assert_noop!(add(WORKSHOP), Error::<Test>::GatewayKnown);
        // A gateway is no party: it adds no further gateways.
        let second = Gateway::new(2);
        assert_noop!(
            Parties::add_gateway(
                signed(gateway.account()),
                second.account(),
                LOG_KEY,
                second.consent(genesis_hash(), gateway.account())
            ),
            Error::<Test>::NotAParty
        );
    });
}

#[test]
fn a_partys_own_account_is_never_a_gateway() {
    let founder = Gateway::new(3);
    founded(&[OWNER, founder.account()]).execute_with(|| {
        assert_noop!(add(&founder, OWNER), Error::<Test>::IsAParty);
    });
}

#[test]
fn a_gateway_is_let_go_by_its_party_or_goes_itself() {
    chain().execute_with(|| {
        let gateway = Gateway::new(1);
        let id = gateway.account();
        assert_noop!(Parties::remove_gateway(signed(OWNER), id), Error::<Test>::NotYourGateway);
        for by in [OWNER, id] {
            assert_ok!(add(&gateway, OWNER));
            for stranger in [WORKSHOP, STRANGER] {
                assert_noop!(Parties::remove_gateway(signed(stranger), id), Error::<Test>::NotYourGateway);
            }
            assert_ok!(Parties::remove_gateway(signed(by), id));
            System::assert_last_event(Event::GatewayRemoved { party: OWNER, gateway: id }.into());
            assert!(!IsGateway::<Test>::contains(&id) && Parties::gateways(&OWNER).is_empty());
            // Its nonce stays, so that nothing it ever signed is good again.
            assert_eq!(System::providers(&account(id)), 1);
        }
        // Free for another party.
        assert_ok!(add(&gateway, WORKSHOP));
        assert_eq!(Parties::party_of(&id), Some(WORKSHOP));
    });
}

#[test]
fn with_its_party_a_gateway_loses_every_right() {
    chain().execute_with(|| {
        let gateway = Gateway::new(1);
        assert_ok!(add(&gateway, WORKSHOP));
        assert_ok!(Parties::leave(signed(WORKSHOP)));
        System::assert_last_event(Event::PartyRemoved { party: WORKSHOP }.into());
        assert!(!Parties::is_party(&WORKSHOP) && !acts_for_a_party(&gateway.account()));
        assert_eq!(Parties::party_of(&gateway.account()), None);
        assert_eq!(Parties::gateway(&gateway.account()), None);
        assert!(Parties::gateways(&WORKSHOP).is_empty());
        assert_noop!(add(&Gateway::new(2), WORKSHOP), Error::<Test>::NotAParty);
        assert_noop!(Parties::leave(signed(WORKSHOP)), Error::<Test>::NotAParty);
        // Another party may take it in.
        assert_ok!(add(&gateway, OWNER));
        assert_eq!(Parties::party_of(&gateway.account()), Some(OWNER));
        assert_ok!(Parties::check_state());
    });
}

#[test]
fn a_gateway_that_another_pallet_needs_stays() {
    chain().execute_with(|| {
        let gateway = Gateway::new(1);
        assert_ok!(add(&gateway, OWNER));
        Needed::set(&vec![gateway.account()]);
        for by in [OWNER, gateway.account()] {
            assert_noop!(Parties::remove_gateway(signed(by), gateway.account()), NEEDED);
        }
        Needed::set(&vec![]);
        assert_ok!(Parties::remove_gateway(signed(OWNER), gateway.account()));
        assert_eq!(Departed::get(), [gateway.account()], "the other pallets are told");
    });
}

#[test]
fn a_former_partys_gateway_can_become_a_party() {
    chain().execute_with(|| {
        let gateway = Gateway::new(1);
        let id = gateway.account();
        assert_ok!(add(&gateway, WORKSHOP));
        assert_noop!(<Parties as Registry>::add(id), Error::<Test>::IsAGateway);
        assert!(Parties::belongs_to(&id, &WORKSHOP) && !Parties::belongs_to(&id, &OWNER));
        assert_ok!(Parties::leave(signed(WORKSHOP)));
        assert_ok!(<Parties as Registry>::add(id));
        assert_eq!((Parties::acts_for(&id), Parties::party_of(&id)), (Some(id), None));
        assert_eq!(Departed::get(), [WORKSHOP, id]);
        assert_ok!(Parties::check_state());
    });
}
