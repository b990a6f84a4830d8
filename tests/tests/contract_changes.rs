//! How contracts change and end: amendments, notice, revocation, and a party that is expelled.

use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};
use std::path::Path;
use streembit_tests::{dev_party, run_test, str_at, GatewayFixture, SignedContract, TEMPERATURE_SENML};

/// Signs a contract between Alice, who owns the device `shed`, and another account, from a template.
fn service_book(fixture: &GatewayFixture, workshop: &str) -> Result<SignedContract> {
    let settings = answers(fixture, workshop)?;
    let settings: Vec<_> = settings.iter().map(|(name, answer)| (*name, answer.as_str())).collect();
    fixture.sign_contract("vehicle-service", "book", &settings, &["alice", workshop])
}

fn answers(fixture: &GatewayFixture, workshop: &str) -> Result<Vec<(&'static str, String)>> {
    Ok(vec![
        ("device", fixture.device_id("shed")?),
        ("owner", fixture.env.dev_account("alice")?),
        ("workshop", fixture.env.dev_account(workshop)?),
        ("until", "2040-01-01".into()),
    ])
}

#[test]
fn an_amendment_counts_only_when_both_sides_have_signed_it() {
    run_test("amendment", |env| {
        let fixture = GatewayFixture::with_hosted_device(env)?;
        let book = service_book(&fixture, "bob")?;
        let longer = amended(
            &fixture,
            &book,
            "longer",
            &[("number = 1\n", "number = 3\n"), ("number = 2\n", "number = 4\n")],
        )?;
        let amend = |file: &Path| -> Result<_> {
            let command = fixture.contract_command("amend", &book.id, &["--yes", "--to"], "alice")?.arg(file);
            Ok(command.arg("--before").arg(&book.file))
        };
        // A clause that counts in another unit is another clause, and its number is taken.
        let replaced = amended(&fixture, &book, "replaced", &[("unit = \"km\"", "unit = \"mi\"")])?;
        amend(&replaced)?.run()?.ensure_refused(&["ClauseReplaced"])?;
        let output = amend(&longer)?.run()?;
        ensure!(output.code == 0 && output.stderr.contains("clause 3 is new"), "{output:?}");

        // One side alone changes nothing.
        ensure!(version(&fixture, &book.id)? == 0);
        fixture.accept_command(&longer, "alice")?.run()?.ensure_refused(&["already accepted"])?;
        fixture.contract_command("withdraw", &book.id, &[], "bob")?.run()?.ensure_refused(&["proposer"])?;
        fixture.contract_command("withdraw", &book.id, &[], "alice")?.ok()?;
        fixture.accept_command(&longer, "bob")?.run()?.ensure_refused(&["neither proposed"])?;
        ensure!(version(&fixture, &book.id)? == 0);

        // Both sides together do.
        amend(&longer)?.ok()?;
        let accepted = fixture.accept_command(&longer, "bob")?.arg("--before").arg(&book.file).run()?;
        ensure!(accepted.code == 0 && accepted.stderr.contains("clause 1 is removed"), "{accepted:?}");
        ensure!(version(&fixture, &book.id)? == 1);
        let shown = fixture.shown_contract(&book.id)?;
        ensure!(shown.pointer("/contract/content/v1/clauses/0/number") == Some(&json!(3)), "{shown}");
        // The acceptance of the first version is not one of the second.
        fixture.accept_command(&book.file, "bob")?.run()?.ensure_refused(&["right file"])
    });
}

/// Writes the next version of a contract, from its template with changes.
fn amended(
    fixture: &GatewayFixture,
    book: &SignedContract,
    name: &str,
    changes: &[(&str, &str)],
) -> Result<std::path::PathBuf> {
    let template = fixture.changed_template("vehicle-service", changes)?;
    let settings = answers(fixture, "bob")?;
    let settings: Vec<_> = settings.iter().map(|(name, answer)| (*name, answer.as_str())).collect();
    let file = fixture.env.dir().join(format!("{name}.contract"));
    fixture.new_contract_command(&template, &settings, &file).arg("--amends").arg(&book.file).ok()?;
    Ok(file)
}

fn version(fixture: &GatewayFixture, id: &str) -> Result<u64> {
    let shown = fixture.shown_contract(id)?;
    shown.pointer("/contract/version").and_then(Value::as_u64).with_context(|| format!("no version: {shown}"))
}

#[test]
fn either_side_revokes_a_right_at_once() {
    run_test("revocation", |env| {
        let fixture = GatewayFixture::with_hosted_device(env)?;
        let device = fixture.device_id("shed")?;
        for by in ["bob", "alice"] {
            let book = service_book_named(&fixture, by)?;
            fixture.add_reading("shed", "Vehicle.TraveledDistance", "km", "100")?;
            subscribe(&fixture, &device)?.ok()?;
            let revoke = |name: &str| -> Result<_> {
                let command = fixture.node_command(["grant", "revoke", &book.id, "--key"]);
                Ok(command.arg(env.dev_keystore(name)?))
            };
            revoke("charlie")?.run()?.ensure_refused(&["party"])?;
            revoke(by)?.ok()?;
            subscribe(&fixture, &device)?.run()?.ensure_refused(&["granted nothing"])?;
            ensure!(revoke(by)?.run()?.code != 0, "a right was revoked twice");
        }
        Ok(())
    });
}

fn service_book_named(fixture: &GatewayFixture, name: &str) -> Result<SignedContract> {
    let settings = answers(fixture, "bob")?;
    let settings: Vec<_> = settings.iter().map(|(name, answer)| (*name, answer.as_str())).collect();
    fixture.sign_contract("vehicle-service", &format!("book-{name}"), &settings, &["alice", "bob"])
}

fn subscribe<'s>(fixture: &GatewayFixture<'s>, device: &str) -> Result<streembit_tests::CliCommand<'s>> {
    let command = fixture.node_command(["subscribe", "--count", "1", "--device", device, "--gateway"]);
    let command = command.arg(fixture.gateway.delivery_address("quic")?);
    Ok(command.arg("--key").arg(fixture.env.dev_keystore("bob")?))
}

#[test]
fn data_of_a_product_reach_the_recipient_by_class_until_the_user_ends_it() {
    run_test("data-act", |env| {
        let fixture = GatewayFixture::with_hosted_device(env)?;
        let device = fixture.device_id("shed")?;
        let (user, recipient) = (env.dev_account("alice")?, env.dev_account("bob")?);
        let settings = [
            ("device", device.as_str()),
            ("user", &user),
            ("recipient", &recipient),
            ("purpose", "Predicting maintenance"),
            ("until", "2040-01-01"),
        ];
        let contract = fixture.sign_contract("data-act", "data", &settings, &["alice", "bob"])?;
        fixture.add_senml("shed", TEMPERATURE_SENML).ok()?;
        fixture.add_senml("shed", "[{\"n\":\"state\",\"vs\":\"0x7f\"}]\n").ok()?;
        let received = subscribe(&fixture, &device)?.ok()?.stdout;
        ensure!(received.contains("temperature"), "{received}");

        // The user ends one class, and the other one goes on.
        let revoke = |clause: &str| -> Result<()> {
            let command =
                fixture.node_command(["grant", "revoke", &contract.id, "--clause", clause, "--key"]);
            command.arg(env.dev_keystore("alice")?).ok()?;
            Ok(())
        };
        let rights = || -> Result<usize> {
            let listed = fixture.node_command(["grant", "list", "--device", &device]).json()?;
            Ok(listed.as_array().map_or(0, Vec::len))
        };
        ensure!(rights()? == 2);
        revoke("1")?;
        ensure!(rights()? == 1);
        subscribe(&fixture, &device)?.ok()?;
        revoke("2")?;
        subscribe(&fixture, &device)?.run()?.ensure_refused(&["granted nothing"])?;
        // The record of request, grant and revocation is the proof.
        let history = fixture.node_command(["contract", "history", &contract.id]).json()?;
        let events: Vec<_> = history
            .as_array()
            .context("no list")?
            .iter()
            .filter_map(|entry| str_at(entry, "/event").ok())
            .collect();
        let is_told = events.first().is_some_and(|event| event == "Proposed")
            && events.iter().any(|event| event == "Activated")
            && events.ends_with(&["Revoked".to_owned(), "Revoked".to_owned()]);
        ensure!(is_told, "{events:?}");
        Ok(())
    });
}

#[test]
fn a_contract_ends_by_notice_and_is_pruned() {
    run_test("notice", |env| {
        let fixture = GatewayFixture::with_hosted_device(env)?;
        let settings = answers(&fixture, "bob")?;
        let settings: Vec<_> = settings.iter().map(|(name, answer)| (*name, answer.as_str())).collect();
        let book = fixture.sign_contract("vehicle-service", "book", &settings, &["alice", "bob"])?;
        fixture.contract_command("terminate", &book.id, &[], "charlie")?.run()?.ensure_refused(&["party"])?;
        fixture.contract_command("terminate", &book.id, &[], "alice")?.ok()?;
        ensure!(fixture.contract_state(&book.id)? == "active", "the notice period runs");
        fixture.contract_command("terminate", &book.id, &[], "alice")?.run()?.ensure_refused(&["notice"])?;
        // If both give notice, it ends at once.
        fixture.contract_command("terminate", &book.id, &[], "bob")?.ok()?;
        ensure!(fixture.contract_state(&book.id)? == "ended");
        let grants = fixture.node_command(["grant", "list", "--party", settings[1].1]).json()?;
        ensure!(grants == json!([]), "{grants}");
        Ok(())
    });
}

#[test]
fn a_party_expelled_in_mid_contract_loses_its_rights_at_once() {
    run_test("expelled", |env| {
        let fixture = GatewayFixture::with_hosted_device(env)?;
        let device = fixture.device_id("shed")?;
        let book = service_book(&fixture, "bob")?;
        fixture.add_reading("shed", "Vehicle.TraveledDistance", "km", "100")?;
        subscribe(&fixture, &device)?.ok()?;
        // Alice is the council of the development chain.
        let remove =
            fixture.node_command(["consortium", "remove-party", &dev_party("bob")?.to_string(), "--key"]);
        remove.arg(env.dev_keystore("alice")?).ok()?;
        ensure!(subscribe(&fixture, &device)?.run()?.code != 0, "an expelled party still reads");
        let grants = fixture.node_command(["grant", "list", "--device", &device]).json()?;
        ensure!(grants == json!([]), "{grants}");
        // The contract says that it waits for a successor.
        fixture.contract_command("prune", &book.id, &[], "alice")?.ok()?;
        let shown = fixture.shown_contract(&book.id)?;
        ensure!(shown.pointer("/contract/waits_until").is_some_and(Value::is_u64), "{shown}");
        Ok(())
    });
}
