//! Seeds that only a key makes: notes, proofs of entries and COSE statements. The key is not the one of the target, which
//! no input may verify with.

use super::Seed;
use anyhow::{Context, Result};
use ed25519_dalek::SigningKey;
use streembit_evidence::{
    cose::{IncludedDigest, Statement},
    entry_proof::LIMITS,
};
use streembit_primitives::{
    merkle::{leaf_hash, path_of_leaf, root_of_leaves, InclusionProof, LOG_TREE},
    note::{Origin, SignedNote, VerifierKey},
    tlog_proof::TlogProof,
    AccountId, Hash, LogId, LogKey,
};

/// The sizes of the logs: one entry, a complete tree, an incomplete one, and more than one tile.
const SIZES: [u64; 4] = [1, 2, 7, 300];

pub(super) fn all() -> Result<Vec<Seed>> {
    let key = SigningKey::from_bytes(&[5; 32]);
    let origin = Origin { genesis: Hash([1; 32]), log: LogId::first(AccountId([2; 32])) };
    let verifier = VerifierKey::new(origin, &LogKey(key.verifying_key().to_bytes()));
    let verifier = verifier.context("the log key of the seeds is not valid")?;
    let mut seeds = vec![Seed::new("tlog", "verifier-key", verifier.to_string())];
    for size in SIZES {
        let digests: Vec<Hash> = (0..size).map(|index| Hash([index as u8; 32])).collect();
        let leaves: Vec<Hash> = digests.iter().map(leaf_hash).collect();
        let (index, root) = (size / 2, root_of_leaves(LOG_TREE, &leaves));
        let path = path_of_leaf(LOG_TREE, &leaves, index).context("the entry is not in its log")?;
        let path = InclusionProof::new(path);
        let checkpoint = SignedNote::sign(&origin, size, root, &key);
        seeds.push(Seed::new("tlog", format!("note-{size}"), checkpoint.to_string()));
        if let Some(digest) = digests.get(index as usize).filter(|_| size > 1) {
            let included = IncludedDigest { digest: *digest, index, path: &path, size, root };
            let statement = Statement::sign(&origin, &included, &key)?.encode()?;
            seeds.push(Seed::new("tlog", format!("statement-{size}"), statement));
        }
        for (name, extra) in [("proof", None), ("proof-with-extra", Some(LIMITS.as_bytes().to_vec()))] {
            let proof = TlogProof { extra, index, path: path.clone(), checkpoint: checkpoint.clone() };
            seeds.push(Seed::new("tlog", format!("{name}-{size}"), proof.to_string()));
        }
    }
    Ok(seeds)
}
