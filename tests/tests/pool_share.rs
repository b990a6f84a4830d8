//! The transactions of one party do not fill the pool of a node.

use anyhow::ensure;
use serde_json::json;
use streembit_tests::{
    dev_key,
    raw_transaction::{remark, submit, TransactionSigner},
    run_test, wait_until, Node,
};

/// The number of transactions that one account sends at once, each after the one before.
const TRANSACTIONS: u32 = 250;
/// The places that an account has in the pool. See `node/src/pool/shares.rs`.
const ACCOUNT_PLACES: usize = 64;

#[test]
fn an_account_takes_a_bounded_share_of_the_pool_and_others_get_in() {
    run_test("pool-share", |env| {
        let node = Node::dev(env)?;
        let signer = TransactionSigner::for_node(&node)?;
        let (ferdie, bob) = (dev_key("ferdie")?, dev_key("bob")?);
        node.submit_valid(&signer.signed(&ferdie, 0, &remark(b"first")))?;
        let account = env.dev_account("ferdie")?;
        wait_until("the transaction is in a block", 60, || {
            let next = node.rpc("system_accountNextIndex", json!([account]))?;
            ensure!(next == json!(1), "the next nonce is {next}");
            node.ensure_pool_is_empty()
        })?;

        let flood: Vec<_> = (1..=TRANSACTIONS)
            .map(|nonce| signer.signed(&ferdie, nonce, &remark(&nonce.to_le_bytes())))
            .collect();
        let answers = env.block_on(submit(&reqwest::Client::new(), node.rpc_port(), &flood))?;
        let pending = node.rpc("author_pendingExtrinsics", json!([]))?;
        let pending = pending.as_array().map_or(0, Vec::len);
        let refused: Vec<_> = answers.iter().flatten().collect();
        ensure!(!refused.is_empty(), "the pool took all {TRANSACTIONS} transactions of one account");
        ensure!(pending <= ACCOUNT_PLACES, "{pending} transactions of one account wait");
        for error in refused {
            ensure!(error.contains("1016"), "refused for another reason: {error}");
        }
        node.submit_valid(&signer.signed(&bob, 0, &remark(b"another party")))
    });
}
