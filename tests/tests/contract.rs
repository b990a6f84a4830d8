//! The service book of a car: signed by owner and workshop, due by the emulator's odometer, done, confirmed.

use anyhow::{bail, ensure, Context, Result};
use codec::Decode as _;
use serde_json::Value;
use streembit::chain::Call;
use streembit_primitives::{
    contract::ContractId, merkle::InclusionProof, reading_proof::ReadingProof, Body, Hash, LogEntry, LogId,
    Part,
};
use streembit_tests::{dev_key, number, scene, text, until, Emulator, Home, Settings};

const ODOMETER: &str = "Vehicle.TraveledDistance";

#[test]
fn the_odometer_proves_the_service_due_and_the_confirmed_record_moves_it() {
    scene("contract", |scene| {
        let mut emulator = Emulator::start(scene, "car")?;
        // Before the first connection: the odometer of the scenario is never seen.
        emulator.set_odometer(149_990)?;
        let settings = Settings::default().car("car", &emulator.port().to_string_lossy()).hosted("van");
        let home = Home::in_one_process(scene, settings)?;
        drive_to(&home, &mut emulator, 149_990)?;

        let id = sign_the_service_book(&home)?;
        due(&home, &id)?.is(None, "15000", false)?;
        report(&home, &id)?.ok()?;
        due(&home, &id)?.is(Some("14999"), "15000", false)?;

        drive_to(&home, &mut emulator, 150_004)?;
        report(&home, &id)?.ok()?;
        due(&home, &id)?.is(Some("15000.4"), "15000", true)?;

        wrong_proofs_are_refused(&home, &id)?;
        due(&home, &id)?.is(Some("15000.4"), "15000", true)?;

        // The workshop's claim alone moves nothing; only the owner's word does, and only on a record that is there.
        record(&home, &id)?;
        due(&home, &id)?.is(Some("15000.4"), "15000", true)?;
        confirm(&home, &id, 0, "bob")?.run()?.refused(&["customer"])?;
        confirm(&home, &id, 1, "alice")?.run()?.refused(&["record"])?;
        confirm(&home, &id, 0, "alice")?.ok()?;
        due(&home, &id)?.is(Some("15000.4"), "30000.4", false)?;
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
            && text(&self.0, "/due_at")? == due_at
            && self.0.get("is_due").and_then(Value::as_bool) == Some(is_due);
        ensure!(same, "not meter {meter:?}, due at {due_at}, due {is_due}: {}", self.0);
        Ok(())
    }
}

fn due(home: &Home, id: &str) -> Result<Due> {
    let due = home.on_chain(["contract", "due", id]).json()?;
    let clauses = due.as_array().or_else(|| due.get("due")?.as_array()).context("no list of clauses")?;
    let clause = clauses.iter().find(|clause| clause.get("clause").and_then(Value::as_u64) == Some(0));
    Ok(Due(clause.with_context(|| format!("no clause 0: {due}"))?.clone()))
}

/// Owner and workshop sign the same content; gives the contract's id.
fn sign_the_service_book(home: &Home) -> Result<String> {
    let scene = home.scene;
    let book = scene.dir().join("book.toml");
    let (owner, workshop, device) = (scene.account("alice")?, scene.account("bob")?, home.device_id("car")?);
    scene
        .streembit(["contract", "new", "--template", "vehicle-service", "--device", &device])
        .args(["--owner", &owner, "--workshop", &workshop])
        .args(["--every", "15000", "--from", "0", "--until", "2040-01-01", "-o"])
        .arg(&book)
        .ok()?;
    let proposed =
        home.on_chain(["contract", "propose"]).arg(&book).arg("--key").arg(scene.key("alice")?).json()?;
    let id = text(&proposed, "/id")?;
    let accept = |name: &str| -> Result<_> {
        Ok(home.on_chain(["contract", "accept", &id, "--key"]).arg(scene.key(name)?))
    };
    let state = |wanted: &str| -> Result<()> {
        let shown = home.on_chain(["contract", "show", &id]).json()?;
        ensure!(text(&shown, "/state")? == wanted, "not {wanted}: {shown}");
        Ok(())
    };
    state("proposed")?;
    accept("charlie")?.run()?.refused(&["party"])?;
    state("proposed")?;
    accept("bob")?.ok()?;
    state("active")?;
    Ok(id)
}

fn report<'s>(home: &Home<'s>, id: &str) -> Result<streembit_tests::Command<'s>> {
    // The newest reading has to be under an anchor before it proves anything.
    home.anchored()?;
    let command = home.on_chain(["contract", "report", id, "--config"]).arg(home.gateway.config());
    Ok(command.arg("--key").arg(home.scene.key("alice")?))
}

/// The workshop records the service, from a proof that the owner's gateway handed it.
fn record(home: &Home, id: &str) -> Result<()> {
    let proof = home.scene.dir().join("proof.json");
    home.anchored()?;
    home.on_chain(["contract", "prove", id, "--clause", "0", "--config"])
        .arg(home.gateway.config())
        .arg("-o")
        .arg(&proof)
        .ok()?;
    let invoice = home.scene.dir().join("invoice.txt");
    std::fs::write(&invoice, "oil, filter, 40 minutes")?;
    let record = |name: &str| -> Result<_> {
        let command = home.on_chain(["contract", "record", id, "--clause", "0", "--proof"]).arg(&proof);
        Ok(command.arg("--details").arg(&invoice).arg("--key").arg(home.scene.key(name)?))
    };
    record("alice")?.run()?.refused(&["provider"])?;
    record("bob")?.ok()?;
    Ok(())
}

fn confirm<'s>(home: &Home<'s>, id: &str, number: u32, name: &str) -> Result<streembit_tests::Command<'s>> {
    let command = home.on_chain(["contract", "confirm", id, "--record", &number.to_string(), "--key"]);
    Ok(command.arg(home.scene.key(name)?))
}

fn drive_to(home: &Home, emulator: &mut Emulator, tenths: u32) -> Result<()> {
    emulator.set_odometer(tenths)?;
    let wanted = f64::from(tenths) / 10.0;
    until("the odometer is read", 60, || {
        let readings = home.gateway.readings("car", ODOMETER)?;
        let last = readings.last().map(|reading| reading.value.to_string());
        ensure!(last.as_deref() == Some(wanted.to_string().as_str()), "the last is {last:?}");
        Ok(())
    })
}

/// Real events and real paths, submitted straight to the chain, each refused for its own reason.
fn wrong_proofs_are_refused(home: &Home, id: &str) -> Result<()> {
    home.add("van", &format!("[{{\"n\":\"{ODOMETER}\",\"u\":\"km\",\"v\":99000}}]\n")).ok()?;
    home.anchored()?;
    // The chain knows a root for the last few anchored sizes only: each proof is made when it is needed.
    let anchored = || Ok::<_, anyhow::Error>(home.gateway.log_state()?.anchored);
    refused(home, id, proof_of(home, "van", anchored()?)?, "OtherDevice")?;
    let never_anchored = unanchored_size(home, anchored()?)?;
    refused(home, id, proof_of(home, "car", never_anchored)?, "NotAnchored")?;
    let mut rewritten = proof_of(home, "car", anchored()?)?;
    if let Part::Reading(reading) = &mut rewritten.disclosure.part {
        reading.value = streembit_primitives::Value::Decimal("20000".parse()?);
    }
    refused(home, id, rewritten, "NotInEvent")?;
    // Sound in every way, but older than what was proven: nothing else was wrong with the others.
    refused(home, id, proof_of(home, "car", anchored()?)?, "NotNewer")
}

fn refused(home: &Home, id: &str, proof: ReadingProof, reason: &str) -> Result<()> {
    let (chain, alice) = (home.chain()?, dev_key("alice")?);
    let call = Call::Report { id: id.parse::<ContractId>()?, clause: 0, proof };
    match home.scene.block_on(chain.submit(&alice, call)) {
        Ok(submitted) => bail!("not refused as {reason}, but accepted in block {}", submitted.block),
        Err(error) => {
            let said = error.dispatch_error() == Some(&format!("ServiceContracts::{reason}"));
            ensure!(said, "not refused by the chain as {reason}: {error}");
            Ok(())
        }
    }
}

/// A size that the log had and that the chain knows no root for.
fn unanchored_size(home: &Home, anchored: u64) -> Result<u64> {
    let (chain, log) = (home.chain()?, log_of(home)?);
    home.scene.block_on(async {
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
fn proof_of(home: &Home, device: &str, size: u64) -> Result<ReadingProof> {
    for event in home.gateway.events(device)? {
        let index = number(&event, "/index")?;
        let body = Body::decode(&mut &scale(&event, "/body")?[..])?;
        let named = |part: &Part| matches!(part, Part::Reading(reading) if reading.name.as_str() == ODOMETER);
        let Some(part) = body.parts.iter().position(named) else { continue };
        ensure!(index < size, "event {index} is beyond size {size}");
        let path = home.gateway.get(&format!("/v1/log/proof/{index}?size={size}"))?;
        let path: Vec<Hash> = serde_json::from_value(path.get("path").context("no path")?.clone())?;
        return Ok(ReadingProof {
            log: log_of(home)?,
            size,
            index,
            entry: LogEntry::decode(&mut &scale(&event, "/entry")?[..])?,
            inclusion: InclusionProof::new(path),
            disclosure: body.disclose(part as u32).context("no such part")?,
        });
    }
    bail!("{device} has no odometer")
}

fn log_of(home: &Home) -> Result<LogId> {
    Ok(LogId::first(home.gateway.account()?))
}

fn scale(event: &Value, path: &str) -> Result<Vec<u8>> {
    Ok(hex::decode(text(event, path)?.trim_start_matches("0x"))?)
}
