//! `make demo`: shows the main use of Streembit, with real processes. A car's odometer becomes a signed event, the
//! log is anchored on chain, a service falls due and is done, the workshop receives the events, an audit verifies the
//! history, and a file proves it offline. Ends by itself.

use anyhow::{bail, ensure, Context, Result};
use std::{fs, io::Read as _, time::Duration};
use streembit_primitives::{Decimal, Value};
use streembit_tests::{
    path_str,
    program::{bold, dim, print_help_if_asked},
    streembit_node, wait_until, CliCommand, GatewayFixture, GatewaySettings, SimulatedVehicle, TestEnv,
};

/// The odometer at the start, in km.
const ODOMETER: u32 = 14_940;
/// The service interval, in km.
const INTERVAL: u32 = 15_000;

const HELP: &str = "
Shows the main use of Streembit with real processes: a car's odometer becomes a signed, anchored and audited event.
Ends by itself and removes its folder.

Usage: streembit-demo

Environment:
  KEEP=1      leave everything running until Enter is pressed
  NO_COLOR=1  print no colours
";

fn main() -> Result<()> {
    print_help_if_asked(HELP);
    let keep = std::env::var_os("KEEP").is_some_and(|keep| keep == "1");
    let env = TestEnv::open("demo")?;
    env.clean_up_on_signal()?;
    let mut demo = Demo { env: &env, step: 0 };
    let result = demo.run(keep);
    if result.is_err() {
        eprintln!("\nThe demo failed. The last lines of the logs in {}:", env.dir().display());
        for log in ["node.log", "vehicle.log"] {
            let text = fs::read_to_string(env.dir().join(log)).unwrap_or_default();
            let tail: Vec<&str> = text.lines().rev().take(15).collect();
            eprintln!("--- {log}\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
    }
    result
}

struct Demo<'s> {
    env: &'s TestEnv,
    step: u32,
}

impl<'s> Demo<'s> {
    fn run(&mut self, keep: bool) -> Result<()> {
        let vehicle = self.start_car()?;
        let fixture = self.start_gateway_and_chain(&vehicle)?;
        self.log_readings(&fixture)?;
        self.anchor_the_log(&fixture)?;
        let contract = self.sign_a_contract(&fixture)?;
        self.deliver_to_the_workshop(&fixture)?;
        self.prove_that_service_is_due(&fixture, &contract)?;
        self.record_and_confirm_the_service(&fixture, &contract)?;
        self.audit(&fixture)?;
        self.verify_evidence_offline(&fixture)?;
        self.sell_the_car(&fixture, &contract)?;
        self.finish(&fixture, keep)
    }

    fn start_car(&mut self) -> Result<SimulatedVehicle> {
        self.heading("Start a simulated car with an OBD-II adapter on a serial port");
        // 90 km/h at 60 times real time are 1.5 km per second.
        let vehicle = SimulatedVehicle::start(self.env, ODOMETER, 90, 60)?;
        self.fact("serial port", &vehicle.port().display().to_string());
        self.fact("odometer", &format!("{ODOMETER} km, growing by 1.5 km per second"));
        Ok(vehicle)
    }

    fn start_gateway_and_chain(&mut self, vehicle: &SimulatedVehicle) -> Result<GatewayFixture<'s>> {
        self.heading("Start the car's gateway and a development chain, in one process");
        let port = vehicle.port().display().to_string();
        let fixture = GatewayFixture::in_one_process(self.env, GatewaySettings::default().car("car", &port))?;
        self.fact("configuration", &fixture.gateway.config().display().to_string());
        self.fact("chain", &format!("{} (standard Substrate RPC)", fixture.node.url()));
        self.fact("owner", &format!("alice {}", self.env.dev_account("alice")?));
        self.fact("workshop", &format!("bob {}", self.env.dev_account("bob")?));
        self.fact("car", &format!("registered on chain as {}", fixture.device_id("car")?));
        Ok(fixture)
    }

    fn log_readings(&mut self, fixture: &GatewayFixture) -> Result<()> {
        self.heading("The gateway reads the car and appends the readings to its log as signed events");
        wait_until("the car's odometer is in the log", 60, || self.odometer(fixture))?;
        self.show(self.env.streembit(["status", "--config"]).arg(fixture.gateway.config()))
    }

    fn anchor_the_log(&mut self, fixture: &GatewayFixture) -> Result<()> {
        self.heading("The chain checks that the log has only grown, and anchors it");
        fixture.wait_until_anchored()?;
        let log = fixture.gateway.get("/v1/log")?;
        let anchor = log.get("anchor").context("no anchor")?;
        self.fact("anchored size", &format!("{} events", display_at(anchor, "/checkpoint/size")));
        self.fact("root", &display_at(anchor, "/checkpoint/root"));
        self.fact("block", &format!("{}, finalized", display_at(anchor, "/block")));
        Ok(())
    }

    fn sign_a_contract(&mut self, fixture: &GatewayFixture<'s>) -> Result<String> {
        self.heading(
            "Owner and workshop sign a contract: a service every 15,000 km, and access to the readings",
        );
        let book = self.env.dir().join("service-book.contract");
        let (owner, workshop) = (self.env.dev_account("alice")?, self.env.dev_account("bob")?);
        let (device, interval) = (fixture.device_id("car")?, INTERVAL.to_string());
        let settings = [
            ("device", device.as_str()),
            ("owner", &owner),
            ("workshop", &workshop),
            ("every", &interval),
            ("until", "2099-01-01"),
        ];
        self.show(fixture.new_contract_command("vehicle-service", &settings, &book))?;
        let id = fixture.propose(&book, "alice")?;
        self.fact("alice proposes", &id);
        println!("  Bob gets the file, and signs exactly what he reads:\n");
        self.show(fixture.accept_command(&book, "bob")?)?;
        Ok(id)
    }

    fn deliver_to_the_workshop(&mut self, fixture: &GatewayFixture) -> Result<()> {
        self.heading("The workshop receives the readings peer to peer and verifies each event");
        self.show(self.subscribe(fixture, "3", "bob")?)?;
        println!("  Somebody without a contract is refused:");
        let refused = self.subscribe(fixture, "1", "charlie")?.run()?;
        ensure!(refused.code != 0 && refused.stdout.is_empty(), "events without a grant: {refused:?}");
        indent(&refused.stderr);
        Ok(())
    }

    fn subscribe(
        &self,
        fixture: &GatewayFixture<'s>,
        count: &str,
        subscriber: &str,
    ) -> Result<CliCommand<'s>> {
        let device = fixture.device_id("car")?;
        let command = fixture.node_command(["subscribe", "--count", count, "--device", &device, "--gateway"]);
        let command = command.arg(fixture.gateway.delivery_address("quic")?);
        Ok(command.arg("--key").arg(self.env.dev_keystore(subscriber)?))
    }

    fn prove_that_service_is_due(&mut self, fixture: &GatewayFixture, contract: &str) -> Result<()> {
        self.heading("The odometer passes 15,000 km. The owner proves it on chain, and the service is due");
        wait_until("the odometer passes the due point", 60, || {
            let odometer = self.odometer(fixture)?;
            ensure!(odometer >= Decimal::from(INTERVAL), "{odometer} km");
            Ok(())
        })?;
        fixture.wait_until_anchored()?;
        let report = fixture.node_command(["contract", "report", contract, "--config"]);
        let report = report.arg(fixture.gateway.config());
        self.show(report.arg("--key").arg(self.env.dev_keystore("alice")?))?;
        self.show(fixture.node_command(["contract", "due", contract]))
    }

    fn record_and_confirm_the_service(&mut self, fixture: &GatewayFixture, contract: &str) -> Result<()> {
        self.heading(
            "The workshop records the service with a proven odometer reading, and the owner confirms it",
        );
        let proof = self.env.dir().join("odometer.json");
        fixture.wait_until_anchored()?;
        let prove = fixture.node_command(["contract", "prove", contract, "--clause", "1", "--config"]);
        self.show(prove.arg(fixture.gateway.config()).arg("-o").arg(&proof))?;
        let record = fixture.node_command(["contract", "record", contract, "--clause", "1", "--proof"]);
        self.show(record.arg(&proof).arg("--key").arg(self.env.dev_keystore("bob")?))?;
        let confirm =
            fixture.node_command(["contract", "confirm", contract, "--record", "0", "--yes", "--key"]);
        self.show(confirm.arg(self.env.dev_keystore("alice")?))?;
        self.show(fixture.node_command(["contract", "due", contract]))
    }

    fn audit(&mut self, fixture: &GatewayFixture) -> Result<()> {
        self.heading("An auditor verifies the car's history against the finalized chain");
        let audit = fixture.node_command(["audit", "device", "car", "--config"]);
        self.show(audit.arg(fixture.gateway.config()))
    }

    fn verify_evidence_offline(&mut self, fixture: &GatewayFixture) -> Result<()> {
        self.heading("Somebody else verifies an evidence file offline, with nothing but the chain spec");
        let (file, spec) = (self.env.dir().join("car.evidence"), self.env.dir().join("chain.json"));
        let options = ["--disclose", "Vehicle.TraveledDistance"];
        self.show(fixture.gateway.export_command(self.env, "car", &options, &file))?;
        let arguments = ["export-chain-spec", "--chain", "dev", "--raw"];
        let command = format!("$ streembit-node {} > chain.json", arguments.join(" "));
        println!("  {}\n", dim(&command));
        let exported = streembit_node(arguments)?;
        ensure!(exported.code == 0, "{}", exported.stderr);
        fs::write(&spec, exported.stdout)?;
        self.show(self.env.streembit(["audit", "verify", path_str(&file)?, "--chain-spec", path_str(&spec)?]))
    }

    fn sell_the_car(&mut self, fixture: &GatewayFixture<'s>, book: &str) -> Result<()> {
        self.heading("Alice sells the car to Charlie: both confirm the handover with the odometer");
        let (seller, buyer) = (self.env.dev_account("alice")?, self.env.dev_account("charlie")?);
        let device = fixture.device_id("car")?;
        let settings = [
            ("device", device.as_str()),
            ("seller", &seller),
            ("buyer", &buyer),
            ("deposit", "500"),
            ("rest", "8500"),
            ("until", "2099-01-01"),
        ];
        let sale = fixture.sign_contract("sale", "sale", &settings, &["alice", "charlie"])?;
        self.show(fixture.contract_command("hand-over", &sale.id, &["--yes"], "charlie")?)?;
        self.show(fixture.proving_command("hand-over", &sale.id, &["--yes"], "alice")?)?;
        println!("  The workshop of the former owner reads nothing any more:");
        let refused = self.subscribe(fixture, "1", "bob")?.run()?;
        ensure!(refused.code != 0 && refused.stdout.is_empty(), "events after the sale: {refused:?}");
        indent(&refused.stderr);
        println!();
        self.show(fixture.node_command(["contract", "history", book]))
    }

    fn finish(&mut self, fixture: &GatewayFixture, keep: bool) -> Result<()> {
        self.heading("Done");
        self.fact("folder", &self.env.dir().display().to_string());
        self.fact("local API", &format!("unix:{}", fixture.gateway.dir().join("gateway.sock").display()));
        self.fact(
            "metrics",
            "curl --unix-socket SOCKET http://gateway/metrics (the API is described at /openapi.json)",
        );
        self.fact("chain", &fixture.node.url());
        if !keep {
            println!("\n  All processes stop now, and the folder is removed. `make demo KEEP=1` keeps both until you press Enter.");
            return Ok(());
        }
        println!("\n  Everything is still running. Press Enter to stop.");
        let mut byte = [0];
        if std::io::stdin().read(&mut byte)? == 0 {
            // There is no terminal to press Enter on, so run until the process is killed.
            loop {
                std::thread::sleep(Duration::from_secs(3600));
            }
        }
        Ok(())
    }

    /// Returns the last odometer reading of the car in the log, in km.
    fn odometer(&self, fixture: &GatewayFixture) -> Result<Decimal> {
        let readings = fixture.gateway.readings("car", "Vehicle.TraveledDistance")?;
        match readings.last().context("no odometer reading yet")?.value {
            Value::Decimal(km) => Ok(km),
            _ => bail!("the odometer reading is not a number"),
        }
    }

    fn heading(&mut self, title: &str) {
        self.step += 1;
        println!("\n{}\n", bold(&format!("{}. {title}", self.step)));
    }

    fn fact(&self, name: &str, value: &str) {
        println!("  {name:<16} {value}");
    }

    /// Runs a command and shows the command line and its output.
    fn show(&self, command: CliCommand) -> Result<()> {
        let output = command.ok()?;
        let short = output.command.replace(&format!("{}/", self.env.dir().display()), "");
        println!("  {}", dim(&format!("$ {short}")));
        indent(&output.stdout);
        println!();
        Ok(())
    }
}

fn display_at(value: &serde_json::Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "?".into(),
    }
}

fn indent(text: &str) {
    for line in text.lines() {
        println!("    {line}");
    }
}
