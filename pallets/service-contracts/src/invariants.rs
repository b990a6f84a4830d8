//! The conditions that hold between any two calls.

use crate::{
    types::{named, Phase, StoredContract},
    AcceptedCounts, Amendments, ClaimBases, Claims, Clauses, Config, Contracts, ContractsOf,
    ContractsOfDevice, Disputes, LastUsages, LiveTime, MeterWindows, Pallet, Progress, ProposalCounts,
};
use alloc::collections::{BTreeMap, BTreeSet};
use frame_support::{ensure, traits::Get, BoundedVec};
use streembit_primitives::{
    contract::{
        state::{Claim, ClaimState, ClaimSubject, Track},
        ClauseKind, ContractId, NumberedClause, Terms,
    },
    PartyId,
};

/// Numbers by party.
type Counts = BTreeMap<PartyId, u32>;

fn count(counts: &mut Counts, party: PartyId) {
    let count = counts.entry(party).or_default();
    *count = count.saturating_add(1);
}

impl<T: Config> Pallet<T> {
    /// Returns the first condition that does not hold.
    pub fn check_state() -> Result<(), &'static str> {
        let (mut accepted, mut proposals) = (Counts::new(), Counts::new());
        for (id, contract) in Contracts::<T>::iter() {
            Self::check_content(id, &contract)?;
            Self::check_acceptances(id, &contract)?;
            Self::check_phase(id, &contract)?;
            Self::check_claims(id, &contract)?;
            contract.accepted.iter().for_each(|one| count(&mut accepted, one.party));
            if matches!(contract.phase, Phase::Proposed { .. }) {
                count(&mut proposals, contract.proposer);
            }
        }
        for (id, amendment) in Amendments::<T>::iter() {
            let contract = Contracts::<T>::get(id).ok_or("an amendment has no contract")?;
            ensure!(contract.active().is_some(), "an amendment of a contract that is not in force");
            ensure!(amendment.hash == amendment.content.hash(), "an amendment has another hash");
            ensure!(amendment.hash != contract.hash, "an amendment changes nothing");
            ensure!(!amendment.accepted.is_empty(), "nobody accepted an amendment, not even its proposer");
            amendment.accepted.iter().for_each(|one| count(&mut accepted, one.party));
        }
        ensure!(
            accepted == AcceptedCounts::<T>::iter().collect::<Counts>(),
            "the number of accepted contents is wrong"
        );
        ensure!(
            proposals == ProposalCounts::<T>::iter().collect::<Counts>(),
            "the number of open proposals is wrong"
        );
        let most = T::MaxProposalsOfParty::get();
        ensure!(proposals.values().all(|count| *count <= most), "a party has too many proposals");
        let most = T::MaxContractsOfParty::get();
        ensure!(accepted.values().all(|count| *count <= most), "a party accepted too many contracts");
        Self::check_indices()?;
        let clock = LiveTime::<T>::get();
        ensure!(clock.live <= clock.seen, "the live clock is ahead of the chain's");
        Ok(())
    }

    /// Returns the terms of a contract with its clauses.
    fn whole_terms(id: ContractId, contract: &StoredContract) -> Result<Terms, &'static str> {
        let mut terms = contract.terms.clone();
        ensure!(terms.clauses.is_empty(), "the clauses of a contract are stored twice");
        let mut numbered = alloc::vec::Vec::new();
        for number in &contract.clauses {
            let clause = Clauses::<T>::get(id, number).ok_or("a clause is missing")?;
            numbered.push(NumberedClause { number: *number, clause });
        }
        terms.clauses = BoundedVec::truncate_from(numbered);
        Ok(terms)
    }

    fn check_content(id: ContractId, contract: &StoredContract) -> Result<(), &'static str> {
        let terms = Self::whole_terms(id, contract)?;
        ensure!(terms.validate().is_ok(), "a contract is invalid");
        let hash = streembit_primitives::contract::ContractContent::V1(terms).hash();
        ensure!(hash == contract.hash, "a contract has another hash");
        ensure!(ContractId::new(&Self::lineage(), &contract.first) == id, "a contract has another id");
        let is_first = contract.version == 0;
        ensure!(!is_first || contract.first == contract.hash, "the first content has another hash");
        let last = contract.clauses.last().copied().unwrap_or_default();
        ensure!(last <= contract.highest, "a clause has a higher number than noted");
        let stored = Clauses::<T>::iter_key_prefix(id).count();
        ensure!(stored == contract.clauses.len(), "a clause is stored that is not in the content");
        Ok(())
    }

    fn check_acceptances(id: ContractId, contract: &StoredContract) -> Result<(), &'static str> {
        let by = BTreeSet::from_iter(contract.accepted.iter().map(|one| one.party));
        let names = BTreeSet::from_iter(contract.named());
        ensure!(by.len() == contract.accepted.len(), "a party accepted a contract twice");
        ensure!(!by.is_empty(), "nobody accepted a contract, not even its proposer");
        ensure!(by.is_subset(&names), "a party accepted a contract that does not name it");
        let is_proposed = matches!(contract.phase, Phase::Proposed { .. });
        ensure!(is_proposed || by == names, "a contract is in force although not everybody accepted it");
        for party in names {
            ensure!(ContractsOf::<T>::contains_key(party, id), "a contract is missing in `ContractsOf`");
        }
        Ok(())
    }

    fn check_phase(id: ContractId, contract: &StoredContract) -> Result<(), &'static str> {
        let is_active = contract.active().is_some();
        for device in &contract.terms.devices {
            let listed = ContractsOfDevice::<T>::get(device).into_iter().filter(|listed| *listed == id);
            // The places of devices that changed hands may be free.
            let is_same = || {
                let record = pallet_devices::Pallet::<T>::device(device);
                record.is_some_and(|record| Self::has_same_owner(contract, device, &record))
            };
            let count = listed.count();
            ensure!(
                count == usize::from(is_active) || (count == 0 && !is_same()),
                "a contract in force is not exactly once in `ContractsOfDevice`, or another one is"
            );
        }
        if let Some(active) = contract.active() {
            ensure!(active.owners.len() == contract.terms.devices.len(), "the owners are not counted");
            let by = BTreeSet::from_iter(active.notices.iter().map(|notice| notice.by));
            ensure!(by.len() == active.notices.len(), "a party gave notice twice");
            ensure!(by.iter().all(|party| contract.terms.names(party)), "a stranger gave notice");
        }
        if matches!(contract.phase, Phase::Proposed { .. }) {
            ensure!(contract.next_claim == 0, "a proposal has claims");
            ensure!(Progress::<T>::iter_key_prefix(id).next().is_none(), "a proposal has progress");
        }
        Ok(())
    }

    fn check_claims(id: ContractId, contract: &StoredContract) -> Result<(), &'static str> {
        for (number, claim) in Claims::<T>::iter_prefix(id) {
            ensure!(claim.number == number, "a claim is stored under another number");
            ensure!(number < contract.next_claim, "a claim has a number that was not given yet");
            ensure!(contract.clauses.contains(&claim.clause), "a claim is under an unknown clause");
            let is_disputed = claim.state == ClaimState::Disputed;
            let has_dispute = Disputes::<T>::contains_key(id, number);
            ensure!(!is_disputed || has_dispute, "a disputed claim has no dispute");
            ensure!(claim.state != ClaimState::Claimed || !has_dispute, "a claim has a dispute too early");
        }
        for (number, last) in LastUsages::<T>::iter_prefix(id) {
            ensure!(contract.clauses.contains(&number), "an unknown clause has a last usage");
            ensure!(last < contract.next_claim, "the last usage has a number that was not given yet");
        }
        for number in MeterWindows::<T>::iter_key_prefix(id) {
            let has_meter = Progress::<T>::get(id, number).meter.is_some();
            ensure!(has_meter, "the day of a meter that was never read has begun");
        }
        for (number, progress) in Progress::<T>::iter_prefix(id) {
            ensure!(contract.clauses.contains(&number), "an unknown clause has progress");
            let kind = Clauses::<T>::get(id, number).ok_or("a clause is missing")?.kind();
            ensure!(is_track_of(&progress.track, kind), "the progress is of another kind of clause");
            let claims = Claims::<T>::iter_prefix_values(id).filter(|claim| claim.clause == number);
            ensure!(claims.count() == progress.claims as usize, "the number of a clause's claims is wrong");
            ensure!(progress.claims <= T::MaxClaimsOfClause::get(), "a clause has too many claims");
            if let Some(open) = progress.irregularity {
                let is_irregularity = |claim: Claim| {
                    claim.state == ClaimState::Disputed
                        && matches!(claim.subject, ClaimSubject::Irregularity { .. })
                };
                let is_its = Claims::<T>::get(id, open).is_some_and(is_irregularity);
                ensure!(is_its, "an open irregularity is no disputed claim");
            }
            if let Track::Service { open: Some(open), .. } = progress.track {
                let is_open = |claim: Claim| {
                    matches!(claim.state, ClaimState::Claimed | ClaimState::Disputed)
                        && claim.clause == number
                };
                ensure!(Claims::<T>::get(id, open).is_some_and(is_open), "an open record is decided on");
            }
        }
        Ok(())
    }

    /// The indices have no entries that the contracts do not imply.
    fn check_indices() -> Result<(), &'static str> {
        for (party, id, ()) in ContractsOf::<T>::iter() {
            let by_contract = Contracts::<T>::get(id).is_some_and(|contract| {
                let mut parties = contract.named();
                parties.any(|named| named == party)
            });
            let by_amendment = Amendments::<T>::get(id).is_some_and(|amendment| {
                let mut parties = named(amendment.content.terms());
                parties.any(|named| named == party)
            });
            ensure!(
                by_contract || by_amendment,
                "`ContractsOf` lists a contract that does not name the party"
            );
        }
        for (device, ids) in ContractsOfDevice::<T>::iter() {
            ensure!(!ids.is_empty(), "an empty list is stored");
            for id in ids {
                let is_about = Contracts::<T>::get(id).is_some_and(|contract| {
                    contract.active().is_some() && contract.terms.devices.contains(&device)
                });
                ensure!(
                    is_about,
                    "`ContractsOfDevice` lists a contract that is not in force about the device"
                );
            }
        }
        let of_clauses = Clauses::<T>::iter_keys().map(|(id, _)| id);
        let of_progress = Progress::<T>::iter_keys().map(|(id, _)| id);
        let of_claims = Claims::<T>::iter_keys().map(|(id, _)| id);
        let of_windows = MeterWindows::<T>::iter_keys().map(|(id, _)| id);
        let of_usages = LastUsages::<T>::iter_keys().map(|(id, _)| id);
        for id in of_clauses.chain(of_usages).chain(of_windows).chain(of_progress).chain(of_claims) {
            ensure!(Contracts::<T>::contains_key(id), "a clause, progress or a claim has no contract");
        }
        for (id, number) in ClaimBases::<T>::iter_keys() {
            ensure!(Claims::<T>::contains_key(id, number), "the basis of a claim has no claim");
        }
        for (id, number) in Disputes::<T>::iter_keys() {
            ensure!(Claims::<T>::contains_key(id, number), "a dispute has no claim");
        }
        Ok(())
    }
}

fn is_track_of(track: &Track, kind: ClauseKind) -> bool {
    match track {
        Track::Nothing => true,
        Track::Service { .. } => kind == ClauseKind::Service,
        Track::Usage { .. } => kind == ClauseKind::Usage,
        Track::Charged(_) => kind == ClauseKind::Charge,
        Track::Handover { .. } => kind == ClauseKind::Handover,
        Track::Revoked { .. } => {
            matches!(kind, ClauseKind::Access | ClauseKind::Control | ClauseKind::Custody)
        }
    }
}
