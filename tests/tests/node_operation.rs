//! A node as its operator meets it: RPC that is safe behind a proxy, ports that are taken, missing keys, a chain spec that
//! was made anew, interrupted starts, a machine without name servers, an address that changes, and a clean stop.

use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};
use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt as _, path::PathBuf};
use streembit_tests::{
    free_port, path_str, rpc, run_test, streembit_node, wait_until, Node, TestEnv, VirtualSwitch,
};

/// The public key of `//Alice`.
const ALICE: &str = "0xd43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d";

#[test]
fn only_the_port_for_operators_changes_the_keys_of_a_node() {
    run_test("safe-rpc", |env| {
        let (keys, admin) = (env.dir().join("keys"), free_port()?);
        let arguments = ["--dev", "--keystore-path", path_str(&keys)?, &format!("--rpc-admin-port={admin}")]
            .map(String::from);
        let mut node = Node::new(env, "node", &arguments)?;
        node.start()?;

        // A caller on this machine, as a reverse proxy is.
        let forged = json!(["aura", "//Mallory", ALICE]);
        for (method, parameters) in [
            ("author_rotateKeys", json!([])),
            ("author_insertKey", forged.clone()),
            ("system_addReservedPeer", json!(["/ip4/127.0.0.1/tcp/1/p2p/12D3KooW"])),
        ] {
            let error =
                format!("{:#}", node.rpc(method, parameters).err().context("a safe listener obeyed")?);
            ensure!(error.contains("unsafe"), "{method}: {error}");
        }
        let alice = env.dev_keystore("alice")?;
        let rotated = env.streembit(["consortium", "rotate-keys", "--key"]).arg(&alice).node(&node.url());
        rotated.run()?.ensure_refused(&["--rpc-admin-port 9945", "--node ws://127.0.0.1:9945"])?;
        ensure!(fs::read_dir(&keys)?.count() == 0, "keys were made although the command was refused");

        // The port for operators makes keys, but takes none that is not what it claims.
        let refused = env.block_on(rpc(admin, "author_insertKey", forged));
        ensure!(
            refused.is_err() && fs::read_dir(&keys)?.count() == 0,
            "a forged key was inserted: {refused:?}"
        );
        env.block_on(rpc(admin, "author_rotateKeys", json!([])))?;
        let made = fs::read_dir(&keys)?.collect::<Result<Vec<_>, _>>()?;
        ensure!(made.len() == 2, "{made:?}");
        for file in made {
            ensure!(file.metadata()?.len() > 0, "{} is empty", file.path().display());
        }

        // A damaged key that the chain does not need, as an earlier release took it, does not stop the node.
        let damaged = keys.join(format!("61757261{}", "11".repeat(32)));
        fs::write(&damaged, "\"//Mallory\"")?;
        fs::set_permissions(&damaged, fs::Permissions::from_mode(0o600))?;
        ensure!(node.process()?.stop()?.success(), "the node did not stop cleanly");
        node.start()?;
        let log = node.process()?.log();
        ensure!(log.contains(path_str(&damaged)?) && log.contains("move the file away"), "no warning");
        let before = node.finalized()?;
        node.wait_until_finalized(before + 2, 60)
    });
}

#[test]
fn a_taken_port_is_refused_and_an_absent_address_is_waited_for() {
    run_test("listening", |env| {
        let taken = TcpListener::bind("127.0.0.1:0")?;
        let port = taken.local_addr()?.port();
        let (base, free) = (env.dir().join("refused"), free_port()?.to_string());
        let common = ["--dev", "--no-prometheus", "--base-path", path_str(&base)?];
        let (taken_address, taken_port) = (format!("127.0.0.1:{port}"), port.to_string());
        let multiaddress = format!("/ip4/127.0.0.1/tcp/{port}");
        for (options, option) in [
            (["--port", &taken_port, "--rpc-port", &free], "--port"),
            (["--listen-addr", &multiaddress, "--rpc-port", &free], "--listen-addr"),
            (["--port", &free, "--rpc-port", &taken_port], "--rpc-port"),
        ] {
            streembit_node(common.iter().chain(&options))?.ensure_refused(&[&taken_address, option])?;
        }

        // Two nodes of one machine do not share a port.
        let mut first = Node::new(env, "first", ["--dev"])?;
        first.start()?;
        let [_, port] = first.ports();
        let (port, address) = (port.to_string(), format!("127.0.0.1:{port}"));
        let second = ["--port", &port, "--rpc-port", &free];
        streembit_node(common.iter().chain(&second))?.ensure_refused(&[&address, "--port"])?;

        // 192.0.2.0/24 is reserved for documentation.
        let mut absent = Node::new(env, "absent", ["--dev", "--listen-addr=/ip4/192.0.2.77/tcp/30333"])?;
        absent.start()?;
        let notices = absent.rpc("streembit_notices", json!([]))?.to_string();
        ensure!(notices.contains("192.0.2.77:30333"), "{notices}");
        absent.wait_until_finalized(1, 60)
    });
}

#[test]
fn a_validator_without_its_keys_says_so() {
    run_test("missing-keys", |env| {
        let mut network = env.network()?;
        network.node("dave")?.kill()?;
        network.launch("keyless", &["--validator"])?;
        network.node("keyless")?.wait_until_ready()?;
        wait_until("the node reports that it has no keys", 60, || {
            let notices = network.node("keyless")?.rpc("streembit_notices", json!([]))?.to_string();
            ensure!(notices.contains("--keystore-path") && notices.contains("has no keys"), "{notices}");
            Ok(())
        })?;

        // Everybody sees which voter is missing.
        let dave = env.dev_account("dave")?;
        wait_until("the others name the missing voter", 120, || {
            let voters = network.node("alice")?.rpc("streembit_voters", json!([]))?;
            let missing = voters.pointer("/missing/0/account").and_then(Value::as_str);
            ensure!(missing == Some(dave.as_str()), "{voters}");
            Ok(())
        })
    });
}

#[test]
fn a_spec_made_anew_under_the_same_id_is_refused_and_a_peer_with_it_is_reported() {
    run_test("genesis", |env| {
        let (keys, first, second) =
            (env.dir().join("keys"), env.dir().join("first"), env.dir().join("second"));
        let specs = [make_spec(env, "first", &keys)?, make_spec(env, "second", &keys)?];
        let arguments = |spec: &str| {
            Ok::<_, anyhow::Error>(
                ["--chain", spec, "--validator", "--keystore-path", path_str(&keys)?].map(String::from),
            )
        };
        let mut node = Node::new(env, "first", arguments(path_str(&specs[0])?)?)?;
        node.start()?;
        node.wait_until_finalized(1, 60)?;
        let bootnode = node.address()?;

        let other = arguments(path_str(&specs[1])?)?.to_vec();
        let other = other.into_iter().chain(["--bootnodes".into(), bootnode]);
        let mut stranger = Node::new(env, "second", other.collect::<Vec<String>>())?;
        stranger.start()?;
        wait_until("both nodes report the other genesis block", 120, || {
            for node in [&mut node, &mut stranger] {
                let log = node.process()?.log();
                ensure!(log.contains("belongs to another chain: its genesis block is"), "{}", node.name());
            }
            Ok(())
        })?;

        node.process()?.stop()?;
        let (port, rpc_port) = (free_port()?.to_string(), free_port()?.to_string());
        let ports = ["--port", &port, "--rpc-port", &rpc_port, "--no-prometheus"];
        let anew = ["--chain", path_str(&specs[1])?, "--base-path", path_str(&first)?];
        let refused = streembit_node(anew.iter().chain(&ports))?;
        refused.ensure_refused(&["belongs to another chain", "same id", path_str(&first)?])?;
        ensure!(second.is_dir(), "the other node has a folder of its own");
        Ok(())
    });
}

/// Founds a chain of one validator, with new session keys each time, and returns the path of its spec.
fn make_spec(env: &TestEnv, name: &str, keys: &std::path::Path) -> Result<PathBuf> {
    let made = streembit_node(["session-keys", "--keystore-path", path_str(keys)?])?.stdout;
    let garage = env.dev_account("alice")?;
    let (file, spec) = (env.dir().join(format!("{name}.toml")), env.dir().join(format!("{name}.json")));
    let text = format!(
        "name = \"One\"\nid = \"one\"\nallow_unsafe = true\n[parties]\ngarage = \"{garage}\"\n[council]\nmembers = \
         [\"garage\"]\n[validators.garage]\n{made}"
    );
    fs::write(&file, text)?;
    let options = ["--allow-development-keys", "--consortium", path_str(&file)?, "--out", path_str(&spec)?];
    let output = streembit_node(["chain-spec"].iter().chain(&options))?;
    ensure!(output.code == 0, "{output:#?}");
    Ok(spec)
}

#[test]
fn an_interrupted_first_start_begins_again_and_a_database_never_does() {
    run_test("first-start", |env| {
        let mut node = Node::new(env, "node", ["--dev"])?;
        node.start()?;
        node.wait_until_finalized(1, 60)?;
        ensure!(node.process()?.stop()?.success(), "the node did not stop cleanly");

        // What a power cut during the first start leaves: empty files and an incomplete database.
        let chain = env.dir().join("node/chains/streembit_dev");
        let database = chain.join("db/full");
        fs::write(chain.join("database.state"), "creating\n")?;
        for emptied in [database.join("db_version"), chain.join("network/secret_ed25519")] {
            fs::write(emptied, "")?;
        }
        node.start()?;
        node.wait_until_finalized(1, 60)?;
        ensure!(node.process()?.stop()?.success(), "the node did not stop cleanly");

        let ports = [free_port()?.to_string(), free_port()?.to_string()];
        let base = env.dir().join("node");
        let start = || {
            let [port, rpc_port] = &ports;
            let options = ["--dev", "--no-prometheus", "--port", port, "--rpc-port", rpc_port, "--base-path"];
            streembit_node(options.iter().chain(&[path_str(&base)?]))
        };
        let current = fs::read(database.join("CURRENT"))?;
        fs::remove_file(database.join("CURRENT"))?;
        start()?.ensure_refused(&["CURRENT", path_str(&database)?, "purge-chain"])?;
        fs::write(database.join("CURRENT"), current)?;
        fs::rename(&database, chain.join("elsewhere"))?;
        start()?.ensure_refused(&["is gone", path_str(&database)?, "purge-chain"])?;
        fs::rename(chain.join("elsewhere"), &database)?;

        let purge = ["purge-chain", "-y", "--dev", "--base-path", path_str(&base)?];
        ensure!(streembit_node(purge)?.code == 0, "purge-chain failed");
        node.start()?;
        node.wait_until_finalized(1, 60)
    });
}

#[test]
fn a_clean_stop_reads_like_one() {
    run_test("clean-stop", |env| stop_cleanly(env, 3));
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn fifty_clean_stops_of_fifty_exit_with_0() {
    run_test("clean-stops", |env| stop_cleanly(env, 50));
}

fn stop_cleanly(env: &TestEnv, times: u32) -> Result<()> {
    let mut node = Node::new(env, "node", ["--dev"])?;
    for time in 0..times {
        node.start()?;
        let ended = node.process()?.stop()?;
        ensure!(ended.success(), "stop {time}: {ended}");
        let log = node.process()?.log().to_lowercase();
        let stop = log.rsplit("stopping").next().unwrap_or_default();
        for word in ["failed", "error", "panic", "abort", "invalid argument"] {
            ensure!(!stop.contains(word), "stop {time} logs {word:?}: {stop}");
        }
    }
    Ok(())
}

#[test]
fn a_node_starts_without_a_name_server() {
    with_switch("no-dns", |env, mut switch| {
        let namespace = switch.add_node("lonely")?;
        namespace.set_name_servers("# no router here\n")?;
        let arguments = [
            "--dev",
            "--bootnodes=/dns/north.example/tcp/30333/p2p/\
             12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp",
        ];
        let mut node = Node::new(env, "lonely", arguments)?.within(namespace)?;
        node.start()?;
        node.wait_until_finalized(1, 60)?;
        ensure!(node.process()?.log().contains("no name server"), "nothing is said about names");
        Ok(())
    });
}

#[test]
#[ignore = "takes minutes: make test-long"]
fn a_validator_whose_address_changes_finalizes_again() {
    with_switch("new-address", |env, switch| {
        let mut network = env.network_on_switch(switch)?;
        network.wait_until_connected()?;
        network.change_address("dave", 4, 104)?;
        let reached = network.node("alice")?.finalized()?;
        network.node("dave")?.wait_until_finalized(reached + 4, 180)?;
        // Without Charlie, Dave's votes are needed.
        network.node("charlie")?.kill()?;
        network.ensure_finality_progresses(&[("alice", 120), ("dave", 60)])
    });
}

/// Runs a test on a virtual switch, if this user may create one.
fn with_switch(name: &str, test: impl FnOnce(&TestEnv, VirtualSwitch) -> Result<()>) {
    run_test(name, |env| {
        if !VirtualSwitch::available() {
            eprintln!("!!! NOT TESTED HERE: network namespaces, which need root");
            return Ok(());
        }
        test(env, VirtualSwitch::new()?)
    });
}
