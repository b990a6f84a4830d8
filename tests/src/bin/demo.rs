//! `make demo`: a car's odometer becomes a signed event, an anchored checkpoint, a service that falls due and is
//! done, events in the workshop's hands, an audit that verifies, and a file that proves it offline. On real processes; it ends by itself.

use anyhow::{bail, ensure, Context, Result};
use std::{fs, io::Read as _, time::Duration};
use streembit_primitives::{Decimal, Value};
use streembit_tests::{binary, text, until, Command, Home, Scene, Settings, Vehicle};

const ODOMETER: u32 = 14_940;
const INTERVAL: u32 = 15_000;

fn main() -> Result<()> {
    let keep = std::env::var_os("KEEP").is_some_and(|keep| keep == "1");
    let scene = Scene::open("demo")?;
    let mut story = Story { scene: &scene, chapter: 0 };
    let result = story.tell(keep);
    if result.is_err() {
        eprintln!("\nThe story broke off. What the processes said is in {}:", scene.dir().display());
        for log in ["node.log", "vehicle.log"] {
            let text = fs::read_to_string(scene.dir().join(log)).unwrap_or_default();
            let tail: Vec<&str> = text.lines().rev().take(15).collect();
            eprintln!("--- {log}\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
    }
    result
}

/// What is told, in order.
struct Story<'s> {
    scene: &'s Scene,
    chapter: u32,
}

impl<'s> Story<'s> {
    fn tell(&mut self, keep: bool) -> Result<()> {
        let vehicle = self.a_car_drives()?;
        let home = self.a_gateway_and_a_chain(&vehicle)?;
        self.readings_become_events(&home)?;
        self.the_log_is_anchored(&home)?;
        let contract = self.a_contract_is_signed(&home)?;
        self.the_workshop_receives(&home)?;
        self.the_service_falls_due(&home, &contract)?;
        self.the_service_is_done(&home, &contract)?;
        self.an_auditor_checks(&home)?;
        self.a_colleague_verifies(&home)?;
        self.look_around(&home, keep)
    }

    fn a_car_drives(&mut self) -> Result<Vehicle> {
        self.chapter("A car drives, with an OBD-II adapter on a serial port");
        // 90 km/h, with 60 times our time: 1.5 km in each of our seconds.
        let vehicle = Vehicle::start(self.scene, ODOMETER, 90, 60)?;
        self.tell_of("serial port", &vehicle.port().display().to_string());
        self.tell_of("odometer", &format!("{ODOMETER} km, 1.5 km more every second"));
        Ok(vehicle)
    }

    fn a_gateway_and_a_chain(&mut self, vehicle: &Vehicle) -> Result<Home<'s>> {
        self.chapter("Its gateway starts, and a development chain in the same process");
        let port = vehicle.port().display().to_string();
        let home = Home::in_one_process(self.scene, Settings::default().car("car", &port))?;
        self.tell_of("configuration", &home.gateway.config().display().to_string());
        self.tell_of("chain", &format!("{} (standard Substrate RPC)", home.node.url()));
        self.tell_of("owner", &format!("alice {}", self.scene.account("alice")?));
        self.tell_of("workshop", &format!("bob {}", self.scene.account("bob")?));
        self.tell_of("the car", &format!("registered on chain as {}", home.device_id("car")?));
        Ok(home)
    }

    fn readings_become_events(&mut self, home: &Home) -> Result<()> {
        self.chapter("What the adapter says becomes signed events in the log");
        until("the car's odometer is in the log", 60, || self.odometer(home))?;
        self.run(self.scene.streembit(["status", "--config"]).arg(home.gateway.config()))
    }

    fn the_log_is_anchored(&mut self, home: &Home) -> Result<()> {
        self.chapter("The chain checks that the log only grew, and anchors it");
        home.anchored()?;
        let log = home.gateway.get("/v1/log")?;
        let anchor = log.get("anchor").context("no anchor")?;
        self.tell_of("anchored size", &format!("{} events", at(anchor, "/checkpoint/size")));
        self.tell_of("root", &at(anchor, "/checkpoint/root"));
        self.tell_of("block", &format!("{}, finalized", at(anchor, "/block")));
        Ok(())
    }

    fn a_contract_is_signed(&mut self, home: &Home) -> Result<String> {
        self.chapter(
            "Owner and workshop sign a service book: a service every 15,000 km, and access to the readings",
        );
        let book = self.scene.dir().join("service-book.toml");
        self.run(
            self.scene
                .streembit(["contract", "new", "--template", "vehicle-service", "--device"])
                .arg(home.device_id("car")?)
                .args(["--owner", &self.scene.account("alice")?, "--workshop", &self.scene.account("bob")?])
                .args(["--every", &INTERVAL.to_string(), "--from", "0", "--until", "2099-01-01", "-o"])
                .arg(&book),
        )?;
        let proposed = home
            .on_chain(["contract", "propose"])
            .arg(&book)
            .arg("--key")
            .arg(self.scene.key("alice")?)
            .json()?;
        let id = text(&proposed, "/id")?;
        self.tell_of("alice proposes", &id);
        self.run(home.on_chain(["contract", "accept", &id, "--key"]).arg(self.scene.key("bob")?))?;
        Ok(id)
    }

    fn the_workshop_receives(&mut self, home: &Home) -> Result<()> {
        self.chapter("The workshop receives the readings peer to peer, and verifies each event itself");
        self.run(
            home.on_chain(["subscribe", "--count", "3", "--device", &home.device_id("car")?, "--gateway"])
                .arg(home.gateway.delivery_address("quic")?)
                .arg("--key")
                .arg(self.scene.key("bob")?),
        )?;
        println!("  A stranger asks for the same:");
        let refused = home
            .on_chain(["subscribe", "--count", "1", "--device", &home.device_id("car")?, "--gateway"])
            .arg(home.gateway.delivery_address("quic")?)
            .arg("--key")
            .arg(self.scene.key("charlie")?)
            .run()?;
        ensure!(refused.code != 0 && refused.stdout.is_empty(), "the stranger was served: {refused:?}");
        indent(&refused.stderr);
        Ok(())
    }

    fn the_service_falls_due(&mut self, home: &Home, contract: &str) -> Result<()> {
        self.chapter(
            "The odometer passes 15,000 km: the owner's gateway proves it on chain, and the service is due",
        );
        until("the odometer passes the due point", 60, || {
            let odometer = self.odometer(home)?;
            ensure!(odometer >= Decimal::from(INTERVAL), "{odometer} km");
            Ok(())
        })?;
        home.anchored()?;
        self.run(
            home.on_chain(["contract", "report", contract, "--config"])
                .arg(home.gateway.config())
                .arg("--key")
                .arg(self.scene.key("alice")?),
        )?;
        self.run(home.on_chain(["contract", "due", contract]))
    }

    fn the_service_is_done(&mut self, home: &Home, contract: &str) -> Result<()> {
        self.chapter(
            "The workshop records the service at a proven odometer; the owner confirms; the due point moves",
        );
        let proof = self.scene.dir().join("odometer.json");
        home.anchored()?;
        self.run(
            home.on_chain(["contract", "prove", contract, "--clause", "0", "--config"])
                .arg(home.gateway.config())
                .arg("-o")
                .arg(&proof),
        )?;
        self.run(
            home.on_chain(["contract", "record", contract, "--clause", "0", "--proof"])
                .arg(&proof)
                .arg("--key")
                .arg(self.scene.key("bob")?),
        )?;
        self.run(
            home.on_chain(["contract", "confirm", contract, "--record", "0", "--key"])
                .arg(self.scene.key("alice")?),
        )?;
        self.run(home.on_chain(["contract", "due", contract]))
    }

    fn an_auditor_checks(&mut self, home: &Home) -> Result<()> {
        self.chapter("An auditor replays the car's history against the finalized chain");
        self.run(home.on_chain(["audit", "device", "car", "--config"]).arg(home.gateway.config()))
    }

    fn a_colleague_verifies(&mut self, home: &Home) -> Result<()> {
        self.chapter(
            "One file goes to a colleague, who verifies it with the chain's specification and nothing else",
        );
        let (file, spec) = (self.scene.dir().join("car.evidence"), self.scene.dir().join("chain.json"));
        let export = self.scene.streembit(["audit", "export", "--device", "car", "--config"]);
        self.run(
            export
                .arg(home.gateway.config())
                .args(["--disclose", "Vehicle.TraveledDistance", "-o"])
                .arg(&file),
        )?;
        let arguments = ["export-chain-spec", "--chain", "dev", "--raw"];
        println!("  \x1b[2m$ streembit-node {} > chain.json\x1b[0m\n", arguments.join(" "));
        let output = std::process::Command::new(binary("streembit-node")?).args(arguments).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::write(&spec, output.stdout)?;
        let verify = self.scene.streembit(["audit", "verify"]).arg(&file);
        self.run(verify.arg("--chain-spec").arg(&spec))
    }

    fn look_around(&mut self, home: &Home, keep: bool) -> Result<()> {
        self.chapter("Told");
        self.tell_of("folder", &self.scene.dir().display().to_string());
        self.tell_of("local API", &format!("unix:{}", home.gateway.dir().join("gateway.sock").display()));
        self.tell_of(
            "metrics",
            "curl --unix-socket SOCKET http://gateway/metrics; the API is described at /openapi.json",
        );
        self.tell_of("chain", &home.node.url());
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
    fn odometer(&self, home: &Home) -> Result<Decimal> {
        let readings = home.gateway.readings("car", "Vehicle.TraveledDistance")?;
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
    fn run(&self, command: Command) -> Result<()> {
        let output = command.ok()?;
        let short = output.command.replace(&format!("{}/", self.scene.dir().display()), "");
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
