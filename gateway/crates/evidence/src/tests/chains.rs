//! Tests of a log whose chain is refounded. Each chain proves only what was anchored on it.

use super::*;
use crate::collect::Collected;
use std::path::Path;
use streembit_log::{ChainProofError, LogReader, MAX_CHAINS};
use streembit_primitives::evidence::HeaderError;

type Db = rocksdb::DBWithThreadMode<rocksdb::SingleThreaded>;

impl Fixture {
    /// Refounds the chain with the same devices. Returns the old chain.
    fn refound(&mut self, genesis: u8) -> FakeChain {
        let mut new = FakeChain::with_genesis(4, Hash([genesis; 32]));
        for car in &self.cars {
            new.register(&car.id(), &car.record());
        }
        std::mem::replace(&mut self.chain, new)
    }

    async fn collect(&self) -> Result<Collected, CollectError> {
        collect(&self.log, &Node(&self.chain, 9), self.log.size()).await
    }

    /// Exports a file that is proven by the chain `by`, and verifies it with the trust root of the chain `trusted`.
    /// Returns the number of proven events.
    fn proven_events(&self, by: Option<Hash>, trusted: &FakeChain) -> Result<u64, EvidenceError> {
        let (span, disclose) = (Span::default(), Disclose::All);
        let request = Request { device: self.device(), span, disclose, chain: by, after: None };
        let path = self.folder.path().join("by-chain.evidence");
        let mut file = std::fs::File::create(&path).unwrap();
        let exported = export::write(self.log.reader(), &request, &mut file, |_, _, _| {}).unwrap();
        assert!(by.is_none_or(|by| by == exported.chain));
        match verify(&path, &trusted.trust(), |_, _, _| {}) {
            Ok(verdict) => Ok(verdict.events),
            Err(VerifyError::Refused(error)) => Err(error),
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn each_chain_proves_its_own_anchors_even_after_a_refounding() {
    let mut fixture = Fixture::new();
    fixture.append(20).await;
    fixture.chain.block(true);
    fixture.anchor();
    let collected = fixture.collect().await.unwrap();
    assert_eq!((collected.changes, collected.other_chains), (1, 0));
    let before = fixture.cars[0].sequence;

    let mut old = fixture.refound(0xab);
    fixture.append(9).await;
    fixture.chain.block(true);
    fixture.chain.block(true);
    fixture.anchor();
    let collected = fixture.collect().await.unwrap();
    assert_eq!((collected.changes, collected.other_chains), (2, 1));
    assert_eq!(fixture.log.chains(), Ok(vec![old.genesis, fixture.chain.genesis]));
    let all = fixture.cars[0].sequence;
    assert!(before < all);
    for by in [None, Some(fixture.chain.genesis)] {
        assert_eq!(fixture.proven_events(by, &fixture.chain), Ok(all));
        assert!(matches!(fixture.proven_events(by, &old), Err(EvidenceError::Genesis { .. })));
    }
    assert_eq!(fixture.proven_events(Some(old.genesis), &old), Ok(before));
    assert!(matches!(
        fixture.proven_events(Some(old.genesis), &fixture.chain),
        Err(EvidenceError::Genesis { .. })
    ));

    // Back on the old chain, collecting continues from the stored proof, and the old chain becomes the last one
    // collected.
    std::mem::swap(&mut fixture.chain, &mut old);
    fixture.chain.block(true);
    fixture.anchor();
    let collected = fixture.collect().await.unwrap();
    assert_eq!((collected.changes, collected.other_chains), (2, 1));
    assert_eq!(fixture.log.chains(), Ok(vec![old.genesis, fixture.chain.genesis]));
    assert_eq!(fixture.proven_events(None, &fixture.chain), Ok(all));
    assert_eq!(fixture.proven_events(Some(old.genesis), &old), Ok(all));
}

#[tokio::test]
async fn a_change_of_voters_of_another_chain_is_refused() {
    // Another chain with the same first voters changes them. Its voters then finalize a block of our chain.
    let mut fixture = Fixture::new();
    fixture.append(20).await;
    let other = Hash([0xab; 32]);
    let ours = std::mem::replace(&mut fixture.chain.genesis, other);
    fixture.chain.block(true);
    fixture.chain.genesis = ours;
    fixture.anchor();
    let error = fixture.collect().await.unwrap_err();
    let CollectError::Finality(EvidenceError::Block { number: Some(1), error, .. }) = error else {
        panic!("{error}")
    };
    assert_eq!(error, HeaderError::OtherChain { genesis: other });
    assert_eq!(fixture.log.chains(), Ok(Vec::new()));
}

#[tokio::test]
async fn proofs_of_a_limited_number_of_chains_are_kept_until_they_are_removed() {
    let mut fixture = Fixture::anchored().await;
    let all = fixture.cars[0].sequence;
    let mut chains = Vec::new();
    for n in 1..MAX_CHAINS {
        chains.push(fixture.refound(n as u8));
        fixture.anchor();
        fixture.collect().await.unwrap();
    }
    chains.push(fixture.refound(0xab));
    fixture.anchor();
    let error = fixture.collect().await.unwrap_err();
    assert_eq!(error, CollectError::Store(ChainProofError::TooManyChains));
    assert!(error.to_string().contains("which is the maximum"), "{error}");
    let geneses: Vec<_> = chains.iter().map(|chain| chain.genesis).collect();
    assert_eq!(fixture.log.chains(), Ok(geneses.clone()));

    // The stored proofs still work and can be extended. Nothing of the rejected chain is stored.
    for chain in &chains {
        assert_eq!(fixture.proven_events(Some(chain.genesis), chain), Ok(all));
        collect(&fixture.log, &Node(chain, 9), 20).await.unwrap();
    }
    let (span, disclose) = (Span::default(), Disclose::All);
    let request =
        Request { device: fixture.device(), span, disclose, chain: Some(fixture.chain.genesis), after: None };
    let error = export::write(fixture.log.reader(), &request, &mut Vec::new(), |_, _, _| {}).unwrap_err();
    assert!(matches!(error, ExportError::NotOfChain { .. }), "{error}");
    assert!(geneses.iter().all(|genesis| error.to_string().contains(&genesis.to_string())), "{error}");

    assert_eq!(fixture.log.forget_chain(&geneses[1]), Ok(true));
    assert_eq!(fixture.log.forget_chain(&geneses[1]), Ok(false));
    assert_eq!(fixture.log.chain_proof(&geneses[1]), Ok(None));
    assert_eq!(fixture.collect().await.unwrap().other_chains, MAX_CHAINS - 1);
    assert_eq!(fixture.proven_events(None, &fixture.chain), Ok(all));
    assert_eq!(fixture.proven_events(Some(geneses[0]), &chains[0]), Ok(all));
    let kept = fixture.log.chains();
    let Fixture { folder, log, .. } = fixture;
    drop(log);
    // Open the log twice, because the second time the deleted keys are at the end of a table.
    for _ in 0..2 {
        assert_eq!(Log::open(&folder.path().join("log"), id()).unwrap().chains(), kept);
    }
}

/// Removes the genesis hash from the keys, as in earlier releases. Returns the number of keys.
fn use_old_keys(path: &Path, genesis: &Hash) -> usize {
    let options = rocksdb::Options::default();
    let families = Db::list_cf(&options, path).unwrap();
    let db = Db::open_cf(&options, path, families).unwrap();
    let family = db.cf_handle("chain-proofs").unwrap();
    let pairs: Vec<_> =
        db.iterator_cf(family, rocksdb::IteratorMode::Start).map(|pair| pair.unwrap()).collect();
    let mut count = 0;
    for (key, value) in pairs {
        db.delete_cf(family, &key).unwrap();
        if let Some(bare) = key.strip_prefix(&genesis.0[..]) {
            db.put_cf(family, bare, value).unwrap();
            count += 1;
        }
    }
    count
}

#[tokio::test]
async fn proofs_of_an_earlier_release_are_read_and_assigned_to_their_chain() {
    let mut fixture = Fixture::new();
    fixture.append(20).await;
    fixture.chain.block(true);
    fixture.anchor();
    fixture.collect().await.unwrap();
    let (genesis, all) = (fixture.chain.genesis, fixture.cars[0].sequence);
    let kept = fixture.log.chain_proof(&genesis).unwrap();
    assert_eq!(kept.as_ref().map(|kept| kept.changes.len()), Some(1));
    let Fixture { folder, log, chain, cars } = fixture;
    drop(log);
    let path = folder.path().join("log");
    assert_eq!(use_old_keys(&path, &genesis), 3);

    let same = |log: &LogReader| {
        assert_eq!(log.chains(), Ok(vec![genesis]));
        assert_eq!(log.chain_proof(&genesis), Ok(kept.clone()));
        assert_eq!(log.chain_proof(&Hash::ZERO), Ok(None));
    };
    same(&Log::open_read_only(&path).unwrap());
    // Open the log twice, because the second time the old keys are at the end of a table.
    for _ in 0..2 {
        same(&Log::open(&path, id()).unwrap());
        same(&Log::open_read_only(&path).unwrap());
    }
    let mut fixture = Fixture { log: Log::open(&path, id()).unwrap(), folder, chain, cars };
    let old = fixture.refound(0xab);
    fixture.anchor();
    assert_eq!(fixture.collect().await.unwrap().other_chains, 1);
    assert_eq!(fixture.proven_events(None, &fixture.chain), Ok(all));
    assert_eq!(fixture.proven_events(Some(old.genesis), &old), Ok(all));
}
