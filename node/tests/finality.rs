//! Compares the verifier of evidence with the verifier of the nodes, `sc-consensus-grandpa`. Both must give the same
//! verdict on justifications of a running chain, on the same justifications with a changed bit, and on random votes.
//!
//! `justifications.json` was recorded from four nodes (Alice, Bob, Charlie and Dave) with the RPC methods
//! `grandpa_subscribeJustifications` and `chain_getHeader`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use codec::{Compact, Decode, DecodeAll, Encode};
use rand::{rngs::StdRng, seq::SliceRandom, Rng, SeedableRng};
use sc_consensus_grandpa::GrandpaJustification;
use serde_json::Value;
use sp_consensus_grandpa::{ConsensusLog, ScheduledChange, GRANDPA_ENGINE_ID};
use sp_core::{ed25519, Pair, H256};
use sp_runtime::{traits::Header as _, DigestItem};
use streembit_primitives::{
    evidence::{
        anchor_storage_key, device_storage_key, genesis_storage_key, AuthorityKey, AuthoritySet,
        EvidenceError, FinalityProof, HeaderError, Justification, JustifiedBlock, Voter, CHAIN_ENGINE_ID,
        SLOT_MILLISECONDS,
    },
    AccountId, DeviceId, Hash, LogId,
};
use streembit_runtime::{Block, Header, Runtime};

const NAMES: [&str; 5] = ["//Alice", "//Bob", "//Charlie", "//Dave", "//Eve"];

fn pair(name: &str) -> ed25519::Pair {
    ed25519::Pair::from_string(name, None).unwrap()
}

/// Returns an authority set of the first `count` names, each with weight 1.
fn set(id: u64, count: usize) -> AuthoritySet {
    let voter = |name: &&str| Voter { key: AuthorityKey(pair(name).public().0), weight: 1 };
    AuthoritySet { id, voters: NAMES[..count].iter().map(voter).collect() }
}

/// Returns the verdict of `sc-consensus-grandpa`.
fn accepted_by_grandpa(header: &[u8], justification: &[u8], set: &AuthoritySet) -> bool {
    let Ok(header) = Header::decode_all(&mut &*header) else { return false };
    let Ok(decoded) = GrandpaJustification::<Block>::decode(justification) else { return false };
    let authorities = set.voters.encode();
    let authorities = Decode::decode(&mut authorities.as_slice()).unwrap();
    decoded.target() == (*header.number(), header.hash()) && decoded.verify(set.id, &authorities).is_ok()
}

/// Returns the verdict of the verifier of evidence.
fn accepted_by_evidence(header: &[u8], justification: &[u8], set: &AuthoritySet) -> bool {
    let justification = Justification::Full(justification.to_vec());
    JustifiedBlock { header: header.to_vec(), justification }.verify(set).is_ok()
}

/// Asserts that both verifiers agree, and returns their verdict.
fn accepted_by_both(header: &[u8], justification: &[u8], set: &AuthoritySet, case: &str) -> bool {
    let grandpa = accepted_by_grandpa(header, justification, set);
    let evidence = accepted_by_evidence(header, justification, set);
    assert_eq!(evidence, grandpa, "{case}: evidence says {evidence}, sc-consensus-grandpa says {grandpa}");
    evidence
}

/// Returns headers and justifications of a running chain, each with its authority set.
fn recorded() -> Vec<(Vec<u8>, Vec<u8>, AuthoritySet)> {
    let bytes = |value: &Value| hex::decode(value.as_str().unwrap()).unwrap();
    let all: Vec<Value> = serde_json::from_str(include_str!("justifications.json")).unwrap();
    all.iter()
        .map(|one| {
            (bytes(&one["header"]), bytes(&one["justification"]), set(one["set"].as_u64().unwrap(), 4))
        })
        .collect()
}

#[test]
fn recorded_justifications_are_accepted() {
    let all = recorded();
    assert!(all.len() >= 10);
    for (nth, (header, justification, voters)) in all.iter().enumerate() {
        assert!(accepted_by_both(header, justification, voters, &format!("justification {nth}")));
        // The verifier of evidence accepts the compact form too.
        let compact = Justification::compact(justification.clone(), header, voters);
        assert!(matches!(&compact, Justification::Direct { votes, .. } if votes.len() == 3));
        assert!(compact.encoded_size() < justification.len() / 2);
        assert!(JustifiedBlock { header: header.clone(), justification: compact }.verify(voters).is_ok());
        // Another set number, fewer or more voters, other weights.
        let mut heavy = voters.clone();
        heavy.voters[3].weight = 10;
        let mut absent = voters.clone();
        absent.voters[0].weight = 0;
        for other in [set(1, 4), set(0, 3), set(0, 5), set(0, 1), heavy, absent] {
            accepted_by_both(header, justification, &other, &format!("justification {nth} by another set"));
        }
    }
}

#[test]
fn changed_headers_and_justifications_are_refused() {
    let all = recorded();
    for (nth, (header, justification, voters)) in all.iter().take(3).enumerate() {
        for at in 0..justification.len() {
            for flip in [1u8, 0x80] {
                let mut changed = justification.clone();
                changed[at] ^= flip;
                let what = format!("justification {nth}, byte {at} ^ {flip}");
                assert!(!accepted_by_both(header, &changed, voters, &what), "{what} is accepted");
            }
        }
        for at in 0..header.len() {
            let mut changed = header.clone();
            changed[at] ^= 1;
            assert!(!accepted_by_both(&changed, justification, voters, &format!("header {nth}, byte {at}")));
        }
        for length in 0..justification.len() {
            assert!(!accepted_by_both(header, &justification[..length], voters, "cut"));
        }
        assert!(!accepted_by_both(header, &[&justification[..], &[0]].concat(), voters, "longer"));
        let (other, _, _) = &all[nth + 1];
        assert!(!accepted_by_both(other, justification, voters, "of another block"));
    }
}

/// Returns a chain with a fork at block 2: 1 - 2 - 3 - 4, and 2 - 5 - 6 with the block numbers 3 and 4.
fn chain() -> Vec<Header> {
    let mut blocks: Vec<Header> = Vec::new();
    for (at, (parent, number)) in
        [(None, 1), (Some(0), 2), (Some(1), 3), (Some(2), 4), (Some(1), 3), (Some(4), 4)]
            .into_iter()
            .enumerate()
    {
        let parent = parent.map_or(H256::zero(), |parent: usize| blocks[parent].hash());
        blocks.push(Header::new(
            number,
            H256::zero(),
            H256::repeat_byte(at as u8),
            parent,
            Default::default(),
        ));
    }
    blocks
}

/// Returns a block, a justification for it made from random votes with valid signatures, and a description of the
/// votes.
fn random_justification(rng: &mut StdRng, blocks: &[Header]) -> (usize, Vec<u8>, String) {
    let (round, set_id) = (7u64, 0u64);
    let mut votes: Vec<(usize, usize)> = Vec::new();
    let favourite = rng.gen_range(1..4);
    for voter in 0..4 {
        match rng.gen_range(0..10) {
            0 => {}
            1 | 2 => votes.push((voter, rng.gen_range(0..blocks.len()))),
            3 => votes.push((voter, 1)),
            _ => votes.push((voter, favourite)),
        }
    }
    // One voter may vote twice, for the same or for different blocks. Someone who is not a voter may vote.
    if rng.gen_bool(0.3) {
        votes.push((rng.gen_range(0..5), rng.gen_range(0..blocks.len())));
    }
    if rng.gen_bool(0.2) {
        votes.extend(votes.choose(rng).copied());
    }
    votes.shuffle(rng);
    let of = if rng.gen_bool(0.7) { favourite } else { rng.gen_range(0..blocks.len()) };
    let signed: Vec<(H256, u32, [u8; 64], [u8; 32])> = votes
        .iter()
        .map(|(voter, block)| {
            let (hash, number) = (blocks[*block].hash(), *blocks[*block].number());
            let message = (1u8, hash, number, round, set_id).encode();
            let pair = pair(NAMES[*voter]);
            (hash, number, pair.sign(&message).0, pair.public().0)
        })
        .collect();
    // The headers that the votes need, sometimes with one missing or one too many.
    let base = votes.iter().map(|(_, block)| *block).min_by_key(|block| *blocks[*block].number());
    let mut needed: Vec<usize> = Vec::new();
    for (_, block) in &votes {
        let mut at = Some(*block);
        while let Some(here) = at.filter(|at| Some(*at) != base) {
            needed.push(here);
            at = blocks.iter().position(|block| block.hash() == *blocks[here].parent_hash());
        }
    }
    needed.sort_unstable();
    needed.dedup();
    if rng.gen_bool(0.1) {
        needed.pop();
    }
    if rng.gen_bool(0.1) {
        needed.push(rng.gen_range(0..blocks.len()));
    }
    let headers: Vec<&Header> = needed.iter().map(|block| &blocks[*block]).collect();
    let bytes = (round, blocks[of].hash(), blocks[of].number(), signed, headers).encode();
    (of, bytes, format!("block {of} by (voter, block) {votes:?} with headers {needed:?}"))
}

#[test]
fn random_votes_get_the_same_verdict() {
    let (blocks, voters) = (chain(), set(0, 4));
    let mut rng = StdRng::seed_from_u64(4);
    let mut accepted = 0;
    for _ in 0..4_000 {
        let (of, justification, what) = random_justification(&mut rng, &blocks);
        accepted += u32::from(accepted_by_both(&blocks[of].encode(), &justification, &voters, &what));
    }
    println!("{accepted} of 4,000 accepted by both");
    assert!((400..3_600).contains(&accepted), "{accepted} accepted: too one-sided to be a good test");
}

const GENESIS: Hash = Hash([0x9e; 32]);

/// Returns a block with a consensus log, which names its chain like a block that changes the voters.
fn header_with_log(number: u32, log: ConsensusLog<u32>) -> Header {
    let mut digest = sp_runtime::Digest::default();
    digest.push(DigestItem::PreRuntime(*b"aura", 5u64.encode()));
    digest.push(DigestItem::Consensus(GRANDPA_ENGINE_ID, log.encode()));
    digest.push(DigestItem::Consensus(CHAIN_ENGINE_ID, GENESIS.0.to_vec()));
    Header::new(number, H256::zero(), H256::zero(), H256::repeat_byte(1), digest)
}

/// Returns a block with a justification, as in a node's finality proof.
fn fragment(header: &Header, names: &[&str], set_id: u64) -> (Header, Vec<u8>) {
    let (round, hash, number) = (9u64, header.hash(), *header.number());
    let vote = |name: &&str| {
        let message = (1u8, hash, number, round, set_id).encode();
        (hash, number, pair(name).sign(&message).0, pair(name).public().0)
    };
    let votes: Vec<(H256, u32, [u8; 64], [u8; 32])> = names.iter().map(vote).collect();
    (header.clone(), (round, hash, number, votes, Vec::<Header>::new()).encode())
}

/// Encodes a finality proof as a node returns it.
fn encode_proof(fragments: &[(Header, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Compact(fragments.len() as u32).encode();
    for (header, justification) in fragments {
        header.encode_to(&mut bytes);
        bytes.extend_from_slice(justification);
    }
    bytes.push(1);
    bytes
}

#[test]
fn a_finality_proof_follows_a_change_of_voters() {
    let change = |delay| ScheduledChange {
        next_authorities: NAMES[1..5].iter().map(|name| (pair(name).public().into(), 1)).collect(),
        delay,
    };
    let read = |fragments: &[(Header, Vec<u8>)]| {
        let mut after = set(0, 4);
        FinalityProof::verify(&encode_proof(fragments), &Hash::ZERO, &GENESIS, &mut after)
            .map(|proof| (proof, after))
    };
    let handover = header_with_log(7, ConsensusLog::ScheduledChange(change(0)));
    let first = fragment(&handover, &NAMES[..3], 0);
    let later = header_with_log(8, ConsensusLog::OnDisabled(0));
    let (proof, after) = read(&[first.clone(), fragment(&later, &NAMES[2..5], 1)]).unwrap();
    assert_eq!(proof.blocks.iter().map(|link| link.ends_set).collect::<Vec<_>>(), [true, false]);
    assert_eq!(proof.blocks[0].at.hash.0, handover.hash().0);
    assert_eq!(after.id, 1);
    assert_eq!(
        after.voters.iter().map(|voter| voter.key.0).collect::<Vec<_>>(),
        NAMES[1..5].iter().map(|name| pair(name).public().0).collect::<Vec<_>>()
    );

    // After the change the old voters are refused, even with the number of the new set. Delayed and forced changes
    // are refused.
    assert!(read(&[first.clone(), fragment(&later, &NAMES[..3], 0)]).is_err());
    assert!(read(&[first, fragment(&later, &["//Alice", "//Bob", "//Charlie"], 1)]).is_err());
    let refused = |log| match read(&[fragment(&header_with_log(7, log), &NAMES[..4], 0)]) {
        Err(EvidenceError::Block { error: fault, .. }) => fault,
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(ConsensusLog::ScheduledChange(change(3))), HeaderError::Delayed { delay: 3 });
    assert_eq!(refused(ConsensusLog::ForcedChange(5, change(0))), HeaderError::Forced);
}

#[test]
fn storage_keys_match_the_pallets() {
    let log = LogId::first(AccountId([3; 32]));
    assert_eq!(anchor_storage_key(&log), pallet_anchors::Latest::<Runtime>::hashed_key_for(log));
    assert_eq!(genesis_storage_key(), pallet_anchors::Genesis::<Runtime>::hashed_key());
    let device = DeviceId([4; 32]);
    assert_eq!(device_storage_key(&device), pallet_devices::Devices::<Runtime>::hashed_key_for(device));
    assert_eq!(SLOT_MILLISECONDS, streembit_runtime::SLOT_DURATION);
}
