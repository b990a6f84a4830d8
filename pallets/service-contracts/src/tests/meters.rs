//! Meters, services and irregularities.

use crate::{mock::*, Error, Event};
use frame_support::{assert_noop, assert_ok};
use proptest::prelude::*;
use sp_runtime::DispatchResult;
use streembit_primitives::{
    contract::{
        state::{
            ClaimState, ClaimSubject, ClauseView, Decision, IrregularityKind, Outcome, ProvenPoint,
            ServiceDue, Track,
        },
        ContractId, Documents, Interval, Terms,
    },
    reading_proof::ReadingProof,
    Hash,
};

fn clause(id: ContractId) -> ClauseView {
    ServiceContracts::clauses(id).unwrap()[0].clone()
}

fn due(id: ContractId) -> ServiceDue {
    clause(id).due.unwrap()
}

fn meter(id: ContractId) -> Option<u32> {
    clause(id).progress.meter.map(|point: ProvenPoint| point.value.to_string().parse().unwrap())
}

fn report(id: ContractId, proof: Box<ReadingProof>) -> DispatchResult {
    ServiceContracts::report(signed(OWNER), id, SERVICE, proof)
}

fn record(id: ContractId, proof: Box<ReadingProof>) -> DispatchResult {
    let documents = Documents::truncate_from(vec![Hash([0xdd; 32])]);
    ServiceContracts::record(signed(WORKSHOP), id, SERVICE, Some(proof), documents)
}

fn confirm(id: ContractId, number: u32) -> DispatchResult {
    ServiceContracts::confirm(signed(OWNER), id, number)
}

fn claim_state(id: ContractId, number: u32) -> ClaimState {
    ServiceContracts::claims(id).unwrap().iter().find(|view| view.claim.number == number).unwrap().claim.state
}

#[test]
fn a_service_falls_due_again_one_interval_after_a_confirmed_record() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms()), Gateway::new(100));
        assert_ok!(report(id, gateway.proven(24_999)));
        assert_eq!(due(id), ServiceDue { at_meter: Some(km(25_000)), at_time: None, is_due: false });
        assert_ok!(report(id, gateway.proven(25_000)));
        assert!(due(id).is_due);
        // A car does not move while the workshop services it: the event of the last report will do.
        assert_ok!(record(id, gateway.prove(gateway.entries() - 1)));
        assert_eq!(
            (due(id).at_meter, due(id).is_due),
            (Some(km(25_000)), true),
            "a record alone moves nothing"
        );
        assert_ok!(confirm(id, 0));
        assert_eq!((due(id).at_meter, due(id).is_due), (Some(km(40_000)), false));
        assert_eq!(claim_state(id, 0), ClaimState::Stands(Decision::Confirmed));
        assert_noop!(confirm(id, 0), Error::<Test>::NotOpen);
    });
}

#[test]
fn a_service_is_also_due_by_the_calendar() {
    chain().execute_with(|| {
        let mut by_time: Terms = terms();
        service(&mut by_time).by_time = Some(Interval { from: START, every: 30 * MINUTE });
        let (id, mut gateway) = (agree(by_time), Gateway::new(100));
        pass(29 * MINUTE);
        assert!(!due(id).is_due);
        pass(MINUTE);
        assert!(due(id).is_due);
        assert_ok!(record(id, gateway.proven(11_000)));
        assert_ok!(confirm(id, 0));
        let next = START + 60 * MINUTE;
        assert_eq!((due(id).at_time, due(id).is_due), (Some(next), false));
    });
}

#[test]
fn a_service_without_a_meter_is_recorded_without_a_reading() {
    chain().execute_with(|| {
        let mut by_time = terms();
        *service(&mut by_time) = streembit_primitives::contract::ServiceClause {
            meter: None,
            by_meter: None,
            by_time: Some(Interval { from: START, every: 30 * MINUTE }),
            ..service(&mut terms()).clone()
        };
        let (id, mut gateway) = (agree(by_time), Gateway::new(100));
        let proof = gateway.proven(11_000);
        assert_noop!(record(id, proof), Error::<Test>::ReadingNeeded);
        let without = ServiceContracts::record(signed(WORKSHOP), id, SERVICE, None, Default::default());
        assert_ok!(without);
    });
}

#[test]
fn silence_confirms_a_record_but_not_while_the_chain_stands_still() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms()), Gateway::new(100));
        assert_ok!(record(id, gateway.proven(25_000)));
        block_at(Now::get() + 7 * DAY);
        assert_eq!((claim_state(id, 0), due(id).at_meter), (ClaimState::Claimed, Some(km(25_000))));
        pass(CONTEST - 2 * MINUTE);
        assert_eq!(claim_state(id, 0), ClaimState::Claimed);
        pass(MINUTE);
        assert_eq!(claim_state(id, 0), ClaimState::Stands(Decision::Silence));
        assert_eq!(due(id).at_meter, Some(km(40_000)));
        assert_noop!(confirm(id, 0), Error::<Test>::NotOpen);
        let late = ServiceContracts::contest(signed(OWNER), id, 0, Default::default());
        assert_noop!(late, Error::<Test>::NotOpen);
        // The next record notes it.
        assert_ok!(record(id, gateway.proven(27_000)));
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}

#[test]
fn the_provider_records_one_service_at_a_time_and_may_retract_it() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms()), Gateway::new(100));
        let proof = gateway.proven(25_000);
        let by_owner =
            ServiceContracts::record(signed(OWNER), id, SERVICE, Some(proof.clone()), Default::default());
        assert_noop!(by_owner, Error::<Test>::NotTheClaimant);
        assert_ok!(record(id, proof.clone()));
        assert_noop!(record(id, proof.clone()), Error::<Test>::RecordOpen);
        assert_noop!(ServiceContracts::confirm(signed(WORKSHOP), id, 0), Error::<Test>::NotTheRespondent);
        assert_noop!(ServiceContracts::retract(signed(OWNER), id, 0), Error::<Test>::NotTheClaimant);
        assert_ok!(ServiceContracts::retract(signed(WORKSHOP), id, 0));
        assert_noop!(confirm(id, 0), Error::<Test>::UnknownClaim);
        assert_ok!(record(id, proof));
        assert_ok!(confirm(id, 1));
        assert_noop!(ServiceContracts::retract(signed(WORKSHOP), id, 1), Error::<Test>::NotOpen);
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}

#[test]
fn records_are_limited_and_decided_ones_can_be_pruned() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms()), Gateway::new(100));
        for number in 0..3 {
            assert_ok!(record(id, gateway.proven(25_000 + number)));
            assert_noop!(
                ServiceContracts::prune_claim(signed(OWNER), id, number),
                Error::<Test>::ClaimNeeded
            );
            assert_ok!(confirm(id, number));
        }
        let proof = gateway.proven(25_010);
        assert_noop!(record(id, proof.clone()), Error::<Test>::TooManyClaims);
        assert_noop!(
            ServiceContracts::prune_claim(signed(INSURER), id, 0),
            Error::<Test>::NotPartyToContract
        );
        assert_ok!(ServiceContracts::prune_claim(signed(WORKSHOP), id, 0));
        assert_ok!(record(id, proof));
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}

/// The odometer is rolled back: the irregularity is recorded, and the meter does not move.
#[test]
fn a_meter_that_falls_leaps_or_goes_back_in_time_does_not_move() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms()), Gateway::new(100));
        assert_ok!(report(id, gateway.proven(47_000)));
        for (number, (value, kind)) in
            [(46_000, IrregularityKind::Fell), (47_000_000, IrregularityKind::Leapt)].into_iter().enumerate()
        {
            let number = number as u32;
            let proof = gateway.proven(value);
            assert_noop!(record(id, proof.clone()), Error::<Test>::Irregular);
            assert_ok!(report(id, proof));
            let claims = ServiceContracts::claims(id).unwrap();
            let claim = &claims.iter().find(|view| view.claim.number == number).unwrap().claim;
            assert!(
                matches!(claim.subject, ClaimSubject::Irregularity { kind: found, .. } if found == kind),
                "{claim:?}"
            );
            assert_eq!((claim.state, meter(id)), (ClaimState::Disputed, Some(47_000)));
            let another = gateway.proven(45_000);
            assert_noop!(report(id, another), Error::<Test>::IrregularityOpen);
            // A regular reading still counts.
            assert_ok!(report(id, gateway.proven(47_000)));
            pass(RULE);
            // Nobody decided, so it is void, whatever the contract says about claims.
            assert_eq!(claim_state(id, number), ClaimState::Void(Decision::Unruled));
        }
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}

#[test]
fn the_parties_or_the_arbiter_accept_a_replaced_cluster() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms()), Gateway::new(100));
        assert_ok!(record(id, gateway.proven(47_000)));
        assert_ok!(confirm(id, 0));
        assert_eq!(due(id).at_meter, Some(km(62_000)));
        assert_ok!(report(id, gateway.proven(5)));
        let settle = |party, outcome| ServiceContracts::settle(signed(party), id, 1, outcome);
        assert_ok!(settle(WORKSHOP, Outcome::Stands));
        assert_ok!(settle(OWNER, Outcome::Void));
        assert_eq!(meter(id), Some(47_000), "they do not agree");
        assert_ok!(settle(OWNER, Outcome::Stands));
        assert_eq!(meter(id), Some(5));
        // The next service is due after the same distance as before.
        assert_eq!(due(id).at_meter, Some(km(15_005)));
        assert_ok!(report(id, gateway.proven(6)));
        assert_ok!(report(id, gateway.proven(5)));
        let rule = ServiceContracts::rule(signed(ARBITER), id, 2, Outcome::Stands, Default::default());
        assert_ok!(rule);
        assert_eq!(meter(id), Some(5));
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}

/// A meter is replaced: what the next service is due after does not change.
#[test]
fn services_are_counted_in_a_replaced_meter() {
    let settle = |id, number, outcome| {
        for party in [OWNER, WORKSHOP] {
            assert_ok!(ServiceContracts::settle(signed(party), id, number, outcome));
        }
    };
    // A wrong reading below the last one, and a right one above it.
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms()), Gateway::new(100));
        assert_ok!(record(id, gateway.proven(47_000)));
        assert_ok!(confirm(id, 0));
        assert_ok!(report(id, gateway.proven(49_000)));
        assert_ok!(report(id, gateway.proven(5)));
        let proof = gateway.proven(49_900);
        assert_ok!(ServiceContracts::offer_reading(signed(OWNER), id, 1, proof));
        settle(id, 1, Outcome::Reading { sequence: 3 });
        assert_eq!((meter(id), due(id).at_meter), (Some(49_900), Some(km(62_000))));
    });
    // The new instrument has run before the parties agree.
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms()), Gateway::new(100));
        assert_ok!(record(id, gateway.proven(47_000)));
        assert_ok!(confirm(id, 0));
        assert_ok!(report(id, gateway.proven(49_000)));
        assert_ok!(report(id, gateway.proven(5)));
        let proof = gateway.proven(900);
        assert_ok!(ServiceContracts::offer_reading(signed(OWNER), id, 1, proof));
        settle(id, 1, Outcome::Reading { sequence: 3 });
        // It was due 13,000 km later when the meter was replaced.
        assert_eq!((meter(id), due(id).at_meter), (Some(900), Some(km(13_005))));
    });
    // Before the first service.
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms()), Gateway::new(100));
        assert_ok!(report(id, gateway.proven(24_000)));
        assert_ok!(report(id, gateway.proven(5)));
        settle(id, 0, Outcome::Stands);
        assert_eq!((due(id).at_meter, due(id).is_due), (Some(km(1_005)), false));
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
    // With a record that is confirmed later.
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms()), Gateway::new(100));
        assert_ok!(record(id, gateway.proven(47_000)));
        assert_ok!(report(id, gateway.proven(5)));
        settle(id, 1, Outcome::Stands);
        assert_ok!(confirm(id, 0));
        assert_eq!(due(id).at_meter, Some(km(15_005)));
        assert_eq!(ServiceContracts::check_state(), Ok(()));
    });
}

#[test]
fn a_poisoned_meter_is_set_to_a_later_proven_reading() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms()), Gateway::new(100));
        // The very first reading is wrong, so nothing tells that it leaps.
        assert_ok!(report(id, gateway.proven(47_000_000)));
        assert_ok!(report(id, gateway.proven(48_000)));
        let offer = |proof| ServiceContracts::offer_reading(signed(WORKSHOP), id, 0, proof);
        let old = gateway.prove(0);
        assert_noop!(offer(old), Error::<Test>::NotNewer);
        let proof = gateway.proven(48_010);
        let sequence = gateway.entries() - 1;
        let outcome = Outcome::Reading { sequence };
        let rule = |by, outcome| ServiceContracts::rule(signed(by), id, 0, outcome, Default::default());
        assert_noop!(rule(ARBITER, outcome), Error::<Test>::WrongOutcome);
        assert_ok!(offer(proof));
        assert_noop!(rule(OWNER, outcome), Error::<Test>::NotTheArbiter);
        assert_ok!(rule(ARBITER, outcome));
        assert_eq!(meter(id), Some(48_010));
        System::assert_last_event(
            Event::Decided { id, number: 0, outcome, decision: Decision::Ruled }.into(),
        );
        assert!(matches!(clause(id).progress.track, Track::Nothing));
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// For any distances and any order of the proofs: the meter moves with each regular reading that is newer, and with no
    /// other one.
    #[test]
    fn the_meter_moves_with_regular_readings_only(
        driven in prop::collection::vec(0u32..5_000, 2..12),
        order in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
    ) {
        chain().execute_with(|| {
            let (id, mut gateway) = (agree(terms()), Gateway::new(100));
            for meter in &driven {
                gateway.drive(*meter);
            }
            gateway.anchor();
            let mut last: Option<(usize, u32)> = None;
            let mut first = None;
            for at in order.iter().map(|index| index.index(driven.len())) {
                let is_accepted = report(id, gateway.prove(at as u64)).is_ok();
                let is_newer = last.is_none_or(|(sequence, _)| at > sequence);
                // All readings are of the same day.
                let most = first.unwrap_or(driven[at]) + 3_000;
                let is_regular = last.is_none_or(|(_, meter)| (meter..=most).contains(&driven[at]));
                if is_newer && is_regular {
                    prop_assert!(is_accepted);
                    last = Some((at, driven[at]));
                    first = first.or(Some(driven[at]));
                }
                prop_assert_eq!(meter(id), last.map(|(_, meter)| meter));
                prop_assert_eq!(ServiceContracts::check_state(), Ok(()));
            }
            Ok(())
        })?;
    }
}
