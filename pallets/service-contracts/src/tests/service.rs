//! Meters, records and due points.

use crate::{mock::*, Error, Event};
use frame_support::{assert_noop, assert_ok, traits::Get};
use proptest::prelude::*;
use streembit_primitives::{
    contract::{Clause, ContractId},
    contract_state::{ServiceDue, ServiceRecord},
    reading_proof::ReadingProof,
    Hash,
};

const DETAILS: Hash = Hash([0xdd; 32]);

fn due(id: ContractId) -> ServiceDue {
    let due = ServiceContracts::due(id).unwrap();
    assert_eq!(due.len(), 1);
    due[0].clone()
}

fn record(id: ContractId, proof: Box<ReadingProof>) -> sp_runtime::DispatchResult {
    ServiceContracts::record(signed(WORKSHOP), id, SERVICE, proof, DETAILS)
}

#[test]
fn a_service_falls_due_again_one_interval_after_a_confirmed_record() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(contract()), Gateway::new(100));
        assert_eq!(due(id), ServiceDue { clause: SERVICE, due_at: km(25_000), meter: None, is_due: false });

        assert_ok!(ServiceContracts::report(signed(OWNER), id, SERVICE, gateway.proven(24_999)));
        assert_eq!(
            due(id),
            ServiceDue { clause: SERVICE, due_at: km(25_000), meter: Some(km(24_999)), is_due: false }
        );
        assert_ok!(ServiceContracts::report(signed(OWNER), id, SERVICE, gateway.proven(25_000)));
        assert!(due(id).is_due);

        System::set_block_number(7);
        assert_ok!(record(id, gateway.proven(25_400)));
        let mut expected = ServiceRecord {
            number: 0,
            clause: SERVICE,
            meter: km(25_400),
            details: DETAILS,
            recorded: 7,
            confirmed: None,
        };
        System::assert_last_event(Event::Recorded { id, record: expected.clone() }.into());
        assert_eq!(ServiceContracts::contract(id).unwrap().records, vec![expected.clone()]);
        // A record alone does not move the due point.
        assert_eq!((due(id).due_at, due(id).is_due), (km(25_000), true));

        System::set_block_number(9);
        assert_ok!(ServiceContracts::confirm(signed(OWNER), id, 0));
        System::assert_last_event(Event::Confirmed { id, number: 0, due_at: km(40_400) }.into());
        expected.confirmed = Some(9);
        assert_eq!(ServiceContracts::contract(id).unwrap().records, vec![expected]);
        assert_eq!((due(id).due_at, due(id).is_due), (km(40_400), false));

        assert_ok!(ServiceContracts::report(signed(OWNER), id, SERVICE, gateway.proven(41_000)));
        assert!(due(id).is_due);
    });
}

#[test]
fn a_meter_never_falls_and_an_old_event_is_not_proven_again() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(contract()), Gateway::new(100));
        let (old, last) = (gateway.drive(20_000), gateway.drive(21_000));
        gateway.anchor();
        let report = |proof| ServiceContracts::report(signed(OWNER), id, SERVICE, proof);
        assert_ok!(report(gateway.prove(last)));
        assert_noop!(report(gateway.prove(last)), Error::<Test>::NotNewer);
        assert_noop!(report(gateway.prove(old)), Error::<Test>::NotNewer);
        assert_noop!(record(id, gateway.prove(old)), Error::<Test>::NotNewer);
        // The event is newer, but the odometer was turned back.
        let turned_back = gateway.proven(20_999);
        assert_noop!(report(turned_back.clone()), Error::<Test>::MeterFell);
        assert_noop!(record(id, turned_back), Error::<Test>::MeterFell);
        // An unchanged meter is accepted: the car did not move.
        assert_ok!(report(gateway.proven(21_000)));
    });
}

#[test]
fn a_record_may_use_the_event_of_the_last_report() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(contract()), Gateway::new(100));
        let proof = gateway.proven(25_000);
        assert_ok!(ServiceContracts::report(signed(OWNER), id, SERVICE, proof.clone()));
        assert_ok!(record(id, proof));
        assert_ok!(ServiceContracts::confirm(signed(OWNER), id, 0));
        assert_eq!(due(id).due_at, km(40_000));
    });
}

#[test]
fn the_provider_records_and_the_customer_confirms() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(contract()), Gateway::new(100));
        let proof = gateway.proven(25_000);
        for who in [OWNER, INSURER] {
            assert_noop!(
                ServiceContracts::record(signed(who), id, SERVICE, proof.clone(), DETAILS),
                Error::<Test>::NotTheProvider
            );
        }
        assert_noop!(ServiceContracts::confirm(signed(OWNER), id, 0), Error::<Test>::UnknownRecord);
        assert_ok!(record(id, proof.clone()));
        assert_noop!(record(id, proof), Error::<Test>::RecordOpen);
        for who in [WORKSHOP, INSURER] {
            assert_noop!(ServiceContracts::confirm(signed(who), id, 0), Error::<Test>::NotTheCustomer);
        }
        assert_ok!(ServiceContracts::confirm(signed(OWNER), id, 0));
        assert_noop!(ServiceContracts::confirm(signed(OWNER), id, 0), Error::<Test>::ConfirmedAlready);
    });
}

#[test]
fn the_records_of_a_contract_are_limited() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(contract()), Gateway::new(100));
        let most: u32 = <Test as crate::Config>::MaxRecords::get();
        for number in 0..most {
            assert_ok!(record(id, gateway.proven(25_000 + number)));
            assert_ok!(ServiceContracts::check_state());
            assert_ok!(ServiceContracts::confirm(signed(OWNER), id, number));
            assert_ok!(ServiceContracts::check_state());
        }
        let proof = gateway.proven(90_000);
        assert_noop!(record(id, proof), Error::<Test>::TooManyRecords);
    });
}

#[test]
fn each_clause_has_its_own_meter_and_records() {
    chain().execute_with(|| {
        let mut contract = contract();
        let mut brakes = service(&mut contract).clone();
        brakes.every = km(30_000);
        contract.clauses.try_push(Clause::Service(brakes)).unwrap();
        let (id, mut gateway) = (agree(contract), Gateway::new(100));
        let proof = gateway.proven(26_000);
        assert_ok!(record(id, proof.clone()));
        assert_ok!(ServiceContracts::record(signed(WORKSHOP), id, 2, proof, DETAILS));
        assert_ok!(ServiceContracts::confirm(signed(OWNER), id, 1));
        let due = ServiceContracts::due(id).unwrap();
        let points: Vec<_> = due.iter().map(|due| (due.clause, due.due_at, due.is_due)).collect();
        assert_eq!(points, vec![(SERVICE, km(25_000), true), (2, km(56_000), false)]);
    });
}

#[test]
fn nothing_is_due_under_an_unknown_contract() {
    chain().execute_with(|| assert_eq!(ServiceContracts::due(ContractId([7; 32])), None));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// For any distances and any order of the proofs: the proven meter never goes back, neither in sequence nor in
    /// value, and the chain accepts every proof that goes forward.
    #[test]
    fn the_proven_meter_never_falls(
        driven in prop::collection::vec(0u32..50, 2..12),
        order in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
    ) {
        chain().execute_with(|| {
            let (id, mut gateway) = (agree(contract()), Gateway::new(100));
            for meter in &driven {
                gateway.drive(*meter);
            }
            gateway.anchor();
            let mut last: Option<(usize, u32)> = None;
            for at in order.iter().map(|index| index.index(driven.len())) {
                let proof = gateway.prove(at as u64);
                let accepted = ServiceContracts::report(signed(OWNER), id, SERVICE, proof).is_ok();
                let forward = last.is_none_or(|(sequence, meter)| at > sequence && driven[at] >= meter);
                prop_assert_eq!(accepted, forward);
                if accepted {
                    last = Some((at, driven[at]));
                }
                prop_assert_eq!(due(id).meter, last.map(|(_, meter)| km(meter)));
                prop_assert_eq!(ServiceContracts::check_state(), Ok(()));
            }
            Ok(())
        })?;
    }
}
