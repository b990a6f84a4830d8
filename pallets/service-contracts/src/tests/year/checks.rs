//! What must hold after every block.

use super::{ledger::Stage, World};
use crate::{mock::*, types::named, Contracts, ContractsOfDevice};
use std::collections::BTreeMap;
use streembit_primitives::{
    contract::{
        state::{ClaimState, ContractState},
        ContractId,
    },
    DeviceId, PartyId,
};

fn is_member(party: &PartyId) -> bool {
    <Parties as pallet_parties::PartyLookup>::is_party(party)
}

/// Returns the number of storage entries of the pallet.
fn stored_entries() -> usize {
    let prefix = sp_io::hashing::twox_128(b"ServiceContracts");
    let next = |key: &Vec<u8>| sp_io::storage::next_key(key).filter(|next| next.starts_with(&prefix));
    std::iter::successors(next(&prefix.to_vec()), next).count()
}

impl World {
    /// Checks everything.
    pub(super) fn check(&self) {
        assert_eq!(ServiceContracts::check_state(), Ok(()), "block {}", System::block_number());
        self.ledger.check();
        self.check_owners();
        self.check_grants();
        self.check_claims();
        self.check_bounds();
    }

    /// Each device is listed for one owner, the one in its record.
    fn check_owners(&self) {
        let mut owners: BTreeMap<DeviceId, Vec<PartyId>> = BTreeMap::new();
        for (owner, device) in pallet_devices::DevicesOfOwner::<Test>::iter_keys() {
            owners.entry(device).or_default().push(owner);
        }
        for vehicle in &self.vehicles {
            let owner = Devices::device(&vehicle.device).unwrap().owner();
            assert_eq!(owners.get(&vehicle.device), Some(&vec![owner]), "the owners of {}", vehicle.device);
        }
    }

    /// Rights come from contracts in force, and end with them, with the owner, and with their sides.
    fn check_grants(&self) {
        for vehicle in &self.vehicles {
            for grant in ServiceContracts::grants(&vehicle.device) {
                let view = ServiceContracts::contract(grant.contract).unwrap();
                assert_eq!(view.state, ContractState::Active);
                assert_eq!(self.ledger.agreements[&grant.contract].stage, Stage::Active);
                let ends = view.content.terms().ends.unwrap();
                assert!(grant.until > Now::get() && grant.until <= ends, "{grant:?}");
                assert!(is_member(&grant.grantor) && is_member(&grant.grantee), "{grant:?}");
                assert!(!self.ledger.revoked.contains(&(grant.contract, grant.clause)), "{grant:?}");
                let owner = Devices::device(&grant.device).unwrap().owner();
                assert!(view.content.terms().names(&owner), "{grant:?} of a device that was sold");
            }
        }
        for (id, agreement) in &self.ledger.agreements {
            let gives = agreement.stage == Stage::Active;
            assert!(gives || ServiceContracts::grants_of(*id).is_empty(), "{id} is {:?}", agreement.stage);
        }
    }

    /// Each claim is open until a deadline that is not over, or it is decided. A respondent that has left is not silent.
    fn check_claims(&self) {
        let mut counts: BTreeMap<ContractId, usize> = BTreeMap::new();
        for (id, _) in self.ledger.claims.keys() {
            *counts.entry(*id).or_default() += 1;
        }
        let live = ServiceContracts::live_time();
        for id in self.ledger.agreements.keys() {
            let views = ServiceContracts::claims(*id).unwrap();
            assert_eq!(views.len(), counts.get(id).copied().unwrap_or(0));
            for view in views {
                match view.claim.state {
                    ClaimState::Claimed => {
                        let has_left = Left::get().contains(&view.claim.respondent);
                        assert!(view.claim.contest_until > live || has_left, "{view:?}");
                    }
                    ClaimState::Disputed => {
                        assert!(view.dispute.as_ref().unwrap().rule_until > live, "{view:?}");
                    }
                    ClaimState::Stands(_) | ClaimState::Void(_) => {}
                }
            }
        }
    }

    /// The state is bounded by what parties have accepted, and by the devices.
    fn check_bounds(&self) {
        let of_device = MaxContractsOfDevice::get();
        let of_clause = MaxClaimsOfClause::get();
        let of_party = MaxContractsOfParty::get();
        assert!(ContractsOfDevice::<Test>::iter_values().all(|ids| ids.len() <= of_device as usize));
        let parties = PARTIES.len() + Added::get().len();
        assert!(Contracts::<Test>::iter_keys().count() <= parties * of_party as usize);

        // A contract has its parties' entries, a clause and its progress, claims and disputes, and an amendment.
        let of_contract = |id: &ContractId| {
            let contract = Contracts::<Test>::get(id).unwrap();
            let pending = self.ledger.amendments.get(id).map(|hash| &self.ledger.contents[hash]);
            let amendment = pending.map_or(0, |terms| 1 + named(terms).count());
            let clauses = contract.clauses.len() * (2 + 2 * of_clause as usize);
            1 + contract.named().count() + clauses + amendment
        };
        let of_contracts: usize = self.ledger.agreements.keys().map(of_contract).sum();
        // Two counters for each party, one list for each device, and three values: version, live time and lineage.
        let most = of_contracts + 2 * parties + self.vehicles.len() + 3;
        let entries = stored_entries();
        assert!(entries <= most, "{entries} entries, at most {most}");
    }

    /// Nothing is left of the contracts.
    pub(super) fn check_is_empty(&self) {
        assert!(self.ledger.agreements.is_empty(), "{:?}", self.ledger.agreements);
        assert!(stored_entries() <= 3, "{} entries are left", stored_entries());
    }
}
