//! Three of four validators are lost for good, including keys and backups. The consortium founds a new chain from the
//! last final state of the old one, with the commands of docs/validator/failures.md. No recorded state and no log entry
//! is lost.

use anyhow::{ensure, Context, Result};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};
use streembit_tests::{
    path_str, run_test, str_at, streembit_node, u64_at, FinalityMonitor, HostedDevice, Node, TestEnv,
    ValidatorNetwork,
};

/// The validators of both chains.
const VALIDATORS: [&str; 4] = ["alice", "bob", "charlie", "dave"];

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_chain_that_lost_its_validators_is_refounded_without_losses() {
    run_test("disaster", |env| {
        let mut network = env.network()?;
        let mut device = HostedDevice::start_anchored(&mut network, "alice")?;
        let old = env.dir().join("old.json");
        let exported = streembit_node(["export-chain-spec", "--chain", "four", "--raw"])?;
        ensure!(exported.code == 0, "{exported:#?}");
        fs::write(&old, exported.stdout)?;
        let before = export_when_provable(env, &device, 3, "before")?;

        for name in ["bob", "charlie", "dave"] {
            network.node(name)?.kill()?;
            fs::remove_dir_all(env.dir().join(name))?;
        }
        device.ensure_logging_continues(3)?;
        device.gateway.wait_for_component("chain", "retrying", 120)?;
        let parties = parties(&network.consortium_show("alice")?)?;

        let new = refound(env, &mut network)?;
        let nodes = start_nodes(env, &new)?;
        let monitor = FinalityMonitor::start(env, &nodes);
        let first = nodes.first().context("no node")?;
        first.wait_until_finalized(2, 120)?;
        let shown = env.streembit(["consortium", "show"]).node(&first.url()).json()?;
        ensure!(self::parties(&shown)? == parties, "the parties differ: {shown}");
        let validators = shown.get("validators").and_then(Value::as_array).context("no validators")?;
        ensure!(validators.len() == VALIDATORS.len(), "{shown}");
        ensure!(u64_at(&shown, "/authority_set")? == 0, "{shown}");

        // The same gateway anchors its whole log on the new chain.
        device.gateway.stop()?;
        device.gateway.start(first)?;
        device.gateway.wait_until_anchored(240)?;
        let config = device.gateway.config();
        env.streembit(["audit", "device", "shed", "--config"]).arg(config).node(&first.url()).ok()?;

        check_evidence(env, &device, &before, &old, &new)?;
        monitor.finish().map(|_| ())
    });
}

/// Checks that evidence verifies only with the spec of its own chain. `before` was exported before the loss.
fn check_evidence(
    env: &TestEnv,
    device: &HostedDevice<'_>,
    before: &Path,
    old: &Path,
    new: &Path,
) -> Result<()> {
    // On the new chain, evidence covers the whole log.
    let after = export_when_provable(env, device, 6, "after")?;
    ensure!(verify(env, before, old)? == Some(3), "old evidence, old chain");
    ensure!(verify(env, before, new)?.is_none(), "old evidence, new chain");
    ensure!(verify(env, &after, new)? == Some(6), "new evidence, new chain");
    ensure!(verify(env, &after, old)?.is_none(), "new evidence, old chain");

    // The gateway still has the proofs of the old chain, which are selected by its genesis.
    let chains = device.command(["audit", "chains"]).json()?;
    ensure!(chains.as_array().map(Vec::len) == Some(2), "not two chains: {chains}");
    ensure!(
        chains.pointer("/1/current") == Some(&Value::Bool(true)),
        "the new chain is not the current one: {chains}"
    );
    let again = export(env, device, "again", &["--chain", &str_at(&chains, "/0/genesis")?])?;
    ensure!(verify(env, &again, old)? == Some(3), "evidence of the old chain, exported later, old chain");
    ensure!(verify(env, &again, new)?.is_none(), "evidence of the old chain, exported later, new chain");
    Ok(())
}

/// Creates the spec of the new chain: session keys for four nodes, a file with the validators, and one command on the
/// stopped node of the remaining validator.
fn refound(env: &TestEnv, network: &mut ValidatorNetwork<'_>) -> Result<PathBuf> {
    let (file, new, base) =
        (env.dir().join("successor.toml"), env.dir().join("new.json"), env.dir().join("alice"));
    let mut toml = String::from("name = \"Founded anew\"\nid = \"four_anew\"\n");
    for name in VALIDATORS {
        let made = streembit_node(["session-keys", "--keystore-path", path_str(&keystore(env, name))?])?;
        ensure!(made.code == 0, "{made:#?}");
        let account = env.dev_account(name)?;
        toml.push_str(&format!("[validators.{name}]\naccount = \"{account}\"\n{}", made.stdout));
    }
    fs::write(&file, toml)?;
    network.node("alice")?.kill()?;
    let refound = |out: &Path| {
        let place = ["--chain", "four", "--base-path", path_str(&base)?];
        let files = ["--validators", path_str(&file)?, "--out", path_str(out)?];
        streembit_node(["refound"].into_iter().chain(place).chain(files))
    };
    let made = refound(&new)?;
    ensure!(made.code == 0 && made.stderr.contains("the last finalized block"), "{made:#?}");
    refound(&new)?.ensure_refused(&["never overwritten"])?;
    // The spec can be reproduced from the state and the file.
    let again = env.dir().join("again.json");
    ensure!(refound(&again)?.code == 0 && fs::read(&again)? == fs::read(&new)?, "the specs differ");
    Ok(new)
}

/// Starts four new nodes, each with its session keys and an empty database.
fn start_nodes(env: &TestEnv, spec: &Path) -> Result<Vec<Node>> {
    let mut nodes: Vec<Node> = Vec::new();
    for name in VALIDATORS {
        let keys = keystore(env, name);
        let mut arguments =
            vec!["--chain", path_str(spec)?, "--validator", "--keystore-path", path_str(&keys)?];
        let bootnode = nodes.first().map(Node::address).transpose()?;
        if let Some(bootnode) = &bootnode {
            arguments.extend(["--bootnodes", bootnode]);
        }
        let mut node = Node::new(env, &format!("{name}-anew"), arguments)?;
        node.start()?;
        nodes.push(node);
    }
    Ok(nodes)
}

/// Waits until `events` events are provable, and exports the evidence.
fn export_when_provable(
    env: &TestEnv,
    device: &HostedDevice<'_>,
    events: u64,
    name: &str,
) -> Result<PathBuf> {
    device.gateway.wait_until_provable(events, 120)?;
    export(env, device, name, &[])
}

fn export(env: &TestEnv, device: &HostedDevice<'_>, name: &str, options: &[&str]) -> Result<PathBuf> {
    device.gateway.export_evidence(env, "shed", options, &format!("{name}.evidence"))
}

/// Verifies evidence with a chain spec. Returns the number of proven events, or `None` if it does not verify.
fn verify(env: &TestEnv, file: &Path, spec: &Path) -> Result<Option<u64>> {
    let verify = env.streembit(["audit", "verify"]).arg(file).arg("--chain-spec").arg(spec);
    let output = verify.arg("--json").run()?;
    match output.code {
        0 => Ok(Some(u64_at(&output.json()?, "/event_count")?)),
        1 => Ok(None),
        _ => anyhow::bail!("{output:#?}"),
    }
}

fn parties(shown: &Value) -> Result<Value> {
    shown.get("parties").cloned().context("no parties")
}

fn keystore(env: &TestEnv, name: &str) -> PathBuf {
    env.dir().join(format!("{name}-keys"))
}
