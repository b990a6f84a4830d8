//! Any sequence of calls, by anybody, keeps what must hold, and the state stays within its bounds.

use crate::{
    mock::*, AcceptedBy, ClauseProgress, Contracts, ContractsOfDevice, ContractsOfParty, Records, Statuses,
};
use frame_support::traits::Get;
use proptest::prelude::*;
use streembit_primitives::{
    contract::{Clause, Contract, ContractId, MAX_CLAUSES, MAX_PARTIES},
    contract_state::ContractState,
    AccountId, DeviceId, Hash,
};

const PARTIES: [AccountId; 3] = [OWNER, WORKSHOP, INSURER];

#[derive(Clone, Debug)]
enum Step {
    Propose(u8, u8),
    Accept(u8, u8),
    /// The car goes on by so much, back where it is negative, and the log is anchored.
    Drive(i32),
    /// Who, which contract, which clause, which of the proofs.
    Report(u8, u8, u32, prop::sample::Index),
    Record(u8, u8, u32, prop::sample::Index),
    Confirm(u8, u8, u32),
    /// The car has another owner.
    Sell(u8),
    Blocks(u64),
}

/// 0 to 2: parties; 3: a stranger.
fn who(number: u8) -> AccountId {
    PARTIES.get(usize::from(number)).copied().unwrap_or(STRANGER)
}

/// 0 to 4: of two parties about the car; 5 and 6: of three about the car and the van; 7: of no consortium's party.
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
    let (by, number, clause) = (0u8..4, 0u8..8, 0u32..4);
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

/// The car's gateway, and how far the car went.
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

    /// Does a step; whether it was refused does not matter.
    fn take(&mut self, step: Step) {
        let prove = |index: prop::sample::Index| self.gateway.prove(index.index(self.events as usize) as u64);
        let _ = match step {
            Step::Propose(by, of) => ServiceContracts::propose(signed(who(by)), content(of)),
            Step::Accept(by, of) => ServiceContracts::accept(signed(who(by)), id(of)),
            Step::Drive(by) => {
                self.drive(by);
                Ok(())
            }
            Step::Report(by, of, clause, proof) => {
                ServiceContracts::report(signed(who(by)), id(of), clause, prove(proof))
            }
            Step::Record(by, of, clause, proof) => {
                ServiceContracts::record(signed(who(by)), id(of), clause, prove(proof), Hash::ZERO)
            }
            Step::Confirm(by, of, record) => ServiceContracts::confirm(signed(who(by)), id(of), record),
            Step::Sell(to) => {
                let key = self.gateway.hosted("car");
                own(who(to), &key, &self.gateway);
                Ok(())
            }
            Step::Blocks(count) => {
                System::set_block_number(System::block_number() + count);
                Ok(())
            }
        };
    }
}

/// As many entries of each kind as the stated bounds allow, for three parties and two devices.
fn check_bounds() -> Result<(), TestCaseError> {
    let of_party: u32 = <Test as crate::Config>::MaxContractsOfParty::get();
    let of_device: u32 = <Test as crate::Config>::MaxContractsOfDevice::get();
    let records: u32 = <Test as crate::Config>::MaxRecords::get();
    // Whoever proposes a contract accepts it.
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

/// A contract in force with a confirmed record and an open one.
fn sound() -> (ContractId, sp_io::TestExternalities) {
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

fn assert_noticed(changes: &[(&str, Change)]) {
    for (fault, change) in changes {
        let (id, mut chain) = sound();
        chain.execute_with(|| {
            change(id);
            assert_eq!(ServiceContracts::check_state(), Err(*fault));
        });
    }
}

/// Each invariant of agreeing sees its own fault.
#[test]
fn a_contract_that_no_call_leaves_is_noticed() {
    assert_noticed(&[
        ("a contract without a status", |id| Statuses::<Test>::remove(id)),
        ("a contract that cannot be one", |id| {
            Contracts::<Test>::mutate_extant(id, |c| c.devices.clear());
        }),
        ("a status of no contract", |_| {
            Statuses::<Test>::insert(ContractId([7; 32]), crate::types::ContractStatus::default());
        }),
        ("an acceptance twice", |id| {
            Statuses::<Test>::mutate_extant(id, |s| s.accepted[1] = OWNER);
        }),
        ("a contract that nobody proposed", |id| {
            Statuses::<Test>::mutate_extant(id, |s| s.accepted.clear());
        }),
        ("an acceptance by no party to it", |id| {
            Statuses::<Test>::mutate_extant(id, |s| s.accepted[1] = INSURER);
        }),
        ("active without all, or not with all", |id| {
            Statuses::<Test>::mutate_extant(id, |s| s.accepted.truncate(1));
        }),
        ("active without all, or not with all", |id| {
            Statuses::<Test>::mutate_extant(id, |s| s.state = ContractState::Proposed);
        }),
        ("a wrong count of accepted contracts", |_| AcceptedBy::<Test>::insert(OWNER, 2u32)),
        ("an acceptance that does not count", |_| AcceptedBy::<Test>::remove(OWNER)),
        ("a contract not among its party's", |id| ContractsOfParty::<Test>::remove(OWNER, id)),
        ("a party lists a contract that does not name it", |id| {
            ContractsOfParty::<Test>::insert(INSURER, id, ());
        }),
        ("an active contract not once among its device's", |_| ContractsOfDevice::<Test>::remove(car())),
        ("an active contract not once among its device's", |id| {
            ContractsOfDevice::<Test>::try_append(car(), id).unwrap();
        }),
        ("a device lists a contract that is not about it", |id| {
            ContractsOfDevice::<Test>::try_append(van(), id).unwrap();
        }),
        ("a device lists a contract that is not active", |_| {
            let mut proposed = contract();
            proposed.nonce = Hash([7; 32]);
            let id = proposed.id(&Genesis::get());
            ServiceContracts::propose(signed(OWNER), proposed).unwrap();
            ContractsOfDevice::<Test>::try_append(car(), id).unwrap();
        }),
    ]);
}

/// Each invariant of meters and records sees its own fault.
#[test]
fn a_record_that_no_call_leaves_is_noticed() {
    assert_noticed(&[
        ("more records than there may be", |id| {
            for number in 2..9 {
                let mut record = Records::<Test>::get(id, 0).unwrap();
                record.number = number;
                Records::<Test>::insert(id, number, record);
            }
            Statuses::<Test>::mutate_extant(id, |s| s.records = 9);
        }),
        ("a wrong count of records", |id| Records::<Test>::remove(id, 0)),
        ("a gap in the records", |id| {
            let record = Records::<Test>::take(id, 0).unwrap();
            Records::<Test>::insert(id, 7, record);
        }),
        ("a record under another number", |id| {
            Records::<Test>::mutate(id, 0, |record| record.as_mut().unwrap().number = 1);
        }),
        ("a record both open and confirmed, or neither", |id| {
            Records::<Test>::mutate(id, 0, |record| record.as_mut().unwrap().confirmed = None);
        }),
        ("a record ahead of the proven meter", |id| {
            Records::<Test>::mutate(id, 1, |record| record.as_mut().unwrap().meter = km(90_000));
        }),
        ("the progress of a clause that has none", |id| {
            ClauseProgress::<Test>::insert(id, ACCESS, ClauseProgress::<Test>::get(id, SERVICE));
        }),
        ("the progress of an unknown clause", |id| {
            ClauseProgress::<Test>::insert(id, 2, ClauseProgress::<Test>::get(id, SERVICE));
        }),
        ("progress before all have accepted", |_| {
            let mut proposed = contract();
            proposed.nonce = Hash([7; 32]);
            let id = proposed.id(&Genesis::get());
            ServiceContracts::propose(signed(OWNER), proposed).unwrap();
            ClauseProgress::<Test>::insert(id, SERVICE, crate::types::ServiceProgress::default());
        }),
        ("a due point that nothing holds", |id| {
            Contracts::<Test>::mutate_extant(id, |contract| {
                service(contract).every = streembit_primitives::Decimal::new(i64::MAX, 18).unwrap();
            });
        }),
        ("an open record that is not the clause's", |id| {
            ClauseProgress::<Test>::insert(id, 2, ClauseProgress::<Test>::get(id, SERVICE));
            Contracts::<Test>::mutate_extant(id, |contract| {
                let clause: Clause = contract.clauses[SERVICE as usize].clone();
                contract.clauses.try_push(clause).unwrap();
            });
        }),
        ("progress without a proof", |id| {
            ClauseProgress::<Test>::insert(id, 2, crate::types::ServiceProgress::default());
            Contracts::<Test>::mutate_extant(id, |contract| {
                let clause: Clause = contract.clauses[SERVICE as usize].clone();
                contract.clauses.try_push(clause).unwrap();
            });
        }),
        ("a service ahead of the proven meter", |id| {
            ClauseProgress::<Test>::mutate(id, SERVICE, |progress| progress.served = Some(km(90_000)));
        }),
        ("progress or a record of no contract", |_| {
            ClauseProgress::<Test>::insert(
                ContractId([7; 32]),
                SERVICE,
                crate::types::ServiceProgress::default(),
            );
        }),
    ]);
}
