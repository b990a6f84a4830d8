//! The contracts of the simulated year: service books, leases and sales.

use crate::mock::*;
use streembit_primitives::{
    contract::{
        evaluate::Rounding, AcceptedSigners, AccessClause, CarryOver, ChargeBasis, ChargeClause, Clause,
        ContractRole, Deadlines, Grantee, HandoverClause, Interval, NumberedClause, OnChange,
        ReadingSelection, RoleHolder, ServiceClause, Terms, UsageClause, Verdict,
    },
    Decimal, DeviceId, Hash, PartyId,
};

/// What a contract is about, beside its clauses.
pub struct Frame {
    /// Makes its content unique.
    pub nonce: u64,
    pub device: DeviceId,
    pub arbiter: Option<PartyId>,
    pub ends: u64,
    /// True if it waits for a successor, and does not end, when the device is sold or a party leaves.
    pub waits: bool,
    pub unruled: Verdict,
}

/// The owner's car is serviced by the workshop, which may read it and charges once for the contract.
pub fn service_book(frame: &Frame, owner: PartyId, workshop: PartyId) -> Terms {
    let service = ServiceClause {
        subject: Hash([0xaa; 32]),
        device: frame.device,
        meter: Some(odometer()),
        by_meter: Some(Interval { from: km(0), every: km(15_000) }),
        by_time: Some(Interval { from: START, every: 365 * DAY }),
        provider: workshop,
        customer: owner,
    };
    let access = access(frame, owner, Grantee::Party(workshop));
    let charge = charge(ChargeBasis::Once, workshop, owner);
    let parties = [(ContractRole::Owner, owner), (ContractRole::Workshop, workshop)];
    with(frame, parties, vec![Clause::Service(service), access, charge])
}

/// The lessor's car is driven by the lessee, up to an allowance a month.
pub fn lease(frame: &Frame, lessor: PartyId, lessee: PartyId) -> Terms {
    let usage = UsageClause {
        device: frame.device,
        meter: odometer(),
        period: 30 * DAY,
        allowance: km(1_000),
        carry_over: CarryOver::UpTo(km(300)),
        user: lessee,
        claimant: lessor,
    };
    let rent = charge(ChargeBasis::Time { per: 30 * DAY }, lessor, lessee);
    let by_km = ChargeBasis::Meter { device: frame.device, meter: odometer(), per: km(1) };
    let driven = charge(by_km, lessor, lessee);
    let access = access(frame, lessor, Grantee::Role(ContractRole::Lessee));
    let parties = [(ContractRole::Lessor, lessor), (ContractRole::Lessee, lessee)];
    with(frame, parties, vec![Clause::Usage(usage), rent, driven, access])
}

/// The seller's car passes to the buyer, with a proven odometer if `is_proven`.
pub fn sale(frame: &Frame, seller: PartyId, buyer: PartyId, is_proven: bool) -> Terms {
    let meter = is_proven.then(odometer);
    let handover = HandoverClause { device: frame.device, from: seller, to: buyer, meter };
    let price = charge(ChargeBasis::Once, seller, buyer);
    let parties = [(ContractRole::Seller, seller), (ContractRole::Buyer, buyer)];
    with(frame, parties, vec![Clause::Handover(handover), price])
}

fn access(frame: &Frame, grantor: PartyId, grantee: Grantee) -> Clause {
    Clause::Access(AccessClause {
        device: frame.device,
        grantor,
        grantee,
        readings: ReadingSelection::All,
        purpose: None,
        until: frame.ends,
    })
}

fn charge(basis: ChargeBasis, creditor: PartyId, debtor: PartyId) -> Clause {
    let rate: Decimal = "0.35".parse().unwrap();
    let currency = "EUR".parse().unwrap();
    Clause::Charge(ChargeClause {
        subject: None,
        basis,
        rate,
        currency,
        rounding: Rounding::HalfUp,
        creditor,
        debtor,
    })
}

fn with(frame: &Frame, parties: [(ContractRole, PartyId); 2], clauses: Vec<Clause>) -> Terms {
    let parties: Vec<_> = parties.into_iter().map(|(role, party)| RoleHolder { role, party }).collect();
    let change = if frame.waits { OnChange::AwaitsSuccessor { within: 15 * DAY } } else { OnChange::Ends };
    let numbered = |(number, clause)| NumberedClause { number, clause };
    let mut nonce = [0; 32];
    nonce[..8].copy_from_slice(&frame.nonce.to_le_bytes());
    Terms {
        nonce: Hash(nonce),
        parties: parties.try_into().unwrap(),
        arbiter: frame.arbiter,
        devices: vec![frame.device].try_into().unwrap(),
        starts: Now::get(),
        ends: Some(frame.ends),
        deadlines: Deadlines { accept: 5 * DAY, notice: Some(10 * DAY), contest: 7 * DAY, rule: 10 * DAY },
        unruled: frame.unruled,
        on_sale: change,
        on_leave: change,
        signers: AcceptedSigners::GatewayToo,
        documents: Default::default(),
        clauses: (1..).zip(clauses).map(numbered).collect::<Vec<_>>().try_into().unwrap(),
    }
}

/// Returns the terms with another party in the place of one.
pub fn replaced(mut terms: Terms, from: PartyId, to: PartyId) -> Terms {
    let swap = |party: &mut PartyId| {
        if *party == from {
            *party = to;
        }
    };
    terms.parties.iter_mut().for_each(|holder| swap(&mut holder.party));
    for numbered in terms.clauses.iter_mut() {
        match &mut numbered.clause {
            Clause::Service(service) => [&mut service.provider, &mut service.customer].map(swap),
            Clause::Usage(usage) => [&mut usage.user, &mut usage.claimant].map(swap),
            Clause::Charge(charge) => [&mut charge.creditor, &mut charge.debtor].map(swap),
            Clause::Handover(handover) => [&mut handover.from, &mut handover.to].map(swap),
            Clause::Access(access) => match &mut access.grantee {
                Grantee::Party(grantee) => [&mut access.grantor, grantee].map(swap),
                Grantee::Role(_) => [swap(&mut access.grantor), ()],
            },
            _ => [(), ()],
        };
    }
    terms
}
