//! A consortium file is turned into the chain spec of a chain that finalizes, or rejected with a message that names
//! the line. A node rejects malformed specs and keys with a message that names the file.

use anyhow::{ensure, Result};
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};
use streembit_tests::{free_port, path_str, run_test, streembit_node, CliOutput, Node, TestEnv};

#[test]
fn a_consortium_file_makes_a_working_chain_or_is_rejected_by_line() {
    run_test("founding", |env| {
        let (file, spec) = (env.dir().join("consortium.toml"), env.dir().join("spec.json"));
        let template = streembit_node(["chain-spec", "--template"])?.stdout;
        fs::write(&file, template.replace("5FHneW46xGXgs5m", "5FHneW46xGXgs5n"))?;
        let line = template.lines().position(|line| line.starts_with("insurer = ")).unwrap_or_default() + 1;
        let make = ["chain-spec", "--consortium", path_str(&file)?, "--out", path_str(&spec)?];
        streembit_node(make)?.ensure_refused(&[&format!("line {line}: "), "checksum"])?;
        fs::write(&file, &template)?;
        streembit_node(make)?.ensure_refused(&["publicly known", "//Alice", "--allow-development-keys"])?;
        ensure!(!spec.exists(), "an invalid file was turned into a spec");

        // A single validator with keys in its own keystore. `allow_unsafe` permits fewer validators than safety needs.
        let keys = env.dir().join("keys");
        let made = streembit_node(["session-keys", "--keystore-path", path_str(&keys)?])?.stdout;
        let garage = env.dev_account("alice")?;
        let alone = format!(
            "name = \"Alone\"\nid = \"alone\"\nallow_unsafe = true\n[parties]\ngarage = \"{garage}\"\n[council]\nmembers = \
             [\"garage\"]\n[validators.garage]\n{made}"
        );
        fs::write(&file, alone)?;
        let make = [make.as_slice(), &["--allow-development-keys"]].concat();
        let made = streembit_node(&make)?;
        ensure!(made.code == 0, "{made:#?}");
        streembit_node(&make)?.ensure_refused(&["never overwritten"])?;

        let arguments = ["--chain", path_str(&spec)?, "--validator", "--keystore-path", path_str(&keys)?];
        let mut first = Node::new(env, "garage", arguments)?;
        first.start()?;
        first.wait_until_finalized(2, 60)?;
        let shown = env.streembit(["consortium", "show"]).node(&first.url()).ok()?.stdout;
        ensure!(shown.contains(&garage) && shown.contains("the failure of one stops the chain"), "{shown}");
        Ok(())
    });
}

/// A spec whose runtime is a single byte instead of Wasm.
const NO_WASM: &str = r#"{
    "name": "x", "id": "x", "bootNodes": [], "protocolId": "streembit",
    "genesis": { "raw": { "top": { "0x3a636f6465": "0x07" }, "childrenDefault": {} } }
}"#;

#[test]
fn a_node_rejects_malformed_specs_and_keys_and_names_the_file() {
    run_test("malformed", |env| {
        let file = env.dir().join("spec.json");
        start_node(env, &["--chain", path_str(&file)?])?.ensure_refused(&["spec.json", "no such file"])?;
        let specs: [(&str, &[&str]); 3] = [
            ("{ no JSON", &["spec.json", "line 1"]),
            (r#"{ "name": "x", "id": "x", "bootNodes": [] }"#, &["spec.json", "genesis"]),
            (NO_WASM, &["starting", "chain x (x)", "--chain"]),
        ];
        for (spec, words) in specs {
            fs::write(&file, spec)?;
            start_node(env, &["--chain", path_str(&file)?])?.ensure_refused(words)?;
        }

        // Alice's key, which the chain expects of a validator.
        let (keystore, key) = (env.dir().join("keystore"), format!("61757261{ALICE}"));
        fs::create_dir(&keystore)?;
        for damaged in ["", "no JSON", "\"no phrase\"", "\"//Bob\""] {
            write_secret(&keystore.join(&key), damaged)?;
            let arguments = ["--chain=local", "--validator", "--keystore-path", path_str(&keystore)?];
            let node = start_node(env, &arguments)?;
            node.ensure_refused(&[&key, "does not match the file name"])?;
        }

        let network = env.dir().join("network.key");
        write_secret(&network, "too short")?;
        let node = start_node(env, &["--dev", "--node-key-file", path_str(&network)?])?;
        node.ensure_refused(&["network.key", "not a network key", "64 hexadecimal digits"])?;
        start_node(env, &["--dev", "--node-key", "xyz"])?.ensure_refused(&["node key"])
    })
}

/// The public Aura key of Alice.
const ALICE: &str = "d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d";

/// Runs a node that must fail to start.
fn start_node(env: &TestEnv, arguments: &[&str]) -> Result<CliOutput> {
    let (base, port, rpc_port) = (env.dir().join("refused"), free_port()?, free_port()?);
    let (port, rpc_port) = (port.to_string(), rpc_port.to_string());
    let own = ["--base-path", path_str(&base)?, "--port", &port, "--rpc-port", &rpc_port, "--no-prometheus"];
    streembit_node(arguments.iter().chain(&own))
}

fn write_secret(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o600))?)
}
