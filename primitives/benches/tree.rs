//! The hashing that a log does for each entry: the digest of the entry, its leaf, and on average one node.
//!
//! `cargo bench -p streembit-primitives --bench tree` uses the SHA instructions of the processor if it has them; with
//! `--features software-sha256` it does without.

use divan::{black_box, Bencher};
use streembit_primitives::{
    event::entry_digest,
    hash::Domain,
    merkle::{leaf_hash, NodeHash as _, LOG_TREE},
    Hash,
};

/// The size of an entry of a device that signs, in bytes.
const ENTRY_BYTES: usize = 188;

fn main() {
    divan::main();
}

#[divan::bench]
fn sha256(bencher: Bencher<'_, '_>) {
    let entry = [7; ENTRY_BYTES];
    let sibling = Hash([1; 32]);
    bencher.bench_local(|| {
        let leaf = leaf_hash(&entry_digest(black_box(&entry)));
        LOG_TREE.node(&sibling, &leaf)
    });
}

/// What the same costs with BLAKE3 in domains.
#[divan::bench]
fn blake3(bencher: Bencher<'_, '_>) {
    let entry = [7; ENTRY_BYTES];
    let sibling = Hash([1; 32]);
    bencher.bench_local(|| {
        let leaf = Domain::HeadsLeaf.hash(black_box(&entry));
        Domain::HeadsNode.hash_pair(&sibling, &leaf)
    });
}
