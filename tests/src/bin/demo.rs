//! `make demo`: a car's odometer becomes a signed event, an anchored checkpoint, a service that falls due and is
//! done, events in the workshop's hands, an audit that verifies, and a file that proves it offline. On real processes; it ends by itself.

use anyhow::{bail, ensure, Context, Result};
use std::{fs, io::Read as _, time::Duration};
use streembit_primitives::{Decimal, Value};
use streembit_tests::{
    binary, str_at, wait_until, CliCommand, GatewayFixture, GatewaySettings, SimulatedVehicle, TestEnv,
};

const ODOMETER: u32 = 14_940;
const INTERVAL: u32 = 15_000;

fn main() -> Result<()> {
    let keep = std::env::var_os("KEEP").is_some_and(|keep| keep == "1");
    let env = TestEnv::open("demo")?;
    let mut story = Story { env: &env, chapter: 0 };
    let result = story.tell(keep);
    if result.is_err() {
        eprintln!("\nThe story broke off. What the processes said is in {}:", env.dir().display());
        for log in ["node.log", "vehicle.log"] {
            let text = fs::read_to_string(env.dir().join(log)).unwrap_or_default();
            let tail: Vec<&str> = text.lines().rev().take(15).collect();
            eprintln!("--- {log}\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
    }
    result
}

/// What is told, in order.
struct Story<'s> {
    env: &'s TestEnv,
    chapter: u32,
}

impl<'s> Story<'s> {
    fn tell(&mut self, keep: bool) -> Result<()> {
        let vehicle = self.a_car_drives()?;
        let fixture = self.a_gateway_and_a_chain(&vehicle)?;
        self.readings_become_events(&fixture)?;
        self.the_log_is_anchored(&fixture)?;
        let contract = self.a_contract_is_signed(&fixture)?;
        self.the_workshop_receives(&fixture)?;
        self.the_service_falls_due(&fixture, &contract)?;
        self.the_service_is_done(&fixture, &contract)?;
        self.an_auditor_checks(&fixture)?;
        self.a_colleague_verifies(&fixture)?;
        self.look_around(&fixture, keep)
    }

    fn a_car_drives(&mut self) -> Result<SimulatedVehicle> {
        self.chapter("A car drives, with an OBD-II adapter on a serial port");
        // 90 km/h, with 60 times our time: 1.5 km in each of our seconds.
        let vehicle = SimulatedVehicle::start(self.env, ODOMETER, 90, 60)?;
        self.tell_of("serial port", &vehicle.port().display().to_string());
        self.tell_of("odometer", &format!("{ODOMETER} km, 1.5 km more every second"));
        Ok(vehicle)
    }

    fn a_gateway_and_a_chain(&mut self, vehicle: &SimulatedVehicle) -> Result<GatewayFixture<'s>> {
        self.chapter("Its gateway starts, and a development chain in the same process");
        let port = vehicle.port().display().to_string();
        let fixture = GatewayFixture::in_one_process(self.env, GatewaySettings::default().car("car", &port))?;
        self.tell_of("configuration", &fixture.gateway.config().display().to_string());
        self.tell_of("chain", &format!("{} (standard Substrate RPC)", fixture.node.url()));
        self.tell_of("owner", &format!("alice {}", self.env.dev_account("alice")?));
        self.tell_of("workshop", &format!("bob {}", self.env.dev_account("bob")?));
        self.tell_of("the car", &format!("registered on chain as {}", fixture.device_id("car")?));
        Ok(fixture)
    }

    fn readings_become_events(&mut self, fixture: &GatewayFixture) -> Result<()> {
        self.chapter("What the adapter says becomes signed events in the log");
        wait_until("the car's odometer is in the log", 60, || self.odometer(fixture))?;
        self.run(self.env.streembit(["status", "--config"]).arg(fixture.gateway.config()))
    }

    fn the_log_is_anchored(&mut self, fixture: &GatewayFixture) -> Result<()> {
        self.chapter("The chain checks that the log only grew, and anchors it");
        fixture.wait_until_anchored()?;
        let log = fixture.gateway.get("/v1/log")?;
        let anchor = log.get("anchor").context("no anchor")?;
        self.tell_of("anchored size", &format!("{} events", at(anchor, "/checkpoint/size")));
        self.tell_of("root", &at(anchor, "/checkpoint/root"));
        self.tell_of("block", &format!("{}, finalized", at(anchor, "/block")));
        Ok(())
    }

    fn a_contract_is_signed(&mut self, fixture: &GatewayFixture) -> Result<String> {
        self.chapter(
            "Owner and workshop sign a service book: a service every 15,000 km, and access to the readings",
        );
        let book = self.env.dir().join("service-book.toml");
        self.run(
            self.env
                .streembit(["contract", "new", "--template", "vehicle-service", "--device"])
                .arg(fixture.device_id("car")?)
                .args([
                    "--owner",
                    &self.env.dev_account("alice")?,
                    "--workshop",
                    &self.env.dev_account("bob")?,
                ])
                .args(["--every", &INTERVAL.to_string(), "--from", "0", "--until", "2099-01-01", "-o"])
                .arg(&book),
        )?;
        let proposed = fixture
            .node_command(["contract", "propose"])
            .arg(&book)
            .arg("--key")
            .arg(self.env.dev_keystore("alice")?)
            .json()?;
        let id = str_at(&proposed, "/id")?;
        self.tell_of("alice proposes", &id);
        self.run(
            fixture.node_command(["contract", "accept", &id, "--key"]).arg(self.env.dev_keystore("bob")?),
        )?;
        Ok(id)
    }

    fn the_workshop_receives(&mut self, fixture: &GatewayFixture) -> Result<()> {
        self.chapter("The workshop receives the readings peer to peer, and verifies each event itself");
        self.run(
            fixture
                .node_command([
                    "subscribe",
                    "--count",
                    "3",
                    "--device",
                    &fixture.device_id("car")?,
                    "--gateway",
                ])
                .arg(fixture.gateway.delivery_address("quic")?)
                .arg("--key")
                .arg(self.env.dev_keystore("bob")?),
        )?;
        println!("  A stranger asks for the same:");
        let refused = fixture
            .node_command(["subscribe", "--count", "1", "--device", &fixture.device_id("car")?, "--gateway"])
            .arg(fixture.gateway.delivery_address("quic")?)
            .arg("--key")
            .arg(self.env.dev_keystore("charlie")?)
            .run()?;
        ensure!(refused.code != 0 && refused.stdout.is_empty(), "the stranger was served: {refused:?}");
        indent(&refused.stderr);
        Ok(())
    }

    fn the_service_falls_due(&mut self, fixture: &GatewayFixture, contract: &str) -> Result<()> {
        self.chapter(
            "The odometer passes 15,000 km: the owner's gateway proves it on chain, and the service is due",
        );
        wait_until("the odometer passes the due point", 60, || {
            let odometer = self.odometer(fixture)?;
            ensure!(odometer >= Decimal::from(INTERVAL), "{odometer} km");
            Ok(())
        })?;
        fixture.wait_until_anchored()?;
        self.run(
            fixture
                .node_command(["contract", "report", contract, "--config"])
                .arg(fixture.gateway.config())
                .arg("--key")
                .arg(self.env.dev_keystore("alice")?),
        )?;
        self.run(fixture.node_command(["contract", "due", contract]))
    }

    fn the_service_is_done(&mut self, fixture: &GatewayFixture, contract: &str) -> Result<()> {
        self.chapter(
            "The workshop records the service at a proven odometer; the owner confirms; the due point moves",
        );
        let proof = self.env.dir().join("odometer.json");
        fixture.wait_until_anchored()?;
        self.run(
            fixture
                .node_command(["contract", "prove", contract, "--clause", "0", "--config"])
                .arg(fixture.gateway.config())
                .arg("-o")
                .arg(&proof),
        )?;
        self.run(
            fixture
                .node_command(["contract", "record", contract, "--clause", "0", "--proof"])
                .arg(&proof)
                .arg("--key")
                .arg(self.env.dev_keystore("bob")?),
        )?;
        self.run(
            fixture
                .node_command(["contract", "confirm", contract, "--record", "0", "--key"])
                .arg(self.env.dev_keystore("alice")?),
        )?;
        self.run(fixture.node_command(["contract", "due", contract]))
    }

    fn an_auditor_checks(&mut self, fixture: &GatewayFixture) -> Result<()> {
        self.chapter("An auditor replays the car's history against the finalized chain");
        self.run(fixture.node_command(["audit", "device", "car", "--config"]).arg(fixture.gateway.config()))
    }

    fn a_colleague_verifies(&mut self, fixture: &GatewayFixture) -> Result<()> {
        self.chapter(
            "One file goes to a colleague, who verifies it with the chain's specification and nothing else",
        );
        let (file, spec) = (self.env.dir().join("car.evidence"), self.env.dir().join("chain.json"));
        let export = self.env.streembit(["audit", "export", "--device", "car", "--config"]);
        self.run(
            export
                .arg(fixture.gateway.config())
                .args(["--disclose", "Vehicle.TraveledDistance", "-o"])
                .arg(&file),
        )?;
        let arguments = ["export-chain-spec", "--chain", "dev", "--raw"];
        println!("  \x1b[2m$ streembit-node {} > chain.json\x1b[0m\n", arguments.join(" "));
        let output = std::process::Command::new(binary("streembit-node")?).args(arguments).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::write(&spec, output.stdout)?;
        let verify = self.env.streembit(["audit", "verify"]).arg(&file);
        self.run(verify.arg("--chain-spec").arg(&spec))
    }

    fn look_around(&mut self, fixture: &GatewayFixture, keep: bool) -> Result<()> {
        self.chapter("Told");
        self.tell_of("folder", &self.env.dir().display().to_string());
        self.tell_of("local API", &format!("unix:{}", fixture.gateway.dir().join("gateway.sock").display()));
        self.tell_of(
            "metrics",
            "curl --unix-socket SOCKET http://gateway/metrics; the API is described at /openapi.json",
        );
        self.tell_of("chain", &fixture.node.url());
        if !keep {
            println!("\n  All processes end now and the folder is removed; `make demo KEEP=1` leaves both until you press Enter.");
            return Ok(());
        }
        println!("\n  Still running. Press Enter to end it.");
        let mut byte = [0];
        if std::io::stdin().read(&mut byte)? == 0 {
            // No terminal to press Enter on: until somebody ends this process.
            loop {
                std::thread::sleep(Duration::from_secs(3600));
            }
        }
        Ok(())
    }

    /// The car's last odometer in the log, in km.
    fn odometer(&self, fixture: &GatewayFixture) -> Result<Decimal> {
        let readings = fixture.gateway.readings("car", "Vehicle.TraveledDistance")?;
        match readings.last().context("no odometer yet")?.value {
            Value::Decimal(km) => Ok(km),
            _ => bail!("an odometer that is no number"),
        }
    }

    fn chapter(&mut self, title: &str) {
        self.chapter += 1;
        println!("\n\x1b[1m{}. {title}\x1b[0m\n", self.chapter);
    }

    fn tell_of(&self, what: &str, how: &str) {
        println!("  {what:<16} {how}");
    }

    /// Runs a command as the user would, and shows both.
    fn run(&self, command: CliCommand) -> Result<()> {
        let output = command.ok()?;
        let short = output.command.replace(&format!("{}/", self.env.dir().display()), "");
        println!("  \x1b[2m$ {short}\x1b[0m");
        indent(&output.stdout);
        println!();
        Ok(())
    }
}

fn at(value: &serde_json::Value, path: &str) -> String {
    match value.pointer(path) {
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
