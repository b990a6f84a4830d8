//! Four validators whose state has many gateways, devices and contracts from the first block on: memory, disk, writes while
//! idle, the time of each runtime API, and the sync of a fifth node.

use super::{percentile_s, usages, ResourceUsage};
use crate::{
    bench::disk_bytes, example, path_str, str_at, u64_at, wait_until, Node, TestEnv, ValidatorNetwork,
};
use anyhow::{ensure, Context, Result};
use codec::Encode;
use serde_json::{json, Value};
use std::{
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};
use streembit_primitives::{contract::ContractId, AccountId, DeviceId, LogId, PartyId, PublicKey};

/// How large the state is, and how long the validators are idle.
#[derive(Clone, Copy, Debug)]
pub struct ScaleSettings {
    /// The number of gateways.
    pub gateways: u32,
    /// The number of devices.
    pub devices: u32,
    /// The number of contracts.
    pub contracts: u32,
    /// How long the validators are idle, in minutes.
    pub minutes: u64,
    /// The interval of empty blocks, in seconds.
    pub heartbeat: u64,
    /// How often each runtime API is called.
    pub calls: usize,
}

impl Default for ScaleSettings {
    fn default() -> Self {
        let (gateways, devices, contracts) = (10_000, 100_000, 20_000);
        Self { gateways, devices, contracts, minutes: 30, heartbeat: super::HEARTBEAT, calls: 50 }
    }
}

/// The founders of the preset, whose keys everybody knows.
const VALIDATORS: [&str; 4] = ["alice", "bob", "charlie", "dave"];
/// The time in which a node has to build its first state, in seconds.
const START_TIMEOUT: u64 = 1_800;
/// How long a node is left alone before its memory is read.
const WARM_UP: Duration = Duration::from_secs(60);

/// Runs all measurements, and prints their tables.
pub fn run(env: &TestEnv, settings: ScaleSettings) -> Result<()> {
    let spec = env.dir().join("scale.json");
    let samples = write_spec(&spec, settings)?;
    let entries = u64_at(&samples, "/entries")?;
    println!(
        "\n{} gateways, {} devices and {} contracts: {entries} entries of the state, a spec of {}\n",
        settings.gateways,
        settings.devices,
        settings.contracts,
        megabytes(std::fs::metadata(&spec)?.len() as f64)
    );
    let mut network = start_network(env, &spec, settings.heartbeat)?;
    measure_apis(network.node("alice")?, &samples, settings.calls)?;
    measure_idle(&mut network, settings.minutes)?;
    measure_sync(&mut network, &spec, settings.heartbeat)
}

fn megabytes(bytes: f64) -> String {
    format!("{:.1} MB", bytes / 1e6)
}

/// Writes the spec with the state, and returns an id of each kind.
fn write_spec(spec: &Path, settings: ScaleSettings) -> Result<Value> {
    let ScaleSettings { gateways, devices, contracts, .. } = settings;
    eprintln!("making the state of {gateways} gateways, {devices} devices and {contracts} contracts");
    let start = Instant::now();
    let output = Command::new(example("streembit-chain-spec", "scale_spec")?)
        .arg(spec)
        .args([gateways, devices, contracts].map(|count| count.to_string()))
        .output()
        .context("running scale_spec")?;
    ensure!(output.status.success(), "scale_spec: {}", String::from_utf8_lossy(&output.stderr));
    eprintln!("the spec took {:.0} s", start.elapsed().as_secs_f64());
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn new_node(env: &TestEnv, name: &str, spec: &Path, heartbeat: u64, bootnode: Option<&str>) -> Result<Node> {
    let chain = format!("--chain={}", path_str(spec)?);
    let mut arguments = vec![chain, format!("--heartbeat={heartbeat}")];
    if VALIDATORS.contains(&name) {
        arguments.push(format!("--{name}"));
    }
    if let Some(address) = bootnode {
        arguments.extend(["--bootnodes".to_owned(), address.to_owned()]);
    }
    Node::new(env, name, arguments)
}

/// Waits until the RPC of a node answers. With a large state, this takes longer than in the tests.
fn wait_until_started(node: &mut Node) -> Result<()> {
    let name = node.name().to_owned();
    wait_until(&format!("{name} has made its first state"), START_TIMEOUT, || {
        node.process()?.check_running()?;
        node.rpc("system_health", json!([]))
    })?;
    Ok(())
}

/// Starts the validators one after the other, because each needs much memory for its first state. They are started again
/// before anything is measured, so that this memory does not count.
fn start_network<'s>(env: &'s TestEnv, spec: &Path, heartbeat: u64) -> Result<ValidatorNetwork<'s>> {
    let mut nodes: Vec<Node> = Vec::new();
    for name in VALIDATORS {
        eprintln!("starting {name}");
        let bootnode = nodes.first().map(Node::address).transpose()?;
        let mut node = new_node(env, name, spec, heartbeat, bootnode.as_deref())?;
        let start = Instant::now();
        node.launch()?;
        wait_until_started(&mut node)?;
        eprintln!("{name} started in {:.0} s", start.elapsed().as_secs_f64());
        nodes.push(node);
    }
    let mut network = ValidatorNetwork::of(env, nodes);
    network.node("alice")?.wait_until_finalized(1, 600)?;
    for node in &mut network.nodes {
        node.kill()?;
        node.launch()?;
        wait_until_started(node)?;
    }
    let before = network.node("alice")?.finalized()?;
    network.node("alice")?.wait_until_finalized(before + 1, 2 * heartbeat + 120)?;
    Ok(network)
}

/// The runtime APIs with their encoded arguments.
fn apis(samples: &Value) -> Result<Vec<(&'static str, Vec<u8>)>> {
    let account: AccountId = str_at(samples, "/account")?.parse()?;
    let gateway: AccountId = str_at(samples, "/gateway")?.parse()?;
    let party: PartyId = str_at(samples, "/party")?.parse()?;
    let device: DeviceId = str_at(samples, "/device")?.parse()?;
    let contract: ContractId = str_at(samples, "/contract")?.parse()?;
    let log = LogId::first(gateway);
    Ok(vec![
        ("ConsortiumApi_consortium", Vec::new()),
        ("ConsortiumApi_has_pending_work", Vec::new()),
        ("PartiesApi_role", account.encode()),
        ("PartiesApi_party", party.encode()),
        ("PartiesApi_parties", Vec::new()),
        ("PartiesApi_gateways", party.encode()),
        ("PartiesApi_gateway", gateway.encode()),
        ("PartiesApi_consent_nonce", gateway.encode()),
        ("ValidatorsApi_equivocations", Vec::new()),
        ("QuotasApi_quota", account.encode()),
        ("DevicesApi_device", device.encode()),
        ("DevicesApi_devices_of_gateway", gateway.encode()),
        ("DevicesApi_devices_of_owner", party.encode()),
        ("DevicesApi_consent_nonce", PublicKey::Sr25519(gateway.0).encode()),
        ("DevicesApi_device_of_key", device.encode()),
        ("DevicesApi_offer", device.encode()),
        ("AnchorsApi_latest", log.encode()),
        ("AnchorsApi_anchored_root", (log, u64_at(samples, "/log_size")?).encode()),
        ("AnchorsApi_anchored_roots", log.encode()),
        ("AnchorsApi_epoch", gateway.encode()),
        ("ServiceContractsApi_contract", contract.encode()),
        ("ServiceContractsApi_contracts_of", party.encode()),
        ("ServiceContractsApi_contracts_about", device.encode()),
        ("ServiceContractsApi_clauses", contract.encode()),
        ("ServiceContractsApi_claims", contract.encode()),
        ("ServiceContractsApi_grants", device.encode()),
        ("ServiceContractsApi_grants_of", contract.encode()),
        ("ServiceContractsApi_lineage", Vec::new()),
        ("ServiceContractsApi_live_time", Vec::new()),
    ])
}

/// Calls each runtime API over the RPC, and prints how long the answers take and how large they are.
fn measure_apis(node: &Node, samples: &Value, calls: usize) -> Result<()> {
    println!("| runtime API, over the RPC | median | 95 % | answer |\n|---|---|---|---|");
    for (method, argument) in apis(samples)? {
        let argument = format!("0x{}", hex::encode(argument));
        let mut times = Vec::with_capacity(calls);
        let mut bytes = 0;
        for _ in 0..calls.max(1) {
            let start = Instant::now();
            let answer = node.rpc("state_call", json!([method, argument]))?;
            times.push(start.elapsed());
            bytes = answer.as_str().context("no bytes")?.len().saturating_sub(2) / 2;
        }
        times.sort_unstable();
        let milliseconds = |percent| format!("{:.1} ms", percentile_s(&times, percent) * 1e3);
        println!("| `{method}` | {} | {} | {bytes} bytes |", milliseconds(50), milliseconds(95));
    }
    Ok(())
}

/// Returns the folder of a node's data.
fn data_of(env: &TestEnv, name: &str) -> PathBuf {
    env.dir().join(name)
}

/// Measures memory, disk and writes of the validators while nobody does anything.
fn measure_idle(network: &mut ValidatorNetwork<'_>, minutes: u64) -> Result<()> {
    eprintln!("warming up for {} s, then idle for {minutes} min", WARM_UP.as_secs());
    thread::sleep(WARM_UP);
    let (first, start) = (usages(network)?, Instant::now());
    let before = network.node("alice")?.finalized()?;
    thread::sleep(Duration::from_secs(minutes * 60));
    let (last, seconds) = (usages(network)?, start.elapsed().as_secs_f64());
    let blocks = network.node("alice")?.finalized()?.saturating_sub(before);
    println!("\nIdle for {minutes} min, {blocks} blocks:\n");
    println!("| validator | RSS | disk | written per day | CPU |\n|---|---|---|---|---|");
    for ((name, first), (_, last)) in first.into_iter().zip(last) {
        let ResourceUsage { resident, written, cpu } = last;
        println!(
            "| {name} | {} | {} | {} | {:.2} % |",
            megabytes(resident as f64),
            megabytes(disk_bytes(&data_of(network.env, &name)) as f64),
            megabytes(written.saturating_sub(first.written) as f64 / seconds * 86_400.0),
            (cpu - first.cpu) / seconds * 100.0
        );
    }
    Ok(())
}

/// Measures how long a fifth node takes from an empty disk until it knows the last final block.
fn measure_sync(network: &mut ValidatorNetwork<'_>, spec: &Path, heartbeat: u64) -> Result<()> {
    let alice = network.node("alice")?;
    let (target, bootnode) = (alice.finalized()?, alice.address()?);
    let mut node = new_node(network.env, "fifth", spec, heartbeat, Some(&bootnode))?;
    let start = Instant::now();
    node.launch()?;
    wait_until_started(&mut node)?;
    let made_state = start.elapsed().as_secs_f64();
    node.wait_until_finalized(target, START_TIMEOUT)?;
    let synced = start.elapsed().as_secs_f64();
    let usage = ResourceUsage::of(node.process()?)?;
    println!("\n| a fifth node | |\n|---|---|");
    println!("| first state made after | {made_state:.1} s |");
    println!("| block {target} final after | {synced:.1} s |");
    println!("| written | {} |", megabytes(usage.written as f64));
    println!("| disk | {} |", megabytes(disk_bytes(&data_of(network.env, "fifth")) as f64));
    println!("| RSS, with what making the first state left behind | {} |", megabytes(usage.resident as f64));
    Ok(())
}
