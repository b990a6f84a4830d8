//! The signatures of votes get the same verdict in batches and one by one.

use super::{
    super::{
        grandpa::GrandpaJustification,
        header::Header,
        prelude::{check_chain, CheckedChain},
        votes::{verify_votes, verify_votes_with},
    },
    *,
};
use proptest::prelude::*;

type Verdict = Result<CheckedChain, EvidenceError>;

/// Verifies the chain in batches and one by one. Both must give the same verdict.
fn verdict(evidence: &Evidence) -> Verdict {
    let (prelude, trust) = (&evidence.prelude, &evidence.trust);
    let in_batches = verify_votes(|votes| check_chain(prelude, trust, votes));
    let one_by_one = verify_votes_with(|_| false, |votes| check_chain(prelude, trust, votes));
    assert_eq!(in_batches, one_by_one);
    in_batches
}

fn block(evidence: &mut Evidence, nth: usize) -> &mut JustifiedBlock {
    let chain = &mut evidence.prelude.chain;
    chain.changes.iter_mut().chain([&mut chain.last]).nth(nth).unwrap()
}

/// A change to the justification of a block.
#[derive(Clone, Debug)]
enum Change {
    Signature { vote: usize, bit: usize },
    Voter { vote: usize, voter: u16 },
    Round(u64),
    Remove(usize),
    Swap(usize, usize),
    Header { byte: usize },
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (0..4usize, 0..512usize).prop_map(|(vote, bit)| Change::Signature { vote, bit }),
        1 => (0..4usize, 0..6u16).prop_map(|(vote, voter)| Change::Voter { vote, voter }),
        1 => (0..20u64).prop_map(Change::Round),
        1 => (0..4usize).prop_map(Change::Remove),
        1 => (0..4usize, 0..4usize).prop_map(|(a, b)| Change::Swap(a, b)),
        1 => (0..400usize).prop_map(|byte| Change::Header { byte }),
    ]
}

fn apply(block: &mut JustifiedBlock, change: &Change) {
    match (&mut block.justification, change) {
        (_, Change::Header { byte }) => {
            let length = block.header.len();
            block.header[byte % length] ^= 1;
        }
        (Justification::Direct { votes, .. }, Change::Voter { vote, voter }) => {
            let count = votes.len().max(1);
            votes.iter_mut().skip(vote % count).take(1).for_each(|vote| vote.voter = *voter);
        }
        (Justification::Direct { round, votes }, _) => {
            apply_to(votes, round, change, |vote| &mut vote.signature);
        }
        (Justification::Full(bytes), _) => {
            let mut full = GrandpaJustification::decode_exact(bytes).unwrap();
            apply_to(&mut full.precommits, &mut full.round, change, |vote| &mut vote.signature);
            *bytes = full.encode();
        }
    }
}

/// Applies a change to votes of either form. Only the compact form names voters by their index.
fn apply_to<V>(
    votes: &mut Vec<V>,
    round: &mut u64,
    change: &Change,
    signature: impl Fn(&mut V) -> &mut [u8; 64],
) {
    let count = votes.len();
    if count == 0 {
        return;
    }
    match change {
        Change::Signature { vote, bit } => signature(&mut votes[vote % count])[bit / 8] ^= 1 << (bit % 8),
        Change::Round(new) => *round = *new,
        Change::Remove(vote) => drop(votes.remove(vote % count)),
        Change::Swap(a, b) => votes.swap(a % count, b % count),
        Change::Voter { .. } | Change::Header { .. } => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn batches_agree_with_single_signatures(
        full in any::<bool>(),
        changes in proptest::collection::vec((0..3usize, change()), 0..4),
    ) {
        let mut evidence = EvidenceSpec { full, ..EvidenceSpec::default() }.make();
        for (nth, change) in &changes {
            apply(block(&mut evidence, *nth), change);
        }
        let verdict = verdict(&evidence);
        prop_assert!(verdict.is_ok() || !changes.is_empty());
    }
}

#[test]
fn each_invalid_signature_is_named() {
    for full in [false, true] {
        let honest = EvidenceSpec { full, ..EvidenceSpec::default() }.make();
        assert!(verdict(&honest).is_ok());
        for nth in 0..3 {
            for vote in 0..3 {
                let mut evidence = honest.clone();
                apply(block(&mut evidence, nth), &Change::Signature { vote, bit: 3 });
                let key = fixtures::set(nth as u8, 4).voters[vote].key;
                let found = verdict(&evidence);
                let named = FinalityError::Signature { key };
                assert!(
                    matches!(&found, Err(EvidenceError::Finality { set, error, .. })
                        if *set == nth as u64 && *error == named),
                    "{found:?}"
                );
            }
        }
    }
}

#[test]
fn the_first_invalid_signature_comes_before_later_problems() {
    let mut evidence = spec(Tampering::None).make();
    apply(block(&mut evidence, 0), &Change::Signature { vote: 1, bit: 0 });
    apply(block(&mut evidence, 0), &Change::Signature { vote: 2, bit: 0 });
    block(&mut evidence, 1).header.push(0);
    let key = fixtures::set(0, 4).voters[1].key;
    let error = FinalityError::Signature { key };
    let (role, set) = (BlockRole::Change(0), 0);
    assert_eq!(verdict(&evidence), Err(EvidenceError::Finality { role, number: 10, set, error }));

    // A problem that comes first hides later signatures.
    let mut evidence = spec(Tampering::None).make();
    block(&mut evidence, 0).header.push(0);
    apply(block(&mut evidence, 1), &Change::Signature { vote: 0, bit: 0 });
    let error = HeaderError::Malformed;
    assert_eq!(verdict(&evidence), Err(EvidenceError::Block { role, number: None, error }));
}

/// Encodes a node's response with the blocks of some evidence, whose justifications are in the full form.
fn response(evidence: &Evidence) -> Vec<u8> {
    let chain = &evidence.prelude.chain;
    let fragments: Vec<_> = chain
        .changes
        .iter()
        .chain([&chain.last])
        .map(|block| {
            let Justification::Full(full) = &block.justification else { panic!("compact") };
            (Header::decode_exact(&block.header).unwrap(), GrandpaJustification::decode_exact(full).unwrap())
        })
        .collect();
    (fragments, true).encode()
}

fn finality_proof(evidence: &Evidence) -> (Result<FinalityProof, EvidenceError>, AuthoritySet) {
    let TrustRoot { genesis, authorities } = &evidence.trust;
    let mut set = authorities.clone();
    (FinalityProof::verify(&response(evidence), &Hash::ZERO, genesis, &mut set), set)
}

#[test]
fn a_finality_proof_leaves_invalid_votes_out_if_there_are_enough() {
    let full = |tampering| EvidenceSpec { full: true, ..spec(tampering) }.make();
    let honest = full(Tampering::None);
    let (proof, after) = finality_proof(&honest);
    assert_eq!(after, fixtures::set(2, 4));
    let chain = &honest.prelude.chain;
    let expected = chain.changes.iter().chain([&chain.last]).zip(0u8..).map(|(block, id)| {
        let Justification::Full(full) = block.justification.clone() else { panic!("compact") };
        let justification = Justification::compact(full, &block.header, &fixtures::set(id, 4));
        JustifiedBlock { header: block.header.clone(), justification }
    });
    assert!(proof.unwrap().blocks.into_iter().map(|proven| proven.block).eq(expected));

    let mut one = honest.clone();
    apply(block(&mut one, 1), &Change::Signature { vote: 0, bit: 0 });
    let (proof, after) = finality_proof(&one);
    assert_eq!(after, fixtures::set(2, 4));
    let proof = proof.unwrap();
    let Justification::Direct { votes, .. } = &proof.blocks[1].block.justification else { panic!("full") };
    assert_eq!(votes.iter().map(|vote| vote.voter).collect::<Vec<_>>(), [1, 2, 3]);

    let mut two = one;
    apply(block(&mut two, 1), &Change::Signature { vote: 1, bit: 0 });
    let (proof, after) = finality_proof(&two);
    let key = fixtures::set(1, 4).voters[0].key;
    let (role, set, error) = (BlockRole::Change(1), 1, FinalityError::Signature { key });
    assert_eq!(proof, Err(EvidenceError::Finality { role, number: 20, set, error }));
    assert_eq!(after, fixtures::set(0, 4), "a rejected proof changes nothing");

    let mut other = honest;
    other.trust.genesis = Hash([1; 32]);
    let genesis = spec(Tampering::None).genesis;
    let error = EvidenceError::Block {
        role: BlockRole::Last,
        number: Some(10),
        error: HeaderError::OtherChain { genesis },
    };
    assert_eq!(finality_proof(&other).0, Err(error));
    assert!(finality_proof(&full(Tampering::Unnamed)).0.is_err());
}
