//! Proofs of single entries, for other people's tools.

use super::*;
use crate::{
    entry_proof::{EntryProof, EntryRequest, LIMITS},
    export::ExportError,
};
use ed25519_dalek::SigningKey;
use streembit_primitives::{note::VerifierKey, LogKey};

fn log_key() -> SigningKey {
    SigningKey::from_bytes(&[8; 32])
}

fn prove(fixture: &Fixture, sequence: Option<u64>) -> Result<EntryProof, ExportError> {
    let request = EntryRequest { device: fixture.device(), sequence, chain: None };
    EntryProof::new(fixture.log.reader(), &request)
}

#[tokio::test]
async fn both_formats_prove_the_same_entry() {
    let fixture = Fixture::anchored().await;
    let last = fixture.cars[0].sequence - 1;
    for sequence in [None, Some(0), Some(last)] {
        let proof = prove(&fixture, sequence).unwrap();
        let summary = proof.summary();
        assert_eq!((summary.sequence, summary.log_size), (sequence.unwrap_or(last), 20));
        assert_eq!(sp_crypto_hashing::sha2_256(&proof.preimage()), summary.digest.0);
        assert_eq!(proof.origin().genesis, fixture.chain.genesis);
        let key = VerifierKey::new(*proof.origin(), &LogKey(log_key().verifying_key().to_bytes())).unwrap();

        let tlog_proof = proof.to_tlog_proof(&log_key());
        let verified = tlog_proof.verify(&summary.digest, &key).unwrap();
        assert_eq!((verified.index(), verified.checkpoint().size()), (summary.index, 20));
        assert_eq!(tlog_proof.extra.as_deref(), Some(LIMITS.as_bytes()));

        let verified = proof.to_cose(&log_key()).unwrap().verify(&summary.digest, &key).unwrap();
        assert_eq!((verified.index(), verified.size()), (summary.index, 20));
    }
}

#[tokio::test]
async fn only_anchored_events_are_proven() {
    let mut fixture = Fixture::anchored().await;
    let anchored = fixture.cars[0].sequence;
    fixture.append(5).await;
    assert!(matches!(
        prove(&fixture, Some(anchored)),
        Err(ExportError::NotAnchored { sequence, size: 20 }) if sequence == anchored
    ));
    assert_eq!(prove(&fixture, None).unwrap().summary().sequence, anchored - 1);
    assert!(matches!(prove(&fixture, Some(1000)), Err(ExportError::NoSuchEvent { sequence: 1000, .. })));
    let stranger = EntryRequest { device: DeviceId([7; 32]), sequence: None, chain: None };
    assert!(matches!(
        EntryProof::new(fixture.log.reader(), &stranger),
        Err(ExportError::NoEvents { size: 20, .. })
    ));
    let elsewhere = EntryRequest { device: fixture.device(), sequence: None, chain: Some(Hash([1; 32])) };
    assert!(matches!(EntryProof::new(fixture.log.reader(), &elsewhere), Err(ExportError::NotOfChain { .. })));
    assert!(matches!(prove(&Fixture::new(), None), Err(ExportError::NothingCollected)));
}
