//! The votes: what makes a block final and what does not.

use super::{
    super::{
        block::Header,
        grandpa::{Precommit, Raw, Target},
    },
    testing::{header, precommit, set},
    *,
};

const ROUND: u64 = 5;
const SET: u64 = 0;

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

    /// A justification of block `of` by votes (voter, block); 33 is the fork. `headers` are the ancestries.
    fn raw(&self, of: u32, votes: &[(u8, u32)], headers: &[u32]) -> Raw {
        let vote = |(voter, block): &(u8, u32)| precommit(*voter, self.target(*block), ROUND, SET);
        let block = |number: &u32| match number {
            33 => self.1.clone(),
            number => self.0[*number as usize - 1].clone(),
        };
        Raw {
            round: ROUND,
            target: self.target(of),
            precommits: votes.iter().map(vote).collect(),
            ancestries: headers.iter().map(block).collect(),
        }
    }

    fn verify(&self, raw: &Raw, of: u32, set: &AuthoritySet) -> Result<Vec<AuthorityKey>, FinalityFault> {
        let Target { hash, number } = self.target(of);
        Justification::Full(raw.encode()).verify(&Block { number, hash }, set)
    }
}

#[test]
fn what_elects_a_block() {
    use FinalityFault::*;
    type Case<'a> = (u32, &'a [(u8, u32)], &'a [u32], Result<usize, FinalityFault>);
    let few = |weight| Err(TooFew { weight, threshold: 3 });
    let cases: [Case; 19] = [
        (2, &[(1, 2), (2, 2), (3, 2)], &[], Ok(3)),
        (2, &[(1, 2), (2, 2), (3, 2), (4, 2)], &[], Ok(4)),
        (2, &[(1, 2), (2, 2)], &[], few(2)),
        (2, &[], &[], few(0)),
        // Descendants count, where the headers between are there.
        (2, &[(1, 2), (2, 3), (3, 4)], &[3, 4], Ok(3)),
        (2, &[(1, 2), (2, 3), (3, 4)], &[4], Err(Ancestry)),
        (2, &[(1, 2), (2, 3), (3, 33)], &[3, 33], Ok(3)),
        // The fork's base itself need not be voted for where a lower vote leads to it.
        (2, &[(1, 1), (2, 3), (3, 33), (4, 4)], &[2, 3, 33, 4], Ok(4)),
        // Nothing below the lowest vote, and nothing that no vote needs.
        (1, &[(1, 2), (2, 2), (3, 2)], &[], Err(Ancestry)),
        (2, &[(1, 2), (2, 2), (3, 2)], &[3], Err(Unused)),
        (2, &[(1, 2), (2, 2), (3, 2)], &[2], Err(Unused)),
        // Three for a descendant: that one is final instead.
        (2, &[(1, 2), (2, 3), (3, 3), (4, 4)], &[3, 4], Err(Higher)),
        (3, &[(1, 2), (2, 3), (3, 3), (4, 4)], &[3, 4], Ok(4)),
        (3, &[(1, 2), (2, 3), (3, 3)], &[3], few(2)),
        // A vote said twice counts once; one who votes for two blocks counts for both.
        (2, &[(1, 2), (1, 2), (2, 2)], &[], few(2)),
        (3, &[(1, 3), (2, 3), (3, 3), (3, 33), (4, 2)], &[3, 33], Ok(4)),
        (33, &[(1, 33), (2, 33), (3, 3), (3, 33), (4, 2)], &[3, 33], Ok(4)),
        // Strangers count for nothing.
        (2, &[(1, 2), (2, 2), (77, 2)], &[], few(2)),
        (2, &[(1, 2), (2, 2), (3, 2), (77, 2)], &[], Ok(3)),
    ];
    let chain = Chain::new();
    for (nth, (of, votes, headers, expected)) in cases.into_iter().enumerate() {
        let found = chain.verify(&chain.raw(of, votes, headers), of, &set(0, 4));
        assert_eq!(found.map(|signers| signers.len()), expected, "case {nth}");
    }
}

#[test]
fn a_vote_is_for_one_block_round_set_and_key() {
    let chain = Chain::new();
    let good = || chain.raw(2, &[(1, 2), (2, 2), (3, 2)], &[]);
    assert!(chain.verify(&good(), 2, &set(0, 4)).is_ok());
    assert_eq!(chain.verify(&good(), 3, &set(0, 4)), Err(FinalityFault::Target));
    let changes: [fn(&mut Precommit); 2] = [|vote| vote.signature[0] ^= 1, |vote| vote.signature[63] ^= 1];
    for change in changes {
        let mut raw = good();
        change(&mut raw.precommits[1]);
        let key = raw.precommits[1].key;
        assert_eq!(chain.verify(&raw, 2, &set(0, 4)), Err(FinalityFault::Signature { key }));
    }
    let mut raw = good();
    raw.round += 1;
    assert!(matches!(chain.verify(&raw, 2, &set(0, 4)), Err(FinalityFault::Signature { .. })));
    let mut later = set(0, 4);
    later.id = 1;
    assert!(matches!(chain.verify(&good(), 2, &later), Err(FinalityFault::Signature { .. })));
    let mut raw = good();
    let wrong = Target { number: 1, ..chain.target(2) };
    raw.precommits[0] = precommit(1, wrong, ROUND, SET);
    assert!(matches!(chain.verify(&raw, 2, &set(0, 4)), Err(FinalityFault::Number { .. })));
}

#[test]
fn weights_decide_not_heads() {
    let chain = Chain::new();
    let mut heavy = set(0, 4);
    heavy.voters[0].weight = 7;
    // 7 of 10: more than two thirds is 7.
    assert!(chain.verify(&chain.raw(2, &[(1, 2)], &[]), 2, &heavy).is_ok());
    let light = chain.raw(2, &[(2, 2), (3, 2), (4, 2)], &[]);
    let few = FinalityFault::TooFew { weight: 3, threshold: 7 };
    assert_eq!(chain.verify(&light, 2, &heavy), Err(few));
    for weights in [[0; 4], [u64::MAX; 4]] {
        let mut bad = set(0, 4);
        bad.voters.iter_mut().zip(weights).for_each(|(voter, weight)| voter.weight = weight);
        assert_eq!(chain.verify(&light, 2, &bad), Err(FinalityFault::Set));
    }
}

#[test]
fn the_short_form_says_what_the_full_one_says() {
    let chain = Chain::new();
    let bytes = chain.0[1].encode();
    let Target { hash, number } = chain.target(2);
    let block = Block { number, hash };
    let short = |raw: &Raw, set: &AuthoritySet| Justification::compact(raw.encode(), &bytes, set);
    let all = chain.raw(2, &[(4, 2), (3, 2), (2, 2), (1, 2)], &[]);
    let Justification::Direct { votes, .. } = short(&all, &set(0, 4)) else { panic!("not short") };
    assert_eq!(votes.iter().map(|vote| vote.voter).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(short(&all, &set(0, 4)).verify(&block, &set(0, 4)).map(|signers| signers.len()), Ok(3));

    // A bad vote beside three good ones is left out; two good ones are too few to leave anything out.
    let mut bad = all;
    bad.precommits[3].signature[0] ^= 1;
    assert!(short(&bad, &set(0, 4)).verify(&block, &set(0, 4)).is_ok());
    bad.precommits[2].signature[0] ^= 1;
    assert!(matches!(short(&bad, &set(0, 4)), Justification::Full(_)));

    // No vote of the short form can be left out, doubled, moved, or be another's.
    let direct = |votes: &[Vote]| Justification::Direct { round: ROUND, votes: votes.to_vec() };
    let [a, b, c] = [votes[0].clone(), votes[1].clone(), votes[2].clone()];
    let other = Vote { voter: 3, ..c.clone() };
    let nobody = Vote { voter: 4, ..c.clone() };
    let cases = [
        (direct(&[a.clone(), b.clone()]), FinalityFault::TooFew { weight: 2, threshold: 3 }),
        (direct(&[a.clone(), b.clone(), b.clone()]), FinalityFault::Voter { voter: 1 }),
        (direct(&[b.clone(), a.clone(), c.clone()]), FinalityFault::Voter { voter: 0 }),
        (direct(&[a.clone(), b.clone(), nobody]), FinalityFault::Voter { voter: 4 }),
        (direct(&[a, b, other]), FinalityFault::Signature { key: set(0, 4).voters[3].key }),
    ];
    for (justification, fault) in cases {
        assert_eq!(justification.verify(&block, &set(0, 4)), Err(fault));
    }
}
