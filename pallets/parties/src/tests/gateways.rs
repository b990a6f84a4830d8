//! Gateways that a party takes in, that leave, and whose party left.

use crate::{mock::*, Error, Event, IsGateway, PartyLookup, PartyRegistry};
use frame_support::{assert_noop, assert_ok, traits::Contains};
use streembit_primitives::{
    gateway::GatewayConsent,
    party::{AccountRole, Role},
    AccountId, GatewayRecord, Hash, LogKey, PartyId, Scope,
};

fn add(gateway: &Key, by: AccountId) -> sp_runtime::DispatchResult {
    add_gateway(by, gateway, by)
}

/// Returns the party of a gateway.
fn party_of(gateway: &AccountId) -> Option<PartyId> {
    Parties::gateway(gateway).map(|record| record.party)
}

#[test]
fn a_consenting_gateway_belongs_to_its_party_and_may_submit() {
    chain().execute_with(|| {
        let (one, two) = (Key::new(1), Key::new(2));
        for gateway in [&one, &two] {
            let id = gateway.account();
            assert!(!IsGateway::<Test>::contains(&id));
            assert_ok!(add(gateway, OWNER));
            assert!(IsGateway::<Test>::contains(&id));
            let record = GatewayRecord { party: party(OWNER), log_key: LOG_KEY };
            assert_eq!(Parties::gateway(&id), Some(record));
            let role = AccountRole { party: party(OWNER), role: Role::Gateway };
            assert_eq!(Parties::acting(&id), Ok(role));
            assert_eq!(System::providers(&account(id)), 1);
            System::assert_last_event(
                Event::GatewayAdded { party: party(OWNER), gateway: id, log_key: LOG_KEY }.into(),
            );
        }
        let mut gateways = Parties::gateways(&party(OWNER));
        gateways.sort();
        let mut expected = vec![one.account(), two.account()];
        expected.sort();
        assert_eq!(gateways, expected);
        assert!(Parties::gateways(&party(WORKSHOP)).is_empty());
    });
}

#[test]
fn a_consent_is_good_for_one_chain_one_party_one_gateway_one_log_key_and_one_nonce() {
    chain().execute_with(|| {
        let (gateway, other) = (Key::new(1), Key::new(2));
        let agreed = gateway.gateway_agreement(party(OWNER));
        for consent in [
            gateway.sign_gateway(&GatewayConsent { genesis: Hash([7; 32]), ..agreed.clone() }),
            gateway.sign_gateway(&GatewayConsent { party: party(WORKSHOP), ..agreed.clone() }),
            gateway.sign_gateway(&GatewayConsent { log_key: OTHER_LOG_KEY, ..agreed.clone() }),
            gateway.sign_gateway(&GatewayConsent { nonce: 1, ..agreed.clone() }),
            other.sign_gateway(&agreed),
            other.consent(party(OWNER)),
        ] {
            assert_noop!(
                Parties::add_gateway(signed(OWNER), gateway.account(), LOG_KEY, consent),
                Error::<Test>::BadConsent
            );
        }
        assert_eq!(Parties::consent_nonce(&gateway.account()), 0);
    });
}

#[test]
fn a_consent_is_used_up_and_its_bytes_are_never_valid_again() {
    chain().execute_with(|| {
        let gateway = Key::new(1);
        let id = gateway.account();
        let used = gateway.consent(party(OWNER));
        let again = || Parties::add_gateway(signed(OWNER), id, LOG_KEY, used);
        assert_ok!(again());
        assert_eq!(Parties::consent_nonce(&id), 1);
        assert_ok!(Parties::remove_gateway(signed(id), id));
        assert_noop!(again(), Error::<Test>::BadConsent);
        // The nonce also survives when the party leaves and comes back.
        assert_ok!(Parties::leave(signed(OWNER)));
        assert_ok!(<Parties as PartyRegistry>::add(party(OWNER), OWNER));
        assert_noop!(again(), Error::<Test>::BadConsent);
        assert_ok!(add(&gateway, OWNER));
        assert_eq!(Parties::consent_nonce(&id), 2);
        // A consent to act as an account has the same nonce.
        assert_ok!(Parties::remove_gateway(signed(id), id));
        assert_ok!(add_account(OWNER, &gateway, OWNER, Scope::All, None));
        assert_eq!(Parties::consent_nonce(&id), 3);
    });
}

#[test]
fn a_log_key_that_can_verify_nothing_is_refused() {
    chain().execute_with(|| {
        let gateway = Key::new(1);
        let mut identity = [0; 32];
        identity[0] = 1;
        // The identity, which has small order; a number above the field's order; a number that is on no point.
        for log_key in [LogKey(identity), LogKey([0xff; 32]), LogKey([2; 32])] {
            let agreed = GatewayConsent { log_key, ..gateway.gateway_agreement(party(OWNER)) };
            let consent = gateway.sign_gateway(&agreed);
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
        let gateway = Key::new(1);
        assert_ok!(add(&gateway, WORKSHOP));
        assert_ok!(Parties::leave(signed(WORKSHOP)));
        let agreed = GatewayConsent { log_key: OTHER_LOG_KEY, ..gateway.gateway_agreement(party(OWNER)) };
        let consent = gateway.sign_gateway(&agreed);
        assert_ok!(Parties::add_gateway(signed(OWNER), gateway.account(), OTHER_LOG_KEY, consent));
        let record = GatewayRecord { party: party(OWNER), log_key: OTHER_LOG_KEY };
        assert_eq!(Parties::gateway(&gateway.account()), Some(record));
        assert_ok!(Parties::check_state());
    });
}

#[test]
fn only_a_party_adds_and_nobody_adds_twice() {
    chain().execute_with(|| {
        let gateway = Key::new(1);
        assert_noop!(add(&gateway, STRANGER), Error::<Test>::NotAParty);
        assert_ok!(add(&gateway, OWNER));
        assert_noop!(add(&gateway, OWNER), Error::<Test>::GatewayKnown);
        // A second party cannot take it over, not even with its consent.
        assert_noop!(add(&gateway, WORKSHOP), Error::<Test>::GatewayKnown);
        // A gateway adds no further gateways.
        let second = Key::new(2);
        assert_noop!(add_gateway(gateway.account(), &second, OWNER), Error::<Test>::OutOfScope);
    });
}

#[test]
fn an_account_of_a_party_is_never_a_gateway() {
    let founder = Key::new(3);
    founded(&[OWNER, founder.account()]).execute_with(|| {
        assert_noop!(add(&founder, OWNER), Error::<Test>::IsAnAccount);
        let employee = Key::new(4);
        assert_ok!(add_account(OWNER, &employee, OWNER, Scope::Contracts, Some(2_000)));
        Now::set(&3_000);
        assert_noop!(add(&employee, OWNER), Error::<Test>::IsAnAccount);
        assert_ok!(Parties::remove_account(signed(OWNER), employee.account()));
        assert_ok!(add(&employee, OWNER));
        assert_noop!(add_account(OWNER, &employee, OWNER, Scope::All, None), Error::<Test>::IsAGateway);
    });
}

#[test]
fn a_gateway_is_let_go_by_its_party_or_goes_itself() {
    chain().execute_with(|| {
        let gateway = Key::new(1);
        let id = gateway.account();
        assert_noop!(Parties::remove_gateway(signed(OWNER), id), Error::<Test>::NotYourGateway);
        for by in [OWNER, id] {
            assert_ok!(add(&gateway, OWNER));
            assert_noop!(Parties::remove_gateway(signed(WORKSHOP), id), Error::<Test>::NotYourGateway);
            assert_noop!(Parties::remove_gateway(signed(STRANGER), id), Error::<Test>::NotAParty);
            assert_ok!(Parties::remove_gateway(signed(by), id));
            System::assert_last_event(Event::GatewayRemoved { party: party(OWNER), gateway: id }.into());
            assert!(!IsGateway::<Test>::contains(&id) && Parties::gateways(&party(OWNER)).is_empty());
            // Its nonce stays, so that nothing it ever signed is good again.
            assert_eq!(System::providers(&account(id)), 1);
        }
        // Free for another party.
        assert_ok!(add(&gateway, WORKSHOP));
        assert_eq!(party_of(&id), Some(party(WORKSHOP)));
    });
}

#[test]
fn with_its_party_a_gateway_loses_every_right() {
    chain().execute_with(|| {
        let gateway = Key::new(1);
        assert_ok!(add(&gateway, WORKSHOP));
        assert_ok!(Parties::leave(signed(WORKSHOP)));
        System::assert_last_event(Event::PartyRemoved { party: party(WORKSHOP) }.into());
        assert!(!Parties::is_party(&party(WORKSHOP)) && Parties::role_of(&gateway.account()).is_none());
        assert_eq!(Parties::gateway(&gateway.account()), None);
        assert!(Parties::gateways(&party(WORKSHOP)).is_empty());
        assert_noop!(add(&Key::new(2), WORKSHOP), Error::<Test>::NotAParty);
        assert_noop!(Parties::leave(signed(WORKSHOP)), Error::<Test>::NotAParty);
        // Another party may take it in.
        assert_ok!(add(&gateway, OWNER));
        assert_eq!(party_of(&gateway.account()), Some(party(OWNER)));
        assert_ok!(Parties::check_state());
    });
}

#[test]
fn a_party_that_comes_back_gets_no_gateway_back_unasked() {
    chain().execute_with(|| {
        let (old, new) = (Key::new(1), Key::new(2));
        assert_ok!(add(&old, WORKSHOP));
        // In the same block.
        assert_ok!(Parties::leave(signed(WORKSHOP)));
        assert_ok!(<Parties as PartyRegistry>::add(party(WORKSHOP), WORKSHOP));
        assert_eq!(Parties::role_of(&old.account()), None);
        assert!(Parties::gateways(&party(WORKSHOP)).is_empty());
        // It takes a place until the party removes it.
        assert_ok!(Parties::remove_gateway(signed(WORKSHOP), old.account()));
        assert_ok!(add(&new, WORKSHOP));
        assert_eq!(Parties::gateways(&party(WORKSHOP)), [new.account()]);
        // It comes back with a new consent.
        assert_ok!(add(&old, WORKSHOP));
        assert_eq!(Parties::gateways(&party(WORKSHOP)).len(), 2);
        assert_ok!(Parties::check_state());
    });
}

#[test]
fn the_gateways_of_a_party_are_limited() {
    chain().execute_with(|| {
        let key = |number: u32| Key::new(number as u8 + 1);
        for number in 0..MAX_GATEWAYS {
            assert_ok!(add(&key(number), WORKSHOP));
        }
        assert_noop!(add(&key(MAX_GATEWAYS), WORKSHOP), Error::<Test>::TooManyGateways);
        assert_ok!(add(&key(MAX_GATEWAYS), OWNER));
        // Those of a former membership count until the party removes them, or takes them in again.
        assert_ok!(Parties::leave(signed(WORKSHOP)));
        assert_ok!(<Parties as PartyRegistry>::add(party(WORKSHOP), WORKSHOP));
        assert_noop!(add(&key(50), WORKSHOP), Error::<Test>::TooManyGateways);
        assert_ok!(add(&key(0), WORKSHOP));
        assert_ok!(Parties::remove_gateway(signed(WORKSHOP), key(1).account()));
        assert_ok!(add(&key(50), WORKSHOP));
        assert_ok!(Parties::check_state());
    });
}

#[test]
fn the_keys_that_a_party_takes_in_are_limited() {
    chain().execute_with(|| {
        let take_in_and_remove = |number: u32| {
            let gateway = Key::new(number as u8 + 1);
            add(&gateway, OWNER)?;
            Parties::remove_gateway(signed(OWNER), gateway.account())
        };
        for number in 0..MAX_KEYS {
            assert_ok!(take_in_and_remove(number));
        }
        let account = Key::new(MAX_KEYS as u8 + 1);
        assert_noop!(add(&account, OWNER), Error::<Test>::TooManyKeys);
        assert_noop!(add_account(OWNER, &account, OWNER, Scope::All, None), Error::<Test>::TooManyKeys);
        // A known key comes back, and another party has places of its own.
        assert_ok!(take_in_and_remove(0));
        assert_ok!(add(&account, WORKSHOP));
        assert_ok!(Parties::check_state());
    });
}

#[test]
fn a_gateway_that_another_pallet_needs_stays() {
    chain().execute_with(|| {
        let gateway = Key::new(1);
        assert_ok!(add(&gateway, OWNER));
        Needed::set(&vec![gateway.account().0]);
        for by in [OWNER, gateway.account()] {
            assert_noop!(Parties::remove_gateway(signed(by), gateway.account()), NEEDED);
        }
        Needed::set(&vec![]);
        assert_ok!(Parties::remove_gateway(signed(OWNER), gateway.account()));
        assert_eq!(Departed::get(), [gateway.account().0], "the other pallets are told");
    });
}

#[test]
fn a_former_partys_gateway_can_become_a_party() {
    chain().execute_with(|| {
        let gateway = Key::new(1);
        let id = gateway.account();
        assert_ok!(add(&gateway, WORKSHOP));
        assert_noop!(<Parties as PartyRegistry>::add(party(id), id), Error::<Test>::IsAGateway);
        assert!(Parties::belongs_to(&id, &party(WORKSHOP)) && !Parties::belongs_to(&id, &party(OWNER)));
        assert_ok!(Parties::leave(signed(WORKSHOP)));
        assert_ok!(<Parties as PartyRegistry>::add(party(id), id));
        let found = Parties::role_of(&id).unwrap();
        assert_eq!(found.party, party(id));
        assert!(matches!(found.role, Role::Account { scope: Scope::All, until: None }));
        assert_eq!(Departed::get(), [party(WORKSHOP).0, id.0]);
        assert_ok!(Parties::check_state());
    });
}

#[test]
fn an_account_of_the_scope_gateway_adds_and_removes_gateways() {
    chain().execute_with(|| {
        let (technician, clerk, gateway) = (Key::new(3), Key::new(4), Key::new(1));
        assert_ok!(add_account(OWNER, &technician, OWNER, Scope::Gateway, None));
        assert_ok!(add_account(OWNER, &clerk, OWNER, Scope::Contracts, None));
        assert_noop!(add_gateway(clerk.account(), &gateway, OWNER), Error::<Test>::OutOfScope);
        assert_ok!(add_gateway(technician.account(), &gateway, OWNER));
        assert_noop!(
            Parties::remove_gateway(signed(clerk.account()), gateway.account()),
            Error::<Test>::OutOfScope
        );
        assert_ok!(Parties::remove_gateway(signed(technician.account()), gateway.account()));
    });
}
