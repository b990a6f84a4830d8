//! A generic Substrate client library, which has no code for this chain, reads the state and submits transactions
//! like a wallet.

use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};
use streembit_keystore::{account, KeyPair};
use streembit_primitives::{consortium::invalid_transaction, AccountId, PartyId};
use streembit_tests::{dev_party, run_test, str_at, u64_at, GatewayFixture, TEMPERATURE_SENML};

/// The seed of an account that no party has.
const STRANGER: [u8; 32] = [0x77; 32];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("0x".into(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// The id of the party that the account founds.
fn stranger_party() -> String {
    hex(&PartyId::of_first_account(&KeyPair::from_seed(STRANGER).account()).0)
}

#[test]
fn a_generic_substrate_library_reads_the_chain_and_submits_transactions() {
    run_test("clients", |env| {
        let fixture = GatewayFixture::with_hosted_device(env)?;
        let line = TEMPERATURE_SENML;
        fixture.add_senml("shed", &line.repeat(7)).ok()?;
        let log = fixture.wait_until_anchored()?;

        let found =
            env.run_python_client("wallet.py", &[&fixture.node.url(), &hex(&STRANGER), &stranger_party()])?;
        check_reads(&fixture, &found, log.anchored)?;
        check_submissions(&fixture, &found)
    });
}

/// Checks what the library read: metadata, constants and storage, with accounts as addresses.
fn check_reads(fixture: &GatewayFixture<'_>, found: &Value, anchored: u64) -> Result<()> {
    ensure!(str_at(found, "/chain")? == "Streembit development", "{found}");
    ensure!(u64_at(found, "/properties/ss58Format")? == 42, "{found}");
    let runtime = fixture.node.rpc("state_getRuntimeVersion", json!([]))?;
    ensure!(u64_at(found, "/spec_version")? == u64_at(&runtime, "/specVersion")?, "{found}");
    for pallet in [
        "System",
        "Parties",
        "Validators",
        "Quotas",
        "Council",
        "Collective",
        "Devices",
        "Anchors",
        "ServiceContracts",
    ] {
        ensure!(contains(found, "/pallets", pallet), "no {pallet}: {found}");
    }
    ensure!(contains(found, "/extensions", "SpendQuota"), "{found}");
    ensure!(u64_at(found, "/period")? == 600_000, "ten minutes: {found}");

    // The account has no balance, and node and state agree on its nonce.
    ensure!(u64_at(found, "/account/providers")? == 1, "{found}");
    ensure!(u64_at(found, "/account/nonces/0")? == u64_at(found, "/account/nonces/1")?, "{found}");
    ensure!(found.get("council") == Some(&json!([as_member("alice")?])), "{found}");
    for party in ["alice", "bob", "charlie", "dave", "eve", "ferdie"] {
        ensure!(contains(found, "/parties", &dev_party(party)?.to_string()), "no {party}: {found}");
    }
    let gateway = account::show(&fixture.gateway.account()?);
    ensure!(found.get("anchors") == Some(&json!([[gateway, anchored]])), "{gateway}, {anchored}: {found}");
    Ok(())
}

/// Checks the results of the submitted transactions: of parties, of an unknown account, and of that account after it
/// became a party.
fn check_submissions(fixture: &GatewayFixture<'_>, found: &Value) -> Result<()> {
    ensure!(u64_at(found, "/refused/code")? == 1010, "the unknown account was not rejected: {found}");
    ensure!(str_at(found, "/refused/data")?.contains("Inability to pay"), "{found}");

    ensure!(u64_at(found, "/fee/partialFee")? == 0 && u64_at(found, "/fee/weight/ref_time")? > 0, "{found}");
    // A success, and `InvalidTransaction::Payment`.
    ensure!(found.get("dry_runs") == Some(&json!(["0x0000", "0x010001"])), "{found}");

    let bob = fixture.env.dev_account("bob")?;
    let stranger = str_at(found, "/stranger")?;
    ensure!(succeeded(found, "/remark", "System.Remarked")?.get("sender") == Some(&json!(bob)), "{found}");
    let proposed = succeeded(found, "/proposal", "Council.Proposed")?;
    ensure!(proposed.get("by") == Some(&json!(bob)), "{proposed}");
    ensure!(
        proposed.get("change")
            == Some(&json!({"AddParty": {"party": stranger_party(), "account": stranger}})),
        "{proposed}"
    );

    ensure!(
        u64_at(found, "/forbidden/code")? == 1010,
        "a vote from outside of the council was accepted: {found}"
    );
    let expected = format!("Custom error: {}", invalid_transaction::NOT_IN_COUNCIL);
    ensure!(str_at(found, "/forbidden/data")? == expected, "{found}");

    ensure!(
        found.pointer("/failed/success") == Some(&json!(false)),
        "an account that is not a validator left the validators: {found}"
    );
    ensure!(str_at(found, "/failed/error/name")? == "NotAValidator", "{found}");

    let voted = succeeded(found, "/vote", "Collective.Voted")?;
    ensure!(voted.get("account") == Some(&json!(as_member("alice")?)), "{voted}");
    let added = succeeded(found, "/vote", "Parties.PartyAdded")?;
    ensure!(added.get("account") == Some(&json!(stranger)), "{added}");
    let party = str_at(added, "/party")?;
    let welcome = succeeded(found, "/welcome", "System.Remarked")?;
    ensure!(welcome.get("sender") == Some(&json!(stranger)), "{welcome}");
    ensure!(contains(found, "/parties_after", &party), "{found}");
    let shown = fixture.node_command(["consortium", "show"]).ok()?.stdout;
    ensure!(shown.contains(&stranger), "the command line does not show {stranger}: {shown}");
    Ok(())
}

/// Returns how a generic client sees a party in the council: its id as an address.
fn as_member(name: &str) -> Result<String> {
    Ok(account::show(&AccountId(dev_party(name)?.0)))
}

/// Returns the attributes of an event of a transaction, which must have succeeded.
fn succeeded<'f>(found: &'f Value, transaction: &str, event: &str) -> Result<&'f Value> {
    ensure!(
        found.pointer(&format!("{transaction}/success")) == Some(&json!(true)),
        "{transaction} failed: {found}"
    );
    let said = found.pointer(&format!("{transaction}/events/{event}"));
    said.with_context(|| format!("no {event} by {transaction}: {found}"))
}

/// Returns true if a list contains a string.
fn contains(found: &Value, list: &str, wanted: &str) -> bool {
    let list = found.pointer(list).and_then(Value::as_array);
    list.is_some_and(|list| list.iter().any(|value| value.as_str() == Some(wanted)))
}
