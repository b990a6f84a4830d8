//! A block that does not touch contracts costs the same with few and with many of them: no hook iterates.

use crate::{mock::*, Claims, Clauses, Contracts, ContractsOf, ContractsOfDevice, Progress};
use streembit_primitives::{contract::ContractId, DeviceId};

/// Returns a chain with this many contracts in force, each about a device of its own and with a record, and the car's gateway.
///
/// All but the first are copies, which is enough for what a block reads.
fn chain_with(contracts: u32) -> (sp_io::TestExternalities, Gateway) {
    let mut chain = chain();
    let mut gateway = Gateway::new(100);
    chain.execute_with(|| {
        let id = agree(terms());
        let record = gateway.proven(25_000);
        let documents = Default::default();
        frame_support::assert_ok!(ServiceContracts::record(
            signed(WORKSHOP),
            id,
            SERVICE,
            Some(record),
            documents
        ));
        let contract = Contracts::<Test>::get(id).unwrap();
        let clauses: Vec<_> = Clauses::<Test>::iter_prefix(id).collect();
        let progress = Progress::<Test>::get(id, SERVICE);
        let claim = Claims::<Test>::get(id, 0).unwrap();
        for number in 1..contracts {
            let copy = ContractId(sp_io::hashing::blake2_256(&number.to_le_bytes()));
            Contracts::<Test>::insert(copy, &contract);
            clauses.iter().for_each(|(clause, content)| Clauses::<Test>::insert(copy, clause, content));
            Progress::<Test>::insert(copy, SERVICE, &progress);
            Claims::<Test>::insert(copy, 0, &claim);
            contract.named().for_each(|party| ContractsOf::<Test>::insert(party, copy, ()));
            ContractsOfDevice::<Test>::try_append(DeviceId(copy.0), copy).unwrap();
        }
    });
    chain.commit_all().unwrap();
    (chain, gateway)
}

/// Makes a block in which a gateway anchors its log and an account leaves a remark. Returns how many nodes of the state's
/// trie it reads, and how many entries of the state it changes.
fn cost_of_a_block(contracts: u32) -> (usize, usize) {
    let (mut chain, mut gateway) = chain_with(contracts);
    let ((), proof) = chain.execute_and_prove(|| {
        block_at(Now::get() + MINUTE);
        gateway.drive(25_100);
        gateway.anchor();
        let remark = System::remark_with_event(by(account(OWNER)), b"nothing about contracts".to_vec());
        frame_support::assert_ok!(remark);
        block_at(Now::get() + MINUTE);
    });
    let changed = chain.overlayed_changes().changes().count();
    (proof.len(), changed)
}

#[test]
fn ten_thousand_contracts_do_not_slow_a_block_that_does_not_touch_them() {
    let few = cost_of_a_block(10);
    let many = cost_of_a_block(10_000);
    assert_eq!(few, many, "nodes that are read, and entries that are changed");
    assert!(few.0 > 0 && few.1 > 0);
}

#[test]
fn a_call_about_one_contract_reads_no_others() {
    // The paths in the trie get longer with the logarithm of the number of contracts, and nothing else grows.
    let nodes_of_a_call = |contracts| {
        let (mut chain, mut gateway) = chain_with(contracts);
        let id = id_of(&terms());
        let (result, proof) = chain.execute_and_prove(|| {
            ServiceContracts::confirm(signed(OWNER), id, 0)?;
            ServiceContracts::report(signed(OWNER), id, SERVICE, gateway.proven(25_100))
        });
        frame_support::assert_ok!(result);
        proof.len()
    };
    let (few, many) = (nodes_of_a_call(10), nodes_of_a_call(10_000));
    // Contract, clause, progress and claim: 1,000 times as many entries make each path at most four nodes longer.
    assert!(many <= few + 4 * 4, "{few} nodes, and {many} with 10,000 contracts");
}
