//! A service contract of a car: owner and workshop sign it, a proven odometer makes the service due, and a confirmed
//! record moves the due point.

use anyhow::{bail, ensure, Context, Result};
use codec::Decode as _;
use serde_json::Value;
use streembit_chain::Call;
use streembit_primitives::{
    contract::ContractId, merkle::InclusionProof, reading_proof::ReadingProof, Body, Hash, LogEntry, Part,
    Version,
};
use streembit_tests::{dev_key, run_test, str_at, u64_at, GatewayFixture, GatewaySettings, ObdEmulator};

const ODOMETER: &str = "Vehicle.TraveledDistance";

#[test]
fn a_proven_odometer_makes_a_service_due_and_a_confirmed_record_moves_the_due_point() {
    run_test("contract", |env| {
        let mut emulator = ObdEmulator::start(env, "car")?;
        // Set before the first connection, so that the odometer of the scenario is never read.
        emulator.set_odometer(149_990)?;
        let settings =
            GatewaySettings::default().car("car", &emulator.port().to_string_lossy()).hosted("van");
        let fixture = GatewayFixture::in_one_process(env, settings)?;
        fixture.drive_to(&mut emulator, 149_990)?;

        let id = sign_contract(&fixture)?;
        due(&fixture, &id)?.is(None, "15000", false)?;
        report(&fixture, &id)?.ok()?;
        due(&fixture, &id)?.is(Some("14999"), "15000", false)?;

        fixture.drive_to(&mut emulator, 150_004)?;
        report(&fixture, &id)?.ok()?;
        due(&fixture, &id)?.is(Some("15000.4"), "15000", true)?;

        ensure_invalid_proofs_are_rejected(&fixture, &id)?;
        due(&fixture, &id)?.is(Some("15000.4"), "15000", true)?;

        // The workshop's record alone does not move the due point. Only the owner can confirm it, and only an
        // existing record.
        record(&fixture, &id)?;
        due(&fixture, &id)?.is(Some("15000.4"), "15000", true)?;
        confirm(&fixture, &id, 0, "bob")?.run()?.ensure_refused(&["customer"])?;
        confirm(&fixture, &id, 1, "alice")?.run()?.ensure_refused(&["record"])?;
        confirm(&fixture, &id, 0, "alice")?.ok()?;
        due(&fixture, &id)?.is(Some("15000.4"), "30000.4", false)?;
        Ok(())
    });
}

/// The output of `contract due` for the only service clause.
#[derive(Debug)]
struct Due(Value);

impl Due {
    fn is(&self, meter: Option<&str>, due_at: &str, is_due: bool) -> Result<()> {
        let found = self.0.get("meter").and_then(Value::as_str);
        let same = found == meter
            && str_at(&self.0, "/due_at")? == due_at
            && self.0.get("is_due").and_then(Value::as_bool) == Some(is_due);
        ensure!(same, "not meter {meter:?}, due at {due_at}, due {is_due}: {}", self.0);
        Ok(())
    }
}

fn due(fixture: &GatewayFixture, id: &str) -> Result<Due> {
    let due = fixture.node_command(["contract", "due", id]).json()?;
    let clauses = due.as_array().or_else(|| due.get("due")?.as_array()).context("no list of clauses")?;
    let clause = clauses.iter().find(|clause| clause.get("clause").and_then(Value::as_u64) == Some(0));
    Ok(Due(clause.with_context(|| format!("no clause 0: {due}"))?.clone()))
}

/// Has owner and workshop sign the contract, and returns its id.
fn sign_contract(fixture: &GatewayFixture) -> Result<String> {
    let env = fixture.env;
    let book = env.dir().join("book.toml");
    let (owner, workshop, device) =
        (env.dev_account("alice")?, env.dev_account("bob")?, fixture.device_id("car")?);
    env.streembit(["contract", "new", "--template", "vehicle-service", "--device", &device])
        .args(["--owner", &owner, "--workshop", &workshop])
        .args(["--every", "15000", "--from", "0", "--until", "2040-01-01", "-o"])
        .arg(&book)
        .ok()?;
    let proposed = fixture
        .node_command(["contract", "propose"])
        .arg(&book)
        .arg("--key")
        .arg(env.dev_keystore("alice")?)
        .json()?;
    let id = str_at(&proposed, "/id")?;
    let accept = |name: &str| -> Result<_> {
        Ok(fixture.node_command(["contract", "accept", &id, "--key"]).arg(env.dev_keystore(name)?))
    };
    let state = |wanted: &str| -> Result<()> {
        let shown = fixture.node_command(["contract", "show", &id]).json()?;
        ensure!(str_at(&shown, "/state")? == wanted, "not {wanted}: {shown}");
        Ok(())
    };
    state("proposed")?;
    accept("charlie")?.run()?.ensure_refused(&["party"])?;
    state("proposed")?;
    accept("bob")?.ok()?;
    state("active")?;
    Ok(id)
}

fn report<'s>(fixture: &GatewayFixture<'s>, id: &str) -> Result<streembit_tests::CliCommand<'s>> {
    // The newest reading must be anchored before it can be proven.
    fixture.wait_until_anchored()?;
    let command = fixture.node_command(["contract", "report", id, "--config"]).arg(fixture.gateway.config());
    Ok(command.arg("--key").arg(fixture.env.dev_keystore("alice")?))
}

/// Has the workshop record the service, with a proof from the owner's gateway.
fn record(fixture: &GatewayFixture, id: &str) -> Result<()> {
    let proof = fixture.env.dir().join("proof.json");
    fixture.wait_until_anchored()?;
    fixture
        .node_command(["contract", "prove", id, "--clause", "0", "--config"])
        .arg(fixture.gateway.config())
        .arg("-o")
        .arg(&proof)
        .ok()?;
    let invoice = fixture.env.dir().join("invoice.txt");
    std::fs::write(&invoice, "oil, filter, 40 minutes")?;
    let record = |name: &str| -> Result<_> {
        let command =
            fixture.node_command(["contract", "record", id, "--clause", "0", "--proof"]).arg(&proof);
        Ok(command.arg("--details").arg(&invoice).arg("--key").arg(fixture.env.dev_keystore(name)?))
    };
    record("alice")?.run()?.ensure_refused(&["provider"])?;
    record("bob")?.ok()?;
    Ok(())
}

fn confirm<'s>(
    fixture: &GatewayFixture<'s>,
    id: &str,
    number: u32,
    name: &str,
) -> Result<streembit_tests::CliCommand<'s>> {
    let command = fixture.node_command(["contract", "confirm", id, "--record", &number.to_string(), "--key"]);
    Ok(command.arg(fixture.env.dev_keystore(name)?))
}

/// Submits proofs of real events directly to the chain, which must reject each for a different reason.
fn ensure_invalid_proofs_are_rejected(fixture: &GatewayFixture, id: &str) -> Result<()> {
    fixture.add_senml("van", &format!("[{{\"n\":\"{ODOMETER}\",\"u\":\"km\",\"v\":99000}}]\n")).ok()?;
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
    // Valid except for its age, which shows that nothing else was wrong with the other proofs.
    ensure_rejected(fixture, id, proof_of(fixture, "car", anchored()?)?, "NotNewer")
}

fn ensure_rejected(fixture: &GatewayFixture, id: &str, proof: ReadingProof, reason: &str) -> Result<()> {
    let (chain, alice) = (fixture.chain()?, dev_key("alice")?);
    let call = Call::Report { id: id.parse::<ContractId>()?, clause: 0, proof };
    match fixture.env.block_on(chain.submit(&alice, call)) {
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
