//! Three of four validators are gone for good, keys and backups and all: the chain goes on as another one, founded anew from its
//! last final state by the commands of docs/chain.md, and nothing that was recorded or logged is lost.

use anyhow::{ensure, Context, Result};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};
use streembit_tests::{
    number, scene, streembit_node, text, until, FinalityWatch, Network, Node, Scene, Shed,
};

/// The accounts that validate on both chains.
const VALIDATORS: [&str; 4] = ["alice", "bob", "charlie", "dave"];

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_chain_whose_validators_never_come_back_goes_on_as_another_one() {
    scene("disaster", |scene| {
        let mut network = scene.network()?;
        let mut shed = Shed::over(&mut network, "alice")?;
        shed.add(3)?;
        shed.anchored(120)?;
        let old = scene.dir().join("old.json");
        let exported = streembit_node(["export-chain-spec", "--chain", "four", "--raw"])?;
        ensure!(exported.code == 0, "{exported:#?}");
        fs::write(&old, exported.stdout)?;
        let before = evidence(scene, &shed, 3, "before")?;

        for name in ["bob", "charlie", "dave"] {
            network.node(name)?.kill()?;
            fs::remove_dir_all(scene.dir().join(name))?;
        }
        shed.logs_on(3)?;
        shed.gateway.part_is("chain", "retrying", 120)?;
        let parties = parties(&network.shown("alice")?)?;

        let new = refound(scene, &mut network)?;
        let nodes = start(scene, &new)?;
        let watch = FinalityWatch::start(scene, &nodes);
        let first = nodes.first().context("no node")?;
        first.finalizes(2, 120)?;
        let shown = scene.streembit(["consortium", "show"]).node(&first.url()).json()?;
        ensure!(self::parties(&shown)? == parties, "other parties: {shown}");
        let validators = shown.get("validators").and_then(Value::as_array).context("no validators")?;
        ensure!(validators.len() == VALIDATORS.len(), "{shown}");
        ensure!(number(&shown, "/authority_set")? == 0, "{shown}");

        // The same gateway, with the same log, on the new chain: what waited is anchored beside what was.
        shed.gateway.stop()?;
        shed.gateway.start(first)?;
        shed.anchored(240)?;
        let config = shed.gateway.config();
        scene.streembit(["audit", "device", "shed", "--config"]).arg(config).node(&first.url()).ok()?;

        // Evidence ends at the chain that it is of; the new one's is of the whole log.
        let after = evidence(scene, &shed, 6, "after")?;
        ensure!(verified(scene, &before, &old)? == Some(3), "evidence of before, by the old chain");
        ensure!(verified(scene, &before, &new)?.is_none(), "evidence of before, by the new chain");
        ensure!(verified(scene, &after, &new)? == Some(6), "evidence of now, by the new chain");
        ensure!(verified(scene, &after, &old)?.is_none(), "evidence of now, by the old chain");

        // What proves the old one is still there: by its genesis it proves what it proved.
        let chains = shed.command(["audit", "chains"]).json()?;
        ensure!(chains.as_array().map(Vec::len) == Some(2), "not two chains: {chains}");
        ensure!(chains.pointer("/1/current") == Some(&Value::Bool(true)), "not collected last: {chains}");
        let again = export(scene, &shed, "again", &["--chain", &text(&chains, "/0/genesis")?])?;
        ensure!(verified(scene, &again, &old)? == Some(3), "exported now, by the old chain");
        ensure!(verified(scene, &again, &new)?.is_none(), "the old chain's evidence, by the new one");
        watch.finish().map(|_| ())
    });
}

/// Makes the new chain's spec as the one who is left would: keys on four boxes, a file, one command on the stopped node.
fn refound(scene: &Scene, network: &mut Network<'_>) -> Result<PathBuf> {
    let (file, new, base) =
        (scene.dir().join("successor.toml"), scene.dir().join("new.json"), scene.dir().join("alice"));
    let mut toml = String::from("name = \"Founded anew\"\nid = \"four_anew\"\n");
    for name in VALIDATORS {
        let made = streembit_node(["session-keys", "--keystore-path", path(&keystore(scene, name))?])?;
        ensure!(made.code == 0, "{made:#?}");
        let account = scene.account(name)?;
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
    ensure!(made.code == 0 && made.stderr.contains("the last finalized block"), "{made:#?}");
    refound(&new)?.refused(&["never overwritten"])?;
    // Whoever has the state and the file can check the spec.
    let again = scene.dir().join("again.json");
    ensure!(refound(&again)?.code == 0 && fs::read(&again)? == fs::read(&new)?, "another spec");
    Ok(new)
}

/// Four new boxes, each with its keys and an empty database.
fn start(scene: &Scene, spec: &Path) -> Result<Vec<Node>> {
    let mut nodes: Vec<Node> = Vec::new();
    for name in VALIDATORS {
        let keys = keystore(scene, name);
        let mut arguments = vec!["--chain", path(spec)?, "--validator", "--keystore-path", path(&keys)?];
        let bootnode = nodes.first().map(Node::address).transpose()?;
        if let Some(bootnode) = &bootnode {
            arguments.extend(["--bootnodes", bootnode]);
        }
        let mut node = Node::new(scene, &format!("{name}-anew"), arguments)?;
        node.start()?;
        nodes.push(node);
    }
    Ok(nodes)
}

/// Exports what is proven of the shed once so many of its events are.
fn evidence(scene: &Scene, shed: &Shed<'_>, events: u64, name: &str) -> Result<PathBuf> {
    until(&format!("{events} events are provable"), 120, || {
        let part = shed.gateway.component("evidence")?;
        let wanted = format!("{events} events provable");
        ensure!(text(&part, "/detail").is_ok_and(|detail| detail.starts_with(&wanted)), "{part}");
        Ok(())
    })?;
    export(scene, shed, name, &[])
}

fn export(scene: &Scene, shed: &Shed<'_>, name: &str, options: &[&str]) -> Result<PathBuf> {
    let file = scene.dir().join(format!("{name}.evidence"));
    let export = shed.command(["audit", "export", "--device", "shed"]).args(options);
    export.arg("-o").arg(&file).ok()?;
    Ok(file)
}

/// How many events a file proves by a chain's specification; `None` where it is refused.
fn verified(scene: &Scene, file: &Path, spec: &Path) -> Result<Option<u64>> {
    let verify = scene.streembit(["audit", "verify"]).arg(file).arg("--chain-spec").arg(spec);
    let output = verify.arg("--json").run()?;
    match output.code {
        0 => Ok(Some(number(&output.json()?, "/events")?)),
        1 => Ok(None),
        _ => anyhow::bail!("{output:#?}"),
    }
}

fn parties(shown: &Value) -> Result<Value> {
    shown.get("parties").cloned().context("no parties")
}

fn keystore(scene: &Scene, name: &str) -> PathBuf {
    scene.dir().join(format!("{name}-keys"))
}

fn path(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}
