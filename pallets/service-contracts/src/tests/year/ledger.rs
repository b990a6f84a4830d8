//! What happened, computed from the events of the pallet alone. The parties hold the contents of their contracts: the ledger
//! finds them by their hashes. It must agree with the state after every block.

use crate::{mock::*, Amendments, Claims, Contracts, Event, Progress};
use std::collections::{BTreeMap, BTreeSet};
use streembit_primitives::{
    contract::{
        state::{Claim, ClaimState, ClaimSubject, Decision, EndReason, Outcome, Payment, ProvenPoint},
        ClaimNumber, Clause, ClauseNumber, ContentHash, ContractId, Terms,
    },
    DeviceId, PartyId,
};

/// What a contract has reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    Proposed,
    Active,
    Ended,
}

/// A contract, from its events.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Agreement {
    pub stage: Stage,
    pub hash: ContentHash,
    pub version: u32,
}

/// The number of events of some kinds, which show that a run has done something.
#[derive(Default, Debug)]
pub struct Counts {
    pub activated: u32,
    pub amended: u32,
    pub ended: u32,
    pub pruned: u32,
    pub services: u32,
    pub contested: u32,
    pub decided: u32,
    pub irregular: u32,
    pub charges: u32,
    pub paid: u32,
    pub handed_over: u32,
    pub revoked: u32,
}

#[derive(Default)]
pub struct Ledger {
    /// The contents that parties hold, by their hashes.
    pub contents: BTreeMap<ContentHash, Terms>,
    pub agreements: BTreeMap<ContractId, Agreement>,
    pub amendments: BTreeMap<ContractId, ContentHash>,
    pub claims: BTreeMap<(ContractId, ClaimNumber), Claim>,
    pub meters: BTreeMap<(ContractId, ClauseNumber), ProvenPoint>,
    pub revoked: BTreeSet<(ContractId, ClauseNumber)>,
    pub owners: BTreeMap<DeviceId, PartyId>,
    pub counts: Counts,
    offered: BTreeMap<(ContractId, ClaimNumber), ProvenPoint>,
}

impl Ledger {
    /// Returns the content in force, or of the proposal.
    pub fn terms(&self, id: &ContractId) -> Option<&Terms> {
        self.contents.get(&self.agreements.get(id)?.hash)
    }

    /// Applies all events of the block, and forgets them.
    pub fn read_events(&mut self) {
        let events = System::events().into_iter().filter_map(|record| match record.event {
            RuntimeEvent::ServiceContracts(event) => Some(event),
            _ => None,
        });
        events.for_each(|event| self.apply(event));
        System::reset_events();
    }

    fn apply(&mut self, event: Event<Test>) {
        match event {
            Event::Proposed { id, hash, .. } => {
                self.agreements.insert(id, Agreement { stage: Stage::Proposed, hash, version: 0 });
            }
            Event::Activated { id, hash, version } => self.activate(id, hash, version),
            Event::AmendmentProposed { id, hash, .. } => {
                self.amendments.insert(id, hash);
            }
            Event::Rejected { id, hash, .. }
            | Event::Withdrawn { id, hash }
            | Event::AmendmentLapsed { id, hash }
                if self.amendments.get(&id) == Some(&hash) =>
            {
                self.amendments.remove(&id);
            }
            Event::Ended { id, reason } => self.end(id, reason),
            Event::Pruned { id } => {
                self.counts.pruned += 1;
                self.forget(id);
            }
            Event::MeterProven { id, clause, point } => {
                self.meters.insert((id, clause), point);
            }
            Event::Claimed { id, claim } => self.claim(id, claim),
            Event::Contested { id, number, .. } => {
                self.counts.contested += 1;
                self.claims.get_mut(&(id, number)).unwrap().state = ClaimState::Disputed;
            }
            Event::Retracted { id, number } | Event::ClaimPruned { id, number } => {
                self.claims.remove(&(id, number)).unwrap();
            }
            Event::ReadingOffered { id, number, point } => {
                self.offered.insert((id, number), point);
            }
            Event::Decided { id, number, outcome, decision } => self.decide((id, number), outcome, decision),
            Event::PaymentClaimed { id, number, .. } => {
                self.claims.get_mut(&(id, number)).unwrap().payment = Payment::Claimed;
            }
            Event::PaymentConfirmed { id, number } => {
                self.counts.paid += 1;
                self.claims.get_mut(&(id, number)).unwrap().payment = Payment::Confirmed;
            }
            Event::HandedOver { device, from, to, .. } => {
                self.counts.handed_over += 1;
                assert_eq!(self.owners.insert(device, to), Some(from), "a device passes from its owner");
            }
            Event::Revoked { id, clause, .. } => self.revoke(id, clause),
            _ => {}
        }
    }

    fn activate(&mut self, id: ContractId, hash: ContentHash, version: u32) {
        self.counts.activated += u32::from(version == 0);
        self.counts.amended += u32::from(version > 0);
        self.agreements.insert(id, Agreement { stage: Stage::Active, hash, version });
        self.amendments.remove(&id);
        let terms = &self.contents[&hash];
        let is_kept = |of: &ContractId, clause: &ClauseNumber| *of != id || terms.clause(*clause).is_some();
        self.meters.retain(|(of, clause), _| is_kept(of, clause));
        self.revoked.retain(|(of, clause)| is_kept(of, clause));
    }

    fn end(&mut self, id: ContractId, reason: EndReason) {
        match reason {
            EndReason::Rejected | EndReason::Withdrawn | EndReason::Lapsed => self.forget(id),
            _ => {
                self.counts.ended += 1;
                self.agreements.get_mut(&id).unwrap().stage = Stage::Ended;
                self.amendments.remove(&id);
            }
        }
    }

    /// Forgets a contract that is removed from the state.
    fn forget(&mut self, id: ContractId) {
        self.agreements.remove(&id).unwrap();
        self.claims.retain(|(of, _), _| *of != id);
        self.offered.retain(|(of, _), _| *of != id);
        self.meters.retain(|(of, _), _| *of != id);
        self.revoked.retain(|(of, _)| *of != id);
    }

    fn claim(&mut self, id: ContractId, claim: Claim) {
        match claim.subject {
            ClaimSubject::Service { .. } => self.counts.services += 1,
            ClaimSubject::Irregularity { .. } => self.counts.irregular += 1,
            ClaimSubject::Charge { .. } => self.counts.charges += 1,
            _ => {}
        }
        assert_eq!(self.claims.insert((id, claim.number), claim), None, "each claim has a number of its own");
    }

    fn decide(&mut self, key: (ContractId, ClaimNumber), outcome: Outcome, decision: Decision) {
        self.counts.decided += 1;
        let claim = self.claims.get_mut(&key).unwrap();
        claim.state = match outcome {
            Outcome::Void => ClaimState::Void(decision),
            _ => ClaimState::Stands(decision),
        };
        if let (Outcome::Amount(settled), ClaimSubject::Charge { amount, .. }) = (outcome, &mut claim.subject)
        {
            *amount = settled;
        }
        let ClaimSubject::Irregularity { found, .. } = claim.subject else { return };
        let meter = (key.0, claim.clause);
        let point = match outcome {
            Outcome::Void => return,
            Outcome::Reading { .. } => self.offered[&key],
            _ => found,
        };
        if self.meters.get(&meter).is_none_or(|last| point.sequence > last.sequence) {
            self.meters.insert(meter, point);
        }
    }

    fn revoke(&mut self, id: ContractId, clause: ClauseNumber) {
        let terms = self.terms(&id).unwrap();
        if !matches!(terms.clause(clause), Some(Clause::Handover(_))) {
            self.counts.revoked += 1;
            assert!(self.revoked.insert((id, clause)), "a right is revoked once");
        }
    }

    /// Ensures that the state says the same as the events.
    pub fn check(&self) {
        let agreements: BTreeMap<_, _> = Contracts::<Test>::iter()
            .map(|(id, contract)| {
                let stage = match contract.phase {
                    crate::types::Phase::Proposed { .. } => Stage::Proposed,
                    crate::types::Phase::Active(_) => Stage::Active,
                    crate::types::Phase::Ended { .. } => Stage::Ended,
                };
                (id, Agreement { stage, hash: contract.hash, version: contract.version })
            })
            .collect();
        assert_eq!(agreements, self.agreements);
        let amendments: BTreeMap<_, _> =
            Amendments::<Test>::iter().map(|(id, amendment)| (id, amendment.hash)).collect();
        assert_eq!(amendments, self.amendments);
        let claims: BTreeMap<_, _> =
            Claims::<Test>::iter().map(|(id, number, claim)| ((id, number), claim)).collect();
        assert_eq!(claims, self.claims);
        let meters: BTreeMap<_, _> = Progress::<Test>::iter()
            .filter_map(|(id, clause, progress)| Some(((id, clause), progress.meter?)))
            .collect();
        assert_eq!(meters, self.meters);
        for (device, owner) in &self.owners {
            assert_eq!(Devices::device(device).unwrap().owner(), *owner, "the owner of {device}");
        }
    }
}
