//! Three of four validators are gone for good, keys and backups and all: the chain goes on as another one, founded anew from its
//! last final state by the commands of docs/chain.md, and nothing that was recorded or logged is lost.

use anyhow::{ensure, Context, Result};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};
use streembit_tests::{
    run_test, str_at, streembit_node, u64_at, wait_until, FinalityMonitor, HostedDevice, Node, TestEnv,
    ValidatorNetwork,
};

/// The accounts that validate on both chains.
const VALIDATORS: [&str; 4] = ["alice", "bob", "charlie", "dave"];

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_chain_whose_validators_never_come_back_goes_on_as_another_one() {
    run_test("disaster", |env| {
        let mut network = env.network()?;
        let mut device = HostedDevice::start(&mut network, "alice")?;
        device.add_events(3)?;
        device.gateway.wait_until_anchored(120)?;
        let old = env.dir().join("old.json");
        let exported = streembit_node(["export-chain-spec", "--chain", "four", "--raw"])?;
        ensure!(exported.code == 0, "{exported:#?}");
        fs::write(&old, exported.stdout)?;
        let before = evidence(env, &device, 3, "before")?;

        for name in ["bob", "charlie", "dave"] {
            network.node(name)?.kill()?;
            fs::remove_dir_all(env.dir().join(name))?;
        }
        device.ensure_logging_continues(3)?;
        device.gateway.wait_for_component("chain", "retrying", 120)?;
        let parties = parties(&network.consortium_show("alice")?)?;

        let new = refound(env, &mut network)?;
        let nodes = start(env, &new)?;
        let monitor = FinalityMonitor::start(env, &nodes);
        let first = nodes.first().context("no node")?;
        first.wait_until_finalized(2, 120)?;
        let shown = env.streembit(["consortium", "show"]).node(&first.url()).json()?;
        ensure!(self::parties(&shown)? == parties, "other parties: {shown}");
        let validators = shown.get("validators").and_then(Value::as_array).context("no validators")?;
        ensure!(validators.len() == VALIDATORS.len(), "{shown}");
        ensure!(u64_at(&shown, "/authority_set")? == 0, "{shown}");

        // The same gateway, with the same log, on the new chain: what waited is anchored beside what was.
        device.gateway.stop()?;
        device.gateway.start(first)?;
        device.gateway.wait_until_anchored(240)?;
        let config = device.gateway.config();
        env.streembit(["audit", "device", "shed", "--config"]).arg(config).node(&first.url()).ok()?;

        // Evidence ends at the chain that it is of; the new one's is of the whole log.
        let after = evidence(env, &device, 6, "after")?;
        ensure!(verified(env, &before, &old)? == Some(3), "evidence of before, by the old chain");
        ensure!(verified(env, &before, &new)?.is_none(), "evidence of before, by the new chain");
        ensure!(verified(env, &after, &new)? == Some(6), "evidence of now, by the new chain");
        ensure!(verified(env, &after, &old)?.is_none(), "evidence of now, by the old chain");

        // What proves the old one is still there: by its genesis it proves what it proved.
        let chains = device.command(["audit", "chains"]).json()?;
        ensure!(chains.as_array().map(Vec::len) == Some(2), "not two chains: {chains}");
        ensure!(chains.pointer("/1/current") == Some(&Value::Bool(true)), "not collected last: {chains}");
        let again = export(env, &device, "again", &["--chain", &str_at(&chains, "/0/genesis")?])?;
        ensure!(verified(env, &again, &old)? == Some(3), "exported now, by the old chain");
        ensure!(verified(env, &again, &new)?.is_none(), "the old chain's evidence, by the new one");
        monitor.finish().map(|_| ())
    });
}

/// Makes the new chain's spec as the one who is left would: keys on four boxes, a file, one command on the stopped node.
fn refound(env: &TestEnv, network: &mut ValidatorNetwork<'_>) -> Result<PathBuf> {
    let (file, new, base) =
        (env.dir().join("successor.toml"), env.dir().join("new.json"), env.dir().join("alice"));
    let mut toml = String::from("name = \"Founded anew\"\nid = \"four_anew\"\n");
    for name in VALIDATORS {
        let made = streembit_node(["session-keys", "--keystore-path", path(&keystore(env, name))?])?;
        ensure!(made.code == 0, "{made:#?}");
        let account = env.dev_account(name)?;
        toml.push_str(&format!("[validators.{name}]\naccount = \"{account}\"\n{}", made.stdout));
    }
    fs::write(&file, toml)?;
    network.node("alice")?.kill()?;
    let refound = |out: &Path| {
        let place = ["--chain", "four", "--base-path", path(&base)?];
        let files = ["--validators", path(&file)?, "--out", path(out)?];
        streembit_node(["refound"].into_iter().chain(place).chain(files))
    };
    let made = refound(&new)?;
    ensure!(made.code == 0 && made.stderr.contains("the last final one"), "{made:#?}");
    refound(&new)?.ensure_refused(&["never overwritten"])?;
    // Whoever has the state and the file can check the spec.
    let again = env.dir().join("again.json");
    ensure!(refound(&again)?.code == 0 && fs::read(&again)? == fs::read(&new)?, "another spec");
    Ok(new)
}

/// Four new boxes, each with its keys and an empty database.
fn start(env: &TestEnv, spec: &Path) -> Result<Vec<Node>> {
    let mut nodes: Vec<Node> = Vec::new();
    for name in VALIDATORS {
        let keys = keystore(env, name);
        let mut arguments = vec!["--chain", path(spec)?, "--validator", "--keystore-path", path(&keys)?];
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

/// Exports what is proven of the device once so many of its events are.
fn evidence(env: &TestEnv, device: &HostedDevice<'_>, events: u64, name: &str) -> Result<PathBuf> {
    wait_until(&format!("{events} events are provable"), 120, || {
        let part = device.gateway.component("evidence")?;
        let wanted = format!("{events} events provable");
        ensure!(str_at(&part, "/detail").is_ok_and(|detail| detail.starts_with(&wanted)), "{part}");
        Ok(())
    })?;
    export(env, device, name, &[])
}

fn export(env: &TestEnv, device: &HostedDevice<'_>, name: &str, options: &[&str]) -> Result<PathBuf> {
    let file = env.dir().join(format!("{name}.evidence"));
    let export = device.command(["audit", "export", "--device", "shed"]).args(options);
    export.arg("-o").arg(&file).ok()?;
    Ok(file)
}

/// How many events a file proves by a chain's specification; `None` where it is refused.
fn verified(env: &TestEnv, file: &Path, spec: &Path) -> Result<Option<u64>> {
    let verify = env.streembit(["audit", "verify"]).arg(file).arg("--chain-spec").arg(spec);
    let output = verify.arg("--json").run()?;
    match output.code {
        0 => Ok(Some(u64_at(&output.json()?, "/events")?)),
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

fn path(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}
