//! The service book of a car: signed by owner and workshop, due by the emulator's odometer, done, confirmed.

use anyhow::{bail, ensure, Context, Result};
use codec::Decode as _;
use serde_json::Value;
use streembit::chain::Call;
use streembit_primitives::{
    contract::ContractId, merkle::InclusionProof, proof::ReadingProof, Body, Hash, LogEntry, LogId, Part,
};
use streembit_tests::{
    dev_key, run_test, str_at, u64_at, wait_until, GatewayFixture, GatewaySettings, ObdEmulator,
};

const ODOMETER: &str = "Vehicle.TraveledDistance";

#[test]
fn the_odometer_proves_the_service_due_and_the_confirmed_record_moves_it() {
    run_test("contract", |env| {
        let mut emulator = ObdEmulator::start(env, "car")?;
        // Before the first connection: the odometer of the scenario is never seen.
        emulator.set_odometer(149_990)?;
        let settings =
            GatewaySettings::default().car("car", &emulator.port().to_string_lossy()).hosted("van");
        let fixture = GatewayFixture::in_one_process(env, settings)?;
        drive_to(&fixture, &mut emulator, 149_990)?;

        let id = sign_the_service_book(&fixture)?;
        due(&fixture, &id)?.is(None, "15000", false)?;
        report(&fixture, &id)?.ok()?;
        due(&fixture, &id)?.is(Some("14999"), "15000", false)?;

        drive_to(&fixture, &mut emulator, 150_004)?;
        report(&fixture, &id)?.ok()?;
        due(&fixture, &id)?.is(Some("15000.4"), "15000", true)?;

        wrong_proofs_are_refused(&fixture, &id)?;
        due(&fixture, &id)?.is(Some("15000.4"), "15000", true)?;

        // The workshop's claim alone moves nothing; only the owner's word does, and only on a record that is there.
        record(&fixture, &id)?;
        due(&fixture, &id)?.is(Some("15000.4"), "15000", true)?;
        confirm(&fixture, &id, 0, "bob")?.run()?.ensure_refused(&["customer"])?;
        confirm(&fixture, &id, 1, "alice")?.run()?.ensure_refused(&["record"])?;
        confirm(&fixture, &id, 0, "alice")?.ok()?;
        due(&fixture, &id)?.is(Some("15000.4"), "30000.4", false)?;
        Ok(())
    });
}

/// What `contract due` says of the only service clause.
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

/// Owner and workshop sign the same content; gives the contract's id.
fn sign_the_service_book(fixture: &GatewayFixture) -> Result<String> {
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
    // The newest reading has to be under an anchor before it proves anything.
    fixture.wait_until_anchored()?;
    let command = fixture.node_command(["contract", "report", id, "--config"]).arg(fixture.gateway.config());
    Ok(command.arg("--key").arg(fixture.env.dev_keystore("alice")?))
}

/// The workshop records the service, from a proof that the owner's gateway handed it.
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

fn drive_to(fixture: &GatewayFixture, emulator: &mut ObdEmulator, tenths: u32) -> Result<()> {
    emulator.set_odometer(tenths)?;
    let wanted = f64::from(tenths) / 10.0;
    wait_until("the odometer is read", 60, || {
        let readings = fixture.gateway.readings("car", ODOMETER)?;
        let last = readings.last().map(|reading| reading.value.to_string());
        ensure!(last.as_deref() == Some(wanted.to_string().as_str()), "the last is {last:?}");
        Ok(())
    })
}

/// Real events and real paths, submitted straight to the chain, each refused for its own reason.
fn wrong_proofs_are_refused(fixture: &GatewayFixture, id: &str) -> Result<()> {
    fixture.add_senml("van", &format!("[{{\"n\":\"{ODOMETER}\",\"u\":\"km\",\"v\":99000}}]\n")).ok()?;
    fixture.wait_until_anchored()?;
    // The chain knows a root for the last few anchored sizes only: each proof is made when it is needed.
    let anchored = || Ok::<_, anyhow::Error>(fixture.gateway.log_state()?.anchored);
    refused(fixture, id, proof_of(fixture, "van", anchored()?)?, "OtherDevice")?;
    let never_anchored = unanchored_size(fixture, anchored()?)?;
    refused(fixture, id, proof_of(fixture, "car", never_anchored)?, "NotAnchored")?;
    let mut rewritten = proof_of(fixture, "car", anchored()?)?;
    if let Part::Reading(reading) = &mut rewritten.disclosure.part {
        reading.value = streembit_primitives::Value::Decimal("20000".parse()?);
    }
    refused(fixture, id, rewritten, "NotInEvent")?;
    // Sound in every way, but older than what was proven: nothing else was wrong with the others.
    refused(fixture, id, proof_of(fixture, "car", anchored()?)?, "NotNewer")
}

fn refused(fixture: &GatewayFixture, id: &str, proof: ReadingProof, reason: &str) -> Result<()> {
    let (chain, alice) = (fixture.chain()?, dev_key("alice")?);
    let call = Call::Report { id: id.parse::<ContractId>()?, clause: 0, proof };
    match fixture.env.block_on(chain.submit(&alice, call)) {
        Ok(submitted) => bail!("not refused as {reason}, but accepted in block {}", submitted.block),
        Err(error) => {
            let said = error.dispatch_error() == Some(&format!("ServiceContracts::{reason}"));
            ensure!(said, "not refused by the chain as {reason}: {error}");
            Ok(())
        }
    }
}

/// A size that the log had and that the chain knows no root for.
fn unanchored_size(fixture: &GatewayFixture, anchored: u64) -> Result<u64> {
    let (chain, log) = (fixture.chain()?, log_of(fixture)?);
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

/// The proof of the first odometer reading of a device, from what the gateway's API gives to anybody.
fn proof_of(fixture: &GatewayFixture, device: &str, size: u64) -> Result<ReadingProof> {
    for event in fixture.gateway.events(device)? {
        let index = u64_at(&event, "/index")?;
        let body = Body::decode(&mut &scale(&event, "/body")?[..])?;
        let named = |part: &Part| matches!(part, Part::Reading(reading) if reading.name.as_str() == ODOMETER);
        let Some(part) = body.parts.iter().position(named) else { continue };
        ensure!(index < size, "event {index} is beyond size {size}");
        let path = fixture.gateway.get(&format!("/v1/log/proof/{index}?size={size}"))?;
        let path: Vec<Hash> = serde_json::from_value(path.get("path").context("no path")?.clone())?;
        return Ok(ReadingProof {
            log: log_of(fixture)?,
            size,
            index,
            entry: LogEntry::decode(&mut &scale(&event, "/entry")?[..])?,
            inclusion: InclusionProof::new(path),
            disclosure: body.disclose(part as u32).context("no such part")?,
        });
    }
    bail!("{device} has no odometer")
}

fn log_of(fixture: &GatewayFixture) -> Result<LogId> {
    Ok(LogId { gateway: fixture.gateway.account()?, epoch: 0 })
}

fn scale(event: &Value, path: &str) -> Result<Vec<u8>> {
    Ok(hex::decode(str_at(event, path)?.trim_start_matches("0x"))?)
}
