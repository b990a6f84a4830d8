//! A log that goes on where its chain was founded anew: each chain proves what it has anchored, and none in another's
//! place.

use super::*;
use crate::collect::Collected;
use std::path::Path;
use streembit_log::{LogError, LogReader, MAX_CHAINS};

type Db = rocksdb::DBWithThreadMode<rocksdb::SingleThreaded>;

impl Scene {
    /// Has the chain founded anew, with the same devices; gives the old one.
    fn refound(&mut self, genesis: u8) -> FakeChain {
        let mut new = FakeChain::founded(4, Hash([genesis; 32]));
        for car in &self.cars {
            new.register(&car.id(), &car.record());
        }
        std::mem::replace(&mut self.chain, new)
    }

    async fn collect(&self) -> Result<Collected, CollectError> {
        collect(&self.log, &Node(&self.chain, 9), self.log.size()).await
    }

    /// How many events a file by a chain proves to whoever trusts a chain; or why none.
    fn proves(&self, by: Option<Hash>, trusted: &FakeChain) -> Result<u64, EvidenceError> {
        let (span, disclose) = (Span::default(), Disclose::All);
        let request = Request { device: self.device(), span, disclose, chain: by };
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
async fn each_chain_proves_what_it_has_anchored_for_ever() {
    let mut scene = Scene::new();
    scene.append(20).await;
    scene.chain.block(true);
    scene.anchor();
    let collected = scene.collect().await.unwrap();
    assert_eq!((collected.changes, collected.other_chains), (1, 0));
    let before = scene.cars[0].sequence;

    let mut old = scene.refound(0xab);
    scene.append(9).await;
    scene.chain.block(true);
    scene.chain.block(true);
    scene.anchor();
    let collected = scene.collect().await.unwrap();
    assert_eq!((collected.changes, collected.other_chains), (2, 1));
    assert_eq!(scene.log.chains(), Ok(vec![old.genesis, scene.chain.genesis]));
    let all = scene.cars[0].sequence;
    assert!(before < all);
    for by in [None, Some(scene.chain.genesis)] {
        assert_eq!(scene.proves(by, &scene.chain), Ok(all));
        assert!(matches!(scene.proves(by, &old), Err(EvidenceError::Genesis { .. })));
    }
    assert_eq!(scene.proves(Some(old.genesis), &old), Ok(before));
    assert!(matches!(scene.proves(Some(old.genesis), &scene.chain), Err(EvidenceError::Genesis { .. })));

    // Back at the old one: it is followed from where it was left, and is the one collected last.
    std::mem::swap(&mut scene.chain, &mut old);
    scene.chain.block(true);
    scene.anchor();
    let collected = scene.collect().await.unwrap();
    assert_eq!((collected.changes, collected.other_chains), (2, 1));
    assert_eq!(scene.log.chains(), Ok(vec![old.genesis, scene.chain.genesis]));
    assert_eq!(scene.proves(None, &scene.chain), Ok(all));
    assert_eq!(scene.proves(Some(old.genesis), &old), Ok(all));
}

#[tokio::test]
async fn as_many_chains_are_kept_as_may_be_and_none_goes_unless_told_to() {
    let mut scene = Scene::anchored().await;
    let all = scene.cars[0].sequence;
    let mut chains = Vec::new();
    for n in 1..MAX_CHAINS {
        chains.push(scene.refound(n as u8));
        scene.anchor();
        scene.collect().await.unwrap();
    }
    chains.push(scene.refound(0xab));
    scene.anchor();
    let error = scene.collect().await.unwrap_err();
    assert_eq!(error, CollectError::Log(LogError::TooManyChains));
    assert!(error.to_string().contains("which are the most"), "{error}");
    let geneses: Vec<_> = chains.iter().map(|chain| chain.genesis).collect();
    assert_eq!(scene.log.chains(), Ok(geneses.clone()));

    // Those there are still prove, and go on; of the one too many nothing is there.
    for chain in &chains {
        assert_eq!(scene.proves(Some(chain.genesis), chain), Ok(all));
        collect(&scene.log, &Node(chain, 9), 20).await.unwrap();
    }
    let (span, disclose) = (Span::default(), Disclose::All);
    let request = Request { device: scene.device(), span, disclose, chain: Some(scene.chain.genesis) };
    let error = export::write(scene.log.reader(), &request, &mut Vec::new(), |_, _, _| {}).unwrap_err();
    assert!(matches!(error, ExportError::NotOfChain { .. }), "{error}");
    assert!(geneses.iter().all(|genesis| error.to_string().contains(&genesis.to_string())), "{error}");

    assert_eq!(scene.log.forget_chain(&geneses[1]), Ok(true));
    assert_eq!(scene.log.forget_chain(&geneses[1]), Ok(false));
    assert_eq!(scene.log.chain_proof(&geneses[1]), Ok(None));
    assert_eq!(scene.collect().await.unwrap().other_chains, MAX_CHAINS - 1);
    assert_eq!(scene.proves(None, &scene.chain), Ok(all));
    assert_eq!(scene.proves(Some(geneses[0]), &chains[0]), Ok(all));
    let kept = scene.log.chains();
    let Scene { folder, log, .. } = scene;
    drop(log);
    // Twice: what was forgotten ends a table by then.
    for _ in 0..2 {
        assert_eq!(Log::open(&folder.path().join("log"), id()).unwrap().chains(), kept);
    }
}

/// Takes the genesis from before the keys, as releases before had them; gives how many there are.
fn as_before(path: &Path, genesis: &Hash) -> usize {
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
async fn what_a_release_before_kept_is_read_and_gets_its_chain() {
    let mut scene = Scene::new();
    scene.append(20).await;
    scene.chain.block(true);
    scene.anchor();
    scene.collect().await.unwrap();
    let (genesis, all) = (scene.chain.genesis, scene.cars[0].sequence);
    let kept = scene.log.chain_proof(&genesis).unwrap();
    assert_eq!(kept.as_ref().map(|kept| kept.changes.len()), Some(1));
    let Scene { folder, log, chain, cars } = scene;
    drop(log);
    let path = folder.path().join("log");
    assert_eq!(as_before(&path, &genesis), 3);

    let same = |log: &LogReader| {
        assert_eq!(log.chains(), Ok(vec![genesis]));
        assert_eq!(log.chain_proof(&genesis), Ok(kept.clone()));
        assert_eq!(log.chain_proof(&Hash::ZERO), Ok(None));
    };
    same(&Log::open_read_only(&path).unwrap());
    // Twice: the keys of before end a table by then.
    for _ in 0..2 {
        same(&Log::open(&path, id()).unwrap());
        same(&Log::open_read_only(&path).unwrap());
    }
    let mut scene = Scene { log: Log::open(&path, id()).unwrap(), folder, chain, cars };
    let old = scene.refound(0xab);
    scene.anchor();
    assert_eq!(scene.collect().await.unwrap().other_chains, 1);
    assert_eq!(scene.proves(None, &scene.chain), Ok(all));
    assert_eq!(scene.proves(Some(old.genesis), &old), Ok(all));
}
