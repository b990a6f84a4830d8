//! Wallets and light clients of others, which have no code for this chain: polkadot.js, polkadot-api and smoldot.

use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};
use std::{fs, path::PathBuf};
use streembit_tests::{
    free_port, path_str, run_test, str_at, streembit_node, u64_at, LightClient, Node, TestEnv, WalletPrograms,
};

/// The light clients: the current version, and the one that polkadot.js pins.
const LIGHT_CLIENTS: [&str; 2] = ["smoldot", "smoldot-2.0"];

/// More blocks than a light client asks for at once.
const MANY_BLOCKS: u64 = 70;

#[test]
#[ignore = "takes minutes: make test-long"]
fn wallets_show_no_token_and_no_fee_and_submit_transactions() {
    run_test("wallets", |env| {
        let Some(wallets) = env.wallet_programs()? else { return Ok(()) };
        // As a wallet meets a node: only safe methods.
        let mut node = Node::new(env, "node", ["--dev", "--rpc-methods=safe"])?;
        node.start()?;
        node.wait_until_finalized(1, 60)?;
        check_polkadot_js(&node, &wallets.run("polkadot_js.mjs", &[&node.url()])?)?;
        check_papi(&node, &wallets.run("papi.mjs", &[&node.url()])?)
    })
}

fn check_polkadot_js(node: &Node, found: &Value) -> Result<()> {
    ensure!(str_at(found, "/chain")? == "Streembit development", "{found}");
    check_spec_version(node, found)?;
    ensure!(found.get("tokens") == Some(&json!(["NONE"])), "{found}");
    ensure!(found.get("decimals") == Some(&json!([0])), "{found}");
    ensure!(u64_at(found, "/ss58Format")? == 42, "{found}");
    ensure!(!str_at(found, "/amount")?.contains("Unit"), "{found}");
    ensure!(found.pointer("/fee/partialFee") == Some(&json!(0)), "{found}");
    ensure!(u64_at(found, "/fee/weight/refTime")? > 0, "{found}");
    ensure!(found.pointer("/dryRun/ok/ok").is_some(), "a mortal transaction was not tried: {found}");
    ensure!(found.pointer("/strangersDryRun/err/invalid/payment").is_some(), "{found}");
    ensure!(str_at(found, "/refused")?.contains("Inability to pay"), "{found}");
    let events = found.pointer("/remark/events").and_then(Value::as_array).context("no events")?;
    ensure!(events.contains(&json!("system.Remarked")), "{found}");
    ensure!(found.pointer("/remark/error").is_none(), "{found}");
    ensure!(u64_at(found, "/parties")? == 6, "{found}");
    Ok(())
}

fn check_papi(node: &Node, found: &Value) -> Result<()> {
    ensure!(str_at(found, "/spec/name")? == "Streembit development", "{found}");
    check_spec_version(node, found)?;
    ensure!(str_at(found, "/spec/properties/tokenSymbol")? == "NONE", "{found}");
    ensure!(str_at(found, "/fee")? == "0" && str_at(found, "/info/partial_fee")? == "0", "{found}");
    ensure!(found.pointer("/remark/ok") == Some(&json!(true)), "{found}");
    ensure!(u64_at(found, "/parties")? == 6, "{found}");
    let (number, hash) = (u64_at(found, "/remark/block/number")?, str_at(found, "/remark/block/hash")?);
    ensure!(node.block_hash(number)? == hash, "the node has another block {number}: {found}");
    Ok(())
}

fn check_spec_version(node: &Node, found: &Value) -> Result<()> {
    let runtime = node.rpc("state_getRuntimeVersion", json!([]))?;
    ensure!(u64_at(found, "/specVersion")? == u64_at(&runtime, "/specVersion")?, "{found}");
    Ok(())
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn light_clients_follow_finality_beyond_64_blocks_and_changes_of_the_voters() {
    run_test("light-clients", |env| {
        let Some(wallets) = env.wallet_programs()? else { return Ok(()) };
        let (mut node, spec) = start_with_web_socket(env, &[])?;
        node.wait_until_finalized(1, 60)?;
        let start = |when: &str| start_light_clients(&wallets, path_str(&spec)?, when);

        // From the beginning on, over a change of the voters and further.
        let mut first = start("first")?;
        let reached = node.finalized()? + 3;
        wait_for_all(&node, &mut first, reached)?;
        rotate_keys(env, &node, 1)?;
        let changed = node.finalized()?;

        // The change is among the first blocks that these ask for.
        let mut second = start("after-the-change")?;
        wait_for_all(&node, &mut second, changed)?;
        node.wait_until_finalized(MANY_BLOCKS, 300)?;
        for clients in [&mut first, &mut second] {
            wait_for_all(&node, clients, MANY_BLOCKS)?;
        }
        drop((first, second));

        // There are more blocks than these ask for at once, and no new one comes to help them.
        node.process()?.stop()?;
        let (node, spec) = start_with_web_socket(env, &["--heartbeat=300"])?;
        let idle = node.finalized()?;
        ensure!(idle >= MANY_BLOCKS, "the chain began anew at {idle}");
        let mut third = start_light_clients(&wallets, path_str(&spec)?, "idle")?;
        wait_for_all(&node, &mut third, idle)?;
        rotate_keys(env, &node, 2)?;
        wait_for_all(&node, &mut third, node.finalized()?)
    })
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_wallet_submits_through_a_light_client() {
    run_test("light-wallet", |env| {
        let Some(wallets) = env.wallet_programs()? else { return Ok(()) };
        let (node, spec) = start_with_web_socket(env, &[])?;
        node.wait_until_finalized(1, 60)?;
        for package in LIGHT_CLIENTS {
            let remark = Some("by a light client");
            let mut client = wallets.start_light_client(package, package, path_str(&spec)?, remark)?;
            let remark = client.wait_for_remark(120)?;
            ensure!(remark.get("ok") == Some(&json!(true)), "{package}: {remark}");
            let number = u64_at(&remark, "/block/number")?;
            ensure!(str_at(&remark, "/block/hash")? == node.block_hash(number)?, "{package}: {remark}");
        }
        Ok(())
    })
}

/// Starts the node of a development chain with an address for light clients, and writes the chain's raw spec with it as
/// the boot node. Continues the chain of an earlier node of this test.
fn start_with_web_socket(env: &TestEnv, arguments: &[&str]) -> Result<(Node, PathBuf)> {
    let address = format!("/ip4/127.0.0.1/tcp/{}/ws", free_port()?);
    let options = ["--dev", "--listen-addr", &address].into_iter().chain(arguments.iter().copied());
    let mut node = Node::new(env, "node", options)?;
    node.start()?;
    let exported = streembit_node(["export-chain-spec", "--chain", "dev", "--raw"])?;
    ensure!(exported.code == 0, "{exported:#?}");
    let mut spec = exported.json()?;
    let peer = node.rpc("system_localPeerId", json!([]))?;
    let boot_node = format!("{address}/p2p/{}", peer.as_str().context("no peer id")?);
    spec.as_object_mut().context("a spec is an object")?.insert("bootNodes".into(), json!([boot_node]));
    let path = env.dir().join("light.json");
    fs::write(&path, spec.to_string())?;
    Ok((node, path))
}

fn start_light_clients(wallets: &WalletPrograms<'_>, spec: &str, when: &str) -> Result<Vec<LightClient>> {
    let start =
        |package: &&str| wallets.start_light_client(&format!("{package}-{when}"), package, spec, None);
    LIGHT_CLIENTS.iter().map(start).collect()
}

/// Waits until block `number` is final for each client, and checks that its final blocks are those of the node.
fn wait_for_all(node: &Node, clients: &mut [LightClient], number: u64) -> Result<()> {
    for client in clients {
        for (number, hash) in client.wait_until_finalized(number, 60)? {
            ensure!(node.block_hash(number)? == hash, "the node has another block {number} than {hash}");
        }
    }
    Ok(())
}

/// Changes the keys of the only voter, and waits until it votes with the new ones in authority set `set`.
fn rotate_keys(env: &TestEnv, node: &Node, set: u64) -> Result<()> {
    let key = env.dev_keystore("alice")?;
    let rotated = env.streembit(["consortium", "rotate-keys", "--key"]).arg(&key).node(&node.url()).json()?;
    ensure!(rotated.get("active") == Some(&json!(true)), "{rotated}");
    node.wait_for_authority_set(set)
}
