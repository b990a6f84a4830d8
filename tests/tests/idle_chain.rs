//! An idle chain makes no blocks and does not vote. A transaction is still included at once and becomes final.

use anyhow::{ensure, Result};
use std::{thread, time::Duration};
use streembit_tests::{run_test, Node};

/// The idle time: ten slots.
const IDLE: Duration = Duration::from_secs(20);

#[test]
fn an_idle_chain_makes_no_blocks_until_a_transaction_arrives() {
    run_test("idle", |env| {
        let mut node = Node::new(env, "node", ["--dev", "--heartbeat=300"])?;
        node.start()?;
        node.wait_until_finalized(1, 60)?;
        let key = env.dev_keystore("bob")?;
        for name in ["eve", "ferdie"] {
            let before = progress(&node)?;
            thread::sleep(IDLE);
            let after = progress(&node)?;
            // One heartbeat block may be among them. Without suppression there would be ten blocks.
            ensure!(
                after.finalized <= before.finalized + 3 && after.round <= before.round + 6,
                "an idle chain makes progress: {before:?}, {after:?}"
            );
            // The command waits for finality, and gives up before the next heartbeat.
            let account = env.dev_account(name)?;
            let ask = env.streembit(["consortium", "remove-party", &account, "--key"]).arg(&key);
            ask.node(&node.url()).ok()?;
            ensure!(progress(&node)?.finalized > after.finalized, "the transaction is in no block");
        }
        Ok(())
    });
}

/// The progress of finality.
#[derive(Debug)]
struct Progress {
    finalized: u64,
    round: u64,
}

fn progress(node: &Node) -> Result<Progress> {
    Ok(Progress { finalized: node.finalized()?, round: node.voting_round()? })
}
