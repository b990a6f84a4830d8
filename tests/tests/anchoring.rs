//! The chain rejects every anchor that does not extend the last anchor of the same gateway.

use anyhow::{bail, ensure, Result};
use streembit::remedies::Remedy as _;
use streembit_chain::{Call, ChainClient, ChainError};
use streembit_primitives::{merkle::ConsistencyProof, Hash};
use streembit_tests::{run_test, FakeGateway, FakeLog, Node};

#[test]
fn two_validators_finalize_and_reject_invalid_anchors() {
    run_test("validators", |env| {
        let mut alice = Node::new(env, "alice", ["--chain=local", "--alice"])?;
        alice.start()?;
        let bootnode = alice.address()?;
        let mut bob = Node::new(env, "bob", ["--chain=local", "--bob", "--bootnodes", &bootnode])?;
        bob.start()?;
        alice.wait_until_finalized(1, 90)?;
        bob.wait_until_finalized(1, 30)?;
        env.block_on(check_anchors(&alice))?;

        // Both agree on the final blocks, and neither finalizes alone.
        let number = alice.finalized()?;
        bob.wait_until_finalized(number, 60)?;
        ensure!(alice.block_hash(number)? == bob.block_hash(number)?, "the nodes disagree on block {number}");
        bob.kill()?;
        env.block_on(ensure_no_finality_alone(&alice))?;
        let before = alice.finalized()?;
        bob.start()?;
        alice.wait_until_finalized(before + 1, 90)
    });
}

async fn check_anchors(node: &Node) -> Result<()> {
    let chain = ChainClient::connect(node.connection()?).await?;
    let (first, second) = (FakeGateway::registered(&chain).await?, FakeGateway::registered(&chain).await?);
    let (log, other) = (FakeLog::new(40, 1), FakeLog::new(40, 2));
    let anchor =
        |size: u64, root: Hash, proof: ConsistencyProof| first.anchor(first.log(), size, root, proof);

    // A rejected anchor does not change the last anchor. The valid anchors in between are accepted.
    ensure_accepted(&chain, &first, anchor(7, log.root(7), log.consistency(0, 7))).await?;
    for (what, root, proof) in [
        ("a rewritten log with its own proof", other.root(20), other.consistency(7, 20)),
        ("a proof from another size", log.root(20), log.consistency(6, 20)),
        ("no proof", log.root(20), ConsistencyProof::new(vec![])),
        ("a root that does not match the proof", log.root(21), log.consistency(7, 20)),
    ] {
        ensure_rejected(&chain, &first, anchor(20, root, proof), what, Some("Anchors::Inconsistent")).await?;
    }
    ensure_accepted(&chain, &first, anchor(20, log.root(20), log.consistency(7, 20))).await?;
    for (what, size, root) in
        [("a smaller size", 7, log.root(7)), ("another log of the same size", 20, other.root(20))]
    {
        let proof = log.consistency(size, size);
        ensure_rejected(&chain, &first, anchor(size, root, proof), what, Some("Anchors::NotLarger")).await?;
    }

    // Signed by a gateway that does not own the log.
    let valid = second.anchor(first.log(), 33, log.root(33), log.consistency(20, 33));
    ensure_rejected(&chain, &second, valid, "the log of another gateway", Some("Anchors::NotYourLog"))
        .await?;
    ensure!(
        anchored(&chain, &first).await? == Some((20, log.root(20))),
        "a rejected anchor changed the last anchor"
    );
    ensure_accepted(&chain, &first, anchor(33, log.root(33), log.consistency(20, 33))).await?;

    // A call of an unknown account does not even reach a block.
    let stranger = FakeGateway::new();
    let call = stranger.anchor(stranger.log(), 7, log.root(7), log.consistency(0, 7));
    ensure_rejected(&chain, &stranger, call, "an unknown account", None).await
}

async fn ensure_no_finality_alone(node: &Node) -> Result<()> {
    let chain = ChainClient::connect(node.connection()?).await?;
    let before = chain.finalized().await?;
    let attempt =
        tokio::time::timeout(std::time::Duration::from_secs(15), FakeGateway::registered(&chain)).await;
    ensure!(attempt.is_err(), "one of two validators finalized alone");
    // The last vote of the other validator may have arrived late.
    ensure!(chain.finalized().await?.number <= before.number + 2, "one of two validators finalized alone");
    Ok(())
}

async fn ensure_accepted(chain: &ChainClient, gateway: &FakeGateway, call: Call) -> Result<()> {
    let Call::Anchor { checkpoint, .. } = &call else { bail!("not an anchor: {call:?}") };
    let wanted = (checkpoint.size, checkpoint.root);
    chain.submit(&gateway.keys, call).await?;
    ensure!(anchored(chain, gateway).await? == Some(wanted), "accepted, but it is not the last anchor");
    Ok(())
}

/// Checks that the call is rejected with this error of the runtime, or `None` if it must not even reach a block.
async fn ensure_rejected(
    chain: &ChainClient,
    gateway: &FakeGateway,
    call: Call,
    what: &str,
    reason: Option<&str>,
) -> Result<()> {
    let before = anchored(chain, gateway).await?;
    match chain.submit(&gateway.keys, call).await {
        Ok(submitted) => bail!("{what} was accepted in block {}", submitted.block),
        Err(error) => {
            let unknown_account = matches!(error, ChainError::NotPermitted { .. });
            ensure!(
                error.dispatch_error() == reason && unknown_account == reason.is_none(),
                "{what}: {error}"
            );
            ensure!(!error.remedy().is_empty(), "{what}: no remedy with: {error}");
        }
    }
    ensure!(anchored(chain, gateway).await? == before, "{what}: rejected, but the last anchor changed");
    Ok(())
}

async fn anchored(chain: &ChainClient, gateway: &FakeGateway) -> Result<Option<(u64, Hash)>> {
    let anchor = chain.latest_anchor(gateway.log()).await?;
    Ok(anchor.map(|anchor| (anchor.checkpoint.size, anchor.checkpoint.root)))
}
