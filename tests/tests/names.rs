//! Names of the address book and the beginnings of ids, in place of whole ids.

use anyhow::{ensure, Result};
use streembit_tests::{bool_at, dev_party, run_test, str_at, GatewayFixture};

#[test]
fn a_name_and_the_beginning_of_an_id_stand_for_the_id() {
    run_test("names", |env| {
        let fixture = GatewayFixture::with_hosted_device(env)?;
        let id = fixture.device_id("shed")?;
        let short: String = id.chars().take(10).collect();
        let show = |device: &str| fixture.node_command(["device", "show", "--device", device]);
        ensure!(str_at(&show(&short).json()?, "/device")? == id);
        show("garden").run()?.ensure_refused(&[
            "garden",
            "names.toml",
            "name add device garden",
            "--config",
        ])?;
        show("0xffff").run()?.ensure_refused(&["0xffff", "names.toml", "the chain at"])?;

        // The chain knows the device that begins like this, and the party of the account.
        add(&fixture, &["device", "garden", &short])?;
        add(&fixture, &["party", "alices", &env.dev_account("alice")?])?;
        let shown = show("garden").json()?;
        ensure!(str_at(&shown, "/device")? == id && str_at(&shown, "/device_name")? == "garden", "{shown}");
        ensure!(str_at(&shown, "/owner_name")? == "alices", "{shown}");
        let text = show("garden").ok()?.stdout;
        ensure!(text.contains(&format!("garden ({short}…)")) && text.contains("alices (0x"), "{text}");
        let parties = fixture.node_command(["consortium", "show"]).ok()?.stdout;
        ensure!(parties.contains("alices (0x"), "{parties}");
        let party = fixture.node_command(["party", "show", "alices"]).json()?;
        ensure!(str_at(&party, "/party_name")? == "alices", "{party}");

        // The chain does not list a party that left, but its name still stands for it.
        let charlie = dev_party("charlie")?.to_string();
        add(&fixture, &["party", "charlies", &charlie])?;
        let leave = fixture.node_command(["consortium", "leave", "--as-party", "--key"]);
        leave.arg(env.dev_keystore("charlie")?).ok()?;
        let account = env.dev_account("charlie")?;
        let propose = ["consortium", "propose-party", &account, "--party", "charlies", "--key"];
        let returned = fixture.node_command(propose).arg(env.dev_keystore("alice")?).json()?;
        ensure!(bool_at(&returned, "/decided"), "{returned}");
        let party = fixture.node_command(["party", "show", "charlies"]).json()?;
        ensure!(str_at(&party, "/party")? == charlie, "{party}");
        Ok(())
    });
}

#[test]
fn a_contract_is_written_and_found_by_names() {
    run_test("contract-names", |env| {
        let fixture = GatewayFixture::with_hosted_device(env)?;
        let id = fixture.device_id("shed")?;
        add(&fixture, &["device", "garden", &id])?;
        add(&fixture, &["party", "alices", &env.dev_account("alice")?])?;
        let bob = env.dev_account("bob")?;
        let settings =
            [("device", "garden"), ("owner", "alices"), ("workshop", &bob), ("until", "2040-01-01")];
        let file = fixture.new_contract("vehicle-service", "book", &settings)?;
        // The file has ids, and nothing of the address book.
        let text = std::fs::read_to_string(&file)?;
        ensure!(!text.contains("garden") && !text.contains("alices"), "{text}");

        let contract = fixture.propose(&file, "alice")?;
        let short: String = contract.chars().take(10).collect();
        add(&fixture, &["contract", "book", &short])?;
        fixture.accept_command(&file, "bob")?.arg("--contract").arg("book").ok()?;
        for named in ["book", &short] {
            ensure!(str_at(&fixture.shown_contract(named)?, "/id")? == contract, "{named}");
        }
        let shown = fixture.node_command(["contract", "show", "book"]).ok()?.stdout;
        ensure!(shown.contains("book (0x") && shown.contains("alices (0x"), "{shown}");
        let listed = fixture.node_command(["contract", "list", "--party", "alices"]).ok()?.stdout;
        ensure!(listed.contains("book (0x"), "{listed}");
        // The key of the party, or a gateway of it, says whose contracts are meant.
        let of_key = fixture.node_command(["contract", "list", "--key"]).arg(env.dev_keystore("alice")?);
        let of_gateway = fixture.node_command(["contract", "list", "--config"]).arg(fixture.gateway.config());
        for command in [of_key, of_gateway] {
            let listed = command.ok()?.stdout;
            ensure!(listed.contains("book (0x"), "{listed}");
        }
        let rights = fixture.node_command(["grant", "list", "--device", "garden"]).ok()?.stdout;
        ensure!(rights.contains("garden (0x") && rights.contains("book (0x"), "{rights}");
        // A cold key is named, too.
        add(&fixture, &["account", "cold", &bob])?;
        let unsigned = env.dir().join("unsigned.json");
        let terminate =
            fixture.node_command(["contract", "terminate", "book", "--yes", "--signer", "cold", "--offline"]);
        let prepared = terminate.arg(&unsigned).json()?;
        ensure!(str_at(&prepared, "/account")? == bob, "{prepared}");
        Ok(())
    });
}

fn add(fixture: &GatewayFixture, arguments: &[&str]) -> Result<()> {
    fixture.node_command(["name", "add"].iter().chain(arguments)).ok()?;
    Ok(())
}
