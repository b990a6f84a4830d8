//! A validator's machine is lost, and a new one is set up from the backup of its keys. It is the same validator
//! again, and never casts a vote that contradicts an earlier one.

use anyhow::{bail, ensure, Context, Result};
use serde_json::{json, Value};
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};
use streembit_keystore::Passphrase;
use streembit_tests::{
    insert_dave_session_key, path_str, run_test, str_at, streembit_node, wait_until, CliOutput, Node,
    TestEnv, ValidatorNetwork,
};

/// The prefix of the pre-runtime digest of Aura, followed by the slot in 8 bytes.
const SLOT_DIGEST: &str = "0x066175726120";

#[test]
fn a_validator_is_restored_from_the_backup_of_its_keys() {
    run_test("reimaging", |env| {
        let mut network = start_network(env)?;
        let backup = env.dir().join("dave.backup");
        let dave = back_up(env, &mut network, &backup)?;

        network.node("dave")?.kill()?;
        let gone = network.node("alice")?.finalized()?;
        fs::remove_dir_all(env.dir().join("dave"))?;
        ensure_invalid_restores_fail(env, &backup)?;

        let base = env.dir().join("dave-again");
        let restored = restore(env, &backup, &base, &["--json"])?;
        ensure!(restored.stderr.contains("must never run again"), "no warning: {restored:#?}");
        let known = restored.json()?;
        ensure!(
            known.get("keys") == dave.get("keys") && known.get("held") == Some(&voting_keys(&dave)?),
            "{known}"
        );
        let again = restore(env, &backup, &base, &[])?;
        ensure!(again.code == 0 && again.stderr.contains("already"), "{again:#?}");

        network.launch("dave-again", &["--validator"])?;
        network.node("dave-again")?.wait_until_ready()?;
        let peer = network.node("dave-again")?.rpc("system_localPeerId", json!([]))?;
        ensure!(Some(&peer) == dave.get("peer_id"), "a different peer id: {peer}");
        wait_for_own_block(&mut network, &dave, gone)?;
        wait_until("it may vote again", 120, || {
            let known = shown(&base)?;
            ensure!(known.get("held") == Some(&json!([])), "{known}");
            Ok(())
        })?;

        // It votes from the next round on, which has started after some more blocks.
        let before = network.node("alice")?.finalized()?;
        network.node("dave-again")?.wait_until_finalized(before + 4, 60)?;

        // Without Charlie, all three remaining validators are needed, so this shows that the restored one votes.
        network.node("charlie")?.kill()?;
        network.ensure_finality_progresses(&[("alice", 90), ("dave-again", 30)])?;
        for name in ["alice", "bob"] {
            let log = network.node(name)?.process()?.log();
            ensure!(!log.to_lowercase().contains("equivocation"), "{name} has seen an equivocation");
        }
        Ok(())
    });
}

/// Starts four validators. Dave's session keys are in its keystore, as on a real node.
fn start_network(env: &TestEnv) -> Result<ValidatorNetwork<'_>> {
    for (key_type, scheme) in [("aura", "sr25519"), ("gran", "ed25519")] {
        insert_dave_session_key(env, "dave", key_type, scheme)?;
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

/// Backs up the keys of Dave's running node, and returns its public keys and peer id.
fn back_up(env: &TestEnv, network: &mut ValidatorNetwork<'_>, backup: &Path) -> Result<Value> {
    let (base, passphrase) = (env.dir().join("dave"), env.passphrase_file());
    let place = ["--base-path", path_str(&base)?, "--chain", "four", "--json"];
    let make = ["keys", "backup", "--passphrase-file", path_str(&passphrase)?, "-o", path_str(backup)?];
    let made = streembit_node(make.into_iter().chain(place))?;
    ensure!(made.code == 0, "{made:#?}");
    let dave = made.json()?;
    let genesis = network.node("alice")?.block_hash(0)?;
    ensure!(str_at(&dave, "/genesis")? == genesis, "the genesis is {genesis}: {dave}");
    let peer = network.node("dave")?.rpc("system_localPeerId", json!([]))?;
    ensure!(Some(&peer) == dave.get("peer_id"), "the peer id is {peer}: {dave}");
    ensure!(dave.get("held") == Some(&json!([])), "voting is held back: {dave}");
    ensure!(fs::metadata(backup)?.permissions().mode() & 0o777 == 0o600, "others may read the backup");
    streembit_node(make.into_iter().chain(place))?.ensure_refused(&["never overwritten"])?;
    wait_for_own_block(network, &dave, 0)?;
    Ok(dave)
}

/// Checks that invalid restores fail with a remedy and restore nothing.
fn ensure_invalid_restores_fail(env: &TestEnv, backup: &Path) -> Result<()> {
    let (base, wrong) = (env.dir().join("nobody"), env.dir().join("wrong-passphrase"));
    Passphrase::random().write_to(&wrong)?;
    let tried = streembit_node([
        "keys",
        "restore",
        path_str(backup)?,
        "--base-path",
        path_str(&base)?,
        "--passphrase-file",
        path_str(&wrong)?,
    ])?;
    tried.ensure_refused(&["wrong passphrase", "--passphrase-file"])?;
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
    let command = ["keys", "restore", path_str(backup)?, "--base-path", path_str(base)?];
    let passphrase = ["--passphrase-file", path_str(&passphrase)?];
    streembit_node(command.iter().chain(&passphrase).chain(more))
}

fn shown(base: &Path) -> Result<Value> {
    streembit_node(["keys", "show", "--base-path", path_str(base)?, "--json"])?.json()
}

/// Returns the public keys of votes.
fn voting_keys(validator: &Value) -> Result<Value> {
    let keys = validator.get("keys").and_then(Value::as_array).context("no keys")?;
    let votes = keys.iter().filter(|key| key.get("kind") == Some(&json!("grandpa")));
    Ok(votes.filter_map(|key| key.get("public").cloned()).collect())
}

/// Waits until a block of the validator after block `after` is final.
fn wait_for_own_block(network: &mut ValidatorNetwork<'_>, validator: &Value, after: u64) -> Result<()> {
    let node = network.node("alice")?;
    let answer = node.rpc("state_call", json!(["AuraApi_authorities", "0x"]))?;
    // The number of keys in one byte, followed by the keys.
    let authorities = answer.as_str().and_then(|keys| keys.get(4..)).context("no authorities")?;
    let aura = str_at(validator, "/keys/0/public")?;
    let mut keys = authorities.as_bytes().chunks(64);
    let count = u64::try_from(keys.len())?;
    let place = keys.position(|key| aura.trim_start_matches("0x").as_bytes() == key);
    let place = u64::try_from(place.with_context(|| format!("{aura} is not in {authorities}"))?)?;
    wait_until("the validator makes a block", 120, || {
        for number in after + 1..=node.finalized()? {
            if slot(node, number)? % count == place {
                return Ok(());
            }
        }
        bail!("all blocks after {after} are of other validators")
    })
}

/// Returns the slot of a block.
fn slot(node: &Node, number: u64) -> Result<u64> {
    let header = node.rpc("chain_getHeader", json!([node.block_hash(number)?]))?;
    let logs = header.pointer("/digest/logs").and_then(Value::as_array).context("no digest")?;
    let digits = logs.iter().filter_map(Value::as_str).find_map(|log| log.strip_prefix(SLOT_DIGEST));
    let bytes = hex::decode(digits.context("no slot")?)?;
    Ok(u64::from_le_bytes(bytes.try_into().ok().context("malformed slot")?))
}
