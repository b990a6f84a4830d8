//! Which votes make a block final.

use super::{
    super::{
        grandpa::{GrandpaJustification, Precommit, Target},
        header::Header,
        votes::{verify_votes, VotedBlock},
    },
    fixtures::{header, precommit, set},
    *,
};

const ROUND: u64 = 5;
const SET: u64 = 0;

/// Verifies a justification with its signatures.
fn verify(
    justification: &Justification,
    block: &BlockRef,
    set: &AuthoritySet,
) -> Result<Vec<AuthorityKey>, FinalityError> {
    let voted = VotedBlock { role: BlockRole::Last, number: block.number, set: set.id };
    let verified = verify_votes(|votes| {
        let checked = justification.check(block, set, |vote| votes.push(voted, vote));
        checked.map_err(|error| voted.rejected(error))
    });
    verified.map_err(|error| match error {
        EvidenceError::Finality { role: BlockRole::Last, number, set: id, error }
            if (number, id) == (block.number, set.id) =>
        {
            error
        }
        other => panic!("{other:?}"),
    })
}

/// A chain of blocks 1 to 4, and a fork of block 2 at 3.
struct Chain(Vec<Header>, Header);

impl Chain {
    fn new() -> Self {
        let mut blocks: Vec<Header> = Vec::new();
        for number in 1..=4 {
            let parent = blocks.last().map_or(Hash::ZERO, Header::hash);
            blocks.push(header(number, parent, Hash::ZERO, Vec::new()));
        }
        let fork = header(3, blocks[1].hash(), Hash([1; 32]), Vec::new());
        Self(blocks, fork)
    }

    fn target(&self, number: u32) -> Target {
        let hash = if number == 33 { self.1.hash() } else { self.0[number as usize - 1].hash() };
        Target { hash, number: if number == 33 { 3 } else { number } }
    }

    /// A justification of block `of` by votes (voter, block). Block 33 is the fork; `headers` are the ancestries.
    fn justification(&self, of: u32, votes: &[(u8, u32)], headers: &[u32]) -> GrandpaJustification {
        let vote = |(voter, block): &(u8, u32)| precommit(*voter, self.target(*block), ROUND, SET);
        let block = |number: &u32| match number {
            33 => self.1.clone(),
            number => self.0[*number as usize - 1].clone(),
        };
        GrandpaJustification {
            round: ROUND,
            target: self.target(of),
            precommits: votes.iter().map(vote).collect(),
            ancestries: headers.iter().map(block).collect(),
        }
    }

    fn verify(
        &self,
        raw: &GrandpaJustification,
        of: u32,
        set: &AuthoritySet,
    ) -> Result<Vec<AuthorityKey>, FinalityError> {
        let Target { hash, number } = self.target(of);
        verify(&Justification::Full(raw.encode()), &BlockRef { number, hash }, set)
    }
}

#[test]
fn a_block_is_final_with_enough_votes() {
    use FinalityError::*;
    type Case<'a> = (u32, &'a [(u8, u32)], &'a [u32], Result<usize, FinalityError>);
    let few = |weight| Err(TooFew { weight, threshold: 3 });
    let cases: [Case; 19] = [
        (2, &[(1, 2), (2, 2), (3, 2)], &[], Ok(3)),
        (2, &[(1, 2), (2, 2), (3, 2), (4, 2)], &[], Ok(4)),
        (2, &[(1, 2), (2, 2)], &[], few(2)),
        (2, &[], &[], few(0)),
        // Votes for descendants count if the headers between are present.
        (2, &[(1, 2), (2, 3), (3, 4)], &[3, 4], Ok(3)),
        (2, &[(1, 2), (2, 3), (3, 4)], &[4], Err(Ancestry)),
        (2, &[(1, 2), (2, 3), (3, 33)], &[3, 33], Ok(3)),
        // The base of the fork needs no vote of its own if a lower vote leads to it.
        (2, &[(1, 1), (2, 3), (3, 33), (4, 4)], &[2, 3, 33, 4], Ok(4)),
        // No headers below the lowest vote, and none that no vote needs.
        (1, &[(1, 2), (2, 2), (3, 2)], &[], Err(Ancestry)),
        (2, &[(1, 2), (2, 2), (3, 2)], &[3], Err(Unused)),
        (2, &[(1, 2), (2, 2), (3, 2)], &[2], Err(Unused)),
        // With three votes for a descendant, the descendant is final instead.
        (2, &[(1, 2), (2, 3), (3, 3), (4, 4)], &[3, 4], Err(Higher)),
        (3, &[(1, 2), (2, 3), (3, 3), (4, 4)], &[3, 4], Ok(4)),
        (3, &[(1, 2), (2, 3), (3, 3)], &[3], few(2)),
        // A repeated vote counts once. A voter that votes for two blocks counts for both.
        (2, &[(1, 2), (1, 2), (2, 2)], &[], few(2)),
        (3, &[(1, 3), (2, 3), (3, 3), (3, 33), (4, 2)], &[3, 33], Ok(4)),
        (33, &[(1, 33), (2, 33), (3, 3), (3, 33), (4, 2)], &[3, 33], Ok(4)),
        // Votes of keys outside the set do not count.
        (2, &[(1, 2), (2, 2), (77, 2)], &[], few(2)),
        (2, &[(1, 2), (2, 2), (3, 2), (77, 2)], &[], Ok(3)),
    ];
    let chain = Chain::new();
    for (nth, (of, votes, headers, expected)) in cases.into_iter().enumerate() {
        let found = chain.verify(&chain.justification(of, votes, headers), of, &set(0, 4));
        assert_eq!(found.map(|signers| signers.len()), expected, "case {nth}");
    }
}

#[test]
fn a_vote_is_for_one_block_round_set_and_key() {
    let chain = Chain::new();
    let good = || chain.justification(2, &[(1, 2), (2, 2), (3, 2)], &[]);
    assert!(chain.verify(&good(), 2, &set(0, 4)).is_ok());
    assert_eq!(chain.verify(&good(), 3, &set(0, 4)), Err(FinalityError::Target));
    let changes: [fn(&mut Precommit); 2] = [|vote| vote.signature[0] ^= 1, |vote| vote.signature[63] ^= 1];
    for change in changes {
        let mut raw = good();
        change(&mut raw.precommits[1]);
        let key = raw.precommits[1].key;
        assert_eq!(chain.verify(&raw, 2, &set(0, 4)), Err(FinalityError::Signature { key }));
    }
    let mut raw = good();
    raw.round += 1;
    assert!(matches!(chain.verify(&raw, 2, &set(0, 4)), Err(FinalityError::Signature { .. })));
    let mut later = set(0, 4);
    later.id = 1;
    assert!(matches!(chain.verify(&good(), 2, &later), Err(FinalityError::Signature { .. })));
    let mut raw = good();
    let wrong = Target { number: 1, ..chain.target(2) };
    raw.precommits[0] = precommit(1, wrong, ROUND, SET);
    assert!(matches!(chain.verify(&raw, 2, &set(0, 4)), Err(FinalityError::Number { .. })));
}

#[test]
fn votes_count_by_weight_and_not_by_number() {
    let chain = Chain::new();
    let mut heavy = set(0, 4);
    heavy.voters[0].weight = 7;
    // More than two thirds of 10 is 7.
    assert!(chain.verify(&chain.justification(2, &[(1, 2)], &[]), 2, &heavy).is_ok());
    let light = chain.justification(2, &[(2, 2), (3, 2), (4, 2)], &[]);
    let few = FinalityError::TooFew { weight: 3, threshold: 7 };
    assert_eq!(chain.verify(&light, 2, &heavy), Err(few));
    for weights in [[0; 4], [u64::MAX; 4]] {
        let mut bad = set(0, 4);
        bad.voters.iter_mut().zip(weights).for_each(|(voter, weight)| voter.weight = weight);
        assert_eq!(chain.verify(&light, 2, &bad), Err(FinalityError::Set));
    }
}

#[test]
fn the_compact_form_agrees_with_the_full_form() {
    let chain = Chain::new();
    let bytes = chain.0[1].encode();
    let Target { hash, number } = chain.target(2);
    let block = BlockRef { number, hash };
    let compact =
        |raw: &GrandpaJustification, set: &AuthoritySet| Justification::compact(raw.encode(), &bytes, set);
    let all = chain.justification(2, &[(4, 2), (3, 2), (2, 2), (1, 2)], &[]);
    let Justification::Direct { votes, .. } = compact(&all, &set(0, 4)) else { panic!("not compact") };
    assert_eq!(votes.iter().map(|vote| vote.voter).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(verify(&compact(&all, &set(0, 4)), &block, &set(0, 4)).map(|signers| signers.len()), Ok(3));

    // An invalid vote next to three valid ones is left out. Two valid ones are too few to compact.
    let mut bad = all;
    bad.precommits[3].signature[0] ^= 1;
    assert!(verify(&compact(&bad, &set(0, 4)), &block, &set(0, 4)).is_ok());
    bad.precommits[2].signature[0] ^= 1;
    assert!(matches!(compact(&bad, &set(0, 4)), Justification::Full(_)));

    // No vote of the compact form can be removed, repeated, reordered or attributed to another voter.
    let direct = |votes: &[Vote]| Justification::Direct { round: ROUND, votes: votes.to_vec() };
    let [a, b, c] = [votes[0].clone(), votes[1].clone(), votes[2].clone()];
    let other = Vote { voter: 3, ..c.clone() };
    let nobody = Vote { voter: 4, ..c.clone() };
    let cases = [
        (direct(&[a.clone(), b.clone()]), FinalityError::TooFew { weight: 2, threshold: 3 }),
        (direct(&[a.clone(), b.clone(), b.clone()]), FinalityError::Voter { voter: 1 }),
        (direct(&[b.clone(), a.clone(), c.clone()]), FinalityError::Voter { voter: 0 }),
        (direct(&[a.clone(), b.clone(), nobody]), FinalityError::Voter { voter: 4 }),
        (direct(&[a, b, other]), FinalityError::Signature { key: set(0, 4).voters[3].key }),
    ];
    for (justification, error) in cases {
        assert_eq!(verify(&justification, &block, &set(0, 4)), Err(error));
    }
}
