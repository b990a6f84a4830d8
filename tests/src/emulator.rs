//! The foreign ELM327: PyPI's `ELM327-emulator` on a pseudo-terminal.

use crate::{foreign_venv, process::bound_command, until, Process, Scene};
use anyhow::{ensure, Context, Result};
use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

/// A running emulator of a car. Its pseudo-terminal is another after each start; the link stays, as udev's names do.
pub struct Emulator {
    process: Option<Process>,
    link: PathBuf,
    said: PathBuf,
    log: PathBuf,
    dir: PathBuf,
}

impl Emulator {
    /// Starts one with the scenario `car` and links its terminal as `NAME` in the scene's folder.
    pub fn start(scene: &Scene, name: &str) -> Result<Self> {
        let mut emulator = Self {
            process: None,
            link: scene.dir().join(name),
            said: scene.dir().join(format!("{name}.emulator.out")),
            log: scene.dir().join(format!("{name}.emulator.log")),
            dir: scene.dir().to_owned(),
        };
        emulator.restart()?;
        Ok(emulator)
    }

    /// The path that a gateway is configured with.
    pub fn port(&self) -> &Path {
        &self.link
    }

    /// Kills it: the terminal vanishes under the gateway's hands.
    pub fn kill(&mut self) -> Result<()> {
        // The link first: the kernel gives the terminal's number to whoever comes next.
        if self.link.is_symlink() {
            fs::remove_file(&self.link)?;
        }
        if let Some(mut process) = self.process.take() {
            process.kill()?;
        }
        Ok(())
    }

    /// Starts it, again if need be; its odometer is the scenario's until it is set.
    pub fn restart(&mut self) -> Result<()> {
        self.kill()?;
        fs::write(&self.said, "")?;
        let mut command = bound_command(foreign_venv()?.join("bin/elm"));
        // It writes an elm.log to where it runs.
        command.args(["-s", "car", "-b"]).arg(&self.said).current_dir(&self.dir);
        let mut process = Process::start("the emulator", command, &self.log)?;
        let terminal = until("the emulator names its terminal", 30, || {
            process.check_running()?;
            let said = fs::read_to_string(&self.said)?;
            ensure!(said.contains("batch mode STARTED"), "it says {said:?}");
            Ok(said.lines().next().unwrap_or_default().to_owned())
        })?;
        ensure!(terminal.starts_with("/dev/"), "the emulator's first line is no device: {terminal:?}");
        symlink(terminal, &self.link)?;
        self.process = Some(process);
        Ok(())
    }

    /// Sets what it answers to 01 A6 from now on, in tenths of a kilometre.
    pub fn set_odometer(&mut self, tenths: u32) -> Result<()> {
        let bytes: Vec<String> = tenths.to_be_bytes().iter().map(|byte| format!("{byte:02X}")).collect();
        let bytes = bytes.join(" ");
        let before = fs::read_to_string(&self.said)?.len();
        let process = self.process.as_mut().context("the emulator does not run")?;
        // The first two bytes of an answer are its mode and its parameter.
        let input = process.input()?;
        writeln!(input, "edit ODOMETER 2 {bytes}")?;
        input.flush()?;
        until("the emulator takes the odometer", 10, || {
            let said = fs::read_to_string(&self.said)?;
            let new = said.get(before..).unwrap_or_default();
            ensure!(new.contains(&format!("A6 {bytes}")), "it says {new:?}");
            Ok(())
        })
    }
}

/// What the scenario `car` answers to 01 A6, in tenths of a kilometre, read from the emulator's own tables.
pub fn odometers_of_the_car_scenario() -> Result<BTreeSet<u32>> {
    let program = "import json, re\n\
        from elm.obd_message import ObdMessage\n\
        answers = ObdMessage['car']['ODOMETER']['Response']\n\
        print(json.dumps([re.search('A6 ([0-9A-F ]+)<', a).group(1).replace(' ', '') for a in answers]))\n";
    let output =
        std::process::Command::new(foreign_venv()?.join("bin/python")).args(["-c", program]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answers: Vec<String> = serde_json::from_slice(&output.stdout)?;
    answers.iter().map(|hex| u32::from_str_radix(hex, 16).context("an odometer of the emulator")).collect()
}
