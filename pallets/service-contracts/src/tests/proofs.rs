//! The checks on the proof of a reading.

use crate::{mock::*, Error, Event};
use frame_support::{assert_noop, assert_ok};
use streembit_primitives::{
    contract::{state::ProvenPoint, AcceptedSigners},
    hash::Domain,
    merkle::InclusionProof,
    reading_proof::ReadingProof,
    signature::sign_sr25519,
    Decimal, DeviceKey, Hash, LogId, Part, PublicKey, Signature, Signer, Text, Value,
};

fn point(sequence: u64, value: u32) -> ProvenPoint {
    ProvenPoint { sequence, time: START, value: km(value) }
}

/// Reports a proof as the owner.
fn report(
    id: streembit_primitives::contract::ContractId,
    proof: Box<ReadingProof>,
) -> sp_runtime::DispatchResult {
    ServiceContracts::report(signed(OWNER), id, SERVICE, proof)
}

#[test]
fn a_valid_proof_updates_the_meter() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms()), Gateway::new(100));
        for n in 0..20 {
            gateway.drive(10_000 + n);
        }
        assert_ok!(report(id, gateway.proven(12_345)));
        System::assert_last_event(
            Event::MeterProven { id, clause: SERVICE, point: point(20, 12_345) }.into(),
        );
        assert_eq!(ServiceContracts::clauses(id).unwrap()[0].progress.meter, Some(point(20, 12_345)));
    });
}

#[test]
fn every_part_of_a_proof_is_checked() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms()), Gateway::new(100));
        gateway.drive(11_000);
        gateway.drive(12_000);
        let proof = gateway.proven(13_000);
        type Change = fn(&mut ReadingProof);
        let faults: [(Error<Test>, Change); 14] = [
            (Error::OtherLog, |p| p.log.gateway = account(STRANGER)),
            (Error::OtherLog, |p| p.log.epoch = 1),
            (Error::NotAnchored, |p| p.size = 2),
            (Error::NotInLog, |p| p.index = 1),
            (Error::NotInLog, |p| p.inclusion = InclusionProof::default()),
            (Error::NotInLog, |p| p.entry.received = 1),
            (Error::NotInLog, |p| p.entry.event.header.sequence = 7),
            (Error::NotInLog, |p| p.entry.event.header.body_hash = Hash::ZERO),
            (Error::NotInLog, |p| p.entry.event.signature = Signature::Sr25519([1; 64])),
            (Error::NotInEvent, |p| p.disclosure.part = reading(ODOMETER, Value::Decimal(km(99_000)))),
            (Error::NotInEvent, |p| p.disclosure.part = reading("other", Value::Decimal(km(13_000)))),
            (Error::NotInEvent, |p| p.disclosure.salt = Hash::ZERO),
            (Error::NotInEvent, |p| p.disclosure.count = 2),
            (Error::OtherKind, |p| p.disclosure.part = Part::Status(Text::default())),
        ];
        for (fault, change) in faults {
            let mut changed = proof.clone();
            change(&mut changed);
            assert_noop!(report(id, changed), fault);
        }
        assert_ok!(report(id, proof));
    });
}

#[test]
fn an_unanchored_reading_proves_nothing() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms()), Gateway::new(100));
        gateway.drive(11_000);
        gateway.anchor();
        let index = gateway.drive(30_000);
        assert_noop!(report(id, gateway.prove_at(index, 2)), Error::<Test>::NotAnchored);
        // If the proof claims the anchored size, the new entry is not in the log.
        let mut claimed = gateway.prove_at(index, 2);
        claimed.size = 1;
        assert_noop!(report(id, claimed), Error::<Test>::NotInLog);
        gateway.anchor();
        assert_ok!(report(id, gateway.prove(index)));
    });
}

#[test]
fn a_proof_stays_valid_while_its_anchored_root_is_kept() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms()), Gateway::new(100));
        let early = gateway.proven(11_000);
        let later = gateway.proven(12_000);
        for n in 0..pallet_anchors::KEPT_ROOTS - 1 {
            gateway.drive(13_000 + n);
            gateway.anchor();
        }
        assert_noop!(report(id, early), Error::<Test>::NotAnchored);
        assert_ok!(report(id, later));
    });
}

#[test]
fn a_reading_of_another_device_or_from_another_gateway_proves_nothing() {
    chain().execute_with(|| {
        let (id, mut gateway, mut other) = (agree(terms()), Gateway::new(100), Gateway::new(101));
        let van = gateway.hosted("van").device_id();
        let index = gateway.log(van, vec![reading(ODOMETER, Value::Decimal(km(30_000)))]);
        gateway.anchor();
        assert_noop!(report(id, gateway.prove(index)), Error::<Test>::OtherDevice);
        // Another gateway signs events of the car and appends them to its own log.
        let elsewhere = other.proven(30_000);
        assert_noop!(report(id, elsewhere), Error::<Test>::OtherLog);
    });
}

#[test]
fn a_reading_counts_in_the_log_and_under_the_key_of_its_sequence() {
    chain().execute_with(|| {
        let (id, mut gateway, mut other) = (agree(terms()), Gateway::new(100), Gateway::new(101));
        // The event in entry n of each log has sequence n. The car moves before event 2, and event 3 is lost.
        let host_key = other.hosted("car");
        change(car(), |record, at| {
            record.assign(other.log_id(), Some(host_key), 2, 2, u64::MAX, at).unwrap()
        });
        change(car(), |record, at| record.declare_lost(3, 4, at).unwrap());
        for km in 0..6 {
            gateway.drive(11_000 + km);
            other.drive(12_000 + km);
        }
        gateway.anchor();
        other.anchor();
        assert_noop!(report(id, gateway.prove(2)), Error::<Test>::BadEvent);
        assert_noop!(report(id, other.prove(1)), Error::<Test>::BadEvent);
        assert_noop!(report(id, other.prove(3)), Error::<Test>::LostEvent);
        for proof in [gateway.prove(1), other.prove(2), other.prove(4)] {
            assert_ok!(report(id, proof));
        }
    });
}

#[test]
fn a_reading_in_another_log_of_the_gateway_proves_nothing() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms()), Gateway::new(100));
        let (early, late) = (gateway.drive(11_000), gateway.drive(12_000));
        gateway.anchor();
        let next = LogId { epoch: 1, ..gateway.log_id() };
        change(car(), |record, at| record.assign(next, None, late, late, u64::MAX, at).unwrap());
        assert_noop!(report(id, gateway.prove(late)), Error::<Test>::OtherLog);
        assert_ok!(report(id, gateway.prove(early)));
    });
}

#[test]
fn the_gateway_that_keeps_a_signing_devices_log_cannot_sign_for_it() {
    chain().execute_with(|| {
        let (mut gateway, device) = (Gateway::new(100), Gateway::new(7));
        let key = DeviceKey::Own(PublicKey::Sr25519(device.account().0));
        let id = own(OWNER, &key, &gateway);
        let mut terms = terms();
        terms.devices = vec![id, car()].try_into().unwrap();
        service(&mut terms).device = id;
        let agreed = agree(terms);

        let index = gateway.log(id, vec![reading(ODOMETER, Value::Decimal(km(30_000)))]);
        let (mut entry, body) = gateway.entry(index);
        entry.event.signer = Signer::Device;
        let disguised = gateway.append(entry, body);
        gateway.anchor();
        for index in [index, disguised] {
            assert_noop!(report(agreed, gateway.prove(index)), Error::<Test>::BadEvent);
        }
        // A signature that the device made for another purpose is not valid for the event.
        let (mut entry, body) = gateway.entry(disguised);
        let pair = schnorrkel::MiniSecretKey::from_bytes(&[7; 32])
            .unwrap()
            .expand_to_keypair(schnorrkel::ExpansionMode::Ed25519);
        entry.event.signature = sign_sr25519(&pair, Domain::Registration, &entry.event.header.hash());
        let misused = gateway.append(entry.clone(), body.clone());
        entry.event.signature = sign_sr25519(&pair, Domain::EventHeader, &entry.event.header.hash());
        let valid = gateway.append(entry, body);
        gateway.anchor();
        assert_noop!(report(agreed, gateway.prove(misused)), Error::<Test>::BadEvent);
        assert_ok!(report(agreed, gateway.prove(valid)));
    });
}

#[test]
fn only_the_clauses_meter_counts_and_only_as_a_number() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms()), Gateway::new(100));
        let speed = gateway.log(car(), vec![reading("Vehicle.Speed", Value::Decimal(km(30_000)))]);
        let text = gateway.log(car(), vec![reading(ODOMETER, Value::Text(Text::try_from("30000").unwrap()))]);
        let status = gateway.log(car(), vec![Part::Status(Text::try_from("connected").unwrap())]);
        gateway.anchor();
        assert_noop!(report(id, gateway.prove(speed)), Error::<Test>::OtherReading);
        assert_noop!(report(id, gateway.prove(text)), Error::<Test>::NotANumber);
        assert_noop!(report(id, gateway.prove(status)), Error::<Test>::NotAReading);
    });
}

#[test]
fn only_parties_to_a_contract_in_force_prove_and_only_for_a_clause_with_a_meter() {
    chain().execute_with(|| {
        let (id, mut gateway) = (id_of(&terms()), Gateway::new(100));
        let proof = gateway.proven(11_000);
        let report = |who, clause| ServiceContracts::report(signed(who), id, clause, proof.clone());
        assert_noop!(report(OWNER, SERVICE), Error::<Test>::UnknownContract);
        assert_ok!(ServiceContracts::propose(signed(OWNER), content(terms())));
        assert_noop!(report(OWNER, SERVICE), Error::<Test>::NotActive);
        for party in [WORKSHOP, ARBITER] {
            assert_ok!(ServiceContracts::accept(signed(party), id, hash_of(&terms())));
        }
        for outsider in [INSURER, ARBITER] {
            assert_noop!(report(outsider, SERVICE), Error::<Test>::NotPartyToContract);
        }
        assert_noop!(report(OWNER, ACCESS), Error::<Test>::NoMeter);
        assert_noop!(report(OWNER, 3), Error::<Test>::UnknownClause);
        assert_ok!(report(WORKSHOP, SERVICE));
    });
}

#[test]
fn a_meter_whose_next_due_point_does_not_fit_into_a_decimal_cannot_be_recorded() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms()), Gateway::new(100));
        let huge = Value::Decimal(Decimal::new(i64::MAX, 18).unwrap());
        let index = gateway.log(car(), vec![reading(ODOMETER, huge)]);
        gateway.anchor();
        assert_noop!(
            ServiceContracts::record(
                signed(WORKSHOP),
                id,
                SERVICE,
                Some(gateway.prove(index)),
                Default::default()
            ),
            Error::<Test>::OutOfRange
        );
    });
}

#[test]
fn other_units_of_the_same_quantity_are_converted_and_others_refused() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms()), Gateway::new(100));
        let mut log = |value: u32, unit| {
            gateway.log(car(), vec![reading_in(ODOMETER, Value::Decimal(km(value)), unit)]);
            gateway.anchor();
            gateway.prove(gateway.entries() - 1)
        };
        // Metres instead of kilometres, which once froze a contract for ever.
        assert_ok!(report(id, log(47_000_000, "m")));
        assert_ok!(report(id, log(48_000, "km")));
        for unit in ["kWh", "", "parsec"] {
            let proof = log(48_001, unit);
            assert_noop!(report(id, proof), Error::<Test>::OtherUnit);
        }
        assert_ok!(report(id, log(30_000, "mi")));
        let meter = ServiceContracts::clauses(id).unwrap()[0].progress.meter.unwrap();
        assert_eq!(meter.value.to_string(), "48280.32");
    });
}

#[test]
fn a_reading_counts_while_the_contract_is_in_force_and_at_a_plausible_time() {
    chain().execute_with(|| {
        let mut early = terms();
        early.starts = START + 10 * MINUTE;
        let (id, mut gateway) = (agree(early), Gateway::new(100));
        let before = gateway.proven(11_000);
        assert_noop!(report(id, before), Error::<Test>::OutsideContract);
        pass(60 * MINUTE);
        let present = Now::get();
        // The gateway backdates an event to before its last anchor, and dates one to after the next.
        for time in [present - 50 * MINUTE, present + 11 * MINUTE] {
            gateway.drive(11_000);
            gateway.anchor();
            Now::set(&time);
            let index = gateway.drive(11_001);
            Now::set(&present);
            gateway.anchor();
            let proof = gateway.prove(index);
            assert_noop!(report(id, proof), Error::<Test>::ImplausibleTime);
        }
        // Anchors do not make a backdated event plausible, however many follow.
        gateway.drive(11_001);
        gateway.anchor();
        Now::set(&(present - 50 * MINUTE));
        let backdated = gateway.drive(11_001);
        Now::set(&present);
        for _ in 0..=pallet_anchors::KEPT_ROOTS {
            gateway.drive(11_001);
            gateway.anchor();
        }
        assert_noop!(report(id, gateway.prove(backdated)), Error::<Test>::ImplausibleTime);
        let proof = gateway.proven(11_002);
        assert_ok!(report(id, proof));
        let late = gateway.drive(11_003);
        gateway.anchor();
        block_at(END);
        let ended = gateway.proven(11_004);
        assert_noop!(report(id, ended), Error::<Test>::OutsideContract);
        assert_ok!(report(id, gateway.prove(late)));
    });
}

#[test]
fn a_contract_may_count_only_what_the_device_signed() {
    chain().execute_with(|| {
        let mut strict = terms();
        strict.signers = AcceptedSigners::DeviceOnly;
        let (id, mut gateway) = (agree(strict), Gateway::new(100));
        let proof = gateway.proven(11_000);
        assert_noop!(report(id, proof), Error::<Test>::GatewaySigned);
    });
}

#[test]
fn a_device_that_was_sold_to_a_stranger_proves_nothing_from_then_on() {
    chain().execute_with(|| {
        let (id, mut gateway) = (agree(terms()), Gateway::new(100));
        gateway.drive(11_000);
        gateway.anchor();
        pass(MINUTE);
        own(INSURER, &gateway.hosted("car"), &gateway);
        let later = gateway.proven(11_001);
        assert_noop!(report(id, later), Error::<Test>::DeviceSold);
        assert_ok!(report(id, gateway.prove(0)));
    });
}
