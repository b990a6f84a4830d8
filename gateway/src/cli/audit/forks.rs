//! `streembit audit forks`: the devices whose keys were copied, with the proof.

use crate::{
    cli::{
        common::{CommandResult, ConfigArg, Context},
        output::{paint, Colour},
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

/// The arguments of `audit forks`.
#[derive(Debug, Args)]
pub struct ForksArgs {
    #[command(flatten)]
    config: ConfigArg,
}

/// The proof of a copied key, and whether its signatures match the configured key.
#[derive(Serialize)]
struct CopiedKeyReport {
    /// The device's name, or `None` if the device is no longer configured.
    name: Option<String>,
    /// True if both signatures match the configured key; false also if the device has got another key since. `None` if the
    /// device is no longer configured.
    verified: Option<bool>,
    /// The two events with one sequence number.
    #[serde(flatten)]
    copied: CopiedKey,
}

/// Runs the command.
pub async fn run(args: ForksArgs, context: &Context) -> CommandResult {
    let (config, account) = args.config.load_with_ids(Some(context))?;
    let path = config.gateway.data_dir.clone();
    let forks = tokio::task::spawn_blocking(move || {
        Log::open_for_audit(&path).map_err(explain)?.forks().map_err(explain)
    })
    .await??;
    let reports: Vec<_> = forks.into_iter().map(|copied| verify(&config, account, copied)).collect();
    context.print(&reports, |reports| text(reports))?;
    Ok(if reports.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn verify(config: &Config, account: AccountId, copied: CopiedKey) -> CopiedKeyReport {
    let device = config.devices.iter().find(|device| device.id(account) == copied.device);
    CopiedKeyReport {
        name: device.map(|device| device.name.clone()),
        verified: device.map(|device| copied.verify(&device.device_key(account)).is_ok()),
        copied,
    }
}

fn text(reports: &[CopiedKeyReport]) -> String {
    if reports.is_empty() {
        return paint(Colour::Green, "No key is known to be copied.");
    }
    let devices = reports.iter().map(|CopiedKeyReport { name, verified, copied }| {
        let CopiedKey { device, sequence, first, second } = copied;
        let name = name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        let signed = match verified {
            Some(true) => "its key signed two events",
            Some(false) => "the log has two events, NOT both signed with the configured key,",
            None => {
                "the log has two events, whose signatures were not verified (the device is not configured),"
            }
        };
        format!(
            "{}\n{}\n{}",
            paint(Colour::Red, &format!("device {device}{name}: {signed} with sequence number {sequence}")),
            event("in the log", first),
            event("rejected", second)
        )
    });
    let remedy = "Another device has a copy of the key, so the gateway accepts no more events with this key. Give the \
                  device a new key (`streembit device rotate-key`). --json shows both signed events.";
    format!("{}\n\n{remedy}", devices.collect::<Vec<_>>().join("\n\n"))
}

fn event(label: &str, event: &SignedTwice) -> String {
    let index = event.index.map(|index| format!(", index {index}")).unwrap_or_default();
    format!(
        "  {label}{index}: {}\n    time {}, received {}",
        event.hash,
        clock::show(event.time),
        clock::show(event.received)
    )
}
