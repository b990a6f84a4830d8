//! Tests of finality proofs that a node serves in pages.

use super::*;

#[tokio::test]
async fn every_change_of_voters_is_collected_whatever_the_number_of_fragments_per_answer() {
    for max in [1, 2, 9] {
        let mut fixture = Fixture::new();
        fixture.append(5).await;
        fixture.anchor();
        collect(&fixture.log, &Node(&fixture.chain, max), 5).await.unwrap();
        for change in [true, false, true, true, false, false] {
            fixture.chain.block(change);
        }
        fixture.append(6).await;
        fixture.anchor();
        let collected = collect(&fixture.log, &Node(&fixture.chain, max), 11).await.unwrap();
        assert_eq!((collected.changes, collected.size), (3, 11));
        let verdict = fixture.verified(Span::default(), Disclose::All);
        assert_eq!((verdict.changes, verdict.last.set), (3, 3));

        // First the newest block is the last of its set, and then a newer one follows.
        fixture.chain.block(true);
        for _ in 0..2 {
            collect(&fixture.log, &Node(&fixture.chain, max), 11).await.unwrap();
            assert_eq!(fixture.verified(Span::default(), Disclose::All).changes, 3);
        }
        fixture.chain.block(false);
        let collected = collect(&fixture.log, &Node(&fixture.chain, max), 11).await.unwrap();
        assert_eq!(collected.changes, 4);
        assert_eq!(fixture.verified(Span::default(), Disclose::All).changes, 4);
    }
}

/// A node whose finality proof never ends: each page is without blocks.
struct EndlessNode<'a>(Node<'a>);

impl ProofSource for EndlessNode<'_> {
    fn genesis(&self) -> Hash {
        self.0.genesis()
    }
    async fn genesis_authorities(&self) -> Result<Vec<u8>, ChainError> {
        self.0.genesis_authorities().await
    }
    async fn finality_proof(&self, _: Hash) -> Result<Vec<u8>, ChainError> {
        Ok(vec![0, 0])
    }
    async fn read_proof(&self, keys: Vec<Vec<u8>>, at: Hash) -> Result<Vec<Vec<u8>>, ChainError> {
        self.0.read_proof(keys, at).await
    }
}

#[tokio::test]
async fn a_finality_proof_that_does_not_end_is_refused() {
    let mut fixture = Fixture::new();
    fixture.append(5).await;
    (0..64).for_each(|_| fixture.chain.block(true));
    fixture.anchor();
    let endless = EndlessNode(Node(&fixture.chain, 1));
    assert_eq!(collect(&fixture.log, &endless, 5).await, Err(CollectError::Endless { pages: 1 }));
    // One change of voters for each page. The last page has the newest block too.
    assert_eq!(collect(&fixture.log, &Node(&fixture.chain, 1), 5).await.unwrap().changes, 64);
    assert_eq!(fixture.verified(Span::default(), Disclose::All).changes, 64);

    fixture.log.forget_chain(&fixture.chain.genesis).unwrap();
    fixture.chain.block(true);
    let too_many = collect(&fixture.log, &Node(&fixture.chain, 1), 5).await;
    assert_eq!(too_many, Err(CollectError::Endless { pages: 64 }));
    assert_nothing_collected(&fixture);
    assert_eq!(collect(&fixture.log, &Node(&fixture.chain, 2), 5).await.unwrap().changes, 65);
}
