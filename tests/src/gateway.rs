//! Gateways: their folder, their configuration, their process and their local API.

use crate::{
    binary, free_port,
    home::{number, text},
    process::bound_command,
    until, Node, Process, Scene,
};
use anyhow::{ensure, Context, Result};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use streembit_primitives::{AccountId, Part, Reading};

/// What differs between the gateways of the tests.
#[derive(Clone)]
pub struct Settings {
    /// The devices.
    pub devices: Vec<Device>,
    /// Anchor after so many events.
    pub anchor_events: u64,
    /// Anchor after so many seconds.
    pub anchor_seconds: u64,
}

/// A device of a gateway's configuration.
#[derive(Clone)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Whether it signs its own events.
    pub signs: bool,
    /// Its `[[device]]` table, in TOML.
    table: String,
}

/// A gateway's folder and API; its process too, where it has one of its own.
pub struct Gateway {
    dir: PathBuf,
    config: PathBuf,
    passphrase_file: PathBuf,
    api_port: u16,
    delivery_port: u16,
    log: PathBuf,
    settings: Settings,
    process: Option<Process>,
    client: reqwest::Client,
    runtime: tokio::runtime::Handle,
}

/// How far a gateway's log and its anchor on the chain are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogState {
    /// The entries of the log.
    pub size: u64,
    /// The entries under the last finalized anchor; 0 before the first.
    pub anchored: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { devices: Vec::new(), anchor_events: 20, anchor_seconds: 2 }
    }
}

impl Settings {
    /// With a device whose readings come by the API or the command line, signed by the gateway.
    pub fn hosted(self, name: &str) -> Self {
        self.with(name, "")
    }

    /// With a device that signs itself; `key` as `sr25519:HEX`.
    pub fn signing(self, name: &str, key: &str) -> Self {
        self.with(name, &format!("key = \"{key}\"\n"))
    }

    /// With a car behind an ELM327; `port` as the configuration has it: a serial port's path, or `tcp://HOST:PORT`.
    pub fn car(self, name: &str, port: &str) -> Self {
        let baud = if port.starts_with("tcp://") { "" } else { "baud = 38400\n" };
        self.with(name, &format!("[device.obd]\nport = \"{port}\"\n{baud}every_seconds = 1\n"))
    }

    fn with(mut self, name: &str, rest: &str) -> Self {
        let table = format!("[[device]]\nname = \"{name}\"\n{rest}");
        self.devices.push(Device { name: name.to_owned(), signs: rest.starts_with("key"), table });
        self
    }
}

impl Gateway {
    /// Makes a gateway's folder with `streembit gateway init`, then writes its configuration.
    pub fn init(scene: &Scene, name: &str, settings: Settings) -> Result<Self> {
        let dir = scene.dir().join(name);
        scene
            .streembit(["gateway", "init", "--name", name, "--dir"])
            .arg(&dir)
            .arg("--passphrase-file")
            .arg(scene.passphrase_file())
            .ok()?;
        let gateway = Self {
            config: dir.join("gateway.toml"),
            passphrase_file: scene.passphrase_file(),
            api_port: free_port()?,
            delivery_port: free_port()?,
            log: scene.dir().join(format!("{name}.log")),
            settings,
            process: None,
            client: reqwest::Client::builder().timeout(Duration::from_secs(30)).build()?,
            runtime: scene.handle(),
            dir,
        };
        gateway.configure("ws://127.0.0.1:1")?;
        Ok(gateway)
    }

    /// Writes its configuration, for the node at `url`.
    pub fn configure(&self, url: &str) -> Result<()> {
        Ok(fs::write(&self.config, self.toml(url, &self.dir.join("data")))?)
    }

    /// Its configuration over another data folder, such as a copy; written beside its own.
    pub fn configure_copy(&self, url: &str, data: &Path, name: &str) -> Result<PathBuf> {
        let path = self.dir.join(format!("{name}.toml"));
        fs::write(&path, self.toml(url, data))?;
        Ok(path)
    }

    fn toml(&self, url: &str, data: &Path) -> String {
        let (dir, data, passphrase) = (self.dir.display(), data.display(), self.passphrase_file.display());
        let (api, delivery) = (self.api_port, self.delivery_port);
        let Settings { devices, anchor_events, anchor_seconds } = &self.settings;
        format!(
            "[gateway]\nname = \"gateway\"\ndata_dir = \"{data}\"\nkey_file = \"{dir}/gateway.key\"\n\
             passphrase_file = \"{passphrase}\"\n\
             [node]\nurl = \"{url}\"\n\
             [api]\nsocket = \"{dir}/gateway.sock\"\ntcp = \"127.0.0.1:{api}\"\ntoken_file = \"{dir}/api.token\"\n\
             [anchor]\nevery_events = {anchor_events}\nevery_seconds = {anchor_seconds}\n\
             [delivery]\nlisten = [\"/ip4/127.0.0.1/tcp/{delivery}\", \"/ip4/127.0.0.1/udp/{delivery}/quic-v1\"]\n\
             mdns = false\n{}",
            devices.iter().map(|device| device.table.as_str()).collect::<String>()
        )
    }

    /// Starts its own process and waits until its API answers.
    pub fn start(&mut self, node: &Node) -> Result<()> {
        self.start_at(&node.url())
    }

    /// Starts its own process, for a node at `url` that need not be there.
    pub fn start_at(&mut self, url: &str) -> Result<()> {
        self.configure(url)?;
        self.process = Some(self.spawn(&self.config)?);
        self.ready()
    }

    /// Starts `streembit gateway run` with a configuration, and does not wait.
    pub fn spawn(&self, config: &Path) -> Result<Process> {
        let mut command = bound_command(binary("streembit")?);
        command.args(["gateway", "run", "--config"]).arg(config);
        Process::start("the gateway", command, &self.log)
    }

    /// Waits until its API answers.
    pub fn ready(&mut self) -> Result<()> {
        until("the gateway's API answers", 60, || {
            if let Some(process) = &mut self.process {
                process.check_running()?;
            }
            self.get("/v1/status")
        })?;
        Ok(())
    }

    /// Its own process.
    pub fn process(&mut self) -> Result<&mut Process> {
        self.process.as_mut().context("the gateway has no process of its own")
    }

    /// Stops its own process in good order.
    pub fn stop(&mut self) -> Result<()> {
        let status = self.process()?.stop()?;
        self.process = None;
        ensure!(status.success(), "the gateway ended with {status} when it was asked to stop");
        Ok(())
    }

    /// Where other parties reach it, over `tcp` or `quic`, with its peer id.
    pub fn delivery_address(&self, transport: &str) -> Result<String> {
        let command = std::process::Command::new(binary("streembit")?)
            .args(["--json", "gateway", "account", "--config"])
            .arg(&self.config)
            .env("STREEMBIT_PASSPHRASE_FILE", &self.passphrase_file)
            .output()?;
        ensure!(command.status.success(), "{}", String::from_utf8_lossy(&command.stderr));
        let peer = text(&serde_json::from_slice(&command.stdout)?, "/peer")?;
        let port = self.delivery_port;
        let way = if transport == "quic" { format!("udp/{port}/quic-v1") } else { format!("tcp/{port}") };
        Ok(format!("/ip4/127.0.0.1/{way}/p2p/{peer}"))
    }

    /// The TCP ports that it listens on: the API's and the delivery's.
    pub fn ports(&self) -> [u16; 2] {
        [self.api_port, self.delivery_port]
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its configuration's path.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Its data's folder.
    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// Its devices.
    pub fn devices(&self) -> &[Device] {
        &self.settings.devices
    }

    /// Its account.
    pub fn account(&self) -> Result<AccountId> {
        Ok(streembit_keystore::account::parse(&text(&self.get("/v1/status")?, "/account")?)?)
    }

    /// How far its log and its anchor are.
    pub fn log_state(&self) -> Result<LogState> {
        let log = self.get("/v1/log")?;
        let anchored = match log.get("anchor").context("no anchor, not even null")? {
            Value::Null => 0,
            anchor => number(anchor, "/checkpoint/size")?,
        };
        Ok(LogState { size: number(&log, "/size")?, anchored })
    }

    /// The condition of one of its parts: state, and problem and remedy or detail.
    pub fn component(&self, name: &str) -> Result<Value> {
        let status = self.get("/v1/status")?;
        let components = status.get("components").and_then(Value::as_array).context("no components")?;
        let found = components.iter().find(|part| part.get("name").and_then(Value::as_str) == Some(name));
        Ok(found.with_context(|| format!("no component {name} in {status}"))?.clone())
    }

    /// Waits until one of its parts is in a state: `running`, `retrying`, `alarm`.
    pub fn part_is(&self, name: &str, state: &str, seconds: u64) -> Result<Value> {
        until(&format!("{name} is {state}"), seconds, || {
            let component = self.component(name)?;
            ensure!(component.get("state").and_then(Value::as_str) == Some(state), "{component}");
            Ok(component)
        })
    }

    /// All events of a device, oldest first.
    pub fn events(&self, device: &str) -> Result<Vec<Value>> {
        let mut events: Vec<Value> = Vec::new();
        loop {
            let page = self.get(&format!("/v1/devices/{device}/events?from={}&limit=500", events.len()))?;
            let page =
                page.as_array().or_else(|| page.get("events")?.as_array()).context("no list of events")?;
            if page.is_empty() {
                return Ok(events);
            }
            events.extend(page.iter().cloned());
        }
    }

    /// The readings of a name among the events of a device, oldest first.
    pub fn readings(&self, device: &str, name: &str) -> Result<Vec<Reading>> {
        let mut found = Vec::new();
        for event in self.events(device)? {
            let parts = event.get("parts").cloned().unwrap_or(Value::Null);
            let parts: Option<Vec<Part>> = serde_json::from_value(parts).context("the parts of an event")?;
            found.extend(parts.unwrap_or_default().into_iter().filter_map(|part| match part {
                Part::Reading(reading) if reading.name.as_str() == name => Some(reading),
                _ => None,
            }));
        }
        Ok(found)
    }

    /// The same gateway's API, for another thread.
    pub fn api(&self) -> Self {
        Self {
            dir: self.dir.clone(),
            config: self.config.clone(),
            passphrase_file: self.passphrase_file.clone(),
            log: self.log.clone(),
            settings: self.settings.clone(),
            process: None,
            client: self.client.clone(),
            runtime: self.runtime.clone(),
            ..*self
        }
    }

    /// A GET of its local API, over loopback TCP with the token.
    pub fn get(&self, path: &str) -> Result<Value> {
        let request = self.client.get(self.at(path));
        self.answer(path, request)
    }

    /// What Prometheus reads of it.
    pub fn metrics(&self) -> Result<String> {
        let request = self.client.get(self.at("/metrics")).bearer_auth(self.token()?);
        Ok(self.runtime.block_on(async { request.send().await?.error_for_status()?.text().await })?)
    }

    /// A POST of JSON to its local API.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.client.post(self.at(path)).json(body);
        self.answer(path, request)
    }

    /// A request of its local API with what authenticates it, for tests that send on their own.
    pub fn request(&self, path: &str) -> Result<reqwest::RequestBuilder> {
        Ok(self.client.post(self.at(path)).bearer_auth(self.token()?))
    }

    fn answer(&self, path: &str, request: reqwest::RequestBuilder) -> Result<Value> {
        let request = request.bearer_auth(self.token()?);
        self.runtime.block_on(async {
            let response = request.send().await?;
            let status = response.status();
            let text = response.text().await?;
            ensure!(status.is_success(), "{path}: {status}: {text}");
            serde_json::from_str(&text).with_context(|| format!("{path}: not JSON: {text}"))
        })
    }

    fn at(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.api_port)
    }

    fn token(&self) -> Result<String> {
        let path = self.dir.join("api.token");
        let token = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        Ok(token.trim().to_owned())
    }
}
