//! Nodes of the chain, and asking them over their RPC.

use crate::{
    binaries::{binary, runtime_cache},
    free_port,
    lan::{Door, Namespace},
    process::bound_command,
    until, Process, Scene, WrongClock,
};
use anyhow::{bail, ensure, Context, Result};
use codec::DecodeAll as _;
use serde_json::{json, Value};
use std::path::{Path, PathBuf};
use streembit_chain::NodeConnection;
use streembit_primitives::consortium::Consortium;

/// How often the nodes of the tests make a block, in seconds, while nothing waits: many tests wait for the chain's clock.
const HEARTBEAT: &str = "--heartbeat=2";

/// A `streembit-node`: its process, its database and its ports, which stay the same over restarts.
pub struct Node {
    name: String,
    arguments: Vec<String>,
    base: PathBuf,
    log: PathBuf,
    rpc_port: u16,
    p2p_port: u16,
    process: Option<Process>,
    runtime: tokio::runtime::Handle,
    /// Where it is, unless on this machine's loopback, and the way to its RPC.
    place: Option<(Namespace, Door)>,
    clock: Option<WrongClock>,
}

impl Node {
    /// A node that is not yet started; `arguments` say what kind. One that is to idle as it does outside of tests has a
    /// `--heartbeat=SECONDS` among them, one whose metrics are read a `--prometheus-port=PORT`.
    pub fn new<A: AsRef<str>>(
        scene: &Scene,
        name: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            arguments: arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect(),
            base: scene.dir().join(name),
            log: scene.dir().join(format!("{name}.log")),
            rpc_port: free_port()?,
            p2p_port: free_port()?,
            process: None,
            runtime: scene.handle(),
            place: None,
            clock: None,
        })
    }

    /// The same, not yet started, in a network namespace. Its RPC is reached as that of any other node.
    pub fn within(self, namespace: Namespace) -> Result<Self> {
        let door = Door::open(&namespace, self.rpc_port)?;
        Ok(Self { place: Some((namespace, door)), ..self })
    }

    /// Gives it a wrong clock from its next start on.
    pub fn give_clock(&mut self, clock: WrongClock) {
        self.clock = Some(clock);
    }

    /// A running dev chain.
    pub fn dev(scene: &Scene) -> Result<Self> {
        let mut node = Self::new(scene, "node", ["--dev"])?;
        node.start()?;
        Ok(node)
    }

    /// A dev chain with a gateway in its process, not yet started.
    pub fn with_gateway(scene: &Scene, config: &Path) -> Result<Self> {
        Self::new(scene, "node", ["--dev", "--gateway", &config.to_string_lossy()])
    }

    /// Starts it and waits until its RPC answers.
    pub fn start(&mut self) -> Result<()> {
        self.launch()?;
        self.ready()
    }

    /// Starts it and does not wait: several nodes start together.
    pub fn launch(&mut self) -> Result<()> {
        let program = binary("streembit-node")?;
        let mut command = match &self.place {
            None => bound_command(program),
            Some((namespace, _)) => namespace.bound_command(program),
        };
        command.args(&self.arguments).arg("--base-path").arg(&self.base);
        command.args(["--rpc-port", &self.rpc_port.to_string(), "--no-telemetry"]);
        match &self.place {
            None => command.args(["--port", &self.p2p_port.to_string()]),
            Some((namespace, _)) => command.args(["--listen-addr", &namespace.multiaddress(self.p2p_port)]),
        };
        if let Some(clock) = &self.clock {
            command.envs(clock.variables());
        }
        let has = |option: &str| self.arguments.iter().any(|argument| argument.starts_with(option));
        if !has("--heartbeat") {
            command.arg(HEARTBEAT);
        }
        if !has("--runtime-cache") {
            command.arg("--runtime-cache").arg(runtime_cache()?);
        }
        if !has("--prometheus-port") {
            command.arg("--no-prometheus");
        }
        self.process = Some(Process::start(&self.name, command, &self.log)?);
        Ok(())
    }

    /// Waits until its RPC answers.
    pub fn ready(&mut self) -> Result<()> {
        until(&format!("the RPC of {} answers", self.name), 90, || {
            self.process()?.check_running()?;
            self.rpc("system_health", json!([]))
        })?;
        Ok(())
    }

    /// The name that it was given.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process.
    pub fn process(&mut self) -> Result<&mut Process> {
        self.process.as_mut().with_context(|| format!("{} is not running", self.name))
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) -> Result<()> {
        self.process()?.kill()?;
        self.process = None;
        Ok(())
    }

    /// Where its RPC is.
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.rpc_port)
    }

    /// The TCP ports that it listens on: the RPC's and the one for other nodes.
    pub fn ports(&self) -> [u16; 2] {
        [self.rpc_port, self.p2p_port]
    }

    /// The way to it for a client of the chain.
    pub fn connection(&self) -> Result<NodeConnection> {
        Ok(NodeConnection::Url(self.url().parse().map_err(anyhow::Error::msg)?))
    }

    /// The address on which other nodes reach it; its peer id comes from its RPC.
    pub fn address(&self) -> Result<String> {
        let peer = self.rpc("system_localPeerId", json!([]))?;
        let peer = peer.as_str().context("a peer id that is no text")?;
        let place = match &self.place {
            None => format!("/ip4/127.0.0.1/tcp/{}", self.p2p_port),
            Some((namespace, _)) => namespace.multiaddress(self.p2p_port),
        };
        Ok(format!("{place}/p2p/{peer}"))
    }

    /// Asks its RPC.
    pub fn rpc(&self, method: &str, parameters: Value) -> Result<Value> {
        self.runtime.block_on(rpc(self.rpc_port, method, parameters))
    }

    /// The port of its RPC on this machine's loopback.
    pub fn rpc_port(&self) -> u16 {
        self.rpc_port
    }

    /// The number of its last finalized block.
    pub fn finalized(&self) -> Result<u64> {
        let hash = self.rpc("chain_getFinalizedHead", json!([]))?;
        number_of(&self.rpc("chain_getHeader", json!([hash]))?)
    }

    /// The number of its best block.
    pub fn best(&self) -> Result<u64> {
        number_of(&self.rpc("chain_getHeader", json!([]))?)
    }

    /// How many nodes it is connected to.
    pub fn peers(&self) -> Result<u64> {
        crate::number(&self.rpc("system_health", json!([]))?, "/peers")
    }

    /// The consortium after a block; after the best one unless given.
    pub fn consortium_at(&self, block: Option<&str>) -> Result<Consortium> {
        let answer = self.rpc("state_call", json!(["ConsortiumApi_consortium", "0x", block]))?;
        let digits = answer.as_str().and_then(|text| text.strip_prefix("0x")).context("no bytes")?;
        Ok(Consortium::decode_all(&mut hex::decode(digits)?.as_slice())?)
    }

    /// The hash of a block.
    pub fn block_hash(&self, number: u64) -> Result<String> {
        let hash = self.rpc("chain_getBlockHash", json!([number]))?;
        Ok(hash.as_str().with_context(|| format!("no block {number}"))?.to_owned())
    }

    /// Waits until a block is finalized.
    pub fn finalizes(&self, number: u64, seconds: u64) -> Result<()> {
        until(&format!("{} finalizes block {number}", self.name), seconds, || {
            let reached = self.finalized()?;
            ensure!(reached >= number, "block {reached} is the last finalized");
            Ok(())
        })
    }
}

/// The number in a header.
pub(crate) fn number_of(header: &Value) -> Result<u64> {
    let number = header.get("number").and_then(Value::as_str).context("a header without a number")?;
    Ok(u64::from_str_radix(number.trim_start_matches("0x"), 16)?)
}

/// Asks the JSON-RPC of a node on this machine, over HTTP.
pub async fn rpc(port: u16, method: &str, parameters: Value) -> Result<Value> {
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters});
    // Long: on a busy machine, what waits is the disk that all share.
    let client = reqwest::Client::builder().timeout(std::time::Duration::from_secs(60)).build()?;
    let answer: Value =
        client.post(format!("http://127.0.0.1:{port}")).json(&request).send().await?.json().await?;
    if let Some(error) = answer.get("error") {
        bail!("{method}: {error}");
    }
    answer.get("result").cloned().with_context(|| format!("{method}: an answer without a result"))
}
