//! The power of a validator's box goes: whatever it has voted for is on its disk, and so is that it has.

use anyhow::{ensure, Context, Result};
use serde_json::json;
use streembit_tests::{crash::Disk, run_test, u64_at, wait_until, Node};

#[test]
fn a_vote_and_its_block_survive_the_power_cut_after_it() {
    run_test("power-cut", |env| {
        let mut disk = Disk::create(env.dir())?;
        if !disk.is_own() {
            eprintln!("!!! NOT TESTED HERE: power cuts, which need root and a loop device");
            return Ok(());
        }
        // The disk is the folder of this name, and so the node's base path.
        let mut node = Node::new(env, "disk", ["--dev"])?;
        node.start()?;
        node.wait_until_finalized(1, 60)?;
        // What is written from here on nobody has the disk take, but for the node.
        disk.sync()?;
        let before = node.finalized()?;
        node.wait_until_finalized(before + 3, 60)?;
        // The only voter: what is final it has voted for, and every round before this one ended with its vote.
        let round = current_round(&node)?;
        let voted = node.finalized()?;
        let hash = node.block_hash(voted)?;

        disk.power_off()?;
        node.kill()?;
        disk.power_on()?;
        node.start()?;
        let found = node.block_hash(voted).context("what was voted for is lost")?;
        ensure!(found == hash, "another block {voted}: {found}, and {hash} was voted for");
        let again = wait_until("it has a round to vote in", 30, || current_round(&node))?;
        ensure!(again + 1 >= round, "it votes in round {again} once more, and was in round {round}");
        node.wait_until_finalized(voted + 1, 60)
    });
}

/// The round in which the node votes.
fn current_round(node: &Node) -> Result<u64> {
    u64_at(&node.rpc("grandpa_roundState", json!([]))?, "/best/round")
}
