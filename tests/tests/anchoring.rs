//! Two validators finalize, and refuse every anchor that does not extend what its own gateway anchored before.

use anyhow::{bail, ensure, Result};
use streembit::chain::{Call, ChainClient, ChainError};
use streembit_primitives::{merkle::ConsistencyProof, Hash};
use streembit_tests::{run_test, FakeGateway, FakeLog, Node};

#[test]
fn two_validators_finalize_and_refuse_wrong_anchors() {
    scene("validators", |env| {
        let mut alice = Node::new(env, "alice", ["--chain=local", "--alice"])?;
        alice.start()?;
        let bootnode = alice.address()?;
        let mut bob = Node::new(env, "bob", ["--chain=local", "--bob", "--bootnodes", &bootnode])?;
        bob.start()?;
        alice.wait_until_finalized(1, 90)?;
        bob.wait_until_finalized(1, 30)?;
        env.block_on(anchors_are_checked(&alice))?;

        // Both say the same of what is final, and neither finalizes alone.
        let number = alice.finalized()?;
        bob.wait_until_finalized(number, 60)?;
        ensure!(alice.block_hash(number)? == bob.block_hash(number)?, "two chains at block {number}");
        bob.kill()?;
        env.block_on(alone_nothing_is_final(&alice))?;
        let before = alice.finalized()?;
        bob.start()?;
        alice.wait_until_finalized(before + 1, 90)
    });
}

async fn anchors_are_checked(node: &Node) -> Result<()> {
    let chain = ChainClient::connect(node.connection()?).await?;
    let (first, second) = (FakeGateway::registered(&chain).await?, FakeGateway::registered(&chain).await?);
    let (log, other) = (FakeLog::new(40, 1), FakeLog::new(40, 2));
    let anchor =
        |size: u64, root: Hash, proof: ConsistencyProof| first.anchor(first.log(), size, root, proof);

    // Each refusal leaves the anchor where it was; the sound anchors between them are accepted.
    accepted(&chain, &first, anchor(7, log.root(7), log.consistency(0, 7))).await?;
    for (what, root, proof) in [
        ("a rewritten log with a proof of its own", other.root(20), other.consistency(7, 20)),
        ("a proof from another size", log.root(20), log.consistency(6, 20)),
        ("no proof", log.root(20), ConsistencyProof::new(vec![])),
        ("another root than the proof's", log.root(21), log.consistency(7, 20)),
    ] {
        refused(&chain, &first, anchor(20, root, proof), what, Some("Anchors::Inconsistent")).await?;
    }
    if let Call::Anchor { mut checkpoint, proof } = anchor(20, log.root(20), log.consistency(7, 20)) {
        checkpoint.heads_root = None;
        let call = Call::Anchor { checkpoint, proof };
        refused(&chain, &first, call, "no heads map", Some("Anchors::NoHeadsRoot")).await?;
    }
    accepted(&chain, &first, anchor(20, log.root(20), log.consistency(7, 20))).await?;
    for (what, size, root) in
        [("a smaller size", 7, log.root(7)), ("another log of the same size", 20, other.root(20))]
    {
        let proof = log.consistency(size, size);
        refused(&chain, &first, anchor(size, root, proof), what, Some("Anchors::NotLarger")).await?;
    }

    // Signed by a gateway, but not by the log's own.
    let sound = second.anchor(first.log(), 33, log.root(33), log.consistency(20, 33));
    refused(&chain, &second, sound, "somebody else's log", Some("Anchors::NotYourLog")).await?;
    ensure!(anchored(&chain, &first).await? == Some((20, log.root(20))), "a refused anchor moved the log");
    accepted(&chain, &first, anchor(33, log.root(33), log.consistency(20, 33))).await?;

    // An account that no party took in gets nothing into a block at all.
    let stranger = FakeGateway::new();
    let call = stranger.anchor(stranger.log(), 7, log.root(7), log.consistency(0, 7));
    refused(&chain, &stranger, call, "a stranger", None).await
}

async fn alone_nothing_is_final(node: &Node) -> Result<()> {
    let chain = ChainClient::connect(node.connection()?).await?;
    let before = chain.finalized().await?;
    let attempt =
        tokio::time::timeout(std::time::Duration::from_secs(15), FakeGateway::registered(&chain)).await;
    ensure!(attempt.is_err(), "one of two validators finalized alone");
    // The last vote of the other may still have been on its way.
    ensure!(chain.finalized().await?.number <= before.number + 2, "finality went on alone");
    Ok(())
}

async fn accepted(chain: &ChainClient, gateway: &FakeGateway, call: Call) -> Result<()> {
    let Call::Anchor { checkpoint, .. } = &call else { bail!("no anchor: {call:?}") };
    let wanted = (checkpoint.size, checkpoint.root);
    chain.submit(&gateway.keys, call).await?;
    ensure!(anchored(chain, gateway).await? == Some(wanted), "accepted, but it is not the anchor");
    Ok(())
}

/// The call is refused, for this reason of the runtime; `None` where it must not even reach a block.
async fn refused(
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
            let stranger = matches!(error, ChainError::Stranger { .. });
            ensure!(error.dispatch_error() == reason && stranger == reason.is_none(), "{what}: {error}");
            ensure!(!error.remedy().is_empty(), "{what}: no remedy with: {error}");
        }
    }
    ensure!(anchored(chain, gateway).await? == before, "{what}: refused, but the anchor moved");
    Ok(())
}

async fn anchored(chain: &ChainClient, gateway: &FakeGateway) -> Result<Option<(u64, Hash)>> {
    let anchor = chain.latest_anchor(gateway.log()).await?;
    Ok(anchor.map(|anchor| (anchor.checkpoint.size, anchor.checkpoint.root)))
}
