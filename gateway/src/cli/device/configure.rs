//! `streembit device add` and `remove`: the devices in a gateway's configuration, and in the gateway while it runs.

use crate::{
    api::client::{Client, ClientError},
    cli::{
        common::{find_configured, ConfigArg, Context},
        resolver::Reference,
    },
    config::{self, Config, NewDevice},
};
use anyhow::Context as _;
use clap::Args;
use serde_json::json;

/// The arguments of `device add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The device's name: 1 to 32 letters, digits, `-` and `_`.
    name: String,
    #[command(flatten)]
    config: ConfigArg,
    /// The adapter of a vehicle: a serial port such as /dev/serial/by-id/NAME, or tcp://HOST:PORT.
    #[arg(long, value_name = "PORT", conflicts_with = "public_key")]
    obd: Option<String>,
    /// Another setting of the adapter, such as every_seconds=5. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "obd")]
    settings: Vec<String>,
    /// A lasting name such as the vehicle identification number, from which the device's id is derived. The default is
    /// the name. Only its salted hash leaves this machine.
    #[arg(long, value_name = "TEXT", conflicts_with = "public_key")]
    label: Option<String>,
    /// The public key of a device that signs its own events: sr25519:HEX, ed25519:HEX or p256:HEX.
    #[arg(long, value_name = "KEY")]
    public_key: Option<String>,
    /// The device's id, if another gateway hosted the device or it had another key before.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

/// The arguments of `device remove`.
#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// The device: its name in the gateway's configuration or in the address book, or its id or the beginning of it.
    #[arg(value_parser = Reference::of_device)]
    device: Reference,
    #[command(flatten)]
    config: ConfigArg,
}

/// Runs `device add`.
pub(super) async fn add(args: AddArgs, context: &Context) -> anyhow::Result<()> {
    let AddArgs { name, config, obd, settings, label, public_key, id } = args;
    let adapter = obd.map(|port| {
        let settings = std::iter::once(format!("port={port}")).chain(settings).collect();
        ("obd".to_owned(), settings)
    });
    let device = NewDevice { name: name.clone(), label, id, key: public_key, adapter };
    let changed = config::add_device(&config.path, &device)?;
    let gateway = RunningGateway::tell(&changed).await.with_context(|| after("has", &name, &config))?;
    let id = gateway.id_of(&name).await;
    let view = json!({ "added": name, "id": id, "config": config.path, "running": gateway.is_running() });
    context.print(&view, |_| {
        let id = id.map_or_else(String::new, |id| format!("\nid       {id}"));
        let next = match gateway.is_running() {
            true => "The running gateway has taken the device.",
            false => "The gateway takes the device when it starts.",
        };
        let path = config.path.display();
        format!(
            "device   {name}{id}\nconfig   {path}\n\n{next} Its owner registers it with:\n  streembit device register \
             --device {name} --config {path} --key FILE"
        )
    })
}

/// Runs `device remove`.
pub(super) async fn remove(args: RemoveArgs, context: &Context) -> anyhow::Result<()> {
    let RemoveArgs { device, config } = args;
    let name = name_of(&device, &config, context).await?;
    let changed = config::remove_device(&config.path, &name)?;
    let gateway =
        RunningGateway::tell(&changed).await.with_context(|| after("no longer has", &name, &config))?;
    let view = json!({ "removed": name, "config": config.path, "running": gateway.is_running() });
    context.print(&view, |_| {
        format!(
            "Device {name} is removed from {}. Its events stay in the log, and its record on the chain.",
            config.path.display()
        )
    })
}

/// Returns the name of a device in the configuration.
async fn name_of(device: &Reference, config: &ConfigArg, context: &Context) -> anyhow::Result<String> {
    let known = config.load()?;
    // A name needs neither ids nor, to compute them, the gateway's key.
    if let Some(name) = device.name().filter(|name| known.devices.iter().any(|device| device.name == *name)) {
        return Ok(name.to_owned());
    }
    let (known, account) = config.load_with_ids(Some(context))?;
    Ok(find_configured(context, &known, account, device).await?.name)
}

/// Says what the file has when the running gateway has not taken it.
fn after(has: &str, device: &str, config: &ConfigArg) -> String {
    format!(
        "{} {has} device {device}, but the running gateway did not take the change; when the problem is solved, run \
         `streembit gateway reload`",
        config.path.display()
    )
}

/// The gateway of a changed configuration, if it runs. It has read the configuration again then.
struct RunningGateway(Option<Client>);

impl RunningGateway {
    /// Lets the gateway read its configuration again, if it runs.
    async fn tell(config: &Config) -> anyhow::Result<Self> {
        let client = Client::new(&config.api.socket)?;
        match client.reload().await {
            Ok(_) => Ok(Self(Some(client))),
            Err(ClientError::NoGateway(_)) => Ok(Self(None)),
            Err(error) => Err(error.into()),
        }
    }

    fn is_running(&self) -> bool {
        self.0.is_some()
    }

    /// Returns the id of a device, which a running gateway knows.
    async fn id_of(&self, name: &str) -> Option<String> {
        let devices = self.0.as_ref()?.devices().await.ok()?;
        devices.into_iter().find(|device| device.name == name).map(|device| device.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address_book::AddressBookFile;
    use clap::Parser;
    use std::path::Path;

    #[derive(Debug, Parser)]
    struct AddCommand {
        #[command(flatten)]
        args: AddArgs,
    }

    fn parse(path: &Path, arguments: &[&str]) -> Result<AddArgs, clap::Error> {
        let path = path.display().to_string();
        let line = [&["add", "--config", &path][..], arguments].concat();
        AddCommand::try_parse_from(line).map(|command| command.args)
    }

    fn context() -> Context {
        Context {
            json: true,
            passphrase_file: None,
            offline: None,
            address_book: AddressBookFile::none().into(),
        }
    }

    #[tokio::test]
    async fn a_device_is_added_and_removed_while_no_gateway_runs() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gateway.toml");
        std::fs::write(&path, "[gateway]\nname = \"box\"\n").unwrap();
        let args = parse(&path, &["car", "--obd", "/dev/ttyUSB0", "--set", "every_seconds=5"]).unwrap();
        let config = args.config.clone();
        add(args, &context()).await.unwrap();
        let loaded = Config::load(&path).unwrap();
        assert_eq!(loaded.devices[0].adapter.as_ref().unwrap().to_string(), "OBD-II at /dev/ttyUSB0");
        let device = Reference::of_device("car").unwrap();
        remove(RemoveArgs { device, config }, &context()).await.unwrap();
        assert!(Config::load(&path).unwrap().devices.is_empty());
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        let path = Path::new("gateway.toml");
        for arguments in [
            &["car", "--set", "baud=9600"][..],
            &["car", "--obd", "/dev/x", "--public-key", "sr25519:00"],
            &["car", "--label", "x", "--public-key", "sr25519:00"],
            &[],
        ] {
            assert!(parse(path, arguments).is_err(), "{arguments:?}");
        }
    }
}
