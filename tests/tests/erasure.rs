//! An erased body is in no file of the gateway any more, and all proofs about its event still verify.

use anyhow::{bail, ensure, Context, Result};
use codec::DecodeAll as _;
use serde_json::{json, Value};
use std::{fs, path::Path};
use streembit_primitives::Body;
use streembit_tests::{event_request, run_test, str_at, u64_at, Gateway, GatewayFixture};

/// The sequence of the erased event. It is in the middle, so that the same files contain other events.
const ERASED: u64 = 5;
const EVENTS: usize = 12;

#[test]
fn an_erased_body_is_in_no_file_and_the_audit_still_verifies() {
    run_test("erase", |env| {
        let (mut fixture, mut meter) = GatewayFixture::with_hosted_and_signing_device(env)?;
        let lines: String = (0..EVENTS)
            .map(|at| format!("[{{\"n\":\"note\",\"vs\":\"who was in the shed: {at}-{at}\"}}]\n"))
            .collect();
        fixture.add_senml("shed", &lines).ok()?;
        let (signed, signed_body) = meter.next(4711, 1_700_000_000_000)?;
        let request = event_request(&signed, &signed_body);
        let receipt = fixture.gateway.post("/v1/events", &request)?;
        fixture.wait_until_anchored()?;

        let words = format!("who was in the shed: {ERASED}-{ERASED}");
        let body = body_of(&fixture.gateway, "shed", ERASED)?;
        let secrets: [&[u8]; 3] = [words.as_bytes(), &body.seed, &signed_body.seed];
        for secret in secrets {
            ensure!(
                contains(fixture.gateway.dir(), secret)?,
                "the text to erase is in no file to begin with"
            );
        }

        ensure_erasure_needs_confirmation(&fixture, &words)?;

        let erased = erase_command(&fixture, &["--yes", "--device", "shed", "--sequence", "5"]).json()?;
        ensure!(u64_at(&erased, "/0/sequence")? == ERASED, "{erased}");
        let index = u64_at(&receipt, "/index")?.to_string();
        let shown = erase_command(&fixture, &["--yes", "--index", &index]).ok()?;
        ensure!(shown.stdout.contains("is erased"), "{shown:#?}");
        ensure_erased(&fixture, &secrets)?;

        // Sending the event again returns the same receipt and does not store the body again.
        ensure!(fixture.gateway.post("/v1/events", &request)? == receipt, "a different receipt");
        ensure_erased(&fixture, &secrets)?;

        // The bodies stay erased after a restart and after further events.
        fixture.gateway.stop()?;
        ensure!(!contains_any(fixture.gateway.dir(), &secrets)?, "closing the log wrote the bodies again");
        fixture.gateway.start(&fixture.node)?;
        fixture.add_senml("shed", &lines.replace("who was", "who is")).ok()?;
        fixture.wait_until_anchored()?;
        ensure_erased(&fixture, &secrets)?;
        let again = erase_command(&fixture, &["--yes", "--device", "shed", "--sequence", "5"]).json()?;
        ensure!(
            u64_at(&again, "/0/erased")? == u64_at(&erased, "/0/erased")?
                && again.pointer("/0/before") == Some(&Value::Bool(true)),
            "{again}"
        );
        Ok(())
    });
}

/// Checks that nothing is erased without confirmation, or if the event does not exist.
fn ensure_erasure_needs_confirmation(fixture: &GatewayFixture<'_>, words: &str) -> Result<()> {
    // The command has no terminal on which it could ask for confirmation, so it requires --yes.
    erase_command(fixture, &["--device", "shed", "--sequence", "5"]).run()?.ensure_refused(&["--yes"])?;
    erase_command(fixture, &["--yes", "--device", "shed", "--sequence", "12"])
        .run()?
        .ensure_refused(&["nothing is erased"])?;
    ensure!(contains(fixture.gateway.dir(), words.as_bytes())?, "a rejected command erased the body");
    Ok(())
}

fn erase_command<'s>(fixture: &GatewayFixture<'s>, arguments: &[&str]) -> streembit_tests::CliCommand<'s> {
    fixture.env.streembit(["event", "erase"]).args(arguments).arg("--config").arg(fixture.gateway.config())
}

/// Checks that no file contains the erased bodies, that the API reports the erasure, and that the complete history
/// verifies.
fn ensure_erased(fixture: &GatewayFixture<'_>, secrets: &[&[u8]]) -> Result<()> {
    ensure!(!contains_any(fixture.gateway.dir(), secrets)?, "the disk still contains an erased body");
    let events = fixture.gateway.events("shed")?;
    let is_null = |event: &Value, field: &str| event.get(field).is_none_or(Value::is_null);
    let (gone, kept): (Vec<_>, Vec<_>) = events.iter().partition(|event| is_null(event, "body"));
    let [gone] = gone[..] else { bail!("expected one event without a body: {gone:?}") };
    ensure!(u64_at(gone, "/sequence")? == ERASED, "{gone}");
    ensure!(gone.get("erased").is_some_and(Value::is_u64) && gone.get("parts") == Some(&json!([])), "{gone}");
    ensure!(kept.iter().all(|event| is_null(event, "erased")), "{kept:?}");
    for device in ["shed", "meter"] {
        let report = fixture.audit_json(device)?;
        let complete = ["/verified", "/completeness/proven", "/erased"].map(|at| report.pointer(at));
        ensure!(complete == [&json!(true), &json!(true), &json!(1)].map(Some), "{device}: {report}");
    }
    Ok(())
}

fn body_of(gateway: &Gateway, device: &str, sequence: u64) -> Result<Body> {
    let events = gateway.get(&format!("/v1/devices/{device}/events?from={sequence}&limit=1"))?;
    let bytes = hex::decode(str_at(&events, "/0/body")?.trim_start_matches("0x"))?;
    Body::decode_all(&mut bytes.as_slice()).context("no body")
}

fn contains_any(folder: &Path, secrets: &[&[u8]]) -> Result<bool> {
    for secret in secrets {
        if contains(folder, secret)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns true if any file below a folder contains these bytes.
fn contains(folder: &Path, bytes: &[u8]) -> Result<bool> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        let found = if kind.is_dir() {
            contains(&path, bytes)?
        } else {
            kind.is_file() && fs::read(&path)?.windows(bytes.len()).any(|window| window == bytes)
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}
