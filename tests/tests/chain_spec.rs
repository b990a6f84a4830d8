//! A consortium's file becomes the chain spec that nodes start from, or says what is wrong with it, line by line.

use anyhow::{ensure, Result};
use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};
use streembit_tests::{binary, free_port, run_test, streembit_node, CliOutput, Node, TestEnv};

#[test]
fn a_file_founds_a_chain_or_says_what_is_wrong_with_it() {
    scene("founding", |env| {
        let (file, spec) = (env.dir().join("consortium.toml"), env.dir().join("spec.json"));
        let (template, _) = node(&["chain-spec", "--template"])?;
        fs::write(&file, template.replace("5FHneW46xGXgs5m", "5FHneW46xGXgs5n"))?;
        let line = template.lines().position(|line| line.starts_with("insurer = ")).unwrap_or_default() + 1;
        let make = ["chain-spec", "--consortium", path(&file), "--out", path(&spec)];
        let (said, code) = node(&make)?;
        ensure!(code != 0 && said.contains(&format!("line {line}: ")) && said.contains("checksum"), "{said}");
        ensure!(!spec.exists(), "a spec of a wrong file");

        // One validator whose keys its own keystore holds; asked for, as it is fewer than safety needs.
        let keys = env.dir().join("keys");
        let (made, _) = node(&["session-keys", "--keystore-path", path(&keys)])?;
        let garage = env.dev_account("alice")?;
        let alone = format!(
            "name = \"Alone\"\nid = \"alone\"\nallow_unsafe = true\n[parties]\ngarage = \"{garage}\"\n[council]\nmembers = \
             [\"garage\"]\n[validators.garage]\n{made}"
        );
        fs::write(&file, alone)?;
        let (said, code) = node(&make)?;
        ensure!(code == 0, "{said}");
        let (said, code) = node(&make)?;
        ensure!(code != 0 && said.contains("never overwritten"), "{said}");

        let arguments = ["--chain", path(&spec), "--validator", "--keystore-path", path(&keys)];
        let mut first = Node::new(env, "garage", arguments)?;
        first.start()?;
        first.wait_until_finalized(2, 60)?;
        let shown = env.streembit(["consortium", "show"]).node(&first.url()).ok()?.stdout;
        ensure!(shown.contains(&garage) && shown.contains("the failure of one stops the chain"), "{shown}");
        Ok(())
    });
}

/// A spec whose runtime is one byte, and no Wasm.
const NO_WASM: &str = r#"{
    "name": "x", "id": "x", "bootNodes": [], "protocolId": "streembit",
    "genesis": { "raw": { "top": { "0x3a636f6465": "0x07" }, "childrenDefault": {} } }
}"#;

#[test]
fn a_node_refuses_a_malformed_spec_and_malformed_keys_by_the_file_s_name() {
    scene("malformed", |env| {
        let file = env.dir().join("spec.json");
        start(env, &["--chain", path(&file)])?.ensure_refused(&["spec.json", "no such file"])?;
        let specs: [(&str, &[&str]); 3] = [
            ("{ no JSON", &["spec.json", "line 1"]),
            (r#"{ "name": "x", "id": "x", "bootNodes": [] }"#, &["spec.json", "genesis"]),
            (NO_WASM, &["starting", "chain x (x)", "--chain"]),
        ];
        for (spec, words) in specs {
            fs::write(&file, spec)?;
            start(env, &["--chain", path(&file)])?.ensure_refused(words)?;
        }

        let (keystore, key) = (env.dir().join("keystore"), format!("61757261{}", "11".repeat(32)));
        fs::create_dir(&keystore)?;
        for damaged in ["no JSON", "\"no phrase\"", "\"//Alice\""] {
            write_secret(&keystore.join(&key), damaged)?;
            let node = start(env, &["--dev", "--keystore-path", path(&keystore)])?;
            node.ensure_refused(&[&key, "not the key that its name says"])?;
        }

        let network = env.dir().join("network.key");
        write_secret(&network, "too short")?;
        let node = start(env, &["--dev", "--node-key-file", path(&network)])?;
        node.ensure_refused(&["network.key", "no network key", "64 hexadecimal digits"])?;
        start(env, &["--dev", "--node-key", "xyz"])?.ensure_refused(&["node key"])
    })
}

/// Runs a node that has to refuse to start.
fn start(env: &TestEnv, arguments: &[&str]) -> Result<CliOutput> {
    let (base, port, rpc_port) = (env.dir().join("refused"), free_port()?, free_port()?);
    let (port, rpc_port) = (port.to_string(), rpc_port.to_string());
    let own = ["--base-path", path(&base), "--port", &port, "--rpc-port", &rpc_port, "--no-prometheus"];
    streembit_node(arguments.iter().chain(&own))
}

fn write_secret(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o600))?)
}

/// Runs `streembit-node` to its end; gives everything that it said, and its exit code.
fn node(arguments: &[&str]) -> Result<(String, i32)> {
    let output = Command::new(binary("streembit-node")?).args(arguments).output()?;
    let said = [output.stdout, output.stderr].concat();
    Ok((String::from_utf8_lossy(&said).into_owned(), output.status.code().unwrap_or(-1)))
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}
