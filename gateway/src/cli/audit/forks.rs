//! `streembit audit forks`: the keys that were copied, and the proof.

use crate::{
    cli::{
        output::{paint, Colour},
        ConfigArg, Context, Outcome,
    },
    config::Config,
    remedies::explain,
};
use clap::Args;
use serde::Serialize;
use std::process::ExitCode;
use streembit_clock as clock;
use streembit_log::{CopiedKey, Log, SignedTwice};
use streembit_primitives::AccountId;

/// Of which gateway.
#[derive(Debug, Args)]
pub struct ForksArgs {
    /// The gateway's configuration.
    #[command(flatten)]
    config: ConfigArg,
}

/// A proof, and whether it holds against the configured key.
#[derive(Serialize)]
struct Shown {
    /// What the gateway calls the device; `None` where it is not configured any more.
    name: Option<String>,
    /// Whether both signatures are of the configured key; `None` where none is known.
    verified: Option<bool>,
    /// The two events.
    #[serde(flatten)]
    copied: CopiedKey,
}

/// Shows them.
pub async fn run(args: ForksArgs, context: &Context) -> Outcome {
    let (config, account) = args.config.load_with_account()?;
    let path = config.gateway.data_dir.clone();
    let forks = tokio::task::spawn_blocking(move || {
        Log::open_for_audit(&path).map_err(explain)?.forks().map_err(explain)
    })
    .await??;
    let shown: Vec<_> = forks.into_iter().map(|copied| shown(&config, account, copied)).collect();
    context.print(&shown, |shown| text(shown))?;
    Ok(if shown.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn shown(config: &Config, account: AccountId, copied: CopiedKey) -> Shown {
    let device = config.devices.iter().find(|device| device.id(account) == copied.device);
    Shown {
        name: device.map(|device| device.name.clone()),
        verified: device.map(|device| copied.verify(&device.device_key(account)).is_ok()),
        copied,
    }
}

fn text(shown: &[Shown]) -> String {
    if shown.is_empty() {
        return paint(Colour::Green, "No key is known to be copied.");
    }
    let devices = shown.iter().map(|Shown { name, verified, copied }| {
        let CopiedKey { device, sequence, first, second } = copied;
        let name = name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        let signed = match verified {
            Some(true) => "its key signed two events",
            Some(false) => "two events are kept, but they are NOT both signed by the configured key,",
            None => "two events are kept (the device is not configured, its key is not known here)",
        };
        format!(
            "{}\n{}\n{}",
            paint(Colour::Red, &format!("device {device}{name}: {signed} as number {sequence}")),
            event("in the log", first),
            event("refused", second)
        )
    });
    let what_to_do =
        "Somebody has a copy of the key. Nothing further is taken from the device: give it a new key, and \
                      configure and register it as a new device. --json has both signed events.";
    format!("{}\n\n{what_to_do}", devices.collect::<Vec<_>>().join("\n\n"))
}

fn event(what: &str, event: &SignedTwice) -> String {
    let place = event.index.map(|index| format!(", entry {index}")).unwrap_or_default();
    format!(
        "  {what}{place}: {}\n    of {}, received {}",
        event.hash,
        clock::show(event.time),
        clock::show(event.received)
    )
}
