//! `streembit device`: the devices of a gateway, and their records on the chain: keys, owners, logs and state.

mod admit;
mod configure;
mod consent;
mod keys;
mod last;
mod list;
mod ownership;
mod reassign;
mod register;
mod show;
mod state;
mod subject;

use super::common::{CommandResult, ConfigArg, Context, NodeArg};
use clap::Subcommand;
use std::process::ExitCode;

/// The subcommands of `streembit device`.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the devices in a gateway's configuration, with their registrations on the chain.
    List {
        /// The gateway's configuration.
        #[command(flatten)]
        config: ConfigArg,
        /// The node to ask.
        #[command(flatten)]
        node: NodeArg,
    },
    /// Add a device to a gateway's configuration. A running gateway takes it at once.
    ///
    /// Without --obd and --public-key, readings of the device arrive through the API or `streembit event add`, and the gateway
    /// signs them. The owner then registers the device with `streembit device register`.
    Add(configure::AddArgs),
    /// Remove a device from a gateway's configuration. A running gateway accepts no more events of it.
    ///
    /// Its events stay in the log and its record stays on the chain: see `streembit device retire` and `reassign`.
    Remove(configure::RemoveArgs),
    /// Show the record of a device: its keys, owners and logs, what was lost, and its state.
    Show(show::Args),
    /// Register a device on the chain for its owner.
    ///
    /// The device has to consent, and the gateway that keeps its log too. For a device that cannot sign, its gateway
    /// consents.
    Register(register::RegisterArgs),
    /// Print the message that a device has to sign to consent to its registration, or sign it with --device-key.
    Consent(register::ConsentArgs),
    /// Let a gateway agree to keep the log of a device, and learn the device's last event in the log before.
    ///
    /// The gateway's configuration must have the device. Writes the file that the owner needs for `device register` or
    /// `device reassign`.
    Admit(admit::Args),
    /// Prove the last anchored event of a device, from its gateway or an evidence file, for commands on another machine.
    LastAnchored(last::Args),
    /// Print the message that the old and the new key of a device have to sign, or sign it with --device-key.
    KeyConsent(keys::ConsentArgs),
    /// Give a device a new key, to which the key before it agrees.
    RotateKey(keys::RotateArgs),
    /// Give a device whose key is lost a new one. The record says that the owner decided alone.
    Recover(keys::RecoverArgs),
    /// Assign a device to the log of another gateway, or to the next log of its own gateway.
    Reassign(reassign::Args),
    /// Offer a device to another party, or withdraw the offer.
    Transfer(ownership::TransferArgs),
    /// Accept a device that another party offers.
    Accept(ownership::AcceptArgs),
    /// Take a device out of use for good. Gateways admit no further events of it, and its record never changes again.
    Retire(state::RetireArgs),
    /// Declare that a device is lost, stolen or in use again, or that some of its events are lost.
    Declare(state::DeclareArgs),
}

/// Runs the command.
pub async fn run(command: Command, context: &Context) -> CommandResult {
    match command {
        Command::List { config, node } => list::run(&config, &node, context).await?,
        Command::Add(args) => configure::add(args, context).await?,
        Command::Remove(args) => configure::remove(args, context).await?,
        Command::Show(args) => show::run(&args, context).await?,
        Command::Register(args) => register::register(args, context).await?,
        Command::Consent(args) => register::consent(args, context).await?,
        Command::Admit(args) => admit::run(&args, context).await?,
        Command::LastAnchored(args) => last::run(&args, context).await?,
        Command::KeyConsent(args) => keys::consent(&args, context).await?,
        Command::RotateKey(args) => keys::rotate(&args, context).await?,
        Command::Recover(args) => keys::recover(&args, context).await?,
        Command::Reassign(args) => reassign::run(&args, context).await?,
        Command::Transfer(args) => ownership::transfer(&args, context).await?,
        Command::Accept(args) => ownership::accept(&args, context).await?,
        Command::Retire(args) => state::retire(&args, context).await?,
        Command::Declare(args) => state::declare(&args, context).await?,
    }
    Ok(ExitCode::SUCCESS)
}
