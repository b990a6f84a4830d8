//! `streembit audit`: check a device's history against the chain.

mod chains;
mod evidence;
mod forks;

use super::{
    chain::connect,
    common::subject,
    output::{self, paint, Colour},
    ConfigArg, Context, NodeArg, Outcome,
};
use crate::{
    audit::{audit, AnchorState, AuditedEvent, ChainState, Report, Subject},
    config::Config,
    remedies::explain,
};
use clap::{Args, Subcommand};
use std::process::ExitCode;
use streembit_chain::{ChainClient, ChainError};
use streembit_clock as clock;
use streembit_keystore::account;
use streembit_log::{Log, OpenError, StorageError};
use streembit_primitives::{AccountId, LogId};

/// The most problems that are listed for people; programs get them all.
const SHOWN_PROBLEMS: usize = 50;

/// What to audit.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Replay a device's whole history from the log against the finalized chain. Exit code 0 only if everything holds,
    /// 1 if anything does not. Also while the gateway runs.
    Device(DeviceArgs),
    /// Show the devices whose keys were copied, each with the two events that prove it. Exit code 0 if there are none, 1
    /// otherwise. Also while the gateway runs; needs no node.
    Forks(forks::ForksArgs),
    /// Write evidence of a device's history to one file, which proves it to anybody offline. Also while the gateway runs;
    /// no node is asked.
    Export(evidence::ExportArgs),
    /// Show the chains of which the gateway keeps what proves its log. A log has more than one where its chain was founded
    /// anew. Also while the gateway runs; no node is asked.
    Chains(chains::ChainsArgs),
    /// Verify a file of evidence from the chain's specification alone: no network, no node, no database. Exit code 0 only
    /// if everything holds, 1 if anything does not.
    Verify(evidence::VerifyArgs),
    /// Show what a file of evidence says, without verifying it.
    Show(evidence::ShowArgs),
}

/// Which device, and against what.
#[derive(Debug, Args)]
pub struct DeviceArgs {
    /// The device: its name in the gateway's configuration, or its id.
    device: String,
    /// The gateway's configuration.
    #[command(flatten)]
    config: ConfigArg,
    /// Where the chain is.
    #[command(flatten)]
    node: NodeArg,
    /// How many of the newest events to list for people; those that do not hold are always listed.
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
}

/// Does it.
pub async fn run(command: Command, context: &Context) -> Outcome {
    match command {
        Command::Device(args) => run_device(args, context).await,
        Command::Forks(args) => forks::run(args, context).await,
        Command::Chains(args) => chains::run(args, context).await,
        Command::Export(args) => evidence::export(args, context).await,
        Command::Verify(args) => evidence::verify(args, context).await,
        Command::Show(args) => evidence::show(args, context).await,
    }
}

async fn run_device(args: DeviceArgs, context: &Context) -> Outcome {
    let (config, account) = args.config.load_with_account()?;
    let subject = subject(&config, account, &args.device)?;
    let chain = connect(args.node.or(&config)).await?;
    let report = audit_device(&config, account, subject, &chain).await?;
    context.print(&report, |report| text(report, args.limit))?;
    Ok(if report.verified { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn audit_device(
    config: &Config,
    account: AccountId,
    subject: Subject,
    chain: &ChainClient,
) -> anyhow::Result<Report> {
    let id = LogId::first(account);
    // The chain first: whatever it has anchored is in the log by then.
    let state = chain_state(chain, &subject, id).await.map_err(explain)?;
    let path = config.gateway.data_dir.clone();
    let report = tokio::task::spawn_blocking(move || {
        match Log::open_for_audit(&path).and_then(|log| log.ensure_is(id)) {
            Ok(log) => audit(&log, subject, &state).map_err(explain),
            Err(OpenError::Storage(StorageError::Damaged { what, .. })) => {
                Ok(Report::of_unreadable(subject, &state, id, what))
            }
            Err(error) => Err(explain(error)),
        }
    })
    .await??;
    Ok(report)
}

async fn chain_state(chain: &ChainClient, subject: &Subject, log: LogId) -> Result<ChainState, ChainError> {
    let view = chain.view().await?;
    let block = view.block();
    Ok(ChainState {
        genesis: chain.genesis(),
        block: block.number,
        hash: block.hash,
        time: block.time,
        device: view.device(subject.device).await?,
        anchor: view.latest_anchor(log).await?,
    })
}

fn text(report: &Report, limit: usize) -> String {
    let colour = match (report.verified, report.pending) {
        (false, _) => Colour::Red,
        (true, 0) => Colour::Green,
        (true, _) => Colour::Yellow,
    };
    let mut lines = vec![paint(colour, &report.verdict()), String::new()];
    lines.extend(facts(report));
    if !report.problems.is_empty() {
        lines.push(String::new());
        lines.push("Problems:".into());
        lines.extend(report.problems.iter().take(SHOWN_PROBLEMS).map(|problem| format!("  {problem}")));
        if let Some(more) = report.problems.len().checked_sub(SHOWN_PROBLEMS).filter(|more| *more > 0) {
            lines.push(format!("  and {more} more: --json tells all"));
        }
    }
    if !report.elsewhere.is_empty() {
        lines.push(String::new());
        lines.push(format!("Also damaged, of other devices: {} bodies or indexes", report.elsewhere.len()));
    }
    if !report.history.is_empty() {
        lines.push(String::new());
        lines.push(table(report, limit));
    }
    lines.join("\n")
}

fn facts(report: &Report) -> Vec<String> {
    let name = report.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    let anchor = match &report.anchor {
        Some(anchor) => format!(
            "{} of {} log entries, in block {}",
            anchor.checkpoint.size, report.log_size, anchor.block
        ),
        None => format!("none of {} log entries", report.log_size),
    };
    let mut facts = vec![format!("device   {}{name}", report.device)];
    facts.extend(report.owner.map(|owner| format!("owner    {}", account::show(&owner))));
    facts.extend([
        format!("gateway  {}", account::show(&report.log.gateway)),
        format!("anchored {anchor}"),
        format!(
            "chain    {} at finalized block {}, {}",
            report.genesis,
            report.block,
            clock::show(report.block_time)
        ),
        format!(
            "events   {}: {} anchored, {} not yet anchored{}",
            report.events,
            report.anchored,
            report.pending,
            if report.erased > 0 {
                format!("; the bodies of {} were erased", report.erased)
            } else {
                String::new()
            }
        ),
        format!("complete {}", report.completeness),
    ]);
    facts
}

fn table(report: &Report, limit: usize) -> String {
    let newest = report.history.len().saturating_sub(limit);
    let shown = |(place, event): &(usize, &AuditedEvent)| *place >= newest || !event.ok;
    let mut table = output::table(["event", "time", "what", "signed by", "entry", "anchored", "ok"]);
    let mut count = 0;
    for (_, event) in report.history.iter().enumerate().filter(shown) {
        count += 1;
        table.add_row([
            event.sequence.to_string(),
            event.when(),
            event.summary(),
            event.signed_by().to_owned(),
            event.index.to_string(),
            match event.anchor {
                AnchorState::Anchored => "yes",
                AnchorState::Pending => "not yet",
                AnchorState::Outside => "NO",
            }
            .to_owned(),
            if event.ok { "yes" } else { "NO" }.to_owned(),
        ]);
    }
    let hidden = report.history.len().saturating_sub(count);
    let rest = if hidden > 0 {
        format!("\n{hidden} more events hold and are not listed: --limit N lists the newest N, --json all")
    } else {
        String::new()
    };
    format!("{}{rest}", output::render(&table))
}
