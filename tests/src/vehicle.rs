//! Our own driving vehicle: `streembit simulate vehicle` in a process of its own.

use crate::{binary, process::bound_command, until, Process, Scene};
use anyhow::{ensure, Result};
use std::path::{Path, PathBuf};

/// A simulated vehicle on a pseudo-terminal.
pub struct Vehicle {
    link: PathBuf,
    process: Process,
}

impl Vehicle {
    /// Starts driving at `speed` km/h with `odometer` km driven; its clock runs `time_scale` times faster than ours.
    pub fn start(scene: &Scene, odometer: u32, speed: u32, time_scale: u32) -> Result<Self> {
        let link = scene.dir().join("obd");
        let mut command = bound_command(binary("streembit")?);
        command.args(["simulate", "vehicle", "--link"]).arg(&link).args([
            "--odometer",
            &odometer.to_string(),
            "--speed",
            &speed.to_string(),
            "--time-scale",
            &time_scale.to_string(),
        ]);
        let mut process = Process::start("the vehicle", command, &scene.dir().join("vehicle.log"))?;
        until("the vehicle is on its serial port", 20, || {
            process.check_running()?;
            ensure!(link.exists(), "{} is not there", link.display());
            Ok(())
        })?;
        Ok(Self { link, process })
    }

    /// The serial port, as a gateway's configuration names it.
    pub fn port(&self) -> &Path {
        &self.link
    }

    /// Its process.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}
