//! A client library that knows Substrate and nothing of this chain reads it and submits to it, as a wallet does.

use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};
use streembit::account;
use streembit_primitives::consortium::invalid_transaction;
use streembit_tests::{number, scene, text, Home, Settings};

#[test]
fn a_foreign_library_reads_the_chain_and_submits_to_it() {
    scene("clients", |scene| {
        let home = Home::in_two_processes(scene, Settings::default().hosted("shed"))?;
        let line = "[{\"n\":\"temperature\",\"u\":\"Cel\",\"v\":4.5}]\n";
        home.add("shed", &line.repeat(7)).ok()?;
        let log = home.anchored()?;

        let found = scene.python("wallet.py", &[&home.node.url()])?;
        reads(&home, &found, log.anchored)?;
        submits(&home, &found)
    });
}

/// The metadata, constants, and the storage of every pallet it asks for, with accounts as addresses.
fn reads(home: &Home<'_>, found: &Value, anchored: u64) -> Result<()> {
    ensure!(text(found, "/chain")? == "Streembit development", "{found}");
    ensure!(number(found, "/properties/ss58Format")? == 42, "{found}");
    let runtime = home.node.rpc("state_getRuntimeVersion", json!([]))?;
    ensure!(number(found, "/spec_version")? == number(&runtime, "/specVersion")?, "{found}");
    for pallet in ["System", "Consortium", "Council", "Devices", "Anchors", "ServiceContracts"] {
        ensure!(has(found, "/pallets", pallet), "no {pallet}: {found}");
    }
    ensure!(has(found, "/extensions", "SpendQuota"), "{found}");
    ensure!(number(found, "/period")? == 600_000, "ten minutes: {found}");

    // An account without a balance, whose next number the node and the state agree on.
    ensure!(number(found, "/account/providers")? == 1, "{found}");
    ensure!(number(found, "/account/nonces/0")? == number(found, "/account/nonces/1")?, "{found}");
    ensure!(found.get("council") == Some(&json!([home.scene.account("alice")?])), "{found}");
    for party in ["alice", "bob", "charlie", "dave", "eve", "ferdie"] {
        ensure!(has(found, "/parties", &home.scene.account(party)?), "no {party}: {found}");
    }
    let gateway = account::show(&home.gateway.account()?);
    ensure!(found.get("anchors") == Some(&json!([[gateway, anchored]])), "{gateway}, {anchored}: {found}");
    Ok(())
}

/// Transactions of parties, what they did, why another one failed and a third was not taken; and those of a stranger, who is then
/// taken in.
fn submits(home: &Home<'_>, found: &Value) -> Result<()> {
    ensure!(number(found, "/refused/code")? == 1010, "a stranger was not refused: {found}");
    ensure!(text(found, "/refused/data")?.contains("Inability to pay"), "{found}");

    let (alice, bob) = (home.scene.account("alice")?, home.scene.account("bob")?);
    let stranger = text(found, "/stranger")?;
    ensure!(succeeded(found, "/remark", "System.Remarked")?.get("sender") == Some(&json!(bob)), "{found}");
    let proposed = succeeded(found, "/proposal", "Consortium.Proposed")?;
    ensure!(proposed.get("by") == Some(&json!(bob)), "{proposed}");
    ensure!(proposed.get("change") == Some(&json!({"AddParty": stranger})), "{proposed}");

    ensure!(number(found, "/forbidden/code")? == 1010, "who is not in the council voted: {found}");
    let outside = format!("Custom error: {}", invalid_transaction::NOT_IN_COUNCIL);
    ensure!(text(found, "/forbidden/data")? == outside, "{found}");

    ensure!(
        found.pointer("/failed/success") == Some(&json!(false)),
        "who is no validator left the validators: {found}"
    );
    ensure!(text(found, "/failed/error/name")? == "NotAValidator", "{found}");

    let voted = succeeded(found, "/vote", "Council.Voted")?;
    ensure!(voted.get("account") == Some(&json!(alice)), "{voted}");
    succeeded(found, "/vote", "Consortium.Changed")?;
    let welcome = succeeded(found, "/welcome", "System.Remarked")?;
    ensure!(welcome.get("sender") == Some(&json!(stranger)), "{welcome}");
    ensure!(has(found, "/parties_after", &stranger), "{found}");
    let shown = home.on_chain(["consortium", "show"]).ok()?.stdout;
    ensure!(shown.contains(&stranger), "the command line knows no {stranger}: {shown}");
    Ok(())
}

/// What an event of a transaction says that did what it was to do.
fn succeeded<'f>(found: &'f Value, transaction: &str, event: &str) -> Result<&'f Value> {
    ensure!(
        found.pointer(&format!("{transaction}/success")) == Some(&json!(true)),
        "{transaction} failed: {found}"
    );
    let said = found.pointer(&format!("{transaction}/events/{event}"));
    said.with_context(|| format!("no {event} by {transaction}: {found}"))
}

/// Whether a list has a text.
fn has(found: &Value, list: &str, wanted: &str) -> bool {
    let list = found.pointer(list).and_then(Value::as_array);
    list.is_some_and(|list| list.iter().any(|value| value.as_str() == Some(wanted)))
}
