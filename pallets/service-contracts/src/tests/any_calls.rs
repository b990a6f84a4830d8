//! Any sequence of calls, by any account, keeps the invariants and the bounds of the state, and binds no party that did not
//! authorise it.

use crate::{
    mock::*, types, AcceptedCounts, ClaimBases, Claims, Clauses, Contracts, ContractsOf, ContractsOfDevice,
    Disputes, LastUsages, LiveTime, MeterWindows, Progress, ProposalCounts,
};
use frame_support::assert_ok;
use proptest::prelude::*;
use sp_runtime::DispatchResult;
use std::collections::BTreeSet;
use streembit_primitives::{
    contract::{
        evaluate::Rounding,
        state::{ClaimEvidence, ClaimState, ClauseProgress, Outcome},
        CarryOver, ChargeBasis, ChargeClause, Clause, ContentHash, ContractId, Documents, HandoverClause,
        NumberedClause, RoleHolder, Terms, UsageClause,
    },
    DeviceId, Hash, PartyId,
};

/// The number of contracts that the steps are about.
const CONTRACTS: u8 = 6;

#[derive(Clone, Debug)]
enum Step {
    /// The sender, the contract and its version.
    Propose(u8, u8, u8),
    /// The sender, the contract and its version.
    Accept(u8, u8, u8),
    Reject(u8, u8, u8),
    Withdraw(u8, u8, u8),
    /// The sender, the contract, and the versions before and after.
    Amend(u8, u8, u8, u8),
    Terminate(u8, u8),
    Prune(u8, u8),
    /// Changes the odometer by this much, which may be negative, and anchors the log.
    Drive(i32),
    /// The sender, the contract, the clause, and the entry to prove.
    Report(u8, u8, u16, prop::sample::Index),
    Record(u8, u8, u16, prop::sample::Index),
    /// The sender, the contract, the clause, and the entries to prove.
    Claim(u8, u8, u16, prop::sample::Index, prop::sample::Index),
    /// The sender, the contract, the claim, and which of the calls about claims.
    AboutClaim(u8, u8, u32, u8, prop::sample::Index),
    /// The sender, the contract, and its version.
    HandOver(u8, u8, u8),
    /// The sender, the contract and the clause.
    Revoke(u8, u8, u16),
    /// Gives the car to this party outside of any contract.
    Sell(u8),
    Expel(u8),
    Readmit(u8),
    /// Makes this number of blocks, a minute apart.
    Blocks(u64),
    /// The chain stands still for a day.
    StandStill,
}

/// Returns a party. 0 to 3: parties of the consortium; others: a stranger.
fn who(number: u8) -> PartyId {
    PARTIES.get(usize::from(number)).copied().unwrap_or(STRANGER)
}

/// Returns the sender of a call, and the party that it acts for. 5: an employee of the owner.
fn sender(number: u8) -> (RuntimeOrigin, PartyId) {
    match number {
        5 => (by(CLERK), OWNER),
        _ => (signed(who(number)), who(number)),
    }
}

fn van() -> DeviceId {
    Gateway::new(100).hosted("van").device_id()
}

/// Returns the terms of a contract. 0 to 2: a service book; 3: with the insurer and the van; 4: a sale; 5: names a
/// stranger. Versions differ in the notice period; the last one replaces the workshop.
fn version(number: u8, version: u8) -> Terms {
    let mut terms = terms();
    terms.nonce = Hash([number; 32]);
    let usage = UsageClause {
        device: car(),
        meter: odometer(),
        period: 10 * MINUTE,
        allowance: km(1_000),
        carry_over: CarryOver::UpTo(km(100)),
        user: OWNER,
        claimant: WORKSHOP,
    };
    let charge = ChargeClause {
        subject: None,
        basis: ChargeBasis::Meter { device: car(), meter: odometer(), per: km(1) },
        rate: km(1),
        currency: "EUR".parse().unwrap(),
        rounding: Rounding::HalfUp,
        creditor: WORKSHOP,
        debtor: OWNER,
    };
    let handover = HandoverClause { device: car(), from: OWNER, to: WORKSHOP, meter: None };
    for (number, clause) in [(3, Clause::Usage(usage)), (4, Clause::Charge(charge))] {
        terms.clauses.try_push(NumberedClause { number, clause }).unwrap();
    }
    match number {
        0..3 => (),
        3 => {
            terms
                .parties
                .try_push(RoleHolder {
                    role: streembit_primitives::contract::ContractRole::Insurer,
                    party: INSURER,
                })
                .unwrap();
            terms.devices.try_push(van()).unwrap();
        }
        4 => {
            let handover = NumberedClause { number: 1, clause: Clause::Handover(handover) };
            terms.clauses = vec![handover].try_into().unwrap();
        }
        _ => terms.arbiter = Some(STRANGER),
    }
    terms.deadlines.notice = Some(NOTICE + u64::from(version));
    if version == 2 && number < 3 {
        terms.parties[1].party = INSURER;
        service(&mut terms).provider = INSURER;
        terms.clauses.truncate(1);
    }
    terms
}

fn id(number: u8) -> ContractId {
    id_of(&version(number, 0))
}

fn step() -> impl Strategy<Value = Step> {
    let (by, of, v) = (0u8..6, 0u8..CONTRACTS, 0u8..3);
    let (clause, number, proof) = (1u16..6, 0u32..4, any::<prop::sample::Index>);
    prop_oneof![
        6 => (by.clone(), of.clone()).prop_map(|(by, of)| Step::Propose(by, of, 0)),
        14 => (by.clone(), of.clone(), v.clone()).prop_map(|(by, of, v)| Step::Accept(by, of, v)),
        1 => (by.clone(), of.clone(), v.clone()).prop_map(|(by, of, v)| Step::Reject(by, of, v)),
        1 => (by.clone(), of.clone(), v.clone()).prop_map(|(by, of, v)| Step::Withdraw(by, of, v)),
        4 => (by.clone(), of.clone(), v.clone(), v.clone()).prop_map(|(by, of, a, b)| Step::Amend(by, of, a, b)),
        1 => (by.clone(), of.clone()).prop_map(|(by, of)| Step::Terminate(by, of)),
        3 => (by.clone(), of.clone()).prop_map(|(by, of)| Step::Prune(by, of)),
        4 => (-2_000i32..5_000).prop_map(Step::Drive),
        4 => (by.clone(), of.clone(), clause.clone(), proof())
            .prop_map(|(by, of, clause, proof)| Step::Report(by, of, clause, proof)),
        6 => (by.clone(), of.clone(), clause.clone(), proof())
            .prop_map(|(by, of, clause, proof)| Step::Record(by, of, clause, proof)),
        6 => (by.clone(), of.clone(), clause.clone(), proof(), proof())
            .prop_map(|(by, of, clause, a, b)| Step::Claim(by, of, clause, a, b)),
        14 => (by.clone(), of.clone(), number, 0u8..10, proof())
            .prop_map(|(by, of, number, call, proof)| Step::AboutClaim(by, of, number, call, proof)),
        4 => (by.clone(), Just(4u8), v).prop_map(|(by, of, v)| Step::HandOver(by, of, v)),
        2 => (by.clone(), of, clause).prop_map(|(by, of, clause)| Step::Revoke(by, of, clause)),
        1 => by.clone().prop_map(Step::Sell),
        1 => by.clone().prop_map(Step::Expel),
        2 => by.prop_map(Step::Readmit),
        3 => (1u64..5).prop_map(Step::Blocks),
        1 => Just(Step::StandStill),
    ]
}

/// The car's gateway, the odometer, and what the parties authorised.
struct World {
    gateway: Gateway,
    meter: u32,
    /// The contents that each party accepted while it was a member for the nth time.
    authorised: BTreeSet<(PartyId, ContentHash, u32)>,
    /// The sides that confirmed the handover of a content.
    confirmed: BTreeSet<(PartyId, ContentHash)>,
    /// The owner of the car as the parties want it.
    owner: PartyId,
}

impl World {
    fn new() -> Self {
        let gateway = Gateway::new(100);
        let (authorised, confirmed) = (BTreeSet::new(), BTreeSet::new());
        let mut world = Self { gateway, meter: 24_000, authorised, confirmed, owner: OWNER };
        world.drive(0);
        world
    }

    fn drive(&mut self, by: i32) {
        self.meter = self.meter.saturating_add_signed(by);
        self.gateway.drive(self.meter);
        self.gateway.anchor();
    }

    fn proof(&self, index: prop::sample::Index) -> Box<streembit_primitives::reading_proof::ReadingProof> {
        self.gateway.prove(index.index(self.gateway.entries() as usize) as u64)
    }

    fn authorise(&mut self, party: PartyId, terms: &Terms, result: DispatchResult) -> DispatchResult {
        if result.is_ok() {
            let departures = Left::get().iter().filter(|left| **left == party).count() as u32;
            self.authorised.insert((party, hash_of(terms), departures));
        }
        result
    }

    /// Executes a step, whose call may fail.
    fn take(&mut self, step: Step) -> DispatchResult {
        let documents = Documents::default;
        match step {
            Step::Propose(by, of, v) => {
                let ((origin, party), terms) = (sender(by), version(of, v));
                let result = ServiceContracts::propose(origin, content(terms.clone()));
                self.authorise(party, &terms, result)
            }
            Step::Accept(by, of, v) => {
                let ((origin, party), terms) = (sender(by), version(of, v));
                let result = ServiceContracts::accept(origin, id(of), hash_of(&terms));
                self.authorise(party, &terms, result)
            }
            Step::Amend(by, of, before, after) => {
                let ((origin, party), terms) = (sender(by), version(of, after));
                let before = hash_of(&version(of, before));
                let result = ServiceContracts::amend(origin, id(of), before, content(terms.clone()));
                self.authorise(party, &terms, result)
            }
            Step::Reject(by, of, v) => {
                ServiceContracts::reject(sender(by).0, id(of), hash_of(&version(of, v)))
            }
            Step::Withdraw(by, of, v) => {
                ServiceContracts::withdraw(sender(by).0, id(of), hash_of(&version(of, v)))
            }
            Step::Terminate(by, of) => ServiceContracts::terminate(sender(by).0, id(of)),
            Step::Prune(by, of) => ServiceContracts::prune(sender(by).0, id(of)),
            Step::Drive(by) => {
                self.drive(by);
                Ok(())
            }
            Step::Report(by, of, clause, proof) => {
                ServiceContracts::report(sender(by).0, id(of), clause, self.proof(proof))
            }
            Step::Record(by, of, clause, proof) => {
                let proof = Some(self.proof(proof));
                ServiceContracts::record(sender(by).0, id(of), clause, proof, documents())
            }
            Step::Claim(by, of, clause, first, last) => {
                let (first, last) = (*self.proof(first), *self.proof(last));
                let evidence = match clause {
                    3 => ClaimEvidence::Usage { period: 0, first, last },
                    4 => ClaimEvidence::Meter { first: Some(first), last },
                    _ => ClaimEvidence::Once,
                };
                ServiceContracts::claim(sender(by).0, id(of), clause, Box::new(evidence), documents())
            }
            Step::AboutClaim(by, of, number, call, proof) => {
                let (origin, id) = (sender(by).0, id(of));
                match call {
                    0 => ServiceContracts::confirm(origin, id, number),
                    1 => ServiceContracts::contest(origin, id, number, documents()),
                    2 => ServiceContracts::retract(origin, id, number),
                    3 => ServiceContracts::refute(origin, id, number, self.proof(proof)),
                    4 => ServiceContracts::settle(origin, id, number, Outcome::Void),
                    5 => ServiceContracts::rule(origin, id, number, Outcome::Stands, documents()),
                    6 => ServiceContracts::offer_reading(origin, id, number, self.proof(proof)),
                    7 => ServiceContracts::pay(origin, id, number, documents()),
                    8 => ServiceContracts::confirm_payment(origin, id, number),
                    _ => ServiceContracts::prune_claim(origin, id, number),
                }
            }
            Step::HandOver(by, of, v) => {
                let ((origin, party), hash) = (sender(by), hash_of(&version(of, v)));
                let result = ServiceContracts::hand_over(origin, id(of), 1, hash, None);
                if result.is_ok() {
                    self.confirmed.insert((party, hash));
                    let both = [OWNER, WORKSHOP].iter().all(|side| self.confirmed.contains(&(*side, hash)));
                    if both && Devices::device(&car()).unwrap().owner() == WORKSHOP {
                        self.owner = WORKSHOP;
                    }
                }
                result
            }
            Step::Revoke(by, of, clause) => {
                let (origin, party) = sender(by);
                let is_free = ServiceContracts::may_revoke(&party, id(of), clause);
                let result = ServiceContracts::revoke(origin, id(of), clause);
                // What is free succeeds, so nobody can spam with it.
                assert!(!is_free || result.is_ok() || !is_member(&party) || by == 5);
                result
            }
            Step::Sell(to) => {
                let key = self.gateway.hosted("car");
                own(who(to), &key, &self.gateway);
                self.owner = who(to);
                Ok(())
            }
            Step::Expel(party) => {
                if is_member(&who(party)) {
                    expel(who(party));
                }
                Ok(())
            }
            Step::Readmit(party) => {
                readmit(who(party));
                Ok(())
            }
            Step::Blocks(count) => {
                pass(count * MINUTE);
                Ok(())
            }
            Step::StandStill => {
                block_at(Now::get() + DAY);
                Ok(())
            }
        }
    }

    /// Everybody who is bound has authorised it, and the car belongs to whom the parties want.
    fn check_authority(&self) -> Result<(), TestCaseError> {
        for (id, contract) in Contracts::<Test>::iter() {
            for acceptance in &contract.accepted {
                let bound = (acceptance.party, contract.hash, acceptance.departures);
                prop_assert!(self.authorised.contains(&bound), "{:?} is bound by {}", acceptance.party, id);
            }
            if contract.active().is_some() {
                let accepted = |party| contract.accepted.iter().any(|acceptance| acceptance.party == party);
                let all = contract.named().all(accepted);
                prop_assert!(all, "{} is active without a party's acceptance", id);
            }
        }
        prop_assert_eq!(Devices::device(&car()).unwrap().owner(), self.owner);
        Ok(())
    }
}

/// Checks that no storage has more entries than the bounds allow for four parties and two devices.
fn check_bounds() -> Result<(), TestCaseError> {
    let of_party = MaxContractsOfParty::get();
    let of_device = MaxContractsOfDevice::get();
    let of_clause = MaxClaimsOfClause::get();
    // The proposer of a contract has accepted it.
    let most = PARTIES.len() * of_party as usize;
    let contracts = Contracts::<Test>::iter_keys().count();
    prop_assert!(contracts <= most, "{} contracts", contracts);
    let clauses = Clauses::<Test>::iter_keys().count();
    prop_assert!(Progress::<Test>::iter_keys().count() <= clauses);
    prop_assert!(Claims::<Test>::iter_keys().count() <= clauses * of_clause as usize);
    prop_assert!(ContractsOfDevice::<Test>::iter_values().all(|ids| ids.len() <= of_device as usize));
    Ok(())
}

/// Rights come from contracts in force, end with them, and their sides are members.
fn check_grants() -> Result<(), TestCaseError> {
    for grant in ServiceContracts::grants(&car()) {
        let view = ServiceContracts::contract(grant.contract).unwrap();
        prop_assert_eq!(view.state, streembit_primitives::contract::state::ContractState::Active);
        prop_assert!(grant.until > Now::get() && grant.until <= view.content.terms().ends.unwrap());
        prop_assert!(is_member(&grant.grantee));
        prop_assert!(is_member(&grant.grantor));
    }
    Ok(())
}

fn is_member(party: &PartyId) -> bool {
    <Parties as pallet_parties::PartyLookup>::is_party(party)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_calls_keeps_the_invariants(steps in prop::collection::vec(step(), 1..100)) {
        chain().execute_with(|| {
            let mut world = World::new();
            for step in steps {
                let _ = world.take(step.clone());
                prop_assert_eq!(ServiceContracts::check_state(), Ok(()), "after {:?}", step);
                world.check_authority()?;
                check_bounds()?;
                check_grants()?;
            }
            Ok(())
        })?;
    }
}

/// Returns a chain with a contract in force that has a confirmed record, an open one and an irregularity.
fn chain_with_claims() -> (ContractId, sp_io::TestExternalities) {
    let mut chain = chain();
    let id = chain.execute_with(|| {
        let (id, mut gateway) = (agree(terms()), Gateway::new(100));
        for number in 0..2 {
            let proof = Some(gateway.proven(25_000 + number));
            assert_ok!(ServiceContracts::record(signed(WORKSHOP), id, SERVICE, proof, Default::default()));
            if number == 0 {
                assert_ok!(ServiceContracts::confirm(signed(OWNER), id, number));
            }
        }
        assert_ok!(ServiceContracts::report(signed(OWNER), id, SERVICE, gateway.proven(1)));
        assert_eq!(ServiceContracts::check_state(), Ok(()));
        id
    });
    (id, chain)
}

type Change = fn(ContractId);

/// For each invariant, breaks only this one.
#[test]
fn each_broken_invariant_is_detected() {
    let faults: Vec<(&str, Change)> = vec![
        ("a contract has another hash", |id| {
            Contracts::<Test>::mutate_extant(id, |contract| contract.hash = ContentHash([7; 32]));
        }),
        ("a contract is invalid", |id| {
            Contracts::<Test>::mutate_extant(id, |contract| contract.terms.devices.clear());
        }),
        ("a clause is missing", |id| Clauses::<Test>::remove(id, ACCESS)),
        ("a clause is stored that is not in the content", |id| {
            Clauses::<Test>::insert(id, 9, Clauses::<Test>::get(id, SERVICE).unwrap());
        }),
        ("a clause has a higher number than noted", |id| {
            Contracts::<Test>::mutate_extant(id, |contract| contract.highest = 1);
        }),
        ("a party accepted a contract twice", |id| {
            Contracts::<Test>::mutate_extant(id, |contract| contract.accepted[1] = contract.accepted[0]);
        }),
        ("a party accepted a contract that does not name it", |id| {
            Contracts::<Test>::mutate_extant(id, |contract| contract.accepted[1].party = INSURER);
        }),
        ("a contract is in force although not everybody accepted it", |id| {
            Contracts::<Test>::mutate_extant(id, |contract| contract.accepted.truncate(2));
        }),
        ("a contract is missing in `ContractsOf`", |id| ContractsOf::<Test>::remove(OWNER, id)),
        ("`ContractsOf` lists a contract that does not name the party", |id| {
            ContractsOf::<Test>::insert(INSURER, id, ());
        }),
        ("the number of accepted contents is wrong", |_| AcceptedCounts::<Test>::insert(OWNER, 2)),
        ("the number of open proposals is wrong", |_| ProposalCounts::<Test>::insert(OWNER, 1)),
        ("a contract in force is not exactly once in `ContractsOfDevice`, or another one is", |_| {
            ContractsOfDevice::<Test>::remove(car());
        }),
        ("`ContractsOfDevice` lists a contract that is not in force about the device", |id| {
            ContractsOfDevice::<Test>::try_append(van(), id).unwrap();
        }),
        ("a claim is stored under another number", |id| {
            Claims::<Test>::mutate(id, 0, |claim| claim.as_mut().unwrap().number = 1);
        }),
        ("a claim has a number that was not given yet", |id| {
            Contracts::<Test>::mutate_extant(id, |contract| contract.next_claim = 1);
        }),
        ("a disputed claim has no dispute", |id| Disputes::<Test>::remove(id, 2)),
        ("the number of a clause's claims is wrong", |id| Claims::<Test>::remove(id, 0)),
        ("an unknown clause has progress", |id| {
            Progress::<Test>::insert(id, 9, Progress::<Test>::get(id, SERVICE));
        }),
        ("an unknown clause has a last usage", |id| LastUsages::<Test>::insert(id, 9, 0)),
        ("the last usage has a number that was not given yet", |id| LastUsages::<Test>::insert(id, 1, 9)),
        ("the day of a meter that was never read has begun", |id| {
            let window = MeterWindows::<Test>::get(id, SERVICE).unwrap();
            MeterWindows::<Test>::insert(id, ACCESS, window);
        }),
        ("the progress is of another kind of clause", |id| {
            let track = Progress::<Test>::get(id, SERVICE).track;
            Progress::<Test>::mutate(id, ACCESS, |progress| progress.track = track);
        }),
        ("an open irregularity is no disputed claim", |id| {
            Progress::<Test>::mutate(id, SERVICE, |progress| progress.irregularity = Some(0));
        }),
        ("an open record is decided on", |id| {
            Claims::<Test>::mutate(id, 1, |claim| {
                let decision = streembit_primitives::contract::state::Decision::Confirmed;
                claim.as_mut().unwrap().state = ClaimState::Stands(decision);
            });
        }),
        ("a clause, progress or a claim has no contract", |_| {
            Progress::<Test>::insert(ContractId([7; 32]), 1, ClauseProgress::default());
        }),
        ("the basis of a claim has no claim", |id| {
            let basis = ClaimBases::<Test>::get(id, 2).unwrap();
            ClaimBases::<Test>::insert(id, 9, basis);
        }),
        ("a dispute has no claim", |id| {
            let dispute = Disputes::<Test>::get(id, 2).unwrap();
            Disputes::<Test>::insert(id, 9, dispute);
        }),
        ("the live clock is ahead of the chain's", |_| {
            LiveTime::<Test>::put(types::LiveClock { live: 2, seen: 1 });
        }),
    ];
    for (fault, change) in faults {
        let (id, mut chain) = chain_with_claims();
        chain.execute_with(|| {
            change(id);
            assert_eq!(ServiceContracts::check_state(), Err(fault));
        });
    }
}
