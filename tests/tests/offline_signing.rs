//! Cold keys: a call is prepared on one machine, signed on another without a network, and submitted from a third.

use anyhow::{ensure, Context, Result};
use serde_json::Value;
use std::{fs, path::PathBuf};
use streembit_tests::{path_str, run_test, str_at, GatewayFixture, TestEnv};

/// Proposes a service book as Alice, whom Bob answers with a cold key. Returns its file and id.
fn proposed(fixture: &GatewayFixture) -> Result<(PathBuf, String)> {
    let (device, owner, workshop) =
        (fixture.device_id("shed")?, fixture.env.dev_account("alice")?, fixture.env.dev_account("bob")?);
    let settings =
        [("device", device.as_str()), ("owner", &owner), ("workshop", &workshop), ("until", "2040-01-01")];
    let file = fixture.new_contract("vehicle-service", "book", &settings)?;
    let id = fixture.propose(&file, "alice")?;
    Ok((file, id))
}

#[test]
fn a_cold_key_accepts_a_contract() {
    run_test("cold-key", |env| {
        let fixture = GatewayFixture::with_hosted_device(env)?;
        let (file, id) = proposed(&fixture)?;
        let (unsigned, signed) = (env.dir().join("unsigned.json"), env.dir().join("signed.json"));
        // The machine that prepares has no key.
        let bob = env.dev_account("bob")?;
        let prepare = fixture.node_command(["contract", "accept", "--yes", "--signer", &bob, "--offline"]);
        prepare.arg(&unsigned).arg(&file).ok()?;
        ensure!(fixture.contract_state(&id)? == "proposed", "preparing a call makes it");

        // The machine that signs has no network. It decodes the call, and shows the contract that the call agrees to.
        let sign = |key: &str, out: &PathBuf| -> Result<_> {
            let command = env.streembit(["sign", "--yes"]).arg(&unsigned).arg("--contract").arg(&file);
            Ok(command.arg("--key").arg(env.dev_keystore(key)?).arg("-o").arg(out))
        };
        sign("alice", &signed)?.run()?.ensure_refused(&["right key"])?;
        let output = sign("bob", &signed)?.run()?;
        ensure!(output.code == 0, "{output:?}");
        for words in ["ServiceContracts.accept", "every 15,000 km", &id] {
            ensure!(output.stderr.contains(words), "{words:?} is not shown: {output:?}");
        }
        refuse_other_contract(&fixture, &unsigned)?;

        // The third machine only sends it. Sending it twice does not make the call twice.
        let submit = || fixture.node_command(["submit"]).arg(&signed);
        let submitted = submit().json()?;
        ensure!(str_at(&submitted, "/call")? == "ServiceContracts.accept", "{submitted}");
        ensure!(fixture.contract_state(&id)? == "active");
        ensure!(submit().json()?.get("block") == submitted.get("block"), "it was included again");
        Ok(())
    });
}

/// Checks that a contract with other terms is not taken for the one that the call agrees to.
fn refuse_other_contract(fixture: &GatewayFixture, unsigned: &PathBuf) -> Result<()> {
    let env = fixture.env;
    let (device, owner, workshop) =
        (fixture.device_id("shed")?, env.dev_account("alice")?, env.dev_account("bob")?);
    let settings =
        [("device", device.as_str()), ("owner", &owner), ("workshop", &workshop), ("until", "2039-01-01")];
    let other = fixture.new_contract("vehicle-service", "other", &settings)?;
    let sign = env.streembit(["sign", "--yes"]).arg(unsigned).arg("--contract").arg(other);
    let out = env.dir().join("wrong.json");
    let sign = sign.arg("--key").arg(env.dev_keystore("bob")?).arg("-o").arg(&out);
    sign.run()?.ensure_refused(&["does not agree to the content"])?;
    ensure!(!out.exists(), "a refused transaction was signed");
    Ok(())
}

#[test]
fn a_changed_transaction_is_refused_on_every_machine() {
    run_test("changed-transaction", |env| {
        let fixture = GatewayFixture::with_hosted_device(env)?;
        let (unsigned, signed) = (env.dir().join("unsigned.json"), env.dir().join("signed.json"));
        let device = fixture.device_id("shed")?;
        let state = fixture.node_command(["device", "declare", "--device", &device, "--state", "lost"]);
        let state = state.arg("--signer").arg(env.dev_account("alice")?).arg("--offline").arg(&unsigned);
        state.ok()?;
        let sign = |from: &PathBuf, to: &PathBuf| -> Result<_> {
            let command =
                env.streembit(["sign", "--yes"]).arg(from).arg("--key").arg(env.dev_keystore("alice")?);
            Ok(command.arg("-o").arg(to))
        };
        // A call that does not decode is not signed.
        let broken = changed(env, &unsigned, "/transaction/call", |call| format!("{call}00"))?;
        sign(&broken, &signed)?.run()?.ensure_refused(&["cannot be decoded"])?;
        ensure!(!signed.exists());
        // Metadata that make the call look like another one have another hash, which the chain does not accept.
        let lying = changed(env, &unsigned, "/transaction/metadata", |metadata| {
            metadata.replace(&hex::encode("declare"), &hex::encode("declarf"))
        })?;
        if sign(&lying, &signed)?.run()?.code == 0 && fs::read(&lying)? != fs::read(&unsigned)? {
            fixture.node_command(["submit"]).arg(&signed).run()?.ensure_refused(&["signature"])?;
            fs::remove_file(&signed)?;
        }
        let _ = fs::remove_file(&signed);
        sign(&unsigned, &signed)?.ok()?;
        let forged = changed(env, &signed, "/transaction/transaction", |bytes| {
            format!("{}ff", &bytes[..bytes.len() - 2])
        })?;
        ensure!(
            fixture.node_command(["submit"]).arg(forged).run()?.code != 0,
            "a changed transaction was accepted"
        );
        fixture.node_command(["submit"]).arg(&signed).ok()?;
        let shown = fixture.node_command(["device", "show", "--device", &device]).ok()?.stdout;
        ensure!(shown.to_lowercase().contains("lost"), "{shown}");
        Ok(())
    });
}

/// Writes a copy of a JSON file with one text changed.
fn changed(
    env: &TestEnv,
    file: &PathBuf,
    pointer: &str,
    change: impl FnOnce(&str) -> String,
) -> Result<PathBuf> {
    let mut json: Value = serde_json::from_str(&fs::read_to_string(file)?)?;
    let value = json.pointer_mut(pointer).with_context(|| format!("no {pointer}"))?;
    *value = Value::String(change(value.as_str().context("not a text")?));
    let number = fs::read_dir(env.dir())?.count();
    let path = env.dir().join(format!("changed-{number}.json"));
    fs::write(&path, json.to_string())?;
    Ok(path)
}

#[test]
fn a_foreign_wallet_library_signs_with_the_metadata_hash_extension() {
    run_test("wallet-contract", |env| {
        let fixture = GatewayFixture::with_hosted_device(env)?;
        let (file, id) = proposed(&fixture)?;
        let shown = env.streembit(["contract", "show"]).arg(&file).json()?;
        let hash = str_at(&shown, "/content_hash")?;
        let found = env.run_python_client("accept_contract.py", &[&fixture.node.url(), &id, &hash])?;
        ensure!(found.get("success") == Some(&Value::Bool(true)), "{found}");
        let extensions = found.get("extensions").context("no extensions")?.to_string();
        ensure!(extensions.contains("CheckMetadataHash"), "{extensions}");
        ensure!(fixture.contract_state(&id)? == "active", "{}", path_str(&file)?);
        Ok(())
    });
}
