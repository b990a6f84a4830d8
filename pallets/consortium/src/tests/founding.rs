use crate::{mock::*, Error, Event, GenesisHash, IsGateway, IsParty};
use frame_support::{
    assert_noop, assert_ok,
    traits::{Contains, Get},
};
use pallet_session::SessionManager;
use streembit_primitives::{AccountId, Hash};

fn genesis_hash() -> Hash {
    GenesisHash::<Test>::get()
}

#[test]
fn founding_parties_may_submit_and_others_may_not() {
    chain().execute_with(|| {
        for party in [OWNER, WORKSHOP] {
            assert!(Consortium::is_party(&party) && IsParty::<Test>::contains(&party));
            assert_eq!(System::providers(&account(party)), 1);
        }
        assert!(!Consortium::is_party(&STRANGER) && !IsParty::<Test>::contains(&STRANGER));
        assert_eq!(System::providers(&account(STRANGER)), 0);
    });
}

#[test]
fn a_consenting_gateway_belongs_to_its_party_and_may_submit() {
    chain().execute_with(|| {
        let (one, two) = (Gateway::new(1), Gateway::new(2));
        for gateway in [&one, &two] {
            assert!(!IsGateway::<Test>::contains(&gateway.account()));
            let consent = gateway.consent(genesis_hash(), OWNER);
            assert_ok!(Consortium::add_gateway(signed(OWNER), gateway.account(), consent));
            assert!(IsGateway::<Test>::contains(&gateway.account()));
            assert_eq!(Consortium::party_of(&gateway.account()), Some(OWNER));
            assert_eq!(System::providers(&account(gateway.account())), 1);
            System::assert_last_event(
                Event::GatewayAdded { party: OWNER, gateway: gateway.account() }.into(),
            );
        }
        let mut gateways = Consortium::gateways(&OWNER);
        gateways.sort();
        let mut expected = vec![one.account(), two.account()];
        expected.sort();
        assert_eq!(gateways, expected);
        assert!(Consortium::gateways(&WORKSHOP).is_empty());
        assert!(!Consortium::is_party(&one.account()));
    });
}

#[test]
fn a_consent_is_good_for_one_chain_one_party_and_one_gateway() {
    chain().execute_with(|| {
        let (gateway, other) = (Gateway::new(1), Gateway::new(2));
        for consent in [
            gateway.consent(Hash([7; 32]), OWNER),
            gateway.consent(genesis_hash(), WORKSHOP),
            other.consent(genesis_hash(), OWNER),
        ] {
            assert_noop!(
                Consortium::add_gateway(signed(OWNER), gateway.account(), consent),
                Error::<Test>::BadConsent
            );
        }
    });
}

#[test]
fn only_a_party_adds_and_nobody_adds_twice() {
    chain().execute_with(|| {
        let gateway = Gateway::new(1);
        let consent = |party| gateway.consent(genesis_hash(), party);
        let add =
            |party: AccountId| Consortium::add_gateway(signed(party), gateway.account(), consent(party));
        assert_noop!(add(STRANGER), Error::<Test>::NotAParty);
        assert_ok!(add(OWNER));
        assert_noop!(add(OWNER), Error::<Test>::GatewayKnown);
        // A second party cannot take it over, not even with its consent.
        assert_noop!(add(WORKSHOP), Error::<Test>::GatewayKnown);
        // A gateway is no party: it adds no further gateways.
        let second = Gateway::new(2);
        assert_noop!(
            Consortium::add_gateway(
                signed(gateway.account()),
                second.account(),
                second.consent(genesis_hash(), gateway.account())
            ),
            Error::<Test>::NotAParty
        );
    });
}

#[test]
fn a_partys_own_account_is_never_a_gateway() {
    let founder = Gateway::new(3);
    genesis(&[OWNER, founder.account()], &[]).execute_with(|| {
        assert_noop!(
            Consortium::add_gateway(signed(OWNER), founder.account(), founder.consent(genesis_hash(), OWNER)),
            Error::<Test>::IsAParty
        );
    });
}

#[test]
fn the_genesis_hash_outlives_the_hashes_of_other_blocks() {
    chain().execute_with(|| {
        let genesis = Hash([0xab; 32]);
        System::set_block_number(0);
        System::initialize(&1, &genesis.0.into(), &Default::default());
        let mut parent = System::finalize().hash();
        let first = parent;
        let kept: u64 = <Test as frame_system::Config>::BlockHashCount::get();
        for number in 2..kept + 20 {
            System::initialize(&number, &parent, &Default::default());
            parent = System::finalize().hash();
        }
        assert_ne!(System::block_hash(1), first, "block 1 should be forgotten by now");
        assert_eq!(genesis_hash(), genesis);

        let gateway = Gateway::new(1);
        let consent = gateway.consent(genesis, OWNER);
        assert_ok!(Consortium::add_gateway(signed(OWNER), gateway.account(), consent));
    });
}

#[test]
fn the_genesis_validators_validate_and_stay() {
    genesis(&[OWNER, WORKSHOP], &[WORKSHOP, OWNER]).execute_with(|| {
        let validators = vec![account(WORKSHOP), account(OWNER)];
        assert_eq!(<Consortium as SessionManager<_>>::new_session_genesis(0), Some(validators.clone()));
        blocks(50);
        assert_eq!((Session::validators(), Session::current_index()), (validators, 0));
        assert!(!Consortium::is_turning());
    });
}

#[test]
#[should_panic = "a validator is not a party"]
fn a_genesis_with_a_foreign_validator_starts_no_chain() {
    genesis(&[OWNER], &[STRANGER]);
}

#[test]
#[should_panic = "a party is named twice"]
fn a_genesis_with_a_party_twice_starts_no_chain() {
    genesis(&[OWNER, OWNER], &[]);
}

#[test]
#[should_panic = "too many validators"]
fn a_genesis_with_too_many_validators_starts_no_chain() {
    let parties: Vec<_> = (1..=5).map(|id| AccountId([id; 32])).collect();
    genesis(&parties, &parties);
}
