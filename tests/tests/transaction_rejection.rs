//! A node rejects each kind of invalid transaction, and says why.

use anyhow::{ensure, Context, Result};
use codec::Encode;
use serde_json::json;
use streembit_keystore::KeyPair;
use streembit_primitives::{Checkpoint, Hash, LogId, Version};
use streembit_tests::{
    dev_key,
    raw_transaction::{forged, larger_than_a_block, remark, unsigned, TransactionSigner},
    run_test, wait_until, Node,
};

#[test]
fn invalid_transactions_are_rejected_with_a_reason() {
    run_test("refusals", |env| {
        let node = Node::dev(env)?;
        let (here, alice) = (TransactionSigner::for_node(&node)?, dev_key("alice")?);
        // A valid transaction shows that each of the others is invalid only in the intended way.
        let valid = here.signed(&alice, 0, &remark(b"valid"));
        node.submit_valid(&valid)?;
        wait_until("the transaction is in a block", 60, || {
            let next = node.rpc("system_accountNextIndex", json!([env.dev_account("alice")?]))?;
            ensure!(next == json!(1), "the next nonce is {next}");
            node.ensure_pool_is_empty()
        })?;

        let unknown = KeyPair::from_seed(rand::random());
        for (what, bytes, reason) in [
            ("noise", vec![0xffu8; 40], "Client error"),
            ("noise that looks like an extrinsic", vec![0xffu8; 40].encode(), "Verification Error"),
            ("without a signature", unsigned(&remark(b"x")), "Unknown Transaction Validity"),
            ("for another chain", here.for_another_chain().signed(&alice, 1, &remark(b"x")), "bad signature"),
            ("a random signature", forged(&alice, 1, &remark(b"x")), "bad signature"),
            ("of an unknown account", here.signed(&unknown, 0, &remark(b"x")), "Inability to pay"),
            ("an old nonce", here.signed(&alice, 0, &remark(b"x")), "outdated"),
            ("larger than a block", here.signed(&alice, 1, &remark(&larger_than_a_block())), "block limits"),
            ("a proof that is too long", here.signed(&alice, 1, &long_proof(&alice)), "Verification Error"),
        ] {
            let said = submit_rejected(&node, &bytes)?;
            ensure!(said.contains(reason), "{what}: the error does not contain {reason:?}: {said}");
        }
        // A replay of a transaction that is in a block.
        let said = submit_rejected(&node, &valid)?.to_lowercase();
        ensure!(["outdated", "banned", "already"].iter().any(|word| said.contains(word)), "a replay: {said}");
        node.ensure_pool_is_empty()?;
        node.submit_valid(&here.signed(&alice, 1, &remark(b"valid again")))
    });
}

#[test]
fn the_command_line_tells_an_unknown_account_how_to_join() {
    run_test("unknown-account", |env| {
        let node = Node::dev(env)?;
        let key = env.dir().join("unknown.key");
        env.streembit(["key", "new", "--out"]).arg(&key).ok()?;
        let bob = env.dev_account("bob")?;
        let ask = env.streembit(["consortium", "remove-party", &bob, "--key"]).arg(&key);
        ask.node(&node.url()).run()?.ensure_refused(&["may not submit", "gateway register", "propose-party"])
    });
}

/// Encodes an anchor with more hashes than any proof has.
fn long_proof(keys: &KeyPair) -> Vec<u8> {
    let log = LogId::first(keys.account());
    let root = Hash([1; 32]);
    let checkpoint = Checkpoint { version: Version, log, size: 9, root, heads_root: root, time: 1 };
    (12u8, 0u8, checkpoint, vec![root; 1_000]).encode()
}

/// Submits a transaction that the node must reject. Returns the error.
fn submit_rejected(node: &Node, transaction: &[u8]) -> Result<String> {
    node.submit(transaction)?.context("an invalid transaction was accepted")
}
