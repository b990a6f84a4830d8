//! A consortium's file becomes the chain spec that nodes start from, or says what is wrong with it, line by line.

use anyhow::{ensure, Result};
use std::{fs, path::Path, process::Command};
use streembit_tests::{binary, scene, Node};

#[test]
fn a_file_founds_a_chain_or_says_what_is_wrong_with_it() {
    scene("founding", |scene| {
        let (file, spec) = (scene.dir().join("consortium.toml"), scene.dir().join("spec.json"));
        let (template, _) = node(&["chain-spec", "--template"])?;
        fs::write(&file, template.replace("5FHneW46xGXgs5m", "5FHneW46xGXgs5n"))?;
        let line = template.lines().position(|line| line.starts_with("insurer = ")).unwrap_or_default() + 1;
        let make = ["chain-spec", "--consortium", path(&file), "--out", path(&spec)];
        let (said, code) = node(&make)?;
        ensure!(code != 0 && said.contains(&format!("line {line}: ")) && said.contains("checksum"), "{said}");
        ensure!(!spec.exists(), "a spec of a wrong file");

        // One validator whose keys its own keystore holds; asked for, as it is fewer than safety needs.
        let keys = scene.dir().join("keys");
        let (made, _) = node(&["session-keys", "--keystore-path", path(&keys)])?;
        let garage = scene.account("alice")?;
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
        let mut first = Node::new(scene, "garage", arguments)?;
        first.start()?;
        first.finalizes(2, 60)?;
        let shown = scene.streembit(["consortium", "show"]).node(&first.url()).ok()?.stdout;
        ensure!(shown.contains(&garage) && shown.contains("the failure of one stops the chain"), "{shown}");
        Ok(())
    });
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
