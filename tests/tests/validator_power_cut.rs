//! After a power cut of a validator, every block that it voted for is on its disk, and it does not vote again in a
//! round in which it has voted.

use anyhow::{ensure, Context};
use streembit_tests::{crash::Disk, run_test, wait_until, Node};

#[test]
fn a_vote_and_its_block_survive_a_power_cut() {
    run_test("power-cut", |env| {
        let mut disk = Disk::create(env.dir())?;
        if !disk.is_own_filesystem() {
            eprintln!("!!! NOT TESTED HERE: power cuts, which need root and a loop device");
            return Ok(());
        }
        // The node is named after the disk's folder, so the folder is its base path.
        let mut node = Node::new(env, "disk", ["--dev"])?;
        node.start()?;
        node.wait_until_finalized(1, 60)?;
        // From here on, only the node itself syncs.
        disk.sync()?;
        let before = node.finalized()?;
        node.wait_until_finalized(before + 3, 60)?;
        // It is the only voter, so it voted for every final block and in every round before the current one.
        let round = node.voting_round()?;
        let voted = node.finalized()?;
        let hash = node.block_hash(voted)?;

        disk.cut_power(node.process()?)?;
        node.kill()?;
        disk.power_on()?;
        node.start()?;
        let found = node.block_hash(voted).context("a block that it voted for is lost")?;
        ensure!(found == hash, "block {voted} is {found}, but it voted for {hash}");
        let again = wait_until("it reports a round", 30, || node.voting_round())?;
        ensure!(again + 1 >= round, "it votes in round {again} again, although it was in round {round}");
        node.wait_until_finalized(voted + 1, 60)
    });
}
