//! What is claimed under contracts: a contested record, a lease over its mileage, a cold chain, charges, irregular meters,
//! and silence.

use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};
use std::time::Duration;
use streembit_clock::now_ms;
use streembit_tests::{
    run_test, str_at, u64_at, wait_until, CliCommand, GatewayFixture, GatewaySettings, SignedContract,
};

const ODOMETER: &str = "Vehicle.TraveledDistance";

/// Answers to the questions of a template about the device `shed` between Alice, who owns it, and Bob.
fn settings<'a>(roles: [&'a str; 2], known: &'a [String; 3]) -> Vec<(&'a str, &'a str)> {
    vec![("device", &known[0]), (roles[0], &known[1]), (roles[1], &known[2])]
}

fn known(fixture: &GatewayFixture) -> Result<[String; 3]> {
    Ok([fixture.device_id("shed")?, fixture.env.dev_account("alice")?, fixture.env.dev_account("bob")?])
}

/// Signs a service book between Alice and Bob about the device `shed`, with Charlie as the arbiter.
fn service_book(fixture: &GatewayFixture, changes: &[(&str, &str)]) -> Result<SignedContract> {
    let known = known(fixture)?;
    let charlie = fixture.env.dev_account("charlie")?;
    let mut settings = settings(["owner", "workshop"], &known);
    settings.extend([("until", "2040-01-01"), ("arbiter", charlie.as_str()), ("every", "1000")]);
    let template = fixture.changed_template("vehicle-service", changes)?;
    fixture.sign_contract(&template, "book", &settings, &["alice", "bob", "charlie"])
}

#[test]
fn a_contested_record_is_ruled_by_the_arbiter() {
    run_test("ruled", |env| {
        let fixture = GatewayFixture::with_hosted_device(env)?;
        let book = service_book(&fixture, &[])?;
        record(&fixture, &book, "1000")?;
        let contest = |name: &str| -> Result<_> {
            let photo = env.dir().join("photo.jpg");
            std::fs::write(&photo, "brakes worn")?;
            let command = fixture.contract_command("contest", &book.id, &["--record", "0"], name)?;
            Ok(command.arg("--document").arg(&photo))
        };
        contest("bob")?.run()?.ensure_refused(&["other side"])?;
        contest("alice")?.ok()?;
        fixture.ensure_claim(&book.id, 0, json!("disputed"))?;
        // Everybody sees in the list of tasks what is to be done about it.
        let tasks = fixture.tasks(&book.id)?;
        let kinds: Vec<_> = tasks.iter().filter_map(|task| str_at(task, "/kind").ok()).collect();
        ensure!(kinds.iter().any(|kind| kind == "rule"), "{kinds:?}");

        let rule = |name: &str| {
            fixture.contract_command("rule", &book.id, &["--record", "0", "--outcome", "void"], name)
        };
        rule("bob")?.run()?.ensure_refused(&["arbiter"])?;
        fixture.contract_command("answer", &book.id, &["--record", "0"], "bob")?.ok()?;
        // The two sides do not agree.
        settle(&fixture, &book, "void", "alice")?;
        settle(&fixture, &book, "stands", "bob")?;
        fixture.ensure_claim(&book.id, 0, json!("disputed"))?;
        rule("charlie")?.ok()?;
        fixture.ensure_claim(&book.id, 0, json!({ "void": "ruled" }))?;
        // The service is still due at the first interval.
        ensure!(str_at(&fixture.service_task(&book.id)?, "/at_meter")? == "1000");
        Ok(())
    });
}

/// Has the workshop record a service at a reading of the meter.
fn record(fixture: &GatewayFixture, book: &SignedContract, meter: &str) -> Result<()> {
    fixture.add_reading("shed", ODOMETER, "km", meter)?;
    let proof = fixture.proof_file(&book.id, "1")?;
    fixture.contract_command("record", &book.id, &["--proof"], "bob")?.arg(proof).ok()?;
    Ok(())
}

fn settle(fixture: &GatewayFixture, contract: &SignedContract, outcome: &str, name: &str) -> Result<()> {
    let number = fixture.claims(&contract.id)?.last().map(|claim| u64_at(claim, "/claim/number"));
    let number = number.context("nothing is claimed")??.to_string();
    let arguments = ["--record", number.as_str(), "--outcome", outcome];
    fixture.contract_command("settle", &contract.id, &arguments, name)?.ok()?;
    Ok(())
}

#[test]
fn a_record_that_nobody_contests_stands_by_silence() {
    run_test("silence", |env| {
        let fixture = GatewayFixture::with_hosted_device(env)?;
        let book = service_book(&fixture, &[("contest = \"14 d\"", "contest = \"20 s\"")])?;
        record(&fixture, &book, "900")?;
        fixture.ensure_claim(&book.id, 0, json!("claimed"))?;
        wait_until("the record stands by silence", 120, || {
            // An idle chain makes no blocks, and so no live time passes.
            fixture.add_reading("shed", ODOMETER, "km", "900")?;
            fixture.ensure_claim(&book.id, 0, json!({ "stands": "silence" }))
        })?;
        ensure!(str_at(&fixture.service_task(&book.id)?, "/at_meter")? == "1900");
        let late = fixture.contract_command("contest", &book.id, &["--record", "0"], "alice")?;
        late.run()?.ensure_refused(&["decided"])
    });
}

#[test]
fn an_odometer_rolled_back_is_an_irregularity_and_a_replaced_cluster_is_accepted() {
    run_test("irregular", |env| {
        let fixture = GatewayFixture::with_hosted_device(env)?;
        let book = service_book(&fixture, &[])?;
        let report = |value: &str| -> Result<()> {
            fixture.add_reading("shed", ODOMETER, "km", value)?;
            fixture.proving_command("report", &book.id, &[], "alice")?.ok()?;
            Ok(())
        };
        report("900")?;
        report("300")?;
        let fell = fixture.claim(&book.id, 0)?;
        ensure!(fell.pointer("/claim/subject/irregularity/kind") == Some(&json!("fell")), "{fell}");
        ensure!(str_at(&fixture.service_task(&book.id)?, "/meter")? == "900", "the meter did not move");
        settle(&fixture, &book, "void", "alice")?;
        settle(&fixture, &book, "void", "bob")?;
        fixture.ensure_claim(&book.id, 0, json!({ "void": "settled" }))?;
        ensure!(str_at(&fixture.service_task(&book.id)?, "/meter")? == "900");

        // A replaced instrument cluster counts from zero. Both sides accept it.
        report("5")?;
        settle(&fixture, &book, "stands", "alice")?;
        settle(&fixture, &book, "stands", "bob")?;
        ensure!(str_at(&fixture.service_task(&book.id)?, "/meter")? == "5", "the new meter counts");
        // A leap that no vehicle makes in a day does not move the meter either.
        report("600000")?;
        ensure!(str_at(&fixture.service_task(&book.id)?, "/meter")? == "5");
        let leapt = fixture.claims(&book.id)?.pop().context("no claim")?;
        ensure!(leapt.pointer("/claim/subject/irregularity/kind") == Some(&json!("leapt")), "{leapt}");
        Ok(())
    });
}

#[test]
fn a_lease_over_its_mileage_is_claimed_with_a_statement() {
    run_test("lease", |env| {
        let fixture = GatewayFixture::with_hosted_device(env)?;
        let known = known(&fixture)?;
        let mut settings = settings(["lessor", "lessee"], &known);
        settings.extend([("ends", "2040-01-01"), ("allowance", "1000"), ("rent", "300"), ("excess", "0.25")]);
        let template = fixture.changed_template("lease", &[("period = \"365 d\"", "period = \"1 min\"")])?;
        let lease = fixture.sign_contract(&template, "lease", &settings, &["alice", "bob"])?;
        let starts = fixture.shown_contract(&lease.id)?;
        let starts = u64_at(&starts, "/contract/content/v1/starts")?;

        // Both readings have to be in one period.
        let period = next_period(starts, 60_000)?;
        fixture.add_reading("shed", ODOMETER, "km", "10000")?;
        fixture.add_reading("shed", ODOMETER, "mi", "7000")?;
        let early = usage(&fixture, &lease, period)?;
        early.run()?.ensure_refused(&["period"])?;
        std::thread::sleep(Duration::from_millis(
            (starts + (period + 1) * 60_000).saturating_sub(now_ms()) + 2_000,
        ));
        // A block after the end of the period.
        fixture.add_reading("shed", ODOMETER, "mi", "7001")?;
        usage(&fixture, &lease, period)?.ok()?;
        let claim = fixture.claim(&lease.id, 0)?;
        let usage = claim.pointer("/claim/subject/usage").context("no usage")?.clone();
        // 7,000 miles are 11,265.408 km.
        ensure!(str_at(&usage, "/used")? == "1265.408", "{usage}");
        ensure!(str_at(&usage, "/over")? == "265.408", "{usage}");
        let text = fixture.node_command(["contract", "show", &lease.id]).ok()?.stdout;
        ensure!(text.contains("use of 1,265.408") && text.contains("265.408 over"), "{text}");
        fixture.contract_command("confirm", &lease.id, &["--record", "0"], "bob")?.ok()?;
        fixture.ensure_claim(&lease.id, 0, json!({ "stands": "confirmed" }))
    });
}

fn usage<'s>(fixture: &GatewayFixture<'s>, lease: &SignedContract, period: u64) -> Result<CliCommand<'s>> {
    fixture.proving_command("claim", &lease.id, &["--clause", "1", "--period", &period.to_string()], "alice")
}

/// Waits until a period has just begun, and returns its number.
fn next_period(starts: u64, length: u64) -> Result<u64> {
    let passed = now_ms().saturating_sub(starts);
    let number = passed / length + 1;
    std::thread::sleep(Duration::from_millis(number * length - passed + 1_000));
    Ok(number)
}

#[test]
fn a_cold_chain_breach_is_claimed_and_another_one_refuted() {
    run_test("cold-chain", |env| {
        let fixture = GatewayFixture::with_hosted_device(env)?;
        let known = known(&fixture)?;
        // Alice owns the sensor, so she is the carrier. The 12 minutes of the story are 12 seconds here.
        let mut settings = settings(["carrier", "shipper"], &known);
        settings.extend([("ends", "2040-01-01"), ("tolerated", "10 s")]);
        let chain = fixture.sign_contract("cold-chain", "cold", &settings, &["bob", "alice"])?;
        let read = |value: &str| fixture.add_reading("shed", "temperature", "Cel", value);
        let pause = || std::thread::sleep(Duration::from_secs(12));

        let first = now_ms();
        read("9.5")?;
        pause();
        read("10")?;
        let last = now_ms() + 1;
        let id = &chain.id;
        let times = [time(first), time(last)];
        claim_breach(&fixture, id, &times, "bob")?;
        let breach = fixture.claim(id, 0)?;
        ensure!(breach.pointer("/claim/subject/breach/last").is_some(), "{breach}");
        // A single reading outside is not a breach for so long.
        let short = [time(first), time(first + 2_000)];
        breach_command(&fixture, id, &short, "bob")?.run()?.ensure_refused(&["breach"])?;

        let second = now_ms();
        read("9")?;
        pause();
        // The carrier cooled in between.
        read("5")?;
        let inside = now_ms() + 1;
        read("8.5")?;
        let end = now_ms() + 1;
        claim_breach(&fixture, id, &[time(second), time(end)], "bob")?;
        let refute =
            fixture.proving_command("refute", id, &["--record", "1", "--to", &time(inside)], "alice")?;
        refute.ok()?;
        fixture.ensure_claim(id, 1, json!({ "void": "refuted" }))?;
        // The same reading does not refute the first breach.
        let other =
            fixture.proving_command("refute", id, &["--record", "0", "--to", &time(inside)], "alice")?;
        other.run()?.ensure_refused(&["contradict"])
    });
}

fn breach_command<'s>(
    fixture: &GatewayFixture<'s>,
    id: &str,
    [from, to]: &[String; 2],
    name: &str,
) -> Result<CliCommand<'s>> {
    fixture.proving_command("claim", id, &["--clause", "1", "--from", from, "--to", to], name)
}

fn claim_breach(fixture: &GatewayFixture, id: &str, times: &[String; 2], name: &str) -> Result<()> {
    breach_command(fixture, id, times, name)?.ok()?;
    Ok(())
}

/// Formats a time as the command line reads it.
fn time(ms: u64) -> String {
    streembit_clock::PeriodEnd(ms).to_string()
}

#[test]
fn a_charge_is_paid_and_another_one_contested() {
    run_test("charges", |env| {
        let fixture = GatewayFixture::with_hosted_device(env)?;
        let known = known(&fixture)?;
        let mut settings = settings(["lessor", "lessee"], &known);
        settings.extend([("ends", "2040-01-01"), ("per_hour", "6"), ("per_km", "0.333")]);
        let sharing = fixture.sign_contract("car-sharing", "sharing", &settings, &["alice", "bob"])?;
        let id = &sharing.id;
        fixture.add_reading("shed", ODOMETER, "km", "100")?;
        let from = now_ms();
        fixture.add_reading("shed", ODOMETER, "km", "110")?;
        let times = [time(from.saturating_sub(5_000)), time(now_ms() + 1)];
        let charge = ["--clause", "2", "--from", &times[0], "--to", &times[1]];
        fixture.proving_command("claim", id, &charge, "bob")?.run()?.ensure_refused(&["clause"])?;
        fixture.proving_command("claim", id, &charge, "alice")?.ok()?;
        // 10 km cost 3.33 EUR.
        let claim = fixture.claim(id, 0)?;
        ensure!(str_at(&claim, "/claim/subject/charge/amount")? == "3.33", "{claim}");
        let act = |verb: &str, arguments: &[&str], name: &str| -> Result<()> {
            fixture.contract_command(verb, id, arguments, name)?.ok()?;
            Ok(())
        };
        act("confirm", &["--record", "0"], "bob")?;
        let early = fixture.contract_command("pay", id, &["--record", "0", "--received"], "alice")?;
        early.run()?.ensure_refused(&["paid"])?;
        act("pay", &["--record", "0"], "bob")?;
        act("pay", &["--record", "0", "--received"], "alice")?;
        let paid = fixture.claim(id, 0)?;
        ensure!(paid.pointer("/claim/payment") == Some(&json!("confirmed")), "{paid}");

        // The price of the time is contested, and settled for less.
        let until = time(now_ms().saturating_sub(10_000));
        act("claim", &["--clause", "1", "--to", &until], "alice")?;
        act("contest", &["--record", "1"], "bob")?;
        settle(&fixture, &sharing, "amount=0", "bob")?;
        settle(&fixture, &sharing, "amount=0", "alice")?;
        fixture.ensure_claim(id, 1, json!({ "stands": "settled" }))
    });
}

#[test]
fn wrong_evidence_is_refused_with_the_reason() {
    run_test("wrong-evidence", |env| {
        let settings = GatewaySettings::default().hosted("shed").hosted("van");
        let fixture = GatewayFixture::in_two_processes(env, settings)?;
        let book = service_book(&fixture, &[])?;
        // Without an anchored reading that can be the meter, there is nothing to prove.
        fixture.add_reading("shed", ODOMETER, "Cel", "20")?;
        let nothing = fixture.proving_command("report", &book.id, &[], "alice")?;
        nothing.run()?.ensure_refused(&["no anchored event", ODOMETER])?;
        fixture.add_reading("shed", ODOMETER, "km", "100")?;
        let proof = fixture.proof_file(&book.id, "1")?;
        let report = |proof: &std::path::Path| -> Result<_> {
            Ok(fixture.contract_command("report", &book.id, &["--proof"], "alice")?.arg(proof))
        };
        report(&proof)?.ok()?;
        // The same evidence again.
        report(&proof)?.run()?.ensure_refused(&["newer"])?;
        // A proof that was changed.
        let mut file: Value = serde_json::from_str(&std::fs::read_to_string(&proof)?)?;
        let bytes = str_at(&file, "/proof")?;
        let changed = format!("{}00", &bytes[..bytes.len() - 2]);
        file["proof"] = json!(changed);
        let path = env.dir().join("changed.json");
        std::fs::write(&path, file.to_string())?;
        ensure!(report(&path)?.run()?.code != 0, "a changed proof was accepted");
        Ok(())
    });
}
