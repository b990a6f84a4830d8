//! Which terms are valid, and what their hashes cover.

use super::*;
use crate::{contract::evaluate::Rounding, reading::Name, Decimal, DeviceId, PartyId};

const OWNER: PartyId = PartyId([1; 32]);
const WORKSHOP: PartyId = PartyId([2; 32]);
const CAR: DeviceId = DeviceId([3; 32]);
const STRANGER: PartyId = PartyId([9; 32]);
const DAY: u64 = 24 * 60 * 60 * 1_000;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn odometer() -> Meter {
    Meter { name: name("Vehicle.TraveledDistance"), unit: "km".parse().unwrap(), max_per_day: 3_000.into() }
}

fn service() -> ServiceClause {
    ServiceClause {
        subject: document_hash(&[7; 32], b"oil change"),
        device: CAR,
        meter: Some(odometer()),
        by_meter: Some(Interval { from: 0.into(), every: 15_000.into() }),
        by_time: Some(Interval { from: DAY, every: 365 * DAY }),
        provider: WORKSHOP,
        customer: OWNER,
    }
}

fn access() -> AccessClause {
    AccessClause {
        device: CAR,
        grantor: OWNER,
        grantee: Grantee::Party(WORKSHOP),
        readings: ReadingSelection::All,
        purpose: None,
        until: 10 * DAY,
    }
}

fn control() -> ControlClause {
    let rule = CommandRule { name: name("unlock"), per_hour: Some(4), limits: Default::default() };
    ControlClause {
        device: CAR,
        grantor: OWNER,
        grantee: Grantee::Role(ContractRole::Workshop),
        commands: vec![rule].try_into().unwrap(),
        until: 10 * DAY,
    }
}

fn bound() -> BoundClause {
    BoundClause {
        device: CAR,
        reading: name("temperature"),
        unit: "Cel".parse().unwrap(),
        min: Some(2.into()),
        max: Some(8.into()),
        tolerated: 600_000,
        obliged: WORKSHOP,
        claimant: OWNER,
    }
}

fn usage() -> UsageClause {
    UsageClause {
        device: CAR,
        meter: odometer(),
        period: 365 * DAY,
        allowance: 15_000.into(),
        carry_over: CarryOver::UpTo(1_000.into()),
        user: WORKSHOP,
        claimant: OWNER,
    }
}

fn charge() -> ChargeClause {
    ChargeClause {
        subject: None,
        basis: ChargeBasis::Meter { device: CAR, meter: odometer(), per: 100.into() },
        rate: 12.into(),
        currency: "EUR".parse().unwrap(),
        rounding: Rounding::HalfEven,
        creditor: WORKSHOP,
        debtor: OWNER,
    }
}

fn report() -> ReportClause {
    ReportClause {
        device: CAR,
        reading: name("temperature"),
        every: 600_000,
        obliged: WORKSHOP,
        claimant: OWNER,
    }
}

/// Terms with one clause of each kind. Their numbers are ten times the kind's index, plus one.
fn terms() -> Terms {
    let clauses = [
        Clause::Service(service()),
        Clause::Bound(bound()),
        Clause::Usage(usage()),
        Clause::Report(report()),
        Clause::Access(access()),
        Clause::Control(control()),
        Clause::Custody(CustodyClause { device: CAR, grantor: OWNER, custodian: WORKSHOP, until: 10 * DAY }),
        Clause::Handover(HandoverClause { device: CAR, from: OWNER, to: WORKSHOP, meter: None }),
        Clause::Charge(charge()),
    ];
    let numbered = |(index, clause): (u16, Clause)| NumberedClause { number: index * 10 + 1, clause };
    let holder = |role, party| RoleHolder { role, party };
    Terms {
        nonce: Hash::ZERO,
        parties: vec![holder(ContractRole::Owner, OWNER), holder(ContractRole::Workshop, WORKSHOP)]
            .try_into()
            .unwrap(),
        arbiter: Some(PartyId([5; 32])),
        devices: vec![CAR].try_into().unwrap(),
        starts: DAY,
        ends: Some(900 * DAY),
        deadlines: Deadlines { accept: 7 * DAY, notice: Some(30 * DAY), contest: 14 * DAY, rule: 30 * DAY },
        unruled: Verdict::Stands,
        on_sale: OnChange::AwaitsSuccessor { within: 30 * DAY },
        on_leave: OnChange::Ends,
        signers: AcceptedSigners::GatewayToo,
        documents: vec![document_hash(&[8; 32], b"the text")].try_into().unwrap(),
        clauses: (0..).zip(clauses).map(numbered).collect::<Vec<_>>().try_into().unwrap(),
    }
}

/// Replaces the clause at an index of [`terms`].
fn with(index: usize, clause: Clause) -> Terms {
    let mut terms = terms();
    terms.clauses[index].clause = clause;
    terms
}

fn whole(change: impl FnOnce(&mut Terms)) -> Terms {
    let mut terms = terms();
    change(&mut terms);
    terms
}

fn assert_invalid(cases: Vec<(ContractErrorKind, Option<ClauseNumber>, Terms)>) {
    for (kind, clause, terms) in cases {
        assert_eq!(terms.validate(), Err(ContractError { clause, kind }));
    }
}

#[test]
fn every_kind_of_clause_is_valid() {
    assert_eq!(terms().validate(), Ok(()));
    let kinds: Vec<_> = terms().clauses.iter().map(|numbered| numbered.clause.kind() as u16).collect();
    assert_eq!(kinds, (0..9).collect::<Vec<_>>());
}

#[test]
fn each_error_of_the_terms_as_a_whole_is_named() {
    use ContractErrorKind as Kind;
    let cases = [
        (Kind::Parties, whole(|terms| terms.parties.truncate(1))),
        (Kind::Parties, whole(|terms| terms.parties[1].party = OWNER)),
        (Kind::Arbiter, whole(|terms| terms.arbiter = Some(OWNER))),
        (Kind::Devices, whole(|terms| terms.devices.clear())),
        (Kind::Devices, whole(|terms| terms.devices.try_push(CAR).unwrap())),
        (Kind::Documents, whole(|terms| terms.documents.try_push(terms.documents[0]).unwrap())),
        (Kind::EndsBeforeStart, whole(|terms| terms.ends = Some(terms.starts))),
        (Kind::Deadline, whole(|terms| terms.deadlines.accept = 0)),
        (Kind::Deadline, whole(|terms| terms.deadlines.contest = 0)),
        (Kind::Deadline, whole(|terms| terms.deadlines.rule = MAX_DEADLINE + 1)),
        (Kind::Deadline, whole(|terms| terms.deadlines.notice = Some(MAX_DEADLINE + 1))),
        (Kind::Deadline, whole(|terms| terms.on_leave = OnChange::AwaitsSuccessor { within: 0 })),
        (Kind::ClauseNumbers, whole(|terms| terms.clauses.clear())),
        (Kind::ClauseNumbers, whole(|terms| terms.clauses[1].number = 1)),
        (Kind::ClauseNumbers, whole(|terms| terms.clauses[0].number = 12)),
        (Kind::ClauseTwice, whole(|terms| terms.clauses[0].clause = terms.clauses[1].clause.clone())),
    ];
    assert_invalid(cases.into_iter().map(|(kind, terms)| (kind, None, terms)).collect());
    let mut twice = terms();
    let other = HandoverClause { device: CAR, from: WORKSHOP, to: OWNER, meter: None };
    twice.clauses.try_push(NumberedClause { number: 99, clause: Clause::Handover(other) }).unwrap();
    assert_invalid(vec![(Kind::HandoverTwice, None, twice)]);
}

#[test]
fn each_error_of_a_clause_is_named() {
    use ContractErrorKind as Kind;
    let huge = Decimal::new(i64::MAX, 18).unwrap();
    let at = |kind, index: usize, clause| (kind, Some(index as u16 * 10 + 1), with(index, clause));
    let meter = |unit: &str, max_per_day: u32| {
        Some(Meter { unit: unit.parse().unwrap(), max_per_day: max_per_day.into(), ..odometer() })
    };
    let every = |every| Some(Interval { from: Decimal::from(1), every });
    assert_invalid(vec![
        at(Kind::ClauseParty, 0, Clause::Service(ServiceClause { provider: STRANGER, ..service() })),
        at(Kind::ClauseParty, 0, Clause::Service(ServiceClause { provider: OWNER, ..service() })),
        at(Kind::ClauseDevice, 0, Clause::Service(ServiceClause { device: DeviceId([9; 32]), ..service() })),
        at(Kind::Unit, 0, Clause::Service(ServiceClause { meter: meter("furlong", 1), ..service() })),
        at(Kind::Negative, 0, Clause::Service(ServiceClause { meter: meter("km", 0), ..service() })),
        at(Kind::NoInterval, 0, Clause::Service(ServiceClause { meter: None, ..service() })),
        at(
            Kind::NoInterval,
            0,
            Clause::Service(ServiceClause { by_meter: None, by_time: None, ..service() }),
        ),
        at(Kind::Interval, 0, Clause::Service(ServiceClause { by_meter: every(0.into()), ..service() })),
        at(Kind::OutOfRange, 0, Clause::Service(ServiceClause { by_meter: every(huge), ..service() })),
        at(
            Kind::Interval,
            0,
            Clause::Service(ServiceClause { by_time: Some(Interval { from: 0, every: 0 }), ..service() }),
        ),
        at(Kind::Unit, 1, Clause::Bound(BoundClause { unit: "nit".parse().unwrap(), ..bound() })),
        at(Kind::Limits, 1, Clause::Bound(BoundClause { min: None, max: None, ..bound() })),
        at(Kind::Limits, 1, Clause::Bound(BoundClause { min: Some(9.into()), ..bound() })),
        at(Kind::Interval, 2, Clause::Usage(UsageClause { period: 0, ..usage() })),
        at(
            Kind::Negative,
            2,
            Clause::Usage(UsageClause { carry_over: CarryOver::UpTo(0.into()), ..usage() }),
        ),
        at(Kind::Interval, 3, Clause::Report(ReportClause { every: MAX_INTERVAL + 1, ..report() })),
        at(Kind::ClauseParty, 4, Clause::Access(AccessClause { grantor: STRANGER, ..access() })),
        at(Kind::EndsBeforeStart, 4, Clause::Access(AccessClause { until: DAY, ..access() })),
        at(
            Kind::ClauseRole,
            4,
            Clause::Access(AccessClause { grantee: Grantee::Role(ContractRole::Insurer), ..access() }),
        ),
        at(
            Kind::Names,
            4,
            Clause::Access(AccessClause {
                readings: ReadingSelection::Names(Default::default()),
                ..access()
            }),
        ),
        at(Kind::Names, 5, Clause::Control(ControlClause { commands: Default::default(), ..control() })),
        at(Kind::Negative, 8, Clause::Charge(ChargeClause { rate: "-1".parse().unwrap(), ..charge() })),
        at(
            Kind::Interval,
            8,
            Clause::Charge(ChargeClause { basis: ChargeBasis::Time { per: 0 }, ..charge() }),
        ),
    ]);
}

#[test]
fn the_id_is_of_one_first_content_in_one_lineage() {
    let content = |terms| ContractContent::V1(terms);
    let (this, other) = (content(terms()), content(whole(|terms| terms.starts = 0)));
    assert_ne!(this.hash(), other.hash());
    assert_ne!(this.id(&Hash::ZERO), other.id(&Hash::ZERO));
    assert_ne!(this.id(&Hash::ZERO), this.id(&Hash([1; 32])));
    assert_eq!(this.id(&Hash::ZERO), ContractId::new(&Hash::ZERO, &this.hash()));
}

#[test]
fn a_document_needs_its_salt() {
    assert_ne!(document_hash(&[1; 32], b"oil"), document_hash(&[2; 32], b"oil"));
    assert_ne!(document_hash(&[1; 32], b"oil"), document_hash(&[1; 32], b"oi"));
}

#[test]
fn a_content_of_another_version_is_refused() {
    use codec::{DecodeAll, Encode};
    let mut bytes = ContractContent::V1(terms()).encode();
    assert_eq!(bytes[0], 1);
    assert_eq!(ContractContent::decode_all(&mut &*bytes), Ok(ContractContent::V1(terms())));
    bytes[0] = 2;
    assert!(ContractContent::decode_all(&mut &*bytes).is_err());
}

#[test]
fn names_of_roles_are_read_as_they_are_written() {
    for role in ContractRole::LIST {
        let text = serde_json::to_string(&role).unwrap();
        assert_eq!(text, format!("\"{role}\""));
        assert_eq!(serde_json::from_str::<ContractRole>(&text).unwrap(), role);
    }
}

mod contrary_readings {
    use super::{bound, report};
    use crate::contract::{
        evaluate::{is_breach, is_gap, refutes},
        state::{ClaimSubject, ProvenPoint},
        BoundClause,
    };

    fn point(sequence: u64, value: u32) -> ProvenPoint {
        ProvenPoint { sequence, time: sequence * 60_000, value: value.into() }
    }

    #[test]
    fn a_breach_needs_a_reading_outside_for_longer_than_tolerated() {
        // Ten minutes are tolerated.
        let (bound, strict) = (bound(), BoundClause { tolerated: 0, ..bound() });
        assert!(is_breach(&bound, &point(1, 9), Some(&point(12, 1))));
        assert!(!is_breach(&bound, &point(1, 9), Some(&point(11, 9))), "not for longer than tolerated");
        assert!(!is_breach(&bound, &point(1, 9), Some(&point(12, 8))), "inside at the end");
        assert!(!is_breach(&bound, &point(1, 8), Some(&point(12, 9))), "inside at the start");
        assert!(!is_breach(&bound, &point(12, 9), Some(&point(1, 9))), "the wrong order");
        assert!(!is_breach(&bound, &point(1, 9), None), "one reading is not enough");
        assert!(is_breach(&strict, &point(1, 9), None) && !is_breach(&strict, &point(1, 8), None));
    }

    #[test]
    fn one_reading_in_between_refutes() {
        let bound = bound();
        let claim = ClaimSubject::Breach { first: point(1, 9), last: Some(point(12, 9)) };
        let by = |sequence, value| refutes(&claim, Some(&bound), &point(sequence, value));
        assert!(by(2, 8) && by(11, 2));
        assert!(!by(2, 9) && !by(1, 8) && !by(12, 8) && !by(13, 8));
        let gap = ClaimSubject::Gap { before: point(1, 0), after: point(12, 0) };
        assert!(refutes(&gap, None, &point(2, 0)) && !refutes(&gap, None, &point(12, 0)));
        assert!(
            is_gap(&report(), &point(1, 0), &point(12, 0)) && !is_gap(&report(), &point(1, 0), &point(11, 0))
        );
    }
}
