//! `streembit device retire` and `declare`: what the owner says about a device and its events.

use super::{
    last::{Bounds, LastArgs},
    subject::{find_record, DeviceArg},
};
use crate::{
    cli::{
        common::{connect, submitted_json, Context, KeyArg, NodeArg},
        resolver::Reference,
    },
    remedies::explain,
};
use anyhow::ensure;
use clap::{Args, ValueEnum};
use serde_json::json;
use streembit_primitives::device::{DecidedChange, DeviceState};

/// The arguments of `device retire`.
#[derive(Debug, Args)]
pub struct RetireArgs {
    /// The device: its id or the beginning of it, or its name in the address book.
    #[arg(long, value_name = "DEVICE")]
    device: Reference,
    #[command(flatten)]
    key: KeyArg,
    #[command(flatten)]
    node: NodeArg,
}

/// The arguments of `device declare`.
#[derive(Debug, Args)]
pub struct DeclareArgs {
    #[command(flatten)]
    device: DeviceArg,
    /// What the owner says about the device.
    #[arg(long, value_name = "STATE", required_unless_present = "lost_until", conflicts_with = "lost_until")]
    state: Option<Declared>,
    /// The events after the last anchored one and before this sequence are lost, because the device has lost its counter
    /// or its unsent events. The device continues with this sequence.
    #[arg(long, value_name = "N")]
    lost_until: Option<u64>,
    /// Declare events lost although the gateway's log has them, but not anchored. They prove nothing from then on.
    #[arg(long, requires = "lost_until")]
    force: bool,
    #[command(flatten)]
    last: LastArgs,
    #[command(flatten)]
    key: KeyArg,
    #[command(flatten)]
    node: NodeArg,
}

/// What an owner can say about a device and take back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Declared {
    /// It is in use.
    Active,
    /// It is lost.
    Lost,
    /// It is stolen.
    Stolen,
}

impl From<Declared> for DeviceState {
    fn from(declared: Declared) -> Self {
        match declared {
            Declared::Active => Self::Active,
            Declared::Lost => Self::Lost,
            Declared::Stolen => Self::Stolen,
        }
    }
}

/// Runs `device retire`.
pub(super) async fn retire(args: &RetireArgs, context: &Context) -> anyhow::Result<()> {
    let owner = args.key.signer(context).await?;
    let chain = connect(args.node.or_local()).await?;
    let device = context.resolver().chain(&chain).device(&args.device).await?;
    find_record(&chain, device).await?;
    let state = DeviceState::Retired;
    let submitted = chain.set_device_state(&owner, device, state).await.map_err(explain)?;
    let view = submitted_json(&submitted, [("device", json!(device)), ("state", json!(state))]);
    context.print(&view, |_| format!("device {device} is retired, finalized in block {}", submitted.block))
}

/// Runs `device declare`.
pub(super) async fn declare(args: &DeclareArgs, context: &Context) -> anyhow::Result<()> {
    let owner = args.key.signer(context).await?;
    let (found, chain) = args.device.find(&args.node, args.last.evidence(), context).await?;
    let record = found.record(&chain).await?;
    let device = found.id;
    if let Some(declared) = args.state {
        let state = DeviceState::from(declared);
        let submitted = chain.set_device_state(&owner, device, state).await.map_err(explain)?;
        let view = submitted_json(&submitted, [("device", json!(device)), ("state", json!(state))]);
        return context.print(&view, |_| {
            let state = format!("{state:?}").to_lowercase();
            format!("device {device} is declared {state}, finalized in block {}", submitted.block)
        });
    }
    let until = args.lost_until.unwrap_or_default();
    let source = args.last.source(&chain, &found, &record).await?;
    let (_, Bounds { lowest, after_newest }) = source.bounds(&chain, device, DecidedChange::Lost).await?;
    ensure_lost(until, Bounds { lowest, after_newest }, args.force)?;
    let submitted = source.submit(|last| chain.declare_lost(&owner, device, until, last)).await?;
    let fields = [("device", json!(device)), ("from", json!(lowest)), ("until", json!(until))];
    context.print(&submitted_json(&submitted, fields), |_| {
        format!(
            "events {lowest} to {} of device {device} are declared lost, finalized in block {}",
            until.saturating_sub(1),
            submitted.block
        )
    })
}

/// Ensures that the events from the lowest possible one up to `until` can be declared lost. Events that the log has are
/// declared lost only with `force`.
fn ensure_lost(until: u64, bounds: Bounds, force: bool) -> anyhow::Result<()> {
    let Bounds { lowest, after_newest } = bounds;
    // If the log has an event directly before, the next one would have to name it.
    let least = lowest.max(after_newest).saturating_add(1);
    ensure!(
        until >= least,
        "the log has events up to {} already, so there is nothing to declare lost: give --lost-until {least} or more, and \
         let the device continue with that sequence",
        after_newest.saturating_sub(1)
    );
    ensure!(
        force || after_newest <= lowest,
        "the log has events {lowest} to {} that are not anchored yet: wait until they are (`streembit status`), or add \
         --force to declare them lost, too",
        after_newest.saturating_sub(1)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_in_the_log_are_declared_lost_only_with_force() {
        let anchored = Bounds { lowest: 5, after_newest: 5 };
        assert!(ensure_lost(6, anchored, false).is_ok());
        assert!(ensure_lost(5, anchored, true).is_err());
        let newer = Bounds { lowest: 5, after_newest: 8 };
        let error = ensure_lost(9, newer, false).unwrap_err().to_string();
        assert!(error.contains("5 to 7") && error.contains("--force"), "{error}");
        assert!(ensure_lost(9, newer, true).is_ok());
        assert!(ensure_lost(8, newer, true).is_err());
    }
}
