//! What the parties do: mostly what they may, and sometimes what they must not.

use super::{
    ledger::Stage,
    terms::{lease, replaced, sale, service_book, Frame},
    World,
};
use crate::{mock::*, types::named};
use sp_runtime::DispatchResult;
use streembit_primitives::{
    contract::{
        state::{Claim, ClaimEvidence, ClaimSubject, Outcome},
        ClaimNumber, Clause, ContentHash, ContractId, Documents, Terms, Verdict,
    },
    reading_proof::ReadingProof,
    Decimal, DeviceId, PartyId,
};

/// The result of a call. `None` if there was nothing to call.
type Done = Option<DispatchResult>;

impl World {
    /// Does something.
    pub(super) fn act(&mut self) -> Done {
        match self.random.below(100) {
            0..12 => self.propose(),
            12..40 => self.accept(),
            40 => self.turn_down(ServiceContracts::reject),
            41 => self.turn_down(ServiceContracts::withdraw),
            42..47 => self.amend(),
            47 => self.terminate(),
            48..55 => self.prune(),
            55..62 => self.report(),
            62..70 => self.record(),
            70..77 => self.claim(),
            77..91 => self.about_claim(),
            91..94 => self.hand_over(),
            94..96 => self.revoke(),
            96 => self.sell_outside(),
            _ => self.change_members(),
        }
    }

    fn everybody(&self) -> Vec<PartyId> {
        [&PARTIES[..], &self.workshops[..], &self.lessors[..], &self.owners[..], &[STRANGER][..]].concat()
    }

    /// Returns the party, or sometimes anybody.
    fn or_anybody(&mut self, party: PartyId) -> PartyId {
        if self.random.is_one_in(12) {
            let everybody = self.everybody();
            self.random.pick(&everybody).unwrap_or(party)
        } else {
            party
        }
    }

    /// Returns a contract that is proposed, in force or ended.
    fn any_contract(&mut self) -> Option<(ContractId, Terms, Stage)> {
        let ids: Vec<_> = self.ledger.agreements.keys().copied().collect();
        let id = self.random.pick(&ids)?;
        Some((id, self.ledger.terms(&id)?.clone(), self.ledger.agreements[&id].stage))
    }

    /// Returns a contract in force.
    fn contract_in_force(&mut self) -> Option<(ContractId, Terms)> {
        let active = self.ledger.agreements.iter().filter(|(_, agreement)| agreement.stage == Stage::Active);
        let ids: Vec<_> = active.map(|(id, _)| *id).collect();
        let id = self.random.pick(&ids)?;
        Some((id, self.ledger.terms(&id)?.clone()))
    }

    fn proof(&mut self, device: DeviceId) -> Option<Box<ReadingProof>> {
        let vehicle = self.vehicles.iter().find(|vehicle| vehicle.device == device)?;
        vehicle.prove(&mut self.random)
    }

    /// Keeps a content as its parties do, and returns its hash.
    fn keep(&mut self, terms: &Terms) -> ContentHash {
        let hash = hash_of(terms);
        self.ledger.contents.insert(hash, terms.clone());
        hash
    }

    fn propose(&mut self) -> Done {
        let number = self.random.below(self.vehicles.len() as u64) as usize;
        let device = self.vehicles[number].device;
        let owner = self.ledger.owners[&device];
        self.nonce += 1;
        let frame = Frame {
            nonce: self.nonce,
            device,
            arbiter: self.random.is_one_in(2).then_some(ARBITER),
            ends: Now::get() + (20 + self.random.below(300)) * DAY,
            waits: self.random.is_one_in(2),
            unruled: if self.random.is_one_in(2) { Verdict::Stands } else { Verdict::Void },
        };
        let owners = self.owners.clone();
        let other = self.random.pick(&owners)?;
        let terms = match self.random.below(5) {
            0 => sale(&frame, owner, other, self.random.is_one_in(2)),
            1 | 2 if self.lessors.contains(&owner) => lease(&frame, owner, other),
            _ => {
                let workshops = self.workshops.clone();
                service_book(&frame, owner, self.random.pick(&workshops)?)
            }
        };
        let proposer = terms.parties[self.random.below(2) as usize].party;
        let proposer = self.or_anybody(proposer);
        self.keep(&terms);
        Some(ServiceContracts::propose(signed(proposer), content(terms)))
    }

    fn accept(&mut self) -> Done {
        let open = self.ledger.agreements.iter();
        let open = open.filter(|(id, agreement)| {
            agreement.stage == Stage::Proposed || self.ledger.amendments.contains_key(id)
        });
        let ids: Vec<_> = open.map(|(id, _)| *id).collect();
        let id = self.random.pick(&ids)?;
        let pending = self.ledger.amendments.get(&id).copied();
        let hash = pending.unwrap_or(self.ledger.agreements[&id].hash);
        let mut parties: Vec<_> = named(self.ledger.contents.get(&hash)?).collect();
        parties.extend(named(self.ledger.terms(&id)?));
        let party = self.random.pick(&parties)?;
        let party = self.or_anybody(party);
        // Sometimes another version than the one that is offered.
        let hash = if self.random.is_one_in(20) { ContentHash([7; 32]) } else { hash };
        Some(ServiceContracts::accept(signed(party), id, hash))
    }

    fn turn_down(&mut self, call: fn(RuntimeOrigin, ContractId, ContentHash) -> DispatchResult) -> Done {
        let (id, terms, _) = self.any_contract()?;
        let party = self.random.pick(&named(&terms).collect::<Vec<_>>())?;
        let party = self.or_anybody(party);
        let hash = self.ledger.amendments.get(&id).copied().unwrap_or(self.ledger.agreements[&id].hash);
        Some(call(signed(party), id, hash))
    }

    /// Changes the notice period, adds a year, or puts the new owner in the place of the one before.
    fn amend(&mut self) -> Done {
        let (id, before) = self.contract_in_force()?;
        let owner = self.ledger.owners[&before.devices[0]];
        let mut after = before.clone();
        let mut party = before.parties[self.random.below(2) as usize].party;
        if !before.names(&owner) {
            after = replaced(after, before.parties[0].party, owner);
            party = owner;
        } else if self.random.is_one_in(2) {
            after.ends = after.ends.map(|ends| ends + 30 * DAY);
        } else {
            after.deadlines.notice = Some(self.random.below(30) * DAY);
        }
        let party = self.or_anybody(party);
        self.keep(&after);
        Some(ServiceContracts::amend(signed(party), id, hash_of(&before), content(after)))
    }

    fn terminate(&mut self) -> Done {
        let (id, terms) = self.contract_in_force()?;
        let party = self.or_anybody(terms.parties[0].party);
        Some(ServiceContracts::terminate(signed(party), id))
    }

    fn prune(&mut self) -> Done {
        let (id, _, _) = self.any_contract()?;
        let party = self.or_anybody(ARBITER);
        Some(ServiceContracts::prune(signed(party), id))
    }

    fn report(&mut self) -> Done {
        let (id, terms) = self.contract_in_force()?;
        let numbered = self.random.pick(&terms.clauses)?;
        let party = self.or_anybody(terms.parties[0].party);
        let proof = self.proof(terms.devices[0])?;
        Some(ServiceContracts::report(signed(party), id, numbered.number, proof))
    }

    fn record(&mut self) -> Done {
        let (id, terms) = self.contract_in_force()?;
        let mut services = terms.clauses.iter().filter_map(|numbered| match &numbered.clause {
            Clause::Service(service) => Some((numbered.number, service.provider)),
            _ => None,
        });
        let (number, provider) = services.next()?;
        let party = self.or_anybody(provider);
        let proof = self.proof(terms.devices[0]);
        Some(ServiceContracts::record(signed(party), id, number, proof, Documents::default()))
    }

    fn claim(&mut self) -> Done {
        let (id, terms, _) = self.any_contract()?;
        let numbered = self.random.pick(&terms.clauses)?;
        let (claimant, _) = numbered.clause.sides()?;
        let party = self.or_anybody(claimant);
        let (first, last) = (self.proof(terms.devices[0])?, self.proof(terms.devices[0])?);
        let (first, last) = if first.index <= last.index { (first, last) } else { (last, first) };
        let evidence = match &numbered.clause {
            Clause::Usage(_) => {
                let period = (Now::get().saturating_sub(terms.starts) / (30 * DAY)).saturating_sub(1) as u32;
                ClaimEvidence::Usage { period, first: *first, last: *last }
            }
            Clause::Charge(charge) => match charge.basis {
                streembit_primitives::contract::ChargeBasis::Once => ClaimEvidence::Once,
                streembit_primitives::contract::ChargeBasis::Time { .. } => {
                    ClaimEvidence::Time { until: Now::get() }
                }
                streembit_primitives::contract::ChargeBasis::Meter { .. } => {
                    let first = self.random.is_one_in(2).then_some(*first);
                    ClaimEvidence::Meter { first, last: *last }
                }
            },
            _ => ClaimEvidence::Once,
        };
        let evidence = Box::new(evidence);
        Some(ServiceContracts::claim(signed(party), id, numbered.number, evidence, Documents::default()))
    }

    fn about_claim(&mut self) -> Done {
        let claims: Vec<_> = self.ledger.claims.iter().map(|((id, _), claim)| (*id, claim.clone())).collect();
        let (id, claim) = self.random.pick(&claims)?;
        let Claim { number, claimant, respondent, .. } = claim;
        let (claimant, respondent) = (self.or_anybody(claimant), self.or_anybody(respondent));
        let side = if self.random.is_one_in(2) { claimant } else { respondent };
        let documents = Documents::default;
        Some(match self.random.below(14) {
            0 | 1 => ServiceContracts::confirm(signed(respondent), id, number),
            2 | 3 => ServiceContracts::contest(signed(respondent), id, number, documents()),
            4 => ServiceContracts::retract(signed(claimant), id, number),
            5 => ServiceContracts::answer(signed(side), id, number, documents()),
            6 | 7 => {
                let outcome = self.outcome(&claim);
                ServiceContracts::settle(signed(side), id, number, outcome)
            }
            8 => {
                let arbiter = self.or_anybody(ARBITER);
                ServiceContracts::rule(signed(arbiter), id, number, self.outcome(&claim), documents())
            }
            9 => return self.prove_about(id, number, side),
            10 | 11 => ServiceContracts::pay(signed(respondent), id, number, documents()),
            12 => ServiceContracts::confirm_payment(signed(claimant), id, number),
            _ => ServiceContracts::prune_claim(signed(side), id, number),
        })
    }

    fn outcome(&mut self, claim: &Claim) -> Outcome {
        match (self.random.below(4), &claim.subject) {
            (0, ClaimSubject::Charge { .. }) => Outcome::Amount(Decimal::ZERO),
            (0, _) => Outcome::Reading { sequence: self.random.below(400) },
            (1, _) => Outcome::Void,
            _ => Outcome::Stands,
        }
    }

    /// Refutes a claim, or offers a later reading of an irregular meter.
    fn prove_about(&mut self, id: ContractId, number: ClaimNumber, party: PartyId) -> Done {
        let device = self.ledger.terms(&id)?.devices[0];
        let proof = self.proof(device)?;
        Some(match self.random.is_one_in(2) {
            true => ServiceContracts::refute(signed(party), id, number, proof),
            false => ServiceContracts::offer_reading(signed(party), id, number, proof),
        })
    }

    fn hand_over(&mut self) -> Done {
        let sales = self.ledger.agreements.iter().filter_map(|(id, agreement)| {
            let terms = self.ledger.contents.get(&agreement.hash)?;
            let numbered = terms.clauses.first()?;
            match &numbered.clause {
                Clause::Handover(handover) => Some((*id, agreement.hash, numbered.number, handover.clone())),
                _ => None,
            }
        });
        let sales: Vec<_> = sales.collect();
        let (id, hash, number, handover) = self.random.pick(&sales)?;
        let side = if self.random.is_one_in(2) { handover.from } else { handover.to };
        let party = self.or_anybody(side);
        let proof = if handover.meter.is_some() { self.proof(handover.device) } else { None };
        Some(ServiceContracts::hand_over(signed(party), id, number, hash, proof))
    }

    fn revoke(&mut self) -> Done {
        let (id, terms) = self.contract_in_force()?;
        let numbered = self.random.pick(&terms.clauses)?;
        let party = self.random.pick(&named(&terms).collect::<Vec<_>>())?;
        let party = self.or_anybody(party);
        let is_free = ServiceContracts::may_revoke(&party, id, numbered.number);
        let result = ServiceContracts::revoke(signed(party), id, numbered.number);
        let is_member = <Parties as pallet_parties::PartyLookup>::is_party(&party);
        assert!(!is_free || result.is_ok() || !is_member, "a call that is free was refused: {result:?}");
        Some(result)
    }

    /// Gives a vehicle to somebody outside of any contract.
    fn sell_outside(&mut self) -> Done {
        let number = self.random.below(self.vehicles.len() as u64) as usize;
        let (owners, device) = (self.owners.clone(), self.vehicles[number].device);
        let to = self.random.pick(&owners)?;
        // A record has room for some owners only.
        let has_had = Devices::device(&device)?.owners().count();
        if to == self.ledger.owners[&device] || has_had > 20 {
            return None;
        }
        let vehicle = &self.vehicles[number];
        own(to, &vehicle.key(), &vehicle.gateway);
        self.ledger.owners.insert(device, to);
        None
    }

    /// Expels a party or takes one back.
    fn change_members(&mut self) -> Done {
        let gone = Gone::get();
        if gone.len() < 2 && self.random.is_one_in(10) {
            let parties = [&self.workshops[..], &self.owners[..]].concat();
            expel(self.random.pick(&parties).filter(|party| !gone.contains(party))?);
        } else if self.random.is_one_in(3) {
            readmit(self.random.pick(&gone)?);
        }
        None
    }
}
