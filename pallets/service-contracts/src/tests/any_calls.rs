//! Any sequence of calls, by any account, keeps the invariants and the bounds of the state.

use crate::{
    mock::*, AcceptedBy, ClauseProgress, Contracts, ContractsOfDevice, ContractsOfParty, Records, Statuses,
};
use frame_support::traits::Get;
use proptest::prelude::*;
use streembit_primitives::{
    contract::{Clause, Contract, ContractId, MAX_CLAUSES, MAX_PARTIES},
    contract_state::ContractState,
    DeviceId, Hash, PartyId,
};

const PARTIES: [PartyId; 3] = [OWNER, WORKSHOP, INSURER];

#[derive(Clone, Debug)]
enum Step {
    /// The sender and the contract.
    Propose(u8, u8),
    /// The sender and the contract.
    Accept(u8, u8),
    /// Changes the odometer by this much, which may be negative, and anchors the log.
    Drive(i32),
    /// The sender, the contract, the clause, and the entry to prove.
    Report(u8, u8, u32, prop::sample::Index),
    /// The same as for `Report`.
    Record(u8, u8, u32, prop::sample::Index),
    /// The sender, the contract and the record.
    Confirm(u8, u8, u32),
    /// Gives the car to this account.
    Sell(u8),
    /// Advances by this number of blocks.
    Blocks(u64),
}

/// Returns a party. 0 to 2: parties of the consortium; others: a stranger.
fn who(number: u8) -> PartyId {
    PARTIES.get(usize::from(number)).copied().unwrap_or(STRANGER)
}

/// Returns the sender of a call. 0 to 3: the accounts of these parties; 4: an employee of the owner.
fn sender(number: u8) -> RuntimeOrigin {
    match number {
        0..4 => signed(who(number)),
        _ => by(CLERK),
    }
}

/// Returns a contract. 0 to 4: two parties and the car; 5 and 6: three parties, the car and the van; 7: one of the
/// parties does not belong to the consortium.
fn content(number: u8) -> Contract {
    let mut contract = contract();
    contract.nonce = Hash([number; 32]);
    match number {
        0..5 => (),
        5..7 => {
            contract.parties = PARTIES.to_vec().try_into().unwrap();
            contract.devices = vec![car(), van()].try_into().unwrap();
            let brakes = contract.clauses[SERVICE as usize].clone();
            contract.clauses.try_push(brakes).unwrap();
        }
        _ => contract.parties.try_push(STRANGER).unwrap(),
    }
    contract
}

fn van() -> DeviceId {
    Gateway::new(100).hosted("van").device_id()
}

fn id(number: u8) -> ContractId {
    content(number).id(&Genesis::get())
}

fn step() -> impl Strategy<Value = Step> {
    let (by, number, clause) = (0u8..5, 0u8..8, 0u32..4);
    let proof = any::<prop::sample::Index>;
    prop_oneof![
        4 => (by.clone(), number.clone()).prop_map(|(by, of)| Step::Propose(by, of)),
        8 => (by.clone(), number.clone()).prop_map(|(by, of)| Step::Accept(by, of)),
        3 => (-5_000i32..20_000).prop_map(Step::Drive),
        4 => (by.clone(), number.clone(), clause.clone(), proof())
            .prop_map(|(by, of, clause, proof)| Step::Report(by, of, clause, proof)),
        6 => (by.clone(), number.clone(), clause, proof())
            .prop_map(|(by, of, clause, proof)| Step::Record(by, of, clause, proof)),
        6 => (by.clone(), number, 0u32..4).prop_map(|(by, of, record)| Step::Confirm(by, of, record)),
        1 => by.prop_map(Step::Sell),
        1 => (1u64..4).prop_map(Step::Blocks),
    ]
}

/// The car's gateway, the odometer, and the number of logged events.
struct Driven {
    gateway: Gateway,
    meter: u32,
    events: u64,
}

impl Driven {
    fn drive(&mut self, by: i32) {
        self.meter = self.meter.saturating_add_signed(by);
        self.gateway.drive(self.meter);
        self.gateway.anchor();
        self.events += 1;
    }

    /// Executes a step, whose call may fail.
    fn take(&mut self, step: Step) {
        let prove = |index: prop::sample::Index| self.gateway.prove(index.index(self.events as usize) as u64);
        let _ = match step {
            Step::Propose(by, of) => ServiceContracts::propose(sender(by), content(of)),
            Step::Accept(by, of) => ServiceContracts::accept(sender(by), id(of)),
            Step::Drive(by) => {
                self.drive(by);
                Ok(())
            }
            Step::Report(by, of, clause, proof) => {
                ServiceContracts::report(sender(by), id(of), clause, prove(proof))
            }
            Step::Record(by, of, clause, proof) => {
                ServiceContracts::record(sender(by), id(of), clause, prove(proof), Hash::ZERO)
            }
            Step::Confirm(by, of, record) => ServiceContracts::confirm(sender(by), id(of), record),
            Step::Sell(to) => {
                let key = self.gateway.hosted("car");
                own(who(to), &key, &self.gateway);
                Ok(())
            }
            Step::Blocks(count) => {
                System::set_block_number(System::block_number() + count);
                // The employee's account ends at some point.
                Now::set(&(Now::get() + 60 * count));
                Ok(())
            }
        };
    }
}

/// Checks that no storage has more entries than the bounds allow for three parties and two devices.
fn check_bounds() -> Result<(), TestCaseError> {
    let of_party: u32 = <Test as crate::Config>::MaxContractsOfParty::get();
    let of_device: u32 = <Test as crate::Config>::MaxContractsOfDevice::get();
    let records: u32 = <Test as crate::Config>::MaxRecords::get();
    // The proposer of a contract has accepted it.
    let most = PARTIES.len() * of_party as usize;
    let contracts = Contracts::<Test>::iter_keys().count();
    prop_assert!(contracts <= most, "{} contracts", contracts);
    prop_assert_eq!(Statuses::<Test>::iter_keys().count(), contracts);
    prop_assert!(AcceptedBy::<Test>::iter_keys().count() <= PARTIES.len());
    prop_assert!(ContractsOfParty::<Test>::iter_keys().count() <= contracts * MAX_PARTIES as usize);
    prop_assert!(ContractsOfDevice::<Test>::iter_values().all(|ids| ids.len() <= of_device as usize));
    let active = Statuses::<Test>::iter_values().filter(|s| s.state == ContractState::Active).count();
    prop_assert!(ClauseProgress::<Test>::iter_keys().count() <= active * MAX_CLAUSES as usize);
    prop_assert!(Records::<Test>::iter_keys().count() <= active * records as usize);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_calls_keeps_the_invariants(steps in prop::collection::vec(step(), 1..80)) {
        chain().execute_with(|| {
            let mut driven = Driven { gateway: Gateway::new(100), meter: 24_000, events: 0 };
            driven.drive(0);
            for step in steps {
                driven.take(step.clone());
                prop_assert_eq!(ServiceContracts::check_state(), Ok(()), "after {:?}", step);
                check_bounds()?;
            }
            Ok(())
        })?;
    }
}

/// Returns a chain with an active contract that has a confirmed and an open record.
fn chain_with_records() -> (ContractId, sp_io::TestExternalities) {
    let mut chain = chain();
    let id = chain.execute_with(|| {
        let (id, mut gateway) = (agree(contract()), Gateway::new(100));
        for number in 0..2 {
            let proof = gateway.proven(25_000 + number);
            ServiceContracts::record(signed(WORKSHOP), id, SERVICE, proof, Hash::ZERO).unwrap();
            if number == 0 {
                ServiceContracts::confirm(signed(OWNER), id, number).unwrap();
            }
        }
        assert_eq!(ServiceContracts::check_state(), Ok(()));
        id
    });
    (id, chain)
}

type Change = fn(ContractId);

fn assert_detected(changes: &[(&str, Change)]) {
    for (fault, change) in changes {
        let (id, mut chain) = chain_with_records();
        chain.execute_with(|| {
            change(id);
            assert_eq!(ServiceContracts::check_state(), Err(*fault));
        });
    }
}

/// For each invariant of acceptances and indices, breaks only this one.
#[test]
fn each_broken_invariant_of_a_contract_is_detected() {
    assert_detected(&[
        ("a contract has no status", |id| Statuses::<Test>::remove(id)),
        ("a contract is invalid", |id| {
            Contracts::<Test>::mutate_extant(id, |c| c.devices.clear());
        }),
        ("a status has no contract", |_| {
            Statuses::<Test>::insert(ContractId([7; 32]), crate::types::ContractStatus::default());
        }),
        ("a party accepted a contract twice", |id| {
            Statuses::<Test>::mutate_extant(id, |s| s.accepted[1] = OWNER);
        }),
        ("nobody accepted a contract, not even its proposer", |id| {
            Statuses::<Test>::mutate_extant(id, |s| s.accepted.clear());
        }),
        ("a party that is not a party to a contract accepted it", |id| {
            Statuses::<Test>::mutate_extant(id, |s| s.accepted[1] = INSURER);
        }),
        ("a contract is active although not all parties accepted it, or the reverse", |id| {
            Statuses::<Test>::mutate_extant(id, |s| s.accepted.truncate(1));
        }),
        ("a contract is active although not all parties accepted it, or the reverse", |id| {
            Statuses::<Test>::mutate_extant(id, |s| s.state = ContractState::Proposed);
        }),
        ("the owners of a contract's devices are not counted", |id| {
            Statuses::<Test>::mutate_extant(id, |s| s.owners.clear());
        }),
        ("a contract counts owners of the future", |id| {
            Statuses::<Test>::mutate_extant(id, |s| s.owners[0] = 2);
        }),
        ("an active contract's device is gone", |_| {
            pallet_devices::Devices::<Test>::remove(car());
        }),
        ("the number of contracts that a party accepted is wrong", |_| {
            AcceptedBy::<Test>::insert(OWNER, 2u32)
        }),
        ("a party accepted contracts but has no entry in `AcceptedBy`", |_| {
            AcceptedBy::<Test>::remove(OWNER)
        }),
        ("a contract is missing in `ContractsOfParty`", |id| ContractsOfParty::<Test>::remove(OWNER, id)),
        ("`ContractsOfParty` lists a contract that does not name the party", |id| {
            ContractsOfParty::<Test>::insert(INSURER, id, ());
        }),
        ("an active contract is not exactly once in `ContractsOfDevice`", |_| {
            ContractsOfDevice::<Test>::remove(car())
        }),
        ("an active contract is not exactly once in `ContractsOfDevice`", |id| {
            ContractsOfDevice::<Test>::try_append(car(), id).unwrap();
        }),
        ("`ContractsOfDevice` lists a contract that is not about the device", |id| {
            ContractsOfDevice::<Test>::try_append(van(), id).unwrap();
        }),
        ("`ContractsOfDevice` lists a contract that is not active", |_| {
            let mut proposed = contract();
            proposed.nonce = Hash([7; 32]);
            let id = proposed.id(&Genesis::get());
            ServiceContracts::propose(signed(OWNER), proposed).unwrap();
            ContractsOfDevice::<Test>::try_append(car(), id).unwrap();
        }),
    ]);
}

/// For each invariant of meters and records, breaks only this one.
#[test]
fn each_broken_invariant_of_a_record_is_detected() {
    assert_detected(&[
        ("a contract has too many records", |id| {
            for number in 2..9 {
                let mut record = Records::<Test>::get(id, 0).unwrap();
                record.number = number;
                Records::<Test>::insert(id, number, record);
            }
            Statuses::<Test>::mutate_extant(id, |s| s.records = 9);
        }),
        ("the number of a contract's records is wrong", |id| Records::<Test>::remove(id, 0)),
        ("a contract's records have a gap", |id| {
            let record = Records::<Test>::take(id, 0).unwrap();
            Records::<Test>::insert(id, 7, record);
        }),
        ("a record is stored under another number", |id| {
            Records::<Test>::mutate(id, 0, |record| record.as_mut().unwrap().number = 1);
        }),
        ("a record is both open and confirmed, or neither", |id| {
            Records::<Test>::mutate(id, 0, |record| record.as_mut().unwrap().confirmed = None);
        }),
        ("a record is ahead of the proven meter", |id| {
            Records::<Test>::mutate(id, 1, |record| record.as_mut().unwrap().meter = km(90_000));
        }),
        ("an access clause has progress", |id| {
            ClauseProgress::<Test>::insert(id, ACCESS, ClauseProgress::<Test>::get(id, SERVICE));
        }),
        ("an unknown clause has progress", |id| {
            ClauseProgress::<Test>::insert(id, 2, ClauseProgress::<Test>::get(id, SERVICE));
        }),
        ("a clause has progress although the contract is not active", |_| {
            let mut proposed = contract();
            proposed.nonce = Hash([7; 32]);
            let id = proposed.id(&Genesis::get());
            ServiceContracts::propose(signed(OWNER), proposed).unwrap();
            ClauseProgress::<Test>::insert(id, SERVICE, crate::types::ServiceProgress::default());
        }),
        ("a due point does not fit into a decimal", |id| {
            Contracts::<Test>::mutate_extant(id, |contract| {
                service(contract).every = streembit_primitives::Decimal::new(i64::MAX, 18).unwrap();
            });
        }),
        ("an open record belongs to another clause", |id| {
            ClauseProgress::<Test>::insert(id, 2, ClauseProgress::<Test>::get(id, SERVICE));
            Contracts::<Test>::mutate_extant(id, |contract| {
                let clause: Clause = contract.clauses[SERVICE as usize].clone();
                contract.clauses.try_push(clause).unwrap();
            });
        }),
        ("a clause has progress without a proof", |id| {
            ClauseProgress::<Test>::insert(id, 2, crate::types::ServiceProgress::default());
            Contracts::<Test>::mutate_extant(id, |contract| {
                let clause: Clause = contract.clauses[SERVICE as usize].clone();
                contract.clauses.try_push(clause).unwrap();
            });
        }),
        ("a service is ahead of the proven meter", |id| {
            ClauseProgress::<Test>::mutate(id, SERVICE, |progress| progress.served = Some(km(90_000)));
        }),
        ("progress or a record has no contract", |_| {
            ClauseProgress::<Test>::insert(
                ContractId([7; 32]),
                SERVICE,
                crate::types::ServiceProgress::default(),
            );
        }),
    ]);
}
