//! What a new user does: devices that come and go while the gateway runs, and a development chain that survives a
//! restart.

use anyhow::{ensure, Context, Result};
use serde_json::{json, Value};
use std::fs;
use streembit_tests::{
    run_test, str_at, u64_at, wait_until, CliCommand, Gateway, GatewayFixture, GatewaySettings, Process,
    TestEnv, TEMPERATURE_SENML,
};

fn device_command<'s>(env: &'s TestEnv, gateway: &Gateway, arguments: &[&str]) -> CliCommand<'s> {
    env.streembit(["device"].iter().chain(arguments)).arg("--config").arg(gateway.config())
}

fn names(gateway: &Gateway) -> Result<Vec<String>> {
    let devices = gateway.get("/v1/devices")?;
    let devices = devices.as_array().context("no list of devices")?;
    devices.iter().map(|device| str_at(device, "/name")).collect()
}

#[test]
fn devices_come_and_go_while_the_gateway_runs_in_a_node() {
    run_test("live-devices", |env| {
        let fixture = GatewayFixture::in_one_process(env, GatewaySettings::default().hosted("shed"))?;
        let gateway = &fixture.gateway;
        let started = u64_at(&gateway.get("/v1/status")?, "/started")?;
        let text = fs::read_to_string(gateway.config())?;

        let added = device_command(env, gateway, &["add", "barn"]).json()?;
        ensure!(added.get("running") == Some(&json!(true)), "{added}");
        ensure!(str_at(&added, "/id")? == fixture.device_id("barn")?, "{added}");
        ensure!(
            fs::read_to_string(gateway.config())?.starts_with(text.trim_end()),
            "the rest of the file changed"
        );
        let register = fixture.node_command(["device", "register", "--device", "barn", "--config"]);
        register.arg(gateway.config()).arg("--key").arg(env.dev_keystore("alice")?).ok()?;
        fixture.add_senml("barn", TEMPERATURE_SENML).ok()?;
        gateway.wait_for_device("barn", "state", &json!("active"))?;
        fixture.wait_until_anchored()?;
        let report = fixture.audit_json("barn")?;
        ensure!(u64_at(&report, "/event_count")? == 1, "{report}");

        // Names that are taken or invalid change nothing.
        device_command(env, gateway, &["add", "barn"]).run()?.ensure_refused(&["two devices are named"])?;
        device_command(env, gateway, &["add", "my barn"]).run()?.ensure_refused(&["letters, digits"])?;
        device_command(env, gateway, &["remove", "boat"]).run()?.ensure_refused(&["boat"])?;
        ensure!(names(gateway)? == ["shed", "barn"], "{:?}", names(gateway)?);

        device_command(env, gateway, &["remove", "barn"]).ok()?;
        ensure!(names(gateway)? == ["shed"], "{:?}", names(gateway)?);
        let refused = fixture.add_senml("barn", TEMPERATURE_SENML).run()?;
        ensure!(refused.code != 0, "{refused:?}");
        ensure!(
            fs::read_to_string(gateway.config())?.trim_end() == text.trim_end(),
            "the file is not as before"
        );

        // It comes back, and its history goes on.
        device_command(env, gateway, &["add", "barn"]).ok()?;
        gateway.wait_for_device("barn", "state", &json!("active"))?;
        fixture.add_senml("barn", TEMPERATURE_SENML).ok()?;
        fixture.wait_until_anchored()?;
        let report = fixture.audit_json("barn")?;
        ensure!(u64_at(&report, "/event_count")? == 2, "{report}");
        ensure!(u64_at(&gateway.get("/v1/status")?, "/started")? == started, "the gateway was restarted");
        Ok(())
    });
}

#[test]
fn a_hangup_signal_reads_the_configuration_again() {
    run_test("sighup", |env| {
        let mut gateway = Gateway::init(env, "gateway", GatewaySettings::default().hosted("shed"))?;
        gateway.start_at("ws://127.0.0.1:1")?;
        let text = fs::read_to_string(gateway.config())?;
        fs::write(gateway.config(), format!("{text}[[device]]\nname = \"barn\"\n"))?;
        gateway.process()?.hang_up()?;
        wait_for_devices(&mut gateway, &["shed", "barn"])?;
        gateway.add_senml(env, "barn", TEMPERATURE_SENML).ok()?;

        // A file with a mistake is shown in the status, and changes nothing.
        fs::write(gateway.config(), format!("{text}[[device]]\nnome = \"barn\"\n"))?;
        gateway.process()?.hang_up()?;
        let alarm = |status: &Value| {
            let components = status.get("components").and_then(Value::as_array)?;
            let component =
                components.iter().find(|part| part.get("name") == Some(&json!("configuration")))?;
            component.get("problem").and_then(Value::as_str).map(str::to_owned)
        };
        wait_until("the status shows the mistake", 30, || {
            let status = gateway.get("/v1/status")?;
            let problem = alarm(&status).context("no alarm")?;
            ensure!(problem.contains("unknown field `nome`"), "{problem}");
            Ok(())
        })?;
        ensure!(names(&gateway)? == ["shed", "barn"], "{:?}", names(&gateway)?);

        fs::write(gateway.config(), &text)?;
        let reload = env.streembit(["gateway", "reload", "--config"]).arg(gateway.config()).json()?;
        ensure!(reload.get("removed") == Some(&json!(["barn"])), "{reload}");
        ensure!(alarm(&gateway.get("/v1/status")?).is_none(), "the alarm stays");
        gateway.stop()
    });
}

fn wait_for_devices(gateway: &mut Gateway, expected: &[&str]) -> Result<()> {
    wait_until("the gateway has the devices", 30, || {
        gateway.process().and_then(Process::check_running)?;
        let names = names(gateway)?;
        ensure!(names == expected, "{names:?}");
        Ok(())
    })
}

#[test]
fn a_development_chain_with_a_gateway_survives_a_restart() {
    run_test("first-use", |env| {
        let mut fixture = GatewayFixture::in_one_process(env, GatewaySettings::default().hosted("shed"))?;
        fixture.add_senml("shed", TEMPERATURE_SENML).ok()?;
        fixture.wait_until_anchored()?;
        fixture.node.process()?.stop()?;
        fixture.node.start()?;
        fixture.gateway.wait_until_ready()?;
        fixture.add_senml("shed", TEMPERATURE_SENML).ok()?;
        fixture.wait_until_anchored()?;
        let report = fixture.audit_json("shed")?;
        ensure!(u64_at(&report, "/anchored")? == 2 && u64_at(&report, "/event_count")? == 2, "{report}");
        Ok(())
    });
}

#[test]
fn one_command_verifies_evidence_and_shows_it_with_all_times() {
    run_test("verify-and-show", |env| {
        let fixture = GatewayFixture::with_hosted_device(env)?;
        // A reading of the year 2020, which the gateway receives now.
        let reading = "[{\"n\":\"Vehicle.TraveledDistance\",\"u\":\"m\",\"v\":12500,\"t\":1577880000}]\n";
        fixture.add_senml("shed", reading).ok()?;
        fixture.add_senml("shed", TEMPERATURE_SENML).ok()?;
        let state = fixture.wait_until_anchored()?;
        fixture.gateway.wait_until_provable(state.size, 60)?;
        let root = env.dir().join("root.txt");
        fixture.node_command(["audit", "root", "-o"]).arg(&root).ok()?;
        let verify = |file: &std::path::Path| {
            env.streembit(["audit", "verify"]).arg(file).arg("--trust-root").arg(&root)
        };

        let whole = fixture.gateway.export_evidence(env, "shed", &[], "whole.evidence")?;
        let text = verify(&whole).ok()?.stdout;
        for part in [
            "VERIFIED: 2 events",
            "Vehicle.TraveledDistance 12500 m (read 2020-01-01 12:00:00Z)",
            "temperature",
        ] {
            ensure!(text.contains(part), "{part}\n{text}");
        }
        let verdict = verify(&whole).json()?;
        ensure!(u64_at(&verdict, "/event_count")? == 2, "{verdict}");
        ensure!(
            str_at(&verdict, "/history/0/parts/0/reading/name")? == "Vehicle.TraveledDistance",
            "{verdict}"
        );

        // The reading is found by its own time, and not by that of its event.
        let old = ["--from", "2020-01-01", "--to", "2020-01-01"];
        fixture
            .gateway
            .export_command(env, "shed", &old, &env.dir().join("none.evidence"))
            .run()?
            .ensure_refused(&["no anchored event", "--by"])?;
        let by_readings = [&old[..], &["--by", "readings"]].concat();
        let found = fixture.gateway.export_evidence(env, "shed", &by_readings, "readings.evidence")?;
        let verdict = verify(&found).json()?;
        ensure!(
            u64_at(&verdict, "/event_count")? == 1 && u64_at(&verdict, "/history/0/sequence")? == 0,
            "{verdict}"
        );
        // The names that are printed are those that are accepted.
        let disclose = ["--disclose", "Vehicle.TraveledDistance"];
        fixture.gateway.export_evidence(env, "shed", &disclose, "disclosed.evidence")?;
        Ok(())
    });
}
