//! Running the Python programs of `tests/clients`, which use foreign libraries.

use crate::{foreign_venv, process::bound_command, Process, Scene};
use anyhow::{ensure, Context, Result};
use serde_json::Value;
use std::{
    fs::{self, File},
    path::Path,
};

/// How long a program may take, in seconds: it waits for several transactions to be final.
const LIMIT: u64 = 300;

impl Scene {
    /// Runs one to its end; gives the JSON value that it printed.
    pub fn python(&self, program: &str, arguments: &[&str]) -> Result<Value> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(program);
        let said = self.dir().join(format!("{program}.out"));
        let log = self.dir().join(format!("{program}.log"));
        let mut command = bound_command(foreign_venv()?.join("bin/python"));
        // No folder of compiled modules in the sources.
        command.arg("-B").arg(path).args(arguments);
        let mut process = Process::start_into(program, command, File::create(&said)?, &log)?;
        let status = process.wait_for_exit(LIMIT)?;
        ensure!(status.success(), "{program} ended with {status}: {}", process.log());
        let said = fs::read_to_string(&said)?;
        serde_json::from_str(&said).with_context(|| format!("{program}: not one JSON value: {said:?}"))
    }
}
