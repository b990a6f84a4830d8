//! Alice's home: a dev chain, her gateway on it, its devices registered. Where most stories begin.

use crate::{dev_key, until, Gateway, LogState, Meter, Node, Output, Scene, Settings};
use anyhow::{ensure, Context, Result};
use serde_json::Value;
use std::{ffi::OsStr, path::PathBuf};
use streembit_primitives::device::RegistrationConsent;

/// A dev chain with one gateway, which belongs to Alice; Bob is the workshop, Charlie the stranger.
pub struct Home<'s> {
    /// Where it all happens.
    pub scene: &'s Scene,
    /// The chain.
    pub node: Node,
    /// The gateway.
    pub gateway: Gateway,
}

impl Scene {
    /// The keystore of one of the dev chain's well-known accounts.
    pub fn key(&self, name: &str) -> Result<PathBuf> {
        let path = self.dir().join(format!("{name}.key"));
        if !path.exists() {
            self.streembit(["key", "dev", name, "--out"]).arg(&path).ok()?;
        }
        Ok(path)
    }

    /// The account of one of the dev chain's well-known accounts, as the command line shows it.
    pub fn account(&self, name: &str) -> Result<String> {
        let shown = self.streembit(["key", "show", "--key"]).arg(self.key(name)?).json()?;
        text(&shown, "/account")
    }
}

impl<'s> Home<'s> {
    /// The node and the gateway in one process: `streembit-node --dev --gateway FILE`.
    pub fn in_one_process(scene: &'s Scene, settings: Settings) -> Result<Self> {
        let gateway = Gateway::init(scene, "gateway", settings)?;
        let mut node = Node::with_gateway(scene, gateway.config())?;
        gateway.configure(&node.url())?;
        node.start()?;
        let mut home = Self { scene, node, gateway };
        home.gateway.ready()?;
        home.register()?;
        Ok(home)
    }

    /// The node and the gateway in processes of their own.
    pub fn in_two_processes(scene: &'s Scene, settings: Settings) -> Result<Self> {
        let mut gateway = Gateway::init(scene, "gateway", settings)?;
        let node = Node::dev(scene)?;
        gateway.start(&node)?;
        let home = Self { scene, node, gateway };
        home.register()?;
        Ok(home)
    }

    /// Registers the gateway as Alice's, and the devices that it signs for; see [`Self::register_meter`] for the others.
    pub fn register(&self) -> Result<()> {
        let alice = self.scene.key("alice")?;
        self.on_chain(["gateway", "register", "--config"])
            .arg(self.gateway.config())
            .arg("--key")
            .arg(&alice)
            .ok()?;
        for device in self.gateway.devices().iter().filter(|device| !device.signs) {
            self.register_command(&device.name)?.ok()?;
        }
        Ok(())
    }

    /// Registers a device that signs itself as Alice's; its key consents.
    pub fn register_meter(&self, name: &str, meter: &Meter) -> Result<()> {
        let registration = RegistrationConsent {
            genesis: self.node.block_hash(0)?.parse()?,
            key: meter.key(),
            owner: dev_key("alice")?.account(),
            gateway: self.gateway.account()?,
        };
        let consent = self.scene.dir().join(format!("{name}.consent"));
        std::fs::write(&consent, format!("{:?}\n", meter.consent(&registration)))?;
        self.register_command(name)?.arg("--consent").arg(consent).ok()?;
        Ok(())
    }

    fn register_command(&self, device: &str) -> Result<crate::Command<'s>> {
        let command = self.on_chain(["device", "register", "--device", device, "--config"]);
        Ok(command.arg(self.gateway.config()).arg("--key").arg(self.scene.key("alice")?))
    }

    /// A command that talks to this home's node.
    pub fn on_chain<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> crate::Command<'s> {
        self.scene.streembit(arguments).node(&self.node.url())
    }

    /// The id of one of the gateway's devices.
    pub fn device_id(&self, name: &str) -> Result<String> {
        let devices = self.gateway.get("/v1/devices")?;
        let devices = devices
            .as_array()
            .or_else(|| devices.get("devices")?.as_array())
            .context("no list of devices")?;
        let device = devices
            .iter()
            .find(|device| device.get("name").and_then(Value::as_str) == Some(name))
            .with_context(|| format!("the gateway has no device {name}: {devices:?}"))?;
        text(device, "/id")
    }

    /// Pipes SenML lines into `streembit event add`.
    pub fn add(&self, device: &str, lines: &str) -> crate::Command<'s> {
        self.scene
            .streembit(["event", "add", "--device", device, "--config"])
            .arg(self.gateway.config())
            .input(lines)
    }

    /// Waits until every entry that the log has now is under a finalized anchor.
    pub fn anchored(&self) -> Result<LogState> {
        let size = self.gateway.log_state()?.size;
        self.anchored_to(size)
    }

    /// Waits until `size` entries are under a finalized anchor.
    pub fn anchored_to(&self, size: u64) -> Result<LogState> {
        until(&format!("{size} entries are anchored and finalized"), 90, || {
            let state = self.gateway.log_state()?;
            ensure!(state.anchored >= size, "{state:?}");
            Ok(state)
        })
    }

    /// Runs `streembit audit device`; whatever it finds.
    pub fn audit(&self, device: &str) -> Result<Output> {
        self.audit_command(device).run()
    }

    /// The same for programs; anything but a verified history is an error.
    pub fn audit_json(&self, device: &str) -> Result<Value> {
        self.audit_command(device).json()
    }

    fn audit_command(&self, device: &str) -> crate::Command<'s> {
        self.on_chain(["audit", "device", device, "--config"]).arg(self.gateway.config())
    }
}

/// A text in a JSON value, by its path.
pub fn text(value: &Value, path: &str) -> Result<String> {
    let found = value.pointer(path).and_then(Value::as_str);
    Ok(found.with_context(|| format!("no text at {path} of {value}"))?.to_owned())
}

/// A whole number in a JSON value, by its path.
pub fn number(value: &Value, path: &str) -> Result<u64> {
    value
        .pointer(path)
        .and_then(Value::as_u64)
        .with_context(|| format!("no whole number at {path} of {value}"))
}
