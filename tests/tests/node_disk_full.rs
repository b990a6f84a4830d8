//! A validator's disk fills up: the node stops before it is full, waits, and continues as soon as there is space.

use anyhow::{ensure, Context, Result};
use rustix::fs::{fallocate, statvfs, FallocateFlags};
use std::{
    fs::{self, File},
    path::Path,
};
use streembit_tests::{crash::Disk, run_test, wait_until, Node, TestEnv};

#[test]
fn a_node_on_a_full_disk_waits_for_space_and_continues() {
    run_test("disk-full", |env| fill_and_free(env, 2));
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn thirty_rounds_of_a_full_disk_end_in_thirty_recoveries() {
    run_test("disk-full-30", |env| fill_and_free(env, 30));
}

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
        let lines = waiting_lines(&mut node)?;
        let filler = disk.folder().join("filler");
        fill(disk.folder(), &filler)?;
        wait_until("the node waits for space", 60, || {
            node.process()?.check_running()?;
            ensure!(waiting_lines(&mut node)? > lines, "round {round}");
            Ok(())
        })?;
        // In every second round the power button is pressed as well.
        let is_killed = round % 2 == 1;
        if is_killed {
            node.kill()?;
            node.launch()?;
        }
        fs::remove_file(&filler)?;
        node.wait_until_ready()?;
        node.wait_until_finalized(before + 4, 120)?;
    }
    Ok(())
}

/// The space that is left on the disk: less than the node's minimum.
const LEFT: u64 = 48 << 20;

/// Fills the disk with a file, apart from the space that is left.
fn fill(folder: &Path, filler: &Path) -> Result<()> {
    let free = statvfs(folder)?;
    let size = (free.f_bavail * free.f_frsize).checked_sub(LEFT).context("the disk is full already")?;
    Ok(fallocate(File::create(filler)?, FallocateFlags::empty(), 0, size)?)
}

/// Returns how often the log says that the node waits for space.
fn waiting_lines(node: &mut Node) -> Result<usize> {
    Ok(node.process()?.log().matches("the node starts as soon as there are").count())
}
