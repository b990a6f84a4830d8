//! The story of a service book: a proven odometer makes a service due, the workshop records it with evidence, the owner
//! confirms it, and the due point moves. A buyer checks the book offline, and the sale hands the car over.

use anyhow::{bail, ensure, Context, Result};
use codec::Decode as _;
use serde_json::{json, Value};
use streembit_chain::{Call, ContractAction, ContractCall};
use streembit_primitives::{
    contract::ContractId, merkle::InclusionProof, reading_proof::ReadingProof, Body, Hash, LogEntry, Part,
    Version,
};
use streembit_tests::{
    dev_key, dev_party, path_str, run_test, str_at, streembit_node, u64_at, wait_until, GatewayFixture,
    GatewaySettings, ObdEmulator,
};

const ODOMETER: &str = "Vehicle.TraveledDistance";

#[test]
fn a_service_book_from_the_first_service_to_the_sale() {
    run_test("contract", |env| {
        let mut emulator = ObdEmulator::start(env, "car")?;
        // Set before the first connection, so that the odometer of the scenario is never read.
        emulator.set_odometer(149_990)?;
        let settings =
            GatewaySettings::default().car("car", &emulator.port().to_string_lossy()).hosted("van");
        let fixture = GatewayFixture::in_one_process(env, settings)?;
        let id = sign_book(&fixture)?;

        fixture.drive_to(&mut emulator, 149_991)?;
        fixture.proving_command("report", &id, &[], "alice")?.ok()?;
        ensure_due(&fixture, &id, Some("14999.1"), "15000", false)?;
        fixture.drive_to(&mut emulator, 150_004)?;
        fixture.proving_command("report", &id, &[], "alice")?.ok()?;
        ensure_due(&fixture, &id, Some("15000.4"), "15000", true)?;
        ensure_invalid_proofs_are_rejected(&fixture, &id)?;

        record_and_confirm(&fixture, &id)?;
        ensure_due(&fixture, &id, Some("15000.4"), "30000.4", false)?;
        check_the_book_offline(&fixture)?;
        sell(&fixture)?;
        // The workshop of the former owner can prove nothing that happened after the sale.
        fixture.drive_to(&mut emulator, 150_100)?;
        fixture.proving_command("report", &id, &[], "bob")?.run()?.ensure_refused(&["owner"])?;
        check_history(&fixture, &id)
    });
}

/// Has owner and workshop sign the book, and returns its id.
fn sign_book(fixture: &GatewayFixture) -> Result<String> {
    let (device, owner, workshop) =
        (fixture.device_id("car")?, fixture.env.dev_account("alice")?, fixture.env.dev_account("bob")?);
    let settings = [
        ("device", device.as_str()),
        ("owner", &owner),
        ("workshop", &workshop),
        ("every", "15000"),
        ("until", "2040-01-01"),
    ];
    let file = fixture.new_contract("vehicle-service", "book", &settings)?;
    let text = fixture.env.streembit(["contract", "show"]).arg(&file).ok()?.stdout;
    for words in ["Service book", "every 15,000 km", "The workshop", "whichever comes first"] {
        ensure!(text.contains(words), "the book does not say {words:?}:\n{text}");
    }
    let id = fixture.propose(&file, "alice")?;
    ensure!(fixture.contract_state(&id)? == "proposed");
    // Without a terminal, nothing is signed unasked, but what would be signed is shown.
    let unasked = fixture.node_command(["contract", "accept"]).arg(&file).arg("--key");
    unasked
        .arg(fixture.env.dev_keystore("bob")?)
        .run()?
        .ensure_refused(&["nothing was signed", "15,000 km"])?;
    fixture.accept_command(&file, "charlie")?.run()?.ensure_refused(&["not a party"])?;
    fixture.accept_command(&file, "bob")?.ok()?;
    ensure!(fixture.contract_state(&id)? == "active");
    fixture.accept_command(&file, "bob")?.run()?.ensure_refused(&["nothing to accept"])?;
    Ok(id)
}

fn ensure_due(
    fixture: &GatewayFixture,
    id: &str,
    meter: Option<&str>,
    at_meter: &str,
    is_due: bool,
) -> Result<()> {
    let task = fixture.service_task(id)?;
    let same = task.get("meter").and_then(Value::as_str) == meter
        && str_at(&task, "/at_meter")? == at_meter
        && task.get("is_due") == Some(&json!(is_due));
    ensure!(same, "not meter {meter:?}, due at {at_meter}, due {is_due}: {task}");
    Ok(())
}

/// Has the workshop record the service with a proof from the owner's gateway and an invoice, and the owner confirm it.
fn record_and_confirm(fixture: &GatewayFixture, id: &str) -> Result<()> {
    let proof = fixture.proof_file(id, "1")?;
    let invoice = fixture.env.dir().join("invoice.txt");
    std::fs::write(&invoice, "oil, filter, 40 minutes")?;
    let record = |name: &str| -> Result<_> {
        let command = fixture.contract_command("record", id, &["--clause", "1", "--proof"], name)?;
        Ok(command.arg(&proof).arg("--document").arg(&invoice))
    };
    record("alice")?.run()?.ensure_refused(&["party that the clause"])?;
    let recorded = record("bob")?.json()?;
    ensure!(u64_at(&recorded, "/record")? == 0, "{recorded}");
    ensure!(env_has_salt(fixture), "the salt of the invoice was not kept");
    // The record alone does not move the due point. Only the owner can confirm it, and only an existing record.
    ensure_due(fixture, id, Some("15000.4"), "15000", true)?;
    let confirm =
        |record: &str, name: &str| fixture.contract_command("confirm", id, &["--record", record], name);
    confirm("0", "bob")?.run()?.ensure_refused(&["other side"])?;
    confirm("1", "alice")?.run()?.ensure_refused(&["has no record 1"])?;
    confirm("0", "alice")?.ok()?;
    fixture.ensure_claim(id, 0, json!({ "stands": "confirmed" }))
}

fn env_has_salt(fixture: &GatewayFixture) -> bool {
    fixture.env.dir().join("invoice.txt.salt").exists()
}

/// Has a buyer verify the odometer of the car with nothing but the evidence file and the chain spec.
fn check_the_book_offline(fixture: &GatewayFixture) -> Result<()> {
    let (file, spec) = (fixture.env.dir().join("car.evidence"), fixture.env.dir().join("chain.json"));
    fixture.gateway.export_command(fixture.env, "car", &["--disclose", ODOMETER], &file).ok()?;
    let exported = streembit_node(["export-chain-spec", "--chain", "dev", "--raw"])?;
    ensure!(exported.code == 0, "{exported:?}");
    std::fs::write(&spec, exported.stdout)?;
    let verify = ["audit", "verify", path_str(&file)?, "--chain-spec", path_str(&spec)?];
    fixture.env.streembit(verify).ok()?;
    Ok(())
}

/// Sells the car to Charlie. The former owner's workshop then reads nothing.
fn sell(fixture: &GatewayFixture) -> Result<()> {
    let device = fixture.device_id("car")?;
    ensure!(grants(fixture, &device)?.len() == 1, "the workshop reads before the sale");
    let (seller, buyer) = (fixture.env.dev_account("alice")?, fixture.env.dev_account("charlie")?);
    let settings = [
        ("device", device.as_str()),
        ("seller", &seller),
        ("buyer", &buyer),
        ("deposit", "500"),
        ("rest", "8500"),
        ("until", "2040-01-01"),
    ];
    let sale = fixture.sign_contract("sale", "sale", &settings, &["alice", "charlie"])?;
    let hand_over = |name: &str| fixture.contract_command("hand-over", &sale.id, &["--yes"], name);
    hand_over("bob")?.run()?.ensure_refused(&["not a party"])?;
    hand_over("charlie")?.ok()?;
    fixture.wait_until_anchored()?;
    let handed = hand_over("alice")?.arg("--config").arg(fixture.gateway.config()).json()?;
    ensure!(str_at(&handed, "/owner")? == dev_party("charlie")?.to_string(), "{handed}");
    ensure!(grants(fixture, &device)?.is_empty(), "a right outlived the sale");
    Ok(())
}

fn grants(fixture: &GatewayFixture, device: &str) -> Result<Vec<Value>> {
    let grants = fixture.node_command(["grant", "list", "--device", device]).json()?;
    grants.as_array().cloned().with_context(|| format!("no list: {grants}"))
}

/// Checks that the gateway's index and the node's blocks tell the same history.
fn check_history(fixture: &GatewayFixture, id: &str) -> Result<()> {
    let by_node = fixture.node_command(["contract", "history", id]).json()?;
    let events = |history: &Value| -> Vec<Value> {
        let entries = history.as_array().cloned().unwrap_or_default();
        entries.iter().filter_map(|entry| entry.get("event").cloned()).collect()
    };
    let expected =
        ["Proposed", "Accepted", "Activated", "MeterProven", "Claimed", "Confirmed"].map(|name| json!(name));
    for name in &expected {
        ensure!(events(&by_node).contains(name), "no {name}: {by_node}");
    }
    let by_index = fixture.node_command(["contract", "history", id, "--config"]);
    let by_index = by_index.arg(fixture.gateway.config()).json()?;
    ensure!(events(&by_index) == events(&by_node), "{by_index}\n{by_node}");
    let text = fixture.node_command(["contract", "history", id]).ok()?.stdout;
    ensure!(text.contains("record 0: service under clause 1"), "{text}");
    Ok(())
}

/// Submits proofs of real events directly to the chain, which must reject each for a different reason.
fn ensure_invalid_proofs_are_rejected(fixture: &GatewayFixture, id: &str) -> Result<()> {
    fixture.add_reading("van", ODOMETER, "km", "99000")?;
    fixture.wait_until_anchored()?;
    // The chain stores the roots of the last few anchored sizes only, so each proof is made just before it is used.
    let anchored = || Ok::<_, anyhow::Error>(fixture.gateway.log_state()?.anchored);
    ensure_rejected(fixture, id, proof_of(fixture, "van", anchored()?)?, "OtherDevice")?;
    let never_anchored = unanchored_size(fixture, anchored()?)?;
    ensure_rejected(fixture, id, proof_of(fixture, "car", never_anchored)?, "NotAnchored")?;
    let mut rewritten = proof_of(fixture, "car", anchored()?)?;
    if let Part::Reading(reading) = &mut rewritten.disclosure.part {
        reading.value = streembit_primitives::Value::Decimal("20000".parse()?);
    }
    ensure_rejected(fixture, id, rewritten, "NotInEvent")?;
    // Valid except for its age: the first reading comes from before the contract, or is not newer than the last report.
    let old = proof_of(fixture, "car", anchored()?)?;
    let chain = fixture.chain()?;
    let call = report(id, old)?;
    match fixture.env.block_on(chain.submit(&dev_key("alice")?, call)) {
        Ok(submitted) => bail!("an old reading was accepted in block {}", submitted.block),
        Err(error) => {
            let reasons = ["OutsideContract", "NotNewer", "ImplausibleTime"];
            let said = |reason: &&str| error.dispatch_error() == Some(&format!("ServiceContracts::{reason}"));
            ensure!(reasons.iter().any(said), "unexpected: {error}");
            Ok(())
        }
    }
}

fn report(id: &str, proof: ReadingProof) -> Result<Call> {
    let action = ContractAction::Report { clause: 1, proof: Box::new(proof) };
    Ok(Call::Contract(ContractCall::About(id.parse::<ContractId>()?, action)))
}

fn ensure_rejected(fixture: &GatewayFixture, id: &str, proof: ReadingProof, reason: &str) -> Result<()> {
    let (chain, alice) = (fixture.chain()?, dev_key("alice")?);
    match fixture.env.block_on(chain.submit(&alice, report(id, proof)?)) {
        Ok(submitted) => bail!("accepted in block {}, expected {reason}", submitted.block),
        Err(error) => {
            let said = error.dispatch_error() == Some(&format!("ServiceContracts::{reason}"));
            ensure!(said, "expected {reason} from the chain: {error}");
            Ok(())
        }
    }
}

/// Returns a size of the log whose root the chain does not store.
fn unanchored_size(fixture: &GatewayFixture, anchored: u64) -> Result<u64> {
    let (chain, log) = (fixture.chain()?, fixture.gateway.log_id()?);
    fixture.env.block_on(async {
        let view = chain.view().await?;
        for size in (2..anchored).rev() {
            if view.anchored_root(log, size).await?.is_none() {
                return Ok(size);
            }
        }
        bail!("every size below {anchored} is anchored")
    })
}

/// Builds the proof of a device's first odometer reading from the gateway's API.
fn proof_of(fixture: &GatewayFixture, device: &str, size: u64) -> Result<ReadingProof> {
    for event in fixture.gateway.events(device)? {
        let index = u64_at(&event, "/index")?;
        let body = Body::decode(&mut &scale_bytes(&event, "/body")?[..])?;
        let named = |part: &Part| matches!(part, Part::Reading(reading) if reading.name.as_str() == ODOMETER);
        let Some(part) = body.parts.iter().position(named) else { continue };
        ensure!(index < size, "event {index} is beyond size {size}");
        let path = fixture.gateway.get(&format!("/v1/log/proof/{index}?size={size}"))?;
        let path: Vec<Hash> = serde_json::from_value(path.get("path").context("no path")?.clone())?;
        return Ok(ReadingProof {
            version: Version,
            log: fixture.gateway.log_id()?,
            size,
            index,
            entry: LogEntry::decode(&mut &scale_bytes(&event, "/entry")?[..])?,
            inclusion: InclusionProof::new(path),
            disclosure: body.disclose(part as u32).context("no such part")?,
        });
    }
    bail!("{device} has no odometer")
}

fn scale_bytes(event: &Value, path: &str) -> Result<Vec<u8>> {
    Ok(hex::decode(str_at(event, path)?.trim_start_matches("0x"))?)
}

#[test]
fn a_past_end_is_refused_and_a_changed_file_is_not_signed() {
    run_test("contract-file", |env| {
        let mut fixture = GatewayFixture::with_hosted_device(env)?;
        let (device, owner) = (fixture.device_id("shed")?, env.dev_account("alice")?);
        let workshop = env.dev_account("bob")?;
        let settings = |until| {
            [
                ("device", device.as_str()),
                ("owner", owner.as_str()),
                ("workshop", workshop.as_str()),
                ("until", until),
            ]
        };
        let path = env.dir().join("past.contract");
        let past = fixture.new_contract_command("vehicle-service", &settings("2020-01-01"), &path);
        past.run()?.ensure_refused(&["until", "is over"])?;
        ensure!(!path.exists(), "a rejected command wrote a contract");
        let missing = fixture.new_contract_command("vehicle-service", &[], &path).run()?;
        missing.ensure_refused(&["--set device=", "--set owner="])?;

        let file = fixture.new_contract("vehicle-service", "book", &settings("2040-01-01"))?;
        let text = std::fs::read_to_string(&file)?;
        let changed = env.dir().join("changed.contract");
        std::fs::write(&changed, text.replacen("services", "servicez", 1))?;
        for verb in ["propose", "accept"] {
            let command = fixture.node_command(["contract", verb, "--yes"]).arg(&changed).arg("--key");
            command
                .arg(env.dev_keystore("alice")?)
                .run()?
                .ensure_refused(&["changed after it was written"])?;
        }
        // Another file with the same terms has other salts, so it is another content.
        let other = fixture.new_contract("vehicle-service", "other", &settings("2040-01-01"))?;
        let id = fixture.propose(&file, "alice")?;
        fixture
            .accept_command(&other, "bob")?
            .run()?
            .ensure_refused(&["neither proposed nor an amendment"])?;
        // The gateway is away while the proposal is rejected and removed, and its index has the end nevertheless.
        fixture.gateway.stop()?;
        fixture.contract_command("reject", &id, &[], "bob")?.ok()?;
        fixture.accept_command(&file, "bob")?.run()?.ensure_refused(&["neither proposed"])?;
        fixture.gateway.start(&fixture.node)?;
        wait_until("the index has the rejection", 60, || {
            let history = fixture.node_command(["contract", "history", &id, "--config"]);
            let history = history.arg(fixture.gateway.config()).json()?;
            ensure!(history.to_string().contains("\"Rejected\""), "{history}");
            Ok(())
        })
    });
}
