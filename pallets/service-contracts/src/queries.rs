//! The answers of the runtime API.

use crate::{
    types::{Acceptances, Phase, StoredContract},
    Amendments, Claims, Clauses, Config, Contracts, ContractsOf, ContractsOfDevice, Disputes, Pallet,
    Progress,
};
use alloc::vec::Vec;
use frame_support::BoundedVec;
use streembit_primitives::{
    contract::{
        evaluate::service_due,
        state::{
            AmendmentView, ClaimState, ClaimSubject, ClaimView, ClauseView, ContractView, Grant, Served,
            Track,
        },
        Clause, ClauseNumber, ContractContent, ContractId, NumberedClause,
    },
    DeviceId, PartyId,
};

impl<T: Config> Pallet<T> {
    /// Returns a contract with its state now, or `None` if there is no such contract.
    pub fn contract(id: ContractId) -> Option<ContractView> {
        let contract = Contracts::<T>::get(id)?;
        let state = Self::state(&contract);
        let accepted = Self::counting(&contract.accepted);
        let amendment = Self::amendment(id, &contract);
        let mut terms = contract.terms;
        let numbered = contract.clauses.iter().filter_map(|number| {
            let clause = Clauses::<T>::get(id, number)?;
            Some(NumberedClause { number: *number, clause })
        });
        terms.clauses = BoundedVec::truncate_from(numbered.collect());
        let mut view = ContractView {
            id,
            first: contract.first,
            hash: contract.hash,
            content: ContractContent::V1(terms),
            version: contract.version,
            state,
            proposer: contract.proposer,
            accepted,
            lapses: None,
            activated: None,
            notices: Vec::new(),
            amendment,
            waits_until: None,
            ended: None,
            prunable_from: None,
            next_claim: contract.next_claim,
            live_time: Self::live_time(),
        };
        match contract.phase {
            Phase::Proposed { lapses } => view.lapses = Some(lapses),
            Phase::Active(active) => {
                view.activated = Some(active.since);
                view.notices = active.notices.into_inner();
                view.waits_until = active.waits_until;
            }
            Phase::Ended { at, prunable_from, .. } => {
                view.ended = Some(at);
                view.prunable_from = Some(prunable_from);
            }
        }
        Some(view)
    }

    /// Returns the parties of which the acceptance counts now.
    fn counting(accepted: &Acceptances) -> Vec<PartyId> {
        accepted.iter().filter(|one| Self::counts(one)).map(|one| one.party).collect()
    }

    fn amendment(id: ContractId, contract: &StoredContract) -> Option<AmendmentView> {
        let pending = Amendments::<T>::get(id)?;
        let mut missing = Self::required(contract, pending.content.terms());
        missing.retain(|party| !Self::has_seat(&pending.accepted, party));
        Some(AmendmentView {
            accepted: Self::counting(&pending.accepted),
            missing,
            content: pending.content,
            hash: pending.hash,
            proposer: pending.proposer,
            lapses: pending.lapses,
        })
    }

    /// Returns the contracts that name a party, also as the arbiter, also in a proposal or an amendment, in no particular
    /// order.
    pub fn contracts_of(party: &PartyId) -> Vec<ContractId> {
        ContractsOf::<T>::iter_key_prefix(party).collect()
    }

    /// Returns the contracts in force about a device.
    pub fn contracts_about(device: &DeviceId) -> Vec<ContractId> {
        ContractsOfDevice::<T>::get(device).into_inner()
    }

    /// Returns the clauses of a contract with their progress now, or `None` if there is no such contract.
    pub fn clauses(id: ContractId) -> Option<Vec<ClauseView>> {
        let contract = Contracts::<T>::get(id)?;
        let view = |number: &ClauseNumber| Self::clause_view(id, &contract, *number);
        Some(contract.clauses.iter().filter_map(view).collect())
    }

    fn clause_view(id: ContractId, contract: &StoredContract, number: ClauseNumber) -> Option<ClauseView> {
        let clause = Clauses::<T>::get(id, number)?;
        let mut progress = Progress::<T>::get(id, number);
        if let Track::Service { served, open: Some(open) } = progress.track {
            progress.track = Self::service_track(id, contract, served, open);
        }
        let is_open = |claim| Self::claim_state_of(id, contract, claim) == Some(ClaimState::Disputed);
        progress.irregularity = progress.irregularity.filter(|claim| is_open(*claim));
        let due = match &clause {
            Clause::Service(service) => {
                let served = match &progress.track {
                    Track::Service { served, .. } => served.as_ref(),
                    _ => None,
                };
                let meter = progress.meter.map(|point| point.value);
                // Never `None`: `propose` and `record` check that the due points fit.
                service_due(service, served, meter, Self::now())
            }
            _ => None,
        };
        Some(ClauseView { number, progress, due })
    }

    fn claim_state_of(id: ContractId, contract: &StoredContract, number: u32) -> Option<ClaimState> {
        let claim = Claims::<T>::get(id, number)?;
        Some(Self::claim_state(id, contract, &claim, Disputes::<T>::get(id, number).as_ref()))
    }

    /// Returns the track of a service clause with an open record, as it is now.
    fn service_track(id: ContractId, contract: &StoredContract, served: Option<Served>, open: u32) -> Track {
        let unchanged = Track::Service { served, open: Some(open) };
        let Some(claim) = Claims::<T>::get(id, open) else { return unchanged };
        match (Self::claim_state_of(id, contract, open), claim.subject) {
            (Some(ClaimState::Stands(_)), ClaimSubject::Service { at, time }) => {
                let done = Served { meter: at.map(|point| point.value), time };
                let is_later = served.is_none_or(|served| time >= served.time);
                Track::Service { served: if is_later { Some(done) } else { served }, open: None }
            }
            (Some(ClaimState::Void(_)), _) => Track::Service { served, open: None },
            _ => unchanged,
        }
    }

    /// Returns the claims under a contract in their states now, oldest first, or `None` if there is no such contract.
    pub fn claims(id: ContractId) -> Option<Vec<ClaimView>> {
        let contract = Contracts::<T>::get(id)?;
        let mut claims: Vec<_> = Claims::<T>::iter_prefix_values(id).collect();
        claims.sort_by_key(|claim| claim.number);
        let view = |mut claim: streembit_primitives::contract::state::Claim| {
            let dispute = Disputes::<T>::get(id, claim.number);
            claim.state = Self::claim_state(id, &contract, &claim, dispute.as_ref());
            ClaimView { claim, dispute }
        };
        Some(claims.into_iter().map(view).collect())
    }

    /// Returns the rights to a device now.
    ///
    /// A right comes from a clause of a contract in force. It is void as soon as the device gets another owner, even if that
    /// one is a party to the contract, or one of the two sides leaves the consortium.
    pub fn grants(device: &DeviceId) -> Vec<Grant> {
        let contracts = ContractsOfDevice::<T>::get(device).into_iter();
        contracts.flat_map(Self::grants_of).filter(|grant| grant.device == *device).collect()
    }
}
