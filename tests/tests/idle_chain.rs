//! A chain that nobody asks anything makes no blocks and does not vote; what then comes gets into a block and becomes final.

use anyhow::{ensure, Result};
use serde_json::json;
use std::{thread, time::Duration};
use streembit_tests::{run_test, u64_at, Node};

/// For so long nothing is asked of it: ten slots.
const IDLE: Duration = Duration::from_secs(20);

#[test]
fn an_idle_chain_stands_still_until_a_transaction_comes() {
    scene("idle", |env| {
        let mut node = Node::new(env, "node", ["--dev", "--heartbeat=300"])?;
        node.start()?;
        node.wait_until_finalized(1, 60)?;
        let key = env.dev_keystore("bob")?;
        for name in ["eve", "ferdie"] {
            let before = so_far(&node)?;
            thread::sleep(IDLE);
            let after = so_far(&node)?;
            // One block as a heartbeat may be among them; the slots alone would make ten.
            ensure!(
                after.0 <= before.0 + 3 && after.1 <= before.1 + 6,
                "an idle chain goes on, blocks and rounds: {before:?}, {after:?}"
            );
            // The command waits until it is final, and gives up before the next heartbeat.
            let account = env.dev_account(name)?;
            let ask = env.streembit(["consortium", "remove-party", &account, "--key"]).arg(&key);
            ask.node(&node.url()).ok()?;
            ensure!(so_far(&node)?.0 > after.0, "a transaction without a block");
        }
        Ok(())
    });
}

/// The last finalized block, and the round of votes.
fn so_far(node: &Node) -> Result<(u64, u64)> {
    Ok((node.finalized()?, u64_at(&node.rpc("grandpa_roundState", json!([]))?, "/best/round")?))
}
