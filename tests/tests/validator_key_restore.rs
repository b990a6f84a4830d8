//! A validator's box dies and another is made of the backup of its keys: it is the same validator again, and never contradicts
//! what it voted before.

use anyhow::{bail, ensure, Context, Result};
use serde_json::{json, Value};
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};
use streembit::keystore::Passphrase;
use streembit_tests::{
    run_test, str_at, streembit_node, wait_until, CliOutput, Node, TestEnv, ValidatorNetwork,
};

/// What a block's digest says before its slot: by Aura, before the block was executed, 8 bytes.
const SLOT: &str = "0x066175726120";

#[test]
fn a_validator_comes_back_from_the_backup_of_its_keys() {
    run_test("reimaging", |env| {
        let mut network = network(env)?;
        let backup = env.dir().join("dave.backup");
        let dave = back_up(env, &mut network, &backup)?;

        network.node("dave")?.kill()?;
        let gone = network.node("alice")?.finalized()?;
        fs::remove_dir_all(env.dir().join("dave"))?;
        refuses_what_is_wrong(env, &backup)?;

        let base = env.dir().join("dave-again");
        let restored = restore(env, &backup, &base, &["--json"])?;
        ensure!(restored.stderr.contains("must never run again"), "no warning: {restored:#?}");
        let known = restored.json()?;
        ensure!(
            known.get("keys") == dave.get("keys") && known.get("held") == Some(&votes(&dave)?),
            "{known}"
        );
        let again = restore(env, &backup, &base, &[])?;
        ensure!(again.code == 0 && again.stderr.contains("already"), "{again:#?}");

        network.launch("dave-again", &["--validator"])?;
        network.node("dave-again")?.wait_until_ready()?;
        let peer = network.node("dave-again")?.rpc("system_localPeerId", json!([]))?;
        ensure!(Some(&peer) == dave.get("peer_id"), "another peer id: {peer}");
        makes_blocks(&mut network, &dave, gone)?;
        wait_until("it may vote again", 120, || {
            let known = shown(&base)?;
            ensure!(known.get("held") == Some(&json!([])), "{known}");
            Ok(())
        })?;

        // It votes from the next round on; some blocks later that has begun.
        let before = network.node("alice")?.finalized()?;
        network.node("dave-again")?.wait_until_finalized(before + 4, 60)?;

        // Every one of the three that are left is needed.
        network.node("charlie")?.kill()?;
        let before = network.node("alice")?.finalized()?;
        network.node("alice")?.wait_until_finalized(before + 4, 90)?;
        network.node("dave-again")?.wait_until_finalized(before + 4, 30)?;
        for name in ["alice", "bob"] {
            let log = network.node(name)?.process()?.log();
            ensure!(!log.to_lowercase().contains("equivocation"), "{name} has seen two votes for one");
        }
        Ok(())
    });
}

/// Four validators, of which Dave's has its keys in its keystore as a real one does.
fn network(env: &TestEnv) -> Result<ValidatorNetwork<'_>> {
    let base = env.dir().join("dave");
    for (kind, scheme) in [("aura", "sr25519"), ("gran", "ed25519")] {
        let insert = ["key", "insert", "--chain", "four", "--suri", "//Dave", "--base-path", path(&base)];
        let inserted = streembit_node(insert.into_iter().chain(["--key-type", kind, "--scheme", scheme]))?;
        ensure!(inserted.code == 0, "{inserted:#?}");
    }
    let mut first = Node::new(env, "alice", ["--chain=four", "--alice"])?;
    first.start()?;
    let mut network = ValidatorNetwork::of(env, vec![first]);
    for (name, role) in [("bob", "--bob"), ("charlie", "--charlie"), ("dave", "--validator")] {
        network.launch(name, &[role])?;
    }
    for node in &mut network.nodes {
        node.wait_until_ready()?;
    }
    network.node("alice")?.wait_until_finalized(2, 90)?;
    Ok(network)
}

/// Backs up the keys of Dave's node, which goes on running; gives what it is known by.
fn back_up(env: &TestEnv, network: &mut ValidatorNetwork<'_>, backup: &Path) -> Result<Value> {
    let (base, passphrase) = (env.dir().join("dave"), env.passphrase_file());
    let place = ["--base-path", path(&base), "--chain", "four", "--json"];
    let make = ["keys", "backup", "--passphrase-file", path(&passphrase), "-o", path(backup)];
    let made = streembit_node(make.into_iter().chain(place))?;
    ensure!(made.code == 0, "{made:#?}");
    let dave = made.json()?;
    let genesis = network.node("alice")?.block_hash(0)?;
    ensure!(str_at(&dave, "/genesis")? == genesis, "the first block is {genesis}: {dave}");
    let peer = network.node("dave")?.rpc("system_localPeerId", json!([]))?;
    ensure!(Some(&peer) == dave.get("peer_id"), "the peer id is {peer}: {dave}");
    ensure!(dave.get("held") == Some(&json!([])), "it votes: {dave}");
    ensure!(fs::metadata(backup)?.permissions().mode() & 0o777 == 0o600, "others may read the backup");
    streembit_node(make.into_iter().chain(place))?.ensure_refused(&["never overwritten"])?;
    makes_blocks(network, &dave, 0)?;
    Ok(dave)
}

/// Each refusal says what to do, and restores nothing.
fn refuses_what_is_wrong(env: &TestEnv, backup: &Path) -> Result<()> {
    let (base, wrong) = (env.dir().join("nobody"), env.dir().join("wrong-passphrase"));
    Passphrase::random().write_to(&wrong)?;
    let tried = streembit_node([
        "keys",
        "restore",
        path(backup),
        "--base-path",
        path(&base),
        "--passphrase-file",
        path(&wrong),
    ])?;
    tried.ensure_refused(&["passphrase is not that of", "--passphrase-file"])?;
    restore(env, backup, &base, &["--chain", "local"])?
        .ensure_refused(&["streembit_four", "streembit_local"])?;
    restore(env, backup, &env.dir().join("alice"), &[])?.ensure_refused(&["is running", "stop it"])?;

    let bytes = fs::read(backup)?;
    let damaged = env.dir().join("damaged.backup");
    fs::copy(backup, &damaged)?;
    let (half, _) = bytes.split_at(bytes.len() / 2);
    fs::write(&damaged, half)?;
    restore(env, &damaged, &base, &[])?.ensure_refused(&["damaged.backup", "another copy"])?;
    let last = bytes.iter().rposition(u8::is_ascii_digit).context("no digit")?;
    let changed = bytes.iter().enumerate().map(|(at, byte)| if at == last { byte ^ 1 } else { *byte });
    fs::write(&damaged, changed.collect::<Vec<u8>>())?;
    restore(env, &damaged, &base, &[])?.ensure_refused(&["damaged.backup", "checksum", "another copy"])?;
    ensure!(!base.exists(), "something was restored");
    Ok(())
}

fn restore(env: &TestEnv, backup: &Path, base: &Path, more: &[&str]) -> Result<CliOutput> {
    let passphrase = env.passphrase_file();
    let command = ["keys", "restore", path(backup), "--base-path", path(base)];
    let passphrase = ["--passphrase-file", path(&passphrase)];
    streembit_node(command.iter().chain(&passphrase).chain(more))
}

fn shown(base: &Path) -> Result<Value> {
    streembit_node(["keys", "show", "--base-path", path(base), "--json"])?.json()
}

/// The public keys that it votes with.
fn votes(validator: &Value) -> Result<Value> {
    let keys = validator.get("keys").and_then(Value::as_array).context("no keys")?;
    let votes = keys.iter().filter(|key| key.get("kind") == Some(&json!("grandpa")));
    Ok(votes.filter_map(|key| key.get("public").cloned()).collect())
}

/// Waits until a block after this one is the validator's, and final.
fn makes_blocks(network: &mut ValidatorNetwork<'_>, validator: &Value, after: u64) -> Result<()> {
    let node = network.node("alice")?;
    let answer = node.rpc("state_call", json!(["AuraApi_authorities", "0x"]))?;
    // The number of keys, one byte where they are few, and the keys.
    let authorities = answer.as_str().and_then(|keys| keys.get(4..)).context("no authorities")?;
    let aura = str_at(validator, "/keys/0/public")?;
    let mut keys = authorities.as_bytes().chunks(64);
    let count = u64::try_from(keys.len())?;
    let place = keys.position(|key| aura.trim_start_matches("0x").as_bytes() == key);
    let place = u64::try_from(place.with_context(|| format!("{aura} is not in {authorities}"))?)?;
    wait_until("it makes blocks", 120, || {
        for number in after + 1..=node.finalized()? {
            if slot(node, number)? % count == place {
                return Ok(());
            }
        }
        bail!("all since block {after} are of others")
    })
}

/// The slot in which a block was made.
fn slot(node: &Node, number: u64) -> Result<u64> {
    let header = node.rpc("chain_getHeader", json!([node.block_hash(number)?]))?;
    let logs = header.pointer("/digest/logs").and_then(Value::as_array).context("no digest")?;
    let digits = logs.iter().filter_map(Value::as_str).find_map(|log| log.strip_prefix(SLOT));
    let bytes = hex::decode(digits.context("no slot")?)?;
    Ok(u64::from_le_bytes(bytes.try_into().ok().context("a slot of another size")?))
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}
