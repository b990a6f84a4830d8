//! A gateway over a node of a network: what goes on logging, whatever becomes of the chain.

use crate::{until, Gateway, LogState, Network, Scene, Settings};
use anyhow::{ensure, Result};
use std::ffi::OsStr;

/// One reading as the command line takes it.
const READING: &str = "[{\"n\":\"temperature\",\"u\":\"Cel\",\"v\":4.5}]\n";

/// A gateway of Alice's with one device, `shed`, which the gateway signs for.
pub struct Shed<'s> {
    scene: &'s Scene,
    /// The gateway.
    pub gateway: Gateway,
}

impl<'s> Shed<'s> {
    /// Starts it over a node of the network, and registers the gateway and the device.
    pub fn over(network: &mut Network<'s>, node: &str) -> Result<Self> {
        let scene = network.scene;
        let mut gateway = Gateway::init(scene, "gateway", Settings::default().hosted("shed"))?;
        gateway.start(network.node(node)?)?;
        let alice = scene.key("alice")?;
        let commands = [&["gateway", "register"][..], &["device", "register", "--device", "shed"]];
        for command in commands {
            let command = network.ask(node, command)?.arg("--config").arg(gateway.config());
            command.arg("--key").arg(&alice).ok()?;
        }
        Ok(Self { scene, gateway })
    }

    /// Logs so many events; each is acknowledged.
    pub fn add(&self, events: usize) -> Result<()> {
        let add = ["event", "add", "--device", "shed", "--config"];
        self.scene.streembit(add).arg(self.gateway.config()).input(READING.repeat(events)).ok()?;
        Ok(())
    }

    /// Waits until everything that is in the log now is under a final anchor.
    pub fn anchored(&self, seconds: u64) -> Result<()> {
        let size = self.gateway.log_state()?.size;
        until(&format!("{size} entries are anchored and final"), seconds, || {
            let state = self.gateway.log_state()?;
            ensure!(state.anchored >= size, "{state:?}");
            Ok(())
        })
    }

    /// Logs so many events while nothing can become final, and sees to it that they are logged and not anchored.
    pub fn logs_on(&self, events: usize) -> Result<LogState> {
        let before = self.gateway.log_state()?;
        self.add(events)?;
        let during = self.gateway.log_state()?;
        let grown = during.size.saturating_sub(before.size);
        ensure!(grown == u64::try_from(events)?, "the log stood still: {before:?}, {during:?}");
        ensure!(during.anchored <= before.size, "anchored, though nothing can be final: {during:?}");
        Ok(during)
    }

    /// A command of `streembit` on this gateway's configuration.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> crate::Command<'s> {
        self.scene.streembit(arguments).arg("--config").arg(self.gateway.config())
    }
}
