//! Every program has a help text, cleans up when it is stopped, and writes no colours into a pipe.

use anyhow::{ensure, Context, Result};
use rustix::process::{kill_process, Pid, Signal};
use std::{
    fs,
    process::{Command, Stdio},
};
use streembit_tests::{binary, run_test, wait_until};

/// The programs of this crate.
const PROGRAMS: [&str; 8] = [
    env!("CARGO_BIN_EXE_streembit-demo"),
    env!("CARGO_BIN_EXE_streembit-network"),
    env!("CARGO_BIN_EXE_streembit-crash"),
    env!("CARGO_BIN_EXE_streembit-bench-log"),
    env!("CARGO_BIN_EXE_streembit-bench-chain"),
    env!("CARGO_BIN_EXE_streembit-bench-scale"),
    env!("CARGO_BIN_EXE_streembit-bench-gateway"),
    env!("CARGO_BIN_EXE_streembit-fuzz-seeds"),
];

#[test]
fn every_program_has_a_help_text_and_starts_nothing() {
    run_test("help", |env| {
        let shipped = [binary("streembit")?, binary("streembit-node")?];
        for program in shipped.into_iter().chain(PROGRAMS.map(Into::into)) {
            let output = Command::new(&program).arg("--help").env("TMPDIR", env.dir()).output()?;
            let text = String::from_utf8_lossy(&output.stdout);
            ensure!(output.status.success() && text.contains("Usage"), "{}: {output:?}", program.display());
            ensure!(!text.contains('\x1b'), "{} writes colours into a pipe", program.display());
        }
        let left: Vec<_> = fs::read_dir(env.dir())?.flatten().map(|entry| entry.file_name()).collect();
        ensure!(left == ["passphrase"], "{left:?}");
        Ok(())
    });
}

/// The demo needs the emulator of an OBD adapter; the benchmark of the gateway needs only the node.
#[test]
fn a_program_that_is_stopped_leaves_no_folder() {
    run_test("sigterm", |env| {
        let folder = env.dir().join("tmp");
        fs::create_dir(&folder)?;
        let mut child = Command::new(env!("CARGO_BIN_EXE_streembit-bench-gateway"))
            .env("TMPDIR", &folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        // Its folder is there as soon as a slot for tests is free; the slots are in the same folder.
        let folders = || -> Result<usize> {
            Ok(fs::read_dir(&folder)?.flatten().filter(|entry| entry.path().is_dir()).count())
        };
        wait_until("the program has started a node", 60, || {
            ensure!(folders()? > 0, "no folder yet");
            let started =
                fs::read_dir(&folder)?.flatten().any(|entry| entry.path().join("node.log").is_file());
            ensure!(started, "no node yet");
            Ok(())
        })?;
        let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("a process without an id")?;
        kill_process(id, Signal::TERM)?;
        let ended = child.wait()?;
        ensure!(ended.code() == Some(143), "{ended}");
        ensure!(folders()? == 0, "a folder is left in {}", folder.display());
        Ok(())
    });
}
