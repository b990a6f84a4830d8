//! A validator's disk fills up: the node stops before it is full, waits, and continues as soon as there is space.

use anyhow::{ensure, Result};
use std::{thread, time::Duration};
use streembit_tests::{
    crash::{Disk, DiskFiller},
    run_test, wait_until, Node, TestEnv,
};

#[test]
fn a_node_on_a_full_disk_waits_for_space_and_continues() {
    run_test("disk-full", |env| fill_and_free(env, 3));
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn thirty_rounds_of_fill_kill_and_free_end_in_thirty_recoveries() {
    run_test("disk-full-30", |env| fill_and_free(env, 30));
}

/// The space that is left on the disk: less than the node's minimum.
const LEFT: u64 = 48 << 20;

fn fill_and_free(env: &TestEnv, rounds: u32) -> Result<()> {
    let disk = Disk::create(env.dir())?;
    if !disk.is_own_filesystem() {
        eprintln!("!!! NOT TESTED HERE: a full disk, which needs root and a loop device");
        return Ok(());
    }
    // The node is named after the disk's folder, so the folder is its base path.
    let mut node = Node::new(env, "disk", ["--dev", "--min-free-disk=64"])?;
    node.start()?;
    for round in 0..rounds {
        let before = node.finalized()?;
        node.wait_until_finalized(before + 2, 60)?;
        let filler = fill(&disk, &mut node, round)?;
        drop(filler);
        node.wait_until_ready()?;
        node.wait_until_finalized(before + 4, 120)?;
    }
    Ok(())
}

/// Fills the disk, and kills the node in two of three rounds. Returns when the node waits for space.
fn fill(disk: &Disk, node: &mut Node, round: u32) -> Result<DiskFiller> {
    let lines = waiting_lines(node)?;
    let filler = match round % 3 {
        // The last byte is taken at once, and the power button is pressed while writes fail.
        2 => {
            let filler = disk.fill()?;
            thread::sleep(Duration::from_millis(u64::from(round) * 700 % 3_000));
            filler
        }
        _ => {
            let filler = disk.fill_leaving(LEFT)?;
            wait_until_it_waits(node, lines)?;
            filler
        }
    };
    if !round.is_multiple_of(3) {
        let lines = waiting_lines(node)?;
        node.kill()?;
        node.launch()?;
        wait_until_it_waits(node, lines)?;
    }
    Ok(filler)
}

fn wait_until_it_waits(node: &mut Node, lines: usize) -> Result<()> {
    wait_until("the node waits for space", 60, || {
        node.process()?.check_running()?;
        ensure!(waiting_lines(node)? > lines, "no new line says so");
        Ok(())
    })
}

/// Returns how often the log says that the node waits for space.
fn waiting_lines(node: &mut Node) -> Result<usize> {
    Ok(node.process()?.log().matches("the node starts as soon as there are").count())
}
